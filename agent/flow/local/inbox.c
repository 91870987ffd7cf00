/* See inbox.h. */
#include "flow/local/inbox.h"

#include "core/allowance.h"
#include "core/recent.h"
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/conffile.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/users.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_BYTES_MAX (64 * 1024)
#define REQUEST_DEPTH_MAX 16
#define REPEAT_KEEP 256            /* transactions remembered, of each role */
#define REPEAT_USER (REPEAT_KEEP / 2) /* of one user; the hub's own tools are no user */
#define REPEAT_MS (10 * 60 * 1000)
#define REPEAT_BYTES 4096          /* longer answers of verbs that only read are made again instead */

/* A transaction of a user, and the answer given (NULL: still to come). */
struct repeat {
	char user[33], transaction[65], verb[33];
	bool change;
	uint64_t args;
	int64_t at_ms; /* 0 = free */
	char *answer;
};

/* Each role has its own memory: whatever one does, it takes no place from another. */
struct inbox {
	struct hub *hub;
	struct repeat repeat[USER_HUB + 1][REPEAT_KEEP];
	struct recent often[2];            /* of verbs that may come ten times a second: users, the hub's own tools */
	struct allowance refusals;         /* what of them the audit is told */
};

/* Their good answer is {}, so it need not be kept; with the others they would fill the memory in half a minute. */
static bool often(const struct verb *v)
{
	return v->run == verb_limit_set;
}

static struct recent *often_of(const struct request *rq)
{
	return &rq->hub->inbox->often[rq->role == USER_HUB];
}

static bool repeat_fresh(const struct repeat *r, int64_t now)
{
	return r->at_ms && now - r->at_ms <= REPEAT_MS;
}

static struct repeat *repeat_find(const struct request *rq, int64_t now)
{
	for (int i = 0; rq->transaction[0] && i < REPEAT_KEEP; i++) {
		struct repeat *r = &rq->hub->inbox->repeat[rq->role][i];

		if (repeat_fresh(r, now) && !strcmp(r->user, rq->user) && !strcmp(r->transaction, rq->transaction))
			return r;
	}
	return NULL;
}

/* A free or forgotten place; else that of the oldest request that only read: of the same user who has had his share, or of the
 * role. NULL: ten minutes full of changes. */
static struct repeat *repeat_place(const struct request *rq, int64_t now)
{
	struct repeat *empty = NULL, *own = NULL, *any = NULL;
	int n = 0;

	for (int i = 0; i < REPEAT_KEEP; i++) {
		struct repeat *r = &rq->hub->inbox->repeat[rq->role][i];
		const bool mine = !strcmp(r->user, rq->user), gives = !r->change && r->answer;

		if (!repeat_fresh(r, now)) {
			empty = r;
			continue;
		}
		n += mine;
		if (gives && (!any || r->at_ms < any->at_ms))
			any = r;
		if (gives && mine && (!own || r->at_ms < own->at_ms))
			own = r;
	}
	return rq->role != USER_HUB && n >= REPEAT_USER ? own : empty ? empty : any;
}

static bool repeat_begin(const struct request *rq, const char *args, int64_t now)
{
	struct repeat *r = repeat_place(rq, now);

	if (!r)
		return false;
	free(r->answer);
	*r = (struct repeat){ .change = rq->verb->change, .args = recent_hash(args), .at_ms = now };
	memcpy(r->user, rq->user, sizeof(r->user));
	memcpy(r->transaction, rq->transaction, sizeof(r->transaction));
	memcpy(r->verb, rq->verb_name, sizeof(r->verb));
	return true;
}

/* The answer is known: kept for the next time, or the place is free again. What was refused gives way like what only read: done
 * again it is refused again. */
static void repeat_end(struct repeat *r, const char *answer, bool ok)
{
	r->change = r->change && ok;
	if (r->change || strlen(answer) <= REPEAT_BYTES)
		r->answer = strdup(answer);
	if (!r->answer)
		r->at_ms = 0;
}

