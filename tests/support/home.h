/* A pure simulated home for the simulated clock: house load, sun, batteries with losses, delays and own control, hybrids, PV
 * that can be curtailed, chargers with cars that switch phases, a grid meter with delay and phases; and everything of it that
 * lies, lags or ignores on demand. Nothing here is shared with the code under test. Every member that a scenario file may set
 * stands in the tables of scenario_json.c; 0 means "as usual" unless said otherwise. */
#ifndef HEARTH_TESTS_HOME_H
#define HEARTH_TESTS_HOME_H

#include "core/snapshot.h"

#define HOME_STEP_MS 100
#define HOME_HISTORY 512        /* steps of the past kept for late meters and late readings: 51 s */
#define HOME_DEVICES 8
#define HOME_PENDING 256        /* orders under way: 25 s of them at a tick of 100 ms */

enum home_kind { HOME_BATTERY, HOME_CHARGER, HOME_PV };

/* How a device differs from what it should be. Zeroed is honest. */
struct home_device_lie {
	double gain;              /* does that share of what it is told: 0.9; 0 = 1 */
	double offset_w;          /* and that much more */
	double clamp_w;           /* does no more than this either way, and does not say so; 0 = no clamp */
	bool ignore;              /* acknowledges orders and does nothing */
	int late_ms;              /* its readings are that old, and do not say so; up to 50 s */
	bool soc_frozen;
	double soc_jump_pct;      /* one reading in four is off by up to that much */
	double soc_offset_pct;    /* off by that much from now on */
};

struct home_device {
	enum home_kind kind;
	/* battery; hybrid: sun_w at the same AC port */
	double capacity_wh, charge_max_w, discharge_max_w, charge_eff, discharge_eff, soc_min_pct, soc_step_pct;
	bool native, guarded, allow_unguarded, can_power;
	bool mirrors_reserve, mirror_reserve; /* the device has a reserve register that works; the owner wants it used */
	bool hybrid;
	double port_max_w;                /* of a hybrid's AC port, sun and battery together */
	/* hybrid, PV */
	double sun_w;                     /* what the sun would give, W, positive */
	double peak_w;                    /* the inverter's rating */
	bool can_curtail;
	/* charger */
	double max_a, car_max_a, car_wh;  /* what the car still takes */
	bool connected;
	double car_over;                  /* draws that many times what it is told; 0 = 1 */
	double car_ramp_a_s;              /* current rises no faster; 0 = at once */
	int car_start_ms;                 /* begins that late when it may charge */
	bool switches_phases;
	int phase_dwell_s;                /* told in caps */
	/* all */
	int phases, phase;                /* in force; a single-phase device sits on phase 1..3 of the house */
	bool phase_told;                  /* the configuration names that phase */
	bool reads_back;                  /* shows verdicts and what is in force, as drivers with a confirming read do */
	int delay_ms, tau_ms, poll_ms, settle_ms;
	int priority;
	struct home_device_lie lie;

	/* state */
	double soc_pct, power_w;          /* of the battery, the car, the sun (negative): without a hybrid's sun */
	double sun_given_w;               /* a hybrid's sun at the port, W, positive */
	double sun_own_w;                 /* what a PV inverter would give if nobody bounded it, as slowly as it follows the sun */
	double denied_w;                  /* so much more than it can it is told to take (below 0: to give): nearly full, its port full */
	double delivered_wh, taken_wh;
	double own_reserve_pct;           /* its reserve register; kept for ever */
	struct order order;               /* in force at the device */
	struct order sent;                /* last one told */
	int64_t order_ms;                 /* last word from the hub */
	int64_t changed_ms;               /* `sent` changed */
	int64_t may_ms;                   /* since when the car may charge; 0 = it may not */
	int64_t switched_ms;              /* last phase switch; 0 = never */
	int switches, switched_hot;       /* phase switches; those while current flowed */
	int n_pending, first_pending;     /* a ring */
	struct { int64_t at_ms; struct order order; } pending[HOME_PENDING];
	int64_t polled_ms;
	bool offline, fault, soc_lost, deaf; /* deaf: takes no orders */
	struct { float power_w, soc_pct, sun_w; } past[HOME_HISTORY];
	struct device_state state;
};

/* How the meter differs from the truth. Zeroed is honest. */
struct home_meter_lie {
	double gain;              /* -1: the clamp is the wrong way round; 10: wrong ratio; 0 = 1 */
	double offset_w;
	bool frozen;              /* answers, always with the same numbers */
	double jump_w;            /* one reading in four is off by up to that much */
	int rotate;               /* L1 shows L2, L2 shows L3, L3 shows L1 (1), and so on (2) */
	int swap;                 /* 1..3: the other two phases are swapped with each other */
	int clamp;                /* 1..3: the clamp of that phase is the wrong way round */
};

struct home {
	int64_t now_ms, utc_ms;
	double load_w, pv_w, noise_w;     /* pv_w: sun that nobody steers */
	double split[3];                  /* of load and sun over the phases; sums to 1 */
	int meter_period_ms, meter_delay_ms;
	bool meter_phases, meter_lost, grid_lost;
	uint32_t phases_lost;             /* bits: that phase of the meter is not read any more */
	struct home_meter_lie lie;
	int n;
	struct home_device d[HOME_DEVICES];
	uint64_t random;

	double grid_w, phase_w[3];        /* true, now */
	double imported_wh, exported_wh;  /* true */
	double history[HOME_HISTORY][4];
	uint32_t steps;
	struct value grid, phase[3];      /* as the meter tells */
	uint32_t sample;
	int64_t metered_ms, grid_back_ms;
};

/** Fills what is 0 with sensible values and takes the first readings. */
void home_start(struct home *h);
/** Runs physics for @ms (a multiple of HOME_STEP_MS); devices are polled and the meter read as time passes. */
void home_run(struct home *h, int ms);
/** What was read is forgotten: the meter is read anew at the next step, devices after @after_ms. */
void home_forget(struct home *h, int after_ms);
/** What the hub tells device @i. */
void home_order(struct home *h, int i, const struct order *order);
/** Fills devices (the meter is the last one), grid values, times; leaves site, prices, commands and the rest alone. */
void home_snapshot(const struct home *h, struct snapshot *s);
/** Uniform in 0..1; the home's own sequence. */
double home_random(struct home *h);
/** What a device puts on the grid point: a hybrid's sun included. */
double home_port_w(const struct home_device *d);

/* home_device.c, for home.c only */
void home_device_start(struct home_device *d);
void home_device_forget(struct home_device *d);
void home_device_step(struct home *h, struct home_device *d);
void home_device_poll(struct home *h, struct home_device *d);
void home_device_show(const struct home_device *d, int i, struct snap_device *out);

#endif
