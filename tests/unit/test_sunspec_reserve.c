/* The floor mirrored into the battery's reserve register: only when it reads otherwise, seldom, verified, and not where the
 * inverter would charge from the grid to reach it. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_sunspec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define PROFILE(reserve) \
	"{\"schema\":\"hub-device-profile/1\",\"kind\":\"battery\",\"transport\":{\"addressing\":\"sunspec\"}" reserve "}"
#define MIRROR ",\"reserve\":{\"mirror\":true,\"charges_from_grid\":[\"Fronius\"],\"writes_per_day\":20,\"confidence\":\"B\"}"

struct rig {
	struct fake_storage s;
	struct fake_run run;
};

static int begin(struct rig *r, const char *json, bool allow_unverified)
{
	struct driver_options o = fake_options("sunspec-storage", 1);

	o.roles = ROLE_BATTERY;
	o.allow_unverified = allow_unverified;
	o.profile_json = json;
	o.profile_json_len = json ? strlen(json) : 0;
	return fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit);
}

static struct rig *rig_new(int what)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	fake_storage(&r->s, what);
	return r;
}

static struct rig *rig_start(int what, const char *json)
{
	struct rig *r = rig_new(what);

	assert_int_equal(begin(r, json, false), 0);
	fake_until(&r->run, r->run.now_ms + 3000);
	return r;
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r);
}

/* An order as the chain gives it, again and again, with a floor to mirror. */
static void mirror(struct rig *r, float pct, int64_t ms)
{
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE, .reserve_pct = pct });
	for (int64_t left_ms = ms; left_ms > 0; left_ms -= 1000000)
		fake_until(&r->run, r->run.now_ms + (left_ms < 1000000 ? left_ms : 1000000));
}

static int register_writes(struct rig *r)
{
	int n = 0;

	for (int i = 0; i < r->s.unit.n_log && i < FAKE_WRITES_MAX; i++)
		n += r->s.unit.log[i].address == r->s.basic + 7;
	return n;
}

static const struct {
	const char *name;
	int what;
	const char *json, *maker;
	bool allow, can;
} CAN[] = {
	{ "no profile", STORAGE_124, NULL, "Acme", true, false },
	{ "profile says nothing", STORAGE_124, PROFILE(""), "Acme", true, false },
	{ "profile says no", STORAGE_124, PROFILE(",\"reserve\":{\"mirror\":false,\"confidence\":\"A\"}"), "Acme", true, false },
	{ "hearsay", STORAGE_124, PROFILE(",\"reserve\":{\"mirror\":true,\"confidence\":\"C\"}"), "Acme", false, false },
	{ "hearsay, allowed", STORAGE_124, PROFILE(",\"reserve\":{\"mirror\":true,\"confidence\":\"C\"}"), "Acme", true, true },
	{ "no such register", STORAGE_704, PROFILE(MIRROR), "Acme", false, false },
	{ "charges from the grid to reach it", STORAGE_124, PROFILE(MIRROR), "FRONIUS", false, false },
	{ "nobody knows who made it", STORAGE_124, PROFILE(MIRROR), "", false, false },
	{ "yes", STORAGE_124, PROFILE(MIRROR), "Acme", false, true },
};

static void test_who_mirrors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CAN) / sizeof(CAN[0]); i++) {
		struct rig *r = rig_new(CAN[i].what);

		fake_text(&r->s.unit, (uint16_t)(r->s.common + 2), CAN[i].maker, 16);
		assert_int_equal(begin(r, CAN[i].json, CAN[i].allow), 0);
		fake_until(&r->run, r->run.now_ms + 3000);
		if (r->run.state.caps.mirrors_reserve != CAN[i].can)
			fail_msg("%s: %d", CAN[i].name, !CAN[i].can);
		if (r->s.basic) {
			mirror(r, 20, 10000);
			assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), CAN[i].can ? 2000 : 700);
		}
		rig_stop(r);
	}
}

static const char *const REFUSED[] = {
	PROFILE(",\"reserve\":1"),
	PROFILE(",\"reserve\":{\"miror\":true}"),
	PROFILE(",\"reserve\":{\"mirror\":1}"),
	PROFILE(",\"reserve\":{\"mirror\":true,\"writes_per_day\":0}"),
	PROFILE(",\"reserve\":{\"mirror\":true,\"writes_per_day\":21}"),
	PROFILE(",\"reserve\":{\"mirror\":true,\"charges_from_grid\":[1]}"),
	PROFILE(",\"reserve\":{\"mirror\":true,\"charges_from_grid\":[\"\"]}"),
	PROFILE(",\"reserve\":{\"mirror\":true,\"charges_from_grid\":[\"a name that is far too long\"]}"),
	PROFILE(",\"reserve\":{\"mirror\":true,\"charges_from_grid\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}"),
};

