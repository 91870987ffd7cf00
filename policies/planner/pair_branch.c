/* What the envelopes leave open with a car: first the dual without envelopes, then, where the car's exact energy keeps a gap
 * open, branching on the slot in which the plans left and right of the dual's top differ most. The most promising node is
 * always next, so that the bound rises steadily and whatever ends the search leaves a true one. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 600
#define TANGENTS 12
#define TANGENTS_COUNT 20
#define GRID_EPS 1e-9
#define SEEN_MAX 23
#define COUNT_ANY 1000000 /* more slots than there are */

struct node {
	int parent, t;             /* the slot it restricts, and how; -1: the number of slots the car runs in */
	double min_kw, max_kw;
	int min_n, max_n;
	bool must, open, imports;  /* imports: what is counted is slots with import, not those the car runs in */
	bool counted;              /* counted: no slot is restricted, at most their number */
	double bound, mu, nu;
};

struct tangent {
	double mu, q, kwh;
	int n[2];                  /* slots the car runs in, and (where export is dearer) with import */
};

/* A schedule seen: without its car's energy it costs so much. */
struct seen {
	double cost, kwh;
	int n[2];
};

struct branch {
	struct pair *pair;
	struct pair_result *r;
	const struct pair_attempt *a;
	struct node *node;
	int n, work;
	double min_kw, max_kw;     /* of the car */
	int min_n, max_n;          /* how many slots it may be, at the node looked at, and what is counted */
	bool imports;
	bool whole;                /* m->a holds a schedule from end to end */
	double nu;                 /* what running in one more is worth */
	double *low_kw, *high_kw;  /* what the car takes left and right of the dual's top */
	struct tangent low, high;  /* and what that is in all; n[0] < 0: none yet */
	struct seen seen[SEEN_MAX];
	int n_seen;
	double closed;             /* least bound of all that was closed */
};

static bool expired(const struct pair *p)
{
	return p->expired && p->expired(p->context);
}

static bool late(const struct branch *m)
{
	return m->work > m->pair->branch_work || expired(m->pair);
}

/* Where whether the grid gives or takes is a choice that is not convex. */
static bool two_ways(const struct slot *s)
{
	return !s->awkward && s->export_price > s->import_price;
}

static void price_on(const struct branch *m, struct slot *s, double nu)
{
	s->car_on = m->imports ? 0 : -nu;
	s->import_on = m->imports && two_ways(s) ? -nu : 0;
}

static double taken(const struct branch *m, const struct pair_attempt *a, int n[2])
{
	const struct pair *p = m->pair;
	double kwh = 0;

	n[0] = n[1] = 0;
	for (int t = p->car_from; t < p->car_to; t++) {
		double y = p->slot[t].net_kw + a->b[t] + a->e[t];

		kwh += a->e[t] * p->slot[t].dt_h;
		n[0] += a->e[t] > 0;
		n[1] += two_ways(&p->slot[t]) && y > (m->imports && m->nu > 0 ? -GRID_EPS : GRID_EPS);
	}
	return kwh;
}

/* Puts the restrictions of node @i on; -1: none. */
static void apply(struct branch *m, int i)
{
	struct pair *p = m->pair;

	m->min_n = 0;
	m->max_n = COUNT_ANY;
	m->imports = false;
	for (int t = p->car_from; t < p->car_to; t++) {
		p->slot[t].car_min_kw = m->min_kw;
		p->slot[t].car_max_kw = m->max_kw;
		p->slot[t].car_must = false;
	}
	for (; i > 0; i = m->node[i].parent) {
		const struct node *d = &m->node[i];
		struct slot *s = &p->slot[d->t < 0 ? 0 : d->t];

		if (d->t < 0) {
			m->min_n = d->min_n > m->min_n ? d->min_n : m->min_n;
			m->max_n = d->max_n < m->max_n ? d->max_n : m->max_n;
			m->imports = d->imports;
			continue;
		}
		s->car_min_kw = fmax(s->car_min_kw, d->min_kw);
		s->car_max_kw = fmin(s->car_max_kw, d->max_kw);
		s->car_must |= d->must;
	}
	for (int t = p->car_from; t < p->car_to; t++)
		if (p->slot[t].car_max_kw < p->slot[t].car_min_kw && !p->slot[t].car_must)
			p->slot[t].car_min_kw = p->slot[t].car_max_kw = 0;
}

/* Whether the restrictions leave the car its energy. */
static bool fits(const struct branch *m)
{
	const struct pair *p = m->pair;
	double least = 0, most = 0;
	int must = 0, may = 0;

	for (int t = p->car_from; t < p->car_to; t++) {
		const struct slot *s = &p->slot[t];

		least += s->car_must ? s->car_min_kw * s->dt_h : 0;
		most += s->car_max_kw * s->dt_h;
		must += s->car_must;
		may += s->car_max_kw > 0;
	}
	if (m->min_n > m->max_n || (!m->imports && (must > m->max_n || may < m->min_n)))
		return false;
	return least <= p->car_kwh + PAIR_ENERGY_EPS && most >= p->car_kwh - PAIR_ENERGY_EPS;
}

