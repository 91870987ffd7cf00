/* Between recorder.c, recorder_points.c and recorder_write.c. */
#ifndef HEARTH_FLOW_HISTORY_RECORDER_INTERNAL_H
#define HEARTH_FLOW_HISTORY_RECORDER_INTERNAL_H

#include "flow/history/recorder.h"

#define ROW_KEY_MAX 48   /* "<device>/<YYYY-MM-DD>" */
#define ROW_BODY_MAX 160
#define ROWS_INTERVAL (2 * (DEVICE_MAX + 1))     /* history and a day's sums of each device and the site */
#define ROWS_MAX (4 * ROWS_INTERVAL)             /* what waits for the store at most */
#define DAY_DEVICES_MAX (2 * DEVICE_MAX)         /* of one day: a reload may bring others */
#define DATE_MAX 11

/* How Flip sees a device at the last snapshot. */
struct recorder_view {
	double reserve_pct;
	enum battery_mode mode;
};

/* Who a device of the snapshot is; what the configuration says of it. */
struct recorder_name {
	char id[DEVICE_ID_MAX];
	char flip_id[FLIP_ID_MAX]; /* "" = unknown to Flip, or longer than Flip's are */
	double capacity_wh, soh_pct; /* NAN = not set */
};

/* A row that waits. The first `under_way` of them are in a transaction. */
struct recorder_row {
	enum store_table table; /* STORE_HISTORY: key is the kind */
	char key[ROW_KEY_MAX], body[ROW_BODY_MAX];
	int64_t at_ms;
};

enum day_state { DAY_NONE, DAY_UNREAD, DAY_READING, DAY_READY };

/* Sums of the local day that runs. What the store already has of it is read after the day began here, and added. */
struct recorder_day {
	enum day_state state;
	char date[DATE_MAX];
	int64_t start_utc_ms;
	int n;
	struct {
		char id[DEVICE_ID_MAX];
		bool changed;
		struct daily_row sums;
	} of[DAY_DEVICES_MAX];
};

struct recorder {
	struct recorder_options o;
	struct interval telemetry, history;
	struct recorder_view view[DEVICE_MAX];
	struct recorder_name name[DEVICE_MAX]; /* in the order of the last snapshot, as is view */
	int n_names;
	int64_t now_ms;
	struct recorder_day day;
	char reading_date[DATE_MAX];   /* of the read under way */
	int64_t quarter;               /* of an hour, at which the day's sums were last written */
	int64_t steady_ms;             /* how long the clock has run without a step */
	int64_t last_end_ms;
	char purged[DATE_MAX];         /* the day of the last purge */
	int64_t purge_at_ms;           /* UTC now of a purge that is due, 0 = none */
	int callbacks;                 /* the store owes */
	bool stopped, read_failing;
	int n_rows, under_way;
	bool purge_under_way;
	struct recorder_row *row;      /* ROWS_MAX */
	struct recorder_stats stats;
};

/** Names for the devices of a snapshot; returns how many. */
int recorder_names(const struct config *config, const struct snapshot *s, struct recorder_name out[DEVICE_MAX]);
/** Telemetry of the batteries Flip knows; returns how many. @name and @view are in the report's order. */
int recorder_points(const struct recorder_name *name, const struct interval_report *r, const struct recorder_view *view,
		    struct telemetry_point *out);

/** The local day of an instant begins, unless it is the one that runs. */
void recorder_day_open(struct recorder *r, int64_t utc_ms);
/** Five-minute rows and the day's sums of one interval. */
void recorder_keep(struct recorder *r, const struct interval_report *report);
/** The day's sums that changed become rows (unless what the store has of the day is not known yet). */
void recorder_day_write(struct recorder *r);
/** Submits what waits, unless a transaction is under way (@last: what is not in it). */
void recorder_flush(struct recorder *r, bool last);
/** Frees when it was stopped and the store owes nothing any more. */
void recorder_release(struct recorder *r);

#endif
