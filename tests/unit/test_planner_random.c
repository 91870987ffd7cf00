/* Random homes against brute force: on a grid of stored energy and of the car's energy every schedule is tried. A grid
 * schedule is a real schedule, so the bound may never lie above its optimum; and the planner must not be beaten by it.
 * The seed is fixed unless HEARTH_SEED names another or HEARTH_LONG=1 draws one (and runs twenty times as many homes). */
#include "support/plan_check.h"
#include "support/seed.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GRID 25 /* steps of stored energy */
#define CAR 13  /* steps of the car's energy */

static uint64_t state;

static double uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 9007199254740992.0;
}

static double between(double a, double b)
{
	return a + (b - a) * uniform();
}

static bool chance(double p)
{
	return uniform() < p;
}

static uint64_t seed_set(void)
{
	const uint64_t seed = seed_of("HEARTH_SEED");

	state = seed * 6364136223846793005u + 1442695040888963407u;
	return seed;
}

static int rounds(int n)
{
	return getenv("HEARTH_LONG") ? n * 20 : getenv("HEARTH_SLOW") ? n / 5 : n; /* sanitizers look for other faults */
}

/* What is drawn decides how exact the planner must be. */
struct home {
	bool negative, bonus, car, rules;
};

static void random_site(struct plan_instance *in, const struct home *h)
{
	double import_max = chance(0.3) ? between(4, 8) : 20, export_max = chance(0.3) ? between(0, 3) : 20;

	for (int t = 0; t < in->slots; t++) {
		in->slot_h[t] = 1;
		in->import_price[t] = between(0.05, 0.4);
		in->export_price[t] = h->bonus && chance(0.4) ? between(0.3, 0.8) : between(0, in->import_price[t]);
		if (h->negative && chance(0.3)) {
			in->import_price[t] = between(-0.3, 0.1);
			in->export_price[t] = between(-0.35, 0.1);
		}
		in->load_kw[t] = between(0, 3);
		in->pv_kw[t] = chance(0.5) ? between(0, 5) : 0;
		in->import_max_kw[t] = import_max;
		in->export_max_kw[t] = export_max;
		in->curtail_max_kw[t] = in->pv_kw[t];
	}
}

static void random_battery(struct plan_instance *in, struct plan_battery *b, const struct home *h)
{
	double floor_kwh, power_kw = between(1, 5);

	b->capacity_kwh = between(2, 10);
	floor_kwh = between(0, 0.3) * b->capacity_kwh;
	b->soc_kwh = between(floor_kwh, b->capacity_kwh);
	b->charge_eff = between(0.85, 1);
	b->discharge_eff = between(0.85, 1);
	b->terminal_value = between(0, 0.25);
	b->wear_cost = chance(0.5) ? between(0, 0.05) : 0;
	if (h->rules) {
		b->grid_charge = chance(0.5);
		b->battery_export = chance(0.5);
	}
	for (int t = 0; t < in->slots; t++) {
		b->floor_kwh[t] = floor_kwh;
		b->charge_max_kw[t] = b->discharge_max_kw[t] = power_kw;
		if (h->rules && chance(0.1))
			b->fixed_kw[t] = between(-power_kw, power_kw);
	}
	b->floor_kwh[in->slots] = floor_kwh;
}

static void random_car(struct plan_instance *in, struct plan_ev *e)
{
	double step = between(0.4, 1);

	e->arrive_slot = (int)between(0, in->slots - 2);
	e->depart_slot = e->arrive_slot + 2 + (int)between(0, in->slots - e->arrive_slot - 1.5);
	e->min_kw = step * (chance(0.7) ? 2 : 0);
	e->max_kw = step * 5;
	e->energy_kwh = step * (2 + (int)between(0, 9));
}

