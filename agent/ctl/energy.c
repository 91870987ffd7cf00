/* Verbs about the plan and the prices. */
#include "core/calendar.h"
#include "ctl/ctl.h"
#include "ctl/plan_solve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BLOCKS 8
#define COLUMNS 72

/* One character of eight heights for a value between lo and hi. */
static const char *bar(double v, double lo, double hi)
{
	static const char *const GLYPHS[BLOCKS + 1] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	int i = hi > lo ? (int)lround((v - lo) / (hi - lo) * BLOCKS) : 0;

	return GLYPHS[i < 0 ? 0 : i > BLOCKS ? BLOCKS : i];
}

/* Draws the mean of each of COLUMNS stretches of an array. */
static void draw(const char *name, const cJSON *array, const char *unit)
{
	double mean[COLUMNS] = { 0 }, lo = INFINITY, hi = -INFINITY;
	int count[COLUMNS] = { 0 }, n = cJSON_GetArraySize(array), i = 0;
	const cJSON *v;

	if (n == 0)
		return;
	cJSON_ArrayForEach(v, array) {
		int c = (int)((int64_t)i++ * COLUMNS / n);

		mean[c] += v->valuedouble;
		count[c]++;
	}
	for (int c = 0; c < COLUMNS; c++) {
		if (!count[c] && c > 0)
			mean[c] = mean[c - 1];
		else if (count[c])
			mean[c] /= count[c];
		lo = fmin(lo, mean[c]);
		hi = fmax(hi, mean[c]);
	}
	if (lo > 0)
		lo = 0;
	printf("%-9s", name);
	for (int c = 0; c < COLUMNS; c++)
		fputs(bar(mean[c], lo, hi), stdout);
	printf("  %.2f..%.2f %s\n", lo, hi, unit);
}

static const cJSON *first(const cJSON *plan, const char *list, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(plan, list), 0), key);
}

/* When the last slot ends. */
static void print_span(const cJSON *plan)
{
	const cJSON *slot = cJSON_GetObjectItemCaseSensitive(plan, "slot_s"), *v;
	const char *start = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(plan, "start"));
	int64_t utc_ms = 0;
	double hours = 0;
	char text[32];
	struct tm tm;
	time_t t;

	cJSON_ArrayForEach(v, slot)
		hours += v->valuedouble / 3600;
	if (!start || calendar_parse(start, &utc_ms) < 0)
		return;
	t = (time_t)(utc_ms / 1000);
	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%a %H:%M", &tm);
	printf("from %s, %.0f h\n", text, hours);
}

static int show_plan(struct ctl *c)
{
	int code;
	AUTO_JSON *plan = ctl_state(c, "plan", &code);
	const cJSON *prices;

	if (!plan)
		return code;
	if (c->json) {
		ctl_print_json(plan);
		return CTL_DONE;
	}
	if (!strcmp(show_word(plan, "status"), "none")) {
		printf("no plan: %s\n", show_word(plan, "reason"));
		return CTL_DONE;
	}
	printf("%s, cost %s, solved in %s; ", show_word(plan, "status"), show(plan, "cost", 2, ""), show(plan, "solve_ms", 1, "ms"));
	print_span(plan);
	prices = cJSON_GetObjectItemCaseSensitive(plan, "prices");
	draw("buy", cJSON_GetObjectItemCaseSensitive(prices, "import"), "/kWh");
	draw("sell", cJSON_GetObjectItemCaseSensitive(prices, "export"), "/kWh");
	draw("battery", first(plan, "batteries", "battery_kw"), "kW (discharging..charging)");
	draw("stored", first(plan, "batteries", "soc_kwh"), "kWh");
	draw("value", first(plan, "batteries", "value"), "/kWh stored");
	draw("car", first(plan, "evs", "ev_kw"), "kW");
	return CTL_DONE;
}

int ctl_plan(struct ctl *c)
{
	if (c->argc >= 1 && !strcmp(c->argv[0], "solve"))
		return ctl_plan_solve(c->argc - 1, c->argv + 1, c->json);
	if (c->argc == 1 && !strcmp(c->argv[0], "refresh"))
		return ctl_change(c, "plan.refresh", NULL, "planning again");
	return c->argc == 0 ? show_plan(c) : ctl_usage(c);
}

static void print_direction(struct table *t, const char *name, const cJSON *tariff)
{
	const cJSON *s;
	int64_t now = (int64_t)time(NULL) * 1000, to;
	int shown = 0;

	cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(tariff, "prices")) {
		const char *end = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s, "to"));

		if (!end || calendar_parse(end, &to) < 0 || to <= now || shown++ >= 12)
			continue;
		table_row(t, name, show_day(s, "from"), show_day(s, "to"), show(s, "value", 4, ""), show_word(tariff, "currency"),
			  show_word(tariff, "source"));
	}
	if (!shown)
		table_row(t, name, "-", "-", "unknown", show_word(tariff, "currency"), show_word(tariff, "source"));
}

int ctl_tariff(struct ctl *c)
{
	static const char *const HEADERS[] = { "direction", "from", "to", "per kWh", "currency", "source" };
	int code;
	AUTO_JSON *tariff = NULL;
	struct table *t;

	if (c->argc != 0)
		return ctl_usage(c);
	tariff = ctl_state(c, "tariff", &code);
	if (!tariff)
		return code;
	if (c->json) {
		ctl_print_json(tariff);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 6);
	print_direction(t, "import", cJSON_GetObjectItemCaseSensitive(tariff, "import"));
	print_direction(t, "export", cJSON_GetObjectItemCaseSensitive(tariff, "export"));
	table_print(t);
	return CTL_DONE;
}
