/* What a scenario's limits may be about ("of") and how it is taken over its ticks ("take"). See scenario.h. */
#include "support/scenario.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum base { IN_HOME, IN_DEVICE, IN_DECISION, IN_ORDER, IN_SITE };
enum type { T_DOUBLE, T_INT, T_BOOL, T_FLOAT, T_BITS };

#define M(base, s, member, type) { #member, base, type, offsetof(struct s, member) }
#define N(name, base, s, member, type) { name, base, type, offsetof(struct s, member) }

/* The true home, the device named by "device", its decision, its order, the site's decision. */
static const struct measure {
	const char *of;
	enum base base;
	enum type type;
	size_t at;
} MEASURES[] = {
	M(IN_HOME, home, grid_w, T_DOUBLE), N("l1_w", IN_HOME, home, phase_w[0], T_DOUBLE), N("l2_w", IN_HOME, home, phase_w[1], T_DOUBLE),
	N("l3_w", IN_HOME, home, phase_w[2], T_DOUBLE), M(IN_HOME, home, imported_wh, T_DOUBLE), M(IN_HOME, home, exported_wh, T_DOUBLE),
	N("meter_w", IN_HOME, home, grid.v, T_DOUBLE), M(IN_HOME, home, load_w, T_DOUBLE), M(IN_HOME, home, pv_w, T_DOUBLE),
	M(IN_DEVICE, home_device, power_w, T_DOUBLE), M(IN_DEVICE, home_device, soc_pct, T_DOUBLE),
	M(IN_DEVICE, home_device, taken_wh, T_DOUBLE), M(IN_DEVICE, home_device, delivered_wh, T_DOUBLE),
	M(IN_DEVICE, home_device, car_wh, T_DOUBLE), M(IN_DEVICE, home_device, sun_given_w, T_DOUBLE),
	M(IN_DEVICE, home_device, own_reserve_pct, T_DOUBLE), M(IN_DEVICE, home_device, phases, T_INT),
	M(IN_DEVICE, home_device, switches, T_INT), M(IN_DEVICE, home_device, switched_hot, T_INT),
	N("order_w", IN_ORDER, order, w, T_DOUBLE), M(IN_ORDER, order, min_w, T_DOUBLE), M(IN_ORDER, order, max_w, T_DOUBLE),
	N("order_phases", IN_ORDER, order, phases, T_INT), M(IN_ORDER, order, native, T_BOOL), M(IN_ORDER, order, reserve_pct, T_FLOAT),
	N("order_kind", IN_ORDER, order, kind, T_INT), M(IN_DECISION, decision, rank, T_INT), M(IN_DECISION, decision, code, T_INT),
	M(IN_DECISION, decision, limited_by, T_BITS), N("unreachable_w", IN_SITE, decisions, limit_unreachable_w, T_DOUBLE),
	M(IN_SITE, decisions, floor_pct, T_DOUBLE), M(IN_SITE, decisions, n_doubts, T_INT), M(IN_SITE, decisions, mode, T_INT),
};

/* over, under: seconds beyond "level"; longest: the longest such time without a break; rise: the last less the first; signs:
 * changes of sign between values above 100; changes: by more than 1. */
static const char *const TAKES[] = { "min", "max", "mean", "abs", "last", "rise", "changes", "signs", "over", "under", "longest",
				     "longest_under" };

static double number(const char *base, const struct measure *m)
{
	const void *at = base + m->at;

	switch (m->type) {
	case T_DOUBLE: return *(const double *)at;
	case T_INT: return *(const int *)at;
	case T_BOOL: return *(const bool *)at;
	case T_FLOAT: return (double)*(const float *)at;
	case T_BITS: return *(const uint32_t *)at;
	}
	return NAN;
}

/* "doubt:KIND": is it named now; "cut_by:RANK": has that rank cut the device; "released". */
static double special(const struct scenario_limit *l, const struct decisions *d)
{
	const struct decision *one = &d->d[l->device];

	if (!strcmp(l->of, "released"))
		return one->order.kind == ORDER_RELEASE;
	if (!strncmp(l->of, "cut_by:", 7)) {
		for (int r = 0; r < RANK_COUNT; r++)
			if (!strcmp(rank_word((enum rank)r), l->of + 7))
				return one->limited_by >> r & 1;
	} else if (!strncmp(l->of, "doubt:", 6)) {
		for (int i = 0; i < d->n_doubts; i++)
			if (!strcmp(doubt_word(d->doubts[i].kind), l->of + 6))
				return 1;
		for (int k = 0; k < DOUBT_COUNT; k++)
			if (!strcmp(doubt_word((enum doubt_kind)k), l->of + 6))
				return 0;
	}
	return NAN;
}

static double measure_of(const struct scenario_limit *l, const struct home *h, const struct decisions *d)
{
	const char *bases[] = { [IN_HOME] = (const char *)h, [IN_DEVICE] = (const char *)&h->d[l->device],
				[IN_DECISION] = (const char *)&d->d[l->device], [IN_ORDER] = (const char *)&d->d[l->device].order,
				[IN_SITE] = (const char *)d };

	for (size_t i = 0; i < sizeof(MEASURES) / sizeof(MEASURES[0]); i++)
		if (!strcmp(MEASURES[i].of, l->of))
			return number(bases[MEASURES[i].base], &MEASURES[i]);
	return special(l, d);
}

bool scenario_measurable(const struct scenario_limit *l)
{
	static const struct home h;
	static const struct decisions d;

	for (size_t i = 0; i < sizeof(TAKES) / sizeof(TAKES[0]); i++)
		if (!strcmp(TAKES[i], l->take))
			return !isnan(measure_of(l, &h, &d));
	return false;
}

static void beyond(struct scenario_limit *l, bool is, bool longest, double tick_s)
{
	l->stretch = is || !longest ? l->stretch + (is ? tick_s : 0) : 0;
	l->result = longest ? fmax(l->result, l->stretch) : l->stretch;
}

void scenario_measure(struct scenario_limit *l, const struct home *h, const struct decisions *d, double tick_s)
{
	const char *take = l->take;
	double v = measure_of(l, h, d);
	bool begin = l->count++ == 0;

	if (begin) {
		l->first = l->last = v;
		l->stretch = l->result = 0;
	}
	if (!strcmp(take, "min"))
		l->result = begin ? v : fmin(l->result, v);
	else if (!strcmp(take, "max"))
		l->result = begin ? v : fmax(l->result, v);
	else if (!strcmp(take, "mean"))
		l->result += (v - l->result) / (double)l->count;
	else if (!strcmp(take, "abs"))
		l->result += (fabs(v) - l->result) / (double)l->count;
	else if (!strcmp(take, "last"))
		l->result = v;
	else if (!strcmp(take, "rise"))
		l->result = v - l->first;
	else if (!strcmp(take, "changes"))
		l->result += fabs(v - l->last) > 1;
	else if (!strcmp(take, "signs"))
		l->result += fabs(v) > 100 && v * l->last < 0;
	else if (!strcmp(take, "over") || !strcmp(take, "longest"))
		beyond(l, v > l->level, take[0] == 'l', tick_s);
	else
		beyond(l, v < l->level, take[0] == 'l', tick_s);
	if (strcmp(take, "signs") != 0 || fabs(v) > 100)
		l->last = v; /* of signs: the last value that counts */
}
