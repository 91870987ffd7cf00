/* The whole simulator in one struct: home, devices, server, clouds, control port. main.c owns it. */
#ifndef HEARTH_SIM_SIM_H
#define HEARTH_SIM_SIM_H

#include "sim/cloud.h"
#include "sim/control.h"
#include "simulate/house.h"
#include "sim/keba.h"
#include "sim/options.h"
#include "sim/rack.h"
#include "sim/sdm630.h"
#include "sim/server.h"
#include "sim/sunspec_battery.h"
#include "sim/sunspec_pv.h"

struct sim {
	struct options options;
	uv_loop_t loop;
	uv_timer_t tick;
	uv_signal_t term, interrupt;
	uint64_t stepped_ns;
	bool stopping;
	struct house house;
	struct rack rack;
	struct server server;
	struct control control;
	struct clouds clouds;
	struct sunspec_battery battery;
	struct sunspec_pv pv;
	struct keba keba;
	struct sdm630 meter;
	struct sdm630 extra[OPTIONS_DEVICES_MAX];
};

/** Moves home and devices on to this moment. */
void sim_step(struct sim *s);

/** Closes every handle; the loop then runs dry. */
void sim_stop(struct sim *s);

#endif
