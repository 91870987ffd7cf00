/* PV that can be curtailed, at the export side: cut at once, raised slowly, never relief for import. Through the whole chain. */
#include "support/cm.h"
#include "support/live.h"

static struct live l;
static int pv, battery;

static void fresh(double sun_w, double export_limit_w)
{
	live_init(&l);
	pv = live_pv(&l, sun_w);
	l.s.site.export_limit_w = export_limit_w;
}

static void with_battery(double soc_pct, double charge_max_w)
{
	battery = desk_battery(&l.s, soc_pct);
	l.s.dev[battery].state.caps.charge_max_w = charge_max_w;
}

/* 10 kW rated: it stays 50 W off the limit, and nothing within 100 W of it is raised. */
static void cut_at_once(void **state)
{
	static const struct { const char *name; double sun_w, load_w, limit_w, outside_w; enum order_kind kind; double w; enum reason code; } ROWS[] = {
		{ "within the limit", 3000, 1000, 2000, NAN, ORDER_RELEASE, 0, REASON_PV_FREE },
		{ "noise above it", 3019, 1000, 2000, NAN, ORDER_RELEASE, 0, REASON_PV_FREE },
		{ "above it", 3021, 1000, 2000, NAN, ORDER_POWER, -2950, REASON_EXPORT_LIMIT },
		{ "far above it", 9000, 1000, 2000, NAN, ORDER_POWER, -2950, REASON_EXPORT_LIMIT },
		{ "no load", 9000, 0, 2000, NAN, ORDER_POWER, -1950, REASON_EXPORT_LIMIT },
		{ "from outside", 9000, 1000, 0, 500, ORDER_POWER, -1450, REASON_OUTSIDE_EXPORT },
		{ "nothing may go out", 9000, 1000, 0, 0, ORDER_POWER, -950, REASON_OUTSIDE_EXPORT },
		{ "nothing, and no load", 9000, 10, 0, 0, ORDER_POWER, 0, REASON_OUTSIDE_EXPORT },
		{ "no limit", 9000, 0, 0, NAN, ORDER_RELEASE, 0, REASON_PV_FREE },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(ROWS[r].sun_w, ROWS[r].limit_w);
		l.load_w[0] = ROWS[r].load_w;
		l.s.external.export_w = ROWS[r].outside_w;
		live_run(&l, 1);
		assert_row(ROWS[r].name, l.d.d[pv].order.kind == ROWS[r].kind && l.d.d[pv].code == ROWS[r].code);
		assert_row_near(ROWS[r].name, live_order(&l, pv), ROWS[r].w);
		assert_row_near(ROWS[r].name, l.d.limit_unreachable_w, 0);
		live_run(&l, 30);
		assert_row(ROWS[r].name, l.d.d[pv].order.kind == ROWS[r].kind);
		assert_row_near(ROWS[r].name, live_order(&l, pv), ROWS[r].w); /* and stays there */
	}
}

/* Seconds between changes, and how much. */
static void raised_slowly(void **state)
{
	double before_w;
	int64_t before_ms;
	int steps = 0;

	(void)state;
	fresh(9000, 2000);
	live_run(&l, 10);
	assert_near(live_order(&l, pv), -1950);
	l.load_w[0] = 4000;
	before_w = live_order(&l, pv);
	before_ms = l.s.now_ms;
	for (int t = 0; t < 60; t++) {
		live_run(&l, 1);
		assert_true(l.s.grid_w.v > -2001);
		if (live_order(&l, pv) == before_w)
			continue;
		assert_true(before_w - live_order(&l, pv) <= 1000.5);
		assert_true(steps == 0 || l.s.now_ms - before_ms == 5000);
		before_w = live_order(&l, pv);
		before_ms = l.s.now_ms;
		steps++;
	}
	assert_near(live_order(&l, pv), -5950);
	assert_int_equal(steps, 4);
	l.load_w[0] = 8000; /* room for all it could ever give: released */
	live_run(&l, 60);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE);
}

