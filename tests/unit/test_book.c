/* The command book: answers, windows, overlap, resends, withdrawals, trouble. */
#include "support/book_kit.h"

#include <errno.h>

struct judged {
	const char *name, *device_id, *refusal;
	double setpoint_w;
	enum battery_mode mode;
	bool islanded, fault, paused;
	int64_t offset_ms;           /* of the arrival against the start */
	enum book_state state;
	enum flip_device_status ack;
	const char *reason;
};

static const struct judged JUDGED[] = {
	{ "unknown device", "bat-9", "", 3000, MODE_DISCHARGE, false, false, false, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "unknown device" },
	{ "charger", "car-1", "", 3000, MODE_DISCHARGE, false, false, false, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "unsupported command type" },
	{ "refusal", "bat-1", "unsupported mode X", 3000, MODE_STANDBY, false, false, false, -H, BOOK_REFUSED, FLIP_FAILED_FAULT,
	  "unsupported mode X" },
	{ "expired", "bat-1", "", 3000, MODE_DISCHARGE, false, false, false, 2 * H, BOOK_EXPIRED, FLIP_FAILED_FAULT, "expired" },
	{ "paused", "bat-1", "", 3000, MODE_DISCHARGE, false, false, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "paused" },
	{ "fault", "bat-1", "", 3000, MODE_DISCHARGE, false, true, false, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "device fault" },
	{ "islanded", "bat-1", "", 3000, MODE_DISCHARGE, true, false, false, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "islanded" },
	{ "clamped out", "bat-1", "", 9000, MODE_DISCHARGE, false, false, false, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "clamped to 4000 W" },
	{ "clamped in", "bat-1", "", 9000, MODE_CHARGE, false, false, false, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "clamped to 5000 W" },
	{ "rating unknown", "bat-2", "", 9000, MODE_CHARGE, false, false, false, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "" },
	{ "late", "bat-1", "", 3000, MODE_DISCHARGE, false, false, false, H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "" },
	{ "plain", "bat-1", "", 3000, MODE_DISCHARGE, false, false, false, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "" },
};

static void test_judged(void **state)
{
	for (size_t i = 0; i < sizeof(JUDGED) / sizeof(JUDGED[0]); i++) {
		const struct judged *r = &JUDGED[i];
		struct flip_command c;
		const struct book_entry *e;

		setup(state);
		c = command("c1", T + 6 * H, T + 8 * H);
		c.mode = r->mode;
		c.setpoint_w = r->setpoint_w;
		snprintf(c.device_id, sizeof(c.device_id), "%s", r->device_id);
		snprintf(c.refusal, sizeof(c.refusal), "%s", r->refusal);
		dev[0].islanded = r->islanded;
		dev[0].fault = r->fault;
		book_offer(&book, &c, "command.created", &(struct book_scene){ dev, 3, true, r->paused, c.starts_utc_ms + r->offset_ms });
		e = book_find(&book, "c1");
		if (!e || e->state != r->state || !e->ack_due || e->ack != r->ack || strcmp(e->ack_reason, r->reason) != 0)
			fail_msg("%s: %s, %s '%s'", r->name, e ? book_state_word(e->state) : "?", e ? flip_device_status_word(e->ack) : "?",
				 e ? e->ack_reason : "");
	}
}

static void test_foreign(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	snprintf(c.device_id, sizeof(c.device_id), "other-hub");
	assert_int_equal(book_offer(&book, &c, "", &(struct book_scene){ dev, 3, false, false, T }), BOOK_FOREIGN);
	assert_int_equal(book.n, 0);
	snprintf(c.device_id, sizeof(c.device_id), "bat-1");
	assert_int_equal(book_offer(&book, &c, "", &(struct book_scene){ dev, 3, false, false, T }), BOOK_NEW);
}

