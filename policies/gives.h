/* A house that gives power although all sun is measured: there is sun that is not, or the meter is wrong. See doubt.c. */
#ifndef HEARTH_POLICIES_GIVES_H
#define HEARTH_POLICIES_GIVES_H

#include "policies/view.h"

/* Zeroed is valid. */
struct gives {
	int64_t since_ms;        /* 0 = it does not, or that is not known */
	bool beyond;             /* by more than all readings together could be late */
};

/** One tick. True when it has given power for so long that it is no reading that came late. */
bool gives_power(struct gives *g, const struct snapshot *s);

#endif
