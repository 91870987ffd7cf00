/* From an instance to a plan: batteries and cars are taken in pairs (pair.h), everything else held. One battery with one
 * car is one pair and the bound is its own; with more of them pairs take turns, and the bound comes from a relaxation
 * that pours all stores, and all cars, into one. */
#include "policies/planner/solver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BRANCH_WORK 100000   /* see pair.h */
#define BRANCH_WORK_SOFT 200 /* one of many turns, or no plan that needs a proof */
#define STEP_MIN_KWH 1e-3 /* shorter steps of the value say nothing to a control loop */
static double greatest_price(const struct plan_instance *in)
{
	double m = 1e-6;

	for (int t = 0; t < in->slots; t++)
		m = fmax(m, fmax(fabs(in->import_price[t]), fabs(in->export_price[t])));
	for (int b = 0; b < in->n_batteries; b++)
		m = fmax(m, fmax(fabs(in->battery[b].terminal_value), in->battery[b].wear_cost));
	return m;
}

/* What a kWh is worth at most that leaves a store below its soft floor until the end, over a lossy way. */
static double missing_price(const struct plan_instance *in)
{
	double hours = 0, eff = 1;

	for (int t = 0; t < in->slots; t++)
		hours += in->slot_h[t];
	for (int b = 0; b < in->n_batteries; b++)
		eff = fmin(eff, in->battery[b].discharge_eff);
	return isnan(in->floor_price) ? 0 : in->floor_price * hours / eff;
}

/* What a schedule is worth being compared with: a thousandth of a cent must not decide over "optimal" in a home whose
 * bill happens to cancel out to zero. */
static double turnover(const struct plan_instance *in)
{
	double sum = 0;

	for (int t = 0; t < in->slots; t++)
		sum += fabs(in->import_price[t]) * (in->load_kw[t] + in->pv_kw[t]) * in->slot_h[t];
	return sum;
}

/* What the home looks like to battery @b and car @e (-1 = none) while all others do what the plan says. */
static void slot_others(const struct solver *v, int t, int b, int e, struct slot *s)
{
	const struct plan_instance *in = v->in;

	for (int k = 0; k < in->n_evs; k++)
		if (k != e)
			s->other_cars_kw += v->plan->ev_kw[k][t];
	s->net_kw += s->other_cars_kw;
	for (int k = 0; k < in->n_batteries; k++) {
		double kw = k == b ? 0 : v->plan->battery_kw[k][t];

		if (k != b && v->soft && plan_order_missed(in, v->plan, k, t)) /* room is kept for it */
			kw = in->battery[k].fixed_kw[t];
		s->net_kw += kw;
		if (kw > 0) { /* no battery charges another */
			s->battery_min_kw = 0;
			if (!plan_may_import(&in->battery[k], t))
				s->import_max_kw = fmin(s->import_max_kw, 0);
		} else if (kw < 0) {
			s->battery_max_kw = 0;
			s->other_discharges = true;
			if (!plan_may_export(&in->battery[k], t))
				s->export_max_kw = fmin(s->export_max_kw, 0);
		}
	}
}

/* The part of the home one of several batteries is to serve alone; the cars as planned. */
static void slot_share(const struct solver *v, int t, struct slot *s)
{
	for (int k = 0; k < v->in->n_evs; k++)
		s->other_cars_kw += v->plan->ev_kw[k][t];
	s->other_cars_kw *= v->share;
	s->net_kw = s->net_kw * v->share + s->other_cars_kw;
	s->import_max_kw *= v->share;
	s->export_max_kw *= v->share;
	s->curtail_max_kw *= v->share;
}

static void slot_grid(const struct solver *v, int t, struct slot *s)
{
	const struct plan_instance *in = v->in;

	memset(s, 0, sizeof(*s));
	s->dt_h = in->slot_h[t];
	s->net_kw = in->load_kw[t] - in->pv_kw[t];
	s->import_price = in->import_price[t];
	s->export_price = in->export_price[t];
	s->import_max_kw = in->import_max_kw[t];
	s->export_max_kw = in->export_max_kw[t];
	s->curtail_max_kw = in->curtail_max_kw[t];
	s->fixed_kw = NAN;
	s->gain_in = s->gain_out = s->dt_h;
	s->grid_charge = s->battery_export = true;
	s->battery_to_ev = in->battery_to_ev;
	s->penalty = v->soft ? 1e3 * v->scale : INFINITY;
}