/* A list names for a week what was over and forgotten long ago, and may do so before the clock is set. */
static void test_listed_after_its_end(void **state)
{
	static const struct { const char *name; enum flip_device_status at_flip; bool addressed, endless, timeless; enum book_outcome out;
			      bool due; } ROWS[] = {
		{ "taken", FLIP_DEVICE_OK, false, false, false, BOOK_STALE, false },
		{ "taken, without an end", FLIP_DEVICE_OK, false, true, false, BOOK_STALE, false },
		{ "failed", FLIP_FAILED_FAULT, false, false, false, BOOK_STALE, false },
		{ "offline", FLIP_FAILED_OFFLINE, false, false, false, BOOK_STALE, false },
		{ "still waited for", FLIP_PENDING, false, false, false, BOOK_NEW, true },
		{ "sent to us", FLIP_DEVICE_OK, true, false, false, BOOK_NEW, true },
		{ "taken, read without a clock", FLIP_DEVICE_OK, false, false, true, BOOK_NEW, false },
		{ "waited for, read without a clock", FLIP_PENDING, false, false, true, BOOK_NEW, true },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct book_scene scene = { dev, 3, ROWS[i].addressed, false, ROWS[i].timeless ? 0 : T };
		struct flip_command c;
		enum book_outcome r;

		setup(state);
		c = command("c1", T - 40 * H, ROWS[i].endless ? 0 : T - 30 * H);
		c.device_status = ROWS[i].at_flip;
		r = book_offer(&book, &c, "", &scene);
		if (r == BOOK_NEW && ROWS[i].timeless) { /* through the disk: a restart between the two changes nothing */
			AUTO_JSON *o = book_entry_encode(&book.entry[0]);

			assert_int_equal(book_entry_decode(o, &book.entry[0], NULL), 0);
			book.entry[0].ack_due = false;
		}
		book_step(&book, dev, 3, T);
		if (r != ROWS[i].out || book.n != (r == BOOK_NEW) || (book.n && book.entry[0].ack_due != ROWS[i].due))
			fail_msg("%s: outcome %d, %d entries, %s '%s'", ROWS[i].name, r, book.n,
				 book.n ? flip_device_status_word(book.entry[0].ack) : "", book.n ? book.entry[0].ack_reason : "");
		if (book.n && !book_state_is_end(book.entry[0].state))
			fail_msg("%s: not over", ROWS[i].name);
	}
}

/* Flip shortens what runs, and has our OK already. */
static void test_cut_short_by_poll(void **state)
{
	struct flip_command c = command("c1", T, T + 2 * H);

	(void)state;
	offer(&c, T);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + MIN), "c1");
	c = newer(c);
	c.ends_utc_ms = T + H;
	c.device_status = FLIP_DEVICE_OK;
	book_offer(&book, &c, "", &(struct book_scene){ dev, 3, false, false, T + H + MIN });
	assert_string_equal(running(T + H + MIN), "");
	assert_state("c1", BOOK_DONE);
	assert_false(get("c1")->ack_due);
}

static void test_window(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	assert_int_equal(offer(&c, T), BOOK_NEW);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_int_equal(book_step(&book, dev, 3, T), T + H);
	assert_string_equal(running(T + H - 1), "");
	assert_string_equal(running(T + H), "c1");
	assert_int_equal(book_step(&book, dev, 3, T + H), T + 2 * H);
	assert_string_equal(running(T + 2 * H - 1), "c1");
	assert_null(book_in_force(&book, 0, T + 2 * H)); /* even before the step */
	assert_string_equal(running(T + 2 * H), "");
	assert_state("c1", BOOK_DONE);
	assert_string_equal(running(T + 90 * MIN), ""); /* the clock is set back: never twice */
	c = newer(c);
	c.ends_utc_ms = T + 5 * H;
	assert_int_equal(offer(&c, T + 2 * H), BOOK_UPDATED);
	assert_ack("c1", FLIP_FAILED_FAULT, "already over");
	assert_string_equal(running(T + 3 * H), "");
}

static void test_clock_back_before_start(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	offer(&c, T);
	assert_string_equal(running(T + H + 5), "c1");
	assert_null(book_in_force(&book, 0, T + 30 * MIN));
	assert_string_equal(running(T + 30 * MIN), "");
	assert_state("c1", BOOK_SCHEDULED);
	assert_string_equal(running(T + H), "c1");
}

static void test_slept_through(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	offer(&c, T);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + 3 * H), "");
	assert_state("c1", BOOK_EXPIRED);
	assert_ack("c1", FLIP_FAILED_OFFLINE, "not run: the hub was off or without a trusted clock");
}

static void test_untrusted_clock(void **state)
{
	struct flip_command c = command("c1", T - 5 * H, T - 4 * H);

	(void)state;
	assert_int_equal(offer(&c, 0), BOOK_NEW);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_int_equal(book_step(&book, dev, 3, 0), 0);
	assert_state("c1", BOOK_SCHEDULED);
	book_step(&book, dev, 3, T);
	assert_state("c1", BOOK_EXPIRED);
	assert_true(get("c1")->ack_due);
}

