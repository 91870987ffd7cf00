/* See hub.h. */
#include "flow/hub.h"

#include "flow/clock.h"
#include "io/conffile.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <stdio.h>

#define REPLAN_BURST_MS 1000
#define NOTES_MAX 16

void hub_replan(struct hub *h, const char *reason)
{
	const size_t n = strlen(h->replan_why);
	const int64_t due_ms = loop_now_ms() + REPLAN_BURST_MS;

	if (!strstr(h->replan_why, reason)) {
		log_debug("plan", "planning again: %s", reason);
		if (n + strlen(reason) + 3 <= sizeof(h->replan_why))
			snprintf(h->replan_why + n, sizeof(h->replan_why) - n, "%s%s", n ? "; " : "", reason);
		else /* too many: the newest */
			snprintf(h->replan_why, sizeof(h->replan_why), "%s", reason);
	}
	if (!h->replan_due_ms || h->replan_due_ms > due_ms)
		h->replan_due_ms = due_ms;
}

void hub_audit(struct hub *h, const char *origin, const char *request, const char *result)
{
	AUTO_JSON *o = cJSON_CreateObject();
	AUTO_TEXT *text = NULL;
	char topic[MQTT_TOPIC_MAX];

	log_notice("audit", "%s asked for %s: %s", origin, request, result);
	json_add_time(o, "at", loop_utc_ms());
	cJSON_AddStringToObject(o, "origin", origin);
	cJSON_AddStringToObject(o, "request", request);
	cJSON_AddStringToObject(o, "result", result);
	text = cJSON_PrintUnformatted(o);
	if (text && h->mqtt)
		mqtt_publish(h->mqtt, topic_make(&h->root, topic, sizeof(topic), "audit"), text, strlen(text), 1, false, NULL);
}

int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn done, void *context)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_SETTING, .at_ms = loop_utc_ms(), .body = body };

	snprintf(op.key, sizeof(op.key), "%s", key);
	return store_submit(h->store, &op, 1, done, context, NULL);
}

int hub_store_unsynced(struct hub *h, const char *key, const char *body)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_DAILY, .at_ms = loop_utc_ms(), .body = body };

	snprintf(op.key, sizeof(op.key), "%s", key);
	return store_submit(h->store, &op, 1, NULL, NULL, NULL);
}

void hub_store_owner(struct hub *h)
{
	AUTO_JSON *o = owner_encode(&h->owner);
	AUTO_TEXT *text = o ? cJSON_PrintUnformatted(o) : NULL;

	if (!text || hub_store_setting(h, "owner", text, NULL, NULL) < 0)
		log_error("store", "the owner's settings could not be stored");
}

/* What one turn of the loop has taken at most: nothing here may hold up control. */
static void add_loop(cJSON *agent)
{
	cJSON *o = cJSON_AddObjectToObject(agent, "loop");
	struct loop_busy busy;

	loop_busy(&busy);
	json_add_number(o, "longest_ms", busy.longest_ms, 1);
	json_add_number(o, "longest_cpu_ms", busy.longest_cpu_ms, 1);
	cJSON_AddStringToObject(o, "at", busy.at);
}

static void cloud_warnings(const struct hub *h, cJSON *warnings)
{
	struct flip_link_stats flip;
	struct prices_status prices;
	struct backlog_stats points;
	char text[240];

	flip_link_stats(h->flip, &flip);
	prices_status(h->prices, &prices);
	if (flip.warning[0])
		cJSON_AddItemToArray(warnings, cJSON_CreateString(flip.warning));
	if (prices.reason[0])
		cJSON_AddItemToArray(warnings, cJSON_CreateString(prices.reason));
	backlog_stats(h->backlog, &points);
	if (points.store_failing)
		cJSON_AddItemToArray(warnings, cJSON_CreateString("the disk takes nothing: telemetry waits in memory, nothing is acknowledged"));
	if (points.refused) {
		snprintf(text, sizeof(text), "Flip refuses telemetry (%lld point%s kept): %s; when that is mended: hearthctl outbox retry",
			 (long long)points.refused, points.refused == 1 ? "" : "s", points.refused_reason);
		cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
	}
}

