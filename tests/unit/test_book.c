/* The command book: answers, windows, overlap, resends, withdrawals, the owner's participation, the stored form. */
#include "cloud/book.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define MIN 60000LL
#define H 3600000LL

static struct book book;
static struct book_device dev[3];
static int64_t version; /* every message made here is newer than the one before */

static int setup(void **state)
{
	(void)state;
	book_init(&book, 24);
	version = 0;
	memset(dev, 0, sizeof(dev));
	dev[0] = (struct book_device){ .flip_device_id = "bat-1", .battery = true, .reachable = true, .charge_max_w = 5000,
				       .discharge_max_w = 4000 };
	dev[1] = (struct book_device){ .flip_device_id = "bat-2", .battery = true, .reachable = true };
	dev[2] = (struct book_device){ .flip_device_id = "car-1", .reachable = true };
	return 0;
}

static struct flip_command command(const char *id, int64_t starts, int64_t ends)
{
	struct flip_command c = { .mode = MODE_DISCHARGE, .power_mode = POWER_SETPOINT, .setpoint_w = 3000, .reserve_pct = 20,
				  .grid_import = TRI_NO, .starts_utc_ms = starts, .ends_utc_ms = ends,
				  .created_utc_ms = T + version, .updated_utc_ms = T + version };

	version++;
	snprintf(c.id, sizeof(c.id), "%s", id);
	snprintf(c.event_id, sizeof(c.event_id), "ev-1");
	snprintf(c.device_id, sizeof(c.device_id), "bat-1");
	return c;
}

static struct flip_command newer(struct flip_command c)
{
	c.updated_utc_ms = T + version++;
	return c;
}

static enum book_outcome offer(const struct flip_command *c, int64_t utc)
{
	return book_offer(&book, c, "command.created", true, dev, 3, false, utc);
}

static struct book_entry *get(const char *id)
{
	struct book_entry *e = book_find(&book, id);

	assert_non_null(e);
	return e;
}

/* What must go out, then "sent". */
static void assert_ack(const char *id, enum flip_device_status s, const char *reason)
{
	struct book_entry *e = get(id);

	if (!e->ack_due || e->ack != s || strcmp(e->ack_reason, reason) != 0)
		fail_msg("%s: due %d, %s '%s'", id, e->ack_due, flip_device_status_word(e->ack), e->ack_reason);
	e->ack_due = false;
}

static void assert_state(const char *id, enum book_state s)
{
	if (get(id)->state != s)
		fail_msg("%s is %s, not %s", id, book_state_word(get(id)->state), book_state_word(s));
}

static const char *running(int64_t utc)
{
	const struct book_entry *e;

	book_step(&book, dev, 3, utc);
	e = book_in_force(&book, 0, utc);
	return e ? e->c.id : "";
}

struct judged {
	const char *name, *device_id, *refusal;
	double setpoint_w;
	enum battery_mode mode;
	bool islanded, fault, paused, addressed;
	int64_t offset_ms;           /* of the arrival against the start */
	enum book_state state;
	enum flip_device_status ack;
	const char *reason;
};

static const struct judged JUDGED[] = {
	{ "unknown device", "bat-9", "", 3000, MODE_DISCHARGE, false, false, false, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "unknown device" },
	{ "charger", "car-1", "", 3000, MODE_DISCHARGE, false, false, false, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "unsupported command type" },
	{ "refusal", "bat-1", "unsupported mode X", 3000, MODE_STANDBY, false, false, false, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT,
	  "unsupported mode X" },
	{ "expired", "bat-1", "", 3000, MODE_DISCHARGE, false, false, false, true, 2 * H, BOOK_EXPIRED, FLIP_FAILED_FAULT, "expired" },
	{ "paused", "bat-1", "", 3000, MODE_DISCHARGE, false, false, true, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "paused" },
	{ "fault", "bat-1", "", 3000, MODE_DISCHARGE, false, true, false, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "device fault" },
	{ "islanded", "bat-1", "", 3000, MODE_DISCHARGE, true, false, false, true, -H, BOOK_REFUSED, FLIP_FAILED_FAULT, "islanded" },
	{ "clamped out", "bat-1", "", 9000, MODE_DISCHARGE, false, false, false, true, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "clamped to 4000 W" },
	{ "clamped in", "bat-1", "", 9000, MODE_CHARGE, false, false, false, true, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "clamped to 5000 W" },
	{ "rating unknown", "bat-2", "", 9000, MODE_CHARGE, false, false, false, true, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "" },
	{ "late", "bat-1", "", 3000, MODE_DISCHARGE, false, false, false, true, H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "" },
	{ "plain", "bat-1", "", 3000, MODE_DISCHARGE, false, false, false, true, -H, BOOK_SCHEDULED, FLIP_DEVICE_OK, "" },
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
		book_offer(&book, &c, "command.created", r->addressed, dev, 3, r->paused, c.starts_utc_ms + r->offset_ms);
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
	assert_int_equal(book_offer(&book, &c, "", false, dev, 3, false, T), BOOK_FOREIGN);
	assert_int_equal(book.n, 0);
	snprintf(c.device_id, sizeof(c.device_id), "bat-1");
	assert_int_equal(book_offer(&book, &c, "", false, dev, 3, false, T), BOOK_NEW);
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
	assert_int_equal(book_offer(&book, &c, "command.ended", true, dev, 3, false, T + H), BOOK_UPDATED); /* same version */
	assert_null(book_in_force(&book, 0, T + H));
	assert_state("c1", BOOK_DONE);
	c = newer(c);
	offer(&c, T + H);
	assert_string_equal(running(T + H + 1), "");
	c = command("c2", T + H, T + 2 * H);
	book_offer(&book, &c, "command.ended", true, dev, 3, false, T + H);
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
	book_offer(&book, &c, "command.started", true, dev, 3, false, T + H - 2000);
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
	book_offer(&book, &b, "command.ended", true, dev, 3, false, T + 2 * H);
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

#define T_(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_judged), T_(test_foreign), T_(test_window), T_(test_clock_back_before_start), T_(test_slept_through),
		T_(test_untrusted_clock), T_(test_unreachable), T_(test_duplicates), T_(test_withdrawn), T_(test_ended), T_(test_started),
		T_(test_overlap), T_(test_overlap_later_part), T_(test_tie), T_(test_endless), T_(test_resend), T_(test_preparatory),
		T_(test_trouble), T_(test_suspended), T_(test_opt_out), T_(test_opt_out_without_event), T_(test_event_word),
		T_(test_reserve), T_(test_participation_body), T_(test_full_and_forget), T_(test_first_sight), T_(test_round_trip),
		T_(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
