/* See hub.h. Devices: 0 the meter, then batteries, the sun, the charger. The tick follows agent/flow/control/tick.c, replanning
 * agent/flow/round.c. */
#include "simulate/hub_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METER_RIPPLE_W 8 /* a meter that stands at exactly 0 for hours is broken: the physics balances better than any inverter does */
#define SETTLE_MS 1700 /* dead time, ramp and half a poll, as the simulated battery has them */

static void device_online(struct snap_device *d, const char *id, uint32_t roles, uint32_t kinds)
{
	snprintf(d->id, sizeof(d->id), "%s", id);
	d->roles = roles;
	d->state.kinds = kinds;
	d->state.availability = AVAIL_ONLINE;
	d->state.caps.settle_ms = SETTLE_MS;
	d->state.caps.guarded_by = GUARDED_DEVICE;
	d->capacity_wh = d->charge_max_w = d->discharge_max_w = d->soc_min_pct = d->soc_max_pct = NAN;
	d->ev_energy_wh = d->applied_w = NAN;
	d->failsafe_a = 6;
}

static void add_battery(struct hub_sim *h, int i)
{
	const struct scenario_battery *b = &h->w->s->battery[i];
	struct snap_device *d = &h->snap.dev[h->snap.n_devices];
	char id[DEVICE_ID_MAX];

	snprintf(id, sizeof(id), i ? "battery%d" : "battery", i + 1);
	device_online(d, id, ROLE_BATTERY, KIND_BATTERY);
	d->state.caps.can_power = d->state.caps.can_hold = true;
	d->state.caps.native_balance = b->native;
	d->state.caps.charge_max_w = b->charge_max_w;
	d->state.caps.discharge_max_w = b->discharge_max_w;
	d->capacity_wh = b->capacity_wh;
	d->soc_min_pct = b->soc_min_pct;
	h->battery[i] = h->snap.n_devices++;
}

static void add_devices(struct hub_sim *h)
{
	const struct scenario *s = h->w->s;
	struct snapshot *snap = &h->snap;

	device_online(&snap->dev[snap->n_devices++], "grid", ROLE_GRID, KIND_METER);
	for (int i = 0; i < s->n_batteries; i++)
		add_battery(h, i);
	h->pv = h->car = -1;
	if (s->pv.peak_w > 0) {
		struct snap_device *d = &snap->dev[h->pv = snap->n_devices++];

		device_online(d, "pv", ROLE_PV, KIND_PV);
		d->state.caps.can_curtail = s->pv.curtail;
		d->state.caps.discharge_max_w = s->pv.peak_w;
	}
	if (s->car.days || h->w->t->n_sessions) {
		struct snap_device *d = &snap->dev[h->car = snap->n_devices++];

		device_online(d, "charger", ROLE_CHARGER, KIND_CHARGER);
		d->state.caps.can_power = true;
		d->state.caps.charge_max_w = world_car_max_w(s);
		d->state.caps.min_w = CAR_MIN_A * CAR_VOLT * s->car.phases;
		d->phases = s->car.phases;
	}
}

static void configure(struct hub_sim *h)
{
	const struct scenario *s = h->w->s;
	struct config *c = &h->config;

	c->site.latitude = s->latitude;
	c->site.longitude = s->longitude;
	c->plan.horizon_h = s->plan.horizon_h;
	c->plan.slot_s = s->plan.slot_s;
	c->plan.wear_cost = s->plan.wear_cost;
	c->plan.battery_to_ev = s->site.battery_to_ev;
	c->n_devices = h->snap.n_devices;
	for (int i = 0; i < c->n_devices; i++) {
		struct config_device *d = &c->device[i];

		memcpy(d->id, h->snap.dev[i].id, sizeof(d->id));
		d->enabled = true;
		d->peak_w = i == h->pv ? s->pv.peak_w : NAN;
		d->tilt_deg = i == h->pv ? s->pv.tilt_deg : NAN;
		d->azimuth_deg = i == h->pv ? s->pv.azimuth_deg : NAN;
	}
}

static void remember(struct hub_sim *h, const struct truth_session *x, double wh)
{
	habit_add(&h->habit, &(struct habit_session){ x->from_utc_ms, x->to_utc_ms, wh });
}

struct hub_sim *hub_sim_make(struct world *w, const struct hub_sim_options *o, struct simulate_result *result)
{
	struct hub_sim *h = calloc(1, sizeof(*h));
	const struct scenario *s = w->s;

