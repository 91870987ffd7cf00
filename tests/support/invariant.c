/* What must never be ordered of a device, whatever the home does, tells or leaves out: sane orders, floors, windows, ratings,
 * charger rules, PV, postures without senses. Written anew from the design, not from the code under test. */
#include "support/invariant.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define PHASES_MS 300000
#define PHASES_DAY INVARIANT_PHASES_DAY
#define DAY_MS 86400000

void invariant_bad(struct check *k, const char *fmt, ...)
{
	va_list ap;

	if (k->what[0])
		return; /* the first one is the story */
	va_start(ap, fmt);
	vsnprintf(k->what, k->size, fmt, ap);
	va_end(ap);
}

bool invariant_in_force(const struct snapshot *s, const struct command_view *c)
{
	return c->active && s->clock_trusted && c->starts_utc_ms <= s->utc_ms && (!c->ends_utc_ms || s->utc_ms < c->ends_utc_ms);
}

/* In a command: the first that is known of what the owner set for the event since, the command's, the event's, the program's,
 * the user's. What the owner sets for an event is never below the program's minimum. */
double invariant_floor(const struct snapshot *s, int i)
{
	const struct command_view *c = &s->dev[i].command;
	double user = s->site.reserve_pct, pct = user;

	if (invariant_in_force(s, c)) {
		if (!isnan(c->owner_event_pct))
			pct = fmax(c->owner_event_pct, c->program_min_pct); /* fmax takes the number of a number and a NAN */
		else if (!isnan(c->command_pct))
			pct = c->command_pct;
		else if (!isnan(c->event_pct))
			pct = fmax(c->event_pct, c->program_min_pct);
		else if (!isnan(c->program_min_pct))
			pct = c->program_min_pct;
		if (s->site.honour_user_floor)
			pct = fmax(pct, user);
	}
	return fmax(pct, s->dev[i].soc_min_pct);
}

bool invariant_online(const struct check *k, int i)
{
	return k->s->dev[i].state.availability == AVAIL_ONLINE;
}

void invariant_span(const struct order *o, double *lo, double *hi)
{
	*lo = *hi = 0;
	if (o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native)) {
		*lo = *hi = o->w;
	} else if (o->kind == ORDER_BALANCE) {
		*lo = o->min_w;
		*hi = o->max_w;
	}
}

#define METER_DOUBTS (1u << DOUBT_METER_INVERTED | 1u << DOUBT_METER_SCALE | 1u << DOUBT_METER_FROZEN | 1u << DOUBT_METER_JUMPS)

static bool doubted(const struct check *k, int device, uint32_t kinds)
{
	for (int n = 0; n < k->d->n_doubts; n++)
		if ((device < 0 || k->d->doubts[n].device == device) && (kinds >> k->d->doubts[n].kind & 1))
			return true;
	return false;
}

bool invariant_soc_unknown(const struct check *k, int i)
{
	return k->s->now_ms - k->s->dev[i].state.f[F_BATTERY_SOC_PCT].at_ms > INVARIANT_SOC_MS ||
	       doubted(k, i, 1u << DOUBT_SOC_FROZEN | 1u << DOUBT_SOC_JUMPS);
}

/* A doubted meter counts as a lost one. Swapped phases are not a wrong sum. */
static bool without_meter(const struct check *k)
{
	return k->s->now_ms - k->s->grid_w.at_ms > INVARIANT_METER_MS || doubted(k, -1, METER_DOUBTS);
}

/* What its own reading cannot know: the true SoC at the time an order works may be lower than the one told, by what a late or
 * coarse reading hides. A SoC that lies is judged by what it says, until it has been read anew. */
static double hidden_pct(struct check *k, int i)
{
	const struct home_device *hd = &k->h->d[i];
	const struct home_device_lie *lie = &hd->lie;

	if (lie->soc_frozen || lie->soc_jump_pct > 0 || lie->soc_offset_pct != 0 || lie->gain > 1 || lie->offset_w != 0 || lie->late_ms > 0)
		k->m->soc_lied_ms[i] = k->s->now_ms;
	if (k->m->soc_lied_ms[i] && k->s->now_ms - k->m->soc_lied_ms[i] <= hd->poll_ms + k->s->site.tick_ms)
		return 100;
	return 0.5 + hd->soc_step_pct;
}

