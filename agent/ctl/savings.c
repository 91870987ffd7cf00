/* hearthctl savings: what energy cost, what it would have cost without the battery, by day or by month. */
#include "ctl/ctl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_MAX 20
#define DAYS_MAX 100

/* A number of days, whole, nothing behind it. */
static bool parse_days(const char *text, long *days)
{
	char *end;

	*days = strtol(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && *days >= 1 && *days <= DAYS_MAX;
}

/* The request's arguments, the caller's; NULL after saying why. */
static cJSON *take_words(const struct ctl *c)
{
	static const struct ctl_option OPTIONS[] = { { .name = "--month" }, { .name = "--days" }, { .name = NULL } };
	cJSON *args = cJSON_CreateObject();
	const char *word = c->argc > 0 ? c->argv[0] : NULL, *value = c->argc > 1 ? c->argv[1] : NULL;
	long days;

	if (!word)
		return args;
	if (c->argc > 2) {
		ctl_usage(c);
	} else if (!strcmp(word, "--month")) {
		if (value)
			cJSON_AddStringToObject(args, "month", value);
		else
			cJSON_AddNumberToObject(args, "months", 13);
		return args;
	} else if (!strcmp(word, "--days") && value) {
		if (parse_days(value, &days)) {
			cJSON_AddNumberToObject(args, "days", (double)days);
			return args;
		}
		fprintf(stderr, "hearthctl: --days: '%s' is not understood, allowed: 1 to %d\n", value, DAYS_MAX);
	} else if (word[0] == '-' && strcmp(word, "--days") != 0) {
		ctl_unknown(c, OPTIONS, word);
	} else {
		ctl_usage(c);
	}
	cJSON_Delete(args);
	return NULL;
}

static double number(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* What was saved, as long as its share of the most; a loss is drawn hollow. */
static const char *bar(const cJSON *row, double most, char out[BAR_MAX * 3 + 1])
{
	const double saved = number(row, "saved");
	const long n = most > 0 && !isnan(saved) ? lround(fabs(saved) / most * BAR_MAX) : 0;

	out[0] = '\0';
	for (long i = 0; i < n && i < BAR_MAX; i++)
		strcat(out, saved < 0 ? "\u2591" : "\u2588");
	return out;
}

static void add_row(struct table *t, const cJSON *row, const char *name, const char *drawn)
{
	table_row(t, name, show(row, "bill", 2, ""), show(row, "without_battery", 2, ""), show(row, "saved", 2, ""),
		  show(row, "event_kwh", 2, ""), show(row, "measured_pct", 0, "%"), drawn);
}

static void print_savings(const cJSON *data)
{
	static const char *const HEADERS[] = { "", "bill", "without battery", "saved", "events kWh", "measured", "" };
	const cJSON *rows = cJSON_GetObjectItemCaseSensitive(data, "rows"), *row;
	const bool people = isatty(STDOUT_FILENO);
	struct table *t = table_new(HEADERS, 7);
	char drawn[BAR_MAX * 3 + 1];
	double most = 0;

	cJSON_ArrayForEach(row, rows)
		most = fmax(most, fabs(number(row, "saved"))); /* fmax passes NAN over */
	cJSON_ArrayForEach(row, rows)
		add_row(t, row, show_word(row, "period"), people ? bar(row, most, drawn) : "");
	add_row(t, cJSON_GetObjectItemCaseSensitive(data, "total"), "total", "");
	if (people)
		printf("in %s, standing charge included; measured: of how much of the time bill and saving are known\n",
		       show_word(data, "currency"));
	table_print(t);
}

int ctl_savings(struct ctl *c)
{
	cJSON *args = take_words(c);
	AUTO_JSON *data = NULL;
	int code;

	if (!args)
		return CTL_USAGE;
	data = ctl_request(c, "savings.get", args, &code);
	if (!data)
		return code;
	if (c->json)
		ctl_print_json(data);
	else
		print_savings(data);
	return CTL_DONE;
}
