/* See round.h. */
#include "flow/round.h"

#include "flow/clock.h"
#include "flow/local/discovery.h"
#include "flow/history/money.h"
#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"
#include "policies/floor.h"
#include "policies/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 1000               /* the book and the outbox move once a second */
#define REPLAN_WAIT_MS 5000
#define REPLAN_MS (15 * 60 * 1000)
#define HOUR_MS (60LL * 60 * 1000)
#define PRICES_MS HOUR_MS
#define REACHABLE_MS 60000
#define AGENT_MS 10000
#define COUNT_GAP_MS 10000         /* what is longer ago was not seen */
#define COUNT_READING_MS 30000     /* chargers are read every ten seconds, some at longer intervals */

int round_book_devices(void *context, struct book_device *out, int max)
{
	struct hub *h = context;
	const struct snapshot *s = tick_snapshot(h->tick);
	int64_t now, asked_ms;
	int n = plant_count(h->plant) < max ? plant_count(h->plant) : max;

	hub_clock(h); /* a sleep since the last look: the silence of then is nobody's fault */
	now = h->clocks.now_ms;
	asked_ms = now - (h->woke_ms > h->plant_started_ms ? h->woke_ms : h->plant_started_ms);
	for (int i = 0; i < n; i++) {
		const struct config_device *c = plant_config(h->plant, i);
		const struct device_state *d = plant_state(h->plant, i);
		int64_t silence = plant_silence_ms(h->plant, i, now);

		memset(&out[i], 0, sizeof(out[i]));
		snprintf(out[i].flip_device_id, sizeof(out[i].flip_device_id), "%.*s", FLIP_ID_MAX - 1, c->flip_device_id);
		out[i].battery = plant_roles(h->plant, i) & ROLE_BATTERY;
		out[i].not_asked = (silence < 0 || silence > asked_ms || d->availability == AVAIL_UNKNOWN) && asked_ms <= REACHABLE_MS;
		out[i].reachable = silence >= 0 && silence <= REACHABLE_MS && d->availability != AVAIL_UNKNOWN;
		out[i].islanded = s->grid_lost;
		out[i].fault = d->availability == AVAIL_FAULT ||
			       (value_usable(&d->f[F_BATTERY_STATE]) && (int)d->f[F_BATTERY_STATE].v == BATTERY_FAULT);
		out[i].charge_max_w = isnan(c->charge_max_w) ? d->caps.charge_max_w : c->charge_max_w;
		out[i].discharge_max_w = isnan(c->discharge_max_w) ? d->caps.discharge_max_w : c->discharge_max_w;
	}
	return n;
}

static void publish_kept(struct hub *h, const char *below, cJSON *o)
{
	AUTO_JSON *owned = o;
	AUTO_TEXT *text = NULL;
	char topic[MQTT_TOPIC_MAX];

	if (owned) {
		json_add_time(owned, "at", loop_utc_ms());
		text = cJSON_PrintUnformatted(owned);
	}
	mqtt_publish(h->mqtt, topic_make(&h->root, topic, sizeof(topic), "%s", below), text, text ? strlen(text) : 0, 1, true, NULL);
}

void round_publish_command(void *context, const struct book_entry *e)
{
	char below[FLIP_ID_MAX + 16];

	snprintf(below, sizeof(below), "command/%s", e->c.id);
	publish_kept(context, below, book_entry_encode(e));
}

void round_publish_event(void *context, const struct book_event *e)
{
	char below[FLIP_ID_MAX + 16];

	snprintf(below, sizeof(below), "event/%s", e->e.id);
	publish_kept(context, below, book_event_encode(e));
}

void round_publish_gone(void *context, const char *id, bool event)
{
	char below[FLIP_ID_MAX + 16];

	snprintf(below, sizeof(below), "%s/%s", event ? "event" : "command", id);
	publish_kept(context, below, NULL);
}

