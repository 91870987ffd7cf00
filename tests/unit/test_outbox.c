/* The outbox: nothing is sent before it is on disk, nothing leaves before it is acknowledged, in order, again and again. */
#include "flow/cloud/outbox.h"

#include "io/log.h"

#include "support/fake_store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define UTC 1768478400000LL

static struct outbox *box;
static char sent[1024][48];      /* message_id of each send, in order */
static int n_sent, send_error;

static int take(void *context, const char *kind, const char *body)
{
	AUTO_JSON *o = cJSON_Parse(body);

	(void)context;
	(void)kind;
	if (send_error)
		return send_error;
	assert_non_null(o);
	assert_int_equal(json_get_text(o, "message_id", sent[n_sent], sizeof(sent[0]), NULL), 1);
	n_sent++;
	return 0;
}

static void open_box(int64_t max_bytes)
{
	struct outbox_options o = { .max_bytes = max_bytes };

	assert_int_equal(outbox_open(&box, &o, NULL), 0);
	outbox_sender(box, take, NULL);
	n_sent = send_error = 0;
}

static int setup(void **state)
{
	(void)state;
	fake_clear();
	open_box(0);
	outbox_link(box, true, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_commit(0);
	outbox_close(box);
	fake_clear();
	return 0;
}

/* Adds and, unless @later, commits. Returns the id. */
static const char *add(const char *kind, int64_t now_ms)
{
	static char id[16][OUTBOX_ID_MAX];
	static int n;
	AUTO_JSON *body = cJSON_CreateObject();
	struct store_op op;

	n = (n + 1) % 16;
	cJSON_AddStringToObject(body, "kind", kind);
	assert_int_equal(outbox_add(box, kind, body, UTC, &op, id[n]), 0);
	store_submit(NULL, &op, 1, NULL, NULL, NULL);
	fake_commit(0);
	outbox_committed(box, id[n], 0, now_ms);
	return id[n];
}

static struct outbox_stats stats(void)
{
	struct outbox_stats s;

	outbox_stats(box, UTC + 10000, &s);
	return s;
}

static void restart(void)
{
	fake_commit(0);
	outbox_close(box);
	open_box(0);
	outbox_link(box, true, 0);
}

static void test_commit_first(void **state)
{
	AUTO_JSON *body = cJSON_CreateObject(), *list = cJSON_CreateArray();
	char id[OUTBOX_ID_MAX], kind[STORE_KIND_MAX] = "";
	struct store_op op;

	(void)state;
	assert_int_equal(outbox_add(box, "", body, UTC, &op, id), -EINVAL);
	assert_int_equal(outbox_add(box, "!x", body, UTC, &op, id), -EINVAL);
	memset(kind, 'k', sizeof(kind) - 1);
	assert_int_equal(outbox_add(box, kind, body, UTC, &op, id), -EINVAL);
	assert_int_equal(outbox_add(box, "x", list, UTC, &op, id), -EINVAL);
	assert_int_equal(outbox_add(box, "x", body, UTC, &op, id), 0);
	assert_int_equal(op.table, STORE_OUTBOX);
	assert_string_equal(op.key, id);
	outbox_step(box, 100000);
	assert_int_equal(n_sent, 0);
	outbox_committed(box, id, 0, 100000);
	assert_int_equal(n_sent, 1);
	assert_string_equal(sent[0], id);
	assert_int_equal(outbox_add(box, "x", body, UTC, &op, id), 0);
	outbox_committed(box, id, -EIO, 100000); /* it never was */
	outbox_step(box, 200000);
	assert_int_equal(stats().rows, 1);
}

static void test_leaves_on_ack_only(void **state)
{
	const char *id = add(OUTBOX_COMMAND_STATUS, 0);

	(void)state;
	assert_int_equal(outbox_ack(box, "somebody else's", 200, NULL, 0), -ENOENT);
	assert_int_equal(stats().rows, 1);
	assert_int_equal(stats().oldest_s, 10);
	assert_int_equal(fake_count(STORE_OUTBOX), 1);
	assert_int_equal(outbox_ack(box, id, 204, NULL, 0), 0);
	assert_int_equal(stats().rows, 0);
	assert_int_equal(stats().sent_total, 1);
	assert_int_equal(outbox_ack(box, id, 204, NULL, 0), -ENOENT); /* a second answer */
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 0);
}

