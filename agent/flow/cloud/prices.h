/* Prices for the planner and for R/tariff: FlatPeak's while they are known, then [tariff]'s, then last week's pattern. Fetches,
 * caches in the store over restarts, and composes. On the loop; never waits. */
#ifndef HEARTH_FLOW_CLOUD_PRICES_H
#define HEARTH_FLOW_CLOUD_PRICES_H

#include "core/config.h"
#include "core/price.h"
#include "io/http.h"
#include "io/store.h"

#include <stdbool.h>
#include <stdint.h>

struct prices; /* opaque */

struct prices_options {
	const struct config *config;   /* outlives it (or prices_configure) */
	const struct zone *zone;
	struct http *http;             /* NULL: nothing is fetched */
	struct store *store;
	const char *api_key;           /* "" = none; copied */
	/** Monotonic and UTC ms now; true when the UTC clock is trusted. */
	bool (*clock)(void *context, int64_t *now_ms, int64_t *utc_ms);
	void (*changed)(void *context);           /* compose again */
	void (*vouch)(void *context, int64_t date_utc_ms); /* a verified server's Date; may be NULL */
	void *context;
};

struct prices_status {
	char state[24];         /* off | waiting | ok | retrying | no_tariff | stopped */
	char reason[256];       /* in words, for R/agent.warnings and `hearthctl tariff`; "" when all is well */
	int64_t fetched_utc_ms, next_utc_ms;
	int64_t requests, failures;
};

/** Reads the cache (before the store's first transaction); a cache that cannot be read is logged and done without. */
int prices_start(struct prices **out, const struct prices_options *options, struct errbuf *err);
void prices_configure(struct prices *p, const struct config *config, const struct zone *zone, const char *api_key);
/** Who sends, after a reload that first needs HTTPS; NULL: nothing is fetched. */
void prices_http(struct prices *p, struct http *http);
/** Each second: fetches when it is time. */
void prices_step(struct prices *p);
/** `tariff.refresh`: now, but not more often than the 15 minutes a price code of FlatPeak asks for (-EBUSY, with words); wakes
 *  what was stopped. -ENODATA: FlatPeak is off or not set up, with words. */
int prices_refresh(struct prices *p, struct errbuf *err);

/**
 * From @from to @to (UTC ms): per instant FlatPeak's price if one was fetched for it (confidence at least 0.2) within the last
 * 36 h, else [tariff]'s, else the price a week before (same local time; two, three or four when that is not known either) with
 * confidence 0.2 and source "last_known". series->source is that of the instant @now; "none": unknown. [flatpeak] vat_multiplier
 * counts for import only. Both series are in one currency: that of FlatPeak's import prices while they are fresh (or there is no
 * [tariff] for import), else [tariff]'s. What is in another one counts as unknown, and prices_status says so.
 */
void prices_compose(struct prices *p, int64_t now_utc_ms, int64_t from_utc_ms, int64_t to_utc_ms, struct price_series *import,
		    struct price_series *export);
/** @p NULL: off. */
void prices_status(const struct prices *p, struct prices_status *out);
/** Before store_close and http_close's end; answers that come later are dropped. NULL is fine. */
void prices_stop(struct prices *p);

#endif
