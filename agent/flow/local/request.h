/* One request from the bus on its way through the inbox: who asks, what, and where the answer goes. */
#ifndef HEARTH_FLOW_LOCAL_REQUEST_H
#define HEARTH_FLOW_LOCAL_REQUEST_H

#include "core/json.h"
#include "io/mqtt.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct request;

/* Roles of design's bus: a larger one includes the smaller ones. Bare requests are ROLE_USER_HUB. */
enum user_role { USER_NONE = 0, USER_VIEWER, USER_OWNER, USER_INSTALLER, USER_HUB };

struct verb {
	const char *name;
	enum user_role least;      /* the least role that may */
	bool change;               /* audited */
	/* Answers by request_ok / request_error, at once or later (after a commit), exactly once. NULL: not built yet. */
	void (*run)(struct request *rq);
};

/** All verbs, ends with a NULL name. */
extern const struct verb VERBS[];
const struct verb *verb_find(const char *name);

struct request {
	struct hub *hub;
	const struct verb *verb;
	char user[33];                 /* "" = the hub's own tools */
	enum user_role role;
	char transaction[65];          /* "" = none */
	char verb_name[33];
	char response_topic[MQTT_TOPIC_MAX];
	unsigned char correlation[MQTT_CORRELATION_MAX];
	size_t correlation_len;
	bool remembered;               /* its transaction has a place in the inbox's memory */
	bool quiet;                    /* it changed nothing: when it ends well, the audit need not know */
	cJSON *args;                   /* an object; owned by the request */
};

/** Answers and frees the request. @data is taken over; NULL = {}. */
void request_ok(struct request *rq, cJSON *data);
/** @code is one of bad_request, unknown_verb, not_found, refused, busy, unavailable, expired. Frees the request. */
void request_error(struct request *rq, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
