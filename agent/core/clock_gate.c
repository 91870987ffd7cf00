/* See clock_gate.h. */
#include "core/clock_gate.h"

bool clock_gate_step(struct clock_gate *g, int64_t now_ms, int64_t utc_ms, bool kernel_synchronised, bool always, bool *stepped)
{
	int64_t offset = utc_ms - now_ms, moved = offset - g->offset_ms;
	bool jumped = g->seen && (moved > CLOCK_STEP_MS || moved < -CLOCK_STEP_MS);

	if (jumped) {
		/* What was said about the old time says nothing about the new one. */
		g->vouched = g->refuted = false;
		g->steps++;
	}
	g->seen = true;
	g->offset_ms = offset;
	if (stepped)
		*stepped = jumped;
	return always || (!g->refuted && (kernel_synchronised || g->vouched));
}

void clock_gate_vouch(struct clock_gate *g, int64_t sender_utc_ms, int64_t utc_ms)
{
	int64_t ahead = sender_utc_ms - utc_ms;

	if (ahead > CLOCK_VOUCH_MS) {
		g->refuted = true;
		g->vouched = false;
	} else if (ahead >= -CLOCK_VOUCH_MS && !g->refuted) {
		g->vouched = true;
	}
}
