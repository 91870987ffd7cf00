/* State as JSON: the writer's numbers and texts, devices by the vocabulary, and the site's sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/encode.h"
#include "core/json_out.h"

#define NOW 1000000

static void test_numbers(void **state)
{
	static const struct {
		double v;
		int decimals;
		const char *text;
	} ROWS[] = {
		{ NAN, 1, "[]" },
		{ INFINITY, 0, "[]" },
		{ -INFINITY, 0, "[]" },
		{ 1e13, 0, "[]" },
		{ 0, 0, "[0]" },
		{ -0.0, 0, "[0]" },
		{ -0.4, 0, "[0]" },
		{ -0.04, 1, "[0]" },
		{ 0.05, 2, "[0.05]" },
		{ -0.05, 2, "[-0.05]" },
		{ 0.5, 0, "[1]" },
		{ 10, 1, "[10]" },
		{ 100.05, 2, "[100.05]" },
		{ 49.96, 2, "[49.96]" },
		{ 49.999, 2, "[50]" },
		{ -453.0, 1, "[-453]" },
		{ 0.999, 3, "[0.999]" },
		{ 1e12, 0, "[1000000000000]" },
		{ 123456789.1, 1, "[123456789.1]" },
		{ 5, 9, "[5]" },
		{ 5.4, -1, "[5]" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct json_out o;

		json_out_init(&o, text, sizeof(text));
		json_out_array(&o, NULL);
		json_out_number(&o, NULL, ROWS[i].v, ROWS[i].decimals);
		json_out_array_end(&o);
		assert_int_equal(json_out_end(&o), strlen(ROWS[i].text));
		if (strcmp(text, ROWS[i].text))
			fail_msg("%g with %d decimals: %s, not %s", ROWS[i].v, ROWS[i].decimals, text, ROWS[i].text);
	}
}

/* Any number comes back as it was, to its decimals. */
static void test_numbers_random(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[64];
		struct json_out o;
		int decimals = (int)((seed = seed * 1103515245 + 12345) >> 16) % 4;
		double v = ((double)(seed = seed * 1103515245 + 12345) / 4294967296.0 - 0.5) * pow(10, i % 10);

		json_out_init(&o, text, sizeof(text));
		json_out_number(&o, NULL, v, decimals);
		assert_true(json_out_end(&o) > 0);
		if (fabs(strtod(text, NULL) - v) > 0.5000001 * pow(10, -decimals))
			fail_msg("%.9f with %d decimals became %s", v, decimals, text);
	}
}

static void test_texts(void **state)
{
	static const struct {
		const char *in, *out;
	} ROWS[] = {
		{ "", "{\"k\":\"\"}" },
		{ "a\"b\\c", "{\"k\":\"a\\\"b\\\\c\"}" },
		{ "\n\x1f\x7f", "{\"k\":\"\\u000a\\u001f\x7f\"}" },
		{ "\xc3\xbc", "{\"k\":\"\xc3\xbc\"}" },
		{ "a\xff" "b\xc3\xbc", "{\"k\":\"a?b??\"}" }, /* a device's Latin-1 */
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct json_out o;

		json_out_init(&o, text, sizeof(text));
		json_out_object(&o, NULL);
		json_out_text(&o, "k", ROWS[i].in);
		json_out_object_end(&o);
		assert_int_equal(json_out_end(&o), strlen(ROWS[i].out));
		assert_string_equal(text, ROWS[i].out);
	}
}

/* Never beyond the buffer, and never a cut text that looks whole. */
static void test_room(void **state)
{
	(void)state;
	for (size_t size = 0; size < 60; size++) {
		char *text = malloc(size ? size : 1);
		struct json_out o;
		size_t n;

		json_out_init(&o, text, size);
		json_out_object(&o, NULL);
		json_out_text(&o, "a", "bcd");
		json_out_array(&o, "e");
		json_out_bool(&o, NULL, true);
		json_out_bool(&o, NULL, false);
		json_out_array_end(&o);
		json_out_time(&o, "none", 0);
		json_out_number(&o, "n", 1.5, 1);
		json_out_object_end(&o);
		n = json_out_end(&o);
		if (n)
			assert_string_equal(text, "{\"a\":\"bcd\",\"e\":[true,false],\"n\":1.5}");
		assert_int_equal(n, size > 36 ? 36 : 0);
		free(text);
	}
}

static struct snap_device device(uint32_t roles, double w)
{
	struct snap_device d = { .roles = roles, .capacity_wh = NAN, .applied_w = NAN };

	strcpy(d.id, "battery");
	d.state.availability = AVAIL_ONLINE;
	value_set(&d.state.ac_power_w, w, NOW, isnan(w) ? Q_ABSENT : Q_GOOD);
	return d;
}

