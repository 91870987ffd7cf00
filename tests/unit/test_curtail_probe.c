/* Sun behind a bound where no export is allowed: how it is looked for, what that costs, and what is remembered of it. Through the
 * whole chain. */
#include "support/cm.h"
#include "support/live.h"

static struct live l;
static int pv, battery;
static uint32_t seed;

/* 10 kW of rating, nothing may go out, 1 kW of load, a battery of 3 kW. */
static void fresh(double sun_w)
{
	live_init(&l);
	pv = live_pv(&l, sun_w);
	battery = desk_battery(&l.s, 50);
	l.s.dev[battery].state.caps.charge_max_w = 3000;
	l.s.external.export_w = 0;
	l.load_w[0] = 1000;
}

/* What a run has shown, second by second. */
struct seen {
	int battery_changes, pv_changes, probing_s, import_s;
	double mean_w, import_wh, lowest_w;
};

static struct seen play(int seconds, double load_w, double noise_w)
{
	struct seen seen = { 0 };

	for (int t = 0; t < seconds; t++) {
		double battery_w = live_order(&l, battery), pv_w = live_order(&l, pv);

		seed = seed * 1664525 + 1013904223;
		l.load_w[0] = load_w + noise_w * ((double)(seed >> 8) / (1 << 23) - 1);
		live_run(&l, 1);
		seen.battery_changes += fabs(live_order(&l, battery) - battery_w) > 1;
		seen.pv_changes += fabs(live_order(&l, pv) - pv_w) > 1;
		seen.probing_s += l.d.d[battery].order.grid_w > 0;
		seen.mean_w += l.s.grid_w.v / seconds;
		seen.import_wh += fmax(0, l.s.grid_w.v) / 3600;
		seen.lowest_w = fmin(seen.lowest_w, l.s.grid_w.v);
	}
	return seen;
}

