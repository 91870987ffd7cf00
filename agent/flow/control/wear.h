/* What of a driver must outlive the agent: how often registers were written to that may be written only so many times a day,
 * because that wears them; and what it found in the device and replaced. Keeps that on disk, by unit and bus (an older row by name is still
 * read), and gives it back. */
#ifndef HEARTH_FLOW_CONTROL_WEAR_H
#define HEARTH_FLOW_CONTROL_WEAR_H

#include "core/err.h"
#include "io/store.h"

struct hub;
struct wear; /* opaque */

/** Before the settings are loaded. 0, or -ENOMEM. */
int wear_start(struct wear **out, struct hub *hub, struct errbuf *err);
/** A row of the settings read at start; true when it was ours. Writes that cannot be read count as a day's writes just now. */
bool wear_load(struct wear *w, const struct store_row *row);
/** Rows may be missing (a damaged database): behind the loading, a device without one counts like one that cannot be read. */
void wear_lost(struct wear *w);
/** Tells the drivers of these devices (bits), after they were started. */
void wear_recall(struct wear *w, uint32_t devices);
/** After each tick, also the last one: stores what changed since. */
void wear_step(struct wear *w);
/** True when all there is to store is on disk. */
bool wear_stored(const struct wear *w);
/** After the store is closed. NULL is fine. */
void wear_stop(struct wear *w);

#endif
