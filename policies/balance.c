/* The balance loop: all batteries under a balance order that do not balance by themselves hold the grid meter together. What
 * they shall do together is the target less the house's load, and the load is estimated (observe.c) so that what is still
 * under way to the meter is not ordered twice. Shared by rank, then by the energy each can still take or give, so that they
 * arrive together. */
#include "policies/floor.h"
#include "policies/work.h"

#include <math.h>

#define DEAD_BAND_W 15.0
#define SLEW_S 1.0        /* seconds for the whole range, in a calm loop */
#define YIELD_S 60.0      /* seconds for it beside a battery that holds the same meter by itself and takes no orders */
#define YIELD_MS 2000.0   /* and no more at once than that time gives */
#define SWING_W 150.0     /* smaller turns are no swing */
#define SWING_NOISE 6.0
#define WEIGHT_BAND 0.05  /* shares follow the energies in steps */
#define WEIGHT_LEAST 0.01 /* an almost empty battery still helps */
#define CAN_NUDGE 1.15    /* a device that cannot is asked a little more than it did, to see when it can again */
#define CAN_NUDGE_W 200.0

static bool looped(const struct work_device *d)
{
	return d->controlled && d->order.kind == ORDER_BALANCE && !d->order.native;
}

static bool feeds_cars(const struct work *w)
{
	for (int i = 0; i < w->n; i++)
		if (looped(&w->d[i]) && w->d[i].rank == RANK_EVENT && w->s->site.ev_in_follow_load)
			return true;
	return w->s->site.battery_to_ev;
}

/* A device that is neither in the loop nor somebody's order is load; a car is only if batteries may feed it. */
static bool covered(const struct work_device *d, bool cars)
{
	return d->charger ? cars : !d->controlled;
}

static double wanted_w(const struct work *w, double grid_w)
{
	bool cars = feeds_cars(w);
	double sum_w = grid_w - w->c->loop.load_w;

	for (int i = 0; i < w->n; i++)
		if (covered(&w->d[i], cars))
			sum_w -= w->d[i].memory->seen_w;
	return sum_w;
}

/* Wh left in the direction; NAN when unknown. */
static double energy_wh(const struct work *w, int i, bool in)
{
	const struct snap_device *d = w->d[i].dev;
	double soc_pct = NAN, full_pct = d->soc_max_pct > 0 ? d->soc_max_pct : 100, left_pct;

	view_soc(w->s, i, &soc_pct);
	left_pct = in ? full_pct - soc_pct : soc_pct - floor_effective(w->s, d).pct;
	return view_capacity_wh(d) / 100 * double_max(100 * WEIGHT_LEAST, left_pct);
}

static double limit_w(const struct work_device *d, bool in)
{
	return in ? d->order.max_w : -d->order.min_w;
}

/* By energy; by power where a battery's energy is not known. Small changes of a share are not worth moving power about. */
static void weigh(struct work *w, bool in)
{
	bool known = true;

	for (int i = 0; i < w->n; i++)
		if (looped(&w->d[i]) && isnan(energy_wh(w, i, in)))
			known = false;
	for (int i = 0; i < w->n; i++) {
		double weight, *kept = &w->d[i].memory->weight[in];

		if (!looped(&w->d[i]))
			continue;
		weight = known ? energy_wh(w, i, in) : limit_w(&w->d[i], in);
		if (fabs(weight - *kept) > WEIGHT_BAND * *kept)
			*kept = weight;
	}
}

/* What the device has lately shown it can, of what it may. */
static double shown_w(const struct work_device *d, bool in)
{
	const struct response *r = &d->memory->response;
	double can_w = in ? r->can.high_w : -r->can.low_w;

	return r->bound ? double_min(limit_w(d, in), double_max(0, can_w)) : limit_w(d, in);
}

/* A device that has reached its end is asked a little more, to see when it can again. That is enough: as soon as it does as told it
 * has no end any more, while an order it cannot do would take the room below a limit from one that can. */
static double nudge_w(const struct work_device *d, bool in)
{
	double end_w = shown_w(d, in), most_w = limit_w(d, in);

	if (end_w >= most_w || fabs(d->order.w) < end_w)
		return d->order.w;
	return copysign(double_min(most_w, CAN_NUDGE * end_w + CAN_NUDGE_W), in ? 1 : -1);
}

/* Fills devices of one rank up to what they have shown they can, by weight; returns what is left. */
static double fill(struct work *w, int rank, bool in, double size_w)
{
	bool full;

	do {
		double weights = 0, part;

		full = false;
		for (int i = 0; i < w->n; i++)
			if (looped(&w->d[i]) && (int)w->d[i].rank == rank && fabs(w->d[i].order.w) < shown_w(&w->d[i], in))
				weights += w->d[i].memory->weight[in];
		part = weights > 0 ? size_w / weights : 0;
		for (int i = 0; i < w->n; i++) {
			struct work_device *d = &w->d[i];
			double now_w = fabs(d->order.w), more_w;

			if (!looped(d) || (int)d->rank != rank || now_w >= shown_w(d, in))
				continue;
			more_w = double_min(part * d->memory->weight[in], shown_w(d, in) - now_w);
			full = full || now_w + more_w >= shown_w(d, in);
			d->order.w = in ? now_w + more_w : -now_w - more_w;
			size_w -= more_w;
		}
	} while (full && size_w > 1);
	return size_w;
}

