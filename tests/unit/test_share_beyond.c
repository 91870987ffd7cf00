/* A point at, near and beyond its limit: who may not rise, who is believed and for how long, who is not asked. The whole chain. */
#include "support/cm.h"
#include "support/desk.h"
#include "support/live.h"

#include <string.h>

static struct live l;
static struct snapshot s;
static struct chain c;
static struct decisions d;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
}

/* Who is told less than it is at, while the meter is @off_w W beyond what was allowed: nobody gets more than it was told, even if
 * what is believed to be on its way would leave the room. */
static void nobody_rises_beyond_a_limit(void **state)
{
	static const struct { const char *name; enum order_kind kind; double sign, off_w, reads_w, w, min_ms; } ROWS[] = {
		{ "just not beyond: what is on its way leaves room", ORDER_POWER, 1, 50, 3000, 2950, 0 },
		{ "just beyond", ORDER_POWER, 1, 50.1, 3000, 500, 0 },
		{ "on the way out", ORDER_POWER, -1, 50, 3000, 2950, 0 },
		{ "beyond on the way out", ORDER_POWER, -1, 50.1, 3000, 500, 0 },
		{ "its balance, by us", ORDER_BALANCE, 1, 50.1, 3000, 500, 0 },
		{ "left to itself before: it keeps what it takes", ORDER_RELEASE, 1, 50.1, 3000, 2949.9, 0 },
		{ "and no meter can show yet that it was told less", ORDER_POWER, 1, 50.1, 3000, 500, 1500 },
		{ "its reading is ahead of the meter", ORDER_POWER, 1, 50, 500, 2950, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double sign = ROWS[r].sign;
		int b;

		fresh();
		b = desk_battery(&s, 50);
		s.site.import_limit_w = s.site.export_limit_w = 10000;
		s.dev[b].ordered = order_power(sign * 3000);
		s.dev[b].ordered_at_ms = 1000;
		s.dev[b].override = (struct override_view){ sign > 0 ? OVERRIDE_CHARGE : OVERRIDE_DISCHARGE, 3000, s.utc_ms + 3600000 };
		desk_power(&s, b, sign * 3000);
		desk_grid(&s, sign * 8000);
		desk_chain(&c, &s, &d);
		desk_wait(&s, 1000);
		s.dev[b].override.power_w = 4000;
		c.device[b].response.min_ms = ROWS[r].min_ms;
		s.dev[b].ordered = (struct order){ .kind = ROWS[r].kind, .w = sign * 500, .min_w = -5000, .max_w = 5000 };
		s.dev[b].ordered_at_ms = s.now_ms;
		desk_power(&s, b, sign * ROWS[r].reads_w);
		desk_grid(&s, sign * (10000 + ROWS[r].off_w));
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, sign * ROWS[r].w);
	}
}

/* The same for who gives: told 3000 W instead of 500 W this instant, of which the meter can show nothing yet. By what is believed,
 * 500 W and what is missing are enough. */
static void nobody_gives_less_beyond_a_limit(void **state)
{
	enum { HELD, FAULTY, LOW };
	static const struct { const char *name; int who; double off_w, told_w, w; enum rank rank; } ROWS[] = {
		{ "just not beyond", HELD, 50, -3000, -550, RANK_LIMIT },
		{ "just beyond", HELD, 50.1, -3000, -3000, RANK_LIMIT },
		{ "what it is told is enough", HELD, 50.1, -549.5, -550.1, RANK_LIMIT },
		{ "what it is told is a little more", HELD, 50.1, -552, -552, RANK_LIMIT },
		{ "no more than it may by now", HELD, 50.1, -6000, -5000, RANK_LIMIT },
		{ "it has a fault", FAULTY, 50.1, -3000, 0, RANK_GUARD },
		{ "it is at its floor", LOW, 50.1, -3000, 0, RANK_OVERRIDE },
		{ "it was told to rest", HELD, 50.1, 0, -500, RANK_LIMIT },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, 50);
		s.site.import_limit_w = 10000;
		s.dev[b].ordered = order_power(-500);
		s.dev[b].ordered_at_ms = 1000;
		s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, s.utc_ms + 3600000 };
		desk_power(&s, b, -500);
		desk_grid(&s, 10000);
		desk_chain(&c, &s, &d);
		desk_wait(&s, 1000);
		s.dev[b].ordered = order_power(ROWS[r].told_w);
		s.dev[b].ordered_at_ms = s.now_ms;
		s.site.reserve_pct = ROWS[r].who == LOW ? 50 : 20; /* it stood at 50 % */
		s.dev[b].state.availability = ROWS[r].who == FAULTY ? AVAIL_FAULT : AVAIL_ONLINE;
		desk_power(&s, b, -500);
		desk_grid(&s, 10000 + ROWS[r].off_w);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].w);
		assert_row(ROWS[r].name, d.d[b].rank == ROWS[r].rank);
	}
}

