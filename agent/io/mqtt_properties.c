/* See mqtt_properties.h. */
#include "io/mqtt_properties.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_MAX (1024 * 1024)  /* larger ones the broker must not send us */

int mqtt_errno(int rc)
{
	switch (rc) {
	case MOSQ_ERR_SUCCESS:
		return 0;
	case MOSQ_ERR_NO_CONN:
	case MOSQ_ERR_CONN_LOST:
	case MOSQ_ERR_CONN_REFUSED:
	case MOSQ_ERR_ERRNO:
		return -ENOTCONN;
	case MOSQ_ERR_NOMEM:
		return -ENOMEM;
	case MOSQ_ERR_PAYLOAD_SIZE:
	case MOSQ_ERR_OVERSIZE_PACKET:
		return -EMSGSIZE;
	default: /* the library's enum grows with its versions; the rest are faults of the call */
		return -EINVAL;
	}
}

int mqtt_properties_make(mosquitto_property **list, const struct mqtt_publish_extra *x)
{
	int rc = 0;

	if (x->response_topic)
		rc = mosquitto_property_add_string(list, MQTT_PROP_RESPONSE_TOPIC, x->response_topic);
	if (!rc && x->correlation && x->correlation_len > UINT16_MAX)
		rc = MOSQ_ERR_INVAL;
	if (!rc && x->correlation)
		rc = mosquitto_property_add_binary(list, MQTT_PROP_CORRELATION_DATA, x->correlation, (uint16_t)x->correlation_len);
	if (!rc && x->expiry_s)
		rc = mosquitto_property_add_int32(list, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, x->expiry_s);
	for (int i = 0; !rc && i < x->n_user; i++)
		rc = mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, x->user_name[i], x->user_value[i]);
	return rc;
}

void mqtt_message_deliver(const struct mosquitto_message *in, const mosquitto_property *properties,
			  const struct mqtt_callbacks *cb)
{
	struct mqtt_message out = { .topic = in->topic,
				    .payload = in->payload ? in->payload : "",
				    .len = (size_t)in->payloadlen,
				    .qos = in->qos,
				    .retained = in->retain,
				    .expiry_s = -1,
				    .properties = properties };
	char *response = NULL;
	void *correlation = NULL;
	uint16_t correlation_len = 0;
	uint32_t expiry;

	mosquitto_property_read_string(properties, MQTT_PROP_RESPONSE_TOPIC, &response, false);
	mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &correlation, &correlation_len, false);
	if (mosquitto_property_read_int32(properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, &expiry, false))
		out.expiry_s = expiry;
	out.response_topic = response;
	out.correlation = correlation;
	out.correlation_len = correlation_len;
	cb->message(cb->context, &out);
	free(response);
	free(correlation);
}

char *mqtt_user_property(const struct mqtt_message *in, const char *name)
{
	const mosquitto_property *p = in->properties;
	char *key = NULL, *value = NULL;
	bool skip = false;

	while ((p = mosquitto_property_read_string_pair(p, MQTT_PROP_USER_PROPERTY, &key, &value, skip))) {
		bool found = key && !strcmp(key, name);

		free(key);
		if (found)
			return value;
		free(value);
		key = value = NULL;
		skip = true;
	}
	return NULL;
}

/* Session expiry and packet size travel as CONNECT properties, which the library's asynchronous connect cannot take. It
 * keeps those of an earlier call, so that one goes to a path where nothing can be. */
static int connect_properties_set(struct mosquitto *mosq, const struct mqtt_options *o, int keepalive_s)
{
	mosquitto_property *list = NULL;
	int rc = mosquitto_property_add_int32(&list, MQTT_PROP_MAXIMUM_PACKET_SIZE, PACKET_MAX);

	if (!rc && !o->clean_start)
		rc = mosquitto_property_add_int32(&list, MQTT_PROP_SESSION_EXPIRY_INTERVAL, o->session_expiry_s);
	if (!rc)
		mosquitto_connect_bind_v5(mosq, "/dev/null/none", 0, keepalive_s, NULL, list);
	mosquitto_property_free_all(&list);
	return rc;
}

int mqtt_options_apply(struct mosquitto *mosq, const struct mqtt_options *o, int keepalive_s, struct errbuf *err)
{
	int rc = mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);

	if (!rc)
		rc = mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1);
	if (!rc && o->username && o->username[0])
		rc = mosquitto_username_pw_set(mosq, o->username, o->password);
	if (!rc && o->will_topic)
		rc = mosquitto_will_set_v5(mosq, o->will_topic, o->will_payload ? (int)strlen(o->will_payload) : 0,
					   o->will_payload, 1, true, NULL);
	if (!rc)
		rc = connect_properties_set(mosq, o, keepalive_s);
	if (rc)
		return errbuf_set(err, mqtt_errno(rc), "mqtt: %s", mosquitto_strerror(rc));
	if (!o->ca_file || !o->ca_file[0])
		return 0;
	rc = mosquitto_tls_set(mosq, o->ca_file, NULL, o->cert_file && o->cert_file[0] ? o->cert_file : NULL,
			       o->key_file && o->key_file[0] ? o->key_file : NULL, NULL);
	if (rc)
		return errbuf_set(err, mqtt_errno(rc), "mqtt: TLS files (%s): %s", o->ca_file,
				  rc == MOSQ_ERR_INVAL ? "not readable, or a certificate without its key" : mosquitto_strerror(rc));
	return 0;
}
