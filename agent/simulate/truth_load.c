/* The house's load: a base by time of day and season, days that differ, and appliances that come when they like. */
#include "simulate/chance.h"
#include "simulate/truth.h"

#include <math.h>

#define DAY_MS 86400000LL
#define APPLIANCES_SHARE 0.48 /* of a year's energy, at noise 1 */
#define DAY_KEEP 0.5          /* of a day's mood that is left the next day */
#define DAY_SPREAD 0.3
#define WANDER_KEEP 0.97      /* a minute */
#define WANDER_SHARE 0.15     /* of the base */
#define PI 3.14159265358979323846

/* Ordinary ones: power, minutes, times a day, about when. Together 4.5 kWh a day. */
static const struct appliance {
	double w, minutes, a_day, hour, spread_h;
} APPLIANCES[] = {
	{ 2200, 3, 5, 13, 5 },       /* kettle */
	{ 8000, 6, 1, 7.5, 1 },      /* electric shower */
	{ 2000, 45, 0.6, 18, 1 },    /* oven */
	{ 1500, 25, 0.9, 18.3, 1 },  /* hob */
	{ 1900, 25, 0.6, 11, 3.5 },  /* washing machine */
	{ 2300, 50, 0.3, 14, 3.5 },  /* dryer */
	{ 1900, 40, 0.6, 20.5, 1.5 } /* dishwasher */
};
#define KINDS (sizeof(APPLIANCES) / sizeof(APPLIANCES[0]))

static double bump(double hour, double centre, double width)
{
	double d = fabs(hour - centre);

	d = d > 12 ? 24 - d : d;
	return exp(-d * d / (2 * width * width));
}

/* Of the base, without unit. */
static double shape(double hour, bool weekend)
{
	double day = weekend ? 0.5 * bump(hour, 10, 2) + 0.3 * bump(hour, 14, 3) : 0.5 * bump(hour, 7.3, 1) + 0.1 * bump(hour, 13, 3);

	return 0.5 + day + 1.1 * bump(hour, 19.5, 2.2);
}

static double shape_mean(void)
{
	double sum = 0;

	for (int i = 0; i < 96; i++)
		sum += 5 * shape(i / 4.0, false) + 2 * shape(i / 4.0, true);
	return sum / (96 * 7);
}

static double season(int64_t utc_ms)
{
	return 1 + 0.15 * cos(2 * PI * (fmod((double)utc_ms / 86400e3, 365.2425) - 15) / 365.2425);
}

static double appliances_wh(void)
{
	double sum = 0;

	for (size_t i = 0; i < KINDS; i++)
		sum += APPLIANCES[i].w * APPLIANCES[i].minutes / 60 * APPLIANCES[i].a_day;
	return sum;
}

static void switch_on(struct truth *t, int64_t utc_ms, const struct appliance *a)
{
	for (int i = 0; i < (int)a->minutes; i++) {
		int64_t minute = (utc_ms - t->from_utc_ms) / TRUTH_MINUTE_MS + i;

		if (minute >= 0 && minute < t->n)
			t->load_w[minute] += (float)a->w;
	}
}

/* The base that wanders on from day to day. */
struct base {
	double w, noise, wander;
	struct chance chance;
};

static void base_of_day(const struct zone *z, struct truth *t, int64_t from_ms, int64_t to_ms, struct base *b)
{
	struct civil c;

	for (int64_t at = from_ms; at < to_ms; at += TRUTH_MINUTE_MS) {
		int64_t minute = (at - t->from_utc_ms) / TRUTH_MINUTE_MS;

		if (minute < 0 || minute >= t->n)
			continue;
		b->wander = WANDER_KEEP * b->wander + sqrt(1 - WANDER_KEEP * WANDER_KEEP) * chance_normal(&b->chance);
		calendar_local(z, at, &c);
		t->load_w[minute] += (float)(b->w * shape(c.hour + c.minute / 60.0, c.weekday == 0 || c.weekday == 6) *
					     fmax(0.2, 1 + b->noise * WANDER_SHARE * b->wander));
	}
}

void truth_make_load(const struct scenario *s, const struct zone *z, struct truth *t)
{
	const double share = fmin(APPLIANCES_SHARE * s->load.noise, 0.8), day_wh = s->load.annual_kwh * 1e3 / 365.2425;
	const double base_w = day_wh * (1 - share) / 24 / shape_mean(), often = day_wh * share / appliances_wh();
	struct chance days = chance_make(s->seed, CHANCE_DAYS), appliances = chance_make(s->seed, CHANCE_APPLIANCES);
	struct base base = { .noise = s->load.noise, .chance = chance_make(s->seed, CHANCE_LOAD) };
	const int64_t end = t->from_utc_ms + (int64_t)t->n * TRUTH_MINUTE_MS;
	double mood = 0;

	for (int64_t day = t->from_utc_ms; day < end;) {
		int64_t next = calendar_day_start(z, day + DAY_MS + DAY_MS / 4);
		double spread = DAY_SPREAD * s->load.noise, factor;

		mood = DAY_KEEP * mood + sqrt(1 - DAY_KEEP * DAY_KEEP) * chance_normal(&days);
		factor = season(day) * exp(spread * mood - spread * spread / 2);
		base.w = base_w * factor;
		base_of_day(z, t, day, next, &base);
		for (size_t i = 0; i < KINDS; i++) {
			int n = chance_poisson(&appliances, APPLIANCES[i].a_day * often * factor);

			for (; n > 0; n--) {
				double hour = APPLIANCES[i].hour + APPLIANCES[i].spread_h * chance_normal(&appliances);

				switch_on(t, day + (int64_t)(fmin(fmax(hour, 0), 23.9) * 3.6e6), &APPLIANCES[i]);
			}
		}
		day = next;
	}
}
