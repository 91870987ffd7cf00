/* The drawing of a plan, character by character. */
#include "ctl/plan_draw.h"

#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Hourly slots from 18:00 UTC; the battery charges in the first six hours of the next day and gives in the six behind. */
static cJSON *plan_make(int slots, double hours)
{
	cJSON *o = cJSON_CreateObject(), *lengths = cJSON_AddArrayToObject(o, "slot_s"), *prices = cJSON_AddObjectToObject(o, "prices");
	cJSON *import = cJSON_AddArrayToObject(prices, "import"), *export = cJSON_AddArrayToObject(prices, "export"), *b = cJSON_CreateObject();
	cJSON *kw = cJSON_AddArrayToObject(b, "battery_kw"), *soc = cJSON_AddArrayToObject(b, "soc_kwh"), *floor = cJSON_AddArrayToObject(b, "floor_kwh");
	cJSON *car = cJSON_CreateObject(), *ev = cJSON_AddArrayToObject(car, "ev_kw");
	double stored = 2;

	cJSON_AddStringToObject(o, "start", "2026-01-15T18:00:00.000Z");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "batteries"), b);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "evs"), car);
	cJSON_AddStringToObject(b, "id", "garage-battery");
	cJSON_AddStringToObject(car, "id", "wallbox");
	cJSON_AddNumberToObject(b, "capacity_kwh", 8);
	cJSON_AddItemToArray(soc, cJSON_CreateNumber(stored));
	cJSON_AddItemToArray(floor, cJSON_CreateNumber(2));
	for (int t = 0; t < slots; t++) {
		double at = t * hours, power = at >= 6 && at < 12 ? 1 : at >= 12 && at < 18 ? -0.5 : 0;

		stored += power * hours;
		cJSON_AddItemToArray(lengths, cJSON_CreateNumber(hours * 3600));
		cJSON_AddItemToArray(import, cJSON_CreateNumber(at >= 6 && at < 12 ? 0.1 : 0.4));
		cJSON_AddItemToArray(export, cJSON_CreateNumber(0.05));
		cJSON_AddItemToArray(kw, cJSON_CreateNumber(power));
		cJSON_AddItemToArray(soc, cJSON_CreateNumber(stored));
		cJSON_AddItemToArray(floor, cJSON_CreateNumber(2));
		cJSON_AddItemToArray(ev, cJSON_CreateNumber(at < 2 ? 7.4 : 0));
	}
	return o;
}

/* The caller frees the text. */
static char *draw_in(cJSON *plan, int width, bool color, const struct zone *zone, const char *currency)
{
	const struct plan_draw_options o = { width, color, zone, currency };
	size_t size;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	plan_draw(f, plan, &o);
	fclose(f);
	cJSON_Delete(plan);
	return text;
}

static char *draw(cJSON *plan, int width, bool color, const struct zone *zone)
{
	return draw_in(plan, width, color, zone, NULL);
}

static void must_be(char *text, const char *expected)
{
	if (strcmp(text, expected))
		fail_msg("drawn:\n%s\nshould be:\n%s", text, expected);
	free(text);
}

/* Slots shorter than a column: the numbers beside it are theirs, not the columns' means. */
static void test_numbers_of_slots(void **context)
{
	cJSON *plan = plan_make(96, 0.25);
	char *text;

	(void)context;
	cJSON_ReplaceItemInArray(cJSON_GetObjectItem(cJSON_GetObjectItem(plan, "prices"), "import"), 40, cJSON_CreateNumber(-0.1));
	cJSON_ReplaceItemInArray(cJSON_GetObjectItem(cJSON_GetObjectItem(plan, "prices"), "import"), 90, cJSON_CreateNumber(0.95));
	cJSON_ReplaceItemInArray(cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(plan, "batteries"), 0), "battery_kw"), 30, cJSON_CreateNumber(5));
	text = draw(plan, 50, false, NULL);
	assert_non_null(strstr(text, "  -0.10..0.95/kWh\n"));
	assert_non_null(strstr(text, "  charge 5.0 kW\n"));
	free(text);
}

/* 24 hours on 24 columns. */
static void test_exact(void **context)
{
	(void)context;
	must_be(draw(plan_make(24, 1), 50, false, NULL),
		"import   ██████      ████████████  0.10..0.40/kWh\n"
		"         ██████▄▄▄▄▄▄████████████\n"
		"export                             0.05..0.05/kWh\n"
		"         ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂\n"
		"garage-b       ██████              charge 1.0 kW\n"
		"               ██████            \n"
		"         ────────────────────────\n"
		"                     ██████      \n"
		"                                   give 0.5 kW\n"
		"stored            ▁▄▇▇▆▄▃▁         2.0..8.0 kWh\n"
		"                ▃▆█████████▇▇▇▇▇▇  ▒ floor 2.0\n"
		"         ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒\n"
		"wallbox  ██                        car 7.4 kW\n"
		"         ──┴───┼───┴───┴───┴───┴─\n"
		"           20  Fri 04  08  12  16\n");
}

