/* Home Assistant's discovery messages by shape, and what set messages mean. */
#include "core/discovery.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct topic_root root;
static const struct discovery_names NAMES = { &root, "home-0042", "Mill \"Lane\"", "GBP" };

static struct snap_device device(const char *id, uint32_t roles, uint32_t kinds)
{
	struct snap_device d = { .roles = roles, .state.kinds = kinds };

	snprintf(d.id, sizeof(d.id), "%s", id);
	return d;
}

static void have(struct snap_device *d, enum field f, enum quality q)
{
	value_set(&d->state.f[f], 1, 1000, q);
}

static cJSON *encoded(const struct snap_device *d, uint64_t fields)
{
	static char text[DISCOVERY_TEXT_MAX];
	cJSON *o;

	assert_true(discovery_device_text(&NAMES, d, fields, text, sizeof(text)) > 0);
	o = cJSON_Parse(text);
	assert_non_null(o);
	return o;
}

/* By a path of keys and indexes: "cmps/pause/command_topic"; NULL when it is not there. */
static const cJSON *at(const cJSON *o, const char *path)
{
	char key[64];

	while (o && *path) {
		size_t n = strcspn(path, "/");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		o = cJSON_IsArray(o) ? cJSON_GetArrayItem(o, key[0] - '0') : cJSON_GetObjectItemCaseSensitive(o, key);
		path += n + (path[n] == '/');
	}
	return o;
}

struct expect {
	const char *path, *text; /* text NULL: must not be there */
};

static void check(const cJSON *o, const struct expect *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const cJSON *found = at(o, rows[i].path);
		const char *text = cJSON_GetStringValue(found);

		if (!rows[i].text ? found != NULL : !text || strcmp(text, rows[i].text) != 0)
			fail_msg("%s is %s, not %s", rows[i].path, text ? text : found ? "there" : "missing", rows[i].text ? rows[i].text : "missing");
	}
}

#define CHECK(o, rows) check(o, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_fields(void **state)
{
	struct snap_device d = device("b", ROLE_BATTERY, KIND_BATTERY);

	(void)state;
	assert_true(discovery_fields(&d) == 0);
	have(&d, F_BATTERY_SOC_PCT, Q_STALE);
	have(&d, F_BATTERY_SOH_PCT, Q_BAD);
	have(&d, F_METER_POWER_W, Q_GOOD); /* not one of its kinds */
	assert_true(discovery_fields(&d) == 0);
	have(&d, F_BATTERY_POWER_W, Q_UNVERIFIED);
	have(&d, F_BATTERY_CONTROL, Q_GOOD);
	assert_true(discovery_fields(&d) == (1ull << F_BATTERY_POWER_W | 1ull << F_BATTERY_CONTROL));
}

