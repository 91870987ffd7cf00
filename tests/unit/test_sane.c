/* What the meter's numbers alone give away. */
#include "support/cm.h"
#include "support/desk.h"
#include "policies/sane.h"

#include <string.h>

static struct snapshot s;
static struct edge e;
static struct sane m;

static void begin(void)
{
	memset(&e, 0, sizeof(e));
	memset(&m, 0, sizeof(m));
	desk_init(&s);
	desk_battery(&s, 50);
	s.dev[1].ordered = order_power(0);
}

static void tick(double grid_w, double power_w)
{
	struct edge_vote v;

	desk_wait(&s, 1000);
	desk_power(&s, 1, power_w);
	desk_grid(&s, grid_w);
	edge_step(&e, &s, &v);
	sane_step(&m, &e, &s);
}

static void reach_by_fuse(void **state)
{
	static const struct { const char *name; double fuse_a, import_w; int phases; double must_w; } ROWS[] = {
		{ "nothing known", 0, 0, 3, 50000 }, { "a small import limit", 0, 9000, 3, 50000 }, { "a farm", 0, 40000, 3, 160000 },
		{ "16 A on one phase", 16, 0, 1, 10000 }, { "25 A on one phase", 25, 0, 1, 11500 }, { "25 A on three", 25, 9000, 3, 34500 },
		{ "25 A, nobody says on how many", 25, 0, 0, 34500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		s.site.fuse_a = ROWS[r].fuse_a;
		s.site.import_limit_w = ROWS[r].import_w;
		s.dev[0].phases = ROWS[r].phases;
		assert_row_near(ROWS[r].name, sane_reach_w(&s), ROWS[r].must_w);
	}
}

/* What no house can make is a jump; a spike may be a heater. */
static void jumps(void **state)
{
	static const struct { const char *name; double up_w, own_w; int hold, times; bool must; double rest_w; } ROWS[] = {
		{ "beyond it, ours takes something all the time", 50001, 0, 4, 8, true, 3000 },
		{ "spikes, ours takes something all the time", 5001, 0, 1, 8, false, 3000 },
		{ "a kettle", 2000, 0, 1, 8, false, 0 },
		{ "just within reach, long", 50000, 0, 4, 8, false, 0 },
		{ "beyond it", 50001, 0, 4, 8, true, 0 },
		{ "beyond it, but ours did it", 50001, 2, 4, 8, false, 0 },
		{ "there and back is two", 60000, 0, 4, 1, false, 0 },
		{ "twice there and back", 60000, 0, 4, 2, true, 0 },
		{ "spikes of 5 kW", 5000, 0, 1, 8, false, 0 },
		{ "spikes of more", 5001, 0, 1, 8, false, 0 },
		{ "down", -5001, 0, 1, 8, false, 0 },
		{ "a load of two seconds", 5001, 0, 2, 8, false, 0 },
		{ "spikes that ours made", 5001, 1001, 1, 8, false, 0 },
		{ "three spikes", 8000, 0, 1, 3, false, 0 },
		{ "four", 8000, 0, 1, 4, false, 0 },
		{ "a heater all day", 6300, 0, 1, 400, false, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		bool seen = false;

		begin();
		for (int k = 0; k < ROWS[r].times; k++)
			for (int t = 0; t < ROWS[r].hold + 5; t++) {
				bool up = t >= 5;

				tick(up ? ROWS[r].up_w : 0, ROWS[r].rest_w + (up ? ROWS[r].own_w : 0));
				seen = seen || m.jumps;
			}
		tick(0, ROWS[r].rest_w);
		seen = seen || m.jumps;
		assert_row(ROWS[r].name, seen == ROWS[r].must);
		if (!seen)
			continue;
		for (int t = 0; t < 58; t++)
			tick(0, ROWS[r].rest_w);
		assert_row(ROWS[r].name, m.jumps);
		for (int t = 0; t < 7; t++)
			tick(0, ROWS[r].rest_w);
		assert_row(ROWS[r].name, !m.jumps);
	}
}

static void jumps_that_are_seldom(void **state)
{
	static const struct { const char *name; int apart; bool must; } ROWS[] = { { "four in a minute", 20, true }, { "four in more", 21, false } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		bool seen = false;

		begin();
		for (int t = 0; t < 20 * ROWS[r].apart; t++) {
			tick(t / ROWS[r].apart % 2 ? 60000 : 0, 0);
			seen = seen || m.jumps;
		}
		assert_row(ROWS[r].name, seen == ROWS[r].must);
	}
}

/* The first number is no change, and none of them is from before we began. */
static void three_jumps_are_none(void **state)
{
	(void)state;
	for (int early = 0; early < 2; early++) {
		begin();
		if (early)
			s.now_ms = 0;
		else
			tick(60000, 0);
		for (int k = 0; k < 3 + early; k++) /* early: the first is where it begins */
			tick(k % 2 ? 60000 : 0, 0);
		assert_false(m.jumps);
		tick(m.w[0] > 0 ? 0 : 60000, 0);
		assert_true(m.jumps);
	}
}

static void the_largest_jump_is_told(void **state)
{
	(void)state;
	begin();
	for (int k = 0; k < 5; k++)
		tick(k % 2 ? 40000 : -15000, 0);
	assert_true(m.jumps);
	assert_near((double)m.jump_w, 55000);
	tick(50000, 0);
	assert_near((double)m.jump_w, 65000);
	tick(-1000, 0);
	assert_near((double)m.jump_w, 65000);
	tick(120000, 0);
	assert_near((double)m.jump_w, 121000);
}

/* What was found is what is told, whatever comes later. */
static void the_first_still_number_is_told(void **state)
{
	(void)state;
	begin();
	for (int t = 0; t < 20; t++)
		tick(300, 200);
	for (int t = 0; t < 20; t++)
		tick(300, 800);
	assert_true(m.frozen);
	assert_near((double)m.moved_w, 600);
	for (int t = 0; t < 20; t++)
		tick(300, 1500);
	assert_near((double)m.moved_w, 600);
}

static void absurd_numbers(void **state)
{
	static const struct { const char *name; double w, fuse_a; bool must; } ROWS[] = {
		{ "a large house", 100000, 0, false }, { "no house", 100001, 0, true }, { "no house out", -100001, 0, true },
		{ "by its fuse", 110000, 20, true }, { "a large fuse", 110000, 63, false }, { "twice what it reaches", 174000, 63, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		s.dev[0].phases = 3;
		s.site.fuse_a = ROWS[r].fuse_a;
		tick(ROWS[r].w, 0);
		assert_row(ROWS[r].name, m.absurd == ROWS[r].must && !m.jumps);
		tick(0, 0);
		assert_row(ROWS[r].name, !m.absurd);
	}
	begin();
	for (int t = 0; t < 4; t++)
		tick(1e6, 0);
	assert_true(m.jumps);
}

static void standing_still(void **state)
{
	static const struct { const char *name; double own_w, flutter_w; int ticks; bool must; } ROWS[] = {
		{ "nothing moved", 0, 0, 60, false }, { "499 W", 499, 0, 60, false }, { "500 W, not long enough", 500, 0, 11, false },
		{ "500 W, just long enough", 500, 0, 12, true }, { "500 W", 500, 0, 13, true }, { "out", -500, 0, 13, true }, { "a living number", 500, 0.1, 60, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		for (int t = 0; t < 20; t++)
			tick(300, 0);
		for (int t = 0; t < ROWS[r].ticks; t++)
			tick(300 + t % 2 * ROWS[r].flutter_w, ROWS[r].own_w);
		assert_row(ROWS[r].name, m.frozen == ROWS[r].must);
	}
}

static void a_minute_after_it_moves_it_is_believed(void **state)
{
	(void)state;
	begin();
	for (int t = 0; t < 20; t++)
		tick(300, 0);
	for (int t = 0; t < 60; t++)
		tick(300, t < 30 ? 600 : 0); /* back to what it was does not make it right */
	assert_true(m.frozen);
	assert_near((double)m.frozen_w, 300);
	assert_near((double)m.moved_w, 600);
	for (int t = 0; t < 59; t++)
		tick(310 + t, 0);
	assert_true(m.frozen);
	tick(300.5, 0);
	assert_false(m.frozen);
}

/* A charger that is read every ten seconds shows what the meter showed long ago. */
static void a_late_reading_is_no_move(void **state)
{
	struct edge_vote v;

	(void)state;
	begin();
	for (int t = 0; t < 20; t++)
		tick(5300, 5000);
	for (int t = 0; t < 8; t++) {
		desk_wait(&s, 1000);
		desk_grid(&s, 300);
		edge_step(&e, &s, &v);
		sane_step(&m, &e, &s);
	}
	for (int t = 0; t < 40; t++)
		tick(300, 0);
	assert_false(m.frozen);
	for (int t = 0; t < 40; t++)
		tick(300, 600);
	assert_true(m.frozen);
}

static void still_only_if_all_is_seen(void **state)
{
	(void)state;
	begin();
	desk_battery(&s, 50);
	s.dev[2].state.availability = AVAIL_OFFLINE;
	for (int t = 0; t < 60; t++)
		tick(300, t < 20 ? 0 : 2000);
	assert_false(m.frozen);
	begin(); /* few samples: slow meters get their time */
	for (int t = 0; t < 40; t++) {
		desk_wait(&s, 4000);
		tick(300, t < 20 ? 0 : 2000);
		assert_int_equal(m.frozen, t >= 24);
	}
}

static void wild_swings(void **state)
{
	static const struct { const char *name; double own_w, meter_w; int period; bool must; } ROWS[] = {
		{ "the meter swings as we do", 1000, 1000, 6, false }, { "a load that comes and goes", 1000, 2000, 6, false },
		{ "three times as far", 1000, 3000, 6, true }, { "too small to be turns of ours", 140, 3000, 6, false },
		{ "too seldom", 1000, 3000, 40, false }, { "two and a half times as far", 1000, 2500, 6, false }, { "further", 1000, 2501, 6, true },
		{ "turns of ours just too small", 300, 3000, 6, false }, { "just large enough", 301, 3000, 6, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		bool seen = false;

		begin();
		for (int t = 0; t < 120; t++) {
			bool up = t / (ROWS[r].period / 2) % 2;

			tick(5000 + (up ? ROWS[r].meter_w : 0), up ? ROWS[r].own_w : 0);
			seen = seen || m.wild;
		}
		assert_row(ROWS[r].name, seen == ROWS[r].must);
		for (int t = 0; t < 65; t++)
			tick(5000, 0);
		assert_row(ROWS[r].name, !m.wild);
	}
}

/* Four turns of ours and of the meter, in this half minute and the one before: not one less. */
static void wild_from_the_fourth_turn_on(void **state)
{
	static const struct { const char *name; int second_at; bool must; } ROWS[] = {
		{ "all in one half minute", 16, true }, { "in two", 34, true }, { "the first are over", 62, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		for (int t = 0; t < ROWS[r].second_at + 4; t++) {
			bool up = (t >= 10 && t < 13) || (t >= ROWS[r].second_at && t < ROWS[r].second_at + 3);

			tick(5000 + (up ? 3000 : 0), up ? 1000 : 0);
			assert_row(ROWS[r].name, m.wild == (ROWS[r].must && t == ROWS[r].second_at + 3));
		}
	}
	begin();
	for (int t = 0; t < 30; t++)
		tick(t, 0);
	assert_true(m.range_ms < s.now_ms);
	tick(0, 0); /* half a minute after the first */
	assert_true(m.range_ms == s.now_ms);
}

/* Quick turns as large as ours within a slow swing of the house are the house's and ours. */
static void a_slow_swing_with_quick_turns_is_none(void **state)
{
	(void)state;
	begin();
	for (int t = 0; t < 120; t++) {
		bool up = t / 3 % 2;

		tick((t % 60 < 30 ? t % 60 : 60 - t % 60) * 70 + (up ? 1100 : 0), up ? 1000 : 0);
		assert_false(m.wild);
	}
}

static void nothing_without_a_number(void **state)
{
	struct sane before;

	(void)state;
	begin();
	tick(300, 0);
	before = m;
	tick(NAN, 0);
	s.grid_sample++;
	s.grid_w.q = Q_BAD;
	sane_step(&m, &e, &s);
	s.grid_device = -1;
	s.grid_w.q = Q_GOOD;
	s.grid_w.v = 9e9;
	sane_step(&m, &e, &s);
	assert_memory_equal(&m, &before, sizeof(m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reach_by_fuse),
		cmocka_unit_test(jumps),
		cmocka_unit_test(jumps_that_are_seldom),
		cmocka_unit_test(three_jumps_are_none),
		cmocka_unit_test(the_largest_jump_is_told),
		cmocka_unit_test(the_first_still_number_is_told),
		cmocka_unit_test(absurd_numbers),
		cmocka_unit_test(standing_still),
		cmocka_unit_test(a_minute_after_it_moves_it_is_believed),
		cmocka_unit_test(a_late_reading_is_no_move),
		cmocka_unit_test(still_only_if_all_is_seen),
		cmocka_unit_test(wild_swings),
		cmocka_unit_test(wild_from_the_fourth_turn_on),
		cmocka_unit_test(a_slow_swing_with_quick_turns_is_none),
		cmocka_unit_test(nothing_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
