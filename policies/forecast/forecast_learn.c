/* What is usual, out of the rings: weighted quantiles over days, and how the last hours and days differed. */
#include "policies/forecast/forecast.h"
#include "policies/forecast/household.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (FORECAST_DAY * FORECAST_QUARTER_MS)
#define LOAD_DAYS (FORECAST_LOAD_MAX / FORECAST_DAY)
#define PV_DAYS (FORECAST_PV_MAX / FORECAST_DAY)
#define LOAD_FADE 0.98       /* of a day's weight for each day it is older: 34 days to the half, or a fortnight away would weigh more */
#define SAME_CLASS 0.8       /* weight of another working day, of the other day of the weekend */
#define OTHER_CLASS 0.05     /* of a working day for a weekend, and the other way round */
#define PV_FADE 0.97
#define LOAD_WIDE 1          /* quarter hours on each side that count for this one: habits are not to the minute */
#define PV_WIDE 1
#define COLD_WEIGHT 0.3      /* of the standard household, and of the standard sky, in days */
#define HOURS_FADE 0.93      /* a quarter hour: 3.5 h */
#define DAYS_FADE 0.99       /* 25 h */
#define SKY_FADE 0.95        /* 5 h */
#define SKY_MOST 2.0         /* times what is seldom exceeded: more is a meter that told nonsense */
#define LEVEL_SPAN (3 * FORECAST_DAY)
#define SCALE_SPAN (7 * FORECAST_DAY)
#define YOUNG_H 48

/* One day's word on a quarter hour. */
struct word { double w, weight; };

double forecast_past_load(const struct forecast *f, int64_t quarter)
{
	bool held = quarter > 0 && quarter <= f->last && quarter > f->last - FORECAST_LOAD_MAX;

	return held ? (double)f->load_w[forecast_ring(quarter, FORECAST_LOAD_MAX)] : NAN;
}

double forecast_past_pv(const struct forecast *f, int64_t quarter)
{
	bool held = quarter > 0 && quarter <= f->last && quarter > f->last - FORECAST_PV_MAX;

	return held ? (double)f->pv_w[forecast_ring(quarter, FORECAST_PV_MAX)] : NAN;
}

double forecast_plausible_pv(const struct forecast *f, int64_t quarter)
{
	const double w = forecast_past_pv(f, quarter);

	if (isnan(w))
		return NAN;
	return fmin(w, SKY_MOST * (double)f->yield[forecast_ring(quarter, FORECAST_DAY)].high * (double)f->clear_w[forecast_ring(quarter, FORECAST_PV_MAX)]);
}

static bool weekend(int weekday)
{
	return weekday == 0 || weekday == 6;
}

static int bin_of(const struct zone *z, int64_t utc_ms, int *weekday)
{
	struct civil c;

	calendar_local(z, utc_ms, &c);
	*weekday = c.weekday;
	return (c.hour * 60 + c.minute) / 15;
}

const struct forecast_quantiles *forecast_usual(const struct forecast *f, const struct zone *z, int64_t utc_ms)
{
	int weekday, bin = bin_of(z, utc_ms, &weekday);

	return &f->usual_load[weekday][bin];
}

/* ---- quantiles ---- */

static int by_w(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	return (x->w > y->w) - (x->w < y->w);
}

/* Of sorted words: where @share of the weight is reached. */
static double quantile(const struct word *s, int n, double share)
{
	double sum = 0, upto = 0;
	int i = 0;

	for (int k = 0; k < n; k++)
		sum += s[k].weight;
	while (i < n - 1 && upto + s[i].weight < share * sum)
		upto += s[i++].weight;
	return s[i].w;
}

static struct forecast_quantiles quantiles(struct word *s, int n)
{
	qsort(s, (size_t)n, sizeof(*s), by_w);
	return (struct forecast_quantiles){ (float)quantile(s, n, 0.1), (float)quantile(s, n, 0.5), (float)quantile(s, n, 0.9) };
}

/* ---- load ---- */

/* One time of day on the days that knew it. */
struct days {
	int n, weekday[LOAD_DAYS];
	double mean_w[LOAD_DAYS], w[LOAD_DAYS], weight[LOAD_DAYS];
};

