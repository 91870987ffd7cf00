/* A bound on the sun through 123 and 704: rounded down, guarded by the inverter's timer, judged by reading; somebody
 * else's limit stays, and what a release leaves is what was found. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/sun_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "WMaxLimPct=300,WMaxLim_Ena=1": what was written since the last run. */
static const char *written(struct rig *r)
{
	static char out[600];
	const struct sunspec_model *m = sunspec_model_find(*fake_reg(&r->s.unit, model_of(r)));
	size_t n = 0;

	out[0] = '\0';
	for (int i = r->mark; i < r->s.unit.n_log; i++)
		for (int k = 0; k < m->n; k++) {
			const struct fake_write *w = &r->s.unit.log[i];

			if (w->address == model_of(r) + m->points[k].offset)
				n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s=%d", n ? "," : "", m->points[k].name,
						      w->words[w->count - 1]);
		}
	return out;
}

static const struct {
	const char *name;
	int what;
	uint32_t roles;
	bool can;
	double rating_w;
} CAN[] = {
	{ "nothing to curtail by", 0, ROLE_PV, false, 0 },
	{ "123, percent of WRtg", SUN_123, ROLE_PV, true, 8000 },
	{ "123, percent of WMax", SUN_123 | SUN_121, ROLE_PV, true, 7500 },
	{ "704 before 123", SUN_123 | SUN_704, ROLE_PV, true, 8000 },
	{ "704 alone", SUN_704, ROLE_PV, true, 8000 },
	{ "a battery is not bounded from two sides", SUN_704, ROLE_PV | ROLE_BATTERY, false, 0 },
};

static void test_who_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CAN) / sizeof(CAN[0]); i++) {
		struct rig *r = rig_new(CAN[i].what);
		const struct device_caps *c = &r->run.state.caps;

		rig_start(r, CAN[i].roles);
		if (c->can_curtail != CAN[i].can || (CAN[i].can && c->discharge_max_w != CAN[i].rating_w))
			fail_msg("%s: %d, %.0f W", CAN[i].name, c->can_curtail, c->discharge_max_w);
		assert_false(c->can_power);
		assert_int_equal(r->s.unit.writes, 0); /* a sun inverter that is only looked at is not written to */
		assert_int_equal(r->run.state.released, !(CAN[i].roles & ROLE_BATTERY));
		rig_stop(r);
	}
}

/* Before the limit registers were read nobody can say that nothing is in force. */
static void test_not_released_before_it_was_read(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);
	struct driver_options o = fake_options("sunspec", 1);
	static struct batch_result answer;

	(void)state;
	o.roles = ROLE_PV;
	assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit), 0);
	for (int i = 0; i < 200 && r->run.state.availability != AVAIL_ONLINE; i++) { /* batch by batch */
		r->run.now_ms = r->run.driver->plan(r->run.self, r->run.now_ms, &r->run.last);
		if (r->run.last.n == 0)
			continue;
		fake_answer(&r->s.unit, &r->run.last, r->run.now_ms, &answer);
		r->run.driver->feed(r->run.self, &answer, r->run.now_ms, &r->run.state);
	}
	assert_int_equal(r->run.state.availability, AVAIL_ONLINE);
	assert_false(r->run.state.released);
	assert_false(r->run.state.caps.can_curtail);
	fake_until(&r->run, r->run.now_ms + 70000);
	assert_true(r->run.state.released);
	assert_true(r->run.state.caps.can_curtail);
	rig_stop(r);
}

static void test_no_reference_no_bound(void **state)
{
	struct rig *r = rig_new(SUN_123);

	(void)state;
	model_set(&r->s.unit, r->s.nameplate, "WRtg", 0xffff);
	rig_start(r, ROLE_PV);
	assert_false(r->run.state.caps.can_curtail);
	assert_true(r->run.state.released);
	bound(r, -1000);
	assert_int_equal(r->s.unit.writes, 0);
	rig_stop(r);
}

static const struct {
	const char *name;
	double w;
	int raw; /* tenths of a percent of 8000 W */
} BOUNDS[] = {
	{ "nothing", 0, 0 },
	{ "nonsense is nothing", 500, 0 },
	{ "less than a step is nothing", -7.9, 0 },
	{ "one step", -8, 1 },
	{ "down, never up", -2407.9, 300 },
	{ "exactly", -2400, 300 },
	{ "all", -8000, 1000 },
	{ "more than all", -20000, 1000 },
};

