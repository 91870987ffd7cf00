/* The SunSpec driver's memory and the seams between its files: sunspec.c (rhythm), measure.c (models -> state),
 * storage.c (orders -> 704 or 124). */
#ifndef HEARTH_DRIVERS_SUNSPEC_H
#define HEARTH_DRIVERS_SUNSPEC_H

#include "drivers/driver.h"
#include "drivers/points.h"
#include "drivers/setpoint.h"
#include "drivers/sunspec/discovery.h"
#include "drivers/sunspec/model.h"

#define SUNSPEC_REVERT_S 60 /* our reversion time; feeding it at half */
#define SUNSPEC_SETTLE_MS 1000
#define SUNSPEC_REDISCOVER_MS 60000 /* after a failed search, or a device silent for this long */

/* One image for each part a model can play. */
enum sunspec_slot {
	SLOT_COMMON,      /* 1 */
	SLOT_INVERTER,    /* 701, else 10x, 11x */
	SLOT_NAMEPLATE,   /* 120 */
	SLOT_STATUS,      /* 122 */
	SLOT_STORAGE,     /* 124 */
	SLOT_MPPT,        /* 160 */
	SLOT_METER,       /* 20x, 21x */
	SLOT_CAPACITY,    /* 702 */
	SLOT_CONTROL,     /* 704 */
	SLOT_DER_STORAGE, /* 713 */
	SLOT_BATTERY,     /* 802 */
	SLOT_COUNT
};

enum sunspec_control { CONTROL_NO_WAY, CONTROL_704, CONTROL_124 };

/* What the control registers say: the band of battery power in force. lo = hi is a power order. */
struct inforce {
	bool known, active;
	double lo_w, hi_w; /* NAN: active, but in a way we do not read (percent mode) */
};

enum sunspec_flight { FLIGHT_NONE, FLIGHT_DISCOVERY, FLIGHT_READ, FLIGHT_PREPARE, FLIGHT_WRITE };

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
	int64_t touched_ms;    /* the last write that may have reached the device, answered or not */
	int64_t prepare_at_ms; /* when the reversion time may be set while nothing is commanded */
	bool grid_charge_set;  /* we switched ChaGriSet on; release puts it back */
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

/* storage.c */
enum sunspec_control storage_control(const struct sunspec *s);
/** The writes for sp->order; returns how many, 0 when nothing has to be written, negative when it cannot be. */
int storage_writes(struct sunspec *s, struct batch *batch);
struct inforce storage_inforce(const struct sunspec *s);
enum seen storage_seen(const struct sunspec *s, const struct inforce *now);
/** The smallest step of the setpoint, W; 0 when unknown. */
double storage_step_w(const struct sunspec *s);
/** True when the control model has a reversion time at all. */
bool storage_has_timer(const struct sunspec *s);
/** The one write that sets the reversion time while no setpoint is in force; 0 when there is nothing to set. It commands
 *  nothing, but lets us read back that the timer takes our time before anything hangs on it. */
int storage_prepare(struct sunspec *s, struct batch *batch);
/** After a read of the control model: does the reversion timer do what we asked? */
void storage_check_timer(struct sunspec *s);

#endif
