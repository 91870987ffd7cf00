/* What hours that are over have cost: FlatPeak's prices as they were fetched, or [tariff]'s windows as they stand now. Only for
 * what has no price kept beside it (see recorder.h). On the loop. */
#ifndef HEARTH_FLOW_HISTORY_PAST_H
#define HEARTH_FLOW_HISTORY_PAST_H

#include "core/price.h"

struct prices;

/** Import and export prices of @from .. @to (UTC ms) as known at @now; both NULL without @p. Valid until the next call. */
void past_series(struct prices *p, int64_t now_utc_ms, int64_t from_utc_ms, int64_t to_utc_ms, const struct price_series **import,
		 const struct price_series **export);

/** Their means, per kWh; NAN = not known of all of it. */
void past_prices(struct prices *p, int64_t now_utc_ms, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price,
		 double *export_price);

#endif