static void test_deletion_fails(void **state)
{
	const char *id = add("x", 0);

	(void)state;
	outbox_ack(box, id, 200, NULL, 0);
	fake_commit(-ENOSPC);
	assert_int_equal(fake_count(STORE_OUTBOX), 1);
	outbox_step(box, 1000);
	outbox_step(box, 7000);
	assert_int_equal(n_sent, 1); /* it is done, only the disk does not know yet */
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 0);
}

static const struct { int status; bool retried, quarantined; } ANSWERS[] = {
	{ 200, false, false }, { 204, false, false }, { 299, false, false },
	{ 400, false, true }, { 404, false, true }, { 409, false, true }, { 413, false, true }, { 422, false, true },
	{ 401, true, false }, { 403, true, false }, { 408, true, false }, { 425, true, false }, { 429, true, false },
	{ 500, true, false }, { 503, true, false }, { 302, true, false }, { 100, true, false },
};

static void test_answers(void **state)
{
	for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); i++) {
		const char *id;

		teardown(state);
		setup(state);
		id = add("x", 0);
		outbox_ack(box, id, ANSWERS[i].status, "because", 0);
		if (stats().rows != ANSWERS[i].retried || stats().quarantined != ANSWERS[i].quarantined)
			fail_msg("%d: %d rows, %d quarantined", ANSWERS[i].status, stats().rows, stats().quarantined);
		outbox_step(box, 2000); /* the first back-off is 2.5 .. 5 s */
		assert_int_equal(n_sent, 1);
		outbox_step(box, 5001);
		assert_int_equal(n_sent, ANSWERS[i].retried ? 2 : 1);
	}
}

static void test_quarantine(void **state)
{
	const char *id = add(OUTBOX_PARTICIPATION, 0);
	AUTO_JSON *list = NULL;
	AUTO_TEXT *text = NULL;

	(void)state;
	outbox_ack(box, id, 422, "validation: \"x\"", 0);
	restart();
	assert_int_equal(n_sent, 0);
	assert_int_equal(stats().quarantined, 1);
	list = outbox_list(box, 10);
	text = cJSON_PrintUnformatted(list);
	assert_non_null(strstr(text, "422: validation: \\\"x\\\""));
	assert_non_null(strstr(text, "\"kind\":\"participation\""));
	assert_int_equal(outbox_retry(box, 0), 1);
	assert_int_equal(n_sent, 1);
	assert_string_equal(sent[0], id); /* the same id: the receiver may know it */
	restart();
	assert_int_equal(stats().rows, 1);
	assert_int_equal(stats().quarantined, 0);
}

static void test_unanswered(void **state)
{
	int64_t now = 0, gap, last = 0;

	(void)state;
	add("x", 0);
	outbox_step(box, 59999);
	assert_int_equal(n_sent, 1);
	for (int i = 0; i < 12; i++) {
		const int before = n_sent;

		for (; n_sent == before; now += 1000)
			outbox_step(box, now);
		gap = now - last;
		last = now;
		assert_in_range(gap, 59000, 902000);
	}
	assert_true(gap > 400000); /* grown to 7.5 .. 15 min */
	assert_int_equal(stats().failed_total, 12);
	outbox_link(box, false, now);
	outbox_step(box, now + 3600000);
	assert_int_equal(n_sent, 13);
	outbox_link(box, true, now + 3600000);
	assert_int_equal(n_sent, 14);
}

static void test_order(void **state)
{
	const char *t, *o, *p, *c1, *c2;

	(void)state;
	outbox_link(box, false, 0);
	t = add("telemetry", 0); /* of an older version: like any other */
	o = add("commission", 0);
	p = add(OUTBOX_PARTICIPATION, 0);
	c1 = add(OUTBOX_COMMAND_STATUS, 0);
	c2 = add(OUTBOX_COMMAND_STATUS, 0);
	for (int round = 0; round < 2; round++) { /* and the same after a restart */
		const char *const expect[] = { c1, c2, p, t, o };

		outbox_link(box, true, 0);
		assert_int_equal(n_sent, 5);
		for (int i = 0; i < 5; i++)
			assert_string_equal(sent[i], expect[i]);
		outbox_close(box);
		open_box(0);
	}
}

