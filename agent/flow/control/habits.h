/* Sessions of cars at the chargers, watched and kept (settings "habit/<device>"), and what they say of a car that is plugged in now
 * and of which the owner said nothing. Only with [plan] ev_habit = yes; else nothing is learned and nothing kept. On the loop. */
#ifndef HEARTH_FLOW_CONTROL_HABITS_H
#define HEARTH_FLOW_CONTROL_HABITS_H

#include "core/config.h"
#include "core/snapshot.h"
#include "io/store.h"

struct habits; /* opaque */

struct habits_options {
	const struct config *config; /* outlives it, as the others do */
	const struct zone *zone;
	struct store *store;
};

/** Before the settings are loaded. */
int habits_start(struct habits **out, const struct habits_options *options, struct errbuf *err);
/** A row of the settings at start; true when it is ours. One that cannot be read is as good as none. */
bool habits_load(struct habits *b, const struct store_row *row);
/** After each tick. Trusted clock only: without one no session begins or ends. */
void habits_observe(struct habits *b, const struct snapshot *s);
/** Energy, ready_by and ev_habit (words) of a car in mode cheap of which the owner said neither; untouched when nothing is known. */
void habits_fill(const struct habits *b, int64_t utc_ms, struct snap_device *d);
/** Stores what runs. Before store_close. NULL is fine. */
void habits_stop(struct habits *b);

#endif
