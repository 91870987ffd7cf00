/* Without a meter: what cars alone are told, or draw unasked, against the limits of the site and of its phases. The whole chain. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

#define CAR_W 1380.0 /* 6 A on one phase: the least, and what the failsafe leaves */

static struct snapshot s;
static struct chain c;
static struct decisions d;

/* No sum from the meter, two cars that charge with what is left of a lost one. */
static void fresh(int car[2])
{
	chain_init(&c);
	c.start.over = true;
	desk_init(&s);
	s.grid_w.q = Q_ABSENT;
	for (int k = 0; k < 2; k++) {
		car[k] = desk_charger(&s, CAR_W);
		s.dev[car[k]].ordered = order_power(CAR_W);
		s.dev[car[k]].ordered_at_ms = 1000;
	}
}

static void cars_alone_stay_below_a_limit(void **state)
{
	static const struct { const char *name; double own_w, outside_w, demand_w, fuse_a; int cars; } ROWS[] = {
		{ "no limit", 0, NAN, 0, 0, 2 }, { "room for both", 0, 2 * CAR_W, 0, 0, 2 }, { "2 W less", 0, 2 * CAR_W - 2, 0, 0, 1 },
		{ "for one", 0, CAR_W, 0, 0, 1 }, { "for none", 0, CAR_W - 1, 0, 0, 0 }, { "nothing at all", 0, 0, 0, 0, 0 },
		{ "the owner's", 2000, NAN, 0, 0, 1 }, { "the month's peak", 0, NAN, 2000, 0, 1 }, { "the fuse", 0, NAN, 0, 10, 1 },
		{ "the tightest of all", 2000, 3000, 1000, 16, 0 },
	};
	int car[2];

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(car);
		s.site.import_limit_w = ROWS[r].own_w;
		s.site.fuse_a = ROWS[r].fuse_a;
		s.external.import_w = ROWS[r].outside_w;
		s.external.demand_w = ROWS[r].demand_w;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[car[0]].order.w + d.d[car[1]].order.w, ROWS[r].cars * CAR_W);
		assert_row(ROWS[r].name, d.d[car[0]].order.w >= d.d[car[1]].order.w); /* the last in the list gives way */
		assert_row_near(ROWS[r].name, d.limit_unreachable_w, 0);
		if (ROWS[r].cars == 1)
			assert_row(ROWS[r].name, d.d[car[1]].limited_by >> RANK_LIMIT & 1);
	}
}

/* The first car takes 3 kW whatever it is told: it was told to pause, or nobody reaches it. */
static void what_is_drawn_unasked_counts(void **state)
{
	enum { STUCK, AWAY };
	static const struct { const char *name; int what; double limit_w, w, unreachable_w; } ROWS[] = {
		{ "room for the other", STUCK, 3000 + CAR_W, CAR_W, 0 }, { "a watt less", STUCK, 3000 + CAR_W - 1, 0, 0 },
		{ "noise", STUCK, 2980, 0, 0 }, { "no noise", STUCK, 2979.9, 0, 20.1 }, { "nothing may be imported", STUCK, 0, 0, 3000 },
		{ "away: room for the other", AWAY, 3000 + CAR_W, CAR_W, 0 }, { "away: a watt less", AWAY, 3000 + CAR_W - 1, 0, 0 },
		{ "away: too much", AWAY, 2000, 0, 1000 },
	};
	int car[2];

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(car);
		s.external.import_w = ROWS[r].limit_w;
		s.dev[car[0]].ev_mode = EV_OFF;
		s.dev[car[0]].ordered = order_power(0);
		desk_power(&s, car[0], 3000);
		if (ROWS[r].what == AWAY)
			s.dev[car[0]].state.availability = AVAIL_OFFLINE;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[car[1]].order.w, ROWS[r].w);
		assert_row_near(ROWS[r].name, d.limit_unreachable_w, ROWS[r].unreachable_w);
	}
}

/* The sum is lost and phases are still read: the fuse of each is kept by who sits there. */
static void each_phase_by_itself(void **state)
{
	static const struct { const char *name; int phase[2]; double fuse_a; int cars; } ROWS[] = {
		{ "on different phases", { 1, 2 }, 7, 2 }, { "on the same", { 2, 2 }, 7, 1 }, { "nobody knows", { 0, 2 }, 7, 1 },
		{ "on the same, and it has room", { 3, 3 }, 12, 2 }, { "none has", { 1, 2 }, 5, 0 },
	};
	int car[2];

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(car);
		s.site.fuse_a = ROWS[r].fuse_a;
		for (int p = 0; p < 3; p++)
			value_set(&s.phase_w[p], 0, s.now_ms, Q_GOOD);
		for (int k = 0; k < 2; k++)
			s.dev[car[k]].phase = ROWS[r].phase[k];
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[car[0]].order.w + d.d[car[1]].order.w, ROWS[r].cars * CAR_W);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cars_alone_stay_below_a_limit),
		cmocka_unit_test(what_is_drawn_unasked_counts),
		cmocka_unit_test(each_phase_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
