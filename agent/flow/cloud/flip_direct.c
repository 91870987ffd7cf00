/* Flip in direct mode, by HTTPS: rows and telemetry go out as requests; what answers of all kinds mean for who waits for them
 * and for the link. */
#include "flow/cloud/flip_direct.h"

#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SITE_TOKEN_MS 3600000LL /* its life where Flip does not say, and the longest that is believed */
#define SICK_WAITS_MS 3000
#define BATCH_SHARE_MS 10000 /* telemetry's share while rows wait */
#define BATCH_ASKS_MS 2000
#define PRODUCTION "api.flip.energy"

/* Promises before telemetry, for as long as they could go themselves; but a drain of an hour must not silence it. */
static bool rows_first(const struct flip_direct *d, int64_t now_ms)
{
	const bool rows_rest = d->health.sick & (1u << CALL_ROW | 1u << CALL_TOKEN) && now_ms < d->health.up_ms + SICK_WAITS_MS;

	return !rows_rest && now_ms < d->batch_ms + BATCH_SHARE_MS && outbox_owes(d->l->o.outbox);
}

/* Its share is due, and it has asked for it a moment ago: the backlog does so each second. */
static bool batch_first(const struct flip_direct *d, int64_t now_ms)
{
	return now_ms >= d->batch_ms + BATCH_SHARE_MS && d->batch_asked_ms && now_ms < d->batch_asked_ms + BATCH_ASKS_MS;
}

/* May a row or a batch go now? The poll goes first: it says what to do, the others what was done. A kind that was in trouble the
 * last time lets the others go first, or one row that Flip never takes would silence telemetry for ever. */
static int may_send(struct flip_direct *d, enum call_kind kind, int64_t now_ms)
{
	if (!d->health.up)
		return -ENOTCONN;
	if ((d->health.sick & 1u << kind) && now_ms < d->health.up_ms + SICK_WAITS_MS)
		return -EAGAIN;
	if (kind == CALL_BATCH)
		d->batch_asked_ms = now_ms;
	if (kind == CALL_BATCH ? rows_first(d, now_ms) : batch_first(d, now_ms))
		return -EAGAIN;
	return calls_free(&d->calls, now_ms) && !poll_wanted(d, now_ms) ? 0 : -EAGAIN;
}

static int patch(struct flip_direct *d, const struct call *c)
{
	struct http_request q = { .method = HTTP_PATCH, .body = c->row.body };

	return calls_send(&d->calls, c, c->row.path, c->row.site_token ? d->site_token : NULL, &q);
}

static int ask_site_token(struct flip_direct *d, const struct call *c)
{
	struct http_request q = { .method = HTTP_POST };
	char path[sizeof(c->row.path)];
	int r = flip_site_token_path(d->l->flip_site_id, path, sizeof(path));

	return r < 0 ? r : calls_send(&d->calls, c, path, NULL, &q);
}

/* What cannot be said to Flip by HTTPS: tried again, it would still have no words. */
static int give_up(struct flip_direct *d, const char *id, const char *why, int64_t now_ms)
{
	log_warning("flip", "row %s kept in quarantine: %s", id, why);
	outbox_ack(d->l->o.outbox, id, 422, why, now_ms);
	return 0;
}

static int send_row(void *context, const char *kind, const char *body)
{
	struct flip_link *l = context;
	struct flip_direct *d = l->direct;
	struct call c = { .kind = CALL_ROW, .epoch = d->health.epoch };
	struct errbuf err = { "" };
	int64_t now_ms, utc_ms;
	int r;

	link_clock(l, &now_ms, &utc_ms);
	r = may_send(d, CALL_ROW, now_ms);
	if (r < 0)
		return r;
	{
		AUTO_JSON *o = json_parse(body, strlen(body), 1 << 20, FLIP_DEPTH_MAX, NULL);

		if (json_get_text(o, "message_id", c.ref, sizeof(c.ref), NULL) <= 0)
			return -EINVAL;
	}
	if (calls_about(&d->calls, c.ref))
		return 0; /* the link was down and up meanwhile; its answer is still awaited */
	r = flip_request_encode(kind, body, l->flip_site_id, &c.row, &err);
	if (r < 0)
		return r == -ENOMEM ? r : give_up(d, c.ref, err.text, now_ms);
	if (calls_to(&d->calls, c.row.path)) {
		r = -EAGAIN; /* one word at a time about the same thing, or a later one might arrive first */
	} else if (c.row.site_token && now_ms >= d->site_token_until_ms) {
		c.kind = CALL_TOKEN;
		r = calls_of_kind(&d->calls, CALL_TOKEN) ? -EAGAIN : may_send(d, CALL_TOKEN, now_ms);
		r = r < 0 ? r : ask_site_token(d, &c);
	} else {
		r = patch(d, &c);
	}
	if (r < 0)
		cJSON_free(c.row.body);
	return r;
}

