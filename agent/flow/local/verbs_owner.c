/* What the owner may change: reserve, overrides, pause, the car's mode, participation. The change is in force at once; the
 * answer waits until it is on disk, and a change that cannot be stored is taken back. */
#include "core/calendar.h"
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/loop.h"
#include "policies/view.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_S (31 * 86400)

/* A change waiting for its commit. */
struct change {
	struct request *rq;
	struct owner after;        /* what it wrote */
	cJSON *data;               /* of the answer; ours until then */
	struct change *next;
};

/* The whole of struct owner is one row, so a later change writes the earlier ones with it. One that could not be stored while
 * a later one is on its way therefore waits for that: once it is on disk, both are; if the last fails too, all of them are
 * taken back to what the disk is known to hold. Restoring the state before an earlier change would drop the later one. */
static struct {
	int under_way;             /* transactions not ended */
	struct owner committed;    /* what the disk holds; meaningless while none is under way */
	struct change *failed;     /* wait for a later one */
} changes;

static const char *code_of(int error)
{
	return error == -ENOENT ? "not_found" : error == -EPERM ? "refused" : "bad_request";
}

static void answer(struct change *c, int status)
{
	if (status < 0) {
		request_error(c->rq, "unavailable", "the change could not be stored (%s) and was taken back", strerror(-status));
		cJSON_Delete(c->data);
	} else {
		request_ok(c->rq, c->data);
	}
	free(c);
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct change *c = context, *list = changes.failed;
	struct hub *h = c->rq->hub;

	(void)ticket;
	changes.under_way--;
	if (status < 0 && changes.under_way > 0) {
		c->next = changes.failed;
		changes.failed = c;
		return;
	}
	changes.failed = NULL;
	if (status < 0) {
		h->owner = changes.committed;
		hub_store_owner(h); /* somebody else may have written it meanwhile, with the change in it */
		tick_soon(h->tick);
	} else {
		changes.committed = c->after;
	}
	answer(c, status);
	while ((c = list)) {
		list = c->next;
		answer(c, status);
	}
}

/* The owner struct was changed: in force now, stored, answered with @data (taken over) after the commit. */
static void keep(struct request *rq, const struct owner *before, cJSON *data)
{
	struct hub *h = rq->hub;
	AUTO_JSON *o = NULL;
	AUTO_TEXT *text = NULL;
	struct change *c;
	int r = -ENOMEM;

	tick_now(h->tick); /* first: the device does not wait, the answer does */
	o = owner_encode(&h->owner);
	text = o ? cJSON_PrintUnformatted(o) : NULL;
	c = malloc(sizeof(*c));
	if (c)
		*c = (struct change){ .rq = rq, .after = h->owner, .data = data };
	if (c && text)
		r = hub_store_setting(h, "owner", text, on_stored, c);
	if (r < 0) {
		h->owner = *before;
		tick_soon(h->tick);
		free(c);
		cJSON_Delete(data);
		request_error(rq, r == -EAGAIN ? "busy" : "unavailable", "the change could not be stored: %s", strerror(-r));
		return;
	}
	if (changes.under_way++ == 0)
		changes.committed = *before;
	hub_replan(h, "the owner changed something");
}

/* Index of the device an argument names, or -1 after answering. */
static int device_arg(struct request *rq, uint32_t roles, const char *what)
{
	struct errbuf err = { "" };
	char id[DEVICE_ID_MAX] = "";
	int r = json_get_text(rq->args, "device", id, sizeof(id), &err);

	if (r < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return -1;
	}
	for (int i = 0; i < plant_count(rq->hub->plant); i++) {
		if (r == 1 && strcmp(plant_config(rq->hub->plant, i)->id, id) != 0)
			continue;
		if (plant_roles(rq->hub->plant, i) & roles)
			return i;
		if (r == 1) {
			request_error(rq, "bad_request", "device '%s' is not a %s", id, what);
			return -1;
		}
	}
	if (r == 1)
		request_error(rq, "not_found", "there is no device '%s'", id);
	else
		request_error(rq, "bad_request", "device is missing: which %s?", what);
	return -1;
}

/* until or duration_s, which sets the monotonic end too; 0, or -1 after answering. */
static int until_arg(struct request *rq, int64_t *until_utc_ms, int64_t *until_ms)
{
	struct errbuf err = { "" };
	char text[CALENDAR_TEXT_MAX + 8] = "";
	int64_t seconds = 0, now = loop_utc_ms();
	int r = json_get_text(rq->args, "until", text, sizeof(text), &err), d = json_get_int(rq->args, "duration_s", 1, DURATION_MAX_S, &seconds, &err);

	if (r < 0 || d < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return -1;
	}
	if (r + d != 1) {
		request_error(rq, "bad_request", "say either until or duration_s");
		return -1;
	}
	if (r == 1 && calendar_parse(text, until_utc_ms) < 0) {
		request_error(rq, "bad_request", "until: '%s' is not a time such as 2026-01-15T18:00:00Z", text);
		return -1;
	}
	if (d == 1) {
		*until_utc_ms = now + seconds * 1000;
		*until_ms = loop_now_ms() + seconds * 1000;
	}
	if (*until_utc_ms <= now) {
		request_error(rq, "expired", "until: %s is over", text);
		return -1;
	}
	return 0;
}

