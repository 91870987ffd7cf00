/* See mqtt.h. libmosquitto's external loop on uv_poll.
 *
 * What holds for "never waits" (read in libmosquitto 2.0.11, measured in tests/itest/itest_mqtt_stalls.c): sockets are made
 * non-blocking before connect(), also Unix ones, so a black hole or a full backlog costs nothing. Only getaddrinfo() inside
 * the library waits; so names are resolved by uv_getaddrinfo() first and the library gets a number. The one exception is
 * TLS to a name: the library checks the certificate against the host it was given, so it must get the name and asks the
 * resolver once more, right after that one has answered.
 *
 * The socket belongs to the library, which closes it inside its own calls; a closed descriptor must not be polled. So a
 * duplicate is polled, which we close ourselves once polling has stopped. */
#include "io/mqtt.h"
#include "core/backoff.h"
#include "io/crypto.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/mqtt_properties.h"

#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ADDRESSES_MAX 4
#define CONNECT_TIMEOUT_MS 10000
#define MISC_MS 2500              /* keep-alive is checked this often */
#define STEADY_MS 10000           /* a link that lived this long resets the back-off */
#define CLOSE_MS 500
#define UNSENT_MAX (512 * 1024)   /* bytes given to the library that the broker does not take */
#define KEEPALIVE_S 20

enum stage { STAGE_WAITING, STAGE_RESOLVING, STAGE_CONNECTING, STAGE_UP, STAGE_CLOSED };

/* One polled duplicate; freed in its close callback, while the next one may already be at work. */
struct watch {
	uv_poll_t poll;
	int fd;
	int events;
};

