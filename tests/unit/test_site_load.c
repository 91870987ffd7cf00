/* The load people are told while devices move: readings of different moments make no load that never was. A house with a meter, a
 * battery, a car and a kettle is played second by second; each device is read in its own rhythm. */
#include "core/site_load.h"

#include "support/cm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct snapshot s;
static struct site_load load;
static struct site_sums sums;

#define BOOT_MS 100000

enum { GRID, BATTERY, CAR, N };

/* @every_ms  read so often, @late_ms after the whole second */
struct rhythm { int every_ms, late_ms; };

static void value_read(struct value *v, const struct rhythm *r, double w, int64_t now_ms)
{
	if ((now_ms - r->late_ms) % r->every_ms == 0)
		value_set(v, w, BOOT_MS + now_ms, Q_GOOD);
}

/* Times are since this one. */
static void begin(void)
{
	memset(&s, 0, sizeof(s));
	memset(&load, 0, sizeof(load));
	s.n_devices = N;
	s.dev[GRID].roles = ROLE_GRID;
	s.dev[BATTERY].roles = ROLE_BATTERY;
	s.dev[CAR].roles = ROLE_CHARGER;
	value_set(&s.grid_w, 500, BOOT_MS, Q_GOOD);
	value_set(&s.dev[BATTERY].state.ac_power_w, 0, BOOT_MS, Q_GOOD);
	value_set(&s.dev[CAR].state.ac_power_w, 0, BOOT_MS, Q_GOOD);
}

static void step(int64_t now_ms)
{
	s.now_ms = BOOT_MS + now_ms;
	site_sums(&s, &sums);
	site_load_step(&load, &s, &sums);
	site_load_sums(&load, &s, &sums);
}

/* Up to @full_w within @ramp_s from second 20 on. */
static double ramp(int64_t ms, double full_w, int ramp_s)
{
	return ms < 20000 ? 0 : ms >= 20000 + 1000LL * ramp_s ? full_w : full_w * (double)(ms - 20000) / (1000.0 * ramp_s);
}

