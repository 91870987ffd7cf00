/* A home to plan for: meter, battery of 10 kWh half full, a car at a charger; two rates with a dear evening, known for 30 h. */
#ifndef HEARTH_TESTS_PLAN_WORLD_H
#define HEARTH_TESTS_PLAN_WORLD_H

#include "policies/planner/home.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1768471510500LL /* 2026-01-15T10:05:10.5Z */
#define HOUR 3600000LL

struct world {
	struct config config;
	struct zone zone;
	struct snapshot s;
	struct price_series import_prices, export_prices;
	struct planning_inputs in;
	struct forecast forecast;
	int changes;
};

static void battery_set(struct snap_device *d, double soc_pct)
{
	memset(d, 0, sizeof(*d));
	strcpy(d->id, "battery");
	d->roles = ROLE_BATTERY;
	d->capacity_wh = 10000;
	d->charge_max_w = d->discharge_max_w = 4000;
	d->soc_min_pct = 5;
	d->soc_max_pct = d->failsafe_a = NAN;
	d->state.kinds = KIND_BATTERY;
	d->state.availability = AVAIL_ONLINE;
	d->state.caps = (struct device_caps){ .charge_max_w = 4000,
					      .discharge_max_w = 4000,
					      .can_power = true,
					      .can_hold = true,
					      .guarded_by = GUARDED_DEVICE };
	value_set(&d->state.f[F_BATTERY_SOC_PCT], soc_pct, 1000, Q_GOOD);
	value_set(&d->state.ac_power_w, 0, 1000, Q_GOOD);
}

static void charger_set(struct snap_device *d)
{
	memset(d, 0, sizeof(*d));
	strcpy(d->id, "charger");
	d->roles = ROLE_CHARGER;
	d->capacity_wh = d->discharge_max_w = d->soc_min_pct = d->soc_max_pct = NAN;
	d->charge_max_w = 7360;
	d->phases = 1;
	d->state.kinds = KIND_CHARGER;
	d->state.availability = AVAIL_ONLINE;
	d->state.caps = (struct device_caps){ .charge_max_w = 7360, .min_w = 1380, .can_power = true };
	value_set(&d->state.f[F_CHARGER_CONNECTED], 1, 1000, Q_GOOD);
	value_set(&d->state.ac_power_w, 0, 1000, Q_GOOD);
	d->ev_mode = EV_CHEAP;
	d->ev_energy_wh = 12000;
	d->ev_ready_by_utc_ms = NOW + 20 * HOUR;
}

__attribute__((unused)) static struct world *world_make(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tariff_windows t;
	struct snap_device *grid;

	assert_non_null(w);
	w->config.plan = (struct config_plan){ .horizon_h = 48, .slot_s = 300, .wear_cost = 0.01 };
	w->config.site.latitude = w->config.site.longitude = NAN;
	w->s.now_ms = 1000;
	w->s.utc_ms = NOW;
	w->s.clock_trusted = true;
	w->s.site = (struct site_params){ .import_limit_w = 11500,
					  .export_limit_w = 3680,
					  .reserve_pct = 20,
					  .grid_charging = true,
					  .battery_export = true };
	w->s.external = (struct external_limit){ .import_w = NAN, .export_w = NAN };
	w->s.n_devices = 3;
	w->s.grid_device = 0;
	grid = &w->s.dev[0];
	strcpy(grid->id, "grid");
	grid->roles = ROLE_GRID;
	grid->state.availability = AVAIL_ONLINE;
	value_set(&w->s.grid_w, 800, 1000, Q_GOOD);
	battery_set(&w->s.dev[1], 50);
	charger_set(&w->s.dev[2]);
	assert_int_equal(tariff_parse("00:00-07:00 0.09, 07:00-16:00 0.28, 16:00-19:00 0.38, 19:00-00:00 0.28", &t, NULL),
			 0);
	tariff_expand(&t, &w->zone, NOW - 25 * HOUR, NOW + 30 * HOUR, &w->import_prices);
	assert_int_equal(tariff_parse("0.15", &t, NULL), 0);
	tariff_expand(&t, &w->zone, NOW - HOUR, NOW + 72 * HOUR, &w->export_prices);
	w->in.utc_ms = NOW;
	w->in.import_prices = &w->import_prices;
	w->in.export_prices = &w->export_prices;
	w->in.snapshot = &w->s;
	forecast_init(&w->forecast);
	w->forecast.push.n_load = 1; /* a flat load, so that numbers below can be read */
	w->forecast.push.load[0] = (struct forecast_segment){ NOW - HOUR, 30 * 86400, 350 };
	return w;
}

__attribute__((unused)) static int build(struct world *w, struct plan_instance *in, struct home_map *map, struct errbuf *err)
{
	const struct home home = { &w->config, &w->zone, &w->forecast };

	return home_instance(&w->in, &home, in, map, err);
}

#endif