struct points { int n; struct telemetry_point point[]; };

static char *build_batch(void *input)
{
	const struct points *p = input;

	return telemetry_encode(p->point, p->n, NULL);
}

static int send_batch(void *context, const struct backlog_batch *b)
{
	struct flip_link *l = context;
	struct flip_direct *d = l->direct;
	struct http_request q = { .method = HTTP_POST, .build = build_batch, .free_input = free };
	struct call c = { .kind = CALL_BATCH, .epoch = d->health.epoch };
	struct points *p;
	int64_t now_ms, utc_ms;
	int r;

	link_clock(l, &now_ms, &utc_ms);
	r = may_send(d, CALL_BATCH, now_ms);
	if (r < 0)
		return r;
	snprintf(c.ref, sizeof(c.ref), "%s", b->id);
	if (calls_about(&d->calls, c.ref))
		return 0;
	p = malloc(sizeof(*p) + (size_t)b->n * sizeof(p->point[0]));
	if (!p)
		return -ENOMEM;
	p->n = b->n;
	memcpy(p->point, b->points, (size_t)b->n * sizeof(p->point[0]));
	q.input = p;
	r = calls_send(&d->calls, &c, "/v1/telemetry/BATTERY", NULL, &q);
	if (r < 0)
		free(p);
	else
		d->batch_ms = now_ms;
	if (r == 0)
		d->batch_asked_ms = 0;
	return r;
}

/* An answer about one request that settles nothing: said once until one does. */
static void odd(struct flip_direct *d, const struct call *c, const struct http_answer *a, const char *why)
{
	if (!d->odd_said[c->kind])
		log_warning("flip", "Flip answered %s with %d%s%s: sent again later", c->row.path[0] ? c->row.path : "telemetry", a->status,
			    why[0] ? ", " : "", why);
	d->odd_said[c->kind] = true;
	d->l->stats.failures++;
}

static bool taken(const struct http_answer *a)
{
	return a->status >= 200 && a->status < 300;
}

static const char *words_of(const struct http_answer *a)
{
	const struct reading *r = a->result;

	return a->error ? a->reason : r ? r->words : "";
}

/* Flip has decided about the request, well or badly; else it is to come again. */
static bool decided(const struct http_answer *a)
{
	return taken(a) || (a->status >= 400 && a->status < 500 && a->status != 401 && a->status != 403 && a->status != 408 &&
			    a->status != 425 && a->status != 429);
}

/* A row that is to come again, or never: said once a change, or once a row. */
static void say_refused(struct flip_direct *d, const struct call *c, const struct http_answer *a)
{
	const char *words = words_of(a);

	if (!decided(a))
		odd(d, c, a, words);
	else
		log_warning("flip", "%s was answered %d%s%s; kept in quarantine", c->row.path, a->status, words[0] ? ": " : "", words);
}

static void answer_row(struct flip_direct *d, const struct call *c, int status, const char *words, int64_t now_ms)
{
	if (outbox_ack(d->l->o.outbox, c->ref, status, words, now_ms) < 0)
		log_debug("flip", "answer for %s, which is not owed any more", c->ref);
}

/* A success must name what was changed, or be silent: hotels and proxies answer 200 to anything. */
static void row_over(struct flip_direct *d, const struct call *c, const struct http_answer *a, bool in_trouble, int64_t now_ms)
{
	const struct reading *r = a->result;
	const bool proven = taken(a) && r && (r->empty || !strcmp(r->id, c->row.id));

	if (proven)
		d->odd_said[c->kind] = false;
	else if (taken(a))
		odd(d, c, a, words_of(a)[0] ? words_of(a) : "without what was changed");
	else if (!in_trouble)
		say_refused(d, c, a);
	d->l->stats.acks += proven || (decided(a) && !taken(a));
	answer_row(d, c, taken(a) && !proven ? 0 : a->status, words_of(a), now_ms);
}

static void on_row(struct flip_direct *d, struct call *c, const struct http_answer *a, bool in_trouble, int64_t now_ms)
{
	if (c->row.site_token && a->status == 401 && !c->renewed && d->health.up) {
		struct call again = *c;

		explicit_bzero(d->site_token, sizeof(d->site_token));
		d->site_token_until_ms = 0;
		again.kind = CALL_TOKEN;
		again.renewed = true;
		again.epoch = d->health.epoch;
		if (ask_site_token(d, &again) == 0) {
			c->row.body = NULL;
			return;
		}
	}
	row_over(d, c, a, in_trouble, now_ms);
}

