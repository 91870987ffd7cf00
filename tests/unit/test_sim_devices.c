/* Charger and meter maps of the simulated home, and the rack around all devices: rules, exceptions, faults. */
#include "sim/fixture.h"

static int keba_fc6(uint16_t address, uint16_t v)
{
	return KEBA_OPS.write(&box, 6, address, 1, &v);
}

static uint32_t keba_value(uint16_t address)
{
	uint16_t w[2] = { 0 };

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
		{ "5.9 A", false, 5004, 5999, MODBUS_BAD_VALUE },
		{ "6 A", false, 5004, 6000, MODBUS_OK },
		{ "63 A", false, 5004, 63000, MODBUS_OK },
		{ "more", false, 5004, 63001, MODBUS_BAD_VALUE },
		{ "P30: 0 A", false, 5004, 0, MODBUS_BAD_VALUE },
		{ "P40: 0 A", true, 5004, 0, MODBUS_OK },
		{ "P30: enable", false, 5014, 0, MODBUS_OK },
		{ "P40: enable", true, 5014, 0, MODBUS_BAD_ADDRESS },
		{ "failsafe 0 A", false, 5016, 0, MODBUS_OK },
		{ "failsafe 3 A", false, 5016, 3000, MODBUS_BAD_VALUE },
		{ "timer", false, 5018, 600, MODBUS_OK },
		{ "timer too long", false, 5018, 601, MODBUS_BAD_VALUE },
		{ "phases unasked", false, 5052, 0, MODBUS_FAILURE },
		{ "a measurement", false, 1000, 3, MODBUS_BAD_ADDRESS },
		{ "nothing there", false, 5005, 0, MODBUS_BAD_ADDRESS },
	};
	uint16_t w[8] = { 0 };

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
	assert_int_equal(KEBA_OPS.write(&box, 16, 5004, 1, (uint16_t[]){ 8000 }), MODBUS_BAD_FUNCTION);
	assert_int_equal(keba_value(1016) / 100000, 3);
	assert_int_equal(keba_fc6(5050, 3), MODBUS_OK);
	assert_int_equal(keba_fc6(5052, 0), MODBUS_OK);
	assert_int_equal(keba_value(1552), 0);
	build(BATTERY_124, false, true);
	assert_int_equal(keba_value(1016) / 1000000, 4);
	assert_int_equal(keba_value(1552), 3);
}

