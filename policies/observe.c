/* What every device did when the meter was read, and what the house takes without them. A device's own reading and the meter
 * are taken at different moments, and an order needs its time to both: so a device's power is a range (response.h), and the
 * house's load lies in a range too. The estimate of the load stays where it is as long as it can be true, and moves only as
 * far as the evidence forces: that is why a loop built on it cannot answer its own echo. */
#include "policies/work.h"

#include <math.h>
#include <stdlib.h>

#define JUMP_W 15.0          /* smaller deviations are followed slowly, noise or not */
#define JUMP_NOISE 4.0       /* mean deviations that are still noise */
#define NOISE_PART 0.6       /* mean deviation against the mean difference of two of them */
#define NOISE_MAX_W 100.0    /* a house more restless than that is followed, not smoothed */
#define FOLLOW 0.12          /* of a small deviation, per sample; more when it lasts */
#define FOLLOW_AFTER 3       /* samples on the same side */
#define WRITE_MS 250         /* from our decision to the device's register */
#define BEYOND 1.25          /* of its order: what a device does past it is its way; past this it does not do as told */
#define OBEY_W 100.0         /* closer than that a car does as it is told */
#define OBEY 0.2             /* nor is so much more another order: mains have 207 to 253 V */
#define OBEY_MS 30000        /* so long a car that is read to do something else than it was told may do it at any moment */
#define TORN_W 500.0         /* so much more than the sun gives no house does, */
#define TORN_MS 10000        /* or for longer than readings may hide it: then there is sun that nobody measures */
#define NATIVE_OFF_W 100.0   /* who balances by itself leaves no more than that for long, */
#define NATIVE_MOVE_W 20.0   /* and if it does, moves */
#define TRIAL_W 300.0        /* smaller steps teach nothing */
#define TRIAL_NOISE 20.0     /* nor those smaller than so many mean deviations */
#define TRIAL_REST 0.15      /* what may still move when one begins, against the step */
#define TRIAL_SHARE 0.2      /* a device with less of the step may be missing without anybody seeing it */
#define TRIAL_PATIENCE 3.0   /* windows until a missing effect is believed to be a load */

static bool told(const struct order *o)
{
	return o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);
}

/* Keeps the last two readings: the meter's sample may be older or newer than the device's. */
static void reading_keep(struct chain_memory *m, double power_w, int64_t at_ms)
{
	if (m->reading_ms == 0)
		m->reading_w = m->before_w = power_w;
	if (at_ms != m->reading_ms) {
		m->before_w = m->reading_w;
		m->before_ms = m->reading_ms ? m->reading_ms : at_ms;
	}
	m->reading_w = power_w;
	m->reading_ms = at_ms;
}

/* By its readings alone: the one nearer to the meter's. */
static void read(struct work_device *d, const struct snapshot *s, int i)
{
	struct chain_memory *m = d->memory;
	int64_t meter_ms = s->grid_w.at_ms, at_ms;
	double power_w;

	d->read_high_w = INFINITY;
	d->ordered_w = told(&d->dev->ordered) ? d->dev->ordered.w : 0;
	d->known = view_power(s, i, &power_w, &at_ms);
	if (!d->known) {
		d->now_w = d->ordered_w;
		d->low_w = d->guess_low_w = double_min(0, d->ordered_w);
		d->high_w = d->guess_high_w = double_max(0, d->ordered_w);
		return;
	}
	reading_keep(m, power_w, at_ms);
	d->now_w = power_w;
	d->guess_low_w = d->guess_high_w = at_ms > meter_ms && at_ms - meter_ms > meter_ms - m->before_ms ? m->before_w : power_w;
	d->low_w = double_min(d->guess_low_w, power_w);
	d->high_w = double_max(d->guess_high_w, power_w);
}

/* Orders given since the last tick. */
struct news {
	double step_w, size_w;   /* sum, sum of sizes */
	double moving_w;         /* what was still under way before */
	double patience_ms;
	int64_t at_ms;
	double each_w[DEVICE_MAX];
};

