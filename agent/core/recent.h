/* Transactions of requests that may come ten times a second: who asked for what is remembered as two numbers and a time, 24 bytes
 * each, enough for ten minutes of 27 a second. For requests whose good answer is always the same. Pure. */
#ifndef HEARTH_CORE_RECENT_H
#define HEARTH_CORE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#define RECENT_MAX 16384
#define RECENT_MS (10 * 60 * 1000)

struct recent {
	struct { uint64_t hash, args; int64_t at_ms; } at[RECENT_MAX]; /* a ring; the hash's last bit: answered; 0 = nothing */
	int next;
};

enum recent_state {
	RECENT_NEW,      /* not within the last ten minutes: noted as under way */
	RECENT_UNDER_WAY,
	RECENT_ANSWERED,
	RECENT_OTHER,    /* known, but with other arguments */
	RECENT_FULL,     /* not noted: ten minutes of too many */
};

/** @r is zeroed at first. @args: what was asked for, as text. */
enum recent_state recent_ask(struct recent *r, const char *user, const char *transaction, const char *args, int64_t now_ms);
/** How it ended: done well it is answered the same for ten minutes, else it is forgotten. */
void recent_end(struct recent *r, const char *user, const char *transaction, bool done);
/** What stands for a text here: equal texts have equal numbers. */
uint64_t recent_hash(const char *text);
/** Asked for within the last ten minutes? */
bool recent_known(const struct recent *r, const char *user, const char *transaction, int64_t now_ms);

#endif
