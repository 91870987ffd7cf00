/* Sums over intervals: clocks that lie, readings that stop, and energy that must neither appear nor vanish. */
#include "core/interval.h"
#include "support/cm.h"
#include "support/seed.h"

#include <stdlib.h>
#include <string.h>

#define T0 1790000100000LL /* a multiple of 300 s */
#define REPORTS_MAX 8
#define PI 3.14159265358979

static struct snapshot s;

static struct snap_device *device(int i, const char *id, uint32_t roles)
{
	struct snap_device *d = &s.dev[i];

	memset(d, 0, sizeof(*d));
	snprintf(d->id, sizeof(d->id), "%s", id);
	d->roles = roles;
	d->capacity_wh = NAN;
	d->state.availability = AVAIL_ONLINE;
	if (s.n_devices <= i)
		s.n_devices = i + 1;
	return d;
}

static void power(int i, double w)
{
	value_set(&s.dev[i].state.ac_power_w, w, s.now_ms, Q_GOOD);
}

static void grid(double w)
{
	value_set(&s.grid_w, w, s.now_ms, Q_GOOD);
	power(0, w);
}

static void site_new(int64_t utc_ms)
{
	memset(&s, 0, sizeof(s));
	s.now_ms = 5000000;
	s.utc_ms = utc_ms;
	s.clock_trusted = true;
	device(0, "meter", ROLE_GRID | ROLE_LOAD);
}

static void pass(int64_t ms)
{
	s.now_ms += ms;
	s.utc_ms += ms;
}

enum happens { NOTHING, JUMP_MS, UNTRUSTED_S, SILENT_S };