static void battery_senses(struct check *k, int i, double lo, double hi)
{
	const struct order *o = &k->d->d[i].order;
	int64_t soc_age_ms = k->s->now_ms - k->s->dev[i].state.f[F_BATTERY_SOC_PCT].at_ms;
	bool forced = o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);

	if (soc_age_ms > INVARIANT_SOC_MS && (lo != 0 || hi != 0))
		invariant_bad(k, "battery %d: %.0f..%.0f W with SoC unknown for %lld ms", i, lo, hi, (long long)soc_age_ms);
	if (doubted(k, i, 1u << DOUBT_SOC_FROZEN | 1u << DOUBT_SOC_JUMPS) && (lo != 0 || hi != 0))
		invariant_bad(k, "battery %d: %.0f..%.0f W with a SoC that is doubted", i, lo, hi);
	if (without_meter(k) && (hi > (k->d->d[i].code == REASON_DOUBT ? 300 : 0) || (forced && lo < 0))) /* a little, to try the meter */
		invariant_bad(k, "battery %d: %.0f..%.0f W without a meter", i, lo, hi);
}

static void battery_command(struct check *k, int i)
{
	const struct command_view *c = &k->s->dev[i].command;
	const struct decision *d = &k->d->d[i];
	bool in_force = invariant_in_force(k->s, c);

	if (in_force && c->grid_import == TRI_NO && d->order.kind == ORDER_POWER && d->order.w > 0 && d->rank != RANK_OVERRIDE)
		invariant_bad(k, "battery %d: %.0f W forced in during a command that forbids grid import", i, d->order.w);
	if (d->rank == RANK_EVENT && (!in_force || c->mode == MODE_SAVINGS))
		invariant_bad(k, "battery %d: an event's order with no such command in force", i);
	if (d->rank == RANK_EVENT && d->until_utc_ms != c->ends_utc_ms)
		invariant_bad(k, "battery %d: an event's order until %lld, the command ends at %lld", i, (long long)d->until_utc_ms,
			      (long long)c->ends_utc_ms);
	if (d->rank == RANK_PLAN && d->order.kind == ORDER_POWER && d->order.w > 0 && !k->s->site.grid_charging)
		invariant_bad(k, "battery %d: the plan charges %.0f W from the grid, which the owner forbids", i, d->order.w);
	if (d->rank == RANK_PLAN && d->order.kind == ORDER_POWER && d->order.w < 0 && !k->s->site.battery_export)
		invariant_bad(k, "battery %d: the plan sells %.0f W, which the owner forbids", i, d->order.w);
}

/* The device's own reserve is the floor in force, in whole percent upward, 1 % at least: by it the device keeps what we keep when
 * we are gone. An agent that stops leaves at least the owner's. */
static void battery_mirror(struct check *k, int i, double floor)
{
	const struct snapshot *s = k->s;
	const struct order *o = &k->d->d[i].order;
	double told = (double)o->reserve_pct;

	if (o->kind == ORDER_NONE)
		return;
	if (s->stopping)
		floor = fmax(floor, s->site.reserve_pct);
	floor = fmax(1, fmin(floor, 100));
	if (!k->h->d[i].mirrors_reserve || !k->h->d[i].mirror_reserve) {
		if (told != 0)
			invariant_bad(k, "battery %d: a reserve of %.0f %% is written, which nobody asked for", i, told);
	} else if (told < floor - 0.001 || told > floor + 0.999) {
		invariant_bad(k, "battery %d: a reserve of %.0f %% is written, the floor is %.2f", i, told, floor);
	}
}

void invariant_battery(struct check *k, int i)
{
	const struct home_device *hd = &k->h->d[i];
	const struct value *soc = &k->s->dev[i].state.f[F_BATTERY_SOC_PCT];
	const struct order *o = &k->d->d[i].order;
	double floor = invariant_floor(k->s, i), hidden = hidden_pct(k, i), lo, hi;
	bool forced = o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);

	invariant_span(o, &lo, &hi);
	if (lo < 0 && soc->v <= floor)
		invariant_bad(k, "battery %d: discharge %.0f W ordered, SoC %.2f at or below the floor %.0f", i, lo, soc->v, floor);
	if (lo < 0 && hd->soc_pct < floor - hidden)
		invariant_bad(k, "battery %d: discharge %.0f W ordered, true SoC %.2f more than %.2f point below the floor %.0f", i, lo, hd->soc_pct,
			      hidden, floor);
	if (lo < -hd->discharge_max_w - 0.01 || hi > hd->charge_max_w + 0.01)
		invariant_bad(k, "battery %d: %.0f..%.0f W is outside the ratings", i, lo, hi);
	if (!hd->guarded && !hd->allow_unguarded && forced && o->w != 0)
		invariant_bad(k, "battery %d: forced %.0f W, and nobody guards it", i, o->w);
	if ((k->island || k->s->paused || k->s->stopping) && invariant_online(k, i) && o->kind != ORDER_RELEASE)
		invariant_bad(k, "battery %d: not released on island, pause or stop", i);
	if (o->kind == ORDER_BALANCE && o->native && (!hd->native || o->grid_w != 0))
		invariant_bad(k, "battery %d: told to balance by itself at %.0f W, which it cannot", i, o->grid_w);
	battery_mirror(k, i, floor);
	battery_senses(k, i, lo, hi);
	battery_command(k, i);
}

