/* What Flip is told of each interval: which batteries, what stands in for what is not known, in which mode, and when. */
#include "support/recorder_kit.h"

enum what { PLAIN, OFFLINE, NO_SOC, NO_POWER, NO_FLIP_ID, FLIP_OFF, SOH_TOLD, NOTHING_CONFIGURED, CAPACITY_TOLD, ISLAND,
	    GRID_TOLD, ISLAND_BUT_GRID_TOLD, METER_LOST, SUN_LOST, LONG_ID };

static void what_prepare(enum what what)
{
	if (what == OFFLINE)
		s.dev[1].state.availability = AVAIL_OFFLINE;
	if (what == NO_FLIP_ID)
		config.device[1].flip_device_id[0] = '\0';
	if (what == LONG_ID)
		memset(config.device[1].flip_device_id, 'x', FLIP_ID_MAX);
	if (what == FLIP_OFF)
		config.flip.mode = LINK_OFF;
	if (what == NOTHING_CONFIGURED || what == CAPACITY_TOLD)
		config.device[1].capacity_wh = config.device[1].soh_pct = NAN;
	s.grid_lost = what == ISLAND || what == ISLAND_BUT_GRID_TOLD;
}

static void what_feed(enum what what)
{
	feed();
	if (what == SOH_TOLD)
		set(1, F_BATTERY_SOH_PCT, 88.8);
	if (what == CAPACITY_TOLD)
		set(1, F_BATTERY_CAPACITY_WH, 12000);
	if (what == GRID_TOLD || what == ISLAND_BUT_GRID_TOLD)
		set(1, F_INVERTER_GRID_ONLINE, 1);
	if (what == NO_SOC)
		s.dev[1].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
	if (what == NO_POWER)
		s.dev[1].state.ac_power_w.q = Q_BAD;
	if (what == METER_LOST)
		s.grid_w.q = Q_STALE;
	if (what == SUN_LOST)
		s.dev[2].state.ac_power_w.q = Q_STALE;
}

/* One minute from 12:00; what differs from the home of the kit and what Flip is told. */
static void test_points(void **state)
{
	static const struct {
		const char *name;
		enum what what;
		int n;
		bool online, grid;
		double soh, capacity, home_w, solar_w;
		uint32_t assumed;
	} ROWS[] = {
		{ "offline", OFFLINE, 1, false, false, 0, 0, 0, 0, 0 },
		{ "its charge was never read", NO_SOC, 1, false, false, 0, 0, 0, 0, 0 },
		{ "its power is not known", NO_POWER, 1, false, false, 0, 0, 0, 0, 0 },
		{ "unknown to Flip", NO_FLIP_ID, 0, false, false, 0, 0, 0, 0, 0 },
		{ "an id Flip cannot have given", LONG_ID, 0, false, false, 0, 0, 0, 0, 0 },
		{ "no Flip", FLIP_OFF, 0, false, false, 0, 0, 0, 0, 0 },
		{ "neither health nor capacity", NOTHING_CONFIGURED, 1, true, true, 100, 0, 600, 1800,
		  TELEMETRY_ASSUMED_SOH | TELEMETRY_ASSUMED_CAPACITY | TELEMETRY_ASSUMED_GRID },
		{ "it tells its capacity", CAPACITY_TOLD, 1, true, true, 100, 12000, 600, 1800,
		  TELEMETRY_ASSUMED_SOH | TELEMETRY_ASSUMED_GRID },
		{ "it tells its health", SOH_TOLD, 1, true, true, 88.8, 10000, 600, 1800, TELEMETRY_ASSUMED_GRID },
		{ "island", ISLAND, 1, true, false, 97, 10000, 600, 1800, 0 },
		{ "it sees the grid", GRID_TOLD, 1, true, true, 97, 10000, 600, 1800, 0 },
		{ "it sees the grid, another does not", ISLAND_BUT_GRID_TOLD, 1, true, true, 97, 10000, 600, 1800, 0 },
		{ "meter lost", METER_LOST, 1, true, true, 97, 10000, 0, 1800, TELEMETRY_ASSUMED_GRID | TELEMETRY_ASSUMED_HOME },
		{ "sun lost", SUN_LOST, 1, true, true, 97, 10000, 0, 0,
		  TELEMETRY_ASSUMED_GRID | TELEMETRY_ASSUMED_HOME | TELEMETRY_ASSUMED_SOLAR },
		{ "as it should be", PLAIN, 1, true, true, 97, 10000, 600, 1800, TELEMETRY_ASSUMED_GRID },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		const enum what what = ROWS[k].what;
		const struct telemetry_point *p = &kept[0];
		struct recorder *r;

		home_new("UTC", NOON);
		device(3, "car", "car-1", ROLE_CHARGER); /* Flip's car is no battery */
		what_prepare(what);
		r = recorder_new();
		for (int t = 0; t <= 60; t++) {
			what_feed(what);
			recorder_observe(r, &s, &decisions);
			s.now_ms += 1000;
			s.utc_ms += 1000;
		}
		assert_row_near(ROWS[k].name, n_kept, ROWS[k].n);
		if (n_kept == 1) {
			assert_row(ROWS[k].name, !strcmp(p->device_id, "bat-1") && p->start_utc_ms == NOON && p->duration_s == 60);
			assert_row(ROWS[k].name, p->online == ROWS[k].online && p->assumed == ROWS[k].assumed && p->merged == 1);
		}
		if (n_kept == 1 && !p->online)
			assert_row(ROWS[k].name, isnan(p->soc_pct) && isnan(p->home_wh) && isnan(p->charge_w) && isnan(p->reserve_pct));
		if (n_kept == 1 && p->online) {
			assert_row(ROWS[k].name, p->charge_w == 2400 && p->discharge_w == 0 && p->charge_wh == 40 && p->discharge_wh == 0);
			assert_row(ROWS[k].name, p->soc_pct == 50 && p->stored_wh == ROWS[k].capacity / 2 && p->reserve_pct == 20);
			assert_row(ROWS[k].name, p->soh_pct == ROWS[k].soh && p->capacity_wh == ROWS[k].capacity);
			assert_row(ROWS[k].name, p->home_w == ROWS[k].home_w && p->solar_w == ROWS[k].solar_w);
			assert_row(ROWS[k].name, p->home_wh == ROWS[k].home_w / 60 && p->solar_wh == ROWS[k].solar_w / 60);
			assert_row(ROWS[k].name, p->grid_online == ROWS[k].grid && p->mode == MODE_SELF_CONSUMPTION);
		}
		n_kept = KEPT_MAX;
		stop(r);
	}
}

