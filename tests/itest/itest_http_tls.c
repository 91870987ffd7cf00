/* io/http and certificates: only a server whose certificate is signed, valid, of its name and behind TLS 1.2 gets an answer, a
 * token, and is believed in what time it is. */
#include "http_helper.h"

#define DATE_MS 784111777000 /* of the server's answers, 1994-11-06T08:49:37Z */

static void test_certificates(void **state)
{
	static const struct {
		const char *name;
		enum door door;
		bool our_ca;
		int error;
		const char *host;
	} ROWS[] = {
		{ "expired", DOOR_EXPIRED, true, -EACCES, NULL },
		{ "another host's", DOOR_OTHER_HOST, true, -EACCES, NULL },
		{ "a stranger's", DOOR_STRANGER, true, -EACCES, NULL },
		{ "the system does not know our authority", DOOR_GOOD, false, -EACCES, NULL },
		{ "TLS 1.1", DOOR_OLD_TLS, true, -EPROTO, NULL },
		{ "good", DOOR_GOOD, true, 0, NULL },
		{ "good, by name", DOOR_GOOD, true, 0, "localhost" },
		{ "good, but not by this name", DOOR_GOOD, true, -EACCES, "other.localhost" },
	};
	struct shot s;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char url[96];

		snprintf(url, sizeof(url), "https://%s:%d/seconds/7", ROWS[i].host ? ROWS[i].host : "127.0.0.1",
			 hostile.port[ROWS[i].door]);
		open_http(ROWS[i].our_ca ? hostile.ca : NULL);
		shoot_wait(&s, DOOR_GOOD, "", (struct http_request){ .url = url, .bearer = "secret-token" });
		if (s.a.error != ROWS[i].error)
			fail_msg("row '%s': %d, %s (%s)", ROWS[i].name, s.a.status, strerror(-s.a.error), s.a.reason);
		assert_row(ROWS[i].name, s.a.status == (ROWS[i].error ? 0 : 429));
		assert_row(ROWS[i].name, s.a.date_utc_ms == (ROWS[i].error ? 0 : DATE_MS));
		assert_row(ROWS[i].name, s.a.retry_after_ms == (ROWS[i].error ? -1 : 7000));
		assert_row(ROWS[i].name, !strstr(s.a.reason, "secret"));
		shot_deinit(&s);
		close_http();
	}
}

static void test_plain_vouches_for_nothing(void **state)
{
	struct shot s;

	(void)state;
	open_http(hostile.ca);
	shoot_wait(&s, DOOR_PLAIN, "status/200", (struct http_request){ 0 });
	assert_int_equal(s.a.status, 200);
	assert_int_equal(s.a.date_utc_ms, 0);
	shot_deinit(&s);
	close_http();
}

/* The request's own authority wins, and a connection made with one is not lent to a request with another. */
static void test_authority_of_a_request(void **state)
{
	char stranger[96];
	struct shot s;

	(void)state;
	snprintf(stranger, sizeof(stranger), "%s/stranger.pem", hostile.dir);
	open_http(NULL);
	shoot_wait(&s, DOOR_GOOD, "status/200", (struct http_request){ .ca_file = hostile.ca });
	assert_int_equal(s.a.status, 200);
	shot_deinit(&s);
	shoot_wait(&s, DOOR_GOOD, "status/200", (struct http_request){ .ca_file = stranger });
	assert_int_equal(s.a.error, -EACCES);
	shoot_wait(&s, DOOR_GOOD, "status/200", (struct http_request){ 0 });
	assert_int_equal(s.a.error, -EACCES);
	shoot_wait(&s, DOOR_STRANGER, "status/200", (struct http_request){ .ca_file = stranger });
	assert_int_equal(s.a.status, 200);
	shot_deinit(&s);
	shoot_wait(&s, DOOR_GOOD, "status/200", (struct http_request){ .ca_file = "/nonexistent/ca.pem" });
	assert_int_equal(s.a.error, -EACCES);
	close_http();
}

static void test_no_authority(void **state)
{
	const struct http_options o = { .ca_file = "/nonexistent/ca.pem" };
	struct errbuf err = { "" };

	(void)state;
	assert_int_equal(http_open(&http, &loop, &o, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
	assert_null(http);
	http_close(NULL);
}

/* Over TLS as in the clear: faults in the middle of an answer, and size. */
static void test_faults(void **state)
{
	static const struct {
		const char *path;
		int error;
	} ROWS[] = { { "drip", -ETIMEDOUT }, { "hang", -ETIMEDOUT }, { "cut", -ECONNRESET }, { "nothing", -ECONNRESET },
		     { "garbage", -EPROTO }, { "endless", -EMSGSIZE }, { "big", -EMSGSIZE } };
	struct shot s;

	(void)state;
	open_http(hostile.ca);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		shoot_wait(&s, DOOR_GOOD, ROWS[i].path,
			   (struct http_request){ .timeout_ms = ROWS[i].error == -ETIMEDOUT ? 500 : 0 });
		if (s.a.error != ROWS[i].error)
			fail_msg("row '%s': %d, %s (%s)", ROWS[i].path, s.a.status, strerror(-s.a.error), s.a.reason);
	}
	close_http();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates), cmocka_unit_test(test_plain_vouches_for_nothing),
		cmocka_unit_test(test_authority_of_a_request), cmocka_unit_test(test_no_authority), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_loop_free),
	};

	return cmocka_run_group_tests(tests, hostile_start, hostile_stop);
}
