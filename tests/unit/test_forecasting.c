/* The forecast on its way through the agent: what it learns of a tick and of the store, what it keeps, what happens when the disk
 * does not do as it should. The store is in memory. */
#include "flow/control/forecasting.h"

#include "core/calendar.h"
#include "flow/history/recorder.h"
#include "support/cm.h"
#include "support/fake_store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JUNE 1781481600000LL /* 2026-06-15T00:00:00Z */
#define MINUTE 60000LL
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const struct zone UTC = { "UTC", 0, { { 0, 0 } } };
static struct config config;
static struct snapshot s;
static int n_changed;

static void changed(void *context)
{
	assert_ptr_equal(context, &s);
	n_changed++;
}

static struct forecasting *start(void)
{
	struct forecasting_options o = { &config, &UTC, (struct store *)&config, changed, &s };
	struct forecasting *f = NULL;

	assert_int_equal(forecasting_start(&f, &o, NULL), 0);
	return f;
}

static struct snap_device *device(const char *id, uint32_t roles, double ac_w)
{
	struct snap_device *d = &s.dev[s.n_devices++];

	snprintf(d->id, sizeof(d->id), "%s", id);
	d->roles = roles;
	d->state.availability = AVAIL_ONLINE;
	value_set(&d->state.ac_power_w, ac_w, s.now_ms, Q_GOOD);
	return d;
}

/* A meter of 400 W import, a sun of 1000 W that can be curtailed. */
static int home(void **state)
{
	(void)state;
	fake_commit(-ECANCELED);
	fake_clear();
	memset(&config, 0, sizeof(config));
	memset(&s, 0, sizeof(s));
	n_changed = 0;
	config.site.latitude = config.site.longitude = NAN;
	config.n_devices = 2;
	strcpy(config.device[0].id, "meter");
	strcpy(config.device[1].id, "car");
	config.device[1].roles = ROLE_CHARGER;
	s.now_ms = 1000000;
	s.utc_ms = JUNE;
	s.clock_trusted = true;
	device("meter", ROLE_GRID, 400);
	device("sun", ROLE_PV, -1000)->state.caps.can_curtail = true;
	value_set(&s.grid_w, 400, s.now_ms, Q_GOOD);
	return 0;
}

static void ticks(struct forecasting *f, int64_t for_ms)
{
	for (int64_t end = s.utc_ms + for_ms; s.utc_ms < end; s.utc_ms += MINUTE, s.now_ms += MINUTE) {
		for (int i = 0; i < s.n_devices; i++)
			s.dev[i].state.ac_power_w.at_ms = s.now_ms;
		s.grid_w.at_ms = s.now_ms;
		forecasting_observe(f, &s);
	}
}

static void put(enum store_table table, const char *key, int64_t at_ms, const char *body)
{
	struct store_op op = { .verb = STORE_PUT, .table = table, .at_ms = at_ms, .body = body };

	snprintf(table == STORE_HISTORY ? op.kind : op.key, STORE_KIND_MAX, "%s", key);
	assert_int_equal(store_submit(NULL, &op, 1, NULL, NULL, NULL), 0);
	fake_commit(0);
}

/* Days of 500 W house, a car of 3 kW from 1 to 4, sun of 2 kW from 10 to 14. */
static void put_history(int days)
{
	for (int64_t at = JUNE - days * DAY; at < JUNE; at += 5 * MINUTE) {
		int64_t hour = at % DAY / HOUR;
		double car = hour >= 1 && hour < 4 ? 3000 : 0, sun = hour >= 10 && hour < 14 ? 2000 : 0;
		struct history_row r = { .start_utc_ms = at, .duration_s = 300, .measured_s = 300, .mean_w = 500 + car - sun, .soc_pct = NAN,
					 .in_wh = fmax(0, 500 + car - sun) / 12, .out_wh = fmax(0, sun - 500) / 12,
					 .home_wh = (500 + car) / 12, .solar_wh = sun / 12, .import_price = NAN, .export_price = NAN };
		char body[200];

		assert_true(history_pack(&r, body, sizeof(body)) > 0);
		put(STORE_HISTORY, "site", at, body);
		r = (struct history_row){ .start_utc_ms = at, .duration_s = 300, .measured_s = 300, .mean_w = car, .in_wh = car / 12,
					  .soc_pct = NAN, .home_wh = NAN, .solar_wh = NAN, .import_price = NAN, .export_price = NAN };
		assert_true(history_pack(&r, body, sizeof(body)) > 0);
		put(STORE_HISTORY, "car", at, body);
	}
}