static void test_battery(void **state)
{
	static const struct expect ROWS[] = {
		{ "dev/ids/0", "hearth_home-0042_battery" },
		{ "dev/ids/1", NULL },
		{ "dev/name", "battery" },
		{ "dev/model", "Pack \"5\"" },
		{ "dev/manufacturer", NULL },
		{ "dev/via_device", "hearth_home-0042" },
		{ "o/name", "hearth" },
		{ "o/sw", HEARTH_VERSION },
		{ "state_topic", "hearth/1/home-0042/device/battery" },
		{ "availability/0/topic", "hearth/1/home-0042/status" },
		{ "availability/1/topic", "hearth/1/home-0042/device/battery/availability" },
		{ "availability/2", NULL },
		{ "availability_mode", "all" },
		{ "cmps/battery_soc_pct/p", "sensor" },
		{ "cmps/battery_soc_pct/name", "SoC" },
		{ "cmps/battery_soc_pct/unique_id", "hearth_home-0042_battery_battery_soc_pct" },
		{ "cmps/battery_soc_pct/val_tpl", "{{ value_json.battery.soc_pct | default(none) }}" },
		{ "cmps/battery_soc_pct/dev_cla", "battery" },
		{ "cmps/battery_soc_pct/stat_cla", "measurement" },
		{ "cmps/battery_soc_pct/unit_of_meas", "%" },
		{ "cmps/battery_soc_pct/ent_cat", NULL },
		{ "cmps/battery_energy_charged_wh/name", "Energy charged" },
		{ "cmps/battery_energy_charged_wh/dev_cla", "energy" },
		{ "cmps/battery_energy_charged_wh/stat_cla", "total_increasing" },
		{ "cmps/battery_energy_charged_wh/unit_of_meas", "Wh" },
		{ "cmps/battery_capacity_wh/dev_cla", "energy_storage" },
		{ "cmps/battery_capacity_wh/stat_cla", "measurement" },
		{ "cmps/battery_capacity_wh/ent_cat", "diagnostic" },
		{ "cmps/battery_soh_pct/dev_cla", NULL },
		{ "cmps/battery_temperature_c/unit_of_meas", "\xc2\xb0" "C" },
		{ "cmps/battery_state/dev_cla", "enum" },
		{ "cmps/battery_state/ops/2", "charging" },
		{ "cmps/battery_state/ops/6", "fault" },
		{ "cmps/battery_state/ops/7", NULL },
		{ "cmps/battery_state/stat_cla", NULL },
		{ "cmps/battery_state/unit_of_meas", NULL },
		{ "cmps/battery_voltage_v", NULL }, /* never seen */
		{ "cmps/meter_power_w", NULL },     /* not one of its kinds */
		{ "cmps/override/p", "select" },
		{ "cmps/override/state_topic", "hearth/1/home-0042/owner" },
		{ "cmps/override/val_tpl", "{{ value_json.override['battery'] | default(none) }}" },
		{ "cmps/override/command_topic", "hearth/1/home-0042/set/battery_override" },
		{ "cmps/override/ops/0", "auto" },
		{ "cmps/override/ops/3", "discharge" },
		{ "cmps/override/ops/4", NULL },
		{ "cmps/ev", NULL },
	};
	struct snap_device d = device("battery", ROLE_BATTERY, KIND_BATTERY);
	AUTO_JSON *o = NULL;

	(void)state;
	snprintf(d.state.identity.model, sizeof(d.state.identity.model), "Pack \"5\"");
	o = encoded(&d, 1ull << F_BATTERY_SOC_PCT | 1ull << F_BATTERY_ENERGY_CHARGED_WH | 1ull << F_BATTERY_CAPACITY_WH |
				1ull << F_BATTERY_SOH_PCT | 1ull << F_BATTERY_TEMPERATURE_C | 1ull << F_BATTERY_STATE | 1ull << F_METER_POWER_W);
	CHECK(o, ROWS);
}

static void test_charger(void **state)
{
	static const struct expect ROWS[] = {
		{ "cmps/charger_connected/p", "binary_sensor" },
		{ "cmps/charger_connected/pl_on", "True" },
		{ "cmps/charger_connected/pl_off", "False" },
		{ "cmps/charger_connected/val_tpl", "{{ value_json.charger.connected | default(none) }}" },
		{ "cmps/charger_connected/dev_cla", NULL },
		{ "cmps/charger_state/ops/5", "F" },
		{ "cmps/charger_phases/unit_of_meas", NULL },
		{ "cmps/charger_phases/dev_cla", NULL },
		{ "cmps/charger_session_time_s/dev_cla", "duration" },
		{ "cmps/charger_session_time_s/name", "Session time" },
		{ "cmps/ev/p", "select" },
		{ "cmps/ev/command_topic", "hearth/1/home-0042/set/wall-box_ev" },
		{ "cmps/ev/val_tpl", "{{ value_json.ev['wall-box'] | default(none) }}" },
		{ "cmps/ev/ops/1", "solar" },
		{ "cmps/ev/ops/4", NULL },
		{ "cmps/override", NULL },
	};
	struct snap_device d = device("wall-box", ROLE_CHARGER, KIND_CHARGER);
	AUTO_JSON *o = NULL;

	(void)state;
	o = encoded(&d, 1ull << F_CHARGER_CONNECTED | 1ull << F_CHARGER_STATE | 1ull << F_CHARGER_PHASES | 1ull << F_CHARGER_SESSION_TIME_S);
	CHECK(o, ROWS);
}

