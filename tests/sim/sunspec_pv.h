/* The sun's inverter as a SunSpec device (1, 103, 120, 123): measurement and curtailment with its reversion timer. Pure. */
#ifndef HEARTH_SIM_SUNSPEC_PV_H
#define HEARTH_SIM_SUNSPEC_PV_H

#include "sim/sunspec_chain.h"
#include "sim/unit.h"

struct sunspec_pv {
	struct sunspec_chain chain;
	double peak_w;
	double left_s; /* until the curtailment reverts; 0 = not running */
};

void sunspec_pv_init(struct sunspec_pv *p, uint16_t base, double peak_w);

/** Another hand at the limit, in percent and for ever; NAN takes it off. */
void sunspec_pv_limit(struct sunspec_pv *p, double pct);

extern const struct unit_ops SUNSPEC_PV_OPS;

#endif
