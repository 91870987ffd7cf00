/* The book's door: commands and events that arrive, and what is looked up. How a command is judged is in book_judge.c, what
 * the clock does in book_step.c, the owner's participation in book_owner.c, the stored form in book_store.c. */
#include "cloud/book_internal.h"

#include <math.h>
#include <string.h>

void book_init(struct book *b, int max_endless_h)
{
	memset(b, 0, sizeof(*b));
	b->max_endless_ms = max_endless_h * 3600000LL;
}

struct book_entry *book_find(struct book *b, const char *id)
{
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].c.id, id))
			return &b->entry[i];
	return NULL;
}

struct book_event *book_find_event(struct book *b, const char *id)
{
	for (int i = 0; i < b->n_events && id[0]; i++)
		if (!strcmp(b->event[i].e.id, id))
			return &b->event[i];
	return NULL;
}

/* Flip withdraws: stop at once, whatever state it was in; nothing is checked, a withdrawal can always be done. */
static void withdraw(struct book *b, struct book_entry *e, int64_t utc_ms)
{
	const bool known_word = e->c.status != FLIP_STATUS_UNKNOWN;

	if (e->c.status == FLIP_OPT_OUT) {
		struct book_event *v = book_find_event(b, e->wish_id);

		if (v && v->opted_out && !v->confirmed) {
			v->confirmed = true;
			v->changed = true;
		}
	}
	if (!e->ended)
		book_finish(e, e->c.status == FLIP_OPT_OUT ? BOOK_OPTED_OUT : known_word ? BOOK_CANCELED : BOOK_REFUSED, utc_ms);
	if (known_word)
		book_answer(e, FLIP_DEVICE_OK, e->c.device_status == FLIP_PENDING, "%s", "");
	else
		book_answer(e, FLIP_FAILED_FAULT, true, "%s", e->c.refusal);
}

/* Rule 3: two commands that differ in nothing but the id are one action; the newer carries it on. An older one that comes
 * late is dropped even when the newer is over already: Flip gave it up when it wrote the newer. */
static void merge_resend(struct book *b, struct book_entry *e, int64_t utc_ms)
{
	const struct book_entry *newest = e;

	for (int i = 0; i < b->n; i++)
		if (flip_command_same(&b->entry[i].c, &e->c) && book_wins(&b->entry[i].c, &newest->c))
			newest = &b->entry[i];
	if (newest != e) {
		book_supersede(e, newest, utc_ms);
		return;
	}
	for (int i = 0; i < b->n; i++) {
		struct book_entry *o = &b->entry[i];

		if (o == e || book_state_is_end(o->state) || !flip_command_same(&o->c, &e->c))
			continue;
		if (book_running(o))
			e->state = o->state;
		e->ran = e->ran || o->ran;
		e->delivered_wh += o->delivered_wh;
		book_supersede(o, e, utc_ms);
	}
}

/* The owner's wish goes by the event; without one by the command, and then it binds resends under another id too. */
static void find_wish(const struct book *b, struct book_entry *e)
{
	memcpy(e->wish_id, e->c.event_id[0] ? e->c.event_id : e->c.id, sizeof(e->wish_id));
	for (int i = 0; i < b->n && !e->c.event_id[0]; i++)
		if (&b->entry[i] != e && flip_command_same(&b->entry[i].c, &e->c))
			memcpy(e->wish_id, b->entry[i].wish_id, sizeof(e->wish_id));
}

/* Read from a list, answered, and over: whatever was said of it stands. Lists name it longer than it is kept here. */
static bool settled(const struct book *b, const struct flip_command *c, const struct book_scene *s)
{
	return !s->addressed && c->device_status != FLIP_PENDING && s->utc_ms && s->utc_ms >= book_end_utc(b, c);
}

/* A version of a command that is to happen has been written into the entry. */
static void consider(struct book *b, struct book_entry *e, const struct book_scene *s)
{
	const int64_t arrived = s->utc_ms > e->c.updated_utc_ms ? s->utc_ms : e->c.updated_utc_ms;

	if (e->ended) {
		book_answer(e, FLIP_FAILED_FAULT, e->c.device_status == FLIP_PENDING, "%s", "already over");
		return;
	}
	if (settled(b, &e->c, s)) {
		if (!book_state_is_end(e->state))
			book_finish(e, !e->ran ? BOOK_EXPIRED : e->trouble != FLIP_PENDING ? BOOK_FAILED : BOOK_DONE, s->utc_ms);
		return;
	}
	e->ack_by_utc_ms = arrived + BOOK_ANSWER_MS;
	if (!book_running(e))
		e->state = BOOK_SCHEDULED;
	book_judge(b, e, s);
	if (!book_state_is_end(e->state))
		merge_resend(b, e, s->utc_ms);
}

/* A first sight of what Flip already counts as failed: a replacement comes, this one must not run beside it. */
static bool failed_at_flip(const struct book_entry *e)
{
	return e->c.device_status == FLIP_FAILED_OFFLINE || e->c.device_status == FLIP_FAILED_FAULT;
}

static struct book_entry *add_entry(struct book *b, const struct flip_command *c)
{
	struct book_entry *e;

	if (b->n >= BOOK_COMMANDS_MAX)
		return NULL;
	e = &b->entry[b->n++];
	memset(e, 0, sizeof(*e));
	e->c = *c;
	e->device = -1;
	e->power_w = NAN;
	find_wish(b, e);
	return e;
}

static bool known_device(const struct flip_command *c, const struct book_scene *s)
{
	for (int i = 0; i < s->n_devices; i++)
		if (s->devices[i].flip_device_id[0] && !strcmp(s->devices[i].flip_device_id, c->device_id))
			return true;
	return false;
}