static void keep(struct branch *m, double kwh, double cost)
{
	struct pair_result *r = m->r;

	if (fabs(kwh - m->pair->car_kwh) > PAIR_ENERGY_EPS || !(cost < r->cost))
		return;
	memcpy(r->battery_kw, m->a->b, (size_t)m->pair->slots * sizeof(double));
	memcpy(r->car_kw, m->a->e, (size_t)m->pair->slots * sizeof(double));
	r->cost = cost;
	r->car_kwh = kwh;
}

/* The dual without envelopes at one price of energy, m->nu for each slot. 1: @out is its tangent, the schedule in m->a; 0: too
 * much to look at. */
static int tangent(struct branch *m, double mu, struct tangent *out)
{
	struct pair *p = m->pair;
	struct pair_exact x = { m->a->b, m->a->e, 0, 0, 0 };
	double known = m->r->cost, due = mu * p->car_kwh + (m->nu > 0 ? m->nu * m->min_n : m->nu < 0 ? m->nu * m->max_n : 0);
	int rc;

	pair_car_release(p, true);
	for (int t = p->car_from; t < p->car_to; t++)
		price_on(m, &p->slot[t], m->nu);
	rc = pair_sweep(p, p->slots, mu);
	if (!rc)
		rc = pair_exact(p, mu, 0.2 * pair_tolerance(p, m->r), known - due + 1e-9, &x);
	m->work += p->slots + x.segments;
	for (int t = p->car_from; t < p->car_to; t++)
		price_on(m, &p->slot[t], 0);
	*out = (struct tangent){ mu, known, p->car_kwh, { 0, 0 } };
	if (rc == -EDOM) /* nothing below the plan known */
		return 1;
	if (rc)
		return rc == -ENOMEM ? rc : 0;
	m->whole = !isinf(x.cost);
	out->q = fmin(x.bound + due, known);
	out->kwh = taken(m, m->a, out->n);
	if (m->n_seen < SEEN_MAX)
		m->seen[m->n_seen++] = (struct seen){ x.bound + mu * out->kwh + m->nu * out->n[m->imports], out->kwh,
							{ out->n[0], out->n[1] } };
	keep(m, out->kwh, x.cost);
	return 1;
}

/* Plans near the schedule in m->a, whose car has not its exact energy. */
static int plans_near(struct branch *m, bool hard)
{
	struct pair *p = m->pair;
	struct pair_exact x = { m->a->b, m->a->e, 0, 0, 0 };
	int rc = 0;

	for (int k = 0; k < 2 && !rc && m->whole && !expired(p); k++) {
		double kwh = pair_car_again(p, m->a, k == 1);

		if (k == 0)
			keep(m, kwh, pair_cost(p, m->a->b, m->a->e));
		if (k == 1 || !hard) {
			m->work += 2 * p->slots;
			rc = pair_turns(p, m->a, kwh, k == 1, m->r);
			continue;
		}
		if (fabs(kwh - p->car_kwh) > PAIR_ENERGY_EPS)
			continue;
		pair_car_set(p, m->a->e);
		rc = pair_sweep(p, p->car_to, 0);
		rc = rc ? rc : pair_exact(p, 0, 0.3 * pair_tolerance(p, m->r), m->r->cost + 1e-9, &x);
		m->work += p->slots + x.segments;
		if (!rc) {
			m->whole = !isinf(x.cost);
			keep(m, kwh, x.cost);
		}
		rc = rc == -ENOMEM ? rc : 0;
	}
	return rc;
}

/* The next price: where the two tangents meet; as long as there is only one, further out. False: nothing more to gain. */
static bool next_price(const struct branch *m, const struct tangent *low, const struct tangent *high, double bound, double *step,
		       double *mu)
{
	double due = m->pair->car_kwh, slope_low = due - low->kwh, slope_high = due - high->kwh;

	if (isinf(low->mu) || isinf(high->mu)) {
		*mu += isinf(low->mu) ? -*step : *step;
		*step *= 3;
		return true;
	}
	if (slope_low - slope_high < PAIR_ENERGY_EPS)
		return false;
	*mu = (high->q - low->q + slope_low * low->mu - slope_high * high->mu) / (slope_low - slope_high);
	*mu = fmin(fmax(*mu, low->mu), high->mu);
	return low->q + slope_low * (*mu - low->mu) - bound > 0.1 * pair_tolerance(m->pair, m->r);
}

