/* What a battery's control registers held before us: it bounds our orders, and is there again when we let go, however often
 * we died on it. What an earlier life of ours left is never taken for somebody else's. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_sunspec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_POINTS = 7 };

static const char *const BY_124[N_POINTS] = { "StorCtl_Mod",       "OutWRte", "InWRte", "ChaGriSet", "InOutWRte_WinTms", "InOutWRte_RmpTms",
					      "InOutWRte_RvrtTms" };
static const char *const BY_704[N_POINTS] = { "WSetEna", "WSet", "WSetMod", "WSetPct", "WSetRvrt", "WSetEnaRvrt", "WSetRvrtTms" };

struct rig {
	struct fake_storage s;
	struct fake_run run;
	uint16_t model;
	const char *const *point;
};

static void run(struct rig *r, int64_t ms)
{
	fake_until(&r->run, r->run.now_ms + ms);
}

static void born(struct rig *r, const double *kept, int n)
{
	struct driver_options o = fake_options("sunspec-storage", 1);
	const int64_t now_ms = r->run.now_ms;
	double again[DRIVER_KEPT_MAX];

	o.roles = ROLE_BATTERY;
	assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit), 0);
	r->run.now_ms = now_ms > 0 ? now_ms : r->run.now_ms;
	if (n > 0) {
		DRIVER_SUNSPEC.remember(r->run.self, kept, n);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, again), n); /* not forgotten before it has found the device */
		assert_memory_equal(kept, again, (size_t)n * sizeof(kept[0]));
	}
	run(r, 3000);
}

static struct rig *rig_new(int what)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	fake_storage(&r->s, what);
	r->model = r->s.control ? r->s.control : r->s.basic;
	r->point = r->s.control ? BY_704 : BY_124;
	return r;
}

static void put(struct rig *r, const int *raw)
{
	for (int i = 0; i < N_POINTS; i++)
		if (raw[i] >= -10000)
			model_set(&r->s.unit, r->model, r->point[i], raw[i]);
}

static int64_t get(struct rig *r, const char *point)
{
	return model_get(&r->s.unit, r->model, point);
}

static void reads(struct rig *r, const char *name, const char *when, const int *raw)
{
	for (int i = 0; i < N_POINTS; i++) {
		if (raw[i] >= -10000 && get(r, r->point[i]) != raw[i])
			fail_msg("%s: %s: %s is %d, was %d", name, when, r->point[i], (int)get(r, r->point[i]), raw[i]);
	}
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r);
}

static void order(struct rig *r, double w)
{
	fake_aim_power(&r->run, w);
	run(r, 3000);
}

static void release(struct rig *r)
{
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	run(r, 3000);
}

/* kill -9 between two reads, then a new life that is told what was kept. */
static void dies(struct rig *r, int64_t dead_ms)
{
	double kept[DRIVER_KEPT_MAX];
	int n = DRIVER_SUNSPEC.keep(r->run.self, kept);

	fake_stop(&r->run);
	if (dead_ms) {
		r->run.now_ms += dead_ms;
		if (r->s.unit.on_time)
			r->s.unit.on_time(&r->s.unit, r->run.now_ms);
	}
	born(r, kept, n);
}

#define NO -20000 /* no such point, or not looked at */

