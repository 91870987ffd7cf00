/* See site_load.h. */
#include "core/site_load.h"

#include <math.h>

#define JUMP_W 300.0
#define LATE_MS 1000   /* devices answer with a number that is up to so old */
#define TOLD_MS 10000  /* as any power */
#define STILL_W 100.0

/* A charger that was read at rest since it was told so cannot have begun; slow boxes are read every 30 s. */
static bool rests(const struct snap_device *d)
{
	return d->roles & ROLE_CHARGER && d->ordered.kind == ORDER_POWER && d->ordered.w <= 0 && d->state.ac_power_w.v < STILL_W &&
	       d->state.ac_power_w.at_ms > d->ordered_at_ms + LATE_MS;
}

/* Everybody whose power is in the sum was read since. */
static bool all_read(const struct snapshot *s, int64_t since_ms)
{
	for (int i = 0; i < s->n_devices; i++)
		if (s->dev[i].roles & (ROLE_BATTERY | ROLE_PV | ROLE_CHARGER) && !rests(&s->dev[i]) &&
		    s->dev[i].state.ac_power_w.at_ms < since_ms + LATE_MS)
			return false;
	return s->grid_w.at_ms >= since_ms + LATE_MS;
}

void site_load_step(struct site_load *l, const struct snapshot *s, const struct site_sums *sums)
{
	const double load_w = sums->load_w;
	const bool jumps = fabs(load_w - l->round_w) >= JUMP_W, old = s->now_ms - l->told.at_ms >= TOLD_MS;
	/* a house that never stands still is told as everybody was read for it, even so */
	const bool sure = jumps ? old && all_read(s, l->told.at_ms) : all_read(s, l->round_ms);

	if (isnan(load_w))
		return;
	if (sure)
		l->ref_w = load_w;
	if (sure || jumps) {
		l->round_w = load_w;
		l->round_ms = s->now_ms;
	}
	if (fabs(load_w - l->ref_w) < JUMP_W)
		value_set(&l->told, load_w, s->now_ms, Q_DERIVED);
}

void site_load_sums(const struct site_load *l, const struct snapshot *s, struct site_sums *out)
{
	site_sums(s, out);
	if (!isnan(out->load_w) && !value_get(&l->told, s->now_ms, TOLD_MS, &out->load_w))
		out->load_w = NAN;
}
