/* Registers that may be written only so many times a day, because that wears them: how often each device was written to must
 * outlive the agent and its drivers. Keeps that on disk and gives it back. */
#ifndef HEARTH_FLOW_CONTROL_WEAR_H
#define HEARTH_FLOW_CONTROL_WEAR_H

#include "core/err.h"
#include "io/store.h"

struct hub;
struct wear; /* opaque */

/** Before the settings are loaded. 0, or -ENOMEM. */
int wear_start(struct wear **out, struct hub *hub, struct errbuf *err);
/** A row of the settings read at start; true when it was ours. One that cannot be read counts as a day's writes just now. */
bool wear_load(struct wear *w, const struct store_row *row);
/** Tells the drivers; whenever the plant was built. */
void wear_recall(struct wear *w);
/** After each tick, and before the store is closed: stores what was written since. */
void wear_step(struct wear *w);
/** After the store is closed. NULL is fine. */
void wear_stop(struct wear *w);

#endif
