/* See desk.h. */
#include "support/desk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void desk_init(struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	s->now_ms = 1000000;
	s->utc_ms = DESK_UTC_MS;
	s->clock_trusted = true;
	s->site.reserve_pct = 20;
	s->site.grid_charging = s->site.battery_export = s->site.surplus_battery_first = true;
	s->site.tick_ms = 1000;
	s->external.import_w = s->external.export_w = NAN;
	s->import_price = s->export_price = NAN;
	s->grid_device = 0;
	s->n_devices = 1;
	s->dev[0].roles = ROLE_GRID;
	s->dev[0].phases = 1;
	s->dev[0].state.availability = AVAIL_ONLINE;
	desk_grid(s, 0);
}

void desk_grid(struct snapshot *s, double grid_w)
{
	value_set(&s->grid_w, grid_w, s->now_ms, Q_GOOD);
	s->grid_sample++;
}

static struct snap_device *add(struct snapshot *s, uint32_t roles, const char *id)
{
	struct snap_device *d = &s->dev[s->n_devices];

	snprintf(d->id, sizeof(d->id), "%s%d", id, s->n_devices++);
	d->roles = roles;
	d->state.availability = AVAIL_ONLINE;
	d->state.caps.can_power = d->state.caps.can_hold = true;
	d->state.caps.guarded_by = GUARDED_DEVICE;
	d->state.caps.settle_ms = 1000;
	d->capacity_wh = d->charge_max_w = d->discharge_max_w = d->soc_min_pct = d->soc_max_pct = d->ev_energy_wh = d->applied_w = NAN;
	d->failsafe_a = 6;
	d->phases = 1;
	return d;
}

int desk_battery(struct snapshot *s, double soc_pct)
{
	struct snap_device *d = add(s, ROLE_BATTERY, "battery");

	d->capacity_wh = 10000;
	d->soc_min_pct = 5;
	d->state.caps.charge_max_w = d->state.caps.discharge_max_w = 5000;
	desk_soc(s, s->n_devices - 1, soc_pct);
	desk_power(s, s->n_devices - 1, 0);
	return s->n_devices - 1;
}

int desk_charger(struct snapshot *s, double power_w)
{
	struct snap_device *d = add(s, ROLE_CHARGER, "charger");

	d->state.caps.charge_max_w = 32 * 230;
	d->state.caps.min_w = 6 * 230;
	value_set(&d->state.f[F_CHARGER_CONNECTED], 1, s->now_ms, Q_GOOD);
	desk_power(s, s->n_devices - 1, power_w);
	return s->n_devices - 1;
}

void desk_power(struct snapshot *s, int i, double power_w)
{
	value_set(&s->dev[i].state.ac_power_w, power_w, s->now_ms, Q_GOOD);
}

void desk_soc(struct snapshot *s, int i, double soc_pct)
{
	value_set(&s->dev[i].state.f[F_BATTERY_SOC_PCT], soc_pct, s->now_ms, Q_GOOD);
}

struct command_view *desk_command(struct snapshot *s, int i, enum battery_mode mode, enum power_mode power_mode, double setpoint_w)
{
	struct command_view *c = &s->dev[i].command;

	memset(c, 0, sizeof(*c));
	c->active = true;
	snprintf(c->id, sizeof(c->id), "c0ffee00-0000");
	snprintf(c->event_id, sizeof(c->event_id), "7d2a0000-0000");
	c->mode = mode;
	c->power_mode = power_mode;
	c->setpoint_w = setpoint_w;
	c->grid_import = TRI_UNSET;
	c->owner_event_pct = c->command_pct = c->event_pct = c->program_min_pct = NAN;
	c->starts_utc_ms = s->utc_ms - 60000;
	c->ends_utc_ms = s->utc_ms + 3540000;
	return c;
}

void desk_wait(struct snapshot *s, int64_t ms)
{
	s->now_ms += ms;
	s->utc_ms += ms;
}

const struct wishes *desk_step(const struct policy *p, const struct snapshot *s, void *memory)
{
	static struct wishes w;
	static _Alignas(16) unsigned char fresh[POLICY_MEMORY_MAX];

	memset(&w, 0, sizeof(w));
	if (!memory) {
		memset(fresh, 0, sizeof(fresh));
		p->init(fresh);
		memory = fresh;
	}
	p->step(memory, s, &w);
	return &w;
}

const struct order_wish *desk_order(const struct wishes *w, int device, enum rank rank)
{
	for (int i = 0; i < w->n_orders; i++)
		if (w->orders[i].device == device && (rank == RANK_NONE || w->orders[i].rank == rank))
			return &w->orders[i];
	return NULL;
}

void desk_bounds(const struct wishes *w, int device, double *min_w, double *max_w)
{
	*min_w = -INFINITY;
	*max_w = INFINITY;
	for (int i = 0; i < w->n_limits; i++)
		if (w->limits[i].device == device) {
			*min_w = fmax(*min_w, w->limits[i].min_w);
			*max_w = fmin(*max_w, w->limits[i].max_w);
		}
}

void desk_chain(struct chain *c, struct snapshot *s, struct decisions *out)
{
	chain_step(c, s, out);
	for (int i = 0; i < s->n_devices; i++) {
		struct snap_device *d = &s->dev[i];

		if (d->ordered.kind != out->d[i].order.kind || d->ordered.w != out->d[i].order.w)
			d->ordered_at_ms = s->now_ms;
		d->ordered = out->d[i].order;
	}
}
