/* The mock Flip without sockets: doors, tokens, the life of a command, events, telemetry and its bounds. */
#include "sim/mock_flip.c"
#include "sim/mock_flip_commands.c"
#include "sim/mock_flip_events.c"
#include "sim/mock_flip_points.c"
#include "sim/mock_url.c"
#include "support/seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW 1768478400000 /* 2026-01-15T12:00:00Z */
#define MINUTE 60000
#define CLIENT "Bearer fl_sim_token"

static struct mock_flip *flip;

static int setup(void **state)
{
	(void)state;
	flip = calloc(1, sizeof(*flip));
	mock_flip_init(flip, "fl_sim_token", 7);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mock_flip_deinit(flip);
	free(flip);
	return 0;
}

/* The answer's body is the caller's when @body is given. */
static int ask(const char *method, const char *target, const char *auth, const char *text, int64_t now, cJSON **body)
{
	struct mock_request q = { .method = method, .target = target, .authorization = auth, .type = "application/json" };
	struct mock_reply r = { 0 };

	q.body = text ? text : "";
	q.len = strlen(q.body);
	q.now_utc_ms = now;
	mock_flip_handle(flip, &q, &r);
	assert_non_null(r.body);
	if (body)
		*body = r.body;
	else
		cJSON_Delete(r.body);
	return r.status;
}

static struct mock_command *create(const char *id, int64_t starts_ms, int64_t ends_ms, int64_t now)
{
	struct mock_command m = { .device_id = "bat-1", .mode = "CHARGE", .form = 'T', .grid_import = -1 };
	struct errbuf err;

	snprintf(m.id, sizeof(m.id), "%s", id);
	m.setpoint_w = m.reserve_pct = NAN;
	m.starts_ms = starts_ms;
	m.ends_ms = ends_ms;
	return mock_flip_create(flip, &m, now, &err);
}

