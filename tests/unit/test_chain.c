/* The chain as a whole: precedence, clamping, who balances how, lost meter, patience of cars, reasons. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;
static struct chain c;
static struct decisions d;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
}

static void override_set(int i, enum override_mode mode, double w)
{
	s.dev[i].override.mode = mode;
	s.dev[i].override.power_w = w;
	s.dev[i].override.until_utc_ms = s.utc_ms + 3600000;
}

static void guide_set(int i)
{
	s.dev[i].guide = (struct plan_guide){ .valid = true, .charge_eff = 1, .discharge_eff = 1, .n_segments = 1 };
	s.dev[i].guide.upto_wh[0] = 10000;
	s.dev[i].guide.value_per_kwh[0] = 1;
	s.import_price = 0.1;
	s.export_price = 0.05;
}

static void the_first_rank_wins_and_is_clamped(void **state)
{
	static const struct {
		const char *name;
		bool pause, event, override, plan;
		double soc;
		enum rank rank;
		enum order_kind kind;
		double w;
		uint32_t limited_by;
	} ROWS[] = {
		{ "all: pause", true, true, true, true, 50, RANK_GUARD, ORDER_RELEASE, 0, 0 },
		{ "event before override", false, true, true, true, 50, RANK_EVENT, ORDER_POWER, -3000, 0 },
		{ "an event at the floor is clamped, not skipped", false, true, true, true, 20, RANK_EVENT, ORDER_POWER, 0, 1u << RANK_RESERVE },
		{ "and at the hardware minimum", false, true, true, true, 5, RANK_EVENT, ORDER_POWER, 0, 1u << RANK_RESERVE | 1u << RANK_GUARD },
		{ "override before plan", false, false, true, true, 50, RANK_OVERRIDE, ORDER_POWER, 1000, 0 },
		{ "plan before self-use", false, false, false, true, 50, RANK_PLAN, ORDER_POWER, 5000, 0 },
		{ "plan, full", false, false, false, true, 100, RANK_PLAN, ORDER_POWER, 0, 1u << RANK_GUARD },
		{ "self-use", false, false, false, false, 50, RANK_SELF_USE, ORDER_BALANCE, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, ROWS[r].soc);
		s.paused = ROWS[r].pause;
		if (ROWS[r].event)
			desk_command(&s, b, MODE_DISCHARGE, POWER_SETPOINT, 3000);
		if (ROWS[r].override)
			override_set(b, OVERRIDE_CHARGE, 1000);
		if (ROWS[r].plan)
			guide_set(b);
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, d.d[b].rank == ROWS[r].rank && d.mode == ROWS[r].rank);
		assert_row(ROWS[r].name, d.d[b].order.kind == ROWS[r].kind);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].w);
		assert_row(ROWS[r].name, (d.d[b].limited_by & ROWS[r].limited_by) == d.d[b].limited_by && !d.d[b].limited_by == !ROWS[r].limited_by);
		assert_row(ROWS[r].name, d.d[b].why[0] && d.why[0] && d.d[0].order.kind == ORDER_NONE);
		assert_row(ROWS[r].name, c.bad_wishes == 0);
	}
}

static void reasons_have_numbers(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 19.9);
	desk_command(&s, b, MODE_DISCHARGE, POWER_SETPOINT, 3000);
	desk_chain(&c, &s, &d);
	assert_string_equal(d.d[b].why, "holding: SoC 19.9 % is at the floor 20 % set by the owner; asked: event 7d2a0000: DISCHARGE SETPOINT 3000 W, until 11:59");
	assert_near(d.d[b].wanted.w, -3000);
	assert_near(d.floor_pct, 20);
	assert_string_equal(d.floor_source, "user");
	s.dev[b].state.availability = AVAIL_OFFLINE;
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_NONE);
	assert_string_equal(d.d[b].why, "no order: the device is offline");
	assert_int_equal(d.mode, RANK_GUARD);
	assert_string_equal(d.why, "no device answers");
	s.dev[b].state.availability = AVAIL_ONLINE;
	s.dev[b].state.caps.can_power = s.dev[b].state.caps.can_hold = s.dev[b].state.caps.native_balance = false;
	desk_chain(&c, &s, &d);
	assert_int_equal(d.mode, RANK_GUARD);
	assert_string_equal(d.why, "no device that answers takes orders");
	fresh();
	desk_chain(&c, &s, &d);
	assert_int_equal(d.mode, RANK_GUARD);
	assert_string_equal(d.why, "there is no device to steer");
}

/* One battery in self-use; what its abilities and its neighbours make of it. */
static void who_balances(void **state)
{
	enum { ALONE, CAR_CHARGES, CAR_CHARGES_ALLOWED, EVENT_NEXT_DOOR, TWO };
	static const struct {
		const char *name;
		bool native, power, guarded;
		int around;
		enum order_kind kind;
		bool by_itself;
	} ROWS[] = {
		{ "by itself where it can", true, true, true, ALONE, ORDER_BALANCE, true },
		{ "else our loop", false, true, true, ALONE, ORDER_BALANCE, false },
		{ "a car charges: the device would feed it", true, true, true, CAR_CHARGES, ORDER_BALANCE, false },
		{ "it may", true, true, true, CAR_CHARGES_ALLOWED, ORDER_BALANCE, true },
		{ "next to an event's discharge: it would swallow it", true, true, true, EVENT_NEXT_DOOR, ORDER_BALANCE, false },
		{ "two on one meter would fight", true, true, true, TWO, ORDER_BALANCE, false },
		{ "nobody guards it: by itself", true, true, false, ALONE, ORDER_BALANCE, true },
		{ "nobody guards it and it cannot: its own control", false, true, false, ALONE, ORDER_RELEASE, false },
		{ "nobody guards it next to an event: 0 W", true, true, false, EVENT_NEXT_DOOR, ORDER_POWER, false },
		{ "takes no power next to an event: 0 W", true, false, true, EVENT_NEXT_DOOR, ORDER_POWER, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, other;

		fresh();
		b = desk_battery(&s, 50);
		s.dev[b].state.caps.native_balance = ROWS[r].native;
		s.dev[b].state.caps.can_power = ROWS[r].power;
		s.dev[b].state.caps.guarded_by = ROWS[r].guarded ? GUARDED_DEVICE : GUARDED_NONE;
		if (ROWS[r].around == CAR_CHARGES || ROWS[r].around == CAR_CHARGES_ALLOWED) {
			desk_charger(&s, 7000);
			desk_grid(&s, 7000);
		}
		s.site.battery_to_ev = ROWS[r].around == CAR_CHARGES_ALLOWED;
		if (ROWS[r].around == EVENT_NEXT_DOOR || ROWS[r].around == TWO) {
			other = desk_battery(&s, 50);
			if (ROWS[r].around == EVENT_NEXT_DOOR)
				desk_command(&s, other, MODE_DISCHARGE, POWER_SETPOINT, 3000);
		}
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, d.d[b].order.kind == ROWS[r].kind && d.d[b].order.native == ROWS[r].by_itself);
		assert_row(ROWS[r].name, d.d[b].order.w == 0);
	}
}

