/* A SunSpec storage driven through 704 and through 124: what is written in which order, what is believed, what is not. */
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
#include <string.h>

struct rig {
	struct fake_storage s;
	struct fake_run run;
	int mark; /* writes seen so far */
};

static struct rig *rig_start(int what, const char *json)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct driver_options o = fake_options("sunspec-storage", 1);

	assert_non_null(r);
	fake_storage(&r->s, what);
	o.roles = ROLE_BATTERY;
	o.profile_json = json;
	o.profile_json_len = json ? strlen(json) : 0;
	assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit), 0);
	return r;
}

static void rig_run(struct rig *r, int64_t ms)
{
	r->mark = r->s.unit.n_log;
	fake_until(&r->run, r->run.now_ms + ms);
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r);
}

/* The names of the points written since the last rig_run, in order: "WSet,WSetEna". */
static void written(struct rig *r, uint16_t model, char *out, size_t size)
{
	const struct sunspec_model *m = sunspec_model_find(*fake_reg(&r->s.unit, model));

	out[0] = '\0';
	for (int i = r->mark; i < r->s.unit.n_log; i++)
		for (int k = 0; k < m->n; k++)
			if (r->s.unit.log[i].address == model + m->points[k].offset) {
				strncat(out, *out ? "," : "", size - strlen(out) - 1);
				strncat(out, m->points[k].name, size - strlen(out) - 1);
			}
}

static double field(const struct rig *r, enum field f)
{
	return value_usable(&r->run.state.f[f]) ? r->run.state.f[f].v : (double)NAN;
}

static void test_704_setpoint(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);
	char names[400];

	(void)state;
	rig_run(r, 3000);
	/* It reads what is in force first; nothing being so, it sets the reversion time and sees it read back. */
	written(r, r->s.control, names, sizeof(names));
	assert_string_equal(names, "WSetRvrtTms");
	assert_true(r->run.state.released);
	assert_true(r->run.state.caps.can_power);
	assert_int_equal(r->run.state.period_ms, 1000);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_DEVICE);
	assert_true(r->run.state.caps.charge_max_w == 5000);
	assert_true(r->run.state.caps.discharge_max_w == 4600);
	assert_true(field(r, F_BATTERY_CAPACITY_WH) == 10000);
	assert_true(field(r, F_BATTERY_SOC_PCT) == 57.3);
	assert_true(field(r, F_INVERTER_GRID_ONLINE) == 1);
	assert_true(field(r, F_BATTERY_CONTROL) == CONTROL_AUTO);

	fake_aim_power(&r->run, -2000.7); /* discharge; fractions go toward 0 */
	rig_run(r, 500);
	written(r, r->s.control, names, sizeof(names));
	assert_string_equal(names, "WSetMod,WSetRvrt,WSetEnaRvrt,WSetRvrtTms,WSet,WSetEna");
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), 2000);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSetRvrtTms"), 60);
	assert_int_equal(r->s.unit.log[r->mark].fc, 16);
	rig_run(r, 2000);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_true(r->run.state.verdict_w == -2000);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_DEVICE);
	assert_int_equal(r->run.state.caps.guard_timeout_s, 60);
	assert_true(field(r, F_BATTERY_POWER_AC_W) == -2000);
	assert_true(field(r, F_BATTERY_CONTROL) == CONTROL_POWER);
	assert_true(r->run.state.ac_power_w.v == -2000);
	assert_false(r->run.state.released);

	/* The same order again writes nothing; half the timer later it is fed. */
	fake_aim_power(&r->run, -2000.7);
	rig_run(r, 20000);
	assert_int_equal(r->s.unit.n_log, r->mark);
	rig_run(r, 15000);
	written(r, r->s.control, names, sizeof(names));
	assert_string_equal(names, "WSetRvrtTms,WSet,WSetEna");
	rig_run(r, 120000);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSetEna"), 1);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);

	fake_aim_power(&r->run, 1500);
	rig_run(r, 2500);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), -1500);
	assert_true(r->run.state.verdict_w == 1500);

	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	rig_run(r, 2500);
	written(r, r->s.control, names, sizeof(names));
	assert_string_equal(names, "WSetEna,WSetRvrt,WSetEnaRvrt,WSet,WSetMod"); /* all of it as it was */
	assert_true(r->run.state.released);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	rig_run(r, 120000); /* nothing more to feed */
	assert_int_equal(r->s.unit.n_log, r->mark);
	rig_stop(r);
}

