/* A plan told in blocks: what is a block, what its sentence says, and that all gains together are what the plan saves. */
#include "policies/planner/story.h"

#include "support/plan_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START 1768471200000LL /* Thursday 2026-01-15T10:00:00Z */

static struct story story; /* 40 KiB */

/* A home of hourly slots: 10 kWh, 5 kW, half of it stored, no losses, no load, nothing left is worth anything. */
static void home_make(struct plan_instance *in, int slots, int cars)
{
	assert_int_equal(instance_alloc(in, slots, 1, cars), 0);
	in->start_utc_ms = START;
	for (int t = 0; t < slots; t++) {
		in->slot_h[t] = 1;
		in->import_price[t] = 0.30;
		in->export_price[t] = 0.05;
		in->import_max_kw[t] = in->export_max_kw[t] = 20;
		in->battery[0].charge_max_kw[t] = in->battery[0].discharge_max_kw[t] = 5;
	}
	strcpy(in->battery[0].id, "battery");
	in->battery[0].capacity_kwh = 10;
	in->battery[0].soc_kwh = 5;
	in->battery[0].charge_eff = in->battery[0].discharge_eff = 1;
}

static void tell(struct plan_instance *in, const struct zone *z)
{
	struct errbuf err = { "" };
	struct plan p;

	assert_int_equal(planner_solve(in, NULL, NULL, &p, &err), 0);
	assert_int_not_equal(p.status, PLAN_INFEASIBLE);
	story_tell(&p, in, z, &story);
	plan_deinit(&p);
}

static const struct story_block *find(enum story_action a)
{
	for (int i = 0; i < story.n; i++)
		if (story.block[i].action == a)
			return &story.block[i];
	fail_msg("no block says %s", story_action_word(a));
	return &story.block[0];
}

static void says(const struct story_block *k, const char *why)
{
	if (strcmp(k->why, why))
		fail_msg("'%s', should be '%s'", k->why, why);
}

/* Cheap, usual, dear: charge, keep, sell. */
static void test_charge_hold_sell(void **context)
{
	struct plan_instance in;
	const struct zone berlin = { .name = "Europe/Berlin", .n = 1, .t = { { 0, 3600 } } };
	const struct story_block *k;

	(void)context;
	home_make(&in, 8, 0);
	in.battery[0].soc_kwh = 0;
	in.battery[0].capacity_kwh = 4;
	for (int t = 0; t < 8; t++)
		in.load_kw[t] = 0.5;
	in.import_price[1] = 0.09;
	in.import_price[3] = 0.31; /* dearer each hour: nothing is gained by covering the house and buying it back */
	in.import_price[4] = 0.32;
	in.import_price[5] = in.export_price[5] = 0.38;
	tell(&in, &berlin);
	k = find(STORY_CHARGE);
	assert_true(k->from_utc_ms == START + 3600000 && k->to_utc_ms == START + 7200000);
	if (fabs(k->kwh - 4) > 1e-6 || fabs(k->price - 0.09) > 1e-9 || fabs(k->gain - 4 * 0.29) > 1e-6)
		fail_msg("%.6f kWh at %.6f, gain %.6f: %s", k->kwh, k->price, k->gain, k->why);
	says(k, "charge 4.0 kWh at 0.09, sells at 0.38 at 16:00, gain 1.16");
	k = find(STORY_HOLD);
	assert_true(k->from_utc_ms == START + 2 * 3600000 && k->to_utc_ms == START + 5 * 3600000);
	says(k, "holds 4.0 kWh for 16:00 at 0.38");
	k = find(STORY_SELL);
	assert_true(fabs(k->kwh - 4) < 1e-6 && fabs(k->gain) < 1e-9);
	says(k, "sells 4.0 kWh at 0.38, taken in at 0.09");
	instance_deinit(&in);
}

