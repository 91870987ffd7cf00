/* Register maps of the simulated devices: layout, markers, what may be written, and timers that really run down. */
#include "sim/car.c"
#include "sim/house.c"
#include "sim/keba.c"
#include "sim/rack.c"
#include "sim/sdm630.c"
#include "sim/storage.c"
#include "sim/sunspec_battery.c"
#include "sim/sunspec_chain.c"
#include "sim/sunspec_pv.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct house home;
static struct sunspec_battery battery;
static struct sunspec_pv pv;
static struct keba box;
static struct sdm630 meter;
static struct rack rack;

static void near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		print_error("got %.6f, want %.6f +- %g\n", got, want, tolerance);
	assert_true(fabs(got - want) <= tolerance);
}

static void build(enum battery_models models, bool no_reversion, bool p40)
{
	struct house_options o = house_defaults();
	struct sunspec_battery_options b = {.base = 40000, .models = models, .no_reversion = no_reversion};

	o.noise_w = 0;
	house_init(&home, &o);
	home.load_set_w = 0;
	home.pv_set_w = 0;
	sunspec_battery_init(&battery, &b, &o.battery);
	sunspec_pv_init(&pv, 40000, 6000);
	keba_init(&box, p40);
	sdm630_init(&meter, 1);
	memset(&rack, 0, sizeof(rack));
	assert_true(rack_add(&rack, 1, &SUNSPEC_BATTERY_OPS, &battery));
	assert_true(rack_add(&rack, 2, &SUNSPEC_PV_OPS, &pv));
	assert_true(rack_add(&rack, 10, &SDM630_OPS, &meter));
	assert_true(rack_add(&rack, 255, &KEBA_OPS, &box));
	assert_false(rack_add(&rack, 255, &KEBA_OPS, &box));
}

static void run(double seconds)
{
	for (double t = 0; t < seconds - 1e-9; t += 0.1) {
		house_step(&home, 0.1);
		rack_step(&rack, &home, 0.1, (int64_t)(home.now_s * 1000));
	}
}

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
	return SUNSPEC_BATTERY_OPS.write(&battery, 16, (uint16_t)(40000 + walk(&battery.chain, model) + offset), count, words);
}

static int put1(uint16_t model, int offset, int value)
{
	return put(model, offset, 1, &(uint16_t){(uint16_t)value});
}

static int put2(uint16_t model, int offset, int32_t value)
{
	return put(model, offset, 2, (uint16_t[]){(uint16_t)((uint32_t)value >> 16), (uint16_t)value});
}

