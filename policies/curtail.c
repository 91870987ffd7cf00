/* PV that can be curtailed: the export side's last means. What batteries and cars do not take and the limit does not let out
 * is not produced. Cut at once by what the meter shows, raised slowly, by what the meter then leaves: the sun behind a bound
 * cannot be seen. PV is never relief for the import side. */
#include "policies/work.h"

#include <math.h>

#define MOVING_MS 2000
#define RAISE_MS 5000       /* between two raises, or twice the device's settle time */
#define RAISE_PART 0.1      /* of the rating a step */
#define BAND_PART 0.01      /* of the rating: closer to the limit nothing is raised */
#define BAND_W 60.0
#define PROBE_PART 0.05     /* batteries import so much while the sun is held back and no export may show that there is more */
#define PROBE_W 200.0
#define PROBE_LEAST_W 100.0 /* less than that batteries give or could take is not worth it */

static double rating_w(const struct work_device *d)
{
	return view_discharge_max(d->dev);
}

static double band_w(const struct work_device *d)
{
	return double_max(BAND_W, BAND_PART * rating_w(d));
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

/* The most it may have produced when the meter was read: while it still moves, what it was. All it can if nobody knows. */
static void made_learn(const struct work *w, struct work_device *d)
{
	struct chain_memory *m = d->memory;
	double now_w = double_max(0, -d->now_w);

	if (!d->known)
		m->made_w = rating_w(d);
	else
		m->made_w = moving(w, d) ? double_max(now_w, double_min(m->made_w, bound_before_w(w, d))) : now_w;
}

/* The bound holds it back, rather than the sun; just after it was moved that cannot be told. */
static bool held_back(const struct work *w, const struct work_device *d)
{
	return d->pv && d->memory->curtailed && (moving(w, d) || -d->now_w >= d->memory->curtail_w - band_w(d));
}

static double hidden_w(const struct work *w)
{
	double sum_w = 0;

	for (int i = 0; i < w->n; i++)
		if (held_back(w, &w->d[i]))
			sum_w += double_max(PROBE_W, PROBE_PART * rating_w(&w->d[i]));
	return sum_w;
}

static bool balances(const struct work_device *d)
{
	return d->controlled && d->order.kind == ORDER_BALANCE;
}

/* Where no export is allowed, 0 W at the meter says nothing of the sun that is held back. Batteries that could take it, or give
 * less, hold the meter a little on the import side, and the sun may rise into that. */
static void probe(struct work *w)
{
	double import_w = hidden_w(w), room_w = double_max(0, w->grid_w);
	struct room r;

	for (int i = 0; i < w->n; i++)
		if (balances(&w->d[i]))
			room_w += double_max(0, w->d[i].order.max_w - w->d[i].now_w);
	import_w = double_min(import_w, room_w);
	if (import_w < PROBE_LEAST_W || !share_room(w, POINT_SITE, -1, &r) || r.limit_w >= import_w)
		return;
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!balances(d))
			continue;
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

static void bound_set(struct work_device *d, double bound_w)
{
	d->memory->curtailed = bound_w < rating_w(d);
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

		if (!d->pv || share_part(d, r->point) <= 0 || plan_w(d) <= 0)
			continue;
		d->curtail_by = r->by;
		bound_w = double_max(0, plan_w(d) * (1 - need_w / sum_w) - band_w(d) / 2);
		bound_set(d, bound_w);
	}
}

static bool may_raise(const struct work *w, const struct work_device *d)
{
	int64_t settle_ms = view_settle_ms(d->dev), wait_ms = 2 * settle_ms > RAISE_MS ? 2 * settle_ms : RAISE_MS;

	return w->s->now_ms - d->memory->changed_ms >= wait_ms && w->s->grid_w.at_ms - d->memory->changed_ms >= settle_ms;
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
		if (left_w >= least_w)
			continue;
		least_w = left_w;
		d->curtail_by = r.by;
	}
	return least_w;
}

static void raise_all(struct work *w)
{
	double rated_w = 0;

	for (int i = 0; i < w->n; i++)
		rated_w += w->d[i].pv && w->d[i].memory->curtailed ? rating_w(&w->d[i]) : 0;
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double left_w;

		if (!d->pv || !d->memory->curtailed)
			continue;
		left_w = free_w(w, d);
		if (isinf(left_w))
			d->memory->curtailed = false; /* nothing limits it any more */
		else if (may_raise(w, d) && left_w > band_w(d))
			bound_set(d, d->memory->curtail_w + double_min((left_w - band_w(d) / 2) * rating_w(d) / rated_w, RAISE_PART * rating_w(d)));
	}
}

void curtail_points(struct work *w)
{
	bool over = false;
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++) {
		double need_w;

		if (!share_room(w, (enum point)point, -1, &r))
			continue;
		need_w = share_excess(w, &r);
		if (need_w <= SLACK_W)
			continue;
		over = true;
		cut(w, &r, need_w);
	}
	if (!over)
		raise_all(w);
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!d->pv || allowed_w(d) >= asked_w(d))
			continue;
		d->order = (struct order){ .kind = ORDER_POWER, .w = 0 - allowed_w(d) };
		if (d->curtail_by)
			work_cut(d, d->curtail_by->rank, d->curtail_by->code, "%s", d->curtail_by->why);
	}
}
