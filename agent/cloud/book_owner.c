/* The owner's participation: what is wished here counts at once, whatever Flip's copy still says. */
#include "cloud/book_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The newest word we hold of the event: the owner's wish is made after all of it, even when our clock lags behind. */
static int64_t newest(const struct book *b, const char *event_id)
{
	int64_t t = 0;

	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].c.event_id, event_id) && b->entry[i].c.updated_utc_ms > t)
			t = b->entry[i].c.updated_utc_ms;
	return t;
}

static bool has_commands(const struct book *b, const char *event_id)
{
	return newest(b, event_id) > 0;
}

static bool command_over(const struct book *b, const struct book_entry *e, int64_t utc_ms)
{
	return e->ended || e->state == BOOK_CANCELED || (utc_ms && utc_ms >= book_end_utc(b, &e->c));
}

static bool event_over(const struct book *b, const struct book_event *v, int64_t utc_ms)
{
	bool any = false;

	if (v->e.status == FLIP_EVENT_COMPLETED || v->e.status == FLIP_EVENT_CANCELED)
		return true;
	if (utc_ms && v->e.ends_utc_ms && utc_ms >= v->e.ends_utc_ms)
		return true;
	for (int i = 0; i < b->n; i++) {
		if (strcmp(b->entry[i].c.event_id, v->e.id) != 0)
			continue;
		if (!command_over(b, &b->entry[i], utc_ms))
			return false;
		any = true;
	}
	return any;
}

/* The event's row; for commands whose event never arrived, one that holds the id only. */
static struct book_event *event_for(struct book *b, const char *id)
{
	struct book_event *v = book_find_event(b, id);

	if (v || b->n_events >= BOOK_EVENTS_MAX)
		return v;
	v = &b->event[b->n_events++];
	memset(v, 0, sizeof(*v));
	memcpy(v->e.id, id, strnlen(id, FLIP_ID_MAX - 1));
	v->e.participating = true;
	v->owner_reserve_pct = NAN;
	return v;
}

static void hold(struct book_entry *e, int64_t utc_ms)
{
	if (book_state_is_end(e->state) || e->c.status != FLIP_OK)
		return;
	if (e->ack == FLIP_PENDING || (e->ack == FLIP_DEVICE_OK && e->ack_due))
		book_answer(e, FLIP_FAILED_FAULT, true, "%s", "opted out by the owner");
	book_finish(e, BOOK_OPTED_OUT, utc_ms);
}

static void let_in(struct book_entry *e, int64_t utc_ms)
{
	if (e->state != BOOK_OPTED_OUT || e->c.status != FLIP_OK || e->ended)
		return;
	e->state = BOOK_SCHEDULED;
	e->finished_utc_ms = 0;
	e->changed = true;
	if (e->ack == FLIP_DEVICE_OK)
		return;
	e->ack = FLIP_PENDING; /* the next step judges it */
	e->ack_due = false;
	e->c.device_status = FLIP_PENDING;
	e->ack_by_utc_ms = (utc_ms > e->c.updated_utc_ms ? utc_ms : e->c.updated_utc_ms) + BOOK_ANSWER_MS;
}

void book_let_in(struct book *b, const char *event_id, int64_t utc_ms)
{
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].c.event_id, event_id))
			let_in(&b->entry[i], utc_ms);
}

static int participate_event(struct book *b, const char *id, const bool *participating, double pct, int64_t utc_ms,
			     struct errbuf *err)
{
	struct book_event *v = event_for(b, id);

	if (!v)
		return errbuf_set(err, -ENOSPC, "event %s: %d events are held already", id, BOOK_EVENTS_MAX);
	if (event_over(b, v, utc_ms))
		return errbuf_set(err, -EPERM, "event %s is over", id);
	v->changed = true;
	if (!isnan(pct)) {
		const int64_t known = newest(b, id);

		v->owner_reserve_pct = pct;
		v->owner_reserve_utc_ms = utc_ms > known ? utc_ms : known + 1;
		v->tell_reserve = true;
	}
	if (!participating)
		return 0;
	v->opted_out = !*participating;
	v->confirmed = false;
	v->tell_participating = true;
	if (*participating)
		book_let_in(b, id, utc_ms);
	for (int i = 0; i < b->n && !*participating; i++)
		if (!strcmp(b->entry[i].c.event_id, id))
			hold(&b->entry[i], utc_ms);
	return 0;
}

static int participate_command(struct book *b, struct book_entry *e, const bool *participating, double pct, int64_t utc_ms,
			       struct errbuf *err)
{
	if (command_over(b, e, utc_ms))
		return errbuf_set(err, -EPERM, "command %s is over", e->c.id);
	e->changed = true;
	if (!isnan(pct)) {
		e->owner_reserve_pct = pct;
		e->owner_reserve_utc_ms = utc_ms > e->c.updated_utc_ms ? utc_ms : e->c.updated_utc_ms + 1;
		e->tell_reserve = true;
	}
	if (!participating)
		return 0;
	e->opted_out = !*participating;
	e->tell_participating = true;
	if (*participating)
		let_in(e, utc_ms);
	else
		hold(e, utc_ms);
	return 0;
}

int book_participate(struct book *b, const char *id, const bool *participating, double reserve_pct, int64_t utc_ms,
		     struct errbuf *err)
{
	struct book_entry *e = book_find(b, id);

	if (!isnan(reserve_pct) && !(reserve_pct >= 0 && reserve_pct <= 100))
		return errbuf_set(err, -ERANGE, "reserve %g %% is outside 0..100", reserve_pct);
	if (e && e->c.event_id[0])
		return participate_event(b, e->c.event_id, participating, reserve_pct, utc_ms, err);
	if (e)
		return participate_command(b, e, participating, reserve_pct, utc_ms, err);
	if (!id[0] || (!book_find_event(b, id) && !has_commands(b, id)))
		return errbuf_set(err, -ENOENT, "no event or command '%.63s' is known here", id);
	return participate_event(b, id, participating, reserve_pct, utc_ms, err);
}

/* One row a device, however many commands name it. */
static void add_device(cJSON *list, const char *device_id, double pct)
{
	const cJSON *row;
	cJSON *add;

	cJSON_ArrayForEach(row, list) {
		const cJSON *id = cJSON_GetObjectItemCaseSensitive(row, "device_id");

		if (cJSON_IsString(id) && !strcmp(id->valuestring, device_id))
			return;
	}
	add = cJSON_CreateObject();
	cJSON_AddStringToObject(add, "device_id", device_id);
	json_add_number(add, "reserve_percentage", pct, 1);
	cJSON_AddItemToArray(list, add);
}

cJSON *book_participation_encode(const struct book *b, const struct book_event *v, const struct book_entry *e)
{
	cJSON *o = cJSON_CreateObject(), *list;

	cJSON_AddStringToObject(o, v ? "event_id" : "command_id", v ? v->e.id : e->c.id);
	if (v ? v->tell_participating : e->tell_participating)
		cJSON_AddBoolToObject(o, "is_participating", !(v ? v->opted_out : e->opted_out));
	if (!(v ? v->tell_reserve : e->tell_reserve))
		return o;
	list = cJSON_AddArrayToObject(o, "device_settings");
	for (int i = 0; i < b->n && v; i++)
		if (!strcmp(b->entry[i].c.event_id, v->e.id))
			add_device(list, b->entry[i].c.device_id, v->owner_reserve_pct);
	if (!v)
		add_device(list, e->c.device_id, e->owner_reserve_pct);
	return o;
}
