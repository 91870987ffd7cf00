/* Savings as R/savings, savings.get and hearthctl tell them: sums of local days over periods. */
#include "flow/history/savings_internal.h"

#include "core/calendar.h"
#include "core/when.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000LL
#define DAYS_UNLESS_SAID 7
#define NAME_MAX_LEN 16

/* Local days or a month: [from, to) by date, and as instants. */
struct period {
	char name[NAME_MAX_LEN];         /* "2026-01-15", "2026-01" */
	int32_t from_date, to_date;
	int64_t from_utc_ms, to_utc_ms;
};

/* Start of a local date; @month and @day may lie beyond the year's and the month's end by one. */
static int64_t date_start(const struct zone *z, int year, int month, int day)
{
	struct when w = { .kind = WHEN_LOCAL };
	char text[CALENDAR_TEXT_MAX];

	year += month > 12 ? 1 : month < 1 ? -1 : 0;
	month = month > 12 ? month - 12 : month < 1 ? month + 12 : month;
	snprintf(text, sizeof(text), "%04u-%02u-%02uT00:00:00Z", (unsigned)year % 10000, (unsigned)month % 100, (unsigned)day % 100);
	if (calendar_parse(text, &w.ms) < 0)
		return 0;
	return when_utc_ms(&w, z, 0);
}

/* A day and a half behind a local day's start is within the next one, however long it was. */
static int64_t next_day(const struct zone *z, int64_t start_utc_ms)
{
	return calendar_day_start(z, start_utc_ms + DAY_MS + DAY_MS / 2);
}

static int64_t previous_day(const struct zone *z, int64_t start_utc_ms)
{
	return calendar_day_start(z, start_utc_ms - DAY_MS / 2);
}

static void period_of_day(const struct zone *z, int64_t start_utc_ms, struct period *p)
{
	struct civil c;

	calendar_local(z, start_utc_ms, &c);
	*p = (struct period){ .from_date = savings_date(z, start_utc_ms), .from_utc_ms = start_utc_ms, .to_utc_ms = next_day(z, start_utc_ms) };
	p->to_date = savings_date(z, p->to_utc_ms);
	snprintf(p->name, sizeof(p->name), "%04u-%02u-%02u", (unsigned)c.year % 10000, (unsigned)c.month % 100, (unsigned)c.day % 100);
}

/* @month 0 is December of the year before, and so on. */
static void period_of_month(const struct zone *z, int year, int month, struct period *p)
{
	while (month < 1) {
		month += 12;
		year--;
	}
	*p = (struct period){ .from_date = (year * 100 + month) * 100 + 1, .from_utc_ms = date_start(z, year, month, 1),
			      .to_utc_ms = date_start(z, year, month + 1, 1) };
	p->to_date = p->from_date + 99; /* behind every day of it */
	snprintf(p->name, sizeof(p->name), "%04u-%02u", (unsigned)year % 10000, (unsigned)month % 100);
}

/* Days in the currency that counts now; those in another are not measured in it. */
static bool counts(const struct savings *v, const struct savings_day *d)
{
	return !v->currency[0] || !d->currency[0] || !strcmp(v->currency, d->currency);
}

static const char *currency_of(const struct savings *v)
{
	return v->currency[0] ? v->currency : v->o.config->tariff.currency;
}

/* A period as JSON. Before anything of it was measured it has no money, only its name and a share of 0. */
static cJSON *encode_period(const struct savings *v, const struct period *p, int64_t utc_ms)
{
	const int64_t to_ms = utc_ms < p->to_utc_ms ? utc_ms : p->to_utc_ms;
	double elapsed_s = (double)(to_ms - p->from_utc_ms) / 1000, standing = 0, event_wh = 0;
	cJSON *o = cJSON_CreateObject();
	struct bill sums = { 0 };

	for (int i = 0; i < v->n; i++) {
		const struct savings_day *d = &v->day[i];

		if (d->date < p->from_date || d->date >= p->to_date)
			continue;
		event_wh += d->event_wh;
		if (!counts(v, d))
			continue;
		bill_sum(&sums, &d->sums);
		standing += d->standing;
	}
	cJSON_AddStringToObject(o, "period", p->name);
	if (sums.measured_s > 0) {
		json_add_number(o, "bill", sums.paid + standing, 4);
		json_add_number(o, "without_battery", sums.bare + standing, 4);
		json_add_number(o, "saved", sums.bare - sums.paid + bill_stored_value(&sums), 4);
		json_add_number(o, "stored_kwh", sums.stored_wh / 1000, 3);
		json_add_number(o, "stored_value", bill_stored_value(&sums), 4);
		json_add_number(o, "standing", standing, 4);
		json_add_number(o, "import_kwh", sums.import_wh / 1000, 3);
		json_add_number(o, "export_kwh", sums.export_wh / 1000, 3);
		json_add_number(o, "unpriced_kwh", sums.unpriced_wh / 1000, 3);
		json_add_number(o, "curtailed_min", sums.curtailed_s / 60, 0);
	}
	json_add_number(o, "event_kwh", event_wh / 1000, 3);
	json_add_number(o, "measured_pct", elapsed_s > 0 ? fmin(100 * sums.measured_s / elapsed_s, 100) : 0, 1);
	return o;
}

