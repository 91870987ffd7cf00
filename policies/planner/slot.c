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
	double y = s->net_kw + b_kw + e_kw, low = -s->export_max_kw, high = s->import_max_kw, g, over = 0, on = 0;

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
	if (g > -POWER_EPS)
		on = g > POWER_EPS ? s->import_on : fmin(s->import_on, 0);
	return (grid_cost(s, g) + (over > 0 ? over * s->penalty : 0) - (b_kw < 0 ? s->wear_cost * b_kw : 0)) * s->dt_h + on;
}

double slot_import_on(const struct slot *s, double b_kw, double e_kw)
{
	double y = s->net_kw + b_kw + e_kw;

	return y > POWER_EPS ? s->import_on : y > -POWER_EPS ? fmin(s->import_on, 0) : 0;
}

/* Values of y = net + battery + car where the least grid cost may bend. */
int slot_kinks(const struct slot *s, double grid_kw[6])
{
	int n = 0;

	grid_kw[n++] = 0;
	grid_kw[n++] = s->import_max_kw;
	grid_kw[n++] = -s->export_max_kw;
	if (s->curtail_max_kw > 0) {
		grid_kw[n++] = -s->export_max_kw - s->curtail_max_kw;
		if (s->awkward) {
			grid_kw[n++] = -s->curtail_max_kw;
			grid_kw[n++] = s->import_max_kw - s->curtail_max_kw;
		}
	}
	return n;
}

static void car_try(const struct slot *s, double b_kw, double e_kw, double mu, double best[2])
{
	double c = slot_cost(s, b_kw, e_kw, NULL) - mu * e_kw * s->dt_h + (e_kw > 0 ? s->car_on : 0);

	if (c < best[0]) {
		best[0] = c;
		best[1] = e_kw;
	}
}

