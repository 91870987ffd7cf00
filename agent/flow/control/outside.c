/* See outside.h. */
#include "flow/control/outside.h"

#include "core/demand.h"
#include "flow/control/limit_words.h"
#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STORE_MS 1000       /* between two transactions */
#define WAITING_MAX 256
#define METER_MS 10000      /* an older reading is none */
#define DEMAND_MS 10000     /* R/demand, at most */
#define REPLAN_MS 30000
#define REPLAN_SOON_MS 1000
#define REPLAN_LATER_MS 900000 /* a limit whose end only moves on is told to the planner this seldom */
#define DEMAND_RETRY_MS 10000
#define DEMAND_KEEP_MS 60000   /* the running interval, unsynced */

struct outside {
	struct hub *hub;
	struct limit_input limit;
	struct demand demand;
	struct limit_view shown;     /* as said in the log */
	struct limit_view planned;   /* as known to the last plan */
	char kept[80];               /* the limits as last said to be kept */
	int shown_age_s, shown_heartbeat_s; /* as on R/limit */
	int64_t shown_pause_ms;      /* the same: the end of a pause, 0 = none */
	double shown_target_w;       /* as on R/demand */
	bool publish_limit;
	int64_t demand_due_ms;
	/* the row "limit" on disk */
	bool dirty, failing;
	uint64_t begun, ended;       /* writes; they end in the order they began */
	int64_t written_ms;          /* when the last transaction was begun; 0 = none yet */
	uv_timer_t timer;            /* runs while something is to be written */
	bool demand_dirty;
	int demand_writes;           /* under way */
	int64_t demand_try_ms, demand_keep_ms; /* not before */
	struct waiting { outside_done_fn done; void *context; uint64_t write; } waiting[WAITING_MAX]; /* for this write */
	int n_waiting;
};

static struct limit_config limit_config(const struct outside *o)
{
	const struct config_site *c = &o->hub->cfg.site;

	return (struct limit_config){ c->limit_heartbeat_s, { c->limit_failsafe_import_w, c->limit_failsafe_export_w } };
}

static struct demand_config demand_config(const struct outside *o)
{
	return (struct demand_config){ o->hub->cfg.plan.demand_target_w, o->hub->cfg.plan.demand_interval_min };
}

/* "import 4200 W, export none" */
static void say(const struct outside *o, char *out, size_t size)
{
	const struct limit_config cfg = limit_config(o);
	char w[LIMIT_SIDES][24];
	struct limit_view v;

	limit_input_view(&o->limit, &cfg, &v);
	for (int i = 0; i < LIMIT_SIDES; i++)
		if (isnan(v.side[i].w))
			snprintf(w[i], sizeof(w[i]), "none");
		else
			snprintf(w[i], sizeof(w[i]), "%.0f W", v.side[i].w);
	snprintf(out, size, "import %s, export %s", w[LIMIT_IMPORT], w[LIMIT_EXPORT]);
}

/* ---- disk ---- */

static bool writing(const struct outside *o)
{
	return o->begun != o->ended;
}

/* Answers those whose change was in the write that just ended. */
static void answer_ended(struct outside *o, int status)
{
	struct waiting told[WAITING_MAX];
	int n = 0, kept = 0;

	for (int i = 0; i < o->n_waiting; i++)
		if (o->waiting[i].write <= o->ended)
			told[n++] = o->waiting[i];
		else
			o->waiting[kept++] = o->waiting[i];
	o->n_waiting = kept;
	for (int i = 0; i < n; i++)
		told[i].done(told[i].context, status);
}

static void on_written(void *context, uint64_t ticket, int status)
{
	struct outside *o = context;

	(void)ticket;
	o->ended++;
	if (status < 0) {
		o->dirty = true;
		if (!o->failing)
			log_error("limit", "the limit could not be stored (%s): it stays in force, and is tried again", strerror(-status));
	}
	o->failing = status < 0;
	answer_ended(o, status);
}

static void write_now(struct outside *o)
{
	AUTO_JSON *j = limit_input_encode(&o->limit, loop_now_ms());
	AUTO_TEXT *text = j ? cJSON_PrintUnformatted(j) : NULL;
	char limits[80];
	int r = -ENOMEM;

	o->written_ms = loop_now_ms();
	o->dirty = false;
	o->begun++;
	say(o, limits, sizeof(limits));
	if (!o->failing || strcmp(limits, o->kept) != 0) /* once, however often it is tried */
		log_info("limit", "to be kept: %s", limits);
	memcpy(o->kept, limits, sizeof(o->kept));
	if (text)
		r = hub_store_setting(o->hub, "limit", text, on_written, o);
	if (r < 0)
		on_written(o, 0, r);
}

