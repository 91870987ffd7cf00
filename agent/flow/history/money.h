/* Joins what money needs: the recorder's intervals, the prices of their times, the savings and the bus. Contexts are the hub. */
#ifndef HEARTH_FLOW_HISTORY_MONEY_H
#define HEARTH_FLOW_HISTORY_MONEY_H

#include "core/interval.h"
#include "core/snapshot.h"

struct hub;

/** Of recorder_options. */
void money_prices(void *context, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price, double *export_price);
void money_ended(void *context, const struct interval_report *report, double import_price, double export_price);

/** After each tick, behind the recorder: publishes R/savings when there is something new. */
void money_step(struct hub *h, const struct snapshot *s, const struct decisions *d);
/** The broker came (back). */
void money_publish_again(struct hub *h);

#endif
