/* SunSpec maps of the simulated battery and sun: layout, markers, what may be written, timers that really run down. */
#include "sim/fixture.h"

/* Index of a model in the battery's chain, found by walking it as a client does. */
static int walk(const struct sunspec_chain *c, uint16_t id)
{
	int at = 2;

	while (c->words[at] != 0xFFFF && c->words[at] != id)
		at += 2 + c->words[at + 1];
	return c->words[at] == id ? at : -1;
}

static int put(uint16_t model, int offset, int count, const uint16_t *words)
{
	return SUNSPEC_BATTERY_OPS.write(&battery, 16, (uint16_t)(40000 + walk(&battery.chain, model) + offset), count,
					 words);
}

static int put1(uint16_t model, int offset, int value)
{
	return put(model, offset, 1, &(uint16_t){ (uint16_t)value });
}

static int put2(uint16_t model, int offset, int32_t value)
{
	return put(model, offset, 2, (uint16_t[]){ (uint16_t)((uint32_t)value >> 16), (uint16_t)value });
}

static void test_chain_layout(void **state)
{
	static const struct {
		enum battery_models models;
		int n;
		uint16_t id[10], length[10];
	} ROWS[] = {
		{ BATTERY_BOTH,
		  10,
		  { 1, 103, 120, 64110, 124, 701, 702, 704, 713, 802 },
		  { 66, 50, 26, 12, 24, 153, 50, 65, 7, 62 } },
		{ BATTERY_124, 6, { 1, 103, 120, 64110, 124, 802 }, { 66, 50, 26, 12, 24, 62 } },
		{ BATTERY_704, 7, { 1, 64110, 701, 702, 704, 713, 802 }, { 66, 12, 153, 50, 65, 7, 62 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const uint16_t *w = battery.chain.words;
		int at = 2;

		build(ROWS[i].models, false, false);
		assert_int_equal(w[0], 0x5375);
		assert_int_equal(w[1], 0x6E53);
		for (int k = 0; k < ROWS[i].n; k++) {
			assert_int_equal(w[at], ROWS[i].id[k]);
			assert_int_equal(w[at + 1], ROWS[i].length[k]);
			at += 2 + w[at + 1];
		}
		assert_int_equal(w[at], 0xFFFF);
		assert_int_equal(w[at + 1], 0);
		assert_int_equal(battery.chain.n, at + 2);
	}
	assert_int_equal(pv.chain.words[walk(&pv.chain, 123) + 1], 24);
}

static void test_markers_and_reads(void **state)
{
	uint16_t w[125];
	int n;

	(void)state;
	build(BATTERY_BOTH, false, false);
	run(1);
	n = battery.chain.n;
	assert_int_equal(chain_get_u16(&battery.chain, 124, 6), 0xFFFF);       /* VAChaMax */
	assert_int_equal(chain_get_u16(&battery.chain, 103, 27), 0xFFFF);      /* DCA */
	assert_int_equal(chain_get_u16(&battery.chain, 103, 28), 0x8000);      /* and its scale factor */
	assert_int_equal(chain_get_u32(&battery.chain, 701, 111), 0xFFFFFFFF); /* ThrotSrc */
	assert_int_equal(SUNSPEC_BATTERY_OPS.read(&battery, 3, 40000, 125, w), MODBUS_OK);
	assert_int_equal(SUNSPEC_BATTERY_OPS.read(&battery, 3, (uint16_t)(40000 + n - 2), 2, w), MODBUS_OK);
	assert_int_equal(SUNSPEC_BATTERY_OPS.read(&battery, 3, (uint16_t)(40000 + n - 2), 3, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SUNSPEC_BATTERY_OPS.read(&battery, 3, 39999, 2, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SUNSPEC_BATTERY_OPS.read(&battery, 3, 0, 2, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SUNSPEC_BATTERY_OPS.read(&battery, 4, 40000, 2, w), MODBUS_BAD_FUNCTION);
}

static void test_refused_writes(void **state)
{
	static const struct {
		const char *name;
		uint16_t model;
		int offset, count, value, want;
	} ROWS[] = {
		{ "a measurement", 124, 8, 1, 5000, MODBUS_BAD_ADDRESS },
		{ "a scale factor", 704, 55, 1, 0, MODBUS_BAD_ADDRESS },
		{ "the model id", 704, 0, 1, 1, MODBUS_BAD_ADDRESS },
		{ "the device address", 1, 66, 1, 5, MODBUS_BAD_ADDRESS },
		{ "a point that is not implemented", 124, 6, 1, 5, MODBUS_BAD_ADDRESS },
		{ "a timer's remainder", 704, 33, 2, 5, MODBUS_BAD_ADDRESS },
		{ "half a number", 704, 24, 1, 5, MODBUS_BAD_ADDRESS },
		{ "the other half", 704, 25, 1, 5, MODBUS_BAD_ADDRESS },
		{ "a vendor's model", 64110, 2, 1, 5, MODBUS_BAD_ADDRESS },
		{ "a neighbour that is read only", 124, 7, 2, 5, MODBUS_BAD_ADDRESS },
		{ "an unknown enum member", 704, 22, 1, 2, MODBUS_BAD_VALUE },
		{ "bits nobody has", 124, 5, 1, 4, MODBUS_BAD_VALUE },
		{ "more than 100 %", 124, 13, 1, 10001, MODBUS_BAD_VALUE },
		{ "less than -100 %", 124, 12, 1, -10001, MODBUS_BAD_VALUE },
		{ "a megawatt and more", 704, 24, 2, 1000001, MODBUS_BAD_VALUE },
	};
	const uint16_t mixed[] = { 3, 0xFFFF, 0 };
	struct sunspec_chain before;

	(void)state;
	build(BATTERY_BOTH, false, false);
	before = battery.chain;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int e = ROWS[i].count == 1 ? put1(ROWS[i].model, ROWS[i].offset, ROWS[i].value)
					   : put2(ROWS[i].model, ROWS[i].offset, ROWS[i].value);

		if (e != ROWS[i].want)
			print_error("%s\n", ROWS[i].name);
		assert_int_equal(e, ROWS[i].want);
	}
	assert_int_equal(put(124, 5, 3, mixed), MODBUS_BAD_ADDRESS);
	assert_memory_equal(&before, &battery.chain, sizeof(before)); /* all or nothing */
}

static void start_704(double watts, uint32_t revert_s)
{
	assert_int_equal(put1(704, 23, 1), MODBUS_OK);
	assert_int_equal(put2(704, 26, 0), MODBUS_OK);
	assert_int_equal(put1(704, 30, 0), MODBUS_OK);
	assert_int_equal(put2(704, 31, (int32_t)revert_s), MODBUS_OK);
	assert_int_equal(put2(704, 24, (int32_t)(watts * 10)), MODBUS_OK);
	assert_int_equal(put1(704, 22, 1), MODBUS_OK);
}

static void test_704_reverts_unless_refreshed(void **state)
{
	(void)state;
	build(BATTERY_BOTH, false, false);
	home.load_set_w = 400;
	start_704(3000, 10);
	run(3);
	near(home.battery.power_w, -3000, 0.1);
	near(chain_get_u32(&battery.chain, 704, 33), 7, 1);
	for (int i = 0; i < 3; i++) { /* any of its writes keeps it alive */
		run(6);
		assert_int_equal(i == 1 ? put2(704, 31, 10) : put2(704, 24, 30000), MODBUS_OK);
		assert_int_equal(chain_get_u32(&battery.chain, 704, 33), 10);
	}
	run(9.5);
	near(home.battery.power_w, -3000, 0.1);
	run(3);
	assert_int_equal(chain_get_u16(&battery.chain, 704, 22), 0);
	assert_int_equal(chain_get_i32(&battery.chain, 704, 24), 0);
	assert_int_equal(chain_get_u32(&battery.chain, 704, 33), 0);
	near(home.battery.power_w, -400, 0.1); /* its own balance again */
}

static void test_704_reverts_to_what_was_written(void **state)
{
	(void)state;
	build(BATTERY_704, false, false);
	start_704(-2000, 5);
	assert_int_equal(put2(704, 26, 7000), MODBUS_OK);
	assert_int_equal(put1(704, 30, 1), MODBUS_OK);
	run(3);
	near(home.battery.power_w, 2000, 0.1);
	run(4);
	assert_int_equal(chain_get_u16(&battery.chain, 704, 22), 1);
	near(home.battery.power_w, -700, 0.1);
	run(60); /* the timer does not start over by itself */
	near(home.battery.power_w, -700, 0.1);
}

static void test_704_never_reverts_with_zero(void **state)
{
	(void)state;
	build(BATTERY_704, false, false);
	start_704(1000, 0);
	run(120);
	near(home.battery.power_w, -1000, 0.1);
	assert_int_equal(put1(704, 22, 0), MODBUS_OK);
	run(3);
	near(home.battery.power_w, 0, 0.1);
}

static void test_no_reversion(void **state)
{
	(void)state;
	build(BATTERY_BOTH, true, false);
	run(1);
	assert_int_equal(put2(704, 31, 10), MODBUS_BAD_ADDRESS);
	assert_int_equal(put2(704, 18, 10), MODBUS_BAD_ADDRESS);
	assert_int_equal(put1(124, 15, 10), MODBUS_BAD_ADDRESS);
	assert_int_equal(chain_get_u32(&battery.chain, 704, 31), 0xFFFFFFFF);
	assert_int_equal(chain_get_u32(&battery.chain, 704, 33), 0xFFFFFFFF);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 15), 0xFFFF);
	assert_int_equal(put2(704, 24, 10000), MODBUS_OK);
	assert_int_equal(put1(704, 23, 1), MODBUS_OK);
	assert_int_equal(put1(704, 22, 1), MODBUS_OK);
	run(120);
	near(home.battery.power_w, -1000, 0.1);
}

static void test_124_control(void **state)
{
	static const struct {
		const char *name;
		int mode, in, out; /* percent */
		double load, pv, want;
	} ROWS[] = {
		{ "automatic", 0, 100, 100, 1000, 0, -1000 },
		{ "limits without their bits do nothing", 0, 0, 0, 1000, 0, -1000 },
		{ "hold", 3, 0, 0, 1000, 0, 0 },
		{ "no discharge, sun may charge", 2, 100, 0, 1000, 3000, 2000 },
		{ "no discharge", 2, 100, 0, 1000, 0, 0 },
		{ "no charge", 1, 0, 100, 0, 3000, 0 },
		{ "forced charge by a negative discharge limit", 3, 100, -50, 1000, 0, 2500 },
		{ "forced discharge by a negative charge limit", 3, -40, 100, 100, 0, -2000 },
		{ "half a charge limit", 1, 50, 100, 0, 9000, 2500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		build(BATTERY_124, false, false);
		home.load_set_w = ROWS[i].load;
		home.pv_set_w = ROWS[i].pv;
		assert_int_equal(put1(124, 15, 20), MODBUS_OK);
		assert_int_equal(put1(124, 12, ROWS[i].out * 100), MODBUS_OK);
		assert_int_equal(put1(124, 13, ROWS[i].in * 100), MODBUS_OK);
		assert_int_equal(put1(124, 5, ROWS[i].mode), MODBUS_OK);
		run(4);
		if (fabs(home.battery.power_w - ROWS[i].want) > 0.1)
			print_error("%s\n", ROWS[i].name);
		near(home.battery.power_w, ROWS[i].want, 0.1);
		run(20);
		if (ROWS[i].mode == 0)
			continue;
		assert_int_equal(chain_get_u16(&battery.chain, 124, 5), 0); /* forgotten */
		assert_int_equal(chain_get_i16(&battery.chain, 124, 12), 10000);
		assert_int_equal(chain_get_i16(&battery.chain, 124, 13), 10000);
		near(home.battery.power_w, fmax(-5000, fmin(5000, ROWS[i].pv - ROWS[i].load)), 0.1);
	}
}

static void test_percent_reserve_and_switches(void **state)
{
	(void)state;
	build(BATTERY_BOTH, false, false);
	assert_int_equal(put1(704, 23, 0), MODBUS_OK);
	assert_int_equal(put1(704, 28, -500), MODBUS_OK); /* -50 % of WMax: charge */
	assert_int_equal(put1(704, 22, 1), MODBUS_OK);
	run(3);
	near(home.battery.power_w, 2500, 0.1);
	assert_int_equal(put1(702, 34, 1200), MODBUS_OK); /* a lower rating binds the order */
	run(3);
	near(home.battery.power_w, 1200, 0.1);
	assert_int_equal(put1(704, 28, 1000), MODBUS_OK);
	assert_int_equal(put1(704, 15, 300), MODBUS_OK); /* 30 % injection limit */
	assert_int_equal(put1(704, 14, 1), MODBUS_OK);
	run(3);
	near(home.battery.power_w, -1500, 0.1);
	assert_int_equal(put1(802, 10, 800), MODBUS_OK); /* reserve above the state of charge; one value, two registers */
	run(3);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 7), 8000);
	near(home.battery.power_w, 0, 0.1);
	assert_int_equal(put1(124, 7, 1000), MODBUS_OK);
	assert_int_equal(chain_get_u16(&battery.chain, 802, 10), 100);
	assert_int_equal(put1(802, 50, 2), MODBUS_OK); /* disconnect */
	run(3);
	near(home.battery.power_w, 0, 0.1);
	assert_int_equal(chain_get_u16(&battery.chain, 802, 22), 1);
}

static void test_scale_factors(void **state)
{
	(void)state;
	build(BATTERY_BOTH, false, false);
	start_704(1234, 0);
	run(3);
	assert_int_equal(chain_get_i16(&battery.chain, 103, 15), -1);
	assert_int_equal(chain_get_i16(&battery.chain, 103, 14), 12340);
	assert_int_equal(chain_get_i16(&battery.chain, 701, 10), 1234);
	assert_int_equal(put2(704, 24, 45000), MODBUS_OK);
	run(3);
	assert_int_equal(chain_get_i16(&battery.chain, 103, 15), 0); /* moves with the power */
	assert_int_equal(chain_get_i16(&battery.chain, 103, 14), 4500);
	storage_soc_set(&home.battery, 62.5);
	battery_step(&battery, &home, 0, false);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 8), 6250);
	assert_int_equal(chain_get_u16(&battery.chain, 713, 4), 625);
	assert_int_equal(chain_get_u16(&battery.chain, 802, 11), 625);
	assert_int_equal(chain_get_u16(&battery.chain, 713, 2), 13500);
	assert_int_equal(chain_get_i16(&battery.chain, 802, 47), 4737); /* discharge positive, DC */
}

