/* The grid operator's limit that is only prolonged, and one whose end waits for the clock: what is on disk never ends before what
 * was said. */
#include "support/limit_kit.h"

/* The end on disk, as a start would find it; ms after NOW. */
static double stored_ms(const struct limit_input *in, const struct limit_clock *c)
{
	struct limit_input again = *in;

	restart(&again, c);
	limit_input_step(&again, &(struct limit_config){ 0, { NAN, NAN } }, c);
	return (double)(again.side[0].demand.until_ms - NOW);
}

/* The same limit again and again with a later end: seldom stored, and then never an end that is before what was said, nor later by
 * more than a minute or the time left. */
static void test_prolonged(void **state)
{
	static const struct { const char *name, *first, *message; double every_s, for_s; int stores; bool trusted; } ROWS[] = {
		{ "a minute, each second: each minute and a second", "{'import_w':9,'duration_s':60}", "{'import_w':9,'duration_s':60}", 1, 600, 10, true },
		{ "an hour: the same", "{'import_w':9,'duration_s':3600}", "{'import_w':9,'duration_s':3600}", 1, 600, 10, true },
		{ "five seconds: each sixth", "{'import_w':9,'duration_s':5}", "{'import_w':9,'duration_s':5}", 1, 599, 100, true },
		{ "both sides: together", "{'import_w':9,'export_w':0,'duration_s':3600}", "{'import_w':9,'export_w':0,'duration_s':3600}", 1, 600, 10, true },
		{ "a clock that is not trusted", "{'import_w':9,'duration_s':3600}", "{'import_w':9,'duration_s':3600}", 1, 600, 10, false },
		{ "the longest there is", "{'import_w':9,'duration_s':31622400}", "{'import_w':9,'duration_s':31622400}", 1, 600, 10, true },
		{ "and that with a clock that is not trusted", "{'import_w':9,'duration_s':31622400}", "{'import_w':9,'duration_s':31622400}", 1, 60, 1, false },
		{ "once, a second more", "{'import_w':9,'until':'$3600'}", "{'import_w':9,'until':'$3601'}", 600, 600, 1, true },
	};
	const struct limit_config cfg = { 0, { NAN, NAN } };
	struct limit_input in;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct limit_clock c = { NOW, T, ROWS[i].trusted };
		double disk_ms, said_ms, left_ms;
		int stores = 0, r;

		limit_input_init(&in);
		assert_int_equal(send_message(&in, &cfg, ROWS[i].first, &c), LIMIT_CHANGED | LIMIT_STORE);
		disk_ms = stored_ms(&in, &c);
		assert_true(disk_ms == (double)(in.side[0].demand.until_ms - NOW)); /* as it was said */
		for (double s = 1; s <= ROWS[i].for_s; s++) {
			c = (struct limit_clock){ NOW + llround(s * 1000), T + llround(s * 1000), ROWS[i].trusted };
			assert_false(limit_input_step(&in, &cfg, &c) & LIMIT_STORE);
			if (fmod(s, ROWS[i].every_s) != 0)
				continue;
			r = send_message(&in, &cfg, ROWS[i].message, &c);
			if ((r & ~LIMIT_STORE) != (LIMIT_CHANGED | LIMIT_PROLONGED))
				fail_msg("%s: %d after %g s", ROWS[i].name, r, s);
			stores += (r & LIMIT_STORE) != 0;
			if (r & LIMIT_STORE)
				disk_ms = stored_ms(&in, &c);
			said_ms = (double)(in.side[0].demand.until_ms - NOW);
			left_ms = said_ms - s * 1000;
			if (disk_ms < said_ms || disk_ms > said_ms + fmin(60000, left_ms))
				fail_msg("%s: after %g s %g ms were said, %g ms are on disk", ROWS[i].name, s, said_ms, disk_ms);
		}
		if (stores != ROWS[i].stores)
			fail_msg("%s: stored %d times", ROWS[i].name, stores);
		assert_int_equal(limit_input_exact(&in), ROWS[i].stores > 0);
		assert_false(limit_input_exact(&in));
		assert_true(stored_ms(&in, &c) == (double)(in.side[0].demand.until_ms - NOW));
	}
}

