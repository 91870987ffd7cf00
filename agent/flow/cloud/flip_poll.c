/* The list of commands, read each minute. Filters, order and paging of GET /v1/commands are not published: the plain list is
 * read first, and pages are asked for only behind one that looks full. Absence from the list means nothing. */
#include "flow/cloud/flip_direct.h"

#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 60000
#define POLL_JITTER_MS 6000
#define PAGE 100     /* fewer rows than this: there are no more */
#define PAGES_MAX 20

bool poll_wanted(const struct flip_direct *d, int64_t now_ms)
{
	if (calls_of_kind(&d->calls, CALL_POLL))
		return false;
	return d->health.up ? d->poll.page_due || now_ms >= d->poll.due_ms : now_ms >= d->health.until_ms;
}

void poll_try(struct flip_direct *d, int64_t now_ms)
{
	struct poll *p = &d->poll;
	const struct call c = { .kind = CALL_POLL };
	struct http_request q = { .method = HTTP_GET };
	char path[64] = "/v1/commands";
	int r;

	if (!poll_wanted(d, now_ms) || !calls_free(&d->calls, now_ms))
		return;
	if (p->page_due)
		snprintf(path, sizeof(path), "/v1/commands?skip=%d&limit=%d", p->skip, PAGE);
	r = calls_send(&d->calls, &c, path, NULL, &q);
	if (r < 0) {
		if (r != -EAGAIN && !p->unsent_said)
			log_warning("flip", "commands cannot be polled: %s; trying again", strerror(-r));
		p->unsent_said = p->unsent_said || r != -EAGAIN;
		return;
	}
	if (!p->page_due)
		p->due_ms = now_ms + POLL_MS - POLL_JITTER_MS + (int64_t)(health_dice() % (2 * POLL_JITTER_MS + 1));
	p->page_due = false;
}

void poll_end(struct poll *p)
{
	free(p->known);
	p->known = NULL;
	p->n_known = p->pages = p->skip = p->foreign = 0;
	p->page_due = false;
}

static int by_hash(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Does the page name anything that the pages before have not? A server that knows no paging gives the same list for ever. */
static bool brings_news(const struct poll *p, const struct flip_list *list)
{
	for (int i = 0; i < list->n_hashes; i++)
		if (!p->known || !bsearch(&list->hash[i], p->known, (size_t)p->n_known, sizeof(p->known[0]), by_hash))
			return true;
	return false;
}

static bool remember(struct poll *p, const struct flip_list *list)
{
	uint64_t *known = realloc(p->known, sizeof(*known) * (size_t)(p->n_known + list->n_hashes + 1));

	if (!known)
		return false;
	p->known = known;
	memcpy(&known[p->n_known], list->hash, sizeof(*known) * (size_t)list->n_hashes);
	p->n_known += list->n_hashes;
	qsort(known, (size_t)p->n_known, sizeof(*known), by_hash);
	return true;
}

/* Once a change: the same unreadable command is listed each minute. */
static void say_bad(struct flip_direct *d, const struct flip_list *list, bool more)
{
	struct poll *p = &d->poll;
	const bool beyond = list->beyond > 0 || (more && p->pages >= PAGES_MAX);

	if (list->bad > 0 && strcmp(p->bad_said, list->first_bad) != 0) {
		link_refuse(d->l, "polled", list->bad > 1 ? "commands" : "command", list->first_bad);
		snprintf(p->bad_said, sizeof(p->bad_said), "%s", list->first_bad);
	}
	if (list->bad == 0 && p->pages == 1)
		p->bad_said[0] = '\0';
	if (beyond && !p->beyond_said)
		log_warning("flip", "Flip lists more commands than are read; those for this hub may be missed");
	p->beyond_said = p->beyond_said || beyond;
}

static void offer(struct flip_direct *d, struct flip_list *list)
{
	struct flip_link *l = d->l;
	struct book_device devices[DEVICE_MAX];
	char ids[DEVICE_MAX][FLIP_ID_MAX];
	const int n = l->o.cb.devices(l->o.cb.context, devices, DEVICE_MAX);

	for (int i = 0; i < n; i++)
		memcpy(ids[i], devices[i].flip_device_id, FLIP_ID_MAX);
	flip_list_sift(list, (const char (*)[FLIP_ID_MAX])ids, n);
	d->poll.foreign += list->foreign;
	if (list->n > 0)
		link_commands_in(l, list->command, list->n, "", LINK_BY_POLL);
}

void poll_answered(struct flip_direct *d, struct flip_list *list, int64_t now_ms)
{
	struct poll *p = &d->poll;
	const bool news = p->pages == 0 || brings_news(p, list);
	bool more = list->n_rows >= PAGE && news;

	p->pages++;
	if (news) {
		offer(d, list);
		say_bad(d, list, more);
	}
	more = more && p->pages < PAGES_MAX && remember(p, list);
	if (more) {
		p->skip += list->n_rows;
		p->page_due = true;
		return;
	}
	d->l->stats.foreign = p->foreign;
	d->l->stats.polls++;
	d->l->stats.last_poll_ms = now_ms;
	poll_end(p);
}
