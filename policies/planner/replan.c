/* See replan.h. */
#include "policies/planner/replan.h"

#include "policies/planner/home.h"
#include "policies/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SETTLED_MS 300000   /* a plan is given so long before it is called wrong */
#define SMOOTH_MS 900000.0  /* a kettle is no reason */
#define GAP_MS 60000        /* more between two looks: nothing is known of the time between */
#define SOC_OFF_PCT 5.0
#define POWER_OFF_W 500.0
#define POWER_OFF_SHARE 0.3

static void see(const struct snapshot *s, struct replan_seen *out)
{
	memset(out, 0, sizeof(*out));
	out->reserve_pct = s->site.reserve_pct;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		out->there[i] = home_plans(s, i);
		if (view_charger(d))
			out->car[i] = (struct replan_car){ view_car_connected(d), d->ev_mode, d->ev_energy_wh, d->ev_ready_by_utc_ms };
	}
}

/* What a car is to get was said anew. That it is less than before is no news: it charges. */
static bool order_differs(const struct replan_car *a, const struct replan_car *b)
{
	return a->mode != b->mode || a->ready_by_utc_ms != b->ready_by_utc_ms || isnan(a->energy_wh) != isnan(b->energy_wh) ||
	       b->energy_wh > a->energy_wh + 1;
}

static bool device_news(const struct snapshot *s, const struct replan_seen *was, const struct replan_seen *is, char why[REPLAN_TEXT_MAX])
{
	for (int i = 0; i < s->n_devices; i++) {
		const struct replan_car *a = &was->car[i], *b = &is->car[i];

		if (a->connected != b->connected)
			snprintf(why, REPLAN_TEXT_MAX, "%s: the car is plugged %s", s->dev[i].id, b->connected ? "in" : "out");
		else if (order_differs(a, b))
			snprintf(why, REPLAN_TEXT_MAX, "%s: the car is to get something else", s->dev[i].id);
		else if (was->there[i] != is->there[i])
			snprintf(why, REPLAN_TEXT_MAX, "%s %s", s->dev[i].id, is->there[i] ? "can be planned for now" : "cannot be planned for now");
		else
			continue;
		return true;
	}
	return false;
}

static bool news(const struct snapshot *s, const struct replan_seen *was, const struct replan_seen *is, char why[REPLAN_TEXT_MAX])
{
	if (device_news(s, was, is, why))
		return true;
	if (fabs(was->reserve_pct - is->reserve_pct) > 0.01) {
		snprintf(why, REPLAN_TEXT_MAX, "the reserve is %.0f %% now", is->reserve_pct);
		return true;
	}
	return false;
}

static bool power_off(const char *what, double off_w, double expected_w, char why[REPLAN_TEXT_MAX])
{
	if (fabs(off_w) <= POWER_OFF_W + POWER_OFF_SHARE * fabs(expected_w))
		return false;
	snprintf(why, REPLAN_TEXT_MAX, "%s has been about %.0f W %s than forecast", what, fabs(off_w), off_w > 0 ? "more" : "less");
	return true;
}

static bool soc_off(const struct snapshot *s, const struct replan_expected *e, char why[REPLAN_TEXT_MAX])
{
	double soc_pct, planned_pct;

	for (int i = 0; i < s->n_devices; i++) {
		planned_pct = e->stored_wh[i] / view_capacity_wh(&s->dev[i]) * 100;
		if (isnan(planned_pct) || !view_soc(s, i, &soc_pct) || fabs(soc_pct - planned_pct) <= SOC_OFF_PCT)
			continue;
		snprintf(why, REPLAN_TEXT_MAX, "%s is at %.0f %%, the plan has it at %.0f %%", s->dev[i].id, soc_pct, planned_pct);
		return true;
	}
	return false;
}

static void smooth(double *off_w, double measured_w, double expected_w, double share)
{
	if (!isnan(measured_w))
		*off_w += (measured_w - expected_w - *off_w) * share;
}

static bool drift(struct replan *r, const struct snapshot *s, double load_w, double pv_w, const struct replan_expected *e,
		  char why[REPLAN_TEXT_MAX])
{
	int64_t ms = s->now_ms - r->seen_ms;

	if (!e->valid)
		return false;
	if (e->made_utc_ms != r->made_utc_ms || ms > GAP_MS) { /* another plan knows better */
		r->made_utc_ms = e->made_utc_ms;
		r->load_off_w = r->pv_off_w = 0;
		return false;
	}
	smooth(&r->load_off_w, load_w, e->load_w, 1 - exp(-(double)ms / SMOOTH_MS));
	smooth(&r->pv_off_w, pv_w, e->pv_w, 1 - exp(-(double)ms / SMOOTH_MS));
	if (s->utc_ms - e->made_utc_ms < SETTLED_MS)
		return false;
	return soc_off(s, e, why) || power_off("the house's load", r->load_off_w, e->load_w, why) ||
	       power_off("the sun", r->pv_off_w, e->pv_w, why);
}

bool replan_look(struct replan *r, const struct snapshot *s, double load_w, double pv_w, const struct replan_expected *e,
		 char why[REPLAN_TEXT_MAX])
{
	struct replan_seen now;
	char drifted[REPLAN_TEXT_MAX] = "";
	bool changed, off = drift(r, s, load_w, pv_w, e, drifted);

	see(s, &now);
	changed = r->begun && news(s, &r->seen, &now, why);
	r->seen = now;
	r->begun = true;
	r->seen_ms = s->now_ms;
	if (!changed && off)
		snprintf(why, REPLAN_TEXT_MAX, "%s", drifted);
	return changed || off;
}

void replan_expect(const struct plan *p, const struct plan_instance *in, const int *device, int64_t utc_ms,
		   struct replan_expected *out)
{
	double from_ms = (double)in->start_utc_ms;

	out->valid = false;
	out->made_utc_ms = in->start_utc_ms;
	for (int i = 0; i < DEVICE_MAX; i++)
		out->stored_wh[i] = NAN;
	for (int t = 0; t < in->slots && utc_ms >= in->start_utc_ms; t++) {
		double to_ms = from_ms + in->slot_h[t] * 3600e3, part = ((double)utc_ms - from_ms) / (to_ms - from_ms);

		if ((double)utc_ms < to_ms) {
			out->valid = true;
			out->load_w = in->load_kw[t] * 1e3;
			out->pv_w = in->pv_kw[t] * 1e3;
			for (int b = 0; b < in->n_batteries; b++)
				out->stored_wh[device[b]] = 1e3 * (p->soc_kwh[b][t] + part * (p->soc_kwh[b][t + 1] - p->soc_kwh[b][t]));
			return;
		}
		from_ms = to_ms;
	}
}
