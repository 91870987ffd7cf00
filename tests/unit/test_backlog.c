/* The backlog against a Flip and a disk that fail in every way: nothing is lost, nothing is sent in a storm, newest first. */
#include "support/backlog_kit.h"

#include "io/log.h"

/* ---- on the way to the disk ---- */

static void test_not_before_it_is_stored(void **state)
{
	(void)state;
	kit_add(2, 0);
	assert_int_equal(n_sends, 0);
	fake_commit_some(1, 0); /* the append */
	fake_commit_some(1, 0); /* reading it back */
	assert_int_equal(n_sends, 1); /* at once, not with the next step */
	assert_int_equal(sends[0].n, 2);
	assert_int_equal(last[1].charge_wh * 10, 85);
	assert_int_equal(kit_save(), 0);
	assert_int_equal(kit_stats().rows, 2); /* until the disk knows */
	kit_disk();
	assert_int_equal(kit_stats().rows, 0);
	assert_int_equal(kit_stats().bytes, 0);
	assert_int_equal(kit_stats().sent_total, 2);
	assert_int_equal(fake_count(STORE_TELEMETRY), 0);
	assert_int_equal(kit_save(), -ENOENT); /* a second answer */
}

static void test_disk_refuses_for_long(void **state)
{
	int tries = 0;

	(void)state;
	for (int k = 0; k < 200; k++) { /* every five minutes for most of a day */
		kit_add(1, k);
		for (int s = 0; s < 300; s++) {
			now += 1000;
			backlog_step(log_, now);
			tries += fake_n_queue;
			fake_commit(-ENOSPC);
		}
	}
	assert_int_equal(kit_stats().dropped_total, 200 - 128); /* four intervals of 32 devices */
	assert_in_range(tries, 1000, 2100);                     /* every half to whole minute */
	for (int s = 0; s < 70; s++)
		kit_step();
	assert_int_equal(fake_count(STORE_TELEMETRY), 128);
	kit_drain(400);
	for (int k = 72; k < 200; k++)
		assert_int_equal(has[0][k], 1);
}

/* What the store has not taken yet waits too, and the owner hears that the disk refuses. */
static void test_queue_is_counted(void **state)
{
	(void)state;
	kit_fill(1, 5, 1);
	kit_add(2, 1);
	assert_int_equal(kit_stats().rows, 3);
	assert_false(kit_stats().store_failing); /* not answered yet */
	fake_commit(-ENOSPC);
	assert_true(kit_stats().store_failing);
	assert_int_equal(kit_stats().rows, 3);
	assert_int_equal(fake_count(STORE_TELEMETRY), 1);
	assert_int_equal(kit_stats().oldest_utc_ms, UTC + STEP_S * 1000);
	assert_int_equal(backlog_retry(log_, now), 3);
	kit_disk();
	assert_false(kit_stats().store_failing);
	assert_int_equal(kit_stats().rows, 3);
	assert_int_equal(fake_count(STORE_TELEMETRY), 3);
	fake_submit_error = -EAGAIN;
	kit_add(1, 6);
	assert_true(kit_stats().store_failing);
	assert_int_equal(kit_stats().rows, 4);
	fake_submit_error = 0;
}

static void test_store_full_of_work(void **state)
{
	(void)state;
	fake_submit_error = -EAGAIN;
	kit_add(2, 0);
	fake_submit_error = 0;
	fake_read_error = -EAGAIN;
	kit_step();
	assert_int_equal(fake_count(STORE_TELEMETRY), 2);
	for (int i = 0; i < 120; i++)
		kit_step();
	fake_read_error = 0;
	fake_read_status = -EIO;
	for (int i = 0; i < 120; i++)
		kit_step();
	fake_read_status = 0;
	assert_int_equal(n_sends, 0);
	kit_drain(70);
	kit_check(2, 1);
}

/* ---- what goes first ---- */

