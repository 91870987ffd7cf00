/* The seed of tests by chance: always the same one, so that a red run comes from a change and not from the weather. */
#ifndef HEARTH_TESTS_SEED_H
#define HEARTH_TESTS_SEED_H

#include <stdint.h>

/**
 * What the environment's @name (HEARTH_SEED) says, else 1; printed, so that a failure can be repeated. "random" (or 0), and
 * HEARTH_LONG=1 without @name, draw one by the clock.
 */
uint64_t seed_of(const char *name);

#endif
