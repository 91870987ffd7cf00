/* Each point's headroom over all devices: limit minus what is not ours. Two looks at each side of each point. First, what
 * all want: by the best estimate it must fit, or it is cut, from the lowest rank up, equal within a rank, and powers below
 * a device's minimum become 0 and leave their room to others. Second, new increases: they must fit even if everything that
 * still moves counts with the worse of ordered and measured, else they wait. (The other way round, a car that charges would
 * keep a higher rank's new order out for ever.) What import still lacks then, batteries give as support. */
#include "policies/work.h"

#include <math.h>

#define SLACK_W 20.0           /* noise is not worth an order */
#define NATIVE_TRUST_MS 5000   /* a device that balances by itself has this long to keep a limit */
#define NATIVE_OFF_MS 60000

struct room {
	enum point point;
	double dir;                    /* +1 import side, -1 export side */
	double limit_w, grid_w;        /* in the direction: limit >= 0 */
	const struct limit_wish *by;
};

struct slice {
	int i;
	double was_w, w, floor_w, part;
	bool dropped;
};

/* Share of the device's power that passes the point. Nobody says on which phase a single-phase device sits: it counts on
 * each, but its discharge is no relief that could be counted on. */
static double part(const struct work_device *d, enum point point)
{
	if (point == POINT_SITE)
		return 1;
	if (view_phases(d->dev) == 3)
		return 1.0 / 3;
	return d->dev->phase == 0 || d->dev->phase == (int)point ? 1 : 0;
}

static bool phase_unknown(const struct work_device *d, enum point point)
{
	return point != POINT_SITE && view_phases(d->dev) == 1 && d->dev->phase == 0;
}

static double planned(const struct work *w, int i, const struct room *r)
{
	return r->dir * work_power(w, i);
}

/* Where the device is now, in the room's direction: best estimate, worst, and least. */
static double estimate(const struct work_device *d, const struct room *r)
{
	return r->dir > 0 ? d->guess_high_w : -d->guess_low_w;
}

static double most(const struct work_device *d, const struct room *r)
{
	return r->dir > 0 ? d->high_w : -d->low_w;
}

static double least(const struct work_device *d, const struct room *r)
{
	return r->dir > 0 ? d->low_w : -d->high_w;
}

/* Takes @amount from one class of equals; returns what could not be taken. */
static double level(struct slice *s, int n, const bool *in_class, double amount)
{
	double have = 0, lo = 0, hi = 0;

	for (int k = 0; k < n; k++) {
		if (!in_class[k])
			continue;
		have += s[k].part * (s[k].w - s[k].floor_w);
		hi = double_max(hi, s[k].w);
	}
	if (have <= amount)
		hi = 0;
	for (int step = 0; step < 48 && hi - lo > 0.01; step++) {
		double mid = (lo + hi) / 2, taken = 0;

		for (int k = 0; k < n; k++)
			if (in_class[k])
				taken += s[k].part * (s[k].w - double_max(s[k].floor_w, double_min(s[k].w, mid)));
		if (taken >= amount)
			lo = mid;
		else
			hi = mid;
	}
	for (int k = 0; k < n; k++)
		if (in_class[k])
			s[k].w = double_max(s[k].floor_w, double_min(s[k].w, lo));
	return double_max(0, amount - have);
}

/* Is a served after b? Later ranks first to be cut, then smaller priorities. */
static bool weaker(const struct work_device *a, const struct work_device *b)
{
	return a->rank != b->rank ? a->rank > b->rank : a->dev->priority < b->dev->priority;
}

static void take(const struct work *w, struct slice *s, int n, double amount)
{
	bool done[DEVICE_MAX] = { false }, in_class[DEVICE_MAX];

	while (amount > 0.01) {
		int weakest = -1;

		for (int k = 0; k < n; k++)
			if (!done[k] && (weakest < 0 || weaker(&w->d[s[k].i], &w->d[s[weakest].i])))
				weakest = k;
		if (weakest < 0)
			return;
		for (int k = 0; k < n; k++) {
			in_class[k] = !done[k] && !weaker(&w->d[s[weakest].i], &w->d[s[k].i]);
			done[k] = done[k] || in_class[k];
		}
		amount = level(s, n, in_class, amount);
	}
}

