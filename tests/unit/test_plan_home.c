/* From a home to an instance: prices nobody knows yet, events the battery waits full for, sun that can be curtailed. */
#include "support/plan_world.h"

#include "policies/planner/planner.h"

#define START (NOW / 1000 * 1000)

static int64_t slot_start(const struct plan_instance *in, int slot)
{
	double ms = 0;

	for (int t = 0; t < slot; t++)
		ms += in->slot_h[t] * 3600e3;
	return in->start_utc_ms + llround(ms);
}

static int slot_at(const struct plan_instance *in, int64_t utc_ms)
{
	int t = 0;

	while (t < in->slots - 1 && slot_start(in, t + 1) <= utc_ms)
		t++;
	return t;
}

/* Behind what is known: the same local time of the day before, a day at most, and half hours suffice. */
static void test_prices_guessed(void **context)
{
	static const struct { const char *name; double horizon_h, known_h, hours; } ROWS[] = {
		{ "all known", 20, 30, 20 }, { "half known", 48, 30, 48 }, { "a day further", 96, 30, 54 }, { "little known", 48, 6, 30 },
		{ "an hour known: what is over counts too", 48, 1, 25 },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		struct plan_instance in;
		struct home_map map;
		double hours = 0;

		w->config.plan.horizon_h = (int)ROWS[i].horizon_h;
		price_cut(&w->import_prices, 0, NOW + (int64_t)(ROWS[i].known_h * (double)HOUR));
		assert_int_equal(build(w, &in, &map, NULL), 0);
		for (int t = 0; t < in.slots; t++) {
			int64_t at = slot_start(&in, t), back = at;

			while (isnan(price_at(&w->import_prices, back, NULL)) && back > START - 2 * 24 * HOUR)
				back -= 24 * HOUR;
			if (in.import_price[t] != price_at(&w->import_prices, back, NULL))
				fail_msg("%s: slot %d at %g h: %g", ROWS[i].name, t, hours, in.import_price[t]);
			hours += in.slot_h[t];
		}
		if (fabs(hours - ROWS[i].hours) > 0.51)
			fail_msg("%s: %g h", ROWS[i].name, hours);
		assert_int_equal(map.known_until_utc_ms, i == 0 ? slot_start(&in, in.slots) : NOW + (int64_t)(ROWS[i].known_h * (double)HOUR));
		instance_deinit(&in);
		free(w);
	}
}

/* By local time: on the day the clock goes forward the guess is an hour earlier by UTC. */
static void test_guess_over_a_change_of_the_clock(void **context)
{
	const struct zone berlin = { .name = "Europe/Berlin", .n = 2, .t = { { 0, 3600 }, { START / 1000 + 10 * 3600, 7200 } } };
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;

	(void)context;
	w->zone = berlin;
	w->config.plan.horizon_h = 30;
	w->import_prices.n = 2; /* dear for an hour, 12:00 to 13:00 UTC today, then known to be cheap for 4 h */
	w->import_prices.s[0] = (struct price_segment){ START - 24 * HOUR, START + 2 * HOUR, 0.1, 1 };
	w->import_prices.s[1] = (struct price_segment){ START + 2 * HOUR, START + 3 * HOUR, 0.9, 1 };
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_true(in.import_price[slot_at(&in, START + 24 * HOUR + HOUR / 2)] == 0.1);
	assert_true(in.import_price[slot_at(&in, START + 25 * HOUR + HOUR / 2)] == 0.9);
	assert_true(in.import_price[slot_at(&in, START + 26 * HOUR + HOUR / 2)] == 0.1);
	instance_deinit(&in);
	free(w);
}

/* What is left at the end is worth what the day behind it says, known or guessed. */
static void test_value_at_the_end(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;

	(void)context;
	w->config.plan.horizon_h = 6; /* 10:05 to 16:05, all at 0.28 and 0.38; the day behind has 7 h at 0.09 and 5 at 0.28 in its cheaper half */
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_true(fabs(in.battery[0].terminal_value - 0.95 * ((7 * 0.09 + 5 * 0.28) / 12 - 0.01)) < 1e-3);
	instance_deinit(&in);
	w->import_prices.n = 0;
	w->import_prices.s[w->import_prices.n++] = (struct price_segment){ START - HOUR, START + 3 * HOUR, 0.2, 1 };
	assert_int_equal(build(w, &in, &map, NULL), 0); /* nothing to guess from: the horizon's own */
	assert_true(fabs(in.battery[0].terminal_value - 0.95 * (0.2 - 0.01)) < 1e-6);
	instance_deinit(&in);
	free(w);
}