static void test_order_held_by_a_retry(void **state)
{
	const char *a, *b;
	int64_t now = 0;

	(void)state;
	a = add("x", now);
	outbox_ack(box, a, 503, NULL, now);
	b = add("x", now);
	assert_int_equal(n_sent, 1); /* b waits behind a */
	now += 6000;
	outbox_step(box, now);
	assert_int_equal(n_sent, 3);
	assert_string_equal(sent[1], a);
	assert_string_equal(sent[2], b);
	for (int i = 0; i < 4; i++) {
		outbox_ack(box, a, 500, NULL, now);
		now += 400000;
		outbox_step(box, now);
	}
	outbox_ack(box, a, 500, NULL, now);
	n_sent = 0;
	add("x", now); /* refused six times, a steps aside */
	assert_int_equal(n_sent, 1);
}

static void test_congested(void **state)
{
	(void)state;
	send_error = -ENOBUFS;
	add("x", 0);
	assert_int_equal(n_sent, 0);
	send_error = 0;
	outbox_step(box, 1000);
	assert_int_equal(n_sent, 1);
}

static void test_window(void **state)
{
	(void)state;
	outbox_link(box, false, 0);
	for (int i = 0; i < 100; i++)
		add("x", 0);
	outbox_link(box, true, 0);
	assert_int_equal(n_sent, 64);
	outbox_ack(box, sent[0], 200, NULL, 0);
	assert_int_equal(n_sent, 65);
}

/* Not one of the rows behind a refused one overtakes it, in its own class or another. */
static void test_refusing_link(void **state)
{
	const char *expect[6];
	int64_t now = 0;

	(void)state;
	send_error = -EAGAIN;
	expect[3] = add("commission", now);
	expect[2] = add(OUTBOX_PARTICIPATION, now);
	expect[0] = add(OUTBOX_COMMAND_STATUS, now);
	expect[1] = add(OUTBOX_COMMAND_STATUS, now);
	for (int i = 0; i < 100; i++)
		outbox_step(box, now += 1000);
	expect[4] = add("commission", now);
	send_error = 0;
	expect[5] = add("commission", now);
	assert_int_equal(n_sent, 6);
	for (int i = 0; i < 6; i++)
		assert_string_equal(sent[i], expect[i]);
	assert_int_equal(stats().failed_total, 0); /* nothing was sent */
}

static void test_promises_are_kept_when_full(void **state)
{
	struct log_line line[LOG_KEEP];
	const char *first, *last = NULL;
	int said = 0, n;

	(void)state;
	outbox_close(box);
	open_box(300);
	outbox_link(box, true, 0);
	first = add("telemetry", 0);
	for (int i = 0; i < 20; i++)
		last = add(i % 2 ? OUTBOX_COMMAND_STATUS : "commission", 0);
	assert_int_equal(stats().rows, 21);
	restart();
	assert_int_equal(stats().rows, 21);
	assert_int_equal(outbox_ack(box, last, 200, NULL, 0), 0);
	assert_int_equal(outbox_ack(box, first, 200, NULL, 0), 0);
	n = log_recent(line, LOG_KEEP);
	for (int i = 0; i < n; i++)
		said += strstr(line[i].text, "promises wait in") != NULL;
	assert_int_equal(said, 1); /* the restart here has no limit of its own */
}

static int take_and_answer(void *context, const char *kind, const char *body)
{
	const int e = take(context, kind, body);

	assert_int_equal(outbox_ack(box, sent[n_sent - 1], *(int *)context, NULL, 0), 0);
	return e;
}

/* A sink that answers from inside the call: no recursion, no row twice, no row left. */
static void test_answered_at_once(void **state)
{
	static const struct { int status, rows, quarantined; } CASES[] = { { 200, 0, 0 }, { 503, 900, 0 }, { 422, 0, 900 } };

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		int status = CASES[i].status;

		teardown(NULL);
		setup(NULL);
		outbox_link(box, false, 0);
		for (int k = 0; k < 900; k++)
			add("x", 0);
		outbox_sender(box, take_and_answer, &status);
		outbox_link(box, true, 0);
		assert_int_equal(n_sent, status == 503 ? 1 : 900); /* what was asked to come again holds up the rest */
		assert_int_equal(stats().rows, CASES[i].rows);
		assert_int_equal(stats().quarantined, CASES[i].quarantined);
		for (int k = 0; k < 4; k++) {
			outbox_step(box, 1000);
			fake_commit(0);
		}
		assert_int_equal(fake_count(STORE_OUTBOX), CASES[i].rows + CASES[i].quarantined);
	}
}

