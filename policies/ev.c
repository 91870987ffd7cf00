/* The car. Modes: `now` charges at full power, `solar` from what is left of the sun, `cheap` by the plan, `off` not at
 * all. Unset is what people expect of a charger: plug in and it charges, but unlike the owner's explicit `now` it stands
 * aside for events. Explicit `now` and `off` rank as the owner's word, `cheap` as plan, the rest as self-use. */
#include "policies/cars.h"
#include "policies/phases.h"
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>
#include <stdio.h>

struct ev_memory {
	double room_w[DEVICE_MAX];    /* charge power a battery can really take, learnt when it leaves sun to the grid */
	int64_t leaving_ms;           /* since when sun goes to the grid although a battery could take it; 0 = it does not */
	int64_t short_ms[DEVICE_MAX]; /* since when the sun is too weak for a charging car; 0 = it is not */
	struct car_turn turn[DEVICE_MAX];   /* with the sun */
	struct phases phases[DEVICE_MAX];
	bool known[DEVICE_MAX];
	double sun_w;                       /* of PV that can be curtailed, when it last was not */
};

#define LEAVING_W 150.0
#define LEAVING_MS 20000
#define SHORT_MS 60000
#define TAKEN_MS 30000
#define HELD_W 150.0
#define HELD_MS 2000
#define VOLT_SHARE 0.9       /* by how little the least power may have been lower when the plan was made: EN 50160 allows 10 % */
#define MOST_MAX 40
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
			claim_w += double_min(d->ordered.max_w, m->room_w[i]);
	}
	return claim_w;
}

/* Power from the sun for car @i, of which it was given @w. A car that charges keeps its minimum for a minute of cloud, but
 * not where its turn is over. */
static double solar_w(struct ev_memory *m, const struct snapshot *s, int i, double w)
{
	const struct snap_device *d = &s->dev[i];
	bool charging = d->ordered.kind == ORDER_POWER && d->ordered.w > 0;

	if (charging && s->now_ms - d->ordered_at_ms < view_settle_ms(d))
		return d->ordered.w; /* on its way: what the meter shows now is neither before nor after */
	if (w > 0 || !charging || car_turn_over(&m->turn[i], s->now_ms)) {
		m->short_ms[i] = 0;
		return w;
	}
	if (m->short_ms[i] == 0)
		m->short_ms[i] = s->now_ms;
	return s->now_ms - m->short_ms[i] < SHORT_MS ? view_min_w(d) : 0;
}

/* Without a plan, `cheap` charges when the deadline leaves no choice. */
static bool deadline_presses(const struct snapshot *s, const struct snap_device *d)
{
	double hours = (double)(d->ev_ready_by_utc_ms - s->utc_ms) / 3.6e6, max_w = view_charge_max(d);

	if (!s->clock_trusted || d->ev_ready_by_utc_ms <= 0 || !isfinite(d->ev_energy_wh) || max_w <= 0)
		return false;
	return hours > 0 && d->ev_energy_wh / max_w * READY_MARGIN >= hours;
}

static bool plan_speaks(const struct snapshot *s, const struct snap_device *d)
{
	const struct plan_guide *g = &d->guide;

	return s->clock_trusted && g->valid && isfinite(g->planned_w) && (g->until_utc_ms == 0 || s->utc_ms < g->until_utc_ms);
}

/* It wants to charge at all. */
static bool wants(const struct snap_device *d)
{
	bool done = d->ev_mode != EV_NOW && isfinite(d->ev_energy_wh) && d->ev_energy_wh <= 0;

	return d->ev_mode != EV_OFF && view_car_connected(d) && !done;
}

/* It lives of what the sun leaves. */
static bool follows_sun(const struct snapshot *s, const struct snap_device *d)
{
	if (!wants(d))
		return false;
	return d->ev_mode == EV_SOLAR || (d->ev_mode == EV_CHEAP && !plan_speaks(s, d) && !deadline_presses(s, d));
}

