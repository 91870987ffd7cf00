/* A store in memory that commits when the test says so, or fails, or is "killed" with what was not committed. Refuses what
 * io/store.c refuses; reads are answered in their place among the transactions. Include it in one test file; it takes the
 * place of io/store.c. */
#ifndef HEARTH_TESTS_FAKE_STORE_H
#define HEARTH_TESTS_FAKE_STORE_H

#include "support/fake_store_rows.h"

struct fake_wait {
	struct fake_wait *next;
	store_done_fn done;
	store_rows_fn rows;
	store_summary_fn summary;
	void *context;
	struct store_query query;
	int n;
	struct store_op ops[];
};

static struct fake_wait *fake_first, **fake_end = &fake_first;
static int fake_n_queue;        /* transactions and reads not answered yet */
static int fake_submit_error;   /* what store_submit returns */
static int fake_read_error;     /* what store_read and store_summarize return */
static int fake_read_status;    /* what those under way are answered with, when it is not 0 */

static inline void fake_answer_rows(const struct fake_wait *w, int status)
{
	static struct store_row rows[STORE_READ_MAX];
	const struct store_query *q = &w->query;
	int64_t last = q->newest_first ? INT64_MAX : 0;
	size_t text = 0;
	struct store_row r;
	int n = 0;

	while (!status && n < q->max_rows && fake_next(q->table, q->newest_first, last, &r)) {
		last = r.seq;
		if (!fake_matches(q, &r))
			continue;
		text += strlen(r.key) + strlen(r.kind) + strlen(r.body) + 3;
		if (n && text > STORE_READ_TEXT)
			break;
		rows[n++] = r;
	}
	w->rows(w->context, rows, status ? status : n);
}

static inline void fake_answer_summary(const struct fake_wait *w, int status)
{
	struct store_summary s = { 0 };
	struct store_row r;

	for (int64_t last = 0; !status && fake_next(w->query.table, false, last, &r); last = r.seq) {
		s.oldest_at_ms = !s.rows || r.at_ms < s.oldest_at_ms ? r.at_ms : s.oldest_at_ms;
		s.seq_first = s.rows++ ? s.seq_first : r.seq;
		s.seq_last = r.seq;
		s.bytes += (int64_t)strlen(r.body);
	}
	w->summary(w->context, status ? NULL : &s, status);
}

/* Ends the first @max transactions and reads under way, in order. @status < 0: none of the transactions is on disk; reads have
 * their own fake_read_status, but -ECANCELED (store_close) is for all. */
static inline void fake_commit_some(int max, int status)
{
	while (fake_first && max-- > 0) {
		struct fake_wait *w = fake_first;
		int read_status = status == -ECANCELED ? status : fake_read_status;

		fake_first = w->next;
		if (!fake_first)
			fake_end = &fake_first;
		fake_n_queue--;
		for (int i = 0; i < w->n; i++) {
			if (status == 0)
				fake_apply(&w->ops[i]);
			free((char *)(uintptr_t)w->ops[i].body);
		}
		if (w->rows)
			fake_answer_rows(w, read_status);
		if (w->summary)
			fake_answer_summary(w, read_status);
		if (w->done)
			w->done(w->context, 1, status);
		free(w);
	}
}

static inline void fake_commit(int status)
{
	fake_commit_some(INT32_MAX, status);
}

/* A new, empty disk, and no injected trouble. */
static inline void fake_clear(void)
{
	fake_rows_clear();
	fake_submit_error = fake_read_error = fake_read_status = 0;
}

static inline struct fake_wait *fake_wait_new(int n, void *context)
{
	struct fake_wait *w = calloc(1, sizeof(*w) + sizeof(w->ops[0]) * (size_t)n);

	*fake_end = w;
	fake_end = &w->next;
	w->context = context;
	w->n = n;
	fake_n_queue++;
	return w;
}

int store_submit(struct store *s, const struct store_op *ops, int n, store_done_fn done, void *context, uint64_t *ticket)
{
	struct fake_wait *w;
	size_t text = 0;

	(void)s;
	if (fake_submit_error)
		return fake_submit_error;
	if (n < 1)
		return -EINVAL;
	for (int i = 0; n <= STORE_OPS_MAX && i < n; i++) {
		if (!fake_op_valid(&ops[i]))
			return -EINVAL;
		text += ops[i].body ? strlen(ops[i].body) + 1 : 0;
	}
	if (n > STORE_OPS_MAX || text > STORE_READ_TEXT)
		return -E2BIG;
	if (fake_n_queue == STORE_WAITING_MAX)
		return -EAGAIN;
	w = fake_wait_new(n, context);
	memcpy(w->ops, ops, sizeof(ops[0]) * (size_t)n);
	for (int i = 0; i < n; i++)
		w->ops[i].body = strdup(ops[i].body ? ops[i].body : "");
	w->done = done;
	if (ticket)
		*ticket = 1;
	return 0;
}

int store_read(struct store *s, const struct store_query *q, store_rows_fn done, void *context)
{
	struct fake_wait *w;

	(void)s;
	if (fake_read_error)
		return fake_read_error;
	if ((unsigned)q->table >= STORE_TABLES || q->max_rows < 1 || q->max_rows > STORE_READ_MAX || q->seq_from < 0 ||
	    q->seq_to < 0 || !done)
		return -EINVAL;
	if (fake_n_queue == STORE_WAITING_MAX)
		return -EAGAIN;
	w = fake_wait_new(0, context);
	w->query = *q;
	w->rows = done;
	return 0;
}

int store_summarize(struct store *s, enum store_table table, store_summary_fn done, void *context)
{
	struct fake_wait *w;

	(void)s;
	if (fake_read_error)
		return fake_read_error;
	if ((unsigned)table >= STORE_TABLES || !done)
		return -EINVAL;
	if (fake_n_queue == STORE_WAITING_MAX)
		return -EAGAIN;
	w = fake_wait_new(0, context);
	w->query.table = table;
	w->summary = done;
	return 0;
}

int store_load(struct store *s, enum store_table table, int (*row)(void *context, const struct store_row *row), void *context,
	       struct errbuf *err)
{
	struct store_row r;
	int e = 0;

	(void)s;
	(void)err;
	for (int64_t last = 0; !e && fake_next(table, false, last, &r); last = r.seq)
		e = row(context, &r);
	return e;
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
