/* The policies, one a file. Only the registry and tests need them by name. */
#ifndef HEARTH_POLICIES_POLICIES_H
#define HEARTH_POLICIES_POLICIES_H

#include "policies/policy.h"

extern const struct policy POLICY_DOUBT_SOC, POLICY_DOUBT_DEVICE, POLICY_DOUBT, POLICY_GUARD, POLICY_GRID_LIMIT,
	POLICY_RESERVE, POLICY_EVENT, POLICY_OVERRIDE, POLICY_PLAN_FOLLOW, POLICY_SELF_USE, POLICY_EV, POLICY_PV;

/** The last look at an order before it goes out: ratings, hardware minimum, floor, 6 A, no nonsense. Only takes away.
 *  Returns true when it had to change something. */
bool guard_again(const struct snapshot *s, int i, struct order *order);

#endif
