/* See analog.h. */
#include "policies/forecast/analog.h"

#include <math.h>

#define DAYS 28
#define FADE 0.97           /* of a past's weight for each day it is older */
#define NEXT_DAY 0.4        /* how much of what is unlike the usual is left the day after */
#define SAME_DAY_LOAD 0.6   /* and in the rest of the day */
#define SAME_DAY_SUN 0.8
#define SO_FAR_LOAD 0.25    /* share of a day after which it tells as much of its rest as the day before does */
#define SO_FAR_SUN 0.15
#define LOAD_LEAST 0.2      /* no day draws less than so much of another */
#define SUN_LEAST 0.03      /* of the most: the darkest day */
#define FACTOR_MOST 5.0
#define SEASON_MOST 2.0     /* times the sun of four weeks before at the same time: at dawn the clear sky's ratio says nothing */
#define ENOUGH_DAYS 7       /* fewer are helped by what is thought of days */
#define THOUGHT 9

/* The quarter hour at the same time so many days ago, or the newest such one that is over. */
static int64_t past_quarter(const struct forecast *f, int64_t quarter, int back_days)
{
	int64_t q = quarter - (int64_t)back_days * FORECAST_DAY;

	while (q > f->last)
		q -= FORECAST_DAY;
	return q;
}

/* A part of a day: load over the usual load, sun over a clear sky; NAN = most of it is not known, or there is none. */
struct part { double load, sun; };

/* [@from, @to) so many days ago. */
static struct part part_of(const struct forecast *f, const struct zone *z, int64_t from, int64_t to, int back_days)
{
	double load = 0, usual = 0, sun = 0, clear = 0;
	int64_t n_load = 0, n_sun = 0, least = (to - from) * 3 / 4;

	for (int64_t i = from; i < to; i++) {
		const int64_t q = past_quarter(f, i, back_days);
		const double w = forecast_past_load(f, q), pv = forecast_plausible_pv(f, q);

		if (!isnan(w)) {
			load += w;
			usual += (double)forecast_usual(f, z, q * FORECAST_QUARTER_MS)->mid;
			n_load++;
		}
		if (!isnan(pv)) {
			sun += pv;
			clear += (double)f->clear_w[forecast_ring(q, FORECAST_PV_MAX)];
			n_sun++;
		}
	}
	return (struct part){ n_load >= least && usual > 0 ? load / usual : NAN, n_sun >= least && clear > 0 ? sun / clear : NAN };
}

/* Where the present stands. */
struct present {
	int64_t today, now, tomorrow;      /* quarter hours: this local day's first, the one that runs, the next day's first */
	struct part yesterday, so_far;
	struct part told;                  /* how much of what can be known of today so_far tells, 0..1 */
	double sun_most;                   /* of a clear sky: the most a day of these weeks had */
};

static void present_make(const struct forecast *f, const struct zone *z, struct present *p)
{
	const int64_t now = f->last + 1, now_ms = now * FORECAST_QUARTER_MS;
	double usual[2] = { 0, 1e-9 }, clear[2] = { 0, 1e-9 }; /* so far, the rest */
	struct civil c;

	calendar_local(z, now_ms, &c);
	p->now = now;
	p->today = now - (c.hour * 60 + c.minute) / 15;
	p->tomorrow = calendar_next_minute(z, now_ms + 1, 0) / FORECAST_QUARTER_MS;
	for (int64_t q = p->today; q < p->tomorrow; q++) {
		usual[q >= now] += fmax(0, (double)forecast_usual(f, z, q * FORECAST_QUARTER_MS)->mid);
		clear[q >= now] += forecast_clear_w(&f->site, q * FORECAST_QUARTER_MS + FORECAST_QUARTER_MS / 2);
	}
	p->told.load = usual[0] / (usual[0] + SO_FAR_LOAD * (usual[0] + usual[1]));
	p->told.sun = clear[0] / (clear[0] + SO_FAR_SUN * (clear[0] + clear[1]));
	p->yesterday = part_of(f, z, p->today - FORECAST_DAY, p->today, 0);
	p->so_far = part_of(f, z, p->today, now, 0);
	p->sun_most = 0;
	for (int back = 0; back < DAYS; back++)
		p->sun_most = fmax(p->sun_most, part_of(f, z, p->today - FORECAST_DAY, p->today, back).sun); /* NAN loses */
}

static double known_or_0(double x)
{
	return isnan(x) ? 0 : x;
}

/* How far our days are above those of that past, as it reaches into each span. */
static void shifts(double so_far, double yesterday, double told, double same_day, double out[SPAN_COUNT])
{
	const double level = told * known_or_0(so_far), before = (1 - told) * NEXT_DAY * known_or_0(yesterday);

	out[SPAN_TODAY] = same_day * level + before;
	out[SPAN_TOMORROW] = NEXT_DAY * (level + before);
	out[SPAN_LATER] = NEXT_DAY * out[SPAN_TOMORROW];
}

/* Is most of the load or of the sun of the day that followed known? */
static bool known_day(const struct forecast *f, int64_t now, int back)
{
	int n_load = 0, n_sun = 0;

	for (int64_t i = now; i < now + FORECAST_DAY; i++) {
		const int64_t q = past_quarter(f, i, back);

		n_load += !isnan(forecast_past_load(f, q));
		n_sun += !isnan(forecast_past_pv(f, q));
	}
	return n_load >= FORECAST_DAY * 3 / 4 || n_sun >= FORECAST_DAY * 3 / 4;
}

