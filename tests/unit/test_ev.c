/* The car: modes, ranks, sun that is left over, clouds, deadlines. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;
static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];

static const struct order_wish *step(int car)
{
	return desk_order(desk_step(&POLICY_EV, &s, memory), car, RANK_NONE);
}

static void fresh(void)
{
	memset(memory, 0, sizeof(memory));
	desk_init(&s);
}

static void modes(void **state)
{
	static const struct { const char *name; enum ev_mode mode; bool connected; double energy; double w; enum rank rank; } ROWS[] = {
		{ "unset: plug in and charge, behind events", EV_UNSET, true, NAN, 7360, RANK_SELF_USE },
		{ "unset, no car", EV_UNSET, false, NAN, 0, RANK_SELF_USE },
		{ "unset, has its energy", EV_UNSET, true, 0, 0, RANK_SELF_USE },
		{ "now is the owner's word", EV_NOW, true, NAN, 7360, RANK_OVERRIDE },
		{ "now, whatever was wanted before", EV_NOW, true, 0, 7360, RANK_OVERRIDE },
		{ "now, no car", EV_NOW, false, NAN, 0, RANK_SELF_USE },
		{ "off", EV_OFF, true, 5000, 0, RANK_OVERRIDE },
		{ "off, no car", EV_OFF, false, NAN, 0, RANK_OVERRIDE },
		{ "solar without sun", EV_SOLAR, true, NAN, 0, RANK_SELF_USE },
		{ "cheap without plan and sun", EV_CHEAP, true, NAN, 0, RANK_PLAN },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		int c;

		fresh();
		c = desk_charger(&s, 0);
		s.dev[c].ev_mode = ROWS[r].mode;
		s.dev[c].ev_energy_wh = ROWS[r].energy;
		value_set(&s.dev[c].state.f[F_CHARGER_CONNECTED], ROWS[r].connected, s.now_ms, Q_GOOD);
		o = step(c);
		assert_row(ROWS[r].name, o && o->order.kind == ORDER_POWER);
		assert_row_near(ROWS[r].name, o->order.w, ROWS[r].w);
		assert_row(ROWS[r].name, o->rank == ROWS[r].rank || (o->rank == RANK_NONE && ROWS[r].rank == RANK_SELF_USE));
	}
}

static void sun_left_over(void **state)
{
	static const struct {
		const char *name;
		double grid, car, battery, battery_may;
		enum order_kind battery_order;
		bool battery_first;
		double w;
	} ROWS[] = {
		{ "4 kW to the grid, battery first takes 3", -4000, 0, 0, 3000, ORDER_BALANCE, true, 0 },
		{ "5 kW to the grid, battery first takes 3", -5000, 0, 0, 3000, ORDER_BALANCE, true, 2000 },
		{ "car first", -4000, 0, 0, 3000, ORDER_BALANCE, false, 4000 },
		{ "the battery's charge is sun too", 0, 0, 3000, 3000, ORDER_BALANCE, false, 3000 },
		{ "the car's own charge is sun too", 0, 2000, 0, 0, ORDER_BALANCE, true, 2000 },
		{ "the battery's discharge is no sun", 0, 0, -3000, 3000, ORDER_BALANCE, false, 0 },
		{ "an event's discharge is no sun", -3000, 0, -3000, 0, ORDER_POWER, false, 0 },
		{ "an event's charge comes first", -2000, 0, 3000, 0, ORDER_POWER, false, 2000 },
		{ "just below 6 A", -1379, 0, 0, 0, ORDER_BALANCE, true, 0 },
		{ "6 A", -1380, 0, 0, 0, ORDER_BALANCE, true, 1380 },
		{ "more than it takes", -20000, 0, 0, 0, ORDER_BALANCE, true, 7360 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, c;

		fresh();
		b = desk_battery(&s, 50);
		c = desk_charger(&s, ROWS[r].car);
		desk_grid(&s, ROWS[r].grid);
		desk_power(&s, b, ROWS[r].battery);
		s.dev[b].ordered.kind = ROWS[r].battery_order;
		s.dev[b].ordered.w = ROWS[r].battery;
		s.dev[b].ordered.max_w = ROWS[r].battery_may;
		s.dev[c].ev_mode = EV_SOLAR;
		s.site.surplus_battery_first = ROWS[r].battery_first;
		assert_row_near(ROWS[r].name, step(c)->order.w, ROWS[r].w);
	}
}

static void a_cloud_is_ridden_out_for_a_minute(void **state)
{
	int c;

	(void)state;
	fresh();
	c = desk_charger(&s, 3000);
	s.dev[c].ev_mode = EV_SOLAR;
	s.dev[c].ordered = order_power(3000);
	desk_grid(&s, 2500); /* 500 W of sun */
	assert_near(step(c)->order.w, 1380);
	desk_wait(&s, 59000);
	desk_grid(&s, 2500);
	desk_power(&s, c, 3000);
	assert_near(step(c)->order.w, 1380);
	desk_wait(&s, 1000);
	assert_near(step(c)->order.w, 0);
	desk_grid(&s, 0);
	assert_near(step(c)->order.w, 3000);
	desk_grid(&s, 2500);
	assert_near(step(c)->order.w, 1380);
}

