/* The owner's participation: what is wished here counts at once, whatever Flip's copy still says. */
#include "cloud/book_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The newest word we hold of the event: the owner's wish is made after all of it, even when our clock lags behind. */
static int64_t newest(const struct book *b, const char *wish_id)
{
	int64_t t = 0;

	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].wish_id, wish_id) && b->entry[i].c.updated_utc_ms > t)
			t = b->entry[i].c.updated_utc_ms;
	return t;
}

static bool has_commands(const struct book *b, const char *wish_id)
{
	return newest(b, wish_id) > 0;
}

static bool command_over(const struct book *b, const struct book_entry *e, int64_t utc_ms)
{
	return e->ended || e->state == BOOK_CANCELED || (utc_ms && utc_ms >= book_end_utc(b, &e->c));
}

static bool wish_over(const struct book *b, const struct book_event *v, const char *wish_id, int64_t utc_ms)
{
	bool any = false;

	if (v && (v->e.status == FLIP_EVENT_COMPLETED || v->e.status == FLIP_EVENT_CANCELED))
		return true;
	if (v && utc_ms && v->e.ends_utc_ms && utc_ms >= v->e.ends_utc_ms)
		return true;
	for (int i = 0; i < b->n; i++) {
		if (strcmp(b->entry[i].wish_id, wish_id) != 0)
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
	book_ask_again(e, utc_ms);
}

void book_let_in(struct book *b, const char *wish_id, int64_t utc_ms)
{
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].wish_id, wish_id))
			let_in(&b->entry[i], utc_ms);
}

static void set_participating(struct book *b, struct book_event *v, bool participating, int64_t utc_ms)
{
	v->opted_out = !participating;
	v->confirmed = false;
	v->told_utc_ms = 0;
	v->tell_participating = true;
	if (participating)
		book_let_in(b, v->e.id, utc_ms);
	for (int i = 0; i < b->n && !participating; i++)
		if (!strcmp(b->entry[i].wish_id, v->e.id))
			hold(&b->entry[i], utc_ms);
}

int book_participate(struct book *b, const char *id, const bool *participating, double reserve_pct, int64_t utc_ms,
		     struct errbuf *err)
{
	const struct book_entry *e = book_find(b, id);
	char wish_id[FLIP_ID_MAX] = "";
	struct book_event *v;

	if (!isnan(reserve_pct) && !(reserve_pct >= 0 && reserve_pct <= 100))
		return errbuf_set(err, -ERANGE, "reserve %g %% is outside 0..100", reserve_pct);
	memcpy(wish_id, e ? e->wish_id : id, e ? FLIP_ID_MAX : strnlen(id, FLIP_ID_MAX - 1));
	if (!wish_id[0] || (!book_find_event(b, wish_id) && !has_commands(b, wish_id)))
		return errbuf_set(err, -ENOENT, "no event or command '%s' is known here", wish_id);
	if (wish_over(b, book_find_event(b, wish_id), wish_id, utc_ms))
		return errbuf_set(err, -EPERM, "'%s' is over", wish_id);
	v = event_for(b, wish_id);
	if (!v)
		return errbuf_set(err, -ENOSPC, "'%s': %d events are held already", wish_id, BOOK_EVENTS_MAX);
	v->of_command = v->of_command || (e && !e->c.event_id[0]);
	v->changed = true;
	if (!isnan(reserve_pct)) {
		const int64_t known = newest(b, wish_id);

		v->owner_reserve_pct = reserve_pct;
		v->owner_reserve_utc_ms = utc_ms > known ? utc_ms : known + 1;
		v->tell_reserve = true;
	}
	if (participating)
		set_participating(b, v, *participating, utc_ms);
	return 0;
}

/* Flip's word against an opt-out made here. Its copy may be behind by the rows in the outbox, by rows under way, and by
 * mail that was written between two changes of mind; so it counts only when no wish is owed any more, Flip has said so
 * itself once, and this was written well after it took the wish. Until then the newest wish made here holds. */
bool book_overruled(struct book_event *v, int64_t updated_utc_ms)
{
	if (!v->opted_out || !v->confirmed || v->owed || v->tell_participating || !v->told_utc_ms ||
	    updated_utc_ms <= v->told_utc_ms + BOOK_ANSWER_MS)
		return false;
	v->opted_out = v->confirmed = false;
	v->changed = true;
	return true;
}

void book_told(struct book *b, const char *id)
{
	struct book_event *v = book_find_event(b, id);

	if (!v || v->owed <= 0)
		return;
	v->owed--;
	v->changed = true; /* the time is set by the next step with a trusted clock */
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

cJSON *book_participation_encode(const struct book *b, const struct book_event *v)
{
	cJSON *o = cJSON_CreateObject(), *list;

	cJSON_AddStringToObject(o, v->of_command ? "command_id" : "event_id", v->e.id);
	if (v->tell_participating)
		cJSON_AddBoolToObject(o, "is_participating", !v->opted_out);
	if (!v->tell_reserve)
		return o;
	list = cJSON_AddArrayToObject(o, "device_settings");
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->entry[i].wish_id, v->e.id))
			add_device(list, b->entry[i].c.device_id, v->owner_reserve_pct);
	return o;
}
