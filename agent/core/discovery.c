/* See discovery.h. Home Assistant refuses a whole message for one key it does not know on the top level, so only those of its
 * schema stand there; inside components unknown ones are dropped. */
#include "core/discovery.h"

#include "core/json_out.h"
#include "core/owner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC_MAX 256
#define KEY_MAX 64

_Static_assert(F_COUNT <= 64, "the fields of a device are kept as bits of 64");

/* One message being written. */
struct writer {
	struct json_out o;
	const struct discovery_names *n;
	const char *device; /* NULL = the site */
};

static const struct {
	const char *unit, *shown, *device_class, *state_class;
} UNITS[] = {
	{ "W", "W", "power", "measurement" },
	{ "Wh", "Wh", "energy", "total_increasing" },
	{ "%", "%", NULL, "measurement" },
	{ "V", "V", "voltage", "measurement" },
	{ "A", "A", "current", "measurement" },
	{ "degC", "\xc2\xb0" "C", "temperature", "measurement" },
	{ "Hz", "Hz", "frequency", "measurement" },
	{ "s", "s", "duration", "measurement" },
	{ "", NULL, NULL, "measurement" },
};

/* Where the unit alone would say too little, or the wrong thing. */
static const struct {
	enum field field;
	const char *device_class, *state_class;
} SPECIAL[] = {
	{ F_BATTERY_SOC_PCT, "battery", "measurement" },
	{ F_BATTERY_CAPACITY_WH, "energy_storage", "measurement" },
	{ F_METER_POWER_FACTOR, "power_factor", "measurement" },
};

/* Shown apart from the measurements: what the device is rated for and set to. */
static const enum field DIAGNOSTIC[] = {
	F_BATTERY_SOH_PCT, F_BATTERY_CAPACITY_WH, F_BATTERY_CHARGE_MAX_W, F_BATTERY_DISCHARGE_MAX_W, F_BATTERY_CHARGE_LIMIT_W,
	F_BATTERY_DISCHARGE_LIMIT_W, F_BATTERY_RESERVE_SOC_PCT, F_BATTERY_CONTROL, F_PV_POWER_MAX_W, F_PV_LIMIT_PCT,
	F_CHARGER_CURRENT_MAX_A, F_CHARGER_CURRENT_MIN_A, F_CHARGER_FAILSAFE_CURRENT_A, F_CHARGER_FAILSAFE_TIMEOUT_S,
};

