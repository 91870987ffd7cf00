/* What the envelopes leave open with a car: first the dual without envelopes, then, where the car's exact energy keeps a gap
 * open, branching on the slot in which the plans left and right of the dual's top differ most. The most promising node is
 * always next, so that the bound rises steadily and whatever ends the search leaves a true one. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 600
#define TANGENTS 12

struct node {
	int parent, t;             /* the slot it restricts, and how */
	double min_kw, max_kw;
	bool must, open;
	double bound, mu;
};

struct tangent {
	double mu, q, kwh;
};

struct branch {
	struct pair *pair;
	struct pair_result *r;
	const struct pair_attempt *a;
	struct node *node;
	int n, work;
	double min_kw, max_kw;     /* of the car */
	double *low_kw, *high_kw;  /* what the car takes left and right of the dual's top */
	double closed;             /* least bound of all that was closed */
};

static bool late(const struct branch *m)
{
	return m->work > m->pair->branch_slots || (m->pair->expired && m->pair->expired(m->pair->context));
}

static double taken(const struct pair *p, const double *e_kw)
{
	double kwh = 0;

	for (int t = p->car_from; t < p->car_to; t++)
		kwh += e_kw[t] * p->slot[t].dt_h;
	return kwh;
}

/* Puts the restrictions of node @i on; -1: none. */
static void apply(struct branch *m, int i)
{
	struct pair *p = m->pair;

	for (int t = p->car_from; t < p->car_to; t++) {
		p->slot[t].car_min_kw = m->min_kw;
		p->slot[t].car_max_kw = m->max_kw;
		p->slot[t].car_must = false;
	}
	for (; i > 0; i = m->node[i].parent) {
		const struct node *d = &m->node[i];
		struct slot *s = &p->slot[d->t];

		s->car_min_kw = fmax(s->car_min_kw, d->min_kw);
		s->car_max_kw = fmin(s->car_max_kw, d->max_kw);
		s->car_must |= d->must;
	}
	for (int t = p->car_from; t < p->car_to; t++)
		if (p->slot[t].car_max_kw < p->slot[t].car_min_kw && !p->slot[t].car_must)
			p->slot[t].car_min_kw = p->slot[t].car_max_kw = 0;
}

/* Whether the restrictions leave the car its energy. */
static bool fits(const struct pair *p)
{
	double least = 0, most = 0;

	for (int t = p->car_from; t < p->car_to; t++) {
		const struct slot *s = &p->slot[t];

		least += s->car_must ? s->car_min_kw * s->dt_h : 0;
		most += s->car_max_kw * s->dt_h;
	}
	return least <= p->car_kwh + PAIR_ENERGY_EPS && most >= p->car_kwh - PAIR_ENERGY_EPS;
}

/* The dual without envelopes at one price. 1: @out is its tangent, the schedule in m->a; 0: too much to look at. */
static int tangent(struct branch *m, double mu, struct tangent *out)
{
	struct pair *p = m->pair;
	struct pair_exact x = { m->a->b, m->a->e, 0, 0 };
	double known = m->r->cost;
	int rc;

	m->work += p->slots;
	pair_car_release(p, true);
	rc = pair_sweep(p, p->slots, mu);
	if (!rc)
		rc = pair_exact(p, mu, 0.2 * pair_tolerance(p, m->r), known - mu * p->car_kwh + 1e-9, &x);
	*out = (struct tangent){ mu, known, p->car_kwh };
	if (rc == -EDOM) /* nothing below the plan known */
		return 1;
	if (rc)
		return rc == -ENOMEM ? rc : 0;
	out->q = fmin(x.bound + mu * p->car_kwh, known);
	out->kwh = taken(p, m->a->e);
	if (fabs(out->kwh - p->car_kwh) <= PAIR_ENERGY_EPS && x.cost < known) {
		memcpy(m->r->battery_kw, m->a->b, (size_t)p->slots * sizeof(double));
		memcpy(m->r->car_kw, m->a->e, (size_t)p->slots * sizeof(double));
		m->r->cost = x.cost;
		m->r->car_kwh = out->kwh;
	}
	return 1;
}

/* Plans near the schedule in m->a, whose car has not its exact energy. */
static int plans_near(struct branch *m)
{
	int rc = 0;

	for (int k = 0; k < 2 && !rc; k++) {
		double kwh;

		m->work += 2 * m->pair->slots;
		kwh = pair_car_again(m->pair, m->a, k == 1);
		rc = pair_turns(m->pair, m->a, kwh, k == 1, m->r);
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

/* Raises the node's bound to the top of its dual. 1: done, low_kw and high_kw are what lies left and right of it (*both:
 * they are there); 0: too much to look at. */
static int evaluate(struct branch *m, struct node *d, bool *both)
{
	struct pair *p = m->pair;
	struct tangent low = { -INFINITY, 0, 0 }, high = { INFINITY, 0, 0 }, mid;
	double mu = d->mu, step = 0.01 * fabs(mu) + 1e-4;
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
		if (mid.kwh < p->car_kwh) {
			low = mid;
			memcpy(m->low_kw, m->a->e, (size_t)p->slots * sizeof(double));
		} else {
			high = mid;
			memcpy(m->high_kw, m->a->e, (size_t)p->slots * sizeof(double));
		}
		*both = !isinf(low.mu) && !isinf(high.mu);
		rc = plans_near(m) ? -ENOMEM : 1;
		if (!next_price(m, &low, &high, d->bound, &step, &mu))
			break;
	}
	return rc;
}

/* Two nodes below @i, which split what the car may do in slot @t at @kw. */
static void split(struct branch *m, int i, int t, double kw, bool rest)
{
	struct node part = { .parent = i, .t = t, .max_kw = INFINITY, .open = true, .bound = m->node[i].bound, .mu = m->node[i].mu };

	part.max_kw = rest ? 0 : kw;
	m->node[m->n++] = part;
	part.max_kw = INFINITY;
	part.min_kw = rest ? 0 : kw;
	part.must = true;
	m->node[m->n++] = part;
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

	m->node[m->n++] = (struct node){ .parent = -1, .open = true, .bound = r->bound, .mu = r->mu };
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
		if (!fits(m->pair)) {
			d->open = false;
			continue;
		}
		rc = evaluate(m, d, &both);
		if (i == 0 && d->bound > r->bound)
			r->mu = d->mu;
		if (rc <= 0)
			continue;
		d->open = false;
		if (r->cost - d->bound <= 0.5 * pair_tolerance(m->pair, r) || !both || !divide(m, i))
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
