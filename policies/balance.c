/* The balance loop: all batteries under a balance order that do not balance by themselves hold the grid meter together.
 * It steps on a new meter sample only, and only when the last change has reached the meter (the device's settle time):
 * an impatient integrator on a delayed plant oscillates. What devices under a power order do (an event's discharge, the
 * car) is taken out of the meter's number first, so that no battery swallows or feeds it. */
#include "policies/work.h"

#include <math.h>

#define DEAD_BAND_W 15.0
#define READ_LATE_MS 250  /* from our decision to the device's register */

static bool looped(const struct work_device *d)
{
	return d->controlled && d->order.kind == ORDER_BALANCE && !d->order.native;
}

static bool feeds_cars(const struct work *w)
{
	for (int i = 0; i < w->n; i++)
		if (looped(&w->d[i]) && w->d[i].rank == RANK_EVENT && w->s->site.ev_in_follow_load)
			return true;
	return w->s->site.battery_to_ev;
}

static double at_sample(const struct work_device *d)
{
	return (d->guess_low_w + d->guess_high_w) / 2;
}

/* What the meter shall show: the order's own target plus everything that is not ours to cover. */
static double target_w(const struct work *w, double order_w, bool cars)
{
	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];

		if (d->controlled && d->order.kind == ORDER_POWER && !(d->charger && cars))
			order_w += at_sample(d);
		else if (d->charger && !d->controlled && !cars && d->known)
			order_w += double_max(0, at_sample(d));
	}
	return order_w;
}

/* Where the device stands: what it was told, unless it plainly does something else. */
static double base_w(const struct work_device *d)
{
	const struct order *o = &d->dev->ordered;
	double w = d->now_w, slack;

	if (o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native)) {
		slack = double_max(150, 0.1 * fabs(o->w));
		w = o->w;
		if (d->known && d->memory->reading_ms >= d->dev->ordered_at_ms + view_settle_ms(d->dev))
			w = double_clamp(w, d->now_w - slack, d->now_w + slack);
	}
	return w;
}

/* Has the last change of this device reached the meter's sample? A device that is read to be still under way gets up to
 * three times its settle time. */
static bool settled(const struct work *w, const struct work_device *d)
{
	int64_t settle_ms = view_settle_ms(d->dev), since_ms = w->s->grid_w.at_ms - d->memory->changed_ms - READ_LATE_MS;
	const struct order *o = &d->dev->ordered;

	if (d->memory->changed_ms == 0 || since_ms >= 3 * settle_ms)
		return true;
	if (since_ms < settle_ms)
		return false;
	if (o->kind != ORDER_POWER && !(o->kind == ORDER_BALANCE && !o->native))
		return true;
	return !d->known || d->memory->reading_ms < d->memory->changed_ms || fabs(d->now_w - o->w) <= double_max(200, 0.25 * fabs(o->w));
}

/* Cars change their order every few seconds when they follow the sun: waiting for them has an end. */
static bool may_step(const struct work *w)
{
	int64_t longest_ms = 0;
	bool ready = true;

	if (w->s->grid_sample == w->c->loop.grid_sample)
		return false;
	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];

		if (!d->controlled || d->order.native)
			continue;
		if (view_settle_ms(d->dev) > longest_ms)
			longest_ms = view_settle_ms(d->dev);
		if (looped(d) && !settled(w, d))
			return false;
		if (!settled(w, d))
			ready = false;
	}
	return ready || w->s->now_ms - w->c->loop.step_ms > 3 * longest_ms + 2000;
}

/* The sum to the devices: higher ranks first, within a rank by how much each can. */
static void spread(struct work *w, double sum_w)
{
	for (int rank = RANK_GUARD; rank < RANK_COUNT; rank++) {
		double room = 0, share;

		for (int i = 0; i < w->n; i++)
			if (looped(&w->d[i]) && (int)w->d[i].rank == rank)
				room += sum_w > 0 ? w->d[i].order.max_w : -w->d[i].order.min_w;
		share = room > 0 ? double_min(1, fabs(sum_w) / room) : 0;
		for (int i = 0; i < w->n; i++) {
			struct order *o = &w->d[i].order;

			if (looped(&w->d[i]) && (int)w->d[i].rank == rank)
				o->w = share * (sum_w > 0 ? o->max_w : o->min_w);
		}
		sum_w -= copysign(double_min(fabs(sum_w), room), sum_w);
	}
}

void balance_step(struct work *w)
{
	double sum_w = 0, error_w, order_w = 0;
	bool any = false;

	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!looped(d))
			continue;
		if (!any)
			order_w = d->order.grid_w;
		any = true;
		sum_w += base_w(d);
		d->order.w = double_clamp(base_w(d), d->order.min_w, d->order.max_w);
		if (d->dev->ordered.kind == ORDER_BALANCE && !d->dev->ordered.native)
			d->order.w = double_clamp(d->dev->ordered.w, d->order.min_w, d->order.max_w);
	}
	if (!any || !w->meter || !may_step(w))
		return;
	error_w = target_w(w, order_w, feeds_cars(w)) - w->grid_w;
	w->c->loop.grid_sample = w->s->grid_sample;
	if (fabs(error_w) < DEAD_BAND_W)
		return;
	spread(w, sum_w + error_w);
	w->c->loop.step_ms = w->s->now_ms;
}
