/* Savings over restarts, ends of days, clocks that step, other currencies and a store that refuses. */
#include "flow/history/savings.h"

#include "io/zone.h"
#include "support/cm.h"
#include "support/fake_store.h"

#include <string.h>

#define HOUR_MS 3600000LL
#define DAY_MS (24 * HOUR_MS)

static struct config config;
static struct zone zone;

static int load(void *context, const struct store_row *row)
{
	(void)savings_load(context, row);
	return 0;
}

static struct savings *begin(void)
{
	const struct savings_options o = { .config = &config, .zone = &zone };
	struct savings *v = NULL;

	assert_int_equal(savings_start(&v, &o, NULL), 0);
	assert_int_equal(store_load(NULL, STORE_DAILY, load, v, NULL), 0);
	return v;
}

static void end(struct savings *v)
{
	savings_stop(v);
	fake_commit(0);
}

static int setup(void **state)
{
	(void)state;
	fake_commit(-ECANCELED);
	fake_clear();
	fake_submit_error = 0;
	memset(&config, 0, sizeof(config));
	snprintf(config.tariff.currency, sizeof(config.tariff.currency), "GBP");
	return zone_load("Europe/London", &zone, NULL);
}

/* Five minutes (or @s seconds) of a house of 1200 W, of which the battery gave 600 W: 0.03 paid at 0.60, 0.06 without. */
static void ended_at(struct savings *v, int64_t start_utc_ms, int s, const char *currency)
{
	struct interval_report r = { .start_utc_ms = start_utc_ms, .duration_s = s, .n = 1 };

	r.grid.measured_s = r.home.measured_s = r.solar.measured_s = s;
	r.grid.in_wh = s / 6.0;
	r.home.in_wh = s / 3.0;
	r.device[0].roles = ROLE_BATTERY;
	savings_ended(v, &r, 0.60, NAN, currency);
	fake_commit(0);
}

static void run(struct savings *v, int64_t from_utc_ms, int64_t to_utc_ms)
{
	for (int64_t at = from_utc_ms; at < to_utc_ms; at += 300000)
		ended_at(v, at, 300, "GBP");
}

static int64_t utc(const char *text)
{
	int64_t ms = 0;

	assert_int_equal(calendar_parse(text, &ms), 0);
	return ms;
}

static cJSON *ask(const struct savings *v, const char *args, int64_t utc_ms)
{
	AUTO_JSON *o = cJSON_Parse(args);
	struct savings_query q;

	assert_int_equal(savings_query_decode(o, &q, NULL), 0);
	return savings_answer(v, &q, utc_ms);
}

static double of(const cJSON *o, const char *key)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(n) ? n->valuedouble : NAN;
}

static double total(const struct savings *v, const char *args, int64_t utc_ms, const char *key)
{
	AUTO_JSON *o = ask(v, args, utc_ms);

	return of(cJSON_GetObjectItemCaseSensitive(o, "total"), key);
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-6;
}

