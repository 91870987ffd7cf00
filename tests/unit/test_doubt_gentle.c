/* A meter that is tried for nothing but the house's load: no limit, no command and nobody's word is worth it, and no kettle
 * condemns it. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery, other;

/* Sun that nobody measures beside an inverter that is (or a meter that lies): the house gives 1500 W, which is looked into after
 * two minutes. */
static void begin(double power_w, double gain)
{
	int sun;

	kit_begin(&POLICY_DOUBT);
	kit.gain = gain;
	kit.load_w = -1500 / gain;
	battery = desk_battery(&kit.s, 50);
	sun = desk_charger(&kit.s, 0);
	kit.s.dev[sun].roles = ROLE_PV;
	kit.power_w[sun] = -500; /* a car takes that: readings could be late by 1000 W */
	kit.power_w[desk_charger(&kit.s, 0)] = 500;
	other = desk_battery(&kit.s, 50);
	kit_tell(battery, order_power(power_w));
	kit_tell(other, order_power(0));
	kit_run(100);
}

static bool tried(void)
{
	const struct order_wish *o = desk_order(kit.w, battery, RANK_NONE);

	return o && o->code == REASON_DOUBT;
}

static bool tried_within(int ticks)
{
	for (int t = 0; t < ticks; t++) {
		kit_tick();
		if (tried())
			return true;
	}
	return false;
}

