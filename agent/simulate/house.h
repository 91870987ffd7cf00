/* The simulated home: load, sun, battery, car and the grid that balances them. Stepped by a caller who owns the clock.
 * Signs as everywhere in Hearth: into a device positive, grid import positive; only pv_w counts production positive. Pure.
 */
#ifndef HEARTH_SIMULATE_HOUSE_H
#define HEARTH_SIMULATE_HOUSE_H

#include "simulate/car.h"
#include "simulate/storage.h"

#include <stdint.h>

#define HOUSE_PHASES 3
#define HOUSE_DAY_S 86400.0
#define HOUSE_MORE_MAX 3

struct house_options {
	double base_load_w; /* always there */
	double peak_load_w; /* added at the height of the evening; the morning has 60 % of it */
	double noise_w;     /* standard deviation of the load's wander, 0 = none */
	double pv_peak_w;
	double day_s; /* seconds since local midnight at the start */
	uint64_t seed;
	double soc_pct; /* house battery at the start */
	double car_soc_pct;
	bool car_plugged;
	struct storage_options battery;
	struct car_options car;
};

struct house {
	struct house_options o;
	uint64_t random;
	double day_s;
	double noise_w, noise_due_s;
	double load_set_w, pv_set_w, sun_set; /* NAN = by nature */
	double pv_limit_w;                    /* curtailment ordered by the inverter's registers; INFINITY = none */
	bool grid_lost;
	bool dark;              /* islanded and the battery cannot carry the house */
	struct storage battery;
	struct storage more[HOUSE_MORE_MAX]; /* further batteries: each balances what is left by those before it */
	int n_more;
	struct car car;

	double sun;    /* 0..1 */
	double pv_w;   /* produced, >= 0 */
	double load_w; /* without car and battery */
	double grid_w; /* import positive */
	double phase_w[HOUSE_PHASES];
	double volt[HOUSE_PHASES], hz;
	double import_wh, export_wh, pv_wh; /* counters in real time */
	double now_s;                       /* simulated time since the start */
};

/** Defaults of a common home: 13.5 kWh, 5 kW, 6 kWp, a 60 kWh car, 300 W base load. */
struct house_options house_defaults(void);

void house_init(struct house *h, const struct house_options *o);

/** Moves everything on by @dt_s (0..10 s; longer is cut, so that ramps stay true). */
void house_step(struct house *h, double dt_s);

/** Energy factor for battery and car ("speed"), 0.001..100000. */
void house_speed_set(struct house *h, double speed);

#endif
