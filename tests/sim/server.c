/* Modbus TCP server: see server.h. Clients and waiting answers live in fixed pools; a full pool drops the newcomer. */
#include "sim/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 64

void server_init(struct server *s, uv_loop_t *loop, struct rack *rack)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->rack = rack;
}

static void client_closed(uv_handle_t *handle)
{
	struct server_client *c = handle->data;

	c->used = false;
}

static void client_close(struct server_client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->tcp, client_closed);
}

static bool client_alive(const struct server_reply *r)
{
	return r->client->used && !r->client->closing && r->client->serial == r->serial;
}

static void reply_closed(uv_handle_t *handle)
{
	struct server_reply *r = handle->data;

	r->used = false;
}

static void reply_drop(struct server_reply *r)
{
	if (!uv_is_closing((uv_handle_t *)&r->timer))
		uv_close((uv_handle_t *)&r->timer, reply_closed);
}

static void written(uv_write_t *req, int status)
{
	struct server_reply *r = req->data;

	if (status < 0 && status != UV_ECANCELED && client_alive(r))
		client_close(r->client);
	reply_drop(r);
}

/* One byte a call, until all are out or the socket is full. */
static void drip(struct server_reply *r)
{
	uv_buf_t buf = uv_buf_init((char *)r->bytes + r->sent, 1);

	if (uv_try_write((uv_stream_t *)&r->client->tcp, &buf, 1) != 1 || ++r->sent == r->len)
		reply_drop(r);
}

static void reply_due(uv_timer_t *timer)
{
	struct server_reply *r = timer->data;
	uv_buf_t buf = uv_buf_init((char *)r->bytes, (unsigned)r->len);

	if (!client_alive(r)) {
		reply_drop(r);
	} else if (r->drip_ms) {
		drip(r);
	} else {
		r->write.data = r;
		if (uv_write(&r->write, (uv_stream_t *)&r->client->tcp, &buf, 1, written))
			reply_drop(r);
	}
}

static void send_later(struct server_client *c, const uint8_t *bytes, int len, int delay_ms, int drip_ms)
{
	struct server *s = c->server;

	for (int i = 0; i < SERVER_REPLIES_MAX; i++) {
		struct server_reply *r = &s->reply[i];

		if (r->used)
			continue;
		*r = (struct server_reply){ .client = c, .serial = c->serial, .used = true, .len = len, .drip_ms = drip_ms };
		memcpy(r->bytes, bytes, (size_t)len);
		uv_timer_init(s->loop, &r->timer);
		r->timer.data = r;
		uv_timer_start(&r->timer, reply_due, (uint64_t)delay_ms, (uint64_t)drip_ms);
		return;
	}
}

static void send_now(struct server_client *c, const uint8_t *bytes, int len)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
	int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);

	if (n == len)
		return;
	if (n < 0 && n != UV_EAGAIN)
		client_close(c);
	else
		send_later(c, bytes + (n > 0 ? n : 0), len - (n > 0 ? n : 0), 0, 0);
}

/* Answers a careful client must not believe; returns the new length. */
static int spoil(struct server *s, uint8_t *adu, int len, int variant)
{
	switch (variant < 0 ? (int)(s->garbage++ % 6) : variant % 6) {
	case 0: /* another transaction's answer */
		adu[1] ^= 0x55;
		break;
	case 1: /* another unit's */
		adu[6] ^= 0x0F;
		break;
	case 2: /* another function's */
		adu[7] = (uint8_t)(adu[7] == 3 ? 4 : 3);
		break;
	case 3: /* byte count and data disagree */
		adu[8] = (uint8_t)(adu[8] + 2);
		break;
	case 4: /* promises more than it sends */
		adu[5] = (uint8_t)(adu[5] + 20);
		break;
	case 5: /* noise */
		for (int i = 0; i < len; i++)
			adu[i] = (uint8_t)(0xC3 ^ (i * 29));
		break;
	default:
		break;
	}
	return len;
}

