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
		{ "without trust no plan", true, 5000, NAN, 0, false, 0 },
		{ "deadline far", false, 0, 7360, 3, true, 0 },
		{ "deadline near", false, 0, 7360, 1, true, 7360 },
		{ "deadline over", false, 0, 7360, -1, true, 0 },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(sun_left_over),
		cmocka_unit_test(a_cloud_is_ridden_out_for_a_minute),
		cmocka_unit_test(an_old_reading_is_not_the_car),
		cmocka_unit_test(a_full_battery_claims_no_sun),
		cmocka_unit_test(meter_lost_is_no_sun),
		cmocka_unit_test(cheap_follows_the_plan_or_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
