/* See app.h. Order matters here and nowhere else: each part only uses what was built before it. */
#include "app.h"

#include "flow/clock.h"
#include "flow/history/money.h"
#include "flow/local/discovery.h"
#include "flow/hub.h"
#include "flow/local/inbox.h"
#include "flow/round.h"
#include "io/conffile.h"
#include "io/crypto.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/zone.h"
#include "links.h"

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
	bool tell_damage;           /* the next start is told of the damage as well */
	struct config next;
	struct config_kept kept;    /* of the plant, by the next configuration */
	struct links links;
};

static void on_device(void *context, int device)
{
	(void)context;
	(void)device; /* the beat looks at every device; nothing needs to be faster */
}

static int load_setting(void *context, const struct store_row *row)
{
	struct hub *h = context;
	struct errbuf err = { "" };

	if (!strcmp(row->key, "clock"))
		clock_load(h, row->body);
	if (outside_load(h->outside, row) || wear_load(h->wear, row) || habits_load(h->habits, row) || strcmp(row->key, "owner") != 0)
		return 0;
	if (owner_read(row->body, &h->owner, &err) < 0) {
		snprintf(h->owner_unread, sizeof(h->owner_unread), "%.300s", err.text);
		log_error("store", "of the owner's settings not all can be read (%s): the rest holds", err.text);
	}
	return 0;
}

static int load_daily(void *context, const struct store_row *row)
{
	struct hub *h = context;

	if (!savings_load(h->savings, row))
		outside_load_interval(h->outside, row);
	return 0;
}

static int load_memory(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	struct outbox_options o = { .max_bytes = (int64_t)h->cfg.outbox.max_mib << 20 };
	struct backlog_options b = { .max_bytes = o.max_bytes };
	struct savings_options savings = { .config = &h->cfg, .zone = &h->zone };
	struct habits_options habits = { .config = &h->cfg, .zone = &h->zone };
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
		a->tell_damage = true;
	}
	savings.store = habits.store = h->store;
	if ((r = savings_start(&h->savings, &savings, err)) < 0 || (r = habits_start(&h->habits, &habits, err)) < 0 ||
	    (r = store_load(h->store, STORE_SETTING, load_setting, h, err)) < 0 ||
	    (r = store_load(h->store, STORE_DAILY, load_daily, h, err)) < 0)
		return r;
	if (h->damaged[0])
		outside_lost(h->outside, store_lost(h->store, STORE_SETTING));
	if (store_lost(h->store, STORE_SETTING))
		wear_lost(h->wear);
	o.store = b.store = h->store;
	r = outbox_open(&h->outbox, &o, err);
	return r < 0 ? r : backlog_open(&h->backlog, &b, err);
}

static void finished(struct hub *h);
static bool apply(struct hub *h, const struct config *cfg, uint32_t changes);

static int secrets(struct hub *h, const struct config *cfg, uint32_t *changes, struct errbuf *err)
{
	return links_other_secrets(&((struct app *)h)->links, cfg, changes, err);
}

/* What reads the store at start comes before what writes to it: a table can only be loaded before the first transaction. */
static int start_parts(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	struct forecasting_options forecasting = { &h->cfg, &h->zone, h->store, round_forecast_changed, h };
	struct planning_options planning = { &h->cfg, &h->zone, round_plan_changed, h, NULL };
	struct recorder_options recorder = { .config = &h->cfg, .zone = &h->zone, .store = h->store, .backlog = h->backlog,
					     .prices = money_prices, .ended = money_ended, .context = h };
	struct tick_hooks hooks = { round_before_tick, round_after_tick, h };
	int r = forecasting_start(&h->forecasting, &forecasting, err);

	if (r < 0)
		return r;
	planning.forecast = forecasting_now(h->forecasting);
	if ((r = recorder_start(&h->recorder, &recorder, err)) < 0 || (r = diary_start(&h->diary, h->store, err)) < 0 ||
	    (r = links_clouds_start(&a->links, err)) < 0 ||
	    (r = planning_start(&h->planning, h->loop, &planning, err)) < 0 || (r = tick_start(&h->tick, h, &hooks, err)) < 0 ||
	    (r = inbox_start(&h->inbox, h, err)) < 0 || (r = discovery_start(&h->discovery, h, err)) < 0 ||
	    (r = links_broker_start(&a->links, err)) < 0 || (r = links_flip_start(&a->links, err)) < 0) {
		a->misconfigured = r == -EINVAL; /* as with certificates the service may not read */
		return r;
	}
	if (owner_reserve_yield(&h->owner, h->cfg.site.reserve_pct))
		hub_store_owner(h);
	return 0;
}

