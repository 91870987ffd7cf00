/* Rank 5: the owner's word for batteries and cars. */
#include "support/cm.h"
#include "support/desk.h"

static struct snapshot s;

static void words_as_orders(void **state)
{
	static const struct { const char *name; bool charger; enum override_mode mode; double power; enum order_kind kind; double w, lo, hi; } ROWS[] = {
		{ "none", false, OVERRIDE_NONE, NAN, ORDER_NONE, 0, 0, 0 },
		{ "auto sets the plan aside", false, OVERRIDE_AUTO, NAN, ORDER_BALANCE, 0, -5000, 5000 },
		{ "hold", false, OVERRIDE_HOLD, 900, ORDER_POWER, 0, 0, 0 },
		{ "charge at most", false, OVERRIDE_CHARGE, NAN, ORDER_POWER, 5000, 0, 0 },
		{ "charge", false, OVERRIDE_CHARGE, 1200, ORDER_POWER, 1200, 0, 0 },
		{ "charge above the rating", false, OVERRIDE_CHARGE, 99999, ORDER_POWER, 5000, 0, 0 },
		{ "charge with a negative power", false, OVERRIDE_CHARGE, -500, ORDER_POWER, 0, 0, 0 },
		{ "discharge", false, OVERRIDE_DISCHARGE, 1200, ORDER_POWER, -1200, 0, 0 },
		{ "car: auto is its EV mode", true, OVERRIDE_AUTO, NAN, ORDER_NONE, 0, 0, 0 },
		{ "car: hold", true, OVERRIDE_HOLD, NAN, ORDER_POWER, 0, 0, 0 },
		{ "car: charge", true, OVERRIDE_CHARGE, NAN, ORDER_POWER, 7360, 0, 0 },
		{ "car: cannot discharge", true, OVERRIDE_DISCHARGE, NAN, ORDER_NONE, 0, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		int i;

		desk_init(&s);
		i = ROWS[r].charger ? desk_charger(&s, 0) : desk_battery(&s, 50);
		s.dev[i].override.mode = ROWS[r].mode;
		s.dev[i].override.power_w = ROWS[r].power;
		s.dev[i].override.until_utc_ms = s.utc_ms + 1000;
		o = desk_order(desk_step(&POLICY_OVERRIDE, &s, NULL), i, RANK_NONE);
		assert_row(ROWS[r].name, (o ? o->order.kind : ORDER_NONE) == ROWS[r].kind);
		if (!o)
			continue;
		assert_row_near(ROWS[r].name, o->order.w, ROWS[r].w);
		assert_row_near(ROWS[r].name, o->order.min_w, ROWS[r].lo);
		assert_row_near(ROWS[r].name, o->order.max_w, ROWS[r].hi);
		assert_row(ROWS[r].name, o->until_utc_ms == s.utc_ms + 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(words_as_orders) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
