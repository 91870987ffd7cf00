/* The patience of cars: how a charge starts, rises and ends, and what passes at once. Through the whole chain. */
#include "support/cm.h"
#include "support/live.h"

static struct live l;
static int car;

static void fresh(enum ev_mode mode)
{
	live_init(&l);
	car = desk_charger(&l.s, 0);
	l.s.dev[car].ev_mode = mode;
}

/* Orders of the first seconds, as often as they last. */
static void a_charge_rises_in_steps(void **state)
{
	static const struct { const char *name; enum ev_mode mode; int phases; double amps[8]; } ROWS[] = {
		{ "plugged in", EV_UNSET, 1, { 6, 10, 14, 18, 22, 26, 30, 32 } },
		{ "plugged in, three phases", EV_UNSET, 3, { 6, 10, 14, 18, 22, 26, 30, 32 } },
		{ "the owner wants it now", EV_NOW, 1, { 6, 16, 26, 32, 32, 32, 32, 32 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(ROWS[r].mode);
		if (ROWS[r].phases == 3) {
			l.s.n_devices--;
			car = live_charger3(&l);
		}
		for (int t = 0; t < 40; t++) {
			live_run(&l, 1);
			assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].amps[t / 5] * 230 * ROWS[r].phases);
			assert_row(ROWS[r].name, l.d.d[car].code == (ROWS[r].amps[t / 5] > 31 ? ROWS[r].mode == EV_NOW ? REASON_CAR_NOW : REASON_CAR_PLUGGED
						     : t % 5 == 0 || (t == 1) ? l.d.d[car].code : REASON_CAR_DWELL));
		}
	}
	fresh(EV_UNSET);
	live_run(&l, 1);
	assert_int_equal(l.d.d[car].code, REASON_CAR_RAMP);
	assert_false(l.d.d[car].limited_by); /* nobody took anything away */
	live_run(&l, 5);
	assert_near(live_order(&l, car), 2300);
	assert_int_equal(l.d.d[car].code, REASON_CAR_RAMP);
	live_run(&l, 1);
	assert_non_null(strstr(l.d.d[car].why, "no change within 5 s of the last"));
}

