/* See scenario.h. Scalars stand in tables (section, key, type, range); what is left has a function. */
#include "simulate/scenario.h"

#include "core/json.h"
#include "core/nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scenario scenario_defaults(void)
{
	struct scenario s = {
		.name = "scenario", .timezone = "Europe/London", .currency = "GBP",
		.start_year = 2025, .start_month = 1, .start_day = 6,
		.days = 7, .learned_days = 28, .tick_s = 10, .seed = 1,
		.latitude = 51.5, .longitude = -0.1,
		.pv = { .tilt_deg = 35, .azimuth_deg = 180, .clouds = 1 },
		.load = { .annual_kwh = 3500, .noise = 1 },
		.site = { .reserve_pct = 10, .grid_charging = true, .battery_export = true },
		.plan = { .horizon_h = 48, .slot_s = 300 },
	};

	s.import.windows.n = s.export.windows.n = 1;
	s.import.windows.w[0].to_min = s.export.windows.w[0].to_min = 1440;
	s.import.windows.w[0].price = 0.28;
	s.export.windows.w[0].price = 0.15;
	return s;
}

enum kind { NUMBER, WHOLE, SEED, FLAG, TEXT, OTHER };

/* One key: where it goes, what it may be. OTHER is taken by a function of its own. */
struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	double min, max;
};

#define AT(type, member) offsetof(struct type, member)
#define SIZE(type, member) (double)sizeof(((struct type *)0)->member)