/* Until when the token is used: four fifths of its life, by the monotonic clock. */
static int64_t token_until(struct flip_direct *d, const struct flip_site_token *t, int64_t date_utc_ms, int64_t now_ms)
{
	int64_t unused, utc_ms, life = SITE_TOKEN_MS;
	const bool trusted = link_clock(d->l, &unused, &utc_ms);

	if (t->expires_utc_ms && (date_utc_ms || trusted))
		life = t->expires_utc_ms - (date_utc_ms ? date_utc_ms : utc_ms);
	if (life > SITE_TOKEN_MS)
		life = SITE_TOKEN_MS;
	return now_ms + life * 4 / 5;
}

static void on_token(struct flip_direct *d, struct call *c, const struct http_answer *a, bool in_trouble, int64_t now_ms)
{
	const struct reading *r = a->result;
	struct call row = *c;

	if (!r || !r->token) {
		if (!in_trouble)
			say_refused(d, c, a);
		answer_row(d, c, taken(a) ? 0 : a->status, words_of(a), now_ms);
		return;
	}
	d->odd_said[c->kind] = false;
	memcpy(d->site_token, r->token->token, sizeof(d->site_token));
	d->site_token_until_ms = token_until(d, r->token, a->date_utc_ms, now_ms);
	row.kind = CALL_ROW;
	row.epoch = d->health.epoch;
	if (d->health.up && patch(d, &row) == 0)
		c->row.body = NULL;
	else
		answer_row(d, c, 0, "the link is paused", now_ms);
}

static void on_batch(struct flip_direct *d, const struct call *c, const struct http_answer *a, bool in_trouble, int64_t now_ms)
{
	const struct reading *r = a->result;
	const struct telemetry_answer *points = r ? r->points : NULL;

	if (taken(a) && !points)
		odd(d, c, a, words_of(a)[0] ? words_of(a) : "it cannot be read");
	else if (taken(a))
		d->odd_said[c->kind] = false;
	else if (!decided(a) && !in_trouble)
		odd(d, c, a, words_of(a));
	backlog_answer(d->l->o.backlog, c->ref, a->status, points, words_of(a), now_ms);
}

static void tell(struct flip_direct *d, struct call *c, const struct http_answer *a, bool in_trouble, int64_t now_ms)
{
	const struct reading *r = a->result;

	switch (c->kind) {
	case CALL_POLL:
		if (r && r->list)
			poll_answered(d, r->list, now_ms);
		else
			poll_end(&d->poll);
		break;
	case CALL_ROW:
		on_row(d, c, a, in_trouble, now_ms);
		break;
	case CALL_TOKEN:
		on_token(d, c, a, in_trouble, now_ms);
		break;
	case CALL_BATCH:
		on_batch(d, c, a, in_trouble, now_ms);
		break;
	case CALL_KINDS:
		break;
	}
}

static int64_t rows_waiting(const struct flip_link *l)
{
	struct outbox_stats o;
	struct backlog_stats b = { .rows = 0 };

	outbox_stats(l->o.outbox, 0, &o);
	if (l->o.backlog)
		backlog_stats(l->o.backlog, &b);
	return o.rows + b.rows;
}

static void trouble(struct flip_direct *d, const struct call *c, enum health_trouble t, const struct http_answer *a, const char *why,
		       int64_t now_ms)
{
	const int64_t waiting = rows_waiting(d->l);

	if (!health_trouble(&d->health, c->kind, t, a, d->poll.due_ms, now_ms))
		return;
	snprintf(d->health.why, sizeof(d->health.why), "%s", why);
	if (waiting)
		log_warning("flip", "%s; nothing is lost, %lld row%s", why, (long long)waiting, waiting == 1 ? " waits" : "s wait");
	else
		log_warning("flip", "%s", why);
}

