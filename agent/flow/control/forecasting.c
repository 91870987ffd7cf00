/* See forecasting.h. What comes from the store and goes there: forecasting_store.c. */
#include "flow/control/forecasting_internal.h"

#include "policies/planner/home.h"
#include "policies/view.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000LL
#define HOURS 48
#define SETTING "forecast"

int forecasting_start(struct forecasting **out, const struct forecasting_options *o, struct errbuf *err)
{
	struct forecasting *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return errbuf_set(err, -ENOMEM, "forecast: no memory");
	f->o = *o;
	forecast_init(&f->forecast);
	forecasting_configure(f, o->config, o->zone);
	if (o->store && (r = forecasting_load(f, err)) < 0) {
		free(f->history);
		free(f);
		return r;
	}
	f->started = true;
	*out = f;
	return 0;
}

void forecasting_configure(struct forecasting *f, const struct config *config, const struct zone *zone)
{
	struct forecast_site site;

	f->o.config = config;
	f->o.zone = zone;
	forecast_site_of(config, &site);
	forecast_place(&f->forecast, &site);
	f->forecast.stale = true; /* by another clock on the wall */
}

void forecasting_changed(struct forecasting *f)
{
	if (f->o.changed && f->started && !f->stopped)
		f->o.changed(f->o.context);
}

void forecasting_observe(struct forecasting *f, const struct snapshot *s)
{
	const int64_t last = f->forecast.last, hour = s->utc_ms / HOUR_MS;
	double load_w, pv_w;

	if (!s->clock_trusted) /* a time of day that may be wrong teaches nothing, nor tells what of the history lies ahead */
		return;
	if (f->history && !f->history->until_ms)
		forecasting_read(f, s->utc_ms);
	home_measure(s, &load_w, &pv_w);
	if (!isnan(pv_w) && home_curtailed(s)) {
		pv_w = NAN;
		forecasting_keep(f, s->utc_ms / FORECAST_QUARTER_MS, true);
	}
	forecast_observe(&f->forecast, f->o.zone, s->utc_ms, load_w, pv_w);
	if (f->forecast.last > last)
		forecasting_keep(f, f->forecast.last, false);
	if (hour != f->told_hour) {
		f->told_hour = hour;
		forecasting_changed(f);
	}
}

const struct forecast *forecasting_now(const struct forecasting *f)
{
	return &f->forecast;
}

int forecasting_set(struct forecasting *f, const cJSON *args, int64_t utc_ms, store_done_fn done, void *context, struct errbuf *err)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_SETTING, .key = SETTING, .at_ms = utc_ms };
	AUTO_JSON *o = NULL;
	AUTO_TEXT *text = NULL;
	int r = forecast_push_parse(args, utc_ms, &f->forecast.push, err);

	if (r < 0)
		return r;
	forecasting_changed(f);
	o = forecast_push_encode(&f->forecast.push);
	text = o ? cJSON_PrintUnformatted(o) : NULL;
	op.body = text;
	if (!text || (r = store_submit(f->o.store, &op, 1, done, context, NULL)) < 0)
		return errbuf_set(err, text ? r : -ENOMEM, "in force, but it could not be stored: %s", strerror(text ? -r : ENOMEM));
	return 0;
}

/* ---- R/forecast ---- */

static const char *load_source(const struct forecast *f)
{
	if (f->push.n_load)
		return "pushed";
	return f->last ? "history" : "standard";
}

static const char *pv_source(const struct forecast *f)
{
	if (f->push.n_pv)
		return "pushed";
	return f->most_pv_w > 0 ? "history" : forecast_site_known(&f->site) ? "clear_sky" : "none";
}

/* Means of an hour's quarters. */
static void hour_add(const struct forecasting *f, int64_t now_utc_ms, int64_t from_utc_ms, cJSON *hours)
{
	cJSON *o = cJSON_CreateObject();
	struct forecast_range load = { 0 }, pv = { 0 }, r;

	for (int i = 0; i < 4; i++) {
		const int64_t at = from_utc_ms + i * FORECAST_QUARTER_MS + FORECAST_QUARTER_MS / 2;

		forecast_load(&f->forecast, f->o.zone, now_utc_ms, at, &r);
		load.low_w += r.low_w / 4;
		load.mid_w += r.mid_w / 4;
		load.high_w += r.high_w / 4;
		forecast_pv(&f->forecast, now_utc_ms, at, &r);
		pv.low_w += r.low_w / 4;
		pv.mid_w += r.mid_w / 4;
		pv.high_w += r.high_w / 4;
	}
	json_add_time(o, "from", from_utc_ms);
	json_add_number(o, "load_w", load.mid_w, 0);
	json_add_number(o, "load_low_w", load.low_w, 0);
	json_add_number(o, "load_high_w", load.high_w, 0);
	json_add_number(o, "pv_w", pv.mid_w, 0);
	json_add_number(o, "pv_low_w", pv.low_w, 0);
	json_add_number(o, "pv_high_w", pv.high_w, 0);
	cJSON_AddItemToArray(hours, o);
}

cJSON *forecasting_encode(const struct forecasting *f, int64_t utc_ms)
{
	cJSON *o = cJSON_CreateObject(), *source = cJSON_AddObjectToObject(o, "source"), *bias, *hours;
	const int64_t from = utc_ms / HOUR_MS * HOUR_MS;
	struct forecast_error e;

	cJSON_AddStringToObject(source, "load", load_source(&f->forecast));
	cJSON_AddStringToObject(source, "pv", pv_source(&f->forecast));
	json_add_time(o, "pushed_until", forecast_push_end(&f->forecast.push));
	forecast_error(&f->forecast, &e);
	json_add_number(o, "load_error_pct", e.load_pct, 1);
	json_add_number(o, "pv_error_pct", e.pv_pct, 1);
	bias = cJSON_AddObjectToObject(o, "bias");
	json_add_number(bias, "load_pct", e.load_bias_pct, 1);
	json_add_number(bias, "pv_pct", e.pv_bias_pct, 1);
	json_add_number(o, "compared_h", e.compared_h, 1);
	hours = cJSON_AddArrayToObject(o, "hours");
	for (int i = 0; i < HOURS; i++)
		hour_add(f, utc_ms, from + i * HOUR_MS, hours);
	return o;
}

void forecasting_release(struct forecasting *f)
{
	if (!f->stopped || f->pages > 0)
		return;
	free(f->history);
	free(f);
}

void forecasting_stop(struct forecasting *f)
{
	if (!f)
		return;
	f->stopped = true;
	forecasting_release(f);
}
