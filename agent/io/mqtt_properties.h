/* MQTT 5 properties, options and codes of libmosquitto, in the words of mqtt.h. For mqtt.c only. */
#ifndef HEARTH_IO_MQTT_PROPERTIES_H
#define HEARTH_IO_MQTT_PROPERTIES_H

#include "io/mqtt.h"

#include <mosquitto.h>

/** Negative errno of a libmosquitto code; -ENOTCONN for all that mean "no link". */
int mqtt_errno(int rc);

/** Appends to *list, which the caller frees in any case. Returns a libmosquitto code. */
int mqtt_properties_make(mosquitto_property **list, const struct mqtt_publish_extra *x);

/** Hands a received message to cb->message, which must be set. */
void mqtt_message_deliver(const struct mosquitto_message *in, const mosquitto_property *properties,
			  const struct mqtt_callbacks *cb);

/** Protocol version, account, will, TLS and the properties of every later CONNECT. 0 or negative errno. */
int mqtt_options_apply(struct mosquitto *mosq, const struct mqtt_options *o, int keepalive_s, struct errbuf *err);

#endif
