/* See hub_internal.h. Replanning as the agent does it: every 15 minutes, when prices, events or a car come, and on drift. */
#include "simulate/hub_internal.h"

#include "policies/planner/outlook.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define DAY_MS 86400000LL
#define HOUR_MS 3600000LL
#define REPLAN_MS (15 * 60 * 1000)
#define PUBLISHED_MIN (16 * 60) /* local time the next day's prices come out */
#define PAST_MS (28 * DAY_MS)   /* prices the hub keeps for what is not published yet */
#define WEEKS_BACK 4
#define SEGMENT_MINUTES 5
#define EFFORT 3000 /* questions of one plan whether its time is over: a limit that is the same on every machine, unlike 2 s */

/* ---- prices ---- */

/* Until when prices are published. */
static int64_t published_until(const struct hub_sim *h, int64_t utc_ms)
{
	const struct zone *z = h->o.zone;
	const int64_t day = calendar_day_start(z, utc_ms), next = calendar_day_start(z, day + DAY_MS + DAY_MS / 4);

	if (!h->w->s->day_ahead)
		return h->w->t->from_utc_ms + (int64_t)h->w->t->n * TRUTH_MINUTE_MS;
	if (utc_ms < calendar_next_minute(z, day, PUBLISHED_MIN))
		return next;
	return calendar_day_start(z, next + DAY_MS + DAY_MS / 4);
}

static void push_known(const struct hub_sim *h, const double *price, int64_t from_ms, int64_t to_ms, struct price_series *out)
{
	const struct truth *t = h->w->t;
	const int64_t step = SEGMENT_MINUTES * TRUTH_MINUTE_MS;

	out->n = 0;
	for (int64_t at = from_ms; at < to_ms; at += step) {
		struct price_segment s = { at, at + step < to_ms ? at + step : to_ms, price[truth_minute(t, at)], 1 };

		if (price_push(out, &s) < 0)
			return;
	}
}

/* The way agent/flow/cloud/prices_view.c composes what is known: the future from what is published, beyond it from the weeks before. */
static void compose(struct hub_sim *h, int64_t until_ms)
{
	const struct truth *t = h->w->t;
	const int64_t now = h->w->utc_ms, day = calendar_day_start(h->o.zone, now);
	const int64_t from = h->w->s->day_ahead && now - PAST_MS > t->from_utc_ms ? day - PAST_MS : h->w->s->day_ahead ? t->from_utc_ms : day;
	const int64_t horizon = (now / HOUR_MS + h->w->s->plan.horizon_h + 3) * HOUR_MS;
	const struct price_span span = { day, horizon, now };

	for (int i = 0; i < 2; i++) {
		struct price_layer layer[2] = { { &h->known[i], "flatpeak", 1, 0.5, 0 }, { &h->known[i], "last_known", 1, 0, WEEKS_BACK } };

		push_known(h, i ? t->export_price : t->import_price, from, until_ms < horizon ? until_ms : horizon, &h->known[i]);
		price_compose(layer, 2, h->o.zone, &span, &h->composed[i]);
	}
	h->composed_utc_ms = now;
	h->known_until_utc_ms = until_ms;
}

void hub_plan_prices(struct hub_sim *h)
{
	const struct truth *t = h->w->t;
	const int minute = truth_minute(t, h->w->utc_ms);
	int64_t until;

	h->snap.import_price = t->import_price[minute];
	h->snap.export_price = t->export_price[minute];
	h->snap.price_until_utc_ms = 0;
	if (h->composed_utc_ms && h->w->utc_ms / HOUR_MS == h->composed_utc_ms / HOUR_MS)
		return;
	until = published_until(h, h->w->utc_ms);
	if (until != h->known_until_utc_ms)
		h->due_utc_ms = 0;
	compose(h, until);
}

/* ---- forecasts ---- */

