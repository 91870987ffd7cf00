/* The one door for requests from the local bus: checks topic, rights, size, age and repetition, runs the verb, answers. */
#ifndef HEARTH_FLOW_LOCAL_INBOX_H
#define HEARTH_FLOW_LOCAL_INBOX_H

#include "core/err.h"
#include "flow/local/request.h"
#include "io/mqtt.h"

#include <stdbool.h>

struct hub;
struct inbox; /* opaque */

int inbox_start(struct inbox **out, struct hub *hub, struct errbuf *err);
/** After each connect: subscribes to the request topics. */
void inbox_subscribe(struct inbox *in);
/** True when the message was a request (answered or refused). */
bool inbox_message(struct inbox *in, const struct mqtt_message *m);
/** Runs a verb for somebody who asks by other means than a request topic, with that role. Audited as @origin's; the answer
 *  goes nowhere. @args is taken over. */
void inbox_submit(struct inbox *in, const char *verb, cJSON *args, enum user_role role, const char *origin);
void inbox_stop(struct inbox *in);

#endif
