/* One phase or three, at a KEBA: only when the profile and the box allow it, never under current, never sooner than the
 * dwell; read back; what goes wrong ends in the order that was there before. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define DWELL_MS 300000 /* as the profile has it */

enum box { OBEYS, NO_CONTACTOR, STUCK, GOES_ON, WAITS /* the car takes nothing yet */ };

struct rig {
	struct fake_unit u;
	struct fake_run run;
	struct driver_options o;
	char *json;
	enum box box;
	bool p40, three, no_meter; /* no_meter: the power reads 0 */
	int switches, under_current; /* contactor strokes, and how many of them while current flowed */
};

static uint32_t now_ma(struct rig *r)
{
	return r->p40 || *fake_reg(&r->u, 5014) ? *fake_reg(&r->u, 5004) : 0;
}

static void box_write(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct rig *r = u->context;
	uint32_t ma;

	(void)count;
	(void)now_ms;
	if (address == 5018)
		fake_set32(u, 1602, *fake_reg(u, 5018));
	if (address == 5050)
		fake_set32(u, 1550, *fake_reg(u, 5050));
	if (address == 5052) {
		r->switches++;
		r->under_current += fake_reg(u, 1008)[1] > 0;
		if (r->box != STUCK)
			fake_set32(u, 1552, r->p40 ? (*fake_reg(u, 5052) ? 3 : 1) : *fake_reg(u, 5052));
		r->three = r->box == OBEYS ? *fake_reg(u, 5052) != 0 : r->three;
	}
	ma = now_ma(r);
	fake_set32(u, 1100, ma);
	if (r->box == GOES_ON && ma == 0)
		return; /* the car does not stop */
	if (r->box == WAITS)
		ma = 0;
	fake_set32(u, 1020, r->no_meter ? 0 : ma * 230 * (r->three ? 3 : 1));
	fake_set32(u, 1000, ma > 0 ? 3 : 5);
	for (uint16_t i = 0; i < 3; i++)
		fake_set32(u, (uint16_t)(1008 + 2 * i), i == 0 || r->three ? ma : 0);
}

static struct rig *rig_new(bool p40, int source)
{
	static const uint16_t READ[] = { 1000, 1004, 1006, 1008, 1010, 1012, 1014, 1016, 1018, 1020, 1036,
					 1040, 1042, 1044, 1100, 1110, 1500, 1502, 1550, 1552, 1600, 1602 };
	static const uint16_t WRITE[] = { 5004, 5014, 5018, 5050, 5052 };
	struct rig *r = calloc(1, sizeof(*r));
	size_t len;

	assert_non_null(r);
	r->p40 = p40;
	r->three = true;
	r->u.unit = 255;
	r->u.context = r;
	r->u.on_write = box_write;
	for (size_t i = 0; i < sizeof(READ) / sizeof(READ[0]); i++)
		fake_zero(&r->u, false, READ[i], 2);
	for (size_t i = 0; i < sizeof(WRITE) / sizeof(WRITE[0]); i++)
		fake_zero(&r->u, false, WRITE[i], 1);
	*fake_reg(&r->u, 5014) = 1;
	fake_set32(&r->u, 1000, 2);
	fake_set32(&r->u, 1004, 7);
	fake_set32(&r->u, 1016, p40 ? 4030001 : 305021);
	for (uint16_t i = 0; i < 3; i++)
		fake_set32(&r->u, (uint16_t)(1040 + 2 * i), 230);
	fake_set32(&r->u, 1110, 16000);
	fake_set32(&r->u, 1550, (uint32_t)source);
	fake_set32(&r->u, 1552, p40 ? 3 : 1);
	fake_set32(&r->u, 1600, 6000);
	r->o = fake_options("keba-p30-p40", 255);
	r->json = fake_profile("keba-p30-p40", &len);
	r->o.profile_json = r->json;
	r->o.profile_json_len = len;
	return r;
}

static void run(struct rig *r, int64_t ms)
{
	fake_until(&r->run, r->run.now_ms + ms);
}

