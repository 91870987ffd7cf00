/* See bus.h. Everything below "the thread's side" runs on the worker; the loop's side only queues and delivers. The
 * connection and its frames are bus_link.c's. */
#include "drivers/modbus/bus.h"

#include "drivers/modbus/bus_link.h"
#include "drivers/modbus/pdu.h"
#include "drivers/modbus/rest.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANE_DEPTH 64
#define REPLY_DEPTH 64
#define TIMEOUT_LEAST_MS 20
#define TIMEOUT_MOST_MS 10000
#define REST_CAP_MS 30000
#define REST_CAP_LINE 30       /* serial: and so many timeouts, since the line stays quiet for another one */
#define BROADCAST_WAIT_MS 100  /* Modbus over serial line 1.02, section 2.4.1: turnaround delay */
#define EXCEPTION_TARGET_SILENT 11 /* a gateway waited for the unit in vain, and we for the gateway */

enum lane { LANE_COMMANDS, LANE_READS, LANE_SUSPECTS, LANES }; /* suspects: reads of units that were silent last time */

struct job {
	uint32_t device;
	struct batch batch;        /* n = 0: only make the link */
};

struct outcome {
	uint32_t device;
	bool has_result, echo;     /* echo: from bus_submit, not from the thread */
	struct bus_stats stats;
	struct batch_result result;
};

struct unit {
	int64_t last_ms;           /* end of the last transaction with it */
	struct rest rest;
};

struct bus {
	struct bus_options o;
	bus_result_fn result;
	void *context;
	struct worker *worker;
	/* The loop's side. */
	struct bus_stats seen;     /* as the thread told last */
	uint64_t replaced;
	int echoes;                /* under way */
	bool said_down;            /* in the log */
	bool suspect[256];         /* by unit; asked when nobody else is waiting */
	struct outcome echo;
	/* The thread's side. */
	struct bus_link link;
	int timeout_ms;            /* of the batch under way */
	struct unit units[256];
	struct bus_stats stats;
	struct outcome outcome;
};

/* ---- the thread's side ---- */

/* Makes the link; see bus_link_make. After the host was away, so were its units, and none of them is the silent one. */
static int link_make(struct bus *b)
{
	int r = bus_link_make(&b->link);

	for (int i = 0; r > 0 && i < 256; i++)
		b->units[i].rest.until_ms = 0;
	return r < 0 ? r : 0;
}

static void unit_silent(struct bus *b, uint8_t unit)
{
	int32_t cap = REST_CAP_MS + (b->o.type == BUS_RTU ? REST_CAP_LINE * b->timeout_ms : 0);

	rest_silent(&b->units[unit].rest, cap, loop_now_ms());
}

/* What becomes of the link, the unit and the counters. */
static void request_account(struct bus *b, uint8_t unit, const struct modbus_request *r, enum request_status status, int error)
{
	if (status == REQUEST_OK || status <= REQUEST_EXCEPTION_LAST) {
		status == REQUEST_OK ? b->stats.ok++ : b->stats.exceptions++;
		if (status != REQUEST_OK)
			bus_link_error(&b->link, "unit %d: exception %d to function %d at %d", unit, (int)status, r->fc, r->address);
		b->link.answered = true;
		backoff_reset(&b->link.backoff);
		status == EXCEPTION_TARGET_SILENT ? unit_silent(b, unit) : rest_answered(&b->units[unit].rest);
		return;
	}
	if (error == ECANCELED) /* the bus is being closed: nobody's fault, and nothing follows */
		return;
	if (status == REQUEST_BAD_ANSWER) {
		b->stats.bad_answers++;
		bus_link_error(&b->link, "unit %d: false answer to function %d at %d", unit, r->fc, r->address);
		b->link.quiet_until_ms = loop_now_ms() + LINK_SILENCE_MS;
	} else if (error == ETIMEDOUT) {
		b->stats.timeouts++;
		bus_link_error(&b->link, "unit %d: no answer to function %d at %d in %d ms", unit, r->fc, r->address, b->timeout_ms);
		b->link.quiet_until_ms = loop_now_ms() + b->timeout_ms;
		unit_silent(b, unit);
	} else {
		char why[96];

		b->stats.timeouts += status == REQUEST_TIMEOUT;
		snprintf(why, sizeof(why), "unit %d: link broke: %s", unit, strerror(error));
		bus_link_lost(&b->link, why);
		return;
	}
	/* On TCP the only cure for an answer still under way, or a stream out of step, is a new connection; at once, since
	 * other units may share the link and this one rests if it stays silent. */
	if (b->o.type == BUS_TCP)
		bus_link_close(&b->link);
}

