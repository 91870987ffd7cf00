/* The sun under a clear sky, on panels of any tilt. Pure formulas, each with its source; see README.md "Sun". */
#ifndef HEARTH_POLICIES_FORECAST_SUN_H
#define HEARTH_POLICIES_FORECAST_SUN_H

#include "core/config.h"

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_PLANES_MAX 8

struct forecast_plane {
	double peak_w;
	double tilt_deg;    /* 0 = flat, 90 = upright */
	double azimuth_deg; /* 0 = north, 90 = east, 180 = south */
};

/* Where the panels are. No place or no plane: no model of the sun. */
struct forecast_site {
	double latitude, longitude; /* degrees, north and east positive; NAN = not known */
	double max_w;               /* what the inverters can give together; 0 = not known */
	int n;
	struct forecast_plane plane[FORECAST_PLANES_MAX];
};

/** The enabled PV devices with a peak_w; more planes than there is room for join the last one. A tilt nobody told is 30 degrees,
 *  an azimuth nobody told faces the equator: the yield by time of day mends what is wrong about that. */
void forecast_site_of(const struct config *c, struct forecast_site *out);

/** Is there a model at all? */
bool forecast_site_known(const struct forecast_site *s);

/** Global horizontal irradiance under a clear sky, W/m2. Source: B. Haurwitz, J. Meteorology 2 (1945) 154, with the solar
 *  position of J. W. Spencer, Search 2 (1971) 172. */
double forecast_clear_sky(double latitude, double longitude, int64_t utc_ms);

/** Power of all planes under a clear sky at a performance of 1 (1000 W/m2 = peak_w), W, >= 0. Where there is no model: 1, so that
 *  the yield learned is in W. */
double forecast_clear_w(const struct forecast_site *s, int64_t utc_ms);

#endif