/* The device that cannot run that low and is first to give way; -1 = none. */
static int below_minimum(const struct work *w, const struct slice *s, int n)
{
	int found = -1;

	for (int k = 0; k < n; k++) {
		if (s[k].dropped || s[k].w < 1 || s[k].w >= view_min_w(w->d[s[k].i].dev) - 0.5 || s[k].w >= s[k].was_w - 0.5)
			continue;
		if (found < 0 || !weaker(&w->d[s[found].i], &w->d[s[k].i]))
			found = k;
	}
	return found;
}

static void apply(struct work *w, const struct slice *s, int n, const struct room *r)
{
	for (int k = 0; k < n; k++) {
		struct work_device *d = &w->d[s[k].i];
		struct order *o = &d->order;

		if (s[k].w >= s[k].was_w - 0.5)
			continue;
		work_cut(d, r->by->rank, r->by->code, "%s: %.0f W of %.0f W left", r->by->why, s[k].w, s[k].was_w);
		if (o->kind != ORDER_BALANCE || !o->native)
			o->w = r->dir * s[k].w;
		else if (r->dir > 0)
			o->max_w = double_min(o->max_w, s[k].w);
		else
			o->min_w = double_max(o->min_w, -s[k].w);
	}
}

/* Cuts until the sum of what is counted fits. @rising: only increases beyond what was ordered before. */
static void fit(struct work *w, const struct room *r, bool rising)
{
	struct slice s[DEVICE_MAX];
	double other_w = r->dir * r->grid_w;
	int n = 0, drop;

	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double share = part(d, r->point), plan_w, now_w, before_w;

		if (!d->controlled || share <= 0)
			continue;
		plan_w = planned(w, i, r);
		now_w = rising ? least(d, r) : estimate(d, r);
		if (phase_unknown(d, r->point) && plan_w <= 0 && now_w <= 0 && plan_w <= now_w)
			continue;
		other_w -= share * now_w;
		before_w = r->dir * d->ordered_w;
		if (plan_w > 0 && (!rising || plan_w > double_max(most(d, r), before_w) + 0.5))
			s[n++] = (struct slice){ .i = i, .was_w = plan_w, .w = plan_w, .part = share,
						 .floor_w = rising ? double_max(0, double_max(most(d, r), before_w)) : 0 };
		else if (rising)
			other_w += share * double_max(plan_w, most(d, r));
		else
			other_w += share * double_min(double_max(plan_w, now_w), 0);
	}
	do {
		double sum_w = other_w;

		for (int k = 0; k < n; k++) {
			s[k].w = s[k].dropped ? s[k].floor_w : s[k].was_w;
			sum_w += s[k].part * s[k].w;
		}
		take(w, s, n, sum_w - r->limit_w);
		drop = below_minimum(w, s, n);
		if (drop >= 0)
			s[drop].dropped = true;
	} while (drop >= 0);
	apply(w, s, n, r);
}

/* How far the point stays above its limit when all do as ordered, W. */
static double excess(const struct work *w, const struct room *r)
{
	double sum_w = r->dir * r->grid_w;

	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];
		double now_w = estimate(d, r), plan_w = planned(w, i, r);

		if (d->controlled && !(phase_unknown(d, r->point) && plan_w <= now_w))
			sum_w += part(d, r->point) * (plan_w - now_w);
	}
	return sum_w - r->limit_w;
}

static bool supports(const struct work *w, int i, const struct room *r)
{
	const struct work_device *d = &w->d[i];
	const struct device_caps *caps = &d->dev->state.caps;

	return d->controlled && !d->charger && (d->rank >= RANK_EVENT || d->rank == RANK_LIMIT) && caps->can_power &&
	       (caps->guarded_by != GUARDED_NONE || d->dev->allow_unguarded) && part(d, r->point) > 0 && !phase_unknown(d, r->point) &&
	       d->power_band.min_w < work_power(w, i) - 1;
}

/* Support that still leaves the device charging is only a cut: whose order it is and how it is meant stay as they were. A
 * balance turned into a power would be charging by force, which no command that forbids import has asked for. */
