/* The devices of the simulated home: orders on their way, physics, what a poll shows. See home.h. */
#include "support/home.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VOLT 230.0
#define OWN_TIMER_MS 60000 /* a guarded device forgets orders after this silence */
#define SWITCH_MS 2000     /* the contactors of a charger that changes phases */
#define FLOWING_W 100.0

static double clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static bool same_order(const struct order *a, const struct order *b)
{
	return a->kind == b->kind && a->w == b->w && a->grid_w == b->grid_w && a->min_w == b->min_w && a->max_w == b->max_w &&
	       a->native == b->native && a->phases == b->phases && a->reserve_pct == b->reserve_pct;
}

void home_order(struct home *h, int i, const struct order *order)
{
	struct home_device *d = &h->d[i];
	int last = (d->first_pending + d->n_pending - 1) % HOME_PENDING;

	if (!same_order(order, &d->sent)) {
		d->sent = *order;
		d->changed_ms = h->now_ms;
	}
	if (order->kind == ORDER_NONE || d->offline || d->deaf)
		return;
	d->order_ms = h->now_ms;
	if (same_order(d->n_pending ? &d->pending[last].order : &d->order, order))
		return;
	if (d->n_pending == HOME_PENDING) {
		d->first_pending = (d->first_pending + 1) % HOME_PENDING;
		d->n_pending--;
	}
	last = (d->first_pending + d->n_pending++) % HOME_PENDING;
	d->pending[last].at_ms = h->now_ms + d->delay_ms;
	d->pending[last].order = *order;
}

static void phases_switch(const struct home *h, struct home_device *d)
{
	int phases = d->order.phases;

	if (d->kind != HOME_CHARGER || !d->switches_phases || (phases != 1 && phases != 3) || phases == d->phases)
		return;
	d->switches++;
	d->switched_hot += d->power_w > FLOWING_W;
	d->switched_ms = h->now_ms;
	d->phases = phases;
	d->power_w = 0;
}

static void orders_arrive(const struct home *h, struct home_device *d)
{
	while (d->n_pending && d->pending[d->first_pending].at_ms <= h->now_ms) {
		if (!d->lie.ignore)
			d->order = d->pending[d->first_pending].order;
		d->first_pending = (d->first_pending + 1) % HOME_PENDING;
		d->n_pending--;
		if (d->order.reserve_pct > 0 && d->mirrors_reserve)
			d->own_reserve_pct = (double)d->order.reserve_pct;
		phases_switch(h, d);
	}
	if (d->guarded && h->now_ms - d->order_ms > OWN_TIMER_MS)
		d->order = (struct order){ .kind = ORDER_RELEASE };
}

static double lied(const struct home_device *d, double w)
{
	if (d->lie.gain != 0)
		w *= d->lie.gain;
	if (w != 0)
		w += d->lie.offset_w;
	return d->lie.clamp_w > 0 ? clamp(w, -d->lie.clamp_w, d->lie.clamp_w) : w;
}

static double battery_target(const struct home *h, struct home_device *d)
{
	double lo = -d->discharge_max_w, hi = d->charge_max_w, target = 0;
	bool own = false; /* by its own control, which honours its own reserve */

	switch (d->order.kind) {
	case ORDER_POWER:
		target = lied(d, d->order.w);
		break;
	case ORDER_BALANCE:
		own = d->order.native;
		target = own ? clamp(d->power_w - h->grid_w, d->order.min_w, d->order.max_w) : lied(d, d->order.w);
		break;
	case ORDER_NONE:
	case ORDER_RELEASE:
		own = true;
		target = d->power_w - h->grid_w; /* its own self-use */
		break;
	}
	if (d->soc_pct > 97) /* taper */
		hi *= (100 - d->soc_pct) / 3;
	if (d->soc_pct <= d->soc_min_pct || (own && d->soc_pct <= d->own_reserve_pct))
		lo = 0;
	if (d->hybrid && d->port_max_w > 0) {
		lo = fmin(0, fmax(lo, d->sun_given_w - d->port_max_w));
		hi = fmin(hi, d->sun_given_w + d->port_max_w);
	}
	d->denied_w = target - clamp(target, lo, hi);
	return d->fault ? 0 : clamp(target, lo, hi);
}

