/* What the forecast keeps over a restart: the pushed forecast (a setting), the day-ahead forecasts of nine days and which quarter
 * hours were curtailed (rows of STORE_DAILY, one an hour, each written again by the same hour nine and sixty days later). The
 * history is the recorder's; it is read behind everything else, the house first, then each charger's part of it taken off. */
#include "flow/control/forecasting_internal.h"

#include "flow/history/recorder.h"
#include "io/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTING "forecast"
#define AHEAD "forecast.ahead."
#define CURTAILED "forecast.curtailed."
#define FIVE_MS 300000LL
#define PAGE 512           /* rows: 1 ms on the loop */
#define MEASURED_S 60      /* less of five minutes is no mean */
#define BODY_MAX 200

/* ---- settings and hours ---- */

static int load_push(void *context, const struct store_row *row)
{
	struct forecasting *f = context;
	struct errbuf err = { "" };
	AUTO_JSON *o = NULL;

	if (strcmp(row->key, SETTING) != 0)
		return 0;
	o = json_parse(row->body, strlen(row->body), 256 * 1024, 8, &err);
	/* by the time it came: the clock may not be known yet */
	if (!o || forecast_push_parse(o, row->at_ms, &f->forecast.push, &err) < 0)
		log_warning("forecast", "the forecast that was pushed cannot be read (%s): the own one goes on", err.text);
	return 0;
}

static void put_number(char out[BODY_MAX], double w)
{
	const size_t n = strlen(out);

	if (isnan(w))
		snprintf(out + n, BODY_MAX - n, ",null");
	else
		snprintf(out + n, BODY_MAX - n, ",%.0f", w);
}

static float number_at(const cJSON *a, int i)
{
	const cJSON *v = cJSON_GetArrayItem(a, i);

	return cJSON_IsNumber(v) && fabs(v->valuedouble) < 1e7 ? (float)v->valuedouble : NAN;
}

static int load_hour(void *context, const struct store_row *row)
{
	struct forecasting *f = context;
	const bool ahead = !strncmp(row->key, AHEAD, strlen(AHEAD)), curtailed = !strncmp(row->key, CURTAILED, strlen(CURTAILED));
	AUTO_JSON *a = ahead || curtailed ? json_parse(row->body, strlen(row->body), BODY_MAX, 2, NULL) : NULL;
	const double hour = (double)number_at(a, 0);
	struct forecasting_hour *h;

	if (!cJSON_IsArray(a) || !(hour > 0))
		return 0;
	if (curtailed) {
		f->curtailed[(int64_t)hour % FORECASTING_CURTAILED].hour = (int64_t)hour;
		f->curtailed[(int64_t)hour % FORECASTING_CURTAILED].quarters = (uint8_t)(number_at(a, 1) >= 0 ? number_at(a, 1) : 0) & 15;
		return 0;
	}
	h = &f->history->ahead[(int64_t)hour % FORECASTING_HOURS];
	h->hour = (int64_t)hour;
	for (int i = 0; i < 4; i++) {
		h->load_w[i] = number_at(a, 1 + i);
		h->pv_w[i] = number_at(a, 5 + i);
	}
	return 0;
}

int forecasting_load(struct forecasting *f, struct errbuf *err)
{
	int r;

	f->history = calloc(1, sizeof(*f->history));
	if (!f->history)
		return errbuf_set(err, -ENOMEM, "forecast: no memory");
	r = store_load(f->o.store, STORE_SETTING, load_push, f, err);
	return r < 0 ? r : store_load(f->o.store, STORE_DAILY, load_hour, f, err);
}

static void put_row(struct forecasting *f, const char *name, int64_t place, int64_t hour, const char *body)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_DAILY, .at_ms = hour * 3600000, .body = body };

	snprintf(op.key, sizeof(op.key), "%s%lld", name, (long long)place);
	if (store_submit(f->o.store, &op, 1, NULL, NULL, NULL) < 0)
		log_debug("forecast", "an hour of it could not be stored");
}

static void keep_curtailed(struct forecasting *f, int64_t quarter)
{
	const int64_t hour = quarter / 4, place = hour % FORECASTING_CURTAILED;
	const uint8_t bit = (uint8_t)(1u << (quarter % 4));
	char body[BODY_MAX];

	if (f->curtailed[place].hour != hour) {
		f->curtailed[place].hour = hour;
		f->curtailed[place].quarters = 0;
	}
	if (f->curtailed[place].quarters & bit)
		return;
	f->curtailed[place].quarters |= bit;
	snprintf(body, sizeof(body), "[%lld,%d]", (long long)hour, f->curtailed[place].quarters);
	if (f->o.store)
		put_row(f, CURTAILED, place, hour, body);
}

