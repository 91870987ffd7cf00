/* The diary on a store in memory: batches, what a read sees, restarts, a store that fails, a clock that comes late, 7 days. */
#include "flow/history/diary.h"
#include "io/log.h"
#include "support/cm.h"
#include "support/desk.h"
#include "support/fake_store.h"

#define MINUTE_MS 60000LL
#define HOUR_MS 3600000LL
#define DAY_MS 86400000LL

static struct snapshot s;
static struct decisions d;
static struct diary *y;
static int battery, n_answers, answer_status;
static bool answer_truncated;
static cJSON *answer;

static void on_rows(void *context, cJSON *rows, bool truncated, int status)
{
	assert_ptr_equal(context, &answer);
	cJSON_Delete(answer);
	answer = rows;
	answer_truncated = truncated;
	answer_status = status;
	n_answers++;
}

static struct diary *diary_new(void)
{
	struct diary *out = NULL;

	assert_int_equal(diary_start(&out, NULL, NULL), 0);
	return out;
}

static void tick(int64_t ms)
{
	desk_wait(&s, ms);
	diary_observe(y, &s, &d);
}

static int setup(void **state)
{
	(void)state;
	fake_commit(-ECANCELED);
	fake_clear();
	memset(&d, 0, sizeof(d));
	desk_init(&s);
	battery = desk_battery(&s, 50);
	d.n = s.n_devices;
	d.mode = RANK_SELF_USE;
	d.d[battery].rank = RANK_SELF_USE;
	d.d[battery].code = REASON_SELF_USE;
	d.d[battery].order = order_balance(0, -5000, 5000);
	snprintf(d.d[battery].why, sizeof(d.d[0].why), "balancing");
	n_answers = 0;
	y = diary_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	diary_stop(y);
	fake_commit(0);
	fake_clear();
	cJSON_Delete(answer);
	answer = NULL;
	return 0;
}

/* A change, told apart by its number. */
static void change(int number)
{
	d.d[battery].code = number % 2 ? REASON_FLOOR : REASON_SELF_USE;
	snprintf(d.d[battery].why, sizeof(d.d[0].why), "%d", number);
}

static const struct store_row *stored(int i)
{
	return &fake_logs[STORE_DIARY - STORE_LOGS_FROM].row[i];
}

/* Numbers of the rows of the last answer, newest first: "3 2 1". */
static const char *numbers(void)
{
	static char text[2048];
	const cJSON *row;
	size_t n = 0;

	text[0] = '\0';
	cJSON_ArrayForEach(row, answer)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", cJSON_GetStringValue(cJSON_GetObjectItem(row, "reason")));
	return text;
}

static void read_all(struct diary_query q)
{
	int before = n_answers;

	q.limit = q.limit ? q.limit : DIARY_LIMIT_MAX;
	q.text_max = q.text_max ? q.text_max : 60000;
	assert_int_equal(diary_read(y, &q, on_rows, &answer), 0);
	fake_commit(0);
	assert_int_equal(n_answers, before + 1);
}

static void a_row_as_stored_and_as_answered(void **state)
{
	AUTO_TEXT *text = NULL;

	(void)state;
	d.d[battery].order = order_power(-1799.7);
	d.d[battery].limited_by = 1u << RANK_LIMIT | 1u << RANK_RESERVE;
	d.d[battery].rank = RANK_EVENT;
	d.d[battery].code = REASON_FLOOR_NEAR;
	snprintf(d.d[battery].why, sizeof(d.d[0].why), "discharging 1800 W: \"7d2a\"");
	tick(1000);
	d.n_doubts = 1;
	d.doubts[0] = (struct doubt){ .device = 0, .kind = DOUBT_METER_FROZEN, .why = "1234 W for 60 s" };
	tick(1000);
	assert_int_equal(fake_n_queue, 0);
	read_all((struct diary_query){ 0 });
	assert_int_equal(fake_count(STORE_DIARY), 2);
	assert_string_equal(stored(0)->kind, s.dev[battery].id);
	assert_string_equal(stored(0)->body, "{\"rank\":\"event\",\"code\":\"floor_near\",\"order\":\"power\",\"w\":-1800,\"limited_by\":[\"limit\","
					     "\"reserve\"],\"reason\":\"discharging 1800 W: \\\"7d2a\\\"\"}");
	text = cJSON_PrintUnformatted(answer);
	assert_string_equal(text,
			    "[{\"at\":\"2026-01-01T11:00:02.000Z\",\"device\":\"\",\"rank\":\"guard\",\"code\":\"doubt\",\"limited_by\":[],"
			    "\"doubt\":\"meter_frozen\",\"over\":false,\"reason\":\"1234 W for 60 s\"},"
			    "{\"at\":\"2026-01-01T11:00:01.000Z\",\"device\":\"battery1\",\"rank\":\"event\",\"code\":\"floor_near\",\"order\":\"power\","
			    "\"w\":-1800,\"limited_by\":[\"limit\",\"reserve\"],\"reason\":\"discharging 1800 W: \\\"7d2a\\\"\"}]");
}

