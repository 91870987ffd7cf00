/* See decision.h. */
#include "core/decision.h"

static const char *const RANKS[RANK_COUNT] = { "none", "guard", "limit", "reserve", "event", "override", "plan", "self_use" };
static const char *const ORDERS[] = { "none", "release", "power", "balance" };

const char *rank_word(enum rank r)
{
	return RANKS[r];
}

const char *order_word(enum order_kind k)
{
	return ORDERS[k];
}
