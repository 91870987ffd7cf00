/* See flip_link.h. The link itself: its client, its beat, the owner's participation. What arrives is in flip_in.c, what is
 * stored in flip_store.c. */
#include "flow/flip_internal.h"

#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_S (30u * 86400)
#define FORGET_EVERY_MS (10LL * 60 * 1000)
#define PROGRESS_EVERY_MS 60000

bool link_clock(const struct flip_link *l, int64_t *now_ms, int64_t *utc_ms)
{
	return l->o.cb.clock(l->o.cb.context, now_ms, utc_ms);
}

void link_audit(const struct flip_link *l, const char *result, const char *fmt, ...)
{
	char request[192];
	va_list ap;

	if (!l->o.cb.audit)
		return;
	va_start(ap, fmt);
	vsnprintf(request, sizeof(request), fmt, ap);
	va_end(ap);
	l->o.cb.audit(l->o.cb.context, "flip", request, result);
}

int flip_keys_split(char *secret, const char *keys[FLIP_KEYS_MAX])
{
	char *save = NULL;
	int n = 0;

	for (char *k = strtok_r(secret, " \t\r\n", &save); k; k = strtok_r(NULL, " \t\r\n", &save)) {
		if (n == FLIP_KEYS_MAX || strncmp(k, "whsec_", 6) != 0 || strlen(k) >= FLIP_KEY_MAX)
			return -EINVAL;
		keys[n++] = k;
	}
	return n > 0 ? n : -EINVAL;
}

/* For the outbox: one row on its topic. */
static int send_row(void *context, const char *kind, const char *body)
{
	struct flip_link *l = context;
	char topic[MQTT_TOPIC_MAX];

	if (!l->mqtt)
		return -ENOTCONN;
	return mqtt_publish(l->mqtt, topic_make(&l->root, topic, sizeof(topic), "flip/out/%s", kind), body, strlen(body), 1, false, NULL);
}

/* A wish of the owner that Flip has taken (or never will) is owed no more. */
static void on_row_over(void *context, const char *kind, const char *body, int status)
{
	struct flip_link *l = context;
	AUTO_JSON *o = strcmp(kind, OUTBOX_PARTICIPATION) ? NULL : json_parse(body, strlen(body), 1 << 20, FLIP_DEPTH_MAX, NULL);
	char id[FLIP_ID_MAX];

	(void)status;
	if (o && (json_get_text(o, "event_id", id, sizeof(id), NULL) > 0 || json_get_text(o, "command_id", id, sizeof(id), NULL) > 0))
		book_told(l->o.book, id);
}

/* Asks for everything open. What was taken from the broker and not stored before a power cut comes back only this way, so it
 * is asked on every connect, and `since` names what is on disk, not what was read. */
static void resync(struct flip_link *l, int64_t now_ms)
{
	AUTO_JSON *o = cJSON_CreateObject();
	AUTO_TEXT *text = NULL;
	const int64_t since = l->o.book->stored_utc_ms;

	cJSON_AddStringToObject(o, "boot_id", l->boot_id);
	json_add_time(o, "since", since);
	if (!since)
		cJSON_AddNullToObject(o, "since");
	text = cJSON_PrintUnformatted(o);
	l->resync_due = !text || send_row(l, "resync", text) < 0;
	if (l->resync_due)
		return;
	l->stats.resyncs++;
	l->heard_ms = now_ms;
}

static void on_connected(void *context, bool session_present)
{
	struct flip_link *l = context;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	log_info("flip", "queue connected%s", session_present ? ", session kept" : "");
	l->connected = l->stats.connected = true;
	/* answers before commands: what was owed goes out before anything new is owed */
	mqtt_subscribe(l->mqtt, l->topic_ack, 1);
	mqtt_subscribe(l->mqtt, l->topic_in, 1);
	outbox_link(l->o.outbox, true, now_ms);
	resync(l, now_ms);
}

static void on_disconnected(void *context, const char *reason)
{
	struct flip_link *l = context;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	if (l->connected)
		log_warning("flip", "queue lost: %s", reason ? reason : "");
	l->connected = l->stats.connected = false;
	outbox_link(l->o.outbox, false, now_ms);
}

static void on_message(void *context, const struct mqtt_message *m)
{
	struct flip_link *l = context;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	l->heard_ms = now_ms;
	if (!strcmp(m->topic, l->topic_in))
		link_message_in(l, m);
	else if (!strcmp(m->topic, l->topic_ack))
		link_message_ack(l, m);
}

static int open_client(struct flip_link *l, struct errbuf *err)
{
	const struct mqtt_callbacks cb = { .connected = on_connected, .disconnected = on_disconnected, .message = on_message,
					   .context = l };
	struct mqtt_options o = l->o.mqtt;

	snprintf(l->client_id, sizeof(l->client_id), "hearth-flip-%s", l->o.site_id);
	o.client_id = l->client_id;
	o.clean_start = false;
	o.session_expiry_s = SESSION_S;
	o.will_topic = o.will_payload = NULL;
	return mqtt_open(&l->mqtt, l->o.loop, &o, &cb, err);
}

