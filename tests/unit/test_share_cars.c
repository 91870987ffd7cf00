/* Cars below one limit: who gets how much, whose turn it is, and cars that do not do as they are told. Through the whole chain. */
#include "policies/view.h"
#include "support/cm.h"
#include "support/live.h"

static struct live l;

static void owner_charges(int i, double w)
{
	l.s.dev[i].override = (struct override_view){ OVERRIDE_CHARGE, w, l.s.utc_ms + 3600000 };
}

/* Two cars and one limit, after a minute or two. */
static void cars_share_as_the_site_says(void **state)
{
	static const struct {
		const char *name;
		enum car_share share;
		double limit_w;
		int priority_b, ready_b_min;
		bool b_three;
		double a, b;
	} ROWS[] = {
		{ "priority: equals share by power, but each its minimum", CAR_SHARE_PRIORITY, 8000, 0, 0, true, 3860, 4140 },
		{ "priority: the larger first", CAR_SHARE_PRIORITY, 9000, 2, 0, false, 1640, 7360 },
		{ "equal: by amperes", CAR_SHARE_EQUAL, 9200, 0, 0, true, 2300, 6900 },
		{ "equal: whatever the priority", CAR_SHARE_EQUAL, 9200, 2, 0, true, 2300, 6900 },
		{ "departure: who says when", CAR_SHARE_DEPARTURE, 9000, 0, 60, false, 1640, 7360 },
		{ "departure: before priority", CAR_SHARE_DEPARTURE, 9000, -2, 60, false, 1640, 7360 },
		{ "departure: nobody says", CAR_SHARE_DEPARTURE, 9000, 0, 0, false, 4500, 4500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int a, b;

		live_init(&l);
		a = desk_charger(&l.s, 0);
		b = ROWS[r].b_three ? live_charger3(&l) : desk_charger(&l.s, 0);
		l.s.site.import_limit_w = ROWS[r].limit_w;
		l.s.site.car_share = ROWS[r].share;
		l.s.dev[b].priority = ROWS[r].priority_b;
		l.s.dev[b].ev_ready_by_utc_ms = ROWS[r].ready_b_min ? l.s.utc_ms + ROWS[r].ready_b_min * 60000LL : 0;
		live_run(&l, 120);
		if (fabs(live_order(&l, a) - ROWS[r].a) > 101 || fabs(live_order(&l, b) - ROWS[r].b) > 101)
			fail_msg("row '%s': %.0f and %.0f W", ROWS[r].name, live_order(&l, a), live_order(&l, b));
		assert_row(ROWS[r].name, l.s.grid_w.v <= ROWS[r].limit_w + 1);
	}
}

/* Room for one: who charges keeps it for a quarter of an hour; then the other, and so on. Nobody else's turn is shortened. */
static void room_for_one_is_taken_in_turns(void **state)
{
	int a, b, turns = 0, charging_s[2] = { 0 }, last = -1;

	(void)state;
	live_init(&l);
	a = desk_charger(&l.s, 0);
	b = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = 2000;
	for (int t = 0; t < 3600; t++) {
		int who;

		live_run(&l, 1);
		assert_true(l.s.grid_w.v < 2001);
		assert_true(live_order(&l, a) == 0 || live_order(&l, b) == 0);
		who = live_order(&l, a) > 0 ? 0 : live_order(&l, b) > 0 ? 1 : -1;
		if (who < 0)
			continue;
		charging_s[who]++;
		turns += who != last;
		last = who;
	}
	assert_int_equal(turns, 4);
	assert_in_range(charging_s[0], 1750, 1850);
	assert_in_range(charging_s[1], 1700, 1850);
}

/* A car that charges is not stopped for another's start that does not fit, and a start needs half an ampere to spare. */
static void a_start_needs_a_little_more(void **state)
{
	static const struct { const char *name; double limit_w, load_w; bool starts; } ROWS[] = {
		{ "a little more", 3000, 1506, false }, { "half an ampere", 3000, 1504, true },
		{ "a limit of hardly more", 1480, 51, false }, { "half of that", 1480, 49, true },
		{ "a limit of just the minimum", 1380, 0, true }, { "less", 1379, 0, false },
	};
	int a, b;

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		live_init(&l);
		a = desk_charger(&l.s, 0);
		l.load_w[0] = ROWS[r].load_w;
		l.s.site.import_limit_w = ROWS[r].limit_w;
		live_run(&l, 3);
		assert_row(ROWS[r].name, (live_order(&l, a) > 0) == ROWS[r].starts);
		l.s.site.import_limit_w = 1380 + ROWS[r].load_w; /* who charges needs none */
		live_run(&l, 3);
		assert_row(ROWS[r].name, !ROWS[r].starts || live_order(&l, a) > 0);
	}
	live_init(&l);
	a = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = 2800;
	live_run(&l, 60);
	b = desk_charger(&l.s, 0);
	live_run(&l, 60);
	assert_near(live_order(&l, a), 2800);
	assert_near(live_order(&l, b), 0);
	assert_int_equal(l.d.d[b].code, REASON_IMPORT_LIMIT);
}

