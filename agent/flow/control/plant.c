/* See plant.h. */
#include "flow/control/plant.h"

#include "core/frozen.h"
#include "drivers/driver.h"
#include "io/conffile.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_GRID_MS 10      /* wake-ups are aligned on this grid, so that many devices share one */
#define NAMELESS_MAX 3
#define PLAN_LATEST_MS 10000 /* a driver is asked at least this often */
#define SLEEP_MS 900         /* the machine was suspended for longer: the orders are of before */

struct plant_device {
	uint32_t key;             /* its name at the bus, for as long as it lives */
	const struct driver *driver;
	const struct config_device *cfg;
	void *memory;
	char *profile;
	uint32_t roles;
	struct device_state state;
	struct frozen frozen;
	bool out[2];              /* a batch is under way: [0] reads, [1] commands */
	int64_t due_ms;           /* when the driver wants to be asked */
	int64_t answered_ms;      /* last whole answer */
	bool asked;               /* whatever came of it */
	enum availability said;   /* availability already logged */
	int nameless;             /* answers waited for a name before logging */
};

struct plant {
	const struct config *cfg;
	uv_loop_t *loop;
	uv_timer_t timer;
	bool closing;
	int64_t slept_ms;         /* loop_slept_ms when the last order came; 0 = none yet */
	int n;
	uint32_t keys;            /* given away so far */
	struct plant_device dev[DEVICE_MAX];
	struct bus *bus[CONFIG_BUS_MAX];
	plant_changed_fn changed;
	void *context;
};

/* Asks one driver for what is due and hands it to the bus. */
static void device_pump(struct plant *p, int i, int64_t now)
{
	struct plant_device *d = &p->dev[i];
	static struct batch batch; /* 3 KiB; the loop is one thread */

	if (p->slept_ms && loop_slept_ms() - p->slept_ms > SLEEP_MS) { /* the next tick knows whether they still hold */
		d->due_ms = now + 10 * PLAN_GRID_MS;
		return;
	}
	for (int rounds = 0; rounds < 2; rounds++) {
		batch.n = 0;
		d->due_ms = d->driver->plan(d->memory, now, &batch);
		if (batch.n == 0)
			return;
		if (bus_submit(p->bus[d->cfg->bus_index], d->key, &batch) < 0) {
			/* The lane is full: the driver must hear that nothing was sent, or it would wait for ever. */
			static struct batch_result refused;

			memset(&refused, 0, sizeof(refused));
			refused.id = batch.id;
			refused.command = batch.command;
			refused.n = batch.n;
			for (int k = 0; k < batch.n; k++)
				refused.status[k] = REQUEST_NO_LINK;
			refused.begun_ms = refused.done_ms = now;
			d->driver->feed(d->memory, &refused, now, &d->state);
			d->due_ms = now + 1000;
			return;
		}
		d->out[batch.command] = true;
	}
}

static void timer_set(struct plant *p, int64_t now);

static void on_timer(uv_timer_t *timer)
{
	struct plant *p = timer->data;
	int64_t now = loop_now_ms();

	for (int i = 0; i < p->n; i++)
		if (p->dev[i].due_ms <= now + PLAN_GRID_MS / 2)
			device_pump(p, i, now);
	timer_set(p, now);
}

static void timer_set(struct plant *p, int64_t now)
{
	int64_t next = now + PLAN_LATEST_MS, wait;

	if (p->closing)
		return;
	for (int i = 0; i < p->n; i++)
		if (p->dev[i].due_ms < next)
			next = p->dev[i].due_ms;
	wait = next - now;
	wait = wait < PLAN_GRID_MS ? PLAN_GRID_MS : (wait + PLAN_GRID_MS - 1) / PLAN_GRID_MS * PLAN_GRID_MS;
	uv_update_time(p->loop);
	uv_timer_start(&p->timer, on_timer, (uint64_t)wait, 0);
}

static void log_availability(struct plant_device *d)
{
	if (d->state.availability == d->said)
		return;
	if (d->state.availability == AVAIL_ONLINE && !d->state.identity.manufacturer[0] && d->nameless++ < NAMELESS_MAX)
		return; /* its name comes with the next read */
	if (d->state.availability == AVAIL_ONLINE)
		log_notice("plant", "device %s is online: %s %s %s", d->cfg->id, d->state.identity.manufacturer,
			   d->state.identity.model, d->state.note);
	else
		log_warning("plant", "device %s is %s%s%s", d->cfg->id, availability_word(d->state.availability),
			    d->state.note[0] ? ": " : "", d->state.note);
	d->said = d->state.availability;
}