cJSON *round_encode_vpp(struct hub *h)
{
	const struct book_entry *next = NULL;
	cJSON *o = cJSON_CreateObject();
	char notice[240] = "", when[CALENDAR_TEXT_MAX];

	for (int i = 0; i < h->book->n; i++) {
		const struct book_entry *e = &h->book->entry[i];

		if ((e->state == BOOK_SCHEDULED || e->state == BOOK_ACTIVE || e->state == BOOK_SUSPENDED) &&
		    (!next || e->c.starts_utc_ms < next->c.starts_utc_ms))
			next = e;
	}
	cJSON_AddNullToObject(o, "enrolled"); /* not known until enrollment is built */
	cJSON_AddArrayToObject(o, "programs");
	if (next) {
		cJSON *n = cJSON_AddObjectToObject(o, "next_event");
		const char *id = next->c.event_id[0] ? next->c.event_id : next->c.id;
		int used;

		cJSON_AddStringToObject(n, "id", id);
		cJSON_AddStringToObject(n, "mode", battery_mode_word(next->c.mode));
		json_add_time(n, "starts_at", next->c.starts_utc_ms);
		json_add_time(n, "ends_at", next->c.ends_utc_ms);
		calendar_format(next->c.starts_utc_ms, when);
		used = snprintf(notice, sizeof(notice), "%s from %.16sZ", battery_mode_word(next->c.mode), when);
		if (!isnan(next->c.reserve_pct) && used > 0)
			snprintf(notice + used, sizeof(notice) - (size_t)used, ", not below %.0f %%", next->c.reserve_pct);
		used = (int)strlen(notice);
		snprintf(notice + used, sizeof(notice) - (size_t)used, "; to stay out: hearthctl event opt-out %s", id);
	} else {
		cJSON_AddNullToObject(o, "next_event");
	}
	cJSON_AddStringToObject(o, "notice", notice);
	return o;
}

cJSON *round_encode_outbox(struct hub *h, int64_t utc_ms)
{
	cJSON *o = cJSON_CreateObject(), *t;
	struct outbox_stats promises;
	struct backlog_stats points;
	int64_t oldest_s;

	outbox_stats(h->outbox, utc_ms, &promises);
	backlog_stats(h->backlog, &points);
	oldest_s = points.oldest_utc_ms && utc_ms > points.oldest_utc_ms ? (utc_ms - points.oldest_utc_ms) / 1000 : 0;
	cJSON_AddNumberToObject(o, "rows", (double)(promises.rows + points.rows));
	cJSON_AddNumberToObject(o, "oldest_s", (double)(oldest_s > promises.oldest_s ? oldest_s : promises.oldest_s));
	cJSON_AddNumberToObject(o, "sent_total", (double)(promises.sent_total + points.sent_total));
	cJSON_AddNumberToObject(o, "failed_total", (double)(promises.failed_total + points.failed_total));
	cJSON_AddNumberToObject(o, "quarantined", (double)(promises.quarantined + points.refused));
	cJSON_AddStringToObject(o, "link", promises.link_up ? "up" : "down");
	cJSON_AddNumberToObject(o, "bytes_written_today", (double)promises.bytes_written_today);
	cJSON_AddNumberToObject(o, "promises", promises.rows);
	t = cJSON_AddObjectToObject(o, "telemetry");
	cJSON_AddNumberToObject(t, "rows", (double)points.rows);
	cJSON_AddNumberToObject(t, "refused", (double)points.refused);
	cJSON_AddNumberToObject(t, "thinned_total", (double)points.thinned_total);
	cJSON_AddNumberToObject(t, "dropped_total", (double)points.dropped_total);
	cJSON_AddStringToObject(t, "refused_reason", points.refused_reason);
	return o;
}

/* Takes over @o. */
static void publish_made(struct hub *h, const char *below, cJSON *o)
{
	publish_text(&h->publish, below, o, loop_utc_ms());
	cJSON_Delete(o);
}

static void publish_plan(struct hub *h)
{
	const char *text = planning_text(h->planning); /* printed on the planner's worker: it takes milliseconds */
	cJSON *o;

	if (text) {
		publish_raw(&h->publish, "plan", text, loop_utc_ms());
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "status", "none");
	cJSON_AddStringToObject(o, "reason", planning_status(h->planning));
	publish_made(h, "plan", o);
}

cJSON *round_encode_plan(struct hub *h)
{
	const char *text = planning_text(h->planning);
	cJSON *o;

	if (text)
		return cJSON_CreateRaw(text);
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "status", "none");
	cJSON_AddStringToObject(o, "reason", planning_status(h->planning));
	return o;
}

static void publish_forecast(struct hub *h)
{
	publish_made(h, "forecast", forecasting_encode(h->forecasting, loop_utc_ms()));
}

void round_forecast_changed(void *context)
{
	publish_forecast(context);
}

void round_plan_changed(void *context)
{
	struct hub *h = context;

	log_info("plan", "%s", planning_status(h->planning));
	publish_plan(h);
	tick_soon(h->tick);
}

