/* Decoding of Flip's webhook bodies, commands and events: three written forms of time, NEWEST and OLDER enum sets. What
 * the owner of the words got wrong is an error; what we cannot do is decoded with a refusal, so that it can be answered.
 * Encoding is in flip_encode.c; which gap has which answer is in agent/cloud/README.md. */
#include "cloud/flip.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* 2000-01-01 .. 2200-01-01: outside of it a time is a mistake, and sums of times cannot overflow inside. */
#define TIME_MIN_MS 946684800000LL
#define TIME_MAX_MS 7258118400000LL

struct word { const char *text; int value; };

static const struct word MODES[] = {
	{ "CHARGE", MODE_CHARGE }, { "DISCHARGE", MODE_DISCHARGE }, { "STANDBY", MODE_STANDBY }, { "BACKUP", MODE_BACKUP },
	{ "SELF_CONSUMPTION", MODE_SELF_CONSUMPTION }, { "SAVINGS", MODE_SAVINGS }, { NULL, 0 },
};
static const struct word STATUS[] = {
	{ "OK", FLIP_OK }, { "CANCELED", FLIP_CANCELED }, { "OPT_OUT", FLIP_OPT_OUT }, { NULL, 0 },
};
static const struct word DEVICE_STATUS[] = {
	{ "PENDING", FLIP_PENDING }, { "OK", FLIP_DEVICE_OK }, { "FAILED_OFFLINE", FLIP_FAILED_OFFLINE },
	{ "FAILED_FAULT", FLIP_FAILED_FAULT }, { "FAILED", FLIP_FAILED_FAULT } /* OLDER */, { NULL, 0 },
};
static const struct word EVENT_STATUS[] = {
	{ "UPCOMING", FLIP_EVENT_UPCOMING }, { "ACTIVE", FLIP_EVENT_ACTIVE }, { "IN_PROGRESS", FLIP_EVENT_ACTIVE } /* OLDER */,
	{ "COMPLETED", FLIP_EVENT_COMPLETED }, { "CANCELED", FLIP_EVENT_CANCELED }, { NULL, 0 },
};
static const struct word OBJECTS[] = {
	{ "command", FLIP_COMMAND }, { "event", FLIP_EVENT }, { "enrollment", FLIP_ENROLLMENT },
	{ "settings_request", FLIP_SETTINGS_REQUEST }, { NULL, 0 },
};

/* -1 = not one of them */
static int word_find(const struct word *table, const char *text)
{
	for (; table->text; table++)
		if (!strcmp(table->text, text))
			return table->value;
	return -1;
}

static int need(int got, const char *key, struct errbuf *err)
{
	return got == 0 ? errbuf_set(err, -EINVAL, "%s: missing", key) : got;
}

