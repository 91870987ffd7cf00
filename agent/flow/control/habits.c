/* See habits.h. A session lasts until no car was seen for two minutes; energy is what went into the charger's port. One that runs is
 * stored now and then, so that a restart in the night does not cost the habit a day. */
#include "flow/control/habits.h"

#include "core/json.h"
#include "io/log.h"
#include "policies/forecast/habit.h"
#include "policies/view.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "habit/"
#define GAP_MS 15000            /* between two ticks: longer, and nobody looked */
#define READING_MS 10000
#define AWAY_MS 120000          /* a charger that starts anew says "no car" for a while */
#define STORE_MS (30 * 60000LL)
#define STALE_MS (40 * 60000LL) /* a session that was seen less long ago goes on after a restart */
#define BODY_MAX (HABIT_SESSIONS_MAX * 48 + 160)
#define MS_PER_H 3.6e6

struct charger {
	char id[DEVICE_ID_MAX];
	struct habit habit;
	int64_t plugged_utc_ms;     /* 0 = no session, or nobody knows since when */
	int64_t seen_utc_ms;        /* the car was there */
	double taken_wh;
	bool known;                 /* seen at least once since the start: with a car, without */
	bool there;
	int64_t away_ms;            /* monotonic: no car since then; 0 = there is */
	int64_t stored_utc_ms;
};

struct habits {
	struct habits_options o;
	int n;
	struct charger at[DEVICE_MAX];
	int64_t tick_ms;            /* monotonic; 0 = none yet */
};

int habits_start(struct habits **out, const struct habits_options *options, struct errbuf *err)
{
	struct habits *b = calloc(1, sizeof(*b));

	if (!b)
		return errbuf_set(err, -ENOMEM, "no memory");
	b->o = *options;
	*out = b;
	return 0;
}

static struct charger *find(const struct habits *b, const char *id)
{
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->at[i].id, id))
			return (struct charger *)&b->at[i];
	return NULL;
}

static struct charger *find_or_add(struct habits *b, const char *id)
{
	struct charger *c = find(b, id);

	if (c || b->n == DEVICE_MAX)
		return c;
	c = &b->at[b->n++];
	*c = (struct charger){ .known = false };
	snprintf(c->id, sizeof(c->id), "%s", id);
	return c;
}

/* "h1 <plugged> <seen> <Wh>" of the one that runs (0 0 0: none), then of each that ended "<plugged> <unplugged> <Wh>"; seconds. */
static void store(const struct habits *b, struct charger *c)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_SETTING, .at_ms = c->seen_utc_ms };
	char body[BODY_MAX];
	size_t n = (size_t)snprintf(body, sizeof(body), "h1 %lld %lld %.0f", (long long)c->plugged_utc_ms / 1000,
				    (long long)c->seen_utc_ms / 1000, c->taken_wh);

	for (int i = 0; i < c->habit.n; i++) {
		const struct habit_session *s = &c->habit.s[i];

		n += (size_t)snprintf(body + n, sizeof(body) - n, " %lld %lld %.0f", (long long)s->plugged_utc_ms / 1000,
				      (long long)s->unplugged_utc_ms / 1000, s->energy_wh);
	}
	snprintf(op.key, sizeof(op.key), KEY "%s", c->id);
	op.body = body;
	c->stored_utc_ms = c->seen_utc_ms;
	if (store_submit(b->o.store, &op, 1, NULL, NULL, NULL) < 0)
		log_warning("habit", "%s: the sessions could not be stored; the next change stores them", c->id);
}

/* Three numbers, none negative. False at the end, and where it cannot be read. */
static bool take(const char **text, struct habit_session *s)
{
	double v[3];
	char *end;

	for (int i = 0; i < 3; i++) {
		if (*(*text)++ != ' ')
			return false;
		v[i] = strtod(*text, &end);
		if (end == *text || !(v[i] >= 0 && v[i] <= 1e11))
			return false;
		*text = end;
	}
	*s = (struct habit_session){ (int64_t)v[0] * 1000, (int64_t)v[1] * 1000, v[2] };
	return true;
}

