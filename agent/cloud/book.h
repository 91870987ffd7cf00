/* The command book: every Flip command and event this hub knows, their lifecycle (flip-api sections 10 and 12 as a state
 * machine), and which command is in force for a device at an instant. Pure; the caller persists what changed. */
#ifndef HEARTH_CLOUD_BOOK_H
#define HEARTH_CLOUD_BOOK_H

#include "cloud/flip.h"

#define BOOK_COMMANDS_MAX 256
#define BOOK_EVENTS_MAX 128
#define BOOK_SEEN_MAX 4096      /* webhook ids remembered; a home gets a few a day */

enum book_state { BOOK_SCHEDULED, BOOK_ACTIVE, BOOK_SUSPENDED, BOOK_DONE, BOOK_CANCELED, BOOK_OPTED_OUT, BOOK_SUPERSEDED,
		  BOOK_EXPIRED, BOOK_REFUSED, BOOK_FAILED };

/* What the book must know of a device to judge a command; filled by the caller before offering. */
struct book_device {
	char flip_device_id[FLIP_ID_MAX];
	bool battery;                   /* false: EV charger -> "unsupported command type" */
	bool reachable;                 /* answered on Modbus within 60 s */
	bool not_asked;                 /* we have only just started: that it is silent, or not known, says nothing yet */
	bool islanded, fault;
	double charge_max_w, discharge_max_w;
};

struct book_entry {
	struct flip_command c;
	enum book_state state;
	int device;                     /* index in the caller's device list, -1 = unknown here; renewed by each step */
	enum flip_device_status ack;    /* what was (to be) acknowledged for c.updated_utc_ms; FLIP_PENDING = nothing yet */
	char ack_reason[96];
	bool ack_due;                   /* the caller must send {id, ack, ack_reason}, then clears it */
	bool ack_again;                 /* it is due once more for the same version: not while the first one is still owed */
	int64_t ack_by_utc_ms;          /* OFFLINE is said at the latest then (10 min after arrival) */
	double power_w;                 /* the setpoint after clamping to the rating; NAN without a setpoint */
	double delivered_wh;            /* AC energy moved in the command's direction (book_deliver) */
	int64_t finished_utc_ms;        /* of the end states */
	bool ran;                       /* was in force at least once */
	bool undated;                   /* read from a list without a clock, answered already: nobody knows whether it is long over */
	bool ended;                     /* finished for good: nothing that arrives may start it again */
	enum flip_device_status trouble; /* FLIP_PENDING = none; else what went wrong while it ran and still does */
	char wish_id[FLIP_ID_MAX];      /* under which the owner's wish stands: the event's id; without an event the command's
					 * own, or that of the command it is a resend of */
	char superseded_by[FLIP_ID_MAX];
	bool changed;                   /* to be stored and published; the caller clears it */
};

/* An event, or (of_command) what the owner wished for a command that has none. */
struct book_event {
	struct flip_event e;            /* updated_utc_ms 0 = only the id is known */
	bool of_command;
	bool opted_out;                 /* by the owner here; Flip's copy may say otherwise, see book_owner.c */
	bool confirmed;                 /* Flip has said so too */
	int owed;                       /* wishes on their way to Flip */
	int64_t told_utc_ms;            /* Flip had taken the last one by then; 0 = not known */
	double owner_reserve_pct;       /* NAN = none */
	int64_t owner_reserve_utc_ms;
	bool tell_participating, tell_reserve; /* Flip must be told; the caller clears it with the row's transaction */
	bool changed;
};

struct book {
	int n, n_events;
	struct book_entry entry[BOOK_COMMANDS_MAX];
	struct book_event event[BOOK_EVENTS_MAX];
	int64_t max_endless_ms;         /* safety limit of commands without an end */
	int n_seen;                     /* ever marked; the ring keeps the last BOOK_SEEN_MAX */
	uint64_t seen[BOOK_SEEN_MAX];   /* hashes of webhook ids */
	/* For the caller, so that it outlives a link: */
	bool loaded;                    /* filled from the store once */
	int64_t newest_utc_ms;          /* of the webhook-timestamps that were read */
	int64_t stored_utc_ms;          /* of those whose message is on disk */
};

enum book_outcome {
	BOOK_NEW, BOOK_UPDATED, BOOK_STALE /* not newer than what we have, or over and answered long ago */, BOOK_FOREIGN /* device of another hub */,
	BOOK_FULL
};

void book_init(struct book *b, int max_endless_h);

