/* See world.h. */
#include "simulate/world.h"

#include <math.h>
#include <string.h>

#define CAR_DELAY_S 2.5
#define GIVES_W 1.0   /* out of the store, beside what its inverter needs: less is no discharge */
#define SETTLE_S 1.7  /* dead time and ramp: a battery that is told to stop gives for so long at most */

struct storage *world_battery(struct world *w, int i)
{
	return i == 0 ? &w->house.battery : &w->house.more[i - 1];
}

static struct storage_options storage_of(const struct scenario_battery *b)
{
	/* standby stands beside the load: there it is the same for every row with a battery, and the clairvoyant can be told of it */
	return (struct storage_options){ .capacity_wh = b->capacity_wh, .charge_max_w = b->charge_max_w, .discharge_max_w = b->discharge_max_w,
					 .charge_eff = b->charge_eff, .discharge_eff = b->discharge_eff, .delay_s = 0.7, .ramp_w_per_s = 5000,
					 .soc_min_pct = b->soc_min_pct, .speed = 1 };
}

double world_car_max_w(const struct scenario *s)
{
	return s->car.max_a * CAR_VOLT * s->car.phases;
}

double world_capacity_wh(const struct scenario *s)
{
	double sum = 0;

	for (int i = 0; i < s->n_batteries; i++)
		sum += s->battery[i].capacity_wh;
	return sum;
}

double world_stored_wh(const struct world *w)
{
	double sum = w->n_batteries ? w->house.battery.energy_wh : 0;

	for (int i = 0; i < w->house.n_more; i++)
		sum += w->house.more[i].energy_wh;
	return sum;
}

void world_init(struct world *w, const struct scenario *s, const struct truth *t, bool batteries, struct simulate_row *row)
{
	struct house_options o = house_defaults();
	struct storage_options store;

	memset(w, 0, sizeof(*w));
	w->s = s;
	w->t = t;
	w->row = row;
	w->utc_ms = t->start_utc_ms;
	w->session = -1;
	w->n_batteries = batteries ? s->n_batteries : 0;
	o.noise_w = 0;
	o.battery = (struct storage_options){ .charge_eff = 1, .discharge_eff = 1, .speed = 1 };
	if (w->n_batteries)
		o.battery = storage_of(&s->battery[0]);
	o.soc_pct = w->n_batteries ? s->battery[0].soc_pct : 0;
	o.car = (struct car_options){ .capacity_wh = 1e6, .charge_eff = 1, .max_a = s->car.max_a, .phases = s->car.phases,
				      .delay_s = CAR_DELAY_S, .speed = 1 };
	house_init(&w->house, &o);
	for (int i = 1; i < w->n_batteries; i++) {
		store = storage_of(&s->battery[i]);
		storage_init(&w->house.more[w->house.n_more++], &store, s->battery[i].soc_pct);
	}
	row->start_wh = world_stored_wh(w);
}

static void session_end(struct world *w)
{
	car_plug(&w->house.car, false);
	w->row->car_short_kwh += w->car_left_wh / 1e3;
	w->car_left_wh = 0;
	w->session = -1;
}

static void session_begin(struct world *w, int session)
{
	struct car *car = &w->house.car;

	w->session = session;
	w->car_left_wh = w->t->session[session].wh;
	car->energy_wh = car->o.capacity_wh - w->car_left_wh;
	car_plug(car, true);
}

void world_sense(struct world *w)
{
	const int minute = truth_minute(w->t, w->utc_ms), session = truth_session_at(w->t, w->utc_ms);
	double standby_w = 0;

	for (int i = 0; i < w->n_batteries; i++)
		standby_w += w->s->battery[i].standby_w;
	w->natural_pv_w = (double)w->t->pv_w[minute];
	w->house.load_set_w = (double)w->t->load_w[minute] + standby_w;
	w->house.pv_set_w = w->natural_pv_w;
	if (session == w->session)
		return;
	if (w->session >= 0)
		session_end(w);
	if (session >= 0)
		session_begin(w, session);
}

void world_car_offer(struct world *w, double power_w)
{
	const double per_a = CAR_VOLT * w->s->car.phases;

	car_offer(&w->house.car, floor(power_w / per_a * 10 + 1e-6) / 10, w->s->car.phases);
}

