/* Which decisions are worth a row of the diary: what changes, not what moves; and what flaps is thinned and counted. */
#include "flow/history/changes.h"
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

#define ROWS_MAX 4096

static struct snapshot s;
static struct decisions d;
static struct changes c;
static struct change_row rows[ROWS_MAX];
static int n_rows, battery;

static void on_row(void *context, const struct change_row *row)
{
	assert_ptr_equal(context, &c);
	assert_true(n_rows < ROWS_MAX);
	rows[n_rows++] = *row;
}

static void tick(int64_t ms)
{
	desk_wait(&s, ms);
	changes_step(&c, &s, &d, on_row, &c);
}

static void fresh(void)
{
	memset(&c, 0, sizeof(c));
	memset(&d, 0, sizeof(d));
	desk_init(&s);
	snprintf(s.dev[0].id, sizeof(s.dev[0].id), "meter");
	battery = desk_battery(&s, 50);
	d.n = s.n_devices;
	d.mode = RANK_SELF_USE;
	d.d[battery].rank = RANK_SELF_USE;
	d.d[battery].code = REASON_SELF_USE;
	d.d[battery].order = order_balance(0, -5000, 5000);
	n_rows = 0;
	tick(1000);
	assert_int_equal(n_rows, 1); /* the beginning is one, of the battery only: a meter has no orders */
	n_rows = 0;
}

