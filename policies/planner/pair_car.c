/* The car as a knapsack: with the battery's power given, which slots take its energy at least cost. Segments of the
 * slots' convex envelopes are filled in order of price; at most one slot ends between 0 and the least power, and is
 * mended by the cheaper of raising it (others give way) and dropping it (others take over). Where that does not come out at the
 * car's energy - its powers lie close together, and the slots are not alike - one slot is left out, or taken in, and it is filled
 * again; in a short window also where that is cheaper. */
#include "policies/planner/pair.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENTS_PER_SLOT 8
#define ENERGY_EPS 1e-9
#define SLOPE_BITS 36
#define LENGTHS 8 /* of slots that are told apart */
#define SLOTS_FEW 64 /* of a window: each choice weighs, and there is time to try others */

struct piece {
	double slope, de_kw;
	int t, order;
};

size_t pair_car_scratch(const struct pair *p)
{
	size_t n = (size_t)(p->car_to - p->car_from + 1);

	return n * SEGMENTS_PER_SLOT * sizeof(struct piece) + (n + (size_t)p->car_to) * sizeof(double);
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
	double at[SEGMENTS_PER_SLOT + 1], cost[SEGMENTS_PER_SLOT + 1], y = s->net_kw + (v->worth ? 0 : v->battery_kw[t]), bend[6];
	int bends = v->worth ? 3 : slot_kinks(s, bend), n = 0, m = 0;

	if (v->worth) { /* with the battery responding the grid's end moves by what it can take or give */
		bend[0] = s->import_max_kw - s->battery_max_kw;
		bend[1] = s->import_max_kw;
		bend[2] = s->import_max_kw - s->battery_min_kw;
	}
	at[n++] = 0;
	at[n++] = s->car_min_kw;
	for (int i = 0; i < bends; i++) {
		double e = bend[i] - y;
		int k = n;

		if (!(e > s->car_min_kw && e < s->car_max_kw))
			continue;
		while (at[k - 1] > e)
			k--;
		if (at[k - 1] < e) {
			memmove(at + k + 1, at + k, (size_t)(n - k) * sizeof(*at));
			at[k] = e;
			n++;
		}
	}
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

struct fill {
	const struct pair_view *view;
	const struct piece *list; /* by price */
	int n;
	double *copy, *other;     /* room for the window, and for all slots up to its end */
	bool mended;
};

/* Fills the slots in the order of price, slot @out not at all, slot @in at its least power first (-1: none). Returns the energy
 * still missing (+) or too much (-). */
static double fill(struct fill *f, int out, int in, double *e_kw)
{
	const struct pair *p = f->view->pair;
	double left = p->car_kwh;
	int part = -1;

	for (int t = p->car_from; t < p->car_to; t++)
		e_kw[t] = t == in ? p->slot[t].car_min_kw : 0;
	if (in >= 0)
		left -= e_kw[in] * p->slot[in].dt_h;
	for (int i = 0; i < f->n && left > ENERGY_EPS && f->list[i].slope <= p->mu_max; i++) {
		int t = f->list[i].t;
		const struct slot *s = &p->slot[t];
		double de = fmin(f->list[i].de_kw, left / s->dt_h);

		if (t == out || t == in)
			continue;
		e_kw[t] += de;
		left -= de * s->dt_h;
		if (e_kw[t] < s->car_min_kw - ENERGY_EPS)
			part = t;
		else if (part == t)
			part = -1;
	}
	f->mended = part >= 0;
	if (part >= 0)
		left += mend(f->view, e_kw, part, f->copy);
	else if (in >= 0)
		left = shift(f->view, e_kw, -1, left);
	return left;
}

/* Of each length of slot the dearest that runs and the cheapest that rests: one left out or taken in, the cheapest way that gives
 * the car its energy stays in @e_kw. False, and @e_kw as it was: none does that costs less than @best. */
static bool fill_without_one(struct fill *f, double best, double *e_kw)
{
	const struct pair *p = f->view->pair;
	struct {
		double dt_h, price[2];
		int t[2];
	} length[LENGTHS];
	int lengths = 0, found = -1, found_on = 0;

	for (int t = p->car_from; t < p->car_to; t++) {
		const struct slot *s = &p->slot[t];
		double price, least = fmax(s->car_min_kw, ENERGY_EPS);
		bool on = e_kw[t] > 0;
		int i = 0;

		if (s->car_must || s->car_max_kw < least)
			continue;
		price = (pair_car_cost(f->view, t, least) - pair_car_cost(f->view, t, 0)) / (least * s->dt_h);
		while (i < lengths && fabs(length[i].dt_h - s->dt_h) > ENERGY_EPS)
			i++;
		if (i == LENGTHS || (!on && price > p->mu_max))
			continue;
		if (i == lengths) {
			length[i].dt_h = s->dt_h;
			length[i].t[0] = length[i].t[1] = -1;
			lengths++;
		}
		if (length[i].t[on] < 0 || (on ? price > length[i].price[on] : price < length[i].price[on])) {
			length[i].t[on] = t;
			length[i].price[on] = price;
		}
	}
	for (int i = 0; i < 2 * lengths; i++) {
		int on = i & 1, t = length[i / 2].t[on];
		double cost;

		if (t < 0 || fabs(fill(f, on ? t : -1, on ? -1 : t, f->other)) > PAIR_ENERGY_EPS)
			continue;
		cost = total(f->view, f->other);
		if (cost < best - 1e-9) {
			best = cost;
			found = t;
			found_on = on;
		}
	}
	if (found >= 0)
		fill(f, found_on ? found : -1, found_on ? -1 : found, e_kw);
	return found >= 0;
}

double pair_car_fit(const struct pair_view *v, double *e_kw, void *scratch)
{
	const struct pair *p = v->pair;
	struct piece *list = scratch;
	size_t slots = (size_t)(p->car_to - p->car_from + 1);
	struct fill f = { v, list, 0, (double *)(list + slots * SEGMENTS_PER_SLOT), NULL, false };
	bool filled;
	double left;

	f.other = f.copy + slots;
	if (pair_car_whole_needed(p) && pair_car_whole(v, e_kw))
		return p->car_kwh;
	for (int t = p->car_from; t < p->car_to; t++)
		f.n += pieces(v, t, list + f.n);
	qsort(list, (size_t)f.n, sizeof(*list), compare);
	left = fill(&f, -1, -1, e_kw);
	filled = fabs(left) <= PAIR_ENERGY_EPS;
	if ((!filled || (f.mended && slots <= SLOTS_FEW)) && fill_without_one(&f, filled ? total(v, e_kw) : INFINITY, e_kw))
		left = 0;
	return p->car_kwh - left;
}