static int start(struct app *a, struct errbuf *err)
{
	struct hub *h = &a->hub;
	int r;

	owner_init(&h->owner);
	h->book = calloc(1, sizeof(*h->book));
	h->import_prices = calloc(1, sizeof(*h->import_prices));
	h->export_prices = calloc(1, sizeof(*h->export_prices));
	if (!h->book || !h->import_prices || !h->export_prices)
		return errbuf_set(err, -ENOMEM, "no memory");
	book_init(h->book, h->cfg.flip.max_endless_h);
	topic_root_set(&h->root, h->cfg.mqtt.root, h->cfg.site.id);
	topic_make(&h->root, a->links.status_topic, sizeof(a->links.status_topic), "status");
	crypto_uuid(h->boot_id);
	h->started_utc_ms = loop_utc_ms();
	h->finished = finished;
	h->apply = apply;
	h->secrets = secrets;
	a->links.hub = h;
	if ((r = links_secrets(&a->links, err)) < 0 || (r = zone_load(h->cfg.site.timezone, &h->zone, err)) < 0 ||
	    (r = plant_start(&h->plant, h->loop, &h->cfg, on_device, h, err)) < 0) {
		a->misconfigured = true; /* trying again does not help: the service must not restart */
		return r;
	}
	if ((r = outside_start(&h->outside, h, err)) < 0 || (r = wear_start(&h->wear, h, err)) < 0 || (r = load_memory(a, err)) < 0)
		return r;
	wear_recall(h->wear, ~0u);
	return start_parts(a, err);
}

/* In reverse; what is owed is committed while the broker is still there, so that answers can leave. */
static void stop(struct app *a)
{
	struct hub *h = &a->hub;

	tick_stop(h->tick);
	planning_stop(h->planning);
	forecasting_stop(h->forecasting);
	flip_link_stop(h->flip);
	recorder_stop(h->recorder); /* its last interval has a price */
	savings_stop(h->savings);
	habits_stop(h->habits);
	prices_stop(h->prices);
	h->prices = NULL; /* closing the store answers what is being read */
	diary_stop(h->diary);
	http_close(h->http);
	outside_flush(h->outside);
	store_close(h->store);
	outbox_close(h->outbox);
	backlog_close(h->backlog);
	outside_stop(h->outside);
	wear_stop(h->wear);
	links_offline(&a->links);
	mqtt_close(h->mqtt);
	discovery_stop(h->discovery);
	inbox_stop(h->inbox);
	publish_deinit(&h->publish);
	plant_stop(h->plant);
	loop_watch_stop();
	uv_close((uv_handle_t *)&a->apply_timer, NULL);
	for (int i = 0; i < 3; i++)
		if (a->signals[i].data)
			uv_close((uv_handle_t *)&a->signals[i], NULL);
	uv_run(h->loop, UV_RUN_DEFAULT);
	free(h->book);
	free(h->import_prices);
	free(h->export_prices);
	links_forget(&a->links);
}

/* From here on what stops or leaves is ordered back to its own control; finished() goes on once that is read back. */
static void release_begin(struct app *a)
{
	a->release_until_ms = loop_now_ms() + RELEASE_MS;
	tick_soon(a->hub.tick);
}

/* Devices that an other configuration takes away or starts anew, bits. */
static uint32_t leaving(const struct app *a)
{
	uint32_t devices = 0;

	for (int i = 0; i < a->hub.cfg.n_devices; i++)
		devices |= 1u << i;
	for (int i = 0; i < a->next.n_devices; i++)
		if (a->kept.device[i] >= 0)
			devices &= ~(1u << a->kept.device[i]);
	return devices;
}

