/* Single-phase devices that move another phase of the meter than they should: named, and counted on each phase until their own
 * steps say otherwise. */
#ifndef HEARTH_POLICIES_SWAPPED_H
#define HEARTH_POLICIES_SWAPPED_H

#include "policies/edge.h"
#include "policies/policy.h"

/* Zeroed is valid. */
struct swapped {
	struct {
		uint8_t moved;           /* 1..3: the phase it moved instead of its own */
		uint8_t run, right;
	} phase[DEVICE_MAX];
	uint32_t devices;                /* whose phase is not believed, bits */
};

/** A step of one of our devices, as the meter showed it. */
void swapped_take(struct swapped *m, const struct snapshot *s, const struct edge_vote *v);

/** A doubt for each of them. */
void swapped_name(const struct swapped *m, const struct snapshot *s, struct wishes *out);

#endif
