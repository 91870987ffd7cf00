/* The link of a bus, on the bus's thread: connecting with back-off, keeping a serial line quiet where it must be, frames
 * out and in. It knows nothing of batches and units. Every wait here ends at once when the worker is asked to stop. */
#ifndef HEARTH_DRIVERS_MODBUS_BUS_LINK_H
#define HEARTH_DRIVERS_MODBUS_BUS_LINK_H

#include "core/backoff.h"
#include "core/err.h"
#include "drivers/modbus/bus.h"
#include "io/worker.h"

#include <modbus/modbus.h>

#define LINK_FRAME_MAX 260
#define LINK_SILENCE_MS 150 /* a late or false answer has ended: adapters deliver in lumps, poor gateways drip */

struct bus_link {
	const struct bus_options *o;
	struct bus_stats *stats;   /* link_up, connects, connect_failures, last_error are told here */
	struct worker *self;       /* set before anything else is called */
	modbus_t *mb;
	bool up, answered;         /* answered: this connection has brought a valid answer; set by the bus */
	uint16_t transaction;
	struct backoff backoff;
	int64_t retry_ms;          /* no connecting before */
	int64_t quiet_until_ms;    /* serial: a late answer may come until then; set by the bus after trouble */
	int64_t line_free_ms;      /* serial: end of the pause between frames; set by the bus */
};

/** A zeroed link becomes a closed one. @o and @stats must outlive it. 0 or -ENOMEM; bus_link_deinit in any case. */
int bus_link_init(struct bus_link *l, const struct bus_options *o, struct bus_stats *stats, struct errbuf *err);
void bus_link_deinit(struct bus_link *l);

void __attribute__((format(printf, 2, 3))) bus_link_error(struct bus_link *l, const char *fmt, ...);

/** Makes the link unless it is up or the back-off says not yet. 0, or 1 when it was made after having been away, or
 *  -ENOTCONN. */
int bus_link_make(struct bus_link *l);

void bus_link_close(struct bus_link *l);

/** The link is gone. One that never brought an answer counts as a failed try: a device with too few connections accepts
 *  and hangs up, and must not be called again at once. */
void bus_link_lost(struct bus_link *l, const char *why);

/** Gets what belongs to the past out of the way before a request; the link may be gone afterwards. A serial line is
 *  given the time it needs, up to twice @timeout_ms and a second beyond its quiet time. */
void bus_link_clear(struct bus_link *l, int timeout_ms);

/** Time of so many bytes on the wire; 0 on TCP. */
int bus_link_wire_ms(const struct bus_link *l, int bytes);

/** 0 or a negative errno; -EPIPE when a part of it may be on the wire. */
int bus_link_send(struct bus_link *l, uint8_t unit, const uint8_t *pdu, int len);

/**
 * The answer to what was sent last. All of it has to come within @wait_ms.
 *
 * @frame  at least LINK_FRAME_MAX
 * @pdu    the answer in it, on success
 * Returns its length; -EBADMSG when it is not from this unit, of this transaction, or whole; -ETIMEDOUT; -ECANCELED
 * when the worker stops; another errno when the link broke.
 */
int bus_link_receive(struct bus_link *l, uint8_t unit, int wait_ms, uint8_t *frame, const uint8_t **pdu);

#endif
