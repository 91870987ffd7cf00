/* Requests from the bus: what is done once, what is answered again, what another question under the same name gets, and whom a limit
 * that is said again keeps alive. Broker, disk and tick are played by this file, the limits behind are the real ones. */
#include "flow/hub.h"
#include "flow/local/inbox.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/users.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */

static struct hub hub;
static struct limit_input limit;
static const struct limit_config LIMITS = { 120, { 4200, NAN } };
static int64_t now_ms;
static char answer[500], audited[500], topic[MQTT_TOPIC_MAX];
static int n_answers, n_audits, n_runs, n_ticks;
static struct request *held;   /* waits for the disk */
static outside_done_fn stored;
static bool room, slow;

int64_t loop_now_ms(void)
{
	return now_ms;
}

int mqtt_publish(struct mqtt *m, const char *to, const char *payload, size_t len, int qos, bool retain, const struct mqtt_publish_extra *extra)
{
	(void)m;
	(void)qos;
	(void)extra;
	assert_true(!retain || len == 0);
	snprintf(topic, sizeof(topic), "%s", to);
	snprintf(answer, sizeof(answer), "%.*s", (int)len, payload ? payload : "");
	n_answers += !retain;
	return 0;
}

int mqtt_subscribe(struct mqtt *m, const char *filter, int qos)
{
	(void)m;
	(void)filter;
	(void)qos;
	return 0;
}

void hub_audit(struct hub *h, const char *origin, const char *request, const char *result)
{
	(void)h;
	(void)origin;
	(void)request;
	snprintf(audited, sizeof(audited), "%s", result);
	n_audits++;
}

int users_role(const char *state_dir, const char *name, char *role, size_t size)
{
	(void)state_dir;
	static const char *const USERS[][2] = { { "dso", "installer" }, { "olaf", "owner" }, { "olga", "owner" }, { "otto", "owner" }, { "vera", "viewer" } };

	for (size_t i = 0; i < sizeof(USERS) / sizeof(USERS[0]); i++)
		if (!strcmp(name, USERS[i][0]))
			return snprintf(role, size, "%s", USERS[i][1]) < 0;
	return -ENOENT;
}

void tick_now(struct tick *t)
{
	(void)t;
	n_ticks++;
}

int outside_limit(struct outside *o, const struct limit_message *m, struct errbuf *err)
{
	(void)o;
	return limit_input_message(&limit, &LIMITS, m, &(struct limit_clock){ now_ms, T + now_ms, true }, err);
}

int outside_tighten(struct outside *o, const struct limit_message *m, struct errbuf *err)
{
	const struct limit_clock clock = { now_ms, T + now_ms, true };

	return limit_input_tightens(&limit, &LIMITS, m, &clock) ? outside_limit(o, m, err) : -EBUSY;
}

bool outside_room(const struct outside *o)
{
	(void)o;
	return room;
}

int outside_stored(struct outside *o, outside_done_fn done, void *context)
{
	(void)o;
	if (slow) {
		held = context;
		stored = done;
	} else {
		done(context, 0);
	}
	return 0;
}

static void run_change(struct request *rq)
{
	n_runs++;
	request_ok(rq, NULL);
}

static void run_fail(struct request *rq)
{
	request_error(rq, "bad_request", "no");
}

static void run_slow(struct request *rq)
{
	held = rq;
}

const struct verb VERBS[] = {
	{ "read", USER_VIEWER, false, run_change }, { "change", USER_OWNER, true, run_change }, { "slow", USER_OWNER, true, run_slow },
	{ "limit.set", USER_INSTALLER, true, verb_limit_set }, { "fail", USER_OWNER, true, run_fail }, { NULL, USER_NONE, false, NULL },
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = VERBS; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	memset(&hub, 0, sizeof(hub));
	topic_root_set(&hub.root, "hearth/1", "home");
	limit_input_init(&limit);
	now_ms = 1000000;
	limit_input_step(&limit, &LIMITS, &(struct limit_clock){ now_ms, T + now_ms, true });
	n_answers = n_audits = n_runs = n_ticks = 0;
	room = true;
	slow = false;
	held = NULL;
	return inbox_start(&hub.inbox, &hub, &err);
}

static int teardown(void **state)
{
	(void)state;
	inbox_stop(hub.inbox);
	return 0;
}

