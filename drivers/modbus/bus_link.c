/* See bus_link.h.
 *
 * libmodbus opens serial lines and sends there. Answers are received here: its modbus_receive_confirmation waits in a
 * select() of its own that nothing can end before the response timeout. 3.1.6 besides checks neither the unit nor the
 * length field of a TCP answer, and its connect knows only IPv4 or blocks. */
#include "drivers/modbus/bus_link.h"

#include "drivers/modbus/pdu.h"
#include "io/dial.h"
#include "io/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 250
#define BACKOFF_CAP_MS 30000
#define CONNECT_LEAST_MS 500
#define LINE_JOIN_MS 1000  /* so long at most a line is listened to before its first request */

int bus_link_init(struct bus_link *l, const struct bus_options *o, struct bus_stats *stats, struct errbuf *err)
{
	l->o = o;
	l->stats = stats;
	l->backoff = (struct backoff){ .first_ms = BACKOFF_FIRST_MS, .cap_ms = BACKOFF_CAP_MS };
	l->mb = o->type == BUS_TCP ? modbus_new_tcp("127.0.0.1", o->port) /* connected by tcp_connect */
				   : modbus_new_rtu(o->device, o->baud, o->parity, o->data_bits, o->stop_bits);
	if (!l->mb)
		return errbuf_set(err, -ENOMEM, "bus %s: %s", o->name, modbus_strerror(errno));
	modbus_set_error_recovery(l->mb, MODBUS_ERROR_RECOVERY_NONE);
	return 0;
}

void bus_link_deinit(struct bus_link *l)
{
	if (!l->mb)
		return;
	bus_link_close(l);
	modbus_free(l->mb);
	l->mb = NULL;
}

void bus_link_error(struct bus_link *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->stats->last_error, sizeof(l->stats->last_error), fmt, ap);
	va_end(ap);
}

void bus_link_close(struct bus_link *l)
{
	if (l->up)
		modbus_close(l->mb);
	l->up = false;
	l->stats->link_up = false;
}

static uint32_t random_bits(void)
{
	uint32_t bits = (uint32_t)loop_now_ms() * 2654435761u; /* stays when the kernel has none yet */

	(void)!getrandom(&bits, sizeof(bits), GRND_NONBLOCK);
	return bits;
}

void bus_link_lost(struct bus_link *l, const char *why)
{
	bus_link_error(l, "%s", why);
	bus_link_close(l);
	l->retry_ms = loop_now_ms() + (l->answered ? 0 : backoff_next(&l->backoff, random_bits()));
}

static int tcp_connect(struct bus_link *l, struct errbuf *err)
{
	int limit = l->o->timeout_ms > CONNECT_LEAST_MS ? l->o->timeout_ms : CONNECT_LEAST_MS;
	int fd = dial_tcp(l->o->host, l->o->port, limit, worker_stop_fd(l->self), err);

	if (fd < 0)
		return fd;
	modbus_set_socket(l->mb, fd);
	return 0;
}

static int rtu_connect(struct bus_link *l, struct errbuf *err)
{
	if (modbus_connect(l->mb))
		return errbuf_set(err, -errno, "%s: %s", l->o->device, strerror(errno));
	if (modbus_get_socket(l->mb) < FD_SETSIZE)
		return 0;
	modbus_close(l->mb); /* libmodbus before 3.1.12 would write beyond its fd_set */
	return errbuf_set(err, -EMFILE, "%s: too many open files", l->o->device);
}

int bus_link_make(struct bus_link *l)
{
	struct errbuf err = { "" };
	int r;

	if (l->up)
		return 0;
	if (loop_now_ms() < l->retry_ms || worker_stopping(l->self))
		return -ENOTCONN;
	r = l->o->type == BUS_TCP ? tcp_connect(l, &err) : rtu_connect(l, &err);
	if (r == -ECANCELED) /* closing is nobody's failure */
		return -ENOTCONN;
	if (r) {
		l->stats->connect_failures++;
		bus_link_error(l, "%s", err.text);
		l->retry_ms = loop_now_ms() + backoff_next(&l->backoff, random_bits());
		return -ENOTCONN;
	}
	l->up = l->stats->link_up = true;
	l->answered = false;
	l->quiet_until_ms = 0;
	/* Whoever had the line before (ourselves, before a reload) may have left without waiting for the answer. */
	if (!l->stats->connects++ && l->o->type == BUS_RTU)
		l->quiet_until_ms = loop_now_ms() + (l->o->timeout_ms < LINE_JOIN_MS ? l->o->timeout_ms : LINE_JOIN_MS);
	return l->backoff.next_ms ? 1 : 0;
}

/* ---- waiting ---- */

