/* What arrives: commands, by whatever way, into the book and stored with their answers; signed envelopes of R/flip/in, verified
 * and decoded before. A bad one is logged, counted and audited and changes nothing. */
#include "flow/cloud/flip_internal.h"

#include "flow/cloud/envelope.h"
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	if (l->o.book->newest_utc_ms - utc_ms <= FLIP_CLOCK_TOLERANCE_MS || flip_utc_ms - utc_ms > FLIP_CLOCK_TOLERANCE_MS)
		link_judge_clock(l, flip_utc_ms);
}

void link_refuse(struct flip_link *l, const char *what, const char *id, const char *why)
{
	l->stats.refused++;
	log_warning("flip", "%s %s refused: %s", what, id[0] ? id : "(no id)", why);
	link_audit(l, why, "%s %s", what, id[0] ? id : "(no id)");
}

static enum book_outcome offer_command(struct flip_link *l, const struct flip_command *c, const char *event_type,
				       const struct book_scene *scene)
{
	enum book_outcome r = book_offer(l->o.book, c, event_type, scene);

	if (r != BOOK_FULL || !scene->utc_ms)
		return r;
	link_forget(l, scene->utc_ms, 0);
	return book_offer(l->o.book, c, event_type, scene);
}

static enum book_outcome offer_event(struct flip_link *l, const struct flip_envelope *f, int64_t utc_ms, bool trusted)
{
	enum book_outcome r = book_offer_event(l->o.book, &f->event, utc_ms);

	if (r != BOOK_FULL || !trusted)
		return r;
	link_forget(l, utc_ms, 0);
	return book_offer_event(l->o.book, &f->event, utc_ms);
}

static void count(struct flip_link *l, enum book_outcome r, enum link_door door)
{
	const bool polled = door == LINK_BY_POLL;

	l->stats.received += polled && r != BOOK_STALE && r != BOOK_FOREIGN;
	l->stats.accepted += r == BOOK_NEW || r == BOOK_UPDATED;
	l->stats.stale += !polled && r == BOOK_STALE;
	l->stats.foreign += !polled && r == BOOK_FOREIGN;
	l->stats.refused += r == BOOK_FULL;
}

static void say(const struct flip_link *l, const char *event_type, const char *id, enum book_outcome r)
{
	const struct book_entry *e = book_find(l->o.book, id);

	log_info("flip", "%s %s: %s%s%s", event_type, id, outcome_word(r), e && e->ack_reason[0] ? ", " : "", e ? e->ack_reason : "");
	if (r != BOOK_STALE)
		link_audit(l, outcome_word(r), "%s %s", event_type, id);
}

/* A full book answers too: what is not kept must not look scheduled. A list names it again each minute: once is enough. */
static void answer_full(struct flip_link *l, const struct flip_command *c, enum link_door door)
{
	AUTO_JSON *body = flip_ack_encode(c->id, FLIP_FAILED_FAULT, "too many commands");
	const struct link_row extra = { OUTBOX_COMMAND_STATUS, body };

	if (door == LINK_BY_POLL && (c->device_status != FLIP_PENDING || !body || outbox_holds(l->o.outbox, extra.kind, body)))
		return;
	count(l, BOOK_FULL, door);
	say(l, door == LINK_BY_POLL ? "polled command" : "command", c->id, BOOK_FULL);
	link_flush(l, &extra, NULL, NULL);
}

void link_commands_in(struct flip_link *l, const struct flip_command *c, int n, const char *event_type, enum link_door door)
{
	struct book_device devices[DEVICE_MAX];
	struct book_scene scene = { .devices = devices, .addressed = door == LINK_BY_MESSAGE,
				    .paused = l->o.cb.paused && l->o.cb.paused(l->o.cb.context) };
	int64_t now_ms, utc_ms;
	bool changed = false;

	scene.n_devices = l->o.cb.devices(l->o.cb.context, devices, DEVICE_MAX);
	scene.utc_ms = link_clock(l, &now_ms, &utc_ms) ? utc_ms : 0;
	for (int i = 0; i < n; i++) {
		const enum book_outcome r = offer_command(l, &c[i], event_type, &scene);

		changed = changed || r == BOOK_NEW || r == BOOK_UPDATED;
		if (r == BOOK_FULL) {
			answer_full(l, &c[i], door);
			continue;
		}
		count(l, r, door);
		if (door == LINK_BY_MESSAGE || r == BOOK_NEW || r == BOOK_UPDATED)
			say(l, event_type[0] ? event_type : "polled command", c[i].id, r);
	}
	link_book_step(l);
	link_flush(l, NULL, NULL, NULL);
	if (changed && l->o.cb.changed)
		l->o.cb.changed(l->o.cb.context);
}

static void event_in(struct flip_link *l, const struct flip_envelope *f, int64_t utc_ms, bool trusted)
{
	const enum book_outcome r = offer_event(l, f, utc_ms, trusted);

	count(l, r, LINK_BY_MESSAGE);
	link_book_step(l);
	say(l, f->event_type, f->event.id, r);
	link_flush(l, NULL, NULL, NULL);
	if ((r == BOOK_NEW || r == BOOK_UPDATED) && l->o.cb.changed)
		l->o.cb.changed(l->o.cb.context);
}

static void act(struct flip_link *l, const struct envelope *v, const struct flip_envelope *f)
{
	int64_t now_ms, utc_ms;
	const bool trusted = link_clock(l, &now_ms, &utc_ms);

	switch (f->object) {
	case FLIP_COMMAND:
		link_commands_in(l, &f->command, 1, f->event_type, LINK_BY_MESSAGE);
		return;
	case FLIP_EVENT:
		event_in(l, f, utc_ms, trusted);
		return;
	case FLIP_SETTINGS_REQUEST: /* payload unpublished: kept for a person to read, nothing is changed */
		link_keep(l, "flip-settings-request", v->body, v->len, utc_ms);
		log_notice("flip", "%s %s: kept, nothing changed", f->event_type, v->id);
		break;
	case FLIP_ENROLLMENT:
	case FLIP_UNKNOWN:
		log_notice("flip", "%s %s: not for the controller", f->event_type, v->id);
		break;
	}
	link_flush(l, NULL, NULL, NULL); /* the webhook id */
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
		keys[i] = l->queue->keys[i];
	r = envelope_open(m, &v, &err);
	if (r == 0)
		r = envelope_verify(&v, keys, l->o.n_keys, l->o.legacy_body_timestamp, &err);
	if (r < 0) {
		link_refuse(l, "envelope", v.id, err.text);
	} else if (book_seen(l->o.book, v.id)) {
		l->stats.duplicates++;
		log_debug("flip", "envelope %s came again", v.id);
	} else if (flip_envelope_decode(v.body, v.len, &f, &err) < 0) {
		link_refuse(l, "signed envelope", v.id, err.text);
	} else {
		judge_clock(l, v.timestamp_utc_ms);
		mark_seen(l, &v);
		act(l, &v, &f);
	}
	envelope_close(&v);
}
