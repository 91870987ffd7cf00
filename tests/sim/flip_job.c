/* Flip command from the control port: see flip_job.h. The thread pool gets a copy of everything; nothing is shared. */
#include "sim/flip_job.h"

#include "core/json.h"
#include "io/crypto.h"
#include "io/loop.h"
#include "sim/control.h"
#include "sim/flip_message.h"
#include "sim/flip_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flip_job {
	uv_work_t work;
	struct control_client *client;
	unsigned serial;
	struct flip_message message;
	struct flip_send send;
	char key[128];
	struct errbuf err;
	int result;
};

static void job_free(struct flip_job *j)
{
	free(j->send.payload);
	free(j);
}

static int take_addressee(struct flip_send *f, const cJSON *q, struct flip_message *m, struct errbuf *err)
{
	char root[64] = "hearth/1";
	int64_t port = 1883;

	snprintf(f->host, sizeof(f->host), "127.0.0.1");
	snprintf(m->site, sizeof(m->site), "home-0042");
	f->timeout_ms = 5000;
	if (json_get_text(q, "mqtt_host", f->host, sizeof(f->host), err) < 0 ||
	    json_get_int(q, "mqtt_port", 1, 65535, &port, err) < 0 ||
	    json_get_text(q, "mqtt_user", f->username, sizeof(f->username), err) < 0 ||
	    json_get_text(q, "mqtt_password", f->password, sizeof(f->password), err) < 0 ||
	    json_get_text(q, "root", root, sizeof(root), err) < 0 ||
	    json_get_text(q, "site", m->site, sizeof(m->site), err) < 0 || json_get_bool(q, "retain", &f->retain, err) < 0)
		return -EINVAL;
	f->port = (int)port;
	snprintf(f->topic, sizeof(f->topic), "%s/%s/flip/in", root, m->site);
	return 0;
}

static int take_window(struct flip_message *m, const cJSON *q, struct errbuf *err)
{
	double starts_in_s = 0, duration_s = 60;
	const cJSON *duration = cJSON_GetObjectItemCaseSensitive(q, "duration_s");

	if (json_get_number(q, "starts_in_s", -1e7, 1e7, &starts_in_s, err) < 0 ||
	    json_get_number(q, "duration_s", -1e7, 1e7, &duration_s, err) < 0)
		return -EINVAL;
	m->now_utc_ms = loop_utc_ms();
	m->starts_utc_ms = m->now_utc_ms + (int64_t)(starts_in_s * 1000);
	m->ends_utc_ms = cJSON_IsNull(duration) ? 0 : m->starts_utc_ms + (int64_t)(duration_s * 1000);
	return 0;
}

static int take_message(struct flip_message *m, const cJSON *q, struct errbuf *err)
{
	int64_t reserve = -1;
	bool import = false;
	int has_setpoint, has_import;

	snprintf(m->event_type, sizeof(m->event_type), "command.created");
	snprintf(m->device_id, sizeof(m->device_id), "bat-0042-1");
	snprintf(m->mode, sizeof(m->mode), "DISCHARGE");
	crypto_uuid(m->id);
	crypto_uuid(m->event_id);
	crypto_uuid(m->program_id);
	if (take_window(m, q, err) < 0 || json_get_text(q, "event_type", m->event_type, sizeof(m->event_type), err) < 0 ||
	    json_get_text(q, "id", m->id, sizeof(m->id), err) < 0 ||
	    json_get_text(q, "event_id", m->event_id, sizeof(m->event_id), err) < 0 ||
	    json_get_text(q, "program_id", m->program_id, sizeof(m->program_id), err) < 0 ||
	    json_get_text(q, "device_id", m->device_id, sizeof(m->device_id), err) < 0 ||
	    json_get_text(q, "mode", m->mode, sizeof(m->mode), err) < 0 ||
	    json_get_text(q, "power_mode", m->power_mode, sizeof(m->power_mode), err) < 0 ||
	    json_get_text(q, "status", m->status, sizeof(m->status), err) < 0 ||
	    json_get_int(q, "reserve_pct", -1, 1000, &reserve, err) < 0 ||
	    json_get_bool(q, "preparatory", &m->preparatory, err) < 0)
		return -EINVAL;
	has_setpoint = json_get_number(q, "setpoint_w", -1e9, 1e9, &m->setpoint_w, err);
	has_import = json_get_bool(q, "grid_import", &import, err);
	if (has_setpoint < 0 || has_import < 0)
		return -EINVAL;
	m->has_setpoint = has_setpoint == 1;
	m->grid_import = has_import == 1 ? import : -1;
	m->reserve_pct = (int)reserve;
	return 0;
}

