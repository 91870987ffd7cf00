/* The outbox on disk: changed rows written in batches, and rows read back at start. A quarantined row's kind begins with
 * a mark and its body is wrapped with the reason. */
#include "flow/cloud/outbox_internal.h"

#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_RETRY_MS 5000

static void written(void *context, uint64_t ticket, int status)
{
	struct outbox *o = context;
	const int n = o->n_writing;

	(void)ticket;
	o->n_writing = 0;
	o->write_failed = status < 0;
	for (int i = 0; i < n; i++) {
		struct row *r = o->writing[i];

		if (status < 0)
			r->dirty = true;
		else if (r->state == ROW_DONE && !r->dirty)
			outbox_free_row(o, r);
	}
}

static char *wrap(const struct row *r)
{
	AUTO_JSON *w = cJSON_CreateObject();

	cJSON_AddStringToObject(w, "quarantined", r->reason);
	cJSON_AddStringToObject(w, "body", r->body);
	return cJSON_PrintUnformatted(w);
}

static void fill(struct store_op *op, const struct row *r, char **wrapped)
{
	*op = (struct store_op){ .verb = STORE_DELETE, .table = STORE_OUTBOX, .at_ms = r->at_utc_ms };
	snprintf(op->key, sizeof(op->key), "%s", r->id);
	if (r->state == ROW_DONE)
		return;
	op->verb = STORE_PUT;
	op->body = r->body;
	snprintf(op->kind, sizeof(op->kind), "%s", r->kind);
	if (r->state != ROW_QUARANTINED)
		return;
	*wrapped = wrap(r);
	if (*wrapped) {
		op->body = *wrapped;
		snprintf(op->kind, sizeof(op->kind), "%c%.*s", QUARANTINE_MARK, (int)sizeof(op->kind) - 2, r->kind);
	}
}

/* What differs from the disk; texts up to a quarter of the store's limit, for wrapping may double them. */
static int collect(struct outbox *o)
{
	size_t text = 0;
	int n = 0;

	for (struct row *r = o->done.first; r && n < WRITE_MAX; r = r->next)
		if (r->dirty)
			o->writing[n++] = r;
	for (int c = 0; c < CLASSES; c++)
		for (struct row *r = o->list[c].first; r && n < WRITE_MAX; r = r->next) {
			if (!r->dirty)
				continue;
			text += strlen(r->body);
			if (n > 0 && text > 256 * 1024)
				return n;
			o->writing[n++] = r;
		}
	return n;
}

void outbox_write(struct outbox *o, int64_t now_ms)
{
	struct store_op *ops;
	char **wrapped;
	int n, e = -ENOMEM;

	if (o->write_failed) {
		o->write_failed = false;
		o->write_after_ms = now_ms + WRITE_RETRY_MS;
	}
	if (o->n_writing || now_ms < o->write_after_ms || (n = collect(o)) == 0)
		return;
	ops = malloc(sizeof(*ops) * (size_t)n);
	wrapped = calloc((size_t)n, sizeof(*wrapped));
	for (int i = 0; ops && wrapped && i < n; i++)
		fill(&ops[i], o->writing[i], &wrapped[i]);
	if (ops && wrapped)
		e = store_submit(o->store, ops, n, written, o, NULL);
	for (int i = 0; i < n; i++) {
		if (wrapped)
			cJSON_free(wrapped[i]);
		o->writing[i]->dirty = e < 0;
	}
	free(ops);
	free(wrapped);
	o->n_writing = e == 0 ? n : 0;
	if (e < 0)
		o->write_after_ms = now_ms + WRITE_RETRY_MS;
}

static int unwrap(struct row *r, const char *text)
{
	AUTO_JSON *w = json_parse(text, strlen(text), 4 << 20, 4, NULL);
	const cJSON *body = cJSON_GetObjectItemCaseSensitive(w, "body"), *why = cJSON_GetObjectItemCaseSensitive(w, "quarantined");

	if (!cJSON_IsString(body) || !cJSON_IsString(why))
		return -EINVAL;
	snprintf(r->reason, sizeof(r->reason), "%.*s", (int)sizeof(r->reason) - 1, why->valuestring);
	r->body = strdup(body->valuestring);
	r->state = ROW_QUARANTINED;
	return r->body ? 0 : -ENOMEM;
}

/* A body an answer can find its way back to. */
static const char *flaw(const struct row *r)
{
	AUTO_JSON *o = json_parse(r->body, strlen(r->body), 4 << 20, 64, NULL);
	char id[OUTBOX_ID_MAX] = "";

	if (!cJSON_IsObject(o))
		return "unreadable: its body is no JSON object";
	if (json_get_text(o, "message_id", id, sizeof(id), NULL) != 1 || strcmp(id, r->id) != 0)
		return "unreadable: its message_id is not its key";
	return NULL;
}

/* Sent, it would stop all the others. It stays on the disk as it was found: a damaged text may not survive being wrapped. */
static void judge_loaded(struct row *r)
{
	const char *why = flaw(r);

	if (!why)
		return;
	r->unreadable = true;
	outbox_set_aside(r, why);
	r->dirty = false;
	log_warning("outbox", "row %s kept in quarantine: %s", r->id, why);
}

/* A row that cannot be read back is left where it is: nothing owed is deleted by us. */
int outbox_load_row(void *context, const struct store_row *row)
{
	struct outbox *o = context;
	const bool quarantined = row->kind[0] == QUARANTINE_MARK;
	struct row *r;

	if (strlen(row->key) >= OUTBOX_ID_MAX)
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	snprintf(r->id, sizeof(r->id), "%s", row->key);
	snprintf(r->kind, sizeof(r->kind), "%.*s", (int)sizeof(r->kind) - 1, row->kind + quarantined);
	r->at_utc_ms = row->at_ms;
	r->state = ROW_READY;
	if (quarantined) {
		if (unwrap(r, row->body) < 0) {
			free(r->body);
			free(r);
			return 0;
		}
	} else {
		r->body = strdup(row->body);
	}
	if (!r->body) {
		free(r);
		return -ENOMEM;
	}
	if (!quarantined)
		judge_loaded(r);
	outbox_link_row(o, r);
	return 0;
}
