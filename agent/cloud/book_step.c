/* What time and the devices do to the book: answers that waited, starts, ends, replacement, trouble while running. */
#include "cloud/book_internal.h"

#include <math.h>
#include <string.h>

/* Answers that waited for the device: judged again each step, OFFLINE at the 10-minute mark. */
static void answer_waiting(struct book *b, const struct book_device *devices, int n, int64_t utc_ms)
{
	const struct book_scene scene = { .devices = devices, .n_devices = n, .addressed = true, .utc_ms = utc_ms };

	for (int i = 0; i < b->n; i++) {
		struct book_entry *e = &b->entry[i];
		const bool changed = e->changed;

		if (book_state_is_end(e->state) || e->ack != FLIP_PENDING)
			continue;
		book_judge(b, e, &scene);
		if (e->device >= 0 && devices[e->device].not_asked && e->ack == FLIP_PENDING) {
			e->changed = changed; /* its silence says nothing yet, however late it is */
		} else if (e->ack == FLIP_PENDING && utc_ms && utc_ms >= e->ack_by_utc_ms) {
			book_answer(e, FLIP_FAILED_OFFLINE, true, "%s", "device does not answer");
			book_finish(e, BOOK_FAILED, utc_ms);
		} else if (e->ack == FLIP_PENDING) {
			e->changed = changed; /* still waiting is no news */
		}
	}
}

static void set_trouble(struct book_entry *e, enum flip_device_status s, const char *reason)
{
	if (e->trouble == s)
		return;
	e->trouble = s;
	book_answer(e, s == FLIP_PENDING ? FLIP_DEVICE_OK : s, true, "%s", reason);
}

/* Only what this file saw itself is taken back by it: book_trouble's reasons are its caller's. */
static void watch(struct book_entry *e, const struct book_device *d)
{
	static const char GONE[] = "device does not answer", FAULT[] = "device fault";
	const bool ours = !strcmp(e->ack_reason, GONE) || !strcmp(e->ack_reason, FAULT);

	if (!book_running(e) || e->ack == FLIP_PENDING)
		return;
	if (d && d->not_asked)
		return;
	if (!d || !d->reachable)
		set_trouble(e, FLIP_FAILED_OFFLINE, GONE);
	else if (d->fault)
		set_trouble(e, FLIP_FAILED_FAULT, FAULT);
	else if (e->trouble != FLIP_PENDING && ours)
		set_trouble(e, FLIP_PENDING, "device is back");
}

/* The window is over. */
static void finish(struct book_entry *e, int64_t utc_ms)
{
	const bool waiting = e->ack == FLIP_PENDING;

	if (e->undated && !e->ran) { /* Flip's answer stands: it was ours, from before we forgot */
		book_finish(e, BOOK_EXPIRED, utc_ms);
		return;
	}
	if (waiting) /* a change that could not be judged in time */
		book_answer(e, FLIP_FAILED_FAULT, true, "%s", "expired");
	if (e->ran) {
		book_finish(e, e->trouble != FLIP_PENDING ? BOOK_FAILED : BOOK_DONE, utc_ms);
	} else if (e->superseded_by[0]) {
		book_finish(e, BOOK_SUPERSEDED, utc_ms);
	} else {
		if (!waiting)
			book_answer(e, FLIP_FAILED_OFFLINE, true, "%s", "not run: the hub was off or without a trusted clock");
		book_finish(e, BOOK_EXPIRED, utc_ms);
	}
	e->ended = true;
}

static void resolve(struct book_entry *e, const struct book_device *devices, int n)
{
	if (e->device >= 0 && e->device < n && !strcmp(devices[e->device].flip_device_id, e->c.device_id))
		return;
	e->device = -1;
	for (int i = 0; i < n; i++)
		if (devices[i].flip_device_id[0] && !strcmp(devices[i].flip_device_id, e->c.device_id))
			e->device = i;
}

