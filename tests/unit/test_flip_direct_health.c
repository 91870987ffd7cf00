/* The Flip link by HTTPS when Flip is not well: outages, refused tokens, patience, garbage, one request that never works, a link
 * stopped with requests under way. Nothing is lost, and nobody is stormed. */
#include "support/direct_server.h"

/* An hour in which the server answers everything like this, while an answer and a batch wait. How many requests it saw. */
static int hour_of(const struct fake_http_reply *bad)
{
	int before;

	list_command("c1", "bat-1", "OK", "PENDING", 0);
	poll_reply.body = list;
	serve_one(fake_http_next());
	fake_commit(0);
	poll_reply = row_reply = token_reply = batch_reply = *bad;
	tel_wants = true;
	before = polls + rows + tokens + batches;
	pass(H);
	return polls + rows + tokens + batches - before;
}

static void test_outages(void **state)
{
	static const struct { const char *name; struct fake_http_reply r; const char *says; int least, most; } ROWS[] = {
		{ "token refused", { .status = 401, .body = "{\"detail\":\"revoked\"}" }, "Flip refuses the token: 401: revoked", 12, 40 },
		{ "forbidden", { .status = 403 }, "Flip refuses the token: 403", 12, 40 },
		{ "no name: nobody to be spared", { .error = -EHOSTUNREACH }, "no answer from Flip", 60, 130 },
		{ "slow", { .error = -ETIMEDOUT }, "no answer from Flip", 60, 130 },
		{ "internal", { .status = 500, .body = "<html>oops</html>" }, "Flip is in trouble", 12, 40 },
		{ "patience without a time", { .status = 429 }, "Flip asks for patience", 12, 40 },
		{ "patience, ten minutes", { .status = 429, .retry_after_ms = 600000 }, "Flip asks for patience", 5, 8 },
		{ "patience, a day: an hour is enough", { .status = 429, .retry_after_ms = 86400000 }, "Flip asks for patience", 1, 3 },
		{ "503, ten minutes", { .status = 503, .retry_after_ms = 600000 }, "Flip is in trouble", 5, 8 },
		{ "patience, 0 s: we decide", { .status = 429, .retry_after_ms = -1 }, "Flip asks for patience", 12, 40 },
		{ "empty", { .status = 200, .body = "" }, "answer cannot be used", 12, 40 },
		{ "HTML", { .status = 200, .body = "<html>welcome to this hotel</html>" }, "answer cannot be used", 12, 40 },
		{ "an error inside", { .status = 200, .body = "{\"detail\":\"quota\"}" }, "quota", 12, 40 },
		{ "no content", { .status = 204, .body = "" }, "answer cannot be used", 12, 40 },
		{ "moved", { .status = 302, .body = "" }, "answer cannot be used", 12, 40 },
		{ "not there", { .status = 404, .body = "" }, "answer cannot be used", 12, 40 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int before = said("nothing is lost"), n;
		struct outbox_stats s;

		stop();
		setup_server(NULL);
		n = hour_of(&ROWS[i].r);
		if (n < ROWS[i].least || n > ROWS[i].most)
			fail_msg("%s: %d requests in an hour", ROWS[i].name, n);
		outbox_stats(box, utc_ms, &s);
		/* 404 to a row is about that row: kept, and named */
		if (s.link_up || tel_up || !tel_wants || s.quarantined != (ROWS[i].r.status == 404) || stats().link_up)
			fail_msg("%s: the link is up, or something was lost", ROWS[i].name);
		if (!strstr(stats().warning, ROWS[i].says))
			fail_msg("%s: warns '%s'", ROWS[i].name, stats().warning);
		if (said("nothing is lost") - before != 1)
			fail_msg("%s: said %d times", ROWS[i].name, said("nothing is lost") - before);
		if (stats().failures < n - 1) /* silence is a good answer to a row */
			fail_msg("%s: %lld failures of %d requests", ROWS[i].name, (long long)stats().failures, n);
		before = said("Flip answers again");
		poll_reply = row_reply = token_reply = batch_reply = (struct fake_http_reply){ .status = 200 };
		list_command("c3", "bat-1", "OK", "PENDING", 0);
		pass(H + 10000);
		assert_int_equal(rows_owed(), 0);
		assert_false(tel_wants);
		assert_string_equal(stats().warning, "");
		assert_int_equal(said("Flip answers again") - before, 1);
		assert_in_range(busiest, 1, 4);
	}
}

/* Rows waited through the outage: they go at once when it ends, not at the pace of their own back-off. */
static void test_rows_after_outage(void **state)
{
	(void)state;
	serve();
	row_reply = (struct fake_http_reply){ .error = -ECONNREFUSED };
	poll_reply = (struct fake_http_reply){ .status = 200 };
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	list_command("c2", "bat-1", "OK", "PENDING", 1);
	pass(67000);
	assert_true(rows_owed() == 2);
	poll_reply.status = 502;
	pass(6 * H);
	assert_int_equal(rows_owed(), 2);
	list_clear();
	poll_reply = row_reply = (struct fake_http_reply){ .status = 200 };
	rows = 0;
	while (!stats().link_up)
		pass(1000);
	pass(4000);
	assert_int_equal(rows, 2);
	assert_int_equal(rows_owed(), 0);
}

/* Two requests under way, both refused for now: the longer patience holds, in whichever order they come. */
static void test_late_patience(void **state)
{
	(void)state;
	for (int longer_first = 0; longer_first < 2; longer_first++) {
		struct fake_http_reply brief = { .status = 503 }, patient = { .status = 429, .retry_after_ms = 600000 };
		int i, k;

		stop();
		setup_server(NULL);
		list_command("c1", "bat-1", "OK", "PENDING", 0);
		list_command("c2", "bat-1", "OK", "PENDING", 1);
		fake_http_answer(0, 200, list);
		fake_commit(0);
		i = fake_http_find(HTTP_PATCH, "c1");
		k = fake_http_find(HTTP_PATCH, "c2");
		fake_http_reply(i, longer_first ? &patient : &brief);
		fake_http_reply(k, longer_first ? &brief : &patient);
		polls = 0;
		pass(595000);
		assert_int_equal(polls, 0);
		pass(10000);
		assert_true(polls > 0);
	}
}

static void test_advice(void **state)
{
	static const struct { struct fake_http_reply r; const char *says; } ROWS[] = {
		{ { .status = 401, .body = "{\"detail\":\"revoked\"}" },
		  "Flip refuses the token: 401: revoked; renew [flip] token_file (or credential flip-token), then hearthctl reload" },
		{ { .status = 404 }, "Flip's answer cannot be used (the list of commands): 404: is [flip] base_url right?" },
		{ { .error = -EACCES }, "no answer from Flip: Permission denied: see [flip] ca_file" },
		{ { .error = -EPROTO }, "no answer from Flip: Protocol error: does that address speak http/https?" },
		{ { .error = -ECONNREFUSED }, "no answer from Flip: Connection refused" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const int before = said("nothing is lost");

		stop();
		setup_server(NULL);
		fake_http_reply(fake_http_next(), &ROWS[i].r);
		assert_string_equal(stats().warning, ROWS[i].says);
		assert_int_equal(said("nothing is lost"), before); /* there is nothing that could be */
		assert_true(said(ROWS[i].says) > 0);
	}
}

/* What hangs while the link goes down and up again is neither sent twice nor held against the link. */
static void test_late_answers(void **state)
{
	int i, k;

	(void)state;
	serve();
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	list_command("c2", "bat-1", "OK", "PENDING", 1);
	while (!fake_http_waiting()) {
		now_ms += 1000;
		flip_link_step(l);
	}
	fake_http_answer(fake_http_next(), 200, list);
	fake_commit(0);
	i = fake_http_find(HTTP_PATCH, "c1");
	k = fake_http_find(HTTP_PATCH, "c2");
	fake_http_answer(k, 503, "");
	assert_false(stats().link_up);
	for (int n = 0; n < 10; n++) { /* the probe comes, and opens the link */
		now_ms += 1000;
		flip_link_step(l);
		if (fake_http_find(HTTP_GET, "commands") >= 0)
			fake_http_answer(fake_http_find(HTTP_GET, "commands"), 200, "[]");
	}
	assert_true(stats().link_up);
	assert_int_equal(fake_http_waiting(), 2); /* c2 again; c1 still hangs */
	fake_http_fail(i, -ETIMEDOUT);
	assert_true(stats().link_up);
	serve();
	pass(20000);
	assert_int_equal(rows_owed(), 0);
}

static void opt_out(void)
{
	bool no = false;

	assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "ev-c1", &no, 30 }, on_done, NULL, NULL), 0);
	fake_commit(0);
	assert_int_equal(done_status, 0);
}

