/* See curve.h. */
#include "policies/planner/curve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_KWH 1e-9
#define SAME_COST 1e-12

void curve_deinit(struct curve *c)
{
	free(c->s);
	memset(c, 0, sizeof(*c));
}

static double slope_of(const struct curve_segment *s)
{
	return (s->last - s->first) / (s->to - s->from);
}

static bool is_point(const struct curve_segment *s)
{
	return s->to - s->from < 1e-12;
}

static bool goes_on(const struct curve_segment *a, const struct curve_segment *b)
{
	return fabs(a->to - b->from) < SAME_KWH && fabs(a->last - b->first) <= SAME_COST * (1 + fabs(a->last));
}

/* Is @b steeper than @a, or as steep? No point is. Divisions are what a search spends most of its time with. */
static bool rises(const struct curve_segment *a, const struct curve_segment *b)
{
	return (b->last - b->first) * (a->to - a->from) >= (a->last - a->first) * (b->to - b->from);
}

/* Their slopes differ by less than 1e-11 of what they are. */
static bool straight(const struct curve_segment *a, const struct curve_segment *b)
{
	const double a_kwh = a->to - a->from, b_kwh = b->to - b->from, p = (a->last - a->first) * b_kwh, q = (b->last - b->first) * a_kwh;

	return fabs(p - q) <= 1e-11 * (1e-3 * a_kwh * b_kwh + fabs(p) + fabs(q));
}

