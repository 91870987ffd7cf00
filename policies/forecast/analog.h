/* Futures out of the past: what came after the same time of day so many days ago, moved by how that day and the one before it
 * differed from ours. An analog ensemble (L. Delle Monache and others, Monthly Weather Review 141 (2013) 3498) of all the days
 * known, brought to the present by a first-order autoregression instead of chosen by likeness. Pure. See README.md "Futures". */
#ifndef HEARTH_POLICIES_FORECAST_ANALOG_H
#define HEARTH_POLICIES_FORECAST_ANALOG_H

#include "policies/forecast/forecast.h"

#define FORECAST_ANALOGS_MAX 28 /* four weeks; what is thought of days stands beside few of them only */

enum forecast_span { SPAN_TODAY, SPAN_TOMORROW, SPAN_LATER, SPAN_COUNT }; /* the rest of the local day, the next one, all behind */

/* One future. back_days 0: the forecast times load_factor and sun_factor. Else that past, times them, for each span apart. */
struct forecast_analog {
	int back_days;
	double weight;
	double load_factor[SPAN_COUNT], sun_factor[SPAN_COUNT];
	int64_t tomorrow;           /* first quarter hour of the next local day */
};

/** All futures, newest past first. Returns how many, 1..FORECAST_ANALOGS_MAX. */
int forecast_analogs(const struct forecast *f, const struct zone *z, struct forecast_analog out[FORECAST_ANALOGS_MAX]);

/* Quarter hours ahead, of the caller's memory. */
struct forecast_ahead {
	int64_t first;
	int n;
	double *clear_w;            /* forecast_clear_w in the middle of each: the same for all futures, and dear */
	double *load_w, *pv_w;      /* NAN = not known: as forecast */
};

/** What that future brings, seen from the newest quarter hour that is over, into load_w and pv_w of @x. */
void forecast_analog_fill(const struct forecast *f, const struct zone *z, const struct forecast_analog *a, struct forecast_ahead *x);

#endif
