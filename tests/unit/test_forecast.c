/* The forecaster on made-up days: cold start, odd days of 23 and 25 hours, outliers, gaps, clocks that step, curtailed sun. How
 * well it does over a year: test_forecast_year.c. */
#include "policies/forecast/forecast.h"
#include "policies/forecast/household.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR 3600000LL
#define MINUTE 60000LL
#define DAY (24 * HOUR)
#define MONDAY 1767571200000LL     /* 2026-01-05T00:00:00Z */
#define MARCH_28 1774656000000LL   /* 2026-03-28T00:00:00Z; London jumps on the 29th at 01:00 UTC */
#define OCTOBER_24 1792800000000LL /* 2026-10-24T00:00:00Z; London falls back on the 25th at 01:00 UTC */
#define JUNE 1781481600000LL       /* 2026-06-15T00:00:00Z */

static const struct zone LONDON = { "Europe/London", 3, { { 0, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
static const struct zone UTC = { "UTC", 0, { { 0, 0 } } };
static const struct forecast_site ROOF = { .latitude = 51.5, .longitude = 0, .n = 1, .plane = { { 4000, 35, 180 } } };

static struct forecast *f;

static int setup(void **state)
{
	(void)state;
	f = malloc(sizeof(*f));
	assert_non_null(f);
	forecast_init(f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(f);
	return 0;
}

/* A household by the local clock: 2 kW from 18:00 to 20:00, at weekends 1.2 kW from 10:00 to 14:00 instead, else 400 W. */
static double habit(const struct zone *z, int64_t utc_ms)
{
	struct civil c;

	calendar_local(z, utc_ms, &c);
	if (c.weekday == 0 || c.weekday == 6)
		return c.hour >= 10 && c.hour < 14 ? 1200 : 400;
	return c.hour >= 18 && c.hour < 20 ? 2000 : 400;
}

static void live(const struct zone *z, int64_t from, int64_t to, double (*load)(const struct zone *z, int64_t utc_ms))
{
	for (int64_t t = from; t < to; t += 5 * MINUTE)
		forecast_observe(f, z, t, load(z, t), 0);
}

/* As forecast, but for the quarter hours beside a jump, where neighbours count. */
static void check_habit(const struct zone *z, int64_t now, int64_t from, int64_t to, double within_w)
{
	for (int64_t t = from; t < to; t += 15 * MINUTE) {
		double w = forecast_load_w(f, z, now, t + 450000);

		if (habit(z, t) != habit(z, t - 15 * MINUTE) || habit(z, t) != habit(z, t + 15 * MINUTE))
			continue;
		if (fabs(w - habit(z, t)) > within_w)
			fail_msg("%.2f h on: %.0f W instead of %.0f", (double)(t - now) / 3.6e6, w, habit(z, t));
	}
}

/* Copied by value to the planner's worker. */
static void test_size(void **context)
{
	(void)context;
	assert_true(sizeof(struct forecast) <= 96 * 1024);
}

static void test_household(void **context)
{
	double sum = 0;

	(void)context;
	for (int day = 0; day < 7; day++)
		for (int m = 0; m < 1440; m += 15)
			sum += household_shape(day > 4, m) / (7 * 96);
	assert_true(fabs(sum - 1) < 0.005);
	assert_true(household_shape(false, 4 * 60) < 0.65 && household_shape(false, 19 * 60) > 1.5);
	assert_true(household_shape(true, 7 * 60) < household_shape(false, 7 * 60)); /* weekends rise later */
	assert_true(fabs(household_shape(false, 0) - household_shape(false, 1439)) < 0.01);
}

/* Nothing known: the standard household, and no sun. What is seen scales it, long before a day is over. */
static void test_cold_start(void **context)
{
	double mean = 0;

	(void)context;
	for (int i = 0; i < 96; i++)
		mean += forecast_load_w(f, &UTC, MONDAY, MONDAY + i * 15 * MINUTE) / 96;
	assert_true(fabs(mean - HOUSEHOLD_MEAN_W) < 10);
	assert_true(forecast_pv_w(f, MONDAY, MONDAY + 12 * HOUR) == 0);
	assert_true(forecast_load_w(f, &UTC, MONDAY, MONDAY + 19 * HOUR) > 2 * forecast_load_w(f, &UTC, MONDAY, MONDAY + 4 * HOUR));
	forecast_observe(f, &UTC, MONDAY + 1000, 2350, NAN);
	assert_true(forecast_load_w(f, &UTC, MONDAY + 1000, MONDAY + 1000) > 800);         /* the present counts in part */
	assert_true(forecast_load_w(f, &UTC, MONDAY + 1000, MONDAY + 6 * HOUR) < 350);     /* and fades */
	for (int i = 1; i < 12 * 12; i++)
		forecast_observe(f, &UTC, MONDAY + i * 5 * MINUTE, 4 * HOUSEHOLD_MEAN_W * household_shape(false, i * 5), NAN);
	assert_true(forecast_load_w(f, &UTC, MONDAY + 12 * HOUR, MONDAY + 19 * HOUR) > 3 * HOUSEHOLD_MEAN_W * household_shape(false, 19 * 60));
}

/* Weekdays differ, and are told apart after two weeks. */
static void test_weekdays(void **context)
{
	const int64_t now = MONDAY + 14 * DAY;

	(void)context;
	live(&UTC, MONDAY, now, habit);
	check_habit(&UTC, now, now + 4 * HOUR, now + 7 * DAY, 60);
}

/* Learned by the clock on the wall, so right on both odd days and after them. */
static void test_odd_days(void **context)
{
	static const int64_t STARTS[] = { MARCH_28, OCTOBER_24 };

	(void)context;
	for (size_t i = 0; i < 2; i++) {
		const int64_t now = STARTS[i] + 22 * HOUR; /* the evening before */

		forecast_init(f);
		live(&LONDON, STARTS[i] - 21 * DAY, now, habit);
		check_habit(&LONDON, now, now + 3 * HOUR, now + 50 * HOUR, 60);
		live(&LONDON, now, now + 8 * HOUR, habit); /* in the odd day, and learning from it */
		check_habit(&LONDON, now + 8 * HOUR, now + 11 * HOUR, now + 58 * HOUR, 60);
		live(&LONDON, now + 8 * HOUR, now + 30 * HOUR, habit);
		check_habit(&LONDON, now + 30 * HOUR, now + 33 * HOUR, now + 9 * DAY, 60);
	}
}

static double holiday(const struct zone *z, int64_t utc_ms)
{
	(void)z;
	(void)utc_ms;
	return 100;
}

static double stuck(const struct zone *z, int64_t utc_ms)
{
	(void)z;
	(void)utc_ms;
	return 90000;
}

/* Ten days away, and a meter that told nonsense for one: back to habit two days later. */
static void test_outliers(void **context)
{
	int64_t t = MONDAY + 35 * DAY;

	(void)context;
	live(&UTC, MONDAY, t, habit);
	live(&UTC, t, t + DAY, stuck);
	live(&UTC, t + DAY, t + 4 * DAY, habit);
	check_habit(&UTC, t + 4 * DAY, t + 4 * DAY + 4 * HOUR, t + 8 * DAY, 150);
	t += 4 * DAY;
	live(&UTC, t, t + 10 * DAY, holiday);
	assert_true(forecast_load_w(f, &UTC, t + 10 * DAY, t + 10 * DAY + 3 * HOUR) < 300); /* still away, for all anybody knows */
	live(&UTC, t + 10 * DAY, t + 13 * DAY, habit);
	check_habit(&UTC, t + 13 * DAY, t + 13 * DAY + 4 * HOUR, t + 16 * DAY, 150);
}

/* What cannot be known leaves what is known alone; a clock that stepped as well. */
static void test_gaps(void **context)
{
	const int64_t now = MONDAY + 3 * DAY;

	(void)context;
	live(&UTC, MONDAY, now, habit);
	forecast_observe(f, &UTC, now, NAN, NAN);
	forecast_observe(f, &UTC, now + MINUTE, INFINITY, NAN);
	forecast_observe(f, &UTC, now + 5 * HOUR, 9000, NAN); /* long silence: the present starts anew */
	assert_true(f->load_meter.now_w == 9000);
	forecast_observe(f, &UTC, now - 5 * HOUR, 9000, NAN); /* the clock was set back */
	forecast_observe(f, &UTC, now - 5 * HOUR + MINUTE, NAN, NAN);
	assert_true(fabs(forecast_load_w(f, &UTC, now, now + 19 * HOUR - MINUTE) - 2000) < 100);
	assert_true(isfinite(forecast_load_w(f, &UTC, now, now)));
	assert_true(isnan(forecast_past_load(f, f->last + 1)) && isnan(forecast_past_load(f, 0)) && isnan(forecast_past_pv(f, 0)));
	assert_true(isnan(forecast_past_pv(f, f->last + 1)) && isnan(forecast_past_pv(f, f->last - FORECAST_PV_MAX)));
	assert_true(isnan(forecast_past_load(f, f->last - FORECAST_LOAD_MAX)));
	/* a hole of a year: everything is too old, and the standard household goes on at the size it had */
	forecast_observe(f, &UTC, now + 365 * DAY, 500, NAN);
	forecast_observe(f, &UTC, now + 365 * DAY + 5 * MINUTE, 500, NAN);
	live(&UTC, now + 365 * DAY + 10 * MINUTE, now + 365 * DAY + HOUR, habit);
	assert_true(isnan(forecast_past_load(f, f->last - FORECAST_DAY)));
	/* and a clock that had run ahead for a while: all that was learned by it is void, what was pushed is not, nor where the panels are */
	f->push.n_load = 1;
	f->push.load[0] = (struct forecast_segment){ now + HOUR, 3600, 777 };
	f->site.latitude = 51.5;
	forecast_observe(f, &UTC, now, 500, NAN);
	assert_int_equal(f->last, 0);
	assert_true(forecast_load_w(f, &UTC, now, now + HOUR) == 777 && f->site.latitude == 51.5);
	assert_true(f->load_meter.now_w == 500);
}

/* README "Load": each residual is what the slower ones leave. 0.5 of 400 W; 0.3 of 600 less that; 0.4 of 1000 less both. */
static void test_residuals(void **context)
{
	static const struct { double ahead_h, more_w; } ROWS[] = { { 0, 200 + 120 + 272 }, { 48, 200 / M_E }, { 2, 200 * 0.9592 + 120 / M_E + 272 * 0.0574 } };
	const int64_t now = MONDAY + 10 * DAY;

	(void)context;
	live(&UTC, MONDAY, now, habit);
	f->days_w = 400;
	f->hours_w = 600;
	f->load_meter.now_w = (double)forecast_usual(f, &UTC, now)->mid + 1000;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const int64_t at = now + (int64_t)(ROWS[r].ahead_h * 3.6e6);

		assert_true(fabs(forecast_load_w(f, &UTC, now, at) - (double)forecast_usual(f, &UTC, at)->mid - ROWS[r].more_w) < 0.5);
	}
}

/* What a quarter hour had begun with before a silence counts for none: not for itself, not for the one in which it ends. */
static void test_silence(void **context)
{
	const int64_t now = MONDAY + 3 * DAY, quarter = now / FORECAST_QUARTER_MS;

	(void)context;
	live(&UTC, MONDAY, now, habit);
	forecast_observe(f, &UTC, now, 9000, NAN);
	for (int64_t t = now + 20 * MINUTE; t <= now + 30 * MINUTE; t += MINUTE)
		forecast_observe(f, &UTC, t, 700, NAN);
	assert_true(isnan(forecast_past_load(f, quarter)) && forecast_past_load(f, quarter + 1) == 700);
}

/* Readings that are missing while the hub goes on: after ten minutes the present is as unknown as after a silence. */
static void test_blind(void **context)
{
	const int64_t now = MONDAY + 10 * DAY;

	(void)context;
	live(&UTC, MONDAY, now, habit);
	for (int64_t t = now; t < now + 10 * MINUTE; t += MINUTE)
		forecast_observe(f, &UTC, t, 9000, 4000);
	for (int64_t t = now + 10 * MINUTE; t < now + 19 * MINUTE; t += MINUTE)
		forecast_observe(f, &UTC, t, NAN, 4000);
	assert_true(f->load_meter.now_w > 8000 && f->pv_meter.now_w > 3000);
	for (int64_t t = now + 19 * MINUTE; t < now + 21 * MINUTE; t += MINUTE)
		forecast_observe(f, &UTC, t, NAN, NAN);
	assert_true(isnan(f->load_meter.now_w) && f->pv_meter.now_w > 3000);
	assert_true(forecast_load_w(f, &UTC, now + 21 * MINUTE, now + 30 * MINUTE) < 3000);
	forecast_observe(f, &UTC, now + 21 * MINUTE, 700, NAN);
	assert_true(f->load_meter.now_w == 700);
	for (int64_t t = now + 22 * MINUTE; t < now + 29 * MINUTE; t += MINUTE)
		forecast_observe(f, &UTC, t, NAN, NAN);
	forecast_observe(f, &UTC, now + 29 * MINUTE, 2000, NAN); /* it stands for the eight minutes since the last reading, not for one */
	assert_true(fabs(f->load_meter.now_w - (2000 - 1300 * exp(-4))) < 1e-6);
}

/* A site whose sun no meter tells apart gives power at noon: the load may be negative, and stays so. */
static double gives(const struct zone *z, int64_t utc_ms)
{
	(void)z;
	return utc_ms % DAY >= 10 * HOUR && utc_ms % DAY < 15 * HOUR ? -2000 : 300;
}

static void test_negative(void **context)
{
	const int64_t now = MONDAY + 10 * DAY;
	struct forecast_range r;

	(void)context;
	live(&UTC, MONDAY, now, gives);
	assert_true(fabs(forecast_load_w(f, &UTC, now, now + 12 * HOUR) + 2000) < 50);
	forecast_load(f, &UTC, now, now + 12 * HOUR, &r);
	assert_true(r.low_w <= r.mid_w && r.mid_w <= r.high_w && !r.pushed);
	/* while one that never gave does not begin to, however little it draws now */
	forecast_init(f);
	live(&UTC, MONDAY, now, habit);
	for (int64_t t = now; t < now + 20 * HOUR; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, 0, 0);
	forecast_load(f, &UTC, now + 20 * HOUR, now + 20 * HOUR + 20 * MINUTE, &r);
	assert_true(r.low_w == 0 && r.mid_w >= 0 && r.high_w >= 0);
}

static void learn_habit(int64_t from, int64_t to)
{
	for (int64_t t = from; t < to; t += 5 * MINUTE)
		forecast_learn(f, t, habit(&UTC, t), 0);
}

/* Out of the history the same is learned as live, also when the first readings come before it. */
static void test_history(void **context)
{
	const int64_t now = MONDAY + 21 * DAY;
	struct forecast *seen = malloc(sizeof(*seen));

	(void)context;
	assert_non_null(seen);
	live(&UTC, MONDAY, now, habit);
	*seen = *f;
	forecast_init(f);
	learn_habit(MONDAY, now);
	forecast_refresh(f, &UTC);
	for (int64_t t = now + 4 * HOUR; t < now + 2 * DAY; t += 15 * MINUTE)
		assert_true(fabs(forecast_load_w(f, &UTC, now, t) - forecast_load_w(seen, &UTC, now, t)) < 30);
	forecast_init(f);
	live(&UTC, now, now + 40 * MINUTE, habit);
	learn_habit(MONDAY - 80 * DAY, now);
	assert_true(f->stale);
	forecast_observe(f, &UTC, now + 40 * MINUTE, 400, NAN);
	assert_false(f->stale);
	check_habit(&UTC, now + HOUR, now + 5 * HOUR, now + 4 * DAY, 60);
	free(seen);
}

/* ---- sun ---- */

/* Half of the clear sky, nothing behind the house after 15:00. */
static double half(int64_t utc_ms, double share)
{
	return utc_ms % DAY < 15 * HOUR ? share * forecast_clear_w(&ROOF, utc_ms) : 0;
}

static void shine(int64_t from, int64_t to, double share)
{
	for (int64_t t = from; t < to; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, 300, half(t, share));
}

static void test_sun_cold(void **context)
{
	struct forecast_range r;

	(void)context;
	forecast_place(f, &ROOF);
	assert_true(fabs(forecast_pv_w(f, JUNE, JUNE + 12 * HOUR) - 0.6 * forecast_clear_w(&ROOF, JUNE + 12 * HOUR)) < 1);
	assert_true(forecast_pv_w(f, JUNE, JUNE + 12 * HOUR) > 1800);
	assert_true(forecast_pv_w(f, JUNE, JUNE) == 0);
	forecast_pv(f, JUNE, JUNE + 12 * HOUR, &r);
	assert_true(r.low_w < r.mid_w && r.mid_w < r.high_w && !r.pushed);
	f->site.max_w = 1500; /* the inverter's */
	assert_true(forecast_pv_w(f, JUNE, JUNE + 12 * HOUR) == 1500);
}

static void test_sun_learned(void **context)
{
	const int64_t now = JUNE + 20 * DAY;
	struct forecast_range r;
	double clear;

	(void)context;
	forecast_place(f, &ROOF);
	shine(JUNE, now, 0.5);
	clear = forecast_clear_w(&ROOF, now + 12 * HOUR);
	assert_true(fabs(forecast_pv_w(f, now, now + 12 * HOUR) - 0.5 * clear) < 0.03 * clear);
	assert_true(forecast_pv_w(f, now, now + 16 * HOUR) < 0.03 * clear); /* behind the house */
	/* a dark morning dims the day, and less so tomorrow; a bright one the other way round */
	shine(now, now + 11 * HOUR, 0.2);
	assert_true(fabs(forecast_pv_w(f, now + 11 * HOUR, now + 11 * HOUR) - 0.2 * clear) < 0.05 * clear);
	assert_true(forecast_pv_w(f, now + 11 * HOUR, now + 12 * HOUR) < 0.35 * clear);
	assert_true(forecast_pv_w(f, now + 11 * HOUR, now + 36 * HOUR) > forecast_pv_w(f, now + 11 * HOUR, now + 12 * HOUR));
	forecast_pv(f, now + 11 * HOUR, now + 12 * HOUR, &r);
	assert_true(r.low_w <= r.mid_w && r.mid_w <= r.high_w);
	shine(now + 11 * HOUR, now + 13 * HOUR, 0.9);
	assert_true(forecast_pv_w(f, now + 13 * HOUR, now + 14 * HOUR) > 0.5 * clear);
}

/* After dull weeks a bright morning promises more, but not much more than was ever seen, unless it is known what the inverter can. */
static void test_sun_most(void **context)
{
	const int64_t now = JUNE + 20 * DAY + 11 * HOUR;
	const double clear = forecast_clear_w(&ROOF, now + HOUR);

	(void)context;
	forecast_place(f, &ROOF);
	shine(JUNE, now, 0.2);
	forecast_observe(f, &UTC, now, 300, 0.95 * clear);
	for (int i = 1; i < 7; i++)
		forecast_observe(f, &UTC, now + i * 2 * MINUTE, 300, 0.95 * clear);
	assert_true(fabs(forecast_pv_w(f, now + 12 * MINUTE, now + HOUR) - 1.2 * f->most_pv_w) < 1);
	assert_true(f->most_pv_w < 0.25 * clear);
	f->site.max_w = 5000;
	assert_true(forecast_pv_w(f, now + 12 * MINUTE, now + HOUR) > 0.4 * clear);
}

/* Held back, it says NAN, and nothing is learned from that. */
static void test_sun_curtailed(void **context)
{
	const int64_t now = JUNE + 20 * DAY;
	double before;

	(void)context;
	forecast_place(f, &ROOF);
	shine(JUNE, now, 0.5);
	before = forecast_pv_w(f, now, now + 12 * HOUR);
	for (int64_t t = now; t < now + 10 * DAY; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, 300, t % DAY > 10 * HOUR && t % DAY < 14 * HOUR ? NAN : half(t, 0.5));
	assert_true(fabs(forecast_pv_w(f, now + 10 * DAY, now + 10 * DAY + 12 * HOUR) - before) < 0.06 * before);
}

/* Without a place: by time of day only. */
static void test_sun_nowhere(void **context)
{
	int64_t t = JUNE;

	(void)context;
	for (; t < JUNE + 10 * DAY; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, 400, fmax(0, 3000 * sin((double)(t % DAY) / (double)DAY * 2 * 3.14159265 - 1.5708)));
	assert_true(fabs(forecast_pv_w(f, t, t + 12 * HOUR) - 3000) < 100);
	assert_true(forecast_pv_w(f, t, t + HOUR) < 1);
	/* told of its place, it goes on from there with what it knows */
	forecast_place(f, &ROOF);
	forecast_place(f, &ROOF);
	assert_true(fabs(forecast_pv_w(f, t, t + 12 * HOUR) - 3000) < 200);
}

/* ---- pushed ---- */

static void test_pushed(void **context)
{
	struct forecast_range r;

	(void)context;
	f->push.n_load = f->push.n_pv = 1;
	f->push.load[0] = (struct forecast_segment){ JUNE, 3600, 777 };
	f->push.pv[0] = (struct forecast_segment){ JUNE, 3600, 888 };
	forecast_observe(f, &UTC, JUNE, 5000, 0);
	forecast_load(f, &UTC, JUNE, JUNE + 1, &r);
	assert_true(r.mid_w == 777 && r.low_w == 777 && r.high_w == 777 && r.pushed);
	forecast_pv(f, JUNE, JUNE + 1, &r);
	assert_true(r.mid_w == 888 && r.low_w == 888 && r.high_w == 888 && r.pushed);
	forecast_load(f, &UTC, JUNE, JUNE + HOUR, &r); /* beyond its end the own forecast goes on */
	assert_true(r.mid_w != 777 && !r.pushed);
	assert_true(forecast_pv_w(f, JUNE, JUNE + HOUR) == 0);
}

/* ---- the recent error ---- */

static void test_error(void **context)
{
	const int64_t now = JUNE + 20 * DAY;
	struct forecast_error e;
	double was;

	(void)context;
	forecast_error(f, &e);
	assert_true(isnan(e.load_pct) && isnan(e.pv_pct) && isnan(e.load_bias_pct) && e.compared_h == 0);
	forecast_place(f, &ROOF);
	for (int64_t t = JUNE; t < now; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, 400, half(t, 0.5));
	forecast_error(f, &e);
	assert_true(e.compared_h == FORECAST_ERROR_DAYS * 24);
	assert_true(e.load_pct < 1 && fabs(e.load_bias_pct) < 1 && e.pv_pct < 5);
	/* a day of twice the load: 1/8 of what came in a week was not forecast, and the bias says which way */
	for (int64_t t = now; t < now + DAY; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, 800, half(t, 0.5));
	forecast_error(f, &e);
	assert_true(e.load_pct > 9 && e.load_pct < 13 && fabs(e.load_bias_pct + e.load_pct) < 1);
	was = e.load_pct;
	/* out of the store: what was forecast then counts as if it had been made here */
	for (int64_t q = f->last - 95; q <= f->last; q++)
		forecast_recall(f, q, 800, 0);
	forecast_recall(f, f->last - FORECAST_AHEAD_MAX, 1e6, 1e6); /* too old, too new */
	forecast_recall(f, f->last + FORECAST_DAY + 1, 1e6, 1e6);
	forecast_error(f, &e);
	assert_true(e.load_pct < was / 5 && e.pv_pct > 10 && e.pv_bias_pct < -10);
}

/* A house without sun has no error of it; nor has one whose meters were silent. */
static void test_error_unknown(void **context)
{
	struct forecast_error e;

	(void)context;
	for (int64_t t = JUNE; t < JUNE + 3 * DAY; t += 5 * MINUTE)
		forecast_observe(f, &UTC, t, t < JUNE + 40 * HOUR ? 400 : NAN, 0);
	forecast_error(f, &e);
	assert_true(isnan(e.pv_pct) && isnan(e.pv_bias_pct));
	assert_true(isnan(e.load_pct) && e.compared_h < 24);
}

/* A meter that told 200 kW of sun for five minutes: what came yesterday is not believed for all of today. */
static void test_sun_of_nonsense(void **context)
{
	double told;

	(void)context;
	forecast_place(f, &ROOF);
	for (int64_t t = JUNE; t < JUNE + 20 * DAY; t += 5 * MINUTE)
		forecast_learn(f, t, 400, 0.5 * forecast_clear_w(&ROOF, t));
	forecast_refresh(f, &UTC);
	told = forecast_pv_w(f, JUNE + 20 * DAY, JUNE + 20 * DAY + 12 * HOUR);
	f->pv_w[forecast_ring((JUNE + 19 * DAY + 17 * HOUR) / FORECAST_QUARTER_MS, FORECAST_PV_MAX)] = 67000;
	forecast_refresh(f, &UTC);
	assert_true(fabs(forecast_pv_w(f, JUNE + 20 * DAY, JUNE + 20 * DAY + 12 * HOUR) / told - 1) < 0.15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_household),
		cmocka_unit_test_setup_teardown(test_cold_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_weekdays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_days, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outliers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gaps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_residuals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_negative, setup, teardown),
		cmocka_unit_test_setup_teardown(test_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sun_cold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sun_learned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sun_most, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sun_curtailed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sun_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pushed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sun_of_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_unknown, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
