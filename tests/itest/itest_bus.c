/* The bus against a faulty server (a child process on raw sockets; the fault is chosen by the unit id), and, with
 * arguments, a helper that talks to whatever a script set up: see bus_helper.h. */
#include "itest/bus_helper.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define TIMEOUT_MS 200
#define SEEN_MAX 4096

/* The server's fault, by unit. Read answers carry address + i in word i. */
enum fault {
	GOOD = 1, SILENT, DRIPS, STOPS_HALF, HANGS_UP_HALF, FALSE_TRANSACTION, FALSE_UNIT, FALSE_FUNCTION, FALSE_COUNT,
	FALSE_LENGTH, TRAILING_BYTES, EXCEPTION_BY_ADDRESS, HANGS_UP, FALSE_PROTOCOL, FALSE_ECHO, GOOD_THEN_HANGS_UP,
	SILENT_AT_TIMES, EXCEPTION_OF_OTHER_FUNCTION, CHATTERS,
};

/* Shared with the server: what it was asked. */
struct seen {
	int n, connections, silent; /* silent: SILENT_AT_TIMES is silent now */
	struct { uint8_t unit, fc; uint16_t address, value; int64_t at_ms; } r[SEEN_MAX];
};

static struct seen *seen;
static int port;
static pid_t server;

static bool receive_all(int fd, uint8_t *out, size_t n)
{
	while (n) {
		ssize_t got = recv(fd, out, n, 0);

		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return true;
}

/* A right answer to a request; returns its length. */
static int answer_build(const uint8_t *q, uint8_t *a)
{
	int count = q[10] << 8 | q[11], bytes = q[7] <= 2 ? (count + 7) / 8 : 2 * count, address = q[8] << 8 | q[9];
	int len = 12;

	memcpy(a, q, 12);
	if (q[7] <= 4) {
		a[8] = (uint8_t)bytes;
		for (int i = 0; i < bytes; i++)
			a[9 + i] = (uint8_t)(q[7] <= 2 ? 0xa5 : i % 2 ? address + i / 2 : (address + i / 2) >> 8);
		len = 9 + bytes;
	}
	a[4] = (uint8_t)((len - 6) >> 8);
	a[5] = (uint8_t)(len - 6);
	return len;
}

/* Returns false to hang up. */
static bool answer_send(int fd, const uint8_t *q)
{
	uint8_t a[300];
	int len = answer_build(q, a);

	switch ((enum fault)q[6]) {
	case SILENT:
		return true;
	case SILENT_AT_TIMES:
		if (__atomic_load_n(&seen->silent, __ATOMIC_SEQ_CST))
			return true;
		break;
	case DRIPS:
		for (int i = 0; i < len; i++) {
			usleep(50000);
			if (send(fd, a + i, 1, MSG_NOSIGNAL) < 0)
				return false;
		}
		return true;
	case STOPS_HALF:
		return send(fd, a, (size_t)len / 2, MSG_NOSIGNAL) > 0;
	case HANGS_UP_HALF:
		send(fd, a, (size_t)len / 2, MSG_NOSIGNAL);
		return false;
	case HANGS_UP:
		return false;
	case GOOD_THEN_HANGS_UP:
		send(fd, a, (size_t)len, MSG_NOSIGNAL);
		return false;
	case FALSE_TRANSACTION:
		a[1]++;
		break;
	case FALSE_PROTOCOL:
		a[3] = 1;
		break;
	case FALSE_UNIT:
		a[6]++;
		break;
	case FALSE_FUNCTION:
		a[7] ^= 7;
		break;
	case FALSE_COUNT: /* one register less, consistently */
		a[8] = (uint8_t)(a[8] - 2);
		a[5] = (uint8_t)(a[5] - 2);
		len -= 2;
		break;
	case FALSE_LENGTH:
		a[5]++;
		break;
	case FALSE_ECHO:
		a[9]++;
		break;
	case TRAILING_BYTES:
		len += 3;
		break;
	case CHATTERS: /* a second answer nobody asked for */
		send(fd, a, (size_t)len, MSG_NOSIGNAL);
		break;
	case EXCEPTION_OF_OTHER_FUNCTION:
	case EXCEPTION_BY_ADDRESS:
		a[7] = (uint8_t)(q[7] | 0x80) ^ (q[6] == EXCEPTION_OF_OTHER_FUNCTION);
		a[8] = q[9];
		a[5] = 3;
		len = 9;
		break;
	case GOOD:
		break;
	}
	return send(fd, a, (size_t)len, MSG_NOSIGNAL) == len;
}

static void serve(int fd)
{
	uint8_t q[300];
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (receive_all(fd, q, 6) && receive_all(fd, q + 6, (size_t)(q[4] << 8 | q[5]))) {
		int i = __atomic_fetch_add(&seen->n, 1, __ATOMIC_SEQ_CST);

		if (i < SEEN_MAX) {
			seen->r[i].unit = q[6];
			seen->r[i].fc = q[7];
			seen->r[i].address = (uint16_t)(q[8] << 8 | q[9]);
			seen->r[i].value = (uint16_t)(q[10] << 8 | q[11]);
			seen->r[i].at_ms = loop_now_ms();
		}
		if (!answer_send(fd, q))
			return;
	}
}

/* Starts the server as a child; a connection is a child of its own. */
static int server_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), conn;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || bind(fd, (struct sockaddr *)&in, size) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&in, &size))
		return -1;
	port = ntohs(in.sin_port);
	server = fork();
	if (server) {
		close(fd);
		return server < 0 ? -1 : 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		__atomic_fetch_add(&seen->connections, 1, __ATOMIC_SEQ_CST);
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(conn);
			_exit(0);
		}
		close(conn);
	}
	_exit(1);
}