static void publish_tariffs(struct hub *h)
{
	char *import = price_print(h->import_prices), *export = price_print(h->export_prices);

	if (import && export) {
		publish_raw(&h->publish, "tariff/import", import, loop_utc_ms());
		publish_raw(&h->publish, "tariff/export", export, loop_utc_ms());
	}
	free(import);
	free(export);
}

void round_prices(struct hub *h)
{
	const int64_t utc_ms = loop_utc_ms();
	/* to a whole hour, so that what is composed twice within one is the same and is published once */
	const int64_t to_ms = (utc_ms / HOUR_MS + h->cfg.plan.horizon_h + 3) * HOUR_MS;

	prices_compose(h->prices, utc_ms, calendar_day_start(&h->zone, utc_ms), to_ms, h->import_prices, h->export_prices);
	publish_tariffs(h);
}

void round_publish_again(struct hub *h)
{
	publish_all_again(&h->publish);
	outside_publish_again(h->outside);
	publish_tariffs(h);
	money_publish_again(h);
	publish_forecast(h);
	publish_plan(h);
	publish_made(h, "vpp", round_encode_vpp(h));
	for (int i = 0; i < h->book->n; i++)
		round_publish_command(h, &h->book->entry[i]);
	for (int i = 0; i < h->book->n_events; i++)
		round_publish_event(h, &h->book->event[i]);
	h->agent_due_ms = 0;
	tick_soon(h->tick);
}

/* What policies/event.c orders for it, W; infinite = all the device can, NAN = no power of its own: it follows the house. */
static double event_power(const struct book_entry *e, bool grid_charging)
{
	const bool import = e->c.grid_import == TRI_YES || (e->c.grid_import == TRI_UNSET && grid_charging);
	const double w = e->c.power_mode == POWER_SETPOINT ? e->power_w : (double)INFINITY;

	if (e->c.mode == MODE_STANDBY)
		return 0;
	if (e->c.mode == MODE_BACKUP && import)
		return (double)INFINITY;
	if (e->c.power_mode == POWER_FOLLOW_LOAD)
		return NAN;
	if (e->c.mode == MODE_DISCHARGE)
		return -w;
	return e->c.mode == MODE_CHARGE && import ? w : (double)NAN;
}

/* The windows events take from the plan, per device. */
static void plan_events(const struct hub *h, struct planning_inputs *in)
{
	for (int i = 0; i < h->book->n; i++) {
		const struct book_entry *e = &h->book->entry[i];
		struct planning_event *v;
		struct command_view view;

		if (e->device < 0 || e->device >= DEVICE_MAX || book_state_is_end(e->state) || e->c.mode == MODE_SAVINGS ||
		    in->n_events[e->device] >= PLANNING_EVENTS_MAX)
			continue;
		book_view(h->book, e, &view);
		v = &in->event[e->device][in->n_events[e->device]++];
		v->from_utc_ms = e->c.starts_utc_ms;
		v->to_utc_ms = e->c.ends_utc_ms ? e->c.ends_utc_ms : e->c.starts_utc_ms + h->book->max_endless_ms;
		v->power_w = event_power(e, in->snapshot->site.grid_charging);
		v->floor_pct = floor_in(in->snapshot, &in->snapshot->dev[e->device], &view).pct;
	}
}

static void replan(struct hub *h, const struct snapshot *s)
{
	static struct planning_inputs in; /* 12 KiB */

	memset(&in, 0, sizeof(in));
	in.utc_ms = s->utc_ms;
	in.import_prices = h->import_prices;
	in.export_prices = h->export_prices;
	in.snapshot = s;
	plan_events(h, &in);
	snprintf(in.trigger, sizeof(in.trigger), "%s", planning_text(h->planning) ? h->replan_why : "the start");
	h->replan_due_ms = 0;
	h->replan_last_ms = s->now_ms;
	if (planning_request(h->planning, &in) < 0)
		h->replan_due_ms = s->now_ms + REPLAN_WAIT_MS; /* a device that has yet to join, prices that have yet to come */
	else
		h->replan_why[0] = '\0';
}

/* Does the house still go as planned, with what was planned for? */
static void replan_watch(struct hub *h, const struct snapshot *s)
{
	struct replan_expected expected;
	char why[REPLAN_TEXT_MAX];
	double load_w, pv_w;

	if (!s->clock_trusted)
		return;
	home_measure(s, &load_w, &pv_w);
	planning_expect(h->planning, s, &expected);
	if (replan_look(&h->replan, s, load_w, pv_w, &expected, why))
		hub_replan(h, why);
}

