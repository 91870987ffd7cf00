/* See home.h. */
#include "support/home.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VOLT 230.0
#define OWN_TIMER_MS 60000 /* a guarded device forgets orders after this silence */

static double clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

double home_random(struct home *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return (double)(h->random >> 11) / 9007199254740992.0;
}

static bool same_order(const struct order *a, const struct order *b)
{
	return a->kind == b->kind && a->w == b->w && a->grid_w == b->grid_w && a->min_w == b->min_w && a->max_w == b->max_w &&
	       a->native == b->native;
}

void home_order(struct home *h, int i, const struct order *order)
{
	struct home_device *d = &h->d[i];

	if (!same_order(order, &d->sent)) {
		d->sent = *order;
		d->changed_ms = h->now_ms;
	}
	if (order->kind == ORDER_NONE || d->offline || d->deaf)
		return;
	d->order_ms = h->now_ms;
	if (d->n_pending && same_order(&d->pending[d->n_pending - 1].order, order))
		return;
	if (!d->n_pending && same_order(&d->order, order))
		return;
	if (d->n_pending == HOME_PENDING)
		memmove(d->pending, d->pending + 1, sizeof(d->pending[0]) * (size_t)--d->n_pending);
	d->pending[d->n_pending].at_ms = h->now_ms + d->delay_ms;
	d->pending[d->n_pending++].order = *order;
}

static void orders_arrive(struct home *h, struct home_device *d)
{
	while (d->n_pending && d->pending[0].at_ms <= h->now_ms) {
		d->order = d->pending[0].order;
		memmove(d->pending, d->pending + 1, sizeof(d->pending[0]) * (size_t)--d->n_pending);
	}
	if (d->kind == HOME_BATTERY && d->guarded && h->now_ms - d->order_ms > OWN_TIMER_MS)
		d->order = (struct order){ .kind = ORDER_RELEASE };
}

static double battery_target(const struct home *h, const struct home_device *d)
{
	double lo = -d->discharge_max_w, hi = d->charge_max_w, target = 0;

	switch (d->order.kind) {
	case ORDER_POWER:
		target = d->order.w;
		break;
	case ORDER_BALANCE:
		if (!d->order.native) {
			target = d->order.w;
			break;
		}
		target = clamp(d->power_w - h->grid_w, d->order.min_w, d->order.max_w);
		break;
	case ORDER_NONE:
	case ORDER_RELEASE:
		target = d->power_w - h->grid_w; /* its own self-use */
		break;
	}
	if (d->soc_pct > 97) /* taper */
		hi *= (100 - d->soc_pct) / 3;
	if (d->soc_pct <= d->soc_min_pct)
		lo = 0;
	return d->fault ? 0 : clamp(target, lo, hi);
}

static double charger_target(const struct home_device *d)
{
	double amps = d->max_a, per_a = VOLT * d->phases;

	if (d->order.kind == ORDER_POWER)
		amps = floor(d->order.w / per_a * 10 + 1e-6) / 10;
	else if (d->order.kind == ORDER_RELEASE)
		amps = 6; /* its failsafe current */
	if (!d->connected || d->fault || d->car_wh <= 0 || amps < 6)
		return 0;
	return per_a * fmin(amps, fmin(d->car_max_a, d->max_a));
}

static void device_move(struct home *h, struct home_device *d)
{
	double target = d->kind == HOME_BATTERY ? battery_target(h, d) : charger_target(d);
	double hours = HOME_STEP_MS / 3.6e6, share = (double)HOME_STEP_MS / d->tau_ms;

	d->power_w += (target - d->power_w) * (share < 1 ? share : 1);
	if (d->kind == HOME_CHARGER) {
		d->car_wh -= d->power_w * hours;
		d->taken_wh += d->power_w * hours;
		return;
	}
	if (d->power_w > 0) {
		d->soc_pct += d->power_w * d->charge_eff * hours / d->capacity_wh * 100;
		d->taken_wh += d->power_w * hours;
	} else {
		d->soc_pct += d->power_w / d->discharge_eff * hours / d->capacity_wh * 100;
		d->delivered_wh -= d->power_w * hours;
	}
	d->soc_pct = clamp(d->soc_pct, 0, 100);
}

