/* Sharing a point's headroom: who is cut, by how much, who supports, what cannot be reached. Through the whole chain. */
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

static void charge(int i, double w)
{
	s.dev[i].override.mode = OVERRIDE_CHARGE;
	s.dev[i].override.power_w = w;
	s.dev[i].override.until_utc_ms = s.utc_ms + 3600000;
}

/* One battery and one car, load as given, an import limit of 10 kW; after a while. */
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
		{ "an equal share below 6 A is filled up to that", 8000, 5000, EV_NOW, 620, 1380, 0 },
		{ "but not without the half ampere a start needs", 8510, 5000, EV_NOW, 1490, 0, 0 },
		{ "then the owner's charge gives way", 9000, 5000, EV_UNSET, 1000, 0, 0 },
		{ "then it supports", 12000, 5000, EV_UNSET, -2000, 0, 0 },
		{ "then the rest is unreachable", 16000, 5000, EV_UNSET, -5000, 0, 1000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, car;

		live_init(&l);
		b = desk_battery(&l.s, 50);
		car = desk_charger(&l.s, 0);
		l.s.site.import_limit_w = 10000;
		l.load_w[0] = ROWS[r].load;
		l.s.dev[b].override = (struct override_view){ OVERRIDE_CHARGE, ROWS[r].battery_wants, l.s.utc_ms + 3600000 };
		l.s.dev[car].ev_mode = ROWS[r].ev;
		live_run(&l, 60);
		assert_row(ROWS[r].name, fabs(live_order(&l, b) - ROWS[r].battery) < 51); /* a car does not rise by less than 50 W */
		assert_row(ROWS[r].name, fabs(live_order(&l, car) - ROWS[r].car) < 51);
		assert_row_near(ROWS[r].name, l.d.limit_unreachable_w, ROWS[r].unreachable);
		assert_row(ROWS[r].name, (l.d.d[b].rank == RANK_LIMIT) == (ROWS[r].battery < 0));
		assert_row(ROWS[r].name, !!(l.d.limited_by & 1u << RANK_LIMIT) == (ROWS[r].load > 500));
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

static void owner_charges(int i, double w)
{
	l.s.dev[i].override = (struct override_view){ OVERRIDE_CHARGE, w, l.s.utc_ms + 3600000 };
}

/* The other device was told to stop but still draws: its room is not free yet. */
static void what_still_moves_counts_with_the_worse(void **state)
{
	int a, b;

	(void)state;
	live_init(&l);
	a = desk_battery(&l.s, 50);
	b = desk_battery(&l.s, 50);
	l.s.site.import_limit_w = 6000;
	l.load_w[0] = 500;
	l.s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
	owner_charges(a, 5000);
	live_run(&l, 30);
	assert_near(live_order(&l, a), 5000);
	l.s.dev[a].override.mode = OVERRIDE_HOLD;
	owner_charges(b, 5000);
	live_run(&l, 1);
	assert_near(live_order(&l, a), 0);
	assert_in_range((int)live_order(&l, b), 0, 500);
	live_run(&l, 30);
	assert_near(live_order(&l, b), 5000);
}

/* A car that charges must make room for the owner's new order, and the order waits until it has. */
static void what_stands_gives_way_to_a_higher_rank(void **state)
{
	int b, car;

	(void)state;
	live_init(&l);
	b = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = 8000;
	l.load_w[0] = 500;
	l.s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
	live_run(&l, 60);
	assert_near(live_order(&l, car), 7360);
	owner_charges(b, 4000);
	live_run(&l, 1);
	assert_near(live_order(&l, car), 3500);
	assert_in_range((int)live_order(&l, b), 0, 140);
	for (int t = 0; t < 30; t++) {
		live_run(&l, 1);
		assert_true(l.s.grid_w.v <= 8001);
	}
	assert_near(live_order(&l, car), 3500);
	assert_near(live_order(&l, b), 4000);
}

/* A battery that charges and is told to discharge is no load any more, though no relief yet either: nobody is cut for it. */
static void what_will_be_relief_is_no_load(void **state)
{
	int b, car;

	(void)state;
	live_init(&l);
	b = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	owner_charges(b, 3000);
	l.s.site.import_limit_w = 8000;
	l.load_w[0] = 500;
	live_run(&l, 60);
	assert_near(live_order(&l, car), 4500);
	l.s.dev[b].override.mode = OVERRIDE_DISCHARGE;
	l.load_w[0] = 3000; /* more than the car alone could stay with */
	live_run(&l, 1);
	assert_near(live_order(&l, b), -3000);
	assert_near(live_order(&l, car), 4500);
	l.load_w[0] = 4000;
	live_run(&l, 1);
	assert_true(live_order(&l, car) <= 4500.5);
}

/* Relief is counted when it is there, all of it, and not before. */
static void relief_counts_once_it_is_there(void **state)
{
	int b, car;

	(void)state;
	live_init(&l);
	b = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	l.s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 3000, l.s.utc_ms + 3600000 };
	l.s.site.import_limit_w = 5000;
	l.load_w[0] = 6000;
	live_run(&l, 60);
	assert_near(live_order(&l, b), -3000);
	assert_true(fabs(live_order(&l, car) - 2000) < 51);

	live_init(&l);
	b = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	l.s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
	l.s.site.import_limit_w = 5000;
	l.load_w[0] = 1000;
	live_run(&l, 60);
	assert_near(live_order(&l, car), 4000);
	l.s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 3000, l.s.utc_ms + 3600000 };
	l.load_w[0] = 2000;
	live_run(&l, 1);
	assert_near(live_order(&l, b), -3000);
	assert_near(live_order(&l, car), 3000);
}