static void test_bounds(void **state)
{
	(void)state;
	for (int model = SUN_123; model <= SUN_704; model++)
		for (size_t i = 0; i < sizeof(BOUNDS) / sizeof(BOUNDS[0]); i++) {
			struct rig *r = rig_new(model | SUN_TIMER);

			rig_start(r, ROLE_PV);
			bound(r, BOUNDS[i].w);
			if (model_get(&r->s.unit, model_of(r), "WMaxLimPct") != BOUNDS[i].raw)
				fail_msg("%s: %d", BOUNDS[i].name, (int)model_get(&r->s.unit, model_of(r), "WMaxLimPct"));
			assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
			assert_true(r->run.state.verdict_w == -8.0 * BOUNDS[i].raw);
			assert_true(r->run.state.f[F_PV_LIMIT_PCT].v == BOUNDS[i].raw / 10.0);
			assert_false(r->run.state.released);
			rig_stop(r);
		}
}

static void test_the_life_of_a_bound(void **state)
{
	static const char *const FIRST[] = {
		"WMaxLimPct_WinTms=0,WMaxLimPct_RvrtTms=60,WMaxLimPct=300,WMaxLim_Ena=1",
		"WMaxLimPctRvrt=1000,WMaxLimPctEnaRvrt=0,WMaxLimPctRvrtTms=60,WMaxLimPct=300,WMaxLimPctEna=1",
	};
	static const char *const AGAIN[] = {
		"WMaxLimPct_RvrtTms=60,WMaxLimPct=300,WMaxLim_Ena=1",
		"WMaxLimPctRvrtTms=60,WMaxLimPct=300,WMaxLimPctEna=1",
	};
	static const char *const LAST[] = {
		"WMaxLim_Ena=0,WMaxLimPct_RvrtTms=0,WMaxLimPct=1000",
		"WMaxLimPctEna=0,WMaxLimPctRvrtTms=0,WMaxLimPct=1000",
	};

	(void)state;
	for (int m = 0; m < 2; m++) {
		struct rig *r = rig_new((m ? SUN_704 : SUN_123) | SUN_TIMER);
		const struct device_state *st = &r->run.state;

		if (!m)
			model_set(&r->s.unit, r->s.immediate, "WMaxLimPct_WinTms", 5);
		rig_start(r, ROLE_PV);
		assert_int_equal(st->caps.guarded_by, GUARDED_SAFE_STATE);
		assert_true(st->f[F_PV_LIMIT_PCT].v == 100);
		release(r); /* nothing is in force: nothing is written */
		assert_int_equal(r->s.unit.writes, 0);

		bound(r, -2400);
		assert_string_equal(written(r), FIRST[m]);
		assert_int_equal(st->verdict, VERDICT_APPLIED);
		assert_int_equal(st->caps.guarded_by, GUARDED_DEVICE);
		assert_int_equal(st->caps.guard_timeout_s, 60);
		assert_true(fake_sun_w(&r->s) == 2400);
		assert_true(st->ac_power_w.v == -2400);

		run(r, 20000);
		assert_string_equal(written(r), "");
		run(r, 12000); /* fed at half the time */
		assert_string_equal(written(r), AGAIN[m]);
		run(r, 300000);
		assert_true(fake_sun_w(&r->s) == 2400);
		assert_int_equal(st->verdict, VERDICT_APPLIED);

		release(r);
		assert_string_equal(written(r), LAST[m]);
		assert_true(st->released);
		assert_int_equal(st->verdict, VERDICT_APPLIED);
		assert_true(fake_sun_w(&r->s) == 5000);
		run(r, 120000);
		assert_string_equal(written(r), "");
		rig_stop(r);
	}
}

static void test_a_dead_hub_gives_the_sun_back(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);

	(void)state;
	rig_start(r, ROLE_PV);
	bound(r, 0);
	assert_true(fake_sun_w(&r->s) == 0);
	r->s.unit.on_time(&r->s.unit, r->run.now_ms + 61000);
	assert_true(fake_sun_w(&r->s) == 5000);
	rig_stop(r);
}

/* An earlier life of ours left a limit: it bears our time. Anything else is somebody else's. */
static const struct {
	const char *name;
	int what, timer; /* -1 = not implemented */
	bool ours;
} LEFT[] = {
	{ "our time", SUN_123 | SUN_TIMER, 60, true },
	{ "no timers at all", SUN_123, -1, false },
	{ "for ever", SUN_123 | SUN_TIMER, 0, false },
	{ "another time", SUN_123 | SUN_TIMER, 900, false },
	{ "for ever, 704", SUN_704 | SUN_TIMER, 0, false },
	{ "our time, 704", SUN_704 | SUN_TIMER, 60, true },
};

