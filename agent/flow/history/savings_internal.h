/* Between savings.c (what is kept) and savings_show.c (how it is told). */
#ifndef HEARTH_FLOW_HISTORY_SAVINGS_INTERNAL_H
#define HEARTH_FLOW_HISTORY_SAVINGS_INTERNAL_H

#include "flow/history/savings.h"

struct savings_day {
	int32_t date;                /* 20260115 */
	int64_t start_utc_ms;
	int64_t billed_utc_ms;       /* up to there */
	char currency[4];
	struct bill sums;
	double standing, event_wh;
	uint32_t version, submitted, stored; /* what is in memory, on its way, on disk */
};

struct savings {
	struct savings_options o;
	int n;
	struct savings_day day[SAVINGS_DAYS]; /* ascending */
	double curtailed_s;          /* of the interval that runs */
	int64_t tick_ms;             /* monotonic; 0 = none yet */
	int64_t end_utc_ms;          /* of the last interval; 0 = none yet */
	double held_wh, capacity_wh; /* of all batteries, at its end; NAN = not known */
	char currency[4];            /* of the last one */
	bool changed;
	int64_t published_ms;        /* monotonic; 0 = never */
	int callbacks;               /* the store owes */
	bool stopped, failing;
};

/** The local date of an instant, 20260115. */
int32_t savings_date(const struct zone *z, int64_t utc_ms);

#endif
