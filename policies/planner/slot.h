/* One slot of the plan problem as seen by one battery and (perhaps) one car: what a pair of powers costs, and the
 * cost as a function of the change of stored energy. Everything else of the home stands in `net_kw`. */
#ifndef HEARTH_POLICIES_PLANNER_SLOT_H
#define HEARTH_POLICIES_PLANNER_SLOT_H

#include "policies/planner/curve.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define SLOT_POINTS_MAX 28

/* A second battery that answers the first at what its energy is worth to it. */
struct slot_answer {
	bool free, may_import, may_export;
	double min_kw, max_kw;
	double worth_in, worth_out;       /* money per kW held for the slot, charging and discharging (wear in it) */
};

struct slot {
	double dt_h;
	double net_kw;                    /* load - pv + all devices that are not decided here */
	double import_price, export_price, import_max_kw, export_max_kw, curtail_max_kw;
	double battery_min_kw, battery_max_kw; /* contain 0 */
	double fixed_kw;                  /* NAN = free; else the order, run until floor or capacity */
	double due_kw, missed_cost;       /* the order before others' powers cut it; the price of that where the store does
					   * not end the order */
	double gain_in, gain_out;         /* stored kWh per kW held for the slot, charging and discharging */
	double wear_cost;
	double car_kw;                    /* power of the car when it is given */
	double car_min_kw, car_max_kw;    /* when car_free: 0 or within these; 0 outside its window */
	double car_on, import_on;         /* money, when car_free: what running at all costs in this slot, whatever the power; and
					   * importing (not in awkward slots); at a power of zero whichever is cheaper */
	double penalty;                   /* per kWh outside a grid limit; INFINITY = may not happen */
	bool car_free;                    /* the car is to be decided here */
	bool car_must;                    /* and may not rest */
	double other_cars_kw;             /* part of net_kw */
	bool other_discharges;            /* another battery does, within net_kw */
	bool grid_charge, battery_export, battery_to_ev;
	struct slot_answer answer;
	bool awkward;                     /* negative price or a rule by direction: all kinks count */
};

/* Stored energy changes by d_kwh at this cost (car's energy already valued), with the car at car_kw. */
struct slot_point {
	double d_kwh, cost, car_kw;
};

/**
 * Least cost of a slot with the battery at @b_kw and the car at @e_kw over all allowed curtailments.
 * @grid_kw  receives the grid power (may be NULL); curtailment is grid - net - b - e
 * Returns the cost, INFINITY when the pair is not allowed (with a finite penalty it always is).
 */
double slot_cost(const struct slot *s, double b_kw, double e_kw, double *grid_kw);
/** What of that is import_on. */
double slot_import_on(const struct slot *s, double b_kw, double e_kw);

/** Powers at the grid at which slot_cost bends, kW, in no order. Returns how many. */
int slot_kinks(const struct slot *s, double grid_kw[6]);

/** As slot_cost with the best power of the car when a kWh in it is worth @mu; *e_kw receives it. */
double slot_best(const struct slot *s, double b_kw, double mu, double *e_kw);

static inline double slot_delta(const struct slot *s, double b_kw)
{
	return b_kw * (b_kw > 0 ? s->gain_in : s->gain_out);
}

static inline double slot_power(const struct slot *s, double d_kwh)
{
	return d_kwh / (d_kwh > 0 ? s->gain_in : s->gain_out);
}

/** All points where the cost over stored energy may bend upward, ascending; between two of them it is linear or bends
 *  downward. Returns their number, 0 when nothing is allowed. */
int slot_points(const struct slot *s, double mu, struct slot_point out[SLOT_POINTS_MAX]);

/** Reduces points to the vertices of their convex envelope, in place. *convex: no point lay above it (and the cost is
 *  linear between). Returns the number left. */
int slot_envelope(const struct slot *s, struct slot_point *p, int n, bool *convex);

/** The cost as it is, with the car given (car_free is not looked at): every bend, every jump. 0 or -ENOMEM. */
int slot_curve(const struct slot *s, struct curve *out);
/** The same with the car free to choose, a kWh in it being worth @mu. */
int slot_curve_free(const struct slot *s, double mu, struct curve *out, struct curve spare[2]);
/** The same with the car given and another battery free to answer. */
int slot_curve_joint(const struct slot *s, struct curve *out, struct curve spare[2]);

#endif
