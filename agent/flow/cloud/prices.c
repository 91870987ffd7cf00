/* When FlatPeak is asked, and what: one request at a time, at most one a second, never before it is due. What comes back is
 * in prices_answer.c. */
#include "flow/cloud/prices_internal.h"

#include "core/calendar.h"
#include "io/crypto.h"
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 30000
#define BACKOFF_CAP_MS 900000
#define TOGETHER_MS                                                                                                         \
	(45 * PRICES_MINUTE_MS) /* the other direction comes along when it is due that soon: one login for both */
#define AHEAD_MAX_H 120         /* FlatPeak forecasts five days */

/* Answers of http and store may come after prices_stop, and name who asked by a number instead of by an address. */
static struct prices *alive;
static uint32_t serial;

uint32_t prices_serial(void)
{
	if (++serial == 0)
		serial = 1;
	return serial;
}

struct prices *prices_alive(struct prices *after)
{
	return after ? after->next : alive;
}

int64_t prices_jitter(int64_t span_ms)
{
	uint32_t r;

	crypto_random(&r, sizeof(r));
	return (int64_t)(((uint64_t)span_ms * r) >> 32);
}

static void forget_token(struct prices *p)
{
	explicit_bzero(p->token, sizeof(p->token));
	p->token_due_ms = 0;
}

/* Everything that was learnt about this server and account. */
static void begin(struct prices *p, int64_t now_ms)
{
	forget_token(p);
	p->flight = 0;
	p->pending = 0;
	p->hold_ms = p->probe_ms = p->asked_ms = INT64_MIN;
	p->relogged = false;
	p->login_refusals = 0;
	p->backoff = (struct backoff){ .first_ms = BACKOFF_FIRST_MS, .cap_ms = BACKOFF_CAP_MS };
	p->trouble[0] = p->stopped[0] = '\0';
	for (int d = 0; d < PRICES_SIDES; d++) {
		p->side[d].due_ms = now_ms;
		p->side[d].wait_ms = INT64_MIN;
		p->side[d].code[0] = p->side[d].message[0] = '\0';
		p->side[d].next_update_utc_ms = 0;
	}
}

static void take_key(struct prices *p, const char *key)
{
	explicit_bzero(p->key, sizeof(p->key));
	if (strlen(key) < sizeof(p->key))
		snprintf(p->key, sizeof(p->key), "%s", key);
	else
		log_error("prices", "the FlatPeak API key is longer than %d bytes: not used", PRICES_KEY_MAX - 1);
}

int prices_start(struct prices **out, const struct prices_options *options, struct errbuf *err)
{
	struct prices *p = calloc(1, sizeof(*p));
	int64_t now, utc;

	if (!p)
		return errbuf_set(err, -ENOMEM, "prices: no memory");
	p->o = *options;
	p->o.api_key = NULL; /* the copy counts */
	p->used = options->config->flatpeak;
	take_key(p, options->api_key ? options->api_key : "");
	options->clock(options->context, &now, &utc);
	begin(p, now);
	p->next = alive;
	alive = p;
	if (p->used.mode == LINK_DIRECT && p->used.location_id[0])
		prices_cache_load(p);
	for (int d = 0; d < PRICES_SIDES; d++)
		p->side[d].was_fresh = prices_fresh(&p->side[d], utc);
	prices_judge(p);
	*out = p;
	return 0;
}

static bool same_account(const struct config_flatpeak *a, const struct config_flatpeak *b)
{
	return a->mode == b->mode && !strcmp(a->api_url, b->api_url) && !strcmp(a->busbar_version, b->busbar_version) &&
	       !strcmp(a->profile, b->profile) && !strcmp(a->account_id, b->account_id) &&
	       !strcmp(a->location_id, b->location_id) && !strcmp(a->ca_file, b->ca_file);
}

void prices_configure(struct prices *p, const struct config *config, const struct zone *zone, const char *api_key)
{
	const struct config_flatpeak *f = &config->flatpeak;
	const bool same = same_account(&p->used, f) && !strcmp(p->key, api_key ? api_key : "");
	const bool moved = strcmp(p->used.location_id, f->location_id) != 0 || strcmp(p->used.account_id, f->account_id) != 0 ||
			   strcmp(p->used.api_url, f->api_url) != 0;
	const bool known = p->side[FLATPEAK_IMPORT].known.n || p->side[FLATPEAK_EXPORT].known.n;
	int64_t now, utc;

	p->o.config = config;
	p->o.zone = zone;
	p->o.clock(p->o.context, &now, &utc);
	if (moved && known)
		log_info("prices", "[flatpeak] names another api_url, account or location: the prices known so far are forgotten");
	if (moved)
		for (int d = 0; d < PRICES_SIDES; d++)
			prices_cache_clear(p, d, utc); /* under the old name */
	p->used = *f;
	if (!same) {
		take_key(p, api_key ? api_key : "");
		begin(p, now);
	}
	prices_judge(p);
}

