/* Rank 5: the owner's own word with an end time (checked by the tick: what stands in the snapshot is in force). Charging
 * from the grid is allowed here; `auto` sets the plan aside and leaves plain self-use. */
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

static double wanted_w(const struct override_view *o, double rating_w)
{
	return isfinite(o->power_w) ? double_clamp(o->power_w, 0, rating_w) : rating_w;
}

/* A charger knows no discharge, and its `auto` is whatever its EV mode says. */
static bool override_order(const struct snap_device *d, struct order *order)
{
	switch (d->override.mode) {
	case OVERRIDE_NONE:
		return false;
	case OVERRIDE_AUTO:
		*order = order_balance(0, -view_discharge_max(d), view_charge_max(d));
		return view_battery(d);
	case OVERRIDE_HOLD:
		*order = order_power(0);
		return true;
	case OVERRIDE_CHARGE:
		*order = order_power(wanted_w(&d->override, view_charge_max(d)));
		return true;
	case OVERRIDE_DISCHARGE:
		*order = order_power(-wanted_w(&d->override, view_discharge_max(d)));
		return view_battery(d);
	}
	return false;
}

static void override_init(void *memory)
{
	(void)memory;
}

static void override_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	static const char *const WORDS[] = { "none", "auto", "hold", "charge", "discharge" };
	char end[16];

	(void)memory;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct order order;

		if (view_steerable(d) && override_order(d, &order))
			wish_order(out, i, order, d->override.until_utc_ms, REASON_OWNER, "the owner's %s %.0f W until %s", WORDS[d->override.mode],
				   order.kind == ORDER_POWER ? order.w : 0.0, view_time(d->override.until_utc_ms, end));
	}
}

const struct policy POLICY_OVERRIDE = { "override", RANK_OVERRIDE, 0, override_init, override_step };
