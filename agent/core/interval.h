/* Means and sums over intervals aligned to the clock: what telemetry, history and forecasts are made of. Integrates power over
 * snapshots; a gap in the readings is not filled with guesses. Pure. */
#ifndef HEARTH_CORE_INTERVAL_H
#define HEARTH_CORE_INTERVAL_H

#include "core/snapshot.h"

/* One quantity: its integral while it was known, and the last word on it. */
struct interval_sum {
	double in_wh, out_wh;      /* of positive and of negative power, both >= 0 */
	double last_w;             /* NAN = not known at the end */
	double measured_s;         /* how much of the interval is behind the two sums */
};

struct interval_device {
	char id[DEVICE_ID_MAX];
	uint32_t roles;
	bool online;               /* answering at the end */
	struct interval_sum power; /* batteries: AC terminals (battery.power_ac_w); others: their AC port */
	double soc_pct, soh_pct, capacity_wh; /* last good ones; NAN = never */
};

struct interval_report {
	int64_t start_utc_ms;
	int32_t duration_s;        /* shorter than the interval at the start, and where the clock was stepped */
	struct interval_sum grid;  /* import positive */
	struct interval_sum home;  /* the house with the car, without battery and sun; >= 0 */
	struct interval_sum solar; /* in_wh = produced */
	bool grid_lost;            /* at the end */
	int n;
	struct interval_device device[DEVICE_MAX];
};

struct interval {
	int32_t length_s;          /* 1..86400, divides the day */
	bool begun;
	int64_t end_utc_ms, last_ms, last_utc_ms;
	struct interval_report r;
};

/** @length_s  interval, aligned to UTC multiples of itself */
void interval_init(struct interval *iv, int32_t length_s);

/**
 * One snapshot further. True when an interval has ended: then *out (may not be NULL) holds it and the next one has begun.
 * While the clock is not trusted nothing is measured, and what was begun is dropped; a step of the clock ends the interval at
 * the last instant before the step. At most one interval a call ends; a longer silence leaves a gap in time, told by
 * start_utc_ms. Power is held for at most 15 s after its last reading.
 */
bool interval_step(struct interval *iv, const struct snapshot *s, struct interval_report *out);

#endif
