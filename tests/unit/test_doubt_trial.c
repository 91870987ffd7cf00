/* What a doubted meter is tried with: never beyond a limit, as a command says, with a car where there is no battery. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery, car;

static void begin_at(double load_w, double gain, double told_w)
{
	kit_begin(&POLICY_DOUBT);
	kit.load_w = load_w;
	kit.gain = gain;
	battery = desk_battery(&kit.s, 50);
	kit.power_w[battery] = told_w;
	kit_tell(battery, order_power(told_w));
	kit_run(23);
}

static void begin(double load_w, double gain)
{
	begin_at(load_w, gain, 0);
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
		{ "outside just fits", -1, -4300, 0, 0, 1, false, 300 }, { "does not fit", -1, -4299, 0, 0, 1, false, 0 },
		{ "no limit", -1, 0, 0, 0, 1, false, 300 }, { "just fits", -1, 4300, 0, 0, 1, false, 300 },
		{ "does not fit", -1, 4299, 0, 0, 1, false, 0 }, { "the month's peak fits", -1, 9000, 4300, 0, 1, false, 300 },
		{ "does not", -1, 9000, 4299, 0, 1, false, 0 }, { "a tenth of it is shown", 0.1, 4310, 0, 0, 1, false, 300 },
		{ "and too near", 0.1, 4290, 0, 0, 1, false, 0 }, { "three times: as shown", 3, 12301, 0, 0, 1, false, 300 },
		{ "and too near", 3, 12299, 0, 0, 1, false, 0 }, { "the fuse of a phase fits", -1, 0, 0, 18.7, 1, false, 300 },
		{ "does not", -1, 0, 0, 18.69, 1, false, 0 }, { "three phases, a third of it fits", -1, 0, 0, 17.83, 3, false, 300 },
		{ "does not", -1, 0, 0, 17.82, 3, false, 0 }, { "a tenth of it is shown", 0.1, 0, 0, 18.8, 1, false, 300 },
		{ "and too near", 0.1, 0, 0, 18.6, 1, false, 0 }, { "phases not measured: all may be on one", -1, 0, 0, 18.7, 1, true, 300 },
		{ "and too near", -1, 0, 0, 18.69, 1, true, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin_at(4000, ROWS[r].gain, 1000); /* the third step is to 0 W: nothing is lost by holding it there */
		kit.s.dev[battery].phases = ROWS[r].phases;
		kit.phase_gain = ROWS[r].whole ? (double)NAN : 1;
		kit.s.site.import_limit_w = fmax(0, ROWS[r].limit_w);
		kit.s.external.import_w = ROWS[r].limit_w < 0 ? -ROWS[r].limit_w : NAN; /* rows below 0: from outside */
		kit.s.external.demand_w = ROWS[r].demand_w;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		steps(2);
		kit_tell(battery, order_power(0));
		assert_row_near(ROWS[r].name, pushed(92), ROWS[r].must_w);
	}
}