static void random_home(struct plan_instance *in, const struct home *h, int slots, int batteries, int cars)
{
	assert_int_equal(instance_alloc(in, slots, batteries, cars), 0);
	in->single = batteries <= 1 && cars <= 1;
	if (h->rules)
		in->battery_to_ev = chance(0.5);
	random_site(in, h);
	for (int b = 0; b < batteries; b++)
		random_battery(in, &in->battery[b], h);
	for (int e = 0; e < cars; e++)
		random_car(in, &in->ev[e]);
}

/* Least cost of one slot at given powers, curtailment tried at every place where it can matter. */
static double brute_slot(const struct plan_instance *in, int t, double b, double e)
{
	const struct plan_battery *x = &in->battery[0];
	double y = in->load_kw[t] - in->pv_kw[t] + b + e, best = INFINITY;
	double at[] = { y, y + in->curtail_max_kw[t], 0, -in->export_max_kw[t], in->import_max_kw[t], e };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		double g = at[i];

		if (g < y - 1e-12 || g > y + in->curtail_max_kw[t] + 1e-12 || g > in->import_max_kw[t] ||
		    g < -in->export_max_kw[t])
			continue;
		if ((b > 0 && !x->grid_charge && g > 0) || (b < 0 && !x->battery_export && g < 0) ||
		    (b < 0 && e > 0 && !in->battery_to_ev && g < e))
			continue;
		best = fmin(best, g * in->slot_h[t] * (g > 0 ? in->import_price[t] : in->export_price[t]));
	}
	return best + (b < 0 ? -b * in->slot_h[t] * x->wear_cost : 0);
}

/* Stored energy in the grid: the floor plus steps; the start is a grid point of its own (index GRID). */
static double level(const struct plan_battery *x, int i)
{
	return i == GRID ? x->soc_kwh : x->floor_kwh[0] + (x->capacity_kwh - x->floor_kwh[0]) * i / (GRID - 1);
}

static void brute_step(const struct plan_instance *in, int t, double (*from)[CAR], double (*to)[CAR])
{
	const struct plan_battery *x = &in->battery[0];
	const struct plan_ev *ev = in->n_evs ? &in->ev[0] : NULL;
	double step = ev ? ev->max_kw / 5 : 0;
	bool here = ev && t >= ev->arrive_slot && t < ev->depart_slot;

	for (int i = 0; i <= GRID; i++)
		for (int c = 0; c < CAR; c++)
			to[i][c] = INFINITY;
	for (int i = 0; i <= GRID; i++) {
		for (int j = 0; j <= GRID; j++) {
			double d = level(x, j) - level(x, i), b = d > 0 ? d / x->charge_eff : d * x->discharge_eff;

			if (b > x->charge_max_kw[t] || b < -x->discharge_max_kw[t])
				continue;
			for (int k = 0; k <= (here ? 5 : 0); k++) {
				double e = k * step,
				       cost = ev && k && e < ev->min_kw - 1e-9 ? INFINITY : brute_slot(in, t, b, e);

				for (int c = 0; c + k < CAR && !isinf(cost); c++)
					to[j][c + k] = fmin(to[j][c + k], from[i][c] + cost);
			}
		}
	}
}

static double brute(const struct plan_instance *in)
{
	static double table[2][GRID + 1][CAR];
	double best = INFINITY;
	int due = in->n_evs ? (int)lround(in->ev[0].energy_kwh / (in->ev[0].max_kw / 5)) : 0;

	for (int i = 0; i <= GRID; i++)
		for (int c = 0; c < CAR; c++)
			table[0][i][c] = i == GRID && c == 0 ? 0 : INFINITY;
	for (int t = 0; t < in->slots; t++)
		brute_step(in, t, table[t & 1], table[(t + 1) & 1]);
	for (int i = 0; i <= GRID; i++)
		best = fmin(best, table[in->slots & 1][i][due] - in->battery[0].terminal_value * level(&in->battery[0], i));
	return best;
}

