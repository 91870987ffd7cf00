/* Plays scenarios; see scenario.h. */
#include "support/scenario.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TWICE 97 /* every so many ticks */
#define START_UTC_MS 1767265200000 /* 2026-01-01 11:00 UTC */

struct player {
	struct home home;
	struct snapshot snap;
	struct chain chain;
	struct decisions decisions;
	struct invariants invariants;
	int64_t clock_off_ms;           /* what the hub's clock is wrong by */
	bool hub_dead;
};

void scenario_init(struct scenario *sc)
{
	memset(sc, 0, sizeof(*sc));
	sc->ticks = 600;
	sc->tick_ms = 1000;
	sc->site.reserve_pct = 20;
	sc->site.grid_charging = sc->site.battery_export = sc->site.surplus_battery_first = true;
	sc->site.tick_ms = 1000;
	sc->home.load_w = 500;
}

static void command_set(struct player *p, const struct scenario_step *st, struct command_view *c)
{
	memset(c, 0, sizeof(*c));
	c->active = true;
	snprintf(c->id, sizeof(c->id), "c0ffee%02d-0000", st->tick % 100);
	snprintf(c->event_id, sizeof(c->event_id), "7d2a%04d-0000", st->tick % 10000);
	c->mode = (enum battery_mode)(int)st->v[0];
	c->power_mode = (enum power_mode)(int)st->v[1];
	c->setpoint_w = st->v[2];
	c->grid_import = (enum tristate)(int)st->v[3];
	c->command_pct = st->v[4];
	c->owner_event_pct = st->v[7];
	c->event_pct = st->v[8];
	c->program_min_pct = st->v[9];
	c->starts_utc_ms = p->snap.utc_ms + (int64_t)(st->v[5] * 1000);
	c->ends_utc_ms = st->v[6] > 0 ? c->starts_utc_ms + (int64_t)(st->v[6] * 1000) : 0;
}

static void guide_set(const struct player *p, const struct scenario_step *st, const struct home_device *hd, struct plan_guide *g)
{
	memset(g, 0, sizeof(*g));
	g->valid = st->v[3] > 0;
	g->planned_w = st->v[2];
	g->charge_eff = g->discharge_eff = 0.95;
	g->n_segments = 2;
	g->upto_wh[0] = (float)(hd->capacity_wh / 2);
	g->upto_wh[1] = (float)hd->capacity_wh;
	g->value_per_kwh[0] = (float)st->v[0];
	g->value_per_kwh[1] = (float)st->v[1];
	g->until_utc_ms = p->snap.utc_ms + (int64_t)(st->v[3] * 1000);
}

static void lies_set(const struct scenario_step *st, struct home *h, struct home_device *hd)
{
	struct home_device_lie *lie = &hd->lie;

	if (st->act == ACT_METER_LIES) {
		h->lie = (struct home_meter_lie){ .gain = st->v[0], .offset_w = st->v[1], .frozen = st->v[2] > 0, .jump_w = st->v[3],
						  .rotate = (int)st->v[4], .swap = (int)st->v[5], .clamp = (int)st->v[6] };
	} else if (st->act == ACT_DEVICE_LIES) {
		lie->gain = st->v[0];
		lie->offset_w = st->v[1];
		lie->clamp_w = st->v[2];
		lie->ignore = st->v[3] > 0;
		lie->late_ms = (int)st->v[4];
	} else if (st->act == ACT_SOC_LIES) {
		lie->soc_frozen = st->v[0] > 0;
		lie->soc_jump_pct = st->v[1];
		lie->soc_offset_pct = st->v[2];
	} else if (st->act == ACT_DELAY) {
		hd->delay_ms = (int)st->v[0];
		hd->tau_ms = (int)st->v[1];
	} else if (st->act == ACT_SUN) {
		hd->sun_w = st->v[0];
	}
}

