/* Each point's headroom over all devices: limit minus what is not ours. Two looks at each side of each point. First, what
 * all want: by the best estimate it must fit, or it is cut, from the lowest rank up, equal within a rank, and powers below
 * a device's minimum become 0 and leave their room to others. Second, new increases: they must fit even if everything that
 * still moves counts with the worse of ordered and measured, else they wait. (The other way round, a car that charges would
 * keep a higher rank's new order out for ever.) What import still lacks then, batteries give as support. */
#include "policies/work.h"

#include <math.h>
#include <string.h>

#define EXCEEDED_W 50.0
#define TRUST_MS 5000          /* devices have this long to do what keeps a limit */
#define START_SPARE_A 0.5      /* room beyond the minimum before another car starts: else noise makes it come and go */

struct slice {
	int i;
	double told_w;   /* as its order stands */
	double was_w, w, floor_w, part; /* what it asks for, at least as much; what it gets */
	double least_w;  /* it cannot run below */
	double spare_w;  /* room it needs beyond what it will take */
	double unit_w;   /* equals are levelled in these: watts, or amperes */
	bool dropped;
};

/* Share of the device's power that passes the point. Nobody says on which phase a single-phase device sits: it counts on
 * each, but its discharge is no relief that could be counted on. */
double share_part(const struct work_device *d, enum point point)
{
	if (point == POINT_SITE)
		return 1;
	if (view_phases(d->dev) == 3)
		return 1.0 / 3;
	return d->phase == 0 || d->phase == (int)point ? 1 : 0;
}

static bool phase_unknown(const struct work_device *d, enum point point)
{
	return point != POINT_SITE && view_phases(d->dev) == 1 && d->phase == 0;
}

/* A device that does less than it is told: its order counts where it is too much, what it does where it is relief. */
static double planned(const struct work *w, int i, const struct room *r)
{
	const struct work_device *d = &w->d[i];
	double power_w = r->dir * work_power(w, i);

	return d->charger || d->order.native ? power_w : double_max(power_w, r->dir * d->order.w);
}

static bool exceeded(const struct room *r)
{
	return r->dir * r->grid_w > r->limit_w + EXCEEDED_W;
}

/* Where the device is now, in the room's direction: best estimate, worst, and least. Beyond a limit no more is still to come of a
 * car's cuts than its own readings leave: each small one would hide anew that those before have come. (Batteries' windows are
 * learned; a car's never are.) */
static double estimate(const struct work_device *d, const struct room *r)
{
	if (d->known && r->overdue)
		return r->dir * d->now_w; /* the guess was wrong */
	if (r->dir < 0)
		return -d->guess_low_w;
	return exceeded(r) ? double_min(d->guess_high_w, d->read_high_w) : d->guess_high_w;
}

static double most(const struct work_device *d, const struct room *r)
{
	return r->dir > 0 ? d->high_w : -d->low_w;
}

static double least(const struct work_device *d, const struct room *r)
{
	return r->dir > 0 ? d->low_w : -d->high_w;
}

static double lowered(const struct slice *s, double level)
{
	return double_max(s->floor_w, double_min(s->w, level * s->unit_w));
}

/* Takes @amount from one class of equals; returns what could not be taken. */
static double level(struct slice *s, int n, const bool *in_class, double amount)
{
	double have = 0, lo = 0, hi = 0;

	for (int k = 0; k < n; k++) {
		if (!in_class[k])
			continue;
		have += s[k].part * (s[k].w - s[k].floor_w);
		hi = double_max(hi, s[k].w / s[k].unit_w);
	}
	if (have <= amount)
		hi = 0;
	for (int step = 0; step < 48; step++) {
		double mid = (lo + hi) / 2, taken = 0;

		for (int k = 0; k < n; k++)
			if (in_class[k])
				taken += s[k].part * (s[k].w - lowered(&s[k], mid));
		if (taken >= amount)
			lo = mid;
		else
			hi = mid;
	}
	for (int k = 0; k < n; k++)
		if (in_class[k])
			s[k].w = lowered(&s[k], lo);
	return double_max(0, amount - have);
}

/* Is a served after b? Later ranks first to be cut, then smaller priorities, then who leaves later. */
static bool weaker(const struct work_device *a, const struct work_device *b)
{
	if (a->rank != b->rank)
		return a->rank > b->rank;
	return a->priority != b->priority ? a->priority < b->priority : a->departure_ms > b->departure_ms;
}

