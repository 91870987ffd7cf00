/* The plant: every configured device with its driver, every bus with its thread. Asks drivers for what is due, carries
 * batches to the buses and results back, and knows when everything is released. No thinking happens here. */
#ifndef HEARTH_FLOW_CONTROL_PLANT_H
#define HEARTH_FLOW_CONTROL_PLANT_H

#include "core/config.h"
#include "core/decision.h"
#include "core/device.h"
#include "core/err.h"
#include "drivers/driver.h"
#include "drivers/modbus/bus.h"

#include <uv.h>

struct plant; /* opaque */

/** On the loop: a device was fed; @limit_relevant when the grid meter has a new reading. */
typedef void (*plant_changed_fn)(void *context, int device);

/** Builds drivers and buses. Devices may be missing: they join later. 0, or negative with the reason (a profile that
 *  cannot be used, a bus that cannot be described). */
int plant_start(struct plant **out, uv_loop_t *loop, const struct config *cfg, plant_changed_fn changed, void *context,
		struct errbuf *err);

/**
 * Other devices or buses: what @kept says goes on untouched, the rest ends (release it first) and is started by @cfg, which the
 * caller copies to where plant_start's was before the loop runs on. Negative with the reason, and nothing was changed; but
 * -ENOTRECOVERABLE when a bus could not be started again.
 */
int plant_change(struct plant *p, const struct config *cfg, const struct config_kept *kept, struct errbuf *err);

int plant_count(const struct plant *p);
const struct config_device *plant_config(const struct plant *p, int device);
const struct device_state *plant_state(const struct plant *p, int device);
uint32_t plant_roles(const struct plant *p, int device);

/** Gives a device its order; sends at once when the driver has something to write. ORDER_NONE changes nothing. */
void plant_aim(struct plant *p, int device, const struct order *order);

/** When (monotonic) the device was written to where that wears it, see struct driver. Returns how many, the latest last; 0 too
 *  when its driver has no such registers. */
int plant_worn(const struct plant *p, int device, int64_t at_ms[DRIVER_WORN_MAX]);
/** It has such registers. */
bool plant_wears(const struct plant *p, int device);
/** What is known of that from before. After plant_start or plant_change, before the loop runs on. */
void plant_recall(struct plant *p, int device, const int64_t *at_ms, int n);

/** What the driver must find again in its next life, see struct driver; how many numbers, 0 too when it has nothing of the kind. */
int plant_keep(const struct plant *p, int device, double kept[DRIVER_KEPT_MAX]);
/** What it kept. After plant_start or plant_change, before the loop runs on. */
void plant_remember(struct plant *p, int device, const double *kept, int n);

/** True when every device of those bits that takes orders was read back released (or cannot be reached). One that is not yet known, and
 *  has answered or was not even asked, may hold an order of an earlier life: it is not released. */
bool plant_released(const struct plant *p, uint32_t devices);

/** Statistics of bus @i of the configuration. */
void plant_bus_stats(const struct plant *p, int i, struct bus_stats *out);
/** Milliseconds since the last whole answer of a device, -1 = never. */
int64_t plant_silence_ms(const struct plant *p, int device, int64_t now_ms);

/** Stops polling, ends the threads, frees. NULL is fine. Release first: see plant_released. */
void plant_stop(struct plant *p);

#endif
