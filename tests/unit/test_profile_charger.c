/* The KEBA profile driven: watts to amperes, pause of a P30 and of a P40, fail-safe, keep-alive, verdicts. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum reaction { OBEYS, CLAMPS_AT_10A, IGNORES };

struct rig {
	struct fake_unit u;
	struct fake_run run;
	struct driver_options o;
	char *json;
	bool p40;
	enum reaction reaction;
};

static void keba_write(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct rig *r = u->context;
	uint32_t ma = *fake_reg(u, 5004);

	(void)count;
	(void)now_ms;
	if (address == 5018)
		fake_set32(u, 1602, *fake_reg(u, 5018));
	if (address == 5016)
		fake_set32(u, 1600, *fake_reg(u, 5016));
	if (r->reaction == IGNORES || (address != 5004 && address != 5014))
		return;
	if (!r->p40 && *fake_reg(u, 5014) == 0)
		ma = 0;
	if (r->reaction == CLAMPS_AT_10A && ma > 10000)
		ma = 10000;
	fake_set32(u, 1100, ma);
	fake_set32(u, 1020, ma * 230 * 3);
	fake_set32(u, 1000, ma > 0 ? 3 : 5);
	for (uint16_t i = 0; i < 3; i++)
		fake_set32(u, (uint16_t)(1008 + 2 * i), ma);
}

static struct rig *rig_new(bool p40)
{
	static const uint16_t READ[] = { 1000, 1004, 1006, 1008, 1010, 1012, 1014, 1016, 1018, 1020, 1036,
					 1040, 1042, 1044, 1100, 1110, 1500, 1502, 1550, 1552, 1600, 1602 };
	static const uint16_t WRITE[] = { 5004, 5010, 5014, 5016, 5018 };
	struct rig *r = calloc(1, sizeof(*r));
	size_t len;

	r->p40 = p40;
	r->u.unit = 255;
	r->u.context = r;
	r->u.on_write = keba_write;
	for (size_t i = 0; i < sizeof(READ) / sizeof(READ[0]); i++)
		fake_zero(&r->u, false, READ[i], 2);
	for (size_t i = 0; i < sizeof(WRITE) / sizeof(WRITE[0]); i++)
		fake_zero(&r->u, false, WRITE[i], 1);
	*fake_reg(&r->u, 5014) = 1;
	fake_set32(&r->u, 1000, 2);
	fake_set32(&r->u, 1004, 7);
	fake_set32(&r->u, 1014, 22334455);
	fake_set32(&r->u, 1016, p40 ? 4030001 : 305021);
	for (uint16_t i = 0; i < 3; i++)
		fake_set32(&r->u, (uint16_t)(1040 + 2 * i), 230);
	fake_set32(&r->u, 1100, 16000);
	fake_set32(&r->u, 1110, 32000);
	fake_set32(&r->u, 1552, p40 ? 3 : 1);
	fake_set32(&r->u, 1602, 0);
	r->o = fake_options("keba-p30-p40", 255);
	r->json = fake_profile("keba-p30-p40", &len);
	r->o.profile_json = r->json;
	r->o.profile_json_len = len;
	return r;
}

static void rig_start(struct rig *r)
{
	if (fake_start(&r->run, &DRIVER_PROFILE, &r->o, &r->u))
		fail_msg("%s", r->run.err.text);
	fake_until(&r->run, r->run.now_ms + 15000);
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r->json);
	free(r);
}

static double field(const struct rig *r, enum field f)
{
	return value_usable(&r->run.state.f[f]) ? r->run.state.f[f].v : (double)NAN;
}

static void aim(struct rig *r, double w)
{
	fake_aim_power(&r->run, w);
	fake_until(&r->run, r->run.now_ms + 5000);
}

static void test_reading(void **state)
{
	(void)state;
	for (int p40 = 0; p40 < 2; p40++) {
		struct rig *r = rig_new(p40 != 0);

		rig_start(r);
		assert_int_equal(r->u.writes, 0);
		assert_int_equal(r->run.state.kinds, KIND_CHARGER);
		assert_true(field(r, F_CHARGER_STATE) == CHARGER_B);
		assert_true(field(r, F_CHARGER_CONNECTED) == 1);
		assert_true(field(r, F_CHARGER_PHASES) == 3); /* 1 at a P30, 3 at a P40 */
		assert_true(field(r, F_CHARGER_CURRENT_MAX_A) == 32);
		assert_string_equal(r->run.state.identity.serial, "22334455");
		assert_true(r->run.state.caps.can_power);
		assert_true(r->run.state.caps.min_w == 4140);
		assert_true(r->run.state.caps.charge_max_w == 22080);
		fake_set32(&r->u, 1000, 1); /* "not ready": A or B, the cable decides */
		fake_set32(&r->u, 1004, 3);
		fake_until(&r->run, r->run.now_ms + 15000);
		assert_true(field(r, F_CHARGER_STATE) == CHARGER_A);
		fake_set32(&r->u, 1004, 5);
		fake_until(&r->run, r->run.now_ms + 15000);
		assert_true(field(r, F_CHARGER_STATE) == CHARGER_B);
		fake_set32(&r->u, 1000, 9);
		fake_until(&r->run, r->run.now_ms + 15000);
		assert_int_equal(r->run.state.f[F_CHARGER_STATE].q, Q_BAD);
		rig_stop(r);
	}
}

