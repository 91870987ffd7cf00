/* The book when the clock is stepped or the machine slept: nothing is remembered for as long as a clock was wrong, silence
 * nobody could have heard is no failure, and energy is counted for the time somebody looked. */
#include "support/book_kit.h"

#include "support/cm.h"

static void test_times_of_a_clock_that_ran_ahead(void **state)
{
	const int64_t YEAR = 365 * 24 * H;
	const bool out = false;
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	offer(&c, T);
	get("c1")->ack_due = false;
	assert_string_equal(running(T + H), "c1");
	assert_string_equal(running(T + YEAR), ""); /* a year ahead: over */
	assert_state("c1", BOOK_DONE);
	assert_int_equal(get("c1")->finished_utc_ms, T + YEAR);
	c = command("c2", T + 5 * H, T + 6 * H);
	snprintf(c.event_id, sizeof(c.event_id), "ev-2");
	offer(&c, T);
	book_participate(&book, "ev-2", &out, NAN, T, NULL);
	book.event[0].tell_participating = false;
	book_step(&book, dev, 3, T + YEAR);
	assert_int_equal(book.event[0].told_utc_ms, T + YEAR);
	get("c1")->changed = book.event[0].changed = false;

	assert_string_equal(running(T + H + 10 * MIN), ""); /* back in its window: it has run */
	assert_int_equal(get("c1")->finished_utc_ms, T + H + 10 * MIN);
	assert_int_equal(book.event[0].told_utc_ms, T + H + 10 * MIN);
	assert_true(get("c1")->changed && book.event[0].changed);
	get("c1")->changed = book.event[0].changed = false;
	assert_string_equal(running(T + H + 11 * MIN), "");
	assert_false(get("c1")->changed || book.event[0].changed);
	get("c1")->ack_due = get("c2")->ack_due = get("c2")->changed = false;
	book_forget(&book, T + 30 * H, 24 * H, NULL, NULL);
	assert_null(book_find(&book, "c1")); /* a day later, not a year */
}

/* Flip's clock may be a little ahead of ours: its newest word is the least a time of ours may be. */
static void test_not_before_flips_word(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	offer(&c, T);
	c.updated_utc_ms = T + 5 * MIN;
	c.status = FLIP_CANCELED;
	offer(&c, T);
	assert_int_equal(get("c1")->finished_utc_ms, T + 5 * MIN);
	book_step(&book, dev, 3, T + MIN);
	assert_int_equal(get("c1")->finished_utc_ms, T + 5 * MIN);
}

static void test_an_answer_is_due_after_a_step_back(void **state)
{
	struct flip_command c = command("c1", T + 3 * H, T + 4 * H);

	(void)state;
	dev[0].reachable = false;
	c.updated_utc_ms = T - 2 * H;
	offer(&c, T);
	book_step(&book, dev, 3, T - H); /* an hour back: OFFLINE is said in ten minutes, not in seventy */
	assert_int_equal(get("c1")->ack_by_utc_ms, T - H + 10 * MIN);
	book_step(&book, dev, 3, T - H + 10 * MIN - 1);
	assert_false(get("c1")->ack_due);
	book_step(&book, dev, 3, T - H + 10 * MIN);
	assert_ack("c1", FLIP_FAILED_OFFLINE, "device does not answer");
}

static void test_silence_while_asleep(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H);

	(void)state;
	dev[0].reachable = false;
	offer(&c, T);
	dev[0].not_asked = true;
	book_step(&book, dev, 3, T + 30 * MIN); /* half an hour of sleep later */
	assert_false(get("c1")->ack_due);
	assert_state("c1", BOOK_SCHEDULED);
	dev[0].reachable = true;
	dev[0].not_asked = false;
	book_step(&book, dev, 3, T + 30 * MIN);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + H), "c1");
	dev[0].reachable = false;
	dev[0].not_asked = true;
	assert_string_equal(running(T + 2 * H), "c1");
	assert_false(get("c1")->ack_due);
	dev[0].not_asked = false;
	assert_string_equal(running(T + 2 * H), "c1");
	assert_ack("c1", FLIP_FAILED_OFFLINE, "device does not answer");
}

static void test_delivered(void **state)
{
	static const struct {
		const char *name;
		double w;
		int64_t at_ms, ms;
		double wh;
	} ROWS[] = { /* the window begins at T + 1 h and lasts two */
		{ "a second", -3600, H + MIN, 1000, 1 },
		{ "in the other direction", 3600, H + MIN, 1000, 0 },
		{ "nobody looked for longer", -3600, H + MIN, BOOK_GAP_MS + 1, 0 },
		{ "as long as counts", -3600, H + MIN, BOOK_GAP_MS, 15 },
		{ "no time", -3600, H + MIN, 0, 0 },
		{ "a step back", -3600, H + MIN, -1000, 0 },
		{ "before the window", -3600, H - 1, 1000, 0 },
		{ "from its start only", -3600, H + 500, 1000, 0.5 },
		{ "its last moment", -3600, 3 * H - 1, 1000, 1 },
		{ "after it", -3600, 3 * H, 1000, 0 },
	};
	struct flip_command c = command("c1", T + H, T + 3 * H);

	(void)state;
	offer(&c, T);
	assert_string_equal(running(T + H), "c1");
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		get("c1")->delivered_wh = 0;
		book_deliver(&book, 0, ROWS[i].w, T + ROWS[i].at_ms, ROWS[i].ms);
		assert_row(ROWS[i].name, fabs(get("c1")->delivered_wh - ROWS[i].wh) < 1e-9);
	}
	get("c1")->delivered_wh = 0;
	book_deliver(&book, 1, -3600, T + H + MIN, 1000);
	book_deliver(&book, -1, -3600, T + H + MIN, 1000);
	book_suspend(&book, 0, true);
	book_deliver(&book, 0, -3600, T + H + MIN, 1000);
	assert_true(get("c1")->delivered_wh == 0);
	c = command("c2", T + 4 * H, T + 5 * H);
	c.mode = MODE_CHARGE;
	offer(&c, T);
	assert_string_equal(running(T + 4 * H), "c2");
	book_deliver(&book, 0, 3600, T + 4 * H + MIN, 1000);
	book_deliver(&book, 0, -3600, T + 4 * H + MIN, 1000);
	assert_true(fabs(get("c2")->delivered_wh - 1) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_times_of_a_clock_that_ran_ahead), T_(test_not_before_flips_word), T_(test_an_answer_is_due_after_a_step_back),
		T_(test_silence_while_asleep), T_(test_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
