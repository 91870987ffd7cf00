/* The month's demand target: what the rest of an interval may take, what counts as a peak, and every doubt settled to the safe
 * side. A house is played through hours of quarter hours. */
#include "core/demand.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define NOW 1000000LL
#define UNKNOWN NAN

static struct demand d;
static struct demand_config cfg;
static struct zone utc;
static int64_t at_ms, shift_ms; /* since T; wall clock minus what it should say */
static bool trusted;
static int stores;

static int setup(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	memset(&utc, 0, sizeof(utc));
	cfg = (struct demand_config){ 4000, 15 };
	at_ms = shift_ms = stores = 0;
	trusted = true;
	return 0;
}

static void look(double import_w)
{
	const struct demand_reading r = { NOW + at_ms, T + at_ms + shift_ms, trusted, import_w };

	stores += demand_step(&d, &cfg, &utc, &r);
}

/* The meter says @import_w for so long, read each second. */
static void run(double seconds, double import_w)
{
	for (const int64_t end = at_ms + llround(seconds * 1000); at_ms < end;) {
		d.last_w = import_w;
		at_ms = at_ms + 1000 < end ? at_ms + 1000 : end;
		look(import_w);
	}
}

static struct demand_view view(void)
{
	struct demand_view v;

	demand_view(&d, &cfg, &v);
	return v;
}

#define NEAR(a, b, within)                                                                                            \
	do {                                                                                                          \
		const double a_ = (a), b_ = (b);                                                                      \
		if (!(fabs(a_ - b_) <= (within)))                                                                     \
			fail_msg("%s:%d: %g instead of %g", __FILE__, __LINE__, a_, b_);                              \
	} while (0)

