/* See sky.h. */
#include "simulate/sky.h"

#include <math.h>

#define PI 3.14159265358979323846
#define RAD (PI / 180)
#define J2000_UTC_S 946728000.0 /* 2000-01-01 12:00 UTC */
#define DIFFUSE 0.1
#define GROUND 0.2

struct sky_sun sky_sun_at(double latitude, double longitude, int64_t utc_ms)
{
	const double days = ((double)utc_ms / 1e3 - J2000_UTC_S) / 86400, hour = fmod((double)utc_ms / 3.6e6, 24);
	const double g = (357.528 + 0.9856003 * days) * RAD, mean = 280.460 + 0.9856474 * days;
	const double lambda = (mean + 1.915 * sin(g) + 0.020 * sin(2 * g)) * RAD, obliquity = (23.439 - 4e-7 * days) * RAD;
	const double ascension = atan2(cos(obliquity) * sin(lambda), cos(lambda)), declination = asin(sin(obliquity) * sin(lambda));
	const double sidereal_h = 6.697375 + 0.0657098242 * days + hour + longitude / 15;
	const double angle = sidereal_h * 15 * RAD - ascension, phi = latitude * RAD;
	const double height = sin(declination) * sin(phi) + cos(declination) * cos(phi) * cos(angle);
	const double east = -sin(angle) * cos(declination), north = sin(declination) * cos(phi) - cos(declination) * sin(phi) * cos(angle);
	double azimuth = atan2(east, north) / RAD;

	return (struct sky_sun){ asin(fmin(fmax(height, -1), 1)) / RAD, azimuth < 0 ? azimuth + 360 : azimuth };
}

double sky_clear_w_m2(double latitude, double longitude, double tilt_deg, double azimuth_deg, int64_t utc_ms)
{
	const struct sky_sun sun = sky_sun_at(latitude, longitude, utc_ms);
	const double height = sin(sun.elevation_deg * RAD), tilt = tilt_deg * RAD;
	double mass, beam, facing;

	if (sun.elevation_deg <= 0)
		return 0;
	mass = 1 / (height + 0.50572 * pow(sun.elevation_deg + 6.07995, -1.6364));
	beam = 1353 * pow(0.7, pow(mass, 0.678));
	facing = height * cos(tilt) + cos(sun.elevation_deg * RAD) * sin(tilt) * cos((sun.azimuth_deg - azimuth_deg) * RAD);
	return beam * fmax(0, facing) + DIFFUSE * beam * (1 + cos(tilt)) / 2 + GROUND * beam * (height + DIFFUSE) * (1 - cos(tilt)) / 2;
}
