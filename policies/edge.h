/* Steps of our own devices and what the grid meter makes of them: the evidence by which doubt.c judges the meter. A step is
 * taken where the power of told devices or cars changes; its vote is the change at the meter per change of ours. By cause and
 * effect: "before" is what was known when the order was given, so that a load which the loop answers is in it already. */
#ifndef HEARTH_POLICIES_EDGE_H
#define HEARTH_POLICIES_EDGE_H

#include "policies/view.h"

#define EDGE_RING 16        /* meter samples kept */
#define EDGE_MIN_W 150.0    /* smaller steps say nothing */
#define EDGE_NOISE 4.0      /* a step must be that many times what the house moves by itself */
#define EDGE_QUIETS 8       /* windows of the house's own noise kept */
#define EDGE_SELDOM 3       /* what moves it in no more of them does so now and then */

enum edge_part {
	EDGE_ABSENT = 0, /* not part of the balance, or not there */
	EDGE_UNSEEN,     /* part of it, but not measured: it may undo what we do */
	EDGE_OTHER,      /* measured, by its own will: it must rest while we judge */
	EDGE_OURS,       /* measured, does what it is told */
};

struct edge_sample {
	int64_t at_ms;
	float w[4];              /* site, L1..L3; NAN = not measured */
};

struct edge_device {
	int64_t at_ms;           /* of the reading */
	float power_w;           /* newest reading */
	float base_w;            /* when the step began */
	float order_w;
	enum edge_part part;
};

struct edge {
	struct edge_sample ring[EDGE_RING], base;
	struct edge_device dev[DEVICE_MAX];
	uint32_t grid_sample;
	int newest, count;       /* in the ring */
	bool open;               /* a step is under way */
	bool mixed;              /* more orders came before the first had arrived: only a straight line is a vote then */
	bool arrived;
	int64_t open_ms;
	int64_t change_ms;       /* the last change of an order or of a car's own will */
	int64_t settle_ms;       /* of the slowest device told */
	int64_t quiet_ms;        /* start of the window for noise; 0 = none */
	float quiet_w, noise_w;  /* what the house moves by itself within some seconds, fading */
	float moved_w[EDGE_QUIETS]; /* ... the last ones, a ring */
	int moved;
	struct {
		double n, x, y, xx, yy, xy; /* sums over the samples of a step: ours, the meter's */
	} line;
};

enum edge_class { EDGE_NOTHING = 0, EDGE_RIGHT, EDGE_INVERTED, EDGE_LARGE, EDGE_SMALL };

struct edge_vote {
	enum edge_class class;
	enum edge_class perhaps; /* ... what it were if the house had only moved as it mostly does; one such step says little */
	bool clean;              /* both sides of the step were at rest; else taken in passing, on the way to the next one */
	bool line;               /* many orders in a row, and the meter went with all of them in a straight line */
	double own_w;            /* what our devices changed by */
	double meter_w[4];       /* what the meter changed by; NAN = not measured */
	int device;              /* the one that moved; -1 = several */
};

/** One tick. True when a step has ended with a vote (which may be EDGE_NOTHING). */
bool edge_step(struct edge *e, const struct snapshot *s, struct edge_vote *vote);

/** Sum of all measured devices, W; false when one is not measured. @oldest_ms is the age of the oldest reading. */
bool edge_sum(const struct edge *e, int n, double *sum_w, int64_t *oldest_ms);

#endif