/* ---- the client's side ---- */

struct fixture {
	uv_loop_t loop;
	uv_timer_t limit;
	struct bus *bus;
	struct batch_result got[64];
	uint32_t device[64];
	int n, want;
	bool submit_inside; /* submits once more from the callback */
	bool close_inside;
};

static void on_limit(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("no result within 15 s");
}

static struct batch batch_of(uint8_t unit, uint8_t fc, uint16_t address, uint16_t count)
{
	struct batch b = { .id = address, .unit = unit, .command = fc > 4, .n = 1 };

	b.r[0] = (struct modbus_request){ .fc = fc, .address = address, .count = count };
	return b;
}

static void on_result(void *context, uint32_t device, const struct batch_result *result)
{
	struct fixture *f = context;

	assert_in_range(f->n, 0, 63);
	f->device[f->n] = device;
	f->got[f->n++] = *result;
	if (f->submit_inside) {
		struct batch b = batch_of(GOOD, 3, 999, 1);

		f->submit_inside = false;
		assert_int_equal(bus_submit(f->bus, 1, &b), 0);
	}
	if (f->close_inside) {
		bus_close(f->bus);
		f->bus = NULL;
	}
	if (f->n == f->want)
		uv_stop(&f->loop);
}

static void setup_at(struct fixture *f, const char *host, int at_port)
{
	struct bus_options o = { .name = "test", .type = BUS_TCP, .port = at_port, .timeout_ms = TIMEOUT_MS };
	struct errbuf err = { "" };

	memset(f, 0, sizeof(*f));
	snprintf(o.host, sizeof(o.host), "%s", host);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->limit);
	uv_timer_start(&f->limit, on_limit, 15000, 0);
	if (bus_open(&f->bus, &f->loop, &o, on_result, f, &err))
		fail_msg("%s", err.text);
	__atomic_store_n(&seen->n, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&seen->connections, 0, __ATOMIC_SEQ_CST);
}

static void setup(struct fixture *f)
{
	setup_at(f, "127.0.0.1", port);
}

static void results_wait(struct fixture *f, int want)
{
	f->want = want;
	if (f->n < want)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->n, want);
}

