/* Values out of several futures: what is followed when nobody knows tomorrow's sky. */
#include "policies/planner/outlook.h"
#include "support/cm.h"

#include <string.h>

#define NOW 1768435200000LL /* 2026-01-15T00:00Z */
#define SLOTS 48
#define LAST_CHEAP (NOW + 11 * 1800000)

static struct forecast forecast;
static struct config config;
static const struct zone zone; /* UTC */

/* Half hours: a cheap night, a dear day with sun at noon that fills the batteries, which are 10 kWh in all, in the middle future, not in
 * the lean one. */
static void instance_make(struct plan_instance *in, int n_batteries, int n_evs)
{
	assert_int_equal(instance_alloc(in, SLOTS, n_batteries, n_evs), 0);
	in->start_utc_ms = NOW;
	for (int t = 0; t < SLOTS; t++) {
		in->slot_h[t] = 0.5;
		in->import_price[t] = t < 12 ? 0.09 : 0.30;
		in->export_price[t] = 0.05;
		in->load_kw[t] = 0.4;
		in->pv_kw[t] = in->curtail_max_kw[t] = t >= 18 && t < 32 ? 1.6 : 0;
		in->import_max_kw[t] = in->export_max_kw[t] = 20;
		for (int b = 0; b < n_batteries; b++)
			in->battery[b].charge_max_kw[t] = in->battery[b].discharge_max_kw[t] = 3.0 / n_batteries;
	}
	for (int b = 0; b < n_batteries; b++) {
		in->battery[b].capacity_kwh = 10.0 / n_batteries;
		in->battery[b].soc_kwh = 3.0 / n_batteries;
		in->battery[b].charge_eff = in->battery[b].discharge_eff = 0.95;
	}
	if (n_evs)
		in->ev[0] = (struct plan_ev){ .id = "car", .depart_slot = 12, .energy_kwh = 6, .min_kw = 1.4, .max_kw = 3.7 };
}

/* Of each ten days three brought so little sun, three so much, the others the usual; the load is always the same. What one day brings says
 * nothing of the next: they come in an order in which all follow all. Nobody says where the panels are; @hidden: nor that there are any, the
 * house gives what they make. */
static void days_of(double low, double high, bool hidden)
{
	static const char ORDER[] = "-=+=-+-+==-=+=+--+==-=+-==+=";

	forecast_init(&forecast);
	for (int64_t t = NOW - 28 * 86400000LL; t < NOW; t += 300000) {
		const char kind = ORDER[(t - NOW + 28 * 86400000LL) / 86400000LL];
		const int hour = (int)(t / 3600000 % 24);
		const double pv_w = (hour >= 9 && hour < 16 ? 1600 : 0) * (kind == '-' ? low : kind == '+' ? high : 1);

		forecast_learn(&forecast, t, hidden ? 400 - pv_w : 400, hidden ? 0 : pv_w);
	}
	forecast_refresh(&forecast, &zone);
}

static void days(double low, double high)
{
	days_of(low, high, false);
}

static bool never(void *context)
{
	(void)context;
	return false;
}

static bool at_once(void *context)
{
	(void)context;
	return true;
}

static void solve(struct plan_instance *in, bool (*expired)(void *context), struct plan *out)
{
	const struct home home = { &config, &zone, &forecast };

	assert_int_equal(outlook_solve(&home, in, expired, NULL, out, NULL), 0);
}

/* What one more kWh is worth in the last cheap slot with @kwh stored: before, none is worth more than buying it later. */
static double value_at(const struct plan *p, const struct plan_instance *in, double kwh)
{
	struct plan_guide g;
	int i = 0;

	plan_guide_at(p, in, false, 0, LAST_CHEAP, &g);
	assert_true(g.valid && g.n_segments > 0);
	while (i < g.n_segments - 1 && kwh * 1e3 >= (double)g.upto_wh[i])
		i++;
	return (double)g.value_per_kwh[i];
}

/* Steps rise in energy and never in value, at every boundary; there is room for them in a guide. */
static void well_made(const struct plan *p)
{
	for (int t = 0; t <= p->slots; t++) {
		const struct plan_slope *s = p->slope[0] + p->slope_first[0][t];
		int n = p->slope_first[0][t + 1] - p->slope_first[0][t];

		assert_true(n >= 1 && n <= GUIDE_SEGMENTS_MAX);
		for (int i = 1; i < n; i++)
			assert_true(s[i].upto_kwh > s[i - 1].upto_kwh && s[i].value <= s[i - 1].value + 1e-5F);
	}
}

/* With days that never differ all futures are one. */
static void test_one_future(void **state)
{
	struct plan_instance in;
	struct plan alone, all;

	(void)state;
	instance_make(&in, 1, 0);
	days(1, 1);
	assert_int_equal(planner_solve_soft(&in, NULL, NULL, &alone, NULL), 0);
	solve(&in, never, &all);
	well_made(&all);
	assert_true(all.cost == alone.cost && all.status == alone.status);
	for (double kwh = 0.3; kwh < 9.7; kwh += 0.2) /* but where it steps: values are those of parts of the store */
		if (value_at(&alone, &in, kwh - 0.25) == value_at(&alone, &in, kwh + 0.25))
			assert_float_equal(value_at(&all, &in, kwh), value_at(&alone, &in, kwh), 1e-5);
	plan_deinit(&alone);
	plan_deinit(&all);
	instance_deinit(&in);
}