/* flip-api 13: the mode in force at the end; the reserve that goes with it. */
static void test_modes(void **state)
{
	static const struct {
		const char *name;
		bool paused, command;
		enum rank rank;
		enum order_kind order;
		double w;
		enum battery_mode must;
		double reserve_pct;
	} ROWS[] = {
		{ "a command, whatever else", true, true, RANK_PLAN, ORDER_POWER, 0, MODE_BACKUP, 35 },
		{ "a command in force while a limit decides", false, true, RANK_LIMIT, ORDER_POWER, 100, MODE_BACKUP, 35 },
		{ "paused", true, false, RANK_PLAN, ORDER_RELEASE, 0, MODE_STANDBY, 20 },
		{ "the plan", false, false, RANK_PLAN, ORDER_BALANCE, 0, MODE_SAVINGS, 20 },
		{ "the plan holds", false, false, RANK_PLAN, ORDER_POWER, 0, MODE_SAVINGS, 20 },
		{ "the owner holds", false, false, RANK_OVERRIDE, ORDER_POWER, 0.3, MODE_STANDBY, 20 },
		{ "held at the floor", false, false, RANK_RESERVE, ORDER_POWER, 0, MODE_STANDBY, 20 },
		{ "self-use", false, false, RANK_SELF_USE, ORDER_BALANCE, 0, MODE_SELF_CONSUMPTION, 20 },
		{ "released", false, false, RANK_NONE, ORDER_RELEASE, 0, MODE_SELF_CONSUMPTION, 20 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct recorder *r;

		home_new("UTC", NOON);
		s.paused = ROWS[k].paused;
		s.dev[1].command.active = ROWS[k].command;
		s.dev[1].command.mode = MODE_BACKUP;
		s.dev[1].command.owner_event_pct = s.dev[1].command.event_pct = s.dev[1].command.program_min_pct = NAN;
		s.dev[1].command.command_pct = 35;
		decisions.d[1].rank = ROWS[k].rank;
		decisions.d[1].order = (struct order){ .kind = ROWS[k].order, .w = ROWS[k].w };
		r = recorder_new();
		run(r, 61, 1, true);
		assert_int_equal(n_kept, 1);
		assert_row(ROWS[k].name, kept[0].mode == ROWS[k].must);
		assert_row(ROWS[k].name, kept[0].reserve_pct == ROWS[k].reserve_pct);
		stop(r);
	}
}

/* Aligned from the start, cut by another interval, by a step of the clock and at the end; nothing without a clock. */
static void test_telemetry_times(void **state)
{
	static const struct { int start_s, duration_s; } MUST[] = { { 30, 30 }, { 60, 60 }, { 120, 14 }, { 135, 5 }, { 140, 10 },
								     { 150, 4 }, { 1000, 10 }, { 1010, 4 } };
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON + 20000);
	r = recorder_new();
	s.clock_trusted = false;
	run(r, 10, 1, true);
	s.clock_trusted = true;
	run(r, 105, 1, true);
	config.outbox.telemetry_interval_s = 10;
	recorder_configure(r, &config, &zone);
	run(r, 20, 1, true);
	s.utc_ms += 845000;
	run(r, 15, 1, true);
	assert_int_equal(fake_count(STORE_DAILY), 4);
	stop(r);
	assert_int_equal(n_kept, (int)(sizeof(MUST) / sizeof(MUST[0])));
	for (int i = 0; i < n_kept; i++) {
		assert_near((double)(kept[i].start_utc_ms - NOON) / 1000, MUST[i].start_s);
		assert_near(kept[i].duration_s, MUST[i].duration_s);
		assert_true(fabs(kept[i].charge_wh - kept[i].duration_s / 1.5) < 0.7);
	}
}

