/* What a driver is: a const struct, memory of a declared size, and four functions that do no I/O and read no clock.
 *
 *   init(options)        once
 *   aim(order, now)      stores what the device shall do; nothing is sent yet
 *   plan(now)            -> the batch due now (n = 0: none) and when to ask again
 *   feed(result, now)    -> device state
 *
 * Whatever leads to the aim is the driver's matter: discovery, prepare, the read before a bit-field write, writes in
 * order, the confirming read after settling, keep-alive at half the timer, polls. A failure ages values, it never
 * invents them. Raw values round toward 0 W. At most one batch of a device is under way at a time. */
#ifndef HEARTH_DRIVERS_DRIVER_H
#define HEARTH_DRIVERS_DRIVER_H

#include "core/decision.h"
#include "core/device.h"
#include "core/err.h"
#include "drivers/modbus/batch.h"

#include <stddef.h>
#include <stdint.h>

#define DRIVER_WORN_MAX 20
#define DRIVER_KEPT_MAX 8

/* What the configuration says of one device; strings live as long as the driver. NAN = not set. */
struct driver_options {
	const char *id;
	const char *profile;      /* file name without .json, or "sunspec" */
	const char *profile_json; /* text of the profile file; NULL for drivers that need none */
	size_t profile_json_len;
	uint8_t unit;
	uint32_t roles; /* bits of enum role (core/snapshot.h); 0 = whatever the profile offers */
	double capacity_wh, charge_max_w, discharge_max_w, soh_pct;
	double failsafe_a;     /* chargers: 0 or >= 6 */
	int phases;            /* 1 or 3; 0 = what the device says */
	int timeout_ms;        /* for each answer, 50..10000; 0 = the bus's */
	int poll_ms;           /* control values; 0 = the profile's own, never below its minimum */
	bool invert;           /* meter wired the other way round */
	bool allow_unverified; /* use writes the reference marks C */
};

struct driver {
	const char *name;
	size_t size; /* bytes of memory, zeroed before init */
	int (*init)(void *self, const struct driver_options *options, struct device_state *state, struct errbuf *err);
	void (*deinit)(void *self); /* NULL when nothing is owned */
	void (*aim)(void *self, const struct order *order, int64_t now_ms);
	/**
	 * @now_ms  monotonic
	 * @batch   n = 0 when nothing is due
	 * Returns the monotonic time at which plan wants to be asked again (also asked after every feed and aim).
	 */
	int64_t (*plan)(void *self, int64_t now_ms, struct batch *batch);
	void (*feed)(void *self, const struct batch_result *result, int64_t now_ms, struct device_state *state);
	/* Registers that may be written so many times a day, for they wear: that count must outlive the driver. Both NULL: it has none.
	 * worn: when (monotonic) it wrote to one, the latest last, at most DRIVER_WORN_MAX; returns how many. recall: what another
	 * life said so, before the first answer; times may be negative. */
	int (*worn)(const void *self, int64_t at_ms[DRIVER_WORN_MAX]);
	void (*recall)(void *self, const int64_t *at_ms, int n);
	/* What it found in the device and what it put there instead, as numbers only it understands: without them its next life takes its
	 * own leavings for somebody else's. Both NULL: it has none. keep: how many, 0 = nothing is changed; asked after each order.
	 * remember: what another life kept, before the first answer. */
	int (*keep)(const void *self, double kept[DRIVER_KEPT_MAX]);
	void (*remember)(void *self, const double *kept, int n);
};

/** The driver for a profile: the SunSpec driver when the profile's transport says addressing "sunspec" or its name is
 *  "sunspec", else the profile driver. NULL when the JSON names a driver nobody knows. */
const struct driver *driver_for_profile(const char *profile, const char *json, size_t len);

/** The explicit list; ends with NULL. */
extern const struct driver *const DRIVERS[];

/** Roles a profile offers (bits of enum role), from its `kind` and `also`; 0 when the JSON is not a profile. */
uint32_t driver_profile_roles(const char *json, size_t len);

#endif
