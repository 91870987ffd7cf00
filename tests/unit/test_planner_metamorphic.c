/* What must hold between two plans whatever the optimum is: on the shipped samples, each solved as it is and changed. */
#include "support/plan_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const SAMPLES[] = { "agile-winter-9.5-ev0-300", "bonus-winter-27-ev0-1800", "agile-winter-13.5-ev1-1800",
				       "bonus-summer-13.5-ev3-1800", "flat-summer-5-ev1-1800" };
#define N_SAMPLES (sizeof(SAMPLES) / sizeof(SAMPLES[0]))

static void sample(size_t i, struct plan_instance *in)
{
	struct errbuf err = { "" };
	char path[128];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "tests/data/plan/%s.json", SAMPLES[i]);
	text = plan_check_read(path, &len);
	assert_non_null(text);
	assert_int_equal(instance_parse(text, len, in, &err), 0);
	free(text);
}

static void solve(const struct plan_instance *in, struct plan *p)
{
	assert_int_equal(planner_solve(in, NULL, NULL, p, NULL), 0);
	assert_int_equal(p->status, PLAN_OPTIMAL);
	assert_true(plan_check(in, p).worst < 1e-4);
}

static double net_import_kwh(const struct plan_instance *in, const struct plan *p)
{
	double kwh = 0;

	for (int t = 0; t < in->slots; t++) {
		double kw = in->load_kw[t] - in->pv_kw[t] + p->curtail_kw[t] + p->battery_kw[0][t];

		kwh += (kw + (in->n_evs ? p->ev_kw[0][t] : 0)) * in->slot_h[t];
	}
	return kwh;
}

static double slack(const struct plan *p)
{
	return 1e-5 * (1 + fabs(p->cost));
}

static void test_scaled(void **context)
{
	(void)context;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		struct plan_instance in;
		struct plan a, b;

		sample(i, &in);
		solve(&in, &a);
		for (int t = 0; t < in.slots; t++) {
			in.import_price[t] *= 37;
			in.export_price[t] *= 37;
		}
		in.battery[0].terminal_value *= 37;
		in.battery[0].wear_cost *= 37;
		solve(&in, &b);
		assert_true(fabs(b.cost - 37 * a.cost) < 37 * slack(&a));
		plan_deinit(&a);
		plan_deinit(&b);
		instance_deinit(&in);
	}
}

/* With all prices dearer by the same the old plan costs that times its net import more; the new plan can only be better, and
 * by the same reasoning the other way round. */
static void test_shifted(void **context)
{
	(void)context;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		struct plan_instance in;
		struct plan a, b;

		sample(i, &in);
		solve(&in, &a);
		for (int t = 0; t < in.slots; t++) {
			in.import_price[t] += 0.07;
			in.export_price[t] += 0.07;
		}
		solve(&in, &b);
		assert_true(b.cost <= a.cost + 0.07 * net_import_kwh(&in, &a) + slack(&a));
		assert_true(b.cost >= a.cost + 0.07 * net_import_kwh(&in, &b) - slack(&a));
		plan_deinit(&a);
		plan_deinit(&b);
		instance_deinit(&in);
	}
}

static void test_wider(void **context)
{
	(void)context;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		struct plan_instance in;
		struct plan a, b;

		sample(i, &in);
		solve(&in, &a);
		for (int t = 0; t < in.slots; t++) {
			in.import_max_kw[t] += 1;
			in.export_max_kw[t] += 1;
			in.battery[0].charge_max_kw[t] += 1;
			in.battery[0].discharge_max_kw[t] += 1;
			in.battery[0].floor_kwh[t + 1] *= 0.5;
		}
		in.battery[0].capacity_kwh += 1;
		assert_int_equal(planner_solve(&in, NULL, NULL, &b, NULL), 0);
		assert_int_not_equal(b.status, PLAN_INFEASIBLE);
		assert_true(b.cost <= a.cost + slack(&a));
		assert_true(b.bound <= a.cost + slack(&a));
		plan_deinit(&a);
		plan_deinit(&b);
		instance_deinit(&in);
	}
}

static void test_no_store(void **context)
{
	(void)context;
	for (size_t i = 0; i < N_SAMPLES; i++) {
		struct plan_instance in;
		struct plan with, without;

		sample(i, &in);
		in.battery[0].capacity_kwh = in.battery[0].soc_kwh = 0;
		for (int t = 0; t <= in.slots; t++)
			in.battery[0].floor_kwh[t] = 0;
		solve(&in, &with);
		for (int t = 0; t < in.slots; t++)
			assert_true(fabs(with.battery_kw[0][t]) < 1e-9);
		in.n_batteries = 0;
		assert_int_equal(planner_solve(&in, NULL, NULL, &without, NULL), 0);
		assert_true(fabs(with.cost - without.cost) < slack(&with));
		plan_deinit(&with);
		plan_deinit(&without);
		in.n_batteries = 1;
		instance_deinit(&in);
	}
}

/* Where all hours cost the same, a car charges without a break, and as soon as it is there: the house beside it is no reason. Where
 * they cost less and less, be it ever so little, it ends with the last. */
static void test_one_price(void **context)
{
	static const double STEPS[] = { 0, -1e-7 };

	(void)context;
	for (size_t i = 2 * 2; i < N_SAMPLES * 2; i++) {
		const double step = STEPS[i % 2];
		struct plan_instance in;
		struct plan p;
		int starts = 0, first = -1, last = -1;

		sample(i / 2, &in);
		for (int t = 0; t < in.slots; t++) {
			in.import_price[t] = in.export_price[t] = 0.28 + step * t;
			in.load_kw[t] += 0.037 * (t * 7 % 11);
			in.battery[0].charge_max_kw[t] = in.battery[0].discharge_max_kw[t] = 0;
		}
		in.ev[0].max_kw = fmax(in.ev[0].min_kw + 1, 3.7);
		solve(&in, &p);
		for (int t = 0; t < in.slots; t++) {
			if (p.ev_kw[0][t] <= 0)
				continue;
			starts += t == 0 || p.ev_kw[0][t - 1] <= 0;
			first = first < 0 ? t : first;
			last = t;
		}
		if (starts != 1 || (step == 0 && first != in.ev[0].arrive_slot) || (step < 0 && last != in.ev[0].depart_slot - 1))
			fail_msg("%s: %d starts, slots %d to %d of %d to %d", SAMPLES[i / 2], starts, first, last, in.ev[0].arrive_slot, in.ev[0].depart_slot);
		plan_deinit(&p);
		instance_deinit(&in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scaled),
		cmocka_unit_test(test_shifted),
		cmocka_unit_test(test_wider),
		cmocka_unit_test(test_no_store),
		cmocka_unit_test(test_one_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