/* The schedule in m->a is what lies on its side of the dual's top. */
static void side(struct branch *m, const struct tangent *a)
{
	bool low = a->kwh < m->pair->car_kwh;

	*(low ? &m->low : &m->high) = *a;
	memcpy(low ? m->low_kw : m->high_kw, m->a->e, (size_t)m->pair->slots * sizeof(double));
}

/* Raises the node's bound to the top of its dual. 1: done, low_kw and high_kw are what lies left and right of it (*both:
 * they are there); 0: too much to look at. */
static int evaluate(struct branch *m, struct node *d, bool *both)
{
	struct pair *p = m->pair;
	struct tangent low = { -INFINITY, 0, 0, { 0, 0 } }, high = { INFINITY, 0, 0, { 0, 0 } }, mid;
	double mu = d->mu, step = 0.01 * fabs(mu) + 1e-4;
	bool last = false;
	int rc = 1;

	*both = false;
	for (int i = 0; i < TANGENTS && rc > 0 && (i < 1 || !late(m)); i++) {
		rc = tangent(m, mu, &mid);
		if (rc <= 0)
			return rc;
		if (mid.q > d->bound) {
			d->bound = mid.q;
			d->mu = mu;
		}
		if (m->r->cost - d->bound <= 0.5 * pair_tolerance(p, m->r) || fabs(mid.kwh - p->car_kwh) <= PAIR_ENERGY_EPS)
			return 1;
		side(m, &mid);
		if (mid.kwh < p->car_kwh)
			low = mid;
		else
			high = mid;
		*both = !isinf(low.mu) && !isinf(high.mu);
		last = !next_price(m, &low, &high, d->bound, &step, &mu);
		rc = plans_near(m, last || i == 0) ? -ENOMEM : 1;
		if (last)
			break;
	}
	return rc;
}

/* What the schedules seen so far say of the dual over both prices at a node that knows in how many slots the car runs: that
 * many is worth nu each. */
static void peak_set(const struct branch *m, const struct node *d, const double wide[2], struct pair_peak *k)
{
	k->n = 0;
	for (int i = 0; i < m->n_seen; i++) {
		const struct seen *a = &m->seen[i];
		double due = m->pair->car_kwh;

		if (m->min_n > 0)
			k->plane[k->n++] = (struct pair_plane){ { due - a->kwh, m->min_n - a->n[m->imports] }, a->cost };
		if (m->max_n < COUNT_ANY && m->max_n > m->min_n)
			k->plane[k->n++] = (struct pair_plane){ { due - a->kwh, m->max_n - a->n[m->imports] }, a->cost };
	}
	k->low[0] = d->mu - wide[0];
	k->high[0] = d->mu + wide[0];
	k->low[1] = m->max_n < COUNT_ANY ? d->nu - wide[1] : fmax(d->nu - wide[1], 0);
	k->high[1] = m->min_n > 0 ? d->nu + wide[1] : fmin(d->nu + wide[1], 0);
}

/* As evaluate(), over both prices. */
static int evaluate_count(struct branch *m, struct node *d, bool *both)
{
	struct pair *p = m->pair;
	double at[2] = { d->mu, d->nu }, wide[2] = { 0.1 * fabs(d->mu) + 1e-3, 0 };
	struct pair_peak k;
	int rc = 1;

	wide[1] = 0.3 * wide[0] * m->max_kw * p->slot[p->car_from].dt_h;
	if (!d->counted)
		m->n_seen = 0;
	for (int i = 0; i < TANGENTS_COUNT && rc > 0 && m->n_seen < SEEN_MAX && !late(m); i++) {
		struct tangent mid;
		peak_set(m, d, wide, &k);
		if (m->n_seen > 0 && pair_peak(&k, at) - d->bound <= 0.1 * pair_tolerance(p, m->r))
			break;
		for (int j = 0; j < 2; j++)
			wide[j] *= at[j] <= k.low[j] || at[j] >= k.high[j] ? 3 : 1;
		m->nu = at[1];
		rc = tangent(m, at[0], &mid);
		if (rc <= 0)
			break;
		if (mid.q > d->bound) {
			d->bound = mid.q;
			d->mu = at[0];
			d->nu = at[1];
		}
		if (m->r->cost - d->bound <= 0.5 * pair_tolerance(p, m->r))
			return 1;
		side(m, &mid);
	}
	if (rc > 0 && m->low.n[0] + m->high.n[0] > -2 && plans_near(m, true))
		return -ENOMEM;
	*both = m->low.n[0] >= 0 && m->high.n[0] >= 0;
	m->nu = d->nu;
	return rc < 0 ? rc : *both || late(m) ? 1 : evaluate(m, d, both);
}