/* @slack: how far the planner may stay behind brute force, in money; @beaten_max: in how many of a hundred homes more. */
static void check_against_brute(const struct home *h, double slack, int beaten_max)
{
	int n = rounds(150), feasible = 0, optimal = 0, beaten = 0;

	for (int i = 0; i < n; i++) {
		struct plan_instance in;
		struct plan p;
		struct plan_check c;
		double best;

		random_home(&in, h, 3 + (int)between(0, 5), 1, h->car);
		for (int t = 0; t < in.slots; t++)
			in.battery[0].fixed_kw[t] = NAN; /* orders do not lie on the grid */
		best = brute(&in);
		assert_int_equal(planner_solve(&in, NULL, NULL, &p, NULL), 0);
		c = plan_check(&in, &p);
		if (!isinf(best) && p.status == PLAN_INFEASIBLE)
			fail_msg("round %d: %s, but brute force finds %.6f", i, p.why, best);
		if (p.status == PLAN_INFEASIBLE) {
			assert_true(p.n_violations > 0 && p.why[0]);
		} else {
			feasible++;
			optimal += p.status == PLAN_OPTIMAL;
			if (c.worst > 1e-4)
				fail_msg("round %d: %s", i, c.what);
			if (!(fabs(c.cost - p.cost) < 1e-6) || !(p.bound <= p.cost))
				fail_msg("round %d: says cost %.9f, is %.9f, bound %.9f", i, p.cost, c.cost, p.bound);
			if (p.bound > best + 1e-9)
				fail_msg("round %d: bound %.9f above a schedule of %.9f", i, p.bound, best);
			beaten += p.cost > best + slack;
			if (p.cost > best + 20 * slack)
				fail_msg("round %d: cost %.9f, brute force %.9f", i, p.cost, best);
		}
		plan_deinit(&p);
		instance_deinit(&in);
	}
	printf("%d homes, %d feasible, %d proven optimal, %d behind brute force\n", n, feasible, optimal, beaten);
	assert_true(feasible > n / 2);
	assert_true(beaten * 100 <= beaten_max * n);
	if (slack < 1e-6)
		assert_int_equal(optimal, feasible);
}

static void test_convex(void **context)
{
	struct home h = { 0 };

	(void)context;
	seed_set();
	check_against_brute(&h, 1e-7, 0);
}

static void test_bonus(void **context)
{
	struct home h = { .bonus = true };

	(void)context;
	seed_set();
	check_against_brute(&h, 1e-4, 0);
}

static void test_negative(void **context)
{
	struct home h = { .negative = true, .bonus = true };

	(void)context;
	seed_set();
	check_against_brute(&h, 1e-4, 0);
}

static void test_car(void **context)
{
	struct home h = { .car = true };

	(void)context;
	seed_set();
	check_against_brute(&h, 1e-4, 0);
}

/* Once the search for a better car's schedule ended in one that left the battery no way, and "infeasible" was said. */
static void test_car_other_way(void **context)
{
	struct home h = { .car = true };

	(void)context;
	state = 1795304546u * 6364136223846793005u + 1442695040888963407u;
	check_against_brute(&h, 1e-4, 0);
}

static void test_everything(void **context)
{
	struct home h = { .car = true, .negative = true, .bonus = true, .rules = true };

	(void)context;
	seed_set();
	check_against_brute(&h, 1e-3, 1);
}

/* Every schedule with the battery at one of nine powers, or run to an end of the store, around its orders. */
static double brute_orders(const struct plan_instance *in, int t, double soc)
{
	const struct plan_battery *x = &in->battery[0];
	double room = (x->capacity_kwh - soc) / x->charge_eff, held = (soc - x->floor_kwh[0]) * x->discharge_eff,
	       best = INFINITY;
	double most = fmin(x->charge_max_kw[0], room), least = -fmin(x->discharge_max_kw[0], held);

	if (t == in->slots)
		return -x->terminal_value * soc;
	for (int i = 0; i < 9; i++) {
		double b = least + (most - least) * i / 8, cost;

		if (i == 4)
			b = 0;
		if (!isnan(x->fixed_kw[t]))
			b = fmin(fmax(x->fixed_kw[t], least), most);
		cost = brute_slot(in, t, b, 0);
		if (!isinf(cost))
			best = fmin(best, cost + brute_orders(in, t + 1,
							      b > 0 ? soc + b * x->charge_eff : soc + b / x->discharge_eff));
		if (!isnan(x->fixed_kw[t]))
			break;
	}
	return best;
}