static void test_newest_first_then_oldest(void **state)
{
	static const int64_t FIRST[] = { 2000, 0, 500, 1000, 1500 };

	(void)state;
	kit_fill(2, 0, 2001);
	backlog_link(log_, true, now);
	kit_drain(10);
	assert_int_equal(n_sends, 5);
	assert_int_equal(sends[0].n, 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal((sends[i].first_utc_ms - UTC) / 1000 / STEP_S, FIRST[i]);
	assert_int_equal(kit_stats().sent_total, 4002);
	kit_check(2, 2001);
}

static void test_live_interval_between_batches(void **state)
{
	(void)state;
	kit_fill(2, 0, 2000);
	kit_restart(0, 0); /* nothing is fresh after it */
	kit_step();
	assert_int_equal(sends[0].n, 1000);
	kit_add(2, 2000); /* while the first batch is under way */
	kit_disk();
	assert_int_equal(n_sends, 1);
	kit_save();
	kit_disk();
	assert_int_equal(n_sends, 2);
	assert_int_equal(sends[1].first_utc_ms, UTC + 2000LL * STEP_S * 1000);
	assert_int_equal(sends[1].n, 2);
	kit_save();
	kit_disk();
	assert_int_equal(sends[2].first_utc_ms, UTC + 500LL * STEP_S * 1000);
	kit_drain(10);
	kit_check(2, 2001);
	assert_int_equal(kit_stats().sent_total, 4002);
}

/* The newest rows are those of a later interval when they are read: its own go first, alone. */
static void test_later_append_behind_the_newest(void **state)
{
	(void)state;
	kit_fill(2, 0, 600);
	kit_add(2, 600);
	kit_add(1, 601);
	fake_commit_some(1, 0);           /* 600 is stored, 601 on its way */
	backlog_link(log_, true, now);    /* reads two rows */
	kit_disk();
	assert_int_equal(n_sends, 1);
	assert_int_equal(sends[0].n, 1);
	assert_int_equal(sends[0].first_utc_ms, UTC + 601LL * STEP_S * 1000);
	kit_drain(10);
	kit_check(2, 601);
	assert_int_equal(has[0][601], 1);
	assert_int_equal(kit_stats().sent_total, 1203);
}

/* ---- who we are, after a restart ---- */

static void test_same_rows_same_id(void **state)
{
	char id[BACKLOG_ID_MAX];

	(void)state;
	kit_fill(2, 0, 700);
	kit_restart(0, 0);
	kit_step();
	memcpy(id, sends[0].id, sizeof(id));
	assert_int_equal(strncmp(id, "tel-", 4), 0);
	assert_string_equal(strchr(id + 4, '-'), "-1-1000-1000");
	kit_restart(0, 0); /* in mid-drain: nothing was answered */
	backlog_step(log_, now);
	assert_non_null(fake_first->summary); /* the id is not written again */
	kit_step();
	assert_string_equal(sends[0].id, id);
	kit_answer(200, 400, NULL); /* saved, and the power is cut before the disk knows */
	kit_restart(0, 0);
	kit_step();
	assert_string_equal(sends[0].id, id);
	assert_int_equal(kit_stats().rows, 1400);
	kit_answer(200, 400, NULL);
	kit_disk();
	kit_restart(0, 0);
	kit_step();
	assert_string_equal(strchr(sends[0].id + 4, '-'), "-401-1400-1000"); /* other rows, another id */
	kit_drain(20);
	kit_check(2, 700);
	assert_int_equal(fake_count(STORE_SETTING), 1);
}

static void test_another_disk_another_id(void **state)
{
	char id[BACKLOG_ID_MAX];

	kit_add(1, 0);
	kit_disk();
	memcpy(id, sends[0].id, sizeof(id));
	kit_teardown(state);
	kit_setup(state);
	kit_add(1, 0);
	kit_disk();
	assert_string_not_equal(sends[0].id, id);
}

static void test_nothing_is_sent_before_the_count(void **state)
{
	(void)state;
	kit_fill(2, 0, 10);
	fake_commit(0);
	backlog_close(log_);
	kit_open(0, 0);
	backlog_link(log_, true, now); /* others load from the store still: it is left alone */
	assert_int_equal(fake_n_queue, 0);
	fake_read_error = -EIO;
	kit_step();
	fake_read_error = 0;
	kit_add(2, 10); /* before we know what there is */
	kit_step();
	kit_step();
	kit_step();
	assert_int_equal(kit_stats().rows, 22); /* not counted twice */
	kit_drain(20);
	kit_check(2, 11);
	assert_int_equal(kit_stats().sent_total, 22);
}

/* ---- answers ---- */

static bool all(const struct telemetry_point *p)
{
	return p != NULL;
}

static bool device_b(const struct telemetry_point *p)
{
	return p->device_id[0] == 'b';
}

static const struct {
	const char *name;
	int status, told;            /* of the 20 points; told 0 = no answer inside */
	bool (*failed)(const struct telemetry_point *);
	int64_t rows, sent, refused;
	bool waits;                  /* at least 2.5 s */
} ANSWERS[] = {
	{ "saved", 200, 20, NULL, 0, 20, 0, false },
	{ "204, nothing inside: nothing is known", 204, 0, NULL, 20, 0, 0, true },
	{ "200, the tail is not spoken of", 200, 13, NULL, 7, 13, 0, true },
	{ "all FAILED", 200, 20, all, 0, 0, 20, false },
	{ "every second FAILED", 200, 20, device_b, 0, 10, 10, false },
	{ "every second FAILED, and a tail", 200, 11, device_b, 9, 6, 5, true },
	{ "no answer", 0, 0, NULL, 20, 0, 0, true },
	{ "401", 401, 0, NULL, 20, 0, 0, true },
	{ "403", 403, 0, NULL, 20, 0, 0, true },
	{ "404", 404, 0, NULL, 20, 0, 0, true },
	{ "429", 429, 0, NULL, 20, 0, 0, true },
	{ "500", 500, 0, NULL, 20, 0, 0, true },
	{ "302", 302, 0, NULL, 20, 0, 0, true },
};

static void test_answers(void **state)
{
	for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); i++) {
		struct backlog_stats s;

		kit_teardown(state);
		kit_setup(state);
		kit_fill(2, 0, 10);
		backlog_link(log_, true, now);
		kit_step();
		assert_int_equal(sends[0].n, 20);
		assert_int_equal(kit_answer(ANSWERS[i].status, ANSWERS[i].told, ANSWERS[i].failed), 0);
		kit_disk();
		s = kit_stats();
		if (s.rows != ANSWERS[i].rows || s.sent_total != ANSWERS[i].sent || s.refused != ANSWERS[i].refused)
			fail_msg("%s: %d rows, %d sent, %d refused", ANSWERS[i].name, (int)s.rows, (int)s.sent_total, (int)s.refused);
		assert_int_equal(fake_count(STORE_TELEMETRY), s.rows);
		assert_int_equal(fake_count(STORE_REFUSED), s.refused);
		assert_string_equal(s.refused_reason, s.refused ? "no such device" : "");
		kit_step();
		kit_step();
		if (n_sends != 1)
			fail_msg("%s: sent again at once", ANSWERS[i].name);
		for (int k = 0; k < 4; k++)
			kit_step();
		if (n_sends != 1 + ANSWERS[i].waits)
			fail_msg("%s: %d sends after 6 s", ANSWERS[i].name, n_sends);
	}
}

