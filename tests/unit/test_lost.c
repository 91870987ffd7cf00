/* Lost inputs, row by row of policies/README.md, through the whole chain: before the time is up, after it, and when it is back. */
#include "support/cm.h"
#include "support/desk.h"

#include "policies/view.h"

#include <string.h>

static struct snapshot s;
static struct chain c;
static struct decisions d;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
	desk_grid(&s, 300);
}

/* Ticks of a second with all readings new, but @lost, which stays as it is. */
static void run(int ticks, struct value *lost)
{
	while (ticks-- > 0) {
		struct value kept = lost ? *lost : (struct value){ 0 };

		desk_wait(&s, 1000);
		desk_grid(&s, s.grid_w.v);
		for (int p = 0; p < 3; p++)
			s.phase_w[p].at_ms = s.now_ms;
		for (int i = 1; i < s.n_devices; i++) {
			s.dev[i].state.ac_power_w.at_ms = s.now_ms;
			s.dev[i].state.f[F_BATTERY_SOC_PCT].at_ms = s.now_ms;
		}
		if (lost)
			*lost = kept;
		desk_chain(&c, &s, &d);
	}
}

static void meter_10_s(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].override.mode = OVERRIDE_CHARGE;
	s.dev[b].override.power_w = 2000;
	run(3, NULL);
	run(10, &s.grid_w);
	assert_near(d.d[b].order.w, 2000);
	run(1, &s.grid_w);
	assert_near(d.d[b].order.w, 0);
	assert_int_equal(d.d[b].code, REASON_METER_LOST);
	run(1, NULL);
	assert_near(d.d[b].order.w, 2000);
}

/* The fuse of a phase that is not measured any more is kept by the sum of all three. */
static void meter_phases_10_s(void **state)
{
	struct value kept[3];
	int car;

	(void)state;
	fresh();
	s.site.fuse_a = 20;
	s.dev[0].phases = 3;
	for (int p = 0; p < 3; p++)
		value_set(&s.phase_w[p], p == 0 ? 4000 : 0, s.now_ms, Q_GOOD);
	desk_grid(&s, 4000);
	car = desk_charger(&s, 0);
	s.dev[car].phase = 1;
	run(3, NULL);
	assert_near(d.d[car].order.w, 0); /* 600 W are left on L1 */
	memcpy(kept, s.phase_w, sizeof(kept));
	for (int t = 0; t < 11; t++) {
		assert_near(d.d[car].order.w, 0);
		run(1, NULL);
		memcpy(s.phase_w, kept, sizeof(kept));
	}
	run(1, NULL);
	memcpy(s.phase_w, kept, sizeof(kept));
	desk_chain(&c, &s, &d);
	assert_true(d.d[car].order.w >= 6 * 230); /* 9.8 kW are left of 13.8 */
	assert_true(d.d[car].order.w <= 13800 - 4000);
}

static void soc_60_s(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	run(3, NULL);
	run(60, &s.dev[b].state.f[F_BATTERY_SOC_PCT]);
	assert_int_equal(d.d[b].order.kind, ORDER_BALANCE);
	run(1, &s.dev[b].state.f[F_BATTERY_SOC_PCT]);
	assert_int_equal(d.d[b].order.kind, ORDER_POWER);
	assert_near(d.d[b].order.w, 0);
	assert_int_equal(d.d[b].code, REASON_SOC_UNKNOWN);
	run(1, NULL);
	assert_int_equal(d.d[b].order.kind, ORDER_BALANCE);
}

/* A battery told to charge with 3 kW of the 5 kW that may be imported: a car gets what is left. Once the battery's own power is
 * not known, it may do anything between nothing and that: nothing new for the car. */
static void power_reading_30_s(void **state)
{
	static const struct { const char *name; int lost_s; bool car; } ROWS[] = { { "just read", 0, true }, { "30 s", 30, true }, { "more", 31, false } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, car;

		fresh();
		s.site.import_limit_w = 5000;
		b = desk_battery(&s, 50);
		car = desk_charger(&s, 0);
		s.dev[car].ev_mode = EV_OFF;
		s.dev[b].override.mode = OVERRIDE_CHARGE;
		s.dev[b].override.power_w = 3000;
		desk_power(&s, b, 3000);
		desk_grid(&s, 3000);
		run(70, NULL);
		run(ROWS[r].lost_s, &s.dev[b].state.ac_power_w);
		s.dev[car].ev_mode = EV_UNSET;
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, (d.d[car].order.w > 0) == ROWS[r].car);
	}
}

