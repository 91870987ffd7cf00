/* The MQTT link against a real mosquitto: properties, retained flag, will, sessions, restarts, TLS, and that the loop never
 * waits, whatever the other side does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/log.h"
#include "io/mqtt.h"
#include "support/broker.h"

#define LATE_MAX_MS 100 /* generous: the machine may be busy; a blocking connect takes seconds */

struct seen {
	int connected, disconnected, messages;
	bool session_present;
	char reason[200];
	char topic[MQTT_TOPIC_MAX], payload[256], response[128], correlation[64], user[64];
	size_t len;
	int64_t expiry_s;
	int qos;
	bool retained;
};

static struct broker broker;
static uv_loop_t loop;
static uv_timer_t ticker;
static uint64_t last_tick, late_max;

static void on_tick(uv_timer_t *t)
{
	uint64_t now = uv_hrtime() / 1000000;

	(void)t;
	if (last_tick && now - last_tick > late_max)
		late_max = now - last_tick;
	last_tick = now;
}

static void connected(void *context, bool session_present)
{
	struct seen *s = context;

	s->connected++;
	s->session_present = session_present;
}

static void disconnected(void *context, const char *reason)
{
	struct seen *s = context;

	s->disconnected++;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

static void message(void *context, const struct mqtt_message *m)
{
	struct seen *s = context;
	char *user = mqtt_user_property(m, "webhook-id");

	s->messages++;
	snprintf(s->topic, sizeof(s->topic), "%s", m->topic);
	snprintf(s->payload, sizeof(s->payload), "%.*s", (int)(m->len < 255 ? m->len : 255), m->payload);
	snprintf(s->response, sizeof(s->response), "%s", m->response_topic ? m->response_topic : "");
	snprintf(s->correlation, sizeof(s->correlation), "%.*s", (int)m->correlation_len,
		 m->correlation ? (const char *)m->correlation : "");
	snprintf(s->user, sizeof(s->user), "%s", user ? user : "");
	free(user);
	s->len = m->len;
	s->qos = m->qos;
	s->retained = m->retained;
	s->expiry_s = m->expiry_s;
}

static struct mqtt *client(struct seen *s, struct mqtt_options o)
{
	struct mqtt_callbacks cb = { connected, disconnected, message, s };
	struct errbuf err = { "" };
	struct mqtt *m = NULL;

	memset(s, 0, sizeof(*s));
	if (!o.host) {
		o.host = "127.0.0.1";
		o.port = broker.port;
	}
	if (!o.client_id)
		o.clean_start = true;
	if (mqtt_open(&m, &loop, &o, &cb, &err))
		fail_msg("mqtt_open: %s", err.text);
	return m;
}

static void run_ms(int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < until)
		uv_run(&loop, UV_RUN_ONCE);
}

/* Runs the loop until *what reaches n; the ticker keeps it turning. */
static void until_at_least(const int *what, int n, int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (*what < n && uv_hrtime() < until)
		uv_run(&loop, UV_RUN_ONCE);
	if (*what < n)
		fail_msg("waited %d ms in vain (%d of %d)", ms, *what, n);
}

static int group_setup(void **state)
{
	(void)state;
	log_open("itest_mqtt", LOG_LEVEL_ERROR);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &ticker);
	uv_timer_start(&ticker, on_tick, 5, 5);
	return broker_start(&broker, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	broker_deinit(&broker);
	uv_close((uv_handle_t *)&ticker, NULL);
	for (int i = 0; i < 100; i++)
		uv_run(&loop, UV_RUN_NOWAIT); /* not DEFAULT: a failed test leaves its clients */
	return uv_loop_close(&loop); /* -EBUSY if a handle was left behind */
}

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
	assert_int_equal(mqtt_subscribe(mb, "h/#", 1), 0);
	run_ms(100);
	assert_int_equal(mqtt_publish(ma, "h/x", "{\"pct\":20}", 10, 1, false, &x), 0);
	until_at_least(&b.messages, 1, 5000);
	assert_string_equal(b.topic, "h/x");
	assert_string_equal(b.payload, "{\"pct\":20}");
	assert_string_equal(b.response, "h/answer");
	assert_string_equal(b.correlation, "c-1");
	assert_string_equal(b.user, "msg_1");
	assert_int_equal(b.qos, 1);
	assert_in_range(b.expiry_s, 29, 30);
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
	assert_int_equal(mqtt_subscribe(ma, "r/#", 1), 0);
	run_ms(50);
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

		alarm(20);
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
	assert_int_equal(mqtt_subscribe(m, "w/#", 1), 0);
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
	assert_int_equal(mqtt_subscribe(mb, "f/#", 0), 0);
	run_ms(50);
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
	assert_int_equal(mqtt_subscribe(ma, "s/#", 1), 0);
	run_ms(100);
	mqtt_close(ma);
	mb = client(&b, (struct mqtt_options){ 0 });
	until_at_least(&b.connected, 1, 5000);
	assert_int_equal(mqtt_publish(mb, "s/in", "waited", 6, 1, false, NULL), 0);
	run_ms(100);
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