static double charger_target(const struct home *h, struct home_device *d)
{
	double amps = d->max_a, per_a = VOLT * d->phases;
	double over = d->car_over > 0 ? d->car_over : 1;

	if (d->order.kind == ORDER_POWER)
		amps = floor(lied(d, d->order.w) / per_a * 10 + 1e-6) / 10;
	else if (d->order.kind == ORDER_RELEASE)
		amps = 6; /* its failsafe current */
	if (!d->connected || d->fault || d->car_wh <= 0 || amps < 6 || (d->switched_ms && h->now_ms - d->switched_ms < SWITCH_MS)) {
		d->may_ms = 0;
		return 0;
	}
	if (d->may_ms == 0)
		d->may_ms = h->now_ms;
	if (h->now_ms - d->may_ms < d->car_start_ms)
		return 0;
	return per_a * fmin(amps * over, fmin(d->car_max_a, d->max_a) * over);
}

static double sun_target(const struct home_device *d)
{
	double most_w = d->order.kind == ORDER_POWER ? -lied(d, d->order.w) : INFINITY;

	return d->fault ? 0 : -clamp(d->sun_w, 0, fmin(d->peak_w, fmax(0, most_w)));
}

static void account(struct home_device *d)
{
	const double hours = HOME_STEP_MS / 3.6e6;

	if (d->kind == HOME_CHARGER)
		d->car_wh -= d->power_w * hours;
	else if (d->kind == HOME_BATTERY)
		d->soc_pct += (d->power_w > 0 ? d->power_w * d->charge_eff : d->power_w / d->discharge_eff) * hours / d->capacity_wh * 100;
	d->soc_pct = clamp(d->soc_pct, 0, 100);
	if (d->power_w > 0)
		d->taken_wh += d->power_w * hours;
	else
		d->delivered_wh -= d->power_w * hours;
}

void home_device_step(struct home *h, struct home_device *d)
{
	double share = (double)HOME_STEP_MS / d->tau_ms, target = 0, before_w = d->power_w;
	size_t now = (h->steps + 1) % HOME_HISTORY;

	orders_arrive(h, d);
	if (d->hybrid)
		d->sun_given_w = d->fault ? 0 : clamp(d->sun_w, 0, d->port_max_w > 0 ? d->port_max_w + fmax(0, d->power_w) : INFINITY);
	if (d->kind == HOME_BATTERY)
		target = battery_target(h, d);
	else if (d->kind == HOME_CHARGER)
		target = charger_target(h, d);
	else
		target = sun_target(d);
	d->sun_own_w += (clamp(d->sun_w, 0, d->peak_w) - d->sun_own_w) * (share < 1 ? share : 1);
	d->power_w += (target - d->power_w) * (share < 1 ? share : 1);
	if (d->kind == HOME_CHARGER && d->car_ramp_a_s > 0)
		d->power_w = fmin(d->power_w, fmax(before_w, 6 * VOLT * d->phases) + d->car_ramp_a_s * VOLT * d->phases * HOME_STEP_MS / 1000);
	account(d);
	d->past[now].power_w = (float)d->power_w;
	d->past[now].soc_pct = (float)d->soc_pct;
	d->past[now].sun_w = (float)d->sun_given_w;
}

double home_port_w(const struct home_device *d)
{
	return d->power_w - d->sun_given_w;
}

static void verdict_show(struct home_device *d)
{
	bool told = d->sent.kind == ORDER_POWER || (d->sent.kind == ORDER_BALANCE && !d->sent.native);

	d->state.released = d->reads_back && d->order.kind == ORDER_RELEASE;
	d->state.verdict = VERDICT_NONE;
	if (!d->reads_back || !told)
		return;
	d->state.verdict_w = lied(d, d->order.w);
	if (d->lie.ignore && !same_order(&d->sent, &d->order))
		d->state.verdict = VERDICT_IGNORED;
	else if (d->n_pending)
		d->state.verdict = VERDICT_PENDING;
	else
		d->state.verdict = fabs(d->state.verdict_w - d->sent.w) > 50 ? VERDICT_CLAMPED : VERDICT_APPLIED;
}