static const struct {
	const char *name;
	int what;
	int raw[N_POINTS];
	double most, least; /* what comes of charging and discharging with 4000 W */
	bool guarded;
} FOUND[] = {
	{ "124: limits for ever", STORAGE_124 | STORAGE_TIMER, { 3, 5000, 3000, 0, NO, NO, 0 }, 1500, -2500, false },
	{ "124: limits, and no timers", STORAGE_124, { 3, 5000, 3000, 0, NO, NO, NO }, 1500, -2500, false },
	{ "124: a discharge limit alone", STORAGE_124 | STORAGE_TIMER, { 2, 1234, 10000, 1, NO, NO, 0 }, 4000, -617, false },
	{ "124: a charge limit alone, other bits", STORAGE_124 | STORAGE_TIMER, { 5, 10000, 2857, 0, NO, NO, 0 }, 1428.5, -4000, false },
	{ "124: no discharge at all", STORAGE_124, { 3, 0, 10000, 0, NO, NO, NO }, 4000, 0, false },
	{ "124: a charge somebody ordered", STORAGE_124, { 3, -2000, 2000, 1, NO, NO, NO }, 1000, 0, false },
	{ "124: nothing but a ramp", STORAGE_124 | STORAGE_TIMER, { 0, 10000, 10000, 0, 30, 10, NO }, 4000, -4000, true },
	{ "124: rates that are off", STORAGE_124, { 0, 700, 800, 0, NO, NO, NO }, 4000, -4000, false },
	{ "704: watts for ever", STORAGE_704 | STORAGE_TIMER, { 1, 1000, 1, NO, 100, 1, 0 }, 4000, -4000, true },
	{ "704: watts, and no timer", STORAGE_704, { 1, 1000, 1, NO, 100, 0, NO }, 4000, -4000, false },
	{ "704: percent for ever", STORAGE_704 | STORAGE_TIMER, { 1, 77, 0, 2500, 0, 0, 0 }, 4000, -4000, false },
	{ "704: watts for a day", STORAGE_704 | STORAGE_TIMER, { 1, 1000, 1, NO, 100, 1, 30000 }, 4000, -4000, true },
	{ "704: nothing", STORAGE_704 | STORAGE_TIMER, { 0, 5, 0, NO, 100, 1, NO }, 4000, -4000, true },
};

static void test_put_back_and_never_exceeded(void **state)
{
	double kept[DRIVER_KEPT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(FOUND) / sizeof(FOUND[0]); i++) {
		struct rig *r = rig_new(FOUND[i].what);

		put(r, FOUND[i].raw);
		born(r, NULL, 0);
		reads(r, FOUND[i].name, "at start", FOUND[i].raw);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, kept), 0); /* nothing is changed yet */
		assert_true(r->run.state.released);
		for (int life = 0; life < 3; life++) {
			order(r, 4000);
			if (fabs(r->run.state.verdict_w - FOUND[i].most) > 1 || r->run.state.verdict != VERDICT_APPLIED)
				fail_msg("%s: %s %g", FOUND[i].name, verdict_word(r->run.state.verdict), r->run.state.verdict_w);
			assert_int_equal(r->run.state.caps.guarded_by == GUARDED_DEVICE, FOUND[i].guarded);
			order(r, -4000);
			if (fabs(r->run.state.verdict_w - FOUND[i].least) > 1)
				fail_msg("%s: %g", FOUND[i].name, r->run.state.verdict_w);
			order(r, -300 - life);
			fake_aim_power(&r->run, 200); /* ordered, and perhaps not written any more */
			dies(r, 0);
			assert_false(r->run.state.released);
		}
		release(r);
		reads(r, FOUND[i].name, "at last", FOUND[i].raw);
		assert_true(r->run.state.released);
		run(r, 120000);
		reads(r, FOUND[i].name, "two minutes later", FOUND[i].raw);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, kept), 0); /* theirs again */
		rig_stop(r);
	}
}