void verb_reserve_set(struct request *rq)
{
	struct hub *h = rq->hub;
	struct owner before = h->owner;
	struct errbuf err = { "" };
	double pct;
	int r = json_get_number(rq->args, "pct", 0, 100, &pct, &err);

	if (r == 0)
		errbuf_set(&err, -EINVAL, "pct is missing: a number of 0..100");
	else if (r == 1)
		r = owner_reserve_set(&h->owner, pct, h->cfg.site.reserve_pct, &err) < 0 ? -1 : 1;
	if (r != 1) {
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	keep(rq, &before, NULL);
}

void verb_override_set(struct request *rq)
{
	struct hub *h = rq->hub;
	struct owner before = h->owner;
	struct owner_override v = { .power_w = NAN };
	struct errbuf err = { "" };
	char mode[16] = "";
	int i = device_arg(rq, ROLE_BATTERY, "battery"), r;
	const struct book_entry *e;
	cJSON *data = NULL;

	if (i < 0)
		return;
	memcpy(v.device, plant_config(h->plant, i)->id, sizeof(v.device));
	r = json_get_text(rq->args, "mode", mode, sizeof(mode), &err);
	if (r != 1 || override_parse(mode, &v.mode) < 0 || v.mode == OVERRIDE_NONE) {
		request_error(rq, "bad_request", "%s", err.text[0] ? err.text : "mode must be auto, hold, charge or discharge");
		return;
	}
	if (json_get_number(rq->args, "power_w", 1, 1e6, &v.power_w, &err) < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	if (until_arg(rq, &v.until_utc_ms, &v.until_ms) < 0)
		return;
	e = h->clock_trusted ? book_in_force(h->book, i, loop_utc_ms()) : NULL;
	if (e) {
		request_error(rq, "refused", "event %s runs on %s now; `hearthctl event opt-out %s` ends it",
			      e->c.event_id[0] ? e->c.event_id : e->c.id, v.device, e->c.event_id[0] ? e->c.event_id : e->c.id);
		return;
	}
	r = owner_override_set(&h->owner, &v, loop_utc_ms(), &err);
	if (r < 0) {
		request_error(rq, code_of(r), "%s", err.text);
		return;
	}
	if (!h->clock_trusted) {
		data = cJSON_CreateObject();
		cJSON_AddStringToObject(data, "warning", "stored, but it waits: the clock is not trusted yet");
	}
	keep(rq, &before, data);
}

void verb_override_clear(struct request *rq)
{
	struct owner before = rq->hub->owner;
	int i = device_arg(rq, ROLE_BATTERY, "battery");

	if (i < 0)
		return;
	if (owner_override_clear(&rq->hub->owner, plant_config(rq->hub->plant, i)->id))
		keep(rq, &before, NULL);
	else
		request_ok(rq, NULL);
}

/* {"warning": ...} when limits stand: service releases everything, and somebody must know. */
static cJSON *pause_warning(struct hub *h)
{
	char text[360];
	cJSON *o = NULL;

	h->agent_due_ms = 0; /* R/agent says it too */
	if (!outside_pause_note(h->outside, text, sizeof(text)))
		return NULL;
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "warning", text);
	return o;
}

void verb_pause(struct request *rq)
{
	struct owner before = rq->hub->owner;
	struct errbuf err = { "" };
	int64_t seconds;
	int r = json_get_int(rq->args, "duration_s", 0, OWNER_PAUSE_MAX_MS / 1000, &seconds, &err);

	if (r == 0)
		errbuf_set(&err, -EINVAL, "duration_s is missing: seconds, 0 ends the pause");
	if (r != 1 || owner_pause(&rq->hub->owner, seconds * 1000, loop_utc_ms(), &err) < 0)
		request_error(rq, "bad_request", "%s", err.text);
	else {
		owner_pause_mono(&rq->hub->owner, loop_now_ms(), seconds * 1000);
		keep(rq, &before, pause_warning(rq->hub));
	}
}

/* {"warning": ...} when a battery follows an event at this moment: the car is not stopped, but what it takes is missing. */
static cJSON *event_warning(const struct hub *h)
{
	const int64_t utc_ms = loop_utc_ms();
	char until[CALENDAR_TEXT_MAX] = "", text[256];
	cJSON *o;

	for (int i = 0; h->clock_trusted && i < plant_count(h->plant); i++) {
		const struct book_entry *e = plant_roles(h->plant, i) & ROLE_BATTERY ? book_in_force(h->book, i, utc_ms) : NULL;

		if (!e)
			continue;
		if (e->c.ends_utc_ms)
			calendar_format(e->c.ends_utc_ms, until);
		snprintf(text, sizeof(text), "event %s runs until %s: the car uses what the home should give or save in it",
			 e->c.event_id[0] ? e->c.event_id : e->c.id, until[0] ? until : "Flip ends it");
		o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "warning", text);
		return o;
	}
	return NULL;
}

