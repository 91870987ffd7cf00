/* What limits must keep: no point beyond its limit for longer than policies/README.md "Limits: how long they may be exceeded" says.
 * The time comes from what the home is made of, never from what the code under test believes of it: a loop that takes its devices
 * for slow gets no more time for that. */
#include "support/invariant.h"

#include <math.h>

#define LIMIT_SLACK_W 200.0   /* README: meter and devices are not read at the same moment; beyond the house's noise */
#define SHORT 0.15            /* README "Readings": a battery that does so much less than told counts as following */
#define CAUSE_W 150.0
#define LEFT_W 250.0
#define MOVED_W 50.0
#define LIMIT_WINDOWS 1       /* the cut before this one may still be on its way */
#define COUNTED_MS 5000       /* README "PV": so long what cars will take by their orders counts as taken */
#define IDLE_MS 180000        /* README "Cars": after that a car's room is not kept for it */
#define STANDS_W 100.0
#define BOUNDED_WINDOWS 3     /* support that may not go too far the other way waits until each step is seen */
#define HIDDEN_MAX_MS 60000   /* whatever a driver says of its device */
#define TAPER_PCT 95.0        /* near there a battery may take less than its band says */

/* From an order to its effect: what is told of the device, or what it really needs, whichever is longer. */
static int64_t settle_ms(const struct home_device *hd)
{
	int64_t own_ms = hd->delay_ms + 3 * hd->tau_ms;

	return own_ms > hd->settle_ms ? own_ms : hd->settle_ms;
}

/* So long an order may be on its way unseen: what the loop allows before it has seen any, and the sample that shows its end, as late
 * as the meter is. */
static int64_t hidden_ms(const struct check *k, const struct home_device *hd)
{
	int64_t s_ms = settle_ms(hd), ms = k->h->meter_period_ms + k->h->meter_delay_ms;

	ms += hd->kind == HOME_PV ? s_ms + 2000 : s_ms + s_ms / 2 + 1000;
	if (hd->car_over > 0 || hd->car_ramp_a_s > 0) /* what a car makes of its orders only its own readings tell */
		ms += hd->poll_ms;
	return ms < HIDDEN_MAX_MS ? ms : HIDDEN_MAX_MS;
}

/* Sun is no means against import, and what sits on another phase none for this one. */
static bool matters(const struct home_device *hd, int point, double dir)
{
	if (point > 0 && hd->phases == 1 && hd->phase_told && hd->phase != point)
		return false;
	return hd->kind != HOME_PV || (dir <= 0 && hd->can_curtail);
}

/* The bus takes no time in this home. */
int64_t invariant_reaction_ms(const struct check *k, int point, double dir, int windows)
{
	int64_t slowest_ms = 0, unseen_ms = 0;

	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];

		if (!matters(hd, point, dir))
			continue;
		slowest_ms = settle_ms(hd) > slowest_ms ? settle_ms(hd) : slowest_ms;
		unseen_ms = hidden_ms(k, hd) > unseen_ms ? hidden_ms(k, hd) : unseen_ms;
	}
	return k->h->meter_period_ms + k->h->meter_delay_ms + k->s->site.tick_ms + slowest_ms + windows * unseen_ms;
}

bool invariant_too_long(const struct check *k, int64_t *since_ms, bool is, int64_t most_ms)
{
	if (!is || !k->calm)
		*since_ms = 0;
	else if (*since_ms == 0)
		*since_ms = k->s->now_ms;
	return *since_ms != 0 && k->s->now_ms - *since_ms > most_ms;
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

/* A battery nearly full, or with its port full, does less than told and does not say so: its own readings tell, twice, once it stands. */
static void denied_watch(struct check *k)
{
	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		int64_t *until_ms = &k->m->denied_ms[i];

		if (hd->kind != HOME_BATTERY || fabs(hd->denied_w) <= CAUSE_W)
			*until_ms = 0;
		else if (*until_ms == 0) /* the order has just reached it */
			*until_ms = k->s->now_ms + settle_ms(hd) - hd->delay_ms + 2 * hd->poll_ms;
		k->denied = k->denied || k->s->now_ms < *until_ms;
	}
}

/* Takes what a battery may still give (or take) before the site, or the fuse of a phase it may sit on, is at its limit the other
 * way. @left_w: what they have left; batteries share it. */
static double bounded_take(const struct home_device *hd, double left_w[4], double can_w)
{
	double share = hd->phases == 3 ? 1.0 / 3 : 1;

	can_w = fmin(can_w, left_w[0]);
	for (int p = 1; p <= 3; p++)
		if (hd->phases == 3 || !hd->phase_told || hd->phase == p)
			can_w = fmin(can_w, left_w[p] / share);
	left_w[0] -= can_w;
	for (int p = 1; p <= 3; p++)
		if (hd->phases == 3 || !hd->phase_told || hd->phase == p)
			left_w[p] -= can_w * share;
	return can_w;
}