static bool wants(const struct book *b, const struct book_entry *e, int device, int64_t utc_ms)
{
	return e->device == device && !book_state_is_end(e->state) && (e->ack == FLIP_DEVICE_OK || book_running(e)) &&
	       e->c.starts_utc_ms <= utc_ms && utc_ms < book_end_utc(b, &e->c);
}

/* Rules 1 and 2 of 10.5 for one device. What has run and is displaced never comes back (nothing runs twice); what has not
 * begun waits and may take over for the rest of its window. */
static void decide(struct book *b, int device, int64_t utc_ms)
{
	struct book_entry *winner = NULL;

	for (int i = 0; i < b->n; i++)
		if (wants(b, &b->entry[i], device, utc_ms) && (!winner || book_wins(&b->entry[i].c, &winner->c)))
			winner = &b->entry[i];
	if (!winner)
		return;
	if (winner->state == BOOK_SCHEDULED) {
		winner->state = BOOK_ACTIVE;
		winner->ran = true;
		winner->superseded_by[0] = '\0';
		winner->changed = true;
	}
	for (int i = 0; i < b->n; i++) {
		struct book_entry *e = &b->entry[i];

		if (e == winner || !wants(b, e, device, utc_ms))
			continue;
		if (e->ran || !e->c.ends_utc_ms)
			book_supersede(e, winner, utc_ms);
		else if (strcmp(e->superseded_by, winner->c.id) != 0) {
			memcpy(e->superseded_by, winner->c.id, sizeof(e->superseded_by));
			e->changed = true;
		}
	}
}

/* Times that were set by our own clock and lie ahead of it now come from one that ran ahead. They would hold for as long as it
 * was wrong: an ended command would be kept for a year and fill the book, an opt-out could not be overruled. */
static void come_back(struct book *b, int64_t utc_ms)
{
	for (int i = 0; i < b->n; i++) {
		struct book_entry *e = &b->entry[i];
		const int64_t at_most = (utc_ms > e->c.updated_utc_ms ? utc_ms : e->c.updated_utc_ms);

		if (e->finished_utc_ms > at_most) {
			e->finished_utc_ms = at_most;
			e->changed = true;
		}
		if (e->ack_by_utc_ms > at_most + BOOK_ANSWER_MS)
			e->ack_by_utc_ms = at_most + BOOK_ANSWER_MS;
	}
	for (int i = 0; i < b->n_events; i++) {
		struct book_event *v = &b->event[i];

		if (v->told_utc_ms > utc_ms) {
			v->told_utc_ms = utc_ms;
			v->changed = true;
		}
	}
}

static void sooner(int64_t *next, int64_t at, int64_t utc_ms)
{
	if (at > utc_ms && (!*next || at < *next))
		*next = at;
}

/* When Flip had taken the owner's wish, by a clock that counts. */
static void stamp_told(struct book *b, int64_t utc_ms)
{
	for (int i = 0; i < b->n_events; i++) {
		struct book_event *v = &b->event[i];

		if (!v->opted_out || v->told_utc_ms || v->owed || v->tell_participating)
			continue;
		v->told_utc_ms = utc_ms;
		v->changed = true;
	}
}

int64_t book_step(struct book *b, const struct book_device *devices, int n_devices, int64_t utc_ms)
{
	int64_t next = 0;

	if (!utc_ms) {
		answer_waiting(b, devices, n_devices, 0);
		return 0;
	}
	come_back(b, utc_ms);
	stamp_told(b, utc_ms);
	for (int i = 0; i < b->n; i++) {
		struct book_entry *e = &b->entry[i];

		if (book_state_is_end(e->state))
			continue;
		resolve(e, devices, n_devices);
		if (utc_ms >= book_end_utc(b, &e->c)) {
			finish(e, utc_ms);
			continue;
		}
		if (book_running(e) && utc_ms < e->c.starts_utc_ms) /* the clock was set back, or the window moved */
			book_ask_again(e, utc_ms);
		watch(e, e->device >= 0 ? &devices[e->device] : NULL);
	}
	answer_waiting(b, devices, n_devices, utc_ms);
	for (int d = 0; d < n_devices; d++)
		decide(b, d, utc_ms);
	for (int i = 0; i < b->n; i++) {
		const struct book_entry *e = &b->entry[i];

		if (book_state_is_end(e->state))
			continue;
		sooner(&next, e->c.starts_utc_ms, utc_ms);
		sooner(&next, book_end_utc(b, &e->c), utc_ms);
		if (e->ack == FLIP_PENDING)
			sooner(&next, e->ack_by_utc_ms, utc_ms);
	}
	return next;
}