static const struct key TOP[] = {
	{ "format", OTHER, 0, 0, 0 }, { "name", TEXT, AT(scenario, name), 0, SIZE(scenario, name) },
	{ "about", TEXT, AT(scenario, about), 0, SIZE(scenario, about) }, { "start", OTHER, 0, 0, 0 },
	{ "days", WHOLE, AT(scenario, days), 1, SCENARIO_DAYS_MAX }, { "learned_days", WHOLE, AT(scenario, learned_days), 0, 60 },
	{ "tick_s", NUMBER, AT(scenario, tick_s), 1, 10 }, { "seed", SEED, AT(scenario, seed), 0, 9007199254740992. },
	{ "timezone", TEXT, AT(scenario, timezone), 0, SIZE(scenario, timezone) }, { "place", OTHER, 0, 0, 0 },
	{ "perfect_forecast", FLAG, AT(scenario, perfect_forecast), 0, 0 },
	{ "tariff", OTHER, 0, 0, 0 }, { "battery", OTHER, 0, 0, 0 }, { "pv", OTHER, 0, 0, 0 }, { "load", OTHER, 0, 0, 0 },
	{ "car", OTHER, 0, 0, 0 }, { "events", OTHER, 0, 0, 0 }, { "site", OTHER, 0, 0, 0 }, { "plan", OTHER, 0, 0, 0 }, { NULL, OTHER, 0, 0, 0 },
};
static const struct key PLACE[] = {
	{ "latitude", NUMBER, AT(scenario, latitude), -66, 66 }, { "longitude", NUMBER, AT(scenario, longitude), -180, 180 },
	{ NULL, OTHER, 0, 0, 0 },
};
static const struct key TARIFF[] = {
	{ "import", OTHER, 0, 0, 0 }, { "export", OTHER, 0, 0, 0 }, { "currency", TEXT, AT(scenario, currency), 0, SIZE(scenario, currency) },
	{ "known", OTHER, 0, 0, 0 }, { NULL, OTHER, 0, 0, 0 },
};
static const struct key DIRECTION[] = { { "market", OTHER, 0, 0, 0 }, { "half_hours", OTHER, 0, 0, 0 }, { NULL, OTHER, 0, 0, 0 } };
static const struct key MARKET[] = {
	{ "mean", NUMBER, AT(scenario_market, mean), 0, 10 }, { "winter", NUMBER, AT(scenario_market, winter), 0, 1 },
	{ "volatility", NUMBER, AT(scenario_market, volatility), 0, 5 }, { "factor", NUMBER, AT(scenario_market, factor), 0, 10 },
	{ "add", NUMBER, AT(scenario_market, add), -10, 10 }, { "peak_add", NUMBER, AT(scenario_market, peak_add), -10, 10 },
	{ "cap", NUMBER, AT(scenario_market, cap), 0, 100 }, { NULL, OTHER, 0, 0, 0 },
};
static const struct key BATTERY[] = {
	{ "capacity_wh", NUMBER, AT(scenario_battery, capacity_wh), 100, 1e6 }, { "charge_max_w", NUMBER, AT(scenario_battery, charge_max_w), 0, 1e6 },
	{ "discharge_max_w", NUMBER, AT(scenario_battery, discharge_max_w), 0, 1e6 }, { "charge_eff", NUMBER, AT(scenario_battery, charge_eff), 0.5, 1 },
	{ "discharge_eff", NUMBER, AT(scenario_battery, discharge_eff), 0.5, 1 }, { "standby_w", NUMBER, AT(scenario_battery, standby_w), 0, 1000 },
	{ "soc_pct", NUMBER, AT(scenario_battery, soc_pct), 0, 100 }, { "soc_min_pct", NUMBER, AT(scenario_battery, soc_min_pct), 0, 90 },
	{ "native", FLAG, AT(scenario_battery, native), 0, 0 }, { NULL, OTHER, 0, 0, 0 },
};
static const struct key PV[] = {
	{ "peak_w", NUMBER, AT(scenario, pv.peak_w), 0, 1e6 }, { "tilt_deg", NUMBER, AT(scenario, pv.tilt_deg), 0, 90 },
	{ "azimuth_deg", NUMBER, AT(scenario, pv.azimuth_deg), 0, 360 }, { "clouds", NUMBER, AT(scenario, pv.clouds), 0, 1 },
	{ "curtail", FLAG, AT(scenario, pv.curtail), 0, 0 }, { NULL, OTHER, 0, 0, 0 },
};
static const struct key LOAD[] = {
	{ "annual_kwh", NUMBER, AT(scenario, load.annual_kwh), 0, 1e6 }, { "noise", NUMBER, AT(scenario, load.noise), 0, 2 },
	{ NULL, OTHER, 0, 0, 0 },
};
static const struct key CAR[] = {
	{ "arrives", OTHER, 0, 0, 0 }, { "leaves", OTHER, 0, 0, 0 }, { "days", OTHER, 0, 0, 0 }, { "mode", OTHER, 0, 0, 0 },
	{ "known", OTHER, 0, 0, 0 }, { "kwh", NUMBER, AT(scenario, car.kwh), 0.1, 200 }, { "max_a", NUMBER, AT(scenario, car.max_a), 6, 63 },
	{ "phases", WHOLE, AT(scenario, car.phases), 1, 3 }, { "jitter_min", WHOLE, AT(scenario, car.jitter_min), 0, 240 },
	{ NULL, OTHER, 0, 0, 0 },
};
static const struct key EVENT[] = {
	{ "day", OTHER, 0, 0, 0 }, { "from", OTHER, 0, 0, 0 }, { "minutes", WHOLE, AT(scenario_event, minutes), 5, 720 },
	{ "power_w", NUMBER, AT(scenario_event, power_w), 0, 1e6 }, { "floor_pct", NUMBER, AT(scenario_event, floor_pct), 0, 100 },
	{ "notice_h", NUMBER, AT(scenario_event, notice_h), 0, 168 }, { "pay", NUMBER, AT(scenario_event, pay), 0, 100 },
	{ NULL, OTHER, 0, 0, 0 },
};
static const struct key SITE[] = {
	{ "reserve_pct", NUMBER, AT(scenario, site.reserve_pct), 0, 100 }, { "import_limit_w", NUMBER, AT(scenario, site.import_limit_w), 0, 1e6 },
	{ "export_limit_w", NUMBER, AT(scenario, site.export_limit_w), 0, 1e6 }, { "grid_charging", FLAG, AT(scenario, site.grid_charging), 0, 0 },
	{ "battery_export", FLAG, AT(scenario, site.battery_export), 0, 0 }, { "battery_to_ev", FLAG, AT(scenario, site.battery_to_ev), 0, 0 },
	{ NULL, OTHER, 0, 0, 0 },
};
static const struct key PLAN[] = {
	{ "wear_cost", NUMBER, AT(scenario, plan.wear_cost), 0, 10 }, { "horizon_h", WHOLE, AT(scenario, plan.horizon_h), 2, 336 },
	{ "slot_s", WHOLE, AT(scenario, plan.slot_s), 300, 3600 }, { NULL, OTHER, 0, 0, 0 },
};

