/* The chain: asks every policy, intersects limits, takes the first rank's order per device, clamps it, shares
 * headroom, snaps to what the device can do, runs the guard again. Pure; allocates nothing. */
#ifndef HEARTH_POLICIES_CHAIN_H
#define HEARTH_POLICIES_CHAIN_H

#include "policies/policy.h"

/* Memory of the chain and of all policies; zeroed is valid, chain_init must run once. About 150 KiB. */
struct chain {
	struct wishes wishes;
	_Alignas(16) unsigned char memory[POLICY_MAX][POLICY_MEMORY_MAX];
	struct chain_memory {        /* per device: dwell, slew and the balance loop */
		uint32_t grid_sample;
		int64_t loop_ms;
		double loop_w;
		int64_t dwell_until_ms;
		int64_t started_ms;
		bool was_zero;
	} device[DEVICE_MAX];
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
