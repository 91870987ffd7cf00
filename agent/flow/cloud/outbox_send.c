/* How a row goes out: by class, oldest first, a window of unanswered ones, refused ones after them and one at a time, repeats with
 * back-off; and what an answer does. */
#include "flow/cloud/outbox_internal.h"

#include "io/crypto.h"
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WINDOW 64                /* unanswered rows of one class */
#define ANSWER_MS 60000          /* first send without an answer */
#define REPEAT_FIRST_MS 120000   /* later ones: spread over 60..120 s, doubling */
#define REPEAT_CAP_MS 900000
#define RETRY_FIRST_MS 5000      /* the receiver asked for another try */
#define RETRY_CAP_MS 300000
#define STEP_ASIDE 5             /* refused this often, a row no longer holds up later ones about the same thing */
#define HELD_BITS 4096

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

void outbox_set_aside(struct row *r, const char *reason)
{
	r->state = ROW_QUARANTINED;
	r->dirty = true;
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

static bool links_trouble(int e)
{
	return e == -ENOTCONN || e == -EAGAIN || e == -ENOBUFS || e == -ENOMEM || e == -EIO || e == -ECANCELED;
}

/* False when the link takes no more. What the link will never take must not keep it from the others. */
static bool offer(struct outbox *o, struct row *r, int64_t now_ms)
{
	char why[96];
	const int e = send_row(o, r, now_ms);

	if (e < 0 && links_trouble(e))
		return false;
	if (e < 0 && r->state == ROW_READY) {
		snprintf(why, sizeof(why), "cannot be sent: %s", strerror(-e));
		outbox_set_aside(r, why);
		log_warning("outbox", "row %s kept in quarantine: %s", r->id, why);
		if (o->over)
			o->over(o->over_context, r->kind, r->body, 0);
	}
	return true;
}

/* Subjects of which a row waits to come again, as bits; two that share one only wait for each other. */
struct held { uint64_t bits[HELD_BITS / 64]; };

static bool is_held(const struct held *h, const struct row *r)
{
	return h->bits[r->subject % HELD_BITS / 64] >> r->subject % 64 & 1;
}

/* Order: what is about the same thing waits with it, until it steps aside. */
static void hold(struct held *h, const struct row *r)
{
	if (r->state == ROW_READY && r->refusals > 0 && r->refusals < STEP_ASIDE)
		h->bits[r->subject % HELD_BITS / 64] |= UINT64_C(1) << r->subject % 64;
}

/* Rows that were not refused before. False when the link takes no more. */
static bool pump_fresh(struct outbox *o, struct row *r, int64_t now_ms)
{
	struct held held = { { 0 } };
	int unanswered = 0;

	for (struct row *next; r && unanswered < WINDOW; r = next) {
		next = r->next; /* answered at once, the row leaves the list */
		hold(&held, r);
		if (r->state == ROW_SENT)
			unanswered++;
		if (r->state != ROW_READY || r->refusals > 0 || is_held(&held, r))
			continue;
		if (!offer(o, r, now_ms))
			return false;
		if (r->state == ROW_SENT)
			unanswered++;
		hold(&held, r);
	}
	return true;
}

/* The refused row that has been due for the longest; NULL also while one of them is under way: they get one place of the link
 * together, or a few that never succeed would take all of them, time and again. */
static struct row *refused_row(struct outbox *o, int64_t now_ms)
{
	struct row *best = NULL;
	bool any = false;

	for (int c = 0; c < CLASSES && o->refused; c++) {
		struct held held = { { 0 } };

		for (struct row *r = o->list[c].first; r; r = r->next) {
			if (r->refusals > 0 && r->state == ROW_SENT)
				return NULL;
			any |= r->refusals > 0;
			if (r->refusals > 0 && r->state == ROW_READY && now_ms >= r->due_ms && !is_held(&held, r) &&
			    (!best || r->due_ms < best->due_ms))
				best = r;
			hold(&held, r);
		}
	}
	o->refused = any;
	return best;
}

static void pump_once(struct outbox *o, int64_t now_ms)
{
	struct row *r;

	for (int c = 0; c < CLASSES && o->up && o->send; c++)
		if (!pump_fresh(o, o->list[c].first, now_ms))
			return;
	r = o->up && o->send ? refused_row(o, now_ms) : NULL;
	if (r && offer(o, r, now_ms))
		o->pump_again = true; /* what waited behind it */
}

bool outbox_owes(const struct outbox *o)
{
	for (int c = 0; c < CLASSES && o->up; c++) {
		struct held held = { { 0 } };

		for (const struct row *r = o->list[c].first; r; r = r->next) {
			if (r->state == ROW_READY && r->refusals == 0 && !is_held(&held, r))
				return true;
			hold(&held, r);
		}
	}
	return false;
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
		o->refused = true;
		r->due_ms = now_ms + backoff_next(&r->retry, dice());
		o->failed_total++;
	} else {
		char why[sizeof(r->reason)];

		snprintf(why, sizeof(why), "%d%s%s", status, reason && reason[0] ? ": " : "", reason ? reason : "");
		outbox_set_aside(r, why);
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

/* Sent into a link that broke, a row goes again at once. Refusals and their waiting stay: a link that opens and closes because of
 * this very row would never let the others through. */
static void link_again(struct row *r, int64_t now_ms)
{
	if (r->state != ROW_SENT)
		return;
	r->state = ROW_READY;
	r->due_ms = now_ms;
	backoff_reset(&r->timeout);
}

void outbox_link(struct outbox *o, bool up, int64_t now_ms)
{
	o->up = up;
	if (!up)
		return;
	for (int c = 0; c < CLASSES; c++)
		for (struct row *r = o->list[c].first; r; r = r->next)
			link_again(r, now_ms);
	outbox_pump(o, now_ms);
}

void outbox_step(struct outbox *o, int64_t now_ms)
{
	for (int c = 0; c < CLASSES; c++)
		for (struct row *r = o->list[c].first; r; r = r->next) {
			if (r->state != ROW_SENT || now_ms < r->due_ms)
				continue;
			r->state = ROW_READY; /* no answer: at once again; only the waiting grows */
			r->due_ms = now_ms;
			o->failed_total++;
		}
	outbox_pump(o, now_ms);
	outbox_write(o, now_ms);
}
