/* See seed.h. */
#include "support/seed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t seed_of(const char *name)
{
	const char *text = getenv(name), *all = getenv("HEARTH_LONG");
	uint64_t seed = all ? 0 : 1;

	if (text)
		seed = strtoull(text, NULL, 0); /* "random" is no number */
	if (seed == 0)
		seed = (uint64_t)time(NULL) * 1000;
	printf("%s=%" PRIu64 "\n", name, seed);
	fflush(stdout);
	return seed;
}
