/* Prices over time, whoever made them: local windows, FlatPeak, last week. Gaps are unknown, never 0. Windows are in price.c;
 * what joins, cuts and composes series is in price_series.c. */
#ifndef HEARTH_CORE_PRICE_H
#define HEARTH_CORE_PRICE_H

#include "core/calendar.h"
#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TARIFF_WINDOWS_MAX 48
#define PRICE_SEGMENTS_MAX 1536

/* Local wall-clock windows that cover the day; a flat price is one window 0..1440. */
struct tariff_windows {
	int n;
	struct { int from_min, to_min; double price; } w[TARIFF_WINDOWS_MAX]; /* price per kWh, ascending, no gap */
};

#define PRICE_ABS_MAX 1000. /* per kWh, in any currency; beyond it somebody wrote per MWh */

struct price_segment { int64_t from_utc_ms, to_utc_ms; double value, confidence; };

struct price_series {
	char currency[4], timezone[48], source[16]; /* source: "tariff", "flatpeak", "pushed", "last_known", "none" */
	int n;
	struct price_segment s[PRICE_SEGMENTS_MAX]; /* ascending, not overlapping, per kWh */
};

/** "0.15" or "00:00-07:00 0.09, 07:00-00:00 0.28"; windows must cover the day exactly once, in order. */
int tariff_parse(const char *text, struct tariff_windows *out, struct errbuf *err);
/** Fills @out with the windows' prices from @from to @to (UTC, ms), exact over DST changes. */
void tariff_expand(const struct tariff_windows *t, const struct zone *z, int64_t from_utc_ms, int64_t to_utc_ms,
		   struct price_series *out);
/** Price at an instant; NAN when unknown. @until receives the end of that segment (may be NULL). */
double price_at(const struct price_series *p, int64_t utc_ms, int64_t *until_utc_ms);

/** Appends a segment; joins it to the last one when they touch and say the same. 0; -EINVAL when it is empty or begins before
 *  the last one ends; -ENOSPC. */
int price_push(struct price_series *p, const struct price_segment *s);

/** True when both say the same within @from .. @to: the same values, unknown where the other is. Confidence does not count. */
bool price_same(const struct price_series *a, const struct price_series *b, int64_t from_utc_ms, int64_t to_utc_ms);

/** Keeps what lies within @from .. @to. */
void price_cut(struct price_series *p, int64_t from_utc_ms, int64_t to_utc_ms);

/** What is known from @from on becomes as good as unknown (confidence 0): of use as a pattern of other weeks only. */
void price_doubt(struct price_series *p, int64_t from_utc_ms);

/**
 * All that either knows; where both do, @newer counts. Names are @newer's. @out is neither of the two.
 * Returns how many of the oldest segments had to go for want of room.
 */
int price_merge(const struct price_series *older, const struct price_series *newer, struct price_series *out);

/**
 * The instant @weeks earlier at the same local time of day. Of an hour that came twice the first one counts; an hour that was
 * missing stands for the one behind it. @until: up to there (UTC, ms, exclusive) the distance stays the same.
 */
int64_t price_weeks_before(const struct zone *z, int64_t utc_ms, int weeks, int64_t *until_utc_ms);

/* One source of prices; the first one in the list that knows an instant counts. */
struct price_layer {
	const struct price_series *series;
	const char *source;
	double times;          /* values are multiplied by it */
	double confidence_min; /* what is below is as good as unknown */
	int weeks_back;        /* 0: as it stands; else the same local time 1 .. weeks_back weeks before, the latest that is known */
};
#define PRICE_LAST_KNOWN_CONFIDENCE 0.2 /* of a price taken from an earlier week */

struct price_span { int64_t from_utc_ms, to_utc_ms, now_utc_ms; };

/** Prices of a span, each instant from the first layer that knows it. out->source is that of span->now ("none": unknown);
 *  currency and timezone are left alone. Allocates nothing. @out is none of the layers' series. */
void price_compose(const struct price_layer *layers, int n, const struct zone *z, const struct price_span *span,
		   struct price_series *out);

/** R/tariff/... without "at": {currency, timezone, source, prices:[{from, to, value, confidence}]}. malloced, the caller's; NULL
 *  without memory. Written by hand: printing two days of half hours by cJSON takes a millisecond of the loop. */
char *price_print(const struct price_series *p);

#endif
