/* A wallbox with a car: the current the charger offers, what the car draws of it and how late. Pure. */
#ifndef HEARTH_SIMULATE_CAR_H
#define HEARTH_SIMULATE_CAR_H

#include <stdbool.h>

#define CAR_MIN_A 6.0
#define CAR_VOLT 230.0

struct car_options {
	double capacity_wh;
	double charge_eff;
	double max_a;   /* on-board charger, per phase */
	int phases;     /* the car's own, 1 or 3 */
	double delay_s; /* the car reacts this late to a new offer */
	double speed;   /* as in storage_options */
};

struct car {
	struct car_options o;
	bool plugged;
	double energy_wh;
	double offer_a;   /* by the charger, after limits; below 6 A means pause */
	int offer_phases; /* 1 or 3, by the charger's contactor */
	double taken_a;   /* the offer the car already follows */
	int taken_phases;
	double wait_s; /* until the latest offer is followed; < 0 = it is */
	double power_w, current_a;
	int phases;                  /* in use at this moment; 0 = none */
	double session_wh, total_wh; /* AC counters in real time */
	double session_s;            /* since plugged */
};

void car_init(struct car *c, const struct car_options *o, double soc_pct, bool plugged);
void car_plug(struct car *c, bool plugged);
void car_offer(struct car *c, double amps, int phases);
/** @powered  false: the house is dark, nothing is drawn */
void car_step(struct car *c, double dt_s, bool powered);
double car_soc_pct(const struct car *c);
void car_soc_set(struct car *c, double soc_pct);

#endif