/* Names go through the resolver; one that does not exist is tried for ever without holding anything up. */
static void test_names(void **state)
{
	struct seen a, b;
	struct mqtt *ma = client(&a, (struct mqtt_options){ .host = "localhost", .port = broker.port });
	struct mqtt *mb = client(&b, (struct mqtt_options){ .host = "no-such-host.invalid", .port = 1883 });

	(void)state;
	until_at_least(&a.connected, 1, 10000);
	run_ms(200);
	assert_int_equal(b.connected + b.disconnected, 0);
	mqtt_close(ma);
	mqtt_close(mb); /* in the middle of a lookup, or waiting */
	run_ms(20);
}

static int silent_tcp(int *port, int fill[8])
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, fill ? 0 : 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	for (int i = 0; fill && i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	return fd;
}

static int silent_unix(const char *path, int fill[8])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 0), 0);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	return fd;
}

/* SYN into a full backlog (never answered), a Unix socket with a full backlog, an address nobody answers for, a server
 * that accepts and says nothing: the loop keeps its rhythm, and closing takes no time. */
static void test_black_holes(void **state)
{
	int tcp_port, quiet_port, fill_tcp[8], fill_unix[8], tcp, quiet, local;
	char path[128];
	struct seen s[4];
	struct mqtt *m[4];
	uint64_t begun;

	(void)state;
	tcp = silent_tcp(&tcp_port, fill_tcp);
	quiet = silent_tcp(&quiet_port, NULL);
	snprintf(path, sizeof(path), "%s/full", broker.dir);
	local = silent_unix(path, fill_unix);
	run_ms(20);
	late_max = 0;
	m[0] = client(&s[0], (struct mqtt_options){ .host = "127.0.0.1", .port = tcp_port });
	m[1] = client(&s[1], (struct mqtt_options){ .host = path });
	m[2] = client(&s[2], (struct mqtt_options){ .host = "10.255.255.1", .port = 1883 });
	m[3] = client(&s[3], (struct mqtt_options){ .host = "127.0.0.1", .port = quiet_port });
	run_ms(2500);
	print_message("loop late by at most %llu ms\n", (unsigned long long)late_max);
	assert_in_range(late_max, 0, LATE_MAX_MS);
	begun = uv_hrtime();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(s[i].connected, 0);
		mqtt_close(m[i]);
	}
	run_ms(20);
	assert_in_range((uv_hrtime() - begun) / 1000000, 0, 300);
	for (int i = 0; i < 8; i++) {
		close(fill_tcp[i]);
		close(fill_unix[i]);
	}
	close(tcp);
	close(quiet);
	close(local);
	unlink(path);
}

/* A broker that stops reading: publishes are refused before memory grows, the loop keeps its rhythm, closing is bounded. */
static void test_stalled_broker(void **state)
{
	struct seen s;
	struct mqtt *m = client(&s, (struct mqtt_options){ 0 });
	static char payload[10000];
	size_t sent = 0;
	uint64_t begun;
	int rc = 0;

	(void)state;
	until_at_least(&s.connected, 1, 5000);
	memset(payload, 'x', sizeof(payload));
	broker_pause(&broker);
	late_max = 0;
	while (rc == 0 && sent < 100 * 1024 * 1024) {
		rc = mqtt_publish(m, "x/stall", payload, sizeof(payload), 0, false, NULL);
		sent += sizeof(payload);
		if (sent % 500000 == 0)
			run_ms(5);
	}
	assert_int_equal(rc, -ENOBUFS);
	print_message("refused after %zu KiB\n", sent / 1024);
	run_ms(300);
	assert_in_range(late_max, 0, LATE_MAX_MS);
	assert_true(mqtt_is_connected(m));
	broker_resume(&broker);
	run_ms(500);
	assert_int_equal(mqtt_publish(m, "x/stall", payload, 1, 0, false, NULL), 0);
	broker_pause(&broker);
	for (rc = 0; rc == 0;)
		rc = mqtt_publish(m, "x/stall", payload, sizeof(payload), 0, false, NULL);
	begun = uv_hrtime();
	mqtt_close(m);
	assert_in_range((uv_hrtime() - begun) / 1000000, 0, 800);
	broker_resume(&broker);
	run_ms(20);
}

