/* What FlatPeak answered: decoded on the worker, judged here. Every refusal ends in one of four ways: try later, log in once
 * more, not before fifteen minutes, or not at all until somebody changes something. */
#include "flow/cloud/prices_internal.h"

#include "core/calendar.h"
#include "io/crypto.h"
#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_MAX_MS (6 * PRICES_HOUR_MS)
#define REFRESH_MINUTE_OF_DAY (23 * 60)     /* by then tomorrow is known, says FlatPeak's guide */
#define OVERDUE_MAX_MS (2 * PRICES_HOUR_MS) /* an announced update that late is not waited for any more */
#define TOKEN_LEAST_MS 5000                 /* a token is used once, however short it lives */

void *prices_login_decode(const struct http_answer *a)
{
	struct prices_login_result *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->r = flatpeak_login_decode(a->body, a->len, &r->login, &r->fault, &r->err);
	r->has_fault = r->r == -EPROTO;
	return r;
}

void *prices_prices_decode(const struct http_answer *a)
{
	struct prices_result *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->r = flatpeak_prices_decode(a->body, a->len, &r->prices, &r->fault, &r->err);
	r->has_fault = r->r == -EPROTO;
	return r;
}

void prices_login_drop(void *result)
{
	explicit_bzero(result, sizeof(struct prices_login_result));
	free(result);
}

/* A stranger's words in our log: what is secret is not repeated, even if they do. */
static const char *safe(const struct prices *p, const char *words)
{
	const bool told = (p->token[0] && strstr(words, p->token)) || (p->key[0] && strstr(words, p->key));

	return told ? "(its words are withheld)" : words;
}

static void hold(struct prices *p, int64_t now_ms, int64_t at_least_ms)
{
	uint32_t random;
	int64_t wait;

	crypto_random(&random, sizeof(random));
	wait = backoff_next(&p->backoff, random);
	p->hold_ms = now_ms + (wait > at_least_ms ? wait : at_least_ms);
	p->failures++;
}

void prices_trouble(struct prices *p, int64_t now_ms, int64_t at_least_ms, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->trouble, sizeof(p->trouble), fmt, args);
	va_end(args);
	hold(p, now_ms, at_least_ms);
}

static void well(struct prices *p)
{
	p->trouble[0] = '\0';
	p->relogged = false;
	backoff_reset(&p->backoff);
}

static void forget_token(struct prices *p)
{
	explicit_bzero(p->token, sizeof(p->token));
	p->token_due_ms = 0;
}

/* When this direction is asked for again. What waits for an announced instant is never early, or it would get the old
 * prices. */
static int64_t refresh_after(const struct prices *p, const struct prices_side *s, int64_t utc_ms)
{
	int64_t ms = REFRESH_MAX_MS, instant = calendar_next_minute(p->o.zone, utc_ms + 1, REFRESH_MINUTE_OF_DAY) - utc_ms;
	const int64_t announced = s->next_update_utc_ms - utc_ms;

	if (s->next_update_utc_ms && announced > -OVERDUE_MAX_MS && announced < instant)
		instant = announced;
	if (instant >= ms)
		return ms - ms / 20 + prices_jitter(ms / 10);
	ms = instant < PRICES_WAIT_MS ? PRICES_WAIT_MS : instant;
	return ms + prices_jitter(ms / 20);
}

/* A price code: this direction rests, the other goes on. */
static void rest(struct prices *p, int side, const struct flatpeak_error *e, int64_t now_ms, int64_t at_least_ms)
{
	struct prices_side *s = &p->side[side];
	int64_t utc, ignored;

	snprintf(s->code, sizeof(s->code), "%s", e->code[0] ? e->code : "refused");
	snprintf(s->message, sizeof(s->message), "%.90s", safe(p, e->message));
	s->wait_ms =
		now_ms + (at_least_ms > PRICES_WAIT_MS ? at_least_ms : PRICES_WAIT_MS) + prices_jitter(PRICES_WAIT_MS / 20);
	s->due_ms = s->wait_ms;
	if (side == FLATPEAK_EXPORT && !strcmp(s->code, "no_tariff_connected")) { /* most homes: asked along with import */
		p->o.clock(p->o.context, &ignored, &utc);
		s->next_update_utc_ms = 0;
		s->due_ms = now_ms + refresh_after(p, s, utc);
	}
	p->pending &= ~(1u << side);
	well(p);
}