/* A kilowatt from the grid, a snapshot a second. Times in seconds since T0. */
static void test_clock(void **state)
{
	static const struct {
		const char *name;
		int length_s, from_ms, ticks;
		enum happens what;
		int at_tick, how_much;
		int n;
		struct { int start_s, duration_s, measured_s; } must[REPORTS_MAX];
	} ROWS[] = {
		{ "untrusted at boot for 100 s", 300, 0, 700, UNTRUSTED_S, 0, 100, 2, { { 100, 200, 200 }, { 300, 300, 300 } } },
		{ "untrusted in between: what was begun is dropped", 300, 0, 700, UNTRUSTED_S, 100, 250, 1, { { 350, 250, 250 } } },
		{ "a step forward within an interval", 300, 0, 400, JUMP_MS, 100, 120000, 2, { { 0, 99, 99 }, { 220, 80, 80 } } },
		{ "a step forward over a boundary", 300, 0, 400, JUMP_MS, 100, 250000, 2, { { 0, 99, 99 }, { 350, 250, 250 } } },
		{ "a step backward within an interval", 300, 0, 450, JUMP_MS, 200, -100000, 2, { { 0, 199, 199 }, { 100, 200, 200 } } },
		{ "a step backward over a boundary: not again what was told", 300, 0, 760, JUMP_MS, 400, -150000, 3,
		  { { 0, 300, 300 }, { 300, 99, 99 }, { 301, 299, 299 } } },
		{ "a step backward onto the start itself", 300, 0, 760, JUMP_MS, 400, -100000, 3,
		  { { 0, 300, 300 }, { 300, 99, 99 }, { 301, 299, 299 } } },
		{ "a step of an hour back", 300, 0, 4000, JUMP_MS, 100, -3600000, 2, { { 0, 99, 99 }, { 1, 299, 299 } } },
		{ "a step of more than an hour back: the old times were wrong", 300, 0, 401, JUMP_MS, 100, -3601000, 2,
		  { { 0, 99, 99 }, { -3501, 201, 201 } } },
		{ "a step of a day back", 300, 0, 250, JUMP_MS, 100, -86400000, 1, { { 0, 99, 99 } } },
		{ "a small step is none", 300, 0, 400, JUMP_MS, 100, 800, 1, { { 0, 300, 299 } } },
		{ "a step in the first second leaves nothing", 300, 0, 200, JUMP_MS, 1, 5000, 0, { { 0, 0, 0 } } },
		{ "a start in the middle", 300, 123400, 700, NOTHING, 0, 0, 2, { { 123, 177, 177 }, { 300, 300, 300 } } },
		{ "silence within an interval", 300, 0, 300, SILENT_S, 100, 60, 1, { { 0, 300, 240 } } },
		{ "silence of 15 s is none", 300, 0, 310, SILENT_S, 100, 15, 1, { { 0, 300, 300 } } },
		{ "silence over a boundary", 300, 0, 510, SILENT_S, 280, 100, 2, { { 0, 300, 279 }, { 379, 221, 221 } } },
		{ "silence over three boundaries", 300, 0, 510, SILENT_S, 280, 1000, 2, { { 0, 300, 279 }, { 1279, 221, 221 } } },
		{ "one second each", 1, 0, 4, NOTHING, 0, 0, 3, { { 0, 1, 1 }, { 1, 1, 1 }, { 2, 1, 1 } } },
		{ "one second each, off the beat", 1, 300, 4, NOTHING, 0, 0, 3, { { 0, 1, 1 }, { 1, 1, 1 }, { 2, 1, 1 } } },
		{ "a tick 3 s late ends three at once", 1, 0, 4, SILENT_S, 1, 3, 3, { { 0, 3, 3 }, { 3, 1, 1 }, { 4, 1, 1 } } },
		{ "seven seconds do not divide the day", 7, 0, 22, NOTHING, 0, 0, 3, { { 0, 0, 0 }, { 0, 7, 7 }, { 0, 7, 7 } } },
		{ "a day", 86400, 0, 86400 * 2, NOTHING, 0, 0, 2, { { 0, 0, 0 }, { 0, 86400, 86400 } } },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct interval_report r;
		struct interval iv;
		int n = 0;

		site_new(T0 + ROWS[k].from_ms);
		interval_init(&iv, ROWS[k].length_s);
		for (int tick = 0; tick < ROWS[k].ticks; tick++) {
			if (ROWS[k].what == JUMP_MS && tick == ROWS[k].at_tick)
				s.utc_ms += ROWS[k].how_much;
			if (ROWS[k].what == SILENT_S && tick == ROWS[k].at_tick)
				pass(ROWS[k].how_much * 1000LL - 1000);
			s.clock_trusted = !(ROWS[k].what == UNTRUSTED_S && tick >= ROWS[k].at_tick &&
					    tick < ROWS[k].at_tick + ROWS[k].how_much);
			grid(1000);
			if (interval_step(&iv, &s, &r)) {
				assert_row(ROWS[k].name, n < ROWS[k].n);
				assert_row(ROWS[k].name, r.duration_s > 0 && r.duration_s <= ROWS[k].length_s + 15);
				if (ROWS[k].must[n].duration_s) {
					assert_row_near(ROWS[k].name, r.duration_s, ROWS[k].must[n].duration_s);
					assert_row_near(ROWS[k].name, r.grid.measured_s, ROWS[k].must[n].measured_s);
					assert_row_near(ROWS[k].name, r.grid.in_wh, r.grid.measured_s / 3.6);
				}
				if (ROWS[k].must[n].start_s)
					assert_row_near(ROWS[k].name, (double)(r.start_utc_ms - T0) / 1000, ROWS[k].must[n].start_s);
				n++;
			}
			pass(1000);
		}
		assert_row_near(ROWS[k].name, n, ROWS[k].n);
	}
}

