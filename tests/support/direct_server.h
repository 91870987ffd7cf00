/* Flip as the hub of direct_kit.h meets it: a list of commands, an answer for every kind of request, and time that passes. */
#ifndef HEARTH_TESTS_DIRECT_SERVER_H
#define HEARTH_TESTS_DIRECT_SERVER_H

#include "support/direct_kit.h"

/* What the server says. A body of NULL is the right one for the request. */
static struct fake_http_reply poll_reply, row_reply, token_reply, batch_reply;
static char list[64 * 1024];   /* of commands */
static const char *sick_path;  /* requests to it get 500, whatever row_reply says */
static int polls, rows, tokens, batches, busiest;
static int64_t poll_at[4096];  /* when the polls came */

static inline void server_reset(void)
{
	poll_reply = row_reply = batch_reply = (struct fake_http_reply){ .status = 200 };
	token_reply = (struct fake_http_reply){ .status = 200 };
	snprintf(list, sizeof(list), "[]");
	sick_path = NULL;
	polls = rows = tokens = batches = busiest = 0;
}

/* Appends a command; times are in minutes from UTC. */
static inline void list_command(const char *id, const char *device, const char *status, const char *device_status, int updated_s)
{
	size_t n = strlen(list) - 1; /* the closing bracket */

	snprintf(list + n, sizeof(list) - n,
		 "%s{\"id\":\"%s\",\"event_id\":\"ev-%s\",\"device_id\":\"%s\",\"starts_at\":\"2026-01-15T13:00:00Z\",\"ends_at\":"
		 "\"2026-01-15T14:00:00Z\",\"battery_commands\":{\"mode\":\"DISCHARGE\",\"power_mode\":\"SETPOINT\",\"setpoint_w\":4000},"
		 "\"status\":\"%s\",\"device_status\":\"%s\",\"created_at\":\"2026-01-15T11:00:00Z\",\"updated_at\":\"2026-01-15T11:00:%02dZ\"}]",
		 n > 1 ? "," : "", id, id, device, status, device_status, updated_s);
}

static inline void list_clear(void)
{
	snprintf(list, sizeof(list), "[]");
}

static inline void serve_one(int i)
{
	const struct fake_http_request *q = &fake_http[i];
	struct fake_http_reply a;
	char body[256];

	if (q->method == HTTP_GET) {
		a = poll_reply;
		if (polls < (int)(sizeof(poll_at) / sizeof(poll_at[0])))
			poll_at[polls] = now_ms;
		polls++;
		if (!a.body && a.status == 200)
			a.body = list;
	} else if (strstr(q->url, "/v1/auth/site/")) {
		a = token_reply;
		tokens++;
		snprintf(body, sizeof(body), "{\"site_access_token\":\"site-%d\"}", tokens);
		if (!a.body && a.status == 200)
			a.body = body;
	} else if (strstr(q->url, "/v1/telemetry/")) {
		a = batch_reply;
		batches++;
		if (!a.body && a.status == 200)
			a.body = "{\"telemetry\":[{\"index\":0,\"status\":\"OK\"},{\"index\":1,\"status\":\"OK\"}]}";
	} else {
		a = row_reply;
		rows++;
		if (sick_path && strstr(q->url, sick_path))
			a = (struct fake_http_reply){ .status = 500 };
		snprintf(body, sizeof(body), "{\"id\":\"%s\",\"device_status\":\"OK\"}", strrchr(q->url, '/') + 1);
		if (!a.body && a.status == 200)
			a.body = body;
	}
	fake_http_reply(i, &a);
}

/* Answers all there is, and what follows from it. */
static inline void serve(void)
{
	while (fake_http_waiting()) {
		if (fake_http_waiting() > busiest)
			busiest = fake_http_waiting();
		serve_one(fake_http_next());
		fake_commit(0);
	}
	fake_commit(0);
	if (fake_http_n > FAKE_HTTP_MAX / 2)
		fake_http_clear();
}

static inline void pass(int64_t ms)
{
	for (int64_t end = now_ms + ms; now_ms < end;) {
		now_ms += 1000;
		utc_ms += 1000;
		flip_link_step(l);
		fake_commit(0);
		serve();
	}
}

static inline int setup_server(void **state)
{
	server_reset();
	setup(state);
	return 0;
}

#define S_(f) cmocka_unit_test_setup_teardown(f, setup_server, teardown)

#endif