static void test_unreachable(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H), d = command("d1", T + 3 * H, T + 4 * H);

	(void)state;
	dev[0].reachable = false;
	offer(&c, T);
	assert_false(get("c1")->ack_due);
	get("c1")->changed = false;
	assert_int_equal(book_step(&book, dev, 3, T + 5 * MIN), get("c1")->ack_by_utc_ms);
	assert_false(get("c1")->ack_due);
	assert_false(get("c1")->changed); /* waiting is no news */
	book_step(&book, dev, 3, get("c1")->ack_by_utc_ms);
	assert_ack("c1", FLIP_FAILED_OFFLINE, "device does not answer");
	assert_state("c1", BOOK_FAILED);
	offer(&d, T + 20 * MIN);
	dev[0].reachable = true;
	book_step(&book, dev, 3, T + 21 * MIN);
	assert_ack("d1", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + 61 * MIN), ""); /* what was refused does not run */
	assert_string_equal(running(T + 3 * H), "d1");
}

static void test_duplicates(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H), old = c, echo;

	(void)state;
	offer(&c, T);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_int_equal(offer(&c, T), BOOK_STALE);
	assert_ack("c1", FLIP_DEVICE_OK, ""); /* Flip still waits: said again */
	c = newer(c);
	c.device_status = FLIP_DEVICE_OK;
	assert_int_equal(offer(&c, T), BOOK_UPDATED);
	assert_false(get("c1")->ack_due); /* Flip's echo of our answer */
	echo = c;
	c = newer(c);
	c.setpoint_w = 2000;
	c.device_status = FLIP_PENDING;
	assert_int_equal(offer(&c, T), BOOK_UPDATED);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_int_equal(offer(&old, T), BOOK_STALE);
	assert_int_equal(offer(&echo, T), BOOK_STALE);
	assert_true(get("c1")->power_w == 2000);
	assert_false(get("c1")->ack_due);
	assert_int_equal(book.n, 1);
}

static void test_withdrawn(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H), d;

	(void)state;
	offer(&c, T);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + H), "c1");
	d = newer(c);
	d.status = FLIP_CANCELED;
	assert_int_equal(offer(&d, T + H), BOOK_UPDATED);
	assert_null(book_in_force(&book, 0, T + H)); /* at once, without a step */
	assert_state("c1", BOOK_CANCELED);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_int_equal(offer(&c, T + H), BOOK_STALE); /* the creation comes late */
	assert_string_equal(running(T + H + 1), "");
	d = newer(d);
	d.status = FLIP_OK; /* Flip thinks again */
	offer(&d, T + H);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + H + 2), "c1");
	d = newer(d);
	d.status = FLIP_STATUS_UNKNOWN;
	snprintf(d.refusal, sizeof(d.refusal), "unsupported status PERHAPS");
	offer(&d, T + H);
	assert_ack("c1", FLIP_FAILED_FAULT, "unsupported status PERHAPS");
	assert_string_equal(running(T + H + 3), "");
	c = command("c2", T + H, T + 2 * H); /* only the cancelation arrives, for a device nobody knows */
	c.status = FLIP_CANCELED;
	snprintf(c.device_id, sizeof(c.device_id), "bat-9");
	offer(&c, T);
	assert_ack("c2", FLIP_DEVICE_OK, "");
	assert_state("c2", BOOK_CANCELED);
}

static void test_ended(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	offer(&c, T);
	running(T + H);
	c.device_status = FLIP_DEVICE_OK;
	assert_int_equal(book_offer(&book, &c, "command.ended", &(struct book_scene){ dev, 3, true, false, T + H }), BOOK_UPDATED); /* same version */
	assert_null(book_in_force(&book, 0, T + H));
	assert_state("c1", BOOK_DONE);
	c = newer(c);
	offer(&c, T + H);
	assert_string_equal(running(T + H + 1), "");
	c = command("c2", T + H, T + 2 * H);
	book_offer(&book, &c, "command.ended", &(struct book_scene){ dev, 3, true, false, T + H });
	assert_ack("c2", FLIP_DEVICE_OK, "");
	assert_string_equal(running(T + H + 2), "");
}

static void test_started(void **state)
{
	struct flip_command c = command("c1", T + H, T + 2 * H);

	(void)state;
	offer(&c, T);
	c = newer(c);
	c.device_status = FLIP_DEVICE_OK;
	book_offer(&book, &c, "command.started", &(struct book_scene){ dev, 3, true, false, T + H - 2000 });
	assert_string_equal(running(T + H - 2000), ""); /* the window is exact */
	assert_string_equal(running(T + H), "c1");
}