/* How far the next local day's forecast is off, as it stands at 16:00, by half hours. */
static void judge_forecast(struct hub_sim *h)
{
	const struct truth *t = h->w->t;
	const int64_t now = h->w->utc_ms, day = calendar_day_start(h->o.zone, now), next = calendar_day_start(h->o.zone, day + DAY_MS + DAY_MS / 4);

	if (day == h->judged_day_utc_ms || now < calendar_next_minute(h->o.zone, day, PUBLISHED_MIN))
		return;
	h->judged_day_utc_ms = day;
	for (int64_t at = next; at < next + DAY_MS && at + SIMULATE_POINT_MS <= t->end_utc_ms; at += SIMULATE_POINT_MS) {
		double load = truth_mean(t, t->load_w, at, at + SIMULATE_POINT_MS), pv = truth_mean(t, t->pv_w, at, at + SIMULATE_POINT_MS);

		h->load_error += fabs(forecast_load_w(&h->forecast, h->o.zone, now, at + SIMULATE_POINT_MS / 2) - load);
		h->load_sum += load;
		h->pv_error += fabs(forecast_pv_w(&h->forecast, now, at + SIMULATE_POINT_MS / 2) - pv);
		h->pv_sum += pv;
	}
	h->result->load_error_pct = h->load_sum > 0 ? 100 * h->load_error / h->load_sum : NAN;
	h->result->pv_error_pct = h->pv_sum > 0 ? 100 * h->pv_error / h->pv_sum : NAN;
}

void hub_plan_begin(struct hub_sim *h)
{
	const struct truth *t = h->w->t;
	struct forecast_site site;
	double standby_w = 0;

	for (int i = 0; i < h->w->n_batteries; i++)
		standby_w += h->w->s->battery[i].standby_w;
	forecast_init(&h->forecast);
	forecast_site_of(&h->config, &site);
	forecast_place(&h->forecast, &site);
	h->home = (struct home){ &h->config, h->o.zone, &h->forecast };
	h->session = -1;
	h->result->load_error_pct = h->result->pv_error_pct = NAN;
	for (int i = 0; i < truth_minute(t, t->start_utc_ms); i++) /* what the hub saw before */
		forecast_observe(&h->forecast, h->o.zone, t->from_utc_ms + (int64_t)i * TRUTH_MINUTE_MS, (double)t->load_w[i] + standby_w,
				 (double)t->pv_w[i]);
}

void hub_plan_end(struct hub_sim *h)
{
	if (h->planned) {
		plan_deinit(&h->plan);
		instance_deinit(&h->in);
	}
	h->planned = false;
}

void hub_plan_observe(struct hub_sim *h)
{
	double load_w, pv_w;

	home_measure(&h->snap, &load_w, &pv_w);
	if (home_curtailed(&h->snap))
		pv_w = NAN;
	forecast_observe(&h->forecast, h->o.zone, h->snap.utc_ms, load_w, pv_w);
	if (h->w->utc_ms % SIMULATE_POINT_MS == 0)
		judge_forecast(h);
}

/* ---- plans ---- */

/* Events that are known and not over; returns how many. */
static int plan_events(struct hub_sim *h)
{
	const struct world *w = h->w;
	int n = 0;

	memset(h->inputs.n_events, 0, sizeof(h->inputs.n_events));
	for (int i = 0; i < w->t->n_events && n < PLANNING_EVENTS_MAX; i++) {
		const struct truth_event *e = &w->t->event[i];

		if (e->to_utc_ms <= w->utc_ms || e->known_utc_ms > w->utc_ms)
			continue;
		for (int b = 0; b < w->n_batteries; b++)
			h->inputs.event[h->battery[b]][n] = (struct planning_event){ e->from_utc_ms, e->to_utc_ms, -e->power_w / w->n_batteries, e->floor_pct };
		n++;
	}
	for (int b = 0; b < w->n_batteries; b++)
		h->inputs.n_events[h->battery[b]] = n;
	return n;
}

static void count(struct simulate_result *r, const struct plan *p, double ms)
{
	r->plans++;
	r->plans_softened += p->n_softened > 0;
	r->plans_infeasible += p->status == PLAN_INFEASIBLE;
	r->plan_ms_mean += (ms - r->plan_ms_mean) / r->plans;
	r->plan_ms_worst = fmax(r->plan_ms_worst, ms);
}

static bool tired(void *context)
{
	struct hub_sim *h = context;

	return ++h->asked > EFFORT;
}

