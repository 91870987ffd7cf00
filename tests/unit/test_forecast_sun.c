/* The sun under a clear sky, on panels: by hand-worked instants and by symmetry. */
#include "policies/forecast/sun.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOUR 3600000LL
#define MINUTE 60000LL
#define EQUINOX 1774008000000LL   /* 2026-03-20T12:00Z */
#define MIDSUMMER 1782043200000LL /* 2026-06-21T12:00Z */
#define MIDWINTER 1797854400000LL /* 2026-12-21T12:00Z */

/* Haurwitz at the zenith: 1098 exp(-0.057) = 1037 W/m2. Equator, equinox, solar noon. */
static void test_clear_sky(void **context)
{
	(void)context;
	assert_true(fabs(forecast_clear_sky(0, 0, EQUINOX + 7 * MINUTE) - 1037) < 5);
	assert_true(forecast_clear_sky(0, 0, EQUINOX - 12 * HOUR) == 0);                      /* midnight */
	assert_true(fabs(forecast_clear_sky(0, 90, EQUINOX - 6 * HOUR + 7 * MINUTE) - 1037) < 5); /* east is earlier */
	assert_true(forecast_clear_sky(51.5, 0, MIDSUMMER) > 850);
	assert_true(forecast_clear_sky(51.5, 0, MIDWINTER) < 300);
	assert_true(forecast_clear_sky(80, 0, MIDWINTER) == 0);                               /* polar night */
}

static double plane_w(double latitude, double tilt_deg, double azimuth_deg, int64_t utc_ms)
{
	const struct forecast_site s = { .latitude = latitude, .longitude = 0, .n = 1, .plane = { { 1000, tilt_deg, azimuth_deg } } };

	return forecast_clear_w(&s, utc_ms);
}

/* Over a day, Wh of 1 kW. */
static double day_wh(double latitude, double tilt_deg, double azimuth_deg, int64_t noon)
{
	double sum = 0;

	for (int i = -48; i < 48; i++)
		sum += plane_w(latitude, tilt_deg, azimuth_deg, noon + i * 15 * MINUTE) / 4;
	return sum;
}

static void test_planes(void **context)
{
	(void)context;
	/* lying flat it gets the global irradiance */
	assert_true(fabs(plane_w(51.5, 0, 180, MIDSUMMER) - forecast_clear_sky(51.5, 0, MIDSUMMER)) < 0.5);
	/* in winter a steep roof to the south beats a flat one by far; in summer a flat one beats a wall */
	assert_true(day_wh(51.5, 60, 180, MIDWINTER) > 2 * day_wh(51.5, 0, 180, MIDWINTER));
	assert_true(day_wh(51.5, 0, 180, MIDSUMMER) > 1.3 * day_wh(51.5, 90, 180, MIDSUMMER));
	/* east has its morning, west its evening, north little at noon in winter but the sky's and the ground's light */
	assert_true(plane_w(51.5, 40, 90, MIDSUMMER - 4 * HOUR) > 2 * plane_w(51.5, 40, 270, MIDSUMMER - 4 * HOUR));
	assert_true(plane_w(51.5, 40, 270, MIDSUMMER + 4 * HOUR) > 2 * plane_w(51.5, 40, 90, MIDSUMMER + 4 * HOUR));
	assert_true(plane_w(51.5, 60, 0, MIDWINTER) > 10 && plane_w(51.5, 60, 0, MIDWINTER) < 0.25 * plane_w(51.5, 60, 180, MIDWINTER));
	/* south of the equator the other way round */
	assert_true(day_wh(-34, 35, 0, MIDSUMMER) > 1.5 * day_wh(-34, 35, 180, MIDSUMMER));
	/* PVGIS and its like have 4.5 to 7.5 kWh a day for a clear midsummer at 51 N and 35 degrees south */
	assert_true(day_wh(51.5, 35, 180, MIDSUMMER) > 6500 && day_wh(51.5, 35, 180, MIDSUMMER) < 9500);
	assert_true(plane_w(51.5, 35, 180, MIDSUMMER - 12 * HOUR) == 0); /* night */
}

static void test_sums(void **context)
{
	struct forecast_site s = { .latitude = 51.5, .longitude = 0, .n = 2, .plane = { { 2000, 40, 90 }, { 3000, 40, 270 } } };

	(void)context;
	assert_true(fabs(forecast_clear_w(&s, MIDSUMMER) - 2 * plane_w(51.5, 40, 90, MIDSUMMER) - 3 * plane_w(51.5, 40, 270, MIDSUMMER)) < 0.1);
	assert_true(forecast_site_known(&s));
	s.longitude = NAN;
	assert_false(forecast_site_known(&s));
	s.longitude = 0;
	s.latitude = NAN;
	assert_false(forecast_site_known(&s));
	assert_true(forecast_clear_w(&s, MIDSUMMER) == 1); /* no model */
	s.latitude = 51.5;
	s.n = 0;
	assert_true(forecast_clear_w(&s, MIDSUMMER) == 1);
}

static struct config_device *pv(struct config *c, double peak_w, double tilt_deg, double azimuth_deg, double max_w)
{
	struct config_device *d = &c->device[c->n_devices++];

	d->enabled = true;
	d->peak_w = peak_w;
	d->tilt_deg = tilt_deg;
	d->azimuth_deg = azimuth_deg;
	d->discharge_max_w = max_w;
	return d;
}

static void test_site_of(void **context)
{
	struct config *c = calloc(1, sizeof(*c));
	struct forecast_site s;

	(void)context;
	assert_non_null(c);
	c->site.latitude = 51.5;
	c->site.longitude = -1;
	pv(c, 4000, 35, 170, 3600);
	pv(c, NAN, NAN, NAN, 5000); /* a battery */
	pv(c, 3000, 35, 170, 3000)->enabled = false;
	pv(c, 2000, NAN, NAN, 2000);
	forecast_site_of(c, &s);
	assert_int_equal(s.n, 2);
	assert_true(s.latitude == 51.5 && s.longitude == -1 && s.max_w == 5600);
	assert_true(s.plane[0].peak_w == 4000 && s.plane[0].tilt_deg == 35 && s.plane[0].azimuth_deg == 170);
	assert_true(s.plane[1].peak_w == 2000 && s.plane[1].tilt_deg == 30 && s.plane[1].azimuth_deg == 180);
	pv(c, 1000, 10, 20, NAN); /* its rating is not known, so theirs together is not */
	c->site.latitude = -34;
	forecast_site_of(c, &s);
	assert_true(s.max_w == 0 && s.plane[1].azimuth_deg == 0 && s.plane[2].azimuth_deg == 20);
	while (c->n_devices < 14)
		pv(c, 100, 0, 0, 100);
	forecast_site_of(c, &s);
	assert_int_equal(s.n, FORECAST_PLANES_MAX);
	assert_true(s.plane[FORECAST_PLANES_MAX - 1].peak_w == 500); /* five share the last place */
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clear_sky),
		cmocka_unit_test(test_planes),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_site_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