static void give(struct work_device *d, const struct room *r, double power_w)
{
	if (power_w < 0) {
		d->order = (struct order){ .kind = ORDER_POWER, .w = power_w };
		d->rank = RANK_LIMIT;
		work_cut(d, r->by->rank, REASON_SUPPORT, "support with %.0f W for the %s", power_w, r->by->why);
		return;
	}
	work_cut(d, r->by->rank, r->by->code, "%s: %.0f W of %.0f W left", r->by->why, power_w, d->order.native ? d->order.max_w : d->order.w);
	if (d->order.native)
		d->order.max_w = double_min(d->order.max_w, power_w);
	else
		d->order.w = power_w;
}

/* Lowest rank first, within a rank by what each still can. */
static void support(struct work *w, const struct room *r, double need_w)
{
	for (int rank = RANK_SELF_USE; rank >= RANK_LIMIT && need_w > 0; rank--) {
		double can_w = 0, share;

		for (int i = 0; i < w->n; i++)
			if ((int)w->d[i].rank == rank && supports(w, i, r))
				can_w += part(&w->d[i], r->point) * (work_power(w, i) - w->d[i].power_band.min_w);
		if (can_w <= 0)
			continue;
		share = double_min(1, need_w / can_w);
		for (int i = 0; i < w->n; i++) {
			struct work_device *d = &w->d[i];
			double power_w = work_power(w, i);

			if ((int)d->rank != rank || !supports(w, i, r))
				continue;
			give(d, r, power_w - share * (power_w - d->power_band.min_w));
		}
		need_w -= share * can_w;
	}
}

static void native_watch(struct work *w, const struct room *r)
{
	int64_t *since_ms = &w->c->exceeded_ms[r->point];
	int64_t now_ms = w->s->now_ms;

	if (r->dir * r->grid_w <= r->limit_w + 50) {
		*since_ms = 0;
		return;
	}
	if (*since_ms == 0)
		*since_ms = now_ms;
	for (int i = 0; i < w->n; i++)
		if (now_ms - *since_ms > NATIVE_TRUST_MS && w->d[i].order.native)
			w->c->native_off_until_ms = now_ms + NATIVE_OFF_MS;
}

/* The tightest wish for one side of a point; false when there is none or the point is not measured. */
static bool room_find(const struct work *w, enum point point, double dir, struct room *r)
{
	const struct wishes *wishes = &w->c->wishes;

	*r = (struct room){ .point = point, .dir = dir, .limit_w = INFINITY };
	for (int i = 0; i < wishes->n_limits; i++) {
		const struct limit_wish *l = &wishes->limits[i];

		if (l->device >= 0 || l->point != point || (dir > 0 ? l->max_w : -l->min_w) >= r->limit_w)
			continue;
		r->limit_w = dir > 0 ? l->max_w : -l->min_w;
		r->by = l;
	}
	if (!r->by)
		return false;
	if (point == POINT_SITE) {
		r->grid_w = w->grid_w;
		return true;
	}
	return view_phase(w->s, (int)point - POINT_L1, &r->grid_w);
}

static void fit_side(struct work *w, double dir)
{
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++) {
		if (!room_find(w, (enum point)point, dir, &r))
			continue;
		fit(w, &r, false);
		fit(w, &r, true);
	}
}

static void support_all(struct work *w)
{
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++) {
		if (!room_find(w, (enum point)point, 1, &r))
			continue;
		native_watch(w, &r);
		if (excess(w, &r) > SLACK_W)
			support(w, &r, excess(w, &r));
	}
}

/* Support for one phase may export on another: the export side looks after it, and what that takes away is looked at once
 * more from the import side. */
void share_points(struct work *w)
{
	struct room r;

	if (!w->meter)
		return; /* the guard has taken what must be taken */
	fit_side(w, 1);
	support_all(w);
	fit_side(w, -1);
	fit_side(w, 1);
	for (int point = POINT_SITE; point < POINT_COUNT; point++)
		for (double dir = 1; dir >= -1; dir -= 2)
			if (room_find(w, (enum point)point, dir, &r) && excess(w, &r) > SLACK_W)
				w->unreachable_w = double_max(w->unreachable_w, excess(w, &r));
}