/* What comes of it: "ok", or the code of the error. */
static const char *ask_late(const char *user, const char *verb, const char *json, int64_t expiry_s)
{
	static char code[40];
	char to[200];
	const struct mqtt_message m = { .topic = to, .payload = json, .len = strlen(json), .qos = 1, .expiry_s = expiry_s };
	AUTO_JSON *j = NULL;
	const cJSON *e;

	if (user)
		snprintf(to, sizeof(to), "hearth/1/home/as/%s/request/%s", user, verb);
	else
		snprintf(to, sizeof(to), "hearth/1/home/request/%s", verb);
	answer[0] = '\0';
	assert_true(inbox_message(hub.inbox, &m));
	if (!answer[0])
		return "";
	j = cJSON_Parse(answer);
	e = cJSON_GetObjectItem(cJSON_GetObjectItem(j, "error"), "code");
	snprintf(code, sizeof(code), "%s", e ? e->valuestring : cJSON_GetObjectItem(j, "status")->valuestring);
	return code;
}

static const char *ask(const char *user, const char *verb, const char *json)
{
	return ask_late(user, verb, json, -1);
}

/* One name, one question. Each row follows the one before. */
static void test_transactions(void **state)
{
	static const struct { const char *user, *verb, *json, *comes; int runs; } ROWS[] = {
		{ NULL, "change", "{\"transaction\":\"a\",\"pct\":30}", "ok", 1 },
		{ NULL, "change", "{\"transaction\":\"a\",\"pct\":30}", "ok", 1 },       /* the same answer, not done again */
		{ NULL, "change", "{\"transaction\":\"a\",\"pct\":31}", "bad_request", 1 }, /* "ok" would say that 31 is in force */
		{ NULL, "change", "{\"transaction\":\"a\"}", "bad_request", 1 },
		{ NULL, "change", "{\"transaction\":\"a\",\"pct\":30}", "ok", 1 },
		{ NULL, "read", "{\"transaction\":\"a\",\"pct\":30}", "bad_request", 1 },
		{ NULL, "limit.set", "{\"transaction\":\"a\"}", "bad_request", 1 },
		{ "olaf", "change", "{\"transaction\":\"a\",\"pct\":31}", "ok", 2 },     /* another user's */
		{ NULL, "read", "{\"transaction\":\"b\",\"x\":1}", "ok", 3 },
		{ NULL, "read", "{\"transaction\":\"b\",\"x\":2}", "bad_request", 3 },
		{ NULL, "change", "{\"pct\":30}", "ok", 4 }, { NULL, "change", "{\"pct\":30}", "ok", 5 }, /* without a name each is new */
		{ NULL, "limit.set", "{\"transaction\":\"l\",\"import_w\":6000}", "ok", 5 },
		{ NULL, "limit.set", "{\"transaction\":\"l\",\"import_w\":6000}", "ok", 5 },
		{ NULL, "limit.set", "{\"transaction\":\"l\",\"import_w\":6001}", "bad_request", 5 },
		{ NULL, "limit.set", "{\"transaction\":\"l\"}", "bad_request", 5 },
		{ NULL, "change", "{\"transaction\":\"l\",\"import_w\":6000}", "bad_request", 5 },
		{ "dso", "limit.set", "{\"transaction\":\"l\",\"import_w\":6001}", "ok", 5 },
		{ NULL, "limit.set", "{\"transaction\":\"m\",\"import_w\":-1}", "bad_request", 5 },
		{ NULL, "limit.set", "{\"transaction\":\"m\",\"import_w\":5}", "ok", 5 }, /* what was refused may be said right */
		{ "olaf", "limit.set", "{\"transaction\":\"n\",\"import_w\":9}", "refused", 5 },
		{ NULL, "none", "{\"transaction\":\"o\"}", "unknown_verb", 5 },
		{ NULL, "change", "[]", "bad_request", 5 }, { NULL, "change", "{\"transaction\":7}", "bad_request", 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const char *comes = ask(ROWS[i].user, ROWS[i].verb, ROWS[i].json);

		if (strcmp(comes, ROWS[i].comes) != 0 || n_runs != ROWS[i].runs)
			fail_msg("row %zu, %s %s: %s, %d runs", i, ROWS[i].verb, ROWS[i].json, answer, n_runs);
	}
	assert_true(limit.side[LIMIT_IMPORT].demand.w == 5);
	now_ms += 600001; /* ten minutes later the name is free */
	assert_string_equal(ask(NULL, "change", "{\"transaction\":\"a\",\"pct\":31}"), "ok");
	assert_int_equal(n_runs, 6);
}

/* While it is at work: busy, and another question is another question. */
static void test_under_way(void **state)
{
	(void)state;
	assert_string_equal(ask(NULL, "slow", "{\"transaction\":\"a\",\"x\":1}"), "");
	assert_string_equal(ask(NULL, "slow", "{\"transaction\":\"a\",\"x\":1}"), "busy");
	assert_string_equal(ask(NULL, "slow", "{\"transaction\":\"a\",\"x\":2}"), "bad_request");
	request_ok(held, NULL);
	assert_string_equal(ask(NULL, "slow", "{\"transaction\":\"a\",\"x\":1}"), "ok");
	slow = true;
	assert_string_equal(ask(NULL, "limit.set", "{\"transaction\":\"b\",\"import_w\":1}"), "");
	assert_string_equal(ask(NULL, "limit.set", "{\"transaction\":\"b\",\"import_w\":1}"), "busy");
	assert_string_equal(ask(NULL, "limit.set", "{\"transaction\":\"b\",\"import_w\":2}"), "bad_request");
	stored(held, -ENOSPC);
	assert_non_null(strstr(answer, "in force, but it could not be stored"));
	assert_string_equal(ask(NULL, "limit.set", "{\"transaction\":\"b\",\"import_w\":1}"), ""); /* failed: may be tried again */
	stored(held, 0);
	assert_non_null(strstr(answer, "\"ok\""));
	room = false;
	assert_string_equal(ask(NULL, "limit.set", "{\"import_w\":3}"), "unavailable");
	assert_true(limit.side[LIMIT_IMPORT].demand.w == 3);
}

static enum limit_state import_state(void)
{
	limit_input_step(&limit, &LIMITS, &(struct limit_clock){ now_ms, T + now_ms, true });
	return limit.side[LIMIT_IMPORT].state;
}

/* Said again it is a heartbeat of its source and no more; not when it is late, or asks for something else. */
static void test_said_again(void **state)
{
	static const struct { const char *name, *user, *json; int64_t expiry_s; enum limit_state after; } ROWS[] = {
		{ "nothing", NULL, NULL, -1, LIMIT_FAILSAFE },
		{ "word for word", "dso", "{\"transaction\":\"a\",\"import_w\":9000}", -1, LIMIT_LIMITED },
		{ "word for word, but late", "dso", "{\"transaction\":\"a\",\"import_w\":9000}", 0, LIMIT_FAILSAFE },
		{ "other words", "dso", "{\"transaction\":\"a\",\"import_w\":9001}", -1, LIMIT_FAILSAFE },
		{ "somebody else's", NULL, "{}", -1, LIMIT_FAILSAFE },
		{ "somebody's who may not", "olaf", "{}", -1, LIMIT_FAILSAFE },
		{ "its own heartbeat", "dso", "{}", -1, LIMIT_LIMITED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		teardown(NULL);
		setup(NULL);
		assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"a\",\"import_w\":9000}"), "ok");
		assert_int_equal(n_ticks, 1);
		now_ms += 100000;
		if (ROWS[i].json)
			ask_late(ROWS[i].user, "limit.set", ROWS[i].json, ROWS[i].expiry_s);
		now_ms += 100000;
		if (import_state() != ROWS[i].after)
			fail_msg("%s: %s", ROWS[i].name, limit_state_word(import_state()));
		assert_int_equal(n_ticks, 1);
	}
	/* in failsafe it heals nothing, said again or not */
	now_ms += 121000;
	assert_int_equal(import_state(), LIMIT_FAILSAFE);
	assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"a\",\"import_w\":9000}"), "ok");
	assert_string_equal(ask("dso", "limit.set", "{}"), "ok");
	assert_int_equal(import_state(), LIMIT_FAILSAFE);
	assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"b\",\"import_w\":9000}"), "ok");
	assert_int_equal(import_state(), LIMIT_LIMITED);
}

