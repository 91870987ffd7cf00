/* One phase or three, for chargers that can switch: with one a car starts at 1.4 kW of sun instead of 4.1 kW. Part of the
 * car's policy (ev.c). Contactors wear and cars are touchy about it: a switch needs minutes of reason, rest before and after,
 * a dwell since the last one, and there are so many a day only. */
#ifndef HEARTH_POLICIES_PHASES_H
#define HEARTH_POLICIES_PHASES_H

#include "core/snapshot.h"

#define PHASES_A_DAY 10           /* in any 24 hours; to one phase only if the way back is left */
#define PHASES_DWELL_MS 300000    /* between two switches, or what the charger asks for if that is more */
#define PHASES_DOWN_MS 180000     /* the sun is too weak for three phases that long */
#define PHASES_UP_MS 300000       /* it is too strong for one that long: the way up costs a pause of the charge */
#define PHASES_UP_MARGIN 1.1
#define PHASES_REST_MS 60000      /* no charging so long after a switch: cars lock up */
#define PHASES_ASKED_MS 180000    /* the charger does not do it: given up until the dwell is over */

/* Zeroed is valid. */
struct phases {
	int64_t known_ms;                 /* the charger was first seen: nobody knows when it switched last */
	int64_t asked_ms, done_ms;        /* last time we asked, last time it was seen done */
	int64_t reason_ms;                /* since when the sun calls for the other number; 0 = it does not */
	int32_t day_s[PHASES_A_DAY];      /* monotonic times of the last ones, a ring */
	int16_t next;
	int8_t target;                    /* 1 or 3 while a switch is under way, else 0 */
};

/* What is asked of the charger now. */
struct phases_word {
	int phases;      /* for its order; 0 = as it is */
	bool pause;      /* a switch is under way: no charging */
};

/**
 * One tick of thinking about the phases of charger @i.
 * @sun_w   what the sun leaves for this car, W; NAN = it charges whatever the sun does, with all it has: three
 */
struct phases_word phases_step(struct phases *p, const struct snapshot *s, int i, double sun_w);

#endif
