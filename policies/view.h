/* What policies read from a snapshot, in one place: which number counts as known, whose rating holds, how much sun is
 * left over. Pure functions of the snapshot. */
#ifndef HEARTH_POLICIES_VIEW_H
#define HEARTH_POLICIES_VIEW_H

#include "core/snapshot.h"

#define METER_LOST_MS 10000
#define SOC_LOST_MS 60000
#define READING_LOST_MS 30000    /* a device's own power; some chargers may be polled every 10 s only */
#define GRID_BACK_MS 60000
#define CAR_MIN_A 6
#define NOMINAL_V 230

static inline double double_min(double a, double b)
{
	return a < b ? a : b;
}

static inline double double_max(double a, double b)
{
	return a > b ? a : b;
}

static inline double double_clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static inline bool view_battery(const struct snap_device *d)
{
	return d->roles & ROLE_BATTERY;
}

static inline bool view_charger(const struct snap_device *d)
{
	return (d->roles & ROLE_CHARGER) && !(d->roles & ROLE_BATTERY);
}

/** A PV inverter that takes a bound on its production (a hybrid's sun is not one). */
static inline bool view_pv(const struct snap_device *d)
{
	return (d->roles & ROLE_PV) && !(d->roles & (ROLE_BATTERY | ROLE_CHARGER)) && d->state.caps.can_curtail;
}

/** A number that is usable, or the last good one of a stale or bad value, at most @max_age_ms old. */
bool view_recent(const struct value *v, int64_t now_ms, int64_t max_age_ms, double *out);

/** Grid power, W, import positive; false when the meter is lost (10 s). */
bool view_grid(const struct snapshot *s, double *grid_w);

/** Power at a house phase (0..2), W: measured, else current x voltage (taken as import), else what the sum and the powers of both
 *  others leave. */
bool view_phase(const struct snapshot *s, int phase, double *phase_w);

/** Voltage of a house phase, V; the nominal one when not measured. */
double view_phase_v(const struct snapshot *s, int phase);

/** The device's own power into it, W (a hybrid's battery without its sun, PV negative); @at_ms may be NULL. */
bool view_power(const struct snapshot *s, int i, double *power_w, int64_t *at_ms);

/** State of charge, %. False when unknown for 60 s. */
bool view_soc(const struct snapshot *s, int i, double *soc_pct);

/** As view_soc, less what may have been discharged since an old reading: what a floor is compared with. */
bool view_soc_low(const struct snapshot *s, int i, double *soc_pct);

/** Discharging speed, % of capacity an hour, on the safe side; 0 while charging or at rest. */
double view_drain_pct_h(const struct snapshot *s, int i);

/** Usable capacity, Wh; NAN when unknown. */
double view_capacity_wh(const struct snap_device *d);

/** Ratings, W, at least 0: the smallest of the configuration's and the device's own. What a PV inverter can produce is its
 *  discharge; one that says nothing may produce 1 MW, so that no bound is invented for it. */
double view_charge_max(const struct snap_device *d);
double view_discharge_max(const struct snap_device *d);

/** What steps and bands of a PV inverter are measured by, W: its rating; where there is none the most it was seen to give
 *  (@seen_w, of the caller's memory), at least 1 kW. */
double view_pv_size(const struct snap_device *d, double seen_w);

/** Phases the device uses (1 or 3); the power of @amps on each of them; its smallest power that is not 0. */
int view_phases(const struct snap_device *d);
double view_amps_to_w(const struct snap_device *d, double amps);
double view_min_w(const struct snap_device *d);

/** From an order to its effect at the meter, ms; a cautious default when the device does not say. */
int64_t view_settle_ms(const struct snap_device *d);

/** False only when the charger says that no car is plugged in. */
bool view_car_connected(const struct snap_device *d);

/** The car takes power now (measured, else by its state). */
bool view_car_charging(const struct snapshot *s, int i);

/** The device says that something is wrong with it, or cannot be driven. */
bool view_faulty(const struct snap_device *d);

/** The Flip command runs now: active, inside [starts, ends), and the clock can be trusted. */
bool view_command(const struct snapshot *s, const struct snap_device *d);

/** The grid is away, or back for less than a minute. */
bool view_island(const struct snapshot *s);

/** Nothing outranks an order: the agent neither stops nor is paused, and the grid is there. */
bool view_may_order(const struct snapshot *s);

/** What is steered at all: online, a battery or charger that takes some order, or PV that can be curtailed. */
bool view_steerable(const struct snap_device *d);

/** Sun minus house load without any battery or car, W; false when the meter is lost. */
bool view_surplus(const struct snapshot *s, double *surplus_w);

#endif
