/* Where slots are not convex the plain walk may take a wrong turn early. The beam walks many schedules at once; each
 * carries its true cost so far, and the envelopes' cost to go tells how little it could end with: whatever cannot beat
 * the best plan known is dropped, of the rest the most promising are kept. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_ALL 8192 /* labels kept over all slots */
#define WIDTH_MAX 96
#define SAME_KWH 1e-7

struct label {
	double soc, cost, least, b_kw;
	int parent;
};

struct beam {
	const struct pair *pair;
	int width, n_next, room_next;
	struct label *kept; /* (slots + 1) * width */
	int *n;             /* kept per boundary */
	struct label *next; /* children of one boundary */
	double limit;       /* a plan of this cost is known */
};

static void offer(struct beam *m, int t, const struct label *from, int parent, double d)
{
	const struct pair *p = m->pair;
	const struct slot *s = &p->slot[t];
	struct label c = { 0, 0, 0, slot_power(s, d), parent };
	double e, togo;

	if (m->n_next == m->room_next)
		return;
	c.b_kw = fabs(c.b_kw) < 1e-10 ? 0 : fmin(fmax(c.b_kw, s->battery_min_kw), s->battery_max_kw);
	c.soc = fmin(fmax(from->soc + slot_delta(s, c.b_kw), 0), p->capacity_kwh);
	togo = togo_at(&p->go, t + 1, c.soc);
	c.cost = from->cost + slot_best(s, c.b_kw, 0, &e);
	c.least = c.cost + togo;
	if (!(c.least < m->limit))
		return;
	if (!isnan(p->floor_price))
		c.cost += p->floor_price * s->dt_h * fmax(0, p->floor_kwh[t + 1] - c.soc);
	m->next[m->n_next++] = c;
}

static void expand(struct beam *m, int t, int parent)
{
	const struct pair *p = m->pair;
	const struct label *from = &m->kept[(size_t)t * (size_t)m->width + (size_t)parent];
	const struct togo_row *next = &p->go.row[t + 1];
	const struct togo_segment *v = p->go.segment + next->first;
	struct slot_point list[SLOT_POINTS_MAX];
	double range[2], at = next->low_kwh;
	int n;

	pair_range(p, t, from->soc, range);
	if (!isnan(p->slot[t].fixed_kw)) {
		offer(m, t, from, parent, fmin(fmax(slot_delta(&p->slot[t], p->slot[t].fixed_kw), range[0]), range[1]));
		return;
	}
	n = slot_points(&p->slot[t], 0, list);
	for (int i = 0; i < n; i++)
		if (list[i].d_kwh > range[0] && list[i].d_kwh < range[1])
			offer(m, t, from, parent, list[i].d_kwh);
	offer(m, t, from, parent, range[0]);
	offer(m, t, from, parent, range[1]);
	for (int k = 0; k < next->n && at < from->soc + range[1]; k++) {
		if (at > from->soc + range[0])
			offer(m, t, from, parent, at - from->soc);
		at += v[k].len_kwh;
	}
}

static int by_soc(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->soc != y->soc)
		return x->soc < y->soc ? -1 : 1;
	return (x->cost > y->cost) - (x->cost < y->cost);
}

static int by_least(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->least != y->least)
		return x->least < y->least ? -1 : 1;
	return by_soc(a, b);
}

/* Of children at the same place the cheapest, of all the most promising. */
static void keep(struct beam *m, int t)
{
	struct label *c = m->next;
	int n = 0;

	qsort(c, (size_t)m->n_next, sizeof(*c), by_soc);
	for (int i = 0; i < m->n_next; i++) {
		if (n > 0 && c[i].soc - c[n - 1].soc < SAME_KWH) {
			if (c[i].cost < c[n - 1].cost)
				c[n - 1] = c[i];
			continue;
		}
		c[n++] = c[i];
	}
	qsort(c, (size_t)n, sizeof(*c), by_least);
	m->n[t] = n < m->width ? n : m->width;
	memcpy(m->kept + (size_t)t * (size_t)m->width, c, (size_t)m->n[t] * sizeof(*c));
}

static bool beam_run(struct beam *m)
{
	const struct pair *p = m->pair;

	m->kept[0] = (struct label){ .soc = p->soc_kwh };
	m->n[0] = 1;
	for (int t = 0; t < p->slots; t++) {
		m->n_next = 0;
		if (p->expired && (t & 31) == 31 && p->expired(p->context))
			return false;
		for (int i = 0; i < m->n[t]; i++)
			expand(m, t, i);
		keep(m, t + 1);
		if (m->n[t + 1] == 0)
			return false;
	}
	return true;
}

int pair_beam(const struct pair *p, double known_cost, double *b_kw, double *cost)
{
	struct beam m = { .pair = p, .limit = known_cost };
	int rc = 0;

	m.width = LABELS_ALL / (p->slots + 1);
	m.width = m.width > WIDTH_MAX ? WIDTH_MAX : m.width < 4 ? 4 : m.width;
	m.room_next = m.width * 96;
	m.kept = malloc((size_t)(p->slots + 1) * (size_t)m.width * sizeof(*m.kept));
	m.next = malloc((size_t)m.room_next * sizeof(*m.next));
	m.n = calloc((size_t)p->slots + 1, sizeof(*m.n));
	if (!m.kept || !m.next || !m.n) {
		rc = -ENOMEM;
	} else if (beam_run(&m)) {
		int at = 0; /* the last row's cost to go is exact, so its first label is the best plan */

		*cost = m.kept[(size_t)p->slots * (size_t)m.width].least;
		for (int t = p->slots; t > 0; t--) {
			const struct label *l = &m.kept[(size_t)t * (size_t)m.width + (size_t)at];

			b_kw[t - 1] = l->b_kw;
			at = l->parent;
		}
		rc = 1;
	}
	free(m.kept);
	free(m.next);
	free(m.n);
	return rc;
}
