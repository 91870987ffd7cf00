/* See backoff.h. */
#include "core/backoff.h"

int32_t backoff_next(struct backoff *b, uint32_t random)
{
	int32_t wait;

	if (b->next_ms < b->first_ms)
		b->next_ms = b->first_ms;
	wait = b->next_ms / 2 + (int32_t)((uint64_t)(uint32_t)(b->next_ms - b->next_ms / 2) * random >> 32);
	b->next_ms = b->next_ms > b->cap_ms / 2 ? b->cap_ms : b->next_ms * 2;
	return wait;
}

void backoff_reset(struct backoff *b)
{
	b->next_ms = 0;
}