static void what_is_a_change(void **state)
{
	static const struct {
		const char *name;
		struct decision before, after;
		int64_t wait_ms;
		int rows;
	} ROWS[] = {
#define AT(...) { .rank = RANK_EVENT, .code = REASON_EVENT, __VA_ARGS__ }
#define POWER(power) .order = { .kind = ORDER_POWER, .w = power }
#define BALANCE(lo, hi) .order = { .kind = ORDER_BALANCE, .min_w = lo, .max_w = hi }
		{ "nothing", AT(POWER(-3000)), AT(POWER(-3000)), 600000, 0 },
		{ "the sentence", AT(POWER(-3000)), AT(POWER(-3000), .why = "SoC 20.3 %"), 600000, 0 },
		{ "who cut it, but not why", AT(POWER(-3000)), AT(POWER(-3000), .limited_by = 4), 600000, 0 },
		{ "its end", AT(POWER(-3000)), AT(POWER(-3000), .until_utc_ms = 7), 600000, 0 },
		{ "the code", AT(POWER(0)), { .rank = RANK_EVENT, .code = REASON_FLOOR, POWER(0) }, 1000, 1 },
		{ "a car that waits", { .code = REASON_CAR_RAMP, POWER(1380) }, { .code = REASON_CAR_DWELL, POWER(1380) }, 1000, 0 },
		{ "a car that waited", { .code = REASON_CAR_DWELL, POWER(7360) }, { .code = REASON_CAR_NOW, POWER(7360) }, 1000, 1 },
		{ "the rank", AT(POWER(0)), { .rank = RANK_PLAN, .code = REASON_EVENT, POWER(0) }, 1000, 1 },
		{ "the kind", AT(POWER(0)), AT(.order = { .kind = ORDER_RELEASE }), 1000, 1 },
		{ "to rest", AT(POWER(-1)), AT(POWER(0)), 1000, 1 },
		{ "from rest", AT(POWER(0)), AT(POWER(1)), 1000, 1 },
		{ "the other way", AT(POWER(-3000)), AT(POWER(3000)), 1000, 1 },
		{ "power, too early", AT(POWER(1000)), AT(POWER(3000)), 299999, 0 },
		{ "power", AT(POWER(1000)), AT(POWER(3000)), 300000, 1 },
		{ "power, down", AT(POWER(-3000)), AT(POWER(-1000)), 300000, 1 },
		{ "power by its band", AT(POWER(1000)), AT(POWER(1200)), 300000, 1 },
		{ "power within its band", AT(POWER(1000)), AT(POWER(1199)), 300000, 0 },
		{ "a tenth of much", AT(POWER(-5000)), AT(POWER(-4500)), 300000, 1 },
		{ "less than a tenth of much", AT(POWER(-5000)), AT(POWER(-4501)), 300000, 0 },
		{ "a loop's power", AT(.order = { .kind = ORDER_BALANCE, .min_w = -5000, .max_w = 5000, .w = -900 }),
		  AT(.order = { .kind = ORDER_BALANCE, .min_w = -5000, .max_w = 5000, .w = 900 }), 600000, 0 },
		{ "a band's width", AT(BALANCE(-5000, 5000)), AT(BALANCE(-4000, 5000)), 600000, 0 },
		{ "no more out", AT(BALANCE(-5000, 5000)), AT(BALANCE(0, 5000)), 1000, 1 },
		{ "no more in", AT(BALANCE(-5000, 5000)), AT(BALANCE(-5000, 0)), 1000, 1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		d.d[battery] = ROWS[r].before;
		tick(1000);
		n_rows = 0;
		d.d[battery] = ROWS[r].after;
		tick(ROWS[r].wait_ms);
		assert_row(ROWS[r].name, n_rows == ROWS[r].rows);
		if (n_rows == 0)
			continue;
		assert_row(ROWS[r].name, rows[0].what == CHANGE_DECISION && rows[0].rank == ROWS[r].after.rank && rows[0].code == ROWS[r].after.code);
		assert_row(ROWS[r].name, rows[0].order == ROWS[r].after.order.kind && rows[0].at_ms == s.now_ms && rows[0].skipped == 0);
		assert_row(ROWS[r].name, !strcmp(rows[0].device, s.dev[battery].id));
		if (ROWS[r].after.order.kind == ORDER_POWER)
			assert_row_near(ROWS[r].name, rows[0].w, ROWS[r].after.order.w);
		else
			assert_row(ROWS[r].name, isnan(rows[0].w));
		tick(1000);
		assert_row(ROWS[r].name, n_rows == 1);
	}
}

/* A code that changes every second for an hour. */
static void what_flaps_is_thinned(void **state)
{
	int64_t told = 0, skipped = 0;

	(void)state;
	fresh();
	for (int i = 0; i < 3600; i++) {
		d.d[battery].code = i % 2 ? REASON_SELF_USE : REASON_IMPORT_LIMIT;
		tick(1000);
	}
	assert_int_equal(n_rows, CHANGES_BURST + 29); /* then one in two minutes */
	for (int i = 0; i < n_rows; i++) {
		told++;
		skipped += rows[i].skipped;
		assert_true(rows[i].lost == 0 && !rows[i].great);
		assert_true(i == 0 || rows[i].code != rows[i - 1].code);
	}
	assert_true(told + skipped <= 3600 && told + skipped > 3600 - 130); /* all but what the next row will tell */
	/* it calms down: the last state gets its row, and the allowance grows back */
	d.d[battery].code = REASON_FULL;
	for (int i = 0; i < CHANGES_BURST * 120 + 1; i++)
		tick(1000);
	assert_int_equal(rows[n_rows - 1].code, REASON_FULL);
	n_rows = 0;
	for (int i = 0; i < 50; i++) {
		d.d[battery].code = i % 2 ? REASON_FULL : REASON_SELF_USE;
		tick(1000);
	}
	assert_int_equal(n_rows, CHANGES_BURST);
}

/* Two reasons that take turns every five seconds, power that moves, and a start or a stop every 70 s, for three hours: each start
 * and each stop has its row, at its time. */
static void starts_and_stops_are_never_thinned(void **state)
{
	int told = 0, starts = 0;

	(void)state;
	fresh();
	for (int t = 0; t < 3 * 3600; t++) {
		bool on = t / 70 % 2, turn = t % 70 == 0;

		d.d[battery].rank = RANK_OVERRIDE;
		d.d[battery].order = order_power(on ? 3000 + t % 1500 : 0);
		d.d[battery].code = t / 5 % 3 == 0 ? REASON_FUSE : t / 5 % 3 == 1 ? REASON_CAR_NOW : REASON_CAR_DWELL;
		tick(1000);
		starts += turn;
		for (; told < n_rows; told++)
			if (rows[told].great) {
				assert_true(turn && rows[told].at_ms == s.now_ms && (rows[told].w > 0) == on && rows[told].lost == 0);
				starts--;
			}
		assert_int_equal(starts, 0);
	}
	assert_true(n_rows < 160 + CHANGES_BURST + 3 * 30 && n_rows > 160);
}

/* What alternates only with patience is no change, whatever stands behind it; a stop is one, also for patience. */
static void patience_is_no_change(void **state)
{
	static const enum reason BEHIND[] = { REASON_FUSE, REASON_CAR_NOW, REASON_OUTSIDE_IMPORT };

	(void)state;
	for (size_t r = 0; r < sizeof(BEHIND) / sizeof(BEHIND[0]); r++) {
		fresh();
		d.d[battery] = (struct decision){ .rank = RANK_OVERRIDE, .code = BEHIND[r], .order = order_power(4140) };
		tick(1000);
		assert_int_equal(n_rows, 1);
		for (int i = 0; i < 100; i++) {
			d.d[battery].code = i % 3 == 0 ? REASON_CAR_DWELL : i % 3 == 1 ? REASON_CAR_RAMP : BEHIND[r];
			tick(1000);
		}
		assert_int_equal(n_rows, 1);
		d.d[battery].code = REASON_CAR_DWELL;
		d.d[battery].order = order_power(0);
		tick(1000);
		assert_int_equal(n_rows, 2);
		assert_true(rows[1].code == REASON_CAR_DWELL && rows[1].skipped == 0);
	}
}

/* The second half of the allowance is for reasons: power alone goes first. */
static void power_is_thinned_first(void **state)
{
	(void)state;
	fresh();
	d.d[battery].order = order_power(1000);
	tick(1000);
	n_rows = 0;
	for (int i = 0; i < CHANGES_BURST / 2; i++) {
		d.d[battery].code = i % 2 ? REASON_SELF_USE : REASON_FLOOR_NEAR;
		tick(1000);
	}
	assert_int_equal(n_rows, CHANGES_BURST / 2);
	s.now_ms += CHANGES_POWER_MS;
	c.device[battery].rows_ms[CHANGE_SMALL] = s.now_ms; /* as if nothing had grown back meanwhile */
	d.d[battery].order.w = 3000;
	tick(1000);
	assert_int_equal(n_rows, CHANGES_BURST / 2);
	d.d[battery].code = REASON_FULL;
	tick(1000);
	assert_int_equal(n_rows, CHANGES_BURST / 2 + 1);
	tick(2 * CHANGES_REFILL_MS);
	assert_int_equal(n_rows, CHANGES_BURST / 2 + 1);
	d.d[battery].order.w = 5000;
	tick(CHANGES_REFILL_MS);
	assert_int_equal(n_rows, CHANGES_BURST / 2 + 2);
	assert_near(rows[n_rows - 1].w, 5000);
}

static void a_day_has_a_cap(void **state)
{
	int first_day;

	(void)state;
	fresh();
	for (int i = 0; i < 3; i++)
		desk_battery(&s, 50);
	d.n = s.n_devices;
	for (int t = 1; t < 24 * 60; t++) {
		for (int i = battery; i < d.n; i++)
			d.d[i].code = t % 2 ? REASON_SELF_USE : REASON_FLOOR;
		tick(60000);
	}
	first_day = n_rows;
	assert_int_equal(first_day, CHANGES_DAY_MAX + 3); /* that others begin is no small change */
	assert_true(c.dropped > 0);
	for (int t = 0; t < 60; t++) {
		d.d[battery].code = t % 2 ? REASON_SELF_USE : REASON_FLOOR;
		tick(60000);
	}
	assert_true(n_rows > first_day + 20);
	assert_true(rows[first_day].skipped > 0);
}

static void another_device_begins_anew(void **state)
{
	(void)state;
	fresh();
	snprintf(s.dev[battery].id, sizeof(s.dev[battery].id), "other");
	tick(1000);
	assert_int_equal(n_rows, 1);
	assert_string_equal(rows[0].device, "other");
	assert_true(c.device[battery].since_ms == s.now_ms);
	tick(5000);
	assert_true(c.device[battery].since_ms == s.now_ms - 5000);
}

/* Every start begins with devices that have not answered yet: no news. One that goes is. */
static void what_was_not_found_yet(void **state)
{
	(void)state;
	fresh();
	memset(&c, 0, sizeof(c));
	s.dev[battery].state.availability = AVAIL_UNKNOWN;
	d.d[battery] = (struct decision){ .code = REASON_NO_ORDER };
	tick(1000);
	assert_int_equal(n_rows, 0);
	s.dev[battery].state.availability = AVAIL_OFFLINE;
	tick(1000);
	assert_int_equal(n_rows, 1);
	assert_int_equal(rows[0].code, REASON_NO_ORDER);
}

static void the_mode_of_the_site(void **state)
{
	(void)state;
	fresh();
	d.mode = RANK_EVENT;
	d.code = REASON_EVENT;
	tick(1000);
	assert_int_equal(n_rows, 1);
	assert_true(rows[0].what == CHANGE_MODE && rows[0].rank == RANK_EVENT && rows[0].code == REASON_EVENT && !rows[0].device[0]);
	assert_string_equal(rows[0].why, "the site's mode is event, it was self_use");
	tick(1000);
	assert_int_equal(n_rows, 1);
	for (int i = 0; i < 50; i++) {
		d.mode = i % 2 ? RANK_EVENT : RANK_PLAN;
		tick(1000);
	}
	assert_int_equal(n_rows, 1 + 50); /* each of them */
	for (int i = 0; i < 500; i++) { /* all day long that is too much */
		d.mode = i % 2 ? RANK_EVENT : RANK_PLAN;
		tick(1000);
	}
	assert_int_equal(n_rows, CHANGES_GREAT_BURST + 551 / 20);
	d.mode = RANK_SELF_USE;
	tick(CHANGES_GREAT_REFILL_MS);
	assert_true(rows[n_rows - 1].skipped > 0 && rows[n_rows - 1].lost == rows[n_rows - 1].skipped);
}

static void limits_from_outside(void **state)
{
	static const struct {
		const char *name;
		struct external_limit limit;
		const char *why;
		enum reason code;
	} ROWS[] = {
		{ "none, as ever", { .import_w = NAN, .export_w = NAN }, NULL, REASON_NONE },
		{ "import", { .import_w = 4200, .export_w = NAN, .import_until_utc_ms = DESK_UTC_MS + 8 * 3600000 },
		  "limits from outside: import 4200 W, until 19:00", REASON_OUTSIDE_IMPORT },
		{ "the same", { .import_w = 4200.4, .export_w = NAN }, NULL, REASON_NONE },
		{ "both", { .import_w = 4200, .export_w = 0 }, "limits from outside: import 4200 W, export 0 W", REASON_OUTSIDE_IMPORT },
		{ "export", { .import_w = NAN, .export_w = 0 }, "limits from outside: export 0 W", REASON_OUTSIDE_EXPORT },
		{ "another", { .import_w = NAN, .export_w = 100 }, "limits from outside: export 100 W", REASON_OUTSIDE_EXPORT },
		{ "nobody is heard", { .import_w = 1500, .export_w = NAN, .failsafe = true },
		  "nobody is heard, failsafe limits: import 1500 W", REASON_LIMIT_FAILSAFE },
		{ "the other side is stated", { .import_w = 1500, .export_w = 1000, .failsafe = true, .export_heard = true,
						.export_until_utc_ms = DESK_UTC_MS + 8 * 3600000 },
		  "limits: import 1500 W (failsafe, nobody is heard), export 1000 W, until 19:00", REASON_LIMIT_FAILSAFE },
		{ "nobody is heard of that one either", { .import_w = 1500, .export_w = 1000, .failsafe = true },
		  "nobody is heard, failsafe limits: import 1500 W, export 1000 W", REASON_LIMIT_FAILSAFE },
		{ "import is heard", { .import_w = 1500, .export_w = 1000, .failsafe = true, .import_heard = true },
		  "limits: import 1500 W, export 1000 W (failsafe, nobody is heard)", REASON_LIMIT_FAILSAFE },
		{ "heard again", { .import_w = 1500, .export_w = NAN }, "limits from outside: import 1500 W", REASON_OUTSIDE_IMPORT },
		{ "lifted", { .import_w = NAN, .export_w = NAN }, "limits from outside: none", REASON_OUTSIDE_IMPORT },
	};

	(void)state;
	fresh();
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		n_rows = 0;
		s.external = ROWS[r].limit;
		tick(1000);
		assert_row(ROWS[r].name, n_rows == (ROWS[r].why != NULL));
		if (!ROWS[r].why)
			continue;
		if (strcmp(rows[0].why, ROWS[r].why) != 0)
			fail_msg("row '%s': %s", ROWS[r].name, rows[0].why);
		assert_row(ROWS[r].name, rows[0].what == CHANGE_LIMIT && rows[0].code == ROWS[r].code && rows[0].rank == RANK_LIMIT && !rows[0].device[0]);
	}
}

