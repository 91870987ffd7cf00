/* A plan as `ems-plan/1`, and the guidance of one instant out of its cost to go. */
#include "policies/planner/planner.h"

#include <math.h>
#include <string.h>

const char *plan_status_word(enum plan_status s)
{
	switch (s) {
	case PLAN_OPTIMAL:
		return "optimal";
	case PLAN_FEASIBLE:
		return "feasible";
	case PLAN_INFEASIBLE:
		return "infeasible";
	}
	return "?";
}

/* The nearest number of ten digits: what is said is short, and no price, however high, tells it from what was counted. Powers
 * below a thousandth of a watt are rounding. */
static double ten_digits(double v)
{
	double unit;

	if (!isfinite(v)) /* printed as null: nonsense is not hidden behind a zero */
		return v;
	unit = fabs(v) < 1e-9 ? INFINITY : pow(10, 10 - ceil(log10(fabs(v))));
	return isinf(unit) ? 0 : round(v * unit) / unit;
}

static void add_array(cJSON *o, const char *key, const double *v, int n)
{
	cJSON *list = cJSON_AddArrayToObject(o, key), *last = NULL;

	for (int i = 0; list && i < n; i++) {
		cJSON *item = cJSON_CreateNumber(ten_digits(v[i]) + 0.0);

		if (!item)
			return;
		if (!last) { /* a list that is walked from its head for each number would be slow */
			cJSON_AddItemToArray(list, item);
		} else {
			last->next = item;
			item->prev = last;
			list->child->prev = item;
		}
		last = item;
	}
}

static void add_zeros(cJSON *o, const char *key, int n)
{
	cJSON *list = cJSON_AddArrayToObject(o, key);

	for (int i = 0; list && i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(0));
}

static void add_single(cJSON *o, const struct plan *p, const struct plan_instance *in)
{
	if (in->n_batteries)
		add_array(o, "battery_kw", p->battery_kw[0], p->slots);
	else
		add_zeros(o, "battery_kw", p->slots);
	if (in->n_evs)
		add_array(o, "ev_kw", p->ev_kw[0], p->slots);
	else
		add_zeros(o, "ev_kw", p->slots);
	if (!in->n_batteries)
		return;
	add_array(o, "soc_kwh", p->soc_kwh[0], p->slots + 1);
	add_array(o, "value", p->value[0], p->slots + 1);
}

static void add_lists(cJSON *o, const struct plan *p, const struct plan_instance *in)
{
	cJSON *batteries = cJSON_AddArrayToObject(o, "batteries"), *evs = cJSON_AddArrayToObject(o, "evs");

	for (int b = 0; b < in->n_batteries; b++) {
		cJSON *x = cJSON_CreateObject();

		cJSON_AddStringToObject(x, "id", in->battery[b].id);
		add_array(x, "battery_kw", p->battery_kw[b], p->slots);
		add_array(x, "soc_kwh", p->soc_kwh[b], p->slots + 1);
		add_array(x, "value", p->value[b], p->slots + 1);
		cJSON_AddItemToArray(batteries, x);
	}
	for (int e = 0; e < in->n_evs; e++) {
		cJSON *x = cJSON_CreateObject();

		cJSON_AddStringToObject(x, "id", in->ev[e].id);
		add_array(x, "ev_kw", p->ev_kw[e], p->slots);
		cJSON_AddItemToArray(evs, x);
	}
}

static void add_violations(cJSON *o, const struct plan *p)
{
	cJSON *list = cJSON_AddArrayToObject(o, "violations");

	for (int i = 0; i < p->n_violations; i++) {
		cJSON *v = cJSON_CreateObject();

		cJSON_AddStringToObject(v, "limit", p->violation[i].limit);
		cJSON_AddNumberToObject(v, "slot", p->violation[i].slot);
		cJSON_AddNumberToObject(v, "by", round(p->violation[i].by * 1e6) / 1e6);
		cJSON_AddItemToArray(list, v);
	}
}