/* Ids become topics and keys: only what a UUID or a plain name is made of. */
static int get_id(const cJSON *o, const char *key, char out[FLIP_ID_MAX], struct errbuf *err)
{
	int r = json_get_text(o, key, out, FLIP_ID_MAX, err);

	if (r <= 0)
		return r;
	for (const char *p = out; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:", *p))
			return errbuf_set(err, -EINVAL, "%s: a character that cannot be in an id", key);
	return out[0] ? 1 : errbuf_set(err, -EINVAL, "%s: empty", key);
}

static int get_time(const cJSON *o, const char *key, int64_t *utc_ms, struct errbuf *err)
{
	char text[64];
	int64_t t;
	int r = json_get_text(o, key, text, sizeof(text), err);

	if (r <= 0)
		return r;
	if (calendar_parse(text, &t) < 0)
		return errbuf_set(err, -EINVAL, "%s: '%s' is not an ISO 8601 time", key, text);
	if (t < TIME_MIN_MS || t > TIME_MAX_MS)
		return errbuf_set(err, -ERANGE, "%s: '%s' is outside the years 2000..2199", key, text);
	*utc_ms = t;
	return 1;
}

static void refuse(struct flip_command *c, const char *what, const char *word)
{
	if (c->refusal[0] == '\0')
		snprintf(c->refusal, sizeof(c->refusal), "%s%s%.40s", what, word ? " " : "", word ? word : "");
}

/* power_mode and setpoint_w of CHARGE and DISCHARGE; with other modes both are meaningless and not looked at. */
static int get_power(const cJSON *o, struct flip_command *c, struct errbuf *err)
{
	char word[48] = "";
	double w = NAN;
	int r;

	r = json_get_text(o, "power_mode", word, sizeof(word), err);
	if (r < 0)
		return r;
	r = json_get_number(o, "setpoint_w", -FLIP_SETPOINT_MAX_W, FLIP_SETPOINT_MAX_W, &w, err);
	if (r < 0)
		return r;
	if (!strcmp(word, "FOLLOW_LOAD")) {
		c->power_mode = POWER_FOLLOW_LOAD;
		return 0;
	}
	if (word[0] && strcmp(word, "SETPOINT") != 0) {
		refuse(c, "unsupported power mode", word);
		return 0;
	}
	if (!word[0] && isnan(w)) {
		c->power_mode = POWER_MAX; /* null and no setpoint: the device's maximum */
		return 0;
	}
	c->power_mode = POWER_SETPOINT;
	if (!(w > 0) || w != floor(w)) {
		refuse(c, "bad setpoint", NULL);
		return 0;
	}
	c->setpoint_w = w;
	return 0;
}

static int get_battery(const cJSON *o, struct flip_command *c, struct errbuf *err)
{
	char word[48] = "";
	bool import = false;
	double pct = NAN;
	int r, mode;

	r = need(json_get_text(o, "mode", word, sizeof(word), err), "battery_commands.mode", err);
	if (r < 0)
		return r;
	mode = word_find(MODES, word);
	if (mode < 0)
		refuse(c, "unsupported mode", word);
	else
		c->mode = (enum battery_mode)mode;
	if (c->mode == MODE_CHARGE || c->mode == MODE_DISCHARGE) {
		r = get_power(o, c, err);
		if (r < 0)
			return r;
	}
	r = json_get_number(o, "backup_reserve_percentage", -1e9, 1e9, &pct, err);
	if (r < 0)
		return r;
	if (r > 0 && (pct < 0 || pct > 100))
		refuse(c, "bad reserve", NULL);
	else
		c->reserve_pct = pct;
	r = json_get_bool(o, "enable_grid_import", &import, err);
	if (r < 0)
		return r;
	c->grid_import = r == 0 ? TRI_UNSET : import ? TRI_YES : TRI_NO;
	return 0; /* enable_grid_export, maximum_charge_percentage: deprecated, not looked at */
}

/* A command without battery_commands but with another "..._commands" is for a kind of device we have no words for. */
static bool other_payload(const cJSON *o)
{
	const cJSON *m;

	cJSON_ArrayForEach(m, o) {
		size_t n = m->string ? strlen(m->string) : 0;

		if (n > 9 && !strcmp(m->string + n - 9, "_commands") && strcmp(m->string, "battery_commands") != 0 && cJSON_IsObject(m))
			return true;
	}
	return false;
}

static int get_payload(const cJSON *o, struct flip_command *c, struct errbuf *err)
{
	const cJSON *battery = cJSON_GetObjectItemCaseSensitive(o, "battery_commands");

	if (battery && !cJSON_IsNull(battery) && !cJSON_IsObject(battery))
		return errbuf_set(err, -EINVAL, "battery_commands: not an object");
	if (other_payload(o)) {
		refuse(c, "unsupported command type", NULL);
		return 0;
	}
	if (!cJSON_IsObject(battery))
		return errbuf_set(err, -EINVAL, "battery_commands: missing");
	return get_battery(battery, c, err);
}

static int get_window(const cJSON *o, struct flip_command *c, struct errbuf *err)
{
	int r = need(get_time(o, "starts_at", &c->starts_utc_ms, err), "starts_at", err);

	if (r < 0)
		return r;
	/* null is "until replaced" and must be said: a body that lost its tail shall not run for a day */
	if (!cJSON_GetObjectItemCaseSensitive(o, "ends_at"))
		return errbuf_set(err, -EINVAL, "ends_at: missing");
	r = get_time(o, "ends_at", &c->ends_utc_ms, err);
	if (r < 0)
		return r;
	if (r > 0 && c->ends_utc_ms <= c->starts_utc_ms)
		refuse(c, "bad window: ends before it starts", NULL);
	return 0;
}

static int get_status(const cJSON *o, struct flip_command *c, struct errbuf *err)
{
	char word[48] = "";
	int r, s;

	r = need(json_get_text(o, "status", word, sizeof(word), err), "status", err);
	if (r < 0)
		return r;
	s = word_find(STATUS, word);
	c->status = s < 0 ? FLIP_STATUS_UNKNOWN : (enum flip_status)s;
	if (s < 0)
		refuse(c, "unsupported status", word);
	r = need(json_get_text(o, "device_status", word, sizeof(word), err), "device_status", err);
	if (r < 0)
		return r;
	s = word_find(DEVICE_STATUS, word);
	c->device_status = s < 0 ? FLIP_PENDING : (enum flip_device_status)s; /* unknown: an answer too many is harmless */
	return 0;
}

int flip_command_decode(const cJSON *o, struct flip_command *out, struct errbuf *err)
{
	struct flip_command c = { .mode = MODE_STANDBY, .reserve_pct = NAN, .grid_import = TRI_UNSET };
	int r;

	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "command: not an object");
	if ((r = need(get_id(o, "id", c.id, err), "id", err)) < 0 || (r = get_id(o, "event_id", c.event_id, err)) < 0 ||
	    (r = need(json_get_text(o, "device_id", c.device_id, sizeof(c.device_id), err), "device_id", err)) < 0 ||
	    (r = need(get_time(o, "created_at", &c.created_utc_ms, err), "created_at", err)) < 0 ||
	    (r = need(get_time(o, "updated_at", &c.updated_utc_ms, err), "updated_at", err)) < 0 ||
	    (r = json_get_bool(o, "is_preparatory_action", &c.preparatory, err)) < 0 || (r = get_status(o, &c, err)) < 0 ||
	    (r = get_window(o, &c, err)) < 0 || (r = get_payload(o, &c, err)) < 0)
		return r;
	*out = c;
	return 0;
}

