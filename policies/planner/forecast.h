/* What the house will draw and the sun will give, out of what was seen: means by time of day in local half hours, pulled
 * toward the present. Pure memory; the first, simple version: nothing is stored over a restart. */
#ifndef HEARTH_POLICIES_FORECAST_H
#define HEARTH_POLICIES_FORECAST_H

#include "core/calendar.h"

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_BINS 48 /* half hours of the local day; a day of 23 or 25 hours skips or repeats two */

struct forecast_bin {
	float mean_w;
	int days;                   /* how many days went into it; 0 = nothing known */
};

struct forecast {
	struct forecast_bin load[FORECAST_BINS], pv[FORECAST_BINS];
	struct forecast_meter {         /* one quantity being measured */
		double now_w;           /* smoothed over about two minutes; NAN = unknown */
		double sum, n;          /* of the half hour that runs */
	} load_meter, pv_meter;
	int64_t seen_utc_ms;            /* last observation; 0 = none yet */
	int64_t bin;                    /* running half hour: utc / 30 min */
};

/* Where the panels are; peak_w <= 0 or a NAN place: no model of the sun. */
struct forecast_site {
	double latitude, longitude, peak_w;
};

void forecast_init(struct forecast *f);

/** Takes a reading. @load_w house without batteries and cars, may be negative where the sun is not metered apart;
 *  @pv_w >= 0. NAN = not known now. */
void forecast_observe(struct forecast *f, const struct zone *z, int64_t utc_ms, double load_w, double pv_w);

/** House load expected at @at_utc_ms, seen from @now_utc_ms, W. Cold start: 350 W, and the present load fading in an hour. */
double forecast_load_w(const struct forecast *f, const struct zone *z, int64_t now_utc_ms, int64_t at_utc_ms);

/** Sun expected, W, at least 0. Cold start: clear sky x 0.6, or 0 where the place or the peak power is not known. */
double forecast_pv_w(const struct forecast *f, const struct zone *z, const struct forecast_site *site, int64_t now_utc_ms,
		     int64_t at_utc_ms);

/** Global horizontal irradiance under a clear sky, W/m2. Source: B. Haurwitz, J. Meteorology 2 (1945) 154, with the solar
 *  position of J. W. Spencer, Search 2 (1971) 172. */
double forecast_clear_sky(double latitude, double longitude, int64_t utc_ms);

#endif
