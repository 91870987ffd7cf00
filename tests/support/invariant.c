/* What must never happen, whatever the home does. Written anew from the design, not from the code under test: floors,
 * windows and reaction times are computed here a second time. */
#include "support/scenario.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct check {
	struct invariants *m;
	const struct home *h;
	const struct snapshot *s;
	const struct chain *c;
	const struct decisions *d;
	char *what;
	size_t size;
};

static void bad(struct check *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void bad(struct check *k, const char *fmt, ...)
{
	va_list ap;

	if (k->what[0])
		return; /* the first one is the story */
	va_start(ap, fmt);
	vsnprintf(k->what, k->size, fmt, ap);
	va_end(ap);
}

static bool in_force(const struct snapshot *s, const struct command_view *c)
{
	return c->active && s->clock_trusted && c->starts_utc_ms <= s->utc_ms && (!c->ends_utc_ms || s->utc_ms < c->ends_utc_ms);
}

static double floor_of(const struct snapshot *s, int i)
{
	const struct command_view *c = &s->dev[i].command;
	double user = s->site.reserve_pct, pct = user;

	if (in_force(s, c)) {
		pct = !isnan(c->command_pct) ? c->command_pct : user;
		if (s->site.honour_user_floor)
			pct = fmax(pct, user);
	}
	return fmax(pct, s->dev[i].soc_min_pct);
}

static bool island(const struct snapshot *s)
{
	return s->grid_lost || (s->grid_back_ms && s->now_ms < s->grid_back_ms + 60000);
}

/* As the hub knows it; the home may know more. */
static bool online(const struct check *k, int i)
{
	return k->s->dev[i].state.availability == AVAIL_ONLINE;
}

/* Power the order makes the device take at least and at most. */
static void span(const struct order *o, double *lo, double *hi)
{
	*lo = *hi = 0;
	if (o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native)) {
		*lo = *hi = o->w;
	} else if (o->kind == ORDER_BALANCE) {
		*lo = o->min_w;
		*hi = o->max_w;
	}
}

static void check_battery(struct check *k, int i)
{
	const struct home_device *hd = &k->h->d[i];
	const struct value *soc = &k->s->dev[i].state.f[F_BATTERY_SOC_PCT];
	const struct order *o = &k->d->d[i].order;
	double floor = floor_of(k->s, i), lo, hi;
	bool forced = o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);

	span(o, &lo, &hi);
	if (k->s->now_ms - soc->at_ms > 60000 && (lo != 0 || hi != 0))
		bad(k, "battery %d: %.0f..%.0f W with SoC unknown for %lld ms", i, lo, hi, (long long)(k->s->now_ms - soc->at_ms));
	if (lo < 0 && soc->v <= floor)
		bad(k, "battery %d: discharge %.0f W ordered, SoC %.2f at or below the floor %.0f", i, lo, soc->v, floor);
	if (lo < 0 && hd->soc_pct < floor - 0.5 - hd->soc_step_pct)
		bad(k, "battery %d: discharge %.0f W ordered, true SoC %.2f more than 0.5 point below the floor %.0f", i, lo, hd->soc_pct, floor);
	if (lo < -hd->discharge_max_w - 0.01 || hi > hd->charge_max_w + 0.01)
		bad(k, "battery %d: %.0f..%.0f W is outside the ratings", i, lo, hi);
	if (!hd->guarded && !hd->allow_unguarded && forced && o->w != 0)
		bad(k, "battery %d: forced %.0f W, and nobody guards it", i, o->w);
	if (in_force(k->s, &k->s->dev[i].command) && k->s->dev[i].command.grid_import == TRI_NO && o->kind == ORDER_POWER && o->w > 0 &&
	    k->d->d[i].rank != RANK_OVERRIDE)
		bad(k, "battery %d: %.0f W forced in during a command that forbids grid import", i, o->w);
	if ((island(k->s) || k->s->paused || k->s->stopping) && online(k, i) && o->kind != ORDER_RELEASE)
		bad(k, "battery %d: not released on island, pause or stop", i);
	if (k->s->now_ms - k->m->lost_since_ms > 10000 && (hi > 0 || (forced && lo < 0)))
		bad(k, "battery %d: %.0f..%.0f W without a meter", i, lo, hi);
}

