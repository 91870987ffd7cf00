/* How one device answers its orders, learned from its own answers: when an order reaches the meter (a window, never one
 * number), how much of it, and what the device cannot do just now. From that, the range of power it may have had when the
 * meter was read. A window that is too wide costs speed; one that is too narrow makes a loop hear its own echo. */
#ifndef HEARTH_POLICIES_RESPONSE_H
#define HEARTH_POLICIES_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#define RESPONSE_PAST 96
#define RESPONSE_MAX_MS 120000

struct response_range {
	double low_w, high_w;
};

/* Zeroed is valid: response_begin gives it its window. */
struct response {
	struct {                      /* what was in force before told_w; a ring, each until the next one's from_ms */
		int64_t from_ms;
		float low_w, high_w;
	} past[RESPONSE_PAST];
	int n, newest;
	double told_w;
	int64_t since_ms;             /* told_w was ordered then */
	int64_t free_ms;              /* when it was last left to itself */
	int64_t settle_ms;            /* what the driver said when the window was begun */
	bool learned;                 /* from steps, no longer only from what the driver says */
	double min_ms, max_ms;        /* from order to effect at the meter: nothing before, all of it after */
	double gain_off;              /* what it does / what it is told, less 1 */
	int64_t proved_ms;            /* the order of that time was seen at the meter */
	bool exact;                   /* not in the loop: where it stands is what it reads, not what it is told */
	int64_t read_ms;              /* its own last reading */
	double reading_w;
	bool still;                   /* as the one before */
	int64_t there_ms;             /* since when it reads what it is told; 0 = it does not */
	int64_t odd_ms;               /* since when readings fit no order; 0 = they fit */
	double rest_w;                /* where it last stood still meanwhile */
	int64_t came_ms;              /* when they fitted again */
	bool bound, less;             /* they do for long: it cannot leave can; it does less than told */
	struct response_range can;
	bool ended;                   /* it was told something else when it could not leave end: what it did before, it did within that */
	struct response_range end;
	double from_w;                /* what it read when its order began */
	bool brief;                   /* it has moved and stands still short of that, in the driver's time: limits need not wait */
};

/** Begins (or begins anew, when the driver says something else) with a wide window. */
void response_begin(struct response *r, int64_t settle_ms);

/** The order in force since @at_ms, W; for a device that is left to itself what it is read to do. */
void response_told(struct response *r, int64_t at_ms, double w);

/** The device's own reading, W: what it cannot do, and its gain. An old reading again is ignored. */
void response_read(struct response *r, int64_t at_ms, double w);

/** It is not read any more: taken to follow its orders. */
void response_blind(struct response *r);

/** Least and most that was in force in @from_ms..@to_ms. */
struct response_range response_orders(const struct response *r, int64_t from_ms, int64_t to_ms);

/** The same, as far as the device then did it: what it had shown it cannot do, it has not done. */
struct response_range response_did(const struct response *r, int64_t from_ms, int64_t to_ms);

/** It is read to be where it was told to be, for longer than it is known to need: a meter that does not show it shows something else. */
bool response_there(const struct response *r, int64_t meter_ms);

/** Least and most the device may have been at when the meter was read. Orders before @hold_ms count too. */
struct response_range response_power(const struct response *r, int64_t meter_ms, int64_t hold_ms);

/** What the device will do when it is told @w: its gain, and no more than it has lately shown it can. */
double response_effect(const struct response *r, double w);

/** It does something else than it was told and does not move, or has for a window: not enough for the loop, whose window may be
 *  wrong. For limits it is, and so is one that has stopped short in the driver's time. The same for the effect of @w. */
bool response_fails(const struct response *r);
double response_effect_soon(const struct response *r, double w);

/** The order that makes the device do @w. */
double response_order(const struct response *r, double w);

/** What a clean step showed, ms after the order: last moment without and first one with a beginning (@quiet_ms, @begun_ms),
 *  last one before and first one of completion. Widens at once, narrows by half. */
struct response_times {
	double quiet_ms, begun_ms, short_ms, done_ms;
};
void response_learn(struct response *r, const struct response_times *t);

/** The window was a lie: twice as long, from 0. */
void response_widen(struct response *r);

#endif
