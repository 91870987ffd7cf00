/* The loop never waits for the broker, whatever the other side does: black holes, full backlogs, silence, a broker that
 * stops reading, name servers, TLS handshakes nobody answers. */
#include "itest/mqtt_helper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LATE_MAX_MS (unsigned)slow_ms(200) /* sanitizers are slow; a blocking connect takes seconds */

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

	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", path);
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
	assert_in_range((uv_hrtime() - begun) / 1000000, 0, (unsigned)slow_ms(1000)); /* at once */
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
	for (int i = 0; i < 200 && mqtt_publish(m, "x/stall", payload, 1, 0, false, NULL) < 0; i++)
		run_ms(slow_ms(50));
	assert_int_equal(mqtt_publish(m, "x/stall", payload, 1, 0, false, NULL), 0);
	broker_pause(&broker);
	for (rc = 0; rc == 0;)
		rc = mqtt_publish(m, "x/stall", payload, sizeof(payload), 0, false, NULL);
	begun = uv_hrtime();
	mqtt_close(m);
	assert_in_range((uv_hrtime() - begun) / 1000000, 0, (unsigned)slow_ms(2000));
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
	subscribe(mb, &b, "o/#", 0);
	memset(big, 'x', sizeof(big));
	assert_int_equal(mqtt_publish(ma, "o/1", big, sizeof(big), 0, false, NULL), 0);
	settle(ma, &a);
	assert_int_equal(mqtt_publish(ma, "o/2", "1", 1, 0, false, NULL), 0);
	until_at_least(&b.messages, 1, 5000);
	assert_string_equal(b.topic, "o/2"); /* the broker kept the big one from us */
	assert_int_equal(b.disconnected, 0);
	mqtt_close(ma);
	mqtt_close(mb);
	run_ms(20);
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
	subscribe(m[1], &s[1], "t/#", 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_black_holes),
		cmocka_unit_test(test_stalled_broker),
		cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
