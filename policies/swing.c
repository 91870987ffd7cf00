/* See swing.h. */
#include "policies/swing.h"
#include "policies/view.h"

#include <math.h>
#include <string.h>

#define LOOK_MS 60000.0
#define ECHOES_LEAST 0.75   /* windows for each leg: a faster turn does not come from an order that took too long */
#define ECHOES_MOST 25.0    /* windows for all turns: rarer ones neither */
#define UNEVEN 3.0          /* the longest leg against the shortest: an echo comes back in its own time, a house does as it likes */
#define FORGET 6.0          /* windows over which the error is taken */
#define NO_GOOD 0.5         /* an error this large against the turns: the loop follows nothing, it makes them */
#define CALM_MS 120000.0    /* until the next level down */

static double look_ms(const struct swing_view *v)
{
	return double_max(LOOK_MS, ECHOES_MOST * v->echo_ms);
}

static void error_see(struct swing *s, const struct swing_view *v)
{
	double part = (double)(v->now_ms - s->seen_ms) / (FORGET * v->echo_ms);

	s->error_w += (fabs(v->error_w) - s->error_w) * double_min(1, part);
	s->seen_ms = v->now_ms;
}

/* True when the orders have just turned. */
static bool turn_see(struct swing *s, const struct swing_view *v)
{
	double back_w = s->direction * (s->top_w - v->sum_w);

	if (s->direction == 0)
		s->direction = 1;
	else if (back_w >= v->least_w) {
		s->leg_w += (back_w - s->leg_w) / 2;
		s->direction = -s->direction;
	} else if (back_w > 0) {
		return false;
	}
	s->top_w = v->sum_w;
	return back_w >= v->least_w;
}

static void calm_down(struct swing *s, const struct swing_view *v)
{
	if (s->level == 0 || (double)(v->now_ms - s->calm_ms) < double_max(CALM_MS, 2 * look_ms(v)))
		return;
	s->level--;
	s->calm_ms = v->now_ms;
}

/* By the times of the turns in the ring, the oldest at next: is that what an echo makes? */
static bool even(const struct swing *s, const struct swing_view *v)
{
	double least_ms = INFINITY, most_ms = 0;

	for (int k = 1; k < SWING_TURNS; k++) {
		double leg_ms = (double)(s->turn_ms[(s->next + k) % SWING_TURNS] - s->turn_ms[(s->next + k - 1) % SWING_TURNS]);

		least_ms = double_min(least_ms, leg_ms);
		most_ms = double_max(most_ms, leg_ms);
	}
	return least_ms >= ECHOES_LEAST * v->echo_ms && most_ms <= UNEVEN * least_ms;
}

bool swing_see(struct swing *s, const struct swing_view *v)
{
	double turns_ms;

	error_see(s, v);
	calm_down(s, v);
	if (!turn_see(s, v))
		return false;
	s->turn_ms[s->next] = v->now_ms;
	s->next = (s->next + 1) % SWING_TURNS;
	turns_ms = (double)(v->now_ms - s->turn_ms[s->next]);
	if (s->turn_ms[s->next] == 0 || turns_ms > look_ms(v) || !even(s, v) || s->error_w < NO_GOOD * s->leg_w)
		return false;
	s->said_w = s->leg_w;
	s->said_s = turns_ms / 1000;
	s->level += s->level < SWING_LEVELS;
	s->calm_ms = v->now_ms;
	memset(s->turn_ms, 0, sizeof(s->turn_ms)); /* the next one needs turns of its own */
	return true;
}

double swing_calm(const struct swing *s)
{
	return ldexp(1, -s->level);
}