/* It is left to itself, does not keep the import limit for five seconds (or does nothing about it for as long as it needs), and our
 * loop takes over for a minute. */
static void trust_in_a_device_that_balances_by_itself_ends(void **state)
{
	static const struct {
		double moves_w; /* a second */
		int last, back; /* it is left to itself */
	} ROWS[] = { { 100, 6, 66 }, { 10.1, 6, 66 }, { 10, 2, 63 }, { 0, 2, 63 }, { -100, 2, 63 } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, 50);
		s.dev[b].state.caps.native_balance = true;
		s.site.import_limit_w = 3000;
		for (int t = 0; t <= 70; t++) {
			desk_wait(&s, 1000);
			desk_soc(&s, b, 50);
			desk_power(&s, b, t < 8 ? -ROWS[r].moves_w * t : -4000);
			desk_grid(&s, t < 8 ? 4000 : 0);
			desk_chain(&c, &s, &d);
			assert_int_equal(d.d[b].order.native, t <= ROWS[r].last || t >= ROWS[r].back);
		}
	}
}

static void unguarded_is_never_forced(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].state.caps.guarded_by = GUARDED_NONE;
	s.dev[b].state.caps.native_balance = true;
	override_set(b, OVERRIDE_CHARGE, 3000);
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_BALANCE);
	assert_true(d.d[b].order.native);
	assert_near(d.d[b].order.min_w, 0);
	assert_near(d.d[b].order.max_w, 3000);
	override_set(b, OVERRIDE_DISCHARGE, 3000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.min_w, -3000);
	assert_near(d.d[b].order.max_w, 0);
	override_set(b, OVERRIDE_HOLD, 0);
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_POWER);
	s.dev[b].allow_unguarded = true;
	override_set(b, OVERRIDE_CHARGE, 3000);
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_POWER);
	assert_near(d.d[b].order.w, 3000);
}