static void test_site_token(void **state)
{
	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	serve();
	list_clear();
	opt_out();
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/auth/site/home%2F1");
	assert_int_equal(fake_http_last()->method, HTTP_POST);
	assert_string_equal(fake_http_last()->bearer, "fl_client");
	fake_http_answer(fake_http_next(), 200, "{\"site_access_token\":\"site-a\",\"expires_at\":\"2026-01-15T13:00:00Z\"}");
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/site/home%2F1/event/ev-c1");
	assert_string_equal(fake_http_last()->bearer, "site-a");
	assert_non_null(strstr(fake_http_last()->body, "{\"is_participating\":false,\"device_settings\":[{"));
	fake_http_answer(fake_http_next(), 200, "{\"id\":\"ev-c1\",\"is_participating\":false}");
	fake_commit(0);
	assert_int_equal(rows_owed(), 0);
	assert_int_equal(book_find_event(&book, "ev-c1")->owed, 0); /* Flip was told */
	pass(46 * MINUTE); /* four fifths of its hour */
	tokens = 0;
	opt_out();
	assert_string_equal(fake_http_last()->bearer, "site-a");
	serve();
	pass(4 * MINUTE);
	utc_ms = UTC + 40 * MINUTE;
	opt_out();
	serve();
	assert_int_equal(tokens, 1);
	assert_string_equal(fake_http_last()->bearer, "site-1");
	assert_int_equal(rows_owed(), 0);
}

