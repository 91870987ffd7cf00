/* Rank 4: the Flip command in force, as orders, exactly from its start to its end. Of the six modes only DISCHARGE is
 * published in full; the mapping below is the one replaceable place for the others (flip-api section 11). */
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>
#include <stdio.h>

static bool import_allowed(const struct snapshot *s, const struct command_view *c)
{
	return c->grid_import == TRI_YES || (c->grid_import == TRI_UNSET && s->site.grid_charging);
}

/* What the command asks for, W; more than the rating is the rating. */
static double wanted_w(const struct command_view *c, double rating_w)
{
	return c->power_mode == POWER_SETPOINT && isfinite(c->setpoint_w) ? double_clamp(c->setpoint_w, 0, rating_w) : rating_w;
}

/* "Capped at surplus" is a balance at 0 W of grid with the setpoint as its upper end: it follows the sun, where a number
 * computed here would lag behind it. */
static bool command_order(const struct snapshot *s, const struct snap_device *d, struct order *order)
{
	const struct command_view *c = &d->command;
	double in_w = view_charge_max(d), out_w = view_discharge_max(d);

	if (c->mode == MODE_DISCHARGE)
		*order = c->power_mode == POWER_FOLLOW_LOAD ? order_balance(0, -out_w, 0) : order_power(-wanted_w(c, out_w));
	else if (c->mode == MODE_CHARGE && c->power_mode == POWER_FOLLOW_LOAD)
		*order = order_balance(0, 0, in_w);
	else if (c->mode == MODE_CHARGE)
		*order = import_allowed(s, c) ? order_power(wanted_w(c, in_w)) : order_balance(0, 0, wanted_w(c, in_w));
	else if (c->mode == MODE_BACKUP)
		*order = import_allowed(s, c) ? order_power(in_w) : order_balance(0, 0, in_w);
	else if (c->mode == MODE_SELF_CONSUMPTION)
		*order = order_balance(0, -out_w, in_w);
	else
		*order = order_power(0); /* STANDBY */
	return c->mode != MODE_SAVINGS; /* the hub's own plan and self-use run then, with the command's floor and import flag */
}

/* A discharge for an event must not end in the car. */
static bool pauses_cars(const struct snapshot *s, const struct command_view *c)
{
	return c->mode == MODE_DISCHARGE && !(c->power_mode == POWER_FOLLOW_LOAD && s->site.ev_in_follow_load);
}

static void cars_pause(const struct snapshot *s, const struct command_view *c, struct wishes *out)
{
	char end[SENTENCE_UNTIL_MAX];

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (view_charger(d) && view_steerable(d) && d->ev_mode != EV_NOW)
			wish_order(out, i, order_power(0), c->ends_utc_ms, REASON_EVENT_PAUSES_CAR, "event %.8s discharges the battery%s",
				   sentence_event(c), sentence_until(s, c->ends_utc_ms, end));
	}
}

static void event_init(void *memory)
{
	(void)memory;
}

static void event_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	const struct command_view *pausing = NULL;
	char end[SENTENCE_UNTIL_MAX];

	(void)memory;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		const struct command_view *c = &d->command;
		struct order order;
		char power[24] = "";

		if (!view_battery(d) || !view_steerable(d) || !view_command(s, d))
			continue;
		if (pauses_cars(s, c))
			pausing = c;
		if (!command_order(s, d, &order))
			continue;
		if (c->power_mode == POWER_SETPOINT)
			snprintf(power, sizeof(power), " %.0f W", c->setpoint_w);
		wish_order(out, i, order, c->ends_utc_ms, REASON_EVENT, "event %.8s: %s%s%s%s%s", sentence_event(c),
			   battery_mode_word(c->mode), c->power_mode == POWER_MAX ? "" : " ",
			   c->power_mode == POWER_MAX ? "" : power_mode_word(c->power_mode), power, sentence_until(s, c->ends_utc_ms, end));
	}
	if (pausing)
		cars_pause(s, pausing, out);
}

const struct policy POLICY_EVENT = { "event", RANK_EVENT, 0, event_init, event_step };
