/* Flip in queue mode: an MQTT client of its own whose session outlives us. Rows and telemetry go out on R/flip/out/<kind> and
 * leave on R/flip/ack; envelopes of R/flip/in are handed to flip_in.c. */
#include "flow/cloud/flip_internal.h"

#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_S (30u * 86400)
#define ACK_MAX (256 * 1024)
#define POINTS_MAX 200 /* of one message: about 150 kB */

static int publish(struct flip_link *l, const char *kind, const char *body)
{
	char topic[MQTT_TOPIC_MAX];

	if (!l->queue->mqtt)
		return -ENOTCONN;
	return mqtt_publish(l->queue->mqtt, topic_make(&l->root, topic, sizeof(topic), "flip/out/%s", kind), body, strlen(body), 1, false,
			    NULL);
}

static int send_row(void *context, const char *kind, const char *body)
{
	return publish(context, kind, body);
}

static int send_batch(void *context, const struct backlog_batch *b)
{
	AUTO_TEXT *text = telemetry_encode(b->points, b->n, b->id);

	return text ? publish(context, "telemetry", text) : -ENOMEM;
}

/* Asks for everything open. What was taken from the broker and not stored before a power cut comes back only this way, so it
 * is asked on every connect, and `since` names what is on disk, not what was read. */
static void resync(struct flip_link *l, int64_t now_ms)
{
	struct flip_queue *q = l->queue;
	AUTO_JSON *o = cJSON_CreateObject();
	AUTO_TEXT *text = NULL;
	const int64_t since = l->o.book->stored_utc_ms;

	cJSON_AddStringToObject(o, "boot_id", q->boot_id);
	json_add_time(o, "since", since);
	if (!since)
		cJSON_AddNullToObject(o, "since");
	text = cJSON_PrintUnformatted(o);
	q->resync_due = !text || publish(l, "resync", text) < 0;
	if (q->resync_due)
		return;
	l->stats.resyncs++;
	q->heard_ms = now_ms;
}

static void on_connected(void *context, bool session_present)
{
	struct flip_link *l = context;
	struct flip_queue *q = l->queue;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	log_info("flip", "queue connected%s", session_present ? ", session kept" : "");
	q->connected = true;
	/* answers before commands: what was owed goes out before anything new is owed */
	mqtt_subscribe(q->mqtt, q->topic_ack, 1);
	mqtt_subscribe(q->mqtt, q->topic_in, 1);
	link_up(l, true, now_ms);
	resync(l, now_ms);
}

static void on_disconnected(void *context, const char *reason)
{
	struct flip_link *l = context;
	struct flip_queue *q = l->queue;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	snprintf(q->lost, sizeof(q->lost), "%s", reason ? reason : "");
	if (q->connected)
		log_warning("flip", "queue lost: %s", q->lost);
	q->connected = false;
	link_up(l, false, now_ms);
}

static void reason_of(const cJSON *answer, char *out, size_t size)
{
	const cJSON *body = cJSON_GetObjectItemCaseSensitive(answer, "body");
	AUTO_TEXT *text = NULL;

	out[0] = '\0';
	if (cJSON_IsString(body)) {
		snprintf(out, size, "%.*s", (int)size - 1, body->valuestring);
	} else if (body && !cJSON_IsNull(body)) {
		text = cJSON_PrintUnformatted(body);
		if (text)
			snprintf(out, size, "%.*s", (int)size - 1, text);
	}
}

/* Which points were saved. An operator who says nothing of single points has taken them all. */
static const struct telemetry_answer *points_of(const cJSON *answer, int status, struct telemetry_answer *out)
{
	const cJSON *body = cJSON_GetObjectItemCaseSensitive(answer, "body"), *points;
	AUTO_TEXT *text = NULL;

	points = cJSON_GetObjectItemCaseSensitive(answer, "points");
	if (!points && cJSON_IsObject(body) && cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(body, "telemetry")))
		points = body;
	memset(out, 0, sizeof(*out));
	if (status < 200 || status > 299)
		return NULL;
	if (!points || cJSON_IsNull(points)) {
		out->n = TELEMETRY_BATCH_MAX;
		memset(out->told, 0xff, sizeof(out->told));
		return out;
	}
	text = cJSON_PrintUnformatted(points);
	return text && telemetry_answer_decode(text, strlen(text), out, NULL) == 0 ? out : NULL;
}