/* Starts only grow over steps back and forth, cuts and untrusted times; what is not measured for that is counted. */
static void test_starts_grow(void **state)
{
	static const struct { int at_s, jump_s, untrusted_s; } STEPS[] = {
		{ 130, -70, 0 }, { 150, -2, 0 }, { 200, 400, 0 }, { 210, -900, 0 }, { 1500, -600, 50 }, { 1501, -600, 0 },
		{ 3200, 0, 70 }, { 3300, -1, 0 }, { 3301, -1, 0 },
	};
	int64_t last = 0, skipped = -1;
	struct interval_report r;
	struct interval iv;
	int n = 0;

	(void)state;
	site_new(T0);
	interval_init(&iv, 60);
	for (int t = 0; t < 5000; t++, pass(1000)) {
		s.clock_trusted = true;
		for (size_t k = 0; k < sizeof(STEPS) / sizeof(STEPS[0]); k++) {
			s.utc_ms += t == STEPS[k].at_s ? STEPS[k].jump_s * 1000LL : 0;
			s.clock_trusted &= t < STEPS[k].at_s || t >= STEPS[k].at_s + STEPS[k].untrusted_s;
		}
		grid(1000);
		if (interval_step(&iv, &s, &r) || (t % 77 == 0 && interval_cut(&iv, &r))) {
			assert_true(r.start_utc_ms > last);
			last = r.start_utc_ms;
			n++;
		}
		if (t == 4000)
			skipped = iv.skipped;
	}
	assert_true(n > 60);
	assert_in_range(skipped, 1000, 2500);
	assert_true(iv.skipped == skipped); /* it is over */
	s.utc_ms -= 2 * 365 * 86400000LL; /* a clock that was years ahead silences nobody */
	for (int t = n = 0; t < 200; t++, pass(1000)) {
		grid(1000);
		n += interval_step(&iv, &s, &r);
	}
	assert_in_range(n, 3, 5);
}