static enum request_status transact(struct bus *b, uint8_t unit, struct modbus_request *r)
{
	uint8_t pdu[PDU_MAX], frame[LINK_FRAME_MAX];
	const uint8_t *answer;
	int len = pdu_build(r, pdu), wait, n, error;
	int64_t begun = loop_now_ms();
	enum request_status status;

	b->stats.requests++;
	error = -bus_link_send(&b->link, unit, pdu, len);
	if (error) {
		status = error == EPIPE ? REQUEST_TIMEOUT : REQUEST_NO_LINK;
	} else if (b->o.type == BUS_RTU && unit == 0) {
		worker_sleep(b->link.self, BROADCAST_WAIT_MS + bus_link_wire_ms(&b->link, len + 3));
		status = REQUEST_OK;
	} else {
		wait = b->timeout_ms + bus_link_wire_ms(&b->link, len + pdu_answer_length(r) + 6);
		n = bus_link_receive(&b->link, unit, wait, frame, &answer);
		error = n < 0 ? -n : 0;
		if (n >= 0)
			status = pdu_answer(r, answer, n);
		else
			status = error == EBADMSG ? REQUEST_BAD_ANSWER : REQUEST_TIMEOUT;
	}
	request_account(b, unit, r, status, error);
	b->units[unit].last_ms = loop_now_ms();
	b->stats.busy_ms += b->units[unit].last_ms - begun;
	if (b->o.type == BUS_RTU) /* 3.5 characters, at least 1.75 ms, and a tick of the clock */
		b->link.line_free_ms = b->units[unit].last_ms + 2 + 38500 / b->o.baud;
	return status;
}

static bool batch_expired(const struct batch *batch)
{
	return batch->expires_ms && loop_now_ms() >= batch->expires_ms;
}

static enum request_status request_run(struct bus *b, const struct batch *batch, struct modbus_request *r)
{
	int64_t last = b->units[batch->unit].last_ms, gap = last + r->gap_ms - loop_now_ms();

	if (last && gap > 0)
		worker_sleep(b->link.self, (int)gap);
	if (!worker_stopping(b->link.self))
		bus_link_clear(&b->link, b->timeout_ms);
	if (worker_stopping(b->link.self))
		return REQUEST_NOT_TRIED;
	if (link_make(b))
		return REQUEST_NO_LINK;
	if (request_is_write(r) && batch_expired(batch)) {
		b->stats.expired++;
		return REQUEST_EXPIRED;
	}
	return transact(b, batch->unit, r);
}

/* Whether the batch may begin. */
static enum request_status batch_gate(struct bus *b, const struct batch *batch)
{
	const struct rest *rest = &b->units[batch->unit].rest;

	if (!batch_expired(batch)) {
		if (!rest_over(rest, batch->command, loop_now_ms()) || link_make(b))
			return REQUEST_NO_LINK;
		if (!batch_expired(batch)) /* connecting takes time */
			return REQUEST_OK;
	}
	b->stats.expired++;
	return REQUEST_EXPIRED;
}