static void on_done(void *context, struct call *c, struct http_answer *a)
{
	struct flip_direct *d = context;
	struct health *h = &d->health;
	/* what was sent before the link was paused says nothing about now */
	const bool late = c->kind != CALL_POLL && (!h->up || c->epoch != h->epoch), was_up = h->up;
	enum health_trouble t;
	int64_t now_ms, utc_ms;
	char why[sizeof(h->why)];

	link_clock(d->l, &now_ms, &utc_ms);
	if (a->date_utc_ms)
		link_judge_clock(d->l, a->date_utc_ms);
	t = health_judge(c->kind, c->kind == CALL_ROW && c->row.site_token, a, a->result, why, sizeof(why));
	if (t != HEALTH_FINE) {
		d->l->stats.failures++;
		if (late)
			health_late(h, a, now_ms);
		else
			trouble(d, c, t, a, why, now_ms);
		tell(d, c, a, true, now_ms);
		if (was_up && !h->up)
			link_up(d->l, false, now_ms);
		return;
	}
	tell(d, c, a, false, now_ms);
	if (!late && decided(a) && health_good(h, c->kind, now_ms))
		log_notice("flip", "Flip answers again");
	if (!was_up && h->up && h->epoch == 1)
		log_info("flip", "Flip answers");
	poll_try(d, now_ms); /* the next page */
	if (!was_up && h->up)
		link_up(d->l, true, now_ms);
	if (h->up)
		outbox_step(d->l->o.outbox, now_ms); /* the answer gave a place back */
}

static void direct_stop(struct flip_link *l)
{
	struct flip_direct *d = l->direct;

	if (!d)
		return;
	l->direct = NULL;
	calls_close(&d->calls);
	poll_end(&d->poll);
	explicit_bzero(d, sizeof(*d));
	free(d);
}

/* A client token opens every site of the fleet; a hub is in somebody's cellar. */
static void warn_production(const char *base_url)
{
	const char *host = strstr(base_url, "://");
	size_t n;

	host = host ? host + 3 : base_url;
	n = strcspn(host, ":/");
	if (n > 0 && host[n - 1] == '.')
		n--;
	if (n == strlen(PRODUCTION) && !strncasecmp(host, PRODUCTION, n))
		log_warning("flip", "DANGER: direct mode with Flip's production host %s: its client token opens every home of the fleet and "
			    "does not belong on a hub; use [flip] mode = queue", PRODUCTION);
}

static int direct_start(struct flip_link *l, struct errbuf *err)
{
	const struct flip_link_options *o = &l->o;
	struct flip_direct *d;
	int64_t now_ms, utc_ms;
	size_t n;

	if (!o->http || !o->base_url || !o->base_url[0] || !o->token || !o->token[0])
		return errbuf_set(err, -EINVAL, "flip: direct mode needs an address and a token");
	d = calloc(1, sizeof(*d));
	if (!d)
		return errbuf_set(err, -ENOMEM, "flip: no memory");
	link_clock(l, &now_ms, &utc_ms);
	d->l = l;
	d->calls.http = o->http;
	n = strlen(o->base_url);
	while (n > 0 && o->base_url[n - 1] == '/')
		n--;
	if (n >= sizeof(d->calls.base_url) || strlen(o->token) >= sizeof(d->calls.token)) {
		free(d);
		return errbuf_set(err, -EINVAL, "flip: address or token too long");
	}
	memcpy(d->calls.base_url, o->base_url, n);
	snprintf(d->calls.ca_file, sizeof(d->calls.ca_file), "%s", o->ca_file ? o->ca_file : "");
	snprintf(d->calls.token, sizeof(d->calls.token), "%s", o->token);
	d->calls.done = on_done;
	d->calls.context = d;
	d->health.until_ms = d->poll.due_ms = d->batch_ms = now_ms;
	l->direct = d;
	calls_open(&d->calls, now_ms);
	warn_production(d->calls.base_url);
	poll_try(d, now_ms);
	return 0;
}

static void direct_step(struct flip_link *l, int64_t now_ms)
{
	poll_try(l->direct, now_ms);
}

static void direct_stats(const struct flip_link *l, struct flip_link_stats *out)
{
	const struct flip_direct *d = l->direct;

	out->requests = d->calls.sent;
	out->connected = out->link_up = d->health.up;
	if (d->health.why[0])
		snprintf(out->warning, sizeof(out->warning), "%s%s", d->health.why, rows_waiting(l) ? "; nothing is lost" : "");
}

static void direct_retry(struct flip_link *l, int64_t now_ms)
{
	struct flip_direct *d = l->direct;

	if (d->health.up)
		return;
	backoff_reset(&d->health.backoff);
	d->health.until_ms = now_ms;
	poll_try(d, now_ms);
}

static void direct_ask(struct flip_link *l, int64_t now_ms)
{
	l->direct->poll.due_ms = now_ms;
}

const struct flip_way FLIP_WAY_DIRECT = {
	.start = direct_start, .stop = direct_stop, .step = direct_step, .stats = direct_stats, .retry = direct_retry, .ask = direct_ask,
	.send_row = send_row, .send_batch = send_batch, .batch_max = TELEMETRY_BATCH_MAX,
};