static void teardown(struct fixture *f)
{
	bus_close(f->bus);
	uv_close((uv_handle_t *)&f->limit, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

static const struct batch_result *ask(struct fixture *f, struct batch b)
{
	assert_int_equal(bus_submit(f->bus, 5, &b), 0);
	results_wait(f, f->n + 1);
	return &f->got[f->n - 1];
}

static struct bus_stats stats_of(struct fixture *f)
{
	struct bus_stats s;

	bus_stats(f->bus, &s);
	return s;
}

static void test_requests_that_make_no_sense(void **state)
{
	static const struct modbus_request BAD[] = {
		{ .fc = 0, .count = 1 }, { .fc = 7, .count = 1 }, { .fc = 3, .count = 0 }, { .fc = 3, .count = 126 },
		{ .fc = 6, .count = 2 }, { .fc = 16, .count = 124 }, { .fc = 3, .address = 65535, .count = 2 },
		{ .fc = 23, .count = 1 }, { .fc = 131, .count = 1 },
	};
	struct fixture f;
	struct batch b = batch_of(GOOD, 3, 0, 1);

	(void)state;
	setup(&f);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		b.n = 1;
		b.r[0] = BAD[i];
		assert_int_equal(bus_submit(f.bus, 0, &b), -EINVAL);
	}
	b = batch_of(GOOD, 3, 0, 1);
	b.n = 0;
	assert_int_equal(bus_submit(f.bus, 0, &b), -EINVAL);
	b.n = BATCH_REQUESTS_MAX + 1;
	assert_int_equal(bus_submit(f.bus, 0, &b), -EINVAL);
	teardown(&f);
	bus_close(NULL);
	bus_ask_close(NULL);
}

static void test_options_that_make_no_sense(void **state)
{
	static const struct bus_options BAD[] = {
		{ .name = "x", .type = BUS_TCP, .host = "", .port = 502, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_TCP, .host = "h", .port = 0, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_TCP, .host = "h", .port = 65536, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_TCP, .host = "h", .port = 502, .timeout_ms = 19 },
		{ .name = "x", .type = BUS_TCP, .host = "h", .port = 502, .timeout_ms = 10001 },
		{ .name = "x", .type = BUS_RTU, .device = "", .baud = 9600, .parity = 'N', .data_bits = 8, .stop_bits = 1, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_RTU, .device = "d", .baud = 9601, .parity = 'N', .data_bits = 8, .stop_bits = 1, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_RTU, .device = "d", .baud = 9600, .parity = 'X', .data_bits = 8, .stop_bits = 1, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_RTU, .device = "d", .baud = 9600, .parity = 0, .data_bits = 8, .stop_bits = 1, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_RTU, .device = "d", .baud = 9600, .parity = 'N', .data_bits = 9, .stop_bits = 1, .timeout_ms = 500 },
		{ .name = "x", .type = BUS_RTU, .device = "d", .baud = 9600, .parity = 'N', .data_bits = 8, .stop_bits = 0, .timeout_ms = 500 },
	};
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct errbuf err = { "" };
		struct bus *bus = NULL;

		assert_int_equal(bus_open(&bus, &loop, &BAD[i], on_result, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.text, "bus x: "));
		assert_null(bus);
	}
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_functions(void **state)
{
	static const struct { uint8_t fc; uint16_t count; } ROWS[] = {
		{ 1, 1 }, { 1, 125 }, { 2, 9 }, { 3, 1 }, { 3, 125 }, { 4, 125 }, { 5, 1 }, { 6, 1 }, { 15, 20 }, { 16, 1 }, { 16, 123 },
	};
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct batch_result *r = ask(&f, batch_of(GOOD, ROWS[i].fc, 1000, ROWS[i].count));

		assert_int_equal(r->status[0], REQUEST_OK);
		assert_int_equal(r->id, 1000);
		for (int k = 0; ROWS[i].fc <= 4 && k < ROWS[i].count; k++)
			assert_int_equal(r->r[0].words[k], ROWS[i].fc <= 2 ? 0xa5 >> k % 8 & 1 : 1000 + k);
	}
	assert_int_equal(seen->connections, 1);
	assert_int_equal(stats_of(&f).ok, sizeof(ROWS) / sizeof(ROWS[0]));
	teardown(&f);
}

