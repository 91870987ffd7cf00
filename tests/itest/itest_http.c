/* io/http over real sockets against a server that misbehaves: every answer and every fault becomes the right word, in time and
 * within its size; what is sent is what was asked for; memory handed over is freed once; the loop goes on ticking. */
#include "http_helper.h"

#include "core/json.h"
#include "support/broker.h" /* free_port */

static void test_answers(void **state)
{
	static const struct {
		const char *path;
		int status;
		int64_t retry_after_ms;
		const char *body;
	} ROWS[] = {
		{ "status/200", 200, -1, "{\"status\":200}" },
		{ "status/204", 204, -1, "" },
		{ "status/404", 404, -1, "{\"status\":404}" },
		{ "status/401", 401, -1, "{\"status\":401}" }, /* no second try with another scheme */
		{ "status/407", 407, -1, "{\"status\":407}" },
		{ "status/500", 500, -1, "{\"status\":500}" },
		{ "status/999", 999, -1, "{\"status\":999}" },
		{ "seconds/30", 429, 30000, "{}" },
		{ "seconds/0", 429, 0, "{}" },
		{ "seconds/99999999999999999999", 429, 86400000, "{}" },
		{ "seconds/soon", 429, -1, "{}" },
		{ "date", 503, 90000, "{}" },
		{ "dateless", 503, -1, "{}" },
		{ "redirect", 302, -1, "{}" },
		{ "hints", 200, -1, "{}" }, /* what an interim answer says is not what the answer says */
		{ "slow/300", 200, -1, "{}" },
	};
	struct shot s;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		shoot_wait(&s, DOOR_PLAIN, ROWS[i].path, (struct http_request){ 0 });
		assert_row(ROWS[i].path, s.a.error == 0 && s.a.reason[0] == '\0');
		assert_row(ROWS[i].path, s.a.status == ROWS[i].status);
		assert_row(ROWS[i].path, s.a.retry_after_ms == ROWS[i].retry_after_ms);
		assert_row(ROWS[i].path, s.a.date_utc_ms == 0); /* nobody vouches for it */
		assert_string_equal(s.a.result, ROWS[i].body);
		assert_row(ROWS[i].path, s.a.elapsed_ms >= (strstr(ROWS[i].path, "slow") ? 300 : 0) && s.a.elapsed_ms < slow_ms(10000));
		shot_deinit(&s);
	}
}

static void test_faults(void **state)
{
	static const struct {
		const char *path;
		int error, timeout_ms;
	} ROWS[] = {
		{ "drip", -ETIMEDOUT, 400 },
		{ "hang", -ETIMEDOUT, 300 },
		{ "early", -EMSGSIZE, 5000 },
		{ "headers", -EMSGSIZE, 5000 },
		{ "big", -EMSGSIZE, 5000 },
		{ "big_unsaid", -EMSGSIZE, 5000 },
		{ "endless", -EMSGSIZE, 5000 },
		{ "bomb", -EMSGSIZE, 5000 },
		{ "cut", -ECONNRESET, 0 },
		{ "cut_chunk", -ECONNRESET, 0 },
		{ "nothing", -ECONNRESET, 0 },
		{ "garbage", -EPROTO, 0 },
		{ "http09", -EPROTO, 0 },
	};
	struct shot s;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const int decoded = atomic_load(&n_decoded);

		shoot_wait(&s, DOOR_PLAIN, ROWS[i].path, (struct http_request){ .timeout_ms = ROWS[i].timeout_ms });
		if (s.a.error != ROWS[i].error)
			fail_msg("row '%s': %d %s (%s)", ROWS[i].path, s.a.status, strerror(-s.a.error), s.a.reason);
		assert_row(ROWS[i].path, s.a.reason[0] && s.a.retry_after_ms == -1 && s.a.date_utc_ms == 0 && !s.a.result);
		assert_row(ROWS[i].path, atomic_load(&n_decoded) == decoded); /* a part of an answer is decoded by nobody */
		assert_row(ROWS[i].path, s.a.error != -ETIMEDOUT || s.a.elapsed_ms >= ROWS[i].timeout_ms);
		assert_row(ROWS[i].path, s.a.elapsed_ms < slow_ms(5000));
		shot_deinit(&s);
	}
}

static void test_nobody_there(void **state)
{
	char url[64];
	struct shot s;

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", free_port());
	shoot_wait(&s, DOOR_PLAIN, "", (struct http_request){ .url = url });
	assert_int_equal(s.a.error, -ECONNREFUSED);
	shoot_wait(&s, DOOR_PLAIN, "", (struct http_request){ .url = "https://nobody.invalid/" });
	assert_int_equal(s.a.error, -EHOSTUNREACH);
	/* TLS to a server that has none */
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", hostile.port[DOOR_PLAIN]);
	shoot_wait(&s, DOOR_PLAIN, "", (struct http_request){ .url = url });
	assert_int_equal(s.a.error, -EPROTO);
}

