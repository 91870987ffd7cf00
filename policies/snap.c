/* Toward 0 to what a device can do, and the patience of cars: contactors wear, and a car that is asked to change too
 * often stops answering. Dwell only ever delays increases or keeps what already was; cuts by ranks 1 and 2 pass. */
#include "policies/work.h"

#include <math.h>

#define CAR_STEP_MS 5000   /* between two changes of current */
#define CAR_DWELL_MS 60000 /* between pause and resume, and the shortest charge when only sun or price is against it */
#define CAR_RISE_W 50.0    /* smaller increases are not worth a change */

static bool ordered_power(const struct work_device *d, double *w)
{
	*w = d->dev->ordered.w;
	return d->dev->ordered.kind == ORDER_POWER;
}

/* Events and the owner's word act at once; what the sun and the price want may wait. */
static bool patient(enum rank rank)
{
	return rank == RANK_PLAN || rank == RANK_SELF_USE;
}

void snap_hold(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		struct chain_memory *m = d->memory;
		double before_w, bound_w = d->power_band.max_w;

		if (!d->charger || d->order.kind != ORDER_POWER || !ordered_power(d, &before_w) || d->order.w >= before_w)
			continue;
		if (before_w > bound_w && d->power_band.max_by)
			work_cut(d, d->power_band.max_by->rank, d->power_band.max_by->code, "%s", d->power_band.max_by->why);
		if (!patient(d->rank) || before_w <= 0 || before_w > bound_w)
			continue;
		if (!view_car_connected(d->dev))
			continue;
		if (d->order.w < view_min_w(d->dev) && w->s->now_ms - m->started_ms < CAR_DWELL_MS)
			d->order.w = double_min(before_w, double_max(d->order.w, view_min_w(d->dev)));
		if (w->s->now_ms - m->changed_ms < CAR_STEP_MS)
			d->order.w = before_w;
	}
}

static double toward_zero(const struct device_caps *caps, double min_w, double w)
{
	double size = fabs(w);

	if (caps->step_w > 0 && size > min_w)
		size = min_w + floor((size - min_w) / caps->step_w + 1e-9) * caps->step_w;
	if (size < min_w || size < 1)
		return 0;
	return copysign(size, w);
}

static void car_rise(const struct work *w, struct work_device *d)
{
	const struct chain_memory *m = d->memory;
	int64_t now_ms = w->s->now_ms;
	double before_w;

	if (!ordered_power(d, &before_w))
		before_w = 0;
	if (d->order.w <= before_w || (before_w > 0 && before_w < view_min_w(d->dev) - 0.5))
		return; /* the minimum itself moves with the voltage */
	if (before_w <= 0) {
		if (m->zero_ms && now_ms - m->zero_ms < CAR_DWELL_MS)
			d->order.w = 0;
		return;
	}
	if ((m->changed_ms && now_ms - m->changed_ms < CAR_STEP_MS) || d->order.w - before_w < CAR_RISE_W)
		d->order.w = before_w;
}

void snap_all(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		const struct device_caps *caps = &d->dev->state.caps;

		if (d->order.kind == ORDER_POWER || (d->order.kind == ORDER_BALANCE && !d->order.native))
			d->order.w = toward_zero(caps, view_min_w(d->dev), d->order.w);
		if (d->charger && d->order.kind == ORDER_POWER)
			car_rise(w, d);
	}
}
