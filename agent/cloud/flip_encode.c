/* Flip's words for our enums, and commands, events and acknowledgements as JSON. */
#include "cloud/flip.h"

#include <math.h>
#include <string.h>

static const char *const STATUS[] = { "OK", "CANCELED", "OPT_OUT", "UNKNOWN" };
static const char *const DEVICE_STATUS[] = { "PENDING", "OK", "FAILED_OFFLINE", "FAILED_FAULT" };
static const char *const EVENT_STATUS[] = { "UPCOMING", "ACTIVE", "COMPLETED", "CANCELED" };

const char *flip_status_word(enum flip_status s)
{
	return STATUS[s];
}

const char *flip_device_status_word(enum flip_device_status s)
{
	return DEVICE_STATUS[s];
}

const char *flip_event_status_word(enum flip_event_status s)
{
	return EVENT_STATUS[s];
}

static void add_text(cJSON *o, const char *key, const char *text)
{
	if (text[0])
		cJSON_AddStringToObject(o, key, text);
	else
		cJSON_AddNullToObject(o, key);
}

static void add_end(cJSON *o, int64_t ends_utc_ms)
{
	if (ends_utc_ms)
		json_add_time(o, "ends_at", ends_utc_ms);
	else
		cJSON_AddNullToObject(o, "ends_at");
}

cJSON *flip_command_encode(const struct flip_command *c)
{
	cJSON *o = cJSON_CreateObject(), *b;

	if (!o)
		return NULL;
	cJSON_AddStringToObject(o, "id", c->id);
	add_text(o, "event_id", c->event_id);
	cJSON_AddStringToObject(o, "device_id", c->device_id);
	json_add_time(o, "starts_at", c->starts_utc_ms);
	add_end(o, c->ends_utc_ms);
	cJSON_AddBoolToObject(o, "is_preparatory_action", c->preparatory);
	b = cJSON_AddObjectToObject(o, "battery_commands");
	cJSON_AddStringToObject(b, "mode", battery_mode_word(c->mode));
	if (c->power_mode != POWER_MAX)
		cJSON_AddStringToObject(b, "power_mode", power_mode_word(c->power_mode));
	if (c->power_mode == POWER_SETPOINT)
		json_add_number(b, "setpoint_w", c->setpoint_w, 0);
	json_add_number(b, "backup_reserve_percentage", c->reserve_pct, 9);
	if (c->grid_import != TRI_UNSET)
		cJSON_AddBoolToObject(b, "enable_grid_import", c->grid_import == TRI_YES);
	cJSON_AddStringToObject(o, "status", flip_status_word(c->status));
	cJSON_AddStringToObject(o, "device_status", flip_device_status_word(c->device_status));
	json_add_time(o, "created_at", c->created_utc_ms);
	json_add_time(o, "updated_at", c->updated_utc_ms);
	return o;
}

cJSON *flip_event_encode(const struct flip_event *e)
{
	cJSON *o = cJSON_CreateObject();

	if (!o)
		return NULL;
	cJSON_AddStringToObject(o, "id", e->id);
	add_text(o, "program_id", e->program_id);
	add_text(o, "site_id", e->site_id);
	json_add_time(o, "starts_at", e->starts_utc_ms);
	add_end(o, e->ends_utc_ms);
	cJSON_AddStringToObject(o, "status", flip_event_status_word(e->status));
	cJSON_AddBoolToObject(o, "is_participating", e->participating);
	json_add_time(o, "updated_at", e->updated_utc_ms);
	return o;
}

cJSON *flip_ack_encode(const char *id, enum flip_device_status s, const char *reason)
{
	cJSON *o = cJSON_CreateObject();

	if (!o)
		return NULL;
	cJSON_AddStringToObject(o, "id", id);
	cJSON_AddStringToObject(o, "device_status", flip_device_status_word(s));
	if (reason[0])
		cJSON_AddStringToObject(o, "device_status_reason", reason);
	return o;
}

static bool same_number(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

bool flip_command_same(const struct flip_command *a, const struct flip_command *b)
{
	return !strcmp(a->event_id, b->event_id) && !strcmp(a->device_id, b->device_id) && a->starts_utc_ms == b->starts_utc_ms &&
	       a->ends_utc_ms == b->ends_utc_ms && a->preparatory == b->preparatory && a->mode == b->mode &&
	       a->power_mode == b->power_mode && same_number(a->setpoint_w, b->setpoint_w) &&
	       same_number(a->reserve_pct, b->reserve_pct) && a->grid_import == b->grid_import && !strcmp(a->refusal, b->refusal);
}
