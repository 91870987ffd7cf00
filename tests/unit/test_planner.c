/* The planner on the shipped samples, on homes that cannot work, and on what must not matter. Random homes stand in
 * test_planner_random.c. */
#include "support/plan_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Optimum and idle cost as in tests/data/plan/README.md. exact: convex, so the proof must come too. */
static const struct {
	const char *file;
	double optimum, idle;
	bool exact;
} SAMPLES[] = {
	{ "agile_neg-summer-5-ev3-300", -3.900646, 4.399281, false },
	{ "agile_neg-summer-13.5-ev0-300", -8.267232, -1.185975, false },
	{ "bonus-summer-13.5-ev3-1800", -5.031251, 2.308941, false },
	{ "bonus-winter-27-ev0-1800", 3.888576, 10.812545, false },
	{ "agile-winter-13.5-ev1-1800", 6.735488, 10.896703, false },
	{ "flat-summer-5-ev1-1800", 4.805849, 5.869763, false },
	{ "tou-winter-13.5-ev1-300", 9.973176, 21.271713, false },
	{ "agile-winter-9.5-ev0-300", 4.674959, 6.807377, true },
	{ "flat-winter-13.5-ev0-300", 12.682772, 12.804047, true },
	{ "tou-summer-13.5-ev0-300", -6.991902, -3.608042, true },
};

static void sample_load(const char *file, struct plan_instance *in)
{
	struct errbuf err = { "" };
	char path[128];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "tests/data/plan/%s.json", file);
	text = plan_check_read(path, &len);
	assert_non_null(text);
	if (instance_parse(text, len, in, &err))
		fail_msg("%s: %s", file, err.text);
	free(text);
}

static void solve(const struct plan_instance *in, struct plan *p)
{
	struct errbuf err = { "" };

	if (planner_solve(in, NULL, NULL, p, &err))
		fail_msg("%s", err.text);
}

static void test_samples(void **context)
{
	(void)context;
	for (size_t i = 0; i < sizeof(SAMPLES) / sizeof(SAMPLES[0]); i++) {
		double saving = SAMPLES[i].idle - SAMPLES[i].optimum;
		struct plan_instance in;
		struct plan_check c;
		struct plan p;

		sample_load(SAMPLES[i].file, &in);
		solve(&in, &p);
		c = plan_check(&in, &p);
		if (c.worst > 1e-4)
			fail_msg("%s: %s", SAMPLES[i].file, c.what);
		assert_true(fabs(c.cost - p.cost) < 1e-6);
		if (p.cost > SAMPLES[i].optimum + (SAMPLES[i].exact ? 1e-6 : 1e-4 * saving))
			fail_msg("%s: cost %.6f, optimum %.6f", SAMPLES[i].file, p.cost, SAMPLES[i].optimum);
		if (p.bound > SAMPLES[i].optimum + 1e-6)
			fail_msg("%s: bound %.6f, optimum %.6f", SAMPLES[i].file, p.bound, SAMPLES[i].optimum);
		if (p.bound < SAMPLES[i].optimum - 1e-4 * saving)
			fail_msg("%s: bound %.6f is far from %.6f", SAMPLES[i].file, p.bound, SAMPLES[i].optimum);
		if (SAMPLES[i].exact)
			assert_int_equal(p.status, PLAN_OPTIMAL);
		assert_int_not_equal(p.status, PLAN_INFEASIBLE);
		plan_deinit(&p);
		instance_deinit(&in);
	}
}

/* A plain home to bend: four hours, one battery half full, no sun. */
static void home(struct plan_instance *in, int slots, int cars)
{
	assert_int_equal(instance_alloc(in, slots, 1, cars), 0);
	in->single = true;
	for (int t = 0; t < slots; t++) {
		in->slot_h[t] = 1;
		in->import_price[t] = t & 1 ? 0.4 : 0.1;
		in->export_price[t] = 0.05;
		in->load_kw[t] = 1;
		in->import_max_kw[t] = in->export_max_kw[t] = 10;
		in->battery[0].charge_max_kw[t] = in->battery[0].discharge_max_kw[t] = 3;
	}
	in->battery[0].capacity_kwh = 10;
	in->battery[0].soc_kwh = 5;
	in->battery[0].charge_eff = in->battery[0].discharge_eff = 0.9;
	for (int e = 0; e < cars; e++)
		in->ev[e] = (struct plan_ev){ "car", 0, slots, 4, 1.4, 7 };
}

