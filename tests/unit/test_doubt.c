/* A meter that lies is suspected, tried, named, not used, and believed again; an honest one is left in peace. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery, car;

static void begin(void)
{
	battery = kit_battery();
}

static void steps(int n)
{
	kit_steps(battery, n);
}

static bool tried(void)
{
	const struct order_wish *o = desk_order(kit.w, battery, RANK_NONE);

	return o && o->code == REASON_DOUBT;
}

static void lies_by_gain(void **state)
{
	static const struct { const char *name; double gain; bool named; enum doubt_kind kind; } ROWS[] = {
		{ "honest", 1, false, DOUBT_METER_SCALE }, { "a little off", 0.7, false, DOUBT_METER_SCALE },
		{ "half as much again", 1.5, false, DOUBT_METER_SCALE }, { "inverted", -1, true, DOUBT_METER_INVERTED },
		{ "inverted and ten times", -10, true, DOUBT_METER_INVERTED }, { "three times", 3, true, DOUBT_METER_SCALE },
		{ "ten times", 10, true, DOUBT_METER_SCALE }, { "a tenth", 0.1, true, DOUBT_METER_SCALE },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		kit.gain = ROWS[r].gain;
		kit_run(20);
		steps(2);
		assert_row(ROWS[r].name, !kit.w->meter_lost && !kit.w->n_doubts && !tried());
		steps(1); /* the third makes the suspicion */
		assert_row(ROWS[r].name, tried() == ROWS[r].named);
		kit_run(30);
		assert_row(ROWS[r].name, (kit_doubt(ROWS[r].kind) != NULL) == ROWS[r].named && kit.w->n_doubts == ROWS[r].named);
		assert_row(ROWS[r].name, kit.w->meter_lost == ROWS[r].named && kit.w->meter_doubted == ROWS[r].named);
		if (ROWS[r].kind == DOUBT_METER_SCALE && ROWS[r].named) {
			char text[32];

			snprintf(text, sizeof(text), "shows %g times what", ROWS[r].gain);
			assert_row(ROWS[r].name, strstr(kit_doubt(DOUBT_METER_SCALE)->why, text) != NULL);
		}
	}
}

/* Two wrong steps, two right ones, and so on: never three in a row. */
static void a_right_step_clears_the_rest(void **state)
{
	(void)state;
	begin();
	for (int k = 0; k < 10; k++) {
		kit.gain = k % 2 ? 1 : -1;
		for (int n = 0; n < 2; n++) {
			steps(1);
			assert_false(tried());
		}
	}
}

/* A step that says nothing takes one away. */
static void a_vague_step_weighs_against(void **state)
{
	(void)state;
	begin();
	kit.gain = -1;
	steps(2);
	kit.gain = 0.45;
	steps(1);
	kit.gain = -1;
	kit_run(100); /* the change of gain itself was noise */
	steps(1);
	assert_false(tried());
	steps(1);
	assert_true(tried());
}

/* Suspected at 0 W, and no battery has room to try with: there is nothing to see, so nobody is condemned. */
static void no_evidence_no_verdict(void **state)
{
	bool seen = false;

	(void)state;
	begin();
	kit_tell(battery, order_power(1000));
	kit_run(20);
	kit.gain = -1;
	kit_run(120);
	steps(2);
	desk_soc(&kit.s, battery, 99);
	kit_tell(battery, order_power(0));
	for (int t = 0; t < 40; t++) {
		kit_tick();
		seen = seen || tried();
		assert_false(kit.w->meter_lost);
	}
	assert_true(seen);
}

/* Wrong by chance: suspected, tried, and found right; then left in peace for a while. */
static void a_trial_acquits(void **state)
{
	int first = 0;

	(void)state;
	begin();
	kit.gain = -1;
	kit_run(20);
	steps(3);
	assert_true(tried());
	kit.gain = 1;
	kit_run(60);
	assert_false(tried());
	assert_int_equal(kit.w->n_doubts, 0);
	kit_tell(battery, order_power(0));
	kit_run(20);
	kit.gain = -1;
	while (!tried() && first < 1000) {
		steps(1);
		first += 12;
	}
	assert_in_range(first, 500, 580);
}