/* What is asked for is what is tried, also when the charger cannot give it in time: that is said now, not in the morning. */
static cJSON *time_warning(const struct hub *h, int device, const struct owner_ev *v)
{
	const struct snapshot *s = tick_snapshot(h->tick);
	const double max_w = device < s->n_devices ? view_charge_max(&s->dev[device]) : 0;
	const double hours = (double)(v->ready_by_utc_ms - loop_utc_ms()) / 3.6e6, most_wh = max_w * hours;
	char text[160];
	cJSON *o;

	if (!h->clock_trusted || v->mode == EV_OFF || !v->ready_by_utc_ms || isnan(v->energy_wh) || max_w <= 0 || v->energy_wh <= most_wh)
		return NULL;
	snprintf(text, sizeof(text), "at most %.1f kWh of these %.1f kWh by then: the charger gives %.1f kW and %.0f min are left", most_wh / 1e3,
		 v->energy_wh / 1e3, max_w / 1e3, hours * 60);
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "warning", text);
	return o;
}

void verb_ev_set(struct request *rq)
{
	struct owner before = rq->hub->owner;
	struct owner_ev v = { .energy_wh = NAN, .soc_pct = NAN };
	struct errbuf err = { "" };
	char mode[16] = "", by[CALENDAR_TEXT_MAX + 8] = "";
	int i = device_arg(rq, ROLE_CHARGER, "charger"), r;
	cJSON *warning;

	if (i < 0)
		return;
	memcpy(v.device, plant_config(rq->hub->plant, i)->id, sizeof(v.device));
	if (json_get_text(rq->args, "mode", mode, sizeof(mode), &err) != 1 || ev_mode_parse(mode, &v.mode) < 0 || v.mode == EV_UNSET) {
		request_error(rq, "bad_request", "%s", err.text[0] ? err.text : "mode must be off, solar, cheap or now");
		return;
	}
	if (json_get_number(rq->args, "energy_wh", 0, 1e6, &v.energy_wh, &err) < 0 ||
	    json_get_number(rq->args, "soc_pct", 0, 100, &v.soc_pct, &err) < 0 ||
	    (r = json_get_text(rq->args, "ready_by", by, sizeof(by), &err)) < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	if (r == 1 && calendar_parse(by, &v.ready_by_utc_ms) < 0) {
		request_error(rq, "bad_request", "ready_by: '%s' is not a time such as 2026-01-15T07:00:00Z", by);
		return;
	}
	r = owner_ev_set(&rq->hub->owner, &v, loop_utc_ms(), &err);
	if (r < 0) {
		request_error(rq, code_of(r), "%s", err.text);
		return;
	}
	warning = v.mode == EV_NOW ? event_warning(rq->hub) : NULL;
	keep(rq, &before, warning ? warning : time_warning(rq->hub, i, &v));
}

static void on_participation(void *context, uint64_t ticket, int status)
{
	struct request *rq = context;

	(void)ticket;
	if (status < 0)
		request_error(rq, "unavailable", "in force here, but it could not be stored: %s", strerror(-status));
	else
		request_ok(rq, NULL);
}

void verb_event_participate(struct request *rq)
{
	struct hub *h = rq->hub;
	struct errbuf err = { "" };
	char id[FLIP_ID_MAX] = "";
	bool participating = false;
	double pct = NAN;
	int has_id = json_get_text(rq->args, "event_id", id, sizeof(id), &err);
	int has = json_get_bool(rq->args, "participating", &participating, &err);
	int has_pct = json_get_number(rq->args, "reserve_pct", 0, 100, &pct, &err), r;

	if (has_id < 0 || has < 0 || has_pct < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	if (!has_id || !(has || has_pct)) {
		request_error(rq, "bad_request", "say event_id and participating or reserve_pct");
		return;
	}
	r = flip_link_participate(h->flip, &(struct flip_wish){ id, has ? &participating : NULL, pct }, on_participation, rq, &err);
	if (r < 0) {
		request_error(rq, code_of(r), "%s", err.text);
		return;
	}
	hub_replan(h, "participation changed");
}
