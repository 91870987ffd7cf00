/* What is remembered of each tick: telemetry points for Flip (into the backlog), five-minute means per device for 60 days and
 * daily sums for 13 months (into the store). On the loop, after the tick; stores in batches. */
#ifndef HEARTH_FLOW_HISTORY_RECORDER_H
#define HEARTH_FLOW_HISTORY_RECORDER_H

#include "core/config.h"
#include "core/interval.h"
#include "flow/cloud/backlog.h"

struct recorder; /* opaque */

#define RECORDER_HISTORY_DAYS 60
#define RECORDER_DAILY_DAYS 400

struct recorder_options {
	const struct config *config; /* outlives it (or recorder_configure) */
	const struct zone *zone;
	struct store *store;
	struct backlog *backlog;     /* NULL: no telemetry */
	/** Prices of a time that is over, per kWh; NAN = not known. NULL: rows have none. */
	void (*prices)(void *context, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price, double *export_price);
	/** A five-minute interval ended, with its prices. NULL is fine. */
	void (*ended)(void *context, const struct interval_report *report, double import_price, double export_price);
	void *context;               /* of both */
};

struct recorder_stats {
	int64_t rows, transactions;  /* taken by the store */
	int64_t bytes;               /* of their keys and bodies */
	int64_t lost;                /* rows given up: the store would not take them for several intervals */
	int64_t points;              /* handed to the backlog */
	int64_t skipped;             /* snapshots no telemetry was made of: the clock had been there before */
	bool failing;                /* the store refused the last transaction */
};

int recorder_start(struct recorder **out, const struct recorder_options *options, struct errbuf *err);
/** Another telemetry interval ends the one that runs. */
void recorder_configure(struct recorder *r, const struct config *config, const struct zone *zone);
/** Ends the intervals that run, under the configuration in force: before another one is put in its place. NULL is fine. */
void recorder_cut(struct recorder *r);
/** After each tick, with its decisions. Allocates nothing but at the end of an interval. Another plant (devices, their
 *  order, their names at Flip) ends the intervals that run, under the names they began with. */
void recorder_observe(struct recorder *r, const struct snapshot *s, const struct decisions *d);
/** Writes what is due; what the last interval has so far is told to Flip and kept in the daily sums. Before store_close (some
 *  of its callbacks may still come then: memory goes with the last). NULL is fine. */
void recorder_stop(struct recorder *r);
void recorder_stats(const struct recorder *r, struct recorder_stats *out);

/* One five-minute mean as stored in STORE_HISTORY (kind = device id, or "site"), packed by history_pack. */
struct history_row {
	int64_t start_utc_ms;
	int32_t duration_s, measured_s;
	double mean_w;             /* of what was measured; into the device positive. "site": grid. NAN = not measured */
	double in_wh, out_wh;
	double soc_pct;            /* batteries; NAN = none */
	double home_wh, solar_wh;  /* of "site"; else NAN */
	double import_price, export_price; /* of "site", per kWh, mean of the time; NAN = not known, as in older rows */
};
/** Bytes without NUL, or -E2BIG. Power is kept to 1 W, energy to 0.1 Wh, SoC to 0.1 %, prices to 0.00001. */
int history_pack(const struct history_row *h, char *out, size_t size);
/** 0 or -EINVAL. @out is touched only on success. */
int history_unpack(int64_t start_utc_ms, const char *packed, struct history_row *out);

/* The sums of one local day as stored in STORE_DAILY (key "<device>/<YYYY-MM-DD>", "site/..."; at_ms = the day's start). */
struct daily_row {
	double measured_s, in_wh, out_wh;
	double home_wh, solar_wh;  /* of "site"; else NAN */
};
int daily_pack(const struct daily_row *d, char *out, size_t size);
int daily_unpack(const char *packed, struct daily_row *out);

#endif