static void check_charger(struct check *k, int i)
{
	struct invariants *m = k->m;
	const struct home_device *hd = &k->h->d[i];
	const struct decision *d = &k->d->d[i];
	double w = d->order.kind == ORDER_POWER ? d->order.w : 0, min_w = 6 * 230.0 * hd->phases;
	int64_t now_ms = k->s->now_ms;
	bool cut = w < m->charger_w[i] && ((d->limited_by & (1u << RANK_GUARD | 1u << RANK_LIMIT)) || d->rank <= RANK_OVERRIDE);

	if (w < 0 || (w > 0 && w < min_w - 1) || w > 230.0 * hd->phases * hd->max_a + 0.01)
		bad(k, "charger %d: %.0f W is neither 0 nor %.0f..%.0f W", i, w, min_w, 230.0 * hd->phases * hd->max_a);
	if (island(k->s) && !k->s->stopping && online(k, i) && (d->order.kind != ORDER_POWER || w != 0))
		bad(k, "charger %d: not paused on island", i);
	if ((k->s->paused || k->s->stopping) && !island(k->s) && online(k, i) && d->order.kind != ORDER_RELEASE)
		bad(k, "charger %d: not released on pause or stop", i);
	if (k->s->now_ms - m->lost_since_ms > 10000 && w > min_w + 1)
		bad(k, "charger %d: %.0f W without a meter is more than failsafe", i, w);
	if (w == m->charger_w[i])
		return;
	if (hd->connected && !cut && m->charger_changed_ms[i] && now_ms - m->charger_changed_ms[i] < 5000 && d->order.kind == ORDER_POWER)
		bad(k, "charger %d: %.0f to %.0f W only %lld ms after the last change", i, m->charger_w[i], w,
		    (long long)(now_ms - m->charger_changed_ms[i]));
	if (m->charger_w[i] == 0 && m->charger_zero_ms[i] && now_ms - m->charger_zero_ms[i] < 60000)
		bad(k, "charger %d: resumed %lld ms after a pause", i, (long long)(now_ms - m->charger_zero_ms[i]));
	if (w == 0)
		m->charger_zero_ms[i] = now_ms;
	m->charger_w[i] = w;
	m->charger_changed_ms[i] = now_ms;
}

static void check_order(struct check *k, int i)
{
	const struct decision *d = &k->d->d[i];
	const struct order *o = &d->order;
	bool command = false;

	if (!isfinite(o->w) || !isfinite(o->min_w) || !isfinite(o->max_w) || o->min_w > 0 || o->max_w < 0)
		bad(k, "device %d: %s %f [%f..%f]", i, order_word(o->kind), o->w, o->min_w, o->max_w);
	if (!d->why[0])
		bad(k, "device %d: no reason", i);
	if ((k->s->dev[i].state.availability == AVAIL_OFFLINE) != (o->kind == ORDER_NONE))
		bad(k, "device %d: %s while %s", i, order_word(o->kind), availability_word(k->s->dev[i].state.availability));
	for (int n = 0; n < k->s->n_devices; n++)
		command |= in_force(k->s, &k->s->dev[n].command);
	if (d->rank == RANK_EVENT && !command)
		bad(k, "device %d: an event's order with no command in force", i);
	for (int n = 0; n < k->c->wishes.n_limits; n++) {
		const struct limit_wish *l = &k->c->wishes.limits[n];
		double lo, hi;

		if (!(l->min_w <= 0 && l->max_w >= 0))
			bad(k, "a limit without 0: %f..%f (%s)", l->min_w, l->max_w, l->why);
		span(o, &lo, &hi);
		if (l->device == i && (!l->power_only || o->kind == ORDER_POWER) && (lo < l->min_w - 0.01 || hi > l->max_w + 0.01))
			bad(k, "device %d: %.0f..%.0f W breaks \"%s\"", i, lo, hi, l->why);
	}
}

/* How long a limit may be breached while there is something left that could be ordered off and is not. */
static int64_t reaction_ms(const struct check *k)
{
	int slowest = 0;

	for (int i = 0; i < k->h->n; i++)
		if (3 * k->h->d[i].settle_ms + k->h->d[i].poll_ms > slowest)
			slowest = 3 * k->h->d[i].settle_ms + k->h->d[i].poll_ms;
	return 3 * (int64_t)k->s->site.tick_ms + 2 * k->h->meter_period_ms + k->h->meter_delay_ms + slowest + 8000;
}

/* Takes what a battery may still give before the fuse of a phase it may sit on is at its limit the other way. @left_w is what
 * the phases have left: batteries on one phase share it. */
static double fuse_take(const struct home_device *hd, double left_w[3], double can_w)
{
	double share = hd->phases == 3 ? 1.0 / 3 : 1;

	for (int p = 1; p <= 3; p++)
		if (hd->phases == 3 || !hd->phase_told || hd->phase == p)
			can_w = fmin(can_w, left_w[p - 1] / share);
	for (int p = 1; p <= 3; p++)
		if (hd->phases == 3 || !hd->phase_told || hd->phase == p)
			left_w[p - 1] -= can_w * share;
	return can_w;
}

