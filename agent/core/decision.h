/* The words between the policies and the rest: ranks, orders, wishes, decisions. */
#ifndef HEARTH_CORE_DECISION_H
#define HEARTH_CORE_DECISION_H

#include "core/device.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stdint.h>

/* Precedence, written once. A smaller number wins. */
enum rank {
	RANK_NONE = 0,
	RANK_GUARD,    /* hardware limits, ratings, SoC hardware minimum, faults, stale or unknown inputs */
	RANK_LIMIT,    /* grid limit: import and export, per phase where measured */
	RANK_RESERVE,  /* reserve floor per battery */
	RANK_EVENT,    /* Flip command in force */
	RANK_OVERRIDE, /* the owner's hold/charge/discharge/auto; pause */
	RANK_PLAN,     /* tariff plan */
	RANK_SELF_USE, /* store own surplus, cover own load */
	RANK_COUNT
};

enum order_kind {
	ORDER_NONE = 0,
	ORDER_RELEASE, /* back to the device's own control */
	ORDER_POWER,   /* hold w at the AC port */
	ORDER_BALANCE, /* hold the grid meter at grid_w, moving the device within min_w..max_w */
};

/* What a device shall do. Power at its AC port, W, into the device positive. For PV, w (at most 0) is the most it may produce,
 * and release lets it produce all. */
struct order {
	enum order_kind kind;
	double w;            /* ORDER_POWER: the power; ORDER_BALANCE run by our loop: the loop's present power */
	double grid_w;       /* ORDER_BALANCE: the grid power to hold, W, import positive */
	double min_w, max_w; /* ORDER_BALANCE: allowed band, contains the present limits */
	bool native;         /* ORDER_BALANCE: the device does it by itself */
	int phases;          /* chargers that switch phases: 1 or 3; 0 = as it is */
	float reserve_pct;   /* the floor to mirror into the device's own reserve register, %; 0 = leave it alone */
};

enum point { POINT_SITE = 0, POINT_L1, POINT_L2, POINT_L3, POINT_COUNT };

/* Bounds power of one device (device >= 0) or of a metering point (device < 0). Contains 0 W always:
 * min_w <= 0 <= max_w; the chain clamps a wish that does not and counts it. */
#define WISH_WHY_MAX 152     /* the longest sentence of a wish, see test_sentence */
#define DECISION_WHY_MAX 256 /* what the device does before it, what had been asked behind it; Home Assistant shows 255 */

struct limit_wish {
	int device;
	enum point point;
	double min_w, max_w;
	enum rank rank;   /* filled by the chain from the policy; 1..3 */
	bool power_only;  /* bounds ORDER_POWER, not ORDER_BALANCE (the device sees its own meter, we do not) */
	enum reason code;
	char why[WISH_WHY_MAX]; /* sentence with its numbers, no trailing stop */
};

struct order_wish {
	int device;
	struct order order;
	enum rank rank;          /* filled by the chain from the policy unless set */
	int64_t until_utc_ms;    /* 0 = no known end */
	enum reason code;
	char why[WISH_WHY_MAX];
};

#define LIMITS_MAX (DEVICE_MAX * 6 + POINT_COUNT * 4)
#define ORDERS_MAX (DEVICE_MAX * 6)
#define DOUBTS_MAX 16

/* Something that is not believed just now; it is named for as long as it stands here. */
struct doubt {
	int device;           /* whom it is about: the meter, a battery, a charger; -1 = the site */
	enum doubt_kind kind;
	char why[160];        /* what was seen, with numbers, and what is done about it */
};

struct wishes {
	int n_limits, n_orders;
	struct limit_wish limits[LIMITS_MAX];
	struct order_wish orders[ORDERS_MAX];
	bool meter_lost;   /* said by guard (and by doubt, for a meter that lies): nothing may count on the grid meter */
	bool meter_doubted;    /* ... because it lies: doubt's part of meter_lost */
	uint32_t phase_doubts; /* bits of devices whose house phase is not believed: they count on each */
	int n_doubts;
	struct doubt doubts[DOUBTS_MAX];
	uint32_t overflow; /* wishes dropped because the arrays were full */
};

/* The outcome for one device. */
struct decision {
	struct order order;      /* what the driver is told */
	struct order wanted;     /* what the winning policy asked for, before limits */
	enum rank rank;          /* whose order it is */
	uint32_t limited_by;     /* bits 1 << rank of who cut it */
	int64_t until_utc_ms;
	enum reason code;        /* of the last cut, else of the order; what patience holds where a cut left it keeps that cut's */
	enum reason patience;    /* car_dwell, car_ramp: what keeps the order where it is just now; REASON_NONE = nothing does */
	char why[DECISION_WHY_MAX]; /* "holding: SoC 20.4 % is at the floor 20 % set by event 7d2a0000, until 19:00" */
};

struct decisions {
	int n; /* = snapshot.n_devices, same order */
	struct decision d[DEVICE_MAX];
	enum rank mode;          /* rank of the site's leading order (the first battery's, else the charger's) */
	uint32_t limited_by;     /* union over devices */
	double limit_unreachable_w; /* W by which a grid limit cannot be met with what we control; 0 = met */
	double floor_pct;        /* effective floor of the first battery, NAN without one */
	char floor_source[24];   /* "user", "command", "owner_event", "event", "program", "hardware" */
	enum reason code;        /* of the leading order, as why */
	char why[DECISION_WHY_MAX];
	int n_doubts;
	struct doubt doubts[DOUBTS_MAX];
};

/** "guard", "limit", "reserve", "event", "override", "plan", "self_use"; "none". */
const char *rank_word(enum rank r);
/** "power", "balance", "release", "none". */
const char *order_word(enum order_kind k);

#endif