static void order_keep(const struct work *w, struct work_device *d, struct news *news, int i)
{
	struct response *r = &d->memory->response;
	const struct order *o = &d->dev->ordered;
	int64_t at_ms = d->dev->ordered_at_ms;
	struct response_range before;

	response_begin(r, view_settle_ms(d->dev));
	if (!told(o)) {
		r->free_ms = w->s->now_ms;
		if (d->known)
			response_told(r, d->memory->reading_ms, d->now_w);
		return;
	}
	if (o->w != r->told_w && r->since_ms) {
		before = response_orders(r, at_ms - 2 * (int64_t)r->max_ms, at_ms - 1);
		news->each_w[i] = response_effect(r, o->w) - response_effect(r, r->told_w);
		news->step_w += news->each_w[i];
		news->size_w += fabs(news->each_w[i]);
		news->moving_w += before.high_w - before.low_w;
		if (!view_battery(d->dev) || (double)(at_ms - r->free_ms) < 2 * r->max_ms)
			news->moving_w = INFINITY; /* cars and the sun do what they like; and who was left to itself may still be about it */
		news->at_ms = at_ms;
		news->patience_ms = double_max(news->patience_ms, TRIAL_PATIENCE * r->max_ms);
	}
	response_told(r, at_ms, o->w);
	r->exact = o->kind != ORDER_BALANCE;
	if (d->known)
		response_read(r, d->memory->reading_ms, d->now_w);
	else
		response_blind(r);
}

/* A clean step is worth watching: large, and nothing else under way. */
static void trial_news(struct work *w, const struct news *news)
{
	struct chain_loop *loop = &w->c->loop;
	double rest_w = TRIAL_REST * fabs(news->step_w), before_w = loop->load_w;
	uint32_t devices = 0;

	if (loop->trial.at_ms) {
		trial_disturb(&loop->trial, news->size_w);
		return;
	}
	if (fabs(news->step_w) < double_max(TRIAL_W, TRIAL_NOISE * loop->noise_w) || news->moving_w > rest_w ||
	    news->size_w - fabs(news->step_w) > rest_w)
		return;
	for (int i = 0; i < w->n; i++) {
		before_w += w->d[i].memory->seen_w;
		if (fabs(news->each_w[i]) >= TRIAL_SHARE * fabs(news->step_w))
			devices |= 1u << i;
	}
	loop->trial = (struct trial){ .at_ms = news->at_ms, .before_w = before_w, .step_w = news->step_w, .noise_w = loop->noise_w,
				      .devices = devices, .patience_ms = news->patience_ms };
}

/* From one sample to the next: a ramp is no noise. */
static void noise_see(struct chain_loop *loop, double off_w)
{
	double most_w = JUMP_NOISE * loop->noise_w + JUMP_W;

	loop->noise_w += (double_min(NOISE_PART * fabs(off_w - loop->off_w), most_w) - loop->noise_w) / 16;
	loop->noise_w = double_min(loop->noise_w, NOISE_MAX_W);
	loop->off_w = off_w;
}

/* @low_w, @high_w: where the load must be. */
static void load_move(struct chain_loop *loop, double low_w, double high_w)
{
	double off_w, part = 1;

	if (!loop->known)
		loop->load_w = (low_w + high_w) / 2;
	loop->known = true;
	off_w = double_clamp(loop->load_w, low_w, high_w) - loop->load_w;
	if (off_w == 0 && low_w < high_w)
		return;
	loop->run = off_w * loop->run < 0 ? 0 : loop->run;
	loop->run += (off_w > 0) - (off_w < 0);
	if (fabs(off_w) <= double_max(JUMP_W, JUMP_NOISE * loop->noise_w))
		part = double_min(1, FOLLOW * double_max(1, abs(loop->run) - FOLLOW_AFTER));
	noise_see(loop, off_w);
	loop->load_w += part * off_w;
}