/* What was there at the start earns where it is given out; the sun earns where it is stored. */
static void test_self_use(void **context)
{
	struct plan_instance in;
	const struct story_block *k;

	(void)context;
	home_make(&in, 16, 0);
	in.battery[0].soc_kwh = 2;
	for (int t = 0; t < 16; t++)
		in.load_kw[t] = 1;
	in.pv_kw[4] = 4;
	tell(&in, NULL);
	k = &story.block[0];
	assert_int_equal(k->action, STORY_SELF_USE);
	says(k, "covers the house at 0.30 instead of importing, gain 0.60");
	assert_true(fabs(k->kwh - 2) < 1e-6 && fabs(k->gain - 0.6) < 1e-6);
	k = NULL;
	for (int i = 0; i < story.n && !k; i++)
		if (strstr(story.block[i].why, "stores"))
			k = &story.block[i];
	assert_non_null(k);
	says(k, "stores 3.0 kWh of sun at 0.05, covers the house at 15:00 instead of 0.30, gain 0.75");
	instance_deinit(&in);
}

static void test_event(void **context)
{
	struct plan_instance in;
	const struct story_block *k;

	(void)context;
	home_make(&in, 6, 0);
	in.battery[0].fixed_kw[2] = in.battery[0].fixed_kw[3] = -2;
	in.battery[0].fixed_kw[5] = 0;
	tell(&in, NULL);
	k = find(STORY_DISCHARGE);
	assert_true(k->from_utc_ms == START + 2 * 3600000 && k->to_utc_ms == START + 4 * 3600000);
	says(k, "Flip event until 14:00: discharges 4.0 kWh");
	assert_int_equal(story.block[story.n - 1].action, STORY_HOLD);
	says(&story.block[story.n - 1], "Flip event until 16:00: rests");
	instance_deinit(&in);
}

/* Taken in for an event at a price the meter does not give back: said, and what the event pays is not invented. */
static void test_for_an_event(void **context)
{
	struct plan_instance in;
	const struct story_block *k;

	(void)context;
	home_make(&in, 4, 0);
	in.battery[0].soc_kwh = 0;
	in.battery[0].fixed_kw[1] = 4;
	in.battery[0].fixed_kw[3] = -4;
	tell(&in, NULL);
	k = find(STORY_CHARGE);
	says(k, "Flip event until 12:00: charges 4.0 kWh");
	assert_true(fabs(k->gain + 4 * 0.25) < 1e-6);
	in.battery[0].fixed_kw[1] = NAN;
	in.import_price[1] = 0.04; /* less than export pays: taken without an order */
	tell(&in, NULL);
	says(find(STORY_CHARGE), "charge 5.0 kWh at 0.04, for the Flip event at 13:00, gain 0.05");
	instance_deinit(&in);
}

static void test_car(void **context)
{
	struct plan_instance in;
	const struct story_block *k;

	(void)context;
	home_make(&in, 30, 1);
	in.battery[0].capacity_kwh = in.battery[0].soc_kwh = 0;
	strcpy(in.ev[0].id, "wallbox");
	in.ev[0] = (struct plan_ev){ .id = "wallbox", .depart_slot = 30, .energy_kwh = 8, .min_kw = 1, .max_kw = 4 };
	in.import_price[25] = in.import_price[26] = 0.10;
	tell(&in, NULL);
	k = find(STORY_CAR);
	assert_string_equal(k->device, "wallbox");
	assert_true(fabs(k->gain - 8 * 0.20) < 1e-6);
	says(k, "charges the car with 8.0 kWh at 0.10, at once would be 0.30, gain 1.60");
	instance_deinit(&in);
}

