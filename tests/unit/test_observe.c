/* What every device did when the meter was read, and what the house takes without them: ranges, the estimate that moves only as
 * far as it must, noise, steps that teach. Through the whole chain. */
#include "policies/work.h"
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;
static struct chain c;
static struct decisions d;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
}

static void charge(int i, double w)
{
	s.dev[i].override = (struct override_view){ OVERRIDE_CHARGE, w, s.utc_ms + 3600000 };
}

/* A battery told -2000 W five seconds ago... or just now; the meter, and what the estimate was. */
static void the_estimate_moves_as_far_as_it_must(void **state)
{
	static const struct { const char *name; int64_t since; double was, grid, load, seen; } ROWS[] = {
		{ "settled: the meter says it", 60000, 2000, 1000, 3000, -2000 },
		{ "under way, and still 0 W: the house as before", 0, 2000, 2000, 2000, 0 },
		{ "half of it is there", 0, 2000, 1000, 2000, -1000 },
		{ "all of it", 0, 2000, 0, 2000, -2000 },
		{ "the load must have risen", 0, 2000, 2500, 2500, 0 },
		{ "or fallen", 0, 2000, -700, 1300, -2000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, 50);
		desk_chain(&c, &s, &d);
		desk_wait(&s, 1000);
		s.dev[b].ordered = order_balance(0, -5000, 5000);
		s.dev[b].ordered.w = -2000;
		s.dev[b].ordered_at_ms = s.now_ms;
		desk_wait(&s, ROWS[r].since);
		desk_soc(&s, b, 50);
		if (ROWS[r].since)
			desk_power(&s, b, -2000);
		desk_grid(&s, ROWS[r].grid);
		c.loop.load_w = ROWS[r].was;
		c.loop.noise_w = 0;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, c.loop.load_w, ROWS[r].load);
		assert_row_near(ROWS[r].name, c.device[b].seen_w, ROWS[r].seen);
	}
}

/* A battery nobody reads is where its orders have brought it; one that is left to itself is load. */
static void who_counts(void **state)
{
	enum { TOLD, RELEASED, NATIVE, CAR, SUN };
	static const struct { const char *name; int what; bool read; double load; } ROWS[] = {
		{ "told and read", TOLD, true, 3000 },
		{ "told, not read", TOLD, false, 3000 },
		{ "released and read: not load, for it is known", RELEASED, true, 2900 },
		{ "released, not read", RELEASED, false, 1000 },
		{ "balancing by itself", NATIVE, true, 2900 },
		{ "balancing by itself, not read", NATIVE, false, 1000 },
		{ "a car that nobody steers", CAR, true, 2900 },
		{ "the sun is the house's", SUN, true, 1000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *b;

		fresh();
		b = &s.dev[desk_battery(&s, 50)];
		if (ROWS[r].what == CAR)
			b->roles = ROLE_CHARGER;
		if (ROWS[r].what == SUN) {
			b->roles = ROLE_PV;
			b->state.caps.can_curtail = true;
		}
		desk_power(&s, 1, -1900);
		if (!ROWS[r].read)
			b->state.ac_power_w.q = Q_ABSENT;
		b->ordered = ROWS[r].what == TOLD || ROWS[r].what == SUN ? order_power(-2000) : ROWS[r].what == NATIVE ? order_balance(0, -5000, 5000) : order_release();
		b->ordered.native = ROWS[r].what == NATIVE;
		if (ROWS[r].what == TOLD && ROWS[r].read)
			desk_power(&s, 1, -2000);
		desk_grid(&s, 1000);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, c.loop.load_w, ROWS[r].load);
	}
}

/* The reading next to the meter's: the battery does what it likes, the meter was read at 10 s. */
static void a_reading_and_the_meter_go_together(void **state)
{
	static const struct { const char *name; int64_t first, second; double load; } ROWS[] = {
		{ "both before: the newer one", 8000, 9500, 3000 },
		{ "one after, and nearer", 8000, 10500, 3000 },
		{ "as near as the other", 9000, 11000, 3000 },
		{ "one after, and further", 9500, 11000, 2000 },
		{ "at the same time", 8000, 10000, 3000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int64_t base;
		int b;

		fresh();
		base = s.now_ms - 1000;
		b = desk_battery(&s, 50);
		s.dev[b].state.caps.can_power = s.dev[b].state.caps.can_hold = false;
		value_set(&s.dev[b].state.ac_power_w, -1000, base + ROWS[r].first, Q_GOOD);
		s.now_ms = base + 9900;
		desk_chain(&c, &s, &d);
		value_set(&s.dev[b].state.ac_power_w, -2000, base + ROWS[r].second, Q_GOOD);
		s.now_ms = base + 12000;
		desk_grid(&s, 1000);
		s.grid_w.at_ms = base + 10000;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, c.loop.load_w, ROWS[r].load);
	}
}

