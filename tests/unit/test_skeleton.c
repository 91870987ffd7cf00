/* The template driver, tested the way every driver is: it reads, it ages, it comes back, it never invents. */
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_skeleton(void **state)
{
	struct fake_unit u = { .unit = 7 };
	struct driver_options o = fake_options("skeleton", 7);
	struct fake_run run;
	struct batch_result stray = { .id = 999, .n = 1 };
	const struct value *w = &run.state.f[F_METER_POWER_W];

	(void)state;
	fake_zero(&u, false, 0, 1);
	*fake_reg(&u, 0) = (uint16_t)-321;
	assert_int_equal(fake_start(&run, &DRIVER_SKELETON, &o, &u), 0);
	assert_int_equal(w->q, Q_ABSENT);
	fake_until(&run, run.now_ms + 5000);
	assert_true(w->v == -321 && w->q == Q_GOOD);
	assert_true(run.state.ac_power_w.v == -321);
	assert_int_equal(run.batches, 6);                           /* once a second */
	run.driver->feed(run.self, &stray, run.now_ms, &run.state); /* an answer to nothing we asked */
	assert_true(w->v == -321);
	u.silent = true;
	fake_until(&run, run.now_ms + 3100);
	assert_int_equal(w->q, Q_STALE);
	assert_true(w->v == -321);
	assert_int_equal(run.state.availability, AVAIL_OFFLINE);
	u.silent = false;
	fake_until(&run, run.now_ms + 20000);
	assert_int_equal(w->q, Q_GOOD);
	assert_int_equal(run.state.availability, AVAIL_ONLINE);
	fake_aim_power(&run, 1000);
	fake_until(&run, run.now_ms + 3000);
	assert_int_equal(u.writes, 0);
	fake_stop(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_skeleton) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