static void test_pv_curtailment_reverts(void **state)
{
	uint16_t at;

	(void)state;
	build(BATTERY_124, false, false);
	at = (uint16_t)(40000 + walk(&pv.chain, 123));
	home.pv_set_w = 6000;
	assert_int_equal(SUNSPEC_PV_OPS.write(&pv, 16, (uint16_t)(at + 5), 5, (uint16_t[]){ 250, 0, 10, 0, 1 }), MODBUS_OK);
	run(5);
	near(home.pv_w, 1500, 0.1);
	assert_int_equal(chain_get_u16(&pv.chain, 103, 38), 5); /* throttled */
	run(6);
	near(home.pv_w, 6000, 0.1);
	assert_int_equal(chain_get_u16(&pv.chain, 123, 9), 0);
	assert_int_equal(chain_get_u16(&pv.chain, 103, 38), 4);
}

/* Fed before the time is over, the limit holds. Another hand's limit has no time, and ends by hand. */
static void test_pv_limit_fed_and_foreign(void **state)
{
	uint16_t at;

	(void)state;
	build(BATTERY_124, false, false);
	at = (uint16_t)(40000 + walk(&pv.chain, 123));
	home.pv_set_w = 6000;
	assert_int_equal(SUNSPEC_PV_OPS.write(&pv, 16, (uint16_t)(at + 5), 5, (uint16_t[]){ 250, 0, 10, 0, 1 }), MODBUS_OK);
	for (int i = 0; i < 5; i++) {
		run(8);
		near(home.pv_w, 1500, 0.1);
		assert_int_equal(SUNSPEC_PV_OPS.write(&pv, 16, (uint16_t)(at + 7), 1, (uint16_t[]){ 10 }), MODBUS_OK);
	}
	sunspec_pv_limit(&pv, 40);
	run(60);
	near(home.pv_w, 2400, 0.1);
	sunspec_pv_limit(&pv, NAN);
	run(1);
	near(home.pv_w, 6000, 0.1);
}

