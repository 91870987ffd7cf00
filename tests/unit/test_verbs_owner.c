/* What the owner changes, with a disk that fails and answers late: what is in force is what was answered, whatever order
 * failures come in. The parts around the verbs are played by this file. */
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
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
#define STORES 8

static struct hub hub;
static struct book book;
static struct config_device devices[2] = { { .id = "battery" }, { .id = "car" } };
static int64_t now_ms, utc_ms;
static struct { store_done_fn done; void *context; char body[1024]; } stores[STORES];
static int n_stores, submit_error;
static char disk[1024];          /* the row "owner" */
static char answers[STORES][400];
static int n_answers;

int64_t loop_now_ms(void)
{
	return now_ms;
}

int64_t loop_utc_ms(void)
{
	return utc_ms;
}

static struct snapshot snapshot; /* what the charger can give */

const struct snapshot *tick_snapshot(const struct tick *t)
{
	(void)t;
	return &snapshot;
}

void tick_now(struct tick *t)
{
	(void)t;
}

void tick_soon(struct tick *t)
{
	(void)t;
}

void hub_replan(struct hub *h, const char *reason)
{
	(void)h;
	(void)reason;
}

int plant_count(const struct plant *p)
{
	(void)p;
	return 2;
}

const struct config_device *plant_config(const struct plant *p, int device)
{
	(void)p;
	return &devices[device];
}

uint32_t plant_roles(const struct plant *p, int device)
{
	(void)p;
	return device == 0 ? ROLE_BATTERY : ROLE_CHARGER;
}

int flip_link_participate(struct flip_link *l, const struct flip_wish *w, store_done_fn done, void *context, struct errbuf *err)
{
	(void)l;
	(void)w;
	(void)done;
	(void)context;
	return errbuf_set(err, -ENOENT, "no such event");
}

int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn done, void *context)
{
	assert_ptr_equal(h, &hub);
	assert_string_equal(key, "owner");
	assert_true(n_stores < STORES);
	if (submit_error)
		return submit_error;
	stores[n_stores].done = done;
	stores[n_stores].context = context;
	snprintf(stores[n_stores++].body, sizeof(stores[0].body), "%s", body);
	return 0;
}

void hub_store_owner(struct hub *h)
{
	AUTO_JSON *o = owner_encode(&h->owner);
	AUTO_TEXT *text = cJSON_PrintUnformatted(o);

	hub_store_setting(h, "owner", text, NULL, NULL);
}

static const char *limits;       /* what a pause does not keep */

bool outside_pause_note(const struct outside *o, char *out, size_t size)
{
	(void)o;
	if (!limits || !owner_paused(&hub.owner, utc_ms))
		return false;
	snprintf(out, size, "%s", limits);
	return true;
}

static void finish(struct request *rq, const char *text)
{
	snprintf(answers[n_answers++], sizeof(answers[0]), "%s", text);
	cJSON_Delete(rq->args);
	free(rq);
}

void request_ok(struct request *rq, cJSON *data)
{
	AUTO_TEXT *text = data ? cJSON_PrintUnformatted(data) : NULL;
	char line[400];

	snprintf(line, sizeof(line), "ok%s%s", text ? " " : "", text ? text : "");
	cJSON_Delete(data);
	finish(rq, line);
}

