/* The hub's clock: looks at the clocks and the witnesses, says what was found, keeps the newest proven time over restarts. What
 * a word is worth is judged by core/clock_gate; README.md "Clock" has the whole. */
#ifndef HEARTH_FLOW_CLOCK_H
#define HEARTH_FLOW_CLOCK_H

#include "core/clock_gate.h"
#include "core/json.h"

struct hub;

/** A verified sender's time arrived. */
void clock_word(struct hub *h, enum clock_source source, int64_t sender_utc_ms);
/** Each second: the newest proven time goes to disk, once an hour. */
void clock_keep(struct hub *h);
/** What clock_keep stored, read back at start; what cannot be read is as if there were none. */
void clock_load(struct hub *h, const char *body);

/** R/agent.clock; the caller owns the tree. */
cJSON *clock_encode(const struct hub *h);
/** Why the clock is not trusted and what to do about it; "" when it is. */
void clock_warning(const struct hub *h, char *text, size_t size);

#endif