static void rows_wait_for_a_batch(void **state)
{
	(void)state;
	for (int i = 1; i <= 8; i++) {
		change(i);
		tick(1000);
	}
	tick(5 * MINUTE_MS - 8000);
	assert_int_equal(fake_n_queue, 0);
	tick(1000);
	assert_int_equal(fake_n_queue, 1);
	change(9); /* while a transaction is under way the next rows wait */
	tick(1000);
	tick(6 * MINUTE_MS);
	assert_int_equal(fake_n_queue, 1);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_DIARY), 8);
	tick(6 * MINUTE_MS);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_DIARY), 9);
	assert_true(stored(7)->at_ms == DESK_UTC_MS + 8000);
	/* a busy site does not wait */
	for (int i = 0; i < 30; i++) {
		desk_battery(&s, 50);
		d.n = s.n_devices;
	}
	tick(1000);
	tick(1000);
	assert_int_equal(fake_n_queue, 1);
}

static void a_read_sees_all_newest_first(void **state)
{
	static const struct {
		const char *name;
		int64_t since_s, until_s;
		const char *device;
		int limit;
		size_t text_max;
		const char *numbers;
		bool truncated;
	} ROWS[] = {
		{ "all", 0, 0, "", 0, 0, "6 5 4 3 2 1", false },
		{ "exactly as many", 0, 0, "", 6, 0, "6 5 4 3 2 1", false },
		{ "one more than asked for", 0, 0, "", 5, 0, "6 5 4 3 2", true },
		{ "only what waits", 0, 0, "", 2, 0, "6 5", true },
		{ "less than what waits", 0, 0, "", 1, 0, "6", true },
		{ "since", 240, 0, "", 0, 0, "6 5 4", false },
		{ "since, of what waits", 421, 0, "", 0, 0, "6", false },
		{ "until", 0, 420, "", 0, 0, "4 3 2 1", false },
		{ "between", 120, 300, "", 0, 0, "4 3 2", false },
		{ "of the battery", 0, 0, "battery1", 0, 0, "6 5 4 3 2 1", false },
		{ "of another", 0, 0, "charger", 0, 0, "", false },
		{ "as much as fits", 0, 0, "", 0, 600, "6 5", true },
		{ "nothing fits", 0, 0, "", 0, 10, "", true },
	};

	(void)state;
	for (int i = 1; i <= 6; i++) {
		change(i);
		tick(60000);
		if (i != 4)
			continue;
		tick(60000); /* four on disk, two in memory */
		fake_submit_error = 0;
		tick(60000 - 1);
		fake_commit(0);
		tick(1);
	}
	fake_submit_error = -EAGAIN; /* what waits cannot be stored now: it is answered all the same */
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct diary_query q = { .limit = ROWS[r].limit, .text_max = ROWS[r].text_max };

		if (ROWS[r].since_s)
			q.since_utc_ms = DESK_UTC_MS + ROWS[r].since_s * 1000;
		if (ROWS[r].until_s)
			q.until_utc_ms = DESK_UTC_MS + ROWS[r].until_s * 1000;
		snprintf(q.device, sizeof(q.device), "%s", ROWS[r].device);
		read_all(q);
		if (strcmp(numbers(), ROWS[r].numbers) != 0)
			fail_msg("row '%s': %s", ROWS[r].name, numbers());
		assert_row(ROWS[r].name, answer_truncated == ROWS[r].truncated && answer_status == 0);
	}
	fake_submit_error = 0;
}

