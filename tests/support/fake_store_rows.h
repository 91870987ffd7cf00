/* The rows of tests/support/fake_store.h, which includes this: what a transaction does to them and what a read sees. */
#ifndef HEARTH_TESTS_FAKE_STORE_ROWS_H
#define HEARTH_TESTS_FAKE_STORE_ROWS_H

#include "io/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_ROWS 2048 /* of all keyed tables; logs grow as they like */
#define FAKE_LOGS (STORE_TABLES - STORE_LOGS_FROM)

struct fake_row { bool used; enum store_table table; int64_t seq, at_ms; char key[STORE_KEY_MAX], kind[STORE_KIND_MAX], *body; };
struct fake_log { struct store_row *row; int n, room; int64_t last_seq; }; /* ascending; kind and body are strdup'ed */
static struct fake_row fake_rows[FAKE_ROWS];
static struct fake_log fake_logs[FAKE_LOGS];
static int fake_top;            /* no row of fake_rows in use from here on */
static int64_t fake_seq[STORE_TABLES];

static inline struct fake_log *fake_log_of(enum store_table table)
{
	return table >= STORE_LOGS_FROM ? &fake_logs[table - STORE_LOGS_FROM] : NULL;
}

static inline struct fake_row *fake_find(enum store_table table, const char *key)
{
	for (int i = 0; i < fake_top; i++)
		if (fake_rows[i].used && fake_rows[i].table == table && !strcmp(fake_rows[i].key, key))
			return &fake_rows[i];
	return NULL;
}

static inline int fake_count(enum store_table table)
{
	int n = 0;

	if (fake_log_of(table))
		return fake_log_of(table)->n;
	for (int i = 0; i < fake_top; i++)
		n += fake_rows[i].used && fake_rows[i].table == table;
	return n;
}

static inline void fake_drop(struct fake_row *r)
{
	free(r->body);
	memset(r, 0, sizeof(*r));
}

/* Or from a clock that ran ahead. */
static inline bool fake_too_old(int64_t at_ms, const struct store_op *op)
{
	return at_ms < op->at_ms || (op->ahead_ms && at_ms > op->ahead_ms);
}

static inline void fake_log_apply(struct fake_log *l, const struct store_op *op)
{
	int kept = 0;

	if (op->verb == STORE_PUT) {
		if (l->n == l->room) {
			l->room = l->room ? l->room * 2 : 1024;
			l->row = realloc(l->row, sizeof(*l->row) * (size_t)l->room);
		}
		l->row[l->n++] = (struct store_row){ .seq = ++l->last_seq, .key = "", .kind = strdup(op->kind),
						     .body = strdup(op->body), .at_ms = op->at_ms };
		return;
	}
	for (int i = 0; i < l->n; i++) {
		const struct store_row *r = &l->row[i];
		bool goes = op->verb == STORE_DELETE_OLDER ? fake_too_old(r->at_ms, op) : r->seq >= op->seq_from && r->seq <= op->seq_to;

		if (!goes) {
			l->row[kept++] = *r;
			continue;
		}
		free((char *)(uintptr_t)r->kind);
		free((char *)(uintptr_t)r->body);
	}
	l->n = kept;
}

static inline void fake_apply(const struct store_op *op)
{
	struct fake_row *r;

	if (fake_log_of(op->table)) {
		fake_log_apply(fake_log_of(op->table), op);
		return;
	}
	if (op->verb == STORE_DELETE_OLDER) {
		for (int i = 0; i < fake_top; i++)
			if (fake_rows[i].used && fake_rows[i].table == op->table && fake_too_old(fake_rows[i].at_ms, op))
				fake_drop(&fake_rows[i]);
		return;
	}
	r = fake_find(op->table, op->key);
	if (op->verb == STORE_DELETE) {
		if (r)
			fake_drop(r);
		return;
	}
	for (int i = 0; !r && i < FAKE_ROWS; i++)
		if (!fake_rows[i].used) {
			r = &fake_rows[i];
			r->seq = ++fake_seq[op->table];
			fake_top = i < fake_top ? fake_top : i + 1;
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

/* The row of @table next to seq @last in the order asked for; false = none. */
static inline bool fake_next(enum store_table table, bool down, int64_t last, struct store_row *out)
{
	const struct fake_log *l = fake_log_of(table);
	int low = 0, high = l ? l->n : 0;

	out->seq = 0;
	while (low < high) { /* the first above @last (down: not below it) */
		int mid = (low + high) / 2;

		if (l->row[mid].seq < last || (!down && l->row[mid].seq == last))
			low = mid + 1;
		else
			high = mid;
	}
	if (l && (down ? low > 0 : low < l->n))
		*out = l->row[down ? low - 1 : low];
	for (int i = 0; !l && i < fake_top; i++) {
		const struct fake_row *r = &fake_rows[i];

		if (!r->used || r->table != table || (down ? r->seq >= last : r->seq <= last))
			continue;
		if (!out->seq || (down ? r->seq > out->seq : r->seq < out->seq))
			*out = (struct store_row){ r->seq, r->key, r->kind, r->body, r->at_ms };
	}
	return out->seq > 0;
}

static inline bool fake_matches(const struct store_query *q, const struct store_row *r)
{
	return r->seq >= q->seq_from && (!q->seq_to || r->seq <= q->seq_to) && (!q->at_from_ms || r->at_ms >= q->at_from_ms) &&
	       (!q->at_to_ms || r->at_ms < q->at_to_ms) && (!q->kind[0] || !strcmp(q->kind, r->kind));
}

static inline bool fake_op_valid(const struct store_op *op)
{
	bool log = op->table >= STORE_LOGS_FROM;

	if ((unsigned)op->table >= STORE_TABLES || (log && op->verb == STORE_DELETE) || (!log && op->verb == STORE_DELETE_RANGE))
		return false;
	if (op->verb == STORE_DELETE_RANGE)
		return op->seq_from <= op->seq_to;
	return log || op->key[0] || op->verb == STORE_DELETE_OLDER;
}

static inline void fake_rows_clear(void)
{
	const struct store_op all = { .verb = STORE_DELETE_RANGE, .seq_to = INT64_MAX };

	for (int i = 0; i < fake_top; i++)
		if (fake_rows[i].used)
			fake_drop(&fake_rows[i]);
	for (int i = 0; i < FAKE_LOGS; i++) {
		fake_log_apply(&fake_logs[i], &all);
		free(fake_logs[i].row);
		memset(&fake_logs[i], 0, sizeof(fake_logs[i]));
	}
	memset(fake_seq, 0, sizeof(fake_seq));
	fake_top = 0;
}

#endif
