/* A meter that answers but does not move. */
#include "core/frozen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void meter(struct device_state *s, int64_t at_ms, double w, double v, double hz)
{
	value_set(&s->f[F_METER_POWER_W], w, at_ms, Q_GOOD);
	value_set(&s->f[F_METER_VOLTAGE_L1_V], v, at_ms, Q_GOOD);
	value_set(&s->f[F_METER_FREQUENCY_HZ], hz, at_ms, Q_GOOD);
	s->ac_power_w = s->f[F_METER_POWER_W];
}

static void test_standing_still(void **state)
{
	struct device_state s;
	struct frozen z = { 0 };

	(void)state;
	memset(&s, 0, sizeof(s));
	for (int64_t t = 1000; t < 60000; t += 1000) {
		meter(&s, t, 500, 230.1, 50.01);
		assert_false(frozen_check(&z, &s, t));
	}
	meter(&s, 61000, 500, 230.1, 50.01);
	assert_true(frozen_check(&z, &s, 61000));
	assert_int_equal(s.f[F_METER_POWER_W].q, Q_BAD);
	assert_int_equal(s.ac_power_w.q, Q_BAD);
	meter(&s, 62000, 500, 230.2, 50.01); /* one number moves: it lives */
	assert_false(frozen_check(&z, &s, 62000));
	assert_int_equal(s.f[F_METER_POWER_W].q, Q_GOOD);
}

static void test_few_values_prove_nothing(void **state)
{
	struct device_state s;
	struct frozen z = { 0 };

	(void)state;
	memset(&s, 0, sizeof(s));
	for (int64_t t = 1000; t < 300000; t += 1000) {
		value_set(&s.f[F_METER_POWER_W], 0, t, Q_GOOD);
		assert_false(frozen_check(&z, &s, t));
	}
}

static void test_no_new_reading_is_not_frozen(void **state)
{
	struct device_state s;
	struct frozen z = { 0 };

	(void)state;
	memset(&s, 0, sizeof(s));
	meter(&s, 1000, 500, 230.1, 50.01);
	assert_false(frozen_check(&z, &s, 1000));
	assert_false(frozen_check(&z, &s, 120000)); /* silence is aged by the driver, not called frozen */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standing_still),
		cmocka_unit_test(test_few_values_prove_nothing),
		cmocka_unit_test(test_no_new_reading_is_not_frozen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