/* Another one every 100 ms, for ten minutes: then thinned, and the one that stays is told. A doubt has its own allowance. */
static void a_storm_of_limits(void **state)
{
	(void)state;
	fresh();
	for (int i = 0; i < 5900; i++) {
		s.external.import_w = 1000 + 10 * (i % 100);
		tick(100);
	}
	assert_int_equal(n_rows, CHANGES_GREAT_BURST + 29);
	for (int i = 0; i < CHANGES_GREAT_BURST; i++) /* the first of them at their time */
		assert_true(rows[i].at_ms == rows[0].at_ms + 100 * i && rows[i].skipped == 0);
	d.n_doubts = 1;
	d.doubts[0] = (struct doubt){ .device = 0, .kind = DOUBT_METER_FROZEN, .why = "1234 W for 60 s" };
	s.external.import_w = 7777;
	tick(100);
	assert_int_equal(n_rows, CHANGES_GREAT_BURST + 30);
	assert_int_equal(rows[n_rows - 1].what, CHANGE_DOUBT);
	assert_string_equal(rows[n_rows - 1].device, "meter");
	tick(CHANGES_GREAT_REFILL_MS);
	d.n_doubts = 0;
	assert_int_equal(n_rows, CHANGES_GREAT_BURST + 31);
	assert_string_equal(rows[n_rows - 1].why, "limits from outside: import 7777 W");
	assert_true(rows[n_rows - 1].skipped > 50 && rows[n_rows - 1].lost == rows[n_rows - 1].skipped);
}

