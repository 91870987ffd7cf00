/* See tick.h. The snapshot is built here and nowhere else; arithmetic on it belongs to the policies. */
#include "flow/control/tick.h"

#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"
#include "policies/chain.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MAX 10       /* ticks out of the beat in any second */
#define SOON_MS 1000
#define LATE_KEEP 1024

struct tick {
	struct hub *hub;
	uv_timer_t beat, soon;
	bool closing, soon_set, running;
	int64_t soon_ms[SOON_MAX]; /* when the last ones out of the beat ran, a ring */
	int soon_next;
	struct tick_hooks hooks;
	struct chain chain;
	struct snapshot s;
	struct decisions d;
	struct order last[DEVICE_MAX];
	int64_t last_at_ms[DEVICE_MAX];
	int64_t grid_sample_at_ms;
	int64_t beat_ms;          /* when the next beat should be */
	int64_t slept_ms;         /* loop_clocks' at the last beat */
	int handles;
	uint64_t count, beats;
	float late_ms[LATE_KEEP];
	double late_max_ms;
};

static void freeze_grid(struct tick *t)
{
	static const enum field POWER[3] = { F_METER_POWER_L1_W, F_METER_POWER_L2_W, F_METER_POWER_L3_W };
	static const enum field CURRENT[3] = { F_METER_CURRENT_L1_A, F_METER_CURRENT_L2_A, F_METER_CURRENT_L3_A };
	struct snapshot *s = &t->s;
	const struct device_state *meter;
	bool lost = false;

	memset(&s->grid_w, 0, sizeof(s->grid_w));
	memset(s->phase_w, 0, sizeof(s->phase_w));
	memset(s->phase_a, 0, sizeof(s->phase_a));
	s->grid_device = -1;
	for (int i = 0; i < s->n_devices; i++) {
		const struct value *online = &s->dev[i].state.f[F_INVERTER_GRID_ONLINE];

		if (s->dev[i].roles & ROLE_GRID)
			s->grid_device = i;
		if (value_usable(online) && s->now_ms - online->at_ms < 60000 && online->v < 0.5)
			lost = true;
	}
	if (s->grid_device >= 0) {
		meter = &s->dev[s->grid_device].state;
		s->grid_w = meter->f[F_METER_POWER_W];
		for (int p = 0; p < 3; p++) {
			s->phase_w[p] = meter->f[POWER[p]];
			s->phase_a[p] = meter->f[CURRENT[p]];
		}
	}
	if (s->grid_w.at_ms != t->grid_sample_at_ms && value_usable(&s->grid_w)) {
		t->grid_sample_at_ms = s->grid_w.at_ms;
		s->grid_sample++;
	}
	if (s->grid_lost && !lost)
		s->grid_back_ms = s->now_ms;
	s->grid_lost = lost;
}

/* What the owner set for this device. Ends are wall-clock times: without a trusted clock nothing with an end is in force. */
static void freeze_owner(struct tick *t, struct snap_device *d)
{
	const struct owner *o = &t->hub->owner;
	const struct owner_override *v = t->s.clock_trusted ? owner_override_now(o, d->id, t->s.utc_ms, t->s.now_ms) : NULL;
	const struct owner_ev *ev = owner_ev_of(o, d->id);

	d->override = (struct override_view){ OVERRIDE_NONE, NAN, 0 };
	if (v)
		d->override = (struct override_view){ v->mode, v->power_w, v->until_utc_ms };
	d->ev_mode = ev ? ev->mode : EV_UNSET;
	d->ev_energy_wh = ev ? owner_ev_left_wh(ev) : NAN;
	d->ev_ready_by_utc_ms = ev ? ev->ready_by_utc_ms : 0;
	d->ev_habit[0] = '\0';
	if (t->s.clock_trusted && ev && ev->mode == EV_CHEAP && isnan(ev->energy_wh) && isnan(ev->soc_pct) && ev->ready_by_utc_ms == 0)
		habits_fill(t->hub->habits, t->s.utc_ms, d);
}

static void freeze_device(struct tick *t, int i)
{
	struct hub *h = t->hub;
	struct snap_device *d = &t->s.dev[i];
	const struct config_device *c = plant_config(h->plant, i);
	const struct book_entry *e = t->s.clock_trusted ? book_in_force(h->book, i, t->s.utc_ms) : NULL;

	memcpy(d->id, c->id, sizeof(d->id));
	d->roles = plant_roles(h->plant, i);
	d->state = *plant_state(h->plant, i);
	d->capacity_wh = c->capacity_wh;
	d->charge_max_w = c->charge_max_w;
	d->discharge_max_w = c->discharge_max_w;
	d->soc_min_pct = c->soc_min_pct;
	d->soc_max_pct = c->soc_max_pct;
	d->failsafe_a = c->failsafe_a;
	d->phases = c->phases;
	d->priority = c->priority;
	d->allow_unguarded = c->allow_unguarded;
	d->mirror_reserve = c->mirror_reserve;
	d->leaving = h->leaving >> i & 1;
	book_view(h->book, e, &d->command);
	freeze_owner(t, d);
	planning_guide(h->planning, d->id, t->s.utc_ms, &d->guide);
	if (!t->s.clock_trusted)
		d->guide.valid = false;
	d->ordered = t->last[i];
	d->ordered_at_ms = t->last_at_ms[i];
	d->applied_w = NAN;
	if (d->state.verdict == VERDICT_APPLIED || d->state.verdict == VERDICT_CLAMPED || d->state.verdict == VERDICT_FOREIGN)
		d->applied_w = d->state.verdict_w;
}

