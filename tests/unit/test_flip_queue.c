/* The Flip link in queue mode with a broker and a disk in memory: promises and their causes stay together, whatever fails in between. */
#include "support/queue_mail.h"

static void test_session(void **state)
{
	(void)state;
	assert_string_equal(broker.o.client_id, "hearth-flip-home");
	assert_false(broker.o.clean_start);
	assert_int_equal(broker.o.session_expiry_s, 30 * 86400);
	assert_string_equal(out("resync"), "{\"boot_id\":\"boot-1\",\"since\":null}");
}

static void test_promise_after_commit(void **state)
{
	struct flip_link_stats st;

	(void)state;
	for (int wrapped = 0; wrapped < 2; wrapped++) {
		n_out = 0;
		post(wrapped ? "m2" : "m1", command_body(wrapped ? "c2" : "c1", "OK", 0), UTC, wrapped);
		assert_int_equal(n_changed, wrapped + 1); /* the device does not wait */
		assert_null(out("command_status"));       /* the answer does */
		fake_commit(0);
		assert_non_null(strstr(out("command_status"), wrapped ? "\"id\":\"c2\",\"device_status\":\"OK\"" :
									"\"id\":\"c1\",\"device_status\":\"OK\""));
	}
	assert_int_equal(fake_count(STORE_SEEN), 2);
	assert_int_equal(fake_count(STORE_COMMAND), 2);
	assert_int_equal(fake_count(STORE_OUTBOX), 2);
	assert_string_equal(book_find(&book, "c1")->superseded_by, "c2"); /* the same again under another id: a resend */
	flip_link_stats(l, &st);
	assert_int_equal(st.accepted, 2);
	assert_true(n_commands >= 2);
}

static void test_ack(void **state)
{
	static const char *const BAD[] = { "", "[]", "{}", "{\"message_id\":5}", "{\"message_id\":\"x\"}", "{\"message_id\":\"x\",\"status\":\"200\"}",
					   "{\"message_id\":\"x\",\"status\":1e999}", "{\"message_id\":\"x\",\"status\":200}" };

	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(0);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		deliver("flip/ack", BAD[i], strlen(BAD[i]));
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 1);
	answer(out("command_status"), 200);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 0);
}

static void test_bad_envelopes(void **state)
{
	static char big[600 * 1024];
	const char *body = command_body("c1", "OK", 0);
	struct flip_link_stats st;
	int n = 0;

	(void)state;
	headers[0] = "m1"; /* forged */
	headers[1] = "1768478400";
	headers[2] = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	deliver("flip/in", body, strlen(body));
	n++;
	assert_string_equal(audited, "flip|envelope m1|signature does not match");
	headers[0] = "m1"; /* no signature at all */
	headers[1] = "1768478400";
	deliver("flip/in", body, strlen(body));
	n++;
	headers[0] = "m1";
	headers[1] = "yesterday";
	headers[2] = "v1,AAAA";
	deliver("flip/in", body, strlen(body));
	n++;
	deliver("flip/in", body, strlen(body)); /* neither properties nor wrapped */
	deliver("flip/in", "", 0);
	deliver("flip/in", "{\"headers\":{},\"body\":\"x\"}", 26);
	deliver("flip/in", "{\"headers\":[],\"body\":5}", 23);
	n += 4;
	memset(big, 'x', sizeof(big));
	deliver("flip/in", big, sizeof(big));
	headers[0] = "m1";
	headers[1] = "1768478400";
	headers[2] = "v1,AAAA";
	deliver("flip/in", big, FLIP_BODY_MAX + 1);
	n += 2;
	post("m3", "{\"event_type\":\"command.created\",\"event_object\":{}}", UTC, false); /* signed, and garbage all the same */
	n++;
	fake_commit(0);
	flip_link_stats(l, &st);
	assert_int_equal(st.refused, n);
	assert_int_equal(n_audit, n);
	assert_int_equal(book.n + n_changed + fake_count(STORE_SEEN) + fake_count(STORE_OUTBOX), 0);
	post("m3", body, UTC, false); /* the id was not used up by the garbage */
	assert_int_equal(book.n, 1);
}

