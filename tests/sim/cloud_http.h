/* HTTP(S) server of a mock cloud: libmicrohttpd without threads, driven by the simulator's loop. Sockets and bytes only:
 * what is answered is the caller's. */
#ifndef HEARTH_SIM_CLOUD_HTTP_H
#define HEARTH_SIM_CLOUD_HTTP_H

#include "core/err.h"
#include "sim/mock.h"

#include <uv.h>

#define CLOUD_CONNECTIONS_MAX 256

struct cloud_http; /* opaque */

enum cloud_how {
	CLOUD_WHOLE, /* the answer as it is */
	CLOUD_SLOW,  /* in eight pieces, chunk_ms apart */
	CLOUD_CUT,   /* half of the body, then closed */
	CLOUD_CLOSE, /* closed without an answer */
	CLOUD_HANG,  /* never answered */
	CLOUD_HUGE,  /* 8 MiB of JSON instead of the body */
};

struct cloud_answer {
	int status;
	enum cloud_how how;
	const char *type; /* Content-Type; NULL = application/json */
	char *body;       /* malloced, taken; NULL = none */
	size_t len;
	int chunk_ms;
	char retry_after[48]; /* "" = no such header */
	char location[64];    /* the same */
	int64_t date_utc_ms;  /* Date */
};

struct cloud_http_options {
	uv_loop_t *loop;
	const char *host;
	int port;         /* 0 = any free one; it stays ours until cloud_http_close */
	char *cert, *key; /* PEM; NULL = plain HTTP; copied */
	/* Answers a whole request, or one whose body was above MOCK_BODY_MAX: then q->body is NULL and q->len tells. */
	void (*answer)(void *context, const struct mock_request *q, struct cloud_answer *out);
	void *context;
};

/** Reserves the port; nothing is accepted before cloud_http_up. Returns it, or negative errno with the reason. */
int cloud_http_open(struct cloud_http **out, const struct cloud_http_options *options, struct errbuf *err);
/** Accepts connections. 0, also when it did already; negative errno with the reason. */
int cloud_http_up(struct cloud_http *h, struct errbuf *err);
/** Refuses connections from now on and closes those there are. */
void cloud_http_cut(struct cloud_http *h);
/** Closes connections whose requests hang. */
void cloud_http_release(struct cloud_http *h);
/** Never inside answer(). NULL is fine. */
void cloud_http_close(struct cloud_http *h);

#endif
