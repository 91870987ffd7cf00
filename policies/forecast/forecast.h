/* What the house will draw and the sun will give, learned from the hub's own history in quarter hours, corrected by the last
 * hours, unless somebody who knows better has said it. Plain memory, copied by value; no clock, no allocation. Formulas, their
 * sources and what was tried: README.md. */
#ifndef HEARTH_POLICIES_FORECAST_FORECAST_H
#define HEARTH_POLICIES_FORECAST_FORECAST_H

#include "core/calendar.h"
#include "policies/forecast/push.h"
#include "policies/forecast/sun.h"

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_QUARTER_MS 900000LL
#define FORECAST_DAY 96                      /* quarter hours */
#define FORECAST_LOAD_MAX (60 * FORECAST_DAY)
#define FORECAST_PV_MAX (30 * FORECAST_DAY)
#define FORECAST_ERROR_DAYS 7
#define FORECAST_AHEAD_MAX ((FORECAST_ERROR_DAYS + 2) * FORECAST_DAY)

/* One of ten times less than low_w, one of ten more than high_w. */
struct forecast_range {
	double low_w, mid_w, high_w; /* 10 %, 50 %, 90 % quantile */
	bool pushed;                 /* said by forecast.set: then all three are the same */
};

/* One quantity being measured: the present, and the quarter hour that runs. */
struct forecast_meter {
	double now_w;                /* smoothed over about two minutes; NAN = unknown */
	double sum, n;
	int64_t at_utc_ms;           /* of the last reading */
};

struct forecast_quantiles { float low, mid, high; };

/* Rings by quarter hour of UTC (utc_ms / 15 min, modulo the length); NAN = not known. */
struct forecast {
	int64_t last;                       /* newest quarter hour that is over; 0 = none yet */
	float load_w[FORECAST_LOAD_MAX];
	float pv_w[FORECAST_PV_MAX];
	float clear_w[FORECAST_PV_MAX];     /* what the model says of a clear sky then */
	float ahead_load_w[FORECAST_AHEAD_MAX], ahead_pv_w[FORECAST_AHEAD_MAX]; /* as forecast a day before */
	struct forecast_quantiles usual_load[7][FORECAST_DAY];                  /* W, by weekday and local time of day */
	struct forecast_quantiles yield[FORECAST_DAY];                          /* share of the model, by UTC time of day */
	double load_scale_w;                /* of the standard household, from what was seen */
	double hours_w, days_w;             /* how much more than usual the house drew in the last hours, the last days */
	double day_sky;                     /* sun of the last day as a share of the usual */
	double most_pv_w;                   /* most of a quarter hour in the ring */
	struct forecast_site site;
	struct forecast_push push;
	struct forecast_meter load_meter, pv_meter; /* live */
	int64_t seen_utc_ms, running;       /* last observation and its quarter hour; 0 = none yet */
	struct forecast_meter load_past, pv_past;   /* of the history being learned */
	int64_t past;                       /* its quarter hour */
	bool stale;                         /* history or place changed: the tables are to be made anew */
};

/* Of the forecasts made a day ahead, over the last seven days, in % of the mean of what came; NAN = under a day compared. */
struct forecast_error {
	double load_pct, pv_pct;            /* mean absolute error of quarter hours */
	double load_bias_pct, pv_bias_pct;  /* positive: more was forecast than came */
	double compared_h;
};

void forecast_init(struct forecast *f);

/** Where the panels are; asked anew at each reload. Cheap when nothing changed. */
void forecast_place(struct forecast *f, const struct forecast_site *site);

/** One five-minute mean (or longer, within a quarter hour) out of the history, in ascending order. NAN = not known. Before or
 *  between observations; the tables follow with the next observation or forecast_refresh. */
void forecast_learn(struct forecast *f, int64_t start_utc_ms, double load_w, double pv_w);

/** Makes all tables anew after forecast_learn and forecast_place: 2 ms. */
void forecast_refresh(struct forecast *f, const struct zone *z);

/** Takes a reading. @load_w house without batteries and cars, may be negative where the sun is not metered apart;
 *  @pv_w >= 0, NAN while it is curtailed. NAN = not known now. */
void forecast_observe(struct forecast *f, const struct zone *z, int64_t utc_ms, double load_w, double pv_w);

/** What was forecast a day before for the quarter hour @quarter, out of the store after a restart. */
void forecast_recall(struct forecast *f, int64_t quarter, double load_w, double pv_w);

/** House load expected at @at_utc_ms, seen from @now_utc_ms. Cold start: a standard household of 350 W. */
void forecast_load(const struct forecast *f, const struct zone *z, int64_t now_utc_ms, int64_t at_utc_ms, struct forecast_range *out);
double forecast_load_w(const struct forecast *f, const struct zone *z, int64_t now_utc_ms, int64_t at_utc_ms);

/** Sun expected, W, at least 0. Cold start: clear sky x 0.6, or 0 where the place or the peak power is not known. */
void forecast_pv(const struct forecast *f, int64_t now_utc_ms, int64_t at_utc_ms, struct forecast_range *out);
double forecast_pv_w(const struct forecast *f, int64_t now_utc_ms, int64_t at_utc_ms);

/** The recent error, as of the newest quarter hour that is over. */
void forecast_error(const struct forecast *f, struct forecast_error *out);

/* Within the module. */
/** The place of a quarter hour in a ring. */
static inline int forecast_ring(int64_t quarter, int size)
{
	return (int)((quarter % size + size) % size);
}

/** forecast_learn.c: every table out of the rings. */
void forecast_tables(struct forecast *f, const struct zone *z);
/** One quarter hour further: its time of day, and the levels. */
void forecast_settle(struct forecast *f, const struct zone *z);
/** All of the yield: needs no zone. */
void forecast_yields(struct forecast *f);
/** The value of a ring at a quarter hour; NAN outside of what it holds. */
double forecast_past_load(const struct forecast *f, int64_t quarter);
double forecast_past_pv(const struct forecast *f, int64_t quarter);
/** The sun that came, but no more than twice what is seldom exceeded then: that is a meter that told nonsense. */
double forecast_plausible_pv(const struct forecast *f, int64_t quarter);
/** @w of sun, but no more than the inverters can; where nobody says what they can, not much more than they were seen to give. */
double forecast_most_w(const struct forecast *f, double w);
/** What is usual then, without the corrections by the last hours. */
const struct forecast_quantiles *forecast_usual(const struct forecast *f, const struct zone *z, int64_t utc_ms);

#endif