/* "battery[1].": where the reader is, put before what went wrong. */
static int prefix(struct errbuf *err, const char *where, int rc)
{
	char text[ERR_TEXT_MAX];

	if (rc >= 0 || !where[0])
		return rc;
	snprintf(text, sizeof(text), "%s", err->text);
	return errbuf_set(err, rc, "%s.%s", where, text);
}

static int unknown_key(const char *key, const struct key *keys, struct errbuf *err)
{
	struct nearest near;

	nearest_start(&near, key);
	for (const struct key *k = keys; k->name; k++)
		nearest_offer(&near, k->name);
	return errbuf_set(err, -EINVAL, "%.60s: there is no such key%s%s%s", key, near.best[0] ? ", did you mean " : "", near.best,
			  near.best[0] ? "?" : "");
}

static int take_one(const cJSON *o, const struct key *k, char *base, struct errbuf *err)
{
	int64_t whole;
	int rc = 0;

	switch (k->kind) {
	case NUMBER:
		rc = json_get_number(o, k->name, k->min, k->max, (double *)(void *)(base + k->offset), err);
		break;
	case WHOLE:
		rc = json_get_int(o, k->name, (int64_t)k->min, (int64_t)k->max, &whole, err);
		if (rc > 0)
			*(int *)(void *)(base + k->offset) = (int)whole;
		break;
	case SEED:
		rc = json_get_int(o, k->name, (int64_t)k->min, (int64_t)k->max, &whole, err);
		if (rc > 0)
			*(uint64_t *)(void *)(base + k->offset) = (uint64_t)whole;
		break;
	case FLAG:
		rc = json_get_bool(o, k->name, (bool *)(void *)(base + k->offset), err);
		break;
	case TEXT:
		rc = json_get_text(o, k->name, base + k->offset, (size_t)k->max, err);
		break;
	case OTHER:
		break;
	}
	return rc < 0 ? rc : 0;
}

/* Every key of @o is one of @keys, and the scalars among them go to @base. */
static int take(const cJSON *o, const char *where, const struct key *keys, void *base, struct errbuf *err)
{
	const cJSON *m;
	int rc;

	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "%s: not an object", where[0] ? where : "scenario");
	cJSON_ArrayForEach(m, o) {
		const struct key *k = keys;

		while (k->name && strcmp(k->name, m->string) != 0)
			k++;
		if (!k->name)
			return prefix(err, where, unknown_key(m->string, keys, err));
		if (cJSON_GetObjectItemCaseSensitive(o, m->string) != m)
			return prefix(err, where, errbuf_set(err, -EINVAL, "%s: given twice", m->string));
	}
	for (const struct key *k = keys; k->name; k++) {
		rc = take_one(o, k, base, err);
		if (rc < 0)
			return prefix(err, where, rc);
	}
	return 0;
}

static const cJSON *member(const cJSON *o, const char *key)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, key);

	return m && !cJSON_IsNull(m) ? m : NULL;
}