/* It gives nothing of what it is told: its order counts where it would be too much, what it does where it is relief. */
static void who_does_less_counts_with_the_worse(void **state)
{
	int b, car;

	(void)state;
	live_init(&l);
	b = desk_battery(&l.s, 50);
	l.s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 5000, l.s.utc_ms + 3600000 };
	l.s.site.export_limit_w = 4000;
	l.stubborn_w[b] = -1;
	live_run(&l, 30);
	assert_true(live_order(&l, b) > -4005 && live_order(&l, b) < -3950);

	live_init(&l);
	b = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	l.s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 3000, l.s.utc_ms + 3600000 };
	l.s.site.import_limit_w = 5000;
	l.stubborn_w[b] = -1;
	l.load_w[0] = 4000;
	live_run(&l, 120);
	assert_near(live_order(&l, b), -3000);
	assert_near(live_order(&l, car), 0);
}

/* Who gives all it can gives no support, however near; nor who is asked when all is there. */
static void who_gives_already(void **state)
{
	static const struct { const char *name; double a_w, grid, b; enum rank a_rank; } ROWS[] = {
		{ "all it can", 5000, 12000, -3000, RANK_OVERRIDE },
		{ "within a watt", 4999, 12000, -3000, RANK_OVERRIDE },
		{ "hardly more", 4998.9, 12000, -2998.9, RANK_LIMIT },
	};
	int a, b;

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		a = desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		s.site.import_limit_w = 10000;
		s.dev[a].override = (struct override_view){ OVERRIDE_DISCHARGE, ROWS[r].a_w, s.utc_ms + 3600000 };
		s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 1000, s.utc_ms + 3600000 };
		for (int i = a; i <= b; i++) {
			s.dev[i].ordered = order_power(i == a ? -ROWS[r].a_w : -1000);
			s.dev[i].ordered_at_ms = 1000;
			desk_power(&s, i, s.dev[i].ordered.w);
		}
		desk_grid(&s, ROWS[r].grid);
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, d.d[a].rank == ROWS[r].a_rank && d.d[b].rank == RANK_LIMIT);
		assert_row(ROWS[r].name, fabs(d.d[b].order.w - ROWS[r].b) < 1.2);
	}
	fresh(); /* the first rank has it all: the next keeps its order */
	a = desk_battery(&s, 50);
	b = desk_battery(&s, 50);
	s.site.import_limit_w = 10000;
	desk_command(&s, b, MODE_STANDBY, POWER_MAX, 0);
	s.dev[a].override = (struct override_view){ OVERRIDE_HOLD, 0, s.utc_ms + 3600000 };
	desk_grid(&s, 12500);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, -2500);
	assert_int_equal(d.d[b].rank, RANK_EVENT);
}

/* 20 W are not worth an order, nor a word. */
static void noise_at_a_limit(void **state)
{
	static const struct { const char *name; double grid, w, unreachable; bool can; } ROWS[] = {
		{ "noise", 10020, 0, 0, true }, { "more", 10020.5, -20.5, 0, true }, { "noise, and nobody could", 10020, 0, 0, false },
		{ "more, and nobody can", 10020.5, 0, 20.5, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, ROWS[r].can ? 50 : 20);
		s.site.import_limit_w = 10000;
		s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, s.utc_ms + 3600000 };
		desk_grid(&s, ROWS[r].grid);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].w);
		assert_row_near(ROWS[r].name, d.limit_unreachable_w, ROWS[r].unreachable);
	}
}

/* A battery nobody can read is believed to support for 5 s and twice the time of the slowest at work; then the meter is. */
static void promises_are_believed_for_a_while(void **state)
{
	enum { NOBODY, CAR, CAR_FASTER, FREE_SUN, UNASKED };
	static const struct { const char *name; int other; int64_t settle_ms, after_ms; } ROWS[] = {
		{ "the battery's own time", NOBODY, 0, 7000 },
		{ "a slower car", CAR, 4000, 13000 },
		{ "a faster one", CAR_FASTER, 500, 7000 },
		{ "the sun, that may be bounded", FREE_SUN, 4000, 13000 },
		{ "who takes no orders does not count", UNASKED, 4000, 7000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int64_t at_ms;
		int b, other = 0;

		live_init(&l);
		l.c.start.over = true;
		b = desk_battery(&l.s, 50);
		if (ROWS[r].other == CAR || ROWS[r].other == CAR_FASTER) {
			other = desk_charger(&l.s, 0);
			l.s.dev[other].ev_mode = EV_OFF;
		} else if (ROWS[r].other == FREE_SUN) {
			other = live_pv(&l, 0);
		} else if (ROWS[r].other == UNASKED) {
			other = desk_battery(&l.s, 50);
			l.s.dev[other].state.caps.can_power = l.s.dev[other].state.caps.can_hold = false;
		}
		if (other)
			l.s.dev[other].state.caps.settle_ms = (int32_t)ROWS[r].settle_ms;
		l.s.site.import_limit_w = 10000;
		l.s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
		at_ms = l.s.now_ms;
		for (int64_t t = 0; t <= ROWS[r].after_ms + 1; t += t == ROWS[r].after_ms ? 1 : 500) {
			l.s.now_ms = at_ms + t;
			desk_soc(&l.s, b, 50);
			l.s.dev[b].state.ac_power_w.q = Q_ABSENT;
			if (other)
				desk_power(&l.s, other, 0);
			desk_grid(&l.s, 12000 + 0.01 * (double)(t % 7));
			desk_chain(&l.c, &l.s, &l.d);
			assert_row(ROWS[r].name, (l.d.limit_unreachable_w > 1000) == (t > ROWS[r].after_ms));
		}
	}
}

/* A battery in our loop stores the sun of L2, and sits on L1, whose fuse has room for a part. */
static void a_loop_is_cut_too(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].phase = 1;
	s.site.fuse_a = 16;
	value_set(&s.phase_w[0], 2000, s.now_ms, Q_GOOD);
	value_set(&s.phase_w[1], -3000, s.now_ms, Q_GOOD);
	value_set(&s.phase_w[2], -3000, s.now_ms, Q_GOOD);
	desk_grid(&s, -4000);
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_BALANCE);
	assert_near(d.d[b].order.w, 1680);
}

