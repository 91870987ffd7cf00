/* Rank 1: what is lost, faulty, away, paused or stopping; ratings; and the last check. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;

static void posture_by_case(void **state)
{
	static const struct {
		const char *name;
		bool stopping, lost, paused, fault;
		int64_t back_ago_ms; /* 0 = never */
		enum order_kind battery, charger;
	} ROWS[] = {
		{ "nothing special", false, false, false, false, 0, ORDER_NONE, ORDER_NONE },
		{ "stop releases all, even on an island", true, true, false, true, 0, ORDER_RELEASE, ORDER_RELEASE },
		{ "stop", true, false, false, false, 0, ORDER_RELEASE, ORDER_RELEASE },
		{ "island: battery free, car off", false, true, false, false, 0, ORDER_RELEASE, ORDER_POWER },
		{ "island beats pause for the car", false, true, true, false, 0, ORDER_RELEASE, ORDER_POWER },
		{ "a minute after the grid is back", false, false, false, false, 59999, ORDER_RELEASE, ORDER_POWER },
		{ "then orders return", false, false, false, false, 60000, ORDER_NONE, ORDER_NONE },
		{ "pause", false, false, true, false, 0, ORDER_RELEASE, ORDER_RELEASE },
		{ "fault holds", false, false, false, true, 0, ORDER_POWER, ORDER_POWER },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		const struct wishes *w;
		int b, c;

		desk_init(&s);
		b = desk_battery(&s, 50);
		c = desk_charger(&s, 0);
		s.stopping = ROWS[r].stopping;
		s.grid_lost = ROWS[r].lost;
		s.paused = ROWS[r].paused;
		s.grid_back_ms = ROWS[r].back_ago_ms ? s.now_ms - ROWS[r].back_ago_ms : 0;
		if (ROWS[r].fault) {
			value_set(&s.dev[b].state.f[F_BATTERY_STATE], BATTERY_FAULT, s.now_ms, Q_GOOD);
			value_set(&s.dev[c].state.f[F_CHARGER_STATE], CHARGER_F, s.now_ms, Q_GOOD);
		}
		w = desk_step(&POLICY_GUARD, &s, NULL);
		o = desk_order(w, b, RANK_NONE);
		assert_row(ROWS[r].name, (o ? o->order.kind : ORDER_NONE) == ROWS[r].battery && (!o || o->order.w == 0));
		o = desk_order(w, c, RANK_NONE);
		assert_row(ROWS[r].name, (o ? o->order.kind : ORDER_NONE) == ROWS[r].charger && (!o || o->order.w == 0));
	}
}

/* A reload takes one device away: it is given back, the others go on. */
static void one_leaves(void **state)
{
	const struct order_wish *o;
	const struct wishes *w;
	int b, c;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 50);
	c = desk_charger(&s, 0);
	s.dev[c].leaving = true;
	w = desk_step(&POLICY_GUARD, &s, NULL);
	o = desk_order(w, c, RANK_NONE);
	assert_true(o && o->order.kind == ORDER_RELEASE && o->code == REASON_STOPPING);
	assert_null(desk_order(w, b, RANK_NONE));
}

