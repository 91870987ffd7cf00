/* What is asked of the grid point, with a disk that is slow, full and back: when it is written, who is answered when, and that a
 * limit is never lifted by a disk. The parts around are played by this file; the loop's timer is real, its clock is not. */
#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define ANSWERS 1000

static struct hub hub;
static int64_t now_ms;
static struct { store_done_fn done; void *context; char key[16], body[400]; } stores[8];
static int n_stores, submitted, submit_error;
static int answers[ANSWERS], n_answers; /* status in the order of the answers */
static char limit_topic[600], demand_topic[400];
static int n_limit_topics, n_demand_topics;
static char unsynced[200];
static int n_unsynced;

int64_t loop_now_ms(void)
{
	return now_ms;
}

int64_t loop_utc_ms(void)
{
	return T + now_ms;
}

bool hub_clock(struct hub *h)
{
	h->clocks.now_ms = now_ms;
	h->clocks.utc_ms = T + now_ms;
	return h->clock_trusted;
}

int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn done, void *context)
{
	assert_ptr_equal(h, &hub);
	if (submit_error)
		return submit_error;
	assert_true(n_stores < 8);
	submitted++;
	stores[n_stores].done = done;
	stores[n_stores].context = context;
	snprintf(stores[n_stores].key, sizeof(stores[0].key), "%s", key);
	snprintf(stores[n_stores++].body, sizeof(stores[0].body), "%s", body);
	return 0;
}

int hub_store_unsynced(struct hub *h, const char *key, const char *body)
{
	assert_ptr_equal(h, &hub);
	assert_string_equal(key, "demand");
	snprintf(unsynced, sizeof(unsynced), "%s", body);
	n_unsynced++;
	return -EAGAIN; /* nobody minds */
}

void publish_text(struct publish *p, const char *below, const cJSON *o, int64_t utc_ms)
{
	AUTO_TEXT *text = o ? cJSON_PrintUnformatted(o) : NULL;
	bool limit = !strcmp(below, "limit");

	(void)p;
	(void)utc_ms;
	snprintf(limit ? limit_topic : demand_topic, limit ? sizeof(limit_topic) : sizeof(demand_topic), "%s", text ? text : "");
	*(limit ? &n_limit_topics : &n_demand_topics) += 1;
}

/* ---- */

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	memset(&hub, 0, sizeof(hub));
	hub.loop = uv_default_loop();
	hub.clock_trusted = true;
	hub.cfg.site.limit_failsafe_import_w = hub.cfg.site.limit_failsafe_export_w = NAN;
	hub.cfg.plan.demand_interval_min = 15;
	now_ms = 1000000;
	n_unsynced = 0;
	n_stores = submitted = submit_error = n_answers = n_limit_topics = n_demand_topics = 0;
	limit_topic[0] = demand_topic[0] = '\0';
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
	assert_true(n_answers < ANSWERS);
	answers[n_answers++] = status;
}

static int ask_as(const char *source, const char *json)
{
	struct limit_message m;
	struct errbuf err = { "" };
	AUTO_JSON *j = cJSON_Parse(json);
	int r;

	assert_int_equal(limit_message_parse(j, &m, &err), 0);
	snprintf(m.source, sizeof(m.source), "%s", source);
	r = outside_limit(hub.outside, &m, &err);
	if (r >= 0)
		assert_int_equal(outside_stored(hub.outside, on_answer, NULL), 0);
	return r;
}

static int ask(const char *json)
{
	return ask_as("dso", json);
}

static struct snapshot *tick(double grid_w)
{
	static struct snapshot s;

	memset(&s, 0, sizeof(s));
	s.now_ms = now_ms;
	s.utc_ms = T + now_ms;
	s.clock_trusted = hub.clock_trusted;
	if (!isnan(grid_w))
		value_set(&s.grid_w, grid_w, now_ms, Q_GOOD);
	outside_freeze(hub.outside, &s);
	outside_after(hub.outside);
	return &s;
}

