/* From a snapshot to a plan on a real worker and loop, and the instance made on the way. */
#include "flow/control/planning.h"

#include "core/json.h"
#include "support/cm.h"
#include "support/plan_check.h"
#include "support/plan_world.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_instance(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;
	double hours = 0;

	(void)context;
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_true(in.n_batteries == 1 && in.n_evs == 1 && map.battery_device[0] == 1 && map.ev_device[0] == 2);
	assert_int_equal(in.start_utc_ms, NOW / 1000 * 1000);
	assert_true(fabs(in.slot_h[0] * 3600 - 290) < 1e-6); /* up to 10:10:00 */
	assert_true(fabs(in.slot_h[1] * 3600 - 300) < 1e-6);
	for (int t = 0; t < in.slots; t++)
		hours += in.slot_h[t];
	assert_true(hours >= 47.99 && hours < 48.5 && in.import_price[in.slots - 1] == 0.28); /* prices end before the horizon: guessed */
	assert_int_equal(map.known_until_utc_ms, NOW + 30 * HOUR);
	assert_true(in.import_max_kw[0] == 11.5 && in.export_max_kw[0] == 3.68 && in.curtail_max_kw[0] == 0);
	assert_true(in.battery[0].capacity_kwh == 10 && in.battery[0].soc_kwh == 5 && in.battery[0].floor_kwh[1] == 2);
	assert_true(in.battery[0].grid_charge && in.battery[0].wear_cost == 0.01 && in.load_kw[0] == 0.35);
	assert_true(in.ev[0].energy_kwh == 12 && in.ev[0].min_kw == 1.38 && in.ev[0].depart_slot > 200 &&
		    in.ev[0].depart_slot < in.slots);
	/* the cheap 7 of 30 hours, and 8 of those at 0.28 */
	assert_true(in.battery[0].terminal_value > 0.15 && in.battery[0].terminal_value < 0.20);
	instance_deinit(&in);
	free(w);
}

/* The tightest of what binds the grid point; what comes from outside until it ends. Slots: 10:05:10, 10:10:00, 10:15:00, ... */
static void test_grid_limits(void **context)
{
	static const struct { double site_w, demand_w, import_w, export_w; int64_t ends_ms; double import_kw[2], export_kw[2]; } ROWS[] = {
		{ 11500, 0, NAN, NAN, 0, { 11.5, 11.5 }, { 3.68, 3.68 } },
		{ 11500, 4000, NAN, NAN, 0, { 4, 4 }, { 3.68, 3.68 } },
		{ 3000, 4000, NAN, NAN, 0, { 3, 3 }, { 3.68, 3.68 } },
		{ 0, 4000, NAN, NAN, 0, { 4, 4 }, { 3.68, 3.68 } },
		{ 11500, 4000, 2000, 0, 0, { 2, 2 }, { 0, 0 } },
		{ 11500, 0, 0, 1000, 290000, { 0, 11.5 }, { 1, 3.68 } },
		{ 11500, 0, 0, 1000, 290001, { 0, 0 }, { 1, 1 } },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		struct plan_instance in;
		struct home_map map;

		w->s.site.import_limit_w = ROWS[i].site_w;
		w->s.site.demand_target_w = ROWS[i].demand_w;
		w->s.external = (struct external_limit){ .import_w = ROWS[i].import_w, .export_w = ROWS[i].export_w };
		w->s.external.until_utc_ms = ROWS[i].ends_ms ? NOW / 1000 * 1000 + ROWS[i].ends_ms : 0;
		assert_int_equal(build(w, &in, &map, NULL), 0);
		for (int t = 0; t < 2; t++)
			if (in.import_max_kw[t] != ROWS[i].import_kw[t] || in.export_max_kw[t] != ROWS[i].export_kw[t])
				fail_msg("row %zu, slot %d: %g, %g kW", i, t, in.import_max_kw[t], in.export_max_kw[t]);
		instance_deinit(&in);
		free(w);
	}
}

