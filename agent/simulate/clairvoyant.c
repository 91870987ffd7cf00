/* See clairvoyant.h. */
#include "simulate/clairvoyant.h"

#include "policies/planner/planner.h"
#include "simulate/world.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000
#define CELL_MS 300000   /* slots are such cells, or their minutes */
#define CELL_MINUTES (CELL_MS / MINUTE_MS)
#define DAY_CELLS 288
#define WINDOW_CELLS (7 * DAY_CELLS)
#define KEEP_CELLS (5 * DAY_CELLS)
#define CAR_WINDOW_CELLS (3 * DAY_CELLS)
#define FLOOR_PRICE 1e-5 /* per kWh and hour: a floor that rises behind an event is reached when that is cheap */
#define ENERGY_LEAST_KWH 1e-3
#define SETTLE_STEPS 14
#define SETTLED_PRICE 1e-5
#define EFFORT 20000     /* questions of one plan whether its time is over */

struct seer {
	const struct scenario *s;
	const struct truth *t;
	const struct clairvoyant_options *o;
	struct simulate_row *row;
	double stored_kwh[SCENARIO_BATTERIES_MAX];
	double *given_kwh;            /* to each session so far */
	int session[PLAN_EVS_MAX];    /* behind the cars of the instance */
	double standby_kw;
	int asked;
	int64_t at[PLAN_SLOTS_MAX + 1]; /* where the slots of the view begin, and where the last one ends */

	struct cut {
		int64_t utc_ms;
		double value[SCENARIO_BATTERIES_MAX]; /* of a kWh stored there, by the plan that looked beyond */
	} *cut;
	int n_cuts;
	double price_least, price_most; /* what a kWh stored can be worth */
};

/* Slots of an instance: @lead of them have no time (see the bound, below), @n begin at at[]. */
struct view { int lead, n; };

static int64_t slot_ms(const struct seer *v, const struct view *x, int i)
{
	return v->at[i - x->lead];
}

/* Are the prices those of the cell's first minute, and no export worth more than an import? */
static bool even_prices(const struct truth *t, int first)
{
	for (int m = first; m < first + CELL_MINUTES; m++)
		if (t->import_price[m] != t->import_price[first] || t->export_price[m] != t->export_price[first])
			return false;
	return t->export_price[first] <= t->import_price[first];
}

/* Does the mean of five minutes tell all? Where the house needs or gives all the while, and any battery alone can follow all of it,
 * they level what is within; else peaks above what they can, and import beside export, would be hidden. In a home with a car they are: its
 * own power is open, and a plan with cars and minutes is hard to prove. */
static bool even(const struct seer *v, int64_t at_ms)
{
	const struct scenario *s = v->s;
	const int first = truth_minute(v->t, at_ms);
	double least = INFINITY, most = -INFINITY, give = INFINITY, take = INFINITY;

	if (v->t->n_sessions)
		return true;
	if (!even_prices(v->t, first) || truth_event_at(v->t, at_ms)) /* an order is not the batteries' to level */
		return false;
	for (int m = first; m < first + CELL_MINUTES; m++) {
		const double net = (double)v->t->load_w[m] + v->standby_kw * 1e3 - (double)v->t->pv_w[m];

		least = fmin(least, net);
		most = fmax(most, net);
	}
	for (int b = 0; b < s->n_batteries; b++) {
		give = fmin(give, s->battery[b].discharge_max_w);
		take = fmin(take, s->battery[b].charge_max_w);
	}
	if (s->site.import_limit_w > 0 && most + (s->n_batteries ? take : 0) * s->n_batteries > s->site.import_limit_w)
		return false;
	if (s->site.export_limit_w > 0 && -least > s->site.export_limit_w)
		return false;
	return (least >= 0 && most <= give) || (most <= 0 && least >= -take);
}

/* Cuts the time into slots, as much of it as an instance holds beside @lead; whole cells. Returns where it ends. */
static int64_t view_make(struct seer *v, int64_t from_ms, int64_t to_ms, int lead, struct view *x)
{
	int64_t at = from_ms;

	*x = (struct view){ lead, 0 };
	for (; at < to_ms && lead + x->n + CELL_MINUTES <= PLAN_SLOTS_MAX; at += CELL_MS) {
		const int64_t step = even(v, at) ? CELL_MS : MINUTE_MS;

		for (int64_t ms = at; ms < at + CELL_MS; ms += step)
			v->at[x->n++] = ms;
	}
	v->at[x->n] = at;
	return at;
}