/* The oldest write under way ends. */
static void ends(int status)
{
	store_done_fn done = stores[0].done;
	void *context = stores[0].context;

	assert_true(n_stores > 0);
	memmove(&stores[0], &stores[1], sizeof(stores[0]) * (size_t)--n_stores);
	if (done)
		done(context, 1, status);
}

static void test_answer_waits_for_the_commit(void **state)
{
	(void)state;
	assert_int_equal(ask("{\"import_w\":3000}"), LIMIT_CHANGED | LIMIT_STORE);
	assert_true(tick(0)->external.import_w == 3000 && n_answers == 0 && n_stores == 1);
	assert_string_equal(stores[0].body, "{\"source\":\"dso\",\"import\":{\"w\":3000}}");
	ask("{}");                             /* the disk does not have what is in force: so it waits too */
	ask("{\"import_w\":3000}");
	assert_int_equal(n_answers, 0);
	ends(0);
	assert_int_equal(n_answers, 3);
	ask("{}");
	ask("{\"import_w\":3000}");
	assert_true(n_answers == 5 && submitted == 1);
}

/* Ten a second for a minute, all different: at most one write a second, everybody answered, the last one on disk. */
static void test_burst(void **state)
{
	char json[64];
	double w = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(json, sizeof(json), "{\"import_w\":%d}", 3000 + i);
		ask(json);
		w = tick(0)->external.import_w;
		assert_true(w == 3000 + i);    /* in force at once, each of them */
		now_ms += 100;
		if (i % 3 == 2 && n_stores)
			ends(0);
	}
	assert_int_equal(submitted, 30);
	while (n_answers < 300) {
		now_ms += 1000;
		tick(0);
		ends(0);
	}
	assert_int_equal(submitted, 31);
	for (int i = 0; i < n_answers; i++)
		assert_int_equal(answers[i], 0);
}

/* The timer brings what came while a write was under way, without any tick. */
static void test_timer(void **state)
{
	(void)state;
	ask("{\"import_w\":1}");
	ask("{\"import_w\":2}");
	ends(0);
	assert_true(n_answers == 1 && n_stores == 0);
	now_ms += 1000;
	for (uint64_t end = uv_hrtime() + 20000000000u; n_stores == 0 && uv_hrtime() < end;)
		uv_run(hub.loop, UV_RUN_ONCE);
	assert_int_equal(n_stores, 1);
	ends(0);
	assert_int_equal(n_answers, 2);
	assert_true(uv_run(hub.loop, UV_RUN_DEFAULT) == 0); /* nothing left to do: the timer is gone */
}

static void test_full_disk(void **state)
{
	(void)state;
	ask("{\"import_w\":1000}");
	ends(0);
	now_ms += 2000;
	ask("{\"import_w\":500}");
	ends(-ENOSPC);
	assert_true(n_answers == 2 && answers[1] == -ENOSPC && !outside_kept(hub.outside));
	assert_true(tick(0)->external.import_w == 500);   /* in force all the same */
	assert_int_equal(n_stores, 0);
	now_ms += 1000;
	tick(0);                                          /* and tried again */
	assert_true(n_stores == 1 && !outside_kept(hub.outside));
	ask("{}");
	assert_int_equal(n_answers, 2);
	ends(0);
	assert_true(n_answers == 3 && answers[2] == 0 && outside_kept(hub.outside));
	now_ms += 1000;
	submit_error = -EAGAIN;                           /* the queue of the disk is full */
	ask("{\"import_w\":400}");
	assert_true(n_answers == 4 && answers[3] == -EAGAIN);
	submit_error = 0;
	now_ms += 1000;
	tick(0);
	ends(0);
}

static int said(const char *text)
{
	static struct log_line lines[LOG_KEEP];
	int n = 0, all = log_recent(lines, LOG_KEEP);

	for (int i = 0; i < all; i++)
		n += strstr(lines[i].text, text) != NULL;
	return n;
}

