/* What the Flip link's files share. Not for others. */
#ifndef HEARTH_FLOW_CLOUD_FLIP_INTERNAL_H
#define HEARTH_FLOW_CLOUD_FLIP_INTERNAL_H

#include "core/backoff.h"
#include "flow/cloud/flip_link.h"

#define SEEN_PENDING_MAX 16
#define SEEN_KEEP_MS (30LL * 86400 * 1000)
#define COMMAND_KEEP_MS (86400LL * 1000)

struct seen { char id[STORE_KEY_MAX]; int64_t at_utc_ms, flip_utc_ms; };

struct flip_link;
struct flip_direct; /* flip_direct.h */

struct flip_queue {
	struct mqtt *mqtt;
	char keys[FLIP_KEYS_MAX][FLIP_KEY_MAX]; /* wiped at stop */
	char client_id[80], topic_in[MQTT_TOPIC_MAX], topic_ack[MQTT_TOPIC_MAX], boot_id[64];
	char lost[96];               /* why it is not connected */
	bool connected;
	bool resync_due;             /* asked for on connecting, and not handed over yet */
	int64_t heard_ms;            /* monotonic: last message or resync */
};

/* A way to Flip: what the modes do differently. Any of them may be NULL: nothing to do. */
struct flip_way {
	int (*start)(struct flip_link *l, struct errbuf *err);
	void (*stop)(struct flip_link *l);
	void (*step)(struct flip_link *l, int64_t now_ms); /* after the book moved, before outbox and backlog are stepped */
	void (*stats)(const struct flip_link *l, struct flip_link_stats *out);
	void (*retry)(struct flip_link *l, int64_t now_ms); /* somebody wants it now; NULL = nothing waits here */
	void (*ask)(struct flip_link *l, int64_t now_ms);   /* an answer is wanted, whatever it says; NULL = nobody can be asked */
	outbox_send_fn send_row;    /* context is the link */
	backlog_send_fn send_batch; /* likewise */
	int batch_max;
};
extern const struct flip_way FLIP_WAY_QUEUE, FLIP_WAY_DIRECT;

struct flip_link {
	struct flip_link_options o;
	const struct flip_way *way;
	struct flip_queue *queue;    /* of queue mode */
	struct flip_direct *direct;  /* of direct mode */
	char site_id[CONFIG_TEXT_MAX], flip_site_id[CONFIG_TEXT_MAX];
	struct topic_root root;
	struct flip_link_stats stats;
	int transactions;            /* under way; the last one frees a stopped link */
	bool stopped;
	bool clock_warned;
	int64_t kept_ms, minute_ms;  /* monotonic: last forgetting; last progress kept */
	int64_t steady_ms, offset_ms; /* since when the clock was not stepped (monotonic, 0 = not seen yet); wall minus monotonic */
	int64_t write_after_ms;      /* after a failed transaction */
	struct backoff write_backoff;
	int n_seen;                  /* handled, not on disk yet */
	struct seen seen[SEEN_PENDING_MAX];
};

/* One more row of the next transaction: what Flip must be told besides the acknowledgements. */
struct link_row { const char *kind; const cJSON *body; };

bool link_clock(const struct flip_link *l, int64_t *now_ms, int64_t *utc_ms);
void link_audit(const struct flip_link *l, const char *result, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** The way opened or closed: outbox and backlog are told. */
void link_up(struct flip_link *l, bool up, int64_t now_ms);
/** Holds a time Flip vouches for against ours. */
void link_judge_clock(struct flip_link *l, int64_t flip_utc_ms);

/** Fills book and seen ids from the store. */
int link_load(struct flip_link *l, struct errbuf *err);
/** Everything that changed, each entry with its acknowledgement, in as few transactions as it takes; publishes too.
 *  @extra (may be NULL) goes into the first; @done (may be NULL) is called once, when all of them ended: 0 = every one is on
 *  disk. Returns 0 or negative: kept, and tried again. */
int link_flush(struct flip_link *l, const struct link_row *extra, store_done_fn done, void *context);
/** Clears rows and topics of what is over and older than @keep_ms, and old webhook ids. */
void link_forget(struct flip_link *l, int64_t utc_ms, int64_t keep_ms);
/** Keeps the body of a message we only store (settings.apply). */
void link_keep(struct flip_link *l, const char *key, const char *body, size_t len, int64_t utc_ms);
/** Moves the book by clock and devices; the next UTC ms, 0 = none. */
int64_t link_book_step(struct flip_link *l);

/* How commands came: by name to this hub, or read from a list that repeats everything. */
enum link_door { LINK_BY_MESSAGE, LINK_BY_POLL };
/** Commands that arrived, in the order they are to be judged: into the book, stored with their answers, told to control. */
void link_commands_in(struct flip_link *l, const struct flip_command *c, int n, const char *event_type, enum link_door door);
/** One message of R/flip/in. */
void link_message_in(struct flip_link *l, const struct mqtt_message *m);
/** Logs, counts and audits what changes nothing. */
void link_refuse(struct flip_link *l, const char *what, const char *id, const char *why);

#endif