int flip_link_start(struct flip_link **out, const struct flip_link_options *options, struct errbuf *err)
{
	struct flip_link *l = calloc(1, sizeof(*l));
	int64_t utc_ms;
	int r;

	if (!l)
		return errbuf_set(err, -ENOMEM, "flip: no memory");
	l->o = *options;
	l->root = *options->root;
	l->o.root = &l->root;
	snprintf(l->boot_id, sizeof(l->boot_id), "%s", options->boot_id ? options->boot_id : "");
	for (int i = 0; i < options->n_keys && i < FLIP_KEYS_MAX; i++)
		snprintf(l->keys[i], sizeof(l->keys[i]), "%s", options->keys[i]);
	topic_make(&l->root, l->topic_in, sizeof(l->topic_in), "flip/in");
	topic_make(&l->root, l->topic_ack, sizeof(l->topic_ack), "flip/ack");
	link_clock(l, &l->heard_ms, &utc_ms);
	r = link_load(l, err);
	outbox_listener(options->outbox, on_row_over, l);
	if (r == 0 && options->mode == LINK_QUEUE) {
		outbox_sender(options->outbox, send_row, l);
		r = open_client(l, err);
	}
	if (r < 0) {
		outbox_sender(options->outbox, NULL, NULL);
		outbox_listener(options->outbox, NULL, NULL);
		free(l);
		return r;
	}
	*out = l;
	return 0;
}

void flip_link_stop(struct flip_link *l)
{
	int64_t now_ms, utc_ms;

	if (!l)
		return;
	link_clock(l, &now_ms, &utc_ms);
	l->write_after_ms = 0;
	link_flush(l, NULL, NULL, NULL);
	outbox_link(l->o.outbox, false, now_ms);
	outbox_sender(l->o.outbox, NULL, NULL);
	outbox_listener(l->o.outbox, NULL, NULL);
	mqtt_close(l->mqtt);
	l->mqtt = NULL;
	l->stopped = true;
	if (l->transactions == 0)
		free(l);
}

int64_t link_book_step(struct flip_link *l)
{
	struct book_device devices[DEVICE_MAX];
	const int n = l->o.cb.devices(l->o.cb.context, devices, DEVICE_MAX);
	int64_t now_ms, utc_ms;
	const bool trusted = link_clock(l, &now_ms, &utc_ms);

	return book_step(l->o.book, devices, n, trusted ? utc_ms : 0);
}

/* What a running command has delivered is worth a minute at most when the power goes. */
static void keep_progress(struct flip_link *l, int64_t now_ms)
{
	if (now_ms - l->minute_ms < PROGRESS_EVERY_MS)
		return;
	l->minute_ms = now_ms;
	for (int i = 0; i < l->o.book->n; i++)
		if (l->o.book->entry[i].state == BOOK_ACTIVE)
			l->o.book->entry[i].changed = true;
}

int64_t flip_link_step(struct flip_link *l)
{
	int64_t now_ms, utc_ms, next;
	bool trusted;

	if (!l)
		return 0;
	trusted = link_clock(l, &now_ms, &utc_ms);
	next = link_book_step(l);
	keep_progress(l, now_ms);
	link_flush(l, NULL, NULL, NULL);
	outbox_step(l->o.outbox, now_ms);
	if (l->connected && (l->resync_due || now_ms - l->heard_ms >= FLIP_SILENCE_MS))
		resync(l, now_ms);
	if (trusted && (l->kept_ms == 0 || now_ms - l->kept_ms >= FORGET_EVERY_MS)) {
		l->kept_ms = now_ms;
		link_forget(l, utc_ms, COMMAND_KEEP_MS);
	}
	return next;
}

int flip_link_participate(struct flip_link *l, const struct flip_wish *w, store_done_fn done, void *context, struct errbuf *err)
{
	int64_t now_ms, utc_ms;
	bool trusted;
	int r;

	if (!l)
		return errbuf_set(err, -EAGAIN, "the Flip link is not running");
	trusted = link_clock(l, &now_ms, &utc_ms);
	r = book_participate(l->o.book, w->id, w->participating, w->reserve_pct, trusted ? utc_ms : 0, err);
	if (r < 0)
		return r;
	link_book_step(l);
	link_flush(l, NULL, done, context);
	return 0;
}

void flip_link_flush(struct flip_link *l)
{
	if (l)
		link_flush(l, NULL, NULL, NULL);
}

void flip_link_stats(const struct flip_link *l, struct flip_link_stats *out)
{
	*out = l ? l->stats : (struct flip_link_stats){ 0 };
}
