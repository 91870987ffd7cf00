/* When a shrunk home still fails as the whole one did. */
#include "support/cm.h"
#include "support/scenario.h"

/* What a shrunk home may still say. */
static void a_failure_is_the_same(void **state)
{
	static const struct { const char *a, *b; bool same; } ROWS[] = {
		{ "site: 7350 W beyond 2683 W for 57 s", "site: 7577.5 W beyond 1 W for 2 s", true },
		{ "site: -7350 W beyond -2683 W for 57 s", "site: 7577 W beyond 6865 W for 2 s", false },
		{ "site: 7577 W beyond 6865 W", "site: -7350 W beyond 6865 W", false }, { "site: -1 W", "site: -200 W", true },
		{ "battery 0: SoC 3", "battery 1: SoC 3.5", true }, { "battery 0: SoC", "charger 0: SoC", false },
		{ "site: 5 W", "site: 5 W more", false }, { "", "", true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++)
		if (scenario_same_failure(ROWS[r].a, ROWS[r].b) != ROWS[r].same || scenario_same_failure(ROWS[r].b, ROWS[r].a) != ROWS[r].same)
			fail_msg("'%s' and '%s'", ROWS[r].a, ROWS[r].b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
