/* What Hearth owes to others: rows that were promised in the same transaction as their cause, are sent in order, and
 * leave only when the receiver says so. Guarantees: agent/flow/README.md. Runs on the loop; never waits. */
#ifndef HEARTH_FLOW_CLOUD_OUTBOX_H
#define HEARTH_FLOW_CLOUD_OUTBOX_H

#include "core/err.h"
#include "core/json.h"
#include "io/store.h"

#include <stdbool.h>
#include <stdint.h>

#define OUTBOX_ID_MAX 40 /* message_id: a UUID */

/* Kinds in the order of their classes; any other kind comes third. Telemetry is no promise: flow/cloud/backlog.h (rows of that kind,
 * from older versions, are sent like any other). */
#define OUTBOX_COMMAND_STATUS "command_status"
#define OUTBOX_PARTICIPATION "participation"

struct outbox; /* opaque */

/**
 * Hands one row over: 0 = given to the link (the row waits for its ack, which may come from inside the call), negative = not
 * now (-ENOTCONN, -EAGAIN, -ENOBUFS, -ENOMEM, -EIO, -ECANCELED: the link's trouble; it and those behind it wait for the next
 * step), or this row can never be sent (any other: it is quarantined, and the others go on).
 * @body  a JSON object that already holds "message_id"
 */
typedef int (*outbox_send_fn)(void *context, const char *kind, const char *body);

struct outbox_options {
	struct store *store;
	int64_t max_bytes;        /* of all bodies; 0 = 64 MiB. More is said in the log; a promise is never refused for it */
};

struct outbox_stats {
	int rows;                 /* promised and not acknowledged; quarantined ones not counted */
	int64_t oldest_s;
	int64_t sent_total;       /* acknowledged by the receiver */
	int64_t failed_total;     /* answers that asked for another try, and sends without an answer */
	int quarantined;
	bool link_up;
	int64_t bytes_written_today;
};

/** Another limit, after a reload. */
void outbox_limit(struct outbox *o, int64_t max_bytes);
/** Loads the rows of the store (synchronous, before its first transaction). */
int outbox_open(struct outbox **out, const struct outbox_options *options, struct errbuf *err);
/** Frees memory; rows stay in the store. NULL is fine. The store must be closed before (its callbacks use the outbox). */
void outbox_close(struct outbox *o);

/** Who sends. NULL = nobody (mode off): rows wait. */
void outbox_sender(struct outbox *o, outbox_send_fn send, void *context);
/** Told of each row that is over: taken by the receiver (2xx) or quarantined. One listener; NULL = nobody. */
typedef void (*outbox_over_fn)(void *context, const char *kind, const char *body, int status);
void outbox_listener(struct outbox *o, outbox_over_fn over, void *context);

/** The link came up (everything unacknowledged is sent again, in order; what was refused waits until its time) or went down. */
void outbox_link(struct outbox *o, bool up, int64_t now_ms);

/**
 * A new row. Fills @op, to be submitted in the SAME transaction as what caused the row; the text it points to lives as
 * long as the row. The row is sent only after outbox_committed.
 * @body        without message_id; copied as text, still the caller's
 * @message_id  receives the id
 * Returns 0, -ENOMEM, -E2BIG (body above 1 MiB), -EINVAL (kind).
 */
int outbox_add(struct outbox *o, const char *kind, const cJSON *body, int64_t utc_ms, struct store_op *op,
	       char message_id[OUTBOX_ID_MAX]);
/** Does a row that was not refused before wait to be sent? Then others that use the link should let it go first. */
bool outbox_owes(const struct outbox *o);
/** Is the newest row about the same thing (the same first member, say the command's id) this very body, and still owed? */
bool outbox_holds(const struct outbox *o, const char *kind, const cJSON *body);
/** The transaction ended. status 0: the row may go (now, if the link is up). Negative: it never was; it is forgotten. */
void outbox_committed(struct outbox *o, const char *message_id, int status, int64_t now_ms);

/**
 * The receiver's answer, an HTTP status: 2xx deletes the row; 400, 404, 409, 422 and other 4xx quarantine it with @reason;
 * 401, 403, 408, 425, 429, 5xx and anything else ask for another try later.
 * Returns 0, or -ENOENT for an id that is not ours any more (a late duplicate).
 */
int outbox_ack(struct outbox *o, const char *message_id, int status, const char *reason, int64_t now_ms);

/** Each second: sends what is due, repeats what stayed unanswered, writes deletions. */
void outbox_step(struct outbox *o, int64_t now_ms);
/** Everything is due at once, quarantined rows too (not those that cannot be read); returns how many rows wait now. */
int outbox_retry(struct outbox *o, int64_t now_ms);

void outbox_stats(const struct outbox *o, int64_t utc_ms, struct outbox_stats *out);
/** For `hearthctl outbox`: [{message_id, kind, at, tries, state, reason?}], at most @max, in sending order. Caller owns. */
cJSON *outbox_list(const struct outbox *o, int max);

#endif