static void test_meter(void **state)
{
	static const struct expect ROWS[] = {
		{ "cmps/meter_power_l1_w/name", "Power L1" },
		{ "cmps/meter_power_l1_w/dev_cla", "power" },
		{ "cmps/meter_current_l2_a/dev_cla", "current" },
		{ "cmps/meter_voltage_l3_v/dev_cla", "voltage" },
		{ "cmps/meter_frequency_hz/dev_cla", "frequency" },
		{ "cmps/meter_power_factor/dev_cla", "power_factor" },
		{ "cmps/meter_power_factor/unit_of_meas", NULL },
		{ "cmps/meter_energy_import_wh/dev_cla", "energy" },
		{ "cmps/override", NULL },
		{ "cmps/ev", NULL },
	};
	struct snap_device d = device("grid", ROLE_GRID, KIND_METER);
	AUTO_JSON *o = NULL;

	(void)state;
	o = encoded(&d, ~0ull);
	CHECK(o, ROWS);
	assert_int_equal(cJSON_GetArraySize(at(o, "cmps")), 14); /* every field of a meter, nothing else */
}

/* A device that is everything, with the longest names: fits, and says which part a value is of. */
static void test_largest(void **state)
{
	static const struct expect ROWS[] = {
		{ "cmps/pv_power_w/name", "PV power" },
		{ "cmps/battery_power_ac_w/name", "Battery power AC" },
		{ "cmps/inverter_state/name", "Inverter state" },
	};
	char base[96], site[33];
	struct snap_device d = device("abcdefghijklmnopqrstuvwxyz-12345", ROLE_BATTERY | ROLE_CHARGER | ROLE_PV, (1u << KIND_COUNT) - 1);
	struct discovery_names n = { &root, site, "", "" };
	static char text[DISCOVERY_TEXT_MAX];
	struct topic_root before = root;
	AUTO_JSON *o = NULL;

	(void)state;
	memset(base, 'r', sizeof(base) - 1);
	base[sizeof(base) - 1] = '\0';
	memset(site, 's', sizeof(site) - 1);
	site[sizeof(site) - 1] = '\0';
	topic_root_set(&root, base + 1, site);
	assert_true(root.text[0]);
	assert_true(discovery_device_text(&n, &d, ~0ull, text, sizeof(text)) > 0);
	root = before;
	o = cJSON_Parse(text);
	CHECK(o, ROWS);
	assert_int_equal(cJSON_GetArraySize(at(o, "cmps")), F_COUNT + 2);
	assert_int_equal(discovery_device_text(&n, &d, ~0ull, text, 500), 0);
}

