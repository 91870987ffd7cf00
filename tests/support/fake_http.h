/* An HTTP client without a network: it keeps every request, and the test answers them by number, in any order, when it likes.
 * An answer runs decode, then done, then drops the result nobody took, as the real one does. Include it in one test file; it
 * takes the place of io/http.c.
 *	assert_string_equal(fake_http_last()->bearer, "token-1");
 *	fake_http_answer(fake_http_next(), 200, "[]"); */
#ifndef HEARTH_TESTS_FAKE_HTTP_H
#define HEARTH_TESTS_FAKE_HTTP_H

#include "io/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_HTTP_MAX 1024 /* requests a test may send until fake_http_clear */

struct fake_http_request {
	enum http_method method;
	char *url, *ca_file, *bearer, *user, *password; /* NULL = was not given */
	char *header[HTTP_HEADERS_MAX];
	char *body;                           /* given or built; NULL = none */
	int timeout_ms;
	bool built;                           /* the body came from build() */
	bool answered;
	struct http_request r;                /* callbacks; its pointers to text are NULL */
};

/* What a server says. A zeroed one is "no answer at all": give status or error. */
struct fake_http_reply {
	int status;
	int error;              /* negative errno, then there is no status */
	const char *body;       /* NULL = "" */
	int64_t retry_after_ms; /* 0 = none; < 0 = "Retry-After: 0" */
	int64_t date_utc_ms;    /* 0 = none */
};

static struct fake_http_request fake_http[FAKE_HTTP_MAX];
static int fake_http_n;          /* requests so far, answered or not */
static int fake_http_send_error; /* http_send refuses with it, e.g. -ENOMEM */
static int fake_http_limit = HTTP_UNDER_WAY_MAX;
static int fake_http_refused;    /* how often it did, also for too many under way */

/** Requests not answered yet. */
static inline int fake_http_waiting(void)
{
	int n = 0;

	for (int i = 0; i < fake_http_n; i++)
		n += !fake_http[i].answered;
	return n;
}

/** Number of the oldest request not answered yet; -1 = none. */
static inline int fake_http_next(void)
{
	for (int i = 0; i < fake_http_n; i++)
		if (!fake_http[i].answered)
			return i;
	return -1;
}

/** Number of the oldest request not answered yet whose method fits and whose URL contains @part; -1 = none. */
static inline int fake_http_find(enum http_method method, const char *part)
{
	for (int i = 0; i < fake_http_n; i++)
		if (!fake_http[i].answered && fake_http[i].method == method && strstr(fake_http[i].url, part))
			return i;
	return -1;
}

/** The newest request, answered or not. */
static inline struct fake_http_request *fake_http_last(void)
{
	if (!fake_http_n)
		abort();
	return &fake_http[fake_http_n - 1];
}

static inline void fake_http_reply(int i, const struct fake_http_reply *reply)
{
	struct http_answer a = { .status = reply->error ? 0 : reply->status, .error = reply->error, .elapsed_ms = 1 };
	struct http_request r;

	if (i < 0 || i >= fake_http_n || fake_http[i].answered || !a.status == !a.error || a.error > 0)
		abort();
	fake_http[i].answered = true; /* first: done may send again, or clear */
	r = fake_http[i].r;
	a.retry_after_ms = a.error || !reply->retry_after_ms ? -1 : reply->retry_after_ms < 0 ? 0 : reply->retry_after_ms;
	a.date_utc_ms = a.error ? 0 : reply->date_utc_ms;
	if (a.error)
		snprintf(a.reason, sizeof(a.reason), "%s", strerror(-a.error));
	if (!a.error && r.decode) {
		char *copy = strdup(reply->body ? reply->body : ""); /* a decoder that keeps it is seen by ASan */

		a.body = copy;
		a.len = strlen(copy);
		a.result = r.decode(&a);
		a.body = NULL;
		a.len = 0;
		free(copy);
	}
	if (r.done)
		r.done(r.context, &a);
	if (a.result)
		(r.drop ? r.drop : free)(a.result);
}

static inline void fake_http_answer(int i, int status, const char *body)
{
	fake_http_reply(i, &(struct fake_http_reply){ .status = status, .body = body });
}

/** No usable answer: @error is one of http_answer.error, e.g. -ETIMEDOUT. */
static inline void fake_http_fail(int i, int error)
{
	fake_http_reply(i, &(struct fake_http_reply){ .error = error });
}

/** Forgets all requests: what waits gets no answer any more, as after http_close. */
static inline void fake_http_clear(void)
{
	for (int i = 0; i < fake_http_n; i++) {
		struct fake_http_request *f = &fake_http[i];

		free(f->url);
		free(f->ca_file);
		free(f->bearer);
		free(f->user);
		free(f->password);
		for (int k = 0; k < HTTP_HEADERS_MAX; k++)
			free(f->header[k]);
		free(f->body);
	}
	memset(fake_http, 0, sizeof(fake_http));
	fake_http_n = 0;
	fake_http_send_error = fake_http_refused = 0;
	fake_http_limit = HTTP_UNDER_WAY_MAX;
}

static inline char *fake_http_copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

int http_open(struct http **out, uv_loop_t *loop, const struct http_options *options, struct errbuf *err)
{
	(void)loop;
	(void)options;
	(void)err;
	*out = (struct http *)(void *)fake_http;
	return 0;
}

int http_send(struct http *h, const struct http_request *request)
{
	struct fake_http_request *f;

	(void)h;
	if (fake_http_send_error || fake_http_waiting() >= fake_http_limit) {
		fake_http_refused++;
		return fake_http_send_error ? fake_http_send_error : -EAGAIN;
	}
	if (!request->url || (strncmp(request->url, "http://", 7) && strncmp(request->url, "https://", 8)))
		return -EINVAL;
	if (fake_http_n == FAKE_HTTP_MAX)
		abort();
	f = &fake_http[fake_http_n++];
	f->method = request->method;
	f->url = fake_http_copy(request->url);
	f->ca_file = fake_http_copy(request->ca_file);
	f->bearer = fake_http_copy(request->bearer);
	f->user = fake_http_copy(request->user);
	f->password = fake_http_copy(request->password);
	for (int k = 0; k < HTTP_HEADERS_MAX && request->header[k]; k++)
		f->header[k] = fake_http_copy(request->header[k]);
	f->built = request->build != NULL;
	f->body = request->build ? request->build(request->input) : fake_http_copy(request->body);
	if (request->input && request->free_input)
		request->free_input(request->input);
	f->timeout_ms = request->timeout_ms;
	f->r = (struct http_request){
		.decode = request->decode, .drop = request->drop, .done = request->done, .context = request->context
	};
	return 0;
}

int http_under_way(const struct http *h)
{
	(void)h;
	return fake_http_waiting();
}

void http_close(struct http *h)
{
	(void)h;
}

#endif