void forecasting_keep(struct forecasting *f, int64_t quarter, bool curtailed)
{
	const int64_t hour = (quarter + FORECAST_DAY) / 4;
	char body[BODY_MAX];

	if (curtailed) {
		keep_curtailed(f, quarter);
		return;
	}
	if (!f->o.store || quarter == f->kept_quarter)
		return;
	f->kept_quarter = quarter;
	snprintf(body, sizeof(body), "[%lld", (long long)hour);
	for (int i = 0; i < 4; i++)
		put_number(body, hour * 4 + i > quarter + FORECAST_DAY ? NAN : (double)f->forecast.ahead_load_w[forecast_ring(hour * 4 + i, FORECAST_AHEAD_MAX)]);
	for (int i = 0; i < 4; i++)
		put_number(body, hour * 4 + i > quarter + FORECAST_DAY ? NAN : (double)f->forecast.ahead_pv_w[forecast_ring(hour * 4 + i, FORECAST_AHEAD_MAX)]);
	snprintf(body + strlen(body), sizeof(body) - strlen(body), "]");
	put_row(f, AHEAD, hour % FORECASTING_HOURS, hour, body);
}

/* ---- history ---- */

static bool was_curtailed(const struct forecasting *f, int64_t utc_ms)
{
	const int64_t hour = utc_ms / 3600000;

	return f->curtailed[hour % FORECASTING_CURTAILED].hour == hour &&
	       f->curtailed[hour % FORECASTING_CURTAILED].quarters >> (utc_ms / FORECAST_QUARTER_MS % 4) & 1;
}

/* Means of the house: the car is taken off when its own rows come. */
static void take_site(struct forecasting_history *h, const struct history_row *row, int32_t five, int place)
{
	const double s = row->measured_s >= MEASURED_S ? row->measured_s : row->duration_s;

	h->five[place] = five;
	h->load_w[place] = row->measured_s >= MEASURED_S ? (float)(row->home_wh * 3600 / s) : NAN;
	h->pv_w[place] = (float)(row->solar_wh * 3600 / s);
	h->newest = five > h->newest ? five : h->newest;
}

static void take(struct forecasting_history *h, const struct store_row *stored)
{
	struct history_row row;
	int32_t five = (int32_t)(stored->at_ms / FIVE_MS);
	int place = five % FORECASTING_FIVES;

	if (stored->at_ms <= 0 || stored->at_ms > h->until_ms || stored->at_ms / FIVE_MS > INT32_MAX || history_unpack(stored->at_ms, stored->body, &row) < 0)
		return;
	if (h->device < 0)
		take_site(h, &row, five, place);
	else if (h->five[place] == five && !isnan(row.mean_w))
		h->load_w[place] = (float)fmax(0, (double)h->load_w[place] - row.in_wh * 3600 / fmax(row.duration_s, 1));
}

static void learn(struct forecasting *f)
{
	struct forecasting_history *h = f->history;
	int n = 0;

	for (int32_t five = h->newest > FORECASTING_FIVES ? h->newest - FORECASTING_FIVES + 1 : 1; five <= h->newest; five++) {
		const int place = five % FORECASTING_FIVES;
		const int64_t at = five * FIVE_MS;

		if (h->five[place] != five)
			continue;
		forecast_learn(&f->forecast, at, (double)h->load_w[place], was_curtailed(f, at) ? NAN : (double)h->pv_w[place]);
		n++;
	}
	if (n)
		forecast_refresh(&f->forecast, f->o.zone);
	for (int i = 0; i < FORECASTING_HOURS; i++)
		for (int k = 0; k < 4; k++)
			forecast_recall(&f->forecast, h->ahead[i].hour * 4 + k, (double)h->ahead[i].load_w[k], (double)h->ahead[i].pv_w[k]);
	log_info("forecast", "learned from %d five-minute means", n);
	free(f->history);
	f->history = NULL;
	forecasting_changed(f);
}

/* The next kind to read: the chargers after the site. */
static bool next_kind(struct forecasting *f)
{
	struct forecasting_history *h = f->history;

	h->seq = 0;
	while (++h->device < f->o.config->n_devices) {
		const struct config_device *d = &f->o.config->device[h->device];

		if (!(d->roles & ROLE_CHARGER) || d->roles & ROLE_BATTERY)
			continue;
		snprintf(h->kind, sizeof(h->kind), "%s", d->id);
		return true;
	}
	return false;
}

static void on_page(void *context, const struct store_row *rows, int n);

static void read_page(struct forecasting *f)
{
	struct forecasting_history *h = f->history;
	struct store_query q = { .table = STORE_HISTORY, .seq_from = h->seq, .max_rows = PAGE };

	memcpy(q.kind, h->kind, sizeof(q.kind));
	if (store_read(f->o.store, &q, on_page, f) < 0) {
		log_warning("forecast", "the history cannot be read: what comes is learned from");
		learn(f);
		return;
	}
	f->pages++;
}

static void on_page(void *context, const struct store_row *rows, int n)
{
	struct forecasting *f = context;

	f->pages--;
	if (f->stopped) {
		forecasting_release(f);
		return;
	}
	for (int i = 0; i < n; i++)
		take(f->history, &rows[i]);
	if (n > 0)
		f->history->seq = rows[n - 1].seq + 1;
	if (n > 0 || next_kind(f))
		read_page(f);
	else
		learn(f);
}

void forecasting_read(struct forecasting *f, int64_t now_utc_ms)
{
	f->history->until_ms = now_utc_ms;
	f->history->device = -1;
	snprintf(f->history->kind, sizeof(f->history->kind), "site");
	read_page(f);
}
