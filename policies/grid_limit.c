/* Rank 2: bounds of the metering points. Operational limits only: what law requires is set in the inverter and the fuse.
 * How devices share the room is the chain's matter (share.c). */
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>

#define ALL_PHASES 7u

struct grid_limit_memory {
	uint32_t phases; /* the meter has shown these, bits */
};

static void bound_import(struct wishes *out, double w, enum reason code, const char *what, const char *until)
{
	wish_limit_point(out, POINT_SITE, -INFINITY, w, code, "%s %.0f W%s", what, w, until);
}

static void bound_export(struct wishes *out, double w, enum reason code, const char *what, const char *until)
{
	wish_limit_point(out, POINT_SITE, -w, INFINITY, code, "%s %.0f W%s", what, w, until);
}

/* The owner's; 0 = none. */
static void own_limit(const struct snapshot *s, struct wishes *out)
{
	if (s->site.import_limit_w > 0)
		bound_import(out, s->site.import_limit_w, REASON_IMPORT_LIMIT, "import limit", "");
	if (s->site.export_limit_w > 0)
		bound_export(out, s->site.export_limit_w, REASON_EXPORT_LIMIT, "export limit", "");
}

/* From outside: 0 W means it, and below 0 nothing can be meant. Several limits of one side stand beside each other; all hold. */
static void outside_limit(const struct snapshot *s, struct wishes *out)
{
	const struct external_limit *e = &s->external;
	const bool import_failsafe = e->failsafe && !e->import_heard, export_failsafe = e->failsafe && !e->export_heard;
	char until[SENTENCE_UNTIL_MAX];

	if (!isnan(e->import_w))
		bound_import(out, double_max(0, e->import_w), import_failsafe ? REASON_LIMIT_FAILSAFE : REASON_OUTSIDE_IMPORT,
			     import_failsafe ? "failsafe, nobody outside is heard: import limit" : "import limit from outside",
			     sentence_until(s, e->import_until_utc_ms, until));
	if (!isnan(e->export_w))
		bound_export(out, double_max(0, e->export_w), export_failsafe ? REASON_LIMIT_FAILSAFE : REASON_OUTSIDE_EXPORT,
			     export_failsafe ? "failsafe, nobody outside is heard: export limit" : "export limit from outside",
			     sentence_until(s, e->export_until_utc_ms, until));
}

/* What keeps the average of the running interval at the month's target. */
static void demand_limit(const struct snapshot *s, struct wishes *out)
{
	char until[SENTENCE_UNTIL_MAX];

	if (s->external.demand_w > 0)
		bound_import(out, s->external.demand_w, REASON_DEMAND, "the month's peak: import",
			     sentence_until(s, s->external.demand_until_utc_ms, until));
}

static void fuse_limit(struct grid_limit_memory *m, const struct snapshot *s, struct wishes *out)
{
	uint32_t read = 0;
	bool three;
	double w;

	if (!(s->site.fuse_a > 0))
		return;
	for (int p = 0; p < 3; p++) {
		if (!view_phase(s, p, &w))
			continue;
		read |= 1u << p;
		w = s->site.fuse_a * view_phase_v(s, p);
		wish_limit_point(out, (enum point)(POINT_L1 + p), -w, w, REASON_FUSE, "fuse %.0f A on L%d", s->site.fuse_a, p + 1);
	}
	m->phases |= read;
	if (read == ALL_PHASES || s->grid_device < 0)
		return;
	three = m->phases == ALL_PHASES || s->dev[s->grid_device].phases == 3;
	if (read && !three)
		return; /* there are no more */
	/* Of phases the meter does not show only the sum can be kept; that a three-phase house is balanced is a hope. */
	w = s->site.fuse_a * NOMINAL_V * (three ? 3 : 1);
	wish_limit_point(out, POINT_SITE, -w, w, REASON_FUSE, "fuse %.0f A", s->site.fuse_a);
}

static void grid_limit_init(void *memory)
{
	(void)memory;
}

static void grid_limit_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	own_limit(s, out);
	outside_limit(s, out);
	demand_limit(s, out);
	fuse_limit(memory, s, out);
}

const struct policy POLICY_GRID_LIMIT = { "grid_limit", RANK_LIMIT, sizeof(struct grid_limit_memory), grid_limit_init, grid_limit_step };
