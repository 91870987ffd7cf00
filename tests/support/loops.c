/* See loops.h. */
#include "support/loops.h"
#include "policies/chain.h"

#include <math.h>
#include <string.h>

#define START_UTC_MS 1767265200000
#define REACH_W 6000.0     /* of all batteries together */
#define SEGMENT_DELAYS 10
#define SEGMENT_MS 40000
#define STEADY_MS 300000

/* What a segment does to the load and the sun. */
struct segment {
	double load_w, pv_w;   /* at its end */
	enum { STEP, RAMP, SHORT } kind; /* SHORT: 2 kW more for so many delays */
	double delays;
};

static const struct segment DAY[] = {
	{ 500, 0, STEP, 0 },     /* not measured: the batteries wake up */
	{ 2500, 0, STEP, 0 },
	{ 1000, 0, STEP, 0 },
	{ 3800, 0, STEP, 0 },
	{ 1000, 4000, STEP, 0 },
	{ 1000, 0, STEP, 0 },
	{ 3000, 0, RAMP, 0 },
	{ 600, 0, RAMP, 0 },
	{ 600, 0, SHORT, 2.5 },
	{ 600, 0, SHORT, 4.7 },
	{ 1500, 0, STEP, 0 },    /* and then steady state */
};
#define SEGMENTS (int)(sizeof(DAY) / sizeof(DAY[0]))

struct run {
	const struct loop_plant *p;
	enum loop_by by;
	struct home home;
	struct snapshot snap;
	struct chain chain;
	struct decisions decisions;
	struct loop_figures *out;
	uint32_t sample;
	double sum_w;              /* dead beat, plain: what the batteries were told together */
	int64_t changed_ms;
	double truth[HOME_HISTORY]; /* load less sun, for the oracle */
	double step_w;
	int64_t step_ms, away_ms;   /* the step; when the error was last away from the target */
	int side, signs, orders;
};

static double fill(double v, double standard)
{
	return v > 0 ? v : standard;
}

static void plant(struct run *r)
{
	const struct loop_plant *p = r->p;
	struct home *h = &r->home;
	double delay_ms = p->delay_ms;

	memset(r, 0, offsetof(struct run, out));
	r->p = p;
	h->random = 4711;
	h->utc_ms = START_UTC_MS;
	h->noise_w = p->noise_w;
	h->load_w = DAY[0].load_w;
	h->meter_period_ms = p->meter_period_ms;
	h->meter_delay_ms = p->meter_delay_ms;
	h->n = p->batteries + p->stranger;
	for (int i = 0; i < h->n; i++, delay_ms *= fill(p->unlike, 1)) {
		struct home_device *d = &h->d[i];

		d->kind = HOME_BATTERY;
		d->capacity_wh = 40000 + 10000 * i;
		d->soc_pct = 50;
		d->charge_max_w = d->discharge_max_w = 1.2 * REACH_W / p->batteries;
		d->guarded = d->can_power = i < p->batteries;
		d->delay_ms = (int)(delay_ms / HOME_STEP_MS + 0.5) * HOME_STEP_MS;
		d->tau_ms = p->tau_ms;
		d->poll_ms = p->poll_ms;
		d->settle_ms = (int)((d->delay_ms + 3 * d->tau_ms) * fill(p->settle_factor, 1));
		d->phases = 3;
		d->lie.gain = p->gain;
		d->lie.late_ms = p->late_ms;
	}
	home_start(h);
	for (int i = p->batteries; i < h->n; i++)
		h->d[i].state.caps.can_hold = false;
}

static double load_now(const struct run *r)
{
	return r->home.load_w - r->home.pv_w;
}

/* What all batteries together should do for a load. */
static double best_w(const struct run *r, double load_w)
{
	switch (r->p->task) {
	case TASK_SELF_USE:
	case TASK_ZERO_EXPORT:
		break;
	case TASK_FOLLOW_LOAD:
		return fmin(0, -load_w);
	case TASK_IMPORT_LIMIT:
		return fmin(LOOP_CHARGE_W, LOOP_IMPORT_W - load_w);
	}
	return -load_w;
}

/* What the meter shows beyond what it should. */
static double error_now(const struct run *r)
{
	double w = -best_w(r, load_now(r));

	for (int i = 0; i < r->home.n; i++)
		w += r->home.d[i].power_w;
	return w;
}

