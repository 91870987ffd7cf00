/* Which of the decisions of every tick are worth a row of the diary. Pure: plain memory, no clock. Great changes: a device starts,
 * stops or turns round, has another's order or another kind of order; another mode of the site, other limits from outside, doubts.
 * They get their row at once, in any home there is. Smaller ones: why, and how much. What flaps of those is thinned, power first,
 * counted, and told with the next row. Patience alone (car_dwell, car_ramp) is no change. */
#ifndef HEARTH_FLOW_HISTORY_CHANGES_H
#define HEARTH_FLOW_HISTORY_CHANGES_H

#include "core/decision.h"
#include "core/snapshot.h"

#define CHANGES_POWER_W 200.0        /* power alone: moved by this and a tenth, and not before CHANGES_POWER_MS */
#define CHANGES_POWER_MS 300000
#define CHANGES_BURST 20             /* smaller changes of one device at once, the first half only for why; then one every REFILL_MS */
#define CHANGES_REFILL_MS 120000
#define CHANGES_DAY_MAX 1500         /* of all together in 24 hours */
#define CHANGES_GREAT_BURST 120      /* great ones: a bound for what changes many times a minute all day, no more */
#define CHANGES_GREAT_REFILL_MS 20000
#define CHANGES_GREAT_DAY_MAX 4000
#define CHANGES_DOUBT_AWAY_MS 30000  /* a doubt that returns sooner has not been away */

struct change_row {
	int64_t at_ms;               /* monotonic */
	char device[DEVICE_ID_MAX];  /* "" = the site */
	enum { CHANGE_DECISION = 0, CHANGE_MODE, CHANGE_LIMIT, CHANGE_DOUBT, CHANGE_DOUBT_OVER } what;
	enum rank rank;
	enum reason code;
	enum doubt_kind doubt;       /* of the last two */
	enum order_kind order;
	double w;                    /* of a decision with power; else NAN */
	uint32_t limited_by;
	bool great;
	uint32_t skipped;            /* changes before this one that got no row */
	uint32_t lost;               /* of those, great ones */
	char why[DECISION_WHY_MAX];
};

/* What makes two decisions different. */
struct change_face {
	enum rank rank;
	enum reason code;
	enum order_kind order;
	int way;                     /* power: -1, 0, 1; balancing: bits, what it may do */
};

enum change_size { CHANGE_SMALL = 0, CHANGE_GREAT, CHANGE_SIZES };

struct change_slot {
	char id[DEVICE_ID_MAX];
	bool known;
	struct change_face seen, told;
	double told_w;
	int64_t since_ms, told_ms;   /* `seen` holds since then */
	int64_t rows_ms[CHANGE_SIZES]; /* the moment its allowance was last counted */
	int rows[CHANGE_SIZES];        /* it may have at once */
	uint32_t skipped, lost;
};

struct change_doubt {
	char device[DEVICE_ID_MAX];
	enum doubt_kind kind;
	int64_t since_ms, seen_ms;
	char why[160];               /* as it began */
};

enum change_site { CHANGES_OF_MODE = 0, CHANGES_OF_LIMIT, CHANGES_OF_DOUBT, CHANGES_SITE };

/* Zeroed is valid. */
struct changes {
	struct change_slot device[DEVICE_MAX];
	struct change_slot site[CHANGES_SITE]; /* an allowance each: none silences another */
	enum rank mode_seen, mode_told;        /* RANK_NONE = none yet */
	struct external_limit limit_seen, limit_told;
	bool limit_known;
	int n_doubts;
	struct change_doubt doubt[DOUBTS_MAX];
	int64_t day_ms;              /* when the 24 hours that run began */
	int day_rows[CHANGE_SIZES];
	int64_t dropped;             /* rows lost to the day's cap, since start */
};

typedef void (*change_fn)(void *context, const struct change_row *row);

/** One tick: calls @row for what is worth a row, in order. */
void changes_step(struct changes *c, const struct snapshot *s, const struct decisions *d, change_fn row, void *context);

#endif
