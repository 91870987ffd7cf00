/* The house's load as people are told it. It is what is left of readings of different moments: while a car or a battery moves, those
 * who were read before and after that make a load that never was. So a load that jumps is told once everybody was read since; until
 * then it is what it was, for as long as any reading counts. Pure. */
#ifndef HEARTH_CORE_SITE_LOAD_H
#define HEARTH_CORE_SITE_LOAD_H

#include "core/encode.h"

struct site_load {
	struct value told;
	double ref_w;     /* the last that everybody was read for */
	double round_w;   /* it has stood near this one ... */
	int64_t round_ms; /* ... since then */
};

/** After each tick; a zeroed @l is valid. @sums  of this snapshot. */
void site_load_step(struct site_load *l, const struct snapshot *s, const struct site_sums *sums);
/** site_sums with the load to tell: absent when it is not known, or jumped more than 10 s ago and somebody was not read since. */
void site_load_sums(const struct site_load *l, const struct snapshot *s, struct site_sums *out);

#endif