static void test_lost_and_late_answers(void **state)
{
	char first[BACKLOG_ID_MAX];

	(void)state;
	kit_add(2, 0);
	kit_disk();
	memcpy(first, sends[0].id, sizeof(first));
	for (int i = 0; i < 89; i++)
		kit_step();
	assert_int_equal(n_sends, 1);
	for (int i = 0; i < 7; i++)
		kit_step();
	assert_int_equal(n_sends, 2); /* no answer within 90 s */
	assert_string_equal(sends[1].id, first);
	assert_int_equal(kit_stats().failed_total, 1);
	assert_int_equal(backlog_answer(log_, "tel-00000000-1-2-2", 200, NULL, NULL, now), -ENOENT);
	kit_save(); /* to the first one or the second, who knows */
	kit_disk();
	assert_int_equal(kit_stats().rows, 0);
	assert_int_equal(backlog_answer(log_, first, 200, NULL, NULL, now), -ENOENT);

	kit_add(2, 1);
	kit_disk();
	for (int i = 0; i < 91; i++)
		kit_step();
	assert_int_equal(n_sends, 3);
	kit_save(); /* late, and before it goes again */
	for (int i = 0; i < 20; i++)
		kit_step();
	assert_int_equal(n_sends, 3);
	assert_int_equal(kit_stats().rows, 0);
	assert_int_equal(has[0][1], 1);
}

static void test_power_cut_between_answer_and_delete(void **state)
{
	(void)state;
	kit_add(2, 0);
	kit_disk();
	kit_save();
	kit_restart(0, 0);
	assert_int_equal(fake_count(STORE_TELEMETRY), 2);
	kit_drain(5);
	assert_int_equal(has[0][0], 2); /* at least once */
	assert_int_equal(fake_count(STORE_TELEMETRY), 0);
}

static void test_delete_fails(void **state)
{
	int tries = 0;

	(void)state;
	kit_add(2, 0);
	kit_disk();
	kit_answer(200, 2, device_b);
	for (int i = 0; i < 600; i++) {
		tries += fake_n_queue;
		fake_commit(-ENOSPC);
		now += 1000;
		backlog_step(log_, now);
	}
	assert_in_range(tries, 10, 40);
	assert_int_equal(n_sends, 1); /* Flip has them: only the disk does not know yet */
	assert_int_equal(fake_count(STORE_REFUSED), 0);
	kit_disk();
	for (int i = 0; i < 70; i++)
		kit_step();
	assert_int_equal(fake_count(STORE_TELEMETRY), 0);
	assert_int_equal(fake_count(STORE_REFUSED), 1);
	assert_int_equal(kit_stats().rows, 0);
}

