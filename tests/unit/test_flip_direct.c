/* The Flip link by HTTPS: polls, rows and telemetry over an HTTP client in memory, on a simulated clock. What outages do is in
 * test_flip_direct_health.c. */
#include "support/direct_server.h"

static void test_cadence(void **state)
{
	int64_t shortest = INT64_MAX, longest = 0;

	(void)state;
	assert_int_equal(fake_http_waiting(), 1); /* at once, before any step */
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/commands");
	assert_string_equal(fake_http_last()->bearer, "fl_client");
	assert_false(stats().link_up);
	pass(2 * H);
	for (int i = 1; i < polls; i++) {
		const int64_t gap = poll_at[i] - poll_at[i - 1];

		shortest = gap < shortest ? gap : shortest;
		longest = gap > longest ? gap : longest;
	}
	assert_in_range(polls, 116, 124);
	assert_in_range(shortest, 54000, 58000); /* spread, or a fleet would poll as one */
	assert_in_range(longest, 62000, 67000);
	assert_int_equal(stats().polls, polls);
	assert_int_equal(stats().requests, polls);
	assert_int_equal(stats().failures, 0);
	assert_true(stats().link_up);
	assert_string_equal(stats().warning, "");
	assert_in_range(now_ms - stats().last_poll_ms, 0, 67000);
}

static void test_command(void **state)
{
	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	list_command("x1", "bat-9", "OK", "PENDING", 0);
	list_command("x2", "", "OK", "PENDING", 0);
	fake_http_answer(0, 200, list);
	assert_int_equal(n_changed, 1);         /* the device does not wait */
	assert_int_equal(fake_http_waiting(), 0); /* the answer does */
	fake_commit(0);
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/command/c1");
	assert_int_equal(fake_http_last()->method, HTTP_PATCH);
	assert_string_equal(fake_http_last()->body, "{\"device_status\":\"OK\"}");
	assert_string_equal(fake_http_last()->bearer, "fl_client");
	assert_int_equal(rows_owed(), 1);
	serve();
	assert_int_equal(rows_owed(), 0);
	assert_int_equal(book.n, 1); /* a fleet's token: what is not ours is nothing to us */
	assert_int_equal(stats().foreign, 2);
	assert_int_equal(stats().accepted, 1);
	pass(10 * MINUTE); /* PENDING at Flip for ever: it is told again with each poll, never twice at once */
	assert_in_range(rows, 9, 13);
	assert_int_equal(stats().foreign, 2);
	assert_int_equal(stats().accepted, 1);
	assert_int_equal(n_changed, 1);
	list_clear();
	list_command("c1", "bat-1", "OK", "OK", 5); /* as Flip notes our answer: nothing new, nothing to say */
	rows = 0;
	pass(5 * MINUTE);
	assert_int_equal(rows, 0);
}

static void test_updated_canceled_vanished(void **state)
{
	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	list_command("c2", "bat-1", "OK", "PENDING", 0);
	serve();
	list_clear(); /* gone from the list: that is no cancelation */
	pass(2 * MINUTE);
	assert_int_equal(book_find(&book, "c1")->c.status, FLIP_OK);
	assert_true(book.n == 2);
	list_command("c2", "bat-1", "CANCELED", "PENDING", 10);
	rows = 0;
	pass(2 * MINUTE);
	assert_int_equal(book_find(&book, "c2")->state, BOOK_CANCELED);
	assert_true(rows >= 1);
	list_clear();
	list_command("c2", "bat-1", "OK", "PENDING", 3); /* older than what we have */
	pass(2 * MINUTE);
	assert_int_equal(book_find(&book, "c2")->state, BOOK_CANCELED);
	utc_ms = UTC + H;
	pass(MINUTE);
	assert_non_null(book_in_force(&book, 0, utc_ms));
}

