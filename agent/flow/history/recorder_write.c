/* History and daily sums on their way to disk: one transaction an interval at most; what the store refuses is kept for a few
 * intervals and tried again with the next one. */
#include "flow/history/recorder_internal.h"

#include "core/calendar.h"
#include "io/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define QUARTER_MS 900000
#define STEADY_MS (3600 * 1000) /* before old rows are thrown away on the clock's word */
#define SITE "site"

/* A row that waits under the same key is replaced, unless it is under way. */
static struct recorder_row *row_place(struct recorder *r, enum store_table table, const char *key)
{
	for (int i = r->under_way; table != STORE_HISTORY && i < r->n_rows; i++)
		if (r->row[i].table == table && !strcmp(r->row[i].key, key))
			return &r->row[i];
	if (r->n_rows == ROWS_MAX) {
		r->stats.lost++;
		if (r->under_way == ROWS_MAX)
			return NULL;
		r->n_rows--;
		memmove(&r->row[r->under_way], &r->row[r->under_way + 1],
			sizeof(r->row[0]) * (size_t)(r->n_rows - r->under_way));
	}
	return &r->row[r->n_rows++];
}

static void row_add(struct recorder *r, const struct recorder_row *row)
{
	struct recorder_row *place = row_place(r, row->table, row->key);

	if (place)
		*place = *row;
}

static void date_of(const struct zone *z, int64_t utc_ms, char out[DATE_MAX])
{
	struct civil c;

	calendar_local(z, utc_ms, &c);
	snprintf(out, DATE_MAX, "%04u-%02u-%02u", (unsigned)c.year % 10000, (unsigned)c.month % 100, (unsigned)c.day % 100);
}

static int day_find(struct recorder_day *d, const char *id)
{
	for (int i = 0; i < d->n; i++)
		if (!strcmp(d->of[i].id, id))
			return i;
	if (d->n == DAY_DEVICES_MAX)
		return -1;
	memset(&d->of[d->n], 0, sizeof(d->of[0]));
	snprintf(d->of[d->n].id, sizeof(d->of[0].id), "%s", id);
	d->of[d->n].sums.home_wh = d->of[d->n].sums.solar_wh = NAN;
	return d->n++;
}

static double sum_known(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : a + b;
}

static void day_add(struct recorder_day *d, const char *id, const struct daily_row *more, bool changed)
{
	const int i = day_find(d, id);
	struct daily_row *sums;

	if (i < 0)
		return;
	sums = &d->of[i].sums;
	sums->measured_s += more->measured_s;
	sums->in_wh += more->in_wh;
	sums->out_wh += more->out_wh;
	sums->home_wh = sum_known(sums->home_wh, more->home_wh);
	sums->solar_wh = sum_known(sums->solar_wh, more->solar_wh);
	d->of[i].changed |= changed;
}

static void day_take(struct recorder_day *day, const struct store_row *row)
{
	const char *slash = strrchr(row->key, '/');
	char id[DEVICE_ID_MAX];
	struct daily_row sums;

	if (!slash || strcmp(slash + 1, day->date) != 0 || (size_t)(slash - row->key) >= sizeof(id) ||
	    daily_unpack(row->body, &sums) < 0)
		return;
	memcpy(id, row->key, (size_t)(slash - row->key));
	id[slash - row->key] = '\0';
	day_add(day, id, &sums, false);
}

static void on_read(void *context, const struct store_row *rows, int n)
{
	struct recorder *r = context;
	const bool same = !strcmp(r->reading_date, r->day.date);

	r->callbacks--;
	r->reading_date[0] = '\0';
	if (r->stopped) {
		recorder_release(r);
		return;
	}
	if (!same || n < 0) {
		r->day.state = r->day.state == DAY_NONE ? DAY_NONE : DAY_UNREAD;
		if (n < 0 && !r->read_failing)
			log_warning("history", "the sums of the day cannot be read (%s); it is tried again", strerror(-n));
		r->read_failing |= n < 0;
		return;
	}
	for (int i = 0; i < n; i++)
		day_take(&r->day, &rows[i]);
	r->day.state = DAY_READY;
	r->read_failing = false;
}