struct mqtt {
	uv_loop_t *loop;
	uv_poll_cb on_poll;       /* here, because they start each other */
	uv_timer_cb on_timer;
	uv_timer_t timer;         /* back-off, time limit or keep-alive, by stage */
	uv_getaddrinfo_t resolver;
	struct mosquitto *mosq;
	struct watch *watch;
	struct mqtt_callbacks cb;
	char *host;
	int port, keepalive_s;
	bool tls, is_path, is_number;
	bool resolving;           /* the request is with libuv; memory must stay until it returns */
	bool writable_seen;       /* TLS: the TCP connection stands */
	bool broken;              /* a publish failed; handled from the loop */
	enum stage stage;
	struct backoff backoff;
	int64_t up_since_ms;
	size_t unsent;
	int n_addresses, next_address;
	char address[ADDRESSES_MAX][INET6_ADDRSTRLEN];
	char reason[200];         /* why the link is down, as far as known */
	char said[200];           /* reason last logged: once each, not at every try */
	unsigned long refused;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void reason_set(struct mqtt *m, const char *text)
{
	snprintf(m->reason, sizeof(m->reason), "%s", text);
}

static void reason_of(struct mqtt *m, int rc)
{
	if (m->reason[0] && rc != MOSQ_ERR_ERRNO)
		return; /* the broker or the TLS library said it better */
	reason_set(m, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
}

static void watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void watch_stop(struct mqtt *m)
{
	struct watch *w = m->watch;

	if (!w)
		return;
	m->watch = NULL;
	uv_poll_stop(&w->poll);
	close(w->fd);
	w->poll.data = w;
	uv_close((uv_handle_t *)&w->poll, watch_closed);
}

static void watch_update(struct mqtt *m)
{
	int events = UV_READABLE;

	if (!m->watch)
		return;
	/* The library keeps asking for "writable" through a whole TLS handshake, which would spin. */
	if (m->stage == STAGE_CONNECTING && m->tls)
		events |= m->writable_seen ? 0 : UV_WRITABLE;
	else if (mosquitto_want_write(m->mosq))
		events |= UV_WRITABLE;
	else
		m->unsent = 0;
	if (events != m->watch->events && uv_poll_start(&m->watch->poll, events, m->on_poll) == 0)
		m->watch->events = events;
}

static int watch_start(struct mqtt *m)
{
	struct watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->fd = fcntl(mosquitto_socket(m->mosq), F_DUPFD_CLOEXEC, 0);
	if (w->fd < 0) {
		rc = -errno;
		free(w);
		return rc;
	}
	rc = uv_poll_init(m->loop, &w->poll, w->fd);
	if (rc < 0) {
		close(w->fd);
		free(w);
		return rc;
	}
	w->poll.data = m;
	m->watch = w;
	watch_update(m);
	return 0;
}

/* The link is gone, or the try failed; safe to call twice. */
static void link_lost(struct mqtt *m)
{
	bool was_up = m->stage == STAGE_UP;
	int32_t wait = 0;
	uint32_t random;

	if (m->stage == STAGE_WAITING || m->stage == STAGE_CLOSED)
		return;
	/* The library may hold the socket until the next try; the other side shall know now. */
	if (m->watch)
		shutdown(m->watch->fd, SHUT_RDWR);
	watch_stop(m);
	m->stage = STAGE_WAITING;
	m->broken = false;
	m->unsent = 0;
	if (was_up && now_ms() - m->up_since_ms >= STEADY_MS)
		backoff_reset(&m->backoff);
	if (was_up || m->next_address >= m->n_addresses) {
		crypto_random(&random, sizeof(random));
		wait = backoff_next(&m->backoff, random);
		m->n_addresses = m->next_address = 0;
	}
	if (!was_up && strcmp(m->said, m->reason)) {
		log_warning("mqtt", "no link to the broker at %s: %s; trying on", m->host, m->reason);
		snprintf(m->said, sizeof(m->said), "%s", m->reason);
	}
	uv_timer_start(&m->timer, m->on_timer, (uint64_t)wait, 0);
	if (was_up) {
		m->said[0] = '\0';
		if (m->cb.disconnected)
			m->cb.disconnected(m->cb.context, m->reason);
	}
}

static void link_check(struct mqtt *m, int rc)
{
	if (m->stage != STAGE_CONNECTING && m->stage != STAGE_UP)
		return;
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(m->mosq) >= 0) {
		watch_update(m);
		return;
	}
	reason_of(m, rc == MOSQ_ERR_SUCCESS ? MOSQ_ERR_CONN_LOST : rc);
	link_lost(m);
}

static void connect_to(struct mqtt *m, const char *host)
{
	int rc;

	m->stage = STAGE_CONNECTING;
	m->writable_seen = false;
	m->reason[0] = '\0';
	uv_timer_start(&m->timer, m->on_timer, CONNECT_TIMEOUT_MS, 0);
	errno = 0;
	rc = mosquitto_connect_async(m->mosq, host, m->is_path ? 0 : m->port, m->keepalive_s);
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(m->mosq) >= 0) {
		rc = watch_start(m);
		if (rc == 0)
			return;
		reason_set(m, strerror(-rc));
	}
	reason_of(m, rc);
	link_lost(m);
}

/* Called by whichever of timer and resolver ends last. */
static void memory_free(struct mqtt *m)
{
	free(m->host);
	free(m);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct mqtt *m = request->data;

	m->resolving = false;
	if (m->stage == STAGE_RESOLVING) {
		m->n_addresses = m->next_address = 0;
		for (struct addrinfo *a = list; a && m->n_addresses < ADDRESSES_MAX; a = a->ai_next)
			if (getnameinfo(a->ai_addr, a->ai_addrlen, m->address[m->n_addresses], INET6_ADDRSTRLEN, NULL, 0,
					NI_NUMERICHOST) == 0)
				m->n_addresses++;
		if (status == 0 && m->tls) {
			m->next_address = m->n_addresses;
			connect_to(m, m->host);
		} else if (status == 0 && m->n_addresses) {
			connect_to(m, m->address[m->next_address++]);
		} else {
			reason_set(m, status ? uv_strerror(status) : "the name has no address");
			link_lost(m);
		}
	}
	uv_freeaddrinfo(list);
	if (m->stage == STAGE_CLOSED && !m->timer.data)
		memory_free(m);
}