/* Whole local days of 23, 24 and 25 hours, restarted on the way: every interval once, and all of the day measured. */
static void test_days(void **state)
{
	static const struct {
		const char *name, *from, *month;
		int hours, restarts;
	} ROWS[] = {
		{ "23 hours", "2026-03-29T00:00:00Z", "{\"month\":\"2026-03\"}", 23, 0 },
		{ "23 hours, restarted", "2026-03-29T00:00:00Z", "{\"month\":\"2026-03\"}", 23, 5 },
		{ "25 hours", "2026-10-24T23:00:00Z", "{\"month\":\"2026-10\"}", 25, 0 },
		{ "25 hours, restarted", "2026-10-24T23:00:00Z", "{\"month\":\"2026-10\"}", 25, 9 },
		{ "24 hours, restarted", "2026-01-15T00:00:00Z", "{\"month\":\"2026-01\"}", 24, 3 },
	};

	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		const int64_t from = utc(ROWS[k].from), to = from + ROWS[k].hours * HOUR_MS;
		const int parts = ROWS[k].restarts + 1, steps = ROWS[k].hours * 12;
		struct savings *v = NULL;
		AUTO_JSON *told = NULL;

		setup(state);
		for (int p = 0; p < parts; p++) {
			end(v);
			v = begin();
			run(v, from + steps * p / parts * 300000LL, from + steps * (p + 1) / parts * 300000LL);
		}
		assert_row(ROWS[k].name, near(total(v, "{\"days\":1}", to - 1, "bill"), 0.03 * steps));
		assert_row(ROWS[k].name, near(total(v, "{\"days\":1}", to - 1, "saved"), 0.03 * steps));
		assert_row(ROWS[k].name, near(total(v, "{\"days\":1}", to - 1, "measured_pct"), 100));
		assert_row(ROWS[k].name, near(total(v, ROWS[k].month, to, "import_kwh"), 0.05 * steps));
		told = savings_encode(v, to + 20000); /* what ended at midnight is of the day that ended */
		assert_row(ROWS[k].name, near(of(cJSON_GetObjectItem(told, "today"), "bill"), 0.03 * steps));
		assert_row(ROWS[k].name, near(of(told, "saved"), 0.03 * steps));
		assert_row(ROWS[k].name, isnan(total(v, "{\"days\":1}", to + 20000, "bill"))); /* the new one has nothing yet */
		ended_at(v, to, 300, "GBP");
		assert_row(ROWS[k].name, near(total(v, "{\"days\":1}", to + 300000, "bill"), 0.03));
		assert_row(ROWS[k].name, near(total(v, "{\"days\":2}", to + 300000, "bill"), 0.03 * (steps + 1)));
		assert_row(ROWS[k].name, fake_count(STORE_DAILY) == 2);
		end(v);
	}
}

/* A time is billed once, whatever the clock says; what was not measured is told, not guessed. */
static void test_clock_steps(void **state)
{
	const int64_t t = utc("2026-01-15T12:00:00Z");
	struct savings *v = begin();

	(void)state;
	run(v, t, t + HOUR_MS);
	assert_true(near(total(v, "{\"days\":1}", t + HOUR_MS, "bill"), 0.36));
	assert_true(total(v, "{\"days\":1}", t + HOUR_MS, "measured_pct") == 7.7);
	run(v, t - 2 * HOUR_MS, t + HOUR_MS);       /* back by three hours: two of new time, but behind what was billed */
	assert_true(near(total(v, "{\"days\":1}", t + HOUR_MS, "bill"), 0.36));
	end(v);
	v = begin();                                 /* a restart knows it too */
	run(v, t + HOUR_MS / 2, t + HOUR_MS);
	assert_true(near(total(v, "{\"days\":1}", t + HOUR_MS, "bill"), 0.36));
	run(v, t + HOUR_MS, t + 2 * HOUR_MS);
	assert_true(near(total(v, "{\"days\":1}", t + 2 * HOUR_MS, "bill"), 0.72));
	run(v, t + 10 * DAY_MS, t + 10 * DAY_MS + HOUR_MS); /* a clock ten days ahead: another day's trouble, not today's */
	run(v, t + 2 * HOUR_MS, t + 3 * HOUR_MS);
	assert_true(near(total(v, "{\"days\":1}", t + 3 * HOUR_MS, "bill"), 1.08));
	ended_at(v, t + 3 * HOUR_MS + 60000, 7, "GBP");     /* a reload cuts; the gap before it stays one */
	assert_true(near(total(v, "{\"days\":1}", t + 4 * HOUR_MS, "bill"), 1.0807));
	end(v);
}