static void orders_set(struct run *r, double sum_w)
{
	struct order o = { .kind = ORDER_POWER };

	for (int i = 0; i < r->home.n; i++) {
		o.w = fmax(-r->home.d[i].discharge_max_w, fmin(r->home.d[i].charge_max_w, sum_w / r->home.n));
		home_order(&r->home, i, &o);
	}
	r->sum_w = sum_w;
}

static void task_set(const struct run *r, struct snap_device *d)
{
	if (r->p->task == TASK_FOLLOW_LOAD)
		d->command = (struct command_view){ .active = true, .id = "c0ffee00", .mode = MODE_DISCHARGE, .power_mode = POWER_FOLLOW_LOAD,
						    .owner_event_pct = NAN, .command_pct = NAN, .event_pct = NAN, .program_min_pct = NAN };
	else if (r->p->task == TASK_IMPORT_LIMIT)
		d->override = (struct override_view){ OVERRIDE_CHARGE, LOOP_CHARGE_W / r->p->batteries, INT64_MAX };
}

static void by_chain(struct run *r)
{
	struct snapshot *s = &r->snap;

	home_snapshot(&r->home, s);
	for (int i = 0; i < r->p->batteries; i++)
		task_set(r, &s->dev[i]);
	chain_step(&r->chain, s, &r->decisions);
	for (int i = 0; i < r->home.n; i++) {
		struct order o = r->decisions.d[i].order;

		r->orders += o.w != r->home.d[i].sent.w;
		home_order(&r->home, i, &o);
	}
	for (int i = 0; i < r->decisions.n_doubts; i++)
		r->out->swings += r->decisions.doubts[i].kind == DOUBT_SWING;
}

static void others(struct run *r)
{
	const struct home *h = &r->home;
	double read_w = 0, settle_ms = 0;
	uint32_t back = (uint32_t)(h->meter_delay_ms / HOME_STEP_MS) + (uint32_t)((h->now_ms - h->metered_ms) / HOME_STEP_MS);

	if (h->sample == r->sample)
		return;
	r->sample = h->sample;
	for (int i = 0; i < h->n; i++) {
		read_w += h->d[i].state.ac_power_w.v;
		settle_ms = fmax(settle_ms, h->d[i].settle_ms);
	}
	if (r->by == LOOP_ORACLE) {
		orders_set(r, best_w(r, r->truth[(h->steps - back) % HOME_HISTORY]) / fill(r->p->gain, 1));
	} else if (r->by == LOOP_PLAIN) {
		orders_set(r, fmax(-REACH_W, fmin(REACH_W, read_w - h->grid.v)));
	} else if ((double)(h->grid.at_ms - r->changed_ms) >= settle_ms + 250 && fabs(h->grid.v) >= 15) {
		orders_set(r, fmax(-REACH_W, fmin(REACH_W, r->sum_w - h->grid.v)));
		r->changed_ms = h->now_ms;
	}
}

/* A step is over when the error stays inside this. */
static double near_w(const struct run *r)
{
	return fmax(fmax(50, 0.05 * fabs(r->step_w)), 1.5 * r->p->noise_w);
}

static void step_end(struct run *r)
{
	if (r->step_ms)
		r->out->settle = fmax(r->out->settle, (double)(r->away_ms - r->step_ms) / r->out->delay_ms);
	r->step_ms = 0;
}

static void step_begin(struct run *r, double step_w)
{
	step_end(r);
	r->step_w = step_w;
	if (step_w == 0)
		return;
	r->step_ms = r->away_ms = r->home.now_ms;
}

static void measure(struct run *r, bool steady)
{
	double e = error_now(r), hours = HOME_STEP_MS / 3.6e6, past, hold_w = fmax(20, r->p->noise_w / 2);

	*(e > 0 ? &r->out->leak_wh : &r->out->lost_wh) += fabs(e) * hours;
	if (r->step_ms) {
		past = fmax(-copysign(e, e * r->step_w), fabs(e) - fabs(r->step_w));
		r->out->overshoot_pct = fmax(r->out->overshoot_pct, (past - 1.5 * r->p->noise_w) / fabs(r->step_w) * 100);
		if (fabs(e) > near_w(r))
			r->away_ms = r->home.now_ms;
	}
	if (steady && fabs(e) > hold_w) {
		r->signs += r->side * e < 0;
		r->side = e < 0 ? -1 : 1;
	}
}

