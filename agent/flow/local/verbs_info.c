/* Verbs that only read: ping, the whole state by parts, dump. */
#include "core/encode.h"
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/round.h"
#include "flow/local/verbs.h"
#include "io/log.h"
#include "io/loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTBOX_ROWS_SHOWN 100

void verb_ping(struct request *rq)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "version", HEARTH_VERSION);
	cJSON_AddStringToObject(o, "site", rq->hub->cfg.site.id);
	json_add_time(o, "at", loop_utc_ms());
	cJSON_AddStringToObject(o, "timezone", rq->hub->cfg.site.timezone);
	cJSON_AddBoolToObject(o, "clock_trusted", rq->hub->clock_trusted);
	request_ok(rq, o);
}

static cJSON *part_site(struct hub *h)
{
	struct site_sums sums;

	site_load_sums(&h->publish.load, tick_snapshot(h->tick), &sums);
	return encode_site(tick_snapshot(h->tick), tick_decisions(h->tick), &sums);
}

static cJSON *part_decision(struct hub *h)
{
	return encode_decisions(tick_snapshot(h->tick), tick_decisions(h->tick));
}

static cJSON *part_devices(struct hub *h)
{
	const struct snapshot *s = tick_snapshot(h->tick);
	cJSON *o = cJSON_CreateObject();

	for (int i = 0; i < s->n_devices; i++)
		cJSON_AddItemToObject(o, s->dev[i].id, encode_device(&s->dev[i]));
	return o;
}

static cJSON *part_buses(struct hub *h)
{
	cJSON *a = cJSON_CreateArray();
	double up_ms = (double)(loop_utc_ms() - h->started_utc_ms);

	for (int i = 0; i < h->cfg.n_buses; i++) {
		const struct config_bus *c = &h->cfg.bus[i];
		cJSON *o = cJSON_CreateObject();
		struct bus_stats st;

		plant_bus_stats(h->plant, i, &st);
		cJSON_AddStringToObject(o, "name", c->name);
		cJSON_AddStringToObject(o, "type", c->rtu ? "rtu" : "tcp");
		cJSON_AddStringToObject(o, "link", st.link_up ? "up" : "down");
		cJSON_AddNumberToObject(o, "requests", (double)st.requests);
		cJSON_AddNumberToObject(o, "ok", (double)st.ok);
		cJSON_AddNumberToObject(o, "exceptions", (double)st.exceptions);
		cJSON_AddNumberToObject(o, "timeouts", (double)st.timeouts);
		cJSON_AddNumberToObject(o, "bad_answers", (double)st.bad_answers);
		cJSON_AddNumberToObject(o, "expired", (double)st.expired);
		cJSON_AddNumberToObject(o, "connects", (double)st.connects);
		cJSON_AddNumberToObject(o, "connect_failures", (double)st.connect_failures);
		json_add_number(o, "load_pct", up_ms > 0 ? 100.0 * (double)st.busy_ms / up_ms : 0, 1);
		cJSON_AddStringToObject(o, "last_error", st.last_error);
		cJSON_AddItemToArray(a, o);
	}
	return a;
}

static void add_prices(cJSON *o, const char *key, const struct price_series *p)
{
	char *text = price_print(p);

	if (text)
		cJSON_AddItemToObject(o, key, cJSON_CreateRaw(text));
	free(text);
}

static cJSON *part_tariff(struct hub *h)
{
	cJSON *o = cJSON_CreateObject(), *f;
	struct prices_status st;

	add_prices(o, "import", h->import_prices);
	add_prices(o, "export", h->export_prices);
	prices_status(h->prices, &st);
	f = cJSON_AddObjectToObject(o, "flatpeak");
	cJSON_AddStringToObject(f, "state", st.state);
	cJSON_AddStringToObject(f, "reason", st.reason);
	json_add_time(f, "fetched_at", st.fetched_utc_ms);
	json_add_time(f, "next_at", st.next_utc_ms);
	cJSON_AddNumberToObject(f, "requests", (double)st.requests);
	cJSON_AddNumberToObject(f, "failures", (double)st.failures);
	return o;
}

static cJSON *part_forecast(struct hub *h)
{
	return forecasting_encode(h->forecasting, loop_utc_ms());
}

static cJSON *part_commands(struct hub *h)
{
	cJSON *a = cJSON_CreateArray();

	for (int i = 0; i < h->book->n; i++)
		cJSON_AddItemToArray(a, book_entry_encode(&h->book->entry[i]));
	return a;
}

static cJSON *part_events(struct hub *h)
{
	cJSON *a = cJSON_CreateArray();

	for (int i = 0; i < h->book->n_events; i++)
		cJSON_AddItemToArray(a, book_event_encode(&h->book->event[i]));
	return a;
}

