/* Rank 1: ratings, hardware minimum, faults, lost inputs, island, pause, stop. It takes away and releases; it never makes a
 * device do more. guard_again is the last look at every order, independent of what the chain did before. */
#include "policies/floor.h"
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>

#define FULL_RESUME_PCT 0.25 /* charging resumes so much below the maximum: two steps of a SoC read in tenths */
#define CAR_PART 0.95   /* of what a car is read to draw counts as drawn, */
#define CAR_STEP_W 500.0 /* in steps of that: it moves a bound */

struct guard_memory {
	int64_t meter_good_ms;                 /* 0 = never */
	int64_t soc_good_ms[DEVICE_MAX];
	bool full[DEVICE_MAX];
};

static void guard_init(void *memory)
{
	(void)memory;
}

/* A value that stays bad is lost as surely as one that stays away, whatever its time says. */
static bool lost(const struct value *v, int64_t now_ms, int64_t max_age_ms, int64_t *good_ms)
{
	double number;

	if (value_get(v, now_ms, max_age_ms, &number) && isfinite(number))
		*good_ms = v->at_ms;
	return *good_ms == 0 || now_ms - *good_ms > max_age_ms;
}

/* What leaves no choice. True when an order was given. */
static bool posture(const struct snapshot *s, int i, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	char end[SENTENCE_UNTIL_MAX];

	if (s->stopping) {
		wish_order(out, i, order_release(), 0, REASON_STOPPING, "the agent stops");
	} else if (d->leaving) {
		wish_order(out, i, order_release(), 0, REASON_STOPPING, "its configuration changes");
	} else if (view_island(s) && view_charger(d)) {
		wish_order(out, i, order_power(0), 0, REASON_ISLAND, "the grid is away or back for less than %d s", GRID_BACK_MS / 1000);
	} else if (view_island(s)) {
		wish_order(out, i, order_release(), 0, REASON_ISLAND, "the grid is away or back for less than %d s", GRID_BACK_MS / 1000);
	} else if (s->paused) {
		wish_order(out, i, order_release(), s->pause_until_utc_ms, REASON_PAUSED, "paused for service%s",
			   sentence_until(s, s->pause_until_utc_ms, end));
	} else if (view_faulty(d) && view_pv(d)) {
		wish_order(out, i, order_release(), 0, REASON_FAULT, "the inverter reports a fault");
	} else if (view_faulty(d)) {
		wish_order(out, i, order_power(0), 0, REASON_FAULT, "the device reports a fault");
	} else {
		return false;
	}
	return true;
}

static void battery_limits(struct guard_memory *m, const struct snapshot *s, int i, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	double full_pct = isfinite(d->soc_max_pct) ? d->soc_max_pct : 100, soc;

	if (lost(&d->state.f[F_BATTERY_SOC_PCT], s->now_ms, SOC_LOST_MS, &m->soc_good_ms[i]) || !view_soc(s, i, &soc)) {
		wish_order(out, i, order_power(0), 0, REASON_SOC_UNKNOWN, "SoC unknown for %d s", SOC_LOST_MS / 1000);
		return;
	}
	if (soc >= full_pct)
		m->full[i] = true;
	else if (soc < full_pct - FULL_RESUME_PCT)
		m->full[i] = false;
	if (m->full[i])
		wish_limit_device(out, i, -INFINITY, 0, REASON_FULL, "SoC %.1f %% %s at the maximum %.0f %%", soc,
				  soc >= full_pct ? "is" : "was", full_pct);
	if (soc <= floor_hardware_pct(d))
		wish_limit_device(out, i, 0, INFINITY, REASON_HARDWARE_MINIMUM, "SoC %.1f %% is at the hardware minimum %.0f %%", soc, floor_hardware_pct(d));
}

/* What cars are read to draw, less what its noise may be: it goes out of the house by no means. */
static double cars_w(const struct snapshot *s)
{
	double sum_w = 0, power_w;

	for (int i = 0; i < s->n_devices; i++)
		if (view_charger(&s->dev[i]) && s->dev[i].state.availability == AVAIL_ONLINE && view_power(s, i, &power_w, NULL))
			sum_w += CAR_STEP_W * floor(double_max(0, power_w) * CAR_PART / CAR_STEP_W);
	return sum_w;
}