/* Ten a second for the next minute: audited once. */
static void test_quiet(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_string_equal(ask("dso", "limit.set", "{\"import_w\":7000,\"duration_s\":60}"), "ok");
		assert_string_equal(ask("dso", "limit.set", "{}"), "ok");
		now_ms += 100;
	}
	assert_true(n_audits == 1 && n_ticks == 1);
	ask("dso", "limit.set", "{\"import_w\":7001,\"duration_s\":60}");
	assert_true(n_audits == 2 && n_ticks == 2);
	assert_string_equal(ask("dso", "limit.set", "{\"import_w\":7001,\"until\":\"2026-01-15T11:00:00Z\"}"), "expired");
	assert_int_equal(n_audits, 3); /* what is refused is said */
	assert_string_equal(topic, "hearth/1/home/as/dso/response/limit.set");
}

/* Who may not speak takes nobody's place, and does not fill the audit. */
static void test_flood_of_a_stranger(void **state)
{
	char json[80];

	(void)state;
	assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"a\",\"import_w\":9000}"), "ok");
	assert_string_equal(ask("olaf", "change", "{\"transaction\":\"a\"}"), "ok");
	n_audits = 0;
	for (int i = 0; i < 20000; i++) {
		now_ms++;
		snprintf(json, sizeof(json), "{\"transaction\":\"x%d\"}", i);
		assert_string_equal(ask("nobody", i % 2 ? "limit.set" : "change", json), "refused");
	}
	assert_in_range(n_audits, 1, 20);
	assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"b\",\"import_w\":9500}"), "ok");
	assert_string_equal(ask("olaf", "change", "{\"transaction\":\"b\"}"), "ok");
	assert_int_equal(n_runs, 2);
	for (int i = 0; i < 1000; i++) { /* nor what is refused of one who may */
		snprintf(json, sizeof(json), "{\"transaction\":\"y%d\",\"import_w\":-1}", i);
		assert_string_equal(ask("dso", "limit.set", json), "bad_request");
		snprintf(json, sizeof(json), "{\"transaction\":\"y%d\"}", i);
		assert_string_equal(ask("olaf", "fail", json), "bad_request");
	}
	assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"c\",\"import_w\":9000}"), "ok");
	assert_string_equal(ask("olaf", "change", "{\"transaction\":\"c\"}"), "ok");
	assert_string_equal(ask("olaf", "change", "{\"transaction\":\"b\"}"), "ok");
	assert_int_equal(n_runs, 3);
	now_ms += 60000;
	assert_string_equal(ask("nobody", "change", "{}"), "refused");
	assert_non_null(strstr(audited, "and 19980 more"));
}

