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
static struct { double v[DRIVER_KEPT_MAX]; int n; } keeps, remembered; /* of device 1 */
static char key[64], stored[64] /* the one before */, disk[600];
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

bool plant_wears(const struct plant *p, int device)
{
	(void)p;
	return device == 0;
}

int plant_keep(const struct plant *p, int device, double kept[DRIVER_KEPT_MAX])
{
	(void)p;
	memcpy(kept, keeps.v, sizeof(keeps.v));
	return device == 1 ? keeps.n : 0;
}

void plant_remember(struct plant *p, int device, const double *kept, int n)
{
	(void)p;
	assert_int_equal(device, 1);
	memcpy(remembered.v, kept, sizeof(kept[0]) * (size_t)n);
	remembered.n = n;
}

void plant_recall(struct plant *p, int device, const int64_t *at_ms, int n)
{
	(void)p;
	assert_int_equal(driver[device].n, 0);
	assert_true(n > 0);
	memcpy(driver[device].at_ms, at_ms, sizeof(at_ms[0]) * (size_t)n);
	driver[device].n = n;
}

int hub_store_setting(struct hub *h, const char *k, const char *body, store_done_fn d, void *context)
{
	assert_ptr_equal(h, &hub);
	n_tries++;
	if (submit_error)
		return submit_error;
	memcpy(stored, key, sizeof(stored));
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
	snprintf(hub.cfg.bus[0].host, sizeof(hub.cfg.bus[0].host), "10.0.0.7");
	hub.cfg.bus[0].port = 502;
	hub.cfg.bus[1].rtu = true;
	snprintf(hub.cfg.bus[1].device, sizeof(hub.cfg.bus[1].device), "/dev/ttyUSB0");
	devices[0].unit = 1;
	devices[1].unit = 2;
	devices[0].bus_index = 0;
	devices[1].bus_index = 1;
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
	wear_recall(hub.wear, ~0u);
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
	assert_string_equal(key, "wear/2@/dev/ttyUSB0");
	assert_string_equal(disk, "{\"id\":\"garage\",\"v\":[1768478399000,1768478400000]}");
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
	wear_recall(hub.wear, ~0u);         /* other devices: the plant is built anew within the same life */
	assert_int_equal(driver[1].n, 2);
	now_ms += 1000;
	utc_ms += 1000;
	write_at(1, now_ms);
	wear_step(hub.wear);
	assert_string_equal(disk, "{\"id\":\"garage\",\"v\":[1768478399000,1768478400000,1768482001000]}");
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
	assert_string_equal(disk, "{\"id\":\"battery\",\"v\":[1768392000001,1768478400000]}");
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
		wear_recall(hub.wear, ~0u);
		if (driver[0].n != DRIVER_WORN_MAX || driver[0].at_ms[0] != now_ms)
			fail_msg("%s: %d", WRONG[i], driver[0].n);
	}
	driver[0].n = 0;
	assert_true(load("wear/battery", "[]"));
	wear_recall(hub.wear, ~0u);
	assert_int_equal(driver[0].n, 0);
}

/* Rows that are missing from a damaged database count like that, where there is something to wear; and so for the next life too. */
static void test_lost(void **state)
{
	(void)state;
	wear_lost(hub.wear);
	wear_recall(hub.wear, ~0u);
	assert_int_equal(driver[0].n, DRIVER_WORN_MAX);
	assert_true(driver[0].at_ms[0] == now_ms && driver[1].n == 0);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 1);
	assert_string_equal(key, "wear/1@10.0.0.7:502");
	driver[0].n = 0;
	assert_true(load("wear/1@10.0.0.7:502", "{\"id\":\"battery\",\"v\":[1768478400000]}"));
	wear_lost(hub.wear); /* it is there */
	wear_recall(hub.wear, ~0u);
	assert_int_equal(driver[0].n, 1);
}

