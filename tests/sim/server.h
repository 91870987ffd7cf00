/* Modbus TCP on libuv: many clients, several ports, one rack. Delays and drips are timers, so that one slow unit or one
 * slow client never holds up another. */
#ifndef HEARTH_SIM_SERVER_H
#define HEARTH_SIM_SERVER_H

#include "core/err.h"
#include "sim/rack.h"

#include <uv.h>

#define SERVER_PORTS_MAX 32
#define SERVER_CLIENTS_MAX 64
#define SERVER_REPLIES_MAX 256
#define ADU_MAX 260

struct server;

struct server_client {
	struct server *server;
	uv_tcp_t tcp;
	bool used, closing;
	unsigned serial; /* tells a later client in the same place apart */
	int fill;
	uint8_t in[2 * ADU_MAX];
};

/* An answer that could not go out at once: waiting for its time, or for the socket. */
struct server_reply {
	struct server_client *client;
	unsigned serial;
	uv_timer_t timer;
	uv_write_t write;
	bool used;
	int len, sent, drip_ms;
	uint8_t bytes[ADU_MAX];
};

struct server {
	uv_loop_t *loop;
	struct rack *rack;
	int n_ports;
	uv_tcp_t port[SERVER_PORTS_MAX];
	struct server_client client[SERVER_CLIENTS_MAX];
	struct server_reply reply[SERVER_REPLIES_MAX];
	unsigned serials, garbage;
	uint64_t requests, refused_clients;
};

void server_init(struct server *s, uv_loop_t *loop, struct rack *rack);
/** One more port; @port 0 = any free one. Returns the port, or negative errno with a reason in words. */
int server_listen(struct server *s, const char *host, int port, struct errbuf *err);
/** Closes every handle; memory may be released when the loop has run dry. */
void server_close(struct server *s);

#endif