static void charger_poll(const struct home *h, struct home_device *d, double power_w)
{
	struct value *f = d->state.f;
	int state = d->fault ? CHARGER_E : !d->connected ? CHARGER_A : power_w > FLOWING_W ? CHARGER_C : CHARGER_B;

	value_set(&f[F_CHARGER_POWER_W], power_w, h->now_ms, Q_GOOD);
	value_set(&f[F_CHARGER_CONNECTED], d->connected, h->now_ms, Q_GOOD);
	value_set(&f[F_CHARGER_PHASES], d->phases, h->now_ms, Q_GOOD);
	value_set(&f[F_CHARGER_STATE], state, h->now_ms, Q_GOOD);
	d->state.caps.charge_max_w = VOLT * d->phases * d->max_a;
	d->state.caps.min_w = VOLT * d->phases * 6;
}

static void soc_poll(struct home *h, struct home_device *d, double soc_pct)
{
	struct value *v = &d->state.f[F_BATTERY_SOC_PCT];

	if (d->soc_lost)
		return;
	soc_pct += d->lie.soc_offset_pct;
	if (d->lie.soc_jump_pct > 0 && home_random(h) < 0.25)
		soc_pct += d->lie.soc_jump_pct * (2 * home_random(h) - 1);
	soc_pct = clamp(round(soc_pct / d->soc_step_pct) * d->soc_step_pct, 0, 100);
	value_set(v, d->lie.soc_frozen && v->q == Q_GOOD ? v->v : soc_pct, h->now_ms, Q_GOOD);
}

void home_device_poll(struct home *h, struct home_device *d)
{
	struct value *f = d->state.f;
	uint32_t back = (uint32_t)(d->lie.late_ms / HOME_STEP_MS), at;
	double power_w, sun_w;

	d->state.availability = d->offline ? AVAIL_OFFLINE : AVAIL_ONLINE;
	if (d->offline || h->now_ms - d->polled_ms < d->poll_ms)
		return;
	d->polled_ms = h->now_ms;
	if (back > h->steps - 1)
		back = h->steps - 1;
	at = (h->steps - (back < HOME_HISTORY ? back : HOME_HISTORY - 1)) % HOME_HISTORY;
	power_w = back ? (double)d->past[at].power_w : d->power_w;
	sun_w = back ? (double)d->past[at].sun_w : d->sun_given_w;
	value_set(&d->state.ac_power_w, power_w - sun_w, h->now_ms, Q_GOOD);
	verdict_show(d);
	if (d->kind == HOME_CHARGER) {
		charger_poll(h, d, power_w);
		return;
	}
	if (d->kind == HOME_PV || d->hybrid)
		value_set(&f[F_PV_POWER_W], d->kind == HOME_PV ? power_w : -sun_w, h->now_ms, Q_GOOD);
	if (d->kind == HOME_PV) {
		value_set(&f[F_PV_POWER_MAX_W], d->peak_w, h->now_ms, Q_GOOD);
		value_set(&f[F_PV_STATE], d->fault ? INVERTER_FAULT : INVERTER_RUNNING, h->now_ms, Q_GOOD);
		return;
	}
	value_set(&f[F_BATTERY_POWER_AC_W], power_w, h->now_ms, Q_GOOD);
	value_set(&f[F_BATTERY_STATE], d->fault ? BATTERY_FAULT : BATTERY_IDLE, h->now_ms, Q_GOOD);
	if (d->mirrors_reserve)
		value_set(&f[F_BATTERY_RESERVE_SOC_PCT], d->own_reserve_pct, h->now_ms, Q_GOOD);
	soc_poll(h, d, back ? (double)d->past[at].soc_pct : d->soc_pct);
}

