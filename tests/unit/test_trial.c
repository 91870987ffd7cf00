/* One clean step, watched at the meter. */
#include "policies/trial.h"
#include "support/cm.h"

static struct trial fresh(double noise_w)
{
	return (struct trial){ .at_ms = 100000, .before_w = 2000, .step_w = -2000, .noise_w = noise_w, .devices = 1, .patience_ms = 10000 };
}

static void what_the_meter_says_of_a_step(void **state)
{
	enum { WAITS, DONE, GIVEN_UP };
	static const struct { const char *name; int64_t at; double grid, noise; int what; double quiet, begun, shortly, done; } ROWS[] = {
		{ "a sample from before", 100000, 0, 0, WAITS, 0, 0, 0, 0 },
		{ "nothing yet", 101000, 2000, 0, WAITS, 1000, 0, 1000, 0 },
		{ "a little is nothing", 101000, 1901, 0, WAITS, 1000, 0, 1000, 0 },
		{ "this is a beginning", 101000, 1900, 0, WAITS, 0, 1000, 1000, 0 },
		{ "not in a restless house", 101000, 1841, 20, WAITS, 1000, 0, 1000, 0 },
		{ "there more is needed", 101000, 1840, 20, WAITS, 0, 1000, 1000, 0 },
		{ "almost there", 101000, 401, 0, WAITS, 0, 1000, 1000, 0 },
		{ "there", 101000, 400, 0, DONE, 0, 1000, 0, 1000 },
		{ "and a little more", 101000, -400, 0, DONE, 0, 1000, 0, 1000 },
		{ "too much: the load has fallen", 101000, -401, 0, GIVEN_UP, 0, 0, 0, 0 },
		{ "the wrong way, a little", 101000, 2400, 0, WAITS, 1000, 0, 1000, 0 },
		{ "the load has risen", 101000, 2401, 0, GIVEN_UP, 0, 0, 0, 0 },
		{ "late", 110000, 2000, 0, WAITS, 10000, 0, 10000, 0 },
		{ "too late", 110001, 2000, 0, GIVEN_UP, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct trial t = fresh(ROWS[i].noise);
		bool done = trial_see(&t, ROWS[i].at, ROWS[i].grid);

		assert_row(ROWS[i].name, done == (ROWS[i].what == DONE));
		assert_row(ROWS[i].name, (t.at_ms != 0) == (ROWS[i].what == WAITS));
		assert_row_near(ROWS[i].name, t.seen.quiet_ms, ROWS[i].quiet);
		assert_row_near(ROWS[i].name, t.seen.begun_ms, ROWS[i].begun);
		assert_row_near(ROWS[i].name, t.seen.short_ms, ROWS[i].shortly);
		assert_row_near(ROWS[i].name, t.seen.done_ms, ROWS[i].done);
	}
}

static void a_whole_step(void **state)
{
	struct trial t = fresh(0);

	(void)state;
	assert_false(trial_see(&t, 101000, 2000));
	assert_false(trial_see(&t, 102000, 1500));
	assert_false(trial_see(&t, 103000, 800));
	assert_true(trial_see(&t, 104000, 100));
	assert_near(t.seen.quiet_ms, 1000);
	assert_near(t.seen.begun_ms, 2000); /* the first one */
	assert_near(t.seen.short_ms, 3000);
	assert_near(t.seen.done_ms, 4000);
	assert_false(trial_see(&t, 105000, 0)); /* nothing is watched any more */
}

static void another_order_spoils_it(void **state)
{
	struct trial t = fresh(0);

	(void)state;
	trial_disturb(&t, 200);
	trial_disturb(&t, -100);
	assert_true(t.at_ms != 0);
	trial_disturb(&t, 1);
	assert_int_equal(t.at_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_meter_says_of_a_step),
		cmocka_unit_test(a_whole_step),
		cmocka_unit_test(another_order_spoils_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
