/* See outlook.h. */
#include "policies/planner/outlook.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FUTURES 10
#define DAY_H 24
#define UNKNOWN_AFTER_H 2.0 /* how fast what is seen now stops telling what the day will be */

struct future_site { double *load_kw, *pv_kw; };

/* One step function of several: a value each at the same energy. */
struct steps {
	const struct plan_slope *s;
	int n, at;
	double weight;
};

/* The mean of @f's steps, in ascending order of energy; @out has room for those of all. Returns how many. */
static int mean_steps(struct steps *f, int n, struct plan_slope *out)
{
	int count = 0;
	float upto = 0;

	while (isfinite(upto)) {
		double value = 0, last = 0;

		upto = INFINITY;
		for (int k = 0; k < n; k++) {
			value += f[k].weight * (double)f[k].s[f[k].at].value;
			last = fmax(last, (double)f[k].s[f[k].n - 1].upto_kwh);
			if (f[k].at < f[k].n - 1)
				upto = fminf(upto, f[k].s[f[k].at].upto_kwh);
		}
		out[count++] = (struct plan_slope){ isfinite(upto) ? upto : (float)last, (float)value };
		for (int k = 0; k < n; k++)
			while (f[k].at < f[k].n - 1 && f[k].s[f[k].at].upto_kwh <= upto)
				f[k].at++;
	}
	return count;
}

/* At most GUIDE_SEGMENTS_MAX of them: more are averaged over equal parts of the store, which keeps them falling. */
static int shorten(struct plan_slope *s, int n)
{
	double part, begun = 0, sum = 0, at = 0;
	int kept = 0;

	if (n <= GUIDE_SEGMENTS_MAX)
		return n;
	part = (double)s[n - 1].upto_kwh / (GUIDE_SEGMENTS_MAX - 1);
	for (int i = 0; i < n; i++) {
		sum += ((double)s[i].upto_kwh - at) * (double)s[i].value;
		at = (double)s[i].upto_kwh;
		if (i + 1 < n && at - begun < part)
			continue;
		s[kept++] = (struct plan_slope){ (float)at, (float)(sum / fmax(at - begun, 1e-9)) };
		begun = at;
		sum = 0;
	}
	return kept;
}

/* Puts the mean of the futures' values into @p. -ENOMEM leaves it as it is. */
static int mix(struct plan *p, const struct plan *future, const double *weight, int n, int b)
{
	/* the last boundary may take the room of all of them */
	struct plan_slope *slope = malloc(((size_t)p->slots + FUTURES) * GUIDE_SEGMENTS_MAX * sizeof(*slope)), *less;
	int *first = malloc(((size_t)p->slots + 2) * sizeof(*first)), used = 0;

	if (!slope || !first) {
		free(slope);
		free(first);
		return -ENOMEM;
	}
	for (int t = 0; t <= p->slots; t++) {
		struct steps f[FUTURES];
		double sum = 0;
		int m = 0;

		for (int k = 0; k < n; k++) {
			int from = future[k].slope_first[b][t], count = future[k].slope_first[b][t + 1] - from;

			if (count == 0)
				continue;
			f[m++] = (struct steps){ future[k].slope[b] + from, count, 0, weight[k] };
			sum += weight[k];
		}
		for (int k = 0; k < m; k++)
			f[k].weight /= sum;
		first[t] = used;
		if (m)
			used += shorten(slope + used, mean_steps(f, m, slope + used));
	}
	first[p->slots + 1] = used;
	free(p->slope[b]);
	free(p->slope_first[b]);
	less = realloc(slope, ((size_t)used + 1) * sizeof(*slope));
	p->slope[b] = less ? less : slope;
	p->slope_first[b] = first;
	return 0;
}

/* The same home in another future; what cars get is settled by the first plan. */
static int other(const struct plan_instance *in, const struct plan *p, const struct future_site *site, struct plan_instance *out)
{
	int rc = instance_copy(in, out);

	if (rc)
		return rc;
	for (int t = 0; t < in->slots; t++) {
		double share = in->pv_kw[t] > 0 ? in->curtail_max_kw[t] / in->pv_kw[t] : 0;

		out->load_kw[t] = site->load_kw[t];
		out->pv_kw[t] = site->pv_kw[t];
		out->curtail_max_kw[t] = share * site->pv_kw[t];
		for (int e = 0; e < in->n_evs; e++)
			out->load_kw[t] += p->ev_kw[e][t];
	}
	out->n_evs = 0;
	return 0;
}

static bool at_once(void *context)
{
	(void)context;
	return true;
}

/* The values need no search for a better plan. Several batteries do: how they share the work is found by it. */
static int solve_values(const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out)
{
	return planner_solve_soft(in, in->n_batteries > 1 ? expired : at_once, context, out, NULL);
}

