/* Requests whose answers are kept, for the tests of io/http. */
#ifndef HEARTH_TESTS_HTTP_HELPER_H
#define HEARTH_TESTS_HTTP_HELPER_H

#include "http_hostile.h"

#include <stdatomic.h>

/* One request and what became of it. */
struct shot {
	struct http_answer a; /* result is NULL here, or the body as text, ours */
	int done;
	bool leave;           /* does not take the result */
	void (*then)(struct shot *s);
};

static atomic_int texts;      /* results that exist */
static atomic_int n_decoded;

static inline void *text_decode(const struct http_answer *a)
{
	char *copy = malloc(a->len + 1);

	atomic_fetch_add(&texts, 1);
	atomic_fetch_add(&n_decoded, 1);
	if (copy)
		memcpy(copy, a->body, a->len + 1); /* with the NUL that is promised */
	return copy;
}

static inline void text_drop(void *result)
{
	atomic_fetch_sub(&texts, 1);
	free(result);
}

static inline void shot_done(void *context, struct http_answer *a)
{
	struct shot *s = context;

	s->a = *a;
	s->done++;
	if (!s->leave)
		a->result = NULL;
	else
		s->a.result = NULL;
	assert_null(a->body);
	assert_true(!a->status != !a->error);
	if (s->then)
		s->then(s);
}

static inline void shot_deinit(struct shot *s)
{
	if (s->a.result)
		text_drop(s->a.result);
	memset(s, 0, sizeof(*s));
}

static inline void url_make(char *out, size_t size, enum door door, const char *path)
{
	snprintf(out, size, "http%s://127.0.0.1:%d/%s", door == DOOR_PLAIN ? "" : "s", hostile.port[door], path);
}

static inline int shoot(struct shot *s, enum door door, const char *path, struct http_request r)
{
	char url[256];

	url_make(url, sizeof(url), door, path);
	if (!r.url)
		r.url = url;
	r.decode = text_decode;
	r.drop = text_drop;
	r.done = shot_done;
	r.context = s;
	return http_send(http, &r);
}

static inline void shoot_wait(struct shot *s, enum door door, const char *path, struct http_request r)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(shoot(s, door, path, r), 0);
	until(&s->done, 1, 15000);
}

#endif