/* Energy moved in the direction of each device's active command since the last tick. */
static void account(struct hub *h, const struct snapshot *s)
{
	const int64_t ms = h->accounted_ms ? s->now_ms - h->accounted_ms : 0;
	double w;

	h->accounted_ms = s->now_ms;
	for (int i = 0; i < s->n_devices; i++)
		if (s->clock_trusted && value_get(&s->dev[i].state.ac_power_w, s->now_ms, 10000, &w))
			savings_event(h->savings, s->utc_ms, book_deliver(h->book, i, w, s->utc_ms, ms));
}

/* What cars took of what their owner asked for, by the power they were seen to draw. */
static void count_cars(struct hub *h, const struct snapshot *s)
{
	const int64_t ms = h->counted_ms ? s->now_ms - h->counted_ms : 0;
	bool due = false;
	double w;

	h->counted_ms = s->now_ms;
	for (int i = 0; i < s->n_devices && ms <= COUNT_GAP_MS; i++)
		if (view_charger(&s->dev[i]) && value_get(&s->dev[i].state.ac_power_w, s->now_ms, COUNT_READING_MS, &w))
			due |= owner_ev_took(&h->owner, s->dev[i].id, w * (double)ms / 3.6e6);
	if (due)
		hub_store_owner(h);
}

/* Commands may not run while the owner has paused everything: Flip is told, and told again when it is over. */
static void step_pause(struct hub *h, const struct snapshot *s)
{
	for (int i = 0; i < s->n_devices; i++)
		if (s->paused && book_in_force(h->book, i, s->utc_ms))
			book_trouble(h->book, i, FLIP_FAILED_FAULT, "paused");
		else if (h->was_paused && !s->paused)
			book_trouble(h->book, i, FLIP_DEVICE_OK, "");
	h->was_paused = s->paused;
}

void round_before_tick(void *context)
{
	struct hub *h = context;

	hub_clock(h);
	if (h->flip && h->flip_due_utc_ms && loop_utc_ms() >= h->flip_due_utc_ms)
		h->flip_due_utc_ms = flip_link_step(h->flip);
}

static void step_flip(struct hub *h, const struct snapshot *s)
{
	for (int i = 0; i < s->n_devices; i++)
		book_suspend(h->book, i, s->grid_lost);
	step_pause(h, s);
	if (h->clock_trusted ? owner_expire_at(&h->owner, s->utc_ms, s->now_ms) : owner_expire_durations(&h->owner, s->now_ms))
		hub_store_owner(h);
	h->flip_due_utc_ms = flip_link_step(h->flip);
	clock_keep(h);
	prices_step(h->prices);
	publish_made(h, "outbox", round_encode_outbox(h, s->utc_ms));
	publish_made(h, "vpp", round_encode_vpp(h));
}

void round_after_tick(void *context, const struct snapshot *s, const struct decisions *d)
{
	struct hub *h = context;

	account(h, s);
	count_cars(h, s);
	forecasting_observe(h->forecasting, s);
	recorder_observe(h->recorder, s, d);
	money_step(h, s, d);
	habits_observe(h->habits, s);
	diary_observe(h->diary, s, d);
	for (int i = 0; i < s->n_devices; i++)
		publish_device(&h->publish, i, s);
	publish_decisions(&h->publish, s, d);
	publish_site(&h->publish, s, d);
	outside_after(h->outside);
	wear_step(h->wear);
	discovery_step(h->discovery, s);
	if (s->now_ms >= h->step_due_ms) {
		h->step_due_ms = s->now_ms + STEP_MS;
		step_flip(h, s);
	}
	if (s->now_ms >= h->agent_due_ms) {
		h->agent_due_ms = s->now_ms + AGENT_MS;
		publish_made(h, "agent", hub_encode_agent(h));
	}
	if (s->now_ms >= h->prices_due_ms) {
		h->prices_due_ms = s->now_ms + PRICES_MS;
		round_prices(h);
		if (planning_prices_differ(h->planning, h->import_prices, h->export_prices, s->utc_ms))
			hub_replan(h, "new prices");
	}
	replan_watch(h, s);
	if (s->now_ms - h->replan_last_ms > REPLAN_MS)
		hub_replan(h, "a quarter of an hour");
	if (h->replan_due_ms && s->now_ms >= h->replan_due_ms)
		replan(h, s);
	if (h->flip_due_utc_ms > s->utc_ms)
		tick_at(h->tick, s->now_ms + h->flip_due_utc_ms - s->utc_ms);
	h->finished(h);
}
