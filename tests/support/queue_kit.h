/* A hub whose Flip link has its broker and its disk in memory. Include it in one test file. */
#ifndef HEARTH_TESTS_QUEUE_KIT_H
#define HEARTH_TESTS_QUEUE_KIT_H

#include "cloud/flip.h"
#include "flow/cloud/flip_link.h"
#include "io/crypto.h"
#include "support/fake_backlog.h"
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

static struct book book;
static struct outbox *box;
static struct flip_link *l;
static int64_t now_ms, utc_ms;
static bool trusted, paused;
static int n_changed, n_audit, n_commands, n_gone, proven, refuted, done_status;
static char audited[256];
static struct topic_root root;

static inline int devices(void *context, struct book_device *out, int max)
{
	(void)context;
	assert_true(max >= 1);
	out[0] = (struct book_device){ .flip_device_id = "bat-0042-1", .battery = true, .reachable = true, .charge_max_w = 5000,
				       .discharge_max_w = 5000 };
	return 1;
}

static inline bool clock_now(void *context, int64_t *now, int64_t *utc)
{
	(void)context;
	*now = now_ms;
	*utc = utc_ms;
	return trusted;
}

static inline bool is_paused(void *context)
{
	(void)context;
	return paused;
}

static inline void clock_word(void *context, enum flip_clock_word word, int64_t flip_utc_ms)
{
	(void)context;
	(void)flip_utc_ms;
	proven += word == FLIP_CLOCK_PROVEN;
	refuted += word == FLIP_CLOCK_REFUTED;
}

static inline void on_changed(void *context)
{
	(void)context;
	n_changed++;
}

static inline void on_command(void *context, const struct book_entry *e)
{
	(void)context;
	(void)e;
	n_commands++;
}

static inline void on_gone(void *context, const char *id, bool event)
{
	(void)context;
	(void)id;
	n_gone += event ? 100 : 1;
}

static inline void on_audit(void *context, const char *origin, const char *request, const char *result)
{
	(void)context;
	snprintf(audited, sizeof(audited), "%s|%s|%s", origin, request, result);
	n_audit++;
}

static inline void on_done(void *context, uint64_t ticket, int status)
{
	(void)context;
	(void)ticket;
	done_status = status;
}

static inline void start(void)
{
	struct outbox_options o = { 0 };
	struct flip_link_options f = { .mode = LINK_QUEUE, .mqtt = { .host = "127.0.0.1", .port = 1883 }, .site_id = "home", .root = &root,
				       .boot_id = "boot-1", .keys = { OLD_KEY, KEY }, .n_keys = 2, .book = &book, .backlog = FAKE_BACKLOG,
				       .cb = { devices, clock_now, is_paused, clock_word, on_changed, on_command, NULL, on_gone,
					       on_audit, NULL } };

	book_init(&book, 24);
	assert_int_equal(outbox_open(&box, &o, NULL), 0);
	f.outbox = box;
	assert_int_equal(flip_link_start(&l, &f, NULL), 0);
	n_out = 0;
	broker.cb.connected(broker.cb.context, false);
}

static inline void stop(void)
{
	flip_link_stop(l);
	fake_commit(0);
	outbox_close(box);
}

/* kill -9: what is under way never reaches the disk, and nobody is told. */
static inline void kill_and_start(void)
{
	fake_commit(-EIO);
	stop();
	start();
}

static inline int setup(void **state)
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
	fake_backlog_clear();
	start();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	stop();
	fake_clear();
	return 0;
}

#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