static bool member(const struct work_device *d)
{
	return (view_battery(d->dev) || d->charger) && (d->known || told(&d->dev->ordered));
}

/* What all sun gives, W; infinite when some of it, or none, is read. */
static double sun_w(const struct snapshot *s)
{
	double sum_w = 0, one_w;
	bool sun = false;

	for (int i = 0; i < s->n_devices; i++) {
		const struct device_state *d = &s->dev[i].state;
		const struct value *v = d->f[F_PV_POWER_W].q != Q_ABSENT ? &d->f[F_PV_POWER_W] : &d->ac_power_w;

		if (!(s->dev[i].roles & ROLE_PV))
			continue;
		if (!view_recent(v, s->now_ms, READING_LOST_MS, &one_w))
			return INFINITY;
		sum_w += double_max(0, -one_w);
		sun = true;
	}
	return sun ? sum_w : INFINITY;
}

/* By its readings the house gives more than the sun does, which none can: they are not of one time. */
static bool torn(struct chain_loop *loop, const struct snapshot *s, double load_w)
{
	if (load_w >= -sun_w(s) - TORN_W)
		loop->torn_ms = 0;
	else if (loop->torn_ms == 0)
		loop->torn_ms = s->now_ms;
	return loop->torn_ms && s->now_ms - loop->torn_ms < TORN_MS;
}

/* It draws, and two readings that are the same say that it draws no more. */
static bool at_end(const struct work_device *d)
{
	const struct response *r = &d->memory->response;

	return r->bound && r->less && r->still && r->odd_ms < r->read_ms && d->now_w > OBEY_W;
}

/* Cars begin and end when they like, and some chargers are read seconds after the meter: what that shows since the reading may be
 * the car's, until a reading of after that says otherwise. @ahead: the reading is older than it says. */
static bool may_obey(const struct work *w, const struct work_device *d, bool ahead)
{
	const struct chain_memory *m = d->memory;
	int64_t meter_ms = w->s->grid_w.at_ms, apart_ms = m->apart_ms ? m->apart_ms : meter_ms;

	double off_w = d->now_w - m->response.told_w;

	return d->charger && !at_end(d) && (off_w < -OBEY_W || off_w > double_max(OBEY_W, OBEY * m->response.told_w)) && (ahead || m->reading_ms < apart_ms) &&
	       meter_ms - m->response.since_ms < OBEY_MS;
}

/* A device that is told what to do is where its orders may have brought it; while a step of ours that should be there is not,
 * that is also where it was before. Any other is where it was read. */
static struct response_range range_of(const struct work *w, int i)
{
	const struct work_device *d = &w->d[i];
	const struct trial *t = &w->c->loop.trial;
	const struct response *r = &d->memory->response;
	int64_t meter_ms = w->s->grid_w.at_ms, hold_ms = t->at_ms && (t->devices >> i & 1) ? t->at_ms - 1 : INT64_MAX;
	struct response_range range;

	if (!member(d))
		return (struct response_range){ 0, 0 };
	if (!told(&d->dev->ordered))
		return (struct response_range){ d->guess_low_w, d->guess_high_w };
	range = response_power(r, meter_ms, hold_ms);
	if (d->memory->over > 0 && range.low_w < range.high_w) /* on its way: there too it will do more than told */
		range.high_w = double_max(range.high_w, d->memory->over * response_orders(r, meter_ms - (int64_t)r->max_ms, meter_ms).high_w);
	return range;
}

