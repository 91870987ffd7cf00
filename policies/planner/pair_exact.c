/* The battery around a given car without envelopes: the cost to go as it is, bends, jumps and all, so that the plan and
 * the bound meet also where slots are not convex. Ripples too small to matter are smoothed from below, which keeps the
 * number of segments small and the bound true. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MEAN 12      /* of a boundary, and 3000 besides: more, and the envelopes have to do */
#define SEGMENTS_MEAN_LONG 60 /* of plans longer than a hub's: a week of minutes with prices below zero needs them */
#define LONG_SLOTS 1000
#define SAME_KWH 1e-9
#define REST_KW 1e-10
#define ASIDE_KWH 1e-6 /* rounding must not close the corridor */

struct exact {
	const struct pair *pair;
	double eps, mu;
	double *low, *high;     /* slots + 1: stored energy a schedule that is still of interest can have */
	struct curve kept;      /* all rows, last boundary first */
	int *first;             /* slots + 2: row t is first[t + 1] .. first[t] */
	struct curve slot, next, row, other, spare;
};

static bool soft(const struct pair *p)
{
	return !isnan(p->floor_price);
}

static double lowest_all(const struct pair *p, int t)
{
	return t == 0 ? 0 : soft(p) ? p->least_kwh[t] : p->floor_kwh[t];
}

static double lowest(const struct exact *x, int t)
{
	return fmax(lowest_all(x->pair, t), x->low[t]);
}

static double highest(const struct exact *x, int t)
{
	return fmin(x->pair->capacity_kwh, x->high[t]);
}

/* What a schedule needs at least from the start to boundary t, against what it needs from there: between which amounts
 * of stored energy both together stay below @limit. @f is mirrored: energy counts down from the capacity. */
static void corridor_at(struct exact *x, const struct togo *f, int t, double limit)
{
	const struct pair *p = x->pair;
	const struct togo_row *a = &p->go.row[t], *b = &f->row[p->slots - t];
	const struct togo_segment *v = p->go.segment + a->first, *w = f->segment + b->first;
	double from = fmax(a->low_kwh, p->capacity_kwh - togo_high(f, p->slots - t));
	double to = fmin(togo_high(&p->go, t), p->capacity_kwh - b->low_kwh), at = from;
	double value = togo_at(&p->go, t, from) + togo_at(f, p->slots - t, p->capacity_kwh - from);
	double v_end = a->low_kwh, w_end = p->capacity_kwh - togo_high(f, p->slots - t);
	int i = 0, k = b->n - 1;

	x->low[t] = INFINITY;
	x->high[t] = -INFINITY;
	if (value <= limit)
		x->low[t] = x->high[t] = from;
	while (at < to - SAME_KWH) {
		double next, slope, then;

		while (i < a->n && v_end + v[i].len_kwh <= at + 1e-12)
			v_end += v[i++].len_kwh;
		while (k >= 0 && w_end + w[k].len_kwh <= at + 1e-12)
			w_end += w[k--].len_kwh;
		if (i >= a->n || k < 0)
			break;
		next = fmin(to, fmin(v_end + v[i].len_kwh, w_end + w[k].len_kwh));
		slope = v[i].slope - w[k].slope;
		then = value + slope * (next - at);
		if (value > limit && then <= limit)
			x->low[t] = at + (limit - value) / slope;
		if (then <= limit)
			x->high[t] = next;
		else if (value <= limit)
			x->high[t] = at + (limit - value) / slope;
		at = next;
		value = then;
	}
}

/* p->go must hold the cost to go of the envelopes at x->mu. */
static int corridor(struct exact *x, double limit)
{
	const struct pair *p = x->pair;
	double start = p->capacity_kwh - p->soc_kwh;
	struct togo_cut cut = { start, start, 0, 0 };
	struct togo f;
	int n = p->slots, rc;

	for (int t = 0; t <= n; t++) {
		x->low[t] = 0;
		x->high[t] = p->capacity_kwh;
	}
	if (isinf(limit) || togo_init(&f, n))
		return 0;
	rc = togo_end(&f, 0, &cut);
	for (int t = 0; t < n && !rc; t++) {
		cut.low_kwh = 0;
		cut.high_kwh = p->capacity_kwh - lowest_all(p, t + 1);
		rc = togo_step(&f, n - 1 - t, p->point + p->row[t].first, p->row[t].n, &cut);
	}
	for (int t = 0; t <= n && !rc; t++) {
		corridor_at(x, &f, t, limit);
		x->low[t] -= ASIDE_KWH;
		x->high[t] += ASIDE_KWH;
	}
	togo_deinit(&f);
	return rc;
}

