/* How cars keep to what they are told, for share.c: one draws more than that, one goes on although it was told to pause, one does
 * not draw at all. */
#include "policies/work.h"

#define BEYOND_W 50.0 /* closer than that a car does as it is told; to believe it a little worse than it is costs little */
#define BEYOND_MS 2000
#define NEEDED_MS 3000 /* a limit exceeded for so long is more than a load that comes on */
#define NEAR 0.8 /* of its order: by mains and whole amperes a car may be so far below it and still be bound by it */

double habits_over(const struct work_device *d)
{
	return d->memory->over > 0 ? d->memory->over : 1;
}

/* What a car was told before it was read: what it drew then may still come from any of that. Some are read every ten seconds only,
 * and a reading of before a cut is no disobedience however long it stands; nor is what it drew when it was left to itself. */
static struct response_range told_before_reading(const struct work_device *d)
{
	const struct chain_memory *m = d->memory;

	return response_orders(&m->response, m->reading_ms - view_settle_ms(d->dev) - BEYOND_MS, m->reading_ms);
}

/* Its order, and one only, is what holds the car: it draws about that, and less than it has shown it can. One that is at its own end
 * may draw less than told, or hardly more, and still go beyond the next order that is lower. */
static bool bound_by_order(const struct work_device *d, const struct response_range *told)
{
	return told->high_w - told->low_w <= BEYOND_W && d->now_w >= NEAR * told->high_w && d->now_w < d->memory->over_w - BEYOND_W;
}

/* How many times what it was told a car draws: more at once, less only where the order tells. */
static void over_learn(struct work_device *d, const struct response_range *told)
{
	struct chain_memory *m = d->memory;

	if (bound_by_order(d, told))
		m->over = 0;
	if (d->now_w > told->high_w + BEYOND_W && m->reading_ms - m->response.free_ms > view_settle_ms(d->dev) + BEYOND_MS)
		m->over = double_max(m->over, d->now_w / told->high_w);
	m->over_w = m->over > 0 ? double_max(m->over_w, d->now_w) : 0;
}

/* A limit is exceeded: nobody keeps room that he does not take. */
static bool room_is_needed(const struct work *w)
{
	for (int point = POINT_SITE; point < POINT_COUNT; point++)
		for (int side = 0; side < 2; side++)
			if (w->c->exceeded_ms[point][side] && w->s->now_ms - w->c->exceeded_ms[point][side] >= NEEDED_MS)
				return true;
	return false;
}

void habits_learn(struct work *w)
{
	const bool needed = room_is_needed(w);

	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		struct chain_memory *m = d->memory;
		struct response_range told;

		if (!d->charger)
			continue;
		if (view_car_charging(w->s, i))
			car_turn_drew(&m->turn, w->s->now_ms);
		if (needed)
			car_turn_hurry(&m->turn, w->s->now_ms);
		d->idle = car_turn_idle(&m->turn, w->s->now_ms);
		told = told_before_reading(d);
		m->stuck_w = 0;
		if (!view_car_connected(d->dev) || d->dev->ordered.kind != ORDER_POWER)
			m->over = m->over_w = 0;
		else if (d->known && told.high_w <= 0)
			m->stuck_w = d->now_w > BEYOND_W ? d->now_w : 0;
		else if (d->known)
			over_learn(d, &told);
	}
}