static void test_release_of_the_free_writes_nothing(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);

	(void)state;
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	rig_run(r, 4000);
	assert_int_equal(r->s.unit.writes, 1); /* the reversion time, which commands nothing */
	assert_true(r->run.state.released);
	rig_stop(r);
}

/* As after a restart in the middle of a command: our setpoint still stands, and the first tick releases it. */
static void test_guarded_again_after_a_restart(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);

	(void)state;
	model_set(&r->s.unit, r->s.control, "WSetRvrtTms", 60);
	model_set(&r->s.unit, r->s.control, "WSet", 2000);
	model_set(&r->s.unit, r->s.control, "WSetEnaRvrt", 0);
	model_set(&r->s.unit, r->s.control, "WSetEna", 1);
	rig_run(r, 200);
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	rig_run(r, 4000);
	assert_true(r->run.state.released);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_DEVICE);
	fake_aim_power(&r->run, -2000);
	rig_run(r, 2500);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	rig_stop(r);
}

/* An image from before our own write says nothing about what it left behind. */
static void test_release_right_after_an_order_is_written(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);

	(void)state;
	rig_run(r, 3000);
	fake_aim_power(&r->run, 2000);
	rig_run(r, 20); /* written; the confirming read is a second away */
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSetEna"), 1);
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	rig_run(r, 100);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSetEna"), 0);
	rig_run(r, 2500);
	assert_true(r->run.state.released);
	rig_stop(r);
}

static void test_found_is_reported_not_touched(void **state)
{
	struct rig *r = rig_start(STORAGE_704, NULL);

	(void)state;
	model_set(&r->s.unit, r->s.control, "WSetMod", 1);
	model_set(&r->s.unit, r->s.control, "WSet", 3000);
	model_set(&r->s.unit, r->s.control, "WSetEna", 1);
	rig_run(r, 5000);
	for (int i = 0; i < 2; i++) { /* not even by a release: there is nothing of ours */
		assert_int_equal(r->s.unit.writes, 0);
		assert_true(r->run.state.released);
		assert_string_equal(r->run.state.note, "a setpoint of -3000 W was in force before us");
		assert_true(field(r, F_BATTERY_CONTROL) == CONTROL_FOREIGN);
		fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
		rig_run(r, 3000);
	}
	rig_stop(r);
}

/* The order 124 must see: time first, the widening limit before the narrowing one, the switch last; back: switch first. */
static void test_124_order_of_writes(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER | STORAGE_103, NULL);
	char names[400];

	(void)state;
	rig_run(r, 3000);
	assert_true(r->run.state.caps.charge_max_w == 5000);
	assert_true(field(r, F_BATTERY_RESERVE_SOC_PCT) == 7);
	assert_true(field(r, F_BATTERY_STATE) == BATTERY_IDLE);
	*fake_reg(&r->s.unit, (uint16_t)(r->s.basic + 5)) = 4; /* a bit that is not ours */
	rig_run(r, 1000);

	fake_aim_power(&r->run, 1234.5); /* charge */
	rig_run(r, 500);
	written(r, r->s.basic, names, sizeof(names));
	assert_string_equal(names, "InOutWRte_RvrtTms,OutWRte,InWRte,ChaGriSet,StorCtl_Mod");
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "InWRte"), 2469);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "OutWRte"), -2469);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "StorCtl_Mod"), 7);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "ChaGriSet"), 1);
	rig_run(r, 2000);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_true(fabs(r->run.state.verdict_w - 1234.5) < 1);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_DEVICE);

	fake_aim_power(&r->run, -5000); /* discharge: the discharge limit moves first, or the limits would cross */
	rig_run(r, 500);
	written(r, r->s.basic, names, sizeof(names));
	assert_string_equal(names, "InOutWRte_RvrtTms,OutWRte,InWRte,StorCtl_Mod");
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "InWRte"), -10000);
	fake_aim_power(&r->run, 0);
	rig_run(r, 2500);
	written(r, r->s.basic, names, sizeof(names));
	assert_string_equal(names, "InOutWRte_RvrtTms,InWRte,OutWRte,StorCtl_Mod");
	assert_true(field(r, F_BATTERY_CONTROL) == CONTROL_HOLD);

	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	rig_run(r, 2500);
	written(r, r->s.basic, names, sizeof(names));
	assert_string_equal(names, "StorCtl_Mod,OutWRte,InWRte,ChaGriSet");
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "StorCtl_Mod"), 4);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "ChaGriSet"), 0);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "OutWRte"), 10000);
	assert_true(r->run.state.released);
	rig_stop(r);
}

