/* The Flip link by HTTPS when many things wait: rows Flip never takes, answers and telemetry side by side, polls in between; and
 * what a running command has delivered meanwhile. */
#include "support/direct_server.h"

/* How often a path was asked for, among the requests that are remembered. */
static int tried(const char *path)
{
	int n = 0;

	for (int i = 0; i < fake_http_n; i++)
		n += strstr(fake_http[i].url, path) != NULL;
	return n;
}

static void owe(int i)
{
	char id[OUTBOX_ID_MAX], name[32];
	AUTO_JSON *body = NULL;
	struct store_op op;

	snprintf(name, sizeof(name), "c%02d", i);
	body = flip_ack_encode(name, FLIP_DEVICE_OK, "");
	assert_int_equal(outbox_add(box, OUTBOX_COMMAND_STATUS, body, utc_ms, &op, id), 0);
	store_submit(NULL, &op, 1, NULL, NULL, NULL);
	fake_commit(0);
	outbox_committed(box, id, 0, now_ms);
}

/* One command Flip never takes: the polls keep their beat, everything else flows, and the pace stays civil. */
static void test_poisoned_row(void **state)
{
	int before = said("nothing is lost"), n;

	(void)state;
	list_command("bad", "bat-1", "OK", "PENDING", 0);
	sick_path = "/v1/command/bad";
	pass(10 * MINUTE);
	list_clear();
	polls = rows = batches = 0;
	for (int i = 0; i < 12; i++) {
		tel_wants = true;
		pass(5 * MINUTE);
		assert_false(tel_wants);
	}
	n = polls + rows + batches;
	assert_in_range(polls, 50, 75);
	assert_in_range(n, 80, 220);
	assert_int_equal(said("nothing is lost") - before, 1);
	assert_non_null(strstr(stats().warning, "Flip is in trouble (an answer): 500"));
	list_command("good", "bat-1", "OK", "PENDING", 5);
	pass(67000);
	list_clear(); /* else it is asked again and again */
	pass(2 * MINUTE);
	assert_int_equal(rows_owed(), 1);
	sick_path = NULL;
	pass(7 * MINUTE); /* it waits its own time, which polls that work do not shorten */
	assert_int_equal(rows_owed(), 0);
	assert_string_equal(stats().warning, "");
}

/* Five that Flip never takes and three behind them: places and time of the link are not for the five alone. */
static void test_poisoned_rows(void **state)
{
	int openings = 0;

	(void)state;
	serve();
	for (int i = 0; i < 8; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%s%d", i < 5 ? "bad" : "good", i);
		list_command(id, "bat-1", "OK", "PENDING", i);
	}
	sick_path = "/v1/command/bad";
	while (rows == 0)
		pass(1000);
	list_clear();
	for (bool up = stats().link_up; openings < 2 || stats().link_up; up = stats().link_up) {
		pass(1000);
		openings += !up && stats().link_up;
		if (rows_owed() == 5)
			break;
	}
	assert_int_equal(rows_owed(), 5);
	assert_in_range(openings, 0, 2);
	rows = 0;
	pass(H);
	assert_in_range(rows, 12, 130); /* each of the five at most every 2.5 minutes */
	for (int i = 0; i < 5; i++) { /* and none of them is forgotten over the others */
		char path[32];

		snprintf(path, sizeof(path), "/v1/command/bad%d", i);
		assert_true(tried(path) > 1);
	}
	sick_path = NULL;
	pass(10 * MINUTE);
	assert_int_equal(rows_owed(), 0);
}

/* Eighty answers are owed, telemetry wants to go each second. */
static void test_rows_before_telemetry(void **state)
{
	int at_start;

	(void)state;
	serve();
	row_reply.status = 408;
	outbox_link(box, false, now_ms);
	for (int i = 0; i < 80; i++)
		owe(i);
	assert_int_equal(rows_owed(), 80);
	row_reply.status = 200;
	outbox_link(box, true, now_ms);
	serve();
	at_start = rows;
	assert_in_range(at_start, 8, 10); /* the burst */
	rows = batches = polls = 0;
	for (int s = 0; s < 40; s++) {
		tel_wants = true;
		now_ms += 400;
		backlog_step(FAKE_BACKLOG, now_ms); /* as after a commit: before the beat of the link */
		serve();
		pass(1000);
	}
	assert_in_range(batches, 4, 6);
	if (rows < 56 - batches - polls - 1)
		fail_msg("%d rows, %d batches, %d polls", rows, batches, polls);
	tel_wants = true;
	pass(40000);
	assert_int_equal(rows_owed(), 0);
	batches = 0;
	for (int s = 0; s < 10; s++) {
		tel_wants = true;
		pass(1000);
	}
	if (batches < 9)
		fail_msg("%d batches", batches); /* nothing is owed: nothing to wait for */
}

/* The row that was in trouble is gone by another way: nothing is left that could prove the health, so time does. */
static void test_healed_by_time(void **state)
{
	char id[OUTBOX_ID_MAX];
	AUTO_JSON *waiting = NULL;

	(void)state;
	serve();
	row_reply.status = 500;
	owe(1);
	serve();
	waiting = outbox_list(box, 1);
	assert_int_equal(json_get_text(cJSON_GetArrayItem(waiting, 0), "message_id", id, sizeof(id), NULL), 1);
	assert_int_equal(outbox_ack(box, id, 200, "", now_ms), 0);
	pass(9 * MINUTE);
	assert_true(stats().link_up);
	assert_true(stats().warning[0]);
	pass(3 * MINUTE);
	assert_string_equal(stats().warning, "");
}

/* What a running command has delivered is on disk within a minute, without anybody's word. */
static void test_progress_is_kept(void **state)
{
	const struct fake_row *r;

	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	serve();
	list_clear();
	now_ms += H;
	utc_ms += H;
	pass(2000);
	assert_int_equal(book_find(&book, "c1")->state, BOOK_ACTIVE);
	book_find(&book, "c1")->delivered_wh = 123;
	pass(62000);
	r = fake_find(STORE_COMMAND, "c1");
	assert_non_null(r);
	assert_non_null(strstr(r->body, "\"delivered_wh\":123"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		S_(test_poisoned_row), S_(test_poisoned_rows), S_(test_rows_before_telemetry),
		S_(test_healed_by_time), S_(test_progress_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
