/* Verbs by which the owner changes things: reserve, override, car. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the owner wants and what is kept now: during an event that may be another floor. */
static int show_reserve(struct ctl *c)
{
	int code;
	AUTO_JSON *both = ctl_states(c, "site", "owner", &code), *o = NULL;
	const cJSON *site, *reserve;

	if (!both)
		return code;
	site = cJSON_GetObjectItemCaseSensitive(both, "site");
	reserve = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(both, "owner"), "reserve_pct");
	if (!cJSON_IsNumber(reserve))
		reserve = cJSON_GetObjectItemCaseSensitive(site, "floor_pct");
	o = cJSON_CreateObject();
	cJSON_AddItemToObject(o, "reserve_pct", cJSON_Duplicate(reserve, true));
	cJSON_AddItemToObject(o, "floor_pct", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(site, "floor_pct"), true));
	cJSON_AddItemToObject(o, "floor_source", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(site, "floor_source"), true));
	if (c->json)
		ctl_print_json(o);
	else if (cJSON_Compare(reserve, cJSON_GetObjectItemCaseSensitive(o, "floor_pct"), true))
		printf("%s (in force)\n", show(o, "reserve_pct", 0, "%"));
	else
		printf("%s (in force now: %s, %s)\n", show(o, "reserve_pct", 0, "%"), show(o, "floor_pct", 0, "%"),
		       show_word(o, "floor_source"));
	return CTL_DONE;
}

int ctl_reserve(struct ctl *c)
{
	cJSON *args;
	char *end;
	double pct;

	if (c->argc > 1)
		return ctl_usage(c);
	if (c->argc == 1) {
		pct = strtod(c->argv[0], &end);
		if (end == c->argv[0] || (*end && strcmp(end, "%") != 0))
			return ctl_usage(c);
		args = cJSON_CreateObject();
		cJSON_AddNumberToObject(args, "pct", pct);
		return ctl_change(c, "reserve.set", args, "the reserve is set");
	}
	return show_reserve(c);
}

int ctl_parse_until(const char *text, int64_t *utc_ms)
{
	time_t now = time(NULL), t;
	int hour, minute;
	char tail;
	struct tm tm;

	if (sscanf(text, "%2d:%2d%c", &hour, &minute, &tail) == 2 && hour >= 0 && hour <= 24 && minute >= 0 && minute < 60) {
		localtime_r(&now, &tm);
		tm.tm_hour = hour;
		tm.tm_min = minute;
		tm.tm_sec = 0;
		tm.tm_isdst = -1;
		t = mktime(&tm);
		if (t <= now) {
			tm.tm_mday++;
			tm.tm_isdst = -1;
			t = mktime(&tm);
		}
		*utc_ms = (int64_t)t * 1000;
		return 0;
	}
	return calendar_parse(text, utc_ms) < 0 ? -1 : 0;
}

double ctl_parse_quantity(const char *text, const char *base)
{
	char *end, kilo[8];
	double v = strtod(text, &end);

	snprintf(kilo, sizeof(kilo), "k%s", base);
	if (end == text || v < 0)
		return -1;
	if (!*end || !strcmp(end, base))
		return v;
	return !strcmp(end, kilo) ? v * 1000 : -1;
}

/* One "--name value" pair into the arguments of an override or a car's request. 0 or -1 (said). */
static int take_pair(cJSON *args, const char *name, const char *value)
{
	char text[CALENDAR_TEXT_MAX];
	int64_t seconds, utc_ms;
	double v;

	if (!strcmp(name, "--power") && (v = ctl_parse_quantity(value, "W")) >= 0) {
		cJSON_AddNumberToObject(args, "power_w", v);
	} else if (!strcmp(name, "--energy") && (v = ctl_parse_quantity(value, "Wh")) >= 0) {
		cJSON_AddNumberToObject(args, "energy_wh", v);
	} else if (!strcmp(name, "--for") && calendar_parse_duration(value, &seconds) == 0) {
		cJSON_AddNumberToObject(args, "duration_s", (double)seconds);
	} else if ((!strcmp(name, "--until") || !strcmp(name, "--by")) && ctl_parse_until(value, &utc_ms) == 0) {
		calendar_format(utc_ms, text);
		cJSON_AddStringToObject(args, name[2] == 'u' ? "until" : "ready_by", text);
	} else {
		fprintf(stderr, "hearthctl: '%s %s' is not understood (examples: --power 3kW --for 2h --until 18:00 --by 07:00 --energy 20kWh)\n",
			name, value);
		return -1;
	}
	return 0;
}

