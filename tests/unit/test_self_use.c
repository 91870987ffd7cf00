/* Rank 7: batteries balance, nothing else does. */
#include "support/cm.h"
#include "support/desk.h"

static struct snapshot s;

static void batteries_balance(void **state)
{
	const struct wishes *w;
	const struct order_wish *o;
	int b, c, off;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 50);
	c = desk_charger(&s, 0);
	off = desk_battery(&s, 50);
	s.dev[off].state.availability = AVAIL_OFFLINE;
	w = desk_step(&POLICY_SELF_USE, &s, NULL);
	o = desk_order(w, b, RANK_NONE);
	assert_non_null(o);
	assert_int_equal(o->order.kind, ORDER_BALANCE);
	assert_near(o->order.grid_w, 0);
	assert_near(o->order.min_w, -5000);
	assert_near(o->order.max_w, 5000);
	assert_null(desk_order(w, c, RANK_NONE));
	assert_null(desk_order(w, off, RANK_NONE));
	assert_null(desk_order(w, 0, RANK_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(batteries_balance) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
