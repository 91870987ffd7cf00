/* How a command is answered (flip-api 10.6) and which of two wins (10.5). */
#include "cloud/book_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int64_t book_end_utc(const struct book *b, const struct flip_command *c)
{
	return c->ends_utc_ms ? c->ends_utc_ms : c->starts_utc_ms + b->max_endless_ms;
}

bool book_running(const struct book_entry *e)
{
	return e->state == BOOK_ACTIVE || e->state == BOOK_SUSPENDED;
}

void book_answer(struct book_entry *e, enum flip_device_status s, bool due, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->ack_reason, sizeof(e->ack_reason), fmt, ap);
	va_end(ap);
	e->ack = s;
	e->ack_due = due;
	e->ack_again = false;
	e->changed = true;
}

void book_finish(struct book_entry *e, enum book_state state, int64_t utc_ms)
{
	e->state = state;
	e->finished_utc_ms = utc_ms > e->c.updated_utc_ms ? utc_ms : e->c.updated_utc_ms;
	e->changed = true;
	if (state == BOOK_DONE || state == BOOK_SUPERSEDED || state == BOOK_EXPIRED)
		e->ended = true;
}

bool book_opted_out(struct book *b, const struct book_entry *e)
{
	const struct book_event *v = book_find_event(b, e->wish_id);

	return v && v->opted_out;
}

bool book_wins(const struct flip_command *a, const struct flip_command *b)
{
	/* rule 2: what has no end runs until the next one starts, whoever was created later */
	if (!b->ends_utc_ms && a->starts_utc_ms > b->starts_utc_ms)
		return true;
	if (!a->ends_utc_ms && b->starts_utc_ms > a->starts_utc_ms)
		return false;
	if (a->created_utc_ms != b->created_utc_ms)
		return a->created_utc_ms > b->created_utc_ms;
	if (a->starts_utc_ms != b->starts_utc_ms)
		return a->starts_utc_ms > b->starts_utc_ms;
	return strcmp(a->id, b->id) > 0;
}

void book_ask_again(struct book_entry *e, int64_t utc_ms)
{
	e->state = BOOK_SCHEDULED;
	e->finished_utc_ms = 0;
	e->changed = true;
	if (e->ack == FLIP_DEVICE_OK)
		return;
	e->ack = FLIP_PENDING;
	e->ack_due = false;
	e->trouble = FLIP_PENDING;
	e->c.device_status = FLIP_PENDING; /* whatever Flip's copy says: it has to hear the new answer */
	e->ack_by_utc_ms = (utc_ms > e->c.updated_utc_ms ? utc_ms : e->c.updated_utc_ms) + BOOK_ANSWER_MS;
}

void book_supersede(struct book_entry *loser, const struct book_entry *winner, int64_t utc_ms)
{
	memcpy(loser->superseded_by, winner->c.id, sizeof(loser->superseded_by));
	if (loser->ack == FLIP_PENDING || (loser->ack_due && loser->ack == FLIP_DEVICE_OK && !loser->ran))
		book_answer(loser, FLIP_FAILED_FAULT, true, "superseded by %s", winner->c.id);
	book_finish(loser, BOOK_SUPERSEDED, utc_ms);
}

static void refuse(struct book_entry *e, enum book_state state, int64_t utc_ms, const char *why)
{
	book_answer(e, FLIP_FAILED_FAULT, true, "%s", why);
	book_finish(e, state, utc_ms);
}

/* "clamped to N W" when the rating is known and smaller. */
static void accept(struct book_entry *e, const struct book_device *d)
{
	const double rating = e->c.mode == MODE_CHARGE ? d->charge_max_w : d->discharge_max_w;
	const bool due = e->c.device_status != FLIP_DEVICE_OK;

	e->power_w = e->c.power_mode == POWER_SETPOINT ? e->c.setpoint_w : NAN;
	if (e->c.power_mode == POWER_SETPOINT && rating > 0 && e->power_w > rating) {
		e->power_w = rating;
		book_answer(e, FLIP_DEVICE_OK, due, "clamped to %.0f W", rating);
	} else {
		book_answer(e, FLIP_DEVICE_OK, due, "%s", "");
	}
}

static int find_device(const struct book_device *devices, int n, const char *flip_device_id)
{
	for (int i = 0; i < n; i++)
		if (devices[i].flip_device_id[0] && !strcmp(devices[i].flip_device_id, flip_device_id))
			return i;
	return -1;
}

void book_judge(struct book *b, struct book_entry *e, const struct book_scene *s)
{
	const int64_t utc_ms = s->utc_ms;
	const struct book_device *d;

	e->device = find_device(s->devices, s->n_devices, e->c.device_id);
	d = e->device >= 0 ? &s->devices[e->device] : NULL;
	e->trouble = FLIP_PENDING;
	if (e->undated && !utc_ms)
		book_answer(e, FLIP_PENDING, false, "%s", "");
	else if (!d)
		refuse(e, BOOK_REFUSED, utc_ms, "unknown device");
	else if (!d->battery)
		refuse(e, BOOK_REFUSED, utc_ms, "unsupported command type");
	else if (e->c.refusal[0])
		refuse(e, BOOK_REFUSED, utc_ms, e->c.refusal);
	else if (utc_ms && utc_ms >= book_end_utc(b, &e->c))
		refuse(e, BOOK_EXPIRED, utc_ms, "expired");
	else if (book_opted_out(b, e))
		refuse(e, BOOK_OPTED_OUT, utc_ms, "opted out by the owner");
	else if (s->paused)
		refuse(e, BOOK_REFUSED, utc_ms, "paused");
	else if (d->reachable && d->fault)
		refuse(e, BOOK_REFUSED, utc_ms, "device fault");
	else if (d->reachable && d->islanded && !book_running(e)) /* a running one is suspended, not failed */
		refuse(e, BOOK_REFUSED, utc_ms, "islanded");
	else if (d->reachable)
		accept(e, d);
	else
		book_answer(e, FLIP_PENDING, false, "%s", "");
}