static void car_set(const struct scenario_step *st, struct home_device *hd)
{
	hd->connected = st->v[0] > 0;
	hd->car_wh = st->v[1];
	if (!isnan(st->v[2]))
		hd->car_over = st->v[2];
	if (!isnan(st->v[3]))
		hd->car_ramp_a_s = st->v[3];
	if (!isnan(st->v[4]))
		hd->car_start_ms = (int)(st->v[4] * 1000);
}

static void device_act(struct player *p, const struct scenario_step *st)
{
	struct home_device *hd = &p->home.d[st->device];
	struct snap_device *sd = &p->snap.dev[st->device];

	if (st->act == ACT_COMMAND)
		command_set(p, st, &sd->command);
	else if (st->act == ACT_COMMAND_END)
		sd->command.active = false;
	else if (st->act == ACT_SOC)
		hd->soc_lost = st->v[0] > 0;
	else if (st->act == ACT_OFFLINE)
		hd->offline = st->v[0] > 0;
	else if (st->act == ACT_FAULT)
		hd->fault = st->v[0] > 0;
	else if (st->act == ACT_DEAF)
		hd->deaf = st->v[0] > 0;
	else if (st->act == ACT_GUIDE)
		guide_set(p, st, hd, &sd->guide);
	if (st->act == ACT_OVERRIDE) {
		sd->override.mode = (enum override_mode)(int)st->v[0];
		sd->override.power_w = st->v[1];
		sd->override.until_utc_ms = p->snap.utc_ms + (int64_t)(st->v[2] * 1000);
	} else if (st->act == ACT_CAR) {
		car_set(st, hd);
	} else if (st->act == ACT_EV) {
		sd->ev_mode = (enum ev_mode)(int)st->v[0];
		sd->ev_energy_wh = st->v[1];
		sd->ev_ready_by_utc_ms = st->v[2] > 0 ? p->snap.utc_ms + (int64_t)(st->v[2] * 1000) : 0;
	}
	lies_set(st, &p->home, hd);
}

/* A hub that starts again knows nothing of what it told before. */
static void hub_begins(struct player *p)
{
	struct invariants *m = &p->invariants, before = *m;

	chain_init(&p->chain);
	memset(m, 0, sizeof(*m));
	m->lied_ms = before.lied_ms;
	memcpy(m->soc_lied_ms, before.soc_lied_ms, sizeof(m->soc_lied_ms));
	m->begun_ms = p->home.now_ms;
	for (int i = 0; i < p->home.n; i++) {
		p->snap.dev[i].ordered = p->home.d[i].sent = (struct order){ .kind = ORDER_NONE };
		p->snap.dev[i].ordered_at_ms = p->home.d[i].changed_ms = 0;
		m->begun_w[i] = p->home.d[i].power_w;
	}
}

static void hub_act(struct player *p, bool dead)
{
	if (p->hub_dead && !dead)
		hub_begins(p);
	p->hub_dead = dead;
}

/* Killed and started at once: the devices go on as they were and have to be read anew, which takes @read_s but for the meter. */
static void restart_act(struct player *p, double read_s)
{
	hub_begins(p);
	home_forget(&p->home, (int)(read_s * 1000));
	home_snapshot(&p->home, &p->snap);
	p->snap.utc_ms += p->clock_off_ms;
}

static void outside_set(struct snapshot *s, const struct scenario_step *st)
{
	struct external_limit *e = &s->external;

	e->import_w = st->v[0];
	e->export_w = st->v[1];
	e->failsafe = st->v[2] > 0;
	e->until_utc_ms = st->v[3] > 0 ? s->utc_ms + (int64_t)(st->v[3] * 1000) : 0;
	e->demand_w = st->v[4];
	e->demand_until_utc_ms = st->v[4] > 0 ? s->utc_ms + (int64_t)(st->v[5] * 1000) : 0;
}

static void meter_act(const struct scenario_step *st, struct home *h)
{
	uint32_t phase = st->v[1] > 0 ? 1u << ((int)st->v[1] - 1) : 0;

	if (phase == 0)
		h->meter_lost = st->v[0] > 0;
	else
		h->phases_lost = st->v[0] > 0 ? h->phases_lost | phase : h->phases_lost & ~phase;
}

