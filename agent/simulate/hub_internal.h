/* What hub.c (devices and orders) and hub_plan.c (prices, forecasts, plans) share. */
#ifndef HEARTH_SIMULATE_HUB_INTERNAL_H
#define HEARTH_SIMULATE_HUB_INTERNAL_H

#include "policies/chain.h"
#include "policies/forecast/habit.h"
#include "policies/planner/home.h"
#include "policies/planner/replan.h"
#include "simulate/chance.h"
#include "simulate/hub.h"

struct hub_sim {
	struct world *w;
	struct hub_sim_options o;
	struct simulate_result *result;
	struct snapshot snap;
	struct chain chain;
	struct decisions decisions;
	int battery[SCENARIO_BATTERIES_MAX], pv, car; /* places in the snapshot; -1 = none */
	struct config config;
	struct chance ripple;
	struct habit habit;           /* of the car, where nobody tells */
	int parked;                   /* session of the last tick, -1 = none */
	double taken_wh;              /* in it */

	struct forecast forecast;
	struct home home;
	struct planning_inputs inputs;
	struct price_series known[2], composed[2]; /* import, export */
	struct plan_instance in;
	struct home_map map;
	struct replan replan;
	struct plan plan;
	int asked;                    /* how often the planner asked whether its time is over */
	bool planned;                 /* in, map and plan are of the last good plan */
	int64_t due_utc_ms;           /* of the next plan at the latest */
	int64_t composed_utc_ms, known_until_utc_ms;
	int64_t guided_until_utc_ms;  /* guidance in the snapshot holds until then */
	int session, n_events;        /* when the last plan was made */
	double load_error, load_sum, pv_error, pv_sum; /* of day-ahead forecasts, W summed over half hours */
	int64_t judged_day_utc_ms;
};

void hub_plan_begin(struct hub_sim *h);
void hub_plan_end(struct hub_sim *h);
/** Prices of this instant into the snapshot; the series anew when more is known. */
void hub_plan_prices(struct hub_sim *h);
/** Forecasts learn from the snapshot. */
void hub_plan_observe(struct hub_sim *h);
/** Plans again when it is time; guidance into the snapshot. */
void hub_plan_step(struct hub_sim *h);

#endif
