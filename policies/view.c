/* See view.h. */
#include "policies/view.h"

#include <math.h>

#define SETTLE_DEFAULT_MS 2000
#define DRAIN_READING_MS 2000    /* older than this, a device that balances by itself may do anything within its band */
#define CAPACITY_GUESS_WH 5000.0 /* for the worst case only: a small battery empties fast */
#define PV_UNRATED_W 1e6         /* the most an inverter may be told that does not say its rating: no bound */
#define PV_LEAST_W 1000.0        /* and its size, until it has been seen to give more */

bool view_recent(const struct value *v, int64_t now_ms, int64_t max_age_ms, double *out)
{
	if (v->q == Q_ABSENT || now_ms - v->at_ms > max_age_ms || !isfinite(v->v))
		return false;
	*out = v->v;
	return true;
}

bool view_grid(const struct snapshot *s, double *grid_w)
{
	return s->grid_device >= 0 && view_recent(&s->grid_w, s->now_ms, METER_LOST_MS, grid_w);
}

double view_phase_v(const struct snapshot *s, int phase)
{
	double v;

	if (s->grid_device >= 0 && s->grid_device < s->n_devices &&
	    view_recent(&s->dev[s->grid_device].state.f[F_METER_VOLTAGE_L1_V + phase], s->now_ms, SOC_LOST_MS, &v) && v > 180 && v < 280)
		return v;
	return NOMINAL_V;
}

/* What the sum leaves for the one phase that is not read. Only powers have a direction: currents would not add up. */
static bool phase_left(const struct snapshot *s, int phase, double *phase_w)
{
	double grid_w, next_w, last_w;

	if (!view_grid(s, &grid_w) || !view_recent(&s->phase_w[(phase + 1) % 3], s->now_ms, METER_LOST_MS, &next_w) ||
	    !view_recent(&s->phase_w[(phase + 2) % 3], s->now_ms, METER_LOST_MS, &last_w))
		return false;
	*phase_w = grid_w - next_w - last_w;
	return true;
}

bool view_phase(const struct snapshot *s, int phase, double *phase_w)
{
	double amps;

	if (view_recent(&s->phase_w[phase], s->now_ms, METER_LOST_MS, phase_w))
		return true;
	if (!view_recent(&s->phase_a[phase], s->now_ms, METER_LOST_MS, &amps))
		return phase_left(s, phase, phase_w);
	*phase_w = amps * view_phase_v(s, phase);
	return true;
}

bool view_power(const struct snapshot *s, int i, double *power_w, int64_t *at_ms)
{
	const struct snap_device *d = &s->dev[i];
	const struct value *v = &d->state.ac_power_w;

	if (view_battery(d) && d->state.f[F_BATTERY_POWER_AC_W].q != Q_ABSENT)
		v = &d->state.f[F_BATTERY_POWER_AC_W];
	else if (view_charger(d) && d->state.f[F_CHARGER_POWER_W].q != Q_ABSENT)
		v = &d->state.f[F_CHARGER_POWER_W];
	else if (view_battery(d) && (d->roles & ROLE_PV))
		return false; /* the port of a hybrid holds the sun too */
	if (at_ms)
		*at_ms = v->at_ms;
	return view_recent(v, s->now_ms, READING_LOST_MS, power_w);
}

bool view_soc(const struct snapshot *s, int i, double *soc_pct)
{
	return view_recent(&s->dev[i].state.f[F_BATTERY_SOC_PCT], s->now_ms, SOC_LOST_MS, soc_pct) && *soc_pct >= 0 && *soc_pct <= 100;
}

double view_drain_pct_h(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double power_w, capacity_wh = view_capacity_wh(d);
	const struct order *o = &d->ordered;
	int64_t at_ms;

	if (!view_power(s, i, &power_w, &at_ms))
		power_w = -view_discharge_max(d);
	else if (o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native))
		power_w = double_min(power_w, o->w); /* the reading may be from before the order */
	else if (o->kind == ORDER_BALANCE && s->now_ms - at_ms > DRAIN_READING_MS)
		power_w = double_min(power_w, o->min_w);
	if (isnan(capacity_wh))
		capacity_wh = CAPACITY_GUESS_WH;
	return double_max(0, -power_w) * 1.1 / capacity_wh * 100;
}

bool view_soc_low(const struct snapshot *s, int i, double *soc_pct)
{
	if (!view_soc(s, i, soc_pct))
		return false;
	*soc_pct -= view_drain_pct_h(s, i) * (double)(s->now_ms - s->dev[i].state.f[F_BATTERY_SOC_PCT].at_ms) / 3.6e6;
	return true;
}

double view_capacity_wh(const struct snap_device *d)
{
	const struct value *v = &d->state.f[F_BATTERY_CAPACITY_WH];

	if (isfinite(d->capacity_wh) && d->capacity_wh > 0)
		return d->capacity_wh;
	return v->q >= Q_STALE && isfinite(v->v) && v->v > 0 ? v->v : NAN;
}

/* The configuration may only lower what the device says; where the device says nothing it stands alone. */
static double rating(double configured, double own, const struct value *limit)
{
	double w = isfinite(own) && own > 0 ? own : 0;

	if (isfinite(configured) && configured >= 0)
		w = w > 0 ? double_min(w, configured) : configured;
	if (limit && value_usable(limit) && isfinite(limit->v) && limit->v >= 0)
		w = double_min(w, limit->v);
	return w;
}

