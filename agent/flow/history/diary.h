/* The diary: what every device was told and why, whenever that changed, for 7 days (table `diary`). Also what was not believed,
 * the site's mode and limits from outside. Fed after each tick, stored in unsynced batches, read by `why`. */
#ifndef HEARTH_FLOW_HISTORY_DIARY_H
#define HEARTH_FLOW_HISTORY_DIARY_H

#include "core/err.h"
#include "core/json.h"
#include "flow/history/changes.h"
#include "io/store.h"

struct diary; /* opaque */

#define DIARY_DAYS 7
#define DIARY_LIMIT_MAX 200      /* rows of one answer */
#define DIARY_DOUBT_TEXT 240

struct diary_stats {
	int64_t rows, transactions;  /* taken by the store */
	int64_t bytes;               /* of their bodies */
	int64_t dropped;             /* the cap of a day, or the store would not take them for too long */
	bool failing;
};

int diary_start(struct diary **out, struct store *store, struct errbuf *err);
/** After each tick. Allocates only where a batch is stored. NULL is fine. */
void diary_observe(struct diary *y, const struct snapshot *s, const struct decisions *d);
/** Stores what waits. Before store_close (its callbacks may still come then). NULL is fine. */
void diary_stop(struct diary *y);

struct diary_query {
	char device[DEVICE_ID_MAX];  /* "" = all, the site too */
	int64_t since_utc_ms, until_utc_ms; /* since <= at < until; 0 = open */
	int limit;                   /* 1..DIARY_LIMIT_MAX */
	size_t text_max;             /* bytes all rows may take as text */
};

/** On the loop, once. @rows: newest first, the callback's from then on; never NULL. @status < 0: what is on disk could not be
 *  read, @rows holds what waits in memory. */
typedef void (*diary_rows_fn)(void *context, cJSON *rows, bool truncated, int status);
/** 0, or a negative errno (then the callback does not come). Reads what is on disk and what still waits. */
int diary_read(struct diary *y, const struct diary_query *q, diary_rows_fn done, void *context);

/** Since when device @i of the last snapshot does what it does, UTC; 0 = not known. */
int64_t diary_since_utc_ms(const struct diary *y, int i);
/** For how long, ms, whatever the clock says; -1 = not known. */
int64_t diary_age_ms(const struct diary *y, int i);
/** What is not believed now, in words; returns how many. */
int diary_doubts(const struct diary *y, char text[DOUBTS_MAX][DIARY_DOUBT_TEXT]);
void diary_stats(const struct diary *y, struct diary_stats *out);

/** The body of a row as JSON, without "at" and "device". Returns its length. */
#define DIARY_BODY_MAX 1800 /* a sentence of nothing but characters to escape */
size_t diary_body(const struct change_row *row, char *out, size_t size);

#endif