double slot_best(const struct slot *s, double b_kw, double mu, double *e_kw)
{
	double given = s->car_free ? 0 : s->car_kw, best[2] = { slot_cost(s, b_kw, given, NULL), given }, kink[6];

	if (s->car_free) {
		int n = slot_kinks(s, kink);

		if (s->car_must)
			best[0] = INFINITY;
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

/* Powers at which the cost may bend. */
static int bends(const struct slot *s, double list[SLOT_POINTS_MAX])
{
	double kink[6], car[3] = { s->car_free ? 0 : s->car_kw, s->car_min_kw, s->car_max_kw };
	int n = 0, n_kinks = slot_kinks(s, kink), n_cars = s->car_free ? 3 : 1;

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
	return n;
}

int slot_points(const struct slot *s, double mu, struct slot_point out[SLOT_POINTS_MAX])
{
	double list[SLOT_POINTS_MAX];
	int n = bends(s, list), m = 0;

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

/* The line between two bends, from two places inside: at the bends themselves other rules may hold. */
static int curve_between(const struct slot *s, double low_kw, double high_kw, struct curve *out)
{
	double third = (high_kw - low_kw) / 3;
	double a = slot_cost(s, low_kw + third, s->car_kw, NULL), b = slot_cost(s, high_kw - third, s->car_kw, NULL);

	if (isinf(a) || isinf(b))
		return 0;
	return curve_add(out, (struct curve_segment){ slot_delta(s, low_kw), slot_delta(s, high_kw), 2 * a - b, 2 * b - a, 0 });
}

int slot_curve(const struct slot *s, struct curve *out)
{
	double list[SLOT_POINTS_MAX];
	struct slot given = *s;
	int n, rc = 0;

	given.car_free = false;
	n = bends(&given, list);
	out->n = 0;
	for (int i = 0; i < n && !rc; i++) {
		double cost = slot_cost(&given, list[i], s->car_kw, NULL), d = slot_delta(s, list[i]);

		if (!isinf(cost))
			rc = curve_add(out, (struct curve_segment){ d, d, cost, cost, 0 });
		if (!rc && i + 1 < n)
			rc = curve_between(&given, list[i], list[i + 1], out);
	}
	return rc;
}

/* The car follows the battery so that net + battery + car stays at @y_kw. */
static int curve_along(const struct slot *s, double mu, double y_kw, struct curve *out)
{
	double rest = y_kw - s->net_kw, low = fmax(rest - s->car_max_kw, s->battery_min_kw),
	       high = fmin(rest - s->car_min_kw, s->battery_max_kw), list[5];
	struct slot part = *s;
	int n = 0, rc = 0;

	out->n = 0;
	if (low > high)
		return 0;
	part.battery_min_kw = low;
	part.battery_max_kw = high;
	n = power_add(&part, list, n, low);
	n = power_add(&part, list, n, high);
	n = power_add(&part, list, n, 0);
	if (!s->battery_to_ev) { /* where the cars take just what the grid gives, without or with all that can be curtailed */
		n = power_add(&part, list, n, s->other_cars_kw - s->net_kw);
		n = power_add(&part, list, n, s->other_cars_kw - s->net_kw - s->curtail_max_kw);
	}
	for (int i = 0; i < n && !rc; i++) {
		double third = i + 1 < n ? (list[i + 1] - list[i]) / 3 : 0, b[2] = { list[i] + third, list[i] + 2 * third }, c[2];

		for (int k = 0; k < 2; k++) {
			double e = y_kw - s->net_kw - b[k];

			c[k] = slot_cost(s, b[k], e, NULL) - mu * e * s->dt_h + s->car_on;
		}
		if (list[i] == 0) { /* at rest the rules by direction do not bind, as they may on both sides */
			double e = y_kw - s->net_kw, cost = slot_cost(s, 0, e, NULL) - mu * e * s->dt_h + s->car_on;

			rc = isinf(cost) ? 0 : curve_add(out, (struct curve_segment){ 0, 0, cost, cost, 0 });
		}
		if (!rc && i + 1 < n && !isinf(c[0]) && !isinf(c[1]))
			rc = curve_add(out, (struct curve_segment){ slot_delta(s, list[i]), slot_delta(s, list[i + 1]),
								   2 * c[0] - c[1], 2 * c[1] - c[0], 0 });
	}
	return rc;
}

static void curve_swap(struct curve *a, struct curve *b)
{
	struct curve c = *a;

	*a = *b;
	*b = c;
}

int slot_curve_free(const struct slot *s, double mu, struct curve *out, struct curve spare[2])
{
	double e[] = { 0, s->car_min_kw, s->car_max_kw, s->import_max_kw }, kink[6];
	int n_kinks = slot_kinks(s, kink), rc = 0;
	struct slot given = *s;
	double worth;

	out->n = 0;
	for (int i = s->car_must ? 1 : 0; i < 4 && !rc; i++) {
		if ((i == 1 && e[1] <= 0 && !s->car_must) || (i == 2 && e[2] <= e[1]) ||
		    (i == 3 && (!s->awkward || e[3] <= s->car_min_kw || e[3] >= s->car_max_kw)))
			continue;
		worth = mu * e[i] * s->dt_h - (e[i] > 0 ? s->car_on : 0);
		given.car_kw = e[i];
		rc = slot_curve(&given, &spare[0]);
		for (int k = 0; k < spare[0].n; k++) {
			spare[0].s[k].first -= worth;
			spare[0].s[k].last -= worth;
		}
		rc = rc ? rc : curve_lower(out, &spare[0], &spare[1]);
		curve_swap(out, &spare[1]);
	}
	for (int i = 0; i < n_kinks && !rc && s->car_max_kw > s->car_min_kw; i++) {
		rc = curve_along(s, mu, kink[i], &spare[0]);
		if (rc || !spare[0].n)
			continue;
		rc = curve_lower(out, &spare[0], &spare[1]);
		curve_swap(out, &spare[1]);
	}
	return rc;
}

/* The home as it is while the other battery holds @o_kw: no one charges another. */
static struct slot beside(const struct slot *s, double o_kw)
{
	struct slot g = *s;

	g.net_kw += o_kw;
	if (o_kw > 0) {
		g.battery_min_kw = 0;
		g.import_max_kw = s->answer.may_import ? g.import_max_kw : fmin(g.import_max_kw, 0);
	} else if (o_kw < 0) {
		g.battery_max_kw = 0;
		g.other_discharges = true;
		g.export_max_kw = s->answer.may_export ? g.export_max_kw : fmin(g.export_max_kw, 0);
	}
	return g;
}

static double joint_cost(const struct slot *s, double b_kw, double o_kw)
{
	struct slot g = beside(s, o_kw);

	return slot_cost(&g, b_kw, s->car_kw, NULL) - o_kw * (o_kw > 0 ? s->answer.worth_in : s->answer.worth_out);
}

/* The other battery keeps net + both at @y_kw, both between @low_kw and @high_kw of this one's power. */
static int joint_along(const struct slot *s, double y_kw, double low_kw, double high_kw, struct curve *out)
{
	double rest = y_kw - s->net_kw - s->car_kw, third = (high_kw - low_kw) / 3, a, b;

	if (high_kw - low_kw < POWER_EPS)
		return 0;
	a = joint_cost(s, low_kw + third, rest - low_kw - third);
	b = joint_cost(s, high_kw - third, rest - high_kw + third);
	if (isinf(a) || isinf(b))
		return 0;
	return curve_add(out, (struct curve_segment){ slot_delta(s, low_kw), slot_delta(s, high_kw), 2 * a - b, 2 * b - a, 0 });
}

int slot_curve_joint(const struct slot *s, struct curve *out, struct curve spare[2])
{
	const struct slot_answer *o = &s->answer;
	double at[3] = { 0, o->min_kw, o->max_kw }, kink[6];
	int n_kinks = slot_kinks(s, kink), rc = 0;

	out->n = 0;
	for (int i = o->min_kw == o->max_kw ? 1 : 0; i < 3 && !rc; i++) {
		struct slot g = beside(s, at[i]);
		double worth = at[i] * (at[i] > 0 ? o->worth_in : o->worth_out);

		rc = slot_curve(&g, &spare[0]);
		for (int k = 0; k < spare[0].n; k++) {
			spare[0].s[k].first -= worth;
			spare[0].s[k].last -= worth;
		}
		rc = rc ? rc : curve_lower(out, &spare[0], &spare[1]);
		curve_swap(out, &spare[1]);
	}
	for (int i = 0; i < n_kinks && !rc && o->min_kw < o->max_kw; i++) {
		double rest = kink[i] - s->net_kw - s->car_kw;

		spare[0].n = 0;
		if (rest > 0) /* both charge */
			rc = joint_along(s, kink[i], fmax(0, rest - o->max_kw), fmin(s->battery_max_kw, rest), &spare[0]);
		else
			rc = joint_along(s, kink[i], fmax(s->battery_min_kw, rest), fmin(0, rest - o->min_kw), &spare[0]);
		rc = rc ? rc : curve_lower(out, &spare[0], &spare[1]);
		curve_swap(out, &spare[1]);
	}
	return rc;
}