__attribute__((format(printf, 3, 4))) static void write_topic(struct writer *w, const char *key, const char *fmt, ...)
{
	char below[TOPIC_MAX], topic[TOPIC_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(below, sizeof(below), fmt, ap);
	va_end(ap);
	json_out_text(&w->o, key, topic_make(w->n->root, topic, sizeof(topic), "%s", below));
}

static void write_availability(struct writer *w)
{
	json_out_array(&w->o, "availability");
	json_out_object(&w->o, NULL);
	write_topic(w, "topic", "status");
	json_out_object_end(&w->o);
	if (w->device) {
		json_out_object(&w->o, NULL);
		write_topic(w, "topic", "device/%s/availability", w->device);
		json_out_object_end(&w->o);
	}
	json_out_array_end(&w->o);
	json_out_text(&w->o, "availability_mode", "all");
}

static const char *node(const struct writer *w, char *out, size_t size)
{
	snprintf(out, size, "hearth_%s%s%s", w->n->site, w->device ? "_" : "", w->device ? w->device : "");
	return out;
}

/* Up to the components, which the caller closes by end(). */
static void begin(struct writer *w, const struct device_identity *i, const char *name)
{
	char id[TOPIC_MAX];

	json_out_object(&w->o, NULL);
	json_out_object(&w->o, "dev");
	json_out_array(&w->o, "ids");
	json_out_text(&w->o, NULL, node(w, id, sizeof(id)));
	json_out_array_end(&w->o);
	json_out_text(&w->o, "name", name);
	if (i && i->manufacturer[0])
		json_out_text(&w->o, "manufacturer", i->manufacturer);
	if (i && i->model[0])
		json_out_text(&w->o, "model", i->model);
	if (i && i->version[0])
		json_out_text(&w->o, "sw_version", i->version);
	if (i && i->serial[0])
		json_out_text(&w->o, "serial_number", i->serial);
	if (w->device) {
		snprintf(id, sizeof(id), "hearth_%s", w->n->site);
		json_out_text(&w->o, "via_device", id);
	}
	json_out_object_end(&w->o);
	json_out_object(&w->o, "o");
	json_out_text(&w->o, "name", "hearth");
	json_out_text(&w->o, "sw", HEARTH_VERSION);
	json_out_object_end(&w->o);
	if (w->device)
		write_topic(w, "state_topic", "device/%s", w->device);
	else
		write_topic(w, "state_topic", "site");
	write_availability(w);
	json_out_object(&w->o, "cmps");
}

static size_t end(struct writer *w)
{
	json_out_object_end(&w->o);
	json_out_object_end(&w->o);
	return json_out_end(&w->o);
}

static void component(struct writer *w, const char *key, const char *platform, const char *name)
{
	char id[TOPIC_MAX], unique[TOPIC_MAX + KEY_MAX];

	json_out_object(&w->o, key);
	json_out_text(&w->o, "p", platform);
	json_out_text(&w->o, "name", name);
	snprintf(unique, sizeof(unique), "%s_%s", node(w, id, sizeof(id)), key);
	json_out_text(&w->o, "unique_id", unique);
}

/* Fields by unit; the caller has begun the component. */
static void write_measure(struct writer *w, const char *unit, const char *device_class, const char *state_class)
{
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
		if (strcmp(UNITS[i].unit, unit) != 0)
			continue;
		device_class = device_class ? device_class : UNITS[i].device_class;
		state_class = state_class ? state_class : UNITS[i].state_class;
		if (UNITS[i].shown)
			json_out_text(&w->o, "unit_of_meas", UNITS[i].shown);
		break;
	}
	if (device_class)
		json_out_text(&w->o, "dev_cla", device_class);
	if (state_class)
		json_out_text(&w->o, "stat_cla", state_class);
}

/* "energy_charged_wh" -> "Energy charged"; with the kind before it when the device has several. */
static void label(const struct field_info *info, bool with_kind, char *out, size_t size)
{
	static const char *const UPPER[] = { "soc", "SoC", "soh", "SoH", "ac", "AC", "pv", "PV", "l1", "L1", "l2", "L2", "l3", "L3" };
	static const char *const UNIT_WORDS[] = { "w", "wh", "pct", "v", "a", "c", "hz", "s" };
	char words[KEY_MAX], *rest = words, *word, *last;
	size_t n = 0;

	snprintf(words, sizeof(words), "%s%s%s", with_kind ? kind_name(info->kind) : "", with_kind ? "_" : "", info->name);
	last = strrchr(words, '_');
	for (size_t i = 0; last && i < sizeof(UNIT_WORDS) / sizeof(UNIT_WORDS[0]); i++)
		if (!strcmp(last + 1, UNIT_WORDS[i])) {
			*last = '\0';
			break;
		}
	out[0] = '\0';
	while (*rest && n + 1 < size) {
		size_t len = strcspn(rest, "_");

		word = rest;
		rest += len + (rest[len] == '_');
		word[len] = '\0';
		for (size_t i = 0; i < sizeof(UPPER) / sizeof(UPPER[0]); i += 2)
			if (!strcmp(word, UPPER[i]))
				memcpy(word, UPPER[i + 1], len);
		if (n == 0 && word[0] >= 'a' && word[0] <= 'z')
			word[0] = (char)(word[0] - 'a' + 'A');
		n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", word);
	}
}