/* Returns which cars may obey, bits. */
static uint32_t ranges_find(const struct work *w, struct response_range *range)
{
	double load_w = w->grid_w;
	uint32_t obey = 0;
	bool ahead;

	for (int i = 0; i < w->n; i++) {
		range[i] = range_of(w, i);
		load_w -= range[i].high_w;
	}
	ahead = torn(&w->c->loop, w->s, load_w);
	for (int i = 0; i < w->n; i++)
		if (may_obey(w, &w->d[i], ahead)) {
			double told_w = w->d[i].memory->response.told_w;

			range[i] = (struct response_range){ double_min(range[i].low_w, told_w), double_max(range[i].high_w, told_w) };
			obey |= 1u << i;
		}
	return obey;
}

/* Since when the meter shows a car elsewhere than its reading. */
static void apart_keep(const struct work *w, struct work_device *d, bool obey)
{
	struct chain_memory *m = d->memory;

	if (!obey || fabs(m->seen_w - d->now_w) <= OBEY_W)
		m->apart_ms = 0;
	else if (m->apart_ms == 0)
		m->apart_ms = w->s->grid_w.at_ms;
}

/* A device that does not do as told spoils the step. So does a house: all are read to have done it, for longer than they are known to
 * need, and the meter shows a part of it only. (None of it: the readings may be an echo of the order.) */
static void sample_see(struct work *w)
{
	struct chain_loop *loop = &w->c->loop;
	bool fails = false, there = true;

	for (int i = 0; i < w->n; i++) {
		const struct response *r = &w->d[i].memory->response;

		if (!(loop->trial.devices >> i & 1))
			continue;
		fails = fails || response_fails(r);
		there = there && response_there(r, w->s->grid_w.at_ms);
	}
	if (fails)
		loop->trial.at_ms = 0;
	if (!trial_see(&loop->trial, w->s->grid_w.at_ms, w->grid_w)) {
		if (there && loop->trial.seen.begun_ms)
			loop->trial.at_ms = 0;
		return;
	}
	for (int i = 0; i < w->n; i++)
		if (loop->trial.devices >> i & 1)
			response_learn(&w->d[i].memory->response, &loop->trial.seen);
}

/* Of all the ranges, the one set of powers that goes with the estimated load. */
static void load_see(struct work *w, const struct response_range *range)
{
	double low_w = 0, high_w = 0, part;

	for (int i = 0; i < w->n; i++) {
		low_w += range[i].low_w;
		high_w += range[i].high_w;
	}
	load_move(&w->c->loop, w->grid_w - high_w, w->grid_w - low_w);
	part = high_w > low_w ? double_clamp((w->grid_w - w->c->loop.load_w - low_w) / (high_w - low_w), 0, 1) : 0;
	for (int i = 0; i < w->n; i++)
		w->d[i].memory->seen_w = range[i].low_w + part * (range[i].high_w - range[i].low_w);
}

/* Readings and the house's load together are what the meter shows: nobody's window hides anything. An echo of an
 * order, or a reading ahead of the meter, would not fit. */
static bool readings_fit(const struct work *w)
{
	double sum_w = w->c->loop.load_w;

	for (int i = 0; i < w->n; i++)
		if (member(&w->d[i]))
			sum_w += w->d[i].known ? w->d[i].guess_low_w : w->d[i].memory->seen_w;
	return fabs(w->grid_w - sum_w) <= double_max(JUMP_W, JUMP_NOISE * w->c->loop.noise_w);
}

/* By what the driver says, until steps have shown the truth: the meter, and the reading, are from after the order's time. Limits do
 * not wait for a window that is only cautious; nor for one that steps together with a slower device have taught, while @fit. */
static bool settled(const struct response *r, int64_t at_ms, bool fit)
{
	double wait_ms = r->learned && !fit ? r->max_ms : double_min(r->max_ms, (double)r->settle_ms + WRITE_MS);

	return (double)(at_ms - r->since_ms) >= wait_ms;
}

/* For the limits: a device that is read and told stands where the estimate has it, and may stand anywhere its orders may have
 * brought it; one that does something else stands where it is read. What a settled one does beyond its order will come with the
 * next order too: it counts as load. */