static double weight_for(int weekday, const struct days *s, int i)
{
	if (s->weekday[i] == weekday)
		return s->weight[i];
	return s->weight[i] * (weekend(weekday) == weekend(s->weekday[i]) ? SAME_CLASS : OTHER_CLASS);
}

static double mean_around(const struct forecast *f, int64_t quarter)
{
	double sum = 0, w;
	int n = 0;

	for (int64_t q = quarter - LOAD_WIDE; q <= quarter + LOAD_WIDE; q++) {
		w = forecast_past_load(f, q);
		if (!isnan(w)) {
			sum += w;
			n++;
		}
	}
	return n ? sum / n : NAN;
}

/* The standard household's word, as three. */
static int cold_words(const struct forecast *f, int weekday, int bin, struct word *out)
{
	double w = f->load_scale_w * household_shape(weekend(weekday), bin * 15);

	out[0] = (struct word){ 0.5 * w, COLD_WEIGHT / 4 };
	out[1] = (struct word){ w, COLD_WEIGHT / 2 };
	out[2] = (struct word){ 2 * w, COLD_WEIGHT / 4 };
	return 3;
}

/* What is usual of one weekday: the middle of means, the edges of single quarter hours, which spread wider. */
static struct forecast_quantiles usual_make(const struct forecast *f, int weekday, int bin, const struct days *seen)
{
	struct word all[LOAD_DAYS + 3];
	struct forecast_quantiles q;
	double mid;

	for (int i = 0; i < seen->n; i++)
		all[i] = (struct word){ seen->mean_w[i], weight_for(weekday, seen, i) };
	mid = (double)quantiles(all, seen->n + cold_words(f, weekday, bin, all + seen->n)).mid;
	for (int i = 0; i < seen->n; i++)
		all[i] = (struct word){ seen->w[i], weight_for(weekday, seen, i) };
	q = quantiles(all, seen->n + cold_words(f, weekday, bin, all + seen->n));
	return (struct forecast_quantiles){ (float)fmin((double)q.low, mid), (float)mid, (float)fmax((double)q.high, mid) };
}

/* All days of one local time of day, of which @quarter is the newest. */
static void load_bin(struct forecast *f, const struct zone *z, int64_t quarter)
{
	const int64_t at = quarter * FORECAST_QUARTER_MS;
	const int32_t offset_s = calendar_offset_s(z, at);
	struct days seen = { .n = 0 };
	double weight = 1;
	int weekday, bin = bin_of(z, at, &weekday);

	for (int day = 0; day < LOAD_DAYS; day++, weight *= LOAD_FADE) {
		int64_t then = at - day * DAY_MS;
		double mean_w, w;

		then += (offset_s - calendar_offset_s(z, then)) * 1000LL; /* the same time by the clock on the wall */
		mean_w = mean_around(f, then / FORECAST_QUARTER_MS);
		w = forecast_past_load(f, then / FORECAST_QUARTER_MS);
		if (isnan(mean_w))
			continue;
		seen.mean_w[seen.n] = mean_w;
		seen.w[seen.n] = isnan(w) ? mean_w : w;
		seen.weight[seen.n] = weight;
		seen.weekday[seen.n++] = (weekday + 7 * LOAD_DAYS - day) % 7;
	}
	for (int d = 0; d < 7; d++)
		f->usual_load[d][bin] = usual_make(f, d, bin, &seen);
}

/* How large the standard household is here: what was seen over what it would have drawn, beginning at its own size. One quarter
 * hour of each hour is enough; returns how many there were. */
static int scale_make(struct forecast *f, const struct zone *z)
{
	double seen = HOUSEHOLD_MEAN_W, standard = 1;
	int n = 0;

	for (int64_t q = f->last - SCALE_SPAN + 1; q <= f->last; q += 4) {
		double w = forecast_past_load(f, q);
		int weekday, bin;

		if (isnan(w))
			continue;
		bin = bin_of(z, q * FORECAST_QUARTER_MS, &weekday);
		seen += fmax(0, w);
		standard += household_shape(weekend(weekday), bin * 15);
		n++;
	}
	f->load_scale_w = seen / standard;
	return n;
}

