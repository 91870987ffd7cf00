/* Finding the map and walking the chain, on its own and as the driver does it. Ugly chains first. */
#include "drivers/registry.h"
#include "drivers/sunspec/discovery.h"
#include "support/fake_sunspec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Walks to the end; returns how many requests it took. */
static int walk(struct discovery *d, struct fake_unit *u)
{
	static struct batch_result result;
	static struct batch b;
	int n = 0;

	memset(&b, 0, sizeof(b));
	b.n = 1;
	b.unit = u->unit;
	while (discovery_request(d, &b.r[0]) && n < 500) {
		fake_answer(u, &b, 1000 + n++, &result);
		discovery_answer(d, result.status[0], result.r[0].words);
	}
	return n;
}

static const struct {
	const char *name;
	uint16_t base;
	int n;
	uint16_t models[6][2]; /* id, L */
	bool end;              /* with an end mark */
	enum discovery_step step;
	int found;
	const char *why;
} CHAINS[] = {
	{ "no map at all", 100, 0, { { 0 } }, false, DISCOVERY_FAILED, 0, "no SunSpec map" },
	{ "first model is not 1", 40000, 1, { { 103, 50 } }, true, DISCOVERY_FAILED, 0, "begins with model 103" },
	{ "end mark only", 40000, 0, { { 0 } }, true, DISCOVERY_FAILED, 0, "begins with model 65535" },
	{ "length 0", 40000, 2, { { 1, 66 }, { 103, 0 } }, true, DISCOVERY_FAILED, 1, "has length 0" },
	{ "length beyond 65535",
	  40000,
	  2,
	  { { 1, 66 }, { 103, 60000 } },
	  true,
	  DISCOVERY_FAILED,
	  1,
	  "behind register 65535" },
	{ "breaks off behind model 1", 40000, 1, { { 1, 66 } }, false, DISCOVERY_FAILED, 1, "breaks off" },
	{ "no end mark", 40000, 2, { { 1, 66 }, { 103, 50 } }, false, DISCOVERY_DONE, 2, NULL },
	{ "common of 65", 40000, 3, { { 1, 65 }, { 103, 50 }, { 124, 24 } }, true, DISCOVERY_DONE, 3, NULL },
	{ "unknown in between", 40000, 3, { { 1, 66 }, { 64001, 7 }, { 124, 24 } }, true, DISCOVERY_DONE, 3, NULL },
	{ "at 0", 0, 2, { { 1, 66 }, { 203, 105 } }, true, DISCOVERY_DONE, 2, NULL },
	{ "at 50000", 50000, 2, { { 1, 66 }, { 203, 105 } }, true, DISCOVERY_DONE, 2, NULL },
	{ "one register late", 40001, 2, { { 1, 66 }, { 203, 105 } }, true, DISCOVERY_DONE, 2, NULL },
};

static void test_chains(void **state)
{
	static const uint16_t MARK[] = { 0x5375, 0x6e53 }, END[] = { 0xffff, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(CHAINS) / sizeof(CHAINS[0]); i++) {
		struct fake_unit *u = calloc(1, sizeof(*u));
		struct discovery d = { 0 };
		uint16_t at = (uint16_t)(CHAINS[i].base + 2);

		u->unit = 1;
		if (CHAINS[i].base != 100)
			fake_define(u, false, CHAINS[i].base, MARK, 2);
		for (int m = 0; m < CHAINS[i].n; m++) {
			fake_define(u, false, at, CHAINS[i].models[m], 2);
			at = (uint16_t)(at + 2 + CHAINS[i].models[m][1]);
		}
		if (CHAINS[i].end)
			fake_define(u, false, at, END, 2);
		walk(&d, u);
		if (d.step != CHAINS[i].step || d.n != CHAINS[i].found ||
		    (CHAINS[i].why && !strstr(d.why.text, CHAINS[i].why)))
			fail_msg("%s: step %d, %d models, '%s'", CHAINS[i].name, (int)d.step, d.n, d.why.text);
		free(u);
	}
}

static void test_circle_is_cut(void **state)
{
	static const uint16_t MARK[] = { 0x5375, 0x6e53 };
	struct fake_unit *u = calloc(1, sizeof(*u));
	struct discovery d = { 0 };
	struct fake_chain c = { u, 40002 };

	(void)state;
	u->unit = 1;
	fake_define(u, false, 40000, MARK, 2);
	/* 47 segments are left; models of one register make a long chain in one segment. */
	fake_zero(u, false, 40002, 600);
	for (int i = 0; i < 100; i++) {
		*fake_reg(u, (uint16_t)(c.next + 3 * i)) = i == 0 ? 1 : 64000;
		*fake_reg(u, (uint16_t)(c.next + 3 * i + 1)) = 1;
	}
	walk(&d, u);
	assert_int_equal(d.step, DISCOVERY_FAILED);
	assert_non_null(strstr(d.why.text, "more than 60"));
	free(u);
}

