/* The packed lines of history and daily sums, see recorder.h: a version, then numbers in whole steps, "-" = not known.
 *   history  "1 <duration_s> <measured_s> <mean W> <in> <out> <SoC>[ <home> <solar>[ <import> <export>]]"
 *           tenths of Wh and of percent; prices in 1/100000 per kWh: they are kept here because windows of [tariff] are kept nowhere
 *           else, and another configuration does not change what a past hour cost
 *   daily    "1 <measured_s> <in> <out>[ <home> <solar>]" */
#include "flow/history/recorder.h"

#include "core/price.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define VERSION "1"
#define NUMBER_MAX 1e13 /* in steps */
#define ROW_TEXT_MAX 160
#define PRICE_STEPS 1e5

/* A line being written or read. */
struct line {
	char text[ROW_TEXT_MAX];
	size_t n;
	const char *at;
};

static void put(struct line *l, double v, double steps)
{
	int n;

	if (l->n >= sizeof(l->text))
		return;
	if (isfinite(v))
		n = snprintf(l->text + l->n, sizeof(l->text) - l->n, " %lld",
			     llround(fmin(fmax(v * steps, -NUMBER_MAX), NUMBER_MAX)));
	else
		n = snprintf(l->text + l->n, sizeof(l->text) - l->n, " -");
	l->n += (size_t)n;
}

static int put_end(const struct line *l, char *out, size_t size)
{
	if (l->n >= sizeof(l->text) || l->n >= size)
		return -E2BIG;
	memcpy(out, l->text, l->n + 1);
	return (int)l->n;
}

static bool take(struct line *l, double min, double steps, double *out)
{
	const char *p = l->at;
	bool negative;
	int64_t n = 0;
	int digits = 0;

	if (*p++ != ' ')
		return false;
	if (p[0] == '-' && (p[1] == ' ' || !p[1])) {
		l->at = p + 1;
		*out = NAN;
		return true;
	}
	negative = *p == '-';
	p += negative;
	for (; *p >= '0' && *p <= '9' && digits < 15; p++, digits++)
		n = n * 10 + (*p - '0');
	if (!digits || (*p >= '0' && *p <= '9') || (double)n > NUMBER_MAX || (negative && min >= 0))
		return false;
	l->at = p;
	*out = (double)(negative ? -n : n) / steps;
	return true;
}

/* Numbers that are always there. */
static bool take_known(struct line *l, double steps, double *out)
{
	return take(l, 0, steps, out) && !isnan(*out);
}

static bool take_site(struct line *l, double *home_wh, double *solar_wh)
{
	*home_wh = *solar_wh = NAN;
	return !*l->at || (take(l, 0, 10, home_wh) && take(l, 0, 10, solar_wh));
}

static bool price_fits(double price)
{
	return !(fabs(price) > PRICE_ABS_MAX);
}

/* Older rows end before them. */
static bool take_prices(struct line *l, double *import_price, double *export_price)
{
	*import_price = *export_price = NAN;
	return !*l->at || (take(l, -NUMBER_MAX, PRICE_STEPS, import_price) && take(l, -NUMBER_MAX, PRICE_STEPS, export_price) && !*l->at &&
			   price_fits(*import_price) && price_fits(*export_price));
}

static bool begin(struct line *l, const char *packed)
{
	l->at = packed + 1;
	return packed[0] == VERSION[0];
}

int history_pack(const struct history_row *h, char *out, size_t size)
{
	const bool priced = !isnan(h->import_price) || !isnan(h->export_price);
	struct line l = { .text = VERSION, .n = 1 };

	put(&l, h->duration_s, 1);
	put(&l, h->measured_s, 1);
	put(&l, h->mean_w, 1);
	put(&l, h->in_wh, 10);
	put(&l, h->out_wh, 10);
	put(&l, h->soc_pct, 10);
	if (!isnan(h->home_wh) || !isnan(h->solar_wh) || priced) {
		put(&l, h->home_wh, 10);
		put(&l, h->solar_wh, 10);
	}
	if (priced) {
		put(&l, h->import_price, PRICE_STEPS);
		put(&l, h->export_price, PRICE_STEPS);
	}
	return put_end(&l, out, size);
}

int history_unpack(int64_t start_utc_ms, const char *packed, struct history_row *out)
{
	struct history_row h = { .start_utc_ms = start_utc_ms };
	double duration, measured;
	struct line l;

	if (!begin(&l, packed) || !take_known(&l, 1, &duration) || !take_known(&l, 1, &measured) ||
	    !take(&l, -NUMBER_MAX, 1, &h.mean_w) || !take_known(&l, 10, &h.in_wh) || !take_known(&l, 10, &h.out_wh) ||
	    !take(&l, 0, 10, &h.soc_pct) || !take_site(&l, &h.home_wh, &h.solar_wh) || !take_prices(&l, &h.import_price, &h.export_price))
		return -EINVAL;
	if (duration < 1 || duration > INT32_MAX || measured > INT32_MAX || h.soc_pct > 100)
		return -EINVAL;
	h.duration_s = (int32_t)duration;
	h.measured_s = (int32_t)measured;
	*out = h;
	return 0;
}

int daily_pack(const struct daily_row *d, char *out, size_t size)
{
	struct line l = { .text = VERSION, .n = 1 };

	put(&l, d->measured_s, 1);
	put(&l, d->in_wh, 10);
	put(&l, d->out_wh, 10);
	if (!isnan(d->home_wh) || !isnan(d->solar_wh)) {
		put(&l, d->home_wh, 10);
		put(&l, d->solar_wh, 10);
	}
	return put_end(&l, out, size);
}

int daily_unpack(const char *packed, struct daily_row *out)
{
	struct daily_row d;
	struct line l;

	if (!begin(&l, packed) || !take_known(&l, 1, &d.measured_s) || !take_known(&l, 10, &d.in_wh) ||
	    !take_known(&l, 10, &d.out_wh) || !take_site(&l, &d.home_wh, &d.solar_wh) || *l.at)
		return -EINVAL;
	*out = d;
	return 0;
}