/* command.ended: over now, even when the window is not. */
static void end_now(struct book_entry *e, int64_t utc_ms)
{
	if (e->ended)
		return;
	if (!book_state_is_end(e->state))
		book_finish(e, e->trouble != FLIP_PENDING ? BOOK_FAILED : BOOK_DONE, utc_ms);
	e->ended = true;
	if (e->c.device_status == FLIP_PENDING)
		book_answer(e, FLIP_DEVICE_OK, true, "%s", "");
}

/* The same version again. Flip still waits for the answer we have given: say it again (repeats are harmless). */
static enum book_outcome same_version(struct book_entry *e, const struct flip_command *c, bool ended, int64_t utc_ms)
{
	if (ended && !book_state_is_end(e->state)) {
		end_now(e, utc_ms);
		return BOOK_UPDATED;
	}
	if (c->device_status == FLIP_PENDING && e->ack != FLIP_PENDING && !e->ack_due) {
		e->ack_due = e->ack_again = true;
		e->changed = true;
	}
	return BOOK_STALE;
}

enum book_outcome book_offer(struct book *b, const struct flip_command *c, const char *event_type, const struct book_scene *s)
{
	const bool ended = !strcmp(event_type, "command.ended");
	struct book_entry *e = book_find(b, c->id);
	const bool is_new = !e;
	struct book_event *v;
	bool same = false, back_in;

	if (!e && !s->addressed && !known_device(c, s))
		return BOOK_FOREIGN;
	if (!e && settled(b, c, s))
		return BOOK_STALE;
	if (e && c->updated_utc_ms <= e->c.updated_utc_ms)
		return c->updated_utc_ms == e->c.updated_utc_ms ? same_version(e, c, ended, s->utc_ms) : BOOK_STALE;
	if (e) {
		same = flip_command_same(&e->c, c) && e->c.status == c->status;
		e->c = *c;
		e->ack_again = false;
		e->undated = e->undated && c->device_status != FLIP_PENDING;
		if (c->event_id[0])
			memcpy(e->wish_id, c->event_id, sizeof(e->wish_id));
	} else {
		e = add_entry(b, c);
		if (!e)
			return BOOK_FULL;
		e->undated = !s->addressed && c->device_status != FLIP_PENDING && !s->utc_ms;
	}
	e->changed = true;
	v = book_find_event(b, e->wish_id);
	back_in = c->status == FLIP_OK && v && book_overruled(v, c->updated_utc_ms);
	if (back_in)
		book_let_in(b, e->wish_id, s->utc_ms);
	if (c->status != FLIP_OK)
		withdraw(b, e, s->utc_ms);
	else if (ended)
		end_now(e, s->utc_ms);
	else if (is_new && failed_at_flip(e))
		book_finish(e, BOOK_FAILED, s->utc_ms);
	else if (is_new || !same || (c->device_status == FLIP_PENDING && !e->ack_due))
		consider(b, e, s);
	else if (failed_at_flip(e) && e->ack == FLIP_DEVICE_OK && !book_state_is_end(e->state))
		e->ack_due = true; /* Flip missed our OK and we hold to it: said again, a replacement takes over if one comes */
	return is_new ? BOOK_NEW : BOOK_UPDATED;
}

enum book_outcome book_offer_event(struct book *b, const struct flip_event *e, int64_t utc_ms)
{
	struct book_event *v = book_find_event(b, e->id);
	const bool is_new = !v;

	if (v && e->updated_utc_ms <= v->e.updated_utc_ms)
		return BOOK_STALE;
	if (!v) {
		if (b->n_events >= BOOK_EVENTS_MAX)
			return BOOK_FULL;
		v = &b->event[b->n_events++];
		memset(v, 0, sizeof(*v));
		v->owner_reserve_pct = NAN;
	} else if (e->participating && book_overruled(v, e->updated_utc_ms)) {
		book_let_in(b, e->id, utc_ms);
	}
	v->e = *e;
	if (v->opted_out && !e->participating)
		v->confirmed = true;
	v->changed = true;
	return is_new ? BOOK_NEW : BOOK_UPDATED;
}

const struct book_entry *book_in_force(const struct book *b, int device, int64_t utc_ms)
{
	for (int i = 0; i < b->n && device >= 0; i++) {
		const struct book_entry *e = &b->entry[i];

		if (e->device == device && book_running(e) && e->c.starts_utc_ms <= utc_ms && utc_ms < book_end_utc(b, &e->c))
			return e;
	}
	return NULL;
}

void book_view(const struct book *b, const struct book_entry *e, struct command_view *out)
{
	const struct book_event *v = NULL;

	memset(out, 0, sizeof(*out));
	out->owner_event_pct = out->command_pct = out->event_pct = out->program_min_pct = NAN;
	out->grid_import = TRI_UNSET;
	if (!e)
		return;
	for (int i = 0; i < b->n_events; i++)
		if (!strcmp(b->event[i].e.id, e->wish_id))
			v = &b->event[i];
	out->active = e->state == BOOK_ACTIVE || e->state == BOOK_SUSPENDED;
	memcpy(out->id, e->c.id, sizeof(out->id));
	memcpy(out->event_id, e->c.event_id, sizeof(out->event_id));
	out->mode = e->c.mode;
	out->power_mode = e->c.power_mode;
	out->setpoint_w = e->c.power_mode == POWER_SETPOINT ? e->power_w : 0;
	out->grid_import = e->c.grid_import;
	out->command_pct = e->c.reserve_pct;
	if (v && v->owner_reserve_utc_ms > e->c.updated_utc_ms)
		out->owner_event_pct = v->owner_reserve_pct;
	else if (v)
		out->event_pct = v->owner_reserve_pct;
	out->starts_utc_ms = e->c.starts_utc_ms;
	out->ends_utc_ms = e->c.ends_utc_ms;
}
