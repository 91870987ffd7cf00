/* hearthctl savings: what energy cost, what it would have cost without the battery, by day or by month. */
#include "ctl/ctl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BAR_MAX 10
#define DAYS_MAX 100

/* A number of days, whole, nothing behind it. */
static bool parse_days(const char *text, long *days)
{
	char *end;

	*days = strtol(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && *days >= 1 && *days <= DAYS_MAX;
}

/* "2026-01": four digits, a dash, 01 to 12. */
static bool is_month(const char *text)
{
	return strlen(text) == 7 && strspn(text, "0123456789") == 4 && text[4] == '-' && strspn(text + 5, "0123456789") == 2 && atoi(text + 5) >= 1 &&
	       atoi(text + 5) <= 12;
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
		ctl_usage_of(c, c->argv[2]);
	} else if (!strcmp(word, "--month") && value && !is_month(value)) {
		fprintf(stderr, "hearthctl: --month: '%s' is not a month, allowed: YYYY-MM as in 2026-01, or nothing for the last 13 months\n", value);
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
	} else if (value || word[0] != '-') {
		ctl_usage_of(c, word);
	} else { /* --days without its number */
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

/* What was saved, as long as its share of the most; a loss is drawn hollow. Where nothing was measured there is nothing to draw. */
static const char *bar(const cJSON *row, double most, char out[BAR_MAX * 3 + 1])
{
	const double saved = number(row, "saved");
	const long n = most >= 0.005 && !isnan(saved) ? lround(fabs(saved) / most * BAR_MAX) : 0;

	out[0] = '\0';
	for (long i = 0; i < n && i < BAR_MAX; i++)
		strcat(out, saved < 0 ? "\u2591" : "\u2588");
	return out;
}

/* Less than half a cent lost is nothing lost: no "-0.00". */
static const char *show_money(const cJSON *row, const char *key)
{
	return fabs(number(row, key)) < 0.005 ? "0.00" : show(row, key, 2, "");
}

static void add_row(struct table *t, const cJSON *row, const char *name, const char *drawn)
{
	const bool measured = !isnan(number(row, "bill")); /* five minutes of a month are 0.0 % of it */

	table_row(t, name, show(row, "bill", 2, ""), show(row, "without_battery", 2, ""), show_money(row, "stored_value"), show_money(row, "saved"),
		  measured ? show(row, "event_kwh", 2, "") : "-", show(row, "measured_pct", 0, "%"), drawn);
}

static void say_meaning(const cJSON *data)
{
	const double unpriced = number(cJSON_GetObjectItemCaseSensitive(data, "total"), "unpriced_kwh");
	const char *currency = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "currency"));
	char text[400];
	size_t n = currency && *currency ? (size_t)snprintf(text, sizeof(text), "In %s, standing charge included.", currency)
					 : (size_t)snprintf(text, sizeof(text), "Standing charge included.");

	n += (size_t)snprintf(text + n, sizeof(text) - n, " Stored: what the batteries hold more at the end than at the beginning is worth;"
			      " saved = without battery - bill + stored.");
	if (unpriced >= 0.005)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " For %.2f kWh of exports no price was known: they count as paid nothing.", unpriced);
	snprintf(text + n, sizeof(text) - n, " Measured: of how much of the time bill and saving are known. Bars: what was saved, hollow what was lost.");
	terminal_wrap(0, text);
}

/* Of a month that was asked for, unless it is this one: waiting for five minutes would not help. */
static void say_nothing(const struct ctl *c, const char *month)
{
	const time_t now = (time_t)(ctl_now_ms(c) / 1000);
	char this[8] = "", text[64];
	struct tm tm;

	if (localtime_r(&now, &tm)) /* TZ is the site's */
		strftime(this, sizeof(this), "%Y-%m", &tm);
	snprintf(text, sizeof(text), "Nothing was measured in %s.", month);
	terminal_wrap(0, *month && strcmp(month, this) != 0 ? text : "Nothing has been measured yet: it takes five minutes of meter, battery and price.");
}

static void print_savings(const struct ctl *c, const cJSON *data, const char *month)
{
	const cJSON *rows = cJSON_GetObjectItemCaseSensitive(data, "rows"), *row;
	const char *period = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(rows, 0), "period"));
	const char *const headers[] = { period && strlen(period) == 7 ? "month" : "day", "bill", "without battery", "stored", "saved", "events kWh",
					  "measured", "" };
	const bool people = terminal_is();
	struct table *t = table_new(headers, 8);
	char drawn[BAR_MAX * 3 + 1];
	bool measured = false;
	double most = 0;

	cJSON_ArrayForEach(row, rows) { /* fmax passes NAN over */
		most = fmax(most, fabs(number(row, "saved")));
		measured |= !isnan(number(row, "bill"));
	}
	cJSON_ArrayForEach(row, rows)
		add_row(t, row, show_word(row, "period"), people ? bar(row, most, drawn) : "");
	add_row(t, cJSON_GetObjectItemCaseSensitive(data, "total"), "total", "");
	if (people)
		say_meaning(data);
	table_print(t);
	if (people && !measured)
		say_nothing(c, month);
}

int ctl_savings(struct ctl *c)
{
	cJSON *args = take_words(c);
	AUTO_JSON *data = NULL;
	char month[8] = "";
	int code;

	if (!args)
		return CTL_USAGE;
	if (cJSON_HasObjectItem(args, "month"))
		snprintf(month, sizeof(month), "%s", show_word(args, "month"));
	data = ctl_request(c, "savings.get", args, &code);
	if (!data)
		return code;
	if (c->json)
		ctl_print_json(data);
	else
		print_savings(c, data, month);
	return CTL_DONE;
}
