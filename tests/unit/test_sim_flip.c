/* The Flip message hearth-sim sends: every field of the reference at its place, null where null is meant. */
#include "sim/flip_message.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#define NOW 1768478400000 /* 2026-01-15T12:00:00Z */

static const struct flip_message COMMAND = {
	.event_type = "command.created",
	.id = "0b7c7f0e-6a0f-4c55-9a57-0f6f2a3f9a10",
	.event_id = "7d2a4c0e-54b6-4a13-8a5c-0a8a0e0f4b77",
	.device_id = "bat-0042-1",
	.mode = "DISCHARGE",
	.power_mode = "SETPOINT",
	.has_setpoint = true,
	.setpoint_w = 4000,
	.reserve_pct = 20,
	.starts_utc_ms = NOW + 6 * 3600000,
	.ends_utc_ms = NOW + 8 * 3600000,
	.now_utc_ms = NOW,
};

static void test_command(void **state)
{
	struct flip_message m = COMMAND;
	char *text = flip_message_body(&m);

	(void)state;
	assert_string_equal(
		text, "{\"event_type\":\"command.created\",\"timestamp\":\"2026-01-15T12:00:00.000Z\",\"event_object\":{"
		      "\"object_type\":\"command\",\"id\":\"0b7c7f0e-6a0f-4c55-9a57-0f6f2a3f9a10\","
		      "\"event_id\":\"7d2a4c0e-54b6-4a13-8a5c-0a8a0e0f4b77\",\"device_id\":\"bat-0042-1\","
		      "\"starts_at\":\"2026-01-15 18:00:00.000Z\",\"ends_at\":\"2026-01-15 20:00:00.000Z\","
		      "\"duration_s\":7200,\"is_preparatory_action\":false,\"battery_commands\":{\"mode\":\"DISCHARGE\","
		      "\"power_mode\":\"SETPOINT\",\"setpoint_w\":4000,\"enable_grid_import\":false,"
		      "\"backup_reserve_percentage\":20},\"status\":\"OK\",\"device_status\":\"PENDING\","
		      "\"device_status_reason\":null,\"created_at\":\"2026-01-15T12:00:00.000Z\","
		      "\"updated_at\":\"2026-01-15T12:00:00.000Z\"}}");
	free(text);
}

static void test_nulls(void **state)
{
	struct flip_message m = COMMAND;
	char *text;

	(void)state;
	m.event_id[0] = m.power_mode[0] = '\0';
	m.has_setpoint = false;
	m.reserve_pct = m.grid_import = -1;
	m.ends_utc_ms = 0;
	text = flip_message_body(&m);
	assert_non_null(strstr(text, "\"event_id\":null"));
	assert_non_null(strstr(text, "\"ends_at\":null,\"duration_s\":null"));
	assert_non_null(strstr(text, "\"power_mode\":null,\"setpoint_w\":null,\"enable_grid_import\":null,"
				     "\"backup_reserve_percentage\":null"));
	free(text);
}

static void test_event(void **state)
{
	struct flip_message m = COMMAND;
	char *text;

	(void)state;
	snprintf(m.event_type, sizeof(m.event_type), "event.created");
	text = flip_message_body(&m);
	assert_non_null(strstr(text, "\"object_type\":\"event\",\"id\":\"7d2a4c0e-54b6-4a13-8a5c-0a8a0e0f4b77\""));
	assert_non_null(strstr(text, "\"status\":\"UPCOMING\",\"is_participating\":true"));
	assert_null(strstr(text, "battery_commands"));
	free(text);
}

static void test_wrapped(void **state)
{
	char *text = flip_message_wrap("{\"a\":\"b\"}", "msg_1", "1768478400", "v1,abc=");

	(void)state;
	assert_string_equal(text, "{\"headers\":{\"webhook-id\":\"msg_1\",\"webhook-timestamp\":\"1768478400\","
				  "\"webhook-signature\":\"v1,abc=\"},\"body\":\"{\\\"a\\\":\\\"b\\\"}\"}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_wrapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
