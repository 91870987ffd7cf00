/* How often registers that wear were written to: kept when it changes, again when the disk would not, and given to the drivers of
 * the next life, by clocks that may be wrong. Plant and disk are played by this file. */
#include "flow/hub.h"
#include "io/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define HOUR_MS 3600000LL

static struct hub hub;
static struct config_device devices[2];
static int64_t now_ms, utc_ms;
static struct { int64_t at_ms[DRIVER_WORN_MAX]; int n; } driver[2];
static char key[64], disk[600];
static int n_stores, n_tries, submit_error;
static store_done_fn done;
static void *done_context;

int64_t loop_now_ms(void)
{
	return now_ms;
}

int64_t loop_utc_ms(void)
{
	return utc_ms;
}

bool hub_clock(struct hub *h)
{
	return h->clock_trusted;
}

int plant_count(const struct plant *p)
{
	(void)p;
	return 2;
}

const struct config_device *plant_config(const struct plant *p, int device)
{
	(void)p;
	return &devices[device];
}

int plant_worn(const struct plant *p, int device, int64_t at_ms[DRIVER_WORN_MAX])
{
	(void)p;
	memcpy(at_ms, driver[device].at_ms, sizeof(driver[device].at_ms));
	return driver[device].n;
}

void plant_recall(struct plant *p, int device, const int64_t *at_ms, int n)
{
	(void)p;
	assert_int_equal(driver[device].n, 0);
	memcpy(driver[device].at_ms, at_ms, sizeof(at_ms[0]) * (size_t)n);
	driver[device].n = n;
}

int hub_store_setting(struct hub *h, const char *k, const char *body, store_done_fn d, void *context)
{
	assert_ptr_equal(h, &hub);
	n_tries++;
	if (submit_error)
		return submit_error;
	snprintf(key, sizeof(key), "%s", k);
	snprintf(disk, sizeof(disk), "%s", body);
	done = d;
	done_context = context;
	n_stores++;
	return 0;
}

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	memset(&hub, 0, sizeof(hub));
	memset(driver, 0, sizeof(driver));
	hub.clock_trusted = true;
	snprintf(devices[0].id, sizeof(devices[0].id), "battery");
	snprintf(devices[1].id, sizeof(devices[1].id), "garage");
	now_ms = 1000000;
	utc_ms = T;
	n_stores = n_tries = submit_error = 0;
	return wear_start(&hub.wear, &hub, &err);
}

static int teardown(void **state)
{
	(void)state;
	wear_stop(hub.wear);
	wear_stop(NULL);
	return 0;
}

static void write_at(int device, int64_t at_ms)
{
	driver[device].at_ms[driver[device].n++] = at_ms;
}

static bool load(const char *k, const char *body)
{
	return wear_load(hub.wear, &(struct store_row){ .key = k, .body = body });
}

/* Another life, as long after as @ms by the wall clock; the monotonic one begins anew. */
static void live_again(int64_t ms, bool trusted)
{
	char kept[sizeof(disk)], k[sizeof(key)];

	memcpy(kept, disk, sizeof(kept));
	memcpy(k, key, sizeof(k));
	teardown(NULL);
	setup(NULL);
	now_ms = 5000;
	utc_ms = T + ms;
	hub.clock_trusted = trusted;
	assert_true(load(k, kept));
	wear_recall(hub.wear);
}

static void test_kept_and_recalled(void **state)
{
	(void)state;
	wear_step(hub.wear);
	assert_int_equal(n_stores, 0);
	write_at(1, now_ms - 1000);
	write_at(1, now_ms);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 1);
	assert_string_equal(key, "wear/garage");
	assert_string_equal(disk, "[1768478399000,1768478400000]");
	for (int i = 0; i < 100; i++) { /* once */
		now_ms += 1000;
		utc_ms += 1000;
		wear_step(hub.wear);
	}
	assert_int_equal(n_stores, 1);
	live_again(HOUR_MS, true);
	assert_int_equal(driver[0].n, 0);
	assert_int_equal(driver[1].n, 2);
	assert_true(driver[1].at_ms[0] == 5000 - HOUR_MS - 1000 && driver[1].at_ms[1] == 5000 - HOUR_MS);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 0); /* nothing new */
	driver[1].n = 0;
	wear_recall(hub.wear);         /* other devices: the plant is built anew within the same life */
	assert_int_equal(driver[1].n, 2);
	now_ms += 1000;
	utc_ms += 1000;
	write_at(1, now_ms);
	wear_step(hub.wear);
	assert_string_equal(disk, "[1768478399000,1768478400000,1768482001000]");
}