/* Nobody is told anything: our time marks what is ours, and 704 says what it goes back to. */
static void test_ours_without_knowledge(void **state)
{
	static const struct {
		const char *name;
		int what, before[N_POINTS], after[N_POINTS];
	} ROWS[] = {
		{ "124", STORAGE_124 | STORAGE_TIMER, { 0, 10000, 10000, 0, NO, NO, 0 }, { 0, 10000, 10000, NO, NO, NO, 60 } },
		{ "704", STORAGE_704 | STORAGE_TIMER, { 0, 0, 0, NO, 0, 0, 0 }, { 0, NO, NO, NO, NO, NO, 60 } },
		{ "704 over theirs", STORAGE_704 | STORAGE_TIMER, { 1, 1000, 1, NO, 0, 0, 0 }, { 1, 1000, 1, NO, NO, NO, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(ROWS[i].what);

		if (r->s.capacity)
			model_set(&r->s.unit, r->s.capacity, "WMax", 4600);
		put(r, ROWS[i].before);
		born(r, NULL, 0);
		order(r, 1000);
		fake_stop(&r->run);
		born(r, NULL, 0);
		assert_false(r->run.state.released);
		release(r);
		reads(r, ROWS[i].name, "released", ROWS[i].after);
		assert_true(r->run.state.released);
		rig_stop(r);
	}
}

/* The device went back by itself while we were dead: what else we changed is put back all the same. */
static void test_reverted_while_we_were_dead(void **state)
{
	static const struct {
		const char *name;
		int what, raw[N_POINTS];
	} ROWS[] = {
		{ "124", STORAGE_124 | STORAGE_TIMER, { 0, 10000, 10000, 0, 30, 10, NO } },
		{ "704", STORAGE_704 | STORAGE_TIMER, { 0, 5, 0, NO, 100, 1, NO } },
		{ "704 over theirs", STORAGE_704 | STORAGE_TIMER, { 1, 1000, 1, NO, 100, 1, 0 } },
		{ "704 over percent", STORAGE_704 | STORAGE_TIMER, { 1, 7, 0, 2500, 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(ROWS[i].what);

		put(r, ROWS[i].raw);
		born(r, NULL, 0);
		order(r, 1000);
		dies(r, 90000);
		assert_false(r->run.state.released);
		release(r);
		reads(r, ROWS[i].name, "released", ROWS[i].raw);
		assert_true(r->run.state.released);
		rig_stop(r);
	}
}

/* Somebody came while we were dead. */
static void test_changed_while_we_were_dead(void **state)
{
	static const struct {
		const char *name;
		int what, before[N_POINTS], then[N_POINTS], after[N_POINTS];
	} ROWS[] = {
		{ "ours would bear our time: theirs", STORAGE_124 | STORAGE_TIMER, { 0, 10000, 10000, 0, NO, NO, 0 },
		  { 3, 4000, 4000, NO, NO, NO, 0 }, { 3, 4000, 4000, NO, NO, NO, 0 } },
		{ "no timer, steered when we died: ours", STORAGE_124, { 3, 5000, 3000, 0, NO, NO, NO },
		  { 3, 4000, 4000, NO, NO, NO, NO }, { 3, 5000, 3000, 0, NO, NO, NO } },
		{ "put back by hand", STORAGE_124, { 3, 5000, 3000, 0, NO, NO, NO },
		  { 3, 5000, 3000, 0, NO, NO, NO }, { 3, 5000, 3000, 0, NO, NO, NO } },
		{ "switched off: their limit is gone", STORAGE_124 | STORAGE_TIMER, { 3, 5000, 3000, 0, NO, NO, 0 },
		  { 0, 10000, 10000, NO, NO, NO, 0 }, { 0, 10000, 10000, 0, NO, NO, NO } },
		{ "704, a time of their own", STORAGE_704 | STORAGE_TIMER, { 0, 0, 1, NO, 0, 0, 0 },
		  { 1, 800, 1, NO, 0, 0, 900 }, { 1, 800, 1, NO, 0, 0, 900 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(ROWS[i].what);

		put(r, ROWS[i].before);
		born(r, NULL, 0);
		order(r, 1000);
		put(r, ROWS[i].then);
		dies(r, 0);
		release(r);
		reads(r, ROWS[i].name, "released", ROWS[i].after);
		assert_true(r->run.state.released);
		rig_stop(r);
	}
}

/* What has a time of its own bounds us until it would have been over, and is not started again after that. */
static void test_a_time_of_their_own(void **state)
{
	static const int LIMIT[N_POINTS] = { 3, 5000, 3000, 0, NO, NO, 20 }, GONE[N_POINTS] = { 0, 10000, 10000, 0, NO, NO, NO },
			 SETPOINT[N_POINTS] = { 1, 1000, 1, NO, 100, 1, 30000 };
	struct rig *r = rig_new(STORAGE_124 | STORAGE_TIMER);

	(void)state;
	put(r, LIMIT);
	born(r, NULL, 0);
	order(r, 4000);
	assert_int_equal(get(r, "InWRte"), 3000);
	release(r);
	reads(r, "in its time", "released", LIMIT);
	order(r, 4000);
	run(r, 20000);
	order(r, 4100);
	assert_int_equal(get(r, "InWRte"), 8200);
	release(r);
	reads(r, "after its time", "released", GONE);
	rig_stop(r);

	r = rig_new(STORAGE_704 | STORAGE_TIMER); /* dead, it goes where theirs would have gone */
	put(r, SETPOINT);
	born(r, NULL, 0);
	order(r, 4000);
	fake_stop(&r->run);
	r->run.now_ms += 90000;
	r->s.unit.on_time(&r->s.unit, r->run.now_ms);
	assert_int_equal(get(r, "WSetEna"), 1);
	assert_int_equal(get(r, "WSet"), 100);
	free(r);
}

/* Bounds are told to whoever makes the orders, and to people. */
static void test_told(void **state)
{
	static const int LIMITS[N_POINTS] = { 3, 5000, 3000, 0, NO, NO, 0 }, OFF[N_POINTS] = { 0, 10000, 10000, 0, NO, NO, NO },
			 ONE[N_POINTS] = { 2, 0, 10000, 0, NO, NO, 0 };
	struct rig *r = rig_new(STORAGE_124 | STORAGE_TIMER);
	struct device_state *st = &r->run.state;

	(void)state;
	put(r, LIMITS);
	born(r, NULL, 0);
	for (int i = 0; i < 2; i++) {
		assert_true(st->f[F_BATTERY_CHARGE_LIMIT_W].v == 1500 && value_usable(&st->f[F_BATTERY_CHARGE_LIMIT_W]));
		assert_true(st->f[F_BATTERY_DISCHARGE_LIMIT_W].v == 2500);
		assert_string_equal(st->note, "limits that are not ours hold: charge 1500 W, discharge 2500 W");
		assert_int_equal(st->f[F_BATTERY_CONTROL].v, i == 0 ? CONTROL_FOREIGN : CONTROL_POWER);
		assert_true(st->caps.charge_max_w == 5000); /* its rating is another matter */
		order(r, 700);
	}
	release(r);
	put(r, ONE);
	run(r, 2000);
	assert_string_equal(st->note, "a limit that is not ours holds: discharge 0 W");
	put(r, OFF);
	run(r, 2000);
	assert_int_equal(st->f[F_BATTERY_CHARGE_LIMIT_W].q, Q_ABSENT);
	assert_int_equal(st->f[F_BATTERY_DISCHARGE_LIMIT_W].q, Q_ABSENT);
	assert_string_equal(st->note, "");
	assert_int_equal(st->f[F_BATTERY_CONTROL].v, CONTROL_AUTO);
	rig_stop(r);
}

/* A battery driven by 704: its limit on production, and the limits in its 124, hold beside our setpoint. */
static void test_bounds_beside_704(void **state)
{
	struct rig *r = rig_new(STORAGE_704 | STORAGE_124 | STORAGE_TIMER);
	static const int LIMITS[N_POINTS] = { 3, 5000, 3000, NO, NO, NO, NO };

	(void)state;
	model_set(&r->s.unit, r->s.capacity, "WMax", 4600);
	model_sf(&r->s.unit, r->s.control, "WMaxLimPct", -1);
	model_set(&r->s.unit, r->s.control, "WMaxLimPct", 250);
	model_set(&r->s.unit, r->s.control, "WMaxLimPctEna", 1);
	born(r, NULL, 0);
	assert_true(r->run.state.f[F_BATTERY_DISCHARGE_LIMIT_W].v == 1150);
	assert_int_equal(r->run.state.f[F_BATTERY_CHARGE_LIMIT_W].q, Q_ABSENT);
	order(r, -4000);
	assert_int_equal(get(r, "WSet"), 1150);
	r->model = r->s.basic;
	r->point = BY_124;
	put(r, LIMITS);
	run(r, 2000);
	order(r, 4000);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), -1500);
	order(r, -4100);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WSet"), 1150);
	release(r);
	reads(r, "124 beside 704", "released", LIMITS);
	assert_int_equal(model_get(&r->s.unit, r->s.control, "WMaxLimPct"), 250);
	rig_stop(r);
}

/* Their limit has no time: until our first order nothing may start one under it, and ours bears none. */
static void test_no_timer_under_theirs(void **state)
{
	static const int LIMITS[N_POINTS] = { 3, 5000, 3000, 0, NO, NO, 0 };
	struct rig *r = rig_new(STORAGE_124 | STORAGE_TIMER);

	(void)state;
	put(r, LIMITS);
	born(r, NULL, 0);
	run(r, 700000);
	assert_int_equal(r->s.unit.writes, 0);
	order(r, 1000);
	for (int i = 0; i < r->s.unit.n_log; i++)
		assert_int_not_equal(r->s.unit.log[i].address, r->s.basic + 15);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_NONE);
	rig_stop(r);
}

/* The disk is spared: one row when we begin, one when we let go, whatever the balance does in between. */
static void test_kept_seldom(void **state)
{
	static const int WHAT[] = { STORAGE_124, STORAGE_124 | STORAGE_TIMER, STORAGE_704, STORAGE_704 | STORAGE_TIMER };
	double first[DRIVER_KEPT_MAX], then[DRIVER_KEPT_MAX];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct rig *r = rig_new(WHAT[i]);
		int n;

		born(r, NULL, 0);
		order(r, 1000);
		n = DRIVER_SUNSPEC.keep(r->run.self, first);
		assert_in_range(n, 1, DRIVER_KEPT_MAX);
		for (int k = 0; k < 20; k++) {
			fake_aim(&r->run, (struct order){ .kind = ORDER_BALANCE, .w = 50 * k - 500, .min_w = -4600, .max_w = 5000 });
			run(r, 1000);
			assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, then), n);
			assert_memory_equal(first, then, (size_t)n * sizeof(first[0]));
		}
		release(r);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, then), 0);
		rig_stop(r);
	}
}