static void test_duplicates(void **state)
{
	struct flip_link_stats st;

	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC - 40 * 24 * H, false); /* waited on the broker: age alone never refuses */
	post("m1", command_body("c1", "OK", 0), UTC - 40 * 24 * H, false);
	fake_commit(0);
	kill_and_start();
	post("m1", command_body("c1", "CANCELED", 5), UTC, false); /* the same id, even with other words */
	flip_link_stats(l, &st);
	assert_int_equal(st.duplicates, 1);
	assert_int_equal(book_find(&book, "c1")->c.status, FLIP_OK);
	post("m2", command_body("c1", "CANCELED", 5), UTC, false);
	post("m3", command_body("c1", "OK", 0), UTC, false); /* late */
	flip_link_stats(l, &st);
	assert_int_equal(st.stale, 1);
	assert_int_equal(book_find(&book, "c1")->state, BOOK_CANCELED);
}

static void test_killed_before_commit(void **state)
{
	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(-EIO);
	fake_submit_error = -EAGAIN; /* nor can it be written later */
	flip_link_stop(l);
	fake_submit_error = 0;
	outbox_close(box);
	start();
	assert_int_equal(book.n, 0);
	assert_null(out("command_status"));
	assert_non_null(out("resync"));
	post("m1", command_body("c1", "OK", 0), UTC, false); /* the cloud sends it again */
	fake_commit(0);
	assert_non_null(out("command_status"));
}

static void test_killed_in_the_middle(void **state)
{
	int64_t next;

	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(0);
	next = flip_link_step(l);
	assert_int_equal(next, UTC + H);
	utc_ms = UTC + H + 5000;
	assert_int_equal(flip_link_step(l), UTC + 2 * H);
	fake_commit(0);
	assert_string_equal(book_in_force(&book, 0, utc_ms)->c.id, "c1");
	kill_and_start();
	assert_non_null(out("command_status")); /* never answered by the cloud: sent again */
	flip_link_step(l);
	assert_string_equal(book_in_force(&book, 0, utc_ms)->c.id, "c1");
	utc_ms = UTC + 2 * H;
	flip_link_step(l);
	assert_null(book_in_force(&book, 0, utc_ms));
	fake_commit(0);
	assert_int_equal(book_find(&book, "c1")->state, BOOK_DONE);
	answer(out("command_status"), 200);
	now_ms += 11 * 60000;
	utc_ms += 26 * H;
	flip_link_step(l);
	fake_commit(0);
	assert_int_equal(n_gone, 0); /* on the word of a clock that was just set nothing is forgotten: it might run once more */
	now_ms += H;
	utc_ms += H;
	flip_link_step(l);
	fake_commit(0);
	assert_int_equal(n_gone, 1); /* a day after: cleared */
	assert_int_equal(fake_count(STORE_COMMAND), 0);
}

static void test_disk_full(void **state)
{
	struct flip_link_stats st;

	(void)state;
	flip_link_step(l);
	fake_commit(0);
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(-ENOSPC);
	assert_null(out("command_status"));
	assert_int_equal(fake_count(STORE_OUTBOX), 0);
	flip_link_step(l); /* backed off */
	assert_int_equal(fake_n_queue, 0);
	fake_submit_error = -EAGAIN;
	now_ms += 5000;
	flip_link_step(l);
	fake_submit_error = 0;
	now_ms += 120000;
	flip_link_step(l);
	fake_commit(0);
	assert_non_null(out("command_status"));
	assert_int_equal(fake_count(STORE_SEEN), 1);
	assert_int_equal(fake_count(STORE_COMMAND), 1);
	assert_int_equal(fake_count(STORE_OUTBOX), 1);
	flip_link_stats(l, &st);
	assert_int_equal(st.store_failures, 2);
}

