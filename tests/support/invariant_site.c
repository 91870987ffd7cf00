/* What the grid point must keep: no import where a command forbids it, no car fed from the house battery, one authority on the
 * meter, no sun thrown away for nothing. Most of it is true only while whoever is asked answers, obeys and tells the truth
 * (`calm`). Limits: invariant_limit.c. */
#include "support/invariant.h"

#include <math.h>

#define SLACK_W 300.0
#define CAUSE_W 150.0
#define LOOP_WINDOWS 3  /* a device that does something else than it was told is believed after so many (README "Readings") */

/* True once something has been so for longer than the loop may take. */
static bool too_long(const struct check *k, int64_t *since_ms, bool is)
{
	return invariant_too_long(k, since_ms, is && !k->tapers, invariant_reaction_ms(k, 0, 0, LOOP_WINDOWS));
}

static double suns(const struct home *h)
{
	double sum_w = h->pv_w;

	for (int i = 0; i < h->n; i++)
		sum_w += h->d[i].kind == HOME_PV ? -h->d[i].power_w : h->d[i].sun_given_w;
	return sum_w;
}

/* However it is ordered, a command that forbids import lets a battery have what the sun leaves, not more. */
static void check_no_import(struct check *k)
{
	double took_w = 0, left_w = fmax(0, suns(k->h) - k->h->load_w);

	for (int i = 0; i < k->h->n; i++) {
		const struct command_view *c = &k->s->dev[i].command;
		const struct decision *d = &k->d->d[i];

		if (invariant_in_force(k->s, c) && c->grid_import == TRI_NO && d->order.kind == ORDER_BALANCE && d->rank != RANK_OVERRIDE)
			took_w += fmax(0, k->h->d[i].power_w);
	}
	if (k->m->fed_ms == 0 || left_w < k->m->fed_left_w - CAUSE_W) { /* less sun is a new cause, also a hybrid's that its port holds back */
		k->m->fed_ms = 0;
		k->m->fed_left_w = left_w;
	}
	if (too_long(k, &k->m->fed_ms, took_w > left_w + SLACK_W))
		invariant_bad(k, "batteries take %.0f W for %lld ms where a command forbids import and the sun leaves %.0f W", took_w,
			      (long long)(k->s->now_ms - k->m->fed_ms), left_w);
}

/* What plan and self-use discharge is for the house, not for the car, unless the owner says so. */
static void check_car_fed(struct check *k)
{
	double gave_w = 0, needed_w = fmax(0, k->h->load_w - suns(k->h));
	bool car = false, other = k->s->site.battery_to_ev;

	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		const struct decision *d = &k->d->d[i];

		if (hd->kind == HOME_CHARGER)
			car = car || hd->power_w > 100;
		if (hd->kind != HOME_BATTERY)
			continue;
		if (d->order.kind == ORDER_BALANCE && d->rank >= RANK_PLAN)
			gave_w += fmax(0, -hd->power_w);
		else if (d->order.kind == ORDER_POWER && hd->power_w > 0)
			needed_w += hd->power_w; /* charged by order: the house's as well */
		else if (d->order.kind != ORDER_POWER || d->rank == RANK_LIMIT)
			other = true; /* its own control, support, an event: theirs to say */
	}
	for (int i = 0; i < k->h->n; i++) /* while cars are still being changed, what they take is a guess */
		other = other || k->s->now_ms - k->m->charger_changed_ms[i] < 5000 + k->s->site.tick_ms;
	if (too_long(k, &k->m->car_fed_ms, car && !other && gave_w > needed_w + SLACK_W))
		invariant_bad(k, "batteries give %.0f W for %lld ms while a car charges and the house needs %.0f W", gave_w,
			      (long long)(k->s->now_ms - k->m->car_fed_ms), needed_w);
}

