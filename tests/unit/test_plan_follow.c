/* Rank 6: value against price. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;

static void guide(struct snap_device *d, double low, double high)
{
	d->guide = (struct plan_guide){ .valid = true, .charge_eff = 0.9, .discharge_eff = 0.9, .n_segments = 2 };
	d->guide.upto_wh[0] = 5000;
	d->guide.upto_wh[1] = 10000;
	d->guide.value_per_kwh[0] = (float)low;
	d->guide.value_per_kwh[1] = (float)high;
}

enum what { NOTHING, CHARGE, SELL, HOLD, STORE, COVER, BALANCE };

static enum what what_of(const struct order_wish *o)
{
	if (!o)
		return NOTHING;
	if (o->order.kind == ORDER_POWER)
		return o->order.w > 0 ? CHARGE : o->order.w < 0 ? SELL : HOLD;
	if (o->order.min_w == 0)
		return STORE;
	return o->order.max_w == 0 ? COVER : BALANCE;
}

static void value_against_price(void **state)
{
	static const struct {
		const char *name;
		double import, export, low, high, soc;
		bool grid_charging, battery_export;
		enum what must;
	} ROWS[] = {
		{ "price unknown: no order", NAN, 0.1, 0.3, 0.2, 30, true, true, NOTHING },
		{ "export price unknown: no order", 0.1, NAN, 0.3, 0.2, 30, true, true, NOTHING },
		{ "worth more than it costs, with the loss", 0.20, 0.05, 0.30, 0.20, 30, true, true, CHARGE },
		{ "the loss eats it", 0.28, 0.05, 0.30, 0.20, 30, true, true, STORE },
		{ "the upper half is worth less", 0.20, 0.05, 0.30, 0.18, 70, true, true, BALANCE },
		{ "not from the grid here", 0.20, 0.05, 0.30, 0.20, 30, false, true, STORE },
		{ "dear now: cover the load, keep surplus", 0.40, 0.05, 0.30, 0.20, 30, true, true, BALANCE },
		{ "export dearer than stored: sell", 0.45, 0.40, 0.30, 0.20, 30, true, true, SELL },
		{ "export dear but not from the battery: surplus to the grid", 0.45, 0.40, 0.30, 0.20, 30, true, false, COVER },
		{ "export pays now, but what is stored is for later", 0.35, 0.31, 0.33, 0.20, 30, true, false, HOLD },
		{ "a negative price", -0.05, -0.10, 0.10, 0.05, 30, true, true, CHARGE },
		{ "a tie goes to self-use", 0.30, 0.243, 0.27, 0.27, 30, true, true, BALANCE },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		desk_init(&s);
		b = desk_battery(&s, ROWS[r].soc);
		guide(&s.dev[b], ROWS[r].low, ROWS[r].high);
		s.import_price = ROWS[r].import;
		s.export_price = ROWS[r].export;
		s.site.grid_charging = ROWS[r].grid_charging;
		s.site.battery_export = ROWS[r].battery_export;
		assert_row(ROWS[r].name, what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE)) == ROWS[r].must);
	}
}

/* A plan that charges from the grid, spoilt in one way each. */
static void what_keeps_it_from_charging(void **state)
{
	static const struct { const char *name; int spoil; enum what must; } ROWS[] = {
		{ "nothing", 0, CHARGE },
		{ "the clock cannot be trusted", 1, NOTHING },
		{ "the plan is over", 2, NOTHING },
		{ "no values", 3, NOTHING },
		{ "SoC unknown", 4, NOTHING },
		{ "capacity unknown", 5, NOTHING },
		{ "a command forbids grid import", 6, STORE },
		{ "an efficiency of 0", 7, NOTHING },
		{ "not valid", 8, NOTHING },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 30);
		d = &s.dev[b];
		guide(d, 0.30, 0.20);
		s.import_price = 0.20;
		s.export_price = 0.05;
		if (ROWS[r].spoil == 1)
			s.clock_trusted = false;
		if (ROWS[r].spoil == 2)
			d->guide.until_utc_ms = s.utc_ms;
		if (ROWS[r].spoil == 3)
			d->guide.n_segments = 0;
		if (ROWS[r].spoil == 4)
			d->state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
		if (ROWS[r].spoil == 5)
			d->capacity_wh = NAN;
		if (ROWS[r].spoil == 6)
			desk_command(&s, b, MODE_SAVINGS, POWER_MAX, 0)->grid_import = TRI_NO;
		if (ROWS[r].spoil == 7)
			d->guide.discharge_eff = 0;
		if (ROWS[r].spoil == 8)
			d->guide.valid = false;
		assert_row(ROWS[r].name, what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE)) == ROWS[r].must);
	}
}

static void selling_waits_for_the_car(void **state)
{
	int b, c;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 30);
	c = desk_charger(&s, 7000);
	guide(&s.dev[b], 0.30, 0.20);
	s.import_price = 0.45;
	s.export_price = 0.40;
	assert_int_equal(what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE)), BALANCE);
	desk_power(&s, c, 0);
	assert_int_equal(what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE)), SELL);
	desk_power(&s, c, 7000);
	s.site.battery_to_ev = true;
	assert_int_equal(what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE)), SELL);
}

static void no_flapping_around_a_tie(void **state)
{
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
	static const struct { double import; enum what must; } ROWS[] = {
		{ 0.200, CHARGE }, { 0.269, CHARGE }, { 0.271, STORE }, { 0.269, STORE }, { 0.262, CHARGE },
	};
	int b;

	(void)state;
	memset(memory, 0, sizeof(memory));
	desk_init(&s);
	b = desk_battery(&s, 30);
	guide(&s.dev[b], 0.30, 0.20);
	s.export_price = 0.05;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		char row[16];

		snprintf(row, sizeof(row), "%zu", r);
		s.import_price = ROWS[r].import;
		assert_row(row, what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, memory), b, RANK_NONE)) == ROWS[r].must);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_against_price),
		cmocka_unit_test(what_keeps_it_from_charging),
		cmocka_unit_test(selling_waits_for_the_car),
		cmocka_unit_test(no_flapping_around_a_tie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