/* One value a request, 500 ms between requests, a poll in 10 s. */
static void test_rhythm(void **state)
{
	struct rig *r = rig_new(false);
	int before;

	(void)state;
	rig_start(r);
	before = r->u.reads;
	fake_until(&r->run, r->run.now_ms + 40000);
	assert_in_range(r->u.reads - before, 42, 44); /* 8 control values every 10 s, 11 slow ones once a minute */
	for (int i = 0; i < r->run.last.n; i++)
		assert_true(r->run.last.r[i].gap_ms == 500 && r->run.last.r[i].count <= 2);
	rig_stop(r);
}

static const struct {
	const char *name;
	bool p40;
	double volt, w;
	int ma, enable; /* -1: not written */
} AMPS[] = {
	{ "below 6 A is a pause, P30", false, 230, 4139, -1, 0 },
	{ "below 6 A is a pause, P40", true, 230, 4139, 0, -1 },
	{ "0 W", true, 230, 0, 0, -1 },
	{ "negative", true, 230, -500, 0, -1 },
	{ "exactly 6 A", false, 230, 4140, 6000, 1 },
	{ "rounds toward 0 W", false, 230, 7000, 10144, 1 },
	{ "by measured voltage", true, 240, 7200, 10000, -1 },
	{ "no voltage measured: 230 V", true, 0, 6900, 10000, -1 },
	{ "more than the hardware", true, 230, 30000, 32000, -1 },
};

static void test_amps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(AMPS) / sizeof(AMPS[0]); i++) {
		struct rig *r = rig_new(AMPS[i].p40);
		const struct fake_write *set, *enable;

		for (uint16_t k = 0; k < 3; k++)
			fake_set32(&r->u, (uint16_t)(1040 + 2 * k), (uint32_t)AMPS[i].volt);
		rig_start(r);
		aim(r, AMPS[i].w);
		set = fake_last_write(&r->u, 5004);
		enable = fake_last_write(&r->u, 5014);
		if ((set ? set->words[0] : -1) != AMPS[i].ma || (enable ? enable->words[0] : -1) != AMPS[i].enable ||
		    (set && set->fc != 6))
			fail_msg("%s: %d mA, enable %d", AMPS[i].name, set ? set->words[0] : -1,
				 enable ? enable->words[0] : -1);
		if (r->run.state.verdict != VERDICT_APPLIED)
			fail_msg("%s: %s", AMPS[i].name, verdict_word(r->run.state.verdict));
		rig_stop(r);
	}
}

static void test_a_single_phase_car(void **state)
{
	struct rig *r = rig_new(true);

	(void)state;
	rig_start(r);
	aim(r, 6900);
	r->u.on_write = NULL;
	fake_set32(&r->u, 1010, 0); /* only L1 carries current */
	fake_set32(&r->u, 1012, 0);
	fake_set32(&r->u, 1020, 2300000);
	fake_until(&r->run, r->run.now_ms + 15000);
	assert_true(r->run.state.caps.min_w == 1380);
	aim(r, 2300);
	assert_int_equal(fake_last_write(&r->u, 5004)->words[0], 10000);
	rig_stop(r);
}

/* Values are read one by one: of a car that begins meanwhile the last phase alone is seen, or the power is of another moment. That
 * is no single-phase car, and 16 A on each of three phases would be three times what was ordered. */