/* Asks the store what it has of the day: before a restart, before a step of the clock. The window is wide because a day may
 * have begun elsewhere when the time zone was another. */
static void day_read(struct recorder *r)
{
	const struct store_query q = { .table = STORE_DAILY, .at_from_ms = r->day.start_utc_ms - DAY_MS,
				       .at_to_ms = r->day.start_utc_ms + DAY_MS, .max_rows = STORE_READ_MAX };

	if (r->day.state != DAY_UNREAD || r->reading_date[0] || store_read(r->o.store, &q, on_read, r) < 0)
		return;
	r->callbacks++;
	r->day.state = DAY_READING;
	memcpy(r->reading_date, r->day.date, DATE_MAX);
}

void recorder_day_write(struct recorder *r)
{
	struct recorder_day *d = &r->day;

	if (d->state != DAY_READY)
		return; /* a row written now would replace what is there */
	for (int i = 0; i < d->n; i++) {
		struct recorder_row row = { .table = STORE_DAILY, .at_ms = d->start_utc_ms };

		if (!d->of[i].changed || daily_pack(&d->of[i].sums, row.body, sizeof(row.body)) < 0)
			continue;
		snprintf(row.key, sizeof(row.key), "%s/%s", d->of[i].id, d->date);
		row_add(r, &row);
		d->of[i].changed = false;
	}
}

void recorder_day_open(struct recorder *r, int64_t utc_ms)
{
	char date[DATE_MAX];

	date_of(r->o.zone, utc_ms, date);
	if (r->day.state == DAY_NONE || strcmp(date, r->day.date) != 0) {
		recorder_day_write(r);
		if (r->day.state != DAY_READY)
			r->stats.lost += r->day.n;
		memset(&r->day, 0, sizeof(r->day));
		memcpy(r->day.date, date, DATE_MAX);
		r->day.start_utc_ms = calendar_day_start(r->o.zone, utc_ms);
		r->day.state = DAY_UNREAD;
	}
	day_read(r);
}

static void keep_sum(struct recorder *r, const char *id, struct history_row *h, const struct interval_sum *sum)
{
	struct recorder_row row = { .table = STORE_HISTORY, .at_ms = h->start_utc_ms };

	h->measured_s = (int32_t)lround(sum->measured_s);
	h->mean_w = sum->measured_s > 0 ? (sum->in_wh - sum->out_wh) * 3600 / sum->measured_s : NAN;
	h->in_wh = sum->in_wh;
	h->out_wh = sum->out_wh;
	snprintf(row.key, sizeof(row.key), "%s", id);
	if (history_pack(h, row.body, sizeof(row.body)) > 0)
		row_add(r, &row);
	day_add(&r->day, id, &(struct daily_row){ sum->measured_s, sum->in_wh, sum->out_wh, h->home_wh, h->solar_wh }, true);
}

/* Old rows go once a day, but never on the word of a clock that was just set. */
static void purge_when_due(struct recorder *r, const struct interval_report *report)
{
	const int64_t end_ms = report->start_utc_ms + report->duration_s * 1000LL;
	const bool follows = llabs(report->start_utc_ms - r->last_end_ms) <= 1000;

	r->steady_ms = follows ? r->steady_ms + report->duration_s * 1000LL : 0;
	r->last_end_ms = end_ms;
	if (r->steady_ms < STEADY_MS || !strcmp(r->purged, r->day.date))
		return;
	memcpy(r->purged, r->day.date, DATE_MAX);
	r->purge_at_ms = end_ms;
}

