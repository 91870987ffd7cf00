/* See app.h. Order matters here and nowhere else: each part only uses what was built before it. */
#include "app.h"

#include "flow/discovery.h"
#include "flow/hub.h"
#include "flow/inbox.h"
#include "flow/round.h"
#include "io/conffile.h"
#include "io/crypto.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/zone.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_CONFIG 78
#define RELEASE_MS 5000 /* devices have this long to be released */
#define APPLY_MS 50     /* a reload waits this long, so that its answer is out before a link is restarted */

struct app {
	struct hub hub;             /* first: callbacks get the hub and find the app by it */
	uv_signal_t signals[3];
	int64_t release_until_ms;   /* monotonic; 0 = not releasing */
	uv_timer_t apply_timer;
	uint32_t changes;           /* of a reload under way; 0 = none */
	bool ready, ending, misconfigured;
	struct config next;
	char status_topic[MQTT_TOPIC_MAX];
	char password[256], key_text[600];
	const char *keys[FLIP_KEYS_MAX];
	int n_keys;
};

static void on_connected(void *context, bool session_present)
{
	struct app *a = context;

	(void)session_present;
	log_notice("mqtt", "connected to the broker");
	mqtt_publish(a->hub.mqtt, a->status_topic, "online", 6, 1, true, NULL);
	inbox_subscribe(a->hub.inbox);
	discovery_connected(a->hub.discovery);
	round_publish_again(&a->hub);
}

static void on_disconnected(void *context, const char *reason)
{
	(void)context;
	log_warning("mqtt", "no broker: %s; control goes on, trying again", reason);
}

static void on_message(void *context, const struct mqtt_message *m)
{
	struct app *a = context;

	if (!inbox_message(a->hub.inbox, m) && !discovery_message(a->hub.discovery, m))
		publish_message(&a->hub.publish, m);
}

static void on_device(void *context, int device)
{
	(void)context;
	(void)device; /* the beat looks at every device; nothing needs to be faster */
}

static bool flip_clock(void *context, int64_t *now_ms, int64_t *utc_ms)
{
	*now_ms = loop_now_ms();
	*utc_ms = loop_utc_ms();
	return hub_clock(context);
}

static bool flip_paused(void *context)
{
	const struct hub *h = context;

	return owner_paused_at(&h->owner, loop_utc_ms(), loop_now_ms());
}

static void flip_clock_word(void *context, enum flip_clock_word word, int64_t flip_utc_ms)
{
	struct hub *h = context;

	(void)word; /* the gate judges by the times themselves */
	clock_gate_vouch(&h->clock, flip_utc_ms, loop_utc_ms());
}

static void flip_changed(void *context)
{
	struct hub *h = context;

	h->flip_due_utc_ms = 1; /* the book moves before this tick thinks */
	tick_now(h->tick);
	hub_replan(h, "a command or an event");
}

static void flip_audit(void *context, const char *origin, const char *request, const char *result)
{
	hub_audit(context, origin, request, result);
}

static struct mqtt_options broker_options(const struct app *a)
{
	const struct config_mqtt *c = &a->hub.cfg.mqtt;

	return (struct mqtt_options){
		.host = c->host, .port = c->port, .username = c->username, .password = a->password[0] ? a->password : NULL,
		.ca_file = c->ca_file[0] ? c->ca_file : NULL, .cert_file = c->cert_file[0] ? c->cert_file : NULL,
		.key_file = c->key_file[0] ? c->key_file : NULL,
	};
}

static int start_mqtt(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	struct mqtt_options o = broker_options(a);
	struct mqtt_callbacks cb = { on_connected, on_disconnected, on_message, a };
	int r;

	o.clean_start = true;
	o.will_topic = a->status_topic;
	o.will_payload = "offline";
	r = mqtt_open(&h->mqtt, h->loop, &o, &cb, err);
	if (r == 0)
		publish_init(&h->publish, h->mqtt, &h->root, h->cfg.mqtt.scalars);
	return r;
}

