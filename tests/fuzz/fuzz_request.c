/* MQTT payloads: arbitrary requests through the real inbox, verbs and store of an agent without devices and broker. The
 * first byte chooses the verb, the second the kind of delivery. */
#include "flow/hub.h"
#include "flow/local/inbox.h"
#include "flow/local/request.h"
#include "flow/round.h"
#include "io/log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_EVERY 64 /* answers that wait for the disk are collected this often */

static struct hub hub;
static char folder[] = "/tmp/hearth-fuzz-XXXXXX";

static void on_device(void *context, int device)
{
	(void)context;
	(void)device;
}

static void on_tick(void *context, const struct snapshot *s, const struct decisions *d)
{
	(void)context;
	(void)s;
	(void)d;
}

static void on_plan(void *context)
{
	(void)context;
}

static bool apply(struct hub *h, const struct config *cfg, uint32_t changes)
{
	(void)h;
	(void)cfg;
	(void)changes;
	return true;
}

static bool flip_clock(void *context, int64_t *now_ms, int64_t *utc_ms)
{
	(void)context;
	*now_ms = 1000;
	*utc_ms = 1768478400000;
	return true;
}

static void request(const char *verb, const char *payload, size_t len, uint8_t how)
{
	struct mqtt_message m = { .payload = payload, .len = len, .qos = 1 };
	char topic[96];

	snprintf(topic, sizeof(topic), how & 1 ? "hearth/1/fuzz/as/eve/request/%s" : "hearth/1/fuzz/request/%s", verb);
	m.topic = topic;
	m.retained = how & 2;
	m.expiry_s = how & 4 ? 0 : -1;
	m.response_topic = how & 8 ? "hearth/1/fuzz/request/ping" : NULL;
	inbox_message(hub.inbox, &m);
}

/* What waits for the disk when the agent stops is answered by a store that closes, after most others are gone. */
static void leave_in_hand(void)
{
	static const struct {
		const char *verb, *args;
	} IN_HAND[] = {
		{ "reserve.set", "{\"pct\":30}" },
		{ "pause", "{\"duration_s\":60}" },
		{ "limit.set", "{\"import_w\":3000}" },
		{ "forecast.set", "{}" },
		{ "history.get", "{}" },
		{ "why", "{}" },
		{ "dump", "{}" },
	};

	for (size_t i = 0; i < sizeof(IN_HAND) / sizeof(IN_HAND[0]); i++)
		request(IN_HAND[i].verb, IN_HAND[i].args, strlen(IN_HAND[i].args), 0);
}

static void clean(void)
{
	char path[64];
	static const char *const FILES[] = { "hearth.db", "hearth.db-wal", "hearth.db-shm", "hearth.db.lock", "hearth.db-lock", "hearth.db.spare" };

	uv_run(hub.loop, UV_RUN_NOWAIT);
	leave_in_hand();
	tick_stop(hub.tick);
	planning_stop(hub.planning);
	forecasting_stop(hub.forecasting);
	flip_link_stop(hub.flip);
	diary_stop(hub.diary);
	outside_flush(hub.outside);
	store_close(hub.store);
	outbox_close(hub.outbox);
	outside_stop(hub.outside);
	inbox_stop(hub.inbox);
	plant_stop(hub.plant);
	uv_run(hub.loop, UV_RUN_DEFAULT);
	uv_loop_close(hub.loop);
	free(hub.book);
	free(hub.import_prices);
	free(hub.export_prices);
	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, FILES[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void must(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "fuzz: %s: %s\n", what, strerror(-r));
		abort();
	}
}

static void start(void)
{
	struct forecasting_options forecasting = { .config = &hub.cfg, .zone = &hub.zone };
	struct planning_options planning = { &hub.cfg, &hub.zone, on_plan, NULL, NULL };
	struct outbox_options outbox = { .max_bytes = 1 << 20 };
	struct flip_link_options flip = { .site_id = "fuzz", .root = &hub.root, .boot_id = "fuzz" };
	struct errbuf err = { "" };
	char path[64];

	if (!mkdtemp(folder))
		abort();
	setenv("STATE_DIRECTORY", folder, 1);
	hub.loop = uv_default_loop();
	hub.config_path = "/nonexistent/hearth.conf";
	hub.apply = apply;
	hub.cfg.site.tick_ms = 10000;
	hub.cfg.plan.horizon_h = 1;
	topic_root_set(&hub.root, "hearth/1", "fuzz");
	owner_init(&hub.owner);
	hub.book = calloc(1, sizeof(*hub.book));
	hub.import_prices = calloc(1, sizeof(*hub.import_prices));
	hub.export_prices = calloc(1, sizeof(*hub.export_prices));
	book_init(hub.book, 24);
	snprintf(path, sizeof(path), "%s/hearth.db", folder);
	must(store_open(&hub.store, hub.loop, path, &err), err.text);
	outbox.store = hub.store;
	must(outbox_open(&hub.outbox, &outbox, &err), err.text);
	must(outside_start(&hub.outside, &hub, &err), err.text);
	must(diary_start(&hub.diary, hub.store, &err), err.text);
	must(plant_start(&hub.plant, hub.loop, &hub.cfg, on_device, NULL, &err), err.text);
	forecasting.store = hub.store;
	must(forecasting_start(&hub.forecasting, &forecasting, &err), err.text);
	planning.forecast = forecasting_now(hub.forecasting);
	must(planning_start(&hub.planning, hub.loop, &planning, &err), err.text);
	must(tick_start(&hub.tick, &hub, &(struct tick_hooks){ .done = on_tick, .context = NULL }, &err), err.text);
	must(inbox_start(&hub.inbox, &hub, &err), err.text);
	flip.loop = hub.loop;
	flip.store = hub.store;
	flip.book = hub.book;
	flip.outbox = hub.outbox;
	flip.cb.devices = round_book_devices;
	flip.cb.clock = flip_clock;
	flip.cb.context = &hub;
	must(flip_link_start(&hub.flip, &flip, &err), err.text);
	log_open("fuzz", (enum log_level)0); /* nothing: refused requests are what we are here for */
	atexit(clean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int rounds, verbs;
	if (!hub.loop) {
		start();
		while (VERBS[verbs].name)
			verbs++;
	}
	if (size < 2)
		return 0;
	request(VERBS[data[0] % verbs].name, (const char *)data + 2, size - 2, data[1]);
	if (++rounds % SETTLE_EVERY == 0)
		uv_run(hub.loop, UV_RUN_NOWAIT);
	return 0;
}