/* Done, told, and forgotten a day later; but Flip lists it for a week. Its OK stands. */
static void test_forgotten_and_listed_again(void **state)
{
	int published;

	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	serve();
	assert_int_equal(rows_owed(), 0);
	list_clear();
	list_command("c1", "bat-1", "OK", "OK", 5);
	pass(2 * MINUTE);
	for (int h = 1; h <= 3; h++) {
		now_ms += H;
		utc_ms += H;
		pass(2 * MINUTE);
	}
	assert_int_equal(book_find(&book, "c1")->state, BOOK_DONE);
	now_ms += 25 * H;
	utc_ms += 25 * H;
	pass(3000);
	assert_int_equal(book.n, 0);
	rows = 0;
	published = n_commands;
	for (int day = 0; day < 5; day++) {
		now_ms += 24 * H;
		utc_ms += 24 * H;
		pass(2 * MINUTE);
	}
	assert_int_equal(rows, 0);
	assert_int_equal(n_commands, published);
	assert_int_equal(fake_count(STORE_COMMAND), 0);
	assert_int_equal(stats().refused, 0);
}

/* Commands of one answer are judged in the order Flip made them, not in the order of the list. */
static void test_order_of_creation(void **state)
{
	static const char TEXT[] = "[%s,%s]";
	char first[768], second[768], text[2048];

	(void)state;
	list_command("new", "bat-1", "OK", "PENDING", 9);
	snprintf(second, sizeof(second), "%.*s", (int)strlen(list) - 2, list + 1);
	memcpy(strstr(second, "T11:00:00Z"), "T11:00:07Z", 10); /* created */
	list_clear();
	list_command("old", "bat-1", "OK", "PENDING", 9);
	snprintf(first, sizeof(first), "%.*s", (int)strlen(list) - 2, list + 1);
	snprintf(text, sizeof(text), TEXT, second, first);
	fake_http_answer(0, 200, text);
	fake_commit(0);
	assert_string_equal(book.entry[0].c.id, "old");
	assert_string_equal(book.entry[1].c.id, "new");
	assert_non_null(strstr(fake_http[1].url, "/old")); /* and answered in that order */
	assert_non_null(strstr(fake_http[2].url, "/new"));
}

/* Two words about the same command are never under way together: the later might arrive first. */
static void test_one_word_at_a_time(void **state)
{
	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	fake_http_answer(0, 200, list);
	fake_commit(0);
	assert_int_equal(fake_http_waiting(), 1); /* OK, hanging */
	list_clear();
	list_command("c1", "bat-1", "CANCELED", "PENDING", 10);
	now_ms += 67000;
	utc_ms += 67000;
	flip_link_step(l);
	fake_http_answer(fake_http_find(HTTP_GET, "commands"), 200, list);
	fake_commit(0);
	for (int i = 0; i < 5; i++) {
		now_ms += 1000;
		flip_link_step(l);
		assert_int_equal(fake_http_waiting(), 1);
	}
	assert_int_equal(rows_owed(), 2);
	fake_http_answer(fake_http_next(), 200, "{\"id\":\"c1\"}");
	assert_int_equal(fake_http_waiting(), 1); /* now the next */
	serve();
	assert_int_equal(rows_owed(), 0);
}

static void test_few_at_once(void **state)
{
	(void)state;
	serve();
	for (int i = 0; i < 30; i++) {
		char id[16];

		snprintf(id, sizeof(id), "c%02d", i);
		list_command(id, "bat-1", "OK", "PENDING", i);
	}
	pass(70000); /* the next poll, and some seconds */
	assert_int_equal(book.n, 30);
	assert_in_range(busiest, 1, 4);
	assert_in_range(rows, 9, 26); /* ten at once, then one a second */
	pass(30000);
	assert_int_equal(rows_owed(), 0);
	assert_in_range(busiest, 2, 4);
}

struct patch_row { const char *name; int status; const char *body; int owed, quarantined; };

