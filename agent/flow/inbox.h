/* The one door for requests from the local bus: checks topic, rights, size, age and repetition, runs the verb, answers. */
#ifndef HEARTH_FLOW_INBOX_H
#define HEARTH_FLOW_INBOX_H

#include "core/err.h"
#include "io/mqtt.h"

#include <stdbool.h>

struct hub;
struct inbox; /* opaque */

int inbox_start(struct inbox **out, struct hub *hub, struct errbuf *err);
/** After each connect: subscribes to the request topics. */
void inbox_subscribe(struct inbox *in);
/** True when the message was a request (answered or refused). */
bool inbox_message(struct inbox *in, const struct mqtt_message *m);
void inbox_stop(struct inbox *in);

#endif
