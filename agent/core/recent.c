/* See recent.h. */
#include "core/recent.h"

#include <stddef.h>

/* FNV-1a of both words and the end of the first; even, and never 0. */
static uint64_t hash_of(const char *user, const char *transaction)
{
	uint64_t h = 14695981039346656037u;

	for (; *user; user++)
		h = (h ^ (unsigned char)*user) * 1099511628211u;
	h *= 1099511628211u;
	for (; *transaction; transaction++)
		h = (h ^ (unsigned char)*transaction) * 1099511628211u;
	h &= ~(uint64_t)1;
	return h ? h : 2;
}

uint64_t recent_hash(const char *text)
{
	return hash_of("", text);
}

/* Index, or -1. From the newest on: a repeat mostly comes soon. */
static int find(const struct recent *r, uint64_t hash)
{
	for (int i = 0; i < RECENT_MAX; i++) {
		const int k = (r->next - 1 - i + RECENT_MAX) % RECENT_MAX;

		if ((r->at[k].hash & ~(uint64_t)1) == hash)
			return k;
		if (r->at[k].hash == 0 && r->at[k].at_ms == 0)
			return -1; /* never used: nothing older */
	}
	return -1;
}

static bool fresh(const struct recent *r, int i, int64_t now_ms)
{
	return r->at[i].hash && now_ms - r->at[i].at_ms <= RECENT_MS;
}

enum recent_state recent_ask(struct recent *r, const char *user, const char *transaction, const char *args, int64_t now_ms)
{
	const uint64_t hash = hash_of(user, transaction), args_hash = recent_hash(args);
	const int i = find(r, hash);

	if (i >= 0 && fresh(r, i, now_ms) && r->at[i].args != args_hash)
		return RECENT_OTHER;
	if (i >= 0 && fresh(r, i, now_ms))
		return r->at[i].hash & 1 ? RECENT_ANSWERED : RECENT_UNDER_WAY;
	for (int n = 0; n < RECENT_MAX && fresh(r, r->next, now_ms); n++) /* what was refused left holes */
		r->next = (r->next + 1) % RECENT_MAX;
	if (fresh(r, r->next, now_ms))
		return RECENT_FULL;
	r->at[r->next].hash = hash;
	r->at[r->next].args = args_hash;
	r->at[r->next].at_ms = now_ms;
	r->next = (r->next + 1) % RECENT_MAX;
	return RECENT_NEW;
}

void recent_end(struct recent *r, const char *user, const char *transaction, bool done)
{
	const int i = find(r, hash_of(user, transaction));

	if (i >= 0)
		r->at[i].hash = done ? r->at[i].hash | 1 : 0;
}

bool recent_known(const struct recent *r, const char *user, const char *transaction, int64_t now_ms)
{
	const int i = find(r, hash_of(user, transaction));

	return i >= 0 && fresh(r, i, now_ms);
}