/* Of two that cannot both run: does a give way? Equal cars take turns, else the last in the list does. */
static bool gives_way(const struct work *w, const struct work_device *a, const struct work_device *b)
{
	if (weaker(a, b) || weaker(b, a))
		return weaker(a, b);
	return !car_turn_yields(&b->memory->turn, &a->memory->turn, w->s->now_ms);
}

static double take(const struct work *w, struct slice *s, int n, double amount)
{
	bool done[DEVICE_MAX] = { false }, in_class[DEVICE_MAX];

	while (amount > 0.01) {
		int weakest = -1;

		for (int k = 0; k < n; k++)
			if (!done[k] && (weakest < 0 || weaker(&w->d[s[k].i], &w->d[s[weakest].i])))
				weakest = k;
		if (weakest < 0)
			break;
		for (int k = 0; k < n; k++) {
			in_class[k] = !done[k] && !weaker(&w->d[s[weakest].i], &w->d[s[k].i]);
			done[k] = done[k] || in_class[k];
		}
		amount = level(s, n, in_class, amount);
	}
	return double_max(0, amount);
}

static bool is_low(const struct slice *s)
{
	return !s->dropped && s->w < s->least_w - 0.5 && s->w < s->was_w - 0.5;
}

/* Of the devices that cannot run that low, the last to give way; -1 = none. */
static int below_minimum(const struct work *w, const struct slice *s, int n)
{
	int found = -1;

	for (int k = 0; k < n; k++)
		if (is_low(&s[k]) && (found < 0 || !gives_way(w, &w->d[s[k].i], &w->d[s[found].i])))
			found = k;
	return found;
}

/* What all get where there is @limit_w for them. Returns what could not be taken. */
static double deal(const struct work *w, struct slice *s, int n, double limit_w)
{
	double sum_w = 0;

	for (int k = 0; k < n; k++) {
		s[k].w = s[k].dropped ? s[k].floor_w : s[k].was_w;
		sum_w += s[k].part * s[k].w;
	}
	return take(w, s, n, sum_w - limit_w);
}

/* Equals give a device its minimum if they can; who comes before it gives nothing, and nobody is stopped for it out of turn. */
static bool pin(const struct work *w, struct slice *s, int n, int k, double limit_w)
{
	struct slice trial[DEVICE_MAX];

	memcpy(trial, s, sizeof(s[0]) * (size_t)n);
	trial[k].floor_w = s[k].least_w;
	if (deal(w, trial, n, limit_w) > 0.01)
		return false;
	for (int j = 0; j < n; j++) {
		const struct work_device *me = &w->d[s[k].i], *other = &w->d[s[j].i];

		if ((weaker(me, other) && trial[j].w < s[j].w - 0.5) || (is_low(&trial[j]) && !is_low(&s[j]) && gives_way(w, me, other)))
			return false;
	}
	memcpy(s, trial, sizeof(s[0]) * (size_t)n);
	return true;
}

/* Down to @limit_w; powers below a device's minimum become that, or 0. */
static void settle(const struct work *w, struct slice *s, int n, double limit_w)
{
	int low;

	deal(w, s, n, limit_w);
	while ((low = below_minimum(w, s, n)) >= 0) {
		if (pin(w, s, n, low, limit_w))
			continue;
		s[low].dropped = true; /* all who come after it have given what they can, and may still run where it cannot */
		deal(w, s, n, limit_w);
	}
}

static void apply(struct work *w, const struct slice *s, int n, const struct room *r)
{
	for (int k = 0; k < n; k++) {
		struct work_device *d = &w->d[s[k].i];
		struct order *o = &d->order;
		double left_w = double_max(s[k].floor_w, s[k].w - s[k].spare_w);

		if (left_w >= s[k].told_w - 0.5)
			continue;
		d->spent = d->spent || r->dir < 0;
		work_cut(d, r->by->rank, r->by->code, "%s: %.0f W left instead of %.0f W", r->by->why, left_w, s[k].told_w);
		d->cut_name_n = (int)strlen(r->by->why);
		if (o->kind != ORDER_BALANCE || !o->native)
			o->w = r->dir * left_w;
		else if (r->dir > 0)
			o->max_w = double_min(o->max_w, left_w);
		else
			o->min_w = double_max(o->min_w, -left_w);
	}
}