static void test_oversize(void **state)
{
	struct seen a, b;
	struct mqtt *ma = client(&a, (struct mqtt_options){ 0 }), *mb = client(&b, (struct mqtt_options){ 0 });
	static char big[1200000];

	(void)state;
	until_at_least(&a.connected, 1, 5000);
	until_at_least(&b.connected, 1, 5000);
	assert_int_equal(mqtt_subscribe(mb, "o/#", 0), 0);
	run_ms(50);
	memset(big, 'x', sizeof(big));
	assert_int_equal(mqtt_publish(ma, "o/1", big, sizeof(big), 0, false, NULL), 0);
	run_ms(300);
	assert_int_equal(mqtt_publish(ma, "o/2", "1", 1, 0, false, NULL), 0);
	until_at_least(&b.messages, 1, 5000);
	assert_string_equal(b.topic, "o/2"); /* the broker kept the big one from us */
	assert_int_equal(b.disconnected, 0);
	mqtt_close(ma);
	mqtt_close(mb);
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
	run_ms(2200); /* two tries at least */
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

static double cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static int certificates(const char *dir)
{
	char command[1200];

	snprintf(command, sizeof(command),
		 "cd %s && exec 2>/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key"
		 " -out ca.pem -days 2 -subj /CN=ca && cp ca.pem other.pem && openssl req -newkey ec -pkeyopt"
		 " ec_paramgen_curve:P-256 -nodes -keyout srv.key -out srv.csr -subj /CN=localhost && printf"
		 " 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && openssl x509 -req -in srv.csr -CA ca.pem -CAkey ca.key"
		 " -CAcreateserial -days 2 -extfile ext -out srv.pem && openssl req -x509 -newkey ec -pkeyopt"
		 " ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out other.pem -days 2 -subj /CN=other && chmod 644 *.key",
		 dir);
	return system(command);
}

static void test_tls(void **state)
{
	struct broker plain = broker, tls = { 0 };
	char extra[300], ca[96], other[96];
	struct seen s[4];
	struct mqtt *m[4], *bad = NULL;
	struct mqtt_callbacks cb = { 0 };
	struct mqtt_options o = { .host = "127.0.0.1", .port = 1, .ca_file = "/nonexistent", .clean_start = true };
	struct errbuf err = { "" };
	int quiet_port, quiet = silent_tcp(&quiet_port, NULL), port = free_port();
	double cpu;

	(void)state;
	assert_true(mqtt_open(&bad, &loop, &o, &cb, &err) < 0);
	assert_non_null(strstr(err.text, "/nonexistent"));
	if (certificates(plain.dir)) {
		close(quiet);
		skip();
	}
	snprintf(ca, sizeof(ca), "%s/ca.pem", plain.dir);
	snprintf(other, sizeof(other), "%s/other.pem", plain.dir);
	snprintf(extra, sizeof(extra), "listener %d 127.0.0.1\ncertfile %s/srv.pem\nkeyfile %s/srv.key", port, plain.dir, plain.dir);
	assert_int_equal(broker_start(&tls, extra), 0);
	m[0] = client(&s[0], (struct mqtt_options){ .host = "127.0.0.1", .port = port, .ca_file = ca });
	m[1] = client(&s[1], (struct mqtt_options){ .host = "localhost", .port = port, .ca_file = ca });
	m[2] = client(&s[2], (struct mqtt_options){ .host = "127.0.0.1", .port = port, .ca_file = other });
	m[3] = client(&s[3], (struct mqtt_options){ .host = "127.0.0.1", .port = quiet_port, .ca_file = ca });
	until_at_least(&s[0].connected, 1, 5000);
	until_at_least(&s[1].connected, 1, 5000);
	assert_int_equal(mqtt_subscribe(m[1], "t/#", 1), 0);
	run_ms(100);
	assert_int_equal(mqtt_publish(m[0], "t/1", "secret", 6, 1, false, NULL), 0);
	until_at_least(&s[1].messages, 1, 5000);
	/* A handshake nobody answers must not turn the loop into a spin. */
	cpu = cpu_s();
	run_ms(1000);
	cpu = cpu_s() - cpu;
	print_message("one second of waiting costs %.3f s of CPU\n", cpu);
	assert_true(cpu < 0.3);
	assert_int_equal(s[2].connected, 0); /* signed by somebody else */
	assert_int_equal(s[3].connected, 0);
	broker_kill(&tls);
	until_at_least(&s[0].disconnected, 1, 5000);
	assert_int_equal(broker_restart(&tls), 0);
	until_at_least(&s[0].connected, 2, 10000);
	for (int i = 0; i < 4; i++)
		mqtt_close(m[i]);
	run_ms(20);
	close(quiet);
	broker_deinit(&tls);
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
		cmocka_unit_test(test_bad_options),    cmocka_unit_test(test_properties), cmocka_unit_test(test_retained),
		cmocka_unit_test(test_will),	       cmocka_unit_test(test_close_flushes), cmocka_unit_test(test_session),
		cmocka_unit_test(test_restart),	       cmocka_unit_test(test_names),	  cmocka_unit_test(test_black_holes),
		cmocka_unit_test(test_stalled_broker), cmocka_unit_test(test_oversize),	  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
