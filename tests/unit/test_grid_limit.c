/* Rank 2: which bounds a metering point gets, and from whom. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

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

static const struct limit_wish *said(const struct wishes *w, enum reason code, bool import)
{
	for (int i = 0; i < w->n_limits; i++)
		if (w->limits[i].code == code && isfinite(import ? w->limits[i].max_w : w->limits[i].min_w))
			return &w->limits[i];
	return NULL;
}

/* Each limit stands by itself, with its word and its end; a limit of 0 W from outside is one, a target of 0 W is none. */
static void every_limit_says_whose_it_is(void **state)
{
	enum { NOBODY, BOTH, IMPORT, EXPORT };
	static const struct {
		const char *name;
		int silent;
		double import_w, export_w, demand_w;
		int n;
		enum reason in, out;
		const char *why_in, *why_out;
	} ROWS[] = {
		{ "none from outside", NOBODY, NAN, NAN, 0, 2, REASON_IMPORT_LIMIT, REASON_EXPORT_LIMIT, "import limit 11500 W", "export limit 3680 W" },
		{ "from outside", NOBODY, 4200, 0, 0, 4, REASON_OUTSIDE_IMPORT, REASON_OUTSIDE_EXPORT, "import limit from outside 4200 W, until 12:00",
		  "export limit from outside 0 W, until 13:00" },
		{ "import only", NOBODY, 0, NAN, 0, 3, REASON_OUTSIDE_IMPORT, REASON_EXPORT_LIMIT, "import limit from outside 0 W, until 12:00",
		  "export limit 3680 W" },
		{ "failsafe", BOTH, 4200, 1000, 0, 4, REASON_LIMIT_FAILSAFE, REASON_LIMIT_FAILSAFE,
		  "failsafe, nobody outside is heard: import limit 4200 W, until 12:00",
		  "failsafe, nobody outside is heard: export limit 1000 W, until 13:00" },
		{ "failsafe, of export only", EXPORT, 4200, 1000, 0, 4, REASON_OUTSIDE_IMPORT, REASON_LIMIT_FAILSAFE,
		  "import limit from outside 4200 W, until 12:00", "failsafe, nobody outside is heard: export limit 1000 W, until 13:00" },
		{ "failsafe, of import only", IMPORT, 4200, 1000, 0, 4, REASON_LIMIT_FAILSAFE, REASON_OUTSIDE_EXPORT,
		  "failsafe, nobody outside is heard: import limit 4200 W, until 12:00", "export limit from outside 1000 W, until 13:00" },
		{ "the month's peak", NOBODY, NAN, NAN, 5200, 3, REASON_DEMAND, REASON_EXPORT_LIMIT, "the month's peak: import 5200 W, until 11:15",
		  "export limit 3680 W" },
		{ "as little as it may be", NOBODY, NAN, NAN, 1, 3, REASON_DEMAND, REASON_EXPORT_LIMIT, "the month's peak: import 1 W, until 11:15",
		  "export limit 3680 W" },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct wishes *w;

		desk_init(&s);
		s.site.import_limit_w = 11500;
		s.site.export_limit_w = 3680;
		s.external = (struct external_limit){ .import_w = ROWS[r].import_w, .export_w = ROWS[r].export_w, .failsafe = ROWS[r].silent != NOBODY,
						      .import_heard = ROWS[r].silent == EXPORT, .export_heard = ROWS[r].silent == IMPORT,
						      .until_utc_ms = s.utc_ms + 60000, .import_until_utc_ms = s.utc_ms + 3600000,
						      .export_until_utc_ms = s.utc_ms + 7200000, .demand_w = ROWS[r].demand_w,
						      .demand_until_utc_ms = s.utc_ms + 900000 };
		w = desk_step(&POLICY_GRID_LIMIT, &s, NULL);
		assert_row(ROWS[r].name, w->n_limits == ROWS[r].n);
		assert_row(ROWS[r].name, said(w, ROWS[r].in, true) && said(w, ROWS[r].out, false));
		assert_string_equal(said(w, ROWS[r].in, true)->why, ROWS[r].why_in);
		assert_string_equal(said(w, ROWS[r].out, false)->why, ROWS[r].why_out);
		for (int i = 0; i < w->n_limits; i++)
			assert_row(ROWS[r].name, w->limits[i].min_w <= 0 && w->limits[i].max_w >= 0);
	}
	s.external.until_utc_ms = s.external.demand_until_utc_ms = 0; /* no known end, none said */
	assert_string_equal(said(desk_step(&POLICY_GRID_LIMIT, &s, NULL), REASON_DEMAND, true)->why, "the month's peak: import 1 W");
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
	assert_string_equal(said(desk_step(&POLICY_GRID_LIMIT, &s, NULL), REASON_FUSE, true)->why, "fuse 20 A on L1");
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_L2, &lo, &hi);
	assert_near(hi, 4800);
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_L3, &lo, &hi);
	assert_true(hi == INFINITY);
	point_bounds(desk_step(&POLICY_GRID_LIMIT, &s, NULL), POINT_SITE, &lo, &hi);
	assert_true(hi == INFINITY);
}

