/* Flip's words: envelopes, commands, events; the ugly ones first. */
#include "cloud/flip.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "\"id\":\"c1\",\"event_id\":\"e1\",\"device_id\":\"bat-1\",\"starts_at\":\"2026-01-15 18:00:00.000Z\","           \
	     "\"ends_at\":\"2026-01-15T21:00:00+01:00\",\"duration_s\":7200,\"is_preparatory_action\":false,"
#define TAIL "\"status\":\"OK\",\"device_status\":\"PENDING\",\"device_status_reason\":null,"                                     \
	     "\"created_at\":\"2026-01-15T12:00:00Z\",\"updated_at\":\"2026-01-15T12:00:00.123456789Z\""
#define BODY(battery) "{" HEAD "\"battery_commands\":" battery "," TAIL "}"

struct row {
	const char *name, *text;
	int result;              /* 0, or negative */
	const char *says;        /* part of the error, or the refusal; NULL = none */
};

static const struct row COMMANDS[] = {
	{ "not an object", "[]", -EINVAL, "not an object" },
	{ "empty", "{}", -EINVAL, "id: missing" },
	{ "id with a slash", "{\"id\":\"a/b\"}", -EINVAL, "cannot be in an id" },
	{ "id with a wildcard", "{\"id\":\"#\"}", -EINVAL, "cannot be in an id" },
	{ "id empty", "{\"id\":\"\"}", -EINVAL, "empty" },
	{ "id a number", "{\"id\":5}", -EINVAL, "id: not a text" },
	{ "id too long", "{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}", -ERANGE, "at most 63" },
	{ "no payload", "{" HEAD TAIL "}", -EINVAL, "battery_commands: missing" },
	{ "payload null", BODY("null"), -EINVAL, "battery_commands: missing" },
	{ "payload a list", BODY("[]"), -EINVAL, "not an object" },
	{ "no mode", BODY("{}"), -EINVAL, "mode: missing" },
	{ "setpoint a text", BODY("{\"mode\":\"CHARGE\",\"setpoint_w\":\"4000\"}"), -EINVAL, "setpoint_w: not a number" },
	{ "setpoint 1e999", BODY("{\"mode\":\"CHARGE\",\"setpoint_w\":1e999}"), -ERANGE, "setpoint_w" },
	{ "reserve 1e999", BODY("{\"mode\":\"STANDBY\",\"backup_reserve_percentage\":1e999}"), -ERANGE, "backup_reserve" },
	{ "reserve a text", BODY("{\"mode\":\"STANDBY\",\"backup_reserve_percentage\":\"20\"}"), -EINVAL, "backup_reserve" },
	{ "import a number", BODY("{\"mode\":\"CHARGE\",\"enable_grid_import\":1}"), -EINVAL, "enable_grid_import" },
	{ "unknown mode", BODY("{\"mode\":\"DANCE\"}"), 0, "unsupported mode DANCE" },
	{ "unknown power mode", BODY("{\"mode\":\"CHARGE\",\"power_mode\":\"WARP\"}"), 0, "unsupported power mode WARP" },
	{ "setpoint missing", BODY("{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\"}"), 0, "bad setpoint" },
	{ "setpoint 0", BODY("{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\",\"setpoint_w\":0}"), 0, "bad setpoint" },
	{ "setpoint negative", BODY("{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\",\"setpoint_w\":-5}"), 0, "bad setpoint" },
	{ "setpoint broken", BODY("{\"mode\":\"DISCHARGE\",\"setpoint_w\":0.5}"), 0, "bad setpoint" },
	{ "reserve 101", BODY("{\"mode\":\"STANDBY\",\"backup_reserve_percentage\":101}"), 0, "bad reserve" },
	{ "reserve -1", BODY("{\"mode\":\"STANDBY\",\"backup_reserve_percentage\":-1}"), 0, "bad reserve" },
	{ "for a charger", "{" HEAD "\"ev_charger_commands\":{\"limit_a\":6}," TAIL "}", 0, "unsupported command type" },
	{ "battery null, for a charger", "{" HEAD "\"battery_commands\":null,\"ev_charger_commands\":{}," TAIL "}", 0,
	  "unsupported command type" },
	{ "ends before it starts", "{\"id\":\"c\",\"device_id\":\"d\",\"starts_at\":\"2026-01-15T18:00:00Z\",\"ends_at\":"
	  "\"2026-01-15T18:00:00Z\",\"battery_commands\":{\"mode\":\"STANDBY\"}," TAIL "}", 0, "bad window" },
	{ "no end said", "{\"id\":\"c\",\"device_id\":\"d\",\"starts_at\":\"2026-01-15T18:00:00Z\",\"battery_commands\":{\"mode\":"
	  "\"STANDBY\"}," TAIL "}", -EINVAL, "ends_at: missing" },
	{ "start not a time", "{\"id\":\"c\",\"device_id\":\"d\",\"starts_at\":\"soon\",\"ends_at\":null," TAIL "}", -EINVAL, "starts_at" },
	{ "start in the year 9999", "{\"id\":\"c\",\"device_id\":\"d\",\"starts_at\":\"9999-01-01T00:00:00Z\",\"ends_at\":null," TAIL "}",
	  -ERANGE, "2000..2199" },
	{ "unknown status", "{" HEAD "\"battery_commands\":{\"mode\":\"STANDBY\"},\"status\":\"PERHAPS\",\"device_status\":\"OK\","
	  "\"created_at\":\"2026-01-15T12:00:00Z\",\"updated_at\":\"2026-01-15T12:00:00Z\"}", 0, "unsupported status PERHAPS" },
	{ "deprecated fields are not looked at", BODY("{\"mode\":\"CHARGE\",\"enable_grid_export\":\"x\",\"maximum_charge_percentage\":-9}"),
	  0, NULL },
	{ "setpoint with a mode that has none", BODY("{\"mode\":\"STANDBY\",\"power_mode\":\"WARP\",\"setpoint_w\":-1}"), 0, NULL },
	{ "plain", BODY("{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\",\"setpoint_w\":4000,\"enable_grid_import\":false,"
	  "\"backup_reserve_percentage\":20}"), 0, NULL },
};