/* Full for a minute: one line for each limit, however often it is tried. */
static void test_full_disk_is_said_once(void **state)
{
	(void)state;
	ask("{\"import_w\":1234}");
	for (int i = 0; i < 60; i++) {
		ends(-ENOSPC);
		now_ms += 1000;
		if (i == 30)
			ask("{\"import_w\":4321}");
		tick(0);
	}
	ends(0);
	assert_true(submitted > 50);
	assert_int_equal(said("to be kept: import 1234 W"), 1);
	assert_int_equal(said("to be kept: import 4321 W"), 1);
}

static void test_too_many_wait(void **state)
{
	struct errbuf err;
	int n = 0;

	(void)state;
	ask("{\"import_w\":1}");
	while (outside_room(hub.outside) && n++ < 1000)
		assert_int_equal(outside_stored(hub.outside, on_answer, NULL), 0);
	assert_int_equal(outside_stored(hub.outside, on_answer, &err), -EAGAIN);
	ends(0);
	assert_int_equal(n_answers, 256);
	assert_true(outside_room(hub.outside));
}

static void test_end_with_more_to_write(void **state)
{
	(void)state;
	ask("{\"import_w\":1}");
	ask("{\"import_w\":2}");
	outside_flush(hub.outside);
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 2);
	ends(0);
	assert_int_equal(n_answers, 1);
	ends(-ECANCELED);
	assert_true(n_answers == 2 && answers[1] == -ECANCELED);
	outside_flush(NULL);
}

/* At the end nobody tries again what is under way: so it is given to the disk twice. */
static void test_end_with_a_write_that_fails(void **state)
{
	(void)state;
	ask("{\"import_w\":1}");
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 2);
	assert_string_equal(stores[1].body, "{\"source\":\"dso\",\"import\":{\"w\":1}}");
	ends(-EIO);
	ends(0);
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 1); /* failed since: again */
	ends(0);
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 0);
}

/* Each second the same limit for the next minute: seldom on disk, no new plan, answered at once; another limit is one. */
static void test_prolonged(void **state)
{
	(void)state;
	hub.replan_last_ms = -1000000;
	ask("{\"import_w\":3000,\"duration_s\":60}");
	ends(0);
	tick(0);
	assert_true(hub.replan_due_ms != 0);
	hub.replan_due_ms = 0;
	for (int i = 1; i <= 600; i++) {
		now_ms += 1000;
		assert_int_equal(ask("{\"import_w\":3000,\"duration_s\":60}") & ~LIMIT_STORE, LIMIT_CHANGED | LIMIT_PROLONGED);
		assert_int_equal(tick(0)->external.until_utc_ms, T + now_ms + 60000);
		if (n_stores)
			ends(0);
		assert_int_equal(n_answers, i + 1);
	}
	assert_true(submitted == 11 && hub.replan_due_ms == 0);
	for (int i = 1; i <= 300; i++) {
		now_ms += 1000;
		ask("{\"import_w\":3000,\"duration_s\":60}");
		tick(0);
		if (n_stores)
			ends(0);
	}
	assert_true(hub.replan_due_ms != 0); /* a quarter of an hour later than the plan knows */
	hub.replan_due_ms = 0;
	ask("{\"import_w\":3001,\"duration_s\":60}");
	tick(0);
	assert_true(hub.replan_due_ms != 0);
	hub.replan_due_ms = 0;
	now_ms += 1000;
	ask("{\"import_w\":3001,\"duration_s\":30}"); /* ends earlier */
	tick(0);
	assert_true(hub.replan_due_ms != 0);
	while (n_stores)
		ends(0);
}

