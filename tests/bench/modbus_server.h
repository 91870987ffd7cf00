/* What the Modbus benches share: a libmodbus server in a child process, order statistics, and the closing table. */
#ifndef HEARTH_TESTS_BENCH_MODBUS_SERVER_H
#define HEARTH_TESTS_BENCH_MODBUS_SERVER_H

#include <errno.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline int64_t bench_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Answers every unit but @silent (-1: none) until it is killed; a new connection may come while others are open. */
static inline void bench_serve(int listener, int silent)
{
	modbus_t *mb = modbus_new_tcp("127.0.0.1", 502);
	modbus_mapping_t *map = modbus_mapping_new(200, 200, 200, 200);
	uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
	fd_set all, ready;
	int top = listener;

	for (int i = 0; i < 200; i++)
		map->tab_registers[i] = (uint16_t)i;
	FD_ZERO(&all);
	FD_SET(listener, &all);
	for (;;) {
		ready = all;
		if (select(top + 1, &ready, NULL, NULL, NULL) < 0)
			_exit(1);
		for (int fd = 0; fd <= top; fd++) {
			int n;

			if (!FD_ISSET(fd, &ready))
				continue;
			modbus_set_socket(mb, fd);
			if (fd == listener) {
				int conn = listener;

				if (modbus_tcp_accept(mb, &conn) >= 0) {
					FD_SET(modbus_get_socket(mb), &all);
					top = modbus_get_socket(mb) > top ? modbus_get_socket(mb) : top;
				}
				continue;
			}
			n = modbus_receive(mb, query);
			if (n > 0 && query[6] != silent) {
				modbus_reply(mb, query, n, map);
			} else if (n < 0) {
				FD_CLR(fd, &all);
				close(fd);
			}
		}
	}
}

/* Forks a server on a free port of 127.0.0.1. Call before any thread is made. */
static inline pid_t bench_server(int silent, int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&in, size) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&in, &size)) {
		perror("listen");
		exit(1);
	}
	*port = ntohs(in.sin_port);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_serve(listener, silent);
	}
	close(listener);
	return pid;
}

static inline void bench_server_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static inline int bench_compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts in place. @part 0..1 */
static inline double bench_quantile(double *values, int n, double part)
{
	if (!n)
		return 0;
	qsort(values, (size_t)n, sizeof(*values), bench_compare);
	return values[(int)(part * (n - 1) + 0.5)];
}

/* The line every bench ends with. Returns whether the target was met. */
static inline int bench_verdict(const char *figure, double measured, const char *unit, int at_most, double target)
{
	int met = at_most ? measured <= target : measured >= target;

	printf("figure: %s | measured: %.2f%s | target: %s %.2f%s | %s\n", figure, measured, unit, at_most ? "<=" : ">=", target,
	       unit, met ? "met" : "missed");
	return met;
}

#endif