static void test_found_at_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(LEFT) / sizeof(LEFT[0]); i++) {
		struct rig *r = rig_new(LEFT[i].what);
		bool is_704 = LEFT[i].what & SUN_704;
		const char *timer = is_704 ? "WMaxLimPctRvrtTms" : "WMaxLimPct_RvrtTms";

		model_set(&r->s.unit, model_of(r), "WMaxLimPct", 500);
		model_set(&r->s.unit, model_of(r), is_704 ? "WMaxLimPctEna" : "WMaxLim_Ena", 1);
		if (LEFT[i].timer >= 0)
			model_set(&r->s.unit, model_of(r), timer, LEFT[i].timer);
		if (is_704 && LEFT[i].ours) /* which nothing was under */
			model_set(&r->s.unit, model_of(r), "WMaxLimPctEnaRvrt", 0);
		rig_start(r, ROLE_PV);
		release(r);
		if (r->run.state.released != true || (fake_sun_w(&r->s) == 5000) != LEFT[i].ours)
			fail_msg("%s: %.0f W after the release", LEFT[i].name, fake_sun_w(&r->s));
		if (!LEFT[i].ours) {
			assert_int_equal(r->s.unit.writes, 0);
			assert_non_null(strstr(r->run.state.note, "50 % that is not ours"));
			bound(r, -6000); /* above theirs: theirs holds */
			assert_true(fake_sun_w(&r->s) == 4000);
			assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
			bound(r, -1600);
			assert_true(fake_sun_w(&r->s) == 1600);
			/* Only 704 can go back to theirs by itself. */
			assert_int_equal(r->run.state.caps.guarded_by, is_704 ? GUARDED_DEVICE : GUARDED_NONE);
			assert_int_equal(model_get(&r->s.unit, model_of(r), timer), is_704 ? 60 : (uint16_t)LEFT[i].timer);
			if (is_704) {
				r->s.unit.on_time(&r->s.unit, r->run.now_ms + 61000);
				assert_true(fake_sun_w(&r->s) == 4000);
			}
			release(r);
			assert_true(fake_sun_w(&r->s) == 4000);
			assert_int_equal(model_get(&r->s.unit, model_of(r), timer), (uint16_t)LEFT[i].timer);
			assert_true(r->run.state.released);
		}
		rig_stop(r);
	}
}

/* Somebody sets a limit while we have none: theirs, not to be released, not to be fought. */
static void test_a_limit_that_comes_later(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);

	(void)state;
	rig_start(r, ROLE_PV);
	bound(r, -2400);
	release(r);
	model_set(&r->s.unit, r->s.immediate, "WMaxLimPct", 400);
	model_set(&r->s.unit, r->s.immediate, "WMaxLim_Ena", 1);
	run(r, 180000);
	assert_string_equal(written(r), "");
	assert_true(r->run.state.released);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	bound(r, -2400);
	release(r);
	assert_true(fake_sun_w(&r->s) == 3200);
	rig_stop(r);
}

static void test_without_a_timer_nobody_gives_it_back(void **state)
{
	struct rig *r = rig_new(SUN_123);

	(void)state;
	rig_start(r, ROLE_PV);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_NONE);
	bound(r, -2400);
	assert_string_equal(written(r), "WMaxLimPct=300,WMaxLim_Ena=1");
	run(r, 120000);
	assert_string_equal(written(r), ""); /* nothing to feed */
	release(r);
	assert_true(fake_sun_w(&r->s) == 5000);
	rig_stop(r);
}

static void no_timer_kept(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_sun *s = u->context;

	(void)address;
	(void)count;
	(void)now_ms;
	model_set(u, s->immediate, "WMaxLimPct_RvrtTms", 0); /* takes no time, and says so */
}

static void test_a_timer_that_fails_its_proof(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);

	(void)state;
	r->s.unit.on_write = no_timer_kept;
	rig_start(r, ROLE_PV);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_SAFE_STATE);
	bound(r, -2400);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_NONE);
	release(r);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_NONE); /* what it has shown stays known */
	rig_stop(r);
}

static void keeps_all(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_sun *s = u->context;

	(void)address;
	(void)count;
	(void)now_ms;
	model_set(u, s->immediate, "WMaxLimPct", 1000);
	model_set(u, s->immediate, "WMaxLim_Ena", 0);
}