/* A price nobody knows, parts measured for different times: no bill of it. */
static void test_unknown(void **state)
{
	const int64_t t = utc("2026-01-15T00:00:00Z");
	struct interval_report r = { .start_utc_ms = t, .duration_s = 300 };
	struct savings *v = begin();
	AUTO_JSON *told = NULL;

	(void)state;
	r.grid.measured_s = r.home.measured_s = r.solar.measured_s = 300;
	r.grid.in_wh = r.home.in_wh = 100;
	savings_ended(v, &r, NAN, NAN, "GBP");
	r.start_utc_ms += 300000;
	r.home.measured_s = 100;
	savings_ended(v, &r, 0.3, NAN, "GBP");
	fake_commit(0);
	assert_true(isnan(total(v, "{\"days\":1}", t + 600000, "bill")) && total(v, "{\"days\":1}", t + 600000, "measured_pct") == 0);
	ended_at(v, t + 600000, 300, "GBP");
	assert_true(near(total(v, "{\"days\":1}", t + 900000, "bill"), 0.03) && total(v, "{\"days\":1}", t + 900000, "measured_pct") == 33.3);
	/* other money: the day begins anew in it, the days before do not count in it */
	ended_at(v, t + 900000, 300, "EUR");
	assert_true(near(total(v, "{\"days\":1}", t + 1200000, "bill"), 0.03) && total(v, "{\"days\":1}", t + 1200000, "measured_pct") == 25);
	ended_at(v, t + DAY_MS, 300, "GBP");
	assert_true(near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "bill"), 0.03));
	told = savings_encode(v, t + DAY_MS + 300000);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(told, "currency")), "GBP");
	end(v);
}

static void test_standing_events_sun(void **state)
{
	const int64_t t = utc("2026-01-15T12:00:00Z");
	static struct snapshot s;
	static struct decisions d;
	struct savings *v = begin();

	(void)state;
	config.tariff.standing_charge_per_day = 0.5;
	s.n_devices = d.n = 1;
	s.dev[0].roles = ROLE_PV;
	d.d[0].order.kind = ORDER_POWER;
	for (s.now_ms = 1000; s.now_ms <= 61000; s.now_ms += 1000)
		savings_observe(v, &s, &d);
	d.d[0].order.kind = ORDER_RELEASE;
	for (; s.now_ms <= 121000; s.now_ms += 1000)
		savings_observe(v, &s, &d);
	savings_event(v, t, 1500);
	savings_event(v, t + 1000, 0);
	savings_event(v, t + DAY_MS, 250);
	ended_at(v, t, 300, "GBP");
	ended_at(v, t + DAY_MS, 300, "GBP");
	assert_true(near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "standing"), 1) && near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "bill"), 1.06));
	assert_true(near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "without_battery"), 1.12));
	assert_true(near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "event_kwh"), 1.75) && near(total(v, "{\"days\":1}", t + DAY_MS + 300000, "event_kwh"), 0.25));
	assert_true(near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "curtailed_min"), 1));
	end(v);
	v = begin();
	assert_true(near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "event_kwh"), 1.75) && near(total(v, "{\"days\":2}", t + DAY_MS + 300000, "curtailed_min"), 1));
	end(v);
}