static void write_field(struct writer *w, enum field f, bool with_kind)
{
	const struct field_info *info = field_info(f);
	const char *device_class = NULL, *state_class = NULL;
	bool is_bool = !strcmp(info->unit, "bool");
	char key[KEY_MAX], name[KEY_MAX], text[160];

	snprintf(key, sizeof(key), "%s_%s", kind_name(info->kind), info->name);
	label(info, with_kind, name, sizeof(name));
	component(w, key, is_bool ? "binary_sensor" : "sensor", name);
	snprintf(text, sizeof(text), "{{ value_json.%s.%s | default(none) }}", kind_name(info->kind), info->name);
	json_out_text(&w->o, "val_tpl", text);
	for (size_t i = 0; i < sizeof(SPECIAL) / sizeof(SPECIAL[0]); i++)
		if (SPECIAL[i].field == f) {
			device_class = SPECIAL[i].device_class;
			state_class = SPECIAL[i].state_class;
		}
	if (field_word(f, 0)) {
		json_out_text(&w->o, "dev_cla", "enum");
		json_out_array(&w->o, "ops");
		for (int i = 0; field_word(f, i); i++)
			json_out_text(&w->o, NULL, field_word(f, i));
		json_out_array_end(&w->o);
	} else if (is_bool) { /* a template makes Python's words of JSON's */
		json_out_text(&w->o, "pl_on", "True");
		json_out_text(&w->o, "pl_off", "False");
	} else {
		write_measure(w, info->unit, device_class, state_class);
	}
	for (size_t i = 0; i < sizeof(DIAGNOSTIC) / sizeof(DIAGNOSTIC[0]); i++)
		if (DIAGNOSTIC[i] == f)
			json_out_text(&w->o, "ent_cat", "diagnostic");
	json_out_object_end(&w->o);
}

/* A choice among words; its state stands in R/owner below @key. */
static void write_select(struct writer *w, const char *key, const char *name, const char *const *words)
{
	char text[160];

	component(w, key, "select", name);
	write_topic(w, "state_topic", "owner");
	snprintf(text, sizeof(text), "{{ value_json.%s['%s'] | default(none) }}", key, w->device);
	json_out_text(&w->o, "val_tpl", text);
	write_topic(w, "command_topic", "set/%s_%s", w->device, key);
	json_out_array(&w->o, "ops");
	for (; *words; words++)
		json_out_text(&w->o, NULL, *words);
	json_out_array_end(&w->o);
	json_out_object_end(&w->o);
}

uint64_t discovery_fields(const struct snap_device *d)
{
	uint64_t bits = 0;

	for (int f = 0; f < F_COUNT; f++)
		if ((uint32_t)field_info((enum field)f)->kind & d->state.kinds && value_usable(&d->state.f[f]))
			bits |= 1ull << f;
	return bits;
}

size_t discovery_device_text(const struct discovery_names *n, const struct snap_device *d, uint64_t fields, char *out, size_t size)
{
	static const char *const OVERRIDES[] = { "auto", "hold", "charge", "discharge", NULL };
	static const char *const EV_MODES[] = { "off", "solar", "cheap", "now", NULL };
	struct writer w = { .n = n, .device = d->id };
	bool hybrid = d->state.kinds & (d->state.kinds - 1);

	json_out_init(&w.o, out, size);
	begin(&w, &d->state.identity, d->id);
	for (int f = 0; f < F_COUNT; f++)
		if (fields & 1ull << f && (uint32_t)field_info((enum field)f)->kind & d->state.kinds)
			write_field(&w, (enum field)f, hybrid);
	if (d->roles & ROLE_BATTERY)
		write_select(&w, "override", "Override", OVERRIDES);
	if (d->roles & ROLE_CHARGER)
		write_select(&w, "ev", "Car", EV_MODES);
	return end(&w);
}

