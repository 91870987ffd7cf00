/* Mock Flip's telemetry: see mock_flip_points.h. */
#include "sim/mock_flip_points.h"

#include "core/calendar.h"
#include "sim/mock_flip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rule { RULE_BOOL, RULE_MODE, RULE_POSITIVE, RULE_PERCENT };

/* The fifteen that are null while offline, and only then. oem_raw_data is free in both. */
static const struct {
	const char *key;
	enum rule rule;
} MEMBERS[] = {
	{ "last_mode", RULE_MODE },
	{ "battery_last_power_charge_w", RULE_POSITIVE },
	{ "battery_last_power_discharge_w", RULE_POSITIVE },
	{ "battery_total_energy_charge_wh", RULE_POSITIVE },
	{ "battery_total_energy_discharge_wh", RULE_POSITIVE },
	{ "battery_last_stored_energy_wh", RULE_POSITIVE },
	{ "battery_last_capacity_energy_wh", RULE_POSITIVE },
	{ "battery_last_backup_reserve_percentage", RULE_PERCENT },
	{ "battery_last_state_of_charge_percentage", RULE_PERCENT },
	{ "battery_last_state_of_health_percentage", RULE_PERCENT },
	{ "last_is_grid_online", RULE_BOOL },
	{ "home_total_energy_wh", RULE_POSITIVE },
	{ "home_last_power_w", RULE_POSITIVE },
	{ "solar_total_energy_wh", RULE_POSITIVE },
	{ "solar_last_power_w", RULE_POSITIVE },
};

void mock_points_deinit(struct mock_points *p)
{
	free(p->row);
	free(p->slot);
	for (int i = 0; i < p->n_devices; i++)
		cJSON_free(p->device[i].latest);
	memset(p, 0, sizeof(*p));
}

static const cJSON *member(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

static bool value_fits(const cJSON *v, enum rule rule)
{
	static const char *const MODES[] = { "CHARGE", "DISCHARGE", "STANDBY", "BACKUP", "SELF_CONSUMPTION", "SAVINGS" };

	switch (rule) {
	case RULE_BOOL:
		return cJSON_IsBool(v);
	case RULE_MODE:
		for (size_t i = 0; i < sizeof(MODES) / sizeof(MODES[0]) && cJSON_IsString(v); i++)
			if (strcmp(v->valuestring, MODES[i]) == 0)
				return true;
		return false;
	case RULE_POSITIVE:
		return cJSON_IsNumber(v) && v->valuedouble >= 0;
	case RULE_PERCENT:
		return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= 100;
	}
	return false;
}

static bool known(const struct mock_points *p, const char *id)
{
	for (int i = 0; i < p->n_known; i++)
		if (strcmp(p->known[i], id) == 0)
			return true;
	return !p->closed;
}

/* What identifies a point; a reason when it cannot be read. */
static const char *read_key(const struct mock_points *p, const cJSON *o, struct mock_point *out)
{
	const cJSON *start = member(o, "start_time"), *duration = member(o, "duration_s"), *id = member(o, "device_id");

	if (!cJSON_IsObject(o))
		return "a point must be an object";
	if (!cJSON_IsString(start) || calendar_parse(start->valuestring, &out->start_ms) < 0)
		return "start_time is missing or not a date-time";
	if (!cJSON_IsNumber(duration) || !(duration->valuedouble > 0) || duration->valuedouble > 1e9)
		return "duration_s must be > 0";
	if (!cJSON_IsString(id) || !id->valuestring[0] || strlen(id->valuestring) >= MOCK_DEVICE_ID_MAX)
		return "device_id is missing";
	if (!known(p, id->valuestring))
		return "unknown device";
	out->duration_s = (float)duration->valuedouble;
	return NULL;
}

/* NULL, or why Flip would not save the point. */
static const char *check_point(const struct mock_points *p, const cJSON *o, struct mock_point *out, char *text, size_t size)
{
	const char *why = read_key(p, o, out);
	const cJSON *online = member(o, "last_is_online"), *raw = member(o, "oem_raw_data");

	if (why)
		return why;
	if (!cJSON_IsBool(online))
		return "last_is_online is missing";
	if (raw && !cJSON_IsObject(raw) && !cJSON_IsNull(raw))
		return "oem_raw_data must be an object";
	out->online = cJSON_IsTrue(online);
	for (size_t i = 0; i < sizeof(MEMBERS) / sizeof(MEMBERS[0]); i++) {
		const cJSON *v = member(o, MEMBERS[i].key);

		why = !v                                               ? "is missing"
		      : out->online && cJSON_IsNull(v)                 ? "is null while online"
		      : !out->online && !cJSON_IsNull(v)               ? "is not null while offline"
		      : out->online && !value_fits(v, MEMBERS[i].rule) ? "is out of range"
								       : NULL;
		if (why) {
			snprintf(text, size, "%s %s", MEMBERS[i].key, why);
			return text;
		}
	}
	out->charge_wh = out->online ? member(o, "battery_total_energy_charge_wh")->valuedouble : NAN;
	out->discharge_wh = out->online ? member(o, "battery_total_energy_discharge_wh")->valuedouble : NAN;
	out->soc_pct = out->online ? (float)member(o, "battery_last_state_of_charge_percentage")->valuedouble : NAN;
	return NULL;
}

static bool rejected(const struct mock_points *p, const cJSON *o, const struct mock_point *point)
{
	int64_t step_ms = (int64_t)(point->duration_s * 1000);

	if (!p->reject.on || (p->reject.device[0] && strcmp(p->reject.device, member(o, "device_id")->valuestring) != 0))
		return false;
	return step_ms <= 0 || point->start_ms / step_ms % p->reject.every == p->reject.every - 1;
}

static int device_index(struct mock_points *p, const char *id)
{
	for (int i = 0; i < p->n_devices; i++)
		if (strcmp(p->device[i].id, id) == 0)
			return i;
	if (p->n_devices == MOCK_DEVICES_MAX)
		return -1;
	snprintf(p->device[p->n_devices].id, MOCK_DEVICE_ID_MAX, "%s", id);
	return p->n_devices++;
}

static uint32_t *find_slot(const struct mock_points *p, uint16_t device, int64_t start_ms)
{
	uint64_t h = ((uint64_t)start_ms ^ (uint64_t)device << 48) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h >> 32) & (p->slots - 1);

	while (p->slot[i]) {
		const struct mock_point *row = &p->row[p->slot[i] - 1];

		if (row->device == device && row->start_ms == start_ms)
			break;
		i = (i + 1) & (p->slots - 1);
	}
	return &p->slot[i];
}

