/* What arrives: signed envelopes on R/flip/in and answers on R/flip/ack. Verified, decoded, put to the book, stored with
 * its answer; a bad one is logged, counted and audited and changes nothing. */
#include "flow/flip_internal.h"

#include "flow/envelope.h"
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ACK_MAX (64 * 1024)

static const char *outcome_word(enum book_outcome r)
{
	switch (r) {
	case BOOK_NEW:
		return "new";
	case BOOK_UPDATED:
		return "updated";
	case BOOK_STALE:
		return "stale: not newer than what is known";
	case BOOK_FOREIGN:
		return "for a device of another hub";
	case BOOK_FULL:
		return "refused: too many commands";
	}
	return "";
}

/* Signed time against ours. An older message may just have waited on the broker; one older than others we have read says
 * nothing at all, or a clock that stopped yesterday would be proven by yesterday's mail. */
static void judge_clock(struct flip_link *l, int64_t flip_utc_ms)
{
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	if (flip_utc_ms > l->o.book->newest_utc_ms)
		l->o.book->newest_utc_ms = flip_utc_ms;
	if (!l->o.cb.clock_word)
		return;
	if (flip_utc_ms - utc_ms > FLIP_CLOCK_TOLERANCE_MS) {
		log_warning("flip", "a verified message is %lld s ahead of this clock: the clock is wrong",
			    (long long)((flip_utc_ms - utc_ms) / 1000));
		l->o.cb.clock_word(l->o.cb.context, FLIP_CLOCK_REFUTED, flip_utc_ms);
	} else if (utc_ms - flip_utc_ms <= FLIP_CLOCK_TOLERANCE_MS && l->o.book->newest_utc_ms - utc_ms <= FLIP_CLOCK_TOLERANCE_MS) {
		l->o.cb.clock_word(l->o.cb.context, FLIP_CLOCK_PROVEN, flip_utc_ms);
	}
}

static void refuse(struct flip_link *l, const char *what, const char *id, const char *why)
{
	l->stats.refused++;
	log_warning("flip", "%s %s refused: %s", what, id[0] ? id : "(no id)", why);
	link_audit(l, why, "%s %s", what, id[0] ? id : "(no id)");
}

static enum book_outcome offer_command(struct flip_link *l, const struct flip_envelope *f, int64_t utc_ms, bool trusted)
{
	struct book_device devices[DEVICE_MAX];
	const struct book_scene scene = {
		.devices = devices, .n_devices = l->o.cb.devices(l->o.cb.context, devices, DEVICE_MAX), .addressed = true,
		.paused = l->o.cb.paused && l->o.cb.paused(l->o.cb.context), .utc_ms = trusted ? utc_ms : 0,
	};
	enum book_outcome r;

	for (int tries = 0;; tries++) {
		r = book_offer(l->o.book, &f->command, f->event_type, &scene);
		if (r != BOOK_FULL || tries > 0 || !trusted)
			return r;
		link_forget(l, utc_ms, 0);
	}
}

static enum book_outcome offer_event(struct flip_link *l, const struct flip_envelope *f, int64_t utc_ms, bool trusted)
{
	enum book_outcome r = book_offer_event(l->o.book, &f->event, utc_ms);

	if (r != BOOK_FULL || !trusted)
		return r;
	link_forget(l, utc_ms, 0);
	return book_offer_event(l->o.book, &f->event, utc_ms);
}

static void count(struct flip_link *l, enum book_outcome r)
{
	l->stats.accepted += r == BOOK_NEW || r == BOOK_UPDATED;
	l->stats.stale += r == BOOK_STALE;
	l->stats.foreign += r == BOOK_FOREIGN;
	l->stats.refused += r == BOOK_FULL;
}

/* A full book answers too: what is not kept must not look scheduled. */
static void flush_command(struct flip_link *l, const struct flip_command *c, enum book_outcome r)
{
	AUTO_JSON *body = NULL;
	struct link_row extra = { OUTBOX_COMMAND_STATUS, NULL };

	if (r != BOOK_FULL) {
		link_flush(l, NULL, NULL, NULL);
		return;
	}
	body = flip_ack_encode(c->id, FLIP_FAILED_FAULT, "too many commands");
	extra.body = body;
	link_flush(l, &extra, NULL, NULL);
}

