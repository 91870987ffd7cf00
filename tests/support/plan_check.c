/* See plan_check.h. */
#include "support/plan_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void excess(struct plan_check *c, double by, const char *what, int who, int slot)
{
	if (!(by > c->worst))
		return;
	c->worst = by;
	snprintf(c->what, sizeof(c->what), "%s of %d in slot %d by %.7f", what, who, slot, by);
}

static void check_slot(const struct plan_instance *in, const struct plan *p, int t, struct plan_check *c)
{
	double cars = 0, charge = 0, discharge = 0, curtail = p->curtail_kw[t], grid;

	for (int e = 0; e < in->n_evs; e++) {
		const struct plan_ev *x = &in->ev[e];
		double kw = p->ev_kw[e][t];
		bool inside = t >= x->arrive_slot && t < x->depart_slot;

		cars += kw;
		excess(c, inside ? kw - x->max_kw : fabs(kw), "car above its maximum or outside its window", e, t);
		excess(c, kw == 0 ? 0 : x->min_kw - kw, "car below its minimum", e, t);
	}
	for (int b = 0; b < in->n_batteries; b++) {
		double kw = p->battery_kw[b][t];

		excess(c, kw - in->battery[b].charge_max_kw[t], "charge", b, t);
		excess(c, -kw - in->battery[b].discharge_max_kw[t], "discharge", b, t);
		charge += kw > 0 ? kw : 0;
		discharge += kw < 0 ? -kw : 0;
	}
	excess(c, fmin(charge, discharge), "one battery charges another", 0, t);
	excess(c, -curtail, "curtailment below zero", 0, t);
	excess(c, curtail - in->curtail_max_kw[t], "curtailment", 0, t);
	grid = in->load_kw[t] + charge - discharge + cars - in->pv_kw[t] + curtail;
	excess(c, grid - in->import_max_kw[t], "import", 0, t);
	excess(c, -grid - in->export_max_kw[t], "export", 0, t);
	for (int b = 0; b < in->n_batteries; b++) {
		double kw = p->battery_kw[b][t];

		if (kw > 1e-7 && !in->battery[b].grid_charge)
			excess(c, grid, "charging from the grid", b, t);
		if (kw < -1e-7 && !in->battery[b].battery_export)
			excess(c, -grid, "export from the battery", b, t);
		if (kw < -1e-7 && cars > 0 && !in->battery_to_ev)
			excess(c, cars - grid, "battery into the car", b, t);
	}
	c->cost += grid * in->slot_h[t] * (grid > 0 ? in->import_price[t] : in->export_price[t]);
}

static void check_battery(const struct plan_instance *in, const struct plan *p, int b, struct plan_check *c)
{
	const struct plan_battery *x = &in->battery[b];
	double soc = x->soc_kwh;

	for (int t = 0; t < in->slots; t++) {
		double kw = p->battery_kw[b][t], h = in->slot_h[t], before = soc, missing;

		if (kw > 0)
			soc += kw * h * x->charge_eff;
		else
			soc += kw * h / x->discharge_eff;
		missing = x->floor_kwh[t + 1] - soc;
		excess(c, soc - x->capacity_kwh, "capacity", b, t);
		excess(c, fabs(soc - p->soc_kwh[b][t + 1]), "soc_kwh is not what the powers give", b, t);
		if (isnan(in->floor_price))
			excess(c, missing, "floor", b, t);
		else if (missing > 0)
			excess(c, fmin(missing, before - soc), "discharge below the floor", b, t);
		if (!isnan(in->floor_price) && missing > 0)
			c->cost += missing * h * in->floor_price;
		if (kw < 0)
			c->cost -= kw * h * x->wear_cost;
		if (!isnan(x->fixed_kw[t]) && fabs(kw - x->fixed_kw[t]) > 1e-6 && soc > x->floor_kwh[t + 1] + 1e-4 &&
		    soc < x->capacity_kwh - 1e-4)
			excess(c, fabs(kw - x->fixed_kw[t]), "fixed power", b, t);
	}
	c->cost -= soc * x->terminal_value;
}

struct plan_check plan_check(const struct plan_instance *in, const struct plan *p)
{
	struct plan_check c = { 0 };

	for (int t = 0; t < in->slots; t++)
		check_slot(in, p, t, &c);
	for (int b = 0; b < in->n_batteries; b++)
		check_battery(in, p, b, &c);
	for (int e = 0; e < in->n_evs; e++) {
		double kwh = 0;

		for (int t = 0; t < in->slots; t++)
			kwh += p->ev_kw[e][t] * in->slot_h[t];
		excess(&c, fabs(kwh - in->ev[e].energy_kwh) / 10, "car's energy (a tenth)", e, in->ev[e].depart_slot);
	}
	return c;
}

char *plan_check_read(const char *path, size_t *len)
{
	char full[512], *text = malloc(PLAN_TEXT_MAX + 1);
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", HEARTH_SOURCE_DIR, path);
	f = fopen(full, "rb");
	*len = f && text ? fread(text, 1, PLAN_TEXT_MAX, f) : 0;
	if (f)
		fclose(f);
	if (*len)
		return text;
	free(text);
	return NULL;
}
