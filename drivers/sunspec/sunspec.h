/* The SunSpec driver's memory and the seams between its files: sunspec.c (rhythm), measure.c (models -> state),
 * state.c (capabilities, what is in force), control.c (what all ways of control have in common), storage.c (a battery's
 * orders -> 704 or 124), found.c (what a battery's registers held before us), curtail.c (a bound on the sun -> 704 or 123),
 * reserve.c (the mirrored floor). */
#ifndef HEARTH_DRIVERS_SUNSPEC_H
#define HEARTH_DRIVERS_SUNSPEC_H

#include "core/json.h"
#include "drivers/driver.h"
#include "drivers/points.h"
#include "drivers/setpoint.h"
#include "drivers/sunspec/discovery.h"
#include "drivers/sunspec/found.h"
#include "drivers/sunspec/model.h"

#define SUNSPEC_REVERT_S 60 /* our reversion time; feeding it at half */
#define SUNSPEC_SETTLE_MS 1000
#define SUNSPEC_REDISCOVER_MS 60000 /* after a failed search, or a device silent for this long */

/* One image for each part a model can play. */
enum sunspec_slot {
	SLOT_COMMON,      /* 1 */
	SLOT_INVERTER,    /* 701, else 10x, 11x */
	SLOT_NAMEPLATE,   /* 120 */
	SLOT_SETTINGS,    /* 121 */
	SLOT_STATUS,      /* 122 */
	SLOT_IMMEDIATE,   /* 123 */
	SLOT_STORAGE,     /* 124 */
	SLOT_MPPT,        /* 160 */
	SLOT_METER,       /* 20x, 21x */
	SLOT_CAPACITY,    /* 702 */
	SLOT_CONTROL,     /* 704 */
	SLOT_DER_STORAGE, /* 713 */
	SLOT_BATTERY,     /* 802 */
	SLOT_COUNT
};

/* What the control registers say: the band of battery power in force; lo = hi is a power order. Of a sun inverter: the most
 * it may produce, as a power of at most 0. */
struct inforce {
	bool known, active;
	double lo_w, hi_w; /* NAN: active, but in a way we do not read (percent mode) */
	bool theirs;       /* not active, but what was found in force and is not ours is */
};

struct sunspec;

/* One way of control: where its registers are, and what to do with them. */
struct sunspec_way {
	enum sunspec_slot slot;
	bool curtails;
	const char *on, *timer, *left; /* points: switch, reversion time, what is left of it (NULL: it does not show) */
	int (*writes)(struct sunspec *s, const struct order *o, struct batch *b); /* 0 or negative */
	struct inforce (*inforce)(const struct sunspec *s, const struct image *img);
	double (*step_w)(const struct sunspec *s, const struct image *img);
};

#define RESERVE_WRITES_MAX DRIVER_WORN_MAX /* a day */

/* The floor mirrored into the battery's own reserve register. */
struct reserve {
	bool allowed, off;              /* by the profile and the maker; given up: the register does not take it */
	int n_makers;
	char maker[4][17];              /* of those the device charges from the grid to reach it */
	int per_day;                    /* writes the profile allows in any 24 h */
	double want_pct, wrote_pct;     /* 0 = leave it alone; NAN = nothing written yet */
	double kept_want, kept_pct;     /* asked for that much, the device keeps this much: not asked again */
	int tries;
	int64_t written_ms, not_before_ms;
	int64_t at_ms[RESERVE_WRITES_MAX]; /* of the latest writes, a ring */
	int n_writes;
};

enum sunspec_flight { FLIGHT_NONE, FLIGHT_DISCOVERY, FLIGHT_READ, FLIGHT_PREPARE, FLIGHT_WRITE, FLIGHT_RESERVE };

struct sunspec {
	struct driver_options o;
	uint32_t roles;
	bool native_balance; /* the profile says so */
	struct discovery discovery;
	bool ready; /* images are set up */
	int64_t discover_at_ms;

	struct image image[SLOT_COUNT];
	bool has[SLOT_COUNT], slow[SLOT_COUNT], want[SLOT_COUNT];
	bool slow_field[F_COUNT];
	struct cadence fast, ratings;

	enum sunspec_control control;
	struct setpoint setpoint;
	struct inforce before; /* before the write under way */
	bool fc6;              /* function 16 was refused for single registers */
	bool timer_ok;         /* our reversion time read back */
	bool timer_tried;      /* curtailment: there was a bound of ours to prove it by */
	bool ours;             /* something we wrote may be in force, or what was found is not put back yet */
	bool held_any;         /* curtailment: some bound of ours read back as written, these are the least and the most of them */
	double held_least_w, held_most_w;
	double held_pct;       /* curtailment: what a bound of ours last read as, NAN = none yet */
	struct found_limit found;
	struct kept_limit kept; /* of the life before, until the registers were read */
	struct found_storage theirs, kept_theirs; /* the same of a battery */
	bool kept_marked;      /* what the life before wrote bears our time */
	double sent_lo_w, sent_hi_w; /* of a battery: the band written last, in the bounds of that moment */
	struct reserve reserve;
	int64_t touched_ms;    /* the last write that may have reached the device, answered or not */
	int64_t prepare_at_ms; /* when the reversion time may be set while nothing is commanded */
	double pv_w;           /* production the last 704 setpoint allowed for */

