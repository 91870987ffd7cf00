/* See when.h. */
#include "core/when.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MINUTES_A_DAY 1440
#define DAY_MS 86400000LL

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "7:05", "07:05", "24:00" (which is the day's end) and nothing behind it. */
static bool parse_minute(const char *text, int *minute)
{
	const int hours = digit(text[0]) && digit(text[1]) ? 2 : digit(text[0]) ? 1 : 0;
	const char *tail = text + hours;
	int m;

	if (hours == 0 || tail[0] != ':' || !digit(tail[1]) || !digit(tail[2]) || tail[3] != '\0' || tail[1] > '5')
		return false;
	m = (hours == 2 ? (text[0] - '0') * 10 + text[1] - '0' : text[0] - '0') * 60 + (tail[1] - '0') * 10 + tail[2] - '0';
	if (m > MINUTES_A_DAY)
		return false;
	*minute = m % MINUTES_A_DAY;
	return true;
}

/* A date and a time of day without a zone: to the minute or the second, read as if it were UTC. */
static bool parse_local(const char *text, int64_t *ms)
{
	static const char *const TAILS[] = { ":00Z", "Z" };
	char full[32];

	for (int i = 0; i < 2 && strlen(text) < sizeof(full) - 4; i++) {
		snprintf(full, sizeof(full), "%s%s", text, TAILS[i]);
		if (calendar_parse(full, ms) == 0)
			return true;
	}
	return false;
}

int when_parse(const char *text, struct when *out)
{
	struct when w = { WHEN_INSTANT, 0, 0 };

	if (parse_minute(text, &w.minute))
		w.kind = WHEN_MINUTE;
	else if (parse_local(text, &w.ms))
		w.kind = WHEN_LOCAL;
	else if (calendar_parse(text, &w.ms) < 0)
		return -EINVAL;
	*out = w;
	return 0;
}

/* The first of the instants that show the local time; where the clock skips it, by the offset before the jump. */
static int64_t local_utc_ms(const struct zone *z, int64_t local_ms)
{
	const int64_t before = calendar_offset_s(z, local_ms - DAY_MS) * 1000LL, after = calendar_offset_s(z, local_ms + DAY_MS) * 1000LL;
	const bool shows_before = calendar_offset_s(z, local_ms - before) * 1000LL == before;
	const bool shows_after = calendar_offset_s(z, local_ms - after) * 1000LL == after;

	return local_ms - (shows_before || !shows_after ? before : after);
}

int64_t when_utc_ms(const struct when *w, const struct zone *z, int64_t now_utc_ms)
{
	switch (w->kind) {
	case WHEN_INSTANT:
		return w->ms;
	case WHEN_LOCAL:
		return local_utc_ms(z, w->ms);
	case WHEN_MINUTE:
		break;
	}
	return calendar_next_minute(z, now_utc_ms + 1, w->minute);
}

int64_t when_last_utc_ms(const struct when *w, const struct zone *z, int64_t now_utc_ms)
{
	int64_t last = when_utc_ms(w, z, now_utc_ms - 2 * DAY_MS), next; /* two: a day may have 25 hours */

	while (w->kind == WHEN_MINUTE && (next = calendar_next_minute(z, last + 1, w->minute)) <= now_utc_ms)
		last = next;
	return last;
}
