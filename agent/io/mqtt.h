/* One MQTT 5 client on the loop (libmosquitto with its external loop on uv_poll). Reconnects for ever with jittered
 * back-off; never waits. Topics and payloads are copied where kept. */
#ifndef HEARTH_IO_MQTT_H
#define HEARTH_IO_MQTT_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define MQTT_TOPIC_MAX 256
#define MQTT_CORRELATION_MAX 128

struct mqtt; /* opaque */

struct mqtt_options {
	const char *host;         /* name, address, or an absolute path of a Unix socket */
	int port;
	const char *username;     /* NULL or "" = none */
	const char *password;     /* NULL = none */
	const char *ca_file, *cert_file, *key_file; /* NULL = no TLS */
	const char *client_id;    /* NULL = made up by the broker */
	bool clean_start;         /* false keeps a session: session_expiry_s then applies */
	uint32_t session_expiry_s;
	const char *will_topic, *will_payload; /* retained, QoS 1; NULL = none */
	int keepalive_s;          /* 0 = 20 */
};

struct mqtt_message {
	const char *topic;
	const char *payload;      /* not NUL-terminated */
	size_t len;
	int qos;
	bool retained;            /* with retain-as-published: as the publisher set it */
	const char *response_topic; /* NULL = none */
	const void *correlation;
	size_t correlation_len;
	int64_t expiry_s;         /* message expiry left, -1 = none */
	const void *properties;   /* for mqtt_user_property */
};

struct mqtt_callbacks {
	void (*connected)(void *context, bool session_present); /* after each connect; subscribe here */
	void (*disconnected)(void *context, const char *reason);
	void (*message)(void *context, const struct mqtt_message *m); /* m lives for the call */
	void *context;
};

int mqtt_open(struct mqtt **out, uv_loop_t *loop, const struct mqtt_options *options, const struct mqtt_callbacks *cb,
	      struct errbuf *err);

/** Retain-as-published subscription. Returns 0 or negative errno. */
int mqtt_subscribe(struct mqtt *m, const char *filter, int qos);
int mqtt_unsubscribe(struct mqtt *m, const char *filter);

/** Extra properties of a publish; all optional. */
struct mqtt_publish_extra {
	const char *response_topic;
	const void *correlation;
	size_t correlation_len;
	uint32_t expiry_s;                  /* 0 = none */
	int n_user;                         /* user properties */
	const char *user_name[4], *user_value[4];
};

/**
 * Publishes now, or returns -ENOTCONN while the link is down (or @m is NULL) (state is published again after connecting; promises wait
 * in the outbox, never here), -ENOBUFS when the broker stopped reading, -EINVAL, -EMSGSIZE. payload NULL with len 0 clears a retained topic. @extra may be NULL.
 */
int mqtt_publish(struct mqtt *m, const char *topic, const char *payload, size_t len, int qos, bool retain,
		 const struct mqtt_publish_extra *extra);

/** Value of a user property of a received message, or NULL. Freed by the caller with free(). */
char *mqtt_user_property(const struct mqtt_message *m, const char *name);

bool mqtt_is_connected(const struct mqtt *m);

/** Sends a clean DISCONNECT after flushing what is queued (bounded by 500 ms), closes handles, frees when the loop has run
 *  once more. NULL is fine. Not from inside `connected` or `message`. */
void mqtt_close(struct mqtt *m);

#endif