/* Each car on its own phase, and only one of them is short: the other is not cut along. */
static void what_is_elsewhere_is_not_cut(void **state)
{
	int a, b;

	(void)state;
	live_init(&l);
	l.phases = true;
	a = desk_charger(&l.s, 0);
	b = desk_charger(&l.s, 0);
	l.s.dev[a].phase = 1;
	l.s.dev[b].phase = 2;
	l.s.site.fuse_a = 20;
	l.load_w[0] = 2000;
	l.load_w[1] = 500;
	live_run(&l, 60);
	assert_near(live_order(&l, a), 2600);
	assert_near(live_order(&l, b), 4100);
	l.load_w[0] = 2500;
	live_run(&l, 3);
	assert_near(live_order(&l, a), 2100);
	assert_near(live_order(&l, b), 4100);
}

/* What is said of a start has nothing of the room it needs to spare in it. */
static void a_start_that_does_not_fit_is_named(void **state)
{
	int car;

	(void)state;
	fresh();
	car = desk_charger(&s, 0);
	s.site.import_limit_w = 1379;
	desk_chain(&c, &s, &d);
	assert_near(d.d[car].order.w, 0);
	assert_non_null(strstr(d.d[car].why, "import limit 1379 W: 0 W left instead of 1380 W"));
}

/* Who supports a phase on all three exports on another, where the fuse cuts him: what he then does not give others give, also
 * when the next one is cut in the same way. */
static void support_goes_on_to_who_can(void **state)
{
	static const struct {
		const char *name;
		int n, phases[3];
		double most_w[3];
	} ROWS[] = {
		{ "the second", 2, { 3, 1 }, { 10000, 5000 } },
		{ "the third", 3, { 3, 3, 1 }, { 10000, 2000, 2000 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double l1_w = 7600, sum_w = 0;
		int b[3];

		live_init(&l);
		l.phases = true;
		l.s.site.fuse_a = 20;
		l.load_w[0] = 7600;
		l.load_w[1] = -3600;
		l.load_w[2] = 1000;
		for (int i = 0; i < ROWS[r].n; i++) {
			b[i] = desk_battery(&l.s, 60);
			l.s.dev[b[i]].phases = ROWS[r].phases[i];
			l.s.dev[b[i]].phase = ROWS[r].phases[i] == 1;
			l.s.dev[b[i]].state.caps.discharge_max_w = ROWS[r].most_w[i];
			l.s.dev[b[i]].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
		}
		live_run(&l, 60);
		for (int i = 0; i < ROWS[r].n; i++) {
			l1_w += live_order(&l, b[i]) / ROWS[r].phases[i];
			sum_w += ROWS[r].phases[i] == 3 ? live_order(&l, b[i]) : 0;
		}
		assert_row(ROWS[r].name, l1_w <= 4600 + 1);
		assert_row(ROWS[r].name, -3600 + sum_w / 3 >= -4600 - 1);
		assert_row(ROWS[r].name, l.d.limit_unreachable_w <= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_rises_beyond_a_limit),
		cmocka_unit_test(nobody_gives_less_beyond_a_limit),
		cmocka_unit_test(who_does_less_counts_with_the_worse),
		cmocka_unit_test(who_gives_already),
		cmocka_unit_test(noise_at_a_limit),
		cmocka_unit_test(promises_are_believed_for_a_while),
		cmocka_unit_test(a_loop_is_cut_too),
		cmocka_unit_test(what_is_elsewhere_is_not_cut),
		cmocka_unit_test(a_start_that_does_not_fit_is_named),
		cmocka_unit_test(support_goes_on_to_who_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
