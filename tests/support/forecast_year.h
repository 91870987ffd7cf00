/* A made-up year of a household and a roof, for tests and figures of the forecast: habits with a will of their own, weather with
 * a memory. Nothing in it is made by the forecaster's own formulas but the clear sky. */
#ifndef HEARTH_TESTS_SUPPORT_FORECAST_YEAR_H
#define HEARTH_TESTS_SUPPORT_FORECAST_YEAR_H

#include "core/calendar.h"
#include "policies/forecast/sun.h"

#include <stdint.h>

#define YEAR_DAYS 366
#define YEAR_QUARTERS (YEAR_DAYS * 96)

struct forecast_year {
	int64_t start_utc_ms;          /* a quarter hour's */
	float load_w[YEAR_QUARTERS], pv_w[YEAR_QUARTERS];
};

/* What the year is made with. */
struct forecast_year_options {
	int64_t start_utc_ms;
	const struct zone *zone;       /* people live by the clock on the wall */
	struct forecast_site roof;     /* as it really is */
	uint64_t seed;
	int holiday_from, holiday_days; /* day of the year nobody is at home from */
};

/** @y is large: on the heap. */
void forecast_year_make(struct forecast_year *y, const struct forecast_year_options *o);

#endif