static void freeze_zone(struct tick *t)
{
	const struct zone *z = &t->hub->zone;
	int64_t change_ms = calendar_next_change(z, t->s.utc_ms);

	t->s.local = (struct local_time){ .offset_s = calendar_offset_s(z, t->s.utc_ms) };
	if (change_ms == INT64_MAX)
		return;
	t->s.local.change_utc_ms = change_ms;
	t->s.local.after_s = calendar_offset_s(z, change_ms);
}

static void freeze(struct tick *t)
{
	struct hub *h = t->hub;
	struct snapshot *s = &t->s;
	const struct config_site *c = &h->cfg.site;

	hub_clock(h); /* all clocks of one instant: a machine may be suspended between two readings */
	s->now_ms = h->clocks.now_ms;
	s->utc_ms = h->clocks.utc_ms;
	s->clock_trusted = h->clock_trusted;
	freeze_zone(t);
	s->paused = owner_paused_at(&h->owner, s->utc_ms, s->now_ms);
	s->pause_until_utc_ms = h->owner.pause_until_utc_ms;
	s->stopping = h->stopping;
	s->site = (struct site_params){
		.import_limit_w = c->import_limit_w, .export_limit_w = c->export_limit_w, .fuse_a = c->fuse_a,
		.reserve_pct = owner_reserve(&h->owner, c->reserve_pct), .grid_charging = c->grid_charging,
		.battery_export = c->battery_export, .battery_to_ev = h->cfg.plan.battery_to_ev,
		.honour_user_floor = h->cfg.flip.honour_user_floor, .ev_in_follow_load = h->cfg.flip.ev_in_follow_load,
		.surplus_battery_first = c->surplus_battery_first, .tick_ms = c->tick_ms,
		.car_share = c->car_share,
	};
	s->import_price = price_at(h->import_prices, s->utc_ms, &s->price_until_utc_ms);
	s->export_price = price_at(h->export_prices, s->utc_ms, NULL);
	s->n_devices = plant_count(h->plant);
	for (int i = 0; i < s->n_devices; i++)
		freeze_device(t, i);
	freeze_grid(t);
	outside_freeze(h->outside, s);
}

static bool order_same(const struct order *a, const struct order *b)
{
	return a->kind == b->kind && a->w == b->w && a->grid_w == b->grid_w && a->min_w == b->min_w && a->max_w == b->max_w &&
	       a->native == b->native && a->phases == b->phases;
}

static void run(struct tick *t)
{
	t->running = true;
	if (t->hooks.before)
		t->hooks.before(t->hooks.context);
	freeze(t);
	chain_step(&t->chain, &t->s, &t->d);
	for (int i = 0; i < t->d.n; i++) {
		const struct order *o = &t->d.d[i].order;

		if (!order_same(o, &t->last[i]))
			t->last_at_ms[i] = t->s.now_ms;
		t->last[i] = *o;
		plant_aim(t->hub->plant, i, o);
	}
	t->count++;
	t->hooks.done(t->hooks.context, &t->s, &t->d);
	t->running = false;
}

