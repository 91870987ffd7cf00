/* A plan instance from anywhere: parsed, solved with few steps, and what comes out must keep to the physics. */
#include "support/plan_check.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool enough(void *context)
{
	return ++*(int *)context > 20;
}

/* The greatest power or energy an instance speaks of: what is lost by rounding grows with it. */
static double size_of(const struct plan_instance *in)
{
	double most = 1;

	for (int b = 0; b < in->n_batteries; b++)
		most = fmax(most, in->battery[b].capacity_kwh);
	for (int t = 0; t < in->slots; t++) {
		most = fmax(most, fmax(in->load_kw[t], in->pv_kw[t]));
		for (int b = 0; b < in->n_batteries; b++)
			most = fmax(most, fmax(in->battery[b].charge_max_kw[t], in->battery[b].discharge_max_kw[t]));
	}
	for (int e = 0; e < in->n_evs; e++)
		most = fmax(most, in->ev[e].max_kw);
	return most;
}

/* Whatever the numbers: powers within the ratings, stored energy within the battery, energy kept. */
static void check(const struct plan_instance *in, const struct plan *p)
{
	for (int b = 0; b < in->n_batteries; b++) {
		const struct plan_battery *x = &in->battery[b];

		for (int t = 0; t < in->slots; t++) {
			double kw = p->battery_kw[b][t], soc = p->soc_kwh[b][t + 1];

			if (!(kw <= x->charge_max_kw[t] + 1e-4) || !(kw >= -x->discharge_max_kw[t] - 1e-4) ||
			    !(soc >= -1e-4 * (1 + x->capacity_kwh)) ||
			    !(soc <= x->capacity_kwh + 1e-4 * (1 + x->capacity_kwh)))
				abort();
		}
	}
	for (int e = 0; e < in->n_evs; e++)
		for (int t = 0; t < in->slots; t++)
			if (!(p->ev_kw[e][t] >= 0) || !(p->ev_kw[e][t] <= in->ev[e].max_kw + 1e-4))
				abort();
	if (p->status != PLAN_INFEASIBLE && !(plan_check(in, p).worst <= 1e-4 * size_of(in)))
		abort(); /* called feasible, and breaks a limit */
	if (p->status == PLAN_INFEASIBLE ? p->n_violations == 0 || !p->why[0] : !(p->bound <= p->cost))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_instance in;
	struct errbuf err = { "" };
	struct plan p;
	int steps = 0;

	if (instance_parse((const char *)data, size, &in, &err)) {
		if (!err.text[0])
			abort();
		return 0;
	}
	if (planner_solve(&in, enough, &steps, &p, &err))
		abort(); /* there is always a plan */
	check(&in, &p);
	cJSON_Delete(plan_encode(&p, &in, in.single));
	plan_deinit(&p);
	instance_deinit(&in);
	return 0;
}