static int taken(struct flip_link *l, const cJSON *answer, const char *id, int status, const char *reason)
{
	struct telemetry_answer points;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	if (l->o.backlog && !strncmp(id, "tel-", 4))
		return backlog_answer(l->o.backlog, id, status, points_of(answer, status, &points), reason, now_ms);
	return outbox_ack(l->o.outbox, id, status, reason, now_ms);
}

static void message_ack(struct flip_link *l, const struct mqtt_message *m)
{
	struct errbuf err = { "" };
	AUTO_JSON *answer = json_parse(m->payload, m->len, ACK_MAX, FLIP_DEPTH_MAX, &err);
	char id[BACKLOG_ID_MAX] = "", reason[128];
	int64_t status = 0;

	if (!answer || json_get_text(answer, "message_id", id, sizeof(id), &err) < 0 ||
	    json_get_int(answer, "status", 100, 599, &status, &err) < 0) {
		l->stats.refused++;
		log_warning("flip", "answer refused: %s", err.text);
		return;
	}
	if (!id[0] || !status) {
		l->stats.refused++;
		log_warning("flip", "answer refused: %s missing", id[0] ? "status" : "message_id");
		return;
	}
	reason_of(answer, reason, sizeof(reason));
	l->stats.acks++;
	if (taken(l, answer, id, (int)status, reason) < 0)
		log_debug("flip", "answer for %s, which is not owed any more", id);
	else if (status >= 300)
		log_warning("flip", "%s was answered %d %s", id, (int)status, reason);
}

static void on_message(void *context, const struct mqtt_message *m)
{
	struct flip_link *l = context;
	struct flip_queue *q = l->queue;
	int64_t utc_ms;

	link_clock(l, &q->heard_ms, &utc_ms);
	if (!strcmp(m->topic, q->topic_in))
		link_message_in(l, m);
	else if (!strcmp(m->topic, q->topic_ack))
		message_ack(l, m);
}

static void queue_stop(struct flip_link *l)
{
	struct flip_queue *q = l->queue;

	if (!q)
		return;
	mqtt_close(q->mqtt);
	l->queue = NULL;
	explicit_bzero(q->keys, sizeof(q->keys));
	free(q);
}

static int queue_start(struct flip_link *l, struct errbuf *err)
{
	const struct mqtt_callbacks cb = { .connected = on_connected, .disconnected = on_disconnected, .message = on_message,
					   .context = l };
	struct mqtt_options o = l->o.mqtt;
	struct flip_queue *q = calloc(1, sizeof(*q));
	int64_t utc_ms;
	int r;

	if (!q)
		return errbuf_set(err, -ENOMEM, "flip: no memory");
	l->queue = q;
	snprintf(q->boot_id, sizeof(q->boot_id), "%s", l->o.boot_id ? l->o.boot_id : "");
	for (int i = 0; i < l->o.n_keys && i < FLIP_KEYS_MAX; i++)
		snprintf(q->keys[i], sizeof(q->keys[i]), "%s", l->o.keys[i]);
	topic_make(&l->root, q->topic_in, sizeof(q->topic_in), "flip/in");
	topic_make(&l->root, q->topic_ack, sizeof(q->topic_ack), "flip/ack");
	link_clock(l, &q->heard_ms, &utc_ms);
	snprintf(q->client_id, sizeof(q->client_id), "hearth-flip-%.60s", l->site_id); /* an id has 32 at most */
	o.client_id = q->client_id;
	o.clean_start = false;
	o.session_expiry_s = SESSION_S;
	o.will_topic = o.will_payload = NULL;
	r = mqtt_open(&q->mqtt, l->o.loop, &o, &cb, err);
	if (r < 0)
		queue_stop(l);
	return r;
}

static void queue_step(struct flip_link *l, int64_t now_ms)
{
	const struct flip_queue *q = l->queue;

	if (q->connected && (q->resync_due || now_ms - q->heard_ms >= FLIP_SILENCE_MS))
		resync(l, now_ms);
}

static void queue_stats(const struct flip_link *l, struct flip_link_stats *out)
{
	const struct flip_queue *q = l->queue;

	out->connected = out->link_up = q->connected;
	if (!q->connected && q->lost[0])
		snprintf(out->warning, sizeof(out->warning), "Flip's queue is not connected (%s); nothing is lost", q->lost);
}

const struct flip_way FLIP_WAY_QUEUE = {
	.start = queue_start, .stop = queue_stop, .step = queue_step, .stats = queue_stats,
	.send_row = send_row, .send_batch = send_batch, .batch_max = POINTS_MAX,
};
