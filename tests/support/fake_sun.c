/* See fake_sun.h. */
#include "support/fake_sun.h"

#include <string.h>

static bool limited(struct fake_sun *s, double *pct)
{
	struct fake_unit *u = &s->unit;

	if (s->control && model_get(u, s->control, "WMaxLimPctEna") == 1)
		*pct = (double)model_get(u, s->control, "WMaxLimPct") / 10;
	else if (s->immediate && model_get(u, s->immediate, "WMaxLim_Ena") == 1)
		*pct = (double)model_get(u, s->immediate, "WMaxLimPct") / 10;
	else
		return false;
	if (*pct < s->min_pct)
		*pct = s->min_pct;
	return true;
}

double fake_sun_w(struct fake_sun *s)
{
	double pct, most = s->settings ? 7500 : 8000;

	if (s->deaf || !limited(s, &pct))
		return s->sun_w;
	return s->sun_w < pct / 100 * most ? s->sun_w : pct / 100 * most;
}

static void sun_time(struct fake_unit *u, int64_t now_ms)
{
	struct fake_sun *s = u->context;

	if (s->revert_at_ms && now_ms >= s->revert_at_ms) {
		s->revert_at_ms = 0;
		if (s->control) {
			model_set(u, s->control, "WMaxLimPctEna", model_get(u, s->control, "WMaxLimPctEnaRvrt"));
			model_set(u, s->control, "WMaxLimPct", model_get(u, s->control, "WMaxLimPctRvrt"));
		} else {
			model_set(u, s->immediate, "WMaxLim_Ena", 0);
			model_set(u, s->immediate, "WMaxLimPct", 1000);
		}
	}
	if (s->control && model_get(u, s->control, "WMaxLimPctRvrtRem") != 0xffffffff)
		model_set(u, s->control, "WMaxLimPctRvrtRem", s->revert_at_ms ? (s->revert_at_ms - now_ms) / 1000 : 0);
	model_set(u, s->inverter, "W", (int64_t)fake_sun_w(s));
}

static void sun_write(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_sun *s = u->context;
	int64_t on, timer, none;

	(void)address;
	(void)count;
	on = s->control ? model_get(u, s->control, "WMaxLimPctEna") : model_get(u, s->immediate, "WMaxLim_Ena");
	timer = s->control ? model_get(u, s->control, "WMaxLimPctRvrtTms") : model_get(u, s->immediate, "WMaxLimPct_RvrtTms");
	none = s->control ? 0xffffffff : 0xffff;
	s->revert_at_ms = on == 1 && timer > 0 && timer != none ? now_ms + 1000 * timer : 0;
	if (s->immediate && s->min_pct && model_get(u, s->immediate, "WMaxLimPct") < 10 * s->min_pct)
		model_set(u, s->immediate, "WMaxLimPct", 10 * s->min_pct);
	sun_time(u, now_ms);
}

static void add_123(struct fake_sun *s, struct fake_chain *c, bool timer)
{
	struct fake_unit *u = &s->unit;

	s->immediate = chain_model(c, 123, 24);
	model_sf(u, s->immediate, "WMaxLimPct", -1);
	model_set(u, s->immediate, "Conn", 1);
	model_set(u, s->immediate, "WMaxLimPct", 1000);
	model_set(u, s->immediate, "WMaxLim_Ena", 0);
	if (timer)
		model_set(u, s->immediate, "WMaxLimPct_RvrtTms", 0);
}

static void add_704(struct fake_sun *s, struct fake_chain *c, bool timer)
{
	struct fake_unit *u = &s->unit;

	s->capacity = chain_model(c, 702, 50);
	model_sf(u, s->capacity, "WMax", 0);
	model_set(u, s->capacity, "WMax", 8000);
	s->control = chain_model(c, 704, 65);
	model_sf(u, s->control, "WMaxLimPct", -1);
	model_set(u, s->control, "WMaxLimPctEna", 0);
	model_set(u, s->control, "WMaxLimPct", 1000);
	model_set(u, s->control, "WMaxLimPctRvrt", 500);
	model_set(u, s->control, "WMaxLimPctEnaRvrt", 1);
	if (timer) {
		model_set(u, s->control, "WMaxLimPctRvrtTms", 0);
		model_set(u, s->control, "WMaxLimPctRvrtRem", 0);
	}
}

void fake_sun(struct fake_sun *s, int what)
{
	struct fake_unit *u = &s->unit;
	struct fake_chain c;

	memset(s, 0, sizeof(*s));
	u->unit = 1;
	s->sun_w = 5000;
	s->deaf = what & SUN_DEAF;
	chain_begin(&c, u, 40000, 66);
	s->inverter = what & SUN_704 ? chain_model(&c, 701, 153) : chain_model(&c, 103, 50);
	model_sf(u, s->inverter, "W", 0);
	model_set(u, s->inverter, "W", 5000);
	model_set(u, s->inverter, "St", what & SUN_704 ? 1 : 4);
	s->nameplate = chain_model(&c, 120, 26);
	model_sf(u, s->nameplate, "WRtg", 0);
	model_set(u, s->nameplate, "WRtg", 8000);
	if (what & SUN_121) {
		s->settings = chain_model(&c, 121, 30);
		model_sf(u, s->settings, "WMax", 0);
		model_set(u, s->settings, "WMax", 7500);
	}
	if (what & SUN_123)
		add_123(s, &c, what & SUN_TIMER);
	if (what & SUN_704)
		add_704(s, &c, what & SUN_TIMER);
	chain_end(&c);
	u->context = s;
	u->on_time = sun_time;
	u->on_write = sun_write;
}