static void nothing_is_seen_without_a_meter(void **state)
{
	(void)state;
	fresh();
	s.grid_sample = 0; /* the first sample has no number to tell it by */
	s.grid_w.v = 300;
	desk_chain(&c, &s, &d);
	assert_true(c.loop.known);
	assert_near(c.loop.load_w, 300);
	fresh();
	desk_battery(&s, 50);
	s.grid_w.q = Q_ABSENT;
	desk_chain(&c, &s, &d);
	assert_false(c.loop.known);
	desk_grid(&s, 700);
	desk_chain(&c, &s, &d);
	assert_true(c.loop.known);
	assert_near(c.loop.load_w, 700);
	s.grid_w.v = 900; /* no new sample */
	desk_chain(&c, &s, &d);
	assert_near(c.loop.load_w, 700);
	desk_battery(&s, 50); /* but somebody new: the same sample is seen anew */
	desk_chain(&c, &s, &d);
	assert_near(c.loop.load_w, 900);
}

/* Noise of @size W on 1000 W, alternating; then a step or a ramp. */
static void noise_is_followed_slowly_and_steps_at_once(void **state)
{
	(void)state;
	for (int size = 0; size <= 60; size += 30) {
		double worst = 0;

		fresh();
		for (int t = 0; t < 200; t++) {
			desk_wait(&s, 1000);
			desk_grid(&s, 1000 + size * (t % 3 - 1));
			desk_chain(&c, &s, &d);
			if (t > 100)
				worst = fmax(worst, fabs(c.loop.load_w - 1000));
		}
		assert_true(worst <= size / 3.0);
		assert_true(c.loop.noise_w >= size * 0.3 && c.loop.noise_w <= size);
		desk_wait(&s, 1000);
		desk_grid(&s, 2000);
		desk_chain(&c, &s, &d);
		assert_near(c.loop.load_w, 2000);
	}
	fresh(); /* a ramp is no noise, and is followed */
	for (int t = 0; t < 100; t++) {
		desk_wait(&s, 1000);
		desk_grid(&s, 20 * t);
		desk_chain(&c, &s, &d);
		assert_true(fabs(c.loop.load_w - 20 * t) < 45);
	}
	assert_true(c.loop.noise_w < 10);
	fresh(); /* nothing is so restless that it is only smoothed */
	for (int t = 0; t < 400; t++) {
		desk_wait(&s, 1000);
		desk_grid(&s, t % 2 ? 3000 : 0);
		desk_chain(&c, &s, &d);
		assert_true(c.loop.noise_w <= 100);
	}
}

/* Told @w W at once, after a minute of rest; the meter shows it @after s later. */
static void run(int b, double before_w, double w, int after, int seconds)
{
	double now_w = s.dev[b].state.ac_power_w.v;

	for (int t = 0; t < seconds; t++) {
		desk_wait(&s, 1000);
		desk_soc(&s, b, 50);
		if (t == 0)
			charge(b, w);
		if (t > after)
			now_w = w;
		desk_power(&s, b, now_w);
		desk_grid(&s, before_w + now_w);
		desk_chain(&c, &s, &d);
	}
}

static void clean_steps_teach_the_window(void **state)
{
	static const struct { const char *name; double w; int rest, after; bool learned; } ROWS[] = {
		{ "a step", 3000, 60, 1, true },
		{ "the smallest", 300, 60, 1, true },
		{ "too small", 299, 60, 1, false },
		{ "what was left to itself just now may still be about it", 3000, 1, 1, false },
		{ "for two windows", 3000, 4, 1, false },
		{ "not longer", 3000, 5, 1, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, 50);
		run(b, 500, 0, 0, ROWS[r].rest);
		assert_row(ROWS[r].name, !c.device[b].response.learned);
		c.loop.noise_w = 0;
		run(b, 500, ROWS[r].w, ROWS[r].after, 8);
		assert_row(ROWS[r].name, c.device[b].response.learned == ROWS[r].learned);
	}
}

