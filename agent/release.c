/* See release.h. Uses the plant alone: no broker, no store, no thinking. */
#include "release.h"

#include "core/snapshot.h"
#include "flow/control/plant.h"
#include "io/log.h"
#include "io/loop.h"

#define RELEASE_MS 8000
#define LOOK_MS 100

struct release {
	struct plant *plant;
	uv_timer_t timer;
	int64_t until_ms;
	bool aimed[DEVICE_MAX], done;
};

static void on_device(void *context, int device)
{
	(void)context;
	(void)device;
}

static bool sun(const struct plant *p, int i)
{
	return !(plant_roles(p, i) & (ROLE_BATTERY | ROLE_CHARGER));
}

/* The sun's inverter may fall asleep behind that; before it, whatever bounds it bounds it in the morning. */
static bool free_now(const struct plant *p, int i)
{
	const enum availability a = plant_state(p, i)->availability;

	return plant_state(p, i)->released && (a == AVAIL_ONLINE || (a == AVAIL_OFFLINE && sun(p, i)));
}

/* At night it is never heard, which is no failure, but only time tells that from one that is still being looked for. */
static bool asleep(const struct plant *p, int i, bool over)
{
	return over && sun(p, i) && plant_state(p, i)->availability == AVAIL_UNKNOWN;
}

static const char *outcome(const struct plant *p, int i)
{
	const struct device_state *d = plant_state(p, i);

	if (free_now(p, i))
		return "under its own control";
	switch (d->availability) {
	case AVAIL_ONLINE:
	case AVAIL_FAULT:
		return "could not be released";
	case AVAIL_OFFLINE:
		return "fell silent before it could be released";
	case AVAIL_UNKNOWN:
		break;
	}
	return "does not answer";
}

/* Devices join one by one; each is told once it is there. */
static void on_look(uv_timer_t *timer)
{
	static const struct order RELEASE = { .kind = ORDER_RELEASE };
	struct release *r = timer->data;
	const bool over = loop_now_ms() >= r->until_ms;
	bool all = true;

	for (int i = 0; i < plant_count(r->plant); i++) {
		if (!(plant_roles(r->plant, i) & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV)))
			continue;
		if (!r->aimed[i]) {
			plant_aim(r->plant, i, &RELEASE);
			r->aimed[i] = true;
		}
		all = all && (free_now(r->plant, i) || asleep(r->plant, i, over));
	}
	r->done = all;
	if (all || over)
		uv_stop(timer->loop);
}

int release_run(const struct config *cfg)
{
	struct release r = { .until_ms = loop_now_ms() + RELEASE_MS };
	uv_loop_t *loop = uv_default_loop();
	struct errbuf err = { "" };

	if (plant_start(&r.plant, loop, cfg, on_device, &r, &err) < 0) {
		log_error("release", "%s", err.text);
		return 1;
	}
	uv_timer_init(loop, &r.timer);
	r.timer.data = &r;
	uv_timer_start(&r.timer, on_look, LOOK_MS, LOOK_MS);
	uv_run(loop, UV_RUN_DEFAULT);
	for (int i = 0; i < plant_count(r.plant); i++)
		if (plant_roles(r.plant, i) & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV))
			log_notice("release", "device %s: %s", plant_config(r.plant, i)->id, outcome(r.plant, i));
	uv_close((uv_handle_t *)&r.timer, NULL);
	plant_stop(r.plant);
	uv_run(loop, UV_RUN_DEFAULT);
	return r.done ? 0 : 1;
}
