/* Entries and events as JSON: one form for the store and for R/command/<id>, R/event/<id>. Flip's own members keep Flip's
 * names; what only the book needs to go on after a restart is in "book". */
#include "cloud/book_internal.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const STATE[] = { "scheduled", "active", "suspended", "done", "canceled", "opted_out", "superseded",
				     "expired", "refused", "failed" };

const char *book_state_word(enum book_state s)
{
	return STATE[s];
}

bool book_state_is_end(enum book_state s)
{
	switch (s) {
	case BOOK_SCHEDULED:
	case BOOK_ACTIVE:
	case BOOK_SUSPENDED:
		return false;
	case BOOK_DONE:
	case BOOK_CANCELED:
	case BOOK_OPTED_OUT:
	case BOOK_SUPERSEDED:
	case BOOK_EXPIRED:
	case BOOK_REFUSED:
	case BOOK_FAILED:
		return true;
	}
	return true;
}

cJSON *book_entry_encode(const struct book_entry *e)
{
	cJSON *o = flip_command_encode(&e->c), *b;

	if (!o)
		return NULL;
	cJSON_ReplaceItemInObjectCaseSensitive(o, "device_status", cJSON_CreateString(flip_device_status_word(e->ack)));
	if (e->ack_reason[0])
		cJSON_AddStringToObject(o, "device_status_reason", e->ack_reason);
	cJSON_AddStringToObject(o, "state", book_state_word(e->state));
	json_add_number(o, "delivered_wh", e->delivered_wh, 1);
	json_add_number(o, "power_w", e->power_w, 0);
	json_add_time(o, "finished_at", e->finished_utc_ms);
	if (e->superseded_by[0])
		cJSON_AddStringToObject(o, "superseded_by", e->superseded_by);
	b = cJSON_AddObjectToObject(o, "book");
	cJSON_AddStringToObject(b, "at_flip", flip_device_status_word(e->c.device_status));
	cJSON_AddStringToObject(b, "trouble", flip_device_status_word(e->trouble));
	cJSON_AddBoolToObject(b, "ack_due", e->ack_due);
	cJSON_AddBoolToObject(b, "ran", e->ran);
	cJSON_AddBoolToObject(b, "ended", e->ended);
	if (e->undated)
		cJSON_AddBoolToObject(b, "undated", true);
	json_add_number(b, "ack_by", (double)e->ack_by_utc_ms, 0);
	cJSON_AddStringToObject(b, "wish_id", e->wish_id);
	if (e->c.refusal[0])
		cJSON_AddStringToObject(b, "refusal", e->c.refusal);
	return o;
}

static int get_word(const cJSON *o, const char *key, const char *const *words, int n, struct errbuf *err)
{
	char text[32] = "";
	int r = json_get_text(o, key, text, sizeof(text), err);

	if (r < 0)
		return r;
	for (int i = 0; i < n; i++)
		if (!strcmp(words[i], text))
			return i;
	return errbuf_set(err, -EINVAL, "%s: '%s' is not a word of the book", key, text);
}

static int get_device_status(const cJSON *o, const char *key, enum flip_device_status *out, struct errbuf *err)
{
	const char *words[4];
	int r;

	for (int i = 0; i < 4; i++)
		words[i] = flip_device_status_word((enum flip_device_status)i);
	r = get_word(o, key, words, 4, err);
	if (r < 0)
		return r;
	*out = (enum flip_device_status)r;
	return 0;
}

static int get_ms(const cJSON *o, const char *key, int64_t *out, struct errbuf *err)
{
	return json_get_int(o, key, 0, 7258118400000LL * 2, out, err);
}

static int book_part_decode(const cJSON *b, struct book_entry *e, struct errbuf *err)
{
	int r;

	if (!cJSON_IsObject(b))
		return errbuf_set(err, -EINVAL, "book: missing");
	if ((r = get_device_status(b, "at_flip", &e->c.device_status, err)) < 0 ||
	    (r = get_device_status(b, "trouble", &e->trouble, err)) < 0 || (r = json_get_bool(b, "ack_due", &e->ack_due, err)) < 0 ||
	    (r = json_get_bool(b, "ran", &e->ran, err)) < 0 || (r = json_get_bool(b, "ended", &e->ended, err)) < 0 ||
	    (r = json_get_bool(b, "undated", &e->undated, err)) < 0 ||
	    (r = get_ms(b, "ack_by", &e->ack_by_utc_ms, err)) < 0 ||
	    (r = json_get_text(b, "wish_id", e->wish_id, sizeof(e->wish_id), err)) < 0)
		return r;
	e->c.refusal[0] = '\0';
	return json_get_text(b, "refusal", e->c.refusal, sizeof(e->c.refusal), err);
}

/* Our own text, so a time is never a surprise; read by the same rules all the same. */
static int get_finished(const cJSON *o, struct book_entry *e, struct errbuf *err)
{
	cJSON *m = cJSON_GetObjectItemCaseSensitive(o, "finished_at");

	if (!m)
		return 0;
	if (!cJSON_IsString(m) || calendar_parse(m->valuestring, &e->finished_utc_ms) < 0)
		return errbuf_set(err, -EINVAL, "finished_at: not a time");
	return 0;
}