static void test_chain_layout(void **state)
{
	static const struct {
		enum battery_models models;
		int n;
		uint16_t id[10], length[10];
	} ROWS[] = {
		{BATTERY_BOTH, 10, {1, 103, 120, 64110, 124, 701, 702, 704, 713, 802}, {66, 50, 26, 12, 24, 153, 50, 65, 7, 62}},
		{BATTERY_124, 6, {1, 103, 120, 64110, 124, 802}, {66, 50, 26, 12, 24, 62}},
		{BATTERY_704, 7, {1, 64110, 701, 702, 704, 713, 802}, {66, 12, 153, 50, 65, 7, 62}},
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
		{"a measurement", 124, 8, 1, 5000, MODBUS_BAD_ADDRESS},
		{"a scale factor", 704, 55, 1, 0, MODBUS_BAD_ADDRESS},
		{"the model id", 704, 0, 1, 1, MODBUS_BAD_ADDRESS},
		{"the device address", 1, 66, 1, 5, MODBUS_BAD_ADDRESS},
		{"a point that is not implemented", 124, 6, 1, 5, MODBUS_BAD_ADDRESS},
		{"a timer's remainder", 704, 33, 2, 5, MODBUS_BAD_ADDRESS},
		{"half a number", 704, 24, 1, 5, MODBUS_BAD_ADDRESS},
		{"the other half", 704, 25, 1, 5, MODBUS_BAD_ADDRESS},
		{"a vendor's model", 64110, 2, 1, 5, MODBUS_BAD_ADDRESS},
		{"a neighbour that is read only", 124, 7, 2, 5, MODBUS_BAD_ADDRESS},
		{"an unknown enum member", 704, 22, 1, 2, MODBUS_BAD_VALUE},
		{"bits nobody has", 124, 5, 1, 4, MODBUS_BAD_VALUE},
		{"more than 100 %", 124, 13, 1, 10001, MODBUS_BAD_VALUE},
		{"less than -100 %", 124, 12, 1, -10001, MODBUS_BAD_VALUE},
		{"a megawatt and more", 704, 24, 2, 1000001, MODBUS_BAD_VALUE},
	};
	const uint16_t mixed[] = {3, 0xFFFF, 0};
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
		{"automatic", 0, 100, 100, 1000, 0, -1000},
		{"limits without their bits do nothing", 0, 0, 0, 1000, 0, -1000},
		{"hold", 3, 0, 0, 1000, 0, 0},
		{"no discharge, sun may charge", 2, 100, 0, 1000, 3000, 2000},
		{"no discharge", 2, 100, 0, 1000, 0, 0},
		{"no charge", 1, 0, 100, 0, 3000, 0},
		{"forced charge by a negative discharge limit", 3, 100, -50, 1000, 0, 2500},
		{"forced discharge by a negative charge limit", 3, -40, 100, 100, 0, -2000},
		{"half a charge limit", 1, 50, 100, 0, 9000, 2500},
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

static int keba_fc6(uint16_t address, uint16_t v)
{
	return KEBA_OPS.write(&box, 6, address, 1, &v);
}

static uint32_t keba_value(uint16_t address)
{
	uint16_t w[2];

	assert_int_equal(KEBA_OPS.read(&box, 3, address, 2, w), MODBUS_OK);
	return words_get_u32(w);
}

static void test_keba_rules(void **state)
{
	static const struct {
		const char *name;
		bool p40;
		uint16_t address, value;
		int want;
	} ROWS[] = {
		{"5.9 A", false, 5004, 5999, MODBUS_BAD_VALUE}, {"6 A", false, 5004, 6000, MODBUS_OK},
		{"63 A", false, 5004, 63000, MODBUS_OK},	{"more", false, 5004, 63001, MODBUS_BAD_VALUE},
		{"P30: 0 A", false, 5004, 0, MODBUS_BAD_VALUE}, {"P40: 0 A", true, 5004, 0, MODBUS_OK},
		{"P30: enable", false, 5014, 0, MODBUS_OK},	{"P40: enable", true, 5014, 0, MODBUS_BAD_ADDRESS},
		{"failsafe 0 A", false, 5016, 0, MODBUS_OK},	{"failsafe 3 A", false, 5016, 3000, MODBUS_BAD_VALUE},
		{"timer", false, 5018, 600, MODBUS_OK},		{"timer too long", false, 5018, 601, MODBUS_BAD_VALUE},
		{"phases unasked", false, 5052, 0, MODBUS_FAILURE}, {"a measurement", false, 1000, 3, MODBUS_BAD_ADDRESS},
		{"nothing there", false, 5005, 0, MODBUS_BAD_ADDRESS},
	};
	uint16_t w[8] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		build(BATTERY_124, false, ROWS[i].p40);
		if (keba_fc6(ROWS[i].address, ROWS[i].value) != ROWS[i].want)
			fail_msg("%s", ROWS[i].name);
	}
	build(BATTERY_124, false, false);
	assert_int_equal(KEBA_OPS.read(&box, 3, 1000, 2, w), MODBUS_OK);
	assert_int_equal(KEBA_OPS.read(&box, 3, 1000, 1, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(KEBA_OPS.read(&box, 3, 1008, 4, w), MODBUS_BAD_ADDRESS); /* no block reads */
	assert_int_equal(KEBA_OPS.read(&box, 3, 1009, 2, w), MODBUS_BAD_ADDRESS); /* across two values */
	assert_int_equal(KEBA_OPS.read(&box, 3, 5004, 2, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(KEBA_OPS.read(&box, 4, 1000, 2, w), MODBUS_BAD_FUNCTION);
	assert_int_equal(KEBA_OPS.write(&box, 16, 5004, 1, (uint16_t[]){8000}), MODBUS_BAD_FUNCTION);
	assert_int_equal(keba_value(1016) / 100000, 3);
	assert_int_equal(keba_fc6(5050, 3), MODBUS_OK);
	assert_int_equal(keba_fc6(5052, 0), MODBUS_OK);
	assert_int_equal(keba_value(1552), 0);
	build(BATTERY_124, false, true);
	assert_int_equal(keba_value(1016) / 1000000, 4);
	assert_int_equal(keba_value(1552), 3);
}

static void test_keba_car_and_failsafe(void **state)
{
	(void)state;
	build(BATTERY_124, false, false);
	run(0.1);
	assert_int_equal(keba_value(1000), 1);
	assert_int_equal(keba_fc6(5004, 10000), MODBUS_OK);
	car_plug(&home.car, true);
	run(0.1);
	assert_int_equal(keba_value(1004), 7);
	assert_int_equal(keba_value(1000), 2);
	run(5);
	assert_int_equal(keba_value(1000), 3);
	assert_int_equal(keba_value(1020), 6900000);
	assert_int_equal(keba_value(1008), 10000);
	assert_int_equal(keba_fc6(5016, 6000), MODBUS_OK);
	assert_int_equal(keba_fc6(5018, 10), MODBUS_OK);
	run(8);
	assert_int_equal(keba_fc6(5018, 10), MODBUS_OK); /* keep-alive */
	run(9.5);
	assert_int_equal(keba_value(1100), 10000);
	run(4);
	assert_int_equal(keba_value(1100), 6000);
	assert_int_equal(keba_value(1020), 4140000);
	assert_int_equal(keba_fc6(5018, 0), MODBUS_OK); /* anybody writes: the order holds again, and the timer is off */
	run(30);
	assert_int_equal(keba_value(1020), 6900000);
	assert_int_equal(keba_fc6(5014, 0), MODBUS_OK);
	run(3);
	assert_int_equal(keba_value(1000), 5);
	assert_int_equal(keba_value(1020), 0);
	assert_true(keba_value(1502) > 0);
}

static float meter_float(uint16_t address)
{
	uint16_t w[2];
	uint32_t raw;
	float f;

	assert_int_equal(SDM630_OPS.read(&meter, 4, address, 2, w), MODBUS_OK);
	raw = words_get_u32(w);
	memcpy(&f, &raw, sizeof(f));
	return f;
}

static void test_meter(void **state)
{
	uint16_t w[125];

	(void)state;
	build(BATTERY_124, false, false);
	home.battery.order.off = true;
	battery.order_due = false;
	home.load_set_w = 3000;
	run(36);
	near(meter_float(52), 3000, 0.01);
	near(meter_float(12) + meter_float(14) + meter_float(16), 3000, 0.01);
	near(meter_float(0), 230, 1.1);
	near(meter_float(70), 50, 0.03);
	near(meter_float(72), 0.03, 0.001);
	near(meter_float(342), 0.03, 0.001);
	home.pv_set_w = 5000;
	run(36);
	near(meter_float(52), -2000, 0.01);
	near(meter_float(74), 0.02, 0.001);
	assert_int_equal(SDM630_OPS.read(&meter, 4, 0, 80, w), MODBUS_OK);
	assert_int_equal(SDM630_OPS.read(&meter, 4, 0, 82, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SDM630_OPS.read(&meter, 4, 78, 4, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SDM630_OPS.read(&meter, 4, 1, 2, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SDM630_OPS.read(&meter, 3, 0, 2, w), MODBUS_BAD_ADDRESS);
	assert_int_equal(SDM630_OPS.write(&meter, 6, 0, 1, w), MODBUS_BAD_FUNCTION);
}

static void test_pv_curtailment_reverts(void **state)
{
	uint16_t at;

	(void)state;
	build(BATTERY_124, false, false);
	at = (uint16_t)(40000 + walk(&pv.chain, 123));
	home.pv_set_w = 6000;
	assert_int_equal(SUNSPEC_PV_OPS.write(&pv, 16, (uint16_t)(at + 5), 5, (uint16_t[]){250, 0, 10, 0, 1}), MODBUS_OK);
	run(5);
	near(home.pv_w, 1500, 0.1);
	run(6);
	near(home.pv_w, 6000, 0.1);
	assert_int_equal(chain_get_u16(&pv.chain, 123, 9), 0);
}

static int ask(uint8_t unit, const uint8_t *pdu, int len, uint8_t *out)
{
	struct fault fault;

	return rack_answer(&rack, unit, pdu, len, 1000, out, &fault);
}

static void test_rack_pdus(void **state)
{
	static const struct {
		const char *name;
		uint8_t unit, pdu[16];
		int len, want_len, want_code; /* code -1 = a normal answer */
	} ROWS[] = {
		{"absent unit", 7, {3, 0x9C, 0x40, 0, 2}, 5, 0, 0},
		{"a read", 1, {3, 0x9C, 0x40, 0, 2}, 5, 6, -1},
		{"no function the device knows", 1, {43, 14, 1, 0}, 4, 2, 1},
		{"coils", 1, {1, 0, 0, 0, 8}, 5, 2, 1},
		{"a lone function code", 1, {3}, 1, 2, 3},
		{"a lone write", 1, {16}, 1, 2, 3},
		{"zero registers", 1, {3, 0x9C, 0x40, 0, 0}, 5, 2, 3},
		{"126 registers", 1, {3, 0x9C, 0x40, 0, 126}, 5, 2, 3},
		{"past 65535", 1, {3, 0xFF, 0xFF, 0, 2}, 5, 2, 2},
		{"write count and bytes disagree", 1, {16, 0x9C, 0x40, 0, 2, 2, 0, 1}, 8, 2, 3},
		{"write cut short", 1, {16, 0x9C, 0x40, 0, 2, 4, 0, 1}, 8, 2, 3},
		{"write past 65535", 1, {16, 0xFF, 0xFF, 0, 2, 4, 0, 1, 0, 1}, 10, 2, 3},
		{"a good write", 255, {6, 0x13, 0x8C, 0x1F, 0x40}, 5, 5, -1},
	};
	uint8_t out[PDU_MAX];

	(void)state;
	build(BATTERY_124, false, false);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int len = ask(ROWS[i].unit, ROWS[i].pdu, ROWS[i].len, out);

		if (len != ROWS[i].want_len)
			fail_msg("%s: length %d", ROWS[i].name, len);
		if (len == 2 && (out[0] != (ROWS[i].pdu[0] | 0x80) || out[1] != ROWS[i].want_code))
			fail_msg("%s: exception %d", ROWS[i].name, out[1]);
		if (len > 2)
			assert_int_equal(out[0], ROWS[i].pdu[0]);
	}
	assert_int_equal(rack.n_notes, 1);
	assert_int_equal(rack.note[0].unit, 255);
	assert_int_equal(rack.note[0].address, 5004);
	assert_int_equal(rack.note[0].words[0], 8000);
	assert_int_equal(rack.note[0].t_us, 1000);
}

static void test_faults(void **state)
{
	const uint8_t read[] = {3, 0x9C, 0x40, 0, 2}, write[] = {6, 0x9C, 0x40, 0, 2};
	struct rack_unit *u;
	struct fault f = {.kind = FAULT_EXCEPTION, .code = 6, .on = FAULT_ON_WRITE};
	uint8_t out[PDU_MAX];
	uint16_t soc;

	(void)state;
	build(BATTERY_124, false, false);
	u = rack_find(&rack, 1);
	run(1);
	rack_fault_set(u, &f);
	assert_int_equal(ask(1, read, 5, out), 6);
	assert_int_equal(ask(1, write, 5, out), 2);
	assert_int_equal(out[1], 6);
	assert_int_equal(rack.note[0].exception, 6);
	f = (struct fault){.kind = FAULT_SILENT, .until_ms = (int64_t)(home.now_s * 1000) + 1500};
	rack_fault_set(u, &f);
	assert_int_equal(ask(1, read, 5, out), 0);
	run(2);
	assert_int_equal(ask(1, read, 5, out), 6); /* its time is up */
	f = (struct fault){.kind = FAULT_FREEZE};
	rack_fault_set(u, &f);
	soc = chain_get_u16(&battery.chain, 124, 8);
	storage_soc_set(&home.battery, 20);
	run(1);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 8), soc);
	f = (struct fault){.kind = FAULT_BAD_SOC, .raw = 65083};
	rack_fault_set(u, &f);
	run(1);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 8), 65083);
	assert_int_equal(chain_get_u16(&battery.chain, 802, 11), 65083);
	rack_fault_set(u, &(struct fault){.kind = FAULT_NONE});
	run(1);
	near(chain_get_u16(&battery.chain, 124, 8), 2000, 10);
	assert_int_equal(fault_kind_by_name("drip"), FAULT_DRIP);
	assert_int_equal(fault_kind_by_name("none"), FAULT_NONE);
	assert_int_equal(fault_kind_by_name("nonsense"), FAULT_NONE);
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
		cmocka_unit_test(test_keba_rules),
		cmocka_unit_test(test_keba_car_and_failsafe),
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_pv_curtailment_reverts),
		cmocka_unit_test(test_rack_pdus),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
