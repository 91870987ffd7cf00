/* PV that can be curtailed: the export side's last means. What batteries and cars do not take and the limit does not let out
 * is not produced. Cut at once by what the meter shows, raised slowly, by what the meter then leaves: the sun behind a bound
 * cannot be seen. PV is never relief for the import side. */
#include "policies/work.h"

#include <math.h>

#define MOVING_MS 2000
#define RAISE_MS 5000       /* between two raises, or twice the device's settle time */
#define RAISE_PART 0.1      /* of the rating a step */
#define BAND_PART 0.01      /* of the rating: closer to the limit nothing is raised */
#define FREE_PART 2.0       /* of the most that was seen of an inverter without a rating: above that it is free */
#define BAND_W 60.0
#define PROBE_PART 0.05     /* batteries import so much while the sun is held back and no export may show that there is more */
#define PROBE_W 200.0
#define PROBE_LEAST_W 100.0 /* less than that batteries give or could take is not worth it */
#define PROBE_MS 15000      /* so long, and twice the settle time, it may find nothing */
#define PROBE_GAIN_W 50.0   /* less than that is nothing */
#define PROBE_NOISE 4.0     /* times that of the house is no change of what batteries could take */
#define PROBE_IMPORT 2.0    /* an import limit below so many probes is none to spend on them */
#define OFFER_W 150.0       /* where importing is no way to look for the sun: below what limits may be missed by for a moment */
#define OFFER_PART 0.5      /* of what batteries could still take */
#define BLOCK_MS 60000      /* after a probe; doubled by each that finds nothing worth it, up to BLOCK_MAX_MS */
#define BLOCK_MAX_MS 960000

static double size_w(const struct work_device *d)
{
	return view_pv_size(d->dev, d->memory->peak_w);
}

static double band_w(const struct work_device *d)
{
	return double_max(BAND_W, BAND_PART * size_w(d));
}

/* What it may produce by the order alone. */
static double asked_w(const struct work_device *d)
{
	return d->order.kind == ORDER_POWER ? -d->order.w : INFINITY;
}

static double allowed_w(const struct work_device *d)
{
	return d->memory->curtailed ? d->memory->curtail_w : INFINITY;
}

/* The last change has not arrived, or the meter was not read since. */
static bool moving(const struct work *w, const struct work_device *d)
{
	int64_t arrives_ms = d->memory->changed_ms + view_settle_ms(d->dev);

	return d->memory->changed_ms && (w->s->now_ms < arrives_ms + MOVING_MS || w->s->grid_w.at_ms < arrives_ms);
}

/* The largest bound that may still have been in force when the meter was read. */
static double bound_before_w(const struct work *w, const struct work_device *d)
{
	int64_t meter_ms = w->s->grid_w.at_ms;

	return -response_orders(&d->memory->response, meter_ms - view_settle_ms(d->dev) - MOVING_MS, meter_ms).low_w;
}

/* The most it may have produced when the meter was read: while it still moves, what it was. If nobody knows, all it can; and what
 * was thought so is no more, once it is read, than the most it ever gave. */
static void made_learn(const struct work *w, struct work_device *d)
{
	struct chain_memory *m = d->memory;
	double now_w = d->known ? double_max(0, -d->now_w) : double_min(size_w(d), allowed_w(d)), before_w = m->made_w;

	if (d->known) {
		m->peak_w = double_max(m->peak_w, now_w);
		before_w = double_min(before_w, double_min(m->peak_w, bound_before_w(w, d)));
	}
	m->made_w = moving(w, d) ? double_max(now_w, before_w) : now_w;
}

/* The bound holds it back, rather than the sun; just after it was moved that cannot be told. */
static bool held_back(const struct work *w, const struct work_device *d)
{
	return d->memory->curtailed && (moving(w, d) || -d->now_w >= d->memory->curtail_w - band_w(d));
}

static bool balances(const struct work_device *d)
{
	return d->controlled && d->order.kind == ORDER_BALANCE;
}

/* What there is to find, and who could take it. */
struct look {
	double hidden_w;    /* to look for; 0 = the sun holds nothing back */
	double room_w;      /* that batteries could take more or give less than they would without a probe */
	double given_w;     /* of that, what they give */
	double made_w;      /* the sun, as far as it found somebody to take it */
	int64_t settle_ms;  /* the slowest's */
	bool no_import;     /* what batteries take may not come from the grid */
};

/* By the command, or where it does not say by the site's own rule. */
static bool import_forbidden(const struct snapshot *s, const struct snap_device *d)
{
	if (view_command(s, d) && d->command.grid_import != TRI_UNSET)
		return d->command.grid_import == TRI_NO;
	return !s->site.grid_charging;
}