static void test_sizes(void **state)
{
	static char body[(3 << 20) / 2];
	struct shot s;
	char path[32];

	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	shoot_wait(&s, DOOR_PLAIN, "echo", (struct http_request){ .method = HTTP_POST, .body = body });
	assert_int_equal(s.a.status, 200);
	assert_non_null(strstr(s.a.result, body));
	assert_null(strstr(s.a.result, "\"expect\"")); /* no second spent on asking whether it may come */
	shot_deinit(&s);
	snprintf(path, sizeof(path), "full/%d", HTTP_BODY_MAX);
	shoot_wait(&s, DOOR_PLAIN, path, (struct http_request){ 0 });
	assert_int_equal(s.a.status, 200);
	assert_int_equal(strlen(s.a.result), HTTP_BODY_MAX);
	shot_deinit(&s);
	snprintf(path, sizeof(path), "full/%d", HTTP_BODY_MAX + 1);
	shoot_wait(&s, DOOR_PLAIN, path, (struct http_request){ 0 });
	assert_int_equal(s.a.error, -EMSGSIZE);
	/* nobody asked for compression; who compresses all the same is not understood, and nothing is unpacked */
	shoot_wait(&s, DOOR_PLAIN, "packed", (struct http_request){ 0 });
	assert_int_equal(s.a.status, 200);
	assert_int_equal(((unsigned char *)s.a.result)[0], 0x1f);
	shot_deinit(&s);
}

static void assert_member(const cJSON *o, const char *name, const char *must)
{
	const char *is = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));

	if (!must ? is != NULL : !is || strcmp(is, must) != 0)
		fail_msg("%s is %s, must be %s", name, is ? is : "absent", must ? must : "absent");
}

static void test_what_is_sent(void **state)
{
	static const struct {
		const char *name;
		struct http_request r;
		const char *method, *authorization, *accept, *type, *length, *body;
	} ROWS[] = {
		{ "get", { .method = HTTP_GET }, "GET", NULL, "application/json", NULL, NULL, "" },
		{ "bearer", { .bearer = "a-b.c_1" }, "GET", "Bearer a-b.c_1", "application/json", NULL, NULL, "" },
		{ "basic", { .user = "Aladdin", .password = "open sesame" }, "GET", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
		  "application/json", NULL, NULL, "" },
		{ "basic without password", { .user = "key" }, "GET", "Basic a2V5Og==", "application/json", NULL, NULL, "" },
		{ "post", { .method = HTTP_POST, .body = "{\"a\":1}" }, "POST", NULL, "application/json", "application/json", "7",
		  "{\"a\":1}" },
		{ "post nothing", { .method = HTTP_POST }, "POST", NULL, "application/json", NULL, "0", "" },
		{ "patch", { .method = HTTP_PATCH, .body = "[]", .bearer = "t" }, "PATCH", "Bearer t", "application/json",
		  "application/json", "2", "[]" },
		{ "put", { .method = HTTP_PUT, .body = "[]" }, "PUT", NULL, "application/json", "application/json", "2", "[]" },
		{ "delete", { .method = HTTP_DELETE }, "DELETE", NULL, "application/json", NULL, NULL, "" },
		{ "delete with a body", { .method = HTTP_DELETE, .body = "[]" }, "DELETE", NULL, "application/json",
		  "application/json", "2", "[]" },
		{ "own types", { .method = HTTP_POST, .body = "a=b", .header = { "content-type: application/x-www-form-urlencoded",
		  "ACCEPT: text/csv" } }, "POST", NULL, "text/csv", "application/x-www-form-urlencoded", "3", "a=b" },
	};
	struct shot s;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		cJSON *o, *headers;

		shoot_wait(&s, DOOR_PLAIN, "echo", ROWS[i].r);
		assert_row(ROWS[i].name, s.a.status == 200);
		o = cJSON_Parse(s.a.result);
		headers = cJSON_GetObjectItem(o, "headers");
		assert_member(o, "method", ROWS[i].method);
		assert_member(o, "body", ROWS[i].body);
		assert_member(headers, "authorization", ROWS[i].authorization);
		assert_member(headers, "accept", ROWS[i].accept);
		assert_member(headers, "content-type", ROWS[i].type);
		assert_member(headers, "content-length", ROWS[i].length);
		assert_member(headers, "user-agent", "hearth/" HEARTH_VERSION);
		assert_member(headers, "accept-encoding", NULL);
		assert_member(headers, "expect", NULL);
		cJSON_Delete(o);
		shot_deinit(&s);
	}
}

static void test_refused(void **state)
{
	static const struct http_request ROWS[] = {
		{ .url = "" },
		{ .url = "127.0.0.1/status/200" },
		{ .url = "http://" },
		{ .url = "file:///etc/passwd" },
		{ .url = "ftp://127.0.0.1/" },
		{ .url = "gopher://127.0.0.1/" },
		{ .url = "http://user:secret@127.0.0.1/" },
		{ .url = "http://127.0.0.1/\r\nX: y" },
		{ .url = "http://127.0.0.1:99999/" },
		{ .url = "http://127.0.0.1/", .bearer = "a\r\nX-Admin: yes" },
		{ .url = "http://127.0.0.1/", .header = { "X-One: 1\nX-Two: 2" } },
		{ .url = "http://127.0.0.1/", .header = { "no colon" } },
		{ .url = "http://127.0.0.1/", .user = "a:b", .password = "c" },
		{ .url = "http://127.0.0.1/", .body = "{}" },
		{ .url = "http://127.0.0.1/", .timeout_ms = -1 },
	};
	struct shot s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		if (shoot(&s, DOOR_PLAIN, "", ROWS[i]) != -EINVAL)
			fail_msg("row %zu: '%s' was taken", i, ROWS[i].url);
	assert_int_equal(http_under_way(http), 0);
	run_ms(50);
	assert_int_equal(s.done, 0);
}