static void on_beat(uv_timer_t *timer)
{
	struct tick *t = timer->data;
	int64_t step = t->hub->cfg.site.tick_ms, now, wait;
	struct loop_clocks clocks;
	double late;

	loop_clocks(&clocks);
	now = clocks.now_ms;
	t->beat_ms += clocks.slept_ms - t->slept_ms; /* timers stand still while the machine is suspended: nobody's delay */
	t->slept_ms = clocks.slept_ms;
	late = (double)(now - t->beat_ms);
	t->late_ms[t->beats++ % LATE_KEEP] = (float)late;
	if (late > t->late_max_ms)
		t->late_max_ms = late;
	t->beat_ms += step;
	if (t->beat_ms <= now) /* the loop was held up: no burst of beats to catch up */
		t->beat_ms = now + step;
	loop_mark("tick");
	run(t);
	wait = t->beat_ms - loop_now_ms();
	uv_update_time(t->hub->loop);
	uv_timer_start(&t->beat, on_beat, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void run_soon(struct tick *t)
{
	t->soon_set = false;
	t->soon_ms[t->soon_next] = loop_now_ms();
	t->soon_next = (t->soon_next + 1) % SOON_MAX;
	loop_mark("tick");
	run(t);
}

static void on_soon(uv_timer_t *timer)
{
	run_soon(timer->data);
}

int tick_start(struct tick **out, struct hub *hub, const struct tick_hooks *hooks, struct errbuf *err)
{
	struct tick *t = calloc(1, sizeof(*t));
	struct loop_clocks clocks;

	if (!t)
		return errbuf_set(err, -ENOMEM, "no memory for the tick");
	loop_clocks(&clocks);
	t->hub = hub;
	t->hooks = *hooks;
	uv_timer_init(hub->loop, &t->beat);
	uv_timer_init(hub->loop, &t->soon);
	t->beat.data = t->soon.data = t;
	t->handles = 2;
	chain_init(&t->chain);
	t->beat_ms = clocks.now_ms;
	t->slept_ms = clocks.slept_ms;
	uv_timer_start(&t->beat, on_beat, 0, 0);
	*out = t;
	return 0;
}

/* Milliseconds until another tick out of the beat may run. */
static int64_t soon_wait_ms(const struct tick *t)
{
	int64_t oldest = t->soon_ms[t->soon_next], now = loop_now_ms();

	return oldest && now - oldest < SOON_MS ? SOON_MS - (now - oldest) : 0;
}

void tick_soon(struct tick *t)
{
	if (t->soon_set || t->closing)
		return;
	t->soon_set = true;
	uv_update_time(t->hub->loop);
	uv_timer_start(&t->soon, on_soon, (uint64_t)soon_wait_ms(t), 0);
}

void tick_now(struct tick *t)
{
	if (t->running || t->closing || soon_wait_ms(t) > 0) {
		tick_soon(t);
		return;
	}
	uv_timer_stop(&t->soon);
	run_soon(t);
}

void tick_at(struct tick *t, int64_t at_ms)
{
	int64_t wait = at_ms - loop_now_ms();

	if (t->closing || t->soon_set || at_ms >= t->beat_ms) /* the beat comes first and asks again */
		return;
	uv_update_time(t->hub->loop);
	uv_timer_start(&t->soon, on_soon, wait > 0 ? (uint64_t)wait : 0, 0);
}

/* Whether the devices are the same ones as at the last tick, in the same places. */
static bool same_shape(const struct tick *t)
{
	const struct plant *p = t->hub->plant;

	if (plant_count(p) != t->s.n_devices)
		return false;
	for (int i = 0; i < plant_count(p); i++)
		if (strcmp(plant_config(p, i)->id, t->s.dev[i].id) != 0 || plant_roles(p, i) != t->s.dev[i].roles)
			return false;
	return true;
}

/* What is known of the house and of each device is kept while they are the same; what devices that go on were told, always. */
void tick_rebuilt(struct tick *t, const int *from)
{
	struct order last[DEVICE_MAX];
	int64_t last_at_ms[DEVICE_MAX];
	const bool same = same_shape(t);

	memcpy(last, t->last, sizeof(last));
	memcpy(last_at_ms, t->last_at_ms, sizeof(last_at_ms));
	for (int i = 0; i < plant_count(t->hub->plant); i++) {
		t->last[i] = from[i] < 0 ? (struct order){ 0 } : last[from[i]];
		t->last_at_ms[i] = from[i] < 0 ? 0 : last_at_ms[from[i]];
		if (same && from[i] < 0)
			chain_forget(&t->chain, i);
	}
	if (same)
		return;
	memset(&t->s, 0, sizeof(t->s));
	memset(&t->d, 0, sizeof(t->d));
	t->grid_sample_at_ms = 0;
	chain_init(&t->chain);
}

const struct snapshot *tick_snapshot(const struct tick *t)
{
	return &t->s;
}

const struct decisions *tick_decisions(const struct tick *t)
{
	return &t->d;
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double tick_late_p99_ms(const struct tick *t)
{
	static float sorted[LATE_KEEP];
	size_t n = t->beats < LATE_KEEP ? (size_t)t->beats : LATE_KEEP;

	if (n == 0)
		return 0;
	memcpy(sorted, t->late_ms, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare_floats);
	return (double)sorted[(n * 99 + 99) / 100 - 1];
}

double tick_late_max_ms(const struct tick *t)
{
	return t->late_max_ms;
}

uint64_t tick_count(const struct tick *t)
{
	return t->count;
}

static void on_closed(uv_handle_t *handle)
{
	struct tick *t = handle->data;

	if (--t->handles == 0)
		free(t);
}

void tick_stop(struct tick *t)
{
	if (!t)
		return;
	t->closing = true;
	uv_close((uv_handle_t *)&t->beat, on_closed);
	uv_close((uv_handle_t *)&t->soon, on_closed);
}