/* Where there is no room beside the drawing its numbers stand above and below it; the currency is one of them. */
static void test_narrow(void **context)
{
	(void)context;
	must_be(draw_in(plan_make(24, 1), 33, false, NULL, "EUR"),
		"import   0.10..0.40 EUR/kWh\n"
		"         ██████      ████████████\n"
		"         ██████▄▄▄▄▄▄████████████\n"
		"export   0.05..0.05 EUR/kWh\n"
		"                                 \n"
		"         ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂\n"
		"garage-b charge 1.0 kW\n"
		"               ██████            \n"
		"               ██████            \n"
		"         ────────────────────────\n"
		"                     ██████      \n"
		"                                 \n"
		"         give 0.5 kW\n"
		"stored   2.0..8.0 kWh, ▒ floor 2.0\n"
		"                  ▁▄▇▇▆▄▃▁       \n"
		"                ▃▆█████████▇▇▇▇▇▇\n"
		"         ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒\n"
		"wallbox  car 7.4 kW\n"
		"         ██                      \n"
		"         ──┴───┼───┴───┴───┴───┴─\n"
		"           20  Fri 04  08  12  16\n");
}

/* Beside the drawing the currency takes its room from it. */
static void test_currency(void **context)
{
	char *text = draw_in(plan_make(20, 1), 50, false, NULL, "EUR");

	(void)context;
	assert_memory_equal(text, "import   ", 9);
	assert_non_null(strstr(text, "  0.10..0.40 EUR/kWh\n         ██████▄▄▄▄▄▄████████\n"));
	free(text);
}

/* Slots of any length give the same picture: a column is time. */
static void test_lengths(void **context)
{
	char *hourly = draw(plan_make(24, 1), 50, false, NULL), *quarters = draw(plan_make(96, 0.25), 50, false, NULL);

	(void)context;
	assert_true(strlen(hourly) > 500);
	must_be(quarters, hourly);
	free(hourly);
}

/* Every line fits the terminal, whatever its width. */
static void test_widths(void **context)
{
	(void)context;
	for (int width = 0; width < 300; width += 7) {
		char *text = draw_in(plan_make(48, 1), width, false, NULL, width % 2 ? "GBP" : NULL);
		int most = width < 34 ? 34 : width, n = 0, lines = 0; /* "stored   2.0..8.0 kWh, floor 2.0" */

		for (const char *c = text; *c; c++) {
			n += (*c & 0xC0) != 0x80 && *c != '\n';
			if (*c != '\n')
				continue;
			if (n > most)
				fail_msg("width %d: a line of %d", width, n);
			lines++;
			n = 0;
		}
		assert_int_equal(lines, width < 50 ? 21 : 15);
		free(text);
	}
}

/* Midnight is the site's; on the day of 25 hours the marks are one hour further. */
static void test_site_time(void **context)
{
	const struct zone berlin = { .name = "Europe/Berlin", .n = 2, .t = { { 0, 7200 }, { 1792890000, 3600 } } }; /* 2026-10-25T01:00Z */
	cJSON *plan = plan_make(24, 1);
	char *text;

	(void)context;
	cJSON_ReplaceItemInObject(plan, "start", cJSON_CreateString("2026-10-24T20:00:00.000Z")); /* 22:00 there */
	text = draw(plan, 50, false, &berlin);
	/* midnight at 22:00 UTC is column 2; 04:00 at 03:00 UTC is column 7, not 6 */
	assert_non_null(strstr(text, "\n         ──┼────┴───┴───┴───┴───┴\n           Sun  04  08  12  16\n"));
	free(text);
}

static void test_color(void **context)
{
	char *text = draw(plan_make(24, 1), 50, true, NULL);

	(void)context;
	assert_non_null(strstr(text, "import   \033[36m██████      ████████████\033[0m  0.10..0.40/kWh\n"));
	free(text);
}

/* What an older agent leaves out, and what makes no sense. */
static void test_parts(void **context)
{
	static const struct { const char *plan, *drawn; } ROWS[] = {
		{ "{}", "" },
		{ "{\"status\":\"none\",\"reason\":\"no prices\"}", "" },
		{ "{\"start\":\"2026-01-15T18:00:00.000Z\",\"slot_s\":[0]}", "" },
		{ "{\"start\":\"soon\",\"slot_s\":[3600]}", "" },
		{ "{\"start\":\"2026-01-15T18:00:00.000Z\",\"slot_s\":[\"x\"]}", "" },
		{ "{\"start\":\"2026-01-15T18:30:00.000Z\",\"slot_s\":[3600],\"prices\":{\"import\":[1,2],\"export\":null},\"batteries\":[{}],\"evs\":[{}]}",
		  "         ────────────┴───────────\n                     19\n" },
		{ "{\"start\":\"2026-01-15T18:30:00.000Z\",\"slot_s\":[3600],\"batteries\":[{\"battery_kw\":[1]}]}",
		  "battery  ████████████████████████  charge 1.0 kW\n         ████████████████████████\n         ────────────────────────\n"
		  "                                 \n                                   give 0.0 kW\n"
		  "         ────────────┴───────────\n                     19\n" },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		must_be(draw(cJSON_Parse(ROWS[i].plan), 50, false, NULL), ROWS[i].drawn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_numbers_of_slots), cmocka_unit_test(test_narrow), cmocka_unit_test(test_currency), cmocka_unit_test(test_lengths), cmocka_unit_test(test_widths),
		cmocka_unit_test(test_site_time), cmocka_unit_test(test_color), cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