int curve_add(struct curve *c, struct curve_segment s)
{
	struct curve_segment *last = c->n > 0 ? &c->s[c->n - 1] : NULL;

	if (last && is_point(&s) && fabs(last->to - s.from) < SAME_KWH && last->last <= s.first + SAME_COST)
		return 0;
	if (last && is_point(last) && fabs(last->to - s.from) < SAME_KWH && last->last >= s.first - SAME_COST) {
		s.from = fmin(s.from, last->from);
		*last = s;
		return 0;
	}
	if (last && !is_point(last) && !is_point(&s) && goes_on(last, &s) && straight(last, &s)) {
		last->to = s.to;
		last->last = s.last;
		last->lowered = fmax(last->lowered, s.lowered);
		return 0;
	}
	if (c->n == c->room) {
		int room = c->room + c->room / 2 + 32;
		struct curve_segment *bigger = realloc(c->s, (size_t)room * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->s = bigger;
		c->room = room;
	}
	c->s[c->n++] = s;
	return 0;
}

static double value_in(const struct curve_segment *s, double x)
{
	if (x <= s->from || is_point(s))
		return s->first;
	return x >= s->to ? s->last : s->first + (s->last - s->first) * ((x - s->from) / (s->to - s->from));
}

static void drop_head(struct curve_segment *s, double x)
{
	s->first = value_in(s, x);
	s->from = fmin(x, s->to);
}

/* The beginning of @s up to @x; @s keeps the rest (all of itself when @x is not inside). */
static struct curve_segment head_of(struct curve_segment *s, double x)
{
	struct curve_segment whole = *s, head;

	if (x >= s->to)
		return whole;
	head = whole;
	head.to = x;
	head.last = value_in(&whole, x);
	s->from = x;
	s->first = head.last;
	return head;
}

/* Both cover the same places: the lower one, changing over where they cross. */
static int lower_of(struct curve *out, struct curve_segment a, struct curve_segment b)
{
	double begin = a.first - b.first, end = a.last - b.last;

	if ((begin <= 0 && end <= 0) || (begin >= 0 && end >= 0))
		return curve_add(out, begin + end <= 0 ? a : b);
	{
		double x = a.from + (a.to - a.from) * (begin / (begin - end));
		struct curve_segment a_head = head_of(&a, x), b_head = head_of(&b, x);
		int rc = curve_add(out, begin < 0 ? a_head : b_head);

		return rc ? rc : curve_add(out, end < 0 ? a : b);
	}
}

int curve_lower(const struct curve *a, const struct curve *b, struct curve *out)
{
	int i = 0, k = 0, rc = 0;
	struct curve_segment x = a->n ? a->s[0] : (struct curve_segment){ 0 }, y = b->n ? b->s[0] : x;

	out->n = 0;
	while (!rc && (i < a->n || k < b->n)) {
		bool take_x = k >= b->n || (i < a->n && x.to <= y.from), take_y = i >= a->n || (!take_x && y.to <= x.from);

		if (take_x) {
			rc = curve_add(out, x);
			x = ++i < a->n ? a->s[i] : x;
		} else if (take_y) {
			rc = curve_add(out, y);
			y = ++k < b->n ? b->s[k] : y;
		} else if (x.from < y.from) {
			rc = curve_add(out, head_of(&x, y.from));
		} else if (y.from < x.from) {
			rc = curve_add(out, head_of(&y, x.from));
		} else {
			double to = fmin(x.to, y.to);
			bool x_ends = x.to <= to, y_ends = y.to <= to;
			struct curve_segment p = head_of(&x, to), q = head_of(&y, to);

			rc = lower_of(out, p, q);
			if (x_ends)
				x = ++i < a->n ? a->s[i] : x;
			if (y_ends)
				y = ++k < b->n ? b->s[k] : y;
		}
	}
	return rc;
}

/* How many segments from @i on make one convex piece. */
static int chain(const struct curve *c, int i)
{
	int n = 1;

	while (i + n < c->n && !is_point(&c->s[i + n]) && !is_point(&c->s[i + n - 1]) &&
	       goes_on(&c->s[i + n - 1], &c->s[i + n]) && rises(&c->s[i + n - 1], &c->s[i + n]))
		n++;
	return n;
}

/* Convex pieces f[0..nf) and v[0..nv): their slopes in ascending order. */
static int convolve(const struct curve_segment *f, int nf, const struct curve_segment *v, int nv, const double range[2],
		    struct curve *out)
{
	double at = v[0].from - f[nf - 1].to, value = v[0].first + f[nf - 1].last, lowered = 0, fs, vs;
	int i = nf - 1, k = 0, rc = 0;

	for (int j = 0; j < nv; j++)
		lowered = fmax(lowered, v[j].lowered);
	out->n = 0;
	if (is_point(&f[0]))
		i = -1;
	if (is_point(&v[0]))
		k = nv;
	if (i < 0 && k >= nv && at >= range[0] - SAME_KWH && at <= range[1] + SAME_KWH)
		return curve_add(out, (struct curve_segment){ at, at, value, value, lowered });
	fs = i >= 0 ? -slope_of(&f[i]) : INFINITY;
	vs = k < nv ? slope_of(&v[k]) : INFINITY;
	while (!rc && (i >= 0 || k < nv) && at <= range[1] + SAME_KWH) {
		const bool from_v = vs <= fs;
		const struct curve_segment *s = from_v ? &v[k] : &f[i];
		struct curve_segment next = { at, at + s->to - s->from, value,
					      value + (from_v ? s->last - s->first : s->first - s->last), lowered };

		at = next.to;
		value = next.last;
		if (from_v)
			vs = ++k < nv ? slope_of(&v[k]) : INFINITY;
		else
			fs = --i >= 0 ? -slope_of(&f[i]) : INFINITY;
		if (next.to < range[0] - SAME_KWH)
			continue;
		if (next.to < range[0]) /* beside it by rounding only: a store that is pinned has no other place */
			next = (struct curve_segment){ range[0], range[0], next.last, next.last, lowered };
		else if (next.from > range[1])
			next = (struct curve_segment){ range[1], range[1], next.first, next.first, lowered };
		if (next.from < range[0])
			drop_head(&next, range[0]);
		if (next.to > range[1])
			next = head_of(&next, range[1]);
		rc = curve_add(out, next);
	}
	return rc;
}

int curve_step(const struct curve *f, const struct curve *v, const double range[2], struct curve *out, struct curve *spare)
{
	struct curve part = { 0 };
	int rc = 0, nf, nv;

	out->n = 0;
	for (int i = 0; i < f->n && !rc; i += nf) {
		nf = chain(f, i);
		for (int k = 0; k < v->n && !rc; k += nv) {
			struct curve swap;

			nv = chain(v, k);
			rc = convolve(f->s + i, nf, v->s + k, nv, range, out->n ? &part : spare);
			if (!rc && out->n && part.n)
				rc = curve_lower(out, &part, spare);
			if (rc || (out->n && !part.n))
				continue;
			swap = *out;
			*out = *spare;
			*spare = swap;
		}
	}
	curve_deinit(&part);
	return rc;
}

void curve_smooth(struct curve *c, double eps)
{
	int m = 0;

	for (int i = 0; i < c->n; i++) {
		c->s[m++] = c->s[i];
		while (m >= 2) {
			struct curve_segment *a = &c->s[m - 2], *b = &c->s[m - 1], both = *a;
			double high;

			if (is_point(a) || is_point(b) || !goes_on(a, b) || rises(a, b))
				break;
			both.to = b->to;
			both.last = b->last;
			high = a->last - value_in(&both, a->to) + fmax(a->lowered, b->lowered);
			if (high > eps)
				break;
			both.lowered = high;
			*a = both;
			m--;
		}
	}
	c->n = m;
}

void curve_cut(struct curve *c, double low, double high)
{
	int m = 0;

	for (int i = 0; i < c->n; i++) {
		struct curve_segment s = c->s[i];

		if (s.to < low - SAME_KWH || s.from > high + SAME_KWH)
			continue;
		if (s.from < low)
			drop_head(&s, low);
		if (s.to > high)
			s = head_of(&s, fmax(high, s.from));
		if (s.to >= s.from)
			c->s[m++] = s;
	}
	c->n = m;
}

double curve_at(const struct curve *c, double kwh)
{
	int low = 0, high = c->n;
	double best = INFINITY;

	while (low < high) { /* the first that ends at or behind the place */
		int mid = (low + high) / 2;

		if (c->s[mid].to < kwh - SAME_KWH)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < c->n && c->s[low].from <= kwh + SAME_KWH; low++)
		best = fmin(best, value_in(&c->s[low], kwh));
	return best;
}