/* A row of another device, or of a damaged file. */
static void test_nonsense_is_no_knowledge(void **state)
{
	static const struct {
		const char *name;
		int n;
		double kept[DRIVER_KEPT_MAX];
	} ROWS[] = {
		{ "a sun's", 5, { 1, 50, 0, 30, 30 } },
		{ "704's on a 124", 7, { 1, 1, 1000, 0, 0, 0, 0 } },
		{ "bits nobody has", 8, { 4, 50, 30, 0, 0, 0, 0, 0 } },
		{ "no bits", 8, { -1e12, 50, 30, 0, 0, 0, 0, 0 } },
		{ "more than everything", 8, { 3, 101, 30, 0, 0, 0, 0, 0 } },
		{ "nothing", 8, { 3, -1e12, 30, 0, 0, 0, 0, 0 } },
		{ "less than nothing", 8, { 3, 50, -100.5, 0, 0, 0, 0, 0 } },
	};
	static const int LIMITS[N_POINTS] = { 3, 5000, 3000, 0, NO, NO, NO };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(STORAGE_124);
		struct driver_options o = fake_options("sunspec-storage", 1);

		put(r, LIMITS);
		o.roles = ROLE_BATTERY;
		assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit), 0);
		DRIVER_SUNSPEC.remember(r->run.self, ROWS[i].kept, ROWS[i].n);
		run(r, 3000);
		release(r);
		reads(r, ROWS[i].name, "released", LIMITS);
		assert_true(r->run.state.released);
		rig_stop(r);
	}
}