static void rig_start(struct rig *r)
{
	if (fake_start(&r->run, &DRIVER_PROFILE, &r->o, &r->u))
		fail_msg("%s", r->run.err.text);
	run(r, 15000);
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r->json);
	free(r);
}

/* As the chain does: the same order again every second. */
static void aim(struct rig *r, double w, int phases, int64_t ms)
{
	for (int64_t left_ms = ms; left_ms > 0; left_ms -= 1000) {
		fake_aim(&r->run, (struct order){ .kind = ORDER_POWER, .w = w, .phases = phases });
		run(r, left_ms < 1000 ? left_ms : 1000);
	}
}

static int phases_told(const struct rig *r)
{
	return (int)r->run.state.f[F_CHARGER_PHASES].v;
}

static const struct {
	const char *name;
	bool p40, allow;
	int source, phases; /* phases: of the configuration */
	bool can;
} CAN[] = {
	{ "P30, Modbus switches", false, false, 3, 0, true },
	{ "P40, Modbus switches", true, false, 3, 0, true },
	{ "nobody switches: is there a contactor at all?", false, false, 0, 0, false },
	{ "nobody switches, the owner knows", false, true, 0, 0, true },
	{ "OCPP switches", false, true, 1, 0, false },
	{ "UDP switches", false, true, 4, 0, false },
	{ "one phase by the configuration", false, false, 3, 1, false },
	{ "three phases by the configuration", false, false, 3, 3, true },
};

static void test_who_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CAN) / sizeof(CAN[0]); i++) {
		struct rig *r = rig_new(CAN[i].p40, CAN[i].source);
		const struct device_caps *c = &r->run.state.caps;

		r->o.allow_unverified = CAN[i].allow;
		r->o.phases = CAN[i].phases;
		rig_start(r);
		if (c->switches_phases != CAN[i].can || c->phase_dwell_s != (CAN[i].can ? 300 : 0))
			fail_msg("%s: %d, %d s", CAN[i].name, c->switches_phases, c->phase_dwell_s);
		assert_int_equal(r->u.writes, 0);
		aim(r, 2000, 1, DWELL_MS + 60000);
		if (r->switches != CAN[i].can)
			fail_msg("%s: %d strokes", CAN[i].name, r->switches);
		assert_int_equal(*fake_reg(&r->u, 1551), CAN[i].can ? 3 : CAN[i].source);
		rig_stop(r);
	}
}

/* Charging on three phases, to one and back: no stroke under current, the current of the order behind it. */
static void test_there_and_back(void **state)
{
	(void)state;
	for (int p40 = 0; p40 < 2; p40++) {
		struct rig *r = rig_new(p40 != 0, 3);
		int64_t at_ms;

		rig_start(r);
		aim(r, 4140, 3, 60000);
		assert_true(r->run.state.f[F_CHARGER_POWER_W].v == 4140);
		aim(r, 2300, 1, 60000); /* it started less than the dwell ago: too little for three phases, so a pause */
		assert_int_equal(r->switches, 0);
		assert_true(r->run.state.f[F_CHARGER_POWER_W].v == 0);
		aim(r, 4140, 3, DWELL_MS);
		assert_true(r->run.state.f[F_CHARGER_POWER_W].v == 4140);

		fake_aim(&r->run, (struct order){ .kind = ORDER_POWER, .w = 2300, .phases = 1 });
		run(r, 3000);
		assert_string_equal(r->run.state.note, "changing to one phase");
		assert_int_equal(r->switches, 0);
		at_ms = r->run.now_ms;
		while (r->switches == 0 && r->run.now_ms < at_ms + 60000)
			run(r, 500);
		assert_in_range(r->run.now_ms - at_ms, 8000, 25000);
		assert_true(r->run.state.f[F_CHARGER_POWER_W].v == 0);
		run(r, 9000);
		assert_int_equal(now_ma(r), 0); /* the pause behind the stroke */
		run(r, 10000);
		assert_int_equal(phases_told(r), 1);
		assert_int_equal(now_ma(r), 10000);
		assert_string_equal(r->run.state.note, "");
		run(r, 30000);
		assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
		assert_true(r->run.state.verdict_w == 2300);
		assert_true(r->run.state.caps.min_w == 1380);

		aim(r, 6900, 3, 200000); /* the dwell: 16 A on one phase is all */
		assert_int_equal(r->switches, 1);
		assert_int_equal(now_ma(r), 16000);
		run(r, 150000);
		assert_int_equal(r->switches, 2);
		assert_int_equal(phases_told(r), 3);
		assert_int_equal(now_ma(r), 10000);
		assert_int_equal(r->under_current, 0);
		rig_stop(r);
	}
}

