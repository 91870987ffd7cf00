/* See loop.h. */
#include "io/loop.h"

#include <sys/timex.h>
#include <time.h>

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t loop_utc_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

bool loop_clock_synchronised(void)
{
	struct timex tx = { .modes = 0 };

	int state = adjtimex(&tx); /* -1: not allowed to ask, and what we may not ask vouches for nothing */

	/* TIME_ERROR comes with STA_UNSYNC, but also alone when the kernel distrusts the clock. */
	return state >= 0 && state != TIME_ERROR && !(tx.status & STA_UNSYNC);
}