/* From the begin of an interval: what was taken, and what is left to be taken. */
static void test_allowed(void **state)
{
	static const struct { const char *name; double seconds, import_w, allowed_w; } ROWS[] = {
		{ "nothing passed", 0, 0, 4000 },
		{ "as the target says", 450, 4000, 4000 },
		{ "half at half the target", 450, 2000, 6000 },
		{ "a third at a quarter more", 300, 5000, 3500 },
		{ "half at nothing: twice the target, and never more", 450, 0, 8000 },
		{ "more than half at nothing", 600, 0, 8000 },
		{ "half at one and a half", 450, 6000, 2000 },
		{ "all of it is used up", 450, 8000, 1 },
		{ "more than all", 450, 9000, 1 },
		{ "a minute left: still the plain quotient", 840, 4050, 3300 },
		{ "half a minute left, a little saved: spent within a minute", 870, 3990, 4145 },
		{ "half a minute left, a little too much: the plain quotient", 870, 4010, 3710 },
		{ "5 s left, a little too much: no panic", 895, 4010, 3403 },
		{ "5 s left, too much for any cut to mend", 895, 4500, 1 },
		{ "exactly 15 s left", 885, 4010, 3410 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct demand_view v;

		setup(NULL);
		look(ROWS[i].import_w);
		run(ROWS[i].seconds, ROWS[i].import_w);
		v = view();
		if (!(fabs(v.allowed_w - ROWS[i].allowed_w) < 1))
			fail_msg("%s: %g W", ROWS[i].name, v.allowed_w);
		assert_int_equal(v.until_utc_ms, T + 900000);
		assert_true(v.target_w == 4000);
		if (ROWS[i].seconds > 0)
			NEAR(v.interval_w, ROWS[i].import_w, 0.001);
		else
			assert_true(isnan(v.interval_w));
	}
}

/* Whoever takes what is allowed ends at the target, from any start, and export is no credit. */
static void test_followed(void **state)
{
	static const double FIRST_W[] = { 0, 1000, 4000, 5000, 7000 };

	(void)state;
	for (size_t i = 0; i < sizeof(FIRST_W) / sizeof(FIRST_W[0]); i++) {
		setup(NULL);
		look(0);
		run(400, FIRST_W[i]);
		while (at_ms < 900000)
			run(1, view().allowed_w);
		NEAR(d.peak_w, 4000, FIRST_W[i] < 4000 ? 200 : 0.01); /* what was saved is spent slowly, some of it never */
		assert_true(d.peak_w < 4000.01);
		NEAR(view().allowed_w, 4000, 0.01); /* and the next one begins without a jump */
	}
}

static void test_peak(void **state)
{
	(void)state;
	look(3000);
	run(900, 3000);
	NEAR(d.peak_w, 3000, 0.01);
	assert_int_equal(stores, 1);
	assert_true(view().target_w == 4000); /* below the target it changes nothing */
	run(900, 3000);
	run(900, 3000.5); /* less than a watt more is not worth the disk */
	assert_int_equal(stores, 1);
	run(900, 6000);
	assert_int_equal(stores, 2);
	NEAR(view().target_w, 6000, 0.01); /* what the month has seen is paid already */
	NEAR(view().peak_w, 6000, 0.01);
	run(450, 3000);
	NEAR(view().allowed_w, 9000, 1);
	run(450, 0);
	assert_int_equal(stores, 2);
}

/* Local months: a zone an hour east begins February at 23:00 UTC. */
static void test_month(void **state)
{
	static const int64_t FEBRUARY = 1769904000000LL; /* 2026-02-01T00:00:00Z */

	(void)state;
	utc.n = 1;
	utc.t[0].offset_s = 3600;
	at_ms = FEBRUARY - T - 3600000 - 900000; /* the last quarter of January */
	look(6000);
	run(899, 6000);
	assert_true(view().until_utc_ms == FEBRUARY - 3600000 && isnan(view().peak_w));
	run(1, 6000);
	assert_int_equal(stores, 1);     /* January's peak was one, and is over */
	assert_true(isnan(view().peak_w) && view().target_w == 4000);
	assert_int_equal(d.month, 2026 * 12 + 1);
	run(900, 2000);
	NEAR(view().peak_w, 2000, 0.01);
}

static void test_intervals(void **state)
{
	static const struct { int minutes; int32_t offset_s; int64_t end_ms; } ROWS[] = {
		{ 15, 0, 900000 }, { 30, 0, 1800000 }, { 60, 0, 3600000 }, { 60, 5 * 3600 + 1800, 1800000 }, { 15, 5 * 3600 + 2700, 900000 },
		{ 60, -3 * 3600 - 1800, 1800000 }, { 60, 20700, 900000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		setup(NULL);
		cfg.interval_min = ROWS[i].minutes;
		utc.n = 1;
		utc.t[0].offset_s = ROWS[i].offset_s;
		at_ms = 1;
		look(0);
		if (view().until_utc_ms != T + ROWS[i].end_ms)
			fail_msg("row %zu: ends %lld s after noon", i, (long long)(view().until_utc_ms - T) / 1000);
	}
}

/* A start inside of an interval: as if the target had been used until then, and no peak of it. */
static void test_restart(void **state)
{
	(void)state;
	at_ms = 450000;
	look(0);
	NEAR(view().allowed_w, 4000, 0.01);
	run(450, 5000);
	NEAR(d.peak_w, 2500, 0.01);
	/* the stored peak counts in its month only */
	setup(NULL);
	d = (struct demand){ .month = 2026 * 12, .peak_w = 6000 };
	assert_true(view().target_w == 4000); /* not before the month is known */
	at_ms = 450000;
	look(0);
	NEAR(view().target_w, 6000, 0.01);
	NEAR(view().allowed_w, 6000, 0.01);
	setup(NULL);
	d = (struct demand){ .month = 2025 * 12 + 11, .peak_w = 6000 };
	look(0);
	assert_true(view().target_w == 4000);
}

/* What the meter did not say counts as the worse of target and last reading, and makes no peak. */
static void test_gaps(void **state)
{
	static const struct { double before_w, allowed_w; } ROWS[] = { { 2000, 6000 }, { 4000, 4000 }, { 6000, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		setup(NULL);
		look(ROWS[i].before_w);
		run(300, ROWS[i].before_w);
		run(300, UNKNOWN);
		NEAR(view().allowed_w, ROWS[i].allowed_w, 1);
		run(150, ROWS[i].before_w);
		run(150, UNKNOWN);
		NEAR(d.peak_w, ROWS[i].before_w / 2, 0.01);
	}
	/* never a reading at all */
	setup(NULL);
	look(UNKNOWN);
	run(450, UNKNOWN);
	NEAR(view().allowed_w, 4000, 0.01);
	run(450, UNKNOWN);
	assert_true(isnan(view().peak_w));
}

static void test_clocks(void **state)
{
	(void)state;
	/* untrusted: the plain target, without an end, and the month's peak is not counted on */
	d = (struct demand){ .month = 2026 * 12, .peak_w = 6000 };
	trusted = false;
	look(0);
	run(100, 9000);
	assert_true(view().allowed_w == 4000 && view().until_utc_ms == 0 && view().target_w == 4000);
	trusted = true;
	run(1, 9000);
	assert_int_equal(view().until_utc_ms, T + 900000);
	NEAR(view().target_w, 6000, 0.01);
	/* trust that goes and comes within an interval does not wash away what was used */
	setup(NULL);
	look(8000);
	run(300, 8000);
	trusted = false;
	run(1, 0);
	trusted = true;
	run(1, 0);
	NEAR(d.used_wh, 8000 * 300 / 3600. + 4000 * 2 / 3600., 0.01); /* and the target for the time nobody vouches for */
	/* a step: the new interval as if it had used the target; within 2 s it is none */
	setup(NULL);
	look(0);
	run(300, 0);
	shift_ms = 2000;
	run(1, 0);
	assert_true(d.used_wh == 0);
	shift_ms = 2000 + 2001;
	run(1, 0);
	NEAR(d.used_wh, 4000 * 306.001 / 3600., 0.01);
	shift_ms = -3600000;
	run(1, 0);
	assert_true(view().until_utc_ms == T - 3600000 + 900000 && stores == 0);
	/* a standstill as long as an interval: nobody knows */
	setup(NULL);
	look(100);
	at_ms = 899999;
	look(100);
	NEAR(d.used_wh, (100 * 15 + 4000 * 884.999) / 3600., 0.01); /* a reading vouches for 15 s */
	assert_true(d.seen_wh < 0.5);
	at_ms += 900000;
	look(100);
	NEAR(d.used_wh, 4000 * 899.999 / 3600., 0.01);
	assert_int_equal(stores, 0);
}

/* Readings do not come on the second the interval ends: each gets its part. */
static void test_boundary(void **state)
{
	(void)state;
	look(3600);
	run(899, 3600);
	at_ms = 902000;
	look(0);
	NEAR(d.peak_w, 3600, 0.01);
	NEAR(d.used_wh, 2, 0.001);
	NEAR(view().allowed_w, (1000 - 2) * 3600. / 898, 0.1);
	at_ms = 1800000; /* exactly at the end */
	d.last_w = 0;
	look(0);
	assert_int_equal(view().until_utc_ms, T + 2700000);
}

static void test_off(void **state)
{
	struct demand_view v;

	(void)state;
	cfg.target_w = 0;
	look(9000);
	run(1000, 9000);
	v = view();
	assert_true(v.target_w == 0 && v.allowed_w == 0 && v.until_utc_ms == 0 && stores == 0);
	cfg.target_w = 4000; /* a reload in the middle */
	run(1, 9000);
	NEAR(view().allowed_w, 4000, 0.01);
	cfg.interval_min = 60;
	run(1, 0);
	assert_int_equal(view().until_utc_ms, T + 3600000);
}

/* What was used of the running interval is known again after a restart; what was in between counts as the target. */
static void test_restart_within_an_interval(void **state)
{
	static const struct { const char *name; double import_w, off_s, used_wh; } ROWS[] = {
		{ "used more than the target", 8000, 20, 8000 * 600 / 3600. + 4000 * 20 / 3600. }, { "used less: as if the target had been used", 1000, 20, 4000 * 620 / 3600. },
		{ "the next interval", 8000, 360, 4000 * 60 / 3600. }, { "nothing in between", 8000, 0, 8000 * 600 / 3600. },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		AUTO_JSON *j = NULL;

		setup(NULL);
		look(ROWS[i].import_w);
		run(600, ROWS[i].import_w);
		j = demand_encode_interval(&d);
		memset(&d, 0, sizeof(d));
		d.month = 2026 * 12;
		assert_int_equal(demand_decode_interval(j, &d, NULL), 0);
		at_ms += llround(ROWS[i].off_s * 1000);
		look(0);
		if (!(fabs(d.used_wh - ROWS[i].used_wh) < 0.1) || d.seen_wh != 0)
			fail_msg("%s: %g Wh", ROWS[i].name, d.used_wh);
	}
}

static void test_interval_refused(void **state)
{
	static const char *const WRONG[] = {
		"[]", "{}", "{\"start\":\"2026-01-15T12:00:00Z\",\"at\":\"2026-01-15T12:05:00Z\"}", "{\"start\":\"x\",\"at\":\"2026-01-15T12:05:00Z\",\"used_wh\":1}",
		"{\"start\":\"2026-01-15T12:00:00Z\",\"at\":7,\"used_wh\":1}", "{\"start\":\"2026-01-15T12:00:00Z\",\"at\":\"2026-01-15T12:05:00Z\",\"used_wh\":-1}",
		"{\"start\":\"2026-01-15T12:00:00Z\",\"at\":\"2026-01-15T11:05:00Z\",\"used_wh\":1}", "{\"start\":\"2026-01-15T12:00:00Z\",\"used_wh\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		AUTO_JSON *j = cJSON_Parse(WRONG[i]);
		struct errbuf err = { "" };

		assert_non_null(j);
		if (demand_decode_interval(j, &d, &err) >= 0 || d.start_utc_ms || !err.text[0])
			fail_msg("%s was taken", WRONG[i]);
	}
}

static void test_store(void **state)
{
	static const char *const WRONG[] = {
		"{}", "{\"month\":24312}", "{\"peak_w\":5}", "{\"month\":24312.5,\"peak_w\":5}", "{\"month\":23639,\"peak_w\":5}", "{\"month\":120000,\"peak_w\":5}",
		"{\"month\":24312,\"peak_w\":-1}", "{\"month\":24312,\"peak_w\":\"x\"}", "[]",
	};
	struct demand e = { .month = 1 };

	(void)state;
	look(5000);
	run(900, 5000);
	{
		AUTO_JSON *j = demand_encode(&d);

		assert_int_equal(demand_decode(j, &e, NULL), 0);
		assert_true(e.month == 2026 * 12 && e.peak_w == 5000 && !e.running);
	}
	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		AUTO_JSON *j = cJSON_Parse(WRONG[i]);
		struct errbuf err = { "" };

		e.month = 7;
		if (demand_decode(j, &e, &err) >= 0 || e.month != 7 || !err.text[0])
			fail_msg("%s was taken", WRONG[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_allowed, setup), cmocka_unit_test_setup(test_followed, setup), cmocka_unit_test_setup(test_peak, setup),
		cmocka_unit_test_setup(test_month, setup), cmocka_unit_test_setup(test_intervals, setup), cmocka_unit_test_setup(test_restart, setup),
		cmocka_unit_test_setup(test_gaps, setup), cmocka_unit_test_setup(test_clocks, setup), cmocka_unit_test_setup(test_boundary, setup),
		cmocka_unit_test_setup(test_off, setup), cmocka_unit_test_setup(test_store, setup),
		cmocka_unit_test_setup(test_restart_within_an_interval, setup), cmocka_unit_test_setup(test_interval_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
