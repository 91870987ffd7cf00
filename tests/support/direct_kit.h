/* A hub in direct mode whose Flip, disk and telemetry are in memory, on a simulated clock. Include it in one test file. */
#ifndef HEARTH_TESTS_DIRECT_KIT_H
#define HEARTH_TESTS_DIRECT_KIT_H

#include "cloud/flip.h"
#include "flow/cloud/flip_link.h"
#include "io/log.h"
#include "support/fake_backlog.h"
#include "support/fake_http.h"
#include "support/fake_store.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define UTC 1768478400000LL /* 2026-01-15T12:00:00Z */
#define H 3600000LL
#define MINUTE 60000LL

static struct book book;
static struct outbox *box;
static struct flip_link *l;
static struct flip_link_options options;
static int64_t now_ms, utc_ms;
static bool trusted, paused;
static int n_changed, n_audit, n_commands, proven, refuted, done_status;
static struct topic_root root;

static inline int devices(void *context, struct book_device *out, int max)
{
	(void)context;
	assert_true(max >= 2);
	out[0] = (struct book_device){ .flip_device_id = "bat-1", .battery = true, .reachable = true, .charge_max_w = 5000,
				       .discharge_max_w = 5000 };
	out[1] = (struct book_device){ .flip_device_id = "" };
	return 2;
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

static inline void on_audit(void *context, const char *origin, const char *request, const char *result)
{
	(void)context;
	(void)origin;
	(void)request;
	(void)result;
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

	options = (struct flip_link_options){
		.mode = LINK_DIRECT, .site_id = "home", .flip_site_id = "home/1", .root = &root, .boot_id = "boot-1",
		.http = (struct http *)(void *)fake_http, .base_url = "https://flip.test/", .token = "fl_client", .book = &book,
		.backlog = FAKE_BACKLOG,
		.cb = { devices, clock_now, is_paused, clock_word, on_changed, on_command, NULL, NULL, on_audit, NULL },
	};
	book_init(&book, 24);
	assert_int_equal(outbox_open(&box, &o, NULL), 0);
	options.outbox = box;
	assert_int_equal(flip_link_start(&l, &options, NULL), 0);
}

static inline void stop(void)
{
	flip_link_stop(l);
	l = NULL;
	fake_commit(0);
	outbox_close(box);
}

/* kill -9: what is under way never reaches the disk, and nobody is told. */
static inline void kill_and_start(void)
{
	fake_commit(-EIO);
	fake_submit_error = -EAGAIN;
	flip_link_stop(l);
	fake_submit_error = 0;
	outbox_close(box);
	tel_under_way = false;
	fake_http_clear();
	start();
}

static inline int setup(void **state)
{
	(void)state;
	fake_clear();
	fake_http_clear();
	topic_root_set(&root, "hearth/1", "home");
	now_ms = 1000;
	utc_ms = UTC;
	trusted = true;
	paused = false;
	n_changed = n_audit = n_commands = proven = refuted = 0;
	fake_backlog_clear();
	done_status = 99;
	start();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	stop();
	fake_http_clear();
	fake_clear();
	return 0;
}

#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static inline struct flip_link_stats stats(void)
{
	struct flip_link_stats s;

	flip_link_stats(l, &s);
	return s;
}

static inline int rows_owed(void)
{
	struct outbox_stats s;

	outbox_stats(box, utc_ms, &s);
	return s.rows;
}

/* Lines the log holds with @part in them. */
static inline int said(const char *part)
{
	static struct log_line lines[LOG_KEEP];
	const int n = log_recent(lines, LOG_KEEP);
	int found = 0;

	for (int i = 0; i < n; i++)
		found += strstr(lines[i].text, part) != NULL;
	return found;
}

#endif
