/* Home Assistant: announces the site and its devices, hears its set messages and its birth, clears what is gone. Does nothing
 * while [mqtt] discovery_prefix is empty. The words are core/discovery's; what is set runs as verbs through the inbox. */
#ifndef HEARTH_FLOW_LOCAL_DISCOVERY_H
#define HEARTH_FLOW_LOCAL_DISCOVERY_H

#include "core/err.h"
#include "core/snapshot.h"
#include "io/mqtt.h"

#include <stdbool.h>

struct hub;
struct discovery_link; /* opaque */

int discovery_start(struct discovery_link **out, struct hub *hub, struct errbuf *err);
/** After each connect: subscribes; everything is announced again with the next ticks. */
void discovery_connected(struct discovery_link *l);
/** True when the message was for us. */
bool discovery_message(struct discovery_link *l, const struct mqtt_message *m);
/** After each tick: announces what is new. NULL is fine. */
void discovery_step(struct discovery_link *l, const struct snapshot *s);
/** Before the link to the broker is given up for a new configuration: clears what would stand under a name no longer used. */
void discovery_leave(struct discovery_link *l);
void discovery_stop(struct discovery_link *l);

#endif
