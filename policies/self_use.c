/* Rank 7: store own surplus, cover own load. The balance at 0 W that is left when nobody wants anything else. */
#include "policies/policies.h"
#include "policies/view.h"

static void self_use_init(void *memory)
{
	(void)memory;
}

static void self_use_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	double grid_w;

	(void)memory;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct order order = order_balance(0, -view_discharge_max(d), view_charge_max(d));

		if (!view_battery(d) || !view_steerable(d))
			continue;
		if (view_grid(s, &grid_w))
			wish_order(out, i, order, 0, REASON_SELF_USE, "self-use: grid at %.0f W, held at 0 W", grid_w);
		else
			wish_order(out, i, order, 0, REASON_SELF_USE, "self-use");
	}
}

const struct policy POLICY_SELF_USE = { "self_use", RANK_SELF_USE, 0, self_use_init, self_use_step };
