/* Plays scenarios; see scenario.h. */
#include "support/scenario.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define START_UTC_MS 1767265200000 /* 2026-01-01 11:00 UTC */

struct player {
	struct home home;
	struct snapshot snap;
	struct chain chain;
	struct decisions decisions;
	struct invariants invariants;
	int64_t clock_off_ms;           /* what the hub's clock is wrong by */
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
	c->owner_event_pct = c->event_pct = c->program_min_pct = NAN;
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
		hd->connected = st->v[0] > 0;
		hd->car_wh = st->v[1];
	} else if (st->act == ACT_EV) {
		sd->ev_mode = (enum ev_mode)(int)st->v[0];
		sd->ev_energy_wh = st->v[1];
	}
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
		h->meter_lost = st->v[0] > 0;
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
		s->external.import_w = st->v[0];
		s->external.export_w = st->v[1];
	}
}

static void snapshot_clear(struct snapshot *s, const struct site_params *site)
{
	memset(s, 0, sizeof(*s));
	s->site = *site;
	s->clock_trusted = true;
	s->external.import_w = s->external.export_w = NAN;
	s->import_price = s->export_price = NAN;
	for (int i = 0; i < DEVICE_MAX; i++)
		s->dev[i].ev_energy_wh = NAN;
}

static double measure_of(const struct player *p, const struct scenario_limit *l)
{
	const struct home_device *d = &p->home.d[l->device];
	const struct decision *one = &p->decisions.d[l->device];

	if (!strcmp(l->of, "grid_w"))
		return p->home.grid_w;
	if (!strcmp(l->of, "power_w"))
		return d->power_w;
	if (!strcmp(l->of, "soc_pct"))
		return d->soc_pct;
	if (!strcmp(l->of, "order_w"))
		return one->order.w;
	if (!strcmp(l->of, "released"))
		return one->order.kind == ORDER_RELEASE;
	if (!strcmp(l->of, "rank"))
		return (double)one->rank;
	if (!strcmp(l->of, "unreachable_w"))
		return p->decisions.limit_unreachable_w;
	if (!strcmp(l->of, "taken_wh"))
		return d->taken_wh;
	if (!strcmp(l->of, "delivered_wh"))
		return d->delivered_wh;
	return NAN;
}

static void limit_take(struct scenario_limit *l, double v)
{
	if (l->count++ == 0) {
		l->result = !strcmp(l->take, "changes") || !strcmp(l->take, "signs") ? 0 : !strcmp(l->take, "abs") ? fabs(v) : v;
		l->last = v;
		return;
	}
	if (!strcmp(l->take, "min"))
		l->result = fmin(l->result, v);
	else if (!strcmp(l->take, "max"))
		l->result = fmax(l->result, v);
	else if (!strcmp(l->take, "mean"))
		l->result += (v - l->result) / (double)l->count;
	else if (!strcmp(l->take, "abs"))
		l->result += (fabs(v) - l->result) / (double)l->count;
	else if (!strcmp(l->take, "last"))
		l->result = v;
	else if (!strcmp(l->take, "changes"))
		l->result += fabs(v - l->last) > 1;
	else if (!strcmp(l->take, "signs"))
		l->result += fabs(v) > 100 && v * l->last < 0; /* `last` keeps the last value that counts */
	else
		l->result = NAN;
	if (strcmp(l->take, "signs") != 0 || fabs(v) > 100)
		l->last = v;
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
		fprintf(trace, " (%s)", d->why);
	}
	fputc('\n', trace);
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
	chain_step(&p->chain, s, &p->decisions);
	for (int i = 0; i < p->home.n; i++)
		home_order(&p->home, i, &p->decisions.d[i].order);
	if (trace)
		trace_line(trace, t, p);
	invariants_check(&p->invariants, &p->home, s, &p->chain, &p->decisions, result->what, sizeof(result->what));
	for (int i = 0; i < sc->n_limits; i++)
		if (t >= sc->limit[i].from && t < sc->limit[i].to)
			limit_take(&sc->limit[i], measure_of(p, &sc->limit[i]));
}

void scenario_run(struct scenario *sc, FILE *trace, struct scenario_result *result)
{
	static struct player p; /* large; tests have one thread */

	result->tick = -1;
	result->what[0] = '\0';
	memset(&p.invariants, 0, sizeof(p.invariants));
	p.clock_off_ms = 0;
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
