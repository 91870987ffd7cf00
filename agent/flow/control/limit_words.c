/* See limit_words.h. */
#include "flow/control/limit_words.h"

#include "flow/hub.h"
#include "io/loop.h"

#include <math.h>
#include <stdio.h>

#define END_MAX 48

/* " until 14:00", of the site's time zone; "" while nobody knows what time it is. */
static const char *end_words(const struct hub *h, int64_t utc_ms, char out[END_MAX])
{
	struct civil at, today;

	out[0] = '\0';
	if (!utc_ms || !h->clock_trusted)
		return out;
	calendar_local(&h->zone, utc_ms, &at);
	calendar_local(&h->zone, loop_utc_ms(), &today);
	if (at.day == today.day && at.month == today.month && at.year == today.year)
		snprintf(out, END_MAX, " until %02d:%02d", at.hour % 100, at.minute % 100);
	else
		snprintf(out, END_MAX, " until %04d-%02d-%02d %02d:%02d", at.year % 10000, at.month % 100, at.day % 100, at.hour % 100, at.minute % 100);
	return out;
}

bool limit_words_paused(const struct hub *h)
{
	return owner_paused_at(&h->owner, loop_utc_ms(), loop_now_ms());
}

bool limit_words_pause(const struct hub *h, const struct limit_view *v, char *out, size_t size)
{
	const struct config_site *c = &h->cfg.site;
	const struct { double value; const char *whose, *what; } LIMITS[] = {
		{ v->side[LIMIT_IMPORT].w, "the limit from outside of", "W import" }, { v->side[LIMIT_EXPORT].w, "the limit from outside of", "W export" },
		{ c->import_limit_w > 0 ? c->import_limit_w : NAN, "the site's limit of", "W import" },
		{ c->export_limit_w > 0 ? c->export_limit_w : NAN, "the site's limit of", "W export" },
		{ c->fuse_a > 0 ? c->fuse_a : NAN, "the main fuse of", "A" },
	};
	char end[END_MAX], one[64];
	size_t n;
	bool any = false;

	if (!limit_words_paused(h))
		return false;
	n = (size_t)snprintf(out, size, "paused for service%s: not kept: ", end_words(h, h->owner.pause_until_utc_ms, end));
	for (size_t i = 0; i < sizeof(LIMITS) / sizeof(LIMITS[0]); i++) {
		if (isnan(LIMITS[i].value))
			continue;
		snprintf(one, sizeof(one), "%s %.0f %s", LIMITS[i].whose, LIMITS[i].value, LIMITS[i].what);
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", any ? ", " : "", one);
		any = true;
	}
	return any;
}

bool limit_words_looser(const struct hub *h, const struct limit_input *in, enum limit_direction side, char *out, size_t size)
{
	const struct limit_side *s = &in->side[side];
	char end[END_MAX], now[24] = "none";

	if (!s->tighter.stated)
		return false;
	if (!isnan(s->demand.w))
		snprintf(now, sizeof(now), "%.0f W", s->demand.w);
	snprintf(out, size, "%s limit: %s, said last by %s, replaced the tighter %.0f W of %s, which would stand%s", side == LIMIT_IMPORT ? "import" : "export",
		 now, s->source, s->tighter.w, s->tighter_source, s->tighter.until_utc_ms ? end_words(h, s->tighter.until_utc_ms, end) : " without an end");
	return true;
}