/* W a battery could still give in support, whoever has said that it shall not: only what it is and what is known of it counts. */
static double support_left(const struct check *k, int i, int point)
{
	const struct home_device *hd = &k->h->d[i];
	const struct decision *d = &k->d->d[i];
	double lo, hi, soc = k->s->dev[i].state.f[F_BATTERY_SOC_PCT].v;

	if (hd->kind != HOME_BATTERY || !hd->can_power || !(hd->guarded || hd->allow_unguarded) || hd->fault || invariant_soc_unknown(k, i) ||
	    !(point == 0 || hd->phases == 3 || hd->phase_told) || soc <= invariant_floor(k->s, i) + 3)
		return 0;
	invariant_span(&d->order, &lo, &hi);
	if (hd->hybrid && hd->port_max_w > 0) /* the sun has the port first */
		return fmax(0, fmin(hd->discharge_max_w, hd->port_max_w - hd->sun_w) + fmin(0, lo));
	return fmax(0, fmin(0, lo) + hd->discharge_max_w);
}

/* Trials of the meter may not cost a limit: what a battery took, or might have taken, when one began it might take still. */
static void trial_watch(struct check *k)
{
	for (int i = 0; i < k->h->n; i++) {
		const struct decision *d = &k->d->d[i];
		double lo, hi;

		if (d->rank == RANK_GUARD && d->code == REASON_DOUBT)
			continue;
		invariant_span(&d->order, &lo, &hi);
		k->m->took_w[i] = d->order.kind == ORDER_BALANCE && d->order.native ? 0 : fmax(0, lo);
		k->m->might_w[i] = d->order.kind == ORDER_BALANCE && !d->order.native ? d->order.max_w : k->m->took_w[i];
	}
}

/* W a battery could still take of what goes out: at the site within its band, for it is the site that it balances. */
static double taking_left(const struct check *k, int i, int point)
{
	const struct home_device *hd = &k->h->d[i];
	double lo, hi, took_w = point ? k->m->took_w[i] : k->m->might_w[i];

	if (hd->kind != HOME_BATTERY || hd->fault || invariant_soc_unknown(k, i) || hd->soc_pct > TAPER_PCT)
		return 0;
	invariant_span(&k->d->d[i].order, &lo, &hi);
	if (hd->hybrid && hd->port_max_w > 0)
		took_w = fmin(took_w, hd->port_max_w);
	return fmax(0, took_w - fmax(0, hi));
}

/* A car that is told to charge and does not: how long its room is kept for it. A hub that was just started begins anew. */
static void cars_watch(struct check *k)
{
	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		int64_t *since_ms = &k->m->stands_ms[i];
		double lo, hi;

		invariant_span(&k->d->d[i].order, &lo, &hi);
		if (hd->kind != HOME_CHARGER || hi <= 0 || hd->power_w > STANDS_W)
			*since_ms = 0;
		else if (*since_ms == 0 || *since_ms < k->c->start.begun_ms)
			*since_ms = k->s->now_ms;
	}
}

static bool idle(const struct check *k, int i)
{
	return k->m->stands_ms[i] && k->s->now_ms - k->m->stands_ms[i] > IDLE_MS + k->h->d[i].poll_ms;
}

/* W that cars may still take by what they are told, and some of them take more. Their room at a limit is kept, but not for long. */
static double cars_to_come(const struct check *k, int point)
{
	double sum_w = 0, lo, hi;

	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		double over = hd->car_over > 0 ? hd->car_over : 1, share = hd->phases == 3 ? 1.0 / 3 : !hd->phase_told || hd->phase == point;

		invariant_span(&k->d->d[i].order, &lo, &hi);
		if (hd->kind == HOME_CHARGER && !idle(k, i))
			sum_w += fmax(0, hi * over - hd->power_w) * (point ? share : 1);
	}
	return sum_w;
}

static double limit_of(double configured_w, double external_w, double demand_w)
{
	double w = configured_w > 0 ? configured_w : INFINITY;

	w = demand_w > 0 ? fmin(w, demand_w) : w;
	return isnan(external_w) ? w : fmin(w, external_w);
}

static double import_limit(const struct snapshot *s)
{
	return limit_of(s->site.import_limit_w, s->external.import_w, s->external.demand_w);
}

static double export_limit(const struct snapshot *s)
{
	return limit_of(s->site.export_limit_w, s->external.export_w, 0);
}

