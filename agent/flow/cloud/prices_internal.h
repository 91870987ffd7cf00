/* Inside of flow/prices: prices.c asks, prices_answer.c takes what comes back, prices_cache.c keeps it on disk, prices_view.c
 * composes it and says how things stand. Nobody else includes this. */
#ifndef HEARTH_FLOW_CLOUD_PRICES_INTERNAL_H
#define HEARTH_FLOW_CLOUD_PRICES_INTERNAL_H

#include "cloud/flatpeak.h"
#include "core/backoff.h"
#include "flow/cloud/prices.h"

#define PRICES_SIDES 2                        /* FLATPEAK_IMPORT, FLATPEAK_EXPORT */
#define PRICES_MINUTE_MS 60000LL
#define PRICES_HOUR_MS (60 * PRICES_MINUTE_MS)
#define PRICES_WAIT_MS (15 * PRICES_MINUTE_MS)  /* least time between two requests for the same prices */
#define PRICES_FRESH_MS (36 * PRICES_HOUR_MS)   /* older ones are history */
#define PRICES_AHEAD_MS (5 * PRICES_MINUTE_MS)  /* fetched that much later than now is still believed */
#define PRICES_KEEP_MS (14 * 24 * PRICES_HOUR_MS)
#define PRICES_WEEKS_BACK 4
#define PRICES_CONFIDENCE_MIN 0.2
#define PRICES_KEY_MAX 512

/* One direction. */
struct prices_side {
	struct price_series known;        /* all that was fetched, newest word first; up to 14 days back */
	struct price_series stored;       /* what the disk has of it */
	struct price_series writing;      /* what it will have when the transactions under way are through */
	uint32_t write;                   /* serial of those; 0 = none */
	int writes_waiting;
	bool write_failed, store_unsure, dirty;
	int64_t fetched_utc_ms;           /* 0 = never */
	int64_t next_update_utc_ms;       /* as FlatPeak said; 0 = it did not */
	int64_t due_ms;                   /* to be fetched then (monotonic) */
	int64_t wait_ms;                  /* but not before: a price code was answered */
	char code[48];                    /* of that answer; "" = prices came */
	char message[100];
	bool was_fresh, odd;              /* for changed(); for one log line about bad elements */
};

struct prices {
	struct prices *next;              /* all that live: late answers look for theirs here */
	struct prices_options o;
	struct config_flatpeak used;      /* copy: a reload overwrites what o.config points to */
	char key[PRICES_KEY_MAX];
	char token[FLATPEAK_TOKEN_MAX];
	int64_t token_due_ms;             /* a new one is needed then */
	int64_t probe_ms;                 /* next login for the sake of the clock */
	int login_refusals;               /* in a row */
	bool relogged;                    /* the second login in a row for the same refusal */
	bool looked;                      /* the age of the cache was considered */

	uint32_t flight;                  /* serial of the request under way; 0 = none */
	int flight_side;                  /* -1 = login */
	int64_t flight_from_ms, flight_to_ms;
	unsigned pending;                 /* bits of sides to fetch now */
	int64_t hold_ms;                  /* nothing is asked before */
	int64_t asked_ms;                 /* last request for prices */
	struct backoff backoff;
	char trouble[160];                /* why it holds; "" = it does not */
	char stopped[160];                /* why nothing is asked any more */

	int64_t requests, failures;
	struct prices_status status;      /* as last logged */
	struct prices_side side[PRICES_SIDES];
	struct price_series scratch;
};

/* Results of the worker's decoding. */
struct prices_login_result { int r; struct flatpeak_login login; struct flatpeak_error fault; bool has_fault; struct errbuf err; };
struct prices_result { int r; struct flatpeak_prices prices; struct flatpeak_error fault; bool has_fault; struct errbuf err; };

/* prices.c */
uint32_t prices_serial(void);
struct prices *prices_alive(struct prices *after); /* NULL: the first */
/** Up to @span_ms more than nothing. */
int64_t prices_jitter(int64_t span_ms);

/* prices_answer.c */
void *prices_login_decode(const struct http_answer *a);
void *prices_prices_decode(const struct http_answer *a);
void prices_login_drop(void *result);
void prices_answered(void *context, struct http_answer *a);
/** Something failed that will be tried again: counts, holds, remembers the words. */
void prices_trouble(struct prices *p, int64_t now_ms, int64_t at_least_ms, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* prices_cache.c */
void prices_series_copy(struct price_series *to, const struct price_series *from);
void prices_cache_load(struct prices *p);
/** Writes what changed of one side. */
void prices_cache_write(struct prices *p, int side, int64_t utc_ms);
/** Forgets a side here and on disk. */
void prices_cache_clear(struct prices *p, int side, int64_t utc_ms);

/* prices_view.c */
bool prices_fresh(const struct prices_side *s, int64_t utc_ms);
/** What is missing before anything can be asked, in words; NULL = nothing. */
const char *prices_missing(const struct prices *p);
/** Works out state and reason, logs when they changed. */
void prices_judge(struct prices *p);

#endif
