/* The explicit list of policies, in order of rank. The order within a rank decides who is asked first. */
#include "policies/policies.h"

const struct policy *const POLICIES[] = {
	&POLICY_GUARD, &POLICY_GRID_LIMIT, &POLICY_RESERVE, &POLICY_EVENT, &POLICY_OVERRIDE,
	&POLICY_PLAN_FOLLOW, &POLICY_EV, &POLICY_SELF_USE, NULL,
};