static void expect_infeasible(const struct plan_instance *in, const char *limit, double by, int slot)
{
	struct plan p;

	solve(in, &p);
	assert_int_equal(p.status, PLAN_INFEASIBLE);
	assert_true(p.n_violations >= 1);
	if (strcmp(p.violation[0].limit, limit) != 0 || fabs(p.violation[0].by - by) > 1e-3 || p.violation[0].slot != slot)
		fail_msg("expected %s by %g in slot %d: got %s by %g in slot %d", limit, by, slot, p.violation[0].limit,
			 p.violation[0].by, p.violation[0].slot);
	if (!strstr(p.why, limit))
		fail_msg("the reason '%s' does not name %s", p.why, limit);
	plan_deinit(&p);
}

static void test_import_limit_cannot_hold(void **context)
{
	struct plan_instance in;

	(void)context;
	home(&in, 4, 0);
	in.load_kw[2] = 15; /* 10 from the grid, 3 from the battery: 2 are missing */
	expect_infeasible(&in, "grid.import_max_kw", 2, 2);
	instance_deinit(&in);
}

static void test_export_limit_cannot_hold(void **context)
{
	struct plan_instance in;

	(void)context;
	home(&in, 4, 0);
	in.pv_kw[1] = 16; /* may not be curtailed: 1 load, 3 battery, 10 grid */
	expect_infeasible(&in, "grid.export_max_kw", 2, 1);
	instance_deinit(&in);
}

static void test_floor_cannot_be_reached(void **context)
{
	struct plan_instance in;

	(void)context;
	home(&in, 4, 0);
	in.battery[0].floor_kwh[2] = 10.4 - 1; /* 5 + 2 x 2.7 = 10.4 */
	in.battery[0].floor_kwh[1] = 8.7;      /* 7.7 at best */
	expect_infeasible(&in, "battery.floor_kwh", 1, 0);
	instance_deinit(&in);
}

static void test_car_energy_cannot_fit(void **context)
{
	static const struct {
		int arrive, depart;
		double kwh, by;
		int slot;
	} ROWS[] = {
		{ 2, 2, 4, 4, 2 },     /* no window */
		{ 3, 1, 4, 4, 3 },     /* deadline before arrival */
		{ 0, 0, 4, 4, 0 },     /* deadline in the past */
		{ 1, 3, 20, 6, 2 },    /* 14 kWh fit */
		{ 0, 4, 0.9, 0.5, 3 }, /* less than the least power gives in a slot: 1.4 is nearer than 0 */
		{ 0, 4, 0.5, 0.5, 3 }, /* here 0 is */
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct plan_instance in;

		home(&in, 4, 1);
		in.ev[0].arrive_slot = ROWS[i].arrive;
		in.ev[0].depart_slot = ROWS[i].depart;
		in.ev[0].energy_kwh = ROWS[i].kwh;
		expect_infeasible(&in, "ev.energy_kwh", ROWS[i].by, ROWS[i].slot);
		instance_deinit(&in);
	}
}

