/* What the backlog's files share. Not for others. */
#ifndef HEARTH_FLOW_CLOUD_BACKLOG_INTERNAL_H
#define HEARTH_FLOW_CLOUD_BACKLOG_INTERNAL_H

#include "core/backoff.h"
#include "core/snapshot.h"
#include "flow/cloud/backlog.h"

#define QUEUE_MAX (4 * DEVICE_MAX)
#define REASON_MAX 96
/* A refused row: the packed line, a newline, the reason. */
#define REFUSED_TEXT_MAX (TELEMETRY_PACKED_MAX + REASON_MAX)

enum fate { FATE_STAYS, FATE_SAVED, FATE_REFUSED };
enum batch_state {
	BATCH_NONE,
	BATCH_HELD,     /* read, not with the sender: not yet, or it must go again */
	BATCH_SENT,
	BATCH_SETTLING, /* answered; the disk has to be told, for as long as it takes */
};
/* One after the other at the start. */
enum stage { STAGE_ID, STAGE_POINTS, STAGE_REFUSED, STAGE_REASON, STAGE_READY };

struct batch_row { int64_t seq; int32_t len; enum fate fate; };

struct batch {
	enum batch_state state;
	char id[BACKLOG_ID_MAX];
	int n;
	struct telemetry_point *points; /* owned, as is row; both only as long as there is a batch */
	struct batch_row *row;
	bool fresh;                     /* the interval just stored */
	bool sent;                      /* at least once: an answer may come */
	int64_t deadline_ms;            /* of the answer */
};

struct backlog {
	struct store *store;
	backlog_send_fn send;
	void *context;
	int64_t max_bytes, now_ms;
	int batch_max;
	bool up, begun;
	enum stage stage;
	char id[9];
	struct backlog_stats stats;

	/* the store: one job at a time (appending apart), none before due after a failure */
	bool busy;
	int64_t store_due_ms;
	struct backoff store_back;

	/* what is not stored yet; the first n_flight of it are in a transaction */
	struct telemetry_point queue[QUEUE_MAX];
	int n_queue, n_flight;
	int64_t flight_bytes, append_due_ms;
	struct backoff append_back;

	/* sending */
	struct batch batch;
	int64_t due_ms, sent_ms;        /* not before; the last one */
	struct backoff back, refuse_back;
	int fresh_n;                    /* rows of the interval just stored that were not sent first yet */
	bool fresh_last;                /* the batch before was a fresh one: now an old one */
	int64_t fresh_utc_ms;
	int suspect_n;                  /* so many of the oldest rows hold a bad one */
	int limit, ceiling;             /* of a batch: after refusals; after a 413 */
	int alone;                      /* points refused alone since something was taken */

	/* housekeeping */
	int64_t thin_due_ms, thin_seq;  /* up to there nothing can be merged any more */
	int64_t owed_seq;               /* up to there rows went out and no answer came: Flip may have them; 0 = none */
	bool thin_passed;               /* such rows were passed over: thinning begins anew when the answer is here */
	int64_t thin_behind;            /* the read under way ends before a fresh batch Flip may have: its end */
	int64_t unrefuse;               /* quarantined rows that shall go again */
	int64_t job_rows, job_bytes;    /* of the transaction under way */
	bool deaf, full;                /* said in the log: the disk does not take points; there is no room for them */
	char said[REASON_MAX];          /* the refusal last told in the log */
	int64_t said_ms, unsaid;        /* when; points refused since for the same reason */
	bool said_any, good_since;      /* an answer without any refusal came since */
};

/** Does what can be done next. */
void backlog_work(struct backlog *b);
/** A job is over: false when it failed (tried again later) or the store closes. */
bool backlog_job_done(struct backlog *b, int status);
/** store_submit as the job of the backlog; a refusal is a failed job. */
void backlog_submit(struct backlog *b, const struct store_op *ops, int n, store_done_fn done);
void backlog_read(struct backlog *b, const struct store_query *q, store_rows_fn done);
uint32_t backlog_dice(void);
/** STORE_REFUSED: @text receives what @op->body points to. */
void backlog_refused_op(struct store_op *op, const struct store_row *row, const char *reason, char text[REFUSED_TEXT_MAX]);
/** Once a reason; the same one again after a good answer, at most once an hour. The others are counted. */
void backlog_refused_say(struct backlog *b, int n, const char *device_id, const char *reason);

/* --- backlog_send.c --- */

/** Sends, or reads what is to be sent, or tells the disk what was taken. True when it used the store. */
bool backlog_settle(struct backlog *b);
void backlog_pump(struct backlog *b);
/** What is unanswered goes again. */
void backlog_timeouts(struct backlog *b);
void backlog_forget_batch(struct backlog *b);
/** Flip may have the batch: it was sent, and no answer came. */
bool backlog_owed(const struct batch *t);

/* --- backlog_room.c --- */

/** One bounded step of keeping the tables within their limits. True when it used the store. */
bool backlog_room(struct backlog *b);

#endif
