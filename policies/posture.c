/* What cannot be done as asked is turned into the nearest thing that can and is safe: balancing without a meter, forcing
 * a device nobody guards, powers a device cannot take. Decides who balances by itself and who by our loop. */
#include "policies/work.h"

static void to_power_zero(struct work_device *d)
{
	d->order = (struct order){ .kind = ORDER_POWER };
}

static void to_release(struct work_device *d)
{
	d->order = (struct order){ .kind = ORDER_RELEASE };
	d->controlled = false;
}

/* A device without a verified timer stays as we left it when we die: it may only hold, or run its own balance. */
static bool unguarded(const struct work_device *d)
{
	return d->dev->state.caps.guarded_by == GUARDED_NONE && !d->dev->allow_unguarded;
}

/* Forced power becomes balancing on that side of zero. */
static void soften(struct work_device *d, enum reason code, const char *why)
{
	double power_w = d->order.w;

	if (d->order.kind != ORDER_POWER || power_w == 0)
		return;
	d->order = (struct order){ .kind = ORDER_BALANCE, .min_w = double_min(power_w, 0), .max_w = double_max(power_w, 0) };
	work_cut(d, RANK_GUARD, code, "%s", why);
	work_clamp(d);
}

/* Another device whose power the meter shows and this one must not undo. */
static bool others_at_work(const struct work *w, int me)
{
	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];

		if (i == me || !d->controlled || view_pv(d->dev))
			continue; /* less sun is nothing to undo */
		if (d->order.kind == ORDER_BALANCE && (d->order.min_w < 0 || d->order.max_w > 0))
			return true; /* two that balance on one meter fight */
		if (d->order.kind != ORDER_POWER || (d->charger && w->s->site.battery_to_ev))
			continue;
		if (d->charger ? view_car_charging(w->s, i) : d->order.w != 0 || d->ordered_w != 0 || d->now_w > 100 || d->now_w < -100)
			return true;
	}
	return false;
}

static void blind(const struct work *w, struct work_device *d, const char *what)
{
	if (w->c->wishes.meter_doubted)
		work_cut(d, RANK_GUARD, REASON_DOUBT, "grid meter not believed: %s", what);
	else
		work_cut(d, RANK_GUARD, REASON_METER_LOST, "grid meter lost: %s", what);
}

/* One that balances by itself is enough: each sees the same load, and two would cover it twice. */
static bool covered(const struct work *w, int me)
{
	for (int i = 0; i < me; i++)
		if (w->d[i].order.native && w->d[i].order.min_w < 0)
			return true;
	return false;
}

/* Nobody knows the grid: the device's own meter may, within "out only"; its own control if the floor allows; else 0 W. */
static void without_meter(struct work *w, int i)
{
	struct work_device *d = &w->d[i];

	if (d->order.kind != ORDER_BALANCE)
		return;
	if (covered(w, i)) {
		to_power_zero(d);
		blind(w, d, "another battery covers the load");
		return;
	}
	if (d->dev->state.caps.native_balance && d->order.grid_w == 0 && d->order.min_w < 0) {
		d->order.native = true;
		d->order.max_w = 0;
		return;
	}
	if (d->rank >= RANK_PLAN && d->order.min_w < 0) {
		to_release(d);
		blind(w, d, "nothing to balance by");
		return;
	}
	to_power_zero(d);
	blind(w, d, "nothing to balance by");
}

static void balance_means(struct work *w, int i)
{
	struct work_device *d = &w->d[i];
	const struct device_caps *caps = &d->dev->state.caps;
	bool alone = d->order.grid_w == 0 && !others_at_work(w, i);

	if (d->order.kind != ORDER_BALANCE)
		return;
	if (caps->native_balance && alone && w->s->now_ms >= w->c->native_off_until_ms) {
		d->order.native = true;
		return;
	}
	if (caps->can_power && !unguarded(d))
		return; /* our loop */
	if (caps->native_balance && alone) {
		d->order.native = true;
		return;
	}
	if (alone && d->order.min_w < 0)
		to_release(d);
	else
		to_power_zero(d);
	if (unguarded(d))
		work_cut(d, RANK_GUARD, REASON_UNGUARDED, "nobody guards the device");
	else
		work_cut(d, RANK_GUARD, REASON_CANNOT, "it cannot balance by orders");
}

/* A hold the device cannot hold is better released than left as it was; other powers it cannot take have been softened. */
static void power_means(struct work_device *d)
{
	const struct device_caps *caps = &d->dev->state.caps;

	if (d->order.kind != ORDER_POWER || caps->can_power || caps->can_hold)
		return;
	if (caps->native_balance) {
		d->order = (struct order){ .kind = ORDER_BALANCE, .native = true };
		return;
	}
	to_release(d);
	work_cut(d, RANK_GUARD, REASON_CANNOT, "it cannot be held at 0 W");
}

/* PV left to itself produces all it can; where a limit does not allow that, it is told the limit. */
static void sun_means(struct work_device *d)
{
	if (d->order.kind != ORDER_RELEASE || d->rank == RANK_GUARD || d->band.min_w <= -view_discharge_max(d->dev))
		return;
	d->order = (struct order){ .kind = ORDER_POWER, .w = d->band.min_w };
	d->controlled = true;
	work_cut(d, d->band.min_by->rank, d->band.min_by->code, "%s", d->band.min_by->why);
}

void posture_adapt(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (view_pv(d->dev)) {
			sun_means(d);
			continue;
		}
		if (!d->controlled || d->charger)
			continue;
		if (unguarded(d))
			soften(d, REASON_UNGUARDED, "nobody guards the device: not beyond surplus and load");
		else if (!d->dev->state.caps.can_power)
			soften(d, REASON_CANNOT, "it takes no power orders: not beyond surplus and load");
	}
	for (int i = 0; i < w->n; i++) {
		if (!w->d[i].controlled || w->d[i].charger || view_pv(w->d[i].dev))
			continue;
		if (w->meter)
			balance_means(w, i);
		else
			without_meter(w, i);
		power_means(&w->d[i]);
	}
}