/* "17:30" as minutes, 1440 for 24:00. Absent: as it is. */
static int take_clock(const cJSON *o, const char *key, int *minutes, struct errbuf *err)
{
	const char *text = cJSON_GetStringValue(member(o, key));
	int hour, minute, used = 0;

	if (!member(o, key))
		return 0;
	if (!text || sscanf(text, "%2d:%2d%n", &hour, &minute, &used) != 2 || text[used] || hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return errbuf_set(err, -EINVAL, "%s: not a time of day, 00:00 to 23:59", key);
	*minutes = hour * 60 + minute;
	return 0;
}

static int day_index(const char *text)
{
	static const char *const NAMES[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

	for (int i = 0; i < 7; i++)
		if (strncmp(text, NAMES[i], 3) == 0)
			return i;
	return -1;
}

int scenario_days_parse(const char *text, uint32_t *out)
{
	uint32_t days = 0;
	int from, to;

	if (strcmp(text, "all") == 0) {
		*out = 0x7f;
		return 0;
	}
	for (;;) {
		from = to = day_index(text);
		if (from < 0)
			return -EINVAL;
		text += 3;
		if (*text == '-') {
			to = day_index(text + 1);
			if (to < 0)
				return -EINVAL;
			text += 4;
		}
		for (int d = from;; d = (d + 1) % 7) {
			days |= 1u << d;
			if (d == to)
				break;
		}
		if (*text != ',')
			break;
		text++;
	}
	if (*text)
		return -EINVAL;
	*out = days;
	return 0;
}

static int take_days(const cJSON *o, const char *key, uint32_t *days, struct errbuf *err)
{
	const char *text = cJSON_GetStringValue(member(o, key));

	if (!member(o, key))
		return 0;
	if (!text || scenario_days_parse(text, days) < 0)
		return errbuf_set(err, -EINVAL, "%s: days are as in \"mon-fri\", \"sat,sun\" or \"all\"", key);
	return 0;
}

/* One of two words; absent leaves *@second as it is. */
static int take_word(const cJSON *o, const char *key, const char *const words[2], bool *second, struct errbuf *err)
{
	const char *text = cJSON_GetStringValue(member(o, key));

	if (!member(o, key))
		return 0;
	if (!text || (strcmp(text, words[0]) != 0 && strcmp(text, words[1]) != 0))
		return errbuf_set(err, -EINVAL, "%s: \"%s\" or \"%s\"", key, words[0], words[1]);
	*second = strcmp(text, words[1]) == 0;
	return 0;
}

static int take_values(const cJSON *list, struct scenario_tariff *t, struct errbuf *err)
{
	const int n = cJSON_GetArraySize(list);
	const cJSON *m;

	if (!cJSON_IsArray(list) || n < 48 || n > SCENARIO_VALUES_MAX)
		return errbuf_set(err, -EINVAL, "half_hours: a list of 48 to %d numbers", SCENARIO_VALUES_MAX);
	t->value = malloc((size_t)n * sizeof(*t->value));
	if (!t->value)
		return errbuf_set(err, -ENOMEM, "half_hours: no memory");
	t->kind = PRICE_VALUES;
	cJSON_ArrayForEach(m, list) {
		if (!cJSON_IsNumber(m) || !(fabs(m->valuedouble) <= PRICE_ABS_MAX))
			return errbuf_set(err, -ERANGE, "half_hours[%d]: not a price within -%g..%g", t->n_values, PRICE_ABS_MAX, PRICE_ABS_MAX);
		t->value[t->n_values++] = (float)m->valuedouble;
	}
	return 0;
}

static int take_direction(const cJSON *tariff, const char *key, struct scenario_tariff *t, struct errbuf *err)
{
	const cJSON *m = member(tariff, key), *market, *values;
	char text[32];
	int rc;

	if (!m)
		return 0;
	if (cJSON_IsNumber(m))
		snprintf(text, sizeof(text), "%.10g", m->valuedouble);
	if (cJSON_IsNumber(m) || cJSON_IsString(m)) {
		struct errbuf why = { "" };

		rc = tariff_parse(cJSON_IsString(m) ? m->valuestring : text, &t->windows, &why);
		return rc < 0 ? errbuf_set(err, rc, "%s: %s", key, why.text) : rc;
	}
	rc = take(m, key, DIRECTION, t, err);
	if (rc < 0)
		return rc;
	market = member(m, "market");
	values = member(m, "half_hours");
	if (!market == !values)
		return errbuf_set(err, -EINVAL, "%s: a price, windows, {\"market\": {...}} or {\"half_hours\": [...]}", key);
	if (values)
		return prefix(err, key, take_values(values, t, err));
	t->kind = PRICE_MARKET;
	t->market = (struct scenario_market){ .mean = 0.08, .winter = 0.2, .volatility = 0.6, .factor = 1, .cap = 100 };
	return prefix(err, key, take(market, "market", MARKET, &t->market, err));
}

static int take_tariff(const cJSON *top, struct scenario *s, struct errbuf *err)
{
	const cJSON *o = member(top, "tariff");
	int rc;

	if (!o)
		return 0;
	rc = take(o, "tariff", TARIFF, s, err);
	if (rc == 0)
		rc = prefix(err, "tariff", take_direction(o, "import", &s->import, err));
	if (rc == 0)
		rc = prefix(err, "tariff", take_direction(o, "export", &s->export, err));
	return rc == 0 ? prefix(err, "tariff", take_word(o, "known", (const char *const[]){ "always", "day-ahead" }, &s->day_ahead, err)) : rc;
}

static int take_battery(const cJSON *o, const char *where, struct scenario *s, struct errbuf *err)
{
	struct scenario_battery *b = &s->battery[s->n_batteries];
	int rc;

	*b = (struct scenario_battery){ .charge_max_w = 5000, .discharge_max_w = 5000, .charge_eff = 0.95, .discharge_eff = 0.95,
					.standby_w = 10, .soc_pct = 50, .soc_min_pct = 5, .native = true };
	s->n_batteries++;
	rc = take(o, where, BATTERY, b, err);
	if (rc == 0 && !member(o, "capacity_wh"))
		return errbuf_set(err, -EINVAL, "%s.capacity_wh: it must be said", where);
	return rc;
}

static int take_batteries(const cJSON *top, struct scenario *s, struct errbuf *err)
{
	const cJSON *list = member(top, "battery"), *m;
	char where[24];
	int rc = 0;

	if (!list)
		return 0;
	if (!cJSON_IsArray(list))
		return take_battery(list, "battery", s, err);
	if (cJSON_GetArraySize(list) > SCENARIO_BATTERIES_MAX)
		return errbuf_set(err, -ERANGE, "battery: at most %d", SCENARIO_BATTERIES_MAX);
	cJSON_ArrayForEach(m, list) {
		snprintf(where, sizeof(where), "battery[%d]", s->n_batteries);
		rc = take_battery(m, where, s, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_car(const cJSON *top, struct scenario *s, struct errbuf *err)
{
	const cJSON *o = member(top, "car");
	int rc;

	if (!o)
		return 0;
	s->car = (struct scenario_car){ .arrives_min = 18 * 60, .leaves_min = 450, .jitter_min = 45, .kwh = 10, .days = 0x3e, .max_a = 32, .phases = 1 };
	rc = take(o, "car", CAR, s, err);
	if (rc == 0)
		rc = prefix(err, "car", take_clock(o, "arrives", &s->car.arrives_min, err));
	if (rc == 0)
		rc = prefix(err, "car", take_clock(o, "leaves", &s->car.leaves_min, err));
	if (rc == 0)
		rc = prefix(err, "car", take_days(o, "days", &s->car.days, err));
	if (rc == 0)
		rc = prefix(err, "car", take_word(o, "mode", (const char *const[]){ "cheap", "now" }, &s->car.now, err));
	return rc == 0 ? prefix(err, "car", take_word(o, "known", (const char *const[]){ "told", "habit" }, &s->car.by_habit, err)) : rc;
}

static int take_events(const cJSON *top, struct scenario *s, struct errbuf *err)
{
	const cJSON *list = member(top, "events"), *m;
	char where[24];
	int rc;

	if (!list)
		return 0;
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > SCENARIO_EVENTS_MAX)
		return errbuf_set(err, -EINVAL, "events: a list of at most %d", SCENARIO_EVENTS_MAX);
	cJSON_ArrayForEach(m, list) {
		struct scenario_event *e = &s->event[s->n_events];

		snprintf(where, sizeof(where), "events[%d]", s->n_events++);
		*e = (struct scenario_event){ .days = 1u << 3, .from_min = 17 * 60, .minutes = 60, .power_w = 3000, .floor_pct = 10, .notice_h = 12 };
		rc = take(m, where, EVENT, e, err);
		if (rc == 0)
			rc = prefix(err, where, take_days(m, "day", &e->days, err));
		if (rc == 0)
			rc = prefix(err, where, take_clock(m, "from", &e->from_min, err));
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_start(const cJSON *top, struct scenario *s, struct errbuf *err)
{
	const char *text = cJSON_GetStringValue(member(top, "start"));
	int64_t ms;
	char full[40];

	if (!member(top, "start"))
		return 0;
	snprintf(full, sizeof(full), "%.10sT00:00:00Z", text ? text : "");
	if (!text || strlen(text) != 10 || calendar_parse(full, &ms) < 0 ||
	    sscanf(text, "%4d-%2d-%2d", &s->start_year, &s->start_month, &s->start_day) != 3 || s->start_year < 2021 || s->start_year > 2040)
		return errbuf_set(err, -EINVAL, "start: a local day as in \"2025-01-06\", 2021 to 2040");
	return 0;
}

static int parse_tree(const cJSON *top, struct scenario *s, struct errbuf *err)
{
	static const struct { const char *name; const struct key *keys; } PARTS[] = {
		{ "place", PLACE }, { "pv", PV }, { "load", LOAD }, { "site", SITE }, { "plan", PLAN },
	};
	int (*const TAKE[])(const cJSON *, struct scenario *, struct errbuf *) = { take_start, take_tariff, take_batteries, take_car, take_events };
	const char *format;
	int rc = take(top, "", TOP, s, err);

	if (rc < 0)
		return rc;
	format = cJSON_GetStringValue(member(top, "format"));
	if (!format || strcmp(format, "hearth-scenario/1") != 0)
		return errbuf_set(err, -EINVAL, "format: must be \"hearth-scenario/1\"");
	for (size_t i = 0; rc == 0 && i < sizeof(PARTS) / sizeof(PARTS[0]); i++)
		if (member(top, PARTS[i].name))
			rc = take(member(top, PARTS[i].name), PARTS[i].name, PARTS[i].keys, s, err);
	for (size_t i = 0; rc == 0 && i < sizeof(TAKE) / sizeof(TAKE[0]); i++)
		rc = TAKE[i](top, s, err);
	return rc == 0 ? scenario_check(s, err) : rc;
}

int scenario_parse(const char *text, size_t len, struct scenario *out, struct errbuf *err)
{
	AUTO_JSON *top = json_parse(text, len, SCENARIO_TEXT_MAX, 8, err);
	int rc;

	*out = scenario_defaults();
	if (!top)
		return -EINVAL;
	rc = parse_tree(top, out, err);
	if (rc < 0)
		scenario_deinit(out);
	return rc;
}

int scenario_check(const struct scenario *s, struct errbuf *err)
{
	if (s->days < 1 || s->days > SCENARIO_DAYS_MAX)
		return errbuf_set(err, -ERANGE, "days: %d is outside 1..%d", s->days, SCENARIO_DAYS_MAX);
	if (fmod(60, s->tick_s) != 0)
		return errbuf_set(err, -EINVAL, "tick_s: %g s does not divide a minute", s->tick_s);
	if (s->car.phases == 2)
		return errbuf_set(err, -EINVAL, "car.phases: 1 or 3");
	if (s->car.days && s->car.arrives_min == s->car.leaves_min)
		return errbuf_set(err, -EINVAL, "car.leaves: not the time it arrives");
	for (int i = 0; i < s->n_batteries; i++)
		if (s->battery[i].soc_pct < s->battery[i].soc_min_pct)
			return errbuf_set(err, -EINVAL, "battery[%d].soc_pct: %g %% is below soc_min_pct", i, s->battery[i].soc_pct);
	return 0;
}

void scenario_deinit(struct scenario *s)
{
	free(s->import.value);
	free(s->export.value);
	s->import.value = s->export.value = NULL;
	s->import.n_values = s->export.n_values = 0;
}
