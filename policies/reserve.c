/* Rank 3: no discharge at or below the effective floor, by any command or plan, nor by the house. Once reached, it
 * takes two points more before discharging resumes. */
#include "policies/floor.h"
#include "policies/policy.h"
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

struct reserve_memory {
	int64_t step_ms;                    /* 0 = never */
	int64_t reading_ms[DEVICE_MAX];     /* the SoC reading `drained_pct` counts from */
	double drained_pct[DEVICE_MAX];
	bool at_floor[DEVICE_MAX];
};

/* The SoC less what has been discharged since it was read. Summed up here: the present power alone would forget a discharge
 * that has just ended, and let it start again on the same old reading. */
static bool soc_low(struct reserve_memory *m, const struct snapshot *s, int i, double *soc_pct)
{
	const struct value *v = &s->dev[i].state.f[F_BATTERY_SOC_PCT];
	double soc;

	if (!view_soc(s, i, &soc) || !view_soc_low(s, i, soc_pct))
		return false;
	if (m->reading_ms[i] != v->at_ms)
		m->drained_pct[i] = 0;
	else if (m->step_ms > 0)
		m->drained_pct[i] += view_drain_pct_h(s, i) * (double)(s->now_ms - m->step_ms) / 3.6e6;
	m->reading_ms[i] = v->at_ms;
	*soc_pct = double_min(*soc_pct, soc - m->drained_pct[i]);
	return true;
}

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

		if (!view_battery(&s->dev[i]) || !soc_low(m, s, i, &soc))
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
	m->step_ms = s->now_ms;
}

const struct policy POLICY_RESERVE = { "reserve", RANK_RESERVE, sizeof(struct reserve_memory), reserve_init, reserve_step };
