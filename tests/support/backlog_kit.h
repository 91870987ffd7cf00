/* A backlog on a store in memory, and a Flip that notes what it was sent. Include it in one test file; time moves by kit_run. */
#ifndef HEARTH_TESTS_BACKLOG_KIT_H
#define HEARTH_TESTS_BACKLOG_KIT_H

#include "flow/cloud/backlog.h"

#include "support/fake_store.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UTC 1768478400000LL
#define STEP_S 300
#define SENDS_MAX 4096

static struct backlog *log_;
static int64_t now;              /* monotonic ms */
static struct { char id[BACKLOG_ID_MAX]; int n; int64_t at_ms, first_utc_ms; } sends[SENDS_MAX];
static int n_sends, send_error;
static struct telemetry_point last[TELEMETRY_BATCH_MAX]; /* points of the last send */
static bool open_batch;          /* sent and not answered by the test */

/* What Flip has: battery "a" and "b", one place an interval; how often each came. */
#define INTERVALS_MAX 8192
static uint8_t has[2][INTERVALS_MAX];

static inline int kit_send(void *context, const struct backlog_batch *b)
{
	(void)context;
	if (send_error)
		return send_error;
	assert_in_range(b->n, 1, TELEMETRY_BATCH_MAX);
	assert_true(n_sends < SENDS_MAX);
	memcpy(sends[n_sends].id, b->id, sizeof(b->id));
	sends[n_sends].n = b->n;
	sends[n_sends].at_ms = now;
	sends[n_sends++].first_utc_ms = b->points[0].start_utc_ms;
	memcpy(last, b->points, sizeof(last[0]) * (size_t)b->n);
	open_batch = true;
	return 0;
}

static inline struct telemetry_point kit_point(int device, int k)
{
	return (struct telemetry_point){
		.device_id = { (char)('a' + device) }, .start_utc_ms = UTC + (int64_t)k * STEP_S * 1000, .duration_s = STEP_S,
		.online = true, .grid_online = true, .charge_w = 100 + k % 7, .charge_wh = 8.5 + k % 10, .discharge_wh = 0.1 * (k % 9),
		.stored_wh = 5000, .capacity_wh = 10000, .reserve_pct = 20, .soc_pct = 50, .soh_pct = 100, .home_wh = 30, .home_w = 360,
		.solar_wh = 12.5, .solar_w = 150, .merged = 1,
	};
}

static inline void kit_add(int devices, int k)
{
	struct telemetry_point p[2] = { kit_point(0, k), kit_point(1, k) };

	backlog_add(log_, p, devices, now);
}

static inline struct backlog_stats kit_stats(void)
{
	struct backlog_stats s;

	backlog_stats(log_, &s);
	return s;
}

static inline void kit_open(int64_t max_bytes, int batch_max)
{
	struct backlog_options o = { .max_bytes = max_bytes, .batch_max = batch_max };

	assert_int_equal(backlog_open(&log_, &o, NULL), 0);
	backlog_sender(log_, kit_send, NULL, batch_max);
	n_sends = send_error = 0;
	open_batch = false;
}

/* The disk answers everything, also what it is asked by the answers. */
static inline void kit_disk(void)
{
	while (fake_first)
		fake_commit_some(1, 0);
}

static inline void kit_step(void)
{
	now += 1000;
	backlog_step(log_, now);
	kit_disk();
}

static inline void kit_restart(int64_t max_bytes, int batch_max)
{
	fake_commit(-ECANCELED); /* the power is cut: what was not committed is not there */
	backlog_close(log_);
	kit_open(max_bytes, batch_max);
	backlog_link(log_, true, now);
}

static inline void kit_note(int i)
{
	const int64_t k = (last[i].start_utc_ms - UTC) / 1000 / STEP_S;
	const int d = last[i].device_id[0] - 'a';

	assert_in_range(k, 0, INTERVALS_MAX - 1);
	for (int m = 0; m < last[i].merged; m++)
		has[d][k + m]++;
}

/* Answers the last send: the first @n points told, those of @failed refused, the rest saved; or the bare @status. */
static inline int kit_answer(int status, int n, bool (*failed)(const struct telemetry_point *))
{
	struct telemetry_answer a = { .n = n, .reason = "no such device" };

	for (int i = 0; i < n; i++) {
		a.told[i / 8] |= (uint8_t)(1u << i % 8);
		if (failed && failed(&last[i]))
			a.failed[i / 8] |= (uint8_t)(1u << i % 8);
		else
			kit_note(i);
	}
	open_batch = false;
	return backlog_answer(log_, sends[n_sends - 1].id, status, n ? &a : NULL, status == 200 ? NULL : "because", now);
}

static inline int kit_save(void)
{
	return kit_answer(200, sends[n_sends - 1].n, NULL);
}

/* Answers everything well until nothing is owed, at most @steps seconds. */
static inline void kit_drain(int steps)
{
	do {
		kit_step();
		while (open_batch) {
			assert_int_equal(kit_save(), 0);
			kit_disk();
		}
	} while (--steps > 0 && kit_stats().rows > 0);
}

static inline int kit_setup(void **state)
{
	(void)state;
	fake_clear();
	memset(has, 0, sizeof(has));
	now = 1000000;
	kit_open(0, 0);
	backlog_link(log_, true, now);
	kit_step();
	return 0;
}

static inline int kit_teardown(void **state)
{
	(void)state;
	fake_commit(-ECANCELED);
	backlog_close(log_);
	fake_clear();
	return 0;
}

/* @n intervals on disk, nothing sent: the link is down meanwhile. */
static inline void kit_fill(int devices, int from, int n)
{
	backlog_link(log_, false, now);
	for (int k = from; k < from + n; k++) {
		kit_add(devices, k);
		kit_disk();
	}
	assert_int_equal(n_sends, 0);
}

static inline void kit_check(int devices, int n)
{
	for (int d = 0; d < devices; d++)
		for (int k = 0; k < n; k++)
			if (!has[d][k])
				fail_msg("Flip never got interval %d of %c", k, 'a' + d);
}

#endif