/* The bound binds no more, and goes with the limit. */
static void released_when_the_limit_is_gone(void **state)
{
	(void)state;
	fresh(9000, 2000);
	live_run(&l, 10);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_POWER);
	l.s.site.export_limit_w = 0;
	live_run(&l, 1);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE);
	assert_int_equal(l.d.d[pv].code, REASON_PV_FREE);
}

static void a_slow_inverter_is_given_time(void **state)
{
	int changes = 0;
	double before_w;

	(void)state;
	fresh(9000, 2000);
	l.s.dev[pv].state.caps.settle_ms = 8000;
	live_run(&l, 10);
	l.load_w[0] = 4000;
	before_w = live_order(&l, pv);
	for (int t = 0; t < 33; t++) {
		live_run(&l, 1);
		changes += live_order(&l, pv) != before_w;
		before_w = live_order(&l, pv);
	}
	assert_int_equal(changes, 2); /* twice its settle time */
}

/* On its way down, what the meter still shows is not cut a second time. */
static void the_echo_is_not_answered(void **state)
{
	(void)state;
	fresh(9000, 2000);
	l.load_w[0] = 1000;
	l.s.dev[pv].state.caps.settle_ms = 4000;
	live_run(&l, 1);
	assert_near(live_order(&l, pv), -2950);
	for (int t = 0; t < 3; t++) { /* neither the meter nor the inverter has moved */
		desk_wait(&l.s, 1000);
		desk_power(&l.s, pv, -9000);
		desk_grid(&l.s, -8000);
		desk_chain(&l.c, &l.s, &l.d);
		assert_near(live_order(&l, pv), -2950);
	}
	desk_wait(&l.s, 1000); /* its reading is new, the meter's is not */
	desk_power(&l.s, pv, -2950);
	desk_grid(&l.s, -8000);
	desk_chain(&l.c, &l.s, &l.d);
	assert_near(live_order(&l, pv), -2950);
	live_run(&l, 30);
	assert_near(live_order(&l, pv), -2950);
}

static void a_battery_takes_first(void **state)
{
	(void)state;
	fresh(6000, 1000);
	with_battery(50, 5500);
	for (int t = 0; t < 5; t++) { /* what it will take is believed for a while */
		live_run(&l, 1);
		assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE);
	}
	live_run(&l, 120);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE); /* all of it is stored or let out */
	fresh(9000, 1000);
	with_battery(50, 3000);
	live_run(&l, 180);
	assert_near(live_order(&l, battery), 3000);
	assert_near(live_order(&l, pv), -3950);
	assert_near(l.s.grid_w.v, -950);
}

/* A battery that discharges for somebody gives way before the sun does. */
static void a_discharge_gives_way_first(void **state)
{
	(void)state;
	fresh(4000, 3000);
	with_battery(50, 3000);
	l.s.dev[battery].override = (struct override_view){ OVERRIDE_DISCHARGE, 3000, l.s.utc_ms + 3600000 };
	live_run(&l, 60);
	assert_in_range((int)-live_order(&l, battery), 0, 50); /* what the sun leaves */
	assert_near(live_order(&l, pv), -2950);
}

/* No export at all: without a sign at the meter, the battery makes one. */
static void nothing_goes_out_and_the_battery_gets_it(void **state)
{
	double lowest_w = 0;

	(void)state;
	fresh(9000, 0);
	l.load_w[0] = 1000;
	with_battery(50, 3000);
	l.s.external.export_w = 0;
	live_run(&l, 20);
	for (int t = 0; t < 300; t++) {
		live_run(&l, 1);
		lowest_w = fmin(lowest_w, l.s.grid_w.v);
	}
	assert_in_range((int)live_order(&l, battery), 2850, 3000);
	assert_in_range((int)-live_order(&l, pv), 3800, 4000);
	assert_true(lowest_w > -320);
	l.load_w[0] = 3000; /* it stands in at once, and the sun comes after */
	live_run(&l, 3);
	assert_true(live_order(&l, battery) < 2500);
	live_run(&l, 300);
	assert_in_range((int)live_order(&l, battery), 2850, 3000);
	assert_in_range((int)-live_order(&l, pv), 5800, 6000);
}

