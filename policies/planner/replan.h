/* When a plan has to be made again: what it was made from has changed, or the house has gone another way than it said. Pure; what
 * has to be remembered between two looks stands in struct replan. */
#ifndef HEARTH_POLICIES_PLANNER_REPLAN_H
#define HEARTH_POLICIES_PLANNER_REPLAN_H

#include "core/snapshot.h"
#include "policies/planner/planner.h"

#define REPLAN_TEXT_MAX 120

/* What the plan in force says of this moment. */
struct replan_expected {
	bool valid;
	int64_t made_utc_ms;            /* its start */
	double load_w, pv_w;
	double stored_wh[DEVICE_MAX];   /* NAN = not in the plan */
};

/* A zeroed one is valid: the first look only remembers. */
struct replan {
	bool begun;
	int64_t seen_ms;                /* monotonic, of the last look */
	double load_off_w, pv_off_w;    /* measured minus expected, smoothed */
	int64_t made_utc_ms;            /* the plan these belong to */
	struct replan_seen {
		double reserve_pct;
		bool there[DEVICE_MAX]; /* it can be planned for */
		struct replan_car {
			bool connected;
			enum ev_mode mode;
			double energy_wh;
			int64_t ready_by_utc_ms;
		} car[DEVICE_MAX];
	} seen;
};

/**
 * Looks once a tick. Prices, events and limits from outside say for themselves when they change. @load_w, @pv_w: as home_measure says, NAN = not known.
 * A change (a device that joins or leaves, a car plugged in or out, what it is to get, the reserve) counts at once. Drift counts only five minutes after the plan
 * was made: SoC more than 5 % from where the plan has it; load or sun, over about a quarter of an hour, further off than 500 W and
 * 30 % of what was expected.
 * Returns true with the reason, a sentence with numbers, when there is one.
 */
bool replan_look(struct replan *r, const struct snapshot *s, double load_w, double pv_w, const struct replan_expected *e,
		 char why[REPLAN_TEXT_MAX]);

/** What plan @p of @in expects at @utc_ms; @device: of the snapshot, for each battery of the instance. valid = false outside. */
void replan_expect(const struct plan *p, const struct plan_instance *in, const int *device, int64_t utc_ms,
		   struct replan_expected *out);

#endif
