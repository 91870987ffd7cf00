/* Several batteries or cars: each is planned anew around all others until nothing improves, from several starts; two batteries
 * also together, one answering the other at what its energy is worth, for turns alone stick where only a swap between both
 * pays. The bound comes from the relaxation that pours all stores, and all cars, into one. */
#include "policies/planner/solver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 6           /* of turns from one start */
#define JOINTS 3           /* tries of each two batteries, the first at the very worth of energy */
#define STARTS 120
#define STARTS_BROKEN 6    /* as long as no plan keeps to all limits: there may be none */
#define WORK_SLOTS 1200    /* slots in all starts: long plans get few of them */

struct many {
	struct solver *v;
	size_t room;
	double *best, *start, *tried; /* room each: powers of the best plan of all, of this start, before a try */
	double best_cost, best_broken, cost, broken;
	uint64_t dice;
};

static double chance(struct many *m)
{
	m->dice ^= m->dice << 13;
	m->dice ^= m->dice >> 7;
	m->dice ^= m->dice << 17;
	return (double)(m->dice >> 11) / 9007199254740992.0;
}

static bool late(const struct solver *v)
{
	return v->expired && v->expired(v->context);
}

static double broken(const struct plan *p)
{
	double sum = 0;

	for (int i = 0; i < p->n_violations; i++)
		sum += p->violation[i].soft ? 0 : p->violation[i].by;
	return sum;
}

static bool better(double broken, double cost, double than_broken, double than_cost)
{
	return broken < than_broken - 1e-6 ||
	       (broken < than_broken + 1e-6 && cost < than_cost - 1e-7 * (1e-2 + fabs(than_cost)));
}

static void weigh(struct many *m)
{
	m->cost = plan_cost(m->v->in, m->v->plan);
	plan_judge(m->v->in, m->v->plan);
	m->broken = broken(m->v->plan);
}

/* All orders stand before anything is planned around them; nothing else does. */
static void clear(struct solver *v)
{
	for (int e = 0; e < v->in->n_evs; e++)
		memset(v->plan->ev_kw[e], 0, (size_t)v->in->slots * sizeof(double));
	for (int b = 0; b < v->in->n_batteries; b++) {
		const struct plan_battery *x = &v->in->battery[b];

		for (int t = 0; t < v->in->slots; t++)
			v->plan->battery_kw[b][t] = isnan(x->fixed_kw[t]) ? 0
							: fmin(fmax(x->fixed_kw[t], -x->discharge_max_kw[t]), x->charge_max_kw[t]);
	}
}

/* Each battery alone with its share of the home. */
static int start_shares(struct many *m, bool even)
{
	struct solver *v = m->v;
	double weight[PLAN_BATTERIES_MAX], sum = 0, bound;
	int rc = 0;

	for (int b = 0; b < v->in->n_batteries; b++) {
		const struct plan_battery *x = &v->in->battery[b];

		weight[b] = (x->capacity_kwh + 1e-3) * (even ? 1 : 0.1 + chance(m));
		sum += weight[b];
	}
	for (int b = 0; b < v->in->n_batteries && !rc; b++) {
		v->share = weight[b] / sum;
		rc = solver_apply(v, b, -1, &bound);
	}
	v->share = 0;
	return rc;
}

/* The only car as it would charge beside one battery that is as good as all together; the batteries then go first around it. */
static int start_merged(struct many *m)
{
	struct solver *v = m->v;
	struct pair_result r = { v->spare[0], v->plan->ev_kw[0], 0, 0, 0, 0 };
	int rc;

	solver_merge(v);
	v->pair.waste_kwh = 0;
	rc = pair_solve(&v->pair, &r);
	return rc == -EDOM ? 0 : rc;
}

/* Cars before any battery: what one gives beside a car that comes later may leave that car no room. */
static int start_cars(struct many *m)
{
	double bound;
	int rc = 0;

	for (int e = 0; e < m->v->in->n_evs && !rc; e++)
		rc = solver_apply(m->v, -1, e, &bound);
	return rc;
}

/* @from: which device is first. To its end even when time is up in the first round of all, so that every car has its energy. */
static int turns(struct many *m, int from, bool whole)
{
	struct solver *v = m->v;
	int n = v->in->n_evs + v->in->n_batteries, rc = 0;
	double bound;

	for (int i = 0; i < n && !rc && (whole || !late(v)); i++) {
		int k = (from + i) % n;

		if (k >= v->in->n_evs)
			rc = solver_apply(v, k - v->in->n_evs, -1, &bound);
		else
			rc = solver_apply(v, v->in->n_batteries ? (k + from) % v->in->n_batteries : -1, k, &bound);
	}
	return rc;
}

