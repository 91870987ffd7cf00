/* Requests under way to Flip: few at once and few a second, so that its limits, which nobody has published, are kept from a
 * distance. */
#include "flow/cloud/flip_direct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CREDIT_MS 1000  /* one request a second ... */
#define CREDIT_BURST 10 /* ... after ten at once */

/* An answer may come when its link is long gone, and http_close may swallow it: so what goes with a request is a number, never
 * given twice, and an answer that finds no link running with it is nobody's. */
static struct calls *running;
static uintptr_t last_id;

static void on_answer(void *context, struct http_answer *a)
{
	for (struct calls *k = running; k; k = k->next)
		for (int i = 0; i < CALLS_MAX; i++)
			if (k->call[i].id == (uintptr_t)context) {
				struct call c = k->call[i];

				memset(&k->call[i], 0, sizeof(k->call[i])); /* the slot first: what follows may need it */
				k->done(k->context, &c, a);
				cJSON_free(c.row.body);
				return;
			}
}

void calls_open(struct calls *k, int64_t now_ms)
{
	k->credit_ms = CREDIT_BURST * CREDIT_MS;
	k->credited_ms = now_ms;
	k->next = running;
	running = k;
}

void calls_close(struct calls *k)
{
	for (struct calls **at = &running; *at; at = &(*at)->next)
		if (*at == k) {
			*at = k->next;
			break;
		}
	for (int i = 0; i < CALLS_MAX; i++)
		cJSON_free(k->call[i].row.body);
	explicit_bzero(k, sizeof(*k));
}

static struct call *free_slot(struct calls *k)
{
	for (int i = 0; i < CALLS_MAX; i++)
		if (!k->call[i].id)
			return &k->call[i];
	return NULL;
}

bool calls_free(struct calls *k, int64_t now_ms)
{
	if (now_ms > k->credited_ms)
		k->credit_ms += now_ms - k->credited_ms;
	k->credited_ms = now_ms;
	if (k->credit_ms > CREDIT_BURST * CREDIT_MS)
		k->credit_ms = CREDIT_BURST * CREDIT_MS;
	return k->credit_ms >= CREDIT_MS && free_slot(k);
}

int calls_send(struct calls *k, const struct call *c, const char *path, const char *token, struct http_request *q)
{
	static void *(*const READ[])(const struct http_answer *a) = { reading_of_poll, reading_of_row, reading_of_token, reading_of_batch };
	struct call *slot = free_slot(k);
	char url[sizeof(k->base_url) + sizeof(c->row.path)];
	int r;

	if (!slot)
		return -EAGAIN;
	if (++last_id == 0)
		last_id = 1;
	snprintf(url, sizeof(url), "%s%s", k->base_url, path);
	q->url = url;
	q->ca_file = k->ca_file[0] ? k->ca_file : NULL;
	q->bearer = token ? token : k->token;
	q->decode = READ[c->kind];
	q->drop = reading_drop;
	q->done = on_answer;
	q->context = (void *)last_id;
	r = http_send(k->http, q);
	if (r < 0)
		return r;
	*slot = *c;
	slot->id = last_id;
	k->credit_ms -= CREDIT_MS; /* may go below zero: what follows from an answer does not wait */
	k->sent++;
	return 0;
}

const struct call *calls_of_kind(const struct calls *k, enum call_kind kind)
{
	for (int i = 0; i < CALLS_MAX; i++)
		if (k->call[i].id && k->call[i].kind == kind)
			return &k->call[i];
	return NULL;
}

const struct call *calls_about(const struct calls *k, const char *ref)
{
	for (int i = 0; i < CALLS_MAX; i++)
		if (k->call[i].id && !strcmp(k->call[i].ref, ref))
			return &k->call[i];
	return NULL;
}

const struct call *calls_to(const struct calls *k, const char *path)
{
	for (int i = 0; i < CALLS_MAX; i++)
		if (k->call[i].id && !strcmp(k->call[i].row.path, path))
			return &k->call[i];
	return NULL;
}
