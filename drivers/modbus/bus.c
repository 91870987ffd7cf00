/* See bus.h. Everything below "the thread's side" runs on the worker; the loop's side only queues and delivers.
 *
 * libmodbus opens serial lines, receives and checks the CRC. Requests are put together here (pdu.h), because libmodbus
 * 3.1.6 checks neither the unit nor the length field of a TCP answer, and its connect knows only IPv4 or blocks. */
#include "drivers/modbus/bus.h"

#include "core/backoff.h"
#include "drivers/modbus/pdu.h"
#include "drivers/modbus/rest.h"
#include "io/dial.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/worker.h"

#include <errno.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define LANE_DEPTH 64
#define REPLY_DEPTH 64
#define BACKOFF_FIRST_MS 250
#define BACKOFF_CAP_MS 30000
#define CONNECT_LEAST_MS 500
#define REST_CAP_MS 30000
#define REST_CAP_LINE 30       /* serial: and so many timeouts, since the line stays quiet for another one */
#define LINE_SILENCE_MS 150    /* a late or false answer has ended: adapters deliver in lumps, poor gateways drip */
#define BROADCAST_WAIT_MS 100  /* Modbus over serial line 1.02, section 2.4.1: turnaround delay */
#define EXCEPTION_TARGET_SILENT 11 /* a gateway waited for the unit in vain, and we for the gateway */
#define SLICE_MS 100           /* how late bus_close may be noticed while waiting */
#define FRAME_MAX 260

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
	struct worker *self;
	modbus_t *mb;
	bool up, answered;         /* answered: this connection has brought a valid answer */
	uint16_t transaction;
	struct backoff backoff;
	int64_t retry_ms;          /* no connecting before */
	int64_t quiet_until_ms;    /* serial: a late answer may come until then */
	int64_t line_free_ms;      /* serial: end of the pause between frames */
	struct unit units[256];
	struct bus_stats stats;
	struct outcome outcome;
};

/* ---- the thread's side: the link ---- */

static void __attribute__((format(printf, 2, 3))) error_say(struct bus *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->stats.last_error, sizeof(b->stats.last_error), fmt, ap);
	va_end(ap);
}

static void link_close(struct bus *b)
{
	if (b->up)
		modbus_close(b->mb);
	b->up = false;
	b->stats.link_up = false;
}

static uint32_t random_bits(void)
{
	uint32_t bits = (uint32_t)loop_now_ms() * 2654435761u; /* stays when the kernel has none yet */

	(void)!getrandom(&bits, sizeof(bits), GRND_NONBLOCK);
	return bits;
}

/* The link is gone. One that never brought an answer counts as a failed try: a device with too few connections accepts and
 * hangs up, and must not be called again at once. */
static void link_lost(struct bus *b, const char *why)
{
	error_say(b, "%s", why);
	link_close(b);
	b->retry_ms = loop_now_ms() + (b->answered ? 0 : backoff_next(&b->backoff, random_bits()));
}

static bool bus_stopping(void *context)
{
	struct bus *b = context;

	return worker_stopping(b->self);
}

static int tcp_connect(struct bus *b, struct errbuf *err)
{
	int limit = b->o.timeout_ms > CONNECT_LEAST_MS ? b->o.timeout_ms : CONNECT_LEAST_MS;
	int fd = dial_tcp(b->o.host, b->o.port, limit, bus_stopping, b, err);

	if (fd < 0)
		return fd;
	modbus_set_socket(b->mb, fd);
	return 0;
}

static int rtu_connect(struct bus *b, struct errbuf *err)
{
	if (modbus_connect(b->mb))
		return errbuf_set(err, -errno, "%s: %s", b->o.device, strerror(errno));
	if (modbus_get_socket(b->mb) < FD_SETSIZE)
		return 0;
	modbus_close(b->mb); /* libmodbus before 3.1.12 would write beyond its fd_set */
	return errbuf_set(err, -EMFILE, "%s: too many open files", b->o.device);
}

/* Makes the link unless it is up or the back-off says not yet. 0 or -ENOTCONN. */
static int link_make(struct bus *b)
{
	struct errbuf err = { "" };

	if (b->up)
		return 0;
	if (loop_now_ms() < b->retry_ms)
		return -ENOTCONN;
	if (b->o.type == BUS_TCP ? tcp_connect(b, &err) : rtu_connect(b, &err)) {
		b->stats.connect_failures++;
		error_say(b, "%s", err.text);
		b->retry_ms = loop_now_ms() + backoff_next(&b->backoff, random_bits());
		return -ENOTCONN;
	}
	if (b->backoff.next_ms) /* the host was away: so were its units, and none of them is the silent one */
		for (int i = 0; i < 256; i++)
			b->units[i].rest.until_ms = 0;
	b->up = b->stats.link_up = true;
	b->answered = false;
	b->stats.connects++;
	b->quiet_until_ms = 0;
	return 0;
}

