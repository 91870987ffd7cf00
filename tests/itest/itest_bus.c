/* Transactions of the bus against a faulty server, and, with arguments, a helper that talks to whatever a script set up:
 * see bus_helper.h. The link itself is itest_bus_link.c's. */
#include "itest/bus_fixture.h"
#include "itest/bus_helper.h"

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
		assert_in_range(r->done_ms - r->begun_ms, 0, TIMEOUT_MS + slow_ms(800));
		seen_await(&seen->done, seen->n);
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
	for (int fc = 3; fc <= 16; fc += 13)
		for (uint16_t code = 1; code <= 11; code++)
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
	slow.timeout_ms = (uint16_t)slow_ms(1000); /* all of the following happens meanwhile */
	bus_submit(f.bus, 9, &slow);
	seen_await(&seen->n, 2);
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
	seen_await(&seen->n, 1);
	late.expires_ms = seen->r[0].at_ms + TIMEOUT_MS / 2;
	late.n = 2;
	late.r[1] = late.r[0];
	bus_submit(f.bus, 1, &late);
	results_wait(&f, 2);
	assert_int_equal(f.got[1].status[0], REQUEST_EXPIRED);
	assert_int_equal(f.got[1].status[1], REQUEST_EXPIRED);
	assert_int_equal(seen->n, 1); /* the write was never sent */

	/* Begun in time, but the write behind the read comes too late. */
	split.n = 2;
	split.r[1] = (struct modbus_request){ .fc = 6, .address = 61, .count = 1, .gap_ms = (uint16_t)slow_ms(1000) };
	split.expires_ms = loop_now_ms() + slow_ms(600);
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
	assert_in_range(seen->r[1].at_ms - seen->r[0].at_ms, 99, slow_ms(2000));
	assert_in_range(seen->r[2].at_ms - seen->r[1].at_ms, 99, slow_ms(2000));
	teardown(&f);
}

/* A gateway that waits for an absent unit holds up the others as much as silence does. */
static void test_unit_silent_behind_gateway_rests(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, 3, 11, 1))->status[0], 11);
	assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, 3, 11, 1))->status[0], 11);
	assert_int_equal(ask(&f, batch_of(EXCEPTION_BY_ADDRESS, 3, 11, 1))->status[0], REQUEST_NO_LINK);
	assert_int_equal(ask(&f, batch_of(GOOD, 3, 11, 1))->status[0], REQUEST_OK);
	assert_int_equal(seen->connections, 1);
	teardown(&f);
}

/* One silent unit rests more and more; the others and its own commands are still served; one answer ends it. */
static void test_silent_unit_rests(void **state)
{
	struct fixture f;
	int no_link = 0, timeouts = 0;
	int64_t begun = loop_now_ms(), asked_ms = 0;
	enum request_status early;

	(void)state;
	setup(&f);
	__atomic_store_n(&seen->silent, 1, __ATOMIC_SEQ_CST);
	while (timeouts < 4) {
		enum request_status s;

		asked_ms = loop_now_ms();
		s = ask(&f, batch_of(SILENT_AT_TIMES, 3, 0, 1))->status[0];
		s == REQUEST_NO_LINK ? no_link++ : timeouts++;
		if (s == REQUEST_NO_LINK)
			usleep(30000);
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 9, 1))->r[0].words[0], 9);
		f.n = 0;
	}
	assert_in_range(loop_now_ms() - begun, 1500 + 4 * TIMEOUT_MS, LIMIT_MS); /* at 0, 0.2, 0.9, 2.1 s */
	assert_true(no_link > 5);
	__atomic_store_n(&seen->silent, 0, __ATOMIC_SEQ_CST);
	usleep(600000); /* of a rest of 2 s */
	early = ask(&f, batch_of(SILENT_AT_TIMES, 3, 0, 1))->status[0];
	if (loop_now_ms() - asked_ms < 2000) /* else the machine stood still for the rest of it */
		assert_int_equal(early, REQUEST_NO_LINK);
	assert_int_equal(ask(&f, batch_of(SILENT_AT_TIMES, 6, 0, 1))->status[0], REQUEST_OK);
	assert_int_equal(ask(&f, batch_of(SILENT_AT_TIMES, 3, 0, 1))->status[0], REQUEST_OK);
	teardown(&f);
}

/* A unit that was silent last time is asked when nobody else waits. */
static void test_suspects_come_last(void **state)
{
	struct fixture f;
	struct batch hold = batch_of(DRIPS, 3, 1, 1), suspect = batch_of(SILENT_AT_TIMES, 3, 70, 1), good = batch_of(GOOD, 3, 71, 1);

	(void)state;
	setup(&f);
	__atomic_store_n(&seen->silent, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(ask(&f, suspect)->status[0], REQUEST_TIMEOUT);
	__atomic_store_n(&seen->silent, 0, __ATOMIC_SEQ_CST);
	for (int round = 0; round < 2; round++) { /* the second time it is trusted again */
		int begun = seen->n;

		hold.timeout_ms = (uint16_t)slow_ms(1000); /* all of the following happens meanwhile */
		bus_submit(f.bus, 3, &hold);
		seen_await(&seen->n, begun + 1);
		bus_submit(f.bus, 1, &suspect);
		bus_submit(f.bus, 2, &good);
		assert_int_equal(stats_of(&f).waiting_reads, 2);
		results_wait(&f, f.n + 3);
		assert_int_equal(seen->r[begun + 1].address, round ? 70 : 71);
		assert_int_equal(seen->r[begun + 2].address, round ? 71 : 70);
	}
	teardown(&f);
}

static void test_submit_and_close_inside(void **state)
{
	struct fixture f;
	struct batch b = batch_of(GOOD, 3, 1, 1);

	(void)state;
	setup(&f);
	f.submit_inside = true;
	assert_int_equal(bus_submit(f.bus, 5, &b), 0);
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
	slow.timeout_ms = (uint16_t)slow_ms(1000);
	bus_submit(f.bus, 0, &slow);
	seen_await(&seen->n, 1);
	while (taken < 1000 && !bus_submit(f.bus, (uint32_t)taken, &read))
		taken++;
	assert_in_range(taken, 16, 999);
	assert_int_equal(bus_submit(f.bus, 0, &read), -EAGAIN);
	teardown(&f); /* with all of them waiting: bounded by the one that began */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_that_make_no_sense),
		cmocka_unit_test(test_options_that_make_no_sense),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_stops_at_first_failure),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_unit_silent_behind_gateway_rests),
		cmocka_unit_test(test_silent_unit_rests),
		cmocka_unit_test(test_suspects_come_last),
		cmocka_unit_test(test_submit_and_close_inside),
		cmocka_unit_test(test_lane_full),
	};
	int r;

	if (argc > 1)
		return bus_helper(argc, argv);
	if (server_start()) {
		perror("server");
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop();
	return r;
}