/* Whatever stood there for ever, whatever we did and however often we died: a release leaves it as it was, and no order of ours
 * ever went beyond it. */
static void test_any_found_any_life(void **state)
{
	static const int WHAT[] = { STORAGE_124, STORAGE_124 | STORAGE_TIMER, STORAGE_704, STORAGE_704 | STORAGE_TIMER };
	uint32_t seed = 1;

	(void)state;
	for (int k = 0; k < 400; k++) {
		struct rig *r = rig_new(WHAT[k % 4]);
		const bool timer = WHAT[k % 4] & STORAGE_TIMER, is_124 = k % 4 < 2;
		int raw[N_POINTS];
		char name[24];

		snprintf(name, sizeof(name), "home %d", k);
		for (int i = 0; i < N_POINTS; i++) {
			seed = seed * 1664525u + 1013904223u;
			raw[i] = (int)(seed >> 16);
		}
		if (is_124) {
			raw[0] %= 4;
			raw[1] = raw[1] % 20001 - 10000;
			raw[2] = raw[2] % 20001 - 10000;
			raw[3] %= 2;
			raw[4] = raw[4] % 3 ? raw[4] % 60 : NO;
			raw[5] = raw[5] % 3 ? raw[5] % 60 : NO;
		} else {
			raw[0] %= 2;
			raw[1] = raw[1] % 9000 - 4500;
			raw[2] %= 2;
			raw[3] = raw[3] % 20001 - 10000;
			raw[4] = raw[4] % 9000 - 4500;
			raw[5] %= 2;
		}
		raw[6] = timer && raw[0] ? 0 : NO;
		put(r, raw);
		born(r, NULL, 0);
		for (int step = 0; step < 8; step++) {
			seed = seed * 1664525u + 1013904223u;
			fake_aim_power(&r->run, (int)(seed >> 16) % 9000 - 4500);
			run(r, 20 + (seed >> 8) % 3000);
			if (is_124 && raw[0] & 1)
				assert_in_range(get(r, "InWRte") + 10000, 0, 10000 + (raw[2] > 0 ? raw[2] : 0));
			if (is_124 && raw[0] & 2)
				assert_in_range(get(r, "OutWRte") + 10000, 0, 10000 + (raw[1] > 0 ? raw[1] : 0));
			if ((seed >> 4) % 3 == 0)
				dies(r, (seed >> 6) % 2 ? 90000 : 0);
			else if ((seed >> 4) % 7 == 1)
				release(r);
		}
		release(r);
		reads(r, name, "released", raw);
		assert_true(r->run.state.released);
		rig_stop(r);
	}
}

/* Registers that read "not implemented" right after an order, or not at all, are not asked for again at once. */
static void test_unreadable_after_an_order(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig *r = rig_new(STORAGE_124);
		int batches;

		born(r, NULL, 0);
		fake_aim_power(&r->run, 1000);
		run(r, 20);
		if (i == 0)
			model_set(&r->s.unit, r->model, "StorCtl_Mod", 0xffff);
		else
			fake_fault(&r->s.unit, (enum request_status)6, 3, r->model, -1);
		batches = r->run.batches;
		run(r, 20000);
		assert_in_range(r->run.batches - batches, 10, 60);
		rig_stop(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_back_and_never_exceeded),
		cmocka_unit_test(test_ours_without_knowledge),
		cmocka_unit_test(test_reverted_while_we_were_dead),
		cmocka_unit_test(test_changed_while_we_were_dead),
		cmocka_unit_test(test_any_found_any_life),
		cmocka_unit_test(test_a_time_of_their_own),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_bounds_beside_704),
		cmocka_unit_test(test_no_timer_under_theirs),
		cmocka_unit_test(test_kept_seldom),
		cmocka_unit_test(test_nonsense_is_no_knowledge),
		cmocka_unit_test(test_unreadable_after_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