/* Each fault, then a good request, which must get its own answer. */
static void test_faults(void **state)
{
	static const struct { enum fault fault; uint8_t fc; enum request_status status; bool reconnects; } ROWS[] = {
		{ SILENT, 3, REQUEST_TIMEOUT, true },
		{ DRIPS, 3, REQUEST_TIMEOUT, true },
		{ STOPS_HALF, 3, REQUEST_TIMEOUT, true },
		{ HANGS_UP_HALF, 3, REQUEST_TIMEOUT, true },
		{ HANGS_UP, 3, REQUEST_TIMEOUT, true },
		{ FALSE_TRANSACTION, 3, REQUEST_BAD_ANSWER, true },
		{ FALSE_PROTOCOL, 3, REQUEST_BAD_ANSWER, true },
		{ FALSE_UNIT, 3, REQUEST_BAD_ANSWER, true },
		{ FALSE_FUNCTION, 3, REQUEST_BAD_ANSWER, true },
		{ FALSE_COUNT, 3, REQUEST_BAD_ANSWER, true },
		{ FALSE_LENGTH, 3, REQUEST_BAD_ANSWER, true },
		{ FALSE_ECHO, 6, REQUEST_BAD_ANSWER, true },
		{ FALSE_ECHO, 16, REQUEST_BAD_ANSWER, true },
		{ EXCEPTION_OF_OTHER_FUNCTION, 3, REQUEST_BAD_ANSWER, true },
		{ TRAILING_BYTES, 3, REQUEST_OK, true },
		{ CHATTERS, 3, REQUEST_OK, true },
		{ GOOD_THEN_HANGS_UP, 3, REQUEST_OK, true },
		{ GOOD, 3, REQUEST_OK, false },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct batch_result *r;

		setup(&f);
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 3, 1))->status[0], REQUEST_OK); /* a link that has proven itself */
		r = ask(&f, batch_of((uint8_t)ROWS[i].fault, ROWS[i].fc, 100, 2 - (ROWS[i].fc == 6)));
		if (r->status[0] != ROWS[i].status)
			fail_msg("fault %d: status %d", ROWS[i].fault, r->status[0]);
		assert_in_range(r->done_ms - r->begun_ms, 0, TIMEOUT_MS + 100);
		usleep(20000);
		r = ask(&f, batch_of(GOOD, 3, 7, 2));
		if (r->status[0] != REQUEST_OK || r->r[0].words[0] != 7 || r->r[0].words[1] != 8)
			fail_msg("fault %d: next request: status %d, words %d %d", ROWS[i].fault, r->status[0],
				 r->r[0].words[0], r->r[0].words[1]);
		if (seen->connections != 1 + ROWS[i].reconnects)
			fail_msg("fault %d: %d connections", ROWS[i].fault, seen->connections);
		teardown(&f);
	}
}

static void test_exceptions(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (uint16_t code = 1; code <= 11; code++)
		for (int fc = 3; fc <= 16; fc += 13)
			assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, (uint8_t)fc, code, 1))->status[0], code);
	assert_int_equal(seen->connections, 1);
	assert_int_equal(stats_of(&f).exceptions, 22);
	assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, 3, 0, 1))->status[0], REQUEST_BAD_ANSWER);
	assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, 3, 12, 1))->status[0], REQUEST_BAD_ANSWER);
	assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, 3, 255, 1))->status[0], REQUEST_BAD_ANSWER);
	teardown(&f);
}

static void test_stops_at_first_failure(void **state)
{
	struct fixture f;
	struct batch b = batch_of(EXCEPTION_BY_ADDRESS, 3, 2, 1);
	const struct batch_result *r;

	(void)state;
	setup(&f);
	b.n = 3;
	b.r[1] = (struct modbus_request){ .fc = 6, .address = 8, .count = 1 };
	b.r[2] = b.r[1];
	r = ask(&f, b);
	assert_int_equal(r->status[0], 2);
	assert_int_equal(r->status[1], REQUEST_NOT_TRIED);
	assert_int_equal(r->status[2], REQUEST_NOT_TRIED);
	assert_int_equal(seen->n, 1);
	teardown(&f);
}

