/* The physics of one row: the house with its batteries and car, driven by the truth and read by a meter. Who orders what stands
 * elsewhere (rules.c, hub.c). Pure. */
#ifndef HEARTH_SIMULATE_WORLD_H
#define HEARTH_SIMULATE_WORLD_H

#include "simulate/house.h"
#include "simulate/result.h"
#include "simulate/truth.h"

#define WORLD_SOC_STEP_PCT 0.1 /* a battery's state of charge is read in steps of it */

struct world {
	const struct scenario *s;
	const struct truth *t;
	struct house house;
	int n_batteries;
	int64_t utc_ms;
	int session;          /* that runs, -1 = no car */
	double car_left_wh;   /* still wanted in it */
	double natural_pv_w;  /* before curtailing */
	double floor_wh[SCENARIO_BATTERIES_MAX]; /* in force, said each tick by who is judged by it; 0 = nobody looks */
	double below_s[SCENARIO_BATTERIES_MAX];  /* so long below it, without a break */
	bool ordered_below;   /* this tick's orders go below it by what was read; world_step takes it back */
	struct simulate_row *row;
	struct simulate_point sum; /* of the half hour that runs, in kWh and money */
};

/** A world at the start of @t. @batteries false: the home has none. row->point holds @n_points of them. */
void world_init(struct world *w, const struct scenario *s, const struct truth *t, bool batteries, struct simulate_row *row);

/** Battery @i of the scenario. */
struct storage *world_battery(struct world *w, int i);

/** Sets load, sun and car as they are now; before orders are thought of. */
void world_sense(struct world *w);

/**
 * Runs a tick with the orders given and accounts for it. A breach of the floor is a tick in which a battery gives while its energy
 * was below the floor by more than a reading hides, whoever told it to and also when nobody did; or one whose orders say so.
 */
void world_step(struct world *w);

/** At the end: what cars did not get, cycles, shares. */
void world_close(struct world *w);

/** What the charger offers to draw @w. */
void world_car_offer(struct world *w, double power_w);
double world_car_max_w(const struct scenario *s);

double world_stored_wh(const struct world *w);
double world_capacity_wh(const struct scenario *s);

#endif