/* Words behind the mode: an optional device, then pairs. NULL after saying what is wrong. */
static cJSON *take_words(struct ctl *c, int from)
{
	cJSON *args = cJSON_CreateObject();

	for (int i = from; i < c->argc; i++) {
		if (c->argv[i][0] != '-' && !cJSON_HasObjectItem(args, "device")) {
			cJSON_AddStringToObject(args, "device", c->argv[i]);
		} else if (i + 1 < c->argc && take_pair(args, c->argv[i], c->argv[i + 1]) == 0) {
			i++;
		} else {
			if (i + 1 >= c->argc)
				fprintf(stderr, "hearthctl: '%s' needs a value\n", c->argv[i]);
			cJSON_Delete(args);
			return NULL;
		}
	}
	return args;
}

/* "charging battery with 3000 W until 18:00" */
static void say_override(const cJSON *args, const char *mode, char *out, size_t size)
{
	static const char *const WORDS[][2] = { { "charge", "charging" }, { "discharge", "discharging" }, { "hold", "holding" },
						{ "auto", "plain self-use for" } };
	const cJSON *power = cJSON_GetObjectItemCaseSensitive(args, "power_w");
	const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(args, "duration_s");
	const char *until = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(args, "until"));
	const char *device = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(args, "device"));
	bool moves = strcmp(mode, "hold") != 0 && strcmp(mode, "auto") != 0;
	char with[48] = "";
	int64_t utc_ms = 0;
	int i = 0;

	while (strcmp(WORDS[i][0], mode) != 0)
		i++;
	if (until)
		calendar_parse(until, &utc_ms);
	else if (seconds)
		utc_ms = ((int64_t)time(NULL) + (int64_t)seconds->valuedouble) * 1000;
	if (moves && power)
		snprintf(with, sizeof(with), " with %.0f W", power->valuedouble);
	snprintf(out, size, "%s %s%s until %s", WORDS[i][1], device ? device : "the battery",
		 moves && !power ? " with all it can" : with, show_instant(utc_ms));
}

int ctl_override(struct ctl *c)
{
	const char *mode = c->argc ? c->argv[0] : "";
	cJSON *args;
	char done[160];
	int64_t seconds;

	if (!strcmp(mode, "pause") && c->argc == 2 && calendar_parse_duration(c->argv[1], &seconds) == 0) {
		args = cJSON_CreateObject();
		cJSON_AddNumberToObject(args, "duration_s", (double)seconds);
		return ctl_change(c, "pause", args, "paused: every device is under its own control");
	}
	if (!strcmp(mode, "resume") && c->argc == 1) {
		args = cJSON_CreateObject();
		cJSON_AddNumberToObject(args, "duration_s", 0);
		return ctl_change(c, "pause", args, "steering again");
	}
	if (!strcmp(mode, "clear")) {
		args = take_words(c, 1);
		return args ? ctl_change(c, "override.clear", args, "the override is gone") : CTL_USAGE;
	}
	if (strcmp(mode, "auto") != 0 && strcmp(mode, "hold") != 0 && strcmp(mode, "charge") != 0 && strcmp(mode, "discharge") != 0)
		return ctl_usage(c);
	args = take_words(c, 1);
	if (!args)
		return CTL_USAGE;
	if (cJSON_HasObjectItem(args, "until") == cJSON_HasObjectItem(args, "duration_s")) {
		fputs("hearthctl: say how long: either --for 2h or --until 18:00\n", stderr);
		cJSON_Delete(args);
		return CTL_USAGE;
	}
	cJSON_AddStringToObject(args, "mode", mode);
	say_override(args, mode, done, sizeof(done));
	return ctl_change(c, "override.set", args, done);
}

int ctl_ev(struct ctl *c)
{
	const char *mode = c->argc ? c->argv[0] : "";
	bool ready = !strcmp(mode, "ready");
	cJSON *args;

	if (!ready && strcmp(mode, "off") != 0 && strcmp(mode, "solar") != 0 && strcmp(mode, "cheap") != 0 && strcmp(mode, "now") != 0)
		return ctl_usage(c);
	args = take_words(c, 1);
	if (!args)
		return CTL_USAGE;
	cJSON_AddStringToObject(args, "mode", ready ? "cheap" : mode);
	return ctl_change(c, "ev.set", args, ready ? "the car will be ready" : "the car's mode is set");
}