static void answer_send(const struct request *rq, const char *text)
{
	struct mqtt_publish_extra extra = { .correlation = rq->correlation, .correlation_len = rq->correlation_len };

	if (!rq->response_topic[0])
		return; /* nobody waits for it */
	if (mqtt_publish(rq->hub->mqtt, rq->response_topic, text, strlen(text), 1, false, &extra) < 0)
		log_info("inbox", "the answer to %s could not be sent: the broker is away", rq->verb_name);
}

static void request_free(struct request *rq)
{
	cJSON_Delete(rq->args);
	free(rq);
}

/* A change that was made is always said; whoever is refused all the time is counted. */
static void audit(const struct request *rq, const char *result)
{
	struct inbox *in = rq->hub->inbox;
	const char *user = rq->user[0] ? rq->user : "hub";
	const bool ok = !strcmp(result, "ok");
	char text[ERR_TEXT_MAX + 100];
	int held = 0;

	if (ok && (!rq->verb || !rq->verb->change || rq->quiet))
		return;
	if (!ok && (held = allowance_ask(&in->refusals, user, loop_now_ms())) < 0)
		return;
	if (held > 0)
		snprintf(text, sizeof(text), "%s (and %d more before that were not done)", result, held);
	hub_audit(rq->hub, user, rq->verb_name, held > 0 ? text : result);
}

/* Takes over @o. */
static void answer(struct request *rq, cJSON *o, const char *result)
{
	AUTO_TEXT *text = cJSON_PrintUnformatted(o);
	struct repeat *r = rq->remembered ? repeat_find(rq, loop_now_ms()) : NULL;

	cJSON_Delete(o);
	if (text) {
		answer_send(rq, text);
		if (r && !r->answer)
			repeat_end(r, text, !strcmp(result, "ok"));
	}
	if (rq->remembered && often(rq->verb))
		recent_end(often_of(rq), rq->user, rq->transaction, !strcmp(result, "ok"));
	audit(rq, result);
	request_free(rq);
}

static cJSON *answer_begin(const struct request *rq, const char *status)
{
	cJSON *o = cJSON_CreateObject();

	if (rq->transaction[0])
		cJSON_AddStringToObject(o, "transaction", rq->transaction);
	cJSON_AddStringToObject(o, "status", status);
	return o;
}

void request_ok(struct request *rq, cJSON *data)
{
	cJSON *o = answer_begin(rq, "ok");

	cJSON_AddItemToObject(o, "data", data ? data : cJSON_CreateObject());
	answer(rq, o, "ok");
}

void request_error(struct request *rq, const char *code, const char *fmt, ...)
{
	cJSON *o = answer_begin(rq, "error"), *e = cJSON_AddObjectToObject(o, "error");
	char text[ERR_TEXT_MAX], result[ERR_TEXT_MAX + 40];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cJSON_AddStringToObject(e, "code", code);
	cJSON_AddStringToObject(e, "message", text);
	snprintf(result, sizeof(result), "%s: %s", code, text);
	answer(rq, o, result);
}

static enum user_role role_of(const char *user)
{
	static const struct { const char *word; enum user_role role; } ROLES[] = {
		{ "viewer", USER_VIEWER }, { "owner", USER_OWNER }, { "installer", USER_INSTALLER },
	};
	char word[32];

	if (!user[0])
		return USER_HUB;
	if (users_role(conffile_state_dir(), user, word, sizeof(word)) < 0)
		return USER_NONE;
	for (size_t i = 0; i < sizeof(ROLES) / sizeof(ROLES[0]); i++)
		if (!strcmp(word, ROLES[i].word))
			return ROLES[i].role;
	return USER_NONE;
}

/* A bare request may name any response topic but one that would make us talk to ourselves or to Flip's link. */
static bool response_allowed(const struct hub *h, const char *topic)
{
	const char *below = topic_below(&h->root, topic);

	if (strpbrk(topic, "+#") || !topic[0] || strlen(topic) >= MQTT_TOPIC_MAX)
		return false;
	return !below || !strncmp(below, "response/", 9);
}

