/* The publisher against a real broker: only what changed, everything again after a reconnect, topics of devices that are
 * gone cleared. Time comes from the snapshots, so that a minute passes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <cmocka.h>

#include "flow/local/publish.h"
#include "io/log.h"
#include "itest/slow.h"
#include "support/broker.h"

#define SEEN_MAX 400
#define MARK "mark/of/the/test"

static struct broker broker;
static uv_loop_t loop;
static uv_timer_t ticker;
static struct topic_root root;
static struct mqtt *agent, *watcher;
static struct publish publish;
static struct snapshot snap;
static struct decisions decisions;
static int agent_connects, watcher_connects;
static struct {
	char topic[MQTT_TOPIC_MAX], payload[2048];
	bool retained;
} seen[SEEN_MAX];
static int n_seen, n_marks;

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

static void agent_connected(void *context, bool session_present)
{
	(void)context;
	(void)session_present;
	agent_connects++;
	publish_all_again(&publish);
}

static void agent_message(void *context, const struct mqtt_message *m)
{
	(void)context;
	publish_message(&publish, m);
}

static void watcher_connected(void *context, bool session_present)
{
	(void)context;
	(void)session_present;
	watcher_connects++;
	mqtt_subscribe(watcher, "#", 0);
}

static void watcher_message(void *context, const struct mqtt_message *m)
{
	(void)context;
	if (!strcmp(m->topic, MARK)) {
		n_marks++;
		return;
	}
	assert_true(n_seen < SEEN_MAX);
	snprintf(seen[n_seen].topic, sizeof(seen[0].topic), "%s", m->topic);
	snprintf(seen[n_seen].payload, sizeof(seen[0].payload), "%.*s", (int)m->len, m->payload);
	seen[n_seen++].retained = m->retained;
}

static void run_ms(int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < until)
		uv_run(&loop, UV_RUN_ONCE);
}

static void until_true(const int *what, int n)
{
	for (int i = 0; i < slow_ms(2000) && *what < n; i++)
		run_ms(10);
	assert_true(*what >= n);
}

/* Until all that both have sent has arrived, and what the agent said to that: twice there and back. */
static void settle(void)
{
	struct mqtt *const from[] = { watcher, agent, watcher, agent };

	for (int i = 0; i < 4; i++) {
		const int n = n_marks;

		assert_int_equal(mqtt_publish(from[i], MARK, "1", 1, 1, false, NULL), 0);
		until_true(&n_marks, n + 1);
		run_ms(10);
	}
}

/* How often a topic below R came; *last is set to the newest payload. */
static int count(const char *below, const char **last)
{
	char topic[MQTT_TOPIC_MAX];
	int n = 0;

	topic_make(&root, topic, sizeof(topic), "%s", below);
	for (int i = 0; i < n_seen; i++)
		if (!strcmp(seen[i].topic, topic)) {
			n++;
			if (last)
				*last = seen[i].payload;
		}
	return n;
}

static void retain(const char *below, const char *payload)
{
	char topic[MQTT_TOPIC_MAX];

	topic_make(&root, topic, sizeof(topic), "%s", below);
	assert_int_equal(mqtt_publish(watcher, topic, payload, strlen(payload), 1, true, NULL), 0);
}

static void device_add(const char *id, uint32_t roles, uint32_t kinds)
{
	struct snap_device *d = &snap.dev[snap.n_devices++];

	memset(d, 0, sizeof(*d));
	snprintf(d->id, sizeof(d->id), "%s", id);
	d->roles = roles;
	d->state.kinds = kinds;
	d->state.availability = AVAIL_ONLINE;
	d->applied_w = d->capacity_wh = NAN;
	decisions.n = snap.n_devices;
}

/* What the agent does after each tick. */
static void tick(int64_t ms)
{
	snap.now_ms += ms;
	snap.utc_ms += ms;
	value_set(&snap.grid_w, snap.grid_w.v, snap.now_ms, Q_GOOD);
	for (int i = 0; i < snap.n_devices; i++) {
		value_set(&snap.dev[i].state.ac_power_w, snap.dev[i].state.ac_power_w.v, snap.now_ms, Q_GOOD);
		publish_device(&publish, i, &snap);
	}
	publish_decisions(&publish, &snap, &decisions);
	publish_site(&publish, &snap, &decisions);
}

