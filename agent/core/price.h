/* Prices over time, whoever made them: local windows now, FlatPeak later. Gaps are unknown, never 0. */
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

struct price_segment { int64_t from_utc_ms, to_utc_ms; double value, confidence; };

struct price_series {
	char currency[4], timezone[48], source[16]; /* source: "tariff", "flatpeak", "pushed", "last_known" */
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

#endif
