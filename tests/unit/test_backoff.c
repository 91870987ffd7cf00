/* Back-off doubles, is capped, spreads over 50..100 % and never overflows. */
#include "core/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_growth(void **state)
{
	static const int32_t WANT[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
	struct backoff low = { 1000, 30000, 0 }, high = low;

	(void)state;
	for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
		assert_int_equal(backoff_next(&low, 0), WANT[i] / 2);
		assert_in_range(backoff_next(&high, UINT32_MAX), WANT[i] - 1, WANT[i]);
	}
	backoff_reset(&low);
	assert_int_equal(backoff_next(&low, 0), 500);
}

static void test_extremes(void **state)
{
	struct backoff b = { 1, INT32_MAX, 0 };
	int32_t last = 0;

	(void)state;
	for (int i = 0; i < 64; i++) {
		const int32_t wait = backoff_next(&b, UINT32_MAX);

		assert_true(wait >= last);
		last = wait;
	}
	assert_true(last > INT32_MAX - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_growth), cmocka_unit_test(test_extremes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
