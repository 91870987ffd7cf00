/* Closing a bus whose response timeout is as long as it may be: whatever its thread waits for, the loop must not wait
 * with it. And the timeout a batch brings along. */
#include "drivers/modbus/pdu.h"
#include "itest/bus_fixture.h"

#include <fcntl.h>
#include <poll.h>

#define LONGEST_MS 10000
#define CLOSED_MS slow_ms(1000) /* at once; the machine may be busy */

static void loop_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->limit);
	uv_timer_start(&f->limit, on_limit, (uint64_t)LIMIT_MS, 0);
	seen_reset();
}

static void tcp_open(struct fixture *f, int at_port, int timeout_ms)
{
	struct bus_options o = { .name = "close", .type = BUS_TCP, .host = "127.0.0.1", .port = at_port, .timeout_ms = timeout_ms };
	struct errbuf err = { "" };

	loop_open(f);
	if (bus_open(&f->bus, &f->loop, &o, on_result, f, &err))
		fail_msg("%s", err.text);
}

static void rtu_open_at(struct fixture *f, int line, int timeout_ms)
{
	struct bus_options o = { .name = "close", .type = BUS_RTU, .baud = 19200, .parity = 'N', .data_bits = 8, .stop_bits = 1,
				 .timeout_ms = timeout_ms };
	struct errbuf err = { "" };

	assert_int_equal(ptsname_r(line, o.device, sizeof(o.device)), 0);
	loop_open(f);
	if (bus_open(&f->bus, &f->loop, &o, on_result, f, &err))
		fail_msg("%s", err.text);
}

/* The bus at one end of a pseudo terminal, nobody at the other. Returns the other end. */
static int rtu_open(struct fixture *f, int timeout_ms)
{
	int line = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(line >= 0);
	assert_int_equal(grantpt(line) | unlockpt(line), 0);
	rtu_open_at(f, line, timeout_ms);
	return line;
}

/* The unit's answer to reading two registers. */
static void answer_give(int line, uint16_t first, uint16_t second)
{
	uint8_t frame[9] = { 1, 3, 4 };
	uint16_t crc;

	pdu_put(frame + 3, first);
	pdu_put(frame + 5, second);
	crc = pdu_crc(frame, 7);
	frame[7] = (uint8_t)(crc & 0xff);
	frame[8] = (uint8_t)(crc >> 8);
	assert_int_equal(write(line, frame, sizeof(frame)), sizeof(frame));
}

/* Waits until a request has come out of the line. */
static void request_await(int line)
{
	struct pollfd p = { .fd = line, .events = POLLIN };
	uint8_t bin[64];

	assert_int_equal(poll(&p, 1, slow_ms(8000)), 1);
	assert_true(read(line, bin, sizeof(bin)) > 0);
}

static void close_quickly(struct fixture *f, const char *while_what)
{
	int64_t begun = loop_now_ms(), took;

	bus_ask_close(f->bus);
	bus_close(f->bus);
	f->bus = NULL;
	took = loop_now_ms() - begun;
	if (took >= CLOSED_MS)
		fail_msg("closing while %s took %d ms", while_what, (int)took);
}

static void test_tcp_answer(void **state)
{
	static const struct {
		const char *name;
		uint8_t unit;
	} rows[] = {
		{ "the host is silent", SILENT },
		{ "half an answer is there", STOPS_HALF },
		{ "an answer drips", DRIPS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		struct batch b = batch_of(rows[i].unit, 3, 7, 100);

		tcp_open(&f, port, LONGEST_MS);
		b.n = 2;
		b.r[1] = b.r[0];
		assert_int_equal(bus_submit(f.bus, 0, &b), 0);
		assert_int_equal(bus_submit(f.bus, 1, &b), 0);
		seen_await(&seen->n, 1);
		usleep(150000);
		close_quickly(&f, rows[i].name);
		assert_int_equal(f.n, 1); /* what had begun is told, what waited is not */
		assert_int_equal(f.got[0].status[0], REQUEST_TIMEOUT);
		assert_int_equal(f.got[0].status[1], REQUEST_NOT_TRIED);
		assert_int_equal(seen->n, 1);
		teardown(&f);
	}
}

static void test_tcp_connect(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int hole = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[8];
	struct fixture f;
	struct batch b = batch_of(GOOD, 3, 1, 1); /* a read: waits behind the making of the link */

	(void)state;
	assert_int_equal(bind(hole, (struct sockaddr *)&in, size) | listen(hole, 0), 0);
	getsockname(hole, (struct sockaddr *)&in, &size);
	for (int i = 0; i < 8; i++) { /* a full accept queue drops what comes */
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fill[i], (struct sockaddr *)&in, size);
	}
	usleep(50000);
	tcp_open(&f, ntohs(in.sin_port), LONGEST_MS);
	assert_int_equal(bus_submit(f.bus, 0, &b), 0);
	usleep(150000);
	close_quickly(&f, "connecting");
	assert_int_equal(f.n, 0);
	teardown(&f);
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(hole);
}

static void test_rtu_answer(void **state)
{
	static const uint8_t half[] = { 1, 3, 4, 0 };
	struct batch b = batch_of(1, 3, 7, 2);

	(void)state;
	for (int part = 0; part < 2; part++) {
		struct fixture f;
		int line = rtu_open(&f, LONGEST_MS);

		assert_int_equal(bus_submit(f.bus, 0, &b), 0);
		request_await(line);
		if (part)
			assert_int_equal(write(line, half, sizeof(half)), sizeof(half));
		usleep(50000);
		close_quickly(&f, part ? "half an answer is on the line" : "the line is silent");
		assert_int_equal(f.n, 1);
		assert_int_equal(f.got[0].status[0], REQUEST_TIMEOUT);
		teardown(&f);
		close(line);
	}
}