/* What each PV inverter may produce unseen: together no more than may be exported, if nobody but cars used any of it. Sun that a
 * car takes is not held back before the car has stopped, or it would be bought instead. */
static double blind_sun_w(const struct snapshot *s)
{
	double limit_w = s->site.export_limit_w > 0 ? s->site.export_limit_w : INFINITY;
	int n = 0;

	if (!isnan(s->external.export_w))
		limit_w = double_min(limit_w, double_max(0, s->external.export_w));
	for (int i = 0; i < s->n_devices; i++)
		n += view_pv(&s->dev[i]) && view_steerable(&s->dev[i]);
	return (limit_w + cars_w(s)) / n;
}

/* The little that doubt lets a battery charge to see what the meter makes of it, W; else 0. */
static double probe_w(const struct wishes *out, int i)
{
	for (int n = 0; n < out->n_orders; n++)
		if (out->orders[n].device == i && out->orders[n].code == REASON_DOUBT)
			return double_max(0, out->orders[n].order.w);
	return 0;
}

/* Without a meter: nothing that seeks import or export. PV may produce all it can, its natural state. */
static void meter_limits(const struct snapshot *s, int i, bool doubted, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	enum reason code = doubted ? REASON_DOUBT : REASON_METER_LOST;
	const char *what = doubted ? "is not believed" : "lost for 10 s";
	double failsafe_w;

	if (view_pv(d)) {
		if (isfinite(blind_sun_w(s)))
			wish_limit_device(out, i, -blind_sun_w(s), INFINITY, code, "grid meter %s: %.0f W keep the export limit", what, blind_sun_w(s));
		return;
	}
	if (view_battery(d)) {
		wish_limit_device(out, i, -INFINITY, probe_w(out, i), code, "grid meter %s: no charging", what);
		wish_limit_power(out, i, 0, INFINITY, code, "grid meter %s: no setpoint that could export", what);
		return;
	}
	failsafe_w = view_amps_to_w(d, isfinite(d->failsafe_a) && d->failsafe_a >= 0 ? d->failsafe_a : CAR_MIN_A);
	wish_limit_device(out, i, 0, failsafe_w, code, "grid meter %s: the charger's own failsafe of %.0f W", what, failsafe_w);
}

static void guard_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct guard_memory *m = memory;
	double grid_w;

	if (lost(&s->grid_w, s->now_ms, METER_LOST_MS, &m->meter_good_ms) || !view_grid(s, &grid_w)) {
		out->meter_lost = true;
		out->meter_doubted = false; /* there is nothing left to doubt */
	}
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!view_steerable(d))
			continue;
		wish_limit_device(out, i, -view_discharge_max(d), view_charge_max(d), REASON_RATING, "rated %.0f..%.0f W", 0 - view_discharge_max(d),
				  view_charge_max(d));
		if (posture(s, i, out))
			continue;
		if (view_battery(d))
			battery_limits(m, s, i, out);
		if (out->meter_lost)
			meter_limits(s, i, out->meter_doubted, out);
	}
}

bool guard_again(const struct snapshot *s, int i, struct order *order)
{
	const struct snap_device *d = &s->dev[i];
	struct order before = *order;
	double lo = -view_discharge_max(d), hi = view_charge_max(d), soc;

	if (order->kind == ORDER_NONE || order->kind == ORDER_RELEASE)
		return false;
	if (view_battery(d) && (!view_soc_low(s, i, &soc) || soc <= floor_effective(s, d).pct))
		lo = 0;
	if (view_battery(d) && !view_soc(s, i, &soc))
		hi = 0;
	order->w = isfinite(order->w) ? double_clamp(order->w, lo, hi) : 0;
	if (view_charger(d) && order->w > 0 && order->w < view_min_w(d) - 0.5)
		order->w = 0;
	if (order->kind == ORDER_BALANCE) {
		order->min_w = isfinite(order->min_w) ? double_clamp(order->min_w, lo, 0) : 0;
		order->max_w = isfinite(order->max_w) ? double_clamp(order->max_w, 0, hi) : 0;
		order->w = double_clamp(order->w, order->min_w, order->max_w);
	}
	return order->w != before.w || order->min_w != before.min_w || order->max_w != before.max_w;
}

const struct policy POLICY_GUARD = { "guard", RANK_GUARD, sizeof(struct guard_memory), guard_init, guard_step };