/* Many promises, answered in the worst order, and a disk that first refuses to forget them. */
static void test_many(void **state)
{
	static char id[1800][OUTBOX_ID_MAX];

	(void)state;
	outbox_link(box, false, 0);
	for (int i = 0; i < 1800; i++)
		memcpy(id[i], add("x", 0), OUTBOX_ID_MAX);
	for (int i = 1799; i >= 0; i--)
		assert_int_equal(outbox_ack(box, id[i], 200, NULL, 0), 0);
	assert_int_equal(stats().rows, 0);
	for (int i = 0; i < 5; i++) {
		outbox_step(box, 1000);
		fake_commit(i ? 0 : -EIO);
		outbox_step(box, 1000); /* learns of the failure */
		outbox_step(box, 10000);
	}
	fake_commit(0);
	assert_int_equal(fake_count(STORE_OUTBOX), 0);
	for (int i = 0; i < 1800; i++)
		assert_int_equal(outbox_ack(box, id[i], 200, NULL, 0), -ENOENT);
}

static void test_damaged_rows(void **state)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_OUTBOX, .key = "q", .kind = "!x", .body = "not json" };

	(void)state;
	store_submit(NULL, &op, 1, NULL, NULL, NULL);
	memset(op.key, 'k', 100);
	store_submit(NULL, &op, 1, NULL, NULL, NULL);
	restart();
	assert_int_equal(stats().rows + stats().quarantined, 0);
	assert_int_equal(fake_count(STORE_OUTBOX), 2); /* unread, but not thrown away */
}

static void put_row(const char *key, const char *kind, const char *body)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_OUTBOX, .body = body };

	snprintf(op.key, sizeof(op.key), "%s", key);
	snprintf(op.kind, sizeof(op.kind), "%s", kind);
	store_submit(NULL, &op, 1, NULL, NULL, NULL);
}

/* A row nobody can read is kept and named, and silences none of those behind it; and so after each restart. */
static void test_unreadable_rows(void **state)
{
	(void)state;
	put_row("r1", OUTBOX_COMMAND_STATUS, "not json");
	put_row("r2", OUTBOX_COMMAND_STATUS, "[\"message_id\"]");
	put_row("r3", OUTBOX_COMMAND_STATUS, "{\"message_id\":\"r4\"}");
	put_row("r5", OUTBOX_COMMAND_STATUS, "{\"message_id\":5}");
	put_row("r6", OUTBOX_COMMAND_STATUS, "\xff{");
	put_row("r7", "commission", "{\"message_id\":\"r7\"}");
	for (int i = 0; i < 2; i++) {
		AUTO_JSON *rows = NULL;
		AUTO_TEXT *text = NULL;

		restart();
		assert_int_equal(n_sent, 1);
		assert_string_equal(sent[0], "r7");
		assert_int_equal(stats().rows, 1);
		assert_int_equal(stats().quarantined, 5);
		rows = outbox_list(box, 10);
		text = cJSON_PrintUnformatted(rows);
		assert_non_null(strstr(text, "unreadable: its body is no JSON object"));
		assert_non_null(strstr(text, "unreadable: its message_id is not its key"));
		assert_int_equal(outbox_retry(box, 0), 1); /* what has no words gets none by trying */
		assert_int_equal(stats().quarantined, 5);
		assert_int_equal(fake_count(STORE_OUTBOX), 6);
	}
}

static int picky_error;

static int take_some(void *context, const char *kind, const char *body)
{
	return strcmp(kind, "bad") ? take(context, kind, body) : picky_error;
}

