/* Small homes of odd shape in which the planner once was wrong: a proof that was none, a plan not found, an "infeasible" that
 * was not so. The optima are those of an independent solver (tests/data/plan/README.md). */
#include "support/plan_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *file;
	double optimum;
} ODD[] = {
	/* the store can stand at one place only: rounding must not leave it none */
	{ "pinned-store-car", -0.86455 },
	{ "pinned-at-the-end-car", -1.224 },
	{ "pinned-full-car", -2.355136785 },
	{ "pinned-in-between-car", 0 },
	{ "pinned-store-narrow-car", -0.349275 },
	{ "pinned-store-narrow-car-2", 0.208213333 },
	/* least and greatest power lie close together, and the first slot is short: it must be left out, or taken in */
	{ "narrow-car-short-slot-out", 4.161383386 },
	{ "narrow-car-short-slot-in", 2.506080113 },
	{ "narrow-car-floor-rises", -0.4339625 },
	{ "car-least-power-exactly", 0 },
	/* the car gets its energy at once, but not at least cost: another slot has to rest */
	{ "car-two-sunny-slots", -0.337116022 },
	{ "car-short-slots-mixed", -0.237331877 },
	/* a soft floor that is still far bars no car */
	{ "car-soft-floor-far", 155.591251869 },
	{ "car-soft-floor-full-power", 0 },
	{ "car-soft-floor-short-slots", 1.973799167 },
	/* where no power is allowed there is no plan, and its cost none */
	{ "car-below-soft-floor", -0.43800625 },
	/* below a soft floor the store rests, also where rest is no bend of the cost */
	{ "lossless-soft-floor-rises", 0.105 },
	/* the car's cost bends where curtailing begins and where it can do no more */
	{ "car-curtailed-sun", -0.68 },
	/* a floor that is dearer than all prices is still for sale */
	{ "car-against-dear-floor", 150.06 },
};

static void test_optimum_is_found(void **context)
{
	(void)context;
	for (size_t i = 0; i < sizeof(ODD) / sizeof(ODD[0]); i++) {
		struct errbuf err = { "" };
		struct plan_instance in;
		struct plan_check c;
		struct plan p;
		char path[128], *text;
		size_t len;

		snprintf(path, sizeof(path), "tests/data/plan/odd/%s.json", ODD[i].file);
		text = plan_check_read(path, &len);
		assert_non_null(text);
		if (instance_parse(text, len, &in, &err) || planner_solve(&in, NULL, NULL, &p, &err))
			fail_msg("%s: %s", ODD[i].file, err.text);
		free(text);
		c = plan_check(&in, &p);
		if (p.status != PLAN_OPTIMAL || fabs(p.cost - ODD[i].optimum) > 1e-6 || p.bound > ODD[i].optimum + 1e-6)
			fail_msg("%s: status %d, cost %.9f, bound %.9f, optimum %.9f", ODD[i].file, p.status, p.cost, p.bound, ODD[i].optimum);
		if (c.worst > 1e-6)
			fail_msg("%s: %s", ODD[i].file, c.what);
		plan_deinit(&p);
		instance_deinit(&in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_optimum_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
