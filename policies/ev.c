/* The car. Modes: `now` charges at full power, `solar` from what is left of the sun, `cheap` by the plan, `off` not at
 * all. Unset is what people expect of a charger: plug in and it charges, but unlike the owner's explicit `now` it stands
 * aside for events. Explicit `now` and `off` rank as the owner's word, `cheap` as plan, the rest as self-use. */
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

struct ev_memory {
	double room_w[DEVICE_MAX];    /* charge power a battery can really take, learnt when it leaves sun to the grid */
	int64_t leaving_ms;           /* since when sun goes to the grid although a battery could take it; 0 = it does not */
	int64_t short_ms[DEVICE_MAX]; /* since when the sun is too weak for a charging car; 0 = it is not */
	bool known[DEVICE_MAX];
};

#define LEAVING_W 150.0
#define LEAVING_MS 20000
#define SHORT_MS 60000
#define READY_MARGIN 1.15 /* start so early that 15 % may go wrong */

static void ev_init(void *memory)
{
	(void)memory;
}

/* A battery near full takes less than it is allowed. When sun leaves for the grid for a while, what the batteries take
 * is what they can take; when one takes more again, that is believed at once. */
static void rooms_learn(struct ev_memory *m, const struct snapshot *s, double grid_w)
{
	bool leaving = grid_w < -LEAVING_W;

	if (!leaving)
		m->leaving_ms = 0;
	else if (m->leaving_ms == 0)
		m->leaving_ms = s->now_ms;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		double power_w = 0;

		if (!view_battery(d) || !view_power(s, i, &power_w, NULL))
			continue;
		if (!m->known[i] || power_w < -100)
			m->room_w[i] = INFINITY;
		m->known[i] = true;
		if (leaving && s->now_ms - m->leaving_ms >= LEAVING_MS && d->ordered.kind != ORDER_POWER)
			m->room_w[i] = double_max(0, power_w) + 50;
		m->room_w[i] = double_max(m->room_w[i], power_w + 50);
	}
}

/* What batteries may take before the car does, W. */
static double battery_claim(const struct ev_memory *m, const struct snapshot *s)
{
	double claim_w = 0, power_w;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!view_battery(d) || !view_steerable(d) || !view_power(s, i, &power_w, NULL))
			continue;
		if (d->ordered.kind == ORDER_POWER) /* under orders: it takes this whoever is first */
			claim_w += double_max(0, double_max(power_w, d->ordered.w));
		else if (d->ordered.kind == ORDER_BALANCE && s->site.surplus_battery_first)
			claim_w += double_min(d->ordered.max_w, m->known[i] ? m->room_w[i] : INFINITY);
	}
	return claim_w;
}

/* Power from the sun for car @i. A car that charges keeps its minimum for a minute of cloud. */
static double solar_w(struct ev_memory *m, const struct snapshot *s, int i, double free_w)
{
	const struct snap_device *d = &s->dev[i];
	bool charging = d->ordered.kind == ORDER_POWER && d->ordered.w > 0;
	double min_w = view_min_w(d);

	if (charging && s->now_ms - d->ordered_at_ms < view_settle_ms(d))
		return d->ordered.w; /* on its way: what the meter shows now is neither before nor after */
	if (free_w >= min_w) {
		m->short_ms[i] = 0;
		return double_min(free_w, view_charge_max(d));
	}
	if (!charging) {
		m->short_ms[i] = 0;
		return 0;
	}
	if (m->short_ms[i] == 0)
		m->short_ms[i] = s->now_ms;
	return s->now_ms - m->short_ms[i] < SHORT_MS ? min_w : 0;
}

/* Without a plan, `cheap` charges when the deadline leaves no choice. */
static bool deadline_presses(const struct snapshot *s, const struct snap_device *d)
{
	double hours = (double)(d->ev_ready_by_utc_ms - s->utc_ms) / 3.6e6, max_w = view_charge_max(d);

	if (!s->clock_trusted || d->ev_ready_by_utc_ms <= 0 || !isfinite(d->ev_energy_wh) || max_w <= 0)
		return false;
	return hours > 0 && d->ev_energy_wh / max_w * READY_MARGIN >= hours;
}

static void cheap_wish(struct ev_memory *m, const struct snapshot *s, int i, double free_w, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	const struct plan_guide *g = &d->guide;

	if (s->clock_trusted && g->valid && isfinite(g->planned_w) && (g->until_utc_ms == 0 || s->utc_ms < g->until_utc_ms)) {
		wish_order(out, i, order_power(double_clamp(g->planned_w, 0, view_charge_max(d))), g->until_utc_ms,
			   REASON_CAR_PLAN, "cheap: the plan charges the car with %.0f W at %.3f", g->planned_w, s->import_price);
	} else if (deadline_presses(s, d)) {
		wish_order(out, i, order_power(view_charge_max(d)), d->ev_ready_by_utc_ms, REASON_CAR_DEADLINE, "cheap: %.1f kWh to go before the deadline",
			   d->ev_energy_wh / 1000);
	} else {
		wish_order(out, i, order_power(solar_w(m, s, i, free_w)), 0, REASON_CAR_SOLAR, "cheap: no plan, only the sun's %.0f W left over", free_w);
	}
	wish_rank(out, RANK_PLAN);
}

static double car_wish(struct ev_memory *m, const struct snapshot *s, int i, double free_w, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	enum ev_mode mode = d->ev_mode;

	if (mode == EV_OFF) {
		wish_order(out, i, order_power(0), 0, REASON_CAR_OFF, "charging is switched off");
		wish_rank(out, RANK_OVERRIDE);
		return 0;
	}
	if (!view_car_connected(d)) {
		wish_order(out, i, order_power(0), 0, REASON_CAR_ABSENT, "no car is plugged in");
		return 0;
	}
	if (mode != EV_NOW && isfinite(d->ev_energy_wh) && d->ev_energy_wh <= 0) {
		wish_order(out, i, order_power(0), 0, REASON_CAR_DONE, "the car has the energy it was to get");
		return 0;
	}
	switch (mode) {
	case EV_OFF:
	case EV_UNSET:
		wish_order(out, i, order_power(view_charge_max(d)), 0, REASON_CAR_PLUGGED, "a car is plugged in: charging with up to %.0f W", view_charge_max(d));
		break;
	case EV_NOW:
		wish_order(out, i, order_power(view_charge_max(d)), 0, REASON_CAR_NOW, "the owner wants the car charged now, up to %.0f W", view_charge_max(d));
		wish_rank(out, RANK_OVERRIDE);
		break;
	case EV_CHEAP:
		cheap_wish(m, s, i, free_w, out);
		break;
	case EV_SOLAR:
		wish_order(out, i, order_power(solar_w(m, s, i, free_w)), 0, REASON_CAR_SOLAR, "solar: %.0f W of sun left over, from %.0f W on", free_w, view_min_w(d));
		break;
	}
	return out->n_orders > 0 ? out->orders[out->n_orders - 1].order.w : 0;
}

static void ev_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct ev_memory *m = memory;
	double free_w = 0, grid_w;

	if (!out->meter_lost && view_surplus(s, &free_w) && view_grid(s, &grid_w)) {
		rooms_learn(m, s, grid_w);
		free_w -= battery_claim(m, s);
	}
	for (int i = 0; i < s->n_devices; i++)
		if (view_charger(&s->dev[i]) && view_steerable(&s->dev[i]))
			free_w -= car_wish(m, s, i, free_w, out);
}

const struct policy POLICY_EV = { "ev", RANK_SELF_USE, sizeof(struct ev_memory), ev_init, ev_step };
