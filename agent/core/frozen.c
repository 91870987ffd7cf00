/* See frozen.h. */
#include "core/frozen.h"

#include <string.h>

/* Counters may well stand still; these do not, taken together. */
static const enum field LIVE[] = {
	F_METER_POWER_W, F_METER_POWER_L1_W, F_METER_POWER_L2_W, F_METER_POWER_L3_W, F_METER_CURRENT_L1_A, F_METER_CURRENT_L2_A,
	F_METER_CURRENT_L3_A, F_METER_VOLTAGE_L1_V, F_METER_VOLTAGE_L2_V, F_METER_VOLTAGE_L3_V, F_METER_FREQUENCY_HZ,
};
#define LIVE_COUNT (sizeof(LIVE) / sizeof(LIVE[0]))

bool frozen_check(struct frozen *z, struct device_state *state, int64_t now_ms)
{
	uint64_t hash = 14695981039346656037u;
	int64_t newest = 0;
	int fields = 0;

	for (size_t i = 0; i < LIVE_COUNT; i++) {
		const struct value *v = &state->f[LIVE[i]];
		uint64_t bits;

		if (!value_usable(v))
			continue;
		memcpy(&bits, &v->v, sizeof(bits));
		hash = (hash ^ bits) * 1099511628211u;
		newest = v->at_ms > newest ? v->at_ms : newest;
		fields++;
	}
	if (fields >= FROZEN_FIELDS_MIN && newest > z->sample_ms) {
		if (hash != z->hash || !z->sample_ms) {
			z->hash = hash;
			z->since_ms = now_ms;
		}
		z->sample_ms = newest;
		z->frozen = now_ms - z->since_ms >= FROZEN_AFTER_MS;
	}
	if (!z->frozen)
		return false;
	for (size_t i = 0; i < LIVE_COUNT; i++)
		if (state->f[LIVE[i]].q > Q_BAD)
			state->f[LIVE[i]].q = Q_BAD;
	if (state->ac_power_w.q > Q_BAD)
		state->ac_power_w.q = Q_BAD;
	return true;
}