static void doubts_begin_and_end(void **state)
{
	(void)state;
	fresh();
	d.n_doubts = 2;
	d.doubts[0] = (struct doubt){ .device = battery, .kind = DOUBT_SOC_FROZEN, .why = "SoC 50.0 % for 30 min" };
	d.doubts[1] = (struct doubt){ .device = -1, .kind = DOUBT_SWING, .why = "12 changes of sign a minute" };
	tick(1000);
	assert_int_equal(n_rows, 2);
	assert_true(rows[0].what == CHANGE_DOUBT && rows[0].doubt == DOUBT_SOC_FROZEN && rows[0].code == REASON_DOUBT);
	assert_string_equal(rows[0].device, s.dev[battery].id);
	assert_string_equal(rows[0].why, "SoC 50.0 % for 30 min");
	assert_string_equal(rows[1].device, "");
	/* other numbers are nothing new, and a moment without it is none */
	for (int i = 0; i < 100; i++) {
		d.n_doubts = i % 20 ? 2 : 0;
		snprintf(d.doubts[0].why, sizeof(d.doubts[0].why), "SoC 50.0 %% for %d min", 31 + i);
		tick(1000);
	}
	assert_int_equal(n_rows, 2);
	d.n_doubts = 1;
	tick(CHANGES_DOUBT_AWAY_MS - 1);
	assert_int_equal(n_rows, 2);
	tick(1);
	assert_int_equal(n_rows, 3);
	assert_true(rows[2].what == CHANGE_DOUBT_OVER && rows[2].doubt == DOUBT_SWING);
	assert_string_equal(rows[2].why, "believed again after 100 s: 12 changes of sign a minute");
	assert_int_equal(c.n_doubts, 1);
	/* the same of another device is another; more than fit are not forgotten, they wait */
	d.n_doubts = DOUBTS_MAX;
	for (int i = 0; i < DOUBTS_MAX; i++)
		d.doubts[i] = (struct doubt){ .device = i % 2, .kind = (enum doubt_kind)(i / 2), .why = "x" };
	tick(1000);
	assert_int_equal(c.n_doubts, DOUBTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_change),
		cmocka_unit_test(what_flaps_is_thinned),
		cmocka_unit_test(starts_and_stops_are_never_thinned),
		cmocka_unit_test(patience_is_no_change),
		cmocka_unit_test(power_is_thinned_first),
		cmocka_unit_test(a_day_has_a_cap),
		cmocka_unit_test(another_device_begins_anew),
		cmocka_unit_test(what_was_not_found_yet),
		cmocka_unit_test(the_mode_of_the_site),
		cmocka_unit_test(limits_from_outside),
		cmocka_unit_test(a_storm_of_limits),
		cmocka_unit_test(doubts_begin_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
