/* The order in which the agent begins, reloads and ends, where it is what safety hangs on: what may be lost counts, only what changed
 * is released and started anew, its driver knows what was before, and at the end what is owed is given to the disk before it closes. The
 * parts are played by app_kit.h. */
#include "app.c"

#include "support/app_kit.h"

static struct app a;

static void begin(void)
{
	memset(&play, 0, sizeof(play));
	play.now_ms = 1000000;
	play.released = true;
}

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	begin();
	memset(&a, 0, sizeof(a));
	a.hub.loop = uv_default_loop();
	uv_timer_init(a.hub.loop, &a.apply_timer);
	a.apply_timer.data = &a;
	memcpy(a.hub.cfg.site.timezone, "UTC", 4);
	a.hub.cfg.n_buses = 2;
	a.hub.cfg.n_devices = 3;
	for (int i = 0; i < 3; i++) {
		snprintf(a.hub.cfg.device[i].id, sizeof(a.hub.cfg.device[i].id), "d%d", i);
		a.hub.cfg.device[i].unit = i + 1;
		a.hub.cfg.device[i].bus_index = i / 2;
	}
	memcpy(a.hub.cfg.bus[0].name, "one", 4);
	memcpy(a.hub.cfg.bus[1].name, "two", 4);
	assert_int_equal(start(&a, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop(&a);
	return 0;
}

/* ---- the start ---- */

/* Rows that are missing are told to those that must not forget: behind the loading, before the drivers are. */
static void test_lost(void **state)
{
	static const struct { const char *name; int opens; bool lost; const char *must, *must_not; } ROWS[] = {
		{ "all is well", 0, false, "store_load wear_recall tick_start", "lost" },
		{ "damaged, nothing is missing", 1, false, "store_load outside_lost wear_recall", "wear_lost" },
		{ "damaged, rows are missing", 1, true, "store_load outside_lost_rows wear_lost wear_recall tick_start", "?" },
		{ "missing since an earlier start", 0, true, "store_load wear_lost wear_recall", "outside_lost" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct errbuf err = { "" };

		stop(&a);
		memset(&a.hub.damaged, 0, sizeof(a.hub.damaged));
		begin();
		uv_timer_init(a.hub.loop, &a.apply_timer);
		play.opens = ROWS[i].opens;
		play.lost = ROWS[i].lost;
		assert_int_equal(start(&a, &err), 0);
		assert_row(ROWS[i].name, in_order(ROWS[i].must) && !strstr(play.trace, ROWS[i].must_not));
		assert_row(ROWS[i].name, play.recalled == ~0u); /* all drivers are new */
		for (int k = 0; k < 3; k++) { /* the first tick gave the disk what follows from it: it may fail, and is tried again */
			play.limit_unkept = k == 0;
			play.wear_unkept = k == 1;
			finished(&a.hub);
			assert_row(ROWS[i].name, in_order("store_damage_known") == (ROWS[i].opens == 1 && k == 2));
		}
		play.trace[0] = '\0';
		finished(&a.hub);
		assert_row(ROWS[i].name, !play.trace[0]);
	}
}

/* Each row goes to whom it belongs. */
static void test_settings(void **state)
{
	struct errbuf err = { "" };

	stop(&a);
	begin();
	uv_timer_init(a.hub.loop, &a.apply_timer);
	play.row[0] = (struct store_row){ .key = "limit", .body = "{\"reserve_pct\":1}" };
	play.row[1] = (struct store_row){ .key = "clock", .body = "{}" };
	play.row[2] = (struct store_row){ .key = "owner", .body = "{\"reserve_pct\":60,\"reserve_config_pct\":0}" };
	play.row[3] = (struct store_row){ .key = "wear/d1", .body = "{\"reserve_pct\":2}" };
	play.n_rows = 4;
	(void)state;
	assert_int_equal(start(&a, &err), 0);
	assert_true(a.hub.owner.reserve_pct == 60 && in_order("clock_load"));
}

/* ---- a reload ---- */

static const struct config *changed(const char *how)
{
	static struct config cfg;

	cfg = a.hub.cfg;
	if (*how == 'u')
		cfg.device[1].unit = 9;
	if (*how == 'b')
		cfg.bus[1].port = 9;
	if (*how == '-')
		cfg.n_devices = 2;
	if (*how == '0') {
		cfg.device[0] = cfg.device[1];
		cfg.device[1] = cfg.device[2];
		cfg.n_devices = 2;
	}
	if (*how == '+') {
		cfg.device[3] = cfg.device[2];
		memcpy(cfg.device[3].id, "d3", 3);
		cfg.n_devices = 4;
	}
	return &cfg;
}

/* Only what leaves or begins anew is released, and only what begins is told what was before: behind its start, before the next tick. */
static void test_reload(void **state)
{
	static const struct { const char *name, *how; uint32_t leaving, begun; } ROWS[] = {
		{ "another unit", "u", 1u << 1, 1u << 1 }, { "another port of a bus", "b", 1u << 2, 1u << 2 }, { "one is gone", "-", 1u << 2, 0 },
		{ "the first one is gone: others have another place", "0", 1u << 0, 0 }, { "one came", "+", 0, 1u << 3 }, { "nothing", "", 0, 0 },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++, teardown(state), setup(state)) {
		finished(&a.hub);
		begin();
		play.released = false;
		assert_row(ROWS[i].name, apply(&a.hub, changed(ROWS[i].how), CHANGE_PLANT));
		assert_row(ROWS[i].name, a.hub.leaving == ROWS[i].leaving && a.hub.applying && !a.hub.stopping);
		assert_row(ROWS[i].name, in_order("tick_soon") == (ROWS[i].leaving != 0)); /* told at once that it goes */
		assert_row(ROWS[i].name, uv_is_active((uv_handle_t *)&a.apply_timer) == (ROWS[i].leaving == 0));
		finished(&a.hub);
		assert_row(ROWS[i].name, uv_is_active((uv_handle_t *)&a.apply_timer) == (ROWS[i].leaving == 0)); /* not free yet */
		assert_row(ROWS[i].name, play.asked == ROWS[i].leaving);
		play.released = true;
		finished(&a.hub);
		assert_row(ROWS[i].name, uv_is_active((uv_handle_t *)&a.apply_timer) && !in_order("plant_change"));
		play.now_ms += 700;
		on_apply(&a.apply_timer);
		assert_row(ROWS[i].name, in_order("recorder_cut plant_change wear_recall tick_rebuilt links_rebuild tick_soon"));
		assert_row(ROWS[i].name, play.recalled == ROWS[i].begun && a.hub.leaving == 0 && !a.hub.applying);
		assert_row(ROWS[i].name, memcmp(&a.hub.cfg, changed(""), sizeof(a.hub.cfg)) == 0 && a.hub.plant_started_ms == play.now_ms);
		assert_row(ROWS[i].name, memcmp(&play.kept, &a.kept, sizeof(play.kept)) == 0 && play.links == CHANGE_PLANT);
	}
}

/* What is not of the plant releases nothing and starts nothing. */
static void test_reload_of_something_else(void **state)
{
	struct config next = a.hub.cfg;

	(void)state;
	next.site.reserve_pct = 77;
	begin();
	assert_true(apply(&a.hub, &next, CHANGE_LIVE));
	assert_true(a.hub.leaving == 0 && !in_order("tick_soon") && a.hub.cfg.site.reserve_pct != 77);
	on_apply(&a.apply_timer);
	assert_true(a.hub.cfg.site.reserve_pct == 77 && !in_order("plant_change") && !in_order("wear_recall") && in_order("tick_soon"));
}

/* One that does not let go is not waited for for ever. */
static void test_release_takes_too_long(void **state)
{
	(void)state;
	finished(&a.hub);
	play.released = false;
	assert_true(apply(&a.hub, changed("u"), CHANGE_PLANT));
	play.now_ms += RELEASE_MS - 1;
	finished(&a.hub);
	assert_false(uv_is_active((uv_handle_t *)&a.apply_timer));
	play.now_ms++;
	finished(&a.hub);
	assert_true(uv_is_active((uv_handle_t *)&a.apply_timer) && a.release_until_ms == 0);
}

/* What cannot be started: the old devices go on, and nothing is told what was before. */
static void test_a_plant_that_does_not_start(void **state)
{
	const struct config old = a.hub.cfg;

	(void)state;
	begin();
	play.changes = -ENOENT;
	assert_true(apply(&a.hub, changed("u"), CHANGE_PLANT));
	on_apply(&a.apply_timer);
	assert_true(!in_order("wear_recall") && !in_order("tick_rebuilt") && !in_order("links_rebuild") && a.hub.leaving == 0);
	assert_memory_equal(&a.hub.cfg, &old, sizeof(old));
}

/* One that was asked for meanwhile comes behind it. */
static void test_another_reload(void **state)
{
	(void)state;
	begin();
	assert_true(apply(&a.hub, changed("u"), CHANGE_PLANT));
	a.hub.reload_again = true;
	on_apply(&a.apply_timer);
	assert_true(in_order("plant_change hub_reload") && !a.hub.reload_again);
}

/* ---- the end ---- */

/* Everything is released, whatever a reload had begun to; nothing else begins then. */
static void test_end(void **state)
{
	uv_signal_t signal = { .data = &a };

	(void)state;
	finished(&a.hub);
	assert_true(apply(&a.hub, changed("u"), CHANGE_PLANT));
	on_signal(&signal, SIGTERM);
	assert_true(a.hub.stopping && !apply(&a.hub, changed("b"), CHANGE_PLANT));
	begin();
	play.released = false;
	on_signal(&signal, SIGTERM);
	assert_false(in_order("tick_soon")); /* once */
	finished(&a.hub);
	assert_true(play.asked == ~0u && a.release_until_ms != 0);
	play.released = true;
	finished(&a.hub);
	assert_true(a.release_until_ms == 0 && !uv_is_active((uv_handle_t *)&a.apply_timer));
	uv_run(a.hub.loop, UV_RUN_NOWAIT); /* takes its stop */
	on_signal(&signal, SIGHUP);
	assert_true(in_order("hub_reload"));
}

/* Nobody writes any more when the store closes, what is owed was given to it, and answers leave behind that. */
static void test_stop(void **state)
{
	char trace[sizeof(play.trace)];

	begin();
	a.hub.mqtt = (struct mqtt *)&a; /* only its presence counts */
	stop(&a);
	memcpy(trace, play.trace, sizeof(trace));
	setup(state);
	memcpy(play.trace, trace, sizeof(trace));
	assert_true(in_order("tick_stop recorder_stop savings_stop habits_stop diary_stop outside_flush store_close outside_stop wear_stop offline mqtt_close plant_stop"));
	assert_true(in_order("flip_link_stop outside_flush store_close outbox_close backlog_close mqtt_close"));
	assert_null(strstr(play.trace, "?"));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown), cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload_of_something_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_release_takes_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_plant_that_does_not_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_reload, setup, teardown), cmocka_unit_test_setup_teardown(test_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
