/* The looks at the clocks: what they find moves the book before the next tick thinks, and prices and R/agent soon. The clocks are
 * played by this file. */
#include "flow/clock.h"
#include "flow/hub.h"
#include "io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define LATER 42

static struct hub hub;
static struct loop_clocks shown;

void loop_clocks(struct loop_clocks *out)
{
	*out = shown;
}

int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn done, void *context)
{
	(void)h;
	(void)key;
	(void)body;
	(void)done;
	(void)context;
	return 0;
}

static void test_news(void **state)
{
	static const struct { const char *name; int64_t now_ms, utc_ms, slept_ms; bool synchronised, moves, woke; } ROWS[] = {
		{ "time passes", 1000, 1000, 0, true, false, false },
		{ "a clock that is slewed", 1000, 1900, 0, true, false, false },
		{ "set forward", 1000, 3601000, 0, true, true, false },
		{ "set back", 1000, -3600000, 0, true, true, false },
		{ "the machine slept", 3600000, 3600000, 3599000, true, true, true },
		{ "nobody vouches any more", 8 * 86400000LL, 8 * 86400000LL, 0, false, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		memset(&hub, 0, sizeof(hub));
		shown = (struct loop_clocks){ .now_ms = 1000000, .utc_ms = T, .synchronised = true };
		assert_true(hub_clock(&hub));
		hub.flip_due_utc_ms = T + LATER;
		hub.prices_due_ms = hub.agent_due_ms = LATER;
		shown.now_ms += ROWS[i].now_ms;
		shown.utc_ms += ROWS[i].utc_ms;
		shown.slept_ms += ROWS[i].slept_ms;
		shown.synchronised = ROWS[i].synchronised;
		hub_clock(&hub);
		if ((hub.flip_due_utc_ms == 1) != ROWS[i].moves || (hub.prices_due_ms == 0) != ROWS[i].moves ||
		    (hub.agent_due_ms == 0) != ROWS[i].moves || (hub.woke_ms != 0) != ROWS[i].woke)
			fail_msg("%s: book %lld, prices %lld, woke %lld", ROWS[i].name, (long long)hub.flip_due_utc_ms,
				 (long long)hub.prices_due_ms, (long long)hub.woke_ms);
		if (!ROWS[i].moves)
			assert_true(hub.flip_due_utc_ms == T + LATER && hub.agent_due_ms == LATER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_news) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