static struct look look(const struct work *w)
{
	struct look l = { .room_w = double_max(0, w->grid_w), .made_w = double_min(0, w->grid_w) };

	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];

		if (d->pv) {
			l.made_w += d->memory->made_w;
			l.hidden_w += held_back(w, d) ? double_max(PROBE_W, PROBE_PART * size_w(d)) : 0;
		} else if (balances(d)) {
			l.room_w += double_max(0, d->order.max_w - d->now_w);
			l.given_w += double_max(0, -d->now_w);
			l.no_import = l.no_import || import_forbidden(w->s, d->dev);
		} else {
			continue;
		}
		if (view_settle_ms(d->dev) > l.settle_ms)
			l.settle_ms = view_settle_ms(d->dev);
	}
	return l;
}

static void probe_end(struct chain_probe *p, int64_t now_ms, double room_w)
{
	bool worth = p->made_w - p->begun_w >= PROBE_W;

	p->block_ms = worth || p->block_ms == 0 ? BLOCK_MS : p->block_ms < BLOCK_MAX_MS ? 2 * p->block_ms : BLOCK_MAX_MS;
	p->after_ms = now_ms + p->block_ms;
	p->room_w = room_w;
	p->since_ms = 0;
}

/* Begins, goes on while it finds something, ends. What it has learned then holds for a while: that batteries can take no more, or
 * that there is no more. Only batteries that could take more than at that time are a reason to look again at once. */
static bool probe_runs(struct work *w, const struct look *l, bool worth)
{
	struct chain_probe *p = &w->c->probe;
	int64_t now_ms = w->s->now_ms;

	if (p->since_ms == 0) {
		if (!worth || (now_ms < p->after_ms && l->room_w <= p->room_w + PROBE_W + PROBE_NOISE * w->c->loop.noise_w))
			return false;
		p->since_ms = now_ms;
		p->begun_w = p->made_w = l->made_w;
		return true;
	}
	if (l->made_w >= p->made_w + PROBE_GAIN_W) {
		p->since_ms = now_ms;
		p->made_w = l->made_w;
	}
	if (!worth || now_ms - p->since_ms >= PROBE_MS + 2 * l->settle_ms)
		probe_end(p, now_ms, l->room_w);
	return p->since_ms != 0;
}

/* Where no export is allowed, 0 W at the meter says nothing of the sun that is held back. Batteries that could take it, or give
 * less, hold the meter a little on the import side, and the sun may rise into that. Where import is forbidden, or little of it is
 * allowed, the sun makes the step, a smaller one. */
static void probe(struct work *w)
{
	struct look l = look(w);
	double import_w = double_min(l.hidden_w, l.room_w);
	struct room r;

	if (l.hidden_w <= 0 || !share_room(w, POINT_SITE, -1, &r)) {
		w->c->probe = (struct chain_probe){ 0 }; /* all sun is out: when it is held back again, that is news */
		return;
	}
	if (!probe_runs(w, &l, import_w >= PROBE_LEAST_W && r.limit_w < import_w)) {
		if (l.given_w >= PROBE_LEAST_W && w->s->now_ms >= w->c->probe.cover_after_ms)
			w->offer_w = double_min(OFFER_W, OFFER_PART * l.given_w); /* before batteries cover what the sun could */
		return;
	}
	if (l.no_import || (share_room(w, POINT_SITE, 1, &r) && r.limit_w < PROBE_IMPORT * l.hidden_w)) {
		w->offer_w = double_min(OFFER_W, OFFER_PART * import_w);
		return;
	}
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!balances(d))
			continue;
		d->looks = !d->order.native;
		if (d->order.native)
			w->c->native_off_until_ms = w->s->now_ms + NATIVE_OFF_MS;
		else
			d->order.grid_w = import_w;
	}
}

void curtail_begin(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		d->pv = d->wish && view_pv(d->dev) && d->rank != RANK_GUARD; /* what is released for safety is left alone */
		if (!d->pv) {
			d->memory->curtailed = false;
			continue;
		}
		d->controlled = false; /* its production is the house's, and nobody's to swallow or to leave alone */
		made_learn(w, d);
		d->relief_w = double_max(0, d->memory->made_w - allowed_w(d));
	}
	if (w->meter)
		probe(w);
}

/* A bound above what it was ever seen to give, or its rating lets it, is none. Some give more than their rating says. */
static void bound_set(struct work_device *d, double bound_w)
{
	double free_w = double_min(view_discharge_max(d->dev), FREE_PART * size_w(d));

	d->memory->curtailed = bound_w < double_max(free_w, d->memory->peak_w);
	d->memory->curtail_w = bound_w;
	d->relief_w = double_max(0, d->memory->made_w - allowed_w(d));
}

/* What it will make by its bound so far. */
static double plan_w(const struct work_device *d)
{
	return double_min(d->memory->made_w, allowed_w(d));
}