/* Without current phases change at will; under current the box goes out of order until somebody sees to it. */
static void test_keba_phases(void **state)
{
	(void)state;
	build(BATTERY_124, false, false);
	assert_int_equal(keba_fc6(5050, 3), MODBUS_OK);
	assert_int_equal(keba_fc6(5004, 10000), MODBUS_OK);
	car_plug(&home.car, true);
	run(5);
	assert_int_equal(keba_value(1020), 6900000);
	assert_int_equal(keba_fc6(5014, 0), MODBUS_OK);
	run(5);
	assert_int_equal(keba_fc6(5052, 0), MODBUS_OK);
	assert_int_equal(keba_fc6(5052, 0), MODBUS_OK); /* said twice, moved once */
	assert_int_equal(keba_fc6(5014, 1), MODBUS_OK);
	run(5);
	assert_int_equal(keba_value(1552), 0);
	assert_int_equal(keba_value(1020), 2300000);
	assert_int_equal(keba_value(1008), 10000);
	assert_int_equal(keba_value(1010), 0);
	assert_int_equal(box.phase_switches, 1);
	assert_int_equal(box.switched_hot, 0);

	assert_int_equal(keba_fc6(5052, 1), MODBUS_OK); /* under current */
	run(5);
	assert_int_equal(box.switched_hot, 1);
	assert_int_equal(keba_value(1000), 4);
	assert_int_equal(keba_value(1020), 0);
	assert_int_equal(keba_value(1100), 0);
	keba_service(&box, 3, false, false);
	run(5);
	assert_int_equal(keba_value(1020), 6900000);

	assert_int_equal(keba_fc6(5052, 0), MODBUS_OK); /* no contactor: it says one, and nothing moves */
	run(5);
	assert_int_equal(keba_value(1552), 0);
	assert_int_equal(keba_value(1020), 6900000);
	assert_int_equal(box.switched_hot, 1);
	keba_service(&box, 1, true, false);
	assert_int_equal(keba_fc6(5052, 1), MODBUS_FAILURE);
	assert_int_equal(keba_value(1550), 1);
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
	uint16_t w[2] = { 0 };
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

static int ask(uint8_t unit, const uint8_t *pdu, int len, uint8_t *out)
{
	struct fault fault;

	return rack_answer(&rack, &(struct rack_request){ unit, pdu, len, 1000 }, out, &fault);
}

static void test_rack_pdus(void **state)
{
	static const struct {
		const char *name;
		uint8_t unit, pdu[16];
		int len, want_len, want_code; /* code -1 = a normal answer */
	} ROWS[] = {
		{ "absent unit", 7, { 3, 0x9C, 0x40, 0, 2 }, 5, 0, 0 },
		{ "a read", 1, { 3, 0x9C, 0x40, 0, 2 }, 5, 6, -1 },
		{ "no function the device knows", 1, { 43, 14, 1, 0 }, 4, 2, 1 },
		{ "coils", 1, { 1, 0, 0, 0, 8 }, 5, 2, 1 },
		{ "a lone function code", 1, { 3 }, 1, 2, 3 },
		{ "a lone write", 1, { 16 }, 1, 2, 3 },
		{ "zero registers", 1, { 3, 0x9C, 0x40, 0, 0 }, 5, 2, 3 },
		{ "126 registers", 1, { 3, 0x9C, 0x40, 0, 126 }, 5, 2, 3 },
		{ "past 65535", 1, { 3, 0xFF, 0xFF, 0, 2 }, 5, 2, 2 },
		{ "write count and bytes disagree", 1, { 16, 0x9C, 0x40, 0, 1, 4, 0, 1 }, 8, 2, 3 },
		{ "write cut short", 1, { 16, 0x9C, 0x40, 0, 2, 4, 0, 1 }, 8, 2, 3 },
		{ "write past 65535", 1, { 16, 0xFF, 0xFF, 0, 2, 4, 0, 1, 0, 1 }, 10, 2, 3 },
		{ "a good write", 255, { 6, 0x13, 0x8C, 0x1F, 0x40 }, 5, 5, -1 },
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
	const uint8_t read[] = { 3, 0x9C, 0x40, 0, 2 }, write[] = { 6, 0x9C, 0x40, 0, 2 };
	struct rack_unit *u;
	struct fault f = { .kind = FAULT_EXCEPTION, .code = 6, .on = FAULT_ON_WRITE };
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
	f = (struct fault){ .kind = FAULT_SILENT, .until_ms = (int64_t)(home.now_s * 1000) + 1500 };
	rack_fault_set(u, &f);
	assert_int_equal(ask(1, read, 5, out), 0);
	run(2);
	assert_int_equal(ask(1, read, 5, out), 6); /* its time is up */
	f = (struct fault){ .kind = FAULT_FREEZE };
	rack_fault_set(u, &f);
	soc = chain_get_u16(&battery.chain, 124, 8);
	storage_soc_set(&home.battery, 20);
	run(1);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 8), soc);
	f = (struct fault){ .kind = FAULT_BAD_SOC, .raw = 65083 };
	rack_fault_set(u, &f);
	run(1);
	assert_int_equal(chain_get_u16(&battery.chain, 124, 8), 65083);
	assert_int_equal(chain_get_u16(&battery.chain, 802, 11), 65083);
	rack_fault_set(u, &(struct fault){ .kind = FAULT_NONE });
	run(1);
	near(chain_get_u16(&battery.chain, 124, 8), 2000, 10);
	assert_int_equal(fault_kind_by_name("drip"), FAULT_DRIP);
	assert_int_equal(fault_kind_by_name("none"), FAULT_NONE);
	assert_int_equal(fault_kind_by_name("nonsense"), FAULT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keba_rules), cmocka_unit_test(test_keba_car_and_failsafe),
		cmocka_unit_test(test_keba_phases),
		cmocka_unit_test(test_meter),      cmocka_unit_test(test_rack_pdus),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
