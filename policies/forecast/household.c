/* See household.h. Three humps on a base, in the form of the standard profiles of households (BDEW H0, Elexon class 1): the lowest
 * hours before dawn, a rise at breakfast, a low hump at midday, the peak of the evening. At weekends breakfast is later, midday
 * higher. */
#include "policies/forecast/household.h"

#include <math.h>

struct hump { double height, at_h, wide_h; };

static double hump_at(const struct hump *h, double hour)
{
	double away = fabs(hour - h->at_h);

	away = fmin(away, 24 - away) / h->wide_h; /* the evening reaches past midnight */
	return h->height * exp(-away * away / 2);
}

double household_shape(bool weekend, int minute_of_day)
{
	static const struct hump WORKDAY[] = { { 0.50, 7.5, 1.2 }, { 0.45, 12.5, 2.2 }, { 1.15, 19.5, 2.2 } };
	static const struct hump WEEKEND[] = { { 0.45, 9.5, 1.6 }, { 0.65, 13.0, 2.4 }, { 1.00, 19.3, 2.4 } };
	const struct hump *h = weekend ? WEEKEND : WORKDAY;
	double hour = minute_of_day / 60.0, sum = weekend ? 0.51 : 0.57;

	for (int i = 0; i < 3; i++)
		sum += hump_at(&h[i], hour);
	return sum;
}
