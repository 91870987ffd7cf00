/* The first seconds of a life: until the meter and every device that answers have been read once, nobody is told anything, and all
 * go on as they are. Before that a car that charges is taken for the house's load, batteries answer it, and when it is then
 * cut they export; or a fresh sample of the meter meets a reading of before, and there seems to be room. */
#include "policies/work.h"

#define START_MS 5000 /* who is not read by then is not waited for */

static bool absent(const struct snap_device *d)
{
	const struct value *f = d->state.f;

	return d->state.ac_power_w.q == Q_ABSENT && f[F_BATTERY_POWER_AC_W].q == Q_ABSENT && f[F_CHARGER_POWER_W].q == Q_ABSENT;
}

/* Chargers are read one value at a time: the rating may come after the power. */
static bool unread(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];

	if (d->state.availability == AVAIL_UNKNOWN)
		return d->roles & (ROLE_GRID | ROLE_BATTERY | ROLE_CHARGER | ROLE_PV);
	if (d->state.availability != AVAIL_ONLINE || !view_steerable(d))
		return false;
	return absent(d) || (view_charger(d) && view_charge_max(d) <= 0);
}

bool start_waits(struct work *w)
{
	struct chain_start *start = &w->c->start;
	const struct snapshot *s = w->s;

	if (start->begun_ms == 0)
		start->begun_ms = s->now_ms;
	if (start->over || !view_may_order(s))
		return false;
	start->over = s->now_ms - start->begun_ms >= START_MS;
	for (int i = 0; i < w->n && !start->over; i++)
		if (unread(s, i))
			return true;
	start->over = true;
	return false;
}