static int start_flip(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	struct flip_link_options o = {
		.loop = h->loop, .mode = h->cfg.flip.mode, .mqtt = broker_options(a), .site_id = h->cfg.site.id, .root = &h->root,
		.boot_id = h->boot_id, .n_keys = a->n_keys, .legacy_body_timestamp = h->cfg.flip.legacy_body_timestamp,
		.store = h->store, .book = h->book, .outbox = h->outbox,
		.cb = { .devices = round_book_devices, .clock = flip_clock, .paused = flip_paused, .clock_word = flip_clock_word,
			.changed = flip_changed, .command = round_publish_command, .event = round_publish_event,
			.gone = round_publish_gone, .audit = flip_audit, .context = h },
	};

	memcpy(o.keys, a->keys, sizeof(o.keys));
	return flip_link_start(&h->flip, &o, err);
}

/* Secrets: refused loudly when their files are too open. */
static int load_secrets(struct app *a, struct errbuf *err)
{
	const struct config *c = &a->hub.cfg;
	int r = conffile_secret("mqtt-password", c->mqtt.password_file, a->password, sizeof(a->password), err);

	if (r < 0)
		return r;
	r = conffile_secret("flip-webhook-key", c->flip.webhook_key_file, a->key_text, sizeof(a->key_text), err);
	if (r < 0)
		return r;
	if (r == 0 && c->flip.mode == LINK_QUEUE)
		return errbuf_set(err, -ENOENT, "[flip] mode = queue needs the webhook signing key: credential flip-webhook-key, or webhook_key_file");
	if (r == 1) {
		a->n_keys = flip_keys_split(a->key_text, a->keys);
		if (a->n_keys < 0)
			return errbuf_set(err, -EINVAL, "the Flip webhook key must be one or two keys that begin with whsec_");
	}
	return 0;
}

static int load_setting(void *context, const struct store_row *row)
{
	struct hub *h = context;
	struct errbuf err = { "" };
	AUTO_JSON *o = NULL;

	if (strcmp(row->key, "owner") != 0)
		return 0;
	o = json_parse(row->body, strlen(row->body), 65536, 16, &err);
	if (!o || owner_decode(o, &h->owner, &err) < 0)
		log_error("store", "the owner's settings cannot be read (%s): beginning with the configuration's", err.text);
	return 0;
}

static int load_memory(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	struct outbox_options o = { .max_bytes = (int64_t)h->cfg.outbox.max_mib << 20 };
	char path[512];
	int r;

	snprintf(path, sizeof(path), "%s/hearth.db", conffile_state_dir());
	r = store_open(&h->store, h->loop, path, err);
	if (r == -ENOENT)
		return errbuf_set(err, r, "there is no folder %s: create it, or name another in STATE_DIRECTORY", conffile_state_dir());
	if (r < 0)
		return r;
	if (r == 1) {
		log_error("store", "%s", err->text);
		snprintf(h->damaged, sizeof(h->damaged), "%s", err->text);
	}
	r = store_load(h->store, STORE_SETTING, load_setting, h, err);
	if (r < 0)
		return r;
	if (owner_reserve_yield(&h->owner, h->cfg.site.reserve_pct))
		hub_store_owner(h);
	o.store = h->store;
	return outbox_open(&h->outbox, &o, err);
}

static void finished(struct hub *h);
static bool apply(struct hub *h, const struct config *cfg, uint32_t changes);

static int start(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	struct planning_options planning = { &h->cfg, &h->zone, round_plan_changed, h };
	struct tick_hooks hooks = { round_before_tick, round_after_tick, h };
	int r;

	owner_init(&h->owner);
	h->book = calloc(1, sizeof(*h->book));
	h->import_prices = calloc(1, sizeof(*h->import_prices));
	h->export_prices = calloc(1, sizeof(*h->export_prices));
	if (!h->book || !h->import_prices || !h->export_prices)
		return errbuf_set(err, -ENOMEM, "no memory");
	book_init(h->book, h->cfg.flip.max_endless_h);
	topic_root_set(&h->root, h->cfg.mqtt.root, h->cfg.site.id);
	topic_make(&h->root, a->status_topic, sizeof(a->status_topic), "status");
	crypto_uuid(h->boot_id);
	h->started_utc_ms = loop_utc_ms();
	h->finished = finished;
	h->apply = apply;
	if ((r = load_secrets(a, err)) < 0 || (r = zone_load(h->cfg.site.timezone, &h->zone, err)) < 0 ||
	    (r = plant_start(&h->plant, h->loop, &h->cfg, on_device, h, err)) < 0) {
		a->misconfigured = true; /* trying again does not help: the service must not restart */
		return r;
	}
	if ((r = load_memory(a, err)) < 0 || (r = planning_start(&h->planning, h->loop, &planning, err)) < 0 ||
	    (r = tick_start(&h->tick, h, &hooks, err)) < 0 || (r = inbox_start(&h->inbox, h, err)) < 0 ||
	    (r = discovery_start(&h->discovery, h, err)) < 0 ||
	    (r = start_mqtt(a, err)) < 0 || (r = start_flip(a, err)) < 0)
		return r;
	return 0;
}

