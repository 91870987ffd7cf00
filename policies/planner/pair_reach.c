/* Can the car have its energy at all? The battery helps best by being as full as the limits let it, so of all schedules
 * that gave the car about the same energy only the fullest is kept. Plans are judged by that alone, never by price: this
 * is asked only where the prices led to no plan. */
#include "policies/planner/pair.h"

#include <errno.h>
#include <stdlib.h>

#define LABELS_ALL 12288 /* over all slots */
#define BINS_MAX 64
#define BINS_MIN 4
#define SAME_KWH 1e-9
#define EDGE_KW 5e-10    /* a limit may be missed by rounding; slot_cost forgives 1e-9 */

struct label {
	double soc, car_kwh, e_kw;
	int parent; /* -1: no label */
};

struct reach {
	const struct pair *pair;
	int bins;            /* the last one holds exactly the energy due */
	struct label *label; /* (slots + 1) * bins */
};

/* The most the battery can take in slot @t while the car takes @e (less than nothing: the least it must give). False when
 * no power of it is allowed. Below a soft floor it may not give. */
static bool fullest(const struct pair *p, int t, double soc, double e, double *b_kw)
{
	const struct slot *s = &p->slot[t];
	double room = slot_power(s, fmax(p->capacity_kwh - soc, 0)), held = slot_power(s, fmin(p->floor_kwh[t + 1] - soc, 0));
	double most = fmin(s->battery_max_kw, room), least = fmax(s->battery_min_kw, held), y = s->net_kw + e;
	double at[3];

	if (!isnan(s->fixed_kw))
		most = least = fmin(fmax(s->fixed_kw, least), most);
	at[0] = fmin(most, s->import_max_kw - y);
	at[1] = fmin(most, fmax(-y, 0)); /* only from surplus */
	at[2] = fmin(most, 0);
	for (int i = 0; i < 3; i++) {
		double b = at[i] < least && at[i] > least - EDGE_KW ? least : at[i];

		if (b < least || isinf(slot_cost(s, b, e, NULL)))
			continue;
		*b_kw = b;
		return soc + slot_delta(s, b) >= (isnan(p->floor_price) ? p->floor_kwh[t + 1] : fmin(p->floor_kwh[t + 1], soc)) - SAME_KWH;
	}
	return false;
}

static void offer(struct reach *m, int t, int parent, double e)
{
	const struct pair *p = m->pair;
	const struct label *from = &m->label[(size_t)t * (size_t)m->bins + (size_t)parent];
	struct label c = { 0, from->car_kwh + e * p->slot[t].dt_h, e, parent }, *to;
	double b;
	int bin = (int)(c.car_kwh / p->car_kwh * (m->bins - 1));

	if (c.car_kwh > p->car_kwh + SAME_KWH || !fullest(p, t, from->soc, e, &b))
		return;
	c.soc = from->soc + slot_delta(&p->slot[t], b);
	if (bin > m->bins - 2)
		bin = m->bins - 2;
	if (c.car_kwh > p->car_kwh - SAME_KWH)
		bin = m->bins - 1;
	to = &m->label[(size_t)(t + 1) * (size_t)m->bins + (size_t)bin];
	if (to->parent < 0 || c.soc > to->soc + SAME_KWH || (c.soc > to->soc - SAME_KWH && c.car_kwh > to->car_kwh))
		*to = c;
}

static void offer_car(struct reach *m, int t, int parent)
{
	const struct slot *s = &m->pair->slot[t];
	const struct label *from = &m->label[(size_t)t * (size_t)m->bins + (size_t)parent];
	double due = (m->pair->car_kwh - from->car_kwh) / s->dt_h, step = m->pair->car_kwh / (m->bins - 1) / s->dt_h;
	double spare = s->import_max_kw - s->net_kw;
	double most = fmin(s->battery_max_kw, slot_power(s, fmax(m->pair->capacity_kwh - from->soc, 0)));
	double held = slot_power(s, fmin(m->pair->floor_kwh[t + 1] - from->soc, 0));
	double at[] = { s->car_min_kw, s->car_max_kw, due, spare, spare - most, spare - fmax(s->battery_min_kw, held),
			-s->net_kw, -s->net_kw - most };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (at[i] > 0 && at[i] >= s->car_min_kw && at[i] <= s->car_max_kw)
			offer(m, t, parent, at[i]);
	for (double e = s->car_min_kw + step; e < s->car_max_kw && e < due; e += step)
		offer(m, t, parent, e);
}

static bool run(struct reach *m)
{
	const struct pair *p = m->pair;

	for (int i = 0; i < (p->slots + 1) * m->bins; i++)
		m->label[i].parent = -1;
	m->label[0] = (struct label){ p->soc_kwh, 0, 0, 0 };
	for (int t = 0; t < p->slots; t++) {
		for (int k = 0; k < m->bins; k++) {
			if (m->label[(size_t)t * (size_t)m->bins + (size_t)k].parent < 0)
				continue;
			offer(m, t, k, 0);
			if (t >= p->car_from && t < p->car_to && k < m->bins - 1)
				offer_car(m, t, k);
		}
	}
	return m->label[(size_t)(p->slots + 1) * (size_t)m->bins - 1].parent >= 0;
}

int pair_reach(const struct pair *p, double *e_kw)
{
	struct reach m = { p, LABELS_ALL / (p->slots + 1), NULL };
	int at, found = 0;

	m.bins = m.bins > BINS_MAX ? BINS_MAX : m.bins < BINS_MIN ? BINS_MIN : m.bins;
	at = m.bins - 1;
	m.label = malloc((size_t)(p->slots + 1) * (size_t)m.bins * sizeof(*m.label));
	if (!m.label)
		return -ENOMEM;
	if (run(&m)) {
		for (int t = p->slots; t > 0; t--) {
			const struct label *l = &m.label[(size_t)t * (size_t)m.bins + (size_t)at];

			e_kw[t - 1] = l->e_kw;
			at = l->parent;
		}
		found = 1;
	}
	free(m.label);
	return found;
}
