/* What patience holds was mostly cut by somebody: a limit stopped the car, and now it rests for a minute. Then the cause stays what
 * it was, with patience named beside it, until the car rises, gets what it wants or is cut by another. */
#include "policies/sentence.h"
#include "policies/work.h"

#include <stdio.h>
#include <string.h>

#define MINUTE_MS 60000

static double power_w(const struct order *o)
{
	return o->kind == ORDER_POWER ? o->w : 0;
}

/* The minute by which it has ended, not the one in which it does. */
static void retry_words(const struct snapshot *s, int64_t retry_ms, char text[48])
{
	char at[SENTENCE_TIME_MAX];

	if (s->clock_trusted)
		snprintf(text, 48, "tries again at %s", sentence_time(s, (s->utc_ms + retry_ms - s->now_ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS, at));
	else
		snprintf(text, 48, "tries again soon");
}

/* Patience alone. */
static void wait_words(const struct snapshot *s, struct work_device *d)
{
	char retry[48];

	d->cut_code = d->patience;
	snprintf(d->cut, sizeof(d->cut), "%s", d->wait);
	if (d->retry_ms == 0)
		return;
	retry_words(s, d->retry_ms, retry);
	snprintf(d->cut, sizeof(d->cut), "%s, %s", d->wait, retry);
}

/* The cut that patience keeps. */
static void held_words(const struct snapshot *s, struct work_device *d, const struct chain_held *h)
{
	char retry[48];

	d->limited_by |= h->limited_by;
	d->cut_code = h->code;
	memcpy(d->cut, h->why, sizeof(d->cut));
	if (d->retry_ms == 0)
		return;
	retry_words(s, d->retry_ms, retry);
	snprintf(d->cut, sizeof(d->cut), "paused by %.*s, %s", h->name_n, h->why, retry);
}

void held_note(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		struct chain_held *h = &d->memory->held;
		double now_w = power_w(&d->order);
		bool kept = d->patience != REASON_NONE && now_w <= power_w(&d->dev->ordered) && now_w < power_w(&d->wanted);

		if (!d->charger)
			continue;
		if (!kept) {
			*h = (struct chain_held){ d->limited_by, d->limited_by ? d->cut_code : REASON_NONE, d->cut_name_n, "" };
			memcpy(h->why, d->cut, sizeof(h->why));
		}
		if (kept && h->code != REASON_NONE)
			held_words(w->s, d, h);
		else if (d->patience != REASON_NONE)
			wait_words(w->s, d);
	}
}
