/* When the wall clock may be trusted: kernel, webhooks, steps. */
#include "core/clock_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MIN 60000LL
#define UTC 1768478400000LL

static void test_step_and_trust(void **state)
{
	/* A row is one look: after the vouch of the row, the clocks as given must be judged so. */
	static const struct {
		const char *name;
		int64_t mono_ms, utc_ms;
		bool kernel, always;
		int64_t vouch_utc_ms; /* 0 = none; said before the look */
		bool trusted, stepped;
	} ROWS[] = {
		{ "fresh, nobody vouches", 1000, UTC, false, false, 0, false, false },
		{ "a sender 11 min behind says nothing", 2000, UTC + 1000, false, false, UTC - 11 * MIN, false, false },
		{ "a sender 9 min behind vouches", 3000, UTC + 2000, false, false, UTC + 2000 - 9 * MIN, true, false },
		{ "slewing by 0.5 s keeps trust", 4000, UTC + 3500, false, false, 0, true, false },
		{ "a step of 1 s takes it away", 5000, UTC + 5500, false, false, 0, false, true },
		{ "the kernel's word is enough", 6000, UTC + 6500, true, false, 0, true, false },
		{ "a sender 11 min ahead refutes even the kernel", 7000, UTC + 7500, true, false, UTC + 7500 + 11 * MIN, false, false },
		{ "a later good sender does not undo it", 8000, UTC + 8500, true, false, UTC + 8500, false, false },
		{ "clock = trust overrules", 9000, UTC + 9500, true, true, 0, true, false },
		{ "a step forward ends the refutation", 10000, UTC + 800000, true, false, 0, true, true },
		{ "a step back of a year is seen", 11000, UTC - 365LL * 86400000, true, false, 0, true, true },
	};
	struct clock_gate g = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		bool stepped = !ROWS[i].stepped, trusted;

		if (ROWS[i].vouch_utc_ms)
			clock_gate_vouch(&g, ROWS[i].vouch_utc_ms, ROWS[i].utc_ms);
		trusted = clock_gate_step(&g, ROWS[i].mono_ms, ROWS[i].utc_ms, ROWS[i].kernel, ROWS[i].always, &stepped);
		if (trusted != ROWS[i].trusted || stepped != ROWS[i].stepped)
			fail_msg("%s: trusted %d, stepped %d", ROWS[i].name, trusted, stepped);
	}
	assert_int_equal(g.steps, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_step_and_trust) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
