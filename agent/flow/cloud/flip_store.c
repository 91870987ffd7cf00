/* The link and the disk: one transaction holds what changed in the book, the webhook id that caused it and the outbox row
 * that answers it, so that none exists without the others. */
#include "flow/cloud/flip_internal.h"

#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 16        /* entries and events of one transaction, half each; up to two operations an item */
#define WRITE_FIRST_MS 1000
#define WRITE_CAP_MS 60000

/* What was in it, so that it can be owed again. */
struct item { char id[FLIP_ID_MAX]; bool event, ack, participating, reserve; int owed; };

/* Who waits for all that one flush writes. A wish changes its event and every command of it, which may take several
 * transactions: it is promised when the last of them is on disk, and only if none failed. */
struct waiter { int left, status; store_done_fn done; void *context; };

struct transaction {
	struct flip_link *l;
	int n_ops, n_items, n_rows, n_seen;
	bool short_of_memory;        /* something that is owed is not in it */
	struct store_op ops[STORE_SOME];
	char *text[STORE_SOME];   /* bodies that are ours to free */
	struct item item[ITEMS_MAX];
	char row[STORE_SOME][OUTBOX_ID_MAX];
	struct seen seen[SEEN_PENDING_MAX];
	struct waiter *waiter;       /* NULL = nobody */
};

static void waiter_part(struct waiter *w, uint64_t ticket, int status)
{
	if (!w)
		return;
	if (status < 0 && w->status == 0)
		w->status = status;
	if (--w->left > 0)
		return;
	w->done(w->context, ticket, w->status);
	free(w);
}

static void forget_texts(struct transaction *t)
{
	for (int i = 0; i < t->n_ops; i++) {
		cJSON_free(t->text[i]);
		t->text[i] = NULL;
	}
}

static void put(struct transaction *t, enum store_table table, const char *key, int64_t at_ms, char *text)
{
	struct store_op *op = &t->ops[t->n_ops];

	*op = (struct store_op){ .verb = STORE_PUT, .table = table, .at_ms = at_ms, .body = text };
	snprintf(op->key, sizeof(op->key), "%s", key);
	t->text[t->n_ops++] = text;
}

/* A row of the outbox. False when there was no memory for it: then the cause must not count as answered. */
static bool add_row(struct transaction *t, const char *kind, const cJSON *body, int64_t utc_ms)
{
	if (!body || outbox_add(t->l->o.outbox, kind, body, utc_ms, &t->ops[t->n_ops], t->row[t->n_rows]) < 0) {
		t->short_of_memory = true;
		return false;
	}
	t->n_ops++;
	t->n_rows++;
	return true;
}

/* The owner's wish as a row; the flags are cleared only when there is one. */
static void add_wish(struct transaction *t, struct item *item, struct book_event *v, int64_t utc_ms)
{
	AUTO_JSON *body = NULL;

	if (!v->tell_participating && !v->tell_reserve)
		return;
	body = book_participation_encode(t->l->o.book, v);
	if (!add_row(t, OUTBOX_PARTICIPATION, body, utc_ms))
		return;
	item->participating = v->tell_participating;
	item->reserve = v->tell_reserve;
	item->owed = 1;
	v->tell_participating = v->tell_reserve = false;
	v->owed++;
}

static void add_entry(struct transaction *t, struct book_entry *e, int64_t utc_ms)
{
	AUTO_JSON *o = NULL;
	struct item *item = &t->item[t->n_items++];
	const bool due = e->ack_due;

	snprintf(item->id, sizeof(item->id), "%s", e->c.id);
	if (due) {
		AUTO_JSON *body = flip_ack_encode(e->c.id, e->ack, e->ack_reason);

		/* a cloud that asks again while our answer is on its way to it is owed one answer, not two */
		if (e->ack_again && outbox_holds(t->l->o.outbox, OUTBOX_COMMAND_STATUS, body))
			e->ack_due = false;
		else
			e->ack_due = !(item->ack = add_row(t, OUTBOX_COMMAND_STATUS, body, utc_ms));
		e->ack_again = e->ack_again && e->ack_due;
	}
	o = book_entry_encode(e);
	put(t, STORE_COMMAND, e->c.id, utc_ms, cJSON_PrintUnformatted(o));
	e->changed = e->ack_due;
	if (t->l->o.cb.command)
		t->l->o.cb.command(t->l->o.cb.context, e);
}

static void add_event(struct transaction *t, struct book_event *v, int64_t utc_ms)
{
	AUTO_JSON *o = NULL;
	struct item *item = &t->item[t->n_items++];

	snprintf(item->id, sizeof(item->id), "%s", v->e.id);
	item->event = true;
	add_wish(t, item, v, utc_ms);
	o = book_event_encode(v);
	put(t, STORE_EVENT, v->e.id, utc_ms, cJSON_PrintUnformatted(o));
	v->changed = v->tell_participating || v->tell_reserve;
	if (t->l->o.cb.event && !v->of_command)
		t->l->o.cb.event(t->l->o.cb.context, v);
}

