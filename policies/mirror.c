/* See mirror.h. The effective floor, rounded up to 1 % at least: lowered while a command lowers it, back when that is over, by construction.
 * When the agent stops, or the device is given up, nobody is left to bring it back, so what stays is at least the owner's. */
#include "policies/mirror.h"

#include "policies/floor.h"
#include "policies/view.h"

#include <math.h>

#define WHOLE 1e-4 /* 20.00001 is 20 */

float mirror_reserve_pct(const struct snapshot *s, const struct snap_device *d)
{
	double pct;

	if (!view_battery(d) || !d->mirror_reserve || !d->state.caps.mirrors_reserve)
		return 0;
	pct = floor_effective(s, d).pct;
	if ((s->stopping || d->leaving) && isfinite(s->site.reserve_pct))
		pct = double_max(pct, double_min(s->site.reserve_pct, 100));
	return (float)double_max(1, ceil(pct - WHOLE)); /* a floor of 0 too: 0 would leave there what was written before */
}