/* What was found in a device: kept when it changes, forgotten when it is put back, again when the disk would not. */
static void test_found(void **state)
{
	static const char *const WRONG[] = { "", "{}", "7", "[1,50", "[1,\"50\"]", "[1e999]", "[1,2,3,4,5,6,7,8,9]", "[1,null]" };

	(void)state;
	wear_step(hub.wear);
	assert_int_equal(n_stores, 0);
	keeps.n = 2;
	keeps.v[0] = 1;
	keeps.v[1] = 44.85;
	wear_step(hub.wear);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 1);
	assert_string_equal(key, "found/2@/dev/ttyUSB0");
	assert_string_equal(disk, "{\"id\":\"garage\",\"v\":[1,44.85]}");
	keeps.v[1] = 44;
	wear_step(hub.wear);
	assert_string_equal(disk, "{\"id\":\"garage\",\"v\":[1,44]}");
	done(done_context, 2, -ENOSPC);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 3);
	done(done_context, 3, 0);
	wear_recall(hub.wear, ~0u);
	assert_true(remembered.n == 2 && remembered.v[1] == 44);
	keeps.n = 0;
	wear_step(hub.wear);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 4);
	assert_string_equal(disk, "{\"id\":\"garage\",\"v\":[]}");
	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		remembered.n = 0;
		assert_true(load("found/2@/dev/ttyUSB0", WRONG[i]));
		wear_recall(hub.wear, ~0u);
		assert_int_equal(remembered.n, 0);
	}
	assert_true(load("found/2@/dev/ttyUSB0", "{\"id\":\"garage\",\"v\":[1,2.5,-1]}"));
	wear_recall(hub.wear, ~0u);
	assert_true(remembered.n == 3 && remembered.v[2] == -1 && remembered.v[1] == 2.5);
}

/* A reload: only the drivers that begin are told; what the others do goes on being kept, at whatever place they stand now. */
static void test_recalled_after_a_reload(void **state)
{
	(void)state;
	write_at(0, now_ms - 2000);
	write_at(1, now_ms - 1000);
	keeps.n = 1;
	keeps.v[0] = 44;
	wear_step(hub.wear);
	driver[1].n = remembered.n = 0;
	wear_recall(hub.wear, 0);
	assert_true(driver[0].n == 1 && driver[1].n == 0 && remembered.n == 0);
	wear_recall(hub.wear, 1u << 1); /* device 0 would refuse to be told twice */
	assert_true(driver[1].n == 1 && driver[1].at_ms[0] == now_ms - 1000 && remembered.n == 1 && remembered.v[0] == 44);
	write_at(0, now_ms);
	wear_step(hub.wear);
	assert_string_equal(key, "wear/1@10.0.0.7:502");
	assert_string_equal(disk, "{\"id\":\"battery\",\"v\":[1768478398000,1768478400000]}");
	keeps.n = 0;
}

/* A device is what stands at its address: another name, given while nobody ran, takes nothing from it and gives nothing of it to who
 * bears the old one. Where the address is another, the name tells. Rows by name, as they once were, are read and then emptied. */
static void test_renamed(void **state)
{
	static const struct { const char *name, *key, *body, *now, *other; int unit; bool known; const char *stored, *emptied; } ROWS[] = {
		{ "as it was", "found/2@/dev/ttyUSB0", "{\"id\":\"garage\",\"v\":[1,44]}", "garage", "battery", 2, true, "", "" },
		{ "another name", "found/2@/dev/ttyUSB0", "{\"id\":\"garage\",\"v\":[1,44]}", "barn", "battery", 2, true, "found/2@/dev/ttyUSB0", "" },
		{ "names swapped", "found/2@/dev/ttyUSB0", "{\"id\":\"garage\",\"v\":[1,44]}", "battery", "garage", 2, true, "found/2@/dev/ttyUSB0", "" },
		{ "another address", "found/2@/dev/ttyUSB0", "{\"id\":\"garage\",\"v\":[1,44]}", "garage", "battery", 3, true, "found/3@/dev/ttyUSB0", "found/2@/dev/ttyUSB0" },
		{ "both", "found/2@/dev/ttyUSB0", "{\"id\":\"garage\",\"v\":[1,44]}", "barn", "battery", 3, false, "", "" },
		{ "a row by name", "found/garage", "[1,44]", "garage", "battery", 2, true, "found/2@/dev/ttyUSB0", "found/garage" },
		{ "a row by name, another name", "found/garage", "[1,44]", "barn", "battery", 2, false, "", "" },
		{ "no name in it", "found/2@/dev/ttyUSB0", "{\"v\":[1,44]}", "garage", "battery", 2, true, "found/2@/dev/ttyUSB0", "" },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		teardown(state);
		setup(state);
		snprintf(devices[0].id, sizeof(devices[0].id), "%s", ROWS[i].other);
		snprintf(devices[1].id, sizeof(devices[1].id), "%s", ROWS[i].now);
		devices[1].unit = ROWS[i].unit;
		remembered.n = keeps.n = 0;
		stored[0] = key[0] = '\0';
		assert_true(load(ROWS[i].key, ROWS[i].body));
		wear_recall(hub.wear, ~0u);
		if (remembered.n != 2 * ROWS[i].known)
			fail_msg("%s: %d", ROWS[i].name, remembered.n);
		memcpy(keeps.v, remembered.v, sizeof(keeps.v)); /* as a driver does */
		keeps.n = remembered.n;
		wear_step(hub.wear);
		wear_step(hub.wear);
		if (strcmp(n_stores == 2 ? stored : key, ROWS[i].stored) != 0 || strcmp(n_stores == 2 ? key : "", ROWS[i].emptied) != 0)
			fail_msg("%s: %d: %s, %s", ROWS[i].name, n_stores, stored, key);
		if (n_stores == 2)
			assert_string_equal(disk, "[]");
		while (n_stores-- > 0) {
			assert_false(wear_stored(hub.wear));
			done(done_context, 1, 0);
		}
		assert_true(wear_stored(hub.wear));
	}
	keeps.n = 0;
}