/* While a slow read is under way: commands overtake reads, the latest command of a device wins, batches stay whole. */
static void test_order(void **state)
{
	static const uint16_t WRITTEN[] = { 11, 12, 21, 22, 30, 40 };
	struct fixture f;
	struct batch slow = batch_of(SILENT, 3, 0, 1), read = batch_of(GOOD, 3, 30, 1), write = batch_of(GOOD, 6, 0, 1);

	(void)state;
	setup(&f);
	assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_OK);
	bus_submit(f.bus, 9, &slow);
	usleep(50000); /* begun */
	bus_submit(f.bus, 1, &read);
	read.r[0].address = 40;
	bus_submit(f.bus, 2, &read);
	write.n = 2;
	for (uint16_t i = 0; i < 4; i++) { /* device 1: three batches, device 2: one */
		static const uint16_t AT[] = { 1, 2, 21, 11 };

		write.id = 100u + i;
		write.r[0].address = AT[i];
		write.r[1] = write.r[0];
		write.r[1].address++;
		assert_int_equal(bus_submit(f.bus, i == 2 ? 2 : 1, &write), 0);
	}
	assert_int_equal(f.n, 1); /* replaced ones are told later, not from inside bus_submit */
	assert_int_equal(stats_of(&f).waiting_commands, 2);
	assert_int_equal(stats_of(&f).waiting_reads, 2);
	results_wait(&f, 8);
	for (int i = 0; i < 6; i++)
		assert_int_equal(seen->r[2 + i].address, WRITTEN[i]);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(f.got[i].id, 99 + i);
		assert_int_equal(f.device[i], 1);
		assert_true(f.got[i].command);
		assert_int_equal(f.got[i].status[0], REQUEST_REPLACED);
		assert_int_equal(f.got[i].status[1], REQUEST_REPLACED);
	}
	assert_int_equal(f.got[4].id, 103);
	assert_int_equal(f.got[5].id, 102);
	assert_int_equal(stats_of(&f).replaced, 2);
	teardown(&f);
}

static void test_expiry(void **state)
{
	struct fixture f;
	struct batch slow = batch_of(SILENT, 3, 0, 1), late = batch_of(GOOD, 6, 50, 1), split = batch_of(GOOD, 3, 60, 1);

	(void)state;
	setup(&f);
	bus_submit(f.bus, 9, &slow);
	usleep(50000); /* begun */
	late.expires_ms = loop_now_ms() + TIMEOUT_MS / 2;
	late.n = 2;
	late.r[1] = late.r[0];
	bus_submit(f.bus, 1, &late);
	results_wait(&f, 2);
	assert_int_equal(f.got[1].status[0], REQUEST_EXPIRED);
	assert_int_equal(f.got[1].status[1], REQUEST_EXPIRED);
	assert_int_equal(seen->n, 1); /* the write was never sent */

	/* Begun in time, but the write behind the read comes too late. */
	split.n = 2;
	split.r[1] = (struct modbus_request){ .fc = 6, .address = 61, .count = 1, .gap_ms = 300 };
	split.expires_ms = loop_now_ms() + 150;
	ask(&f, split);
	assert_int_equal(f.got[2].status[0], REQUEST_OK);
	assert_int_equal(f.got[2].status[1], REQUEST_EXPIRED);
	assert_int_equal(seen->n, 2);
	assert_int_equal(stats_of(&f).expired, 2);
	late.expires_ms = loop_now_ms() + 60000;
	assert_int_equal(ask(&f, late)->status[1], REQUEST_OK);
	teardown(&f);
}

static void test_gap(void **state)
{
	struct fixture f;
	struct batch b = batch_of(GOOD, 3, 0, 1);

	(void)state;
	setup(&f);
	b.n = 3;
	b.r[1] = b.r[2] = b.r[0];
	b.r[1].gap_ms = b.r[2].gap_ms = 100;
	ask(&f, b);
	assert_in_range(seen->r[1].at_ms - seen->r[0].at_ms, 99, 400);
	assert_in_range(seen->r[2].at_ms - seen->r[1].at_ms, 99, 400);
	teardown(&f);
}

