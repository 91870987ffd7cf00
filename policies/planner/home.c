/* See home.h. */
#include "policies/planner/home.h"

#include "policies/floor.h"
#include "policies/view.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define EFFICIENCY 0.95        /* each way; no register tells it */
#define FLOOR_PRICE_SHARE 0.05 /* of the mean price, per kWh short and hour: refills in cheap hours, forces nothing */
#define OTHER_CAR_MS 3600000   /* a car that is not planned is taken to go on so long */
#define SECOND_MS 1000

void home_measure(const struct snapshot *s, double *load_w, double *pv_w)
{
	double grid_w, sum = 0, sun = 0, w;

	*load_w = *pv_w = NAN;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		const struct value *pv = &d->state.f[F_PV_POWER_W];

		if (i == s->grid_device || (d->roles & (ROLE_GRID | ROLE_LOAD)) || d->state.availability == AVAIL_UNKNOWN)
			continue;
		if (!view_recent(&d->state.ac_power_w, s->now_ms, READING_LOST_MS, &w))
			return;
		sum += w;
		if (!(d->roles & ROLE_PV))
			continue;
		if (pv->q == Q_ABSENT && !view_battery(d))
			sun -= w;
		else if (view_recent(pv, s->now_ms, READING_LOST_MS, &w))
			sun -= w;
		else
			return;
	}
	*pv_w = fmax(0, sun);
	if (view_grid(s, &grid_w))
		*load_w = grid_w - sum;
}

/* ---- time ---- */

struct times {
	int n;                          /* slots */
	int64_t at[PLAN_SLOTS_MAX + 1]; /* boundaries */
};

static int64_t next_edge(const struct planning_inputs *in, int64_t at, int64_t best)
{
	for (int i = 0; i < in->snapshot->n_devices && i < DEVICE_MAX; i++) {
		for (int k = 0; k < in->n_events[i] && k < PLANNING_EVENTS_MAX; k++) {
			const struct planning_event *e = &in->event[i][k];

			if (e->from_utc_ms >= at + SECOND_MS && e->from_utc_ms < best)
				best = e->from_utc_ms;
			if (e->to_utc_ms >= at + SECOND_MS && e->to_utc_ms < best)
				best = e->to_utc_ms;
		}
	}
	return best;
}

static void make_times(const struct planning_inputs *in, const struct config_plan *c, struct times *t)
{
	int64_t slot_ms = (int64_t)(c->slot_s > 0 ? c->slot_s : 300) * 1000, at = in->utc_ms / SECOND_MS * SECOND_MS;
	int64_t end = at + (int64_t)(c->horizon_h > 0 ? c->horizon_h : 48) * 3600000;

	t->n = 0;
	t->at[0] = at;
	while (t->n < PLAN_SLOTS_MAX && at < end) {
		int64_t next = (at / slot_ms + 1) * slot_ms, until = INT64_MAX;

		if (isnan(price_at(in->import_prices, at, &until)))
			return;
		if (until - at >= SECOND_MS && until < next)
			next = until;
		if (in->export_prices && !isnan(price_at(in->export_prices, at, &until)) && until - at >= SECOND_MS &&
		    until < next)
			next = until;
		next = next_edge(in, at, next);
		at = next - at < SECOND_MS ? next + slot_ms : next;
		t->at[++t->n] = at;
	}
}

static int slot_of(const struct times *t, int64_t utc_ms)
{
	int i = 0;

	while (i < t->n && t->at[i + 1] <= utc_ms)
		i++;
	return i;
}

/* ---- the site ---- */

static double limit_kw(double site_w, double external_w)
{
	double w = site_w > 0 ? site_w : PLAN_NO_LIMIT_KW * 1e3;

	return (isfinite(external_w) && external_w >= 0 ? fmin(w, external_w) : w) / 1e3;
}

/* What the grid may give and take at @utc_ms: the site's own limits, the demand target, and the limits from outside until they end. */
static void grid_limits(const struct snapshot *s, int64_t utc_ms, double *import_kw, double *export_kw)
{
	const bool ended = s->external.until_utc_ms && utc_ms >= s->external.until_utc_ms;
	double import_w = s->site.import_limit_w;

	if (s->site.demand_target_w > 0)
		import_w = import_w > 0 ? fmin(import_w, s->site.demand_target_w) : s->site.demand_target_w;
	*import_kw = limit_kw(import_w, ended ? NAN : s->external.import_w);
	*export_kw = limit_kw(s->site.export_limit_w, ended ? NAN : s->external.export_w);
}

/* A car that charges but is not planned: it draws what it draws for a while. */
static double other_cars_w(const struct snapshot *s, const struct home_map *map, int n_evs)
{
	double sum = 0, w;

	for (int i = 0; i < s->n_devices; i++) {
		bool planned = false;

		for (int e = 0; e < n_evs; e++)
			planned |= map->ev_device[e] == i;
		if (!planned && view_charger(&s->dev[i]) && view_power(s, i, &w, NULL) && w > 0)
			sum += w;
	}
	return sum;
}

