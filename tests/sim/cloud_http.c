/* HTTP server of a mock cloud: see cloud_http.h. While it is cut the daemon is gone; a bound socket that does not listen
 * keeps the port, so that connections are refused and nobody else takes it. */
#include "sim/cloud_http.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_S 120
#define DRAIN_MAX (8 << 20) /* of a body that is too large so much is read and forgotten, then the connection is closed */
#define HUGE_BYTES (8 << 20)
#define PIECES 8

/* One request on its connection. */
struct exchange {
	struct cloud_http *http;
	struct MHD_Connection *connection;
	char *target, *body;
	size_t len, room;
	bool begun, hung, aborted, suspended, has_timer;
	struct cloud_answer answer;
	size_t piece, allowed; /* of a slow answer */
	uv_timer_t timer;
	struct exchange *before, *after; /* in http->first.. while suspended */
};

struct cloud_http {
	struct cloud_http_options o;
	int guard; /* keeps the port */
	int port;
	struct MHD_Daemon *daemon; /* NULL = cut */
	uv_poll_t *poll;           /* of the daemon's epoll */
	uv_timer_t pump;
	struct exchange *first, *last; /* those suspended, the oldest first */
	int suspended;
	bool resumed; /* somebody was: the daemon does not wake up by itself */
};

static void pump(struct cloud_http *h);

static void pump_due(uv_timer_t *timer)
{
	pump(timer->data);
}

static void poll_ready(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	pump(poll->data);
}

/* Lets the daemon do what it can and asks when it wants to be called again. */
static void pump(struct cloud_http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (!h->daemon)
		return;
	h->resumed = false;
	MHD_run(h->daemon);
	if (h->resumed)
		uv_timer_start(&h->pump, pump_due, 0, 0);
	else if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		uv_timer_start(&h->pump, pump_due, ms, 0);
	else
		uv_timer_stop(&h->pump);
}

static void suspend(struct exchange *e)
{
	struct cloud_http *h = e->http;

	e->suspended = true;
	e->after = NULL;
	e->before = h->last;
	*(h->last ? &h->last->after : &h->first) = e;
	h->last = e;
	h->suspended++;
	MHD_suspend_connection(e->connection);
}

static void resume(struct exchange *e)
{
	struct cloud_http *h = e->http;

	if (!e->suspended)
		return;
	e->suspended = false;
	*(e->before ? &e->before->after : &h->first) = e->after;
	*(e->after ? &e->after->before : &h->last) = e->before;
	h->suspended--;
	MHD_resume_connection(e->connection);
	h->resumed = true;
	uv_timer_start(&h->pump, pump_due, 0, 0);
}

static void *target_seen(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->http = context;
	e->connection = connection;
	e->target = strdup(uri);
	return e;
}

static void exchange_free(struct exchange *e)
{
	free(e->target);
	free(e->body);
	free(e->answer.body);
	free(e);
}

static void timer_closed(uv_handle_t *handle)
{
	exchange_free(handle->data);
}

static void completed(void *context, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode why)
{
	struct exchange *e = *slot;

	(void)context, (void)connection, (void)why;
	if (e && e->has_timer)
		uv_close((uv_handle_t *)&e->timer, timer_closed);
	else if (e)
		exchange_free(e);
	*slot = NULL;
}

/* What is above MOCK_BODY_MAX is counted and forgotten. False: no more of it. */
static bool take_body(struct exchange *e, const char *data, size_t n)
{
	size_t len = e->len + n;

	if (len > DRAIN_MAX)
		return false;
	if (len <= MOCK_BODY_MAX) {
		if (len > e->room) {
			size_t room = len > 65536 ? len * 2 : 65536;
			char *body = realloc(e->body, room);

			if (!body)
				return false;
			e->body = body;
			e->room = room;
		}
		memcpy(e->body + e->len, data, n);
	}
	e->len = len;
	return true;
}

static void piece_due(uv_timer_t *timer)
{
	struct exchange *e = timer->data;

	e->allowed += e->piece;
	resume(e);
}