/* What is no mere prolongation: as it was said. */
static void test_not_prolonged(void **state)
{
	static const char *const ROWS[] = {
		"{'import_w':10,'until':'$3602'}", "{'import_w':9}", "{'import_w':9,'until':'$3600'}", "{'import_w':null}", "!{'import_w':9,'until':'$3602'}",
		"{'import_w':8,'until':'$3602'}", "{'import_w':9,'duration_s':3598}",
	};
	const struct limit_config cfg = { 0, { NAN, NAN } };
	struct limit_input in;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct limit_clock c = { NOW + 1000, T + 1000, true };
		int r;

		limit_input_init(&in);
		send_message(&in, &cfg, "{'import_w':9,'until':'$3600'}", &(struct limit_clock){ NOW, T, true });
		assert_true(send_message(&in, &cfg, "{'import_w':9,'until':'$3601'}", &(struct limit_clock){ NOW, T, true }) & LIMIT_PROLONGED);
		assert_int_equal(in.side[0].ahead_ms, 60000);
		r = send_message(&in, &cfg, ROWS[i], &c);
		if (r & LIMIT_PROLONGED || !(r & LIMIT_STORE) || in.side[0].ahead_ms)
			fail_msg("%s", ROWS[i]);
	}
	/* a side that ended is not prolonged any more, and one that changed is audited although the other was prolonged */
	limit_input_init(&in);
	send_message(&in, &cfg, "{'import_w':9,'until':'$10'}", &(struct limit_clock){ NOW, T, true });
	send_message(&in, &cfg, "{'import_w':9,'until':'$20'}", &(struct limit_clock){ NOW, T, true });
	assert_int_equal(send_message(&in, &cfg, "{'import_w':9,'export_w':1,'until':'$21'}", &(struct limit_clock){ NOW, T, true }), LIMIT_CHANGED | LIMIT_STORE);
	assert_true(in.side[0].ahead_ms > 0);
	assert_true(limit_input_step(&in, &cfg, &(struct limit_clock){ NOW + 21000, T + 21000, true }) & LIMIT_STORE);
	assert_int_equal(in.side[0].ahead_ms, 0);
}

/* An end that is in the past by a clock nobody vouches for: in force until somebody does, over a restart too, and it says so. */
static void test_waits_for_clock(void **state)
{
	static const struct { const char *message; bool trusted, waits; } ROWS[] = {
		{ "{'import_w':9,'until':'$-86400'}", false, true }, { "{'import_w':9,'until':'$60'}", false, true },
		{ "{'import_w':9,'until':'$60'}", true, false }, { "{'import_w':9,'duration_s':60}", false, false }, { "{'import_w':9}", false, false },
	};
	const struct limit_config cfg = { 0, { NAN, NAN } };
	struct limit_input in;
	struct limit_view v;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct limit_clock c = { NOW, T, ROWS[i].trusted };

		limit_input_init(&in);
		assert_int_equal(send_message(&in, &cfg, ROWS[i].message, &c), LIMIT_CHANGED | LIMIT_STORE);
		for (int k = 0; k < 2; k++) {
			limit_input_view(&in, &cfg, &v);
			if (v.side[0].w != 9 || v.side[0].waits != ROWS[i].waits || v.side[1].waits)
				fail_msg("row %zu, %d", i, k);
			c.now_ms += 10;
			restart(&in, &c);
			limit_input_step(&in, &cfg, &c);
		}
		c.trusted = true;
		if (ROWS[i].waits)
			assert_true(limit_input_step(&in, &cfg, &c) & LIMIT_CHANGED);
		limit_input_view(&in, &cfg, &v);
		assert_false(v.side[0].waits);
		assert_int_equal(isnan(v.side[0].w), i == 0); /* and ended then */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_prolonged), cmocka_unit_test(test_not_prolonged), cmocka_unit_test(test_waits_for_clock) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