static void test_without_a_timer_nobody_guards(void **state)
{
	static const int WHAT[] = { STORAGE_704, STORAGE_124 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig *r = rig_start(WHAT[i], NULL);

		rig_run(r, 3000);
		fake_aim_power(&r->run, 1000);
		rig_run(r, 3000);
		assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
		assert_int_equal(r->run.state.caps.guarded_by, GUARDED_NONE);
		rig_run(r, 120000); /* and no keep-alive wears its registers */
		assert_int_equal(r->s.unit.n_log, r->mark);
		rig_stop(r);
	}
}

/* A reversion time that reads back but does not run is no guard. */
static void dead_timer(struct fake_unit *u, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	(void)now_ms;
	model_set(u, s->control, "WSetRvrtRem", 0);
}

static void test_timer_that_does_not_run(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);

	(void)state;
	r->s.unit.on_time = dead_timer;
	r->s.unit.on_write = NULL;
	rig_run(r, 3000);
	fake_aim_power(&r->run, 1000);
	rig_run(r, 3000);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_NONE);
	rig_stop(r);
}

static void clamping(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	(void)address;
	(void)count;
	(void)now_ms;
	if (model_get(u, s->control, "WSet") > 1000)
		model_set(u, s->control, "WSet", 1000);
}

static void ignoring(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	(void)address;
	(void)count;
	(void)now_ms;
	model_set(u, s->control, "WSetEna", 0);
	model_set(u, s->control, "WSet", 0);
}

static void test_verdicts(void **state)
{
	static const struct {
		const char *name;
		void (*on_write)(struct fake_unit *, uint16_t, uint16_t, int64_t);
		enum request_status status;
		enum verdict verdict;
		double w;
	} ROWS[] = {
		{ "clamped", clamping, REQUEST_OK, VERDICT_CLAMPED, -1000 },
		{ "ignored", ignoring, REQUEST_OK, VERDICT_IGNORED, NAN },
		{ "exception 3", NULL, (enum request_status)3, VERDICT_REFUSED, NAN },
		{ "exception 6", NULL, (enum request_status)6, VERDICT_REFUSED, NAN },
		{ "timeout", NULL, REQUEST_TIMEOUT, VERDICT_REFUSED, NAN },
		{ "bad answer", NULL, REQUEST_BAD_ANSWER, VERDICT_REFUSED, NAN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_start(STORAGE_704, NULL);
		struct device_state *st = &r->run.state;

		r->s.unit.on_time = NULL;
		r->s.unit.on_write = ROWS[i].on_write;
		rig_run(r, 3000);
		if (ROWS[i].status != REQUEST_OK)
			fake_fault(&r->s.unit, ROWS[i].status, 16, -1, -1);
		fake_aim_power(&r->run, -3000);
		rig_run(r, 100);
		if (ROWS[i].status == REQUEST_OK)
			assert_int_equal(st->verdict, VERDICT_PENDING);
		rig_run(r, 3000);
		if (st->verdict != ROWS[i].verdict ||
		    (isnan(ROWS[i].w) ? !isnan(st->verdict_w) : fabs(st->verdict_w - ROWS[i].w) > 0.5))
			fail_msg("%s: %s %g", ROWS[i].name, verdict_word(st->verdict), st->verdict_w);
		rig_run(r, 8000); /* and it is not hammered */
		assert_in_range(r->s.unit.n_log - r->mark, 0, 8);
		rig_stop(r);
	}
}

static void test_foreign_hand_is_not_fought(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);
	int wins = 0;

	(void)state;
	rig_run(r, 3000);
	fake_aim_power(&r->run, -2000);
	rig_run(r, 3000);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	model_set(&r->s.unit, r->s.control, "WSet", -4000); /* a portal */
	rig_run(r, 2000);
	assert_int_equal(r->run.state.verdict, VERDICT_FOREIGN);
	assert_true(r->run.state.verdict_w == 4000);
	assert_true(field(r, F_BATTERY_CONTROL) == CONTROL_FOREIGN);
	assert_string_equal(r->run.state.note, "somebody else changed its setpoint");
	/* It keeps writing every second; we answer at most twice a minute. */
	r->mark = r->s.unit.n_log;
	for (int i = 0; i < 60; i++) {
		fake_until(&r->run, r->run.now_ms + 1000);
		model_set(&r->s.unit, r->s.control, "WSet", -4000);
	}
	for (int i = r->mark; i < r->s.unit.n_log; i++)
		wins += r->s.unit.log[i].address == r->s.control + 24;
	assert_in_range(wins, 1, 3);
	/* A cut is safety and goes out at once. */
	fake_aim_power(&r->run, 0);
	rig_run(r, 100);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), 0);
	rig_stop(r);
}

