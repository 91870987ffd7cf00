/* The explicit list of policies, in order of rank. The order within a rank decides who is asked first: what a device may not
 * be trusted with comes before what it is tried with, and both before guard, which uses what doubt says of the meter. */
#include "policies/policies.h"

const struct policy *const POLICIES[] = {
	&POLICY_DOUBT_SOC, &POLICY_DOUBT_DEVICE, &POLICY_DOUBT, &POLICY_GUARD, &POLICY_GRID_LIMIT, &POLICY_RESERVE, &POLICY_EVENT,
	&POLICY_OVERRIDE, &POLICY_PLAN_FOLLOW, &POLICY_PV, &POLICY_EV, &POLICY_SELF_USE, NULL,
};