static void what_it_tries_with(void **state)
{
	static const struct { const char *name; double soc, rating; int what; double must_w; } ROWS[] = {
		{ "300 W", 50, 5000, 0, 300 }, { "a small battery", 50, 200, 0, 200 }, { "too small", 50, 149, 0, 0 },
		{ "nearly full", 98, 5000, 0, 0 }, { "a little below", 97.9, 5000, 0, 300 }, { "nobody guards it", 50, 5000, 1, 0 },
		{ "nobody, but allowed", 50, 5000, 2, 300 }, { "a command runs", 50, 5000, 3, 0 }, { "a tight limit", 50, 5000, 4, 0 },
		{ "a wide limit", 50, 5000, 5, 300 }, { "takes no powers", 50, 5000, 6, 0 }, { "a lower maximum", 88, 5000, 7, 0 },
		{ "below that", 87.9, 5000, 7, 300 }, { "just large enough", 50, 150, 0, 150 }, { "nobody reads its power", 50, 5000, 8, 300 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;
		double most = 0;
		int held = 0;

		begin();
		d = &kit.s.dev[battery];
		kit.gain = -1;
		kit_run(20);
		steps(2);
		desk_soc(&kit.s, battery, ROWS[r].soc);
		d->charge_max_w = ROWS[r].rating;
		d->state.caps.guarded_by = ROWS[r].what == 1 || ROWS[r].what == 2 ? GUARDED_NONE : GUARDED_DEVICE;
		d->allow_unguarded = ROWS[r].what == 2;
		if (ROWS[r].what == 3)
			desk_command(&kit.s, battery, MODE_STANDBY, POWER_MAX, 0);
		kit.s.external.import_w = ROWS[r].what == 4 ? 299 : ROWS[r].what == 5 ? 300 : NAN;
		d->state.caps.can_power = ROWS[r].what != 6;
		d->soc_max_pct = ROWS[r].what == 7 ? 90 : NAN;
		steps(1);
		if (ROWS[r].what == 8) {
			kit.silent[battery] = true;
			d->state.ac_power_w.q = Q_ABSENT;
		}
		for (int t = 0; t < 40; t++) {
			const struct order_wish *o = desk_order(kit.w, battery, RANK_NONE);

			kit_tick();
			held += o != NULL;
			most = fmax(most, o ? o->order.w : 0);
		}
		assert_row_near(ROWS[r].name, most, ROWS[r].must_w);
		assert_row(ROWS[r].name, held > 0);
	}
}

static void what_may_not_be_tried(void **state)
{
	static const struct { const char *name; int what; bool tried; } ROWS[] = {
		{ "all is well", 0, true }, { "the agent stops", 1, false }, { "paused", 2, false }, { "island", 3, false },
		{ "a fault", 4, false }, { "SoC unknown", 5, false }, { "offline", 6, false }, { "it cannot be held", 7, false },
		{ "it can only be held", 8, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct device_state *d;
		bool seen = false;

		begin();
		d = &kit.s.dev[battery].state;
		kit.gain = -1;
		kit_run(20);
		steps(2);
		kit.s.paused = true; /* the third step makes the suspicion while nothing may be tried */
		steps(1);
		assert_row(ROWS[r].name, !tried());
		kit.s.stopping = ROWS[r].what == 1;
		kit.s.paused = ROWS[r].what == 2;
		kit.s.grid_lost = ROWS[r].what == 3;
		if (ROWS[r].what == 4)
			value_set(&d->f[F_BATTERY_STATE], BATTERY_FAULT, kit.s.now_ms, Q_GOOD);
		if (ROWS[r].what == 5)
			d->f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
		if (ROWS[r].what == 6)
			d->availability = AVAIL_OFFLINE;
		d->caps.can_power = ROWS[r].what < 7;
		d->caps.can_hold = ROWS[r].what != 7;
		for (int t = 0; t < 4; t++) {
			kit_tick();
			seen = seen || tried();
		}
		assert_row(ROWS[r].name, seen == ROWS[r].tried);
	}
}

static void a_trial_ends_where_nothing_may_be_ordered(void **state)
{
	static const struct { const char *name; int after; int what; bool ends; } ROWS[] = {
		{ "goes on", 2, 0, false }, { "paused while held", 2, 1, true }, { "full while it charges", 13, 2, true },
		{ "full before it charges: held, no charge", 2, 3, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		kit.gain = -1;
		kit_run(20);
		steps(2);
		kit_tell(battery, order_power(1000));
		while (!tried())
			kit_tick();
		for (int t = 0; t < 20 && !(ROWS[r].what == 2 && desk_order(kit.w, battery, RANK_NONE)->order.w > 0); t++)
			if (t < ROWS[r].after)
				kit_tick();
		kit.s.paused = ROWS[r].what == 1;
		if (ROWS[r].what >= 2)
			desk_soc(&kit.s, battery, 99);
		for (int t = 0; t < 40 && ROWS[r].what == 3; t++) {
			assert_true(!tried() || desk_order(kit.w, battery, RANK_NONE)->order.w == 0);
			kit_tick();
		}
		if (ROWS[r].what == 3) {
			assert_non_null(kit_doubt(DOUBT_METER_INVERTED)); /* three steps and the one to 0 W are enough */
			continue;
		}
		kit_tick();
		assert_row(ROWS[r].name, tried() == !ROWS[r].ends && !kit.w->meter_lost);
	}
}

/* Every five minutes a little charge asks again; two right steps in a row and it is believed. */
static void it_comes_back(void **state)
{
	int asked = 0, last = -1000, least = 10000, pushes = 0;
	double was = 0;
	char why[160];

	(void)state;
	begin();
	kit.gain = -1;
	kit_run(20);
	steps(3);
	kit_run(30);
	assert_non_null(kit_doubt(DOUBT_METER_INVERTED));
	assert_non_null(strstr(kit_doubt(DOUBT_METER_INVERTED)->why, "1000 W of ours"));
	snprintf(why, sizeof(why), "%s", kit_doubt(DOUBT_METER_INVERTED)->why);
	for (int t = 0; t < 1300; t++) {
		const struct order_wish *o;

		kit_tick();
		o = desk_order(kit.w, battery, RANK_NONE);
		pushes += o && o->order.w > was;
		was = o ? o->order.w : 0;
		if (!o || o->order.w <= 0 || t - last < 30) {
			last = o && o->order.w > 0 ? t : last;
			continue;
		}
		asked++;
		least = last > 0 && t - last < least ? t - last : least;
		last = t;
		assert_true(o->order.w <= 300);
	}
	assert_in_range(asked, 3, 4);
	assert_int_equal(pushes, asked); /* once each */
	assert_true(least >= 300);
	assert_non_null(kit_doubt(DOUBT_METER_INVERTED));
	assert_string_equal(kit_doubt(DOUBT_METER_INVERTED)->why, why); /* what it was condemned for, not what was seen last */
	kit.s.paused = true; /* no asking in a pause; and one that comes in between ends it */
	kit_run(400);
	assert_false(tried());
	kit.s.paused = false;
	kit_run(3);
	assert_true(tried());
	kit.s.paused = true;
	kit_tick();
	assert_false(tried());
	kit.s.paused = false;
	assert_non_null(kit_doubt(DOUBT_METER_INVERTED));
	kit.gain = 1;
	assert_in_range(kit_until(DOUBT_METER_INVERTED, false, 400), 1, 345);
	assert_false(kit.w->meter_lost);
	kit_run(60);
	assert_false(tried());
}

/* The first step of the trial says nothing, the house moved: one wrong step more is asked for, and two are where two say nothing:
 * so many it does not take. */
static void each_vague_step_in_a_trial_asks_for_one_more(void **state)
{
	static const struct { const char *name; int vague, pushes; bool named; } ROWS[] = {
		{ "none", 0, 1, true }, { "one", 1, 2, true }, { "two: unclear", 2, 2, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int pushes = 0;
		double was = 0;

		begin();
		kit.gain = -1;
		kit_run(20);
		steps(2);
		kit_tell(battery, order_power(1000));
		while (!tried())
			kit_tick();
		kit.load_w = ROWS[r].vague > 0 ? 600 : 0; /* with the step: 400 W of 1000 W show */
		for (int t = 0; t < 90 && tried(); t++) {
			double w = desk_order(kit.w, battery, RANK_NONE)->order.w;

			if (w > was && pushes++ == 0 && ROWS[r].vague == 2)
				kit.load_w = 400; /* 100 W of 300 W the wrong way */
			was = w;
			assert_row(ROWS[r].name, !kit.w->meter_lost);
			kit_tick();
		}
		assert_row(ROWS[r].name, !tried() && kit.w->meter_lost == ROWS[r].named && pushes == ROWS[r].pushes);
	}
}

/* A trial that was broken off is not begun anew for two minutes. */
static void a_trial_broken_off_waits(void **state)
{
	int waited = 0;

	(void)state;
	begin();
	kit.gain = -1;
	kit_run(20);
	steps(2);
	kit_tell(battery, order_power(1000));
	while (!tried())
		kit_tick();
	kit.s.paused = true;
	kit_tick();
	kit.s.paused = false;
	kit_run(5);
	while (!tried() && waited < 300) {
		steps(1);
		waited += 12;
	}
	assert_in_range(waited, 108, 132);
}

/* The first step of the trial is right, the next two are not: acquitted. */
static void one_right_step_in_a_trial_acquits(void **state)
{
	(void)state;
	begin();
	kit.gain = -1;
	kit_run(20);
	steps(2);
	kit_tell(battery, order_power(1000));
	while (!tried())
		kit_tick();
	kit.gain = 1;
	kit.load_w = -2000; /* the meter shows what it showed */
	kit_run(9);
	kit.gain = -1;
	kit.load_w = 2000;
	for (int t = 0; t < 60; t++) {
		kit_tick();
		assert_false(kit.w->meter_lost);
	}
}

static void without_anything_to_hold(void **state)
{
	int steps_taken = 0;

	(void)state;
	kit_begin(&POLICY_DOUBT);
	kit.load_w = 0;
	car = desk_charger(&kit.s, 0);
	kit_run(3);
	kit.gain = -1;
	kit_run(20);
	while (!kit.w->meter_lost && steps_taken < 20) {
		kit_tell(car, order_power(steps_taken++ % 2 ? 0 : 1400));
		kit_run(12);
	}
	assert_int_equal(steps_taken, 6);
	assert_non_null(kit_doubt(DOUBT_METER_INVERTED));
	kit_run(320);
	kit.gain = 1;
	kit_run(20);
	kit_tell(car, order_power(1400));
	kit_run(12);
	assert_true(kit.w->meter_lost);
	kit_tell(car, order_power(0));
	kit_run(12);
	assert_false(kit.w->meter_lost);
}

static void standing_jumping_and_bad_numbers(void **state)
{
	static const struct { const char *name; int what; enum doubt_kind kind; int least, most, back; } ROWS[] = {
		{ "stands still while ours move", 0, DOUBT_METER_FROZEN, 11, 20, 61 },
		{ "jumps", 1, DOUBT_METER_JUMPS, 5, 12, 61 },
		{ "answers with what cannot be", 2, DOUBT_METER_FROZEN, 10, 12, 1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t = 0;

		begin();
		kit.noise_w = 1;
		kit_run(20);
		kit.frozen = ROWS[r].what == 0;
		if (kit.frozen) {
			kit_run(5); /* readings may be older than the meter's last number */
			kit_tell(battery, order_power(1000));
		}
		for (; t < 60 && !(kit.w && kit_doubt(ROWS[r].kind)); t++) {
			kit.jump_w = ROWS[r].what == 1 && t % 4 == 3 ? 60000 : 0;
			if (ROWS[r].what == 2) {
				kit.blind = true;
				value_set(&kit.s.grid_w, 100, kit.s.now_ms + KIT_TICK_MS, Q_BAD);
			}
			kit_tick();
		}
		assert_row(ROWS[r].name, t >= ROWS[r].least && t <= ROWS[r].most);
		assert_row(ROWS[r].name, kit.w->meter_lost == (ROWS[r].what != 2)); /* bad numbers: the guard says it */
		assert_row(ROWS[r].name, ROWS[r].what != 1 || strstr(kit_doubt(ROWS[r].kind)->why, "until 60 s without") != NULL);
		assert_row(ROWS[r].name, ROWS[r].what != 0 || strstr(kit_doubt(ROWS[r].kind)->why, "until 60 s after it moves") != NULL);
		assert_row(ROWS[r].name, ROWS[r].what != 2 || strstr(kit_doubt(ROWS[r].kind)->why, "for 10 s") != NULL);
		kit.frozen = kit.blind = false;
		kit.jump_w = 0;
		kit.load_w = 20; /* another number than the one it stood at */
		kit_tell(battery, order_power(0));
		t = kit_until(ROWS[r].kind, false, 100);
		assert_row(ROWS[r].name, t >= ROWS[r].back - 4 && t <= ROWS[r].back + 1);
	}
}

static void a_bad_number_must_stay_bad_and_fresh(void **state)
{
	(void)state;
	begin();
	kit.blind = true;
	for (int t = 0; t < 40; t++) {
		value_set(&kit.s.grid_w, 100, kit.s.now_ms + (t < 9 || t > 20 ? KIT_TICK_MS : 0), t == 9 ? Q_GOOD : Q_BAD);
		if (t > 9 && t <= 20)
			kit.s.grid_w.at_ms = kit.s.now_ms - 10000;
		kit_tick();
		assert_int_equal(kit_doubt(DOUBT_METER_FROZEN) != NULL, t > 30);
	}
}

/* All sun is measured, and yet the house would give power: one suspicion a day. */
static void a_house_that_gives(void **state)
{
	static const struct { const char *name; bool measured; double load_w, gain; bool tried; } ROWS[] = {
		{ "takes", true, 600, 1, false }, { "gives, by the clamp", true, 600, -1, true },
		{ "gives a little: a balcony's sun", true, -499, 1, false }, { "gives more", true, -510, 1, true },
		{ "there is sun nobody measures", false, -510, 1, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *pv;
		int begun = 0, at = 0;
		bool was = false;

		kit_begin(&POLICY_DOUBT);
		battery = desk_battery(&kit.s, 50);
		kit_tell(battery, order_power(0));
		pv = &kit.s.dev[desk_charger(&kit.s, 0)];
		pv->roles = ROWS[r].measured ? ROLE_PV : ROLE_CHARGER;
		kit.load_w = ROWS[r].load_w;
		kit.gain = ROWS[r].gain;
		for (int t = 0; t < 1200; t++) {
			kit_tick();
			if (tried() && !was) {
				begun++;
				at = t;
			}
			was = tried();
			if (was)
				kit.gain = 1; /* it acquits */
		}
		assert_row(ROWS[r].name, begun == ROWS[r].tried);
		assert_row(ROWS[r].name, !begun || (at >= 9 && at <= 13));
	}
}

/* A suspicion without steps, and one wrong step of a battery too full to be tried: not enough. Three of them are. */
static void one_wrong_step_alone_condemns_nobody(void **state)
{
	int trials = 0;
	bool was = false;

	(void)state;
	kit_begin(&POLICY_DOUBT);
	battery = desk_battery(&kit.s, 99);
	kit_tell(battery, order_power(1000));
	kit.s.dev[desk_charger(&kit.s, 0)].roles = ROLE_PV;
	kit.gain = -1;
	for (int t = 0; t < 200; t++) {
		kit_tick();
		trials += tried() && !was;
		was = tried();
		assert_true(kit.w->meter_lost == (trials == 3 && !was)); /* each of them one, and the way back another */
	}
	assert_int_equal(trials, 3);
}

static void a_house_of_which_something_is_not_read(void **state)
{
	(void)state;
	kit_begin(&POLICY_DOUBT);
	battery = desk_battery(&kit.s, 50);
	kit.s.dev[desk_charger(&kit.s, 0)].roles = ROLE_PV;
	kit.load_w = -2000;
	kit.silent[2] = true;
	for (int t = 0; t < 200; t++) {
		kit_tick();
		kit.silent[2] = t > 2;
		assert_false(t > 60 && tried());
	}
	kit.silent[2] = false;
	kit.s.grid_device = -1; /* no meter at all */
	kit_run(200);
	assert_int_equal(kit.w->n_doubts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lies_by_gain),
		cmocka_unit_test(a_right_step_clears_the_rest),
		cmocka_unit_test(a_vague_step_weighs_against),
		cmocka_unit_test(no_evidence_no_verdict),
		cmocka_unit_test(a_trial_acquits),
		cmocka_unit_test(what_it_tries_with),
		cmocka_unit_test(what_may_not_be_tried),
		cmocka_unit_test(a_trial_ends_where_nothing_may_be_ordered),
		cmocka_unit_test(it_comes_back),
		cmocka_unit_test(each_vague_step_in_a_trial_asks_for_one_more),
		cmocka_unit_test(a_trial_broken_off_waits),
		cmocka_unit_test(one_right_step_in_a_trial_acquits),
		cmocka_unit_test(without_anything_to_hold),
		cmocka_unit_test(standing_jumping_and_bad_numbers),
		cmocka_unit_test(a_bad_number_must_stay_bad_and_fresh),
		cmocka_unit_test(a_house_that_gives),
		cmocka_unit_test(one_wrong_step_alone_condemns_nobody),
		cmocka_unit_test(a_house_of_which_something_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