/* Waits before each piece. */
static ssize_t read_slowly(void *context, uint64_t at, char *out, size_t max)
{
	struct exchange *e = context;
	size_t n;

	if (at >= e->allowed) {
		suspend(e);
		uv_timer_start(&e->timer, piece_due, (uint64_t)e->answer.chunk_ms, 0);
		return 0;
	}
	n = e->allowed - at < e->answer.len - at ? e->allowed - at : e->answer.len - at;
	n = n < max ? n : max;
	memcpy(out, e->answer.body + at, n);
	return (ssize_t)n;
}

static ssize_t read_half(void *context, uint64_t at, char *out, size_t max)
{
	const struct exchange *e = context;
	size_t half = e->answer.len / 2, n;

	if (at >= half)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = half - at < max ? half - at : max;
	memcpy(out, e->answer.body + at, n);
	return (ssize_t)n;
}

static ssize_t read_huge(void *context, uint64_t at, char *out, size_t max)
{
	size_t n = HUGE_BYTES - at < max ? HUGE_BYTES - at : max;

	(void)context;
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	memset(out, ' ', n);
	if (at == 0)
		out[0] = '[';
	if (at + n == HUGE_BYTES)
		out[n - 1] = ']';
	return (ssize_t)n;
}

static struct MHD_Response *make_response(struct exchange *e)
{
	struct cloud_answer *a = &e->answer;
	char *body = a->body;

	switch (a->how) {
	case CLOUD_SLOW:
		e->piece = a->len / PIECES + 1;
		uv_timer_init(e->http->o.loop, &e->timer);
		e->timer.data = e;
		e->has_timer = true;
		return MHD_create_response_from_callback(a->len, 4096, read_slowly, e, NULL);
	case CLOUD_CUT:
		return MHD_create_response_from_callback(a->len ? a->len : 1, 4096, read_half, e, NULL);
	case CLOUD_HUGE:
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, read_huge, e, NULL);
	case CLOUD_WHOLE:
	case CLOUD_CLOSE:
	case CLOUD_HANG:
		break;
	}
	a->body = NULL; /* the response's now */
	return MHD_create_response_from_buffer(a->len, body, body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
}

static void add_date(struct MHD_Response *r, int64_t utc_ms)
{
	time_t s = (time_t)(utc_ms / 1000);
	struct tm tm;
	char text[40];

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	MHD_add_response_header(r, MHD_HTTP_HEADER_DATE, text);
}

static enum MHD_Result send_answer(struct exchange *e)
{
	struct cloud_answer *a = &e->answer;
	struct MHD_Response *r = make_response(e);
	enum MHD_Result queued;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type ? a->type : "application/json");
	if (a->retry_after[0])
		MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, a->retry_after);
	if (a->location[0])
		MHD_add_response_header(r, MHD_HTTP_HEADER_LOCATION, a->location);
	add_date(r, a->date_utc_ms);
	queued = MHD_queue_response(e->connection, (unsigned)a->status, r);
	MHD_destroy_response(r);
	return queued;
}

static const char *header(struct exchange *e, const char *name)
{
	return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result answer(struct exchange *e, const char *method)
{
	struct cloud_http *h = e->http;
	const struct mock_request q = {
		.method = method,
		.target = e->target,
		.authorization = header(e, MHD_HTTP_HEADER_AUTHORIZATION),
		.version = header(e, "Flatpeak-Version"),
		.type = header(e, MHD_HTTP_HEADER_CONTENT_TYPE),
		.body = e->len > MOCK_BODY_MAX ? NULL
			: e->len               ? e->body
					       : "",
		.len = e->len,
	};

	h->o.answer(h->o.context, &q, &e->answer);
	if (e->answer.how == CLOUD_CLOSE)
		return MHD_NO;
	if (e->answer.how != CLOUD_HANG)
		return send_answer(e);
	e->hung = true;
	if (h->suspended >= CLOUD_CONNECTIONS_MAX / 2) { /* or the next ones would not even be accepted */
		h->first->aborted = true;
		resume(h->first);
	}
	suspend(e);
	return MHD_YES;
}

/* What libmicrohttpd calls with; not ours to shorten. */
#define HANDLER                                                                                                             \
	void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,         \
		const char *data, size_t *len, void **slot

static enum MHD_Result request(HANDLER)
{
	struct exchange *e = *slot;

	(void)context, (void)connection, (void)url, (void)version;
	if (!e || !e->target || e->aborted)
		return MHD_NO;
	if (!e->begun) {
		e->begun = true;
		return MHD_YES;
	}
	if (*len) {
		size_t n = *len;

		*len = 0;
		return take_body(e, data, n) ? MHD_YES : MHD_NO;
	}
	return e->hung ? MHD_NO : answer(e, method);
}

static int bound_socket(const char *host, int port)
{
	struct sockaddr_in at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -errno;
	if (uv_ip4_addr(host, port, &at)) {
		close(fd);
		return -EINVAL;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at))) {
		int e = -errno;

		close(fd);
		return e;
	}
	return fd;
}

