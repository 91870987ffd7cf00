/* A car that knows one power only, in slots of different lengths: which of them give exactly its energy is a subset sum. The
 * slots are dealt to two halves, the sums of each half are listed with the least cost of each, and both lists are matched.
 * Lists that grow too long are thinned: then what is found is a good choice, no longer surely the best. */
#include "policies/planner/pair.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 96       /* slots to choose from: more, and those of clear price are settled first */
#define SUMS_MAX 2048      /* of one half */
#define SUMS_ALL 98304     /* times slots: bounds memory */
#define SAME_KWH 1e-9

struct item {
	double kwh, cost;  /* what the slot gives, and how much dearer it is with the car than without */
	double away;       /* of its price from the price of the last kWh */
	int t, rank;       /* rank: how many of the same length are nearer to it */
	bool taken;
};

struct sum {
	double kwh, cost;
	uint16_t parent;   /* place in the list before */
	bool takes;
};

struct half {
	struct sum *list, *next;
	int n, items, item[ITEMS_MAX];
	struct step {
		uint16_t parent;
		bool takes;
	} *step;           /* items * most */
};

struct whole {
	struct item *item;
	int n, most;       /* most: sums a list may have */
	double due_kwh;
	struct half half[2];
};

bool pair_car_whole_needed(const struct pair *p)
{
	const struct slot *s = &p->slot[p->car_from];
	bool mixed = false;

	for (int t = p->car_from; t < p->car_to; t++) {
		if (p->slot[t].car_max_kw > p->slot[t].car_min_kw)
			return false;
		mixed |= fabs(p->slot[t].dt_h - s->dt_h) > SAME_KWH;
	}
	return mixed;
}

static int by_price(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	double d = x->cost / x->kwh - y->cost / y->kwh;

	return d < 0 ? -1 : d > 0 ? 1 : x->t - y->t;
}

static int by_length(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	double d = fabs(x->kwh - y->kwh) > SAME_KWH ? x->kwh - y->kwh : x->away - y->away;

	return d < 0 ? -1 : d > 0 ? 1 : x->t - y->t;
}

static int by_rank(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	double d = x->away - y->away;

	return x->rank != y->rank ? x->rank - y->rank : d < 0 ? -1 : d > 0 ? 1 : x->t - y->t;
}

/* Takes the slots in the order of price as long as they fit, and puts those first that are left to choose: some of each
 * length, the nearest to the price of the last kWh. All others stay as they are. */
static void settle(struct whole *w)
{
	double left = w->due_kwh, price;
	int last = 0;

	qsort(w->item, (size_t)w->n, sizeof(*w->item), by_price);
	for (int i = 0; i < w->n; i++) {
		w->item[i].taken = w->item[i].kwh <= left + SAME_KWH;
		left -= w->item[i].taken ? w->item[i].kwh : 0;
		last = w->item[i].taken ? i : last;
	}
	price = w->item[last].cost / w->item[last].kwh;
	for (int i = 0; i < w->n; i++)
		w->item[i].away = fabs(w->item[i].cost / w->item[i].kwh - price);
	qsort(w->item, (size_t)w->n, sizeof(*w->item), by_length);
	for (int i = 1; i < w->n; i++)
		w->item[i].rank = w->item[i].kwh - w->item[i - 1].kwh > SAME_KWH ? 0 : w->item[i - 1].rank + 1;
	qsort(w->item, (size_t)w->n, sizeof(*w->item), by_rank);
	for (int i = ITEMS_MAX; i < w->n; i++)
		w->due_kwh -= w->item[i].taken ? w->item[i].kwh : 0;
	w->n = w->n > ITEMS_MAX ? ITEMS_MAX : w->n;
	qsort(w->item, (size_t)w->n, sizeof(*w->item), by_length);
}

/* Slots of one length go to the same half, where their sums coincide. */
static void deal(struct whole *w)
{
	double size[2] = { 0, 0 };
	int n = 0;

	for (int i = 0; i < w->n; i += n) {
		struct half *h = &w->half[size[1] < size[0]];

		for (n = 0; i + n < w->n && w->item[i + n].kwh - w->item[i].kwh <= SAME_KWH; n++)
			h->item[h->items++] = i + n;
		size[h - w->half] += log(n + 1);
	}
}

/* The cheapest of each equal part of the energy due. */
static int thin(const struct whole *w, struct sum *list, int n)
{
	int kept = 0, part = -1;

	for (int i = 0; i < n; i++) {
		int mine = (int)(list[i].kwh / (w->due_kwh + SAME_KWH) * w->most);

		if (mine == part && list[kept - 1].cost <= list[i].cost)
			continue;
		kept -= mine == part;
		list[kept++] = list[i];
		part = mine;
	}
	return kept > w->most ? w->most : kept;
}

