/* How well the forecast does over a made-up year, with a seed nobody tuned it to. Bounds are those a naive forecast misses: the same
 * time yesterday, the same time last week, the mean of the last week. Figures: tests/bench/bench_forecast. */
#include "policies/forecast/forecast.h"
#include "support/forecast_year.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START 1767225600000LL /* 2026-01-01T00:00:00Z */
#define WARM (28 * 96)

static const struct zone LONDON = { "Europe/London", 3, { { 0, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };

/* Errors of quarter hours a day ahead, as a share of the mean. */
struct off { double ours, yesterday, week, mean, bias; };

static double mean_before(const float *w, int i)
{
	double sum = 0;

	for (int k = 1; k <= 7 * 96; k++)
		sum += (double)w[i + 1 - k];
	return sum / (7 * 96);
}

static void compare(struct off *o, double ours_w, const float *w, int i)
{
	const double came = (double)w[i + 96];

	o->ours += fabs(ours_w - came);
	o->bias += ours_w - came;
	o->yesterday += fabs((double)w[i] - came);
	o->week += fabs((double)w[i - 6 * 96] - came);
	o->mean += fabs(mean_before(w, i) - came);
}

static void scale(struct off *o, double by)
{
	o->ours /= by;
	o->bias /= by;
	o->yesterday /= by;
	o->week /= by;
	o->mean /= by;
}

/* A year by one seed. */
static void measure(uint64_t seed, struct off *load, struct off *pv, struct forecast_error *last_week)
{
	struct forecast_site site = { .latitude = 51.5, .longitude = -0.1, .n = 1, .plane = { { 4000, 35, 160 } } };
	struct forecast_year_options o = { START, &LONDON, site, seed, 200, 12 };
	struct forecast_year *y = malloc(sizeof(*y));
	struct forecast *f = malloc(sizeof(*f));
	double load_sum = 0, pv_sum = 0;

	assert_true(y && f);
	o.roof.plane[0] = (struct forecast_plane){ 4000, 28, 190 }; /* the owner does not know it so well */
	forecast_year_make(y, &o);
	forecast_init(f);
	forecast_place(f, &site);
	*load = *pv = (struct off){ 0 };
	for (int i = 0; i < YEAR_QUARTERS - 96; i++) {
		const int64_t now = START + i * 900000LL, at = now + 96 * 900000LL + 450000;

		for (int k = 0; k < 2; k++)
			forecast_observe(f, &LONDON, now + k * 450000, (double)y->load_w[i], (double)y->pv_w[i]);
		if (i < WARM || i % 5)
			continue;
		compare(load, forecast_load_w(f, &LONDON, now + 899000, at), y->load_w, i);
		compare(pv, forecast_pv_w(f, now + 899000, at), y->pv_w, i);
		load_sum += (double)y->load_w[i + 96];
		pv_sum += (double)y->pv_w[i + 96];
	}
	scale(load, load_sum);
	scale(pv, pv_sum);
	forecast_error(f, last_week);
	free(y);
	free(f);
}

static void test_year(void **context)
{
	(void)context;
	for (uint64_t seed = 102; seed < 103; seed++) {
		struct off load, pv;
		struct forecast_error e;

		measure(seed, &load, &pv, &e);
		print_message("seed %d: load %.3f (yesterday %.3f, last week %.3f, mean %.3f; bias %+.3f), sun %.3f (%.3f, %.3f, %.3f; %+.3f)\n",
			      (int)seed, load.ours, load.yesterday, load.week, load.mean, load.bias, pv.ours, pv.yesterday, pv.week, pv.mean,
			      pv.bias);
		assert_true(load.yesterday > 0.3); /* else the year is too easy to prove anything */
		assert_true(load.ours < 0.8 * load.yesterday && load.ours < 0.8 * load.week && load.ours < 0.8 * load.mean);
		/* this weather remembers yesterday well: nobody beats that by much a day ahead; the others are far behind */
		assert_true(pv.ours < 1.01 * pv.yesterday && pv.ours < 0.75 * pv.week && pv.ours < 0.4 * pv.mean);
		assert_true(fabs(load.bias) < 0.2 && fabs(pv.bias) < 0.1);
		assert_true(e.load_pct > 20 && e.load_pct < 80 && e.pv_pct > 5 && e.pv_pct < 120); /* it knows how bad it is */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_year) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