static void test_refused_profiles(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
		struct rig *r = rig_new(STORAGE_124);

		if (begin(r, REFUSED[i], false) == 0)
			fail_msg("taken: %s", REFUSED[i]);
		fake_stop(&r->run);
		free(r);
	}
}

static void test_written_once_and_left(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	mirror(r, 0, 5000); /* 0: leave it alone */
	assert_int_equal(register_writes(r), 0);
	mirror(r, 7, 5000); /* it reads so already */
	assert_int_equal(register_writes(r), 0);
	mirror(r, 20, 5000);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 2000);
	assert_true(r->run.state.f[F_BATTERY_RESERVE_SOC_PCT].v == 20);
	mirror(r, 20, 600000);
	assert_int_equal(register_writes(r), 1);
	mirror(r, 10, 5000); /* an event */
	mirror(r, 20, 5000); /* and after it */
	assert_int_equal(register_writes(r), 3);
	mirror(r, 0, 5000); /* nobody asks any more: it stays, that is its purpose */
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 2000);
	assert_true(r->run.state.released);
	rig_stop(r);
}

/* The order goes first, and mirroring does not disturb it. */
static void test_beside_an_order(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	fake_aim(&r->run, (struct order){ .kind = ORDER_POWER, .w = -2000, .reserve_pct = 15 });
	fake_until(&r->run, r->run.now_ms + 4000);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 1500);
	assert_int_equal(r->run.state.verdict, VERDICT_APPLIED);
	assert_true(r->run.state.verdict_w == -2000);
	assert_int_equal(r->s.unit.log[r->s.unit.n_log - 1].address, r->s.basic + 7);
	rig_stop(r);
}

/* 20 a day, the last of them for raising; a day later there are more. */
static void test_the_budget(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	for (int i = 0; i < 60; i++)
		mirror(r, i % 2 ? 10.0f : 30.0f, 2000);
	assert_int_equal(register_writes(r), 19); /* up, down, ... up: no write is left for going down */
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 3000);
	mirror(r, 50, 5000);
	assert_int_equal(register_writes(r), 20);
	mirror(r, 60, 5000); /* spent */
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 5000);
	mirror(r, 60, 85000000);
	assert_int_equal(register_writes(r), 20);
	mirror(r, 60, 1400000); /* 24 h after the first one */
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 6000);
	rig_stop(r);
}

/* What an earlier life wrote counts in this one, as long as its day lasts. */
static void test_the_budget_of_another_life(void **state)
{
	static const struct { const char *name; int before, older; int64_t age_ms; int left; } ROWS[] = {
		{ "none", 0, 0, 0, 20 }, { "half of them", 10, 0, 1000, 10 }, { "all but one: no more down", 19, 0, 1000, 1 }, { "all", 20, 0, 1000, 0 },
		{ "all, nearly a day ago", 20, 0, 86000000, 0 }, { "all, a day ago", 20, 0, 86400000, 20 }, { "of 47 the latest twenty", 20, 27, 1000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));
		int64_t at_ms[DRIVER_WORN_MAX], found[DRIVER_WORN_MAX];
		int n;

		for (int k = 0; k < ROWS[i].older; k++)
			DRIVER_SUNSPEC.recall(r->run.self, &(int64_t){ -86400000LL }, 1);
		for (int k = 0; k < ROWS[i].before; k++)
			at_ms[k] = r->run.now_ms - ROWS[i].age_ms + k;
		DRIVER_SUNSPEC.recall(r->run.self, at_ms, ROWS[i].before);
		assert_int_equal(DRIVER_SUNSPEC.worn(r->run.self, found), ROWS[i].before);
		assert_memory_equal(found, at_ms, sizeof(at_ms[0]) * (size_t)ROWS[i].before);
		for (int k = 0; k < 30; k++)
			mirror(r, 30 + (float)k, 2000);
		if (register_writes(r) != ROWS[i].left)
			fail_msg("%s: %d writes", ROWS[i].name, register_writes(r));
		n = DRIVER_SUNSPEC.worn(r->run.self, found);
		assert_int_equal(n, ROWS[i].before + ROWS[i].left < 20 ? ROWS[i].before + ROWS[i].left : 20);
		for (int k = 1; k < n; k++)
			assert_true(found[k] >= found[k - 1]);
		rig_stop(r);
	}
}

static int lowest = 0;
static bool deaf;

