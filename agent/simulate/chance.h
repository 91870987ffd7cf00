/* Chance that is the same on every machine: a seed and a purpose give a stream of their own. Pure. */
#ifndef HEARTH_SIMULATE_CHANCE_H
#define HEARTH_SIMULATE_CHANCE_H

#include <stdint.h>

struct chance {
	uint64_t state;
};

enum chance_purpose { CHANCE_LOAD = 1, CHANCE_APPLIANCES, CHANCE_DAYS, CHANCE_CLOUDS, CHANCE_MARKET, CHANCE_CAR, CHANCE_METER, CHANCE_CAR_BEFORE };

/** Streams of different purposes have nothing to do with each other. */
struct chance chance_make(uint64_t seed, enum chance_purpose purpose);

/** 0 (with) to 1 (without). */
double chance_unit(struct chance *c);

/** Mean 0, standard deviation 1. */
double chance_normal(struct chance *c);

/** How often something happens that happens @mean times on average, 0..30. */
int chance_poisson(struct chance *c, double mean);

#endif
