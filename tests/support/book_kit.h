/* A book, three devices and the few words the book's tests speak. Every command made here is newer than the one before. */
#ifndef HEARTH_TESTS_BOOK_KIT_H
#define HEARTH_TESTS_BOOK_KIT_H

#include "cloud/book.h"

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
static int64_t version;

static inline int setup(void **state)
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

static inline struct flip_command command(const char *id, int64_t starts, int64_t ends)
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

static inline struct flip_command newer(struct flip_command c)
{
	c.updated_utc_ms = T + version++;
	return c;
}

static inline enum book_outcome offer(const struct flip_command *c, int64_t utc)
{
	return book_offer(&book, c, "command.created", &(struct book_scene){ dev, 3, true, false, utc });
}

static inline struct book_entry *get(const char *id)
{
	struct book_entry *e = book_find(&book, id);

	assert_non_null(e);
	return e;
}

/* What must go out, then "sent". */
static inline void assert_ack(const char *id, enum flip_device_status s, const char *reason)
{
	struct book_entry *e = get(id);

	if (!e->ack_due || e->ack != s || strcmp(e->ack_reason, reason) != 0)
		fail_msg("%s: due %d, %s '%s'", id, e->ack_due, flip_device_status_word(e->ack), e->ack_reason);
	e->ack_due = false;
}

static inline void assert_state(const char *id, enum book_state s)
{
	if (get(id)->state != s)
		fail_msg("%s is %s, not %s", id, book_state_word(get(id)->state), book_state_word(s));
}

static inline const char *running(int64_t utc)
{
	const struct book_entry *e;

	book_step(&book, dev, 3, utc);
	e = book_in_force(&book, 0, utc);
	return e ? e->c.id : "";
}

#define T_(f) cmocka_unit_test_setup(f, setup)

#endif
