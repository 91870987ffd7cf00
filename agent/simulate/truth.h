/* What really happens in a simulation, minute by minute: load, sun, prices, cars, events. Made once and the same for every row of
 * the result; only the clairvoyant sees it before it happens. Pure; memory from malloc (about 24 bytes a minute). */
#ifndef HEARTH_SIMULATE_TRUTH_H
#define HEARTH_SIMULATE_TRUTH_H

#include "simulate/scenario.h"

#define TRUTH_MINUTE_MS 60000
#define TRUTH_TAIL_DAYS 3 /* prices go on behind the end, or the hub would see it coming */

struct truth_session {  /* a car at the charger */
	int64_t from_utc_ms, to_utc_ms;
	double wh;      /* wanted, at the charger */
};

struct truth_event {
	int64_t from_utc_ms, to_utc_ms, known_utc_ms;
	double power_w, floor_pct, pay;
};

struct truth {
	int64_t from_utc_ms;                    /* of minute 0; before start_utc_ms the hub has only looked on */
	int64_t start_utc_ms, end_utc_ms;
	int n;                                  /* minutes */
	float *load_w, *pv_w;                   /* without battery and car; sun >= 0 as the weather would give it */
	double *import_price, *export_price;
	int n_sessions, n_events;
	struct truth_session *session;          /* ascending, not overlapping */
	int n_before;
	struct truth_session *before;           /* of the days the hub has only looked on; NULL = it saw none */
	struct truth_event *event;              /* ascending */
};

/** Makes everything of the scenario and its seed. 0, -ENOMEM, or -EINVAL with a reason. */
int truth_make(const struct scenario *s, const struct zone *z, struct truth *out, struct errbuf *err);

/** Arrays alone, zeroed: for who fills in what was recorded. @learned_days before, TRUTH_TAIL_DAYS behind. */
int truth_alloc(struct truth *t, int64_t from_utc_ms, int64_t start_utc_ms, int64_t end_utc_ms);

void truth_deinit(struct truth *t);

/** Minute of an instant, within 0..n - 1. */
int truth_minute(const struct truth *t, int64_t utc_ms);

/** Session that an instant is in, -1 = no car is there. */
int truth_session_at(const struct truth *t, int64_t utc_ms);

/** Event that runs at an instant, NULL = none. */
const struct truth_event *truth_event_at(const struct truth *t, int64_t utc_ms);

/** Means over a span, W. */
double truth_mean(const struct truth *t, const float *w, int64_t from_utc_ms, int64_t to_utc_ms);

/* truth_load.c, truth_sun.c, truth_price.c: one of the parts each; @s checked, arrays there. */
void truth_make_load(const struct scenario *s, const struct zone *z, struct truth *t);
void truth_make_sun(const struct scenario *s, struct truth *t);
void truth_make_prices(const struct scenario *s, const struct zone *z, struct truth *t);

#endif