	if (!h)
		return NULL;
	h->w = w;
	h->o = *o;
	h->result = result;
	h->ripple = chance_make(s->seed, CHANCE_METER);
	h->snap.clock_trusted = true;
	h->snap.external.import_w = h->snap.external.export_w = NAN;
	h->snap.site = (struct site_params){ .import_limit_w = s->site.import_limit_w, .export_limit_w = s->site.export_limit_w,
					     .reserve_pct = s->site.reserve_pct, .grid_charging = s->site.grid_charging,
					     .battery_export = s->site.battery_export, .battery_to_ev = s->site.battery_to_ev,
					     .surplus_battery_first = true, .tick_ms = (int)(s->tick_s * 1e3) };
	h->parked = -1;
	for (int i = 0; i < w->t->n_before; i++)
		remember(h, &w->t->before[i], w->t->before[i].wh);
	add_devices(h);
	configure(h);
	chain_init(&h->chain);
	hub_plan_begin(h);
	return h;
}

void hub_sim_free(struct hub_sim *h)
{
	if (!h)
		return;
	hub_plan_end(h);
	free(h);
}

/* ---- what the devices say ---- */

static void read_battery(struct hub_sim *h, int i)
{
	const struct storage *b = world_battery(h->w, i);
	struct snap_device *d = &h->snap.dev[h->battery[i]];
	const int64_t now = h->snap.now_ms;

	value_set(&d->state.ac_power_w, b->power_w, now, Q_GOOD);
	value_set(&d->state.f[F_BATTERY_POWER_AC_W], b->power_w, now, Q_GOOD);
	value_set(&d->state.f[F_BATTERY_SOC_PCT], round(storage_soc_pct(b) / WORLD_SOC_STEP_PCT) * WORLD_SOC_STEP_PCT, now, Q_GOOD);
	value_set(&d->state.f[F_BATTERY_STATE], BATTERY_IDLE, now, Q_GOOD);
}

/* What the owner would have told with ev.set, to the minute and the Wh; or what agent/flow/control/habits.c makes of the sessions that
 * are over. */
static void read_wish(struct hub_sim *h, struct snap_device *d)
{
	const struct world *w = h->w;
	const struct truth_session *x = w->session >= 0 ? &w->t->session[w->session] : NULL;
	struct habit_guess g;

	if (h->parked >= 0 && w->session != h->parked)
		remember(h, &w->t->session[h->parked], h->taken_wh);
	h->taken_wh = w->session == h->parked ? h->taken_wh + w->house.car.power_w * w->s->tick_s / 3600 : 0;
	h->parked = w->session;
	d->ev_energy_wh = NAN;
	d->ev_ready_by_utc_ms = 0;
	if (x && !w->s->car.by_habit) {
		d->ev_energy_wh = w->car_left_wh;
		d->ev_ready_by_utc_ms = x->to_utc_ms;
	} else if (x && habit_guess(&h->habit, h->o.zone, &(struct habit_car){ x->from_utc_ms, w->utc_ms, h->taken_wh }, &g)) {
		d->ev_energy_wh = g.energy_wh;
		d->ev_ready_by_utc_ms = g.ready_by_utc_ms;
	}
}

static void read_car(struct hub_sim *h)
{
	const struct world *w = h->w;
	struct snap_device *d = &h->snap.dev[h->car];
	const struct car *c = &w->house.car;
	const int64_t now = h->snap.now_ms;

	value_set(&d->state.ac_power_w, c->power_w, now, Q_GOOD);
	value_set(&d->state.f[F_CHARGER_POWER_W], c->power_w, now, Q_GOOD);
	value_set(&d->state.f[F_CHARGER_CONNECTED], c->plugged, now, Q_GOOD);
	value_set(&d->state.f[F_CHARGER_PHASES], w->s->car.phases, now, Q_GOOD);
	value_set(&d->state.f[F_CHARGER_STATE], !c->plugged ? CHARGER_A : c->power_w > 100 ? CHARGER_C : CHARGER_B, now, Q_GOOD);
	d->ev_mode = w->s->car.now ? EV_NOW : EV_CHEAP;
	read_wish(h, d);
}

static void read_command(struct hub_sim *h)
{
	const struct truth_event *e = truth_event_at(h->w->t, h->w->utc_ms);

	for (int i = 0; i < h->w->n_batteries; i++) {
		struct command_view *c = &h->snap.dev[h->battery[i]].command;

		memset(c, 0, sizeof(*c));
		if (!e)
			continue;
		*c = (struct command_view){ .active = true, .id = "event", .event_id = "event", .mode = MODE_DISCHARGE, .power_mode = POWER_SETPOINT,
					    .setpoint_w = e->power_w / h->w->n_batteries, .grid_import = TRI_UNSET, .owner_event_pct = NAN,
					    .command_pct = e->floor_pct, .event_pct = NAN, .program_min_pct = NAN,
					    .starts_utc_ms = e->from_utc_ms, .ends_utc_ms = e->to_utc_ms };
	}
}