/* ---- no storm ---- */

static void test_500_for_an_hour(void **state)
{
	(void)state;
	kit_fill(2, 0, 600);
	backlog_link(log_, true, now);
	for (int s = 0; s < 3600; s++) {
		if (s % STEP_S == 0)
			kit_add(2, 600 + s / STEP_S);
		kit_step();
		if (open_batch)
			kit_answer(s % 2 ? 500 : 503, 0, NULL);
	}
	assert_in_range(n_sends, 12, 30);
	for (int i = 2; i < n_sends; i++)
		assert_in_range(sends[i].at_ms - sends[i - 1].at_ms, 2500, 302000);
	kit_drain(310);
	assert_int_equal(kit_stats().rows, 0);
	kit_check(2, 612);
}

static void test_flapping_link(void **state)
{
	(void)state;
	kit_fill(2, 0, 100);
	for (int s = 0; s < 3600; s++) {
		backlog_link(log_, s % 2, now);
		kit_step(); /* no answer ever comes */
	}
	assert_in_range(n_sends, 12, 200);
	backlog_link(log_, false, now);
	for (int s = 0; s < 120; s++)
		kit_step();
	n_sends = 0;
	backlog_link(log_, true, now); /* up for good: at once */
	kit_disk();
	assert_int_equal(n_sends, 1);
	kit_drain(3);
	kit_check(2, 100);
}

static void test_sender_is_busy(void **state)
{
	(void)state;
	send_error = -EAGAIN;
	kit_add(2, 0);
	for (int i = 0; i < 1000; i++)
		kit_step();
	assert_int_equal(kit_stats().failed_total, 0);
	send_error = 0;
	kit_step();
	assert_int_equal(n_sends, 1);
	backlog_sender(log_, NULL, NULL, 0); /* mode off */
	for (int i = 0; i < 200; i++)
		kit_step();
	assert_int_equal(n_sends, 1);
	backlog_sender(log_, kit_send, NULL, 1);
	kit_drain(3);
	assert_int_equal(n_sends, 3); /* one a message now */
	kit_check(2, 1);
}

/* ---- a whole batch is called wrong ---- */

static const int *wrong_ones;
static int wrong_status, wrong_above;

static bool wrong_batch(void)
{
	const int n = sends[n_sends - 1].n;

	if (n > wrong_above)
		return true;
	for (int i = 0; i < n; i++)
		for (const int *w = wrong_ones; *w >= 0; w++)
			if (last[i].device_id[0] == 'a' && last[i].start_utc_ms == UTC + (int64_t)*w * STEP_S * 1000)
				return true;
	return false;
}

static int kit_drain_wrong(int steps)
{
	for (; steps > 0 && kit_stats().rows > 0; steps--) {
		kit_step();
		while (open_batch) {
			assert_int_equal(wrong_batch() ? kit_answer(wrong_status, 0, NULL) : kit_save(), 0);
			kit_disk();
		}
	}
	return steps;
}

static void test_bad_points_are_found(void **state)
{
	static const int NONE[] = { -1 }, ONE[] = { 321, -1 }, FIRST[] = { 0, -1 }, LAST[] = { 499, -1 }, TWO[] = { 7, 8, -1 };
	static const struct { const int *bad; int n_bad, status, above, sends_max; } CASES[] = {
		{ ONE, 1, 422, 1000, 22 }, { FIRST, 1, 400, 1000, 22 }, { LAST, 1, 422, 1000, 22 }, { TWO, 2, 422, 1000, 40 },
		{ ONE, 1, 413, 1000, 30 }, { NONE, 0, 413, 300, 8 },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		kit_teardown(state);
		kit_setup(state);
		wrong_ones = CASES[i].bad;
		wrong_status = CASES[i].status;
		wrong_above = CASES[i].above;
		kit_fill(2, 0, 500); /* 1000 points */
		backlog_link(log_, true, now);
		assert_true(kit_drain_wrong(120) > 0);
		assert_int_equal(kit_stats().refused, CASES[i].n_bad);
		assert_int_equal(kit_stats().sent_total, 1000 - CASES[i].n_bad);
		if (CASES[i].n_bad)
			assert_string_equal(kit_stats().refused_reason, CASES[i].status == 400 ? "400: because" :
								       CASES[i].status == 413 ? "413: because" : "422: because");
		if (n_sends > CASES[i].sends_max)
			fail_msg("case %d: %d sends", (int)i, n_sends);
	}
}