/* The site token runs out in the middle of a drain. */
static void test_site_token_renewed(void **state)
{
	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	serve();
	list_clear();
	opt_out();
	serve();
	opt_out();
	assert_string_equal(fake_http_last()->bearer, "site-1");
	fake_http_answer(fake_http_next(), 401, "{\"detail\":\"expired\"}");
	assert_true(stats().link_up); /* the client's token is fine */
	assert_int_equal(fake_http_waiting(), 1);
	fake_http_answer(fake_http_next(), 200, "{\"site_access_token\":\"fresh\"}");
	assert_string_equal(fake_http_last()->bearer, "fresh");
	fake_http_answer(fake_http_next(), 401, "");
	assert_int_equal(fake_http_waiting(), 0); /* once is enough; it comes again later */
	assert_int_equal(rows_owed(), 1);
	assert_true(stats().link_up);
	row_reply = (struct fake_http_reply){ .status = 401 };
	tokens = rows = 0;
	pass(H); /* a server that likes no site token: each try costs a renewal, and tries grow rare */
	assert_in_range(tokens, 5, 60);
	assert_true(rows <= tokens * 2 + 2);
	assert_true(stats().link_up);
	row_reply = (struct fake_http_reply){ .status = 200 };
	pass(10 * MINUTE);
	assert_int_equal(rows_owed(), 0);
}

