/* How a row goes out: by class, oldest first, a window of unanswered ones, repeats with back-off; and what an answer does. */
#include "flow/outbox_internal.h"

#include "io/crypto.h"

#include <stdio.h>
#include <string.h>

#define WINDOW 64                /* unanswered rows of one class */
#define ANSWER_MS 60000          /* first send without an answer */
#define REPEAT_FIRST_MS 120000   /* later ones: spread over 60..120 s, doubling */
#define REPEAT_CAP_MS 900000
#define RETRY_FIRST_MS 5000      /* the receiver asked for another try */
#define RETRY_CAP_MS 300000
#define STEP_ASIDE 5             /* refused this often, a row no longer holds up those behind it */

static uint32_t dice(void)
{
	uint32_t r;

	crypto_random(&r, sizeof(r));
	return r;
}

void outbox_due_now(struct row *r)
{
	r->state = ROW_READY;
	r->due_ms = 0;
	r->refusals = 0;
	backoff_reset(&r->retry);
	backoff_reset(&r->timeout);
}

/* The row counts as sent before it is handed over: the answer may come from inside the call. */
static int send_row(struct outbox *o, struct row *r, int64_t now_ms)
{
	const struct row before = *r;
	int e;

	r->timeout.first_ms = REPEAT_FIRST_MS;
	r->timeout.cap_ms = REPEAT_CAP_MS;
	r->due_ms = now_ms + (r->tries == 0 ? ANSWER_MS : backoff_next(&r->timeout, dice()));
	r->tries++;
	r->state = ROW_SENT;
	e = o->send(o->context, r->kind, r->body);
	if (e < 0 && r->state == ROW_SENT) {
		r->timeout = before.timeout;
		r->due_ms = before.due_ms;
		r->tries--;
		r->state = ROW_READY;
	}
	return e;
}

/* False when the link takes no more. */
static bool pump_class(struct outbox *o, struct row *r, int64_t now_ms)
{
	int unanswered = 0;

	for (struct row *next; r && unanswered < WINDOW; r = next) {
		next = r->next; /* answered at once, the row leaves the list */
		if (r->state == ROW_SENT)
			unanswered++;
		if (r->state != ROW_READY)
			continue;
		if (now_ms < r->due_ms) {
			if (r->refusals < STEP_ASIDE)
				break; /* order: what is behind it waits with it */
			continue;
		}
		if (send_row(o, r, now_ms) < 0)
			return false;
		unanswered += r->state == ROW_SENT;
		if (r->state == ROW_READY && r->refusals < STEP_ASIDE)
			break; /* asked to come again already */
	}
	return true;
}

static void pump_once(struct outbox *o, int64_t now_ms)
{
	for (int c = 0; c < CLASSES && o->up && o->send; c++)
		if (!pump_class(o, o->list[c].first, now_ms))
			return;
}

void outbox_pump(struct outbox *o, int64_t now_ms)
{
	if (o->pumping) {
		o->pump_again = true;
		return;
	}
	o->pumping = true;
	do {
		o->pump_again = false;
		pump_once(o, now_ms);
	} while (o->pump_again);
	o->pumping = false;
}

static bool wants_retry(int status)
{
	return status < 200 || (status >= 300 && status < 400) || status == 401 || status == 403 || status == 408 || status == 425 ||
	       status == 429 || status >= 500;
}

void outbox_answered(struct outbox *o, struct row *r, int status, const char *reason, int64_t now_ms)
{
	if (status >= 200 && status < 300) {
		outbox_done_row(o, r);
		o->sent_total++;
	} else if (wants_retry(status)) {
		r->retry.first_ms = RETRY_FIRST_MS;
		r->retry.cap_ms = RETRY_CAP_MS;
		r->state = ROW_READY;
		r->refusals++;
		r->due_ms = now_ms + backoff_next(&r->retry, dice());
		o->failed_total++;
	} else {
		r->state = ROW_QUARANTINED;
		r->dirty = true;
		snprintf(r->reason, sizeof(r->reason), "%d%s%s", status, reason && reason[0] ? ": " : "", reason ? reason : "");
	}
	if (o->over && r->state != ROW_READY)
		o->over(o->over_context, r->kind, r->body, status);
	outbox_pump(o, now_ms);
	outbox_write(o, now_ms);
}

void outbox_listener(struct outbox *o, outbox_over_fn over, void *context)
{
	o->over = over;
	o->over_context = context;
}

void outbox_sender(struct outbox *o, outbox_send_fn send, void *context)
{
	o->send = send;
	o->context = context;
}

void outbox_link(struct outbox *o, bool up, int64_t now_ms)
{
	o->up = up;
	if (!up)
		return;
	for (int c = 0; c < CLASSES; c++)
		for (struct row *r = o->list[c].first; r; r = r->next)
			if (r->state == ROW_SENT || r->state == ROW_READY)
				outbox_due_now(r);
	outbox_pump(o, now_ms);
}

void outbox_step(struct outbox *o, int64_t now_ms)
{
	for (int c = 0; c < CLASSES; c++)
		for (struct row *r = o->list[c].first; r; r = r->next) {
			if (r->state != ROW_SENT || now_ms < r->due_ms)
				continue;
			r->state = ROW_READY; /* no answer: at once again; only the waiting grows */
			r->due_ms = 0;
			o->failed_total++;
		}
	outbox_pump(o, now_ms);
	outbox_write(o, now_ms);
}