/* For finding out what wrong forecasts cost: the true means instead of them. */
static void know_all(const struct hub_sim *h, struct plan_instance *in)
{
	const struct truth *t = h->w->t;
	double standby_w = 0;
	int64_t at = in->start_utc_ms;

	for (int i = 0; i < h->w->n_batteries; i++)
		standby_w += h->w->s->battery[i].standby_w;
	for (int i = 0; i < in->slots; i++) {
		const int64_t next = at + (int64_t)(in->slot_h[i] * 3.6e6 + 0.5);

		in->load_kw[i] = (truth_mean(t, t->load_w, at, next) + standby_w) / 1e3;
		in->pv_kw[i] = truth_mean(t, t->pv_w, at, next) / 1e3;
		at = next;
	}
}

static void replan(struct hub_sim *h)
{
	struct plan_instance in;
	struct home_map map;
	struct plan plan;
	struct errbuf err = { "" };
	double begun;
	int rc;

	h->inputs.utc_ms = h->w->utc_ms;
	h->inputs.import_prices = &h->composed[0];
	h->inputs.export_prices = &h->composed[1];
	h->inputs.snapshot = &h->snap;
	h->due_utc_ms = (h->w->utc_ms / REPLAN_MS + 1) * REPLAN_MS;
	if (home_instance(&h->inputs, &h->home, &in, &map, &err) < 0)
		return; /* nothing to plan for just now: the last plan stays in force, as in the agent */
	if (h->w->s->perfect_forecast)
		know_all(h, &in);
	h->asked = 0;
	begun = h->o.seconds ? h->o.seconds(h->o.context) : 0;
	rc = h->w->s->perfect_forecast ? planner_solve_soft(&in, tired, h, &plan, &err) : outlook_solve(&h->home, &in, tired, h, &plan, &err);
	if (rc < 0) {
		h->result->plans_failed++;
		instance_deinit(&in);
		return;
	}
	home_plan_settle(&in, &map, &plan);
	count(h->result, &plan, h->o.seconds ? (h->o.seconds(h->o.context) - begun) * 1e3 : 0);
	hub_plan_end(h);
	h->in = in;
	h->map = map;
	h->plan = plan;
	h->planned = true;
	h->guided_until_utc_ms = 0;
}

static void guide(struct hub_sim *h)
{
	if (h->w->utc_ms < h->guided_until_utc_ms)
		return;
	for (int i = 0; i < h->snap.n_devices; i++)
		memset(&h->snap.dev[i].guide, 0, sizeof(h->snap.dev[i].guide));
	h->guided_until_utc_ms = INT64_MAX;
	for (int b = 0; h->planned && b < h->in.n_batteries; b++) {
		struct plan_guide *g = &h->snap.dev[h->map.battery_device[b]].guide;

		plan_guide_at(&h->plan, &h->in, false, b, h->w->utc_ms, g);
		if (g->valid && g->until_utc_ms < h->guided_until_utc_ms)
			h->guided_until_utc_ms = g->until_utc_ms;
	}
	for (int e = 0; h->planned && e < h->in.n_evs; e++) {
		struct plan_guide *g = &h->snap.dev[h->map.ev_device[e]].guide;

		plan_guide_at(&h->plan, &h->in, true, e, h->w->utc_ms, g);
		if (g->valid && g->until_utc_ms < h->guided_until_utc_ms)
			h->guided_until_utc_ms = g->until_utc_ms;
	}
}

/* Does the house still go as planned? As agent/flow/round.c asks it. */
static bool drifted(struct hub_sim *h)
{
	struct replan_expected expected;
	char why[REPLAN_TEXT_MAX];
	double load_w, pv_w;

	memset(&expected, 0, sizeof(expected));
	home_measure(&h->snap, &load_w, &pv_w);
	if (h->planned)
		replan_expect(&h->plan, &h->in, h->map.battery_device, h->w->utc_ms, &expected);
	return replan_look(&h->replan, &h->snap, load_w, pv_w, &expected, why);
}

void hub_plan_step(struct hub_sim *h)
{
	const bool drift = drifted(h);

	if (drift || h->w->session != h->session || h->w->utc_ms >= h->due_utc_ms) {
		h->n_events = plan_events(h);
		h->session = h->w->session;
		replan(h);
	}
	guide(h);
}
