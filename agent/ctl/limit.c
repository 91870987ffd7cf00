/* hearthctl limit: the grid operator's limit and the month's demand target. */
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

/* Nobody is heard for this side, and it has a failsafe limit. */
static bool side_failsafe(const cJSON *o, const char *w, const char *state)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "failsafe")) && cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(o, w)) &&
	       (!strcmp(show_word(o, state), "failsafe") || !strcmp(show_word(o, state), "init"));
}

/* The agent's word for a state, as a person would say it; "" where the limits say it themselves. */
static const char *state_words(const cJSON *o, const char *key)
{
	static const char *const WORDS[][2] = { { "init", "waiting for the source" }, { "unlimited_controlled", "" } };
	const char *state = show_word(o, key);

	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (!strcmp(state, WORDS[i][0]))
			return WORDS[i][1];
	return state;
}

static void print_state(const cJSON *o, const char *key, const char *before, const char *behind)
{
	const char *words = state_words(o, key);

	if (*words)
		printf("%s%s%s", before, words, behind);
}

static void print_limit(const cJSON *o)
{
	const cJSON *warning;
	const cJSON *age = cJSON_GetObjectItemCaseSensitive(o, "heartbeat_age_s");
	const bool import = side_failsafe(o, "import_w", "import_state"), export = side_failsafe(o, "export_w", "export_state");
	const bool apart = import != export;

	if (!apart)
		print_state(o, "state", "", ": ");
	print_side(o, "import", "import_w", "import_until");
	if (apart)
		print_state(o, "import_state", " (", ")");
	print_side(o, ", export", "export_w", "export_until");
	if (apart)
		print_state(o, "export_state", " (", ")");
	if (cJSON_HasObjectItem(o, "source"))
		printf("; last said by %s", show_word(o, "source"));
	if (cJSON_IsNumber(age) && age->valuedouble > 0)
		printf("; not heard for %.0f s", age->valuedouble);
	else if (!cJSON_IsNumber(age))
		fputs("; not heard since the agent started", stdout);
	putchar('\n');
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "failsafe")))
		printf("failsafe limits hold%s until the source states a limit again (none is one too)\n",
		       !apart ? "" : import ? " for import" : " for export");
	cJSON_ArrayForEach(warning, cJSON_GetObjectItemCaseSensitive(o, "warnings"))
		if (cJSON_IsString(warning))
			printf("warning: %s\n", warning->valuestring);
}

static void print_demand(const cJSON *o)
{
	if (!cJSON_IsObject(o))
		return;
	printf("demand: %s is kept (%s%s)", show(o, "target_w", 0, "W"),
	       cJSON_HasObjectItem(o, "peak_w") ? "the month's highest so far: " : "no peak of this month is known yet",
	       cJSON_HasObjectItem(o, "peak_w") ? show(o, "peak_w", 0, "W") : "");
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

/* "import at most 4200 W and export at most 0 W until 18:00 (Europe/Berlin)"; what is lifted has no end. */
static void say_limit(const struct ctl *c, const struct ctl_words *w, char *out, size_t size)
{
	static const char *const SIDES[][2] = { { "import", "import_w" }, { "export", "export_w" } };
	char text[QUANTITY_TEXT_MAX], lifted[64] = "";
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < 2; i++) {
		const cJSON *v = cJSON_GetObjectItemCaseSensitive(w->args, SIDES[i][1]);

		if (cJSON_IsNumber(v))
			n += (size_t)snprintf(out + n, size - n, "%s%s at most %s", n ? " and " : "", SIDES[i][0],
					      quantity_text(QUANTITY_POWER, v->valuedouble, text));
		else if (v)
			snprintf(lifted + strlen(lifted), sizeof(lifted) - strlen(lifted), "%s%s not limited", lifted[0] ? ", " : "", SIDES[i][0]);
	}
	if (n)
		n += (size_t)snprintf(out + n, size - n, " %s", ctl_words_end(c, w));
	snprintf(out + n, size - n, "%s%s", n && lifted[0] ? "; " : "", lifted);
}

static int set_limit(struct ctl *c)
{
	static const struct ctl_option OPTIONS[] = {
		{ "--import", "import_w", QUANTITY_POWER, false, true },
		{ "--export", "export_w", QUANTITY_POWER, false, true },
		{ "--for", "duration_s", QUANTITY_DURATION, false, false },
		{ "--until", "until", QUANTITY_DURATION, true, false },
		{ NULL, NULL, QUANTITY_POWER, false, false },
	};
	struct ctl_words w;
	const cJSON *import, *export, *seconds;
	const char *wrong = NULL;
	char done[240];
	int code = ctl_words_take(c, 1, OPTIONS, false, &w);

	if (code != CTL_DONE)
		return code;
	import = cJSON_GetObjectItemCaseSensitive(w.args, "import_w");
	export = cJSON_GetObjectItemCaseSensitive(w.args, "export_w");
	seconds = cJSON_GetObjectItemCaseSensitive(w.args, "duration_s");
	if (!import && !export)
		wrong = "say what is limited: --import 4200W or --export 0";
	else if (w.time && seconds)
		wrong = "say how long only once: either --for 2h or --until 18:00";
	else if ((w.time || seconds) && !cJSON_IsNumber(import) && !cJSON_IsNumber(export))
		wrong = "none has no end: --for and --until go with a power, as in --import 4200W --until 18:00";
	if (wrong) {
		fprintf(stderr, "hearthctl: %s\n", wrong);
		cJSON_Delete(w.args);
		return CTL_USAGE;
	}
	code = ctl_words_times(c, &w);
	if (code != CTL_DONE)
		return code;
	say_limit(c, &w, done, sizeof(done));
	return ctl_change(c, "limit.set", w.args, done);
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
		return ctl_usage_of(c, c->argv[strcmp(word, "heartbeat") == 0 || strcmp(word, "clear") == 0]);
	if (!strcmp(word, "heartbeat"))
		return ctl_change(c, "limit.set", NULL, "the source of limits was heard");
	if (strcmp(word, "clear") != 0)
		return ctl_usage_of(c, word);
	args = cJSON_CreateObject();
	cJSON_AddNullToObject(args, "import_w");
	cJSON_AddNullToObject(args, "export_w");
	return ctl_change(c, "limit.set", args, "import not limited, export not limited");
}
