/* Taking in, and answering: see forecast.h. What is usual is worked out in forecast_learn.c. */
#include "policies/forecast/forecast.h"

#include <math.h>
#include <string.h>

#define SMOOTH_MS 120000.0
#define GAP_MS 600000       /* after such a silence the present is unknown until the next reading */
#define AHEAD_BACK_MS (24 * 3600000LL)
#define ABSURD_W 100000.0   /* no home draws, gives or makes so much: a meter's nonsense, which is not learnt */
#define PV_MIN_W 50.0       /* below it the ratio of now to usual says nothing */
#define HALF_MS (FORECAST_QUARTER_MS / 2)

/* How long what is unlike the usual lasts, and how much of it: README.md "What was tried". */
#define LOAD_NOW_SHARE 0.4  /* of the present: half an hour's appliances */
#define LOAD_NOW_H 0.7
#define LOAD_HOURS_SHARE 0.3 /* of the last hours: somebody is at home */
#define LOAD_HOURS_H 2.0
#define LOAD_DAYS_SHARE 0.5 /* of the last days: a holiday, a cold spell */
#define LOAD_DAYS_H 48.0
#define SKY_NOW_H 3.0
#define SKY_DAY_SHARE 0.9
#define SKY_DAY_H 72.0
#define SKY_MOST 3.0        /* times the usual: an overcast fortnight, then a clear day */

static void clear_make(struct forecast *f, int64_t quarter)
{
	f->clear_w[forecast_ring(quarter, FORECAST_PV_MAX)] = (float)forecast_clear_w(&f->site, quarter * FORECAST_QUARTER_MS + HALF_MS);
}

void forecast_init(struct forecast *f)
{
	static const struct zone UTC = { .name = "UTC" }; /* before anything is known all zones are the same */

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < FORECAST_LOAD_MAX; i++)
		f->load_w[i] = NAN;
	for (int i = 0; i < FORECAST_PV_MAX; i++)
		f->pv_w[i] = NAN;
	for (int i = 0; i < FORECAST_AHEAD_MAX; i++)
		f->ahead_load_w[i] = f->ahead_pv_w[i] = NAN;
	f->load_meter.now_w = f->pv_meter.now_w = NAN;
	f->site.latitude = f->site.longitude = NAN;
	forecast_tables(f, &UTC);
}

/* Also for places that are not known: NAN differs from itself, so by its bytes. */
void forecast_place(struct forecast *f, const struct forecast_site *site)
{
	if (!memcmp(&f->site, site, sizeof(*site)))
		return;
	f->site = *site;
	for (int64_t q = f->last - FORECAST_PV_MAX + 1; f->last && q <= f->last; q++)
		clear_make(f, q);
	forecast_yields(f);
}

/* The rings reach up to @quarter; what nobody measured in between is not known. */
static void advance(struct forecast *f, int64_t quarter)
{
	int64_t q = f->last + 1;

	if (quarter - f->last > FORECAST_LOAD_MAX)
		q = quarter - FORECAST_LOAD_MAX + 1;
	for (; q <= quarter; q++) {
		f->load_w[forecast_ring(q, FORECAST_LOAD_MAX)] = f->pv_w[forecast_ring(q, FORECAST_PV_MAX)] = NAN;
		f->ahead_load_w[forecast_ring(q + FORECAST_DAY, FORECAST_AHEAD_MAX)] = f->ahead_pv_w[forecast_ring(q + FORECAST_DAY, FORECAST_AHEAD_MAX)] = NAN;
		clear_make(f, q);
	}
	f->last = quarter;
}

/* Ends a quarter hour: its means go into the rings. */
static void keep(struct forecast *f, int64_t quarter, struct forecast_meter *load, struct forecast_meter *pv)
{
	if (quarter > f->last)
		advance(f, quarter);
	if (load->n > 0 && quarter > f->last - FORECAST_LOAD_MAX)
		f->load_w[forecast_ring(quarter, FORECAST_LOAD_MAX)] = (float)(load->sum / load->n);
	if (pv->n > 0 && quarter > f->last - FORECAST_PV_MAX)
		f->pv_w[forecast_ring(quarter, FORECAST_PV_MAX)] = (float)(pv->sum / pv->n);
	load->sum = load->n = pv->sum = pv->n = 0;
}

static void add(struct forecast_meter *m, double w)
{
	if (!(fabs(w) < ABSURD_W))
		return;
	m->sum += w;
	m->n += 1;
}

