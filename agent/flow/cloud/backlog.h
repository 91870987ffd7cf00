/* Telemetry that Flip has not taken yet. Lives on disk (weeks of it; memory holds one batch and a few counters), leaves only
 * on Flip's word, point by point. Newest interval first, then what is older from the oldest on. Guarantees:
 * agent/flow/README.md. On the loop; never waits. */
#ifndef HEARTH_FLOW_CLOUD_BACKLOG_H
#define HEARTH_FLOW_CLOUD_BACKLOG_H

#include "cloud/telemetry.h"
#include "io/store.h"

#include <stdbool.h>
#include <stdint.h>

/* "tel-<8 hex of the store>-<first seq>-<last seq>-<n>". Rows are never put between others, so equal ids mean equal rows, also
 * after a restart: the receiver may drop what it has. */
#define BACKLOG_ID_MAX 64

struct backlog; /* opaque */

struct backlog_batch {
	char id[BACKLOG_ID_MAX];
	int n;                                /* 1..TELEMETRY_BATCH_MAX */
	const struct telemetry_point *points; /* during the call only: the sender copies */
};

/** 0 = on its way, backlog_answer will follow (not from inside this call); negative = not now: asked again with the next step. */
typedef int (*backlog_send_fn)(void *context, const struct backlog_batch *b);

struct backlog_options {
	struct store *store;
	int64_t max_bytes;      /* of packed points; 0 = 64 MiB. Above it the oldest are thinned (neighbours merged, energy kept) */
	int batch_max;          /* points of one message; 0 = TELEMETRY_BATCH_MAX */
};

struct backlog_stats {
	int64_t rows;                 /* waiting: on disk, and what the store has not taken yet */
	int64_t bytes;                /* on disk */
	int64_t oldest_utc_ms;        /* 0 = none */
	int64_t sent_total;           /* points taken */
	int64_t failed_total;         /* batches that must go again */
	int64_t thinned_total;        /* points that went into a neighbour */
	int64_t dropped_total;        /* points nobody has: the disk did not take them in time, or there was no room at all */
	int64_t refused;              /* quarantined points */
	char refused_reason[96];      /* of the last one */
	bool store_failing;           /* the store refused the last points; they are in memory and tried again */
	bool link_up;
};

/** Loads the store's id (synchronous, before the store's first transaction). What the store holds is counted on the worker from
 *  the first step on; until then nothing is sent. */
int backlog_open(struct backlog **out, const struct backlog_options *options, struct errbuf *err);
/** After store_close (its callbacks use the backlog). NULL is fine. */
void backlog_close(struct backlog *b);
void backlog_limit(struct backlog *b, int64_t max_bytes);

/** Who sends, and how many points a message; NULL = nobody: points wait. */
void backlog_sender(struct backlog *b, backlog_send_fn send, void *context, int batch_max);
/** The link came up (what is unanswered goes again) or went down. */
void backlog_link(struct backlog *b, bool up, int64_t now_ms);

/** Points of one interval, at most DEVICE_MAX; stored in one transaction. What the store does not take now is kept and tried
 *  again (up to 4 intervals of 32 devices, then the oldest points are dropped and counted). */
void backlog_add(struct backlog *b, const struct telemetry_point *points, int n, int64_t now_ms);

/**
 * Flip's word on a batch. @status an HTTP status, or 0 = none came. 2xx: saved points leave, FAILED ones are quarantined with
 * Flip's reason (they were right when they were made: sending them unchanged helps nobody), unmentioned ones go again.
 * 400, 413, 422: the batch is halved until the bad point is alone, which is quarantined. Anything else: again later.
 * @answer may be NULL (then 2xx means nothing is known: the batch goes again, later).
 * Returns 0, or -ENOENT for a batch that is not under way (a late answer counts as long as the same batch has yet to go again).
 */
int backlog_answer(struct backlog *b, const char *id, int status, const struct telemetry_answer *answer, const char *reason,
		   int64_t now_ms);

/** Each second: stores, reads, sends, thins. */
void backlog_step(struct backlog *b, int64_t now_ms);
/** Quarantined points go again; everything is due at once. Returns how many rows wait now (quarantined ones counted). */
int64_t backlog_retry(struct backlog *b, int64_t now_ms);

/** @b NULL: all zero. */
void backlog_stats(const struct backlog *b, struct backlog_stats *out);

#endif
