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
#define HOUR_MS 3600000LL
#define DAY_MS (24 * HOUR_MS)
#define FAR_MS DAY_MS           /* from then on slots are coarser: the forecasts know no more */
#define FAR_SLOT_MS 900000
#define GUESS_SLOT_MS 1800000   /* where prices are guessed */
#define GUESS_DAYS 7
#define EVENT_MARGIN 1.05 /* of a price; below 1 / EFFICIENCY^2 */
#define EVENT_MIN 0.01
#define AT_BOUND 0.95 /* a sun that gives that much of what it may would give more */

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

bool home_curtailed(const struct snapshot *s)
{
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		double w;

		if (view_pv(d) && d->ordered.kind == ORDER_POWER && view_power(s, i, &w, NULL) && w <= AT_BOUND * d->ordered.w + 1)
			return true;
	}
	return false;
}

/* ---- prices ---- */

/* The price of the same local time on the latest day before @utc_ms that is known. */
static double price_guess(const struct price_series *p, const struct zone *z, int64_t utc_ms, int64_t *until_utc_ms)
{
	for (int day = 1; day <= GUESS_DAYS; day++) {
		int64_t then = utc_ms - day * DAY_MS, end, change = calendar_next_change(z, utc_ms);
		double price;

		then += 1000 * (int64_t)(calendar_offset_s(z, utc_ms) - calendar_offset_s(z, then));
		price = price_at(p, then, &end);
		if (isnan(price))
			continue;
		end = utc_ms + (end - then);
		*until_utc_ms = end < change ? end : change;
		return price;
	}
	return NAN;
}

/* Known or else guessed; *known says which. NAN: neither. */
static double price_then(const struct price_series *p, const struct zone *z, int64_t utc_ms, int64_t *until_utc_ms, bool *known)
{
	double price = p ? price_at(p, utc_ms, until_utc_ms) : (double)NAN;

	*known = !isnan(price);
	return *known || !p ? price : price_guess(p, z, utc_ms, until_utc_ms);
}

/* ---- time ---- */

struct times {
	int n;                          /* slots */
	int64_t at[PLAN_SLOTS_MAX + 1]; /* boundaries */
	int64_t known_until_utc_ms;     /* import prices are guessed from here on */
};

static int64_t nearer(int64_t edge, int64_t at, int64_t best)
{
	return edge >= at + SECOND_MS && edge < best ? edge : best;
}