static void without_a_meter(void **state)
{
	enum { SELF, PLAN, EVENT_POWER, EVENT_FOLLOW, CHARGE };
	static const struct { const char *name; int what; bool native; double soc; enum order_kind kind; bool by_itself; double lo, hi; } ROWS[] = {
		{ "self-use by itself, out only", SELF, true, 50, ORDER_BALANCE, true, -5000, 0 },
		{ "self-use else its own control", SELF, false, 50, ORDER_RELEASE, false, 0, 0 },
		{ "so is a plan that covers the load", PLAN, false, 50, ORDER_RELEASE, false, 0, 0 },
		{ "but not at the floor", SELF, false, 20, ORDER_POWER, false, 0, 0 },
		{ "by itself at the floor: nothing is left", SELF, true, 20, ORDER_POWER, false, 0, 0 },
		{ "an event's setpoint could export", EVENT_POWER, true, 50, ORDER_POWER, false, 0, 0 },
		{ "an event following load, by itself", EVENT_FOLLOW, true, 50, ORDER_BALANCE, true, -5000, 0 },
		{ "an event following load, by our loop", EVENT_FOLLOW, false, 50, ORDER_POWER, false, 0, 0 },
		{ "the owner's charge", CHARGE, true, 50, ORDER_POWER, false, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		b = desk_battery(&s, ROWS[r].soc);
		s.dev[b].state.caps.native_balance = ROWS[r].native;
		if (ROWS[r].what == PLAN) {
			s.import_price = 0.30;
			s.export_price = 0.05;
			s.dev[b].guide = (struct plan_guide){ .valid = true, .charge_eff = 0.9, .discharge_eff = 0.9, .n_segments = 1, .upto_wh = { 10000 }, .value_per_kwh = { 0.2F } };
		}
		if (ROWS[r].what == EVENT_POWER)
			desk_command(&s, b, MODE_DISCHARGE, POWER_SETPOINT, 3000);
		if (ROWS[r].what == EVENT_FOLLOW)
			desk_command(&s, b, MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0);
		if (ROWS[r].what == CHARGE)
			override_set(b, OVERRIDE_CHARGE, 3000);
		s.grid_w.q = Q_ABSENT;
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, d.d[b].order.kind == ROWS[r].kind && d.d[b].order.native == ROWS[r].by_itself);
		assert_row_near(ROWS[r].name, d.d[b].order.w, 0);
		assert_row_near(ROWS[r].name, d.d[b].order.min_w, ROWS[r].lo);
		assert_row_near(ROWS[r].name, d.d[b].order.max_w, ROWS[r].hi);
	}
}

static void the_loop_steps_on_samples_and_waits_for_the_device(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].state.caps.settle_ms = 2000;
	desk_grid(&s, 1000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, -1000);
	for (int t = 0; t < 2; t++) { /* the meter does not see it yet */
		desk_wait(&s, 1000);
		desk_grid(&s, 1000);
		desk_chain(&c, &s, &d);
		assert_near(d.d[b].order.w, -1000);
	}
	desk_wait(&s, 1000);
	desk_grid(&s, 500); /* the load fell by half meanwhile */
	desk_power(&s, b, -1000);
	desk_soc(&s, b, 50);
	s.grid_w.v = -500;
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, -500);
	desk_wait(&s, 9000); /* a long time, but no new sample */
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, -500);
	desk_grid(&s, 10); /* inside the dead band */
	desk_power(&s, b, -500);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, -500);
}

