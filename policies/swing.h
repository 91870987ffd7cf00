/* Does the loop swing? Counts turns of what is ordered. Loads turn too; but a loop that follows them well has the meter near its
 * target between the turns, and one that hears its own echo has not. While it swings, it may order less change a second. */
#ifndef HEARTH_POLICIES_SWING_H
#define HEARTH_POLICIES_SWING_H

#include <stdbool.h>
#include <stdint.h>

#define SWING_TURNS 5       /* within the time looked back on */
#define SWING_LEVELS 3

/* Zeroed is valid: calm. */
struct swing {
	int level;                  /* 0 = calm; each one halves what may change a second */
	int direction;              /* of the orders' last leg; 0 = none yet */
	double top_w, leg_w;        /* where the leg has got to; size of the last legs */
	double error_w;             /* mean distance of the meter from its target */
	int64_t seen_ms;
	int64_t turn_ms[SWING_TURNS]; /* the last turns, a ring */
	int next;
	int64_t calm_ms;            /* since when no new swing was found */
	double said_w, said_s;      /* as found: size, and the time its turns took */
};

struct swing_view {
	int64_t now_ms;
	double sum_w;               /* of all orders of the loop */
	double error_w;             /* of the meter from its target */
	double least_w;             /* smaller turns are noise */
	double echo_ms;             /* the slowest window in the loop */
};

/** One meter sample. True when a swing is found: the window of every device in the loop must grow. */
bool swing_see(struct swing *s, const struct swing_view *v);

/** Part of the usual change a second that is allowed: 1 when calm. */
double swing_calm(const struct swing *s);

#endif