static void test_row_answers(void **state)
{
	static const struct patch_row ROWS[] = {
		{ "the command", 200, NULL, 0, 0 },
		{ "the command, wrapped", 200, "{\"data\":{\"id\":\"c1\",\"device_status\":\"OK\"}}", 0, 0 },
		{ "no content", 204, "", 0, 0 },
		{ "nothing", 200, "", 0, 0 },
		{ "another command", 200, "{\"id\":\"c2\"}", 1, 0 },
		{ "an empty object", 200, "{}", 1, 0 },
		{ "an error inside", 200, "{\"detail\":\"try again\"}", 1, 0 },
		{ "HTML", 200, "<html>welcome to this hotel</html>", 1, 0 },
		{ "cut", 200, "{\"id\":\"c1\"", 1, 0 },
		{ "garbage", 202, "\xff\xfe", 1, 0 },
		{ "moved", 302, "", 1, 0 },
		{ "forbidden", 403, "{}", 1, 0 },
		{ "too slow", 408, "", 1, 0 },
		{ "too early", 425, "", 1, 0 },
		{ "bad", 400, "{\"detail\":\"bad\"}", 0, 1 },
		{ "unknown", 404, "<html>", 0, 1 },
		{ "conflict", 409, "", 0, 1 },
		{ "invalid", 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"no\"}]}", 0, 1 },
	};
	struct outbox_stats s;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const int before = said("/v1/command/c1");

		stop();
		setup_server(NULL);
		list_command("c1", "bat-1", "OK", "PENDING", 0);
		row_reply = (struct fake_http_reply){ .status = ROWS[i].status, .body = ROWS[i].body };
		serve();
		list_clear();
		pass(20000);
		outbox_stats(box, utc_ms, &s);
		if (s.rows != ROWS[i].owed || s.quarantined != ROWS[i].quarantined || !s.link_up)
			fail_msg("%s: %d owed, %d quarantined, link %d", ROWS[i].name, s.rows, s.quarantined, s.link_up);
		if (said("/v1/command/c1") - before != (ROWS[i].owed || ROWS[i].quarantined)) /* once, however often it was tried */
			fail_msg("%s: said %d times", ROWS[i].name, said("/v1/command/c1") - before);
		row_reply = (struct fake_http_reply){ .status = 200 };
		pass(10 * MINUTE); /* what asked for another try went in the end */
		outbox_stats(box, utc_ms, &s);
		assert_int_equal(s.rows, 0);
	}
}

static void test_pages(void **state)
{
	static char page[3][64 * 1024];

	(void)state;
	for (int p = 0; p < 3; p++) { /* 100, 100, 30 */
		list_clear();
		for (int i = 0; i < (p < 2 ? 100 : 30); i++) {
			char id[24];

			snprintf(id, sizeof(id), "%c-%03d", "abc"[p], i);
			list_command(id, i == 7 ? "bat-1" : "bat-9", "OK", "OK", 0);
		}
		memcpy(page[p], list, sizeof(list));
	}
	fake_http_answer(0, 200, page[0]);
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/commands?skip=100&limit=100");
	fake_http_answer(1, 200, page[1]);
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/commands?skip=200&limit=100");
	assert_int_equal(stats().polls, 0);
	fake_http_answer(2, 200, page[2]);
	assert_int_equal(fake_http_waiting(), 0);
	assert_int_equal(stats().polls, 1);
	assert_int_equal(stats().foreign, 227);
	assert_int_equal(book.n, 3);

	list_clear(); /* a server that knows no paging and gives everything, always */
	poll_reply.body = page[0];
	polls = 0;
	pass(67000);
	assert_int_equal(polls, 2);
	assert_int_equal(stats().polls, 2);
	assert_int_equal(stats().foreign, 99);

	pass(1000); /* the second page is lost: the first one counts, the poll does not */
	poll_reply = (struct fake_http_reply){ .status = 200 };
	while (!fake_http_waiting()) {
		now_ms += 1000;
		flip_link_step(l);
	}
	fake_http_answer(fake_http_next(), 200, page[1]);
	fake_http_fail(fake_http_next(), -ETIMEDOUT);
	assert_int_equal(stats().polls, 2);
	assert_false(stats().link_up);
	pass(5000);
	assert_non_null(strstr(fake_http_last()->url, "/v1/commands"));
	assert_null(strstr(fake_http_last()->url, "skip")); /* from the beginning */
	assert_true(stats().link_up);
	assert_int_equal(stats().foreign, 0);

	pass(1000); /* and a long list is then read from its second page on, not from where the lost one stood */
	while (!fake_http_waiting()) {
		now_ms += 1000;
		flip_link_step(l);
	}
	fake_http_answer(fake_http_next(), 200, page[0]);
	fake_http_answer(fake_http_next(), 200, page[1]);
	fake_http_fail(fake_http_next(), -ETIMEDOUT);
	poll_reply = (struct fake_http_reply){ .status = 503 };
	pass(5000);
	while (!fake_http_waiting()) {
		now_ms += 1000;
		flip_link_step(l);
	}
	fake_http_answer(fake_http_next(), 200, page[2]);
	assert_int_equal(stats().foreign, 29); /* of this list alone */
	while (!fake_http_waiting()) {
		now_ms += 1000;
		flip_link_step(l);
	}
	fake_http_answer(fake_http_next(), 200, page[0]);
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/commands?skip=100&limit=100");
}

