/* A plan told in blocks: what each device does from when to when, at which price, why, and what it gains. Pure; allocates nothing
 * but the JSON. */
#ifndef HEARTH_POLICIES_PLANNER_STORY_H
#define HEARTH_POLICIES_PLANNER_STORY_H

#include "core/calendar.h"
#include "policies/planner/planner.h"

#define STORY_BLOCKS_MAX 128
#define STORY_WHY_MAX 160

enum story_action {
	STORY_SELF_USE,  /* takes the sun that is left over, or covers the house */
	STORY_HOLD,      /* keeps what it has although the house draws, or leaves the sun to the grid */
	STORY_CHARGE,    /* from the grid, or by an event's order */
	STORY_DISCHARGE, /* by an event's order */
	STORY_SELL,      /* more than the house draws */
	STORY_CAR,
};

struct story_block {
	char device[DEVICE_ID_MAX];
	enum story_action action;
	int64_t from_utc_ms, to_utc_ms;
	double kwh;      /* at the device's AC side, >= 0; of a hold what is kept above the least the plan ever has */
	double price;    /* per kWh: what was paid, earned or saved for it; of a hold the mean import price, of sun left
			  * to the grid the mean export price */
	/* In the prices' currency, against a battery at rest and a car that charges as soon as it is there. What one stored kWh earns
	 * is counted once, where it was taken in; where it is given out only if it was there at the start. So all gains together are
	 * what the plan saves. */
	double gain;
	char why[STORY_WHY_MAX]; /* a sentence; times of day in the site's zone */
};

struct story {
	int n;           /* ordered by device, batteries first, then by time */
	struct story_block block[STORY_BLOCKS_MAX];
};

/** Tells @p, a plan of @in with start_utc_ms set. A run shorter than 15 minutes that moves next to nothing joins the one before
 *  it, so does one of less than 0.05 kWh in two hours, and a car's after a pause of less than half an hour; where there are too many runs, longer ones do too. @z: zone for sentences, NULL = UTC. @out is large: 40 KiB. */
void story_tell(const struct plan *p, const struct plan_instance *in, const struct zone *z, struct story *out);

/** [{from, to, device, action, kwh, price, why, gain}]. The caller's; NULL without memory. */
cJSON *story_encode(const struct story *s);

const char *story_action_word(enum story_action a);

/** Least cost of slot @t with @net_kw at the grid before curtailment: at least as much is curtailed as the export limit asks, more
 *  where a negative price pays for it. */
double story_slot_cost(const struct plan_instance *in, int t, double net_kw);

#endif
