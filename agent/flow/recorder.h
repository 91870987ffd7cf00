/* What is remembered of each tick: telemetry points for Flip (into the backlog), five-minute means per device for 60 days and
 * daily sums for 13 months (into the store). On the loop, after the tick; stores in batches. */
#ifndef HEARTH_FLOW_RECORDER_H
#define HEARTH_FLOW_RECORDER_H

#include "core/config.h"
#include "core/interval.h"
#include "flow/backlog.h"

struct recorder; /* opaque */

#define RECORDER_HISTORY_DAYS 60
#define RECORDER_DAILY_DAYS 400

struct recorder_options {
	const struct config *config; /* outlives it (or recorder_configure) */
	const struct zone *zone;
	struct store *store;
	struct backlog *backlog;
	/* Flip's view of device @i of the snapshot: the reserve and the battery mode in force now. */
	void (*flip_view)(void *context, int i, double *reserve_pct, enum battery_mode *mode);
	void *context;
};

int recorder_start(struct recorder **out, const struct recorder_options *options, struct errbuf *err);
void recorder_configure(struct recorder *r, const struct config *config, const struct zone *zone);
/** After each tick. Allocates nothing but at the end of an interval. */
void recorder_observe(struct recorder *r, const struct snapshot *s);
/** Writes what is due; what the last interval has so far is kept in the daily sums. Before store_close. NULL is fine. */
void recorder_stop(struct recorder *r);

/* One five-minute mean as stored in STORE_HISTORY (kind = device id, or "site"), packed by history_pack. */
struct history_row {
	int64_t start_utc_ms;
	int32_t duration_s, measured_s;
	double mean_w;             /* of what was measured; into the device positive. "site": grid */
	double in_wh, out_wh;
	double soc_pct;            /* batteries; NAN = none */
	double home_wh, solar_wh;  /* of "site"; else NAN */
};
int history_pack(const struct history_row *h, char *out, size_t size);
int history_unpack(int64_t start_utc_ms, const char *packed, struct history_row *out);

#endif
