/* A limit that ends is ended on disk too: else the next start, by a clock that is behind, or the same one set back, would hold what is
 * over. The parts around are played by this file. */
#include "flow/hub.h"
#include "io/loop.h"
#include "support/cm.h"

#include <stdlib.h>
#include <string.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define START_MS 1000000

static struct hub hub;
static int64_t now_ms, step_ms; /* step: the wall clock was set by so much */
static char disk[400];
static int n_stores;
static store_done_fn done;
static void *done_context;

int64_t loop_now_ms(void)
{
	return now_ms;
}

int64_t loop_utc_ms(void)
{
	return T + now_ms - START_MS + step_ms;
}

bool hub_clock(struct hub *h)
{
	h->clocks.now_ms = now_ms;
	h->clocks.utc_ms = loop_utc_ms();
	return h->clock_trusted;
}

int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn d, void *context)
{
	assert_ptr_equal(h, &hub);
	assert_string_equal(key, "limit");
	snprintf(disk, sizeof(disk), "%s", body);
	n_stores++;
	done = d;
	done_context = context;
	return 0;
}

int hub_store_unsynced(struct hub *h, const char *key, const char *body)
{
	assert_true(h && key && body);
	return 0;
}

void publish_text(struct publish *p, const char *below, const cJSON *o, int64_t utc_ms)
{
	(void)p;
	(void)o;
	assert_true(below && utc_ms);
}

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	memset(&hub, 0, sizeof(hub));
	hub.loop = uv_default_loop();
	hub.clock_trusted = true;
	hub.cfg.site.limit_failsafe_import_w = hub.cfg.site.limit_failsafe_export_w = NAN;
	hub.cfg.plan.demand_interval_min = 15;
	now_ms = START_MS;
	step_ms = 0;
	n_stores = 0;
	done = NULL;
	disk[0] = '\0';
	return outside_start(&hub.outside, &hub, &err);
}

static int teardown(void **state)
{
	(void)state;
	outside_stop(hub.outside);
	uv_run(hub.loop, UV_RUN_DEFAULT);
	return 0;
}

static void on_answer(void *context, int status)
{
	(void)context;
	assert_int_equal(status, 0);
}

static void ask(const char *json)
{
	struct limit_message m;
	struct errbuf err = { "" };
	AUTO_JSON *j = cJSON_Parse(json);

	assert_int_equal(limit_message_parse(j, &m, &err), 0);
	snprintf(m.source, sizeof(m.source), "dso");
	assert_true(outside_limit(hub.outside, &m, &err) >= 0);
	assert_int_equal(outside_stored(hub.outside, on_answer, NULL), 0);
}

/* Time passes, the tick looks, and the disk takes what it is given. */
static double pass(int64_t ms)
{
	static struct snapshot s;
	store_done_fn d;

	now_ms += ms;
	memset(&s, 0, sizeof(s));
	s.now_ms = now_ms;
	s.utc_ms = loop_utc_ms();
	s.clock_trusted = hub.clock_trusted;
	outside_freeze(hub.outside, &s);
	outside_after(hub.outside);
	d = done;
	done = NULL;
	if (d)
		d(done_context, 1, 0);
	return s.external.import_w;
}

static void test_the_end_is_stored(void **state)
{
	static const struct { const char *name, *limit; bool trusted; int64_t step_ms, ms; int stores; bool over; } ROWS[] = {
		{ "by its time", "{\"import_w\":3000,\"until\":\"2026-01-15T12:01:00Z\"}", true, 0, 60000, 2, true },
		{ "not before", "{\"import_w\":3000,\"until\":\"2026-01-15T12:01:00Z\"}", true, 0, 59999, 1, false },
		{ "by a duration", "{\"import_w\":3000,\"duration_s\":60}", true, 0, 60000, 2, true },
		{ "by a duration, without a clock", "{\"import_w\":3000,\"duration_s\":60}", false, 0, 60000, 2, true },
		{ "without one", "{\"import_w\":3000}", true, 0, 60000, 1, false },
		{ "the clock was set: it still ends after its duration, and the next start knows when", "{\"import_w\":3000,\"duration_s\":60}", true,
		  3600000, 30000, 2, false },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++, teardown(state), setup(state)) {
		hub.clock_trusted = ROWS[i].trusted;
		ask(ROWS[i].limit);
		assert_row(ROWS[i].name, pass(0) == 3000 && n_stores == 1 && strstr(disk, "3000"));
		pass(2000);
		step_ms = ROWS[i].step_ms;
		assert_row(ROWS[i].name, isnan(pass(ROWS[i].ms - 2000)) == ROWS[i].over);
		assert_row(ROWS[i].name, n_stores == ROWS[i].stores);
		assert_row(ROWS[i].name, !strstr(disk, "3000") == ROWS[i].over);
		assert_row(ROWS[i].name, !ROWS[i].step_ms || strstr(disk, "2026-01-15T13:01:00"));
		pass(10000);
	}
}

/* What it is for: the clock is set back, the agent begins anew, and what was over stays over. */
static void test_it_stays_over(void **state)
{
	(void)state;
	ask("{\"import_w\":3000,\"duration_s\":60}");
	pass(0);
	assert_true(isnan(pass(61000)));
	teardown(NULL);
	{
		struct errbuf err = { "" };

		hub.outside = NULL;
		assert_int_equal(outside_start(&hub.outside, &hub, &err), 0);
	}
	step_ms = -3600000;
	assert_true(outside_load(hub.outside, &(struct store_row){ .key = "limit", .body = disk }));
	assert_true(isnan(pass(1000)));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_the_end_is_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_stays_over, setup, teardown),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