static cJSON *part_outbox(struct hub *h)
{
	cJSON *o = round_encode_outbox(h, loop_utc_ms());

	cJSON_AddItemToObject(o, "list", outbox_list(h->outbox, OUTBOX_ROWS_SHOWN));
	return o;
}

static cJSON *part_owner(struct hub *h)
{
	cJSON *o = owner_encode(&h->owner);

	cJSON_DeleteItemFromObjectCaseSensitive(o, "reserve_pct");
	json_add_number(o, "reserve_pct", owner_reserve(&h->owner, h->cfg.site.reserve_pct), 1);
	return o;
}

static cJSON *part_limit(struct hub *h)
{
	return outside_encode_limit(h->outside);
}

/* null without a target */
static cJSON *part_demand(struct hub *h)
{
	cJSON *o = outside_encode_demand(h->outside);

	return o ? o : cJSON_CreateNull();
}

static cJSON *part_log(struct hub *h)
{
	static const char *const LEVELS[] = { "", "", "", "error", "warning", "notice", "info", "debug" };
	static struct log_line lines[LOG_KEEP];
	int n = log_recent(lines, LOG_KEEP);
	cJSON *a = cJSON_CreateArray();

	(void)h;
	for (int i = 0; i < n; i++) {
		cJSON *o = cJSON_CreateObject();

		json_add_time(o, "at", lines[i].utc_ms);
		cJSON_AddStringToObject(o, "level", LEVELS[lines[i].level]);
		cJSON_AddStringToObject(o, "part", lines[i].part);
		cJSON_AddStringToObject(o, "text", lines[i].text);
		cJSON_AddItemToArray(a, o);
	}
	return a;
}

static cJSON *part_agent(struct hub *h)
{
	cJSON *o = hub_encode_agent(h);

	json_add_number(o, "tick_late_ms_max", tick_late_max_ms(h->tick), 0);
	cJSON_AddNumberToObject(o, "ticks", (double)tick_count(h->tick));
	return o;
}

static cJSON *part_config(struct hub *h)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	cJSON *o;

	if (!f)
		return cJSON_CreateNull();
	config_print(&h->cfg, f);
	fclose(f);
	o = cJSON_CreateString(text ? text : "");
	free(text);
	return o;
}

static const struct {
	const char *name;
	bool by_default; /* of state.get without parts; the rest is large or rarely wanted */
	cJSON *(*make)(struct hub *h);
} PARTS[] = {
	{ "agent", true, part_agent }, { "site", true, part_site }, { "decision", true, part_decision }, { "devices", true, part_devices },
	{ "buses", true, part_buses }, { "commands", true, part_commands }, { "events", true, part_events },
	{ "outbox", true, part_outbox }, { "owner", true, part_owner }, { "limit", true, part_limit }, { "demand", true, part_demand },
	{ "vpp", true, round_encode_vpp }, { "plan", false, round_encode_plan }, { "tariff", false, part_tariff }, { "forecast", false, part_forecast },
	{ "log", false, part_log }, { "config", false, part_config },
};
#define PARTS_COUNT (sizeof(PARTS) / sizeof(PARTS[0]))

void verb_state_get(struct request *rq)
{
	const cJSON *parts = cJSON_GetObjectItemCaseSensitive(rq->args, "parts"), *p;
	cJSON *o = cJSON_CreateObject();
	size_t i;

	if (parts && !cJSON_IsArray(parts)) {
		cJSON_Delete(o);
		request_error(rq, "bad_request", "parts must be an array of names");
		return;
	}
	for (i = 0; !parts && i < PARTS_COUNT; i++)
		if (PARTS[i].by_default)
			cJSON_AddItemToObject(o, PARTS[i].name, PARTS[i].make(rq->hub));
	cJSON_ArrayForEach(p, parts) {
		const char *name = cJSON_GetStringValue(p);

		for (i = 0; i < PARTS_COUNT && (!name || strcmp(name, PARTS[i].name) != 0); i++)
			;
		if (i == PARTS_COUNT) {
			cJSON_Delete(o);
			request_error(rq, "not_found", "there is no part '%.40s'", name ? name : "?");
			return;
		}
		if (!cJSON_HasObjectItem(o, name))
			cJSON_AddItemToObject(o, name, PARTS[i].make(rq->hub));
	}
	request_ok(rq, o);
}

void verb_dump(struct request *rq)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < PARTS_COUNT; i++)
		cJSON_AddItemToObject(o, PARTS[i].name, PARTS[i].make(rq->hub));
	request_ok(rq, o);
}

void verb_events_list(struct request *rq)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToObject(o, "events", part_events(rq->hub));
	cJSON_AddItemToObject(o, "commands", part_commands(rq->hub));
	request_ok(rq, o);
}