static void site_act(struct player *p, const struct scenario_step *st)
{
	struct snapshot *s = &p->snap;
	struct home *h = &p->home;

	if (st->act == ACT_LOAD)
		h->load_w = st->v[0];
	else if (st->act == ACT_PV)
		h->pv_w = st->v[0];
	else if (st->act == ACT_RESERVE)
		s->site.reserve_pct = st->v[0];
	else if (st->act == ACT_METER)
		meter_act(st, h);
	else if (st->act == ACT_CLOCK)
		s->clock_trusted = st->v[0] > 0;
	else if (st->act == ACT_CLOCK_STEP)
		p->clock_off_ms += (int64_t)st->v[0];
	else if (st->act == ACT_PAUSE)
		s->paused = st->v[0] > 0;
	else if (st->act == ACT_STOP)
		s->stopping = st->v[0] > 0;
	if (st->act == ACT_GRID) {
		if (h->grid_lost && !(st->v[0] > 0))
			h->grid_back_ms = h->now_ms;
		h->grid_lost = st->v[0] > 0;
	} else if (st->act == ACT_PRICE) {
		s->import_price = st->v[0];
		s->export_price = st->v[1];
	} else if (st->act == ACT_EXTERNAL) {
		outside_set(s, st);
	} else if (st->act == ACT_HUB_DEAD) {
		hub_act(p, st->v[0] > 0);
	} else if (st->act == ACT_RESTART) {
		restart_act(p, st->v[0]);
	}
}

static void snapshot_clear(struct snapshot *s, const struct site_params *site)
{
	memset(s, 0, sizeof(*s));
	s->site = *site;
	s->clock_trusted = true;
	s->external.import_w = s->external.export_w = NAN;
	s->import_price = s->export_price = NAN;
	s->price_until_utc_ms = INT64_MAX;
	for (int i = 0; i < DEVICE_MAX; i++)
		s->dev[i].ev_energy_wh = NAN;
}

static void limits_judge(struct scenario *sc, struct scenario_result *result)
{
	for (int i = 0; i < sc->n_limits; i++) {
		const struct scenario_limit *l = &sc->limit[i];

		if (l->count && l->result >= l->min - 1e-9 && l->result <= l->max + 1e-9)
			continue;
		result->tick = l->to;
		snprintf(result->what, sizeof(result->what), "%s of %s of device %d over ticks %d..%d is %.2f, must be %g..%g", l->take, l->of,
			 l->device, l->from, l->to, l->result, l->min, l->max);
		return;
	}
}

static void trace_line(FILE *trace, int tick, const struct player *p)
{
	fprintf(trace, "%5d grid %7.0f meter %7.0f load %6.0f pv %6.0f", tick, p->home.grid_w, p->home.grid.v, p->home.load_w, p->home.pv_w);
	for (int i = 0; i < p->home.n; i++) {
		const struct decision *d = &p->decisions.d[i];

		fprintf(trace, " | %s%s %6.0f [%.0f..%.0f] at %6.0f", order_word(d->order.kind), d->order.native ? "*" : "", d->order.w,
			d->order.min_w, d->order.max_w, p->home.d[i].power_w);
		if (p->home.d[i].kind == HOME_BATTERY)
			fprintf(trace, " soc %.1f", p->home.d[i].soc_pct);
		if (p->home.d[i].switches_phases)
			fprintf(trace, " phases %d told %d", p->home.d[i].phases, d->order.phases);
		fprintf(trace, " (%s)", d->why);
	}
	for (int i = 0; i < p->decisions.n_doubts; i++)
		fprintf(trace, " | doubt %s of %d: %s", doubt_word(p->decisions.doubts[i].kind), p->decisions.doubts[i].device,
			p->decisions.doubts[i].why);
	fputc('\n', trace);
}

