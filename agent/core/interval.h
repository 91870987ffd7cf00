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
	int grid_online;           /* at the end: 1, 0, or -1 = it does not say */
	struct interval_sum power; /* batteries: AC terminals (battery.power_ac_w if it has that); others: their AC port */
	double soc_pct, soh_pct, capacity_wh; /* last good ones the device told; NAN = never */
};

struct interval_report {
	int64_t start_utc_ms;
	int32_t duration_s;        /* shorter than the interval at the start, and where the clock was stepped; longer by
				    * whole intervals when a tick came so late that it ended several */
	struct interval_sum grid;  /* import positive */
	struct interval_sum home;  /* the house with the car and what the sun's inverters draw, without battery; >= 0, so that
				    * grid = home + batteries - solar.in */
	struct interval_sum solar; /* in_wh = produced, last_w >= 0; a site without: 0, known */
	bool grid_lost;            /* at the end */
	int n;
	struct interval_device device[DEVICE_MAX];
};

struct interval {
	int32_t length_s;          /* 1..86400; a divisor of the day keeps intervals from straddling midnight */
	bool begun;
	int64_t end_utc_ms, last_ms, last_utc_ms;
	int64_t told_utc_ms;       /* start of the last one that ended; -1 = none that counts */
	int64_t skipped;           /* snapshots not measured because their time had been told already */
	struct interval_report r;
};

/** @length_s  interval, aligned to UTC multiples of itself */
void interval_init(struct interval *iv, int32_t length_s);

/**
 * One snapshot further. True when an interval has ended: then *out (may not be NULL) holds it and the next one has begun.
 * While the clock is not trusted nothing is measured, and what was begun is dropped; a step of the clock ends the interval at
 * the last instant before the step. At most one interval a call ends; a longer silence leaves a gap in time, told by
 * start_utc_ms. Power counts for at most 15 s after its reading (the site's parts 10 s, by encode.h), in a straight line from
 * one snapshot to the next: at the site and at its devices alike, so that the balance of the energies is that of the powers.
 * Starts only grow, because who stores intervals by start would lose the first of two: after a step back of up to an hour
 * nothing is measured (but counted) until the clock is past the last start told. After a longer one, or more than an hour
 * before that start, the old times were wrong: it begins anew at once, and starts may come twice.
 */
bool interval_step(struct interval *iv, const struct snapshot *s, struct interval_report *out);

/** Ends what was begun at the last snapshot, before its time. False when there was less than a second of it. The next step
 *  begins anew. */
bool interval_cut(struct interval *iv, struct interval_report *out);

#endif
