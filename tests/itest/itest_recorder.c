/* A day of 16 devices and telemetry through the real store: what comes back out of the file after a restart in the middle,
 * and how many bytes the day wrote to the disk. */
#include "flow/history/recorder.h"
#include "io/log.h"
#include "support/cm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY 1768435200000LL /* 2026-01-15T00:00:00Z */
#define DEVICES 16
#define STEP_MS 10000
#define BUDGET (20LL << 20) /* a day, of design 12: for all that is stored */

static struct snapshot s;
static struct decisions decisions;
static struct config config;
static const struct zone zone = { .name = "UTC" };
static char dir[64], path[96];
static uv_loop_t loop;
static int points, n_rows;

void backlog_add(struct backlog *b, const struct telemetry_point *p, int n, int64_t now_ms)
{
	(void)b;
	(void)p;
	(void)now_ms;
	points += n;
}

static void home_new(void)
{
	s.n_devices = decisions.n = config.n_devices = DEVICES;
	for (int i = 0; i < DEVICES; i++) {
		snprintf(s.dev[i].id, sizeof(s.dev[i].id), i ? "device-number-%d" : "meter", i);
		snprintf(config.device[i].id, sizeof(config.device[i].id), "%s", s.dev[i].id);
		snprintf(config.device[i].flip_device_id, sizeof(config.device[i].flip_device_id), "flip-%d", i);
		s.dev[i].roles = i == 0 ? ROLE_GRID : i < 3 ? ROLE_BATTERY : i < 5 ? ROLE_PV : ROLE_LOAD;
		s.dev[i].state.availability = AVAIL_ONLINE;
	}
	config.outbox.telemetry_interval_s = 300;
	config.flip.mode = LINK_DIRECT;
	s.clock_trusted = true;
	s.now_ms = 1;
	s.utc_ms = DAY;
}

static void settle(struct store *store)
{
	int waiting = 1;

	do {
		uv_run(&loop, UV_RUN_NOWAIT);
		store_stats(store, NULL, &waiting);
		if (waiting)
			usleep(200);
	} while (waiting);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void run(struct recorder *r, struct store *store, int64_t until_utc_ms)
{
	for (; s.utc_ms <= until_utc_ms; s.utc_ms += STEP_MS, s.now_ms += STEP_MS) {
		for (int i = 0; i < DEVICES; i++) {
			value_set(&s.dev[i].state.ac_power_w, i < 3 ? 1000 + rand() % 100 : -300, s.now_ms, Q_GOOD);
			value_set(&s.dev[i].state.f[F_BATTERY_SOC_PCT], 50, s.now_ms, Q_GOOD);
		}
		value_set(&s.grid_w, 4000, s.now_ms, Q_GOOD);
		recorder_observe(r, &s, &decisions);
		if (s.utc_ms % 300000 == 0)
			settle(store);
	}
}

static void on_daily(void *context, const struct store_row *rows, int n)
{
	struct daily_row d;

	(void)context;
	n_rows = n;
	for (int i = 0; i < n; i++) {
		assert_int_equal(daily_unpack(rows[i].body, &d), 0);
		if (strcmp(rows[i].key, "site/2026-01-15") != 0)
			continue;
		/* 24 h less what the restart took */
		assert_true(fabs(d.in_wh - 24 * 4000) < 4000.0 * STEP_MS / 3600000 + 1);
	}
}

static void on_history(void *context, const struct store_row *rows, int n)
{
	struct history_row h;

	(void)context;
	n_rows = n;
	for (int i = 0; i < n; i++)
		assert_int_equal(history_unpack(rows[i].at_ms, rows[i].body, &h), 0);
}

static void test_day(void **state)
{
	const struct store_query daily = { .table = STORE_DAILY, .at_from_ms = DAY, .at_to_ms = DAY + 1, .max_rows = 100 };
	struct store_query history = { .table = STORE_HISTORY, .max_rows = STORE_READ_MAX };
	struct recorder_options o = { .config = &config, .zone = &zone, .backlog = (struct backlog *)&config };
	struct recorder_stats stats;
	int64_t bytes = 0, all;
	struct errbuf err;

	(void)state;
	home_new();
	for (int half = 0; half < 2; half++) {
		struct recorder *r;

		assert_int_equal(store_open(&o.store, &loop, path, &err), 0);
		assert_int_equal(recorder_start(&r, &o, &err), 0);
		run(r, o.store, half ? DAY + 86400000 : DAY + 43500000);
		settle(o.store);
		recorder_stats(r, &stats);
		assert_true(stats.lost == 0 && !stats.failing);
		store_stats(o.store, &all, NULL);
		bytes += all;
		recorder_stop(r);
		store_close(o.store);
	}
	printf("a day of %d devices: %.2f MiB written for history and daily sums, %.0f %% of the budget\n", DEVICES,
	       (double)bytes / (1 << 20), 100.0 * (double)bytes / BUDGET);
	assert_true(bytes > 100000 && bytes < BUDGET);
	assert_int_equal(points, 2 * 288);

	assert_int_equal(store_open(&o.store, &loop, path, &err), 0);
	n_rows = -1;
	assert_int_equal(store_read(o.store, &daily, on_daily, NULL), 0);
	settle(o.store);
	assert_int_equal(n_rows, DEVICES + 1);
	snprintf(history.kind, sizeof(history.kind), "device-number-1");
	assert_int_equal(store_read(o.store, &history, on_history, NULL), 0);
	settle(o.store);
	assert_int_equal(n_rows, 288); /* the restart fell on a boundary */
	store_close(o.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_day) };
	char command[96];
	int failed;

	snprintf(dir, sizeof(dir), "/tmp/hearth-recorder-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	log_open("itest_recorder", LOG_LEVEL_WARNING);
	uv_loop_init(&loop);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	snprintf(command, sizeof(command), "rm -rf -- '%s'", dir);
	failed |= system(command);
	return failed;
}
