/* A simulated home with all its register maps and no sockets, for the unit tests: the sources are taken in whole. */
#ifndef HEARTH_SIM_FIXTURE_H
#define HEARTH_SIM_FIXTURE_H

#include "simulate/car.c"
#include "simulate/house.c"
#include "sim/keba.c"
#include "sim/rack.c"
#include "sim/sdm630.c"
#include "simulate/storage.c"
#include "sim/sunspec_battery.c"
#include "sim/sunspec_chain.c"
#include "sim/sunspec_pv.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct house home;
static struct sunspec_battery battery;
static struct sunspec_pv pv;
static struct keba box;
static struct sdm630 meter;
static struct rack rack;

static void near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		print_error("got %.6f, want %.6f +- %g\n", got, want, tolerance);
	assert_true(fabs(got - want) <= tolerance);
}

static void build(enum battery_models models, bool no_reversion, bool p40)
{
	struct house_options o = house_defaults();
	struct sunspec_battery_options b = { .base = 40000, .models = models, .no_reversion = no_reversion };

	o.noise_w = 0;
	house_init(&home, &o);
	home.load_set_w = 0;
	home.pv_set_w = 0;
	sunspec_battery_init(&battery, &b, &o.battery);
	sunspec_pv_init(&pv, 40000, 6000);
	keba_init(&box, p40);
	sdm630_init(&meter, 1);
	memset(&rack, 0, sizeof(rack));
	assert_true(rack_add(&rack, 1, &SUNSPEC_BATTERY_OPS, &battery));
	assert_true(rack_add(&rack, 2, &SUNSPEC_PV_OPS, &pv));
	assert_true(rack_add(&rack, 10, &SDM630_OPS, &meter));
	assert_true(rack_add(&rack, 255, &KEBA_OPS, &box));
	assert_false(rack_add(&rack, 255, &KEBA_OPS, &box));
}

static void run(double seconds)
{
	for (double t = 0; t < seconds - 1e-9; t += 0.1) {
		house_step(&home, 0.1);
		rack_step(&rack, &home, 0.1, (int64_t)(home.now_s * 1000));
	}
}

#endif