/* In order across a restart; one row on disk is not what we wrote. */
static void a_restart_and_a_damaged_row(void **state)
{
	const struct store_op bad = { .verb = STORE_PUT, .table = STORE_DIARY, .kind = "battery1", .at_ms = DESK_UTC_MS, .body = "{\"rank\":" };

	(void)state;
	for (int i = 1; i <= 3; i++) {
		change(i);
		tick(1000);
	}
	diary_stop(y);
	assert_int_equal(store_submit(NULL, &bad, 1, NULL, NULL, NULL), 0);
	fake_commit(0);
	y = diary_new();
	change(4);
	tick(1000);
	read_all((struct diary_query){ 0 });
	assert_string_equal(numbers(), "4 3 2 1");
}

static void a_store_that_fails(void **state)
{
	struct diary_stats stats;
	struct diary_query q = { .limit = 10, .text_max = 60000 };

	(void)state;
	change(1);
	tick(1000);
	tick(5 * MINUTE_MS);
	fake_commit(-ENOSPC);
	diary_stats(y, &stats);
	assert_true(stats.failing && stats.rows == 0);
	change(2);
	tick(1000);
	tick(5 * MINUTE_MS);
	fake_commit(0);
	diary_stats(y, &stats);
	assert_true(!stats.failing && stats.rows == 2 && stats.transactions == 1 && stats.dropped == 0);
	/* it takes nothing for a day: the newest are kept, the others counted */
	fake_submit_error = -EAGAIN;
	for (int i = 3; i < 103; i++) {
		change(i);
		tick(2 * MINUTE_MS);
	}
	fake_submit_error = 0;
	diary_stats(y, &stats);
	assert_int_equal(stats.dropped, 36);
	tick(5 * MINUTE_MS);
	fake_commit(0);
	read_all((struct diary_query){ 0 });
	assert_int_equal(cJSON_GetArraySize(answer), 66);
	assert_true(!strncmp(numbers(), "102 101 100 ", 12));
	/* what is on disk cannot be read; what is in memory can */
	fake_submit_error = -EAGAIN;
	change(201);
	tick(1000);
	fake_read_status = -EIO;
	read_all((struct diary_query){ 0 });
	assert_int_equal(answer_status, -EIO);
	assert_string_equal(numbers(), "201");
	fake_read_status = 0;
	fake_read_error = -EAGAIN;
	assert_int_equal(diary_read(y, &q, on_rows, &answer), -EAGAIN);
	fake_read_error = fake_submit_error = 0;
}

/* Nobody takes rows for hours: small changes go first, and the next row says so; starts and stops stay as long as there is room. */
static void what_goes_first(void **state)
{
	const cJSON *row;
	int stops = 0, skipped = 0, lost = 0;

	(void)state;
	s.clock_trusted = false;
	for (int i = 0; i < 100; i++) {
		change(i);
		d.d[battery].order = order_power(i % 5 == 0 ? 0 : 1000);
		tick(3 * MINUTE_MS);
	}
	read_all((struct diary_query){ 0 });
	assert_int_equal(cJSON_GetArraySize(answer), 64);
	cJSON_ArrayForEach(row, answer) {
		stops += cJSON_GetObjectItem(row, "w")->valueint == 0;
		skipped += cJSON_GetObjectItem(row, "skipped") ? cJSON_GetObjectItem(row, "skipped")->valueint : 0;
		lost += cJSON_GetObjectItem(row, "lost") ? cJSON_GetObjectItem(row, "lost")->valueint : 0;
	}
	assert_int_equal(stops, 20);
	assert_int_equal(skipped, 36);
	assert_int_equal(lost, 0);
	for (int i = 0; i < 100; i++) { /* nothing but those: the oldest go, and that is said as well */
		d.d[battery].order = order_power(i % 2 ? 0 : 1000);
		tick(MINUTE_MS);
	}
	read_all((struct diary_query){ 0 });
	row = cJSON_GetArrayItem(answer, 63);
	assert_true(cJSON_GetArraySize(answer) == 64 && cJSON_GetObjectItem(row, "lost") && cJSON_GetObjectItem(row, "skipped"));
	assert_true(cJSON_GetObjectItem(row, "lost")->valueint < cJSON_GetObjectItem(row, "skipped")->valueint);
}

