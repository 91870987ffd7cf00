/* A busy day under the diary: two batteries, a car and the sun with clouds, prices that change every half hour, events, limits
 * from outside, an owner who plays with it; the real chain on the simulated home, the real store. How many rows and bytes. */
#include "flow/history/diary.h"
#include "io/log.h"
#include "policies/chain.h"
#include "support/cm.h"
#include "support/home.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define DAY 1768435200000LL /* 2026-01-15T00:00:00Z */
#define DAY_S 86400
#define ROWS_BUDGET 600          /* of a busy day */
#define WEAR_BUDGET (8LL << 20)  /* bytes written of it */

static struct home home;
static struct snapshot s;
static struct chain chain;
static struct decisions d;
static uv_loop_t loop;
static char dir[64], path[96];

static void home_new(void)
{
	memset(&home, 0, sizeof(home));
	home.now_ms = 1000;
	home.utc_ms = DAY;
	home.random = 1;
	home.noise_w = 30;
	home.meter_phases = true;
	home.d[home.n++] = (struct home_device){ .kind = HOME_BATTERY, .capacity_wh = 10000, .soc_pct = 60, .charge_max_w = 5000,
						  .discharge_max_w = 5000, .can_power = true, .guarded = true };
	home.d[home.n++] = (struct home_device){ .kind = HOME_BATTERY, .capacity_wh = 5000, .soc_pct = 40, .charge_max_w = 2500,
						  .discharge_max_w = 2500, .can_power = true, .guarded = true, .native = true };
	home.d[home.n++] = (struct home_device){ .kind = HOME_CHARGER, .max_a = 16, .car_max_a = 16, .car_wh = 30000, .connected = true, .phases = 1,
						  .phase = 1, .guarded = true };
	home_start(&home);
	memset(&s, 0, sizeof(s));
	s.clock_trusted = true;
	s.site = (struct site_params){ .import_limit_w = 9000, .export_limit_w = 5000, .reserve_pct = 20, .grid_charging = true,
				       .battery_export = true, .surplus_battery_first = true, .tick_ms = 1000 };
	chain_init(&chain);
}

/* The owner's and the clouds' part of second @t. */
static void life(int t)
{
	const int hour = t / 3600, slot = t / 1800;

	home.load_w = 350 + 200 * (slot % 3) + (t % 5400 < 600 ? 2200 : 0); /* cooker, kettle, washing */
	home.pv_w = hour > 7 && hour < 17 ? 4000.0 * (1 - abs(hour - 12) / 6.0) * (t / 240 % 3 == 0 ? 0.25 : 1) : 0;
	s.import_price = 0.15 + 0.1 * (slot * 7 % 5 - 2) / 2;
	s.export_price = 0.08;
	s.external = (struct external_limit){ .import_w = slot % 16 == 11 ? 4200 : NAN, .export_w = slot % 16 == 13 ? 0 : NAN };
	for (int i = 0; i < 2; i++) {
		struct snap_device *b = &s.dev[i];

		b->guide = (struct plan_guide){ .valid = true, .charge_eff = 0.95, .discharge_eff = 0.95, .n_segments = 1 };
		b->guide.upto_wh[0] = 10000;
		b->guide.value_per_kwh[0] = 0.17f;
		b->guide.until_utc_ms = DAY + (slot + 2) * 1800000LL;
		b->override = (struct override_view){ slot % 12 == 5 ? OVERRIDE_CHARGE : OVERRIDE_NONE, 1500, DAY + (slot + 1) * 1800000LL };
		b->command.active = i == 0 && (hour == 17 || hour == 7);
		b->command = (struct command_view){ .active = b->command.active, .event_id = "7d2a4c0e", .mode = MODE_DISCHARGE,
						    .power_mode = POWER_SETPOINT, .setpoint_w = 3000, .grid_import = TRI_UNSET, .owner_event_pct = NAN,
						    .command_pct = 25, .event_pct = NAN, .program_min_pct = NAN, .starts_utc_ms = DAY + hour * 3600000LL,
						    .ends_utc_ms = DAY + (hour + 1) * 3600000LL };
	}
	s.dev[2].ev_mode = hour < 7 ? EV_CHEAP : EV_SOLAR;
	s.dev[2].ev_energy_wh = NAN;
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

static void tick(struct diary *y, int t)
{
	home_run(&home, 1000);
	home_snapshot(&home, &s);
	life(t);
	chain_step(&chain, &s, &d);
	for (int i = 0; i < home.n; i++)
		home_order(&home, i, &d.d[i].order);
	diary_observe(y, &s, &d);
}

static void on_rows(void *context, cJSON *rows, bool truncated, int status)
{
	AUTO_TEXT *text = cJSON_PrintUnformatted(rows);

	assert_int_equal(status, 0);
	assert_true(truncated);
	assert_int_equal(cJSON_GetArraySize(rows), DIARY_LIMIT_MAX);
	*(size_t *)context = strlen(text);
	cJSON_Delete(rows);
}

static void test_busy_day(void **state)
{
	const struct diary_query q = { .limit = DIARY_LIMIT_MAX, .text_max = 128 * 1024 };
	struct store *store = NULL;
	struct diary *y = NULL;
	struct diary_stats stats;
	size_t answer = 0;
	int64_t wear;

	(void)state;
	assert_int_equal(store_open(&store, &loop, path, NULL), 0);
	assert_int_equal(diary_start(&y, store, NULL), 0);
	home_new();
	for (int t = 0; t < DAY_S; t++) {
		tick(y, t);
		if (t % 60 == 0)
			settle(store);
	}
	assert_int_equal(diary_read(y, &q, on_rows, &answer), 0);
	settle(store);
	diary_stats(y, &stats);
	store_stats(store, &wear, NULL);
	printf("diary: %lld rows, %lld bytes of bodies, %lld transactions, %lld dropped, %lld bytes written in a busy day; 200 rows "
	       "are %zu bytes\n", (long long)stats.rows, (long long)stats.bytes, (long long)stats.transactions, (long long)stats.dropped,
	       (long long)wear, answer);
	assert_true(stats.rows > 50 && stats.rows <= ROWS_BUDGET);
	assert_true(stats.dropped == 0 && !stats.failing);
	assert_true(wear <= WEAR_BUDGET);
	diary_stop(y);
	store_close(store);
}

static int setup(void **state)
{
	(void)state;
	log_open("test_diary_day", LOG_LEVEL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/hearth-diary-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	static const char *const SUFFIXES[] = { "", "-wal", "-shm", ".lock", ".spare" };
	char name[128];

	(void)state;
	uv_run(&loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, SUFFIXES[i]);
		unlink(name);
	}
	return rmdir(dir) || uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_busy_day, setup, teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