static void on_result(void *context, uint32_t key, const struct batch_result *result)
{
	struct plant *p = context;
	struct plant_device *d;
	int64_t now = loop_now_ms();
	int i = 0;

	while (i < p->n && p->dev[i].key != key)
		i++;
	if (p->closing || i == p->n) /* asked by a device that is gone */
		return;
	d = &p->dev[i];
	d->out[result->command] = false;
	d->asked = true;
	for (int k = 0; k < result->n; k++)
		if (result->status[k] <= REQUEST_EXCEPTION_LAST)
			d->answered_ms = result->done_ms;
	d->driver->feed(d->memory, result, now, &d->state);
	if (d->state.kinds & KIND_METER)
		frozen_check(&d->frozen, &d->state, now);
	log_availability(d);
	device_pump(p, i, now);
	timer_set(p, now);
	p->changed(p->context, i);
}

static int device_start(struct plant_device *d, const struct config_device *c, struct errbuf *err)
{
	struct driver_options o = { 0 };
	size_t len = 0;

	d->profile = conffile_profile(c->profile, &len, err);
	if (!d->profile && strcmp(c->profile, "sunspec") != 0)
		return -ENOENT;
	d->driver = driver_for_profile(c->profile, d->profile, len);
	if (!d->driver)
		return errbuf_set(err, -EINVAL, "device %s: no driver for profile %s", c->id, c->profile);
	d->roles = c->roles ? c->roles : driver_profile_roles(d->profile, len);
	d->memory = calloc(1, d->driver->size);
	if (!d->memory)
		return -ENOMEM;
	o = (struct driver_options){
		.id = c->id, .profile = c->profile, .profile_json = d->profile, .profile_json_len = len,
		.unit = (uint8_t)c->unit, .roles = d->roles, .capacity_wh = c->capacity_wh, .charge_max_w = c->charge_max_w,
		.discharge_max_w = c->discharge_max_w, .soh_pct = c->soh_pct, .failsafe_a = c->failsafe_a, .phases = c->phases,
		.timeout_ms = c->timeout_ms, .poll_ms = c->poll_ms, .invert = c->invert, .allow_unverified = c->allow_unverified,
	};
	return d->driver->init(d->memory, &o, &d->state, err);
}

static void device_end(struct plant_device *d)
{
	if (d->memory && d->driver->deinit)
		d->driver->deinit(d->memory);
	free(d->memory);
	free(d->profile);
}

static int bus_start(struct plant *p, const struct config_bus *c, struct bus **out, struct errbuf *err)
{
	struct bus_options o = { .type = c->rtu ? BUS_RTU : BUS_TCP, .port = c->port, .baud = c->baud, .parity = c->parity,
				 .data_bits = c->data_bits, .stop_bits = c->stop_bits, .timeout_ms = c->timeout_ms };

	memcpy(o.name, c->name, sizeof(o.name));
	memcpy(o.host, c->host, sizeof(o.host));
	memcpy(o.device, c->device, sizeof(o.device));
	return bus_open(out, p->loop, &o, on_result, p, err);
}

/* Ends the buses of the plant whose bit is not set. */
static void buses_end(struct plant *p, uint32_t kept)
{
	for (int i = 0; i < CONFIG_BUS_MAX; i++) /* all at once: it takes as long as the slowest, not as all together */
		if (!(kept >> i & 1))
			bus_ask_close(p->bus[i]);
	for (int i = 0; i < CONFIG_BUS_MAX; i++)
		if (!(kept >> i & 1))
			bus_close(p->bus[i]);
}

/* Devices of @cfg, taken over or started; when one cannot be, all that were started are ended again. */
static int devices_start(struct plant *p, const struct config *cfg, const struct config_kept *kept, struct plant_device *dev,
			 struct errbuf *err)
{
	int r = 0, n = 0;

	for (; n < cfg->n_devices && r == 0; n++) {
		if (kept->device[n] >= 0) {
			dev[n] = p->dev[kept->device[n]];
			continue;
		}
		dev[n].key = p->keys++;
		r = device_start(&dev[n], &cfg->device[n], err);
	}
	for (int i = 0; r < 0 && i < n; i++)
		if (kept->device[i] < 0)
			device_end(&dev[i]);
	return r;
}

static void take_over(struct plant *p, const struct config_kept *kept, int n, struct plant_device *dev)
{
	uint32_t devices = 0;

	for (int i = 0; i < n; i++)
		if (kept->device[i] >= 0)
			devices |= 1u << kept->device[i];
	for (int i = 0; i < p->n; i++)
		if (!(devices >> i & 1))
			device_end(&p->dev[i]);
	memcpy(p->dev, dev, sizeof(p->dev));
	p->n = n;
	for (int i = 0; i < n; i++)
		p->dev[i].cfg = &p->cfg->device[i];
}

