/* Sharing a point's headroom: who is cut, by how much, who supports, what cannot be reached. Through the whole chain. */
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
	s.dev[i].override.mode = OVERRIDE_CHARGE;
	s.dev[i].override.power_w = w;
	s.dev[i].override.until_utc_ms = s.utc_ms + 3600000;
}

/* One battery and one car at rest, load as given, an import limit of 10 kW. */
static void import_cuts_from_the_lowest_rank(void **state)
{
	static const struct {
		const char *name;
		double load, battery_wants;
		enum ev_mode ev;
		double battery, car, unreachable;
	} ROWS[] = {
		{ "all fits", 500, 2000, EV_UNSET, 2000, 7360, 0 },
		{ "the car (self-use) gives way to the owner's charge", 3000, 4000, EV_UNSET, 4000, 3000, 0 },
		{ "what is left is below 6 A: 0, and not lost to others", 7000, 2000, EV_UNSET, 2000, 0, 0 },
		{ "equal ranks share equally", 4000, 5000, EV_NOW, 3000, 3000, 0 },
		{ "equal ranks, one wants less", 4000, 1000, EV_NOW, 1000, 5000, 0 },
		{ "an equal share below 6 A goes to the other", 8000, 5000, EV_NOW, 2000, 0, 0 },
		{ "then the owner's charge gives way", 9000, 5000, EV_UNSET, 1000, 0, 0 },
		{ "then it supports", 12000, 5000, EV_UNSET, -2000, 0, 0 },
		{ "then the rest is unreachable", 16000, 5000, EV_UNSET, -5000, 0, 1000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, car;

		fresh();
		b = desk_battery(&s, 50);
		car = desk_charger(&s, 0);
		s.site.import_limit_w = 10000;
		desk_grid(&s, ROWS[r].load);
		charge(b, ROWS[r].battery_wants);
		s.dev[car].ev_mode = ROWS[r].ev;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].battery);
		assert_row_near(ROWS[r].name, d.d[car].order.w, ROWS[r].car);
		assert_row_near(ROWS[r].name, d.limit_unreachable_w, ROWS[r].unreachable);
		assert_row(ROWS[r].name, (d.d[b].rank == RANK_LIMIT) == (ROWS[r].battery < 0));
		assert_row(ROWS[r].name, !!(d.limited_by & 1u << RANK_LIMIT) == (ROWS[r].load > 500));
	}
}

static void support_stays_above_the_floor(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 20);
	s.site.import_limit_w = 10000;
	desk_grid(&s, 12000);
	charge(b, 3000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, 0);
	assert_near(d.limit_unreachable_w, 2000);
	assert_int_equal(d.d[b].rank, RANK_OVERRIDE);
}

static void support_beats_an_event_but_not_a_fault(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.site.import_limit_w = 10000;
	desk_grid(&s, 12000);
	desk_command(&s, b, MODE_STANDBY, POWER_MAX, 0);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, -2000);
	assert_int_equal(d.mode, RANK_LIMIT);
	value_set(&s.dev[b].state.f[F_BATTERY_STATE], BATTERY_FAULT, s.now_ms, Q_GOOD);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, 0);
	assert_near(d.limit_unreachable_w, 2000);
}

static void export_cuts_discharge(void **state)
{
	static const struct { const char *name; double grid, w, unreachable; } ROWS[] = {
		{ "load takes part of it", 1000, -4000, 0 },
		{ "sun has the room", -2000, -1000, 0 },
		{ "sun is above it already", -4000, 0, 1000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, 50);
		s.site.export_limit_w = 3000;
		desk_grid(&s, ROWS[r].grid);
		s.dev[b].override.mode = OVERRIDE_DISCHARGE;
		s.dev[b].override.power_w = NAN;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].w);
		assert_row_near(ROWS[r].name, d.limit_unreachable_w, ROWS[r].unreachable);
	}
}

