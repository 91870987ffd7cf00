/* What forecast.set may say, what it may not, and what was said for an instant. */
#include "policies/forecast/push.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1768478400000LL /* 2026-01-15T12:00:00Z */
#define HOUR 3600000LL

static struct forecast_push p;

static int parse(const char *text, struct errbuf *err)
{
	AUTO_JSON *o = json_parse(text, strlen(text), 1 << 20, 16, err);

	assert_non_null(o);
	return forecast_push_parse(o, NOW, &p, err);
}

static void test_refused(void **context)
{
	static const struct { const char *text, *says; } ROWS[] = {
		{ "[]", "an object" },
		{ "{\"lod\":[]}", "'lod' is not known" },
		{ "{\"load\":5}", "load: a list" },
		{ "{\"pv\":{}}", "pv: a list" },
		{ "{\"load\":[5]}", "load[0]: {from, to, w}" },
		{ "{\"load\":[{\"to\":\"2026-01-15T13:00:00Z\",\"w\":1}]}", "load[0]: {from, to, w}" },
		{ "{\"load\":[{\"from\":\"2026-01-15T13:00:00Z\",\"to\":\"soon\",\"w\":1}]}", "load[0]: {from, to, w}" },
		{ "{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\"}]}", "load[0].w" },
		{ "{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":1000001}]}", "load[0].w" },
		{ "{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":-1000001}]}", "load[0].w" },
		{ "{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":1e999}]}", "load[0].w" },
		{ "{\"pv\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":-1}]}", "pv[0].w: a number of W from 0" },
		{ "{\"pv\":[{\"from\":\"2026-01-15T13:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":1}]}", "ends before it begins" },
		{ "{\"pv\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T14:00:00Z\",\"w\":1},"
		  "{\"from\":\"2026-01-15T13:00:00Z\",\"to\":\"2026-01-15T15:00:00Z\",\"w\":1}]}", "pv[1]: it begins before" },
		{ "{\"pv\":[{\"from\":\"2026-02-14T12:00:00Z\",\"to\":\"2026-02-16T12:00:00Z\",\"w\":1}]}", "31 days" },
		{ "{\"pv\":[{\"from\":\"2025-12-14T12:00:00Z\",\"to\":\"2026-01-16T12:00:00Z\",\"w\":1}]}", "31 days" },
		{ "{\"until\":5}", "until: a time" },
		{ "{\"until\":\"2026-01-15T12:00:00Z\"}", "until: it is over" },
		{ "{\"until\":\"2026-01-15T12:00:01Z\"}", "until without load" },
	};

	(void)context;
	assert_int_equal(parse("{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":5}]}", NULL), 0);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct errbuf err = { "" };

		if (parse(ROWS[i].text, &err) != -EINVAL || !strstr(err.text, ROWS[i].says))
			fail_msg("%s: '%s'", ROWS[i].text, err.text);
		assert_true(p.n_load == 1 && p.load[0].w == 5); /* as it was */
	}
}

/* As many as there is room for, and one more. */
static void test_full(void **context)
{
	(void)context;
	for (int more = 0; more < 2; more++) {
		char *text = malloc(100 * (FORECAST_PUSH_MAX + 2)), *at = text;
		struct errbuf err = { "" };

		assert_non_null(text);
		at += sprintf(at, "{\"load\":[");
		for (int i = 0; i < FORECAST_PUSH_MAX + more; i++)
			at += sprintf(at, "%s{\"from\":\"2026-01-%02dT%02d:%02d:00Z\",\"to\":\"2026-01-%02dT%02d:%02d:59Z\",\"w\":%d}", i ? "," : "",
				      16 + i / 1440, i / 60 % 24, i % 60, 16 + i / 1440, i / 60 % 24, i % 60, i);
		sprintf(at, "]}");
		assert_int_equal(parse(text, &err), more ? -EINVAL : 0);
		assert_true(!more || strstr(err.text, "673 entries, 672 are allowed"));
		free(text);
	}
	assert_int_equal(p.n_load, FORECAST_PUSH_MAX);
}

static void test_looked_up(void **context)
{
	double w = NAN;

	(void)context;
	assert_int_equal(parse("{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":100},"
			       "{\"from\":\"2026-01-15T13:00:00Z\",\"to\":\"2026-01-15T13:30:00Z\",\"w\":-200.5},"
			       "{\"from\":\"2026-01-15T14:00:00Z\",\"to\":\"2026-01-15T15:00:00Z\",\"w\":300}],"
			       "\"pv\":null,\"until\":null,\"transaction\":\"x\"}", NULL), 0);
	assert_int_equal(p.n_load, 3);
	assert_false(forecast_push_load(&p, NOW, NOW - 1, &w));
	assert_true(forecast_push_load(&p, NOW, NOW, &w) && w == 100);
	assert_true(forecast_push_load(&p, NOW, NOW + HOUR - 1, &w) && w == 100);
	assert_true(forecast_push_load(&p, NOW, NOW + HOUR, &w) && w == -200.5);
	assert_false(forecast_push_load(&p, NOW, NOW + HOUR * 3 / 2, &w)); /* a gap */
	assert_true(forecast_push_load(&p, NOW, NOW + 2 * HOUR, &w) && w == 300);
	assert_false(forecast_push_load(&p, NOW, NOW + 3 * HOUR, &w));
	assert_false(forecast_push_pv(&p, NOW, NOW, &w));
	assert_true(forecast_push_end(&p) == NOW + 3 * HOUR);
}

static void test_until(void **context)
{
	double w = NAN;

	(void)context;
	assert_int_equal(parse("{\"pv\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T18:00:00Z\",\"w\":100}],"
			       "\"until\":\"2026-01-15T13:00:00Z\"}", NULL), 0);
	assert_true(forecast_push_pv(&p, NOW, NOW + 3 * HOUR, &w) && w == 100);
	assert_false(forecast_push_pv(&p, NOW + HOUR, NOW + 3 * HOUR, &w)); /* by then nobody believes it */
	assert_false(forecast_push_load(&p, NOW + HOUR, NOW + 3 * HOUR, &w));
	assert_true(forecast_push_end(&p) == NOW + HOUR);
	p.until_utc_ms = NOW + 10 * HOUR;
	assert_true(forecast_push_end(&p) == NOW + 6 * HOUR);
}

/* {} clears; what is kept on disk reads back as the same. */
static void test_kept(void **context)
{
	static const char *const TEXTS[] = {
		"{}",
		"{\"load\":[{\"from\":\"2026-01-15T12:00:00Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":123.4}],"
		"\"pv\":[{\"from\":\"2026-01-15T12:00:00.7Z\",\"to\":\"2026-01-15T13:00:00Z\",\"w\":0}],\"until\":\"2026-01-15T14:00:00Z\"}",
	};

	(void)context;
	for (size_t i = 0; i < 2; i++) {
		AUTO_JSON *o = NULL;
		struct forecast_push again;

		assert_int_equal(parse(TEXTS[i], NULL), 0);
		o = forecast_push_encode(&p);
		assert_int_equal(forecast_push_parse(o, NOW, &again, NULL), 0);
		assert_memory_equal(&again, &p, sizeof(p));
		assert_int_equal(p.n_load + p.n_pv, i ? 2 : 0);
	}
	assert_int_equal(parse("{}", NULL), 0);
	assert_true(p.n_load == 0 && p.n_pv == 0 && p.until_utc_ms == 0 && forecast_push_end(&p) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_full), cmocka_unit_test(test_looked_up),
		cmocka_unit_test(test_until),   cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