/* Below the floor at the start, nothing may be discharged until it is reached again, soft or hard. */
static void test_start_below_floor(void **context)
{
	(void)context;
	for (int soft = 0; soft < 2; soft++) {
		struct plan_instance in;
		struct plan p;
		double soc;

		home(&in, 8, 0);
		for (int t = 0; t <= 8; t++)
			in.battery[0].floor_kwh[t] = 4;
		in.battery[0].soc_kwh = soc = 0.5;
		in.floor_price = soft ? 0.01 : NAN;
		solve(&in, &p);
		assert_true((p.status == PLAN_INFEASIBLE) == !soft);
		assert_true(p.n_violations > 0 && p.violation[0].soft == (soft == 1));
		assert_string_equal(p.violation[0].limit, "battery.floor_kwh");
		for (int t = 0; t < 8; t++) {
			if (soc < 4 && p.battery_kw[0][t] < 0)
				fail_msg("slot %d discharges %g kW at %g kWh", t, p.battery_kw[0][t], soc);
			soc = p.soc_kwh[0][t + 1];
		}
		if (!soft)
			assert_true(p.soc_kwh[0][2] > 4 - 1e-6); /* as fast as it goes: 2.7 kWh a slot */
		plan_deinit(&p);
		instance_deinit(&in);
	}
}

static void test_fixed_orders(void **context)
{
	struct plan_instance in;
	struct plan p;

	(void)context;
	home(&in, 4, 0);
	for (int t = 0; t <= 4; t++)
		in.battery[0].floor_kwh[t] = 1.5;
	in.export_price[1] = in.export_price[2] = 0.3; /* else it pays to arrive empty, and have the order clipped */
	in.battery[0].fixed_kw[1] = -3;
	in.battery[0].fixed_kw[2] = -3; /* the floor is reached in here: clipped, and not a violation */
	solve(&in, &p);
	assert_int_not_equal(p.status, PLAN_INFEASIBLE);
	assert_true(fabs(p.battery_kw[0][1] + 3) < 1e-9);
	assert_true(p.battery_kw[0][2] <= 0 && p.battery_kw[0][2] > -3 && fabs(p.soc_kwh[0][3] - 1.5) < 1e-6);
	assert_true(plan_check(&in, &p).worst < 1e-4);
	plan_deinit(&p);

	in.battery[0].fixed_kw[1] = -9; /* beyond the rating: cut, and named */
	expect_infeasible(&in, "battery.fixed_kw", 6, 1);
	instance_deinit(&in);
}

/* More sun than the limit of export lets out, and none of it can be curtailed: that is named, and no car is overfilled for it. */
static void test_no_car_overfilled(void **context)
{
	struct plan_instance in;
	struct plan p;
	double kwh = 0;

	(void)context;
	home(&in, 48, 1);
	for (int t = 0; t < in.slots; t++) {
		in.slot_h[t] = 0.5;
		in.pv_kw[t] = 20;
		in.curtail_max_kw[t] = 0;
		in.export_max_kw[t] = 5;
	}
	in.ev[0] = (struct plan_ev){ "car", 2, 20, 6, 1.4, 7 };
	solve(&in, &p);
	assert_int_equal(p.status, PLAN_INFEASIBLE);
	assert_non_null(strstr(p.why, "grid.export_max_kw"));
	for (int t = 0; t < in.slots; t++)
		kwh += p.ev_kw[0][t] * 0.5;
	assert_true(fabs(kwh - 6) < 1e-6);
	plan_deinit(&p);
	instance_deinit(&in);
}

/* A car that is on or off in slots of different lengths: of all choices that give exactly its energy, the cheapest; for each
 * energy that can be had. */
static void test_car_of_one_power(void **context)
{
	static const int MINUTES[] = { 7, 13, 30, 11, 30, 19, 60, 23, 30, 29, 17, 60 };
	double best[330];
	struct plan_instance in;

	(void)context;
	home(&in, 12, 1);
	for (int t = 0; t < in.slots; t++) {
		in.slot_h[t] = MINUTES[t] / 60.0;
		in.import_price[t] = 0.1 + 0.05 * (t * 5 % 7);
		in.battery[0].charge_max_kw[t] = in.battery[0].discharge_max_kw[t] = 0;
	}
	for (int due = 0; due < 330; due++)
		best[due] = INFINITY;
	for (int set = 0; set < 1 << 12; set++) {
		double cost = 0;
		int due = 0;

		for (int t = 0; t < in.slots; t++) {
			due += set >> t & 1 ? MINUTES[t] : 0;
			cost += in.import_price[t] * in.slot_h[t] * (1 + (set >> t & 1 ? 7 : 0));
		}
		best[due] = fmin(best[due], cost);
	}
	for (int due = 1; due < 330; due++) {
		struct plan p;

		in.ev[0] = (struct plan_ev){ "car", 0, 12, 7 * due / 60.0, 7, 7 };
		solve(&in, &p);
		if (isinf(best[due]) ? p.status != PLAN_INFEASIBLE
				     : p.status == PLAN_INFEASIBLE || fabs(p.cost - best[due]) > 1e-9 || p.bound > best[due] + 1e-9)
			fail_msg("%d minutes: %s, %.9f, bound %.9f, optimum %.9f", due, plan_status_word(p.status), p.cost, p.bound,
				 best[due]);
		plan_deinit(&p);
	}
	instance_deinit(&in);
}