static void test_site(void **state)
{
	static const struct expect ROWS[] = {
		{ "dev/ids/0", "hearth_home-0042" },
		{ "dev/name", "Mill \"Lane\"" },
		{ "dev/via_device", NULL },
		{ "state_topic", "hearth/1/home-0042/site" },
		{ "availability/0/topic", "hearth/1/home-0042/status" },
		{ "availability/1", NULL },
		{ "cmps/grid_w/val_tpl", "{{ value_json.grid_w | default(none) }}" },
		{ "cmps/grid_w/dev_cla", "power" },
		{ "cmps/load_w/unique_id", "hearth_home-0042_load_w" },
		{ "cmps/soc_pct/dev_cla", "battery" },
		{ "cmps/floor_pct/dev_cla", NULL },
		{ "cmps/floor_pct/unit_of_meas", "%" },
		{ "cmps/battery_w/p", "sensor" },
		{ "cmps/pv_w", NULL }, /* nothing of the kind here */
		{ "cmps/ev_w", NULL },
		{ "cmps/mode/ops/7", "self_use" },
		{ "cmps/mode/ops/8", NULL },
		{ "cmps/reason/val_tpl", "{{ value_json.reason | default(none) }}" },
		{ "cmps/doubts/p", "binary_sensor" },
		{ "cmps/doubts/dev_cla", "problem" },
		{ "cmps/doubts/val_tpl", "{{ 'ON' if value_json.doubts | default([]) else 'OFF' }}" },
		{ "cmps/doubts/json_attr_t", "hearth/1/home-0042/site" },
		{ "cmps/saved_today/p", "sensor" },
		{ "cmps/saved_today/state_topic", "hearth/1/home-0042/savings" },
		{ "cmps/saved_today/val_tpl", "{{ (value_json.today | default({})).saved | default(none) }}" },
		{ "cmps/saved_today/unit_of_meas", "GBP" },
		{ "cmps/saved_today/dev_cla", "monetary" },
		{ "cmps/saved_month/val_tpl", "{{ (value_json.month | default({})).saved | default(none) }}" },
		{ "cmps/reserve/p", "number" },
		{ "cmps/reserve/command_topic", "hearth/1/home-0042/set/reserve" },
		{ "cmps/reserve/state_topic", "hearth/1/home-0042/owner" },
		{ "cmps/pause/p", "switch" },
		{ "cmps/pause/command_topic", "hearth/1/home-0042/set/pause" },
		{ "cmps/plan_refresh/p", "button" },
		{ "cmps/plan_refresh/command_topic", "hearth/1/home-0042/set/plan_refresh" },
	};
	/* all the keys Home Assistant knows here; one more and it refuses the whole message */
	static const char *const KEYS[] = { "dev", "o", "cmps", "state_topic", "availability", "availability_mode" };
	struct discovery_names unnamed = { &root, "home-0042", "", "" };
	static char text[DISCOVERY_TEXT_MAX];
	AUTO_JSON *o = NULL, *second = NULL, *third = NULL;

	(void)state;
	assert_true(discovery_site_text(&NAMES, ROLE_GRID | ROLE_BATTERY, text, sizeof(text)) > 0);
	o = cJSON_Parse(text);
	CHECK(o, ROWS);
	assert_true(at(o, "cmps/reserve/max")->valuedouble == 100);
	assert_true(at(o, "cmps/reserve/min")->valuedouble == 0);
	assert_int_equal(cJSON_GetArraySize(o), sizeof(KEYS) / sizeof(KEYS[0]));
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
		assert_non_null(at(o, KEYS[i]));
	assert_true(discovery_site_text(&unnamed, 0, text, sizeof(text)) > 0);
	second = cJSON_Parse(text);
	assert_string_equal(cJSON_GetStringValue(at(second, "dev/name")), "Hearth home-0042");
	assert_null(at(second, "cmps/grid_w"));
	assert_null(at(second, "cmps/saved_today")); /* nothing that could save */
	assert_true(discovery_site_text(&unnamed, ROLE_BATTERY, text, sizeof(text)) > 0);
	third = cJSON_Parse(text);
	assert_non_null(at(third, "cmps/saved_month"));
	assert_null(at(third, "cmps/saved_month/unit_of_meas")); /* money without a currency is refused */
	assert_null(at(third, "cmps/saved_month/dev_cla"));
}

static void test_owner(void **state)
{
	static const struct expect ROWS[] = {
		{ "at", "2026-01-15T12:00:00.000Z" }, { "override/a", "auto" },	  { "override/b", "charge" },
		{ "override/c", NULL },		      { "ev/c", "solar" },	  { "ev/d", NULL },
	};
	static struct snapshot s;
	char text[DISCOVERY_OWNER_MAX];
	AUTO_JSON *o = NULL;

	(void)state;
	s.site.reserve_pct = 20.5;
	s.paused = true;
	s.n_devices = 4;
	s.dev[0] = device("a", ROLE_BATTERY, 0);
	s.dev[1] = device("b", ROLE_BATTERY, 0);
	s.dev[1].override.mode = OVERRIDE_CHARGE;
	s.dev[2] = device("c", ROLE_CHARGER, 0);
	s.dev[2].ev_mode = EV_SOLAR;
	s.dev[3] = device("d", ROLE_CHARGER, 0); /* the owner never said */
	assert_true(discovery_owner_text(&s, 1768478400000, text, sizeof(text)) > 0);
	o = cJSON_Parse(text);
	CHECK(o, ROWS);
	assert_true(fabs(at(o, "reserve_pct")->valuedouble - 20.5) < 1e-9);
	assert_true(cJSON_IsTrue(at(o, "paused")));
}