static struct forecast_site sun_of(const struct config *c)
{
	struct forecast_site site = { c->site.latitude, c->site.longitude, 0 };

	for (int i = 0; i < c->n_devices; i++)
		if (c->device[i].enabled && c->device[i].peak_w > 0)
			site.peak_w += c->device[i].peak_w;
	return site;
}

static void fill_site(const struct planning_inputs *in, const struct home *h, struct plan_instance *out,
		      const struct times *t)
{
	const struct forecast *f = h->forecast;
	const struct zone *z = h->zone;
	const struct snapshot *s = in->snapshot;
	struct forecast_site sun = sun_of(h->config);
	double mean = 0, hours = 0;

	out->start_utc_ms = t->at[0];
	out->battery_to_ev = s->site.battery_to_ev;
	for (int i = 0; i < t->n; i++) {
		int64_t middle = (t->at[i] + t->at[i + 1]) / 2;
		double load = forecast_load_w(f, z, in->utc_ms, middle) / 1e3;
		double price = in->export_prices ? price_at(in->export_prices, t->at[i], NULL) : NAN;

		out->slot_h[i] = (double)(t->at[i + 1] - t->at[i]) / 3.6e6;
		out->import_price[i] = price_at(in->import_prices, t->at[i], NULL);
		out->export_price[i] = isnan(price) ? 0 : price;
		out->pv_kw[i] = forecast_pv_w(f, z, &sun, in->utc_ms, middle) / 1e3 + fmax(0, -load);
		out->load_kw[i] = fmax(0, load);
		grid_limits(s, t->at[i], &out->import_max_kw[i], &out->export_max_kw[i]);
		mean += fabs(out->import_price[i]) * out->slot_h[i];
		hours += out->slot_h[i];
	}
	out->floor_price = FLOOR_PRICE_SHARE * mean / hours;
}

/* ---- devices ---- */

static bool plan_battery_usable(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double soc_pct;

	return view_battery(d) && view_steerable(d) && view_soc(s, i, &soc_pct) && !isnan(view_capacity_wh(d)) &&
	       view_charge_max(d) + view_discharge_max(d) > 0;
}

static bool plan_ev_usable(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];

	return view_charger(d) && view_steerable(d) && d->ev_mode == EV_CHEAP && view_car_connected(d) &&
	       isfinite(d->ev_energy_wh) && d->ev_energy_wh > 0 && view_charge_max(d) >= view_min_w(d) &&
	       view_charge_max(d) > 0;
}

static const struct planning_event *event_at(const struct planning_inputs *in, int device, int64_t utc_ms)
{
	for (int k = 0; k < in->n_events[device] && k < PLANNING_EVENTS_MAX; k++)
		if (utc_ms >= in->event[device][k].from_utc_ms && utc_ms < in->event[device][k].to_utc_ms)
			return &in->event[device][k];
	return NULL;
}

/* House, sun and the orders of the batteries before @n in slot @i, kW. */
static double net_before(const struct plan_instance *out, int n, int i)
{
	double net = out->load_kw[i] - out->pv_kw[i];

	for (int b = 0; b < n; b++)
		net += isnan(out->battery[b].fixed_kw[i]) ? 0 : out->battery[b].fixed_kw[i];
	return net;
}

/* What the battery can do and the grid, as forecast, lets through; the rest of an order could not be kept anyway. The
 * guard cuts an order to a battery that is @bound to surplus and load. */
static double order_kw(const struct plan_instance *out, int n, int i, double w, bool bound)
{
	const struct plan_battery *b = &out->battery[n];
	double net = net_before(out, n, i), kw = w / 1e3;

	kw = fmin(fmax(kw, -b->discharge_max_kw[i]), b->charge_max_kw[i]);
	if (kw > 0)
		return fmin(kw, fmax(0, (bound ? 0 : out->import_max_kw[i]) - net));
	return fmax(kw, fmin(0, -(bound ? 0 : out->export_max_kw[i]) - net));
}

static void fill_battery(const struct planning_inputs *in, const struct config *c, const struct times *t, int device,
			 struct plan_instance *out, int n)
{
	const struct snap_device *d = &in->snapshot->dev[device];
	struct plan_battery *b = &out->battery[n];
	bool guarded = d->state.caps.guarded_by != GUARDED_NONE || d->allow_unguarded;
	bool bound = !guarded || !d->state.caps.can_power;
	double full_kwh = view_capacity_wh(d) / 1e3, least_pct = floor_hardware_pct(d), soc_pct = 0;