static void rank_by_mode(enum ev_mode mode, struct wishes *out)
{
	static const enum rank RANKS[] = {
		[EV_UNSET] = RANK_SELF_USE, [EV_OFF] = RANK_OVERRIDE, [EV_SOLAR] = RANK_SELF_USE, [EV_CHEAP] = RANK_PLAN, [EV_NOW] = RANK_OVERRIDE,
	};

	wish_rank(out, RANKS[mode]);
}

/* A car that does not want to charge. */
static void rest_wish(const struct snapshot *s, int i, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];

	if (d->ev_mode == EV_OFF) {
		wish_order(out, i, order_power(0), 0, REASON_CAR_OFF, "the owner switched charging off");
		rank_by_mode(EV_OFF, out);
	} else if (!view_car_connected(d)) {
		wish_order(out, i, order_power(0), 0, REASON_CAR_ABSENT, "no car is plugged in");
	} else {
		wish_order(out, i, order_power(0), 0, REASON_CAR_DONE, "the car has the energy it was to get");
	}
}

/* A switch of phases is under way: true when that was the wish. */
static bool phases_wish(const struct snapshot *s, int i, const struct phases_word *p, struct wishes *out)
{
	struct order o = order_power(0);

	if (!p->pause)
		return false;
	o.phases = p->phases;
	wish_order(out, i, o, 0, REASON_PHASE_DWELL, "paused to change phases, and a minute of rest after it");
	rank_by_mode(s->dev[i].ev_mode, out);
	return true;
}

/* A charger that has not been read yet has no rating. */
static const char *up_to(double max_w, char text[MOST_MAX])
{
	if (max_w > 0)
		snprintf(text, MOST_MAX, ", up to %.0f W", max_w);
	else
		snprintf(text, MOST_MAX, "; what the charger can is not known");
	return text;
}

/* What the plan gives now. The least power is 6 A at the voltage of when it was planned: it stays the least one when that moves. */
static double planned_w(const struct snap_device *d, double most_w)
{
	const double least_w = double_min(view_min_w(d), most_w), w = d->guide.planned_w;

	return double_clamp(w, w > VOLT_SHARE * least_w ? least_w : 0, most_w);
}

/* A car that charges whatever the sun does. Returns what it was given, W. */
static double fixed_wish(struct ev_memory *m, const struct snapshot *s, int i, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	struct phases_word p = phases_step(&m->phases[i], s, i, (double)NAN);
	struct order o = order_power(view_charge_max(d));
	char end[SENTENCE_TIME_MAX], most[MOST_MAX];

	if (phases_wish(s, i, &p, out))
		return 0;
	o.phases = p.phases;
	if (d->ev_mode == EV_NOW) {
		wish_order(out, i, o, 0, REASON_CAR_NOW, "the owner wants the car charged now%s", up_to(o.w, most));
	} else if (d->ev_mode == EV_UNSET) {
		wish_order(out, i, o, 0, REASON_CAR_PLUGGED, "a car is plugged in%s", up_to(o.w, most));
	} else if (plan_speaks(s, d)) {
		o.w = planned_w(d, o.w);
		wish_order(out, i, o, d->guide.until_utc_ms, REASON_CAR_PLAN, "cheap: the plan gives the car %.0f W at %.3f%s%s", d->guide.planned_w,
			   s->import_price, d->ev_habit[0] ? "; " : "", d->ev_habit);
	} else {
		wish_order(out, i, o, d->ev_ready_by_utc_ms, REASON_CAR_DEADLINE, "cheap: %.1f kWh to go by %s%s%s", d->ev_energy_wh / 1000,
			   sentence_time(s, d->ev_ready_by_utc_ms, end), d->ev_habit[0] ? "; " : "", d->ev_habit);
	}
	rank_by_mode(d->ev_mode, out);
	return o.w;
}

/* What a car that charges whatever the sun does takes away from the others: what it is given, unless it was left at that for
 * a while and takes less. */
