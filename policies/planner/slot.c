/* See slot.h. The cost of the grid at power g is import_price*g above 0 and export_price*g below; curtailing moves g
 * upward. All of it is piecewise linear, so points and their lower envelope say everything. */
#include "policies/planner/slot.h"

#define POWER_EPS 1e-9 /* kW; far below the 1e-4 of the format, above rounding */

static double grid_cost(const struct slot *s, double g)
{
	return g * (g > 0 ? s->import_price : s->export_price);
}

/* Cheapest grid power within [low, high]: an end, or zero; low when equal, so nothing is curtailed without need. */
static double grid_best(const struct slot *s, double low, double high)
{
	double best = low;

	if (!s->awkward && s->import_price >= 0)
		return low;
	if (low < 0 && high > 0 && grid_cost(s, best) > 0)
		best = 0;
	if (grid_cost(s, high) < grid_cost(s, best))
		best = high;
	return best;
}

double slot_cost(const struct slot *s, double b_kw, double e_kw, double *grid_kw)
{
	double y = s->net_kw + b_kw + e_kw, low = -s->export_max_kw, high = s->import_max_kw, g, over = 0;

	if (s->awkward) {
		if (b_kw > 0 && !s->grid_charge)
			high = fmin(high, 0);
		if (b_kw < 0 && !s->battery_export)
			low = fmax(low, 0);
		if (!s->battery_to_ev && (b_kw < 0 || s->other_discharges) && e_kw + s->other_cars_kw > 0)
			low = fmax(low, e_kw + s->other_cars_kw); /* what cars draw comes from the grid */
	}
	low = y > low ? y : low;
	high = y + s->curtail_max_kw < high ? y + s->curtail_max_kw : high;
	if (low > high) {
		over = low - high;
		if (over > POWER_EPS && isinf(s->penalty))
			return INFINITY;
		g = low > y ? high : y; /* cannot be lifted enough, or cannot be lowered */
		over = over > POWER_EPS ? over : 0;
	} else {
		g = grid_best(s, low, high);
	}
	if (grid_kw)
		*grid_kw = g;
	return (grid_cost(s, g) + (over > 0 ? over * s->penalty : 0) - (b_kw < 0 ? s->wear_cost * b_kw : 0)) * s->dt_h;
}

/* Values of y = net + battery + car where the least grid cost may bend. */
static int kinks(const struct slot *s, double out[6])
{
	int n = 0;

	out[n++] = 0;
	out[n++] = s->import_max_kw;
	out[n++] = -s->export_max_kw;
	if (s->curtail_max_kw > 0) {
		out[n++] = -s->export_max_kw - s->curtail_max_kw;
		if (s->awkward) {
			out[n++] = -s->curtail_max_kw;
			out[n++] = s->import_max_kw - s->curtail_max_kw;
		}
	}
	return n;
}

static void car_try(const struct slot *s, double b_kw, double e_kw, double mu, double best[2])
{
	double c = slot_cost(s, b_kw, e_kw, NULL) - mu * e_kw * s->dt_h;

	if (c < best[0]) {
		best[0] = c;
		best[1] = e_kw;
	}
}

double slot_best(const struct slot *s, double b_kw, double mu, double *e_kw)
{
	double given = s->car_free ? 0 : s->car_kw, best[2] = { slot_cost(s, b_kw, given, NULL), given }, kink[6];

	if (s->car_free) {
		int n = kinks(s, kink);

		car_try(s, b_kw, s->car_min_kw, mu, best);
		car_try(s, b_kw, s->car_max_kw, mu, best);
		for (int i = 0; i < n; i++) {
			double e = kink[i] - s->net_kw - b_kw;

			if (e > s->car_min_kw && e < s->car_max_kw)
				car_try(s, b_kw, e, mu, best);
		}
		if (s->awkward && s->import_max_kw > s->car_min_kw && s->import_max_kw < s->car_max_kw)
			car_try(s, b_kw, s->import_max_kw, mu, best);
	}
	*e_kw = best[1];
	return best[0];
}

/* Keeps the list ascending; a power outside the battery's range or already there is dropped. */
static int power_add(const struct slot *s, double *list, int n, double b)
{
	int i = n;

	if (!(b >= s->battery_min_kw && b <= s->battery_max_kw))
		return n;
	while (i > 0 && list[i - 1] > b)
		i--;
	if ((i > 0 && b - list[i - 1] < POWER_EPS) || (i < n && list[i] - b < POWER_EPS))
		return n;
	for (int k = n; k > i; k--)
		list[k] = list[k - 1];
	list[i] = b;
	return n + 1;
}

int slot_points(const struct slot *s, double mu, struct slot_point out[SLOT_POINTS_MAX])
{
	double list[SLOT_POINTS_MAX], kink[6], car[3] = { s->car_free ? 0 : s->car_kw, s->car_min_kw, s->car_max_kw };
	int n = 0, n_kinks = kinks(s, kink), n_cars = s->car_free ? 3 : 1, m = 0;

	n = power_add(s, list, n, 0);
	n = power_add(s, list, n, s->battery_min_kw);
	n = power_add(s, list, n, s->battery_max_kw);
	for (int c = 0; c < n_cars; c++)
		for (int i = 0; i < n_kinks; i++)
			n = power_add(s, list, n, kink[i] - s->net_kw - car[c]);
	if (s->awkward && !s->battery_to_ev) { /* "not into the car" looks at the house without its cars */
		n = power_add(s, list, n, s->other_cars_kw - s->net_kw);
		n = power_add(s, list, n, s->other_cars_kw - s->net_kw - s->curtail_max_kw);
	}
	for (int i = 0; i < n; i++) {
		struct slot_point p = { slot_delta(s, list[i]), 0, 0 };

		p.cost = slot_best(s, list[i], mu, &p.car_kw);
		if (!isinf(p.cost))
			out[m++] = p;
	}
	return m;
}

int slot_envelope(const struct slot *s, struct slot_point *p, int n, bool *convex)
{
	int m = 0;

	*convex = !s->awkward && !s->car_free;
	for (int i = 0; i < n; i++) {
		while (m >= 2) {
			const struct slot_point *a = &p[m - 2], *b = &p[m - 1];
			double bend = (p[i].cost - b->cost) * (b->d_kwh - a->d_kwh) -
				      (b->cost - a->cost) * (p[i].d_kwh - b->d_kwh);

			if (bend > 1e-15 * (fabs(p[i].cost) + fabs(a->cost)))
				break;
			if (bend < -1e-12 * (fabs(p[i].cost) + fabs(a->cost)))
				*convex = false;
			m--;
		}
		p[m++] = p[i];
	}
	return m;
}