static void write_site_sensors(struct writer *w, uint32_t roles)
{
	static const struct { const char *key, *name, *unit, *device_class; uint32_t needs; } SENSORS[] = {
		{ "grid_w", "Grid", "W", NULL, ROLE_GRID }, { "load_w", "Load", "W", NULL, ROLE_GRID }, { "pv_w", "PV", "W", NULL, ROLE_PV },
		{ "battery_w", "Battery", "W", NULL, ROLE_BATTERY }, { "ev_w", "Car", "W", NULL, ROLE_CHARGER },
		{ "soc_pct", "SoC", "%", "battery", ROLE_BATTERY }, { "floor_pct", "Floor", "%", NULL, ROLE_BATTERY },
	};
	char text[160];

	for (size_t i = 0; i < sizeof(SENSORS) / sizeof(SENSORS[0]); i++) {
		if (!(roles & SENSORS[i].needs))
			continue;
		component(w, SENSORS[i].key, "sensor", SENSORS[i].name);
		snprintf(text, sizeof(text), "{{ value_json.%s | default(none) }}", SENSORS[i].key);
		json_out_text(&w->o, "val_tpl", text);
		write_measure(w, SENSORS[i].unit, SENSORS[i].device_class, NULL);
		json_out_object_end(&w->o);
	}
	component(w, "mode", "sensor", "Mode");
	json_out_text(&w->o, "val_tpl", "{{ value_json.mode | default(none) }}");
	json_out_text(&w->o, "dev_cla", "enum");
	json_out_array(&w->o, "ops");
	for (int r = 0; r < RANK_COUNT; r++)
		json_out_text(&w->o, NULL, rank_word((enum rank)r));
	json_out_array_end(&w->o);
	json_out_object_end(&w->o);
	component(w, "reason", "sensor", "Reason");
	json_out_text(&w->o, "val_tpl", "{{ value_json.reason | default(none) }}");
	json_out_object_end(&w->o);
	component(w, "doubts", "binary_sensor", "Not believed");
	json_out_text(&w->o, "val_tpl", "{{ 'ON' if value_json.doubts | default([]) else 'OFF' }}");
	json_out_text(&w->o, "dev_cla", "problem");
	json_out_text(&w->o, "ent_cat", "diagnostic");
	write_topic(w, "json_attr_t", "site");
	json_out_text(&w->o, "json_attr_tpl", "{{ {'doubts': value_json.doubts | default([])} | tojson }}");
	json_out_object_end(&w->o);
}

/* What the battery saved, from R/savings; counts anew each day, each month. */
static void write_savings(struct writer *w)
{
	static const struct { const char *key, *name, *part; } SENSORS[] = {
		{ "saved_today", "Saved today", "today" }, { "saved_month", "Saved this month", "month" },
	};
	char text[160];

	for (size_t i = 0; i < sizeof(SENSORS) / sizeof(SENSORS[0]); i++) {
		component(w, SENSORS[i].key, "sensor", SENSORS[i].name);
		write_topic(w, "state_topic", "savings");
		snprintf(text, sizeof(text), "{{ (value_json.%s | default({})).saved | default(none) }}", SENSORS[i].part);
		json_out_text(&w->o, "val_tpl", text);
		if (w->n->currency[0]) { /* money without a currency is refused */
			json_out_text(&w->o, "unit_of_meas", w->n->currency);
			json_out_text(&w->o, "dev_cla", "monetary");
		}
		json_out_object_end(&w->o);
	}
}

size_t discovery_site_text(const struct discovery_names *n, uint32_t roles, char *out, size_t size)
{
	struct writer w = { .n = n };
	char name[DEVICE_ID_MAX + 8];

	json_out_init(&w.o, out, size);
	snprintf(name, sizeof(name), "Hearth %.*s", DEVICE_ID_MAX - 1, n->site);
	begin(&w, NULL, n->name[0] ? n->name : name);
	write_site_sensors(&w, roles);
	if (roles & ROLE_BATTERY)
		write_savings(&w);
	component(&w, "reserve", "number", "Reserve");
	write_topic(&w, "state_topic", "owner");
	json_out_text(&w.o, "val_tpl", "{{ value_json.reserve_pct | default(none) }}");
	write_topic(&w, "command_topic", "set/reserve");
	json_out_number(&w.o, "min", 0, 0);
	json_out_number(&w.o, "max", 100, 0);
	json_out_number(&w.o, "step", 1, 0);
	json_out_text(&w.o, "unit_of_meas", "%");
	json_out_object_end(&w.o);
	component(&w, "pause", "switch", "Pause");
	write_topic(&w, "state_topic", "owner");
	json_out_text(&w.o, "val_tpl", "{{ 'ON' if value_json.paused | default(false) else 'OFF' }}");
	write_topic(&w, "command_topic", "set/pause");
	json_out_object_end(&w.o);
	component(&w, "plan_refresh", "button", "Plan again");
	write_topic(&w, "command_topic", "set/plan_refresh");
	json_out_object_end(&w.o);
	return end(&w);
}

