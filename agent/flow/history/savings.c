/* See savings.h. Days live in memory, all of them: 13 months are 60 KiB. The running day is written with each interval (unsynced):
 * a killed agent loses five minutes, told as not measured. */
#include "flow/history/savings_internal.h"

#include "core/calendar.h"
#include "io/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BEGIN "+savings/"
#define BODY_MAX 320
#define GAP_MS 15000           /* between two ticks: longer, and nobody looked */
#define JOIN_MS 1000           /* an interval's end is told in whole seconds */
#define NUMBERS 13

int savings_start(struct savings **out, const struct savings_options *options, struct errbuf *err)
{
	struct savings *v = calloc(1, sizeof(*v));

	if (!v)
		return errbuf_set(err, -ENOMEM, "no memory");
	v->o = *options;
	v->changed = true;
	*out = v;
	return 0;
}

static void release(struct savings *v)
{
	if (v->stopped && v->callbacks == 0)
		free(v);
}

int32_t savings_date(const struct zone *z, int64_t utc_ms)
{
	struct civil c;

	calendar_local(z, utc_ms, &c);
	return (c.year * 100 + c.month) * 100 + c.day;
}

/* The place of a date, or where it belongs. */
static int place(const struct savings *v, int32_t date)
{
	int i = v->n;

	while (i > 0 && v->day[i - 1].date >= date)
		i--;
	return i;
}

/* A day's row, new if need be; NULL: older than all that fit. */
static struct savings_day *day_open(struct savings *v, int32_t date)
{
	int i = place(v, date);

	if (i < v->n && v->day[i].date == date)
		return &v->day[i];
	if (v->n == SAVINGS_DAYS) {
		if (i == 0)
			return NULL;
		memmove(&v->day[0], &v->day[1], sizeof(v->day[0]) * (size_t)--v->n);
		i--;
	}
	memmove(&v->day[i + 1], &v->day[i], sizeof(v->day[0]) * (size_t)(v->n - i));
	v->n++;
	v->day[i] = (struct savings_day){ .date = date };
	return &v->day[i];
}

/* "s2 EUR" and numbers; the s keeps it apart from the daily sums of devices. */
static int pack(const struct savings_day *d, char *out, size_t size)
{
	return snprintf(out, size, "s2 %s %.3f %.3f %.3f %.3f %.6f %.6f %.6f %.3f %lld %lld %.3f %.3f %.3f", d->currency[0] ? d->currency : "-",
			d->sums.measured_s, d->sums.curtailed_s, d->sums.import_wh, d->sums.export_wh, d->sums.paid, d->sums.bare,
			d->standing, d->event_wh, (long long)d->start_utc_ms, (long long)d->billed_utc_ms, d->sums.stored_wh, d->sums.price_s,
			d->sums.unpriced_wh);
}

/* Exactly the numbers there are, all finite. */
static bool numbers(const char *text, double out[NUMBERS])
{
	char *end;

	for (int i = 0; i < NUMBERS; i++) {
		if (*text++ != ' ')
			return false;
		out[i] = strtod(text, &end);
		if (end == text || !isfinite(out[i]) || fabs(out[i]) > 1e15)
			return false;
		text = end;
	}
	return !*text;
}

static bool unpack(const char *body, struct savings_day *d)
{
	const size_t word = strncmp(body, "s2 ", 3) == 0 ? strcspn(body + 3, " ") : 0;
	double n[NUMBERS];

	if (word < 1 || word > 3 || !numbers(body + 3 + word, n))
		return false;
	for (int i = 0; i < NUMBERS; i++)
		if (n[i] < 0 && i != 4 && i != 5 && i != 10 && i != 11) /* money may be earned, energy taken out, prices negative */
			return false;
	if (body[3] != '-')
		memcpy(d->currency, body + 3, word);
	d->sums = (struct bill){ n[0], n[1], n[2], n[3], n[4], n[5], n[10], n[11], n[12] };
	d->standing = n[6];
	d->event_wh = n[7];
	d->start_utc_ms = (int64_t)n[8];
	d->billed_utc_ms = (int64_t)n[9];
	return true;
}

static int32_t date_parse(const char *text)
{
	struct civil c;
	char whole[CALENDAR_TEXT_MAX];
	int64_t utc_ms;

	snprintf(whole, sizeof(whole), "%.10sT00:00:00Z", text);
	if (strlen(text) != 10 || calendar_parse(whole, &utc_ms) < 0)
		return 0;
	calendar_local(&(struct zone){ .n = 0 }, utc_ms, &c);
	return (c.year * 100 + c.month) * 100 + c.day;
}

bool savings_load(struct savings *v, const struct store_row *row)
{
	struct savings_day read = { .date = 0 }, *d;

	if (strncmp(row->key, KEY_BEGIN, strlen(KEY_BEGIN)) != 0)
		return false;
	read.date = date_parse(row->key + strlen(KEY_BEGIN));
	if (!read.date || !unpack(row->body, &read)) {
		log_warning("savings", "a day's row cannot be read and is left out: %s", row->key);
		return true;
	}
	d = day_open(v, read.date);
	if (d)
		*d = read;
	return true;
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct savings *v = context;

	(void)ticket;
	v->callbacks--;
	if (status < 0 && !v->failing)
		log_warning("savings", "not stored (%s); it is tried again with the next interval", strerror(-status));
	v->failing = status < 0;
	for (int i = 0; i < v->n; i++) {
		if (status == 0 && v->day[i].submitted)
			v->day[i].stored = v->day[i].submitted;
		v->day[i].submitted = 0;
	}
	release(v);
}