/* An order that no grid limit can bear is cut toward zero: limits rank above orders. */
static double fixed_within(const struct solver *v, const struct slot *s, double kw)
{
	kw = fmin(fmax(kw, s->battery_min_kw), s->battery_max_kw);
	if (v->soft && kw > 0)
		kw = fmin(kw, fmax(0, s->import_max_kw - s->net_kw));
	if (v->soft && kw < 0)
		kw = fmax(kw, fmin(0, -s->export_max_kw - s->curtail_max_kw - s->net_kw));
	return kw;
}

static void car_window(struct solver *v, int e)
{
	struct pair *p = &v->pair;
	const struct plan_ev *x = &v->in->ev[e];

	p->car_from = x->arrive_slot;
	p->car_to = x->depart_slot > x->arrive_slot ? x->depart_slot : x->arrive_slot;
	p->car_kwh = x->energy_kwh;
	for (int t = p->car_from; t < p->car_to; t++) {
		p->slot[t].car_min_kw = x->min_kw;
		p->slot[t].car_max_kw = x->max_kw;
	}
}

static bool awkward(const struct slot *s, bool car)
{
	return s->import_price < 0 || s->export_price < 0 || !s->grid_charge || !s->battery_export ||
	       (!s->battery_to_ev && (car || s->other_cars_kw > 0));
}

static void pair_common(struct solver *v)
{
	struct pair *p = &v->pair;

	p->car_from = p->car_to = 0;
	p->car_kwh = 0;
	p->waste_kwh = 0;
	p->mu_max = v->soft ? 0.5e3 * v->scale : fmax(1e3 * v->scale, 2 * missing_price(v->in));
	p->mu_min = v->soft ? -4e3 * v->scale : -p->mu_max; /* no car is overfilled to spare a limit of export */
	p->floor_price = !isnan(v->in->floor_price) ? v->in->floor_price : v->soft ? 1e5 * v->scale : NAN;
	p->branch_work = v->soft ? BRANCH_WORK_SOFT : BRANCH_WORK;
	p->tolerance = 1e-7 * turnover(v->in);
	p->expired = v->expired;
	p->context = v->context;
}

/* Adds what stored energy cannot fall below when no discharge crosses a soft floor. */
static void least_add(struct pair *p, double soc_kwh, const double *floor_kwh)
{
	double least = soc_kwh;

	for (int t = 0; t <= p->slots; t++) {
		least = t > 0 ? fmin(least, floor_kwh[t]) : least;
		p->least_kwh[t] += least;
	}
}

void solver_build(struct solver *v, int b, int e)
{
	const struct plan_instance *in = v->in;
	const struct plan_battery *x = b >= 0 ? &in->battery[b] : NULL;
	struct pair *p = &v->pair;

	pair_common(v);
	if (v->soft)
		plan_cost(in, v->plan); /* whose orders the store has ended */
	p->floor_kwh = x ? x->floor_kwh : v->floor;
	p->capacity_kwh = x ? x->capacity_kwh : 0;
	p->soc_kwh = x ? x->soc_kwh : 0;
	p->worth = x ? x->terminal_value : 0;
	memset(p->least_kwh, 0, ((size_t)in->slots + 1) * sizeof(double));
	if (x)
		least_add(p, x->soc_kwh, x->floor_kwh);
	for (int t = 0; t < in->slots; t++) {
		struct slot *s = &p->slot[t];

		slot_grid(v, t, s);
		if (x) {
			s->battery_min_kw = -x->discharge_max_kw[t];
			s->battery_max_kw = x->charge_max_kw[t];
			s->gain_in = x->charge_eff * s->dt_h;
			s->gain_out = s->dt_h / x->discharge_eff;
			s->wear_cost = x->wear_cost;
			s->grid_charge = plan_may_import(x, t);
			s->battery_export = plan_may_export(x, t);
		}
		if (v->share > 0 && e < 0)
			slot_share(v, t, s);
		else
			slot_others(v, t, b, e, s);
		if (x && !isnan(x->fixed_kw[t])) {
			s->due_kw = fmin(fmax(x->fixed_kw[t], -x->discharge_max_kw[t]), x->charge_max_kw[t]);
			s->fixed_kw = fixed_within(v, s, s->due_kw);
			s->missed_cost = v->soft ? s->penalty * fabs(s->due_kw - s->fixed_kw) * s->dt_h : 0;
		}
		s->awkward = awkward(s, e >= 0);
	}
	if (e >= 0)
		car_window(v, e);
}

/* All batteries as one that is as good as each of them in every respect, all cars as one that only owes the sum: whatever
 * the real ones can do, it can. It may lose energy, since real ones lose more. */