static void test_topics(void **state)
{
	static const struct {
		const char *topic, *device; /* NULL: not a device of this site */
	} ROWS[] = {
		{ "ha/device/hearth_home/config", NULL },      /* the site itself */
		{ "ha/device/hearth_home_/config", NULL },
		{ "ha/device/hearth_home-2_x/config", NULL },  /* another site whose name begins alike */
		{ "ha/device/zigbee_home_x/config", NULL },
		{ "hb/device/hearth_home_x/config", NULL },
		{ "ha/device/hearth_home_x/config/y", NULL },
		{ "ha/device/hearth_home_x/state", NULL },
		{ "ha/device/hearth_home_x", NULL },
		{ "ha/device/hearth_home_abcdefghijklmnopqrstuvwxyz-1234567/config", NULL },
		{ "ha/device/hearth_home_battery-1/config", "battery-1" },
	};
	char device_id[DEVICE_ID_MAX], topic[256];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		bool is = discovery_topic_device("ha", "home", ROWS[i].topic, device_id);

		if (is != (ROWS[i].device != NULL) || (is && strcmp(device_id, ROWS[i].device) != 0))
			fail_msg("%s: %s", ROWS[i].topic, is ? device_id : "no");
	}
	assert_string_equal(discovery_topic("ha", "home", "battery-1", topic, sizeof(topic)), "ha/device/hearth_home_battery-1/config");
	assert_string_equal(discovery_topic("ha", "home", NULL, topic, sizeof(topic)), "ha/device/hearth_home/config");
	assert_string_equal(discovery_topic("ha", "home", NULL, topic, 20), "");
}

static void test_wishes(void **state)
{
	static const struct {
		const char *entity, *text, *verb, *args; /* verb NULL: refused */
	} ROWS[] = {
		{ "", "", NULL, NULL },
		{ "reserve", "", NULL, NULL },
		{ "reserve", ".", NULL, NULL },
		{ "reserve", "1.2.3", NULL, NULL },
		{ "reserve", "-5", NULL, NULL },
		{ "reserve", "nan", NULL, NULL },
		{ "reserve", "1e2", NULL, NULL },
		{ "reserve", "0x10", NULL, NULL },
		{ "reserve", "30 ", NULL, NULL },
		{ "reserve", "\xff", NULL, NULL },
		{ "reserves", "30", NULL, NULL },
		{ "pause", "on", NULL, NULL },
		{ "pause", "ONE", NULL, NULL },
		{ "plan_refresh", "", NULL, NULL },
		{ "_override", "hold", NULL, NULL },
		{ "_ev", "now", NULL, NULL },
		{ "battery_override", "", NULL, NULL },
		{ "battery_override", "ho ld", NULL, NULL },
		{ "battery", "hold", NULL, NULL },
		{ "abcdefghijklmnopqrstuvwxyz-1234567_ev", "now", NULL, NULL },
		{ "reserve", "130", "reserve.set", "{\"pct\":130}" }, /* the verb knows the range */
		{ "reserve", "35.0", "reserve.set", "{\"pct\":35}" },
		{ "reserve", "0", "reserve.set", "{\"pct\":0}" },
		{ "pause", "ON", "pause", "{\"duration_s\":604800}" },
		{ "pause", "OFF", "pause", "{\"duration_s\":0}" },
		{ "plan_refresh", "PRESS", "plan.refresh", "{}" },
		{ "battery_override", "hold", "override.set", "{\"device\":\"battery\",\"mode\":\"hold\",\"duration_s\":3600}" },
		{ "battery_override", "dance", "override.set", "{\"device\":\"battery\",\"mode\":\"dance\",\"duration_s\":3600}" },
		{ "battery_override", "auto", "override.clear", "{\"device\":\"battery\"}" },
		{ "wall-box_ev", "solar", "ev.set", "{\"device\":\"wall-box\",\"mode\":\"solar\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct errbuf err = { "" };
		const char *verb = NULL;
		AUTO_JSON *o = discovery_wish(ROWS[i].entity, ROWS[i].text, &verb, &err);
		AUTO_TEXT *text = o ? cJSON_PrintUnformatted(o) : NULL;

		if (!ROWS[i].verb ? o || !err.text[0] : !o || strcmp(verb, ROWS[i].verb) != 0 || strcmp(text, ROWS[i].args) != 0)
			fail_msg("%s = '%s': %s %s", ROWS[i].entity, ROWS[i].text, verb ? verb : "no", text ? text : err.text);
	}
}

static int setup(void **state)
{
	(void)state;
	topic_root_set(&root, "hearth/1", "home-0042");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields), cmocka_unit_test(test_battery), cmocka_unit_test(test_charger), cmocka_unit_test(test_meter),
		cmocka_unit_test(test_largest), cmocka_unit_test(test_site), cmocka_unit_test(test_owner), cmocka_unit_test(test_topics),
		cmocka_unit_test(test_wishes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