static void a_step_is_clean_only_alone(void **state)
{
	enum { ALONE, NOISE, STILL_MOVING, TWO_AGAINST, CAR_TOO, DISTURBED, BLOCKED };
	static const struct { const char *name; int what; double other, w; bool learned; } ROWS[] = {
		{ "alone", ALONE, 0, 1800, true },
		{ "in a restless house", NOISE, 90.1, 1800, false },
		{ "hardly a restless one", NOISE, 90, 1800, true },
		{ "the last one is hardly over", STILL_MOVING, 235, 1800, false },
		{ "but it was a small one", STILL_MOVING, 234, 1800, true },
		{ "two that go against each other", TWO_AGAINST, 151, 2150, false },
		{ "a little", TWO_AGAINST, 150, 2150, true },
		{ "a car beside it", CAR_TOO, 0, 1800, false },
		{ "another one on its heels", DISTURBED, 0, 1800, false },
		{ "it stands still where it was", BLOCKED, 0, 1800, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const int what = ROWS[r].what;
		int b, other = 0;

		fresh();
		b = desk_battery(&s, 50);
		if (what == TWO_AGAINST)
			charge(other = desk_battery(&s, 50), 0);
		if (what == CAR_TOO)
			other = desk_charger(&s, 0);
		if (what == CAR_TOO)
			s.dev[other].ev_mode = EV_OFF;
		run(b, 500, 0, 0, 60);
		if (what == STILL_MOVING)
			run(b, 500, ROWS[r].other, 0, 3);
		c.device[b].response.learned = false;
		if (what == TWO_AGAINST)
			s.dev[other].override = (struct override_view){ OVERRIDE_DISCHARGE, ROWS[r].other, s.utc_ms + 3600000 };
		if (what == TWO_AGAINST)
			desk_soc(&s, other, 50);
		if (what == CAR_TOO)
			s.dev[other].ev_mode = EV_NOW;
		run(b, 500, 0, 0, 0);
		if (what == NOISE)
			c.loop.noise_w = ROWS[r].other * 16 / 15; /* one quiet sample is still to come */
		run(b, 500, ROWS[r].w, what == BLOCKED ? 100 : 1, what == DISTURBED ? 2 : 8);
		if (what == DISTURBED)
			run(b, 500, 2500, 1, 8);
		assert_row(ROWS[r].name, c.device[b].response.learned == ROWS[r].learned);
	}
}

/* A device with a fifth of a step would be missed if it were not there; with less nobody would see. */
static void who_learns_from_a_step(void **state)
{
	(void)state;
	for (int fifth = 0; fifth < 2; fifth++) {
		int b, other;

		fresh();
		b = desk_battery(&s, 50);
		other = desk_battery(&s, 50);
		charge(other, 0);
		run(b, 500, 0, 0, 60);
		charge(other, fifth ? 400 : 399);
		desk_soc(&s, other, 50);
		run(b, 500, fifth ? 1600 : 1601, 1, 8);
		assert_true(c.device[b].response.learned);
		assert_int_equal(c.device[other].response.learned, fifth);
	}
}

static void small_or_large(void **state)
{
	static const struct { const char *name; double grid, noise, load; } ROWS[] = {
		{ "small", 1015, 0, 1001.8 }, { "large", 1015.1, 0, 1015.1 }, { "small in a restless house", 1040, 10, 1004.8 },
		{ "large in one", 1040.1, 10, 1040.1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		desk_grid(&s, 1000);
		desk_chain(&c, &s, &d);
		c.loop.noise_w = ROWS[r].noise;
		desk_grid(&s, ROWS[r].grid);
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, fabs(c.loop.load_w - ROWS[r].load) < 0.05);
	}
	for (int t = 0; t < 40; t++) { /* a house that stands still is no longer restless */
		desk_grid(&s, c.loop.load_w);
		desk_chain(&c, &s, &d);
	}
	assert_true(c.loop.noise_w < 2);
}

/* A small deviation is followed by an eighth; from the fifth sample on the same side faster; another side begins anew. */
static void small_ones_that_last(void **state)
{
	static const double AFTER[] = { 1.2, 2.256, 3.185, 4.003, 5.442, 7.083 };

	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		fresh();
		desk_grid(&s, 1000);
		desk_chain(&c, &s, &d);
		for (size_t k = 0; k < sizeof(AFTER) / sizeof(AFTER[0]); k++) {
			desk_grid(&s, 1000 + sign * 10);
			desk_chain(&c, &s, &d);
			assert_true(fabs(sign * (c.loop.load_w - 1000) - AFTER[k]) < 0.002);
		}
		desk_grid(&s, 1000);
		desk_chain(&c, &s, &d);
		assert_true(fabs(sign * (c.loop.load_w - 1000) - 6.233) < 0.002);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_estimate_moves_as_far_as_it_must),
		cmocka_unit_test(who_counts),
		cmocka_unit_test(a_reading_and_the_meter_go_together),
		cmocka_unit_test(nothing_is_seen_without_a_meter),
		cmocka_unit_test(noise_is_followed_slowly_and_steps_at_once),
		cmocka_unit_test(clean_steps_teach_the_window),
		cmocka_unit_test(a_step_is_clean_only_alone),
		cmocka_unit_test(who_learns_from_a_step),
		cmocka_unit_test(small_or_large),
		cmocka_unit_test(small_ones_that_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
