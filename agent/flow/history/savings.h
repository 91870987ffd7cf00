/* What the home paid for energy and what the battery saved, per local day, from the intervals the recorder ends: kept for 13 months
 * in STORE_DAILY, key "+savings/<YYYY-MM-DD>" (no device has such a name). On the loop. */
#ifndef HEARTH_FLOW_HISTORY_SAVINGS_H
#define HEARTH_FLOW_HISTORY_SAVINGS_H

#include "core/bill.h"
#include "core/config.h"
#include "core/interval.h"
#include "core/json.h"
#include "core/snapshot.h"
#include "io/store.h"

struct savings; /* opaque */

#define SAVINGS_DAYS 400
#define SAVINGS_DAYS_ASKED 100   /* of one answer */
#define SAVINGS_MONTHS_ASKED 13
#define SAVINGS_PUBLISH_MS 300000

struct savings_options {
	const struct config *config; /* outlives it, as the others do; [tariff] standing charge */
	const struct zone *zone;
	struct store *store;
};

int savings_start(struct savings **out, const struct savings_options *options, struct errbuf *err);
/** A row of STORE_DAILY at start; false when it is not one of ours. Rows that cannot be read are left out. */
bool savings_load(struct savings *v, const struct store_row *row);

/** Each tick: for how long the sun was held back. */
void savings_observe(struct savings *v, const struct snapshot *s, const struct decisions *d);
/** Flip's commands moved @wh in this tick. */
void savings_event(struct savings *v, int64_t utc_ms, double wh);
/**
 * An interval ended; prices per kWh, NAN = unknown, in @currency. Counted to the local day it began in, and stored. A time of a
 * day is billed once: what a clock that was set back comes to again is left out, and so not measured. Another currency begins
 * the day anew.
 */
void savings_ended(struct savings *v, const struct interval_report *r, double import_price, double export_price, const char *currency);

/** There is something new to publish, and the last time was SAVINGS_PUBLISH_MS ago; says so once. */
bool savings_due(struct savings *v, int64_t now_ms);
/** R/savings without "at": {currency, today, month, last_month, saved, event_kwh, measured_pct}, the last three of this month; the
 *  parts as rows of savings_answer. @utc_ms: now. The caller owns it. */
cJSON *savings_encode(const struct savings *v, int64_t utc_ms);

/* What is asked for: one of the three. */
struct savings_query {
	int days, months;            /* the last ones, this one included */
	int year, month;             /* the days of this month */
};
/** savings.get's arguments; nothing said = 7 days. 0 or -EINVAL, -ERANGE, explained. */
int savings_query_decode(const cJSON *args, struct savings_query *out, struct errbuf *err);
/** {currency, step: day|month, rows: [{period, bill, without_battery, saved, stored_kwh, stored_value, standing, import_kwh, export_kwh,
 *  unpriced_kwh, curtailed_min, event_kwh, measured_pct}] oldest first, total}; no money where nothing was measured. saved =
 *  without_battery - bill + stored_value: what the batteries hold more at the end than at the beginning, at the mean import price.
 *  unpriced_kwh: was exported, or would have been without the battery, while no export price was known, and counts as paid nothing. @utc_ms: now. The caller owns it. */
cJSON *savings_answer(const struct savings *v, const struct savings_query *q, int64_t utc_ms);

/** Stores what is not on disk yet; memory goes with the store's last callback. Before store_close. NULL is fine. */
void savings_stop(struct savings *v);

#endif
