/* When a car will leave and what it will want, from its sessions of the last weeks at the same charger. A guess in place of what the
 * owner did not say: so it leans to early and to much, and says nothing on too few sessions. Plain memory, no clock. */
#ifndef HEARTH_POLICIES_FORECAST_HABIT_H
#define HEARTH_POLICIES_FORECAST_HABIT_H

#include "core/calendar.h"
#include "core/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

#define HABIT_DAYS 60
#define HABIT_SESSIONS_MAX 128
#define HABIT_ENOUGH 5              /* sessions alike, before anything is said */
#define HABIT_SHORT_MS 900000LL     /* a shorter one is somebody parking */
#define HABIT_LONG_MS (7 * 86400000LL) /* a longer one tells of a holiday */
#define HABIT_ENERGY_MAX_WH 200000.
#define HABIT_TEXT_MAX EV_HABIT_TEXT_MAX

struct habit_session { int64_t plugged_utc_ms, unplugged_utc_ms; double energy_wh; };

/* Of one charger, the oldest first. Zeroed is empty. */
struct habit {
	int n;
	struct habit_session s[HABIT_SESSIONS_MAX];
};

/** A session that ended, later than those before. Short and long ones are left out, as is what cannot be; those older than
 *  HABIT_DAYS go, and the oldest for want of room. True when something changed. */
bool habit_add(struct habit *h, const struct habit_session *s);

/* The car that is plugged in now. */
struct habit_car {
	int64_t plugged_utc_ms, utc_ms; /* since when; now */
	double taken_wh;                /* in this session so far */
};

struct habit_guess {
	int64_t ready_by_utc_ms;        /* in full ten minutes of local time, later than now */
	double energy_wh;               /* still to go, full 500 Wh, more than 0 */
	double session_wh;              /* of the whole session */
	int sessions;                   /* behind it */
};

/**
 * Alike are sessions that began within three hours of the same local time of day, on the same day of the week; where those are too
 * few, before the same kind of day (working day or weekend); then on any day. Who had left by this time of the session says nothing
 * any more. Departure is the earliest tenth of them by local time (days of 23 and 25 hours are no others), energy the highest tenth.
 * False: too few, or it has what it usually takes.
 */
bool habit_guess(const struct habit *h, const struct zone *z, const struct habit_car *car, struct habit_guess *out);

/** "by habit: leaves 07:10, needs 11 kWh; of 9 sessions", in local time. Returns @out. */
const char *habit_words(const struct habit_guess *g, const struct zone *z, char out[HABIT_TEXT_MAX]);

#endif