/* One silent unit rests more and more; the others and its own commands are still served; one answer ends it. */
static void test_silent_unit_rests(void **state)
{
	struct fixture f;
	int no_link = 0, timeouts = 0;
	int64_t begun = loop_now_ms();

	(void)state;
	setup(&f);
	__atomic_store_n(&seen->silent, 1, __ATOMIC_SEQ_CST);
	while (loop_now_ms() - begun < 2500) {
		enum request_status s = ask(&f, batch_of(SILENT_AT_TIMES, 3, 0, 1))->status[0];

		s == REQUEST_NO_LINK ? no_link++ : timeouts++;
		if (s == REQUEST_NO_LINK)
			usleep(30000);
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 9, 1))->r[0].words[0], 9);
		f.n = 0;
	}
	assert_in_range(timeouts, 3, 5); /* at 0, 0.2, 0.9, 2.1 s */
	assert_true(no_link > 10);
	__atomic_store_n(&seen->silent, 0, __ATOMIC_SEQ_CST);
	usleep(2000000);
	assert_int_equal(ask(&f, batch_of(SILENT_AT_TIMES, 6, 0, 1))->status[0], REQUEST_OK); /* a command after 2 s */
	assert_int_equal(ask(&f, batch_of(SILENT_AT_TIMES, 3, 0, 1))->status[0], REQUEST_OK);
	teardown(&f);
}

static void test_submit_and_close_inside(void **state)
{
	struct fixture f;
	struct batch b = batch_of(GOOD, 3, 1, 1);

	(void)state;
	setup(&f);
	f.submit_inside = true;
	ask(&f, b);
	results_wait(&f, 2);
	assert_int_equal(f.got[1].id, 999);
	f.close_inside = true;
	ask(&f, b);
	assert_null(f.bus);
	teardown(&f);
}

static void test_lane_full(void **state)
{
	struct fixture f;
	struct batch slow = batch_of(SILENT, 3, 0, 1), read = batch_of(GOOD, 3, 1, 1);
	int taken = 0;

	(void)state;
	setup(&f);
	bus_submit(f.bus, 0, &slow);
	usleep(50000);
	while (taken < 1000 && !bus_submit(f.bus, (uint32_t)taken, &read))
		taken++;
	assert_in_range(taken, 16, 999);
	assert_int_equal(bus_submit(f.bus, 0, &read), -EAGAIN);
	teardown(&f); /* with all of them waiting: bounded by the one that began */
}

static void test_close_is_bounded(void **state)
{
	struct fixture f;
	struct batch slow = batch_of(SILENT, 3, 0, 1), pause = batch_of(GOOD, 3, 0, 1);
	int64_t begun;

	(void)state;
	setup(&f);
	bus_submit(f.bus, 0, &slow);
	usleep(50000);
	begun = loop_now_ms();
	bus_close(f.bus);
	assert_in_range(loop_now_ms() - begun, 0, TIMEOUT_MS + 100);
	f.bus = NULL;
	teardown(&f);

	setup(&f);
	pause.n = 2;
	pause.r[1] = pause.r[0];
	pause.r[1].gap_ms = 60000;
	bus_submit(f.bus, 0, &pause);
	usleep(100000);
	begun = loop_now_ms();
	bus_ask_close(f.bus);
	bus_close(f.bus);
	f.bus = NULL;
	assert_in_range(loop_now_ms() - begun, 0, 100);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.got[0].status[0], REQUEST_OK);
	assert_int_equal(f.got[0].status[1], REQUEST_NOT_TRIED);
	teardown(&f);
}