/* What the device takes of what it is told, in the room's direction. A car that was seen to draw more will draw more; one that
 * was told to pause is believed until it is seen to go on. (What batteries make of their orders work_power knows.) */
static double takes(const struct work_device *d, const struct room *r, double plan_w)
{
	if (d->idle)
		return 0;
	if (!d->charger || r->dir < 0)
		return plan_w;
	if (plan_w > 0)
		return plan_w * habits_over(d);
	return d->ordered_w > 0 ? 0 : d->memory->stuck_w;
}

/* A car that stands still needs a little more than its minimum to start; where the limit itself is hardly more, half of that, or it
 * would never start. (Below a lower limit it can only on the sun.) */
static double spare_w(const struct work_device *d, const struct room *r, double share)
{
	double most_w = view_amps_to_w(d->dev, START_SPARE_A), beyond_w = r->limit_w / (share * habits_over(d)) - view_min_w(d->dev);

	if (!d->charger || d->ordered_w > 0)
		return 0;
	return beyond_w < 0 ? most_w : double_min(most_w, beyond_w / 2);
}

/* A car waits a moment for its next step. */
static bool claimed(const struct work *w, const struct room *r)
{
	for (int i = 0; r->dir > 0 && i < w->n; i++)
		if (w->d[i].claim_w > 0 && share_part(&w->d[i], r->point) > 0)
			return true;
	return false;
}

/* More than that is an increase: what it was told, or what it may still be at from before. While the meter is beyond the limit,
 * whatever is believed to be on its way, only what it was told; and while a car waits, else what was taken for its last step would
 * come back until the next. */
static double kept_w(const struct work *w, const struct work_device *d, const struct room *r)
{
	const struct order *o = &d->dev->ordered;
	bool told = o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);
	double told_w = r->dir * d->ordered_w;

	if (!told || !(exceeded(r) || (claimed(w, r) && d->claim_w == 0)))
		told_w = double_max(told_w, most(d, r) / habits_over(d));
	return double_max(0, told_w);
}

static struct slice slice_of(const struct work *w, int i, double plan_w, double floor_w, double share, double spare)
{
	const struct work_device *d = &w->d[i];

	return (struct slice){ .i = i, .told_w = plan_w, .was_w = plan_w + spare, .part = share * habits_over(d), .floor_w = floor_w,
			       .least_w = view_min_w(d->dev) + spare, .spare_w = spare,
			       .unit_w = w->s->site.car_share == CAR_SHARE_EQUAL ? view_amps_to_w(d->dev, 1) : 1 };
}

/* A car that has not drawn for minutes keeps its minimum, so that it may begin at any time, where that fits as if the others were
 * not there; and they get the room it does not use. When it begins it is a load that comes on. */
static struct slice idle_slice(struct work *w, int i, const struct room *r, double share)
{
	struct work_device *d = &w->d[i];
	double least_w = view_min_w(d->dev);

	if (d->order.w > least_w + 0.5) {
		work_cut(d, r->by->rank, r->by->code, "%s: %.0f W until the car draws", r->by->why, least_w);
		d->cut_name_n = (int)strlen(r->by->why);
		d->order.w = least_w;
	}
	return slice_of(w, i, d->order.w, 0, share, 0);
}

/* Cuts until the sum of what is counted fits. @rising: only increases beyond what was ordered before. A car's spare room is
 * asked for once: others that make room for it never leave more than that, and with the worst of them it would wait for ever. */
static void fit(struct work *w, const struct room *r, bool rising)
{
	struct slice s[DEVICE_MAX], idle[DEVICE_MAX];
	double other_w = rising && exceeded(r) ? INFINITY : r->dir * r->grid_w;
	int n = 0, n_idle = 0;

	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double share = share_part(d, r->point), plan_w, ask_w, now_w, floor_w;

		if (!d->controlled || share <= 0)
			continue;
		plan_w = planned(w, i, r);
		if (d->idle) {
			if (plan_w > 0 && !rising)
				idle[n_idle++] = idle_slice(w, i, r, share);
			continue;
		}
		now_w = rising ? least(d, r) : estimate(d, r);
		other_w -= share * now_w;
		floor_w = rising ? kept_w(w, d, r) : 0;
		ask_w = rising ? double_max(plan_w, d->claim_w) : plan_w;
		if (plan_w > 0 && (!rising || ask_w > floor_w + 0.5)) {
			s[n] = slice_of(w, i, ask_w, floor_w, share, rising ? 0 : spare_w(d, r, share));
			s[n++].told_w = plan_w;
		} else if (rising) {
			other_w += share * double_max(takes(d, r, plan_w), most(d, r));
		} else {
			other_w += share * (plan_w == 0 ? takes(d, r, 0) : double_max(plan_w, double_min(now_w, 0)));
		}
	}
	settle(w, s, n, r->limit_w - other_w);
	apply(w, s, n, r);
	settle(w, idle, n_idle, r->limit_w - other_w);
	apply(w, idle, n_idle, r);
}