/* How a charger's order may change: 5 s between changes, a minute between pause and resume, a start at its minimum (one
 * taken over from its own control goes on), no more than 10 A up in a step. Guard, limits, events and the owner cut at once. */
static void charger_change(struct check *k, int i, double w, double per_a)
{
	struct invariants *m = k->m;
	const struct decision *d = &k->d->d[i];
	int64_t now_ms = k->s->now_ms, since_ms = now_ms - m->charger_changed_ms[i];
	bool connected = k->s->dev[i].state.f[F_CHARGER_CONNECTED].v > 0; /* as the hub knows it */
	double min_w = 6 * per_a, most_w = m->charger_w[i] > 0 ? m->charger_w[i] + 10 * per_a : min_w;
	bool cut = w < m->charger_w[i] && ((d->limited_by & (1u << RANK_GUARD | 1u << RANK_LIMIT)) || d->rank <= RANK_OVERRIDE);

	if (per_a != m->charger_per_a[i] && m->charger_per_a[i] > 0) /* its contactor moved: what it was told are amperes */
		m->charger_w[i] *= per_a / m->charger_per_a[i];
	m->charger_per_a[i] = per_a;
	if (fabs(w - m->charger_w[i]) < 1e-6)
		return;
	if (connected && !cut && m->charger_changed_ms[i] && since_ms < 5000 && d->order.kind == ORDER_POWER)
		invariant_bad(k, "charger %d: %.0f to %.0f W only %lld ms after the last change", i, m->charger_w[i], w, (long long)since_ms);
	if (m->charger_w[i] == 0 && m->charger_zero_ms[i] && now_ms - m->charger_zero_ms[i] < 60000)
		invariant_bad(k, "charger %d: resumed %lld ms after a pause", i, (long long)(now_ms - m->charger_zero_ms[i]));
	if (k->s->dev[i].ordered.kind == ORDER_POWER && w > fmax(min_w, most_w) + 1)
		invariant_bad(k, "charger %d: from %.0f to %.0f W in one step, the minimum is %.0f W", i, m->charger_w[i], w, min_w);
	if (w == 0)
		m->charger_zero_ms[i] = now_ms;
	m->charger_w[i] = w;
	m->charger_changed_ms[i] = now_ms;
}

/* What the contactors did: not twice within 5 minutes, or what the charger asks for if that is more, and not an eleventh time in
 * any 24 hours. */
static void charger_contactors(struct check *k, int i)
{
	const struct home_device *hd = &k->h->d[i];
	struct invariant_switches *sw = &k->m->switched[i];
	int64_t dwell_ms = 1000 * (int64_t)hd->phase_dwell_s, last_ms = sw->at_ms[(sw->n + PHASES_DAY - 1) % PHASES_DAY];
	int64_t tenth_ms = sw->at_ms[sw->n % PHASES_DAY];

	if (hd->switches == sw->seen)
		return;
	sw->seen = hd->switches;
	dwell_ms = dwell_ms > PHASES_MS ? dwell_ms : PHASES_MS;
	if (last_ms && hd->switched_ms - last_ms < dwell_ms)
		invariant_bad(k, "charger %d: changed phases %lld ms after the last time", i, (long long)(hd->switched_ms - last_ms));
	if (tenth_ms && hd->switched_ms - tenth_ms < DAY_MS)
		invariant_bad(k, "charger %d: changed phases %d times within %lld ms", i, PHASES_DAY + 1, (long long)(hd->switched_ms - tenth_ms));
	sw->at_ms[sw->n++ % PHASES_DAY] = hd->switched_ms;
}

