/* See clock.h. */
#include "flow/clock.h"

#include "core/calendar.h"
#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"

#include <stdio.h>
#include <stdlib.h>

#define KEEP_MS (3600LL * 1000)
#define SETTING "clock"

static struct clock_look look_at(const struct hub *h)
{
	const struct loop_clocks *c = &h->clocks;

	return (struct clock_look){ c->now_ms, c->utc_ms, c->slept_ms, c->synchronised, c->timesyncd_utc_ms, h->cfg.site.clock_trust };
}

void clock_warning(const struct hub *h, char *text, size_t size)
{
	static const char WAIT[] = "the clock is not trusted: events, overrides and the plan wait";
	const struct clock_gate *g = &h->clock;
	const int64_t utc_ms = h->clocks.utc_ms, off_s = g->off_ms / 1000;
	char earliest[CALENDAR_TEXT_MAX];

	text[0] = '\0';
	if (g->trusted)
		return;
	if (g->refuted) {
		snprintf(text, size, "%s; it is %lld s %s the time of a verified server: set it, or mend its time server", WAIT,
			 (long long)llabs(off_s), off_s > 0 ? "behind" : "ahead of");
	} else if (clock_gate_behind(g, utc_ms)) {
		calendar_format(g->earliest_utc_ms > CLOCK_BUILT_UTC_MS ? g->earliest_utc_ms : CLOCK_BUILT_UTC_MS, earliest);
		snprintf(text, size, "%s; it shows a time that is over, %s has been already: set it, or wait for the network", WAIT, earliest);
	} else {
		snprintf(text, size, "%s; nobody vouches for it: look at network time (timedatectl), or set [site] clock = trust", WAIT);
	}
}

static void say(const struct hub *h, uint32_t news)
{
	const struct clock_gate *g = &h->clock;
	char why[200];

	if (news & CLOCK_SLEPT)
		log_warning("clock", "the machine was suspended for %.1f s: what was read before is that old", (double)g->sleep_ms / 1000);
	if (news & CLOCK_STEPPED)
		log_warning("clock", "the wall clock was stepped by %+.1f s", (double)g->step_ms / 1000);
	if (news & CLOCK_TRUST_CHANGED && g->trusted)
		log_notice("clock", "trusted, by %s", clock_source_word(g->by == CLOCK_NOBODY ? CLOCK_CONFIG : g->by));
	clock_warning(h, why, sizeof(why));
	if (news & CLOCK_TRUST_CHANGED && why[0])
		log_notice("clock", "%s", why);
}

bool hub_clock(struct hub *h)
{
	struct clock_look l;
	uint32_t news;

	loop_clocks(&h->clocks);
	l = look_at(h);
	news = clock_gate_look(&h->clock, &l);
	h->clock_trusted = h->clock.trusted;
	if (news & CLOCK_SLEPT)
		h->woke_ms = l.now_ms;
	if (news) {
		say(h, news);
		h->prices_due_ms = 0;   /* another day perhaps: prices are composed anew, and a plan is made from them */
		h->agent_due_ms = 0;
		h->flip_due_utc_ms = 1; /* the book moves before the next tick thinks */
	}
	return h->clock_trusted;
}

void clock_word(struct hub *h, enum clock_source source, int64_t sender_utc_ms)
{
	struct clock_look l;

	hub_clock(h); /* a step since the last look must not be vouched for by what was said before it */
	l = look_at(h);
	clock_gate_word(&h->clock, source, sender_utc_ms, &l);
}

void clock_keep(struct hub *h)
{
	const struct clock_gate *g = &h->clock;
	AUTO_JSON *o = NULL;
	AUTO_TEXT *text = NULL;

	if (!g->trusted || g->by == CLOCK_NOBODY)
		return;
	if (h->clock_kept_ms && h->clocks.now_ms - h->clock_kept_ms < KEEP_MS && g->earliest_utc_ms >= h->clock_kept_utc_ms)
		return;
	h->clock_kept_ms = h->clocks.now_ms;
	h->clock_kept_utc_ms = g->earliest_utc_ms;
	o = cJSON_CreateObject();
	json_add_time(o, "newest", g->earliest_utc_ms);
	text = cJSON_PrintUnformatted(o);
	if (!text || hub_store_setting(h, SETTING, text, NULL, NULL) < 0)
		log_debug("clock", "the newest time could not be stored"); /* an hour later again: nobody depends on it */
}

void clock_load(struct hub *h, const char *body)
{
	AUTO_JSON *o = json_parse(body, strlen(body), 1024, 4, NULL);
	char text[64] = "";
	int64_t utc_ms;

	if (o && json_get_text(o, "newest", text, sizeof(text), NULL) > 0 && calendar_parse(text, &utc_ms) == 0)
		h->clock.earliest_utc_ms = utc_ms;
}

cJSON *clock_encode(const struct hub *h)
{
	const struct clock_gate *g = &h->clock;
	cJSON *o = cJSON_CreateObject(), *list;
	enum clock_source by = g->by;

	if (by == CLOCK_NOBODY && h->cfg.site.clock_trust)
		by = CLOCK_CONFIG;
	cJSON_AddBoolToObject(o, "trusted", g->trusted);
	cJSON_AddStringToObject(o, "by", clock_source_word(by));
	list = cJSON_AddArrayToObject(o, "refuted_by");
	for (int i = 0; i < CLOCK_SOURCES; i++)
		if (g->refuted & 1u << i)
			cJSON_AddItemToArray(list, cJSON_CreateString(clock_source_word((enum clock_source)i)));
	if (g->refuted)
		json_add_number(o, "off_s", (double)g->off_ms / 1000, 0);
	cJSON_AddNumberToObject(o, "steps", g->steps);
	if (g->steps)
		json_add_number(o, "step_s", (double)g->step_ms / 1000, 1);
	cJSON_AddNumberToObject(o, "sleeps", g->sleeps);
	if (g->sleeps)
		json_add_number(o, "slept_s", (double)g->sleep_ms / 1000, 1);
	return o;
}
