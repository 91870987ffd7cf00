/* The physics and rules of the format, applied to a finished schedule: what it costs, what it breaks. Written apart from
 * the solver's slot functions on purpose, so that a mistake in one shows against the other. */
#include "policies/planner/planner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define POWER_TOLERANCE 1e-5 /* kW, kWh: a tenth of what the format forgives */
#define CAR_TOLERANCE 5e-4   /* kWh; the format forgives 1e-3 */

struct flows {
	double net, cars;           /* kW before curtailment */
	double low, high;           /* the grid's range by the rules alone */
};

static struct flows flows_of(const struct plan_instance *in, const struct plan *p, int t)
{
	struct flows f = { in->load_kw[t] - in->pv_kw[t], 0, -INFINITY, INFINITY };

	for (int e = 0; e < in->n_evs; e++)
		f.cars += p->ev_kw[e][t];
	f.net += f.cars;
	for (int b = 0; b < in->n_batteries; b++) {
		double kw = p->battery_kw[b][t];

		f.net += kw;
		if (kw > 0 && !plan_may_import(&in->battery[b], t))
			f.high = fmin(f.high, 0);
		if (kw < 0 && !plan_may_export(&in->battery[b], t))
			f.low = fmax(f.low, 0);
		if (kw < 0 && f.cars > 0 && !in->battery_to_ev)
			f.low = fmax(f.low, f.cars);
	}
	return f;
}

static double grid_cost(const struct plan_instance *in, int t, double g)
{
	return g * (g > 0 ? in->import_price[t] : in->export_price[t]);
}

/* Cheapest grid power between the limits that curtailing can reach; the nearest one when none can. */
static double grid_choose(const struct plan_instance *in, const struct flows *f, int t)
{
	double least = fmax(f->low, -in->export_max_kw[t]), most = fmin(f->high, in->import_max_kw[t]),
	       lifted = f->net + in->curtail_max_kw[t];
	double low = fmax(f->net, least), high = fmin(lifted, most), g = low;

	if (low > high)
		return least > f->net ? fmin(lifted, least) : f->net;
	if (low < 0 && high > 0 && grid_cost(in, t, 0) < grid_cost(in, t, g))
		g = 0;
	if (grid_cost(in, t, high) < grid_cost(in, t, g))
		g = high;
	return g;
}

double plan_cost(const struct plan_instance *in, struct plan *p)
{
	double cost = 0;

	for (int t = 0; t < in->slots; t++) {
		struct flows f = flows_of(in, p, t);
		double g = grid_choose(in, &f, t);

		p->curtail_kw[t] = fmax(g - f.net, 0);
		cost += grid_cost(in, t, f.net + p->curtail_kw[t]) * in->slot_h[t];
	}
	for (int b = 0; b < in->n_batteries; b++) {
		const struct plan_battery *x = &in->battery[b];
		double soc = x->soc_kwh;

		p->soc_kwh[b][0] = soc;
		for (int t = 0; t < in->slots; t++) {
			double kw = p->battery_kw[b][t], dt = in->slot_h[t];

			soc += kw > 0 ? kw * x->charge_eff * dt : kw / x->discharge_eff * dt;
			p->soc_kwh[b][t + 1] = soc;
			cost += kw < 0 ? -kw * dt * x->wear_cost : 0;
			if (!isnan(in->floor_price))
				cost += in->floor_price * dt * fmax(0, x->floor_kwh[t + 1] - soc);
		}
		cost -= x->terminal_value * soc;
	}
	return cost;
}

/* One limit over all slots: runs of slots beyond it become one entry with the worst slot. */
struct watch {
	struct plan *p;
	const char *limit;
	bool soft;
	int worst;
	double by, sum;
};

static void watch_end(struct watch *w)
{
	if (w->worst >= 0 && w->p->n_violations < PLAN_VIOLATIONS_MAX) {
		struct plan_violation *v = &w->p->violation[w->p->n_violations++];

		snprintf(v->limit, sizeof(v->limit), "%s", w->limit);
		v->slot = w->worst;
		v->by = w->by;
		v->soft = w->soft;
	}
	w->worst = -1;
	w->by = 0;
}

static void watch_slot(struct watch *w, int t, double by)
{
	if (by <= POWER_TOLERANCE) {
		watch_end(w);
	} else if (by > w->by) {
		w->by = by;
		w->worst = t;
	}
}