/* The last days that are not on disk as they are: as a rule one. One transaction at a time, but for the @last. */
static void flush(struct savings *v, bool last)
{
	enum { AT_ONCE = 8 };
	char body[AT_ONCE][BODY_MAX];
	struct store_op *op;
	int n = 0;

	if (v->callbacks > 0 && !last)
		return;
	op = calloc(AT_ONCE, sizeof(*op));
	for (int i = v->n - 1; op && i >= 0 && n < AT_ONCE; i--) {
		struct savings_day *d = &v->day[i];

		if (d->version == d->stored)
			continue;
		pack(d, body[n], sizeof(body[n]));
		op[n] = (struct store_op){ .verb = STORE_PUT, .table = STORE_DAILY, .at_ms = d->start_utc_ms, .body = body[n] };
		snprintf(op[n].key, sizeof(op[n].key), KEY_BEGIN "%04d-%02d-%02d", d->date / 10000, d->date / 100 % 100, d->date % 100);
		d->submitted = d->version;
		n++;
	}
	if (n > 0 && store_submit(v->o.store, op, n, on_stored, v, NULL) == 0)
		v->callbacks++;
	free(op);
}

void savings_observe(struct savings *v, const struct snapshot *s, const struct decisions *d)
{
	const int64_t ms = v && v->tick_ms ? s->now_ms - v->tick_ms : 0;
	bool held = false;

	if (!v)
		return;
	v->tick_ms = s->now_ms;
	for (int i = 0; i < s->n_devices && i < d->n; i++)
		held |= s->dev[i].roles & ROLE_PV && !(s->dev[i].roles & ROLE_BATTERY) && d->d[i].order.kind == ORDER_POWER;
	if (held && ms > 0 && ms <= GAP_MS)
		v->curtailed_s += (double)ms / 1000;
}

static struct savings_day *day_of(struct savings *v, int64_t utc_ms)
{
	struct savings_day *d = day_open(v, savings_date(v->o.zone, utc_ms));

	if (!d)
		return NULL;
	if (!d->start_utc_ms)
		d->start_utc_ms = calendar_day_start(v->o.zone, utc_ms);
	d->standing = v->o.config->tariff.standing_charge_per_day;
	d->version++;
	return d;
}

void savings_event(struct savings *v, int64_t utc_ms, double wh)
{
	struct savings_day *d;

	if (!v || !(wh > 0))
		return;
	d = day_of(v, utc_ms);
	if (d)
		d->event_wh += wh;
}

/* A day in another currency than the one before it begins with nothing: sums of two would say nothing. */
static void money_match(struct savings_day *d, const char *currency)
{
	if (!currency[0] || !strcmp(d->currency, currency))
		return;
	if (d->currency[0])
		d->sums = (struct bill){ 0 };
	snprintf(d->currency, sizeof(d->currency), "%.3s", currency);
}

static double capacity_wh(const struct savings *v, const struct interval_device *d)
{
	const struct config *c = v->o.config;

	for (int i = 0; i < c->n_devices; i++)
		if (!strcmp(c->device[i].id, d->id) && c->device[i].capacity_wh > 0)
			return c->device[i].capacity_wh;
	return d->capacity_wh;
}

/* What the batteries hold more than at the end of the interval before: known where one follows the other and they are the same
 * batteries. NAN = not known. */
static double stored_more(struct savings *v, const struct interval_report *r)
{
	const bool follows = llabs(r->start_utc_ms - v->end_utc_ms) <= JOIN_MS;
	double held_wh = 0, capacity = 0, more_wh;

	for (int k = 0; k < r->n; k++) {
		const struct interval_device *d = &r->device[k];

		if (!(d->roles & ROLE_BATTERY))
			continue;
		held_wh += d->soc_pct / 100 * capacity_wh(v, d);
		capacity += capacity_wh(v, d);
	}
	more_wh = follows && fabs(capacity - v->capacity_wh) < 1 ? held_wh - v->held_wh : NAN;
	v->held_wh = held_wh;
	v->capacity_wh = capacity;
	return more_wh;
}

void savings_ended(struct savings *v, const struct interval_report *r, double import_price, double export_price, const char *currency)
{
	struct bill_interval i = {
		.duration_s = r->duration_s, .measured_s = r->grid.measured_s, .home_s = r->home.measured_s, .solar_s = r->solar.measured_s,
		.import_wh = r->grid.in_wh, .export_wh = r->grid.out_wh, .home_wh = r->home.in_wh, .solar_wh = r->solar.in_wh,
		.import_price = import_price, .export_price = export_price,
	};
	struct savings_day *d;

	if (!v)
		return;
	i.curtailed_s = v->curtailed_s;
	v->curtailed_s = 0;
	for (int k = 0; k < r->n; k++)
		i.battery |= (r->device[k].roles & ROLE_BATTERY) != 0;
	i.stored_wh = stored_more(v, r);
	d = day_of(v, r->start_utc_ms);
	if (!d)
		return;
	v->end_utc_ms = r->start_utc_ms + r->duration_s * 1000LL;
	if (r->start_utc_ms >= d->billed_utc_ms) {
		money_match(d, currency);
		if (d->currency[0])
			memcpy(v->currency, d->currency, sizeof(v->currency));
		bill_add(&d->sums, &i);
		d->billed_utc_ms = v->end_utc_ms;
	}
	v->changed = true;
	flush(v, false);
}

bool savings_due(struct savings *v, int64_t now_ms)
{
	if (!v || !v->changed || (v->published_ms && now_ms - v->published_ms < SAVINGS_PUBLISH_MS))
		return false;
	v->changed = false;
	v->published_ms = now_ms;
	return true;
}

void savings_stop(struct savings *v)
{
	if (!v)
		return;
	flush(v, true);
	v->stopped = true;
	release(v);
}
