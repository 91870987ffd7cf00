/* Rank 6: value against price. */
#include "support/cm.h"
#include "support/desk.h"

#include <math.h>
#include <stdio.h>
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
		{ "export price unknown: charges all the same", 0.1, NAN, 0.3, 0.2, 30, true, true, CHARGE },
		{ "export price unknown: nothing is sold on hope", 0.45, NAN, -0.3, -0.4, 30, true, true, BALANCE },
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

/* Export dearer than import: buying for later and selling what is there pay both. The plan knows which comes first. */
static void both_directions_pay(void **state)
{
	static const struct { const char *name; double planned_w; bool grid_charging, battery_export; enum what must; } ROWS[] = {
		{ "the plan buys", 3000, true, true, CHARGE },
		{ "the plan sells", -3000, true, true, SELL },
		{ "the plan rests", 0, true, true, CHARGE },
		{ "the plan sells, the site may not", -3000, true, false, CHARGE },
		{ "the plan buys, the site may not", 3000, false, true, SELL },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		desk_init(&s);
		b = desk_battery(&s, 30);
		guide(&s.dev[b], 0.20, 0.20);
		s.dev[b].guide.planned_w = ROWS[r].planned_w;
		s.import_price = 0.09;
		s.export_price = 0.30;
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
		{ "a charge efficiency of 0", 9, NOTHING },
		{ "more segments than there is room for", 10, NOTHING },
		{ "as many segments as there is room for", 11, CHARGE },
		{ "wear unknown", 12, NOTHING },
		{ "a millisecond before the plan is over", 13, CHARGE },
		{ "a device that takes nothing", 14, NOTHING },
		{ "not a battery", 15, NOTHING },
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
		if (ROWS[r].spoil == 9)
			d->guide.charge_eff = 0;
		if (ROWS[r].spoil == 10)
			d->guide.n_segments = GUIDE_SEGMENTS_MAX + 1;
		if (ROWS[r].spoil == 11) {
			for (int i = 2; i < GUIDE_SEGMENTS_MAX; i++)
				d->guide.upto_wh[i] = 10000;
			d->guide.n_segments = GUIDE_SEGMENTS_MAX;
		}
		if (ROWS[r].spoil == 12)
			d->guide.wear_per_kwh = NAN;
		if (ROWS[r].spoil == 13)
			d->guide.until_utc_ms = s.utc_ms + 1;
		if (ROWS[r].spoil == 14)
			d->state.caps = (struct device_caps){ .charge_max_w = 5000, .discharge_max_w = 5000 };
		if (ROWS[r].spoil == 15)
			d->roles = ROLE_LOAD;
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
		{ 0.200, CHARGE }, { 0.269, CHARGE }, { 0.275, CHARGE }, { 0.276, STORE }, { 0.269, STORE }, { 0.262, CHARGE },
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

/* At the edge of a segment the next kWh in is worth the next segment's, the last one out this one's. */
static void edges_of_segments(void **state)
{
	static const struct { const char *name; double soc, export, wear; enum what must; } ROWS[] = {
		{ "below the edge: all is worth the first segment's", 49.5, 0.40, 0, STORE },
		{ "on the edge: what goes out was worth more", 50, 0.60, 0, HOLD },
		{ "within 1 Wh above: still", 50.05, 0.60, 0, HOLD },
		{ "1 Wh above it: what goes out is worth less", 50.09765625, 0.60, 0, SELL },
		{ "wear is a cost of selling", 50.09765625, 0.60, 0.2, COVER },
		{ "empty: the first segment's value, not one before it", 0, 0.60, 0, STORE },
		{ "full: the last segment's value, not one beyond it", 100, 0.45, 0, BALANCE },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		desk_init(&s);
		b = desk_battery(&s, ROWS[r].soc);
		s.dev[b].capacity_wh = 1024;
		guide(&s.dev[b], 1.0, 0.5);
		s.dev[b].guide.charge_eff = s.dev[b].guide.discharge_eff = 1;
		s.dev[b].guide.upto_wh[0] = 512;
		s.dev[b].guide.upto_wh[1] = 1024;
		s.dev[b].guide.value_per_kwh[2] = -9;
		s.dev[b].guide.wear_per_kwh = ROWS[r].wear;
		s.import_price = 0.70;
		s.export_price = ROWS[r].export;
		s.site.grid_charging = false;
		s.site.battery_export = true;
		assert_row(ROWS[r].name, what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE)) == ROWS[r].must);
	}
}