int cloud_http_open(struct cloud_http **out, const struct cloud_http_options *options, struct errbuf *err)
{
	struct cloud_http *h = calloc(1, sizeof(*h));
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	if (!h)
		return errbuf_set(err, -ENOMEM, "no memory");
	h->o = *options;
	h->o.cert = options->cert ? strdup(options->cert) : NULL;
	h->o.key = options->key ? strdup(options->key) : NULL;
	uv_timer_init(h->o.loop, &h->pump);
	h->pump.data = h;
	*out = h;
	h->guard = bound_socket(options->host, options->port);
	if (h->guard < 0 || getsockname(h->guard, (struct sockaddr *)&at, &len))
		return errbuf_set(err, -EADDRINUSE, "cannot take port %d of %s: %s", options->port, options->host,
				  strerror(h->guard < 0 ? -h->guard : errno));
	h->port = ntohs(at.sin_port);
	return h->port;
}

static struct MHD_Daemon *start_daemon(struct cloud_http *h, int fd)
{
	const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, CLOUD_CONNECTIONS_MAX, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, 128 * 1024, NULL },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)target_seen, h },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, h },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, h->o.cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, h->o.key },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (!h->o.cert)
		options[6] = options[8];
	return MHD_start_daemon(flags | (h->o.cert ? MHD_USE_TLS : 0), 0, NULL, NULL, request, h, MHD_OPTION_ARRAY, options,
				MHD_OPTION_END);
}

int cloud_http_up(struct cloud_http *h, struct errbuf *err)
{
	const union MHD_DaemonInfo *info;
	int fd;

	if (h->daemon)
		return 0;
	fd = bound_socket(h->o.host, h->port);
	if (fd < 0 || listen(fd, SOMAXCONN)) {
		if (fd >= 0)
			close(fd);
		return errbuf_set(err, -EADDRINUSE, "cannot listen on port %d: %s", h->port, strerror(fd < 0 ? -fd : errno));
	}
	h->daemon = start_daemon(h, fd);
	info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	h->poll = info ? calloc(1, sizeof(*h->poll)) : NULL;
	if (!h->poll || uv_poll_init(h->o.loop, h->poll, info->epoll_fd)) {
		if (h->daemon)
			MHD_stop_daemon(h->daemon);
		else
			close(fd);
		h->daemon = NULL;
		free(h->poll);
		h->poll = NULL;
		return errbuf_set(err, -EIO, "cannot start the HTTP server%s",
				  h->o.cert ? ": certificate or key is not usable" : "");
	}
	h->poll->data = h;
	uv_poll_start(h->poll, UV_READABLE, poll_ready);
	pump(h);
	return 0;
}

static void poll_closed(uv_handle_t *handle)
{
	free(handle);
}

void cloud_http_release(struct cloud_http *h)
{
	for (struct exchange *e = h->first, *next; e; e = next) {
		next = e->after;
		if (e->hung) {
			e->aborted = true;
			resume(e);
		}
	}
}

void cloud_http_cut(struct cloud_http *h)
{
	if (!h->daemon)
		return;
	while (h->first) { /* the daemon cannot end while any is suspended */
		h->first->aborted = true;
		resume(h->first);
	}
	uv_timer_stop(&h->pump);
	uv_close((uv_handle_t *)h->poll, poll_closed);
	h->poll = NULL;
	MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void cloud_http_close(struct cloud_http *h)
{
	if (!h)
		return;
	cloud_http_cut(h);
	if (h->guard >= 0)
		close(h->guard);
	free(h->o.cert);
	free(h->o.key);
	uv_close((uv_handle_t *)&h->pump, closed);
}