static void trace_line(const struct run *r)
{
	const struct home *h = &r->home;

	fprintf(r->p->trace, "%8.1f load %6.0f error %6.0f meter %6.0f", (double)h->now_ms / 1000, load_now(r), error_now(r), h->grid.v);
	for (int i = 0; i < h->n; i++) {
		const struct response *a = &r->chain.device[i].response;

		fprintf(r->p->trace, " | told %6.0f does %6.0f window %.1f..%.1f gain %.3f%s", h->d[i].sent.w, h->d[i].power_w, a->min_ms / 1000,
			a->max_ms / 1000, 1 + a->gain_off, a->bound ? " bound" : a->odd_ms ? " odd" : "");
	}
	fprintf(r->p->trace, " | estimate %6.0f noise %4.1f trial %d level %d err %.0f leg %.0f\n", r->chain.loop.load_w, r->chain.loop.noise_w, r->chain.loop.trial.at_ms > 0,
		r->chain.loop.swing.level, r->chain.loop.swing.error_w, r->chain.loop.swing.leg_w);
	for (int i = 0; i < r->decisions.n_doubts; i++)
		fprintf(r->p->trace, "         doubt: %s\n", r->decisions.doubts[i].why);
}

static void play(struct run *r, int ms, const struct segment *from, const struct segment *to, int n)
{
	int64_t begun_ms = r->home.now_ms;
	bool steady = n == SEGMENTS;

	for (int t = 0; t < ms; t += HOME_STEP_MS) {
		double part = to->kind == RAMP ? (double)t / ms : 1;

		r->home.load_w = from->load_w + part * (to->load_w - from->load_w);
		r->home.pv_w = from->pv_w + part * (to->pv_w - from->pv_w);
		if (to->kind == SHORT && t < to->delays * r->out->delay_ms)
			r->home.load_w += 2000;
		r->truth[(r->home.steps + 1) % HOME_HISTORY] = load_now(r);
		home_run(&r->home, HOME_STEP_MS);
		if (n > 0)
			measure(r, steady);
		if ((r->home.now_ms - begun_ms) % r->p->tick_ms != 0)
			continue;
		if (r->by == LOOP_CHAIN)
			by_chain(r);
		else
			others(r);
		if (r->p->trace)
			trace_line(r);
	}
}

void loop_run(const struct loop_plant *p, enum loop_by by, struct loop_figures *out)
{
	static struct run r; /* large; tests have one thread */
	int ms;

	memset(out, 0, sizeof(*out));
	out->delay_ms = p->delay_ms + p->tau_ms + p->meter_delay_ms + p->meter_period_ms;
	ms = (int)fmax(SEGMENT_MS, SEGMENT_DELAYS * out->delay_ms) / p->tick_ms * p->tick_ms;
	r.p = p;
	plant(&r);
	r.out = out;
	r.by = by;
	r.sample = 0;
	r.sum_w = 0;
	r.step_ms = r.changed_ms = 0;
	r.side = r.signs = r.orders = 0;
	memset(r.truth, 0, sizeof(r.truth));
	r.snap.site = (struct site_params){ .reserve_pct = 20, .battery_export = true, .tick_ms = p->tick_ms };
	r.snap.clock_trusted = true;
	r.snap.external.import_w = r.snap.external.export_w = r.snap.import_price = r.snap.export_price = NAN;
	if (p->task == TASK_ZERO_EXPORT)
		r.snap.external.export_w = 0;
	r.snap.site.import_limit_w = p->task == TASK_IMPORT_LIMIT ? LOOP_IMPORT_W : 0;
	r.snap.site.grid_charging = true;
	chain_init(&r.chain);
	for (int n = 0; n < SEGMENTS; n++) {
		const struct segment *to = &DAY[n], *from = to->kind == RAMP ? &DAY[n - 1] : to;

		for (int i = 0; n == 3 && i < p->batteries; i++)
			r.home.d[i].delay_ms = (int)(r.home.d[i].delay_ms * fill(p->later, 1) / HOME_STEP_MS) * HOME_STEP_MS;
		if (n > 0 && to->kind == STEP)
			step_begin(&r, best_w(&r, load_now(&r)) - best_w(&r, to->load_w - to->pv_w));
		else
			step_end(&r);
		play(&r, ms, from, to, n);
	}
	step_end(&r);
	r.orders = 0;
	play(&r, STEADY_MS, &DAY[SEGMENTS - 1], &DAY[SEGMENTS - 1], SEGMENTS);
	out->signs_min = r.signs * 60000.0 / STEADY_MS;
	out->orders_min = r.orders * 60000.0 / STEADY_MS;
	for (int i = 0; i < p->batteries; i++)
		out->max_ms = fmax(out->max_ms, r.chain.device[i].response.max_ms);
}
