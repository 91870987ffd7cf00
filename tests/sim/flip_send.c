/* One MQTT 5 publish, synchronously: see flip_send.h. */
#include "sim/flip_send.h"

#include "io/loop.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <string.h>

struct session {
	int connected; /* 1 = yes, -1 = refused */
	int acked;     /* 1 = yes, -1 = refused */
	int reason;
};

static void on_connect(struct mosquitto *m, void *context, int reason, int flags, const mosquitto_property *props)
{
	struct session *s = context;

	(void)m, (void)flags, (void)props;
	s->connected = reason == 0 ? 1 : -1;
	s->reason = reason;
}

static void on_publish(struct mosquitto *m, void *context, int mid, int reason, const mosquitto_property *props)
{
	struct session *s = context;

	(void)m, (void)mid, (void)props;
	s->acked = reason < 128 ? 1 : -1;
	s->reason = reason;
}

/* Runs the client until *flag is set; 0 or negative errno. */
static int run_until(struct mosquitto *m, const int *flag, int64_t deadline_ms)
{
	while (*flag == 0) {
		if (loop_now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		if (mosquitto_loop(m, 50, 1) != MOSQ_ERR_SUCCESS && *flag == 0)
			return -ECONNRESET;
	}
	return 0;
}

static int publish(struct mosquitto *m, const struct flip_send *f)
{
	mosquitto_property *props = NULL;
	int e;

	if (f->properties) {
		mosquitto_property_add_string_pair(&props, MQTT_PROP_USER_PROPERTY, "webhook-id", f->webhook_id);
		mosquitto_property_add_string_pair(&props, MQTT_PROP_USER_PROPERTY, "webhook-timestamp", f->timestamp);
		mosquitto_property_add_string_pair(&props, MQTT_PROP_USER_PROPERTY, "webhook-signature", f->signature);
	}
	e = mosquitto_publish_v5(m, NULL, f->topic, (int)strlen(f->payload), f->payload, 1, f->retain, props);
	mosquitto_property_free_all(&props);
	return e;
}

static int converse(struct mosquitto *m, const struct flip_send *f, struct session *s, struct errbuf *err)
{
	int64_t deadline_ms;
	int e;

	if (mosquitto_connect_bind_v5(m, f->host, f->port, 10, NULL, NULL))
		return errbuf_set(err, -ECONNREFUSED, "broker %s:%d cannot be reached", f->host, f->port);
	deadline_ms = loop_now_ms() + f->timeout_ms;
	e = run_until(m, &s->connected, deadline_ms);
	if (e || s->connected < 0)
		return errbuf_set(err, e ? e : -EACCES, "broker refused the connection (%s)",
				  e ? "no answer" : mosquitto_reason_string(s->reason));
	e = publish(m, f);
	if (e)
		return errbuf_set(err, -EINVAL, "cannot publish on '%s': %s", f->topic, mosquitto_strerror(e));
	e = run_until(m, &s->acked, deadline_ms);
	if (e || s->acked < 0)
		return errbuf_set(err, e ? e : -EACCES, "broker did not take the message (%s)",
				  e ? "no receipt" : mosquitto_reason_string(s->reason));
	return 0;
}

int flip_send(const struct flip_send *f, struct errbuf *err)
{
	struct session s = { 0 };
	struct mosquitto *m = mosquitto_new(NULL, true, &s);
	int e;

	if (!m)
		return errbuf_set(err, -ENOMEM, "no memory for an MQTT client");
	mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
	mosquitto_connect_v5_callback_set(m, on_connect);
	mosquitto_publish_v5_callback_set(m, on_publish);
	if (f->username[0])
		mosquitto_username_pw_set(m, f->username, f->password[0] ? f->password : NULL);
	e = converse(m, f, &s, err);
	mosquitto_disconnect(m);
	mosquitto_loop(m, 0, 1);
	mosquitto_destroy(m);
	return e;
}