static void test_a_house(void **state)
{
	static const struct {
		const char *name;
		struct rhythm grid, battery, car;
		double kettle_w, car_w, battery_w; /* from second 20 on */
		int ramp_s;                        /* of car and battery */
		bool rests;                        /* the car was told 0 W long ago */
		double low_w, high_w;              /* what may be told; the house takes 500 W and the kettle */
		int silent_s;                      /* so long it may be left out, in all */
		int right_by_s;                    /* from then on the truth is told */
	} ROWS[] = {
		{ "a car starts, read after the meter", { 1000, 0 }, { 1000, 400 }, { 1000, 600 }, 0, 7000, 0, 0, false, 500, 500, 0, 22 },
		{ "... before the meter", { 1000, 600 }, { 1000, 400 }, { 1000, 200 }, 0, 7000, 0, 0, false, 500, 500, 0, 22 },
		{ "... a ramp", { 1000, 0 }, { 1000, 400 }, { 1000, 200 }, 0, 7000, 0, 7, false, -500, 1500, 0, 29 },
		{ "... a ramp, a quick meter", { 200, 0 }, { 1000, 400 }, { 5000, 200 }, 0, 7000, 0, 5, false, 200, 800, 2, 32 },
		{ "... read every 5 s", { 1000, 0 }, { 1000, 400 }, { 5000, 4800 }, 0, 11000, 0, 0, false, 500, 500, 0, 26 },
		{ "... read every 10 s", { 1000, 0 }, { 1000, 400 }, { 10000, 9800 }, 0, 11000, 0, 0, false, 500, 500, 1, 31 },
		{ "... read every 10 s, and a kettle", { 1000, 0 }, { 1000, 400 }, { 10000, 9800 }, 2000, 11000, 0, 0, false, 500, 2500, 1, 42 },
		{ "a kettle", { 1000, 0 }, { 1000, 400 }, { 1000, 600 }, 2000, 0, 0, 0, false, 500, 2500, 0, 23 },
		{ "... beside a car that rests, read every 20 s", { 1000, 0 }, { 1000, 400 }, { 20000, 600 }, 2000, 0, 0, 0, true, 500, 2500, 0, 23 },
		{ "... beside one that may start", { 1000, 0 }, { 1000, 400 }, { 10000, 600 }, 2000, 0, 0, 0, false, 500, 2500, 3, 32 },
		{ "... covered by a battery", { 1000, 0 }, { 1000, 400 }, { 1000, 600 }, 2000, 0, -2000, 2, false, 500, 2500, 0, 26 },
		{ "a small load", { 1000, 0 }, { 1000, 400 }, { 20000, 600 }, 299, 0, 0, 0, false, 500, 799, 0, 21 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const double true_w = 500 + ROWS[i].kettle_w;
		int silent = 0;

		begin();
		s.dev[CAR].ordered = (struct order){ .kind = ORDER_POWER, .w = ROWS[i].rests ? 0 : 1400 };
		s.dev[CAR].ordered_at_ms = BOOT_MS - 20000;
		for (int64_t ms = 0; ms < 60000; ms += 200) {
			const double car_w = ramp(ms, ROWS[i].car_w, ROWS[i].ramp_s), battery_w = ramp(ms, ROWS[i].battery_w, ROWS[i].ramp_s);
			const double grid_w = 500 + ramp(ms, ROWS[i].kettle_w, 0) + car_w + battery_w;

			value_read(&s.grid_w, &ROWS[i].grid, grid_w, ms);
			value_read(&s.dev[BATTERY].state.ac_power_w, &ROWS[i].battery, battery_w, ms);
			value_read(&s.dev[CAR].state.ac_power_w, &ROWS[i].car, car_w, ms);
			step(ms);
			if (ms < 20000)
				continue;
			silent += isnan(sums.load_w);
			if (!(isnan(sums.load_w) || (sums.load_w >= ROWS[i].low_w && sums.load_w <= ROWS[i].high_w)))
				fail_msg("%s: %g W at %g s", ROWS[i].name, sums.load_w, (double)ms / 1000);
			if (ms >= 1000LL * ROWS[i].right_by_s && !(fabs(sums.load_w - true_w) < 1))
				fail_msg("%s: still %g W at %g s", ROWS[i].name, sums.load_w, (double)ms / 1000);
		}
		if (silent > 5 * ROWS[i].silent_s)
			fail_msg("%s: left out for %g s", ROWS[i].name, silent / 5.0);
	}
}

/* A hob that goes on and off all the time: not the truth of each second, but always a load that was. */
static void test_a_house_that_never_stands_still(void **state)
{
	int high = 0, silent = 0;

	(void)state;
	begin();
	for (int64_t ms = 0; ms < 300000; ms += 1000) {
		value_set(&s.grid_w, ms / 1000 % 3 ? 2500 : 500, BOOT_MS + ms, Q_GOOD);
		value_set(&s.dev[BATTERY].state.ac_power_w, 0, BOOT_MS + ms, Q_GOOD);
		value_set(&s.dev[CAR].state.ac_power_w, 0, BOOT_MS + ms, Q_GOOD);
		step(ms);
		if (ms < 10000)
			continue;
		silent += isnan(sums.load_w);
		high += sums.load_w == 2500;
		assert_true(isnan(sums.load_w) || sums.load_w == 2500 || sums.load_w == 500);
	}
	assert_int_equal(silent, 0);
	assert_true(high > 0);
}

/* What is not known is never told, whatever was; and is told anew once everybody was read. */
static void test_unknown(void **state)
{
	(void)state;
	begin();
	step(0);
	assert_true(sums.load_w == 500);
	s.dev[CAR].state.ac_power_w.q = Q_STALE;
	step(1000);
	assert_true(isnan(sums.load_w) && sums.grid_w == 500);
	value_set(&s.grid_w, 7500, BOOT_MS + 2000, Q_GOOD);
	value_set(&s.dev[CAR].state.ac_power_w, 0, BOOT_MS + 1000, Q_GOOD);
	step(2000);
	assert_true(sums.load_w == 500); /* the car was read before the meter */
	step(10000);
	assert_true(sums.load_w == 500); /* for as long as a reading counts */
	value_set(&s.dev[BATTERY].state.ac_power_w, 0, BOOT_MS + 10001, Q_GOOD);
	step(10001);
	assert_true(isnan(sums.load_w) && sums.grid_w == 7500);
	value_set(&s.dev[CAR].state.ac_power_w, 0, BOOT_MS + 10500, Q_GOOD);
	step(10500);
	assert_true(isnan(sums.load_w)); /* now it is the meter that was not */
	value_set(&s.grid_w, 7500, BOOT_MS + 11000, Q_GOOD);
	step(11000);
	assert_true(sums.load_w == 7500);
}

/* One reading that jumps is not told, however new all are; one of many is, once what was told is as old as that. */
static void test_a_jump(void **state)
{
	static const struct { int64_t ms; double grid_w, told_w; } ROWS[] = {
		{ 0, 500, 500 }, { 1000, 2500, 500 }, { 2000, 500, 500 }, { 2500, 800, 500 }, { 3000, 500, 500 }, { 4000, 2500, 500 }, { 6000, 1000, 500 },
		{ 8000, 2500, 500 }, { 10000, 1000, 500 }, { 12000, 2500, 500 }, { 12999, 1000, 500 }, { 13000, 2500, 2500 },
	};

	(void)state;
	begin();
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		value_set(&s.grid_w, ROWS[i].grid_w, BOOT_MS + ROWS[i].ms, Q_GOOD);
		value_set(&s.dev[BATTERY].state.ac_power_w, 0, BOOT_MS + ROWS[i].ms, Q_GOOD);
		value_set(&s.dev[CAR].state.ac_power_w, 0, BOOT_MS + ROWS[i].ms, Q_GOOD);
		step(ROWS[i].ms);
		if (sums.load_w != ROWS[i].told_w)
			fail_msg("%g W at %g s", sums.load_w, (double)ROWS[i].ms / 1000);
	}
}

