/* A pure simulated home for the simulated clock: house load, sun, batteries with losses, delays and own control, chargers
 * with a car, a grid meter with delay and phases, and faults on demand. Nothing here is shared with the code under test. */
#ifndef HEARTH_TESTS_HOME_H
#define HEARTH_TESTS_HOME_H

#include "core/snapshot.h"

#define HOME_STEP_MS 100
#define HOME_HISTORY 128        /* steps of grid power kept for the meter's delay */
#define HOME_DEVICES 6
#define HOME_PENDING 64

enum home_kind { HOME_BATTERY, HOME_CHARGER };

struct home_device {
	enum home_kind kind;
	/* battery */
	double capacity_wh, charge_max_w, discharge_max_w, charge_eff, discharge_eff, soc_min_pct, soc_step_pct;
	bool native, guarded, allow_unguarded, can_power;
	/* charger */
	double max_a, car_max_a, car_wh;  /* what the car still takes */
	bool connected;
	/* both */
	int phases, phase;                /* a single-phase device sits on phase 1..3 of the house */
	bool phase_told;                  /* the configuration names that phase */
	int delay_ms, tau_ms, poll_ms, settle_ms;
	int priority;

	/* state */
	double soc_pct, power_w, delivered_wh, taken_wh;
	struct order order;               /* in force at the device */
	struct order sent;                /* last one told */
	int64_t order_ms;                 /* last word from the hub */
	int64_t changed_ms;               /* `sent` changed */
	int n_pending;
	struct { int64_t at_ms; struct order order; } pending[HOME_PENDING];
	int64_t polled_ms;
	bool offline, fault, soc_lost, deaf; /* deaf: takes no orders */
	struct device_state state;
};

struct home {
	int64_t now_ms, utc_ms;
	double load_w, pv_w, noise_w;
	double split[3];                  /* of load and sun over the phases; sums to 1 */
	int meter_period_ms, meter_delay_ms;
	bool meter_phases, meter_lost, grid_lost;
	int n;
	struct home_device d[HOME_DEVICES];
	uint64_t random;

	double grid_w, phase_w[3];        /* true, now */
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
/** What the hub tells device @i. */
void home_order(struct home *h, int i, const struct order *order);
/** Fills devices (the meter is the last one), grid values, times; leaves site, prices, commands and the rest alone. */
void home_snapshot(const struct home *h, struct snapshot *s);
/** Uniform in 0..1; the home's own sequence. */
double home_random(struct home *h);

#endif
