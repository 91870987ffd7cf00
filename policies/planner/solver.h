/* Inside the planner: how an instance becomes pairs (planner.c), and how several batteries and cars come to one plan (many.c). */
#ifndef HEARTH_POLICIES_PLANNER_SOLVER_H
#define HEARTH_POLICIES_PLANNER_SOLVER_H

#include "policies/planner/pair.h"
#include "policies/planner/planner.h"

struct solver {
	const struct plan_instance *in;
	struct plan *plan;
	struct pair pair;
	bool (*expired)(void *context);
	void *context;
	bool soft;        /* limits are priced, because not all can hold */
	double scale;     /* greatest price, for penalties */
	double share;     /* > 0: a battery sees so much of the home and none of the other batteries */
	double *floor;    /* slots + 1: zeros, or the merged store's */
	double *spare[2]; /* power of a battery or car that is not there */
};

/** Fills the pair for battery @b and car @e (-1 = none), all others as in the plan. */
void solver_build(struct solver *v, int b, int e);
/** All batteries and all cars as one of each: a relaxation. */
void solver_merge(struct solver *v);
/** Solves one pair and puts it, values and all, into the plan. 0, -EDOM, -ENOMEM. */
int solver_apply(struct solver *v, int b, int e, double *bound);
/** What stored energy is worth to battery @b, from the cost to go in the pair and the plan's powers. 0 or -ENOMEM. */
int solver_keep_values(struct solver *v, int b);

/** Several batteries or cars. @room: doubles in plan->memory. Leaves a plan and its bound. 0 or -ENOMEM. */
int solver_many(struct solver *v, size_t room);

#endif