static void check_history(const struct forecasting *f)
{
	const struct forecast *now = forecasting_now(f);

	assert_true(fabs(forecast_load_w(now, &UTC, JUNE, JUNE + 26 * HOUR) - 500) < 60); /* without the car */
	assert_true(fabs(forecast_load_w(now, &UTC, JUNE, JUNE + 30 * HOUR) - 500) < 60);
	assert_true(fabs(forecast_pv_w(now, JUNE, JUNE + 36 * HOUR) - 2000) < 100);
	assert_true(forecast_pv_w(now, JUNE, JUNE + 42 * HOUR) < 20);
}

/* A tick teaches house and sun; none does whose time may be wrong. R/forecast is due each hour. */
static void test_ticks(void **state)
{
	struct forecasting *f = start();

	(void)state;
	s.clock_trusted = false;
	ticks(f, HOUR);
	assert_int_equal(forecasting_now(f)->last, 0);
	assert_int_equal(n_changed, 0);
	s.clock_trusted = true;
	ticks(f, 4 * HOUR);
	assert_int_equal(n_changed, 4);
	assert_true(fabs(forecast_past_load(forecasting_now(f), forecasting_now(f)->last) - 1400) < 1); /* import and sun */
	assert_true(fabs(forecast_past_pv(forecasting_now(f), forecasting_now(f)->last) - 1000) < 1);
	forecasting_stop(f);
	fake_commit(-ECANCELED);
}