/* The other device was told to stop but still draws: its room is not free yet. */
static void what_still_moves_counts_with_the_worse(void **state)
{
	int a, b;

	(void)state;
	fresh();
	a = desk_battery(&s, 50);
	b = desk_battery(&s, 50);
	s.site.import_limit_w = 6000;
	charge(a, 5000);
	desk_grid(&s, 500);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, 5000);
	desk_wait(&s, 5000);
	desk_power(&s, a, 5000);
	desk_power(&s, b, 0);
	desk_grid(&s, 5500);
	s.dev[a].override.mode = OVERRIDE_HOLD;
	charge(b, 5000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, 0);
	assert_near(d.d[b].order.w, 500);
	desk_wait(&s, 2000);
	desk_power(&s, a, 0);
	desk_power(&s, b, 500);
	desk_grid(&s, 1000);
	desk_chain(&c, &s, &d);
	desk_wait(&s, 2000);
	desk_power(&s, a, 0);
	desk_power(&s, b, 500);
	desk_grid(&s, 1000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, 5000);
}

/* A car that charges must make room for the owner's new order, and the order waits until it has. */
static void what_stands_gives_way_to_a_higher_rank(void **state)
{
	int b, car;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	car = desk_charger(&s, 7360);
	s.dev[car].ordered = order_power(7360);
	s.site.import_limit_w = 8000;
	desk_grid(&s, 7860);
	charge(b, 4000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[car].order.w, 3500);
	assert_near(d.d[b].order.w, 140);
	desk_wait(&s, 4000);
	desk_power(&s, car, 3500);
	desk_power(&s, b, 140);
	desk_grid(&s, 4140);
	desk_chain(&c, &s, &d);
	assert_near(d.d[car].order.w, 3500);
	assert_near(d.d[b].order.w, 4000);
}

/* Support for one phase must not break the export side of another. */
static void support_minds_the_other_phases(void **state)
{
	int single, three;

	(void)state;
	fresh();
	single = desk_battery(&s, 50);
	three = desk_battery(&s, 50);
	s.dev[single].phase = 2;
	s.dev[three].phases = 3;
	s.site.fuse_a = 16; /* 3680 W */
	value_set(&s.phase_w[0], 0, s.now_ms, Q_GOOD);
	value_set(&s.phase_w[1], -3000, s.now_ms, Q_GOOD);
	value_set(&s.phase_w[2], 5000, s.now_ms, Q_GOOD);
	desk_power(&s, single, -3000);
	s.dev[single].ordered = order_power(-3000);
	s.dev[single].override = (struct override_view){ OVERRIDE_DISCHARGE, 3000, s.utc_ms + 1000 };
	s.dev[three].override = (struct override_view){ OVERRIDE_HOLD, 0, s.utc_ms + 1000 };
	desk_grid(&s, 2000);
	desk_chain(&c, &s, &d);
	assert_true(d.d[three].rank == RANK_LIMIT);
	assert_near(d.d[three].order.w, -3 * 680); /* what L2 has left while the other still discharges */
	assert_near(d.d[single].order.w, -3680 + 1320);
}

/* A car whose phase nobody named: that it gives way cannot be counted on, so the battery gives too. While that leaves it
 * charging it is a cut, and whose order it is and how it is meant stay; only a discharge is an order of its own. */
