/* Modbus TCP meters for the benches: every unit of every answering port gives float registers that change with each read,
 * so that each poll is news. Further ports hang, each in its own way. Prints its ports as one line of JSON; a line on
 * standard input is answered with the number of reads so far; ends when standard input does.
 *
 * Usage: bench_meters ANSWERING [SILENT [DRIPPING [FULL]]]   how many ports of each kind */
#include "bench/modbus_server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>

#define PORTS_MAX 32
#define CONNS_MAX 256
#define REGISTERS_MAX 125
#define DRIP_MS 50
#define FULL_CLIENTS 8

enum kind { ANSWERING, SILENT, DRIPPING, FULL, KINDS };

struct conn {
	int fd;
	enum kind kind;
	uint8_t in[512];
	size_t have;
};

static struct pollfd fds[1 + PORTS_MAX + CONNS_MAX]; /* standard input, listeners, connections */
static struct conn conns[CONNS_MAX];
static enum kind kinds[PORTS_MAX];
static int n_ports, n_conns;
static unsigned long reads;

static int listen_on(int backlog, int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&in, size) || listen(fd, backlog) ||
	    getsockname(fd, (struct sockaddr *)&in, &size)) {
		perror("listen");
		exit(1);
	}
	*port = ntohs(in.sin_port);
	return fd;
}

/* Takes every place in the queue of connections nobody accepts: whoever comes now waits for an answer to its SYN. */
static void fill(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)port) };

	for (int i = 0; i < FULL_CLIENTS; i++)
		if (connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&in,
			    sizeof(in)) &&
		    errno != EINPROGRESS)
			perror("connect");
}

static void put16(uint8_t *out, unsigned int v)
{
	out[0] = (uint8_t)(v >> 8 & 0xff);
	out[1] = (uint8_t)(v & 0xff);
}

/* Answers one request of 12 bytes; any other function than 3 and 4 is refused. */
static void answer(int fd, const uint8_t *q)
{
	unsigned int count = (unsigned int)q[10] << 8 | q[11], first = (unsigned int)q[8] << 8 | q[9];
	uint8_t a[9 + 2 * REGISTERS_MAX];

	memcpy(a, q, 8);
	if ((q[7] != 3 && q[7] != 4) || count < 1 || count > REGISTERS_MAX) {
		put16(a + 4, 3);
		a[7] |= 0x80;
		a[8] = 1;
		if (write(fd, a, 9) < 0)
			perror("write");
		return;
	}
	put16(a + 4, 3 + 2 * count);
	a[8] = (uint8_t)(2 * count);
	reads++;
	for (unsigned int i = 0; i < count; i++) {
		/* moves by more than any dead band */
		float f = 200.0f + (float)((reads * 37 + (first + i) * 11 + q[6] * 7) % 60);
		uint32_t raw;

		memcpy(&raw, &f, sizeof(raw));
		put16(a + 9 + 2 * i, (first + i) % 2 ? raw & 0xffff : raw >> 16);
	}
	if (write(fd, a, 9 + 2 * (size_t)count) < 0)
		perror("write");
}

static void conn_close(int i)
{
	close(conns[i].fd);
	conns[i] = conns[--n_conns];
}

static void conn_read(int i)
{
	struct conn *c = &conns[i];
	ssize_t n = read(c->fd, c->in + c->have, sizeof(c->in) - c->have);

	if (n <= 0) {
		conn_close(i);
		return;
	}
	if (c->kind != ANSWERING) {
		c->have = c->kind == DRIPPING && n >= 6 ? 1 : 0; /* drips from now on */
		return;
	}
	c->have += (size_t)n;
	while (c->have >= 6) {
		size_t size = 6u + ((size_t)c->in[4] << 8 | c->in[5]);

		if (size < 12 || size > sizeof(c->in)) {
			conn_close(i);
			return;
		}
		if (c->have < size)
			return;
		answer(c->fd, c->in);
		memmove(c->in, c->in + size, c->have - size);
		c->have -= size;
	}
}

static void drip(void)
{
	static const uint8_t START[9] = { 0, 1, 0, 0, 0, 253, 1, 4, 250 }; /* of an answer that will never be whole */

	for (int i = 0; i < n_conns; i++)
		if (conns[i].kind == DRIPPING && conns[i].have && conns[i].have < 200) {
			if (send(conns[i].fd, START + (conns[i].have - 1) % 9, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
				conns[i].have++;
		}
}

static void accept_one(int p)
{
	int fd = accept4(fds[1 + p].fd, NULL, NULL, SOCK_CLOEXEC), on = 1;

	if (fd < 0)
		return;
	if (n_conns == CONNS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conns[n_conns++] = (struct conn){ .fd = fd, .kind = kinds[p] };
}

static void open_ports(int argc, char **argv)
{
	int port;

	printf("{\"ports\":[");
	for (int k = 0; k < KINDS && k + 1 < argc; k++)
		for (int i = 0; i < atoi(argv[k + 1]) && n_ports < PORTS_MAX; i++) {
			kinds[n_ports] = (enum kind)k;
			fds[1 + n_ports] = (struct pollfd){ listen_on(k == FULL ? 0 : 64, &port), POLLIN, 0 };
			if (k == FULL) {
				fds[1 + n_ports].fd = -1 - fds[1 + n_ports].fd; /* never accepted */
				fill(port);
			}
			printf("%s%d", n_ports++ ? "," : "", port);
		}
	printf("]}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool drips = argc > 3 && atoi(argv[3]) > 0;

	fds[0] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	open_ports(argc, argv);
	for (;;) {
		int n = n_conns;

		for (int i = 0; i < n; i++)
			fds[1 + n_ports + i] = (struct pollfd){ conns[i].fd, POLLIN, 0 };
		if (poll(fds, (nfds_t)(1 + n_ports + n), drips ? DRIP_MS : -1) == 0 && drips)
			drip();
		if (fds[0].revents) {
			char line[16];

			if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
				return 0;
			printf("{\"reads\":%lu}\n", reads);
			fflush(stdout);
		}
		for (int i = n - 1; i >= 0; i--) /* closing moves the last one, which was served already */
			if (fds[1 + n_ports + i].revents)
				conn_read(i);
		for (int p = 0; p < n_ports; p++)
			if (fds[1 + p].fd >= 0 && fds[1 + p].revents)
				accept_one(p);
	}
}