static void test_paused(void **state)
{
	(void)state;
	paused = true;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(0);
	assert_non_null(strstr(out("command_status"), "\"device_status\":\"FAILED_FAULT\",\"device_status_reason\":\"paused\""));
}

static void test_clock(void **state)
{
	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC - 20 * 60000, false);
	assert_int_equal(proven + refuted, 0); /* it may just have waited */
	post("m2", command_body("c2", "OK", 0), UTC - 5 * 60000, false);
	assert_int_equal(proven, 1);
	post("m3", command_body("c3", "OK", 0), UTC + 11 * 60000, false);
	assert_int_equal(refuted, 1);
	post("m4", command_body("c4", "OK", 0), UTC, false); /* older than what we have read: says nothing */
	assert_int_equal(proven, 1);
	kill_and_start();
	post("m5", command_body("c5", "OK", 0), UTC, false);
	assert_int_equal(proven, 1);
	utc_ms += 11 * 60000;
	post("m6", command_body("c6", "OK", 0), utc_ms, false);
	assert_int_equal(proven, 2);
}

static void test_untrusted_clock(void **state)
{
	(void)state;
	trusted = false;
	utc_ms = 1000; /* 1970 */
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(0);
	assert_int_equal(refuted, 1);
	assert_non_null(strstr(out("command_status"), "\"device_status\":\"OK\""));
	trusted = true;
	utc_ms = UTC + H;
	flip_link_step(l);
	fake_commit(0);
	assert_non_null(book_in_force(&book, 0, utc_ms));
	assert_int_equal(fake_count(STORE_SEEN), 1); /* not swept away as if it were from 1970 */
}

static void test_participation(void **state)
{
	struct errbuf err = { "" };
	bool no = false;

	(void)state;
	assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "ev-1", &no, NAN }, on_done, NULL, &err), -ENOENT);
	assert_int_equal(flip_link_participate(NULL, &(struct flip_wish){ "ev-1", &no, NAN }, on_done, NULL, &err), -EAGAIN);
	post("m1", command_body("c1", "OK", 0), UTC, false);
	utc_ms = UTC + H;
	flip_link_step(l);
	fake_commit(0);
	assert_non_null(book_in_force(&book, 0, utc_ms));
	assert_int_equal(flip_link_participate(l, &(struct flip_wish){ "ev-1", &no, 30 }, on_done, NULL, &err), 0);
	assert_null(book_in_force(&book, 0, utc_ms)); /* at once */
	assert_int_equal(done_status, 99);
	fake_commit(-EIO);
	assert_int_equal(done_status, -EIO);
	assert_null(out("participation"));
	now_ms += 120000;
	flip_link_step(l); /* tried again by itself */
	fake_commit(0);
	assert_non_null(strstr(out("participation"), "\"event_id\":\"ev-1\",\"is_participating\":false,\"device_settings\":"));
	assert_int_equal(book_find_event(&book, "ev-1")->owed, 1);
	kill_and_start();
	flip_link_step(l);
	assert_null(book_in_force(&book, 0, utc_ms)); /* survives */
	answer(out("participation"), 409);
	assert_int_equal(book_find_event(&book, "ev-1")->owed, 0);
}

static void test_silence(void **state)
{
	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	fake_commit(0);
	answer(out("command_status"), 200);
	n_out = 0;
	now_ms += FLIP_SILENCE_MS - 1;
	flip_link_step(l);
	assert_null(out("resync"));
	now_ms++;
	flip_link_step(l);
	assert_string_equal(out("resync"), "{\"boot_id\":\"boot-1\",\"since\":\"2026-01-15T12:00:00.000Z\"}");
}

static void test_reload(void **state)
{
	(void)state;
	post("m1", command_body("c1", "OK", 0), UTC, false);
	flip_link_stop(l); /* with a transaction under way */
	fake_commit(0);
	assert_true(book.loaded);
	{
		struct flip_link_options f = { .mode = LINK_OFF, .site_id = "home", .root = &root, .book = &book, .outbox = box,
					       .cb = { .devices = devices, .clock = clock_now } };

		assert_int_equal(flip_link_start(&l, &f, NULL), 0);
	}
	assert_int_equal(book.n, 1); /* not loaded twice */
	utc_ms = UTC + H;
	flip_link_step(l);
	assert_non_null(book_in_force(&book, 0, utc_ms)); /* off, and yet what was promised runs */
}

