/* Is Flip there? One sick answer pauses the whole link, so that an outage costs one small probe now and then and not a request
 * for each row that waits. Only a poll opens it again. The wait grows until the kind of request that failed has been answered
 * well: polls that work must not reset it for a row that never does. */
#include "flow/cloud/flip_direct.h"

#include "io/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WAIT_FIRST_MS 2000 /* spread over 1..2 s */
#define WAIT_CAP_MS 300000
#define NO_ANSWER_CAP_MS 60000 /* nobody there to be bothered: as often as a poll in good times */
#define RETRY_AFTER_CAP_MS 3600000
#define HEALED_MS 600000   /* nothing of the sick kind is left to try: forgotten */

uint32_t health_dice(void)
{
	uint32_t r;

	crypto_random(&r, sizeof(r));
	return r;
}

static const char *words_of(const struct reading *r)
{
	return r ? r->words : "";
}

/* Answered, but not with what was asked for. */
static bool unusable(enum call_kind kind, const struct http_answer *a, const struct reading *r)
{
	const bool taken = a->status >= 200 && a->status < 300;

	switch (kind) {
	case CALL_POLL:
		return !r || !r->list;
	case CALL_TOKEN:
		return taken && (!r || !r->token);
	case CALL_BATCH: /* 404: a wrong address or a server in trouble, never a bad point. 403 as 401 */
		return a->status == 404 || a->status == 403;
	case CALL_ROW:
	case CALL_KINDS:
		break;
	}
	return false;
}

/* What the owner can look at. */
static const char *advice(int error)
{
	switch (error) {
	case -EACCES:
		return ": see [flip] ca_file";
	case -EPROTO:
		return ": does that address speak http/https?";
	}
	return "";
}

enum health_trouble health_judge(enum call_kind kind, bool by_site_token, const struct http_answer *a, const struct reading *r,
				 char *why, size_t size)
{
	static const char *const WHAT[] = { "the list of commands", "an answer", "the site's token", "telemetry" };
	const char *words = words_of(r), *colon = words[0] ? ": " : "";

	if (a->error || !a->status) {
		snprintf(why, size, "no answer from Flip: %.110s%s", a->reason[0] ? a->reason : "cut", advice(a->error));
		return HEALTH_NO_ANSWER;
	}
	if (!by_site_token && (a->status == 401 || (a->status == 403 && (kind == CALL_POLL || kind == CALL_BATCH)))) {
		snprintf(why, size, "Flip refuses the token: %d%s%.80s; renew [flip] token_file (or credential flip-token), then hearthctl reload",
			 a->status, colon, words);
		return HEALTH_TOKEN;
	}
	if (a->status == 429) {
		snprintf(why, size, "Flip asks for patience: 429%s%.80s", colon, words);
		return HEALTH_PATIENCE;
	}
	if (a->status >= 500) {
		snprintf(why, size, "Flip is in trouble (%s): %d%s%.70s", WHAT[kind], a->status, colon, words);
		return HEALTH_SERVER;
	}
	if (unusable(kind, a, r)) {
		snprintf(why, size, "Flip's answer cannot be used (%s): %d%s%.60s: is [flip] base_url right?", WHAT[kind], a->status, colon, words);
		return HEALTH_UNUSABLE;
	}
	return HEALTH_FINE;
}

static int64_t asked_ms(const struct http_answer *a)
{
	return a->retry_after_ms > RETRY_AFTER_CAP_MS ? RETRY_AFTER_CAP_MS : a->retry_after_ms;
}

void health_late(struct health *h, const struct http_answer *a, int64_t now_ms)
{
	if (h->until_ms < now_ms + asked_ms(a))
		h->until_ms = now_ms + asked_ms(a);
}

bool health_trouble(struct health *h, enum call_kind kind, enum health_trouble t, const struct http_answer *a, int64_t poll_due_ms,
		    int64_t now_ms)
{
	const int64_t asked = asked_ms(a);
	const bool fresh = t != h->said;
	int64_t wait;

	h->up = false;
	h->sick |= 1u << kind;
	h->trouble_ms = now_ms;
	h->said = t;
	h->backoff.first_ms = WAIT_FIRST_MS;
	h->backoff.cap_ms = t == HEALTH_NO_ANSWER ? NO_ANSWER_CAP_MS : WAIT_CAP_MS;
	wait = backoff_next(&h->backoff, health_dice());
	if (kind != CALL_POLL && t != HEALTH_PATIENCE && asked < 0 && now_ms + wait > poll_due_ms)
		wait = poll_due_ms > now_ms + WAIT_FIRST_MS ? poll_due_ms - now_ms : WAIT_FIRST_MS;
	if (wait < asked)
		wait = asked;
	if (h->until_ms < now_ms + wait) /* a late answer may have asked for more */
		h->until_ms = now_ms + wait;
	return fresh;
}

bool health_good(struct health *h, enum call_kind kind, int64_t now_ms)
{
	h->sick &= ~(1u << kind);
	if (kind == CALL_POLL && now_ms - h->trouble_ms > HEALED_MS)
		h->sick = 0;
	if (kind == CALL_POLL && !h->up) {
		h->up = true;
		h->up_ms = now_ms;
		h->epoch++;
	}
	if (h->sick || !h->up)
		return false;
	backoff_reset(&h->backoff);
	if (h->said == HEALTH_FINE)
		return false;
	h->said = HEALTH_FINE;
	h->why[0] = '\0';
	return true;
}
