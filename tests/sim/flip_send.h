/* Publishes one signed Flip message and waits for the broker's receipt, on a thread of libuv's pool: a broker that does
 * not answer must not stop the simulated devices. */
#ifndef HEARTH_SIM_FLIP_SEND_H
#define HEARTH_SIM_FLIP_SEND_H

#include "core/err.h"

#include <stdbool.h>

struct flip_send {
	char host[128];
	int port;
	char username[64], password[128]; /* "" = none */
	char topic[256];
	char *payload; /* owned by the caller */
	bool retain;
	bool properties; /* the three headers go as MQTT 5 user properties */
	char webhook_id[80], timestamp[24], signature[128];
	int timeout_ms;
};

/** Blocking, at most timeout_ms after the connect. 0 when the broker acknowledged, else negative errno and the reason. */
int flip_send(const struct flip_send *f, struct errbuf *err);

#endif