static double stored_at(const struct plan_instance *in, const struct plan *p, int64_t utc_ms)
{
	return p->soc_kwh[0][slot_at(in, utc_ms)];
}

/* The battery is charged for an event that discharges it, whatever the tariff, and what it has is neither sold nor used up before. */
static void test_ready_for_an_event(void **context)
{
	static const struct { const char *name, *import, *export; double soc, event_w; int64_t from_h; double ready_kwh; } ROWS[] = {
		{ "flat", "0.30", "0.05", 20, -4000, 6, 2 / 0.95 + 8 / 0.95 },
		{ "all it can", "0.30", "0.05", 20, -INFINITY, 6, 2 / 0.95 + 8 / 0.95 },
		{ "a small one", "0.30", "0.05", 20, -1000, 6, 1 + 2 / 0.95 },
		{ "dear before", "00:00-10:00 0.09, 10:00-17:00 0.38, 17:00-00:00 0.20", "0.15", 80, -4000, 8, 8 },
		{ "export pays before", "0.30", "00:00-12:00 0.05, 12:00-15:00 0.34, 15:00-00:00 0.05", 90, -4000, 6, 9 },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		int64_t from = START / HOUR * HOUR + ROWS[i].from_h * HOUR;
		struct tariff_windows t;
		struct plan_instance in;
		struct home_map map;
		struct plan p;
		double ready, given = 0, cost, bound_gap, price;

		w->s.n_devices = 2;
		w->s.site.export_limit_w = 0;
		battery_set(&w->s.dev[1], ROWS[i].soc);
		assert_int_equal(tariff_parse(ROWS[i].import, &t, NULL), 0);
		tariff_expand(&t, &w->zone, NOW - 25 * HOUR, NOW + 30 * HOUR, &w->import_prices);
		assert_int_equal(tariff_parse(ROWS[i].export, &t, NULL), 0);
		tariff_expand(&t, &w->zone, NOW - HOUR, NOW + 30 * HOUR, &w->export_prices);
		w->in.n_events[1] = 1;
		w->in.event[1][0] = (struct planning_event){ from, from + 2 * HOUR, ROWS[i].event_w, 10 };
		assert_int_equal(build(w, &in, &map, NULL), 0);
		assert_int_equal(planner_solve_soft(&in, NULL, NULL, &p, NULL), 0);
		ready = stored_at(&in, &p, from);
		for (int k = slot_at(&in, from); k < slot_at(&in, from + 2 * HOUR); k++)
			given -= p.battery_kw[0][k] * in.slot_h[k];
		if (ready < fmin(ROWS[i].ready_kwh, 10) - 0.01)
			fail_msg("%s: %.2f kWh at its start", ROWS[i].name, ready);
		if (given < fmin(2 * fmin(4, -ROWS[i].event_w / 1e3), (ready - 1) * 0.95) - 0.01)
			fail_msg("%s: %.2f of %.2f kWh at its start were given", ROWS[i].name, given, ready);
		bound_gap = p.cost - p.bound;
		price = price_at(&w->import_prices, from, NULL);
		home_plan_settle(&in, &map, &p); /* what the event is worth has never been */
		assert_true(fabs(in.import_price[slot_at(&in, from)] - price) < 1e-12);
		cost = plan_cost(&in, &p);
		assert_true(fabs(cost - p.cost) < 1e-6 && fabs(p.cost - p.bound - bound_gap) < 1e-9);
		plan_deinit(&p);
		instance_deinit(&in);
		free(w);
	}
}