/* A new choice must be better by 2 % of the price, at least by 0.001; the one in force must only not be worse. */
static void margins(void **state)
{
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
	static const struct {
		const char *name;
		bool export_allowed;
		struct { double in, import, export; enum what must; } step[3]; /* in: what a kWh taken in is worth */
	} ROWS[] = {
		{ "at a price of 0 by more than 0.001", true,
		  { { 0.001, 0, -1, STORE }, { 0.00101, 0, -1, CHARGE }, { -0.0009, 0, -1, CHARGE } } },
		{ "in force, through a tie, until it costs", true, { { 0.5, 0.25, 0, CHARGE }, { 0.5, 0.509, 0, CHARGE }, { 0.5, 0.511, 0, BALANCE } } },
		{ "a tie begins nothing", true, { { 0.5, 0.5, 0, BALANCE }, { 0.5, 0.499, 0, BALANCE }, { 0.5, 0.48, 0, CHARGE } } },
		{ "by 2 % of a negative price too", true, { { 0.001, -0.1, -1, CHARGE }, { -0.103, -0.1, -1, STORE }, { -0.099, -0.1, -1, STORE } } },
		{ "selling is left only when it costs", true,
		  { { 0.5, 0.9, 0.75, SELL }, { 0.5, 0.9, 0.491, SELL }, { 0.5, 0.9, 0.489, BALANCE } } },
		{ "and begun again only when it pays clearly", true,
		  { { 0.5, 0.9, 0.505, BALANCE }, { 0.5, 0.9, 0.509, BALANCE }, { 0.5, 0.9, 0.52, SELL } } },
		{ "sun to the grid, kept up while it is not worse", false,
		  { { 0.5, 0.9, 0.52, COVER }, { 0.5, 0.9, 0.505, COVER }, { 0.5, 0.9, 0.5, BALANCE } } },
		{ "stored, kept up while the load is not dearer", false,
		  { { 0.5, 0.49, 0.1, STORE }, { 0.5, 0.495, 0.1, STORE }, { 0.5, 0.5, 0.1, BALANCE } } },
		{ "held: both are kept up", false,
		  { { 0.5, 0.45, 0.52, HOLD }, { 0.5, 0.495, 0.505, HOLD }, { 0.5, 0.5, 0.5, BALANCE } } },
		{ "neither holds from self-use before it is clear", false,
		  { { 0.5, 0.5, 0.1, BALANCE }, { 0.5, 0.495, 0.505, BALANCE }, { 0.5, 0.48, 0.52, HOLD } } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		memset(memory, 0, sizeof(memory));
		for (int t = 0; t < 3; t++) {
			int b;
			char row[96];

			desk_init(&s);
			b = desk_battery(&s, 30);
			guide(&s.dev[b], 1, 1);
			s.dev[b].guide.charge_eff = fabs(ROWS[r].step[t].in);
			s.dev[b].guide.value_per_kwh[0] = ROWS[r].step[t].in < 0 ? -1 : 1;
			s.dev[b].guide.discharge_eff = 1 / ROWS[r].step[t].in;
			if (ROWS[r].step[t].in < 0.1) { /* only what comes in is looked at */
				s.dev[b].guide.discharge_eff = 1;
				s.dev[b].guide.wear_per_kwh = 100;
			}
			s.import_price = ROWS[r].step[t].import;
			s.export_price = ROWS[r].step[t].export;
			s.site.grid_charging = r < 4;
			s.site.battery_export = ROWS[r].export_allowed;
			snprintf(row, sizeof(row), "%s, step %d", ROWS[r].name, t);
			assert_row(row, what_of(desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, memory), b, RANK_NONE)) == ROWS[r].step[t].must);
		}
	}
}

static void words_of_an_unknown_price(void **state)
{
	const struct order_wish *o;
	int b;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 30);
	guide(&s.dev[b], 0.3, 0.2);
	s.import_price = 0.1;
	s.export_price = NAN;
	o = desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE);
	assert_string_equal(o->why, "plan: charge from the grid; import 0.100, export unknown, a stored kWh is worth 0.300");
}

/* Each choice in its own words and numbers. */
static void what_is_ordered(void **state)
{
	static const struct { double import, export; enum reason code; double w, min_w, max_w; const char *words; } ROWS[] = {
		{ 0.10, 0.05, REASON_PLAN_CHARGE, 4000, 0, 0, "plan: charge from the grid; import 0.100, export 0.050, a stored kWh is worth 0.500" },
		{ 0.90, 0.80, REASON_PLAN_SELL, -3000, 0, 0, "plan: sell; import 0.900, export 0.800, a stored kWh is worth 0.500" },
		{ 0.50, 0.40, REASON_PLAN_SELF_USE, 0, -3000, 4000, "plan: self-use; " },
		{ 0.49, 0.40, REASON_PLAN_STORE, 0, 0, 4000, "plan: store the sun, keep what is stored; " },
		{ 0.49, 0.52, REASON_PLAN_HOLD, 0, 0, 0, "plan: hold; " },
		{ 0.90, 0.52, REASON_PLAN_COVER, 0, -3000, 0, "plan: cover the load, leave the sun to the grid; " },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;
		int b;

		desk_init(&s);
		b = desk_battery(&s, r == 0 ? 30 : 70);
		s.dev[b].charge_max_w = 4000;
		s.dev[b].discharge_max_w = 3000;
		guide(&s.dev[b], r == 0 ? 0.5 : 0.25, r == 0 ? 0.25 : 0.5);
		s.dev[b].guide.charge_eff = s.dev[b].guide.discharge_eff = 1;
		s.dev[b].guide.until_utc_ms = s.utc_ms + 300000;
		s.import_price = ROWS[r].import;
		s.export_price = ROWS[r].export;
		s.site.grid_charging = ROWS[r].code == REASON_PLAN_CHARGE;
		s.site.battery_export = ROWS[r].code == REASON_PLAN_SELL;
		o = desk_order(desk_step(&POLICY_PLAN_FOLLOW, &s, NULL), b, RANK_NONE);
		assert_row(ROWS[r].words, o && o->code == ROWS[r].code && o->order.w == ROWS[r].w && o->order.min_w == ROWS[r].min_w &&
			   o->order.max_w == ROWS[r].max_w && o->until_utc_ms == s.utc_ms + 300000);
		assert_row(ROWS[r].words, !strncmp(o->why, ROWS[r].words, strlen(ROWS[r].words)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_against_price),
		cmocka_unit_test(both_directions_pay),
		cmocka_unit_test(what_keeps_it_from_charging),
		cmocka_unit_test(selling_waits_for_the_car),
		cmocka_unit_test(no_flapping_around_a_tie),
		cmocka_unit_test(edges_of_segments),
		cmocka_unit_test(margins),
		cmocka_unit_test(what_is_ordered),
		cmocka_unit_test(words_of_an_unknown_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