/* What the owner had set and the disk no longer tells. */
static void owner_warnings(const struct hub *h, cJSON *warnings)
{
	char text[480];

	if (h->owner_unread[0]) {
		snprintf(text, sizeof(text), "of what the owner had set not all could be read at the start (%s): what could be read holds, the rest is gone",
			 h->owner_unread);
		cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
	}
	if (h->owner.reserve_unread)
		cJSON_AddItemToArray(warnings, cJSON_CreateString("the owner's reserve could not be read: 100 % is kept until it is set again (hearthctl reserve 30)"));
}

static void doubt_warnings(const struct hub *h, cJSON *warnings)
{
	char text[DOUBTS_MAX][DIARY_DOUBT_TEXT];
	int n = diary_doubts(h->diary, text);

	for (int i = 0; i < n; i++)
		cJSON_AddItemToArray(warnings, cJSON_CreateString(text[i]));
}

cJSON *hub_encode_agent(const struct hub *h)
{
	cJSON *o = cJSON_CreateObject();
	char text[200], notes[NOTES_MAX][CONFIG_UNUSED_TEXT];
	cJSON *warnings;
	int unused;

	cJSON_AddStringToObject(o, "version", HEARTH_VERSION);
	cJSON_AddStringToObject(o, "boot_id", h->boot_id);
	json_add_time(o, "started_at", h->started_utc_ms);
	cJSON_AddBoolToObject(o, "clock_trusted", h->clock_trusted);
	cJSON_AddStringToObject(o, "timezone", h->cfg.site.timezone);
	cJSON_AddItemToObject(o, "clock", clock_encode(h));
	json_add_number(o, "tick_late_ms_p99", tick_late_p99_ms(h->tick), 0);
	add_loop(o);
	warnings = cJSON_AddArrayToObject(o, "warnings");
	clock_warning(h, text, sizeof(text));
	if (text[0])
		cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
	if (h->damaged[0])
		cJSON_AddItemToArray(warnings, cJSON_CreateString(h->damaged));
	if (outside_warning(h->outside))
		cJSON_AddItemToArray(warnings, cJSON_CreateString(outside_warning(h->outside)));
	outside_notes(h->outside, warnings);
	owner_warnings(h, warnings);
	doubt_warnings(h, warnings);
	cloud_warnings(h, warnings);
	unused = config_unused(&h->cfg, notes, NOTES_MAX);
	for (int i = 0; i < unused; i++)
		cJSON_AddItemToArray(warnings, cJSON_CreateString(notes[i]));
	for (int i = 0; i < plant_count(h->plant); i++) {
		const struct device_state *d = plant_state(h->plant, i);

		if (d->availability == AVAIL_ONLINE)
			continue;
		snprintf(text, sizeof(text), "device %s is %s%s%s", plant_config(h->plant, i)->id,
			 d->availability == AVAIL_UNKNOWN ? "not found yet" : availability_word(d->availability), d->note[0] ? ": " : "",
			 d->note);
		cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
	}
	return o;
}

static int refused(const struct config_errors *errors)
{
	for (int i = 0; i < errors->n && i < CONFIG_ERRORS_MAX; i++)
		log_error("config", "%s", errors->text[i]);
	log_error("config", "the old configuration stays in force");
	return -EINVAL;
}

int hub_reload(struct hub *h, struct config_errors *errors)
{
	static struct config cfg;
	struct errbuf err = { "" };
	uint32_t changes, secrets = 0;

	if (conffile_load(h->config_path, &cfg, errors) < 0)
		return refused(errors);
	if (h->secrets(h, &cfg, &secrets, &err) < 0) { /* what could not be started with is not taken over either */
		errors->n = 1;
		snprintf(errors->text[0], sizeof(errors->text[0]), "%s: %.250s", h->config_path, err.text);
		return refused(errors);
	}
	if (h->applying) { /* what is in force is about to change: the file is compared with that */
		h->reload_again = true;
		return -EBUSY;
	}
	changes = config_compare(&h->cfg, &cfg) | secrets;
	log_notice("config", changes ? "read again, applying what changed" : "read again, nothing changed");
	if (changes && !h->apply(h, &cfg, changes))
		return -EBUSY;
	return 0;
}
