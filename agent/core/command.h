/* A Flip battery command as control sees it: the words of Flip's API as enums, and the resolved view the
 * policies get. Decoding and the lifecycle live in agent/cloud. */
#ifndef HEARTH_CORE_COMMAND_H
#define HEARTH_CORE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#define FLIP_ID_MAX 64 /* UUID text; longer ids are refused */

enum battery_mode { MODE_CHARGE, MODE_DISCHARGE, MODE_STANDBY, MODE_BACKUP, MODE_SELF_CONSUMPTION, MODE_SAVINGS };
enum power_mode { POWER_MAX, POWER_SETPOINT, POWER_FOLLOW_LOAD }; /* POWER_MAX: null without a setpoint */
enum tristate { TRI_UNSET = -1, TRI_NO = 0, TRI_YES = 1 };

/* The command in force for one device at this instant; active is false when there is none. */
struct command_view {
	bool active;
	char id[FLIP_ID_MAX];
	char event_id[FLIP_ID_MAX];      /* "" when null */
	enum battery_mode mode;
	enum power_mode power_mode;
	double setpoint_w;               /* positive magnitude, with POWER_SETPOINT */
	enum tristate grid_import;       /* TRI_UNSET: the site's own rule */
	double owner_event_pct;          /* reserve the owner set here after the command's updated_at; NAN = none */
	double command_pct;              /* command's backup_reserve_percentage; NAN = null */
	double event_pct;                /* event reserve held locally (older than the command); NAN = none */
	double program_min_pct;          /* NAN = unknown */
	int64_t starts_utc_ms, ends_utc_ms; /* ends 0 = until replaced */
};

/** Flip's own words ("DISCHARGE", "FOLLOW_LOAD"); POWER_MAX is "null". */
const char *battery_mode_word(enum battery_mode m);
const char *power_mode_word(enum power_mode m);

#endif