static void test_verdicts(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);

	(void)state;
	r->s.min_pct = 10; /* an inverter that goes no lower: it lets through more than was asked, and that is said */
	rig_start(r, ROLE_PV);
	bound(r, 0);
	assert_int_equal(r->run.state.verdict, VERDICT_CLAMPED);
	assert_true(r->run.state.verdict_w == -800);
	run(r, 60000);
	assert_int_equal(r->run.state.verdict, VERDICT_CLAMPED);
	rig_stop(r);

	r = rig_new(SUN_123 | SUN_TIMER);
	r->s.unit.on_write = keeps_all;
	rig_start(r, ROLE_PV);
	bound(r, -2400);
	assert_int_equal(r->run.state.verdict, VERDICT_IGNORED);
	rig_stop(r);

	r = rig_new(SUN_123 | SUN_TIMER);
	rig_start(r, ROLE_PV);
	bound(r, -2400);
	model_set(&r->s.unit, r->s.immediate, "WMaxLimPct", 700);
	run(r, 3000);
	assert_int_equal(r->run.state.verdict, VERDICT_FOREIGN);
	assert_string_equal(written(r), "");
	run(r, 30000); /* not fought, but not forgotten either */
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	rig_stop(r);

	r = rig_new(SUN_123 | SUN_TIMER);
	rig_start(r, ROLE_PV);
	fake_fault(&r->s.unit, (enum request_status)3, 16, -1, 1);
	bound(r, -2400);
	assert_int_equal(r->run.state.verdict, VERDICT_REFUSED);
	rig_stop(r);
}

static int raised_raw;

static void raised(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_sun *s = u->context;

	(void)address;
	(void)count;
	(void)now_ms;
	model_set(u, s->immediate, "WMaxLimPct", raised_raw);
}

/* Just when we write, something else is there: more than it has held before, or less, is nobody's clamp. */
static void test_somebody_just_when_we_write(void **state)
{
	static const struct { const char *name; double first_w, then_w; int raw; enum verdict verdict; } ROWS[] = {
		{ "more, though it has held less", -2400, -2480, 700, VERDICT_FOREIGN },
		{ "a step more than that", -2400, -1600, 303, VERDICT_FOREIGN }, { "between asked and held", -2400, -1600, 250, VERDICT_CLAMPED },
		{ "less, though it has held more", -2400, -1600, 100, VERDICT_FOREIGN }, { "no more than it has held", -2400, -4000, 400, VERDICT_CLAMPED },
		{ "less than it has held", -2400, -4000, 200, VERDICT_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(SUN_123 | SUN_TIMER);

		rig_start(r, ROLE_PV);
		bound(r, ROWS[i].first_w);
		assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
		raised_raw = ROWS[i].raw;
		r->s.unit.on_write = raised;
		bound(r, ROWS[i].then_w);
		if (r->run.state.verdict != ROWS[i].verdict)
			fail_msg("%s: %s", ROWS[i].name, verdict_word(r->run.state.verdict));
		rig_stop(r);
	}
}

/* Lower bounds go out at once, whatever is under way; the inverter that wants function 6 gets it. */
static void test_function_6(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);

	(void)state;
	fake_fault(&r->s.unit, (enum request_status)1, 16, -1, -1);
	rig_start(r, ROLE_PV);
	bound(r, -2400);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_int_equal(r->s.unit.log[r->s.unit.n_log - 1].fc, 6);
	rig_stop(r);
}

/* While nothing of ours holds, the limit registers are read once a minute only. */
static void test_quiet_on_the_bus(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);
	int before;

	(void)state;
	rig_start(r, ROLE_PV);
	before = r->s.unit.reads;
	run(r, 60000);
	assert_in_range(r->s.unit.reads - before, 60, 66);
	bound(r, -2400);
	before = r->s.unit.reads;
	run(r, 60000);
	assert_in_range(r->s.unit.reads - before, 120, 140);
	rig_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_can),
		cmocka_unit_test(test_not_released_before_it_was_read),
		cmocka_unit_test(test_no_reference_no_bound),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_the_life_of_a_bound),
		cmocka_unit_test(test_a_dead_hub_gives_the_sun_back),
		cmocka_unit_test(test_found_at_start),
		cmocka_unit_test(test_a_limit_that_comes_later),
		cmocka_unit_test(test_without_a_timer_nobody_gives_it_back),
		cmocka_unit_test(test_a_timer_that_fails_its_proof),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_somebody_just_when_we_write),
		cmocka_unit_test(test_function_6),
		cmocka_unit_test(test_quiet_on_the_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
