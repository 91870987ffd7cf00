/* Between forecasting.c and forecasting_store.c. */
#ifndef HEARTH_FLOW_CONTROL_FORECASTING_INTERNAL_H
#define HEARTH_FLOW_CONTROL_FORECASTING_INTERNAL_H

#include "flow/control/forecasting.h"

#define FORECASTING_FIVES (60 * 288)                  /* five-minute means of sixty days */
#define FORECASTING_HOURS (FORECAST_AHEAD_MAX / 4)    /* of day-ahead forecasts kept */
#define FORECASTING_CURTAILED (60 * 24)               /* hours of which is known whether the sun was curtailed */

/* An hour of day-ahead forecasts as stored. */
struct forecasting_hour { int64_t hour; float load_w[4], pv_w[4]; };

/* The history being read: rings by five minutes of UTC. */
struct forecasting_history {
	int32_t five[FORECASTING_FIVES];                  /* which one it is; 0 = none */
	float load_w[FORECASTING_FIVES], pv_w[FORECASTING_FIVES];
	int32_t newest;
	int device;                                       /* being read: -1 = the site, else a charger to take off */
	char kind[STORE_KIND_MAX];
	int64_t seq;                                      /* next page from there */
	int64_t until_ms;                                 /* what lies later was written by a clock that ran ahead; 0 = not begun */
	struct forecasting_hour ahead[FORECASTING_HOURS];
};

struct forecasting {
	struct forecasting_options o;
	struct forecast forecast;
	struct forecasting_history *history;              /* NULL: read, or nothing to read */
	struct { int64_t hour; uint8_t quarters; } curtailed[FORECASTING_CURTAILED];
	int64_t told_hour;                                /* of the last changed() */
	int64_t kept_quarter;                             /* newest whose day-ahead forecast is stored */
	int pages;                                        /* the store owes */
	bool started, stopped;
};

/** Pushed forecast, day-ahead forecasts, curtailed hours. */
int forecasting_load(struct forecasting *f, struct errbuf *err);
/** Begins to read the history, up to @now_utc_ms of a trusted clock. */
void forecasting_read(struct forecasting *f, int64_t now_utc_ms);
/** What a quarter hour leaves behind. @curtailed  the sun was held back in it */
void forecasting_keep(struct forecasting *f, int64_t quarter, bool curtailed);
/** Tells whoever wants to know. */
void forecasting_changed(struct forecasting *f);
/** Frees when it was stopped and the store owes nothing any more. */
void forecasting_release(struct forecasting *f);

#endif
