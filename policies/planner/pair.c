/* See pair.h: the dual of the car's energy, then plans near its kink, mended and improved in turns. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DUAL_ROUNDS 40
#define TURNS 8
#define SMALL_SLOTS 200
#define ENERGY_EPS 1e-7 /* kWh of the car */
/* Gaps not worth more time, of the turnover; long plans have less of it. */
#define GAP_GOOD 2e-6
#define GAP_GOOD_LONG 2e-5

int pair_init(struct pair *p, int slots)
{
	memset(p, 0, sizeof(*p));
	p->slots = slots;
	p->floor_price = NAN;
	p->points_room = slots * 6 + SLOT_POINTS_MAX;
	p->slot = calloc((size_t)slots, sizeof(*p->slot));
	p->row = calloc((size_t)slots, sizeof(*p->row));
	p->point = malloc((size_t)p->points_room * sizeof(*p->point));
	p->least_kwh = calloc((size_t)slots + 1, sizeof(double));
	if (p->slot && p->row && p->point && p->least_kwh && !togo_init(&p->go, slots))
		return 0;
	pair_deinit(p);
	return -ENOMEM;
}

void pair_deinit(struct pair *p)
{
	free(p->slot);
	free(p->row);
	free(p->point);
	free(p->least_kwh);
	togo_deinit(&p->go);
	memset(p, 0, sizeof(*p));
}

static void car_release(struct pair *p, bool free_car)
{
	for (int t = p->car_from; t < p->car_to; t++) {
		p->slot[t].car_free = free_car;
		p->slot[t].car_kw = 0;
	}
}

static void car_set(struct pair *p, const double *e_kw)
{
	for (int t = p->car_from; t < p->car_to; t++) {
		p->slot[t].car_free = false;
		p->slot[t].car_kw = e_kw[t];
	}
}

static bool late(const struct pair *p)
{
	return p->expired && p->expired(p->context);
}

/* One tangent of the dual: at mu, value q and the energy the car then takes. */
struct tangent {
	double mu, q, kwh;
};

static int tangent(struct pair *p, int from, double mu, struct tangent *out)
{
	int rc = pair_sweep(p, from, mu);

	if (rc)
		return rc;
	out->mu = mu;
	out->kwh = pair_relaxed(p, NULL);
	out->q = togo_at(&p->go, 0, p->soc_kwh) + mu * p->car_kwh;
	return 0;
}

/* Greatest value of the dual, a concave function of mu: two tangents around it are intersected until they touch it.
 * p->car_kwh is reduced to what can fit. Leaves the tangents left and right of the top, and the highest of all. */
static int dual(struct pair *p, struct tangent *low, struct tangent *high, struct tangent *top)
{
	double wanted = p->car_kwh;
	int rc = tangent(p, p->slots, p->mu_max, high);

	if (!rc)
		rc = tangent(p, p->car_to, -p->mu_max, low);
	if (rc)
		return rc;
	p->car_kwh = fmin(fmax(wanted, low->kwh), fmax(low->kwh, high->kwh));
	low->q += low->mu * (p->car_kwh - wanted);
	high->q += high->mu * (p->car_kwh - wanted);
	*top = low->q > high->q ? *low : *high;
	/* Two rounds at least: the outer tangents alone bound next to nothing. */
	for (int i = 0; i < DUAL_ROUNDS && high->kwh - low->kwh > ENERGY_EPS && !(i >= 2 && late(p)); i++) {
		struct tangent mid;
		double slope_low = p->car_kwh - low->kwh, slope_high = p->car_kwh - high->kwh, reach;
		double mu = (high->q - low->q + slope_low * low->mu - slope_high * high->mu) / (slope_low - slope_high);

		mu = fmin(fmax(mu, low->mu), high->mu);
		reach = low->q + slope_low * (mu - low->mu);
		rc = tangent(p, p->car_to, mu, &mid);
		if (rc)
			return rc;
		if (mid.q > top->q)
			*top = mid;
		if (mid.kwh < p->car_kwh)
			*low = mid;
		else
			*high = mid;
		if (reach - mid.q <= 1e-9 * (1e-3 + fabs(reach)))
			break;
	}
	return 0;
}