static void point_end(struct world *w)
{
	const double capacity_wh = world_capacity_wh(w->s), hours = SIMULATE_POINT_MS / 3.6e6;
	const int64_t at = (w->utc_ms - w->t->start_utc_ms) / SIMULATE_POINT_MS - 1;
	struct simulate_point *p;

	if (at < 0 || at >= w->row->n_points)
		return;
	p = &w->row->point[at];
	p->battery_kw = (float)((double)w->sum.battery_kw / hours);
	p->car_kw = (float)((double)w->sum.car_kw / hours);
	p->grid_kw = (float)((double)w->sum.grid_kw / hours);
	p->pv_kw = (float)((double)w->sum.pv_kw / hours);
	p->cost = w->sum.cost;
	p->soc_pct = (float)(w->n_batteries ? 100 * world_stored_wh(w) / capacity_wh : 0);
	memset(&w->sum, 0, sizeof(w->sum));
}

static double batteries_w(struct world *w, double *stored_w)
{
	double sum_w = 0;

	*stored_w = 0;
	for (int i = 0; i < w->n_batteries; i++) {
		sum_w += world_battery(w, i)->power_w;
		*stored_w += fabs(storage_dc_w(world_battery(w, i)));
	}
	return sum_w;
}

static void account(struct world *w, double hours)
{
	struct simulate_row *r = w->row;
	const struct house *h = &w->house;
	const struct truth_event *e = truth_event_at(w->t, w->utc_ms);
	const int minute = truth_minute(w->t, w->utc_ms);
	const double grid_kwh = h->grid_w / 1e3 * hours, price = grid_kwh > 0 ? w->t->import_price[minute] : w->t->export_price[minute];
	double stored_w, battery_kwh = batteries_w(w, &stored_w) / 1e3 * hours, car_kwh = h->car.power_w / 1e3 * hours;

	r->bill += grid_kwh * price;
	*(grid_kwh > 0 ? &r->import_kwh : &r->export_kwh) += fabs(grid_kwh);
	*(battery_kwh > 0 ? &r->charged_kwh : &r->discharged_kwh) += fabs(battery_kwh);
	r->used_kwh += (double)w->t->load_w[minute] / 1e3 * hours + car_kwh;
	r->pv_kwh += h->pv_w / 1e3 * hours;
	r->car_kwh += car_kwh;
	if (w->n_batteries)
		r->cycles += stored_w * hours / 2 / world_capacity_wh(w->s);
	if (battery_kwh < 0) {
		r->wear -= w->s->plan.wear_cost * battery_kwh;
		r->event_kwh -= e ? battery_kwh : 0;
		r->event_income -= e ? e->pay * battery_kwh : 0;
	}
	w->sum.battery_kw += (float)battery_kwh;
	w->sum.car_kw += (float)car_kwh;
	w->sum.grid_kw += (float)grid_kwh;
	w->sum.pv_kw += (float)(h->pv_w / 1e3 * hours);
	w->sum.cost += (float)(grid_kwh * price);
}

/* What a battery holds now, and does with it, tells whether the floor was kept. */
static bool below_floor(struct world *w, int i, double before_wh, double hours)
{
	const struct storage *b = world_battery(w, i);
	const double hidden_wh = b->o.capacity_wh * WORLD_SOC_STEP_PCT / 2 / 100;
	const double given_wh = before_wh - b->energy_wh - b->o.standby_w * hours;

	w->below_s[i] = before_wh < w->floor_wh[i] - hidden_wh ? w->below_s[i] + hours * 3600 : 0;
	return w->below_s[i] > SETTLE_S && given_wh > GIVES_W * hours;
}

static void judge(struct world *w, const double *before_wh, double hours)
{
	bool breach = w->ordered_below;

	for (int i = 0; i < w->n_batteries; i++)
		breach |= below_floor(w, i, before_wh[i], hours);
	w->row->floor_violations += breach;
	w->ordered_below = false;
}

void world_step(struct world *w)
{
	const double hours = w->s->tick_s / 3600;
	double before_wh[SCENARIO_BATTERIES_MAX];

	for (int i = 0; i < w->n_batteries; i++)
		before_wh[i] = world_battery(w, i)->energy_wh;
	house_step(&w->house, w->s->tick_s);
	judge(w, before_wh, hours);
	if (w->session >= 0)
		w->car_left_wh = fmax(0, w->car_left_wh - w->house.car.power_w * hours);
	account(w, hours);
	w->utc_ms += (int64_t)(w->s->tick_s * 1e3);
	if ((w->utc_ms - w->t->start_utc_ms) % SIMULATE_POINT_MS == 0)
		point_end(w);
}

void world_close(struct world *w)
{
	struct simulate_row *r = w->row;

	if (w->session >= 0)
		session_end(w);
	r->end_wh = world_stored_wh(w);
	r->self_sufficiency_pct = r->used_kwh > 0 ? fmax(0, 100 * (1 - r->import_kwh / r->used_kwh)) : 100;
}
