/* SunSpec meters, integer and float, and the PV inverter; signs, phases, counters, nothing made of nothing. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_sunspec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

struct rig {
	struct fake_unit u;
	struct fake_run run;
	uint16_t model;
};

static struct rig *rig_new(uint16_t id, uint16_t length)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct fake_chain c;

	r->u.unit = 240;
	chain_begin(&c, &r->u, 40000, 65);
	r->model = chain_model(&c, id, length);
	chain_end(&c);
	return r;
}

static void rig_start(struct rig *r, uint32_t roles, bool invert)
{
	struct driver_options o = fake_options("sunspec", 240);

	o.roles = roles;
	o.invert = invert;
	assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->u), 0);
	fake_until(&r->run, r->run.now_ms + 3000);
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r);
}

static double field(const struct rig *r, enum field f)
{
	return value_usable(&r->run.state.f[f]) ? r->run.state.f[f].v : (double)NAN;
}

static struct rig *meter_203(void)
{
	struct rig *r = rig_new(203, 105);

	model_sf(&r->u, r->model, "W", 1);
	model_sf(&r->u, r->model, "Hz", -2);
	model_sf(&r->u, r->model, "A", -1);
	model_sf(&r->u, r->model, "PhVphA", -1);
	model_sf(&r->u, r->model, "PF", -2);
	model_sf(&r->u, r->model, "TotWhImp", 1);
	model_set(&r->u, r->model, "W", -123);
	model_set(&r->u, r->model, "WphA", -200);
	model_set(&r->u, r->model, "WphB", 77);
	model_set(&r->u, r->model, "AphA", -87);
	model_set(&r->u, r->model, "PhVphA", 2311);
	model_set(&r->u, r->model, "Hz", 4998);
	model_set(&r->u, r->model, "PF", -97);
	model_set(&r->u, r->model, "TotWhImp", 4000000000LL); /* above 2^31 */
	return r;
}

static void test_integer_meter(void **state)
{
	struct rig *r = meter_203();

	(void)state;
	rig_start(r, ROLE_GRID, false);
	assert_int_equal(r->run.state.kinds, KIND_METER);
	assert_int_equal(r->run.state.availability, AVAIL_ONLINE);
	assert_true(field(r, F_METER_POWER_W) == -1230);
	assert_true(field(r, F_METER_POWER_L1_W) == -2000);
	assert_true(field(r, F_METER_POWER_L2_W) == 770);
	assert_int_equal(r->run.state.f[F_METER_POWER_L3_W].q, Q_ABSENT); /* 0x8000 */
	assert_true(field(r, F_METER_CURRENT_L1_A) == -8.7);
	assert_true(field(r, F_METER_VOLTAGE_L1_V) == 231.1);
	assert_true(field(r, F_METER_FREQUENCY_HZ) == 49.98);
	assert_true(field(r, F_METER_POWER_FACTOR) == -0.97);
	assert_true(field(r, F_METER_ENERGY_IMPORT_WH) == 4e10);
	assert_int_equal(r->run.state.f[F_METER_ENERGY_EXPORT_WH].q, Q_ABSENT); /* acc32 0: not accumulated */
	assert_true(r->run.state.ac_power_w.v == -1230);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_SAFE_STATE);
	assert_true(r->run.state.released);
	rig_stop(r);
}

static void test_wired_the_other_way(void **state)
{
	struct rig *r = meter_203();

	(void)state;
	rig_start(r, ROLE_GRID, true);
	assert_true(field(r, F_METER_POWER_W) == 1230);
	assert_true(field(r, F_METER_POWER_L1_W) == 2000);
	assert_true(field(r, F_METER_CURRENT_L1_A) == 8.7);
	assert_true(field(r, F_METER_VOLTAGE_L1_V) == 231.1);
	assert_true(field(r, F_METER_ENERGY_EXPORT_WH) == 4e10);
	assert_int_equal(r->run.state.f[F_METER_ENERGY_IMPORT_WH].q, Q_ABSENT);
	rig_stop(r);
}

static void test_float_meter(void **state)
{
	struct rig *r = rig_new(213, 124);

	(void)state;
	model_set_float(&r->u, r->model, "W", 812.5f);
	model_set_float(&r->u, r->model, "WphA", NAN);
	model_set_float(&r->u, r->model, "WphB", INFINITY);
	model_set_float(&r->u, r->model, "Hz", 500.0f); /* implausible */
	model_set_float(&r->u, r->model, "TotWhImp", 123456.0f);
	rig_start(r, ROLE_LOAD, false);
	assert_true(field(r, F_METER_POWER_W) == 812.5);
	assert_int_equal(r->run.state.f[F_METER_POWER_L1_W].q, Q_ABSENT);
	assert_int_equal(r->run.state.f[F_METER_POWER_L2_W].q, Q_ABSENT);
	assert_int_equal(r->run.state.f[F_METER_FREQUENCY_HZ].q, Q_BAD);
	assert_true(field(r, F_METER_ENERGY_IMPORT_WH) == 123456);
	rig_stop(r);
}

/* An older map ends early: what lies behind L is not there, even if the registers answer. */
static void test_short_model(void **state)
{
	struct rig *r = rig_new(201, 20);

	(void)state;
	model_sf(&r->u, r->model, "Hz", -2);
	model_set(&r->u, r->model, "Hz", 5001);
	model_set(&r->u, r->model, "W", 100);
	rig_start(r, ROLE_GRID, false);
	assert_true(field(r, F_METER_FREQUENCY_HZ) == 50.01);
	assert_int_equal(r->run.state.f[F_METER_POWER_W].q, Q_ABSENT); /* its scale factor is behind the end */
	rig_stop(r);
}

static void test_pv_inverter(void **state)
{
	struct rig *r = rig_new(103, 50);

	(void)state;
	model_sf(&r->u, r->model, "W", 0);
	model_sf(&r->u, r->model, "WH", 0);
	model_set(&r->u, r->model, "W", 3210);
	model_set(&r->u, r->model, "WH", 7654321);
	model_set(&r->u, r->model, "St", 5);
	rig_start(r, ROLE_PV, false);
	assert_int_equal(r->run.state.kinds, KIND_PV);
	assert_true(field(r, F_PV_POWER_W) == -3210);
	assert_true(field(r, F_PV_ENERGY_WH) == 7654321);
	assert_true(field(r, F_PV_STATE) == INVERTER_THROTTLED);
	assert_true(r->run.state.ac_power_w.v == -3210);
	fake_aim_power(&r->run, -1000);
	fake_until(&r->run, r->run.now_ms + 5000);
	assert_int_equal(r->u.writes, 0);
	rig_stop(r);
}

/* Power goes through zero: the inverter changes its scale factor from one read to the next. */
static void test_scale_factor_moves(void **state)
{
	struct rig *r = meter_203();

	(void)state;
	rig_start(r, ROLE_GRID, false);
	model_sf(&r->u, r->model, "W", -1);
	model_set(&r->u, r->model, "W", 1234);
	fake_until(&r->run, r->run.now_ms + 1100);
	assert_true(field(r, F_METER_POWER_W) == 123.4);
	rig_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integer_meter), cmocka_unit_test(test_wired_the_other_way),
		cmocka_unit_test(test_float_meter),   cmocka_unit_test(test_short_model),
		cmocka_unit_test(test_pv_inverter),   cmocka_unit_test(test_scale_factor_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
