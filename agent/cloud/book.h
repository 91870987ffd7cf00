/* The command book: every Flip command and event this hub knows, their lifecycle (flip-api sections 10 and 12 as a state
 * machine), and which command is in force for a device at an instant. Pure; the caller persists what changed. */
#ifndef HEARTH_CLOUD_BOOK_H
#define HEARTH_CLOUD_BOOK_H

#include "cloud/flip.h"

#define BOOK_COMMANDS_MAX 256
#define BOOK_EVENTS_MAX 128

enum book_state { BOOK_SCHEDULED, BOOK_ACTIVE, BOOK_SUSPENDED, BOOK_DONE, BOOK_CANCELED, BOOK_OPTED_OUT, BOOK_SUPERSEDED,
		  BOOK_EXPIRED, BOOK_REFUSED, BOOK_FAILED };

/* What the book must know of a device to judge a command; filled by the caller before offering. */
struct book_device {
	char flip_device_id[FLIP_ID_MAX];
	bool battery;                   /* false: EV charger -> "unsupported command type" */
	bool reachable;                 /* answered on Modbus within 60 s */
	bool islanded, fault;
	double charge_max_w, discharge_max_w;
};

struct book_entry {
	struct flip_command c;
	enum book_state state;
	int device;                     /* index in the caller's device list, -1 = unknown here */
	enum flip_device_status ack;    /* what was (to be) acknowledged for c.updated_utc_ms; FLIP_PENDING = nothing yet */
	char ack_reason[96];
	bool ack_due;                   /* the caller must send {id, ack, ack_reason}, then clears it */
	int64_t ack_by_utc_ms;          /* OFFLINE is said at the latest then (10 min after arrival) */
	double delivered_wh;            /* AC energy moved in the command's direction */
	int64_t finished_utc_ms;        /* of the end states */
	bool changed;                   /* to be stored and published; the caller clears it */
};

struct book_event {
	struct flip_event e;
	bool opted_out;                 /* by the owner here; holds until Flip confirms */
	double owner_reserve_pct;       /* NAN = none */
	int64_t owner_reserve_utc_ms;
	bool changed;
};

struct book {
	int n, n_events;
	struct book_entry entry[BOOK_COMMANDS_MAX];
	struct book_event event[BOOK_EVENTS_MAX];
	int64_t max_endless_ms;         /* safety limit of commands without an end */
};

enum book_outcome {
	BOOK_NEW, BOOK_UPDATED, BOOK_STALE /* not newer than what we have */, BOOK_FOREIGN /* device of another hub */,
	BOOK_FULL
};

void book_init(struct book *b, int max_endless_h);

/**
 * A command arrived. Validates (10.6), decides overlap and replacement (10.5), sets ack_due.
 * @addressed  it was sent to this hub (queue, webhook): an unknown device is answered; false (polling): BOOK_FOREIGN
 * @event_type "command.ended" stops it now; "" when polled
 */
enum book_outcome book_offer(struct book *b, const struct flip_command *c, const char *event_type, bool addressed,
			     const struct book_device *devices, int n_devices, bool paused, int64_t utc_ms);
enum book_outcome book_offer_event(struct book *b, const struct flip_event *e, int64_t utc_ms);

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

/** Suspends or resumes the active command of a device (grid lost and back). */
void book_suspend(struct book *b, int device, bool suspended);
/** Execution failed: late FAILED_OFFLINE / FAILED_FAULT with reason; state BOOK_FAILED only when the window is over. */
void book_trouble(struct book *b, int device, enum flip_device_status s, const char *reason);

const char *book_state_word(enum book_state s);

/** Whole entries for the store and for R/command/<id>, R/event/<id>. */
cJSON *book_entry_encode(const struct book_entry *e);
int book_entry_decode(const cJSON *o, struct book_entry *out, struct errbuf *err);
cJSON *book_event_encode(const struct book_event *e);
int book_event_decode(const cJSON *o, struct book_event *out, struct errbuf *err);
/** Drops end-state entries older than @keep_ms; calls @gone for each (to clear topic and row). */
void book_forget(struct book *b, int64_t utc_ms, int64_t keep_ms, void (*gone)(void *context, const char *id, bool event),
		 void *context);

#endif