/* W that could still be taken off the point (dir +1: import) but was not ordered off. */
static double reducible(const struct check *k, int point, double dir)
{
	bool fuse = k->h->meter_phases && k->s->site.fuse_a > 0;
	double sum = 0, left_w[3];

	for (int p = 0; p < 3; p++)
		left_w[p] = fuse ? fmax(0, k->s->site.fuse_a * 230 + k->h->phase_w[p]) : INFINITY;
	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		const struct decision *d = &k->d->d[i];
		double lo, hi, soc = k->s->dev[i].state.f[F_BATTERY_SOC_PCT].v;

		if (d->order.kind != ORDER_POWER && d->order.kind != ORDER_BALANCE)
			continue;
		if (point > 0 && hd->phases == 1 && hd->phase != point)
			continue;
		span(&d->order, &lo, &hi);
		if (d->order.kind == ORDER_BALANCE && d->order.native)
			lo = hi = hd->power_w; /* by itself it moves toward 0 W of grid, never into a limit */
		sum += fmax(0, dir * (lo + hi) / 2);
		if (dir > 0 && hd->kind == HOME_BATTERY && d->rank >= RANK_LIMIT && hd->can_power && (hd->guarded || hd->allow_unguarded) &&
		    (point == 0 || hd->phases == 3 || hd->phase_told) && soc > floor_of(k->s, i) + 3 && !hd->fault)
			sum += fuse_take(hd, left_w, fmax(0, fmin(0, lo) + hd->discharge_max_w));
	}
	return sum;
}

static void check_point(struct check *k, int point, double dir, double limit_w)
{
	double now_w = dir * (point ? k->h->phase_w[point - 1] : k->h->grid_w);
	int64_t *since_ms = &k->m->over_ms[point][dir < 0];
	bool blind = k->h->meter_lost || island(k->s) || k->s->paused || k->s->stopping;

	for (int i = 0; i < k->h->n; i++)
		blind = blind || k->h->d[i].deaf || k->h->d[i].offline || k->h->d[i].fault;
	if (blind || !(now_w > limit_w + 300) || reducible(k, point, dir) <= 250) {
		*since_ms = 0;
		return;
	}
	if (*since_ms == 0)
		*since_ms = k->s->now_ms;
	if (k->s->now_ms - *since_ms > reaction_ms(k))
		bad(k, "%s: %.0f W beyond %.0f W for %lld ms, and %.0f W could still be taken off", point ? "phase" : "site", dir * now_w,
		    dir * limit_w, (long long)(k->s->now_ms - *since_ms), reducible(k, point, dir));
}

/* However it is ordered, a command that forbids import lets a battery have what the sun leaves, not more. */
static void check_no_import(struct check *k)
{
	double took_w = 0, left_w = fmax(0, k->h->pv_w - k->h->load_w);
	bool blind = k->h->meter_lost || island(k->s) || k->s->paused || k->s->stopping;

	for (int i = 0; i < k->h->n; i++) {
		const struct command_view *c = &k->s->dev[i].command;
		const struct decision *d = &k->d->d[i];

		blind = blind || k->h->d[i].deaf || k->h->d[i].offline || k->h->d[i].fault;
		if (in_force(k->s, c) && c->grid_import == TRI_NO && d->order.kind == ORDER_BALANCE && d->rank != RANK_OVERRIDE)
			took_w += fmax(0, k->h->d[i].power_w);
	}
	if (blind || took_w <= left_w + 300) {
		k->m->fed_ms = 0;
		return;
	}
	if (k->m->fed_ms == 0)
		k->m->fed_ms = k->s->now_ms;
	if (k->s->now_ms - k->m->fed_ms > reaction_ms(k))
		bad(k, "batteries take %.0f W for %lld ms where a command forbids import and the sun leaves %.0f W", took_w,
		    (long long)(k->s->now_ms - k->m->fed_ms), left_w);
}

static double limit_of(double configured_w, double external_w)
{
	double w = configured_w > 0 ? configured_w : INFINITY;

	return isnan(external_w) ? w : fmin(w, external_w);
}

void invariants_check(struct invariants *m, const struct home *h, const struct snapshot *s, const struct chain *c,
		      const struct decisions *d, char *what, size_t size)
{
	struct check k = { m, h, s, c, d, what, size };

	m->lost_since_ms = s->grid_w.at_ms;
	if (d->n != s->n_devices || d->d[h->n].order.kind != ORDER_NONE)
		bad(&k, "%d decisions, the meter has %s", d->n, order_word(d->d[h->n].order.kind));
	if (c->bad_wishes)
		bad(&k, "%u bad wishes", c->bad_wishes);
	for (int i = 0; i < h->n; i++) {
		check_order(&k, i);
		if (h->d[i].kind == HOME_BATTERY)
			check_battery(&k, i);
		else
			check_charger(&k, i);
	}
	check_no_import(&k);
	check_point(&k, 0, 1, limit_of(s->site.import_limit_w, s->external.import_w));
	check_point(&k, 0, -1, limit_of(s->site.export_limit_w, s->external.export_w));
	for (int p = 1; p <= 3 && h->meter_phases && s->site.fuse_a > 0; p++) {
		check_point(&k, p, 1, s->site.fuse_a * 230);
		check_point(&k, p, -1, s->site.fuse_a * 230);
	}
}
