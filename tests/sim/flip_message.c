/* Flip webhook bodies: see flip_message.h. */
#include "sim/flip_message.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Flip writes starts_at and ends_at with a space, the rest with a T: both occur in its own sample. */
static void add_time(cJSON *o, const char *key, int64_t utc_ms, char between)
{
	time_t s = (time_t)(utc_ms / 1000);
	struct tm tm;
	char date[32], text[64];

	if (utc_ms == 0) {
		cJSON_AddNullToObject(o, key);
		return;
	}
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	snprintf(text, sizeof(text), "%s%c%02d:%02d:%02d.%03dZ", date, between, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(utc_ms % 1000));
	cJSON_AddStringToObject(o, key, text);
}

static void add_word(cJSON *o, const char *key, const char *word)
{
	if (word[0])
		cJSON_AddStringToObject(o, key, word);
	else
		cJSON_AddNullToObject(o, key);
}

static void add_window(cJSON *o, const struct flip_message *m)
{
	add_time(o, "starts_at", m->starts_utc_ms, ' ');
	add_time(o, "ends_at", m->ends_utc_ms, ' ');
	if (m->ends_utc_ms)
		cJSON_AddNumberToObject(o, "duration_s", (double)(m->ends_utc_ms - m->starts_utc_ms) / 1000);
	else
		cJSON_AddNullToObject(o, "duration_s");
}

static void add_command(cJSON *o, const struct flip_message *m)
{
	cJSON *battery;

	cJSON_AddStringToObject(o, "object_type", "command");
	cJSON_AddStringToObject(o, "id", m->id);
	add_word(o, "event_id", m->event_id);
	cJSON_AddStringToObject(o, "device_id", m->device_id);
	add_window(o, m);
	cJSON_AddBoolToObject(o, "is_preparatory_action", m->preparatory);
	battery = cJSON_AddObjectToObject(o, "battery_commands");
	cJSON_AddStringToObject(battery, "mode", m->mode);
	add_word(battery, "power_mode", m->power_mode);
	if (m->has_setpoint)
		cJSON_AddNumberToObject(battery, "setpoint_w", m->setpoint_w);
	else
		cJSON_AddNullToObject(battery, "setpoint_w");
	if (m->grid_import < 0)
		cJSON_AddNullToObject(battery, "enable_grid_import");
	else
		cJSON_AddBoolToObject(battery, "enable_grid_import", m->grid_import);
	if (m->reserve_pct < 0)
		cJSON_AddNullToObject(battery, "backup_reserve_percentage");
	else
		cJSON_AddNumberToObject(battery, "backup_reserve_percentage", m->reserve_pct);
	cJSON_AddStringToObject(o, "status", m->status[0] ? m->status : "OK");
	cJSON_AddStringToObject(o, "device_status", "PENDING");
	cJSON_AddNullToObject(o, "device_status_reason");
}

static void add_event(cJSON *o, const struct flip_message *m)
{
	cJSON_AddStringToObject(o, "object_type", "event");
	cJSON_AddStringToObject(o, "id", m->event_id);
	cJSON_AddStringToObject(o, "program_id", m->program_id);
	cJSON_AddStringToObject(o, "site_id", m->site);
	add_window(o, m);
	cJSON_AddArrayToObject(o, "schedule");
	cJSON_AddStringToObject(o, "status", m->status[0] ? m->status : "UPCOMING");
	cJSON_AddBoolToObject(o, "is_participating", 1);
}

char *flip_message_body(const struct flip_message *m)
{
	cJSON *root = cJSON_CreateObject(), *object;
	char *text;

	cJSON_AddStringToObject(root, "event_type", m->event_type);
	add_time(root, "timestamp", m->now_utc_ms, 'T');
	object = cJSON_AddObjectToObject(root, "event_object");
	if (strncmp(m->event_type, "event.", 6) == 0)
		add_event(object, m);
	else
		add_command(object, m);
	add_time(object, "created_at", m->now_utc_ms, 'T');
	add_time(object, "updated_at", m->now_utc_ms, 'T');
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

char *flip_message_wrap(const char *body, const char *webhook_id, const char *timestamp, const char *signature)
{
	cJSON *root = cJSON_CreateObject(), *headers = cJSON_AddObjectToObject(root, "headers");
	char *text;

	cJSON_AddStringToObject(headers, "webhook-id", webhook_id);
	cJSON_AddStringToObject(headers, "webhook-timestamp", timestamp);
	cJSON_AddStringToObject(headers, "webhook-signature", signature);
	cJSON_AddStringToObject(root, "body", body);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}