/* A charger nobody hears takes no order; what it draws is in the meter's number and stays out of what others may have. */
static void charger_at_once(void **state)
{
	int b, car;

	(void)state;
	fresh();
	s.site.import_limit_w = 5000;
	b = desk_battery(&s, 50);
	car = desk_charger(&s, 3680);
	s.dev[b].override.mode = OVERRIDE_CHARGE;
	s.dev[b].override.power_w = 5000;
	desk_grid(&s, 3680);
	s.dev[car].state.availability = AVAIL_OFFLINE;
	run(3, &s.dev[car].state.ac_power_w);
	assert_int_equal(d.d[car].order.kind, ORDER_NONE);
	assert_true(d.d[b].order.w > 0 && d.d[b].order.w <= 5000 - 3680 + 1);
}

static void clock_at_once(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	desk_command(&s, b, MODE_DISCHARGE, POWER_SETPOINT, 3000);
	run(2, NULL);
	assert_int_equal(d.d[b].rank, RANK_EVENT);
	s.clock_trusted = false;
	run(1, NULL);
	assert_int_equal(d.d[b].rank, RANK_SELF_USE);
	s.clock_trusted = true;
	run(1, NULL);
	assert_int_equal(d.d[b].rank, RANK_EVENT);
}

/* PV that can be bounded, and whose power nobody reads, may make all it can: that much must fit below the export limit. */
static void pv_reading_30_s(void **state)
{
	int pv;

	(void)state;
	fresh();
	pv = desk_charger(&s, 0);
	s.dev[pv].roles = ROLE_PV;
	s.dev[pv].state.caps = (struct device_caps){ .can_curtail = true, .discharge_max_w = 6000, .guarded_by = GUARDED_DEVICE, .settle_ms = 1000 };
	memset(s.dev[pv].state.f, 0, sizeof(s.dev[pv].state.f));
	desk_power(&s, pv, -1000);
	s.site.export_limit_w = 1500;
	desk_grid(&s, -800);
	run(20, NULL);
	assert_int_equal(d.d[pv].order.kind, ORDER_RELEASE);
	run(30, &s.dev[pv].state.ac_power_w);
	assert_int_equal(d.d[pv].order.kind, ORDER_RELEASE); /* the meter says that all is well */
	desk_grid(&s, -1700);
	run(2, &s.dev[pv].state.ac_power_w);
	assert_int_equal(d.d[pv].order.kind, ORDER_POWER);
	assert_true(d.d[pv].order.w <= 0 && d.d[pv].order.w > -6000);
	assert_int_equal(d.d[pv].code, REASON_EXPORT_LIMIT);
}

static void plan_and_prices_at_their_end(void **state)
{
	struct plan_guide *g;
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	g = &s.dev[b].guide;
	*g = (struct plan_guide){ .valid = true, .charge_eff = 0.95, .discharge_eff = 0.95, .n_segments = 1, .until_utc_ms = s.utc_ms + 5000 };
	g->upto_wh[0] = 10000;
	g->value_per_kwh[0] = 0.5F;
	s.import_price = 0.05;
	s.export_price = 0.04;
	run(4, NULL);
	assert_int_equal(d.d[b].rank, RANK_PLAN);
	run(2, NULL);
	assert_int_equal(d.d[b].rank, RANK_SELF_USE);
	g->until_utc_ms = s.utc_ms + 60000;
	run(1, NULL);
	assert_int_equal(d.d[b].rank, RANK_PLAN);
	s.import_price = NAN; /* no price: no plan to follow */
	s.export_price = NAN;
	run(1, NULL);
	assert_int_equal(d.d[b].rank, RANK_SELF_USE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meter_10_s),
		cmocka_unit_test(meter_phases_10_s),
		cmocka_unit_test(soc_60_s),
		cmocka_unit_test(power_reading_30_s),
		cmocka_unit_test(charger_at_once),
		cmocka_unit_test(clock_at_once),
		cmocka_unit_test(pv_reading_30_s),
		cmocka_unit_test(plan_and_prices_at_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