/* A car that takes 3 kW whatever it is told: it must make room, it is remembered, and it comes back when there is room. */
static void a_car_that_draws_more_than_told(void **state)
{
	int car;

	(void)state;
	live_init(&l);
	car = desk_charger(&l.s, 0);
	l.stubborn_w[car] = 3000;
	l.s.site.import_limit_w = 2500;
	live_run(&l, 10);
	assert_near(live_order(&l, car), 0);
	for (int t = 0; t < 300; t++) {
		live_run(&l, 1);
		assert_near(live_order(&l, car), 0); /* it would break the limit again */
	}
	l.s.dev[car].state.f[F_CHARGER_CONNECTED].v = 0; /* another car is another car */
	live_run(&l, 2);
	l.stubborn_w[car] = 0;
	l.s.dev[car].state.f[F_CHARGER_CONNECTED].v = 1;
	live_run(&l, 62);
	assert_true(live_order(&l, car) >= 1380);

	live_init(&l); /* there is room again: half an ampere to spare, twice and more */
	car = desk_charger(&l.s, 0);
	l.stubborn_w[car] = 3000;
	l.s.site.import_limit_w = 2500;
	live_run(&l, 100);
	assert_near(live_order(&l, car), 0);
	l.s.site.import_limit_w = 3600;
	live_run(&l, 60);
	assert_true(live_order(&l, car) >= 1380);
}

/* Once it does as told it has its room back; until then not for a tick. */
static void a_car_that_mends_its_ways(void **state)
{
	int car;

	(void)state;
	live_init(&l);
	car = desk_charger(&l.s, 0);
	l.stubborn_w[car] = 5900;
	l.s.site.import_limit_w = 6000;
	live_run(&l, 15);
	for (int t = 0; t < 100; t++) {
		live_run(&l, 1);
		assert_true(live_order(&l, car) >= 1380 && live_order(&l, car) < 1700);
	}
	l.stubborn_w[car] = 0;
	live_run(&l, 50);
	assert_true(live_order(&l, car) > 5949);
}

/* It was told to pause and goes on: then it is load, and others give way. */
static void a_car_that_does_not_pause(void **state)
{
	int car, b;

	(void)state;
	live_init(&l);
	b = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	l.s.dev[car].ev_mode = EV_OFF;
	l.load_w[0] = 3000; /* that is the car */
	l.s.site.import_limit_w = 2000;
	l.s.dev[b].override = (struct override_view){ OVERRIDE_HOLD, 0, l.s.utc_ms + 3600000 };
	for (int t = 0; t < 30; t++) {
		desk_wait(&l.s, 1000);
		desk_power(&l.s, car, 3000);
		desk_power(&l.s, b, l.s.dev[b].ordered.w);
		desk_soc(&l.s, b, 50);
		desk_grid(&l.s, 3000 + l.s.dev[b].ordered.w + 0.01 * t);
		desk_chain(&l.c, &l.s, &l.d);
	}
	assert_near(live_order(&l, car), 0);
	assert_true(fabs(live_order(&l, b) + 1000) < 25);
	assert_near(l.d.limit_unreachable_w, 0);
}

