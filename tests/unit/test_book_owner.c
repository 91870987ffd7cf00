/* The command book: the owner's participation against Flip's word, and the stored form. */
#include "support/book_kit.h"

#include <errno.h>

static void test_opt_out(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H), d = command("c2", T + 3 * H, T + 4 * H);
	struct flip_event e = { .id = "ev-1", .starts_utc_ms = T + H, .ends_utc_ms = T + 4 * H, .participating = true, .updated_utc_ms = T };
	struct errbuf err = { "" };
	bool out = false, in = true;

	(void)state;
	assert_int_equal(book_participate(&book, "ev-1", &out, NAN, T, &err), -ENOENT);
	offer(&c, T);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	running(T + H);
	assert_int_equal(book_participate(&book, "ev-1", &out, 101, T, &err), -ERANGE);
	assert_int_equal(book_participate(&book, "ev-1", &out, NAN, T + H, &err), 0); /* the event itself never arrived */
	assert_null(book_in_force(&book, 0, T + H));
	assert_state("c1", BOOK_OPTED_OUT);
	assert_true(book_find_event(&book, "ev-1")->tell_participating);
	book_offer_event(&book, &e, T + H); /* Flip's copy still says yes */
	c = newer(c);
	c.device_status = FLIP_DEVICE_OK;
	offer(&c, T + H); /* and a poll still says OK */
	c = newer(c);
	c.setpoint_w = 1000;
	c.device_status = FLIP_PENDING;
	offer(&c, T + H); /* even a change */
	assert_ack("c1", FLIP_FAILED_FAULT, "opted out by the owner");
	offer(&d, T + H); /* and the next command of the event */
	assert_ack("c2", FLIP_FAILED_FAULT, "opted out by the owner");
	assert_string_equal(running(T + H + MIN), "");
	c = newer(c);
	c.status = FLIP_OPT_OUT;
	offer(&c, T + H + 2 * MIN); /* Flip confirms */
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_true(book_find_event(&book, "ev-1")->confirmed);
	assert_string_equal(running(T + 3 * H), ""); /* c2 is bound until its own word comes */
	assert_int_equal(book_participate(&book, "c2", &in, NAN, T + 3 * H, &err), 0); /* back in: by the command's id too */
	assert_string_equal(running(T + 3 * H), "c2");
	assert_ack("c2", FLIP_DEVICE_OK, "");
	assert_int_equal(book_participate(&book, "ev-1", &out, NAN, T + 4 * H, &err), -EPERM);
}

static void test_opt_out_without_event(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H), d;
	bool out = false;

	(void)state;
	c.event_id[0] = '\0';
	offer(&c, T);
	assert_int_equal(book_participate(&book, "c1", &out, NAN, T, NULL), 0);
	assert_ack("c1", FLIP_FAILED_FAULT, "opted out by the owner"); /* the OK had not left yet */
	d = c;
	snprintf(d.id, sizeof(d.id), "c2");
	d.created_utc_ms = d.updated_utc_ms = T + MIN;
	offer(&d, T); /* an identical resend is bound as well */
	assert_ack("c2", FLIP_FAILED_FAULT, "opted out by the owner");
	assert_string_equal(running(T + H), "");
}

static void test_event_word(void **state)
{
	struct flip_event e = { .id = "ev-1", .starts_utc_ms = T + H, .ends_utc_ms = T + 4 * H, .participating = true, .updated_utc_ms = T };
	struct flip_command c = command("c1", T + H, T + 3 * H);
	struct book_event *v;
	bool out = false;

	(void)state;
	assert_int_equal(book_offer_event(&book, &e, T), BOOK_NEW);
	assert_int_equal(book_offer_event(&book, &e, T), BOOK_STALE);
	offer(&c, T);
	get("c1")->ack_due = false;
	book_participate(&book, "ev-1", &out, NAN, T, NULL);
	v = book_find_event(&book, "ev-1");
	e.updated_utc_ms++;
	book_offer_event(&book, &e, T); /* an update that does not know of it yet */
	e.updated_utc_ms = T + 40 * MIN; /* not even a late one: we have not told anybody */
	book_offer_event(&book, &e, T);
	assert_true(v->opted_out && !v->confirmed);
	v->tell_participating = false;
	v->owed = 2;
	book_told(&book, "ev-1");
	book_step(&book, dev, 3, T + 41 * MIN);
	assert_true(v->owed == 1 && v->told_utc_ms == 0);
	book_told(&book, "ev-1");
	book_step(&book, dev, 3, T + 42 * MIN);
	assert_int_equal(v->told_utc_ms, T + 42 * MIN);
	e.updated_utc_ms = T + 43 * MIN;
	e.participating = false;
	book_offer_event(&book, &e, T);
	assert_true(v->opted_out && v->confirmed);
	e.updated_utc_ms = T + 44 * MIN;
	e.participating = true; /* may be an echo of an earlier change of mind */
	book_offer_event(&book, &e, T);
	assert_true(v->opted_out);
	e.updated_utc_ms = T + 53 * MIN; /* taken back in by Flip's portal */
	book_offer_event(&book, &e, T + 53 * MIN);
	assert_false(v->opted_out);
	assert_string_equal(running(T + H), "c1");
}

