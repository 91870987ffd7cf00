/* Limits of time on a machine that others use too: HEARTH_SLOW, as hearthtest.py takes it, and what a thread waited for a processor. */
#ifndef HEARTH_TESTS_ITEST_SLOW_H
#define HEARTH_TESTS_ITEST_SLOW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A limit, in a build or on a machine that is so much slower. */
static inline int slow_ms(int ms)
{
	const char *text = getenv("HEARTH_SLOW");
	const double factor = text ? atof(text) : 1;

	return factor > 1 ? (int)(ms * factor) : ms;
}

/* How long this thread was ready to run and others ran instead, ns; 0 where the kernel does not say. */
static inline uint64_t processor_waited_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "re");

	if (f) {
		if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
			waited = 0;
		fclose(f);
	}
	return waited;
}

#endif
