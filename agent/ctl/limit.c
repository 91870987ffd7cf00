/* hearthctl limit: the grid operator's limit and the month's demand target. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static void print_side(const cJSON *o, const char *name, const char *w, const char *until)
{
	const cJSON *limit = cJSON_GetObjectItemCaseSensitive(o, w);
	const bool ends = cJSON_HasObjectItem(o, until);

	if (cJSON_IsNumber(limit))
		printf("%s at most %.0f W%s%s", name, limit->valuedouble, ends ? " until " : "", ends ? show_day(o, until) : "");
	else
		printf("%s not limited", name);
}

static void print_limit(const cJSON *o)
{
	const cJSON *age = cJSON_GetObjectItemCaseSensitive(o, "heartbeat_age_s");

	printf("%s: ", show_word(o, "state"));
	print_side(o, "import", "import_w", "import_until");
	print_side(o, ", export", "export_w", "export_until");
	if (cJSON_HasObjectItem(o, "source"))
		printf("; last said by %s", show_word(o, "source"));
	if (cJSON_IsNumber(age) && age->valuedouble > 0)
		printf("; not heard for %.0f s", age->valuedouble);
	else if (!cJSON_IsNumber(age))
		fputs("; not heard since the agent started", stdout);
	putchar('\n');
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "failsafe")))
		puts("failsafe limits hold until the source states a limit again (none is one too)");
}

static void print_demand(const cJSON *o)
{
	if (!cJSON_IsObject(o))
		return;
	printf("demand: %s is kept (%s the month so far)", show(o, "target_w", 0, "W"), show(o, "peak_w", 0, "W"));
	if (cJSON_HasObjectItem(o, "until"))
		printf("; %s in these %s minutes, %s for the rest, until %s", show(o, "interval_w", 0, "W"), show_word(o, "interval_min"),
		       show(o, "allowed_w", 0, "W"), show_time(o, "until"));
	putchar('\n');
}

static int show_limit(struct ctl *c)
{
	int code;
	AUTO_JSON *both = ctl_states(c, "limit", "demand", &code);
	cJSON *limit;

	if (!both)
		return code;
	limit = cJSON_GetObjectItemCaseSensitive(both, "limit");
	if (c->json) {
		cJSON_AddItemToObject(limit, "demand", cJSON_DetachItemFromObjectCaseSensitive(both, "demand"));
		ctl_print_json(limit);
		return CTL_DONE;
	}
	print_limit(limit);
	print_demand(cJSON_GetObjectItemCaseSensitive(both, "demand"));
	return CTL_DONE;
}

/* One "--name value" pair. 0, or -1 (said). */
static int take_pair(cJSON *args, const char *name, const char *value)
{
	const char *key = !strcmp(name, "--import") ? "import_w" : !strcmp(name, "--export") ? "export_w" : NULL;
	char text[CALENDAR_TEXT_MAX];
	int64_t seconds, utc_ms;
	double w;

	if (key && !strcmp(value, "none") && !cJSON_HasObjectItem(args, key)) {
		cJSON_AddNullToObject(args, key);
	} else if (key && (w = ctl_parse_quantity(value, "W")) >= 0 && !cJSON_HasObjectItem(args, key)) {
		cJSON_AddNumberToObject(args, key, w);
	} else if (!strcmp(name, "--for") && calendar_parse_duration(value, &seconds) == 0 && !cJSON_HasObjectItem(args, "duration_s")) {
		cJSON_AddNumberToObject(args, "duration_s", (double)seconds);
	} else if (!strcmp(name, "--until") && ctl_parse_until(value, &utc_ms) == 0 && !cJSON_HasObjectItem(args, "until")) {
		calendar_format(utc_ms, text);
		cJSON_AddStringToObject(args, "until", text);
	} else {
		fprintf(stderr, "hearthctl: '%s %s' is not understood (examples: --import 4200 --export 0 --import none --for 2h --until 18:00)\n",
			name, value);
		return -1;
	}
	return 0;
}

static int set_limit(struct ctl *c)
{
	cJSON *args = cJSON_CreateObject();
	const char *wrong = NULL;

	for (int i = 1; i < c->argc; i += 2) {
		if (i + 1 < c->argc && take_pair(args, c->argv[i], c->argv[i + 1]) == 0)
			continue;
		if (i + 1 >= c->argc)
			fprintf(stderr, "hearthctl: '%s' needs a value\n", c->argv[i]);
		cJSON_Delete(args);
		return CTL_USAGE;
	}
	if (!cJSON_HasObjectItem(args, "import_w") && !cJSON_HasObjectItem(args, "export_w"))
		wrong = "say what is limited: --import 4200 or --export 0";
	else if (cJSON_HasObjectItem(args, "until") && cJSON_HasObjectItem(args, "duration_s"))
		wrong = "say how long only once: either --for 2h or --until 18:00";
	if (wrong) {
		fprintf(stderr, "hearthctl: %s\n", wrong);
		cJSON_Delete(args);
		return CTL_USAGE;
	}
	return ctl_change(c, "limit.set", args, "the limit is in force");
}

int ctl_limit(struct ctl *c)
{
	const char *word = c->argc ? c->argv[0] : "";
	cJSON *args;

	if (c->argc == 0)
		return show_limit(c);
	if (!strcmp(word, "set"))
		return set_limit(c);
	if (c->argc > 1)
		return ctl_usage(c);
	if (!strcmp(word, "heartbeat"))
		return ctl_change(c, "limit.set", NULL, "the source of limits was heard");
	if (strcmp(word, "clear") != 0)
		return ctl_usage(c);
	args = cJSON_CreateObject();
	cJSON_AddNullToObject(args, "import_w");
	cJSON_AddNullToObject(args, "export_w");
	return ctl_change(c, "limit.set", args, "there is no limit");
}