static void test_doors(void **state)
{
	static const struct {
		const char *method, *target, *auth;
		int want;
		const char *route;
	} ROWS[] = {
		{ "GET", "/v1/commands", NULL, 401, "GET /v1/commands" },
		{ "GET", "/v1/commands", "", 401, "GET /v1/commands" },
		{ "GET", "/v1/commands", "Bearer ", 401, "GET /v1/commands" },
		{ "GET", "/v1/commands", "Bearer fl_sim_token ", 401, "GET /v1/commands" },
		{ "GET", "/v1/commands", "fl_sim_token", 401, "GET /v1/commands" },
		{ "GET", "/v1/commands", "bearer fl_sim_token", 200, "GET /v1/commands" },
		{ "GET", "/v1/commands?", CLIENT, 200, "GET /v1/commands" },
		{ "GET", "", CLIENT, 400, "other" },
		{ "GET", "*", CLIENT, 400, "other" },
		{ "GET", "/", CLIENT, 404, "other" },
		{ "GET", "//v1/commands", CLIENT, 404, "other" },
		{ "GET", "/v1/commands/x", CLIENT, 405, "other" },
		{ "PATCH", "/v1/command", CLIENT, 404, "other" },
		{ "PATCH", "/v1/command/", CLIENT, 404, "other" },
		{ "PATCH", "/v1/command/a%2fb", CLIENT, 422, "PATCH /v1/command/{id}" },
		{ "PATCH", "/v1/commands/x", CLIENT, 422, "PATCH /v1/command/{id}" },
		{ "POST", "/v1/auth/site/", CLIENT, 404, "other" },
		{ "POST", "/v1/auth/site/h", NULL, 401, "POST /v1/auth/site/{id}" },
		{ "POST", "/v1/auth/site/h", CLIENT, 200, "POST /v1/auth/site/{id}" },
		{ "GET", "/v1/sites?skip=1", CLIENT, 501, "GET /v1/sites" },
		{ "GET", "/v1/site/h/events", CLIENT, 403, "GET /v1/site/{id}/events" },
		{ "GET", "/v1/site/%4", CLIENT, 400, "other" },
		{ "GET", "/1/2/3/4/5/6/7/8/9", CLIENT, 400, "other" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct mock_request q = { .method = ROWS[i].method, .target = ROWS[i].target };

		if (ask(ROWS[i].method, ROWS[i].target, ROWS[i].auth, NULL, NOW, NULL) != ROWS[i].want)
			fail_msg("%s %s", ROWS[i].method, ROWS[i].target);
		assert_string_equal(mock_flip_route(&q), ROWS[i].route);
	}
}

static void test_site_tokens(void **state)
{
	char auth[80], old[80];
	cJSON *body;

	(void)state;
	for (int i = 0; i <= MOCK_SITE_TOKENS_MAX; i++) {
		assert_int_equal(ask("POST", "/v1/auth/site/h", CLIENT, NULL, NOW, &body), 200);
		snprintf(i ? auth : old, sizeof(auth), "Bearer %s",
			 cJSON_GetObjectItem(body, "site_access_token")->valuestring);
		assert_string_equal(cJSON_GetObjectItem(body, "expires_at")->valuestring, "2026-01-15T13:00:00.000Z");
		cJSON_Delete(body);
	}
	assert_int_equal(ask("GET", "/v1/site/h/events", old, NULL, NOW, NULL), 401); /* pushed out by the 64 after it */
	assert_int_equal(ask("GET", "/v1/site/h/events", auth, NULL, NOW + 3599999, NULL), 200);
	assert_int_equal(ask("GET", "/v1/site/h/events", auth, NULL, NOW + 3600000, NULL), 401);
	assert_int_equal(ask("GET", "/v1/site/g/events", auth, NULL, NOW, NULL), 403);
	assert_int_equal(ask("GET", "/v1/commands", auth, NULL, NOW, NULL), 403);
	mock_flip_expire_tokens(flip, NOW + 5);
	assert_int_equal(ask("GET", "/v1/site/h/events", auth, NULL, NOW + 5, NULL), 401);
}

static void test_fifteen_minutes(void **state)
{
	struct mock_command *c;

	(void)state;
	create("a", NOW, NOW + 3600000, NOW);
	create("endless", NOW, 0, NOW);
	create("over", NOW - 100, NOW - 1, NOW);
	mock_flip_step(flip, NOW - 86400000); /* a clock set back is not an hour of silence */
	mock_flip_step(flip, NOW + MOCK_ACK_LIMIT_MS - 1);
	assert_int_equal(flip->n_commands, 3);
	mock_flip_step(flip, NOW + MOCK_ACK_LIMIT_MS);
	assert_int_equal(flip->n_commands, 5);
	assert_string_equal(mock_flip_find(flip, "a")->device_status, "FAILED_OFFLINE");
	assert_string_equal(mock_flip_find(flip, "over")->device_status, "FAILED_OFFLINE");
	c = flip->command[3];
	assert_string_equal(c->replaces, "a");
	assert_string_not_equal(c->id, "a");
	assert_string_equal(c->event_id, mock_flip_find(flip, "a")->event_id);
	assert_int_equal(c->created_ms, NOW + MOCK_ACK_LIMIT_MS);
	mock_flip_step(flip, NOW + 7 * 86400000LL); /* a week at once: the endless one again, once */
	assert_int_equal(flip->n_commands, 6);
	assert_string_equal(flip->command[5]->replaces, flip->command[4]->id);
	/* changed: the quarter of an hour begins anew, and what is canceled is not replaced */
	c = create("changed", NOW, NOW + 30 * 86400000LL, NOW + 7 * 86400000LL);
	mock_flip_change(c, "", NOW + 7 * 86400000LL + 10 * MINUTE);
	mock_flip_step(flip, NOW + 7 * 86400000LL + 24 * MINUTE);
	assert_string_equal(c->device_status, "PENDING");
	mock_flip_change(c, "CANCELED", NOW + 7 * 86400000LL + 24 * MINUTE);
	mock_flip_step(flip, NOW + 8 * 86400000LL);
	assert_string_equal(c->device_status, "PENDING");
}

static void test_answers(void **state)
{
	struct mock_command *c = create("a", NOW, NOW + MINUTE, NOW);
	int64_t updated = c->updated_ms;
	char text[80];

	(void)state;
	for (int i = 0; i < MOCK_ACKS_MAX + 3; i++) {
		snprintf(text, sizeof(text), "{\"device_status\":\"OK\",\"device_status_reason\":\"%d\"}", i);
		assert_int_equal(ask("PATCH", "/v1/command/a", CLIENT, text, NOW, NULL), 200);
		assert_true(c->updated_ms > updated); /* though the clock stands still */
		updated = c->updated_ms;
	}
	assert_int_equal(c->n_acks, MOCK_ACKS_MAX + 3);
	assert_string_equal(c->ack[2].reason, "18");
	assert_int_equal(ask("PATCH", "/v1/command/a", CLIENT, text, NOW, NULL), 200);
	assert_int_equal(c->updated_ms, updated); /* a repeat changes nothing */
	assert_int_equal(ask("PATCH", "/v1/command/a", CLIENT, "{\"device_status\":\"ok\"}", NOW, NULL), 422);
}

static void test_written_times(void **state)
{
	static const struct {
		char form;
		int64_t ms;
		const char *want;
	} ROWS[] = {
		{ 'T', 0, "null" },
		{ 'T', NOW, "\"2026-01-15T12:00:00.000Z\"" },
		{ ' ', NOW + 7, "\"2026-01-15 12:00:00.007Z\"" },
		{ 'o', NOW, "\"2026-01-15T05:00:00-07:00\"" },
		{ 'o', NOW + 120, "\"2026-01-15T05:00:00.120-07:00\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		cJSON *o = cJSON_CreateObject();
		char *text;

		mock_flip_add_time(o, "t", ROWS[i].ms, ROWS[i].form);
		text = cJSON_PrintUnformatted(cJSON_GetObjectItem(o, "t"));
		assert_string_equal(text, ROWS[i].want);
		free(text);
		cJSON_Delete(o);
	}
}

static void test_full(void **state)
{
	struct mock_request q = {
		.method = "GET", .target = "/v1/commands?limit=9999", .authorization = CLIENT, .body = ""
	};
	struct mock_reply r = { 0 };
	cJSON *rows;

	(void)state;
	for (int i = 0; i < MOCK_COMMANDS_MAX; i++)
		assert_non_null(create("", NOW, NOW + MINUTE, NOW));
	assert_null(create("", NOW, NOW + MINUTE, NOW));
	snprintf(flip->command[5]->device_status, 16, "OK");
	assert_non_null(create("new", NOW, 0, NOW + 9 * 86400000LL)); /* in the place of what is no longer listed */
	assert_int_equal(flip->n_commands, MOCK_COMMANDS_MAX);
	for (int i = 0; i < flip->n_commands; i++)
		snprintf(flip->command[i]->device_status, 16, "PENDING");
	q.now_utc_ms = NOW + MINUTE;
	mock_flip_handle(flip, &q, &r);
	rows = r.body;
	assert_int_equal(cJSON_GetArraySize(rows), MOCK_COMMANDS_MAX);
	cJSON_Delete(rows);
}

static void test_ids_differ(void **state)
{
	struct mock_flip *other = calloc(1, sizeof(*other));
	char a[37], b[37];

	(void)state;
	mock_flip_init(other, "t", 8);
	for (int i = 0; i < 1000; i++) {
		mock_flip_uuid(flip, a);
		mock_flip_uuid(other, b);
		assert_string_not_equal(a, b);
		assert_int_equal(strlen(a), 36);
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
	}
	mock_flip_deinit(other);
	free(other);
}

static int event_status(const char *status, int64_t now)
{
	struct event e;

	assert_true(read_event(flip, "e", now, &e));
	return strcmp(e.status, status) == 0;
}

static void test_events(void **state)
{
	struct mock_command *a = create("a", NOW, NOW + MINUTE, NOW), *b = create("b", NOW + MINUTE, NOW + 2 * MINUTE, NOW);
	struct event e;

	(void)state;
	assert_false(read_event(flip, "none", NOW, &e));
	snprintf(a->event_id, sizeof(a->event_id), "e");
	snprintf(b->event_id, sizeof(b->event_id), "e");
	assert_true(event_status("UPCOMING", NOW - 1));
	assert_true(event_status("ACTIVE", NOW));
	assert_true(event_status("ACTIVE", NOW + 2 * MINUTE - 1));
	assert_true(event_status("COMPLETED", NOW + 2 * MINUTE));
	mock_flip_change(a, "CANCELED", NOW);
	assert_true(event_status("ACTIVE", NOW));
	mock_flip_change(b, "CANCELED", NOW);
	assert_true(event_status("CANCELED", NOW));
	mock_flip_change(b, "OK", NOW);
	b->ends_ms = 0;
	assert_true(event_status("ACTIVE", NOW + 1000 * MINUTE));
}

/* The hash against a plain table, by chance; the seed is printed. */
static void test_points_by_chance(void **state)
{
	uint64_t seed = seed_of("HEARTH_SEED");
	static uint32_t times[7][1000];
	static double value[7][1000];
	struct mock_points *p = &flip->points;
	size_t n = 0;

	(void)state;
	memset(times, 0, sizeof(times));
	for (int i = 0; i < 50000; i++) {
		uint64_t r = next_random(&seed);
		struct mock_point point = { .device = (uint16_t)(r % 7),
					    .start_ms = (int64_t)(r >> 8 & 1023) % 1000 * 300000 };
		size_t at = (size_t)(point.start_ms / 300000);

		point.charge_wh = (double)i;
		value[point.device][at] = (double)i;
		n += times[point.device][at]++ == 0;
		assert_true(keep(p, &point));
		assert_int_equal(p->n, n);
	}
	for (size_t i = 0; i < p->n; i++) {
		const struct mock_point *row = &p->row[i];

		assert_int_equal(row->times, times[row->device][row->start_ms / 300000]);
		assert_true(row->charge_wh >= value[row->device][row->start_ms / 300000]);
	}
	assert_int_equal(p->repeated, 50000 - n);
}

static void test_points_bound(void **state)
{
	struct mock_points *p = &flip->points;
	struct mock_point point = { .duration_s = 1 };

	(void)state;
	for (int i = 0; i < MOCK_POINTS_MAX; i++) {
		point.start_ms = i * 1000LL;
		assert_true(keep(p, &point));
	}
	assert_true(keep(p, &point)); /* a repeat needs no room */
	point.start_ms = -1;
	assert_false(keep(p, &point));
	assert_int_equal(p->n, MOCK_POINTS_MAX);
}

static void test_reject_is_of_the_point(void **state)
{
	struct mock_points *p = &flip->points;
	cJSON *o = cJSON_Parse("{\"device_id\":\"b\"}");
	int hits = 0;

	(void)state;
	p->reject.on = true;
	p->reject.every = 10;
	for (int i = 0; i < 1000; i++) {
		struct mock_point point = { .start_ms = NOW + i * 300000LL, .duration_s = 300 };
		bool bad = rejected(p, o, &point);

		hits += bad;
		assert_int_equal(rejected(p, o, &point), bad);
	}
	assert_int_equal(hits, 100);
	snprintf(p->reject.device, sizeof(p->reject.device), "other");
	assert_false(rejected(p, o, &(struct mock_point){ .start_ms = 9 * 300000, .duration_s = 300 }));
	cJSON_Delete(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_doors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_site_tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifteen_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ids_differ, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_points_by_chance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_points_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reject_is_of_the_point, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
