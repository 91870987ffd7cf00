/* See flip_link.h. What both ways to Flip share: beginning and end, the beat, the owner's participation. The ways are in
 * flip_queue.c and flip_direct.c, what arrives in flip_in.c, what is stored in flip_store.c. */
#include "flow/cloud/flip_internal.h"

#include "core/clock_gate.h"
#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_EVERY_MS (10LL * 60 * 1000)
#define STEADY_MS (60LL * 60 * 1000) /* of the clock, before old rows are thrown away on its word */
#define PROGRESS_EVERY_MS 60000

bool link_clock(const struct flip_link *l, int64_t *now_ms, int64_t *utc_ms)
{
	return l->o.cb.clock(l->o.cb.context, now_ms, utc_ms);
}

void link_audit(const struct flip_link *l, const char *result, const char *fmt, ...)
{
	char request[192];
	va_list ap;

	if (!l->o.cb.audit)
		return;
	va_start(ap, fmt);
	vsnprintf(request, sizeof(request), fmt, ap);
	va_end(ap);
	l->o.cb.audit(l->o.cb.context, "flip", request, result);
}

int flip_keys_split(char *secret, const char *keys[FLIP_KEYS_MAX])
{
	char *save = NULL;
	int n = 0;

	for (char *k = strtok_r(secret, " \t\r\n", &save); k; k = strtok_r(NULL, " \t\r\n", &save)) {
		if (n == FLIP_KEYS_MAX || strncmp(k, "whsec_", 6) != 0 || strlen(k) >= FLIP_KEY_MAX)
			return -EINVAL;
		keys[n++] = k;
	}
	return n > 0 ? n : -EINVAL;
}

/* A wish of the owner that Flip has taken (or never will) is owed no more. */
static void on_row_over(void *context, const char *kind, const char *body, int status)
{
	struct flip_link *l = context;
	AUTO_JSON *o = strcmp(kind, OUTBOX_PARTICIPATION) ? NULL : json_parse(body, strlen(body), 1 << 20, FLIP_DEPTH_MAX, NULL);
	char id[FLIP_ID_MAX];

	(void)status;
	if (o && (json_get_text(o, "event_id", id, sizeof(id), NULL) > 0 || json_get_text(o, "command_id", id, sizeof(id), NULL) > 0))
		book_told(l->o.book, id);
}

void link_up(struct flip_link *l, bool up, int64_t now_ms)
{
	outbox_link(l->o.outbox, up, now_ms);
	if (l->o.backlog)
		backlog_link(l->o.backlog, up, now_ms);
}

/* Mail may have waited and says nothing when it is older than our clock; the Date of an answer was written just now. */
void link_judge_clock(struct flip_link *l, int64_t flip_utc_ms)
{
	int64_t now_ms, utc_ms, ahead;

	link_clock(l, &now_ms, &utc_ms);
	ahead = flip_utc_ms - utc_ms;
	if (ahead > FLIP_CLOCK_TOLERANCE_MS || (l->way == &FLIP_WAY_DIRECT && ahead < -FLIP_CLOCK_TOLERANCE_MS)) {
		if (!l->clock_warned)
			log_warning("flip", "Flip's time, verified, is %lld s %s this clock: the clock is wrong",
				    (long long)(llabs(ahead) / 1000), ahead > 0 ? "ahead of" : "behind");
		l->clock_warned = true;
		if (l->o.cb.clock_word)
			l->o.cb.clock_word(l->o.cb.context, FLIP_CLOCK_REFUTED, flip_utc_ms);
	} else if (ahead >= -FLIP_CLOCK_TOLERANCE_MS) {
		l->clock_warned = false;
		if (l->o.cb.clock_word)
			l->o.cb.clock_word(l->o.cb.context, FLIP_CLOCK_PROVEN, flip_utc_ms);
	}
}

static const struct flip_way *way_of(enum link_mode mode)
{
	static const struct flip_way NONE = { .batch_max = 0 };

	switch (mode) {
	case LINK_QUEUE:
		return &FLIP_WAY_QUEUE;
	case LINK_DIRECT:
		return &FLIP_WAY_DIRECT;
	case LINK_OFF:
	case LINK_PUSHED:
		break;
	}
	return &NONE;
}

static void attach(struct flip_link *l, bool on)
{
	outbox_listener(l->o.outbox, on ? on_row_over : NULL, on ? l : NULL);
	outbox_sender(l->o.outbox, on ? l->way->send_row : NULL, on ? l : NULL);
	if (l->o.backlog)
		backlog_sender(l->o.backlog, on ? l->way->send_batch : NULL, on ? l : NULL, on ? l->way->batch_max : 0);
}