/* 0 = as it is; and what is there already is not asked for. */
static void test_nothing_to_do(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 0, DWELL_MS + 60000);
	aim(r, 6900, 3, 60000);
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE, .phases = 1 });
	run(r, 60000);
	assert_int_equal(r->switches, 0);
	assert_true(r->run.state.released);
	rig_stop(r);
}

static void test_a_release_before_the_stroke(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	aim(r, 2300, 1, 3000);
	assert_string_equal(r->run.state.note, "changing to one phase");
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	run(r, 4000);
	assert_true(r->run.state.released);
	assert_int_equal(now_ma(r), 6000);
	run(r, 120000);
	assert_int_equal(r->switches, 0);
	rig_stop(r);
}

/* Behind the stroke the read-back is all it waits for. */
static void test_a_release_behind_the_stroke(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	fake_aim(&r->run, (struct order){ .kind = ORDER_POWER, .w = 2300, .phases = 1 });
	for (int i = 0; i < 120 && r->switches == 0; i++)
		run(r, 500);
	assert_int_equal(r->switches, 1);
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	run(r, 7000);
	assert_true(r->run.state.released);
	assert_int_equal(now_ma(r), 6000);
	assert_int_equal(phases_told(r), 1); /* left as it stands */
	rig_stop(r);
}

static void test_a_change_of_mind(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	aim(r, 2300, 1, 3000);
	aim(r, 6900, 3, 5000);
	assert_int_equal(now_ma(r), 10000);
	run(r, 60000);
	assert_int_equal(r->switches, 0);
	rig_stop(r);
}

/* What is ordered while the phases change is what it goes on with. */
static void test_the_latest_order_counts(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	aim(r, 2300, 1, 5000);
	aim(r, 1610, 1, 60000);
	assert_int_equal(now_ma(r), 7000);
	aim(r, 0, 1, 20000);
	assert_int_equal(now_ma(r) && *fake_reg(&r->u, 5014), 0);
	rig_stop(r);
}

/* The car takes no notice of the pause: the contactor does not move, and the order it had goes on. */
static void test_current_that_does_not_end(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	r->box = GOES_ON;
	aim(r, 2300, 1, 65000);
	assert_string_equal(r->run.state.note, "changing to one phase");
	run(r, 30000);
	assert_int_equal(r->switches, 0);
	run(r, 200000); /* and not again before the dwell is over */
	assert_string_equal(r->run.state.note, "");
	r->box = OBEYS;
	r->u.on_write(&r->u, 5004, 1, r->run.now_ms);
	run(r, 200000);
	assert_int_equal(r->switches, 1);
	assert_int_equal(r->under_current, 0);
	rig_stop(r);
}

/* The car obeys at last: the one stroke comes then, and nothing flows. */
static void ends_without_current(struct rig *r)
{
	r->box = OBEYS;
	r->u.on_write(&r->u, 5004, 1, r->run.now_ms);
	aim(r, 2300, 1, 2 * DWELL_MS);
	assert_int_equal(r->switches, 1);
	assert_int_equal(r->under_current, 0);
	rig_stop(r);
}

/* A box without a meter shows 0 W; its currents are what counts. */
static void test_current_without_power(void **state)
{
	struct rig *r = rig_new(true, 3);

	(void)state;
	r->no_meter = true;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	r->box = GOES_ON;
	aim(r, 2300, 1, 60000);
	assert_int_equal(r->switches, 0);
	ends_without_current(r);
}

