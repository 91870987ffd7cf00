/* One plan out of several futures. Nobody knows tomorrow's sky: a plan for the middle of what may come buys too little in cheap
 * hours, for being short costs more than being over. So the values of stored energy, which the hub follows, are the mean of
 * those of several futures. Pure. See README.md "Several futures". */
#ifndef HEARTH_POLICIES_OUTLOOK_H
#define HEARTH_POLICIES_OUTLOOK_H

#include "policies/planner/home.h"

/**
 * Solves an instance made by home_instance of @home. @out is the plan for what is forecast, its slopes are the mean of the futures'. Those that
 * cannot be solved are left out.
 * @expired  as of planner_solve; the values of the futures are made all the same, which takes milliseconds
 * Returns 0 or as planner_solve_soft.
 */
int outlook_solve(const struct home *home, const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		  struct errbuf *err);

#endif
