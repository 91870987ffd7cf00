/* What the sentences of decisions are made of, so that all of them say the same thing in the same words: local time, short
 * ids, who set a floor. Numbers that move with every reading do not belong into a sentence: it is published when it changes. */
#ifndef HEARTH_POLICIES_SENTENCE_H
#define HEARTH_POLICIES_SENTENCE_H

#include "policies/floor.h"

#include <stdarg.h>

#define SENTENCE_TIME_MAX 20
#define SENTENCE_UNTIL_MAX (SENTENCE_TIME_MAX + 8)
#define SENTENCE_FLOOR_MAX 80

/** Local time: "19:00" today, "Sat 07:00" within a week, else "2026-01-09 07:00". */
const char *sentence_time(const struct snapshot *s, int64_t utc_ms, char text[SENTENCE_TIME_MAX]);

/** ", until 19:00"; "" without an end (0) and while nobody knows what time it is. */
const char *sentence_until(const struct snapshot *s, int64_t utc_ms, char text[SENTENCE_UNTIL_MAX]);

/** What people know a command by: its event's id, else its own; print it with %.8s. */
const char *sentence_event(const struct command_view *c);

/** "set by event 7d2a0000, until 19:00", "set by the owner". */
const char *sentence_floor(const struct snapshot *s, const struct snap_device *d, const struct floor_view *f,
			   char text[SENTENCE_FLOOR_MAX]);

/** As vsnprintf, but what does not fit ends before a word, not within it. */
void sentence_print(char *out, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

#endif