/* As a driver begins: what is in the profile stays. */
void home_device_forget(struct home_device *d)
{
	memset(d->state.f, 0, sizeof(d->state.f));
	d->state.ac_power_w = (struct value){ 0 };
	d->state.verdict = VERDICT_NONE;
	d->state.released = false;
	d->state.availability = AVAIL_UNKNOWN;
	if (d->kind == HOME_CHARGER)
		d->state.caps.charge_max_w = d->state.caps.min_w = 0;
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

static void charger_start(struct home_device *d)
{
	struct device_caps *caps = &d->state.caps;

	fill(&d->max_a, 16);
	fill(&d->car_max_a, 16);
	d->state.kinds = KIND_CHARGER;
	caps->can_power = true;
	caps->charge_max_w = VOLT * d->phases * d->max_a;
	caps->min_w = VOLT * d->phases * 6;
	caps->guarded_by = GUARDED_DEVICE;
	caps->switches_phases = d->switches_phases;
	caps->phase_dwell_s = d->phase_dwell_s;
}

void home_device_start(struct home_device *d)
{
	struct device_caps *caps = &d->state.caps;

	fill_int(&d->delay_ms, 300);
	fill_int(&d->tau_ms, 300);
	fill_int(&d->poll_ms, 1000);
	fill_int(&d->settle_ms, d->delay_ms + 3 * d->tau_ms + d->poll_ms / 2);
	fill_int(&d->phases, 1);
	fill_int(&d->phase, 1);
	caps->settle_ms = d->settle_ms;
	caps->guarded_by = d->guarded ? GUARDED_DEVICE : GUARDED_NONE;
	if (d->kind == HOME_CHARGER) {
		charger_start(d);
		return;
	}
	if (d->kind == HOME_PV) {
		fill(&d->peak_w, 10000);
		d->state.kinds = KIND_PV;
		caps->can_curtail = d->can_curtail;
		caps->discharge_max_w = d->peak_w;
		return;
	}
	fill(&d->capacity_wh, 10000);
	fill(&d->charge_max_w, 5000);
	fill(&d->discharge_max_w, 5000);
	fill(&d->charge_eff, 0.95);
	fill(&d->discharge_eff, 0.95);
	fill(&d->soc_step_pct, 0.1);
	d->state.kinds = KIND_BATTERY | (d->hybrid ? KIND_PV | KIND_INVERTER : 0);
	caps->can_power = d->can_power;
	caps->can_hold = true;
	caps->native_balance = d->native;
	caps->mirrors_reserve = d->mirrors_reserve;
	caps->charge_max_w = d->charge_max_w;
	caps->discharge_max_w = d->discharge_max_w;
}

void home_device_show(const struct home_device *d, int i, struct snap_device *out)
{
	static const char *const NAMES[] = { [HOME_BATTERY] = "battery", [HOME_CHARGER] = "charger", [HOME_PV] = "pv" };
	static const uint32_t ROLES[] = { [HOME_BATTERY] = ROLE_BATTERY, [HOME_CHARGER] = ROLE_CHARGER, [HOME_PV] = ROLE_PV };
	enum verdict v = d->state.verdict;

	snprintf(out->id, sizeof(out->id), "%s%d", NAMES[d->kind], i);
	out->roles = ROLES[d->kind] | (d->hybrid ? ROLE_PV : 0);
	out->state = d->state;
	out->capacity_wh = d->kind == HOME_BATTERY ? d->capacity_wh : NAN;
	out->charge_max_w = out->discharge_max_w = out->soc_max_pct = NAN;
	out->soc_min_pct = d->soc_min_pct;
	out->failsafe_a = 6;
	out->phases = d->switches_phases ? 0 : d->phases; /* else the configuration would forbid it */
	out->phase = d->phase_told && d->phases == 1 ? d->phase : 0;
	out->priority = d->priority;
	out->allow_unguarded = d->allow_unguarded;
	out->mirror_reserve = d->mirror_reserve;
	out->ordered = d->sent;
	out->ordered_at_ms = d->changed_ms;
	out->applied_w = v == VERDICT_APPLIED || v == VERDICT_CLAMPED || v == VERDICT_FOREIGN ? d->state.verdict_w : NAN;
}