/* Waits until there is something to read or hung up. 1, 0 when the time is over, -ECANCELED, or another errno. */
static int readable_wait(struct bus_link *l, int64_t until_ms)
{
	struct pollfd p[] = { { .fd = modbus_get_socket(l->mb), .events = POLLIN },
			      { .fd = worker_stop_fd(l->self), .events = POLLIN } };

	for (;;) {
		int64_t left = until_ms - loop_now_ms();
		int r = poll(p, 2, left > 0 ? (int)left : 0);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			return p[1].revents ? -ECANCELED : 1;
		if (left <= 0)
			return 0;
	}
}

/* Reads and forgets. Negative when the link is broken, else the number of bytes. */
static int link_discard(struct bus_link *l)
{
	uint8_t bin[LINK_FRAME_MAX];
	ssize_t n = read(modbus_get_socket(l->mb), bin, sizeof(bin));

	if (n > 0)
		return (int)n;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -ECONNRESET;
}

/* Serial: waits until no late answer can come any more and the line is silent, then empties it. */
static void rtu_settle(struct bus_link *l, int timeout_ms)
{
	int64_t until = l->quiet_until_ms > l->line_free_ms ? l->quiet_until_ms : l->line_free_ms, now = loop_now_ms();
	int64_t give_up = (until > now ? until : now) + 2 * timeout_ms + 1000;
	bool heard = false;

	while (loop_now_ms() < give_up) {
		if (readable_wait(l, until) <= 0)
			break;
		if (link_discard(l) <= 0) { /* readable without bytes: hung up */
			bus_link_lost(l, "the serial line was taken away");
			return;
		}
		heard = true;
		if (until < loop_now_ms() + LINK_SILENCE_MS)
			until = loop_now_ms() + LINK_SILENCE_MS;
	}
	if (heard && l->quiet_until_ms)
		bus_link_error(l, "an answer came later than its timeout");
	l->quiet_until_ms = 0;
	tcflush(modbus_get_socket(l->mb), TCIFLUSH);
}

void bus_link_clear(struct bus_link *l, int timeout_ms)
{
	struct pollfd p = { .fd = modbus_get_socket(l->mb), .events = POLLIN };

	if (l->up && l->o->type == BUS_RTU)
		rtu_settle(l, timeout_ms);
	else if (l->up && poll(&p, 1, 0) != 0) /* a TCP peer that hung up while the link was idle is called anew */
		bus_link_lost(l, link_discard(l) < 0 ? "the device closed the connection" : "the device sent unasked");
}

/* ---- frames ---- */

int bus_link_wire_ms(const struct bus_link *l, int bytes)
{
	return l->o->type == BUS_RTU ? (bytes * 11 * 1000 + l->o->baud - 1) / l->o->baud : 0;
}

int bus_link_send(struct bus_link *l, uint8_t unit, const uint8_t *pdu, int len)
{
	uint8_t frame[LINK_FRAME_MAX];
	ssize_t n;

	if (l->o->type == BUS_RTU) {
		frame[0] = unit;
		memcpy(frame + 1, pdu, (size_t)len);
		if (modbus_send_raw_request(l->mb, frame, len + 1) >= 0)
			return 0;
		return errno == EMBBADDATA ? -EPIPE : -errno; /* a part of it may be on the wire */
	}
	mbap_build(frame, ++l->transaction, unit, len);
	memcpy(frame + MBAP_LENGTH, pdu, (size_t)len);
	n = send(modbus_get_socket(l->mb), frame, (size_t)len + MBAP_LENGTH, MSG_NOSIGNAL);
	return n < 0 ? -errno : n == len + MBAP_LENGTH ? 0 : -EPIPE;
}

/* Reads until @have of @want bytes are all there. */
static int bytes_receive(struct bus_link *l, uint8_t *frame, int *have, int want, int64_t until_ms)
{
	while (*have < want) {
		int r = readable_wait(l, until_ms);
		ssize_t n;

		if (r <= 0)
			return r ? r : -ETIMEDOUT;
		n = read(modbus_get_socket(l->mb), frame + *have, (size_t)(want - *have));
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		*have += n > 0 ? (int)n : 0;
	}
	return 0;
}

int bus_link_receive(struct bus_link *l, uint8_t unit, int wait_ms, uint8_t *frame, const uint8_t **pdu)
{
	bool rtu = l->o->type == BUS_RTU;
	int head = rtu ? 1 : MBAP_LENGTH, tail = rtu ? 2 : 0, have = 0, len = 2, r;
	int64_t until_ms = loop_now_ms() + wait_ms;

	/* The function code and the byte after it say how long the answer is, on TCP too: a false length field is told as
	 * such at once, not waited for. */
	r = bytes_receive(l, frame, &have, head + len, until_ms);
	if (!r) {
		len = pdu_answer_whole(frame + head);
		if (head + len + tail > LINK_FRAME_MAX)
			return -EBADMSG;
		r = bytes_receive(l, frame, &have, head + len + tail, until_ms);
	}
	if (r)
		return r;
	if (rtu ? frame[0] != unit || pdu_crc(frame, have) != 0 : !mbap_matches(frame, have, l->transaction, unit))
		return -EBADMSG;
	*pdu = frame + head;
	return len;
}
