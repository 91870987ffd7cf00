/* See outlook.h. */
#include "policies/planner/outlook.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights of the 10 %, 50 % and 90 % quantiles that give the mean of most bell-like laws: Swanson's rule, as in A. Hurst et al.,
 * Petroleum Geoscience 6 (2000) 1. */
#define EDGE_WEIGHT 0.3
#define MIDDLE_WEIGHT 0.4
#define FUTURES 3
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

/* Puts the mean of the futures' values into the first plan. -ENOMEM leaves it as it is. */
static int mix(struct plan *const *plan, const double *weight, int n, int b)
{
	struct plan *p = plan[0];
	/* the last boundary may take the room of all three */
	struct plan_slope *slope = malloc(((size_t)p->slots + FUTURES) * GUIDE_SEGMENTS_MAX * sizeof(*slope));
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
			int from = plan[k]->slope_first[b][t], count = plan[k]->slope_first[b][t + 1] - from;

			if (count == 0)
				continue;
			f[m++] = (struct steps){ plan[k]->slope[b] + from, count, 0, weight[k] };
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
	p->slope[b] = realloc(slope, ((size_t)used + 1) * sizeof(*slope));
	if (!p->slope[b])
		p->slope[b] = slope;
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

static int solve_all(const struct plan_instance *in, const struct future_site *site, bool (*expired)(void *context), void *context,
		     struct plan *out, struct errbuf *err)
{
	struct plan extra[FUTURES - 1], *plan[FUTURES] = { out };
	double weight[FUTURES] = { MIDDLE_WEIGHT };
	int n = 1, rc = planner_solve_soft(in, expired, context, out, err);

	if (rc)
		return rc;
	for (int k = 0; k < FUTURES - 1 && in->n_batteries; k++) {
		struct plan_instance future;

		if (expired && expired(context)) /* half a future tells less than none */
			break;
		if (other(in, out, &site[k], &future))
			continue;
		if (planner_solve_soft(&future, expired, context, &extra[n - 1], NULL) == 0) {
			plan[n] = &extra[n - 1];
			weight[n++] = EDGE_WEIGHT;
		}
		instance_deinit(&future);
	}
	for (int b = 0; n > 1 && b < in->n_batteries; b++)
		mix(plan, weight, n, b);
	for (int k = 1; k < n; k++)
		plan_deinit(plan[k]);
	return 0;
}

/* What a future makes of a forecast @hours ahead: the present is known, a day is not. */
static double scaled(double w, double share, double hours)
{
	return w * (1 + (share - 1) * (1 - exp(-hours / UNKNOWN_AFTER_H)));
}

static void futures_make(const struct home *home, const struct plan_instance *in,
			 const struct future_site *lean, const struct future_site *rich)
{
	const struct forecast *f = home->forecast;
	double at_ms = (double)in->start_utc_ms;

	for (int t = 0; t < in->slots; t++) {
		const int64_t middle = (int64_t)(at_ms + in->slot_h[t] * 1.8e6);
		const double hours = fmax(0, (double)(middle - in->start_utc_ms) / 3.6e6);
		struct forecast_range load, pv;

		forecast_load(f, home->zone, in->start_utc_ms, middle, &load);
		forecast_pv(f, in->start_utc_ms, middle, &pv);
		lean->load_kw[t] = load.pushed ? in->load_kw[t] : scaled(in->load_kw[t], (double)f->load_day.high, hours);
		rich->load_kw[t] = load.pushed ? in->load_kw[t] : scaled(in->load_kw[t], (double)f->load_day.low, hours);
		lean->pv_kw[t] = pv.pushed ? in->pv_kw[t] : scaled(in->pv_kw[t], (double)f->sun_day.low, hours);
		rich->pv_kw[t] = pv.pushed ? in->pv_kw[t] : scaled(in->pv_kw[t], (double)f->sun_day.high, hours);
		at_ms += in->slot_h[t] * 3.6e6;
	}
}

int outlook_solve(const struct home *home, const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		  struct errbuf *err)
{
	struct future_site site[FUTURES - 1];
	double *room = malloc(4 * (size_t)in->slots * sizeof(*room));
	int rc;

	if (!room)
		return errbuf_set(err, -ENOMEM, "no memory for a plan of %d slots", in->slots);
	for (int k = 0; k < FUTURES - 1; k++)
		site[k] = (struct future_site){ room + 2 * k * in->slots, room + (2 * k + 1) * in->slots };
	futures_make(home, in, &site[0], &site[1]);
	rc = solve_all(in, site, expired, context, out, err);
	free(room);
	return rc;
}