/* After a timeout the line stays quiet for another one. */
static void test_rtu_quiet(void **state)
{
	struct batch b = batch_of(1, 3, 7, 2);
	struct fixture f;
	int line = rtu_open(&f, 1000);

	(void)state;
	assert_int_equal(ask(&f, b)->status[0], REQUEST_TIMEOUT);
	assert_int_equal(bus_submit(f.bus, 0, &b), 0);
	request_await(line);
	usleep(50000);
	close_quickly(&f, "the line rests");
	assert_int_equal(f.n, 2);
	assert_int_equal(f.got[1].status[0], REQUEST_NOT_TRIED);
	usleep(20000);
	assert_int_equal(fcntl(line, F_SETFL, O_NONBLOCK), 0);
	assert_true(read(line, &b, sizeof(b)) <= 0); /* closing sends nothing more */
	teardown(&f);
	close(line);
}

/* A reload closes a line in the middle of a question and opens it again: the answer still under way is nobody's. */
static void test_rtu_reopened(void **state)
{
	struct batch b = batch_of(1, 3, 7, 2);
	struct fixture f;
	int line = rtu_open(&f, 1500);

	(void)state;
	assert_int_equal(bus_submit(f.bus, 0, &b), 0);
	request_await(line);
	close_quickly(&f, "a question is open");
	teardown(&f);
	rtu_open_at(&f, line, 1500); /* it listens for a second before it speaks */
	b.r[0].address = 8;
	assert_int_equal(bus_submit(f.bus, 0, &b), 0);
	usleep(200000);
	answer_give(line, 1111, 1112);
	request_await(line);
	usleep(20000);
	answer_give(line, 2222, 2223);
	results_wait(&f, 1);
	assert_int_equal(f.got[0].status[0], REQUEST_OK);
	assert_int_equal(f.got[0].r[0].words[0], 2222);
	assert_int_equal(f.got[0].r[0].words[1], 2223);
	teardown(&f);
	close(line);
}

static void test_all_gaps(void **state)
{
	struct fixture f;
	struct batch b = batch_of(GOOD, 3, 0, 1);

	(void)state;
	tcp_open(&f, port, LONGEST_MS);
	b.n = 2;
	b.r[1] = b.r[0];
	b.r[1].gap_ms = 60000;
	assert_int_equal(bus_submit(f.bus, 0, &b), 0);
	seen_await(&seen->done, 1);
	usleep(200000); /* the answer is read */
	close_quickly(&f, "a device is left in peace");
	assert_int_equal(f.got[0].status[0], REQUEST_OK);
	assert_int_equal(f.got[0].status[1], REQUEST_NOT_TRIED);
	teardown(&f);
}

/* What a batch says of the timeout counts for its answers, and for nobody else's. */
static void test_timeout_of_the_batch(void **state)
{
	static const struct {
		const char *name;
		int bus_ms, batch_ms, least_ms, most_ms;
	} rows[] = {
		{ "the bus's", 300, 0, 300, 3000 },
		{ "shorter", LONGEST_MS, 100, 100, 3000 },
		{ "longer", 200, 600, 600, 3000 },
		{ "the bus's again", 300, 0, 300, 3000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		struct batch b = batch_of(SILENT, 3, 7, 1);
		const struct batch_result *r;

		tcp_open(&f, port, rows[i].bus_ms);
		b.timeout_ms = (uint16_t)rows[i].batch_ms;
		r = ask(&f, b);
		assert_int_equal(r->status[0], REQUEST_TIMEOUT);
		assert_in_range(r->done_ms - r->begun_ms, rows[i].least_ms - 1, slow_ms(rows[i].most_ms));
		b = batch_of(GOOD, 3, 7, 1);
		assert_int_equal(ask(&f, b)->status[0], REQUEST_OK);
		b.timeout_ms = 19;
		assert_int_equal(bus_submit(f.bus, 0, &b), -EINVAL);
		b.timeout_ms = LONGEST_MS + 1;
		assert_int_equal(bus_submit(f.bus, 0, &b), -EINVAL);
		teardown(&f);
	}
}

/* The pause after a timeout is as long as the timeout was, also when the next batch has a shorter one. */
static void test_quiet_of_the_batch(void **state)
{
	struct batch slow = batch_of(1, 3, 7, 2), quick = batch_of(2, 3, 8, 2);
	struct fixture f;
	int line = rtu_open(&f, 50);
	int64_t first;

	(void)state;
	slow.timeout_ms = 1500;
	assert_int_equal(bus_submit(f.bus, 0, &slow), 0);
	assert_int_equal(bus_submit(f.bus, 1, &quick), 0);
	request_await(line);
	first = loop_now_ms();
	request_await(line);
	assert_in_range(loop_now_ms() - first, 2 * 1500 - 50, 2 * 1500 + slow_ms(3000));
	teardown(&f);
	close(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_answer),	     cmocka_unit_test(test_tcp_connect),
		cmocka_unit_test(test_rtu_answer),	     cmocka_unit_test(test_rtu_quiet),
		cmocka_unit_test(test_rtu_reopened),	     cmocka_unit_test(test_all_gaps),
		cmocka_unit_test(test_timeout_of_the_batch), cmocka_unit_test(test_quiet_of_the_batch),
	};
	int r;

	if (server_start()) {
		perror("server");
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop();
	return r;
}