/* Without a meter: what cars alone are told may not exceed a limit, whatever the house takes beside them. */
static void fit_blind(struct work *w, const struct room *r)
{
	struct slice s[DEVICE_MAX];
	double other_w = 0;
	int n = 0;

	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];
		double share = share_part(d, r->point);

		if (!d->charger || share <= 0)
			continue;
		if (d->controlled && d->order.w > 0)
			s[n++] = slice_of(w, i, d->order.w, 0, share, spare_w(d, r, share));
		else
			other_w += share * (d->controlled ? takes(d, r, 0) : d->now_w);
	}
	settle(w, s, n, r->limit_w - other_w);
	apply(w, s, n, r);
	if (other_w - r->limit_w > SLACK_W)
		w->unreachable_w = double_max(w->unreachable_w, other_w - r->limit_w);
}

double share_excess(const struct work *w, const struct room *r)
{
	double sum_w = r->dir * r->grid_w;

	for (int i = 0; i < w->n; i++) {
		const struct work_device *d = &w->d[i];
		double now_w = estimate(d, r), plan_w = planned(w, i, r);

		plan_w = takes(d, r, plan_w);
		if (r->proven)
			plan_w = double_max(plan_w, now_w);
		if (d->pv && !phase_unknown(d, r->point))
			sum_w += r->dir * share_part(d, r->point) * d->relief_w;
		if (d->controlled && !(phase_unknown(d, r->point) && plan_w <= now_w))
			sum_w += share_part(d, r->point) * (plan_w - now_w);
	}
	return sum_w - r->limit_w;
}

/* What the device may be told, as far as it then does it. */
static double lowest_w(const struct work_device *d)
{
	return response_effect_soon(&d->memory->response, d->power_band.min_w);
}

static bool supports(const struct work *w, int i, const struct room *r)
{
	const struct work_device *d = &w->d[i];
	const struct device_caps *caps = &d->dev->state.caps;

	return d->controlled && !d->charger && !d->spent && caps->can_power &&
	       (caps->guarded_by != GUARDED_NONE || d->dev->allow_unguarded) && share_part(d, r->point) > 0 && !phase_unknown(d, r->point) &&
	       lowest_w(d) < work_power(w, i) - 1;
}

static void support_order(struct work_device *d, const struct room *r, double order_w)
{
	d->order = (struct order){ .kind = ORDER_POWER, .w = double_max(d->power_band.min_w, order_w) };
	d->rank = RANK_LIMIT;
	work_cut(d, r->by->rank, REASON_SUPPORT, "support for the %s", r->by->why);
}

/* Support that still leaves the device charging is only a cut: whose order it is and how it is meant stay as they were. A
 * balance turned into a power would be charging by force, which no command that forbids import has asked for. */
static void give(struct work_device *d, const struct room *r, double power_w)
{
	if (power_w < 0) {
		support_order(d, r, response_order(&d->memory->response, power_w));
		return;
	}
	work_cut(d, r->by->rank, r->by->code, "%s: %.0f W left instead of %.0f W", r->by->why, power_w, d->order.native ? d->order.max_w : d->order.w);
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
				can_w += share_part(&w->d[i], r->point) * (work_power(w, i) - lowest_w(&w->d[i]));
		if (can_w <= 0)
			continue;
		share = double_min(1, need_w / can_w);
		for (int i = 0; i < w->n; i++) {
			struct work_device *d = &w->d[i];
			double power_w = work_power(w, i);

			if ((int)d->rank != rank || !supports(w, i, r))
				continue;
			power_w -= share * (power_w - lowest_w(d));
			give(d, r, power_w);
		}
		need_w -= share * can_w;
	}
}

