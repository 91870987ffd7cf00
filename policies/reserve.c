/* Rank 3: no discharge at or below the effective floor, by any command or plan, nor by the house. Once reached, it
 * takes two points more before discharging resumes. */
#include "policies/floor.h"
#include "policies/policy.h"
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

struct reserve_memory {
	bool at_floor[DEVICE_MAX];
};

static void reserve_init(void *memory)
{
	(void)memory;
}

static void reserve_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct reserve_memory *m = memory;

	for (int i = 0; i < s->n_devices; i++) {
		struct floor_view f;
		double soc;

		if (!view_battery(&s->dev[i]) || !view_soc_low(s, i, &soc))
			continue; /* without a SoC the guard holds the device */
		f = floor_effective(s, &s->dev[i]);
		if (soc <= f.pct)
			m->at_floor[i] = true;
		else if (soc >= f.pct + FLOOR_RESUME_PCT)
			m->at_floor[i] = false;
		if (!m->at_floor[i])
			continue;
		if (soc <= f.pct)
			wish_limit_device(out, i, 0, INFINITY, "SoC %.1f %% is at the floor %.0f %% (%s)", soc, f.pct, f.source);
		else
			wish_limit_device(out, i, 0, INFINITY, "SoC %.1f %% was at the floor %.0f %% (%s), resumes at %.0f %%", soc,
					  f.pct, f.source, f.pct + FLOOR_RESUME_PCT);
	}
}

const struct policy POLICY_RESERVE = { "reserve", RANK_RESERVE, sizeof(struct reserve_memory), reserve_init, reserve_step };
