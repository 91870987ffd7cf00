/* The one event loop (libuv) and the clocks. Everything that is not a worker runs here. */
#ifndef HEARTH_IO_LOOP_H
#define HEARTH_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/** Monotonic ms (CLOCK_BOOTTIME-free: CLOCK_MONOTONIC), the time base of control. */
int64_t loop_now_ms(void);
/** Wall clock, ms since 1970 UTC. */
int64_t loop_utc_ms(void);
/** True when the kernel says the clock is synchronised (adjtimex without STA_UNSYNC). */
bool loop_clock_synchronised(void);

#endif