/* The car began behind the last reading, and no other comes: that nothing flowed before the pause proves nothing. */
static void test_readings_of_before_the_pause(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	r->box = WAITS;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	assert_true(r->run.state.f[F_CHARGER_POWER_W].v == 0);
	for (int address = 1008; address <= 1020; address += address < 1012 ? 2 : 8)
		fake_fault(&r->u, (enum request_status)6, 3, address, -1); /* busy */
	r->box = OBEYS;
	r->u.on_write(&r->u, 5004, 1, r->run.now_ms);
	r->box = GOES_ON;
	aim(r, 2300, 1, 60000);
	assert_int_equal(r->switches, 0);
	assert_string_equal(r->run.state.note, "changing to one phase");
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED); /* the pause reads back, which is all that does */
	fake_faults_clear(&r->u);
	ends_without_current(r);
}

static void nonsense_write(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	box_write(u, address, count, now_ms);
	for (int at = 1008; at <= 1020; at += at < 1012 ? 2 : 8)
		fake_set32(u, (uint16_t)at, 0xFFFFFFFE);
}

/* Readings that come, but cannot be believed, are none. */
static void test_nonsense_behind_the_pause(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	r->box = WAITS;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	assert_true(r->run.state.f[F_CHARGER_POWER_W].v == 0);
	r->u.on_write = nonsense_write;
	r->box = OBEYS;
	r->u.on_write(&r->u, 5004, 1, r->run.now_ms);
	r->box = GOES_ON;
	aim(r, 2300, 1, 60000);
	assert_int_equal(r->run.state.f[F_CHARGER_POWER_W].q, Q_BAD);
	assert_int_equal(r->switches, 0);
	r->u.on_write = box_write;
	ends_without_current(r);
}

/* The same, of a box without a meter, whose currents cannot be read for a while, or no more: its 0 W is no proof. Without power at all
 * the currents are. */
static void test_old_currents_and_no_meter(void **state)
{
	static const struct { const char *name; bool no_power; int busy_ms; } ROWS[] = {
		{ "0 W, busy for seconds", false, 5000 }, { "0 W, busy until they are stale", false, 60000 },
		{ "no power, busy for seconds", true, 5000 }, { "no power, busy until they are stale", true, 60000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(true, 3);

		r->no_meter = true;
		r->box = WAITS;
		if (ROWS[i].no_power)
			fake_fault(&r->u, (enum request_status)2, 3, 1020, -1);
		rig_start(r);
		aim(r, 6900, 3, DWELL_MS);
		for (int address = 1008; address <= 1012; address += 2)
			fake_fault(&r->u, (enum request_status)6, 3, address, -1); /* busy */
		run(r, ROWS[i].busy_ms);
		r->box = OBEYS;
		r->u.on_write(&r->u, 5004, 1, r->run.now_ms);
		r->box = GOES_ON;
		aim(r, 2300, 1, 60000);
		if (r->switches != 0)
			fail_msg("%s: %d strokes, %d under current", ROWS[i].name, r->switches, r->under_current);
		fake_faults_clear(&r->u);
		if (ROWS[i].no_power)
			fake_fault(&r->u, (enum request_status)2, 3, 1020, -1);
		aim(r, 2300, 1, DWELL_MS);
		if (r->switches != 0)
			fail_msg("%s: seen, and yet %d strokes, %d under current", ROWS[i].name, r->switches, r->under_current);
		r->box = OBEYS;
		r->u.on_write(&r->u, 5004, 1, r->run.now_ms);
		aim(r, 2300, 1, 2 * DWELL_MS);
		if (r->switches != 1 || r->under_current != 0)
			fail_msg("%s: %d strokes in the end, %d under current", ROWS[i].name, r->switches, r->under_current);
		rig_stop(r);
	}
}

/* Whether a car charges its currents tell too: no contactor, and a pause that is not kept, are seen without a meter. */
static void test_no_contactor_and_no_meter(void **state)
{
	(void)state;
	for (int no_power = 0; no_power < 2; no_power++) {
		struct rig *r = rig_new(false, 3);

		r->no_meter = true;
		if (no_power)
			fake_fault(&r->u, (enum request_status)2, 3, 1020, -1);
		r->box = NO_CONTACTOR;
		rig_start(r);
		aim(r, 6900, 3, DWELL_MS);
		aim(r, 2300, 1, 120000);
		assert_int_equal(r->switches, 1);
		assert_int_equal(phases_told(r), 1);
		assert_false(r->run.state.caps.switches_phases);
		aim(r, 6900, 0, 60000);
		assert_int_equal(now_ma(r), 10000); /* three phases, whatever it says */
		rig_stop(r);
	}
}

static const struct {
	const char *name;
	enum box box;
	int status; /* of the write to 5052 */
	int strokes;
} FAILS[] = {
	{ "refused by exception", OBEYS, 4, 0 },
	{ "acknowledged, but reads as before", STUCK, 0, 1 },
};

static void test_a_box_that_does_not_switch(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(FAILS) / sizeof(FAILS[0]); i++) {
		struct rig *r = rig_new(false, 3);

		r->box = FAILS[i].box;
		rig_start(r);
		aim(r, 6900, 3, DWELL_MS);
		if (FAILS[i].status)
			fake_fault(&r->u, (enum request_status)FAILS[i].status, 6, 5052, -1);
		aim(r, 2300, 1, 120000);
		if (r->run.state.caps.switches_phases || r->switches != FAILS[i].strokes)
			fail_msg("%s: %d strokes", FAILS[i].name, r->switches);
		assert_non_null(strstr(r->run.state.note, "does not switch"));
		aim(r, 6900, 3, 2 * DWELL_MS);
		assert_int_equal(now_ma(r), 10000);
		aim(r, 2300, 1, 2 * DWELL_MS);
		assert_int_equal(r->switches, FAILS[i].strokes); /* not asked again */
		rig_stop(r);
	}
}

