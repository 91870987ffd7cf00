/* What the grid point must keep: limits within the time the devices need, no import where a command forbids it, no car fed
 * from the house battery, one authority on the meter, no sun thrown away for nothing. Most of it is true only while whoever is
 * asked answers, obeys and tells the truth (`calm`). */
#include "support/invariant.h"

#include <math.h>

#define SLACK_W 300.0
#define LIMIT_SLACK_W 200.0 /* README: meter and devices are not read at the same moment; beyond the house's noise */
#define SHORT 0.15          /* README "Readings": a battery that does so much less than told counts as following */
#define CAUSE_W 150.0
#define LEFT_W 250.0

/* From an order to its effect: what is told of the device, or what it really needs, whichever is longer. */
static int64_t settle_ms(const struct home_device *hd)
{
	int64_t own_ms = hd->delay_ms + 3 * hd->tau_ms;

	return own_ms > hd->settle_ms ? own_ms : hd->settle_ms;
}

/* So long an order may be on its way unseen (response.h): at first by the settle time, later what the device has shown. */
static int64_t window_ms(const struct check *k, int i)
{
	int64_t s_ms = settle_ms(&k->h->d[i]), shown_ms = (int64_t)k->c->device[i].response.max_ms;
	const struct home_device *hd = &k->h->d[i];
	int64_t first_ms = hd->kind == HOME_PV ? s_ms + 2000 : s_ms + s_ms / 2 + 1000;

	if (hd->car_over > 0 || hd->car_ramp_a_s > 0) /* what a car makes of its orders only its own readings tell */
		first_ms += hd->poll_ms;
	return shown_ms > first_ms ? shown_ms : first_ms;
}

/* policies/README.md "Limits: how long they may be exceeded": meter period + meter delay + tick + settle time, and @windows times
 * what an order on its way may hide. The bus takes no time in this home. */
static int64_t reaction_ms(const struct check *k, int windows)
{
	int64_t slowest_ms = 0, hidden_ms = 0;

	for (int i = 0; i < k->h->n; i++) {
		int64_t own_ms = settle_ms(&k->h->d[i]), unseen_ms = window_ms(k, i);

		slowest_ms = own_ms > slowest_ms ? own_ms : slowest_ms;
		hidden_ms = unseen_ms > hidden_ms ? unseen_ms : hidden_ms;
	}
	return k->h->meter_period_ms + k->h->meter_delay_ms + k->s->site.tick_ms + slowest_ms + windows * hidden_ms;
}

/* A battery that is nearly full takes less from second to second: each 150 W of that is a new step, not the old one. */
static void taper_watch(struct check *k)
{
	double taper_w = 0;

	for (int i = 0; i < k->h->n; i++)
		if (k->h->d[i].kind == HOME_BATTERY && k->h->d[i].soc_pct > 97)
			taper_w += fmax(0, k->h->d[i].power_w);
	k->tapers = fabs(taper_w - k->m->taper_w) > 150;
	if (k->tapers)
		k->m->taper_w = taper_w;
}

#define LIMIT_WINDOWS 1 /* the cut before this one may still be on its way */
#define BOUNDED_WINDOWS 3 /* support that may not go too far the other way waits until each step is seen */
#define LOOP_WINDOWS 3  /* a device that does something else than it was told is believed after so many (README "Readings") */

/* True once something has been so for longer than that takes. */
static bool too_long(const struct check *k, int64_t *since_ms, bool is, int windows)
{
	if (!is || !k->calm || k->tapers)
		*since_ms = 0;
	else if (*since_ms == 0)
		*since_ms = k->s->now_ms;
	return *since_ms != 0 && k->s->now_ms - *since_ms > reaction_ms(k, windows);
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

/* W a battery could still give in support. */
static double support_left(const struct check *k, int i, int point)
{
	const struct home_device *hd = &k->h->d[i];
	const struct decision *d = &k->d->d[i];
	double lo, hi, soc = k->s->dev[i].state.f[F_BATTERY_SOC_PCT].v;

	if (hd->kind != HOME_BATTERY || d->rank < RANK_LIMIT || !hd->can_power || !(hd->guarded || hd->allow_unguarded) || hd->fault ||
	    !(point == 0 || hd->phases == 3 || hd->phase_told) || soc <= invariant_floor(k->s, i) + 3)
		return 0;
	invariant_span(&d->order, &lo, &hi);
	if (hd->hybrid && hd->port_max_w > 0) /* the sun has the port first */
		return fmax(0, fmin(hd->discharge_max_w, hd->port_max_w - hd->sun_w) + fmin(0, lo));
	return fmax(0, fmin(0, lo) + hd->discharge_max_w);
}

/* W that could still be taken off the point (dir +1: import) but was not ordered off. @bounded: it is support, and a limit the
 * other way bounds it. */
static double reducible(const struct check *k, int point, double dir, bool *bounded)
{
	bool fuse = k->h->meter_phases && k->s->site.fuse_a > 0;
	double sum = 0, support_w = 0, left_w[3];

	for (int p = 0; p < 3; p++)
		left_w[p] = fuse ? fmax(0, k->s->site.fuse_a * 230 + k->h->phase_w[p]) : INFINITY;
	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		const struct decision *d = &k->d->d[i];
		double lo, hi;

		if (point > 0 && hd->phases == 1 && hd->phase != point)
			continue;
		if (hd->kind == HOME_PV && dir < 0 && d->order.kind == ORDER_RELEASE)
			sum += -hd->power_w;
		if (d->order.kind != ORDER_POWER && d->order.kind != ORDER_BALANCE)
			continue;
		invariant_span(&d->order, &lo, &hi);
		if (hd->kind == HOME_PV)
			lo = hi = fmax(lo, -hd->sun_w);
		if (d->order.kind == ORDER_BALANCE && d->order.native)
			lo = hi = hd->power_w; /* by itself it moves toward 0 W of grid, never into a limit */
		sum += fmax(0, dir * (lo + hi) / 2);
		if (dir > 0)
			support_w += fuse_take(hd, left_w, support_left(k, i, point));
	}
	*bounded = support_w > sum && (fuse || k->s->site.export_limit_w > 0 || !isnan(k->s->external.export_w));
	return sum + support_w;
}

