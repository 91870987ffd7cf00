/* See forecast.h. */
#include "policies/planner/forecast.h"

#include <math.h>
#include <string.h>

#define BIN_MS 1800000
#define LOAD_COLD_W 350.0
#define SMOOTH_MS 120000.0
#define GAP_MS 600000     /* after such a silence the present is unknown until the next reading */
#define NEW_DAY_SHARE 0.3 /* of the newest day in a bin's mean, once three are in */
#define FADE_LOAD_H 1.0   /* how long a load unlike the usual lasts */
#define FADE_PV_H 4.0     /* how long a sky unlike the usual lasts */
#define PV_MIN_W 50.0     /* below it the ratio of now to usual says nothing */
#define CLOUDS 0.6        /* share of the clear sky to count on when nothing is known */
#define PI 3.14159265358979323846

void forecast_init(struct forecast *f)
{
	memset(f, 0, sizeof(*f));
	f->load_meter.now_w = f->pv_meter.now_w = NAN;
}

static int bin_at(const struct zone *z, int64_t utc_ms)
{
	struct civil c;

	calendar_local(z, utc_ms, &c);
	return (c.hour * 60 + c.minute) / 30 % FORECAST_BINS;
}

static void bin_learn(struct forecast_bin *b, double mean_w)
{
	double share = b->days < 3 ? 1.0 / (b->days + 1) : NEW_DAY_SHARE;

	b->mean_w += (float)(share * (mean_w - (double)b->mean_w));
	b->days++;
}

static void meter_take(struct forecast_meter *m, double w, double dt_ms)
{
	if (!isfinite(w))
		return;
	m->sum += w;
	m->n += 1;
	m->now_w = isnan(m->now_w) ? w : m->now_w + (w - m->now_w) * (1 - exp(-dt_ms / SMOOTH_MS));
}

static void meter_end(struct forecast_meter *m, struct forecast_bin *b)
{
	if (m->n > 0)
		bin_learn(b, m->sum / m->n);
	m->sum = m->n = 0;
}

void forecast_observe(struct forecast *f, const struct zone *z, int64_t utc_ms, double load_w, double pv_w)
{
	int64_t bin = utc_ms / BIN_MS;
	double dt = (double)(utc_ms - f->seen_utc_ms);

	if (f->seen_utc_ms != 0 && (dt < 0 || dt > GAP_MS)) { /* a clock that stepped, or a long silence */
		f->load_meter = f->pv_meter = (struct forecast_meter){ NAN, 0, 0 };
	} else if (f->seen_utc_ms != 0 && bin != f->bin) {
		int b = bin_at(z, f->bin * BIN_MS + BIN_MS / 2);

		meter_end(&f->load_meter, &f->load[b]);
		meter_end(&f->pv_meter, &f->pv[b]);
	}
	f->bin = bin;
	f->seen_utc_ms = utc_ms;
	meter_take(&f->load_meter, load_w, dt);
	meter_take(&f->pv_meter, pv_w, dt);
}

/* What is usual at that time of day: its own bin, else the mean of those known. */
static bool usual(const struct forecast_bin *bins, int b, double *w)
{
	double sum = 0;
	int n = 0;

	if (bins[b].days) {
		*w = (double)bins[b].mean_w;
		return true;
	}
	for (int i = 0; i < FORECAST_BINS; i++) {
		if (bins[i].days) {
			sum += (double)bins[i].mean_w;
			n++;
		}
	}
	*w = n ? sum / n : 0;
	return n >= FORECAST_BINS / 2;
}

static double load_usual(const struct forecast *f, int b)
{
	double w;

	return usual(f->load, b, &w) ? w : LOAD_COLD_W;
}

double forecast_load_w(const struct forecast *f, const struct zone *z, int64_t now_utc_ms, int64_t at_utc_ms)
{
	double w = load_usual(f, bin_at(z, at_utc_ms)), hours = fmax(0, (double)(at_utc_ms - now_utc_ms) / 3.6e6);

	if (!isnan(f->load_meter.now_w))
		w += (f->load_meter.now_w - load_usual(f, bin_at(z, now_utc_ms))) * exp(-hours / FADE_LOAD_H);
	return w;
}

double forecast_clear_sky(double latitude, double longitude, int64_t utc_ms)
{
	double days = (double)utc_ms / 86400e3, day = fmod(days, 365.2425), hour = (days - floor(days)) * 24;
	double g = 2 * PI * day / 365.2425;
	double declination = 0.006918 - 0.399912 * cos(g) + 0.070257 * sin(g) - 0.006758 * cos(2 * g) +
			     0.000907 * sin(2 * g) - 0.002697 * cos(3 * g) + 0.00148 * sin(3 * g);
	double equation_min =
		229.18 * (0.000075 + 0.001868 * cos(g) - 0.032077 * sin(g) - 0.014615 * cos(2 * g) - 0.040849 * sin(2 * g));
	double angle = (hour + longitude / 15 + equation_min / 60 - 12) * PI / 12, phi = latitude * PI / 180;
	double cos_zenith = sin(phi) * sin(declination) + cos(phi) * cos(declination) * cos(angle);

	return cos_zenith > 0.01 ? 1098 * cos_zenith * exp(-0.057 / cos_zenith) : 0;
}

static double pv_usual(const struct forecast *f, const struct zone *z, const struct forecast_site *site, int64_t utc_ms)
{
	const struct forecast_bin *b = &f->pv[bin_at(z, utc_ms)];

	if (b->days)
		return (double)b->mean_w;
	if (!(site->peak_w > 0) || isnan(site->latitude) || isnan(site->longitude))
		return 0;
	return CLOUDS * site->peak_w / 1000 * forecast_clear_sky(site->latitude, site->longitude, utc_ms);
}

double forecast_pv_w(const struct forecast *f, const struct zone *z, const struct forecast_site *site, int64_t now_utc_ms,
		     int64_t at_utc_ms)
{
	double w = pv_usual(f, z, site, at_utc_ms), now_usual = pv_usual(f, z, site, now_utc_ms);
	double hours = fmax(0, (double)(at_utc_ms - now_utc_ms) / 3.6e6), ratio;

	if (isnan(f->pv_meter.now_w) || now_usual < PV_MIN_W)
		return fmax(0, w);
	ratio = fmin(fmax(f->pv_meter.now_w / now_usual, 0), 2);
	return fmax(0, w * (1 + (ratio - 1) * exp(-hours / FADE_PV_H)));
}