	view_soc(in->snapshot, device, &soc_pct); /* known, else there would be no battery in the plan */
	memcpy(b->id, d->id, sizeof(b->id));
	b->capacity_kwh =
		full_kwh * (isfinite(d->soc_max_pct) && d->soc_max_pct > 0 ? fmin(d->soc_max_pct, 100) : 100) / 100;
	b->soc_kwh = fmin(full_kwh * soc_pct / 100, b->capacity_kwh);
	b->charge_eff = b->discharge_eff = EFFICIENCY;
	b->wear_cost = c->plan.wear_cost;
	b->terminal_value = home_terminal_value(out, b->discharge_eff);
	b->grid_charge = in->snapshot->site.grid_charging && !bound;
	b->battery_export = in->snapshot->site.battery_export && !bound;
	b->orders_free = !bound; /* the site's switches are about what the plan chooses */
	for (int i = 0; i < t->n; i++) {
		const struct planning_event *e = event_at(in, device, t->at[i]);
		double floor_pct = e && !isnan(e->floor_pct) ? e->floor_pct : in->snapshot->site.reserve_pct;

		b->charge_max_kw[i] = view_charge_max(d) / 1e3;
		b->discharge_max_kw[i] = view_discharge_max(d) / 1e3;
		b->floor_kwh[i + 1] = fmin(full_kwh * fmax(floor_pct, least_pct) / 100, b->capacity_kwh);
		if (e && !isnan(e->power_w))
			b->fixed_kw[i] = order_kw(out, n, i, e->power_w, bound);
	}
	b->floor_kwh[0] = b->floor_kwh[1];
}

/* The car leaves at the first slot that ends by ready_by; without a time, or with one in the past, it is wanted soon. */
static void fill_ev(const struct planning_inputs *in, int device, const struct times *t, struct plan_instance *out, int n)
{
	const struct snap_device *d = &in->snapshot->dev[device];
	struct plan_ev *e = &out->ev[n];
	double kwh = 0;

	memcpy(e->id, d->id, sizeof(e->id));
	e->energy_kwh = d->ev_energy_wh / 1e3;
	e->min_kw = view_min_w(d) / 1e3;
	e->max_kw = view_charge_max(d) / 1e3;
	e->arrive_slot = 0;
	if (d->ev_ready_by_utc_ms > in->utc_ms) {
		e->depart_slot = slot_of(t, d->ev_ready_by_utc_ms);
	} else if (d->ev_ready_by_utc_ms > 0) {
		while (e->depart_slot < t->n && kwh < e->energy_kwh * 1.1)
			kwh += e->max_kw * out->slot_h[e->depart_slot++];
	} else {
		e->depart_slot = t->n;
	}
	e->depart_slot = e->depart_slot < 1 ? 1 : e->depart_slot;
}

double home_terminal_value(const struct plan_instance *in, double discharge_eff)
{
	double hours = 0, low, sum = 0, taken = 0, before = -INFINITY;

	for (int t = 0; t < in->slots; t++)
		hours += in->slot_h[t];
	while (taken < hours / 2) { /* next price level upward; few levels, so no sorting */
		double at_level = 0;

		low = INFINITY;
		for (int t = 0; t < in->slots; t++) {
			if (in->import_price[t] <= before)
				continue;
			if (in->import_price[t] < low) {
				low = in->import_price[t];
				at_level = 0;
			}
			at_level += in->import_price[t] <= low ? in->slot_h[t] : 0;
		}
		if (isinf(low))
			break;
		at_level = fmin(at_level, hours / 2 - taken);
		sum += low * at_level;
		taken += at_level;
		before = low;
	}
	return taken > 0 ? fmax(0, discharge_eff * sum / taken) : 0;
}

int home_instance(const struct planning_inputs *in, const struct home *home, struct plan_instance *out, struct home_map *map,
		  struct errbuf *err)
{
	const struct snapshot *s = in->snapshot;
	struct times t;
	double cars_w;
	int n_batteries = 0, n_evs = 0, rc;

	memset(out, 0, sizeof(*out));
	if (!in->import_prices || in->import_prices->n == 0)
		return errbuf_set(err, -ENODATA, "no prices");
	for (int i = 0; i < s->n_devices; i++) {
		if (n_batteries < PLAN_BATTERIES_MAX && plan_battery_usable(s, i))
			map->battery_device[n_batteries++] = i;
		if (n_evs < PLAN_EVS_MAX && plan_ev_usable(s, i))
			map->ev_device[n_evs++] = i;
	}
	if (n_batteries + n_evs == 0)
		return errbuf_set(err, -ENODATA,
				  "nothing to plan for: no battery with a known state of charge, no car in cheap mode");
	make_times(in, &home->config->plan, &t);
	if (t.n == 0)
		return errbuf_set(err, -ENODATA, "no prices from now on");
	rc = instance_alloc(out, t.n, n_batteries, n_evs);
	if (rc)
		return errbuf_set(err, rc, "no memory for a plan of %d slots", t.n);
	fill_site(in, home, out, &t);
	cars_w = other_cars_w(s, map, n_evs);
	for (int i = 0; i < t.n && t.at[i] < in->utc_ms + OTHER_CAR_MS; i++)
		out->load_kw[i] += cars_w / 1e3; /* before the orders, which are cut to what the grid has left */
	for (int b = 0; b < n_batteries; b++)
		fill_battery(in, home->config, &t, map->battery_device[b], out, b);
	for (int e = 0; e < n_evs; e++)
		fill_ev(in, map->ev_device[e], &t, out, e);
	return 0;
}
