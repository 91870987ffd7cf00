/* HTTPS on one worker (libcurl): requests go out, answers are decoded there too, and plain structs come back to the loop.
 * HTTP/1.1; TLS 1.2 or later, verified; redirects are not followed (a 3xx is an answer); no proxy, whatever the environment
 * says; no cookies, no compression. Every request has a total time and a size limit. The loop never waits. Without requests under
 * way nothing wakes up. libcurl looks names up in short-lived threads of its own. */
#ifndef HEARTH_IO_HTTP_H
#define HEARTH_IO_HTTP_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http; /* opaque */

#define HTTP_BODY_MAX (2 << 20)      /* of an answer */
#define HTTP_HEAD_MAX (64 << 10)     /* of an answer's header lines together */
#define HTTP_TIMEOUT_MS 20000        /* the whole request; connecting (name, TCP, TLS) alone 5000 */
#define HTTP_UNDER_WAY_MAX 16        /* requests not answered yet */
#define HTTP_HEADERS_MAX 4

enum http_method { HTTP_GET, HTTP_POST, HTTP_PATCH, HTTP_PUT, HTTP_DELETE };

/* Exactly one of status and error is not 0. */
struct http_answer {
	int status;              /* HTTP status, 200 or more; 0 = there was none, or only a part of the answer */
	int error;               /* 0, or why there is no usable answer: -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH (name or route),
				  * -ECONNRESET (cut), -EPROTO (not HTTP, not TLS 1.2), -EACCES (certificate, also ours of ca_file),
				  * -EMSGSIZE (too large), -ENOMEM (also: build gave nothing) */
	char reason[160];        /* of an error, in words; "" */
	int64_t retry_after_ms;  /* of the header, seconds or a date, capped at a day; -1 = none */
	int64_t date_utc_ms;     /* Date of a server whose certificate was verified; 0 = none or plain HTTP */
	int elapsed_ms;          /* since http_send */
	const char *body;        /* inside decode only; NUL-terminated, not necessarily UTF-8; never NULL there */
	size_t len;
	void *result;            /* what decode made of it; on the loop: the caller's once it sets this to NULL, else dropped */
};

/* Everything is copied unless said otherwise. */
struct http_request {
	enum http_method method;
	const char *url;                        /* http:// or https://, without a user */
	const char *ca_file;                    /* PEM instead of those of http_options; NULL = those */
	const char *bearer;                     /* "Authorization: Bearer"; NULL = none; never logged */
	const char *user, *password;            /* Basic, instead of bearer; NULL = none */
	const char *header[HTTP_HEADERS_MAX];   /* "Name: value"; NULL = end. Content-Type and Accept replace ours (JSON) */
	const char *body;                       /* JSON text; NULL = none; not with HTTP_GET */
	/* Instead of body: made on the worker from @input (malloced text, NULL = no memory). @input is the worker's then and
	 * ends in free_input, also when the request never ran. Not called when http_send fails: the caller still has it. */
	char *(*build)(void *input);
	void *input;
	void (*free_input)(void *input);
	int timeout_ms;                         /* 0 = HTTP_TIMEOUT_MS */
	/* On the worker, for every answer with a status (any status): pure; what it returns is the result. NULL = no result. */
	void *(*decode)(const struct http_answer *a);
	void (*drop)(void *result);             /* frees a result nobody took; NULL = free() */
	/* On the loop, exactly once, unless http_close comes first. It may send again, and close. */
	void (*done)(void *context, struct http_answer *a);
	void *context;
};

struct http_options {
	const char *ca_file;    /* PEM instead of the system's certificates; NULL = the system's */
};

/** The first call sets libcurl up: some megabytes and milliseconds, so not without need. @options may be NULL. */
int http_open(struct http **out, uv_loop_t *loop, const struct http_options *options, struct errbuf *err);

/** Queues a request. 0; -EAGAIN with HTTP_UNDER_WAY_MAX under way; -EINVAL for a URL that is none, for line ends in a header, a
 *  token or a name, for a body with GET; -ENOMEM. */
int http_send(struct http *h, const struct http_request *request);

/** Requests not answered yet. */
int http_under_way(const struct http *h);

/** Cuts what is under way; no done callback is called any more; joins the worker. Returns within a second. NULL is fine. A
 *  name being looked up keeps libcurl's own thread for as long as the system's resolver takes; it touches nothing of ours. */
void http_close(struct http *h);

#endif
