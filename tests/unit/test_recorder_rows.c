/* Five-minute rows and daily sums, over clocks that step, disks that refuse and restarts. */
#include "support/recorder_kit.h"
#include "support/seed.h"

static bool daily(const char *id, const char *date, struct daily_row *out)
{
	const struct fake_row *row;
	char key[STORE_KEY_MAX];

	snprintf(key, sizeof(key), "%s/%s", id, date);
	row = fake_find(STORE_DAILY, key);
	return row && daily_unpack(row->body, out) == 0;
}

/* Five-minute rows: one transaction, no row for what was silent, and they say what was. */
static void test_history(void **state)
{
	struct recorder_stats stats;
	struct history_row h;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	device(3, "silent", "", ROLE_LOAD);
	device(4, "site", "", ROLE_LOAD); /* would be the site's double */
	s.dev[3].state.availability = AVAIL_OFFLINE;
	r = recorder_new();
	run(r, 300, 1, true);
	assert_int_equal(fake_count(STORE_HISTORY), 0);
	feed();
	recorder_observe(r, &s, &decisions);
	assert_int_equal(fake_n_queue, 1);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_HISTORY), 4);
	for (int i = 0; i < 4; i++) {
		const struct store_row *row = &fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[i];
		const char *const ids[] = { "meter", "battery", "sun", "site" };

		assert_string_equal(row->kind, ids[i]);
		assert_true(row->at_ms == NOON);
		assert_int_equal(history_unpack(row->at_ms, row->body, &h), 0);
		assert_true(h.start_utc_ms == NOON && h.duration_s == 300 && h.measured_s == 300);
		assert_near(h.mean_w, i == 1 ? 2400 : i == 2 ? -1800 : 1200);
		assert_true(h.in_wh == (i == 1 ? 200 : i == 2 ? 0 : 100) && h.out_wh == (i == 2 ? 150 : 0));
		assert_true(i == 1 ? h.soc_pct == 50 : isnan(h.soc_pct));
		assert_true(i == 3 ? h.home_wh == 50 && h.solar_wh == 150 : isnan(h.home_wh) && isnan(h.solar_wh));
	}
	recorder_stats(r, &stats);
	assert_true(stats.transactions == 1 && stats.rows == 8 && stats.lost == 0 && !stats.failing); /* and 4 of the day */
	stop(r);
}

static int n_ended;

static void prices_of(void *context, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price, double *export_price)
{
	assert_ptr_equal(context, &n_ended);
	assert_true(from_utc_ms == NOON && to_utc_ms == NOON + 300000);
	*import_price = 0.28125;
	*export_price = NAN;
}

static void on_ended(void *context, const struct interval_report *report, double import_price, double export_price)
{
	assert_ptr_equal(context, &n_ended);
	assert_true(report->start_utc_ms == NOON && fabs(report->grid.in_wh - 100) < 1e-6 && import_price == 0.28125 && isnan(export_price));
	n_ended++;
}

/* The site's rows keep what their time cost, and somebody is told once an interval. */
static void test_prices_kept(void **state)
{
	struct recorder_options o = { .config = &config, .zone = &zone, .backlog = (struct backlog *)&config, .prices = prices_of, .ended = on_ended,
				      .context = &n_ended };
	struct history_row h;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	assert_int_equal(recorder_start(&r, &o, NULL), 0);
	run(r, 301, 1, true);
	assert_int_equal(n_ended, 1);
	for (int i = 0; i < fake_count(STORE_HISTORY); i++) {
		const struct store_row *row = &fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[i];

		assert_int_equal(history_unpack(row->at_ms, row->body, &h), 0);
		assert_true(strcmp(row->kind, "site") ? isnan(h.import_price) : h.import_price == 0.28125);
		assert_true(isnan(h.export_price));
	}
	stop(r);
	assert_int_equal(n_ended, 1); /* a second of the next one is too short to tell */
}