/* The list with and without one slot more, merged in order; of two equal sums the cheaper. */
static void extend(const struct whole *w, struct half *h, int k)
{
	const struct item *x = &w->item[h->item[k]];
	struct sum *swap = h->next;
	int a = 0, b = 0, n = 0;

	while (a < h->n || (b < h->n && h->list[b].kwh + x->kwh <= w->due_kwh + PAIR_ENERGY_EPS)) {
		struct sum c;

		if (b >= h->n || (a < h->n && h->list[a].kwh <= h->list[b].kwh + x->kwh)) {
			c = (struct sum){ h->list[a].kwh, h->list[a].cost, (uint16_t)a, false };
			a++;
		} else {
			c = (struct sum){ h->list[b].kwh + x->kwh, h->list[b].cost + x->cost, (uint16_t)b, true };
			b++;
		}
		if (n > 0 && c.kwh - h->next[n - 1].kwh <= SAME_KWH) {
			if (c.cost < h->next[n - 1].cost)
				h->next[n - 1] = c;
			continue;
		}
		h->next[n++] = c;
	}
	if (n > w->most)
		n = thin(w, h->next, n);
	for (int i = 0; i < n; i++)
		h->step[k * w->most + i] = (struct step){ h->next[i].parent, h->next[i].takes };
	h->next = h->list;
	h->list = swap;
	h->n = n;
}

static void take(struct whole *w, const struct half *h, int at)
{
	for (int k = h->items - 1; k >= 0; k--) {
		const struct step *s = &h->step[k * w->most + at];

		w->item[h->item[k]].taken = s->takes;
		at = s->parent;
	}
}

/* The cheapest two sums that make the energy due. False: none do. */
static bool match(struct whole *w)
{
	const struct half *a = &w->half[0], *b = &w->half[1];
	double best = INFINITY;
	int at[2] = { 0, 0 };

	for (int i = 0, k = b->n - 1; i < a->n && k >= 0; i++) {
		while (k >= 0 && a->list[i].kwh + b->list[k].kwh > w->due_kwh + PAIR_ENERGY_EPS / 2)
			k--;
		if (k < 0 || a->list[i].kwh + b->list[k].kwh < w->due_kwh - PAIR_ENERGY_EPS / 2 ||
		    a->list[i].cost + b->list[k].cost >= best)
			continue;
		best = a->list[i].cost + b->list[k].cost;
		at[0] = i;
		at[1] = k;
	}
	if (isinf(best))
		return false;
	take(w, a, at[0]);
	take(w, b, at[1]);
	return true;
}

static bool choose(struct whole *w)
{
	size_t most;
	bool found = false;
	char *room;

	w->most = SUMS_ALL / (w->n > 0 ? w->n : 1);
	w->most = w->most > SUMS_MAX ? SUMS_MAX : w->most;
	most = (size_t)w->most;
	deal(w);
	room = malloc(8 * most * sizeof(struct sum) + (size_t)w->n * most * sizeof(struct step));
	for (int i = 0; i < 2 && room; i++) {
		struct half *h = &w->half[i];

		h->list = (struct sum *)room + (size_t)i * 4 * most;
		h->next = h->list + 2 * most;
		h->step = (struct step *)((struct sum *)room + 8 * most) + (i ? (size_t)w->half[0].items * most : 0);
		h->list[0] = (struct sum){ 0, 0, 0, false };
		h->n = 1;
		for (int k = 0; k < h->items; k++)
			extend(w, h, k);
	}
	found = room && match(w);
	free(room);
	return found;
}

bool pair_car_whole(const struct pair_view *v, double *e_kw)
{
	const struct pair *p = v->pair;
	struct whole w = { .due_kwh = p->car_kwh };
	bool found = false;
	int all;

	w.item = calloc((size_t)(p->car_to - p->car_from), sizeof(*w.item));
	if (!w.item)
		return false;
	for (int t = p->car_from; t < p->car_to; t++) {
		const struct slot *s = &p->slot[t];
		double kwh = s->car_max_kw * s->dt_h;

		e_kw[t] = s->car_must ? s->car_max_kw : 0;
		w.due_kwh -= e_kw[t] * s->dt_h;
		if (!s->car_must && kwh > SAME_KWH)
			w.item[w.n++] = (struct item){ .kwh = kwh, .t = t,
						       .cost = pair_car_cost(v, t, s->car_max_kw) - pair_car_cost(v, t, 0) };
	}
	all = w.n;
	if (w.n > 0 && w.due_kwh > -PAIR_ENERGY_EPS) {
		settle(&w);
		found = w.due_kwh > -PAIR_ENERGY_EPS && choose(&w);
	}
	for (int i = 0; i < all && found; i++)
		if (w.item[i].taken)
			e_kw[w.item[i].t] = p->slot[w.item[i].t].car_max_kw;
	free(w.item);
	return found;
}