static void test_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
		const struct row *r = &COMMANDS[i];
		AUTO_JSON *o = cJSON_Parse(r->text);
		struct flip_command c = { .id = "before" };
		struct errbuf err = { "" };
		int got = flip_command_decode(o, &c, &err);

		if (got != r->result || (got < 0 && !strstr(err.text, r->says)) || (got == 0 && strcmp(c.refusal, r->says ? r->says : "") != 0 &&
		    !(r->says && strstr(c.refusal, r->says))))
			fail_msg("%s: %d, error '%s', refusal '%s'", r->name, got, err.text, c.refusal);
		if (got < 0)
			assert_string_equal(c.id, "before");
	}
}

static void test_values(void **state)
{
	AUTO_JSON *o = cJSON_Parse(COMMANDS[sizeof(COMMANDS) / sizeof(COMMANDS[0]) - 1].text), *again = NULL;
	struct flip_command c, d;
	int64_t t;

	(void)state;
	assert_int_equal(flip_command_decode(o, &c, NULL), 0);
	calendar_parse("2026-01-15T18:00:00Z", &t);
	assert_int_equal(c.starts_utc_ms, t);
	assert_int_equal(c.ends_utc_ms, t + 7200000);
	assert_int_equal(c.updated_utc_ms - c.created_utc_ms, 123);
	assert_int_equal(c.mode, MODE_DISCHARGE);
	assert_int_equal(c.power_mode, POWER_SETPOINT);
	assert_true(c.setpoint_w == 4000 && c.reserve_pct == 20);
	assert_int_equal(c.grid_import, TRI_NO);
	again = flip_command_encode(&c);
	assert_int_equal(flip_command_decode(again, &d, NULL), 0);
	assert_true(flip_command_same(&c, &d));
	assert_string_equal(c.id, d.id);
	assert_int_equal(c.updated_utc_ms, d.updated_utc_ms);
	assert_int_equal(d.device_status, FLIP_PENDING);
	d.grid_import = TRI_UNSET;
	assert_false(flip_command_same(&c, &d));
}

