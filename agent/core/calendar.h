/* Time as an argument: RFC 3339, durations, local wall-clock time by a table of offsets. No clock is read here. */
#ifndef HEARTH_CORE_CALENDAR_H
#define HEARTH_CORE_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

#define CALENDAR_TEXT_MAX 32

/* UTC offsets of one time zone, ascending; filled by io/zone. Before t[0] its offset holds too. n = 0 means UTC. */
#define ZONE_TRANSITIONS_MAX 128
struct zone {
	char name[48];
	int n;
	struct { int64_t from_utc_s; int32_t offset_s; } t[ZONE_TRANSITIONS_MAX];
};

struct civil { int year, month, day, hour, minute, second, weekday; /* 0 = Sunday */ };

/** "2026-01-15T12:00:00Z", a space for the T, 1-9 digits of fraction, "Z" or "+01:00"; whole text. 0 or -EINVAL. */
int calendar_parse(const char *text, int64_t *utc_ms);
/** Always "YYYY-MM-DDTHH:MM:SS.sssZ". */
void calendar_format(int64_t utc_ms, char out[CALENDAR_TEXT_MAX]);
/** "90", "90s", "45m", "2h", "1h30m", "1d"; 1 s .. 10 years. 0 or -EINVAL. */
int calendar_parse_duration(const char *text, int64_t *seconds);

int32_t calendar_offset_s(const struct zone *z, int64_t utc_ms);
/** The next instant after @utc_ms at which the offset changes, ms; INT64_MAX when none is known. */
int64_t calendar_next_change(const struct zone *z, int64_t utc_ms);
void calendar_local(const struct zone *z, int64_t utc_ms, struct civil *out);
/** Earliest instant at or after @utc_ms whose local time of day is @minute_of_day (0..1439); on the day the hour is
 *  missing, the instant the clock jumps. */
int64_t calendar_next_minute(const struct zone *z, int64_t utc_ms, int minute_of_day);
/** Start of the local day that contains @utc_ms. */
int64_t calendar_day_start(const struct zone *z, int64_t utc_ms);

#endif
