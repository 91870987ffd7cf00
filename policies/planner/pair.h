/* One battery with at most one car, everything else given: the core of the planner. Keeps the slots, the envelopes and
 * the cost to go; a car's energy is priced by mu, a dual value found by intersecting tangents. */
#ifndef HEARTH_POLICIES_PLANNER_PAIR_H
#define HEARTH_POLICIES_PLANNER_PAIR_H

#include "policies/planner/slot.h"
#include "policies/planner/togo.h"

struct pair {
	int slots;
	struct slot *slot;
	const double *floor_kwh;          /* slots + 1 */
	double capacity_kwh, soc_kwh, worth; /* worth of a kWh left at the end */
	double floor_price;               /* per kWh short per hour; NAN = the floor is hard. Soft means: it may be missed
					   * by a rising floor or a low start, it may not be discharged through */
	double *least_kwh;                /* slots + 1, filled by the caller: no plan that keeps to a soft floor's rule
					   * gets below (memory is the pair's) */
	double waste_kwh;                 /* a relaxation may throw away so much in a slot; 0 in a real problem */

	int car_from, car_to;             /* slots where the car may charge; equal = no car */
	double car_kwh;                   /* energy it must get */
	double tolerance;                 /* money; a gap up to this counts as none */
	int branch_work;                  /* slots and segments branching may look at in all: longer plans get fewer nodes */
	double mu_min, mu_max;            /* no kWh in the car is worth less, or more */

	bool (*expired)(void *context);
	void *context;

	/* working memory */
	struct togo go;
	struct slot_point *point;         /* envelopes, last slot first */
	int points_used, points_room;
	struct pair_row { int first, n; bool convex; } *row;
};

struct pair_result {
	double *battery_kw, *car_kw;      /* slots each, owned by the caller */
	double cost, bound, mu;
	double car_kwh;                   /* what the car gets */
};

int pair_init(struct pair *p, int slots);
void pair_deinit(struct pair *p);

/**
 * Finds a good plan and a true lower bound. Leaves the cost to go of the battery, the car as planned, in p->go.
 * Returns 0; -EDOM when no plan keeps to all hard limits; -ENOMEM. r->car_kwh tells how much of p->car_kwh fitted.
 */
int pair_solve(struct pair *p, struct pair_result *r);

/** Only the bound: the dual value, without a plan. INFINITY when nothing is feasible. */
int pair_bound(struct pair *p, double *bound);

/* pair_sweep.c */
/** Cost to go from slot @from - 1 back to 0, with the car's energy worth @mu. 0, -EDOM, -ENOMEM. */
int pair_sweep(struct pair *p, int from, double mu);
/** Forward on the envelopes: energy the car takes in the relaxed optimum, its power per slot when @e is not NULL. */
double pair_relaxed(const struct pair *p, double *e_kw);
/** Forward by true cost and the cost to go: fills both powers, returns the true cost (car's worth not counted). */
double pair_walk(const struct pair *p, double mu, double *b_kw, double *e_kw);

/** What given powers cost, the battery within its store. */
double pair_cost(const struct pair *p, const double *b_kw, const double *e_kw);
/** The price of an order of slot @t that others' powers cut, where @soc behind it says that the store did not end it. */
double pair_order_missed(const struct pair *p, int t, double soc);
/** Changes of stored energy that lead from @soc into what can go on after slot @t. */
void pair_range(const struct pair *p, int t, double soc, double range[2]);

/* pair_exact.c */
struct pair_exact {
	double *battery_kw, *car_kw; /* slots each, the caller's */
	double cost;                 /* by true prices; without the car's worth */
	int segments;                /* looked at: a measure of the work */
	double bound;                /* with the car's worth; a car that is free: the dual's value without mu * car_kwh */
};

/** The best schedule where slots are not convex too; a car that is free (slot.car_free) takes what pays at @mu per kWh. The
 *  bound is at most @eps below the optimum. Schedules dearer than @limit (INFINITY: none; counted as the bound is) are not
 *  looked at; p->go must be swept at @mu. 0; -EDOM: no schedule keeps all limits and @limit; -ENOMEM; -ETIME; -E2BIG: too
 *  many segments. */
int pair_exact(const struct pair *p, double mu, double eps, double limit, struct pair_exact *out);

/* pair.c, for pair_branch.c */
#define PAIR_ENERGY_EPS 1e-7 /* kWh of the car */

/* Where a plan is made: powers, the worth of energy along it, room for pair_car_fit(). */
struct pair_attempt {
	double *b, *e, *worth;
	void *scratch;
};

void pair_car_release(struct pair *p, bool free_car);
void pair_car_set(struct pair *p, const double *e_kw);
/** The car anew around the battery in @a; @answer: the battery may answer at the worth of energy along it. Returns kWh. */
double pair_car_again(const struct pair *p, const struct pair_attempt *a, bool answer);
/** Battery for the car in @a (@kwh in all), car for that battery, until nothing improves. Keeps the best in @r. */
int pair_turns(struct pair *p, const struct pair_attempt *a, double kwh, bool answer, struct pair_result *r);
/** Greatest gap that still counts as none. */
double pair_tolerance(const struct pair *p, const struct pair_result *r);
bool pair_good_enough(const struct pair *p, const struct pair_result *r);

/* pair_branch.c */
/** Closes the gap between r->cost (a plan with the car full) and r->bound by branching on the car's slots, the dual without
 *  envelopes as the bound. 0 or -ENOMEM. */
int pair_branch(struct pair *p, struct pair_result *r, const struct pair_attempt *a);

/* pair_peak.c */
#define PAIR_PEAK_PLANES 48

/* Tangents of a concave function of two prices: at + slope[0] * x + slope[1] * y, and where its top is looked for. */
struct pair_peak {
	struct pair_plane { double slope[2], at; } plane[PAIR_PEAK_PLANES];
	int n;
	double low[2], high[2];
};

/** The highest place below all tangents, and its height; -INFINITY when there is none. */
double pair_peak(const struct pair_peak *p, double at[2]);

/* pair_reach.c */
/** Whether the car can get exactly car_kwh within all hard limits, price no object. 1: e_kw is a schedule that leaves the
 *  battery a way; 0: none found; -ENOMEM. */
int pair_reach(const struct pair *p, double *e_kw);

/* pair_car.c */
/* How the battery stands while the car is placed: held at its powers, or (worth != NULL) free to answer in each slot, a
 * stored kWh being worth so much then. */
struct pair_view {
	const struct pair *pair;
	const double *battery_kw, *worth;
};

/** Spreads exactly car_kwh over the window at least cost. Returns the energy placed (short of it when it cannot fit, off
 *  it when the least power does not allow it). @scratch: pair_car_scratch() bytes. */
double pair_car_fit(const struct pair_view *v, double *e_kw, void *scratch);
/** What slot @t costs with the car at @e_kw; more than any energy is worth where that is not allowed. */
double pair_car_cost(const struct pair_view *v, int t, double e_kw);
size_t pair_car_scratch(const struct pair *p);

/* pair_whole.c */
/** The car knows one power only and its slots are of different lengths. */
bool pair_car_whole_needed(const struct pair *p);
/** Such a car's slots: exactly car_kwh at least cost. False: no choice of slots was found that gives it. */
bool pair_car_whole(const struct pair_view *v, double *e_kw);

#endif
