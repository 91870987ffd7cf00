/* The Flip link: joins the command book, the store, the outbox and the backlog to Flip: in queue mode by an MQTT client of its
 * own with a persistent session (design 8.3), in direct mode by HTTPS. In other modes the book still runs from the store. On the
 * loop; never waits. */
#ifndef HEARTH_FLOW_CLOUD_FLIP_LINK_H
#define HEARTH_FLOW_CLOUD_FLIP_LINK_H

#include "cloud/book.h"
#include "core/config.h"
#include "core/err.h"
#include "core/topic.h"
#include "flow/cloud/backlog.h"
#include "flow/cloud/outbox.h"
#include "io/http.h"
#include "io/mqtt.h"
#include "io/store.h"

#include <stdbool.h>
#include <stdint.h>

#define FLIP_KEYS_MAX 2
#define FLIP_KEY_MAX 256
#define FLIP_CLOCK_TOLERANCE_MS (10LL * 60 * 1000)
#define FLIP_SILENCE_MS (15LL * 60 * 1000)

struct flip_link; /* opaque */

/* What a signed envelope or the Date of a server with a verified certificate says about our clock. */
enum flip_clock_word {
	FLIP_CLOCK_PROVEN,   /* written within 10 min of our clock */
	FLIP_CLOCK_REFUTED,  /* written more than 10 min ahead of our clock (an answer: off by more than that): ours is wrong */
};

struct flip_link_callbacks {
	/** Fills at most @max devices in the order of the snapshot (index = device); returns how many. */
	int (*devices)(void *context, struct book_device *out, int max);
	/** Monotonic and UTC ms now; true when the UTC clock is trusted. */
	bool (*clock)(void *context, int64_t *now_ms, int64_t *utc_ms);
	bool (*paused)(void *context);
	void (*clock_word)(void *context, enum flip_clock_word word, int64_t flip_utc_ms);
	/** Something arrived that control must see: trigger a tick. */
	void (*changed)(void *context);
	/** An entry changed: publish R/command/<id>, R/event/<id>. */
	void (*command)(void *context, const struct book_entry *e);
	void (*event)(void *context, const struct book_event *e);
	/** Forgotten: clear R/command/<id> (R/event/<id>). */
	void (*gone)(void *context, const char *id, bool event);
	/** Something asked for a change: R/audit. @result "ok" or why not. */
	void (*audit)(void *context, const char *origin, const char *request, const char *result);
	void *context;           /* all callbacks but devices and clock may be NULL */
};

struct flip_link_options {
	uv_loop_t *loop;
	enum link_mode mode;     /* LINK_QUEUE, LINK_DIRECT; otherwise the book runs from the store only */
	struct mqtt_options mqtt; /* host, port, credentials, TLS; client id and session are set here; copied by mqtt_open */
	const char *site_id;     /* client id "hearth-flip-<site>" */
	const struct topic_root *root;
	const char *boot_id;
	const char *keys[FLIP_KEYS_MAX]; /* "whsec_..."; two during rotation; copied */
	int n_keys;
	bool legacy_body_timestamp;
	struct http *http;       /* direct mode; not closed here. May be closed before or after the link is stopped */
	const char *base_url;    /* "https://host[:port]"; copied */
	const char *token;       /* bearer; copied, wiped at stop */
	const char *ca_file;     /* PEM for base_url instead of the system's; NULL or "" = those; copied */
	const char *flip_site_id; /* the site at Flip (participation); NULL or "" = site_id; copied */
	struct store *store;
	struct book *book;       /* initialised by the caller, filled from the store here */
	struct outbox *outbox;
	struct backlog *backlog; /* NULL = no telemetry */
	struct flip_link_callbacks cb;
};

#define FLIP_WARNING_MAX 280
struct flip_link_stats {
	/* Direct mode counts what it hears for the first time: a poll repeats everything each minute. */
	int64_t received, accepted, duplicates, stale, refused, acks, resyncs, store_failures;
	int64_t foreign;         /* for devices of other hubs: messages; in direct mode commands of the newest poll */
	int64_t requests, failures; /* direct mode: sent; without an answer that can be used */
	int64_t polls;           /* direct mode: answered whole */
	int64_t last_poll_ms;    /* monotonic, of the last one; 0 = none */
	bool connected, link_up; /* the same in queue mode */
	char warning[FLIP_WARNING_MAX]; /* for R/agent.warnings; "" = all is well */
};

/** Splits the secret of `flip-webhook-key` (one or two keys, by white space) into @keys; returns how many, -EINVAL. */
int flip_keys_split(char *secret, const char *keys[FLIP_KEYS_MAX]);

/** Loads book and seen ids from the store unless book->loaded (before the store's first transaction), then connects. Every
 *  other function accepts NULL for a link that could not be started. */
int flip_link_start(struct flip_link **out, const struct flip_link_options *options, struct errbuf *err);
/** Closes the client, wipes secrets and forgets; call before store_close, outbox_close, backlog_close. NULL is fine. Unwritten
 *  changes are submitted. What is under way by HTTPS is not waited for; nothing is called when its answer comes. */
void flip_link_stop(struct flip_link *l);

/**
 * Each second and at the time it gave back: moves the book by the clock, stores and publishes changes, steps the outbox and
 * the backlog, polls or asks for a resync, forgets what is a day old. Returns the next UTC ms something changes by itself, 0 = none.
 */
int64_t flip_link_step(struct flip_link *l);

/* What the owner wishes for an event (or a command without one). */
struct flip_wish {
	const char *id;
	const bool *participating;  /* NULL = leave as it is */
	double reserve_pct;         /* NAN = leave as it is */
};

/**
 * `event.participate`: effect here at once, then at Flip through the outbox. 0, -ENOENT, -EPERM, -ERANGE explained. After 0, @done is called exactly once (perhaps before the return): status
 * 0 = wish and outbox row are on disk; negative = in force here, but not stored yet (tried again by itself).
 */
int flip_link_participate(struct flip_link *l, const struct flip_wish *w, store_done_fn done, void *context, struct errbuf *err);

/** The app changed something in the book (delivered Wh, trouble, suspended): store and publish it. */
void flip_link_flush(struct flip_link *l);

/** `outbox.retry`: a link that pauses after trouble asks again at once. */
void flip_link_retry(struct flip_link *l);

void flip_link_stats(const struct flip_link *l, struct flip_link_stats *out);

#endif
