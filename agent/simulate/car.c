/* Car and wallbox: see car.h. IEC 61851 knows no current between 0 and 6 A. */
#include "simulate/car.h"

#include <math.h>
#include <string.h>

void car_init(struct car *c, const struct car_options *o, double soc_pct, bool plugged)
{
	memset(c, 0, sizeof(*c));
	c->o = *o;
	c->plugged = plugged;
	c->offer_phases = 3;
	c->taken_phases = 3;
	c->wait_s = -1;
	car_soc_set(c, soc_pct);
}

double car_soc_pct(const struct car *c)
{
	return c->o.capacity_wh > 0 ? 100 * c->energy_wh / c->o.capacity_wh : 0;
}

void car_soc_set(struct car *c, double soc_pct)
{
	c->energy_wh = c->o.capacity_wh * fmin(fmax(soc_pct, 0), 100) / 100;
}

void car_plug(struct car *c, bool plugged)
{
	if (plugged == c->plugged)
		return;
	c->plugged = plugged;
	c->session_s = 0;
	c->taken_a = 0; /* a new car starts from nothing, after its reaction time */
	c->wait_s = plugged ? c->o.delay_s : -1;
	if (plugged)
		c->session_wh = 0;
}

void car_offer(struct car *c, double amps, int phases)
{
	if (amps == c->offer_a && phases == c->offer_phases)
		return;
	c->offer_a = amps;
	c->offer_phases = phases;
	if (c->wait_s < 0)
		c->wait_s = c->o.delay_s;
}

static double drawn_a(const struct car *c)
{
	double a = fmin(c->taken_a, c->o.max_a);

	return a < CAR_MIN_A ? 0 : a;
}

void car_step(struct car *c, double dt_s, bool powered)
{
	double room_w, hours = dt_s * c->o.speed / 3600;

	if (dt_s <= 0)
		return;
	if (c->wait_s >= 0) {
		c->wait_s -= dt_s;
		if (c->wait_s < 1e-9) {
			c->taken_a = c->offer_a;
			c->taken_phases = c->offer_phases;
			c->wait_s = -1;
		}
	}
	c->phases = c->taken_phases < c->o.phases ? c->taken_phases : c->o.phases;
	c->current_a = c->plugged && powered ? drawn_a(c) : 0;
	room_w = (c->o.capacity_wh - c->energy_wh) / (hours * c->o.charge_eff);
	c->power_w = c->current_a * CAR_VOLT * c->phases;
	if (c->power_w > room_w) { /* full within this step: takes the rest, then nothing */
		c->power_w = fmax(room_w, 0);
		c->current_a = c->power_w / (CAR_VOLT * c->phases);
	}
	if (c->power_w < 1)
		c->power_w = c->current_a = 0;
	if (c->power_w <= 0)
		c->phases = 0;
	c->energy_wh = fmin(c->energy_wh + c->power_w * c->o.charge_eff * hours, c->o.capacity_wh);
	c->session_wh += c->power_w * dt_s / 3600;
	c->total_wh += c->power_w * dt_s / 3600;
	if (c->plugged)
		c->session_s += dt_s;
}