/* Readings that come every so often count for 15 s each, the last one too. */
static void test_holes(void **state)
{
	static const struct {
		const char *name;
		int every_s;
		double measured_s; /* of 300 */
	} ROWS[] = {
		{ "every second", 1, 300 }, { "every 10 s", 10, 300 }, { "every 15 s", 15, 300 }, { "every 20 s", 20, 225 },
		{ "every 60 s", 60, 75 },   { "once", 1000, 15 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct interval_report r;
		struct interval iv;
		bool ended = false;

		site_new(T0);
		device(1, "b", ROLE_BATTERY);
		interval_init(&iv, 300);
		for (int t = 0; t <= 300; t++, pass(1000)) {
			if (t % ROWS[k].every_s == 0)
				power(1, -2000);
			ended = interval_step(&iv, &s, &r);
		}
		assert_row(ROWS[k].name, ended);
		assert_row_near(ROWS[k].name, r.device[1].power.measured_s, ROWS[k].measured_s);
		assert_row_near(ROWS[k].name, r.device[1].power.out_wh, ROWS[k].measured_s / 1.8);
		assert_row(ROWS[k].name, r.device[1].power.in_wh == 0);
		assert_row(ROWS[k].name, isnan(r.device[1].power.last_w) == (ROWS[k].every_s > 300));
	}
}

/* Lost in the middle: what was measured counts, the end says offline, the last good charge is kept. */
static void test_lost(void **state)
{
	struct interval_report r;
	struct interval iv;

	(void)state;
	site_new(T0);
	device(1, "b", ROLE_BATTERY);
	interval_init(&iv, 300);
	for (int t = 0; t < 300; t++, pass(1000)) {
		if (t <= 100) {
			power(1, 3600);
			value_set(&s.dev[1].state.f[F_BATTERY_SOC_PCT], 55.5, s.now_ms, Q_GOOD);
			value_set(&s.dev[1].state.f[F_INVERTER_GRID_ONLINE], 1, s.now_ms, Q_GOOD);
		}
		if (t == 120) {
			s.dev[1].state.availability = AVAIL_OFFLINE;
			for (int f = 0; f < F_COUNT; f++)
				if (s.dev[1].state.f[f].q != Q_ABSENT)
					s.dev[1].state.f[f].q = Q_STALE;
			s.dev[1].state.ac_power_w.q = Q_STALE;
		}
		assert_false(interval_step(&iv, &s, &r));
	}
	assert_true(interval_step(&iv, &s, &r));
	assert_false(r.device[1].online);
	assert_near(r.device[1].power.in_wh, 115);
	assert_true(isnan(r.device[1].power.last_w));
	assert_true(r.device[1].soc_pct == 55.5 && isnan(r.device[1].soh_pct) && r.device[1].grid_online == -1);
	s.dev[1].state.availability = AVAIL_ONLINE; /* and back: nothing is made up for the time between */
	for (int t = 0; t < 300; t++, pass(1000)) {
		if (t >= 200)
			power(1, 3600);
		if (interval_step(&iv, &s, &r))
			fail();
	}
	assert_true(interval_step(&iv, &s, &r));
	assert_true(r.device[1].online);
	assert_near(r.device[1].power.in_wh, 100);
}

enum shape { CONSTANT, RAMP, SINE, SINE_BOTH, SQUARE };

static double shape_w(enum shape shape, double t_s)
{
	switch (shape) {
	case CONSTANT:
		return 1234.5;
	case RAMP:
		return -3000 + t_s * 5;
	case SINE:
		return 2000 + 1900 * sin(t_s / 40);
	case SINE_BOTH:
		return 2500 * sin(t_s / 17 + 0.3);
	case SQUARE:
		return fmod(t_s, 60) < 30 ? 4000 : -1000;
	}
	return 0;
}

/* Positive and negative part in Wh between two times, by brute force. */
static void exact_wh(enum shape shape, double from_s, double to_s, double *in, double *out)
{
	const double step = 0.001;

	*in = *out = 0;
	for (double t = from_s + step / 2; t < to_s; t += step) {
		const double w = shape_w(shape, t);

		*(w > 0 ? in : out) += fabs(w) * step / 3600;
	}
}

/* Each interval within a thousandth of the exact integral (of the energy moved); a square wave's edges within a tick. */
static void test_energy(void **state)
{
	static const struct {
		const char *name;
		enum shape shape;
		int tick_ms, jitter_ms, length_s, seconds;
		double square_wh; /* what an edge may cost */
	} ROWS[] = {
		{ "constant", CONSTANT, 1000, 0, 300, 900, 0 },
		{ "ramp through zero", RAMP, 1000, 0, 300, 1200, 0 },
		{ "ramp, beat wandering over the boundary", RAMP, 1000, 400, 300, 1200, 0 },
		{ "sine", SINE, 1000, 300, 300, 900, 0 },
		{ "sine, one second", SINE, 1000, 300, 1, 200, 0 },
		{ "sine, both ways", SINE_BOTH, 1000, 300, 300, 900, 0 },
		{ "sine, both ways, fast ticks", SINE_BOTH, 100, 60, 60, 300, 0 },
		{ "sine, both ways, slow ticks", SINE_BOTH, 2000, 300, 300, 900, 0 },
		{ "square", SQUARE, 1000, 300, 300, 900, 11 * 5000 * 0.65 / 3600 },
	};

	(void)state;
	srand(7);
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		double sum_in = 0, sum_out = 0, in, out, bound, t_s = 0;
		struct interval_report r;
		struct interval iv;
		int n = 0;

		site_new(T0);
		device(1, "b", ROLE_BATTERY);
		interval_init(&iv, ROWS[k].length_s);
		while (t_s <= ROWS[k].seconds + 2.5) {
			int64_t ms = ROWS[k].tick_ms + (ROWS[k].jitter_ms ? rand() % (2 * ROWS[k].jitter_ms) - ROWS[k].jitter_ms : 0);

			power(1, shape_w(ROWS[k].shape, t_s));
			if (interval_step(&iv, &s, &r)) {
				const double from = (double)(r.start_utc_ms - T0) / 1000;

				assert_row(ROWS[k].name, (r.start_utc_ms / 1000 + r.duration_s) % ROWS[k].length_s == 0);
				exact_wh(ROWS[k].shape, from, from + r.duration_s, &in, &out);
				/* a second's part of a sine near zero moves nothing: then a milliwatt-hour will do */
				bound = 0.001 * (in + out) + 0.001 + ROWS[k].square_wh;
				assert_row(ROWS[k].name, fabs(r.device[1].power.in_wh - in) <= bound);
				assert_row(ROWS[k].name, fabs(r.device[1].power.out_wh - out) <= bound);
				assert_row(ROWS[k].name, fabs(r.device[1].power.measured_s - r.duration_s) < 1e-6);
				sum_in += r.device[1].power.in_wh;
				sum_out += r.device[1].power.out_wh;
				n += r.duration_s;
			}
			pass(ms);
			t_s += (double)ms / 1000;
		}
		assert_row(ROWS[k].name, n >= ROWS[k].seconds); /* no gap */
		exact_wh(ROWS[k].shape, 0, n, &in, &out);
		assert_row(ROWS[k].name, fabs(sum_in - in) <= 0.001 * (in + out) + ROWS[k].square_wh * 3);
		assert_row(ROWS[k].name, fabs(sum_out - out) <= 0.001 * (in + out) + ROWS[k].square_wh * 3);
	}
}

