/* A bound on the sun over several lives: what was found is put back however often we died on it, and what is not ours is left alone. */
#include "support/sun_kit.h"

#include <stdio.h>
#include <string.h>

/* The next life, on the same registers, told @n numbers. */
static void lives(struct rig *r, const double *kept, int n)
{
	struct driver_options o = fake_options("sunspec", 1);
	const int64_t now_ms = r->run.now_ms;
	double again[DRIVER_KEPT_MAX];

	fake_stop(&r->run);
	o.roles = ROLE_PV;
	assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit), 0);
	r->run.now_ms = now_ms;
	if (n > 0)
		DRIVER_SUNSPEC.remember(r->run.self, kept, n);
	if (n == 5 && kept[1] <= 100) /* not forgotten before it has found the device again */
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, again), n);
	run(r, 3000);
}

static void dies(struct rig *r)
{
	double kept[DRIVER_KEPT_MAX];

	lives(r, kept, DRIVER_SUNSPEC.keep(r->run.self, kept));
}

/* What was found is put back however often we died on it. */
static const struct {
	const char *name;
	int what, timer, on; /* timer -1 = not implemented */
} FOUND[] = {
	{ "theirs for ever, 123", SUN_123 | SUN_TIMER, 0, 1 },
	{ "theirs with a time, 123", SUN_123 | SUN_TIMER, 900, 1 },
	{ "theirs, no timers", SUN_123, -1, 1 },
	{ "none, no timers", SUN_123, -1, 0 },
	{ "none, with a time", SUN_123 | SUN_TIMER, 900, 0 },
	{ "theirs for ever, 704", SUN_704 | SUN_TIMER, 0, 1 },
	{ "none, 704", SUN_704 | SUN_TIMER, 900, 0 },
};

static void test_found_again_after_a_crash(void **state)
{
	double kept[DRIVER_KEPT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(FOUND) / sizeof(FOUND[0]); i++) {
		struct rig *r = rig_new(FOUND[i].what);
		bool is_704 = FOUND[i].what & SUN_704;
		const char *on = is_704 ? "WMaxLimPctEna" : "WMaxLim_Ena", *timer = is_704 ? "WMaxLimPctRvrtTms" : "WMaxLimPct_RvrtTms";

		model_set(&r->s.unit, model_of(r), "WMaxLimPct", 500);
		model_set(&r->s.unit, model_of(r), on, FOUND[i].on);
		if (FOUND[i].timer >= 0)
			model_set(&r->s.unit, model_of(r), timer, FOUND[i].timer);
		rig_start(r, ROLE_PV);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, kept), 0); /* nothing is changed yet */
		for (int life = 0; life < 3; life++) {
			bound(r, -1600 + 160 * life);
			bound(r, -1000 + 160 * life);
			fake_aim_power(&r->run, -800); /* ordered, and perhaps not written any more */
			dies(r);
			assert_false(r->run.state.released);
		}
		release(r);
		if (model_get(&r->s.unit, model_of(r), "WMaxLimPct") != 500 || model_get(&r->s.unit, model_of(r), on) != FOUND[i].on ||
		    (FOUND[i].timer >= 0 && model_get(&r->s.unit, model_of(r), timer) != FOUND[i].timer))
			fail_msg("%s: %d %d %d", FOUND[i].name, (int)model_get(&r->s.unit, model_of(r), "WMaxLimPct"),
				 (int)model_get(&r->s.unit, model_of(r), on), (int)model_get(&r->s.unit, model_of(r), timer));
		assert_true(r->run.state.released);
		run(r, 120000);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, kept), 0); /* and now it is theirs again */
		rig_stop(r);
	}
}

/* What does not read as ours is somebody else's, whatever we once knew. */
static void test_changed_while_we_were_dead(void **state)
{
	struct rig *r = rig_new(SUN_123 | SUN_TIMER);
	static const double SHORT[] = { 1, 50, 0, 10 }, WILD[] = { 1, 101, 0, 30, 30 };

	(void)state;
	model_set(&r->s.unit, r->s.immediate, "WMaxLimPct", 500);
	model_set(&r->s.unit, r->s.immediate, "WMaxLim_Ena", 1);
	rig_start(r, ROLE_PV);
	bound(r, -1600);
	model_set(&r->s.unit, r->s.immediate, "WMaxLimPct", 300);
	dies(r);
	release(r);
	assert_int_equal(model_get(&r->s.unit, r->s.immediate, "WMaxLimPct"), 300);
	assert_non_null(strstr(r->run.state.note, "30 % that is not ours"));
	for (int i = 0; i < 2; i++) { /* nonsense is no knowledge */
		lives(r, i ? WILD : SHORT, i ? 5 : 4);
		release(r);
		assert_int_equal(model_get(&r->s.unit, r->s.immediate, "WMaxLimPct"), 300);
	}
	rig_stop(r);
}

/* Nobody remembers: 704 itself still says what it goes back to. */
static void test_forgotten(void **state)
{
	struct rig *r = rig_new(SUN_704 | SUN_TIMER);

	(void)state;
	model_set(&r->s.unit, r->s.control, "WMaxLimPct", 500);
	model_set(&r->s.unit, r->s.control, "WMaxLimPctEna", 1);
	rig_start(r, ROLE_PV);
	bound(r, -1600);
	lives(r, NULL, 0);
	release(r);
	assert_true(fake_sun_w(&r->s) == 4000);
	rig_stop(r);
}

/* Kept numbers that stay the same spare the disk; only without our time they must follow each bound. */
static void test_kept_seldom(void **state)
{
	static const struct { int what, on, changes; } ROWS[] = { { SUN_123 | SUN_TIMER, 0, 0 }, { SUN_704 | SUN_TIMER, 1, 0 }, { SUN_123 | SUN_TIMER, 1, 1 } };
	double first[DRIVER_KEPT_MAX], then[DRIVER_KEPT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_new(ROWS[i].what);

		model_set(&r->s.unit, model_of(r), "WMaxLimPct", 500);
		model_set(&r->s.unit, model_of(r), ROWS[i].what & SUN_704 ? "WMaxLimPctEna" : "WMaxLim_Ena", ROWS[i].on);
		rig_start(r, ROLE_PV);
		bound(r, -1600);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, first), 5);
		bound(r, -2400);
		assert_int_equal(DRIVER_SUNSPEC.keep(r->run.self, then), 5);
		assert_int_equal(memcmp(first, then, 5 * sizeof(first[0])) != 0, ROWS[i].changes);
		rig_stop(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_again_after_a_crash),
		cmocka_unit_test(test_changed_while_we_were_dead),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_kept_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
