/* The car as a knapsack: with the battery's power given, which slots take its energy at least cost. Segments of the
 * slots' convex envelopes are filled in order of price; at most one slot ends between 0 and the least power, and is
 * mended by the cheaper of raising it (others give way) and dropping it (others take over). */
#include "policies/planner/pair.h"

#include <stdlib.h>

#define SEGMENTS_PER_SLOT 8
#define ENERGY_EPS 1e-9
#define SLOPE_BITS 36

struct piece {
	double slope, de_kw;
	int t, order;
};

size_t pair_car_scratch(const struct pair *p)
{
	return (size_t)(p->car_to - p->car_from + 1) * SEGMENTS_PER_SLOT * sizeof(struct piece);
}

double pair_car_cost(const struct pair_view *v, int t, double e_kw)
{
	const struct pair *p = v->pair;
	struct slot s = p->slot[t];
	struct slot_point list[SLOT_POINTS_MAX];
	double best = INFINITY;
	int n;

	if (isinf(s.penalty))
		s.penalty = 4 * p->mu_max; /* not allowed, so dearer than any kWh may be */
	if (!v->worth || !isnan(s.fixed_kw))
		return slot_cost(&s, v->battery_kw[t], e_kw, NULL);
	s.car_free = false;
	s.car_kw = e_kw;
	n = slot_points(&s, 0, list);
	for (int i = 0; i < n; i++)
		best = fmin(best, list[i].cost - v->worth[t] * list[i].d_kwh);
	return best;
}

static int compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->slope != y->slope)
		return x->slope < y->slope ? -1 : 1;
	if (x->t != y->t)
		return x->t < y->t ? -1 : 1; /* early is safe */
	return x->order - y->order;
}

/* Differences of sums are off by their last bits: what is priced alike shall be alike, or the car goes on and off for nothing. */
static double rounded(double slope)
{
	int e;
	const double m = frexp(slope, &e);

	return ldexp(round(ldexp(m, SLOPE_BITS)), e - SLOPE_BITS);
}

/* Slope pieces of slot t's envelope over the car's power. */
static int pieces(const struct pair_view *v, int t, struct piece *out)
{
	const struct slot *s = &v->pair->slot[t];
	double at[SEGMENTS_PER_SLOT], cost[SEGMENTS_PER_SLOT], y = s->net_kw + (v->worth ? 0 : v->battery_kw[t]);
	double bend[3] = { -s->export_max_kw - y, -y, s->import_max_kw - y };

	if (v->worth) { /* with the battery responding the grid's end moves by what it can take or give */
		bend[0] = s->import_max_kw - y - s->battery_max_kw;
		bend[1] = s->import_max_kw - y;
		bend[2] = s->import_max_kw - y - s->battery_min_kw;
	}
	int n = 0, m = 0;

	at[n++] = 0;
	at[n++] = s->car_min_kw;
	for (int i = 0; i < 3; i++) /* ascending by nature */
		if (bend[i] > s->car_min_kw && bend[i] < s->car_max_kw)
			at[n++] = bend[i];
	if (s->car_max_kw > s->car_min_kw)
		at[n++] = s->car_max_kw;
	for (int i = at[1] > 0 ? 0 : 1; i < n; i++) {
		double c = pair_car_cost(v, t, at[i]);

		while (m >= 2 &&
		       (c - cost[m - 1]) * (at[m - 1] - at[m - 2]) <= (cost[m - 1] - cost[m - 2]) * (at[i] - at[m - 1]))
			m--;
		at[m] = at[i];
		cost[m++] = c;
	}
	for (int i = 0; i + 1 < m; i++) {
		double de = at[i + 1] - at[i];

		out[i] = (struct piece){ rounded((cost[i + 1] - cost[i]) / (de * s->dt_h)), de, t, i };
	}
	return m > 0 ? m - 1 : 0;
}

