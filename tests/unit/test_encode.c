/* State as JSON: sums of the site, absent values, enum words. */
#include "core/encode.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW 100000

static void device(struct snapshot *s, const char *id, uint32_t roles, uint32_t kinds, double ac_w, int64_t at_ms)
{
	struct snap_device *d = &s->dev[s->n_devices++];

	memcpy(d->id, id, strlen(id) + 1);
	d->roles = roles;
	d->state.kinds = kinds;
	d->state.availability = AVAIL_ONLINE;
	d->capacity_wh = NAN;
	d->applied_w = NAN;
	if (!isnan(ac_w))
		value_set(&d->state.ac_power_w, ac_w, at_ms, Q_GOOD);
}

static void test_sums(void **state)
{
	/* grid = load + pv + battery + ev, whatever is known; age in ms of the battery's reading */
	static const struct {
		const char *name;
		double grid_w, battery_w, pv_w, ev_w;
		int64_t age_ms;
		double load_w;
	} ROWS[] = {
		{ "meter unknown", NAN, -1000, -2000, 0, 0, NAN },
		{ "battery unknown", 500, NAN, -2000, 0, 0, NAN },
		{ "battery too old", 500, -1000, -2000, 0, 11000, NAN },
		{ "all known", 500, -1000, -2000, 1400, 0, 2100 },
		{ "exporting", -700, 2000, -4000, 0, 9000, 1300 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		static struct snapshot s;
		struct site_sums sums;

		memset(&s, 0, sizeof(s));
		s.now_ms = NOW;
		if (!isnan(ROWS[i].grid_w))
			value_set(&s.grid_w, ROWS[i].grid_w, NOW, Q_GOOD);
		device(&s, "b", ROLE_BATTERY, KIND_BATTERY, ROWS[i].battery_w, NOW - ROWS[i].age_ms);
		device(&s, "p", ROLE_PV, KIND_PV, ROWS[i].pv_w, NOW);
		device(&s, "c", ROLE_CHARGER, KIND_CHARGER, ROWS[i].ev_w, NOW - 20000);
		site_sums(&s, &sums);
		if (isnan(ROWS[i].load_w) ? !isnan(sums.load_w) : fabs(sums.load_w - ROWS[i].load_w) > 1e-9)
			fail_msg("%s: load %g", ROWS[i].name, sums.load_w);
	}
}

static void test_soc_is_weighted_by_capacity(void **state)
{
	static struct snapshot s;
	struct site_sums sums;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.now_ms = NOW;
	device(&s, "a", ROLE_BATTERY, KIND_BATTERY, 0, NOW);
	device(&s, "b", ROLE_BATTERY, KIND_BATTERY, 0, NOW);
	s.dev[0].capacity_wh = 10000;
	s.dev[1].capacity_wh = 30000;
	value_set(&s.dev[0].state.f[F_BATTERY_SOC_PCT], 20, NOW, Q_GOOD);
	value_set(&s.dev[1].state.f[F_BATTERY_SOC_PCT], 60, NOW, Q_GOOD);
	site_sums(&s, &sums);
	assert_true(fabs(sums.soc_pct - 50) < 1e-9);
	s.dev[1].state.f[F_BATTERY_SOC_PCT].q = Q_BAD;
	site_sums(&s, &sums);
	assert_true(fabs(sums.soc_pct - 20) < 1e-9);
}

static void test_device(void **state)
{
	static struct snapshot s;
	AUTO_JSON *o = NULL;
	const cJSON *battery;

	(void)state;
	memset(&s, 0, sizeof(s));
	device(&s, "b", ROLE_BATTERY, KIND_BATTERY | KIND_INVERTER, NAN, 0);
	value_set(&s.dev[0].state.f[F_BATTERY_SOC_PCT], 61.26, NOW, Q_GOOD);
	value_set(&s.dev[0].state.f[F_BATTERY_STATE], BATTERY_CHARGING, NOW, Q_GOOD);
	value_set(&s.dev[0].state.f[F_BATTERY_POWER_W], 5, NOW, Q_BAD);
	value_set(&s.dev[0].state.f[F_METER_POWER_W], 5, NOW, Q_GOOD); /* not one of its kinds */
	o = encode_device(&s.dev[0]);
	battery = cJSON_GetObjectItemCaseSensitive(o, "battery");
	assert_non_null(battery);
	assert_non_null(cJSON_GetObjectItemCaseSensitive(o, "inverter"));
	assert_null(cJSON_GetObjectItemCaseSensitive(o, "meter"));
	assert_null(cJSON_GetObjectItemCaseSensitive(o, "ac_power_w"));
	assert_null(cJSON_GetObjectItemCaseSensitive(battery, "power_w"));
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(battery, "state")), "charging");
	assert_true(fabs(cJSON_GetObjectItemCaseSensitive(battery, "soc_pct")->valuedouble - 61.3) < 1e-9);
}