/* The sum to the devices: higher ranks first. What they have shown they cannot do, nobody gets. */
static void spread(struct work *w, double sum_w)
{
	bool in = sum_w > 0;
	double size_w = fabs(sum_w);

	weigh(w, in);
	for (int i = 0; i < w->n; i++)
		if (looped(&w->d[i]))
			w->d[i].order.w = 0;
	for (int rank = RANK_GUARD; rank < RANK_COUNT; rank++)
		size_w = fill(w, rank, in, size_w);
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (looped(d))
			d->order.w = double_clamp(response_order(&d->memory->response, nudge_w(d, in)), d->order.min_w, d->order.max_w);
	}
}

/* What stands: the effect of the device's present order, as far as it may be kept. */
static double keep(struct work_device *d)
{
	const struct order *o = &d->dev->ordered;
	bool ours = o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);

	d->order.w = double_clamp(ours ? o->w : d->now_w, d->order.min_w, d->order.max_w);
	return response_effect(&d->memory->response, d->order.w);
}

/* The loop as a whole. */
struct loop_view {
	double sum_w, seen_w;     /* what their orders will do; what they did at the last sample */
	double in_w, out_w;       /* of that sum: those who take, those who give */
	double least_w, most_w;   /* what they may do */
	double window_ms;
	double target_w;
	bool beside;              /* a battery nobody orders works on the same meter */
};

/* One authority for a meter: of two loops on it, the one that cannot be told keeps it, and ours only moves what it leaves. */
static bool stranger(const struct work_device *d)
{
	return view_battery(d->dev) && d->dev->state.availability == AVAIL_ONLINE && !d->controlled && d->known;
}

static bool loop_find(struct work *w, struct loop_view *v)
{
	bool any = false;

	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double keeps_w;

		v->beside = v->beside || stranger(d);
		if (!looped(d))
			continue;
		if (!any)
			v->target_w = d->order.grid_w;
		any = true;
		keeps_w = keep(d);
		v->sum_w += keeps_w;
		v->in_w += double_max(0, keeps_w);
		v->out_w += double_max(0, -keeps_w);
		v->seen_w += d->memory->seen_w;
		v->least_w += d->order.min_w;
		v->most_w += d->order.max_w;
		v->window_ms = double_max(v->window_ms, d->memory->response.max_ms);
	}
	return any;
}

/* One that comes back from its own control or from somebody's order may give what another takes: the sum is right, and yet one
 * feeds the other at the cost of both. */
static bool opposed(const struct loop_view *v)
{
	return double_min(v->in_w, v->out_w) >= DEAD_BAND_W;
}

/* What batteries may not do, or limits took away after us, is no error of the loop. */
static void swing_watch(struct work *w, const struct loop_view *v, double wanted)
{
	struct chain_loop *loop = &w->c->loop;
	struct swing *s = &loop->swing;
	bool ours = fabs(v->sum_w - loop->sum_w) < DEAD_BAND_W;
	const struct swing_view view = {
		.now_ms = w->s->now_ms, .sum_w = v->sum_w, .echo_ms = v->window_ms,
		.error_w = ours ? v->seen_w - double_clamp(wanted, v->least_w, v->most_w) : 0,
		.least_w = double_max(SWING_W, SWING_NOISE * loop->noise_w),
	};

	if (!w->sample || !swing_see(s, &view))
		return;
	for (int i = 0; i < w->n; i++)
		if (looped(&w->d[i]))
			response_widen(&w->d[i].memory->response);
}

static void swing_say(struct work *w)
{
	const struct swing *s = &w->c->loop.swing;

	if (s->level > 0)
		wish_doubt(&w->c->wishes, -1, DOUBT_SWING, "the balance loop swung: %d turns of %.0f W in %.0f s; it now waits longer for an effect "
			   "and changes 1/%.0f as fast", SWING_TURNS, s->said_w, s->said_s, 1 / swing_calm(s));
}

/* A step may be as large as the whole range; many of them a second may not. A loop that swung is slower by its window. */
static double slew_w(const struct work *w, const struct loop_view *v)
{
	const struct chain_loop *loop = &w->c->loop;
	double range_w = v->most_w - v->least_w, since_ms = (double)(w->s->now_ms - loop->step_ms), per_s = range_w / SLEW_S;

	if (loop->swing.level > 0)
		per_s = range_w * swing_calm(&loop->swing) / (v->window_ms / 1000);
	if (v->beside)
		return range_w / YIELD_S * double_min(since_ms, YIELD_MS) / 1000;
	return double_min(range_w, per_s * since_ms / 1000);
}

void balance_step(struct work *w)
{
	struct chain_loop *loop = &w->c->loop;
	struct loop_view v = { 0 };
	double wanted, most_w;

	if (!loop_find(w, &v)) /* without a meter nobody is left in it */
		return;
	wanted = wanted_w(w, v.target_w);
	swing_watch(w, &v, wanted);
	swing_say(w);
	loop->sum_w = v.sum_w;
	if (fabs(wanted - v.sum_w) < DEAD_BAND_W + loop->noise_w / 2 && !opposed(&v))
		return;
	most_w = slew_w(w, &v);
	spread(w, v.sum_w + double_clamp(wanted - v.sum_w, -most_w, most_w));
	loop->step_ms = w->s->now_ms;
	loop->sum_w = 0;
	for (int i = 0; i < w->n; i++)
		if (looped(&w->d[i]))
			loop->sum_w += response_effect(&w->d[i].memory->response, w->d[i].order.w);
}