/* Nothing comes of its order just now; but the sun that stands in its way may go. */
static void a_discharge_that_does_nothing_is_cut_too(void **state)
{
	int b;

	(void)state;
	live_init(&l);
	b = desk_battery(&l.s, 50);
	l.s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 5000, l.s.utc_ms + 3600000 };
	l.s.site.export_limit_w = 4000;
	l.stubborn_w[b] = -1;
	live_run(&l, 30);
	l.load_w[0] = -6000;
	live_run(&l, 30);
	assert_near(live_order(&l, b), 0);
	assert_near(l.d.limit_unreachable_w, 2000);
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
		{ "down to nothing", false, false, 6674, 0, ORDER_BALANCE, RANK_SELF_USE },
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
	live_init(&l);
	l.phases = true;
	a = desk_charger(&l.s, 0);
	b = desk_charger(&l.s, 0);
	l.s.dev[a].phase = 1;
	l.s.dev[b].phase = 2;
	l.s.site.fuse_a = 20; /* 4600 W */
	for (int p = 0; p < 3; p++)
		l.load_w[p] = 1000;
	live_run(&l, 60);
	assert_near(live_order(&l, a), 3600);
	assert_near(live_order(&l, b), 3600);

	live_init(&l); /* nobody says where they sit: together on the worst phase */
	l.phases = true;
	a = desk_charger(&l.s, 0);
	b = desk_charger(&l.s, 0);
	l.s.site.fuse_a = 20;
	l.load_w[2] = 1000;
	live_run(&l, 60);
	assert_true(live_order(&l, a) >= 1380 && live_order(&l, b) >= 1380);
	assert_true(l.s.phase_w[0].v <= 4601); /* where they really sit */

	live_init(&l); /* the larger priority is served first */
	a = desk_charger(&l.s, 0);
	b = desk_charger(&l.s, 0);
	l.s.dev[b].priority = 2;
	l.s.site.import_limit_w = 9000;
	live_run(&l, 60);
	assert_near(live_order(&l, b), 7360);
	assert_near(live_order(&l, a), 1640);

	live_init(&l); /* a three-phase car takes a third on each */
	l.phases = true;
	a = live_charger3(&l);
	l.s.site.fuse_a = 20;
	l.load_w[0] = 2600;
	live_run(&l, 60);
	assert_near(live_order(&l, a), 6000);
}