/* In reverse; what is owed is committed while the broker is still there, so that answers can leave. */
static void stop(struct app *a)
{
	struct hub *h = &a->hub;

	tick_stop(h->tick);
	planning_stop(h->planning);
	flip_link_stop(h->flip);
	store_close(h->store);
	outbox_close(h->outbox);
	if (h->mqtt)
		mqtt_publish(h->mqtt, a->status_topic, "offline", 7, 1, true, NULL);
	mqtt_close(h->mqtt);
	discovery_stop(h->discovery);
	inbox_stop(h->inbox);
	publish_deinit(&h->publish);
	plant_stop(h->plant);
	uv_close((uv_handle_t *)&a->apply_timer, NULL);
	for (int i = 0; i < 3; i++)
		if (a->signals[i].data)
			uv_close((uv_handle_t *)&a->signals[i], NULL);
	uv_run(h->loop, UV_RUN_DEFAULT);
	free(h->book);
	free(h->import_prices);
	free(h->export_prices);
	explicit_bzero(a->password, sizeof(a->password));
	explicit_bzero(a->key_text, sizeof(a->key_text));
}

/* From here on everything is ordered back to its own control; finished() goes on once that is read back. */
static void release_begin(struct app *a)
{
	a->hub.stopping = true;
	if (!a->release_until_ms)
		a->release_until_ms = loop_now_ms() + RELEASE_MS;
	tick_soon(a->hub.tick);
}

/* Other devices or buses: everything was released, now the plant is built anew. */
static void plant_rebuild(struct app *a)
{
	struct hub *h = &a->hub;
	struct errbuf err = { "" };
	struct plant *old = h->plant;
	struct config before = h->cfg;

	plant_stop(old);
	h->cfg = a->next;
	if (plant_start(&h->plant, h->loop, &h->cfg, on_device, h, &err) < 0) {
		log_error("config", "%s; the old devices stay in use", err.text);
		h->cfg = before;
		if (plant_start(&h->plant, h->loop, &h->cfg, on_device, h, &err) < 0) {
			log_error("config", "%s; nothing can be steered", err.text);
			uv_stop(h->loop);
			return;
		}
	}
	h->plant_started_ms = loop_now_ms();
	tick_reset(h->tick);
	planning_configure(h->planning, &h->cfg, &h->zone);
	publish_all_again(&h->publish);
	h->stopping = false;
	hub_replan(h, "other devices");
}

/* Another site id or root: what stands retained below the old one would stand there for ever. */
static void leave_root(struct app *a)
{
	struct hub *h = &a->hub;
	struct topic_root root;

	mqtt_publish(h->mqtt, a->status_topic, "offline", 7, 1, true, NULL);
	topic_root_set(&root, h->cfg.mqtt.root, h->cfg.site.id);
	if (!strcmp(root.text, h->root.text))
		return;
	publish_leave(&h->publish);
	for (int i = 0; i < h->book->n; i++)
		round_publish_gone(h, h->book->entry[i].c.id, false);
	for (int i = 0; i < h->book->n_events; i++)
		round_publish_gone(h, h->book->event[i].e.id, true);
}

static void links_rebuild(struct app *a, uint32_t changes)
{
	struct hub *h = &a->hub;
	struct errbuf err = { "" };

	if (!(changes & (CHANGE_MQTT | CHANGE_FLIP)))
		return;
	if (load_secrets(a, &err) < 0) {
		log_error("config", "%s; links stay as they were", err.text);
		return;
	}
	flip_link_stop(h->flip);
	h->flip = NULL;
	if (changes & CHANGE_MQTT) {
		discovery_leave(h->discovery);
		leave_root(a);
		mqtt_close(h->mqtt);
		h->mqtt = NULL;
		topic_root_set(&h->root, h->cfg.mqtt.root, h->cfg.site.id);
		topic_make(&h->root, a->status_topic, sizeof(a->status_topic), "status");
		if (start_mqtt(a, &err) < 0)
			log_error("mqtt", "%s", err.text);
	}
	if (start_flip(a, &err) < 0)
		log_error("flip", "%s", err.text);
}

