/* The home battery as a SunSpec device: what it measures, how it is told (124, 704, 802), and the reversion timers that
 * really run down. Physics is storage.h's. Pure. */
#ifndef HEARTH_SIM_SUNSPEC_BATTERY_H
#define HEARTH_SIM_SUNSPEC_BATTERY_H

#include "simulate/storage.h"
#include "sim/sunspec_chain.h"
#include "sim/unit.h"

enum battery_models { BATTERY_BOTH, BATTERY_124, BATTERY_704 };

struct sunspec_battery_options {
	uint16_t base; /* 40000, 0 or 50000 */
	enum battery_models models;
	bool no_reversion; /* the device has no timers: their points are not implemented */
};

struct sunspec_battery {
	struct sunspec_battery_options o;
	struct sunspec_chain chain;
	struct storage_options rating;
	double set_left_s, limit_left_s,
		rates_left_s; /* reversion timers of WSet, WMaxLimPct and the 124 rates; 0 = not running */
	double heartbeat_s;
	bool order_due; /* registers changed since the storage was last told */
	bool soc_faked;
	uint16_t soc_raw;
};

void sunspec_battery_init(struct sunspec_battery *b, const struct sunspec_battery_options *o,
			  const struct storage_options *rating);

/** Another hand at the reserve register. */
void sunspec_battery_reserve(struct sunspec_battery *b, double pct);

/** What the registers ask of the storage at this moment. */
struct storage_order sunspec_battery_order(const struct sunspec_battery *b);

extern const struct unit_ops SUNSPEC_BATTERY_OPS;

#endif
