/* The rows that need no thinking: no battery, plain self-use, and a time switch. Pure. */
#ifndef HEARTH_SIMULATE_RULES_H
#define HEARTH_SIMULATE_RULES_H

#include "simulate/world.h"

/* The hours a time switch is set to, local; from == to: there are none that are cheaper. */
struct rules_window {
	int from_min, to_min;
	bool any;
};

/** The cheapest hours by the mean import price of each local half hour: all those of the least price where they are a block of at
 *  least an hour and at most eight, else the best four hours in a row; none where prices hardly differ. */
struct rules_window rules_cheapest(const struct truth *t, const struct zone *z);

/** Orders of one tick. @kind is one of the three. */
void rules_order(struct world *w, enum simulate_row_kind kind, const struct rules_window *cheap, const struct zone *z);

#endif
