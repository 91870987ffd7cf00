/* See gives.h. */
#include "policies/gives.h"

#include <math.h>

#define GIVES_MS 120000     /* a house that gives power for so long has sun we do not know, or a clamp the wrong way round */
#define GIVES_FAST_MS 10000 /* ... where that is beyond all doubt */
#define GIVES_W 500.0
#define LATE_PART 0.2       /* of what all devices do: between two readings */

bool gives_power(struct gives *g, const struct snapshot *s)
{
	double load_w, sum_w = 0, power_w;
	bool sun = false;

	if (!view_grid(s, &load_w))
		return false;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!(d->roles & (ROLE_PV | ROLE_BATTERY | ROLE_CHARGER)))
			continue;
		if (!view_recent(&d->state.ac_power_w, s->now_ms, READING_LOST_MS, &power_w))
			return false;
		sun = sun || (d->roles & ROLE_PV);
		load_w -= power_w;
		sum_w += fabs(power_w);
	}
	if (!sun || load_w >= -GIVES_W - LATE_PART * sum_w) {
		g->since_ms = 0;
		return false;
	}
	if (g->since_ms == 0)
		g->since_ms = s->now_ms;
	g->beyond = load_w < -GIVES_W - sum_w;
	return s->now_ms - g->since_ms >= (g->beyond ? GIVES_FAST_MS : GIVES_MS);
}
