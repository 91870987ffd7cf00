/* See limit_input.h. The stored form and the message are read in limit_input_json.c. */
#include "core/limit_input.h"

#include "core/clock_gate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define APART_MS 2000 /* less than that apart, two clocks agree */

void limit_input_init(struct limit_input *in)
{
	memset(in, 0, sizeof(*in));
	for (int i = 0; i < LIMIT_SIDES; i++)
		in->side[i].demand.w = NAN;
}

static bool watched(const struct limit_config *cfg, int i)
{
	return cfg->heartbeat_s > 0 && !isnan(cfg->failsafe_w[i]);
}

static enum limit_state heard_state(const struct limit_demand *d)
{
	return !d->stated ? LIMIT_INIT : isnan(d->w) ? LIMIT_UNLIMITED : LIMIT_LIMITED;
}

static bool over(const struct limit_demand *d, const struct limit_clock *c)
{
	if (d->until_ms && (d->by_duration || !c->trusted))
		return c->now_ms >= d->until_ms;
	return c->trusted && d->until_utc_ms && c->utc_ms >= d->until_utc_ms;
}

/* Keeps both ends in line with the clock that counts. True when the stored one moved. */
static bool align(struct limit_demand *d, const struct limit_clock *c)
{
	const int64_t reckoned = c->utc_ms + d->until_ms - c->now_ms;

	if (!c->trusted || !d->until_utc_ms)
		return false;
	if (!d->by_duration) {
		d->until_ms = c->now_ms + d->until_utc_ms - c->utc_ms;
		return false;
	}
	if (!d->unproven && llabs(reckoned - d->until_utc_ms) <= APART_MS)
		return false;
	d->until_utc_ms = reckoned;
	d->unproven = false;
	return true;
}

static bool differs(double a, double b)
{
	return isnan(a) != isnan(b) || (!isnan(a) && a != b);
}

bool limit_view_power_differs(const struct limit_view *a, const struct limit_view *b)
{
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const struct limit_view_side *x = &a->side[i], *y = &b->side[i];

		if (x->state != y->state || x->failsafe != y->failsafe || differs(x->w, y->w))
			return true;
	}
	return a->failsafe != b->failsafe || a->state != b->state;
}

bool limit_view_differs(const struct limit_view *a, const struct limit_view *b)
{
	for (int i = 0; i < LIMIT_SIDES; i++)
		if (a->side[i].until_utc_ms != b->side[i].until_utc_ms || a->side[i].waits != b->side[i].waits ||
		    differs(a->side[i].tighter_w, b->side[i].tighter_w) || a->side[i].tighter_until_utc_ms != b->side[i].tighter_until_utc_ms)
			return true;
	return limit_view_power_differs(a, b);
}

static void settle(struct limit_side *s, bool is_watched, bool lost)
{
	if (is_watched && lost)
		s->state = LIMIT_FAILSAFE;
	else if (!is_watched && !s->unread)
		s->state = heard_state(&s->demand);
	else if (!is_watched || (s->unsure && s->state != LIMIT_FAILSAFE))
		s->state = LIMIT_INIT;
	else if (s->state == LIMIT_LIMITED || s->state == LIMIT_UNLIMITED)
		s->state = heard_state(&s->demand);
	s->unsure |= is_watched && (s->state == LIMIT_INIT || s->state == LIMIT_FAILSAFE);
}

/* Everything that time does; the view before it is the caller's. */
static int pass(struct limit_input *in, const struct limit_config *cfg, const struct limit_clock *clock)
{
	int changed = 0;

	if (in->heartbeat_s == 0 && cfg->heartbeat_s > 0)
		in->watch_ms = clock->now_ms; /* from now on the source has its time to speak */
	in->heartbeat_s = cfg->heartbeat_s;
	for (int i = 0; i < LIMIT_SIDES; i++) {
		struct limit_side *s = &in->side[i];
		const int64_t alive_ms = s->heard_ms > in->watch_ms ? s->heard_ms : in->watch_ms;

		if (align(&s->demand, clock))
			changed |= LIMIT_STORE;
		if (over(&s->demand, clock)) {
			s->demand = (struct limit_demand){ .stated = true, .w = NAN };
			s->ahead_ms = 0;
			changed |= LIMIT_STORE;
		}
		align(&s->tighter, clock);
		s->tighter.stated &= !over(&s->tighter, clock);
		settle(s, watched(cfg, i), clock->now_ms - alive_ms > (int64_t)cfg->heartbeat_s * 1000);
	}
	return changed;
}

