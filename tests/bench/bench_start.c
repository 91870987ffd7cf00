/* From the start of a program to its first Modbus request: starts it again and again, accepts on the port its
 * configuration names, and takes the time. Prints "connect MS request MS" a round: fork -> connection, fork -> first
 * request whole. The program gets SIGTERM after each. Usage: bench_start PORT ROUNDS PROGRAM [ARGUMENT]... */
#include "bench/modbus_server.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>

static int listen_on(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 64)) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static bool readable(int fd, int within_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, within_ms) == 1;
}

static int one_round(int listener, char **argv)
{
	int64_t begun = bench_us(), connected, asked;
	uint8_t request[12];
	pid_t pid = fork();
	int conn, status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[0], argv);
		_exit(127);
	}
	if (!readable(listener, 10000) || (conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) {
		fprintf(stderr, "%s did not connect within 10 s\n", argv[0]);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return 1;
	}
	connected = bench_us();
	if (recv(conn, request, sizeof(request), MSG_WAITALL) != (ssize_t)sizeof(request))
		return 1;
	asked = bench_us();
	printf("connect %.3f request %.3f\n", (double)(connected - begun) / 1e3, (double)(asked - begun) / 1e3);
	fflush(stdout);
	close(conn);
	kill(pid, SIGTERM);
	for (int i = 0; i < 700 && waitpid(pid, &status, WNOHANG) == 0; i++)
		usleep(10000);
	kill(pid, SIGKILL);
	while (readable(listener, 0) && (conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(conn);
	return 0;
}

int main(int argc, char **argv)
{
	int listener;

	if (argc < 4)
		return 2;
	listener = listen_on(atoi(argv[1]));
	for (int i = 0; i < atoi(argv[2]); i++)
		if (one_round(listener, argv + 3))
			return 1;
	return 0;
}
