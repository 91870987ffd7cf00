/* Trials of a meter in a house whose load comes and goes, at a limit: a single step says little there, several in a row do. */
#include "support/cm.h"
#include "support/doubt_kit.h"

#define TOLD_W 2000.0
#define NO_TRIAL 700

static int battery, car;

static bool tried(void)
{
	return desk_order(kit.w, battery, RANK_NONE) != NULL;
}

static bool named(void)
{
	return kit_doubt(DOUBT_METER_INVERTED) != NULL;
}

/* An inverted meter that shows 3000 W out, where 4000 W are allowed, and three steps of the battery. */
static void begin(void)
{
	kit_begin(&POLICY_DOUBT);
	battery = desk_battery(&kit.s, 50);
	car = desk_charger(&kit.s, 0);
	kit_tell(car, order_power(0));
	kit.gain = -1;
	kit.load_w = 1000;
	kit.power_w[battery] = TOLD_W + 1000;
	kit_tell(battery, order_power(TOLD_W + 1000));
	kit_run(23);
	kit.s.site.export_limit_w = 4000;
	for (int n = 0; n < 3; n++) {
		kit_tell(battery, order_power(n % 2 ? TOLD_W + 1000 : TOLD_W));
		kit_run(n < 2 ? 12 : 1);
	}
}

/* Ticks until the next trial; then a load comes or goes, if the house is @restless. */
static int next_trial(int n, bool restless)
{
	for (int t = 0; t < NO_TRIAL; t++) {
		if (tried()) {
			kit_run(2);
			kit.jump_w += restless ? n % 2 ? -800 : 800 : 0;
			return t;
		}
		kit_tick();
	}
	return NO_TRIAL;
}

/* Its steps show @gain, and after one of 0 are right; how many of them there were. */
static int trial(const double *gain)
{
	double was = desk_order(kit.w, battery, RANK_NONE)->order.w, w;
	int n = 0;

	while (tried() && !named()) {
		w = desk_order(kit.w, battery, RANK_NONE)->order.w;
		if (w != was) {
			kit.jump_w += ((*gain != 0 ? *gain : 1) - kit.gain) * (w - was);
			gain += *gain != 0;
			n++;
		}
		was = w;
		kit_tick();
	}
	return n;
}

/* Trials until the meter is named, or is left in peace for ten minutes; and the steps it took. */
static void how_many_it_takes(void **state)
{
	static const struct { const char *name; bool restless; double gain[12]; bool named; int trials, steps; } ROWS[] = {
		{ "a quiet house", false, { -1, -1 }, true, 1, 2 }, { "it takes five", true, { -1, -1, -1, -1, -1 }, true, 2, 5 },
		{ "three that are right", true, { 1, 1, 1, 0.45 }, false, 2, 4 },
		{ "two, then five wrong ones", true, { 1, 1, -1, -1, -1, -1, -1 }, true, 3, 7 },
		{ "four, then three right ones", true, { -1, -1, -1, -1, 1, 1, 1 }, false, 3, 8 },
		{ "one of them right", true, { -1, -1, -1, 1, -1, -1, -1, -1, -1 }, true, 3, 9 },
		{ "one says nothing", true, { -1, -1, 0.45, -1, -1, -1 }, true, 2, 6 },
		{ "one of another size", true, { -1, -1, -1.5, -1, -1, -1 }, true, 2, 6 },
		{ "a right one is no doubt in a quiet house", false, { 1, 1 }, false, 1, 2 },
		{ "but among wrong ones it was a load", false, { -1, 1, -1, -1 }, true, 2, 4 },
		{ "more right ones than wrong ones", false, { -1, 1, 1, 1 }, false, 2, 4 },
		{ "a load with the first", false, { -3, -1, -1, -1 }, true, 1, 4 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int trials = 0, steps = 0;

		begin();
		while (next_trial(trials, ROWS[r].restless) < NO_TRIAL && !named() && trials++ < 9)
			steps += trial(&ROWS[r].gain[steps < 11 ? steps : 11]);
		assert_row(ROWS[r].name, named() == ROWS[r].named && trials == ROWS[r].trials && steps == ROWS[r].steps);
	}
}

/* A car that rises meanwhile shows the same, but nobody was at rest: that is none of them. */
static void in_passing_is_no_step(void **state)
{
	(void)state;
	begin();
	next_trial(0, true);
	for (int n = 1; n <= 6; n++) {
		kit_tell(car, order_power(200 * n));
		kit_run(1);
	}
	kit_run(3);
	assert_true(tried() && !named());
}

/* Seconds from one trial to the next: not in the time of a load, and sooner while all it says is wrong. */
static void how_long_it_is_left_alone(void **state)
{
	static const struct { const char *name; double first[13]; int after_s[13]; } ROWS[] = {
		{ "nothing learnt", { 0 }, { 120, 127, 134, 141, 120, 127, 134, 141, 120, 127, 134, 134, 134 } },
		{ "one wrong step each", { -1, -1, -1, -1 }, { 15, 37, 74, 141, 120, 127 } },
		{ "and a right one", { -1, -1, 1, -1 }, { 15, 37, 134, 141, 120, 127 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		next_trial(0, true);
		for (int n = 0; n < 13 && ROWS[r].after_s[n] > 0; n++) {
			double first = ROWS[r].first[n];

			trial((const double[]){ first != 0 ? first : 0.45, 0.45, 0.45, 0.45, 0 });
			assert_row(ROWS[r].name, next_trial(n + 1, true) == ROWS[r].after_s[n]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_many_it_takes),
		cmocka_unit_test(in_passing_is_no_step),
		cmocka_unit_test(how_long_it_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