/* R/decision and R/site say why as a word and as a sentence, and name what is not believed. */
static void test_why(void **state)
{
	static struct snapshot s;
	static struct decisions d;
	AUTO_JSON *decision = NULL, *site = NULL, *again = NULL, *rested = NULL;
	AUTO_TEXT *text = NULL;
	struct site_sums sums;
	const cJSON *one;

	(void)state;
	memset(&s, 0, sizeof(s));
	memset(&d, 0, sizeof(d));
	snprintf(s.dev[0].id, sizeof(s.dev[0].id), "battery");
	s.dev[0].roles = ROLE_BATTERY;
	s.dev[0].applied_w = NAN;
	s.n_devices = d.n = 1;
	d.mode = RANK_RESERVE;
	d.code = d.d[0].code = REASON_FLOOR;
	d.floor_pct = NAN;
	snprintf(d.d[0].why, sizeof(d.d[0].why), "holding: SoC 20.0 %% is at the floor 20 %% set by the owner");
	memcpy(d.why, d.d[0].why, sizeof(d.why));
	decision = encode_decisions(&s, &d);
	one = cJSON_GetObjectItem(cJSON_GetObjectItem(decision, "devices"), "battery");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(one, "code")), "floor");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(one, "reason")), d.why);
	assert_null(cJSON_GetObjectItem(one, "patience"));
	d.d[0].patience = REASON_CAR_DWELL; /* beside the code, not in its place */
	rested = encode_decision(&s.dev[0], &d.d[0]);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(rested, "patience")), "car_dwell");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(rested, "code")), "floor");
	site_sums(&s, &sums);
	site = encode_site(&s, &d, &sums);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(site, "code")), "floor");
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(site, "doubts")), 0);
	assert_true(cJSON_IsArray(cJSON_GetObjectItem(site, "doubts")));
	d.n_doubts = 2;
	d.doubts[0] = (struct doubt){ .device = 0, .kind = DOUBT_DEVICE_IGNORES, .why = "told 2000 W, does 0 W" };
	d.doubts[1] = (struct doubt){ .device = -1, .kind = DOUBT_SWING, .why = "12 changes of sign a minute" };
	again = encode_site(&s, &d, &sums);
	text = cJSON_PrintUnformatted(cJSON_GetObjectItem(again, "doubts"));
	assert_string_equal(text, "[{\"device\":\"battery\",\"kind\":\"device_ignores\",\"why\":\"told 2000 W, does 0 W\"},"
				  "{\"device\":\"\",\"kind\":\"swing\",\"why\":\"12 changes of sign a minute\"}]");
}

/* While the owner has paused everything nobody cuts an order, so limited_by is empty: what is not kept is said apart. */
static void test_not_kept(void **state)
{
	static const struct { const char *name; bool paused; double own_import_w, own_export_w, fuse_a, import_w, export_w; const char *text; } ROWS[] = {
		{ "not paused", false, 4000, 0, 0, NAN, NAN, NULL },        { "no limit", true, 0, 0, 0, NAN, NAN, "[]" },
		{ "the site's import", true, 4000, 0, 0, NAN, NAN, "[\"limit\"]" }, { "its export", true, 0, 1, 0, NAN, NAN, "[\"limit\"]" },
		{ "its fuse", true, 0, 0, 16, NAN, NAN, "[\"limit\"]" },    { "from outside", true, 0, 0, 0, 0, NAN, "[\"limit\"]" },
		{ "export from outside", true, 0, 0, 0, NAN, 0, "[\"limit\"]" },
	};
	static const struct site_sums SUMS;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		static struct snapshot s;
		static struct decisions d;
		AUTO_JSON *site = NULL;
		AUTO_TEXT *text = NULL;

		s.paused = ROWS[i].paused;
		s.site = (struct site_params){ .import_limit_w = ROWS[i].own_import_w, .export_limit_w = ROWS[i].own_export_w, .fuse_a = ROWS[i].fuse_a };
		s.external = (struct external_limit){ .import_w = ROWS[i].import_w, .export_w = ROWS[i].export_w };
		site = encode_site(&s, &d, &SUMS);
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(site, "limited_by")), 0);
		text = cJSON_HasObjectItem(site, "not_kept") ? cJSON_PrintUnformatted(cJSON_GetObjectItem(site, "not_kept")) : NULL;
		if ((text == NULL) != (ROWS[i].text == NULL) || (text && strcmp(text, ROWS[i].text) != 0))
			fail_msg("%s: %s", ROWS[i].name, text ? text : "-");
	}
}

/* Every reason and every doubt has a word of its own. */
static void test_words(void **state)
{
	(void)state;
	for (int a = 0; a < REASON_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(reason_word((enum reason)a), reason_word((enum reason)b));
	for (int a = 0; a < DOUBT_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(doubt_word((enum doubt_kind)a), doubt_word((enum doubt_kind)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_soc_is_weighted_by_capacity),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
