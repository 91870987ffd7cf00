/* See store.h. The connection belongs to the loop's thread until the worker has its first transaction and again after the
 * worker has ended; in between only the worker touches it. Opening and damage are in store_file.c. */
#include "io/store.h"
#include "io/log.h"
#include "io/store_file.h"
#include "io/worker.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX (1024 * 1024)
#define CLOSE_MS 5000
#define CHECKPOINT_FRAMES 1000  /* 4 MiB of log, then the pages go home */
#define FRAME_HEADER 24
#define DAY_S 86400
#define STORE_VERBS (STORE_DELETE_OLDER + 1)

/* One allocation: the operations and their texts follow. Owned by the queue, then by the worker, then by the reply. */
struct transaction {
	uint64_t ticket;
	store_done_fn done;
	void *context;
	int n;
	struct store_op op[];
};

struct request {
	struct transaction *t;
};

struct reply {
	struct transaction *t;
	int status;
	int64_t bytes;
};

struct store {
	struct worker *worker;
	struct store_file file;
	sqlite3_stmt *statement[STORE_VERBS][STORE_TABLES]; /* prepared when first used */
	sqlite3_stmt *begin, *commit, *rollback;
	int wal_frames;            /* the worker's: frames in the log after the last commit */
	_Atomic int64_t deadline;  /* monotonic ms, set by store_close; 0 = none */
	/* the loop's */
	uint64_t last_ticket;
	int waiting;
	int failing;               /* errno of the last failure, 0 = the last one went well */
	int64_t bytes_today, day;
};

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int prepared(struct store *s, sqlite3_stmt **statement, const char *sql)
{
	if (*statement)
		return SQLITE_OK;
	return sqlite3_prepare_v3(s->file.db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static int step(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);

	sqlite3_reset(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int simple(struct store *s, sqlite3_stmt **statement, const char *sql)
{
	int rc = prepared(s, statement, sql);

	return rc ? rc : step(*statement);
}

static int operation(struct store *s, const struct store_op *op)
{
	static const char *const SQL[STORE_VERBS] = {
		[STORE_PUT] = "INSERT INTO %s (key, kind, at_ms, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET "
			      "kind = excluded.kind, at_ms = excluded.at_ms, body = excluded.body",
		[STORE_DELETE] = "DELETE FROM %s WHERE key = ?1",
		[STORE_DELETE_OLDER] = "DELETE FROM %s WHERE at_ms < ?3",
	};
	sqlite3_stmt **slot = &s->statement[op->verb][op->table];
	char sql[256];
	int rc;

	snprintf(sql, sizeof(sql), SQL[op->verb], store_table_name(op->table));
	rc = prepared(s, slot, sql);
	if (rc)
		return rc;
	if (op->verb != STORE_DELETE_OLDER)
		rc = sqlite3_bind_text(*slot, 1, op->key, -1, SQLITE_STATIC);
	if (!rc && op->verb == STORE_PUT)
		rc = sqlite3_bind_text(*slot, 2, op->kind, -1, SQLITE_STATIC);
	if (!rc && op->verb != STORE_DELETE)
		rc = sqlite3_bind_int64(*slot, 3, op->at_ms);
	if (!rc && op->verb == STORE_PUT)
		rc = sqlite3_bind_text(*slot, 4, op->body, -1, SQLITE_STATIC);
	if (!rc)
		rc = step(*slot);
	sqlite3_clear_bindings(*slot);
	return rc;
}

static int transaction_run(struct store *s, const struct transaction *t)
{
	int rc = simple(s, &s->begin, "BEGIN IMMEDIATE"), failed;

	for (int i = 0; !rc && i < t->n; i++)
		rc = operation(s, &t->op[i]);
	if (!rc)
		rc = simple(s, &s->commit, "COMMIT");
	if (!rc)
		return 0;
	failed = store_errno(s->file.db, rc);
	/* Some failures, like a full disk, have rolled back by themselves. */
	if (!sqlite3_get_autocommit(s->file.db))
		simple(s, &s->rollback, "ROLLBACK");
	return failed;
}

/* What the pager wrote since the last call. A checkpoint copies each page at most once. */
static int64_t bytes_written(struct store *s, int checkpointed)
{
	int pages = 0, high;

	sqlite3_db_status(s->file.db, SQLITE_DBSTATUS_CACHE_WRITE, &pages, &high, 1);
	return (int64_t)pages * (s->file.page_size + FRAME_HEADER) + (int64_t)checkpointed * s->file.page_size;
}

static int on_commit(void *context, sqlite3 *db, const char *name, int frames)
{
	struct store *s = context;

	(void)db;
	(void)name;
	s->wal_frames = frames;
	return SQLITE_OK;
}

/* Behind the answer: nobody waits for it. A failure leaves the log longer and is met again by the next commit. */
static int checkpoint(struct store *s)
{
	int in_log = 0, copied = 0;

	if (s->wal_frames < CHECKPOINT_FRAMES ||
	    sqlite3_wal_checkpoint_v2(s->file.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied))
		return 0;
	s->wal_frames = 0;
	return copied;
}

static void work(struct worker *w, void *context, const void *message)
{
	const struct request *request = message;
	struct store *s = context;
	struct reply reply = { .t = request->t };
	int64_t deadline = atomic_load(&s->deadline);

	if (deadline && clock_ms(CLOCK_MONOTONIC) > deadline)
		reply.status = -ECANCELED;
	else
		reply.status = transaction_run(s, request->t);
	reply.bytes = bytes_written(s, 0);
	worker_reply(w, &reply);
	reply = (struct reply){ .bytes = bytes_written(s, checkpoint(s)) };
	if (reply.bytes)
		worker_reply(w, &reply);
}

/* Said when it begins, when it changes and when it is over, not with every row. */
static void failing_say(struct store *s, int status)
{
	if (-status == s->failing)
		return;
	if (status < 0)
		log_error("store", "%s cannot be written: %s; nothing is acknowledged until it can", s->file.path,
			  strerror(-status));
	else
		log_notice("store", "%s can be written again", s->file.path);
	s->failing = -status;
}

static void replied(void *context, const void *message)
{
	const struct reply *reply = message;
	struct store *s = context;
	int64_t day = clock_ms(CLOCK_REALTIME) / 1000 / DAY_S;

	if (day != s->day)
		s->bytes_today = 0;
	s->day = day;
	s->bytes_today += reply->bytes;
	if (!reply->t)
		return;
	s->waiting--;
	if (reply->status != -ECANCELED)
		failing_say(s, reply->status);
	if (reply->t->done)
		reply->t->done(reply->t->context, reply->t->ticket, reply->status);
	free(reply->t);
}

int store_open(struct store **out, uv_loop_t *loop, const char *path, struct errbuf *err)
{
	struct worker_options o = { .name = "store",
				    .lanes = 1,
				    .depth = STORE_WAITING_MAX,
				    .message_size = sizeof(struct request),
				    .reply_size = sizeof(struct reply),
				    .reply_depth = STORE_WAITING_MAX,
				    .work = work,
				    .reply = replied };
	struct store *s = calloc(1, sizeof(*s));
	int damaged, rc;

	if (!s)
		return errbuf_set(err, -ENOMEM, "store: out of memory");
	damaged = store_file_open(&s->file, path, err);
	if (damaged < 0) {
		free(s);
		return damaged;
	}
	sqlite3_wal_hook(s->file.db, on_commit, s); /* takes the place of the automatic checkpoint */
	o.context = s;
	rc = worker_start(&s->worker, loop, &o, err);
	if (rc < 0) {
		store_file_close(&s->file);
		free(s);
		return rc;
	}
	*out = s;
	return damaged;
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text ? text : "";
}

int store_load(struct store *s, enum store_table table, int (*row)(void *context, const struct store_row *row), void *context,
	       struct errbuf *err)
{
	sqlite3_stmt *statement = NULL;
	char sql[128];
	int rc, stop = 0;

	if (s->last_ticket)
		return errbuf_set(err, -EBUSY, "store: rows can only be read before the first transaction");
	snprintf(sql, sizeof(sql), "SELECT seq, key, kind, body, at_ms FROM %s ORDER BY seq", store_table_name(table));
	rc = sqlite3_prepare_v2(s->file.db, sql, -1, &statement, NULL);
	while (!rc && !stop && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_row r = { .seq = sqlite3_column_int64(statement, 0),
				       .key = text_of(statement, 1),
				       .kind = text_of(statement, 2),
				       .body = text_of(statement, 3),
				       .at_ms = sqlite3_column_int64(statement, 4) };

		stop = row(context, &r);
		rc = SQLITE_OK;
	}
	if (rc && rc != SQLITE_DONE)
		stop = errbuf_set(err, store_errno(s->file.db, rc), "store: %s of %s: %s", store_table_name(table), s->file.path,
				  sqlite3_errmsg(s->file.db));
	sqlite3_finalize(statement);
	return stop;
}

static bool op_valid(const struct store_op *op)
{
	if ((unsigned)op->verb >= STORE_VERBS || (unsigned)op->table >= STORE_TABLES)
		return false;
	if (!memchr(op->key, '\0', sizeof(op->key)) || !memchr(op->kind, '\0', sizeof(op->kind)))
		return false;
	return op->key[0] || op->verb == STORE_DELETE_OLDER;
}

static struct transaction *transaction_copy(const struct store_op *ops, int n, size_t text)
{
	struct transaction *t = malloc(sizeof(*t) + (size_t)n * sizeof(*ops) + text);
	char *at;

	if (!t)
		return NULL;
	memcpy(t->op, ops, (size_t)n * sizeof(*ops));
	t->n = n;
	at = (char *)&t->op[n];
	for (int i = 0; i < n; i++) {
		size_t len = ops[i].body ? strlen(ops[i].body) + 1 : 0;

		if (len)
			memcpy(at, ops[i].body, len);
		t->op[i].body = len ? at : "";
		at += len;
	}
	return t;
}

int store_submit(struct store *s, const struct store_op *ops, int n, store_done_fn done, void *context, uint64_t *ticket)
{
	struct request request;
	size_t text = 0;
	int rc;

	if (n < 1)
		return -EINVAL;
	if (n > STORE_OPS_MAX)
		return -E2BIG;
	for (int i = 0; i < n; i++) {
		if (!op_valid(&ops[i]))
			return -EINVAL;
		text += ops[i].body ? strnlen(ops[i].body, TEXT_MAX + 1) + 1 : 0;
		if (text > TEXT_MAX)
			return -E2BIG;
	}
	request.t = transaction_copy(ops, n, text);
	if (!request.t)
		return -ENOMEM;
	request.t->ticket = ++s->last_ticket;
	request.t->done = done;
	request.t->context = context;
	rc = worker_post(s->worker, 0, 0, &request, NULL, NULL);
	if (rc) {
		free(request.t);
		return rc;
	}
	s->waiting++;
	if (ticket)
		*ticket = s->last_ticket;
	return 0;
}

void store_stats(const struct store *s, int64_t *bytes_written_today, int *waiting)
{
	if (bytes_written_today)
		*bytes_written_today = s->bytes_today;
	if (waiting)
		*waiting = s->waiting;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	atomic_store(&s->deadline, clock_ms(CLOCK_MONOTONIC) + CLOSE_MS);
	worker_stop(s->worker, true);
	for (int v = 0; v < STORE_VERBS; v++)
		for (int t = 0; t < STORE_TABLES; t++)
			sqlite3_finalize(s->statement[v][t]);
	sqlite3_finalize(s->begin);
	sqlite3_finalize(s->commit);
	sqlite3_finalize(s->rollback);
	store_file_close(&s->file);
	free(s);
}