int plant_change(struct plant *p, const struct config *cfg, const struct config_kept *kept, struct errbuf *err)
{
	struct plant_device *dev = calloc(DEVICE_MAX, sizeof(*dev));
	struct bus *bus[CONFIG_BUS_MAX] = { NULL };
	uint32_t buses = 0;
	int r = dev ? devices_start(p, cfg, kept, dev, err) : -ENOMEM;

	if (r < 0) {
		free(dev);
		return r;
	}
	for (int i = 0; i < cfg->n_buses; i++)
		if (kept->bus[i] >= 0) {
			buses |= 1u << kept->bus[i];
			bus[i] = p->bus[kept->bus[i]];
		}
	buses_end(p, buses);
	memcpy(p->bus, bus, sizeof(p->bus));
	take_over(p, kept, cfg->n_devices, dev);
	free(dev);
	for (int i = 0; i < cfg->n_buses; i++)
		if (kept->bus[i] < 0 && bus_start(p, &cfg->bus[i], &p->bus[i], err) < 0)
			return -ENOTRECOVERABLE;
	timer_set(p, loop_now_ms());
	return 0;
}

int plant_start(struct plant **out, uv_loop_t *loop, const struct config *cfg, plant_changed_fn changed, void *context,
		struct errbuf *err)
{
	struct plant *p = calloc(1, sizeof(*p));
	struct config_kept none;
	int r;

	if (!p)
		return -ENOMEM;
	memset(&none, -1, sizeof(none));
	p->cfg = cfg;
	p->loop = loop;
	p->changed = changed;
	p->context = context;
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	r = plant_change(p, cfg, &none, err);
	if (r < 0) {
		plant_stop(p);
		return r;
	}
	*out = p;
	on_timer(&p->timer);
	return 0;
}

int plant_count(const struct plant *p)
{
	return p->n;
}

const struct config_device *plant_config(const struct plant *p, int device)
{
	return p->dev[device].cfg;
}

const struct device_state *plant_state(const struct plant *p, int device)
{
	return &p->dev[device].state;
}

uint32_t plant_roles(const struct plant *p, int device)
{
	return p->dev[device].roles;
}

void plant_aim(struct plant *p, int device, const struct order *order)
{
	struct plant_device *d = &p->dev[device];
	int64_t now = loop_now_ms();

	p->slept_ms = loop_slept_ms();
	if (order->kind == ORDER_NONE || p->closing)
		return;
	d->driver->aim(d->memory, order, now);
	device_pump(p, device, now);
	timer_set(p, now);
}

bool plant_released(const struct plant *p, uint32_t devices)
{
	for (int i = 0; i < p->n; i++) {
		const struct plant_device *d = &p->dev[i];

		if (!(devices >> i & 1) || !(d->roles & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV)) || d->state.released)
			continue;
		if (d->state.availability == AVAIL_ONLINE || (d->state.availability == AVAIL_UNKNOWN && (d->answered_ms || !d->asked)))
			return false;
	}
	return true;
}

bool plant_wears(const struct plant *p, int device)
{
	return p->dev[device].driver->worn != NULL;
}

int plant_worn(const struct plant *p, int device, int64_t at_ms[DRIVER_WORN_MAX])
{
	const struct plant_device *d = &p->dev[device];

	return d->driver->worn ? d->driver->worn(d->memory, at_ms) : 0;
}

void plant_recall(struct plant *p, int device, const int64_t *at_ms, int n)
{
	const struct plant_device *d = &p->dev[device];

	if (d->driver->recall)
		d->driver->recall(d->memory, at_ms, n);
}

int plant_keep(const struct plant *p, int device, double kept[DRIVER_KEPT_MAX])
{
	const struct plant_device *d = &p->dev[device];

	return d->driver->keep ? d->driver->keep(d->memory, kept) : 0;
}

void plant_remember(struct plant *p, int device, const double *kept, int n)
{
	const struct plant_device *d = &p->dev[device];

	if (d->driver->remember)
		d->driver->remember(d->memory, kept, n);
}

void plant_bus_stats(const struct plant *p, int i, struct bus_stats *out)
{
	bus_stats(p->bus[i], out);
}

int64_t plant_silence_ms(const struct plant *p, int device, int64_t now_ms)
{
	return p->dev[device].answered_ms ? now_ms - p->dev[device].answered_ms : -1;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void plant_stop(struct plant *p)
{
	if (!p)
		return;
	p->closing = true;
	buses_end(p, 0);
	for (int i = 0; i < p->n; i++)
		device_end(&p->dev[i]);
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}