/* How often it was written to goes along. */
static void test_renamed_worn(void **state)
{
	(void)state;
	assert_true(load("wear/garage", "[1768478400000]"));
	snprintf(devices[1].id, sizeof(devices[1].id), "barn");
	devices[1].unit = 2;
	wear_recall(hub.wear, ~0u);
	assert_int_equal(driver[1].n, 0);
	snprintf(devices[1].id, sizeof(devices[1].id), "garage");
	wear_recall(hub.wear, ~0u);
	assert_int_equal(driver[1].n, 1);
	wear_step(hub.wear);
	assert_int_equal(n_stores, 2);
	assert_string_equal(stored, "wear/2@/dev/ttyUSB0");
	assert_string_equal(key, "wear/garage");
}

/* A row whose name or address is longer than any can be is nobody's. */
static void test_too_long(void **state)
{
	static const struct { const char *name; int id, key; bool known; } ROWS[] = {
		{ "both are short", 6, 10, true }, { "the longest name", DEVICE_ID_MAX - 1, 10, true }, { "a longer one", DEVICE_ID_MAX, 10, false },
		{ "the longest address", 6, 99, true }, { "a longer one", 6, 100, false },
	};
	static const char *const ROOM = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char k[160], body[160];

		teardown(state);
		setup(state);
		memset(devices[1].id, 0, sizeof(devices[1].id));
		memset(devices[1].id, 'x', (size_t)(ROWS[i].id < DEVICE_ID_MAX ? ROWS[i].id : DEVICE_ID_MAX - 1));
		snprintf(k, sizeof(k), "found/2@%.*s", ROWS[i].key - 2, ROOM);
		snprintf(body, sizeof(body), "{\"id\":\"%.*s\",\"v\":[1,44]}", ROWS[i].id, ROOM);
		remembered.n = 0;
		assert_true(load(k, body));
		wear_recall(hub.wear, ~0u);
		if (remembered.n != 2 * ROWS[i].known)
			fail_msg("%s: %d", ROWS[i].name, remembered.n);
	}
}

/* Rows of devices that are gone give way to those that are there. */
static void test_many_names(void **state)
{
	char k[32];

	(void)state;
	assert_true(load("wear/battery", "[1768478400000]"));
	for (int i = 0; i < 2 * DEVICE_MAX; i++) {
		snprintf(k, sizeof(k), "wear/old-%d", i);
		assert_true(load(k, "[1768478400000]"));
	}
	assert_true(load("wear/garage", "[1768478400000,1768478400000]"));
	wear_recall(hub.wear, ~0u);
	assert_int_equal(driver[0].n, 1);
	assert_int_equal(driver[1].n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_and_recalled, setup, teardown), cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_ones_go, setup, teardown), cmocka_unit_test_setup_teardown(test_a_disk_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown), cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recalled_after_a_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed, setup, teardown), cmocka_unit_test_setup_teardown(test_renamed_worn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown), cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