/* Flip calls everything wrong: each point costs one send, and the sends get rarer. Nothing is lost when it changes its mind. */
static void test_all_are_wrong(void **state)
{
	int last_hour, refused;

	(void)state;
	kit_fill(2, 0, 500);
	backlog_link(log_, true, now);
	for (int s = 0; s < 7200; s++) {
		if (s == 3600)
			n_sends = 0;
		kit_step();
		if (open_batch)
			kit_answer(422, 0, NULL);
	}
	last_hour = n_sends;
	refused = (int)kit_stats().refused;
	assert_in_range(last_hour, 60, 130);
	assert_in_range(refused, last_hour, 300);
	assert_int_equal(backlog_retry(log_, now), 1000);
	kit_drain(100);
	kit_check(2, 500);
	assert_int_equal(fake_count(STORE_REFUSED), 0);
}

/* Two bad ones in a row make the rest go one by one; good ones make the batches grow again, up to what they were. */
static void test_batches_grow_again(void **state)
{
	static const int BAD[] = { 0, 1, -1 }, N[] = { 8, 4, 2, 1, 8, 4, 2, 1, 1, 2, 4, 8, 8, 8, 7 };

	(void)state;
	wrong_ones = BAD;
	wrong_status = 422;
	wrong_above = 8;
	kit_fill(1, 0, 40);
	kit_restart(0, 8); /* nothing is fresh after it */
	kit_step();
	assert_true(kit_drain_wrong(300) > 0);
	assert_int_equal(n_sends, (int)(sizeof(N) / sizeof(N[0])));
	for (int i = 0; i < n_sends; i++)
		assert_int_equal(sends[i].n, N[i]);
	assert_int_equal(kit_stats().refused, 2);
}

/* ---- what the log says of refusals ---- */

static int said(const char *reason)
{
	static struct log_line line[LOG_KEEP];
	int n = 0, lines = log_recent(line, LOG_KEEP);

	for (int i = 0; i < lines; i++)
		n += strstr(line[i].text, "kept for outbox.retry") && strstr(line[i].text, reason);
	return n;
}

/* One interval of a and b; b is refused for @reason, or saved when it is NULL. */
static void refuse(int k, const char *reason)
{
	struct telemetry_answer a = { .n = 2, .told = { 3 }, .failed = { reason ? 2 : 0 } };

	snprintf(a.reason, sizeof(a.reason), "%s", reason ? reason : "");
	kit_add(2, k);
	kit_disk();
	for (int i = 0; i < 10 && !open_batch; i++)
		kit_step();
	open_batch = false;
	assert_int_equal(backlog_answer(log_, sends[n_sends - 1].id, 200, &a, NULL, now), 0);
	kit_disk();
	now += STEP_S * 1000LL;
}

static void test_refusals_in_the_log(void **state)
{
	static const char X[] = "not of this site", Y[] = "not of this century";
	int k = 0;

	(void)state;
	for (; k < 300; k++) /* a day of it */
		refuse(k, X);
	assert_int_equal(said(X), 1);
	refuse(k++, Y);
	assert_int_equal(said(Y), 1);
	refuse(k++, X);
	assert_int_equal(said(X), 2);
	refuse(k++, NULL);
	refuse(k++, X); /* within the hour: on and off in turns is no news each time */
	assert_int_equal(said(X), 2);
	for (int i = 0; i < 12; i++)
		refuse(k++, NULL);
	refuse(k++, X);
	assert_int_equal(said(X), 3);
	assert_int_equal(kit_stats().refused, 304);
}

#define T_(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_not_before_it_is_stored), T_(test_disk_refuses_for_long), T_(test_store_full_of_work),
		T_(test_newest_first_then_oldest), T_(test_live_interval_between_batches), T_(test_same_rows_same_id),
		T_(test_another_disk_another_id), T_(test_nothing_is_sent_before_the_count), T_(test_answers),
		T_(test_lost_and_late_answers), T_(test_power_cut_between_answer_and_delete), T_(test_delete_fails),
		T_(test_500_for_an_hour), T_(test_flapping_link), T_(test_sender_is_busy), T_(test_bad_points_are_found),
		T_(test_all_are_wrong), T_(test_queue_is_counted), T_(test_later_append_behind_the_newest),
		T_(test_batches_grow_again), T_(test_refusals_in_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
