/* A broker in memory: what is published is kept, what is delivered comes from the test. Include it in one test file; it
 * takes the place of io/mqtt.c. */
#ifndef HEARTH_TESTS_FAKE_BROKER_H
#define HEARTH_TESTS_FAKE_BROKER_H

#include "io/mqtt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct mqtt { struct mqtt_callbacks cb; struct mqtt_options o; };
static struct mqtt broker;
static char topics[64][128], payloads[64][1024];
static int n_out;
static bool broker_refuses; /* publishes, as when congested */
static const char *headers[3]; /* of the message being delivered; NULL = none */

int mqtt_open(struct mqtt **out, uv_loop_t *loop, const struct mqtt_options *options, const struct mqtt_callbacks *cb,
	      struct errbuf *err)
{
	(void)loop;
	(void)err;
	broker.cb = *cb;
	broker.o = *options;
	*out = &broker;
	return 0;
}

int mqtt_subscribe(struct mqtt *m, const char *filter, int qos)
{
	(void)m;
	(void)filter;
	assert_int_equal(qos, 1);
	return 0;
}

int mqtt_unsubscribe(struct mqtt *m, const char *filter)
{
	(void)m;
	(void)filter;
	return 0;
}

int mqtt_publish(struct mqtt *m, const char *topic, const char *payload, size_t len, int qos, bool retain,
		 const struct mqtt_publish_extra *extra)
{
	(void)m;
	(void)extra;
	assert_int_equal(qos, 1);
	assert_false(retain);
	if (broker_refuses)
		return -EAGAIN;
	snprintf(topics[n_out], sizeof(topics[0]), "%s", topic);
	snprintf(payloads[n_out++], sizeof(payloads[0]), "%.*s", (int)len, payload);
	return 0;
}

char *mqtt_user_property(const struct mqtt_message *m, const char *name)
{
	static const char *const NAMES[] = { "webhook-id", "webhook-timestamp", "webhook-signature" };

	(void)m;
	for (int i = 0; i < 3; i++)
		if (!strcmp(NAMES[i], name) && headers[i])
			return strdup(headers[i]);
	return NULL;
}

bool mqtt_is_connected(const struct mqtt *m)
{
	return m == &broker;
}

void mqtt_close(struct mqtt *m)
{
	if (m)
		m->cb.disconnected(m->cb.context, "closed");
}

#endif
