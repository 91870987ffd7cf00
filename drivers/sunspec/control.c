/* What every way of control has in common, whichever model it goes through: comparing what is in force with what was
 * ordered, adding writes, and proving the reversion timer. One table row a way; see storage.c and curtail.c. */
#include "drivers/sunspec/sunspec.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const struct {
	const struct sunspec_way *way;
	bool (*there)(const struct sunspec *s);
} WAYS[] = {
	[CONTROL_704] = { &STORAGE_BY_704, storage_by_704 },
	[CONTROL_124] = { &STORAGE_BY_124, storage_by_124 },
	[CURTAIL_704] = { &CURTAIL_BY_704, curtail_by_704 },
	[CURTAIL_123] = { &CURTAIL_BY_123, curtail_by_123 },
};

enum sunspec_control control_find(const struct sunspec *s)
{
	for (int c = CONTROL_704; c <= CURTAIL_123; c++)
		if (WAYS[c].there(s))
			return (enum sunspec_control)c;
	return CONTROL_NO_WAY;
}

const struct sunspec_way *control_way(const struct sunspec *s)
{
	return WAYS[s->control].way;
}

const struct image *control_image(const struct sunspec *s)
{
	const struct sunspec_way *way = control_way(s);

	return way ? sunspec_image(s, way->slot) : NULL;
}

double control_step_w(const struct sunspec *s)
{
	const struct sunspec_way *way = control_way(s);
	double step = way ? way->step_w(s, control_image(s)) : 0;

	return isfinite(step) ? step : 0;
}

struct inforce control_inforce(const struct sunspec *s)
{
	const struct sunspec_way *way = control_way(s);

	return way ? way->inforce(s, control_image(s)) : (struct inforce){ 0 };
}

void control_band(const struct sunspec *s, const struct order *o, double *lo, double *hi)
{
	bool band = o->kind == ORDER_BALANCE && o->native;
	double charge, discharge;

	*lo = band ? o->min_w : o->w;
	*hi = band ? o->max_w : o->w;
	if (control_way(s)->curtails) {
		*lo = *hi = curtail_bound_w(s, o);
	} else {
		storage_bounds(s, &charge, &discharge);
		*lo = fmin(fmax(*lo, -discharge), charge);
		*hi = fmin(fmax(*hi, -discharge), charge);
	}
}

static bool near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

static bool as_before(const struct inforce *b, const struct inforce *now, double tolerance)
{
	const bool was = b->active || b->theirs, is = now->active || now->theirs;

	return b->known && was == is && (!was || (near(b->lo_w, now->lo_w, tolerance) && near(b->hi_w, now->hi_w, tolerance)));
}

/* An inverter that cannot go so low (or so high) keeps what it can. But where it has held as much before it was somebody else. */
static bool clamps(const struct sunspec *s, double asked_w, double now_w, double tolerance)
{
	const double asked = -asked_w, now = -now_w;

	if (!s->held_any)
		return true;
	return now > asked ? now <= s->held_least_w + tolerance : now >= s->held_most_w - tolerance;
}

void control_held(struct sunspec *s, const struct inforce *now)
{
	const double w = -now->hi_w;

	if (!control_way(s)->curtails || !now->active)
		return;
	s->held_least_w = s->held_any ? fmin(s->held_least_w, w) : w;
	s->held_most_w = s->held_any ? fmax(s->held_most_w, w) : w;
	s->held_any = true;
}

enum seen control_seen(const struct sunspec *s, const struct inforce *now)
{
	double lo, hi, tolerance = control_step_w(s) * 1.001 + 1;
	const struct inforce *b = &s->before;

