/* See chain.h and policies/README.md "The flow of one tick". The steps live in posture.c, balance.c, share.c and snap.c. */
#include "policies/chain.h"
#include "policies/floor.h"
#include "policies/mirror.h"
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void chain_init(struct chain *c)
{
	memset(c, 0, sizeof(*c));
	for (int p = 0; POLICIES[p]; p++)
		POLICIES[p]->init(c->memory[p]);
}

void chain_forget(struct chain *c, int device)
{
	memset(&c->device[device], 0, sizeof(c->device[device]));
}

/* Asks everybody. A limit that does not contain 0 is widened to it: safety only takes away. */
static void collect(struct chain *c, const struct snapshot *s)
{
	struct wishes *wishes = &c->wishes;

	wishes->n_limits = wishes->n_orders = wishes->n_doubts = 0;
	wishes->overflow = 0;
	wishes->meter_lost = wishes->meter_doubted = false;
	wishes->phase_doubts = 0;
	for (int p = 0; POLICIES[p]; p++) {
		int limit = wishes->n_limits, order = wishes->n_orders;

		POLICIES[p]->step(c->memory[p], s, wishes);
		for (; limit < wishes->n_limits; limit++)
			wishes->limits[limit].rank = POLICIES[p]->rank;
		for (; order < wishes->n_orders; order++)
			if (wishes->orders[order].rank == RANK_NONE)
				wishes->orders[order].rank = POLICIES[p]->rank;
	}
	for (int i = 0; i < wishes->n_limits; i++) {
		struct limit_wish *l = &wishes->limits[i];

		if (l->min_w <= 0 && l->max_w >= 0) /* false for NaN */
			continue;
		c->bad_wishes++;
		l->min_w = l->min_w <= 0 ? l->min_w : 0;
		l->max_w = l->max_w >= 0 ? l->max_w : 0;
	}
	c->bad_wishes += wishes->overflow;
}

static void band_cut(struct band *b, const struct limit_wish *l)
{
	if (l->min_w > b->min_w) {
		b->min_w = l->min_w;
		b->min_by = l;
	}
	if (l->max_w < b->max_w) {
		b->max_w = l->max_w;
		b->max_by = l;
	}
}

static void intersect(struct work *w)
{
	const struct wishes *wishes = &w->c->wishes;

	for (int i = 0; i < wishes->n_limits; i++) {
		const struct limit_wish *l = &wishes->limits[i];

		if (l->device >= w->n) {
			w->c->bad_wishes++;
			continue;
		}
		if (l->device < 0)
			continue;
		band_cut(&w->d[l->device].power_band, l);
		if (!l->power_only)
			band_cut(&w->d[l->device].band, l);
	}
}

static void begin(struct work *w, struct chain *c, const struct snapshot *s)
{
	w->s = s;
	w->c = c;
	w->n = s->n_devices < DEVICE_MAX ? s->n_devices : DEVICE_MAX;
	w->unreachable_w = w->offer_w = w->grid_w = 0;
	w->meter = view_grid(s, &w->grid_w) && !c->wishes.meter_lost;
	w->waits = start_waits(w);
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		const struct band open = { -INFINITY, INFINITY, NULL, NULL };

		memset(d, 0, sizeof(*d));
		d->dev = &s->dev[i];
		d->memory = &c->device[i];
		d->charger = view_charger(d->dev);
		d->phase = c->wishes.phase_doubts >> i & 1 ? 0 : s->dev[i].phase;
		d->priority = cars_priority(s, i);
		d->departure_ms = cars_departure_ms(s, i);
		d->band = d->power_band = open;
	}
	observe(w);
}

/* The first rank's order; within a rank the policy asked first. */
static void choose(struct work *w)
{
	const struct wishes *wishes = &w->c->wishes;

	for (int i = 0; i < wishes->n_orders; i++) {
		const struct order_wish *o = &wishes->orders[i];
		struct work_device *d;

		if (o->device < 0 || o->device >= w->n || !(o->order.w == o->order.w)) {
			w->c->bad_wishes++;
			continue;
		}
		d = &w->d[o->device];
		d->waits = w->waits && view_steerable(d->dev);
		if (view_steerable(d->dev) && !d->waits && (!d->wish || o->rank < d->rank)) {
			d->wish = o;
			d->rank = o->rank;
		}
	}
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!d->wish)
			continue;
		d->order = d->wanted = d->wish->order;
		d->controlled = d->order.kind == ORDER_POWER || d->order.kind == ORDER_BALANCE;
		work_clamp(d);
	}
}

/* A car that charged by itself and is told 0 W is paused as any other. */
static bool stopped(const struct work *w, int i)
{
	return w->d[i].dev->ordered.kind != ORDER_POWER && w->d[i].order.kind == ORDER_POWER && view_car_charging(w->s, i);
}

