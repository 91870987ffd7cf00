/* Flip's answers as the worker reads them, so that the loop gets plain structs. Pure but for memory. */
#include "flow/cloud/flip_direct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every answer begins here: what Flip said, unless it is a success. */
static struct reading *begin(const struct http_answer *a)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->empty = a->len == 0;
	flip_error_words(a->body, a->len, r->words, sizeof(r->words));
	return r;
}

static bool taken(const struct http_answer *a)
{
	return a->status >= 200 && a->status < 300;
}

void *reading_of_poll(const struct http_answer *a)
{
	struct reading *r = begin(a);
	struct errbuf err = { "" };

	if (r && a->status == 200 && flip_list_decode(a->body, a->len, NULL, 0, &r->list, &err) < 0)
		snprintf(r->words, sizeof(r->words), "%.150s", err.text);
	return r;
}

void *reading_of_row(const struct http_answer *a)
{
	struct reading *r = begin(a);

	if (r && taken(a))
		flip_answer_id(a->body, a->len, r->id);
	return r;
}

void *reading_of_token(const struct http_answer *a)
{
	struct reading *r = begin(a);
	struct errbuf err = { "" };

	if (!r || !taken(a))
		return r;
	r->token = calloc(1, sizeof(*r->token));
	if (r->token && flip_site_token_decode(a->body, a->len, r->token, &err) < 0) {
		snprintf(r->words, sizeof(r->words), "%.150s", err.text);
		free(r->token);
		r->token = NULL;
	}
	return r;
}

void *reading_of_batch(const struct http_answer *a)
{
	struct reading *r = begin(a);
	struct errbuf err = { "" };

	if (!r || !taken(a))
		return r;
	r->points = calloc(1, sizeof(*r->points));
	if (r->points && telemetry_answer_decode(a->body, a->len, r->points, &err) < 0) {
		snprintf(r->words, sizeof(r->words), "%.150s", err.text);
		free(r->points);
		r->points = NULL;
	}
	return r;
}

void reading_drop(void *reading)
{
	struct reading *r = reading;

	if (!r)
		return;
	if (r->token)
		explicit_bzero(r->token, sizeof(*r->token));
	free(r->token);
	free(r->points);
	free(r->list);
	free(r);
}
