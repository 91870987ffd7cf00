/* A real mosquitto for tests: free port on 127.0.0.1, Unix socket, temporary folder, gone with the test program. */
#ifndef TESTS_SUPPORT_BROKER_H
#define TESTS_SUPPORT_BROKER_H

#include <sys/types.h>

struct broker {
	pid_t pid;          /* 0 = not running */
	int port;
	char dir[64];       /* scratch folder, may be used by the test; removed by broker_deinit */
	char socket[96];    /* anonymous listener like the port */
	char config[96];
};

/** Starts it; @extra is added to its configuration (NULL = none). Returns when it takes connections; 0 or negative errno. */
int broker_start(struct broker *b, const char *extra);
/** SIGTERM and wait; port and folder stay for broker_restart. */
void broker_stop(struct broker *b);
/** SIGKILL: nobody is told, no DISCONNECT is sent. */
void broker_kill(struct broker *b);
int broker_restart(struct broker *b);
/** SIGSTOP and SIGCONT: connections stay, nothing is read. */
void broker_pause(const struct broker *b);
void broker_resume(const struct broker *b);
/** Stops, removes the folder. A zeroed struct is fine. */
void broker_deinit(struct broker *b);

/** A TCP port of 127.0.0.1 nobody listens on at this moment. */
int free_port(void);

#endif