/* A port whose accept queue is full drops what comes: as a host behind a firewall that says nothing. */
static void test_black_hole(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int hole = socket(AF_INET, SOCK_STREAM, 0), fill[8];
	struct fixture f;
	const struct batch_result *r;

	(void)state;
	assert_int_equal(bind(hole, (struct sockaddr *)&in, size) | listen(hole, 0), 0);
	getsockname(hole, (struct sockaddr *)&in, &size);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&in, size);
	}
	usleep(50000);
	setup_at(&f, "127.0.0.1", ntohs(in.sin_port));
	r = ask(&f, batch_of(GOOD, 6, 1, 1));
	assert_int_equal(r->status[0], REQUEST_NO_LINK);
	assert_int_equal(stats_of(&f).connects, 0);
	assert_int_equal(stats_of(&f).connect_failures, 1);
	assert_non_null(strstr(stats_of(&f).last_error, "timed out"));
	usleep(400000);
	r = ask(&f, batch_of(GOOD, 6, 1, 1)); /* after the back-off it is tried again, for 500 ms */
	assert_int_equal(r->status[0], REQUEST_NO_LINK);
	assert_int_equal(stats_of(&f).connect_failures, 2);
	teardown(&f);
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(hole);
}

static void test_refused_is_told_at_once(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int taken = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: nobody else gets the port */
	struct fixture f;
	int64_t begun;

	(void)state;
	assert_int_equal(bind(taken, (struct sockaddr *)&in, size), 0);
	getsockname(taken, (struct sockaddr *)&in, &size);
	setup_at(&f, "127.0.0.1", ntohs(in.sin_port));
	begun = loop_now_ms();
	for (int i = 0; i < 40; i++)
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_NO_LINK);
	assert_in_range(loop_now_ms() - begun, 0, 1000);
	assert_in_range(stats_of(&f).connect_failures, 1, 6); /* backed off, not once a batch */
	assert_non_null(strstr(stats_of(&f).last_error, "refused"));
	teardown(&f);

	setup_at(&f, "no-such-host.invalid", 502);
	assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_NO_LINK);
	assert_non_null(strstr(stats_of(&f).last_error, "no-such-host.invalid"));
	teardown(&f);
	close(taken);
}

/* A server that takes the connection and hangs up at once is not called in a tight loop. */
static void test_hang_up_backs_off(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 50; i++) {
		assert_int_not_equal(ask(&f, batch_of(HANGS_UP, 3, 1, 1))->status[0], REQUEST_OK);
		usleep(10000);
	}
	assert_in_range(seen->connections, 2, 5);
	teardown(&f);
}

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_no_descriptor_is_lost(void **state)
{
	struct fixture f;
	int before = fds_open();

	(void)state;
	for (int i = 0; i < 5; i++) {
		setup(&f);
		ask(&f, batch_of(FALSE_TRANSACTION, 3, 1, 1));
		ask(&f, batch_of(HANGS_UP, 3, 1, 1));
		ask(&f, batch_of(GOOD, 3, 1, 1));
		teardown(&f);
	}
	assert_int_equal(fds_open(), before);
}

/* A descriptor that select() cannot hold is refused. */
static void test_many_descriptors(void **state)
{
	struct fixture f;
	int fd[1100], n = 0;

	(void)state;
	while (n < 1100 && (fd[n] = dup(0)) >= 0)
		n++;
	if (n == 1100) {
		setup(&f);
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_NO_LINK);
		assert_non_null(strstr(stats_of(&f).last_error, "open files"));
		teardown(&f);
	}
	while (n)
		close(fd[--n]);
	if (fds_open() > 1000)
		fail();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_that_make_no_sense), cmocka_unit_test(test_options_that_make_no_sense),
		cmocka_unit_test(test_functions), cmocka_unit_test(test_faults), cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_stops_at_first_failure), cmocka_unit_test(test_order), cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_gap), cmocka_unit_test(test_silent_unit_rests),
		cmocka_unit_test(test_submit_and_close_inside), cmocka_unit_test(test_lane_full),
		cmocka_unit_test(test_close_is_bounded), cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_refused_is_told_at_once), cmocka_unit_test(test_hang_up_backs_off),
		cmocka_unit_test(test_no_descriptor_is_lost), cmocka_unit_test(test_many_descriptors),
	};
	int r;

	if (argc > 1)
		return bus_helper(argc, argv);
	if (server_start()) {
		perror("server");
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return r;
}
