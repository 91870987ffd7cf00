/* Transactions that come often: ten minutes, answered or not, and what is full. */
#include "core/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <stddef.h>
#include <cmocka.h>

static struct recent r;

static int setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return 0;
}

static void test_life(void **state)
{
	(void)state;
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 1000), RECENT_NEW);
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 1000), RECENT_UNDER_WAY);
	assert_int_equal(recent_ask(&r, "", "1", "{}", 1000), RECENT_NEW);     /* another user's */
	assert_int_equal(recent_ask(&r, "ds", "o1", "{}", 1000), RECENT_NEW);  /* and another cut of the same letters */
	assert_int_equal(recent_ask(&r, "dso", "1", "{\"w\":1}", 1000), RECENT_OTHER);
	recent_end(&r, "dso", "1", true);
	assert_int_equal(recent_ask(&r, "dso", "1", "{\"w\":1}", 1000 + RECENT_MS), RECENT_OTHER);
	recent_end(&r, "dso", "unknown", true);
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 1000 + RECENT_MS), RECENT_ANSWERED);
	assert_true(recent_known(&r, "dso", "1", 1000 + RECENT_MS));
	assert_false(recent_known(&r, "dso", "1", 1001 + RECENT_MS));
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 1001 + RECENT_MS), RECENT_NEW);
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 1001 + RECENT_MS), RECENT_UNDER_WAY);
	assert_int_equal(recent_ask(&r, "dso", "2", "{\"w\":1}", 1001 + RECENT_MS), RECENT_NEW);
	recent_end(&r, "dso", "1", false); /* refused: may be asked again */
	assert_false(recent_known(&r, "dso", "1", 1001 + RECENT_MS));
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 1002 + RECENT_MS), RECENT_NEW);
}

static void test_full(void **state)
{
	char text[16];

	(void)state;
	for (int i = 0; i < RECENT_MAX; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(recent_ask(&r, "dso", text, "{}", 1000 + i), RECENT_NEW);
		recent_end(&r, "dso", text, i > 0);
	}
	assert_int_equal(recent_ask(&r, "dso", "new", "{}", 20000), RECENT_NEW); /* in the place of the one that was refused */
	assert_int_equal(recent_ask(&r, "dso", "newer", "{}", 20000), RECENT_FULL);
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 20000), RECENT_ANSWERED);
	assert_int_equal(recent_ask(&r, "dso", "newer", "{}", 1001 + RECENT_MS), RECENT_FULL);
	assert_int_equal(recent_ask(&r, "dso", "newer", "{}", 1002 + RECENT_MS), RECENT_NEW);
	assert_int_equal(recent_ask(&r, "dso", "newest", "{}", 1002 + RECENT_MS), RECENT_FULL);
}

/* Those that were refused take nobody's place, though one that was answered stands where they come round. */
static void test_refused(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(recent_ask(&r, "dso", "0", "{}", 1000), RECENT_NEW);
	recent_end(&r, "dso", "0", true);
	for (int i = 0; i < 3 * RECENT_MAX; i++) {
		snprintf(text, sizeof(text), "x%d", i);
		if (recent_ask(&r, "dso", text, "{}", 1000 + i / 100) != RECENT_NEW)
			fail_msg("%d", i);
		recent_end(&r, "dso", text, false);
	}
	assert_int_equal(recent_ask(&r, "dso", "0", "{}", 2000), RECENT_ANSWERED);
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 2000), RECENT_NEW);
	assert_int_equal(recent_ask(&r, "dso", "1", "{}", 2000), RECENT_UNDER_WAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(test_life, setup), cmocka_unit_test_setup(test_full, setup),
					    cmocka_unit_test_setup(test_refused, setup) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