static void fill_slots(const struct seer *v, const struct view *x, struct plan_instance *in)
{
	const struct scenario *s = v->s;

	in->start_utc_ms = v->at[0];
	in->battery_to_ev = s->site.battery_to_ev;
	in->floor_price = FLOOR_PRICE;
	for (int i = x->lead; i < in->slots; i++) {
		const int64_t at = slot_ms(v, x, i), end = slot_ms(v, x, i + 1);
		const int minute = truth_minute(v->t, at);
		const struct truth_event *e = truth_event_at(v->t, at);
		const double pay = e ? e->pay : 0; /* on both prices it pays for each kWh out of the battery, and else a constant */

		in->slot_h[i] = (double)(end - at) / 3.6e6;
		in->import_price[i] = v->t->import_price[minute] + pay;
		in->export_price[i] = v->t->export_price[minute] + pay;
		in->load_kw[i] = truth_mean(v->t, v->t->load_w, at, end) / 1e3 + v->standby_kw;
		in->pv_kw[i] = truth_mean(v->t, v->t->pv_w, at, end) / 1e3;
		in->curtail_max_kw[i] = s->pv.curtail ? in->pv_kw[i] : 0;
		in->import_max_kw[i] = s->site.import_limit_w > 0 ? s->site.import_limit_w / 1e3 : PLAN_NO_LIMIT_KW;
		in->export_max_kw[i] = s->site.export_limit_w > 0 ? s->site.export_limit_w / 1e3 : PLAN_NO_LIMIT_KW;
	}
}

static void fill_battery(const struct seer *v, const struct view *x, int b, struct plan_instance *in)
{
	const struct scenario_battery *o = &v->s->battery[b];
	struct plan_battery *p = &in->battery[b];

	snprintf(p->id, sizeof(p->id), "battery%d", b + 1);
	p->capacity_kwh = o->capacity_wh / 1e3;
	p->soc_kwh = v->stored_kwh[b];
	p->charge_eff = o->charge_eff;
	p->discharge_eff = o->discharge_eff;
	p->wear_cost = v->s->plan.wear_cost;
	p->terminal_value = v->o->stored_value;
	p->grid_charge = v->s->site.grid_charging;
	p->battery_export = v->s->site.battery_export;
	p->orders_free = true;
	for (int i = x->lead; i < in->slots; i++) {
		const struct truth_event *e = truth_event_at(v->t, slot_ms(v, x, i));
		const double floor_pct = fmax(e ? e->floor_pct : v->s->site.reserve_pct, o->soc_min_pct);

		p->charge_max_kw[i] = o->charge_max_w / 1e3;
		p->discharge_max_kw[i] = o->discharge_max_w / 1e3;
		p->floor_kwh[i + 1] = p->capacity_kwh * floor_pct / 100;
		if (e)
			p->fixed_kw[i] = -fmin(e->power_w / v->s->n_batteries, o->discharge_max_w) / 1e3;
	}
	if (!x->lead)
		p->floor_kwh[0] = p->floor_kwh[1];
}

