/* Rank 7: store own surplus, cover own load. The balance at 0 W that is left when nobody wants anything else. */
#include "policies/policies.h"
#include "policies/view.h"

static void self_use_init(void *memory)
{
	(void)memory;
}

static void self_use_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	(void)memory;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct order order = order_balance(0, -view_discharge_max(d), view_charge_max(d));

		if (!view_battery(d) || !view_steerable(d))
			continue;
		wish_order(out, i, order, 0, REASON_SELF_USE, "self-use: own sun is stored, own load covered");
	}
}

const struct policy POLICY_SELF_USE = { "self_use", RANK_SELF_USE, 0, self_use_init, self_use_step };
