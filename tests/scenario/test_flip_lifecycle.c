/* Flip and the book against each other on a simulated clock: random losses, duplicates, reorderings, cancels, opt-outs,
 * restarts with and without the last commit, an unreachable device, clock steps. Never in force outside the window, never
 * twice, never against the owner's wish; in the end every change is acknowledged and both sides agree.
 * HEARTH_SEED and HEARTH_SEQUENCES choose another run. */
#include "cloud/book.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define T0 1768478400000LL
#define MIN 60000LL
#define H 3600000LL
#define COMMANDS 24
#define MAIL 512
#define DEVICES 2

struct mail { bool used; int64_t at; char type[24]; struct flip_command c; };
struct wish { int64_t at; bool out; };

/* Flip's side */
static struct { struct flip_command c; int64_t sent_at; bool known_failed; } flip[COMMANDS];
static int n_flip;
static struct mail mail[MAIL];
static struct { int64_t at; char id[FLIP_ID_MAX]; enum flip_device_status s; } acks[MAIL];
static int n_acks;
static struct wish wishes[64];
static int n_wishes;
static bool flip_out;             /* Flip knows that the owner is out */

/* the hub's side */
static struct book book, committed;
static struct book_device dev[DEVICES];
static bool over[COMMANDS];      /* the hub has seen the end of it */
static bool link_up, trusted, owner_out;
static int64_t now, offset;
static uint64_t rng, seed;
static int sequence;
static struct { long ran, canceled, opted_out, resent, restarts; } seen;