/* W that batteries are told to take and do not: so much room is kept for each. */
static double batteries_to_come(const struct check *k)
{
	double sum_w = 0, lo, hi;

	for (int i = 0; i < k->h->n; i++) {
		invariant_span(&k->d->d[i].order, &lo, &hi);
		if (k->h->d[i].kind == HOME_BATTERY && !k->d->d[i].order.native)
			sum_w += fmax(0, hi - fmax(0, k->h->d[i].power_w));
	}
	return sum_w;
}

/* W the fuses and the site's limit leave the other way, until they would be exceeded there: [0] the site. */
static void other_side(const struct check *k, double dir, double left_w[4])
{
	bool fuse = k->h->meter_phases && k->s->site.fuse_a > 0;

	double most_w = k->h->meter_phases || !(k->s->site.fuse_a > 0) ? INFINITY : k->s->site.fuse_a * 690; /* README: by the sum */

	left_w[0] = dir > 0 ? INFINITY : fmax(0, fmin(most_w, import_limit(k->s)) - k->h->grid_w - cars_to_come(k, 0) - batteries_to_come(k));
	for (int p = 1; p <= 3; p++)
		left_w[p] = fuse ? fmax(0, k->s->site.fuse_a * 230 + dir * k->h->phase_w[p - 1] - (dir > 0 ? 0 : cars_to_come(k, p))) : INFINITY;
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

/* W that cars were told less, and nobody can know yet that they have done it. */
static double cars_to_go(const struct check *k)
{
	double sum_w = 0, lo, hi;

	for (int i = 0; i < k->h->n; i++) {
		invariant_span(&k->d->d[i].order, &lo, &hi);
		if (k->h->d[i].kind == HOME_CHARGER && k->m->moved_ms[i] && k->s->now_ms - k->m->moved_ms[i] <= hidden_ms(k, &k->h->d[i]))
			sum_w += fmax(0, k->m->before_w[i] - hi);
	}
	return sum_w;
}

/* Support has to mind a limit the other way: with all that is told, seen or not, and all that is left it might be exceeded. */
static bool export_near(const struct check *k, double left_w)
{
	double most_w = given(k) + left_w + cars_to_go(k);
	bool near = most_w - k->h->grid_w > export_limit(k->s);

	for (int p = 0; p < 3 && k->h->meter_phases && k->s->site.fuse_a > 0; p++)
		near = near || most_w - k->h->phase_w[p] > k->s->site.fuse_a * 230;
	return near;
}

/* W that could still be taken off the point (dir +1: import) but was not ordered off. @bounded: it is support, and a limit the
 * other way bounds it, or charging, which is the loop's. */
static double reducible(const struct check *k, int point, double dir, bool *bounded)
{
	double sum = 0, soft_w = 0, all_w = 0, left_w[4];

	other_side(k, dir, left_w);
	for (int i = 0; i < k->h->n; i++) {
		const struct home_device *hd = &k->h->d[i];
		const struct decision *d = &k->d->d[i];
		double lo, hi, can_w;

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
		can_w = dir > 0 ? support_left(k, i, point) : taking_left(k, i, point);
		all_w += can_w;
		soft_w += bounded_take(hd, left_w, can_w);
	}
	*bounded = soft_w > sum && (dir < 0 || export_near(k, all_w));
	return sum + soft_w;
}

/* What the home does by itself, W: without batteries and cars, sun as it shines. A car that takes more than told and comes to it
 * slowly shows how much more only as it rises. */
static double by_itself(const struct home *h)
{
	double sum_w = h->load_w - h->pv_w;

	for (int i = 0; i < h->n; i++) {
		const struct home_device *hd = &h->d[i];

		sum_w -= hd->kind == HOME_PV ? hd->sun_own_w : hd->sun_given_w;
		sum_w += hd->car_over > 0 && hd->car_ramp_a_s > 0 ? hd->power_w : 0;
	}
	return sum_w;
}

/* The time runs from the cause: a home that has made it worse since is a new one. (A hybrid's sun that its port held back comes
 * out when the battery takes less: to the meter nothing was cut.) */
static bool cause_watch(struct check *k)
{
	double now_w = by_itself(k->h);
	bool worse = false;

	for (int out = 0; out < 2; out++) {
		double w = out ? -now_w : now_w, *least_w = &k->m->least_w[out];

		if (!k->m->seen || w < *least_w || w > *least_w + CAUSE_W) {
			for (int point = 0; k->m->seen && w > *least_w && point < 4; point++)
				k->m->over_ms[point][out] = 0;
			worse = worse || (k->m->seen && w > *least_w);
			*least_w = w;
		}
	}
	k->m->seen = true;
	return worse;
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

/* When each was last told something else. */
static void moves_watch(struct check *k)
{
	for (int i = 0; i < k->h->n; i++) {
		const struct order *o = &k->d->d[i].order, *was = &k->m->told[i];
		double lo;

		if (o->kind != was->kind || o->native != was->native || o->phases != was->phases || fabs(o->w - was->w) > MOVED_W ||
		    fabs(o->min_w - was->min_w) > MOVED_W || fabs(o->max_w - was->max_w) > MOVED_W)
			k->m->moved_ms[i] = k->s->now_ms;
		else
			continue;
		invariant_span(was, &lo, &k->m->before_w[i]);
		k->m->told[i] = *o;
	}
}

/* Nobody's order may still be on its way, nor was it given for a device that makes more of it. */
static bool rested(const struct check *k)
{
	for (int i = 0; i < k->h->n; i++)
		if (k->h->d[i].car_over > 0 || k->m->moved_ms[i] == 0 || k->s->now_ms - k->m->moved_ms[i] <= hidden_ms(k, &k->h->d[i]))
			return false;
	return true;
}

/* An order of this tick, before the meter can show what began @since_ms (0 = now): it answers something else. */
static bool moved_blindly(const struct check *k, int64_t since_ms)
{
	int64_t begun_ms = since_ms ? since_ms : k->s->now_ms;

	if (k->s->now_ms - begun_ms >= k->h->meter_period_ms + k->h->meter_delay_ms)
		return false;
	for (int i = 0; i < k->h->n; i++)
		if (k->m->moved_ms[i] == k->s->now_ms)
			return true;
	return false;
}

static void check_point(struct check *k, int point, double dir, double limit_w)
{
	double now_w = dir * (point ? k->h->phase_w[point - 1] : k->h->grid_w);
	int64_t *since_ms = &k->m->over_ms[point][dir < 0];
	double *began_w = &k->m->began_w[point][dir < 0], *tried_w = &k->m->tried_w[point][dir < 0], *due_w = &k->m->due_w[point][dir < 0];
	bool *from_rest = &k->m->from_rest[point][dir < 0], bounded;
	double slack_w, left_w, elsewhere_w = elsewhere(k, point, dir);
	int64_t most_ms;

	left_w = reducible(k, point, dir, &bounded);
	if (*since_ms == 0 || limit_w > *due_w)
		*due_w = limit_w; /* a tighter one is a cause of its own, once this one is kept */
	if (*since_ms == 0 || elsewhere_w < *tried_w - LEFT_W || (bounded && left_w < *began_w / 2)) {
		*from_rest = *since_ms == 0 && k->m->rests;
		*since_ms = 0; /* how much more may be given, and where it helps, shows with each step only */
		*began_w = left_w;
		*tried_w = elsewhere_w;
	}
	*from_rest = *from_rest && !moved_blindly(k, *since_ms);
	slack_w = LIMIT_SLACK_W + k->h->noise_w + (bounded ? SHORT * given(k) : 0);
	most_ms = bounded ? invariant_reaction_ms(k, 0, 0, BOUNDED_WINDOWS) : invariant_reaction_ms(k, point, dir, *from_rest ? 0 : LIMIT_WINDOWS);
	if (dir < 0 && cars_to_come(k, point) > 0)
		most_ms += COUNTED_MS;
	if (invariant_too_long(k, since_ms, now_w > *due_w + slack_w && left_w > LEFT_W && !k->tapers && !k->denied, most_ms))
		invariant_bad(k, "%s: %.0f W beyond %.0f W for %lld ms, and %.0f W could still be taken off", point ? "phase" : "site",
			      dir * now_w, dir * *due_w, (long long)(k->s->now_ms - *since_ms), left_w);
}

void invariant_limits(struct check *k)
{
	const struct snapshot *s = k->s;

	bool worse = cause_watch(k);

	taper_watch(k);
	denied_watch(k);
	trial_watch(k);
	cars_watch(k);
	k->m->rests = rested(k); /* before this tick's orders */
	moves_watch(k);
	if (worse) /* they answer what was before it */
		k->m->rests = rested(k);
	check_point(k, 0, 1, import_limit(s));
	check_point(k, 0, -1, export_limit(s));
	for (int p = 1; p <= 3 && k->h->meter_phases && s->site.fuse_a > 0; p++) {
		uint32_t lost = k->h->phases_lost;

		if ((lost >> (p - 1) & 1) && (lost & (lost - 1))) /* two are not read: the sum does not say which of them */
			continue;
		check_point(k, p, 1, s->site.fuse_a * 230);
		check_point(k, p, -1, s->site.fuse_a * 230);
	}
}
