/* Inside the store: what the worker does to the file. Everything that may take long is cut into slices, so that a promise
 * waits for a slice and not for the whole. For io/store*.c only. */
#ifndef HEARTH_IO_STORE_JOB_H
#define HEARTH_IO_STORE_JOB_H

#include "io/store_file.h"

#define STORE_VERBS (STORE_DELETE_RANGE + 1)
#define STORE_NARROW 64  /* a range of less is deleted at once: few pages */
#define STORE_SLICE 2048 /* numbers of a log looked at before a promise gets its turn: some 300 KiB of rows */

static inline bool store_is_log(enum store_table table)
{
	return table >= STORE_LOGS_FROM;
}

static inline bool store_is_promise(enum store_table table)
{
	return table < STORE_PRICE;
}

/* An operation as it is kept while it waits: a third of a store_op. */
struct store_change {
	enum store_verb verb;
	enum store_table table;
	int64_t at_ms, ahead_ms, seq_from, seq_to;
	const char *key, *kind, *body;
};

/* --- store_write.c --- */

struct store_writer {
	sqlite3 *db;
	int64_t page_size;
	sqlite3_stmt *statement[STORE_VERBS][STORE_TABLES]; /* prepared when first used */
	sqlite3_stmt *begin, *commit, *rollback;
	bool lazy;         /* synchronous is NORMAL now */
	bool untidy;       /* perhaps rows noted as gone can leave the file */
	int wal_frames;    /* in the log after the last commit */
	int64_t copied;    /* bytes the checkpoints wrote since the last store_written */
};

void store_writer_init(struct store_writer *w, const struct store_file *f);
/** Finalizes what was prepared; before the file is closed. */
void store_writer_deinit(struct store_writer *w);
/** All changes or none; on disk when it returns 0 if @synced. Returns a negative errno else. */
int store_write(struct store_writer *w, const struct store_change *changes, int n, bool synced);
/** One slice of a deletion of old rows from a log. @c is advanced behind it; *over when nothing is left of it. */
int store_sweep(struct store_writer *w, struct store_change *c, bool *over);
/** One slice of taking rows noted as gone out of the file; w->untidy says if more is to do. */
void store_tidy(struct store_writer *w);
/** When the log is long. A failure leaves it longer and is met again by the next commit. */
void store_checkpoint(struct store_writer *w);
/** Bytes written since the last call; those of checkpoints at most. */
int64_t store_written(struct store_writer *w);

/* --- store_read.c --- */

/* What a read found so far. Freed by store_found_deinit; a zeroed one is valid. */
struct store_found {
	struct store_row *rows; /* room for max_rows, behind them the texts; after the last slice one block of the right size */
	size_t text, size;
	int n;
};

void store_found_deinit(struct store_found *f);
/** One slice of a read. @q->seq_from (newest first: seq_to) is advanced; *over with the last, when @f is ready. */
int store_read_slice(sqlite3 *db, struct store_query *q, struct store_found *f, bool *over);
/** One slice of a count, from number @from on, which is advanced. */
int store_count_slice(sqlite3 *db, enum store_table table, int64_t *from, struct store_summary *s, bool *over);

/* --- store_gone.c; all return an SQLite code --- */

/** The first row of @table not below @from (@down: the last not above), 0 = none. Rows noted as gone are none. */
int store_next_seq(sqlite3 *db, enum store_table table, bool down, int64_t from, int64_t *seq);
/** Shortens first..last, which begins (@down: ends) with a row, so that no row noted as gone is in it. */
int store_gone_clip(sqlite3 *db, enum store_table table, bool down, int64_t *first, int64_t *last);
/** Notes the rows from..to of a log as gone. In a transaction. */
int store_gone_add(sqlite3 *db, enum store_table table, int64_t from, int64_t to);
/** One slice of cleaning up, when it is time for one. In a transaction. */
int store_gone_tidy(sqlite3 *db, enum store_table table, bool *changed);

#endif