/* A kettle goes on at second 2; the car was told 0 W at second 0 and read last at @car_ms. */
static void test_a_car_at_rest(void **state)
{
	static const struct { const char *name; int64_t car_ms; double car_w, told_w; } ROWS[] = {
		{ "read since", 1001, 0, 2500 }, { "perhaps of before", 1000, 0, 500 }, { "of before", 0, 0, 500 },
		{ "a little", 1001, 99.9, 2500 }, { "it draws", 1001, 100, 500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		begin();
		s.dev[CAR].ordered = (struct order){ .kind = ORDER_POWER };
		s.dev[CAR].ordered_at_ms = BOOT_MS;
		for (int64_t ms = 0; ms <= 3000; ms += 1000) {
			value_set(&s.dev[CAR].state.ac_power_w, ROWS[i].car_w, BOOT_MS + (ms ? ROWS[i].car_ms : 0), Q_GOOD);
			value_set(&s.grid_w, (ms < 2000 ? 500 : 2500) + ROWS[i].car_w, BOOT_MS + ms, Q_GOOD);
			value_set(&s.dev[BATTERY].state.ac_power_w, 0, BOOT_MS + ms, Q_GOOD);
			step(ms);
		}
		if (!(fabs(sums.load_w - ROWS[i].told_w) < 0.001))
			fail_msg("%s: %g W", ROWS[i].name, sums.load_w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_house),
		cmocka_unit_test(test_a_house_that_never_stands_still),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_a_jump),
		cmocka_unit_test(test_a_car_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