/* The slot in which @ms lies, without the lead. */
static int slot_of(const struct seer *v, const struct view *x, int64_t ms)
{
	int low = 0, high = x->n - 1;

	while (low < high) {
		const int middle = (low + high + 1) / 2;

		if (v->at[middle] <= ms)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Sessions that touch the window and are owed something. A slot counts when the car is there for any of it. */
static int sessions_in(struct seer *v, int64_t from_ms, int64_t to_ms)
{
	int n = 0;

	for (int i = 0; i < v->t->n_sessions && n < PLAN_EVS_MAX; i++) {
		const struct truth_session *x = &v->t->session[i];

		if (x->to_utc_ms > from_ms && x->from_utc_ms < to_ms && x->wh / 1e3 - v->given_kwh[i] > ENERGY_LEAST_KWH)
			v->session[n++] = i;
	}
	return n;
}

static void fill_car(const struct seer *v, const struct view *view, int e, struct plan_instance *in)
{
	const struct truth_session *x = &v->t->session[v->session[e]];
	struct plan_ev *p = &in->ev[e];
	const int64_t from_ms = v->at[0], end_ms = v->at[view->n];
	const double per_a = CAR_VOLT * v->s->car.phases / 1e3;

	snprintf(p->id, sizeof(p->id), "car%d", e + 1);
	p->min_kw = CAR_MIN_A * per_a;
	p->max_kw = v->s->car.max_a * per_a;
	p->energy_kwh = x->wh / 1e3 - v->given_kwh[v->session[e]];
	p->arrive_slot = view->lead + (x->from_utc_ms <= from_ms ? 0 : slot_of(v, view, x->from_utc_ms));
	p->depart_slot = x->to_utc_ms >= end_ms ? in->slots : view->lead + slot_of(v, view, x->to_utc_ms - 1) + 1;
	if (x->to_utc_ms > end_ms) /* a part of the stay: the same part of the energy, or it would be hurried for nothing */
		p->energy_kwh *= (double)(end_ms - slot_ms(v, view, p->arrive_slot)) / (double)(x->to_utc_ms - slot_ms(v, view, p->arrive_slot));
}

/* One slot of the plan, as it went. */
struct slot {
	double battery_kw, car_kw, pv_kw, grid_kw, price;
};

static void keep_point(struct seer *v, int64_t at, double h, const struct slot *x)
{
	const int64_t i = (at - v->t->start_utc_ms) / SIMULATE_POINT_MS;
	const double share = h * 3.6e6 / SIMULATE_POINT_MS;
	struct simulate_point *p;
	double stored_kwh = 0;

	if (i < 0 || i >= v->row->n_points)
		return;
	p = &v->row->point[i];
	p->battery_kw += (float)(x->battery_kw * share);
	p->car_kw += (float)(x->car_kw * share);
	p->grid_kw += (float)(x->grid_kw * share);
	p->pv_kw += (float)(x->pv_kw * share);
	p->cost += (float)(x->grid_kw * h * x->price);
	for (int b = 0; b < v->s->n_batteries; b++)
		stored_kwh += v->stored_kwh[b];
	p->soc_pct = (float)(v->s->n_batteries ? 1e5 * stored_kwh / world_capacity_wh(v->s) : 0);
}

static double keep_batteries(struct seer *v, const struct plan *p, int i, double h, const struct truth_event *e)
{
	struct simulate_row *r = v->row;
	double sum_kw = 0, capacity_kwh = 0, moved_kwh = 0;

	for (int b = 0; b < v->s->n_batteries; b++) {
		const double kw = p->battery_kw[b][i], kwh = fabs(kw) * h;

		sum_kw += kw;
		moved_kwh += fabs(p->soc_kwh[b][i + 1] - p->soc_kwh[b][i]);
		capacity_kwh += v->s->battery[b].capacity_wh / 1e3;
		v->stored_kwh[b] = p->soc_kwh[b][i + 1];
		if (kw > 0)
			r->charged_kwh += kwh;
		else {
			r->discharged_kwh += kwh;
			r->wear += v->s->plan.wear_cost * kwh;
			r->event_kwh += e ? kwh : 0;
			r->event_income += e ? e->pay * kwh : 0;
		}
	}
	r->cycles += capacity_kwh > 0 ? moved_kwh / 2 / capacity_kwh : 0;
	return sum_kw;
}

/* What the first @n slots of a plan did. */
static void keep(struct seer *v, const struct plan_instance *in, const struct plan *p, int n)
{
	struct simulate_row *r = v->row;

	for (int i = 0; i < n; i++) {
		const int64_t at = v->at[i];
		const double h = in->slot_h[i];
		const struct truth_event *e = truth_event_at(v->t, at);
		struct slot x = { .battery_kw = keep_batteries(v, p, i, h, e), .pv_kw = in->pv_kw[i] - p->curtail_kw[i] };

		for (int c = 0; c < in->n_evs; c++) {
			x.car_kw += p->ev_kw[c][i];
			v->given_kwh[v->session[c]] += p->ev_kw[c][i] * h;
		}
		x.grid_kw = in->load_kw[i] + x.battery_kw + x.car_kw - x.pv_kw;
		x.price = (x.grid_kw > 0 ? in->import_price[i] : in->export_price[i]) - (e ? e->pay : 0);
		r->bill += x.grid_kw * h * x.price;
		*(x.grid_kw > 0 ? &r->import_kwh : &r->export_kwh) += fabs(x.grid_kw) * h;
		r->used_kwh += (in->load_kw[i] - v->standby_kw + x.car_kw) * h;
		r->car_kwh += x.car_kw * h;
		r->pv_kwh += x.pv_kw * h;
		keep_point(v, at, h, &x);
	}
}

static bool tired(void *context)
{
	struct seer *v = context;

	return ++v->asked > EFFORT;
}

/* ---- the bound ---- */

/* A run cut into parts whose batteries may begin with anything, paid for with what it is worth there, and are paid for what they
 * leave at the next part's price, costs at most as much as the run: what one part is paid the next one pays, and each is free to do
 * better. So the sum of the parts' bounds is a bound, whatever the prices; with the right ones it is close.
 * What a part begins with is charged in leading slots, one a battery, from a sun whose power is else sold at that price. */
struct part {
	const struct cut *from, *to;
	double start_kwh, end_kwh;    /* what the first battery chose */
};

/* No battery holds less, ever: the lowest floor, or what it began with. */
static double lowest_kwh(const struct seer *v, int b)
{
	const struct scenario_battery *o = &v->s->battery[b];
	double pct = fmin(o->soc_pct, fmax(v->s->site.reserve_pct, o->soc_min_pct));

	for (int i = 0; i < v->t->n_events; i++)
		pct = fmin(pct, fmax(v->t->event[i].floor_pct, o->soc_min_pct));
	return o->capacity_wh * pct / 1e5;
}

static double fill_lead(const struct seer *v, const struct part *x, int lead, struct plan_instance *in)
{
	double paid = 0;

	for (int i = 0; i < lead; i++) {
		struct plan_battery *p = &in->battery[i];
		const double full_kw = p->capacity_kwh / p->charge_eff, price = x->from->value[i] * p->charge_eff;

		p->soc_kwh = lowest_kwh(v, i);
		for (int k = 0; k <= lead; k++) /* a floor of nothing would have what is below searched too */
			p->floor_kwh[k] = p->soc_kwh;
		paid += p->soc_kwh * x->from->value[i];
		in->slot_h[i] = 1;
		in->import_price[i] = in->export_price[i] = price;
		in->pv_kw[i] = full_kw;
		in->import_max_kw[i] = in->export_max_kw[i] = PLAN_NO_LIMIT_KW;
		p->charge_max_kw[i] = full_kw;
		paid += full_kw * price;
	}
	return paid;
}

/* What events pay is on the prices: for the house's own energy that is no income. A car's in an event, and what is curtailed, count as
 * if they had been paid too: at most so much. Nobody curtails what can be sold. */
static double event_extra(const struct seer *v, const struct view *x, struct plan_instance *in)
{
	double extra = 0;

	for (int i = x->lead; i < in->slots; i++) {
		const struct truth_event *e = truth_event_at(v->t, slot_ms(v, x, i));
		double kw = in->load_kw[i] - in->pv_kw[i];

		if (e && in->export_price[i] >= e->pay && in->export_max_kw[i] >= PLAN_NO_LIMIT_KW)
			in->curtail_max_kw[i] = 0;
		kw += in->curtail_max_kw[i];
		for (int c = 0; e && c < in->n_evs; c++)
			kw += i >= in->ev[c].arrive_slot && i < in->ev[c].depart_slot ? in->ev[c].max_kw : 0;
		extra += e ? e->pay * kw * in->slot_h[i] : 0;
	}
	return extra;
}

/* Returns what is to be added to the plan's cost. */
static double fill_part(const struct seer *v, const struct part *x, const struct view *view, struct plan_instance *in)
{
	fill_slots(v, view, in);
	for (int b = 0; b < v->s->n_batteries; b++) {
		fill_battery(v, view, b, in);
		in->battery[b].terminal_value = x->to->value[b];
		in->battery[b].soc_kwh = v->s->battery[b].capacity_wh * v->s->battery[b].soc_pct / 1e5;
	}
	for (int e = 0; e < in->n_evs; e++) {
		fill_car(v, view, e, in);
		in->ev[e].energy_kwh = v->t->session[v->session[e]].wh / 1e3;
		in->ev[e].min_kw = 0; /* it may be on for a part of a slot */
	}
	return fill_lead(v, x, view->lead, in) - event_extra(v, view, in);
}

/* NAN = not known: no plan keeps to the limits, too many cars, no memory. */
static double part_least(struct seer *v, struct part *x)
{
	const int lead = x->from->utc_ms > v->t->start_utc_ms ? v->s->n_batteries : 0;
	struct view view;
	struct errbuf err = { "" };
	struct plan_instance in;
	struct plan plan;
	double least = NAN, aside;
	int n_evs = 0;

	for (int i = 0; i < v->t->n_sessions; i++)
		if (v->t->session[i].from_utc_ms < x->to->utc_ms && v->t->session[i].to_utc_ms > x->from->utc_ms && n_evs++ < PLAN_EVS_MAX)
			v->session[n_evs - 1] = i;
	if (n_evs > PLAN_EVS_MAX || view_make(v, x->from->utc_ms, x->to->utc_ms, lead, &view) < x->to->utc_ms ||
	    instance_alloc(&in, view.n + lead, v->s->n_batteries, n_evs))
		return NAN;
	aside = fill_part(v, x, &view, &in);
	v->asked = 0;
	if (planner_solve(&in, tired, v, &plan, &err) == 0) {
		least = plan.bound + aside;
		x->start_kwh = in.n_batteries ? plan.soc_kwh[0][view.lead] : 0;
		x->end_kwh = in.n_batteries ? plan.soc_kwh[0][in.slots] : 0;
		plan_deinit(&plan);
	}
	instance_deinit(&in);
	return least;
}

/* The price between two parts that makes their sum greatest: where what one leaves is what the other begins with. */
static void settle(struct seer *v, struct cut *cut)
{
	double low = v->price_least, high = v->price_most, best = -INFINITY, best_value = cut[1].value[0];

	for (int i = 0; i < SETTLE_STEPS && high - low > SETTLED_PRICE; i++) {
		struct part before = { &cut[0], &cut[1], 0, 0 }, after = { &cut[1], &cut[2], 0, 0 };
		const double sum = part_least(v, &before) + part_least(v, &after);

		if (sum > best) {
			best = sum;
			best_value = cut[1].value[0];
		}
		if (isnan(sum) || fabs(after.start_kwh - before.end_kwh) < ENERGY_LEAST_KWH)
			break;
		*(after.start_kwh > before.end_kwh ? &low : &high) = cut[1].value[0];
		cut[1].value[0] = (low + high) / 2;
	}
	cut[1].value[0] = best_value;
}

static int bound(struct seer *v, double *least)
{
	*least = 0;
	for (int i = 0; i + 1 < v->n_cuts; i++) {
		struct part part = { &v->cut[i], &v->cut[i + 1], 0, 0 };

		if (v->s->n_batteries && i + 2 < v->n_cuts)
			settle(v, &v->cut[i]);
		*least += part_least(v, &part);
		if (v->o->stop && v->o->stop(v->o->context, 0.5 + 0.5 * i / v->n_cuts))
			return -ECANCELED;
	}
	return 0;
}

/* Where the run may be cut: behind what is kept, and each day of it where orders or cars make long parts hard to prove. Not where a
 * car stands, for what it gets cannot be cut. */
static void note_cuts(struct seer *v, const struct plan *p, int keep_slots)
{
	const int64_t step = (v->t->n_events || v->t->n_sessions ? DAY_CELLS : KEEP_CELLS) * (int64_t)CELL_MS;

	for (int i = 1; i <= keep_slots; i++) {
		const int64_t ms = v->at[i];
		const int car = truth_session_at(v->t, ms);

		if ((ms - v->at[0]) % step && i < keep_slots)
			continue;
		if (car >= 0 && v->t->session[car].from_utc_ms < ms && ms < v->t->end_utc_ms)
			continue;
		v->cut[v->n_cuts].utc_ms = ms;
		for (int b = 0; b < v->s->n_batteries; b++)
			v->cut[v->n_cuts].value[b] = i < p->slots ? p->value[b][i] : v->o->stored_value;
		v->n_cuts++;
	}
}

/* Plans up to @to_ms at most, keeps what it does up to @keep_ms at most. Returns where the rest begins; negative error. */
static int64_t window(struct seer *v, int64_t from_ms, int64_t to_ms, int64_t keep_ms, struct errbuf *err)
{
	struct view view;
	const int64_t end_ms = view_make(v, from_ms, to_ms, 0, &view);
	const int n_evs = sessions_in(v, from_ms, end_ms);
	struct plan_instance in;
	struct plan plan;
	int rc = instance_alloc(&in, view.n, v->s->n_batteries, n_evs), n = view.n;

	if (rc)
		return errbuf_set(err, rc, "no memory for a plan of %d slots", view.n);
	fill_slots(v, &view, &in);
	for (int b = 0; b < v->s->n_batteries; b++)
		fill_battery(v, &view, b, &in);
	for (int e = 0; e < n_evs; e++)
		fill_car(v, &view, e, &in);
	if (end_ms < to_ms && keep_ms > from_ms + (end_ms - from_ms) / 2) /* not all of it fitted: look beyond what is kept all the same */
		keep_ms = from_ms + (end_ms - from_ms) / 2 / CELL_MS * CELL_MS;
	while (v->at[n] > keep_ms)
		n--;
	v->asked = 0;
	rc = planner_solve_soft(&in, tired, v, &plan, err);
	if (rc == 0) {
		keep(v, &in, &plan, n);
		note_cuts(v, &plan, n);
		plan_deinit(&plan);
	}
	instance_deinit(&in);
	return rc ? rc : v->at[n];
}

static int windows(struct seer *v, struct errbuf *err)
{
	const int64_t end = v->t->end_utc_ms, start = v->t->start_utc_ms;
	const bool car = v->t->n_sessions > 0;

	for (int64_t at = start; at < end;) {
		const int cells = car ? CAR_WINDOW_CELLS : WINDOW_CELLS, keep_cells = !car ? KEEP_CELLS : at == start ? DAY_CELLS / 2 : DAY_CELLS; /* cut at noon */
		const int64_t to = at + (int64_t)cells * CELL_MS;

		at = window(v, at, to < end ? to : end, to < end ? at + (int64_t)keep_cells * CELL_MS : end, err);
		if (at < 0)
			return (int)at;
		if (v->o->stop && v->o->stop(v->o->context, 0.5 * (double)(at - start) / (double)(end - start)))
			return -ECANCELED;
	}
	return 0;
}

static int begin(struct seer *v)
{
	const struct scenario *s = v->s;
	const struct truth *t = v->t;

	v->given_kwh = calloc((size_t)t->n_sessions + 1, sizeof(*v->given_kwh));
	v->cut = calloc((size_t)((t->end_utc_ms - t->start_utc_ms) / CELL_MS / DAY_CELLS) * 2 + 4, sizeof(*v->cut));
	if (!v->given_kwh || !v->cut)
		return -ENOMEM;
	v->cut[v->n_cuts++].utc_ms = t->start_utc_ms;
	for (int b = 0; b < s->n_batteries; b++) {
		v->stored_kwh[b] = s->battery[b].capacity_wh * s->battery[b].soc_pct / 1e5;
		v->standby_kw += s->battery[b].standby_w / 1e3;
		v->row->start_wh += v->stored_kwh[b] * 1e3;
	}
	for (int i = truth_minute(t, t->start_utc_ms); i < truth_minute(t, t->end_utc_ms); i++) {
		v->price_least = fmin(v->price_least, 1.2 * fmin(t->import_price[i], t->export_price[i]));
		v->price_most = fmax(v->price_most, 1.2 * fmax(t->import_price[i], t->export_price[i]));
	}
	return 0;
}

int clairvoyant_run(const struct scenario *s, const struct truth *t, const struct clairvoyant_options *o, struct simulate_row *row,
		    double *least_total, struct errbuf *err)
{
	struct seer v = { .s = s, .t = t, .o = o, .row = row };
	int rc = begin(&v);

	*least_total = NAN;
	if (rc == 0)
		rc = windows(&v, err);
	else
		errbuf_set(err, rc, "no memory");
	for (int b = 0; b < s->n_batteries; b++)
		row->end_wh += v.stored_kwh[b] * 1e3;
	for (int i = 0; i < t->n_sessions && rc == 0; i++)
		row->car_short_kwh += fmax(0, t->session[i].wh / 1e3 - v.given_kwh[i]);
	row->self_sufficiency_pct = row->used_kwh > 0 ? fmax(0, 100 * (1 - row->import_kwh / row->used_kwh)) : 100;
	if (rc == 0)
		rc = bound(&v, least_total);
	*least_total += row->start_wh / 1e3 * o->stored_value;
	free(v.given_kwh);
	free(v.cut);
	return rc;
}
