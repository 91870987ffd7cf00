/* What every driver does with what it read: put a number into the device state under the rules of the vocabulary
 * (plausible or bad, absent is absent), let it age, and keep the rhythm of the polls. Pure. */
#ifndef HEARTH_DRIVERS_POINTS_H
#define HEARTH_DRIVERS_POINTS_H

#include "core/device.h"

#include <stdbool.h>
#include <stdint.h>

#define POLL_FAST_MS 1000    /* control values: power, SoC, state, current */
#define POLL_SLOW_MS 60000   /* energies, identity, ratings */
#define POLL_SILENT 3        /* missed polls until a device counts as silent */
#define STALE_MS 10000       /* ... or this long without a reading, if the poll is not slower anyway */
#define BACKOFF_MAX_MS 20000 /* a silent device costs its bus one timeout in this time */

/**
 * A reading becomes a value. Outside the field's plausible range it is Q_BAD and the last good number stays.
 *
 * @q  what a plausible number is worth: Q_GOOD, Q_DERIVED, Q_UNVERIFIED
 */
void point_put(struct device_state *s, enum field f, double number, int64_t at_ms, enum quality q);

/** The device says it has no such value. */
void point_absent(struct device_state *s, enum field f);

/** Read, but nonsense (NaN, an unknown enum member): the last good number stays, marked Q_BAD. */
void point_bad(struct device_state *s, enum field f, int64_t at_ms);

/** A meter wired the other way round: powers and currents change sign, import and export change places. */
enum field point_inverted(enum field f, double *number);

/** battery.power_ac_w from the DC side where nothing measures it (Q_DERIVED), then ac_power_w: the device's one place in
 *  the balance. A hybrid enters with its inverter's AC port. Call after every feed. */
void points_derive(struct device_state *s);

/** Usable values older than their limit become stale. @slow tells which fields are polled slowly; NULL: none. */
void points_age(struct device_state *s, const bool *slow, int64_t now_ms, int64_t fast_limit_ms, int64_t slow_limit_ms);

/** The device is silent: every usable value is stale. */
void points_silent(struct device_state *s);

/* The rhythm of one class of polls. Due times are multiples of the interval, so that devices wake the loop together. */
struct cadence {
	int32_t interval_ms;
	int32_t missed; /* in a row */
	int64_t due_ms;
	int64_t ok_ms; /* last answer; 0 = never */
};

/** A poll goes out now: sets the next due time. */
void cadence_begin(struct cadence *c, int64_t now_ms);
void cadence_ok(struct cadence *c, int64_t now_ms);

/** Nothing came. @asked: the device was asked and kept silent (a timeout costs the bus, so the next poll backs off). */
void cadence_missed(struct cadence *c, int64_t now_ms, bool asked);

/** Three missed polls, or nothing for 10 s (3 intervals where that is longer). */
bool cadence_silent(const struct cadence *c, int64_t now_ms);

/** Age in ms at which a value of this rhythm is stale. */
int64_t cadence_limit_ms(const struct cadence *c);

#endif