static void test_event_window(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;
	int64_t from = NOW + HOUR + 7000, to = NOW + 2 * HOUR, at;
	int inside = 0;

	(void)context;
	w->in.n_events[1] = 1;
	w->in.event[1][0] = (struct planning_event){ from, to, -9000, 10 };
	assert_int_equal(build(w, &in, &map, NULL), 0);
	at = in.start_utc_ms;
	for (int t = 0; t < in.slots; t++) {
		int64_t end = at + llround(in.slot_h[t] * 3600e3);
		bool in_event = at >= from && at < to;

		assert_true(!(at < from && end > from) && !(at < to && end > to)); /* slots end where the event does */
		assert_true(isnan(in.battery[0].fixed_kw[t]) == !in_event);
		if (in_event) {
			assert_true(fabs(in.battery[0].fixed_kw[t] + 4) <
				    1e-9); /* rating; 3.68 + 0.35 would pass the grid */
			assert_true(in.battery[0].floor_kwh[t + 1] == 1);
			inside++;
		}
		at = end;
	}
	assert_true(inside >= 11);
	instance_deinit(&in);
	free(w);
}

static void test_nothing_to_plan(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;
	struct errbuf err = { "" };

	(void)context;
	w->in.import_prices = NULL;
	assert_int_equal(build(w, &in, &map, &err), -ENODATA);
	assert_string_equal(err.text, "no prices");
	w->in.import_prices = &w->import_prices;
	w->in.utc_ms = NOW + 40 * HOUR;
	assert_int_equal(build(w, &in, &map, &err), -ENODATA);
	assert_non_null(strstr(err.text, "no prices from now"));
	w->in.utc_ms = NOW;
	w->s.dev[1].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
	w->s.dev[2].ev_mode = EV_SOLAR;
	assert_int_equal(build(w, &in, &map, &err), -ENODATA);
	assert_non_null(strstr(err.text, "nothing to plan for"));
	free(w);
}

static void test_unguarded_battery(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;

	(void)context;
	w->s.dev[1].state.caps.guarded_by = GUARDED_NONE;
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_true(!in.battery[0].grid_charge && !in.battery[0].battery_export);
	instance_deinit(&in);
	w->s.dev[1].allow_unguarded = true;
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_true(in.battery[0].grid_charge && in.battery[0].battery_export);
	instance_deinit(&in);
	free(w);
}

/* An order for the whole of the next hour, made into an instance and solved as the worker does. */
static void solve_order(struct world *w, double power_w, struct plan_instance *in, struct plan *plan)
{
	struct home_map map;
	struct errbuf err = { "" };

	w->in.n_events[1] = 1;
	w->in.event[1][0] = (struct planning_event){ NOW - HOUR, NOW + HOUR, power_w, 10 };
	assert_int_equal(build(w, in, &map, &err), 0);
	assert_int_equal(planner_solve_soft(in, NULL, NULL, plan, &err), 0);
	if (plan->status == PLAN_INFEASIBLE)
		print_error("%s\n", plan->why);
}