static void support_that_still_charges_is_a_cut(void **state)
{
	static const struct {
		const char *name;
		bool native, owner;
		double l2_w, most_w; /* what L2 shows, what the battery may take then */
		enum order_kind kind;
		enum rank rank;
	} ROWS[] = {
		{ "self-use by our loop", false, false, 4469, 2205, ORDER_BALANCE, RANK_SELF_USE },
		{ "self-use by itself", true, false, 4469, 2205, ORDER_BALANCE, RANK_SELF_USE },
		{ "the owner's charge", false, true, 4469, 2205, ORDER_POWER, RANK_OVERRIDE },
		{ "down to a discharge", false, false, 7000, -326, ORDER_POWER, RANK_LIMIT },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order *o;
		int b, car;

		fresh();
		b = desk_battery(&s, 50);
		car = desk_charger(&s, 2277);
		s.dev[b].phase = 2;
		s.dev[b].state.caps.native_balance = ROWS[r].native;
		s.site.battery_to_ev = ROWS[r].native; /* else no device balances by itself beside a car */
		s.dev[b].ordered = order_balance(0, -5000, 5000);
		s.dev[b].ordered.w = 2304;
		s.dev[b].ordered.native = ROWS[r].native;
		s.dev[car].ordered = order_power(2293);
		desk_power(&s, b, 2304);
		s.site.fuse_a = 19; /* 4370 W */
		for (int p = 0; p < 3; p++)
			value_set(&s.phase_w[p], p == 1 ? ROWS[r].l2_w : 0, s.now_ms, Q_GOOD);
		desk_grid(&s, 0);
		if (ROWS[r].owner)
			charge(b, 5000);
		desk_chain(&c, &s, &d);
		o = &d.d[b].order;
		assert_row(ROWS[r].name, o->kind == ROWS[r].kind && d.d[b].rank == ROWS[r].rank && o->native == ROWS[r].native);
		assert_row_near(ROWS[r].name, o->native ? o->max_w : o->w, ROWS[r].most_w);
		assert_row(ROWS[r].name, d.d[b].limited_by & 1u << RANK_LIMIT);
	}
}

static void phases_and_priority(void **state)
{
	int a, b;

	(void)state;
	fresh();
	a = desk_charger(&s, 0);
	b = desk_charger(&s, 0);
	s.dev[a].phase = 1;
	s.dev[b].phase = 2;
	s.site.fuse_a = 20; /* 4600 W */
	for (int p = 0; p < 3; p++)
		value_set(&s.phase_w[p], 1000, s.now_ms, Q_GOOD);
	desk_grid(&s, 3000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, 3600);
	assert_near(d.d[b].order.w, 3600);

	fresh(); /* nobody says where they sit: together on the worst phase */
	a = desk_charger(&s, 0);
	b = desk_charger(&s, 0);
	s.site.fuse_a = 20;
	for (int p = 0; p < 3; p++)
		value_set(&s.phase_w[p], p == 2 ? 1000 : 0, s.now_ms, Q_GOOD);
	desk_grid(&s, 1000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w + d.d[b].order.w, 3600);

	fresh(); /* the larger priority is served first */
	a = desk_charger(&s, 0);
	b = desk_charger(&s, 0);
	s.dev[b].priority = 2;
	s.site.import_limit_w = 9000;
	desk_grid(&s, 0);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, 7360);
	assert_near(d.d[a].order.w, 1640);

	fresh(); /* a three-phase car takes a third on each */
	a = desk_charger(&s, 0);
	s.dev[a].phases = 3;
	s.dev[a].state.caps.charge_max_w = 22080;
	s.dev[a].state.caps.min_w = 4140;
	s.site.fuse_a = 20;
	for (int p = 0; p < 3; p++)
		value_set(&s.phase_w[p], p == 0 ? 2600 : 0, s.now_ms, Q_GOOD);
	desk_grid(&s, 2600);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, 6000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(import_cuts_from_the_lowest_rank),
		cmocka_unit_test(support_stays_above_the_floor),
		cmocka_unit_test(support_beats_an_event_but_not_a_fault),
		cmocka_unit_test(export_cuts_discharge),
		cmocka_unit_test(what_still_moves_counts_with_the_worse),
		cmocka_unit_test(what_stands_gives_way_to_a_higher_rank),
		cmocka_unit_test(support_minds_the_other_phases),
		cmocka_unit_test(support_that_still_charges_is_a_cut),
		cmocka_unit_test(phases_and_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
