/* From an interval's sums to the points Flip gets (flip-api 7.7, 9.8): which batteries, and what stands in for what is not
 * known, always marked. */
#include "flow/history/recorder_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct config_device *configured(const struct config *config, const char *id)
{
	for (int i = 0; i < config->n_devices; i++)
		if (!strcmp(config->device[i].id, id))
			return &config->device[i];
	return NULL;
}

int recorder_names(const struct config *config, const struct snapshot *s, struct recorder_name out[DEVICE_MAX])
{
	for (int i = 0; i < s->n_devices; i++) {
		const struct config_device *c = configured(config, s->dev[i].id);

		out[i] = (struct recorder_name){ .capacity_wh = NAN, .soh_pct = NAN };
		snprintf(out[i].id, sizeof(out[i].id), "%s", s->dev[i].id);
		if (!c)
			continue;
		out[i].capacity_wh = c->capacity_wh;
		out[i].soh_pct = c->soh_pct;
		if (strlen(c->flip_device_id) < FLIP_ID_MAX)
			memcpy(out[i].flip_id, c->flip_device_id, strlen(c->flip_device_id) + 1);
	}
	return s->n_devices;
}

static double first_known(double a, double b)
{
	return isnan(a) ? b : a;
}

/* The power at the end, or the mean of what was measured, or 0: Flip takes no null of a device that is there. */
static double power_or_mean(double last_w, double wh, double measured_s)
{
	return !isnan(last_w) ? last_w : measured_s > 0 ? wh * 3600 / measured_s : 0;
}

static void point_of_battery(struct telemetry_point *p, const struct interval_device *d, const struct recorder_name *c)
{
	const double capacity_wh = first_known(c->capacity_wh, d->capacity_wh), soh_pct = first_known(d->soh_pct, c->soh_pct);

	p->charge_w = fmax(d->power.last_w, 0);
	p->discharge_w = fmax(-d->power.last_w, 0);
	p->charge_wh = d->power.in_wh;
	p->discharge_wh = d->power.out_wh;
	p->soc_pct = d->soc_pct;
	p->capacity_wh = first_known(capacity_wh, 0);
	p->stored_wh = d->soc_pct / 100 * p->capacity_wh;
	p->soh_pct = first_known(soh_pct, 100);
	if (isnan(capacity_wh))
		p->assumed |= TELEMETRY_ASSUMED_CAPACITY;
	if (isnan(soh_pct))
		p->assumed |= TELEMETRY_ASSUMED_SOH;
}

static void point_of_site(struct telemetry_point *p, const struct interval_device *d, const struct interval_report *r)
{
	p->grid_online = d->grid_online >= 0 ? d->grid_online > 0 : !r->grid_lost;
	if (d->grid_online < 0 && !r->grid_lost)
		p->assumed |= TELEMETRY_ASSUMED_GRID;
	p->home_wh = r->home.in_wh;
	p->home_w = power_or_mean(r->home.last_w, r->home.in_wh, r->home.measured_s);
	p->solar_wh = r->solar.in_wh;
	p->solar_w = power_or_mean(r->solar.last_w, r->solar.in_wh, r->solar.measured_s);
	if (isnan(r->home.last_w))
		p->assumed |= TELEMETRY_ASSUMED_HOME;
	if (isnan(r->solar.last_w))
		p->assumed |= TELEMETRY_ASSUMED_SOLAR;
}

int recorder_points(const struct recorder_name *name, const struct interval_report *r, const struct recorder_view *view,
		    struct telemetry_point *out)
{
	int n = 0;

	for (int i = 0; i < r->n; i++) {
		const struct interval_device *d = &r->device[i];
		struct telemetry_point *p = &out[n];

		if (!(d->roles & ROLE_BATTERY) || !name[i].flip_id[0])
			continue;
		*p = (struct telemetry_point){ .start_utc_ms = r->start_utc_ms, .duration_s = r->duration_s, .merged = 1 };
		memcpy(p->device_id, name[i].flip_id, sizeof(p->device_id));
		/* neither its power nor its charge can be made up: without them it says nothing */
		p->online = d->online && !isnan(d->power.last_w) && !isnan(d->soc_pct);
		p->mode = view[i].mode;
		p->reserve_pct = view[i].reserve_pct;
		point_of_battery(p, d, &name[i]);
		point_of_site(p, d, r);
		telemetry_round(p);
		n++;
	}
	return n;
}