/* Another number of phases: only where the charger can, only while nothing flows, not more often than it bears. */
static void charger_phases(struct check *k, int i, double w)
{
	const struct home_device *hd = &k->h->d[i];
	const struct value *told = &k->s->dev[i].state.f[F_CHARGER_PHASES];
	int phases = k->d->d[i].order.phases;
	bool honest = !hd->lie.ignore && hd->lie.late_ms == 0 && hd->lie.gain <= 1 && hd->lie.offset_w == 0;

	if (phases != 0 && (!hd->switches_phases || (phases != 1 && phases != 3)))
		invariant_bad(k, "charger %d: told to use %d phases, which it cannot", i, phases);
	if (phases != 0 && (double)phases != told->v && w != 0)
		invariant_bad(k, "charger %d: %.0f W while it is to change from %.0f to %d phases", i, w, told->v, phases);
	if (honest && hd->switched_hot > 0)
		invariant_bad(k, "charger %d: changed phases while current flowed", i);
	charger_contactors(k, i);
}

void invariant_charger(struct check *k, int i)
{
	const struct home_device *hd = &k->h->d[i];
	const struct decision *d = &k->d->d[i];
	const struct value *told = &k->s->dev[i].state.f[F_CHARGER_PHASES];
	double per_a = 230.0 * (told->v >= 2 ? 3 : 1), w = d->order.kind == ORDER_POWER ? d->order.w : 0;

	if (d->order.kind == ORDER_BALANCE)
		invariant_bad(k, "charger %d: told to balance", i);
	if (w < 0 || (w > 0 && w < 6 * per_a - 1) || w > hd->max_a * per_a + 0.01)
		invariant_bad(k, "charger %d: %.0f W is neither 0 nor %.0f..%.0f W", i, w, 6 * per_a, per_a * hd->max_a);
	if (k->island && !k->s->stopping && invariant_online(k, i) && (d->order.kind != ORDER_POWER || w != 0))
		invariant_bad(k, "charger %d: not paused on island", i);
	if ((k->s->paused || k->s->stopping) && !k->island && invariant_online(k, i) && d->order.kind != ORDER_RELEASE)
		invariant_bad(k, "charger %d: not released on pause or stop", i);
	if (without_meter(k) && w > 6 * per_a + 1)
		invariant_bad(k, "charger %d: %.0f W without a meter is more than failsafe", i, w);
	charger_phases(k, i, w);
	charger_change(k, i, w, per_a);
}

void invariant_pv(struct check *k, int i)
{
	const struct home_device *hd = &k->h->d[i];
	const struct order *o = &k->d->d[i].order;

	if (o->kind == ORDER_BALANCE || (o->kind != ORDER_NONE && !hd->can_curtail))
		invariant_bad(k, "pv %d: %s is nothing it can be told", i, order_word(o->kind));
	if (o->kind == ORDER_POWER && (o->w > 0 || o->w < -hd->peak_w - 0.01))
		invariant_bad(k, "pv %d: may produce %.0f W at most is outside 0..%.0f W", i, -o->w, hd->peak_w);
	if ((k->island || k->s->paused || k->s->stopping) && invariant_online(k, i) && o->kind == ORDER_POWER)
		invariant_bad(k, "pv %d: not released on island, pause or stop", i);
}

bool invariant_begins(const struct check *k)
{
	return k->m->begun_ms && k->s->now_ms - k->m->begun_ms <= INVARIANT_START_MS;
}

/* It was read in this life of the hub. */
static bool known(const struct check *k, int i)
{
	return k->s->dev[i].state.ac_power_w.q != Q_ABSENT;
}