/* Twice the room, and the hash at most half full. */
static bool grow(struct mock_points *p)
{
	size_t room = p->room ? p->room * 2 : 4096;
	struct mock_point *row;
	uint32_t *slot;

	row = realloc(p->row, room * sizeof(*row));
	if (!row)
		return false;
	p->row = row;
	slot = calloc(room * 2, sizeof(*slot));
	if (!slot)
		return false;
	free(p->slot);
	p->slot = slot;
	p->slots = room * 2;
	p->room = room;
	for (size_t i = 0; i < p->n; i++)
		*find_slot(p, p->row[i].device, p->row[i].start_ms) = (uint32_t)i + 1;
	return true;
}

/* The same device and start again takes the place of what was there. False: full. */
static bool keep(struct mock_points *p, const struct mock_point *point)
{
	uint32_t *slot;

	if (p->n == p->room && (p->n >= MOCK_POINTS_MAX || !grow(p)))
		return false;
	slot = find_slot(p, point->device, point->start_ms);
	if (*slot) {
		struct mock_point *row = &p->row[*slot - 1];
		uint32_t times = row->times;

		*row = *point;
		row->times = times + 1;
		p->repeated++;
		return true;
	}
	if (p->n >= MOCK_POINTS_MAX)
		return false;
	p->row[p->n] = *point;
	p->row[p->n].times = 1;
	*slot = (uint32_t)++p->n;
	return true;
}

/* 0, or the status that refuses the whole request; nothing is kept then. */
static int check_batch(const struct mock_points *p, const cJSON *list, const char **why)
{
	const cJSON *o;
	int n = cJSON_GetArraySize(list);
	struct mock_point point;
	char text[96];

	*why = "telemetry must be an array of 1 to 1000 points";
	if (!cJSON_IsArray(list) || n < 1 || n > MOCK_BATCH_MAX)
		return 422;
	if (!p->reject.on || !p->reject.status)
		return 0;
	*why = "the request holds a point that is to be rejected";
	cJSON_ArrayForEach(o, list)
	{
		if (!check_point(p, o, &point, text, sizeof(text)) && rejected(p, o, &point))
			return p->reject.status;
	}
	return 0;
}

static const char *take_point(struct mock_points *p, const cJSON *o, const cJSON **latest, char *text, size_t size)
{
	struct mock_point point = { 0 };
	const char *why = check_point(p, o, &point, text, size);
	int device;

	if (why)
		return why;
	if (rejected(p, o, &point))
		return "rejected by the test";
	device = device_index(p, member(o, "device_id")->valuestring);
	if (device < 0)
		return "unknown device: the mock keeps 256";
	point.device = (uint16_t)device;
	if (!keep(p, &point))
		return "the mock is full";
	latest[device] = o;
	return NULL;
}

void mock_points_take(struct mock_points *p, const cJSON *body, struct mock_reply *r)
{
	const cJSON *list = member(body, "telemetry"), *o, *latest[MOCK_DEVICES_MAX] = { NULL };
	const char *why;
	cJSON *rows;
	int i = 0;

	r->status = check_batch(p, list, &why);
	if (r->status) {
		r->body = mock_flip_error(r->status, "telemetry", why);
		return;
	}
	r->status = 200;
	r->body = cJSON_CreateObject();
	rows = cJSON_AddArrayToObject(r->body, "telemetry");
	cJSON_ArrayForEach(o, list)
	{
		char text[96];
		cJSON *row = cJSON_CreateObject();

		why = take_point(p, o, latest, text, sizeof(text));
		p->received++;
		p->failed += why != NULL;
		cJSON_AddNumberToObject(row, "index", i++);
		cJSON_AddStringToObject(row, "status", why ? "FAILED" : "OK");
		if (why)
			cJSON_AddStringToObject(row, "message", why);
		cJSON_AddItemToArray(rows, row);
	}
	for (i = 0; i < p->n_devices; i++)
		if (latest[i]) {
			cJSON_free(p->device[i].latest);
			p->device[i].latest = cJSON_PrintUnformatted(latest[i]);
		}
}
