/* What a doubted meter is tried with: never beyond a limit, as a command says, with a car where there is no battery. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery, car;

static void begin(double load_w, double gain)
{
	kit_begin(&POLICY_DOUBT);
	kit.load_w = load_w;
	kit.gain = gain;
	battery = desk_battery(&kit.s, 50);
	kit_tell(battery, order_power(0));
	kit_run(23);
}

/* Orders of the rest of the chain, one every 12 s: each a clean step. */
static void steps(int n)
{
	while (n-- > 0) {
		kit_tell(battery, order_power(kit.order[battery].w > 0 ? 0 : 1000));
		kit_run(12);
	}
}

/* The power of the trial, whichever way; 0 = the batteries were only held. */
static double pushed(int ticks)
{
	double w = 0;

	for (int t = 0; t < ticks; t++) {
		const struct order_wish *o;

		kit_tick();
		o = desk_order(kit.w, battery, RANK_NONE);
		if (o && fabs(o->order.w) > fabs(w))
			w = o->order.w;
	}
	return w;
}

/* 4000 W of load and 300 W more, wherever the meter says that goes. */
static void never_beyond_a_limit(void **state)
{
	static const struct { const char *name; double gain, limit_w, demand_w, fuse_a; int phases; bool whole; double must_w; } ROWS[] = {
		{ "no limit", -1, 0, 0, 0, 1, false, 300 }, { "just fits", -1, 4300, 0, 0, 1, false, 300 },
		{ "does not fit", -1, 4299, 0, 0, 1, false, 0 }, { "the month's peak fits", -1, 9000, 4300, 0, 1, false, 300 },
		{ "does not", -1, 9000, 4299, 0, 1, false, 0 }, { "a tenth of it is shown", 0.1, 4310, 0, 0, 1, false, 300 },
		{ "and too near", 0.1, 4290, 0, 0, 1, false, 0 }, { "three times: as shown", 3, 12301, 0, 0, 1, false, 300 },
		{ "and too near", 3, 12299, 0, 0, 1, false, 0 }, { "the fuse of a phase fits", -1, 0, 0, 18.7, 1, false, 300 },
		{ "does not", -1, 0, 0, 18.69, 1, false, 0 }, { "three phases, a third of it fits", -1, 0, 0, 17.83, 3, false, 300 },
		{ "does not", -1, 0, 0, 17.82, 3, false, 0 }, { "phases not measured: all may be on one", -1, 0, 0, 18.7, 1, true, 300 },
		{ "and too near", -1, 0, 0, 18.69, 1, true, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(4000, ROWS[r].gain);
		kit.s.dev[battery].phases = ROWS[r].phases;
		kit.phase_gain = ROWS[r].whole ? (double)NAN : 1;
		kit.s.site.import_limit_w = ROWS[r].limit_w;
		kit.s.external.demand_w = ROWS[r].demand_w;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		steps(3);
		assert_row_near(ROWS[r].name, pushed(80), ROWS[r].must_w);
	}
}

static void as_a_command_says(void **state)
{
	static const struct { const char *name; enum battery_mode mode; enum tristate import; bool other; double rating, must_w; } ROWS[] = {
		{ "discharge", MODE_DISCHARGE, TRI_UNSET, false, 5000, -300 }, { "imports nothing by that", MODE_DISCHARGE, TRI_NO, false, 5000, -300 },
		{ "a small battery", MODE_DISCHARGE, TRI_UNSET, false, 200, -200 }, { "too small", MODE_DISCHARGE, TRI_UNSET, false, 149, 0 },
		{ "charge", MODE_CHARGE, TRI_UNSET, false, 5000, 300 }, { "charge without import", MODE_CHARGE, TRI_NO, false, 5000, 0 },
		{ "standby", MODE_STANDBY, TRI_YES, false, 5000, 0 }, { "self-consumption", MODE_SELF_CONSUMPTION, TRI_YES, false, 5000, 0 },
		{ "another one's, without import", MODE_STANDBY, TRI_NO, true, 5000, 0 },
		{ "another one's", MODE_STANDBY, TRI_YES, true, 5000, 300 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int other;

		kit_begin(&POLICY_DOUBT);
		kit.load_w = 0;
		battery = desk_battery(&kit.s, 50);
		other = desk_battery(&kit.s, 50);
		kit.s.dev[other].state.caps.can_power = false; /* it can only be held */
		kit_tell(battery, order_power(0));
		kit_tell(other, order_power(0));
		kit_run(3);
		kit.gain = -1;
		kit_run(20);
		steps(2);
		kit.s.dev[battery].discharge_max_w = ROWS[r].rating;
		desk_command(&kit.s, ROWS[r].other ? other : battery, ROWS[r].mode, POWER_FOLLOW_LOAD, 0)->grid_import = ROWS[r].import;
		kit_tell(battery, order_power(0));
		steps(1);
		assert_row_near(ROWS[r].name, pushed(60), ROWS[r].must_w);
	}
}

/* Nothing flows during a command that lets a battery only discharge, and the loop stands at 0 W: pushed out, and found. */
static void a_command_hides_nothing(void **state)
{
	static const struct { const char *name; double gain; bool named; } ROWS[] = { { "inverted", -1, true }, { "honest", 1, false } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, -1);
		steps(2);
		desk_command(&kit.s, battery, MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0);
		steps(1);
		kit_tell(battery, order_power(0));
		kit.gain = ROWS[r].gain;
		kit_run(60);
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_METER_INVERTED) != NULL) == ROWS[r].named);
	}
}

static bool pushes(void)
{
	const struct order_wish *o = desk_order(kit.w, battery, RANK_NONE);

	return o && o->order.w > 0;
}

