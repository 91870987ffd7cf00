/* See points.h. */
#include "drivers/points.h"

#include <math.h>
#include <stddef.h>

#define DC_TO_AC 0.96 /* one way through a battery inverter; only where the device does not measure its AC side */

void point_put(struct device_state *s, enum field f, double number, int64_t at_ms, enum quality q)
{
	const struct field_info *info = field_info(f);

	if (!isfinite(number) || number < info->min || number > info->max) {
		point_bad(s, f, at_ms);
		return;
	}
	value_set(&s->f[f], number == 0 ? 0 : number, at_ms, q); /* no negative zero: it would be printed */
}

void point_absent(struct device_state *s, enum field f)
{
	s->f[f] = (struct value){ 0 };
}

void point_bad(struct device_state *s, enum field f, int64_t at_ms)
{
	s->f[f].q = Q_BAD;
	s->f[f].at_ms = at_ms;
}

static double *sign_changed(double *number)
{
	*number = -*number;
	return number;
}

/* All other fields pass unchanged, so this is the one place where a default is right. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
enum field point_inverted(enum field f, double *number)
{
	switch (f) {
	case F_METER_POWER_W:
	case F_METER_POWER_L1_W:
	case F_METER_POWER_L2_W:
	case F_METER_POWER_L3_W:
	case F_METER_CURRENT_L1_A:
	case F_METER_CURRENT_L2_A:
	case F_METER_CURRENT_L3_A:
		sign_changed(number);
		return f;
	case F_METER_ENERGY_IMPORT_WH:
		return F_METER_ENERGY_EXPORT_WH;
	case F_METER_ENERGY_EXPORT_WH:
		return F_METER_ENERGY_IMPORT_WH;
	default:
		return f;
	}
}
#pragma GCC diagnostic pop

void points_derive(struct device_state *s)
{
	const struct value *dc = &s->f[F_BATTERY_POWER_W];
	struct value *ac = &s->f[F_BATTERY_POWER_AC_W];
	bool hybrid = (s->kinds & KIND_INVERTER) && (s->kinds & KIND_PV);

	if ((s->kinds & KIND_BATTERY) && (ac->q == Q_ABSENT || ac->q == Q_DERIVED || ac->q == Q_STALE) && value_usable(dc) &&
	    dc->at_ms > ac->at_ms)
		value_set(ac, dc->v > 0 ? dc->v / DC_TO_AC : dc->v * DC_TO_AC, dc->at_ms,
			  dc->q == Q_UNVERIFIED ? Q_UNVERIFIED : Q_DERIVED);
	/* Without its inverter's number a hybrid is unknown: its battery alone is not what flows at its port. */
	if (hybrid || ((s->kinds & KIND_INVERTER) && s->f[F_INVERTER_POWER_W].q != Q_ABSENT))
		s->ac_power_w = s->f[F_INVERTER_POWER_W];
	else if (s->kinds & KIND_BATTERY)
		s->ac_power_w = *ac;
	else if (s->kinds & KIND_PV)
		s->ac_power_w = s->f[F_PV_POWER_W];
	else if (s->kinds & KIND_CHARGER)
		s->ac_power_w = s->f[F_CHARGER_POWER_W];
	else
		s->ac_power_w = s->f[F_METER_POWER_W];
}

void points_age(struct device_state *s, const bool *slow, int64_t now_ms, int64_t fast_limit_ms, int64_t slow_limit_ms)
{
	for (int f = 0; f < F_COUNT; f++)
		if (value_usable(&s->f[f]) && now_ms - s->f[f].at_ms > (slow && slow[f] ? slow_limit_ms : fast_limit_ms))
			s->f[f].q = Q_STALE;
}

void points_silent(struct device_state *s)
{
	for (int f = 0; f < F_COUNT; f++)
		if (value_usable(&s->f[f]))
			s->f[f].q = Q_STALE;
}

void cadence_begin(struct cadence *c, int64_t now_ms)
{
	c->due_ms = now_ms - now_ms % c->interval_ms + c->interval_ms;
}

void cadence_ok(struct cadence *c, int64_t now_ms)
{
	c->missed = 0;
	c->ok_ms = now_ms;
}

void cadence_missed(struct cadence *c, int64_t now_ms, bool asked)
{
	int64_t wait_ms = c->interval_ms;

	c->missed++;
	if (!asked || c->missed < POLL_SILENT)
		return;
	for (int i = POLL_SILENT; i <= c->missed && wait_ms < BACKOFF_MAX_MS; i++)
		wait_ms *= 2;
	if (wait_ms > BACKOFF_MAX_MS && c->interval_ms < BACKOFF_MAX_MS)
		wait_ms = BACKOFF_MAX_MS;
	c->due_ms = now_ms + wait_ms;
}

int64_t cadence_limit_ms(const struct cadence *c)
{
	int64_t three = (int64_t)POLL_SILENT * c->interval_ms;

	/* Half an interval more, or a poll that is only late would make its values stale for a moment. */
	return three > STALE_MS ? three + c->interval_ms / 2 : STALE_MS;
}

bool cadence_silent(const struct cadence *c, int64_t now_ms)
{
	return c->missed >= POLL_SILENT || (c->ok_ms && now_ms - c->ok_ms > cadence_limit_ms(c));
}