bool habits_load(struct habits *b, const struct store_row *row)
{
	struct habit_session s;
	struct charger *c;
	const char *text;

	if (strncmp(row->key, KEY, strlen(KEY)) != 0)
		return false;
	text = strncmp(row->body, "h1 ", 3) == 0 ? row->body + 2 : "-";
	if (strlen(row->key) - strlen(KEY) >= DEVICE_ID_MAX || !take(&text, &s)) {
		log_warning("habit", "the sessions of %s cannot be read and are left out", row->key + strlen(KEY));
		return true;
	}
	c = find_or_add(b, row->key + strlen(KEY));
	if (!c)
		return true;
	c->plugged_utc_ms = s.plugged_utc_ms;
	c->seen_utc_ms = s.unplugged_utc_ms;
	c->taken_wh = s.energy_wh;
	while (*text && take(&text, &s))
		habit_add(&c->habit, &s);
	return true;
}

static void session_end(const struct habits *b, struct charger *c)
{
	const struct habit_session s = { c->plugged_utc_ms, c->seen_utc_ms, c->taken_wh };

	if (c->plugged_utc_ms && habit_add(&c->habit, &s))
		log_debug("habit", "%s: a session of %.1f kWh ended; %d are remembered", c->id, s.energy_wh / 1000, c->habit.n);
	c->plugged_utc_ms = 0;
	c->taken_wh = 0;
	store(b, c);
}

/* The first look after the start: what was stored goes on, ended while nobody looked, or is too old to tell. */
static void first_look(const struct habits *b, struct charger *c, int64_t utc_ms)
{
	const int64_t age_ms = utc_ms - c->seen_utc_ms;

	c->known = true;
	if (c->plugged_utc_ms && (age_ms < 0 || age_ms > STALE_MS))
		c->plugged_utc_ms = 0; /* it may have left and come back */
	else if (c->plugged_utc_ms && !c->there)
		session_end(b, c);
}

static void step(struct habits *b, struct charger *c, const struct snapshot *s, const struct snap_device *d, int64_t ms)
{
	const bool was = c->there;
	double w;

	c->there = view_car_connected(d);
	if (!c->known) {
		first_look(b, c, s->utc_ms);
	} else if (c->there && !was && !c->plugged_utc_ms) {
		c->plugged_utc_ms = c->seen_utc_ms = s->utc_ms;
		c->taken_wh = 0;
		store(b, c);
	}
	if (!c->there) {
		c->away_ms = c->away_ms ? c->away_ms : s->now_ms;
		if (c->plugged_utc_ms && s->now_ms - c->away_ms >= AWAY_MS)
			session_end(b, c);
		return;
	}
	c->away_ms = 0;
	c->seen_utc_ms = s->utc_ms;
	if (ms > 0 && ms <= GAP_MS && value_get(&d->state.ac_power_w, s->now_ms, READING_MS, &w) && w > 0)
		c->taken_wh += w * (double)ms / MS_PER_H;
	if (c->plugged_utc_ms && llabs(s->utc_ms - c->stored_utc_ms) >= STORE_MS)
		store(b, c);
}

void habits_observe(struct habits *b, const struct snapshot *s)
{
	const int64_t ms = b && b->tick_ms ? s->now_ms - b->tick_ms : 0;

	if (!b || !b->o.config->plan.ev_habit || !s->clock_trusted)
		return;
	b->tick_ms = s->now_ms;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct charger *c;

		/* one that does not answer says nothing of its car */
		if (!view_charger(d) || d->state.availability != AVAIL_ONLINE ||
		    !(value_usable(&d->state.f[F_CHARGER_CONNECTED]) || value_usable(&d->state.f[F_CHARGER_STATE])))
			continue;
		c = find_or_add(b, d->id);
		if (c)
			step(b, c, s, d, ms);
	}
}

void habits_fill(const struct habits *b, int64_t utc_ms, struct snap_device *d)
{
	const struct charger *c = b && b->o.config->plan.ev_habit ? find(b, d->id) : NULL;
	struct habit_guess g;

	if (!c || !c->known || !c->plugged_utc_ms ||
	    !habit_guess(&c->habit, b->o.zone, &(struct habit_car){ c->plugged_utc_ms, utc_ms, c->taken_wh }, &g))
		return;
	d->ev_energy_wh = g.energy_wh;
	d->ev_ready_by_utc_ms = g.ready_by_utc_ms;
	habit_words(&g, b->o.zone, d->ev_habit);
}

void habits_stop(struct habits *b)
{
	if (!b)
		return;
	for (int i = 0; i < b->n; i++)
		if (b->at[i].known && b->at[i].plugged_utc_ms && b->o.config->plan.ev_habit)
			store(b, &b->at[i]);
	free(b);
}