static void what_comes_between_ends_it(void **state)
{
	static const struct { const char *name; int what; bool before, ends; } ROWS[] = {
		{ "nothing", 0, false, false }, { "a command the other way", 1, false, true }, { "a limit", 2, false, true },
		{ "the meter is gone", 3, false, true }, { "a limit, before it is pushed", 2, true, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t = 0;

		begin(0, -1);
		steps(2);
		kit_tell(battery, order_power(1000));
		while (!desk_order(kit.w, battery, RANK_NONE))
			kit_tick();
		for (; t < 40 && !ROWS[r].before && !pushes(); t++)
			kit_tick();
		assert_row(ROWS[r].name, ROWS[r].before || pushes());
		if (ROWS[r].what == 1)
			desk_command(&kit.s, battery, MODE_DISCHARGE, POWER_MAX, 0);
		if (ROWS[r].what == 2)
			kit.s.site.import_limit_w = 299;
		if (ROWS[r].what == 3) {
			kit.blind = true;
			kit.s.grid_w.at_ms = kit.s.now_ms - 10000;
		}
		for (t = 0; t < (ROWS[r].before ? 40 : 1); t++)
			kit_tick();
		assert_row(ROWS[r].name, pushes() == !ROWS[r].ends);
	}
}

/* The chain's word of the car, cut by what the policy asks. */
static void car_tick(double wish_w)
{
	double min_w, max_w;

	kit_tell(car, order_power(wish_w));
	if (kit.w) {
		desk_bounds(kit.w, car, &min_w, &max_w);
		kit_tell(car, order_power(fmin(wish_w, max_w)));
	}
	kit_tick();
}

static bool car_tried(double *max_w)
{
	double min_w;

	desk_bounds(kit.w, car, &min_w, max_w);
	return isfinite(*max_w) && min_w == 0;
}

static void begin_car(double gain)
{
	kit_begin(&POLICY_DOUBT);
	kit.load_w = 0;
	kit.gain = gain;
	car = desk_charger(&kit.s, 0);
	for (int t = 0; t < 20; t++)
		car_tick(0);
}

/* Plugged in, and up by 10 A every 12 s: three steps. Where no battery is there, the car itself is taken down, and that is seen. */
static void a_car_tries_it(void **state)
{
	static const struct { const char *name; double before, then; bool named; } ROWS[] = {
		{ "inverted", -1, -1, true }, { "right after all", -1, 1, false }, { "honest", 1, 1, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double most_w = 0, least_w = INFINITY, max_w;
		bool tried = false;

		begin_car(ROWS[r].before);
		for (int t = 0; t < 100; t++) {
			car_tick(230.0 * (t < 12 ? 6 : t < 24 ? 16 : t < 36 ? 26 : 32));
			if (!car_tried(&max_w))
				continue;
			if (!tried)
				kit.gain = ROWS[r].then;
			tried = true;
			most_w = fmax(most_w, max_w);
			least_w = fmin(least_w, max_w);
		}
		assert_row(ROWS[r].name, tried == (ROWS[r].before < 0));
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_METER_INVERTED) != NULL) == ROWS[r].named && kit.w->n_doubts == ROWS[r].named);
		assert_row(ROWS[r].name, !car_tried(&max_w));
		if (!tried)
			continue;
		assert_row_near(ROWS[r].name, most_w, 26 * 230);  /* held where it was */
		assert_row_near(ROWS[r].name, least_w, 6 * 230); /* then its minimum */
	}
}

static void cars_that_cannot(void **state)
{
	static const struct { const char *name; double high_w; bool silent, released, battery, tried; } ROWS[] = {
		{ "enough above its minimum", 1530, false, false, false, true }, { "not enough", 1529, false, false, false, false },
		{ "not measured", 5000, true, false, false, false }, { "left to itself", 5000, false, true, false, false },
		{ "a battery that cannot be held beside it", 5000, false, false, true, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		bool seen = false;
		double max_w;
		int t = 0;

		begin_car(-1);
		if (ROWS[r].battery)
			desk_soc(&kit.s, desk_battery(&kit.s, 50), 453); /* no number */
		for (; t < 24; t++)
			car_tick(t < 12 ? ROWS[r].high_w : 0);
		kit.s.paused = true; /* the third step makes the suspicion while nothing may be tried */
		for (; t < 36; t++)
			car_tick(ROWS[r].high_w);
		kit.s.paused = false;
		if (ROWS[r].silent)
			kit.s.dev[car].state.ac_power_w.q = Q_ABSENT;
		kit.silent[car] = ROWS[r].silent;
		if (ROWS[r].released)
			kit.s.dev[car].ordered = order_release();
		kit_tick();
		seen = car_tried(&max_w);
		assert_row(ROWS[r].name, seen == ROWS[r].tried);
	}
}

/* A heater of 6.3 kW, a second long, every 14 s: nothing is tried and nothing doubted. */
static void pulses_of_a_heater(void **state)
{
	(void)state;
	begin(500, 1);
	kit_tell(battery, order_power(-3000));
	for (int t = 0; t < 3000; t++) {
		kit.jump_w = t % 14 == 13 ? 6300 : 0;
		kit_tick();
		assert_true(kit.w->n_doubts == 0 && kit.w->n_orders == 0 && !kit.w->meter_lost);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_beyond_a_limit),
		cmocka_unit_test(as_a_command_says),
		cmocka_unit_test(a_command_hides_nothing),
		cmocka_unit_test(what_comes_between_ends_it),
		cmocka_unit_test(a_car_tries_it),
		cmocka_unit_test(cars_that_cannot),
		cmocka_unit_test(pulses_of_a_heater),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