static void test_reserve(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H);
	struct command_view v;

	(void)state;
	offer(&c, T);
	book_participate(&book, "ev-1", NULL, 40, 0, NULL);
	running(T + H);
	book_view(&book, book_in_force(&book, 0, T + H), &v);
	assert_true(v.active && v.owner_event_pct == 40 && isnan(v.event_pct) && v.command_pct == 20 && isnan(v.program_min_pct));
	assert_true(v.setpoint_w == 3000);
	c.updated_utc_ms = T + H; /* Flip resolves it anew */
	c.reserve_pct = 35;
	offer(&c, T + H);
	book_view(&book, book_in_force(&book, 0, T + H), &v);
	assert_true(isnan(v.owner_event_pct) && v.event_pct == 40 && v.command_pct == 35);
	book_view(&book, NULL, &v);
	assert_false(v.active);
}

static void test_participation_body(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H), d = command("c2", T + 3 * H, T + 4 * H);
	AUTO_JSON *o = NULL;
	AUTO_TEXT *text = NULL;
	bool out = false;

	(void)state;
	offer(&c, T);
	offer(&d, T);
	book_participate(&book, "ev-1", &out, 30, T, NULL);
	o = book_participation_encode(&book, book_find_event(&book, "ev-1"));
	text = cJSON_PrintUnformatted(o);
	assert_string_equal(text, "{\"event_id\":\"ev-1\",\"is_participating\":false,"
				  "\"device_settings\":[{\"device_id\":\"bat-1\",\"reserve_percentage\":30}]}");
}

static void test_round_trip(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H), d = command("c2", T + H, 0);
	struct book_entry back;
	struct book_event event_back;
	bool out = false;

	(void)state;
	offer(&c, T);
	running(T + H);
	get("c1")->delivered_wh = 123.4;
	snprintf(d.refusal, sizeof(d.refusal), "unsupported mode X");
	offer(&d, T);
	book_participate(&book, "ev-1", &out, 44, T, NULL);
	for (int i = 0; i < book.n; i++) {
		AUTO_JSON *o = book_entry_encode(&book.entry[i]), *p = NULL;
		AUTO_TEXT *a = cJSON_PrintUnformatted(o), *b = NULL;

		assert_int_equal(book_entry_decode(o, &back, NULL), 0);
		p = book_entry_encode(&back);
		b = cJSON_PrintUnformatted(p);
		assert_string_equal(a, b);
		assert_int_equal(back.c.device_status, FLIP_PENDING);
		assert_true(flip_command_same(&back.c, &book.entry[i].c));
	}
	{
		AUTO_JSON *o = book_event_encode(&book.event[0]);

		assert_int_equal(book_event_decode(o, &event_back, NULL), 0);
		assert_true(event_back.opted_out && event_back.owner_reserve_pct == 44 && event_back.tell_reserve);
		assert_string_equal(event_back.e.id, "ev-1");
	}
}

static void test_seen(void **state)
{
	char id[32];

	(void)state;
	assert_false(book_seen(&book, "msg_1"));
	book_mark_seen(&book, "msg_1");
	assert_true(book_seen(&book, "msg_1"));
	for (int i = 0; i < 3 * BOOK_SEEN_MAX; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		book_mark_seen(&book, id);
	}
	assert_false(book_seen(&book, "msg_1"));
	assert_true(book_seen(&book, id));
	snprintf(id, sizeof(id), "m%d", 2 * BOOK_SEEN_MAX);
	assert_true(book_seen(&book, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_opt_out), T_(test_opt_out_without_event), T_(test_event_word), T_(test_reserve), T_(test_participation_body),
		T_(test_round_trip), T_(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
