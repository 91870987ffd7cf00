/* Everything the policies may know at one instant, frozen by the tick and copied by value.
 * Same snapshot + same memory = same decision: a day is a loop over snapshots, a bug report is a file. */
#ifndef HEARTH_CORE_SNAPSHOT_H
#define HEARTH_CORE_SNAPSHOT_H

#include "core/command.h"
#include "core/decision.h"
#include "core/device.h"

#include <stdbool.h>
#include <stdint.h>

/* Bits: the part a device plays at this site (config `roles`, else what its profile offers). */
enum role {
	ROLE_BATTERY = 1 << 0,
	ROLE_PV = 1 << 1,
	ROLE_GRID = 1 << 2,    /* exactly one device per site */
	ROLE_LOAD = 1 << 3,
	ROLE_CHARGER = 1 << 4,
};

enum override_mode { OVERRIDE_NONE = 0, OVERRIDE_AUTO, OVERRIDE_HOLD, OVERRIDE_CHARGE, OVERRIDE_DISCHARGE };
enum ev_mode { EV_UNSET = 0, EV_OFF, EV_SOLAR, EV_CHEAP, EV_NOW };

struct override_view {
	enum override_mode mode;
	double power_w;          /* positive magnitude; NAN = the device's maximum */
	int64_t until_utc_ms;    /* already checked by the tick: the override is in force now */
};

/* The planner's guidance for this instant and one device: prices now, and the marginal value of stored
 * energy (cost-to-go slopes) as a step function of the energy held. */
#define GUIDE_SEGMENTS_MAX 40
struct plan_guide {
	bool valid;
	double planned_w;              /* the schedule's power in this slot, W; for charger: the car's */
	double charge_eff, discharge_eff;
	double wear_per_kwh;           /* per kWh discharged at the AC side */
	int n_segments;                /* energy from 0 upward; segment i reaches from upto[i-1] to upto[i] */
	float upto_wh[GUIDE_SEGMENTS_MAX];
	float value_per_kwh[GUIDE_SEGMENTS_MAX]; /* value of one more kWh stored within segment i, falling with i */
	int64_t until_utc_ms;          /* end of the slot */
};

#define EV_HABIT_TEXT_MAX 96

struct snap_device {
	char id[DEVICE_ID_MAX];
	uint32_t roles;                /* bits of enum role */
	struct device_state state;     /* as fed by the driver, already aged */

	/* limits the configuration sets; NAN = not set, take the device's own */
	double capacity_wh, charge_max_w, discharge_max_w, soc_min_pct, soc_max_pct;
	double failsafe_a;             /* chargers */
	int phases;                    /* 1 or 3, from configuration; 0 = what the device says */
	int phase;                     /* 1..3: the house phase a single-phase device sits on; 0 = not known, counts on each */
	int priority;                  /* larger is served first, within a rank */
	bool allow_unguarded;
	bool mirror_reserve;           /* config: the floor is written into the device too */
	bool leaving;                  /* it is released because a reload takes it away or starts it anew */

	struct command_view command;
	struct override_view override;
	enum ev_mode ev_mode;
	double ev_energy_wh;           /* energy still wanted by ready_by, NAN = not said */
	int64_t ev_ready_by_utc_ms;
	char ev_habit[EV_HABIT_TEXT_MAX]; /* both are a guess from past sessions: in words; "" = the owner's */
	struct plan_guide guide;

	struct order ordered;          /* what the last decision told the driver */
	int64_t ordered_at_ms;         /* when that order last changed */
	double applied_w;              /* what a later read shows in force, NAN = not known */
};

/* Who is served first when several cars want more than there is; equals share equally. */
enum car_share { CAR_SHARE_PRIORITY = 0, CAR_SHARE_EQUAL, CAR_SHARE_DEPARTURE };

struct site_params {
	double import_limit_w, export_limit_w; /* 0 = none */
	double fuse_a;                         /* per phase, 0 = none */
	double reserve_pct;                    /* the user's floor in force */
	double demand_target_w;                /* monthly peak to stay under, 0 = none */
	enum car_share car_share;              /* how several cars share what there is */
	bool grid_charging, battery_export, battery_to_ev, honour_user_floor, ev_in_follow_load, surplus_battery_first;
	int tick_ms;
};

/* Limits from outside, as core/limit_input says they are in force now. 0 W means 0 W. */
struct external_limit {
	double import_w, export_w;             /* NAN = none */
	bool failsafe;                         /* nobody is heard: these are the failsafe limits */
	bool import_heard, export_heard;       /* though not this side's: failsafe is the other's */
	int64_t until_utc_ms;                  /* when the first side ends; 0 = no known end */
	int64_t import_until_utc_ms, export_until_utc_ms;
	double demand_w;                       /* import that keeps the month's peak (core/demand); 0 = none */
	int64_t demand_until_utc_ms;           /* end of the running demand interval */
};

/* The site's own time around now: UTC and offset_s, from change_utc_ms on (0 = no change is known) UTC and after_s. */
struct local_time {
	int32_t offset_s, after_s;
	int64_t change_utc_ms;
};

struct snapshot {
	int64_t now_ms;                /* monotonic, ms */
	int64_t utc_ms;                /* wall clock, ms; use only when clock_trusted */
	struct local_time local;       /* for sentences; schedules are UTC */
	bool clock_trusted;
	bool paused;                   /* service: release everything */
	int64_t pause_until_utc_ms;
	bool stopping;                 /* the agent is going down: release everything */

	struct site_params site;
	struct external_limit external;

	/* the grid point */
	int grid_device;               /* index of the device with ROLE_GRID, -1 = none */
	struct value grid_w;           /* import positive */
	struct value phase_w[3];       /* per phase, absent when not measured */
	struct value phase_a[3];
	uint32_t grid_sample;          /* counts new meter readings: closed loops step when it changes */
	bool grid_lost;                /* the public grid is away (island) */
	int64_t grid_back_ms;          /* monotonic time the grid came back; 0 = never away */

	double import_price, export_price; /* now, per kWh; NAN = unknown */
	int64_t price_until_utc_ms;

	int n_devices;
	struct snap_device dev[DEVICE_MAX];
};

#endif
