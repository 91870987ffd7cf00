/* The Flip link with a broker and a disk in memory: promises and their causes stay together, whatever fails in between. */
#include "flow/queue.h"

#include "cloud/flip.h"
#include "io/crypto.h"
#include "support/fake_broker.h"
#include "support/fake_store.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define KEY "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define OLD_KEY "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk"
#define UTC 1768478400000LL /* 2026-01-15T12:00:00Z */
#define H 3600000LL

/* ---- a hub ---- */

static struct book book;
static struct outbox *box;
static struct flip_link *l;
static int64_t now_ms, utc_ms;
static bool trusted, paused;
static int n_changed, n_audit, n_commands, n_gone, proven, refuted, done_status;
static char audited[256];
static struct topic_root root;

static int devices(void *context, struct book_device *out, int max)
{
	(void)context;
	assert_true(max >= 1);
	out[0] = (struct book_device){ .flip_device_id = "bat-0042-1", .battery = true, .reachable = true, .charge_max_w = 5000,
				       .discharge_max_w = 5000 };
	return 1;
}

static bool clock_now(void *context, int64_t *now, int64_t *utc)
{
	(void)context;
	*now = now_ms;
	*utc = utc_ms;
	return trusted;
}

static bool is_paused(void *context)
{
	(void)context;
	return paused;
}

static void clock_word(void *context, enum flip_clock_word word, int64_t flip_utc_ms)
{
	(void)context;
	(void)flip_utc_ms;
	proven += word == FLIP_CLOCK_PROVEN;
	refuted += word == FLIP_CLOCK_REFUTED;
}

static void on_changed(void *context)
{
	(void)context;
	n_changed++;
}

static void on_command(void *context, const struct book_entry *e)
{
	(void)context;
	(void)e;
	n_commands++;
}

static void on_gone(void *context, const char *id, bool event)
{
	(void)context;
	(void)id;
	n_gone += event ? 100 : 1;
}

static void on_audit(void *context, const char *origin, const char *request, const char *result)
{
	(void)context;
	snprintf(audited, sizeof(audited), "%s|%s|%s", origin, request, result);
	n_audit++;
}

static void on_done(void *context, uint64_t ticket, int status)
{
	(void)context;
	(void)ticket;
	done_status = status;
}

static void start(void)
{
	struct outbox_options o = { 0 };
	struct flip_link_options f = { .mode = LINK_QUEUE, .mqtt = { .host = "127.0.0.1", .port = 1883 }, .site_id = "home", .root = &root,
				       .boot_id = "boot-1", .keys = { OLD_KEY, KEY }, .n_keys = 2, .book = &book,
				       .cb = { devices, clock_now, is_paused, clock_word, on_changed, on_command, NULL, on_gone,
					       on_audit, NULL } };

	book_init(&book, 24);
	assert_int_equal(outbox_open(&box, &o, NULL), 0);
	f.outbox = box;
	assert_int_equal(flip_link_start(&l, &f, NULL), 0);
	n_out = 0;
	broker.cb.connected(broker.cb.context, false);
}

static void stop(void)
{
	flip_link_stop(l);
	fake_commit(0);
	outbox_close(box);
}

/* kill -9: what is under way never reaches the disk, and nobody is told. */
static void kill_and_start(void)
{
	fake_commit(-EIO);
	stop();
	start();
}

static int setup(void **state)
{
	(void)state;
	fake_clear();
	topic_root_set(&root, "hearth/1", "home");
	now_ms = 1000;
	utc_ms = UTC;
	trusted = true;
	paused = false;
	n_changed = n_audit = n_commands = n_gone = proven = refuted = 0;
	done_status = 99;
	start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop();
	fake_clear();
	return 0;
}

static const char *command_body(const char *id, const char *status, int64_t updated_s)
{
	static char text[2048];

	snprintf(text, sizeof(text), "{\"event_type\":\"command.created\",\"event_object\":{\"object_type\":\"command\",\"id\":\"%s\","
		 "\"event_id\":\"ev-1\",\"device_id\":\"bat-0042-1\",\"starts_at\":\"2026-01-15T13:00:00Z\",\"ends_at\":\"2026-01-15T14:00:00Z\","
		 "\"battery_commands\":{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\",\"setpoint_w\":4000},\"status\":\"%s\","
		 "\"device_status\":\"PENDING\",\"created_at\":\"2026-01-15T11:00:00Z\",\"updated_at\":\"2026-01-15T11:00:%02dZ\"}}",
		 id, status, (int)updated_s);
	return text;
}

static void deliver(const char *topic, const char *payload, size_t len)
{
	char full[128];
	struct mqtt_message m = { .topic = full, .payload = payload, .len = len, .qos = 1, .expiry_s = -1 };

	snprintf(full, sizeof(full), "hearth/1/home/%s", topic);
	broker.cb.message(broker.cb.context, &m);
	headers[0] = headers[1] = headers[2] = NULL;
}

/* As the operator's cloud would send it; @wrapped for bridges that drop user properties. */
static void post(const char *webhook_id, const char *body, int64_t at_utc_ms, bool wrapped)
{
	char timestamp[24], signature[128];

	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(at_utc_ms / 1000));
	assert_int_equal(crypto_webhook_sign(KEY, webhook_id, timestamp, body, strlen(body), signature, sizeof(signature)), 0);
	if (wrapped) {
		AUTO_JSON *o = cJSON_CreateObject();
		AUTO_TEXT *text = NULL;
		cJSON *h = cJSON_AddObjectToObject(o, "headers");

		cJSON_AddStringToObject(h, "Webhook-Id", webhook_id);
		cJSON_AddStringToObject(h, "WEBHOOK-TIMESTAMP", timestamp);
		cJSON_AddStringToObject(h, "webhook-signature", signature);
		cJSON_AddStringToObject(o, "body", body);
		text = cJSON_PrintUnformatted(o);
		deliver("flip/in", text, strlen(text));
		return;
	}
	headers[0] = webhook_id;
	headers[1] = timestamp;
	headers[2] = signature;
	deliver("flip/in", body, strlen(body));
}

/* The last publish on a topic, or NULL. */
static const char *out(const char *topic)
{
	char full[128];

	snprintf(full, sizeof(full), "hearth/1/home/flip/out/%s", topic);
	for (int i = n_out - 1; i >= 0; i--)
		if (!strcmp(topics[i], full))
			return payloads[i];
	return NULL;
}

static void answer(const char *row, int status)
{
	AUTO_JSON *o = cJSON_Parse(row);
	char id[64], text[160];

	assert_int_equal(json_get_text(o, "message_id", id, sizeof(id), NULL), 1);
	snprintf(text, sizeof(text), "{\"message_id\":\"%s\",\"status\":%d,\"body\":{\"detail\":\"x\"}}", id, status);
	deliver("flip/ack", text, strlen(text));
}

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

#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_session), T_(test_promise_after_commit), T_(test_ack), T_(test_bad_envelopes), T_(test_duplicates),
		T_(test_killed_before_commit), T_(test_killed_in_the_middle), T_(test_disk_full), T_(test_paused), T_(test_clock),
		T_(test_untrusted_clock), T_(test_participation), T_(test_wish_behind_much_else), T_(test_asked_again),
		T_(test_resync_names_what_is_stored), T_(test_silence), T_(test_reload), T_(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