/* Nothing of it is on disk: everything is owed again. The rows were never promised and go. */
static void undo(struct transaction *t, int64_t now_ms)
{
	struct flip_link *l = t->l;

	l->stats.store_failures++;
	for (int i = 0; i < t->n_items; i++) {
		struct book_entry *e = t->item[i].event ? NULL : book_find(l->o.book, t->item[i].id);
		struct book_event *v = t->item[i].event ? book_find_event(l->o.book, t->item[i].id) : NULL;

		if (v) {
			v->changed = true;
			v->tell_participating |= t->item[i].participating;
			v->tell_reserve |= t->item[i].reserve;
			v->owed -= t->item[i].owed;
		}
		if (e) {
			e->changed = true;
			e->ack_due = e->ack_due || (t->item[i].ack && e->ack != FLIP_PENDING);
		}
	}
	for (int i = 0; i < t->n_seen && l->n_seen < SEEN_PENDING_MAX; i++)
		l->seen[l->n_seen++] = t->seen[i];
	l->write_backoff.first_ms = WRITE_FIRST_MS;
	l->write_backoff.cap_ms = WRITE_CAP_MS;
	l->write_after_ms = now_ms + backoff_next(&l->write_backoff, 0x80000000u);
}

static void committed(void *context, uint64_t ticket, int status)
{
	struct transaction *t = context;
	struct flip_link *l = t->l;
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	l->transactions--;
	for (int i = 0; i < t->n_rows; i++)
		outbox_committed(l->o.outbox, t->row[i], status, now_ms);
	if (status < 0) {
		log_error("flip", "could not store %d change%s: %s; trying again", t->n_items, t->n_items == 1 ? "" : "s",
			  strerror(-status));
		undo(t, now_ms);
	} else {
		backoff_reset(&l->write_backoff);
		for (int i = 0; i < t->n_seen; i++)
			if (t->seen[i].flip_utc_ms > l->o.book->stored_utc_ms)
				l->o.book->stored_utc_ms = t->seen[i].flip_utc_ms;
	}
	waiter_part(t->waiter, ticket, status < 0 ? status : t->short_of_memory ? -ENOMEM : 0);
	if (l->stopped && l->transactions == 0)
		free(l);
	free(t);
}

static void take_seen(struct transaction *t)
{
	struct flip_link *l = t->l;

	for (int i = 0; i < l->n_seen; i++) {
		t->seen[t->n_seen++] = l->seen[i];
		put(t, STORE_SEEN, l->seen[i].id, l->seen[i].at_utc_ms, NULL);
		snprintf(t->ops[t->n_ops - 1].kind, sizeof(t->ops[0].kind), "%lld", (long long)l->seen[i].flip_utc_ms);
	}
	l->n_seen = 0;
}

/* As much as fits; true when something is in it. */
static bool collect(struct transaction *t, const struct link_row *extra, int64_t utc_ms)
{
	struct book *b = t->l->o.book;

	take_seen(t);
	if (extra)
		add_row(t, extra->kind, extra->body, utc_ms);
	for (int i = 0; i < b->n && t->n_items < ITEMS_MAX / 2; i++)
		if (b->entry[i].changed)
			add_entry(t, &b->entry[i], utc_ms);
	for (int i = 0; i < b->n_events && t->n_items < ITEMS_MAX; i++)
		if (b->event[i].changed)
			add_event(t, &b->event[i], utc_ms);
	return t->n_ops > 0;
}

/* 1 = something was submitted, 0 = nothing to do, negative = not now. */
static int flush_once(struct flip_link *l, const struct link_row *extra, struct waiter *waiter)
{
	struct transaction *t = calloc(1, sizeof(*t));
	int64_t now_ms, utc_ms;
	int r;

	if (!t)
		return -ENOMEM;
	link_clock(l, &now_ms, &utc_ms);
	t->l = l;
	t->waiter = waiter;
	if (!collect(t, extra, utc_ms)) {
		free(t);
		return 0;
	}
	r = store_submit(l->o.store, t->ops, t->n_ops, committed, t, NULL);
	forget_texts(t);
	if (r == 0) {
		l->transactions++;
		if (waiter)
			waiter->left++;
		return 1;
	}
	for (int i = 0; i < t->n_rows; i++)
		outbox_committed(l->o.outbox, t->row[i], r, now_ms);
	undo(t, now_ms);
	free(t);
	return r;
}