/* Our balance loop moves the power every second: each step is written, and the verdict does not flicker. */
static void test_balance_loop(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);
	int pending = 0;

	(void)state;
	rig_run(r, 3000);
	assert_false(r->run.state.caps.native_balance);
	for (int i = 0; i < 20; i++) {
		fake_aim(&r->run,
			 (struct order){
				 .kind = ORDER_BALANCE, .w = -500 - 10 * i, .min_w = -4600, .max_w = 5000, .native = true });
		rig_run(r, 1000);
		pending += i > 3 && r->run.state.verdict != VERDICT_APPLIED;
		assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), 500 + 10 * i);
	}
	assert_int_equal(pending, 0);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_DEVICE);
	rig_stop(r);
}

static void test_native_balance_by_profile(void **state)
{
	static const char JSON[] = "{\"schema\":\"hub-device-profile/1\",\"kind\":\"battery\",\"native_balance\":true,"
				   "\"transport\":{\"addressing\":\"sunspec\"}}";
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, JSON);

	(void)state;
	rig_run(r, 3000);
	assert_true(r->run.state.caps.native_balance);
	fake_aim(&r->run, (struct order){ .kind = ORDER_BALANCE, .min_w = 0, .max_w = 2500, .native = true });
	rig_run(r, 2500);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "InWRte"), 5000);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "OutWRte"), 0);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_true(field(r, F_BATTERY_CONTROL) == CONTROL_HOLD_DISCHARGE);
	rig_stop(r);
}

/* A hybrid: 704 sets the whole inverter, so the sun is allowed for; the balance sees its AC port. */
static void test_hybrid(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER | STORAGE_MPPT, NULL);

	(void)state;
	rig_run(r, 3000);
	assert_true(field(r, F_BATTERY_POWER_AC_W) == 2000); /* inverter 0 W, strings 2000 W: the battery takes them */
	assert_int_equal(r->run.state.f[F_BATTERY_POWER_AC_W].q, Q_DERIVED);
	assert_true(r->run.state.ac_power_w.v == 0);
	fake_aim_power(&r->run, -1000);
	rig_run(r, 3000);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), 3000);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_true(r->run.state.verdict_w == -1000);
	rig_stop(r);
}

static void test_numbers_that_are_none(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_103, NULL);
	struct fake_unit *u = &r->s.unit;

	(void)state;
	u->on_time = NULL;
	rig_run(r, 3000);
	assert_true(field(r, F_BATTERY_SOC_PCT) == 57.3);
	model_set(u, r->s.basic, "ChaState", 0xffff); /* 655.35 %: the marker */
	rig_run(r, 2000);
	assert_int_equal(r->run.state.f[F_BATTERY_SOC_PCT].q, Q_ABSENT);
	model_set(u, r->s.basic, "ChaState", 65000); /* 650 %: no marker, and no state of charge either */
	rig_run(r, 2000);
	assert_int_equal(r->run.state.f[F_BATTERY_SOC_PCT].q, Q_BAD);
	model_set(u, r->s.basic, "ChaState", 4000);
	model_sf(u, r->s.basic, "ChaState", -32768); /* the scale factor is not implemented: nor is the value */
	rig_run(r, 2000);
	assert_int_equal(r->run.state.f[F_BATTERY_SOC_PCT].q, Q_ABSENT);
	model_sf(u, r->s.basic, "ChaState", 11); /* nonsense */
	rig_run(r, 2000);
	assert_int_equal(r->run.state.f[F_BATTERY_SOC_PCT].q, Q_ABSENT);
	model_sf(u, r->s.basic, "ChaState", -2);
	model_set(u, r->s.inverter, "W", -32768);
	rig_run(r, 2000);
	assert_true(field(r, F_BATTERY_SOC_PCT) == 40);
	assert_int_equal(r->run.state.f[F_BATTERY_POWER_AC_W].q, Q_ABSENT);
	model_set(u, r->s.inverter, "St", 77);
	rig_run(r, 2000);
	assert_int_equal(r->run.state.f[F_INVERTER_STATE].q, Q_BAD);
	rig_stop(r);
}