static void a_balancing_battery_leaves_others_alone(void **state)
{
	static const struct { const char *name; double other, grid, car; bool to_ev; double w; } ROWS[] = {
		{ "an event's 3 kW go out, it covers the load", -3000, -2000, 0, false, -1000 },
		{ "it does not charge what another exports", -3000, -3000, 0, false, 0 },
		{ "it does not feed another's charging", 3000, 4000, 0, false, -1000 },
		{ "it does not feed the car", 0, 8000, 7000, false, -1000 },
		{ "unless it may", 0, 8000, 7000, true, -5000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, other, car;

		fresh();
		b = desk_battery(&s, 50);
		other = desk_battery(&s, 50);
		car = desk_charger(&s, ROWS[r].car);
		desk_power(&s, other, ROWS[r].other);
		override_set(other, ROWS[r].other < 0 ? OVERRIDE_DISCHARGE : OVERRIDE_CHARGE, fabs(ROWS[r].other));
		s.dev[other].ordered = order_power(ROWS[r].other);
		s.dev[car].ordered = order_power(ROWS[r].car);
		s.dev[car].ev_mode = ROWS[r].car > 0 ? EV_NOW : EV_OFF;
		s.dev[car].state.caps.charge_max_w = 7000;
		s.site.battery_to_ev = ROWS[r].to_ev;
		desk_grid(&s, ROWS[r].grid);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].w);
	}
}

static void several_share_by_what_they_can(void **state)
{
	int a, b;

	(void)state;
	fresh();
	a = desk_battery(&s, 50);
	b = desk_battery(&s, 50);
	s.dev[b].state.caps.discharge_max_w = 2500;
	desk_grid(&s, 3000); /* as much energy in both: as much from each */
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, -1500);
	assert_near(d.d[b].order.w, -1500);

	fresh(); /* the event's battery follows the load first */
	a = desk_battery(&s, 50);
	b = desk_battery(&s, 50);
	desk_command(&s, b, MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0);
	desk_grid(&s, 6000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[b].order.w, -5000);
	assert_near(d.d[a].order.w, -1000);
}