static double claim_w(const struct snapshot *s, int i, double given_w)
{
	double power_w;

	if (s->now_ms - s->dev[i].ordered_at_ms < TAKEN_MS || !view_power(s, i, &power_w, NULL))
		return given_w;
	return double_clamp(power_w, 0, given_w);
}

static void sun_wish(struct ev_memory *m, const struct snapshot *s, const struct car_slice *c, double left_w, struct wishes *out)
{
	const struct snap_device *d = &s->dev[c->i];
	struct phases_word p = phases_step(&m->phases[c->i], s, c->i, c->w + left_w);
	struct order o = order_power(solar_w(m, s, c->i, c->w));
	double sun_w = double_max(0, c->w + left_w);
	const char *kept = o.w > sun_w ? "; what runs goes on for a while" : "";

	if (phases_wish(s, c->i, &p, out))
		return;
	o.phases = p.phases;
	if (d->ev_mode == EV_CHEAP)
		wish_order(out, c->i, o, 0, REASON_CAR_SOLAR, "cheap: no plan, only what the sun leaves: %.0f W%s", sun_w, kept);
	else
		wish_order(out, c->i, o, 0, REASON_CAR_SOLAR, "solar: %.0f W of sun left over, from %.0f W on%s", sun_w, view_min_w(d), kept);
	rank_by_mode(d->ev_mode, out);
}

static void sun_share(struct ev_memory *m, const struct snapshot *s, double free_w, struct wishes *out)
{
	struct car_slice c[DEVICE_MAX];
	int n = 0;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		bool charges = d->ordered.kind == ORDER_POWER && d->ordered.w > 0;

		if (!view_charger(d) || !view_steerable(d))
			continue;
		car_turn_note(&m->turn[i], s->now_ms, follows_sun(s, d), charges && follows_sun(s, d), view_car_charging(s, i));
		if (follows_sun(s, d))
			c[n++] = (struct car_slice){ .i = i, .min_w = view_min_w(d), .max_w = double_max(view_min_w(d), view_charge_max(d)),
						     .amp_w = view_amps_to_w(d, 1), .priority = cars_priority(s, i),
						     .departure_ms = cars_departure_ms(s, i), .turn = &m->turn[i] };
	}
	free_w = cars_share(c, n, free_w, s->now_ms);
	for (int k = 0; k < n; k++)
		sun_wish(m, s, &c[k], free_w, out);
}

/* Sun behind a bound cannot be seen; where it was free a while ago, what it gave then is offered. If it is no longer there it
 * does not hold to its bound, and that is seen. */
static double hidden_w(struct ev_memory *m, const struct snapshot *s)
{
	double made_w = 0, power_w;
	bool held = false;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!view_pv(d) || !view_power(s, i, &power_w, NULL))
			continue;
		made_w -= power_w;
		if (d->ordered.kind == ORDER_POWER)
			held = held || power_w <= d->ordered.w + HELD_W || s->now_ms - d->ordered_at_ms < view_settle_ms(d) + HELD_MS;
	}
	if (!held)
		m->sun_w = made_w;
	return held ? double_max(0, m->sun_w - made_w) : 0;
}

static void ev_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct ev_memory *m = memory;
	double free_w = 0, grid_w;

	if (!out->meter_lost && view_grid(s, &grid_w)) {
		view_surplus(s, &free_w);
		rooms_learn(m, s, grid_w);
		free_w += hidden_w(m, s) - battery_claim(m, s);
	}
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!view_charger(d) || !view_steerable(d) || follows_sun(s, d))
			continue;
		if (wants(d))
			free_w -= claim_w(s, i, fixed_wish(m, s, i, out));
		else
			rest_wish(s, i, out);
	}
	sun_share(m, s, free_w, out);
}

const struct policy POLICY_EV = { "ev", RANK_SELF_USE, sizeof(struct ev_memory), ev_init, ev_step };
