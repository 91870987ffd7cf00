/* What the files of direct mode share: flip_direct.c (rows and telemetry, and what follows from answers), flip_poll.c (the list of
 * commands), flip_calls.c (requests under way, few at once and few a second), flip_answers.c (answers read on the worker),
 * flip_health.c (is Flip there, and when is it asked again). Not for others. */
#ifndef HEARTH_FLOW_CLOUD_FLIP_DIRECT_H
#define HEARTH_FLOW_CLOUD_FLIP_DIRECT_H

#include "cloud/flip_api.h"
#include "flow/cloud/flip_internal.h"

enum call_kind { CALL_POLL, CALL_ROW, CALL_TOKEN, CALL_BATCH, CALL_KINDS };

/* What the worker made of an answer. */
struct reading {
	struct flip_list *list;          /* of a poll; NULL = it could not be read */
	struct telemetry_answer *points; /* of a batch; NULL likewise */
	struct flip_site_token *token;   /* likewise */
	bool empty;                      /* there was no body */
	char id[FLIP_ID_MAX];            /* of what a row changed; "" = the answer names none */
	char words[160];                 /* what Flip said, or why its answer cannot be used */
};
void *reading_of_poll(const struct http_answer *a);
void *reading_of_row(const struct http_answer *a);
void *reading_of_token(const struct http_answer *a);
void *reading_of_batch(const struct http_answer *a);
void reading_drop(void *reading);

/* What kind of trouble, coarse enough that a log line a change is not a log line a try. */
enum health_trouble { HEALTH_FINE, HEALTH_NO_ANSWER, HEALTH_TOKEN, HEALTH_PATIENCE, HEALTH_SERVER, HEALTH_UNUSABLE };

struct health {
	bool up;                 /* rows and batches may go; else only polls, as probes */
	unsigned epoch;          /* how often it came up: what was sent before says nothing about now */
	uint32_t sick;           /* bits of call_kind whose last answer was trouble: a good poll alone does not heal a sick row */
	struct backoff backoff;
	int64_t until_ms;        /* paused: the next probe */
	int64_t up_ms;           /* when it came up */
	int64_t trouble_ms;      /* the last trouble */
	enum health_trouble said; /* in the log, since all was well */
	char why[240];           /* in words, for log and warnings; "" = well */
};

/** Judges an answer. HEALTH_FINE also for what concerns this one request only. @why receives words for the others. */
enum health_trouble health_judge(enum call_kind kind, bool by_site_token, const struct http_answer *a, const struct reading *r,
				 char *why, size_t size);
/** Pauses the link: back-off, or Retry-After when that is longer (an hour at most). For trouble that Flip has with one kind
 *  of request only, the polls keep their beat: @poll_due_ms. True when the log has not said so yet. */
bool health_trouble(struct health *h, enum call_kind kind, enum health_trouble t, const struct http_answer *a, int64_t poll_due_ms,
		    int64_t now_ms);
/** The answer to what was sent before the pause: it may only make the pause longer. */
void health_late(struct health *h, const struct http_answer *a, int64_t now_ms);
/** A good answer; one to a poll opens the link. True when everything is well again and the log does not know it yet. */
bool health_good(struct health *h, enum call_kind kind, int64_t now_ms);
uint32_t health_dice(void);

#define CALLS_MAX 4

/* One request under way. */
struct call {
	uintptr_t id;              /* 0 = free */
	enum call_kind kind;
	unsigned epoch;            /* of the health it was sent in */
	char ref[BACKLOG_ID_MAX];  /* message_id of the row, id of the batch */
	struct flip_request row;   /* CALL_ROW; CALL_TOKEN: what the token is for. The body is the call's */
	bool renewed;              /* sent again with a new site token */
};

/* The requests of one link. */
struct calls {
	struct calls *next;
	struct http *http;
	char base_url[CONFIG_TEXT_MAX], ca_file[CONFIG_TEXT_MAX], token[2048];
	struct call call[CALLS_MAX];
	int64_t credit_ms, credited_ms;
	int64_t sent;
	/** On the loop, once for each; @c is over: its body goes when this returns, unless it was taken (set to NULL). */
	void (*done)(void *context, struct call *c, struct http_answer *a);
	void *context;
};

/** From here on answers are heard; http, base_url, token, done and context are set. */
void calls_open(struct calls *k, int64_t now_ms);
/** Wipes the token; no answer is heard any more. */
void calls_close(struct calls *k);
/** Sends @q, whose url, token and callbacks are set here, as @c, which is copied (with its body only on success). @token NULL =
 *  the client's. 0, -EAGAIN with CALLS_MAX under way, or what http_send said. */
int calls_send(struct calls *k, const struct call *c, const char *path, const char *token, struct http_request *q);
/** Is there a slot, and has the last second left something? */
bool calls_free(struct calls *k, int64_t now_ms);
/** The call under way of this kind, for this row or batch, or to this path; NULL = none. */
const struct call *calls_of_kind(const struct calls *k, enum call_kind kind);
const struct call *calls_about(const struct calls *k, const char *ref);
const struct call *calls_to(const struct calls *k, const char *path);

/* The list of commands, read each minute, in pages when it is long. */
struct poll {
	int64_t due_ms;
	bool page_due;             /* the last answer was full: the next page is asked for */
	int pages, skip, foreign;  /* of the poll under way */
	uint64_t *known;           /* ids it has listed so far, as hashes */
	int n_known;
	char bad_said[160];        /* the log knows */
	bool beyond_said, unsent_said;
};

struct flip_direct {
	struct flip_link *l;
	struct calls calls;
	struct health health;
	struct poll poll;
	char site_token[2048];
	int64_t site_token_until_ms;
	int64_t batch_ms, batch_asked_ms; /* when the last telemetry went; when more asked to go, 0 = not since */
	bool odd_said[CALL_KINDS]; /* the log knows that such answers cannot be used */
};

/** Due, or a probe is, and not under way. */
bool poll_wanted(const struct flip_direct *d, int64_t now_ms);
/** Asks when it is due and calls_free. */
void poll_try(struct flip_direct *d, int64_t now_ms);
/** One page: into the book; perhaps the next one is due. */
void poll_answered(struct flip_direct *d, struct flip_list *list, int64_t now_ms);
/** The poll under way is over, whole or not. */
void poll_end(struct poll *p);

#endif