/* Where all hours cost the same a kWh covers the house at once, a car beside it or not. */
static void test_ties_go_to_self_use(void **context)
{
	(void)context;
	for (int cars = 0; cars < 2; cars++) {
		struct plan_instance in;

		home_make(&in, 8, cars);
		in.battery_to_ev = false;
		in.battery[0].soc_kwh = 2;
		for (int t = 0; t < 8; t++)
			in.load_kw[t] = 0.5;
		if (cars)
			in.ev[0] = (struct plan_ev){ .id = "wallbox", .depart_slot = 8, .energy_kwh = 6, .min_kw = 1.4, .max_kw = 4 };
		tell(&in, NULL);
		if (find(STORY_SELF_USE)->from_utc_ms != START || fabs(find(STORY_SELF_USE)->kwh - 2) > 1e-6)
			fail_msg("%d cars: %.3f kWh from %lld on", cars, find(STORY_SELF_USE)->kwh, (long long)find(STORY_SELF_USE)->from_utc_ms);
		instance_deinit(&in);
	}
}

/* Slots of a quarter hour, two of them cheap, @apart slots between their beginnings: what stops for less than half an hour is one
 * block. Returns how many there are. */
static int car_blocks(int apart, const char *why)
{
	struct plan_instance in;
	int n = 0;

	home_make(&in, 12, 1);
	in.battery[0].capacity_kwh = in.battery[0].soc_kwh = 0;
	in.ev[0] = (struct plan_ev){ .id = "wallbox", .depart_slot = 12, .energy_kwh = 2, .min_kw = 4, .max_kw = 4 };
	for (int t = 0; t < 12; t++)
		in.slot_h[t] = 0.25;
	in.import_price[4] = in.import_price[4 + apart] = 0.10;
	tell(&in, NULL);
	says(find(STORY_CAR), why);
	for (int i = 0; i < story.n; i++)
		n += story.block[i].action == STORY_CAR;
	instance_deinit(&in);
	return n;
}

static void test_car_that_pauses(void **context)
{
	(void)context;
	assert_int_equal(car_blocks(1, "charges the car with 2.0 kWh at 0.10, at once would be 0.30, gain 0.40"), 1);
	assert_int_equal(car_blocks(2, "charges the car with 2.0 kWh at 0.10, with pauses, at once would be 0.30, gain 0.40"), 1);
	assert_int_equal(car_blocks(3, "charges the car with 1.0 kWh at 0.10, at once would be 0.30, gain 0.20"), 2);
}

/* Sun that is sold although there is room, with nothing and with something in store; next to nothing stored is no block. */
static void test_sun_to_the_grid(void **context)
{
	static const char *const WHY[] = { "sells the sun at 0.20 instead of storing it", "sells the sun at 0.20 instead of storing it, holds 1.0 kWh",
					   "sells the sun at 0.00 instead of storing it",
					   "gives the sun away, which costs 0.03 a kWh, to have room when that costs more" };
	static const struct { double first, then, else_at; } PRICE[] = { { 0.20, 0.05, 0.04 }, { 0.20, 0.05, 0.04 }, { -0.001, -0.01, -0.02 },
									 { -0.03, -0.06, -0.08 } };

	(void)context;
	for (int i = 0; i < 4; i++) {
		struct plan_instance in;

		home_make(&in, 8, 0);
		in.battery[0].capacity_kwh = 3;
		in.battery[0].soc_kwh = i == 1 ? 1 : 0;
		in.pv_kw[2] = in.pv_kw[4] = 4;
		in.pv_kw[5] = 0.03;              /* goes with the sun before it */
		for (int t = 0; t < 8; t++)
			in.export_price[t] = t == 2 ? PRICE[i].first : t == 4 || t == 5 ? PRICE[i].then : PRICE[i].else_at;
		in.export_max_kw[2] = 4;         /* of the sun: no room for what is stored */
		in.load_kw[7] = 5;
		tell(&in, NULL);
		says(find(STORY_HOLD), WHY[i]);
		for (int b = 0; b < story.n; b++)
			assert_null(strstr(story.block[b].why, " 0.0 kWh"));
		instance_deinit(&in);
	}
}