/* Builds and signs. "body", "webhook_id", "timestamp" and "signature" may be given to make forgeries. */
static int sign(struct flip_job *j, const cJSON *q, struct errbuf *err)
{
	struct flip_send *f = &j->send;
	const cJSON *given = cJSON_GetObjectItemCaseSensitive(q, "body");
	char uuid[37], *body, *wrapped;
	bool wrap = false;

	crypto_uuid(uuid);
	snprintf(f->webhook_id, sizeof(f->webhook_id), "msg_%s", uuid);
	snprintf(f->timestamp, sizeof(f->timestamp), "%lld", (long long)(j->message.now_utc_ms / 1000));
	if (json_get_text(q, "webhook_id", f->webhook_id, sizeof(f->webhook_id), err) < 0 ||
	    json_get_text(q, "timestamp", f->timestamp, sizeof(f->timestamp), err) < 0 ||
	    json_get_bool(q, "wrapped", &wrap, err) < 0)
		return -EINVAL;
	body = cJSON_IsString(given) ? strdup(given->valuestring) : flip_message_body(&j->message);
	if (!body)
		return errbuf_set(err, -ENOMEM, "no memory");
	f->payload = body;
	if (crypto_webhook_sign(j->key, f->webhook_id, f->timestamp, body, strlen(body), f->signature,
				sizeof(f->signature)) < 0)
		return errbuf_set(err, -EINVAL, "key is not a whsec_ key");
	if (json_get_text(q, "signature", f->signature, sizeof(f->signature), err) < 0)
		return -EINVAL;
	f->properties = !wrap;
	if (!wrap)
		return 0;
	wrapped = flip_message_wrap(body, f->webhook_id, f->timestamp, f->signature);
	free(body);
	f->payload = wrapped;
	return wrapped ? 0 : errbuf_set(err, -ENOMEM, "no memory");
}

static void job_run(uv_work_t *work)
{
	struct flip_job *j = work->data;

	j->result = flip_send(&j->send, &j->err);
}

static void job_done(uv_work_t *work, int status)
{
	struct flip_job *j = work->data;
	cJSON *o = cJSON_CreateObject();

	if (status < 0 || j->result < 0) {
		cJSON_AddStringToObject(o, "error", status < 0 ? uv_strerror(status) : j->err.text);
	} else {
		cJSON_AddBoolToObject(o, "ok", 1);
		cJSON_AddStringToObject(o, "id", j->message.id);
		cJSON_AddStringToObject(o, "event_id", j->message.event_id);
		cJSON_AddStringToObject(o, "webhook_id", j->send.webhook_id);
		cJSON_AddStringToObject(o, "topic", j->send.topic);
		cJSON_AddNumberToObject(o, "starts_at_ms", (double)j->message.starts_utc_ms);
		cJSON_AddNumberToObject(o, "ends_at_ms", (double)j->message.ends_utc_ms);
	}
	control_answer(j->client, j->serial, o);
	job_free(j);
}

int flip_job_start(uv_loop_t *loop, const cJSON *request, struct control_client *client, unsigned serial, struct errbuf *err)
{
	struct flip_job *j = calloc(1, sizeof(*j));
	int e;

	if (!j)
		return errbuf_set(err, -ENOMEM, "no memory");
	j->work.data = j;
	j->client = client;
	j->serial = serial;
	e = json_get_text(request, "key", j->key, sizeof(j->key), err);
	if (e == 0)
		e = errbuf_set(err, -EINVAL, "\"key\" (whsec_...) is missing");
	if (e < 0 || take_addressee(&j->send, request, &j->message, err) < 0 ||
	    take_message(&j->message, request, err) < 0 || sign(j, request, err) < 0) {
		job_free(j);
		return -EINVAL;
	}
	e = uv_queue_work(loop, &j->work, job_run, job_done);
	if (e) {
		job_free(j);
		return errbuf_set(err, -EAGAIN, "cannot start sending: %s", uv_strerror(e));
	}
	return 0;
}
