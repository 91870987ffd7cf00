/* A piecewise linear function that need not be convex or whole: the cost to go without its envelope, and the cost of one
 * slot. Kept as segments of ascending place; where two would cover a place, the lower one. A segment of no length is a
 * single point. Outside its segments the function is infinite. */
#ifndef HEARTH_POLICIES_PLANNER_CURVE_H
#define HEARTH_POLICIES_PLANNER_CURVE_H

#include <stdbool.h>

struct curve_segment {
	double from, to;    /* kWh; from <= to */
	double first, last; /* value at either end */
	double lowered;     /* at most so much below the true function */
};

struct curve {
	struct curve_segment *s;
	int n, room;
};

/** Frees; a zeroed curve is valid. */
void curve_deinit(struct curve *c);
/** Appends a segment at or behind the end; a single point that says nothing new is dropped, a segment that only goes on is
 *  joined. 0 or -ENOMEM. */
int curve_add(struct curve *c, struct curve_segment s);
/** The lower of two curves. @out is overwritten and must be neither. 0 or -ENOMEM. */
int curve_lower(const struct curve *a, const struct curve *b, struct curve *out);
/** min over d of f(d) + v(s + d) as a function of s within [@low, @high], into @out; @spare is overwritten too. */
int curve_step(const struct curve *f, const struct curve *v, const double range[2], struct curve *out, struct curve *spare);
/** Removes ripples no higher than @eps in all from below. */
void curve_smooth(struct curve *c, double eps);
/** The part within [@low, @high], in place. */
void curve_cut(struct curve *c, double low, double high);
/** Value at @kwh, places up to 1e-9 beside it counting as the same; INFINITY where there is none. */
double curve_at(const struct curve *c, double kwh);

#endif