void solver_merge(struct solver *v)
{
	const struct plan_instance *in = v->in;
	struct pair *p = &v->pair;
	double in_eff = 0, out_eff = 0, wear = INFINITY, out_max = 0;

	solver_build(v, -1, -1);
	p->worth = in->n_batteries ? -INFINITY : 0;
	memset(v->floor, 0, ((size_t)in->slots + 1) * sizeof(double));
	for (int b = 0; b < in->n_batteries; b++) {
		const struct plan_battery *x = &in->battery[b];

		p->capacity_kwh += x->capacity_kwh;
		p->soc_kwh += x->soc_kwh;
		p->worth = fmax(p->worth, x->terminal_value);
		in_eff = fmax(in_eff, x->charge_eff);
		out_eff = fmax(out_eff, x->discharge_eff);
		wear = fmin(wear, x->wear_cost);
		for (int t = 0; t <= in->slots; t++)
			v->floor[t] += x->floor_kwh[t];
		least_add(p, x->soc_kwh, x->floor_kwh);
	}
	for (int t = 0; t < in->slots; t++) {
		struct slot *s = &p->slot[t];

		slot_grid(v, t, s);
		s->grid_charge = s->battery_export = false;
		for (int b = 0; b < in->n_batteries; b++) {
			const struct plan_battery *x = &in->battery[b];
			double fixed = x->fixed_kw[t];

			s->battery_min_kw -=
				isnan(fixed) ? x->discharge_max_kw[t] : fmin(x->discharge_max_kw[t], fmax(0, -fixed));
			s->battery_max_kw += isnan(fixed) ? x->charge_max_kw[t] : fmin(x->charge_max_kw[t], fmax(0, fixed));
			s->grid_charge |= plan_may_import(x, t);
			s->battery_export |= plan_may_export(x, t);
		}
		if (in->n_batteries) {
			s->gain_in = in_eff * s->dt_h;
			s->gain_out = s->dt_h / out_eff;
			s->wear_cost = wear;
		}
		out_max = fmax(out_max, slot_delta(s, s->battery_max_kw) - slot_delta(s, s->battery_min_kw));
		for (int e = 0; e < in->n_evs && in->n_evs > 1; e++)
			if (t >= in->ev[e].arrive_slot && t < in->ev[e].depart_slot)
				s->car_max_kw += in->ev[e].max_kw;
		s->awkward = awkward(s, in->n_evs > 0);
	}
	p->waste_kwh = in->n_batteries > 1 ? out_max : 0;
	if (in->n_evs == 1) {
		car_window(v, 0);
		return;
	}
	p->car_to = in->n_evs ? in->slots : 0;
	for (int e = 0; e < in->n_evs; e++)
		p->car_kwh += in->ev[e].energy_kwh;
}

/* The last solved cost to go, as steps over stored energy. At most GUIDE_SEGMENTS_MAX a boundary: more are averaged over
 * equal parts of the store, which keeps them falling. */
static int slopes_row(const struct togo *g, int t, struct plan_slope *out)
{
	const struct togo_row *r = &g->row[t];
	const struct togo_segment *s = g->segment + r->first;
	double at = r->low_kwh, part = (togo_high(g, t) - at) / GUIDE_SEGMENTS_MAX, len = 0, sum = 0;
	int n = 0;

	for (int i = 0; i < r->n; i++) {
		at += s[i].len_kwh;
		len += s[i].len_kwh;
		sum += s[i].len_kwh * s[i].slope;
		if (i + 1 < r->n &&
		    (len < STEP_MIN_KWH || (r->n > GUIDE_SEGMENTS_MAX && (len < part || n + 1 == GUIDE_SEGMENTS_MAX))))
			continue;
		if (n > 0 && len < STEP_MIN_KWH)
			out[n - 1].upto_kwh = (float)at;
		else
			out[n++] = (struct plan_slope){ (float)at, (float)(-sum / len) };
		len = sum = 0;
	}
	return n;
}

static int keep_slopes(struct solver *v, int b)
{
	const struct togo *g = &v->pair.go;
	struct plan *p = v->plan;
	struct plan_slope *slope;
	int n = 0, total = 0;

	for (int t = 0; t <= p->slots; t++)
		total += g->row[t].n < GUIDE_SEGMENTS_MAX ? g->row[t].n : GUIDE_SEGMENTS_MAX;
	slope = realloc(p->slope[b], (size_t)(total + 1) * sizeof(*slope));
	if (!slope)
		return -ENOMEM;
	p->slope[b] = slope;
	for (int t = 0; t <= p->slots; t++) {
		p->slope_first[b][t] = n;
		n += slopes_row(g, t, slope + n);
	}
	p->slope_first[b][p->slots + 1] = n;
	return 0;
}