/* A night that fills the battery is no loss: what it holds counts, from end to end of intervals that follow each other, and is kept. */
static void test_stored(void **state)
{
	const int64_t t = utc("2026-01-15T00:00:00Z");
	struct interval_report r = { .start_utc_ms = t, .duration_s = 300, .n = 2 };
	struct savings *v = begin();

	(void)state;
	config.n_devices = 1;
	snprintf(config.device[0].id, sizeof(config.device[0].id), "battery");
	config.device[0].capacity_wh = 10000;
	r.grid.measured_s = r.home.measured_s = r.solar.measured_s = 300;
	r.grid.in_wh = 500;
	r.home.in_wh = 100;
	snprintf(r.device[0].id, sizeof(r.device[0].id), "battery");
	r.device[0].roles = ROLE_BATTERY;
	r.device[0].capacity_wh = NAN;                       /* it does not say: the owner did */
	r.device[1].roles = ROLE_PV;
	r.device[1].soc_pct = r.device[1].capacity_wh = NAN;
	r.device[0].soc_pct = 20;                            /* since when, nobody knows */
	savings_ended(v, &r, 0.10, 0.05, "GBP");
	for (r.device[0].soc_pct = 24; r.device[0].soc_pct <= 40; r.device[0].soc_pct += 4) {
		r.start_utc_ms += 300000;
		savings_ended(v, &r, 0.10, 0.05, "GBP");
		fake_commit(0);
	}
	assert_true(near(total(v, "{\"days\":1}", t + 1800000, "stored_kwh"), 2) && near(total(v, "{\"days\":1}", t + 1800000, "stored_value"), 0.2));
	assert_true(near(total(v, "{\"days\":1}", t + 1800000, "saved"), 6 * (0.01 - 0.05) + 0.2)); /* what went in and is not held: 0.04 */
	config.device[0].capacity_wh = 20000;                /* another battery: 4 kWh came with it */
	r.start_utc_ms += 300000;
	savings_ended(v, &r, 0.10, 0.05, "GBP");
	r.start_utc_ms += 600000;                            /* nobody looked for five minutes */
	r.device[0].soc_pct = 80;
	savings_ended(v, &r, 0.10, NAN, "GBP");
	fake_commit(0);
	assert_true(near(total(v, "{\"days\":1}", t + 3600000, "stored_kwh"), 2));
	r.start_utc_ms += 300000;                            /* taken out again, to the grid, which paid nobody knows what */
	r.device[0].soc_pct = 50;
	r.grid.in_wh = 0;
	r.grid.out_wh = 5000;
	savings_ended(v, &r, 0.10, NAN, "GBP");
	fake_commit(0);
	assert_true(near(total(v, "{\"days\":1}", t + 3600000, "stored_kwh"), -4) && near(total(v, "{\"days\":1}", t + 3600000, "unpriced_kwh"), 5));
	end(v);
	v = begin();
	assert_true(near(total(v, "{\"days\":1}", t + 3600000, "stored_value"), -0.4) && near(total(v, "{\"days\":1}", t + 3600000, "unpriced_kwh"), 5));
	end(v);
	config.n_devices = 0;
}

/* A silence between two ticks is not time in which the sun was held back. */
static void test_gap(void **state)
{
	static const struct { int64_t ms; double s; } ROWS[] = { { 15000, 15 }, { 15001, 0 }, { 0, 0 }, { -1000, 0 } };
	const int64_t t = utc("2026-01-15T12:00:00Z");
	static struct snapshot s;
	static struct decisions d;

	s.n_devices = d.n = 1;
	s.dev[0].roles = ROLE_PV;
	d.d[0].order.kind = ORDER_POWER;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct savings *v;

		setup(state);
		v = begin();
		for (int k = 0; k < 13; k++) {
			s.now_ms = 5000000;
			savings_observe(v, &s, &d);
			s.now_ms += ROWS[i].ms;
			savings_observe(v, &s, &d);
			s.now_ms = 0;                        /* far back: never counted */
			savings_observe(v, &s, &d);
		}
		ended_at(v, t, 300, "GBP");
		assert_true(near(total(v, "{\"days\":1}", t + 300000, "curtailed_min"), round(13 * ROWS[i].s / 60)));
		end(v);
	}
}