void forecast_learn(struct forecast *f, int64_t start_utc_ms, double load_w, double pv_w)
{
	int64_t quarter = start_utc_ms / FORECAST_QUARTER_MS;

	if (quarter != f->past)
		keep(f, f->past, &f->load_past, &f->pv_past);
	f->past = quarter;
	f->stale = true;
	add(&f->load_past, load_w);
	add(&f->pv_past, pv_w);
}

void forecast_refresh(struct forecast *f, const struct zone *z)
{
	keep(f, f->past, &f->load_past, &f->pv_past);
	f->stale = false;
	forecast_tables(f, z);
}

static void smooth(struct forecast_meter *m, double w, int64_t utc_ms)
{
	const double dt_ms = (double)(utc_ms - m->at_utc_ms); /* since its last reading */

	if (!isfinite(w)) {
		if (dt_ms > GAP_MS)
			m->now_w = NAN;
		return;
	}
	m->at_utc_ms = utc_ms;
	m->now_w = isnan(m->now_w) ? w : m->now_w + (w - m->now_w) * (1 - exp(-dt_ms / SMOOTH_MS));
}

/* A day ahead, as seen now: what forecast_error compares. */
static void look_ahead(struct forecast *f, const struct zone *z)
{
	int64_t now = (f->last + 1) * FORECAST_QUARTER_MS, quarter = f->last + FORECAST_DAY, at = quarter * FORECAST_QUARTER_MS + HALF_MS;

	f->ahead_load_w[forecast_ring(quarter, FORECAST_AHEAD_MAX)] = (float)forecast_load_w(f, z, now, at);
	f->ahead_pv_w[forecast_ring(quarter, FORECAST_AHEAD_MAX)] = (float)forecast_pv_w(f, now, at);
}

void forecast_recall(struct forecast *f, int64_t quarter, double load_w, double pv_w)
{
	if (quarter <= f->last - FORECAST_AHEAD_MAX + FORECAST_DAY || quarter > f->last + FORECAST_DAY)
		return;
	f->ahead_load_w[forecast_ring(quarter, FORECAST_AHEAD_MAX)] = (float)load_w;
	f->ahead_pv_w[forecast_ring(quarter, FORECAST_AHEAD_MAX)] = (float)pv_w;
}

/* What was learned; where the panels are and what was pushed holds by any clock. */
static void forget(struct forecast *f)
{
	const struct forecast_site site = f->site;
	const struct forecast_push push = f->push;

	forecast_init(f);
	f->site = site;
	f->push = push;
}

void forecast_observe(struct forecast *f, const struct zone *z, int64_t utc_ms, double load_w, double pv_w)
{
	int64_t quarter = utc_ms / FORECAST_QUARTER_MS;
	double dt = (double)(utc_ms - f->seen_utc_ms);
	bool gap = f->seen_utc_ms && (dt < 0 || dt > GAP_MS); /* a clock that stepped, or a long silence */

	if (f->last > quarter + FORECAST_DAY) /* learned by a clock that ran ahead: of nothing we know the time */
		forget(f);
	if (gap) {
		f->load_meter = f->pv_meter = (struct forecast_meter){ .now_w = NAN };
	} else if (f->seen_utc_ms && quarter != f->running) {
		keep(f, f->running, &f->load_meter, &f->pv_meter);
		forecast_settle(f, z);
		look_ahead(f, z);
	}
	if (f->stale)
		forecast_refresh(f, z);
	f->running = quarter;
	f->seen_utc_ms = utc_ms;
	add(&f->load_meter, load_w);
	add(&f->pv_meter, pv_w);
	smooth(&f->load_meter, load_w, utc_ms);
	smooth(&f->pv_meter, pv_w, utc_ms);
}

/* ---- answers ---- */

static double hours_between(int64_t now_utc_ms, int64_t at_utc_ms)
{
	return fmax(0, (double)(at_utc_ms - now_utc_ms) / 3.6e6);
}

void forecast_load(const struct forecast *f, const struct zone *z, int64_t now_utc_ms, int64_t at_utc_ms, struct forecast_range *out)
{
	const struct forecast_quantiles *u = forecast_usual(f, z, at_utc_ms);
	double h = hours_between(now_utc_ms, at_utc_ms), days = LOAD_DAYS_SHARE * f->days_w, hours, now = 0, more, w;

	if (forecast_push_load(&f->push, now_utc_ms, at_utc_ms, &w)) {
		*out = (struct forecast_range){ w, w, w, true };
		return;
	}
	hours = LOAD_HOURS_SHARE * (f->hours_w - days);
	if (!isnan(f->load_meter.now_w))
		now = LOAD_NOW_SHARE * (f->load_meter.now_w - (double)forecast_usual(f, z, now_utc_ms)->mid - days - hours);
	more = now * exp(-h / LOAD_NOW_H) + hours * exp(-h / LOAD_HOURS_H) + days * exp(-h / LOAD_DAYS_H);
	*out = (struct forecast_range){ (double)u->low + more, (double)u->mid + more, (double)u->high + more, false };
	if (u->low >= 0 && out->low_w < 0) { /* a house that never gives does not begin to */
		out->low_w = 0;
		out->mid_w = fmax(0, out->mid_w);
		out->high_w = fmax(0, out->high_w);
	}
}