/* ... also one that would rather do it by itself. */
static void a_native_battery_is_taken_over(void **state)
{
	(void)state;
	fresh(9000, 0);
	l.load_w[0] = 1000;
	with_battery(50, 3000);
	l.s.dev[battery].state.caps.native_balance = true;
	l.s.external.export_w = 0;
	live_run(&l, 2);
	assert_true(live_order(&l, pv) < 0);
	live_run(&l, 300);
	assert_false(l.d.d[battery].order.native);
	assert_in_range((int)live_order(&l, battery), 2850, 3000);
}

static void nobody_probes_without_cause(void **state)
{
	enum { FULL, LIMIT_LEFT, SUN_GONE, OTHERS_ORDER, GIVES };
	static const struct { const char *name; int what; } ROWS[] = {
		{ "the battery is full", FULL }, { "the limit itself leaves a sign", LIMIT_LEFT }, { "the sun does not reach its bound", SUN_GONE },
		{ "the battery is under another order", OTHERS_ORDER }, { "... and gives", GIVES },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(9000, ROWS[r].what == LIMIT_LEFT ? 600 : 0);
		l.load_w[0] = 1000;
		with_battery(ROWS[r].what == FULL ? 100 : 50, 3000);
		l.s.external.export_w = ROWS[r].what == LIMIT_LEFT ? NAN : 0;
		if (ROWS[r].what == OTHERS_ORDER)
			l.s.dev[battery].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
		if (ROWS[r].what == GIVES)
			l.s.dev[battery].override = (struct override_view){ OVERRIDE_DISCHARGE, 500, l.s.utc_ms + 3600000 };
		live_run(&l, 30);
		if (ROWS[r].what == SUN_GONE)
			l.takes_w[pv] = 100;
		live_run(&l, 60);
		assert_row_near(ROWS[r].name, l.d.d[battery].order.grid_w, 0);
	}
}

/* Unknown production counts as the rating. */
static void blind_means_the_rating(void **state)
{
	(void)state;
	fresh(4000, 2000);
	l.c.start.over = true; /* nobody waits for it */
	l.s.dev[pv].state.ac_power_w.q = Q_ABSENT;
	desk_grid(&l.s, -4000);
	desk_chain(&l.c, &l.s, &l.d);
	assert_near(live_order(&l, pv), -(10000 - 2000 - 50));
	assert_near(l.d.limit_unreachable_w, 0);
}

/* What the meter still shows when the cut has had its time is cut again: nobody is credited for ever with what it never made. Its
 * first reading says how much that was. */
static void blind_is_cut_until_it_helps(void **state)
{
	static const struct { const char *name; int read_after_s; double w[12]; } ROWS[] = {
		{ "never read", 99, { 7950, 7950, 7950, 5900, 5900, 5900, 3850, 3850, 3850, 1950, 1950, 1950 } },
		{ "read on the way", 2, { 7950, 7950, 1950, 1950, 1950, 1950, 1950, 1950, 1950, 1950, 1950, 1950 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(4000, 2000);
		l.c.start.over = true;
		for (int t = 0; t < 12; t++) {
			desk_wait(&l.s, 1000);
			live_read(&l);
			if (t < ROWS[r].read_after_s)
				l.s.dev[pv].state.ac_power_w.q = Q_ABSENT;
			desk_chain(&l.c, &l.s, &l.d);
			assert_row_near(ROWS[r].name, -live_order(&l, pv), ROWS[r].w[t]);
		}
	}
}

/* ... and where there is no rating, the most it was seen to give; a kilowatt until then. */
static void no_rating(void **state)
{
	double before_w;

	(void)state;
	fresh(9000, 2000);
	l.s.dev[pv].state.caps.discharge_max_w = 0;
	live_run(&l, 30);
	assert_near(live_order(&l, pv), -(2000 - 45)); /* a hundredth of 9000 W is its band */
	l.load_w[0] = 3000;
	before_w = live_order(&l, pv);
	live_run(&l, 1);
	assert_near(live_order(&l, pv), before_w - 900);
	live_run(&l, 60);
	assert_near(live_order(&l, pv), -(5000 - 45));
	l.takes_w[pv] = 1000; /* clouds, and then much load: it is free at twice of what it was seen to give, and cut when it gives more */
	l.load_w[0] = 30000;
	live_run(&l, 55);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_POWER);
	live_run(&l, 30);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE);
	l.takes_w[pv] = 20000;
	l.load_w[0] = 0;
	live_run(&l, 30);
	assert_near(live_order(&l, pv), -(2000 - 100));

	for (int seen = 0; seen < 2; seen++) {
		fresh(seen ? 4000 : 0, 2000);
		l.s.dev[pv].state.caps.discharge_max_w = 0;
		l.load_w[0] = 3000;
		live_run(&l, 2);
		l.s.dev[pv].state.ac_power_w.q = Q_ABSENT;
		desk_grid(&l.s, -2500);
		desk_chain(&l.c, &l.s, &l.d);
		assert_near(live_order(&l, pv), seen ? -(4000 - 500 - 30) : -(1000 - 500 - 30));
	}
}