static void stop(struct prices *p, int status, const struct flatpeak_error *e)
{
	if (!strcmp(e->code, "account_disabled"))
		snprintf(p->stopped, sizeof(p->stopped),
			 "FlatPeak has disabled the account (account_disabled): not asked again until [flatpeak] changes");
	else if (status == 404)
		snprintf(p->stopped, sizeof(p->stopped),
			 "FlatPeak does not know location %.40s: correct [flatpeak] location_id (loc_..., from FlatPeak's dashboard)",
			 p->used.location_id);
	else
		snprintf(p->stopped, sizeof(p->stopped), "FlatPeak refuses the request (%d %.40s): %.80s", status, e->code,
			 safe(p, e->message));
	p->pending = 0;
	p->failures++;
}

/* No prices, no token: what now? @e NULL: no error object. */
static void refused(struct prices *p, const struct http_answer *a, int side, const struct flatpeak_error *e, int64_t now_ms)
{
	int64_t wait = a->retry_after_ms > 0 ? a->retry_after_ms : 0;
	static const struct flatpeak_error NONE;

	switch (flatpeak_advise(a->status, e)) {
	case FLATPEAK_RETRY:
		if (a->status == 429)
			prices_trouble(p, now_ms, wait, "FlatPeak is asked too often (429)");
		else
			prices_trouble(p, now_ms, wait, "FlatPeak answers %d%s%.80s", a->status, e ? ": " : "",
				       e ? safe(p, e->message[0] ? e->message : e->code) : "");
		return;
	case FLATPEAK_LOGIN:
		forget_token(p);
		if (side < 0) {
			/* once may be a hiccup; from then on slowly, but for ever: a key may be mended on FlatPeak's side */
			if (++p->login_refusals > 1 && wait < PRICES_WAIT_MS)
				wait = PRICES_WAIT_MS;
			prices_trouble(p, now_ms, wait,
				       "FlatPeak refuses the login (%d%s%.40s): check [flatpeak] account_id and the API key",
				       a->status, e ? " " : "", e ? safe(p, e->message) : "");
		} else if (p->relogged) {
			prices_trouble(p, now_ms, wait, "FlatPeak refuses a fresh login (%d) for location %.40s", a->status,
				       p->used.location_id);
		} else {
			p->relogged = true;
		}
		return;
	case FLATPEAK_WAIT:
		if (side >= 0)
			rest(p, side, e ? e : &NONE, now_ms, wait);
		else
			prices_trouble(p, now_ms, wait > PRICES_WAIT_MS ? wait : PRICES_WAIT_MS,
				       "FlatPeak refuses the login (%d)", a->status);
		return;
	case FLATPEAK_STOP:
		stop(p, a->status, e ? e : &NONE);
		return;
	}
}

static void login_answered(struct prices *p, const struct http_answer *a, int64_t now_ms, bool trusted)
{
	const struct prices_login_result *r = a->result;
	int64_t life_ms, use_ms;

	if (!r) {
		prices_trouble(p, now_ms, 0, "FlatPeak's answer found no memory");
	} else if (a->status / 100 != 2 || r->has_fault) {
		refused(p, a, -1, r->has_fault ? &r->fault : NULL, now_ms);
	} else if (r->r < 0) {
		prices_trouble(p, now_ms, 0, "FlatPeak's login was not understood: %.80s", r->err.text);
	} else {
		life_ms = (int64_t)r->login.expires_in_s * 1000;
		use_ms = life_ms * 9 / 10 < life_ms - PRICES_MINUTE_MS ? life_ms * 9 / 10 : life_ms - PRICES_MINUTE_MS;
		p->login_refusals = 0;
		memcpy(p->token, r->login.token, sizeof(p->token));
		p->token_due_ms = now_ms + (use_ms > TOKEN_LEAST_MS ? use_ms : TOKEN_LEAST_MS);
		p->probe_ms = now_ms + PRICES_WAIT_MS;
		if (!trusted)
			well(p); /* all there is to do for now; otherwise only prices prove that all is well */
	}
}

/* NULL, or why these are not the prices that were asked for. */
static const char *stray(const struct prices *p, const struct flatpeak_prices *f)
{
	if (f->location_id[0] && strcmp(f->location_id, p->used.location_id) != 0)
		return "prices of another location";
	if (f->direction >= 0 && f->direction != p->flight_side)
		return "prices of the other direction";
	return NULL;
}

