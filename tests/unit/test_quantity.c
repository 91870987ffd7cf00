/* Numbers with units and times as people write them: what is understood, and that everything else is refused with the units there are. */
#include "core/quantity.h"
#include "core/when.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define P QUANTITY_POWER
#define E QUANTITY_ENERGY
#define D QUANTITY_DURATION
#define PCT QUANTITY_PERCENT
#define NO (-1.)

static void test_parse(void **state)
{
	static const struct { enum quantity what; const char *text; double want; } ROWS[] = {
		/* what no unit of the table says */
		{ P, "", NO }, { P, " ", NO }, { P, "W", NO }, { P, "inf", NO }, { P, "INFINITY", NO }, { P, "nan", NO }, { P, "NaN", NO },
		{ P, "0x10", NO }, { P, "0x", NO }, { P, "1e3", NO }, { P, "1e999", NO }, { P, "-1", NO }, { P, "+1", NO }, { P, ".5", NO },
		{ P, "5.", NO }, { P, "5.W", NO }, { P, "4,2kW", NO }, { P, "1.2.3", NO }, { P, "4200Wx", NO }, { P, "4200W ", NO },
		{ P, " 4200", NO }, { P, "4200 ", NO }, { P, "4200  W", NO }, { P, "4200k", NO }, { P, "4kWh", NO }, { P, "4VA", NO },
		{ P, "4kW2W", NO }, { P, "4 kW 2 W", NO }, { P, "none", NO }, { P, "9999999999999999", NO }, { P, "4200\n", NO }, { P, "4%", NO },
		{ P, "4mW", NO }, { P, "4mw", NO }, { P, "4Mw", NO }, /* millionths or thousandths? */
		{ P, "0", 0 }, { P, "0W", 0 }, { P, "4200", 4200 }, { P, "4.2", 4.2 }, { P, "4200W", 4200 }, { P, "4200w", 4200 }, { P, "4200 W", 4200 },
		{ P, "4.2kW", 4200 }, { P, "4.2 kW", 4200 }, { P, "4.2KW", 4200 }, { P, "4.2kw", 4200 }, { P, "4.2Kw", 4200 }, { P, "0.0042MW", 4200 },
		{ P, "007", 7 }, { P, "999999999999999", 999999999999999 },
		{ E, "20kW", NO }, { E, "20 h", NO }, { E, "1mWh", NO }, { E, "20", 20 }, { E, "20Wh", 20 }, { E, "20wh", 20 }, { E, "20kWh", 20000 }, { E, "20KWH", 20000 },
		{ E, "0.02MWh", 20000 }, { E, "0.5 kWh", 500 },
		{ D, "", NO }, { D, "h", NO }, { D, "0", NO }, { D, "0s", NO }, { D, "0h0m", NO }, { D, "0.4", NO }, { D, "1.5s", NO }, { D, "0.4s", NO }, { D, "2x", NO },
		{ D, "30M", NO }, { D, "3651d", NO }, { D, "315360001", NO }, { D, "999999999999999d", NO }, { D, "3650d", 315360000 }, { D, "30m1h", NO }, { D, "1h1h", NO }, { D, "1m1min", NO }, { D, "1h30", NO }, { D, "1h ", NO }, { D, "1h-1m", NO },
		{ D, "inf", NO }, { D, "18:00", NO }, { D, "2weeks", NO }, { D, "1h  30m", NO },
		{ D, "1", 1 }, { D, "90", 90 }, { D, "90s", 90 }, { D, "90S", 90 }, { D, "45m", 2700 }, { D, "45min", 2700 }, { D, "45 MIN", 2700 }, { D, "90min", 5400 }, { D, "2h", 7200 },
		{ D, "2H", 7200 }, { D, "1.5h", 5400 }, { D, "0.1min", 6 }, { D, "1h30m", 5400 }, { D, "1h30min", 5400 }, { D, "1 h 30 min", 5400 }, { D, "1d12h", 129600 },
		{ D, "1d1h1m1s", 90061 }, { D, "0h1s", 1 }, { D, "0.1h", 360 },
		{ PCT, "30", 30 }, { PCT, "30%", 30 }, { PCT, "30 %", 30 }, { PCT, "12.5%", 12.5 }, { PCT, "0", 0 }, { PCT, "101", 101 }, { PCT, "30%%", NO }, { PCT, "30W", NO },
		{ PCT, "1e1", NO }, { PCT, "0x1e", NO }, { PCT, "-5", NO }, { PCT, "nan%", NO },
	};
	static const char *const UNITS[] = { [P] = "W, kW or MW", [E] = "Wh, kWh or MWh", [D] = "s, min (m), h or d", [PCT] = "%" };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct errbuf err = { "" };
		double got = -7;
		int r = quantity_parse(ROWS[i].what, ROWS[i].text, &got, &err);

		if (ROWS[i].want == NO ? r == 0 || got != -7 : r != 0 || fabs(got - ROWS[i].want) > 1e-9)
			fail_msg("'%s' of kind %d: %d, %g", ROWS[i].text, (int)ROWS[i].what, r, got);
		if (r != 0 && !strstr(err.text, UNITS[ROWS[i].what]))
			fail_msg("'%s': no units in: %s", ROWS[i].text, err.text);
		assert_int_equal(quantity_parse(ROWS[i].what, ROWS[i].text, &got, NULL), r);
	}
}

