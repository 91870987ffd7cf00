/* See pair.h: the dual of the car's energy, then plans near its kink, mended and improved in turns. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DUAL_ROUNDS 40
#define TURNS 8
#define SMALL_SLOTS 200

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

void pair_car_release(struct pair *p, bool free_car)
{
	for (int t = p->car_from; t < p->car_to; t++) {
		p->slot[t].car_free = free_car;
		p->slot[t].car_kw = 0;
	}
}

void pair_car_set(struct pair *p, const double *e_kw)
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
		rc = tangent(p, p->car_to, p->mu_min, low);
	if (rc)
		return rc;
	p->car_kwh = fmin(fmax(wanted, low->kwh), fmax(low->kwh, high->kwh));
	low->q += low->mu * (p->car_kwh - wanted);
	high->q += high->mu * (p->car_kwh - wanted);
	*top = low->q > high->q ? *low : *high;
	/* Two rounds at least: the outer tangents alone bound next to nothing. */
	for (int i = 0; i < DUAL_ROUNDS && high->kwh - low->kwh > PAIR_ENERGY_EPS && !(i >= 2 && late(p)); i++) {
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

/* The car anew around the battery's present plan; @answer: the battery may answer at the worth of energy along it. */
double pair_car_again(const struct pair *p, const struct pair_attempt *a, bool answer)
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
int pair_turns(struct pair *p, const struct pair_attempt *a, double kwh, bool answer, struct pair_result *r)
{
	double best = INFINITY;

	for (int i = 0; i < TURNS; i++) {
		double cost;
		int rc;

		pair_car_set(p, a->e);
		rc = pair_sweep(p, p->car_to, 0);
		if (rc == -EDOM)
			return 0;
		if (rc)
			return rc;
		cost = pair_walk(p, 0, a->b, a->e);
		if (!(cost < best - 1e-9 * (1e-3 + fabs(cost))))
			break;
		best = cost;
		if (fabs(kwh - p->car_kwh) < fabs(r->car_kwh - p->car_kwh) - PAIR_ENERGY_EPS ||
		    (fabs(kwh - p->car_kwh) < fabs(r->car_kwh - p->car_kwh) + PAIR_ENERGY_EPS && cost < r->cost)) {
			memcpy(r->battery_kw, a->b, (size_t)p->slots * sizeof(*a->b));
			memcpy(r->car_kw, a->e, (size_t)p->slots * sizeof(*a->e));
			r->cost = cost;
			r->car_kwh = kwh;
		}
		if (late(p))
			break;
		kwh = pair_car_again(p, a, answer);
	}
	return 0;
}

/* A plan from one side of the dual's top. */
static int start_at(struct pair *p, double mu, const struct pair_attempt *a, bool answer, struct pair_result *r)
{
	double kwh;
	int rc;

	pair_car_release(p, true);
	rc = pair_sweep(p, p->car_to, mu);
	if (rc)
		return rc;
	pair_walk(p, mu, a->b, a->e);
	kwh = pair_car_again(p, a, answer);
	return pair_turns(p, a, kwh, answer, r);
}

/* A gap that would still be called optimal. */
double pair_tolerance(const struct pair *p, const struct pair_result *r)
{
	return fmax(p->tolerance, 1e-6 * fabs(isinf(r->cost) ? r->bound : r->cost));
}

bool pair_good_enough(const struct pair *p, const struct pair_result *r)
{
	return !isinf(r->cost) && fabs(r->car_kwh - p->car_kwh) <= PAIR_ENERGY_EPS && r->cost - r->bound <= 0.5 * pair_tolerance(p, r);
}

/* Closes what the walk left open, where slots are not convex. The rows must be those of r's car; @bound receives that of
 * this car. */
static int refine(struct pair *p, struct pair_result *r, const struct pair_attempt *a, double *bound)
{
	struct pair_exact x = { a->b, a->e, 0, 0, 0 };
	int rc;

	*bound = togo_at(&p->go, 0, p->soc_kwh);
	if (pair_good_enough(p, r) || r->cost - *bound <= 0.1 * pair_tolerance(p, r) || late(p))
		return 0;
	rc = pair_exact(p, 0, 0.3 * pair_tolerance(p, r), r->cost + 1e-9, &x);
	if (rc)
		return rc == -ENOMEM ? rc : 0;
	*bound = fmin(x.bound, r->cost);
	if (x.cost < r->cost) {
		memcpy(r->battery_kw, a->b, (size_t)p->slots * sizeof(*a->b));
		r->cost = x.cost;
	}
	return 0;
}

/* Small problems have few slots to spread a wrong choice over, and time: the car anew around each better battery. */
static int refine_turns(struct pair *p, struct pair_result *r, const struct pair_attempt *a)
{
	double mine;
	int rc = refine(p, r, a, &mine);

	for (int i = 0; i < TURNS && p->slots <= SMALL_SLOTS && !rc && !pair_good_enough(p, r) && !late(p); i++) {
		struct pair_exact x = { a->b, a->e, 0, 0, 0 };
		double kwh;
		int found;

		memcpy(a->b, r->battery_kw, (size_t)p->slots * sizeof(*a->b));
		memcpy(a->e, r->car_kw, (size_t)p->slots * sizeof(*a->e));
		kwh = pair_car_again(p, a, i & 1);
		if (fabs(kwh - r->car_kwh) > PAIR_ENERGY_EPS)
			continue;
		pair_car_set(p, a->e);
		rc = pair_sweep(p, p->car_to, 0); /* -EDOM: this car leaves the battery no way; the plan kept still does */
		found = rc || pair_exact(p, 0, 0.3 * pair_tolerance(p, r), r->cost + 1e-9, &x) ? 0 : x.cost < r->cost - 1e-9;
		if (found > 0) {
			memcpy(r->battery_kw, a->b, (size_t)p->slots * sizeof(*a->b));
			memcpy(r->car_kw, a->e, (size_t)p->slots * sizeof(*a->e));
			r->cost = x.cost;
		}
		if (found < 0 || rc == -ENOMEM)
			return -ENOMEM;
		pair_car_set(p, r->car_kw);
		rc = pair_sweep(p, p->car_to, 0);
		if (found == 0 && (i & 1))
			break;
	}
	return rc;
}

/* No plan fills the car so far: branch for one. What is in @r stays when there is none. */
static int last_resort(struct pair *p, struct pair_result *r, const struct pair_attempt *a)
{
	double cost = r->cost, bound = r->bound;
	int rc;

	r->cost = INFINITY;
	rc = pair_branch(p, r, a);
	if (isinf(r->cost)) {
		r->cost = cost;
		r->bound = bound;
	}
	return rc;
}

static int with_car(struct pair *p, struct pair_result *r, const struct pair_attempt *a)
{
	struct tangent low = { 0 }, high = { 0 }, top = { 0 };
	double wanted = p->car_kwh;
	int rc;

	pair_car_release(p, true);
	rc = dual(p, &low, &high, &top);
	if (rc)
		return rc;
	r->bound = top.q;
	r->mu = top.mu;
	if (low.mu <= p->mu_min)
		low.mu = top.mu;
	if (high.mu >= p->mu_max)
		high.mu = top.mu;
	r->cost = INFINITY;
	r->car_kwh = INFINITY;
	for (int i = 0; i < 4 && !rc && (i == 0 || !(late(p) || pair_good_enough(p, r))); i++)
		rc = start_at(p, i & 1 ? high.mu : low.mu, a, i >= 2, r);
	/* Still short: let the car go first, the battery serve it. */
	for (int i = 0; i < 2 && !rc && !late(p) && fabs(r->car_kwh - p->car_kwh) > PAIR_ENERGY_EPS; i++)
		rc = start_at(p, p->mu_max, a, i > 0, r);
	/* A hard limit would be called broken: only when it must. Where not even the relaxation has room, it must. */
	if (!rc && p->car_kwh >= wanted - PAIR_ENERGY_EPS && isinf(p->slot[0].penalty) &&
	    !(fabs(r->car_kwh - p->car_kwh) <= PAIR_ENERGY_EPS)) {
		rc = pair_reach(p, a->e);
		if (rc > 0)
			rc = pair_turns(p, a, p->car_kwh, false, r);
		if (!rc && !(fabs(r->car_kwh - p->car_kwh) <= PAIR_ENERGY_EPS))
			rc = last_resort(p, r, a);
	}
	if (rc)
		return rc;
	if (isinf(r->cost))
		return -EDOM;
	pair_car_set(p, r->car_kw);
	rc = pair_sweep(p, p->car_to, 0);
	if (rc || late(p)) /* what follows would only sweep again */
		return rc;
	rc = refine_turns(p, r, a);
	if (!rc && !pair_good_enough(p, r) && fabs(r->car_kwh - p->car_kwh) <= PAIR_ENERGY_EPS)
		rc = pair_branch(p, r, a);
	pair_car_set(p, r->car_kw);
	if (!rc)
		rc = pair_sweep(p, p->car_to, 0); /* the cost to go that belongs to the plan */
	return rc ? rc : refine(p, r, a, &wanted);
}

int pair_solve(struct pair *p, struct pair_result *r)
{
	struct pair_attempt a = { 0 };
	double mine = -INFINITY;
	int rc;

	if (p->car_from >= p->car_to || p->car_kwh <= 0) {
		pair_car_release(p, false);
		rc = pair_sweep(p, p->slots, 0);
		if (rc)
			return rc;
		r->bound = togo_at(&p->go, 0, p->soc_kwh);
		r->cost = pair_walk(p, 0, r->battery_kw, r->car_kw);
		r->car_kwh = p->car_kwh;
		r->mu = 0;
		a.b = malloc((size_t)p->slots * sizeof(double));
		a.e = malloc((size_t)p->slots * sizeof(double));
		rc = a.b && a.e ? refine(p, r, &a, &mine) : -ENOMEM;
		free(a.b);
		free(a.e);
		r->bound = fmax(r->bound, mine);
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
		pair_car_release(p, true);
		rc = dual(p, &low, &high, &top);
		*bound = rc ? INFINITY : top.q;
		return rc;
	}
	rc = pair_sweep(p, p->slots, 0);
	if (!rc)
		*bound = togo_at(&p->go, 0, p->soc_kwh);
	return rc;
}
