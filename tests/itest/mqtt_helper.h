/* What the tests of the MQTT link share: a broker, a loop whose lateness is measured, clients that note what they see. */
#ifndef TESTS_ITEST_MQTT_HELPER_H
#define TESTS_ITEST_MQTT_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <cmocka.h>

#include "io/log.h"
#include "io/mqtt.h"
#include "itest/slow.h"
#include "support/broker.h"

#define MARK "mark/of/the/test" /* what a client says to itself */

struct seen {
	int connected, disconnected, messages, marks;
	bool session_present;
	char reason[200];
	char topic[MQTT_TOPIC_MAX], payload[256], response[128], correlation[64], user[64];
	size_t len;
	int64_t expiry_s;
	int qos;
	bool retained;
};

static struct broker broker;
static uv_loop_t loop;
static uv_timer_t ticker;
static uint64_t last_tick, last_waited, late_max;

/* How long the loop stood between two ticks, ms, but for what the machine gave to others. */
static inline void on_tick(uv_timer_t *t)
{
	uint64_t now = uv_hrtime(), waited = processor_waited_ns(), others = waited - last_waited, passed = now - last_tick;

	(void)t;
	if (last_tick && passed > others && (passed - others) / 1000000 > late_max)
		late_max = (passed - others) / 1000000;
	last_tick = now;
	last_waited = waited;
}

static inline void connected(void *context, bool session_present)
{
	struct seen *s = context;

	s->connected++;
	s->session_present = session_present;
}

static inline void disconnected(void *context, const char *reason)
{
	struct seen *s = context;

	s->disconnected++;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

static inline void message(void *context, const struct mqtt_message *m)
{
	struct seen *s = context;
	char *user;

	if (!strcmp(m->topic, MARK)) {
		s->marks++;
		return;
	}
	user = mqtt_user_property(m, "webhook-id");
	s->messages++;
	snprintf(s->topic, sizeof(s->topic), "%s", m->topic);
	snprintf(s->payload, sizeof(s->payload), "%.*s", (int)(m->len < 255 ? m->len : 255), m->payload);
	snprintf(s->response, sizeof(s->response), "%s", m->response_topic ? m->response_topic : "");
	snprintf(s->correlation, sizeof(s->correlation), "%.*s", (int)m->correlation_len,
		 m->correlation ? (const char *)m->correlation : "");
	snprintf(s->user, sizeof(s->user), "%s", user ? user : "");
	free(user);
	s->len = m->len;
	s->qos = m->qos;
	s->retained = m->retained;
	s->expiry_s = m->expiry_s;
}

static inline struct mqtt *client(struct seen *s, struct mqtt_options o)
{
	struct mqtt_callbacks cb = { connected, disconnected, message, s };
	struct errbuf err = { "" };
	struct mqtt *m = NULL;

	memset(s, 0, sizeof(*s));
	if (!o.host) {
		o.host = "127.0.0.1";
		o.port = broker.port;
	}
	if (!o.client_id)
		o.clean_start = true;
	if (mqtt_open(&m, &loop, &o, &cb, &err))
		fail_msg("mqtt_open: %s", err.text);
	return m;
}

static inline void run_ms(int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < until)
		uv_run(&loop, UV_RUN_ONCE);
}

/* Runs the loop until *what reaches n; the ticker keeps it turning. */
static inline void until_at_least(const int *what, int n, int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)slow_ms(2 * ms) * 1000000;

	while (*what < n && uv_hrtime() < until)
		uv_run(&loop, UV_RUN_ONCE);
	if (*what < n)
		fail_msg("waited %d ms in vain (%d of %d)", slow_ms(2 * ms), *what, n);
}

/* Until the broker has dealt with all that this client has sent, and what it had for the client is here. */
static inline void settle(struct mqtt *m, struct seen *s)
{
	const int n = s->marks;

	assert_int_equal(mqtt_subscribe(m, MARK, 1), 0);
	assert_int_equal(mqtt_publish(m, MARK, "1", 1, 1, false, NULL), 0);
	until_at_least(&s->marks, n + 1, 5000);
}

static inline void subscribe(struct mqtt *m, struct seen *s, const char *topic, int qos)
{
	assert_int_equal(mqtt_subscribe(m, topic, qos), 0);
	settle(m, s);
}

static inline int group_setup(void **state)
{
	(void)state;
	log_open("itest", LOG_LEVEL_ERROR);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &ticker);
	uv_timer_start(&ticker, on_tick, 5, 5);
	return broker_start(&broker, NULL);
}

static inline int group_teardown(void **state)
{
	(void)state;
	broker_deinit(&broker);
	uv_close((uv_handle_t *)&ticker, NULL);
	for (int i = 0; i < 100; i++)
		uv_run(&loop, UV_RUN_NOWAIT); /* not DEFAULT: a failed test leaves its clients */
	return uv_loop_close(&loop); /* -EBUSY if a handle was left behind */
}

#endif
