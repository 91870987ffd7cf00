/* The closed loops on the grid meter, against the figures they must reach: on plants of every delay, number of batteries and
 * meter, with a driver that is wrong about its settle time, with noise, steps, ramps and short loads; then with devices that
 * answer unlike each other, lie, or become slow. bench_loops prints the same figures. */
#include "support/cm.h"
#include "support/loops.h"

#define SETTLE 6.0
#define OVERSHOOT_PCT 10.0
#define SIGNS_MIN 1.0
#define LEAK 1.3
#define LEAK_ZERO_EXPORT 1.5

static const int DELAYS[] = { 500, 1000, 2000, 5000, 10000, 20000 }, PERIODS[] = { 200, 1000, 2000, 5000, 10000 };
static const double SETTLE_WRONG[] = { 0.5, 1, 2 };

static void print_plant(const struct loop_plant *p, const struct loop_figures *f, double leak)
{
	print_message("task %d, %d batteries of %d + %d ms, settle x %.1f, meter %d + %d ms, noise %.0f W: settles in %.2f delays, overshoot %.1f %%, "
		      "%.1f signs a minute, leak %.2f, %d swings, window %.0f ms\n", p->task, p->batteries, p->delay_ms, p->tau_ms, p->settle_factor,
		      p->meter_period_ms, p->meter_delay_ms, p->noise_w, f->settle, f->overshoot_pct, f->signs_min, leak, f->swings, f->max_ms);
}

static bool reached(const struct loop_plant *p, struct loop_figures *f)
{
	/* where nothing may be exported, noise is cut on one side, and that imports */
	double leak, most = p->task == TASK_ZERO_EXPORT ? LEAK_ZERO_EXPORT : LEAK;
	struct loop_figures best;

	loop_run(p, LOOP_CHAIN, f);
	loop_run(p, LOOP_ORACLE, &best);
	leak = f->leak_wh / best.leak_wh;
	if (f->settle < SETTLE && f->overshoot_pct < OVERSHOOT_PCT && f->signs_min < SIGNS_MIN && leak <= most)
		return true;
	print_plant(p, f, leak);
	return false;
}

static struct loop_plant plant(int delay_ms)
{
	return (struct loop_plant){ .delay_ms = delay_ms, .tau_ms = (int)fmax(100, delay_ms / 500 * 100), .batteries = 1, .meter_period_ms = 1000,
				    .meter_delay_ms = 500, .settle_factor = 1, .noise_w = 15, .poll_ms = 1000, .tick_ms = 1000 };
}

static void every_plant_reaches_the_figures(void **state)
{
	struct loop_figures f;
	int missed = 0;

	(void)state;
	for (int k = 0; k < 6 * 5 * 3 * 3; k++) {
		struct loop_plant p = plant(DELAYS[k % 6]);

		p.meter_period_ms = PERIODS[k / 6 % 5];
		p.batteries = 1 + k / 30 % 3;
		p.settle_factor = SETTLE_WRONG[k / 90];
		p.noise_w = k % 2 ? 30 : 8;
		p.meter_delay_ms = k % 3 == 0 ? 0 : k % 3 == 1 ? 500 : 1500;
		missed += !reached(&p, &f) || f.swings > 0;
	}
	assert_int_equal(missed, 0);
}

/* Events that follow the load, no export at all, charging under an import limit: the same loop, or the sharing of a limit. */
static void other_tasks_are_as_calm(void **state)
{
	struct loop_figures f;
	int missed = 0;

	(void)state;
	for (enum loop_task task = TASK_FOLLOW_LOAD; task <= TASK_IMPORT_LIMIT; task++)
		for (int k = 0; k < 6 * 3; k++) {
			struct loop_plant p = plant(DELAYS[k % 6]);

			p.task = task;
			p.batteries = 1 + k / 6 % 2;
			p.meter_period_ms = PERIODS[k % 5];
			p.meter_delay_ms = k % 2 ? 1500 : 200;
			missed += !reached(&p, &f);
		}
	assert_int_equal(missed, 0);
}

/* Unlike devices, other gains, other ticks, readings that are old. */
static void odd_plants_reach_the_figures_too(void **state)
{
	static const struct { const char *name; double unlike, gain; int batteries, poll_ms, tick_ms, late_ms, meter_delay_ms; } ROWS[] = {
		{ "each battery half as slow as the one before", 0.5, 0, 3, 1000, 1000, 0, 500 },
		{ "does 8 % less than told", 1, 0.92, 1, 1000, 1000, 0, 500 },
		{ "does 5 % more than told", 1, 1.05, 2, 1000, 1000, 0, 500 },
		{ "read every ten seconds", 1, 0, 2, 10000, 1000, 0, 500 },
		{ "a tick of 200 ms", 1, 0, 1, 1000, 200, 0, 500 },
		{ "readings five seconds old", 1, 0, 1, 1000, 1000, 5000, 500 },
		{ "a meter three seconds behind", 1, 0, 1, 1000, 1000, 0, 3000 },
	};
	static const int D[] = { 500, 2000, 5000, 10000 };
	struct loop_figures f;

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++)
		for (size_t k = 0; k < sizeof(D) / sizeof(D[0]); k++) {
			struct loop_plant p = plant(D[k]);

			p.unlike = ROWS[r].unlike;
			p.gain = ROWS[r].gain;
			p.batteries = ROWS[r].batteries;
			p.poll_ms = ROWS[r].poll_ms;
			p.tick_ms = ROWS[r].tick_ms;
			p.late_ms = ROWS[r].late_ms;
			p.meter_delay_ms = ROWS[r].meter_delay_ms;
			assert_row(ROWS[r].name, reached(&p, &f));
		}
}

/* A device that suddenly answers four times as late: what it does is waited for, not ordered twice. */
static void a_device_that_becomes_slow_is_waited_for(void **state)
{
	struct loop_figures f;

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct loop_plant p = plant(DELAYS[k + 1]);

		p.later = 4;
		loop_run(&p, LOOP_CHAIN, &f);
		assert_true(f.overshoot_pct < OVERSHOOT_PCT);
		assert_true(f.signs_min < SIGNS_MIN);
		assert_true(f.max_ms > 4 * p.delay_ms);
	}
}

/* Eight times as late, and it is hardly read: the loop hears its own echo until the detector says so. */
static void a_loop_that_swings_is_named_and_calmed(void **state)
{
	struct loop_plant p = plant(3000);
	struct loop_figures f;

	(void)state;
	p.later = 8;
	p.poll_ms = 25000;
	loop_run(&p, LOOP_CHAIN, &f);
	assert_true(f.overshoot_pct > 50);
	assert_true(f.swings > 100);
	assert_true(f.signs_min < SIGNS_MIN);
	assert_true(f.max_ms > 8 * p.delay_ms);
}

/* A battery that takes no orders holds the same meter: ours leaves it to that one. */
static void one_authority_for_a_meter(void **state)
{
	struct loop_figures f;

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct loop_plant p = plant(DELAYS[k]);

		p.stranger = true;
		loop_run(&p, LOOP_CHAIN, &f);
		assert_true(f.overshoot_pct < 2 * OVERSHOOT_PCT);
		assert_true(f.signs_min < SIGNS_MIN);
		assert_int_equal(f.swings, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_plant_reaches_the_figures),
		cmocka_unit_test(other_tasks_are_as_calm),
		cmocka_unit_test(odd_plants_reach_the_figures_too),
		cmocka_unit_test(a_device_that_becomes_slow_is_waited_for),
		cmocka_unit_test(a_loop_that_swings_is_named_and_calmed),
		cmocka_unit_test(one_authority_for_a_meter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
