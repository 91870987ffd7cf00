/* Time: RFC 3339 in and out, durations, local days and hours over every kind of clock change. */
#include "core/calendar.h"

#include <stdio.h>
#include <time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* London 2026: BST from 29 March 01:00 UTC to 25 October 01:00 UTC. */
static const struct zone LONDON = { "Europe/London", 3, { { 1761440400, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
/* Santiago 2026: midnight is missing on 6 September (04:00 UTC), twice there on 5 April (03:00 UTC). */
static const struct zone SANTIAGO = { "America/Santiago", 3, { { 1757217600, -10800 }, { 1775358000, -14400 }, { 1788667200, -10800 } } };
/* Lord Howe: half an hour. */
static const struct zone LORD_HOWE = { "Australia/Lord_Howe", 2, { { 1759591800, 39600 }, { 1775314800, 37800 } } };

static int64_t at(const char *text)
{
	int64_t utc_ms;

	if (calendar_parse(text, &utc_ms) < 0)
		fail_msg("%s", text);
	return utc_ms;
}

static const struct {
	const char *text;
	int64_t want; /* -1 = refused */
} PARSE[] = {
	{ "", -1 },
	{ "2026", -1 },
	{ "2026-01-15", -1 },
	{ "2026-01-15T12:00:00", -1 },
	{ "2026-01-15T12:00Z", -1 },
	{ "2026-1-15T12:00:00Z", -1 },
	{ "2026-01-15T12:00:00Zx", -1 },
	{ "2026-01-15T12:00:00.Z", -1 },
	{ "2026-01-15T12:00:00.0123456789Z", -1 },
	{ "2026-01-15T12:00:00+1:00", -1 },
	{ "2026-01-15T12:00:00+0100", -1 },
	{ "2026-01-15T12:00:00+24:00", -1 },
	{ "2026-01-15T12:00:00+01:60", -1 },
	{ "2026-02-29T00:00:00Z", -1 },
	{ "1900-02-29T00:00:00Z", -1 },
	{ "2026-13-01T00:00:00Z", -1 },
	{ "2026-00-01T00:00:00Z", -1 },
	{ "2026-04-31T00:00:00Z", -1 },
	{ "2026-01-15T24:00:00Z", -1 },
	{ "2026-01-15T12:60:00Z", -1 },
	{ "2026-01-15T12:00:61Z", -1 },
	{ "+026-01-15T12:00:00Z", -1 },
	{ "2026-01-15T12:00:00Z", 1768478400000 },
	{ "2026-01-15t12:00:00z", 1768478400000 },
	{ "2026-01-15 12:00:00.5Z", 1768478400500 },
	{ "2026-01-15T12:00:00.123456789Z", 1768478400123 },
	{ "2026-01-15T13:00:00+01:00", 1768478400000 },
	{ "2026-01-15T06:30:00-05:30", 1768478400000 },
	{ "2026-01-14T23:59:60Z", 1768435200000 },
	{ "2000-02-29T00:00:00Z", 951782400000 },
	{ "2038-01-19T03:14:08Z", 2147483648000 },
	{ "1970-01-01T00:00:00Z", 0 },
	{ "1969-12-31T23:59:59.999Z", -1 - 0 }, /* -1 ms: looked at below */
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i + 1 < sizeof(PARSE) / sizeof(PARSE[0]); i++) {
		int64_t utc_ms = -1;
		const int r = calendar_parse(PARSE[i].text, &utc_ms);

		if (r != (PARSE[i].want < 0 ? -22 : 0) || utc_ms != PARSE[i].want)
			fail_msg("'%s': %d, %lld", PARSE[i].text, r, (long long)utc_ms);
	}
	assert_int_equal(at("1969-12-31T23:59:59.999Z"), -1);
}

/* Format and parse undo each other, and agree with libc, over some 8000 years. */
static void test_format(void **state)
{
	char text[CALENDAR_TEXT_MAX], want[64];

	(void)state;
	for (int64_t t = -62167219200000; t < 253402300799999; t += 27182818284590) {
		const time_t s = (time_t)((t - 999 * (t < 0)) / 1000);
		struct tm tm;
		struct civil c;
		size_t n;

		calendar_format(t, text);
		assert_int_equal(at(text), t);
		gmtime_r(&s, &tm);
		n = strftime(want, sizeof(want), "-%m-%dT%H:%M:%S", &tm);
		assert_memory_equal(text + 4, want, n);
		calendar_local(NULL, t, &c);
		assert_int_equal(c.weekday, tm.tm_wday);
		assert_int_equal(c.year, tm.tm_year + 1900);
	}
	calendar_format(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	calendar_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static const struct {
	const char *text;
	int64_t want; /* 0 = refused */
} DURATIONS[] = {
	{ "", 0 },	 { "0", 0 },	   { "0s", 0 },	   { "-5m", 0 },   { "h", 0 },	  { "1.5h", 0 },     { "1h30", 0 },
	{ "30m1h", 0 },	 { "1h1h", 0 },	   { "1w", 0 },	   { " 1h", 0 },   { "1h ", 0 },  { "3651d", 0 },    { "99999999999", 0 },
	{ "90", 90 },	 { "90s", 90 },	   { "45m", 2700 }, { "2h", 7200 }, { "1d", 86400 }, { "1h30m", 5400 }, { "1d1s", 86401 },
	{ "3650d", 315360000 },
};

static void test_duration(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(DURATIONS) / sizeof(DURATIONS[0]); i++) {
		int64_t s = 0;
		const int r = calendar_parse_duration(DURATIONS[i].text, &s);

		if (r != (DURATIONS[i].want ? 0 : -22) || s != DURATIONS[i].want)
			fail_msg("'%s': %d, %lld", DURATIONS[i].text, r, (long long)s);
	}
	assert_int_equal(calendar_parse_duration(NULL, &(int64_t){ 0 }), -22);
}

static void test_local(void **state)
{
	struct civil c;

	(void)state;
	calendar_local(&LONDON, at("2026-03-29T00:59:59.999Z"), &c);
	assert_int_equal(c.hour * 10000 + c.minute * 100 + c.second, 5959);
	calendar_local(&LONDON, at("2026-03-29T01:00:00Z"), &c);
	assert_int_equal(c.hour, 2);
	assert_int_equal(c.weekday, 0);
	assert_int_equal(calendar_offset_s(&LONDON, at("2000-01-01T00:00:00Z")), 0); /* before the table: its first */
	assert_int_equal(calendar_offset_s(&LONDON, at("2050-07-01T00:00:00Z")), 0); /* behind: its last */
	assert_int_equal(calendar_offset_s(NULL, 0), 0);
	assert_int_equal(calendar_next_change(&LONDON, at("2026-03-29T00:59:59.999Z")), at("2026-03-29T01:00:00Z"));
	assert_int_equal(calendar_next_change(&LONDON, at("2026-03-29T01:00:00Z")), at("2026-10-25T01:00:00Z"));
	assert_int_equal(calendar_next_change(&LONDON, at("2026-10-25T01:00:00Z")), INT64_MAX);
	assert_int_equal(calendar_next_change(&LONDON, at("2020-01-01T00:00:00Z")), at("2026-03-29T01:00:00Z"));
	assert_int_equal(calendar_next_change(NULL, 0), INT64_MAX);
}

static const struct {
	const struct zone *zone;
	const char *from;
	int minute;
	const char *want;
} NEXT[] = {
	{ NULL, "2026-01-15T12:00:00Z", 720, "2026-01-15T12:00:00Z" },
	{ NULL, "2026-01-15T12:00:00.001Z", 720, "2026-01-16T12:00:00Z" },
	{ NULL, "1969-12-31T12:00:00Z", 0, "1970-01-01T00:00:00Z" },
	{ &LONDON, "2026-03-28T12:00:00Z", 90, "2026-03-29T01:00:00Z" },  /* 01:30 is missing: where the clock jumps */
	{ &LONDON, "2026-03-29T00:59:59.500Z", 60, "2026-03-29T01:00:00Z" },
	{ &LONDON, "2026-03-29T01:00:00Z", 90, "2026-03-29T01:00:00Z" },  /* that instant itself still counts */
	{ &LONDON, "2026-03-29T01:00:00.001Z", 90, "2026-03-30T00:30:00Z" },
	{ &LONDON, "2026-03-29T00:30:00Z", 120, "2026-03-29T01:00:00Z" }, /* 02:00 is there: the first one behind the gap */
	{ &LONDON, "2026-03-29T00:30:00Z", 59, "2026-03-29T00:59:00Z" },
	{ &LONDON, "2026-10-24T22:00:00Z", 90, "2026-10-25T00:30:00Z" },  /* 01:30 comes twice: the first */
	{ &LONDON, "2026-10-25T00:30:01Z", 90, "2026-10-25T01:30:00Z" },  /* and then the second */
	{ &LONDON, "2026-10-25T01:30:01Z", 90, "2026-10-26T01:30:00Z" },
	{ &SANTIAGO, "2026-09-06T03:00:00Z", 0, "2026-09-06T04:00:00Z" }, /* no midnight */
	{ &SANTIAGO, "2026-04-05T02:30:00Z", 0, "2026-04-05T04:00:00Z" }, /* the clock goes back at midnight: 23:00 again */
	{ &LORD_HOWE, "2026-04-04T14:00:00Z", 105, "2026-04-04T14:45:00Z" },
	{ &LORD_HOWE, "2026-04-04T14:45:01Z", 105, "2026-04-04T15:15:00Z" },
};

static void test_next_minute(void **state)
{
	char text[CALENDAR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(NEXT) / sizeof(NEXT[0]); i++) {
		const int64_t got = calendar_next_minute(NEXT[i].zone, at(NEXT[i].from), NEXT[i].minute);

		calendar_format(got, text);
		if (got != at(NEXT[i].want))
			fail_msg("%s, minute %d: %s instead of %s", NEXT[i].from, NEXT[i].minute, text, NEXT[i].want);
	}
}

static const struct {
	const struct zone *zone;
	const char *when, *want;
} DAYS[] = {
	{ NULL, "1969-12-31T23:59:59.999Z", "1969-12-31T00:00:00Z" },
	{ &LONDON, "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z" },
	{ &LONDON, "2026-06-01T22:59:59Z", "2026-05-31T23:00:00Z" },
	{ &LONDON, "2026-06-01T23:00:00Z", "2026-06-01T23:00:00Z" },
	{ &LONDON, "2026-10-25T23:00:00Z", "2026-10-24T23:00:00Z" },
	{ &SANTIAGO, "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z" }, /* begins at 01:00 */
	{ &SANTIAGO, "2026-09-06T03:59:59Z", "2026-09-05T04:00:00Z" },
	{ &SANTIAGO, "2026-04-05T03:30:00Z", "2026-04-04T03:00:00Z" }, /* the second 23:30 of the 4th */
	{ &SANTIAGO, "2026-04-05T04:00:00Z", "2026-04-05T04:00:00Z" },
};

static void test_day_start(void **state)
{
	/* a clock set back from 00:30 to 23:30: the 2nd begins, breaks off and goes on */
	const struct zone odd = { "odd", 2, { { 0, 3600 }, { 86400 - 1800, 0 } } };

	(void)state;
	for (size_t i = 0; i < sizeof(DAYS) / sizeof(DAYS[0]); i++)
		if (calendar_day_start(DAYS[i].zone, at(DAYS[i].when)) != at(DAYS[i].want))
			fail_msg("%s", DAYS[i].when);
	assert_int_equal(calendar_day_start(&odd, 86400 * 1000LL), 82800 * 1000LL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_format),	  cmocka_unit_test(test_duration),
		cmocka_unit_test(test_local), cmocka_unit_test(test_next_minute), cmocka_unit_test(test_day_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