/* Battery @b anew while battery @k answers it, then battery @k around that. Kept when it is better. */
static int joint(struct many *m, int b, int k, double vary)
{
	struct solver *v = m->v;
	struct plan *p = v->plan;
	const struct plan_battery *x = &v->in->battery[k];
	struct pair_exact found = { p->battery_kw[b], v->spare[1], 0, 0, 0 };
	double factor = 1 + vary * (chance(m) - 0.5), cost = m->cost, bad = m->broken, bound;
	int rc;

	memcpy(m->tried, p->memory, m->room * sizeof(double));
	memset(p->battery_kw[k], 0, (size_t)p->slots * sizeof(double));
	solver_build(v, b, -1);
	for (int t = 0; t < p->slots; t++) {
		struct slot_answer *a = &v->pair.slot[t].answer;
		double fixed = x->fixed_kw[t], worth;

		if (vary > 0 && chance(m) * p->slots < 3)
			factor = 1 + vary * (chance(m) - 0.5);
		worth = p->value[k][t + 1] * factor;
		a->free = true;
		a->min_kw = isnan(fixed) ? -x->discharge_max_kw[t] : m->tried[p->battery_kw[k] + t - p->memory];
		a->max_kw = isnan(fixed) ? x->charge_max_kw[t] : a->min_kw;
		a->worth_in = worth * x->charge_eff * v->in->slot_h[t];
		a->worth_out = (worth / x->discharge_eff + x->wear_cost) * v->in->slot_h[t];
		a->may_import = plan_may_import(x, t);
		a->may_export = plan_may_export(x, t);
	}
	rc = pair_exact(&v->pair, 0, 1e-9 * v->scale, INFINITY, &found);
	if (!rc)
		rc = solver_apply(v, k, -1, &bound);
	if (!rc)
		rc = solver_apply(v, b, -1, &bound);
	if (rc == -ENOMEM)
		return rc;
	if (!rc) {
		weigh(m);
		if (better(m->broken, m->cost, bad, cost))
			return 1;
	}
	memcpy(p->memory, m->tried, m->room * sizeof(double));
	m->cost = cost;
	m->broken = bad;
	return 0;
}

static int joints(struct many *m)
{
	int n = m->v->in->n_batteries, rc = 0;

	for (int i = 0; i < JOINTS && rc == 0; i++)
		for (int b = 0; b < n && rc >= 0; b++)
			for (int k = 0; k < n && rc >= 0 && !late(m->v); k++) {
				int better = k == b ? 0 : joint(m, b, k, i == 0 ? 0 : i == 1 ? 0.2 : 1);

				rc = better ? better : rc;
			}
	return rc;
}

/* From where the plan stands: turns until they do not help, then pairs of batteries, and again. */
static int settle(struct many *m, int from, bool whole)
{
	struct solver *v = m->v;
	double cost = INFINITY, bad = INFINITY;
	int rc = 0;

	for (int i = 0; i < ROUNDS && !rc && ((whole && i == 0) || !late(v)); i++) {
		rc = turns(m, from, whole && i == 0);
		weigh(m);
		if (rc)
			break;
		if (!better(m->broken, m->cost, bad, cost)) {
			memcpy(v->plan->memory, m->start, m->room * sizeof(double));
			m->cost = cost;
			m->broken = bad;
			rc = late(v) ? 0 : joints(m);
			if (rc <= 0)
				break;
			rc = 0;
		}
		cost = m->cost;
		bad = m->broken;
		memcpy(m->start, v->plan->memory, m->room * sizeof(double));
	}
	return rc;
}

/* The best plan, one battery of it weakened or turned over for a while. */
static void shake(struct many *m)
{
	struct plan *p = m->v->plan;
	int b = (int)(chance(m) * m->v->in->n_batteries), from = (int)(chance(m) * p->slots),
	    to = from + 1 + (int)(chance(m) * (p->slots - from));
	double factor = chance(m) < 0.5 ? 0 : chance(m) * 2;

	memcpy(p->memory, m->best, m->room * sizeof(double));
	for (int t = from; t < to && b < m->v->in->n_batteries; t++)
		if (isnan(m->v->in->battery[b].fixed_kw[t]))
			p->battery_kw[b][t] = fmin(fmax(factor * p->battery_kw[b][t], -m->v->in->battery[b].discharge_max_kw[t]),
						   m->v->in->battery[b].charge_max_kw[t]);
}

static int search(struct many *m)
{
	struct solver *v = m->v;
	int n = v->in->n_batteries + v->in->n_evs, most = WORK_SLOTS / v->in->slots, rc = 0;
	bool merged = v->in->n_evs == 1;

	most = most > STARTS ? STARTS : most < 2 ? 2 : most;
	for (int i = 0; i < most && !rc && (i == 0 || !late(v)) && (i < STARTS_BROKEN || m->best_broken <= 0); i++) {
		if (i < 4 || i % 2)
			clear(v);
		else
			shake(m);
		if (i == 2 && m->best_broken > 0)
			rc = start_cars(m);
		else if (i == 1 && merged)
			rc = start_merged(m);
		else if (i > 0 && v->in->n_batteries > 1 && i % 2)
			rc = start_shares(m, i == (merged ? 3 : 1));
		rc = rc ? rc : settle(m, i == 0 ? 0 : i == 1 && merged ? 1 : (int)(chance(m) * n), i == 0);
		if (rc || (i > 0 && !better(m->broken, m->cost, m->best_broken, m->best_cost)))
			continue;
		m->best_cost = m->cost;
		m->best_broken = m->broken;
		memcpy(m->best, v->plan->memory, m->room * sizeof(double));
	}
	return rc;
}

int solver_many(struct solver *v, size_t room)
{
	struct many m = { .v = v, .room = room, .dice = 88172645463325252u };
	int rc;

	m.best = malloc(3 * room * sizeof(double));
	if (!m.best)
		return -ENOMEM;
	m.start = m.best + room;
	m.tried = m.start + room;
	v->soft = true;
	rc = search(&m);
	memcpy(v->plan->memory, m.best, room * sizeof(double));
	for (int b = 0; b < v->in->n_batteries && !rc; b++) { /* the worth of energy along the plan that stays */
		solver_build(v, b, -1);
		rc = pair_sweep(&v->pair, v->in->slots, 0);
		rc = rc == -EDOM ? 0 : rc ? rc : solver_keep_values(v, b);
	}
	free(m.best);
	v->soft = false;
	if (rc)
		return rc;
	solver_merge(v);
	rc = pair_bound(&v->pair, &v->plan->bound);
	return rc == -EDOM ? 0 : rc;
}