/* Where the rating is told too small: what is seen counts. A bound above the rating is one all the same, and the order never is. */
static void more_than_its_rating(void **state)
{
	(void)state;
	fresh(7500, 7000);
	l.s.dev[pv].state.caps.discharge_max_w = 6000;
	live_run(&l, 1);
	assert_int_equal(l.d.d[pv].order.kind, ORDER_POWER);
	assert_near(live_order(&l, pv), -6000);
	live_run(&l, 20);
	assert_near(live_order(&l, pv), -6000);
}

static void several_share_by_what_they_make(void **state)
{
	int other;

	(void)state;
	fresh(6000, 2000);
	other = live_pv(&l, 3000);
	live_run(&l, 1);
	assert_near(live_order(&l, pv), -(6000 * 2.0 / 9 - 50));
	assert_near(live_order(&l, other), -(3000 * 2.0 / 9 - 50) - 33.3 + 33.3);
	l.takes_w[other] = 0;
	l.load_w[0] = 3000;
	live_run(&l, 120);
	assert_true(live_order(&l, pv) < -4700);
	fresh(6000, 2000); /* one that makes nothing is left alone */
	other = live_pv(&l, 0);
	live_run(&l, 1);
	assert_int_equal(l.d.d[other].order.kind, ORDER_RELEASE);
}