double forecast_load_w(const struct forecast *f, const struct zone *z, int64_t now_utc_ms, int64_t at_utc_ms)
{
	struct forecast_range r;

	forecast_load(f, z, now_utc_ms, at_utc_ms, &r);
	return r.mid_w;
}

static const struct forecast_quantiles *yield_at(const struct forecast *f, int64_t utc_ms)
{
	return &f->yield[forecast_ring(utc_ms / FORECAST_QUARTER_MS, FORECAST_DAY)];
}

double forecast_most_w(const struct forecast *f, double w)
{
	if (f->site.max_w > 0)
		return fmin(w, f->site.max_w);
	return f->most_pv_w > 0 ? fmin(w, 1.2 * f->most_pv_w) : w;
}

void forecast_pv(const struct forecast *f, int64_t now_utc_ms, int64_t at_utc_ms, struct forecast_range *out)
{
	const struct forecast_quantiles *y = yield_at(f, at_utc_ms);
	double h = hours_between(now_utc_ms, at_utc_ms), clear, usual, sky, now = 1, w;

	if (forecast_push_pv(&f->push, now_utc_ms, at_utc_ms, &w)) {
		*out = (struct forecast_range){ w, w, w, true };
		return;
	}
	clear = forecast_clear_w(&f->site, at_utc_ms);
	usual = (double)yield_at(f, now_utc_ms)->mid * forecast_clear_w(&f->site, now_utc_ms);
	sky = 1 + SKY_DAY_SHARE * (f->day_sky - 1) * exp(-h / SKY_DAY_H);
	if (!isnan(f->pv_meter.now_w) && usual >= PV_MIN_W)
		now = fmin(fmax(f->pv_meter.now_w / usual, 0), SKY_MOST);
	else
		now = sky;
	sky += (now - sky) * exp(-h / SKY_NOW_H);
	out->mid_w = forecast_most_w(f, fmax(0, clear * (double)y->mid * sky));
	out->low_w = fmin(forecast_most_w(f, fmax(0, clear * (double)y->low * fmin(1, sky))), out->mid_w);
	out->high_w = fmax(forecast_most_w(f, fmax(0, clear * (double)y->high)), out->mid_w);
	out->pushed = false;
}

double forecast_pv_w(const struct forecast *f, int64_t now_utc_ms, int64_t at_utc_ms)
{
	struct forecast_range r;

	forecast_pv(f, now_utc_ms, at_utc_ms, &r);
	return r.mid_w;
}

/* ---- how good it was ---- */

struct sums { double off, bias, came; int n; };

static void compare(struct sums *s, double forecast_w, double came_w)
{
	if (isnan(forecast_w) || isnan(came_w))
		return;
	s->off += fabs(forecast_w - came_w);
	s->bias += forecast_w - came_w;
	s->came += came_w;
	s->n++;
}

static void judge(const struct sums *s, double *pct, double *bias_pct)
{
	*pct = *bias_pct = NAN;
	if (s->n < FORECAST_DAY || s->came <= 0)
		return;
	*pct = 100 * s->off / s->came;
	*bias_pct = 100 * s->bias / s->came;
}

void forecast_error(const struct forecast *f, struct forecast_error *out)
{
	struct sums load = { 0 }, pv = { 0 };

	for (int64_t q = f->last - FORECAST_ERROR_DAYS * FORECAST_DAY + 1; f->last && q <= f->last; q++) {
		compare(&load, (double)f->ahead_load_w[forecast_ring(q, FORECAST_AHEAD_MAX)], forecast_past_load(f, q));
		compare(&pv, (double)f->ahead_pv_w[forecast_ring(q, FORECAST_AHEAD_MAX)], forecast_past_pv(f, q));
	}
	judge(&load, &out->load_pct, &out->load_bias_pct);
	judge(&pv, &out->pv_pct, &out->pv_bias_pct);
	out->compared_h = load.n / 4.0;
}