/* Flip computes the grid as home + battery - solar: with everything known that is what the meter said. */
static void test_balance(void **state)
{
	double battery_w, sun_w, car_w;
	struct interval_report r;
	struct interval iv;
	int n = 0;

	(void)state;
	srand((unsigned)seed_of("HEARTH_SEED"));
	site_new(T0 + 4711);
	device(1, "b", ROLE_BATTERY);
	device(2, "sun", ROLE_PV);
	device(3, "car", ROLE_CHARGER);
	device(4, "hybrid", ROLE_BATTERY | ROLE_PV);
	interval_init(&iv, 60);
	for (int i = 0; i < 2000; i++, pass(500 + rand() % 1000)) {
		const double hybrid_w = rand() % 6000 - 3000, part_w = hybrid_w + rand() % 2000;

		battery_w = rand() % 8000 - 4000;
		sun_w = i < 1000 ? -(rand() % 5000) : 7; /* then night: the inverter draws a little */
		car_w = rand() % 3 ? 0 : 7000;
		power(1, battery_w);
		power(2, sun_w);
		power(3, car_w);
		power(4, hybrid_w);
		value_set(&s.dev[4].state.f[F_BATTERY_POWER_AC_W], part_w, s.now_ms, Q_GOOD);
		grid(400 + rand() % 300 + battery_w + sun_w + car_w + hybrid_w);
		if (!interval_step(&iv, &s, &r))
			continue;
		n++;
		assert_true(fabs(r.grid.in_wh - r.grid.out_wh -
				 (r.home.in_wh + r.device[1].power.in_wh - r.device[1].power.out_wh + r.device[4].power.in_wh -
				  r.device[4].power.out_wh - r.solar.in_wh)) < 1e-6);
		assert_true(fabs(r.grid.last_w - (r.home.last_w + battery_w + part_w - r.solar.last_w)) < 1e-6);
		assert_true(r.home.out_wh == 0 && r.home.last_w >= 400 + car_w);
		assert_true(r.home.measured_s > r.duration_s - 1.1);
	}
	assert_true(n >= 20);
}