static void ratings_are_the_smallest_of_all(void **state)
{
	static const struct { const char *name; double configured, own, limit, must; } ROWS[] = {
		{ "nothing known: nothing allowed", NAN, 0, NAN, 0 },
		{ "the device's own", NAN, 5000, NAN, 5000 },
		{ "configuration lowers", 3000, 5000, NAN, 3000 },
		{ "configuration does not raise", 9000, 5000, NAN, 5000 },
		{ "configuration alone", 4000, 0, NAN, 4000 },
		{ "a present limit lowers", 4000, 5000, 700, 700 },
		{ "a configured 0 forbids", 0, 5000, NAN, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		s.dev[b].charge_max_w = s.dev[b].discharge_max_w = ROWS[r].configured;
		s.dev[b].state.caps.charge_max_w = s.dev[b].state.caps.discharge_max_w = ROWS[r].own;
		if (!isnan(ROWS[r].limit)) {
			value_set(&s.dev[b].state.f[F_BATTERY_CHARGE_LIMIT_W], ROWS[r].limit, s.now_ms, Q_GOOD);
			value_set(&s.dev[b].state.f[F_BATTERY_DISCHARGE_LIMIT_W], ROWS[r].limit, s.now_ms, Q_GOOD);
		}
		desk_bounds(desk_step(&POLICY_GUARD, &s, NULL), b, &lo, &hi);
		assert_row_near(ROWS[r].name, lo, -ROWS[r].must);
		assert_row_near(ROWS[r].name, hi, ROWS[r].must);
	}
}

static void meter_is_lost_after_ten_seconds(void **state)
{
	static const struct { const char *name; int64_t age_ms; enum quality q; bool device, lost; } ROWS[] = {
		{ "never read", 0, Q_ABSENT, true, true },
		{ "no meter at this site", 0, Q_GOOD, false, true },
		{ "fresh", 0, Q_GOOD, true, false },
		{ "unverified is a number", 0, Q_UNVERIFIED, true, false },
		{ "ten seconds", 10000, Q_GOOD, true, false },
		{ "more", 10001, Q_GOOD, true, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct wishes *w;
		double lo, hi;
		int b, c;

		desk_init(&s);
		b = desk_battery(&s, 50);
		c = desk_charger(&s, 0);
		value_set(&s.grid_w, 100, s.now_ms - ROWS[r].age_ms, ROWS[r].q);
		s.grid_device = ROWS[r].device ? 0 : -1;
		w = desk_step(&POLICY_GUARD, &s, NULL);
		assert_row(ROWS[r].name, w->meter_lost == ROWS[r].lost);
		desk_bounds(w, b, &lo, &hi);
		assert_row_near(ROWS[r].name, hi, ROWS[r].lost ? 0 : 5000);
		assert_row_near(ROWS[r].name, lo, ROWS[r].lost ? 0 : -5000); /* the power-only bound among them */
		desk_bounds(w, c, &lo, &hi);
		assert_row_near(ROWS[r].name, hi, ROWS[r].lost ? 6 * 230 : 32 * 230);
	}
}

static void failsafe_current_without_a_meter(void **state)
{
	static const struct { const char *name; double amps, must; } ROWS[] = {
		{ "said", 8, 8 * 230 }, { "0 is 0", 0, 0 }, { "not said", NAN, 6 * 230 }, { "nonsense", -1, 6 * 230 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;
		int car;

		desk_init(&s);
		car = desk_charger(&s, 0);
		s.dev[car].failsafe_a = ROWS[r].amps;
		s.grid_w.q = Q_ABSENT;
		desk_bounds(desk_step(&POLICY_GUARD, &s, NULL), car, &lo, &hi);
		assert_row_near(ROWS[r].name, hi, ROWS[r].must);
	}
}

/* Sun that a car is read to take is not held back while nobody sees the grid. */
static void the_sun_of_a_car_without_a_meter(void **state)
{
	static const struct { const char *name; double export_w, car_w; int64_t age_ms; double must; } ROWS[] = {
		{ "no car draws", 0, 0, 0, 0 }, { "one that seems to give", 0, -1000, 0, 0 }, { "a step is not full", 0, 526, 0, 0 },
		{ "a step", 0, 527, 0, -500 }, { "several", 0, 4140, 0, -3500 }, { "and what may go out", 700, 4140, 0, -4200 },
		{ "no more than the rating", 0, 11040, 0, -6000 }, { "its reading is 30 s old", 0, 4140, 30000, -3500 },
		{ "and lost", 0, 4140, 30001, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;
		int pv;

		desk_init(&s);
		desk_charger(&s, ROWS[r].car_w);
		pv = desk_charger(&s, 0);
		s.dev[pv].roles = ROLE_PV;
		s.dev[pv].state.caps = (struct device_caps){ .can_curtail = true, .discharge_max_w = 6000, .guarded_by = GUARDED_DEVICE };
		desk_wait(&s, ROWS[r].age_ms);
		s.grid_w.q = Q_ABSENT;
		s.external.export_w = ROWS[r].export_w;
		desk_bounds(desk_step(&POLICY_GUARD, &s, NULL), pv, &lo, &hi);
		assert_row_near(ROWS[r].name, lo, ROWS[r].must);
	}
}

/* Doubt asks before guard: what it says of the meter holds, and the little it lets a battery charge passes. */
static void a_doubted_meter_and_its_probe(void **state)
{
	static const struct { const char *name; bool lost, doubted; double probe_w; enum reason other; double must; enum reason code; } ROWS[] = {
		{ "believed", false, false, 0, REASON_DOUBT, 5000, REASON_RATING }, { "doubted", false, true, 0, REASON_DOUBT, 0, REASON_DOUBT },
		{ "doubted, and tried", false, true, 300, REASON_DOUBT, 300, REASON_DOUBT },
		{ "doubted, and tried the other way", false, true, -300, REASON_DOUBT, 0, REASON_DOUBT },
		{ "doubted, and somebody else wants to charge", false, true, 300, REASON_OWNER, 0, REASON_DOUBT },
		{ "gone altogether", true, true, 0, REASON_DOUBT, 0, REASON_METER_LOST },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		static struct wishes w;
		static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
		double lo, hi;
		int b;

		memset(&w, 0, sizeof(w));
		memset(memory, 0, sizeof(memory));
		desk_init(&s);
		b = desk_battery(&s, 50);
		desk_battery(&s, 50);
		if (ROWS[r].lost)
			s.grid_w.q = Q_ABSENT;
		w.meter_lost = w.meter_doubted = ROWS[r].doubted;
		wish_order(&w, b + 1, order_power(2000), 0, REASON_DOUBT, "another one");
		wish_order(&w, b, order_power(ROWS[r].probe_w), 0, ROWS[r].other, "tried");
		POLICY_GUARD.step(memory, &s, &w);
		desk_bounds(&w, b, &lo, &hi);
		assert_row_near(ROWS[r].name, hi, ROWS[r].must);
		assert_row_near(ROWS[r].name, lo, ROWS[r].doubted ? 0 : -5000);
		assert_row(ROWS[r].name, w.meter_lost == (ROWS[r].lost || ROWS[r].doubted) && w.meter_doubted == (ROWS[r].doubted && !ROWS[r].lost));
		assert_row(ROWS[r].name, w.limits[w.n_limits - 1].code == ROWS[r].code);
	}
}

static void a_meter_that_stays_bad_is_lost_whatever_its_time(void **state)
{
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];

	(void)state;
	memset(memory, 0, sizeof(memory));
	desk_init(&s);
	desk_battery(&s, 50);
	assert_false(desk_step(&POLICY_GUARD, &s, memory)->meter_lost);
	for (int t = 1; t <= 11; t++) {
		desk_wait(&s, 1000);
		value_set(&s.grid_w, 100, s.now_ms, Q_BAD);
		assert_int_equal(desk_step(&POLICY_GUARD, &s, memory)->meter_lost, t > 10);
	}
	desk_grid(&s, 100);
	assert_false(desk_step(&POLICY_GUARD, &s, memory)->meter_lost);
}

static void soc_unknown_holds(void **state)
{
	static const struct { const char *name; double soc; int64_t age_ms; enum quality q; bool held; } ROWS[] = {
		{ "never read", 0, 0, Q_ABSENT, true },
		{ "not a number", NAN, 0, Q_GOOD, true },
		{ "-453 %", -453, 0, Q_GOOD, true },
		{ "453 %", 453, 0, Q_GOOD, true },
		{ "fresh", 50, 0, Q_GOOD, false },
		{ "a minute old", 50, 60000, Q_GOOD, false },
		{ "older", 50, 60001, Q_GOOD, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		value_set(&s.dev[b].state.f[F_BATTERY_SOC_PCT], ROWS[r].soc, s.now_ms - ROWS[r].age_ms, ROWS[r].q);
		o = desk_order(desk_step(&POLICY_GUARD, &s, NULL), b, RANK_NONE);
		assert_row(ROWS[r].name, (o != NULL) == ROWS[r].held);
		assert_row(ROWS[r].name, !o || (o->order.kind == ORDER_POWER && o->order.w == 0));
	}
}

static void full_and_empty_by_hardware(void **state)
{
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
	static const struct { double soc, lo, hi; } ROWS[] = {
		{ 89.9, -5000, 5000 }, { 90, -5000, 0 }, { 89.8, -5000, 0 }, { 89.7, -5000, 5000 }, { 5, 0, 5000 }, { 5.1, -5000, 5000 },
	};
	int b;

	(void)state;
	memset(memory, 0, sizeof(memory));
	desk_init(&s);
	b = desk_battery(&s, 50);
	s.dev[b].soc_max_pct = 90;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;
		char row[16];

		snprintf(row, sizeof(row), "%zu", r);
		desk_soc(&s, b, ROWS[r].soc);
		desk_bounds(desk_step(&POLICY_GUARD, &s, memory), b, &lo, &hi);
		assert_row_near(row, lo, ROWS[r].lo);
		assert_row_near(row, hi, ROWS[r].hi);
	}
}

static void the_last_check_only_takes_away(void **state)
{
	static const struct { const char *name; bool charger; double soc; struct order in; double w, lo, hi; bool changed; } ROWS[] = {
		{ "not a number", false, 50, { .kind = ORDER_POWER, .w = NAN }, 0, 0, 0, true },
		{ "infinite", false, 50, { .kind = ORDER_POWER, .w = INFINITY }, 0, 0, 0, true },
		{ "above the rating", false, 50, { .kind = ORDER_POWER, .w = 9000 }, 5000, 0, 0, true },
		{ "below the rating", false, 50, { .kind = ORDER_POWER, .w = -9000 }, -5000, 0, 0, true },
		{ "at the floor", false, 20, { .kind = ORDER_POWER, .w = -1000 }, 0, 0, 0, true },
		{ "at the floor, balancing by itself", false, 20, { .kind = ORDER_BALANCE, .w = 0, .min_w = -5000, .max_w = 5000, .native = true }, 0, 0, 5000, true },
		{ "charging at the floor is fine", false, 20, { .kind = ORDER_POWER, .w = 1000 }, 1000, 0, 0, false },
		{ "nothing to do", false, 50, { .kind = ORDER_BALANCE, .w = -100, .min_w = -5000, .max_w = 5000 }, -100, -5000, 5000, false },
		{ "a band that is no number", false, 50, { .kind = ORDER_BALANCE, .min_w = NAN, .max_w = NAN }, 0, 0, 0, true },
		{ "a band too wide above", false, 50, { .kind = ORDER_BALANCE, .max_w = 6000 }, 0, 0, 5000, true },
		{ "a band too wide below", false, 50, { .kind = ORDER_BALANCE, .min_w = -6000 }, 0, -5000, 0, true },
		{ "loop outside its band", false, 50, { .kind = ORDER_BALANCE, .w = -900, .min_w = -500, .max_w = 500 }, -500, -500, 500, true },
		{ "a car below 6 A", true, 50, { .kind = ORDER_POWER, .w = 1300 }, 0, 0, 0, true },
		{ "a car at 6 A", true, 50, { .kind = ORDER_POWER, .w = 1380 }, 1380, 0, 0, false },
		{ "a car cannot give", true, 50, { .kind = ORDER_POWER, .w = -2000 }, 0, 0, 0, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct order o = ROWS[r].in;
		int i;

		desk_init(&s);
		i = ROWS[r].charger ? desk_charger(&s, 0) : desk_battery(&s, ROWS[r].soc);
		assert_row(ROWS[r].name, guard_again(&s, i, &o) == ROWS[r].changed);
		assert_row_near(ROWS[r].name, o.w, ROWS[r].w);
		if (o.kind == ORDER_BALANCE) {
			assert_row_near(ROWS[r].name, o.min_w, ROWS[r].lo);
			assert_row_near(ROWS[r].name, o.max_w, ROWS[r].hi);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posture_by_case),
		cmocka_unit_test(one_leaves),
		cmocka_unit_test(ratings_are_the_smallest_of_all),
		cmocka_unit_test(meter_is_lost_after_ten_seconds),
		cmocka_unit_test(failsafe_current_without_a_meter),
		cmocka_unit_test(the_sun_of_a_car_without_a_meter),
		cmocka_unit_test(a_doubted_meter_and_its_probe),
		cmocka_unit_test(a_meter_that_stays_bad_is_lost_whatever_its_time),
		cmocka_unit_test(soc_unknown_holds),
		cmocka_unit_test(full_and_empty_by_hardware),
		cmocka_unit_test(the_last_check_only_takes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