/* ---- sun ---- */

/* All days of one time of day, of which @quarter is the newest: how much of the clear sky came. */
static void yield_bin(struct forecast *f, int64_t quarter)
{
	const double cold = forecast_site_known(&f->site) ? 1 : 0; /* without a model the yield is in W, and nothing is known of it */
	struct word all[PV_DAYS + 3];
	double weight = 1;
	int n = 0;

	for (int day = 0; day < PV_DAYS; day++, weight *= PV_FADE) {
		double came = 0, clear = 0;

		for (int64_t q = quarter - day * FORECAST_DAY - PV_WIDE; q <= quarter - day * FORECAST_DAY + PV_WIDE; q++) {
			double w = forecast_past_pv(f, q);

			if (isnan(w))
				continue;
			came += w;
			clear += (double)f->clear_w[forecast_ring(q, FORECAST_PV_MAX)];
		}
		if (clear > 0)
			all[n++] = (struct word){ came / clear, weight };
	}
	all[n++] = (struct word){ 0.2 * cold, COLD_WEIGHT / 4 };
	all[n++] = (struct word){ 0.6 * cold, COLD_WEIGHT / 2 };
	all[n++] = (struct word){ 0.9 * cold, COLD_WEIGHT / 4 };
	f->yield[forecast_ring(quarter, FORECAST_DAY)] = quantiles(all, n);
}

void forecast_yields(struct forecast *f)
{
	for (int i = 0; i < FORECAST_DAY; i++)
		yield_bin(f, f->last - i);
}

/* ---- levels ---- */

struct level { double fade, sum, weight; };

static void level_add(struct level *l, double w, double weight)
{
	l->sum = l->sum * l->fade + w;
	l->weight = l->weight * l->fade + weight;
}

static void levels_make(struct forecast *f, const struct zone *z)
{
	struct level hours = { HOURS_FADE, 0, 0 }, days = { DAYS_FADE, 0, 0 }, sky = { SKY_FADE, 0, 0 };

	for (int64_t q = f->last - LEVEL_SPAN + 1; q <= f->last; q++) {
		const struct forecast_quantiles *u = forecast_usual(f, z, q * FORECAST_QUARTER_MS);
		double load = forecast_past_load(f, q), pv = forecast_plausible_pv(f, q), band = fmax(2 * (double)(u->high - u->low), 100);
		bool known = !isnan(load);
		double more = known ? fmin(fmax(load - (double)u->mid, -band), band) : 0;

		level_add(&hours, more, known);
		level_add(&days, more, known);
		if (!isnan(pv))
			level_add(&sky, pv, (double)(f->yield[forecast_ring(q, FORECAST_DAY)].mid * f->clear_w[forecast_ring(q, FORECAST_PV_MAX)]));
	}
	f->hours_w = hours.sum / (hours.weight + 4);
	f->days_w = days.sum / (days.weight + 24);
	f->day_sky = (sky.sum + 200) / (sky.weight + 200);
}

static void most_make(struct forecast *f)
{
	f->most_pv_w = 0;
	for (int i = 0; i < FORECAST_PV_MAX; i++)
		f->most_pv_w = fmax(f->most_pv_w, (double)f->pv_w[i]); /* NAN loses */
}

void forecast_tables(struct forecast *f, const struct zone *z)
{
	const int64_t from = (f->last - FORECAST_DAY + 1) * FORECAST_QUARTER_MS;

	scale_make(f, z);
	for (int i = 0; i < FORECAST_DAY; i++)
		load_bin(f, z, calendar_next_minute(z, from, i * 15) / FORECAST_QUARTER_MS);
	forecast_yields(f);
	most_make(f);
	levels_make(f, z);
}

void forecast_settle(struct forecast *f, const struct zone *z)
{
	if (scale_make(f, z) < YOUNG_H) { /* while the scale still moves, it moves all of the day */
		forecast_tables(f, z);
		return;
	}
	load_bin(f, z, f->last);
	yield_bin(f, f->last);
	most_make(f);
	levels_make(f, z);
}
