/* Notices a meter whose registers do not move any more although it still answers: a gateway that repeats its last cache, or
 * a hung meter. Voltage, frequency and current of a living grid never stand still together. Pure. */
#ifndef HEARTH_CORE_FROZEN_H
#define HEARTH_CORE_FROZEN_H

#include "core/device.h"

#define FROZEN_AFTER_MS 60000
#define FROZEN_FIELDS_MIN 3 /* with fewer live values a standstill proves nothing */

struct frozen {
	uint64_t hash;          /* of the live values */
	int64_t since_ms;       /* when they last changed */
	int64_t sample_ms;      /* newest reading looked at */
	bool frozen;
};

/**
 * Looks at a meter's new readings; when they have been the same for FROZEN_AFTER_MS marks them Q_BAD.
 * Returns true while frozen.
 */
bool frozen_check(struct frozen *z, struct device_state *state, int64_t now_ms);

#endif