static void test_device(void **state)
{
	struct snap_device d = device(ROLE_BATTERY, -1234.4);
	char text[ENCODE_DEVICE_MAX];
	AUTO_JSON *tree = NULL;

	(void)state;
	d.state.kinds = KIND_BATTERY | KIND_INVERTER;
	d.state.caps.guarded_by = GUARDED_DEVICE;
	d.state.verdict = VERDICT_APPLIED;
	value_set(&d.state.f[F_BATTERY_SOC_PCT], 55.55, NOW, Q_GOOD);
	value_set(&d.state.f[F_BATTERY_POWER_AC_W], -1234.4, NOW, Q_DERIVED);
	value_set(&d.state.f[F_BATTERY_STATE], BATTERY_DISCHARGING, NOW, Q_GOOD);
	value_set(&d.state.f[F_BATTERY_SOH_PCT], 98, NOW, Q_STALE);
	value_set(&d.state.f[F_BATTERY_VOLTAGE_V], 1e9, NOW, Q_BAD);
	value_set(&d.state.f[F_BATTERY_TEMPERATURE_C], NAN, NOW, Q_ABSENT);
	value_set(&d.state.f[F_BATTERY_CONTROL], 77, NOW, Q_GOOD); /* no such word */
	value_set(&d.state.f[F_INVERTER_GRID_ONLINE], 1, NOW, Q_UNVERIFIED);
	value_set(&d.state.f[F_METER_POWER_W], 5, NOW, Q_GOOD); /* not of its kinds */
	strcpy(d.state.note, "waiting for \"124\"");
	strcpy(d.state.identity.model, "M\xfc" "3");
	assert_true(encode_device_text(&d, INT64_C(1768478400123), text, sizeof(text)) == strlen(text));
	assert_string_equal(text, "{\"at\":\"2026-01-15T12:00:00.123Z\",\"kinds\":[\"battery\",\"inverter\"],"
				  "\"availability\":\"online\",\"quality\":\"good\",\"ac_power_w\":-1234,\"guarded_by\":\"device\","
				  "\"verdict\":\"applied\",\"note\":\"waiting for \\\"124\\\"\",\"model\":\"M?3\","
				  "\"battery\":{\"power_ac_w\":-1234,\"soc_pct\":55.6,\"state\":\"discharging\",\"control\":77},"
				  "\"inverter\":{\"grid_online\":true}}");
	tree = encode_device(&d);
	assert_non_null(tree);
	assert_null(cJSON_GetObjectItem(tree, "at"));
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "inverter"), "grid_online")));
}

/* Nothing known: words, no numbers. */
static void test_device_empty(void **state)
{
	struct snap_device d = { .roles = 0 };
	char text[ENCODE_DEVICE_MAX];

	(void)state;
	assert_true(encode_device_text(&d, 0, text, sizeof(text)) > 0);
	assert_string_equal(text, "{\"kinds\":[],\"availability\":\"unknown\",\"quality\":\"absent\",\"guarded_by\":\"none\","
				  "\"verdict\":\"none\"}");
}

/* The longest possible device fits the buffer the publisher has. */
static void test_device_full(void **state)
{
	struct snap_device d = device(ROLE_BATTERY, -999999.9);
	char text[ENCODE_DEVICE_MAX];
	AUTO_JSON *tree = NULL;

	(void)state;
	d.state.kinds = 31;
	for (int f = 0; f < F_COUNT; f++)
		value_set(&d.state.f[f], field_info((enum field)f)->max - 0.001, NOW, Q_UNVERIFIED);
	memset(d.state.note, 1, sizeof(d.state.note) - 1);
	memset(d.state.identity.manufacturer, 1, 32);
	memset(d.state.identity.model, 1, 32);
	memset(d.state.identity.version, 1, 16);
	memset(d.state.identity.serial, 1, 32);
	assert_true(encode_device_text(&d, INT64_C(1768478400123), text, sizeof(text)) > 2000);
	tree = cJSON_Parse(text);
	assert_non_null(tree);
	assert_int_equal(encode_device_text(&d, 0, text, 1000), 0);
}

