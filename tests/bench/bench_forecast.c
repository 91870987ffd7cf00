/* How far the day-ahead forecast is off, in quarter hours over a made-up year, beside what a naive one would be: the same time
 * yesterday, the same time last week, the mean of the last week. Usage: bench_forecast [SEEDS] */
#include "policies/forecast/forecast.h"
#include "support/forecast_year.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM_DAYS 14
#define START 1767225600000LL /* 2026-01-01T00:00:00Z */

static const struct zone LONDON = { "Europe/London", 3, { { 0, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };

enum { OURS_24, OURS_6, OURS_1, YESTERDAY, LAST_WEEK, MEAN, WAYS };
static const char *const NAMES[WAYS] = { "forecast, 24 h ahead", "forecast, 6 h ahead", "forecast, 1 h ahead", "naive: yesterday",
					  "naive: last week", "naive: mean of a week" };

struct tally { double off[WAYS], bias[WAYS], came, inside, n; };

static void add(struct tally *t, int way, double forecast_w, double came_w)
{
	t->off[way] += fabs(forecast_w - came_w);
	t->bias[way] += forecast_w - came_w;
}

static double week_mean(const float *w, int i)
{
	double sum = 0;

	for (int k = 0; k < 7 * 96; k++)
		sum += (double)w[i - 1 - k];
	return sum / (7 * 96);
}

static void measure(const struct forecast_year *y, struct forecast *f, struct tally *load, struct tally *pv)
{
	static const int AHEAD[] = { 96, 24, 4 };

	for (int i = 0; i < YEAR_QUARTERS - 96; i++) {
		const int64_t now = y->start_utc_ms + i * 900000LL;

		for (int k = 0; k < 3; k++)
			forecast_observe(f, &LONDON, now + k * 300000, (double)y->load_w[i], (double)y->pv_w[i]);
		if (i < WARM_DAYS * 96 || i % 3)
			continue;
		for (int a = 0; a < 3; a++) {
			const int64_t at = now + AHEAD[a] * 900000LL + 450000;
			struct forecast_range r;

			forecast_load(f, &LONDON, now + 899000, at, &r);
			add(load, OURS_24 + a, r.mid_w, (double)y->load_w[i + AHEAD[a]]);
			if (a == 0)
				load->inside += (double)y->load_w[i + 96] >= r.low_w && (double)y->load_w[i + 96] <= r.high_w;
			forecast_pv(f, now + 899000, at, &r);
			add(pv, OURS_24 + a, r.mid_w, (double)y->pv_w[i + AHEAD[a]]);
			if (a == 0 && y->pv_w[i + 96] > 0) {
				pv->inside += (double)y->pv_w[i + 96] >= r.low_w && (double)y->pv_w[i + 96] <= r.high_w;
				pv->n++;
			}
		}
		add(load, YESTERDAY, (double)y->load_w[i], (double)y->load_w[i + 96]);
		add(load, LAST_WEEK, (double)y->load_w[i - 6 * 96], (double)y->load_w[i + 96]);
		add(load, MEAN, week_mean(y->load_w, i + 1), (double)y->load_w[i + 96]);
		add(pv, YESTERDAY, (double)y->pv_w[i], (double)y->pv_w[i + 96]);
		add(pv, LAST_WEEK, (double)y->pv_w[i - 6 * 96], (double)y->pv_w[i + 96]);
		add(pv, MEAN, week_mean(y->pv_w, i + 1), (double)y->pv_w[i + 96]);
		load->came += (double)y->load_w[i + 96];
		pv->came += (double)y->pv_w[i + 96];
		load->n++;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A line tests/bench/run reads. */
static void figure(const char *what, const struct tally *t)
{
	printf("figure: forecast of %s a day ahead, error of quarter hours of made-up years against the same time yesterday"
	       " | measured: %.2fx (%.1f %% / %.1f %%) | target:  | -\n",
	       what, t->off[OURS_24] / t->off[YESTERDAY], 100 * t->off[OURS_24] / t->came, 100 * t->off[YESTERDAY] / t->came);
}

int main(int argc, char **argv)
{
	struct forecast_year *y = malloc(sizeof(*y));
	struct forecast *f = malloc(sizeof(*f));
	struct tally load = { 0 }, pv = { 0 };
	int seeds = argc > 1 ? atoi(argv[1]) : 3;
	struct forecast_error e;
	double from, took;

	if (!y || !f)
		return 1;
	from = seconds();
	for (int seed = 1; seed <= seeds; seed++) {
		struct forecast_site site = { .latitude = 51.5, .longitude = -0.1, .n = 1, .plane = { { 4000, 35, 160 } } };
		struct forecast_year_options o = { START, &LONDON, site, (uint64_t)seed, 200, 12 };

		o.roof.plane[0] = (struct forecast_plane){ 4000, 28, 190 }; /* the owner does not know it so well */
		forecast_year_make(y, &o);
		forecast_init(f);
		forecast_place(f, &site);
		measure(y, f, &load, &pv);
	}
	took = seconds() - from;
	printf("forecast: %d made-up years, error of quarter hours in %% of the mean (mean absolute, bias)\n", seeds);
	for (int w = 0; w < WAYS; w++)
		printf("forecast: %-22s load %5.1f %+6.1f   sun %5.1f %+6.1f\n", NAMES[w], 100 * load.off[w] / load.came,
		       100 * load.bias[w] / load.came, 100 * pv.off[w] / pv.came, 100 * pv.bias[w] / pv.came);
	printf("forecast: within 10..90 %%: load %.0f %%, sun %.0f %%; struct %zu KiB; a year takes %.2f s with all of the above\n",
	       100 * load.inside / load.n, 100 * pv.inside / pv.n, sizeof(*f) / 1024, took / seeds);
	figure("the load", &load);
	figure("the sun", &pv);
	forecast_error(f, &e);
	printf("forecast: its own word on the last week: load %.1f %%, sun %.1f %%\n", e.load_pct, e.pv_pct);
	free(y);
	free(f);
	return 0;
}