/* Where something else begins: an event, its end, the end of a limit from outside. */
static int64_t next_edge(const struct planning_inputs *in, int64_t at, int64_t best)
{
	best = nearer(in->snapshot->external.until_utc_ms, at, best);
	for (int i = 0; i < in->snapshot->n_devices && i < DEVICE_MAX; i++) {
		for (int k = 0; k < in->n_events[i] && k < PLANNING_EVENTS_MAX; k++) {
			best = nearer(in->event[i][k].from_utc_ms, at, best);
			best = nearer(in->event[i][k].to_utc_ms, at, best);
		}
	}
	return best;
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Up to the horizon, but not further than a day beyond the last known import price. */
static void make_times(const struct planning_inputs *in, const struct home *h, struct times *t)
{
	const struct config_plan *c = &h->config->plan;
	const int64_t slot_ms = (int64_t)(c->slot_s > 0 ? c->slot_s : 300) * 1000, start = in->utc_ms / SECOND_MS * SECOND_MS;
	int64_t at = start, end = at + (int64_t)(c->horizon_h > 0 ? c->horizon_h : 48) * HOUR_MS;

	t->n = 0;
	t->at[0] = t->known_until_utc_ms = at;
	while (t->n < PLAN_SLOTS_MAX && at < end) {
		int64_t length = at < start + FAR_MS ? slot_ms : longer(slot_ms, FAR_SLOT_MS), next, until = INT64_MAX;
		bool known, export_known;

		if (isnan(price_then(in->import_prices, h->zone, at, &until, &known)) || (at == start && !known))
			return;
		if (!known)
			length = longer(slot_ms, GUESS_SLOT_MS);
		next = nearer(until, at, (at / length + 1) * length);
		if (!isnan(price_then(in->export_prices, h->zone, at, &until, &export_known)))
			next = nearer(until, at, next);
		next = next_edge(in, at, next);
		at = next - at < SECOND_MS ? next + length : next;
		t->at[++t->n] = at;
		if (known)
			t->known_until_utc_ms = at;
		else if (at >= t->known_until_utc_ms + DAY_MS)
			return;
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

/* Share of the sun that can be curtailed: by peak power where it is said, else all or nothing. */
static double steerable_sun(const struct snapshot *s, const struct config *c)
{
	double peak_w = 0, steerable_w = 0;
	int n = 0, n_steerable = 0;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		bool steerable = view_pv(d) && view_steerable(d);

		if (!(d->roles & ROLE_PV))
			continue;
		n++;
		n_steerable += steerable;
		for (int k = 0; k < c->n_devices; k++) {
			if (strcmp(c->device[k].id, d->id) || !(c->device[k].peak_w > 0))
				continue;
			peak_w += c->device[k].peak_w;
			steerable_w += steerable ? c->device[k].peak_w : 0;
		}
	}
	if (n_steerable == 0)
		return 0;
	return n_steerable == n ? 1 : peak_w > 0 ? steerable_w / peak_w : 0;
}

static void fill_site(const struct planning_inputs *in, const struct home *h, struct plan_instance *out,
		      const struct times *t)
{
	const struct forecast *f = h->forecast;
	const struct zone *z = h->zone;
	const struct snapshot *s = in->snapshot;
	const double steerable = steerable_sun(s, h->config);
	double mean = 0, hours = 0;

	out->start_utc_ms = t->at[0];
	out->battery_to_ev = s->site.battery_to_ev;
	for (int i = 0; i < t->n; i++) {
		int64_t middle = (t->at[i] + t->at[i + 1]) / 2;
		double load = forecast_load_w(f, z, in->utc_ms, middle) / 1e3;
		int64_t until;
		bool known;
		double price = price_then(in->export_prices, z, t->at[i], &until, &known);

		out->slot_h[i] = (double)(t->at[i + 1] - t->at[i]) / 3.6e6;
		out->import_price[i] = price_then(in->import_prices, z, t->at[i], &until, &known);
		out->export_price[i] = isnan(price) ? 0 : price;
		out->pv_kw[i] = forecast_pv_w(f, in->utc_ms, middle) / 1e3;
		out->curtail_max_kw[i] = steerable * out->pv_kw[i];
		out->pv_kw[i] += fmax(0, -load);
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

bool home_plans(const struct snapshot *s, int device)
{
	return plan_battery_usable(s, device) || plan_ev_usable(s, device);
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

static void fill_battery(const struct planning_inputs *in, const struct home *h, const struct times *t, int device,
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
	b->wear_cost = h->config->plan.wear_cost;
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
	double kwh = 0, slots;

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
	/* what no number of slots between least and most power gives is rounded up: the charger ends it where it was wanted */
	slots = ceil(e->energy_kwh / (e->max_kw * out->slot_h[0]));
	e->energy_kwh = fmax(e->energy_kwh, slots * e->min_kw * out->slot_h[0]);
}

/* Mean of the cheaper half of prices, over time; NAN without any. */
static double cheap_half(const double *price, const double *length, int n)
{
	double all = 0, sum = 0, taken = 0, before = -INFINITY;

	for (int t = 0; t < n; t++)
		all += length[t];
	while (taken < all / 2) { /* next price level upward; few levels, so no sorting */
		double low = INFINITY, at_level = 0;

		for (int t = 0; t < n; t++) {
			if (price[t] <= before)
				continue;
			if (price[t] < low) {
				low = price[t];
				at_level = 0;
			}
			at_level += price[t] <= low ? length[t] : 0;
		}
		if (isinf(low))
			break;
		at_level = fmin(at_level, all / 2 - taken);
		sum += low * at_level;
		taken += at_level;
		before = low;
	}
	return taken > 0 ? sum / taken : (double)NAN;
}

double home_terminal_value(const struct plan_instance *in, double discharge_eff)
{
	double price = cheap_half(in->import_price, in->slot_h, in->slots);

	return isnan(price) ? 0 : fmax(0, discharge_eff * price);
}

/* The same out of the day behind the end, as far as it is known or can be guessed. */
static double value_beyond(const struct planning_inputs *in, const struct home *h, const struct times *t,
			   const struct plan_instance *out, double wear)
{
	double price[48], length[48], mean;
	int n = 0;

	for (int i = 0; i < 48; i++) {
		int64_t until;
		bool known;

		price[n] = price_then(in->import_prices, h->zone, t->at[t->n] + i * HOUR_MS / 2, &until, &known);
		length[n] = 0.5;
		n += !isnan(price[n]);
	}
	mean = n == 48 ? cheap_half(price, length, n) : cheap_half(out->import_price, out->slot_h, out->slots);
	return fmax(0, EFFICIENCY * (mean - wear)); /* it wears when it is used, or a flat tariff would keep it for ever */
}

/* ---- events ---- */

void home_event_worth(struct plan_instance *in, double per_kwh)
{
	for (int t = 0; t < in->slots; t++) {
		bool gives = false;

		for (int b = 0; b < in->n_batteries; b++)
			gives |= in->battery[b].fixed_kw[t] < 0;
		in->import_price[t] += gives ? per_kwh : 0;
		in->export_price[t] += gives ? per_kwh : 0;
	}
}

/* What an event pays is not known here. So much that its energy is neither used up nor sold before, and is bought for it in the cheaper half
 * of the hours; in the dearest it is not: what is given is worth EVENT_MARGIN x the dearest price, of which two ways through the battery
 * take more. */
static double event_worth(const struct plan_instance *in)
{
	double most = 0, wear = 0, least_paid = INFINITY, cheap = cheap_half(in->import_price, in->slot_h, in->slots);

	for (int t = 0; t < in->slots; t++)
		most = fmax(most, fmax(in->import_price[t], in->export_price[t]));
	for (int b = 0; b < in->n_batteries; b++) {
		wear = fmax(wear, in->battery[b].wear_cost);
		for (int t = 0; t < in->slots; t++)
			if (in->battery[b].fixed_kw[t] < 0)
				least_paid = fmin(least_paid, in->export_price[t]);
	}
	if (isinf(least_paid))
		return 0;
	return fmax(EVENT_MIN, EVENT_MARGIN * fmax(most, cheap / (EFFICIENCY * EFFICIENCY)) + wear - least_paid);
}

void home_plan_settle(struct plan_instance *in, const struct home_map *map, struct plan *p)
{
	double money = 0;

	for (int t = 0; map->event_worth > 0 && t < in->slots; t++) {
		double kw = in->load_kw[t] - in->pv_kw[t] + p->curtail_kw[t];
		bool gives = false;

		for (int b = 0; b < in->n_batteries; b++) {
			kw += p->battery_kw[b][t];
			gives |= in->battery[b].fixed_kw[t] < 0;
		}
		for (int e = 0; e < in->n_evs; e++)
			kw += p->ev_kw[e][t];
		money += gives ? map->event_worth * kw * in->slot_h[t] : 0;
	}
	home_event_worth(in, -map->event_worth);
	p->cost -= money;
	p->bound -= money;
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
	make_times(in, home, &t);
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
		fill_battery(in, home, &t, map->battery_device[b], out, b);
	for (int e = 0; e < n_evs; e++)
		fill_ev(in, map->ev_device[e], &t, out, e);
	for (int b = 0; b < n_batteries; b++)
		out->battery[b].terminal_value = value_beyond(in, home, &t, out, out->battery[b].wear_cost);
	map->known_until_utc_ms = t.known_until_utc_ms;
	map->event_worth = event_worth(out);
	home_event_worth(out, map->event_worth);
	return 0;
}
