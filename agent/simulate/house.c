/* The home's balance: grid = load + car + battery - sun. See house.h. */
#include "simulate/house.h"

#include <math.h>
#include <string.h>

#define NOISE_STEP_S 1.0
#define NOISE_KEEP 0.9 /* part of the wander that stays from one second to the next */

static const double LOAD_SHARE[HOUSE_PHASES] = { 0.45, 0.35, 0.20 };

struct house_options house_defaults(void)
{
	return (struct house_options){
		.base_load_w = 300,
		.peak_load_w = 1500,
		.noise_w = 30,
		.pv_peak_w = 6000,
		.day_s = 12 * 3600,
		.seed = 1,
		.soc_pct = 60,
		.car_soc_pct = 40,
		.car_plugged = false,
		.battery = { .capacity_wh = 13500,
			     .charge_max_w = 5000,
			     .discharge_max_w = 5000,
			     .charge_eff = 0.95,
			     .discharge_eff = 0.95,
			     .standby_w = 10,
			     .delay_s = 0.7,
			     .ramp_w_per_s = 5000,
			     .soc_min_pct = 5,
			     .speed = 1 },
		.car = { .capacity_wh = 60000, .charge_eff = 0.9, .max_a = 16, .phases = 3, .delay_s = 2.5, .speed = 1 },
	};
}

void house_init(struct house *h, const struct house_options *o)
{
	memset(h, 0, sizeof(*h));
	h->o = *o;
	h->random = o->seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du;
	h->day_s = fmod(o->day_s, HOUSE_DAY_S);
	h->load_set_w = h->pv_set_w = h->sun_set = NAN;
	h->pv_limit_w = INFINITY;
	h->hz = 50;
	for (int i = 0; i < HOUSE_PHASES; i++)
		h->volt[i] = 230;
	storage_init(&h->battery, &o->battery, o->soc_pct);
	car_init(&h->car, &o->car, o->car_soc_pct, o->car_plugged);
}

void house_speed_set(struct house *h, double speed)
{
	h->battery.o.speed = speed;
	h->car.o.speed = speed;
}

/* xorshift64*: small, seeded, the same on every machine. Returns -1..1. */
static double random_unit(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * 0x2545F4914F6CDD1Du) >> 11) / (double)(1ull << 52) - 1;
}

static double bump(double hour, double centre, double width)
{
	double d = fabs(hour - centre);

	if (d > 12)
		d = 24 - d;
	return exp(-d * d / (2 * width * width));
}

static double natural_load_w(const struct house *h)
{
	double hour = h->day_s / 3600;
	double w = h->o.base_load_w + h->o.peak_load_w * (0.6 * bump(hour, 7.5, 1) + bump(hour, 19, 1.8));

	return fmax(w + h->noise_w, 50);
}

/* Clear sky from 6 to 20 o'clock. */
static double natural_sun(double day_s)
{
	double x = (day_s / 3600 - 6) / 14;

	return x <= 0 || x >= 1 ? 0 : pow(sin(M_PI * x), 1.3);
}

static void weather(struct house *h, double dt_s)
{
	h->day_s = fmod(h->day_s + dt_s, HOUSE_DAY_S);
	h->noise_due_s -= dt_s;
	while (h->noise_due_s <= 0) { /* once a second whatever dt is: the same seed gives the same day */
		double kick = random_unit(&h->random) * h->o.noise_w * sqrt(3 * (1 - NOISE_KEEP * NOISE_KEEP));

		h->noise_w = h->noise_w * NOISE_KEEP + kick;
		for (int i = 0; i < HOUSE_PHASES; i++)
			h->volt[i] = 230 + random_unit(&h->random);
		h->hz = 50 + random_unit(&h->random) * 0.02;
		h->noise_due_s += NOISE_STEP_S;
	}
	h->sun = isnan(h->sun_set) ? natural_sun(h->day_s) : h->sun_set;
	h->load_w = isnan(h->load_set_w) ? natural_load_w(h) : h->load_set_w;
	h->pv_w = isnan(h->pv_set_w) ? h->sun * h->o.pv_peak_w : h->pv_set_w;
	h->pv_w = fmin(h->pv_w, h->pv_limit_w);
}

/* Steps every battery; returns their power. */
static double batteries(struct house *h, double dt_s, double rest_w)
{
	double sum_w;

	storage_step(&h->battery, dt_s, rest_w, false);
	sum_w = h->battery.power_w;
	for (int i = 0; i < h->n_more; i++) {
		storage_step(&h->more[i], dt_s, rest_w + sum_w, false);
		sum_w += h->more[i].power_w;
	}
	return sum_w;
}

/* Without the grid the battery carries the house, or it is dark; the sun gives only what is taken. */
static void island(struct house *h, double dt_s)
{
	const struct storage before = h->battery;
	double rest_w;

	car_step(&h->car, dt_s, !h->dark);
	rest_w = h->load_w + h->car.power_w - h->pv_w;
	storage_step(&h->battery, dt_s, rest_w, true); /* the first one alone forms an island */
	rest_w += h->battery.power_w;
	h->dark = rest_w > 1;
	if (h->dark) {
		h->load_w = h->pv_w = 0;
		h->car.power_w = h->car.current_a = 0;
		h->battery = before; /* it tripped at once: no energy has moved */
		h->battery.power_w = 0;
	} else {
		h->pv_w += rest_w; /* surplus nobody takes is not produced */
	}
	h->grid_w = 0;
	for (int i = 0; i < HOUSE_PHASES; i++)
		h->phase_w[i] = 0;
}

static void on_grid(struct house *h, double dt_s)
{
	double rest_w, battery_w;

	h->dark = false;
	car_step(&h->car, dt_s, true);
	rest_w = h->load_w + h->car.power_w - h->pv_w;
	battery_w = batteries(h, dt_s, rest_w);
	h->grid_w = rest_w + battery_w;
	for (int i = 0; i < HOUSE_PHASES; i++) {
		double car_w = h->car.phases == 3 ? h->car.power_w / 3 : i == 0 ? h->car.power_w : 0;

		h->phase_w[i] = h->load_w * LOAD_SHARE[i] + car_w + (battery_w - h->pv_w) / HOUSE_PHASES;
	}
}

void house_step(struct house *h, double dt_s)
{
	double wh;

	if (!(dt_s > 0))
		return;
	dt_s = fmin(dt_s, 10);
	weather(h, dt_s);
	if (h->grid_lost)
		island(h, dt_s);
	else
		on_grid(h, dt_s);
	wh = h->grid_w * dt_s / 3600;
	if (wh > 0)
		h->import_wh += wh;
	else
		h->export_wh -= wh;
	h->pv_wh += h->pv_w * dt_s / 3600;
	h->now_s += dt_s;
}