/* Of a three-phase meter, or one that has shown three: a phase that is missing is what the sum and the others leave; where that
 * cannot be told, the sum is kept besides. */
static void fuse_of_a_missing_phase(void **state)
{
	enum { POWERS, CURRENTS };
	static const struct { const char *name; int phases, shown, read, by; bool sum; double l1, l2, l3, site; } ROWS[] = {
		{ "all", 3, 0, 7, POWERS, true, 4600, 4600, 4600, INFINITY },
		{ "one is missing", 3, 0, 5, POWERS, true, 4600, 4600, 4600, INFINITY },
		{ "and nobody said that there are three", 0, 0, 5, POWERS, true, 4600, 4600, 4600, INFINITY },
		{ "the first", 3, 0, 6, POWERS, true, 4600, 4600, 4600, INFINITY },
		{ "the last", 3, 0, 3, POWERS, true, 4600, 4600, 4600, INFINITY },
		{ "without the sum", 3, 0, 5, POWERS, false, 4600, INFINITY, 4600, 13800 },
		{ "currents do not add up", 3, 0, 5, CURRENTS, true, 4600, INFINITY, 4600, 13800 },
		{ "two are missing", 3, 0, 2, POWERS, true, INFINITY, 4600, INFINITY, 13800 },
		{ "two are missing that were there", 0, 7, 2, POWERS, true, INFINITY, 4600, INFINITY, 13800 },
		{ "there never were more", 0, 1, 1, POWERS, true, 4600, INFINITY, INFINITY, INFINITY },
		{ "there never were more than two", 0, 3, 1, CURRENTS, true, 4600, INFINITY, INFINITY, INFINITY },
		{ "three are missing that were there", 0, 7, 0, POWERS, true, INFINITY, INFINITY, INFINITY, 13800 },
		{ "the only one is missing", 0, 1, 0, POWERS, true, INFINITY, INFINITY, INFINITY, 4600 },
	};
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const double must[] = { ROWS[r].site, ROWS[r].l1, ROWS[r].l2, ROWS[r].l3 };
		const struct wishes *w;

		memset(memory, 0, sizeof(memory));
		for (int again = 0; again < 2; again++) {
			desk_init(&s);
			s.site.fuse_a = 20;
			s.dev[0].phases = ROWS[r].phases;
			for (int p = 0; p < 3; p++)
				if ((again ? ROWS[r].read : ROWS[r].shown) >> p & 1)
					value_set(ROWS[r].by == POWERS ? &s.phase_w[p] : &s.phase_a[p], 5, s.now_ms, Q_GOOD);
			if (!ROWS[r].sum)
				s.grid_w.q = Q_ABSENT;
			w = desk_step(&POLICY_GRID_LIMIT, &s, memory);
		}
		for (int point = POINT_SITE; point < POINT_COUNT; point++) {
			double lo, hi;

			point_bounds(w, (enum point)point, &lo, &hi);
			assert_row(ROWS[r].name, hi == must[point] && lo == -must[point]);
		}
	}
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
	s.grid_device = -1; /* no meter, nothing to keep it by */
	assert_int_equal(desk_step(&POLICY_GRID_LIMIT, &s, NULL)->n_limits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(site_bounds),
		cmocka_unit_test(every_limit_says_whose_it_is),
		cmocka_unit_test(fuse_by_phase_where_measured),
		cmocka_unit_test(fuse_of_a_missing_phase),
		cmocka_unit_test(fuse_by_sum_where_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
