/* See price.h. */
#include "core/price.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MIN 1440
#define MINUTE_MS 60000

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* A plain decimal number: strtod alone would take "nan", "inf" and hex too. */
static const char *take_price(const char *p, double *out)
{
	const size_t n = strspn(p, "+-.0123456789");
	char text[32], *end;

	if (n == 0 || n >= sizeof(text))
		return NULL;
	memcpy(text, p, n);
	text[n] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && isfinite(*out) ? p + n : NULL;
}

/* "07:30" up to "24:00", as minutes of the day. */
static const char *take_clock(const char *p, int *minutes)
{
	for (int i = 0; i < 5; i++)
		if (i == 2 ? p[i] != ':' : !isdigit((unsigned char)p[i]))
			return NULL;
	*minutes = ((p[0] - '0') * 10 + p[1] - '0') * 60 + (p[3] - '0') * 10 + p[4] - '0';
	return *minutes <= DAY_MIN && p[3] < '6' ? p + 5 : NULL;
}

static int price_check(double price, struct errbuf *err)
{
	if (fabs(price) > PRICE_ABS_MAX)
		return errbuf_set(err, -ERANGE, "price %g is outside -%g..%g per kWh", price, PRICE_ABS_MAX, PRICE_ABS_MAX);
	return 0;
}

/* One "HH:MM-HH:MM price" that must begin where the last one ended. */
static const char *take_window(const char *p, struct tariff_windows *t, struct errbuf *err)
{
	const int expected = t->n ? t->w[t->n - 1].to_min : 0;
	const char *start = p;
	int from, to;
	double price;

	p = take_clock(p, &from);
	p = p ? skip_space(p) : NULL;
	p = p && *p == '-' ? take_clock(skip_space(p + 1), &to) : NULL;
	p = p && (*p == ' ' || *p == '\t') ? take_price(skip_space(p), &price) : NULL;
	if (!p) {
		errbuf_set(err, -EINVAL, "'%.30s' is not a window like 07:00-16:00 0.28", start);
		return NULL;
	}
	if (to == 0)
		to = DAY_MIN; /* 00:00 ends the day as 24:00 does */
	if (from != expected) {
		errbuf_set(err, -EINVAL, "%s between %02d:%02d and %02d:%02d; windows cover the day once, in order",
			   from > expected ? "gap" : "overlap", (from > expected ? expected : from) / 60,
			   (from > expected ? expected : from) % 60, (from > expected ? from : expected) / 60,
			   (from > expected ? from : expected) % 60);
		return NULL;
	}
	if (to <= from) {
		errbuf_set(err, -EINVAL, "'%.30s' ends before it starts; a night is two windows, split at 00:00", start);
		return NULL;
	}
	if (t->n == TARIFF_WINDOWS_MAX) {
		errbuf_set(err, -EINVAL, "more than %d windows", TARIFF_WINDOWS_MAX);
		return NULL;
	}
	if (price_check(price, err) < 0)
		return NULL;
	t->w[t->n].from_min = from;
	t->w[t->n].to_min = to;
	t->w[t->n++].price = price;
	return skip_space(p);
}

int tariff_parse(const char *text, struct tariff_windows *out, struct errbuf *err)
{
	struct tariff_windows t = { 0 };
	const char *p = skip_space(text), *end;
	double flat;

	end = take_price(p, &flat);
	if (end && *skip_space(end) == '\0') {
		if (price_check(flat, err) < 0)
			return -ERANGE;
		t.n = 1;
		t.w[0].to_min = DAY_MIN;
		t.w[0].price = flat;
		*out = t;
		return 0;
	}
	for (;;) {
		p = take_window(p, &t, err);
		if (!p)
			return -EINVAL;
		if (*p == '\0')
			break;
		if (*p != ',')
			return errbuf_set(err, -EINVAL, "'%.20s': windows are separated by commas", p);
		p = skip_space(p + 1);
	}
	if (t.w[t.n - 1].to_min != DAY_MIN)
		return errbuf_set(err, -EINVAL, "gap between %02d:%02d and 24:00; windows cover the day once, in order",
				  t.w[t.n - 1].to_min / 60, t.w[t.n - 1].to_min % 60);
	*out = t;
	return 0;
}

static int window_at(const struct tariff_windows *t, int minute)
{
	int i = 0;

	while (i + 1 < t->n && t->w[i].to_min <= minute)
		i++;
	return i;
}

void tariff_expand(const struct tariff_windows *t, const struct zone *z, int64_t from_utc_ms, int64_t to_utc_ms,
		   struct price_series *out)
{
	snprintf(out->source, sizeof(out->source), "tariff");
	snprintf(out->timezone, sizeof(out->timezone), "%s", z && z->name[0] ? z->name : "UTC");
	out->n = 0;
	if (t->n == 0)
		return;
	for (int64_t at = from_utc_ms; at < to_utc_ms;) {
		const int64_t local_ms = at + (int64_t)calendar_offset_s(z, at) * 1000;
		const int64_t of_day = ((local_ms % 86400000) + 86400000) % 86400000;
		const int i = window_at(t, (int)(of_day / MINUTE_MS));
		const int64_t change = calendar_next_change(z, at);
		int64_t end = at + ((int64_t)t->w[i].to_min * MINUTE_MS - of_day);

		/* at a change of the clock the same window may go on or another begin: look again there */
		if (end > change)
			end = change;
		if (end > to_utc_ms)
			end = to_utc_ms;
		if (out->n && out->s[out->n - 1].value == t->w[i].price) {
			out->s[out->n - 1].to_utc_ms = end;
		} else if (out->n < PRICE_SEGMENTS_MAX) {
			out->s[out->n++] = (struct price_segment){ at, end, t->w[i].price, 1. };
		} else {
			return; /* full: what is behind stays unknown */
		}
		at = end;
	}
}

double price_at(const struct price_series *p, int64_t utc_ms, int64_t *until_utc_ms)
{
	int low = 0, high = p->n;

	while (low < high) { /* the first segment that ends behind the instant */
		const int mid = (low + high) / 2;

		if (p->s[mid].to_utc_ms <= utc_ms)
			low = mid + 1;
		else
			high = mid;
	}
	if (low >= p->n || p->s[low].from_utc_ms > utc_ms)
		return NAN;
	if (until_utc_ms)
		*until_utc_ms = p->s[low].to_utc_ms;
	return p->s[low].value;
}