static void grid_sum(struct home *h)
{
	double noise = h->noise_w * (home_random(h) - 0.5) * 2;

	h->grid_w = 0;
	for (int p = 0; p < 3; p++)
		h->phase_w[p] = h->split[p] * (h->load_w + noise - h->pv_w);
	for (int i = 0; i < h->n; i++)
		for (int p = 0; p < 3; p++)
			h->phase_w[p] += h->d[i].phases == 3 ? h->d[i].power_w / 3 : h->d[i].phase == p + 1 ? h->d[i].power_w : 0;
	for (int p = 0; p < 3; p++)
		h->grid_w += h->phase_w[p];
}

static void meter_read(struct home *h)
{
	uint32_t back = (uint32_t)(h->meter_delay_ms / HOME_STEP_MS), at;

	if (h->meter_lost || h->grid_lost || h->now_ms - h->metered_ms < h->meter_period_ms)
		return;
	if (back > h->steps)
		back = h->steps;
	at = (h->steps - back) % HOME_HISTORY;
	h->metered_ms = h->now_ms;
	value_set(&h->grid, h->history[at][3], h->now_ms, Q_GOOD);
	for (int p = 0; p < 3 && h->meter_phases; p++)
		value_set(&h->phase[p], h->history[at][p], h->now_ms, Q_GOOD);
	h->sample++;
}

static void device_poll(const struct home *h, struct home_device *d)
{
	struct value *f = d->state.f;

	d->state.availability = d->offline ? AVAIL_OFFLINE : AVAIL_ONLINE;
	if (d->offline || h->now_ms - d->polled_ms < d->poll_ms)
		return;
	d->polled_ms = h->now_ms;
	value_set(&d->state.ac_power_w, d->power_w, h->now_ms, Q_GOOD);
	if (d->kind == HOME_BATTERY) {
		value_set(&f[F_BATTERY_POWER_AC_W], d->power_w, h->now_ms, Q_GOOD);
		value_set(&f[F_BATTERY_STATE], d->fault ? BATTERY_FAULT : BATTERY_IDLE, h->now_ms, Q_GOOD);
		if (!d->soc_lost)
			value_set(&f[F_BATTERY_SOC_PCT], round(d->soc_pct / d->soc_step_pct) * d->soc_step_pct, h->now_ms, Q_GOOD);
		return;
	}
	value_set(&f[F_CHARGER_POWER_W], d->power_w, h->now_ms, Q_GOOD);
	value_set(&f[F_CHARGER_CONNECTED], d->connected, h->now_ms, Q_GOOD);
	value_set(&f[F_CHARGER_PHASES], d->phases, h->now_ms, Q_GOOD);
	value_set(&f[F_CHARGER_STATE], d->fault ? CHARGER_E : !d->connected ? CHARGER_A : d->power_w > 100 ? CHARGER_C : CHARGER_B, h->now_ms,
		  Q_GOOD);
}

void home_run(struct home *h, int ms)
{
	for (; ms > 0; ms -= HOME_STEP_MS) {
		double *now;

		h->now_ms += HOME_STEP_MS;
		h->utc_ms += HOME_STEP_MS;
		for (int i = 0; i < h->n; i++) {
			orders_arrive(h, &h->d[i]);
			device_move(h, &h->d[i]);
		}
		grid_sum(h);
		h->steps++;
		now = h->history[h->steps % HOME_HISTORY];
		memcpy(now, h->phase_w, sizeof(h->phase_w));
		now[3] = h->grid_w;
		meter_read(h);
		for (int i = 0; i < h->n; i++)
			device_poll(h, &h->d[i]);
	}
}

static void fill_int(int *v, int standard)
{
	if (*v <= 0)
		*v = standard;
}

static void fill(double *v, double standard)
{
	if (!(*v > 0))
		*v = standard;
}