/* Where the house is what may go out or come in: by the meter as the steps have shown it. */
static void never_beyond_an_export_limit(void **state)
{
	static const struct { const char *name; enum power_mode mode; double load_w, gain, limit_w, outside_w, fuse_a, must_w; } ROWS[] = {
		{ "as told", POWER_MAX, 0, -1, 0, NAN, 0, -300 }, { "just fits", POWER_MAX, 0, -1, 300, NAN, 0, -300 },
		{ "does not", POWER_MAX, 0, -1, 299, NAN, 0, 0 }, { "outside just fits", POWER_MAX, 0, -1, 9000, 300, 0, -300 },
		{ "does not", POWER_MAX, 0, -1, 9000, 299, 0, 0 }, { "0 W from outside", POWER_MAX, 0, -1, 0, 0, 0, 0 },
		{ "below the limit, if it is import", POWER_MAX, 500, -1, 800, NAN, 0, -300 }, { "and if it is not", POWER_MAX, 500, -1, 799, NAN, 0, 0 },
		{ "a fuse", POWER_MAX, 4000, -1, 0, NAN, 18.7, -300 }, { "too near", POWER_MAX, 4000, -1, 0, NAN, 18.69, 0 },
		{ "the house takes it", POWER_FOLLOW_LOAD, 300, -1, 0, NAN, 0, -300 }, { "not quite", POWER_FOLLOW_LOAD, 299, -1, 0, NAN, 0, 0 },
		{ "it has sun to give", POWER_FOLLOW_LOAD, -1000, -1, 0, NAN, 0, 0 },
		{ "a tenth is shown", POWER_FOLLOW_LOAD, 310, 0.1, 0, NAN, 0, -300 }, { "not quite", POWER_FOLLOW_LOAD, 290, 0.1, 0, NAN, 0, 0 },
		{ "three times is shown", POWER_FOLLOW_LOAD, 300, 3, 0, NAN, 0, -300 }, { "not quite", POWER_FOLLOW_LOAD, 299, 3, 0, NAN, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin_at(ROWS[r].load_w, ROWS[r].gain, 1000);
		desk_command(&kit.s, battery, MODE_DISCHARGE, ROWS[r].mode, 0);
		kit.s.site.export_limit_w = ROWS[r].limit_w;
		kit.s.external.export_w = ROWS[r].outside_w;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		steps(2);
		kit_tell(battery, order_power(0));
		assert_row_near(ROWS[r].name, pushed(92), ROWS[r].must_w);
	}
}

static void as_a_command_says(void **state)
{
	static const struct { const char *name; enum battery_mode mode; enum power_mode power; enum tristate import; bool other, own_rule; double rating, setpoint, must_w; } ROWS[] = {
		{ "discharge", MODE_DISCHARGE, POWER_MAX, TRI_UNSET, false, true, 5000, 0, -300 },
		{ "imports nothing by that", MODE_DISCHARGE, POWER_MAX, TRI_NO, false, true, 5000, 0, -300 },
		{ "a small battery", MODE_DISCHARGE, POWER_MAX, TRI_UNSET, false, true, 200, 0, -200 },
		{ "too small", MODE_DISCHARGE, POWER_MAX, TRI_UNSET, false, true, 149, 0, 0 },
		{ "no more than the setpoint", MODE_DISCHARGE, POWER_SETPOINT, TRI_UNSET, false, true, 5000, 180, -180 },
		{ "a large one", MODE_DISCHARGE, POWER_SETPOINT, TRI_UNSET, false, true, 5000, 4000, -300 },
		{ "a setpoint too small", MODE_DISCHARGE, POWER_SETPOINT, TRI_UNSET, false, true, 5000, 149, 0 },
		{ "follows a house that takes it", MODE_DISCHARGE, POWER_FOLLOW_LOAD, TRI_UNSET, false, true, 5000, 0, -300 },
		{ "charge", MODE_CHARGE, POWER_MAX, TRI_YES, false, false, 5000, 0, 300 },
		{ "charge by the owner's rule", MODE_CHARGE, POWER_MAX, TRI_UNSET, false, true, 5000, 0, 300 },
		{ "who does not want it", MODE_CHARGE, POWER_MAX, TRI_UNSET, false, false, 5000, 0, 0 },
		{ "charge without import", MODE_CHARGE, POWER_MAX, TRI_NO, false, true, 5000, 0, 0 },
		{ "no more than the setpoint", MODE_CHARGE, POWER_SETPOINT, TRI_YES, false, true, 5000, 180, 180 },
		{ "of the sun only", MODE_CHARGE, POWER_FOLLOW_LOAD, TRI_YES, false, true, 5000, 0, 0 },
		{ "standby", MODE_STANDBY, POWER_MAX, TRI_YES, false, true, 5000, 0, 0 },
		{ "backup", MODE_BACKUP, POWER_MAX, TRI_YES, false, true, 5000, 0, 300 },
		{ "self-consumption", MODE_SELF_CONSUMPTION, POWER_MAX, TRI_YES, false, true, 5000, 0, 300 },
		{ "savings", MODE_SAVINGS, POWER_MAX, TRI_UNSET, false, true, 5000, 0, 300 },
		{ "another one's, without import", MODE_STANDBY, POWER_MAX, TRI_NO, true, true, 5000, 0, 0 },
		{ "another one's", MODE_STANDBY, POWER_MAX, TRI_YES, true, true, 5000, 0, 300 },
		{ "another one's, by the owner's rule", MODE_STANDBY, POWER_MAX, TRI_UNSET, true, false, 5000, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct command_view *c;
		int other;

		kit_begin(&POLICY_DOUBT);
		kit.load_w = 500;
		battery = desk_battery(&kit.s, 50);
		other = desk_battery(&kit.s, 50);
		kit.s.site.grid_charging = ROWS[r].own_rule;
		kit.s.dev[other].state.caps.can_power = false; /* it can only be held */
		kit_tell(battery, order_power(0));
		kit_tell(other, order_power(0));
		kit.gain = -1;
		kit_run(23);
		steps(2);
		kit.s.dev[battery].discharge_max_w = ROWS[r].rating;
		c = desk_command(&kit.s, ROWS[r].other ? other : battery, ROWS[r].mode, ROWS[r].power, ROWS[r].setpoint);
		c->grid_import = ROWS[r].import;
		kit_tell(battery, order_power(0));
		steps(1);
		assert_row_near(ROWS[r].name, pushed(60), ROWS[r].must_w);
	}
}

/* Nothing flows during a command that lets a battery only discharge, and the loop stands at 0 W: pushed out, and found. */
static void a_command_hides_nothing(void **state)
{
	static const struct { const char *name; enum power_mode mode; double gain; bool named; } ROWS[] = {
		{ "inverted", POWER_FOLLOW_LOAD, -1, true }, { "inverted", POWER_MAX, -1, true }, { "honest", POWER_MAX, 1, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(400, -1);
		steps(2);
		desk_command(&kit.s, battery, MODE_DISCHARGE, ROWS[r].mode, 0);
		steps(1);
		kit_tell(battery, order_power(0));
		kit.gain = ROWS[r].gain;
		kit_run(60);
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_METER_INVERTED) != NULL) == ROWS[r].named);
	}
}

