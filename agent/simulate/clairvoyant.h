/* The best that could have been: the planner, told everything before it happens; and a bound below which nothing could have come. Pure; memory from malloc. */
#ifndef HEARTH_SIMULATE_CLAIRVOYANT_H
#define HEARTH_SIMULATE_CLAIRVOYANT_H

#include "simulate/result.h"
#include "simulate/truth.h"

struct clairvoyant_options {
	double stored_value;              /* per kWh left in the store at the end */
	bool (*stop)(void *context, double done); /* asked between windows, @done 0..1; NULL = never */
	void *context;
};

/**
 * Plans in windows of 7 days, of which the first 5 are kept (with a car of 3 days, of which one is kept), with the truth of minutes, or of
 * five where their mean tells all; in a home with a car always of five. Fills bill, energies, points. What it ignores: what happens
 * within a slot, dead times, ramps, and the steps of a tick. Returns 0, -ENOMEM or -ECANCELED.
 * @least_total  no control of this home costs less (its `total`), in those slots, that keeps to limits, rules, events and
 *               floors and gives cars what they want; proven by the planner's own bounds. NAN = no such bound is known
 */
int clairvoyant_run(const struct scenario *s, const struct truth *t, const struct clairvoyant_options *o, struct simulate_row *row,
		    double *least_total, struct errbuf *err);

#endif