struct attempt {
	double *b, *e, *worth;
	void *scratch;
};

/* The car anew around the battery's present plan; @answer: the battery may answer at the worth of energy along it. */
static double car_again(const struct pair *p, const struct attempt *a, bool answer)
{
	struct pair_view v = { p, a->b, answer ? a->worth : NULL };
	double soc = p->soc_kwh;

	for (int t = 0; t < p->slots && answer; t++) {
		soc += slot_delta(&p->slot[t], a->b[t]);
		a->worth[t] = -togo_slope(&p->go, t + 1, soc);
	}
	return pair_car_fit(&v, a->e, a->scratch);
}

/* Battery for a given car, car for a given battery, until nothing improves. Keeps the best in @r. */
static int turns(struct pair *p, const struct attempt *a, double kwh, bool answer, struct pair_result *r)
{
	double best = INFINITY;

	for (int i = 0; i < TURNS; i++) {
		double cost;
		int rc;

		car_set(p, a->e);
		rc = pair_sweep(p, p->car_to, 0);
		if (rc == -EDOM)
			return 0;
		if (rc)
			return rc;
		cost = pair_walk(p, 0, a->b, a->e);
		if (!(cost < best - 1e-9 * (1e-3 + fabs(cost))))
			break;
		best = cost;
		if (fabs(kwh - p->car_kwh) < fabs(r->car_kwh - p->car_kwh) - ENERGY_EPS ||
		    (fabs(kwh - p->car_kwh) < fabs(r->car_kwh - p->car_kwh) + ENERGY_EPS && cost < r->cost)) {
			memcpy(r->battery_kw, a->b, (size_t)p->slots * sizeof(*a->b));
			memcpy(r->car_kw, a->e, (size_t)p->slots * sizeof(*a->e));
			r->cost = cost;
			r->car_kwh = kwh;
		}
		if (late(p))
			break;
		kwh = car_again(p, a, answer);
	}
	return 0;
}

/* A plan from one side of the dual's top. */
static int start_at(struct pair *p, double mu, const struct attempt *a, bool answer, struct pair_result *r)
{
	double kwh;
	int rc;

	car_release(p, true);
	rc = pair_sweep(p, p->car_to, mu);
	if (rc)
		return rc;
	pair_walk(p, mu, a->b, a->e);
	kwh = car_again(p, a, answer);
	return turns(p, a, kwh, answer, r);
}

/* What a gap is compared with: about the money that moves. */
static double turnover(const struct pair *p)
{
	double sum = 0;

	for (int t = 0; t < p->slots; t++)
		sum += fabs(p->slot[t].import_price * p->slot[t].net_kw) * p->slot[t].dt_h;
	return sum;
}

static bool good_enough(const struct pair *p, const struct pair_result *r)
{
	double share = p->slots <= SMALL_SLOTS ? GAP_GOOD : GAP_GOOD_LONG;

	return fabs(r->car_kwh - p->car_kwh) <= ENERGY_EPS && r->cost - r->bound <= share * turnover(p);
}

/* Closes what the walk left open, where slots are not convex. The rows must be those of r's car. */
static int refine(struct pair *p, struct pair_result *r)
{
	double cost;
	int rc;

	if (good_enough(p, r) || late(p))
		return 0;
	rc = pair_beam(p, r->cost, r->battery_kw, &cost);
	if (rc > 0)
		r->cost = cost;
	return rc < 0 ? rc : 0;
}

/* Small problems have few slots to spread a wrong choice over, and time: the car anew around each better battery. */
static int refine_turns(struct pair *p, struct pair_result *r, const struct attempt *a)
{
	int rc = refine(p, r);

	for (int i = 0; i < TURNS && p->slots <= SMALL_SLOTS && !rc && !good_enough(p, r) && !late(p); i++) {
		double cost, kwh;
		int found;

		memcpy(a->b, r->battery_kw, (size_t)p->slots * sizeof(*a->b));
		memcpy(a->e, r->car_kw, (size_t)p->slots * sizeof(*a->e));
		kwh = car_again(p, a, i & 1);
		if (fabs(kwh - r->car_kwh) > ENERGY_EPS)
			continue;
		car_set(p, a->e);
		rc = pair_sweep(p, p->car_to, 0); /* -EDOM: this car leaves the battery no way; the plan kept still does */
		found = rc ? 0 : pair_beam(p, r->cost - 1e-9, a->b, &cost);
		if (found > 0) {
			memcpy(r->battery_kw, a->b, (size_t)p->slots * sizeof(*a->b));
			memcpy(r->car_kw, a->e, (size_t)p->slots * sizeof(*a->e));
			r->cost = cost;
		}
		if (found < 0 || rc == -ENOMEM)
			return -ENOMEM;
		car_set(p, r->car_kw);
		rc = pair_sweep(p, p->car_to, 0);
		if (found == 0 && (i & 1))
			break;
	}
	return rc;
}