/* No event, no worth; one that charges or rests has none either. */
static void test_worth_of_events(void **context)
{
	static const double POWERS[] = { NAN, 0, 3000, INFINITY, -3000 };

	(void)context;
	for (size_t i = 0; i < sizeof(POWERS) / sizeof(POWERS[0]); i++) {
		struct world *w = world_make();
		struct plan_instance in;
		struct home_map map;

		w->in.n_events[1] = 1;
		w->in.event[1][0] = (struct planning_event){ NOW + HOUR, NOW + 2 * HOUR, POWERS[i], NAN };
		assert_int_equal(build(w, &in, &map, NULL), 0);
		assert_true((map.event_worth > 0) == (i == 4));
		if (i == 4) { /* more than the dearest hour, but not so much more that it would be bought in it */
			double paid = in.export_price[slot_at(&in, NOW + HOUR + HOUR / 2)];

			assert_true(paid > 0.38 && paid < 0.38 / 0.95 / 0.95);
		}
		assert_true(fabs(in.import_price[slot_at(&in, NOW + HOUR + HOUR / 2)] - 0.28 - map.event_worth) < 1e-12);
		assert_true(in.import_price[slot_at(&in, NOW + 3 * HOUR)] == 0.28);
		instance_deinit(&in);
		free(w);
	}
}

static void pv_set(struct snap_device *d, const char *id, bool can_curtail, uint32_t roles)
{
	memset(d, 0, sizeof(*d));
	strcpy(d->id, id);
	d->roles = roles;
	d->state.availability = AVAIL_ONLINE;
	d->state.caps.can_curtail = can_curtail;
	value_set(&d->state.ac_power_w, -100, 1000, Q_GOOD);
}

/* Only sun that can be told to give less may be planned to. */
static void test_curtail(void **context)
{
	static const struct { const char *name; bool one, two; double one_w, two_w, share; } ROWS[] = {
		{ "none can", false, false, 3000, 1000, 0 }, { "both can", true, true, 0, 0, 1 }, { "the larger can", true, false, 3000, 1000, 0.75 },
		{ "one can, sizes unknown", true, false, 0, 0, 0 },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct world *w = world_make();
		struct plan_instance in;
		struct home_map map;
		int noon;

		w->s.n_devices = 4;
		pv_set(&w->s.dev[2], "one", ROWS[i].one, ROLE_PV);
		pv_set(&w->s.dev[3], "two", ROWS[i].two, ROLE_PV);
		w->config.n_devices = 2;
		strcpy(w->config.device[0].id, "one");
		strcpy(w->config.device[1].id, "two");
		w->config.device[0].peak_w = ROWS[i].one_w;
		w->config.device[1].peak_w = ROWS[i].two_w;
		w->forecast.push.n_pv = 1;
		w->forecast.push.pv[0] = (struct forecast_segment){ NOW - HOUR, 30 * 86400, 2000 };
		assert_int_equal(build(w, &in, &map, NULL), 0);
		noon = slot_at(&in, NOW + 2 * HOUR);
		if (in.pv_kw[noon] < 1.9 || fabs(in.curtail_max_kw[noon] - ROWS[i].share * in.pv_kw[noon]) > 1e-9)
			fail_msg("%s: %g of %g kW", ROWS[i].name, in.curtail_max_kw[noon], in.pv_kw[noon]);
		instance_deinit(&in);
		free(w);
	}
}

/* Export prices nobody knows count as none: nothing is sold on hope. */
static void test_export_unknown(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;

	(void)context;
	w->export_prices.n = 0;
	assert_int_equal(build(w, &in, &map, NULL), 0);
	for (int t = 0; t < in.slots; t++)
		assert_true(in.export_price[t] == 0);
	instance_deinit(&in);
	free(w);
}

/* A deadline behind the known prices is kept by guessed ones; the car leaves in time. */
static void test_deadline_behind_the_prices(void **context)
{
	struct world *w = world_make();
	struct plan_instance in;
	struct home_map map;

	(void)context;
	price_cut(&w->import_prices, 0, NOW + 14 * HOUR);
	w->s.dev[2].ev_ready_by_utc_ms = NOW + 21 * HOUR;
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_true(in.ev[0].depart_slot < in.slots);
	assert_true(slot_start(&in, in.ev[0].depart_slot) <= NOW + 21 * HOUR && slot_start(&in, in.ev[0].depart_slot) > NOW + 20 * HOUR);
	instance_deinit(&in);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prices_guessed), cmocka_unit_test(test_guess_over_a_change_of_the_clock), cmocka_unit_test(test_value_at_the_end),
		cmocka_unit_test(test_ready_for_an_event), cmocka_unit_test(test_worth_of_events), cmocka_unit_test(test_curtail),
		cmocka_unit_test(test_export_unknown), cmocka_unit_test(test_deadline_behind_the_prices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
