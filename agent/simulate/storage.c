/* Battery physics: see storage.h. The store can never be over-filled or drawn below its cut-off, whatever dt is,
 * because power is limited by what the remaining energy can give or take within the step. */
#include "simulate/storage.h"

#include <math.h>
#include <string.h>

struct storage_order storage_auto(const struct storage_options *o)
{
	return (struct storage_order){
		.min_w = -o->discharge_max_w,
		.max_w = o->charge_max_w,
		.reserve_pct = o->soc_min_pct,
		.grid_charging = true,
	};
}

void storage_init(struct storage *s, const struct storage_options *o, double soc_pct)
{
	memset(s, 0, sizeof(*s));
	s->o = *o;
	s->order = storage_auto(o);
	s->pending_s = -1;
	storage_soc_set(s, soc_pct);
}

static bool order_same(const struct storage_order *a, const struct storage_order *b)
{
	return a->fixed == b->fixed && a->power_w == b->power_w && a->min_w == b->min_w && a->max_w == b->max_w &&
	       a->reserve_pct == b->reserve_pct && a->grid_charging == b->grid_charging && a->off == b->off;
}

void storage_aim(struct storage *s, const struct storage_order *order)
{
	const struct storage_order *latest = s->pending_s >= 0 ? &s->pending : &s->order;

	if (order_same(order, latest))
		return;
	if (s->pending_s < 0)
		s->pending_s = s->o.delay_s;
	s->pending = *order;
}

double storage_soc_pct(const struct storage *s)
{
	return s->o.capacity_wh > 0 ? 100 * s->energy_wh / s->o.capacity_wh : 0;
}

void storage_soc_set(struct storage *s, double soc_pct)
{
	s->energy_wh = s->o.capacity_wh * fmin(fmax(soc_pct, 0), 100) / 100;
}

double storage_dc_w(const struct storage *s)
{
	return s->power_w > 0 ? s->power_w * s->o.charge_eff : s->power_w / s->o.discharge_eff;
}

static double clamp(double v, double min, double max)
{
	return v < min ? min : v > max ? max : v;
}

/* What the battery would like to do, before the store and the ramp have their say. */
static double wanted_w(const struct storage *s, double rest_w, bool island)
{
	const struct storage_order *o = &s->order;
	double w;

	if (o->off)
		return 0;
	if (island)
		return clamp(-rest_w, -s->o.discharge_max_w, s->o.charge_max_w);
	w = o->fixed ? o->power_w : -rest_w;
	if (w < o->min_w)
		w = o->min_w;
	if (w > o->max_w) /* when the limits contradict each other the charge limit wins */
		w = o->max_w;
	if (!o->grid_charging && w > 0)
		w = fmin(w, fmax(-rest_w, 0));
	return clamp(w, -s->o.discharge_max_w, s->o.charge_max_w);
}

/* Cuts power to what the store can give or take within the step. */
static double possible_w(const struct storage *s, double w, double dt_s, bool island)
{
	double hours = dt_s * s->o.speed / 3600;
	double floor_pct = island ? s->o.soc_min_pct : fmax(s->o.soc_min_pct, s->order.reserve_pct);
	double room_wh = s->o.capacity_wh - s->energy_wh;
	double left_wh = fmax(s->energy_wh - s->o.capacity_wh * floor_pct / 100, 0);

	if (w > 0)
		return fmin(w, room_wh / (hours * s->o.charge_eff));
	return fmax(w, -left_wh * s->o.discharge_eff / hours);
}

void storage_step(struct storage *s, double dt_s, double rest_w, bool island)
{
	double ramp = island ? INFINITY : s->o.ramp_w_per_s * dt_s; /* grid forming follows the load at once */
	double w;

	if (dt_s <= 0)
		return;
	if (s->pending_s >= 0) {
		s->pending_s -= dt_s;
		if (s->pending_s < 1e-9) {
			s->order = s->pending;
			s->pending_s = -1;
		}
	}
	w = wanted_w(s, rest_w, island);
	w = clamp(w, s->power_w - ramp, s->power_w + ramp);
	s->power_w = possible_w(s, w, dt_s, island);

	s->energy_wh += (storage_dc_w(s) - s->o.standby_w) * dt_s * s->o.speed / 3600;
	s->energy_wh = clamp(s->energy_wh, 0, s->o.capacity_wh);
	if (s->power_w > 0)
		s->charged_wh += s->power_w * dt_s / 3600;
	else
		s->discharged_wh -= s->power_w * dt_s / 3600;
}