static void resolve(struct mqtt *m)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	int rc = 0;

	m->stage = STAGE_RESOLVING;
	uv_timer_start(&m->timer, m->on_timer, CONNECT_TIMEOUT_MS, 0);
	if (m->resolving)
		return; /* a slow resolver has not answered the last try yet; its answer serves this one */
	m->resolver.data = m;
	rc = uv_getaddrinfo(m->loop, &m->resolver, on_resolved, m->host, NULL, &hints);
	if (rc == 0) {
		m->resolving = true;
		return;
	}
	reason_set(m, uv_strerror(rc));
	link_lost(m);
}

static void link_try(struct mqtt *m)
{
	if (m->is_path || m->is_number)
		connect_to(m, m->host);
	else if (m->next_address < m->n_addresses)
		connect_to(m, m->address[m->next_address++]);
	else
		resolve(m);
}

static void on_timer(uv_timer_t *timer)
{
	struct mqtt *m = timer->data;

	loop_mark("mqtt");
	switch (m->stage) {
	case STAGE_WAITING:
		link_try(m);
		break;
	case STAGE_RESOLVING:
		reason_set(m, "the name server does not answer");
		link_lost(m);
		break;
	case STAGE_CONNECTING:
		reason_set(m, "no answer within 10 s");
		link_lost(m);
		break;
	case STAGE_UP:
		if (m->broken)
			link_lost(m);
		else
			link_check(m, mosquitto_loop_misc(m->mosq));
		break;
	case STAGE_CLOSED:
		break;
	}
}

/* A reset during the TLS handshake is reported as success by the library, for ever. */
static bool handshake_dead(const struct mqtt *m)
{
	char byte;
	ssize_t n = recv(m->watch->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct mqtt *m = poll->data;
	bool handshake = m->stage == STAGE_CONNECTING && m->tls;
	int rc = MOSQ_ERR_SUCCESS;

	loop_mark("mqtt");
	if (status < 0)
		events = UV_READABLE | UV_WRITABLE; /* the library finds the error and names it */
	if (handshake) {
		m->writable_seen |= (events & UV_WRITABLE) != 0;
		if (handshake_dead(m)) {
			reason_set(m, "connection closed during the TLS handshake");
			link_lost(m);
			return;
		}
	}
	errno = 0;
	if (events & UV_READABLE || handshake)
		rc = mosquitto_loop_read(m->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS && (events & UV_WRITABLE || handshake) && mosquitto_socket(m->mosq) >= 0)
		rc = mosquitto_loop_write(m->mosq, 1);
	link_check(m, rc);
}

static void on_connack(struct mosquitto *mosq, void *context, int code, int flags, const mosquitto_property *properties)
{
	struct mqtt *m = context;

	(void)mosq;
	(void)properties;
	if (code) {
		reason_set(m, mosquitto_reason_string(code));
		return; /* the library closes and reports it */
	}
	m->stage = STAGE_UP;
	m->up_since_ms = now_ms();
	m->unsent = 0;
	m->reason[0] = m->said[0] = '\0';
	m->n_addresses = m->next_address = 0;
	uv_timer_start(&m->timer, m->on_timer, MISC_MS, MISC_MS);
	if (m->cb.connected)
		m->cb.connected(m->cb.context, flags & 1);
}

static void on_disconnect(struct mosquitto *mosq, void *context, int code, const mosquitto_property *properties)
{
	struct mqtt *m = context;

	(void)mosq;
	(void)properties;
	/* Only codes from 0x80 are the broker's words; smaller ones are the library's, known from its return value. */
	if (code >= 0x80)
		reason_set(m, mosquitto_reason_string(code));
}

static void on_message(struct mosquitto *mosq, void *context, const struct mosquitto_message *in,
		       const mosquitto_property *properties)
{
	struct mqtt *m = context;

	(void)mosq;
	if (m->cb.message)
		mqtt_message_deliver(in, properties, &m->cb);
}

static void on_published(struct mosquitto *mosq, void *context, int mid, int code, const mosquitto_property *properties)
{
	struct mqtt *m = context;

	(void)mosq;
	(void)mid;
	(void)properties;
	if (code < 0x80)
		return;
	if (m->refused++ % 100 == 0)
		log_warning("mqtt", "the broker refused a publish: %s (%lu so far); check its access list",
			    mosquitto_reason_string(code), m->refused);
}

static void on_subscribed(struct mosquitto *mosq, void *context, int mid, int n, const int *qos,
			  const mosquitto_property *properties)
{
	(void)mosq;
	(void)context;
	(void)mid;
	(void)properties;
	for (int i = 0; i < n; i++)
		if (qos[i] >= 0x80)
			log_warning("mqtt", "the broker refused a subscription: %s", mosquitto_reason_string(qos[i]));
}

static void on_library_log(struct mosquitto *mosq, void *context, int level, const char *text)
{
	struct mqtt *m = context;

	(void)mosq;
	if (level == MOSQ_LOG_ERR && !m->reason[0]) /* the first is the cause, e.g. of a failed TLS handshake */
		reason_set(m, text);
}

static bool host_is_number(const char *host)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	return uv_ip4_addr(host, 1, &four) == 0 || uv_ip6_addr(host, 1, &six) == 0;
}