/* Whatever an order asks for, an instance made from a home has a plan that keeps to every limit. */
static void test_orders_fit(void **context)
{
	static const struct {
		const char *name;
		double power_w, want_kw; /* in the slot after the first */
		bool unguarded, no_power, no_export, no_grid_charge;
	} ROWS[] = {
		{ "unguarded: not beyond the load", -4000, -0.35, true, false, false, false },
		{ "unguarded: nothing from the grid", 4000, 0, true, false, false, false },
		{ "no power orders: not beyond the load", -4000, -0.35, false, true, false, false },
		{ "the site sells nothing, events may", -4000, -4, false, false, true, false },
		{ "the site buys nothing to store, events may", 4000, 4, false, false, false, true },
		{ "guarded", -9000, -4, false, false, false, false },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		struct plan_instance in;
		struct plan plan;

		w->s.dev[1].state.caps.guarded_by = ROWS[i].unguarded ? GUARDED_NONE : GUARDED_DEVICE;
		w->s.dev[1].state.caps.can_power = !ROWS[i].no_power;
		w->s.site.battery_export = !ROWS[i].no_export;
		w->s.site.grid_charging = !ROWS[i].no_grid_charge;
		solve_order(w, ROWS[i].power_w, &in, &plan);
		if (plan.status == PLAN_INFEASIBLE || plan.n_softened || fabs(plan.battery_kw[0][1] - ROWS[i].want_kw) > 1e-6)
			fail_msg("%s: %s, %d softened, %.3f kW instead of %.3f: %s", ROWS[i].name, plan_status_word(plan.status),
				 plan.n_softened, plan.battery_kw[0][1], ROWS[i].want_kw, plan.why);
		for (int t = 0; t < in.slots; t++) { /* outside the event the switches hold */
			double grid = in.load_kw[t] + plan.battery_kw[0][t] + plan.ev_kw[0][t];

			assert_true(!isnan(in.battery[0].fixed_kw[t]) || !ROWS[i].no_export || plan.battery_kw[0][t] >= 0 ||
				    grid > -1e-6);
			assert_true(!isnan(in.battery[0].fixed_kw[t]) || !ROWS[i].no_grid_charge || plan.battery_kw[0][t] <= 0);
		}
		plan_deinit(&plan);
		instance_deinit(&in);
		free(w);
	}
}

/* Two orders share one fuse, and a car that already charges has its part of it. */
static void test_orders_share(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct plan plan;

	(void)context;
	w->s.site.import_limit_w = 7000;
	w->s.n_devices = 4;
	battery_set(&w->s.dev[3], 50);
	strcpy(w->s.dev[3].id, "second");
	w->in.n_events[3] = 1;
	w->in.event[3][0] = (struct planning_event){ NOW - HOUR, NOW + HOUR, 4000, 10 };
	w->s.dev[2].ev_mode = EV_NOW; /* not planned: load */
	value_set(&w->s.dev[2].state.ac_power_w, 1000, 1000, Q_GOOD);
	solve_order(w, 4000, &in, &plan);
	assert_true(fabs(in.battery[0].fixed_kw[1] - 4) < 1e-9);
	assert_true(fabs(in.battery[1].fixed_kw[1] - (7 - 1.35 - 4)) < 1e-9);
	assert_true(plan.status != PLAN_INFEASIBLE && plan.n_softened == 0);
	plan_deinit(&plan);
	instance_deinit(&in);
	free(w);
}

/* Limits that the forecast breaks by itself: solved with them softened, named, and with real values to follow. */
static void test_softened(void **context)
{
	static const struct {
		const char *name, *limit;
		double load_kw, pv_kw, car_kwh;
	} ROWS[] = {
		{ "more sun than may be sold, nothing to curtail", "grid.export_max_kw", 0.4, 20, 12 },
		{ "more load than the fuse", "grid.import_max_kw", 17, 0, 12 },
		{ "more energy than the car can take", "charger.energy_kwh", 0.4, 0, 400 },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		struct plan_instance in;
		struct home_map map;
		struct plan plan, hard;

		w->s.dev[2].ev_energy_wh = ROWS[i].car_kwh * 1e3;
		assert_int_equal(build(w, &in, &map, NULL), 0);
		for (int t = 20; t < 26 && ROWS[i].car_kwh < 100; t++) {
			in.load_kw[t] = ROWS[i].load_kw;
			in.pv_kw[t] = ROWS[i].pv_kw;
		}
		in.battery[0].soc_kwh = ROWS[i].pv_kw > 0 ? in.battery[0].capacity_kwh : in.battery[0].floor_kwh[1];
		for (int t = 0; t < in.slots; t++) /* it cannot help */
			in.battery[0].charge_max_kw[t] = in.battery[0].discharge_max_kw[t] = 1;
		assert_int_equal(planner_solve(&in, NULL, NULL, &hard, NULL), 0);
		assert_int_equal(hard.status, PLAN_INFEASIBLE); /* else the row tests nothing */
		assert_int_equal(planner_solve_soft(&in, NULL, NULL, &plan, NULL), 0);
		if (plan.status != PLAN_FEASIBLE || plan.n_softened != 1 || strcmp(plan.softened[0], ROWS[i].limit) != 0)
			fail_msg("%s: %s, %d softened, %s: %s", ROWS[i].name, plan_status_word(plan.status), plan.n_softened,
				 plan.softened[0], plan.why);
		assert_true(isfinite(plan.bound) && plan.bound <= plan.cost + 1e-9 && plan.n_violations > 0);
		assert_non_null(strstr(plan.why, ROWS[i].limit));
		for (int t = 0; t <= plan.slots; t++) /* a price, not a penalty */
			if (!(fabs(plan.value[0][t]) < 1))
				fail_msg("%s: value %g in slot %d", ROWS[i].name, plan.value[0][t], t);
		plan_deinit(&plan);
		plan_deinit(&hard);
		instance_deinit(&in);
		free(w);
	}
}

