/* See outbox.h. Rows live in memory in one list a class and in the store; a row changes on disk in batches. How a row goes
 * out and comes back is in outbox_send.c, its stored form in outbox_rows.c. */
#include "flow/cloud/outbox_internal.h"

#include "io/crypto.h"
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES_DEFAULT (64LL << 20)
#define BODY_MAX (1 << 20)

static int class_of(const char *kind)
{
	if (!strcmp(kind, OUTBOX_COMMAND_STATUS))
		return 0;
	return strcmp(kind, OUTBOX_PARTICIPATION) ? 2 : 1;
}

/* FNV-1a, going on from @h. */
static uint32_t hash(const char *text, size_t n, uint32_t h)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

static struct row **bucket_of(struct outbox *o, const char *id)
{
	return &o->bucket[hash(id, strlen(id), 2166136261u) % BUCKETS];
}

static struct row_list *list_of(struct outbox *o, const struct row *r)
{
	return r->state == ROW_DONE ? &o->done : &o->list[class_of(r->kind)];
}

static void list_append(struct row_list *l, struct row *r)
{
	r->prev = l->last;
	r->next = NULL;
	if (l->last)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
}

static void list_remove(struct row_list *l, struct row *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		l->first = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		l->last = r->prev;
}

/* A promise is never dropped for room; that there is too little of it is said once. */
static void look_at_room(struct outbox *o)
{
	if (o->bytes < o->max_bytes / 4 * 3)
		o->full = false;
	if (o->full || o->bytes <= o->max_bytes)
		return;
	o->full = true;
	log_warning("outbox", "promises wait in %lld KiB, more than [outbox] max_mib allows; they are kept all the same",
		    (long long)o->bytes / 1024);
}

/* The body as it was given, without our message_id: at its first member's quote. */
static const char *given(const struct row *r)
{
	const char *comma = strchr(r->body, ',');

	return comma ? comma + 1 : "}";
}

/* Kind and first member, say the command's id. */
static uint32_t subject_of(const struct row *r)
{
	const char *first = given(r);
	uint32_t h = hash(r->kind, strlen(r->kind), 2166136261u);

	return hash(first, strcspn(first, ",}"), h);
}

void outbox_link_row(struct outbox *o, struct row *r)
{
	struct row **bucket = bucket_of(o, r->id);

	r->subject = subject_of(r);
	list_append(list_of(o, r), r);
	r->in_bucket = *bucket;
	*bucket = r;
	o->bytes += (int64_t)strlen(r->body);
	look_at_room(o);
}

void outbox_done_row(struct outbox *o, struct row *r)
{
	list_remove(list_of(o, r), r);
	r->state = ROW_DONE;
	r->dirty = true;
	list_append(&o->done, r);
}

void outbox_free_row(struct outbox *o, struct row *r)
{
	struct row **at = bucket_of(o, r->id);

	while (*at != r)
		at = &(*at)->in_bucket;
	*at = r->in_bucket;
	list_remove(list_of(o, r), r);
	o->bytes -= (int64_t)strlen(r->body);
	look_at_room(o);
	free(r->body);
	free(r);
}

static struct row *find(struct outbox *o, const char *message_id)
{
	struct row *r = *bucket_of(o, message_id);

	while (r && strcmp(r->id, message_id) != 0)
		r = r->in_bucket;
	return r;
}

void outbox_limit(struct outbox *o, int64_t max_bytes)
{
	o->max_bytes = max_bytes > 0 ? max_bytes : MAX_BYTES_DEFAULT;
	look_at_room(o);
}

int outbox_open(struct outbox **out, const struct outbox_options *options, struct errbuf *err)
{
	struct outbox *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return errbuf_set(err, -ENOMEM, "outbox: no memory");
	o->store = options->store;
	outbox_limit(o, options->max_bytes);
	r = store_load(o->store, STORE_OUTBOX, outbox_load_row, o, err);
	if (r < 0) {
		outbox_close(o);
		return r;
	}
	*out = o;
	return 0;
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	for (int c = 0; c < CLASSES; c++)
		while (o->list[c].first)
			outbox_free_row(o, o->list[c].first);
	while (o->done.first)
		outbox_free_row(o, o->done.first);
	free(o);
}

/* "{...}" with the message_id as its first member. */
static char *with_id(const char *text, const char *id)
{
	const size_t size = strlen(text) + OUTBOX_ID_MAX + 24;
	char *body = malloc(size);

	if (body)
		snprintf(body, size, "{\"message_id\":\"%s\"%s%s", id, text[1] == '}' ? "" : ",", text + 1);
	return body;
}