static void callbacks_set(struct mosquitto *mosq)
{
	mosquitto_connect_v5_callback_set(mosq, on_connack);
	mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
	mosquitto_message_v5_callback_set(mosq, on_message);
	mosquitto_publish_v5_callback_set(mosq, on_published);
	mosquitto_subscribe_v5_callback_set(mosq, on_subscribed);
	mosquitto_log_callback_set(mosq, on_library_log);
}

static void timer_closed(uv_handle_t *handle)
{
	struct mqtt *m = handle->data;

	handle->data = NULL; /* says to on_resolved that the timer is gone */
	if (!m->resolving)
		memory_free(m);
}

int mqtt_open(struct mqtt **out, uv_loop_t *loop, const struct mqtt_options *o, const struct mqtt_callbacks *cb,
	      struct errbuf *err)
{
	struct mqtt *m;
	int rc;

	if (!o->host || !o->host[0])
		return errbuf_set(err, -EINVAL, "mqtt: no host");
	if (o->host[0] != '/' && (o->port < 1 || o->port > 65535))
		return errbuf_set(err, -EINVAL, "mqtt: port %d is outside 1..65535", o->port);
	m = calloc(1, sizeof(*m));
	if (!m || !(m->host = strdup(o->host))) {
		free(m);
		return errbuf_set(err, -ENOMEM, "mqtt: out of memory");
	}
	signal(SIGPIPE, SIG_IGN); /* the library writes to sockets with write() */
	mosquitto_lib_init();
	m->loop = loop;
	m->on_poll = on_poll;
	m->on_timer = on_timer;
	m->cb = *cb;
	m->port = o->port;
	m->keepalive_s = o->keepalive_s == 0 ? KEEPALIVE_S : o->keepalive_s < 5 ? 5 : o->keepalive_s;
	m->tls = o->ca_file && o->ca_file[0];
	m->is_path = m->host[0] == '/';
	m->is_number = host_is_number(m->host);
	m->backoff = (struct backoff){ .first_ms = 1000, .cap_ms = 30000 };
	m->mosq = mosquitto_new(o->client_id && o->client_id[0] ? o->client_id : NULL, o->clean_start, m);
	rc = m->mosq ? mqtt_options_apply(m->mosq, o, m->keepalive_s, err) : errbuf_set(err, -errno, "mqtt: a kept session needs a client id");
	if (rc < 0) {
		mosquitto_destroy(m->mosq);
		mosquitto_lib_cleanup();
		free(m->host);
		free(m);
		return rc;
	}
	callbacks_set(m->mosq);
	uv_timer_init(loop, &m->timer);
	m->timer.data = m;
	m->stage = STAGE_WAITING;
	uv_timer_start(&m->timer, m->on_timer, 0, 0);
	*out = m;
	return 0;
}

