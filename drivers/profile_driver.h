/* The profile driver's memory and the seams between its files: profile.c (rhythm), profile_values.c (points -> state),
 * profile_charger.c (orders -> commands of a charger), profile_phases.c (one phase or three). */
#ifndef HEARTH_DRIVERS_PROFILE_DRIVER_H
#define HEARTH_DRIVERS_PROFILE_DRIVER_H

#include "drivers/driver.h"
#include "drivers/points.h"
#include "drivers/profile.h"
#include "drivers/setpoint.h"

#define READS_MAX 96
#define CHARGER_MIN_A 6.0
#define CHARGER_VOLT 230.0
#define CHARGER_SETTLE_MS 2000
#define CHARGER_TIMER_S 60 /* what we set where the charger has no timer running */

/* One class of polls: which points, which reads cover them, which of these are due. */
struct read_set {
	struct cadence cadence;
	int n_points, n;
	struct plan_point points[PROFILE_POINTS_MAX];
	struct plan_read read[READS_MAX];
	bool want[READS_MAX];
};

/* The last word on one point. */
struct reading {
	bool seen, known; /* answered at least once; had a number */
	double raw;       /* before sign, mask and map: scaled, or the bits of a bit field */
	int64_t at_ms;
};

enum profile_flight { PROFILE_IDLE, PROFILE_READ, PROFILE_WRITE, PROFILE_KEEPALIVE, PROFILE_PHASES };

/* Changing phases: 0 A, wait, move the contactor, wait and see, go on. */
enum phase_step { PHASES_REST = 0, PHASES_TAKING, PHASES_STOPPING, PHASES_MOVING, PHASES_PROVING };

struct phase_switch {
	enum phase_step step;
	struct order wished;  /* the order behind the pause; ORDER_NONE = never aimed */
	int told;             /* by the device; 0 = unknown */
	int64_t told_ms;      /* of that reading */
	int carrying;         /* phases that carry current while charging; 0 = none, or not charging */
	double amps;          /* the largest measured; NAN = unknown */
	int64_t amps_ms;
	int target, tries;
	int64_t begun_ms, still_ms, moved_ms, read_ms; /* still: since when nothing flows; 0 = it does; moved: 0 = never looked */
	bool answered;        /* the write that moves the contactor was acknowledged */
	bool refused;         /* it does not switch: not asked again */
};

struct profile_driver {
	struct driver_options o;
	struct profile p;
	uint32_t kinds;
	bool used[PROFILE_POINTS_MAX], slow[PROFILE_POINTS_MAX], slow_field[F_COUNT];
	struct reading reading[PROFILE_POINTS_MAX];
	struct plan_memory memory;
	int64_t memory_since_ms;
	struct read_set fast, ratings;

	struct setpoint setpoint;
	double volt, phases, limit_a, max_a; /* of the charger, from the last readings; NAN = unknown */
	double before_a, target_a, sent_a;   /* limit before the write; what the write under way sets; what was set last */
	bool charging;
	struct phase_switch phase;
	int64_t confirm_of_ms;      /* the settling these confirming reads were asked for */
	int64_t quiet_until_ms;     /* this unit wants a longer gap than a bus may be held */
	int64_t keepalive_ms;       /* next feeding of the charger's timer */
	double timer_s, failsafe_a; /* read back; NAN = unknown */

	enum profile_flight flight;
	uint32_t batch_id;
	struct read_set *flight_set[BATCH_REQUESTS_MAX];
	int flight_read[BATCH_REQUESTS_MAX];
};

/* profile_values.c */
/** True when the condition holds now; false as long as its point has not been read. */
bool profile_when(const struct profile_driver *d, const struct profile_when *when);
/** Takes one answered read into the readings. */
void profile_take(struct profile_driver *d, const struct modbus_request *answer, int64_t at_ms);
/** The readings become values of the state. */
void profile_values(const struct profile_driver *d, struct device_state *state);

/* profile_charger.c */
/** Remembers what orders are made of: voltage, phases in use, limits. */
void charger_learn(struct profile_driver *d, const struct device_state *state);
/** Writes for the order; how many, 0 = not now (something must be read first), negative: it cannot be done. */
int charger_writes(struct profile_driver *d, struct batch *batch);
int charger_keepalive(const struct profile_driver *d, struct batch *batch);
/** How often the timer wants to be fed; 0 = there is none to feed. */
int32_t charger_keepalive_ms(const struct profile_driver *d);
enum seen charger_seen(const struct profile_driver *d);
double charger_watts(const struct profile_driver *d, double amps);
void charger_caps(const struct profile_driver *d, struct device_state *state);
/** True when this device has the command now: its condition holds, and a write marked C only when the owner allows it. */
bool charger_has(const struct profile_driver *d, const char *command);
/** Appends the writes of a command; every argument gets @value. 0 or negative. */
int charger_command(const struct profile_driver *d, const char *name, double value, struct batch *b);

/* profile_phases.c */
void phases_learn(struct profile_driver *d, const struct device_state *state, int64_t now_ms);
/** Takes the order; while the phases change, the charger is told 0 A instead. */
void phases_aim(struct profile_driver *d, const struct order *order, int64_t now_ms);
/** Moves on; how many writes are in @batch now. */
int phases_plan(struct profile_driver *d, int64_t now_ms, struct batch *batch);
void phases_written(struct profile_driver *d, enum request_status status, int64_t now_ms);
/** True when the phases shall be read now. */
bool phases_read_due(struct profile_driver *d, int64_t now_ms);
/** When phases_plan may next have something to do. */
int64_t phases_next(const struct profile_driver *d);
bool phases_can(const struct profile_driver *d);
/** One line for people, "" when there is nothing to say. */
const char *phases_note(const struct profile_driver *d);

#endif
