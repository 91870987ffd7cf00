/* The chain's workbench for one tick: what its steps (posture, balance, share, snap) hand to each other. Not for policies. */
#ifndef HEARTH_POLICIES_WORK_H
#define HEARTH_POLICIES_WORK_H

#include "policies/chain.h"
#include "policies/view.h"

/* A band with who set its ends; contains 0 always. */
struct band {
	double min_w, max_w;
	const struct limit_wish *min_by, *max_by; /* NULL = nobody */
};

struct work_device {
	const struct snap_device *dev;
	struct chain_memory *memory;
	const struct order_wish *wish;  /* the winner; NULL = none */
	struct order order;             /* as it stands now */
	struct order wanted;            /* as the winner asked */
	enum rank rank;
	bool charger;
	bool controlled;                /* under a power or balance order: its power is ours to count */
	struct band band, power_band;   /* power_band holds for ORDER_POWER, and is inside band */
	bool known;                     /* its power is measured */
	double ordered_w;               /* what it was told before this tick; 0 when it was left to itself */
	double now_w;                   /* measured, else what was ordered */
	double guess_low_w, guess_high_w; /* best estimate at the meter's time; two only while it moves unseen */
	double low_w, high_w;           /* least and most it may have been then */
	uint32_t limited_by;
	enum reason cut_code;
	char cut[140];                  /* the reason of the last cut, "" = none */
};

struct work {
	const struct snapshot *s;
	struct chain *c;
	int n;
	bool meter;                     /* grid power is known */
	double grid_w;
	double unreachable_w;
	struct work_device d[DEVICE_MAX];
};

/** The power a device will settle at by its order: native balancing is predicted. */
double work_power(const struct work *w, int i);

/** Notes who took something away, with the reason. */
void work_cut(struct work_device *d, enum rank rank, enum reason code, const char *why_fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Clamps the order into the device's bands (limits of ranks 1 and 3). */
void work_clamp(struct work_device *d);

/** posture.c: what cannot be done as asked: no meter, nobody guards the device, no native balance. Sets order.native. */
void posture_adapt(struct work *w);

/** balance.c: one step of the loop for all balancing devices that do not do it by themselves. */
void balance_step(struct work *w);

/** share.c: each point's headroom over all devices, import support, what is unreachable. */
void share_points(struct work *w);

/** snap.c: dwell of cars; toward 0 to what the device can. */
void snap_hold(struct work *w); /* before sharing: delays decreases nobody needs at once */
void snap_all(struct work *w);  /* after sharing: min, step, and increases that come too early */

#endif
