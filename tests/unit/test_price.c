/* Tariffs: windows that must cover the day, and their prices over every clock change. */
#include "core/price.h"

#include <math.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	int n;            /* 0 = refused */
	const char *want; /* part of the reason */
} PARSE[] = {
	{ "", 0, "'' is not a window" },
	{ "abc", 0, "is not a window" },
	{ "nan", 0, "is not a window" },
	{ "0x1", 0, "is not a window" },
	{ "1e3", 0, "is not a window" },
	{ "0.1.2", 0, "is not a window" },
	{ "1001", 0, "outside -1000..1000" },
	{ "00:00-24:00", 0, "is not a window" },
	{ "00:00-24:00 x", 0, "is not a window" },
	{ "00:00 - 24:00 0.1", 1, "" },
	{ "0:00-24:00 0.1", 0, "is not a window" },
	{ "00:00-24:01 0.1", 0, "is not a window" },
	{ "00:00-12:60 0.1", 0, "is not a window" },
	{ "00:00-24:00 9999", 0, "outside -1000..1000" },
	{ "01:00-24:00 0.1", 0, "gap between 00:00 and 01:00" },
	{ "00:00-23:00 0.1", 0, "gap between 23:00 and 24:00" },
	{ "00:00-07:00 0.1, 08:00-00:00 0.2", 0, "gap between 07:00 and 08:00" },
	{ "00:00-07:00 0.1, 06:00-00:00 0.2", 0, "overlap between 06:00 and 07:00" },
	{ "00:00-00:00 0.1", 1, "" },
	{ "00:00-00:00 0.1, 00:00-00:00 0.1", 0, "overlap" },
	{ "00:00-22:00 0.1, 22:00-06:00 0.2", 0, "split at 00:00" },
	{ "00:00-07:00 0.1; 07:00-00:00 0.2", 0, "separated by commas" },
	{ "00:00-07:00 0.1,", 0, "is not a window" },
	{ "0.28", 1, "" },
	{ " -0.05 ", 1, "" },
	{ "00:00-07:00 0.09, 07:00-16:00 0.28, 16:00-19:00 -0.38, 19:00-24:00 0.28", 4, "" },
	{ "00:00-07:00 0.09,07:00-00:00 0.28", 2, "" },
};

static void test_parse(void **state)
{
	char many[2000] = "";
	struct tariff_windows t;
	struct errbuf err;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(PARSE) / sizeof(PARSE[0]); i++) {
		int r;

		t.n = -7;
		err.text[0] = '\0';
		r = tariff_parse(PARSE[i].text, &t, &err);
		if ((r == 0) != (PARSE[i].n > 0) || t.n != (PARSE[i].n ? PARSE[i].n : -7) || !strstr(err.text, PARSE[i].want))
			fail_msg("'%s': %d, '%s'", PARSE[i].text, r, err.text);
	}
	for (int m = 0; m < 49; m++) /* 48 half hours, and one of them cut in two */
		at += (size_t)snprintf(many + at, sizeof(many) - at, "%s%02d:%02d-%02d:%02d 0.1", m ? ", " : "", m ? (m - 1) / 2 : 0,
				       m ? (m - 1) % 2 * 30 + (m == 1) : 0, m / 2, m ? m % 2 * 30 : 1);
	assert_int_equal(tariff_parse(many, &t, &err), -22);
	assert_string_equal(err.text, "more than 48 windows");
	*strrchr(many, ',') = '\0';
	assert_int_equal(tariff_parse(many, &t, &err), -22); /* 48 windows up to 23:30 */
	assert_non_null(strstr(err.text, "gap between 23:30"));
}