static void test_load(void **state)
{
	(void)state;
	assert_true(outside_load(hub.outside, &(struct store_row){ .key = "limit", .body = "{\"import\":{\"w\":0},\"export\":{\"w\":7}}" }));
	assert_false(outside_load(hub.outside, &(struct store_row){ .key = "owner", .body = "{}" }));
	assert_true(outside_load(hub.outside, &(struct store_row){ .key = "demand", .body = "{\"month\":24312,\"peak_w\":5000}" }));
	assert_true(outside_load(hub.outside, &(struct store_row){ .key = "demand", .body = "nonsense" }));
	hub.cfg.plan.demand_target_w = 4000;
	now_ms = 0;
	assert_true(tick(0)->external.import_w == 0 && tick(0)->external.export_w == 7);
	assert_true(tick(0)->site.demand_target_w == 5000 && tick(0)->external.demand_w == 5000 && submitted == 0);
}

static void load(const char *body)
{
	assert_true(outside_load(hub.outside, &(struct store_row){ .key = "limit", .body = body }));
}

/* A stored limit that cannot be read is no reason to lift it: failsafe limits, a warning, until the next one. */
static void test_unreadable(void **state)
{
	(void)state;
	load("{\"import\":{\"w\":3000,\"until\":\"2026-01-1\"},\"export\":{\"w\":7}}");
	assert_true(tick(0)->external.import_w == 3000 && tick(0)->external.export_w == 7);
	assert_non_null(strstr(outside_warning(hub.outside), "stored import limit could not be read"));
	assert_true(n_stores == 1 && strstr(stores[0].body, "\"unread\":true")); /* the next start shall know */
	ends(0);
	load("{\"imp");
	assert_true(isnan(tick(0)->external.import_w));
	assert_non_null(strstr(outside_warning(hub.outside), "the stored limit could not"));
	hub.cfg.site.limit_failsafe_import_w = 4200;
	hub.cfg.site.limit_failsafe_export_w = 500;
	assert_true(tick(0)->external.import_w == 4200 && tick(0)->external.export_w == 500 && tick(0)->external.failsafe);
	ask("{}");
	assert_true(tick(0)->external.import_w == 4200);
	ask("{\"export_w\":null}");
	assert_true(tick(0)->external.import_w == 4200 && isnan(tick(0)->external.export_w));
	assert_non_null(strstr(outside_warning(hub.outside), "stored import limit could not be read"));
	ask("{\"import_w\":6000}");
	assert_true(tick(0)->external.import_w == 6000 && !tick(0)->external.failsafe);
	assert_null(outside_warning(hub.outside));
	while (n_stores || n_answers < 3) {
		now_ms += 1000;
		tick(0);
		ends(0);
	}
}

/* A damaged database: what was read of it holds; without it nothing was ever said only when no row is missing and nobody expects any. */
static void test_lost(void **state)
{
	static const struct { double failsafe_w; const char *row; bool lost; double import_w; const char *warning; } ROWS[] = {
		{ NAN, "{\"source\":\"\"}", false, NAN, NULL }, { 4200, "{\"source\":\"\"}", false, 4200, "stored limit could" },
		{ NAN, "{\"source\":\"\"}", true, NAN, "the stored limit could not be read, and no failsafe limit is configured: none holds" },
		{ NAN, "{}", false, NAN, "none holds" }, { 4200, "{}", false, 4200, "hold (import 4200 W)" },
		{ NAN, "{\"import\":{\"w\":4000}}", false, 4000, "stored import" }, { 3000, "{\"import\":{\"w\":4000}}", true, 3000, "stored import" } };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++, teardown(NULL), setup(NULL)) {
		hub.cfg.site.limit_failsafe_import_w = ROWS[i].failsafe_w;
		load(ROWS[i].row);
		outside_lost(hub.outside, ROWS[i].lost);
		assert_true((tick(0)->external.import_w == ROWS[i].import_w) != isnan(ROWS[i].import_w) && n_stores == !!ROWS[i].warning);
		assert_true(!n_stores || strstr(stores[0].body, "\"unread\":true")); /* the next start shall know */
		assert_true(n_stores ? strstr(outside_warning(hub.outside), ROWS[i].warning) != NULL : !outside_warning(hub.outside));
	}
}