/* Two nodes below @i, which split what the car may do in slot @t at @kw. */
static void split(struct branch *m, int i, int t, double kw, bool rest)
{
	struct node part = { .parent = i, .t = t, .max_kw = INFINITY, .open = true, .bound = m->node[i].bound, .mu = m->node[i].mu,
			     .nu = m->node[i].nu };

	part.max_kw = rest ? 0 : kw;
	m->node[m->n++] = part;
	part.max_kw = INFINITY;
	part.min_kw = rest ? 0 : kw;
	part.must = true;
	m->node[m->n++] = part;
}

/* Two nodes below @i: fewer slots of a kind than the plans on both sides have in the mean, or more. False: the mean is a whole
 * number. */
static bool divide_count(struct branch *m, int i, bool imports)
{
	const struct tangent *a = &m->low, *b = &m->high;
	struct node part = m->node[i];
	int n = a->n[imports], more = b->n[imports] - n;
	double mean;

	if (b->kwh - a->kwh < PAIR_ENERGY_EPS || more == 0 || part.nu != 0 || (part.t < 0 && part.parent >= 0 && part.imports != imports) ||
	    !part.counted)
		return false;
	mean = n + more * (m->pair->car_kwh - a->kwh) / (b->kwh - a->kwh);
	if (fabs(mean - round(mean)) < 1e-6 || mean < m->min_n || mean > m->max_n)
		return false;
	part = (struct node){ .parent = i, .t = -1, .open = true, .counted = true, .imports = imports, .bound = part.bound,
			      .mu = part.mu, .max_n = (int)floor(mean) };
	m->node[m->n++] = part;
	part.max_n = COUNT_ANY;
	part.min_n = (int)floor(mean) + 1;
	m->node[m->n++] = part;
	return true;
}

/* The slot in which the plans on both sides differ most. False: they do not. */
static bool divide(struct branch *m, int i)
{
	const struct pair *p = m->pair;
	double widest = PAIR_ENERGY_EPS, a, b;
	int at = -1;

	for (int t = p->car_from; t < p->car_to; t++) {
		double kwh = fabs(m->low_kw[t] - m->high_kw[t]) * p->slot[t].dt_h;

		if (kwh > widest) {
			widest = kwh;
			at = t;
		}
	}
	if (at < 0)
		return false;
	a = fmin(m->low_kw[at], m->high_kw[at]);
	b = fmax(m->low_kw[at], m->high_kw[at]);
	if (a <= 0 && p->slot[at].car_min_kw > 0 && !p->slot[at].car_must)
		split(m, i, at, 0, true);
	else
		split(m, i, at, (a + b) / 2, false);
	return true;
}

static int search(struct branch *m)
{
	struct pair_result *r = m->r;
	int rc = 1;

	m->node[m->n++] = (struct node){ .parent = -1, .open = true, .counted = true, .bound = r->bound, .mu = r->mu };
	for (;;) {
		struct node *d;
		double least = INFINITY;
		bool both;
		int i = -1;

		for (int k = 0; k < m->n; k++)
			if (m->node[k].open && m->node[k].bound < least)
				least = m->node[i = k].bound;
		r->bound = fmin(r->cost, fmax(r->bound, fmin(least, m->closed)));
		if (i < 0 || rc <= 0 || pair_good_enough(m->pair, r) || (m->n > 1 && late(m)) || m->n + 2 > NODES_MAX)
			return rc < 0 ? rc : 0;
		d = &m->node[i];
		apply(m, i);
		if (!fits(m)) {
			d->open = false;
			continue;
		}
		m->nu = 0;
		m->low.n[0] = m->high.n[0] = -1;
		both = false;
		rc = m->min_n > 0 || m->max_n < COUNT_ANY ? evaluate_count(m, d, &both) : evaluate(m, d, &both);
		if (i == 0 && d->bound > r->bound)
			r->mu = d->mu;
		if (rc <= 0)
			continue;
		d->open = false;
		if (r->cost - d->bound <= 0.5 * pair_tolerance(m->pair, r) || !both ||
		    !(divide_count(m, i, true) || (m->min_kw > 0 && divide_count(m, i, false)) || divide(m, i)))
			m->closed = fmin(m->closed, d->bound);
	}
}

int pair_branch(struct pair *p, struct pair_result *r, const struct pair_attempt *a)
{
	struct branch m = { .pair = p, .r = r, .a = a, .closed = INFINITY };
	int rc = -ENOMEM;

	m.min_kw = p->slot[p->car_from].car_min_kw;
	m.max_kw = p->slot[p->car_from].car_max_kw;
	m.node = malloc(NODES_MAX * sizeof(*m.node));
	m.low_kw = calloc((size_t)p->slots, sizeof(double));
	m.high_kw = calloc((size_t)p->slots, sizeof(double));
	if (m.node && m.low_kw && m.high_kw)
		rc = search(&m);
	apply(&m, -1);
	free(m.node);
	free(m.low_kw);
	free(m.high_kw);
	return rc;
}
