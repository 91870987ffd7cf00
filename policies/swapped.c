/* See swapped.h. */
#include "policies/swapped.h"

#include <math.h>

#define PHASE_RUN 3
#define RIGHT_RUN 2

/* The phase of the meter that a device's step went through, 1..3; 0 = not to be said. */
static int phase_moved(const struct edge_vote *v)
{
	int found = 0;

	for (int p = 1; p <= 3; p++) {
		double gain = v->meter_w[p] / v->own_w;

		if (gain >= 0.6 && gain <= 1.6 && found == 0)
			found = p;
		else if (!(fabs(gain) <= 0.3))
			return 0;
	}
	return found;
}

void swapped_take(struct swapped *m, const struct snapshot *s, const struct edge_vote *v)
{
	const struct snap_device *d;
	int moved;

	if (v->class != EDGE_RIGHT || !v->clean || v->device < 0)
		return;
	d = &s->dev[v->device];
	moved = phase_moved(v);
	if (view_phases(d) != 1 || d->phase == 0 || moved == 0)
		return;
	if (moved == d->phase) {
		m->phase[v->device].run = 0;
		if (++m->phase[v->device].right >= RIGHT_RUN)
			m->devices &= ~(1u << v->device);
		return;
	}
	m->phase[v->device].run = (uint8_t)(moved == m->phase[v->device].moved ? m->phase[v->device].run + 1 : 1);
	m->phase[v->device].moved = (uint8_t)moved;
	m->phase[v->device].right = 0;
	if (m->phase[v->device].run >= PHASE_RUN) {
		m->phase[v->device].run = PHASE_RUN;
		m->devices |= 1u << v->device;
	}
}

void swapped_name(const struct swapped *m, const struct snapshot *s, struct wishes *out)
{
	for (int i = 0; i < s->n_devices; i++)
		if (m->devices & (1u << i))
			wish_doubt(out, i, DOUBT_PHASES_SWAPPED, "%s moves L%d of the meter, not L%d as configured: counted on each phase", s->dev[i].id,
				   m->phase[i].moved, s->dev[i].phase);
}