/* One reserve behind both registers, honoured by the battery's own control and by orders alike. */
static void test_reserve_by_another_hand(void **state)
{
	(void)state;
	build(BATTERY_BOTH, false, false);
	storage_soc_set(&home.battery, 50);
	home.load_set_w = 1000;
	run(5);
	near(home.battery.power_w, -1000, 1);
	sunspec_battery_reserve(&battery, 60);
	run(3);
	near(home.battery.power_w, 0, 1);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 7), 6000);
	assert_int_equal(chain_get_u16(&battery.chain, 802, 10), 600);
	near(home.grid_w, 1000, 1); /* and nothing charges from the grid to reach it */
	sunspec_battery_reserve(&battery, 20);
	run(3);
	near(home.battery.power_w, -1000, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain_layout),
		cmocka_unit_test(test_markers_and_reads),
		cmocka_unit_test(test_refused_writes),
		cmocka_unit_test(test_704_reverts_unless_refreshed),
		cmocka_unit_test(test_704_reverts_to_what_was_written),
		cmocka_unit_test(test_704_never_reverts_with_zero),
		cmocka_unit_test(test_no_reversion),
		cmocka_unit_test(test_124_control),
		cmocka_unit_test(test_percent_reserve_and_switches),
		cmocka_unit_test(test_scale_factors),
		cmocka_unit_test(test_pv_curtailment_reverts),
		cmocka_unit_test(test_pv_limit_fed_and_foreign),
		cmocka_unit_test(test_reserve_by_another_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
