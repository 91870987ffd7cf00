/* See envelope.h. */
#include "flow/cloud/envelope.h"

#include "cloud/flip.h"
#include "io/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WRAPPED_MAX (2 * FLIP_BODY_MAX + 8192) /* escaping may double a body */

static int take(const char *name, const char *value, char *out, size_t size, struct errbuf *err)
{
	if (!value || !value[0])
		return errbuf_set(err, -EINVAL, "no %s", name);
	if (strlen(value) >= size)
		return errbuf_set(err, -EINVAL, "%s: %zu characters, at most %zu", name, strlen(value), size - 1);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int take_headers(struct envelope *e, const char *id, const char *timestamp, const char *signature, struct errbuf *err)
{
	char *end;
	long long s;
	int r;

	if ((r = take("webhook-id", id, e->id, sizeof(e->id), err)) < 0 ||
	    (r = take("webhook-timestamp", timestamp, e->timestamp, sizeof(e->timestamp), err)) < 0 ||
	    (r = take("webhook-signature", signature, e->signature, sizeof(e->signature), err)) < 0)
		return r;
	for (const char *p = e->id; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return errbuf_set(err, -EINVAL, "webhook-id: a character that cannot be in an id");
	s = strtoll(e->timestamp, &end, 10);
	if (*end || e->timestamp[0] < '0' || e->timestamp[0] > '9' || s <= 0 || s > 7258118400LL)
		return errbuf_set(err, -EINVAL, "webhook-timestamp: '%s' is not in Unix seconds", e->timestamp);
	e->timestamp_utc_ms = s * 1000;
	return 0;
}

/* Header names do not mind their case. */
static const char *header(const cJSON *headers, const char *name)
{
	const cJSON *h;

	cJSON_ArrayForEach(h, headers) {
		if (h->string && !strcasecmp(h->string, name))
			return cJSON_IsString(h) ? h->valuestring : NULL;
	}
	return NULL;
}

static int open_wrapped(const struct mqtt_message *m, struct envelope *e, struct errbuf *err)
{
	const cJSON *headers, *body;

	e->wrapped = json_parse(m->payload, m->len, WRAPPED_MAX, FLIP_DEPTH_MAX, err);
	if (!e->wrapped)
		return m->len > WRAPPED_MAX ? -E2BIG : -EINVAL;
	headers = cJSON_GetObjectItemCaseSensitive(e->wrapped, "headers");
	body = cJSON_GetObjectItemCaseSensitive(e->wrapped, "body");
	if (!cJSON_IsObject(headers) || !cJSON_IsString(body))
		return errbuf_set(err, -EINVAL, "neither webhook user properties nor the wrapped form {headers, body}");
	e->body = body->valuestring;
	e->len = strlen(e->body);
	return take_headers(e, header(headers, "webhook-id"), header(headers, "webhook-timestamp"), header(headers, "webhook-signature"),
			    err);
}

int envelope_open(const struct mqtt_message *m, struct envelope *out, struct errbuf *err)
{
	char *id, *timestamp, *signature;
	int r;

	memset(out, 0, sizeof(*out));
	if (m->len > WRAPPED_MAX)
		return errbuf_set(err, -E2BIG, "message of %zu bytes, at most %d are taken", m->len, FLIP_BODY_MAX);
	id = mqtt_user_property(m, "webhook-id");
	timestamp = mqtt_user_property(m, "webhook-timestamp");
	signature = mqtt_user_property(m, "webhook-signature");
	if (!id && !timestamp && !signature) {
		r = open_wrapped(m, out, err);
	} else {
		out->body = m->payload;
		out->len = m->len;
		r = take_headers(out, id, timestamp, signature, err);
	}
	free(id);
	free(timestamp);
	free(signature);
	if (r == 0 && out->len > FLIP_BODY_MAX)
		r = errbuf_set(err, -E2BIG, "body of %zu bytes, at most %d are taken", out->len, FLIP_BODY_MAX);
	return r;
}

void envelope_close(struct envelope *e)
{
	cJSON_Delete(e->wrapped);
	memset(e, 0, sizeof(*e));
}

int envelope_verify(const struct envelope *e, const char *const *keys, int n_keys, bool legacy, struct errbuf *err)
{
	char written[64];
	enum webhook_verdict v;

	if (n_keys < 1)
		return errbuf_set(err, -EPERM, "no signing key is configured (flip-webhook-key)");
	v = crypto_webhook_verify(keys, n_keys, e->id, e->timestamp, e->body, e->len, e->signature);
	if (v == WEBHOOK_BAD_SIGNATURE && legacy && flip_envelope_timestamp(e->body, e->len, written, sizeof(written)) == 0)
		v = crypto_webhook_verify(keys, n_keys, e->id, written, e->body, e->len, e->signature);
	switch (v) {
	case WEBHOOK_OK:
		return 0;
	case WEBHOOK_BAD_KEY:
		return errbuf_set(err, -EPERM, "our signing key cannot be read");
	case WEBHOOK_MALFORMED:
		return errbuf_set(err, -EPERM, "malformed signature header");
	case WEBHOOK_BAD_SIGNATURE:
		return errbuf_set(err, -EPERM, "signature does not match");
	}
	return errbuf_set(err, -EPERM, "signature does not match");
}