/* How much of each slot of load and sun is open, 0..1: the present is known, a day is not, and what was said from outside is sure. */
static void open_make(const struct home *home, const struct plan_instance *in, struct future_site *open)
{
	double at_ms = (double)in->start_utc_ms;

	for (int t = 0; t < in->slots; t++) {
		const int64_t middle = (int64_t)(at_ms + in->slot_h[t] * 1.8e6);
		const double share = 1 - exp(-fmax(0, (double)(middle - in->start_utc_ms) / 3.6e6) / UNKNOWN_AFTER_H);
		double w;

		open->load_kw[t] = forecast_push_load(&home->forecast->push, in->start_utc_ms, middle, &w) ? 0 : share;
		open->pv_kw[t] = forecast_push_pv(&home->forecast->push, in->start_utc_ms, middle, &w) ? 0 : share;
		at_ms += in->slot_h[t] * 3.6e6;
	}
}

static void future_make(const struct plan_instance *in, const struct forecast_day *d, const struct future_site *open, struct future_site *out)
{
	for (int t = 0; t < in->slots; t++) {
		out->load_kw[t] = in->load_kw[t] * (1 + ((double)d->load - 1) * open->load_kw[t]);
		out->pv_kw[t] = in->pv_kw[t] * (1 + ((double)d->sun - 1) * open->pv_kw[t]);
	}
}

struct ranked_day { double need_kwh; const struct forecast_day *d; };

static int by_need(const void *a, const void *b)
{
	const struct ranked_day *x = a, *y = b;

	return (x->need_kwh > y->need_kwh) - (x->need_kwh < y->need_kwh);
}

/* The days that were, in the order of what they would leave to be bought here within a day, cut into parts of equal weight: the mean of each is
 * a future. Returns how many. */
static int days_choose(const struct forecast *f, const struct plan_instance *in, struct forecast_day out[FUTURES])
{
	struct ranked_day day[FORECAST_DAYS_MAX];
	double load = 0, sun = 0, hours = 0, all = 0, upto = 0;
	int part = 0;

	if (f->n_days == 0)
		return 0;
	for (int t = 0; t < in->slots && hours < DAY_H; t++) {
		load += in->load_kw[t] * in->slot_h[t];
		sun += in->pv_kw[t] * in->slot_h[t];
		hours += in->slot_h[t];
	}
	for (int i = 0; i < f->n_days; i++) {
		day[i] = (struct ranked_day){ load * (double)f->day[i].load - sun * (double)f->day[i].sun, &f->day[i] };
		all += (double)f->day[i].weight;
	}
	qsort(day, (size_t)f->n_days, sizeof(day[0]), by_need);
	memset(out, 0, FUTURES * sizeof(*out));
	for (int i = 0; i < f->n_days; i++) {
		double left = (double)day[i].d->weight;

		while (left > 0) { /* a day may belong to several parts */
			double take = part < FUTURES - 1 ? fmin(left, all * (part + 1) / FUTURES - upto) : left;

			out[part].load += (float)take * day[i].d->load;
			out[part].sun += (float)take * day[i].d->sun;
			out[part].weight += (float)take;
			upto += take;
			left -= take;
			part += left > 0;
		}
	}
	for (int k = 0; k <= part; k++) {
		out[k].load /= out[k].weight;
		out[k].sun /= out[k].weight;
	}
	return part + 1;
}

static void solve_futures(const struct home *home, const struct plan_instance *in, double *room, bool (*expired)(void *context), void *context,
			  struct plan *out)
{
	struct future_site open = { room, room + in->slots }, site = { room + 2 * in->slots, room + 3 * in->slots };
	struct forecast_day day[FUTURES];
	struct plan future[FUTURES];
	double weight[FUTURES];
	int n = 0, n_days = days_choose(home->forecast, in, day);

	open_make(home, in, &open);
	for (int k = 0; k < n_days; k++) {
		struct plan_instance other_day;

		future_make(in, &day[k], &open, &site);
		if (other(in, out, &site, &other_day))
			continue;
		if (solve_values(&other_day, expired, context, &future[n]) == 0)
			weight[n++] = (double)day[k].weight;
		instance_deinit(&other_day);
	}
	for (int b = 0; n > 0 && b < in->n_batteries; b++)
		mix(out, future, weight, n, b);
	for (int k = 0; k < n; k++)
		plan_deinit(&future[k]);
}

int outlook_solve(const struct home *home, const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		  struct errbuf *err)
{
	double *room;
	int rc = planner_solve_soft(in, expired, context, out, err);

	if (rc || in->n_batteries == 0)
		return rc;
	room = malloc(4 * (size_t)in->slots * sizeof(*room));
	if (room) /* else the values of the plan itself have to do */
		solve_futures(home, in, room, expired, context, out);
	free(room);
	return 0;
}