int link_flush(struct flip_link *l, const struct link_row *extra, store_done_fn done, void *context)
{
	struct waiter *waiter = NULL;
	int64_t now_ms, utc_ms;
	int r;

	link_clock(l, &now_ms, &utc_ms);
	if (!extra && !done && now_ms < l->write_after_ms)
		return -EAGAIN;
	if (done) {
		waiter = malloc(sizeof(*waiter));
		if (!waiter) {
			done(context, 0, -ENOMEM);
			return -ENOMEM;
		}
		*waiter = (struct waiter){ .left = 1, .done = done, .context = context }; /* 1: until all is submitted */
	}
	r = flush_once(l, extra, waiter);
	for (int i = 0; r > 0 && i < BOOK_COMMANDS_MAX; i++)
		r = flush_once(l, NULL, waiter);
	waiter_part(waiter, 0, r < 0 ? r : 0);
	return r < 0 ? r : 0;
}

static int load_command(void *context, const struct store_row *row)
{
	struct flip_link *l = context;
	struct errbuf err = { "" };
	struct book_entry e;
	AUTO_JSON *o = json_parse(row->body, strlen(row->body), FLIP_BODY_MAX, FLIP_DEPTH_MAX, &err);

	if (!o || book_entry_decode(o, &e, &err) < 0) {
		log_error("flip", "stored command %s cannot be read: %s", row->key, err.text);
		return 0;
	}
	if (book_restore(l->o.book, &e) < 0)
		log_error("flip", "stored command %s: the book is full", row->key);
	return 0;
}

static int load_event(void *context, const struct store_row *row)
{
	struct flip_link *l = context;
	struct errbuf err = { "" };
	struct book_event v;
	AUTO_JSON *o = json_parse(row->body, strlen(row->body), FLIP_BODY_MAX, FLIP_DEPTH_MAX, &err);

	if (!o || book_event_decode(o, &v, &err) < 0) {
		log_error("flip", "stored event %s cannot be read: %s", row->key, err.text);
		return 0;
	}
	if (book_restore_event(l->o.book, &v) < 0)
		log_error("flip", "stored event %s: the book is full", row->key);
	return 0;
}

static int load_seen(void *context, const struct store_row *row)
{
	struct flip_link *l = context;

	const int64_t flip_utc_ms = strtoll(row->kind, NULL, 10);

	book_mark_seen(l->o.book, row->key);
	if (flip_utc_ms > l->o.book->stored_utc_ms)
		l->o.book->stored_utc_ms = l->o.book->newest_utc_ms = flip_utc_ms;
	return 0;
}

int link_load(struct flip_link *l, struct errbuf *err)
{
	int r;

	if (l->o.book->loaded)
		return 0;
	if ((r = store_load(l->o.store, STORE_EVENT, load_event, l, err)) < 0 ||
	    (r = store_load(l->o.store, STORE_COMMAND, load_command, l, err)) < 0 ||
	    (r = store_load(l->o.store, STORE_SEEN, load_seen, l, err)) < 0)
		return r;
	l->o.book->loaded = true;
	for (int i = 0; i < l->o.book->n; i++) /* only when there was no memory for the row the last time */
		l->o.book->entry[i].changed = l->o.book->entry[i].ack_due;
	return 0;
}

struct goner { struct flip_link *l; int n; struct store_op ops[STORE_SOME]; };

static void goner_submit(struct goner *g)
{
	if (g->n > 0)
		store_submit(g->l->o.store, g->ops, g->n, NULL, NULL, NULL); /* lost: the row is read and forgotten again */
	g->n = 0;
}

static void on_gone(void *context, const char *id, bool event)
{
	struct goner *g = context;
	struct store_op *op;

	if (g->n == STORE_SOME)
		goner_submit(g);
	op = &g->ops[g->n++];
	*op = (struct store_op){ .verb = STORE_DELETE, .table = event ? STORE_EVENT : STORE_COMMAND };
	snprintf(op->key, sizeof(op->key), "%s", id);
	if (g->l->o.cb.gone)
		g->l->o.cb.gone(g->l->o.cb.context, id, event);
}

void link_forget(struct flip_link *l, int64_t utc_ms, int64_t keep_ms)
{
	struct goner g = { .l = l };

	book_forget(l->o.book, utc_ms, keep_ms, on_gone, &g);
	if (g.n == STORE_SOME)
		goner_submit(&g);
	g.ops[g.n++] = (struct store_op){ .verb = STORE_DELETE_OLDER, .table = STORE_SEEN, .at_ms = utc_ms - SEEN_KEEP_MS };
	goner_submit(&g);
}

void link_keep(struct flip_link *l, const char *key, const char *body, size_t len, int64_t utc_ms)
{
	char *text = strndup(body, len);
	struct store_op op = { .verb = STORE_PUT, .table = STORE_SETTING, .at_ms = utc_ms, .body = text };

	snprintf(op.key, sizeof(op.key), "%s", key);
	if (text)
		store_submit(l->o.store, &op, 1, NULL, NULL, NULL);
	free(text);
}