/* What a battery that stops short cannot give is said. */
static void support_that_falls_short(void **state)
{
	static const struct { const char *name; double load_w, gives_w, order_w, unreachable_w; } ROWS[] = {
		{ "it does as told", 12000, 0, -2000, 0 },
		{ "it stops at 1.5 kW", 12000, -1500, -2000, 500 },
		{ "it gives a little more than asked", 12000, -2100, -2000, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		live_init(&l);
		b = desk_battery(&l.s, 50);
		l.s.site.import_limit_w = 10000;
		l.load_w[0] = ROWS[r].load_w;
		l.stubborn_w[b] = ROWS[r].gives_w;
		l.s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
		live_run(&l, 60);
		if (fabs(live_order(&l, b) - ROWS[r].order_w) > 101 || fabs(l.d.limit_unreachable_w - ROWS[r].unreachable_w) > 101)
			fail_msg("row '%s': %.0f W, unreachable %.0f W", ROWS[r].name, live_order(&l, b), l.d.limit_unreachable_w);
	}
}

/* A charger on one phase of three, and nobody knows which: each phase has to bear it. */
static void phases_in_use_count(void **state)
{
	static const struct { const char *name; int phases, phase; double w; } ROWS[] = {
		{ "three", 3, 0, 3 * 1600 }, { "one, on L2", 1, 2, 3680 }, { "one, on L1", 1, 1, 1600 }, { "one, who knows", 1, 0, 1600 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int car;

		live_init(&l);
		l.phases = true;
		car = live_charger3(&l);
		value_set(&l.s.dev[car].state.f[F_CHARGER_PHASES], ROWS[r].phases, l.s.now_ms, Q_GOOD);
		l.s.dev[car].state.caps.min_w = 1380 * ROWS[r].phases;
		l.s.dev[car].state.caps.charge_max_w = 3680 * ROWS[r].phases;
		l.s.dev[car].phases = 0;
		l.s.dev[car].phase = ROWS[r].phase;
		l.s.site.fuse_a = 20;
		l.load_w[0] = 3000;
		live_run(&l, 60);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
	}
}

/* Each by itself against 2 kW too much on L1 (and at the site). */
static void who_supports(void **state)
{
	enum { OK, CANNOT, UNGUARDED, ALLOWED, OTHER_PHASE, ANY_PHASE, FAULT, PHASE_ONLY, PHASE_MORE };
	static const struct { const char *name; int odd; double w, unreachable; } ROWS[] = {
		{ "a battery", OK, -2000, 0 },
		{ "that takes no power", CANNOT, 0, 2000 },
		{ "that nobody guards", UNGUARDED, 0, 2000 },
		{ "which the owner allows", ALLOWED, -2000, 0 },
		{ "on another phase: it helps the site alone", OTHER_PHASE, -2000, 2000 },
		{ "nobody knows on which: the meter shows it", ANY_PHASE, -2000, 0 },
		{ "with a fault", FAULT, 0, 2000 },
		{ "for the phase alone", PHASE_ONLY, -2000, 0 },
		{ "for the site, and more for the phase", PHASE_MORE, -2920, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *dev;
		int b;

		live_init(&l);
		l.phases = true;
		b = desk_battery(&l.s, 50);
		dev = &l.s.dev[b];
		dev->phase = ROWS[r].odd == OTHER_PHASE ? 2 : ROWS[r].odd == ANY_PHASE ? 0 : 1;
		dev->state.caps.can_power = ROWS[r].odd != CANNOT;
		dev->state.caps.guarded_by = ROWS[r].odd == UNGUARDED || ROWS[r].odd == ALLOWED ? GUARDED_NONE : GUARDED_DEVICE;
		dev->allow_unguarded = ROWS[r].odd == ALLOWED;
		dev->override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
		if (ROWS[r].odd == FAULT)
			value_set(&dev->state.f[F_BATTERY_STATE], BATTERY_FAULT, l.s.now_ms, Q_GOOD);
		l.load_w[0] = 6600;
		l.load_w[1] = l.load_w[2] = 1000;
		l.s.site.fuse_a = ROWS[r].odd == PHASE_MORE ? 16 : 20;
		l.s.site.import_limit_w = ROWS[r].odd == PHASE_ONLY ? 0 : 6600;
		live_run(&l, 4);
		assert_row(ROWS[r].name, fabs(live_order(&l, b) - ROWS[r].w) < 5);
		assert_row(ROWS[r].name, fabs(l.d.limit_unreachable_w - ROWS[r].unreachable) < 5);
	}
}

/* A device that balances by itself covers L1 and would export on L2 what its fuse does not bear. */
static void a_native_discharge_is_bounded_too(void **state)
{
	const struct order *o;
	int b;

	(void)state;
	live_init(&l);
	l.phases = true;
	b = desk_battery(&l.s, 50);
	l.s.dev[b].phases = 3;
	l.s.dev[b].state.caps.native_balance = true;
	l.s.site.fuse_a = 25;
	l.load_w[0] = 5000;
	l.load_w[1] = -5500;
	l.load_w[2] = 3500;
	live_run(&l, 1);
	o = &l.d.d[b].order;
	assert_true(o->native);
	assert_near(o->min_w, -750);
	assert_int_equal(l.d.d[b].code, REASON_FUSE);

	live_init(&l); /* it stores what L2 and L3 give, and L1 has no room for its part of that */
	l.phases = true;
	b = desk_battery(&l.s, 50);
	l.s.dev[b].phases = 3;
	l.s.dev[b].state.caps.native_balance = true;
	l.s.site.fuse_a = 25;
	l.load_w[0] = 5500;
	l.load_w[1] = -5000;
	l.load_w[2] = -3500;
	live_run(&l, 1);
	o = &l.d.d[b].order;
	assert_true(o->native);
	assert_near(o->max_w, 750);
}

/* Whose word it is, and that all of them hold. */
static void limits_meet(void **state)
{
	static const struct {
		const char *name;
		double own_w, outside_w, demand_w;
		bool failsafe;
		double battery;
		enum reason code;
	} ROWS[] = {
		{ "the owner's", 10000, 11000, 12000, false, 2000, REASON_IMPORT_LIMIT },
		{ "as much from outside", 10000, 10000, 12000, false, 2000, REASON_IMPORT_LIMIT },
		{ "from outside", 10000, 9000, 12000, false, 1000, REASON_OUTSIDE_IMPORT },
		{ "failsafe", 10000, 9000, 12000, true, 1000, REASON_LIMIT_FAILSAFE },
		{ "the month's peak", 10000, 9000, 8500, false, 500, REASON_DEMAND },
		{ "the month's peak calls for support", 10000, 9000, 7000, false, -1000, REASON_SUPPORT },
		{ "nothing at all from outside", 10000, 0, 7000, false, -5000, REASON_SUPPORT },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		live_init(&l);
		b = desk_battery(&l.s, 50);
		l.load_w[0] = 8000;
		l.s.site.import_limit_w = ROWS[r].own_w;
		l.s.external.import_w = ROWS[r].outside_w;
		l.s.external.failsafe = ROWS[r].failsafe;
		l.s.external.demand_w = ROWS[r].demand_w;
		l.s.dev[b].override = (struct override_view){ OVERRIDE_CHARGE, 5000, l.s.utc_ms + 3600000 };
		live_run(&l, 30);
		assert_row_near(ROWS[r].name, live_order(&l, b), ROWS[r].battery);
		assert_row(ROWS[r].name, l.d.d[b].code == ROWS[r].code);
		assert_row_near(ROWS[r].name, l.d.limit_unreachable_w, ROWS[r].outside_w == 0 ? 3000 : 0);
	}
}

static void limits_meet_on_the_way_out(void **state)
{
	static const struct { const char *name; double own_w, outside_w, w; enum reason code; } ROWS[] = {
		{ "the owner's", 500, 3000, -500, REASON_EXPORT_LIMIT }, { "from outside", 3000, 500, -500, REASON_OUTSIDE_EXPORT },
		{ "only one", 0, 3000, -3000, REASON_OUTSIDE_EXPORT }, { "nothing", 3000, 0, 0, REASON_OUTSIDE_EXPORT },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		live_init(&l);
		b = desk_battery(&l.s, 50);
		l.s.site.export_limit_w = ROWS[r].own_w;
		l.s.external.export_w = ROWS[r].outside_w;
		l.s.dev[b].override = (struct override_view){ OVERRIDE_DISCHARGE, 5000, l.s.utc_ms + 3600000 };
		live_run(&l, 20);
		assert_row(ROWS[r].name, fabs(live_order(&l, b) - ROWS[r].w) < 1);
		assert_row(ROWS[r].name, l.d.d[b].code == ROWS[r].code && l.d.d[b].limited_by == 1u << RANK_LIMIT);
	}
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
		cmocka_unit_test(what_will_be_relief_is_no_load),
		cmocka_unit_test(relief_counts_once_it_is_there),
		cmocka_unit_test(a_discharge_that_does_nothing_is_cut_too),
		cmocka_unit_test(support_minds_the_other_phases),
		cmocka_unit_test(support_that_still_charges_is_a_cut),
		cmocka_unit_test(phases_and_priority),
		cmocka_unit_test(support_that_falls_short),
		cmocka_unit_test(phases_in_use_count),
		cmocka_unit_test(who_supports),
		cmocka_unit_test(a_native_discharge_is_bounded_too),
		cmocka_unit_test(limits_meet),
		cmocka_unit_test(limits_meet_on_the_way_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