/* How things stand when a command arrives. */
struct book_scene {
	const struct book_device *devices;
	int n_devices;
	bool addressed;      /* sent to this hub (queue, webhook): an unknown device is answered; false (polling): BOOK_FOREIGN */
	bool paused;         /* service: commands are answered "paused" */
	int64_t utc_ms;      /* 0 = the clock is not trusted: nothing is judged by time until a step with a trusted clock */
};

/**
 * A command arrived. Validates (10.6), decides overlap and replacement (10.5), sets ack_due. What it starts or stops shows
 * after the next book_step (a withdrawal at once).
 * @event_type "command.ended" stops it now; "" when polled
 */
enum book_outcome book_offer(struct book *b, const struct flip_command *c, const char *event_type, const struct book_scene *s);
enum book_outcome book_offer_event(struct book *b, const struct flip_event *e, int64_t utc_ms);

/** The entry of a command id, or NULL. */
struct book_entry *book_find(struct book *b, const char *id);
struct book_event *book_find_event(struct book *b, const char *id);

/** Moves states by the clock (only call with a trusted clock) and by reachability; marks entries changed. Returns the
 *  next UTC ms at which something will change by itself, 0 = nothing known. */
int64_t book_step(struct book *b, const struct book_device *devices, int n_devices, int64_t utc_ms);

/** The command in force for a device now, or NULL. Only ACTIVE and SUSPENDED entries inside their window. */
const struct book_entry *book_in_force(const struct book *b, int device, int64_t utc_ms);

/** Fills the policies' view from an entry (NULL: inactive) with reserves resolved from the events. */
void book_view(const struct book *b, const struct book_entry *e, struct command_view *out);

/** The owner's participation: opt out or back in, and/or a reserve for this event (NAN = leave). Accepts an event id or,
 *  for commands without an event, the command id. 0, -ENOENT, or -EPERM (event over), explained. */
int book_participate(struct book *b, const char *id, const bool *participating, double reserve_pct, int64_t utc_ms,
		     struct errbuf *err);

/** Webhook ids that were handled: the same one again is nothing but a duplicate. */
bool book_seen(const struct book *b, const char *webhook_id);
void book_mark_seen(struct book *b, const char *webhook_id);

/** What Flip must be told of the owner's wish, by flip-api 8.3 (the reserve for every device the event's commands name). The
 *  tree belongs to the caller, who then clears tell_* and counts v->owed up. */
cJSON *book_participation_encode(const struct book *b, const struct book_event *v);
/** Flip took one wish for @id (or refused it for good). */
void book_told(struct book *b, const char *id);

/** Suspends or resumes the active command of a device (grid lost and back). */
void book_suspend(struct book *b, int device, bool suspended);
/** Execution failed: late FAILED_OFFLINE / FAILED_FAULT with reason; state BOOK_FAILED only when the window is over.
 *  FLIP_DEVICE_OK says the trouble has passed. A repeated call changes nothing. Reachability and faults are watched by
 *  book_step itself; this is for what only the caller sees. */
void book_trouble(struct book *b, int device, enum flip_device_status s, const char *reason);

/** The device moved @ac_power_w (into it positive) for the last @ms: what went in the direction of its active command was
 *  delivered. A longer gap than BOOK_GAP_MS (nobody looked: the machine slept) counts nothing. Returns the Wh. Trusted clock only. */
#define BOOK_GAP_MS 15000
double book_deliver(struct book *b, int device, double ac_power_w, int64_t utc_ms, int64_t ms);

const char *book_state_word(enum book_state s);
bool book_state_is_end(enum book_state s);

/** Whole entries for the store and for R/command/<id>, R/event/<id>. */
cJSON *book_entry_encode(const struct book_entry *e);
int book_entry_decode(const cJSON *o, struct book_entry *out, struct errbuf *err);
cJSON *book_event_encode(const struct book_event *e);
int book_event_decode(const cJSON *o, struct book_event *out, struct errbuf *err);
/** Puts a stored entry back at start; -ENOSPC when full. */
int book_restore(struct book *b, const struct book_entry *e);
int book_restore_event(struct book *b, const struct book_event *e);
/** Drops end-state entries older than @keep_ms whose window is over and whose answer is out (an entry inside its window
 *  guards against a second run); calls @gone for each (to clear topic and row). */
void book_forget(struct book *b, int64_t utc_ms, int64_t keep_ms, void (*gone)(void *context, const char *id, bool event),
		 void *context);

#endif