/* At its bound the sun says nothing; below it, and without one, it does. A restart knows which quarter hours those were. */
static void test_curtailed(void **state)
{
	static const char KEY[] = "forecast.curtailed.936"; /* JUNE is hour 494856, which is 936 of 1440 */
	static const struct { double bound_w; enum order_kind kind; bool taught; } ROWS[] = {
		{ -1000, ORDER_POWER, false }, { -1040, ORDER_POWER, false }, { -3000, ORDER_POWER, true }, { -1000, ORDER_RELEASE, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct forecasting *f;

		home(NULL);
		f = start();
		fake_commit(0);
		s.dev[1].ordered = (struct order){ .kind = ROWS[i].kind, .w = ROWS[i].bound_w };
		ticks(f, HOUR);
		assert_true(isnan(forecast_past_pv(forecasting_now(f), forecasting_now(f)->last)) == !ROWS[i].taught);
		assert_true(!isnan(forecast_past_load(forecasting_now(f), forecasting_now(f)->last)));
		fake_commit(0);
		assert_true((fake_find(STORE_DAILY, KEY) != NULL) == !ROWS[i].taught);
		if (!ROWS[i].taught)
			assert_string_equal(fake_find(STORE_DAILY, KEY)->body, "[494856,15]");
		forecasting_stop(f);
	}
}

static void test_history(void **state)
{
	struct forecasting *f;

	(void)state;
	put_history(20);
	put(STORE_HISTORY, "site", JUNE, "nonsense");
	put(STORE_HISTORY, "site", -5, "1 300 300 1 1 0 -");
	put(STORE_HISTORY, "site", JUNE + 2 * DAY, "1 300 300 500 416 0 - 416 0"); /* by a clock that ran ahead */
	put(STORE_HISTORY, "site", JUNE + 3650 * DAY, "1 300 300 500 416 0 - 416 0");
	for (int day = 1; day <= 20; day++) /* three days of it curtailed from 9 to 15: they say nothing of the sun */
		for (int hour = 9; day <= 3 && hour < 15; hour++) {
			char key[40], body[40];
			int64_t at = (JUNE - day * DAY) / HOUR + hour;

			snprintf(key, sizeof(key), "forecast.curtailed.%d", (int)(at % 1440));
			snprintf(body, sizeof(body), "[%d,15]", (int)at);
			put(STORE_DAILY, key, 0, body);
		}
	f = start();
	s.clock_trusted = false;
	ticks(f, MINUTE);
	assert_int_equal(fake_n_queue, 0); /* what of it lies ahead is not known yet */
	s.clock_trusted = true;
	ticks(f, MINUTE);
	n_changed = 0;
	fake_commit(0); /* page by page, each asks for the next */
	assert_int_equal(n_changed, 1);
	check_history(f);
	assert_true(isnan(forecast_past_pv(forecasting_now(f), (JUNE - DAY + 12 * HOUR) / FORECAST_QUARTER_MS)));
	assert_true(fabs(forecast_past_pv(forecasting_now(f), (JUNE - 4 * DAY + 12 * HOUR) / FORECAST_QUARTER_MS) - 2000) < 1);
	assert_true(fabs(forecast_past_load(forecasting_now(f), (JUNE - DAY + 2 * HOUR) / FORECAST_QUARTER_MS) - 500) < 1);
	forecasting_stop(f);
}

/* The history cannot be read, at once or later; the agent ends while it is being read. */
static void test_no_history(void **state)
{
	struct forecasting *f;

	(void)state;
	put_history(2);
	fake_read_error = -EAGAIN;
	f = start();
	ticks(f, HOUR);
	fake_read_error = 0;
	assert_true(forecasting_now(f)->last > 0);
	forecasting_stop(f);
	fake_read_status = -EIO;
	f = start();
	ticks(f, MINUTE);
	fake_commit(0);
	assert_int_equal(forecasting_now(f)->most_pv_w, 0);
	forecasting_stop(f);
	fake_read_status = 0;
	f = start();
	forecasting_stop(f); /* not begun */
	f = start();
	ticks(f, MINUTE);
	forecasting_stop(f);
	fake_commit(-ECANCELED); /* its memory goes with the read: the sanitizers look */
	forecasting_stop(NULL);
}

/* The forecasts of a day ahead are kept and come back. */
static void test_ahead_is_kept(void **state)
{
	struct forecasting *f;
	struct forecast_error before, after;
	struct history_row r = { .duration_s = 300, .measured_s = 300, .mean_w = 400, .in_wh = 400 / 12., .soc_pct = NAN, .home_wh = 1400 / 12.,
				 .solar_wh = 1000 / 12., .import_price = NAN, .export_price = NAN };
	char body[200];

	(void)state;
	f = start();
	fake_commit(0);
	for (int i = 0; i < 3 * 24; i++) {
		ticks(f, HOUR);
		fake_commit(0);
	}
	forecast_error(forecasting_now(f), &before);
	assert_true(before.compared_h > 40 && before.load_pct >= 0);
	forecasting_stop(f);
	for (int64_t at = JUNE; at < JUNE + 3 * DAY - 15 * MINUTE; at += 5 * MINUTE) {
		assert_true(history_pack(&r, body, sizeof(body)) > 0);
		put(STORE_HISTORY, "site", at, body);
	}
	put(STORE_DAILY, "forecast.ahead.7", 0, "[\"x\"]"); /* nonsense is passed over */
	put(STORE_DAILY, "forecast.ahead.8", 0, "{}");
	put(STORE_DAILY, "forecast.ahead.9", 0, "[-5,1,1,1,1]");
	put(STORE_DAILY, "forecast.curtailed.3", 0, "[5,-1e30]");
	put(STORE_DAILY, "site/2026-06-15", 0, "1 2 3 4");
	f = start();
	ticks(f, MINUTE);
	fake_commit(0);
	forecast_error(forecasting_now(f), &after);
	assert_true(fabs(after.compared_h - before.compared_h) < 1);
	assert_true(fabs(after.load_pct - before.load_pct) < 0.5 && fabs(after.pv_pct - before.pv_pct) < 0.5);
	forecasting_stop(f);
}

static int n_stored, stored_status;

static void on_stored(void *context, uint64_t ticket, int status)
{
	(void)context;
	(void)ticket;
	n_stored++;
	stored_status = status;
}

static int set(struct forecasting *f, const char *text, struct errbuf *err)
{
	AUTO_JSON *o = json_parse(text, strlen(text), 65536, 16, NULL);

	return forecasting_set(f, o, JUNE, on_stored, NULL, err);
}

/* At once, told when it is on disk, there again after a restart whatever the clock says then; {} clears that too. */
static void test_set(void **state)
{
	static const char TEXT[] = "{\"load\":[{\"from\":\"2026-06-15T00:00:00Z\",\"to\":\"2026-06-16T00:00:00Z\",\"w\":777}]}";
	struct forecasting *f = start();
	struct errbuf err = { "" };

	(void)state;
	fake_commit(0);
	n_stored = n_changed = 0;
	assert_int_equal(set(f, "{\"load\":1}", &err), -EINVAL);
	assert_true(n_changed == 0 && fake_n_queue == 0 && strstr(err.text, "load"));
	assert_int_equal(set(f, TEXT, &err), 0);
	assert_int_equal(n_changed, 1);
	assert_true(forecast_load_w(forecasting_now(f), &UTC, JUNE, JUNE + HOUR) == 777);
	assert_int_equal(n_stored, 0);
	fake_commit(0);
	assert_true(n_stored == 1 && stored_status == 0);
	forecasting_stop(f);
	f = start();
	assert_true(forecast_load_w(forecasting_now(f), &UTC, 0, JUNE + HOUR) == 777);
	assert_int_equal(set(f, "{}", &err), 0);
	fake_commit(0);
	forecasting_stop(f);
	f = start();
	assert_true(forecast_load_w(forecasting_now(f), &UTC, JUNE, JUNE + HOUR) != 777);
	/* the disk takes nothing: in force all the same, and said */
	fake_submit_error = -EAGAIN;
	assert_int_equal(set(f, TEXT, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "in force, but it could not be stored"));
	assert_true(forecast_load_w(forecasting_now(f), &UTC, JUNE, JUNE + HOUR) == 777);
	fake_submit_error = 0;
	forecasting_stop(f);
	fake_commit(-ECANCELED);
	put(STORE_SETTING, "forecast", JUNE, "{\"load\":");
	f = start(); /* what cannot be read is no reason not to start */
	assert_true(forecast_load_w(forecasting_now(f), &UTC, JUNE, JUNE + HOUR) != 777);
	forecasting_stop(f);
}

static double number(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItem(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static const char *source(const cJSON *o, const char *of)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "source"), of));
}