static void response_choose(struct request *rq, const struct mqtt_message *m)
{
	struct hub *h = rq->hub;

	if (m->correlation && m->correlation_len <= sizeof(rq->correlation)) {
		memcpy(rq->correlation, m->correlation, m->correlation_len);
		rq->correlation_len = m->correlation_len;
	}
	if (rq->user[0])
		topic_make(&h->root, rq->response_topic, sizeof(rq->response_topic), "as/%s/response/%s", rq->user, rq->verb_name);
	else if (m->response_topic && response_allowed(h, m->response_topic))
		snprintf(rq->response_topic, sizeof(rq->response_topic), "%s", m->response_topic);
	else
		topic_make(&h->root, rq->response_topic, sizeof(rq->response_topic), "response/%s", rq->verb_name);
}

/* Before anything is remembered of it: who may not speak takes nobody's place. False: it has been answered. */
static bool allowed(struct request *rq, enum user_role role)
{
	rq->role = role;
	rq->verb = verb_find(rq->verb_name);
	if (!rq->verb)
		request_error(rq, "unknown_verb", "there is no verb '%s'", rq->verb_name);
	else if (role < rq->verb->least)
		request_error(rq, "refused", role == USER_NONE ? "user '%s' has no role on this hub" : "the role of '%s' does not allow this", rq->user);
	else if (!rq->verb->run)
		request_error(rq, "unavailable", "'%s' is not available in this version", rq->verb_name);
	else
		return true;
	return false;
}

void inbox_submit(struct inbox *in, const char *verb, cJSON *args, enum user_role role, const char *origin)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (!rq) {
		cJSON_Delete(args);
		return;
	}
	rq->hub = in->hub;
	rq->args = args;
	snprintf(rq->user, sizeof(rq->user), "%s", origin);
	snprintf(rq->verb_name, sizeof(rq->verb_name), "%s", verb);
	if (allowed(rq, role))
		rq->verb->run(rq);
}

/* Said again, word for word: nothing is done, but its source is alive. Not when it is late. */
static void often_again(struct request *rq, bool late)
{
	if (!late)
		verb_limit_heard(rq);
}

/* What cannot be remembered could be done again by a repeat, and undo what came after it: only what takes away is done all the same. */
static void often_full(struct request *rq, bool late)
{
	often_again(rq, late);
	request_error(rq, "busy", "%stoo many transactions in ten minutes: send limits without one", !late && verb_limit_tighten(rq) ? "in force, but " : "");
}

static bool other_arguments(struct request *rq)
{
	request_error(rq, "bad_request", "transaction '%s' was used with other arguments", rq->transaction);
	return false;
}

static bool often_ask(struct request *rq, const char *args, int64_t now, bool late)
{
	switch (recent_ask(often_of(rq), rq->user, rq->transaction, args, now)) {
	case RECENT_NEW:
		rq->remembered = true;
		return true;
	case RECENT_OTHER:
		return other_arguments(rq);
	case RECENT_UNDER_WAY:
		often_again(rq, late);
		request_error(rq, "busy", "transaction '%s' is still at work", rq->transaction);
		return false;
	case RECENT_ANSWERED:
		often_again(rq, late);
		rq->quiet = true;
		request_ok(rq, verb_limit_answer(rq));
		return false;
	case RECENT_FULL:
		often_full(rq, late);
		return false;
	}
	return false;
}