void request_error(struct request *rq, const char *code, const char *fmt, ...)
{
	char message[300], line[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%s: %s", code, message);
	finish(rq, line);
}

/* ---- */

static int setup(void **state)
{
	(void)state;
	memset(&hub, 0, sizeof(hub));
	book_init(&book, 24);
	owner_init(&hub.owner);
	hub.book = &book;
	hub.clock_trusted = true;
	hub.cfg.site.reserve_pct = 20;
	now_ms = 5000;
	utc_ms = T;
	n_stores = n_answers = submit_error = 0;
	memset(answers, 0, sizeof(answers));
	memset(&snapshot, 0, sizeof(snapshot));
	snapshot.n_devices = 2;
	snapshot.dev[1].charge_max_w = NAN;
	disk[0] = '\0';
	return 0;
}

static void ask(void (*verb)(struct request *), const char *args)
{
	struct request *rq = calloc(1, sizeof(*rq));

	rq->hub = &hub;
	rq->args = cJSON_Parse(args);
	assert_non_null(rq->args);
	verb(rq);
}

/* The oldest write under way ends. */
static void ends(int status)
{
	store_done_fn done = stores[0].done;
	void *context = stores[0].context;

	assert_true(n_stores > 0);
	if (status == 0)
		memcpy(disk, stores[0].body, sizeof(disk));
	memmove(&stores[0], &stores[1], sizeof(stores[0]) * (size_t)--n_stores);
	if (done)
		done(context, 1, status);
}

/* Three changes under way at once (reserve 30; a pause; reserve 40) and how their writes end. In force and answered must go
 * together, and a restart must find the same. */
static const struct { const char *name; int status[3]; int ok; double reserve; bool paused; } ROWS[] = {
	{ "all fail", { -EIO, -EIO, -EIO }, 0, 20, false },
	{ "the first fails: the later ones hold it", { -EIO, 0, 0 }, 3, 40, true },
	{ "the first two fail", { -EIO, -ENOSPC, 0 }, 3, 40, true },
	{ "the last fails", { 0, 0, -EIO }, 2, 30, true },
	{ "the last two fail", { 0, -EIO, -EIO }, 1, 30, false },
	{ "first and last fail", { -EIO, 0, -EIO }, 2, 30, true },
	{ "none fails", { 0, 0, 0 }, 3, 40, true },
};

static void test_failures_in_flight(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		AUTO_JSON *j = NULL;
		struct owner found;
		int ok = 0;

		setup(NULL);
		ask(verb_reserve_set, "{\"pct\":30}");
		ask(verb_pause, "{\"duration_s\":3600}");
		ask(verb_reserve_set, "{\"pct\":40}");
		assert_int_equal(n_answers, 0);
		for (int k = 0; k < 3; k++)
			ends(ROWS[i].status[k]);
		while (n_stores)
			ends(0); /* what is written behind a failure */
		for (int k = 0; k < n_answers; k++)
			ok += !strcmp(answers[k], "ok");
		if (n_answers != 3 || ok != ROWS[i].ok)
			fail_msg("%s: %d answers, %d ok", ROWS[i].name, n_answers, ok);
		if (owner_reserve(&hub.owner, 20) != ROWS[i].reserve || owner_paused(&hub.owner, utc_ms) != ROWS[i].paused)
			fail_msg("%s: reserve %g, paused %d", ROWS[i].name, owner_reserve(&hub.owner, 20), owner_paused(&hub.owner, utc_ms));
		owner_init(&found);
		j = cJSON_Parse(disk);
		if (j)
			assert_int_equal(owner_decode(j, &found, NULL), 0);
		if (owner_reserve(&found, 20) != ROWS[i].reserve || owner_paused(&found, utc_ms) != ROWS[i].paused)
			fail_msg("%s: on disk: %s", ROWS[i].name, disk);
	}
}

static void test_refused_by_the_store(void **state)
{
	(void)state;
	ask(verb_reserve_set, "{\"pct\":30}");
	submit_error = -EAGAIN;
	ask(verb_reserve_set, "{\"pct\":40}");
	assert_non_null(strstr(answers[0], "busy"));
	assert_true(owner_reserve(&hub.owner, 20) == 30);
	submit_error = 0;
	ends(-EIO);
	assert_true(owner_reserve(&hub.owner, 20) == 20);
	assert_non_null(strstr(answers[1], "unavailable"));
}

static void test_pause_has_both_ends(void **state)
{
	(void)state;
	ask(verb_pause, "{\"duration_s\":60}");
	ends(0);
	assert_true(owner_paused_at(&hub.owner, T + 86400000, now_ms + 59999)); /* the clock was stepped */
	assert_false(owner_paused_at(&hub.owner, T, now_ms + 60000));
	ask(verb_pause, "{\"duration_s\":0}");
	assert_false(owner_paused_at(&hub.owner, T, now_ms));
	ends(0);
}

/* Service releases everything; that a limit stands is answered, and said on R/agent at once. */
static void test_pause_names_limits(void **state)
{
	(void)state;
	limits = "not kept: all";
	hub.agent_due_ms = 7;
	ask(verb_pause, "{\"duration_s\":60}");
	ends(0);
	assert_string_equal(answers[0], "ok {\"warning\":\"not kept: all\"}");
	assert_int_equal(hub.agent_due_ms, 0);
	ask(verb_pause, "{\"duration_s\":0}");
	ends(0);
	assert_string_equal(answers[1], "ok");
	limits = NULL;
}

static void run_command(int device, const char *event_id, int64_t starts, int64_t ends_)
{
	struct book_entry *e = &book.entry[0];

	book.n = 1;
	memset(e, 0, sizeof(*e));
	snprintf(e->c.id, sizeof(e->c.id), "c-1");
	snprintf(e->c.event_id, sizeof(e->c.event_id), "%s", event_id);
	e->c.starts_utc_ms = starts;
	e->c.ends_utc_ms = ends_;
	e->state = BOOK_ACTIVE;
	e->device = device;
}

