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
	bool charger, pv;               /* pv: can be curtailed, and somebody has ordered it */
	int phase;                      /* 1..3: the house phase it sits on; 0 = not known, or not believed */
	int priority;                   /* where it stands within its rank (cars.h) */
	int64_t departure_ms;
	bool waits;                     /* it could be ordered, but not everybody has been read yet */
	bool controlled;                /* under a power or balance order: its power is ours to count */
	struct band band, power_band;   /* power_band holds for ORDER_POWER, and is inside band */
	bool known;                     /* its power is measured */
	double ordered_w;               /* what it was told before this tick; 0 when it was left to itself */
	double now_w;                   /* measured, else what was ordered */
	double guess_low_w, guess_high_w; /* best estimate at the meter's time; two only while it moves unseen */
	double low_w, high_w;           /* least and most it may have been then */
	bool idle;                      /* a car that may charge and has not drawn for minutes */
	double claim_w;                 /* a car that has just changed: what it will be told with its next step; 0 = that does not wait */
	double read_high_w;             /* a car: its last two readings, or what it was told since, whatever is more; else infinite */
	bool spent;                     /* a battery: the export side has cut it, more support is not to be had */
	double relief_w;                /* PV: what the bound takes off its production, beyond what the meter shows */
	const struct limit_wish *curtail_by;
	uint32_t limited_by;
	enum reason cut_code;
	int cut_name_n;                 /* so much of it names who cut */
	char cut[WISH_WHY_MAX + 32];    /* the reason of the last cut, "" = none */
	enum reason patience;           /* holds the order where it is, unless something cut it after that; REASON_NONE = none */
	int64_t retry_ms;               /* a paused car: patience ends, monotonic */
	char wait[128];                 /* patience in words */
	bool looks;                     /* it buys a little, to see whether the sun gives more */
	bool car_apart;                 /* it balances, and a car takes power that is no part of it */
};

struct work {
	const struct snapshot *s;
	struct chain *c;
	int n;
	bool meter;                     /* grid power is known */
	bool sample;                    /* and this is a new one */
	bool waits;                     /* nobody is told anything yet */
	double grid_w;
	double unreachable_w;
	double offer_w;                 /* PV may give so much more than the meter leaves: batteries will take it */
	struct work_device d[DEVICE_MAX];
};

/** The power a device will settle at by its order: native balancing is predicted, for which the meter must be known. */
double work_power(const struct work *w, int i);

/** start.c: not everybody has been read yet in this life. */
bool start_waits(struct work *w);

/** observe.c: readings, ranges and estimates of every device and of the house's load; first of all in a tick. */
void observe(struct work *w);

/** Notes who took something away, with the reason. */
void work_cut(struct work_device *d, enum rank rank, enum reason code, const char *why_fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Notes that patience holds the order where it is; nobody takes anything away now. */
void work_wait(struct work_device *d, enum reason code, const char *why_fmt, ...) __attribute__((format(printf, 3, 4)));

/** Clamps the order into the device's bands (limits of ranks 1 and 3). */
void work_clamp(struct work_device *d);

/** held.c: whose cut it is that patience keeps a car at; when all cuts are made. */
void held_note(struct work *w);

/** sentence.c: what the device does, why, and what had been asked; @size is DECISION_WHY_MAX. */
void work_sentence(const struct work_device *d, char *out, size_t size);

/** posture.c: what cannot be done as asked: no meter, nobody guards the device, no native balance. Sets order.native. */
void posture_adapt(struct work *w);

/** balance.c: one step of the loop for all balancing devices that do not do it by themselves. */
void balance_step(struct work *w);

#define SLACK_W 20.0         /* noise at a limit is not worth an order */
#define NATIVE_OFF_MS 60000  /* so long our loop keeps what a device that balances by itself could not */

/* One side of a metering point that has a limit and is measured. */
struct room {
	enum point point;
	double dir;                    /* +1 import side, -1 export side */
	double limit_w, grid_w;        /* in the direction: limit >= 0 */
	const struct limit_wish *by;
	bool proven;                   /* count as relief only what can be seen, not what was ordered */
	bool overdue;                  /* exceeded for longer than orders take: devices are where they are read to be */
};

/** habits.c: how cars keep to what they are told, by their readings; before share_points. How many times what it is told one draws. */
void habits_learn(struct work *w);
double habits_over(const struct work_device *d);

/** share.c: each point's headroom over all devices, import support, what is unreachable. */
void share_points(struct work *w);

/** The tightest wish for one side of a point; false when there is none or the point is not measured. */
bool share_room(const struct work *w, enum point point, double dir, struct room *r);

/** How far the point stays above its limit when all do as ordered, W; below 0: what is left. */
double share_excess(const struct work *w, const struct room *r);

/** Share of the device's power that passes the point. */
double share_part(const struct work_device *d, enum point point);

/** curtail.c: PV. Begins with what is known of it; then bounds it by what the export side leaves. */
void curtail_begin(struct work *w);  /* after posture_adapt */
void curtail_points(struct work *w); /* within share_points */

/** snap.c: dwell of cars; toward 0 to what the device can. */
void snap_hold(struct work *w); /* before sharing: delays decreases nobody needs at once */
void snap_all(struct work *w);  /* after sharing: min, step, and increases that come too early */

#endif