/* Once it is not believed nothing goes out to ask again, whatever a command allows; it is asked once that is over. */
static void not_out_while_it_is_not_believed(void **state)
{
	(void)state;
	begin(400, -1);
	steps(2);
	kit_tell(battery, order_power(1000));
	assert_in_range(kit_until(DOUBT_METER_INVERTED, true, 90), 1, 60);
	kit_tell(battery, order_power(0));
	desk_command(&kit.s, battery, MODE_DISCHARGE, POWER_MAX, 0);
	assert_near(pushed(400), 0);
	kit.s.dev[battery].command.active = false;
	assert_near(pushed(400), 300);
}

/* What it was condemned for is what is said of it, whatever other steps show later. */
static void the_sentence_keeps_its_numbers(void **state)
{
	(void)state;
	begin(400, -1);
	steps(3);
	assert_in_range(kit_until(DOUBT_METER_INVERTED, true, 90), 1, 60);
	kit.gain = 3;
	assert_near(pushed(280), 0); /* asked again after five minutes */
	assert_near(pushed(120), 300);
	assert_non_null(kit_doubt(DOUBT_METER_INVERTED));
	assert_non_null(strstr(kit_doubt(DOUBT_METER_INVERTED)->why, "1000 W of ours showed as "));
	assert_null(strstr(kit_doubt(DOUBT_METER_INVERTED)->why, " 0 W"));
}