static void test_telemetry(void **state)
{
	static const struct { const char *name, *answer; int status, saved; } ROWS[] = {
		{ "no word about points: all are taken", "\"status\":200", 200, 2 },
		{ "null", "\"status\":200,\"points\":null", 200, 2 },
		{ "one by one", "\"status\":200,\"points\":[{\"index\":1,\"status\":\"FAILED\"},{\"index\":0,\"status\":\"OK\"}]", 200, 1 },
		{ "in words", "\"status\":200,\"points\":[\"OK\",\"OK\"]", 200, 2 },
		{ "half of them", "\"status\":200,\"points\":[\"OK\"]", 200, 1 },
		{ "Flip's own answer", "\"status\":200,\"body\":{\"telemetry\":[\"FAILED\",\"FAILED\"]}", 200, 0 },
		{ "points that are none", "\"status\":200,\"points\":5", 200, -1 },
		{ "wrong as a whole", "\"status\":422,\"points\":[\"OK\"]", 422, -1 },
		{ "trouble", "\"status\":503", 503, -1 },
	};
	char text[256];

	(void)state;
	assert_true(tel_up);
	assert_int_equal(tel_batch_max, 200);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		n_out = 0;
		tel_wants = true;
		tel_due_ms = 0;
		flip_link_step(l);
		assert_non_null(strstr(out("telemetry"), "{\"message_id\":\"tel-0-1-2-2\",\"telemetry\":[{"));
		snprintf(text, sizeof(text), "{\"message_id\":\"tel-0-1-2-2\",%s}", ROWS[i].answer);
		deliver("flip/ack", text, strlen(text));
		if (tel_status != ROWS[i].status || tel_saved != ROWS[i].saved)
			fail_msg("%s: %d, %d saved", ROWS[i].name, tel_status, tel_saved);
	}
	broker_refuses = true;
	tel_due_ms = 0;
	flip_link_step(l);
	broker_refuses = false;
	assert_false(tel_under_way); /* asked again */
}

static void test_warning(void **state)
{
	struct flip_link_stats st;

	(void)state;
	flip_link_stats(l, &st);
	assert_true(st.link_up);
	assert_string_equal(st.warning, "");
	broker.cb.disconnected(broker.cb.context, "refused");
	flip_link_stats(l, &st);
	assert_false(st.link_up);
	assert_false(tel_up);
	assert_string_equal(st.warning, "Flip's queue is not connected (refused); nothing is lost");
	broker.cb.connected(broker.cb.context, true);
	flip_link_stats(l, &st);
	assert_string_equal(st.warning, "");
}

static void test_keys(void **state)
{
	static const struct { const char *text; int n; } ROWS[] = {
		{ "", -EINVAL }, { " \n", -EINVAL }, { "secret", -EINVAL }, { "whsec_a", 1 }, { "whsec_a\nwhsec_b\n", 2 },
		{ "whsec_a whsec_b whsec_c", -EINVAL }, { "whsec_a x", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const char *keys[FLIP_KEYS_MAX];
		char text[64];

		snprintf(text, sizeof(text), "%s", ROWS[i].text);
		assert_int_equal(flip_keys_split(text, keys), ROWS[i].n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_session), T_(test_promise_after_commit), T_(test_ack), T_(test_bad_envelopes), T_(test_duplicates),
		T_(test_killed_before_commit), T_(test_killed_in_the_middle), T_(test_disk_full), T_(test_paused), T_(test_clock),
		T_(test_untrusted_clock), T_(test_participation), T_(test_silence), T_(test_reload), T_(test_telemetry),
		T_(test_warning), T_(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