/* Two that hold one meter fight; and one that balances by itself undoes what another is ordered to do. */
static void check_authority(struct check *k)
{
	int native = 0, looped = 0, ordered = 0;

	for (int i = 0; i < k->h->n; i++) {
		const struct order *o = &k->d->d[i].order;
		bool moves = o->min_w < 0 || o->max_w > 0;

		if (o->kind == ORDER_BALANCE && o->native && moves)
			native++;
		else if (o->kind == ORDER_BALANCE && moves)
			looped = 1;
		else if (o->kind == ORDER_POWER && o->w != 0 && k->h->d[i].kind == HOME_BATTERY)
			ordered++;
	}
	if (native + looped > 1)
		invariant_bad(k, "%d devices balance by themselves and %d by our loop on one meter", native, looped);
	if (native == 0 || ordered == 0)
		k->m->beside_ms = 0;
	else if (k->m->beside_ms == 0)
		k->m->beside_ms = k->s->now_ms;
	/* a limit may call a second one in; then the first goes over to our loop as soon as that is seen */
	if (k->m->beside_ms && k->s->now_ms - k->m->beside_ms > invariant_reaction_ms(k, 0, 0, LOOP_WINDOWS))
		invariant_bad(k, "%d devices balance by themselves beside %d under order", native, ordered);
}

/* Sun is thrown away for a limit or for a price below 0, and for nothing else. */
static void check_sun(struct check *k)
{
	const struct snapshot *s = k->s;
	bool cause = s->site.export_limit_w > 0 || !isnan(s->external.export_w) || s->export_price < 0 || s->site.fuse_a > 0 ||
		     s->grid_lost || s->now_ms - s->grid_w.at_ms > INVARIANT_METER_MS;

	if (cause)
		k->m->cause_ms = s->now_ms;
	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		const struct order *o = &k->d->d[i].order;

		if (hd->kind == HOME_PV && o->kind == ORDER_POWER && -o->w < hd->peak_w - 1 && k->calm && k->d->d[i].rank >= RANK_PLAN &&
		    s->now_ms - k->m->cause_ms > 120000 + invariant_reaction_ms(k, 0, 0, LOOP_WINDOWS))
			invariant_bad(k, "pv %d: held to %.0f W, and nothing asks for that", i, -o->w);
	}
}

/* The site's mode is the rank of the first battery's order, else of the first charger's; guard where nobody has one. */
static enum rank mode_of(const struct check *k)
{
	static const enum home_kind KINDS[] = { HOME_BATTERY, HOME_CHARGER };

	for (size_t n = 0; n < sizeof(KINDS) / sizeof(KINDS[0]); n++)
		for (int i = 0; i < k->h->n; i++)
			if (k->h->d[i].kind == KINDS[n] && k->d->d[i].order.kind != ORDER_NONE)
				return k->d->d[i].rank;
	return RANK_GUARD;
}

static void check_words(struct check *k)
{
	const struct decisions *d = k->d;
	int i = 0;

	while (i < k->h->n && k->h->d[i].kind != HOME_BATTERY)
		i++;
	if (d->mode != mode_of(k))
		invariant_bad(k, "the site's mode is %s, its first order's rank is %s", rank_word(d->mode), rank_word(mode_of(k)));
	if (!d->why[0] || !(d->limit_unreachable_w >= 0))
		invariant_bad(k, "the site has no reason or %.0f W unreachable", d->limit_unreachable_w);
	if (i < k->h->n && (!d->floor_source[0] || fabs(d->floor_pct - fmin(100, invariant_floor(k->s, i))) > 1e-6))
		invariant_bad(k, "floor told %.2f by '%s', is %.2f", d->floor_pct, d->floor_source, invariant_floor(k->s, i));
	for (int n = 0; n < d->n_doubts; n++)
		if (!d->doubts[n].why[0] || d->doubts[n].device >= k->s->n_devices)
			invariant_bad(k, "a doubt about device %d without words", d->doubts[n].device);
}

void invariant_site(struct check *k)
{
	check_words(k);
	check_authority(k);
	check_no_import(k);
	check_car_fed(k);
	check_sun(k);
}
