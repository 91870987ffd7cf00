/* The monthly demand target: suppliers bill the highest average import of any quarter of an hour (or half, or whole hour) of a
 * month. Keeps account of the running interval and says how much import the rest of it may take. Pure: readings, clocks and the
 * time zone are arguments. */
#ifndef HEARTH_CORE_DEMAND_H
#define HEARTH_CORE_DEMAND_H

#include "core/calendar.h"
#include "core/err.h"
#include "core/json.h"

#include <stdbool.h>
#include <stdint.h>

struct demand_config {
	double target_w;        /* average import to stay below; 0 = nothing is watched */
	int interval_min;       /* 15, 30 or 60: intervals begin at multiples of it, local time */
};

struct demand_reading {
	int64_t now_ms, utc_ms; /* monotonic; wall */
	bool clock_trusted;
	double import_w;        /* at the grid meter, export is 0; NAN = not known */
};

struct demand {
	bool running;           /* an interval is accounted: start and end are valid */
	int64_t start_utc_ms, end_utc_ms;
	double used_wh;         /* of this interval; what was not seen is taken for the worse of target and last reading */
	double seen_wh;         /* what was really measured: only that makes a peak */
	double late_w;          /* what was allowed when the last seconds of it began; NAN = they have not */
	int month;              /* local, year * 12 + month - 1; 0 = not known */
	double peak_w;          /* highest interval of that month */
	int64_t last_ms, last_utc_ms; /* the latter while running: until then the interval is accounted */
	double last_w, known_w; /* the last reading (NAN = none), and the last one that was known */
};

struct demand_view {
	double target_w;        /* what is kept: the configured one or the month's peak, whichever is higher; 0 = nothing is watched */
	double allowed_w;       /* import for the rest of the interval, at least 1 W; 0 = nothing is watched */
	int64_t until_utc_ms;   /* end of the interval; 0 = not known (no trusted clock: allowed_w is the configured target) */
	double interval_w;      /* average so far, NAN = no interval */
	double peak_w;          /* of the month so far; NAN = none yet, or the month is not known */
};

/** A zeroed struct is valid. Each tick. True when the month's peak changed (store it): at most once an interval. */
bool demand_step(struct demand *d, const struct demand_config *cfg, const struct zone *zone, const struct demand_reading *r);

void demand_view(const struct demand *d, const struct demand_config *cfg, struct demand_view *out);

/** For the store: the month and its peak. What is wrong is an error, @out untouched. */
cJSON *demand_encode(const struct demand *d);
int demand_decode(const cJSON *j, struct demand *out, struct errbuf *err);
/** The running interval, so that a restart does not wash away what was used of it. Decode after demand_decode, which clears all:
 *  it counts when the first step is in the same interval. */
cJSON *demand_encode_interval(const struct demand *d);
int demand_decode_interval(const cJSON *j, struct demand *d, struct errbuf *err);

#endif