/* R/limit when something changed, the age in coarse steps; again for a broker that came back. */
static void test_published(void **state)
{
	(void)state;
	hub.cfg.site.limit_heartbeat_s = 120;
	hub.cfg.site.limit_failsafe_import_w = 4200;
	tick(0);
	assert_string_equal(limit_topic, "{\"state\":\"init\",\"import_w\":4200,\"export_w\":null,\"failsafe\":true,\"heartbeat_age_s\":null,"
					 "\"import_state\":\"init\",\"export_state\":\"init\",\"heartbeat_s\":120,\"warnings\":[]}");
	assert_non_null(outside_warning(hub.outside));
	tick(0);
	assert_int_equal(n_limit_topics, 1);
	ask("{\"import_w\":6000,\"until\":\"2026-01-15T13:00:00Z\"}");
	tick(0);
	tick(0);
	assert_int_equal(n_limit_topics, 2);
	assert_string_equal(limit_topic, "{\"state\":\"limited\",\"import_w\":6000,\"export_w\":null,\"until\":\"2026-01-15T13:00:00.000Z\","
					 "\"failsafe\":false,\"heartbeat_age_s\":0,\"source\":\"dso\",\"import_state\":\"limited\","
					 "\"export_state\":\"init\",\"import_until\":\"2026-01-15T13:00:00.000Z\",\"heartbeat_s\":120,\"warnings\":[]}");
	assert_null(outside_warning(hub.outside));
	for (int i = 0; i < 120; i++) {
		now_ms += 1000;
		tick(0);
	}
	assert_int_equal(n_limit_topics, 6); /* 10, 30, 60, 120 s */
	now_ms += 1;
	tick(0);
	assert_non_null(strstr(limit_topic, "\"state\":\"failsafe\""));
	outside_publish_again(hub.outside);
	tick(0);
	assert_int_equal(n_limit_topics, 8);
	ends(0);
}

/* Two that speak: whose silence counts for which side is shown, and nobody vouches for the other. */
static void test_two_sources(void **state)
{
	(void)state;
	hub.cfg.site.limit_heartbeat_s = 120;
	hub.cfg.site.limit_failsafe_import_w = 4200;
	ask("{\"import_w\":6000}");
	tick(0);
	assert_null(strstr(limit_topic, "_source"));
	ask_as("solar", "{\"export_w\":0}");
	for (int i = 0; i < 121; i++) {
		now_ms += 1000;
		ask_as("solar", "{}");
		tick(0);
		if (n_stores)
			ends(0);
	}
	assert_non_null(strstr(limit_topic, "\"source\":\"solar\",\"import_state\":\"failsafe\",\"export_state\":\"limited\",\"import_source\":\"dso\""));
	assert_null(strstr(limit_topic, "export_source"));
	assert_string_equal(outside_warning(hub.outside), "the source of import limits is silent: failsafe limits hold (import 4200 W)");
	assert_true(tick(0)->external.failsafe && !tick(0)->external.import_heard && tick(0)->external.export_heard);
	assert_true(tick(0)->external.import_until_utc_ms == 0 && tick(0)->external.export_until_utc_ms == 0);
	ask_as("solar", "{\"export_w\":0,\"duration_s\":60}");
	assert_true(tick(0)->external.import_until_utc_ms == 0 && tick(0)->external.export_until_utc_ms == T + now_ms + 60000);
}

