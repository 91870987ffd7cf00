/* Rank 2: bounds of the metering points. Operational limits only: what law requires is set in the inverter and the fuse.
 * How devices share the room is the chain's matter (share.c). */
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

/* 0 = none; a limit from outside may be 0 and then means it. */
static double bound(double configured_w, double external_w)
{
	double w = configured_w > 0 ? configured_w : INFINITY;

	if (!isnan(external_w))
		w = double_min(w, double_max(0, external_w));
	return w;
}

static void site_limit(const struct snapshot *s, struct wishes *out)
{
	double import_w = bound(s->site.import_limit_w, s->external.import_w);
	double export_w = bound(s->site.export_limit_w, s->external.export_w);

	if (isfinite(import_w))
		wish_limit_point(out, POINT_SITE, -INFINITY, import_w, REASON_IMPORT_LIMIT, "import limit %.0f W%s", import_w,
				 s->external.import_w <= import_w ? " (from outside)" : "");
	if (isfinite(export_w))
		wish_limit_point(out, POINT_SITE, -export_w, INFINITY, REASON_EXPORT_LIMIT, "export limit %.0f W%s", export_w,
				 s->external.export_w <= export_w ? " (from outside)" : "");
}

static void fuse_limit(const struct snapshot *s, struct wishes *out)
{
	bool measured = false;
	double w;

	if (!(s->site.fuse_a > 0))
		return;
	for (int p = 0; p < 3; p++) {
		if (!view_phase(s, p, &w))
			continue;
		measured = true;
		w = s->site.fuse_a * view_phase_v(s, p);
		wish_limit_point(out, (enum point)(POINT_L1 + p), -w, w, REASON_FUSE, "fuse %.0f A on L%d", s->site.fuse_a, p + 1);
	}
	if (measured || s->grid_device < 0)
		return;
	/* Without phases at the meter only the sum can be kept; that a three-phase house is balanced is a hope. */
	w = s->site.fuse_a * NOMINAL_V * (s->dev[s->grid_device].phases == 3 ? 3 : 1);
	wish_limit_point(out, POINT_SITE, -w, w, REASON_FUSE, "fuse %.0f A", s->site.fuse_a);
}

static void grid_limit_init(void *memory)
{
	(void)memory;
}

static void grid_limit_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	(void)memory;
	site_limit(s, out);
	fuse_limit(s, out);
}

const struct policy POLICY_GRID_LIMIT = { "grid_limit", RANK_LIMIT, 0, grid_limit_init, grid_limit_step };