static void test_orders(void **context)
{
	struct home h = { .bonus = true };
	int n = rounds(150), beaten = 0, proven = 0;

	(void)context;
	seed_set();
	for (int i = 0; i < n; i++) {
		struct plan_instance in;
		struct plan p;
		double best;

		random_home(&in, &h, 5, 1, 0);
		for (int t = 0; t < in.slots; t++) {
			in.import_max_kw[t] = in.export_max_kw[t] = 20;
			in.battery[0].fixed_kw[t] = chance(0.3) ? between(-1, 1) * in.battery[0].charge_max_kw[t] : NAN;
		}
		best = brute_orders(&in, 0, in.battery[0].soc_kwh);
		assert_int_equal(planner_solve(&in, NULL, NULL, &p, NULL), 0);
		assert_int_not_equal(p.status, PLAN_INFEASIBLE);
		assert_true(plan_check(&in, &p).worst < 1e-4);
		if (p.bound > best + 1e-9)
			fail_msg("round %d: bound %.9f above a schedule of %.9f", i, p.bound, best);
		beaten += p.cost > best + 0.01;
		proven += p.status == PLAN_OPTIMAL;
		plan_deinit(&p);
		instance_deinit(&in);
	}
	printf("%d homes, %d proven optimal, %d behind brute force\n", n, proven, beaten);
	assert_true(beaten == 0 && proven * 100 >= 98 * n);
}

/* Only each tenth home gets all the time there is: the rules hold whenever the search ends. */
static bool impatient(void *context)
{
	int *asks = context;

	return (*asks)-- <= 0;
}

static int patience(int round)
{
	return round % 10 ? 8 : INT_MAX;
}

/* Several of each, orders, soft floors: no brute force, but the rules hold and the bound stays below. */
static void test_many(void **context)
{
	struct home h = { .negative = true, .bonus = true, .rules = true };
	int n = rounds(100), feasible = 0;

	(void)context;
	seed_set();
	for (int i = 0; i < n; i++) {
		struct plan_instance in;
		struct plan p;
		struct plan_check c;
		int asks = patience(i);

		random_home(&in, &h, 8 + (int)between(0, 40), (int)between(0, 4), (int)between(0, 3));
		if (chance(0.5)) {
			in.floor_price = between(0.01, 1);
			for (int b = 0; b < in.n_batteries; b++)
				in.battery[b].soc_kwh *= uniform();
		}
		assert_int_equal(planner_solve(&in, impatient, &asks, &p, NULL), 0);
		c = plan_check(&in, &p);
		if (p.status == PLAN_INFEASIBLE) {
			assert_true(p.n_violations > 0 && p.why[0]);
		} else {
			feasible++;
			if (c.worst > 1e-4)
				fail_msg("round %d: %s", i, c.what);
			assert_true(fabs(c.cost - p.cost) < 1e-5);
			assert_true(p.bound <= p.cost && !isinf(p.bound));
		}
		plan_deinit(&p);
		instance_deinit(&in);
	}
	printf("%d homes, %d feasible\n", n, feasible);
	assert_true(feasible > n / 3);
}