static int with_car(struct pair *p, struct pair_result *r, const struct attempt *a)
{
	struct tangent low = { 0 }, high = { 0 }, top = { 0 };
	double wanted = p->car_kwh;
	int rc;

	car_release(p, true);
	rc = dual(p, &low, &high, &top);
	if (rc)
		return rc;
	r->bound = top.q;
	r->mu = top.mu;
	if (low.mu <= -p->mu_max)
		low.mu = top.mu;
	if (high.mu >= p->mu_max)
		high.mu = top.mu;
	r->cost = INFINITY;
	r->car_kwh = INFINITY;
	for (int i = 0; i < 4 && !rc && (i == 0 || !(late(p) || good_enough(p, r))); i++)
		rc = start_at(p, i & 1 ? high.mu : low.mu, a, i >= 2, r);
	/* Still short: let the car go first, the battery serve it. */
	for (int i = 0; i < 2 && !rc && !late(p) && fabs(r->car_kwh - p->car_kwh) > ENERGY_EPS; i++)
		rc = start_at(p, p->mu_max, a, i > 0, r);
	/* A hard limit would be called broken: only when it must. Where not even the relaxation has room, it must. */
	if (!rc && p->car_kwh >= wanted - ENERGY_EPS && isinf(p->slot[0].penalty) && isnan(p->floor_price) &&
	    !(fabs(r->car_kwh - p->car_kwh) <= ENERGY_EPS)) {
		rc = pair_reach(p, a->e);
		if (rc > 0)
			rc = turns(p, a, p->car_kwh, false, r);
	}
	if (rc)
		return rc;
	if (isinf(r->cost))
		return -EDOM;
	car_set(p, r->car_kw);
	rc = pair_sweep(p, p->car_to, 0); /* the cost to go that belongs to the plan */
	return rc ? rc : refine_turns(p, r, a);
}

int pair_solve(struct pair *p, struct pair_result *r)
{
	struct attempt a = { 0 };
	int rc;

	if (p->car_from >= p->car_to || p->car_kwh <= 0) {
		car_release(p, false);
		rc = pair_sweep(p, p->slots, 0);
		if (rc)
			return rc;
		r->bound = togo_at(&p->go, 0, p->soc_kwh);
		r->cost = pair_walk(p, 0, r->battery_kw, r->car_kw);
		r->car_kwh = p->car_kwh;
		r->mu = 0;
		rc = refine(p, r);
		return rc ? rc : isinf(r->cost) ? -EDOM : 0;
	}
	a.b = malloc((size_t)p->slots * sizeof(double));
	a.e = calloc((size_t)p->slots, sizeof(double));
	a.worth = malloc((size_t)p->slots * sizeof(double));
	a.scratch = malloc(pair_car_scratch(p));
	rc = a.b && a.e && a.worth && a.scratch ? with_car(p, r, &a) : -ENOMEM;
	free(a.b);
	free(a.e);
	free(a.worth);
	free(a.scratch);
	return rc;
}

int pair_bound(struct pair *p, double *bound)
{
	struct tangent low, high, top = { 0 };
	int rc;

	*bound = INFINITY;
	if (p->car_from < p->car_to && p->car_kwh > 0) {
		car_release(p, true);
		rc = dual(p, &low, &high, &top);
		*bound = rc ? INFINITY : top.q;
		return rc;
	}
	rc = pair_sweep(p, p->slots, 0);
	if (!rc)
		*bound = togo_at(&p->go, 0, p->soc_kwh);
	return rc;
}