static void check_order(struct check *k, int i)
{
	const struct decision *d = &k->d->d[i];
	const struct order *o = &d->order;
	bool command = false;
	double lo, hi;

	if (!isfinite(o->w) || !isfinite(o->min_w) || !isfinite(o->max_w) || o->min_w > 0 || o->max_w < 0 ||
	    (o->kind == ORDER_BALANCE && !o->native && (o->w < o->min_w - 0.01 || o->w > o->max_w + 0.01)))
		invariant_bad(k, "device %d: %s %f [%f..%f]", i, order_word(o->kind), o->w, o->min_w, o->max_w);
	if (!d->why[0] || d->code == REASON_NONE)
		invariant_bad(k, "device %d: no reason", i);
	if (k->h->d[i].kind != HOME_PV && !invariant_begins(k) && (k->s->dev[i].state.availability == AVAIL_OFFLINE) != (o->kind == ORDER_NONE))
		invariant_bad(k, "device %d: %s while %s", i, order_word(o->kind), availability_word(k->s->dev[i].state.availability));
	for (int n = 0; n < k->s->n_devices; n++)
		command |= invariant_in_force(k->s, &k->s->dev[n].command);
	if (d->rank == RANK_EVENT && !command)
		invariant_bad(k, "device %d: an event's order with no command in force", i);
	invariant_span(o, &lo, &hi);
	if (k->m->begun_ms && !known(k, i) && hi > fmax(0, k->m->begun_w[i]) + 0.01)
		invariant_bad(k, "device %d: told to take up to %.0f W, and was not read since the start", i, hi);
	for (int n = 0; n < k->c->wishes.n_limits; n++) {
		const struct limit_wish *l = &k->c->wishes.limits[n];

		if (!(l->min_w <= 0 && l->max_w >= 0))
			invariant_bad(k, "a limit without 0: %f..%f (%s)", l->min_w, l->max_w, l->why);
		if (l->device == i && (!l->power_only || o->kind == ORDER_POWER) && (lo < l->min_w - 0.01 || hi > l->max_w + 0.01))
			invariant_bad(k, "device %d: %.0f..%.0f W breaks \"%s\"", i, lo, hi, l->why);
	}
}

static bool honest(const struct home *h)
{
	const struct home_meter_lie *m = &h->lie;

	if ((m->gain != 0 && m->gain != 1) || m->offset_w != 0 || m->frozen || m->jump_w > 0 || m->rotate || m->swap || m->clamp)
		return false;
	for (int i = 0; i < h->n; i++) {
		const struct home_device_lie *l = &h->d[i].lie;

		if ((l->gain != 0 && l->gain != 1) || l->offset_w != 0 || l->clamp_w > 0 || l->ignore || l->late_ms || l->soc_frozen ||
		    l->soc_jump_pct > 0 || l->soc_offset_pct != 0)
			return false;
	}
	return true;
}

static bool calm(struct check *k)
{
	bool is = !(k->h->meter_lost || k->island || k->s->paused || k->s->stopping || invariant_begins(k));

	if (!honest(k->h) || (k->m->lied_ms && doubted(k, -1, METER_DOUBTS))) /* who was condemned for it stays so until he is right */
		k->m->lied_ms = k->s->now_ms;
	for (int i = 0; i < k->h->n; i++)
		is = is && known(k, i) && !(k->h->d[i].deaf || k->h->d[i].offline || k->h->d[i].fault);
	return is && (!k->m->lied_ms || k->s->now_ms - k->m->lied_ms > INVARIANT_RECOVER_MS);
}

/* Where nothing has ever lied these are false alarms, and each takes power from people. (A deaf device does ignore, a car may
 * overdraw, a loop may swing, a house may jump: those are not.) */
static void check_doubts(struct check *k)
{
	static const enum doubt_kind NEVER[] = { DOUBT_METER_INVERTED, DOUBT_METER_SCALE, DOUBT_METER_FROZEN, DOUBT_SOC_FROZEN, DOUBT_SOC_JUMPS };

	for (size_t n = 0; n < sizeof(NEVER) / sizeof(NEVER[0]) && !k->m->lied_ms; n++)
		if (doubted(k, -1, 1u << NEVER[n]))
			invariant_bad(k, "%s is doubted in a home that never lied", doubt_word(NEVER[n]));
}

void invariants_check(struct invariants *m, const struct home *h, const struct snapshot *s, const struct chain *c,
		      const struct decisions *d, char *what, size_t size)
{
	struct check k = { .m = m, .h = h, .s = s, .c = c, .d = d, .what = what, .size = size };

	k.island = s->grid_lost || (s->grid_back_ms && s->now_ms < s->grid_back_ms + INVARIANT_ISLAND_MS);
	k.calm = calm(&k);
	if (d->n != s->n_devices || d->d[h->n].order.kind != ORDER_NONE)
		invariant_bad(&k, "%d decisions, the meter has %s", d->n, order_word(d->d[h->n].order.kind));
	if (c->bad_wishes)
		invariant_bad(&k, "%u bad wishes", c->bad_wishes);
	for (int i = 0; i < h->n; i++) {
		check_order(&k, i);
		if (h->d[i].kind == HOME_BATTERY)
			invariant_battery(&k, i);
		else if (h->d[i].kind == HOME_CHARGER)
			invariant_charger(&k, i);
		else
			invariant_pv(&k, i);
	}
	invariant_limits(&k);
	invariant_site(&k);
	check_doubts(&k);
}
