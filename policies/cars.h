/* Several cars and not enough for all: who is served first, and whose turn it is where there is room for one only. Used for
 * the sun (ev.c) and for the room below a limit (share.c), which each remember turns of their own. */
#ifndef HEARTH_POLICIES_CARS_H
#define HEARTH_POLICIES_CARS_H

#include "core/snapshot.h"

#define CAR_TURN_MS 900000 /* a car that charges while another waits gives way after that */
#define CAR_IDLE_MS 180000 /* and after that if it does not take what it was given */
#define CAR_START_MS 30000 /* so long a car may take to begin */

/* Zeroed is valid. */
struct car_turn {
	int64_t since_ms;  /* it charges since then; 0 = it does not */
	int64_t drew_ms;   /* it was last seen to draw */
	int64_t waits_ms;  /* it wants to charge and may not since then; 0 = it does not wait */
};

/** Where a device stands within its rank, by the site's car_share: more is served first, then the earlier departure. Devices
 *  that are no cars have their priority and no departure; cars whose priority does not count stand where the first of them does. */
int cars_priority(const struct snapshot *s, int i);
int64_t cars_departure_ms(const struct snapshot *s, int i);

/** What became of a car this tick. */
void car_turn_note(struct car_turn *t, int64_t now_ms, bool wants, bool charges, bool draws);

/** It draws now. One that was idle has woken: its turn begins with that. */
void car_turn_drew(struct car_turn *t, int64_t now_ms);

/** Of two cars that stand equal, with room for one: must @a give way to @b? Who charges stays until its turn is over, then
 *  comes who has waited longest; of two that charge, who began later stays. False for both when nothing tells them apart. */
bool car_turn_yields(const struct car_turn *a, const struct car_turn *b, int64_t now_ms);

/** Somebody needs what it does not take: it is idle at once, if it has not drawn for CAR_START_MS, and until it does. */
void car_turn_hurry(struct car_turn *t, int64_t now_ms);

/** It may charge and has not drawn for CAR_IDLE_MS: it is full, or sleeps. */
bool car_turn_idle(const struct car_turn *t, int64_t now_ms);

/** It charges and has had its turn. */
bool car_turn_over(const struct car_turn *t, int64_t now_ms);

/* One car that wants a share. */
struct car_slice {
	int i;                       /* whose */
	double min_w, max_w, amp_w;  /* amp_w: power of one ampere on the phases in use */
	int priority;
	int64_t departure_ms;
	const struct car_turn *turn;
	double w;                    /* what it gets: 0 or min_w..max_w */
};

/** Shares @free_w: first come, by cars_priority and cars_departure_ms, those with a minimum that fits; equals by turn, then
 *  level by amperes. Sorts @c by who is served first. Returns what is left, W. */
double cars_share(struct car_slice *c, int n, double free_w, int64_t now_ms);

#endif