/* The same home with what cannot hold softened: whatever the plan breaks is named, and it stays near the hard one's breaks. */
static bool check_soft(const struct plan_instance *in, int round)
{
	struct plan p;
	int asks = patience(round);
	bool feasible;

	assert_int_equal(planner_solve_soft(in, impatient, &asks, &p, NULL), 0);
	feasible = p.status != PLAN_INFEASIBLE;
	for (int i = 0; i < p.n_violations && feasible; i++) {
		bool named = p.violation[i].soft;

		for (int k = 0; k < p.n_softened; k++)
			named |= !strcmp(p.softened[k], p.violation[i].limit);
		if (!named)
			fail_msg("round %d: %s is broken by %g and not named", round, p.violation[i].limit, p.violation[i].by);
	}
	assert_true(p.n_softened == 0 || (p.status == PLAN_FEASIBLE && p.why[0] && p.bound <= p.cost + 1e-6));
	plan_deinit(&p);
	return feasible;
}

/* Homes that hardly ever work: limits of zero, loads above the fuse, orders beyond ratings, floors that jump, cars that
 * cannot be full. There is always a plan, within ratings and battery, and it is never called more than it is. */
static void test_wild(void **context)
{
	struct home h = { .negative = true, .bonus = true, .rules = true };
	int n = rounds(150), infeasible = 0, hopeless = 0;

	(void)context;
	seed_set();
	for (int i = 0; i < n; i++) {
		struct plan_instance in;
		struct plan_check c;
		struct plan p;
		int asks = patience(i);

		random_home(&in, &h, 2 + (int)between(0, 30), (int)between(0, 3), (int)between(0, 3));
		for (int t = 0; t < in.slots; t++) {
			in.slot_h[t] = chance(0.2) ? 1e-3 : between(0.05, 2);
			in.load_kw[t] *= chance(0.1) ? 10 : 1;
			in.curtail_max_kw[t] = chance(0.5) ? 0 : in.curtail_max_kw[t];
			in.import_max_kw[t] *= chance(0.1) ? 0 : 1;
			for (int b = 0; b < in.n_batteries; b++) {
				in.battery[b].floor_kwh[t + 1] = chance(0.2) ? between(0, in.battery[b].capacity_kwh) : 0;
				in.battery[b].fixed_kw[t] = chance(0.1) ? between(-10, 10) : NAN;
				in.battery[b].charge_max_kw[t] *= chance(0.1) ? 0 : 1;
			}
		}
		in.floor_price = chance(0.5) ? NAN : between(0, 1);
		for (int e = 0; e < in.n_evs; e++)
			in.ev[e].energy_kwh *= uniform() * 3;
		assert_int_equal(planner_solve(&in, impatient, &asks, &p, NULL), 0);
		c = plan_check(&in, &p);
		infeasible += p.status == PLAN_INFEASIBLE;
		if (p.status != PLAN_INFEASIBLE && c.worst > 1e-4)
			fail_msg("round %d is called %s: %s", i, plan_status_word(p.status), c.what);
		for (int b = 0; b < in.n_batteries; b++) {
			for (int t = 0; t < in.slots; t++) {
				assert_true(p.battery_kw[b][t] <= in.battery[b].charge_max_kw[t] + 1e-6);
				assert_true(p.battery_kw[b][t] >= -in.battery[b].discharge_max_kw[t] - 1e-6);
				assert_true(p.soc_kwh[b][t + 1] > -1e-6 &&
					    p.soc_kwh[b][t + 1] < in.battery[b].capacity_kwh + 1e-6);
			}
		}
		hopeless += !check_soft(&in, i);
		plan_deinit(&p);
		instance_deinit(&in);
	}
	printf("%d homes, %d infeasible, %d even when softened\n", n, infeasible, hopeless);
	assert_true(hopeless * 50 <= n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convex), cmocka_unit_test(test_bonus),  cmocka_unit_test(test_negative),
		cmocka_unit_test(test_car),    cmocka_unit_test(test_orders), cmocka_unit_test(test_everything),
		cmocka_unit_test(test_many),   cmocka_unit_test(test_wild),
		cmocka_unit_test(test_car_other_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
