/* Where the sun stands and what a clear sky gives a tilted panel. Written apart from the forecast's model on purpose, with other
 * formulas: a forecast must not be right because it shares the code of what it forecasts. Pure. */
#ifndef HEARTH_SIMULATE_SKY_H
#define HEARTH_SIMULATE_SKY_H

#include <stdint.h>

struct sky_sun {
	double elevation_deg; /* above the horizon, without refraction */
	double azimuth_deg;   /* from north, clockwise: 180 = south */
};

/** Position by the low-precision formulas of the Astronomical Almanac, as in J. J. Michalsky, Solar Energy 40 (1988) 227;
 *  0.01 degree from 1950 to 2050. Degrees, north and east positive. */
struct sky_sun sky_sun_at(double latitude, double longitude, int64_t utc_ms);

/**
 * Irradiance on a panel under a clear sky, W/m2, at least 0.
 * Beam: A. B. Meinel and M. P. Meinel, Applied Solar Energy (1976), 1353 x 0.7^(m^0.678), air mass m by F. Kasten and
 * A. T. Young, Applied Optics 28 (1989) 4735. Diffuse: a tenth of the beam, the same from all of the sky; ground 0.2.
 * @tilt_deg  0 = flat, 90 = upright
 */
double sky_clear_w_m2(double latitude, double longitude, double tilt_deg, double azimuth_deg, int64_t utc_ms);

#endif