size_t discovery_owner_text(const struct snapshot *s, int64_t utc_ms, char *out, size_t size)
{
	struct json_out o;

	json_out_init(&o, out, size);
	json_out_object(&o, NULL);
	json_out_time(&o, "at", utc_ms);
	json_out_number(&o, "reserve_pct", s->site.reserve_pct, 1);
	json_out_bool(&o, "paused", s->paused);
	json_out_object(&o, "override");
	for (int i = 0; i < s->n_devices; i++)
		if (s->dev[i].roles & ROLE_BATTERY)
			json_out_text(&o, s->dev[i].id, override_word(s->dev[i].override.mode == OVERRIDE_NONE ? OVERRIDE_AUTO : s->dev[i].override.mode));
	json_out_object_end(&o);
	json_out_object(&o, "ev");
	for (int i = 0; i < s->n_devices; i++)
		if (s->dev[i].roles & ROLE_CHARGER && s->dev[i].ev_mode != EV_UNSET)
			json_out_text(&o, s->dev[i].id, ev_mode_word(s->dev[i].ev_mode));
	json_out_object_end(&o);
	json_out_object_end(&o);
	return json_out_end(&o);
}

const char *discovery_topic(const char *prefix, const char *site, const char *device, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/device/hearth_%s%s%s/config", prefix, site, device ? "_" : "", device ? device : "");

	if (n < 0 || (size_t)n >= size)
		out[0] = '\0';
	return out;
}

bool discovery_topic_device(const char *prefix, const char *site, const char *topic, char device[DEVICE_ID_MAX])
{
	char head[TOPIC_MAX];
	int n = snprintf(head, sizeof(head), "%s/device/hearth_%s_", prefix, site);
	size_t len;

	if (n < 0 || (size_t)n >= sizeof(head) || strncmp(topic, head, (size_t)n) != 0)
		return false;
	topic += n;
	len = strcspn(topic, "/");
	if (len == 0 || len >= DEVICE_ID_MAX || strcmp(topic + len, "/config") != 0)
		return false;
	memcpy(device, topic, len);
	device[len] = '\0';
	return true;
}

/* "<device>_<what>" -> the device; false when the entity does not end so. */
static bool entity_device(const char *entity, const char *what, char device[DEVICE_ID_MAX])
{
	size_t n = strlen(entity), tail = strlen(what);

	if (n <= tail || n - tail >= DEVICE_ID_MAX || strcmp(entity + n - tail, what) != 0)
		return false;
	memcpy(device, entity, n - tail);
	device[n - tail] = '\0';
	return true;
}

/* 0..100 without sign, exponent and the other things strtod knows; the verb says whether it is in range. */
static bool percent(const char *text, double *pct)
{
	char *rest;

	if (!strpbrk(text, "0123456789") || text[strspn(text, "0123456789.")] != '\0')
		return false;
	*pct = strtod(text, &rest);
	return *rest == '\0';
}

cJSON *discovery_wish(const char *entity, const char *text, const char **verb, struct errbuf *err)
{
	bool battery, charger;
	char device[DEVICE_ID_MAX];
	cJSON *o = NULL;
	double pct;

	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~') {
			errbuf_set(err, -EINVAL, "the payload must be one plain word or number");
			return NULL;
		}
	battery = entity_device(entity, "_override", device);
	charger = !battery && entity_device(entity, "_ev", device);
	if (!strcmp(entity, "reserve") && percent(text, &pct)) {
		*verb = "reserve.set";
		o = cJSON_CreateObject();
		cJSON_AddNumberToObject(o, "pct", pct);
	} else if (!strcmp(entity, "pause") && (!strcmp(text, "ON") || !strcmp(text, "OFF"))) {
		*verb = "pause";
		o = cJSON_CreateObject();
		cJSON_AddNumberToObject(o, "duration_s", text[1] == 'N' ? DISCOVERY_PAUSE_S : 0);
	} else if (!strcmp(entity, "plan_refresh") && !strcmp(text, "PRESS")) {
		*verb = "plan.refresh";
		o = cJSON_CreateObject();
	} else if ((battery || charger) && text[0]) {
		bool clear = battery && !strcmp(text, "auto");

		*verb = charger ? "ev.set" : clear ? "override.clear" : "override.set";
		o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "device", device);
		if (!clear)
			cJSON_AddStringToObject(o, "mode", text);
		if (battery && !clear)
			cJSON_AddNumberToObject(o, "duration_s", DISCOVERY_OVERRIDE_S);
	} else {
		errbuf_set(err, -EINVAL, "nothing here can be set to '%.40s'", text);
	}
	return o;
}
