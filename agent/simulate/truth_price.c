/* Prices: local windows, half hours as given, or a market with seasons, a daily shape, and winds that blow it below zero. */
#include "simulate/chance.h"
#include "simulate/truth.h"

#include <math.h>

#define PI 3.14159265358979323846
#define HALF_HOUR_MIN 30
#define WIND_KEEP 0.973 /* a half hour: 18 hours */

static double windows_at(const struct tariff_windows *w, int minute)
{
	for (int i = 0; i < w->n; i++)
		if (minute >= w->w[i].from_min && minute < w->w[i].to_min)
			return w->w[i].price;
	return 0;
}

static double bump(double hour, double centre, double width)
{
	double d = fabs(hour - centre);

	d = d > 12 ? 24 - d : d;
	return exp(-d * d / (2 * width * width));
}

/* Share of the mean by local hour; @summer 0..1 digs the noon of many solar roofs. */
static double shape(double hour, double summer)
{
	return -0.35 * bump(hour, 3.5, 2.5) + 0.12 * bump(hour, 8, 1.3) - 0.35 * summer * bump(hour, 13, 2.2) + 0.5 * bump(hour, 18, 1.7);
}

static double market_at(const struct scenario_market *m, const struct civil *c, int64_t utc_ms, double wind)
{
	const double hour = c->hour + (c->minute >= HALF_HOUR_MIN ? 0.5 : 0), year = 2 * PI * (fmod((double)utc_ms / 86400e3, 365.2425) - 20) / 365.2425;
	const double summer = 0.5 - 0.5 * cos(year);
	const double wholesale = m->mean * (1 + m->winter * cos(year) + shape(hour, summer) + m->volatility * wind);
	const double price = m->factor * wholesale + m->add + (hour >= 16 && hour < 19 ? m->peak_add : 0);
	return fmin(m->cap, round(price * 1e4) / 1e4);
}

static double price_of(const struct scenario_tariff *p, const struct truth *t, const struct civil *c, int64_t utc_ms, double wind)
{
	int64_t half;

	switch (p->kind) {
	case PRICE_WINDOWS:
		return windows_at(&p->windows, c->hour * 60 + c->minute);
	case PRICE_MARKET:
		return market_at(&p->market, c, utc_ms, wind);
	case PRICE_VALUES:
		half = (utc_ms - t->start_utc_ms) / (HALF_HOUR_MIN * TRUTH_MINUTE_MS) % p->n_values;
		return (double)p->value[half < 0 ? half + p->n_values : half];
	}
	return 0;
}

void truth_make_prices(const struct scenario *s, const struct zone *z, struct truth *t)
{
	struct chance chance = chance_make(s->seed, CHANCE_MARKET);
	double slow = 0, wind = 0;
	struct civil c;

	for (int i = 0; i < t->n; i++) {
		int64_t utc_ms = t->from_utc_ms + (int64_t)i * TRUTH_MINUTE_MS;

		if (i % HALF_HOUR_MIN == 0) { /* one wind for both directions */
			slow = WIND_KEEP * slow + sqrt(1 - WIND_KEEP * WIND_KEEP) * chance_normal(&chance);
			wind = slow + 0.15 * chance_normal(&chance);
		}
		calendar_local(z, utc_ms, &c);
		t->import_price[i] = price_of(&s->import, t, &c, utc_ms, wind);
		t->export_price[i] = price_of(&s->export, t, &c, utc_ms, wind);
	}
}
