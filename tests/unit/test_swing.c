/* When a loop swings, and when it only follows a restless house. */
#include "policies/swing.h"
#include "support/cm.h"

#include <string.h>

static struct swing s;
static struct swing_view v;

static void fresh(void)
{
	memset(&s, 0, sizeof(s));
	v = (struct swing_view){ .now_ms = 1000000, .least_w = 150, .echo_ms = 2000 };
}

/* Orders that turn every @half_ms for @ms; returns how many swings were found. */
static int play(double size_w, double error_w, int half_ms, int ms)
{
	int found = 0;

	for (int t = 0; t < ms; t += 1000) {
		v.sum_w = t / half_ms % 2 ? size_w : 0;
		v.error_w = t % 2000 ? error_w : -error_w;
		found += swing_see(&s, &v);
		v.now_ms += 1000;
	}
	return found;
}

static void what_is_a_swing(void **state)
{
	static const struct { const char *name; double size, error, echo; int half_ms, ms, found; } ROWS[] = {
		{ "four turns are none", 1000, 800, 2000, 5000, 30000, 0 },
		{ "five within a minute", 1000, 800, 2000, 5000, 31000, 1 },
		{ "not so large ones", 149, 800, 2000, 5000, 50000, 0 },
		{ "just large enough", 150, 800, 2000, 5000, 31000, 1 },
		{ "the loop follows well between them", 1000, 480, 2000, 5000, 50000, 0 },
		{ "it does not", 1000, 700, 2000, 5000, 50000, 1 },
		{ "faster than an echo can be", 1000, 800, 10000, 5000, 50000, 0 },
		{ "just as fast as it can", 1000, 900, 4000, 3000, 31000, 1 },
		{ "just within a minute", 1000, 900, 2000, 15000, 100000, 1 },
		{ "fewer in a minute", 1000, 900, 2000, 16000, 120000, 0 },
		{ "slow devices have more than a minute", 1000, 900, 6000, 16000, 120000, 1 },
		{ "rarer than an echo is", 1000, 900, 6000, 40000, 400000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int found;

		fresh();
		v.echo_ms = ROWS[i].echo;
		found = play(ROWS[i].size, ROWS[i].error, ROWS[i].half_ms, ROWS[i].ms);
		assert_row(ROWS[i].name, found == ROWS[i].found);
		assert_row(ROWS[i].name, s.level == found);
		assert_row(ROWS[i].name, swing_calm(&s) == (found ? 0.5 : 1));
	}
	fresh();
	play(1000, 800, 5000, 31000);
	assert_near(s.said_s, 20);
	assert_true(s.said_w > 900 && s.said_w <= 1000);
}

/* An echo comes back in its own time: no leg faster than an order can be late, none three times as long as another. */
static void legs_of_an_echo(void **state)
{
	static const struct { const char *name; int leg_s[SWING_TURNS - 1]; double echo; int found; } ROWS[] = {
		{ "even", { 10, 10, 10, 10 }, 10000, 1 }, { "one three times as long", { 10, 30, 18, 22 }, 10000, 1 },
		{ "longer", { 10, 31, 18, 22 }, 10000, 0 }, { "the first", { 31, 10, 10, 10 }, 10000, 0 }, { "the last", { 10, 10, 10, 31 }, 10000, 0 },
		{ "one too short", { 5, 10, 10, 10 }, 10000, 0 }, { "the last", { 10, 10, 10, 5 }, 10000, 0 },
		{ "just long enough", { 9, 12, 9, 12 }, 12000, 1 }, { "not quite", { 9, 12, 9, 12 }, 12001, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int found = 0;

		fresh();
		v.echo_ms = ROWS[i].echo;
		v.error_w = 1000;
		for (int k = 0; k <= SWING_TURNS; k++) {
			v.now_ms += k < 2 ? 10000 : 1000 * ROWS[i].leg_s[k - 2];
			v.sum_w = k % 2 ? 0 : 1000;
			found += swing_see(&s, &v);
		}
		assert_row(ROWS[i].name, found == ROWS[i].found);
	}
}

static void it_gets_worse_and_better(void **state)
{
	(void)state;
	fresh();
	for (int level = 1; level <= SWING_LEVELS + 1; level++) { /* each takes five turns of its own */
		assert_int_equal(play(1000, 900, 5000, 31000), 1);
		assert_int_equal(s.level, level < SWING_LEVELS ? level : SWING_LEVELS);
	}
	v.echo_ms = 2000;
	s.calm_ms = v.now_ms;
	for (int level = SWING_LEVELS; level > 0; level--) {
		for (int t = 0; t < 119; t++) {
			v.now_ms += 1000;
			swing_see(&s, &v);
			assert_int_equal(s.level, level);
		}
		v.now_ms += 1000; /* two minutes of calm */
		swing_see(&s, &v);
		assert_int_equal(s.level, level - 1);
	}
	v.now_ms += 10000000;
	swing_see(&s, &v);
	assert_int_equal(s.level, 0);
	s.level = 1; /* slow devices are watched for longer */
	s.calm_ms = v.now_ms;
	v.echo_ms = 10000;
	v.now_ms += 499999;
	swing_see(&s, &v);
	assert_int_equal(s.level, 1);
	v.now_ms += 1;
	swing_see(&s, &v);
	assert_int_equal(s.level, 0);
}

static void the_error_is_a_mean(void **state)
{
	(void)state;
	fresh();
	v.error_w = -1000; /* the first one counts whole */
	swing_see(&s, &v);
	assert_near(s.error_w, 1000);
	v.error_w = 0; /* then each by its time, over six windows */
	v.now_ms += 1200;
	swing_see(&s, &v);
	assert_near(s.error_w, 900);
	v.now_ms += 12000;
	swing_see(&s, &v);
	assert_near(s.error_w, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_swing),
		cmocka_unit_test(legs_of_an_echo),
		cmocka_unit_test(the_error_is_a_mean),
		cmocka_unit_test(it_gets_worse_and_better),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