/* What the options point to may be gone after the start; secrets are copied by the way that needs them. */
static void take_options(struct flip_link *l, const struct flip_link_options *options)
{
	const char *at_flip = options->flip_site_id && options->flip_site_id[0] ? options->flip_site_id : options->site_id;

	l->o = *options;
	l->root = *options->root;
	l->o.root = &l->root;
	snprintf(l->site_id, sizeof(l->site_id), "%s", options->site_id ? options->site_id : "");
	snprintf(l->flip_site_id, sizeof(l->flip_site_id), "%s", at_flip ? at_flip : "");
	l->o.site_id = l->site_id;
	l->o.flip_site_id = l->flip_site_id;
}

static void forget_options(struct flip_link *l)
{
	l->o.boot_id = l->o.base_url = l->o.token = l->o.ca_file = NULL;
	memset(&l->o.mqtt, 0, sizeof(l->o.mqtt));
	memset(l->o.keys, 0, sizeof(l->o.keys));
}

int flip_link_start(struct flip_link **out, const struct flip_link_options *options, struct errbuf *err)
{
	struct flip_link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return errbuf_set(err, -ENOMEM, "flip: no memory");
	take_options(l, options);
	l->way = way_of(options->mode);
	r = link_load(l, err);
	if (r == 0) {
		attach(l, true);
		if (l->way->start)
			r = l->way->start(l, err);
	}
	forget_options(l);
	if (r < 0) {
		attach(l, false);
		free(l);
		return r;
	}
	*out = l;
	return 0;
}

void flip_link_stop(struct flip_link *l)
{
	int64_t now_ms, utc_ms;

	if (!l)
		return;
	link_clock(l, &now_ms, &utc_ms);
	l->write_after_ms = 0;
	link_flush(l, NULL, NULL, NULL);
	link_up(l, false, now_ms);
	attach(l, false);
	if (l->way->stop)
		l->way->stop(l);
	l->stopped = true;
	if (l->transactions == 0)
		free(l);
}

int64_t link_book_step(struct flip_link *l)
{
	struct book_device devices[DEVICE_MAX];
	const int n = l->o.cb.devices(l->o.cb.context, devices, DEVICE_MAX);
	int64_t now_ms, utc_ms;
	const bool trusted = link_clock(l, &now_ms, &utc_ms);

	return book_step(l->o.book, devices, n, trusted ? utc_ms : 0);
}

/* What a running command has delivered is worth a minute at most when the power goes. */
static void keep_progress(struct flip_link *l, int64_t now_ms)
{
	if (now_ms - l->minute_ms < PROGRESS_EVERY_MS)
		return;
	l->minute_ms = now_ms;
	for (int i = 0; i < l->o.book->n; i++)
		if (l->o.book->entry[i].state == BOOK_ACTIVE)
			l->o.book->entry[i].changed = true;
}

int64_t flip_link_step(struct flip_link *l)
{
	int64_t now_ms, utc_ms, next;
	bool trusted;

	if (!l)
		return 0;
	trusted = link_clock(l, &now_ms, &utc_ms);
	next = link_book_step(l);
	keep_progress(l, now_ms);
	link_flush(l, NULL, NULL, NULL);
	if (l->way->step)
		l->way->step(l, now_ms);
	outbox_step(l->o.outbox, now_ms);
	if (l->o.backlog)
		backlog_step(l->o.backlog, now_ms);
	if (llabs(utc_ms - now_ms - l->offset_ms) > CLOCK_STEP_MS) { /* so it was at the first look too */
		l->steady_ms = now_ms;
		if (!trusted && l->way->ask)
			l->way->ask(l, now_ms); /* the Date of the answer may be what proves the new time */
	}
	l->offset_ms = utc_ms - now_ms;
	if (trusted && now_ms - l->steady_ms >= STEADY_MS && (l->kept_ms == 0 || now_ms - l->kept_ms >= FORGET_EVERY_MS)) {
		l->kept_ms = now_ms;
		link_forget(l, utc_ms, COMMAND_KEEP_MS);
	}
	return next;
}

int flip_link_participate(struct flip_link *l, const struct flip_wish *w, store_done_fn done, void *context, struct errbuf *err)
{
	int64_t now_ms, utc_ms;
	bool trusted;
	int r;

	if (!l)
		return errbuf_set(err, -EAGAIN, "the Flip link is not running");
	trusted = link_clock(l, &now_ms, &utc_ms);
	r = book_participate(l->o.book, w->id, w->participating, w->reserve_pct, trusted ? utc_ms : 0, err);
	if (r < 0)
		return r;
	link_book_step(l);
	link_flush(l, NULL, done, context);
	return 0;
}

void flip_link_flush(struct flip_link *l)
{
	if (l)
		link_flush(l, NULL, NULL, NULL);
}

void flip_link_retry(struct flip_link *l)
{
	int64_t now_ms, utc_ms;

	if (!l || !l->way || !l->way->retry)
		return;
	link_clock(l, &now_ms, &utc_ms);
	l->way->retry(l, now_ms);
}

void flip_link_stats(const struct flip_link *l, struct flip_link_stats *out)
{
	*out = l ? l->stats : (struct flip_link_stats){ .received = 0 };
	if (l && l->way->stats)
		l->way->stats(l, out);
}