/* Sun of @hours in the evening that is hardly any: not worth a block, until there are two hours of it. */
static int evening_blocks(int hours)
{
	struct plan_instance in;

	home_make(&in, 10, 0);
	for (int t = 0; t < 10; t++)
		in.load_kw[t] = t < 3 || t >= 3 + hours ? 0.5 : 0;
	for (int t = 3; t < 3 + hours; t++)
		in.pv_kw[t] = 0.03 / hours;
	tell(&in, NULL);
	instance_deinit(&in);
	return story.n;
}

static void test_next_to_nothing(void **context)
{
	(void)context;
	assert_int_equal(evening_blocks(1), 2); /* and nothing from where the store is empty */
	assert_int_equal(evening_blocks(2), 4);
}

static double idle_cost(const struct plan_instance *in)
{
	double cost = 0;

	for (int t = 0; t < in->slots; t++)
		cost += story_slot_cost(in, t, in->load_kw[t] - in->pv_kw[t]);
	for (int b = 0; b < in->n_batteries; b++)
		cost -= in->battery[b].terminal_value * in->battery[b].soc_kwh;
	return cost;
}

/* Cars as soon as they are there, one on top of the other. */
static double idle_cars(const struct plan_instance *in, const struct plan *p)
{
	double cost = 0;

	for (int e = 0; e < in->n_evs; e++) {
		double due = 0, got = 0, at_once = 0;

		for (int t = 0; t < in->slots; t++)
			due += p->ev_kw[e][t] * in->slot_h[t];
		for (int t = in->ev[e].arrive_slot; t < in->slots && got < due - 1e-9; t++) {
			double kw = fmin(in->ev[e].max_kw, (due - got) / in->slot_h[t]), net = in->load_kw[t] - in->pv_kw[t];

			for (int i = 0; i < e; i++)
				net += p->ev_kw[i][t];
			at_once += story_slot_cost(in, t, net + kw) - story_slot_cost(in, t, net);
			got += kw * in->slot_h[t];
		}
		cost += at_once;
	}
	return cost;
}

/* On all shipped instances: the gains are the saving, the blocks of a device do not overlap, their energy is the plan's. */
static void test_gains_are_the_saving(void **context)
{
	static const char *const FILES[] = { "agile-winter-13.5-ev1-1800", "agile_neg-summer-13.5-ev0-300", "agile_neg-summer-5-ev3-300", "bonus-winter-27-ev0-1800",
					    "flat-summer-5-ev1-1800", "tou-winter-13.5-ev1-300" };
	int told = 0;

	(void)context;
	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		struct plan_instance in;
		struct plan p;
		struct errbuf err = { "" };
		char path[128];
		size_t len;
		char *text;
		double gain = 0, saving, moved = 0, kwh = 0;

		snprintf(path, sizeof(path), "tests/data/plan/%s.json", FILES[i]);
		text = plan_check_read(path, &len);
		if (!text)
			continue;
		told++;
		assert_int_equal(instance_parse(text, len, &in, &err), 0);
		free(text);
		assert_int_equal(planner_solve(&in, NULL, NULL, &p, &err), 0);
		story_tell(&p, &in, NULL, &story);
		saving = idle_cost(&in) + idle_cars(&in, &p) - p.cost;
		for (int k = 0; k < story.n; k++) {
			const struct story_block *b = &story.block[k];

			gain += b->gain;
			kwh += b->action == STORY_HOLD ? 0 : b->kwh;
			assert_true(b->to_utc_ms > b->from_utc_ms && b->why[0]);
			if (k > 0 && !strcmp(b->device, story.block[k - 1].device))
				assert_true(b->from_utc_ms >= story.block[k - 1].to_utc_ms);
		}
		for (int t = 0; t < in.slots; t++)
			moved += in.slot_h[t] * (fabs(p.battery_kw[0][t]) + (in.n_evs ? p.ev_kw[0][t] : 0));
		if (fabs(gain - saving) > 1e-6 * fmax(1, fabs(saving)) || fabs(kwh - moved) > 0.02 * moved)
			fail_msg("%s: gains %.6f of a saving of %.6f, %.3f of %.3f kWh, %d blocks", FILES[i], gain, saving, kwh, moved, story.n);
		plan_deinit(&p);
		instance_deinit(&in);
	}
	assert_true(told == 6);
}

