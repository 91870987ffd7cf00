/* Runs a scenario: the same home five times over the same truth. Pure; the caller has the clock, the terminal and the files. */
#ifndef HEARTH_SIMULATE_SIMULATE_H
#define HEARTH_SIMULATE_SIMULATE_H

#include "simulate/result.h"
#include "simulate/truth.h"

struct simulate_options {
	const struct zone *zone;
	double (*seconds)(void *context);              /* a clock; NULL = times are not measured */
	bool (*progress)(void *context, double done);  /* 0..1; true = stop. NULL = nobody asks */
	void *context;
};

/**
 * @t  made by truth_make, or recorded
 * Returns 0, -ENOMEM, -EINVAL with a reason, or -ECANCELED when progress said stop. @out needs simulate_result_deinit either way.
 * The same scenario, truth and version give the same result on every machine, but for the times.
 */
int simulate_run(const struct scenario *s, const struct truth *t, const struct simulate_options *o, struct simulate_result *out,
		 struct errbuf *err);

void simulate_result_deinit(struct simulate_result *r);

#endif
