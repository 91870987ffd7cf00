/* A desk that lives: every second devices do as the last tick told them, the meter shows the sum, and the chain thinks. Without
 * delays and noise (home.h has those): for tests of what is decided, over time. */
#ifndef HEARTH_TESTS_LIVE_H
#define HEARTH_TESTS_LIVE_H

#include "support/desk.h"

#include <math.h>
#include <string.h>

struct live {
	struct snapshot s;
	struct chain c;
	struct decisions d;
	double load_w[3];               /* of the house, per phase */
	double takes_w[DEVICE_MAX];     /* a car takes no more, a PV's sun gives no more; INFINITY at first */
	double stubborn_w[DEVICE_MAX];  /* draws this whenever it is told anything but 0; 0 = does as told */
	bool phases;                    /* the meter has them */
};

static inline void live_init(struct live *l)
{
	memset(l, 0, sizeof(*l));
	chain_init(&l->c);
	desk_init(&l->s);
	for (int i = 0; i < DEVICE_MAX; i++)
		l->takes_w[i] = INFINITY;
}

/** 6..32 A on three phases, a car is plugged in. */
static inline int live_charger3(struct live *l)
{
	int i = desk_charger(&l->s, 0);

	l->s.dev[i].phases = 3;
	l->s.dev[i].state.caps.charge_max_w = 3 * 32 * 230;
	l->s.dev[i].state.caps.min_w = 3 * 6 * 230;
	return i;
}

/** An inverter that can be curtailed, 10 kW. */
static inline int live_pv(struct live *l, double sun_w)
{
	int i = desk_battery(&l->s, 50);
	struct snap_device *d = &l->s.dev[i];

	memset(&d->state.f, 0, sizeof(d->state.f));
	d->roles = ROLE_PV;
	d->phases = 3;
	d->state.caps.can_curtail = true;
	d->state.caps.charge_max_w = 0;
	d->state.caps.discharge_max_w = 10000;
	value_set(&d->state.f[F_PV_POWER_MAX_W], 10000, l->s.now_ms, Q_GOOD);
	l->takes_w[i] = sun_w;
	return i;
}

static inline double live_power(const struct live *l, int i)
{
	const struct snap_device *d = &l->s.dev[i];
	double told_w = d->ordered.kind == ORDER_POWER || d->ordered.kind == ORDER_BALANCE ? d->ordered.w : 0;

	if (d->roles & ROLE_PV)
		return -fmin(l->takes_w[i], d->ordered.kind == ORDER_POWER ? -told_w : INFINITY);
	if (told_w != 0 && l->stubborn_w[i] != 0)
		return l->stubborn_w[i];
	return fmin(told_w, l->takes_w[i]);
}

/** The meter and all devices are read now. A meter that never moves at all would not be believed. */
static inline void live_read(struct live *l)
{
	double still_w = (double)(l->s.now_ms / 1000 % 5) * 0.05 - 0.1;
	double phase_w[3] = { l->load_w[0] + still_w, l->load_w[1], l->load_w[2] };

	for (int i = 1; i < l->s.n_devices; i++) {
		const struct snap_device *d = &l->s.dev[i];
		const struct value *v = &d->state.f[F_CHARGER_PHASES];
		int phases = v->q == Q_ABSENT ? d->phases : (int)v->v, on = d->phase ? d->phase - 1 : 0;
		double power_w = live_power(l, i);

		for (int p = 0; p < 3; p++)
			phase_w[p] += phases == 3 ? power_w / 3 : p == on ? power_w : 0;
		desk_power(&l->s, i, power_w);
		if (d->roles & ROLE_BATTERY)
			desk_soc(&l->s, i, d->state.f[F_BATTERY_SOC_PCT].v);
	}
	for (int p = 0; p < 3 && l->phases; p++)
		value_set(&l->s.phase_w[p], phase_w[p], l->s.now_ms, Q_GOOD);
	desk_grid(&l->s, phase_w[0] + phase_w[1] + phase_w[2]);
}

static inline void live_run(struct live *l, int seconds)
{
	for (int t = 0; t < seconds; t++) {
		desk_wait(&l->s, 1000);
		live_read(l);
		desk_chain(&l->c, &l->s, &l->d);
	}
}

static inline double live_order(const struct live *l, int i)
{
	return l->d.d[i].order.w;
}

#endif
