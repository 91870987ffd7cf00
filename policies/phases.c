/* See phases.h. The order names phases only while others are asked for: at 0 W, once no current flows. */
#include "policies/phases.h"
#include "policies/view.h"

#include <math.h>

#define DAY_S 86400
#define IDLE_W 100.0
#define REST_MS 5000 /* at 0 W before contactors move */

/* Phases in use as the charger says; 0 = it does not. A guess is not good enough to move contactors by. */
static int phases_now(const struct snap_device *d)
{
	const struct value *v = &d->state.f[F_CHARGER_PHASES];

	return value_usable(v) && v->v >= 1 ? view_phases(d) : 0;
}

static bool switchable(const struct snap_device *d)
{
	return d->state.caps.switches_phases && d->phases != 1;
}

/* Told once, it is told until it is done: an order that lasted for one tick might be overtaken by the next. */
static bool at_rest(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double power_w;
	int64_t at_ms;

	if (d->ordered.kind != ORDER_POWER || d->ordered.w > 0 || !view_power(s, i, &power_w, &at_ms) || power_w >= IDLE_W)
		return false;
	return d->ordered.phases != 0 || (s->now_ms - d->ordered_at_ms >= REST_MS && at_ms >= d->ordered_at_ms);
}

static int left_today(const struct phases *p, int64_t now_ms)
{
	int left = 0;

	for (int k = 0; k < PHASES_A_DAY; k++)
		left += p->day_s[k] == 0 || now_ms / 1000 - p->day_s[k] >= DAY_S;
	return left;
}

/* The other number of phases, if the sun calls for it; else 0. */
static int called_for(const struct snap_device *d, int now, double sun_w)
{
	double one_w = view_amps_to_w(d, CAR_MIN_A) / now, three_w = 3 * one_w;

	if (isnan(sun_w))
		return now == 1 ? 3 : 0;
	if (now == 3)
		return sun_w >= one_w && sun_w < three_w ? 1 : 0;
	return sun_w >= PHASES_UP_MARGIN * double_max(three_w, view_charge_max(d)) ? 3 : 0;
}

static int64_t dwell_ms(const struct snap_device *d)
{
	int64_t asked_ms = (int64_t)d->state.caps.phase_dwell_s * 1000;

	return asked_ms > PHASES_DWELL_MS ? asked_ms : PHASES_DWELL_MS;
}

static bool may_switch(const struct phases *p, const struct snapshot *s, int i, int to)
{
	int64_t last_ms = p->asked_ms > p->done_ms ? p->asked_ms : p->done_ms;

	if (last_ms == 0)
		last_ms = p->known_ms;
	return s->now_ms - last_ms >= dwell_ms(&s->dev[i]) && left_today(p, s->now_ms) >= (to == 1 ? 2 : 1);
}

/* Without the sun's word (NAN) there is nothing to wait for. */
static int64_t patience_ms(int to, double sun_w)
{
	return isnan(sun_w) ? 0 : to == 1 ? PHASES_DOWN_MS : PHASES_UP_MS;
}

static void decide(struct phases *p, const struct snapshot *s, int i, int now, double sun_w)
{
	int to = called_for(&s->dev[i], now, sun_w);

	if (to == 0) {
		p->reason_ms = 0;
		return;
	}
	if (p->reason_ms == 0)
		p->reason_ms = s->now_ms;
	if (s->now_ms - p->reason_ms < patience_ms(to, sun_w) || !may_switch(p, s, i, to))
		return;
	p->target = (int8_t)to;
	p->asked_ms = s->now_ms;
	p->reason_ms = 0;
	p->day_s[p->next] = (int32_t)(s->now_ms / 1000);
	p->next = (int16_t)((p->next + 1) % PHASES_A_DAY);
}

/* An event may keep the car at 0 W for long: a switch that the charger has only now been told of has its time from then. */
static int64_t begun_ms(const struct phases *p, const struct snap_device *d)
{
	return d->ordered.phases == p->target && d->ordered_at_ms > p->asked_ms ? d->ordered_at_ms : p->asked_ms;
}

struct phases_word phases_step(struct phases *p, const struct snapshot *s, int i, double sun_w)
{
	const struct snap_device *d = &s->dev[i];
	int now = phases_now(d);

	if (!switchable(d))
		return (struct phases_word){ 0, false };
	if (p->known_ms == 0)
		p->known_ms = s->now_ms;
	if (p->target == now && now != 0)
		p->done_ms = s->now_ms;
	if (p->target == now || s->now_ms - begun_ms(p, d) >= PHASES_ASKED_MS)
		p->target = 0;
	if (now == 0)
		return (struct phases_word){ 0, p->target != 0 };
	if (p->target == 0)
		decide(p, s, i, now, sun_w);
	if (p->target)
		return (struct phases_word){ at_rest(s, i) ? p->target : 0, true };
	return (struct phases_word){ 0, p->done_ms > 0 && s->now_ms - p->done_ms < PHASES_REST_MS };
}
