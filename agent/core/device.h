/* What is known of one device: values, abilities, identity and what became of the last order.
 * Written by drivers (feed), read by everything else. Plain memory, copied by value. */
#ifndef HEARTH_CORE_DEVICE_H
#define HEARTH_CORE_DEVICE_H

#include "core/field.h"
#include "core/value.h"

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_MAX 32     /* devices of one site */
#define DEVICE_ID_MAX 33  /* [a-z0-9-]{1,32} and NUL */

enum availability {
	AVAIL_UNKNOWN = 0, /* never answered yet */
	AVAIL_ONLINE,
	AVAIL_OFFLINE,     /* answered once, silent now */
	AVAIL_FAULT,       /* answers, but cannot be driven: wrong device, missing model */
};

/* Who brings the device to a safe state when this process is dead. */
enum guarded_by {
	GUARDED_NONE = 0,   /* nobody: no grid charge and no forced discharge unless allow_unguarded */
	GUARDED_DEVICE,     /* the device's own timer, verified by reading it back, at most 60 s */
	GUARDED_SAFE_STATE, /* whatever we command is safe for ever (meters, own SoC cut-off set first) */
};

/* What a later read said about the last write. */
enum verdict {
	VERDICT_NONE = 0,
	VERDICT_PENDING,  /* written, not read back yet */
	VERDICT_APPLIED,
	VERDICT_CLAMPED,  /* the device took less */
	VERDICT_REFUSED,  /* exception, or the bus gave up */
	VERDICT_IGNORED,  /* acknowledged, but reads back as before */
	VERDICT_FOREIGN,  /* somebody else changed it */
};

/* What the device can do, as far as known now; all magnitudes are positive. */
struct device_caps {
	double charge_max_w;      /* 0 = cannot (or not known) */
	double discharge_max_w;
	double min_w;             /* smallest non-zero power it can hold, e.g. 6 A x phases x V of a charger */
	double step_w;            /* 0 = continuous */
	bool can_power;           /* takes power(w) orders */
	bool native_balance;      /* balances its own grid meter at 0 W within limits, without our loop */
	bool can_hold;            /* can be kept at 0 W */
	int32_t settle_ms;        /* from write to effect at the meter */
	enum guarded_by guarded_by;
	int32_t guard_timeout_s;  /* of GUARDED_DEVICE */
	bool stored_registers;    /* control writes wear the device's flash */
	bool can_curtail;         /* PV: takes power(w <= 0) as the most it may produce */
	bool switches_phases;     /* charger: takes order.phases, and its profile says that this is safe while a car is plugged in */
	int32_t phase_dwell_s;    /* least time between two switches; 0 = not said */
	bool mirrors_reserve;     /* takes order.reserve_pct; verified by reading, and does not charge from the grid to reach it */
};

struct device_identity {
	char manufacturer[33], model[33], version[17], serial[33];
};

struct device_state {
	uint32_t kinds;                /* bits of enum kind */
	enum availability availability;
	struct value f[F_COUNT];
	struct value ac_power_w;       /* the device's one place in the balance: its AC port */
	struct device_caps caps;
	struct device_identity identity;
	enum verdict verdict;
	double verdict_w;              /* what the read-back says is in force, W, of VERDICT_CLAMPED / FOREIGN / APPLIED */
	bool released;                 /* read back: under its own control */
	int32_t period_ms;             /* from one read to the next where no order comes between; 0 = not said */
	char note[96];                 /* one line for people: "waiting for model 124", "" when all is well */
};

/** Words for MQTT and the command line. */
const char *availability_word(enum availability a);
const char *verdict_word(enum verdict v);
const char *guarded_by_word(enum guarded_by g);
const char *quality_word(enum quality q);

#endif