/* A charger read every ten seconds: after an order the old reading says nothing of it. */
static void an_old_reading_is_not_the_car(void **state)
{
	int c;

	(void)state;
	fresh();
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	desk_grid(&s, -3000);
	assert_near(step(c)->order.w, 3000);
	s.dev[c].ordered = order_power(3000);
	s.dev[c].ordered_at_ms = s.now_ms + 10;
	desk_wait(&s, 500);
	desk_grid(&s, -1200); /* on its way */
	assert_near(step(c)->order.w, 3000);
	desk_wait(&s, 1500);
	desk_grid(&s, 0); /* the reading still says 0 */
	assert_near(step(c)->order.w, 3000);
}

static void a_full_battery_claims_no_sun(void **state)
{
	int b, c;

	(void)state;
	fresh();
	b = desk_battery(&s, 98);
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	s.dev[b].ordered = order_balance(0, -5000, 5000);
	for (int t = 0; t <= 21; t++) {
		desk_grid(&s, -3000);
		desk_power(&s, b, 500);
		desk_power(&s, c, 0);
		assert_near(step(c)->order.w, t < 20 ? 0 : 2950);
		desk_wait(&s, 1000);
	}
}

static double sun_for_car(int b, int c, double grid_w, double battery_w, double car_w, int seconds)
{
	double w = 0;

	for (int t = 0; t < seconds; t++) {
		desk_grid(&s, grid_w);
		desk_power(&s, b, battery_w);
		desk_power(&s, c, car_w);
		w = step(c)->order.w;
		desk_wait(&s, 1000);
	}
	return w;
}

/* What it takes is what it can take, until it takes more, or gives: then all that it is allowed. */
static void what_a_battery_can_take_is_remembered(void **state)
{
	int b, c;

	(void)state;
	fresh();
	b = desk_battery(&s, 98);
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	s.dev[b].ordered = order_balance(0, -5000, 5000);
	assert_near(sun_for_car(b, c, 0, 3000, 0, 30), 0);        /* all of the sun, and it could take more: nothing is learnt */
	assert_near(sun_for_car(b, c, -5000, 3000, 0, 1), 3000);
	assert_near(sun_for_car(b, c, -3000, 500, 0, 22), 2950);  /* that it leaves sun to the grid */
	assert_near(sun_for_car(b, c, 0, 500, 3000, 5), 2950);    /* also when the car has taken that */
	assert_near(sun_for_car(b, c, 0, 1500, 3000, 1), 2950);   /* it takes more: believed at once */
	assert_near(sun_for_car(b, c, 0, 500, 3000, 1), 1950);
	assert_near(sun_for_car(b, c, -149, 500, 3000, 25), 2099);
	assert_near(sun_for_car(b, c, 0, -100, 4000, 1), 2350);
	assert_near(sun_for_car(b, c, 0, -101, 7000, 1), 1899);   /* it gave: empty enough for all */
}

/* Under orders a battery takes what it was told, whether it is read to do so yet or not. */
static void a_told_charge_is_claimed(void **state)
{
	int b, c;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	s.dev[b].ordered = order_power(3000);
	desk_grid(&s, -5000);
	assert_near(step(c)->order.w, 2000);
	s.dev[b].ordered = order_power(0);
	desk_power(&s, b, 3000);
	desk_grid(&s, -2000);
	assert_near(step(c)->order.w, 2000);
}

