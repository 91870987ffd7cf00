/* hearthctl why: what every device does and why; with --history or --since what changed in the last seven days. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#define HISTORY_ROWS 200 /* the most one answer has */

struct words {
	bool history;
	const char *device, *since;
	int64_t since_utc_ms; /* 0 = not said */
};

/* So long ago, or a time: "18:00" is the last one there was. */
static bool parse_since(const struct ctl *c, const char *text, int64_t *utc_ms)
{
	const int64_t now_ms = ctl_now_ms(c);
	struct when when;
	double seconds;

	if (quantity_parse(QUANTITY_DURATION, text, &seconds, NULL) == 0)
		*utc_ms = now_ms - (int64_t)seconds * 1000;
	else if (when_parse(text, &when) == 0)
		*utc_ms = when_last_utc_ms(&when, &c->zone, now_ms);
	else
		return false;
	return true;
}

static bool take_words(const struct ctl *c, struct words *w)
{
	static const struct ctl_option OPTIONS[] = {
		{ .name = "--history" }, { .name = "--since" }, { .name = NULL },
	};

	for (int i = 0; i < c->argc; i++) {
		if (!strcmp(c->argv[i], "--history")) {
			w->history = true;
		} else if (!strcmp(c->argv[i], "--since") && i + 1 < c->argc) {
			w->since = c->argv[++i];
			if (!parse_since(c, w->since, &w->since_utc_ms)) {
				fprintf(stderr, "hearthctl: --since: '%s' is not understood, allowed: 18:00 (the last one), 2026-01-15 18:00, 2026-01-15T18:00:00Z, or %s\n",
					w->since, quantity_allowed(QUANTITY_DURATION));
				return false;
			}
			w->history = true;
		} else if (c->argv[i][0] != '-' && !w->device) {
			w->device = c->argv[i];
		} else if (c->argv[i][0] == '-' && strcmp(c->argv[i], "--since") != 0) {
			ctl_unknown(c, OPTIONS, c->argv[i]);
			return false;
		} else if (c->argv[i][0] == '-') { /* --since without its time */
			ctl_usage(c);
			return false;
		} else {
			ctl_usage_of(c, c->argv[i]);
			return false;
		}
	}
	return true;
}

static const char *text_of(const cJSON *o, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return text ? text : "";
}

/* Whose order, and who took something away from it. */
static const char *who(const cJSON *row, char out[96])
{
	const cJSON *by;
	size_t n = (size_t)snprintf(out, 96, "%s", show_word(row, "rank"));
	bool first = true;

	cJSON_ArrayForEach(by, cJSON_GetObjectItemCaseSensitive(row, "limited_by")) {
		if (n < 96 && cJSON_IsString(by))
			n += (size_t)snprintf(out + n, 96 - n, "%s%s", first ? ", cut by " : ", ", by->valuestring);
		first = false;
	}
	return out;
}

/* What a row that is no decision is about. */
static const char *topic(const cJSON *row)
{
	if (cJSON_HasObjectItem(row, "doubt"))
		return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "over")) ? "believed" : "not believed";
	return !strcmp(text_of(row, "rank"), "limit") && !cJSON_HasObjectItem(row, "mode") ? "limits" : "mode";
}

/* A sentence about a device begins with what it does. */
static void add_row(struct table *t, const char *time, const cJSON *row)
{
	const char *reason = text_of(row, "reason"), *why = strstr(reason, ": "), *device = text_of(row, "device");
	const cJSON *skipped = cJSON_GetObjectItemCaseSensitive(row, "skipped");
	char what[80], by[96], more[320];

	if (cJSON_HasObjectItem(row, "order") && why) {
		snprintf(what, sizeof(what), "%.*s", (int)(why - reason), reason);
		why += 2;
	} else {
		snprintf(what, sizeof(what), "%s", topic(row));
		why = reason;
	}
	snprintf(more, sizeof(more), "%s", why);
	if (cJSON_IsNumber(skipped))
		snprintf(more, sizeof(more), cJSON_HasObjectItem(row, "lost") ? "%s (%s changes before it were not kept)"
									       : "%s (%s smaller changes before it were not kept)",
			 why, show_word(row, "skipped"));
	table_row(t, time, device[0] ? device : "site", what, who(row, by), more);
}

/* Without a clock: how long ago. */
static const char *since(const cJSON *row, char text[32])
{
	const cJSON *age_s = cJSON_GetObjectItemCaseSensitive(row, "since_s");
	double s = cJSON_IsNumber(age_s) ? age_s->valuedouble : 0;

	if (cJSON_HasObjectItem(row, "since") || !cJSON_IsNumber(age_s))
		return show_time(row, "since");
	snprintf(text, 32, "%.0f %s ago", s < 120 ? s : s < 7200 ? s / 60 : s / 3600, s < 120 ? "s" : s < 7200 ? "min" : "h");
	return text;
}

static void print_now(const cJSON *data)
{
	static const char *const HEADERS[] = { "since", "device", "what", "who", "why" };
	struct table *t = table_new(HEADERS, 5);
	char text[32];
	const cJSON *row;

	cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(data, "devices"))
		add_row(t, since(row, text), row);
	table_print(t);
}

/* The oldest first, as one reads. */
static void print_history(const cJSON *data)
{
	static const char *const HEADERS[] = { "time", "device", "what", "who", "why" };
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(data, "history");
	struct table *t = table_new(HEADERS, 5);

	for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
		const cJSON *row = cJSON_GetArrayItem(list, i);

		add_row(t, show_time(row, "at"), row);
	}
	table_print(t);
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(data, "truncated")))
		fputs("hearthctl: there is more before that; name a device or a time to see it\n", stderr);
	if (cJSON_HasObjectItem(data, "history_error"))
		fprintf(stderr, "hearthctl: the history cannot be read: %s\n", text_of(data, "history_error"));
}

static void print_doubts(const cJSON *data)
{
	const cJSON *d;

	cJSON_ArrayForEach(d, cJSON_GetObjectItemCaseSensitive(data, "doubts")) {
		const char *device = text_of(d, "device");

		printf("not believed: %s%s%s\n", device, device[0] ? ": " : "", text_of(d, "why"));
	}
}

int ctl_why(struct ctl *c)
{
	struct words w = { 0 };
	char since[CALENDAR_TEXT_MAX];
	int code;
	AUTO_JSON *data = NULL, *agent = NULL;
	cJSON *args;

	if (!take_words(c, &w))
		return CTL_USAGE;
	if ((code = ctl_open(c)) != CTL_DONE)
		return code;
	if (w.since)
		parse_since(c, w.since, &w.since_utc_ms); /* once more: now the site's time zone is known */
	args = cJSON_CreateObject();
	if (w.device)
		cJSON_AddStringToObject(args, "device", w.device);
	if (w.since_utc_ms) {
		calendar_format(w.since_utc_ms, since);
		cJSON_AddStringToObject(args, "since", since);
	}
	cJSON_AddNumberToObject(args, "limit", w.history ? HISTORY_ROWS : 0);
	data = ctl_request(c, "why", args, &code);
	if (!data)
		return code;
	if (c->json) {
		ctl_print_json(data);
		return CTL_DONE;
	}
	if (w.history) {
		print_history(data);
		return CTL_DONE;
	}
	agent = ctl_state(c, "agent", &code);
	if (agent && cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(agent, "clock_trusted")))
		puts("warning: " CTL_CLOCK_WAITS);
	print_doubts(data);
	print_now(data);
	return CTL_DONE;
}