static void reload_again(struct app *a)
{
	static struct config_errors errors;

	if (!a->hub.reload_again)
		return;
	a->hub.reload_again = false;
	hub_reload(&a->hub, &errors);
}

/* On a timer of its own, so that nothing is taken apart inside one of its callbacks. */
static void on_apply(uv_timer_t *timer)
{
	struct app *a = timer->data;
	struct hub *h = &a->hub;
	uint32_t changes = a->changes;

	if (changes & CHANGE_PLANT)
		plant_rebuild(a);
	else
		h->cfg = a->next;
	if (zone_load(h->cfg.site.timezone, &h->zone, NULL) < 0)
		log_error("config", "time zone %s cannot be loaded", h->cfg.site.timezone);
	if (owner_reserve_yield(&h->owner, h->cfg.site.reserve_pct))
		hub_store_owner(h);
	h->book->max_endless_ms = (int64_t)h->cfg.flip.max_endless_h * 3600 * 1000;
	outbox_limit(h->outbox, (int64_t)h->cfg.outbox.max_mib << 20);
	planning_configure(h->planning, &h->cfg, &h->zone);
	links_rebuild(a, changes);
	h->prices_due_ms = 0;
	hub_replan(h, "another configuration");
	tick_soon(h->tick);
	log_notice("config", "the new configuration is in force");
	a->changes = 0;
	h->applying = false;
	reload_again(a);
}

static bool apply(struct hub *h, const struct config *cfg, uint32_t changes)
{
	struct app *a = (struct app *)h;

	if (a->ending)
		return false;
	h->applying = true;
	a->next = *cfg;
	a->changes = changes;
	if (changes & CHANGE_PLANT)
		release_begin(a);
	else
		uv_timer_start(&a->apply_timer, on_apply, APPLY_MS, 0);
	return true;
}

static void finished(struct hub *h)
{
	struct app *a = (struct app *)h;

	notify_watchdog();
	if (!a->ready) {
		a->ready = true;
		notify_ready("running");
	}
	if (!a->release_until_ms || (!plant_released(h->plant) && loop_now_ms() < a->release_until_ms))
		return;
	if (!plant_released(h->plant))
		log_warning("plant", "not every device could be released in %d s; their own timers must do it", RELEASE_MS / 1000);
	a->release_until_ms = 0;
	if (a->ending)
		uv_stop(h->loop);
	else
		uv_timer_start(&a->apply_timer, on_apply, 0, 0);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct app *a = signal->data;
	static struct config_errors errors;

	if (number == SIGHUP) {
		notify_reloading();
		hub_reload(&a->hub, &errors);
		notify_ready("running");
		return;
	}
	log_notice("hearthd", "stopping: releasing devices");
	notify_stopping();
	a->ending = true;
	release_begin(a);
}

static void watch_signals(struct app *a)
{
	static const int NUMBERS[3] = { SIGTERM, SIGINT, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		uv_signal_init(a->hub.loop, &a->signals[i]);
		a->signals[i].data = a;
		uv_signal_start(&a->signals[i], on_signal, NUMBERS[i]);
	}
}

int app_run(const char *path, const struct config *cfg)
{
	static struct app app; /* large and alive as long as the process */
	struct errbuf err = { "" };
	int r;

	app.hub.loop = uv_default_loop();
	app.hub.config_path = path;
	app.hub.cfg = *cfg;
	uv_timer_init(app.hub.loop, &app.apply_timer);
	app.apply_timer.data = &app;
	app.hub.plant_started_ms = loop_now_ms();
	watch_signals(&app);
	log_notice("hearthd", "version %s, site %s", HEARTH_VERSION, cfg->site.id);
	r = start(&app, &err);
	if (r < 0)
		log_error("hearthd", "cannot start: %s", err.text[0] ? err.text : strerror(-r));
	else
		uv_run(app.hub.loop, UV_RUN_DEFAULT);
	stop(&app);
	if (r == 0)
		log_notice("hearthd", "stopped");
	return r == 0 ? 0 : app.misconfigured ? EXIT_CONFIG : 1;
}
