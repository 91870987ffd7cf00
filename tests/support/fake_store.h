/* A store in memory that commits when the test says so, or fails, or is "killed" with what was not committed. Include it in
 * one test file; it takes the place of io/store.c. */
#ifndef HEARTH_TESTS_FAKE_STORE_H
#define HEARTH_TESTS_FAKE_STORE_H

#include "io/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_ROWS 512
#define FAKE_QUEUE 64

struct fake_row { bool used; enum store_table table; int64_t seq, at_ms; char key[STORE_KEY_MAX], kind[STORE_KIND_MAX], *body; };
struct fake_txn { struct store_op ops[STORE_OPS_MAX]; int n; store_done_fn done; void *context; };

static struct fake_row fake_rows[FAKE_ROWS];
static struct fake_txn fake_queue[FAKE_QUEUE];
static int fake_n_queue, fake_submit_error;
static int64_t fake_seq;

static inline struct fake_row *fake_find(enum store_table table, const char *key)
{
	for (int i = 0; i < FAKE_ROWS; i++)
		if (fake_rows[i].used && fake_rows[i].table == table && !strcmp(fake_rows[i].key, key))
			return &fake_rows[i];
	return NULL;
}

static inline int fake_count(enum store_table table)
{
	int n = 0;

	for (int i = 0; i < FAKE_ROWS; i++)
		n += fake_rows[i].used && fake_rows[i].table == table;
	return n;
}

static inline void fake_drop(struct fake_row *r)
{
	free(r->body);
	memset(r, 0, sizeof(*r));
}

static inline void fake_apply(const struct store_op *op)
{
	struct fake_row *r = fake_find(op->table, op->key);

	if (op->verb == STORE_DELETE_OLDER) {
		for (int i = 0; i < FAKE_ROWS; i++)
			if (fake_rows[i].used && fake_rows[i].table == op->table && fake_rows[i].at_ms < op->at_ms)
				fake_drop(&fake_rows[i]);
		return;
	}
	if (op->verb == STORE_DELETE) {
		if (r)
			fake_drop(r);
		return;
	}
	for (int i = 0; !r && i < FAKE_ROWS; i++)
		if (!fake_rows[i].used) {
			r = &fake_rows[i];
			r->seq = ++fake_seq;
		}
	if (!r)
		abort();
	free(r->body);
	r->used = true;
	r->table = op->table;
	r->at_ms = op->at_ms;
	memcpy(r->key, op->key, sizeof(r->key));
	memcpy(r->kind, op->kind, sizeof(r->kind));
	r->body = strdup(op->body);
}

/* Ends the first @max transactions under way, in order; @status < 0: none of them is on disk. */
static inline void fake_commit_some(int max, int status)
{
	while (fake_n_queue > 0 && max-- > 0) {
		struct fake_txn t = fake_queue[0];

		memmove(&fake_queue[0], &fake_queue[1], sizeof(fake_queue[0]) * (size_t)--fake_n_queue);
		for (int i = 0; i < t.n; i++) {
			if (status == 0)
				fake_apply(&t.ops[i]);
			free((char *)(uintptr_t)t.ops[i].body);
		}
		if (t.done)
			t.done(t.context, 1, status);
	}
}

static inline void fake_commit(int status)
{
	fake_commit_some(INT32_MAX, status);
}

static inline void fake_clear(void)
{
	for (int i = 0; i < FAKE_ROWS; i++)
		if (fake_rows[i].used)
			fake_drop(&fake_rows[i]);
	fake_submit_error = 0;
}

int store_submit(struct store *s, const struct store_op *ops, int n, store_done_fn done, void *context, uint64_t *ticket)
{
	struct fake_txn *t;

	(void)s;
	if (fake_submit_error)
		return fake_submit_error;
	if (n < 1 || n > STORE_OPS_MAX || fake_n_queue == FAKE_QUEUE)
		abort();
	t = &fake_queue[fake_n_queue++];
	memcpy(t->ops, ops, sizeof(ops[0]) * (size_t)n);
	for (int i = 0; i < n; i++)
		t->ops[i].body = strdup(ops[i].body ? ops[i].body : "");
	t->n = n;
	t->done = done;
	t->context = context;
	if (ticket)
		*ticket = 1;
	return 0;
}

int store_load(struct store *s, enum store_table table, int (*row)(void *context, const struct store_row *row), void *context,
	       struct errbuf *err)
{
	int64_t last = 0;

	(void)s;
	(void)err;
	for (;;) {
		const struct fake_row *next = NULL;
		struct store_row r;
		int e;

		for (int i = 0; i < FAKE_ROWS; i++)
			if (fake_rows[i].used && fake_rows[i].table == table && fake_rows[i].seq > last &&
			    (!next || fake_rows[i].seq < next->seq))
				next = &fake_rows[i];
		if (!next)
			return 0;
		last = next->seq;
		r = (struct store_row){ next->seq, next->key, next->kind, next->body, next->at_ms };
		e = row(context, &r);
		if (e < 0)
			return e;
	}
}

void store_stats(const struct store *s, int64_t *bytes_written_today, int *waiting)
{
	(void)s;
	if (bytes_written_today)
		*bytes_written_today = 4096;
	if (waiting)
		*waiting = fake_n_queue;
}

#endif
