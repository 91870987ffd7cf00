/* See sun.h. */
#include "policies/forecast/sun.h"

#include <math.h>

#define PI 3.14159265358979323846
#define DEG (PI / 180)
#define YEAR_DAYS 365.2425
#define SOLAR_CONSTANT 1367.0 /* W/m2, as in Spencer's and Erbs' papers */
#define ALBEDO 0.2            /* of the ground: Liu and Jordan's value without snow */
#define LOW_SUN 0.01          /* cosine of the zenith: half a degree above the horizon */
#define TILT_DEG 30.0         /* of a roof nobody measured */

/* Where the sun stands; angles in radians. */
struct sun {
	double cos_zenith;
	double azimuth;  /* from north, eastward */
	double distance; /* (mean distance / distance) squared */
};

/* Spencer 1971: declination, equation of time and distance as Fourier series of the day of the year. */
static struct sun sun_at(double latitude, double longitude, int64_t utc_ms)
{
	double days = (double)utc_ms / 86400e3, day = fmod(days, YEAR_DAYS), hour = (days - floor(days)) * 24;
	double g = 2 * PI * day / YEAR_DAYS;
	double declination = 0.006918 - 0.399912 * cos(g) + 0.070257 * sin(g) - 0.006758 * cos(2 * g) + 0.000907 * sin(2 * g) -
			     0.002697 * cos(3 * g) + 0.00148 * sin(3 * g);
	double equation_min =
		229.18 * (0.000075 + 0.001868 * cos(g) - 0.032077 * sin(g) - 0.014615 * cos(2 * g) - 0.040849 * sin(2 * g));
	double angle = (hour + longitude / 15 + equation_min / 60 - 12) * PI / 12, phi = latitude * DEG;
	double east = -cos(declination) * sin(angle);
	double north = sin(declination) * cos(phi) - cos(declination) * sin(phi) * cos(angle);

	return (struct sun){
		.cos_zenith = sin(phi) * sin(declination) + cos(phi) * cos(declination) * cos(angle),
		.azimuth = atan2(east, north),
		.distance = 1.00011 + 0.034221 * cos(g) + 0.00128 * sin(g) + 0.000719 * cos(2 * g) + 0.000077 * sin(2 * g),
	};
}

static double haurwitz(double cos_zenith)
{
	return cos_zenith > LOW_SUN ? 1098 * cos_zenith * exp(-0.057 / cos_zenith) : 0;
}

double forecast_clear_sky(double latitude, double longitude, int64_t utc_ms)
{
	return haurwitz(sun_at(latitude, longitude, utc_ms).cos_zenith);
}

/* Erbs, Klein, Duffie, Solar Energy 28 (1982) 293: share of the diffuse in the global irradiance by the clearness index. Haurwitz
 * keeps the index below 0.8, where their last branch begins. */
static double erbs(double kt)
{
	if (kt <= 0.22)
		return 1 - 0.09 * kt;
	return 0.9511 - 0.1604 * kt + 4.388 * kt * kt - 16.638 * kt * kt * kt + 12.336 * kt * kt * kt * kt;
}

/* Liu and Jordan, Solar Energy 7 (1963) 53: beam by the angle of incidence, diffuse from as much of the sky as the plane sees, and
 * the ground's reflection. W/m2. */
static double on_plane(const struct forecast_plane *p, const struct sun *s)
{
	double global = haurwitz(s->cos_zenith), tilt = p->tilt_deg * DEG;
	double diffuse = global * erbs(global / (SOLAR_CONSTANT * s->distance * s->cos_zenith));
	double sin_zenith = sqrt(fmax(0, 1 - s->cos_zenith * s->cos_zenith));
	double incidence = s->cos_zenith * cos(tilt) + sin_zenith * sin(tilt) * cos(s->azimuth - p->azimuth_deg * DEG);
	double beam = (global - diffuse) / s->cos_zenith;

	return beam * fmax(0, incidence) + diffuse * (1 + cos(tilt)) / 2 + global * ALBEDO * (1 - cos(tilt)) / 2;
}

bool forecast_site_known(const struct forecast_site *s)
{
	return s->n > 0 && !isnan(s->latitude) && !isnan(s->longitude);
}

double forecast_clear_w(const struct forecast_site *s, int64_t utc_ms)
{
	struct sun sun;
	double w = 0;

	if (!forecast_site_known(s))
		return 1;
	sun = sun_at(s->latitude, s->longitude, utc_ms);
	if (sun.cos_zenith <= LOW_SUN)
		return 0;
	for (int i = 0; i < s->n; i++)
		w += s->plane[i].peak_w / 1000 * on_plane(&s->plane[i], &sun);
	return w;
}

void forecast_site_of(const struct config *c, struct forecast_site *out)
{
	bool rated = true;

	*out = (struct forecast_site){ .latitude = c->site.latitude, .longitude = c->site.longitude };
	for (int i = 0; i < c->n_devices; i++) {
		const struct config_device *d = &c->device[i];

		if (!d->enabled || !(d->peak_w > 0))
			continue;
		if (d->discharge_max_w > 0)
			out->max_w += d->discharge_max_w;
		else
			rated = false;
		if (out->n == FORECAST_PLANES_MAX) {
			out->plane[out->n - 1].peak_w += d->peak_w;
			continue;
		}
		out->plane[out->n++] = (struct forecast_plane){
			.peak_w = d->peak_w,
			.tilt_deg = isnan(d->tilt_deg) ? TILT_DEG : d->tilt_deg,
			.azimuth_deg = !isnan(d->azimuth_deg) ? d->azimuth_deg : c->site.latitude < 0 ? 0 : 180,
		};
	}
	if (!rated)
		out->max_w = 0;
}