static void nobodys_word_is_broken(void **state)
{
	static const struct { const char *name; enum override_mode mode; bool command, others, tried; } ROWS[] = {
		{ "nobody says anything", OVERRIDE_NONE, false, false, true }, { "a command", OVERRIDE_NONE, true, false, false },
		{ "another one's", OVERRIDE_NONE, true, true, false }, { "the owner: by itself", OVERRIDE_AUTO, false, false, true },
		{ "the owner holds it", OVERRIDE_HOLD, false, false, true }, { "charges it", OVERRIDE_CHARGE, false, false, false },
		{ "empties it", OVERRIDE_DISCHARGE, false, true, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int who;

		begin(0, 1);
		who = ROWS[r].others ? other : battery;
		kit.s.dev[who].override.mode = ROWS[r].mode;
		if (ROWS[r].command)
			desk_command(&kit.s, who, MODE_DISCHARGE, POWER_MAX, 0);
		assert_row(ROWS[r].name, tried_within(60) == ROWS[r].tried);
		if (!ROWS[r].command)
			continue;
		kit.s.dev[who].command.active = false; /* put off, not given up */
		assert_row(ROWS[r].name, tried_within(3));
	}
}

/* What is broken when batteries stop, or is broken already, where they could help. 1500 W flow out of the house. */
static void no_limit_is_broken(void **state)
{
	static const struct { const char *name; double power_w, import_w, export_w, outside_w, demand_w, fuse_a; int phases; bool tried; } ROWS[] = {
		{ "at rest, no limit", 0, 0, 0, NAN, 0, 0, 1, true }, { "charges, no limit", 1000, 0, 0, NAN, 0, 0, 1, true },
		{ "charges, it may go out", 1000, 0, 1500, NAN, 0, 0, 1, true }, { "may not", 1000, 0, 1499, NAN, 0, 0, 1, false },
		{ "from outside, it may", 1000, 0, 5000, 1500, 0, 0, 1, true }, { "may not", 1000, 0, 5000, 1499, 0, 0, 1, false },
		{ "too much goes out as it is", -1000, 0, 2499, NAN, 0, 0, 1, false }, { "not too much", -1000, 0, 2500, NAN, 0, 0, 1, true },
		{ "imports by charging", 3000, 1500, 0, NAN, 0, 0, 1, true }, { "already too much", 3000, 1499, 0, NAN, 0, 0, 1, false },
		{ "the month's peak", 3000, 0, 0, NAN, 1500, 0, 1, true }, { "already too much", 3000, 0, 0, NAN, 1499, 0, 1, false },
		{ "the fuse holds", 0, 0, 0, NAN, 0, 6.53, 1, true }, { "does not", 0, 0, 0, NAN, 0, 6.52, 1, false },
		{ "holds without it", 1000, 0, 0, NAN, 0, 6.53, 1, true }, { "does not", 1000, 0, 0, NAN, 0, 6.52, 1, false },
		{ "a third of it counts", 1500, 0, 0, NAN, 0, 6.53, 3, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(ROWS[r].power_w, 1);
		kit.s.dev[battery].phases = ROWS[r].phases;
		kit.s.site.import_limit_w = ROWS[r].import_w;
		kit.s.site.export_limit_w = ROWS[r].export_w;
		kit.s.external.export_w = ROWS[r].outside_w;
		kit.s.external.demand_w = ROWS[r].demand_w;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		assert_row(ROWS[r].name, tried_within(60) == ROWS[r].tried);
	}
}

/* A car takes 4500 W of which a battery gives 1000: the meter shows 1000 W, and twice that without it. */
static void support_stays(void **state)
{
	static const struct { const char *name; double limit_w, fuse_a; bool phases, tried; } ROWS[] = {
		{ "no limit", 0, 0, true, true }, { "not needed", 2000, 0, true, true }, { "needed", 1999, 0, true, false },
		{ "a fuse, not needed", 0, 8.7, true, true }, { "needed", 0, 8.69, true, false },
		{ "phases not measured, not needed", 0, 8.7, false, true }, { "needed", 0, 8.69, false, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(-1000, 1);
		kit.load_w = -2500;
		kit_tell(desk_charger(&kit.s, 0), order_power(4500));
		kit.phase_gain = ROWS[r].phases ? 1 : (double)NAN;
		kit.s.site.import_limit_w = ROWS[r].limit_w;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		assert_row(ROWS[r].name, tried_within(60) == ROWS[r].tried);
	}
}

/* A limit or a command that comes in between ends it. */
static void what_comes_between_ends_it(void **state)
{
	static const struct { const char *name; int what; bool ends; } ROWS[] = {
		{ "nothing", 0, false }, { "a command", 1, true }, { "a limit that is exceeded", 2, true }, { "the meter is gone", 3, true },
		{ "a limit that holds", 4, false }, { "one battery is not read", 5, false },
		{ "nor may it do anything", 6, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 1);
		assert_row(ROWS[r].name, tried_within(60));
		if (ROWS[r].what == 1)
			desk_command(&kit.s, other, MODE_CHARGE, POWER_MAX, 0);
		if (ROWS[r].what == 2 || ROWS[r].what == 4)
			kit.s.site.export_limit_w = ROWS[r].what == 2 ? 1299 : 1300; /* and 200 W */
		if (ROWS[r].what == 3) {
			kit.blind = true;
			kit.s.grid_w.at_ms = kit.s.now_ms - 10000;
		}
		if (ROWS[r].what == 6)
			kit.s.site.export_limit_w = 20000;
		if (ROWS[r].what >= 5) {
			kit.silent[other] = true;
			kit.s.dev[other].state.ac_power_w.q = Q_ABSENT;
		}
		kit_tick();
		assert_row(ROWS[r].name, tried() == !ROWS[r].ends);
	}
}

/* 1500 W show, whichever way they go, and 300 W more. */
static void a_push_fits(void **state)
{
	static const struct { const char *name; double import_w; double must_w; } ROWS[] = {
		{ "just so", 1800, 300 }, { "does not", 1799, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double most_w = 0;

		begin(0, 1);
		kit.s.site.import_limit_w = ROWS[r].import_w;
		assert_row(ROWS[r].name, tried_within(60));
		for (int t = 0; t < 40 && tried(); t++) {
			most_w = fmax(most_w, desk_order(kit.w, battery, RANK_NONE)->order.w);
			kit_tick();
		}
		assert_row_near(ROWS[r].name, most_w, ROWS[r].must_w);
	}
}

/* A meter that jumps is not believed anyway: it is tried at once, and whatever a command says. */
static void jumps_do_not_wait(void **state)
{
	bool seen = false;

	(void)state;
	begin(0, 1);
	kit.load_w = 500;
	kit.s.dev[other].override.mode = OVERRIDE_CHARGE;
	kit_run(5);
	for (int t = 0; t < 20; t++) {
		kit.jump_w = t % 4 == 3 ? 60000 : 0;
		kit_tick();
		seen = seen || tried();
	}
	assert_true(seen);
}

/* A kettle that goes on and off with the push and back makes two wrong steps that agree: a third is asked for. */
static void a_kettle_condemns_nobody(void **state)
{
	static const struct { const char *name; double on_w; int pushes; double gain; bool named; } ROWS[] = {
		{ "no kettle", 0, 1, 1, false }, { "once", 2000, 1, 1, false }, { "again at the second push: three steps", 2000, 2, 1, true },
		{ "a meter that lies", 0, 0, -1, true }, { "that shows ten times as much", 0, 0, 10, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int pushes = 0;
		double was = 0;

		begin(0, ROWS[r].gain);
		assert_row(ROWS[r].name, tried_within(60));
		for (int t = 0; t < 90 && tried(); t++) {
			double w = desk_order(kit.w, battery, RANK_NONE)->order.w;

			pushes += w > was;
			if (w != was)
				kit.load_w = -1500 / ROWS[r].gain + (w > 0 && pushes <= ROWS[r].pushes ? ROWS[r].on_w : 0);
			was = w;
			kit_tick();
		}
		assert_row(ROWS[r].name, !tried() && kit.w->meter_lost == ROWS[r].named);
		assert_row(ROWS[r].name, pushes == 1 + (ROWS[r].on_w > 0 || ROWS[r].gain != 1));
	}
}

/* Once a day; where it could not tell after two minutes, then four, and so on. */
static void how_often(void **state)
{
	static const struct { const char *name; double gain; int after_s[11]; } ROWS[] = {
		{ "right", 1, { 86376 } }, { "nothing learnt", 0.45, { 120, 240, 480, 960, 1920, 3840, 7680, 15360, 30720, 61440, 86376 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 1);
		assert_row(ROWS[r].name, tried_within(60));
		for (int n = 0; n < 11 && ROWS[r].after_s[n] > 0; n++) {
			int t = 0;

			for (double was = 0, w; tried(); was = w) {
				w = desk_order(kit.w, battery, RANK_NONE)->order.w;
				kit.jump_w += (ROWS[r].gain - 1) * (w - was);
				kit_tick();
			}
			while (!tried() && t++ < 90000)
				kit_tick();
			assert_row(ROWS[r].name, t == ROWS[r].after_s[n]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobodys_word_is_broken),
		cmocka_unit_test(no_limit_is_broken),
		cmocka_unit_test(support_stays),
		cmocka_unit_test(what_comes_between_ends_it),
		cmocka_unit_test(a_push_fits),
		cmocka_unit_test(jumps_do_not_wait),
		cmocka_unit_test(a_kettle_condemns_nobody),
		cmocka_unit_test(how_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