static struct shot extra;

static void send_one_more(struct shot *s)
{
	(void)s;
	extra.done = -10 - shoot(&extra, DOOR_PLAIN, "status/200", (struct http_request){ 0 });
}

static void test_sixteen(void **state)
{
	struct shot s[HTTP_UNDER_WAY_MAX] = { 0 }, one_too_many = { 0 };
	int all = 0;

	(void)state;
	for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++)
		assert_int_equal(shoot(&s[i], DOOR_PLAIN, i ? "slow/500" : "slow/100", (struct http_request){ 0 }), 0);
	assert_int_equal(shoot(&one_too_many, DOOR_PLAIN, "status/200", (struct http_request){ 0 }), -EAGAIN);
	assert_int_equal(http_under_way(http), HTTP_UNDER_WAY_MAX);
	s[0].then = send_one_more; /* its place is free inside its own done */
	until(&s[0].done, 1, 5000);
	assert_int_equal(extra.done, -10);
	until(&extra.done, -9, 5000);
	for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++) {
		until(&s[i].done, 1, 5000);
		assert_int_equal(s[i].a.status, 200);
		all += s[i].done;
		shot_deinit(&s[i]);
	}
	assert_int_equal(all, HTTP_UNDER_WAY_MAX); /* each once */
	assert_int_equal(http_under_way(http), 0);
	shot_deinit(&extra);
	assert_int_equal(one_too_many.done, 0);
}

static void test_connections_are_kept(void **state)
{
	struct shot s;
	int before, after;

	(void)state;
	shoot_wait(&s, DOOR_PLAIN, "connections", (struct http_request){ 0 });
	before = atoi(s.a.result);
	shot_deinit(&s);
	for (int i = 0; i < 20; i++) {
		shoot_wait(&s, DOOR_PLAIN, "status/200", (struct http_request){ 0 });
		shot_deinit(&s);
	}
	shoot_wait(&s, DOOR_PLAIN, "connections", (struct http_request){ 0 });
	after = atoi(s.a.result);
	shot_deinit(&s);
	assert_int_equal(after, before);
}

static atomic_int inputs, builds;

static void *input_make(const char *text)
{
	atomic_fetch_add(&inputs, 1);
	return strdup(text);
}

static void input_free(void *input)
{
	atomic_fetch_sub(&inputs, 1);
	free(input);
}

static char *input_build(void *input)
{
	atomic_fetch_add(&builds, 1);
	return strcmp(input, "nothing") == 0 ? NULL : strdup(input);
}

static void test_ownership(void **state)
{
	struct http_request r = { .method = HTTP_POST, .build = input_build, .free_input = input_free };
	struct shot s;

	(void)state;
	r.input = input_make("[1]");
	shoot_wait(&s, DOOR_PLAIN, "echo", r);
	assert_non_null(strstr(s.a.result, "[1]"));
	assert_int_equal(atomic_load(&inputs), 0);
	shot_deinit(&s);

	r.input = input_make("nothing");
	shoot_wait(&s, DOOR_PLAIN, "echo", r);
	assert_int_equal(s.a.error, -ENOMEM);
	assert_int_equal(atomic_load(&inputs), 0);

	r.input = input_make("[1]");
	r.url = "nonsense://";
	assert_int_equal(shoot(&s, DOOR_PLAIN, "echo", r), -EINVAL);
	assert_int_equal(atomic_load(&inputs), 1); /* still ours */
	input_free(r.input);
	assert_int_equal(atomic_load(&builds), 2);

	/* a result nobody takes */
	memset(&s, 0, sizeof(s));
	s.leave = true;
	assert_int_equal(shoot(&s, DOOR_PLAIN, "status/200", (struct http_request){ 0 }), 0);
	until(&s.done, 1, 5000);
	assert_int_equal(atomic_load(&texts), 0);
}

/* A dead proxy in the environment would break every request of this file. */
static int start(void **state)
{
	static const char *const NAMES[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		setenv(NAMES[i], "http://127.0.0.1:9", 1);
	if (hostile_start(state) < 0)
		return -1;
	open_http(NULL);
	return 0;
}

static int stop(void **state)
{
	int r;

	close_http();
	r = hostile_stop(state);
	return atomic_load(&texts) || atomic_load(&inputs) ? -1 : r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_faults), cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_what_is_sent), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sixteen), cmocka_unit_test(test_connections_are_kept), cmocka_unit_test(test_ownership),
		cmocka_unit_test(test_loop_free),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