	enum sunspec_flight flight;
	uint32_t batch_id;
	int flight_slot[BATCH_REQUESTS_MAX];
};

/* measure.c */
const struct image *sunspec_image(const struct sunspec *s, enum sunspec_slot slot);
void sunspec_measure(const struct sunspec *s, struct device_state *state);
/** Production of the strings, W, positive; false when unknown or none. */
bool sunspec_production(const struct sunspec *s, double *w);
/** Battery ratings, W: configuration, then 702, 124, 120; 0 when nothing says. */
void sunspec_ratings(const struct sunspec *s, double *charge_max_w, double *discharge_max_w);

/* state.c */
void sunspec_caps(struct sunspec *s, struct device_state *state);
/** What the control registers say is in force, and whose it is. */
void sunspec_inforce(const struct sunspec *s, struct device_state *state);

/* control.c */
enum sunspec_control control_find(const struct sunspec *s);
/** NULL when there is no way. */
const struct sunspec_way *control_way(const struct sunspec *s);
/** Image of the control model; NULL when there is no way or it was never read. */
const struct image *control_image(const struct sunspec *s);
/** The band an order asks for; a power order is a band without width. */
void control_band(const struct sunspec *s, const struct order *o, double *lo, double *hi);
/** The writes for sp->order; returns how many, 0 when nothing has to be written, negative when it cannot be. */
int control_writes(struct sunspec *s, struct batch *batch);
struct inforce control_inforce(const struct sunspec *s);
enum seen control_seen(const struct sunspec *s, const struct inforce *now);
/** Remembers a bound on the sun that reads as ordered. */
void control_held(struct sunspec *s, const struct inforce *now);
/** The smallest step of the setpoint, W; 0 when unknown. */
double control_step_w(const struct sunspec *s);
/** True when the control model has a reversion time at all. */
bool control_has_timer(const struct sunspec *s);
/** The one write that sets the reversion time while no setpoint is in force; 0 when there is nothing to set. It commands
 *  nothing, but lets us read back that the timer takes our time before anything hangs on it. Batteries only: on a sun
 *  inverter the time may be somebody else's until we have something to say ourselves. */
int control_prepare(struct sunspec *s, struct batch *batch);
/** After a read of the control model: does the reversion timer do what we asked? */
void control_check_timer(struct sunspec *s);
/** Adds one write; a point the device does not implement is left out when @optional. */
int control_add(const struct sunspec *s, struct batch *b, const char *point, double value, bool optional);
/** Only when it reads otherwise now: settings that are right already are not written again. */
int control_add_changed(const struct sunspec *s, struct batch *b, const char *point, double value);
/** As it was found, where it may read otherwise by now; not what was never there (NAN) or does not fit. */
int control_add_back(const struct sunspec *s, struct batch *b, const char *point, double value);

/* storage.c */
extern const struct sunspec_way STORAGE_BY_704, STORAGE_BY_124;
bool storage_by_704(const struct sunspec *s);
bool storage_by_124(const struct sunspec *s);

/* curtail.c */
extern const struct sunspec_way CURTAIL_BY_704, CURTAIL_BY_123;
bool curtail_by_704(const struct sunspec *s);
bool curtail_by_123(const struct sunspec *s);
/** What 100 % stands for, W; 0 when the device does not say. */
double curtail_reference_w(const struct sunspec *s);
/** The bound an order comes to, as a power of at most 0. */
double curtail_bound_w(const struct sunspec *s, const struct order *o);
/** After a read of the control model: remembers what holds while nothing of ours does. */
void curtail_watch(struct sunspec *s);
/** As in struct driver. */
int curtail_keep(const struct sunspec *s, double kept[DRIVER_KEPT_MAX]);
void curtail_remember(struct sunspec *s, const double *kept, int n);

/* reserve.c */
/** What the profile says of the reserve register; 0 or -EINVAL with the reason. */
int reserve_init(struct reserve *r, const cJSON *profile, bool allow_unverified, struct errbuf *err);
void reserve_aim(struct reserve *r, double pct);
/** The write that is due, if any; how many. */
int reserve_plan(struct sunspec *s, int64_t now_ms, struct batch *batch);
void reserve_written(struct reserve *r, enum request_status status, int64_t now_ms);
/** After a read: did it take what was written? */
void reserve_check(struct sunspec *s);
/** There is such a register, it takes what is written, and nobody charges from the grid because of it. */
bool reserve_mirrors(const struct sunspec *s);
/** Its writes, as in struct driver: what is recalled counts as if this life had done it. */
int reserve_worn(const struct reserve *r, int64_t at_ms[RESERVE_WRITES_MAX]);
void reserve_recall(struct reserve *r, const int64_t *at_ms, int n);

#endif
