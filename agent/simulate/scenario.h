/* What is simulated: `hearth-scenario/1`, a home with its tariff, weather and habits. The keys are explained in README.md. Pure. */
#ifndef HEARTH_SIMULATE_SCENARIO_H
#define HEARTH_SIMULATE_SCENARIO_H

#include "core/err.h"
#include "core/price.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_TEXT_MAX (1u << 20) /* bytes of a file */
#define SCENARIO_DAYS_MAX 800
#define SCENARIO_BATTERIES_MAX 4
#define SCENARIO_EVENTS_MAX 8
#define SCENARIO_VALUES_MAX (SCENARIO_DAYS_MAX * 48)

struct scenario_battery {
	double capacity_wh, charge_max_w, discharge_max_w;
	double charge_eff, discharge_eff;
	double standby_w;   /* of its inverter, drawn beside the house's load all the time */
	double soc_pct;     /* at the start */
	double soc_min_pct; /* hardware minimum */
	bool native;        /* balances the house by its own meter; else Hearth's loop does it */
};

enum scenario_price { PRICE_WINDOWS, PRICE_MARKET, PRICE_VALUES };

/* One direction of the tariff. */
struct scenario_tariff {
	enum scenario_price kind;
	struct tariff_windows windows;
	struct scenario_market {
		double mean;        /* of the wholesale price, per kWh */
		double winter;      /* so much higher in mid-winter and lower in mid-summer, share of the mean */
		double volatility;  /* of what wind and chance add, share of the mean */
		double factor, add; /* the tariff: factor x wholesale + add */
		double peak_add;    /* and this from 16:00 to 19:00 */
		double cap;         /* at most this */
	} market;
	float *value;               /* half hours from the first local midnight on, repeated where they end */
	int n_values;
};

struct scenario_car {
	int arrives_min, leaves_min; /* local time of day; leaving is on the next day when it is earlier */
	int jitter_min;              /* the arrival wanders by so much either way */
	double kwh;                  /* wanted each time, at the charger */
	uint32_t days;               /* bits of weekdays it arrives on, 0 = Sunday; 0 = there is no car */
	double max_a;
	int phases;
	bool now;                    /* charges when it arrives; else when it is cheap */
	bool by_habit;               /* nobody tells Hearth when it leaves and what it wants: it knows the sessions before */
};

struct scenario_event {
	uint32_t days; /* bits of weekdays */
	int from_min;
	int minutes;
	double power_w;      /* discharged */
	double floor_pct;
	double notice_h;     /* known so long before */
	double pay;          /* per kWh discharged during it */
};

struct scenario {
	char name[64], about[160], timezone[48], currency[4];
	int start_year, start_month, start_day; /* local */
	int days;
	int learned_days;    /* the hub has seen so many days before */
	double tick_s;
	uint64_t seed;
	double latitude, longitude;
	struct scenario_tariff import, export;
	bool perfect_forecast; /* Hearth is told load and sun before they happen: to see what forecasts cost */
	bool day_ahead;      /* prices of the next day are known from 16:00 on; else always */
	int n_batteries;
	struct scenario_battery battery[SCENARIO_BATTERIES_MAX];
	struct { double peak_w, tilt_deg, azimuth_deg, clouds; bool curtail; } pv;
	struct { double annual_kwh, noise; } load;
	struct scenario_car car;
	int n_events;
	struct scenario_event event[SCENARIO_EVENTS_MAX];
	struct { double reserve_pct, import_limit_w, export_limit_w; bool grid_charging, battery_export, battery_to_ev; } site;
	struct { double wear_cost; int horizon_h, slot_s; } plan;
};

/** A common home without a battery: flat price, London, 3,500 kWh a year, a week. */
struct scenario scenario_defaults(void);

/**
 * Parses and checks. Unknown keys are errors with the nearest known name; every error names its key and what is allowed.
 * Returns 0, or negative with the reason; @out then needs no deinit.
 */
int scenario_parse(const char *text, size_t len, struct scenario *out, struct errbuf *err);

/** Checks what a command line may have changed (days, seed). 0 or -EINVAL. */
int scenario_check(const struct scenario *s, struct errbuf *err);

void scenario_deinit(struct scenario *s);

/** "mon", "mon-fri", "sat,sun", "all" as bits of weekdays, 0 = Sunday. 0 or -EINVAL. */
int scenario_days_parse(const char *text, uint32_t *out);

#endif