/* A soft floor above the start ends an order, not what is stored: once the bound took the order for one that goes on below,
 * and dear energy bought to follow it was called the optimum. */
static void test_order_ends_at_soft_floor(void **context)
{
	struct plan_instance in;
	struct plan p;

	(void)context;
	home(&in, 4, 0);
	for (int t = 0; t <= 4; t++)
		in.battery[0].floor_kwh[t] = 4;
	in.battery[0].soc_kwh = 3;
	in.floor_price = 1e3;
	in.battery[0].fixed_kw[2] = -3;
	solve(&in, &p);
	assert_int_equal(p.status, PLAN_OPTIMAL);
	assert_true(fabs(p.cost - 0.834568) < 1e-6); /* at the floor before the order: buying for it does not pay */
	assert_true(plan_check(&in, &p).worst < 1e-4);
	plan_deinit(&p);
	instance_deinit(&in);
}

/* A slot in which the battery may not charge, and rests so that the car may have the sun: the one power it can have there. */
static void test_rest_beside_car(void **context)
{
	struct plan_instance in;
	struct errbuf err = { "" };
	struct plan p;
	size_t len;
	char *text = plan_check_read("tests/data/plan/rest-bonus-ev-3600.json", &len);

	(void)context;
	assert_non_null(text);
	assert_int_equal(instance_parse(text, len, &in, &err), 0);
	free(text);
	solve(&in, &p);
	assert_true(p.bound <= -28.024917 + 1e-6 && p.cost < -28.024917 + 1e-4);
	plan_deinit(&p);
	instance_deinit(&in);
}

/* One battery's order and the other's wish to charge meet in a slot; the way out is to have the first empty by then. */
static void test_order_beside_charging(void **context)
{
	struct plan_instance in;
	struct errbuf err = { "" };
	struct plan p;
	size_t len;
	char *text = plan_check_read("tests/data/plan/two-batteries-order-bonus-3600.json", &len);

	(void)context;
	assert_non_null(text);
	assert_int_equal(instance_parse(text, len, &in, &err), 0);
	free(text);
	solve(&in, &p);
	assert_int_equal(p.status, PLAN_FEASIBLE);
	assert_true(p.cost < -4.388603 + 1e-4);
	plan_deinit(&p);
	instance_deinit(&in);
}

static bool at_once(void *context)
{
	(void)context;
	return true;
}

static void test_no_time_still_a_plan(void **context)
{
	struct plan_instance in;
	struct plan p;

	(void)context;
	for (size_t i = 0; i < 2; i++) {
		sample_load(SAMPLES[i].file, &in);
		assert_int_equal(planner_solve(&in, at_once, NULL, &p, NULL), 0);
		assert_int_equal(p.status, PLAN_FEASIBLE);
		assert_true(plan_check(&in, &p).worst < 1e-4);
		assert_true(p.bound <= SAMPLES[i].optimum + 1e-6);
		plan_deinit(&p);
		instance_deinit(&in);
	}
}

/* ---- what must not matter, or only so much ---- */

static double cost_of(const struct plan_instance *in)
{
	struct plan p;
	double cost;

	solve(in, &p);
	cost = p.cost;
	plan_deinit(&p);
	return cost;
}

