/* See broker.h. */
#include "support/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "/usr/sbin/mosquitto"
#define TRIES 5 /* somebody else may take the port between asking and using */

static void nap_ms(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* Below the ports the kernel gives to connections, or one of those might get it while its server is down. */
int free_port(void)
{
	for (int i = 0; i < 100; i++) {
		const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct sockaddr_in a;
		uint16_t dice;
		bool ours;

		if (getrandom(&dice, sizeof(dice), 0) != sizeof(dice))
			dice = (uint16_t)(getpid() + i);
		a = loopback(10000 + dice % 22768);
		ours = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
		if (fd >= 0)
			close(fd);
		if (ours)
			return ntohs(a.sin_port);
	}
	return -1;
}

/* As root it would become a user of its own, and a change of user clears the signal that ends it with its parent. */
static int config_write(struct broker *b, const char *extra)
{
	FILE *f = fopen(b->config, "w");

	if (!f)
		return -errno;
	fprintf(f,
		"listener %d 127.0.0.1\n"
		"listener 0 %s\n"
		"allow_anonymous true\n"
		"persistence false\n"
		"log_dest file %s/log\n"
		"log_type all\n"
		"%s%s\n",
		b->port, b->socket, b->dir, geteuid() == 0 ? "user root\n" : "", extra ? extra : "");
	return fclose(f) ? -errno : 0;
}

static int launch(struct broker *b)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		for (int fd = 3; fd < 256; fd++)
			close(fd); /* or a listening socket of the test would stay open here */
		execl(PROGRAM, PROGRAM, "-c", b->config, (char *)NULL);
		_exit(127);
	}
	b->pid = pid;
	for (int i = 0; i < 500; i++) {
		struct sockaddr_in a = loopback(b->port);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int up = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

		close(fd);
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			b->pid = 0;
			return -EADDRINUSE;
		}
		if (up)
			return 0;
		nap_ms(10);
	}
	broker_kill(b);
	return -ETIMEDOUT;
}

int broker_start(struct broker *b, const char *extra)
{
	const char *tmp = getenv("TMPDIR");
	int rc = -EADDRINUSE;

	memset(b, 0, sizeof(*b));
	snprintf(b->dir, sizeof(b->dir), "%.40s/broker-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(b->dir))
		return -errno;
	snprintf(b->config, sizeof(b->config), "%s/conf", b->dir);
	snprintf(b->socket, sizeof(b->socket), "%s/sock", b->dir);
	for (int i = 0; i < TRIES && rc == -EADDRINUSE; i++) {
		b->port = free_port();
		rc = config_write(b, extra);
		if (rc == 0)
			rc = launch(b);
	}
	if (rc)
		broker_deinit(b);
	return rc;
}

static void finish(struct broker *b, int sig)
{
	if (b->pid <= 0)
		return;
	kill(b->pid, sig);
	kill(b->pid, SIGCONT);
	for (int i = 0; i < 300; i++) {
		if (waitpid(b->pid, NULL, WNOHANG) == b->pid) {
			b->pid = 0;
			return;
		}
		nap_ms(10);
	}
	kill(b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
	b->pid = 0;
}

void broker_stop(struct broker *b)
{
	finish(b, SIGTERM);
}

void broker_kill(struct broker *b)
{
	finish(b, SIGKILL);
}

int broker_restart(struct broker *b)
{
	broker_stop(b);
	unlink(b->socket);
	return launch(b);
}

void broker_pause(const struct broker *b)
{
	kill(b->pid, SIGSTOP);
}

void broker_resume(const struct broker *b)
{
	kill(b->pid, SIGCONT);
}

void broker_deinit(struct broker *b)
{
	char command[128];

	broker_stop(b);
	if (!b->dir[0])
		return;
	snprintf(command, sizeof(command), "rm -rf -- '%s'", b->dir);
	if (system(command))
		fprintf(stderr, "broker: %s stays\n", b->dir);
	memset(b, 0, sizeof(*b));
}
