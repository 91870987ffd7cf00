/* The MQTT link against a real mosquitto: properties, retained flag, will, sessions, restarts, refusals. What the loop must
 * bear is in itest_mqtt_stalls.c. */
#include "itest/mqtt_helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_properties(void **state)
{
	struct seen a, b;
	struct mqtt *ma = client(&a, (struct mqtt_options){ 0 }), *mb = client(&b, (struct mqtt_options){ 0 });
	struct mqtt_publish_extra x = { .response_topic = "h/answer",
					.correlation = "c-1",
					.correlation_len = 3,
					.expiry_s = 30,
					.n_user = 2,
					.user_name = { "other", "webhook-id" },
					.user_value = { "no", "msg_1" } };

	(void)state;
	assert_int_equal(mqtt_publish(ma, "h/x", "1", 1, 0, false, NULL), -ENOTCONN);
	assert_int_equal(mqtt_subscribe(mb, "h/#", 1), -ENOTCONN);
	assert_false(mqtt_is_connected(ma));
	until_at_least(&a.connected, 1, 5000);
	until_at_least(&b.connected, 1, 5000);
	assert_true(mqtt_is_connected(ma));
	subscribe(mb, &b, "h/#", 1);
	assert_int_equal(mqtt_publish(ma, "h/x", "{\"pct\":20}", 10, 1, false, &x), 0);
	until_at_least(&b.messages, 1, 5000);
	assert_string_equal(b.topic, "h/x");
	assert_string_equal(b.payload, "{\"pct\":20}");
	assert_string_equal(b.response, "h/answer");
	assert_string_equal(b.correlation, "c-1");
	assert_string_equal(b.user, "msg_1");
	assert_int_equal(b.qos, 1);
	assert_in_range(b.expiry_s, 20, 30);
	assert_false(b.retained);
	assert_int_equal(mqtt_publish(ma, "h/y", NULL, 0, 0, false, NULL), 0);
	until_at_least(&b.messages, 2, 5000);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.expiry_s, -1);
	assert_string_equal(b.response, "");
	assert_string_equal(b.user, "");
	assert_int_equal(mqtt_publish(ma, "", "1", 1, 0, false, NULL), -EINVAL);
	assert_int_equal(mqtt_publish(ma, "h/+", "1", 1, 0, false, NULL), -EINVAL);
	assert_true(mqtt_is_connected(ma));
	mqtt_close(ma);
	mqtt_close(mb);
	mqtt_close(NULL);
	run_ms(20);
}

static void test_retained(void **state)
{
	struct seen a, b;
	struct mqtt *ma = client(&a, (struct mqtt_options){ 0 }), *mb;

	(void)state;
	until_at_least(&a.connected, 1, 5000);
	subscribe(ma, &a, "r/#", 1);
	assert_int_equal(mqtt_publish(ma, "r/live", "1", 1, 1, true, NULL), 0);
	until_at_least(&a.messages, 1, 5000);
	assert_true(a.retained); /* without retain-as-published it would look live */
	assert_int_equal(mqtt_publish(ma, "r/live", "2", 1, 1, false, NULL), 0);
	until_at_least(&a.messages, 2, 5000);
	assert_false(a.retained);
	mb = client(&b, (struct mqtt_options){ 0 });
	until_at_least(&b.connected, 1, 5000);
	assert_int_equal(mqtt_subscribe(mb, "r/#", 0), 0);
	until_at_least(&b.messages, 1, 5000);
	assert_true(b.retained);
	assert_string_equal(b.payload, "1");
	assert_int_equal(mqtt_publish(ma, "r/live", NULL, 0, 1, true, NULL), 0);
	until_at_least(&b.messages, 2, 5000);
	assert_int_equal(b.len, 0);
	mqtt_close(ma);
	mqtt_close(mb);
	run_ms(20);
}

/* A client in another process, so that it can be killed: writes one byte when connected. */
static pid_t client_process(const char *will_topic, int *said)
{
	struct mqtt_options o = { .host = "127.0.0.1", .port = broker.port, .clean_start = true, .will_topic = will_topic,
				  .will_payload = "offline" };
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct seen s = { 0 };
		struct mqtt_callbacks cb = { connected, disconnected, message, &s };
		struct mqtt *m;
		uv_loop_t own;
		struct errbuf err;

		alarm((unsigned)slow_ms(60));
		uv_loop_init(&own);
		if (mqtt_open(&m, &own, &o, &cb, &err))
			_exit(1);
		while (!s.connected)
			uv_run(&own, UV_RUN_ONCE);
		if (write(fds[1], "c", 1) == 1)
			pause();
		_exit(0);
	}
	close(fds[1]);
	*said = fds[0];
	return pid;
}

static void test_will(void **state)
{
	struct seen s, quiet;
	struct mqtt *m = client(&s, (struct mqtt_options){ 0 });
	struct mqtt *clean = client(&quiet, (struct mqtt_options){ .will_topic = "w/clean", .will_payload = "offline" });
	int said;
	pid_t pid;
	char c;

	(void)state;
	until_at_least(&s.connected, 1, 5000);
	until_at_least(&quiet.connected, 1, 5000);
	subscribe(m, &s, "w/#", 1);
	pid = client_process("w/status", &said);
	assert_int_equal(read(said, &c, 1), 1);
	close(said);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	until_at_least(&s.messages, 1, 5000);
	assert_string_equal(s.topic, "w/status");
	assert_string_equal(s.payload, "offline");
	assert_int_equal(s.qos, 1);
	assert_true(s.retained);
	mqtt_close(clean); /* says goodbye: no will */
	run_ms(300);
	assert_int_equal(s.messages, 1);
	assert_int_equal(mqtt_publish(m, "w/status", NULL, 0, 1, true, NULL), 0);
	mqtt_close(m);
	run_ms(20);
}