int outbox_add(struct outbox *o, const char *kind, const cJSON *body, int64_t utc_ms, struct store_op *op,
	       char message_id[OUTBOX_ID_MAX])
{
	AUTO_TEXT *text = NULL;
	struct row *r;

	if (!kind[0] || kind[0] == QUARANTINE_MARK || strlen(kind) > sizeof(r->kind) - 2 || !cJSON_IsObject(body))
		return -EINVAL;
	text = cJSON_PrintUnformatted(body);
	r = calloc(1, sizeof(*r));
	if (!text || !r) {
		free(r);
		return -ENOMEM;
	}
	if (strlen(text) > BODY_MAX) {
		free(r);
		return -E2BIG;
	}
	crypto_uuid(r->id);
	r->body = with_id(text, r->id);
	if (!r->body) {
		free(r);
		return -ENOMEM;
	}
	snprintf(r->kind, sizeof(r->kind), "%s", kind);
	r->at_utc_ms = utc_ms;
	r->state = ROW_UNCOMMITTED;
	outbox_link_row(o, r);
	snprintf(message_id, OUTBOX_ID_MAX, "%s", r->id);
	*op = (struct store_op){ .verb = STORE_PUT, .table = STORE_OUTBOX, .at_ms = utc_ms, .body = r->body };
	snprintf(op->key, sizeof(op->key), "%s", r->id);
	snprintf(op->kind, sizeof(op->kind), "%s", r->kind);
	return 0;
}

bool outbox_holds(const struct outbox *o, const char *kind, const cJSON *body)
{
	AUTO_TEXT *text = cJSON_PrintUnformatted(body);
	const char *comma = text ? strchr(text, ',') : NULL;

	if (!comma)
		return false;
	for (const struct row *r = o->list[class_of(kind)].last; r; r = r->prev) {
		if (strcmp(r->kind, kind) != 0 || strncmp(given(r), text + 1, (size_t)(comma - text)) != 0)
			continue;
		return r->state != ROW_QUARANTINED && !strcmp(given(r), text + 1);
	}
	return false;
}

void outbox_committed(struct outbox *o, const char *message_id, int status, int64_t now_ms)
{
	struct row *r = find(o, message_id);

	if (!r || r->state != ROW_UNCOMMITTED)
		return;
	if (status < 0) {
		outbox_free_row(o, r);
		return;
	}
	r->state = ROW_READY;
	outbox_pump(o, now_ms);
}

int outbox_ack(struct outbox *o, const char *message_id, int status, const char *reason, int64_t now_ms)
{
	struct row *r = find(o, message_id);

	if (!r || (r->state != ROW_READY && r->state != ROW_SENT))
		return -ENOENT;
	outbox_answered(o, r, status, reason, now_ms);
	return 0;
}

int outbox_retry(struct outbox *o, int64_t now_ms)
{
	int n = 0;

	for (int c = 0; c < CLASSES; c++)
		for (struct row *r = o->list[c].first; r; r = r->next) {
			if (r->state == ROW_QUARANTINED) {
				if (r->unreadable)
					continue;
				r->dirty = true;
				r->reason[0] = '\0';
			} else if (r->state != ROW_READY && r->state != ROW_SENT) {
				continue;
			}
			outbox_due_now(r);
			n++;
		}
	outbox_step(o, now_ms);
	return n;
}

void outbox_stats(const struct outbox *o, int64_t utc_ms, struct outbox_stats *out)
{
	int64_t oldest = 0;

	*out = (struct outbox_stats){ .sent_total = o->sent_total, .failed_total = o->failed_total,
				      .link_up = o->up };
	for (int c = 0; c < CLASSES; c++)
		for (const struct row *r = o->list[c].first; r; r = r->next) {
			if (r->state == ROW_QUARANTINED) {
				out->quarantined++;
				continue;
			}
			out->rows++;
			if (!oldest || r->at_utc_ms < oldest)
				oldest = r->at_utc_ms;
		}
	out->oldest_s = oldest && utc_ms > oldest ? (utc_ms - oldest) / 1000 : 0;
	store_stats(o->store, &out->bytes_written_today, NULL);
}

cJSON *outbox_list(const struct outbox *o, int max)
{
	static const char *const STATE[] = { "committing", "ready", "sent", "quarantined" };
	cJSON *list = cJSON_CreateArray();
	int n = 0;

	for (int c = 0; c < CLASSES; c++)
		for (const struct row *r = o->list[c].first; r && n < max; r = r->next) {
			cJSON *row = cJSON_CreateObject();

			cJSON_AddStringToObject(row, "message_id", r->id);
			cJSON_AddStringToObject(row, "kind", r->kind);
			json_add_time(row, "at", r->at_utc_ms);
			cJSON_AddNumberToObject(row, "tries", r->tries);
			cJSON_AddStringToObject(row, "state", STATE[r->state]);
			if (r->reason[0])
				cJSON_AddStringToObject(row, "reason", r->reason);
			cJSON_AddItemToArray(list, row);
			n++;
		}
	return list;
}