static void test_scaled_prices(void **context)
{
	static const double SCALES[] = { 1e-6, 0.1, 3, 1e5 };

	(void)context;
	for (size_t i = 0; i < sizeof(SAMPLES) / sizeof(SAMPLES[0]); i++) {
		for (size_t k = 0; k < sizeof(SCALES) / sizeof(SCALES[0]); k++) {
			double scale = SCALES[k], saving = (SAMPLES[i].idle - SAMPLES[i].optimum) * scale;
			struct plan_instance in;

			sample_load(SAMPLES[i].file, &in);
			for (int t = 0; t < in.slots; t++) {
				in.import_price[t] *= scale;
				in.export_price[t] *= scale;
			}
			in.battery[0].terminal_value *= scale;
			if (fabs(cost_of(&in) - SAMPLES[i].optimum * scale) > 1e-4 * saving)
				fail_msg("%s x %g: %g", SAMPLES[i].file, scale, cost_of(&in));
			instance_deinit(&in);
		}
	}
}

static void test_battery_of_nothing(void **context)
{
	struct plan_instance in;
	struct plan p;
	double idle = 0;

	(void)context;
	sample_load("agile-winter-9.5-ev0-300", &in);
	in.battery[0].capacity_kwh = in.battery[0].soc_kwh = 0;
	memset(in.battery[0].floor_kwh, 0, (size_t)(in.slots + 1) * sizeof(double));
	for (int t = 0; t < in.slots; t++) {
		double net = in.load_kw[t] - in.pv_kw[t];

		idle += net * in.slot_h[t] * (net > 0 ? in.import_price[t] : in.export_price[t]);
	}
	solve(&in, &p);
	for (int t = 0; t < in.slots; t++)
		assert_true(p.battery_kw[0][t] == 0);
	assert_true(fabs(p.cost - idle) < 1e-9);
	assert_int_equal(p.status, PLAN_OPTIMAL);
	plan_deinit(&p);
	instance_deinit(&in);
}

static void test_wider_never_costs_more(void **context)
{
	(void)context;
	for (size_t i = 0; i < sizeof(SAMPLES) / sizeof(SAMPLES[0]); i++) {
		double slack = SAMPLES[i].exact ? 1e-6 : 1e-4 * (SAMPLES[i].idle - SAMPLES[i].optimum);
		struct plan_instance in;

		sample_load(SAMPLES[i].file, &in);
		for (int t = 0; t < in.slots; t++) {
			in.export_max_kw[t] *= 2;
			in.battery[0].charge_max_kw[t] *= 1.5;
			in.battery[0].floor_kwh[t + 1] *= 0.5;
		}
		assert_true(cost_of(&in) <= SAMPLES[i].optimum + slack);
		instance_deinit(&in);
	}
}

/* Cutting slots in two changes nothing: same prices, same powers. */
static void test_slots_cut_in_two(void **context)
{
	struct plan_instance in, fine;

	(void)context;
	sample_load("bonus-winter-27-ev0-1800", &in);
	assert_int_equal(instance_alloc(&fine, in.slots * 2, 1, 0), 0);
	{
		struct plan_battery b = fine.battery[0];

		fine.battery[0] = in.battery[0];
		fine.battery[0].floor_kwh = b.floor_kwh;
		fine.battery[0].charge_max_kw = b.charge_max_kw;
		fine.battery[0].discharge_max_kw = b.discharge_max_kw;
		fine.battery[0].fixed_kw = b.fixed_kw;
	}
	for (int t = 0; t < fine.slots; t++) {
		fine.slot_h[t] = in.slot_h[t / 2] * (t & 1 ? 0.7 : 0.3);
		fine.import_price[t] = in.import_price[t / 2];
		fine.export_price[t] = in.export_price[t / 2];
		fine.load_kw[t] = in.load_kw[t / 2];
		fine.pv_kw[t] = in.pv_kw[t / 2];
		fine.curtail_max_kw[t] = in.curtail_max_kw[t / 2];
		fine.import_max_kw[t] = in.import_max_kw[t / 2];
		fine.export_max_kw[t] = in.export_max_kw[t / 2];
		fine.battery[0].charge_max_kw[t] = in.battery[0].charge_max_kw[t / 2];
		fine.battery[0].discharge_max_kw[t] = in.battery[0].discharge_max_kw[t / 2];
		fine.battery[0].floor_kwh[t + 1] = in.battery[0].floor_kwh[0];
	}
	assert_true(fabs(cost_of(&fine) - cost_of(&in)) < 1e-3);
	instance_deinit(&fine);
	instance_deinit(&in);
}