static void test_measure(void **context)
{
	struct world *w = world_make();
	struct snap_device *sun = &w->s.dev[3];
	double load_w, pv_w;

	(void)context;
	value_set(&w->s.dev[1].state.ac_power_w, -1200, 1000, Q_GOOD);
	home_measure(&w->s, &load_w, &pv_w);
	assert_true(load_w == 2000 && pv_w == 0);
	sun->roles = ROLE_PV;
	sun->state.availability = AVAIL_ONLINE;
	value_set(&sun->state.ac_power_w, -500, 1000, Q_GOOD);
	w->s.n_devices = 4;
	home_measure(&w->s, &load_w, &pv_w);
	assert_true(load_w == 2500 && pv_w == 500);
	sun->state.ac_power_w.q = Q_ABSENT; /* a part of the sum is missing: nothing is known */
	home_measure(&w->s, &load_w, &pv_w);
	assert_true(isnan(load_w) && isnan(pv_w));
	free(w);
}

/* ---- on a loop ---- */

static void changed(void *context)
{
	((struct world *)context)->changes++;
}

static void run_until_changed(uv_loop_t *loop, const struct world *w, int changes)
{
	for (int i = 0; i < 100000 && w->changes < changes; i++)
		uv_run(loop, UV_RUN_ONCE);
	assert_true(w->changes >= changes);
}

static cJSON *plan_tree(const struct planning *p)
{
	const char *text = planning_text(p);
	struct errbuf err = { "" };
	cJSON *o;

	assert_non_null(text);
	o = json_parse(text, strlen(text), 1 << 20, 16, &err);
	if (!o)
		fail_msg("R/plan: %s", err.text);
	assert_null(cJSON_GetObjectItem(o, "at")); /* the publisher's */
	return o;
}