double view_charge_max(const struct snap_device *d)
{
	return rating(d->charge_max_w, d->state.caps.charge_max_w, view_battery(d) ? &d->state.f[F_BATTERY_CHARGE_LIMIT_W] : NULL);
}

static double pv_rating(const struct snap_device *d, double unrated_w)
{
	double rated_w = rating(d->discharge_max_w, d->state.caps.discharge_max_w, NULL);

	return rated_w > 0 ? rated_w : unrated_w;
}

double view_pv_size(const struct snap_device *d, double seen_w)
{
	return pv_rating(d, double_max(PV_LEAST_W, seen_w));
}

double view_discharge_max(const struct snap_device *d)
{
	if (view_pv(d))
		return pv_rating(d, PV_UNRATED_W);
	if (!view_battery(d))
		return 0;
	return rating(d->discharge_max_w, d->state.caps.discharge_max_w, &d->state.f[F_BATTERY_DISCHARGE_LIMIT_W]);
}

int view_phases(const struct snap_device *d)
{
	const struct value *v = &d->state.f[F_CHARGER_PHASES];

	if (view_charger(d) && value_usable(v) && v->v >= 1)
		return v->v >= 2 ? 3 : 1;
	if (d->phases)
		return d->phases >= 2 ? 3 : 1;
	return view_charger(d) && d->state.caps.min_w > 2.0 * CAR_MIN_A * NOMINAL_V ? 3 : 1;
}

double view_amps_to_w(const struct snap_device *d, double amps)
{
	const struct value *v = &d->state.f[F_CHARGER_VOLTAGE_L1_V];

	return amps * view_phases(d) * (value_usable(v) && v->v > 180 && v->v < 280 ? v->v : NOMINAL_V);
}

double view_min_w(const struct snap_device *d)
{
	if (d->state.caps.min_w > 0 || !view_charger(d))
		return double_max(0, d->state.caps.min_w);
	return view_amps_to_w(d, CAR_MIN_A);
}

int64_t view_settle_ms(const struct snap_device *d)
{
	return d->state.caps.settle_ms > 0 ? d->state.caps.settle_ms : SETTLE_DEFAULT_MS;
}

bool view_car_connected(const struct snap_device *d)
{
	const struct value *connected = &d->state.f[F_CHARGER_CONNECTED], *state = &d->state.f[F_CHARGER_STATE];

	if (value_usable(connected))
		return connected->v > 0.5;
	return !value_usable(state) || state->v > CHARGER_A + 0.5;
}

bool view_car_charging(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double power_w;

	if (view_power(s, i, &power_w, NULL))
		return power_w > 100;
	return view_car_connected(d) && d->ordered.kind == ORDER_POWER && d->ordered.w > 0;
}

bool view_faulty(const struct snap_device *d)
{
	const struct value *f = d->state.f;

	if (d->state.availability == AVAIL_FAULT)
		return true;
	if (view_charger(d))
		return value_usable(&f[F_CHARGER_STATE]) && f[F_CHARGER_STATE].v >= CHARGER_E;
	return (value_usable(&f[F_BATTERY_STATE]) && (int)f[F_BATTERY_STATE].v == BATTERY_FAULT) ||
	       (value_usable(&f[F_INVERTER_STATE]) && (int)f[F_INVERTER_STATE].v == INVERTER_FAULT);
}

bool view_command(const struct snapshot *s, const struct snap_device *d)
{
	const struct command_view *c = &d->command;

	return c->active && s->clock_trusted && s->utc_ms >= c->starts_utc_ms && (c->ends_utc_ms == 0 || s->utc_ms < c->ends_utc_ms);
}

bool view_island(const struct snapshot *s)
{
	return s->grid_lost || (s->grid_back_ms > 0 && s->now_ms - s->grid_back_ms < GRID_BACK_MS);
}

bool view_may_order(const struct snapshot *s)
{
	return !s->stopping && !s->paused && !view_island(s);
}

bool view_steerable(const struct snap_device *d)
{
	const struct device_caps *c = &d->state.caps;

	if (d->state.availability != AVAIL_ONLINE && d->state.availability != AVAIL_FAULT)
		return false;
	if (view_battery(d))
		return c->can_power || c->can_hold || c->native_balance;
	return view_pv(d) || (view_charger(d) && c->can_power);
}

/* Some chargers are read every ten seconds only. A reading from before the order has had its time says nothing of it; after that
 * the device is taken to follow it until it is read. */
static bool believed_power(const struct snapshot *s, int i, double *power_w)
{
	const struct snap_device *d = &s->dev[i];
	const struct order *o = &d->ordered;
	int64_t at_ms, done_ms = d->ordered_at_ms + view_settle_ms(d);

	if (!view_power(s, i, power_w, &at_ms))
		return false;
	if (d->ordered_at_ms > 0 && at_ms < done_ms && s->now_ms >= done_ms &&
	    (o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native)))
		*power_w = o->w;
	return true;
}

bool view_surplus(const struct snapshot *s, double *surplus_w)
{
	double grid_w, power_w;

	if (!view_grid(s, &grid_w))
		return false;
	*surplus_w = -grid_w;
	for (int i = 0; i < s->n_devices; i++)
		if ((view_battery(&s->dev[i]) || view_charger(&s->dev[i])) && believed_power(s, i, &power_w))
			*surplus_w += power_w;
	return true;
}
