/* Verbs about the plan and the prices. */
#include "core/calendar.h"
#include "ctl/ctl.h"
#include "ctl/plan_draw.h"
#include "ctl/plan_solve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PERIODS 12 /* that are shown of each direction's prices */

/* What each device does from when to when and why. The sentence says the numbers, programs get them in columns of their own. */
static void print_blocks(const cJSON *plan, bool people)
{
	static const char *const SHORT[] = { "from", "to", "device", "why" };
	static const char *const LONG[] = { "from", "to", "device", "action", "kWh", "price", "gain", "why" };
	struct table *t = people ? table_new(SHORT, 4) : table_new(LONG, 8);
	const cJSON *k;

	cJSON_ArrayForEach(k, cJSON_GetObjectItemCaseSensitive(plan, "blocks")) {
		const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(k, "why"));

		if (people)
			table_row(t, show_day(k, "from"), show_day(k, "to"), show_word(k, "device"), why);
		else
			table_row(t, show_word(k, "from"), show_word(k, "to"), show_word(k, "device"), show_word(k, "action"),
				  show(k, "kwh", 3, ""), show(k, "price", 4, ""), show(k, "gain", 4, ""), why);
	}
	table_print(t);
}

/* Hours from the first slot to the end of the last. */
static double span_hours(const cJSON *plan)
{
	const cJSON *v;
	double hours = 0;

	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(plan, "slot_s"))
		hours += v->valuedouble / 3600;
	return hours;
}

/* "optimal; costs 2.68 GBP in the 48 h from Sun 22:35 on, ...; solved in 1.2 ms", then the picture. */
static void draw_plan(const struct ctl *c, const cJSON *plan, const char *currency)
{
	const struct plan_draw_options o = { terminal_width(), terminal_has_color(), &c->zone, currency };
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(plan, "reason");
	char head[200];
	char *text = NULL;
	size_t size;
	FILE *f;

	snprintf(head, sizeof(head), "%s; costs %s%s%s in the %.0f h from %s on, wear counted as cost and what stays in the battery as income; solved in %s",
		 show_word(plan, "status"), show(plan, "cost", 2, ""), currency ? " " : "", currency ? currency : "", span_hours(plan), show_day(plan, "start"), show(plan, "solve_ms", 1, "ms"));
	terminal_wrap(0, head);
	if (cJSON_IsString(reason))
		terminal_wrap(0, reason->valuestring);
	f = open_memstream(&text, &size);
	if (!f)
		return;
	plan_draw(f, plan, &o);
	fclose(f);
	terminal_put(text);
	free(text);
}

static int show_plan(struct ctl *c)
{
	int code;
	AUTO_JSON *both = ctl_states(c, "plan", "tariff", &code);
	const cJSON *plan = cJSON_GetObjectItemCaseSensitive(both, "plan");
	const cJSON *import = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(both, "tariff"), "import");
	const char *currency = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(import, "currency"));
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(plan, "reason");

	if (!both)
		return code;
	if (!plan) {
		fprintf(stderr, "hearthctl: the agent says nothing about 'plan'\n");
		return CTL_FAILED;
	}
	if (c->json) {
		ctl_print_json(plan);
		return CTL_DONE;
	}
	if (!strcmp(show_word(plan, "status"), "none")) {
		printf("no plan: %s\n", cJSON_IsString(reason) ? reason->valuestring : "-");
		return CTL_DONE;
	}
	if (!terminal_is()) {
		print_blocks(plan, false);
		return CTL_DONE;
	}
	draw_plan(c, plan, currency && *currency ? currency : NULL);
	printf("\n");
	print_blocks(plan, true);
	return CTL_DONE;
}

int ctl_plan(struct ctl *c)
{
	if (c->argc >= 1 && !strcmp(c->argv[0], "solve"))
		return ctl_plan_solve(c->argc - 1, c->argv + 1, c->json);
	if (c->argc == 1 && !strcmp(c->argv[0], "refresh"))
		return ctl_change(c, "plan.refresh", NULL, "planning again");
	return c->argc == 0 ? show_plan(c) : ctl_usage_of(c, c->argv[!strcmp(c->argv[0], "refresh")]);
}