/* The disk is full: each reading sees every row, and does not try the disk. */
static void a_read_while_it_fails(void **state)
{
	(void)state;
	change(1);
	tick(1000);
	tick(5 * MINUTE_MS);
	change(2);
	tick(1000);
	assert_int_equal(diary_read(y, &(struct diary_query){ .limit = 10, .text_max = 60000 }, on_rows, &answer), 0); /* while 1 is under way */
	fake_commit(-ENOSPC);
	assert_string_equal(numbers(), "2 1");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(diary_read(y, &(struct diary_query){ .limit = 10, .text_max = 60000 }, on_rows, &answer), 0);
		assert_int_equal(fake_n_queue, 1); /* the reading alone */
		fake_commit(-ENOSPC);
		assert_string_equal(numbers(), "2 1");
	}
	tick(5 * MINUTE_MS);
	change(3);
	tick(1000);
	assert_int_equal(diary_read(y, &(struct diary_query){ .limit = 10, .text_max = 60000, .device = "other" }, on_rows, &answer), 0);
	fake_commit(-ENOSPC);
	assert_string_equal(numbers(), "");
	tick(5 * MINUTE_MS);
	assert_int_equal(diary_read(y, &(struct diary_query){ .limit = 2, .text_max = 60000 }, on_rows, &answer), 0);
	fake_commit(-ENOSPC);
	assert_string_equal(numbers(), "3 2");
	assert_true(answer_truncated);
	tick(5 * MINUTE_MS);
	assert_int_equal(diary_read(y, &(struct diary_query){ .limit = 10, .text_max = 60000 }, on_rows, &answer), 0);
	fake_commit(0); /* taken: each once */
	assert_string_equal(numbers(), "3 2 1");
}

/* Two weeks behind until the clock is set: the rows of before get their right times. */
static void a_clock_that_comes_late(void **state)
{
	(void)state;
	s.clock_trusted = false;
	s.utc_ms -= 14 * DAY_MS;
	change(1);
	tick(1000);
	assert_true(diary_since_utc_ms(y, battery) == 0 && diary_age_ms(y, battery) == 0);
	tick(10 * MINUTE_MS);
	assert_true(diary_since_utc_ms(y, battery) == 0 && diary_age_ms(y, battery) == 10 * MINUTE_MS);
	assert_int_equal(fake_n_queue, 0);
	read_all((struct diary_query){ 0 });
	assert_string_equal(numbers(), "1"); /* told, though not kept yet */
	s.utc_ms += 14 * DAY_MS;
	s.clock_trusted = true;
	tick(1000);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_DIARY), 1);
	assert_true(stored(0)->at_ms == DESK_UTC_MS + 1000);
	assert_true(diary_since_utc_ms(y, battery) == DESK_UTC_MS + 1000);
}

/* Rows a clock wrote that ran a year ahead stand before the real ones, until it has been right for an hour. */
static void rows_of_a_clock_that_ran_ahead(void **state)
{
	(void)state;
	s.utc_ms += 365 * DAY_MS;
	change(1);
	tick(1000);
	tick(6 * MINUTE_MS);
	fake_commit(0);
	s.utc_ms -= 365 * DAY_MS;
	change(2);
	tick(1000);
	for (int t = 0; t < 11; t++) {
		tick(5 * MINUTE_MS);
		fake_commit(0);
	}
	assert_int_equal(fake_count(STORE_DIARY), 2);
	for (int t = 0; t < 2; t++) {
		tick(5 * MINUTE_MS);
		fake_commit(0);
	}
	assert_int_equal(fake_count(STORE_DIARY), 1);
	read_all((struct diary_query){ 0 });
	assert_string_equal(numbers(), "2");
}

/* A change an hour for 20 days; then the clock is wrong every other hour. */
static void rows_stay_for_seven_days(void **state)
{
	int rows;

	(void)state;
	for (int t = 0; t < 20 * 24 * 12; t++) {
		if (t % 12 == 0)
			change(t / 12);
		tick(5 * MINUTE_MS);
		fake_commit(0);
		if (t < 24 * 12)
			continue;
		assert_true(stored(0)->at_ms >= s.utc_ms - DIARY_DAYS * DAY_MS - 7 * HOUR_MS);
		if (t > 8 * 24 * 12) /* and nothing goes early */
			assert_true(stored(0)->at_ms <= s.utc_ms - DIARY_DAYS * DAY_MS + 2 * HOUR_MS);
	}
	rows = fake_count(STORE_DIARY);
	assert_true(rows >= 24 * DIARY_DAYS);
	for (int round = 0; round < 16; round++) { /* wrong by a month for 55 minutes at a time, or not trusted: nothing is lost for it */
		const int64_t wrong_ms = round % 4 < 2 ? 30 * DAY_MS : round % 4 == 2 ? 2 * DAY_MS : 0;

		s.utc_ms += wrong_ms;
		s.clock_trusted = round % 4 != 3;
		for (int t = 0; t < 11; t++) {
			tick(5 * MINUTE_MS);
			fake_commit(0);
		}
		s.utc_ms -= wrong_ms;
		s.clock_trusted = true;
		for (int t = 0; t < 11; t++) {
			tick(5 * MINUTE_MS);
			fake_commit(0);
		}
	}
	assert_int_equal(fake_count(STORE_DIARY), rows);
	for (int t = 0; t < 7 * 12; t++) { /* an hour of a steady clock, and the day that passed goes */
		tick(5 * MINUTE_MS);
		fake_commit(0);
	}
	assert_true(fake_count(STORE_DIARY) < rows);
}