/* Times of changes, for dwell and for knowing when a device has settled. */
static void remember(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		const struct order *before = &d->dev->ordered;
		double before_w = before->kind == ORDER_POWER ? before->w : 0, now_w = d->order.kind == ORDER_POWER ? d->order.w : 0;

		if (d->order.kind != before->kind || d->order.w != before->w)
			d->memory->changed_ms = w->s->now_ms;
		if (!d->charger)
			continue;
		if ((before_w > 0 || stopped(w, i)) && !(now_w > 0))
			d->memory->zero_ms = w->s->now_ms;
		if (!(before_w > 0) && now_w > 0)
			d->memory->started_ms = w->s->now_ms;
		car_turn_note(&d->memory->turn, w->s->now_ms, d->wanted.kind == ORDER_POWER && d->wanted.w > 0, now_w > 0,
			      view_car_charging(w->s, i));
	}
}

/* Nobody's order is in force: what holds is the guard's word that nothing can be asked of a device. */
static void nobody_leads(const struct work *w, struct decisions *out)
{
	bool devices = false, answers = false, waits = false;

	for (int i = 0; i < w->n; i++) {
		if (!view_battery(w->d[i].dev) && !w->d[i].charger)
			continue;
		devices = true;
		waits = waits || w->d[i].waits;
		answers = answers || w->d[i].dev->state.availability == AVAIL_ONLINE || w->d[i].dev->state.availability == AVAIL_FAULT;
	}
	out->mode = RANK_GUARD;
	out->code = REASON_NO_ORDER;
	snprintf(out->why, sizeof(out->why), "%s",
		 !devices ? "there is no device to steer" : waits ? "not all devices have been read yet" : answers ? "no device that answers takes orders" : "no device answers");
}

/* Batteries that our loop holds the meter with do not feed cars: then the meter is not where the sentence says. */
static void cars_apart(struct work *w)
{
	bool draws = false;

	for (int i = 0; i < w->n; i++)
		draws = draws || (w->d[i].charger && view_car_charging(w->s, i));
	for (int i = 0; i < w->n; i++)
		w->d[i].car_apart = draws && w->d[i].order.kind == ORDER_BALANCE && !w->d[i].order.native;
}

static void conclude(const struct work *w, struct decisions *out)
{
	int lead = -1;

	out->n = w->n;
	out->limited_by = 0;
	out->limit_unreachable_w = w->unreachable_w;
	out->floor_pct = NAN;
	out->floor_source[0] = '\0';
	out->n_doubts = w->c->wishes.n_doubts;
	memcpy(out->doubts, w->c->wishes.doubts, sizeof(out->doubts));
	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];
		struct decision *one = &out->d[i];

		one->order = d->order;
		one->wanted = d->wanted;
		one->rank = d->rank;
		one->limited_by = d->limited_by;
		one->until_utc_ms = d->wish ? d->wish->until_utc_ms : 0;
		one->patience = d->patience;
		work_sentence(d, one->why, sizeof(one->why));
		one->code = d->cut[0] ? d->cut_code : d->wish ? d->wish->code : REASON_NO_ORDER;
		out->limited_by |= d->limited_by;
		if (d->wish && !view_pv(d->dev) && (lead < 0 || (w->d[lead].charger && !d->charger)))
			lead = i;
		if (view_battery(d->dev) && isnan(out->floor_pct)) {
			struct floor_view f = floor_effective(w->s, d->dev);

			out->floor_pct = f.pct;
			snprintf(out->floor_source, sizeof(out->floor_source), "%s", f.source);
		}
	}
	if (lead < 0) {
		nobody_leads(w, out);
		return;
	}
	out->mode = w->d[lead].rank;
	out->code = out->d[lead].code;
	memcpy(out->why, out->d[lead].why, sizeof(out->why));
}

void chain_step(struct chain *c, const struct snapshot *s, struct decisions *out)
{
	struct work w;

	collect(c, s);
	begin(&w, c, s);
	intersect(&w);
	choose(&w);
	posture_adapt(&w);
	curtail_begin(&w);
	balance_step(&w);
	snap_hold(&w);
	share_points(&w);
	snap_all(&w);
	for (int i = 0; i < w.n; i++) {
		if (guard_again(s, i, &w.d[i].order))
			work_cut(&w.d[i], RANK_GUARD, REASON_LAST_CHECK, "last check of ratings and floor");
		w.d[i].order.reserve_pct = mirror_reserve_pct(s, w.d[i].dev);
	}
	held_note(&w);
	cars_apart(&w);
	remember(&w);
	conclude(&w, out);
}