static void test_a_car_that_begins_while_it_is_read(void **state)
{
	static const struct { const char *name; uint32_t ma[3], mw; double min_w; } ROWS[] = {
		{ "one of three", { 0, 0, 6000 }, 4140000, 4140 },
		{ "two of three", { 0, 6000, 6000 }, 4140000, 4140 },
		{ "16 A on one, and as much power", { 16000, 0, 0 }, 4140000, 1380 },
		{ "one phase, and it is one", { 6000, 0, 0 }, 1380000, 1380 },
		{ "one phase, a quarter too much", { 6000, 0, 0 }, 1104000, 1380 },
		{ "one phase, more than a quarter", { 6000, 0, 0 }, 1103900, 4140 },
		{ "two, and it is two", { 6000, 6000, 0 }, 2760000, 2760 },
		{ "barely in use", { 6000, 6000, 1000 }, 2990000, 4140 },
		{ "not in use", { 6000, 6000, 999 }, 2990000, 2760 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(true);

		rig_start(r);
		aim(r, 6900);
		r->u.on_write = NULL;
		for (uint16_t p = 0; p < 3; p++)
			fake_set32(&r->u, (uint16_t)(1008 + 2 * p), ROWS[i].ma[p]);
		fake_set32(&r->u, 1020, ROWS[i].mw);
		fake_until(&r->run, r->run.now_ms + 15000);
		if (r->run.state.caps.min_w != ROWS[i].min_w)
			fail_msg("%s: minimum %.0f W", ROWS[i].name, r->run.state.caps.min_w);
		rig_stop(r);
	}
}

static void test_verdicts(void **state)
{
	static const struct {
		const char *name;
		enum reaction reaction;
		enum request_status status;
		enum verdict verdict;
	} ROWS[] = {
		{ "clamped", CLAMPS_AT_10A, REQUEST_OK, VERDICT_CLAMPED },
		{ "ignored", IGNORES, REQUEST_OK, VERDICT_IGNORED },
		{ "refused", OBEYS, (enum request_status)3, VERDICT_REFUSED },
		{ "timeout", OBEYS, REQUEST_TIMEOUT, VERDICT_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(true);

		r->reaction = ROWS[i].reaction;
		rig_start(r);
		if (ROWS[i].status != REQUEST_OK)
			fake_fault(&r->u, ROWS[i].status, 6, -1, -1);
		aim(r, 13800); /* 20 A */
		if (r->run.state.verdict != ROWS[i].verdict)
			fail_msg("%s: %s", ROWS[i].name, verdict_word(r->run.state.verdict));
		rig_stop(r);
	}
}

static void test_foreign(void **state)
{
	struct rig *r = rig_new(true);

	(void)state;
	rig_start(r);
	aim(r, 6900);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	fake_set32(&r->u, 1100, 14000);
	fake_until(&r->run, r->run.now_ms + 11000);
	assert_int_equal(r->run.state.verdict, VERDICT_FOREIGN);
	assert_string_equal(r->run.state.note, "somebody else changed its current");
	rig_stop(r);
}

static void test_release_is_the_failsafe_current(void **state)
{
	static const struct {
		double failsafe_a;
		int ma;
	} ROWS[] = { { 6, 6000 }, { 10, 10000 }, { 0, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(true);

		r->o.failsafe_a = ROWS[i].failsafe_a;
		rig_start(r);
		assert_int_equal(r->run.state.period_ms, 10000); /* its profile's own least */
		aim(r, 13800);
		assert_false(r->run.state.released);
		fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
		fake_until(&r->run, r->run.now_ms + 4900);
		assert_int_equal(fake_last_write(&r->u, 5004)->words[0], ROWS[i].ma);
		assert_true(r->run.state.released);
		rig_stop(r);
	}
}

/* The timer: started by us only if running out is harmless, kept running if somebody set it up, fed at half its time. */
static void test_watchdog(void **state)
{
	static const struct {
		const char *name;
		uint32_t failsafe_ma, timeout_s;
		bool allow_unverified;
		int written, failsafe_written;
		enum guarded_by guarded;
	} ROWS[] = {
		{ "fail-safe 0 A, no timer: would stop the car when we go", 0, 0, false, -1, -1, GUARDED_NONE },
		{ "fail-safe 6 A, no timer", 6000, 0, false, 60, -1, GUARDED_DEVICE },
		{ "fail-safe 0 A, 30 s", 0, 30, false, 30, -1, GUARDED_DEVICE },
		{ "fail-safe 6 A, 30 s", 6000, 30, false, 30, -1, GUARDED_DEVICE },
		{ "fail-safe 6.1 A, 30 s: the same", 6100, 30, false, 30, -1, GUARDED_DEVICE },
		{ "fail-safe 7 A, 30 s: more than what is left of it", 7000, 30, false, 30, -1, GUARDED_NONE },
		{ "fail-safe 32 A, 30 s", 32000, 30, false, 30, -1, GUARDED_NONE },
		{ "fail-safe 32 A, 60 s", 32000, 60, false, 60, -1, GUARDED_NONE },
		{ "fail-safe 6 A, 60 s", 6000, 60, false, 60, -1, GUARDED_DEVICE },
		{ "fail-safe 6 A, 61 s: too late", 6000, 61, false, 61, -1, GUARDED_NONE },
		{ "fail-safe 32 A, no timer", 32000, 0, false, -1, -1, GUARDED_NONE },
		{ "fail-safe 32 A, 120 s: kept alive, no guard", 32000, 120, false, 120, -1, GUARDED_NONE },
		{ "fail-safe 32 A, C allowed", 32000, 0, true, 60, 6000, GUARDED_DEVICE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(true);
		const struct fake_write *timer, *current;
		int n = 0;

		fake_set32(&r->u, 1600, ROWS[i].failsafe_ma);
		fake_set32(&r->u, 1602, ROWS[i].timeout_s);
		r->o.allow_unverified = ROWS[i].allow_unverified;
		rig_start(r);
		assert_null(fake_last_write(&r->u, 5018)); /* nothing before the first order */
		aim(r, 6900);
		fake_until(&r->run, r->run.now_ms + 125000);
		timer = fake_last_write(&r->u, 5018);
		current = fake_last_write(&r->u, 5016);
		for (int k = 0; k < r->u.n_log; k++)
			n += r->u.log[k].address == 5018;
		if ((timer ? timer->words[0] : -1) != ROWS[i].written ||
		    (current ? current->words[0] : -1) != ROWS[i].failsafe_written ||
		    r->run.state.caps.guarded_by != ROWS[i].guarded ||
		    (ROWS[i].written > 0 && abs(n - 2 * 130 / ROWS[i].written) > 2))
			fail_msg("%s: timer %d, current %d, %s, fed %d times", ROWS[i].name, timer ? timer->words[0] : -1,
				 current ? current->words[0] : -1, guarded_by_word(r->run.state.caps.guarded_by), n);
		assert_null(fake_last_write(&r->u, 5020)); /* never stored */
		rig_stop(r);
	}
}

static void test_same_order_is_written_once(void **state)
{
	struct rig *r = rig_new(true);
	int n = 0;

	(void)state;
	rig_start(r);
	for (int i = 0; i < 60; i++) {
		fake_aim(&r->run, (struct order){ .kind = ORDER_BALANCE, .w = 6900, .min_w = 0, .max_w = 22080 });
		fake_until(&r->run, r->run.now_ms + 1000);
	}
	for (int k = 0; k < r->u.n_log; k++)
		n += r->u.log[k].address == 5004;
	assert_int_equal(n, 1);
	rig_stop(r);
}

/* What the product is decides how to pause: until it is known nothing is written. */
static void test_unknown_product_waits(void **state)
{
	struct rig *r = rig_new(true);

	(void)state;
	fake_fault(&r->u, (enum request_status)6, 3, 1016, 3);
	if (fake_start(&r->run, &DRIVER_PROFILE, &r->o, &r->u))
		fail_msg("%s", r->run.err.text);
	fake_aim_power(&r->run, 0);
	fake_until(&r->run, r->run.now_ms + 30000);
	assert_null(fake_last_write(&r->u, 5014)); /* a P40 never sees the P30's register */
	fake_until(&r->run, r->run.now_ms + 250000);
	assert_int_equal(fake_last_write(&r->u, 5004)->words[0], 0);
	rig_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_rhythm),
		cmocka_unit_test(test_amps),
		cmocka_unit_test(test_a_single_phase_car),
		cmocka_unit_test(test_a_car_that_begins_while_it_is_read),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_release_is_the_failsafe_current),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_same_order_is_written_once),
		cmocka_unit_test(test_unknown_product_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
