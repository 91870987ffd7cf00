/* The life of one order at a device, without its registers: written on change, refreshed at half the device's timer,
 * judged by a later read, and not fought over when somebody else writes. Pure. */
#ifndef HEARTH_DRIVERS_SETPOINT_H
#define HEARTH_DRIVERS_SETPOINT_H

#include "core/decision.h"
#include "drivers/modbus/batch.h"

#include <stdbool.h>
#include <stdint.h>

#define SETPOINT_EXPIRY_MS 5000   /* a write not begun by then is never sent */
#define SETPOINT_FOREIGN_MS 30000 /* at most one rewrite in this time against somebody else's */
#define SETPOINT_REFUSED_MS 10000 /* an exception is not asked for again sooner */
#define SETPOINT_RETRY_MS 2000    /* the bus failed */
#define SETPOINT_UNPROVEN 3       /* a loop that writes every second never waits out the settling time */

enum setpoint_phase {
	SETPOINT_IDLE = 0, /* never aimed */
	SETPOINT_DUE,
	SETPOINT_WRITING,
	SETPOINT_SETTLING, /* written, the confirming read is still to come */
	SETPOINT_HELD,     /* read back and judged */
};

/* What a read-back shows, compared with the order. */
enum seen { SEEN_SAME, SEEN_LESS, SEEN_BEFORE, SEEN_OTHER };

struct setpoint {
	enum setpoint_phase phase;
	struct order order; /* wanted now; ORDER_NONE = never aimed */
	struct order sent;  /* of the write under way or done last */
	int32_t settle_ms;  /* from write to confirming read */
	int32_t refresh_ms; /* 0 = the device has no timer to keep running */
	int64_t not_before_ms, settled_ms, written_ms;
	bool refreshing; /* the write under way only feeds the timer */
	bool contested;  /* ignored or overwritten: writes wait; ends with a read-back that fits */
	int unproven;    /* read-backs in a row that do not show the last write, while orders follow each other fast */
	enum verdict verdict;
	double verdict_w;
};

/** Same order for the registers: kind and power (a band only when the device balances by itself). */
bool order_same(const struct order *a, const struct order *b);

/** Stores the order. Nothing happens when it is the one already wanted. */
void setpoint_aim(struct setpoint *sp, const struct order *order, int64_t now_ms);

/** True when a write shall go out now, for a change or to feed the timer. */
bool setpoint_due(const struct setpoint *sp, int64_t now_ms);
void setpoint_sent(struct setpoint *sp);

/** The writing batch came back; @status is the first that is not REQUEST_OK. */
void setpoint_done(struct setpoint *sp, enum request_status status, int64_t now_ms);

/** True when the confirming read is due. */
bool setpoint_confirm_due(const struct setpoint *sp, int64_t now_ms);

/** A read begun at @read_ms shows @seen (compared with sp->sent), @w watts in force (NAN: not a power). Called for every
 *  read-back, not only the confirming one: that is how a foreign hand is noticed. */
void setpoint_judge(struct setpoint *sp, enum seen seen, double w, int64_t read_ms);

/** When setpoint_due or setpoint_confirm_due may next turn true; INT64_MAX when never by itself. */
int64_t setpoint_next(const struct setpoint *sp);

#endif