/* Two halves of a battery are that battery: the relaxation's bound is its optimum, the plan comes near it. */
static void test_two_halves(void **context)
{
	struct plan_instance in, two;
	struct plan p;

	(void)context;
	sample_load("tou-summer-13.5-ev0-300", &in);
	assert_int_equal(instance_alloc(&two, in.slots, 2, 0), 0);
	memcpy(two.memory, in.memory, 8 * (size_t)in.slots * sizeof(double));
	for (int b = 0; b < 2; b++) {
		struct plan_battery *x = &two.battery[b];

		x->capacity_kwh = in.battery[0].capacity_kwh / 2;
		x->soc_kwh = in.battery[0].soc_kwh / 2;
		x->charge_eff = in.battery[0].charge_eff;
		x->discharge_eff = in.battery[0].discharge_eff;
		x->terminal_value = in.battery[0].terminal_value;
		for (int t = 0; t < in.slots; t++) {
			x->floor_kwh[t + 1] = in.battery[0].floor_kwh[t + 1] / 2;
			x->charge_max_kw[t] = in.battery[0].charge_max_kw[t] / 2;
			x->discharge_max_kw[t] = in.battery[0].discharge_max_kw[t] / 2;
		}
	}
	solve(&two, &p);
	assert_true(plan_check(&two, &p).worst < 1e-4);
	assert_true(p.bound <= -6.991902 + 1e-6 && p.bound > -6.991902 - 0.05);
	assert_true(p.cost >= -6.991902 - 1e-6 && p.cost < -6.991902 + 0.05 * (6.991902 - 3.608042));
	plan_deinit(&p);
	instance_deinit(&two);
	instance_deinit(&in);
}

static void test_longest(void **context)
{
	struct plan_instance in;
	struct plan p;
	uint32_t random = 1;

	(void)context;
	home(&in, PLAN_SLOTS_MAX, 1);
	for (int t = 0; t < in.slots; t++) { /* a new price every slot: the cost to go gets as many slopes as it can */
		random = random * 1664525u + 1013904223u;
		in.slot_h[t] = 1.0 / 60;
		in.import_price[t] = (double)(random >> 8) / 1e7 * 1e9;
		in.export_price[t] = in.import_price[t] / 2;
		in.load_kw[t] = (double)(random >> 20) / 1e3;
		in.import_max_kw[t] = 50;
	}
	solve(&in, &p);
	assert_int_not_equal(p.status, PLAN_INFEASIBLE);
	assert_true(plan_check(&in, &p).worst < 1e-4);
	plan_deinit(&p);
	instance_deinit(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_import_limit_cannot_hold),
		cmocka_unit_test(test_export_limit_cannot_hold),
		cmocka_unit_test(test_floor_cannot_be_reached),
		cmocka_unit_test(test_car_energy_cannot_fit),
		cmocka_unit_test(test_start_below_floor),
		cmocka_unit_test(test_fixed_orders),
		cmocka_unit_test(test_no_car_overfilled),
		cmocka_unit_test(test_car_of_one_power),
		cmocka_unit_test(test_order_ends_at_soft_floor),
		cmocka_unit_test(test_rest_beside_car),
		cmocka_unit_test(test_order_beside_charging),
		cmocka_unit_test(test_no_time_still_a_plan),
		cmocka_unit_test(test_scaled_prices),
		cmocka_unit_test(test_battery_of_nothing),
		cmocka_unit_test(test_wider_never_costs_more),
		cmocka_unit_test(test_slots_cut_in_two),
		cmocka_unit_test(test_two_halves),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
