/* Single-phase devices that move another phase of the meter than the configuration says. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery;

static void begin(void)
{
	battery = kit_battery();
}

static void steps(int n)
{
	kit_steps(battery, n);
}

static void phases(void **state)
{
	static const struct { const char *name; int phase, shown, phases, steps; bool named; } ROWS[] = {
		{ "as configured", 1, 1, 1, 8, false }, { "swapped, two steps", 1, 3, 1, 2, false }, { "swapped, three steps", 1, 3, 1, 3, true },
		{ "nobody says where it sits", 0, 3, 1, 8, false }, { "a three-phase device", 1, 3, 3, 8, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		kit.s.dev[battery].phase = ROWS[r].phase;
		kit.s.dev[battery].phases = ROWS[r].phases;
		kit.show[0] = ROWS[r].shown - 1;
		kit.show[2] = 3 - ROWS[r].shown;
		kit_run(20);
		steps(ROWS[r].steps);
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_PHASES_SWAPPED) != NULL) == ROWS[r].named);
		assert_row(ROWS[r].name, kit.w->phase_doubts == (ROWS[r].named ? 1u << battery : 0) && !kit.w->meter_lost);
		if (!ROWS[r].named)
			continue;
		steps(5); /* it stays */
		kit.show[0] = 0;
		kit.show[2] = 2;
		kit_run(20);
		steps(1);
		assert_row(ROWS[r].name, kit.w->phase_doubts != 0);
		steps(1);
		assert_row(ROWS[r].name, kit.w->phase_doubts == 0);
	}
}

/* Steps in passing are too vague for phases. */
static void steps_in_passing_say_nothing_of_phases(void **state)
{
	(void)state;
	begin();
	kit.s.dev[battery].phase = 1;
	kit.show[0] = 2;
	kit.show[2] = 0;
	kit_run(20);
	for (int k = 1; k <= 6; k++) {
		kit_tell(battery, order_power(600 * k));
		kit_run(3);
		assert_int_equal(kit.w->phase_doubts, 0);
	}
}

/* Two that move together: nobody knows whose step it was. */
static void two_at_once_say_nothing_of_phases(void **state)
{
	int second;

	(void)state;
	begin();
	second = desk_battery(&kit.s, 50);
	kit_tell(second, order_power(0));
	kit.s.dev[battery].phase = kit.s.dev[second].phase = 1;
	kit.show[0] = 2;
	kit.show[2] = 0;
	kit_run(20);
	for (int k = 0; k < 8; k++) {
		kit_tell(second, order_power(k % 2 ? 0 : 1000));
		steps(1);
		assert_int_equal(kit.w->phase_doubts, 0);
	}
}

/* A step on two phases at once, or larger on its phase than in the sum, says nothing of phases. */
static void phases_that_cannot_be(void **state)
{
	(void)state;
	for (int what = 0; what < 2; what++) {
		begin();
		kit.s.dev[battery].phase = 2;
		kit.show[1] = 0;
		kit.show[0] = 1;
		kit.twice = what == 0;
		kit.phase_gain = what == 0 ? 1 : 1.7;
		kit_run(20);
		steps(8);
		assert_int_equal(kit.w->phase_doubts, 0);
	}
}

/* Once L3, once L2: no three that agree. Half here, half there: nothing can be said. */
static void phases_must_agree(void **state)
{
	(void)state;
	begin();
	kit.s.dev[battery].phase = 1;
	for (int k = 0; k < 12; k++) {
		kit.show[0] = 1 + k % 2;
		kit.show[1 + k % 2] = 0;
		kit.show[2 - k % 2] = 2 - k % 2;
		kit_run(20);
		steps(1);
		kit_tell(battery, order_power(0));
		assert_int_equal(kit.w->phase_doubts, 0);
		kit_run(1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases),
		cmocka_unit_test(steps_in_passing_say_nothing_of_phases),
		cmocka_unit_test(two_at_once_say_nothing_of_phases),
		cmocka_unit_test(phases_that_cannot_be),
		cmocka_unit_test(phases_must_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
