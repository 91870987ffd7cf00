/* A household nobody has measured yet: how an average one spreads its energy over the day. Pure. */
#ifndef HEARTH_POLICIES_FORECAST_HOUSEHOLD_H
#define HEARTH_POLICIES_FORECAST_HOUSEHOLD_H

#include <stdbool.h>

#define HOUSEHOLD_MEAN_W 350.0 /* about 3100 kWh a year */

/** Load at a local time of day as a multiple of the day's mean; the mean over a week is 1. Form: README.md "Cold start". */
double household_shape(bool weekend, int minute_of_day);

#endif
