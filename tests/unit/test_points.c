/* Readings -> values, their ageing, and the rhythm of polls. */
#include "drivers/points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void test_put(void **state)
{
	static const struct {
		const char *name;
		enum field f;
		double v;
		enum quality q;
	} ROWS[] = {
		{ "SoC of -453", F_BATTERY_SOC_PCT, -453, Q_BAD },
		{ "SoC of 655.35", F_BATTERY_SOC_PCT, 655.35, Q_BAD },
		{ "NaN", F_METER_POWER_W, NAN, Q_BAD },
		{ "infinite", F_METER_POWER_W, INFINITY, Q_BAD },
		{ "5 Hz", F_METER_FREQUENCY_HZ, 5, Q_BAD },
		{ "capacity 0", F_BATTERY_CAPACITY_WH, 0, Q_BAD },
		{ "SoC of 0", F_BATTERY_SOC_PCT, 0, Q_GOOD },
		{ "SoC of 100", F_BATTERY_SOC_PCT, 100, Q_GOOD },
		{ "night of a PV", F_PV_POWER_W, 4, Q_GOOD },
		{ "sun from nowhere", F_PV_POWER_W, 5000, Q_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct device_state s = { 0 };

		value_set(&s.f[ROWS[i].f], 42, 500, Q_GOOD);
		point_put(&s, ROWS[i].f, ROWS[i].v, 1000, Q_GOOD);
		if (s.f[ROWS[i].f].q != ROWS[i].q || s.f[ROWS[i].f].v != (ROWS[i].q == Q_BAD ? 42 : ROWS[i].v))
			fail_msg("%s", ROWS[i].name);
	}
}

static void test_negative_zero_is_zero(void **state)
{
	struct device_state s = { 0 };

	(void)state;
	point_put(&s, F_METER_POWER_W, -0.0, 1000, Q_GOOD);
	assert_false(signbit(s.f[F_METER_POWER_W].v));
}

static void test_ac_power(void **state)
{
	struct device_state s = { .kinds = KIND_BATTERY };

	(void)state;
	points_derive(&s);
	assert_int_equal(s.ac_power_w.q, Q_ABSENT); /* unknown is absent, never 0 */
	point_put(&s, F_BATTERY_POWER_W, 960, 1000, Q_GOOD);
	points_derive(&s);
	assert_int_equal(s.ac_power_w.q, Q_DERIVED);
	assert_true(fabs(s.ac_power_w.v - 1000) < 1e-9);
	point_put(&s, F_BATTERY_POWER_W, -1000, 2000, Q_UNVERIFIED);
	points_derive(&s);
	assert_int_equal(s.ac_power_w.q, Q_UNVERIFIED);
	assert_true(fabs(s.ac_power_w.v + 960) < 1e-9);
	point_put(&s, F_BATTERY_POWER_AC_W, -950, 2000, Q_GOOD); /* measured beats derived */
	points_derive(&s);
	assert_true(s.ac_power_w.v == -950 && s.ac_power_w.q == Q_GOOD);
	s.kinds |= KIND_INVERTER | KIND_PV;
	point_put(&s, F_INVERTER_POWER_W, -2950, 2000, Q_GOOD); /* a hybrid counts once, with its inverter */
	point_put(&s, F_PV_POWER_W, -2000, 2000, Q_GOOD);
	points_derive(&s);
	assert_true(s.ac_power_w.v == -2950);
}

static void test_age(void **state)
{
	struct device_state s = { 0 };
	bool slow[F_COUNT] = { [F_METER_ENERGY_IMPORT_WH] = true };

	(void)state;
	point_put(&s, F_METER_POWER_W, 100, 1000, Q_GOOD);
	point_put(&s, F_METER_ENERGY_IMPORT_WH, 5, 1000, Q_GOOD);
	points_age(&s, slow, 11000, 10000, 180000);
	assert_int_equal(s.f[F_METER_POWER_W].q, Q_GOOD);
	points_age(&s, slow, 11001, 10000, 180000);
	assert_int_equal(s.f[F_METER_POWER_W].q, Q_STALE);
	assert_true(s.f[F_METER_POWER_W].v == 100);
	assert_int_equal(s.f[F_METER_ENERGY_IMPORT_WH].q, Q_GOOD);
	points_silent(&s);
	assert_int_equal(s.f[F_METER_ENERGY_IMPORT_WH].q, Q_STALE);
	assert_int_equal(s.f[F_METER_VOLTAGE_L1_V].q, Q_ABSENT);
}

static void test_cadence(void **state)
{
	struct cadence c = { .interval_ms = 1000 };
	int64_t now = 1234;

	(void)state;
	assert_false(cadence_silent(&c, now)); /* never asked */
	cadence_begin(&c, now);
	assert_int_equal(c.due_ms, 2000); /* on the grid all devices share */
	cadence_ok(&c, now);
	for (int i = 0; i < 2; i++)
		cadence_missed(&c, now, true);
	assert_int_equal(c.due_ms, 2000);
	assert_false(cadence_silent(&c, now));
	cadence_missed(&c, now, true);
	assert_true(cadence_silent(&c, now));
	assert_int_equal(c.due_ms, now + 2000);
	for (int i = 0; i < 50; i++)
		cadence_missed(&c, now, true);
	assert_int_equal(c.due_ms, now + 20000);
	cadence_begin(&c, now);
	cadence_missed(&c, now, false); /* no link: asking costs nothing, so there is no waiting */
	assert_int_equal(c.due_ms, 2000);
	cadence_ok(&c, now);
	assert_false(cadence_silent(&c, now + 10000));
	assert_true(cadence_silent(&c, now + 10001));
	c.interval_ms = 10000; /* KEBA: three of its own polls, not 10 s */
	assert_false(cadence_silent(&c, now + 30000));
	assert_true(cadence_silent(&c, now + 36000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),      cmocka_unit_test(test_negative_zero_is_zero),
		cmocka_unit_test(test_ac_power), cmocka_unit_test(test_age),
		cmocka_unit_test(test_cadence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