void prices_http(struct prices *p, struct http *http)
{
	p->o.http = http;
}

static bool ask_for(struct prices *p, const struct flatpeak_request *q, int side, int64_t now_ms)
{
	char url[CONFIG_TEXT_MAX + sizeof(q->path)];
	size_t n = strlen(p->used.api_url);
	struct http_request r = { .url = url, .done = prices_answered };
	int e;

	while (n > 0 && p->used.api_url[n - 1] == '/')
		n--;
	snprintf(url, sizeof(url), "%.*s%s", (int)n, p->used.api_url, q->path);
	r.method = q->post ? HTTP_POST : HTTP_GET;
	r.body = q->post ? q->body : NULL;
	r.header[0] = q->header[0] ? q->header : NULL;
	r.ca_file = p->used.ca_file[0] ? p->used.ca_file : NULL;
	if (side < 0) {
		r.user = p->used.account_id;
		r.password = p->key;
		r.decode = prices_login_decode;
		r.drop = prices_login_drop;
	} else {
		r.bearer = p->token;
		r.decode = prices_prices_decode;
	}
	p->flight = prices_serial();
	p->flight_side = side;
	r.context = (void *)(uintptr_t)p->flight;
	e = http_send(p->o.http, &r);
	if (e == 0) {
		p->requests++;
		return true;
	}
	p->flight = 0;
	if (e == -EINVAL) /* nothing that time heals */
		snprintf(p->stopped, sizeof(p->stopped),
			 "[flatpeak] api_url, account_id or the API key cannot be sent: correct them");
	else if (e != -EAGAIN) /* that one: others keep the line busy, the next second will do */
		prices_trouble(p, now_ms, 0, "FlatPeak was not asked: %s", strerror(-e));
	return false;
}

static void login(struct prices *p, int64_t now_ms)
{
	struct flatpeak_request q;

	flatpeak_login_request(flatpeak_profile_by_name(p->used.profile), p->used.busbar_version, &q);
	ask_for(p, &q, -1, now_ms);
}

static void fetch(struct prices *p, int side, int64_t now_ms, int64_t utc_ms)
{
	const int ahead_h = p->o.config->plan.horizon_h + 24;
	struct flatpeak_query query = {
		.profile = flatpeak_profile_by_name(p->used.profile),
		.busbar_version = p->used.busbar_version,
		.location_id = p->used.location_id,
		.direction = (enum flatpeak_direction)side,
		.from_utc_ms = calendar_day_start(p->o.zone, utc_ms), /* R/tariff shows the whole day */
	};
	struct flatpeak_request q;
	struct errbuf err;
	int64_t to = utc_ms + (ahead_h < AHEAD_MAX_H ? ahead_h : AHEAD_MAX_H) * PRICES_HOUR_MS;

	query.to_utc_ms = to - to % PRICES_HOUR_MS;
	if (flatpeak_prices_request(&query, &q, &err) < 0) {
		snprintf(p->stopped, sizeof(p->stopped), "[flatpeak] %.120s", err.text);
		return;
	}
	p->flight_from_ms = query.from_utc_ms;
	p->flight_to_ms = query.to_utc_ms;
	if (ask_for(p, &q, side, now_ms))
		p->asked_ms = now_ms;
}

/* A restart soon after a fetch need not ask again. */
static void look_at_age(struct prices *p, int64_t now_ms, int64_t utc_ms)
{
	for (int d = 0; d < PRICES_SIDES; d++) {
		const int64_t age = utc_ms - p->side[d].fetched_utc_ms;

		if (p->side[d].fetched_utc_ms && age >= 0 && age < PRICES_WAIT_MS)
			p->side[d].due_ms = now_ms + PRICES_WAIT_MS - age;
	}
	p->looked = true;
}

