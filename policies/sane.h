/* What the grid meter's numbers alone give away: that they stand still although our own devices moved, jump where no house can,
 * or swing much further than what makes them swing. See doubt.c for what is made of it. */
#ifndef HEARTH_POLICIES_SANE_H
#define HEARTH_POLICIES_SANE_H

#include "policies/edge.h"

#define SANE_AGAIN_MS 60000 /* a meter that stood still or jumped must behave that long */
#define SANE_JUMPS 3        /* one more than that within a minute is too many; a wrong number jumps there and back */

struct sane_range {
	float own_low_w, own_high_w, low_w, high_w; /* our devices, the meter */
	int own_turns, turns;
};

/* Counts where something is turned back. */
struct sane_turn {
	float w;                       /* where it was last */
	bool rising;
};

struct sane {
	uint32_t grid_sample;
	int count;                     /* samples kept below */
	float w[2], own_w[2];          /* the last two, newest first; what our devices did then */
	int64_t changed_ms;            /* the numbers last changed */
	float still_own_w;             /* what our devices did when they had settled after that */
	bool caught_up;                /* all of them have been read well after that */
	int64_t moved_ms;              /* since when they do something else; 0 = they do not */
	int same;                      /* equal samples since then */
	int64_t jump_ms[SANE_JUMPS];   /* the last jumps, a ring */
	int jump;
	bool absurd;                   /* the newest number cannot be true */
	bool frozen, jumps;            /* found out; stays until the meter has behaved for SANE_AGAIN_MS */
	int64_t misbehaved_ms;
	float frozen_w;                /* the number it stood at */
	float moved_w;                 /* for the sentence: what did not show */
	float jump_w;                  /* ... the largest jump */
	struct sane_range range, before; /* this half minute and the one before */
	int64_t range_ms;
	struct sane_turn own_turn, turn;
	bool wild;                     /* the meter swings much further than our devices, and they with it */
};

/** Power that no change between two samples can exceed, W. */
double sane_reach_w(const struct snapshot *s);

/** One tick; after edge_step. */
void sane_step(struct sane *m, const struct edge *e, const struct snapshot *s);

#endif
