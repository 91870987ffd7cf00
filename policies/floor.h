/* The effective reserve floor of one battery at one instant, and who set it. */
#ifndef HEARTH_POLICIES_FLOOR_H
#define HEARTH_POLICIES_FLOOR_H

#include "core/snapshot.h"

#define FLOOR_RESUME_PCT 2.0 /* discharging resumes this much above the floor */

struct floor_view {
	double pct;
	const char *source; /* "user", "command", "owner_event", "event", "program", "hardware" */
};

/** Device's hardware minimum, %; 0 when nobody says. */
double floor_hardware_pct(const struct snap_device *d);

/** While @c is in force (NULL = none): the first of owner's event reserve, command, event, program, user; else the user's. Never
 *  below the hardware minimum. Source: design "Precedence", flip-api section 12. */
struct floor_view floor_in(const struct snapshot *s, const struct snap_device *d, const struct command_view *c);

/** Now. */
struct floor_view floor_effective(const struct snapshot *s, const struct snap_device *d);

#endif