static void keeps(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	(void)count;
	(void)now_ms;
	if (address == s->basic + 7 && (deaf || model_get(u, s->basic, "MinRsvPct") < lowest))
		model_set(u, s->basic, "MinRsvPct", lowest);
}

static void test_its_own_minimum_is_no_harm(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	deaf = false;
	lowest = 700;
	r->s.unit.on_write = keeps;
	mirror(r, 30, 5000);
	mirror(r, 5, 2000000);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 700);
	assert_int_equal(register_writes(r), 2); /* asked once */
	assert_true(r->run.state.caps.mirrors_reserve);
	mirror(r, 30, 5000); /* another wish is another question */
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 3000);
	rig_stop(r);
}

static void test_a_register_that_does_not_take_it(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	deaf = true;
	lowest = 700;
	r->s.unit.on_write = keeps;
	mirror(r, 30, 5000);
	assert_int_equal(register_writes(r), 1);
	mirror(r, 30, 3000000);
	assert_int_equal(register_writes(r), 3);
	assert_false(r->run.state.caps.mirrors_reserve);
	assert_non_null(strstr(r->run.state.note, "not mirrored"));
	rig_stop(r);

	r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));
	fake_fault(&r->s.unit, (enum request_status)3, 16, r->s.basic + 7, -1);
	mirror(r, 30, 100000);
	assert_false(r->run.state.caps.mirrors_reserve);
	rig_stop(r);

	r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));
	fake_fault(&r->s.unit, (enum request_status)6, 16, r->s.basic + 7, 2); /* busy, twice */
	mirror(r, 30, 100000);
	assert_true(r->run.state.caps.mirrors_reserve);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 3000);
	rig_stop(r);

	/* A bus that loses the answer has not refused. */
	r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));
	fake_fault(&r->s.unit, REQUEST_TIMEOUT, 16, r->s.basic + 7, 4);
	mirror(r, 30, 100000);
	assert_true(r->run.state.caps.mirrors_reserve);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 3000);
	rig_stop(r);
}

static int64_t slow_at_ms;

static void slowly(struct fake_unit *u, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	if (slow_at_ms && now_ms >= slow_at_ms) {
		slow_at_ms = 0;
		model_set(u, s->basic, "MinRsvPct", 3000);
	}
}

static void begins(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	(void)count;
	if (address != s->basic + 7)
		return;
	model_set(u, s->basic, "MinRsvPct", 700);
	slow_at_ms = now_ms + 2500;
}

/* A register that shows a write two seconds later has not refused it. */
static void test_a_slow_register(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	r->s.unit.on_write = begins;
	r->s.unit.on_time = slowly;
	for (int i = 0; i < 4; i++) {
		mirror(r, 30, 10000);
		model_set(&r->s.unit, r->s.basic, "MinRsvPct", 700); /* by somebody */
		mirror(r, 30, 400000);
	}
	assert_true(r->run.state.caps.mirrors_reserve);
	assert_int_equal(register_writes(r), 5);
	rig_stop(r);
}

/* Somebody changes it behind our back: asked again, but not in a hurry. */
static void test_not_fought_over(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	mirror(r, 20, 5000);
	model_set(&r->s.unit, r->s.basic, "MinRsvPct", 500);
	mirror(r, 20, 200000);
	assert_int_equal(register_writes(r), 1);
	mirror(r, 20, 200000);
	assert_int_equal(register_writes(r), 2);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 2000);
	rig_stop(r);
}

static void test_rounded_up(void **state)
{
	struct rig *r = rig_start(STORAGE_124 | STORAGE_TIMER, PROFILE(MIRROR));

	(void)state;
	model_sf(&r->s.unit, r->s.basic, "MinRsvPct", 1); /* a register of tens */
	model_set(&r->s.unit, r->s.basic, "MinRsvPct", 0);
	fake_until(&r->run, r->run.now_ms + 2000);
	mirror(r, 21, 5000);
	assert_int_equal(model_get(&r->s.unit, r->s.basic, "MinRsvPct"), 3);
	rig_stop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_mirrors),
		cmocka_unit_test(test_refused_profiles),
		cmocka_unit_test(test_written_once_and_left),
		cmocka_unit_test(test_beside_an_order),
		cmocka_unit_test(test_the_budget),
		cmocka_unit_test(test_the_budget_of_another_life),
		cmocka_unit_test(test_its_own_minimum_is_no_harm),
		cmocka_unit_test(test_a_register_that_does_not_take_it),
		cmocka_unit_test(test_a_slow_register),
		cmocka_unit_test(test_not_fought_over),
		cmocka_unit_test(test_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