/* A server that always has another full page. */
static void test_endless_pages(void **state)
{
	int pages = 0;

	(void)state;
	for (int k = 0; k < 30; k++) {
		list_clear();
		for (int i = 0; i < 100; i++) {
			char id[24];

			snprintf(id, sizeof(id), "p%d-%d", k, i);
			list_command(id, "bat-9", "OK", "OK", 0);
		}
		for (int i = 0; i < 3 && !fake_http_waiting(); i++) { /* pages are requests: one a second in the long run */
			now_ms += 1000;
			flip_link_step(l);
		}
		if (!fake_http_waiting())
			break;
		fake_http_answer(fake_http_next(), 200, list);
		pages++;
	}
	assert_int_equal(pages, 20);
	assert_int_equal(stats().polls, 1);
	assert_int_equal(stats().foreign, 2000);
}

static void test_unreadable_rows(void **state)
{
	const int before = said("soon");

	(void)state;
	poll_reply.body = "[{\"id\":\"c1\",\"device_id\":\"bat-1\",\"created_at\":\"soon\"},{\"id\":\"c2\",\"device_id\":\"bat-9\"}]";
	pass(5 * MINUTE);
	assert_true(stats().link_up); /* one bad command does not silence the rest */
	assert_int_equal(stats().refused, 1);
	assert_int_equal(n_audit, 1);
	assert_int_equal(said("soon") - before, 1);
	assert_int_equal(stats().foreign, 1);
}

static void test_full_book(void **state)
{
	(void)state;
	serve();
	book.n = BOOK_COMMANDS_MAX;
	for (int i = 0; i < book.n; i++) {
		memset(&book.entry[i], 0, sizeof(book.entry[i]));
		snprintf(book.entry[i].c.id, FLIP_ID_MAX, "old-%d", i);
		book.entry[i].c.starts_utc_ms = UTC + 9 * H;
		book.entry[i].c.ends_utc_ms = UTC + 10 * H;
		book.entry[i].device = -1;
		book.entry[i].ack = FLIP_DEVICE_OK;
	}
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	row_reply = (struct fake_http_reply){ .status = 408 };
	pass(5 * MINUTE);
	assert_int_equal(rows_owed(), 1); /* listed five times, answered once */
	assert_int_equal(stats().refused, 1);
}

static void test_untrusted_clock(void **state)
{
	(void)state;
	trusted = false;
	utc_ms = 1000; /* 1970 */
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	poll_reply.date_utc_ms = UTC;
	serve();
	assert_int_equal(fake_count(STORE_COMMAND), 1);
	assert_int_equal(rows, 1); /* answered all the same */
	assert_true(refuted > 0);
	assert_int_equal(proven, 0);
	assert_null(book_in_force(&book, 0, utc_ms));
	utc_ms = UTC;
	pass(2 * MINUTE);
	assert_true(proven > 0);
	poll_reply.date_utc_ms = UTC - H; /* it has just answered: our clock runs ahead */
	proven = refuted = 0;
	pass(2 * MINUTE);
	assert_int_equal(proven, 0);
	assert_true(refuted > 0);
}

