/* May time-based actions run? Decides whether the wall clock can be trusted, and notices when it is stepped. Pure: the
 * clocks and the kernel's word come in as arguments. */
#ifndef HEARTH_CORE_CLOCK_GATE_H
#define HEARTH_CORE_CLOCK_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* A clock off by more than this against a verified sender is not vouched for (flip-api 14.5: 10 minutes). */
#define CLOCK_VOUCH_MS 600000
/* A jump of wall clock against monotonic clock that counts as a step; slewing stays far below it. */
#define CLOCK_STEP_MS 900

struct clock_gate {
	bool seen;              /* offset_ms is valid */
	int64_t offset_ms;      /* wall clock minus monotonic clock at the last look */
	bool vouched, refuted;  /* by a verified sender since the last step */
	uint32_t steps;
};

/**
 * One look at the clocks.
 * @kernel_synchronised  adjtimex says so
 * @always               `[site] clock = trust`
 * @stepped              set when the wall clock was moved since the last look (may be NULL)
 * Returns true when time-based actions may run.
 */
bool clock_gate_step(struct clock_gate *g, int64_t now_ms, int64_t utc_ms, bool kernel_synchronised, bool always, bool *stepped);

/** A verified sender's time arrived (signed webhook, TLS Date): within 10 min it vouches for our clock; further ahead it
 *  refutes it; further behind it says nothing (messages may wait on a broker). */
void clock_gate_vouch(struct clock_gate *g, int64_t sender_utc_ms, int64_t utc_ms);

#endif