static void test_site_token_refused(void **state)
{
	static const struct { const char *name; struct fake_http_reply r; bool up; int owed, quarantined; } ROWS[] = {
		{ "no such site", { .status = 404, .body = "{\"detail\":\"site\"}" }, true, 0, 1 },
		{ "invalid", { .status = 422 }, true, 0, 1 },
		{ "forbidden", { .status = 403 }, true, 1, 0 },
		{ "refused", { .status = 401 }, false, 1, 0 },
		{ "trouble", { .status = 500 }, false, 1, 0 },
		{ "cut", { .error = -ECONNRESET }, false, 1, 0 },
		{ "no token in it", { .status = 200, .body = "{}" }, false, 1, 0 },
		{ "HTML", { .status = 200, .body = "<html>" }, false, 1, 0 },
		{ "empty: no reason to take the row for taken", { .status = 200, .body = "" }, false, 1, 0 },
		{ "no content", { .status = 204, .body = "" }, false, 1, 0 },
		{ "a token with a line end", { .status = 200, .body = "{\"site_access_token\":\"a\\nb\"}" }, false, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct outbox_stats s;

		stop();
		setup_server(NULL);
		list_command("c1", "bat-1", "OK", "PENDING", 0);
		serve();
		list_clear();
		opt_out();
		fake_http_reply(fake_http_next(), &ROWS[i].r);
		fake_commit(0);
		outbox_stats(box, utc_ms, &s);
		if (s.rows != ROWS[i].owed || s.quarantined != ROWS[i].quarantined || stats().link_up != ROWS[i].up)
			fail_msg("%s: %d owed, %d quarantined, link %d", ROWS[i].name, s.rows, s.quarantined, stats().link_up);
		pass(10 * MINUTE);
		assert_int_equal(rows_owed(), 0);
	}
}

/* Opting out of a command that belongs to no event: the only words Flip has are an answer to the command. */
static void test_no_event(void **state)
{
	bool no = false, yes = true;
	struct outbox_stats s;

	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	memcpy(strstr(list, "\"ev-c1\""), "null   ", 7);
	serve();
	list_clear();
	assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "c1", &no, NAN }, on_done, NULL, NULL), 0);
	fake_commit(0);
	assert_string_equal(fake_http_last()->url, "https://flip.test/v1/command/c1");
	assert_string_equal(fake_http_last()->body, "{\"device_status\":\"FAILED_FAULT\",\"device_status_reason\":\"opted out by the owner\"}");
	serve();
	assert_int_equal(rows_owed(), 0);
	assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "c1", &yes, NAN }, on_done, NULL, NULL), 0);
	pass(2000);
	outbox_stats(box, utc_ms, &s);
	assert_int_equal(s.quarantined, 1); /* named, and not tried for ever */
	assert_int_equal(s.rows, 0);
	assert_int_equal(tokens, 0);
}

static void test_restart(void **state)
{
	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	fake_http_answer(0, 200, list);
	fake_commit(0);
	assert_int_equal(rows_owed(), 1); /* promised, sent, not answered */
	kill_and_start();
	assert_int_equal(rows_owed(), 1);
	assert_int_equal(fake_http_waiting(), 1);
	serve(); /* the poll opens the link; what is owed goes */
	assert_int_equal(rows, 1);
	assert_int_equal(rows_owed(), 0);
	kill_and_start();
	list_clear();
	serve();
	assert_int_equal(rows, 1);

	list_command("c2", "bat-1", "OK", "PENDING", 1); /* read, and killed before it was stored: listed again */
	pass(1000);
	while (!fake_http_waiting()) {
		now_ms += 1000;
		flip_link_step(l);
	}
	fake_http_answer(fake_http_next(), 200, list);
	kill_and_start();
	assert_null(book_find(&book, "c2"));
	serve();
	assert_non_null(book_find(&book, "c2"));
	assert_int_equal(rows_owed(), 0);
}

/* Answers that come when their link is gone are nobody's: no callback, nothing in the book, nothing read that was freed. */
static void test_stopped_under_way(void **state)
{
	int changed, commands, status;

	(void)state;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	fake_http_answer(0, 200, list);
	fake_commit(0);
	tel_wants = true;
	flip_link_step(l);
	opt_out(); /* row, token and batch under way */
	now_ms += 67000;
	flip_link_step(l);
	assert_int_equal(fake_http_waiting(), 4);
	changed = n_changed;
	commands = n_commands;
	flip_link_stop(l);
	fake_commit(0);
	assert_null(tel_send);
	outbox_link(box, true, now_ms);
	outbox_link(box, false, now_ms);
	assert_int_equal(fake_http_waiting(), 4);
	status = tel_answers;
	list_command("c9", "bat-1", "OK", "PENDING", 1);
	{
		struct flip_link *other;

		options.outbox = box;
		options.token = "fl_new";
		assert_int_equal(flip_link_start(&other, &options, NULL), 0); /* a reload: it polls at once, with its own token */
		assert_string_equal(fake_http_last()->bearer, "fl_new");
		for (int i = 0; i < 4; i++)
			fake_http_answer(fake_http_next(), 200, i == 3 ? list : NULL);
		l = other;
	}
	assert_int_equal(n_changed, changed);
	assert_int_equal(n_commands, commands);
	assert_int_equal(tel_answers, status);
	assert_null(book_find(&book, "c9"));
	assert_int_equal(fake_http_waiting(), 1);
	serve();
	tel_under_way = false; /* as backlog_link(false) and (true) do */
	pass(2000);
	assert_non_null(book_find(&book, "c9"));
	assert_int_equal(rows_owed(), 0);
	assert_false(tel_wants);
}