static int said(const char *text)
{
	static struct log_line lines[LOG_KEEP];
	int n = 0, all = log_recent(lines, LOG_KEEP);

	for (int i = 0; i < all; i++)
		n += !strcmp(lines[i].part, "doubt") && strstr(lines[i].text, text);
	return n;
}

static void doubts_are_said_once(void **state)
{
	char text[DOUBTS_MAX][DIARY_DOUBT_TEXT];

	(void)state;
	d.n_doubts = 2;
	d.doubts[0] = (struct doubt){ .device = battery, .kind = DOUBT_DEVICE_IGNORES, .why = "told 2000 W, does 0 W" };
	d.doubts[1] = (struct doubt){ .device = -1, .kind = DOUBT_SWING, .why = "12 changes of sign a minute" };
	for (int i = 0; i < 100; i++)
		tick(1000);
	assert_int_equal(said("battery1: told 2000 W, does 0 W (device_ignores)"), 1);
	assert_int_equal(said("12 changes of sign a minute (swing)"), 1);
	assert_int_equal(diary_doubts(y, text), 2);
	assert_string_equal(text[0], "battery1: told 2000 W, does 0 W (device_ignores)");
	assert_string_equal(text[1], "12 changes of sign a minute (swing)");
	d.n_doubts = 0;
	for (int i = 0; i < 100; i++)
		tick(1000);
	assert_int_equal(said("battery1: believed again after 99 s: told 2000 W, does 0 W (device_ignores)"), 1);
	assert_int_equal(diary_doubts(y, text), 0);
	assert_int_equal(diary_doubts(NULL, text), 0);
}

/* The end comes while a transaction and a read are under way. */
static void an_end_in_between(void **state)
{
	struct diary_query q = { .limit = 10, .text_max = 60000 };

	(void)state;
	change(1);
	tick(1000);
	assert_int_equal(diary_read(y, &q, on_rows, &answer), 0);
	change(2);
	tick(1000);
	diary_stop(y);
	fake_commit(0);
	assert_int_equal(n_answers, 1);
	assert_string_equal(numbers(), "1");
	assert_int_equal(fake_count(STORE_DIARY), 2);
	y = NULL;
	diary_stop(y);
	diary_observe(y, &s, &d);
	assert_true(diary_since_utc_ms(y, 0) == 0 && diary_age_ms(y, 0) == -1);
}

/* Another mode of the site may have the rank of limits, and is none. */
static void a_mode_is_called_one(void **state)
{
	struct change_row row = { .what = CHANGE_MODE, .rank = RANK_LIMIT, .w = NAN, .why = "the site's mode is limit, it was plan" };
	char body[DIARY_BODY_MAX];

	(void)state;
	diary_body(&row, body, sizeof(body));
	assert_non_null(strstr(body, "\"mode\":\"limit\""));
	row.what = CHANGE_LIMIT;
	diary_body(&row, body, sizeof(body));
	assert_null(strstr(body, "\"mode\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_row_as_stored_and_as_answered, setup, teardown), cmocka_unit_test(a_mode_is_called_one),
		cmocka_unit_test_setup_teardown(rows_wait_for_a_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(a_read_sees_all_newest_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_and_a_damaged_row, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_read_while_it_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(what_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_of_a_clock_that_ran_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_comes_late, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_stay_for_seven_days, setup, teardown),
		cmocka_unit_test_setup_teardown(doubts_are_said_once, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_in_between, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