/* What it does itself counts once: at the very limit it goes on until it has seen enough. */
static void its_own_power_does_not_end_it(void **state)
{
	static const struct { const char *name; double import_w, export_w; bool command; } ROWS[] = {
		{ "at the import limit", 4300, 0, false }, { "at the export limit", 0, 4300, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int held = 0;

		begin_at(4000, -1, 1000);
		steps(2);
		if (ROWS[r].command)
			desk_command(&kit.s, battery, MODE_DISCHARGE, POWER_MAX, 0);
		kit.s.site.import_limit_w = ROWS[r].import_w;
		kit.s.site.export_limit_w = ROWS[r].export_w;
		steps(1);
		for (int t = 0; t < 60; t++) {
			const struct order_wish *o;

			kit_tick();
			o = desk_order(kit.w, battery, RANK_NONE);
			held += o && fabs(o->order.w) > 299;
		}
		assert_row(ROWS[r].name, held >= 4);
		assert_row(ROWS[r].name, kit_doubt(DOUBT_METER_INVERTED) != NULL);
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
	static const struct { const char *name; double high_w; bool silent, released; double soc; bool tried; } ROWS[] = {
		{ "enough above its minimum", 1530, false, false, 0, true }, { "not enough", 1529, false, false, 0, false },
		{ "not measured", 5000, true, false, 0, false }, { "left to itself", 5000, false, true, 0, false },
		{ "a battery that cannot be held beside it", 5000, false, false, 453, true }, /* no number */
		{ "a full one", 5000, false, false, 100, true }, { "one that can be pushed", 5000, false, false, 50, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		bool seen = false;
		double max_w;
		int t = 0;

		begin_car(-1);
		if (ROWS[r].soc > 0)
			desk_soc(&kit.s, desk_battery(&kit.s, 50), ROWS[r].soc);
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
		for (t = 0; t < (ROWS[r].soc > 0 ? 24 : 1); t++) {
			kit_tick();
			seen = seen || car_tried(&max_w);
		}
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

/* Three must agree: in what they say, and within three tenths of how much. One that says nothing takes no more than there is. */
static void three_must_agree(void **state)
{
	static const struct { const char *name; double gain[6]; bool tried; } ROWS[] = {
		{ "three", { -1, -1, -1 }, true }, { "one of another size", { -1, -1, -3 }, false }, { "of just that size", { -1, -1, -1.42 }, true },
		{ "beyond it", { -1, -1, -1.44 }, false }, { "smaller", { -3, -3, -2.11 }, true }, { "too small", { -3, -3, -2.09 }, false }, { "another kind", { 3, 3, -3 }, false },
		{ "the same kind, another size, and three of these", { -3, -3, -1, -1, -1 }, true },
		{ "two of these", { -3, -3, -1, -1 }, false }, { "two that say nothing", { -1, 0.45, 0.45, -1, -1, -1 }, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		battery = kit_battery();
		for (int n = 0; n < 6 && ROWS[r].gain[n] != 0; n++) {
			kit.gain = ROWS[r].gain[n];
			kit_run(150); /* the change of gain itself is noise */
			assert_row(ROWS[r].name, !desk_order(kit.w, battery, RANK_NONE));
			kit_steps(battery, 1);
			if (desk_order(kit.w, battery, RANK_NONE))
				break;
		}
		assert_row(ROWS[r].name, (desk_order(kit.w, battery, RANK_NONE) != NULL) == ROWS[r].tried);
	}
}

/* Ticks from one step of a trial to the next: some to see it, then 6 s of rest, or three ticks; 11 s before it is pushed again. */
static void how_long_each_lasts(void **state)
{
	static const struct { const char *name; int tick_ms, took, again; } ROWS[] = {
		{ "a second", 1000, 9, 14 }, { "three ticks", 2000, 9, 14 }, { "slow ticks", 2500, 11, 14 }, { "very slow ones", 4000, 15, 15 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int since = 0, n = 0, took[4] = { 0 };
		double was = 0, low_w, high_w;

		battery = kit_battery();
		kit.gain = -1;
		kit_run(20);
		kit_steps(battery, 2);
		kit_tell(battery, order_power(1000));
		while (!desk_order(kit.w, battery, RANK_NONE))
			kit_tick();
		kit.s.site.tick_ms = (int)ROWS[r].tick_ms;
		kit.load_w = 600; /* the first step says nothing: it is pushed twice */
		for (int t = 0; t < 150 && desk_order(kit.w, battery, RANK_NONE) && n < 4; t++) {
			double w = desk_order(kit.w, battery, RANK_NONE)->order.w;

			if (w != was) {
				took[n++] = since;
				since = 0;
			}
			was = w;
			since++;
			desk_bounds(kit.w, battery, &low_w, &high_w);
			assert_row(ROWS[r].name, isinf(low_w) && isinf(high_w)); /* a battery is told, only a car is bounded */
			kit_tick();
		}
		assert_row(ROWS[r].name, n == 3 && took[0] == ROWS[r].took && took[1] == ROWS[r].took && took[2] == ROWS[r].again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_beyond_a_limit),
		cmocka_unit_test(never_beyond_an_export_limit),
		cmocka_unit_test(as_a_command_says),
		cmocka_unit_test(not_out_while_it_is_not_believed),
		cmocka_unit_test(the_sentence_keeps_its_numbers),
		cmocka_unit_test(a_command_hides_nothing),
		cmocka_unit_test(its_own_power_does_not_end_it),
		cmocka_unit_test(what_comes_between_ends_it),
		cmocka_unit_test(a_car_tries_it),
		cmocka_unit_test(cars_that_cannot),
		cmocka_unit_test(pulses_of_a_heater),
		cmocka_unit_test(three_must_agree),
		cmocka_unit_test(how_long_each_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