/* At the minimum until the car is seen to draw, but not for ever. */
static void the_car_is_waited_for(void **state)
{
	static const struct { const char *name; int settle_ms, draws_after_s; double draws_w; int rises_after_s; } ROWS[] = {
		{ "at once", 1000, 0, 1380, 5 },
		{ "after a while", 1000, 12, 1380, 13 },
		{ "a trickle is no charge", 1000, 0, 100, 30 },
		{ "never: full", 1000, 3600, 0, 30 },
		{ "a slow charger is waited for longer", 40000, 3600, 0, 40 },
		{ "though not when it draws", 40000, 8, 101, 9 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t = 0;

		fresh(EV_UNSET);
		l.s.dev[car].state.caps.settle_ms = ROWS[r].settle_ms;
		for (; t < 60 && live_order(&l, car) < 1381; t++) {
			l.takes_w[car] = t > ROWS[r].draws_after_s ? ROWS[r].draws_w : 0;
			live_run(&l, 1);
		}
		if (t - 1 != ROWS[r].rises_after_s)
			fail_msg("row '%s': rises after %d s", ROWS[r].name, t - 1);
	}
}

/* What it drew before the start is no sign of its beginning. */
static void an_old_draw_is_no_sign(void **state)
{
	(void)state;
	fresh(EV_UNSET);
	l.s.dev[car].ordered = order_power(0);
	desk_power(&l.s, car, 200);
	desk_grid(&l.s, 200);
	desk_chain(&l.c, &l.s, &l.d);
	assert_near(live_order(&l, car), 1380);
	desk_wait(&l.s, 6000);
	desk_grid(&l.s, 201);
	desk_chain(&l.c, &l.s, &l.d);
	assert_near(live_order(&l, car), 1380);
	assert_int_equal(l.d.d[car].code, REASON_CAR_RAMP);
}

/* What our loop holds is snapped as a set power is; what a device does by itself is its own affair. */
static void a_loop_is_snapped_too(void **state)
{
	static const struct { const char *name; double load_w, w; } ROWS[] = {
		{ "below the minimum", 300, 0 }, { "a step", 730, -700 }, { "the minimum", 510, -500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		live_init(&l);
		b = desk_battery(&l.s, 50);
		l.s.dev[b].state.caps.min_w = 500;
		l.s.dev[b].state.caps.step_w = 100;
		l.load_w[0] = ROWS[r].load_w;
		live_run(&l, 1);
		assert_row(ROWS[r].name, l.d.d[b].order.kind == ORDER_BALANCE);
		assert_row_near(ROWS[r].name, live_order(&l, b), ROWS[r].w);
	}
}

/* What it draws by its own control goes on; a reading from before is none, and unknown power starts at the minimum. */
static void a_charge_is_taken_over(void **state)
{
	static const struct { const char *name; enum order_kind before; double draws_w; bool known; double w; } ROWS[] = {
		{ "left to itself", ORDER_RELEASE, 3000, true, 3000 },
		{ "after a start of the agent", ORDER_NONE, 3000, true, 3000 },
		{ "it rests", ORDER_NONE, 0, true, 1380 },
		{ "nobody knows", ORDER_NONE, 3000, false, 1380 },
		{ "more than may be wanted", ORDER_NONE, 9000, true, 7360 },
		{ "its own minimum is lower", ORDER_RELEASE, 1000, true, 1380 },
		{ "told to pause, and it draws", ORDER_POWER, 3000, true, 1380 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(EV_UNSET);
		l.c.start.over = true; /* it was waited for in vain */
		l.s.dev[car].ordered.kind = ROWS[r].before;
		desk_power(&l.s, car, ROWS[r].draws_w);
		l.s.dev[car].state.ac_power_w.q = ROWS[r].known ? Q_GOOD : Q_ABSENT;
		desk_grid(&l.s, ROWS[r].draws_w);
		desk_chain(&l.c, &l.s, &l.d);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
	}
}

/* The minimum in watts follows the voltage; that is no change of current. */
static void the_minimum_moves(void **state)
{
	(void)state;
	fresh(EV_UNSET);
	live_run(&l, 2);
	l.s.dev[car].state.caps.min_w = 1400;
	live_run(&l, 1);
	assert_near(live_order(&l, car), 1400);
	l.s.dev[car].state.caps.min_w = 1400.5; /* half a watt must not cost the charge */
	live_run(&l, 1);
	assert_near(live_order(&l, car), 1400.5);
}

/* A limit that gives 50 W more, or a little less than that. */
static void small_rises_are_skipped(void **state)
{
	static const struct { const char *name; double more_w, w, over; } ROWS[] = {
		{ "not worth a change", 49, 3000, 0 }, { "just worth one", 50, 3050, 0 }, { "worth one", 51, 3051, 0 },
		{ "less is always worth one", -1, 2999, 0 }, { "a car that draws more than told: half an ampere, but for a watt", 114, 3000, 1 },
		{ "half an ampere", 115, 3115, 1 }, { "it is cut as any other", -1, 2999, 1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(EV_UNSET);
		l.s.site.import_limit_w = 3000;
		live_run(&l, 60);
		assert_row_near(ROWS[r].name, live_order(&l, car), 3000);
		l.s.site.import_limit_w += ROWS[r].more_w;
		l.c.device[car].over = ROWS[r].over;
		live_run(&l, 20);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
	}
	fresh(EV_UNSET); /* also from the minimum */
	l.s.site.import_limit_w = 1500;
	live_run(&l, 1);
	l.s.site.import_limit_w = 1420;
	live_run(&l, 20);
	assert_near(live_order(&l, car), 1380);
}

/* The plan, or a limit, wants a little less. */
static void small_falls_are_skipped(void **state)
{
	static const struct { const char *name; double plan_w, limit_w, w; bool rated; } ROWS[] = {
		{ "not worth a change", 2950.1, 0, 3000, false }, { "worth one", 2950, 0, 2950, false }, { "a limit's are worth one", 3000, 2999, 2999, false },
		{ "the rating is a limit too", 3000, 2999, 2999, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(EV_CHEAP);
		l.s.dev[car].guide.valid = true;
		l.s.dev[car].guide.planned_w = 3000;
		live_run(&l, 60);
		assert_row_near(ROWS[r].name, live_order(&l, car), 3000);
		l.s.dev[car].guide.planned_w = (float)ROWS[r].plan_w;
		if (ROWS[r].rated)
			l.s.dev[car].charge_max_w = ROWS[r].limit_w;
		else
			l.s.site.import_limit_w = ROWS[r].limit_w;
		live_run(&l, 20);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
	}
}

/* A car on the sun keeps its current while that lies between what the sample leaves and what the estimate of the load does, which
 * follows by an eighth: 100 W less of 4000 W in the sample are 12 W in the estimate. */
/* The owner wants less than three phases can begin with: that is 0 W, and the battery has the sun. */
static void nobody_makes_room_for_less_than_a_minimum(void **state)
{
	static const struct { double wants, car, battery; } ROWS[] = { { 4139, 0, 5000 }, { 4139.6, 4140, 860 }, { 4140, 4140, 860 } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int battery;

		live_init(&l);
		battery = desk_battery(&l.s, 50);
		car = live_charger3(&l);
		l.load_w[0] = -5000;
		l.s.external.import_w = 0;
		l.s.external.export_w = NAN;
		l.s.dev[car].override.mode = OVERRIDE_CHARGE;
		l.s.dev[car].override.power_w = ROWS[r].wants;
		l.s.dev[car].override.until_utc_ms = l.s.utc_ms + 3600000;
		live_run(&l, 60);
		assert_near(live_order(&l, car), ROWS[r].car);
		assert_true(fabs(live_order(&l, battery) - ROWS[r].battery) < 1);
	}
}

static void noise_moves_no_car(void **state)
{
	static const struct { const char *name; enum ev_mode mode; double told_w, sun_w, off_w, w; } ROWS[] = {
		{ "the sample shows less, the estimate does not", EV_SOLAR, 4000, 4000, 100, 4000 },
		{ "it shows more", EV_SOLAR, 4000, 4000, -100, 4000 },
		{ "between the two", EV_SOLAR, 3960, 4000, 100, 3960 },
		{ "no noise: it falls", EV_SOLAR, 4060, 4000, 0, 4000 },
		{ "and rises", EV_SOLAR, 3940, 4000, 0, 4000 },
		{ "both say less, the estimate not so much", EV_SOLAR, 4200, 4000, 100, 3988 },
		{ "the sample not so much", EV_SOLAR, 4200, 4000, -100, 4100 },
		{ "both say more, the estimate not so much", EV_SOLAR, 3800, 4000, -100, 4012 },
		{ "the sample not so much then", EV_SOLAR, 3800, 4000, 100, 3900 },
		{ "what a plan says has no noise", EV_CHEAP, 4060, 4000, -100, 4000 },
		{ "a start takes what there is", EV_SOLAR, 0, 1330, -100, 1380 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(ROWS[r].mode);
		l.s.dev[car].guide.valid = ROWS[r].mode == EV_CHEAP;
		l.s.dev[car].guide.planned_w = (float)ROWS[r].sun_w;
		l.load_w[0] = -ROWS[r].sun_w;
		live_run(&l, 60);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].told_w > 0 ? ROWS[r].sun_w : 0);
		l.s.dev[car].ordered.w = ROWS[r].told_w;
		l.s.dev[car].ordered_at_ms = l.s.now_ms - 5000;
		l.c.loop.noise_w = 100;
		l.load_w[0] += ROWS[r].off_w;
		live_run(&l, 1);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
	}
}

/* What the meter showed last is no sun any more. */
static void no_meter_no_sun(void **state)
{
	(void)state;
	fresh(EV_SOLAR);
	l.load_w[0] = -4000;
	live_run(&l, 120);
	assert_near(live_order(&l, car), 4000);
	desk_wait(&l.s, 11000);
	desk_power(&l.s, car, 4000);
	l.c.loop.load_w = -6000;
	desk_chain(&l.c, &l.s, &l.d);
	assert_near(live_order(&l, car), 1380);
}

/* 40 s after the start, or 2 s after a change: who is obeyed at once when the car shall stop? */
static void what_passes_at_once(void **state)
{
	enum { PLAN_WAITS, OWNER_OFF, NO_CAR, LIMIT, RATING, FAULT, ISLAND, PAUSED };
	static const struct { const char *name; int what; double w; } ROWS[] = {
		{ "the plan waits: it keeps its minimum", PLAN_WAITS, 1380 },
		{ "the owner's off", OWNER_OFF, 0 },
		{ "the car is gone", NO_CAR, 0 },
		{ "a limit", LIMIT, 0 },
		{ "a lower rating", RATING, 2000 },
		{ "a fault", FAULT, 0 },
		{ "the grid is away", ISLAND, 0 },
		{ "service: released", PAUSED, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;

		fresh(EV_CHEAP);
		d = &l.s.dev[car];
		d->guide.valid = true;
		d->guide.planned_w = 7360;
		live_run(&l, 40);
		assert_row_near(ROWS[r].name, live_order(&l, car), 7360);
		if (ROWS[r].what == PLAN_WAITS)
			d->guide.planned_w = 0;
		if (ROWS[r].what == OWNER_OFF)
			d->ev_mode = EV_OFF;
		if (ROWS[r].what == NO_CAR)
			d->state.f[F_CHARGER_CONNECTED].v = 0;
		if (ROWS[r].what == LIMIT)
			l.s.external.import_w = 0;
		if (ROWS[r].what == RATING)
			d->charge_max_w = 2000;
		if (ROWS[r].what == FAULT)
			value_set(&d->state.f[F_CHARGER_STATE], CHARGER_E, l.s.now_ms, Q_GOOD);
		l.s.grid_lost = ROWS[r].what == ISLAND;
		l.s.paused = ROWS[r].what == PAUSED;
		live_run(&l, ROWS[r].what == PLAN_WAITS ? 5 : 1);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
		assert_row(ROWS[r].name, ROWS[r].what != PLAN_WAITS || !l.d.limited_by);
	}
}

/* No change of mind within five seconds, and a start is for a minute, as far as only price or sun is against it. */
static void patience_ends(void **state)
{
	struct snap_device *d;

	(void)state;
	fresh(EV_CHEAP);
	d = &l.s.dev[car];
	d->guide.valid = true;
	d->guide.planned_w = 1380;
	live_run(&l, 1);
	d->guide.planned_w = 0;
	for (int t = 1; t < 60; t++) {
		live_run(&l, 1);
		assert_near(live_order(&l, car), 1380);
		assert_int_equal(l.d.d[car].code, REASON_CAR_DWELL);
		assert_non_null(strstr(l.d.d[car].why, "no change within 5 s, no pause within 60 s of the start"));
	}
	live_run(&l, 1);
	assert_near(live_order(&l, car), 0);
	assert_int_equal(l.d.d[car].code, REASON_CAR_PLAN);
	d->guide.planned_w = 2000;
	for (int t = 1; t < 60; t++) {
		live_run(&l, 1);
		assert_near(live_order(&l, car), 0);
		assert_int_equal(l.d.d[car].code, REASON_CAR_DWELL);
	}
	live_run(&l, 1);
	assert_near(live_order(&l, car), 1380);
	live_run(&l, 60);
	assert_near(live_order(&l, car), 2000);
	d->guide.planned_w = 3000;
	live_run(&l, 1);
	assert_near(live_order(&l, car), 2920); /* 4 A up */
	d->guide.planned_w = 1500;
	for (int t = 1; t < 5; t++) {
		live_run(&l, 1);
		assert_near(live_order(&l, car), 2920);
	}
	live_run(&l, 1);
	assert_near(live_order(&l, car), 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_charge_rises_in_steps),
		cmocka_unit_test(the_car_is_waited_for),
		cmocka_unit_test(an_old_draw_is_no_sign),
		cmocka_unit_test(a_loop_is_snapped_too),
		cmocka_unit_test(a_charge_is_taken_over),
		cmocka_unit_test(the_minimum_moves),
		cmocka_unit_test(small_rises_are_skipped),
		cmocka_unit_test(small_falls_are_skipped),
		cmocka_unit_test(nobody_makes_room_for_less_than_a_minimum),
		cmocka_unit_test(noise_moves_no_car),
		cmocka_unit_test(no_meter_no_sun),
		cmocka_unit_test(what_passes_at_once),
		cmocka_unit_test(patience_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