int book_entry_decode(const cJSON *o, struct book_entry *out, struct errbuf *err)
{
	struct book_entry e = { .device = -1, .power_w = NAN };
	int r = flip_command_decode(o, &e.c, err);

	if (r < 0)
		return r;
	r = get_word(o, "state", STATE, (int)(sizeof(STATE) / sizeof(STATE[0])), err);
	if (r < 0)
		return r;
	e.state = (enum book_state)r;
	if ((r = get_device_status(o, "device_status", &e.ack, err)) < 0 ||
	    (r = json_get_text(o, "device_status_reason", e.ack_reason, sizeof(e.ack_reason), err)) < 0 ||
	    (r = json_get_number(o, "delivered_wh", 0, 1e12, &e.delivered_wh, err)) < 0 ||
	    (r = json_get_number(o, "power_w", 0, FLIP_SETPOINT_MAX_W, &e.power_w, err)) < 0 || (r = get_finished(o, &e, err)) < 0 ||
	    (r = json_get_text(o, "superseded_by", e.superseded_by, sizeof(e.superseded_by), err)) < 0 ||
	    (r = book_part_decode(cJSON_GetObjectItemCaseSensitive(o, "book"), &e, err)) < 0)
		return r;
	*out = e;
	return 0;
}

cJSON *book_event_encode(const struct book_event *v)
{
	cJSON *o = flip_event_encode(&v->e), *b;

	if (!o)
		return NULL;
	cJSON_AddBoolToObject(o, "participating", v->e.participating && !v->opted_out);
	json_add_number(o, "owner_reserve_pct", v->owner_reserve_pct, 9);
	b = cJSON_AddObjectToObject(o, "book");
	cJSON_AddBoolToObject(b, "opted_out", v->opted_out);
	cJSON_AddBoolToObject(b, "confirmed", v->confirmed);
	cJSON_AddBoolToObject(b, "tell_participating", v->tell_participating);
	cJSON_AddBoolToObject(b, "tell_reserve", v->tell_reserve);
	cJSON_AddBoolToObject(b, "id_only", v->e.updated_utc_ms == 0);
	cJSON_AddBoolToObject(b, "of_command", v->of_command);
	cJSON_AddNumberToObject(b, "owed", v->owed);
	json_add_number(b, "told_at", (double)v->told_utc_ms, 0);
	json_add_number(b, "owner_reserve_at", (double)v->owner_reserve_utc_ms, 0);
	return o;
}

int book_event_decode(const cJSON *o, struct book_event *out, struct errbuf *err)
{
	const cJSON *b = cJSON_GetObjectItemCaseSensitive(o, "book");
	struct book_event v = { .owner_reserve_pct = NAN };
	bool id_only = false;
	int64_t owed = 0;
	int r;

	if (!cJSON_IsObject(b))
		return errbuf_set(err, -EINVAL, "book: missing");
	if ((r = json_get_bool(b, "id_only", &id_only, err)) < 0 || (r = json_get_bool(b, "opted_out", &v.opted_out, err)) < 0 ||
	    (r = json_get_bool(b, "confirmed", &v.confirmed, err)) < 0 ||
	    (r = json_get_bool(b, "of_command", &v.of_command, err)) < 0 || (r = json_get_int(b, "owed", 0, 1000000, &owed, err)) < 0 ||
	    (r = get_ms(b, "told_at", &v.told_utc_ms, err)) < 0 ||
	    (r = json_get_bool(b, "tell_participating", &v.tell_participating, err)) < 0 ||
	    (r = json_get_bool(b, "tell_reserve", &v.tell_reserve, err)) < 0 ||
	    (r = get_ms(b, "owner_reserve_at", &v.owner_reserve_utc_ms, err)) < 0 ||
	    (r = json_get_number(o, "owner_reserve_pct", 0, 100, &v.owner_reserve_pct, err)) < 0)
		return r;
	if (id_only) {
		v.e.participating = true;
		r = json_get_text(o, "id", v.e.id, sizeof(v.e.id), err);
		if (r == 0 || (r > 0 && !v.e.id[0]))
			r = errbuf_set(err, -EINVAL, "id: missing");
	} else {
		r = flip_event_decode(o, &v.e, err);
	}
	if (r < 0)
		return r;
	v.owed = (int)owed;
	*out = v;
	return 0;
}

int book_restore(struct book *b, const struct book_entry *e)
{
	if (b->n >= BOOK_COMMANDS_MAX)
		return -ENOSPC;
	b->entry[b->n++] = *e;
	return 0;
}

int book_restore_event(struct book *b, const struct book_event *v)
{
	if (b->n_events >= BOOK_EVENTS_MAX)
		return -ENOSPC;
	b->event[b->n_events++] = *v;
	return 0;
}

/* FNV-1a, 64 bits. Only signed ids get here, so nobody can look for collisions on purpose. */
static uint64_t hash(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

bool book_seen(const struct book *b, const char *webhook_id)
{
	const int n = b->n_seen < BOOK_SEEN_MAX ? b->n_seen : BOOK_SEEN_MAX;
	const uint64_t h = hash(webhook_id);

	for (int i = 0; i < n; i++)
		if (b->seen[i] == h)
			return true;
	return false;
}

void book_mark_seen(struct book *b, const char *webhook_id)
{
	b->seen[b->n_seen % BOOK_SEEN_MAX] = hash(webhook_id);
	b->n_seen = b->n_seen + 1 < 2 * BOOK_SEEN_MAX ? b->n_seen + 1 : BOOK_SEEN_MAX;
}
