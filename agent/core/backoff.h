/* Capped exponential back-off with jitter; randomness comes in as an argument. */
#ifndef HEARTH_CORE_BACKOFF_H
#define HEARTH_CORE_BACKOFF_H

#include <stdint.h>

struct backoff {
	int32_t first_ms, cap_ms;
	int32_t next_ms; /* 0 = start anew */
};

/** The wait before the next try: doubles each time up to the cap; the result is spread over 50..100 % of it by
 *  @random (any 32 random bits). */
int32_t backoff_next(struct backoff *b, uint32_t random);
void backoff_reset(struct backoff *b);

#endif