static void test_silence_is_no_answer(void **state)
{
	struct discovery d = { 0 };
	struct modbus_request r;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_true(discovery_request(&d, &r));
		assert_int_equal(r.address, 40000);
		discovery_answer(&d, REQUEST_TIMEOUT, NULL);
		discovery_answer(&d, REQUEST_NO_LINK, NULL);
	}
	discovery_answer(&d, (enum request_status)2, NULL);
	assert_true(discovery_request(&d, &r));
	assert_int_equal(r.address, 0);
}

static void test_occurrences(void **state)
{
	struct discovery d = { .n = 3, .models = { { 1, 66, 40002 }, { 203, 105, 40070 }, { 203, 105, 40177 } } };

	(void)state;
	assert_int_equal(discovery_find(&d, 203, 1)->address, 40177);
	assert_null(discovery_find(&d, 203, 2));
	assert_null(discovery_find(&d, 124, 0));
}

/* The driver: reads the whole device, notices a chain that moved, comes back after a long silence. */
static void test_driver_discovers_again(void **state)
{
	struct fake_storage *s = calloc(1, sizeof(*s));
	struct driver_options o = fake_options("sunspec", 1);
	struct fake_run run;
	int64_t start;

	(void)state;
	fake_storage(s, STORAGE_124 | STORAGE_103);
	o.roles = 1; /* battery */
	assert_int_equal(fake_start(&run, &DRIVER_SUNSPEC, &o, &s->unit), 0);
	assert_int_equal(run.state.availability, AVAIL_UNKNOWN);
	fake_until(&run, run.now_ms + 3000);
	assert_int_equal(run.state.availability, AVAIL_ONLINE);
	assert_string_equal(run.state.identity.manufacturer, "Acme");
	assert_string_equal(run.state.identity.serial, "A-0042");
	assert_true(run.state.f[F_BATTERY_SOC_PCT].v == 57.3);

	/* A firmware update: the inverter is now a float model and everything behind it moved by ten registers. */
	fake_storage(s, STORAGE_124 | STORAGE_704);
	s->unit.on_time = NULL;
	model_set(&s->unit, s->basic, "ChaState", 4400);
	model_set(&s->unit, s->der, "SoC", 440);
	fake_until(&run, run.now_ms + 5000);
	assert_true(run.state.f[F_BATTERY_SOC_PCT].v == 44);
	assert_int_equal(run.state.f[F_BATTERY_SOC_PCT].q, Q_GOOD);

	/* Silent: stale within 10 s, offline, later found again by a new search. */
	s->unit.silent = true;
	start = run.now_ms;
	fake_until(&run, start + 10001);
	assert_int_equal(run.state.availability, AVAIL_OFFLINE);
	assert_int_equal(run.state.f[F_BATTERY_SOC_PCT].q, Q_STALE);
	assert_true(run.state.f[F_BATTERY_SOC_PCT].v == 44);
	fake_until(&run, start + 200000);
	s->unit.silent = false;
	fake_until(&run, start + 230000);
	assert_int_equal(run.state.availability, AVAIL_ONLINE);
	assert_int_equal(run.state.f[F_BATTERY_SOC_PCT].q, Q_GOOD);
	fake_stop(&run);
	free(s);
}

static void test_wrong_device_is_a_fault(void **state)
{
	struct fake_unit *u = calloc(1, sizeof(*u));
	struct driver_options o = fake_options("sunspec", 1);
	struct fake_chain c;
	struct fake_run run;

	(void)state;
	u->unit = 1;
	o.roles = 1; /* battery */
	chain_begin(&c, u, 40000, 66);
	chain_model(&c, 103, 50);
	chain_end(&c);
	assert_int_equal(fake_start(&run, &DRIVER_SUNSPEC, &o, u), 0);
	fake_until(&run, run.now_ms + 3000);
	assert_int_equal(run.state.availability, AVAIL_FAULT);
	assert_non_null(strstr(run.state.note, "storage model"));
	fake_until(&run, run.now_ms + 30000);
	assert_int_equal(run.state.availability, AVAIL_FAULT);
	assert_false(run.state.caps.can_power);
	fake_stop(&run);
	free(u);
}

/* A silent device costs its bus one timeout in 20 s, not one a second. */
static void test_silent_device_backs_off(void **state)
{
	struct fake_storage *s = calloc(1, sizeof(*s));
	struct driver_options o = fake_options("sunspec", 1);
	struct fake_run run;
	int before;

	(void)state;
	fake_storage(s, STORAGE_124);
	assert_int_equal(fake_start(&run, &DRIVER_SUNSPEC, &o, &s->unit), 0);
	fake_until(&run, run.now_ms + 3000);
	s->unit.silent = true;
	fake_until(&run, run.now_ms + 60000);
	before = run.batches;
	fake_until(&run, run.now_ms + 200000);
	assert_in_range(run.batches - before, 8, 12);
	fake_stop(&run);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_circle_is_cut),
		cmocka_unit_test(test_silence_is_no_answer),
		cmocka_unit_test(test_occurrences),
		cmocka_unit_test(test_driver_discovers_again),
		cmocka_unit_test(test_wrong_device_is_a_fault),
		cmocka_unit_test(test_silent_device_backs_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
