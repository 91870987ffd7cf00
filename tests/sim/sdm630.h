/* Eastron SDM630 register map: floats by FC 4, 0x00..0x4F in one block and the total at 342. Pure. */
#ifndef HEARTH_SIM_SDM630_H
#define HEARTH_SIM_SDM630_H

#include "sim/unit.h"

#define SDM630_WORDS 0x50

struct sdm630 {
	double share; /* part of the house's grid power this meter sees: 1 for the grid meter, less for bench meters */
	uint16_t words[SDM630_WORDS];
	uint16_t total[2];
};

void sdm630_init(struct sdm630 *m, double share);

extern const struct unit_ops SDM630_OPS;

#endif