double plan_rules_missed(const struct plan_instance *in, const struct plan *p, int t)
{
	struct flows f = flows_of(in, p, t);
	double g = f.net + p->curtail_kw[t], missed = fmax(g - f.high, f.low - g);

	return missed > POWER_TOLERANCE ? missed : 0;
}

bool plan_order_missed(const struct plan_instance *in, const struct plan *p, int b, int t)
{
	const struct plan_battery *x = &in->battery[b];
	double soc = p->soc_kwh[b][t + 1], due = x->fixed_kw[t];
	bool at_end = due > 0 ? soc > x->capacity_kwh - POWER_TOLERANCE : soc < x->floor_kwh[t + 1] + POWER_TOLERANCE;

	return !isnan(due) && !at_end && fabs(p->battery_kw[b][t] - due) > POWER_TOLERANCE;
}

static void judge_grid(const struct plan_instance *in, struct plan *p)
{
	struct watch import = { p, "grid.import_max_kw", false, -1, 0, 0 },
		     export = { p, "grid.export_max_kw", false, -1, 0, 0 },
		     rules = { p, PLAN_RULES, false, -1, 0, 0 };

	for (int t = 0; t < in->slots; t++) {
		struct flows f = flows_of(in, p, t);
		double g = f.net + p->curtail_kw[t];

		watch_slot(&import, t, g - in->import_max_kw[t]);
		watch_slot(&export, t, -in->export_max_kw[t] - g);
		watch_slot(&rules, t, plan_rules_missed(in, p, t));
	}
	watch_end(&import);
	watch_end(&export);
	watch_end(&rules);
}

void plan_limit_name(const struct plan_instance *in, const char *kind, const char *id, const char *key, char out[56])
{
	snprintf(out, 56, "%s.%s", in->single ? kind : id, key);
}

static void judge_battery(const struct plan_instance *in, struct plan *p, int b)
{
	const struct plan_battery *x = &in->battery[b];
	char floor_name[56], full_name[56], fixed_name[56];
	struct watch low = { p, floor_name, !isnan(in->floor_price), -1, 0, 0 }, high = { p, full_name, false, -1, 0, 0 },
		     fixed = { p, fixed_name, false, -1, 0, 0 };

	plan_limit_name(in, "battery", x->id, "floor_kwh", floor_name);
	plan_limit_name(in, "battery", x->id, "capacity_kwh", full_name);
	plan_limit_name(in, "battery", x->id, "fixed_kw", fixed_name);
	for (int t = 0; t < in->slots; t++) {
		double soc = p->soc_kwh[b][t + 1];

		watch_slot(&low, t, x->floor_kwh[t + 1] - soc);
		watch_slot(&high, t, soc - x->capacity_kwh);
		watch_slot(&fixed, t, plan_order_missed(in, p, b, t) ? fabs(p->battery_kw[b][t] - x->fixed_kw[t]) : 0);
	}
	watch_end(&low);
	watch_end(&high);
	watch_end(&fixed);
}

static void judge_car(const struct plan_instance *in, struct plan *p, int e)
{
	const struct plan_ev *x = &in->ev[e];
	char name[56];
	struct watch energy = { p, name, false, -1, 0, 0 };
	double kwh = 0;

	for (int t = 0; t < in->slots; t++)
		kwh += p->ev_kw[e][t] * in->slot_h[t];
	plan_limit_name(in, "ev", x->id, "energy_kwh", name);
	energy.by = fabs(x->energy_kwh - kwh);
	if (energy.by > CAR_TOLERANCE)
		energy.worst = x->depart_slot > x->arrive_slot ? x->depart_slot - 1
			       : x->arrive_slot < in->slots    ? x->arrive_slot
							       : in->slots - 1;
	watch_end(&energy);
}

int plan_judge(const struct plan_instance *in, struct plan *p)
{
	const struct plan_violation *first = NULL;
	int hard = 0;

	p->n_violations = 0;
	p->why[0] = '\0';
	for (int e = 0; e < in->n_evs; e++)
		judge_car(in, p, e);
	judge_grid(in, p);
	for (int b = 0; b < in->n_batteries; b++)
		judge_battery(in, p, b);
	for (int i = 0; i < p->n_violations; i++) {
		if (p->violation[i].soft)
			continue;
		if (!hard++)
			first = &p->violation[i];
	}
	if (first)
		snprintf(p->why, sizeof(p->why), "%s cannot hold: %.3f %s short in slot %d%s", first->limit, first->by,
			 strstr(first->limit, "kwh") ? "kWh" : "kW", first->slot, hard > 1 ? ", and more" : "");
	return hard;
}