static void test_on_a_worker(void **context)
{
	struct world *w = world_make();
	struct planning *p = NULL;
	struct plan_guide g;
	uv_loop_t loop;

	(void)context;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(planning_start(&p, &loop, &(struct planning_options){ &w->config, &w->zone, changed, w, &w->forecast }, NULL), 0);
	planning_guide(p, w->s.dev[1].id, NOW, &g);
	assert_false(g.valid);
	assert_null(planning_text(p));
	for (int i = 0; i < 20; i++) /* only the latest counts, none is lost or kept */
		assert_int_equal(planning_request(p, &w->in), 0);
	run_until_changed(&loop, w, 1);
	planning_guide(p, w->s.dev[1].id, NOW, &g);
	assert_true(g.valid && g.n_segments > 0);
	planning_guide(p, w->s.dev[2].id, NOW, &g);
	assert_true(g.valid);
	planning_guide(p, w->s.dev[0].id, NOW, &g);
	assert_false(g.valid); /* the meter has no plan */
	planning_guide(p, "battery2", NOW, &g);
	assert_false(g.valid); /* nor has a battery in the place of the one it was made for */
	assert_non_null(strstr(planning_status(p), " ms"));
	{
		AUTO_JSON *o = plan_tree(p);

		assert_non_null(o);
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "start")), "2026-01-15T10:05:10.000Z");
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "slot_s")),
				 cJSON_GetArraySize(cJSON_GetObjectItem(o, "curtail_kw")));
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(
					    cJSON_GetArrayItem(cJSON_GetObjectItem(o, "batteries"), 0), "id")),
				    "battery");
		assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "prices"), "import"));
	}
	/* nothing known of the battery, and a car nobody plans: said at once, asked for again by the caller */
	w->s.dev[1].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
	w->s.dev[2].ev_mode = EV_SOLAR;
	assert_int_equal(planning_request(p, &w->in), -ENODATA);
	assert_non_null(strstr(planning_status(p), "nothing to plan for"));
	/* no prices any more: said, and the last good plan stays */
	w->in.import_prices = NULL;
	w->changes = 0;
	assert_int_equal(planning_request(p, &w->in), -ENODATA);
	assert_int_equal(w->changes, 1);
	assert_string_equal(planning_status(p), "no prices");
	planning_guide(p, w->s.dev[1].id, NOW, &g);
	assert_true(g.valid);
	/* stopped with work waiting */
	w->in.import_prices = &w->import_prices;
	for (int i = 0; i < 3; i++)
		planning_request(p, &w->in);
	planning_stop(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(w);
}

/* A reload makes the battery another one: the plan for the old one says nothing to it, and one that is under way is not taken. */
static void test_another_battery(void **context)
{
	static const struct { const char *name; double capacity_wh, charge_max_w; uint32_t roles; bool enabled, kept; } ROWS[] = {
		{ "the same", 10000, 5000, ROLE_BATTERY, true, true },  { "larger", 20000, 5000, ROLE_BATTERY, true, false },
		{ "slower", 10000, 2000, ROLE_BATTERY, true, false },   { "not said", NAN, 5000, ROLE_BATTERY, true, false },
		{ "a load", 10000, 5000, ROLE_LOAD, true, false },      { "out of use", 10000, 5000, ROLE_BATTERY, false, false },
	};
	struct replan_expected expected;
	struct plan_guide g;

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		struct config_device *d = &w->config.device[1];
		struct planning *p = NULL;
		uv_loop_t loop;

		for (int k = 0; k < w->s.n_devices; k++)
			w->config.device[k] = (struct config_device){ .enabled = true, .capacity_wh = NAN, .charge_max_w = NAN, .discharge_max_w = NAN };
		for (int k = w->config.n_devices = w->s.n_devices; k-- > 0;)
			memcpy(w->config.device[k].id, w->s.dev[k].id, sizeof(w->s.dev[k].id));
		d->roles = ROLE_BATTERY;
		d->capacity_wh = 10000;
		d->charge_max_w = 5000;
		assert_int_equal(uv_loop_init(&loop), 0);
		assert_int_equal(planning_start(&p, &loop, &(struct planning_options){ &w->config, &w->zone, changed, w, &w->forecast }, NULL), 0);
		assert_int_equal(planning_request(p, &w->in), 0);
		run_until_changed(&loop, w, 1);
		assert_int_equal(planning_request(p, &w->in), 0); /* under way while the devices change */
		d->capacity_wh = ROWS[i].capacity_wh;
		d->charge_max_w = ROWS[i].charge_max_w;
		d->roles = ROWS[i].roles;
		d->enabled = ROWS[i].enabled;
		planning_configure(p, &w->config, &w->zone);
		planning_configure(p, &w->config, &w->zone);      /* the rest of a reload says it again */
		planning_guide(p, w->s.dev[1].id, NOW, &g);
		assert_row(ROWS[i].name, g.valid == ROWS[i].kept);
		planning_expect(p, &w->s, &expected);
		assert_row(ROWS[i].name, expected.valid && isnan(expected.stored_wh[1]) == !ROWS[i].kept);
		planning_guide(p, w->s.dev[2].id, NOW, &g);
		assert_row(ROWS[i].name, g.valid);                /* the car is what it was */
		usleep(10000);                                    /* else the next request would replace the one under way */
		w->s.dev[1].capacity_wh = ROWS[i].kept ? 10000 : 20000;
		assert_int_equal(planning_request(p, &w->in), 0);
		run_until_changed(&loop, w, 2);
		planning_guide(p, w->s.dev[1].id, NOW, &g);
		assert_row(ROWS[i].name, g.valid && strstr(planning_text(p), ROWS[i].kept ? "\"capacity_kwh\":10" : "\"capacity_kwh\":20"));
		planning_stop(p);
		uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(uv_loop_close(&loop), 0);
		free(w);
	}
}

