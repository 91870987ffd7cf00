/* What a trial of the meter must leave alone: words that are in force, and limits, as if the meter were right. See doubt.c. */
#ifndef HEARTH_POLICIES_HARMLESS_H
#define HEARTH_POLICIES_HARMLESS_H

#include "policies/view.h"

/** Is it a battery that can be held at a power? */
bool harmless_hold(const struct snapshot *s, int i, double *soc_pct);
bool harmless_hold_any(const struct snapshot *s);

/** Is nobody's command in force for a battery, and not the owner's word for a power? */
bool harmless_no_word(const struct snapshot *s);

/** The tightest limit of the site, W; INFINITY = none. */
double harmless_import_w(const struct snapshot *s);
double harmless_export_w(const struct snapshot *s);

struct harmless_excess {
	double import_w, export_w; /* at the site or on a phase, whichever is more */
};

/** How far limits are exceeded as if the meter were right; with @stopped, also once all batteries stand at 0 W. Who is not
 * measured may do anything. */
struct harmless_excess harmless_excess(const struct snapshot *s, bool stopped);

#endif
