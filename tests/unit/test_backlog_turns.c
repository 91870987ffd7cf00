/* Where sending one batch takes as long as an interval, there is always a fresh interval: the old ones must have their turn. */
#include "support/backlog_kit.h"

static void test_old_ones_have_their_turn(void **state)
{
	int k = 300;

	(void)state;
	backlog_close(log_);
	kit_open(0, 10);
	kit_step();
	kit_fill(1, 0, k);
	backlog_link(log_, true, now);
	for (int i = 0; i < 90; i++) { /* each second a new interval, and one answer */
		kit_add(1, k++);
		kit_step();
		if (open_batch)
			assert_int_equal(kit_save(), 0);
		kit_disk();
	}
	if (kit_stats().rows > 40)
		fail_msg("%lld rows still wait: the old ones starve", (long long)kit_stats().rows);
	kit_drain(600);
	kit_check(1, k);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_old_ones_have_their_turn, kit_setup, kit_teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
