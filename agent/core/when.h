/* A time as people write it, in the zone of the home: "18:00", "2026-01-15 18:00", or RFC 3339 with its own offset. What it is
 * can be told without a zone, which instant it is needs one. Pure. */
#ifndef HEARTH_CORE_WHEN_H
#define HEARTH_CORE_WHEN_H

#include "core/calendar.h"

struct when {
	enum { WHEN_INSTANT, WHEN_LOCAL, WHEN_MINUTE } kind;
	int64_t ms;  /* INSTANT: UTC; LOCAL: the local time read as if it were UTC */
	int minute;  /* MINUTE: of the day, 0..1439 */
};

#define WHEN_ALLOWED "18:00 (the next one), 2026-01-15 18:00, or 2026-01-15T18:00:00Z"

/** 0 or -EINVAL. */
int when_parse(const char *text, struct when *out);
/** UTC, ms. A time of day is the first one after @now_utc_ms; a local time the clock skips is as much later as it skips. */
int64_t when_utc_ms(const struct when *w, const struct zone *z, int64_t now_utc_ms);
/** The same, but a time of day is the last one at or before @now_utc_ms. */
int64_t when_last_utc_ms(const struct when *w, const struct zone *z, int64_t now_utc_ms);

#endif