static void on_timer(uv_timer_t *timer)
{
	struct outside *o = timer->data;

	if (o->dirty && !writing(o))
		write_now(o);
	if (!o->dirty && !writing(o))
		uv_timer_stop(&o->timer);
}

/* At once when the last write is a second old, else when it will be; the timer also brings what changes meanwhile, or failed. */
static void write_soon(struct outside *o)
{
	const int64_t wait = o->written_ms ? o->written_ms + STORE_MS - loop_now_ms() : 0;

	if (!o->dirty)
		return;
	if (wait <= 0 && !writing(o))
		write_now(o);
	if (uv_is_active((uv_handle_t *)&o->timer))
		return;
	uv_update_time(o->hub->loop);
	uv_timer_start(&o->timer, on_timer, wait > 0 ? (uint64_t)wait : STORE_MS, STORE_MS);
}

bool outside_room(const struct outside *o)
{
	return o->n_waiting < WAITING_MAX;
}

bool outside_kept(const struct outside *o)
{
	return !o->dirty && !writing(o);
}

int outside_stored(struct outside *o, outside_done_fn done, void *context)
{
	if (outside_kept(o)) {
		done(context, 0);
		return 0;
	}
	if (!outside_room(o))
		return -EAGAIN;
	o->waiting[o->n_waiting++] = (struct waiting){ done, context, o->begun + o->dirty };
	write_soon(o);
	return 0;
}

/* A limit that cannot be read is no reason to lift it: what is left of it holds, and failsafe limits where there are any. */
static void salvage(struct outside *o, const cJSON *j, const char *why)
{
	limit_input_salvage(j, loop_now_ms(), &o->limit);
	o->dirty = true; /* the next start shall know too */
	log_error("limit", "the stored limit cannot be read (%s): what is left of it and failsafe limits hold until the next one", why);
}

bool outside_load(struct outside *o, const struct store_row *row)
{
	const bool limit = !strcmp(row->key, "limit");
	struct errbuf err = { "" };
	AUTO_JSON *j = NULL;
	int r = -EINVAL;

	if (!limit && strcmp(row->key, "demand") != 0)
		return false;
	j = json_parse(row->body, strlen(row->body), 4096, 4, &err);
	if (j)
		r = limit ? limit_input_decode(j, loop_now_ms(), &o->limit, &err) : demand_decode(j, &o->demand, &err);
	if (r < 0 && limit)
		salvage(o, j, err.text);
	else if (r < 0)
		log_error("limit", "what was stored of '%s' cannot be read (%s): it is forgotten", row->key, err.text);
	return true;
}

void outside_load_interval(struct outside *o, const struct store_row *row)
{
	AUTO_JSON *j = !strcmp(row->key, "demand") ? json_parse(row->body, strlen(row->body), 4096, 4, NULL) : NULL;

	if (j && demand_decode_interval(j, &o->demand, NULL) < 0)
		log_info("limit", "the running interval cannot be read: it counts as if the target had been used");
}

void outside_lost(struct outside *o, bool rows)
{
	const struct limit_config cfg = limit_config(o);
	char limits[80];

	if (limit_input_doubt(&o->limit)) {
		o->dirty = true;
		say(o, limits, sizeof(limits));
		log_error("limit", "the stored limit stood in a damaged database: what was read of it (%s) and failsafe limits hold until the "
			  "next one", limits);
	} else if (rows || !isnan(cfg.failsafe_w[LIMIT_IMPORT]) || !isnan(cfg.failsafe_w[LIMIT_EXPORT])) {
		salvage(o, NULL, "a damaged database"); /* else there never was one, and nobody is expected to set any */
	}
}

/* ---- what is shown ---- */

/* Coarse, because nothing is published twice unchanged and an age never stands still. -1 = nothing was heard. */
static int age_s(const struct outside *o, int64_t now_ms)
{
	static const int STEPS[] = { 0, 10, 30, 60, 120, 300, 900, 3600, 6 * 3600, 86400 };
	const int64_t age_ms = limit_input_age_ms(&o->limit, now_ms);
	int i = (int)(sizeof(STEPS) / sizeof(STEPS[0])) - 1;

	if (age_ms < 0)
		return -1;
	while (i > 0 && STEPS[i] * 1000LL > age_ms)
		i--;
	return STEPS[i];
}

static void add_number_or_null(cJSON *o, const char *key, double v)
{
	if (isnan(v))
		cJSON_AddNullToObject(o, key);
	else
		json_add_number(o, key, v, 1);
}

