/* See outlook.h. */
#include "policies/planner/outlook.h"

#include "policies/forecast/analog.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ENOUGH 10 /* futures of several batteries are made also when the time for the plan is over: the newest days */
#define UNKNOWN_AFTER_H 2.0 /* how fast what is seen now stops telling what the day will be */

struct future_site { double *load_kw, *pv_kw; };

/* The values of stored energy, averaged over equal parts of the store. */
struct parts { double width_kwh, sum[GUIDE_SEGMENTS_MAX], weight; };

/* Adds one future's steps, in ascending order of energy; beyond the last its value holds. */
static void parts_add(struct parts *p, const struct plan_slope *s, int n, double weight)
{
	double at = 0;
	int i = 0;

	for (int k = 0; k < GUIDE_SEGMENTS_MAX; k++) {
		const double end = (k + 1) * p->width_kwh;

		while (i < n - 1 && (double)s[i].upto_kwh < end) {
			p->sum[k] += weight * ((double)s[i].upto_kwh - at) * (double)s[i].value;
			at = (double)s[i++].upto_kwh;
		}
		p->sum[k] += weight * (end - at) * (double)s[i].value;
		at = end;
	}
	p->weight += weight;
}

/* @out has room for GUIDE_SEGMENTS_MAX; neighbours alike are one. Returns how many. */
static int parts_mean(const struct parts *p, struct plan_slope *out)
{
	int n = 0;

	for (int k = 0; k < GUIDE_SEGMENTS_MAX; k++) {
		const struct plan_slope s = { (float)((k + 1) * p->width_kwh), (float)(p->sum[k] / (p->width_kwh * p->weight)) };

		if (n && s.value >= out[n - 1].value)
			out[n - 1].upto_kwh = s.upto_kwh;
		else
			out[n++] = s;
	}
	return n;
}

/* Puts the mean of the futures' values into @p. -ENOMEM leaves it as it is. */
static int mix(struct plan *p, const struct plan *future, const double *weight, int n, int b)
{
	struct plan_slope *slope = malloc(((size_t)p->slots + 1) * GUIDE_SEGMENTS_MAX * sizeof(*slope)), *less;
	int *first = malloc(((size_t)p->slots + 2) * sizeof(*first)), used = 0;

	if (!slope || !first) {
		free(slope);
		free(first);
		return -ENOMEM;
	}
	for (int t = 0; t <= p->slots; t++) {
		struct parts parts = { 0 };

		for (int k = 0; k < n; k++) {
			const int *at = future[k].slope_first[b] + t;

			if (at[1] > at[0])
				parts.width_kwh = fmax(parts.width_kwh, (double)future[k].slope[b][at[1] - 1].upto_kwh / GUIDE_SEGMENTS_MAX);
		}
		for (int k = 0; k < n; k++) {
			const int *at = future[k].slope_first[b] + t;

			if (at[1] > at[0])
				parts_add(&parts, future[k].slope[b] + at[0], at[1] - at[0], weight[k]);
		}
		first[t] = used;
		if (parts.weight > 0 && parts.width_kwh > 0)
			used += parts_mean(&parts, slope + used);
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

/* What the futures are made from: quarter hours of the forecast, and the room for what is made. */
struct ahead {
	struct forecast_ahead quarters;
	struct future_site open, site; /* by slot */
};

/* Returns 0 or -ENOMEM. Free *room. */
static int ahead_make(const struct home *home, const struct plan_instance *in, struct ahead *x, double **room)
{
	struct forecast_ahead *q = &x->quarters;
	double hours = 0;

	for (int t = 0; t < in->slots; t++)
		hours += in->slot_h[t];
	q->first = in->start_utc_ms / FORECAST_QUARTER_MS;
	q->n = (int)(((double)(in->start_utc_ms % FORECAST_QUARTER_MS) + hours * 3.6e6) / FORECAST_QUARTER_MS) + 2;
	*room = malloc((4 * (size_t)in->slots + 3 * (size_t)q->n) * sizeof(**room));
	if (!*room)
		return -ENOMEM;
	x->open = (struct future_site){ *room, *room + in->slots };
	x->site = (struct future_site){ *room + 2 * in->slots, *room + 3 * in->slots };
	q->clear_w = *room + 4 * in->slots;
	q->load_w = q->clear_w + q->n;
	q->pv_w = q->load_w + q->n;
	for (int i = 0; i < q->n; i++)
		q->clear_w[i] = forecast_clear_w(&home->forecast->site, (q->first + i) * FORECAST_QUARTER_MS + FORECAST_QUARTER_MS / 2);
	open_make(home, in, &x->open);
	return 0;
}

/* One future, as far as it is open. Where it is not known, it is as forecast. */
static void future_make(const struct home *home, const struct plan_instance *in, const struct forecast_analog *a, struct ahead *x)
{
	const struct forecast_ahead *q = &x->quarters;
	double at_ms = (double)in->start_utc_ms;

	forecast_analog_fill(home->forecast, home->zone, a, &x->quarters);
	for (int t = 0; t < in->slots; t++) {
		const int64_t from = (int64_t)at_ms, to = (int64_t)(at_ms += in->slot_h[t] * 3.6e6);
		double load_w = 0, pv_w = 0, n = 0;

		for (int i = (int)(from / FORECAST_QUARTER_MS - q->first); (q->first + i) * FORECAST_QUARTER_MS < to; i++, n++) {
			load_w += isnan(q->load_w[i]) ? in->load_kw[t] * 1e3 : q->load_w[i];
			pv_w += isnan(q->pv_w[i]) ? in->pv_kw[t] * 1e3 : q->pv_w[i];
		}
		pv_w += fmax(0, -load_w); /* a house that gives */
		x->site.load_kw[t] = in->load_kw[t] + x->open.load_kw[t] * (fmax(0, load_w) / n / 1e3 - in->load_kw[t]);
		x->site.pv_kw[t] = in->pv_kw[t] + x->open.pv_kw[t] * (pv_w / n / 1e3 - in->pv_kw[t]);
	}
}

static void solve_futures(const struct home *home, const struct plan_instance *in, struct ahead *x, bool (*expired)(void *context), void *context,
			  struct plan *out)
{
	struct forecast_analog a[FORECAST_ANALOGS_MAX];
	struct plan future[FORECAST_ANALOGS_MAX];
	double weight[FORECAST_ANALOGS_MAX];
	const int n_analogs = forecast_analogs(home->forecast, home->zone, a);
	int n = 0;

	for (int k = 0; k < n_analogs && (in->n_batteries == 1 || n < ENOUGH || !expired || !expired(context)); k++) {
		struct plan_instance other_day;

		future_make(home, in, &a[k], x);
		if (other(in, out, &x->site, &other_day))
			continue;
		if (solve_values(&other_day, expired, context, &future[n]) == 0)
			weight[n++] = a[k].weight;
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
	struct ahead ahead;
	double *room;
	int rc = planner_solve_soft(in, expired, context, out, err);

	if (rc || in->n_batteries == 0)
		return rc;
	if (ahead_make(home, in, &ahead, &room) == 0) { /* else the values of the plan itself have to do */
		solve_futures(home, in, &ahead, expired, context, out);
		free(room);
	}
	return 0;
}