static void test_overlap(void **state)
{
	struct flip_command a = command("a", T + H, T + 5 * H), b = command("b", T + 2 * H, T + 3 * H);

	(void)state;
	offer(&b, T);
	offer(&a, T);
	assert_string_equal(running(T + H), "a");
	assert_string_equal(running(T + 2 * H), "b"); /* created later */
	assert_state("a", BOOK_SUPERSEDED);
	assert_string_equal(get("a")->superseded_by, "b");
	assert_string_equal(running(T + 3 * H), ""); /* what ran and was replaced does not come back */
	assert_state("b", BOOK_DONE);
}

static void test_overlap_later_part(void **state)
{
	struct flip_command a = command("a", T + 2 * H, T + 6 * H), b = command("b", T + H, T + 3 * H), c = command("c", T + H, T + 9 * H);

	(void)state;
	snprintf(c.device_id, sizeof(c.device_id), "bat-2");
	offer(&a, T);
	offer(&b, T);
	offer(&c, T);
	assert_string_equal(running(T + 2 * H), "b");
	assert_state("a", BOOK_SCHEDULED); /* has not begun: takes over for the rest */
	assert_string_equal(running(T + 3 * H), "a");
	assert_string_equal(get("a")->superseded_by, "");
	assert_string_equal(book_in_force(&book, 1, T + 3 * H)->c.id, "c"); /* the other battery is not concerned */
}

static void test_tie(void **state)
{
	struct flip_command a = command("a", T + H, T + 5 * H), b = command("b", T + 2 * H, T + 5 * H), z = command("z", T + 2 * H, T + 5 * H);

	(void)state;
	b.setpoint_w = 1000;
	z.setpoint_w = 2000;
	a.created_utc_ms = b.created_utc_ms = z.created_utc_ms = T;
	offer(&z, T);
	offer(&a, T);
	offer(&b, T);
	assert_string_equal(running(T + H), "a");
	assert_string_equal(running(T + 2 * H), "z");
}

static void test_endless(void **state)
{
	struct flip_command b = command("b", T + 2 * H, T + 3 * H), a = command("a", T + H, 0);

	(void)state;
	offer(&a, T); /* created after b, and yet: it runs until the next one starts */
	offer(&b, T);
	assert_string_equal(running(T + H), "a");
	assert_string_equal(running(T + 2 * H), "b");
	assert_state("a", BOOK_SUPERSEDED);
	assert_string_equal(running(T + 3 * H), "");
	a = command("a2", T + 4 * H, 0);
	offer(&a, T + 3 * H);
	assert_string_equal(running(T + 28 * H - 1), "a2");
	assert_string_equal(running(T + 28 * H), ""); /* the safety limit */
	assert_state("a2", BOOK_DONE);
}

static void test_resend(void **state)
{
	struct flip_command a = command("a", T + H, T + 3 * H), b = a, old;

	(void)state;
	offer(&a, T);
	running(T + H);
	get("a")->delivered_wh = 500;
	b.created_utc_ms = b.updated_utc_ms = T + 20 * MIN;
	snprintf(b.id, sizeof(b.id), "b");
	offer(&b, T + H);
	assert_ack("b", FLIP_DEVICE_OK, "");
	assert_state("a", BOOK_SUPERSEDED);
	assert_non_null(book_in_force(&book, 0, T + H)); /* no gap, not even until the next step */
	assert_string_equal(book_in_force(&book, 0, T + H)->c.id, "b");
	assert_true(get("b")->delivered_wh == 500);
	old = a;
	old.created_utc_ms = T - MIN;
	snprintf(old.id, sizeof(old.id), "old"); /* an older copy arrives last */
	offer(&old, T + H);
	assert_state("old", BOOK_SUPERSEDED);
	assert_ack("old", FLIP_FAILED_FAULT, "superseded by b");
	b = newer(b);
	b.updated_utc_ms = T + 30 * MIN;
	book_offer(&book, &b, "command.ended", &(struct book_scene){ dev, 3, true, false, T + 2 * H });
	snprintf(old.id, sizeof(old.id), "older"); /* and another when all is over */
	offer(&old, T + 2 * H);
	assert_string_equal(running(T + 2 * H), "");
	assert_state("older", BOOK_SUPERSEDED);
}