/* What is not there is 0 and known; what is silent is not known. */
static void test_parts(void **state)
{
	enum { METER = 1, BATTERY = 2, SUN = 4, CAR = 8 };
	static const struct {
		const char *name;
		int there, silent;
		double home_w, solar_w; /* NAN = not known, of 500 W load, 1000 W sun, 2000 W battery, 3000 W car */
	} ROWS[] = {
		{ "nothing but a silent meter", METER, METER, NAN, 0 },
		{ "meter", METER, 0, 500, 0 },
		{ "no meter", 0, 0, NAN, 0 },
		{ "meter and sun", METER | SUN, 0, 500, 1000 },
		{ "silent sun", METER | SUN, SUN, NAN, NAN },
		{ "silent battery", METER | SUN | BATTERY, BATTERY, NAN, 1000 },
		{ "silent meter", METER | SUN | BATTERY, METER, NAN, 1000 },
		{ "a silent charger is in the house all the same", METER | SUN | BATTERY | CAR, CAR, 3500, 1000 },
		{ "all", METER | SUN | BATTERY | CAR, 0, 3500, 1000 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		const int there = ROWS[k].there, silent = ROWS[k].silent;
		struct interval_report r;
		struct interval iv;

		site_new(T0);
		if (there & BATTERY)
			device(1, "b", ROLE_BATTERY);
		if (there & SUN)
			device(2, "sun", ROLE_PV);
		if (there & CAR)
			device(3, "car", ROLE_CHARGER);
		interval_init(&iv, 10);
		for (int t = 0; t < 10; t++, pass(1000)) {
			if (there & BATTERY & ~silent)
				power(1, 2000);
			if (there & SUN & ~silent)
				power(2, -1000);
			if (there & CAR & ~silent)
				power(3, 3000);
			if (there & METER & ~silent)
				grid(500 + (there & BATTERY ? 2000 : 0) - (there & SUN ? 1000 : 0) + (there & CAR ? 3000 : 0));
			assert_false(interval_step(&iv, &s, &r));
		}
		assert_true(interval_step(&iv, &s, &r));
		assert_row(ROWS[k].name, isnan(r.home.last_w) == isnan(ROWS[k].home_w));
		assert_row(ROWS[k].name, isnan(r.solar.last_w) == isnan(ROWS[k].solar_w));
		if (!isnan(ROWS[k].home_w)) {
			assert_row_near(ROWS[k].name, r.home.last_w, ROWS[k].home_w);
			assert_row_near(ROWS[k].name, r.home.in_wh * 360, ROWS[k].home_w);
		} else {
			assert_row(ROWS[k].name, r.home.in_wh == 0 && r.home.measured_s == 0);
		}
		if (!isnan(ROWS[k].solar_w))
			assert_row_near(ROWS[k].name, r.solar.in_wh * 360, ROWS[k].solar_w);
	}
}

/* Devices come, go and change places in the middle; each keeps what is its own. */
static void test_devices_change(void **state)
{
	struct interval_report r;
	struct interval iv;

	(void)state;
	site_new(T0);
	device(1, "a", ROLE_BATTERY);
	device(2, "b", ROLE_BATTERY);
	interval_init(&iv, 300);
	for (int t = 0; t < 300; t++, pass(1000)) {
		if (t == 150) {
			device(1, "b", ROLE_BATTERY);
			device(2, "c", ROLE_BATTERY);
		}
		power(1, t < 150 ? 1000 : -3600);
		power(2, t < 150 ? -3600 : 7200);
		assert_false(interval_step(&iv, &s, &r));
	}
	power(1, -3600);
	power(2, 7200);
	assert_true(interval_step(&iv, &s, &r));
	assert_int_equal(r.n, 3);
	assert_string_equal(r.device[1].id, "b");
	assert_near(r.device[1].power.out_wh, 300);
	assert_true(r.device[1].power.in_wh == 0);
	assert_string_equal(r.device[2].id, "c");
	assert_near(r.device[2].power.in_wh, 300);
	s.n_devices = 1; /* fewer: no trace of the others */
	pass(1000);
	grid(0);
	interval_step(&iv, &s, &r);
	assert_true(interval_cut(&iv, &r));
	assert_int_equal(r.n, 1);
}

static void test_cut(void **state)
{
	struct interval_report r;
	struct interval iv;

	(void)state;
	site_new(T0 + 100000);
	interval_init(&iv, 300);
	assert_false(interval_cut(&iv, &r));
	for (int t = 0; t <= 42; t++, pass(1000)) {
		grid(-3600);
		assert_false(interval_step(&iv, &s, NULL));
	}
	assert_true(interval_cut(&iv, &r));
	assert_int_equal(r.duration_s, 42);
	assert_true(r.start_utc_ms == T0 + 100000);
	assert_near(r.grid.out_wh, 42);
	assert_false(interval_cut(&iv, &r));
	grid(0);
	assert_false(interval_step(&iv, &s, &r));
	assert_false(interval_cut(&iv, &r)); /* less than a second */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock), cmocka_unit_test(test_starts_grow),
		cmocka_unit_test(test_holes), cmocka_unit_test(test_lost),
		cmocka_unit_test(test_energy),	cmocka_unit_test(test_balance), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_devices_change), cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