/* Sums of local days over their ends, over restarts and over days of 23 and 25 hours. */
static void test_days(void **state)
{
	static const struct {
		const char *name, *zone, *from, *date, *next;
		int hours;  /* of the day */
		int restarts;
	} ROWS[] = {
		{ "23 hours", "Europe/London", "2026-03-29T00:00:00Z", "2026-03-29", "2026-03-30", 23, 0 },
		{ "25 hours", "Europe/London", "2026-10-24T23:00:00Z", "2026-10-25", "2026-10-26", 25, 0 },
		{ "25 hours, restarted", "Europe/London", "2026-10-24T23:00:00Z", "2026-10-25", "2026-10-26", 25, 7 },
		{ "far east", "Pacific/Kiritimati", "2026-01-14T10:00:00Z", "2026-01-15", "2026-01-16", 24, 1 },
		{ "three quarters of an hour", "Asia/Kathmandu", "2026-01-14T18:15:00Z", "2026-01-15", "2026-01-16", 24, 3 },
		{ "UTC", "UTC", "2026-02-28T00:00:00Z", "2026-02-28", "2026-03-01", 24, 0 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		const int64_t seconds = ROWS[k].hours * 3600LL, part = seconds / (ROWS[k].restarts + 1) / 10 * 10;
		struct daily_row d;
		struct recorder *r;
		int64_t from, done = 0;

		assert_int_equal(calendar_parse(ROWS[k].from, &from), 0);
		home_new(ROWS[k].zone, from);
		config.flip.mode = LINK_OFF;
		r = recorder_new();
		for (int i = 0; i < ROWS[k].restarts; i++, done += part) {
			run(r, part, 10, true);
			stop(r);
			r = recorder_new();
		}
		run(r, seconds - done, 10, true);
		assert_row(ROWS[k].name, !daily("site", ROWS[k].next, &d));
		run(r, 900 + 10, 10, true);
		assert_row(ROWS[k].name, daily("site", ROWS[k].date, &d));
		/* each restart costs the 10 s between two snapshots */
		assert_row(ROWS[k].name, fabs(d.in_wh / 1200 - ROWS[k].hours) < 0.001 * ROWS[k].hours + ROWS[k].restarts * 10.5 / 3600);
		assert_row(ROWS[k].name, fabs(d.home_wh / 600 - ROWS[k].hours) < 0.001 * ROWS[k].hours + ROWS[k].restarts * 10.5 / 3600);
		assert_row(ROWS[k].name, fabs(d.solar_wh / 3 - d.home_wh) < 0.001 * d.home_wh);
		assert_row(ROWS[k].name, daily("battery", ROWS[k].date, &d) && isnan(d.home_wh) && d.out_wh == 0);
		assert_row(ROWS[k].name, fabs(d.in_wh / 2400 - ROWS[k].hours) < 0.001 * ROWS[k].hours + ROWS[k].restarts * 10.5 / 3600);
		assert_row(ROWS[k].name, daily("battery", ROWS[k].next, &d));
		assert_row_near(ROWS[k].name, d.in_wh, 600);
		assert_row_near(ROWS[k].name, fake_count(STORE_DAILY), 8);
		stop(r);
	}
}

/* A short life before the first five minutes are over counts too; and nothing is written over what was not read. */
static void test_short_lives(void **state)
{
	struct daily_row d;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	for (int i = 0; i < 5; i++) {
		r = recorder_new();
		run(r, 61, 1, true);
		stop(r);
	}
	assert_true(daily("battery", "2026-01-15", &d));
	assert_near(d.in_wh, 200);
	r = recorder_new();
	run(r, 60, 1, false); /* the store does not answer */
	recorder_stop(r);
	fake_commit(0);
	assert_true(daily("battery", "2026-01-15", &d));
	assert_near(d.in_wh, 200);
	r = recorder_new();
	fake_read_error = -EAGAIN; /* it does not even take the question; then it fails */
	run(r, 400, 1, true);
	fake_read_error = 0;
	fake_read_status = -EIO;
	run(r, 300, 1, true);
	assert_true(daily("battery", "2026-01-15", &d));
	assert_near(d.in_wh, 200);
	fake_read_status = 0;
	run(r, 600, 1, true); /* read again, and what was counted meanwhile is added */
	stop(r);
	assert_true(daily("battery", "2026-01-15", &d));
	assert_near(d.in_wh, 200 + 1299 / 1.5);
}

/* The clock goes back over midnight and forth again: what the store has of either day stays. */
static void test_step_over_midnight(void **state)
{
	struct daily_row d;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	r = recorder_new();
	run(r, 3850, 1, true);
	s.utc_ms += 86400000;
	run(r, 3850, 1, true);
	s.utc_ms -= 86400000;
	run(r, 3850, 1, true);
	stop(r);
	assert_true(daily("battery", "2026-01-15", &d));
	assert_true(fabs(d.in_wh - 2 * 3849 / 1.5) < 3);
	assert_true(daily("battery", "2026-01-16", &d));
	assert_true(fabs(d.in_wh - 3849 / 1.5) < 3);
}

/* A disk that refuses: rows wait for some intervals, then the oldest go, counted; sums are never lost. */
static void test_failures(void **state)
{
	struct recorder_stats stats;
	struct daily_row d;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	r = recorder_new();
	run(r, 1, 1, true);
	fake_submit_error = -EAGAIN;
	run(r, 600, 1, true);
	recorder_stats(r, &stats);
	assert_true(stats.failing && stats.rows == 0 && stats.lost == 0);
	fake_submit_error = 0;
	run(r, 300, 1, true);
	recorder_stats(r, &stats);
	assert_true(!stats.failing && stats.transactions == 1 && stats.lost == 0);
	assert_int_equal(fake_count(STORE_HISTORY), 12);
	run(r, 299, 1, true); /* it takes them, and they do not get there; meanwhile more come */
	run(r, 301, 1, false);
	assert_int_equal(fake_n_queue, 1);
	fake_commit(-EIO);
	recorder_stats(r, &stats);
	assert_true(stats.failing);
	assert_int_equal(fake_count(STORE_HISTORY), 12);
	run(r, 300, 1, true);
	assert_int_equal(fake_count(STORE_HISTORY), 12 + 4 * 3);
	fake_submit_error = -ENOSPC;
	run(r, 86400, 10, true);
	recorder_stats(r, &stats);
	assert_true(stats.failing && stats.lost > 0);
	fake_submit_error = 0;
	run(r, 900, 1, true);
	recorder_stats(r, &stats);
	assert_true(!stats.failing);
	assert_true(daily("battery", "2026-01-16", &d)); /* whole: the sums stand in memory */
	assert_true(fabs(d.in_wh - d.measured_s / 1.5) < 1 && d.measured_s > 43200);
	stop(r);
}

/* Stopped while the store still owes answers: they come within store_close, with whatever status. */
static void test_stop_early(void **state)
{
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	r = recorder_new();
	recorder_stop(r);
	recorder_stop(NULL);
	recorder_configure(NULL, &config, &zone);
	recorder_observe(NULL, &s, &decisions);
	r = recorder_new();
	run(r, 1, 1, false); /* the read of the day is under way */
	recorder_stop(r);
	fake_commit(-ECANCELED);
	r = recorder_new();
	run(r, 10, 1, true);
	run(r, 400, 1, false); /* and a transaction */
	recorder_stop(r);
	fake_commit(-ECANCELED);
	assert_int_equal(fake_count(STORE_HISTORY), 0);
}

static void old_row(enum store_table table, const char *key, int64_t at_ms)
{
	struct store_op op = { .verb = STORE_PUT, .table = table, .at_ms = at_ms, .body = "1 1 1 1 1" };

	snprintf(op.key, sizeof(op.key), "%s", key);
	assert_int_equal(store_submit(NULL, &op, 1, NULL, NULL, NULL), 0);
	fake_commit(0);
}

/* Old rows go once a day, an hour after the clock was last set at the earliest. */
static void test_purge(void **state)
{
	const int64_t day_ms = 24 * HOUR_MS;
	struct recorder *r;

	(void)state;
	home_new("UTC", NOON);
	old_row(STORE_HISTORY, "", NOON - 61 * day_ms);
	old_row(STORE_HISTORY, "", NOON - 59 * day_ms);
	old_row(STORE_DAILY, "battery/2024-12-01", NOON - 410 * day_ms);
	old_row(STORE_DAILY, "battery/2025-01-15", NOON - 365 * day_ms);
	old_row(STORE_DAILY, "battery/2027-01-15", NOON + 365 * day_ms); /* by a clock that ran ahead */
	r = recorder_new();
	run(r, 3300, 10, true);
	s.utc_ms += 1000 * day_ms; /* a clock gone wrong takes nothing with it */
	run(r, 3300, 10, true);
	s.utc_ms -= 1000 * day_ms;
	run(r, 3300, 10, true);
	assert_non_null(fake_find(STORE_DAILY, "battery/2024-12-01"));
	assert_non_null(fake_find(STORE_DAILY, "battery/2027-01-15"));
	assert_true(fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[0].at_ms == NOON - 61 * day_ms);
	run(r, 900, 10, true);
	assert_null(fake_find(STORE_DAILY, "battery/2024-12-01"));
	assert_null(fake_find(STORE_DAILY, "battery/2027-01-15"));
	for (int i = 0; i < fake_count(STORE_HISTORY); i++)
		assert_true(fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[i].at_ms < NOON + 2 * day_ms);
	assert_non_null(fake_find(STORE_DAILY, "battery/2025-01-15"));
	assert_true(fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[0].at_ms == NOON - 59 * day_ms);
	old_row(STORE_HISTORY, "", NOON - 61 * day_ms);
	run(r, 8 * 3600, 10, true);
	assert_int_equal(fake_first == NULL, true);
	for (int i = 0, old = 0; i < fake_count(STORE_HISTORY); i++) {
		old += fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[i].at_ms == NOON - 61 * day_ms;
		assert_true(i < fake_count(STORE_HISTORY) - 1 || old == 1); /* not twice a day */
	}
	run(r, 4 * 3600, 10, true);
	for (int i = 0; i < fake_count(STORE_HISTORY); i++)
		assert_true(fake_logs[STORE_HISTORY - STORE_LOGS_FROM].row[i].at_ms != NOON - 61 * day_ms);
	stop(r);
}

/* What a day of 16 devices costs: a transaction each five minutes, and its bytes. */
static void test_wear(void **state)
{
	struct recorder_stats stats;
	struct recorder *r;
	char id[DEVICE_ID_MAX];

	(void)state;
	home_new("UTC", NOON - 12 * HOUR_MS);
	for (int i = 3; i < 16; i++) {
		snprintf(id, sizeof(id), "load-%d", i);
		device(i, id, "", ROLE_LOAD);
	}
	r = recorder_new();
	run(r, 86410, 10, true);
	recorder_stats(r, &stats);
	printf("wear: a day of 16 devices is %lld transactions, %lld rows, %lld bytes of keys and bodies\n",
	       (long long)stats.transactions, (long long)stats.rows, (long long)stats.bytes);
	assert_true(stats.transactions == 288);
	assert_true(stats.rows == 288 * 17 + (96 + 1) * 17); /* the first interval writes the day too: its rows then exist */
	assert_true(stats.bytes < 300000);
	stop(r);
}

static void test_rows_packed(void **state)
{
	static const struct {
		const char *name, *text;
		bool history;
		int r;
	} ROWS[] = {
		{ "nothing", "", true, -EINVAL },
		{ "version only", "1", true, -EINVAL },
		{ "another version", "2 300 300 100 83 0 -", true, -EINVAL },
		{ "a device", "1 300 300 -100 0 83 -", true, 0 },
		{ "a battery", "1 300 300 100 83 0 505", true, 0 },
		{ "a charge above 100 %", "1 300 300 100 83 0 1001", true, -EINVAL },
		{ "the site", "1 300 300 100 83 0 - 50 150", true, 0 },
		{ "the site, half", "1 300 300 100 83 0 - 50", true, -EINVAL },
		{ "too many", "1 300 300 100 83 0 - 50 150 1", true, -EINVAL },
		{ "no duration", "1 0 0 100 83 0 -", true, -EINVAL },
		{ "a duration unknown", "1 - 0 100 83 0 -", true, -EINVAL },
		{ "negative energy", "1 300 300 100 -83 0 -", true, -EINVAL },
		{ "too long a number", "1 300 300 100 1000000000000000 0 -", true, -EINVAL },
		{ "a fraction", "1 300 300 1.5 83 0 -", true, -EINVAL },
		{ "daily", "1 300 83 0", false, 0 },
		{ "daily of the site", "1 300 83 0 5 -", false, 0 },
		{ "daily, short", "1 300 83", false, -EINVAL },
		{ "with prices", "1 300 300 100 83 0 - 500 0 28000 -1500", true, 0 },
		{ "one price known", "1 300 300 100 83 0 - - - 28000 -", true, 0 },
		{ "half of the prices", "1 300 300 100 83 0 - 500 0 28000", true, -EINVAL },
		{ "price above all sense", "1 300 300 100 83 0 - 500 0 28000 100000001", true, -EINVAL },
		{ "more behind the prices", "1 300 300 100 83 0 - 500 0 1 1 1", true, -EINVAL },
		{ "daily with prices", "1 300 83 0 500 0 1 1", false, -EINVAL },
		{ "daily, garbage", "1 300 83 x", false, -EINVAL },
		{ "daily, nothing", "", false, -EINVAL },
	};
	struct history_row h, back;
	char text[160], again[160];

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct daily_row d;

		assert_row(ROWS[k].name,
			   (ROWS[k].history ? history_unpack(NOON, ROWS[k].text, &h) : daily_unpack(ROWS[k].text, &d)) == ROWS[k].r);
	}
	srand((unsigned)seed_of("HEARTH_SEED"));
	for (int k = 0; k < 5000; k++) {
		h = (struct history_row){ .start_utc_ms = NOON, .duration_s = 1 + rand() % 400, .measured_s = rand() % 300,
					  .mean_w = rand() % 20000 - 10000, .in_wh = rand() % 100000 / 10.0, .out_wh = rand() % 100000 / 10.0,
					  .soc_pct = rand() % 2 ? NAN : rand() % 1001 / 10.0, .home_wh = NAN, .solar_wh = NAN, .import_price = NAN, .export_price = NAN };
		if (rand() % 2)
			h.home_wh = rand() % 10000 / 10.0;
		if (rand() % 2)
			h.import_price = (rand() % 200000 - 100000) / 1e5;
		if (rand() % 4 == 0)
			h.mean_w = h.solar_wh = 1e300;
		assert_true(history_pack(&h, text, sizeof(text)) > 0);
		assert_int_equal(history_unpack(NOON, text, &back), 0);
		assert_true(back.duration_s == h.duration_s && back.measured_s == h.measured_s && back.in_wh == h.in_wh);
		assert_true(isnan(h.import_price) ? isnan(back.import_price) : fabs(back.import_price - h.import_price) < 1e-9);
		assert_true(isnan(back.export_price));
		assert_true(isnan(h.soc_pct) ? isnan(back.soc_pct) : back.soc_pct == h.soc_pct);
		assert_true(h.mean_w == 1e300 ? back.mean_w > 1e11 : back.mean_w == h.mean_w);
		assert_true(history_pack(&back, again, sizeof(again)) > 0);
		assert_string_equal(text, again);
		assert_int_equal(history_pack(&back, again, strlen(text)), -E2BIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_packed), cmocka_unit_test(test_history), cmocka_unit_test(test_prices_kept),
		cmocka_unit_test(test_days),	     cmocka_unit_test(test_short_lives), cmocka_unit_test(test_step_over_midnight),
		cmocka_unit_test(test_failures),     cmocka_unit_test(test_stop_early),	 cmocka_unit_test(test_purge),
		cmocka_unit_test(test_wear),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_end_all();
	return failed;
}
