/* The forecaster on made-up days, including those of 23 and 25 hours, and on the sun. */
#include "policies/planner/forecast.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define HOUR 3600000LL
#define MINUTE 60000LL
#define MARCH_28 1774656000000LL   /* 2026-03-28T00:00:00Z; London jumps on the 29th at 01:00 UTC */
#define OCTOBER_24 1792800000000LL /* 2026-10-24T00:00:00Z; London falls back on the 25th at 01:00 UTC */

static const struct zone LONDON = { "Europe/London", 3, { { 0, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
static const struct zone UTC = { "UTC", 0, { { 0, 0 } } };
static const struct forecast_site NOWHERE = { NAN, NAN, 0 };

/* A household by the local clock: 2 kW from 18:00 to 20:00, else 400 W. */
static double habit(const struct zone *z, int64_t utc_ms)
{
	struct civil c;

	calendar_local(z, utc_ms, &c);
	return c.hour >= 18 && c.hour < 20 ? 2000 : 400;
}

static void live(struct forecast *f, const struct zone *z, int64_t from, int64_t to)
{
	for (int64_t t = from; t < to; t += MINUTE)
		forecast_observe(f, z, t, habit(z, t), 0);
}

static void test_cold_start(void **context)
{
	struct forecast f;

	(void)context;
	forecast_init(&f);
	assert_true(forecast_load_w(&f, &UTC, 0, 5 * HOUR) == 350);
	assert_true(forecast_pv_w(&f, &UTC, &NOWHERE, 0, 12 * HOUR) == 0);
	forecast_observe(&f, &UTC, 1000, 2350, NAN);
	assert_true(fabs(forecast_load_w(&f, &UTC, 1000, 1000) - 2350) < 1);
	assert_true(fabs(forecast_load_w(&f, &UTC, 1000, 1000 + HOUR) - (350 + 2000 / exp(1))) < 1); /* fades in an hour */
	assert_true(forecast_load_w(&f, &UTC, 1000, 1000 + 12 * HOUR) < 351);
}

/* Learned by the local clock, so right on both odd days and after them. */
static void test_odd_days(void **context)
{
	static const int64_t STARTS[] = { MARCH_28, OCTOBER_24 };

	(void)context;
	for (size_t i = 0; i < 2; i++) {
		struct forecast f;
		int64_t now = STARTS[i] + 22 * HOUR;

		forecast_init(&f);
		live(&f, &LONDON, STARTS[i] - 24 * HOUR, now);
		for (int64_t t = now + 3 * HOUR; t < now + 48 * HOUR; t += 30 * MINUTE) {
			double w = forecast_load_w(&f, &LONDON, now, t);

			if (fabs(w - habit(&LONDON, t)) > 30)
				fail_msg("start %zu, %lld h on: %.0f W instead of %.0f", i, (long long)((t - now) / HOUR), w,
					 habit(&LONDON, t));
		}
	}
}

static void test_new_habits_win(void **context)
{
	struct forecast f;
	int64_t t = 0;

	(void)context;
	forecast_init(&f);
	for (; t < 5 * 24 * HOUR; t += MINUTE)
		forecast_observe(&f, &UTC, t, 400, NAN);
	for (; t < 11 * 24 * HOUR; t += MINUTE)
		forecast_observe(&f, &UTC, t, 1000, NAN);
	assert_true(forecast_load_w(&f, &UTC, t, t + 12 * HOUR) > 900);
}

/* What cannot be known leaves what is known alone. */
static void test_gaps(void **context)
{
	struct forecast f;
	int64_t now = 24 * HOUR;

	(void)context;
	forecast_init(&f);
	live(&f, &UTC, 0, now);
	forecast_observe(&f, &UTC, now, NAN, NAN);
	forecast_observe(&f, &UTC, now + MINUTE, INFINITY, NAN);
	forecast_observe(&f, &UTC, now + 5 * HOUR, 9000, NAN); /* long silence: the present starts anew */
	forecast_observe(&f, &UTC, now - 5 * HOUR, 9000, NAN); /* the clock was set back */
	assert_true(fabs(forecast_load_w(&f, &UTC, now, now + 19 * HOUR - MINUTE) - 2000) < 100);
	assert_true(isfinite(forecast_load_w(&f, &UTC, now, now)));
}

static void test_sun_learned_and_scaled(void **context)
{
	struct forecast f;
	int64_t t = 0, noon;

	(void)context;
	forecast_init(&f);
	for (; t < 48 * HOUR; t += MINUTE)
		forecast_observe(&f, &UTC, t, 400,
				 fmax(0, 3000 * sin((double)(t % (24 * HOUR)) / (24.0 * HOUR) * 2 * 3.14159265 - 1.5708)));
	noon = t + 12 * HOUR;
	assert_true(fabs(forecast_pv_w(&f, &UTC, &NOWHERE, t, noon) - 3000) < 50);
	assert_true(forecast_pv_w(&f, &UTC, &NOWHERE, t, t + HOUR) < 1);
	for (; t < noon; t += MINUTE) /* half as bright today */
		forecast_observe(&f, &UTC, t, 400,
				 fmax(0, 1500 * sin((double)(t % (24 * HOUR)) / (24.0 * HOUR) * 2 * 3.14159265 - 1.5708)));
	assert_true(fabs(forecast_pv_w(&f, &UTC, &NOWHERE, t, t) - 1500) < 100);
	assert_true(forecast_pv_w(&f, &UTC, &NOWHERE, t, t + HOUR) < 2000);
	assert_true(forecast_pv_w(&f, &UTC, &NOWHERE, t, t + 24 * HOUR) > 2200); /* tomorrow is another day */
}

/* Haurwitz at the zenith: 1098 exp(-0.057) = 1037 W/m2. Equator, equinox, solar noon. */
static void test_clear_sky(void **context)
{
	struct forecast f;
	struct forecast_site london = { 51.5, 0, 4000 };

	(void)context;
	assert_true(fabs(forecast_clear_sky(0, 0, 1774008000000LL + 7 * MINUTE) - 1037) < 5); /* 2026-03-20T12:07Z */
	assert_true(forecast_clear_sky(0, 0, 1774008000000LL - 12 * HOUR) == 0);              /* midnight */
	assert_true(fabs(forecast_clear_sky(0, 90, 1774008000000LL - 6 * HOUR + 7 * MINUTE) - 1037) <
		    5);                                                  /* east is earlier */
	assert_true(forecast_clear_sky(51.5, 0, 1782043200000LL) > 850); /* midsummer noon */
	assert_true(forecast_clear_sky(51.5, 0, 1797854400000LL) < 300); /* midwinter noon */
	assert_true(forecast_clear_sky(80, 0, 1797854400000LL) == 0);    /* polar night */
	forecast_init(&f);
	assert_true(fabs(forecast_pv_w(&f, &UTC, &london, 0, 1782043200000LL) -
			 0.6 * 4 * forecast_clear_sky(51.5, 0, 1782043200000LL)) < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cold_start),
		cmocka_unit_test(test_odd_days),
		cmocka_unit_test(test_new_habits_win),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_sun_learned_and_scaled),
		cmocka_unit_test(test_clear_sky),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