/* What the link can never send is set aside, what it cannot send now is waited for. */
static void test_picky_link(void **state)
{
	static const struct { int error, sent, quarantined; } ROWS[] = {
		{ -EINVAL, 1, 1 }, { -EMSGSIZE, 1, 1 }, { -E2BIG, 1, 1 }, { -ENOTCONN, 0, 0 }, { -EAGAIN, 0, 0 }, { -ENOMEM, 0, 0 },
		{ -ENOBUFS, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		AUTO_JSON *rows = NULL;
		AUTO_TEXT *text = NULL;

		teardown(state);
		setup(state);
		outbox_sender(box, take_some, NULL);
		picky_error = ROWS[i].error;
		add("bad", 0);
		add("good", 0);
		outbox_step(box, 1000);
		if (n_sent != ROWS[i].sent || stats().quarantined != ROWS[i].quarantined)
			fail_msg("%d: %d sent, %d quarantined", ROWS[i].error, n_sent, stats().quarantined);
		rows = outbox_list(box, 10);
		text = cJSON_PrintUnformatted(rows);
		assert_int_equal(strstr(text, "cannot be sent: ") != NULL, ROWS[i].quarantined);
		restart(); /* the default sender takes it; a set-aside one stays so */
		assert_int_equal(stats().quarantined, ROWS[i].quarantined);
	}
}

/* Unanswered ones go again at once when the link is back; refused ones wait their time, however often it comes back. */
static void test_link_comes_back(void **state)
{
	const char *id;

	(void)state;
	id = add("x", 0);
	assert_int_equal(n_sent, 1);
	outbox_link(box, false, 10);
	outbox_link(box, true, 20);
	assert_int_equal(n_sent, 2);
	outbox_ack(box, id, 503, NULL, 30);
	for (int i = 0; i < 5; i++) {
		outbox_link(box, false, 40);
		outbox_link(box, true, 50);
	}
	assert_int_equal(n_sent, 2);
	outbox_step(box, 5100);
	assert_int_equal(n_sent, 3);
	outbox_ack(box, id, 503, NULL, 5100);
	outbox_link(box, true, 5200);
	outbox_step(box, 5100 + 4999);
	assert_int_equal(n_sent, 3); /* the second wait is 5 .. 10 s: the first was not forgotten */
	assert_int_equal(outbox_retry(box, 10100), 1);
	assert_int_equal(n_sent, 4);
}

/* Refused ones come after fresh ones and have one place together; what is about other things does not wait for them. */
static void test_refused_take_one_place(void **state)
{
	const char *id[3];

	(void)state;
	id[0] = add("x", 0);
	id[1] = add("y", 0);
	id[2] = add("z", 0);
	for (int i = 0; i < 3; i++)
		outbox_ack(box, id[i], 500, NULL, i);
	n_sent = 0;
	add("fresh", 10);
	assert_int_equal(n_sent, 1);
	assert_false(outbox_owes(box)); /* what was refused is nothing telemetry waits for */
	add("x", 20);
	assert_int_equal(n_sent, 1); /* about the same thing: it waits */
	assert_false(outbox_owes(box));
	outbox_step(box, 10000);
	assert_int_equal(stats().rows, 5);
	for (int i = 0; i < 3; i++) {
		int known = 0;

		for (int k = 1; k < n_sent; k++)
			known += !strcmp(sent[k], id[0]) + !strcmp(sent[k], id[1]) + !strcmp(sent[k], id[2]);
		assert_int_equal(known, i + 1);
		for (int k = n_sent - 1; k > 0; k--) /* the one under way; which one it is, is left to their waiting */
			if (!strcmp(sent[k], id[0]) || !strcmp(sent[k], id[1]) || !strcmp(sent[k], id[2])) {
				assert_int_equal(outbox_ack(box, sent[k], 200, NULL, 10000), 0);
				break;
			}
	}
	assert_int_equal(n_sent, 5);
}

/* A link that does not take a row has not tried it: the waiting for an answer must not grow. */
static void test_refused_handover(void **state)
{
	int64_t now = 60000;

	(void)state;
	add("x", 0);
	send_error = -EAGAIN;
	for (int i = 0; i < 50; i++)
		outbox_step(box, now += 1000);
	send_error = 0;
	outbox_step(box, now += 1000);
	assert_int_equal(n_sent, 2);
	outbox_step(box, now + 120001);
	assert_int_equal(n_sent, 3);
}

#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_commit_first), T_(test_leaves_on_ack_only), T_(test_deletion_fails), T_(test_answers), T_(test_quarantine),
		T_(test_unanswered), T_(test_order), T_(test_order_held_by_a_retry), T_(test_congested), T_(test_window),
		T_(test_refusing_link), T_(test_promises_are_kept_when_full), T_(test_answered_at_once), T_(test_many),
		T_(test_damaged_rows), T_(test_unreadable_rows), T_(test_picky_link), T_(test_link_comes_back), T_(test_refused_take_one_place),
		T_(test_refused_handover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
