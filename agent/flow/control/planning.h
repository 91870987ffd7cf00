/* The plan of this home: a worker makes an instance of forecasts and prices, solves and prints it; the last good plan stays in
 * force. The loop copies what the worker needs and looks the plan up; the plan itself is touched by the loop's thread only. */
#ifndef HEARTH_FLOW_CONTROL_PLANNING_H
#define HEARTH_FLOW_CONTROL_PLANNING_H

#include "core/config.h"
#include "core/price.h"
#include "core/snapshot.h"
#include "policies/planner/home.h"
#include "policies/planner/replan.h"

#include <stdint.h>
#include <uv.h>

struct planning; /* owned by the caller through planning_start/planning_stop */

/* struct planning_inputs and struct planning_event stand in policies/planner/home.h. */

struct planning_options {
	const struct config *config; /* these two must outlive it (or planning_configure) */
	const struct zone *zone;
	/* On the loop whenever a new plan stands or the status says something new; may call planning_guide, planning_text and
	 * planning_status. */
	void (*changed)(void *context);
	void *context;
	const struct forecast *forecast; /* outlives it; copied with each request */
};

/** Starts the worker. Returns 0 or a negative errno. */
int planning_start(struct planning **out, uv_loop_t *loop, const struct planning_options *o, struct errbuf *err);

/** After a reload: other configuration, same worker, same forecast; the plan in force stays until the next one, but says nothing any
 *  more to a device that has another size, rating or role now, and a plan that is being made for the old ones is dropped: ask anew. */
void planning_configure(struct planning *p, const struct config *config, const struct zone *zone);

/**
 * Copies what @in and the configuration say now and posts it; the latest request wins. Nothing is kept of @in.
 * Returns 0, -ENODATA (no prices, no battery and no car, unknown SoC: planning_status says which), -EAGAIN, -ENOMEM.
 */
int planning_request(struct planning *p, const struct planning_inputs *in);

/** True when prices are not those of the last request: another price, or more than an hour further known, from @utc_ms on. */
bool planning_prices_differ(const struct planning *p, const struct price_series *import, const struct price_series *export,
			    int64_t utc_ms);

/** What the plan in force says of the moment of @s, in the order of its devices. */
void planning_expect(const struct planning *p, const struct snapshot *s, struct replan_expected *out);

/** Guidance for the device of that id; valid = false when no plan covers it. By id, not by place: a reload may move devices while a
 *  plan is in force, or being made. Allocates nothing. */
void planning_guide(const struct planning *p, const char *id, int64_t utc_ms, struct plan_guide *out);

/** R/plan without "at", printed: `ems-plan/1` with batteries[] (and capacity_kwh, floor_kwh[] of each), evs[], start, slot_s, prices, status,
 *  blocks[] (policies/planner/story.h), forecast (its recent error) and trigger: why it was made. NULL without a plan.
 *  Valid until planning_stop or the next plan, so at least until the loop's next turn. For publish_raw and cJSON_CreateRaw. */
const char *planning_text(const struct planning *p);

/** "optimal, 3.1 ms", "no prices", "infeasible: ..."; valid until the next call on @p. */
const char *planning_status(const struct planning *p);

/** Ends the worker and frees. @p may be NULL. */
void planning_stop(struct planning *p);

#endif