/* 16 A a phase: 3680 W; the sun sits on L1. */
static void a_phase_s_fuse(void **state)
{
	static const struct { const char *name; int phase; double w, unreachable; } ROWS[] = {
		{ "on that phase", 1, -3630, 0 },
		{ "on another phase: nothing is gained", 2, 0, 2320 },
		{ "nobody knows on which: it is cut, but not counted on", 0, -3630, 2320 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(6000, 0);
		l.phases = true;
		l.s.dev[pv].phases = 1;
		l.s.dev[pv].phase = ROWS[r].phase;
		l.s.site.fuse_a = 16;
		if (ROWS[r].phase == 2) {
			l.takes_w[pv] = 1000;
			l.load_w[0] = -6000;
		}
		live_run(&l, 1);
		assert_row_near(ROWS[r].name, live_order(&l, pv), ROWS[r].w);
		assert_row_near(ROWS[r].name, l.d.limit_unreachable_w, ROWS[r].unreachable);
		live_run(&l, 20);
		assert_row_near(ROWS[r].name, live_order(&l, pv), ROWS[r].w);
	}
}

/* Two inverters on two phases: what one phase cannot bear is the other's no business. */
static void each_phase_its_own(void **state)
{
	int other;

	(void)state;
	fresh(6000, 0);
	other = live_pv(&l, 1000);
	l.phases = true;
	l.s.dev[pv].phases = l.s.dev[other].phases = 1;
	l.s.dev[pv].phase = 1;
	l.s.dev[other].phase = 2;
	l.s.site.fuse_a = 16;
	live_run(&l, 20);
	assert_near(live_order(&l, pv), -3630);
	assert_int_equal(l.d.d[other].order.kind, ORDER_RELEASE);
	l.takes_w[other] = 5000;
	live_run(&l, 1);
	assert_near(live_order(&l, pv), -3630);
	assert_near(live_order(&l, other), -3630);
	with_battery(50, 3000); /* no limit for the site: the battery sees what goes out, nobody has to show it */
	l.s.dev[battery].phase = 3;
	live_run(&l, 60);
	assert_near(l.d.d[battery].order.grid_w, 0);
}

/* What makes another phase go over is no reason to keep this one's sun. */
static void another_phase_over_its_fuse(void **state)
{
	static const struct { const char *name; int phases, phase; double w; } ROWS[] = {
		{ "on its own phase", 1, 1, -5630 }, { "on the one that is over", 1, 2, 0 }, { "nobody knows on which", 1, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(6000, 0);
		l.phases = true;
		l.s.dev[pv].phases = ROWS[r].phases;
		l.s.dev[pv].phase = ROWS[r].phase;
		l.s.site.fuse_a = 16;
		live_run(&l, 20); /* 3680 W less half the band */
		assert_row_near(ROWS[r].name, live_order(&l, pv), -3630);
		l.load_w[1] = -6000;
		l.load_w[0] = 2000;
		live_run(&l, 60);
		assert_row_near(ROWS[r].name, live_order(&l, pv), ROWS[r].w);
	}
}

/* A limit for the site and a tighter one for the phase: both at once, and the sun's part by the phases it uses. */
static void the_tightest_counts_at_once(void **state)
{
	(void)state;
	fresh(9000, 8000);
	l.phases = true;
	l.s.dev[pv].phases = 1;
	l.s.dev[pv].phase = 1;
	l.s.site.fuse_a = 16;
	live_run(&l, 1);
	assert_near(live_order(&l, pv), -3630);

	fresh(9000, 0); /* 2300 W on each phase */
	l.phases = true;
	l.s.site.fuse_a = 10;
	live_run(&l, 10);
	assert_near(live_order(&l, pv), -6850);
	for (int p = 0; p < 3; p++)
		l.load_w[p] = 300;
	live_run(&l, 2);
	assert_near(live_order(&l, pv), -(6850 + 950 - 50)); /* three times what each has left */
}

/* One that is not bound has no part in the raise. */
static void raised_alone(void **state)
{
	int other;

	(void)state;
	fresh(6000, 0);
	other = live_pv(&l, 1000);
	l.phases = true;
	l.s.dev[pv].phases = l.s.dev[other].phases = 1;
	l.s.dev[pv].phase = 1;
	l.s.dev[other].phase = 2;
	l.s.site.fuse_a = 16;
	live_run(&l, 10);
	l.load_w[0] = 800;
	live_run(&l, 2);
	assert_near(live_order(&l, pv), -(3630 + 850 - 50));
}

/* What a price allows and what a limit allows: the less of both. */
static void a_price_may_ask_for_less(void **state)
{
	(void)state;
	fresh(9000, 2000);
	l.load_w[0] = 1000;
	l.s.export_price = -0.1;
	l.s.import_price = 0.3;
	live_run(&l, 120);
	assert_true(live_order(&l, pv) > -1200 && live_order(&l, pv) < -900);
	assert_int_equal(l.d.d[pv].code, REASON_NEGATIVE_PRICE);
	l.s.export_price = 0.1;
	live_run(&l, 120);
	assert_near(live_order(&l, pv), -2950);
	assert_int_equal(l.d.d[pv].code, REASON_EXPORT_LIMIT);

	fresh(9000, 0); /* the price lets it make what the house takes, on L2; the fuse of its own phase does not */
	l.phases = true;
	l.load_w[1] = 6000;
	l.s.dev[pv].phases = 1;
	l.s.dev[pv].phase = 1;
	l.s.site.fuse_a = 16;
	l.s.export_price = -0.1;
	l.s.import_price = 0.3;
	live_run(&l, 120);
	assert_near(live_order(&l, pv), -3630);
	assert_int_equal(l.d.d[pv].code, REASON_FUSE);
}

/* Time alone says nothing: the meter must have been read since. */
static void raised_on_a_new_reading(void **state)
{
	(void)state;
	fresh(9000, 2000);
	live_run(&l, 10);
	l.load_w[0] = 4000;
	live_run(&l, 1);
	assert_true(live_order(&l, pv) < -2000);
	for (int t = 0; t < 8; t++) {
		double before_w = live_order(&l, pv);

		desk_wait(&l.s, 1000);
		desk_power(&l.s, pv, before_w);
		desk_chain(&l.c, &l.s, &l.d);
		assert_near(live_order(&l, pv), before_w);
	}
}

/* The import side gets nothing from the sun, curtailed or not. */
static void never_support(void **state)
{
	(void)state;
	fresh(9000, 1000);
	l.s.site.import_limit_w = 3000;
	live_run(&l, 30);
	assert_near(live_order(&l, pv), -950);
	l.load_w[0] = 6000;
	live_run(&l, 1);
	assert_true(l.d.d[pv].rank == RANK_SELF_USE && live_order(&l, pv) >= -1951);
	assert_true(l.d.limit_unreachable_w > 1900);
	live_run(&l, 60);
	assert_near(l.d.limit_unreachable_w, 0); /* it comes up with the export side's room alone */
}

/* What a battery only promised to take is not believed for ever. */
static void a_promise_must_be_kept(void **state)
{
	(void)state;
	fresh(6000, 1000);
	with_battery(50, 5000);
	l.takes_w[battery] = 500; /* near full, and does not say so */
	live_run(&l, 20);
	assert_true(l.s.grid_w.v > -1100);
	live_run(&l, 120);
	assert_true(l.s.grid_w.v > -1100);
	assert_near(l.d.limit_unreachable_w, 0);
}

static void safety_leaves_it_alone(void **state)
{
	enum { PAUSED, STOPPING, ISLAND };

	(void)state;
	for (int what = PAUSED; what <= ISLAND; what++) {
		fresh(9000, 2000);
		live_run(&l, 10);
		assert_int_equal(l.d.d[pv].order.kind, ORDER_POWER);
		l.s.paused = what == PAUSED;
		l.s.stopping = what == STOPPING;
		l.s.grid_lost = what == ISLAND;
		live_run(&l, 1);
		assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_at_once),
		cmocka_unit_test(raised_slowly),
		cmocka_unit_test(released_when_the_limit_is_gone),
		cmocka_unit_test(a_slow_inverter_is_given_time),
		cmocka_unit_test(the_echo_is_not_answered),
		cmocka_unit_test(a_battery_takes_first),
		cmocka_unit_test(a_discharge_gives_way_first),
		cmocka_unit_test(nothing_goes_out_and_the_battery_gets_it),
		cmocka_unit_test(a_native_battery_is_taken_over),
		cmocka_unit_test(nobody_probes_without_cause),
		cmocka_unit_test(blind_means_the_rating),
		cmocka_unit_test(blind_is_cut_until_it_helps),
		cmocka_unit_test(no_rating),
		cmocka_unit_test(more_than_its_rating),
		cmocka_unit_test(several_share_by_what_they_make),
		cmocka_unit_test(a_phase_s_fuse),
		cmocka_unit_test(each_phase_its_own),
		cmocka_unit_test(another_phase_over_its_fuse),
		cmocka_unit_test(the_tightest_counts_at_once),
		cmocka_unit_test(raised_alone),
		cmocka_unit_test(a_price_may_ask_for_less),
		cmocka_unit_test(raised_on_a_new_reading),
		cmocka_unit_test(never_support),
		cmocka_unit_test(a_promise_must_be_kept),
		cmocka_unit_test(safety_leaves_it_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