/* True when this transaction is new and shall run; else it has been answered. */
static bool repeat_ask(struct request *rq, bool late)
{
	int64_t now = loop_now_ms();
	struct repeat *seen = repeat_find(rq, now);
	AUTO_TEXT *args = cJSON_PrintUnformatted(rq->args);

	if (!args) {
		request_error(rq, "unavailable", "no memory");
	} else if (seen && strcmp(seen->verb, rq->verb_name) != 0) {
		request_error(rq, "bad_request", "transaction '%s' was used for %s", rq->transaction, seen->verb);
	} else if (seen && seen->args != recent_hash(args)) {
		return other_arguments(rq);
	} else if (seen && !seen->answer) {
		request_error(rq, "busy", "transaction '%s' is still at work", rq->transaction);
	} else if (seen) {
		answer_send(rq, seen->answer);
		request_free(rq);
	} else if (often(rq->verb)) {
		return often_ask(rq, args, now, late);
	} else if (recent_known(often_of(rq), rq->user, rq->transaction, now)) {
		request_error(rq, "bad_request", "transaction '%s' was used for another verb", rq->transaction);
	} else if (!repeat_begin(rq, args, now)) {
		request_error(rq, "busy", "too many transactions in ten minutes");
	} else {
		rq->remembered = true;
		return true;
	}
	return false;
}

static void request_run(struct request *rq, const struct mqtt_message *m)
{
	struct errbuf err = { "" };

	rq->args = m->len ? json_parse(m->payload, m->len, REQUEST_BYTES_MAX, REQUEST_DEPTH_MAX, &err) : cJSON_CreateObject();
	if (!rq->args || !cJSON_IsObject(rq->args)) {
		request_error(rq, "bad_request", "%s", err.text[0] ? err.text : "the payload must be a JSON object");
		return;
	}
	if (json_get_text(rq->args, "transaction", rq->transaction, sizeof(rq->transaction), &err) < 0) {
		rq->transaction[0] = '\0';
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	if (!allowed(rq, role_of(rq->user)) || (rq->transaction[0] && !repeat_ask(rq, m->expiry_s == 0)))
		return;
	if (m->expiry_s == 0)
		request_error(rq, "expired", "the request was too old when it arrived");
	else
		rq->verb->run(rq);
}

bool inbox_message(struct inbox *in, const struct mqtt_message *m)
{
	struct hub *h = in->hub;
	const char *below = topic_below(&h->root, m->topic);
	struct request *rq;
	char user[33], verb[33];

	if (!below || (strncmp(below, "request/", 8) != 0 && strncmp(below, "as/", 3) != 0))
		return false;
	if (m->retained && m->len == 0)
		return true; /* our own clearing of a retained request */
	if (!topic_request(below, user, sizeof(user), verb, sizeof(verb))) {
		if (allowance_ask(&in->refusals, "no topic", loop_now_ms()) >= 0)
			hub_audit(h, "hub", below, "bad_request: not a request topic");
		return true;
	}
	rq = calloc(1, sizeof(*rq));
	if (!rq)
		return true;
	rq->hub = h;
	memcpy(rq->user, user, sizeof(user));
	memcpy(rq->verb_name, verb, sizeof(verb));
	response_choose(rq, m);
	if (m->retained) {
		mqtt_publish(h->mqtt, m->topic, NULL, 0, 1, true, NULL);
		request_error(rq, "refused", "requests must not be retained: a retained one would run again at every start");
		return true;
	}
	request_run(rq, m);
	return true;
}

void inbox_subscribe(struct inbox *in)
{
	char topic[MQTT_TOPIC_MAX];

	mqtt_subscribe(in->hub->mqtt, topic_make(&in->hub->root, topic, sizeof(topic), "request/+"), 1);
	mqtt_subscribe(in->hub->mqtt, topic_make(&in->hub->root, topic, sizeof(topic), "as/+/request/+"), 1);
}

int inbox_start(struct inbox **out, struct hub *hub, struct errbuf *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return errbuf_set(err, -ENOMEM, "no memory for the inbox");
	(*out)->hub = hub;
	return 0;
}

void inbox_stop(struct inbox *in)
{
	if (!in)
		return;
	for (int role = 0; role <= USER_HUB; role++)
		for (int i = 0; i < REPEAT_KEEP; i++)
			free(in->repeat[role][i].answer);
	free(in);
}