static void test_demand(void **state)
{
	(void)state;
	tick(3000);
	assert_true(n_demand_topics == 1 && !demand_topic[0]); /* none configured: whatever is retained goes */
	hub.cfg.plan.demand_target_w = 4000;
	now_ms = 1800000;
	assert_true(tick(6000)->external.demand_w == 4000);
	for (int i = 0; i < 450; i++) {
		now_ms += 1000;
		tick(6000);
	}
	assert_true(fabs(tick(6000)->external.demand_w - 2000) < 1);
	assert_string_equal(demand_topic, "{\"interval_w\":6000,\"target_w\":4000,\"allowed_w\":2000,\"interval_min\":15,\"until\":\"2026-01-15T12:45:00.000Z\"}");
	for (int i = 0; i < 450; i++) {
		now_ms += 1000;
		tick(-6000); /* export is no credit */
	}
	assert_int_equal(submitted, 1);
	assert_string_equal(stores[0].key, "demand");
	for (int i = 0; i < 100; i++) { /* a full disk: every 10 s, not each tick, and until it is there */
		if (n_stores)
			ends(-ENOSPC);
		now_ms += 1000;
		tick(-6000);
	}
	assert_in_range(submitted, 9, 12);
	submit_error = -EAGAIN;
	now_ms += 20000;
	tick(0);
	if (n_stores)
		ends(-ENOSPC);
	submit_error = 0;
	now_ms += 10000;
	tick(0);
	ends(0);
	submitted = 0;
	now_ms += 60000;
	tick(0);
	assert_int_equal(submitted, 0);
	/* a meter that is not read any more */
	now_ms += 20000;
	tick(NAN);
	outside_flush(hub.outside);
	assert_int_equal(submitted, 0); /* nothing is owed */
}

/* At the end: the peak that is under way is given to the disk twice too. */
static void test_end_with_a_peak(void **state)
{
	(void)state;
	hub.cfg.plan.demand_target_w = 4000;
	now_ms = 1800000;
	for (int i = 0; i <= 900; i++, now_ms += 1000)
		tick(6000);
	assert_true(submitted == 1 && strstr(stores[0].body, "\"peak_w\":6000"));
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 2);
	assert_string_equal(stores[1].body, stores[0].body);
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 2);
	ends(-EIO);
	ends(0);
	outside_flush(hub.outside); /* failed since: again */
	assert_int_equal(n_stores, 1);
	ends(0);
	outside_flush(hub.outside);
	assert_int_equal(n_stores, 0);
}

/* The running interval, each minute and at the end, and back. */
static void test_interval_is_kept(void **state)
{
	(void)state;
	outside_load_interval(hub.outside, &(struct store_row){ .key = "battery/2026-01-15", .body = "{}" });
	outside_load_interval(hub.outside, &(struct store_row){ .key = "demand", .body = "{}" });
	outside_load_interval(hub.outside, &(struct store_row){ .key = "demand", .body = "{\"start\":\"2026-01-15T12:30:00Z\","
			      "\"at\":\"2026-01-15T12:34:00Z\",\"used_wh\":900}" });
	now_ms = 1800000 + 300000;
	tick(6000);
	assert_int_equal(n_unsynced, 0); /* no target */
	hub.cfg.plan.demand_target_w = 4000;
	assert_true(tick(6000)->external.demand_w < 300); /* 900 Wh, a minute at the target, of 1000 Wh */
	for (int i = 0; i < 300; i++) {
		now_ms += 1000;
		tick(0);
	}
	assert_int_equal(n_unsynced, 6);
	assert_non_null(strstr(unsynced, "\"start\":\"2026-01-15T12:30:00.000Z\",\"at\":\"2026-01-15T12:40:00.000Z\",\"used_wh\":9"));
	outside_flush(hub.outside);
	assert_true(n_unsynced == 7 && submitted == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer_waits_for_the_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_burst, setup, teardown), cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown), cmocka_unit_test_setup_teardown(test_too_many_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_with_more_to_write, setup, teardown), cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_published, setup, teardown), cmocka_unit_test_setup_teardown(test_demand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk_is_said_once, setup, teardown), cmocka_unit_test_setup_teardown(test_end_with_a_write_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_with_a_peak, setup, teardown), cmocka_unit_test_setup_teardown(test_two_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prolonged, setup, teardown), cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown), cmocka_unit_test_setup_teardown(test_interval_is_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