int flip_event_decode(const cJSON *o, struct flip_event *out, struct errbuf *err)
{
	struct flip_event e = { 0 };
	char word[48] = "";
	int r, s;

	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "event: not an object");
	if ((r = need(get_id(o, "id", e.id, err), "id", err)) < 0 || (r = get_id(o, "program_id", e.program_id, err)) < 0 ||
	    (r = json_get_text(o, "site_id", e.site_id, sizeof(e.site_id), err)) < 0 ||
	    (r = need(get_time(o, "starts_at", &e.starts_utc_ms, err), "starts_at", err)) < 0 ||
	    (r = get_time(o, "ends_at", &e.ends_utc_ms, err)) < 0 ||
	    (r = need(json_get_bool(o, "is_participating", &e.participating, err), "is_participating", err)) < 0 ||
	    (r = need(get_time(o, "updated_at", &e.updated_utc_ms, err), "updated_at", err)) < 0 ||
	    (r = need(json_get_text(o, "status", word, sizeof(word), err), "status", err)) < 0)
		return r;
	s = word_find(EVENT_STATUS, word);
	e.status = s < 0 ? FLIP_EVENT_UPCOMING : (enum flip_event_status)s; /* for display only: commands drive devices */
	*out = e;
	return 0;
}

/* object_type when it is there (NEWEST), else the prefix of event_type (OLDER). They must not contradict each other. */
static int get_object(const cJSON *o, struct flip_envelope *e, struct errbuf *err)
{
	const char *dot = strchr(e->event_type, '.');
	char word[48] = "", prefix[48] = "";
	int by_type = -1, by_prefix, r;

	if (dot)
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(dot - e->event_type), e->event_type);
	by_prefix = strcmp(prefix, "settings") ? word_find(OBJECTS, prefix) : FLIP_SETTINGS_REQUEST;
	if (cJSON_IsObject(o)) {
		r = json_get_text(o, "object_type", word, sizeof(word), err);
		if (r < 0)
			return r;
		by_type = r > 0 ? word_find(OBJECTS, word) : -1;
		if (r > 0 && by_type < 0) {
			e->object = FLIP_UNKNOWN;
			return 0;
		}
	}
	if (by_type >= 0 && by_prefix >= 0 && by_type != by_prefix)
		return errbuf_set(err, -EINVAL, "event_type '%s' with object_type '%s'", e->event_type, word);
	e->object = by_type >= 0 ? (enum flip_object)by_type : by_prefix >= 0 ? (enum flip_object)by_prefix : FLIP_UNKNOWN;
	return 0;
}

int flip_envelope_decode(const char *text, size_t len, struct flip_envelope *out, struct errbuf *err)
{
	struct flip_envelope e = { .object = FLIP_UNKNOWN };
	AUTO_JSON *tree = NULL;
	const cJSON *object;
	int r;

	if (len > FLIP_BODY_MAX)
		return errbuf_set(err, -E2BIG, "envelope of %zu bytes, at most %d are taken", len, FLIP_BODY_MAX);
	tree = json_parse(text, len, FLIP_BODY_MAX, FLIP_DEPTH_MAX, err);
	if (!tree)
		return -EINVAL;
	if (!cJSON_IsObject(tree))
		return errbuf_set(err, -EINVAL, "envelope: not an object");
	if ((r = need(json_get_text(tree, "event_type", e.event_type, sizeof(e.event_type), err), "event_type", err)) < 0 ||
	    (r = get_time(tree, "timestamp", &e.timestamp_utc_ms, err)) < 0)
		return r;
	object = cJSON_GetObjectItemCaseSensitive(tree, "event_object");
	r = get_object(object, &e, err);
	if (r == 0 && e.object == FLIP_COMMAND)
		r = flip_command_decode(object, &e.command, err);
	else if (r == 0 && e.object == FLIP_EVENT)
		r = flip_event_decode(object, &e.event, err);
	if (r < 0)
		return r;
	*out = e;
	return 0;
}

int flip_envelope_timestamp(const char *text, size_t len, char *out, size_t size)
{
	AUTO_JSON *tree = json_parse(text, len, FLIP_BODY_MAX, FLIP_DEPTH_MAX, NULL);

	return tree && json_get_text(tree, "timestamp", out, size, NULL) > 0 ? 0 : -EINVAL;
}