static const struct { const char *name, *mode, *event_id; int device; int64_t starts, ends; bool trusted; const char *says; } CARS[] = {
	{ "no event on a battery", "now", "ev-7", 1, T - 1000, T + 60000, true, NULL },
	{ "before it", "now", "ev-7", 0, T + 1000, T + 60000, true, NULL },
	{ "after it", "now", "ev-7", 0, T - 9000, T - 1000, true, NULL },
	{ "nobody knows the time", "now", "ev-7", 0, T - 1000, T + 60000, false, NULL },
	{ "another mode", "cheap", "ev-7", 0, T - 1000, T + 60000, true, NULL },
	{ "during it", "now", "ev-7", 0, T - 1000, T + 60000, true, "event ev-7 runs until 2026-01-15T12:01:00.000Z: the car uses what" },
	{ "a command without an event", "now", "", 0, T - 1000, T + 60000, true, "event c-1 runs until 2026-01-15T12:01:00.000Z: " },
	{ "without an end", "now", "ev-7", 0, T - 1000, 0, true, "event ev-7 runs until Flip ends it: " },
};

static void test_car_during_an_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CARS) / sizeof(CARS[0]); i++) {
		char args[80], expected[200];

		setup(NULL);
		hub.clock_trusted = CARS[i].trusted;
		run_command(CARS[i].device, CARS[i].event_id, CARS[i].starts, CARS[i].ends);
		snprintf(args, sizeof(args), "{\"device\":\"car\",\"mode\":\"%s\"}", CARS[i].mode);
		ask(verb_ev_set, args);
		ends(0);
		snprintf(expected, sizeof(expected), CARS[i].says ? "ok {\"warning\":\"%s" : "ok", CARS[i].says);
		if (strncmp(answers[0], expected, strlen(expected)) != 0 || (!CARS[i].says && answers[0][2]))
			fail_msg("%s: %s", CARS[i].name, answers[0]);
		assert_non_null(owner_ev_of(&hub.owner, "car")); /* allowed all the same */
	}
}

/* What the charger cannot give until then is asked for all the same, and said. */
static const struct { const char *name, *mode; double wh, max_w; int in_min; bool trusted; const char *says; } NEEDS[] = {
	{ "more than it can", "cheap", 20000, 11000, 30, true, "at most 5.5 kWh of these 20.0 kWh by then: the charger gives 11.0 kW and 30 min are left" },
	{ "at once, but not in time", "now", 20000, 11000, 30, true, "at most 5.5 kWh of these" },
	{ "just in time", "cheap", 5500, 11000, 30, true, NULL },
	{ "a charger that does not say", "cheap", 20000, NAN, 30, true, NULL },
	{ "no energy is asked for", "cheap", NAN, 11000, 30, true, NULL },
	{ "without an end", "cheap", 20000, 11000, 0, true, NULL },
	{ "it shall not charge", "off", 20000, 11000, 30, true, NULL },
	{ "nobody knows the time", "cheap", 20000, 11000, 30, false, NULL },
};

static void test_car_in_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(NEEDS) / sizeof(NEEDS[0]); i++) {
		char args[200], by[CALENDAR_TEXT_MAX], expected[200];
		size_t n;

		setup(NULL);
		hub.clock_trusted = NEEDS[i].trusted;
		snapshot.dev[1].charge_max_w = NEEDS[i].max_w;
		calendar_format(T + NEEDS[i].in_min * 60000LL, by);
		n = (size_t)snprintf(args, sizeof(args), "{\"device\":\"car\",\"mode\":\"%s\"", NEEDS[i].mode);
		if (!isnan(NEEDS[i].wh))
			n += (size_t)snprintf(args + n, sizeof(args) - n, ",\"energy_wh\":%.0f", NEEDS[i].wh);
		if (NEEDS[i].in_min)
			n += (size_t)snprintf(args + n, sizeof(args) - n, ",\"ready_by\":\"%s\"", by);
		snprintf(args + n, sizeof(args) - n, "}");
		ask(verb_ev_set, args);
		ends(0);
		snprintf(expected, sizeof(expected), NEEDS[i].says ? "ok {\"warning\":\"%s" : "ok", NEEDS[i].says);
		if (strncmp(answers[0], expected, strlen(expected)) != 0 || (!NEEDS[i].says && answers[0][2]))
			fail_msg("%s: %s", NEEDS[i].name, answers[0]);
		assert_non_null(owner_ev_of(&hub.owner, "car"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_failures_in_flight, setup), cmocka_unit_test_setup(test_refused_by_the_store, setup),
		cmocka_unit_test_setup(test_pause_has_both_ends, setup), cmocka_unit_test_setup(test_pause_names_limits, setup), cmocka_unit_test_setup(test_car_during_an_event, setup),
		cmocka_unit_test_setup(test_car_in_time, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
