/* Sessions at the chargers as the agent watches them: chargers that start anew, restarts in the night, clocks, rows that are damaged;
 * and that the owner's word and a "no" in the configuration come first. */
#include "flow/control/habits.h"

#include "io/zone.h"
#include "support/cm.h"
#include "support/fake_store.h"

#include <string.h>

#define NOON 1768478400000LL /* Thursday, 2026-01-15T12:00:00Z */
#define HOUR_MS 3600000LL
#define DAY_MS (24 * HOUR_MS)

static struct config config;
static struct zone zone;
static struct snapshot s;

static int load(void *context, const struct store_row *row)
{
	(void)habits_load(context, row);
	return 0;
}

static struct habits *begin(void)
{
	const struct habits_options o = { .config = &config, .zone = &zone };
	struct habits *b = NULL;

	assert_int_equal(habits_start(&b, &o, NULL), 0);
	assert_int_equal(store_load(NULL, STORE_SETTING, load, b, NULL), 0);
	return b;
}

static int setup(void **state)
{
	(void)state;
	fake_commit(-ECANCELED);
	fake_clear();
	memset(&config, 0, sizeof(config));
	memset(&s, 0, sizeof(s));
	config.plan.ev_habit = true;
	s.clock_trusted = true;
	s.now_ms = 1000000;
	s.utc_ms = NOON;
	s.n_devices = 2;
	snprintf(s.dev[0].id, sizeof(s.dev[0].id), "battery");
	s.dev[0].roles = ROLE_BATTERY;
	snprintf(s.dev[1].id, sizeof(s.dev[1].id), "charger");
	s.dev[1].roles = ROLE_CHARGER;
	s.dev[1].state.availability = AVAIL_ONLINE;
	return zone_load("Europe/London", &zone, NULL);
}

/* For @ms, a look every ten seconds. */
static void run(struct habits *b, int64_t ms, bool car, double w)
{
	for (const int64_t end = s.now_ms + ms; s.now_ms < end; s.now_ms += 10000, s.utc_ms += 10000) {
		value_set(&s.dev[1].state.f[F_CHARGER_CONNECTED], car, s.now_ms, Q_GOOD);
		value_set(&s.dev[1].state.ac_power_w, w, s.now_ms, Q_GOOD);
		habits_observe(b, &s);
		fake_commit(0);
	}
}

static void end(struct habits *b)
{
	habits_stop(b);
	fake_commit(0);
}

/* What the car plugged in now is thought to want; 0 = nothing is known. */
static double guess_wh(const struct habits *b)
{
	struct snap_device d = s.dev[1];

	d.ev_energy_wh = 0;
	d.ev_habit[0] = '\0';
	habits_fill(b, s.utc_ms, &d);
	assert_true((d.ev_energy_wh > 0) == (d.ev_habit[0] != '\0') && (d.ev_energy_wh > 0) == (d.ev_ready_by_utc_ms > s.utc_ms));
	return d.ev_energy_wh;
}

/* In at noon, out at 16:00, an hour at 7.2 kW. */
static void sessions(struct habits *b, int n)
{
	for (int i = 0; i < n; i++) {
		run(b, HOUR_MS, true, 7200);
		run(b, 3 * HOUR_MS, true, 0);
		run(b, 20 * HOUR_MS, false, 0);
	}
}

static void test_learned(void **state)
{
	struct habits *b = begin();

	(void)state;
	run(b, 60000, false, 0);
	s.utc_ms = NOON;
	sessions(b, 4);
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 0); /* four are too few */
	run(b, 4 * HOUR_MS - 60000, true, 1800);
	run(b, 20 * HOUR_MS, false, 0);
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 7500); /* in full 500 Wh */
	run(b, 30 * 60000, true, 7200);
	assert_true(guess_wh(b) == 4000);
	config.plan.ev_habit = false;     /* switched off: nothing is said */
	assert_true(guess_wh(b) == 0);
	end(b);
}

/* Two minutes without a car are a charger that starts anew; a charger that does not answer says nothing. */
static void test_interrupted(void **state)
{
	struct habits *b = begin();

	(void)state;
	run(b, 60000, false, 0);
	s.utc_ms = NOON;
	sessions(b, 5);
	run(b, HOUR_MS, true, 3600);
	run(b, 110000, false, 0);
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 4000);
	s.dev[1].state.availability = AVAIL_OFFLINE;
	run(b, HOUR_MS / 2, false, 0);
	s.dev[1].state.availability = AVAIL_ONLINE;
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 4000);
	s.clock_trusted = false;
	run(b, HOUR_MS / 2, false, 0);
	s.clock_trusted = true;
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 4000);
	run(b, 140000, false, 0);          /* this one has left */
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 7500);
	end(b);
}

static void test_restarts(void **state)
{
	struct habits *b = begin();

	(void)state;
	run(b, 60000, false, 0);
	s.utc_ms = NOON;
	sessions(b, 5);
	run(b, HOUR_MS, true, 3600);
	end(b);
	b = begin();                       /* the car is still there */
	assert_true(guess_wh(b) == 0);     /* until that was seen */
	s.utc_ms += 60000;
	run(b, 20000, true, 0);
	assert_true(guess_wh(b) == 4000);
	end(b);
	s.utc_ms += 41 * 60000;            /* too long ago: it may have left and come back */
	b = begin();
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 0);
	run(b, 140000, false, 0);          /* a session nobody saw begin is none */
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 7500);
	run(b, HOUR_MS / 2, true, 3600);
	end(b);
	s.utc_ms += 60000;
	b = begin();                       /* it left while the agent was away: the session counts as far as it was seen */
	run(b, 60000, false, 0);
	end(b);
	s.utc_ms += 60000;
	b = begin();
	run(b, 60000, false, 0);
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 7500);
	end(b);
}

/* Nothing is kept before the owner agrees. */
static void test_off(void **state)
{
	struct habits *b;

	(void)state;
	config.plan.ev_habit = false;
	b = begin();
	run(b, 60000, false, 0);
	sessions(b, 2);
	end(b);
	assert_int_equal(fake_count(STORE_SETTING), 0);
	habits_observe(NULL, &s);
	habits_stop(NULL);
}

static void test_rows(void **state)
{
	static const char *const BAD[] = { "", "h", "h1", "h1 ", "h1 1 2", "h1 1 2 -3", "h1 1 2 x", "h1 nan 2 3", "h2 0 0 0", "h1 1e300 0 0" };
	struct habits *b = begin();
	struct store_row row = { .key = "habit/charger", .kind = "" };

	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		row.body = BAD[i];
		assert_row(BAD[i], habits_load(b, &row));
	}
	row.body = "h1 0 0 0";
	row.key = "habit/a-name-much-longer-than-that-of-any-device";
	assert_true(habits_load(b, &row));
	row.key = "owner";
	assert_false(habits_load(b, &row));
	run(b, 60000, false, 0);
	run(b, 60000, true, 0);
	assert_true(guess_wh(b) == 0);
	for (int i = 0; i < DEVICE_MAX + 2; i++) { /* chargers that came and went */
		char key[32];

		snprintf(key, sizeof(key), "habit/c%d", i);
		row.key = key;
		row.body = "h1 0 0 0 1768400000 1768410000 5000 17";
		assert_true(habits_load(b, &row));
	}
	end(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_learned, setup), cmocka_unit_test_setup(test_interrupted, setup),
		cmocka_unit_test_setup(test_restarts, setup), cmocka_unit_test_setup(test_off, setup), cmocka_unit_test_setup(test_rows, setup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_commit(-ECANCELED);
	fake_clear();
	return failed;
}
