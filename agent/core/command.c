/* See command.h. */
#include "core/command.h"

static const char *const MODE[] = { "CHARGE", "DISCHARGE", "STANDBY", "BACKUP", "SELF_CONSUMPTION", "SAVINGS" };
static const char *const POWER[] = { "null", "SETPOINT", "FOLLOW_LOAD" };

const char *battery_mode_word(enum battery_mode m)
{
	return MODE[m];
}

const char *power_mode_word(enum power_mode m)
{
	return POWER[m];
}
