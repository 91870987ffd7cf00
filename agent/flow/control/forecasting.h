/* The hub's forecast: fed by each tick, learned from the store's history at the start, told by forecast.set, asked by the planner.
 * Owns the one struct forecast of the process. On the loop; what is pure stands in policies/forecast. */
#ifndef HEARTH_FLOW_CONTROL_FORECASTING_H
#define HEARTH_FLOW_CONTROL_FORECASTING_H

#include "core/config.h"
#include "core/json.h"
#include "core/snapshot.h"
#include "io/store.h"
#include "policies/forecast/forecast.h"

struct forecasting; /* opaque */

struct forecasting_options {
	const struct config *config; /* these two must outlive it (or forecasting_configure) */
	const struct zone *zone;
	struct store *store;         /* NULL: nothing is kept */
	/* R/forecast has something new to say: each hour, after the history was read, after forecasting_set. May be NULL. */
	void (*changed)(void *context);
	void *context;
};

/** Reads what was pushed and what was forecast a day ahead (so before the first transaction). The history follows with the first
 *  observation by a trusted clock, page by page behind everything else. 0 or a negative errno. */
int forecasting_start(struct forecasting **out, const struct forecasting_options *o, struct errbuf *err);

/** After a reload. */
void forecasting_configure(struct forecasting *f, const struct config *config, const struct zone *zone);

/** Each tick. Cheap, allocates nothing; 0.1 ms each quarter of an hour. */
void forecasting_observe(struct forecasting *f, const struct snapshot *s);

/** What the planner copies; lives as long as @f. */
const struct forecast *forecasting_now(const struct forecasting *f);

/**
 * forecast.set: takes over what was pushed, at once, and stores it; @done (may be NULL) is told when it is on disk.
 * 0, -EINVAL with words (nothing was changed), -EAGAIN or -ENOMEM: in force, but not stored, and @done is not called.
 */
int forecasting_set(struct forecasting *f, const cJSON *args, int64_t utc_ms, store_done_fn done, void *context, struct errbuf *err);

/** R/forecast without "at": source, errors, the next 48 hours. The caller owns it. */
cJSON *forecasting_encode(const struct forecasting *f, int64_t utc_ms);

/** Before store_close. @f may be NULL. Memory goes with the last page of history under way. */
void forecasting_stop(struct forecasting *f);

#endif
