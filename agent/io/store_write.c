/* See store_job.h. Transactions, the deletion of log rows in slices, and the checkpoint. On the worker. */
#include "io/store_job.h"

#include <stdio.h>

#define CHECKPOINT_FRAMES 1000 /* 4 MiB of log, then the pages go home */
#define FRAME_HEADER 24

static int prepared(struct store_writer *w, sqlite3_stmt **statement, const char *sql)
{
	if (*statement)
		return SQLITE_OK;
	return sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static int step(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);

	sqlite3_reset(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int simple(struct store_writer *w, sqlite3_stmt **statement, const char *sql)
{
	int rc = prepared(w, statement, sql);

	return rc ? rc : step(*statement);
}

static const char *sql_of(enum store_verb verb, enum store_table table)
{
	switch (verb) {
	case STORE_PUT:
		if (store_is_log(table))
			return "INSERT INTO %s (kind, at_ms, body) VALUES (?2, ?3, ?4)";
		return "INSERT INTO %s (key, kind, at_ms, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET "
		       "kind = excluded.kind, at_ms = excluded.at_ms, body = excluded.body";
	case STORE_DELETE:
		return "DELETE FROM %s WHERE key = ?1";
	case STORE_DELETE_OLDER:
		return "DELETE FROM %s WHERE (at_ms < ?3 OR at_ms > ?7) AND seq BETWEEN ?5 AND ?6";
	case STORE_DELETE_RANGE:
		return "DELETE FROM %s WHERE seq BETWEEN ?5 AND ?6";
	}
	return NULL;
}

/* Binds what the statement has. */
static int bind_text(sqlite3_stmt *statement, int i, const char *text)
{
	int rc = sqlite3_bind_text(statement, i, text, -1, SQLITE_STATIC);

	return rc == SQLITE_RANGE ? SQLITE_OK : rc;
}

static int bind_number(sqlite3_stmt *statement, int i, int64_t number)
{
	int rc = sqlite3_bind_int64(statement, i, number);

	return rc == SQLITE_RANGE ? SQLITE_OK : rc;
}

static int change(struct store_writer *w, const struct store_change *c)
{
	sqlite3_stmt **slot = &w->statement[c->verb][c->table];
	int rc = SQLITE_OK;
	char sql[256];

	if (c->verb == STORE_DELETE_RANGE && c->seq_to - c->seq_from >= STORE_NARROW) {
		w->untidy = true;
		return store_gone_add(w->db, c->table, c->seq_from, c->seq_to);
	}
	if (!*slot) {
		snprintf(sql, sizeof(sql), sql_of(c->verb, c->table), store_table_name(c->table));
		rc = prepared(w, slot, sql);
	}
	if (rc || (rc = bind_text(*slot, 1, c->key)) || (rc = bind_text(*slot, 2, c->kind)) ||
	    (rc = bind_number(*slot, 3, c->at_ms)) || (rc = bind_text(*slot, 4, c->body)) ||
	    (rc = bind_number(*slot, 5, c->seq_from)) || (rc = bind_number(*slot, 6, c->seq_to)) ||
	    (rc = bind_number(*slot, 7, c->ahead_ms)))
		return rc;
	rc = step(*slot);
	sqlite3_clear_bindings(*slot);
	return rc;
}

/* NORMAL leaves the sync of a commit out; the log is still synced before a checkpoint and by the next promise, so the order
 * of transactions stays and the file cannot be damaged by a power cut. */
static int level(struct store_writer *w, bool synced)
{
	int rc;

	if (w->lazy == !synced)
		return SQLITE_OK;
	rc = sqlite3_exec(w->db, synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	if (!rc)
		w->lazy = !synced;
	return rc;
}

/* @rc: how it went so far. Returns a negative errno, or 0 when all is committed. */
static int end(struct store_writer *w, int rc)
{
	if (!rc)
		rc = simple(w, &w->commit, "COMMIT");
	if (!rc)
		return 0;
	rc = store_errno(w->db, rc);
	/* Some failures, like a full disk, have rolled back by themselves. */
	if (!sqlite3_get_autocommit(w->db))
		simple(w, &w->rollback, "ROLLBACK");
	return rc;
}

int store_write(struct store_writer *w, const struct store_change *changes, int n, bool synced)
{
	int rc = level(w, synced);

	if (!rc)
		rc = simple(w, &w->begin, "BEGIN IMMEDIATE");
	for (int i = 0; !rc && i < n; i++)
		rc = change(w, &changes[i]);
	return end(w, rc);
}

/* What fails here is done again after the next deletion: nobody waits for it. */
void store_tidy(struct store_writer *w)
{
	int rc = level(w, false);

	w->untidy = false;
	if (!rc)
		rc = simple(w, &w->begin, "BEGIN IMMEDIATE");
	for (int t = STORE_LOGS_FROM; !rc && !w->untidy && t < STORE_TABLES; t++)
		rc = store_gone_tidy(w->db, (enum store_table)t, &w->untidy);
	if (end(w, rc) < 0)
		w->untidy = false;
}

int store_sweep(struct store_writer *w, struct store_change *c, bool *over)
{
	struct store_change slice = *c;
	int rc = store_next_seq(w->db, c->table, false, c->seq_from, &slice.seq_from);

	*over = true;
	if (rc)
		return store_errno(w->db, rc);
	if (!slice.seq_from || slice.seq_from > c->seq_to)
		return 0;
	if (c->seq_to - slice.seq_from >= STORE_SLICE) {
		slice.seq_to = slice.seq_from + STORE_SLICE - 1;
		c->seq_from = slice.seq_to + 1;
		*over = false;
	}
	rc = store_write(w, &slice, 1, false);
	*over = *over || rc;
	return rc;
}

void store_checkpoint(struct store_writer *w)
{
	int in_log = 0, copied = 0;
	int64_t pages = 0;

	if (w->wal_frames < CHECKPOINT_FRAMES ||
	    sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied))
		return;
	w->wal_frames = 0;
	/* A page that is in the log many times is copied once. */
	if (store_number(w->db, "PRAGMA page_count", &pages) || pages > copied)
		pages = copied;
	w->copied += pages * w->page_size;
}

int64_t store_written(struct store_writer *w)
{
	int64_t copied = w->copied;
	int pages = 0, high;

	sqlite3_db_status(w->db, SQLITE_DBSTATUS_CACHE_WRITE, &pages, &high, 1);
	w->copied = 0;
	return (int64_t)pages * (w->page_size + FRAME_HEADER) + copied;
}

static int on_commit(void *context, sqlite3 *db, const char *name, int frames)
{
	struct store_writer *w = context;

	(void)db;
	(void)name;
	w->wal_frames = frames;
	return SQLITE_OK;
}

void store_writer_init(struct store_writer *w, const struct store_file *f)
{
	*w = (struct store_writer){ .db = f->db, .page_size = f->page_size, .untidy = true };
	sqlite3_wal_hook(w->db, on_commit, w); /* takes the place of the automatic checkpoint */
}

void store_writer_deinit(struct store_writer *w)
{
	for (int v = 0; v < STORE_VERBS; v++)
		for (int t = 0; t < STORE_TABLES; t++)
			sqlite3_finalize(w->statement[v][t]);
	sqlite3_finalize(w->begin);
	sqlite3_finalize(w->commit);
	sqlite3_finalize(w->rollback);
	*w = (struct store_writer){ 0 };
}