static uint32_t below(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

static bool chance(uint32_t percent)
{
	return below(100) < percent;
}

#define CHECK(condition, ...)                                                                                                 \
	do {                                                                                                                  \
		if (!(condition)) {                                                                                           \
			print_error("HEARTH_SEED=%llu sequence %d, minute %lld: ", (unsigned long long)seed, sequence,        \
				    (long long)((now - T0) / MIN));                                                           \
			fail_msg(__VA_ARGS__);                                                                                \
		}                                                                                                             \
	} while (0)

static int64_t hub_utc(void)
{
	return trusted ? now + offset : 0;
}

static int index_of(const char *id)
{
	for (int i = 0; i < n_flip; i++)
		if (!strcmp(flip[i].c.id, id))
			return i;
	return -1;
}

/* ---- what the hub owes ---- */

/* One transaction: what is in the book and what is owed become true together. */
static void hub_commit(void)
{
	for (int i = 0; i < book.n; i++) {
		struct book_entry *e = &book.entry[i];

		if (e->ack_due) {
			CHECK(n_acks < MAIL && e->ack != FLIP_PENDING, "%s: an empty answer", e->c.id);
			acks[n_acks].at = now + below(2000);
			acks[n_acks].s = e->ack;
			snprintf(acks[n_acks++].id, FLIP_ID_MAX, "%s", e->c.id);
		}
		e->ack_due = e->changed = false;
	}
	for (int i = 0; i < book.n_events; i++) {
		if (book.event[i].tell_participating) {
			CHECK(n_wishes < 64, "too many wishes");
			wishes[n_wishes++] = (struct wish){ now + below(2000), book.event[i].opted_out };
			book.event[i].owed++;
		}
		book.event[i].tell_participating = book.event[i].changed = false;
	}
	committed.n = book.n;
	committed.n_events = book.n_events;
	memcpy(committed.entry, book.entry, sizeof(book.entry[0]) * (size_t)book.n);
	memcpy(committed.event, book.event, sizeof(book.event[0]) * (size_t)book.n_events);
}

/* ---- Flip ---- */

static void post(const char *type, const struct flip_command *c, bool may_fail)
{
	int copies = may_fail && chance(20) ? 0 : may_fail && chance(20) ? 2 : 1;

	for (int i = 0; i < MAIL && copies > 0; i++) {
		if (mail[i].used)
			continue;
		mail[i] = (struct mail){ true, now + (may_fail && chance(30) ? below(20) * MIN : below(3000)), "", *c };
		snprintf(mail[i].type, sizeof(mail[i].type), "%s", type);
		copies--;
	}
}

static void touch(struct flip_command *c)
{
	c->updated_utc_ms = c->updated_utc_ms >= now ? c->updated_utc_ms + 1 : now;
}

static void flip_create(const struct flip_command *like)
{
	struct flip_command c = { .mode = MODE_DISCHARGE, .power_mode = POWER_SETPOINT, .reserve_pct = NAN, .grid_import = TRI_UNSET };

	if (n_flip == COMMANDS)
		return;
	if (like) {
		c = *like;
		seen.resent++;
	} else {
		c.setpoint_w = 1000 + below(4) * 1000;
		c.starts_utc_ms = now + 10 * MIN + below(180) * MIN;
		c.ends_utc_ms = chance(10) ? 0 : c.starts_utc_ms + (15 + below(120)) * MIN;
		snprintf(c.device_id, sizeof(c.device_id), "bat-%u", below(DEVICES));
		if (!flip_out && !chance(20)) /* Flip asks no home that it knows to be out */
			snprintf(c.event_id, sizeof(c.event_id), "ev");
	}
	snprintf(c.id, sizeof(c.id), "c%d", n_flip);
	c.status = FLIP_OK;
	c.device_status = FLIP_PENDING;
	c.created_utc_ms = c.updated_utc_ms = now;
	flip[n_flip].c = c;
	flip[n_flip].sent_at = now;
	flip[n_flip].known_failed = false;
	over[n_flip++] = false;
	post("command.created", &c, true);
}

static void flip_change(int i)
{
	struct flip_command *c = &flip[i].c;

	if (c->ends_utc_ms && c->ends_utc_ms < now)
		return;
	if (chance(50)) {
		c->status = FLIP_CANCELED;
		seen.canceled++;
	} else if (chance(50) && c->ends_utc_ms) {
		c->ends_utc_ms += 15 * MIN;
	} else {
		c->setpoint_w += 100;
	}
	c->device_status = FLIP_PENDING;
	flip[i].sent_at = now;
	touch(c);
	post(c->status == FLIP_CANCELED ? "command.canceled" : "command.updated", c, true);
}

static void flip_takes_ack(const char *id, enum flip_device_status s)
{
	int i = index_of(id);

	CHECK(i >= 0, "an answer for %s, which Flip does not know", id);
	flip[i].c.device_status = s;
	touch(&flip[i].c);
	post("command.updated", &flip[i].c, true);
}

/* The owner's wish reaches Flip: commands of the event change their status. */
static void flip_takes_wish(bool out)
{
	flip_out = out;
	for (int i = 0; i < n_flip; i++) {
		struct flip_command *c = &flip[i].c;

		if (strcmp(c->event_id, "ev") != 0 || c->status == FLIP_CANCELED || (c->status == FLIP_OPT_OUT) == out)
			continue;
		c->status = out ? FLIP_OPT_OUT : FLIP_OK;
		c->device_status = FLIP_PENDING;
		flip[i].sent_at = now;
		touch(c);
		post("command.updated", c, true);
	}
}

static void flip_runs(void)
{
	for (int i = 0; i < n_flip; i++) /* the 15-minute rule */
		if (flip[i].c.device_status == FLIP_PENDING && flip[i].c.status == FLIP_OK && !flip[i].known_failed &&
		    now - flip[i].sent_at > 15 * MIN) {
			flip[i].known_failed = true;
			flip[i].c.device_status = FLIP_FAILED_OFFLINE;
			touch(&flip[i].c);
			flip_create(&flip[i].c);
		}
	while (link_up && n_acks > 0 && acks[0].at <= now) {
		flip_takes_ack(acks[0].id, acks[0].s);
		memmove(&acks[0], &acks[1], sizeof(acks[0]) * (size_t)--n_acks);
	}
	while (link_up && n_wishes > 0 && wishes[0].at <= now) {
		flip_takes_wish(wishes[0].out);
		book_told(&book, "ev");
		hub_commit();
		memmove(&wishes[0], &wishes[1], sizeof(wishes[0]) * (size_t)--n_wishes);
	}
}

static void flip_resync(void)
{
	for (int i = 0; i < n_flip; i++)
		if (!flip[i].c.ends_utc_ms || flip[i].c.ends_utc_ms > now || flip[i].c.device_status == FLIP_PENDING)
			post("command.updated", &flip[i].c, false);
}

/* ---- the hub ---- */

static void restart(void)
{
	book_init(&book, 4);
	for (int i = 0; i < committed.n_events; i++) {
		AUTO_JSON *o = book_event_encode(&committed.event[i]);
		struct book_event v;
		struct errbuf err = { "" };

		CHECK(book_event_decode(o, &v, &err) == 0, "event does not read back: %s", err.text);
		book_restore_event(&book, &v);
	}
	for (int i = 0; i < committed.n; i++) {
		AUTO_JSON *o = book_entry_encode(&committed.entry[i]);
		struct book_entry e;
		struct errbuf err = { "" };

		CHECK(book_entry_decode(o, &e, &err) == 0, "command does not read back: %s", err.text);
		book_restore(&book, &e);
	}
	seen.restarts++;
}

static void hub_step(void)
{
	book_step(&book, dev, DEVICES, hub_utc());
	hub_commit();
}

static void deliver(void)
{
	for (;;) {
		int next = -1;

		for (int i = 0; i < MAIL && link_up; i++)
			if (mail[i].used && mail[i].at <= now && (next < 0 || mail[i].at < mail[next].at || (chance(30))))
				next = i;
		if (next < 0)
			return;
		mail[next].used = false;
		book_offer(&book, &mail[next].c, mail[next].type, &(struct book_scene){ dev, DEVICES, true, false, hub_utc() });
		if (chance(3)) { /* killed before the commit: Flip never hears of it and sends it again */
			restart();
			post("command.updated", &mail[next].c, false);
			continue;
		}
		hub_step();
	}
}

static void owner_acts(void)
{
	bool participating = owner_out;

	if (book_participate(&book, "ev", &participating, NAN, hub_utc(), NULL) < 0)
		return;
	owner_out = !owner_out;
	seen.opted_out += owner_out;
	hub_commit();
}

static void check_hub(void)
{
	const int64_t utc = hub_utc();
	int running[DEVICES] = { 0 };

	for (int i = 0; i < book.n; i++) {
		const struct book_entry *e = &book.entry[i];
		const bool in_force = utc && e->device >= 0 && book_in_force(&book, e->device, utc) == e;
		const bool active = e->state == BOOK_ACTIVE || e->state == BOOK_SUSPENDED;
		const int k = index_of(e->c.id);

		CHECK(!e->ack_due, "%s: an answer was left behind", e->c.id);
		CHECK(k >= 0, "%s is nobody's", e->c.id);
		CHECK(!(e->ack == FLIP_PENDING && e->c.status == FLIP_OK && !book_state_is_end(e->state) && e->device >= 0 &&
			dev[e->device].reachable), "%s: the device answers, Flip does not hear of it", e->c.id);
		if (active && utc && e->device >= 0)
			running[e->device]++;
		if (in_force) {
			CHECK(utc >= e->c.starts_utc_ms && utc < (e->c.ends_utc_ms ? e->c.ends_utc_ms : e->c.starts_utc_ms + 4 * H),
			      "%s runs outside its window", e->c.id);
			CHECK(e->c.status == FLIP_OK, "%s runs though it was withdrawn", e->c.id);
			CHECK(!over[k], "%s runs a second time", e->c.id);
			CHECK(!owner_out || strcmp(e->c.event_id, "ev") != 0, "%s runs against the owner's wish", e->c.id);
			seen.ran++;
		}
		over[k] = over[k] || e->state == BOOK_DONE || e->state == BOOK_SUPERSEDED || e->state == BOOK_EXPIRED;
	}
	for (int d = 0; d < DEVICES; d++)
		CHECK(running[d] <= 1, "%d commands run at once on device %d", running[d], d);
}

static void world_changes(void)
{
	if (chance(4))
		link_up = !link_up;
	if (chance(4))
		dev[below(DEVICES)].reachable ^= true;
	if (chance(3))
		trusted = !trusted;
	if (chance(3))
		offset = (int64_t)below(600) * 1000 - 300000;
	if (chance(2))
		restart();
	if (chance(2))
		owner_acts();
	if (chance(8))
		flip_create(NULL);
	if (chance(4) && n_flip)
		flip_change((int)below((uint32_t)n_flip));
	if (chance(3) && n_flip && flip[below((uint32_t)n_flip)].c.status == FLIP_OK) {
		int i = (int)below((uint32_t)n_flip);

		touch(&flip[i].c);
		post(chance(50) ? "command.started" : "command.ended", &flip[i].c, true);
	}
	if (link_up && chance(5))
		flip_resync();
}

/* Everything works again: nothing may be left unsaid. */
static void settle(void)
{
	link_up = trusted = true;
	offset = 0;
	for (int d = 0; d < DEVICES; d++)
		dev[d].reachable = true;
	for (int round = 0; round < 12; round++) {
		now += MIN;
		if (round % 3 == 0)
			flip_resync();
		deliver();
		hub_step();
		check_hub();
		now += 5000;
		for (int i = 0; i < n_flip; i++)
			flip[i].known_failed = true; /* no new resends now */
		flip_runs();
	}
	for (int i = 0; i < n_flip; i++) {
		const struct book_entry *e = book_find(&book, flip[i].c.id);

		CHECK(flip[i].c.device_status != FLIP_PENDING, "%s was never acknowledged", flip[i].c.id);
		if (!e || (e->state != BOOK_ACTIVE && e->state != BOOK_SCHEDULED))
			continue;
		CHECK(flip[i].c.status == FLIP_OK && flip[i].c.device_status == FLIP_DEVICE_OK, "%s is %s here, %s %s at Flip", e->c.id,
		      book_state_word(e->state), flip_status_word(flip[i].c.status), flip_device_status_word(flip[i].c.device_status));
	}
}

static void one_sequence(void)
{
	n_flip = n_acks = n_wishes = 0;
	memset(mail, 0, sizeof(mail));
	memset(over, 0, sizeof(over));
	book_init(&book, 4);
	committed.n = committed.n_events = 0;
	link_up = trusted = true;
	owner_out = flip_out = false;
	now = T0;
	offset = 0;
	for (int d = 0; d < DEVICES; d++) {
		dev[d] = (struct book_device){ .battery = true, .reachable = true, .charge_max_w = 5000, .discharge_max_w = 5000 };
		snprintf(dev[d].flip_device_id, sizeof(dev[d].flip_device_id), "bat-%d", d);
	}
	for (int step = 0; step < 120; step++) {
		now += chance(50) ? below(10000) : below(5) * MIN;
		world_changes();
		flip_runs();
		deliver();
		hub_step();
		check_hub();
	}
	settle();
}

static void test_lifecycle(void **state)
{
	const char *seed_text = getenv("HEARTH_SEED"), *n_text = getenv("HEARTH_SEQUENCES");
	const long n = n_text ? atol(n_text) : 1500;

	(void)state;
	seed = seed_text ? strtoull(seed_text, NULL, 0) : 20260115;
	print_message("HEARTH_SEED=%llu, %ld sequences\n", (unsigned long long)seed, n);
	for (sequence = 0; sequence < n; sequence++) {
		rng = (seed + (uint64_t)sequence) * 2654435761u + 88172645463325252u;
		for (int i = 0; i < 8; i++)
			below(2);
		one_sequence();
	}
	print_message("in force %ld, canceled %ld, opted out %ld, resent %ld, restarts %ld\n", seen.ran, seen.canceled, seen.opted_out,
		      seen.resent, seen.restarts);
	/* a world in which nothing happens proves nothing */
	assert_true(seen.ran > n && seen.canceled > n / 10 && seen.opted_out > n / 10 && seen.resent > n / 10 && seen.restarts > n);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lifecycle) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
