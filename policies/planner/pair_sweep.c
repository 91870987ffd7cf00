/* Backward and forward through the slots: see pair.h. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIE 1e-10 /* relative: costs closer than this count as equal, and self-use wins */

static int points_keep(struct pair *p, const struct slot_point *list, int n)
{
	if (p->points_used + n > p->points_room) {
		int room = p->points_room + p->points_room / 2 + n;
		struct slot_point *bigger = realloc(p->point, (size_t)room * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		p->point = bigger;
		p->points_room = room;
	}
	memcpy(p->point + p->points_used, list, (size_t)n * sizeof(*list));
	p->points_used += n;
	return 0;
}

/* A relaxation may lose energy for nothing: flat to the left of the cheapest point. */
static int allow_waste(const struct pair *p, struct slot_point *list, int n)
{
	int k = 0;

	if (p->waste_kwh <= 0 || n == 0)
		return n;
	for (int i = 1; i < n; i++)
		if (list[i].cost <= list[k].cost)
			k = i;
	memmove(list + 1, list + k, (size_t)(n - k) * sizeof(*list));
	list[0] = list[1];
	list[0].d_kwh -= p->waste_kwh;
	return n - k + 1;
}

static struct togo_cut cut_at(const struct pair *p, int t)
{
	bool soft = !isnan(p->floor_price);
	struct togo_cut cut = { soft ? p->least_kwh[t] : p->floor_kwh[t], p->capacity_kwh, 0, 0 };

	if (t == 0)
		cut.low_kwh = 0; /* where the battery stands is not a decision */
	else if (soft) {
		cut.soft_kwh = p->floor_kwh[t];
		cut.soft_slope = p->floor_price * p->slot[t - 1].dt_h;
	}
	return cut;
}

static int step(struct pair *p, int t, double mu)
{
	struct slot_point list[SLOT_POINTS_MAX + 1];
	struct slot s = p->slot[t];
	struct pair_row *row = &p->row[t];
	struct togo_cut cut = cut_at(p, t);
	bool fixed = !isnan(s.fixed_kw);
	int n;

	if (fixed) { /* the order, or less of it at an end of the store */
		s.battery_min_kw = fmin(s.fixed_kw, 0);
		s.battery_max_kw = fmax(s.fixed_kw, 0);
	}
	n = slot_points(&s, mu, list);
	n = slot_envelope(&s, list, n, &row->convex);
	n = allow_waste(p, list, n);
	row->n = n;
	row->first = p->points_used;
	if (points_keep(p, list, n))
		return -ENOMEM;
	if (fixed && p->waste_kwh <= 0)
		return togo_step_fixed(&p->go, t, list, n, p->floor_kwh[t + 1], &cut);
	return togo_step(&p->go, t, list, n, &cut);
}

int pair_sweep(struct pair *p, int from, double mu)
{
	int rc = 0;

	if (from >= p->slots) {
		struct togo_cut cut = cut_at(p, p->slots);

		from = p->slots;
		p->points_used = 0;
		rc = togo_end(&p->go, p->worth, &cut);
	} else {
		p->points_used = p->row[from].first + p->row[from].n;
	}
	for (int t = from - 1; t >= 0 && !rc; t--)
		rc = step(p, t, mu);
	if (!rc && isinf(togo_at(&p->go, 0, p->soc_kwh)))
		rc = -EDOM;
	return rc;
}

/* Where the slopes of the slot and of the cost to go cancel, within [low, high]; among equals the one nearest @want. */
static double crossing(const struct pair *p, int t, double soc, const double range[2], double want)
{
	const struct slot_point *q = p->point + p->row[t].first;
	const struct togo_row *next = &p->go.row[t + 1];
	const struct togo_segment *v = p->go.segment + next->first;
	int n = p->row[t].n, i = 0, k = 0;
	double d = range[0], v_end = next->low_kwh - soc;

	while (i + 2 < n && q[i + 1].d_kwh <= d)
		i++;
	if (next->n)
		v_end += v[0].len_kwh;
	while (k + 1 < next->n && v_end <= d)
		v_end += v[++k].len_kwh;
	while (d < range[1]) {
		double f = n > 1 ? (q[i + 1].cost - q[i].cost) / (q[i + 1].d_kwh - q[i].d_kwh) : 0;
		double w = next->n ? v[k].slope : 0, slope = f + w, end = range[1];
		double tie = TIE * (fabs(f) + fabs(w));

		if (slope > tie)
			return d;
		if (i + 2 < n && q[i + 1].d_kwh < end)
			end = q[i + 1].d_kwh;
		if (k + 1 < next->n && v_end < end)
			end = v_end;
		if (slope >= -tie && want <= end)
			return want > d ? want : d;
		d = end;
		while (i + 2 < n && q[i + 1].d_kwh <= d)
			i++;
		while (k + 1 < next->n && v_end <= d)
			v_end += v[++k].len_kwh;
	}
	return range[1];
}

static void reach(const struct pair *p, int t, double soc, double range[2])
{
	const struct pair_row *row = &p->row[t];
	const struct slot_point *q = p->point + row->first;

	range[0] = fmax(p->go.row[t + 1].low_kwh - soc, q[0].d_kwh);
	range[1] = fmin(togo_high(&p->go, t + 1) - soc, q[row->n - 1].d_kwh);
	if (range[0] > range[1]) /* rounding at the edge of what is feasible */
		range[0] = range[1] = fabs(range[0]) < fabs(range[1]) ? range[0] : range[1];
}

static double self_use(const struct slot *s, double car_kw)
{
	double b = -s->net_kw - car_kw;

	b = fmin(fmax(b, s->battery_min_kw), s->battery_max_kw);
	return slot_delta(s, b);
}

double pair_relaxed(const struct pair *p, double *e_kw)
{
	double soc = p->soc_kwh, sum = 0;

	for (int t = 0; t < p->slots; t++) {
		const struct pair_row *row = &p->row[t];
		const struct slot_point *q = p->point + row->first;
		double range[2], d, e = q[0].car_kw;
		int i = 0;

		reach(p, t, soc, range);
		if (!isnan(p->slot[t].fixed_kw) && p->waste_kwh <= 0) {
			pair_range(p, t, soc, range);
			d = fmin(fmax(slot_delta(&p->slot[t], p->slot[t].fixed_kw), range[0]), range[1]);
		} else {
			d = crossing(p, t, soc, range, self_use(&p->slot[t], 0));
		}
		while (i + 2 < row->n && q[i + 1].d_kwh < d)
			i++;
		if (row->n > 1)
			e = q[i].car_kw + (q[i + 1].car_kw - q[i].car_kw) * (d - q[i].d_kwh) / (q[i + 1].d_kwh - q[i].d_kwh);
		if (e_kw)
			e_kw[t] = e;
		sum += t >= p->car_from && t < p->car_to ? e * p->slot[t].dt_h : 0;
		soc += d;
	}
	return sum;
}

struct choice {
	double d, cost, car_kw, cost_beyond;
};

/* How far from what is best among equals: self-use, or rest while a car is still looked for (the search is steadier). */
static double away(const struct slot *s, double d, double car_kw)
{
	return fabs(s->car_free ? d : d - self_use(s, car_kw));
}

static void choose(const struct pair *p, int t, double mu, double d, double togo, struct choice *best)
{
	const struct slot *s = &p->slot[t];
	double b = slot_power(s, d), e, c;

	b = fabs(b) < 1e-10 ? 0 : fmin(fmax(b, s->battery_min_kw), s->battery_max_kw);
	c = slot_best(s, b, mu, &e) + togo;
	if (c < best->cost - TIE * fabs(c) || (c <= best->cost + TIE * fabs(c) && away(s, d, e) < away(s, best->d, best->car_kw)))
		*best = (struct choice){ d, c, e, 0 };
}

/* Not convex: the slot bends downward between its points, the cost to go upward at its own: try all of both. */
static struct choice search(const struct pair *p, int t, double mu, double soc, const double range[2])
{
	const struct togo_row *next = &p->go.row[t + 1];
	const struct togo_segment *v = p->go.segment + next->first;
	struct slot_point list[SLOT_POINTS_MAX];
	struct choice best = { range[0], INFINITY, 0, 0 };
	double at = next->low_kwh, value = next->value;
	int n = slot_points(&p->slot[t], mu, list);

	choose(p, t, mu, range[0], togo_at(&p->go, t + 1, soc + range[0]), &best);
	choose(p, t, mu, range[1], togo_at(&p->go, t + 1, soc + range[1]), &best);
	for (int i = 0; i < n; i++)
		if (list[i].d_kwh > range[0] && list[i].d_kwh < range[1])
			choose(p, t, mu, list[i].d_kwh, togo_at(&p->go, t + 1, soc + list[i].d_kwh), &best);
	for (int k = 0; k < next->n && at < soc + range[1]; k++) {
		if (at > soc + range[0])
			choose(p, t, mu, at - soc, value, &best);
		at += v[k].len_kwh;
		value += v[k].len_kwh * v[k].slope;
	}
	if (isinf(best.cost))
		best.cost_beyond = INFINITY; /* nothing is allowed here: no plan, whatever the powers that stand in it */
	return best;
}

void pair_range(const struct pair *p, int t, double soc, double range[2])
{
	reach(p, t, soc, range);
	if (!isnan(p->floor_price)) { /* a soft floor may be missed, never discharged through */
		range[0] = fmax(range[0], fmin(0, p->floor_kwh[t + 1] - soc));
		range[1] = fmax(range[0], range[1]);
	}
}

/* The change of stored energy in slot t and the car's power there. */
static struct choice decide(const struct pair *p, int t, double mu, double soc)
{
	const struct slot *s = &p->slot[t];
	struct choice c = { 0, 0, s->car_free ? 0 : s->car_kw, 0 };
	double range[2];

	pair_range(p, t, soc, range);
	if (!isnan(s->fixed_kw)) {
		double due = slot_delta(s, s->fixed_kw), end = due > 0 ? p->capacity_kwh : p->floor_kwh[t + 1];

		c.d = fmin(fmax(due, range[0]), range[1]);
		if (isinf(s->penalty) && fabs(c.d - due) > 1e-7 && fabs(soc + c.d - end) > 1e-7 && !(due < 0 && soc < end))
			c.cost_beyond = INFINITY; /* only the end of the store may cut an order */
		slot_best(s, slot_power(s, c.d), mu, &c.car_kw);
	} else if (p->row[t].convex) {
		c.d = crossing(p, t, soc, range, self_use(s, c.car_kw));
	} else {
		c = search(p, t, mu, soc, range);
	}
	return c;
}

double pair_order_missed(const struct pair *p, int t, double soc)
{
	const struct slot *s = &p->slot[t];

	if (isnan(s->fixed_kw) || s->missed_cost <= 0)
		return 0;
	return (s->due_kw > 0 ? p->capacity_kwh - soc : soc - p->floor_kwh[t + 1]) > 1e-7 ? s->missed_cost : 0;
}

double pair_cost(const struct pair *p, const double *b_kw, const double *e_kw)
{
	double soc = p->soc_kwh, cost = 0;

	for (int t = 0; t < p->slots; t++) {
		const struct slot *s = &p->slot[t];

		soc += slot_delta(s, b_kw[t]);
		cost += slot_cost(s, b_kw[t], e_kw[t], NULL) + pair_order_missed(p, t, soc);
		if (!isnan(p->floor_price))
			cost += p->floor_price * s->dt_h * fmax(0, p->floor_kwh[t + 1] - soc);
	}
	return cost - p->worth * soc;
}

double pair_walk(const struct pair *p, double mu, double *b_kw, double *e_kw)
{
	double soc = p->soc_kwh, cost = 0;

	for (int t = 0; t < p->slots; t++) {
		const struct slot *s = &p->slot[t];
		struct choice c = decide(p, t, mu, soc);
		double b = slot_power(s, c.d);

		if (fabs(b) < 1e-10)
			b = 0;
		soc += slot_delta(s, b);
		soc = fmin(fmax(soc, 0), p->capacity_kwh);
		cost += c.cost_beyond + slot_cost(s, b, c.car_kw, NULL) + pair_order_missed(p, t, soc);
		if (!isnan(p->floor_price))
			cost += p->floor_price * s->dt_h * fmax(0, p->floor_kwh[t + 1] - soc);
		b_kw[t] = b;
		e_kw[t] = c.car_kw;
	}
	return cost - p->worth * soc;
}