static void analog_make(const struct forecast *f, const struct zone *z, const struct present *p, int back, struct forecast_analog *out)
{
	const int64_t span[SPAN_COUNT + 1] = { p->now, p->tomorrow, p->tomorrow + FORECAST_DAY, p->tomorrow + 2 * FORECAST_DAY };
	const struct part yesterday = part_of(f, z, p->today - FORECAST_DAY, p->today, back), so_far = part_of(f, z, p->today, p->now, back);
	double load[SPAN_COUNT], sun[SPAN_COUNT];

	*out = (struct forecast_analog){ .back_days = back, .weight = pow(FADE, back), .tomorrow = p->tomorrow };
	shifts(p->so_far.load - so_far.load, p->yesterday.load - yesterday.load, p->told.load, SAME_DAY_LOAD, load);
	shifts(p->so_far.sun - so_far.sun, p->yesterday.sun - yesterday.sun, p->told.sun, SAME_DAY_SUN, sun);
	for (int i = 0; i < SPAN_COUNT; i++) {
		const struct part came = part_of(f, z, span[i], span[i + 1], back);
		const double most = fmax(p->sun_most, came.sun); /* no whole day may be known yet; NAN loses */

		out->load_factor[i] = came.load > 0 ? fmin(fmax((came.load + load[i]) / came.load, LOAD_LEAST), FACTOR_MOST) : 1;
		out->sun_factor[i] = came.sun > 0 ? fmin(fmin(fmax(came.sun + sun[i], SUN_LEAST * most), most) / came.sun, FACTOR_MOST) : 1;
	}
}

/* What is thought of days before any were seen: pairs, that share @weight. */
static int thought_days(double weight, struct forecast_analog *out)
{
	static const double LOAD[3] = { 0.75, 1, 1.3 }, SUN[3] = { 0.3, 1, 1.5 };

	for (int i = 0; i < THOUGHT; i++) {
		out[i] = (struct forecast_analog){ .weight = weight / THOUGHT };
		for (int s = 0; s < SPAN_COUNT; s++) {
			out[i].load_factor[s] = LOAD[i / 3];
			out[i].sun_factor[s] = SUN[i % 3];
		}
	}
	return THOUGHT;
}

int forecast_analogs(const struct forecast *f, const struct zone *z, struct forecast_analog out[FORECAST_ANALOGS_MAX])
{
	struct present present;
	int n = 0;

	present_make(f, z, &present);
	for (int back = 1; back <= DAYS; back++)
		if (known_day(f, present.now, back))
			analog_make(f, z, &present, back, &out[n++]);
	return n < ENOUGH_DAYS ? n + thought_days(ENOUGH_DAYS - n, out + n) : n;
}

/* People live by the clock on the wall. */
static double load_then(const struct forecast *f, const struct zone *z, int64_t quarter, int back_days)
{
	const int64_t at = quarter * FORECAST_QUARTER_MS;
	const double usual = (double)forecast_usual(f, z, at)->mid;
	int64_t then = past_quarter(f, quarter, back_days) * FORECAST_QUARTER_MS;
	double w;

	then += (calendar_offset_s(z, at) - calendar_offset_s(z, then)) * 1000LL;
	then = past_quarter(f, then / FORECAST_QUARTER_MS, 0) * FORECAST_QUARTER_MS;
	w = forecast_past_load(f, then / FORECAST_QUARTER_MS);
	if (isnan(w))
		return NAN;
	w += usual - (double)forecast_usual(f, z, then)->mid;
	return usual >= 0 ? fmax(0, w) : w;
}

static double sun_then(const struct forecast *f, int64_t quarter, int back_days, double clear_w)
{
	const int64_t then = past_quarter(f, quarter, back_days);
	const double clear_then = (double)f->clear_w[forecast_ring(then, FORECAST_PV_MAX)], w = forecast_plausible_pv(f, then);

	return w * (clear_then > 0 ? fmin(clear_w / clear_then, SEASON_MOST) : 1);
}

void forecast_analog_fill(const struct forecast *f, const struct zone *z, const struct forecast_analog *a, struct forecast_ahead *x)
{
	const int64_t now = (f->last + 1) * FORECAST_QUARTER_MS;

	for (int i = 0; i < x->n; i++) {
		const int64_t q = x->first + i, middle = q * FORECAST_QUARTER_MS + FORECAST_QUARTER_MS / 2;
		const enum forecast_span span = q < a->tomorrow ? SPAN_TODAY : q < a->tomorrow + FORECAST_DAY ? SPAN_TOMORROW : SPAN_LATER;

		x->load_w[i] = a->load_factor[span] * (a->back_days ? load_then(f, z, q, a->back_days) : forecast_load_w(f, z, now, middle));
		x->pv_w[i] = a->sun_factor[span] * (a->back_days ? sun_then(f, q, a->back_days, x->clear_w[i]) : forecast_pv_w(f, now, middle));
		if (!isnan(x->pv_w[i]))
			x->pv_w[i] = forecast_most_w(f, x->pv_w[i]);
	}
}