/* A memory that is full of good ones: what takes away is in force all the same, anything else waits. */
static void test_full(void **state)
{
	static const struct { const char *json; double import_w; bool taken; } ROWS[] = {
		{ "\"import_w\":9001", 9000, false }, { "\"import_w\":null", 9000, false }, { "\"export_w\":5", 9000, true }, { "\"import_w\":9000", 9000, true },
		{ "\"import_w\":8999", 8999, true }, { "\"import_w\":8000,\"duration_s\":60", 8999, false }, { "\"import_w\":7000,\"export_w\":6", 8999, false },
		{ "\"import_w\":7000,\"export_w\":5", 7000, true }, { "\"import_w\":-1", 7000, false }, { "\"source\":1", 7000, false },
	};
	char json[100];

	(void)state;
	for (int i = 0; i < 16384; i++) {
		snprintf(json, sizeof(json), "{\"transaction\":\"x%d\",\"import_w\":9000}", i);
		assert_string_equal(ask("dso", "limit.set", json), "ok");
	}
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		snprintf(json, sizeof(json), "{\"transaction\":\"n%zu\",%s}", i, ROWS[i].json);
		assert_string_equal(ask("dso", "limit.set", json), "busy");
		if (limit.side[LIMIT_IMPORT].demand.w != ROWS[i].import_w || (strstr(answer, "in force") != NULL) != ROWS[i].taken)
			fail_msg("%s: %.0f W, %s", ROWS[i].json, limit.side[LIMIT_IMPORT].demand.w, answer);
	}
	assert_string_equal(ask(NULL, "limit.set", "{\"transaction\":\"own\",\"import_w\":7001}"), "ok"); /* nobody takes the hub's own place */
	assert_string_equal(ask("dso", "limit.set", "{\"import_w\":7000}"), "ok");
	now_ms += 100000;
	assert_string_equal(ask("dso", "limit.set", "{\"transaction\":\"beat\"}"), "busy");
	now_ms += 100000;
	assert_int_equal(import_state(), LIMIT_LIMITED); /* but its source lives */
	assert_string_equal(ask_late("dso", "limit.set", "{\"transaction\":\"late\",\"import_w\":1}", 0), "busy");
	assert_true(limit.side[LIMIT_IMPORT].demand.w == 7000);
	assert_string_equal(ask("dso", "limit.set", "{\"import_w\":9001}"), "ok"); /* without a name it is no matter */
}

