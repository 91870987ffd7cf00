/* One Modbus bus (a serial line or a host:port): libmodbus on its own worker thread. Commands go first, the latest
 * command batch per device wins while it has not begun, reads queue behind. Reconnects for ever with capped, jittered
 * back-off (250 ms to 30 s); meanwhile batches are answered REQUEST_NO_LINK at once. A unit that was silent twice in a row
 * rests (0.5 s doubling to 30 s; commands a quarter of it) and is asked when nobody else waits. No call here waits,
 * except bus_close, and that only until the thread has noticed. */
#ifndef HEARTH_DRIVERS_MODBUS_BUS_H
#define HEARTH_DRIVERS_MODBUS_BUS_H

#include "core/err.h"
#include "drivers/modbus/batch.h"

#include <uv.h>

enum bus_type { BUS_TCP, BUS_RTU };

struct bus_options {
	char name[33];
	enum bus_type type;
	char host[128];
	int port;
	char device[128];
	int baud;
	char parity;          /* 'N', 'E', 'O' */
	int data_bits, stop_bits;
	int timeout_ms;       /* response timeout, 20..10000; on a serial line the time on the wire is added */
};

struct bus; /* opaque */

/** On the loop, never from inside bus_submit: for each batch submitted exactly once, also for replaced and expired ones;
 *  not for those still waiting when the bus is closed. May call bus_submit and bus_close. */
typedef void (*bus_result_fn)(void *context, uint32_t device, const struct batch_result *result);

/* Counters since start; link_up is the present state. */
struct bus_stats {
	bool link_up;
	uint64_t requests, ok, exceptions, timeouts, bad_answers, expired, replaced, connects, connect_failures;
	int64_t busy_ms;          /* time spent in transactions */
	int waiting_commands, waiting_reads;
	char last_error[96];
};

/** Starts the thread; the link is made in the background. Returns 0 or negative errno with a reason in words. */
int bus_open(struct bus **out, uv_loop_t *loop, const struct bus_options *options, bus_result_fn result, void *context,
	     struct errbuf *err);

/** Copies and queues a batch. @device is the caller's number, the key of "latest wins". -EAGAIN when the lane is full,
 *  -EINVAL when a request makes no sense (n of 0, a count of 0 or too many, a read of unit 0 on a serial line, a timeout
 *  outside the limits). */
int bus_submit(struct bus *b, uint32_t device, const struct batch *batch);

void bus_stats(const struct bus *b, struct bus_stats *out);

/** Asks the thread to end without waiting: call it for every bus first, and closing all takes as long as the slowest. The
 *  transaction under way is cut short wherever it waits: what was sent stays without an answer (REQUEST_TIMEOUT), a
 *  connection in the making is given up (REQUEST_NO_LINK), the rest is REQUEST_NOT_TRIED. */
void bus_ask_close(struct bus *b);

/** Ends the thread, closes the link, frees: a matter of milliseconds, except while a name is being resolved (see io/dial.h)
 *  or bytes are still going out on a serial line. NULL is fine. */
void bus_close(struct bus *b);

#endif
