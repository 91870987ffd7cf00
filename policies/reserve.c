/* Rank 3: no discharge at or below the effective floor, by any command or plan, nor by the house. Once reached, it
 * takes two points more before discharging resumes. */
#include "policies/floor.h"
#include "policies/policy.h"
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>

#define REACTION_SPARE_MS 1000 /* bus, polling and what a device takes longer than it says */
#define DRAIN_MARGIN 1.1       /* losses between the store and the AC port */

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

	if (!view_soc(s, i, &soc))
		return false;
	view_soc_low(s, i, soc_pct);
	if (m->reading_ms[i] != v->at_ms)
		m->drained_pct[i] = 0;
	else
		m->drained_pct[i] += view_drain_pct_h(s, i) * (double)(s->now_ms - m->step_ms) / 3.6e6;
	m->drained_pct[i] = double_max(m->drained_pct[i], soc - *soc_pct); /* after a start nobody remembers what went out before */
	m->reading_ms[i] = v->at_ms;
	*soc_pct = double_min(*soc_pct, soc - m->drained_pct[i]);
	return true;
}

/* A cut takes effect only after the next tick and the device's own delay. So discharge is eased off over the last few
 * seconds above the floor: what is left must last until a cut can work. Big batteries never notice; a small one would
 * otherwise shoot through. */
static void ease_off(const struct snapshot *s, int i, double soc_pct, const struct floor_view *f, struct wishes *out)
{
	const struct snap_device *d = &s->dev[i];
	double capacity_wh = view_capacity_wh(d), reaction_h, most_w;
	char by[SENTENCE_FLOOR_MAX];

	if (isnan(capacity_wh))
		return;
	reaction_h = (double)(s->site.tick_ms + view_settle_ms(d) + REACTION_SPARE_MS) / 3.6e6;
	most_w = (soc_pct - f->pct) / 100 * capacity_wh / DRAIN_MARGIN / reaction_h;
	if (most_w < view_discharge_max(d))
		wish_limit_device(out, i, -most_w, INFINITY, REASON_FLOOR_NEAR, "SoC %.1f %% nears the floor %.0f %% %s: at most %.0f W", soc_pct,
				  f->pct, sentence_floor(s, d, f, by), most_w);
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
		char by[SENTENCE_FLOOR_MAX];

		if (!view_battery(&s->dev[i]) || !soc_low(m, s, i, &soc))
			continue; /* without a SoC the guard holds the device */
		f = floor_effective(s, &s->dev[i]);
		if (soc <= f.pct)
			m->at_floor[i] = true;
		else if (soc >= f.pct + FLOOR_RESUME_PCT)
			m->at_floor[i] = false;
		if (!m->at_floor[i]) {
			ease_off(s, i, soc, &f, out);
			continue;
		}
		if (soc <= f.pct)
			wish_limit_device(out, i, 0, INFINITY, REASON_FLOOR, "SoC %.1f %% is at the floor %.0f %% %s", soc, f.pct,
					  sentence_floor(s, &s->dev[i], &f, by));
		else
			wish_limit_device(out, i, 0, INFINITY, REASON_FLOOR_RESUME, "SoC %.1f %% was at the floor %.0f %% %s; from %.0f %% on it resumes",
					  soc, f.pct, sentence_floor(s, &s->dev[i], &f, by), f.pct + FLOOR_RESUME_PCT);
	}
	m->step_ms = s->now_ms;
}

const struct policy POLICY_RESERVE = { "reserve", RANK_RESERVE, sizeof(struct reserve_memory), reserve_init, reserve_step };