/* Reads and forgets. Negative when the link is broken, else the number of bytes. */
static int link_discard(struct bus *b)
{
	uint8_t bin[FRAME_MAX];
	ssize_t n = read(modbus_get_socket(b->mb), bin, sizeof(bin));

	if (n > 0)
		return (int)n;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -ECONNRESET;
}

/* Serial: waits until no late answer can come any more and the line is silent, then empties it. */
static void rtu_settle(struct bus *b)
{
	int64_t give_up = loop_now_ms() + 3 * b->o.timeout_ms + 1000;
	int64_t until = b->quiet_until_ms > b->line_free_ms ? b->quiet_until_ms : b->line_free_ms;
	bool heard = false;

	while (loop_now_ms() < give_up) {
		struct pollfd p = { .fd = modbus_get_socket(b->mb), .events = POLLIN };

		if (poll(&p, 1, 0) == 0) {
			int64_t left = until - loop_now_ms();

			if (left <= 0 || worker_stopping(b->self))
				break;
			poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS);
			continue;
		}
		if (link_discard(b) <= 0) { /* readable without bytes: hung up */
			link_lost(b, "the serial line was taken away");
			return;
		}
		heard = true;
		if (until < loop_now_ms() + LINE_SILENCE_MS)
			until = loop_now_ms() + LINE_SILENCE_MS;
	}
	if (heard && b->quiet_until_ms)
		error_say(b, "an answer came later than %d ms", b->o.timeout_ms);
	b->quiet_until_ms = 0;
	tcflush(modbus_get_socket(b->mb), TCIFLUSH);
}

/* Ready to send: nothing of the past is in the way. A TCP peer that hung up while the link was idle is called anew. */
static int link_ready(struct bus *b)
{
	struct pollfd p = { .fd = modbus_get_socket(b->mb), .events = POLLIN };

	if (b->up && b->o.type == BUS_RTU)
		rtu_settle(b);
	else if (b->up && poll(&p, 1, 0) != 0)
		link_lost(b, link_discard(b) < 0 ? "the device closed the connection" : "the device sent unasked");
	return link_make(b);
}

/* ---- the thread's side: transactions ---- */

static int wire_ms(const struct bus *b, int bytes)
{
	return b->o.type == BUS_RTU ? (bytes * 11 * 1000 + b->o.baud - 1) / b->o.baud : 0;
}

static int link_send(struct bus *b, uint8_t unit, const uint8_t *pdu, int len)
{
	uint8_t frame[FRAME_MAX];
	ssize_t n;

	if (b->o.type == BUS_RTU) {
		frame[0] = unit;
		memcpy(frame + 1, pdu, (size_t)len);
		modbus_set_slave(b->mb, unit); /* what its CRC check compares the answer's unit with */
		if (modbus_send_raw_request(b->mb, frame, len + 1) >= 0)
			return 0;
		return errno == EMBBADDATA ? -EPIPE : -errno; /* a part of it may be on the wire */
	}
	mbap_build(frame, ++b->transaction, unit, len);
	memcpy(frame + MBAP_LENGTH, pdu, (size_t)len);
	n = send(modbus_get_socket(b->mb), frame, (size_t)len + MBAP_LENGTH, MSG_NOSIGNAL);
	return n < 0 ? -errno : n == len + MBAP_LENGTH ? 0 : -EPIPE;
}

static enum request_status answer_check(struct bus *b, uint8_t unit, struct modbus_request *r, const uint8_t *frame, int len)
{
	if (b->o.type == BUS_RTU) /* unit and PDU; libmodbus has checked the CRC, and says 0 for a foreign unit */
		return len < 5 || frame[0] != unit ? REQUEST_BAD_ANSWER : pdu_answer(r, frame + 1, len - 3);
	if (!mbap_matches(frame, len, b->transaction, unit))
		return REQUEST_BAD_ANSWER;
	return pdu_answer(r, frame + MBAP_LENGTH, len - MBAP_LENGTH);
}

static void unit_silent(struct bus *b, uint8_t unit)
{
	int32_t cap = REST_CAP_MS + (b->o.type == BUS_RTU ? REST_CAP_LINE * b->o.timeout_ms : 0);

	rest_silent(&b->units[unit].rest, cap, loop_now_ms());
}