/* As many changes as one may have remembered, and one more. */
static int changes_until_busy(const char *user)
{
	char json[40];
	int n = 0;

	do
		snprintf(json, sizeof(json), "{\"transaction\":\"f%d\"}", ++n);
	while (n < 10000 && !strcmp(ask(user, "change", json), "ok"));
	assert_string_equal(ask(user, "change", json), "busy");
	return n - 1;
}

/* Whoever fills his memory fills that of nobody else; all users of a role that of no other role. */
static void test_shares(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) { /* what only reads gives way, but keeps its place from nobody */
		char json[40];

		snprintf(json, sizeof(json), "{\"transaction\":\"r%d\"}", i);
		assert_string_equal(ask("vera", "read", json), "ok");
		assert_string_equal(ask("olaf", "read", json), "ok");
	}
	assert_int_equal(changes_until_busy("olaf"), 128);
	assert_string_equal(ask("olga", "change", "{\"transaction\":\"a\"}"), "ok"); /* a second owner */
	assert_int_equal(changes_until_busy("olga"), 127);
	assert_string_equal(ask("otto", "change", "{\"transaction\":\"a\"}"), "busy");
	assert_string_equal(ask("dso", "change", "{\"transaction\":\"a\"}"), "ok");
	assert_string_equal(ask("vera", "read", "{\"transaction\":\"r0\"}"), "ok");
	assert_int_equal(changes_until_busy(NULL), 256);
	n_runs = 0;
	assert_string_equal(ask("dso", "change", "{\"transaction\":\"a\"}"), "ok"); /* still remembered */
	assert_string_equal(ask("olga", "change", "{\"transaction\":\"a\"}"), "ok");
	assert_string_equal(ask("vera", "read", "{\"transaction\":\"r99\"}"), "ok");
	assert_int_equal(n_runs, 0);
	now_ms += 600001;
	assert_int_equal(changes_until_busy("olaf"), 128);
}

/* An end may not come nearer; where there is none, any would. */
static void test_tightens_ends(void **state)
{
	static const struct { const char *now, *then; bool taken; } ROWS[] = {
		{ "{\"import_w\":9000,\"duration_s\":60}", "{\"import_w\":8000,\"duration_s\":60}", true },
		{ "{\"import_w\":9000,\"duration_s\":60}", "{\"import_w\":8000,\"duration_s\":59}", false },
		{ "{\"import_w\":9000,\"duration_s\":60}", "{\"import_w\":8000}", true },
		{ "{\"import_w\":9000,\"until\":\"2026-01-15T13:00:00Z\"}", "{\"import_w\":9000,\"until\":\"2026-01-15T13:00:00Z\"}", true },
		{ "{\"import_w\":9000,\"until\":\"2026-01-15T13:00:00Z\"}", "{\"import_w\":9000,\"until\":\"2026-01-15T12:59:59Z\"}", false },
		{ "{\"import_w\":null}", "{\"import_w\":9000,\"duration_s\":60}", true },
		{ "{\"import_w\":9000}", "{}", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		AUTO_JSON *j = cJSON_Parse(ROWS[i].then);
		struct limit_message m;

		ask("dso", "limit.set", ROWS[i].now);
		assert_int_equal(limit_message_parse(j, &m, NULL), 0);
		if (limit_input_tightens(&limit, &LIMITS, &m, &(struct limit_clock){ now_ms, T + now_ms, true }) != ROWS[i].taken)
			fail_msg("%s behind %s", ROWS[i].then, ROWS[i].now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_transactions, setup, teardown), cmocka_unit_test_setup_teardown(test_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_said_again, setup, teardown), cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood_of_a_stranger, setup, teardown), cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shares, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tightens_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