static void add_softened(cJSON *o, const struct plan *p)
{
	cJSON *list = cJSON_AddArrayToObject(o, "softened");

	for (int i = 0; i < p->n_softened; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(p->softened[i]));
}

cJSON *plan_encode(const struct plan *p, const struct plan_instance *in, bool single)
{
	cJSON *o = cJSON_CreateObject();

	if (!o)
		return NULL;
	cJSON_AddStringToObject(o, "format", "ems-plan/1");
	cJSON_AddStringToObject(o, "instance", in->name);
	cJSON_AddStringToObject(o, "status", plan_status_word(p->status));
	if (p->why[0])
		cJSON_AddStringToObject(o, "reason", p->why);
	if (p->n_softened)
		add_softened(o, p);
	if (single)
		add_single(o, p, in);
	else
		add_lists(o, p, in);
	add_array(o, "curtail_kw", p->curtail_kw, p->slots);
	cJSON_AddNumberToObject(o, "cost", p->cost);
	if (!isfinite(p->bound))
		cJSON_AddNullToObject(o, "bound");
	else
		cJSON_AddNumberToObject(o, "bound", p->bound);
	cJSON_AddNumberToObject(o, "solve_ms", round(p->solve_ms * 1e3) / 1e3);
	if (p->n_violations)
		add_violations(o, p);
	return o;
}

/* The value of a kWh while slot @t runs is what the rest of the plan, from its end on, would pay for it. */
static void guide_battery(const struct plan *p, const struct plan_battery *x, int b, int t, struct plan_guide *out)
{
	const struct plan_slope *s = p->slope[b] + p->slope_first[b][t + 1];

	out->planned_w = p->battery_kw[b][t] * 1e3;
	out->charge_eff = x->charge_eff;
	out->discharge_eff = x->discharge_eff;
	out->wear_per_kwh = x->wear_cost;
	out->n_segments = p->slope_first[b][t + 2] - p->slope_first[b][t + 1];
	for (int i = 0; i < out->n_segments; i++) {
		out->upto_wh[i] = s[i].upto_kwh * 1e3f;
		out->value_per_kwh[i] = s[i].value;
	}
	if (out->n_segments == 0) { /* a store of no size, or one point only: its value along the plan */
		out->upto_wh[0] = (float)(x->capacity_kwh * 1e3);
		out->value_per_kwh[0] = (float)p->value[b][t + 1];
		out->n_segments = 1;
	}
}

static void guide_car(const struct plan *p, const struct plan_ev *x, int e, int t, struct plan_guide *out)
{
	out->planned_w = p->ev_kw[e][t] * 1e3;
	out->charge_eff = out->discharge_eff = 1;
	if (isnan(p->ev_value[e]))
		return;
	out->upto_wh[0] = (float)(x->energy_kwh * 1e3);
	out->value_per_kwh[0] = (float)p->ev_value[e];
	out->n_segments = 1;
}

void plan_guide_at(const struct plan *p, const struct plan_instance *in, bool ev, int b, int64_t utc_ms,
		   struct plan_guide *out)
{
	double from_ms = (double)in->start_utc_ms;

	memset(out, 0, sizeof(*out));
	if (b < 0 || b >= (ev ? in->n_evs : in->n_batteries) || !p->memory || utc_ms < in->start_utc_ms)
		return;
	for (int t = 0; t < in->slots; t++) {
		double to_ms = from_ms + in->slot_h[t] * 3600e3;

		if ((double)utc_ms < to_ms - 0.5) {
			out->valid = true;
			out->until_utc_ms = (int64_t)(to_ms + 0.5);
			if (ev)
				guide_car(p, &in->ev[b], b, t, out);
			else
				guide_battery(p, &in->battery[b], b, t, out);
			return;
		}
		from_ms = to_ms;
	}
}