static void meter_lost_is_no_sun(void **state)
{
	int c;

	(void)state;
	fresh();
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	desk_grid(&s, -5000);
	desk_wait(&s, 10001);
	assert_near(step(c)->order.w, 0);
}

static void cheap_follows_the_plan_or_the_deadline(void **state)
{
	static const struct { const char *name; bool plan; double planned, energy; int ready_h; bool trusted; double w; } ROWS[] = {
		{ "the plan charges", true, 5000, NAN, 0, true, 5000 },
		{ "the plan waits", true, 0, 20000, 1, true, 0 },
		{ "more than it can", true, 50000, NAN, 0, true, 7360 },
		{ "the least it can, planned at a lower voltage", true, 1343, NAN, 0, true, 1380 },
		{ "less than it can at any voltage", true, 1241, NAN, 0, true, 1241 },
		{ "without trust no plan", true, 5000, NAN, 0, false, 0 },
		{ "deadline far", false, 0, 7360, 3, true, 0 },
		{ "deadline near", false, 0, 7360, 1, true, 7360 },
		{ "deadline over", false, 0, 7360, -1, true, 0 },
		{ "no deadline", false, 0, 7360, 0, true, 0 },
		{ "deadline without trust", false, 0, 7360, 1, false, 0 },
		{ "deadline but energy not said", false, 0, NAN, 1, true, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int c;

		fresh();
		c = desk_charger(&s, 0);
		s.dev[c].ev_mode = EV_CHEAP;
		s.dev[c].guide.valid = ROWS[r].plan;
		s.dev[c].guide.planned_w = ROWS[r].planned;
		s.dev[c].ev_energy_wh = ROWS[r].energy;
		s.dev[c].ev_ready_by_utc_ms = ROWS[r].ready_h ? s.utc_ms + ROWS[r].ready_h * 3600000LL : 0;
		s.clock_trusted = ROWS[r].trusted;
		assert_row_near(ROWS[r].name, step(c)->order.w, ROWS[r].w);
	}
}

static int charger3(void)
{
	int c = desk_charger(&s, 0);

	s.dev[c].phases = 0;
	s.dev[c].state.caps.switches_phases = true;
	s.dev[c].state.caps.min_w = 4140;
	s.dev[c].state.caps.charge_max_w = 11040;
	s.dev[c].ev_mode = EV_SOLAR;
	value_set(&s.dev[c].state.f[F_CHARGER_PHASES], 3, s.now_ms, Q_GOOD);
	return c;
}

static const struct order_wish *later(int car, int seconds, double grid_w)
{
	const struct order_wish *o = NULL;

	for (int t = 0; t < seconds; t++) {
		desk_wait(&s, 1000);
		desk_grid(&s, grid_w);
		desk_power(&s, car, 0);
		o = step(car);
		if (s.dev[car].ordered.kind != ORDER_POWER || s.dev[car].ordered.w != o->order.w)
			s.dev[car].ordered_at_ms = s.now_ms;
		s.dev[car].ordered = o->order;
	}
	return o;
}

/* A weak sun calls for one phase; `now` for three again. The pause ranks as the mode does. */
static void phases_are_part_of_it(void **state)
{
	const struct order_wish *o;
	int c;

	(void)state;
	fresh();
	c = charger3();
	o = later(c, 301, -2500);
	assert_true(o->order.w == 0 && o->order.phases == 1 && o->code == REASON_PHASE_DWELL && o->rank == RANK_SELF_USE);
	value_set(&s.dev[c].state.f[F_CHARGER_PHASES], 1, s.now_ms, Q_GOOD);
	s.dev[c].state.caps.min_w = 1380;
	s.dev[c].state.caps.charge_max_w = 3680;
	o = later(c, 60, -2500);
	assert_true(o->order.w == 0 && o->order.phases == 0 && o->code == REASON_PHASE_DWELL);
	o = later(c, 1, -2500);
	assert_true(o->code == REASON_CAR_SOLAR && o->order.phases == 0);
	assert_near(o->order.w, 2500);
	s.dev[c].ev_mode = EV_NOW;
	o = later(c, 1, -2500);
	assert_true(o->code == REASON_CAR_NOW && o->rank == RANK_OVERRIDE);
	assert_near(o->order.w, 3680);
	o = later(c, 300, -2500);
	assert_true(o->order.w == 0 && o->order.phases == 3 && o->code == REASON_PHASE_DWELL && o->rank == RANK_OVERRIDE);
}

/* Two that live of the sun: who is first, and that one which charges anyway takes its part away before. */
static void the_sun_is_shared(void **state)
{
	static const struct { const char *name; double grid_w; int priority_b; enum ev_mode mode_a; double a, b; } ROWS[] = {
		{ "level", -5000, 0, EV_SOLAR, 2500, 2500 },
		{ "the larger priority first", -5000, 3, EV_SOLAR, 0, 5000 },
		{ "what it leaves", -9000, 3, EV_SOLAR, 1640, 7360 },
		{ "room for one", -2000, 0, EV_SOLAR, 2000, 0 },
		{ "the other charges anyway", -10000, 0, EV_NOW, 7360, 2640 },
		{ "and leaves too little", -8000, 0, EV_NOW, 7360, 0 },
		{ "without a plan", -5000, 0, EV_CHEAP, 2500, 2500 },
		{ "the other rests", -5000, 0, EV_OFF, 0, 5000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct wishes *w;
		int a, b;

		fresh();
		a = desk_charger(&s, 0);
		b = desk_charger(&s, 0);
		s.dev[a].ev_mode = ROWS[r].mode_a;
		s.dev[b].ev_mode = EV_SOLAR;
		s.dev[b].priority = ROWS[r].priority_b;
		s.dev[a].ordered_at_ms = s.dev[b].ordered_at_ms = s.now_ms;
		desk_grid(&s, ROWS[r].grid_w);
		w = desk_step(&POLICY_EV, &s, memory);
		assert_row_near(ROWS[r].name, desk_order(w, a, RANK_NONE)->order.w, ROWS[r].a);
		assert_row_near(ROWS[r].name, desk_order(w, b, RANK_NONE)->order.w, ROWS[r].b);
	}
}

/* Who cannot be asked, who cannot be read, and a plan whose slot is over. */
static void who_is_not_there(void **state)
{
	int c, off, b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	c = desk_charger(&s, 0);
	off = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	s.dev[off].state.availability = AVAIL_OFFLINE;
	s.dev[off].ev_mode = EV_SOLAR;
	s.dev[b].ordered = order_balance(0, -5000, 5000);
	s.dev[b].state.ac_power_w.q = Q_ABSENT; /* claims nothing that anybody could check */
	desk_grid(&s, -3000);
	assert_null(desk_order(desk_step(&POLICY_EV, &s, memory), off, RANK_NONE));
	assert_near(step(c)->order.w, 3000);
	s.dev[b].state.availability = AVAIL_OFFLINE;
	desk_power(&s, b, 0);
	assert_near(step(c)->order.w, 3000);
	s.dev[c].ev_mode = EV_CHEAP;
	s.dev[c].guide.valid = true;
	s.dev[c].guide.planned_w = 5000;
	s.dev[c].guide.until_utc_ms = s.utc_ms + 1;
	assert_near(step(c)->order.w, 5000);
	s.dev[c].guide.until_utc_ms = s.utc_ms;
	assert_near(step(c)->order.w, 3000);
	s.dev[c].guide.until_utc_ms = 0;
	s.dev[c].guide.planned_w = (double)NAN;
	assert_near(step(c)->order.w, 3000);
	s.dev[c].state.caps.charge_max_w = 0; /* nobody knows what it can: no deadline can press */
	s.dev[c].ev_ready_by_utc_ms = s.utc_ms + 3600000;
	s.dev[c].ev_energy_wh = 5000;
	assert_int_equal(step(c)->code, REASON_CAR_SOLAR);
}

/* A full car that may charge keeps no sun from the other, once it was left at that for half a minute. */
static void what_is_not_taken_is_not_claimed(void **state)
{
	static const struct { const char *name; double takes_w; bool known; int for_ms; double b; } ROWS[] = {
		{ "just told", 0, true, 29999, 0 }, { "takes nothing", 0, true, 30000, 5000 }, { "takes some", 2000, true, 30000, 5000 },
		{ "nobody knows", 0, false, 30000, 0 }, { "more than it was given", 9000, true, 30000, 6640 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int a, b;

		fresh();
		a = desk_charger(&s, ROWS[r].takes_w);
		b = desk_charger(&s, 0);
		s.dev[a].state.ac_power_w.q = ROWS[r].known ? Q_GOOD : Q_ABSENT;
		s.dev[a].ordered = order_power(7360);
		s.dev[a].ordered_at_ms = s.now_ms - ROWS[r].for_ms;
		s.dev[b].ev_mode = EV_SOLAR;
		desk_grid(&s, -5000);
		assert_row_near(ROWS[r].name, step(b)->order.w, ROWS[r].b);
	}
}

/* After a quarter of an hour the other one, without a minute of grace. */
static void the_sun_is_taken_in_turns(void **state)
{
	const struct wishes *w;
	int a, b;

	(void)state;
	fresh();
	a = desk_charger(&s, 0);
	b = desk_charger(&s, 0);
	s.dev[a].ev_mode = s.dev[b].ev_mode = EV_SOLAR;
	for (int t = 0; t <= 903; t++) {
		desk_wait(&s, 1000);
		desk_power(&s, a, s.dev[a].ordered.w);
		desk_power(&s, b, s.dev[b].ordered.w);
		desk_grid(&s, s.dev[a].ordered.w + s.dev[b].ordered.w - 2000);
		w = desk_step(&POLICY_EV, &s, memory);
		for (int i = a; i <= b; i++) {
			const struct order o = desk_order(w, i, RANK_NONE)->order;

			if (o.w != s.dev[i].ordered.w || o.kind != s.dev[i].ordered.kind)
				s.dev[i].ordered_at_ms = s.now_ms;
			s.dev[i].ordered = o;
		}
		assert_near(s.dev[a].ordered.w, t < 901 ? 2000 : 0);
		assert_near(s.dev[b].ordered.w, t < 901 ? 0 : 2000);
	}
}

/* The sun behind a bound is believed as it was before. */
static void a_bound_hides_sun(void **state)
{
	static const struct { const char *name; double made_w, order_w; int ago_ms; bool known; double w; } ROWS[] = {
		{ "held back", -1000, -1000, 60000, true, 5000 },
		{ "held back, nearly", -851, -1000, 60000, true, 5000 },
		{ "the sun itself is weak", -849, -1000, 60000, true, 0 },
		{ "just told, nobody can say", -849, -1000, 2999, true, 5000 },
		{ "its time is over", -849, -1000, 3000, true, 0 },
		{ "not read", -1000, -1000, 60000, false, 0 },
		{ "more than ever", -9000, -9000, 60000, true, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *pv;
		int c, p;

		fresh();
		c = desk_charger(&s, 0);
		s.dev[c].ev_mode = EV_SOLAR;
		p = desk_battery(&s, 50);
		pv = &s.dev[p];
		memset(&pv->state.f, 0, sizeof(pv->state.f));
		pv->roles = ROLE_PV;
		pv->state.caps.can_curtail = true;
		pv->ordered = order_release();
		desk_power(&s, p, -6000);
		desk_grid(&s, 0);
		assert_row_near(ROWS[r].name, step(c)->order.w, 0);
		desk_wait(&s, 100000);
		pv->ordered = order_power(ROWS[r].order_w);
		pv->ordered_at_ms = s.now_ms - ROWS[r].ago_ms;
		desk_power(&s, p, ROWS[r].made_w);
		pv->state.ac_power_w.q = ROWS[r].known ? Q_GOOD : Q_ABSENT;
		desk_power(&s, c, 0);
		desk_grid(&s, 0);
		if (fabs(step(c)->order.w - ROWS[r].w) > 160)
			fail_msg("row '%s': %.0f W", ROWS[r].name, step(c)->order.w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(sun_left_over),
		cmocka_unit_test(a_cloud_is_ridden_out_for_a_minute),
		cmocka_unit_test(an_old_reading_is_not_the_car),
		cmocka_unit_test(a_full_battery_claims_no_sun),
		cmocka_unit_test(what_a_battery_can_take_is_remembered),
		cmocka_unit_test(a_told_charge_is_claimed),
		cmocka_unit_test(meter_lost_is_no_sun),
		cmocka_unit_test(cheap_follows_the_plan_or_the_deadline),
		cmocka_unit_test(phases_are_part_of_it),
		cmocka_unit_test(the_sun_is_shared),
		cmocka_unit_test(who_is_not_there),
		cmocka_unit_test(what_is_not_taken_is_not_claimed),
		cmocka_unit_test(the_sun_is_taken_in_turns),
		cmocka_unit_test(a_bound_hides_sun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
