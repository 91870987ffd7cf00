/* What the outbox's files share. Not for others. */
#ifndef HEARTH_FLOW_CLOUD_OUTBOX_INTERNAL_H
#define HEARTH_FLOW_CLOUD_OUTBOX_INTERNAL_H

#include "core/backoff.h"
#include "flow/cloud/outbox.h"

#define CLASSES 3
#define BUCKETS 1024
#define WRITE_MAX 512 /* rows of one transaction; bodies keep it smaller */
#define QUARANTINE_MARK '!' /* first character of a quarantined row's kind in the store */

enum row_state { ROW_UNCOMMITTED, ROW_READY, ROW_SENT, ROW_QUARANTINED, ROW_DONE /* waits for its deletion on disk */ };

struct row {
	struct row *prev, *next;
	struct row *in_bucket;
	char id[OUTBOX_ID_MAX], kind[STORE_KIND_MAX];
	char *body;               /* with message_id; owned */
	char reason[160];         /* of the quarantine */
	int64_t at_utc_ms;
	enum row_state state;
	int tries;
	int refusals;             /* asked to come again, in a row; a link that comes back forgives none */
	uint32_t subject;         /* what it is about, as a hash: order holds among those of one subject */
	int64_t due_ms;           /* READY: not before; SENT: unanswered after */
	struct backoff retry, timeout;
	bool dirty;               /* differs from the disk */
	bool unreadable;          /* on the disk as it was found; it will never have words */
};

struct row_list { struct row *first, *last; };

struct outbox {
	struct store *store;
	outbox_send_fn send;
	void *context;
	outbox_over_fn over;
	void *over_context;
	bool refused;             /* some row may have been refused: only then all of them are looked through for it */
	bool up, pumping, pump_again, write_failed;
	bool full;                /* said in the log */
	int64_t write_after_ms;
	int64_t bytes, max_bytes;
	int64_t sent_total, failed_total;
	struct row_list list[CLASSES]; /* in the order of promising */
	struct row_list done;     /* wait for their deletion on disk */
	struct row *bucket[BUCKETS]; /* all of them by their id */
	struct row *writing[WRITE_MAX];
	int n_writing;            /* rows in the transaction under way; 0 = none is */
};

void outbox_link_row(struct outbox *o, struct row *r);
/** Moves a row that is over to those that wait for their deletion. */
void outbox_done_row(struct outbox *o, struct row *r);
void outbox_free_row(struct outbox *o, struct row *r);
void outbox_due_now(struct row *r);
/** Kept and named, not sent any more. */
void outbox_set_aside(struct row *r, const char *reason);
/** Sends what is due. */
void outbox_pump(struct outbox *o, int64_t now_ms);
void outbox_answered(struct outbox *o, struct row *r, int status, const char *reason, int64_t now_ms);
/** One batch of changed rows to the disk, unless one is under way. */
void outbox_write(struct outbox *o, int64_t now_ms);
int outbox_load_row(void *context, const struct store_row *row);

#endif
