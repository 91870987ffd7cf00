/* From an MQTT message on R/flip/in to a verified webhook body: headers as user properties or in the wrapped form, size
 * limits, signature. Nothing of the body is believed here. */
#ifndef HEARTH_FLOW_CLOUD_ENVELOPE_H
#define HEARTH_FLOW_CLOUD_ENVELOPE_H

#include "core/err.h"
#include "core/json.h"
#include "io/mqtt.h"
#include "io/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct envelope {
	char id[STORE_KEY_MAX];    /* webhook-id, at most 127 characters */
	char timestamp[24];        /* webhook-timestamp: Unix seconds as written */
	char signature[1024];
	int64_t timestamp_utc_ms;
	const char *body;          /* the bytes that were signed; inside the message or of @wrapped */
	size_t len;
	cJSON *wrapped;            /* owned; NULL with user properties */
};

/** Takes a message apart. 0, -E2BIG, -EINVAL explained. The message must outlive the envelope; close it in any case. */
int envelope_open(const struct mqtt_message *m, struct envelope *out, struct errbuf *err);
void envelope_close(struct envelope *e);

/** Checks the signature. @legacy also accepts the OLDER form, signed over the body's own timestamp. 0 or -EPERM explained. */
int envelope_verify(const struct envelope *e, const char *const *keys, int n_keys, bool legacy, struct errbuf *err);

#endif
