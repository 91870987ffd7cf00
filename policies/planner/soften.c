/* An instance whose limits cannot all hold, solved all the same: the least-violating plan says how far each limit has to
 * give, the problem is solved again with just those moved, and the judge compares the outcome with the real limits. What
 * comes out has true prices in its cost to go, where the first plan's are penalties. */
#include "policies/planner/planner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 1e-5 /* kW, kWh: the judge's */
#define SLACK 1e-6     /* beyond what was missed, so that rounding does not miss it again */
#define ROUNDS 3       /* one is enough unless limits that were moved meet others */

struct softener {
	struct plan_instance *in; /* a copy: its limits move */
	const struct plan *p;
	bool moved;
	int n;
	char name[PLAN_SOFTENED_MAX][56];
};

static void moved(struct softener *s, const char *name)
{
	s->moved = true;
	for (int i = 0; i < s->n; i++)
		if (!strcmp(s->name[i], name))
			return;
	if (s->n < PLAN_SOFTENED_MAX)
		snprintf(s->name[s->n++], sizeof(s->name[0]), "%s", name);
}

static void soften_grid(struct softener *s, int t)
{
	struct plan_instance *in = s->in;
	double g = in->load_kw[t] - in->pv_kw[t] + s->p->curtail_kw[t];

	for (int b = 0; b < in->n_batteries; b++)
		g += s->p->battery_kw[b][t];
	for (int e = 0; e < in->n_evs; e++)
		g += s->p->ev_kw[e][t];
	if (g > in->import_max_kw[t] + TOLERANCE) {
		in->import_max_kw[t] = g + SLACK;
		moved(s, "grid.import_max_kw");
	}
	if (-g > in->export_max_kw[t] + TOLERANCE) {
		in->export_max_kw[t] = SLACK - g;
		moved(s, "grid.export_max_kw");
	}
}

/* Rules by direction that give way to no order: what the plan does there is taken for an order that they do not bind. */
static void soften_rules(struct softener *s, int t)
{
	s->in->battery_to_ev = true;
	for (int b = 0; b < s->in->n_batteries; b++) {
		struct plan_battery *x = &s->in->battery[b];

		if (s->p->battery_kw[b][t] == 0)
			continue;
		x->orders_free = true;
		x->fixed_kw[t] = s->p->battery_kw[b][t];
	}
	moved(s, PLAN_RULES);
}

/* An order gives way to the rules by direction, and to whatever else the plan could not follow it for. */
static void soften_orders(struct softener *s, int t)
{
	double missed = plan_rules_missed(s->in, s->p, t);

	for (int b = 0; b < s->in->n_batteries; b++) {
		struct plan_battery *x = &s->in->battery[b];
		double kw = s->p->battery_kw[b][t], less = fmin(missed, fabs(kw));
		char name[56];

		if (isnan(x->fixed_kw[t]) || (less <= 0 && !plan_order_missed(s->in, s->p, b, t)))
			continue;
		x->fixed_kw[t] = kw > 0 ? kw - less : kw + less;
		missed -= less;
		plan_limit_name(s->in, "battery", x->id, "fixed_kw", name);
		moved(s, name);
	}
	if (missed > TOLERANCE)
		soften_rules(s, t);
}

static void soften_floor(struct softener *s, int b, int t)
{
	struct plan_battery *x = &s->in->battery[b];
	char name[56];

	if (!isnan(s->in->floor_price) || x->floor_kwh[t + 1] - s->p->soc_kwh[b][t + 1] <= TOLERANCE)
		return;
	x->floor_kwh[t + 1] = fmax(0, s->p->soc_kwh[b][t + 1] - SLACK);
	plan_limit_name(s->in, "battery", x->id, "floor_kwh", name);
	moved(s, name);
}

static void soften_car(struct softener *s, int e)
{
	struct plan_ev *x = &s->in->ev[e];
	char name[56];
	double kwh = 0;

	for (int t = 0; t < s->in->slots; t++)
		kwh += s->p->ev_kw[e][t] * s->in->slot_h[t];
	if (fabs(kwh - x->energy_kwh) <= TOLERANCE)
		return;
	x->energy_kwh = kwh;
	plan_limit_name(s->in, "ev", x->id, "energy_kwh", name);
	moved(s, name);
}

static bool soften(struct softener *s)
{
	s->moved = false;
	for (int t = 0; t < s->in->slots; t++) {
		soften_grid(s, t);
		soften_orders(s, t);
		for (int b = 0; b < s->in->n_batteries; b++)
			soften_floor(s, b, t);
	}
	for (int e = 0; e < s->in->n_evs; e++)
		soften_car(s, e);
	return s->moved;
}

int planner_solve_soft(const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		       struct errbuf *err)
{
	struct plan_instance soft;
	struct softener s = { .in = &soft, .p = out };
	int rc = planner_solve(in, expired, context, out, err);

	if (rc || out->status != PLAN_INFEASIBLE || instance_copy(in, &soft))
		return rc;
	for (int i = 0; i < ROUNDS && out->status == PLAN_INFEASIBLE && soften(&s); i++) {
		struct plan next;

		if (planner_solve(&soft, expired, context, &next, NULL))
			break;
		plan_deinit(out);
		*out = next;
	}
	if (!plan_judge(in, out)) { /* the second attempt found what the first did not */
		out->status = PLAN_FEASIBLE;
		out->bound = -INFINITY;
	} else if (out->status != PLAN_INFEASIBLE) {
		out->status = PLAN_FEASIBLE; /* of the softened problem, however near its optimum */
		out->n_softened = s.n;
		memcpy(out->softened, s.name, sizeof(out->softened));
	}
	instance_deinit(&soft);
	return 0;
}
