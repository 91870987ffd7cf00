/* The only maker of threads. A worker is one thread with a bounded mailbox of fixed-size messages in lanes (lane 0 is
 * served before lane 1, ...) and a way back to the loop. Messages are copied by value; no other lock exists in Hearth. */
#ifndef HEARTH_IO_WORKER_H
#define HEARTH_IO_WORKER_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define WORKER_LANES_MAX 4

struct worker; /* opaque, owned by the caller through worker_start/worker_stop */

struct worker_options {
	const char *name;            /* thread name, <= 15 characters */
	int lanes;                   /* 1..WORKER_LANES_MAX */
	int depth;                   /* messages per lane */
	size_t message_size;         /* bytes of a request */
	size_t reply_size;           /* bytes of a reply */
	int reply_depth;             /* when full the worker waits for the loop */
	size_t stack_kib;            /* 0 = 256 */
	/* On the thread: does one message; may call worker_reply any number of times. */
	void (*work)(struct worker *w, void *context, const void *message);
	/* On the thread, when the mailbox is empty and idle_ms passed (0 = never). */
	void (*idle)(struct worker *w, void *context);
	int idle_ms;
	/* On the loop: one reply. Called by uv_async. */
	void (*reply)(void *context, const void *reply);
	void *context;
};

/** Starts the thread. Returns 0 or a negative errno; *out is owned by the caller. */
int worker_start(struct worker **out, uv_loop_t *loop, const struct worker_options *options, struct errbuf *err);

/**
 * From the loop: puts a copy of the message in a lane.
 * @key  0 = ordinary; else latest wins: a message of the same lane and key that has not begun is replaced in place.
 * @replaced  when not NULL and a message was replaced, receives a copy of the old one; *was_replaced says so
 * Returns 0, or -EAGAIN when the lane is full or the worker stops.
 */
int worker_post(struct worker *w, int lane, uint64_t key, const void *message, void *replaced, bool *was_replaced);

/** From the thread: sends a reply to the loop (copied). Waits while the loop is behind; worker_stop goes on taking
 *  replies until the thread has ended, so neither waits for the other for ever. */
void worker_reply(struct worker *w, const void *reply);

/** From the loop: a reply as if the thread had sent it, delivered by the loop later (never from inside this call).
 *  There is room for `depth` of them. Returns 0, or -EAGAIN when there is none or the worker stops. */
int worker_echo(struct worker *w, const void *reply);

/** From the thread: true when worker_stop was called; long work should return soon. */
bool worker_stopping(struct worker *w);

/** From the thread: sleeps up to ms, woken early by worker_stop. */
void worker_sleep(struct worker *w, int ms);

/** From the thread: a descriptor that poll() finds readable from the moment worker_stopping is true, and for ever after.
 *  Polled beside whatever else is waited for, it ends the wait at once. Never read or close it. */
int worker_stop_fd(const struct worker *w);

/** Messages waiting in a lane. */
int worker_waiting(struct worker *w, int lane);

/** From the loop: asks the thread to end and returns at once. To stop several workers in the time of the slowest, ask all
 *  of them first. worker_stop must follow. */
void worker_ask_stop(struct worker *w, bool drain);

/** From the loop: asks the thread to end after what it has begun; drops what waits when @drain is false; joins (the
 *  thread must end within its own time limits), delivers the last replies, then closes and frees. @w may be NULL.
 *  Nothing can be posted from here on (-EAGAIN). May be called from inside a reply callback of the same worker. */
void worker_stop(struct worker *w, bool drain);

#endif
