/* What share.c is told of each device, for the limits: by one look of observe.c at a snapshot. */
#ifndef HEARTH_TESTS_LOOK_KIT_H
#define HEARTH_TESTS_LOOK_KIT_H

#include "policies/work.h"

#include <string.h>

/** Valid until the next look. */
static inline struct work *look_at(const struct snapshot *s, struct chain *c)
{
	static struct work w;

	memset(&w, 0, sizeof(w));
	w.s = s;
	w.c = c;
	w.n = s->n_devices;
	w.meter = view_grid(s, &w.grid_w);
	for (int i = 0; i < w.n; i++) {
		w.d[i].dev = &s->dev[i];
		w.d[i].memory = &c->device[i];
		w.d[i].charger = view_charger(&s->dev[i]);
	}
	observe(&w);
	return &w;
}

#endif
