/* See bill.h. */
#include "core/bill.h"

#include <math.h>

#define WH_PER_KWH 1000.
#define APART_S 1.     /* interval sums begin and end at readings, not all at the same moment */
#define APART_SHARE 0.01

static double known_or_zero(double v)
{
	return isnan(v) ? 0 : v;
}

/* The two cover the same time. */
static bool together(double a_s, double b_s)
{
	return fabs(a_s - b_s) <= APART_S + APART_SHARE * fmax(a_s, b_s);
}

bool bill_add(struct bill *b, const struct bill_interval *i)
{
	const double export_price = known_or_zero(i->export_price), net_wh = i->home_wh - i->solar_wh;
	const double both_wh = fmin(i->import_wh, i->export_wh); /* clouds and kettles within it: no battery's doing */

	if (!(i->measured_s > 0) || i->measured_s > i->duration_s + APART_S || isnan(i->import_price) || !isfinite(net_wh) ||
	    !isfinite(i->import_wh) || !isfinite(i->export_wh) || !together(i->measured_s, i->home_s) || !together(i->measured_s, i->solar_s))
		return false;
	b->measured_s += i->measured_s;
	b->curtailed_s += fmin(i->curtailed_s, i->measured_s);
	b->import_wh += i->import_wh;
	b->export_wh += i->export_wh;
	b->paid += (i->import_wh * i->import_price - i->export_wh * export_price) / WH_PER_KWH;
	if (i->battery)
		b->bare += (net_wh * (net_wh > 0 ? i->import_price : export_price) + both_wh * (i->import_price - export_price)) / WH_PER_KWH;
	else
		b->bare += (i->import_wh * i->import_price - i->export_wh * export_price) / WH_PER_KWH;
	b->stored_wh += known_or_zero(i->stored_wh);
	b->price_s += i->import_price * i->measured_s;
	if (isnan(i->export_price))
		b->unpriced_wh += fmax(i->export_wh, i->battery ? -net_wh : 0);
	return true;
}

double bill_stored_value(const struct bill *b)
{
	return b->measured_s > 0 ? b->stored_wh * b->price_s / b->measured_s / WH_PER_KWH : 0;
}

void bill_sum(struct bill *to, const struct bill *more)
{
	to->measured_s += more->measured_s;
	to->curtailed_s += more->curtailed_s;
	to->import_wh += more->import_wh;
	to->export_wh += more->export_wh;
	to->paid += more->paid;
	to->bare += more->bare;
	to->stored_wh += more->stored_wh;
	to->price_s += more->price_s;
	to->unpriced_wh += more->unpriced_wh;
}

double bill_price(const struct price_series *p, int64_t from_utc_ms, int64_t to_utc_ms)
{
	double weighted = 0;
	int64_t at = from_utc_ms;

	for (int i = 0; i < p->n && at < to_utc_ms; i++) {
		const struct price_segment *s = &p->s[i];
		const int64_t end = s->to_utc_ms < to_utc_ms ? s->to_utc_ms : to_utc_ms;

		if (s->to_utc_ms <= at)
			continue;
		if (s->from_utc_ms > at || s->confidence <= PRICE_LAST_KNOWN_CONFIDENCE)
			return NAN;
		weighted += s->value * (double)(end - at);
		at = end;
	}
	return at < to_utc_ms || to_utc_ms <= from_utc_ms ? NAN : weighted / (double)(to_utc_ms - from_utc_ms);
}