/* Of two the one with the smaller priority goes first, even if neither can stay; and what is too little to begin with is nothing. */
static void too_little_for_either(void **state)
{
	int a, b;

	(void)state;
	for (int first = 0; first < 2; first++) {
		live_init(&l);
		a = desk_charger(&l.s, 0);
		b = desk_charger(&l.s, 0);
		l.s.dev[first ? a : b].priority = 1;
		live_run(&l, 30);
		l.s.site.import_limit_w = 1000;
		live_run(&l, 1);
		assert_true(live_order(&l, a) == 0 && live_order(&l, b) == 0);
	}
	live_init(&l);
	a = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = 5000;
	l.s.dev[a].ev_mode = EV_CHEAP;
	l.s.dev[a].guide.valid = true;
	l.s.dev[a].guide.planned_w = 500;
	live_run(&l, 3);
	assert_near(live_order(&l, a), 0);
	assert_false(l.d.limited_by);
}

/* Room for two minima, not for a start: the other's turn may push who has had his below his minimum. */
static void a_turn_may_stop_who_could_run(void **state)
{
	int a, b, both = 0;

	(void)state;
	live_init(&l);
	a = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = 2800;
	live_run(&l, 60);
	b = desk_charger(&l.s, 0);
	live_run(&l, 800);
	assert_true(live_order(&l, a) > 0 && live_order(&l, b) == 0);
	for (int t = 0; t < 200; t++) {
		live_run(&l, 1);
		assert_true(l.s.grid_w.v < 2801);
		both += live_order(&l, b) > 0;
	}
	assert_true(both > 20);
}

/* The first may not run in what there is, the second may: the room is not lost. */
static void what_one_cannot_use_another_can(void **state)
{
	int a, b;

	(void)state;
	for (int first = 0; first < 2; first++) {
		live_init(&l);
		a = first ? live_charger3(&l) : desk_charger(&l.s, 0);
		b = first ? desk_charger(&l.s, 0) : live_charger3(&l);
		l.s.dev[first ? a : b].priority = 1;
		l.s.site.import_limit_w = 2000;
		live_run(&l, 60);
		assert_near(live_order(&l, first ? a : b), 0);
		assert_near(live_order(&l, first ? b : a), 2000);
	}
}

/* A slow car still draws what it was told before: that is no disobedience. */
static void what_was_told_lately_is_no_overdraw(void **state)
{
	int car;

	(void)state;
	live_init(&l);
	car = desk_charger(&l.s, 0);
	l.s.dev[car].state.caps.settle_ms = 4000;
	l.s.site.import_limit_w = 8000;
	live_run(&l, 60);
	assert_near(live_order(&l, car), 7360);
	l.s.site.import_limit_w = 3000;
	l.stubborn_w[car] = 7360;
	for (int t = 0; t < 6; t++) {
		live_run(&l, 1);
		assert_near(live_order(&l, car), 3000);
	}
	l.stubborn_w[car] = 0;
	live_run(&l, 30);
	assert_near(live_order(&l, car), 3000);
}

/* The large car gets its minimum from its equal, and not from who comes before them. */
static void equals_fill_up_to_the_minimum(void **state)
{
	int a, b, battery;

	(void)state;
	live_init(&l);
	battery = desk_battery(&l.s, 50);
	a = desk_charger(&l.s, 0);
	b = live_charger3(&l);
	owner_charges(battery, 1000);
	l.s.site.import_limit_w = 9000;
	live_run(&l, 120);
	assert_near(live_order(&l, battery), 1000);
	assert_near(live_order(&l, b), 4140);
	assert_true(fabs(live_order(&l, a) - 3860) < 51);
}