/* Other devices or buses: what leaves was released, what stays goes on as if nothing had happened. False: nothing was changed. */
static bool plant_rebuild(struct app *a)
{
	struct hub *h = &a->hub;
	struct errbuf err = { "" };
	uint32_t begun = 0;
	int r = plant_change(h->plant, &a->next, &a->kept, &err);

	h->leaving = 0;
	if (r < 0) {
		log_error("config", "%s; %s", err.text, r == -ENOTRECOVERABLE ? "nothing can be steered" : "the old configuration stays in force");
		if (r == -ENOTRECOVERABLE)
			uv_stop(h->loop);
		return false;
	}
	h->cfg = a->next;
	for (int i = 0; i < h->cfg.n_devices; i++)
		begun |= a->kept.device[i] < 0 ? 1u << i : 0;
	h->plant_started_ms = loop_now_ms();
	wear_recall(h->wear, begun);
	tick_rebuilt(h->tick, a->kept.device);
	forecasting_configure(h->forecasting, &h->cfg, &h->zone);
	planning_configure(h->planning, &h->cfg, &h->zone);
	publish_all_again(&h->publish);
	hub_replan(h, "other devices");
	return true;
}

static void reload_again(struct app *a)
{
	static struct config_errors errors;

	if (!a->hub.reload_again)
		return;
	a->hub.reload_again = false;
	hub_reload(&a->hub, &errors);
}

/* The rest of what a configuration is for, when it is the hub's. */
static void configure(struct app *a)
{
	struct hub *h = &a->hub;

	if (zone_load(h->cfg.site.timezone, &h->zone, NULL) < 0)
		log_error("config", "time zone %s cannot be loaded", h->cfg.site.timezone);
	if (owner_reserve_yield(&h->owner, h->cfg.site.reserve_pct))
		hub_store_owner(h);
	h->book->max_endless_ms = (int64_t)h->cfg.flip.max_endless_h * 3600 * 1000;
	outbox_limit(h->outbox, (int64_t)h->cfg.outbox.max_mib << 20);
	backlog_limit(h->backlog, (int64_t)h->cfg.outbox.max_mib << 20);
	forecasting_configure(h->forecasting, &h->cfg, &h->zone);
	planning_configure(h->planning, &h->cfg, &h->zone);
	recorder_configure(h->recorder, &h->cfg, &h->zone);
	links_rebuild(&a->links, a->changes);
	h->prices_due_ms = 0;
	hub_replan(h, "another configuration");
	tick_soon(h->tick);
	log_notice("config", "the new configuration is in force");
}

/* On a timer of its own, so that nothing is taken apart inside one of its callbacks. */
static void on_apply(uv_timer_t *timer)
{
	struct app *a = timer->data;
	struct hub *h = &a->hub;

	recorder_cut(h->recorder); /* what was measured so far belongs to the devices as they are named now */
	if (!(a->changes & CHANGE_PLANT)) {
		h->cfg = a->next;
		configure(a);
	} else if (plant_rebuild(a)) {
		configure(a);
	}
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
	config_kept(&h->cfg, &a->next, &a->kept);
	h->leaving = changes & CHANGE_PLANT ? leaving(a) : 0;
	if (h->leaving)
		release_begin(a);
	else
		uv_timer_start(&a->apply_timer, on_apply, APPLY_MS, 0);
	return true;
}

static void finished(struct hub *h)
{
	struct app *a = (struct app *)h;
	bool released;

	notify_watchdog();
	if (!a->ready) {
		a->ready = true;
		notify_ready("running");
	}
	if (a->tell_damage && outside_kept(h->outside) && wear_stored(h->wear)) { /* what follows from it is on disk */
		a->tell_damage = false;
		store_damage_known(h->store);
	}
	released = plant_released(h->plant, h->stopping ? ~0u : h->leaving);
	if (!a->release_until_ms || (!released && loop_now_ms() < a->release_until_ms))
		return;
	if (!released)
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
	if (a->ending)
		return;
	log_notice("hearthd", "stopping: releasing devices");
	notify_stopping();
	a->ending = a->hub.stopping = true;
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
	loop_watch_start(app.hub.loop);
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