static void test_preparatory(void **state)
{
	struct flip_command p = command("p", T + H, T + 2 * H), m = command("m", T + 2 * H, T + 3 * H);

	(void)state;
	p.preparatory = true;
	p.mode = MODE_CHARGE;
	offer(&p, T);
	offer(&m, T);
	assert_string_equal(running(T + 2 * H - 1), "p");
	assert_string_equal(running(T + 2 * H), "m");
	assert_state("p", BOOK_DONE);
}

static void test_trouble(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H);

	(void)state;
	offer(&c, T);
	assert_ack("c1", FLIP_DEVICE_OK, "");
	running(T + H);
	dev[0].reachable = false;
	assert_string_equal(running(T + H + MIN), "c1"); /* the window holds, the device does not */
	assert_ack("c1", FLIP_FAILED_OFFLINE, "device does not answer");
	running(T + H + 2 * MIN);
	assert_false(get("c1")->ack_due);
	dev[0].reachable = true;
	running(T + H + 3 * MIN);
	assert_ack("c1", FLIP_DEVICE_OK, "device is back");
	book_trouble(&book, 0, FLIP_FAILED_FAULT, "refused by the inverter");
	book_trouble(&book, 0, FLIP_FAILED_FAULT, "refused by the inverter");
	assert_ack("c1", FLIP_FAILED_FAULT, "refused by the inverter");
	running(T + H + 4 * MIN);
	assert_false(get("c1")->ack_due); /* not ours to take back */
	assert_string_equal(running(T + 3 * H), "");
	assert_state("c1", BOOK_FAILED);
}

static void test_suspended(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H);

	(void)state;
	offer(&c, T);
	running(T + H);
	get("c1")->ack_due = false;
	book_suspend(&book, 0, true);
	assert_state("c1", BOOK_SUSPENDED);
	assert_string_equal(running(T + 2 * H), "c1");
	book_suspend(&book, 0, false);
	assert_state("c1", BOOK_ACTIVE);
	book_suspend(&book, 0, true);
	running(T + 3 * H);
	assert_state("c1", BOOK_DONE); /* suspended, not failed */
	assert_false(get("c1")->ack_due);
}

static int n_gone;
static void on_gone(void *context, const char *id, bool event)
{
	(void)context;
	(void)id;
	n_gone += event ? 100 : 1;
}

static void test_full_and_forget(void **state)
{
	char id[16];
	struct flip_command c;
	bool out = false;

	(void)state;
	for (int i = 0; i < BOOK_COMMANDS_MAX; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		c = command(id, T + i * H, T + (i + 1) * H);
		assert_int_equal(offer(&c, T), BOOK_NEW);
		get(id)->ack_due = false;
	}
	c = command("more", T + H, T + 2 * H);
	assert_int_equal(offer(&c, T), BOOK_FULL);
	book_participate(&book, "ev-1", &out, NAN, T, NULL); /* all are at an end state, and all windows but none are over */
	for (int i = 0; i < book.n; i++)
		book.entry[i].changed = book.entry[i].ack_due = false;
	book.event[0].changed = false;
	n_gone = 0;
	book_forget(&book, T + 10 * H, 0, on_gone, NULL);
	assert_int_equal(n_gone, 10); /* what could still be in its window is kept: it guards against a second run */
	book_forget(&book, T + 400 * H, 24 * H, on_gone, NULL);
	assert_int_equal(n_gone, BOOK_COMMANDS_MAX + 100);
	assert_int_equal(book.n + book.n_events, 0);
}

static void test_first_sight(void **state)
{
	struct flip_command c = command("c1", T + H, T + 3 * H);

	(void)state;
	c.device_status = FLIP_FAILED_OFFLINE; /* Flip has given it up already: a replacement comes */
	offer(&c, T);
	assert_string_equal(running(T + H), "");
	c = command("c2", T + H, T + 3 * H);
	c.device_status = FLIP_DEVICE_OK; /* our store was lost, Flip remembers our OK */
	offer(&c, T);
	assert_false(get("c2")->ack_due);
	assert_string_equal(running(T + H), "c2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_judged), T_(test_foreign), T_(test_listed_after_its_end), T_(test_cut_short_by_poll),
		T_(test_window), T_(test_clock_back_before_start), T_(test_slept_through),
		T_(test_untrusted_clock), T_(test_unreachable), T_(test_duplicates), T_(test_withdrawn), T_(test_ended), T_(test_started),
		T_(test_overlap), T_(test_overlap_later_part), T_(test_tie), T_(test_endless), T_(test_resend), T_(test_preparatory),
		T_(test_trouble), T_(test_suspended), T_(test_full_and_forget), T_(test_first_sight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