static void test_text(void **state)
{
	static const struct { enum quantity what; double v; const char *want; } ROWS[] = {
		{ P, 4200, "4200 W" }, { P, 4.2, "4.2 W" }, { P, 0, "0 W" }, { P, 1e6, "1000000 W" }, { P, 99999999, "99999999 W" },
		{ E, 20, "20 Wh" }, { E, 999, "999 Wh" }, { E, 1000, "1 kWh" }, { E, 20500, "20.5 kWh" },
		{ D, 1, "1 s" }, { D, 90, "1 min 30 s" }, { D, 5400, "1 h 30 min" }, { D, 7200, "2 h" }, { D, 90061, "1 d 1 h 1 min 1 s" }, { D, 0, "0 s" },
		{ D, 3650. * 86400 + 86399, "3650 d 23 h 59 min 59 s" }, { PCT, 30, "30 %" }, { PCT, 12.5, "12.5 %" },
	};
	char out[QUANTITY_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		assert_string_equal(quantity_text(ROWS[i].what, ROWS[i].v, out), ROWS[i].want);
}

static int64_t at(const char *text)
{
	int64_t ms;

	assert_int_equal(calendar_parse(text, &ms), 0);
	return ms;
}

/* Berlin in 2026: an hour is skipped on 29 March at 02:00, and shown twice on 25 October from 02:00. */
static void test_when(void **state)
{
	const struct zone berlin = { "Europe/Berlin", 3,
				     { { at("2025-10-26T01:00:00Z") / 1000, 3600 }, { at("2026-03-29T01:00:00Z") / 1000, 7200 }, { at("2026-10-25T01:00:00Z") / 1000, 3600 } } };
	static const struct { const char *text, *now, *want; } ROWS[] = {
		{ "", NULL, NULL }, { "18", NULL, NULL }, { "18:0", NULL, NULL }, { "18:60", NULL, NULL }, { "24:01", NULL, NULL }, { "25:00", NULL, NULL }, { "1:0x", NULL, NULL },
		{ "18:00:00", NULL, NULL }, { "-1:00", NULL, NULL }, { "+1:00", NULL, NULL }, { " 18:00", NULL, NULL }, { "18:00 ", NULL, NULL }, { "118:00", NULL, NULL },
		{ "2026-01-15", NULL, NULL }, { "2026-02-30 12:00", NULL, NULL }, { "tomorrow", NULL, NULL }, { "2026-01-15 18:00 and much more text behind it", NULL, NULL },
		{ "18:00", "2026-01-15T12:00:00Z", "2026-01-15T17:00:00Z" }, { "18:00", "2026-07-15T12:00:00Z", "2026-07-15T16:00:00Z" },
		{ "18:00", "2026-01-15T16:59:59Z", "2026-01-15T17:00:00Z" }, { "18:00", "2026-01-15T17:00:00Z", "2026-01-16T17:00:00Z" },
		{ "7:05", "2026-01-15T12:00:00Z", "2026-01-16T06:05:00Z" }, { "24:00", "2026-01-15T12:00:00Z", "2026-01-15T23:00:00Z" }, { "00:00", "2026-01-15T12:00:00Z", "2026-01-15T23:00:00Z" },
		{ "02:30", "2026-03-28T23:30:00Z", "2026-03-29T01:00:00Z" }, /* skipped: when the clock jumps */
		{ "2026-01-15 18:00", "2026-01-01T00:00:00Z", "2026-01-15T17:00:00Z" }, { "2026-01-15T18:00", "2026-01-01T00:00:00Z", "2026-01-15T17:00:00Z" },
		{ "2026-07-15 18:00:30", "2026-01-01T00:00:00Z", "2026-07-15T16:00:30Z" }, { "2026-03-29 01:59", "2026-01-01T00:00:00Z", "2026-03-29T00:59:00Z" },
		{ "2026-03-29 02:30", "2026-01-01T00:00:00Z", "2026-03-29T01:30:00Z" }, /* skipped: 03:30 */
		{ "2026-03-29 03:00", "2026-01-01T00:00:00Z", "2026-03-29T01:00:00Z" }, { "2026-10-25 02:30", "2026-01-01T00:00:00Z", "2026-10-25T00:30:00Z" }, /* twice: the first */
		{ "2026-10-25 01:59", "2026-01-01T00:00:00Z", "2026-10-24T23:59:00Z" }, { "2026-10-25 03:00", "2026-01-01T00:00:00Z", "2026-10-25T02:00:00Z" },
		{ "2020-01-01T00:00:00Z", "2026-01-15T12:00:00Z", "2020-01-01T00:00:00Z" }, { "2026-01-15T18:00:00+02:00", "2026-01-15T12:00:00Z", "2026-01-15T16:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char got[CALENDAR_TEXT_MAX];
		struct when w;

		if (!ROWS[i].want) {
			if (when_parse(ROWS[i].text, &w) == 0)
				fail_msg("'%s' is understood", ROWS[i].text);
			continue;
		}
		assert_int_equal(when_parse(ROWS[i].text, &w), 0);
		calendar_format(when_utc_ms(&w, &berlin, at(ROWS[i].now)), got);
		if (at(got) != at(ROWS[i].want))
			fail_msg("'%s' at %s: %s instead of %s", ROWS[i].text, ROWS[i].now, got, ROWS[i].want);
	}
}

/* The last one there was. */
static void test_last(void **state)
{
	const struct zone berlin = { "Europe/Berlin", 2, { { at("2025-10-26T01:00:00Z") / 1000, 3600 }, { at("2026-03-29T01:00:00Z") / 1000, 7200 } } };
	static const struct { const char *text, *now, *want; } ROWS[] = {
		{ "18:00", "2026-01-15T12:00:00Z", "2026-01-14T17:00:00Z" }, { "18:00", "2026-01-15T17:00:00Z", "2026-01-15T17:00:00Z" },
		{ "18:00", "2026-01-15T16:59:59Z", "2026-01-14T17:00:00Z" }, { "18:00", "2026-01-15T22:00:00Z", "2026-01-15T17:00:00Z" },
		{ "18:00", "2026-03-29T12:00:00Z", "2026-03-28T17:00:00Z" }, { "18:00", "2025-10-26T12:00:00Z", "2025-10-25T17:00:00Z" },
		{ "00:00", "2026-07-15T12:00:00Z", "2026-07-14T22:00:00Z" }, { "2026-01-10 18:00", "2026-01-15T12:00:00Z", "2026-01-10T17:00:00Z" },
		{ "2026-01-10T18:00:00Z", "2026-01-15T12:00:00Z", "2026-01-10T18:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char got[CALENDAR_TEXT_MAX];
		struct when w;

		assert_int_equal(when_parse(ROWS[i].text, &w), 0);
		calendar_format(when_last_utc_ms(&w, &berlin, at(ROWS[i].now)), got);
		if (at(got) != at(ROWS[i].want))
			fail_msg("'%s' at %s: %s instead of %s", ROWS[i].text, ROWS[i].now, got, ROWS[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_text), cmocka_unit_test(test_when),
					   cmocka_unit_test(test_last) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