static bool same_series(const struct price_series *a, const struct price_series *b)
{
	if (a->n != b->n || strcmp(a->currency, b->currency) != 0)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->s[i].from_utc_ms != b->s[i].from_utc_ms || a->s[i].to_utc_ms != b->s[i].to_utc_ms ||
		    a->s[i].value != b->s[i].value || a->s[i].confidence != b->s[i].confidence)
			return false;
	return true;
}

static void told(struct prices *p, int side, const struct flatpeak_prices *f)
{
	struct prices_side *s = &p->side[side];
	const bool odd = f->dropped || f->beyond;

	if (odd && !s->odd)
		log_warning("prices", "%s: %d prices, %d left out%s%s, %d beyond the %d that fit",
			    flatpeak_direction_name((enum flatpeak_direction)side), f->series.n, f->dropped,
			    f->dropped ? ", the first: " : "", f->first_dropped, f->beyond, PRICE_SEGMENTS_MAX);
	s->odd = odd;
}

static void take_prices(struct prices *p, int side, struct flatpeak_prices *f, int64_t now_ms)
{
	struct prices_side *s = &p->side[side];
	bool changed;
	int64_t utc, ignored;

	p->o.clock(p->o.context, &ignored, &utc);
	told(p, side, f);
	if (s->known.n && s->known.currency[0] && f->series.currency[0] && strcmp(s->known.currency, f->series.currency) != 0) {
		log_warning("prices", "%s prices come in %s now: those in %s are forgotten",
			    flatpeak_direction_name((enum flatpeak_direction)side), f->series.currency, s->known.currency);
		s->known.n = 0;
	}
	price_doubt(&s->known, p->flight_from_ms);
	price_merge(&s->known, &f->series, &p->scratch);
	price_cut(&p->scratch, utc - PRICES_KEEP_MS, INT64_MAX);
	changed = !same_series(&p->scratch, &s->known) || !s->was_fresh;
	prices_series_copy(&s->known, &p->scratch);
	s->fetched_utc_ms = utc;
	s->next_update_utc_ms = f->next_update_utc_ms;
	s->code[0] = s->message[0] = '\0';
	s->due_ms = now_ms + refresh_after(p, s, utc);
	s->was_fresh = true;
	p->pending &= ~(1u << side);
	well(p);
	prices_cache_write(p, side, utc);
	if (changed && p->o.changed)
		p->o.changed(p->o.context);
}

static void prices_arrived(struct prices *p, const struct http_answer *a, int side, int64_t now_ms)
{
	struct prices_result *r = a->result;
	const char *wrong;

	if (!r) {
		prices_trouble(p, now_ms, 0, "FlatPeak's answer found no memory");
		return;
	}
	if (a->status / 100 != 2 || r->has_fault) {
		refused(p, a, side, r->has_fault ? &r->fault : NULL, now_ms);
		return;
	}
	if (r->r < 0) {
		prices_trouble(p, now_ms, 0, "FlatPeak's answer was not understood: %.90s", r->err.text);
		return;
	}
	wrong = stray(p, &r->prices);
	if (wrong) {
		prices_trouble(p, now_ms, 0, "FlatPeak answered with %s", wrong);
		return;
	}
	price_cut(&r->prices.series, p->flight_from_ms, p->flight_to_ms);
	if (r->prices.series.n == 0) {
		const struct flatpeak_error none = { .code = "empty", .message = "an answer without prices" };

		told(p, side, &r->prices);
		rest(p, side, &none, now_ms, 0);
		return;
	}
	take_prices(p, side, &r->prices, now_ms);
}

void prices_answered(void *context, struct http_answer *a)
{
	const uint32_t flight = (uint32_t)(uintptr_t)context;
	struct prices *p = prices_alive(NULL);
	int64_t now, utc;
	bool trusted;

	while (p && p->flight != flight)
		p = prices_alive(p);
	if (!p)
		return; /* nobody waits for it any more */
	p->flight = 0;
	trusted = p->o.clock(p->o.context, &now, &utc);
	if (a->date_utc_ms && p->o.vouch)
		p->o.vouch(p->o.context, a->date_utc_ms);
	if (a->error)
		prices_trouble(p, now, 0, "FlatPeak is not reached: %.100s", a->reason[0] ? a->reason : strerror(-a->error));
	else if (p->flight_side < 0)
		login_answered(p, a, now, trusted);
	else
		prices_arrived(p, a, p->flight_side, now);
	prices_judge(p);
}