static void answer(struct server_client *c, const uint8_t *adu, int pdu_len)
{
	struct server *s = c->server;
	uint8_t out[ADU_MAX];
	struct fault fault;
	const struct rack_request q = { adu[6], adu + 7, pdu_len, (int64_t)(uv_hrtime() / 1000) };
	int len = rack_answer(s->rack, &q, out + 7, &fault);

	s->requests++;
	if (fault.kind == FAULT_CLOSE) {
		client_close(c);
		return;
	}
	if (len == 0)
		return;
	memcpy(out, adu, 4);
	out[4] = (uint8_t)((len + 1) >> 8);
	out[5] = (uint8_t)(len + 1);
	out[6] = adu[6];
	len += 7;
	if (fault.kind == FAULT_GARBAGE)
		len = spoil(s, out, len, fault.variant);
	if (fault.kind == FAULT_SLOW)
		send_later(c, out, len, fault.ms, 0);
	else if (fault.kind == FAULT_DRIP)
		send_later(c, out, len, fault.ms, fault.ms > 0 ? fault.ms : 1);
	else
		send_now(c, out, len);
}

static void take_frames(struct server_client *c)
{
	int used = 0;

	while (!c->closing && c->fill - used >= 8) {
		const uint8_t *adu = c->in + used;
		int len = adu[4] << 8 | adu[5];

		if (adu[2] || adu[3] || len < 2 || len > PDU_MAX + 1) { /* not Modbus */
			client_close(c);
			return;
		}
		if (c->fill - used < 6 + len)
			break;
		answer(c, adu, len - 1);
		used += 6 + len;
	}
	c->fill -= used;
	memmove(c->in, c->in + used, (size_t)c->fill);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct server_client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)c->in + c->fill, (unsigned)((int)sizeof(c->in) - c->fill));
}

static void got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct server_client *c = stream->data;

	(void)buf;
	if (n < 0) {
		client_close(c);
		return;
	}
	c->fill += (int)n;
	take_frames(c);
}

static void turned_away(uv_handle_t *handle)
{
	free(handle);
}

/* Accepts and closes: left in the backlog a client would take us for a hanging device. */
static void turn_away(uv_stream_t *listener)
{
	struct server *s = listener->data;
	uv_tcp_t *tcp = malloc(sizeof(*tcp));

	s->refused_clients++;
	if (!tcp)
		return;
	uv_tcp_init(s->loop, tcp);
	uv_accept(listener, (uv_stream_t *)tcp);
	uv_close((uv_handle_t *)tcp, turned_away);
}

static void accepted(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	struct server_client *c = NULL;

	if (status < 0)
		return;
	for (int i = 0; i < SERVER_CLIENTS_MAX && !c; i++)
		if (!s->client[i].used)
			c = &s->client[i];
	if (!c) {
		turn_away(listener);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->server = s;
	c->used = true;
	c->serial = ++s->serials;
	uv_tcp_init(s->loop, &c->tcp);
	c->tcp.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) || uv_read_start((uv_stream_t *)&c->tcp, give_buffer, got)) {
		client_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
}

int server_listen(struct server *s, const char *host, int port, struct errbuf *err)
{
	struct sockaddr_storage at;
	struct sockaddr_in v4;
	uv_tcp_t *tcp = &s->port[s->n_ports];
	int len = sizeof(at), e;

	if (s->n_ports == SERVER_PORTS_MAX)
		return errbuf_set(err, -ENOSPC, "more than %d Modbus ports", SERVER_PORTS_MAX);
	if (uv_ip4_addr(host, port, &v4))
		return errbuf_set(err, -EINVAL, "'%s' is not an IPv4 address", host);
	uv_tcp_init(s->loop, tcp);
	tcp->data = s;
	s->n_ports++;
	e = uv_tcp_bind(tcp, (const struct sockaddr *)&v4, 0);
	if (!e)
		e = uv_listen((uv_stream_t *)tcp, BACKLOG, accepted);
	if (!e)
		e = uv_tcp_getsockname(tcp, (struct sockaddr *)&at, &len);
	if (e)
		return errbuf_set(err, -EADDRINUSE, "cannot listen on %s port %d: %s", host, port, uv_strerror(e));
	memcpy(&v4, &at, sizeof(v4));
	return ntohs(v4.sin_port);
}

void server_close(struct server *s)
{
	for (int i = 0; i < s->n_ports; i++)
		uv_close((uv_handle_t *)&s->port[i], NULL);
	for (int i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->client[i].used)
			client_close(&s->client[i]);
	for (int i = 0; i < SERVER_REPLIES_MAX; i++)
		if (s->reply[i].used)
			reply_drop(&s->reply[i]);
	s->n_ports = 0;
}
