/* From what the hub knows (configuration, prices, device states, events, forecasts) to a plan instance. Pure. */
#ifndef HEARTH_POLICIES_HOME_H
#define HEARTH_POLICIES_HOME_H

#include "core/config.h"
#include "core/price.h"
#include "policies/forecast/forecast.h"
#include "policies/planner/planner.h"

/* What an event asks of one device while it lasts. */
struct planning_event {
	int64_t from_utc_ms, to_utc_ms;
	double power_w;   /* into the device positive, infinite = all it can; NAN = only the floor counts (self-use within the event) */
	double floor_pct; /* effective floor during the event; NAN = the site's own */
};

#define PLANNING_EVENTS_MAX 16

struct planning_inputs {
	int64_t utc_ms;
	const struct price_series *import_prices, *export_prices; /* NULL or n = 0: unknown; export unknown counts as 0 */
	const struct snapshot *snapshot;
	int n_events[DEVICE_MAX];
	struct planning_event event[DEVICE_MAX][PLANNING_EVENTS_MAX];
	char trigger[120]; /* why it is planned now, in words; "" = not said */
};

/* What stays from one plan to the next. */
struct home {
	const struct config *config;
	const struct zone *zone;
	const struct forecast *forecast;
};

/* Which device of the snapshot stands behind a battery or car of the instance. */
struct home_map {
	int battery_device[PLAN_BATTERIES_MAX], ev_device[PLAN_EVS_MAX];
	int64_t known_until_utc_ms; /* import prices behind it are those of the last known day at the same local time */
	/* What a kWh given in an event's slots is taken to be worth besides its price: so much that the battery waits for the event, and is
	 * filled for it in all but the dearest hours.
	 * It stands in both prices of these slots; home_plan_settle takes it out again. 0 = there is no such event. */
	double event_worth;
};

/**
 * Slots begin now; they end at multiples of slot_s, at price changes and where events begin or end, and reach to a day behind the
 * last known price, at most horizon_h. See README.md "From a home to an instance" for every choice made.
 * Returns 0; -ENODATA with the reason (no prices, nothing to plan for); -ENOMEM.
 */
int home_instance(const struct planning_inputs *in, const struct home *home, struct plan_instance *out, struct home_map *map,
		  struct errbuf *err);

/** Adds @per_kwh to both prices of the slots in which a battery is ordered to give. */
void home_event_worth(struct plan_instance *in, double per_kwh);

/** After solving: prices, cost and bound without the events' worth. The bound then is of the plans that serve the events as well. */
void home_plan_settle(struct plan_instance *in, const struct home_map *map, struct plan *p);

/** True for a battery or car that stands in an instance made now. */
bool home_plans(const struct snapshot *s, int device);

/** House load without batteries, cars and sun, and the sun, W; NAN when a part of the sum is not known now. */
void home_measure(const struct snapshot *s, double *load_w, double *pv_w);

/** True while a bound that is reached hides what the sun would give: what home_measure says of it teaches no forecast. */
bool home_curtailed(const struct snapshot *s);

/** Worth of a stored kWh at the end: the cheaper half of the known prices is what it will most likely replace, so
 *  discharge_eff x the mean of that half (over time), never below 0. */
double home_terminal_value(const struct plan_instance *in, double discharge_eff);

#endif