/* A sunny day ahead fills the battery, more is worth what export pays; it may be a grey one, and then it is worth the evening's import. */
static void test_being_short_costs_more(void **state)
{
	struct plan_instance in;
	struct plan alone, all;

	(void)state;
	instance_make(&in, 1, 0);
	days(0.1, 1.4);
	assert_int_equal(planner_solve_soft(&in, NULL, NULL, &alone, NULL), 0);
	solve(&in, never, &all);
	well_made(&all);
	assert_true(value_at(&alone, &in, 5) < 0.09);  /* no reason to buy at night */
	assert_true(value_at(&all, &in, 5) > 0.09 / 0.95); /* there is */
	assert_true(value_at(&all, &in, 5) < 0.30 * 0.95);
	for (int t = 0; t < SLOTS; t++) /* what is shown is the middle one */
		assert_true(all.battery_kw[0][t] == alone.battery_kw[0][t]);
	plan_deinit(&alone);
	plan_deinit(&all);
	instance_deinit(&in);
}

static void test_sure_forecasts_and_no_time(void **state)
{
	struct plan_instance in;
	struct plan alone, all;

	(void)state;
	instance_make(&in, 1, 0);
	days(0.1, 1.4);
	assert_int_equal(planner_solve_soft(&in, NULL, NULL, &alone, NULL), 0);
	solve(&in, at_once, &all);
	assert_true(value_at(&all, &in, 5) > 0.09 / 0.95 && value_at(&all, &in, 5) > value_at(&alone, &in, 5) + 0.01); /* no time: they are made all the same */
	plan_deinit(&all);
	forecast.push.n_pv = 1; /* said from outside: he knows what the day will be */
	forecast.push.pv[0] = (struct forecast_segment){ NOW, 24 * 3600, 1600 };
	solve(&in, NULL, &all);
	assert_float_equal(value_at(&all, &in, 5), value_at(&alone, &in, 5), 1e-5);
	plan_deinit(&alone);
	plan_deinit(&all);
	instance_deinit(&in);
}

/* The car's energy is settled by the middle plan; the other futures carry it as load. */
static void test_with_car(void **state)
{
	struct plan_instance in;
	struct plan all;
	double kwh = 0;

	(void)state;
	instance_make(&in, 1, 1);
	days(0.1, 1.4);
	solve(&in, never, &all);
	well_made(&all);
	for (int t = 0; t < SLOTS; t++)
		kwh += all.ev_kw[0][t] * in.slot_h[t];
	assert_float_equal(kwh, 6, 1e-3);
	assert_true(value_at(&all, &in, 5) > 0.09 / 0.95);
	plan_deinit(&all);
	instance_deinit(&in);
}

/* A car that charges before the sun comes, out of the battery where that holds enough: what is stored for it is worth the import. */
static void test_car_in_the_morning(void **state)
{
	struct plan_instance in;
	struct plan with, without;

	(void)state;
	days(0.1, 1.4);
	instance_make(&in, 1, 0);
	solve(&in, never, &without);
	assert_true(value_at(&without, &in, 8) < 0.2);
	instance_deinit(&in);
	instance_make(&in, 1, 1);
	in.battery_to_ev = true;
	in.ev[0].arrive_slot = 12;
	in.ev[0].depart_slot = 18;
	solve(&in, never, &with);
	assert_true(value_at(&with, &in, 8) > value_at(&without, &in, 8) + 0.05);
	plan_deinit(&with);
	plan_deinit(&without);
	instance_deinit(&in);
}

/* Sun that nobody measures for itself comes as a house that gives: the same futures. */
static void test_house_that_gives(void **state)
{
	struct plan_instance in;
	struct plan seen, hidden;

	(void)state;
	instance_make(&in, 1, 0);
	days(0.1, 1.4);
	solve(&in, never, &seen);
	days_of(0.1, 1.4, true);
	for (int t = 18; t < 32; t++) {
		in.load_kw[t] = 0;
		in.pv_kw[t] = in.curtail_max_kw[t] = 1.2;
	}
	solve(&in, never, &hidden);
	for (double kwh = 1; kwh < 10; kwh += 2)
		assert_float_equal(value_at(&hidden, &in, kwh), value_at(&seen, &in, kwh), 0.02);
	plan_deinit(&seen);
	plan_deinit(&hidden);
	instance_deinit(&in);
}

/* Sun that may be curtailed whatever it is: no future has to pay for its export, and none has less to store for it. */
static void test_curtailed_sun(void **state)
{
	struct plan_instance in;
	struct plan all;

	(void)state;
	instance_make(&in, 1, 0);
	for (int t = 0; t < SLOTS; t++)
		in.export_price[t] = -0.2;
	days(0.1, 2.5);
	solve(&in, never, &all);
	assert_true(value_at(&all, &in, 9.5) > -1e-6);
	plan_deinit(&all);
	instance_deinit(&in);
}

/* The futures of several batteries take longer; when time is over the newest of them have been made. */
static void test_two_batteries_without_time(void **state)
{
	struct plan_instance in;
	struct plan all;

	(void)state;
	instance_make(&in, 2, 0);
	days(0.1, 1.4);
	solve(&in, at_once, &all);
	assert_true(value_at(&all, &in, 2.5) > 0.09 / 0.95);
	plan_deinit(&all);
	instance_deinit(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_future),
		cmocka_unit_test(test_being_short_costs_more),
		cmocka_unit_test(test_sure_forecasts_and_no_time),
		cmocka_unit_test(test_with_car),
		cmocka_unit_test(test_car_in_the_morning),
		cmocka_unit_test(test_house_that_gives),
		cmocka_unit_test(test_curtailed_sun),
		cmocka_unit_test(test_two_batteries_without_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