/* Takes @need_w off a point, from each by what it makes. */
static void cut(struct work *w, const struct room *r, double need_w)
{
	double sum_w = 0;

	for (int i = 0; i < w->n; i++)
		if (w->d[i].pv)
			sum_w += share_part(&w->d[i], r->point) * plan_w(&w->d[i]);
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double bound_w;

		if (!d->pv || share_part(d, r->point) <= 0)
			continue;
		d->curtail_by = r->by; /* also whom nothing can be taken from any more */
		if (plan_w(d) <= 0)
			continue;
		bound_w = double_max(0, plan_w(d) * (1 - need_w / sum_w) - band_w(d) / 2);
		bound_set(d, bound_w);
	}
}

static bool may_raise(const struct work *w, const struct work_device *d)
{
	int64_t settle_ms = view_settle_ms(d->dev), wait_ms = 2 * settle_ms > RAISE_MS ? 2 * settle_ms : RAISE_MS;

	return w->s->now_ms - d->memory->changed_ms >= wait_ms && w->s->grid_w.at_ms - d->memory->changed_ms >= settle_ms;
}

/* What the site leaves for what batteries are to take: the offer less what goes out already, and half the band, which is taken
 * off again. */
static double offered_w(const struct work *w, const struct work_device *d)
{
	return w->offer_w + double_min(0, w->grid_w) + band_w(d) / 2;
}

/* The least that all points leave for the device, as if it had them alone. */
static double free_w(const struct work *w, struct work_device *d)
{
	double least_w = INFINITY;
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++) {
		double left_w, part = share_part(d, (enum point)point);

		if (part <= 0 || !share_room(w, (enum point)point, -1, &r))
			continue;
		r.proven = true; /* what others will take is given to the sun when they do */
		left_w = -share_excess(w, &r) / part;
		if (point == POINT_SITE && w->offer_w > 0)
			left_w = double_max(left_w, offered_w(w, d));
		if (left_w >= least_w)
			continue;
		least_w = left_w;
		d->curtail_by = r.by;
	}
	return least_w;
}

/* @over: points above their limit, bits; what passes one of them is not raised. */
static bool over_limit(const struct work_device *d, uint32_t over)
{
	for (int point = POINT_SITE; point < POINT_COUNT; point++)
		if ((over >> point & 1) && share_part(d, (enum point)point) > 0)
			return true;
	return false;
}

static void raise_all(struct work *w, uint32_t over)
{
	double sum_w = 0;

	for (int i = 0; i < w->n; i++)
		sum_w += w->d[i].pv && w->d[i].memory->curtailed ? size_w(&w->d[i]) : 0;
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double left_w;

		if (!d->pv || !d->memory->curtailed || over_limit(d, over))
			continue;
		left_w = free_w(w, d);
		if (isinf(left_w))
			d->memory->curtailed = false; /* nothing limits it any more */
		else if (may_raise(w, d) && left_w > band_w(d))
			bound_set(d, d->memory->curtail_w + double_min((left_w - band_w(d) / 2) * size_w(d) / sum_w, RAISE_PART * size_w(d)));
	}
}

/* Batteries that hold the meter smooth out its noise, and what they will take in a moment is no reason to cut the sun, until it
 * is seen that they do not. */
static double patience_w(const struct work *w, const struct room *r)
{
	double room_w = 0;

	if (r->point != POINT_SITE || r->proven)
		return 0;
	for (int i = 0; i < w->n; i++)
		if (balances(&w->d[i]) && !response_fails(&w->d[i].memory->response))
			room_w += double_max(0, w->d[i].order.max_w - work_power(w, i));
	return double_min(OFFER_W, room_w);
}

void curtail_points(struct work *w)
{
	uint32_t over = 0;
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++) {
		double need_w;

		if (!share_room(w, (enum point)point, -1, &r))
			continue;
		need_w = share_excess(w, &r);
		if (need_w <= SLACK_W + patience_w(w, &r))
			continue;
		over |= 1u << point;
		cut(w, &r, need_w);
	}
	if ((over >> POINT_SITE & 1) && w->offer_w > 0) { /* batteries did not take it */
		w->c->probe.cover_after_ms = w->s->now_ms + BLOCK_MS;
		if (w->c->probe.since_ms)
			probe_end(&w->c->probe, w->s->now_ms, look(w).room_w);
	}
	raise_all(w, over);
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!d->pv || allowed_w(d) >= asked_w(d))
			continue;
		d->order = (struct order){ .kind = ORDER_POWER, .w = 0 - allowed_w(d) };
		work_cut(d, d->curtail_by->rank, d->curtail_by->code, "%s", d->curtail_by->why); /* what is still bounded was cut, or is raised by */
	}
}