/* Same snapshot and same memory, same decision: now and then a tick is thought twice. */
static void same_again(struct player *p, const struct chain *before, struct scenario_result *result)
{
	static struct chain again;
	static struct decisions d;

	again = *before;
	chain_step(&again, &p->snap, &d);
	for (int i = 0; i < d.n; i++) {
		const struct decision *a = &d.d[i], *b = &p->decisions.d[i];

		if (a->order.kind != b->order.kind || a->order.w != b->order.w || a->order.min_w != b->order.min_w ||
		    a->order.max_w != b->order.max_w || a->rank != b->rank || strcmp(a->why, b->why) != 0)
			snprintf(result->what, sizeof(result->what), "device %d: %s %.3f W, and thought again %s %.3f W", i,
				 order_word(b->order.kind), b->order.w, order_word(a->order.kind), a->order.w);
	}
}

static void think(struct player *p, bool twice, struct scenario_result *result)
{
	static struct chain before;

	if (twice)
		before = p->chain;
	chain_step(&p->chain, &p->snap, &p->decisions);
	if (twice)
		same_again(p, &before, result);
	for (int i = 0; i < p->home.n; i++)
		home_order(&p->home, i, &p->decisions.d[i].order);
	invariants_check(&p->invariants, &p->home, &p->snap, &p->chain, &p->decisions, result->what, sizeof(result->what));
}

static void tick(struct scenario *sc, struct player *p, int t, FILE *trace, struct scenario_result *result)
{
	struct snapshot *s = &p->snap;

	home_run(&p->home, sc->tick_ms);
	home_snapshot(&p->home, s);
	s->utc_ms = p->home.utc_ms + p->clock_off_ms;
	for (int i = 0; i < sc->n_steps; i++) {
		if (sc->step[i].tick != t)
			continue;
		site_act(p, &sc->step[i]);
		if (sc->step[i].device < p->home.n)
			device_act(p, &sc->step[i]);
	}
	s->grid_lost = p->home.grid_lost;
	s->grid_back_ms = p->home.grid_back_ms;
	for (int i = 0; i < p->home.n; i++)
		if (s->dev[i].override.mode != OVERRIDE_NONE && s->utc_ms >= s->dev[i].override.until_utc_ms)
			s->dev[i].override.mode = OVERRIDE_NONE;
	if (!p->hub_dead)
		think(p, t % TWICE == 0, result);
	for (int i = 0; i < p->decisions.n_doubts; i++)
		result->doubted[p->decisions.doubts[i].kind]++;
	if (trace)
		trace_line(trace, t, p);
	for (int i = 0; i < sc->n_limits; i++)
		if (t >= sc->limit[i].from && t < sc->limit[i].to)
			scenario_measure(&sc->limit[i], &p->home, &p->decisions, (double)sc->tick_ms / 1000);
}

void scenario_run(struct scenario *sc, FILE *trace, struct scenario_result *result)
{
	static struct player p; /* large; tests have one thread */

	memset(result, 0, sizeof(*result));
	result->tick = -1;
	memset(&p.invariants, 0, sizeof(p.invariants));
	p.clock_off_ms = 0;
	p.hub_dead = false;
	p.home = sc->home;
	p.home.random = sc->seed ? sc->seed : 1;
	p.home.utc_ms = START_UTC_MS;
	snapshot_clear(&p.snap, &sc->site);
	p.snap.site.tick_ms = sc->tick_ms;
	home_start(&p.home);
	chain_init(&p.chain);
	for (int i = 0; i < sc->n_limits; i++) {
		sc->limit[i].count = 0;
		sc->limit[i].result = NAN;
		if (sc->limit[i].to <= 0)
			sc->limit[i].to = sc->ticks;
	}
	for (int t = 0; t < sc->ticks; t++) {
		tick(sc, &p, t, trace, result);
		if (result->what[0]) {
			result->tick = t;
			return;
		}
	}
	limits_judge(sc, result);
}

bool scenario_same_failure(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "0123456789.");
		b += strspn(b, "0123456789.");
		if (*a != *b || !*a)
			return *a == *b;
	}
}
