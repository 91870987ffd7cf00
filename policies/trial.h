/* One clean step of our orders, watched at the grid meter: when its effect begins and when it is there. What devices are then
 * known to need (response.h) comes from here. While a step that should be there is not, its devices may still be anywhere
 * between: better to wait than to order the same twice. */
#ifndef HEARTH_POLICIES_TRIAL_H
#define HEARTH_POLICIES_TRIAL_H

#include "policies/response.h"

/* Zeroed is valid: nothing is watched. Filled by whoever orders; seen and other_w are 0 then. */
struct trial {
	int64_t at_ms;               /* the orders' time; 0 = nothing is watched */
	double before_w, step_w;     /* grid power if it had no effect; the step */
	double other_w;              /* what has been ordered beside it since */
	double noise_w;              /* mean deviation of the meter */
	double patience_ms;          /* until an effect that is not there will not come */
	uint32_t devices;            /* whose step it is, bits */
	struct response_times seen;
};

/** Something else was ordered: much of it, and nothing can be learned. */
void trial_disturb(struct trial *t, double w);

/** A meter sample. True when the step is complete: @t->seen is filled and nothing is watched any more. */
bool trial_see(struct trial *t, int64_t meter_ms, double grid_w);

#endif
