/* The chain: asks every policy, intersects limits, takes the first rank's order per device, clamps it, shares
 * headroom, snaps to what the device can do, runs the guard again. Pure; allocates nothing. */
#ifndef HEARTH_POLICIES_CHAIN_H
#define HEARTH_POLICIES_CHAIN_H

#include "policies/policy.h"

/* Memory of the chain and of all policies; zeroed is valid, chain_init must run once. About 150 KiB. */
struct chain {
	struct wishes wishes;
	_Alignas(16) unsigned char memory[POLICY_MAX][POLICY_MEMORY_MAX];
	struct chain_memory {        /* per device */
		double reading_w, before_w;      /* the last two different readings, for what was true at the meter's time */
		int64_t reading_ms, before_ms;
		int64_t changed_ms;              /* the order's power changed */
		int64_t zero_ms, started_ms;     /* chargers: since when paused, since when charging; 0 = never */
	} device[DEVICE_MAX];
	struct {                     /* the balance loop: one for the site, it has one meter */
		uint32_t grid_sample;    /* of the last step */
		int64_t step_ms;         /* when it last changed something; 0 = never */
	} loop;
	int64_t exceeded_ms[POINT_COUNT];    /* since when a point is above its limit; 0 = it is not */
	int64_t native_off_until_ms;         /* a device that balances by itself did not keep a limit: our loop takes over */
	uint32_t bad_wishes;         /* limits that did not contain 0 W, orders for unknown devices, overflow */
};

void chain_init(struct chain *c);

/**
 * One tick of thinking.
 * @s    frozen snapshot; dev[].ordered must be what the last call decided
 * @out  filled for every device of the snapshot; devices nobody may order (meters) get ORDER_NONE
 */
void chain_step(struct chain *c, const struct snapshot *s, struct decisions *out);

#endif