/* A store that refuses, or is killed: the next interval writes the whole day again. Rows nobody can read are left out. */
static void test_store(void **state)
{
	static const char *const BAD[] = {
		"", "s2", "s2 GBP", "s1 GBP 1 1 1 1 1 1 1 1 1 1 1 1 1", "s2 GBP 1 1 1 1 1 1 1 1 1 1 1 1", "s2 GBP 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"s2 EURO 1 1 1 1 1 1 1 1 1 1 1 1 1", "s2 GBP nan 1 1 1 1 1 1 1 1 1 1 1 1", "s2 GBP -1 1 1 1 1 1 1 1 1 1 1 1 1",
		"s2 GBP 1 1 1 1 1e300 1 1 1 1 1 1 1 1", "s2 GBP 1 1 1 1 1 1 1 1 1 1 1 1 1 ", "s2 GBP 1 1 1 1 x 1 1 1 1 1 1 1 1",
		"s2 GBP 1 1 1 1 1 1 1 1 1 1 1 1 -1",
	};
	const int64_t t = utc("2026-01-15T12:00:00Z");
	struct savings *v = begin();

	(void)state;
	fake_submit_error = -EAGAIN;
	ended_at(v, t - DAY_MS, 300, "GBP");
	ended_at(v, t, 300, "GBP");
	fake_submit_error = 0;
	assert_int_equal(fake_count(STORE_DAILY), 0);
	ended_at(v, t + 300000, 300, "GBP");
	assert_int_equal(fake_count(STORE_DAILY), 2);
	savings_event(v, t, 100);
	savings_stop(v);                              /* killed: this one does not get there */
	fake_commit(-ECANCELED);
	v = begin();
	assert_true(near(total(v, "{\"days\":2}", t + 600000, "bill"), 0.09) && total(v, "{\"days\":2}", t + 600000, "event_kwh") == 0);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		const struct store_row row = { .key = "+savings/2026-01-15", .kind = "", .body = BAD[i] };

		assert_row(BAD[i], savings_load(v, &row)); /* ours, but the day stays as it is */
		assert_row(BAD[i], near(total(v, "{\"days\":2}", t + 600000, "bill"), 0.09));
	}
	assert_true(savings_load(v, &(struct store_row){ .key = "+savings/2026-02-30", .kind = "", .body = "s2 GBP 1 1 1 1 1 1 1 1 1 1 1 1 1" }));
	assert_false(savings_load(v, &(struct store_row){ .key = "battery/2026-01-15", .kind = "", .body = "1 1 1 1" }));
	assert_false(savings_load(v, &(struct store_row){ .key = "demand", .kind = "", .body = "{}" }));
	end(v);
}

/* 400 days stay; the oldest goes for a new one, and none older comes back. */
static void test_full(void **state)
{
	const int64_t t = utc("2025-01-01T12:00:00Z");
	struct savings *v = begin();

	(void)state;
	for (int i = 0; i < SAVINGS_DAYS + 30; i++)
		ended_at(v, t + i * DAY_MS, 300, "GBP");
	ended_at(v, t, 300, "GBP");
	assert_true(near(total(v, "{\"months\":13}", t + (SAVINGS_DAYS + 29) * DAY_MS, "bill"), 0.03 * (365 + 6))); /* to 6 March 2026 */
	assert_true(near(total(v, "{\"month\":\"2025-01\"}", t + (SAVINGS_DAYS + 29) * DAY_MS, "bill"), 0.03)); /* the 31st is the oldest */
	end(v);
}

static void test_due(void **state)
{
	struct savings *v = begin();

	(void)state;
	assert_true(savings_due(v, 1000) && !savings_due(v, 2000) && !savings_due(v, 1000000));
	ended_at(v, utc("2026-01-15T12:00:00Z"), 10, "GBP");
	assert_true(savings_due(v, 301000) && !savings_due(v, 302000));
	ended_at(v, utc("2026-01-15T12:01:00Z"), 10, "GBP");
	assert_true(!savings_due(v, 600999) && savings_due(v, 601000));
	assert_false(savings_due(NULL, 0));
	savings_event(NULL, 1, 1);
	savings_observe(NULL, NULL, NULL);
	savings_stop(NULL);
	end(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_days, setup),    cmocka_unit_test_setup(test_clock_steps, setup),
		cmocka_unit_test_setup(test_unknown, setup), cmocka_unit_test_setup(test_standing_events_sun, setup),
		cmocka_unit_test_setup(test_stored, setup),  cmocka_unit_test_setup(test_gap, setup),
		cmocka_unit_test_setup(test_store, setup),   cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_due, setup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_commit(-ECANCELED);
	fake_clear();
	return failed;
}