int limit_input_step(struct limit_input *in, const struct limit_config *cfg, const struct limit_clock *clock)
{
	struct limit_view before, after;
	int changed;

	limit_input_view(in, cfg, &before);
	changed = pass(in, cfg, clock);
	limit_input_view(in, cfg, &after);
	return changed | (limit_view_differs(&before, &after) ? LIMIT_CHANGED : 0);
}

static struct limit_demand demanded(const struct limit_message *m, double w, const struct limit_clock *c)
{
	struct limit_demand d = { .stated = true, .w = w };

	if (isnan(w))
		return d;
	d.by_duration = m->duration_ms > 0;
	d.until_utc_ms = d.by_duration ? c->utc_ms + m->duration_ms : m->until_utc_ms;
	if (d.by_duration)
		d.until_ms = c->now_ms + m->duration_ms;
	else if (m->until_utc_ms && c->trusted)
		d.until_ms = c->now_ms + m->until_utc_ms - c->utc_ms;
	d.unproven = d.by_duration && !c->trusted;
	return d;
}

static bool same(const struct limit_demand *a, const struct limit_demand *b)
{
	return a->stated == b->stated && isnan(a->w) == isnan(b->w) && (isnan(a->w) || a->w == b->w) &&
	       a->until_utc_ms == b->until_utc_ms && a->unproven == b->unproven;
}

static bool prolongs(const struct limit_demand *old, const struct limit_demand *d)
{
	return old->w == d->w && old->unproven == d->unproven && old->until_ms && d->until_ms >= old->until_ms;
}

static int64_t later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* A limit that is said again and again for the next minute shall not wear the disk: when the end on disk is reached, one is stored
 * that is later still. True when it was. */
static bool reach(struct limit_side *s, const struct limit_demand *d, int64_t now_ms)
{
	const int64_t left_ms = d->until_ms - now_ms;

	s->ahead_ms -= later_of(d->until_ms - s->demand.until_ms, d->until_utc_ms - s->demand.until_utc_ms); /* whichever a start goes by */
	if (s->ahead_ms >= 0)
		return false;
	s->ahead_ms = left_ms < LIMIT_INPUT_AHEAD_MS ? left_ms : LIMIT_INPUT_AHEAD_MS;
	return true;
}

/* The last one counts; that another source said less is remembered as long as that would stand. */
static void compare(struct limit_side *s, const struct limit_demand *d, const char *source)
{
	struct limit_demand *t = &s->tighter;

	t->stated &= strcmp(s->tighter_source, source) != 0;
	if (s->source[0] && strcmp(s->source, source) != 0 && !isnan(s->demand.w) && !(t->stated && t->w <= s->demand.w)) {
		*t = s->demand;
		memcpy(s->tighter_source, s->source, sizeof(s->tighter_source));
	}
	t->stated &= !(d->w <= t->w);
}

enum statement { SAME, LATER, BEYOND, OTHER }; /* later: than what was said; beyond: also than what is on disk */

static enum statement state_side(struct limit_side *s, const struct limit_demand *d, const char *source, int64_t now_ms)
{
	enum statement is = OTHER;

	if (!s->unread && !strcmp(s->source, source))
		is = same(d, &s->demand) ? SAME : prolongs(&s->demand, d) ? (reach(s, d, now_ms) ? BEYOND : LATER) : OTHER;
	if (is == OTHER)
		s->ahead_ms = 0;
	compare(s, d, source);
	s->unsure = s->unread = false;
	s->demand = *d;
	s->state = heard_state(d);
	memcpy(s->source, source, sizeof(s->source));
	return is;
}