void recorder_keep(struct recorder *r, const struct interval_report *report)
{
	const struct history_row empty = { .start_utc_ms = report->start_utc_ms, .duration_s = report->duration_s, .soc_pct = NAN,
					   .home_wh = NAN, .solar_wh = NAN, .import_price = NAN, .export_price = NAN };
	const int64_t quarter = (report->start_utc_ms + report->duration_s * 1000LL) / QUARTER_MS;
	struct history_row h;

	recorder_day_open(r, report->start_utc_ms);
	for (int i = 0; i < report->n; i++) {
		const struct interval_device *d = &report->device[i];

		if (d->power.measured_s <= 0 || !strcmp(d->id, SITE))
			continue; /* a gap; a device of the site's name would be its double */
		h = empty;
		if (d->roles & ROLE_BATTERY && d->online)
			h.soc_pct = d->soc_pct;
		keep_sum(r, d->id, &h, &d->power);
	}
	h = empty;
	if (report->home.measured_s > 0)
		h.home_wh = report->home.in_wh;
	if (report->solar.measured_s > 0)
		h.solar_wh = report->solar.in_wh;
	if (r->o.prices)
		r->o.prices(r->o.context, report->start_utc_ms, report->start_utc_ms + report->duration_s * 1000LL, &h.import_price,
			    &h.export_price);
	if (report->grid.measured_s > 0 || h.solar_wh > 0)
		keep_sum(r, SITE, &h, &report->grid);
	if (r->o.ended)
		r->o.ended(r->o.context, report, h.import_price, h.export_price);
	purge_when_due(r, report);
	if (quarter != r->quarter && r->day.state == DAY_READY) {
		r->quarter = quarter;
		recorder_day_write(r);
	}
}

void recorder_release(struct recorder *r)
{
	if (!r->stopped || r->callbacks > 0)
		return;
	free(r->row);
	free(r);
}

static void on_failure(struct recorder *r, int status)
{
	if (!r->stats.failing)
		log_warning("history", "not stored (%s); it is kept for a while and tried again", strerror(-status));
	r->stats.failing = true;
}

static void on_done(void *context, uint64_t ticket, int status)
{
	struct recorder *r = context;

	(void)ticket;
	r->callbacks--;
	if (status == 0) {
		if (r->stats.failing)
			log_notice("history", "stored again; %lld rows were given up", (long long)r->stats.lost);
		r->stats.failing = false;
		r->stats.transactions++;
		r->stats.rows += r->under_way;
		for (int i = 0; i < r->under_way; i++)
			r->stats.bytes += (int64_t)(strlen(r->row[i].key) + strlen(r->row[i].body));
		r->n_rows -= r->under_way;
		memmove(&r->row[0], &r->row[r->under_way], sizeof(r->row[0]) * (size_t)r->n_rows);
		if (r->purge_under_way)
			r->purge_at_ms = 0;
	} else {
		on_failure(r, status);
	}
	r->under_way = 0;
	r->purge_under_way = false;
	recorder_release(r);
}

static int ops_fill(const struct recorder *r, int from, struct store_op *op)
{
	int n = 0;

	for (int i = from; i < r->n_rows; i++, n++) {
		const struct recorder_row *row = &r->row[i];

		op[n].verb = STORE_PUT;
		op[n].table = row->table;
		op[n].at_ms = row->at_ms;
		op[n].body = row->body;
		if (row->table == STORE_HISTORY)
			snprintf(op[n].kind, sizeof(op[n].kind), "%s", row->key);
		else
			snprintf(op[n].key, sizeof(op[n].key), "%s", row->key);
	}
	if (!r->purge_at_ms)
		return n;
	op[n].verb = op[n + 1].verb = STORE_DELETE_OLDER;
	op[n].table = STORE_HISTORY;
	op[n].at_ms = r->purge_at_ms - RECORDER_HISTORY_DAYS * DAY_MS;
	op[n + 1].table = STORE_DAILY;
	op[n + 1].at_ms = r->purge_at_ms - RECORDER_DAILY_DAYS * DAY_MS;
	op[n].ahead_ms = op[n + 1].ahead_ms = r->purge_at_ms + DAY_MS;
	return n + 2;
}

void recorder_flush(struct recorder *r, bool last)
{
	const int from = r->under_way;
	struct store_op *op;
	int n, e = -ENOMEM;

	if ((from && !last) || (from == r->n_rows && !r->purge_at_ms))
		return;
	op = calloc((size_t)(r->n_rows - from) + 2, sizeof(*op));
	n = op ? ops_fill(r, from, op) : 0;
	if (n > 0)
		e = store_submit(r->o.store, op, n, last ? NULL : on_done, r, NULL);
	free(op);
	if (e < 0) {
		on_failure(r, e);
		return;
	}
	if (last)
		return;
	r->callbacks++;
	r->under_way = r->n_rows;
	r->purge_under_way = r->purge_at_ms != 0;
}