static void read_devices(struct hub_sim *h)
{
	struct world *w = h->w;
	struct snapshot *s = &h->snap;
	struct value *meter = &s->dev[0].state.f[F_METER_POWER_W];

	s->now_ms = w->utc_ms - w->t->start_utc_ms + 3600000;
	s->utc_ms = w->utc_ms;
	for (int i = 0; i < w->n_batteries; i++)
		read_battery(h, i);
	if (h->pv >= 0) {
		value_set(&s->dev[h->pv].state.ac_power_w, -w->house.pv_w, s->now_ms, Q_GOOD);
		value_set(&s->dev[h->pv].state.f[F_PV_POWER_W], -w->house.pv_w, s->now_ms, Q_GOOD);
		value_set(&s->dev[h->pv].state.f[F_PV_STATE], INVERTER_RUNNING, s->now_ms, Q_GOOD);
	}
	if (h->car >= 0)
		read_car(h);
	value_set(meter, w->house.grid_w + METER_RIPPLE_W * (2 * chance_unit(&h->ripple) - 1), s->now_ms, Q_GOOD);
	value_set(&s->dev[0].state.ac_power_w, meter->v, s->now_ms, Q_GOOD);
	s->grid_device = 0;
	s->grid_w = *meter;
	s->grid_sample++;
	read_command(h);
	hub_plan_prices(h);
}

/* ---- what they are told ---- */

static bool order_same(const struct order *a, const struct order *b)
{
	return a->kind == b->kind && a->w == b->w && a->grid_w == b->grid_w && a->min_w == b->min_w && a->max_w == b->max_w &&
	       a->native == b->native && a->phases == b->phases;
}

static void tell_battery(struct hub_sim *h, int i, const struct order *o)
{
	struct storage *b = world_battery(h->w, i);
	struct storage_order told = storage_auto(&b->o);

	switch (o->kind) {
	case ORDER_POWER:
		told.fixed = true;
		told.power_w = o->w;
		break;
	case ORDER_BALANCE:
		told.fixed = !o->native;
		told.power_w = o->w;
		told.min_w = o->min_w;
		told.max_w = o->max_w;
		break;
	case ORDER_NONE:
	case ORDER_RELEASE:
		break;
	}
	storage_aim(b, &told);
}

static void tell(struct hub_sim *h)
{
	for (int i = 0; i < h->w->n_batteries; i++)
		tell_battery(h, i, &h->decisions.d[h->battery[i]].order);
	if (h->car >= 0) {
		const struct order *o = &h->decisions.d[h->car].order;

		world_car_offer(h->w, o->kind == ORDER_POWER ? o->w : 6 * CAR_VOLT * h->w->s->car.phases);
	}
	if (h->pv >= 0 && h->w->s->pv.curtail) {
		const struct order *o = &h->decisions.d[h->pv].order;

		h->w->house.pv_limit_w = o->kind == ORDER_POWER ? fmax(0, -o->w) : INFINITY;
	}
	for (int i = 0; i < h->decisions.n; i++) {
		struct snap_device *d = &h->snap.dev[i];

		if (!order_same(&h->decisions.d[i].order, &d->ordered))
			d->ordered_at_ms = h->snap.now_ms;
		d->ordered = h->decisions.d[i].order;
	}
}

/* The floor in force, by the design's words and not by the code that keeps it. */
static double floor_pct(const struct hub_sim *h, int i)
{
	const struct truth_event *e = truth_event_at(h->w->t, h->w->utc_ms);

	return fmax(e ? e->floor_pct : h->w->s->site.reserve_pct, h->w->s->battery[i].soc_min_pct);
}

/* The world judges what the batteries do. Orders are judged here: no discharge while the last good SoC is at or below the floor. */
static void judge(struct hub_sim *h)
{
	for (int i = 0; i < h->w->n_batteries; i++) {
		const struct order *o = &h->decisions.d[h->battery[i]].order;
		const double floor = floor_pct(h, i), read_pct = h->snap.dev[h->battery[i]].state.f[F_BATTERY_SOC_PCT].v;
		const double out_w = o->kind == ORDER_BALANCE && o->native ? o->min_w : o->kind == ORDER_NONE || o->kind == ORDER_RELEASE ? 0 : o->w;

		h->w->floor_wh[i] = h->w->s->battery[i].capacity_wh * floor / 100;
		h->w->ordered_below |= out_w < -0.5 && read_pct <= floor;
	}
}

void hub_sim_order(struct hub_sim *h)
{
	read_devices(h);
	hub_plan_observe(h);
	hub_plan_step(h);
	chain_step(&h->chain, &h->snap, &h->decisions);
	judge(h);
	tell(h);
	h->result->ticks++;
	h->result->doubt_ticks += h->decisions.n_doubts > 0;
}
