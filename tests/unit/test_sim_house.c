/* Physics of the simulated home: energy is conserved, stores stay inside their limits, delays and ramps are real. */
#include "simulate/car.c"
#include "simulate/house.c"
#include "simulate/storage.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static void near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		print_error("got %.6f, want %.6f +- %g\n", got, want, tolerance);
	assert_true(fabs(got - want) <= tolerance);
}

static struct house quiet_house(double load_w, double pv_w)
{
	struct house_options o = house_defaults();
	struct house h;

	o.noise_w = 0;
	house_init(&h, &o);
	h.load_set_w = load_w;
	h.pv_set_w = pv_w;
	return h;
}

static void run(struct house *h, double seconds)
{
	for (double t = 0; t < seconds - 1e-9; t += 0.1)
		house_step(h, 0.1);
}

static void order_power(struct house *h, double w)
{
	struct storage_order o = storage_auto(&h->battery.o);

	o.fixed = true;
	o.power_w = w;
	storage_aim(&h->battery, &o);
}

/* What flows in must be stored, used or lost, whatever happens, also with an unkind dt. */
static void test_energy_is_conserved(void **state)
{
	struct house_options o = house_defaults();
	uint64_t random = 42;
	struct house h;
	double load_wh = 0, start_wh, stored_wh, kept_wh;

	(void)state;
	o.car_plugged = true;
	house_init(&h, &o);
	start_wh = h.battery.energy_wh;
	for (int i = 0; i < 50000; i++) {
		double dt = 0.05 + fabs(random_unit(&random)) * 2;
		double sum;

		if (i % 97 == 0)
			order_power(&h, random_unit(&random) * 7000);
		if (i % 61 == 0)
			car_offer(&h.car, fabs(random_unit(&random)) * 20, i % 2 ? 1 : 3);
		if (i % 997 == 0)
			car_plug(&h.car, !h.car.plugged);
		house_step(&h, dt);
		sum = h.load_w + h.car.power_w + h.battery.power_w - h.pv_w;
		near(h.grid_w, sum, 1e-6);
		near(h.phase_w[0] + h.phase_w[1] + h.phase_w[2], h.grid_w, 1e-6);
		assert_true(h.battery.power_w <= 5000 && h.battery.power_w >= -5000);
		assert_true(storage_soc_pct(&h.battery) >= 0 && storage_soc_pct(&h.battery) <= 100);
		load_wh += h.load_w * dt / 3600;
	}
	near(h.import_wh - h.export_wh, load_wh + h.car.total_wh + h.battery.charged_wh - h.battery.discharged_wh - h.pv_wh,
	     0.01);
	stored_wh = h.battery.charged_wh * o.battery.charge_eff - h.battery.discharged_wh / o.battery.discharge_eff;
	kept_wh = h.battery.energy_wh - start_wh;
	near(kept_wh, stored_wh - o.battery.standby_w * h.now_s / 3600, 1);
}

static void test_soc_integrates_with_losses(void **state)
{
	struct house h = quiet_house(0, 0);

	(void)state;
	h.battery.o.standby_w = 0;
	storage_soc_set(&h.battery, 50);
	order_power(&h, 4000);
	run(&h, 3600);
	near(storage_soc_pct(&h.battery), 50 + 100 * 4000 * 0.95 / 13500, 0.05);
	order_power(&h, -4000);
	storage_soc_set(&h.battery, 50);
	run(&h, 3600);
	near(storage_soc_pct(&h.battery), 50 - 100 * 4000 / 0.95 / 13500, 0.05);
}

static void test_speed_scales_energy_only(void **state)
{
	struct house h = quiet_house(0, 0);

	(void)state;
	h.battery.o.standby_w = 0;
	house_speed_set(&h, 100);
	storage_soc_set(&h.battery, 50);
	order_power(&h, -3000);
	run(&h, 36);
	near(h.battery.power_w, -3000, 1e-6);
	near(storage_soc_pct(&h.battery), 50 - 100 * 3000 / 0.95 / 13500, 1);
	near(h.export_wh, 30, 1); /* the meter counts what really flowed */
}