int limit_input_message(struct limit_input *in, const struct limit_config *cfg, const struct limit_message *m,
			const struct limit_clock *clock, struct errbuf *err)
{
	struct limit_view before, after;
	int changed, said[OTHER + 1] = { 0 };

	if (m->until_utc_ms && m->until_utc_ms <= (clock->trusted ? clock->utc_ms : CLOCK_BUILT_UTC_MS)) /* then no clock was ever right */
		return errbuf_set(err, -ETIME, "until: it is over");
	if (clock->trusted && m->until_utc_ms - clock->utc_ms > LIMIT_INPUT_MAX_S * 1000)
		return errbuf_set(err, -ERANGE, "until: more than %lld days ahead", LIMIT_INPUT_MAX_S / 86400);
	limit_input_view(in, cfg, &before);
	changed = pass(in, cfg, clock); /* first: what was lost before this message is not healed by a mere heartbeat */
	in->heard = true;
	in->heard_ms = clock->now_ms;
	for (int i = 0; i < LIMIT_SIDES; i++) {
		struct limit_side *s = &in->side[i];
		const struct limit_demand d = demanded(m, m->w[i], clock);

		if (m->states[i] || !s->source[0] || !strcmp(s->source, m->source))
			s->heard_ms = clock->now_ms;
		if (m->states[i])
			said[state_side(s, &d, m->source, clock->now_ms)]++;
	}
	if (m->states[LIMIT_IMPORT] || m->states[LIMIT_EXPORT])
		memcpy(in->source, m->source, sizeof(in->source));
	changed |= said[OTHER] || said[BEYOND] ? LIMIT_STORE : 0;
	limit_input_view(in, cfg, &after);
	if ((said[LATER] || said[BEYOND]) && !said[OTHER] && !limit_view_power_differs(&before, &after))
		changed |= LIMIT_PROLONGED;
	return changed | (limit_view_differs(&before, &after) ? LIMIT_CHANGED : 0);
}

void limit_input_view(const struct limit_input *in, const struct limit_config *cfg, struct limit_view *out)
{
	static const int GRAVITY[LIMIT_STATES] = { [LIMIT_UNLIMITED] = 0, [LIMIT_LIMITED] = 1, [LIMIT_INIT] = 2, [LIMIT_FAILSAFE] = 3 };
	bool any = false;

	*out = (struct limit_view){ .state = LIMIT_INIT };
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const struct limit_demand *d = &in->side[i].demand;
		struct limit_view_side *v = &out->side[i];
		const bool unread = in->side[i].unread && !isnan(cfg->failsafe_w[i]);
		const bool unheard = unread || (watched(cfg, i) && (in->side[i].state == LIMIT_INIT || in->side[i].state == LIMIT_FAILSAFE));

		*v = (struct limit_view_side){ .state = in->side[i].state, .w = d->w, .until_utc_ms = d->until_utc_ms };
		if (unheard && !(d->w < cfg->failsafe_w[i])) {
			v->w = cfg->failsafe_w[i];
			v->until_utc_ms = 0;
		}
		v->waits = v->until_utc_ms && !d->until_ms;
		v->failsafe = unheard;
		v->tighter_w = in->side[i].tighter.stated ? in->side[i].tighter.w : NAN;
		v->tighter_until_utc_ms = in->side[i].tighter.stated ? in->side[i].tighter.until_utc_ms : 0;
		out->failsafe |= unheard;
		if (v->until_utc_ms && (!out->until_utc_ms || v->until_utc_ms < out->until_utc_ms))
			out->until_utc_ms = v->until_utc_ms;
		if (!watched(cfg, i) && !d->stated && !in->side[i].unread)
			continue;
		if (!any || GRAVITY[v->state] > GRAVITY[out->state])
			out->state = v->state;
		any = true;
	}
}

int64_t limit_input_age_ms(const struct limit_input *in, int64_t now_ms)
{
	return in->heard ? now_ms - in->heard_ms : -1;
}

const char *limit_state_word(enum limit_state s)
{
	static const char *const WORDS[LIMIT_STATES] = {
		[LIMIT_INIT] = "init", [LIMIT_UNLIMITED] = "unlimited_controlled", [LIMIT_LIMITED] = "limited", [LIMIT_FAILSAFE] = "failsafe",
	};

	return WORDS[s];
}

bool limit_input_tightens(const struct limit_input *in, const struct limit_config *cfg, const struct limit_message *m,
			  const struct limit_clock *clock)
{
	const int64_t end_ms = m->duration_ms > 0 ? clock->utc_ms + m->duration_ms : m->until_utc_ms;
	struct limit_view v;
	bool any = false;

	limit_input_view(in, cfg, &v);
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const struct limit_view_side *now = &v.side[i];

		if (!m->states[i])
			continue;
		if (isnan(m->w[i]) || m->w[i] > now->w)
			return false;
		if (!isnan(now->w) && end_ms && (!now->until_utc_ms || end_ms < now->until_utc_ms))
			return false;
		any = true;
	}
	return any;
}

bool limit_input_exact(struct limit_input *in)
{
	bool any = false;

	for (int i = 0; i < LIMIT_SIDES; i++) {
		any |= in->side[i].ahead_ms > 0;
		in->side[i].ahead_ms = 0;
	}
	return any;
}
