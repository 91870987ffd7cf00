/* A sun inverter for fake_unit: models 103 (or 701), 120, 121, 123, 702, 704 as asked for; it produces what the sun gives
 * and its limit allows, and its reversion timers really run down. */
#ifndef HEARTH_TESTS_FAKE_SUN_H
#define HEARTH_TESTS_FAKE_SUN_H

#include "support/fake_sunspec.h"

enum { SUN_123 = 1, SUN_704 = 2, SUN_121 = 4, SUN_TIMER = 8, SUN_DEAF = 16 /* keeps registers, does nothing */ };

struct fake_sun {
	struct fake_unit unit;
	uint16_t inverter, nameplate, settings, immediate, capacity, control;
	bool deaf;
	int min_pct;          /* the inverter does not go below this */
	int64_t revert_at_ms; /* 0 = not running */
	double sun_w;         /* what the sun would give */
};

/** 8 kW by 120, 121 and 702 (7.5 kW by 121), percent in tenths, the sun gives 5 kW, no limit. */
void fake_sun(struct fake_sun *s, int what);
/** Produced now, W, positive. */
double fake_sun_w(struct fake_sun *s);

#endif