void book_suspend(struct book *b, int device, bool suspended)
{
	for (int i = 0; i < b->n; i++) {
		struct book_entry *e = &b->entry[i];

		if (e->device != device || device < 0 || e->state != (suspended ? BOOK_ACTIVE : BOOK_SUSPENDED))
			continue;
		e->state = suspended ? BOOK_SUSPENDED : BOOK_ACTIVE;
		e->changed = true;
	}
}

void book_trouble(struct book *b, int device, enum flip_device_status s, const char *reason)
{
	for (int i = 0; i < b->n; i++) {
		struct book_entry *e = &b->entry[i];

		if (e->device != device || device < 0 || !book_running(e))
			continue;
		set_trouble(e, s == FLIP_DEVICE_OK ? FLIP_PENDING : s, reason);
	}
}

double book_deliver(struct book *b, int device, double ac_power_w, int64_t utc_ms, int64_t ms)
{
	double wh = 0;

	for (int i = 0; i < b->n && device >= 0; i++) {
		struct book_entry *e = &b->entry[i];
		const int64_t ran_ms = utc_ms - e->c.starts_utc_ms;

		if (e->device != device || e->state != BOOK_ACTIVE || ran_ms < 0 || utc_ms >= book_end_utc(b, &e->c))
			continue;
		if (ms > 0 && ms <= BOOK_GAP_MS && (e->c.mode == MODE_CHARGE ? ac_power_w > 0 : ac_power_w < 0))
			wh = fabs(ac_power_w) * (double)(ms < ran_ms ? ms : ran_ms) / 3.6e6;
		e->delivered_wh += wh;
		break;
	}
	return wh;
}

static bool forgettable(const struct book *b, const struct book_entry *e, int64_t utc_ms, int64_t keep_ms)
{
	return book_state_is_end(e->state) && !e->ack_due && !e->changed && e->finished_utc_ms + keep_ms <= utc_ms &&
	       book_end_utc(b, &e->c) <= utc_ms;
}

/* An event is kept while a command of it is, or until it is over long enough. */
static bool event_forgettable(const struct book *b, const struct book_event *v, int64_t utc_ms, int64_t keep_ms)
{
	int64_t over = v->e.ends_utc_ms ? v->e.ends_utc_ms : v->e.starts_utc_ms ? v->e.starts_utc_ms + b->max_endless_ms : 0;

	if (v->e.updated_utc_ms > over)
		over = v->e.updated_utc_ms;
	if (v->changed || over + keep_ms > utc_ms)
		return false;
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].wish_id, v->e.id))
			return false;
	return true;
}

void book_forget(struct book *b, int64_t utc_ms, int64_t keep_ms, void (*gone)(void *context, const char *id, bool event),
		 void *context)
{
	for (int i = 0; i < b->n;) {
		if (!forgettable(b, &b->entry[i], utc_ms, keep_ms)) {
			i++;
			continue;
		}
		if (gone)
			gone(context, b->entry[i].c.id, false);
		b->entry[i] = b->entry[--b->n];
	}
	for (int i = 0; i < b->n_events;) {
		if (!event_forgettable(b, &b->event[i], utc_ms, keep_ms)) {
			i++;
			continue;
		}
		if (gone)
			gone(context, b->event[i].e.id, true);
		b->event[i] = b->event[--b->n_events];
	}
}