static void collect(struct prices *p, int64_t now_ms)
{
	unsigned due = 0;

	for (int d = 0; d < PRICES_SIDES; d++)
		if (now_ms >= p->side[d].due_ms && now_ms >= p->side[d].wait_ms)
			due |= 1u << d;
	for (int d = 0; due && d < PRICES_SIDES; d++)
		if (p->side[d].due_ms - now_ms < TOGETHER_MS && now_ms >= p->side[d].wait_ms)
			due |= 1u << d;
	p->pending = due;
}

/* The age of prices changes what counts without anything arriving. */
static void notice_age(struct prices *p, int64_t now_ms, int64_t utc_ms)
{
	bool changed = false;

	for (int d = 0; d < PRICES_SIDES; d++) {
		const bool fresh = prices_fresh(&p->side[d], utc_ms);

		changed |= fresh != p->side[d].was_fresh;
		if (!fresh && p->side[d].was_fresh && p->side[d].fetched_utc_ms > utc_ms) /* the clock went back */
			p->side[d].due_ms = now_ms;
		p->side[d].was_fresh = fresh;
	}
	if (changed && p->o.changed)
		p->o.changed(p->o.context);
}

static void ask_when_due(struct prices *p, int64_t now_ms, int64_t utc_ms, bool trusted)
{
	const bool token = p->token[0] && now_ms < p->token_due_ms;

	if (p->flight || p->stopped[0] || now_ms < p->hold_ms || prices_missing(p))
		return;
	if (!trusted) { /* nothing by the time of day; but the server's Date may be what proves it */
		if (!token && now_ms >= p->probe_ms)
			login(p, now_ms);
		return;
	}
	if (!p->looked)
		look_at_age(p, now_ms, utc_ms);
	if (!p->pending)
		collect(p, now_ms);
	if (!p->pending)
		return;
	if (!token)
		login(p, now_ms);
	else
		fetch(p, p->pending & 1u << FLATPEAK_IMPORT ? FLATPEAK_IMPORT : FLATPEAK_EXPORT, now_ms, utc_ms);
}

void prices_step(struct prices *p)
{
	int64_t now, utc;
	const bool trusted = p->o.clock(p->o.context, &now, &utc);

	notice_age(p, now, utc);
	ask_when_due(p, now, utc, trusted);
	prices_judge(p);
}

/* When it may be asked again, in words, of the site's time zone; the minute is rounded up, so that who waits for it is not
 * refused once more. */
static int not_yet(const struct prices *p, int64_t utc_minus_now_ms, int64_t soonest_ms, struct errbuf *err)
{
	struct civil asked, again;

	calendar_local(p->o.zone, p->asked_ms + utc_minus_now_ms, &asked);
	calendar_local(p->o.zone, soonest_ms + utc_minus_now_ms + PRICES_MINUTE_MS - 1, &again);
	if (p->hold_ms == soonest_ms) /* the longer of the two waits */
		return errbuf_set(err, -EBUSY, "%.120s; again at %02d:%02d", p->trouble[0] ? p->trouble : "FlatPeak wants to be left alone",
				  again.hour, again.minute);
	return errbuf_set(err, -EBUSY, "FlatPeak may be asked every 15 minutes: asked at %02d:%02d, again at %02d:%02d", asked.hour,
			  asked.minute, again.hour, again.minute);
}

int prices_refresh(struct prices *p, struct errbuf *err)
{
	const char *missing = prices_missing(p);
	int64_t now, utc, soonest;

	p->o.clock(p->o.context, &now, &utc);
	if (p->used.mode != LINK_DIRECT || !p->o.http)
		return errbuf_set(err, -ENODATA, "prices do not come from FlatPeak here ([flatpeak] mode)");
	if (missing)
		return errbuf_set(err, -ENODATA, "%s", missing);
	if (p->flight || p->pending)
		return 0;
	soonest = p->asked_ms == INT64_MIN ? now : p->asked_ms + PRICES_WAIT_MS;
	if (p->hold_ms > soonest)
		soonest = p->hold_ms;
	if (soonest > now)
		return not_yet(p, utc - now, soonest, err);
	p->stopped[0] = '\0';
	p->looked = true;
	for (int d = 0; d < PRICES_SIDES; d++)
		p->side[d].due_ms = now;
	prices_step(p);
	return 0;
}

void prices_stop(struct prices *p)
{
	if (!p)
		return;
	for (struct prices **at = &alive; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	explicit_bzero(p->token, sizeof(p->token));
	explicit_bzero(p->key, sizeof(p->key));
	free(p);
}