/* Who said the price of a period; a period may know it better than the series. */
static const char *source_of(const cJSON *period, const cJSON *series)
{
	return show_word(cJSON_HasObjectItem(period, "source") ? period : series, "source");
}

/* "80 %" of what is expected rather than known, else "". */
static const char *sureness(const cJSON *period, char out[8])
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(period, "confidence");

	out[0] = '\0';
	if (cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble < 1)
		snprintf(out, 8, "%d %%", (int)lround(v->valuedouble * 100));
	return out;
}

static bool print_direction(struct table *t, const char *name, const cJSON *tariff)
{
	const cJSON *s;
	int64_t now = (int64_t)time(NULL) * 1000, to;
	char sure[8];
	int shown = 0;

	cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(tariff, "prices")) {
		const char *end = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s, "to"));

		if (!end || calendar_parse(end, &to) < 0 || to <= now || shown++ >= PERIODS)
			continue;
		table_row(t, name, show_day(s, "from"), show_day(s, "to"), show(s, "value", 4, ""), show_word(tariff, "currency"),
			  source_of(s, tariff), sureness(s, sure));
	}
	if (!shown)
		table_row(t, name, "-", "-", "unknown", show_word(tariff, "currency"), show_word(tariff, "source"), "");
	return shown > 0;
}

/* Where prices are fetched from and how it goes; older agents say it among their warnings only. */
static void print_flatpeak(const cJSON *flatpeak, const cJSON *agent)
{
	const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(flatpeak, "reason"));
	const cJSON *w;

	if (!cJSON_IsObject(flatpeak)) {
		cJSON_ArrayForEach(w, cJSON_GetObjectItemCaseSensitive(agent, "warnings"))
			if (cJSON_IsString(w) && strcasestr(w->valuestring, "flatpeak"))
				printf("warning: %s\n", w->valuestring);
		return;
	}
	if (!strcmp(show_word(flatpeak, "state"), "off"))
		return;
	printf("FlatPeak: %s", show_word(flatpeak, "state"));
	if (cJSON_HasObjectItem(flatpeak, "fetched_at"))
		printf(", fetched %s", show_time(flatpeak, "fetched_at"));
	if (cJSON_HasObjectItem(flatpeak, "next_at"))
		printf(", next %s", show_time(flatpeak, "next_at"));
	printf("%s%s\n", reason && *reason ? ": " : "", reason ? reason : "");
}

static bool flatpeak_is_set(const cJSON *flatpeak)
{
	const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(flatpeak, "state"));

	return state && strcmp(state, "off") != 0;
}

static int show_tariff(struct ctl *c)
{
	static const char *const HEADERS[] = { "direction", "from", "to", "per kWh", "currency", "source", "sure" };
	int code;
	AUTO_JSON *both = ctl_states(c, "tariff", "agent", &code);
	const cJSON *tariff = cJSON_GetObjectItemCaseSensitive(both, "tariff");
	struct table *t;
	bool known;

	if (!both)
		return code;
	if (c->json) {
		ctl_print_json(tariff);
		return CTL_DONE;
	}
	print_flatpeak(cJSON_GetObjectItemCaseSensitive(tariff, "flatpeak"), cJSON_GetObjectItemCaseSensitive(both, "agent"));
	t = table_new(HEADERS, 7);
	known = print_direction(t, "import", cJSON_GetObjectItemCaseSensitive(tariff, "import"));
	print_direction(t, "export", cJSON_GetObjectItemCaseSensitive(tariff, "export"));
	table_print(t);
	if (!known)
		fprintf(stderr, "hearthctl: no import price is known, so there is no plan: %s\n",
			flatpeak_is_set(cJSON_GetObjectItemCaseSensitive(tariff, "flatpeak"))
				? "FlatPeak has given none yet; [tariff] import in hearth.conf would count meanwhile"
				: "set [tariff] import or [flatpeak] in hearth.conf");
	return CTL_DONE;
}

int ctl_tariff(struct ctl *c)
{
	if (c->argc == 1 && !strcmp(c->argv[0], "refresh"))
		return ctl_change(c, "tariff.refresh", NULL, "asking for prices again");
	return c->argc == 0 ? show_tariff(c) : ctl_usage_of(c, c->argv[!strcmp(c->argv[0], "refresh")]);
}
