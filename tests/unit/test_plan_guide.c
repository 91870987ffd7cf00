/* What leaves the planner: the guidance of an instant and the plan as JSON. */
#include "support/plan_check.h"

#include "core/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct solved {
	struct plan_instance in;
	struct plan p;
};

static void solve_sample(const char *file, struct solved *s)
{
	struct errbuf err = { "" };
	char path[128];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "tests/data/plan/%s.json", file);
	text = plan_check_read(path, &len);
	assert_non_null(text);
	if (instance_parse(text, len, &s->in, &err) || planner_solve(&s->in, NULL, NULL, &s->p, &err))
		fail_msg("%s", err.text);
	free(text);
}

static void solved_free(struct solved *s)
{
	plan_deinit(&s->p);
	instance_deinit(&s->in);
}

static void test_outside(void **context)
{
	struct solved s;
	struct plan_guide g;
	int64_t start, end;

	(void)context;
	solve_sample("agile-winter-13.5-ev1-1800", &s);
	start = s.in.start_utc_ms;
	end = start + 96 * 1800000LL;
	plan_guide_at(&s.p, &s.in, false, 0, start - 1, &g);
	assert_false(g.valid);
	plan_guide_at(&s.p, &s.in, false, 0, end, &g);
	assert_false(g.valid);
	plan_guide_at(&s.p, &s.in, false, 1, start, &g);
	assert_false(g.valid);
	plan_guide_at(&s.p, &s.in, true, -1, start, &g);
	assert_false(g.valid);
	plan_guide_at(&s.p, &s.in, false, 0, end - 1, &g);
	assert_true(g.valid && g.until_utc_ms == end);
	solved_free(&s);
}

/* At any instant: the slot's power and end, segments ascending in energy and falling in value. */
static void test_battery(void **context)
{
	struct solved s;
	struct plan_guide g;

	(void)context;
	solve_sample("tou-summer-13.5-ev0-300", &s);
	for (int t = 0; t < s.in.slots; t++) {
		int64_t from = s.in.start_utc_ms + t * 300000LL;

		plan_guide_at(&s.p, &s.in, false, 0, from + 299999, &g);
		assert_true(g.valid && g.until_utc_ms == from + 300000);
		assert_true(fabs(g.planned_w - s.p.battery_kw[0][t] * 1000) < 1e-9);
		assert_true(g.n_segments >= 1 && g.n_segments <= GUIDE_SEGMENTS_MAX);
		for (int i = 1; i < g.n_segments; i++)
			assert_true(g.upto_wh[i] > g.upto_wh[i - 1] && g.value_per_kwh[i] <= g.value_per_kwh[i - 1]);
		assert_true(fabs((double)g.upto_wh[g.n_segments - 1] - 13500) < 1);
	}
	assert_true(fabs(g.charge_eff - 0.948683) < 1e-6);
	solved_free(&s);
}

/* Following the value instead of the kW must lead to the plan's own decisions: where the plan buys for the store, stored
 * energy is worth the price; where it sells from it, at most the revenue. */
static void test_value_agrees_with_plan(void **context)
{
	struct solved s;
	int bought = 0, sold = 0;

	(void)context;
	solve_sample("tou-summer-13.5-ev0-300", &s);
	for (int t = 0; t < s.in.slots; t++) {
		double b = s.p.battery_kw[0][t], v = s.p.value[0][t + 1], eff = 0.948683;
		double grid = s.in.load_kw[t] - s.in.pv_kw[t] + b;

		if (b > 0.01 && grid > 0.01 && s.p.soc_kwh[0][t + 1] < 13.49) {
			bought++;
			assert_true(v * eff >= s.in.import_price[t] - 1e-6);
		}
		if (b < -0.01 && grid < -0.01 && s.p.soc_kwh[0][t + 1] > 2.71) {
			sold++;
			assert_true(v / eff <= s.in.export_price[t] + 1e-6);
		}
	}
	assert_true(bought > 0 && sold > 0);
	solved_free(&s);
}

static void test_car(void **context)
{
	struct solved s;
	struct plan_guide g;

	(void)context;
	solve_sample("tou-winter-13.5-ev1-300", &s);
	for (int t = 0; t < s.in.slots; t++) {
		plan_guide_at(&s.p, &s.in, true, 0, s.in.start_utc_ms + t * 300000LL, &g);
		assert_true(g.valid && fabs(g.planned_w - s.p.ev_kw[0][t] * 1000) < 1e-9);
	}
	assert_true(g.n_segments == 1 && g.value_per_kwh[0] > 0.05f && g.value_per_kwh[0] < 0.5f);
	solved_free(&s);
}

