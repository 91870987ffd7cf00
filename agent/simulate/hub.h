/* The row that is Hearth itself: the same chain, planner and forecasts as the agent's, told by a simulated home and a simulated
 * clock. What agent/flow does around them is done here in a few lines. Pure; one struct of about 1.5 MB, from malloc. */
#ifndef HEARTH_SIMULATE_HUB_H
#define HEARTH_SIMULATE_HUB_H

#include "simulate/world.h"

struct hub_sim;

struct hub_sim_options {
	const struct zone *zone;
	double (*seconds)(void *context); /* a clock, for how long plans take; NULL = not measured */
	void *context;
};

/** NULL: no memory. @w is the world it runs, at its start; @result takes what it learns of itself. */
struct hub_sim *hub_sim_make(struct world *w, const struct hub_sim_options *o, struct simulate_result *result);
void hub_sim_free(struct hub_sim *h);

/** One tick's thinking: reads the world, decides, tells its devices. */
void hub_sim_order(struct hub_sim *h);

#endif
