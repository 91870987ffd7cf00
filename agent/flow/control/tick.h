/* The tick: freezes a snapshot, lets the chain think, hands orders to the plant. Runs at a steady beat and at once when
 * something arrived (at most 10 a second). Counts how late it was. */
#ifndef HEARTH_FLOW_CONTROL_TICK_H
#define HEARTH_FLOW_CONTROL_TICK_H

#include "core/decision.h"
#include "core/err.h"
#include "core/snapshot.h"

#include <uv.h>

struct hub;
struct tick; /* opaque */

/** What the tick leaves behind; valid until the next one. */
typedef void (*tick_done_fn)(void *context, const struct snapshot *s, const struct decisions *d);

/* What runs around each tick; before may be NULL. */
struct tick_hooks {
	void (*before)(void *context); /* what must have moved before the snapshot is frozen */
	tick_done_fn done;             /* after the orders are with the plant */
	void *context;
};

/** Prepares; the first tick comes with the next turn of the loop. */
int tick_start(struct tick **out, struct hub *hub, const struct tick_hooks *hooks, struct errbuf *err);

/** Something arrived that must not wait for the beat: a tick at the next turn of the loop. At most 10 a second. */
void tick_soon(struct tick *t);
/** The same within this call, for an order that should be at the device before anything else is done with it. */
void tick_now(struct tick *t);

/** A tick out of the beat at a monotonic time, for what begins or ends by the clock. An earlier one stays. */
void tick_at(struct tick *t, int64_t at_ms);

/** After a reload with other devices. @from: where each was before, as config_kept says; what is known of a new one starts anew,
 *  and of all when they are not the same ones any more. */
void tick_rebuilt(struct tick *t, const int *from);

const struct snapshot *tick_snapshot(const struct tick *t);
const struct decisions *tick_decisions(const struct tick *t);

/** 99th percentile of the lateness of the last 1024 beats, ms; and the largest since start. */
double tick_late_p99_ms(const struct tick *t);
double tick_late_max_ms(const struct tick *t);
uint64_t tick_count(const struct tick *t);

void tick_stop(struct tick *t);

#endif