static const struct zone LONDON = { "Europe/London", 3, { { 1761440400, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
static struct price_series p;

static int64_t at(const char *text)
{
	int64_t utc_ms;

	assert_int_equal(calendar_parse(text, &utc_ms), 0);
	return utc_ms;
}

static void expand(const char *tariff, const char *from, const char *to)
{
	struct tariff_windows t;

	assert_int_equal(tariff_parse(tariff, &t, NULL), 0);
	tariff_expand(&t, &LONDON, at(from), at(to), &p);
}

static void test_expand(void **state)
{
	int64_t until = 0;

	(void)state;
	expand("0.2", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");
	assert_int_equal(p.n, 1); /* a flat price is one segment, clock change or not */
	assert_string_equal(p.source, "tariff");
	assert_string_equal(p.timezone, "Europe/London");
	assert_true(isnan(price_at(&p, at("2026-02-28T23:59:59.999Z"), &until)));
	assert_true(isnan(price_at(&p, at("2026-04-01T00:00:00Z"), &until)));
	assert_int_equal(until, 0);
	assert_float_equal(price_at(&p, at("2026-03-01T00:00:00Z"), &until), 0.2, 0);
	assert_int_equal(until, at("2026-04-01T00:00:00Z"));

	/* spring: the local hour 01:00-02:00 is missing, and its window with it */
	expand("00:00-01:00 1, 01:00-02:00 2, 02:00-24:00 3", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
	assert_int_equal(p.n, 3);
	assert_int_equal(p.s[0].to_utc_ms, at("2026-03-29T01:00:00Z"));
	assert_float_equal(p.s[1].value, 3, 0);
	assert_int_equal(p.s[1].to_utc_ms, at("2026-03-29T23:00:00Z"));
	assert_float_equal(p.s[2].value, 1, 0);

	/* autumn: it comes twice */
	expand("00:00-01:00 1, 01:00-02:00 2, 02:00-24:00 3", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z");
	assert_int_equal(p.n, 3);
	assert_int_equal(p.s[1].from_utc_ms, at("2026-10-25T00:00:00Z"));
	assert_int_equal(p.s[1].to_utc_ms, at("2026-10-25T02:00:00Z"));
	assert_float_equal(p.s[1].value, 2, 0);

	/* from the middle of a window, to the middle of one */
	expand("00:00-12:00 1, 12:00-24:00 2", "2026-01-01T06:30:00.500Z", "2026-01-01T13:00:00Z");
	assert_int_equal(p.n, 2);
	assert_int_equal(p.s[0].from_utc_ms, at("2026-01-01T06:30:00.500Z"));
	assert_int_equal(p.s[0].to_utc_ms, at("2026-01-01T12:00:00Z"));
	assert_float_equal(p.s[1].confidence, 1, 0);

	expand("0.1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
	assert_int_equal(p.n, 0);
	tariff_expand(&(struct tariff_windows){ 0 }, NULL, 0, 1000, &p); /* no tariff: unknown, not 0 */
	assert_int_equal(p.n, 0);
	assert_true(isnan(price_at(&p, 0, NULL)));
	assert_string_equal(p.timezone, "UTC");
}

/* Two years of half hours do not fit: what does is right, what does not is unknown. */
static void test_full(void **state)
{
	(void)state;
	expand("00:00-12:00 1, 12:00-24:00 2", "2024-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
	assert_int_equal(p.n, PRICE_SEGMENTS_MAX);
	assert_true(isnan(price_at(&p, at("2029-01-01T00:00:00Z"), NULL)));
	assert_float_equal(price_at(&p, at("2025-06-01T10:00:00Z"), NULL), 1, 0);
}

/* Against the slow way: local time of every quarter hour over both changes. */
static void test_against_clock(void **state)
{
	struct tariff_windows t;

	(void)state;
	assert_int_equal(tariff_parse("00:00-00:30 1, 00:30-07:00 2, 07:00-16:00 3, 16:00-23:30 4, 23:30-00:00 5", &t, NULL), 0);
	tariff_expand(&t, &LONDON, at("2026-01-01T00:00:00Z"), at("2026-12-31T00:00:00Z"), &p);
	for (int64_t u = at("2026-03-20T00:00:00Z"); u < at("2026-11-01T00:00:00Z"); u += 900000) {
		struct civil c;
		int64_t until;
		int i = 0;

		calendar_local(&LONDON, u, &c);
		while (t.w[i].to_min <= c.hour * 60 + c.minute)
			i++;
		if (price_at(&p, u, &until) != t.w[i].price || until <= u)
			fail_msg("%d-%d %d:%d", c.month, c.day, c.hour, c.minute);
	}
}

static void test_gaps(void **state)
{
	int64_t until = -1;

	(void)state;
	p.n = 2;
	p.s[0] = (struct price_segment){ 0, 1000, 1, 1 };
	p.s[1] = (struct price_segment){ 2000, 3000, 2, 1 };
	assert_float_equal(price_at(&p, 999, &until), 1, 0);
	assert_int_equal(until, 1000);
	assert_true(isnan(price_at(&p, 1000, NULL)));
	assert_true(isnan(price_at(&p, 1999, NULL)));
	assert_float_equal(price_at(&p, 2000, NULL), 2, 0);
	assert_true(isnan(price_at(&p, -1, NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_expand), cmocka_unit_test(test_full),
					    cmocka_unit_test(test_against_clock), cmocka_unit_test(test_gaps) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
