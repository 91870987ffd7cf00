/* What a simulation gives: a row for each way of running the same home, and what it did every half hour. Pure. */
#ifndef HEARTH_SIMULATE_RESULT_H
#define HEARTH_SIMULATE_RESULT_H

#include <stdbool.h>
#include <stdint.h>

enum simulate_row_kind { ROW_NO_BATTERY, ROW_SELF_USE, ROW_TIMER, ROW_HEARTH, ROW_CLAIRVOYANT, ROW_COUNT };

#define SIMULATE_POINT_MS 1800000

/* Means over half an hour; prices and weather stand in the truth. */
struct simulate_point {
	float battery_kw, car_kw, grid_kw, soc_pct; /* soc: of all batteries together, at the end */
	float pv_kw;                                /* after curtailing */
	float cost;                                 /* of that half hour */
};

struct simulate_row {
	double bill;            /* import - export, by the meter */
	double event_income;    /* pay x discharged during events */
	double wear;            /* wear_cost x discharged */
	double stock;           /* worth of what is stored more (or less) at the end than at the start; of car energy missing */
	double total;           /* bill - event_income + wear - stock: what the rows are compared by */
	double saving;          /* total of ROW_NO_BATTERY - total */
	double of_clairvoyant;  /* saving / saving of ROW_CLAIRVOYANT, %; NAN where that saves nothing */
	double of_most;         /* saving / what no control could have exceeded (least_total), %; NAN where that is nothing or not known */
	double import_kwh, export_kwh, used_kwh, pv_kwh; /* used: house and car */
	double charged_kwh, discharged_kwh, cycles;      /* at the AC side; cycles: stored energy moved / 2 / capacity */
	double self_sufficiency_pct;                     /* 1 - import / used, at least 0 */
	double car_kwh, car_short_kwh;                   /* short: wanted and not got */
	double event_kwh;                                /* discharged during events */
	double start_wh, end_wh;
	int floor_violations;
	int n_points;
	struct simulate_point *point;
};

struct simulate_result {
	struct simulate_row row[ROW_COUNT];
	int64_t start_utc_ms, end_utc_ms;
	double least_total;         /* no control has a lower total (clairvoyant.h); NAN = no bound is known */
	double stored_value;        /* per kWh in the store, for `stock` */
	double load_error_pct;      /* day-ahead forecast, half hours: mean absolute error / mean; NAN = not measured */
	double pv_error_pct;
	int plans, plans_softened, plans_infeasible, plans_failed;
	double plan_ms_mean, plan_ms_worst;
	int64_t doubt_ticks, ticks;
	double seconds;             /* real time of the Hearth row */
	bool unfinished;            /* it was told to stop */
};

/** "no battery", "self-use", "time switch", "Hearth", "clairvoyant". */
const char *simulate_row_name(enum simulate_row_kind kind);
/** The same as a key: "no_battery" ... */
const char *simulate_row_key(enum simulate_row_kind kind);

#endif