/* A scale factor is applied when writing, too: once somebody charged with 1 % of the power. */
static void test_scale_factor_on_write(void **state)
{
	struct rig *r = rig_start(STORAGE_704, NULL);

	(void)state;
	r->s.unit.on_time = NULL;
	r->s.unit.on_write = NULL;
	model_sf(&r->s.unit, r->s.control, "WSet", 1);
	rig_run(r, 3000);
	fake_aim_power(&r->run, -2019);
	rig_run(r, 3000);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), 201);
	assert_true(r->run.state.caps.step_w == 10);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	rig_stop(r);
}

static void test_function_6_when_16_is_refused(void **state)
{
	struct rig *r = rig_start(STORAGE_124, NULL);

	(void)state;
	rig_run(r, 3000);
	fake_fault(&r->s.unit, (enum request_status)1, 16, -1, -1);
	fake_aim_power(&r->run, 1000);
	rig_run(r, 3000);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_int_equal(fake_last_write(&r->s.unit, (uint16_t)(r->s.basic + 5))->fc, 6);
	rig_stop(r);
}

/* No way to command it: said in the abilities, never written. */
static void test_no_control_model(void **state)
{
	struct rig *r = rig_start(STORAGE_704, NULL);

	(void)state;
	model_sf(&r->s.unit, r->s.control, "WSet", -32768);
	rig_run(r, 3000);
	fake_aim_power(&r->run, 1000);
	rig_run(r, 3000);
	assert_false(r->run.state.caps.can_power);
	assert_int_equal(r->s.unit.writes, 0);
	rig_stop(r);
}

/* Aimed while the device was silent: written when it is back, and only the latest. */
static void test_order_waits_for_the_device(void **state)
{
	struct rig *r = rig_start(STORAGE_704 | STORAGE_TIMER, NULL);

	(void)state;
	rig_run(r, 3000);
	r->s.unit.silent = true;
	rig_run(r, 15000);
	fake_aim_power(&r->run, 1000);
	rig_run(r, 5000);
	fake_aim_power(&r->run, 700);
	rig_run(r, 5000);
	r->s.unit.silent = false;
	rig_run(r, 25000);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), -700);
	for (int i = 0; i < r->s.unit.n_log; i++)
		assert_false(r->s.unit.log[i].address == r->s.control + 24 && r->s.unit.log[i].words[1] == (uint16_t)-1000);
	rig_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_704_setpoint),
		cmocka_unit_test(test_release_of_the_free_writes_nothing),
		cmocka_unit_test(test_guarded_again_after_a_restart),
		cmocka_unit_test(test_release_right_after_an_order_is_written),
		cmocka_unit_test(test_found_is_reported_not_touched),
		cmocka_unit_test(test_124_order_of_writes),
		cmocka_unit_test(test_without_a_timer_nobody_guards),
		cmocka_unit_test(test_timer_that_does_not_run),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_foreign_hand_is_not_fought),
		cmocka_unit_test(test_balance_loop),
		cmocka_unit_test(test_native_balance_by_profile),
		cmocka_unit_test(test_hybrid),
		cmocka_unit_test(test_numbers_that_are_none),
		cmocka_unit_test(test_scale_factor_on_write),
		cmocka_unit_test(test_function_6_when_16_is_refused),
		cmocka_unit_test(test_no_control_model),
		cmocka_unit_test(test_order_waits_for_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