/* What it finds it finds, and then there is rest: neither noise nor sun that is all out keeps it going. */
static void it_comes_to_rest(void **state)
{
	static const struct { const char *name; double sun_w, load_w, noise_w, battery_w; } ROWS[] = {
		{ "a calm house", 9000, 1000, 0, 2900 }, { "a restless one", 9000, 1000, 20, 2900 }, { "a very restless one", 9000, 1000, 50, 2750 },
		{ "more load", 9000, 3000, 20, 2900 }, { "all sun is out", 3500, 1000, 20, 2400 }, { "and restless", 3500, 1000, 50, 2350 },
		{ "a little more than the battery takes", 4100, 1000, 50, 2750 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct seen seen;

		fresh(ROWS[r].sun_w);
		seed = 1;
		play(200, 1000, ROWS[r].noise_w);
		play(200, ROWS[r].load_w, ROWS[r].noise_w);
		seen = play(400, ROWS[r].load_w, ROWS[r].noise_w);
		assert_row(ROWS[r].name, live_order(&l, battery) >= ROWS[r].battery_w);
assert_row(ROWS[r].name, seen.battery_changes <= 20 && seen.pv_changes <= 10);
assert_row(ROWS[r].name, seen.probing_s <= 30 && fabs(seen.mean_w) <= 15);
	}
}

/* Where nothing may be imported for the battery, the sun makes the step: little goes out, and only if there is more. */
static void without_import(void **state)
{
	enum { COMMAND, COMMAND_YES, COMMAND_UNSET, SITE, SITE_YES, LIMIT_0, LIMIT_LOW, LIMIT_ENOUGH, LIMIT_HIGH };
	static const struct { const char *name; int how; bool imports; } ROWS[] = {
		{ "a command forbids it", COMMAND, false }, { "a command does not say, the site does", COMMAND_UNSET, false },
		{ "the site", SITE, false }, { "no import at all", LIMIT_0, false }, { "a little", LIMIT_LOW, false },
		{ "a command allows it, the site does not", COMMAND_YES, true }, { "the site allows it", SITE_YES, true },
		{ "twice what a probe takes", LIMIT_ENOUGH, true }, { "a limit far off", LIMIT_HIGH, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int how = ROWS[r].how;
		struct seen seen;

		fresh(9000);
		play(100, 1000, 0);
		if (how <= COMMAND_UNSET)
			desk_command(&l.s, battery, MODE_CHARGE, POWER_MAX, NAN)->grid_import =
				how == COMMAND ? TRI_NO : how == COMMAND_YES ? TRI_YES : TRI_UNSET;
		l.s.site.grid_charging = how == SITE_YES || how >= LIMIT_0;
		l.s.external.import_w = how == LIMIT_0 ? 0 : how == LIMIT_LOW ? 999 : how == LIMIT_ENOUGH ? 1000 : how == LIMIT_HIGH ? 9000 : NAN;
		if (how == COMMAND_YES)
			l.s.dev[battery].command.mode = MODE_SELF_CONSUMPTION; /* CHARGE would be an order to take it from the grid */
		play(3, 3000, 0); /* the battery gives way */
		seen = play(200, 3000, 0);
		assert_row(ROWS[r].name, (seen.probing_s > 0) == ROWS[r].imports);
		assert_row(ROWS[r].name, ROWS[r].imports || seen.import_wh < 0.2);
assert_row(ROWS[r].name, seen.lowest_w > (ROWS[r].imports ? -60 : -155));
		assert_row(ROWS[r].name, live_order(&l, battery) >= 2750);
	}
}

/* Rests: the sun is held back, the battery takes about 2950 W; then it may take so much more that it has @room_w. Up to the next
 * step of the chain, which is the caller's. */
static void at_rest(double room_w)
{
	struct snap_device *d = &l.s.dev[battery];

	fresh(9000);
	play(200, 1000, 0);
	desk_wait(&l.s, 1000);
	live_read(&l);
	d->state.caps.charge_max_w = d->state.ac_power_w.v + room_w - fmax(0, l.s.grid_w.v);
	memset(&l.c.probe, 0, sizeof(l.c.probe));
}

static void step(void)
{
	desk_chain(&l.c, &l.s, &l.d);
}

static void when_it_begins(void **state)
{
	static const struct { const char *name; double room_w, limit_w, waits_ms, last_w; bool begins; double noise_w; } ROWS[] = {
		{ "hardly any room", 99.9, 0, 0, 0, false, 0 }, { "room", 100.1, 0, 0, 0, true, 0 }, { "much", 600, 0, 0, 0, true, 0 },
		{ "the limit leaves a sign", 600, 500, 0, 0, false, 0 }, { "not quite", 600, 499.9, 0, 0, true, 0 },
		{ "its time has come", 600, 0, 0, 600, true, 0 }, { "it has not", 600, 0, 1, 600, false, 0 },
		{ "they could take a little more than at that time", 600, 0, 1, 400.1, false, 0 }, { "... more", 600, 0, 1, 399.5, true, 0 },
		{ "in a restless house", 600, 0, 1, 310, false, 25 }, { "... much more", 600, 0, 1, 290, true, 25 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		at_rest(ROWS[r].room_w);
		l.s.external.export_w = ROWS[r].limit_w;
		l.c.probe.after_ms = l.s.now_ms + (int64_t)ROWS[r].waits_ms;
		l.c.probe.room_w = ROWS[r].last_w;
		l.c.loop.noise_w = ROWS[r].noise_w;
		step();
		assert_row(ROWS[r].name, (l.c.probe.since_ms == l.s.now_ms) == ROWS[r].begins);
		assert_row_near(ROWS[r].name, l.d.d[battery].order.grid_w, ROWS[r].begins ? fmin(500, ROWS[r].room_w) : 0);
	}
}

/* By its size; and only of inverters that are held back. */
static void how_much(void **state)
{
	static const struct { const char *name; double rated_w, short_w, grid_w; } ROWS[] = {
		{ "large", 20000, 0, 1000 }, { "small", 4001, 0, 200.05 }, { "smaller", 3960, 0, 200 }, { "at its bound", 10000, 100, 500 },
		{ "below it", 10000, 100.1, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		at_rest(2000);
		l.s.dev[pv].state.caps.discharge_max_w = ROWS[r].rated_w;
		desk_power(&l.s, pv, -(l.c.device[pv].curtail_w - ROWS[r].short_w));
		l.c.probe.block_ms = 1;
		step();
		assert_row_near(ROWS[r].name, l.d.d[battery].order.grid_w, ROWS[r].grid_w);
		assert_row(ROWS[r].name, l.c.probe.block_ms == (ROWS[r].grid_w > 0)); /* what was learned is old when all sun is out */
	}
}

/* It goes on while it finds something, and remembers what it was worth. */
static void when_it_ends(void **state)
{
	static const struct { const char *name; int pv_settle_ms, since_ms; double begun_w, made_w, room_w; int64_t block_ms, blocks_ms; } ROWS[] = {
		{ "not yet", 1000, 16999, 0, 0, 600, 0, 0 }, { "it found nothing", 1000, 17000, 0, 0, 600, 0, 60000 },
		{ "a slow inverter", 3000, 20999, 0, 0, 600, 0, 0 }, { "... that gives no more", 3000, 21000, 0, 0, 600, 0, 60000 },
		{ "a quick one beside a battery", 500, 16999, 0, 0, 600, 0, 0 },
		{ "not a quarter of what it takes to go on", 1000, 17000, -49.9, -49.9, 600, 0, 60000 },
		{ "it found enough to go on", 1000, 17000, -50.1, -50.1, 600, 0, 0 },
		{ "found enough before", 1000, 17000, -200.1, 0, 600, 480000, 60000 }, { "not enough", 1000, 17000, -199.9, 0, 600, 480000, 960000 },
		{ "again nothing", 1000, 17000, 0, 0, 600, 60000, 120000 }, { "and again", 1000, 17000, 0, 0, 600, 960000, 960000 },
		{ "batteries are full", 1000, 1000, 0, 0, 99, 60000, 120000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct chain_probe *p = &l.c.probe;
		double made_w;

		at_rest(ROWS[r].room_w);
		made_w = -l.s.dev[pv].state.ac_power_w.v + fmin(0, l.s.grid_w.v);
		l.s.dev[pv].state.caps.settle_ms = ROWS[r].pv_settle_ms;
		*p = (struct chain_probe){ .since_ms = l.s.now_ms - ROWS[r].since_ms, .begun_w = made_w + ROWS[r].begun_w,
					   .made_w = made_w + ROWS[r].made_w, .block_ms = ROWS[r].block_ms };
		step();
		assert_row(ROWS[r].name, (p->since_ms == 0) == (ROWS[r].blocks_ms > 0));
		if (ROWS[r].made_w < -50)
			assert_row(ROWS[r].name, p->since_ms == l.s.now_ms && fabs(p->made_w - made_w) < 1e-6);
		if (p->since_ms)
			continue;
		assert_row(ROWS[r].name, p->block_ms == ROWS[r].blocks_ms && p->after_ms == l.s.now_ms + ROWS[r].blocks_ms);
		assert_row_near(ROWS[r].name, p->room_w, ROWS[r].room_w);
	}
}

/* The sun's own step: half of what batteries could take, less what goes out already; never far above the limit. */
static void the_sun_s_step(void **state)
{
	static const struct { const char *name; double room_w, grid_w, raise_w; } ROWS[] = {
		{ "much room", 600, 0, 150 }, { "less", 299, 0, 149.5 }, { "little", 140, 0, 70 }, { "hardly any", 100.2, 0, 50.1 },
		{ "some goes out", 600, -20, 130 }, { "as much as the step", 600, -160, 0 }, { "something comes in", 600, 60, 150 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double bound_w;

		at_rest(ROWS[r].room_w);
		bound_w = live_order(&l, pv);
		l.s.site.grid_charging = false;
		desk_grid(&l.s, ROWS[r].grid_w);
		step();
		assert_row_near(ROWS[r].name, bound_w - live_order(&l, pv), ROWS[r].raise_w);
		assert_row_near(ROWS[r].name, l.d.d[battery].order.grid_w, 0);
	}
}

/* The battery smooths noise out and can take more: the sun is not cut for it, until it is seen for 5 s that it does not. */
static void noise_is_the_battery_s(void **state)
{
	static const struct { const char *name; double room_w, grid_w; int since_ms, phase; bool cut; } ROWS[] = {
		{ "much room", 600, -169.5, 0, 0, false }, { "more than it may miss", 600, -170.5, 0, 0, true },
		{ "a little room", 40, -59.5, 0, 0, false }, { "too little", 40, -60.5, 0, 0, true },
		{ "none", 0, -19.5, 0, 0, false }, { "none, and more goes out", 0, -20.5, 0, 0, true },
		{ "not for long", 600, -60, 5000, 0, false }, { "long", 600, -60, 5001, 0, true },
		{ "a fuse knows no battery elsewhere", 600, -30, 0, 1, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double made_w;

		fresh(3900); /* all of it is out */
		play(200, 1000, 0);
		assert_int_equal(l.d.d[pv].order.kind, ORDER_RELEASE);
		desk_wait(&l.s, 1000);
		live_read(&l);
		made_w = -l.s.dev[pv].state.ac_power_w.v;
		l.s.dev[battery].state.caps.charge_max_w = l.s.dev[battery].state.ac_power_w.v + ROWS[r].room_w;
		l.c.loop.noise_w = 100;
		l.c.exceeded_ms[POINT_SITE][1] = ROWS[r].since_ms ? l.s.now_ms - ROWS[r].since_ms : 0;
		desk_grid(&l.s, ROWS[r].grid_w);
		if (ROWS[r].phase) {
			l.s.dev[battery].phase = 2;
			l.s.site.fuse_a = 10;
			value_set(&l.s.phase_w[0], -2300 + ROWS[r].grid_w, l.s.now_ms, Q_GOOD);
		}
		step();
		assert_row(ROWS[r].name, (l.d.d[pv].order.kind == ORDER_POWER) == ROWS[r].cut && made_w > 3899);
	}
}

/* Batteries take it at the site; a fuse it has to pass leaves what it leaves. */
static void not_beyond_a_fuse(void **state)
{
	(void)state;
	for (int spare = 0; spare < 2; spare++) {
		double bound_w;

		at_rest(600);
		bound_w = live_order(&l, pv);
		l.s.site.grid_charging = false;
		l.s.site.fuse_a = 10;
		value_set(&l.s.phase_w[0], spare ? -2000 : -2290, l.s.now_ms, Q_GOOD);
		step();
		assert_near(bound_w - live_order(&l, pv), spare ? 150 : 0);
	}
}

/* Only what batteries were to take and did not is the probe's failure: not that there is suddenly less load. */
static void less_load_is_no_failure(void **state)
{
	(void)state;
	for (int import = 0; import < 2; import++) {
		struct chain_probe *p = &l.c.probe;
		double bound_w;

		at_rest(1500);
		l.s.site.grid_charging = import;
		step();
		assert_true(p->since_ms == l.s.now_ms);
		desk_wait(&l.s, 1000);
		live_read(&l);
		bound_w = live_order(&l, pv);
		desk_grid(&l.s, -2000);
		step();
		assert_true((p->since_ms == 0) == !import);
		assert_int_equal(p->block_ms, import ? 0 : 60000);
		assert_true(live_order(&l, pv) > bound_w + 400); /* cut, and not raised in the same breath */
	}
}

/* A battery that takes less than it may is asked ever more seldom; with or without import. */
static void a_battery_that_refuses(void **state)
{
	(void)state;
	for (int import = 0; import < 2; import++) {
		static const int64_t BLOCKS_MS[] = { 60000, 120000, 240000, 480000, 960000, 960000 };
		int64_t ended_ms = 0;
		size_t n = 0;

		fresh(9000);
		l.takes_w[battery] = 1500;
		l.s.dev[battery].capacity_wh = 1e6; /* its SoC stands still here */
		l.s.site.grid_charging = import;
		play(60, 1000, 0);
		memset(&l.c.probe, 0, sizeof(l.c.probe));
		for (int t = 0; t < 3600 && n < sizeof(BLOCKS_MS) / sizeof(BLOCKS_MS[0]); t++) {
			bool ran = l.c.probe.since_ms != 0;
			struct seen seen = play(1, 1000, 0);

			assert_true(seen.lowest_w > (import ? -60 : -160));
			if (!ran && l.c.probe.since_ms && ended_ms)
				assert_int_equal((l.s.now_ms - ended_ms) / 1000, BLOCKS_MS[n++] / 1000);
			if (ran && !l.c.probe.since_ms)
				ended_ms = l.s.now_ms;
		}
		assert_int_equal(n, sizeof(BLOCKS_MS) / sizeof(BLOCKS_MS[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_to_rest),
		cmocka_unit_test(without_import),
		cmocka_unit_test(when_it_begins),
		cmocka_unit_test(how_much),
		cmocka_unit_test(when_it_ends),
		cmocka_unit_test(the_sun_s_step),
		cmocka_unit_test(noise_is_the_battery_s),
		cmocka_unit_test(not_beyond_a_fuse),
		cmocka_unit_test(less_load_is_no_failure),
		cmocka_unit_test(a_battery_that_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