	if (s->setpoint.sent.kind == ORDER_RELEASE) {
		if (!now->active)
			return SEEN_SAME;
	} else {
		if (control_way(s)->curtails) {
			control_band(s, &s->setpoint.sent, &lo, &hi);
		} else { /* others' limits may have come and gone since */
			lo = s->sent_lo_w;
			hi = s->sent_hi_w;
		}
		if (now->active && near(now->lo_w, lo, tolerance) && near(now->hi_w, hi, tolerance))
			return SEEN_SAME;
		if (now->active && control_way(s)->curtails && !as_before(b, now, tolerance))
			return clamps(s, hi, now->hi_w, tolerance) ? SEEN_LESS : SEEN_OTHER;
		/* A clamp keeps the direction and takes from the size. */
		if (now->active && lo == hi && near(now->lo_w, now->hi_w, tolerance) && fabs(now->hi_w) < fabs(hi) &&
		    now->hi_w * hi >= 0 && !(b->active && near(b->hi_w, now->hi_w, tolerance)))
			return SEEN_LESS;
	}
	return as_before(b, now, tolerance) ? SEEN_BEFORE : SEEN_OTHER;
}

int control_add(const struct sunspec *s, struct batch *b, const char *point, double value, bool optional)
{
	int r;

	if (b->n == BATCH_REQUESTS_MAX)
		return -ENOSPC;
	r = image_write(control_image(s), point, value, s->fc6, &b->r[b->n]);
	if (r == 0)
		b->n++;
	return r == -ENOENT && optional ? 0 : r;
}

int control_add_changed(const struct sunspec *s, struct batch *b, const char *point, double value)
{
	return image_number(control_image(s), point) == value ? 0 : control_add(s, b, point, value, true);
}

/* An image from before our last write says nothing about what that left behind. */
int control_add_back(const struct sunspec *s, struct batch *b, const char *point, double value)
{
	const struct image *img = control_image(s);
	int r;

	if (isnan(value) || (img->at_ms > s->touched_ms && image_number(img, point) == value))
		return 0;
	r = control_add(s, b, point, value, true);
	return r == -ERANGE ? 0 : r;
}

int control_writes(struct sunspec *s, struct batch *batch)
{
	const struct sunspec_way *way = control_way(s);
	int r;

	batch->n = 0;
	if (way)
		control_band(s, &s->setpoint.order, &s->sent_lo_w, &s->sent_hi_w);
	r = way ? way->writes(s, &s->setpoint.order, batch) : -ENOTSUP;
	if (r < 0)
		batch->n = 0;
	return r < 0 ? r : batch->n;
}

bool control_has_timer(const struct sunspec *s)
{
	const struct sunspec_way *way = control_way(s);
	double set;

	return way && image_get(control_image(s), way->timer, &set);
}

int control_prepare(struct sunspec *s, struct batch *batch)
{
	const struct sunspec_way *way = control_way(s);
	struct inforce now = control_inforce(s);

	batch->n = 0;
	if (way->curtails || !now.known || now.active || now.theirs || !control_has_timer(s) ||
	    image_number(control_image(s), way->timer) == SUNSPEC_REVERT_S)
		return 0;
	return control_add(s, batch, way->timer, SUNSPEC_REVERT_S, false) == 0 ? batch->n : 0;
}

/* 704 shows the time that is left: it must stand where our last write put it. The others only show the time we set. */
void control_check_timer(struct sunspec *s)
{
	const struct sunspec_way *way = control_way(s);
	const struct image *img = control_image(s);
	double set, left, elapsed_s;

	/* Nothing commanded (yet, or any more): the time is there, or not; a sun inverter's is not ours then. */
	if (img && (s->setpoint.written_ms == 0 || s->setpoint.sent.kind == ORDER_RELEASE)) {
		if (!way->curtails)
			s->timer_ok = image_get(img, way->timer, &set) && set == SUNSPEC_REVERT_S;
		return;
	}
	if (!img || img->at_ms < s->setpoint.written_ms || s->setpoint.phase == SETPOINT_WRITING)
		return;
	s->timer_tried = true;
	s->timer_ok = image_get(img, way->timer, &set) && set == SUNSPEC_REVERT_S;
	if (!way->left || !s->timer_ok || image_number(img, way->on) != 1 || !image_get(img, way->left, &left))
		return;
	elapsed_s = (double)(img->at_ms - s->setpoint.written_ms) / 1000;
	s->timer_ok = left > 0 && left <= SUNSPEC_REVERT_S && left >= SUNSPEC_REVERT_S - elapsed_s - 3;
}
