/* An evaluator of plans that shares nothing with the planner: the physics of the format, written again. */
#ifndef HEARTH_TESTS_PLAN_CHECK_H
#define HEARTH_TESTS_PLAN_CHECK_H

#include "policies/planner/planner.h"

struct plan_check {
	double cost;          /* by the plan's own powers and curtailment */
	double worst;         /* greatest excess over a hard limit, kW or kWh */
	char what[96];        /* which, and where */
};

/** Goes through the plan slot by slot. */
struct plan_check plan_check(const struct plan_instance *in, const struct plan *p);

/** Text of a file below the source folder, or NULL. The caller frees it. */
char *plan_check_read(const char *path, size_t *len);

#endif
