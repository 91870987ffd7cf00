/* What counts as known, whose rating holds, what is steered. */
#include "support/cm.h"
#include "support/desk.h"

#include "policies/view.h"

static struct snapshot s;

static void ratings_by_kind(void **state)
{
	static const struct { const char *name; uint32_t roles; bool curtail; double configured, own, charge, discharge; } ROWS[] = {
		{ "battery", ROLE_BATTERY, false, NAN, 5000, 5000, 5000 },
		{ "car", ROLE_CHARGER, false, NAN, 5000, 5000, 0 },
		{ "PV by itself", ROLE_PV, true, NAN, 5000, 5000, 5000 },
		{ "PV by configuration", ROLE_PV, true, 3000, 5000, 3000, 3000 },
		{ "PV that says nothing has no bound", ROLE_PV, true, NAN, 0, 0, 1e6 },
		{ "PV that takes no bound is no device to steer", ROLE_PV, false, NAN, 5000, 5000, 0 },
		{ "a hybrid is a battery", ROLE_PV | ROLE_BATTERY, true, NAN, 5000, 5000, 5000 },
		{ "meter", ROLE_GRID, false, NAN, 0, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;

		desk_init(&s);
		d = &s.dev[desk_battery(&s, 50)];
		d->roles = ROWS[r].roles;
		d->charge_max_w = d->discharge_max_w = ROWS[r].configured;
		d->state.caps.charge_max_w = d->state.caps.discharge_max_w = ROWS[r].own;
		d->state.caps.can_curtail = ROWS[r].curtail;
		assert_row_near(ROWS[r].name, view_charge_max(d), ROWS[r].charge);
		assert_row_near(ROWS[r].name, view_discharge_max(d), ROWS[r].discharge);
	}
}

static void size_of_pv(void **state)
{
	static const struct { const char *name; double configured, own, seen, size; } ROWS[] = {
		{ "nothing known", NAN, 0, 0, 1000 }, { "not even a number", NAN, NAN, 0, 1000 }, { "little seen", NAN, 0, 999, 1000 },
		{ "seen", NAN, 0, 4000, 4000 }, { "rated", NAN, 5000, 0, 5000 }, { "rated, whatever was seen", NAN, 5000, 6000, 5000 },
		{ "by configuration", 3000, 0, 4000, 3000 }, { "a small one", NAN, 600, 0, 600 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .roles = ROLE_PV, .discharge_max_w = ROWS[r].configured };

		d.state.caps.can_curtail = true;
		d.state.caps.discharge_max_w = ROWS[r].own;
		assert_row_near(ROWS[r].name, view_pv_size(&d, ROWS[r].seen), ROWS[r].size);
	}
}

static void steered(void **state)
{
	static const struct { const char *name; uint32_t roles; enum availability a; bool power, hold, native, curtail, must; } ROWS[] = {
		{ "battery by powers", ROLE_BATTERY, AVAIL_ONLINE, true, false, false, false, true },
		{ "battery that can be held", ROLE_BATTERY, AVAIL_ONLINE, false, true, false, false, true },
		{ "battery that balances", ROLE_BATTERY, AVAIL_ONLINE, false, false, true, false, true },
		{ "battery that takes nothing", ROLE_BATTERY, AVAIL_ONLINE, false, false, false, true, false },
		{ "battery with a fault", ROLE_BATTERY, AVAIL_FAULT, true, false, false, false, true },
		{ "battery offline", ROLE_BATTERY, AVAIL_OFFLINE, true, true, true, false, false },
		{ "never seen", ROLE_BATTERY, AVAIL_UNKNOWN, true, true, true, false, false },
		{ "car", ROLE_CHARGER, AVAIL_ONLINE, true, false, false, false, true },
		{ "car that takes nothing", ROLE_CHARGER, AVAIL_ONLINE, false, true, true, false, false },
		{ "PV", ROLE_PV, AVAIL_ONLINE, false, false, false, true, true }, { "PV offline", ROLE_PV, AVAIL_OFFLINE, false, false, false, true, false },
		{ "PV that takes no bound", ROLE_PV, AVAIL_ONLINE, true, true, true, false, false }, { "meter", ROLE_GRID, AVAIL_ONLINE, true, true, true, true, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .roles = ROWS[r].roles };

		d.state.availability = ROWS[r].a;
		d.state.caps.can_power = ROWS[r].power;
		d.state.caps.can_hold = ROWS[r].hold;
		d.state.caps.native_balance = ROWS[r].native;
		d.state.caps.can_curtail = ROWS[r].curtail;
		assert_row(ROWS[r].name, view_steerable(&d) == ROWS[r].must);
	}
}

static void own_power_by_kind(void **state)
{
	static const struct { const char *name; uint32_t roles; bool detail, known; double must; } ROWS[] = {
		{ "battery at its port", ROLE_BATTERY, false, true, -1000 }, { "battery itself", ROLE_BATTERY, true, true, -700 },
		{ "a hybrid's battery", ROLE_BATTERY | ROLE_PV, true, true, -700 }, { "a hybrid's port holds the sun too", ROLE_BATTERY | ROLE_PV, false, false, 0 },
		{ "PV", ROLE_PV, false, true, -1000 }, { "car at its port", ROLE_CHARGER, false, true, -1000 }, { "car itself", ROLE_CHARGER, true, true, -700 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double w = 0;
		int64_t at_ms;
		int i;

		desk_init(&s);
		i = desk_battery(&s, 50);
		s.dev[i].roles = ROWS[r].roles;
		desk_power(&s, i, -1000);
		if (ROWS[r].detail)
			value_set(&s.dev[i].state.f[ROWS[r].roles & ROLE_CHARGER ? F_CHARGER_POWER_W : F_BATTERY_POWER_AC_W], -700, s.now_ms - 30000, Q_GOOD);
		assert_row(ROWS[r].name, view_power(&s, i, &w, &at_ms) == ROWS[r].known);
		assert_row_near(ROWS[r].name, w, ROWS[r].must);
		desk_wait(&s, 1);
		assert_row(ROWS[r].name, view_power(&s, i, &w, NULL) == (ROWS[r].known && !ROWS[r].detail)); /* 30 s */
	}
}

static void faults(void **state)
{
	static const struct { const char *name; uint32_t roles; enum field f; double v; enum quality q; bool must; } ROWS[] = {
		{ "a battery's fault", ROLE_BATTERY, F_BATTERY_STATE, BATTERY_FAULT, Q_GOOD, true },
		{ "nobody reads it", ROLE_BATTERY, F_BATTERY_STATE, BATTERY_FAULT, Q_STALE, false },
		{ "its inverter's", ROLE_BATTERY, F_INVERTER_STATE, INVERTER_FAULT, Q_GOOD, true },
		{ "its inverter's, unread", ROLE_BATTERY, F_INVERTER_STATE, INVERTER_FAULT, Q_BAD, false },
		{ "idle", ROLE_BATTERY, F_BATTERY_STATE, BATTERY_IDLE, Q_GOOD, false },
		{ "its inverter runs", ROLE_BATTERY, F_INVERTER_STATE, INVERTER_RUNNING, Q_GOOD, false },
		{ "a car's, E", ROLE_CHARGER, F_CHARGER_STATE, CHARGER_E, Q_GOOD, true }, { "a car's, F", ROLE_CHARGER, F_CHARGER_STATE, CHARGER_F, Q_GOOD, true },
		{ "a car's, unread", ROLE_CHARGER, F_CHARGER_STATE, CHARGER_F, Q_STALE, false }, { "a car charges", ROLE_CHARGER, F_CHARGER_STATE, CHARGER_C, Q_GOOD, false },
		{ "PV", ROLE_PV, F_INVERTER_STATE, INVERTER_FAULT, Q_GOOD, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .roles = ROWS[r].roles };

		d.state.availability = AVAIL_ONLINE;
		value_set(&d.state.f[ROWS[r].f], ROWS[r].v, 1, ROWS[r].q);
		assert_row(ROWS[r].name, view_faulty(&d) == ROWS[r].must);
		d.state.availability = AVAIL_FAULT;
		assert_row(ROWS[r].name, view_faulty(&d));
	}
}

static void who_may_order(void **state)
{
	static const struct { const char *name; bool stop, pause, lost; int64_t back_ago_ms; bool must; } ROWS[] = {
		{ "nothing special", false, false, false, 0, true }, { "stop", true, false, false, 0, false }, { "pause", false, true, false, 0, false },
		{ "island", false, false, true, 0, false }, { "just back", false, false, false, 59999, false }, { "back", false, false, false, 60000, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		desk_init(&s);
		s.stopping = ROWS[r].stop;
		s.paused = ROWS[r].pause;
		s.grid_lost = ROWS[r].lost;
		s.grid_back_ms = ROWS[r].back_ago_ms ? s.now_ms - ROWS[r].back_ago_ms : 0;
		assert_row(ROWS[r].name, view_may_order(&s) == ROWS[r].must);
	}
}

static void settle_times(void **state)
{
	static const struct { int32_t said; int64_t must; } ROWS[] = { { 0, 2000 }, { -1, 2000 }, { 1, 1 }, { 20000, 20000 } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .roles = ROLE_BATTERY };

		d.state.caps.settle_ms = ROWS[r].said;
		assert_int_equal(view_settle_ms(&d), ROWS[r].must);
	}
}

static void recent(void **state)
{
	static const struct { const char *name; double v; enum quality q; int64_t age_ms; bool known; } ROWS[] = {
		{ "never", 1, Q_ABSENT, 0, false }, { "the last good one of a bad one", 1, Q_BAD, 0, true }, { "no number", NAN, Q_GOOD, 0, false },
		{ "infinite", INFINITY, Q_GOOD, 0, false }, { "as old as may be", 1, Q_GOOD, 1000, true }, { "older", 1, Q_GOOD, 1001, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct value v = { ROWS[r].v, 5000 - ROWS[r].age_ms, ROWS[r].q };
		double out = 7;

		assert_row(ROWS[r].name, view_recent(&v, 5000, 1000, &out) == ROWS[r].known);
		assert_row_near(ROWS[r].name, out, ROWS[r].known ? 1 : 7);
	}
}

static void phases_and_volts(void **state)
{
	static const struct { const char *name; double w, a, v; bool known; double must, volt; } ROWS[] = {
		{ "nothing", NAN, NAN, NAN, false, 0, 230 }, { "power", -700, 5, 240, true, -700, 240 }, { "current alone counts as import", NAN, 5, 240, true, 1200, 240 },
		{ "without a voltage", NAN, 5, NAN, true, 1150, 230 }, { "with one that cannot be", NAN, 5, 180, true, 1150, 230 },
		{ "just", NAN, 5, 181, true, 905, 181 }, { "too high", NAN, 5, 280, true, 1150, 230 }, { "just", NAN, 5, 279, true, 1395, 279 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double w = 0;

		desk_init(&s);
		value_set(&s.phase_w[1], ROWS[r].w, s.now_ms - 10000, isnan(ROWS[r].w) ? Q_ABSENT : Q_GOOD);
		value_set(&s.phase_a[1], ROWS[r].a, s.now_ms - 10000, isnan(ROWS[r].a) ? Q_ABSENT : Q_GOOD);
		value_set(&s.dev[0].state.f[F_METER_VOLTAGE_L2_V], ROWS[r].v, s.now_ms - 60000, isnan(ROWS[r].v) ? Q_ABSENT : Q_GOOD);
		assert_row(ROWS[r].name, view_phase(&s, 1, &w) == ROWS[r].known);
		assert_row_near(ROWS[r].name, w, ROWS[r].must);
		assert_row_near(ROWS[r].name, view_phase_v(&s, 1), ROWS[r].volt);
		desk_wait(&s, 1);
		assert_row(ROWS[r].name, !view_phase(&s, 1, &w));
		assert_row_near(ROWS[r].name, view_phase_v(&s, 1), 230);
	}
	s.grid_device = -1;
	assert_near(view_phase_v(&s, 1), 230);
	s.grid_device = s.n_devices;
	value_set(&s.dev[s.n_devices].state.f[F_METER_VOLTAGE_L2_V], 240, s.now_ms, Q_GOOD); /* there is no such device */
	assert_near(view_phase_v(&s, 1), 230);
}

/* One of three, by the sum and the powers of both others. */
static void a_phase_that_is_not_read(void **state)
{
	static const struct { const char *name; int phase; int64_t sum_ms, next_ms, last_ms; bool known; double must; } ROWS[] = {
		{ "L1", 0, 0, 0, 0, true, 3000 - 500 + 200 }, { "L2", 1, 0, 0, 0, true, 3000 - 500 + 200 },
		{ "L3", 2, 0, 0, 0, true, 3000 - 500 + 200 }, { "just", 1, 10000, 10000, 10000, true, 2700 },
		{ "the sum is old", 1, 10001, 0, 0, false, 0 }, { "the next is old", 1, 0, 10001, 0, false, 0 }, { "the last is old", 1, 0, 0, 10001, false, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double w = 0;

		desk_init(&s);
		value_set(&s.grid_w, 3000, s.now_ms - ROWS[r].sum_ms, Q_GOOD);
		value_set(&s.phase_w[(ROWS[r].phase + 1) % 3], 500, s.now_ms - ROWS[r].next_ms, Q_GOOD);
		value_set(&s.phase_w[(ROWS[r].phase + 2) % 3], -200, s.now_ms - ROWS[r].last_ms, Q_GOOD);
		assert_row(ROWS[r].name, view_phase(&s, ROWS[r].phase, &w) == ROWS[r].known);
		assert_row_near(ROWS[r].name, w, ROWS[r].must);
	}
}

static void capacities(void **state)
{
	static const struct { const char *name; double configured, own; enum quality q; double must; } ROWS[] = {
		{ "nobody says", NAN, 0, Q_ABSENT, NAN }, { "configured", 5000, 9000, Q_GOOD, 5000 }, { "configured 0 says nothing", 0, 9000, Q_GOOD, 9000 },
		{ "its own", NAN, 9000, Q_STALE, 9000 }, { "its own, bad", NAN, 9000, Q_BAD, NAN }, { "no number", NAN, INFINITY, Q_GOOD, NAN },
		{ "0", NAN, 0, Q_GOOD, NAN },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .capacity_wh = ROWS[r].configured };
		double w;

		value_set(&d.state.f[F_BATTERY_CAPACITY_WH], ROWS[r].own, 1, ROWS[r].q);
		w = view_capacity_wh(&d);
		assert_row(ROWS[r].name, isnan(ROWS[r].must) ? isnan(w) : w == ROWS[r].must);
	}
}

static void presents_limits(void **state)
{
	static const struct { const char *name; double own, configured, limit; enum quality q; double must; } ROWS[] = {
		{ "a limit", 5000, NAN, 700, Q_GOOD, 700 }, { "0 now", 5000, NAN, 0, Q_GOOD, 0 }, { "one that is old", 5000, NAN, 700, Q_STALE, 5000 },
		{ "no number", 5000, NAN, INFINITY, Q_GOOD, 5000 }, { "below 0", 5000, NAN, -1, Q_GOOD, 5000 }, { "own below 0", -1, NAN, 700, Q_GOOD, 0 },
		{ "own no number", INFINITY, 3000, 9000, Q_GOOD, 3000 }, { "configured below 0", 5000, -1, 9000, Q_GOOD, 5000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .roles = ROLE_BATTERY, .charge_max_w = ROWS[r].configured };

		d.state.caps.charge_max_w = ROWS[r].own;
		value_set(&d.state.f[F_BATTERY_CHARGE_LIMIT_W], ROWS[r].limit, 1, ROWS[r].q);
		assert_row_near(ROWS[r].name, view_charge_max(&d), ROWS[r].must);
	}
}

static void phases_of_a_device(void **state)
{
	static const struct { const char *name; uint32_t roles; double read; int configured; double min_w, volt; int must; double six_a, least; } ROWS[] = {
		{ "a battery nobody describes", ROLE_BATTERY, NAN, 0, 0, NAN, 1, 1380, 0 }, { "a battery with a least power", ROLE_BATTERY, NAN, 3, 100, NAN, 3, 4140, 100 },
		{ "a car's charger, read", ROLE_CHARGER, 3, 1, 0, NAN, 3, 4140, 4140 }, { "two count as three", ROLE_CHARGER, 2, 1, 0, NAN, 3, 4140, 4140 },
		{ "one", ROLE_CHARGER, 1, 3, 0, NAN, 1, 1380, 1380 }, { "0 is not read", ROLE_CHARGER, 0, 3, 0, NAN, 3, 4140, 4140 },
		{ "configured", ROLE_CHARGER, NAN, 1, 0, NAN, 1, 1380, 1380 }, { "by its least power", ROLE_CHARGER, NAN, 0, 4140, NAN, 3, 4140, 4140 },
		{ "by its least power, one", ROLE_CHARGER, NAN, 0, 2760, NAN, 1, 1380, 2760 }, { "by its voltage", ROLE_CHARGER, 1, 0, 0, 240, 1, 1440, 1440 },
		{ "one that cannot be", ROLE_CHARGER, 1, 0, 0, 180, 1, 1380, 1380 }, { "nor that", ROLE_CHARGER, 1, 0, 0, 280, 1, 1380, 1380 },
		{ "less than nothing", ROLE_BATTERY, NAN, 1, -5, NAN, 1, 1380, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device d = { .roles = ROWS[r].roles, .phases = ROWS[r].configured };

		d.state.caps.min_w = ROWS[r].min_w;
		value_set(&d.state.f[F_CHARGER_PHASES], ROWS[r].read, 1, isnan(ROWS[r].read) ? Q_ABSENT : Q_GOOD);
		value_set(&d.state.f[F_CHARGER_VOLTAGE_L1_V], ROWS[r].volt, 1, isnan(ROWS[r].volt) ? Q_ABSENT : Q_GOOD);
		assert_row(ROWS[r].name, view_phases(&d) == ROWS[r].must);
		assert_row_near(ROWS[r].name, view_amps_to_w(&d, 6), ROWS[r].six_a);
		assert_row_near(ROWS[r].name, view_min_w(&d), ROWS[r].least);
	}
}

static void cars_there_and_charging(void **state)
{
	static const struct { const char *name; double connected, state, power_w, told_w; bool there, charging; } ROWS[] = {
		{ "nobody knows: there is one", NAN, NAN, NAN, 0, true, false }, { "told, unread", NAN, NAN, NAN, 2000, true, true },
		{ "none", 0, CHARGER_C, NAN, 2000, false, false }, { "one", 1, CHARGER_A, NAN, 0, true, false }, { "by its state, none", NAN, CHARGER_A, NAN, 2000, false, false },
		{ "by its state, one", NAN, CHARGER_B, NAN, 0, true, false }, { "draws", 1, NAN, 101, 0, true, true }, { "does not", 1, NAN, 100, 2000, true, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;
		int i;

		desk_init(&s);
		i = desk_charger(&s, 0);
		d = &s.dev[i];
		value_set(&d->state.f[F_CHARGER_CONNECTED], ROWS[r].connected, s.now_ms, isnan(ROWS[r].connected) ? Q_ABSENT : Q_GOOD);
		value_set(&d->state.f[F_CHARGER_STATE], ROWS[r].state, s.now_ms, isnan(ROWS[r].state) ? Q_ABSENT : Q_GOOD);
		value_set(&d->state.ac_power_w, ROWS[r].power_w, s.now_ms, isnan(ROWS[r].power_w) ? Q_ABSENT : Q_GOOD);
		d->ordered = order_power(ROWS[r].told_w);
		assert_row(ROWS[r].name, view_car_connected(d) == ROWS[r].there && view_car_charging(&s, i) == ROWS[r].charging);
		d->ordered.kind = ORDER_RELEASE;
		assert_row(ROWS[r].name, view_car_charging(&s, i) == (ROWS[r].charging && ROWS[r].power_w > 0));
	}
}

/* Sun less load, without batteries and cars; a reading from before an order says nothing of it once the order has had its time. */
static void surplus(void **state)
{
	static const struct { const char *name; int64_t read_ago_ms, told_ago_ms; struct order told; double must; } ROWS[] = {
		{ "as read", 0, 5000, { .kind = ORDER_POWER, .w = 3000 }, -500 + 1000 },
		{ "told since, and it had its time", 2000, 1500, { .kind = ORDER_POWER, .w = 3000 }, -500 + 3000 },
		{ "told since, by our loop", 2000, 1500, { .kind = ORDER_BALANCE, .w = 3000 }, -500 + 3000 },
		{ "told since, by itself", 2000, 1500, { .kind = ORDER_BALANCE, .w = 3000, .native = true }, -500 + 1000 },
		{ "released since", 2000, 1500, { .kind = ORDER_RELEASE }, -500 + 1000 },
		{ "told just now", 2000, 999, { .kind = ORDER_POWER, .w = 3000 }, -500 + 1000 },
		{ "just in time", 2000, 1000, { .kind = ORDER_POWER, .w = 3000 }, -500 + 3000 },
		{ "read on the way there", 501, 1500, { .kind = ORDER_POWER, .w = 3000 }, -500 + 3000 },
		{ "read when it had had its time", 500, 1500, { .kind = ORDER_POWER, .w = 3000 }, -500 + 1000 },
		{ "not read for long", 31000, 1500, { .kind = ORDER_POWER, .w = 3000 }, -500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double w = 0;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		desk_power(&s, b, 1000);
		desk_wait(&s, ROWS[r].read_ago_ms);
		desk_grid(&s, 500);
		s.dev[b].ordered = ROWS[r].told;
		s.dev[b].ordered_at_ms = s.now_ms - ROWS[r].told_ago_ms;
		assert_row(ROWS[r].name, view_surplus(&s, &w));
		assert_row_near(ROWS[r].name, w, ROWS[r].must);
		s.dev[b].ordered_at_ms = 0; /* never told */
		assert_row(ROWS[r].name, view_surplus(&s, &w));
		assert_row_near(ROWS[r].name, w, ROWS[r].read_ago_ms > READING_LOST_MS ? -500 : 500);
	}
	s.grid_device = -1;
	assert_false(view_surplus(&s, &(double){ 0 }));
}

/* The speed a floor must reckon with. */
static void drains(void **state)
{
	static const struct { const char *name; struct order told; double power_w; int64_t age_ms; double capacity, must; } ROWS[] = {
		{ "at rest", { .kind = ORDER_POWER }, 0, 0, 10000, 0 }, { "charging", { .kind = ORDER_POWER, .w = 500 }, 1000, 0, 10000, 0 },
		{ "as read", { .kind = ORDER_RELEASE }, -1000, 0, 10000, 11 }, { "told more", { .kind = ORDER_POWER, .w = -2000 }, -1000, 0, 10000, 22 },
		{ "told more, in our loop", { .kind = ORDER_BALANCE, .w = -2000 }, -1000, 0, 10000, 22 },
		{ "told less: it may still", { .kind = ORDER_BALANCE, .w = -500 }, -1000, 0, 10000, 11 },
		{ "by itself, read just now", { .kind = ORDER_BALANCE, .native = true, .min_w = -4000 }, -1000, 2000, 10000, 11 },
		{ "by itself, read a while ago", { .kind = ORDER_BALANCE, .native = true, .min_w = -4000 }, -1000, 2001, 10000, 44 },
		{ "not read at all: what it can", { .kind = ORDER_RELEASE }, NAN, 0, 10000, 55 }, { "nobody knows how large", { .kind = ORDER_RELEASE }, -1000, 0, NAN, 22 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		value_set(&s.dev[b].state.ac_power_w, ROWS[r].power_w, s.now_ms - ROWS[r].age_ms, isnan(ROWS[r].power_w) ? Q_ABSENT : Q_GOOD);
		s.dev[b].ordered = ROWS[r].told;
		s.dev[b].capacity_wh = ROWS[r].capacity;
		assert_row_near(ROWS[r].name, view_drain_pct_h(&s, b), ROWS[r].must);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ratings_by_kind),
		cmocka_unit_test(size_of_pv),
		cmocka_unit_test(steered),
		cmocka_unit_test(own_power_by_kind),
		cmocka_unit_test(faults),
		cmocka_unit_test(who_may_order),
		cmocka_unit_test(settle_times),
		cmocka_unit_test(recent),
		cmocka_unit_test(phases_and_volts),
		cmocka_unit_test(a_phase_that_is_not_read),
		cmocka_unit_test(capacities),
		cmocka_unit_test(presents_limits),
		cmocka_unit_test(phases_of_a_device),
		cmocka_unit_test(cars_there_and_charging),
		cmocka_unit_test(surplus),
		cmocka_unit_test(drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
