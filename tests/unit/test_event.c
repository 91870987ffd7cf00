/* Rank 4: every Flip mode as an order, its window, its import flag, and the cars. */
#include "support/cm.h"
#include "support/desk.h"

static struct snapshot s;

static void modes_as_orders(void **state)
{
	static const struct {
		const char *name;
		enum battery_mode mode;
		enum power_mode power;
		double setpoint;
		enum tristate import;
		bool site_import;
		enum order_kind kind;
		double w, lo, hi;
	} ROWS[] = {
		{ "discharge at a setpoint", MODE_DISCHARGE, POWER_SETPOINT, 3000, TRI_UNSET, true, ORDER_POWER, -3000, 0, 0 },
		{ "more than it can", MODE_DISCHARGE, POWER_SETPOINT, 9000, TRI_UNSET, true, ORDER_POWER, -5000, 0, 0 },
		{ "a setpoint that is no number", MODE_DISCHARGE, POWER_SETPOINT, NAN, TRI_UNSET, true, ORDER_POWER, -5000, 0, 0 },
		{ "discharge, null", MODE_DISCHARGE, POWER_MAX, 0, TRI_UNSET, true, ORDER_POWER, -5000, 0, 0 },
		{ "follow load", MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0, TRI_UNSET, true, ORDER_BALANCE, 0, -5000, 0 },
		{ "charge, import allowed", MODE_CHARGE, POWER_SETPOINT, 2000, TRI_YES, false, ORDER_POWER, 2000, 0, 0 },
		{ "charge, import forbidden: surplus", MODE_CHARGE, POWER_SETPOINT, 2000, TRI_NO, true, ORDER_BALANCE, 0, 0, 2000 },
		{ "charge, not said: the site's rule yes", MODE_CHARGE, POWER_MAX, 0, TRI_UNSET, true, ORDER_POWER, 5000, 0, 0 },
		{ "charge, not said: the site's rule no", MODE_CHARGE, POWER_MAX, 0, TRI_UNSET, false, ORDER_BALANCE, 0, 0, 5000 },
		{ "charge following load", MODE_CHARGE, POWER_FOLLOW_LOAD, 0, TRI_YES, true, ORDER_BALANCE, 0, 0, 5000 },
		{ "standby", MODE_STANDBY, POWER_MAX, 0, TRI_YES, true, ORDER_POWER, 0, 0, 0 },
		{ "backup from surplus", MODE_BACKUP, POWER_MAX, 0, TRI_NO, true, ORDER_BALANCE, 0, 0, 5000 },
		{ "backup from the grid", MODE_BACKUP, POWER_MAX, 0, TRI_YES, false, ORDER_POWER, 5000, 0, 0 },
		{ "self-consumption", MODE_SELF_CONSUMPTION, POWER_MAX, 0, TRI_YES, true, ORDER_BALANCE, 0, -5000, 5000 },
		{ "savings: no order", MODE_SAVINGS, POWER_MAX, 0, TRI_YES, true, ORDER_NONE, 0, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		desk_command(&s, b, ROWS[r].mode, ROWS[r].power, ROWS[r].setpoint)->grid_import = ROWS[r].import;
		s.site.grid_charging = ROWS[r].site_import;
		o = desk_order(desk_step(&POLICY_EVENT, &s, NULL), b, RANK_NONE);
		assert_row(ROWS[r].name, (o ? o->order.kind : ORDER_NONE) == ROWS[r].kind);
		if (!o)
			continue;
		assert_row_near(ROWS[r].name, o->order.w, ROWS[r].w);
		assert_row_near(ROWS[r].name, o->order.min_w, ROWS[r].lo);
		assert_row_near(ROWS[r].name, o->order.max_w, ROWS[r].hi);
		assert_row(ROWS[r].name, o->order.grid_w == 0 && o->until_utc_ms == s.dev[b].command.ends_utc_ms);
	}
}

static void window_is_exact(void **state)
{
	static const struct { const char *name; int64_t from_start_ms; bool endless, trusted, active, runs; } ROWS[] = {
		{ "a millisecond early", -1, false, true, true, false },
		{ "at its start", 0, false, true, true, true },
		{ "a millisecond before its end", 3599999, false, true, true, true },
		{ "at its end", 3600000, false, true, true, false },
		{ "without an end", 9000000, true, true, true, true },
		{ "the clock cannot be trusted", 1000, false, false, true, false },
		{ "not active", 1000, false, true, false, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct command_view *c;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		c = desk_command(&s, b, MODE_STANDBY, POWER_MAX, 0);
		c->active = ROWS[r].active;
		if (ROWS[r].endless)
			c->ends_utc_ms = 0;
		s.utc_ms = c->starts_utc_ms + ROWS[r].from_start_ms;
		s.clock_trusted = ROWS[r].trusted;
		assert_row(ROWS[r].name, (desk_order(desk_step(&POLICY_EVENT, &s, NULL), b, RANK_NONE) != NULL) == ROWS[r].runs);
	}
}

static void cars_wait(void **state)
{
	static const struct { const char *name; enum battery_mode mode; enum power_mode power; bool in_load; enum ev_mode ev; bool paused; } ROWS[] = {
		{ "discharge: paused", MODE_DISCHARGE, POWER_SETPOINT, false, EV_UNSET, true },
		{ "discharge: paused even if it counts as load", MODE_DISCHARGE, POWER_SETPOINT, true, EV_SOLAR, true },
		{ "the owner's now stands", MODE_DISCHARGE, POWER_SETPOINT, false, EV_NOW, false },
		{ "follow load: paused", MODE_DISCHARGE, POWER_FOLLOW_LOAD, false, EV_CHEAP, true },
		{ "follow load with the car as load", MODE_DISCHARGE, POWER_FOLLOW_LOAD, true, EV_CHEAP, false },
		{ "charge: not paused", MODE_CHARGE, POWER_MAX, false, EV_UNSET, false },
		{ "savings: not paused", MODE_SAVINGS, POWER_MAX, false, EV_UNSET, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		int b, c;

		desk_init(&s);
		b = desk_battery(&s, 50);
		c = desk_charger(&s, 0);
		desk_command(&s, b, ROWS[r].mode, ROWS[r].power, 1000);
		s.site.ev_in_follow_load = ROWS[r].in_load;
		s.dev[c].ev_mode = ROWS[r].ev;
		o = desk_order(desk_step(&POLICY_EVENT, &s, NULL), c, RANK_NONE);
		assert_row(ROWS[r].name, (o != NULL) == ROWS[r].paused && (!o || (o->order.kind == ORDER_POWER && o->order.w == 0)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_as_orders),
		cmocka_unit_test(window_is_exact),
		cmocka_unit_test(cars_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
