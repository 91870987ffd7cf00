/* See rules.h. */
#include "simulate/rules.h"

#include <math.h>
#include <string.h>

#define HALVES 48
#define BEST_HALVES 8
#define SPREAD_LEAST 0.005 /* per kWh; below it there are no cheap hours */

static bool within(const struct rules_window *v, int minute)
{
	if (!v->any)
		return false;
	return v->from_min < v->to_min ? minute >= v->from_min && minute < v->to_min : minute >= v->from_min || minute < v->to_min;
}

/* The block of the least price, when there is exactly one and it is 1 to 8 hours long. */
static bool least_block(const double *mean, double least, struct rules_window *v)
{
	int n = 0, begins = 0, first = 0;

	for (int i = 0; i < HALVES; i++) {
		bool low = mean[i] < least + 1e-6, before = mean[(i + HALVES - 1) % HALVES] < least + 1e-6;

		n += low;
		if (low && !before) {
			begins++;
			first = i;
		}
	}
	if (begins != 1 || n < 2 || n > 16)
		return false;
	*v = (struct rules_window){ first * 30, (first + n) % HALVES * 30, true };
	return true;
}

struct rules_window rules_cheapest(const struct truth *t, const struct zone *z)
{
	double sum[HALVES] = { 0 }, n[HALVES] = { 0 }, least = INFINITY, most = -INFINITY, best = INFINITY;
	struct rules_window v = { 0, 0, false };
	struct civil c;

	for (int i = truth_minute(t, t->start_utc_ms); i < truth_minute(t, t->end_utc_ms); i += 15) {
		calendar_local(z, t->from_utc_ms + (int64_t)i * TRUTH_MINUTE_MS, &c);
		sum[c.hour * 2 + c.minute / 30] += t->import_price[i];
		n[c.hour * 2 + c.minute / 30]++;
	}
	for (int i = 0; i < HALVES; i++) {
		sum[i] = n[i] > 0 ? sum[i] / n[i] : 0;
		least = fmin(least, sum[i]);
		most = fmax(most, sum[i]);
	}
	if (most - least < SPREAD_LEAST || least_block(sum, least, &v))
		return v;
	for (int i = 0; i < HALVES; i++) {
		double block = 0;

		for (int k = 0; k < BEST_HALVES; k++)
			block += sum[(i + k) % HALVES];
		if (block < best) {
			best = block;
			v = (struct rules_window){ i * 30, (i + BEST_HALVES) % HALVES * 30, true };
		}
	}
	return v;
}

/* Without anybody's cleverness: at once. With a timer: in its hours, or when it would be too late else. */
static void car_order(struct world *w, bool timer, bool cheap)
{
	const double max_w = world_car_max_w(w->s);
	bool on = w->session >= 0 && w->car_left_wh > 0;

	if (on && timer && !cheap)
		on = (double)(w->t->session[w->session].to_utc_ms - w->utc_ms) / 3.6e6 < w->car_left_wh / max_w * 1.05 + 0.1;
	world_car_offer(w, on ? max_w : 0);
}

/* Balances the house alone, the car not: the rule the owner set for the plan holds for everybody. @share of this battery. */
static struct storage_order beside_car(const struct world *w, double share, struct storage_order o)
{
	const double house_w = w->house.load_set_w - w->house.pv_set_w, rest_w = house_w + w->house.car.power_w;

	if (w->s->site.battery_to_ev || !(w->house.car.power_w > 0))
		return o;
	o.fixed = true;
	o.power_w = share * (rest_w < 0 ? -rest_w : -fmax(house_w, 0));
	return o;
}

void rules_order(struct world *w, enum simulate_row_kind kind, const struct rules_window *cheap, const struct zone *z)
{
	bool charge = false;
	struct civil c;

	if (kind == ROW_TIMER && cheap->any) {
		calendar_local(z, w->utc_ms, &c);
		charge = within(cheap, c.hour * 60 + c.minute);
	}
	car_order(w, kind == ROW_TIMER && cheap->any, charge);
	for (int i = 0; i < w->n_batteries; i++) {
		struct storage *b = world_battery(w, i);
		struct storage_order o = storage_auto(&b->o);

		o.reserve_pct = fmax(w->s->site.reserve_pct, b->o.soc_min_pct);
		if (charge && w->s->site.grid_charging) {
			o.fixed = true;
			o.power_w = b->o.charge_max_w;
			if (w->s->site.import_limit_w > 0)
				o.power_w = fmin(o.power_w, fmax(0, w->s->site.import_limit_w - w->house.load_set_w - w->house.car.power_w + w->house.pv_set_w));
		} else {
			o = beside_car(w, b->o.capacity_wh / world_capacity_wh(w->s), o);
		}
		b->order = o; /* at once: a rule inside the inverter has no dead time */
	}
}
