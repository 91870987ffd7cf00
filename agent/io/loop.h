/* The one event loop (libuv) and the clocks. Everything that is not a worker runs here. */
#ifndef HEARTH_IO_LOOP_H
#define HEARTH_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/** Monotonic ms, the time base of control. CLOCK_BOOTTIME: it goes on while the machine is suspended, so that a reading from
 *  before is as old as it is. Timers of libuv stand still meanwhile and fire late. */
int64_t loop_now_ms(void);
/** Wall clock, ms since 1970 UTC. */
int64_t loop_utc_ms(void);

/* The clocks of one instant, also when the machine is suspended between two readings, and who vouches for the wall clock. */
struct loop_clocks {
	int64_t now_ms, utc_ms;   /* as above */
	int64_t slept_ms;         /* loop_slept_ms */
	bool synchronised;        /* the kernel says so (adjtimex without STA_UNSYNC, its error bounded) */
	int64_t timesyncd_utc_ms; /* when systemd-timesyncd last set or confirmed the clock; 0 = not since the boot */
};
void loop_clocks(struct loop_clocks *out);
/** Suspended in all since the boot, plus a second, so that 0 may mean "not known". */
int64_t loop_slept_ms(void);

/* How long the loop keeps others waiting: the time between two looks at the kernel for what is new (a turn), without the
 * waiting. A turn may run several callbacks, so no callback took longer than the longest turn. */

#define LOOP_LIMIT_MS 5 /* what a turn may take */
#define LOOP_TAG_MAX 24

struct loop_busy {
	double longest_ms;       /* of one turn since the start; also the time others had our processor */
	double longest_cpu_ms;   /* of one turn since the start, CPU time of the loop's thread alone */
	int64_t longest_utc_ms;  /* when the longest turn ended; 0 = none yet */
	char at[LOOP_TAG_MAX];   /* what the longest turn was busy with longest (see loop_mark); "" = nobody said, or within the limit */
	double recent_ms, recent_cpu_ms; /* the longest turn of the last full minute (of the minute so far in the first one) */
	uint64_t turns;
	uint64_t over, over_cpu; /* turns above LOOP_LIMIT_MS by the wall clock, and by CPU time */
	double busy_ms;          /* of all turns */
};

/** Measures from uv_run's first turn on: what is built before it, before there is anybody to hold up, does not count. At most once
 *  at a time. 0; -EBUSY; or a negative errno. */
int loop_watch_start(uv_loop_t *loop);
/** Ends it; the handles are closed by the loop. What was measured can still be read. Fine without a start. */
void loop_watch_stop(void);
/** All zero when nothing was measured. */
void loop_busy(struct loop_busy *out);
/**
 * What the loop's thread does from now on, for the blame of a long turn; NULL = nothing in particular. It holds until the
 * next mark and no longer than the turn. @what is copied, cut to LOOP_TAG_MAX - 1. Costs about as much as reading the clock twice;
 * nothing when nobody measures.
 */
void loop_mark(const char *what);

#endif