/* The interval that runs is no gap: for as long as one takes, things stand as at the end of the last. */
static int64_t as_of(const struct savings *v, int64_t utc_ms)
{
	const int64_t since_ms = utc_ms - v->end_utc_ms;

	return v->end_utc_ms && since_ms > 0 && since_ms <= SAVINGS_PUBLISH_MS + 1000 ? v->end_utc_ms : utc_ms;
}

cJSON *savings_encode(const struct savings *v, int64_t utc_ms)
{
	static const char *const COPIED[] = { "saved", "event_kwh", "measured_pct" };
	const struct zone *z = v->o.zone;
	const int64_t at = as_of(v, utc_ms);
	cJSON *o = cJSON_CreateObject(), *month;
	struct period p;
	struct civil c;

	cJSON_AddStringToObject(o, "currency", currency_of(v));
	calendar_local(z, at - 1, &c); /* midnight ends a day */
	period_of_day(z, calendar_day_start(z, at - 1), &p);
	cJSON_AddItemToObject(o, "today", encode_period(v, &p, at));
	period_of_month(z, c.year, c.month, &p);
	month = encode_period(v, &p, at);
	cJSON_AddItemToObject(o, "month", month);
	period_of_month(z, c.year, c.month - 1, &p);
	cJSON_AddItemToObject(o, "last_month", encode_period(v, &p, at));
	for (size_t i = 0; i < sizeof(COPIED) / sizeof(COPIED[0]); i++) { /* of this month */
		const cJSON *n = cJSON_GetObjectItemCaseSensitive(month, COPIED[i]);

		if (cJSON_IsNumber(n))
			json_add_number(o, COPIED[i], n->valuedouble, 4);
	}
	return o;
}

static int get_month(const cJSON *args, struct savings_query *q, struct errbuf *err)
{
	char text[16] = "", whole[CALENDAR_TEXT_MAX];
	int64_t utc_ms;
	struct civil c;
	int r = json_get_text(args, "month", text, sizeof(text), err);

	if (r <= 0)
		return r;
	snprintf(whole, sizeof(whole), "%s-01T00:00:00Z", text);
	if (strlen(text) != 7 || calendar_parse(whole, &utc_ms) < 0 || utc_ms < 0)
		return errbuf_set(err, -EINVAL, "month: '%s' is not a month such as 2026-01", text);
	calendar_local(&(struct zone){ .n = 0 }, utc_ms, &c);
	q->year = c.year;
	q->month = c.month;
	return 1;
}

int savings_query_decode(const cJSON *args, struct savings_query *out, struct errbuf *err)
{
	struct savings_query q = { 0 };
	int64_t days = 0, months = 0;
	int of_days, of_months, of_month;

	if ((of_days = json_get_int(args, "days", 1, SAVINGS_DAYS_ASKED, &days, err)) < 0)
		return of_days;
	if ((of_months = json_get_int(args, "months", 1, SAVINGS_MONTHS_ASKED, &months, err)) < 0)
		return of_months;
	if ((of_month = get_month(args, &q, err)) < 0)
		return of_month;
	if (of_days + of_months + of_month > 1)
		return errbuf_set(err, -EINVAL, "days, months and month: only one of them");
	q.days = of_days + of_months + of_month == 0 ? DAYS_UNLESS_SAID : (int)days;
	q.months = (int)months;
	*out = q;
	return 0;
}

/* The days of [@from, @to) that have begun. */
static void add_days(const struct savings *v, cJSON *rows, int64_t from_utc_ms, int64_t to_utc_ms, int64_t utc_ms)
{
	struct period p;

	for (int64_t at = from_utc_ms; at < to_utc_ms && at <= utc_ms; at = p.to_utc_ms) {
		period_of_day(v->o.zone, at, &p);
		cJSON_AddItemToArray(rows, encode_period(v, &p, utc_ms));
	}
}

cJSON *savings_answer(const struct savings *v, const struct savings_query *q, int64_t utc_ms)
{
	const struct zone *z = v->o.zone;
	const int64_t today = calendar_day_start(z, utc_ms);
	cJSON *o = cJSON_CreateObject(), *rows;
	struct period all, p;
	struct civil c;

	if (as_of(v, utc_ms) > today)
		utc_ms = as_of(v, utc_ms);
	calendar_local(z, utc_ms, &c);
	cJSON_AddStringToObject(o, "currency", currency_of(v));
	cJSON_AddStringToObject(o, "step", q->months ? "month" : "day");
	rows = cJSON_AddArrayToObject(o, "rows");
	if (q->months) {
		period_of_month(z, c.year, c.month - q->months + 1, &all);
		period_of_month(z, c.year, c.month, &p);
		all.to_date = p.to_date;
		all.to_utc_ms = p.to_utc_ms;
		for (int i = q->months - 1; i >= 0; i--) {
			period_of_month(z, c.year, c.month - i, &p);
			cJSON_AddItemToArray(rows, encode_period(v, &p, utc_ms));
		}
	} else if (q->month) {
		period_of_month(z, q->year, q->month, &all);
		add_days(v, rows, all.from_utc_ms, all.to_utc_ms, utc_ms);
	} else {
		period_of_day(z, today, &all);
		for (int i = 1; i < q->days; i++)
			all.from_utc_ms = previous_day(z, all.from_utc_ms);
		all.from_date = savings_date(z, all.from_utc_ms);
		add_days(v, rows, all.from_utc_ms, all.to_utc_ms, utc_ms);
	}
	snprintf(all.name, sizeof(all.name), "total");
	cJSON_AddItemToObject(o, "total", encode_period(v, &all, utc_ms));
	return o;
}
