/* What is asked of the grid point from outside: the grid operator's limit (core/limit_input) and the month's demand target
 * (core/demand). Gives them clocks, the meter and the disk, and shows them on R/limit and R/demand. */
#ifndef HEARTH_FLOW_CONTROL_OUTSIDE_H
#define HEARTH_FLOW_CONTROL_OUTSIDE_H

#include "core/limit_input.h"
#include "core/snapshot.h"
#include "io/store.h"

struct hub;
struct outside; /* opaque */

/** Before the settings are loaded. 0, or negative with the reason. */
int outside_start(struct outside **out, struct hub *hub, struct errbuf *err);
/** A row of the settings read at start; true when it was ours. */
bool outside_load(struct outside *o, const struct store_row *row);
/** A row of STORE_DAILY: the running interval of the demand target is kept there, because nothing else is unsynced and keyed. */
void outside_load_interval(struct outside *o, const struct store_row *row);
/** The database was damaged; behind the loading of what could be read. What was read of the limit holds, but nobody vouches for
 *  it; without one it is not known which there was. @rows: settings may be missing. */
void outside_lost(struct outside *o, bool rows);

/** A limit arrived: in force in memory at once. Bits of enum limit_change, or a negative errno with the reason. */
int outside_limit(struct outside *o, const struct limit_message *m, struct errbuf *err);
/** The same for one whose transaction cannot be remembered: said again it could come back later, so only one that takes away is
 *  taken; -EBUSY for any other, which changes nothing. */
int outside_tighten(struct outside *o, const struct limit_message *m, struct errbuf *err);
/**
 * Calls @done once everything that was changed so far is on disk: now when it is, else after the commit. What many changes have
 * in common is one transaction, at most one a second. @status negative: it could not be stored; it stays in force all the same
 * (a limit is not lifted because a disk is full) and is tried again.
 * -EAGAIN when too many wait.
 */
typedef void (*outside_done_fn)(void *context, int status);
int outside_stored(struct outside *o, outside_done_fn done, void *context);
/** True when all there is to store of the limit is on disk. */
bool outside_kept(const struct outside *o);
/** True when one more may wait. */
bool outside_room(const struct outside *o);

/** Into the snapshot, when everything else of it is frozen: external, site.demand_target_w. */
void outside_freeze(struct outside *o, struct snapshot *s);
/** After the tick: publishes and stores what changed. */
void outside_after(struct outside *o);
/** The broker came back. */
void outside_publish_again(struct outside *o);

/** A sentence for R/agent.warnings while failsafe limits hold, or the stored limit could not be read and no other was heard since;
 *  else NULL. Valid until the next call. */
const char *outside_warning(const struct outside *o);
/** For R/limit and R/agent.warnings, strings onto @list: that the owner's pause keeps no limits, from outside or the site's own; that a
 *  tighter limit of another source gave way to a looser one, while it would still stand. */
void outside_notes(const struct outside *o, cJSON *list);
/** The first of these alone; false when nothing is paused, or there are no limits. */
bool outside_pause_note(const struct outside *o, char *out, size_t size);
/** R/limit and R/demand without "at"; the caller owns the tree. The latter NULL without a target. */
cJSON *outside_encode_limit(const struct outside *o);
cJSON *outside_encode_demand(const struct outside *o);

/** Gives the disk what it does not have yet; before the store is closed. */
void outside_flush(struct outside *o);
/** After the store is closed. NULL is fine. Memory goes when the loop has closed the timer. */
void outside_stop(struct outside *o);

#endif
