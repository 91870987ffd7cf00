/* So much a minute for each name: too many, too many names, and what was held back is told with the next. */
#include "core/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct allowance a;

static int setup(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	return 0;
}

/* What comes of @n more: how many were said. */
static int ask(const char *name, int n, int64_t now_ms)
{
	int said = 0;

	for (int i = 0; i < n; i++)
		said += allowance_ask(&a, name, now_ms) >= 0;
	return said;
}

static void test_one(void **state)
{
	(void)state;
	assert_int_equal(ask("eve", 5000, 1000), ALLOWANCE_MAX);
	assert_int_equal(ask("dso", 1, 1000), 1); /* each has its own */
	assert_int_equal(allowance_ask(&a, "eve", 1000 + ALLOWANCE_MS - 1), -1);
	assert_int_equal(allowance_ask(&a, "eve", 1000 + ALLOWANCE_MS), 5001 - ALLOWANCE_MAX);
	assert_int_equal(allowance_ask(&a, "eve", 1000 + ALLOWANCE_MS), 0);
	assert_int_equal(ask("eve", 100, 1000 + ALLOWANCE_MS), ALLOWANCE_MAX - 2);
}

/* A new name for each is no way around it, and takes nobody's place. */
static void test_many_names(void **state)
{
	char name[16];
	int said = 0;

	(void)state;
	assert_int_equal(ask("dso", 1, 1000), 1);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "eve-%d", i);
		said += ask(name, 1, 1000);
	}
	assert_int_equal(said, ALLOWANCE_NAMES - 1 + ALLOWANCE_MAX);
	assert_int_equal(ask("dso", 100, 2000), ALLOWANCE_MAX - 1);
	assert_int_equal(ask("later", 100, 1000 + ALLOWANCE_MS), ALLOWANCE_MAX); /* places are free again */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(test_one, setup), cmocka_unit_test_setup(test_many_names, setup) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
