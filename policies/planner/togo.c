/* See togo.h. Rows are written one behind the other into an arena, from the last boundary to the first. */
#include "policies/planner/togo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENERGY_EPS 1e-9 /* kWh */

int togo_init(struct togo *g, int slots)
{
	memset(g, 0, sizeof(*g));
	g->slots = slots;
	g->most = TOGO_SEGMENTS_ALL / (slots + 1) < TOGO_SEGMENTS_MAX ? TOGO_SEGMENTS_ALL / (slots + 1) : TOGO_SEGMENTS_MAX;
	g->room = slots * 16 + 256;
	g->row = calloc((size_t)slots + 1, sizeof(*g->row));
	g->segment = malloc((size_t)g->room * sizeof(*g->segment));
	if (g->row && g->segment)
		return 0;
	togo_deinit(g);
	return -ENOMEM;
}

void togo_deinit(struct togo *g)
{
	free(g->row);
	free(g->segment);
	memset(g, 0, sizeof(*g));
}

static int reserve(struct togo *g, int more)
{
	struct togo_segment *bigger;
	int room = g->room;

	if (g->used + more <= room)
		return 0;
	while (g->used + more > room)
		room += room / 2;
	bigger = realloc(g->segment, (size_t)room * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	g->segment = bigger;
	g->room = room;
	return 0;
}

/* A row being written: cuts on the fly, joins equal slopes. */
struct writer {
	struct togo *g;
	struct togo_row *row;
	const struct togo_cut *cut;
	double at_kwh; /* where the next segment begins, before cutting */
	bool any;
};

static void put(struct writer *w, double len, double slope)
{
	struct togo_row *r = w->row;
	struct togo_segment *last = w->g->segment + r->first + r->n - 1;

	if (len <= 0)
		return;
	if (r->n > 0 && fabs(last->slope - slope) <= 1e-13 * fabs(slope)) {
		last->len_kwh += len;
		return;
	}
	w->g->segment[r->first + r->n] = (struct togo_segment){ len, slope };
	r->n++;
}

static void put_cut(struct writer *w, double len, double slope)
{
	double from = w->at_kwh, to = from + len;

	w->at_kwh = to;
	if (to <= w->cut->low_kwh) {
		w->row->value += slope * len;
		return;
	}
	if (from < w->cut->low_kwh) {
		w->row->value += slope * (w->cut->low_kwh - from);
		from = w->cut->low_kwh;
	}
	if (!w->any) {
		w->row->low_kwh = from;
		w->any = true;
	}
	if (to > w->cut->high_kwh)
		to = w->cut->high_kwh;
	put(w, to - from, slope);
}

/* Adds the price of a soft floor: all below it get steeper. The row is the last one of the arena and has room. */
static void soften(struct togo *g, struct togo_row *r, const struct togo_cut *cut)
{
	struct togo_segment *s = g->segment + r->first;
	double at = r->low_kwh;

	if (cut->soft_slope <= 0 || at >= cut->soft_kwh)
		return;
	r->value += cut->soft_slope * (cut->soft_kwh - at);
	for (int i = 0; i < r->n && at < cut->soft_kwh; i++) {
		double end = at + s[i].len_kwh;

		if (end > cut->soft_kwh + ENERGY_EPS) {
			memmove(s + i + 1, s + i, (size_t)(r->n - i) * sizeof(*s));
			r->n++;
			s[i].len_kwh = cut->soft_kwh - at;
			s[i + 1].len_kwh = end - cut->soft_kwh;
			end = cut->soft_kwh;
		}
		s[i].slope -= cut->soft_slope;
		at = end;
	}
}

/* Drops the shortest segments, neighbours meeting below them: a lower function, so the bound stays a bound. */
static void shorten(struct togo *g, struct togo_row *r)
{
	struct togo_segment *s = g->segment + r->first;

	while (r->n > g->most) {
		int k = 1;
		double a;

		for (int i = 1; i + 1 < r->n; i++)
			if (s[i].len_kwh < s[k].len_kwh)
				k = i;
		a = s[k].len_kwh * (s[k + 1].slope - s[k].slope) / (s[k + 1].slope - s[k - 1].slope);
		s[k - 1].len_kwh += a;
		s[k + 1].len_kwh += s[k].len_kwh - a;
		memmove(s + k, s + k + 1, (size_t)(r->n - k - 1) * sizeof(*s));
		r->n--;
	}
}

static int finish(struct writer *w)
{
	struct togo_row *r = w->row;
	const struct togo_cut *cut = w->cut;

	if (!w->any) { /* a single point, at the upper end of what was written */
		if (w->at_kwh < cut->low_kwh - ENERGY_EPS || w->at_kwh > cut->high_kwh + ENERGY_EPS)
			return -EDOM;
		r->low_kwh = w->at_kwh < cut->low_kwh ? cut->low_kwh : w->at_kwh;
	} else if (r->low_kwh > cut->high_kwh + ENERGY_EPS) {
		return -EDOM;
	}
	soften(w->g, r, cut);
	shorten(w->g, r);
	r->high_kwh = r->low_kwh;
	for (int i = 0; i < r->n; i++)
		r->high_kwh += w->g->segment[r->first + i].len_kwh;
	w->g->used = r->first + r->n;
	return 0;
}

int togo_end(struct togo *g, double worth, const struct togo_cut *cut)
{
	struct writer w = { g, &g->row[g->slots], cut, cut->low_kwh, false };

	g->used = 0;
	*w.row = (struct togo_row){ cut->low_kwh, -worth * cut->low_kwh, cut->low_kwh, 0, 0 };
	if (cut->high_kwh < cut->low_kwh - ENERGY_EPS)
		return -EDOM;
	if (reserve(g, 4))
		return -ENOMEM;
	put_cut(&w, cut->high_kwh - cut->low_kwh, -worth);
	return finish(&w);
}

/* Opens row t behind row t + 1. */
static int begin(struct togo *g, int t, int n, struct writer *w, const struct togo_cut *cut)
{
	const struct togo_row *next = &g->row[t + 1];

	g->used = next->first + next->n;
	if (reserve(g, next->n + n + 4))
		return -ENOMEM;
	*w = (struct writer){ g, &g->row[t], cut, 0, false };
	*w->row = (struct togo_row){ 0, 0, 0, g->used, 0 };
	return 0;
}

int togo_step(struct togo *g, int t, const struct slot_point *p, int n, const struct togo_cut *cut)
{
	const struct togo_row *next = &g->row[t + 1];
	const struct togo_segment *v;
	struct writer w;
	int i = n - 1, k = 0;

	if (n == 0)
		return -EDOM;
	if (begin(g, t, n, &w, cut))
		return -ENOMEM;
	v = g->segment + next->first;
	w.at_kwh = w.row->low_kwh = next->low_kwh - p[n - 1].d_kwh;
	w.row->value = next->value + p[n - 1].cost;
	while ((i > 0 || k < next->n) && w.at_kwh < cut->high_kwh) {
		double len = i > 0 ? p[i].d_kwh - p[i - 1].d_kwh : 0;
		double slope = i > 0 ? (p[i - 1].cost - p[i].cost) / len : INFINITY;

		if (k < next->n && v[k].slope <= slope) {
			put_cut(&w, v[k].len_kwh, v[k].slope);
			k++;
		} else {
			put_cut(&w, len, slope);
			i--;
		}
	}
	return finish(&w);
}

/* Lower envelope of a row whose slopes do not ascend: pool neighbours that violate the order. */
static void pool(struct togo *g, struct togo_row *r)
{
	struct togo_segment *s = g->segment + r->first;
	int m = 0;

	for (int i = 0; i < r->n; i++) {
		s[m++] = s[i];
		while (m >= 2 && s[m - 1].slope <= s[m - 2].slope) {
			double len = s[m - 1].len_kwh + s[m - 2].len_kwh;

			s[m - 2].slope = (s[m - 1].slope * s[m - 1].len_kwh + s[m - 2].slope * s[m - 2].len_kwh) / len;
			s[m - 2].len_kwh = len;
			m--;
		}
	}
	r->n = m;
}

static void put_reversed(struct writer *w, const struct slot_point *p, int n)
{
	for (int i = n - 1; i > 0; i--) {
		double len = p[i].d_kwh - p[i - 1].d_kwh;

		put_cut(w, len, (p[i - 1].cost - p[i].cost) / len);
	}
}

int togo_step_fixed(struct togo *g, int t, const struct slot_point *p, int n, double stop_kwh, const struct togo_cut *cut)
{
	const struct togo_row *next = &g->row[t + 1];
	const struct togo_segment *v;
	struct writer w;
	bool charging = n > 0 && p[n - 1].d_kwh > ENERGY_EPS;
	int k = 0;

	if (n == 0)
		return -EDOM;
	if (begin(g, t, n, &w, cut))
		return -ENOMEM;
	v = g->segment + next->first;
	/* Charging: shifted row, then less and less up to its upper end. Discharging: the other way round, below the stop rest. */
	w.at_kwh = w.row->low_kwh = next->low_kwh - p[n - 1].d_kwh;
	w.row->value = next->value + p[n - 1].cost;
	if (!charging) {
		double len = 0;

		for (; k < next->n && w.at_kwh + v[k].len_kwh <= stop_kwh; k++)
			put_cut(&w, v[k].len_kwh, v[k].slope);
		if (k < next->n && w.at_kwh < stop_kwh)
			put_cut(&w, len = stop_kwh - w.at_kwh, v[k].slope);
		put_reversed(&w, p, n);
		if (k < next->n)
			put_cut(&w, v[k].len_kwh - len, v[k].slope);
		k++;
	}
	for (; k < next->n; k++)
		put_cut(&w, v[k].len_kwh, v[k].slope);
	if (charging)
		put_reversed(&w, p, n);
	pool(g, w.row);
	return finish(&w);
}

double togo_at(const struct togo *g, int t, double kwh)
{
	const struct togo_row *r = &g->row[t];
	const struct togo_segment *s = g->segment + r->first;
	double left = kwh - r->low_kwh, v = r->value;

	if (left < -1e-6)
		return INFINITY;
	for (int i = 0; i < r->n && left > 0; i++) {
		double len = left < s[i].len_kwh ? left : s[i].len_kwh;

		v += len * s[i].slope;
		left -= len;
	}
	return left > 1e-6 ? INFINITY : v;
}

double togo_slope(const struct togo *g, int t, double kwh)
{
	const struct togo_row *r = &g->row[t];
	const struct togo_segment *s = g->segment + r->first;
	double at = r->low_kwh;
	int i = 0;

	if (r->n == 0)
		return 0;
	while (i + 1 < r->n && kwh >= at + s[i].len_kwh - ENERGY_EPS)
		at += s[i++].len_kwh;
	return s[i].slope;
}