/* What was known when it was asked counts, whatever becomes of it; and all of it, not the first hour only. */
static void test_by_value(void **context)
{
	struct world *w = world_make();
	struct planning *p = NULL;
	uv_loop_t loop;

	(void)context;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(planning_start(&p, &loop, &(struct planning_options){ &w->config, &w->zone, changed, w, &w->forecast }, NULL), 0);
	assert_int_equal(planning_request(p, &w->in), 0);
	memset(&w->s, 0xee, sizeof(w->s));
	memset(&w->import_prices, 0xee, sizeof(w->import_prices));
	memset(&w->export_prices, 0xee, sizeof(w->export_prices));
	memset(&w->config, 0xee, sizeof(w->config));
	memset(&w->in, 0xee, sizeof(w->in));
	run_until_changed(&loop, w, 1);
	{
		AUTO_JSON *o = plan_tree(p);
		const cJSON *prices = cJSON_GetObjectItem(o, "prices"), *import = cJSON_GetObjectItem(prices, "import");

		assert_int_equal(cJSON_GetArraySize(import), 351); /* 290 s, 5 min each; from a day on a quarter, behind the known prices half an hour */
		assert_true(cJSON_GetArrayItem(import, 0)->valuedouble == 0.28);
		assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(prices, "export"), 350)->valuedouble == 0.15);
		assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(o, "slot_s"), 0)->valuedouble == 290);
	}
	planning_stop(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(w);
}

/* R/plan says what was softened, and the plan guides. */
static void test_softened_on_a_worker(void **context)
{
	struct world *w = world_make();
	struct planning *p = NULL;
	struct plan_guide g;
	uv_loop_t loop;

	(void)context;
	w->s.dev[2].ev_energy_wh = 400e3;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(planning_start(&p, &loop, &(struct planning_options){ &w->config, &w->zone, changed, w, &w->forecast }, NULL), 0);
	assert_int_equal(planning_request(p, &w->in), 0);
	run_until_changed(&loop, w, 1);
	assert_non_null(strstr(planning_status(p), "softened: charger.energy_kwh cannot hold"));
	planning_guide(p, w->s.dev[1].id, NOW, &g);
	assert_true(g.valid && g.value_per_kwh[0] < 1);
	{
		AUTO_JSON *o = plan_tree(p);

		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "status")), "feasible");
		assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItem(o, "softened"), 0)),
				    "charger.energy_kwh");
		assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(o, "violations")) > 0);
	}
	planning_stop(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(w);
}