static void test_power_modes(void **state)
{
	static const struct { const char *text; enum power_mode mode; } ROWS[] = {
		{ BODY("{\"mode\":\"CHARGE\"}"), POWER_MAX },
		{ BODY("{\"mode\":\"CHARGE\",\"power_mode\":null,\"setpoint_w\":null}"), POWER_MAX },
		{ BODY("{\"mode\":\"CHARGE\",\"setpoint_w\":100}"), POWER_SETPOINT },
		{ BODY("{\"mode\":\"CHARGE\",\"power_mode\":\"FOLLOW_LOAD\",\"setpoint_w\":-3}"), POWER_FOLLOW_LOAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		AUTO_JSON *o = cJSON_Parse(ROWS[i].text);
		struct flip_command c;

		assert_int_equal(flip_command_decode(o, &c, NULL), 0);
		assert_string_equal(c.refusal, "");
		assert_int_equal(c.power_mode, ROWS[i].mode);
	}
}

#define EVENT(more) "{\"id\":\"e1\",\"starts_at\":\"2026-01-15T18:00:00Z\",\"is_participating\":true,"                         \
		    "\"updated_at\":\"2026-01-15T12:00:00Z\"" more "}"

static const struct { const char *name, *text; int result; enum flip_object object; const char *says; } ENVELOPES[] = {
	{ "empty", "", -EINVAL, FLIP_UNKNOWN, "empty" },
	{ "cut", "{\"event_type\":\"command.cre", -EINVAL, FLIP_UNKNOWN, "" },
	{ "html", "<html>", -EINVAL, FLIP_UNKNOWN, "" },
	{ "a list", "[1]", -EINVAL, FLIP_UNKNOWN, "not an object" },
	{ "no type", "{}", -EINVAL, FLIP_UNKNOWN, "event_type: missing" },
	{ "type a number", "{\"event_type\":1}", -EINVAL, FLIP_UNKNOWN, "event_type" },
	{ "time broken", "{\"event_type\":\"x.y\",\"timestamp\":\"now\"}", -EINVAL, FLIP_UNKNOWN, "timestamp" },
	{ "contradiction", "{\"event_type\":\"command.created\",\"event_object\":{\"object_type\":\"event\"}}", -EINVAL, FLIP_UNKNOWN,
	  "object_type" },
	{ "test vector: nothing but an id", "{\"event_type\":\"command.created\",\"event_object\":{\"object_type\":\"command\",\"id\":"
	  "\"11111111-2222-4333-8444-555555555555\"},\"timestamp\":\"2026-01-15T12:00:00.000Z\"}", -EINVAL, FLIP_COMMAND, "device_id: missing" },
	{ "command without an object", "{\"event_type\":\"command.created\"}", -EINVAL, FLIP_COMMAND, "not an object" },
	{ "too deep", "{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", -EINVAL, FLIP_UNKNOWN, "deeper" },
	{ "unknown type", "{\"event_type\":\"moon.rises\"}", 0, FLIP_UNKNOWN, NULL },
	{ "unknown object", "{\"event_type\":\"command.created\",\"event_object\":{\"object_type\":\"dragon\"}}", 0, FLIP_UNKNOWN, NULL },
	{ "settings", "{\"event_type\":\"settings.apply\",\"event_object\":{\"object_type\":\"settings_request\",\"x\":1}}", 0,
	  FLIP_SETTINGS_REQUEST, NULL },
	{ "enrollment", "{\"event_type\":\"enrollment.updated\",\"event_object\":{}}", 0, FLIP_ENROLLMENT, NULL },
	{ "OLDER command", "{\"event_type\":\"command.created\",\"event_object\":" BODY("{\"mode\":\"SAVINGS\"}") "}", 0, FLIP_COMMAND, NULL },
	{ "OLDER event", "{\"event_type\":\"event.created\",\"event_object\":" EVENT(",\"status\":\"IN_PROGRESS\",\"ends_at\":null") "}", 0,
	  FLIP_EVENT, NULL },
	{ "event without status", "{\"event_type\":\"event.created\",\"event_object\":" EVENT("") "}", -EINVAL, FLIP_EVENT, "status" },
	{ "event with an unknown status", "{\"event_type\":\"event.created\",\"event_object\":" EVENT(",\"status\":\"?\"") "}", 0, FLIP_EVENT,
	  NULL },
};

static void test_envelopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ENVELOPES) / sizeof(ENVELOPES[0]); i++) {
		struct flip_envelope e = { .object = FLIP_UNKNOWN };
		struct errbuf err = { "" };
		int got = flip_envelope_decode(ENVELOPES[i].text, strlen(ENVELOPES[i].text), &e, &err);

		if (got != ENVELOPES[i].result || (got == 0 && e.object != ENVELOPES[i].object) ||
		    (got < 0 && !strstr(err.text, ENVELOPES[i].says)))
			fail_msg("%s: %d, object %d, '%s'", ENVELOPES[i].name, got, (int)e.object, err.text);
	}
}