int mqtt_subscribe(struct mqtt *m, const char *filter, int qos)
{
	int rc;

	if (!m || m->stage != STAGE_UP)
		return -ENOTCONN;
	rc = mosquitto_subscribe_v5(m->mosq, NULL, filter, qos, MQTT_SUB_OPT_RETAIN_AS_PUBLISHED, NULL);
	watch_update(m);
	return mqtt_errno(rc);
}

int mqtt_unsubscribe(struct mqtt *m, const char *filter)
{
	int rc;

	if (!m || m->stage != STAGE_UP)
		return -ENOTCONN;
	rc = mosquitto_unsubscribe(m->mosq, NULL, filter);
	watch_update(m);
	return mqtt_errno(rc);
}

int mqtt_publish(struct mqtt *m, const char *topic, const char *payload, size_t len, int qos, bool retain,
		 const struct mqtt_publish_extra *extra)
{
	mosquitto_property *list = NULL;
	int rc = 0;

	if (!m || m->stage != STAGE_UP || m->broken)
		return -ENOTCONN;
	if (!topic || !topic[0] || len > INT32_MAX)
		return -EINVAL;
	if (m->unsent > UNSENT_MAX)
		return -ENOBUFS; /* connected, but the broker does not read */
	if (extra)
		rc = mqtt_properties_make(&list, extra);
	if (!rc)
		rc = mosquitto_publish_v5(m->mosq, NULL, topic, (int)len, payload, qos, retain, list);
	mosquitto_property_free_all(&list);
	if (rc == MOSQ_ERR_CONN_LOST || rc == MOSQ_ERR_NO_CONN || rc == MOSQ_ERR_ERRNO) {
		/* Told to the owner from the loop, never from inside his own call. */
		reason_of(m, rc);
		m->broken = true;
		uv_timer_start(&m->timer, m->on_timer, 0, 0);
		return -ENOTCONN;
	}
	if (rc == MOSQ_ERR_SUCCESS)
		m->unsent += len + strlen(topic);
	watch_update(m);
	return mqtt_errno(rc);
}

bool mqtt_is_connected(const struct mqtt *m)
{
	return m && m->stage == STAGE_UP && !m->broken;
}

/* A clean DISCONNECT keeps the broker from publishing the will; it goes behind all that is queued. */
static void goodbye(struct mqtt *m)
{
	int64_t until = now_ms() + CLOSE_MS, left;

	m->stage = STAGE_CLOSED;
	mosquitto_disconnect_v5(m->mosq, 0, NULL);
	while (mosquitto_socket(m->mosq) >= 0 && mosquitto_want_write(m->mosq) && (left = until - now_ms()) > 0) {
		struct pollfd p = { .fd = mosquitto_socket(m->mosq), .events = POLLOUT };

		if (poll(&p, 1, (int)left) <= 0 || mosquitto_loop_write(m->mosq, 1))
			break;
	}
}

void mqtt_close(struct mqtt *m)
{
	if (!m || m->stage == STAGE_CLOSED)
		return;
	if (m->stage == STAGE_UP)
		goodbye(m);
	m->stage = STAGE_CLOSED;
	watch_stop(m);
	mosquitto_destroy(m->mosq);
	m->mosq = NULL;
	mosquitto_lib_cleanup();
	if (m->resolving)
		uv_cancel((uv_req_t *)&m->resolver);
	uv_timer_stop(&m->timer);
	uv_close((uv_handle_t *)&m->timer, timer_closed);
}

#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);

/* The library locks its callbacks before its message lists when it calls us, and the other way round when it is destroyed. All
 * of it happens on the loop's thread, so the inversion can never meet itself. */
const char *__tsan_default_suppressions(void)
{
	return "deadlock:libmosquitto.so\n";
}
#endif