/* Prices are news when they say something else, or are known for longer than an hour more; not because time went on. */
static void test_prices_differ(void **context)
{
	struct world *w = world_make();
	static struct price_series import, export;
	struct planning *p;
	uv_loop_t loop;

	(void)context;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(planning_start(&p, &loop, &(struct planning_options){ &w->config, &w->zone, changed, w, &w->forecast }, NULL), 0);
	assert_true(planning_prices_differ(p, &w->import_prices, &w->export_prices, NOW));
	assert_int_equal(planning_request(p, &w->in), 0);
	run_until_changed(&loop, w, 1);
	assert_false(planning_prices_differ(p, &w->import_prices, &w->export_prices, NOW));
	import = w->import_prices;
	export = w->export_prices;
	price_cut(&import, NOW + HOUR, NOW + 99 * HOUR); /* what is over */
	assert_false(planning_prices_differ(p, &import, &export, NOW + HOUR));
	import.s[import.n - 1].to_utc_ms += HOUR;
	assert_false(planning_prices_differ(p, &import, &export, NOW + HOUR));
	import.s[import.n - 1].to_utc_ms += 1000;
	assert_true(planning_prices_differ(p, &import, &export, NOW + HOUR));
	import = w->import_prices;
	export.s[0].value += 0.001;
	assert_true(planning_prices_differ(p, &import, &export, NOW + HOUR));
	planning_stop(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(w);
}

/* Why it was made, and what each device does: on R/plan. */
static void test_told(void **context)
{
	struct world *w = world_make();
	struct replan_expected x, y;
	struct planning *p;
	uv_loop_t loop;

	(void)context;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(planning_start(&p, &loop, &(struct planning_options){ &w->config, &w->zone, changed, w, &w->forecast }, NULL), 0);
	planning_expect(p, &w->s, &x);
	assert_false(x.valid);
	strcpy(w->in.trigger, "new prices");
	w->in.n_events[1] = 1;
	w->in.event[1][0] = (struct planning_event){ NOW + 6 * HOUR, NOW + 8 * HOUR, -4000, 10 };
	assert_int_equal(planning_request(p, &w->in), 0);
	run_until_changed(&loop, w, 1);
	w->s.utc_ms += HOUR;
	planning_expect(p, &w->s, &x);
	assert_true(x.valid && x.stored_wh[1] > 0 && fabs(x.load_w - 350) < 1e-6);
	w->s.dev[2] = w->s.dev[1]; /* a reload moves it to where the car was */
	planning_expect(p, &w->s, &y), assert_true(y.stored_wh[2] == x.stored_wh[1]);
	{
		AUTO_JSON *o = cJSON_Parse(planning_text(p));
		const cJSON *prices = cJSON_GetObjectItem(cJSON_GetObjectItem(o, "prices"), "import"), *k;
		bool event = false;

		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "trigger")), "new prices");
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "prices_known_until")), "2026-01-16T16:05:10.500Z");
		cJSON_ArrayForEach(k, prices)
			assert_true(k->valuedouble < 0.3801); /* what the event is worth is no price */
		cJSON_ArrayForEach(k, cJSON_GetObjectItem(o, "blocks"))
			event |= !strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(k, "why")), "Flip event until 18:05: discharges 8.0 kWh");
		assert_true(event);
		k = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "batteries"), 0);
		assert_true(cJSON_GetObjectItem(k, "capacity_kwh")->valuedouble == 10);
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(k, "floor_kwh")), cJSON_GetArraySize(prices) + 1);
		assert_true(cJSON_IsObject(cJSON_GetObjectItem(o, "forecast")));
	}
	planning_stop(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prices_differ), cmocka_unit_test(test_told),
		cmocka_unit_test(test_instance),        cmocka_unit_test(test_event_window), cmocka_unit_test(test_grid_limits),
		cmocka_unit_test(test_nothing_to_plan), cmocka_unit_test(test_unguarded_battery),
		cmocka_unit_test(test_orders_fit),      cmocka_unit_test(test_orders_share),
		cmocka_unit_test(test_softened),        cmocka_unit_test(test_softened_on_a_worker),
		cmocka_unit_test(test_measure),         cmocka_unit_test(test_on_a_worker),
		cmocka_unit_test(test_another_battery), cmocka_unit_test(test_by_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
