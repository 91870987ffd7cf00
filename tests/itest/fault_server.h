/* A Modbus TCP server on raw sockets, in a child process; its fault is chosen by the unit id, and the test sees what it was asked. */
#ifndef HEARTH_TESTS_ITEST_FAULT_SERVER_H
#define HEARTH_TESTS_ITEST_FAULT_SERVER_H

#include "io/loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEN_MAX 4096

/* The server's fault, by unit. Read answers carry address + i in word i. */
enum fault {
	GOOD = 1, SILENT, DRIPS, STOPS_HALF, HANGS_UP_HALF, FALSE_TRANSACTION, FALSE_UNIT, FALSE_FUNCTION, FALSE_COUNT,
	FALSE_LENGTH, TRAILING_BYTES, EXCEPTION_BY_ADDRESS, HANGS_UP, FALSE_PROTOCOL, FALSE_ECHO, GOOD_THEN_HANGS_UP,
	SILENT_AT_TIMES, EXCEPTION_OF_OTHER_FUNCTION, CHATTERS,
};

/* Shared with the server: what it was asked. */
struct seen {
	int n, connections, silent, done; /* silent: SILENT_AT_TIMES is silent now; done: answers of n that have been said to the end */
	struct { uint8_t unit, fc; uint16_t address, value; int64_t at_ms; } r[SEEN_MAX];
};

static struct seen *seen;
static int port;
static pid_t server;

static inline bool receive_all(int fd, uint8_t *out, size_t n)
{
	while (n) {
		ssize_t got = recv(fd, out, n, 0);

		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return true;
}

/* A right answer to a request; returns its length. */
static inline int answer_build(const uint8_t *q, uint8_t *a)
{
	int count = q[10] << 8 | q[11], bytes = q[7] <= 2 ? (count + 7) / 8 : 2 * count, address = q[8] << 8 | q[9];
	int len = 12;

	memcpy(a, q, 12);
	if (q[7] <= 4) {
		a[8] = (uint8_t)bytes;
		for (int i = 0; i < bytes; i++)
			a[9 + i] = (uint8_t)(q[7] <= 2 ? 0xa5 : i % 2 ? address + i / 2 : (address + i / 2) >> 8);
		len = 9 + bytes;
	}
	a[4] = (uint8_t)((len - 6) >> 8);
	a[5] = (uint8_t)(len - 6);
	return len;
}

/* Returns false to hang up. */
static inline bool answer_send(int fd, const uint8_t *q)
{
	uint8_t a[300];
	int len = answer_build(q, a);

	switch ((enum fault)q[6]) {
	case SILENT:
		return true;
	case SILENT_AT_TIMES:
		if (__atomic_load_n(&seen->silent, __ATOMIC_SEQ_CST))
			return true;
		break;
	case DRIPS:
		for (int i = 0; i < len; i++) {
			usleep(50000);
			if (send(fd, a + i, 1, MSG_NOSIGNAL) < 0)
				return false;
		}
		return true;
	case STOPS_HALF:
		return send(fd, a, (size_t)len / 2, MSG_NOSIGNAL) > 0;
	case HANGS_UP_HALF:
		send(fd, a, (size_t)len / 2, MSG_NOSIGNAL);
		return false;
	case HANGS_UP:
		return false;
	case GOOD_THEN_HANGS_UP:
		send(fd, a, (size_t)len, MSG_NOSIGNAL);
		return false;
	case FALSE_TRANSACTION:
		a[1]++;
		break;
	case FALSE_PROTOCOL:
		a[3] = 1;
		break;
	case FALSE_UNIT:
		a[6]++;
		break;
	case FALSE_FUNCTION:
		a[7] ^= 7;
		break;
	case FALSE_COUNT: /* one register less, consistently */
		a[8] = (uint8_t)(a[8] - 2);
		a[5] = (uint8_t)(a[5] - 2);
		len -= 2;
		break;
	case FALSE_LENGTH:
		a[5]++;
		break;
	case FALSE_ECHO:
		a[9]++;
		break;
	case TRAILING_BYTES:
		len += 3;
		break;
	case CHATTERS: /* a second answer nobody asked for */
		send(fd, a, (size_t)len, MSG_NOSIGNAL);
		break;
	case EXCEPTION_OF_OTHER_FUNCTION:
	case EXCEPTION_BY_ADDRESS:
		a[7] = (uint8_t)(q[7] | 0x80) ^ (q[6] == EXCEPTION_OF_OTHER_FUNCTION);
		a[8] = q[9];
		a[5] = 3;
		len = 9;
		break;
	case GOOD:
		break;
	}
	return send(fd, a, (size_t)len, MSG_NOSIGNAL) == len;
}

static inline void serve(int fd)
{
	uint8_t q[300];
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (receive_all(fd, q, 6) && receive_all(fd, q + 6, (size_t)(q[4] << 8 | q[5]))) {
		int i = __atomic_fetch_add(&seen->n, 1, __ATOMIC_SEQ_CST);

		if (i < SEEN_MAX) {
			seen->r[i].unit = q[6];
			seen->r[i].fc = q[7];
			seen->r[i].address = (uint16_t)(q[8] << 8 | q[9]);
			seen->r[i].value = (uint16_t)(q[10] << 8 | q[11]);
			seen->r[i].at_ms = loop_now_ms();
		}
		if (!answer_send(fd, q))
			shutdown(fd, SHUT_RDWR); /* ends the loop too */
		__atomic_fetch_add(&seen->done, 1, __ATOMIC_SEQ_CST);
	}
}

/* Starts the server as a child; a connection is a child of its own. */
static inline int server_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), conn;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || bind(fd, (struct sockaddr *)&in, size) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&in, &size))
		return -1;
	port = ntohs(in.sin_port);
	server = fork();
	if (server) {
		close(fd);
		return server < 0 ? -1 : 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		__atomic_fetch_add(&seen->connections, 1, __ATOMIC_SEQ_CST);
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(conn);
			_exit(0);
		}
		close(conn);
	}
	_exit(1);
}

static inline void server_stop(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

#endif
