/* SQLite on its own worker: promises (settings, commands, outbox), and logs of telemetry and history. One writer, WAL,
 * prepared statements, PRAGMA user_version migrations. A transaction is a list of operations; the caller is told on the
 * loop when it is on disk (synchronous=FULL for promises). The loop never waits for the disk except at start-up and in
 * store_close. */
#ifndef HEARTH_IO_STORE_H
#define HEARTH_IO_STORE_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct store; /* opaque */

/* A row: all tables have this shape. In the first ones `key` is unique (the outbox's is the message_id); putting a key that is
 * there keeps its place in the order. From STORE_TELEMETRY on they are logs: rows are only appended, `key` is not stored, and
 * a `seq` is never given twice. */
enum store_table {
	STORE_SETTING, STORE_COMMAND, STORE_EVENT, STORE_SEEN, STORE_OUTBOX,
	STORE_PRICE,     /* key "<location>/<direction>/<from>" */
	STORE_DAILY,     /* key "<device>/<YYYY-MM-DD>": sums of a local day */
	STORE_TELEMETRY, /* kind = device id at Flip: points Flip has not taken yet */
	STORE_REFUSED,   /* telemetry Flip will not take as it is */
	STORE_HISTORY,   /* kind = device: five-minute means */
	STORE_DIARY,     /* kind = device, "" = the site: what changed, and why */
	STORE_TABLES
};
#define STORE_LOGS_FROM STORE_TELEMETRY

/* Durability: a transaction that touches telemetry, refused, history, diary, daily or price only is committed without waiting for
 * the disk (it is synced with the next promise, the next checkpoint, or when the kernel writes back; a killed process loses
 * nothing, a power cut the last half minute). Every other one is a promise: synced before its answer.
 *
 * Order: promises among themselves as submitted; so does all the rest, reads included. Promises go first: they do not wait for
 * a long read or deletion, and may be answered before cheap transactions and reads submitted earlier. A transaction that is
 * both a promise and more keeps its place in both. A read sees all that was submitted before it, of either sort. */

#define STORE_KEY_MAX 128
#define STORE_KIND_MAX 64 /* an id of Flip fits */

enum store_verb {
	STORE_PUT,          /* keyed tables: insert or replace; logs: append */
	STORE_DELETE,       /* keyed tables: by key */
	STORE_DELETE_OLDER, /* rows with at_ms < op.at_ms, and, from a clock that ran ahead, > op.ahead_ms; alone on a log: in slices, so a
			     * crash may leave some of them */
	STORE_DELETE_RANGE, /* logs: rows with seq_from <= seq <= seq_to; cheap however wide it is */
};

struct store_op {
	enum store_verb verb;
	enum store_table table;
	char key[STORE_KEY_MAX];
	char kind[STORE_KIND_MAX];  /* outbox: "command_status", "participation", "telemetry"; else free */
	int64_t at_ms;              /* UTC: created (outbox, seen) or updated */
	const char *body;           /* text, NULL = ""; copied by store_submit */
	int64_t seq_from, seq_to;   /* of STORE_DELETE_RANGE */
	int64_t ahead_ms;           /* of STORE_DELETE_OLDER; 0 = none is too new */
};

struct store_row {
	int64_t seq;                /* outbox order: ascending insertion */
	const char *key, *kind, *body;
	int64_t at_ms;
};

/**
 * Opens (creates with mode 0600, migrates) the file and starts the worker. Synchronous; runs before the loop.
 * A file that is damaged is moved aside ("<path>.damaged-<time>") and a new one is begun with what can still be read of the keyed
 * tables; this is said in @err with return value 1, by each opening until store_damage_known; see store_lost. Where no new file
 * can be made (a full disk), the damaged one stays in its place. "<path>.spare" holds a MiB, as far as there is room, for opening it on
 * a disk that has filled up since. -EBUSY: another process has it open; -EPROTO: a newer Hearth wrote it. Any other
 * trouble (no folder, read-only, full disk) is a negative errno and leaves the file as it is.
 */