/* Whose age nobody knows was just now; whose day is over is forgotten. */
static void test_clocks(void **state)
{
	static const struct { const char *name; int64_t later_ms; bool trusted; int64_t age_ms; } ROWS[] = {
		{ "at once", 0, true, 0 }, { "the last millisecond of its day", 24 * HOUR_MS - 1, true, 24 * HOUR_MS - 1 },
		{ "a day later", 24 * HOUR_MS, true, -1 }, { "a day later, says a clock nobody believes", 24 * HOUR_MS, false, 0 },
		{ "within the day by such a clock", HOUR_MS, false, HOUR_MS }, { "two weeks behind", -336 * HOUR_MS, false, 0 }, { "stepped back", -1, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		snprintf(key, sizeof(key), "wear/battery");
		snprintf(disk, sizeof(disk), "[%lld]", (long long)T);
		live_again(ROWS[i].later_ms, ROWS[i].trusted);
		if (driver[0].n != (ROWS[i].age_ms >= 0) || (driver[0].n && driver[0].at_ms[0] != 5000 - ROWS[i].age_ms))
			fail_msg("%s: %d, %lld", ROWS[i].name, driver[0].n, (long long)driver[0].at_ms[0]);
	}
}

/* Only what is of the last day is kept: a clock that is not trusted makes all that is kept fresh again. */
static void test_old_ones_go(void **state)
{
	(void)state;
	now_ms = 48 * HOUR_MS;
	write_at(0, now_ms - 24 * HOUR_MS);
	write_at(0, now_ms - 24 * HOUR_MS + 1);
	write_at(0, now_ms);
	wear_step(hub.wear);
	assert_string_equal(disk, "[1768392000001,1768478400000]");
}

static void test_a_disk_that_fails(void **state)
{
	(void)state;
	write_at(0, now_ms);
	write_at(1, now_ms);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 2);
	done(done_context, 1, -ENOSPC);
	wear_step(hub.wear); /* the first time at once */
	assert_int_equal(n_stores, 4);
	done(done_context, 2, -ENOSPC);
	submit_error = -EAGAIN;
	for (int i = 0; i < 59; i++) {
		now_ms += 1000;
		wear_step(hub.wear);
	}
	assert_int_equal(n_tries, 4);
	now_ms += 1000;
	wear_step(hub.wear);
	assert_int_equal(n_tries, 6);
	submit_error = 0;
	now_ms += 60000;
	wear_step(hub.wear);
	assert_int_equal(n_stores, 6);
	done(done_context, 3, 0);
	now_ms += 60000;
	wear_step(hub.wear);
	assert_int_equal(n_stores, 6);
}

/* What cannot be read counts as much as there can be. */
static void test_damaged(void **state)
{
	static const char *const WRONG[] = { "", "{}", "[1768478400000", "[\"x\"]", "[-1]", "[1e15]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]" };

	(void)state;
	assert_false(load("owner", "{}"));
	assert_true(load("wear/a-name-that-is-longer-than-any-device-can-have", "[]"));
	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		assert_true(load("wear/battery", WRONG[i]));
		driver[0].n = 0;
		wear_recall(hub.wear);
		if (driver[0].n != DRIVER_WORN_MAX || driver[0].at_ms[0] != now_ms)
			fail_msg("%s: %d", WRONG[i], driver[0].n);
	}
	driver[0].n = 0;
	assert_true(load("wear/battery", "[]"));
	wear_recall(hub.wear);
	assert_int_equal(driver[0].n, 0);
}

/* Rows of devices that are gone give way to those that are there. */
static void test_many_names(void **state)
{
	char k[32];

	(void)state;
	assert_true(load("wear/battery", "[1768478400000]"));
	for (int i = 0; i < 100; i++) {
		snprintf(k, sizeof(k), "wear/old-%d", i);
		assert_true(load(k, "[1768478400000]"));
	}
	assert_true(load("wear/garage", "[1768478400000,1768478400000]"));
	wear_recall(hub.wear);
	assert_int_equal(driver[0].n, 1);
	assert_int_equal(driver[1].n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_and_recalled, setup, teardown), cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_ones_go, setup, teardown), cmocka_unit_test_setup_teardown(test_a_disk_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown), cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