static void guess(const struct work *w, struct work_device *d, bool fit, bool obey)
{
	const struct response *r = &d->memory->response;
	bool metered = settled(r, w->s->grid_w.at_ms, fit), reported = settled(r, d->memory->reading_ms, fit);
	struct response_range range;

	if (!member(d) || !d->known || !told(&d->dev->ordered))
		return;
	if (d->charger)
		d->read_high_w = double_max(double_max(d->now_w, d->memory->before_w),
					    response_did(r, d->memory->reading_ms, w->s->grid_w.at_ms).high_w);
	range = response_power(r, w->s->grid_w.at_ms, INT64_MAX);
	d->low_w = double_min(d->low_w, range.low_w);
	d->high_w = double_max(d->high_w, range.high_w);
	if (obey)
		d->guess_low_w = d->guess_high_w = d->memory->seen_w;
	else if (!(metered && reported) && (r->exact || !response_fails(r) || d->memory->reading_ms <= r->since_ms))
		d->guess_low_w = d->guess_high_w = d->memory->seen_w;
	else if (d->memory->over == 0 && d->ordered_w * (d->now_w - d->ordered_w) > 0 && fabs(d->now_w) < BEYOND * fabs(d->ordered_w))
		d->guess_low_w = d->guess_high_w = d->ordered_w;
	if (d->charger && metered && !reported)
		d->guess_low_w = double_min(d->guess_low_w, d->ordered_w); /* what it left goes out already: no second cut of the sun for it */
}

/* A battery that balances by itself is believed to do so, unless the meter stays off 0 W for longer than it needs, and its own readings
 * of after that do not move: it is nearly full, or its port is. */
static void native_watch(const struct work *w, struct work_device *d)
{
	const struct order *o = &d->dev->ordered;
	struct chain_native *n = &d->memory->native;
	int64_t meter_ms = w->s->grid_w.at_ms, reading_ms = d->memory->reading_ms;
	double off_w = w->grid_w, moved_w = (d->now_w - n->from_w) * (off_w > 0 ? -1 : 1);

	if (o->kind != ORDER_BALANCE || !o->native || !d->known || fabs(off_w) <= double_max(NATIVE_OFF_W, JUMP_NOISE * w->c->loop.noise_w))
		*n = (struct chain_native){ 0 };
	else if (n->off_ms == 0 || off_w * n->off_w < 0 || moved_w > NATIVE_MOVE_W)
		*n = (struct chain_native){ .off_ms = meter_ms, .off_w = off_w, .from_w = d->now_w };
	else
		n->stands = (meter_ms < reading_ms ? meter_ms : reading_ms) - n->off_ms >= view_settle_ms(d->dev) + WRITE_MS;
}

void observe(struct work *w)
{
	struct chain_loop *loop = &w->c->loop;
	struct response_range range[DEVICE_MAX];
	struct news news = { 0 };
	uint32_t members = 0, obey;
	bool fit;

	w->sample = w->meter && w->s->grid_sample != loop->grid_sample;
	for (int i = 0; i < w->n; i++) {
		read(&w->d[i], w->s, i);
		if (view_battery(w->d[i].dev) || w->d[i].charger || view_pv(w->d[i].dev))
			order_keep(w, &w->d[i], &news, i);
		members |= (uint32_t)member(&w->d[i]) << i;
	}
	if (!w->meter)
		return;
	trial_news(w, &news);
	if (w->sample)
		sample_see(w);
	obey = ranges_find(w, range);
	if (w->sample || members != loop->members || !loop->known)
		load_see(w, range);
	loop->grid_sample = w->s->grid_sample;
	loop->members = members;
	for (int i = 0; i < w->n; i++)
		apart_keep(w, &w->d[i], obey >> i & 1);
	fit = readings_fit(w);
	for (int i = 0; i < w->n; i++)
		guess(w, &w->d[i], fit, obey >> i & 1);
	for (int i = 0; i < w->n; i++)
		native_watch(w, &w->d[i]);
}