static void device_start(struct home_device *d)
{
	struct device_caps *caps = &d->state.caps;

	fill_int(&d->delay_ms, 300);
	fill_int(&d->tau_ms, 300);
	fill_int(&d->poll_ms, 1000);
	fill_int(&d->settle_ms, d->delay_ms + 3 * d->tau_ms + d->poll_ms / 2);
	fill_int(&d->phases, 1);
	fill_int(&d->phase, 1);
	caps->settle_ms = d->settle_ms;
	if (d->kind == HOME_CHARGER) {
		fill(&d->max_a, 16);
		fill(&d->car_max_a, 16);
		d->state.kinds = KIND_CHARGER;
		caps->can_power = true;
		caps->charge_max_w = VOLT * d->phases * d->max_a;
		caps->min_w = VOLT * d->phases * 6;
		caps->guarded_by = GUARDED_DEVICE;
		return;
	}
	fill(&d->capacity_wh, 10000);
	fill(&d->charge_max_w, 5000);
	fill(&d->discharge_max_w, 5000);
	fill(&d->charge_eff, 0.95);
	fill(&d->discharge_eff, 0.95);
	fill(&d->soc_step_pct, 0.1);
	d->state.kinds = KIND_BATTERY;
	caps->can_power = d->can_power;
	caps->can_hold = true;
	caps->native_balance = d->native;
	caps->charge_max_w = d->charge_max_w;
	caps->discharge_max_w = d->discharge_max_w;
	caps->guarded_by = d->guarded ? GUARDED_DEVICE : GUARDED_NONE;
}

void home_start(struct home *h)
{
	fill_int(&h->meter_period_ms, 1000);
	if (h->random == 0)
		h->random = 88172645463325252u;
	if (h->split[0] + h->split[1] + h->split[2] < 0.99)
		h->split[0] = 1;
	if (h->now_ms == 0)
		h->now_ms = 100000;
	for (int i = 0; i < h->n; i++) {
		device_start(&h->d[i]);
		h->d[i].polled_ms = h->now_ms - h->d[i].poll_ms;
		h->d[i].order_ms = h->now_ms;
		h->d[i].order.kind = ORDER_RELEASE;
	}
	h->metered_ms = h->now_ms - h->meter_period_ms;
	home_run(h, 2000);
}

static void device_show(const struct home_device *d, int i, struct snap_device *out)
{
	struct command_view command = out->command;
	struct override_view override = out->override;
	struct plan_guide guide = out->guide;
	enum ev_mode ev_mode = out->ev_mode;
	double ev_energy_wh = out->ev_energy_wh;
	int64_t ready_by = out->ev_ready_by_utc_ms;

	memset(out, 0, sizeof(*out));
	snprintf(out->id, sizeof(out->id), "%s%d", d->kind == HOME_BATTERY ? "battery" : "charger", i);
	out->roles = d->kind == HOME_BATTERY ? ROLE_BATTERY : ROLE_CHARGER;
	out->state = d->state;
	out->capacity_wh = d->kind == HOME_BATTERY ? d->capacity_wh : NAN;
	out->charge_max_w = out->discharge_max_w = out->soc_max_pct = NAN;
	out->soc_min_pct = d->soc_min_pct;
	out->failsafe_a = 6;
	out->phases = d->phases;
	out->phase = d->phase_told && d->phases == 1 ? d->phase : 0;
	out->priority = d->priority;
	out->allow_unguarded = d->allow_unguarded;
	out->ordered = d->sent;
	out->ordered_at_ms = d->changed_ms;
	out->applied_w = NAN;
	out->command = command;
	out->override = override;
	out->guide = guide;
	out->ev_mode = ev_mode;
	out->ev_energy_wh = ev_energy_wh;
	out->ev_ready_by_utc_ms = ready_by;
}

void home_snapshot(const struct home *h, struct snapshot *s)
{
	struct snap_device *meter = &s->dev[h->n];

	s->now_ms = h->now_ms;
	s->utc_ms = h->utc_ms;
	s->n_devices = h->n + 1;
	s->grid_device = h->n;
	for (int i = 0; i < h->n; i++)
		device_show(&h->d[i], i, &s->dev[i]);
	memset(meter, 0, sizeof(*meter));
	snprintf(meter->id, sizeof(meter->id), "grid");
	meter->roles = ROLE_GRID;
	meter->phases = 3;
	meter->state.availability = AVAIL_ONLINE;
	s->grid_w = h->grid;
	memcpy(s->phase_w, h->phase, sizeof(s->phase_w));
	memset(s->phase_a, 0, sizeof(s->phase_a));
	s->grid_sample = h->sample;
	s->grid_lost = h->grid_lost;
	s->grid_back_ms = h->grid_back_ms;
}