static void snapping_is_toward_zero(void **state)
{
	static const struct { const char *name; double min, step, want, w; } ROWS[] = {
		{ "below the minimum", 500, 0, 499, 0 },
		{ "half a watt below the minimum", 500, 0, 499.6, 0 },
		{ "at the minimum", 500, 0, 500, 500 },
		{ "exactly a step", 250, 100, 1250, 1250 },
		{ "between steps, in", 0, 100, 1299, 1200 },
		{ "steps from the minimum", 250, 100, 1299, 1250 },
		{ "steps, at the minimum", 250, 100, 250, 250 },
		{ "steps, below the minimum", 250, 100, 249, 0 },
		{ "continuous", 0, 0, 1299, 1299 },
		{ "one watt is an order", 0, 0, 1, 1 },
		{ "less is none", 0, 0, 0.9, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++)
		for (int sign = -1; sign <= 1; sign += 2) {
			int b;

			fresh();
			b = desk_battery(&s, 50);
			s.dev[b].state.caps.min_w = ROWS[r].min;
			s.dev[b].state.caps.step_w = ROWS[r].step;
			override_set(b, sign > 0 ? OVERRIDE_CHARGE : OVERRIDE_DISCHARGE, ROWS[r].want);
			desk_chain(&c, &s, &d);
			assert_row_near(ROWS[r].name, d.d[b].order.w, sign * ROWS[r].w);
		}
}

static void sun(int car, double free_w, double drawn_w)
{
	desk_wait(&s, 1000);
	desk_power(&s, car, drawn_w);
	desk_grid(&s, drawn_w - free_w);
	desk_chain(&c, &s, &d);
}

static void cars_are_given_time(void **state)
{
	int car;

	(void)state;
	fresh();
	car = desk_charger(&s, 0);
	s.dev[car].ev_mode = EV_SOLAR;
	sun(car, 2000, 0);
	assert_near(d.d[car].order.w, 1380); /* a charge starts at the minimum */
	assert_int_equal(d.d[car].code, REASON_CAR_RAMP);
	for (int t = 1; t < 5; t++) {
		sun(car, 3000, 1380);
		assert_near(d.d[car].order.w, 1380);
		assert_int_equal(d.d[car].code, REASON_CAR_DWELL);
	}
	sun(car, 3000, 1380); /* five seconds after the last change: 4 A more */
	assert_near(d.d[car].order.w, 2300);
	assert_int_equal(d.d[car].code, REASON_CAR_RAMP);
	for (int t = 1; t < 5; t++)
		sun(car, 3000, 2300);
	assert_near(d.d[car].order.w, 2300);
	sun(car, 3000, 2300);
	assert_near(d.d[car].order.w, 3000);
	assert_int_equal(d.d[car].code, REASON_CAR_SOLAR);
	for (int t = 1; t < 5; t++) {
		sun(car, 1500, 3000);
		assert_near(d.d[car].order.w, 3000);
		assert_true(t < 2 || d.d[car].code == REASON_CAR_DWELL); /* at first its way up is not over */
	}
	sun(car, 1500, 3000);
	assert_near(d.d[car].order.w, 1500);
	sun(car, 1500, 1500);
	s.external.import_w = 0; /* a limit passes at once */
	desk_wait(&s, 1000);
	desk_grid(&s, 3000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[car].order.w, 0);
	assert_int_equal(d.d[car].code, REASON_OUTSIDE_IMPORT);
	s.external.import_w = NAN;
	for (int t = 1; t < 60; t++) {
		sun(car, 5000, 0);
		assert_near(d.d[car].order.w, 0);
		assert_int_equal(d.d[car].code, REASON_OUTSIDE_IMPORT); /* that is what paused it */
		assert_int_equal(d.d[car].patience, REASON_CAR_DWELL);
	}
	sun(car, 5000, 0); /* a minute after the pause */
	assert_near(d.d[car].order.w, 1380);
	s.dev[car].ev_mode = EV_OFF; /* the owner's word at once */
	sun(car, 5000, 5000);
	assert_near(d.d[car].order.w, 0);
}

static void same_snapshot_and_memory_same_decision(void **state)
{
	static struct chain twin;
	static struct decisions again;
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	desk_charger(&s, 3000);
	desk_command(&s, b, MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0);
	desk_grid(&s, 4321);
	chain_step(&c, &s, &d);
	memcpy(&twin, &c, sizeof(twin));
	desk_wait(&s, 1000);
	desk_grid(&s, 1234);
	memset(&d, 0, sizeof(d));
	memset(&again, 0, sizeof(again));
	chain_step(&c, &s, &d);
	chain_step(&twin, &s, &again);
	assert_memory_equal(&d, &again, sizeof(d));
}

/* Another device in a place of one that left: nothing of the old one is known, all of the others. */
static void a_place_is_forgotten(void **state)
{
	static const struct chain_memory NOTHING;
	int first, second;

	(void)state;
	fresh();
	first = desk_battery(&s, 50);
	second = desk_battery(&s, 50);
	desk_power(&s, first, -700);
	desk_power(&s, second, -700);
	desk_chain(&c, &s, &d);
	assert_true(c.device[first].reading_w == -700 && c.device[second].reading_w == -700);
	chain_forget(&c, first);
	assert_memory_equal(&c.device[first], &NOTHING, sizeof(NOTHING));
	assert_true(c.device[second].reading_w == -700 && c.loop.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rank_wins_and_is_clamped),
		cmocka_unit_test(reasons_have_numbers),
		cmocka_unit_test(who_balances),
		cmocka_unit_test(trust_in_a_device_that_balances_by_itself_ends),
		cmocka_unit_test(unguarded_is_never_forced),
		cmocka_unit_test(a_place_is_forgotten),
		cmocka_unit_test(without_a_meter),
		cmocka_unit_test(the_loop_steps_on_samples_and_waits_for_the_device),
		cmocka_unit_test(a_balancing_battery_leaves_others_alone),
		cmocka_unit_test(several_share_by_what_they_can),
		cmocka_unit_test(snapping_is_toward_zero),
		cmocka_unit_test(cars_are_given_time),
		cmocka_unit_test(same_snapshot_and_memory_same_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
