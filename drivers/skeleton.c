/* The template: the smallest driver that is a whole one. It reads one holding register (0: power, W, signed) every second
 * and reports it as meter.power_w. Copy it, rename it, list it in registry.c, give it a recording in tests/replay. */
#include "drivers/points.h"
#include "drivers/registry.h"

#include <stdio.h>
#include <string.h>

#define POWER_ADDRESS 0

/* Everything the driver remembers: one struct of fixed size, zeroed before init. */
struct skeleton {
	uint8_t unit;
	uint16_t timeout_ms;
	bool waiting; /* a batch is under way */
	uint32_t batch_id;
	struct cadence cadence;
};

static int skeleton_init(void *self, const struct driver_options *options, struct device_state *state, struct errbuf *err)
{
	struct skeleton *s = self;

	(void)err; /* nothing can be wrong here; else: return errbuf_set(err, -EINVAL, "why, in words") */
	s->unit = options->unit;
	s->timeout_ms = (uint16_t)options->timeout_ms;
	s->cadence.interval_ms = options->poll_ms > 0 ? options->poll_ms : POLL_FAST_MS;
	state->kinds = KIND_METER;
	state->period_ms = s->cadence.interval_ms;
	state->caps.guarded_by = GUARDED_SAFE_STATE; /* read only: whatever we do is safe */
	state->released = true;
	return 0;
}

/* A driver that can be commanded stores the order here and hands it to a setpoint (setpoint.h). */
static void skeleton_aim(void *self, const struct order *order, int64_t now_ms)
{
	(void)self;
	(void)order;
	(void)now_ms;
}

static int64_t skeleton_plan(void *self, int64_t now_ms, struct batch *batch)
{
	struct skeleton *s = self;

	batch->n = 0;
	if (s->waiting || now_ms < s->cadence.due_ms)
		return s->waiting ? now_ms + s->cadence.interval_ms : s->cadence.due_ms;
	cadence_begin(&s->cadence, now_ms);
	batch->id = ++s->batch_id;
	batch->unit = s->unit;
	batch->command = false;
	batch->timeout_ms = s->timeout_ms;
	batch->expires_ms = now_ms + 2 * (int64_t)s->cadence.interval_ms;
	batch->n = 1;
	memset(&batch->r[0], 0, sizeof(batch->r[0]));
	batch->r[0].fc = 3;
	batch->r[0].address = POWER_ADDRESS;
	batch->r[0].count = 1;
	s->waiting = true;
	return s->cadence.due_ms;
}

static void skeleton_feed(void *self, const struct batch_result *result, int64_t now_ms, struct device_state *state)
{
	struct skeleton *s = self;

	if (!s->waiting || result->id != s->batch_id || result->n < 1)
		return;
	s->waiting = false;
	if (result->status[0] == REQUEST_OK) {
		cadence_ok(&s->cadence, now_ms);
		point_put(state, F_METER_POWER_W, (int16_t)result->r[0].words[0], result->done_ms, Q_GOOD);
		state->availability = AVAIL_ONLINE;
	} else {
		cadence_missed(&s->cadence, now_ms, result->status[0] == REQUEST_TIMEOUT);
	}
	points_age(state, NULL, now_ms, cadence_limit_ms(&s->cadence), 0);
	if (cadence_silent(&s->cadence, now_ms)) {
		points_silent(state);
		if (state->availability == AVAIL_ONLINE)
			state->availability = AVAIL_OFFLINE;
	}
	points_derive(state);
}

const struct driver DRIVER_SKELETON = {
	.name = "skeleton",
	.size = sizeof(struct skeleton),
	.init = skeleton_init,
	.deinit = NULL,
	.aim = skeleton_aim,
	.plan = skeleton_plan,
	.feed = skeleton_feed,
};