/* What becomes of the link, the unit and the counters. */
static void request_account(struct bus *b, uint8_t unit, const struct modbus_request *r, enum request_status status, int error)
{
	if (status == REQUEST_OK || status <= REQUEST_EXCEPTION_LAST) {
		status == REQUEST_OK ? b->stats.ok++ : b->stats.exceptions++;
		if (status != REQUEST_OK)
			error_say(b, "unit %d: exception %d to function %d at %d", unit, (int)status, r->fc, r->address);
		b->answered = true;
		backoff_reset(&b->backoff);
		status == EXCEPTION_TARGET_SILENT ? unit_silent(b, unit) : rest_answered(&b->units[unit].rest);
		return;
	}
	if (status == REQUEST_BAD_ANSWER) {
		b->stats.bad_answers++;
		error_say(b, "unit %d: false answer to function %d at %d", unit, r->fc, r->address);
		b->quiet_until_ms = loop_now_ms() + LINE_SILENCE_MS;
	} else if (error == ETIMEDOUT) {
		b->stats.timeouts++;
		error_say(b, "unit %d: no answer to function %d at %d in %d ms", unit, r->fc, r->address, b->o.timeout_ms);
		b->quiet_until_ms = loop_now_ms() + b->o.timeout_ms;
		unit_silent(b, unit);
	} else {
		char why[96];

		b->stats.timeouts += status == REQUEST_TIMEOUT;
		snprintf(why, sizeof(why), "unit %d: link broke: %s", unit, modbus_strerror(error));
		link_lost(b, why);
		return;
	}
	/* On TCP the only cure for an answer still under way, or a stream out of step, is a new connection; at once, since
	 * other units may share the link and this one rests if it stays silent. */
	if (b->o.type == BUS_TCP)
		link_close(b);
}

static enum request_status transact(struct bus *b, uint8_t unit, struct modbus_request *r)
{
	uint8_t pdu[PDU_MAX], frame[FRAME_MAX];
	int len = pdu_build(r, pdu), wait, n, error;
	int64_t begun = loop_now_ms();
	enum request_status status;

	b->stats.requests++;
	error = -link_send(b, unit, pdu, len);
	if (error) {
		status = error == EPIPE ? REQUEST_TIMEOUT : REQUEST_NO_LINK;
	} else if (b->o.type == BUS_RTU && unit == 0) {
		worker_sleep(b->self, BROADCAST_WAIT_MS + wire_ms(b, len + 3));
		status = REQUEST_OK;
	} else {
		wait = b->o.timeout_ms + wire_ms(b, len + pdu_answer_length(r) + 6);
		modbus_set_response_timeout(b->mb, (uint32_t)wait / 1000, (uint32_t)wait % 1000 * 1000);
		n = modbus_receive_confirmation(b->mb, frame);
		error = n < 0 ? errno : 0;
		if (n >= 0 || error == EMBBADCRC || error == EMBBADDATA)
			status = n < 0 ? REQUEST_BAD_ANSWER : answer_check(b, unit, r, frame, n);
		else
			status = REQUEST_TIMEOUT;
	}
	request_account(b, unit, r, status, error);
	b->units[unit].last_ms = loop_now_ms();
	b->stats.busy_ms += b->units[unit].last_ms - begun;
	if (b->o.type == BUS_RTU) /* 3.5 characters, at least 1.75 ms, and a tick of the clock */
		b->line_free_ms = b->units[unit].last_ms + 2 + 38500 / b->o.baud;
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
		worker_sleep(b->self, (int)gap);
	if (worker_stopping(b->self))
		return REQUEST_NOT_TRIED;
	if (link_ready(b))
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

	b->self = w;
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

	if (o->timeout_ms < 20 || o->timeout_ms > 10000)
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
	if (b->mb) {
		link_close(b);
		modbus_free(b->mb);
	}
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
	b->backoff = (struct backoff){ .first_ms = BACKOFF_FIRST_MS, .cap_ms = BACKOFF_CAP_MS };
	b->mb = options->type == BUS_TCP ? modbus_new_tcp("127.0.0.1", options->port) /* connected by tcp_connect */
					 : modbus_new_rtu(options->device, options->baud, options->parity,
							  options->data_bits, options->stop_bits);
	if (!b->mb) {
		bus_free(b);
		return errbuf_set(err, -ENOMEM, "bus %s: %s", options->name, modbus_strerror(errno));
	}
	/* 0: a byte now and then must not renew the wait; the whole answer has the response timeout. */
	modbus_set_byte_timeout(b->mb, 0, 0);
	modbus_set_error_recovery(b->mb, MODBUS_ERROR_RECOVERY_NONE);
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
