/* See dial.h. */
#include "io/dial.h"

#include "io/loop.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static int connected_wait(int fd, int stop_fd, int64_t until_ms)
{
	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = POLLOUT }, { .fd = stop_fd, .events = POLLIN } };
		int64_t left = until_ms - loop_now_ms();
		socklen_t size;
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		r = poll(p, 2, left < INT_MAX ? (int)left : INT_MAX); /* -1 is no descriptor, and poll knows that */
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		if (p[1].revents)
			return -ECANCELED;
		r = 0;
		size = sizeof(r);
		return getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &size) ? -errno : -r;
	}
}

static int connect_one(const struct addrinfo *a, int stop_fd, int64_t until_ms)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, r = 0;

	if (fd < 0)
		return -errno;
	if (fd >= FD_SETSIZE) { /* libmodbus before 3.1.12 would write beyond its fd_set */
		close(fd);
		return -EMFILE;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, a->ai_addr, a->ai_addrlen))
		r = errno == EINPROGRESS ? connected_wait(fd, stop_fd, until_ms) : -errno;
	if (!r)
		return fd;
	close(fd);
	return r;
}

/* The resolver of this thread makes one round of 2 s a server instead of two of 5 s. */
static void resolver_bound(void)
{
	if (!(_res.options & RES_INIT))
		res_init();
	_res.retrans = 2;
	_res.retry = 1;
}

static int resolve(const char *host, int port, struct addrinfo **list)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%d", port);
	r = getaddrinfo(host, service, &hints, list);
	if (r != EAI_NONAME)
		return r;
	resolver_bound();
	hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
	return getaddrinfo(host, service, &hints, list);
}

int dial_tcp(const char *host, int port, int timeout_ms, int stop_fd, struct errbuf *err)
{
	struct addrinfo *list = NULL;
	int left = 0, r = resolve(host, port, &list);
	int64_t until;

	if (r)
		return errbuf_set(err, -EHOSTUNREACH, "%s: %s", host, gai_strerror(r));
	for (struct addrinfo *a = list; a; a = a->ai_next)
		left++;
	until = loop_now_ms() + timeout_ms;
	r = -EHOSTUNREACH;
	for (struct addrinfo *a = list; a && r < 0 && r != -ECANCELED; a = a->ai_next, left--) {
		int64_t now = loop_now_ms();

		r = connect_one(a, stop_fd, now + (until - now) / left);
	}
	freeaddrinfo(list);
	return r < 0 ? errbuf_set(err, r, "%s port %d: %s", host, port, strerror(-r)) : r;
}
