/* Futures out of the past: what came after the same time of day, moved to where the present stands. */
#include "policies/forecast/analog.h"
#include "support/cm.h"

#include <math.h>
#include <stdlib.h>

#define HOUR 3600000LL
#define MINUTE 60000LL
#define DAY (24 * HOUR)
#define JUNE 1781481600000LL       /* 2026-06-15T00:00:00Z */
#define MARCH 1772323200000LL      /* 2026-03-01T00:00:00Z */
#define OCTOBER_24 1792800000000LL /* 2026-10-24T00:00:00Z; London falls back on the 25th at 01:00 UTC */

static const struct zone LONDON = { "Europe/London", 3, { { 0, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
static const struct zone UTC = { "UTC", 0, { { 0, 0 } } };
static const struct forecast_site ROOF = { .latitude = 51.5, .longitude = 0, .n = 1, .plane = { { 4000, 35, 180 } } };

static struct forecast *f;
static struct forecast_analog a[FORECAST_ANALOGS_MAX];

static void near(double got, double want, double within)
{
	if (!(fabs(got - want) <= within))
		fail_msg("%g instead of %g", got, want);
}

static int setup(void **state)
{
	(void)state;
	f = malloc(sizeof(*f));
	assert_non_null(f);
	forecast_init(f);
	forecast_place(f, &ROOF);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(f);
	return 0;
}

/* Days of so much load and so much of the clear sky, the first at JUNE; NAN = not known. Returns when they end. */
static int64_t learn(const double (*day)[2], int n)
{
	for (int64_t t = JUNE; t < JUNE + n * DAY; t += 5 * MINUTE) {
		const double *d = day[(t - JUNE) / DAY];

		forecast_learn(f, t, d[0], d[1] * forecast_clear_w(&ROOF, t));
	}
	forecast_refresh(f, &UTC);
	return JUNE + n * DAY;
}

/* The same, of which every third day is grey and quiet; @last is the last one. */
static int64_t learn_thirds(int n, int last)
{
	double day[30][2];

	for (int i = 0; i < n; i++) {
		const bool odd = (i - last + 30) % 3 == 0;

		day[i][0] = odd ? 250 : 500;
		day[i][1] = odd ? 0.1 : 0.5;
	}
	return learn((const double (*)[2])day, n);
}

static void at(const struct forecast_analog *x, const struct zone *z, int64_t utc_ms, double *load_w, double *pv_w)
{
	const int64_t quarter = utc_ms / FORECAST_QUARTER_MS;
	double clear_w = forecast_clear_w(&ROOF, quarter * FORECAST_QUARTER_MS + FORECAST_QUARTER_MS / 2);
	struct forecast_ahead ahead = { quarter, 1, &clear_w, load_w, pv_w };

	forecast_analog_fill(f, z, x, &ahead);
}

static double load_at(const struct forecast_analog *x, const struct zone *z, int64_t utc_ms)
{
	double load, pv;

	at(x, z, utc_ms, &load, &pv);
	return load;
}

/* As a share of the clear sky. */
static double sky_at(const struct forecast_analog *x, int64_t utc_ms)
{
	double load, pv;

	at(x, &UTC, utc_ms, &load, &pv);
	return pv / forecast_clear_w(&ROOF, utc_ms + 450000);
}

/* From the first moment on; fewer the more is known. */
static void test_what_is_thought(void **state)
{
	static const double DAYS[3][2] = { { 500, 0.5 }, { 500, 0.5 }, { 500, 0.5 } };
	double weight = 0;
	int64_t now;

	(void)state;
	assert_int_equal(forecast_analogs(f, &UTC, a), 9);
	for (int i = 0; i < 9; i++)
		weight += a[i].weight;
	near(weight, 7, 1e-9);
	now = learn(DAYS, 3);
	assert_int_equal(forecast_analogs(f, &UTC, a), 3 + 9);
	assert_true(a[2].back_days == 3 && a[3].back_days == 0);
	weight = 0;
	for (int i = 3; i < 12; i++)
		weight += a[i].weight;
	near(weight, 4, 1e-9);
	near(load_at(&a[3], &UTC, now + 12 * HOUR), 0.75 * forecast_load_w(f, &UTC, now, now + 12 * HOUR + 450000), 1e-6);
	near(sky_at(&a[3], now + 12 * HOUR), 0.3 * sky_at(&a[4], now + 12 * HOUR), 1e-6);
}

/* Switched on at two in the afternoon: a day later no whole day by the clock is known, and the sun that came is believed all the same. */
static void test_first_day(void **state)
{
	const int64_t begun = JUNE + 14 * HOUR, now = begun + DAY;

	(void)state;
	for (int64_t t = begun; t < now; t += 5 * MINUTE)
		forecast_learn(f, t, 500, 0.5 * forecast_clear_w(&ROOF, t));
	forecast_refresh(f, &UTC);
	assert_int_equal(forecast_analogs(f, &UTC, a), 1 + 9);
	near(sky_at(&a[0], now + 22 * HOUR), 0.5, 0.03);
}

/* Where that past stood as we stand, it is repeated; the newest days are believed more. */
static void test_same_as_then(void **state)
{
	const int64_t now = learn_thirds(28, 2); /* odd days: 2, 5, ... 26; the last is usual, and so is the one before the past of day 27 */
	int n;

	(void)state;
	n = forecast_analogs(f, &UTC, a);
	assert_int_equal(n, 28);
	assert_true(a[0].weight > a[1].weight && a[1].weight > a[27].weight);
	assert_true(a[2].back_days == 3); /* day 25 follows day 24: usual after usual */
	near(load_at(&a[2], &UTC, now + 12 * HOUR), 500, 30);
	near(sky_at(&a[2], now + 12 * HOUR), 0.5, 0.03);
	assert_true(a[1].back_days == 2); /* day 26 is grey and follows a usual one */
	near(load_at(&a[1], &UTC, now + 12 * HOUR), 250, 30);
	near(sky_at(&a[1], now + 12 * HOUR), 0.1, 0.03);
	near(sky_at(&a[1], now + 36 * HOUR), 0.5, 0.05); /* the second day is what followed */
}

/* After a grey day, of pasts that followed a usual day less is to be expected: 0.4 of the difference; less still a day later. */
static void test_grey_day_before(void **state)
{
	const int64_t now = learn_thirds(28, 0); /* odd: 0, 3, ... 27, the last */

	(void)state;
	assert_int_equal(forecast_analogs(f, &UTC, a), 28);
	assert_true(a[1].back_days == 2); /* day 26, usual after a usual one */
	near(sky_at(&a[1], now + 12 * HOUR), 0.5 - 0.4 * 0.4, 0.03);
	assert_true(load_at(&a[1], &UTC, now + 12 * HOUR) < 440 && load_at(&a[1], &UTC, now + 12 * HOUR) > 350);
	assert_true(a[2].back_days == 3); /* day 25, usual after a grey one: as it was */
	near(sky_at(&a[2], now + 12 * HOUR), 0.5, 0.03);
	near(sky_at(&a[2], now + 36 * HOUR), 0.5, 0.03);
	assert_true(a[4].back_days == 5); /* day 23, then a grey one, then 25: each further from yesterday */
	near(sky_at(&a[4], now + 36 * HOUR), 0.1 - 0.4 * 0.4 * 0.4, 0.015);
	near(sky_at(&a[4], now + 60 * HOUR), 0.5 - 0.4 * 0.4 * 0.4 * 0.4, 0.015);
}

/* At noon of a grey day its rest is grey, whatever the pasts brought; no day is darker than dark. */
static void test_rest_of_the_day(void **state)
{
	int64_t now = learn_thirds(27, 1);

	(void)state;
	for (int64_t t = now; t < now + 12 * HOUR; t += 5 * MINUTE)
		forecast_learn(f, t, 300, 0);
	forecast_refresh(f, &UTC);
	now += 12 * HOUR;
	assert_int_equal(forecast_analogs(f, &UTC, a), 27); /* of the 28th half a day is known */
	for (int i = 0; i < 27; i++) {
		assert_true(sky_at(&a[i], now + 2 * HOUR) < 0.25 && sky_at(&a[i], now + 2 * HOUR) > 0.01);
		assert_true(load_at(&a[i], &UTC, now + 2 * HOUR) < 470);
	}
	assert_true(sky_at(&a[1], now + 24 * HOUR) > sky_at(&a[1], now + 2 * HOUR) + 0.2); /* tomorrow may be another day */
	/* 0.6 of 0.4 less than usual so far, which tells two thirds of the day */
	near(load_at(&a[2], &UTC, now + 2 * HOUR), 500 * (1 - 0.6 * 0.4 * 2 / 3), 12);
}

static void test_holes(void **state)
{
	double day[10][2];
	int64_t now;

	(void)state;
	for (int i = 0; i < 10; i++) {
		day[i][0] = i == 8 ? NAN : 500;
		day[i][1] = i == 7 ? NAN : 0.5;
	}
	now = learn((const double (*)[2])day, 10);
	assert_int_equal(forecast_analogs(f, &UTC, a), 10);
	assert_true(a[1].back_days == 2 && isnan(load_at(&a[1], &UTC, now + 12 * HOUR)) && !isnan(sky_at(&a[1], now + 12 * HOUR)));
	assert_true(a[2].back_days == 3 && isnan(sky_at(&a[2], now + 12 * HOUR)) && !isnan(load_at(&a[2], &UTC, now + 12 * HOUR)));
}

/* Sun counted into the load: it may give. */
static void test_house_that_gives(void **state)
{
	double day[10][2];
	int64_t now;

	(void)state;
	for (int i = 0; i < 10; i++) {
		day[i][0] = -800;
		day[i][1] = NAN;
	}
	now = learn((const double (*)[2])day, 10);
	forecast_analogs(f, &UTC, a);
	near(load_at(&a[1], &UTC, now + 12 * HOUR), -800, 10);
}

/* Ten days of 500 W and half the clear sky but for those given, newest first; the last one has @last_h hours. */
static int64_t learn_odd(const double (*odd)[2], int n_odd, int last_h)
{
	double day[10][2];

	for (int i = 0; i < 10; i++) {
		day[9 - i][0] = i < n_odd ? odd[i][0] : 500;
		day[9 - i][1] = i < n_odd ? odd[i][1] : 0.5;
	}
	for (int64_t t = JUNE; t < JUNE + 10 * DAY; t += 5 * MINUTE)
		if (t < JUNE + 9 * DAY + last_h * HOUR)
			forecast_learn(f, t, day[(t - JUNE) / DAY][0], day[(t - JUNE) / DAY][1] * forecast_clear_w(&ROOF, t));
		else
			forecast_learn(f, t, NAN, NAN);
	forecast_refresh(f, &UTC);
	return JUNE + 10 * DAY;
}

/* A day of next to nothing is no future of ours, and no multiple of it is one. */
static void test_never_far_from_what_was(void **state)
{
	static const double QUIET[3][2] = { { 500, 0.5 }, { 20, 0.5 }, { 20, 0.5 } }, DARK[2][2] = { { 500, 0 }, { 500, 0.1 } };
	int64_t now = learn_odd(QUIET, 3, 24);

	(void)state;
	forecast_analogs(f, &UTC, a);
	near(load_at(&a[1], &UTC, now + 12 * HOUR), 5 * 20, 2); /* it followed a quiet day, ours an ordinary one */
	forecast_init(f);
	forecast_place(f, &ROOF);
	now = learn_odd(DARK, 2, 24);
	forecast_analogs(f, &UTC, a);
	near(sky_at(&a[1], now + 12 * HOUR), 0.03 * 0.5, 0.003); /* 0.1, and 0.2 less */
}

/* A few hours are no day: what they say is not carried over. */
static void test_few_hours(void **state)
{
	static const double WILD[1][2] = { { 5000, 1.1 } };
	const int64_t now = learn_odd(WILD, 1, 7);

	(void)state;
	forecast_analogs(f, &UTC, a);
	near(load_at(&a[1], &UTC, now + 12 * HOUR), 500, 5);
	near(sky_at(&a[1], now + 12 * HOUR), 0.5, 0.02);
}

/* What no home draws is nobody's past, be it more or less than nothing. */
static void test_nonsense(void **state)
{
	static const double W[2] = { 1e6, -1e6 };

	(void)state;
	for (int k = 0; k < 2; k++) {
		int64_t now;

		forecast_init(f);
		forecast_place(f, &ROOF);
		for (int64_t t = JUNE; t < JUNE + 10 * DAY; t += 5 * MINUTE)
			forecast_learn(f, t, t >= JUNE + 9 * DAY && t < JUNE + 9 * DAY + 15 * MINUTE ? W[k] : 500, 0);
		forecast_refresh(f, &UTC);
		now = JUNE + 10 * DAY;
		forecast_analogs(f, &UTC, a);
		for (int i = 0; i < 10; i++)
			near(load_at(&a[i], &UTC, now + 12 * HOUR), 500, 5);
		near(forecast_load_w(f, &UTC, now, now + 12 * HOUR), 500, 5);
	}
}

static void test_no_more_than_the_inverter(void **state)
{
	static const double DAYS[2][2] = { { 500, 0.5 }, { 500, 0.5 } };
	struct forecast_site small = ROOF;
	const int64_t now = learn(DAYS, 2);
	double load, pv;

	(void)state;
	small.max_w = 1000;
	assert_true(0.5 * forecast_clear_w(&ROOF, now + 12 * HOUR) > 1200);
	forecast_place(f, &small);
	forecast_analogs(f, &UTC, a);
	at(&a[0], &UTC, now + 12 * HOUR, &load, &pv);
	near(pv, 1000, 1e-6);
}

/* Four weeks before, at dawn there was next to no sun; many times that is no sun of today. */
static void test_dawn_in_spring(void **state)
{
	const int64_t now = MARCH + 28 * DAY;
	double load, pv;
	int n = 0;

	(void)state;
	for (int64_t t = MARCH; t < now; t += 5 * MINUTE)
		forecast_learn(f, t, 500, 0.5 * forecast_clear_w(&ROOF, t));
	forecast_refresh(f, &UTC);
	assert_int_equal(forecast_analogs(f, &UTC, a), 28);
	for (int64_t t = now + 4 * HOUR; t < now + 9 * HOUR; t += 15 * MINUTE) {
		const double then = forecast_clear_w(&ROOF, t - 28 * DAY + 450000), clear = forecast_clear_w(&ROOF, t + 450000);

		if (then < 5 || clear < 3 * then)
			continue;
		at(&a[27], &UTC, t, &load, &pv);
		assert_true(pv > 0.5 * then && pv < 0.5 * 2.3 * then); /* 2, and what five minutes differ from a quarter hour's middle */
		n++;
	}
	assert_true(n > 0);
}

/* Of a Friday, Saturday has what it differs from Saturdays; from a quiet Sunday no less than nothing follows. */
static void test_days_of_the_week(void **state)
{
	double day[28][2];

	(void)state;
	for (int i = 0; i < 28; i++) {
		day[i][0] = i % 7 >= 5 ? 800 : 100; /* JUNE is a Monday */
		day[i][1] = 0;
	}
	learn((const double (*)[2])day, 26);
	forecast_analogs(f, &UTC, a);
	near(load_at(&a[0], &UTC, JUNE + 26 * DAY + 12 * HOUR), 800, 50);
	forecast_init(f);
	forecast_place(f, &ROOF);
	day[27][0] = 0;
	learn((const double (*)[2])day, 28);
	forecast_analogs(f, &UTC, a);
	near(load_at(&a[0], &UTC, JUNE + 28 * DAY + 12 * HOUR), 0, 1e-9);
}

/* By the clock on the wall, on the day after it fell back: dinner at 18:00. */
static void test_clock_on_the_wall(void **state)
{
	struct civil c;

	(void)state;
	for (int64_t t = OCTOBER_24 - 20 * DAY; t < OCTOBER_24 + 2 * DAY; t += 5 * MINUTE) {
		calendar_local(&LONDON, t, &c);
		forecast_learn(f, t, c.hour == 18 ? (c.day == 20 ? 800 : 2000) : 400, 0);
	}
	forecast_refresh(f, &LONDON);
	forecast_analogs(f, &LONDON, a);
	for (int i = 0; i < 14; i++) {
		near(load_at(&a[i], &LONDON, OCTOBER_24 + 2 * DAY + 18 * HOUR + 30 * MINUTE), i == 5 ? 800 : 2000, 100); /* the 20th's own dinner */
		near(load_at(&a[i], &LONDON, OCTOBER_24 + 2 * DAY + 17 * HOUR + 30 * MINUTE), 400, 60);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_thought, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_day, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_as_then, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grey_day_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest_of_the_day, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_house_that_gives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_on_the_wall, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_far_from_what_was, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_hours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_more_than_the_inverter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dawn_in_spring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_days_of_the_week, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