static void batch_run(struct bus *b, const struct batch *batch, struct batch_result *result)
{
	enum request_status gate = batch_gate(b, batch);
	bool failed = false;

	b->timeout_ms = batch->timeout_ms ? batch->timeout_ms : b->o.timeout_ms;
	result->id = batch->id;
	result->unit = batch->unit;
	result->command = batch->command;
	result->n = batch->n;
	memcpy(result->r, batch->r, (size_t)batch->n * sizeof(batch->r[0]));
	result->begun_ms = loop_now_ms();
	for (int i = 0; i < batch->n; i++) {
		if (gate != REQUEST_OK)
			result->status[i] = gate;
		else
			result->status[i] = failed ? REQUEST_NOT_TRIED : request_run(b, batch, &result->r[i]);
		failed |= result->status[i] != REQUEST_OK;
	}
	result->done_ms = loop_now_ms();
}

static void on_work(struct worker *w, void *context, const void *message)
{
	struct bus *b = context;
	const struct job *job = message;
	struct outcome *o = &b->outcome;

	b->link.self = w;
	o->device = job->device;
	o->has_result = job->batch.n > 0;
	if (o->has_result)
		batch_run(b, &job->batch, &o->result);
	else
		link_make(b);
	o->stats = b->stats;
	worker_reply(w, o);
}

/* ---- the loop's side ---- */

static void suspect_judge(struct bus *b, const struct batch_result *result)
{
	bool *suspect = &b->suspect[result->unit];

	for (int i = 0; i < result->n; i++) {
		if (result->status[i] == REQUEST_TIMEOUT || result->status[i] == EXCEPTION_TARGET_SILENT)
			*suspect = true;
		else if (result->status[i] <= REQUEST_EXCEPTION_LAST)
			*suspect = false;
	}
}

/* Connecting in vain is told once, and that it succeeded then; a link that is only renewed is not worth a line. */
static void link_log(struct bus *b, const struct bus_stats *now)
{
	if (now->connect_failures > b->seen.connect_failures && !now->link_up && !b->said_down) {
		log_warning(b->o.name, "cannot connect: %s; goes on trying", now->last_error);
		b->said_down = true;
	} else if (now->link_up && (b->said_down || now->connects == 1) && now->connects > b->seen.connects) {
		log_notice(b->o.name, "connected to %s", b->o.type == BUS_TCP ? b->o.host : b->o.device);
		b->said_down = false;
	}
}

static void on_reply(void *context, const void *reply)
{
	struct bus *b = context;
	const struct outcome *o = reply;

	if (o->echo) {
		b->echoes--;
	} else {
		link_log(b, &o->stats);
		b->seen = o->stats;
		if (o->has_result)
			suspect_judge(b, &o->result);
	}
	if (o->has_result) /* last: the callback may close the bus */
		b->result(b->context, o->device, &o->result);
}

static int options_check(const struct bus_options *o, struct errbuf *err)
{
	static const int BAUDS[] = { 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600 };
	bool known = false;

	if (o->timeout_ms < TIMEOUT_LEAST_MS || o->timeout_ms > TIMEOUT_MOST_MS)
		return errbuf_set(err, -EINVAL, "bus %s: timeout of %d ms is outside 20..10000", o->name, o->timeout_ms);
	if (o->type == BUS_TCP) {
		if (!o->host[0] || o->port < 1 || o->port > 65535)
			return errbuf_set(err, -EINVAL, "bus %s: needs a host and a port of 1..65535", o->name);
		return 0;
	}
	for (size_t i = 0; i < sizeof(BAUDS) / sizeof(BAUDS[0]); i++)
		known |= BAUDS[i] == o->baud;
	if (!known)
		return errbuf_set(err, -EINVAL, "bus %s: %d baud is no known rate", o->name, o->baud);
	if (!o->device[0] || !o->parity || !strchr("NEO", o->parity) || (o->data_bits != 7 && o->data_bits != 8) ||
	    (o->stop_bits != 1 && o->stop_bits != 2))
		return errbuf_set(err, -EINVAL, "bus %s: needs a device and a format such as 8N1", o->name);
	return 0;
}

