/* The chain: asks every policy, intersects limits, takes the first rank's order per device, clamps it, shares
 * headroom, snaps to what the device can do, runs the guard again. Pure; allocates nothing. */
#ifndef HEARTH_POLICIES_CHAIN_H
#define HEARTH_POLICIES_CHAIN_H

#include "policies/cars.h"
#include "policies/policy.h"
#include "policies/response.h"
#include "policies/swing.h"
#include "policies/trial.h"

/* Memory of the chain and of all policies; zeroed is valid, chain_init must run once. About 200 KiB. */
struct chain {
	struct wishes wishes;
	_Alignas(16) unsigned char memory[POLICY_MAX][POLICY_MEMORY_MAX];
	struct chain_memory {        /* per device */
		double reading_w, before_w;      /* the last two different readings, for what was true at the meter's time */
		int64_t reading_ms, before_ms;
		int64_t changed_ms;              /* the order's power changed */
		int64_t apart_ms;                /* chargers: since when that is not what they read, 0 = it is */
		double seen_w;                   /* estimate of its power at the meter's last sample; 0 when it counts as load */
		double weight[2];                /* its share of the balance loop's sum: out, in */
		struct response response;
		struct chain_native {            /* a battery that balances by itself: */
			int64_t off_ms;          /* since when the meter is off 0 W and it does nothing about it; 0 = that is not so */
			double off_w, from_w;    /* the meter then, and its reading */
			bool stands;             /* ... for longer than it needs: it cannot */
		} native;
		int64_t zero_ms, started_ms;     /* chargers: since when paused, since when charging; 0 = never */
		struct car_turn turn;            /* chargers: with the room below a limit */
		double over, stuck_w;            /* the car was seen to draw so many times what it was told, 0 = once; and although told to pause */
		double over_w;                   /* and at most this since then */
		double made_w, curtail_w;        /* PV: production when the meter was read, at most; what limits leave it */
		double peak_w;                   /* and the most it was ever read to give */
		bool curtailed;                  /* and whether they do */
		struct chain_held {              /* chargers: what last took something away (held.c); code REASON_NONE = nothing did */
			uint32_t limited_by;
			enum reason code;
			int name_n;                  /* its name is so much of its words */
			char why[WISH_WHY_MAX + 32];
		} held;
	} device[DEVICE_MAX];
	struct chain_loop {          /* the grid meter: one for the site, however many devices are in the loop */
		bool known;              /* load_w is */
		double load_w;           /* estimate: what the house takes without batteries and chargers, less sun */
		int64_t torn_ms;         /* since when readings leave a house that gives more than the sun does; 0 = they do not */
		double noise_w;          /* mean deviation of samples from it, ramps left out */
		double off_w;            /* the last one's */
		int run;                 /* samples in a row that were on the same side of the estimate */
		uint32_t grid_sample;    /* the last one seen */
		uint32_t members;        /* devices that are not load, bits */
		struct trial trial;
		struct swing swing;
		double sum_w;            /* what the balance loop asked of its devices last */
		int64_t step_ms;         /* when the balance loop last changed something; 0 = never */
	} loop;
	struct chain_probe {         /* for sun behind a bound that the meter cannot show (curtail.c) */
		int64_t since_ms;        /* the one that runs began, or last found something; 0 = none runs */
		double begun_w, made_w;  /* the sun when it began, and when it last found something */
		double room_w;           /* what batteries could still take when the last one ended */
		int64_t cover_after_ms;  /* sun is offered for what batteries give not before */
		int64_t after_ms, block_ms; /* the next one not before, unless they can take more by now; how long that was */
	} probe;
	struct chain_start {         /* start.c */
		int64_t begun_ms;        /* the first tick of this life; 0 = it has not been */
		bool over;               /* all have been read once, or waited for in vain */
	} start;
	int64_t exceeded_ms[POINT_COUNT][2]; /* since when a point is above its limit, import and export; 0 = it is not */
	int64_t native_off_until_ms;         /* a device that balances by itself did not keep a limit: our loop takes over */
	uint32_t bad_wishes;         /* limits that did not contain 0 W, orders for unknown devices, overflow */
};

void chain_init(struct chain *c);

/** Another device, or the same one begun anew, stands in this place: what the chain knows of it starts anew. */
void chain_forget(struct chain *c, int device);

/**
 * One tick of thinking.
 * @s    frozen snapshot; dev[].ordered must be what the last call decided
 * @out  filled for every device of the snapshot; devices nobody may order (meters) get ORDER_NONE
 */
void chain_step(struct chain *c, const struct snapshot *s, struct decisions *out);

#endif