/* What the home does by itself, W: without batteries and cars, sun as it shines. A car that takes more than told and comes to it
 * slowly shows how much more only as it rises. */
static double by_itself(const struct home *h)
{
	double sum_w = h->load_w - h->pv_w;

	for (int i = 0; i < h->n; i++) {
		const struct home_device *hd = &h->d[i];

		sum_w -= hd->kind == HOME_PV ? hd->sun_w : hd->sun_given_w;
		sum_w += hd->car_over > 0 && hd->car_ramp_a_s > 0 ? hd->power_w : 0;
	}
	return sum_w;
}

/* The time runs from the cause: a home that has made it worse since is a new one. (A hybrid's sun that its port held back comes
 * out when the battery takes less: to the meter nothing was cut.) */
static void cause_watch(struct check *k)
{
	double now_w = by_itself(k->h);

	for (int out = 0; out < 2; out++) {
		double w = out ? -now_w : now_w, *least_w = &k->m->least_w[out];

		if (!k->m->seen || w < *least_w || w > *least_w + CAUSE_W) {
			for (int point = 0; k->m->seen && w > *least_w && point < 4; point++)
				k->m->over_ms[point][out] = 0;
			*least_w = w;
		}
	}
	k->m->seen = true;
}

/* W ordered of devices that nobody has said not to sit on this phase. */
static double elsewhere(const struct check *k, int point, double dir)
{
	double sum = 0, lo, hi;

	for (int i = 0; point > 0 && i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];

		invariant_span(&k->d->d[i].order, &lo, &hi);
		if (hd->phases == 1 && !hd->phase_told && hd->phase != point)
			sum += fmax(0, dir * (lo + hi) / 2);
	}
	return sum;
}

/* W batteries are told to give. */
static double given(const struct check *k)
{
	double sum = 0, lo, hi;

	for (int i = 0; i < k->h->n; i++) {
		invariant_span(&k->d->d[i].order, &lo, &hi);
		sum += k->h->d[i].kind == HOME_BATTERY ? fmax(0, -lo) : 0;
	}
	return sum;
}

static void check_point(struct check *k, int point, double dir, double limit_w)
{
	double now_w = dir * (point ? k->h->phase_w[point - 1] : k->h->grid_w);
	int64_t *since_ms = &k->m->over_ms[point][dir < 0];
	double *began_w = &k->m->began_w[point][dir < 0], *tried_w = &k->m->tried_w[point][dir < 0];
	double slack_w, left_w, elsewhere_w = elsewhere(k, point, dir);
	bool bounded;

	left_w = reducible(k, point, dir, &bounded);
	if (*since_ms == 0 || elsewhere_w < *tried_w - LEFT_W || (bounded && left_w < *began_w / 2)) {
		*since_ms = 0; /* how much more may be given, and where it helps, shows with each step only */
		*began_w = left_w;
		*tried_w = elsewhere_w;
	}
	slack_w = LIMIT_SLACK_W + k->h->noise_w + (bounded ? SHORT * given(k) : 0);
	if (too_long(k, since_ms, now_w > limit_w + slack_w && left_w > LEFT_W, bounded ? BOUNDED_WINDOWS : LIMIT_WINDOWS))
		invariant_bad(k, "%s: %.0f W beyond %.0f W for %lld ms, and %.0f W could still be taken off", point ? "phase" : "site",
			      dir * now_w, dir * limit_w, (long long)(k->s->now_ms - *since_ms), left_w);
}

static double limit_of(double configured_w, double external_w, double demand_w)
{
	double w = configured_w > 0 ? configured_w : INFINITY;

	w = demand_w > 0 ? fmin(w, demand_w) : w;
	return isnan(external_w) ? w : fmin(w, external_w);
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
	if (too_long(k, &k->m->fed_ms, took_w > left_w + SLACK_W, LOOP_WINDOWS))
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
	if (too_long(k, &k->m->car_fed_ms, car && !other && gave_w > needed_w + SLACK_W, LOOP_WINDOWS))
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
	if (k->m->beside_ms && k->s->now_ms - k->m->beside_ms > reaction_ms(k, LOOP_WINDOWS))
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
		    s->now_ms - k->m->cause_ms > 120000 + reaction_ms(k, LOOP_WINDOWS))
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
	const struct snapshot *s = k->s;

	taper_watch(k);
	cause_watch(k);
	check_words(k);
	check_authority(k);
	check_no_import(k);
	check_car_fed(k);
	check_sun(k);
	check_point(k, 0, 1, limit_of(s->site.import_limit_w, s->external.import_w, s->external.demand_w));
	check_point(k, 0, -1, limit_of(s->site.export_limit_w, s->external.export_w, 0));
	for (int p = 1; p <= 3 && k->h->meter_phases && s->site.fuse_a > 0; p++) {
		check_point(k, p, 1, s->site.fuse_a * 230);
		check_point(k, p, -1, s->site.fuse_a * 230);
	}
}
