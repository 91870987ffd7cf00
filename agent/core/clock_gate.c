/* See clock_gate.h. */
#include "core/clock_gate.h"

const char *clock_source_word(enum clock_source s)
{
	static const char *const WORD[CLOCK_SOURCES] = { "nobody", "configuration", "kernel", "timesyncd", "flip", "flatpeak", "mail" };

	return WORD[s];
}

bool clock_gate_behind(const struct clock_gate *g, int64_t utc_ms)
{
	return utc_ms < CLOCK_BUILT_UTC_MS || utc_ms < g->earliest_utc_ms - CLOCK_VOUCH_MS;
}

static void vouch(struct clock_gate *g, enum clock_source source, const struct clock_look *l)
{
	g->by = source;
	g->vouched_ms = l->now_ms;
	g->insist_ms = 0;
	if (clock_gate_behind(g, l->utc_ms))
		g->earliest_utc_ms = l->utc_ms; /* what was taken for known came from a clock that ran ahead */
}

void clock_gate_word(struct clock_gate *g, enum clock_source source, int64_t sender_utc_ms, const struct clock_look *l)
{
	const int64_t ahead = sender_utc_ms - l->utc_ms;
	const bool answer = source != CLOCK_MAIL;

	if (ahead > CLOCK_VOUCH_MS || (answer && ahead < -CLOCK_VOUCH_MS)) {
		g->refuted |= 1u << source;
		g->off_ms = ahead;
		g->by = CLOCK_NOBODY;
		if (sender_utc_ms < g->earliest_utc_ms && answer)
			g->earliest_utc_ms = sender_utc_ms; /* ours ran ahead, and what it had shown was wrong */
	} else if (ahead >= -CLOCK_VOUCH_MS) {
		g->refuted &= ~(1u << source);
		/* yesterday's mail must not prove a clock that stopped yesterday */
		if (!g->refuted && l->utc_ms >= CLOCK_BUILT_UTC_MS && (answer || !clock_gate_behind(g, l->utc_ms)))
			vouch(g, source, l);
	}
}

/* A step: what was said about the old time says nothing about the new one. */
static void forget(struct clock_gate *g)
{
	g->by = CLOCK_NOBODY;
	g->refuted = 0;
	g->insist_ms = 0;
	g->timesyncd_void_ms = g->timesyncd_utc_ms;
}

/* What this machine says of its own clock. */
static enum clock_source system_word(const struct clock_gate *g, const struct clock_look *l)
{
	const int64_t age = l->utc_ms - l->timesyncd_utc_ms;

	if (l->kernel)
		return CLOCK_KERNEL;
	if (l->timesyncd_utc_ms && l->timesyncd_utc_ms != g->timesyncd_void_ms && age > -CLOCK_STEP_MS && age <= CLOCK_TIMESYNCD_MS)
		return CLOCK_TIMESYNCD;
	return CLOCK_NOBODY;
}

static void hear_system(struct clock_gate *g, const struct clock_look *l)
{
	const enum clock_source source = system_word(g, l);

	if (source == CLOCK_NOBODY || g->refuted || l->utc_ms < CLOCK_BUILT_UTC_MS) {
		g->insist_ms = 0;
		return;
	}
	if (clock_gate_behind(g, l->utc_ms)) {
		if (!g->insist_ms)
			g->insist_ms = l->now_ms;
		if (l->now_ms - g->insist_ms < CLOCK_INSIST_MS)
			return;
	}
	vouch(g, source, l);
}

uint32_t clock_gate_look(struct clock_gate *g, const struct clock_look *l)
{
	const int64_t offset = l->utc_ms - l->now_ms, moved = offset - g->offset_ms, slept = l->slept_ms - g->slept_ms;
	const bool before = g->trusted;
	uint32_t news = 0;

	if (g->seen && (moved > CLOCK_STEP_MS || moved < -CLOCK_STEP_MS)) {
		forget(g);
		g->steps++;
		g->step_ms = moved;
		news |= CLOCK_STEPPED;
	}
	if (g->seen && slept > CLOCK_STEP_MS) {
		g->sleeps++;
		g->sleep_ms = slept;
		news |= CLOCK_SLEPT;
	}
	g->seen = true;
	g->offset_ms = offset;
	g->slept_ms = l->slept_ms;
	hear_system(g, l);
	g->timesyncd_utc_ms = l->timesyncd_utc_ms;
	g->trusted = l->always || (g->by != CLOCK_NOBODY && l->now_ms - g->vouched_ms <= CLOCK_HOLD_MS);
	if (g->trusted && g->by != CLOCK_NOBODY && l->utc_ms > g->earliest_utc_ms)
		g->earliest_utc_ms = l->utc_ms;
	return news | (g->trusted != before ? CLOCK_TRUST_CHANGED : 0);
}
