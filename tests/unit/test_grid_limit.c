/* Rank 2: which bounds a metering point gets, and from whom. */
#include "support/cm.h"
#include "support/desk.h"

static struct snapshot s;

static void point_bounds(const struct wishes *w, enum point p, double *lo, double *hi)
{
	*lo = -INFINITY;
	*hi = INFINITY;
	for (int i = 0; i < w->n_limits; i++)
		if (w->limits[i].device < 0 && w->limits[i].point == p) {
			*lo = fmax(*lo, w->limits[i].min_w);
			*hi = fmin(*hi, w->limits[i].max_w);
		}
}

static void site_bounds(void **state)
{
	static const struct { const char *name; double import_w, export_w, outside_import, outside_export, lo, hi; } ROWS[] = {
		{ "none", 0, 0, NAN, NAN, -INFINITY, INFINITY },
		{ "import", 11500, 0, NAN, NAN, -INFINITY, 11500 },
		{ "export", 0, 3680, NAN, NAN, -3680, INFINITY },
		{ "from outside, lower", 11500, 3680, 4200, 0, 0, 4200 },
		{ "from outside, higher, changes nothing", 11500, 3680, 20000, 9000, -3680, 11500 },
		{ "from outside alone", 0, 0, 4200, 1000, -1000, 4200 },
		{ "a negative one is 0", 11500, 0, -5, NAN, -INFINITY, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;

		desk_init(&s);
		s.site.import_limit_w = ROWS[r].import_w;
		s.site.export_limit_w = ROWS[r].export_w;
		s.external.import_w = ROWS[r].outside_import;
		s.external.export_w = ROWS[r].outside_export;
		point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_SITE, &lo, &hi);
		assert_row_near(ROWS[r].name, lo, ROWS[r].lo);
		assert_row_near(ROWS[r].name, hi, ROWS[r].hi);
	}
}

static void fuse_by_phase_where_measured(void **state)
{
	double lo, hi;

	(void)state;
	desk_init(&s);
	s.site.fuse_a = 20;
	value_set(&s.phase_w[0], 100, s.now_ms, Q_GOOD);
	value_set(&s.phase_a[1], 3, s.now_ms, Q_GOOD);
	value_set(&s.dev[0].state.f[F_METER_VOLTAGE_L2_V], 240, s.now_ms, Q_GOOD);
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_L1, &lo, &hi);
	assert_near(hi, 4600);
	assert_near(lo, -4600);
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_L2, &lo, &hi);
	assert_near(hi, 4800);
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_L3, &lo, &hi);
	assert_true(hi == INFINITY);
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_SITE, &lo, &hi);
	assert_true(hi == INFINITY);
}

static void fuse_by_sum_where_not(void **state)
{
	double lo, hi;

	(void)state;
	desk_init(&s);
	s.site.fuse_a = 20;
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_SITE, &lo, &hi);
	assert_near(hi, 4600);
	s.dev[0].phases = 3;
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_SITE, &lo, &hi);
	assert_near(hi, 13800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(site_bounds),
		cmocka_unit_test(fuse_by_phase_where_measured),
		cmocka_unit_test(fuse_by_sum_where_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
