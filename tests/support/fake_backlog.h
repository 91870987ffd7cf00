/* A backlog that has one batch of two points to send when the test says so, and backs off like the real one. Include it in one
 * test file; it takes the place of flow/cloud/backlog.c for what the Flip link needs. */
#ifndef HEARTH_TESTS_FAKE_BACKLOG_H
#define HEARTH_TESTS_FAKE_BACKLOG_H

#include "flow/cloud/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define FAKE_BACKLOG ((struct backlog *)(void *)&tel_n)

static backlog_send_fn tel_send;
static void *tel_context;
static struct telemetry_point tel_points[2];
static int tel_n, tel_batch_max, tel_answers, tel_status, tel_saved;
static int64_t tel_due_ms; /* backs off, as the real one */
static bool tel_up, tel_under_way, tel_wants;

void backlog_sender(struct backlog *b, backlog_send_fn send, void *context, int batch_max)
{
	(void)b;
	tel_send = send;
	tel_context = context;
	tel_batch_max = batch_max;
}

void backlog_link(struct backlog *b, bool up, int64_t now)
{
	(void)b;
	tel_up = up;
	if (up)
		tel_due_ms = now;
}

int backlog_answer(struct backlog *b, const char *id, int status, const struct telemetry_answer *answer, const char *reason, int64_t now)
{
	(void)b;
	(void)reason;
	tel_due_ms = now + 30000;
	assert_string_equal(id, "tel-0-1-2-2");
	tel_under_way = false;
	tel_answers++;
	tel_status = status;
	tel_saved = -1;
	if (answer)
		tel_saved = telemetry_saved(answer, 0) + telemetry_saved(answer, 1);
	if (status == 200 && answer) {
		tel_wants = false;
		tel_due_ms = now;
	}
	return 0;
}

void backlog_step(struct backlog *b, int64_t now)
{
	const struct backlog_batch batch = { .id = "tel-0-1-2-2", .n = tel_n, .points = tel_points };

	(void)b;
	if (now < tel_due_ms)
		return;
	if (tel_wants && tel_up && !tel_under_way && tel_send && tel_send(tel_context, &batch) == 0)
		tel_under_way = true;
}

void backlog_stats(const struct backlog *b, struct backlog_stats *out)
{
	(void)b;
	*out = (struct backlog_stats){ .rows = tel_wants ? 2 : 0 };
}

static inline void fake_backlog_clear(void)
{
	tel_n = 2;
	tel_wants = tel_up = tel_under_way = false;
	tel_answers = tel_status = tel_saved = 0;
	tel_due_ms = 0;
	memset(tel_points, 0, sizeof(tel_points));
	for (int i = 0; i < tel_n; i++) {
		snprintf(tel_points[i].device_id, FLIP_ID_MAX, "bat-1");
		tel_points[i].start_utc_ms = 1768478400000LL + i * 300000;
		tel_points[i].duration_s = 300;
	}
}

#endif
