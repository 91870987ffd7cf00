/* What the device can, and what is in force in it: capabilities, who guards it, the control word, the note for people. Values
 * that are measured are measure.c's. */
#include "drivers/sunspec/sunspec.h"

#include "core/snapshot.h"

#include <math.h>
#include <stdio.h>

static enum battery_control control_word_of(const struct sunspec *s, const struct inforce *f)
{
	if (f->theirs)
		return CONTROL_FOREIGN;
	if (!f->active)
		return CONTROL_AUTO;
	if (s->setpoint.phase == SETPOINT_IDLE || s->setpoint.verdict == VERDICT_FOREIGN)
		return CONTROL_FOREIGN;
	if (f->lo_w == 0 && f->hi_w == 0)
		return CONTROL_HOLD;
	if (f->lo_w == f->hi_w)
		return CONTROL_POWER;
	return f->lo_w >= 0 ? CONTROL_HOLD_DISCHARGE : f->hi_w <= 0 ? CONTROL_HOLD_CHARGE : CONTROL_POWER;
}

void sunspec_inforce(const struct sunspec *s, struct device_state *state)
{
	const struct sunspec_way *way = control_way(s);
	const struct image *img = control_image(s);
	struct inforce f = control_inforce(s);

	if (!f.known)
		return;
	state->released = !f.active && (way->curtails || !s->ours);
	state->note[0] = '\0';
	if (state->kinds & KIND_BATTERY)
		point_put(state, F_BATTERY_CONTROL, control_word_of(s, &f), img->at_ms, Q_GOOD);
	else
		point_put(state, F_PV_LIMIT_PCT, image_number(img, way->on) == 1 ? image_number(img, "WMaxLimPct") : 100, img->at_ms, Q_GOOD);
	if (f.active && isfinite(f.hi_w) && s->setpoint.phase == SETPOINT_IDLE)
		snprintf(state->note, sizeof(state->note), "a setpoint of %.0f W was in force before us", f.hi_w);
	else if (s->setpoint.verdict == VERDICT_FOREIGN)
		snprintf(state->note, sizeof(state->note), "somebody else changed its setpoint");
	else if (s->setpoint.verdict == VERDICT_IGNORED)
		snprintf(state->note, sizeof(state->note), "acknowledges setpoints but keeps the old one");
	else if (way->curtails && s->found.on)
		snprintf(state->note, sizeof(state->note), "a limit of %.0f %% that is not ours holds", s->found.pct);
	else if (!way->curtails)
		storage_note(s, state->note, sizeof(state->note));
	if (!state->note[0] && s->reserve.off)
		snprintf(state->note, sizeof(state->note), "does not take the reserve: not mirrored");
}

static void put_bound(const struct sunspec *s, struct device_state *state, enum field field, double w)
{
	if (isfinite(w))
		point_put(state, field, w, s->fast.ok_ms, Q_GOOD);
	else
		point_absent(state, field);
}

static void caps_battery(struct sunspec *s, struct device_state *state)
{
	struct device_caps *c = &state->caps;
	double charge, discharge;

	storage_bounds(s, &charge, &discharge);
	put_bound(s, state, F_BATTERY_CHARGE_LIMIT_W, charge);
	put_bound(s, state, F_BATTERY_DISCHARGE_LIMIT_W, discharge);
	sunspec_ratings(s, &c->charge_max_w, &c->discharge_max_w);
	c->can_power = c->can_hold = s->control != CONTROL_NO_WAY;
	c->native_balance = s->native_balance && s->control == CONTROL_124;
	c->guarded_by = s->timer_ok ? GUARDED_DEVICE : GUARDED_NONE;
	c->mirrors_reserve = reserve_mirrors(s);
	point_put(state, F_BATTERY_CHARGE_MAX_W, c->charge_max_w, s->fast.ok_ms, Q_GOOD);
	point_put(state, F_BATTERY_DISCHARGE_MAX_W, c->discharge_max_w, s->fast.ok_ms, Q_GOOD);
	if (!isnan(s->o.capacity_wh))
		point_put(state, F_BATTERY_CAPACITY_WH, s->o.capacity_wh, s->fast.ok_ms, Q_GOOD);
	if (!isnan(s->o.soh_pct) && state->f[F_BATTERY_SOH_PCT].q <= Q_BAD)
		point_put(state, F_BATTERY_SOH_PCT, s->o.soh_pct, s->fast.ok_ms, Q_DERIVED);
}

static bool unread(const struct sunspec *s, enum sunspec_slot slot)
{
	return s->has[slot] && !s->image[slot].at_ms;
}

/* A bound on the sun is safe for ever, but somebody must give the sun back: without a timer, or with one that failed its
 * proof, nobody does. Before the first bound nothing hangs on it. */
static void caps_sun(const struct sunspec *s, struct device_state *state)
{
	struct device_caps *c = &state->caps;

	c->can_curtail = s->control != CONTROL_NO_WAY && (state->kinds & KIND_PV);
	c->guarded_by = GUARDED_SAFE_STATE;
	if (!c->can_curtail) { /* nothing to release, unless what is in force there is not known yet */
		state->released = !(s->roles & ROLE_BATTERY) && !unread(s, SLOT_CONTROL) && !unread(s, SLOT_IMMEDIATE);
		return;
	}
	c->discharge_max_w = curtail_reference_w(s);
	if (!control_has_timer(s) || (s->found.on && s->control == CURTAIL_123) || (s->timer_tried && !s->timer_ok))
		c->guarded_by = GUARDED_NONE;
	else if (s->timer_tried)
		c->guarded_by = GUARDED_DEVICE;
}

void sunspec_caps(struct sunspec *s, struct device_state *state)
{
	struct device_caps *c = &state->caps;

	*c = (struct device_caps){ .settle_ms = SUNSPEC_SETTLE_MS };
	if (state->kinds & KIND_BATTERY)
		caps_battery(s, state);
	else
		caps_sun(s, state);
	c->step_w = control_step_w(s);
	c->guard_timeout_s = c->guarded_by == GUARDED_DEVICE ? SUNSPEC_REVERT_S : 0;
	/* A timer runs whether or not it proved itself, so it is fed wherever the point exists. */
	s->setpoint.refresh_ms = control_has_timer(s) && (!(state->kinds & KIND_BATTERY) || storage_bears_time(s)) ? SUNSPEC_REVERT_S * 1000 / 2 : 0;
}