/* Four batteries and four cars that change all the time: the blocks fit, and the gains still add up. */
static void test_too_many(void **context)
{
	struct plan_instance in;
	struct plan p;
	double gain = 0, moved = 0, told = 0;

	(void)context;
	assert_int_equal(instance_alloc(&in, 400, 2, 2), 0);
	in.start_utc_ms = START;
	for (int t = 0; t < 400; t++) {
		in.slot_h[t] = 0.5;
		in.import_price[t] = t % 2 ? 0.40 : 0.10;
		in.export_price[t] = 0.02;
		in.load_kw[t] = t % 2 ? 3 : 0.2;
		in.import_max_kw[t] = in.export_max_kw[t] = 50;
		for (int b = 0; b < 2; b++)
			in.battery[b].charge_max_kw[t] = in.battery[b].discharge_max_kw[t] = 2;
	}
	for (int b = 0; b < 2; b++) {
		snprintf(in.battery[b].id, sizeof(in.battery[b].id), "b%d", b);
		in.battery[b].capacity_kwh = 3;
		in.battery[b].charge_eff = in.battery[b].discharge_eff = 0.95;
		in.ev[b] = (struct plan_ev){ .depart_slot = 400, .energy_kwh = 100, .max_kw = 1 };
		snprintf(in.ev[b].id, sizeof(in.ev[b].id), "e%d", b);
	}
	assert_int_equal(planner_solve(&in, NULL, NULL, &p, NULL), 0);
	story_tell(&p, &in, NULL, &story);
	assert_true(story.n <= STORY_BLOCKS_MAX && story.n >= 4);
	for (int k = 0; k < story.n; k++) {
		gain += story.block[k].gain;
		told += story.block[k].action == STORY_HOLD ? 0 : story.block[k].kwh;
	}
	for (int t = 0; t < 400; t++)
		moved += 0.5 * (fabs(p.battery_kw[0][t]) + fabs(p.battery_kw[1][t]) + p.ev_kw[0][t] + p.ev_kw[1][t]);
	assert_true(moved > 200);
	assert_true(fabs(gain - (idle_cost(&in) + idle_cars(&in, &p) - p.cost)) < 1e-6 * fabs(p.cost));
	assert_true(told > 0.5 * moved);
	plan_deinit(&p);
	instance_deinit(&in);
}

static void test_encoded(void **context)
{
	cJSON *list, *o;

	(void)context;
	memset(&story, 0, sizeof(story));
	story.n = 1;
	story.block[0] = (struct story_block){ "battery", STORY_CHARGE, START, START + 3600000, 2.12345, 0.09, 0.42, "charge" };
	list = story_encode(&story);
	o = cJSON_GetArrayItem(list, 0);
	assert_int_equal(cJSON_GetArraySize(list), 1);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "from")), "2026-01-15T10:00:00.000Z");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "to")), "2026-01-15T11:00:00.000Z");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "device")), "battery");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "action")), "charge");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "why")), "charge");
	assert_true(cJSON_GetObjectItem(o, "kwh")->valuedouble == 2.123 && cJSON_GetObjectItem(o, "price")->valuedouble == 0.09);
	assert_true(cJSON_GetObjectItem(o, "gain")->valuedouble == 0.42);
	cJSON_Delete(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charge_hold_sell), cmocka_unit_test(test_self_use), cmocka_unit_test(test_event),
		cmocka_unit_test(test_for_an_event), cmocka_unit_test(test_car), cmocka_unit_test(test_car_that_pauses), cmocka_unit_test(test_ties_go_to_self_use),
		cmocka_unit_test(test_sun_to_the_grid), cmocka_unit_test(test_next_to_nothing), cmocka_unit_test(test_gains_are_the_saving),
		cmocka_unit_test(test_too_many), cmocka_unit_test(test_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