static void test_limits_of_the_store(void **state)
{
	static const struct {
		const char *name;
		double soc, order_w, dt, reserve, end_min, end_max;
	} ROWS[] = {
		{ "empties to its cut-off and no further", 6, -5000, 10, 0, 4.99, 5.01 },
		{ "stops at the reserve", 32, -5000, 1, 30, 29.95, 30.01 },
		{ "below the reserve it does not discharge", 20, -5000, 1, 30, 19.9, 20 },
		{ "fills to the brim and no further", 99, 5000, 10, 0, 99.9, 100 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct house h = quiet_house(500, 0);
		struct storage_order o = storage_auto(&h.battery.o);

		print_message("%s\n", ROWS[i].name);
		h.battery.o.standby_w = 0;
		storage_soc_set(&h.battery, ROWS[i].soc);
		o.fixed = true;
		o.power_w = ROWS[i].order_w;
		o.reserve_pct = ROWS[i].reserve;
		storage_aim(&h.battery, &o);
		h.battery.pending_s = 0;
		for (double t = 0; t < 7200; t += ROWS[i].dt) {
			house_step(&h, ROWS[i].dt);
			assert_true(storage_soc_pct(&h.battery) >= 5 - 1e-9);
		}
		assert_true(storage_soc_pct(&h.battery) >= ROWS[i].end_min);
		assert_true(storage_soc_pct(&h.battery) <= ROWS[i].end_max);
		near(h.battery.power_w, 0, 1);
	}
}

static void test_dead_time_and_ramp(void **state)
{
	struct house h = quiet_house(0, 0);

	(void)state;
	order_power(&h, -4000);
	run(&h, 0.6);
	near(h.battery.power_w, 0, 1e-6);
	run(&h, 0.5);
	assert_true(h.battery.power_w < -1000 && h.battery.power_w > -3900);
	run(&h, 1);
	near(h.battery.power_w, -4000, 1e-6);
	for (int i = 0; i < 20; i++) { /* orders faster than the dead time do not starve it */
		order_power(&h, -1000 - i);
		run(&h, 0.1);
	}
	run(&h, 1);
	near(h.battery.power_w, -1019, 1e-6);
}

static void test_self_consumption(void **state)
{
	static const struct {
		double load, pv, min, max;
		bool grid_charging;
		double want_battery, want_grid;
	} ROWS[] = {
		{ 2000, 0, -5000, 5000, true, -2000, 0 },    { 1000, 4000, -5000, 5000, true, 3000, 0 },
		{ 9000, 0, -5000, 5000, true, -5000, 4000 }, { 0, 9000, -5000, 5000, true, 5000, -4000 },
		{ 2000, 0, 0, 5000, true, 0, 2000 },         { 500, 2000, 0, 0, true, 0, -1500 },
		{ 1000, 0, 2500, 5000, true, 2500, 3500 },   { 1000, 3000, -5000, -1500, true, -1500, -3500 },
		{ 1000, 2500, 3000, 5000, false, 1500, 0 }, /* forced to charge, but from surplus only */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct house h = quiet_house(ROWS[i].load, ROWS[i].pv);
		struct storage_order o = storage_auto(&h.battery.o);

		o.min_w = ROWS[i].min;
		o.max_w = ROWS[i].max;
		o.grid_charging = ROWS[i].grid_charging;
		storage_aim(&h.battery, &o);
		run(&h, 5);
		near(h.battery.power_w, ROWS[i].want_battery, 1e-6);
		near(h.grid_w, ROWS[i].want_grid, 1e-6);
	}
}

static void test_island(void **state)
{
	struct house h = quiet_house(1500, 4000);
	double stored_wh;

	(void)state;
	order_power(&h, 0);
	h.grid_lost = true;
	run(&h, 1);
	near(h.battery.power_w, 2500, 1e-6); /* the order is void, the surplus is stored */
	assert_false(h.dark);
	h.load_set_w = 9000;
	run(&h, 0.1);
	near(h.battery.power_w, -5000, 1e-6);
	assert_false(h.dark);
	h.load_set_w = 9500; /* more than sun and battery can give */
	stored_wh = h.battery.energy_wh;
	run(&h, 60);
	assert_true(h.dark);
	near(h.battery.energy_wh, stored_wh, 1e-6); /* nobody got anything */
	near(h.load_w + h.pv_w + h.battery.power_w + h.grid_w, 0, 1e-6);
	h.load_set_w = 100;
	h.pv_set_w = 8000;
	run(&h, 1);
	assert_false(h.dark);
	near(h.pv_w, 5100, 1e-6); /* sun nobody takes is not produced */
	h.grid_lost = false;
	run(&h, 5);
	near(h.battery.power_w, 0, 1e-6);
	near(h.grid_w, -7900, 1e-6);
}

static void test_island_ends_at_the_hardware_minimum(void **state)
{
	struct house h = quiet_house(4000, 0);
	struct storage_order o = storage_auto(&h.battery.o);

	(void)state;
	o.reserve_pct = 50; /* the reserve exists for this */
	storage_aim(&h.battery, &o);
	storage_soc_set(&h.battery, 10);
	h.grid_lost = true;
	for (int i = 0; i < 3600; i++)
		house_step(&h, 1);
	near(storage_soc_pct(&h.battery), 5, 0.15); /* standby takes a little more */
	assert_true(h.dark);
}

static void test_car(void **state)
{
	struct house h = quiet_house(0, 0);

	(void)state;
	storage_aim(&h.battery, &(struct storage_order){ .off = true });
	h.car.o.speed = 1;
	car_offer(&h.car, 16, 3);
	run(&h, 5);
	near(h.car.power_w, 0, 1e-6); /* nothing plugged in */
	car_plug(&h.car, true);
	run(&h, 2);
	near(h.car.power_w, 0, 1e-6);
	run(&h, 1);
	near(h.car.power_w, 16 * 230 * 3, 1e-6);
	near(h.phase_w[2], 16 * 230, 1e-6);
	car_offer(&h.car, 5.9, 3); /* below 6 A is a pause */
	run(&h, 2);
	near(h.car.power_w, 16 * 230 * 3, 1e-6);
	run(&h, 1);
	near(h.car.power_w, 0, 1e-6);
	car_offer(&h.car, 10, 1);
	run(&h, 3);
	near(h.car.power_w, 2300, 1e-6);
	near(h.phase_w[0], 2300, 1e-6);
	near(h.phase_w[1], 0, 1e-6);
	car_soc_set(&h.car, 99.999);
	run(&h, 60);
	near(h.car.power_w, 0, 1e-6);
	near(car_soc_pct(&h.car), 100, 1e-6);
}

static void test_same_seed_same_day(void **state)
{
	struct house_options o = house_defaults();
	struct house a, b, c;
	double differences = 0;

	(void)state;
	house_init(&a, &o);
	house_init(&b, &o);
	o.seed = 2;
	house_init(&c, &o);
	for (int i = 0; i < 3600; i++) {
		house_step(&a, 1);
		house_step(&b, 1);
		house_step(&c, 1);
		assert_true(a.load_w == b.load_w && a.grid_w == b.grid_w);
		differences += fabs(a.load_w - c.load_w);
	}
	assert_true(differences > 3600);
}

static void test_day(void **state)
{
	static const struct {
		double hour, sun_min, sun_max, load_min, load_max;
	} ROWS[] = { { 3, 0, 0, 299, 320 },
		     { 7.5, 0.1, 0.5, 1100, 1300 },
		     { 13, 0.99, 1, 299, 340 },
		     { 19, 0.05, 0.3, 1790, 1810 },
		     { 23, 0, 0, 350, 600 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct house h = quiet_house(NAN, NAN);

		h.day_s = ROWS[i].hour * 3600;
		house_step(&h, 0.1);
		assert_true(h.sun >= ROWS[i].sun_min && h.sun <= ROWS[i].sun_max);
		assert_true(h.load_w >= ROWS[i].load_min && h.load_w <= ROWS[i].load_max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_energy_is_conserved),
		cmocka_unit_test(test_soc_integrates_with_losses),
		cmocka_unit_test(test_speed_scales_energy_only),
		cmocka_unit_test(test_limits_of_the_store),
		cmocka_unit_test(test_dead_time_and_ramp),
		cmocka_unit_test(test_self_consumption),
		cmocka_unit_test(test_island),
		cmocka_unit_test(test_island_ends_at_the_hardware_minimum),
		cmocka_unit_test(test_car),
		cmocka_unit_test(test_same_seed_same_day),
		cmocka_unit_test(test_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
