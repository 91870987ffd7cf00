/* A battery with its inverter as the laws of nature have it: energy, losses, ratings, dead time and ramp. What it is
 * told (an order) comes from a register map; what the house needs comes in as a number. Pure. */
#ifndef HEARTH_SIMULATE_STORAGE_H
#define HEARTH_SIMULATE_STORAGE_H

#include <stdbool.h>

struct storage_options {
	double capacity_wh;
	double charge_max_w, discharge_max_w; /* ratings at the AC port, positive */
	double charge_eff, discharge_eff;     /* AC to store and store to AC, 0..1 */
	double standby_w;                     /* taken from the store all the time */
	double delay_s;                       /* dead time between an order and the first reaction */
	double ramp_w_per_s;
	double soc_min_pct; /* hardware cut-off, never undercut by discharging */
	double speed;       /* stored energy moves this many times faster than real */
};

/* What the controls ask for. Without `fixed` the battery balances the house by its own meter, within min_w..max_w. */
struct storage_order {
	bool fixed;
	double power_w;      /* used when fixed; AC, charging positive */
	double min_w, max_w; /* -discharge limit .. charge limit; a positive min_w forces charging */
	double reserve_pct;  /* no discharge below it while the grid is there */
	bool grid_charging;  /* false: charges from surplus only */
	bool off;            /* disconnected: no power at all */
};

struct storage {
	struct storage_options o;
	double energy_wh;
	double power_w;             /* AC, charging positive */
	struct storage_order order; /* in force after the dead time */
	struct storage_order pending;
	double pending_s;                 /* dead time left; < 0 = nothing pending */
	double charged_wh, discharged_wh; /* AC counters in real time, never fall */
};

/** A storage at @soc_pct in automatic mode. */
void storage_init(struct storage *s, const struct storage_options *o, double soc_pct);

/** Order without limits: the battery balances the house. */
struct storage_order storage_auto(const struct storage_options *o);

/** New order; it acts after the dead time. A newer order during the dead time replaces it without starting over. */
void storage_aim(struct storage *s, const struct storage_order *order);

/**
 * Moves on by @dt_s.
 *
 * @rest_w  the site's power without this battery, W, import positive: what it must cover
 * @island  the grid is gone: follow rest_w at once, whatever was ordered
 */
void storage_step(struct storage *s, double dt_s, double rest_w, bool island);

double storage_soc_pct(const struct storage *s);
void storage_soc_set(struct storage *s, double soc_pct);

/** DC power at the cells, charging positive, standby not counted. */
double storage_dc_w(const struct storage *s);

#endif