/* A refused token: a reload with another one is tried at once, whatever the back-off was. */
static void test_new_token(void **state)
{
	(void)state;
	poll_reply = (struct fake_http_reply){ .status = 401 };
	serve();
	pass(H);
	assert_false(stats().link_up);
	flip_link_stop(l);
	options.outbox = box;
	options.token = "fl_new";
	poll_reply = (struct fake_http_reply){ .status = 200 };
	polls = 0;
	assert_int_equal(flip_link_start(&l, &options, NULL), 0);
	serve();
	assert_int_equal(polls, 1);
	assert_true(stats().link_up);
	assert_string_equal(stats().warning, "");
}

static void test_start_refused(void **state)
{
	static char long_token[4096];
	struct errbuf err;
	struct flip_link *other = NULL;
	struct flip_link_options o = options;

	(void)state;
	memset(long_token, 'x', sizeof(long_token) - 1);
	flip_link_stop(l);
	serve();
	polls = 0;
	o.outbox = box;
	for (int i = 0; i < 4; i++) {
		struct flip_link_options bad = o;

		bad.http = i == 0 ? NULL : o.http;
		bad.base_url = i == 1 ? "" : o.base_url;
		bad.token = i == 2 ? NULL : i == 3 ? long_token : o.token;
		err.text[0] = '\0';
		assert_int_equal(flip_link_start(&other, &bad, &err), -EINVAL);
		assert_true(err.text[0]);
		assert_null(other);
	}
	o.mode = LINK_OFF;
	assert_int_equal(flip_link_start(&l, &o, NULL), 0);
	assert_string_equal(stats().warning, "");
	pass(3000);
	assert_int_equal(polls, 0);
}

/* The request cannot even be queued: no polls get lost, and the loop does not spin. */
static void test_no_room(void **state)
{
	(void)state;
	serve();
	fake_http_send_error = -ENOMEM;
	list_command("c1", "bat-1", "OK", "PENDING", 0);
	pass(2 * MINUTE);
	assert_int_equal(polls, 1);
	assert_int_equal(said("commands cannot be polled"), 1);
	assert_true(fake_http_refused < 130);
	fake_http_send_error = 0;
	pass(2000);
	assert_int_equal(polls, 2);
	assert_int_equal(rows_owed(), 0);
}

static void test_production(void **state)
{
	static const struct { const char *url; int warns; } ROWS[] = {
		{ "https://api.flip.energy", 1 }, { "https://api.flip.energy/", 1 }, { "https://API.Flip.Energy:443", 1 },
		{ "https://api.flip.energy.", 1 }, { "https://api-sandbox.flip.energy", 0 }, { "https://api.flip.energy.example", 0 },
		{ "https://myapi.flip.energy", 0 }, { "http://127.0.0.1:8080", 0 }, { "https://api.flip.energyx", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const int before = said("DANGER");

		flip_link_stop(l);
		options.outbox = box;
		options.base_url = ROWS[i].url;
		assert_int_equal(flip_link_start(&l, &options, NULL), 0);
		if (said("DANGER") - before != ROWS[i].warns)
			fail_msg("%s", ROWS[i].url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		S_(test_outages), S_(test_rows_after_outage),
		 S_(test_late_patience),
		 S_(test_advice), S_(test_late_answers), S_(test_site_token),
		S_(test_site_token_renewed), S_(test_site_token_refused), S_(test_no_event), S_(test_restart), S_(test_stopped_under_way),
		S_(test_new_token), S_(test_start_refused), S_(test_no_room), S_(test_production),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
