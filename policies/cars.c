/* See cars.h. */
#include "policies/cars.h"
#include "policies/view.h"

#include <stdint.h>

int cars_priority(const struct snapshot *s, int i)
{
	int first = s->dev[i].priority;

	if (s->site.car_share == CAR_SHARE_PRIORITY || !view_charger(&s->dev[i]))
		return first;
	for (int k = 0; k < s->n_devices; k++)
		if (view_charger(&s->dev[k]) && s->dev[k].priority > first)
			first = s->dev[k].priority;
	return first;
}

/* A time that is over says nothing about when the car leaves. */
int64_t cars_departure_ms(const struct snapshot *s, int i)
{
	int64_t ready_ms = s->dev[i].ev_ready_by_utc_ms;

	if (s->site.car_share != CAR_SHARE_DEPARTURE || !view_charger(&s->dev[i]) || ready_ms <= 0)
		return INT64_MAX;
	return s->clock_trusted && ready_ms <= s->utc_ms ? INT64_MAX : ready_ms;
}

bool car_turn_idle(const struct car_turn *t, int64_t now_ms)
{
	return t->since_ms != 0 && now_ms - t->drew_ms >= CAR_IDLE_MS;
}

void car_turn_drew(struct car_turn *t, int64_t now_ms)
{
	if (car_turn_idle(t, now_ms))
		t->since_ms = now_ms;
	t->drew_ms = now_ms;
}

void car_turn_hurry(struct car_turn *t, int64_t now_ms)
{
	if (t->since_ms != 0 && now_ms - t->drew_ms >= CAR_START_MS && now_ms - t->drew_ms < CAR_IDLE_MS)
		t->drew_ms = now_ms - CAR_IDLE_MS;
}

void car_turn_note(struct car_turn *t, int64_t now_ms, bool wants, bool charges, bool draws)
{
	if (!charges) {
		t->since_ms = 0;
		if (!wants)
			t->waits_ms = 0;
		else if (t->waits_ms == 0)
			t->waits_ms = now_ms;
		return;
	}
	if (t->since_ms == 0)
		t->since_ms = t->drew_ms = now_ms;
	if (draws)
		car_turn_drew(t, now_ms);
	t->waits_ms = 0;
}

bool car_turn_over(const struct car_turn *t, int64_t now_ms)
{
	return t->since_ms != 0 && (now_ms - t->since_ms >= CAR_TURN_MS || car_turn_idle(t, now_ms));
}

/* 0 charges in its turn, 1 waits, 2 has had its turn. */
static int standing(const struct car_turn *t, int64_t now_ms)
{
	return t->since_ms == 0 ? 1 : car_turn_over(t, now_ms) ? 2 : 0;
}

/* Who does not wait yet has come this instant, behind all who do. */
static int64_t waiting_since(const struct car_turn *t)
{
	return t->waits_ms ? t->waits_ms : INT64_MAX;
}

bool car_turn_yields(const struct car_turn *a, const struct car_turn *b, int64_t now_ms)
{
	int at_a = standing(a, now_ms), at_b = standing(b, now_ms);

	if (at_a != at_b)
		return at_a > at_b;
	return at_a == 1 ? waiting_since(a) > waiting_since(b) : a->since_ms < b->since_ms;
}

static bool equals(const struct car_slice *a, const struct car_slice *b)
{
	return a->priority == b->priority && a->departure_ms == b->departure_ms;
}

static bool comes_after(const struct car_slice *a, const struct car_slice *b, int64_t now_ms)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	if (a->departure_ms != b->departure_ms)
		return a->departure_ms > b->departure_ms;
	return car_turn_yields(a->turn, b->turn, now_ms);
}

static void sort(struct car_slice *c, int n, int64_t now_ms)
{
	for (int k = 1; k < n; k++)
		for (int j = k; j > 0 && comes_after(&c[j - 1], &c[j], now_ms); j--) {
			struct car_slice swap = c[j];

			c[j] = c[j - 1];
			c[j - 1] = swap;
		}
}

static double at_level(const struct car_slice *c, double amps)
{
	return double_clamp(amps * c->amp_w, c->min_w, c->max_w);
}

/* Those with w > 0 share @free_w, which is enough for the minimum of each. */
static void level(struct car_slice *c, int n, double free_w)
{
	double lo = 0, hi = 1000;

	for (int step = 0; step < 40; step++) {
		double mid = (lo + hi) / 2, sum_w = 0;

		for (int k = 0; k < n; k++)
			sum_w += c[k].w > 0 ? at_level(&c[k], mid) : 0;
		if (sum_w <= free_w)
			lo = mid;
		else
			hi = mid;
	}
	for (int k = 0; k < n; k++)
		if (c[k].w > 0)
			c[k].w = at_level(&c[k], lo);
}

double cars_share(struct car_slice *c, int n, double free_w, int64_t now_ms)
{
	sort(c, n, now_ms);
	for (int first = 0, end = 0; first < n; first = end) {
		double left_w = free_w;

		for (end = first; end < n && equals(&c[first], &c[end]); end++) {
			c[end].w = left_w >= c[end].min_w ? c[end].min_w : 0;
			left_w -= c[end].w;
		}
		level(&c[first], end - first, free_w);
		for (int k = first; k < end; k++)
			free_w -= c[k].w;
	}
	return free_w;
}