static void test_encode(void **state)
{
	struct forecasting *f;

	(void)state;
	config.device[0] = (struct config_device){ .enabled = true, .peak_w = 4000, .tilt_deg = 30, .azimuth_deg = 180 };
	f = start();
	{
		AUTO_JSON *o = forecasting_encode(f, JUNE + 30 * MINUTE);
		const cJSON *hours = cJSON_GetObjectItem(o, "hours");

		assert_int_equal(cJSON_GetArraySize(hours), 48);
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(hours, 0), "from")), "2026-06-15T00:00:00.000Z");
		assert_string_equal(source(o, "load"), "standard");
		assert_string_equal(source(o, "pv"), "none"); /* no place */
		assert_true(isnan(number(o, "load_error_pct")) && number(o, "compared_h") == 0);
	}
	config.site.latitude = 51.5;
	config.site.longitude = 0;
	forecasting_configure(f, &config, &UTC);
	assert_int_equal(set(f, "{\"load\":[{\"from\":\"2026-06-15T12:00:00Z\",\"to\":\"2026-06-15T12:30:00Z\",\"w\":1000},"
				"{\"from\":\"2026-06-15T12:30:00Z\",\"to\":\"2026-06-15T13:00:00Z\",\"w\":2000}]}", NULL), 0);
	{
		AUTO_JSON *o = forecasting_encode(f, JUNE);
		const cJSON *noon = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "hours"), 12);

		assert_string_equal(source(o, "load"), "pushed");
		assert_string_equal(source(o, "pv"), "clear_sky");
		assert_true(number(noon, "load_w") == 1500 && number(noon, "load_low_w") == 1500); /* means of the hour */
		assert_true(number(noon, "pv_low_w") < number(noon, "pv_w") && number(noon, "pv_w") < number(noon, "pv_high_w"));
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "pushed_until")), "2026-06-15T13:00:00.000Z");
	}
	forecasting_stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ticks, home),      cmocka_unit_test_setup(test_curtailed, home),
		cmocka_unit_test_setup(test_history, home),    cmocka_unit_test_setup(test_no_history, home),
		cmocka_unit_test_setup(test_ahead_is_kept, home), cmocka_unit_test_setup(test_set, home),
		cmocka_unit_test_setup(test_encode, home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