static int setup(void **state)
{
	struct mqtt_options o = { .host = "127.0.0.1", .clean_start = true };
	struct mqtt_callbacks a = { agent_connected, NULL, agent_message, NULL };
	struct mqtt_callbacks w = { watcher_connected, NULL, watcher_message, NULL };
	struct errbuf err;

	(void)state;
	log_open("itest_publish", LOG_LEVEL_ERROR);
	if (broker_start(&broker, NULL))
		return -1;
	o.port = broker.port;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &ticker);
	uv_timer_start(&ticker, on_tick, 5, 5);
	topic_root_set(&root, "hearth/1", "home");
	memset(&snap, 0, sizeof(snap));
	memset(&decisions, 0, sizeof(decisions));
	decisions.floor_pct = NAN;
	snap.now_ms = 5000;
	snap.utc_ms = INT64_C(1768478400000);
	snap.grid_device = -1;
	n_seen = agent_connects = watcher_connects = 0;
	if (mqtt_open(&watcher, &loop, &o, &w, &err))
		return -1;
	until_true(&watcher_connects, 1);
	if (mqtt_open(&agent, &loop, &o, &a, &err))
		return -1;
	publish_init(&publish, agent, &root, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mqtt_close(agent);
	mqtt_close(watcher);
	uv_close((uv_handle_t *)&ticker, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	broker_deinit(&broker);
	return uv_loop_close(&loop);
}

static void test_changes(void **state)
{
	const char *text = "";

	(void)state;
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	value_set(&snap.dev[0].state.f[F_BATTERY_SOC_PCT], 50, 0, Q_GOOD);
	value_set(&snap.dev[0].state.f[F_BATTERY_ENERGY_CHARGED_WH], 123456789012, 0, Q_GOOD);
	tick(1000); /* no link yet: nothing may be taken for published */
	until_true(&agent_connects, 1);
	tick(1000);
	settle();
	assert_int_equal(count("device/bat", &text), 1);
	assert_non_null(strstr(text, "\"soc_pct\":50}") ? text : strstr(text, "\"soc_pct\":50,"));
	assert_non_null(strstr(text, "\"at\":\"2026-01-15T12:00:02.000Z\""));
	assert_int_equal(count("device/bat/availability", &text), 1);
	assert_string_equal(text, "online");
	assert_int_equal(count("site", NULL), 1);
	assert_int_equal(count("decision", NULL), 1);
	/* noise within the dead bands: 0.1 % and 5 W */
	for (int i = 0; i < 10; i++) {
		snap.dev[0].state.f[F_BATTERY_SOC_PCT].v = 50 + 0.01 * (i % 7);
		snap.dev[0].state.ac_power_w.v = i % 4;
		snap.grid_w.v = i % 4;
		tick(1000);
	}
	settle();
	assert_int_equal(count("device/bat", NULL), 1);
	assert_int_equal(count("site", NULL), 1);
	assert_int_equal(count("decision", NULL), 1);
	snap.dev[0].state.f[F_BATTERY_SOC_PCT].v = 50.2;
	tick(1000);
	snap.dev[0].state.f[F_BATTERY_SOC_PCT].q = Q_STALE; /* unknown is a change, and absent */
	tick(1000);
	snap.dev[0].state.verdict = VERDICT_CLAMPED;
	tick(1000);
	snap.dev[0].state.availability = AVAIL_OFFLINE;
	tick(1000);
	settle();
	assert_int_equal(count("device/bat", &text), 5);
	assert_null(strstr(text, "soc_pct"));
	assert_int_equal(count("device/bat/availability", &text), 2);
	assert_string_equal(text, "offline");
	assert_int_equal(count("device/bat/battery/soc_pct", NULL), 0);
	for (int i = 0; i < n_seen; i++)
		assert_true(seen[i].retained);
}

static void test_site_every_minute(void **state)
{
	int n;

	(void)state;
	until_true(&agent_connects, 1);
	for (int i = 0; i < 600; i++)
		tick(1000);
	settle();
	n = count("site", NULL);
	if (n < 10 || n > 12)
		fail_msg("%d times in 10 minutes", n);
	snap.grid_w.v = 100;
	tick(1000);
	decisions.mode = RANK_PLAN;
	tick(1000);
	settle();
	assert_int_equal(count("site", NULL), n + 2);
}

static void test_decisions(void **state)
{
	const char *text = "";

	(void)state;
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	until_true(&agent_connects, 1);
	decisions.d[0].order = (struct order){ .kind = ORDER_POWER, .w = 1000 };
	tick(1000);
	decisions.d[0].rank = RANK_EVENT; /* whose order it is: at once */
	tick(1000);
	snprintf(decisions.d[0].why, sizeof(decisions.d[0].why), "a new number in the sentence");
	tick(1000); /* a sentence alone may wait 5 s */
	settle();
	assert_int_equal(count("decision", &text), 2);
	assert_null(strstr(text, "a new number"));
	for (int i = 0; i < 5; i++)
		tick(1000);
	settle();
	assert_int_equal(count("decision", &text), 3);
	assert_non_null(strstr(text, "a new number"));
}

/* Ten minutes in which only numbers move: a loop's power, the SoC in a sentence, who cuts at the edge of a limit. */
static void test_decisions_are_calm(void **state)
{
	const char *text = "";
	int n;

	(void)state;
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	until_true(&agent_connects, 1);
	decisions.d[0].order = (struct order){ .kind = ORDER_BALANCE, .w = 1000, .min_w = -5000, .max_w = 5000 };
	tick(1000);
	for (int i = 0; i < 600; i++) {
		decisions.d[0].order.w = 1000 + i * 37 % 49; /* within the band of 50 W around what was told */
		snprintf(decisions.d[0].why, sizeof(decisions.d[0].why), "balancing within %d..5000 W: SoC %d.%d %%", -5000 + i % 3, 20 + i / 300, i / 30 % 10);
		tick(1000);
	}
	settle();
	n = count("decision", &text);
	if (n < 20 || n > 22)
		fail_msg("%d times in 10 minutes", n);
	assert_non_null(strstr(text, "SoC 21."));
	for (int i = 0; i < 60; i++) {
		decisions.d[0].limited_by ^= 1u << RANK_LIMIT;
		tick(1000);
	}
	settle();
	n = count("decision", NULL) - n;
	if (n < 10 || n > 13)
		fail_msg("%d times in a minute", n);
	decisions.d[0].order.w += 50;
	tick(1000);
	settle();
	assert_non_null(strstr((count("decision", &text), text), "\"w\":10"));
}

/* What is not believed is told at once, on R/site. */
static void test_doubts(void **state)
{
	const char *text = "";

	(void)state;
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	until_true(&agent_connects, 1);
	tick(1000);
	decisions.n_doubts = 1;
	decisions.doubts[0] = (struct doubt){ .device = 0, .kind = DOUBT_SOC_FROZEN, .why = "SoC 50.0 % for 30 min" };
	tick(1000);
	for (int i = 31; i < 51; i++) { /* other numbers come along with the next */
		snprintf(decisions.doubts[0].why, sizeof(decisions.doubts[0].why), "SoC 50.0 %% for %d min", i);
		tick(1000);
	}
	settle();
	assert_int_equal(count("site", &text), 2);
	assert_non_null(strstr(text, "\"doubts\":[{\"device\":\"bat\",\"kind\":\"soc_frozen\",\"why\":\"SoC 50.0 % for 30 min\"}]"));
	decisions.n_doubts = 0;
	tick(1000);
	settle();
	assert_int_equal(count("site", &text), 3);
	assert_non_null(strstr(text, "\"doubts\":[]"));
}

static void test_texts(void **state)
{
	AUTO_JSON *o = cJSON_CreateObject();
	const char *text = "";
	char below[32];

	(void)state;
	cJSON_AddNumberToObject(o, "rows", 1);
	publish_text(&publish, "outbox", o, 1000); /* no link */
	until_true(&agent_connects, 1);
	publish_text(&publish, "outbox", o, INT64_C(1768478400000));
	publish_text(&publish, "outbox", o, INT64_C(1768478401000)); /* only "at" would differ */
	settle();
	assert_int_equal(count("outbox", &text), 1);
	assert_string_equal(text, "{\"at\":\"2026-01-15T12:00:00.000Z\",\"rows\":1}");
	cJSON_SetNumberValue(cJSON_GetObjectItem(o, "rows"), 2);
	publish_text(&publish, "outbox", o, INT64_C(1768478402000));
	publish_text(&publish, "outbox", NULL, 0);
	publish_text(&publish, "outbox", NULL, 0);
	publish_text(&publish, "outbox", o, INT64_C(1768478403000));
	settle();
	assert_int_equal(count("outbox", &text), 4);
	/* what was printed elsewhere: the same text, dated here, and no news after the tree of it */
	publish_raw(&publish, "outbox", "{\"rows\":2}", INT64_C(1768478404000));
	publish_raw(&publish, "outbox", "{\"rows\":3}", INT64_C(1768478405000));
	publish_raw(&publish, "outbox", "{\"rows\":3}", INT64_C(1768478406000));
	settle();
	assert_int_equal(count("outbox", &text), 5);
	assert_string_equal(text, "{\"at\":\"2026-01-15T12:00:05.000Z\",\"rows\":3}");
	publish_raw(&publish, "outbox", "{}", INT64_C(1768478407000));
	publish_raw(&publish, "outbox", NULL, 0);
	publish_raw(&publish, "outbox", NULL, 0);
	settle();
	assert_int_equal(count("outbox", &text), 7);
	assert_string_equal(text, "");
	publish_raw(&publish, "outbox", "{}", INT64_C(1768478408000));
	settle();
	assert_int_equal(count("outbox", &text), 8);
	assert_string_equal(text, "{\"at\":\"2026-01-15T12:00:08.000Z\"}");
	/* more topics than are remembered: still sent */
	for (int i = 0; i < PUBLISH_TOPICS_MAX + 20; i++) {
		snprintf(below, sizeof(below), "plan/%d", i);
		publish_text(&publish, below, o, 0);
	}
	settle();
	for (int i = 0; i < PUBLISH_TOPICS_MAX + 20; i++) {
		snprintf(below, sizeof(below), "plan/%d", i);
		assert_int_equal(count(below, NULL), 1);
	}
}

static void test_gone_devices(void **state)
{
	const char *text = "x";

	(void)state;
	retain("device/ghost", "{}");
	retain("device/ghost/availability", "online");
	retain("device/ghost/battery/soc_pct", "50");
	retain("device/bat", "{\"old\":1}");
	retain("device/bat/battery/soc_pct", "50"); /* scalars are off now */
	retain("site", "{}");
	settle();
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	until_true(&agent_connects, 1);
	settle();
	tick(1000);
	settle();
	count("device/ghost", &text);
	assert_string_equal(text, "");
	count("device/ghost/availability", &text);
	assert_string_equal(text, "");
	count("device/ghost/battery/soc_pct", &text);
	assert_string_equal(text, "");
	count("device/bat/battery/soc_pct", &text);
	assert_string_equal(text, "");
	count("device/bat", &text);
	assert_non_null(strstr(text, "kinds"));
	/* later our own publishes do not come back any more, and nobody else's topic is touched */
	for (int i = 0; i < 10; i++)
		tick(1000);
	settle();
	retain("device/late", "{}");
	settle();
	count("device/late", &text);
	assert_string_equal(text, "{}");
	/* after a reload without the battery its topics go too */
	snap.n_devices = decisions.n = 0;
	device_add("grid", ROLE_GRID, KIND_METER);
	publish_all_again(&publish);
	tick(1000);
	settle();
	count("device/bat", &text);
	assert_string_equal(text, "");
	count("device/bat/availability", &text);
	assert_string_equal(text, "");
	count("device/grid", &text);
	assert_non_null(strstr(text, "meter"));
}

static void test_scalars(void **state)
{
	const char *text = "";

	(void)state;
	publish_init(&publish, agent, &root, true);
	retain("device/bat/battery/voltage_v", "48.1"); /* of before; unknown now */
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	value_set(&snap.dev[0].state.f[F_BATTERY_SOC_PCT], 50, 0, Q_GOOD);
	value_set(&snap.dev[0].state.f[F_BATTERY_STATE], BATTERY_IDLE, 0, Q_GOOD);
	until_true(&agent_connects, 1);
	tick(1000);
	settle();
	assert_int_equal(count("device/bat/battery/soc_pct", &text), 1);
	assert_string_equal(text, "50.0");
	count("device/bat/battery/state", &text);
	assert_string_equal(text, "idle");
	count("device/bat/battery/voltage_v", &text);
	assert_string_equal(text, "");
	assert_int_equal(count("device/bat/meter/power_w", NULL), 0);
	/* a slow drift arrives although each step is small and other values make the device publish */
	for (int i = 1; i <= 40; i++) {
		snap.dev[0].state.f[F_BATTERY_SOC_PCT].v = 50 + i * 0.01;
		snap.dev[0].state.ac_power_w.v = i * 100;
		tick(1000);
	}
	settle();
	count("device/bat/battery/soc_pct", &text);
	assert_true(fabs(atof(text) - 50.4) <= 0.101);
	snap.dev[0].state.f[F_BATTERY_SOC_PCT].q = Q_STALE;
	tick(1000);
	settle();
	count("device/bat/battery/soc_pct", &text);
	assert_string_equal(text, "");
}

static void test_again_after_restart(void **state)
{
	AUTO_JSON *o = cJSON_CreateObject();

	(void)state;
	device_add("bat", ROLE_BATTERY, KIND_BATTERY);
	until_true(&agent_connects, 1);
	tick(1000);
	publish_text(&publish, "plan", o, 0);
	settle();
	assert_int_equal(broker_restart(&broker), 0);
	n_seen = 0;
	until_true(&agent_connects, 2);
	until_true(&watcher_connects, 2);
	tick(1000);
	publish_text(&publish, "plan", o, 0);
	settle();
	assert_int_equal(count("device/bat", NULL), 1);
	assert_int_equal(count("device/bat/availability", NULL), 1);
	assert_int_equal(count("decision", NULL), 1);
	assert_int_equal(count("site", NULL), 1);
	assert_int_equal(count("plan", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_site_every_minute, setup, teardown),
		cmocka_unit_test_setup_teardown(test_decisions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_decisions_are_calm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doubts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again_after_restart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
