/* What people are told beside a limit, and that R/limit says it as soon as it is so. The parts around are played by this file. */
#include "flow/control/limit_words.h"

#include "flow/hub.h"
#include "io/loop.h"
#include "support/cm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define MINUTE 60000LL

static struct hub hub;
static int64_t now_ms;
static char topic[1200];
static int n_topics;

int64_t loop_now_ms(void) { return now_ms; }
int64_t loop_utc_ms(void) { return T + now_ms; }

bool hub_clock(struct hub *h)
{
	h->clocks.now_ms = now_ms;
	h->clocks.utc_ms = T + now_ms;
	return h->clock_trusted;
}

int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn done, void *context)
{
	(void)h;
	(void)key;
	(void)body;
	done(context, 1, 0);
	return 0;
}

int hub_store_unsynced(struct hub *h, const char *key, const char *body) { (void)h; (void)key; (void)body; return 0; }

void publish_text(struct publish *p, const char *below, const cJSON *o, int64_t utc_ms)
{
	AUTO_TEXT *text = o && !strcmp(below, "limit") ? cJSON_PrintUnformatted(o) : NULL;

	(void)p;
	(void)utc_ms;
	if (!text)
		return;
	snprintf(topic, sizeof(topic), "%s", text);
	n_topics++;
}

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	memset(&hub, 0, sizeof(hub));
	hub.loop = uv_default_loop();
	hub.clock_trusted = true;
	hub.cfg.site.limit_failsafe_import_w = hub.cfg.site.limit_failsafe_export_w = NAN;
	owner_init(&hub.owner);
	hub.zone = (struct zone){ .n = 1, .t = { { 0, 3600 } } };
	now_ms = n_topics = 0;
	topic[0] = '\0';
	return outside_start(&hub.outside, &hub, &err);
}

static int teardown(void **state)
{
	(void)state;
	outside_stop(hub.outside);
	uv_run(hub.loop, UV_RUN_DEFAULT);
	return 0;
}

static void say(const char *source, double import_w, double export_w, int64_t duration_ms)
{
	struct limit_message m = { .states = { true, true }, .w = { import_w, export_w }, .duration_ms = duration_ms };

	snprintf(m.source, sizeof(m.source), "%s", source);
	assert_true(outside_limit(hub.outside, &m, NULL) >= 0);
}

static void tick(void)
{
	static struct snapshot s;

	memset(&s, 0, sizeof(s));
	s.now_ms = now_ms;
	s.utc_ms = T + now_ms;
	s.clock_trusted = hub.clock_trusted;
	outside_freeze(hub.outside, &s);
	outside_after(hub.outside);
}

static void take_a_pause(int64_t ms)
{
	assert_int_equal(owner_pause(&hub.owner, ms, loop_utc_ms(), NULL), 0);
	owner_pause_mono(&hub.owner, loop_now_ms(), ms);
}

static const struct { const char *name; double import_w, export_w, site_import_w, site_export_w, fuse_a; int64_t pause_ms; bool trusted; const char *says; } PAUSES[] = {
	{ "not paused", 4000, 0, 11500, 0, 25, 0, true, NULL },
	{ "no limits", NAN, NAN, 0, 0, 0, 60 * MINUTE, true, NULL },
	{ "from outside", 4000, 0, 0, 0, 0, 60 * MINUTE, true,
	  "paused for service until 14:00: not kept: the limit from outside of 4000 W import, the limit from outside of 0 W export" },
	{ "the site's", NAN, NAN, 11500, 6000, 25, 60 * MINUTE, true,
	  "paused for service until 14:00: not kept: the site's limit of 11500 W import, the site's limit of 6000 W export, the main fuse of 25 A" },
	{ "tomorrow", NAN, 0, 0, 0, 0, 24 * 60 * MINUTE, true, "paused for service until 2026-01-16 13:00: not kept: the limit from outside of 0 W export" },
	{ "nobody knows the time", NAN, NAN, 0, 0, 63, 60 * MINUTE, false, "paused for service: not kept: the main fuse of 63 A" },
};

static void test_pause(void **state)
{
	for (size_t i = 0; i < sizeof(PAUSES) / sizeof(PAUSES[0]); i++) {
		char text[LIMIT_WORDS_MAX] = "", expected[LIMIT_WORDS_MAX + 20];

		setup(state);
		hub.clock_trusted = PAUSES[i].trusted;
		hub.cfg.site.import_limit_w = PAUSES[i].site_import_w;
		hub.cfg.site.export_limit_w = PAUSES[i].site_export_w;
		hub.cfg.site.fuse_a = PAUSES[i].fuse_a;
		say("dso", PAUSES[i].import_w, PAUSES[i].export_w, 0);
		take_a_pause(PAUSES[i].pause_ms);
		if (outside_pause_note(hub.outside, text, sizeof(text)) != !!PAUSES[i].says || (PAUSES[i].says && strcmp(text, PAUSES[i].says) != 0))
			fail_msg("%s: %s", PAUSES[i].name, text);
		tick();
		snprintf(expected, sizeof(expected), PAUSES[i].says ? "\"warnings\":[\"%s\"]" : "\"warnings\":[]", PAUSES[i].says);
		if (!strstr(topic, expected))
			fail_msg("%s: %s", PAUSES[i].name, topic);
		teardown(state);
	}
}

/* It begins and ends between two messages. */
static void test_pause_is_published(void **state)
{
	(void)state;
	say("dso", NAN, 0, 0);
	tick();
	assert_true(n_topics == 1 && strstr(topic, "\"warnings\":[]"));
	tick();
	assert_int_equal(n_topics, 1);
	take_a_pause(MINUTE);
	tick();
	tick();
	assert_true(n_topics == 2 && strstr(topic, "paused for service"));
	now_ms = MINUTE;
	tick();
	assert_non_null(strstr(topic, "\"warnings\":[]"));
}

static void test_looser(void **state)
{
	AUTO_JSON *list = cJSON_CreateArray();

	(void)state;
	say("dso", 4000, 0, 30 * MINUTE);
	say("ems", 9000, NAN, 0);
	tick();
	assert_non_null(strstr(topic, "\"import limit: 9000 W, said last by ems, replaced the tighter 4000 W of dso, which would stand until 13:30\","
				      "\"export limit: none, said last by ems, replaced the tighter 0 W of dso, which would stand until 13:30\""));
	outside_notes(hub.outside, list);
	assert_int_equal(cJSON_GetArraySize(list), 2);
	now_ms = 30 * MINUTE;
	tick();
	assert_non_null(strstr(topic, "\"warnings\":[]"));
	say("ems", 8000, NAN, 0);
	say("dso", NAN, NAN, 0);
	tick();
	assert_non_null(strstr(topic, "[\"import limit: none, said last by dso, replaced the tighter 8000 W of ems, which would stand without an end\"]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pause), cmocka_unit_test_setup_teardown(test_pause_is_published, setup, teardown),
		cmocka_unit_test_setup_teardown(test_looser, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
