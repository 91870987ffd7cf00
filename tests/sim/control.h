/* The control port: one JSON object a line in, one line out, for tests and the demo. Sockets and lines are here; what a
 * command does is commands.c's. */
#ifndef HEARTH_SIM_CONTROL_H
#define HEARTH_SIM_CONTROL_H

#include "core/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define CONTROL_CLIENTS_MAX 16
#define CONTROL_LINE_MAX 65536
#define CONTROL_DEPTH_MAX 8

struct sim;

union control_handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

struct control_client {
	struct control *control;
	union control_handle u;
	bool used, closing;
	bool busy;  /* a command is still being carried out: the next line waits */
	bool ended; /* the client has closed its side meanwhile */
	unsigned serial;
	size_t fill;
	char *line; /* CONTROL_LINE_MAX + 1 bytes while connected */
};

struct control {
	struct sim *sim;
	bool is_pipe, open;
	union control_handle listener;
	unsigned serials;
	struct control_client client[CONTROL_CLIENTS_MAX];
};

/** TCP on @host:@port (0 = free) or, with @path, a Unix socket. Returns the port (0 for a path) or negative errno. */
int control_open(struct control *c, struct sim *sim, const char *host, int port, const char *path, struct errbuf *err);

/** Answers a command that took longer; takes @answer. The client may have gone: @serial tells. */
void control_answer(struct control_client *client, unsigned serial, cJSON *answer);

void control_close(struct control *c);

#endif
