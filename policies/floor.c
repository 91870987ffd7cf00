/* See floor.h. */
#include "policies/floor.h"
#include "policies/view.h"

#include <math.h>

double floor_hardware_pct(const struct snap_device *d)
{
	return isfinite(d->soc_min_pct) ? double_clamp(d->soc_min_pct, 0, 100) : 0;
}

/* A reserve the owner sets for one event may not undercut what the program was promised. */
static double at_least(double pct, double program_pct)
{
	return isfinite(program_pct) && program_pct > pct ? program_pct : pct;
}

static struct floor_view contractual(const struct command_view *c, double user_pct)
{
	if (isfinite(c->owner_event_pct))
		return (struct floor_view){ at_least(c->owner_event_pct, c->program_min_pct), "owner_event" };
	if (isfinite(c->command_pct))
		return (struct floor_view){ c->command_pct, "command" };
	if (isfinite(c->event_pct))
		return (struct floor_view){ at_least(c->event_pct, c->program_min_pct), "event" };
	if (isfinite(c->program_min_pct))
		return (struct floor_view){ c->program_min_pct, "program" };
	return (struct floor_view){ user_pct, "user" };
}

struct floor_view floor_in(const struct snapshot *s, const struct snap_device *d, const struct command_view *c)
{
	double user_pct = isfinite(s->site.reserve_pct) ? s->site.reserve_pct : 100;
	double hardware_pct = floor_hardware_pct(d);
	struct floor_view f = { user_pct, "user" };

	if (c) {
		f = contractual(c, user_pct);
		if (s->site.honour_user_floor && user_pct > f.pct)
			f = (struct floor_view){ user_pct, "user" };
	}
	if (hardware_pct > f.pct)
		f = (struct floor_view){ hardware_pct, "hardware" };
	f.pct = double_clamp(f.pct, 0, 100);
	return f;
}

struct floor_view floor_effective(const struct snapshot *s, const struct snap_device *d)
{
	return floor_in(s, d, view_command(s, d) ? &d->command : NULL);
}
