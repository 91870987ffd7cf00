/* A snapshot to fill by hand: what unit tests of policies put on the table. */
#ifndef HEARTH_TESTS_DESK_H
#define HEARTH_TESTS_DESK_H

#include "policies/chain.h"
#include "policies/policies.h"

#define DESK_UTC_MS 1767265200000 /* 2026-01-01 11:00 UTC */

/** An empty site with a good clock at now 1000000 ms; the meter is device 0 and reads 0 W. */
void desk_init(struct snapshot *s);
/** A new meter reading now. */
void desk_grid(struct snapshot *s, double grid_w);
/** 10 kWh, 5 kW both ways, guarded, takes power; hardware minimum 5 %, rests. Returns its index. */
int desk_battery(struct snapshot *s, double soc_pct);
/** Single-phase, 6..32 A at 230 V, a car is plugged in and draws @power_w. Returns its index. */
int desk_charger(struct snapshot *s, double power_w);
/** The device is measured at @power_w now. */
void desk_power(struct snapshot *s, int i, double power_w);
void desk_soc(struct snapshot *s, int i, double soc_pct);
/** A command running for an hour from a minute ago; all reserves null, grid_import not said. */
struct command_view *desk_command(struct snapshot *s, int i, enum battery_mode mode, enum power_mode power_mode, double setpoint_w);
/** Time goes on; values keep their times. */
void desk_wait(struct snapshot *s, int64_t ms);

/** One step of one policy with fresh memory unless @memory is given. Static storage: the next call overwrites it. */
const struct wishes *desk_step(const struct policy *p, const struct snapshot *s, void *memory);
/** The order of @rank for @device in the wishes (RANK_NONE: any); NULL = none. */
const struct order_wish *desk_order(const struct wishes *w, int device, enum rank rank);
/** The tightest bounds in the wishes for a device. */
void desk_bounds(const struct wishes *w, int device, double *min_w, double *max_w);
/** One step of the whole chain; writes back what was ordered, as the tick does. */
void desk_chain(struct chain *c, struct snapshot *s, struct decisions *out);

#endif