/* It says one phase and draws on three: there is no contactor. Power is counted as it flows, and it is not asked again. */
static void test_no_contactor(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	r->box = NO_CONTACTOR;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	aim(r, 2300, 1, 120000);
	assert_int_equal(r->switches, 1);
	assert_int_equal(phases_told(r), 1);
	assert_false(r->run.state.caps.switches_phases);
	aim(r, 6900, 0, 30000);
	assert_int_equal(now_ma(r), 10000); /* three phases, whatever it says */
	rig_stop(r);
}

/* A lost answer refuses nothing; a silent box neither. */
static void test_lost_answers(void **state)
{
	struct rig *r = rig_new(false, 3);

	(void)state;
	rig_start(r);
	aim(r, 6900, 3, DWELL_MS);
	fake_fault(&r->u, REQUEST_TIMEOUT, 6, 5052, 1); /* never arrived */
	aim(r, 2300, 1, 15000);
	for (int i = 0; i < 100 && r->u.n_faults > 0; i++)
		run(r, 1000);
	r->u.silent = true;
	run(r, 120000);
	r->u.silent = false;
	run(r, 60000);
	assert_true(r->run.state.caps.switches_phases);
	run(r, DWELL_MS + 60000);
	assert_int_equal(r->switches, 1);
	assert_int_equal(phases_told(r), 1);
	rig_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_can),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_a_release_before_the_stroke),
		cmocka_unit_test(test_a_release_behind_the_stroke),
		cmocka_unit_test(test_a_change_of_mind),
		cmocka_unit_test(test_the_latest_order_counts),
		cmocka_unit_test(test_current_that_does_not_end),
		cmocka_unit_test(test_current_without_power),
		cmocka_unit_test(test_readings_of_before_the_pause),
		cmocka_unit_test(test_nonsense_behind_the_pause),
		cmocka_unit_test(test_old_currents_and_no_meter),
		cmocka_unit_test(test_no_contactor_and_no_meter),
		cmocka_unit_test(test_a_box_that_does_not_switch),
		cmocka_unit_test(test_no_contactor),
		cmocka_unit_test(test_lost_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