static int store(struct exact *x, int t)
{
	const struct curve *c = &x->row;
	int most = 3000 + (x->pair->slots > LONG_SLOTS ? SEGMENTS_MEAN_LONG : SEGMENTS_MEAN) * x->pair->slots;

	if (c->n == 0)
		return -EDOM;
	if (x->kept.n + c->n > most)
		return -E2BIG;
	if (x->kept.n + c->n > x->kept.room) {
		int room = x->kept.room + x->kept.room / 2 + c->n;
		struct curve_segment *bigger;

		room = room < most ? room : most;
		bigger = realloc(x->kept.s, (size_t)room * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		x->kept.s = bigger;
		x->kept.room = room;
	}
	memcpy(x->kept.s + x->kept.n, c->s, (size_t)c->n * sizeof(*c->s));
	x->first[t + 1] = x->kept.n;
	x->kept.n += c->n;
	x->first[t] = x->kept.n;
	return 0;
}

static struct curve row_at(const struct exact *x, int t)
{
	return (struct curve){ x->kept.s + x->first[t + 1], x->first[t] - x->first[t + 1], 0 };
}

static int copy(const struct curve *from, struct curve *to)
{
	int rc = 0;

	to->n = 0;
	for (int i = 0; i < from->n && !rc; i++)
		rc = curve_add(to, from->s[i]);
	return rc;
}

static void swap(struct curve *a, struct curve *b)
{
	struct curve c = *a;

	*a = *b;
	*b = c;
}

static int cost_of(struct exact *x, const struct slot *s)
{
	struct curve spare[2] = { x->other, x->spare };
	int rc = s->answer.free ? slot_curve_joint(s, &x->slot, spare)
		 : s->car_free  ? slot_curve_free(s, x->mu, &x->slot, spare)
				: slot_curve(s, &x->slot);

	x->other = spare[0];
	x->spare = spare[1];
	return rc;
}

/* x->row becomes the lower of itself and @also. */
static int lower(struct exact *x, const struct curve *also)
{
	int rc = curve_lower(&x->row, also, &x->spare);

	swap(&x->row, &x->spare);
	return rc;
}

/* Adds the price of a soft floor to the boundary's cost. */
static int price_floor(struct exact *x, int t)
{
	const struct pair *p = x->pair;
	double price = t > 0 && soft(p) ? p->floor_price * p->slot[t - 1].dt_h : 0, at = p->floor_kwh[t];
	int rc = 0;

	if (price <= 0)
		return 0;
	x->other.n = 0;
	for (int i = 0; i < x->row.n && !rc; i++) {
		struct curve_segment s = x->row.s[i], low = s;
		bool crosses = s.from < at - SAME_KWH && s.to > at + SAME_KWH;

		if (crosses) {
			double v = s.first + (s.last - s.first) * ((at - s.from) / (s.to - s.from));

			low.to = s.from = at;
			low.last = s.first = v;
		}
		if (low.from < at - SAME_KWH || low.to < at) {
			low.first += price * fmax(0, at - low.from);
			low.last += price * fmax(0, at - low.to);
		}
		rc = curve_add(&x->other, low);
		if (crosses && !rc)
			rc = curve_add(&x->other, s);
	}
	swap(&x->row, &x->other);
	return rc;
}

/* f reversed from @edge on: from s the store moves to the edge. */
static int to_edge(struct exact *x, int t, double edge, double value)
{
	struct curve end = { &(struct curve_segment){ edge, edge, value, value, 0 }, 1, 0 };
	double range[2] = { lowest(x, t), highest(x, t) };

	x->other.n = 0;
	if (isinf(value))
		return 0;
	return curve_step(&x->slot, &end, range, &x->other, &x->spare);
}

/* An order moves the store by so much, or to its end. x->slot holds the cost between rest and the order. */
static int ordered(struct exact *x, int t)
{
	const struct pair *p = x->pair;
	const struct slot *s = &p->slot[t];
	double e, d = slot_delta(s, s->fixed_kw), cost = slot_best(s, s->fixed_kw, x->mu, &e) + s->missed_cost;
	double edge = s->due_kw > 0 ? p->capacity_kwh : p->floor_kwh[t + 1], value = curve_at(&x->next, edge);
	struct curve move = { &(struct curve_segment){ d, d, cost, cost, 0 }, 1, 0 };
	double range[2] = { lowest(x, t), highest(x, t) };
	int rc;

	if (s->due_kw < 0)
		range[0] = fmax(range[0], edge - d);
	else if (s->due_kw > 0)
		range[1] = fmin(range[1], edge - d);
	x->row.n = 0;
	rc = isinf(cost) || range[0] > range[1] ? 0 : curve_step(&move, &x->next, range, &x->row, &x->spare);
	if (!rc && s->due_kw != 0)
		rc = to_edge(x, t, edge, value);
	if (!rc && s->due_kw != 0)
		rc = lower(x, &x->other);
	if (!rc && s->due_kw < 0 && soft(p)) { /* below the floor it rests */
		struct curve rest = { &(struct curve_segment){ 0, 0, 0, 0, 0 }, 1, 0 };

		range[0] = lowest(x, t);
		range[1] = fmin(edge, highest(x, t));
		rest.s->first = rest.s->last = slot_best(s, 0, x->mu, &e);
		x->other.n = 0;
		rc = isinf(rest.s->first) ? 0 : curve_step(&rest, &x->next, range, &x->other, &x->spare);
		rc = rc ? rc : lower(x, &x->other);
	}
	return rc;
}

/* One step back: x->next is the row behind, x->row the result. */
static int step(struct exact *x, int t)
{
	const struct pair *p = x->pair;
	struct slot s = p->slot[t];
	double range[2] = { lowest(x, t), highest(x, t) }, all = p->capacity_kwh + 1;
	int rc;

	if (!isnan(s.fixed_kw)) {
		s.battery_min_kw = fmin(s.fixed_kw, 0);
		s.battery_max_kw = fmax(s.fixed_kw, 0);
	}
	rc = cost_of(x, &s);
	if (rc || x->slot.n == 0)
		return rc ? rc : -EDOM;
	if (!isnan(s.fixed_kw)) {
		rc = ordered(x, t);
	} else if (soft(p)) { /* above the floor anything, below it no discharge */
		rc = copy(&x->next, &x->other);
		if (rc)
			return rc;
		curve_cut(&x->other, p->floor_kwh[t + 1], all);
		rc = curve_step(&x->slot, &x->other, range, &x->row, &x->spare);
		if (!rc && p->least_kwh[t + 1] < p->floor_kwh[t + 1]) {
			curve_cut(&x->slot, 0, all);
			curve_cut(&x->next, 0, p->floor_kwh[t + 1]);
			rc = curve_step(&x->slot, &x->next, range, &x->other, &x->spare);
			rc = rc ? rc : lower(x, &x->other);
		}
	} else {
		rc = curve_step(&x->slot, &x->next, range, &x->row, &x->spare);
	}
	return rc;
}

static int sweep(struct exact *x)
{
	const struct pair *p = x->pair;
	double low = lowest(x, p->slots), high = highest(x, p->slots);
	int rc;

	if (low > high + SAME_KWH)
		return -EDOM;
	low = fmin(low, high);
	x->first[p->slots + 1] = 0;
	rc = curve_add(&x->row, (struct curve_segment){ low, high, -p->worth * low, -p->worth * high, 0 });
	for (int t = p->slots; !rc; t--) {
		rc = price_floor(x, t);
		if (rc)
			break;
		curve_smooth(&x->row, x->eps);
		rc = store(x, t);
		if (rc || t == 0)
			break;
		if (p->expired && (t & 15) == 15 && p->expired(p->context))
			return -ETIME;
		swap(&x->row, &x->next);
		rc = step(x, t - 1);
	}
	return rc;
}

struct choice {
	double d, cost;
};

static void consider(const struct exact *x, int t, double soc, double d, struct choice *best)
{
	const struct pair *p = x->pair;
	const struct slot *s = &p->slot[t];
	struct curve next = row_at(x, t + 1);
	double b = slot_power(s, d), togo = curve_at(&next, soc + d), c, e;

	b = fabs(b) < REST_KW ? 0 : b;
	if (isinf(togo) || b > s->battery_max_kw + SAME_KWH || b < s->battery_min_kw - SAME_KWH)
		return;
	if (soft(p) && d < -SAME_KWH && soc + d < p->floor_kwh[t + 1] - SAME_KWH)
		return;
	b = fmin(fmax(b, s->battery_min_kw), s->battery_max_kw);
	c = (s->answer.free ? curve_at(&x->slot, d) : slot_best(s, b, x->mu, &e)) + togo;
	if (c < best->cost - 1e-12 || (c <= best->cost + 1e-12 && fabs(d) < fabs(best->d)))
		*best = (struct choice){ d, c };
}

static double decide(struct exact *x, int t, double soc)
{
	const struct pair *p = x->pair;
	const struct slot *s = &p->slot[t];
	struct curve next = row_at(x, t + 1);
	struct choice best = { 0, INFINITY };

	if (!isnan(s->fixed_kw)) {
		double low = fmin(0, p->floor_kwh[t + 1] - soc), d = slot_delta(s, s->fixed_kw);

		return fmin(d < 0 ? fmax(d, low) : d, fmax(0, p->capacity_kwh - soc));
	}
	if (cost_of(x, s))
		return NAN;
	for (int i = 0; i < x->slot.n; i++) {
		consider(x, t, soc, x->slot.s[i].from, &best);
		consider(x, t, soc, x->slot.s[i].to, &best);
	}
	for (int i = 0; i < next.n; i++) {
		consider(x, t, soc, next.s[i].from - soc, &best);
		consider(x, t, soc, next.s[i].to - soc, &best);
	}
	if (soft(p)) { /* at the floor discharging ends, below it the store rests: no bends of the slot where nothing is lost */
		consider(x, t, soc, p->floor_kwh[t + 1] - soc, &best);
		consider(x, t, soc, 0, &best);
	}
	return isinf(best.cost) ? NAN : best.d;
}

static double walk(struct exact *x, double *b_kw, double *e_kw)
{
	const struct pair *p = x->pair;
	double soc = p->soc_kwh, cost = 0;

	for (int t = 0; t < p->slots; t++) {
		const struct slot *s = &p->slot[t];
		double b = slot_power(s, decide(x, t, soc)), e;

		if (isnan(b))
			return INFINITY;
		b = fabs(b) < REST_KW ? 0 : fmin(fmax(b, s->battery_min_kw), s->battery_max_kw);
		soc = fmin(fmax(soc + slot_delta(s, b), 0), p->capacity_kwh);
		slot_best(s, b, x->mu, &e);
		cost += slot_cost(s, b, e, NULL) - slot_import_on(s, b, e) + pair_order_missed(p, t, soc);
		if (soft(p))
			cost += p->floor_price * s->dt_h * fmax(0, p->floor_kwh[t + 1] - soc);
		b_kw[t] = b;
		e_kw[t] = e;
	}
	return cost - p->worth * soc;
}

int pair_exact(const struct pair *p, double mu, double eps, double limit, struct pair_exact *out)
{
	struct exact x = { .pair = p, .mu = mu, .eps = eps };
	int rc;

	x.first = calloc((size_t)p->slots + 2, sizeof(*x.first));
	x.low = malloc(((size_t)p->slots + 1) * 2 * sizeof(double));
	x.high = x.low ? x.low + p->slots + 1 : NULL;
	rc = x.first && x.low ? corridor(&x, limit) : -ENOMEM;
	if (rc == -EDOM)
		rc = 0;
	rc = rc ? rc : sweep(&x);
	out->segments = x.kept.n;
	if (!rc) {
		struct curve start = row_at(&x, 0);

		out->bound = curve_at(&start, p->soc_kwh);
		if (isinf(out->bound))
			rc = -EDOM;
		else
			out->cost = walk(&x, out->battery_kw, out->car_kw);
	}
	curve_deinit(&x.kept);
	curve_deinit(&x.slot);
	curve_deinit(&x.next);
	curve_deinit(&x.row);
	curve_deinit(&x.other);
	curve_deinit(&x.spare);
	free(x.first);
	free(x.low);
	return rc;
}
