/* `hearthctl plan solve FILE|-`: an instance file in, a plan on stdout; no agent needed. */
#ifndef HEARTH_CTL_PLAN_SOLVE_H
#define HEARTH_CTL_PLAN_SOLVE_H

#include <stdbool.h>

/**
 * @argv  the words behind `plan solve`
 * Prints `ems-plan/1` on stdout (the same with and without --json) and errors on stderr. Returns the exit code:
 * 0 done; 1 refused, or infeasible (the plan is printed all the same, the reason is on stderr); 2 usage.
 */
int ctl_plan_solve(int argc, char **argv, bool json);

#endif
