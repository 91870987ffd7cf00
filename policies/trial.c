/* See trial.h. */
#include "policies/trial.h"

#include <math.h>

#define BEGUN 0.05      /* and three mean deviations of the meter */
#define DONE 0.8        /* what then still comes is the tail of a first-order device */
#define STRANGE 0.2     /* beyond 0..1 by this: the load has moved too */
#define DISTURBED 0.15  /* of the step */

void trial_disturb(struct trial *t, double w)
{
	t->other_w += fabs(w);
	if (t->other_w > DISTURBED * fabs(t->step_w))
		t->at_ms = 0;
}

bool trial_see(struct trial *t, int64_t meter_ms, double grid_w)
{
	double part = (grid_w - t->before_w) / t->step_w, after_ms = (double)(meter_ms - t->at_ms);

	if (t->at_ms == 0 || after_ms <= 0)
		return false;
	if (part < -STRANGE || part > 1 + STRANGE || after_ms > t->patience_ms) {
		t->at_ms = 0;
		return false;
	}
	if (part < BEGUN + 3 * t->noise_w / fabs(t->step_w))
		t->seen.quiet_ms = after_ms;
	else if (t->seen.begun_ms == 0)
		t->seen.begun_ms = after_ms;
	if (part < DONE) {
		t->seen.short_ms = after_ms;
		return false;
	}
	t->seen.done_ms = after_ms;
	t->at_ms = 0;
	return true;
}
