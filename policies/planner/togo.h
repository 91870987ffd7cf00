/* The cost to go: for every slot boundary a convex, piecewise linear function of stored energy, kept as its slopes in
 * ascending order. One step back in time is an infimal convolution: merge two sorted lists of slopes, cut both ends. */
#ifndef HEARTH_POLICIES_PLANNER_TOGO_H
#define HEARTH_POLICIES_PLANNER_TOGO_H

#include "policies/planner/slot.h"

#include <stddef.h>

#define TOGO_SEGMENTS_MAX 1024     /* of one boundary; beyond, neighbours are joined from below (the bound stays true) */
#define TOGO_SEGMENTS_ALL (1 << 20) /* of all boundaries, likewise: time and memory of very long plans */

struct togo_segment {
	double len_kwh, slope;
};

struct togo_row {
	double low_kwh, value;   /* where the function begins, and its value there */
	double high_kwh;         /* where it ends */
	int first, n;            /* its segments in the arena */
};

struct togo {
	int slots, most;         /* most: segments of a boundary */
	struct togo_row *row;    /* slots + 1; row[t] is the cost from boundary t to the end */
	struct togo_segment *segment;
	int used, room;
};

/* What a step needs besides the slot's envelope. */
struct togo_cut {
	double low_kwh, high_kwh;      /* kept part of the axis */
	double soft_kwh, soft_slope;   /* below soft_kwh each kWh short costs soft_slope (0 = no soft floor) */
};

int togo_init(struct togo *g, int slots);
void togo_deinit(struct togo *g);

/** The last row: -@worth per kWh between the cuts. 0 or -ENOMEM. */
int togo_end(struct togo *g, double worth, const struct togo_cut *cut);

/** row[@t] from row[@t + 1] and the envelope of slot t (forgets all rows before t). 0, -EDOM: nothing feasible, -ENOMEM. */
int togo_step(struct togo *g, int t, const struct slot_point *p, int n, const struct togo_cut *cut);

/** The same for an ordered power: the stored energy moves by the last (charging) or first (discharging) point's d_kwh,
 *  less only at the upper end of row[t + 1] and at @stop_kwh, below which it does not discharge. Not convex by nature: keeps
 *  the envelope. */
int togo_step_fixed(struct togo *g, int t, const struct slot_point *p, int n, double stop_kwh, const struct togo_cut *cut);

static inline double togo_high(const struct togo *g, int t)
{
	return g->row[t].high_kwh;
}
/** Value at @kwh; outside the row INFINITY beyond rounding. */
double togo_at(const struct togo *g, int t, double kwh);
/** Slope to the right of @kwh; at the upper end to its left. */
double togo_slope(const struct togo *g, int t, double kwh);

#endif