static void keep_values(struct solver *v, int b)
{
	const struct plan_battery *x = &v->in->battery[b];
	double soc = x->soc_kwh;

	for (int t = 0; t <= v->in->slots; t++) {
		v->plan->value[b][t] = -togo_slope(&v->pair.go, t, soc);
		if (t < v->in->slots)
			soc += slot_delta(&v->pair.slot[t], v->plan->battery_kw[b][t]);
	}
}

int solver_keep_values(struct solver *v, int b)
{
	keep_values(v, b);
	return keep_slopes(v, b);
}

int solver_apply(struct solver *v, int b, int e, double *bound)
{
	struct pair_result r = {
		b >= 0 ? v->plan->battery_kw[b] : v->spare[0], e >= 0 ? v->plan->ev_kw[e] : v->spare[1], 0, 0, 0, 0
	};
	int rc;

	memset(v->floor, 0, ((size_t)v->in->slots + 1) * sizeof(double));
	solver_build(v, b, e);
	rc = pair_solve(&v->pair, &r);
	if (rc)
		return rc;
	*bound = r.bound;
	if (e >= 0)
		v->plan->ev_value[e] = r.mu;
	return b >= 0 ? solver_keep_values(v, b) : 0;
}

static int solve_one(struct solver *v)
{
	int b = v->in->n_batteries ? 0 : -1, e = v->in->n_evs ? 0 : -1, rc;

	rc = solver_apply(v, b, e, &v->plan->bound);
	if (rc == -EDOM) { /* not all limits can hold: price them, and let the judge name what breaks */
		v->soft = true;
		rc = solver_apply(v, b, e, &v->plan->bound);
	}
	return rc;
}

static size_t plan_alloc(struct plan *p, const struct plan_instance *in)
{
	size_t n = (size_t)in->slots, room = n + (size_t)in->n_batteries * (3 * n + 2) + (size_t)in->n_evs * n;
	double *at = calloc(room, sizeof(double));

	memset(p, 0, sizeof(*p));
	if (!at)
		return 0;
	p->memory = at;
	p->slots = in->slots;
	p->curtail_kw = at;
	at += n;
	for (int b = 0; b < in->n_batteries; b++) {
		p->battery_kw[b] = at;
		p->soc_kwh[b] = at + n;
		p->value[b] = at + 2 * n + 1;
		at += 3 * n + 2;
		p->slope_first[b] = calloc(n + 2, sizeof(int));
		if (!p->slope_first[b]) {
			plan_deinit(p);
			return 0;
		}
	}
	for (int e = 0; e < in->n_evs; e++) {
		p->ev_kw[e] = at;
		p->ev_value[e] = NAN;
		at += n;
	}
	return room;
}

void plan_deinit(struct plan *p)
{
	for (int b = 0; b < PLAN_BATTERIES_MAX; b++) {
		free(p->slope_first[b]);
		free(p->slope[b]);
	}
	free(p->memory);
	memset(p, 0, sizeof(*p));
}

static void conclude(struct solver *v)
{
	struct plan *p = v->plan;

	p->cost = plan_cost(v->in, p);
	if (plan_judge(v->in, p)) {
		p->status = PLAN_INFEASIBLE;
		p->bound = NAN;
		return;
	}
	p->bound = isnan(p->bound) ? -INFINITY : fmin(p->bound, p->cost);
	p->status = p->cost - p->bound <= 1e-6 * fmax(fabs(p->cost), 0.1 * turnover(v->in)) ? PLAN_OPTIMAL : PLAN_FEASIBLE;
}

int planner_solve(const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		  struct errbuf *err)
{
	struct solver v = { .in = in, .plan = out, .expired = expired, .context = context, .scale = greatest_price(in) };
	size_t n = (size_t)in->slots, room = plan_alloc(out, in);
	int rc = room && !pair_init(&v.pair, in->slots) ? 0 : -ENOMEM;

	v.floor = calloc(3 * n + 1, sizeof(double));
	if (rc || !v.floor) {
		rc = -ENOMEM;
	} else {
		v.spare[0] = v.floor + n + 1;
		v.spare[1] = v.floor + 2 * n + 1;
		rc = in->n_batteries <= 1 && in->n_evs <= 1 ? solve_one(&v) : solver_many(&v, room);
		if (!rc)
			conclude(&v);
	}
	if (room)
		pair_deinit(&v.pair);
	free(v.floor);
	if (!rc)
		return 0;
	plan_deinit(out);
	return errbuf_set(err, rc, rc == -ENOMEM ? "no memory for %d slots" : "no plan found for %d slots", in->slots);
}