int store_open(struct store **out, uv_loop_t *loop, const char *path, struct errbuf *err);

/** Damage was found, at this opening or at one before, and not all rows of @table could be taken over from the damaged file. */
bool store_lost(const struct store *s, enum store_table table);

/** What follows from the damage was submitted: when that is on disk, the next opening need not be told of it (1) again. */
void store_damage_known(struct store *s);

/** Reads every row of a table in insertion order. Synchronous; only before the first store_submit (else -EBUSY); reads may
 *  be under way.
 *  @row returning anything but 0 ends the reading and is returned. */
int store_load(struct store *s, enum store_table table, int (*row)(void *context, const struct store_row *row), void *context,
	       struct errbuf *err);

/** status 0 = committed, and synced if it is a promise; negative errno = it did not happen (after a failed sync followed by a crash it may
 *  still come back, so a caller who tries again must use the same keys). Never tried again by the store itself. On the
 *  loop, in the order told above. */
typedef void (*store_done_fn)(void *context, uint64_t ticket, int status);

/**
 * Queues one atomic transaction; ops are copied.
 * @done may be NULL. @ticket receives a number for matching (never 0); may be NULL.
 * Returns 0, -EAGAIN when STORE_WAITING_MAX transactions of its sort wait (reads count with the cheap ones), -E2BIG above
 * STORE_OPS_MAX operations or 1 MiB of text, -EINVAL for no operation, an empty key, a verb the table does not have, or a range
 * that ends before it begins.
 */
#define STORE_OPS_MAX 1024   /* of one transaction */
#define STORE_SOME 64        /* what a batch of promises keeps to */
#define STORE_WAITING_MAX 256
int store_submit(struct store *s, const struct store_op *ops, int n, store_done_fn done, void *context, uint64_t *ticket);

/* What to read: rows of one table in the order of seq. Zero means "any". */
struct store_query {
	enum store_table table;
	int64_t seq_from, seq_to;     /* inclusive; 0 = open */
	int64_t at_from_ms, at_to_ms; /* from <= at_ms < to */
	char kind[STORE_KIND_MAX];    /* "" = any */
	bool newest_first;
	int max_rows;                 /* 1..STORE_READ_MAX */
};
#define STORE_READ_MAX 4096
#define STORE_READ_TEXT (1024 * 1024)

/** On the loop. The rows live until it returns. @n < 0: a negative errno, there are none. A read ends early before its texts
 *  would pass STORE_READ_TEXT (never before the first row): only 0 rows mean that there are no more. */
typedef void (*store_rows_fn)(void *context, const struct store_row *rows, int n);

/** Reads on the worker, after the transactions submitted before. 0, -EAGAIN (too much waits), -EINVAL, -ENOMEM. The callback
 *  comes exactly once after 0, at the latest inside store_close (then perhaps with -ECANCELED). */
int store_read(struct store *s, const struct store_query *q, store_rows_fn done, void *context);

struct store_summary { int64_t rows, bytes /* of bodies */, seq_first, seq_last, oldest_at_ms; };
/** @s NULL: it could not be read (@status). On the loop, once. */
typedef void (*store_summary_fn)(void *context, const struct store_summary *s, int status);
/** Counts a table on the worker. As store_read. */
int store_summarize(struct store *s, enum store_table table, store_summary_fn done, void *context);

/** Bytes written to the file system by the worker this UTC day (as counted by the pager), and transactions not answered
 *  yet. Both pointers may be NULL. */
void store_stats(const struct store *s, int64_t *bytes_written_today, int *waiting);

/** Commits what is queued (what has not begun after 5 s fails with -ECANCELED), calls what @done callbacks are left,
 *  checkpoints, closes, frees. NULL is fine. */
void store_close(struct store *s);

#endif