/* While the meter is beyond the limit nobody gives less than it was told, whatever is believed to be on its way. */
static void support_keep(struct work *w, const struct room *r)
{
	for (int i = 0; exceeded(r) && i < w->n; i++) {
		struct work_device *d = &w->d[i];
		double told_w = double_max(d->power_band.min_w, d->ordered_w);

		if (d->rank >= RANK_LIMIT && supports(w, i, r) && told_w < 0 &&
		    response_effect_soon(&d->memory->response, told_w) < work_power(w, i) - 1)
			support_order(d, r, told_w);
	}
}

static int64_t slowest_ms(const struct work *w)
{
	int64_t slowest = 0;

	for (int i = 0; i < w->n; i++)
		if ((w->d[i].controlled || w->d[i].pv) && view_settle_ms(w->d[i].dev) > slowest)
			slowest = view_settle_ms(w->d[i].dev);
	return slowest;
}

bool share_room(const struct work *w, enum point point, double dir, struct room *r)
{
	const struct wishes *wishes = &w->c->wishes;
	int64_t since_ms;

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
	since_ms = w->c->exceeded_ms[point][dir < 0];
	r->proven = dir < 0 && since_ms && w->s->now_ms - since_ms > TRUST_MS;
	r->overdue = since_ms && w->s->now_ms - since_ms > TRUST_MS + 2 * slowest_ms(w);
	if (point == POINT_SITE) {
		r->grid_w = w->grid_w;
		return true;
	}
	return view_phase(w->s, (int)point - POINT_L1, &r->grid_w);
}

/* What devices promised has not come: import is kept by our loop then, and no promise of less export is believed. */
static void exceeded_watch(struct work *w)
{
	int64_t now_ms = w->s->now_ms;
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++)
		for (double dir = 1; dir >= -1; dir -= 2) {
			int64_t *since_ms = &w->c->exceeded_ms[point][dir < 0];
			bool found = share_room(w, (enum point)point, dir, &r);

			if (!found || !exceeded(&r))
				*since_ms = 0;
			else if (*since_ms == 0)
				*since_ms = now_ms;
			for (int i = 0; i < w->n; i++)
				if (dir > 0 && *since_ms && w->d[i].order.native && (now_ms - *since_ms > TRUST_MS || w->d[i].memory->native.stands))
					w->c->native_off_until_ms = now_ms + NATIVE_OFF_MS;
		}
}

/* Of what goes out the site comes last: what a phase takes off need not be taken off for it. */
static void fit_side(struct work *w, double dir)
{
	struct room r;

	for (int n = 0; n < POINT_COUNT; n++) {
		if (!share_room(w, (enum point)(dir > 0 ? n : POINT_COUNT - 1 - n), dir, &r))
			continue;
		fit(w, &r, false);
		fit(w, &r, true);
	}
}

/* The guard has taken what must be taken; what is left of it are cars. */
static void share_blind(struct work *w)
{
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++)
		if (share_room(w, (enum point)point, 1, &r))
			fit_blind(w, &r);
}

static void support_all(struct work *w)
{
	struct room r;

	for (int point = POINT_SITE; point < POINT_COUNT; point++) {
		if (!share_room(w, (enum point)point, 1, &r))
			continue;
		if (share_excess(w, &r) > SLACK_W)
			support(w, &r, share_excess(w, &r));
		support_keep(w, &r);
	}
}

static int spent_count(const struct work *w)
{
	int n = 0;

	for (int i = 0; i < w->n; i++)
		n += w->d[i].spent;
	return n;
}

/* Support for one phase may export on another: the export side looks after it; what that takes away others give who still can, and
 * what is left of it is looked at once more from the import side, as long as somebody new was cut. */
void share_points(struct work *w)
{
	struct room r;

	habits_learn(w);
	if (!w->meter) {
		share_blind(w);
		return;
	}
	exceeded_watch(w);
	fit_side(w, 1);
	for (int round = 0, spent = 0, before = -1; round < 2 || spent > before; round++) { /* at most once more for each battery */
		before = spent;
		support_all(w);
		fit_side(w, -1);
		spent = spent_count(w);
	}
	curtail_points(w);
	fit_side(w, 1);
	for (int point = POINT_SITE; point < POINT_COUNT; point++)
		for (double dir = 1; dir >= -1; dir -= 2) {
			double left_w;

			if (!share_room(w, (enum point)point, dir, &r))
				continue;
			left_w = r.overdue ? dir * r.grid_w - r.limit_w : share_excess(w, &r);
			if (left_w > SLACK_W)
				w->unreachable_w = double_max(w->unreachable_w, left_w);
		}
}