static void test_sums(void **state)
{
	static const struct {
		const char *name;
		double grid, battery, pv, charger; /* NAN = silent; 1e9 = no such device */
		double load, battery_out, pv_out, ev_out;
	} ROWS[] = {
		{ "meter silent", NAN, 100, -50, 0, NAN, 100, -50, 0 },
		{ "battery silent", 500, NAN, -50, 0, NAN, NAN, -50, 0 },
		{ "sun silent", 500, 100, NAN, 0, NAN, 100, NAN, 0 },
		{ "car silent", 500, 100, -50, NAN, NAN, 100, -50, NAN },
		{ "nothing but a meter", 500, 1e9, 1e9, 1e9, 500, NAN, NAN, NAN },
		{ "all there", -200, 1000, -3000, 1400, 400, 1000, -3000, 1400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		static struct snapshot s;
		const double w[] = { ROWS[i].battery, ROWS[i].pv, ROWS[i].charger };
		const uint32_t roles[] = { ROLE_BATTERY, ROLE_PV, ROLE_CHARGER };
		struct site_sums sums;
		double got[4];
		const double wanted[] = { ROWS[i].load, ROWS[i].battery_out, ROWS[i].pv_out, ROWS[i].ev_out };

		memset(&s, 0, sizeof(s));
		s.now_ms = NOW + 1000;
		value_set(&s.grid_w, ROWS[i].grid, NOW, isnan(ROWS[i].grid) ? Q_ABSENT : Q_GOOD);
		s.dev[s.n_devices++] = device(ROLE_GRID, ROWS[i].grid);
		for (int k = 0; k < 3; k++)
			if (w[k] < 1e8 || isnan(w[k]))
				s.dev[s.n_devices++] = device(roles[k], w[k]);
		site_sums(&s, &sums);
		got[0] = sums.load_w;
		got[1] = sums.battery_w;
		got[2] = sums.pv_w;
		got[3] = sums.ev_w;
		for (int k = 0; k < 4; k++)
			if (isnan(got[k]) != isnan(wanted[k]) || fabs(got[k] - wanted[k]) > 1e-9)
				fail_msg("%s: value %d is %g, not %g", ROWS[i].name, k, got[k], wanted[k]);
	}
}

/* A hybrid counts once in the balance and shows battery and sun apart; SoC is weighted by capacity; old readings are out. */
static void test_hybrid_and_soc(void **state)
{
	static struct snapshot s;
	struct site_sums sums;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.now_ms = NOW + 5000;
	value_set(&s.grid_w, 100, NOW, Q_GOOD);
	s.n_devices = 2;
	s.dev[0] = device(ROLE_BATTERY | ROLE_PV, -2500); /* 500 W into the battery, 3000 W of sun */
	value_set(&s.dev[0].state.f[F_BATTERY_POWER_AC_W], 500, NOW, Q_DERIVED);
	value_set(&s.dev[0].state.f[F_BATTERY_SOC_PCT], 80, NOW, Q_GOOD);
	s.dev[0].capacity_wh = 10000;
	s.dev[1] = device(ROLE_BATTERY, 200);
	value_set(&s.dev[1].state.f[F_BATTERY_SOC_PCT], 20, NOW, Q_GOOD);
	value_set(&s.dev[1].state.f[F_BATTERY_CAPACITY_WH], 5000, NOW, Q_GOOD);
	site_sums(&s, &sums);
	assert_true(sums.battery_w == 700 && sums.pv_w == -3000 && sums.load_w == 2400);
	assert_true(fabs(sums.soc_pct - 60) < 1e-9);
	assert_true(isnan(sums.ev_w));
	s.now_ms = NOW + 20000; /* power is too old, the SoC is not */
	site_sums(&s, &sums);
	assert_true(isnan(sums.battery_w) && isnan(sums.pv_w) && isnan(sums.load_w) && isnan(sums.grid_w));
	assert_true(fabs(sums.soc_pct - 60) < 1e-9);
}

static void test_site_and_decision(void **state)
{
	static struct snapshot s;
	static struct decisions d;
	struct site_sums sums = { 100, NAN, NAN, -800, NAN, 44.44 };
	AUTO_JSON *site = NULL, *decision = NULL;
	AUTO_TEXT *text = NULL, *text2 = NULL;

	(void)state;
	memset(&s, 0, sizeof(s));
	memset(&d, 0, sizeof(d));
	s.n_devices = d.n = 2;
	s.dev[0] = device(ROLE_BATTERY, -800);
	s.dev[0].applied_w = -800;
	s.dev[1] = device(ROLE_GRID, 100);
	strcpy(s.dev[1].id, "grid");
	d.mode = RANK_EVENT;
	d.limited_by = 1u << RANK_LIMIT | 1u << RANK_RESERVE;
	d.floor_pct = NAN;
	strcpy(d.floor_source, "command");
	strcpy(d.why, "event");
	d.d[0].order = (struct order){ .kind = ORDER_POWER, .w = -800.4 };
	d.d[0].rank = RANK_EVENT;
	d.d[0].limited_by = 1u << RANK_LIMIT;
	d.d[0].until_utc_ms = INT64_C(1768478400000);
	strcpy(d.d[0].why, "event \"1\"");
	site = encode_site(&s, &d, &sums);
	text = cJSON_PrintUnformatted(site);
	assert_string_equal(text, "{\"grid_w\":100,\"battery_w\":-800,\"soc_pct\":44.4,\"floor_source\":\"command\","
				  "\"mode\":\"event\",\"reason\":\"event\",\"limited_by\":[\"limit\",\"reserve\"]}");
	decision = encode_decisions(&s, &d);
	text2 = cJSON_PrintUnformatted(cJSON_GetObjectItem(cJSON_GetObjectItem(decision, "devices"), "battery"));
	assert_string_equal(text2, "{\"device\":\"battery\",\"order\":\"power\",\"w\":-800,\"applied_w\":-800,\"rank\":\"event\","
				   "\"limited_by\":[\"limit\"],\"reason\":\"event \\\"1\\\"\","
				   "\"until\":\"2026-01-15T12:00:00.000Z\"}");
	assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(decision, "devices"), "grid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	     cmocka_unit_test(test_numbers_random), cmocka_unit_test(test_texts),
		cmocka_unit_test(test_room),	     cmocka_unit_test(test_device),	    cmocka_unit_test(test_device_empty),
		cmocka_unit_test(test_device_full),  cmocka_unit_test(test_sums),	    cmocka_unit_test(test_hybrid_and_soc),
		cmocka_unit_test(test_site_and_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