bool outside_pause_note(const struct outside *o, char *out, size_t size)
{
	const struct limit_config cfg = limit_config(o);
	struct limit_view v;

	limit_input_view(&o->limit, &cfg, &v);
	return limit_words_pause(o->hub, &v, out, size);
}

void outside_notes(const struct outside *o, cJSON *list)
{
	char text[LIMIT_WORDS_MAX];

	if (outside_pause_note(o, text, sizeof(text)))
		cJSON_AddItemToArray(list, cJSON_CreateString(text));
	for (int i = 0; i < LIMIT_SIDES; i++)
		if (limit_words_looser(o->hub, &o->limit, (enum limit_direction)i, text, sizeof(text)))
			cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

cJSON *outside_encode_limit(const struct outside *o)
{
	const struct limit_config cfg = limit_config(o);
	const int age = age_s(o, loop_now_ms());
	cJSON *j = cJSON_CreateObject();
	struct limit_view v;

	limit_input_view(&o->limit, &cfg, &v);
	cJSON_AddStringToObject(j, "state", limit_state_word(v.state));
	add_number_or_null(j, "import_w", v.side[LIMIT_IMPORT].w);
	add_number_or_null(j, "export_w", v.side[LIMIT_EXPORT].w);
	json_add_time(j, "until", v.until_utc_ms);
	cJSON_AddBoolToObject(j, "failsafe", v.failsafe);
	add_number_or_null(j, "heartbeat_age_s", age < 0 ? NAN : (double)age);
	if (o->limit.source[0])
		cJSON_AddStringToObject(j, "source", o->limit.source);
	cJSON_AddStringToObject(j, "import_state", limit_state_word(v.side[LIMIT_IMPORT].state));
	cJSON_AddStringToObject(j, "export_state", limit_state_word(v.side[LIMIT_EXPORT].state));
	for (int i = 0; i < LIMIT_SIDES; i++) /* whose silence counts for it */
		if (o->limit.side[i].source[0] && strcmp(o->limit.side[i].source, o->limit.source) != 0)
			cJSON_AddStringToObject(j, i == LIMIT_IMPORT ? "import_source" : "export_source", o->limit.side[i].source);
	json_add_time(j, "import_until", v.side[LIMIT_IMPORT].until_utc_ms);
	json_add_time(j, "export_until", v.side[LIMIT_EXPORT].until_utc_ms);
	if (v.side[LIMIT_IMPORT].waits || v.side[LIMIT_EXPORT].waits)
		cJSON_AddTrueToObject(j, "until_waits_for_clock");
	cJSON_AddNumberToObject(j, "heartbeat_s", cfg.heartbeat_s);
	outside_notes(o, cJSON_AddArrayToObject(j, "warnings"));
	return j;
}

cJSON *outside_encode_demand(const struct outside *o)
{
	const struct demand_config cfg = demand_config(o);
	struct demand_view v;
	cJSON *j;

	demand_view(&o->demand, &cfg, &v);
	if (!(v.target_w > 0))
		return NULL;
	j = cJSON_CreateObject();
	json_add_number(j, "interval_w", v.interval_w, -1);
	json_add_number(j, "peak_w", v.peak_w, 0);
	json_add_number(j, "target_w", v.target_w, 0);
	json_add_number(j, "allowed_w", v.allowed_w, -1);
	cJSON_AddNumberToObject(j, "interval_min", cfg.interval_min);
	json_add_time(j, "until", v.until_utc_ms);
	return j;
}

const char *outside_warning(const struct outside *o)
{
	static char text[240];
	const struct limit_config cfg = limit_config(o);
	const bool import = o->limit.side[LIMIT_IMPORT].unread, export = o->limit.side[LIMIT_EXPORT].unread;
	const char *side = "";
	struct limit_view v;
	char limits[80];

	limit_input_view(&o->limit, &cfg, &v);
	say(o, limits, sizeof(limits));
	if (v.side[LIMIT_IMPORT].failsafe != v.side[LIMIT_EXPORT].failsafe) { /* who is heard is no part of it */
		const int i = v.side[LIMIT_IMPORT].failsafe ? LIMIT_IMPORT : LIMIT_EXPORT;

		side = i == LIMIT_IMPORT ? "import " : "export ";
		snprintf(limits, sizeof(limits), "%s%.0f W", side, v.side[i].w);
	}
	if ((import || export) && isnan(v.side[LIMIT_IMPORT].w) && isnan(v.side[LIMIT_EXPORT].w))
		snprintf(text, sizeof(text), "the stored %slimit could not be read, and no failsafe limit is configured: none holds until the next one is heard "
			 "(limit.set)", import && export ? "" : import ? "import " : "export ");
	else if (import || export)
		snprintf(text, sizeof(text), "the stored %slimit could not be read: until the next one is heard (limit.set) what could be read "
			 "and failsafe limits hold (%s)", import && export ? "" : import ? "import " : "export ", limits);
	else if (v.failsafe)
		snprintf(text, sizeof(text), v.state == LIMIT_FAILSAFE ? "the source of %slimits is silent: failsafe limits hold (%s)"
								       : "no %slimit was heard since the start: failsafe limits hold (%s)", side, limits);
	return import || export || v.failsafe ? text : NULL;
}

static void log_state(struct outside *o, const struct limit_view *v)
{
	char limits[80];
	bool moved = v->state != o->shown.state;

	for (int i = 0; i < LIMIT_SIDES; i++)
		moved |= v->side[i].state != o->shown.side[i].state;
	o->shown = *v;
	if (!moved)
		return;
	say(o, limits, sizeof(limits));
	if (v->failsafe)
		log_warning("limit", "%s: %s", limit_state_word(v->state), limits);
	else
		log_notice("limit", "%s: %s", limit_state_word(v->state), limits);
}

/* A limit that is said again and again for the next minute is one limit for the plan. */
static bool planned(const struct outside *o, const struct limit_view *v)
{
	const int64_t later_ms = v->until_utc_ms - o->planned.until_utc_ms;

	return !limit_view_power_differs(v, &o->planned) && !v->until_utc_ms == !o->planned.until_utc_ms && later_ms >= 0 && later_ms < REPLAN_LATER_MS;
}

/* Limits bound the plan too. They may come ten times a second: a plan every half minute is enough. */
static void replan(struct outside *o, const struct limit_view *v, int64_t now_ms)
{
	struct hub *h = o->hub;
	const int64_t next_ms = h->replan_last_ms + REPLAN_MS;
	char limits[80];

	if (planned(o, v))
		return;
	o->planned = *v;
	say(o, limits, sizeof(limits));
	if (!h->replan_why[0]) /* what there is besides is not pushed out */
		snprintf(h->replan_why, sizeof(h->replan_why), "limits from outside: %.90s", limits);
	if (!h->replan_due_ms)
		h->replan_due_ms = next_ms > now_ms + REPLAN_SOON_MS ? next_ms : now_ms + REPLAN_SOON_MS;
}

/* ---- the tick ---- */

void outside_freeze(struct outside *o, struct snapshot *s)
{
	const struct limit_config limits = limit_config(o);
	const struct demand_config cfg = demand_config(o);
	const struct limit_clock clock = { s->now_ms, s->utc_ms, s->clock_trusted };
	struct demand_reading r = { s->now_ms, s->utc_ms, s->clock_trusted, NAN };
	struct limit_view v;
	struct demand_view d;
	double w;

	o->dirty |= (limit_input_step(&o->limit, &limits, &clock) & LIMIT_STORE) != 0;
	limit_input_view(&o->limit, &limits, &v);
	if (value_get(&s->grid_w, s->now_ms, METER_MS, &w))
		r.import_w = fmax(0, w);
	o->demand_dirty |= demand_step(&o->demand, &cfg, &o->hub->zone, &r);
	demand_view(&o->demand, &cfg, &d);
	s->external = (struct external_limit){
		.import_w = v.side[LIMIT_IMPORT].w, .export_w = v.side[LIMIT_EXPORT].w, .failsafe = v.failsafe,
		.import_heard = !v.side[LIMIT_IMPORT].failsafe, .export_heard = !v.side[LIMIT_EXPORT].failsafe, .until_utc_ms = v.until_utc_ms,
		.import_until_utc_ms = v.side[LIMIT_IMPORT].until_utc_ms, .export_until_utc_ms = v.side[LIMIT_EXPORT].until_utc_ms, .demand_w = d.allowed_w, .demand_until_utc_ms = d.until_utc_ms,
	};
	s->site.demand_target_w = d.target_w;
}

static void on_demand(void *context, uint64_t ticket, int status)
{
	struct outside *o = context;

	(void)ticket;
	o->demand_writes--;
	o->demand_dirty |= status < 0;
}

/* The peak is in force meanwhile, so there is no hurry when it fails. */
static void store_peak(struct outside *o)
{
	AUTO_JSON *j = demand_encode(&o->demand);
	AUTO_TEXT *text = j ? cJSON_PrintUnformatted(j) : NULL;

	o->demand_try_ms = loop_now_ms() + DEMAND_RETRY_MS;
	o->demand_dirty = !text || hub_store_setting(o->hub, "demand", text, on_demand, o) < 0;
	o->demand_writes += !o->demand_dirty;
}

/* What was used of the running interval must not be washed away by a restart. Unsynced: a killed process loses a minute. */
static void store_interval(struct outside *o)
{
	AUTO_JSON *j = demand_encode_interval(&o->demand);
	AUTO_TEXT *text = j ? cJSON_PrintUnformatted(j) : NULL;

	o->demand_keep_ms = loop_now_ms() + DEMAND_KEEP_MS;
	if (text && hub_store_unsynced(o->hub, "demand", text) < 0)
		log_debug("limit", "the running interval could not be stored"); /* again in a minute */
}

static void store_demand(struct outside *o, int64_t now_ms)
{
	if (o->demand_dirty && now_ms >= o->demand_try_ms)
		store_peak(o);
	if (o->demand.running && now_ms >= o->demand_keep_ms)
		store_interval(o);
}

void outside_after(struct outside *o)
{
	struct hub *h = o->hub;
	const struct limit_config cfg = limit_config(o);
	const int64_t now_ms = loop_now_ms();
	const int age = age_s(o, now_ms);
	const int64_t pause_ms = limit_words_paused(h) ? h->owner.pause_until_utc_ms : 0;
	AUTO_JSON *limit = NULL, *demand = NULL;
	struct limit_view v;

	limit_input_view(&o->limit, &cfg, &v);
	if (limit_view_differs(&v, &o->shown)) {
		log_state(o, &v);
		replan(o, &v, now_ms);
		o->publish_limit = true;
	}
	if (o->publish_limit || age != o->shown_age_s || cfg.heartbeat_s != o->shown_heartbeat_s || pause_ms != o->shown_pause_ms) {
		o->publish_limit = false;
		o->shown_pause_ms = pause_ms;
		o->shown_age_s = age;
		o->shown_heartbeat_s = cfg.heartbeat_s;
		limit = outside_encode_limit(o);
		publish_text(&h->publish, "limit", limit, loop_utc_ms());
	}
	if (now_ms >= o->demand_due_ms || h->cfg.plan.demand_target_w != o->shown_target_w) {
		o->demand_due_ms = now_ms + DEMAND_MS;
		o->shown_target_w = h->cfg.plan.demand_target_w;
		demand = outside_encode_demand(o);
		publish_text(&h->publish, "demand", demand, loop_utc_ms());
	}
	store_demand(o, now_ms);
	write_soon(o);
}

void outside_publish_again(struct outside *o)
{
	o->publish_limit = true;
	o->demand_due_ms = 0;
}

int outside_limit(struct outside *o, const struct limit_message *m, struct errbuf *err)
{
	const struct limit_config cfg = limit_config(o);
	const bool trusted = hub_clock(o->hub);
	const struct limit_clock clock = { o->hub->clocks.now_ms, o->hub->clocks.utc_ms, trusted };
	int r = limit_input_message(&o->limit, &cfg, m, &clock, err);

	o->dirty |= r > 0 && (r & LIMIT_STORE);
	return r;
}

int outside_tighten(struct outside *o, const struct limit_message *m, struct errbuf *err)
{
	const struct limit_config cfg = limit_config(o);
	const bool trusted = hub_clock(o->hub);
	const struct limit_clock clock = { o->hub->clocks.now_ms, o->hub->clocks.utc_ms, trusted };

	return limit_input_tightens(&o->limit, &cfg, m, &clock) ? outside_limit(o, m, err) : -EBUSY;
}

/* ---- beginning and end ---- */

int outside_start(struct outside **out, struct hub *hub, struct errbuf *err)
{
	struct outside *o = calloc(1, sizeof(*o));

	if (!o)
		return errbuf_set(err, -ENOMEM, "no memory for limits");
	o->hub = hub;
	o->publish_limit = true;
	limit_input_init(&o->limit);
	uv_timer_init(hub->loop, &o->timer);
	o->timer.data = o;
	*out = o;
	return 0;
}

void outside_flush(struct outside *o)
{
	if (!o)
		return;
	o->dirty |= limit_input_exact(&o->limit);
	if (o->dirty || o->begun - o->ended == 1) /* what is under way may fail, and nobody would try again */
		write_now(o);
	if (o->demand_dirty || o->demand_writes == 1)
		store_peak(o);
	if (o->demand.running)
		store_interval(o);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void outside_stop(struct outside *o)
{
	if (o)
		uv_close((uv_handle_t *)&o->timer, on_closed);
}