static void test_telemetry(void **state)
{
	(void)state;
	assert_int_equal(tel_batch_max, TELEMETRY_BATCH_MAX);
	tel_wants = true;
	pass(2000);
	assert_int_equal(batches, 1);
	assert_int_equal(tel_status, 200);
	assert_int_equal(tel_saved, 2);
	tel_wants = true;
	flip_link_step(l);
	{
		const struct fake_http_request *q = fake_http_last();
		AUTO_JSON *o = cJSON_Parse(q->body);

		assert_string_equal(q->url, "https://flip.test/v1/telemetry/BATTERY");
		assert_int_equal(q->method, HTTP_POST);
		assert_true(q->built); /* on the worker */
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "telemetry")), 2);
		assert_null(cJSON_GetObjectItem(o, "message_id"));
	}
	tel_under_way = false; /* asked again for what is under way: still only once */
	flip_link_step(l);
	assert_int_equal(fake_http_waiting(), 1);
	fake_http_answer(fake_http_next(), 200, "{\"telemetry\":[{\"index\":0,\"status\":\"FAILED\",\"message\":\"no\"},\"OK\"]}");
	assert_int_equal(tel_saved, 1);
	assert_int_equal(stats().failures, 0);
}

static void test_telemetry_answers(void **state)
{
	static const struct { const char *name; struct fake_http_reply r; bool up; int status, saved; } ROWS[] = {
		{ "nothing", { .status = 200, .body = "" }, true, 200, -1 },
		{ "HTML", { .status = 200, .body = "<html>" }, true, 200, -1 },
		{ "an error inside", { .status = 200, .body = "{\"detail\":\"x\"}" }, true, 200, -1 },
		{ "half", { .status = 200, .body = "[\"OK\"]" }, true, 200, 1 },
		{ "a bad point", { .status = 422 }, true, 422, -1 },
		{ "too large", { .status = 413 }, true, 413, -1 },
		{ "no such address: the server's trouble", { .status = 404 }, false, 404, -1 },
		{ "forbidden", { .status = 403 }, false, 403, -1 },
		{ "refused", { .status = 401 }, false, 401, -1 },
		{ "patience", { .status = 429 }, false, 429, -1 },
		{ "trouble", { .status = 503 }, false, 503, -1 },
		{ "cut", { .error = -ECONNRESET }, false, 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		stop();
		setup_server(NULL);
		serve();
		tel_wants = true;
		flip_link_step(l);
		fake_http_reply(fake_http_next(), &ROWS[i].r);
		if (stats().link_up != ROWS[i].up || tel_up != ROWS[i].up || tel_status != ROWS[i].status || tel_saved != ROWS[i].saved ||
		    tel_answers != 1)
			fail_msg("%s: link %d, status %d, %d saved", ROWS[i].name, stats().link_up, tel_status, tel_saved);
		assert_int_equal(stats().failures, ROWS[i].r.status != 422 && ROWS[i].r.status != 413 && ROWS[i].saved != 1);
		pass(5 * MINUTE);
		assert_true(stats().link_up); /* the polls work, so it opens again */
		assert_false(tel_wants);
		assert_string_equal(stats().warning, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		S_(test_cadence), S_(test_command), S_(test_updated_canceled_vanished), S_(test_forgotten_and_listed_again), S_(test_order_of_creation),
		S_(test_one_word_at_a_time), S_(test_few_at_once), S_(test_row_answers), S_(test_pages), S_(test_endless_pages),
		S_(test_unreadable_rows), S_(test_full_book), S_(test_untrusted_clock), S_(test_telemetry), S_(test_telemetry_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