/* What was published before mqtt_close arrives, although the loop does not run again. */
static void test_close_flushes(void **state)
{
	struct seen a, b;
	struct mqtt *ma = client(&a, (struct mqtt_options){ 0 }), *mb = client(&b, (struct mqtt_options){ 0 });
	static char big[100000];

	(void)state;
	until_at_least(&a.connected, 1, 5000);
	until_at_least(&b.connected, 1, 5000);
	subscribe(mb, &b, "f/#", 0);
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 5; i++)
		assert_int_equal(mqtt_publish(ma, "f/big", big, sizeof(big), 0, false, NULL), 0);
	assert_int_equal(mqtt_publish(ma, "f/last", "offline", 7, 1, false, NULL), 0);
	mqtt_close(ma);
	until_at_least(&b.messages, 6, 5000);
	assert_string_equal(b.topic, "f/last");
	mqtt_close(b.messages ? mb : NULL);
	run_ms(20);
}

static void test_session(void **state)
{
	struct mqtt_options keep = { .client_id = "hub-1", .clean_start = false, .session_expiry_s = 60 };
	struct seen a, b;
	struct mqtt *ma = client(&a, keep), *mb;

	(void)state;
	until_at_least(&a.connected, 1, 5000);
	assert_false(a.session_present);
	subscribe(ma, &a, "s/#", 1);
	mqtt_close(ma);
	mb = client(&b, (struct mqtt_options){ 0 });
	until_at_least(&b.connected, 1, 5000);
	assert_int_equal(mqtt_publish(mb, "s/in", "waited", 6, 1, false, NULL), 0);
	settle(mb, &b);
	ma = client(&a, keep);
	until_at_least(&a.messages, 1, 5000);
	assert_true(a.session_present);
	assert_string_equal(a.payload, "waited");
	mqtt_close(ma);
	mqtt_close(mb);
	run_ms(20);
}

static void test_restart(void **state)
{
	struct seen s, path;
	struct mqtt *m = client(&s, (struct mqtt_options){ 0 });
	struct mqtt *mp = client(&path, (struct mqtt_options){ .host = broker.socket });

	(void)state;
	until_at_least(&s.connected, 1, 5000);
	until_at_least(&path.connected, 1, 5000);
	for (int round = 1; round <= 3; round++) {
		if (round == 2)
			broker_kill(&broker);
		else
			broker_stop(&broker);
		until_at_least(&s.disconnected, round, 3000);
		until_at_least(&path.disconnected, round, 3000);
		assert_int_equal(mqtt_publish(m, "x/y", "1", 1, 1, false, NULL), -ENOTCONN);
		assert_false(mqtt_is_connected(m));
		run_ms(300);
		assert_int_equal(broker_restart(&broker), 0);
		until_at_least(&s.connected, round + 1, 10000);
		until_at_least(&path.connected, round + 1, 10000);
		assert_int_equal(s.disconnected, round);
		assert_int_equal(mqtt_publish(m, "x/y", "1", 1, 1, false, NULL), 0);
	}
	mqtt_close(m);
	mqtt_close(mp);
	run_ms(20);
}

static void test_refused(void **state)
{
	struct seen s;
	struct mqtt *m;
	struct broker strict;
	struct mqtt_options o = { .host = "127.0.0.1", .username = "hearth", .password = "wrong" };
	struct log_line lines[16];
	bool said = false;
	int n;

	(void)state;
	assert_int_equal(broker_start(&strict, "allow_anonymous false"), 0);
	o.port = strict.port;
	m = client(&s, o);
	log_level_set(LOG_LEVEL_WARNING);
	run_ms(slow_ms(2200)); /* two tries at least */
	log_level_set(LOG_LEVEL_ERROR);
	assert_int_equal(s.connected, 0);
	assert_int_equal(s.disconnected, 0);
	n = log_recent(lines, 16);
	for (int i = 0; i < n; i++) {
		if (strstr(lines[i].text, "uthori")) {
			assert_false(said); /* once, not at every try */
			said = true;
		}
		assert_null(strstr(lines[i].text, "wrong"));
	}
	assert_true(said);
	mqtt_close(m);
	run_ms(20);
	broker_deinit(&strict);
}

static void test_bad_options(void **state)
{
	static const struct {
		const char *name;
		struct mqtt_options o;
	} ROWS[] = {
		{ "no host", { .port = 1883, .clean_start = true } },
		{ "empty host", { .host = "", .port = 1883, .clean_start = true } },
		{ "port 0", { .host = "127.0.0.1", .clean_start = true } },
		{ "port too large", { .host = "127.0.0.1", .port = 65536, .clean_start = true } },
		{ "session without a name", { .host = "127.0.0.1", .port = 1883 } },
		{ "wildcard in the will", { .host = "127.0.0.1", .port = 1883, .clean_start = true, .will_topic = "a/#" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct mqtt_callbacks cb = { 0 };
		struct errbuf err = { "" };
		struct mqtt *m = NULL;

		if (mqtt_open(&m, &loop, &ROWS[i].o, &cb, &err) >= 0 || !err.text[0] || m)
			fail_msg("%s: taken", ROWS[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_retained),
		cmocka_unit_test(test_will),
		cmocka_unit_test(test_close_flushes),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_options),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