static void bus_free(struct bus *b)
{
	bus_link_deinit(&b->link);
	free(b);
}

int bus_open(struct bus **out, uv_loop_t *loop, const struct bus_options *options, bus_result_fn result, void *context,
	     struct errbuf *err)
{
	struct worker_options wo = { .lanes = LANES, .depth = LANE_DEPTH, .message_size = sizeof(struct job),
				     .reply_size = sizeof(struct outcome), .reply_depth = REPLY_DEPTH,
				     .work = on_work, .reply = on_reply };
	struct job first = { 0 };
	char name[16];
	struct bus *b;
	int r = options_check(options, err);

	if (r)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return errbuf_set(err, -ENOMEM, "bus %s: no memory", options->name);
	b->o = *options;
	b->result = result;
	b->context = context;
	r = bus_link_init(&b->link, &b->o, &b->stats, err);
	if (r) {
		bus_free(b);
		return r;
	}
	snprintf(name, sizeof(name), "bus-%.11s", options->name);
	wo.name = name;
	wo.context = b;
	r = worker_start(&b->worker, loop, &wo, err);
	if (r) {
		bus_free(b);
		return r;
	}
	worker_post(b->worker, LANE_READS, 0, &first, NULL, NULL);
	*out = b;
	return 0;
}

static bool batch_valid(const struct bus *b, const struct batch *batch)
{
	if (batch->n < 1 || batch->n > BATCH_REQUESTS_MAX || (b->o.type == BUS_RTU && batch->unit > 247))
		return false;
	if (batch->timeout_ms && (batch->timeout_ms < TIMEOUT_LEAST_MS || batch->timeout_ms > TIMEOUT_MOST_MS))
		return false;
	for (int i = 0; i < batch->n; i++)
		if (!pdu_valid(&batch->r[i]) || (b->o.type == BUS_RTU && !batch->unit && !request_is_write(&batch->r[i])))
			return false;
	return true;
}

static void outcome_replaced(struct outcome *o, const struct job *old)
{
	o->device = old->device;
	o->has_result = o->echo = true;
	o->result.id = old->batch.id;
	o->result.unit = old->batch.unit;
	o->result.command = old->batch.command;
	o->result.n = old->batch.n;
	for (int i = 0; i < old->batch.n; i++) {
		o->result.status[i] = REQUEST_REPLACED;
		o->result.r[i] = old->batch.r[i];
	}
	o->result.begun_ms = o->result.done_ms = loop_now_ms();
}

int bus_submit(struct bus *b, uint32_t device, const struct batch *batch)
{
	enum lane lane = batch->command ? LANE_COMMANDS : b->suspect[batch->unit] ? LANE_SUSPECTS : LANE_READS;
	struct job job, old;
	uint64_t key = batch->command ? (uint64_t)device + 1 : 0;
	bool was_replaced;
	int r;

	if (!batch_valid(b, batch))
		return -EINVAL;
	job.device = device;
	job.batch = *batch;
	if (b->echoes == LANE_DEPTH)
		return -EAGAIN;
	r = worker_post(b->worker, lane, key, &job, &old, &was_replaced);
	if (r || !was_replaced)
		return r;
	b->replaced++;
	b->echoes++;
	outcome_replaced(&b->echo, &old);
	return worker_echo(b->worker, &b->echo);
}

void bus_stats(const struct bus *b, struct bus_stats *out)
{
	*out = b->seen;
	out->replaced = b->replaced;
	out->waiting_commands = worker_waiting(b->worker, LANE_COMMANDS);
	out->waiting_reads = worker_waiting(b->worker, LANE_READS) + worker_waiting(b->worker, LANE_SUSPECTS);
}

void bus_ask_close(struct bus *b)
{
	if (b)
		worker_ask_stop(b->worker, false);
}

void bus_close(struct bus *b)
{
	if (!b)
		return;
	worker_stop(b->worker, false);
	bus_free(b);
}