static void test_size(void **state)
{
	struct flip_envelope e;
	char *big = malloc(FLIP_BODY_MAX + 1), text[32];

	(void)state;
	assert_non_null(big);
	memset(big, ' ', FLIP_BODY_MAX + 1);
	memcpy(big, "{\"event_type\":\"a.b\"}", 20);
	assert_int_equal(flip_envelope_decode(big, FLIP_BODY_MAX, &e, NULL), 0);
	assert_int_equal(flip_envelope_decode(big, FLIP_BODY_MAX + 1, &e, NULL), -E2BIG);
	free(big);
	assert_int_equal(flip_envelope_timestamp("{\"timestamp\":\"as is\"}", 21, text, sizeof(text)), 0);
	assert_string_equal(text, "as is");
	assert_int_equal(flip_envelope_timestamp("{}", 2, text, sizeof(text)), -EINVAL);
}

static void test_older_words(void **state)
{
	AUTO_JSON *o = cJSON_Parse("{" HEAD "\"battery_commands\":{\"mode\":\"STANDBY\"},\"status\":\"OK\",\"device_status\":\"FAILED\","
				   "\"created_at\":\"2026-01-15T12:00:00Z\",\"updated_at\":\"2026-01-15T12:00:00Z\"}");
	AUTO_JSON *e = cJSON_Parse(EVENT(",\"status\":\"IN_PROGRESS\",\"ends_at\":null,\"schedule\":\"junk\""));
	AUTO_JSON *again = NULL, *ack = NULL;
	AUTO_TEXT *text = NULL;
	struct flip_command c;
	struct flip_event v, w;

	(void)state;
	assert_int_equal(flip_command_decode(o, &c, NULL), 0);
	assert_int_equal(c.device_status, FLIP_FAILED_FAULT);
	assert_int_equal(flip_event_decode(e, &v, NULL), 0);
	assert_int_equal(v.status, FLIP_EVENT_ACTIVE);
	assert_int_equal(v.ends_utc_ms, 0);
	again = flip_event_encode(&v);
	assert_int_equal(flip_event_decode(again, &w, NULL), 0);
	assert_memory_equal(&v, &w, sizeof(v));
	ack = flip_ack_encode("c1", FLIP_FAILED_OFFLINE, "device does not answer");
	text = cJSON_PrintUnformatted(ack);
	assert_string_equal(text, "{\"id\":\"c1\",\"device_status\":\"FAILED_OFFLINE\",\"device_status_reason\":\"device does not answer\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands), cmocka_unit_test(test_values), cmocka_unit_test(test_power_modes),
		cmocka_unit_test(test_envelopes), cmocka_unit_test(test_size), cmocka_unit_test(test_older_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