static void act(struct flip_link *l, const struct envelope *v, const struct flip_envelope *f)
{
	int64_t now_ms, utc_ms;
	const bool trusted = link_clock(l, &now_ms, &utc_ms);
	enum book_outcome r = BOOK_STALE;

	switch (f->object) {
	case FLIP_COMMAND:
		r = offer_command(l, f, utc_ms, trusted);
		break;
	case FLIP_EVENT:
		r = offer_event(l, f, utc_ms, trusted);
		break;
	case FLIP_SETTINGS_REQUEST: /* payload unpublished: kept for a person to read, nothing is changed */
		link_keep(l, "flip-settings-request", v->body, v->len, utc_ms);
		log_notice("flip", "%s %s: kept, nothing changed", f->event_type, v->id);
		break;
	case FLIP_ENROLLMENT:
	case FLIP_UNKNOWN:
		log_notice("flip", "%s %s: not for the controller", f->event_type, v->id);
		break;
	}
	if (f->object == FLIP_COMMAND || f->object == FLIP_EVENT) {
		const char *id = f->object == FLIP_COMMAND ? f->command.id : f->event.id;
		const struct book_entry *e = f->object == FLIP_COMMAND ? book_find(l->o.book, id) : NULL;

		count(l, r);
		link_book_step(l);
		log_info("flip", "%s %s: %s%s%s", f->event_type, id, outcome_word(r), e && e->ack_reason[0] ? ", " : "",
			 e ? e->ack_reason : "");
		if (r != BOOK_STALE)
			link_audit(l, outcome_word(r), "%s %s", f->event_type, id);
	}
	flush_command(l, &f->command, f->object == FLIP_COMMAND ? r : BOOK_NEW);
	if ((r == BOOK_NEW || r == BOOK_UPDATED) && l->o.cb.changed)
		l->o.cb.changed(l->o.cb.context);
}

static void mark_seen(struct flip_link *l, const struct envelope *v)
{
	int64_t now_ms, utc_ms;

	link_clock(l, &now_ms, &utc_ms);
	book_mark_seen(l->o.book, v->id);
	if (l->n_seen == SEEN_PENDING_MAX) /* the disk refuses for long: the oldest is remembered in memory only */
		memmove(&l->seen[0], &l->seen[1], sizeof(l->seen[0]) * (size_t)--l->n_seen);
	memcpy(l->seen[l->n_seen].id, v->id, sizeof(v->id));
	/* by the later of both clocks: ours may stand at 1970 and must not make the row look old later */
	l->seen[l->n_seen].flip_utc_ms = v->timestamp_utc_ms;
	l->seen[l->n_seen++].at_utc_ms = utc_ms > v->timestamp_utc_ms ? utc_ms : v->timestamp_utc_ms;
}

void link_message_in(struct flip_link *l, const struct mqtt_message *m)
{
	const char *keys[FLIP_KEYS_MAX];
	struct flip_envelope f;
	struct envelope v;
	struct errbuf err = { "" };
	int r;

	l->stats.received++;
	for (int i = 0; i < FLIP_KEYS_MAX; i++)
		keys[i] = l->keys[i];
	r = envelope_open(m, &v, &err);
	if (r == 0)
		r = envelope_verify(&v, keys, l->o.n_keys, l->o.legacy_body_timestamp, &err);
	if (r < 0) {
		refuse(l, "envelope", v.id, err.text);
	} else if (book_seen(l->o.book, v.id)) {
		l->stats.duplicates++;
		log_debug("flip", "envelope %s came again", v.id);
	} else if (flip_envelope_decode(v.body, v.len, &f, &err) < 0) {
		refuse(l, "signed envelope", v.id, err.text);
	} else {
		judge_clock(l, v.timestamp_utc_ms);
		mark_seen(l, &v);
		act(l, &v, &f);
	}
	envelope_close(&v);
}

static void reason_of(const cJSON *answer, char *out, size_t size)
{
	const cJSON *body = cJSON_GetObjectItemCaseSensitive(answer, "body");
	AUTO_TEXT *text = NULL;

	out[0] = '\0';
	if (cJSON_IsString(body)) {
		snprintf(out, size, "%.*s", (int)size - 1, body->valuestring);
	} else if (body && !cJSON_IsNull(body)) {
		text = cJSON_PrintUnformatted(body);
		if (text)
			snprintf(out, size, "%.*s", (int)size - 1, text);
	}
}

void link_message_ack(struct flip_link *l, const struct mqtt_message *m)
{
	struct errbuf err = { "" };
	AUTO_JSON *answer = json_parse(m->payload, m->len, ACK_MAX, FLIP_DEPTH_MAX, &err);
	char id[OUTBOX_ID_MAX] = "", reason[128];
	int64_t status = 0, now_ms, utc_ms;
	int r;

	link_clock(l, &now_ms, &utc_ms);
	if (!answer || (r = json_get_text(answer, "message_id", id, sizeof(id), &err)) < 0 ||
	    (r = json_get_int(answer, "status", 100, 599, &status, &err)) < 0) {
		l->stats.refused++;
		log_warning("flip", "answer refused: %s", err.text);
		return;
	}
	if (!id[0] || !status) {
		l->stats.refused++;
		log_warning("flip", "answer refused: %s missing", id[0] ? "status" : "message_id");
		return;
	}
	reason_of(answer, reason, sizeof(reason));
	l->stats.acks++;
	if (outbox_ack(l->o.outbox, id, (int)status, reason, now_ms) < 0)
		log_debug("flip", "answer for %s, which is not owed any more", id);
	else if (status >= 300)
		log_warning("flip", "%s was answered %d %s", id, (int)status, reason);
}