/* A car that is not read is taken to do as told, no better and no worse. */
static void a_car_that_is_not_read(void **state)
{
	int car;

	(void)state;
	live_init(&l);
	car = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = 3000;
	l.stubborn_w[car] = 2500;
	for (int t = 0; t < 30; t++) {
		desk_wait(&l.s, 1000);
		live_read(&l);
		l.s.dev[car].state.ac_power_w.q = Q_ABSENT;
		l.s.dev[car].ev_mode = t < 20 ? EV_UNSET : EV_OFF;
		desk_chain(&l.c, &l.s, &l.d);
		assert_true(live_order(&l, car) <= 3000);
	}
}

/* A car told @told W now and @lately W a moment ago, and what it was known to do: so many times what it was told, and @peak W at most. */
static void how_a_car_keeps_to_its_orders(void **state)
{
	static const struct { const char *name; double told, lately, reads, was, peak, over, stuck; bool read; } ROWS[] = {
		{ "as told", 5000, 5000, 5000, 1.5, 7500, 0, 0, true },
		{ "a little more is as told", 5000, 5000, 5050, 1.5, 7500, 0, 0, true },
		{ "more", 5000, 5000, 5050.1, 1.5, 7500, 1.01002, 0, true },
		{ "it learns what it draws now", 5000, 5000, 5500, 1.5, 7500, 1.1, 0, true },
		{ "it learns for the first time", 5000, 5000, 5500, 0, 0, 1.1, 0, true },
		{ "at its own end: that says nothing", 5000, 5000, 5000, 1.5, 5050, 1.5, 0, true },
		{ "just below that", 5000, 5000, 5000, 1.5, 5050.1, 0, 0, true },
		{ "at its own end it draws hardly more than told", 5000, 5000, 5500, 1.5, 5500, 1.5, 0, true },
		{ "and yet more than known", 5000, 5000, 5500, 1.05, 5500, 1.1, 0, true },
		{ "it rounds, or its mains are low", 5000, 5000, 4000, 1.5, 7500, 0, 0, true },
		{ "it draws less than that for a reason of its own", 5000, 5000, 3999.9, 1.5, 7500, 1.5, 0, true },
		{ "its order moved by little", 5000, 5050, 5000, 1.5, 7500, 0, 0, true },
		{ "it moved", 5000, 5050.1, 5000, 1.5, 7500, 1.5, 0, true },
		{ "just raised: from before", 6000, 5000, 5500, 1.1, 8000, 1.1, 0, true },
		{ "just cut: from before, perhaps, and no less than known", 5000, 6000, 6300, 1.2, 9000, 1.2, 0, true },
		{ "just cut: and yet more than known", 5000, 6000, 6300, 1.02, 9000, 1.05, 0, true },
		{ "just cut: it comes down", 5000, 6000, 5500, 1.2, 9000, 1.2, 0, true },
		{ "nobody reads it", 5000, 5000, 5500, 1.5, 7500, 1.5, 0, false },
		{ "to be paused, and hardly draws", 0, 0, 50, 1.5, 7500, 1.5, 0, true },
		{ "to be paused, and draws", 0, 0, 50.1, 1.5, 7500, 1.5, 50.1, true },
		{ "to be paused, just now", 0, 5000, 5000, 1.5, 7500, 1.5, 0, true },
		{ "to be paused, who knows", 0, 0, 3000, 1.5, 7500, 1.5, 0, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct chain_memory *m;
		int car;

		live_init(&l);
		car = desk_charger(&l.s, ROWS[r].reads);
		m = &l.c.device[car];
		l.s.dev[car].ordered = order_power(ROWS[r].told);
		l.s.dev[car].ordered_at_ms = l.s.now_ms;
		l.s.dev[car].state.ac_power_w.q = ROWS[r].read ? Q_GOOD : Q_ABSENT;
		response_begin(&m->response, view_settle_ms(&l.s.dev[car]));
		response_told(&m->response, 1000, ROWS[r].lately);
		m->over = ROWS[r].was;
		m->over_w = ROWS[r].peak;
		desk_chain(&l.c, &l.s, &l.d);
		assert_row(ROWS[r].name, fabs(m->over - ROWS[r].over) < 1e-6);
		assert_row_near(ROWS[r].name, m->over_w, m->over == 0 ? 0 : fmax(ROWS[r].peak, ROWS[r].read && ROWS[r].told > 0 ? ROWS[r].reads : 0));
		assert_row_near(ROWS[r].name, m->stuck_w, ROWS[r].stuck);
	}
}

/* Settle time and two seconds: so long before it was read what was told still explains what it drew then, however long ago it was read. */
static void what_was_told_before_it_was_read(void **state)
{
	static const struct { const char *name; int cut_ms, read_ms; bool over; } ROWS[] = {
		{ "cut and read now", 0, 0, false },        { "2.999 s before", 2999, 0, false },
		{ "3 s before", 3000, 0, true },            { "long before", 20000, 0, true },
		{ "read before the cut", 9000, 9001, false }, { "read with the cut, and not since", 9000, 9000, false },
		{ "read 2.999 s after it", 9000, 6001, false }, { "read 3 s after it", 9000, 6000, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct chain_memory *m;
		int car;

		live_init(&l);
		car = desk_charger(&l.s, 5500);
		m = &l.c.device[car];
		response_begin(&m->response, view_settle_ms(&l.s.dev[car]));
		response_told(&m->response, l.s.now_ms - 60000, 6000);
		l.s.dev[car].state.ac_power_w.at_ms = l.s.now_ms - ROWS[r].read_ms;
		l.s.dev[car].ordered = order_power(5000);
		l.s.dev[car].ordered_at_ms = l.s.now_ms - ROWS[r].cut_ms;
		desk_chain(&l.c, &l.s, &l.d);
		assert_row(ROWS[r].name, (m->over > 1.05) == ROWS[r].over);
	}
}

/* The owner's car has risen, and waits 5 s for its next step. What a battery gave up for the one may not come back until the other,
 * if it stands after the car; nor is the room kept from who stands before it, or sits on another phase. */
static void a_step_is_waited_for(void **state)
{
	static const struct { const char *name; double limit_w, told_w; bool first, fuse; int phase, ago_ms; double w; } ROWS[] = {
		{ "it does not come back", 6000, 0, false, false, 1, 4999, 0 },
		{ "it keeps what it has", 6000, 500, false, false, 1, 4999, 500 },
		{ "the next step leaves room for it", 9800, 0, false, false, 1, 4999, 1820 },
		{ "the car waits no more: it asks for all but 20 W", 6000, 0, false, false, 1, 5000, 20 },
		{ "the battery stands before it: what is free at worst", 6000, 0, true, false, 1, 4999, 320 },
		{ "below the same fuse", 0, 0, false, true, 1, 4999, 0 },
		{ "below another, which holds no room for a car", 0, 0, false, true, 2, 4999, 2000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, car;

		live_init(&l);
		b = desk_battery(&l.s, 50);
		car = desk_charger(&l.s, 0);
		l.s.dev[b].phase = 1;
		l.s.dev[car].phase = ROWS[r].phase;
		l.s.dev[car].ev_mode = EV_NOW;
		l.s.site.import_limit_w = ROWS[r].limit_w;
		l.s.site.fuse_a = ROWS[r].fuse ? 6000 / 230.0 : 0;
		l.phases = true;
		l.load_w[0] = ROWS[r].phase == 2 ? 3000 : 0;
		owner_charges(b, 2000);
		l.s.dev[b].priority = ROWS[r].first ? 1 : 0;
		l.s.dev[car].priority = ROWS[r].first ? 0 : 1;
		live_run(&l, 9);
		l.s.dev[b].ordered = order_power(2000); /* it has just been told less, which nobody can see yet */
		live_read(&l);
		l.s.dev[b].ordered = order_power(ROWS[r].told_w);
		l.s.dev[b].ordered_at_ms = l.s.now_ms;
		l.s.dev[car].ordered_at_ms = l.c.device[car].changed_ms = l.s.now_ms - ROWS[r].ago_ms;
		desk_chain(&l.c, &l.s, &l.d);
		assert_row_near(ROWS[r].name, live_order(&l, car), 3680);
		assert_row_near(ROWS[r].name, live_order(&l, b), ROWS[r].w);
	}
}

/* A car that was stopped, and is read every ten seconds only: what it drew before is not what it draws. */
static void a_stopped_car_does_not_stop_another(void **state)
{
	int a, b;

	(void)state;
	live_init(&l);
	a = live_charger3(&l);
	b = live_charger3(&l);
	l.s.site.car_share = CAR_SHARE_EQUAL;
	l.s.site.import_limit_w = 9700;
	live_run(&l, 120);
	assert_true(live_order(&l, a) > 4500 && live_order(&l, b) > 4500);
	l.s.site.import_limit_w = 6000;
	for (int t = 0; t < 12; t++) {
		desk_wait(&l.s, 1000);
		live_read(&l);
		if (live_order(&l, b) == 0 && t < 10) { /* its last reading is of before */
			l.s.dev[b].state.ac_power_w.v = 4800;
			l.s.dev[b].state.ac_power_w.at_ms = l.s.now_ms - 1000 * t;
		}
		desk_chain(&l.c, &l.s, &l.d);
		assert_true(live_order(&l, a) >= 4140);
		assert_near(live_order(&l, b), 0);
	}
}

/* A car is known to draw half as much again: so much of the room is its, even while nobody reads it. */
static void what_a_car_will_draw_is_not_given_away(void **state)
{
	static const struct { const char *name; bool read; double draws, over, limit_w, w; } ROWS[] = {
		{ "known to, and not read", false, 0, 1.5, 8000, 2000 },
		{ "does as told, and not read", false, 0, 0, 8000, 3000 },
		{ "known to, and read", true, 3000, 1.5, 8000, 3000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, car;

		live_init(&l);
		l.c.start.over = true;
		b = desk_battery(&l.s, 50);
		car = desk_charger(&l.s, ROWS[r].draws);
		l.s.dev[car].state.caps.charge_max_w = 2000;
		l.s.dev[car].state.ac_power_w.q = ROWS[r].read ? Q_GOOD : Q_ABSENT;
		l.s.dev[car].ordered = order_power(2000);
		l.s.dev[car].ordered_at_ms = 1000;
		l.c.device[car].over = ROWS[r].over;
		owner_charges(b, 3000);
		l.s.site.import_limit_w = ROWS[r].limit_w;
		desk_grid(&l.s, 3000);
		desk_chain(&l.c, &l.s, &l.d);
		assert_row_near(ROWS[r].name, live_order(&l, car), 2000);
		assert_row_near(ROWS[r].name, live_order(&l, b), ROWS[r].w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cars_share_as_the_site_says),
		cmocka_unit_test(room_for_one_is_taken_in_turns),
		cmocka_unit_test(a_start_needs_a_little_more),
		cmocka_unit_test(a_car_that_draws_more_than_told),
		cmocka_unit_test(a_car_that_mends_its_ways),
		cmocka_unit_test(a_car_that_does_not_pause),
		cmocka_unit_test(too_little_for_either),
		cmocka_unit_test(a_turn_may_stop_who_could_run),
		cmocka_unit_test(what_one_cannot_use_another_can),
		cmocka_unit_test(what_was_told_lately_is_no_overdraw),
		cmocka_unit_test(equals_fill_up_to_the_minimum),
		cmocka_unit_test(a_car_that_is_not_read),
		cmocka_unit_test(how_a_car_keeps_to_its_orders),
		cmocka_unit_test(what_was_told_before_it_was_read),
		cmocka_unit_test(a_step_is_waited_for),
		cmocka_unit_test(a_stopped_car_does_not_stop_another),
		cmocka_unit_test(what_a_car_will_draw_is_not_given_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
