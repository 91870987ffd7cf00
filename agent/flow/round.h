/* What follows each finished tick: tell the bus, account for delivered energy, move the command book, plan again when it
 * is time, feed the watchdog. */
#ifndef HEARTH_FLOW_ROUND_H
#define HEARTH_FLOW_ROUND_H

#include "cloud/book.h"
#include "core/decision.h"
#include "core/price.h"
#include "core/snapshot.h"

struct hub;

/** Commands whose time has come begin and end in this very tick. */
void round_before_tick(void *context);
/** Both are tick_hooks; the context is the hub. */
void round_after_tick(void *context, const struct snapshot *s, const struct decisions *d);

/** book_device provider for the Flip link; the context is the hub. */
int round_book_devices(void *context, struct book_device *out, int max);

/** Publishes (or clears, @state NULL) R/command/<id> and R/event/<id>; the context is the hub. */
void round_publish_command(void *context, const struct book_entry *e);
void round_publish_event(void *context, const struct book_event *e);
void round_publish_gone(void *context, const char *id, bool event);

/** What R/vpp, R/outbox and R/plan say; the caller owns the tree. */
cJSON *round_encode_vpp(struct hub *h);
cJSON *round_encode_outbox(struct hub *h, int64_t utc_ms);
cJSON *round_encode_plan(struct hub *h);

/** Everything that is not repeated by each tick, after the broker came (back): commands, events, plan, tariffs. */
void round_publish_again(struct hub *h);

/** Fills the price series from the tariff for the planning horizon and publishes them. */
void round_prices(struct hub *h);
/** The forecast says something new; the context is the hub. */
void round_forecast_changed(void *context);
/** A new plan stands, or the planner says something new; the context is the hub. */
void round_plan_changed(void *context);

#endif
