/* See forecast_year.h. Load: a fridge and standby; people who rise, cook, wash and watch at times and with a will that differ by
 * the day; a level that wanders over weeks and with the season; kettles. Sun: clear sky on the real roof, a tree in the
 * afternoon, cloud cover that remembers yesterday (first-order) and flickers within the day. */
#include "support/forecast_year.h"

#include <math.h>
#include <string.h>

struct dice { uint64_t s; };

static double roll(struct dice *d)
{
	d->s ^= d->s << 13;
	d->s ^= d->s >> 7;
	d->s ^= d->s << 17;
	return (double)(d->s >> 11) / 9007199254740992.0;
}

static double normal(struct dice *d)
{
	return sqrt(-2 * log(roll(d) + 1e-12)) * cos(6.283185307 * roll(d));
}

/* What one day is like. */
struct day { double rise_h, cook_h, cook_w, wash_h, wash_w, sleep_h, dish_h, level, cloud; bool home; };

static void day_make(struct dice *d, const struct day *before, bool weekend, bool away, struct day *out)
{
	out->rise_h = (weekend ? 8.5 : 6.6) + normal(d) * (weekend ? 0.8 : 0.35);
	out->cook_h = 18.4 + normal(d) * 0.7;
	out->cook_w = roll(d) < 0.8 ? 1200 + 900 * roll(d) : 150;
	out->wash_h = (weekend ? 11 : 17) + normal(d) * 2;
	out->wash_w = roll(d) < (weekend ? 0.6 : 0.3) ? 900 : 0;
	out->dish_h = 20 + normal(d) * 0.8;
	out->sleep_h = 23 + normal(d) * 0.5;
	out->home = weekend ? roll(d) < 0.75 : roll(d) < 0.25;
	out->level = 0.85 * before->level + 0.12 * normal(d);
	out->cloud = 0.6 * before->cloud + 0.8 * normal(d);
	if (away)
		out->cook_w = out->wash_w = 0;
}

static double during(double h, double from_h, double hours)
{
	return h >= from_h && h < from_h + hours;
}

static double load_at(struct dice *d, const struct day *day, double h, double season, bool away)
{
	double w = 130 + 60 * (roll(d) < 0.4), people = 0;

	if (away)
		return w;
	people += 180 * during(h, day->rise_h, day->home ? day->sleep_h - day->rise_h : 1.6);
	people += 220 * (1 + 0.5 * season) * during(h, day->home ? 9 : 16.8, day->sleep_h - (day->home ? 9 : 16.8));
	people += day->cook_w * during(h, day->cook_h, 0.75) + 0.5 * day->cook_w * day->home * during(h, 12.2, 0.4);
	people += day->wash_w * during(h, day->wash_h, 1.3) + 700 * during(h, day->dish_h, 1) * (day->cook_w > 200);
	if (people > 100 && roll(d) < 0.12)
		people += 300 + 500 * roll(d); /* kettle, iron, hair dryer: of a quarter hour */
	return w + people * exp(day->level) * (1 + 0.25 * season) + 25 * fabs(normal(d));
}

/* Cloud state to clearness: bright days are common, dark ones dark. */
static double clearness(double state)
{
	return 0.12 + 0.88 / (1 + exp(-(1.6 * state + 0.5)));
}

void forecast_year_make(struct forecast_year *y, const struct forecast_year_options *o)
{
	struct dice d = { o->seed * 2654435761u + 88172645463325252ull };
	struct day day = { .level = 0, .cloud = 0 }, next;
	double flicker = 0;
	int date = -1, days = 0;

	y->start_utc_ms = o->start_utc_ms;
	for (int i = 0; i < YEAR_QUARTERS; i++) {
		const int64_t at = o->start_utc_ms + i * 900000LL + 450000;
		struct civil c;
		bool away = days > o->holiday_from && days <= o->holiday_from + o->holiday_days;
		double h, season, clear;

		calendar_local(o->zone, at, &c);
		h = c.hour + c.minute / 60.0;
		if (c.day != date) {
			date = c.day;
			days++;
			day_make(&d, &day, c.weekday == 0 || c.weekday == 6, away, &next);
			day = next;
		}
		season = cos(6.2831853 * ((c.month - 1) * 30.4 + c.day - 10) / 365.2);
		y->load_w[i] = (float)load_at(&d, &day, h, season, away);
		flicker = 0.8 * flicker + 0.5 * normal(&d);
		clear = forecast_clear_w(&o->roof, at);
		if (h > 16.5 && h < 18) /* the tree */
			clear *= 0.45;
		y->pv_w[i] = (float)fmin(0.86 * clear * clearness(day.cloud + flicker * 0.7), o->roof.max_w > 0 ? o->roof.max_w : 1e9);
	}
}
