/* See harmless.h. */
#include "policies/harmless.h"

#include <math.h>

bool harmless_hold(const struct snapshot *s, int i, double *soc_pct)
{
	const struct snap_device *d = &s->dev[i];

	return view_battery(d) && d->state.availability == AVAIL_ONLINE && (d->state.caps.can_power || d->state.caps.can_hold) &&
	       !view_faulty(d) && view_soc(s, i, soc_pct);
}

static double limit_w(double w)
{
	return w > 0 ? w : INFINITY;
}

/* From outside 0 W means it. */
static double outside_w(double w)
{
	return isnan(w) ? INFINITY : w;
}

double harmless_import_w(const struct snapshot *s)
{
	return double_min(double_min(limit_w(s->site.import_limit_w), outside_w(s->external.import_w)), limit_w(s->external.demand_w));
}

double harmless_export_w(const struct snapshot *s)
{
	return double_min(limit_w(s->site.export_limit_w), outside_w(s->external.export_w));
}

bool harmless_hold_any(const struct snapshot *s)
{
	double soc;

	for (int i = 0; i < s->n_devices; i++)
		if (harmless_hold(s, i, &soc))
			return true;
	return false;
}

bool harmless_no_word(const struct snapshot *s)
{
	double soc;

	for (int i = 0; i < s->n_devices; i++)
		if (harmless_hold(s, i, &soc) && (view_command(s, &s->dev[i]) || s->dev[i].override.mode >= OVERRIDE_CHARGE))
			return false;
	return true;
}

struct harmless_excess harmless_excess(const struct snapshot *s, bool stopped)
{
	double grid_w, power_w, soc, w, fuse_w, in_w = 0, out_w = 0, part_in_w = 0, part_out_w = 0; /* part: on one phase, whichever */
	struct harmless_excess x = { INFINITY, INFINITY };

	if (!view_grid(s, &grid_w))
		return x;
	for (int i = 0; stopped && i < s->n_devices; i++) {
		if (!harmless_hold(s, i, &soc))
			continue;
		if (!view_power(s, i, &power_w, NULL)) {
			in_w = out_w = part_in_w = part_out_w = INFINITY;
			continue;
		}
		in_w += power_w;
		out_w -= power_w;
		part_in_w += power_w / view_phases(&s->dev[i]);
		part_out_w -= power_w / view_phases(&s->dev[i]);
	}
	x.import_w = fmax(0, double_max(0, out_w) + grid_w - harmless_import_w(s));
	x.export_w = fmax(0, double_max(0, in_w) - grid_w - harmless_export_w(s));
	for (int p = 0; p < 3 && s->site.fuse_a > 0; p++) {
		w = view_phase(s, p, &power_w) ? power_w : grid_w;
		fuse_w = s->site.fuse_a * view_phase_v(s, p);
		x.import_w = double_max(x.import_w, double_max(0, part_out_w) + w - fuse_w);
		x.export_w = double_max(x.export_w, double_max(0, part_in_w) - w - fuse_w);
	}
	return x;
}
