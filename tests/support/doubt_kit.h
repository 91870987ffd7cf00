/* A little house for the unit tests of doubt: devices do at once what they are told, the meter shows the sum times a gain. */
#ifndef HEARTH_TESTS_DOUBT_KIT_H
#define HEARTH_TESTS_DOUBT_KIT_H

#include "support/desk.h"

#include <math.h>
#include <string.h>

#define KIT_TICK_MS 1000

static struct {
	struct snapshot s;
	const struct policy *policy;
	_Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
	const struct wishes *w;
	double load_w, gain, jump_w, noise_w, phase_gain;
	bool twice;                     /* L2 shows L1 too */
	int show[3];                    /* the phase of the meter that shows house phase L1..L3 */
	bool frozen, blind, wilful;     /* blind: the meter is not read; wilful: devices do as `power_w` says */
	struct order order[DEVICE_MAX]; /* what the rest of the chain would tell */
	double power_w[DEVICE_MAX];
	bool silent[DEVICE_MAX];        /* the device is not read */
	int ticks;
} kit;

static inline void kit_begin(const struct policy *policy)
{
	memset(&kit, 0, sizeof(kit));
	kit.policy = policy;
	kit.gain = kit.phase_gain = 1;
	kit.load_w = 500;
	kit.show[1] = 1;
	kit.show[2] = 2;
	desk_init(&kit.s);
	kit.s.dev[0].phases = 3;
}

static inline void kit_tell(int i, struct order order)
{
	kit.order[i] = order;
}

static inline void kit_meter(void)
{
	double sum_w = kit.load_w, phase_w[3] = { kit.load_w, 0, 0 };

	for (int i = 1; i < kit.s.n_devices; i++) {
		sum_w += kit.power_w[i];
		phase_w[kit.s.dev[i].phase > 0 ? kit.s.dev[i].phase - 1 : 0] += kit.power_w[i];
	}
	kit.s.grid_sample++;
	kit.s.grid_w.at_ms = kit.s.now_ms;
	if (kit.frozen)
		return;
	desk_grid(&kit.s, kit.gain * sum_w + kit.jump_w + (kit.ticks % 2 ? kit.noise_w : 0));
	kit.s.grid_sample--;
	for (int p = 0; p < 3; p++)
		value_set(&kit.s.phase_w[kit.show[p]], kit.gain * kit.phase_gain * phase_w[p], kit.s.now_ms, Q_GOOD);
	if (kit.twice)
		kit.s.phase_w[1] = kit.s.phase_w[0];
}

/* One tick: devices follow, all is read, the policy steps, its orders win. */
static inline void kit_tick(void)
{
	desk_wait(&kit.s, KIT_TICK_MS);
	kit.ticks++;
	for (int i = 1; i < kit.s.n_devices; i++) {
		const struct order *o = &kit.s.dev[i].ordered;

		if (!kit.wilful && (o->kind == ORDER_POWER || o->kind == ORDER_BALANCE))
			kit.power_w[i] = o->w;
		if (!kit.silent[i])
			desk_power(&kit.s, i, kit.power_w[i]);
		if (kit.s.dev[i].roles & ROLE_BATTERY && kit.s.dev[i].state.f[F_BATTERY_SOC_PCT].q == Q_GOOD)
			kit.s.dev[i].state.f[F_BATTERY_SOC_PCT].at_ms = kit.s.now_ms;
	}
	if (!kit.blind)
		kit_meter();
	kit.w = desk_step(kit.policy, &kit.s, kit.memory);
	for (int i = 1; i < kit.s.n_devices; i++) {
		const struct order_wish *o = desk_order(kit.w, i, RANK_NONE);
		struct order order = o ? o->order : kit.order[i];
		struct snap_device *d = &kit.s.dev[i];

		if (d->ordered.kind != order.kind || d->ordered.w != order.w)
			d->ordered_at_ms = kit.s.now_ms;
		d->ordered = order;
	}
}

static inline void kit_run(int ticks)
{
	for (int t = 0; t < ticks; t++)
		kit_tick();
}

/* A house with a battery at rest and no load, so that a change of gain is no noise. Returns the battery. */
static inline int kit_battery(void)
{
	int battery;

	kit_begin(&POLICY_DOUBT);
	kit.load_w = 0;
	battery = desk_battery(&kit.s, 50);
	kit_tell(battery, order_power(0));
	kit_run(3);
	return battery;
}

/* Orders of the rest of the chain, one every 12 s: each a clean step. */
static inline void kit_steps(int battery, int n)
{
	while (n-- > 0) {
		kit_tell(battery, order_power(kit.order[battery].w > 0 ? 0 : 1000));
		kit_run(12);
	}
}

static inline const struct doubt *kit_doubt(enum doubt_kind kind)
{
	for (int n = 0; n < kit.w->n_doubts; n++)
		if (kit.w->doubts[n].kind == kind)
			return &kit.w->doubts[n];
	return NULL;
}

/* Ticks until the doubt stands (or, with @is false, is gone); -1 = not within @most. */
static inline int kit_until(enum doubt_kind kind, bool is, int most)
{
	for (int t = 0; t < most; t++) {
		kit_tick();
		if ((kit_doubt(kind) != NULL) == is)
			return t + 1;
	}
	return -1;
}

#endif