/* Moves up to @kwh (sign: up or down) within the slots other than @k, best price first; a slot that rests is started when
 * that much is missing. Returns what is left. */
static double shift(const struct pair_view *v, double *e, int k, double kwh)
{
	const struct pair *p = v->pair;

	while (fabs(kwh) > ENERGY_EPS) {
		double best = INFINITY, best_e = 0;
		int best_t = -1;

		for (int t = p->car_from; t < p->car_to; t++) {
			const struct slot *s = &p->slot[t];
			double to, price;

			if (t == k || (e[t] <= 0 && kwh < s->car_min_kw * s->dt_h))
				continue;
			to = fmin(fmax(e[t] + kwh / s->dt_h, s->car_min_kw), s->car_max_kw);
			if (fabs(to - e[t]) * s->dt_h < ENERGY_EPS)
				continue;
			price = (pair_car_cost(v, t, to) - pair_car_cost(v, t, e[t])) / (fabs(to - e[t]) * s->dt_h);
			if (price < best && price <= p->mu_max) {
				best = price;
				best_t = t;
				best_e = to;
			}
		}
		if (best_t < 0)
			break;
		kwh -= (best_e - e[best_t]) * p->slot[best_t].dt_h;
		e[best_t] = best_e;
	}
	return kwh;
}

static double total(const struct pair_view *v, const double *e)
{
	double sum = 0;

	for (int t = v->pair->car_from; t < v->pair->car_to; t++)
		sum += pair_car_cost(v, t, e[t]);
	return sum;
}

/* Slot k stands below the car's least power: both ways, the better one stays. Returns the energy still missing (+) or
 * too much (-). @copy has room for the window. */
static double mend(const struct pair_view *v, double *e, int k, double *copy)
{
	const struct pair *p = v->pair;
	const struct slot *s = &p->slot[k];
	double part = e[k], left_up, left_down, cost_up, cost_down;
	int n = p->car_to - p->car_from;

	for (int i = 0; i < n; i++)
		copy[i] = e[p->car_from + i];
	e[k] = s->car_min_kw;
	left_up = shift(v, e, k, (part - s->car_min_kw) * s->dt_h);
	cost_up = total(v, e);
	for (int i = 0; i < n; i++) { /* swap: the raised plan aside, the other one in */
		double raised = e[p->car_from + i];

		e[p->car_from + i] = copy[i];
		copy[i] = raised;
	}
	e[k] = 0;
	left_down = shift(v, e, k, part * s->dt_h);
	cost_down = total(v, e);
	if (fabs(left_up) < fabs(left_down) - 1e-7 || (fabs(left_up) < fabs(left_down) + 1e-7 && cost_up < cost_down)) {
		for (int i = 0; i < n; i++)
			e[p->car_from + i] = copy[i];
		return left_up;
	}
	return left_down;
}

double pair_car_fit(const struct pair_view *v, double *e_kw, void *scratch)
{
	const struct pair *p = v->pair;
	struct piece *list = scratch;
	double left = p->car_kwh;
	int n = 0, part = -1;

	if (pair_car_whole_needed(p) && pair_car_whole(v, e_kw))
		return p->car_kwh;
	for (int t = p->car_from; t < p->car_to; t++) {
		e_kw[t] = 0;
		n += pieces(v, t, list + n);
	}
	qsort(list, (size_t)n, sizeof(*list), compare);
	for (int i = 0; i < n && left > ENERGY_EPS && list[i].slope <= p->mu_max; i++) {
		const struct slot *s = &p->slot[list[i].t];
		double de = fmin(list[i].de_kw, left / s->dt_h);

		e_kw[list[i].t] += de;
		left -= de * s->dt_h;
		if (e_kw[list[i].t] < s->car_min_kw - ENERGY_EPS)
			part = list[i].t;
		else if (part == list[i].t)
			part = -1;
	}
	if (part >= 0)
		left += mend(v, e_kw, part, scratch);
	return p->car_kwh - left;
}
