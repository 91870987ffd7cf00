/* What control registers held before us, and whose it is. Of a battery: found.c; of the sun: curtail.c. */
#ifndef HEARTH_DRIVERS_SUNSPEC_FOUND_H
#define HEARTH_DRIVERS_SUNSPEC_FOUND_H

#include "drivers/driver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sunspec;

enum sunspec_control { CONTROL_NO_WAY, CONTROL_704, CONTROL_124, CURTAIL_704, CURTAIL_123 };

/* What a battery's control registers held before us, number by number; the first four mean the same in both models. */
enum { FOUND_ON, FOUND_OUT, FOUND_IN, FOUND_TIMER, FOUND_WINDOW, FOUND_RAMP, FOUND_GRID, FOUND_MAX }; /* 124 */
enum { FOUND_MODE = 1, FOUND_SET, FOUND_RVRT = 4, FOUND_ENA_RVRT };                                    /* 704 */

struct found_storage {
	enum sunspec_control of; /* CONTROL_NO_WAY: not read yet */
	double v[FOUND_MAX];     /* NAN: no such point */
	int64_t at_ms;
};

/* The limit on production that holds without us: ours goes only below it, and leaves it as it was found. */
struct found_limit {
	bool known, on;
	double pct, timer_s; /* timer: NAN where there is none */
};

/* What a life of ours says to the next: what it found, and what of ours the register may read (NAN where our time marks it). */
struct kept_limit {
	struct found_limit found;
	double aimed_pct, held_pct;
};

/** After a read of the control model: remembers what holds while nothing of ours does. */
void storage_watch(struct sunspec *s);
/** What was found in force, and is not ours, is in force. */
bool storage_theirs(const struct sunspec *s);
/** Ours may bear our reversion time. */
bool storage_bears_time(const struct sunspec *s);
/** What others' standing limits leave us; INFINITY: no limit. */
void storage_bounds(const struct sunspec *s, double *charge_w, double *discharge_w);
/** Percent of WMax; NAN when that is not known. */
double storage_percent_w(const struct sunspec *s, double pct);
/** The setpoint that was found in 704, W, injection positive; NAN when it is in percent of something unknown. */
double storage_found_w(const struct sunspec *s);
/** One line on what was found in force; nothing when nothing was. */
void storage_note(const struct sunspec *s, char *note, size_t size);
/** As in struct driver. */
int storage_keep(const struct sunspec *s, double kept[DRIVER_KEPT_MAX]);
void storage_remember(struct sunspec *s, const double *kept, int n);

#endif