/* The plant is built anew in the middle: what was measured belongs to the old names, wherever the devices are now. */
static void test_another_plant(void **state)
{
	static const struct {
		const char *name;
		bool told;               /* recorder_cut before */
		const char *flip_id;     /* of "battery" afterwards */
		int at;                  /* its place afterwards */
	} ROWS[] = {
		{ "renamed at Flip", false, "bat-9", 1 },
		{ "no longer Flip's", false, "", 1 },
		{ "another place", false, "bat-1", 2 },
		{ "another place and name, told before", true, "bat-9", 2 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct recorder *r;

		home_new("UTC", NOON);
		r = recorder_new();
		run(r, 31, 1, true);
		if (ROWS[k].told) {
			recorder_cut(r);
			assert_row_near(ROWS[k].name, n_kept, 1);
			recorder_cut(r); /* nothing runs any more */
		}
		if (ROWS[k].at == 2)
			device(1, "other", "bat-2", ROLE_BATTERY);
		device(ROWS[k].at, "battery", ROWS[k].flip_id, ROLE_BATTERY);
		s.paused = true; /* another mode: not that of the time before */
		run(r, 40, 1, true);
		assert_row(ROWS[k].name, n_kept >= 1 && !strcmp(kept[0].device_id, "bat-1") && kept[0].duration_s == 30);
		assert_row(ROWS[k].name, kept[0].mode == MODE_SELF_CONSUMPTION && kept[0].charge_wh == 20);
		assert_row(ROWS[k].name, kept[0].capacity_wh == 10000);
		assert_row_near(ROWS[k].name, n_kept, 1 + (ROWS[k].flip_id[0] != '\0') + (ROWS[k].at == 2));
		for (int i = 1; i < n_kept; i++)
			assert_row(ROWS[k].name, kept[i].start_utc_ms == NOON + 31000 && kept[i].duration_s == 29 &&
				   kept[i].mode == MODE_STANDBY);
		if (ROWS[k].flip_id[0])
			assert_row(ROWS[k].name, !strcmp(kept[n_kept - 1].device_id, ROWS[k].flip_id));
		assert_row_near(ROWS[k].name, fake_count(STORE_HISTORY), 4); /* cut too */
		stop(r);
	}
	recorder_cut(NULL);
}

/* The clock goes back ten minutes: no interval with the name of an earlier one. */
static void test_no_start_twice(void **state)
{
	struct recorder_stats stats;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	r = recorder_new();
	run(r, 1000, 1, true);
	s.utc_ms -= 600000;
	run(r, 1000, 1, true);
	recorder_stats(r, &stats);
	stop(r);
	for (int i = 1; i < n_kept; i++)
		assert_true(kept[i].start_utc_ms > kept[i - 1].start_utc_ms);
	assert_in_range(n_kept, 23, 25);
	assert_in_range(stats.skipped, 550, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_telemetry_times),
		cmocka_unit_test(test_another_plant),
		cmocka_unit_test(test_no_start_twice),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_end_all();
	return failed;
}
