/* When the Flip link may say that something is stored, what it asks the cloud for again, and that it promises once. */
#include "support/queue_mail.h"

static bool on_disk(enum store_table table, const char *text)
{
	for (int i = 0; i < FAKE_ROWS; i++)
		if (fake_rows[i].used && fake_rows[i].table == table && strstr(fake_rows[i].body, text))
			return true;
	return false;
}

/* So much changed at once that the owner's wish does not fit into the first transaction. */
static void test_wish_behind_much_else(void **state)
{
	bool no = false;

	(void)state;
	for (int fails = -1; fails < 3; fails++) { /* which transaction is lost; -1 = none */
		const bool in = fails >= 0;
		int n = 0;

		stop();
		fake_clear();
		utc_ms = UTC;
		start();
		post("m1", command_body("c1", "OK", 0), UTC, false);
		fake_commit(0);
		book.n_events = 40;
		for (int i = 0; i < 40; i++) {
			book.event[i] = (struct book_event){ .owner_reserve_pct = NAN, .changed = true };
			book.event[i].e.participating = true;
			snprintf(book.event[i].e.id, FLIP_ID_MAX, "other-%d", i);
		}
		done_status = 99;
		assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "ev-1", &no, NAN }, on_done, NULL, NULL), 0);
		assert_int_equal(fake_n_queue, 3);
		while (fake_n_queue > 0) {
			assert_int_equal(done_status, 99);
			fake_commit_some(1, n++ == fails ? -EIO : 0);
			if (done_status == 0 && !(on_disk(STORE_EVENT, "\"opted_out\":true") && on_disk(STORE_OUTBOX, "is_participating") &&
						  on_disk(STORE_COMMAND, "\"opted_out\"")))
				fail_msg("said to be stored before it was, %d", fails);
		}
		assert_int_equal(done_status, in ? -EIO : 0);
	}
	done_status = 99;
	fake_submit_error = -EAGAIN;
	assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "ev-1", &no, 20 }, on_done, NULL, NULL), 0);
	fake_submit_error = 0;
	assert_int_equal(done_status, -EAGAIN);
	now_ms += 120000;
}

/* The cloud asks while the answer is under way: one promise, one row. Once it has been taken, asking again is answered. */
static void test_asked_again(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		char webhook_id[16];

		snprintf(webhook_id, sizeof(webhook_id), "m%d", i);
		post(webhook_id, command_body("c1", "OK", 0), UTC, false);
		if (i > 0)
			fake_commit(0);
		assert_int_equal(fake_count(STORE_OUTBOX), i > 0);
	}
	post("m5", command_body("c1", "CANCELED", 5), UTC, false); /* another version, another answer, even with the same words */
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 2);
	post("m6", command_body("c2", "OK", 0), UTC, false);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 3);
	answer(out("command_status"), 200);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 2);
	post("m7", command_body("c2", "OK", 0), UTC, false);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 3);
}

static void test_resync_names_what_is_stored(void **state)
{
	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(0);
	post("m2", command_body("c2", "OK", 0), UTC + 60000, false); /* read, never stored */
	fake_commit(-EIO);
	n_out = 0;
	broker.cb.connected(broker.cb.context, true); /* the link was lost */
	assert_string_equal(out("resync"), "{\"boot_id\":\"boot-1\",\"since\":\"2026-01-15T12:00:00.000Z\"}");
	fake_submit_error = -EAGAIN; /* kill -9 */
	flip_link_stop(l);
	fake_submit_error = 0;
	outbox_close(box);
	start();
	assert_string_equal(out("resync"), "{\"boot_id\":\"boot-1\",\"since\":\"2026-01-15T12:00:00.000Z\"}");
	assert_null(book_find(&book, "c2"));
	broker_refuses = true; /* the very moment it cannot be handed over: at the next step, not in 15 minutes */
	n_out = 0;
	broker.cb.connected(broker.cb.context, true);
	broker_refuses = false;
	assert_null(out("resync"));
	flip_link_step(l);
	assert_non_null(out("resync"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_wish_behind_much_else), T_(test_asked_again), T_(test_resync_names_what_is_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
