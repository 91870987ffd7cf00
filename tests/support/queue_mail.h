/* What goes between the hub of queue_kit.h and the operator's cloud: signed commands in, rows out, answers. */
#ifndef HEARTH_TESTS_QUEUE_MAIL_H
#define HEARTH_TESTS_QUEUE_MAIL_H

#include "support/queue_kit.h"

static inline const char *command_body(const char *id, const char *status, int64_t updated_s)
{
	static char text[2048];

	snprintf(text, sizeof(text), "{\"event_type\":\"command.created\",\"event_object\":{\"object_type\":\"command\",\"id\":\"%s\","
		 "\"event_id\":\"ev-1\",\"device_id\":\"bat-0042-1\",\"starts_at\":\"2026-01-15T13:00:00Z\",\"ends_at\":\"2026-01-15T14:00:00Z\","
		 "\"battery_commands\":{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\",\"setpoint_w\":4000},\"status\":\"%s\","
		 "\"device_status\":\"PENDING\",\"created_at\":\"2026-01-15T11:00:00Z\",\"updated_at\":\"2026-01-15T11:00:%02dZ\"}}",
		 id, status, (int)updated_s);
	return text;
}

static inline void deliver(const char *topic, const char *payload, size_t len)
{
	char full[128];
	struct mqtt_message m = { .topic = full, .payload = payload, .len = len, .qos = 1, .expiry_s = -1 };

	snprintf(full, sizeof(full), "hearth/1/home/%s", topic);
	broker.cb.message(broker.cb.context, &m);
	headers[0] = headers[1] = headers[2] = NULL;
}

/* As the operator's cloud would send it; @wrapped for bridges that drop user properties. */
static inline void post(const char *webhook_id, const char *body, int64_t at_utc_ms, bool wrapped)
{
	char timestamp[24], signature[128];

	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(at_utc_ms / 1000));
	assert_int_equal(crypto_webhook_sign(KEY, webhook_id, timestamp, body, strlen(body), signature, sizeof(signature)), 0);
	if (wrapped) {
		AUTO_JSON *o = cJSON_CreateObject();
		AUTO_TEXT *text = NULL;
		cJSON *h = cJSON_AddObjectToObject(o, "headers");

		cJSON_AddStringToObject(h, "Webhook-Id", webhook_id);
		cJSON_AddStringToObject(h, "WEBHOOK-TIMESTAMP", timestamp);
		cJSON_AddStringToObject(h, "webhook-signature", signature);
		cJSON_AddStringToObject(o, "body", body);
		text = cJSON_PrintUnformatted(o);
		deliver("flip/in", text, strlen(text));
		return;
	}
	headers[0] = webhook_id;
	headers[1] = timestamp;
	headers[2] = signature;
	deliver("flip/in", body, strlen(body));
}

/* The last publish on a topic, or NULL. */
static inline const char *out(const char *topic)
{
	char full[128];

	snprintf(full, sizeof(full), "hearth/1/home/flip/out/%s", topic);
	for (int i = n_out - 1; i >= 0; i--)
		if (!strcmp(topics[i], full))
			return payloads[i];
	return NULL;
}

static inline void answer(const char *row, int status)
{
	AUTO_JSON *o = cJSON_Parse(row);
	char id[64], text[160];

	assert_int_equal(json_get_text(o, "message_id", id, sizeof(id), NULL), 1);
	snprintf(text, sizeof(text), "{\"message_id\":\"%s\",\"status\":%d,\"body\":{\"detail\":\"x\"}}", id, status);
	deliver("flip/ack", text, strlen(text));
}

#endif
