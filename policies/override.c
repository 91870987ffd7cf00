/* Rank 5: the owner's own word with an end time (checked by the tick: what stands in the snapshot is in force). Charging
 * from the grid is allowed here; `auto` sets the plan aside and leaves plain self-use. */
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>
#include <stdio.h>

static double wanted_w(const struct override_view *o, double rating_w)
{
	return isfinite(o->power_w) ? double_clamp(o->power_w, 0, rating_w) : rating_w;
}

/* A charger knows no discharge, and its `auto` is whatever its EV mode says. */
static bool override_order(const struct snap_device *d, struct order *order)
{
	enum override_mode mode = d->override.mode;

	if (mode == OVERRIDE_AUTO)
		*order = order_balance(0, -view_discharge_max(d), view_charge_max(d));
	else if (mode == OVERRIDE_CHARGE)
		*order = order_power(wanted_w(&d->override, view_charge_max(d)));
	else if (mode == OVERRIDE_DISCHARGE)
		*order = order_power(-wanted_w(&d->override, view_discharge_max(d)));
	else
		*order = order_power(0);
	return mode != OVERRIDE_NONE && (view_battery(d) || mode == OVERRIDE_HOLD || mode == OVERRIDE_CHARGE);
}

static void override_init(void *memory)
{
	(void)memory;
}

static void override_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	static const char *const WORDS[] = { "none", "auto", "hold", "charge", "discharge" };
	char end[SENTENCE_UNTIL_MAX];

	(void)memory;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct order order;
		char power[24] = "";

		if (!view_steerable(d) || view_pv(d) || !override_order(d, &order))
			continue;
		if (order.w != 0)
			snprintf(power, sizeof(power), " of %.0f W", fabs(order.w));
		wish_order(out, i, order, d->override.until_utc_ms, REASON_OWNER, "the owner's %s%s%s", WORDS[d->override.mode], power,
			   sentence_until(s, d->override.until_utc_ms, end));
	}
}

const struct policy POLICY_OVERRIDE = { "override", RANK_OVERRIDE, 0, override_init, override_step };