/* A home whose prices are all different: more slopes than guidance has room for. */
static void test_many_slopes(void **context)
{
	struct plan_instance in;
	struct plan p;
	struct plan_guide g;
	uint32_t random = 7;

	(void)context;
	assert_int_equal(instance_alloc(&in, 1000, 1, 0), 0);
	for (int t = 0; t < in.slots; t++) {
		random = random * 1664525u + 1013904223u;
		in.slot_h[t] = 0.1;
		in.import_price[t] = (double)(random >> 8) / 3e7;
		in.load_kw[t] = 0.3 + (double)(random & 15) / 20;
		in.import_max_kw[t] = in.export_max_kw[t] = 20;
		in.battery[0].charge_max_kw[t] = in.battery[0].discharge_max_kw[t] = 1;
	}
	in.battery[0].capacity_kwh = 100;
	in.battery[0].charge_eff = in.battery[0].discharge_eff = 0.95;
	in.start_utc_ms = 1000;
	assert_int_equal(planner_solve(&in, NULL, NULL, &p, NULL), 0);
	assert_int_equal(p.status, PLAN_OPTIMAL);
	plan_guide_at(&p, &in, false, 0, 1000, &g);
	assert_true(g.valid && g.n_segments > 20 && g.n_segments <= GUIDE_SEGMENTS_MAX);
	for (int i = 1; i < g.n_segments; i++)
		assert_true(g.upto_wh[i] > g.upto_wh[i - 1] && g.value_per_kwh[i] <= g.value_per_kwh[i - 1]);
	plan_deinit(&p);
	instance_deinit(&in);
}

static double number_at(const cJSON *o, const char *key, int i)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	v = i >= 0 ? cJSON_GetArrayItem(v, i) : v;
	assert_true(cJSON_IsNumber(v));
	return v->valuedouble;
}

static int length_of(const cJSON *o, const char *key)
{
	return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, key));
}

/* The numbers as printed, not as held, must keep the rules: the schedule is rebuilt from the text. */
static void test_encode_single(void **context)
{
	struct solved s;
	struct plan_check c;

	(void)context;
	solve_sample("agile_neg-summer-5-ev3-300", &s);
	s.p.solve_ms = 1.5;
	{
		AUTO_JSON *tree = plan_encode(&s.p, &s.in, true);
		AUTO_TEXT *text = cJSON_PrintUnformatted(tree);
		AUTO_JSON *o = json_parse(text, strlen(text), 1 << 20, 8, NULL);

		assert_non_null(o);
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "format")), "ems-plan/1");
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "instance")), s.in.name);
		assert_true(length_of(o, "battery_kw") == 576 && length_of(o, "ev_kw") == 576 &&
			    length_of(o, "curtail_kw") == 576);
		assert_true(length_of(o, "soc_kwh") == 577 && length_of(o, "value") == 577);
		assert_true(number_at(o, "solve_ms", -1) == 1.5 && number_at(o, "bound", -1) <= number_at(o, "cost", -1));
		for (int t = 0; t < 576; t++) {
			s.p.battery_kw[0][t] = number_at(o, "battery_kw", t);
			s.p.ev_kw[0][t] = number_at(o, "ev_kw", t);
			s.p.curtail_kw[t] = number_at(o, "curtail_kw", t);
			s.p.soc_kwh[0][t + 1] = number_at(o, "soc_kwh", t + 1);
		}
		c = plan_check(&s.in, &s.p);
		if (c.worst > 1e-5)
			fail_msg("%s", c.what);
		assert_true(fabs(c.cost - number_at(o, "cost", -1)) < 1e-5);
	}
	solved_free(&s);
}

static void test_encode_lists_and_violations(void **context)
{
	struct solved s;
	const cJSON *v;

	(void)context;
	solve_sample("agile-winter-13.5-ev1-1800", &s);
	plan_deinit(&s.p);
	s.in.ev[0].energy_kwh = 200;
	assert_int_equal(planner_solve(&s.in, NULL, NULL, &s.p, NULL), 0);
	{
		AUTO_JSON *o = plan_encode(&s.p, &s.in, false);

		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "status")), "infeasible");
		assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "bound")));
		assert_true(length_of(o, "batteries") == 1 && length_of(o, "evs") == 1);
		v = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "violations"), 0);
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(v, "limit")), "ev.energy_kwh");
		assert_true(number_at(v, "by", -1) > 90);
		v = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "batteries"), 0);
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(v, "id")), "battery-1");
		assert_true(length_of(v, "battery_kw") == 96 && length_of(v, "value") == 97);
	}
	solved_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_battery),
		cmocka_unit_test(test_value_agrees_with_plan),
		cmocka_unit_test(test_car),
		cmocka_unit_test(test_many_slopes),
		cmocka_unit_test(test_encode_single),
		cmocka_unit_test(test_encode_lists_and_violations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
