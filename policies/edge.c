/* See edge.h. */
#include "policies/edge.h"

#include <math.h>
#include <string.h>

#define GAIN_MAX 15.0       /* no meter is that wrong: it is the house that moved */
#define CHANGE_W 50.0       /* of an order or a reading: less is regulation, not a step */
#define LAG_MS 2000         /* meters show what was true a while ago */
#define APART_MS 900        /* two samples that agree must not be one */
#define GIVE_UP_MS 30000    /* and three times the settle time: the house does not come to rest */
#define LINE_MIN 4          /* samples that make a line, and how straight it is */
#define LINE_STRAIGHT 0.9
#define QUIET_MS 5000
#define ANSWER_MS 2000      /* a load that ours answer so soon is in their step */
#define FADE 0.85F

static bool told(const struct order *o)
{
	return o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);
}

/* A car does not look at the meter, whatever its charger was told; a battery or an inverter left to itself may. */
static enum edge_part part_of(const struct snapshot *s, int i, double *power_w, int64_t *at_ms)
{
	const struct snap_device *d = &s->dev[i];

	if (!(d->roles & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV)) || d->state.availability == AVAIL_UNKNOWN)
		return EDGE_ABSENT;
	if (!view_power(s, i, power_w, at_ms) || d->state.availability == AVAIL_OFFLINE)
		return EDGE_UNSEEN;
	return view_charger(d) || (view_battery(d) && told(&d->ordered)) ? EDGE_OURS : EDGE_OTHER;
}

static void base_take(struct edge *e, const struct snapshot *s, const struct edge_sample *sample)
{
	e->base = *sample;
	e->open_ms = s->now_ms;
	for (int i = 0; i < s->n_devices; i++)
		e->dev[i].base_w = e->dev[i].power_w;
	e->mixed = e->arrived = false;
	e->open = true;
	memset(&e->line, 0, sizeof(e->line));
}

/* The newest sample not later than @at_ms; NULL when the ring does not reach back that far. */
static const struct edge_sample *sample_before(const struct edge *e, int64_t at_ms)
{
	for (int k = 0; k < e->count; k++) {
		const struct edge_sample *r = &e->ring[(e->newest - k + EDGE_RING) % EDGE_RING];

		if (r->at_ms <= at_ms)
			return r;
	}
	return NULL;
}

static double own_change(const struct edge *e, int n)
{
	double own_w = 0;

	for (int i = 0; i < n; i++)
		if (e->dev[i].part == EDGE_OURS)
			own_w += (double)(e->dev[i].power_w - e->dev[i].base_w);
	return own_w;
}

static void line_add(struct edge *e, int n)
{
	double x = own_change(e, n), y = (double)(e->ring[e->newest].w[0] - e->base.w[0]);

	e->line.n++;
	e->line.x += x;
	e->line.y += y;
	e->line.xx += x * x;
	e->line.yy += y * y;
	e->line.xy += x * y;
}

/* Did meter and devices go together all the way, by the same gain as from the first to the last? */
static bool straight(const struct edge *e, double gain)
{
	double n = e->line.n, xx = e->line.xx - e->line.x * e->line.x / n, yy = e->line.yy - e->line.y * e->line.y / n;
	double xy = e->line.xy - e->line.x * e->line.y / n;

	return n >= LINE_MIN && xy * xy >= LINE_STRAIGHT * xx * yy && fabs(xy - gain * xx) <= 0.4 * fabs(gain) * xx;
}

static enum edge_class classify(double own_w, double meter_w, double noise_w)
{
	double gain = meter_w / own_w;

	if (fabs(own_w) < EDGE_MIN_W || fabs(gain) > GAIN_MAX || double_max(fabs(own_w), fabs(meter_w)) < EDGE_NOISE * noise_w)
		return EDGE_NOTHING;
	if (gain >= 0.6 && gain <= 1.6)
		return EDGE_RIGHT;
	if (gain <= -0.5)
		return EDGE_INVERTED;
	if (gain >= 2.2)
		return EDGE_LARGE;
	return gain >= 0.04 && gain <= 0.35 && fabs(meter_w) >= EDGE_NOISE * noise_w ? EDGE_SMALL : EDGE_NOTHING;
}

/* What the house moves by in most windows: a load that comes and goes now and then is not in it. */
static double usual_noise(const struct edge *e)
{
	int larger;
	float least_w = e->noise_w;

	for (int i = 0; i < EDGE_QUIETS; i++) {
		larger = 0;
		for (int k = 0; k < EDGE_QUIETS; k++)
			larger += e->moved_w[k] > e->moved_w[i];
		if (larger <= EDGE_SELDOM)
			least_w = fminf(least_w, e->moved_w[i]);
	}
	return (double)least_w;
}

/* What the step says, by the readings of the last tick and meter sample @now. */
static void judge(const struct edge *e, int n, const struct edge_sample *now, struct edge_vote *vote)
{
	double other_w = 0, most_w = 0;
	bool unseen = false;

	*vote = (struct edge_vote){ .device = -1 };
	for (int i = 0; i < n; i++) {
		const struct edge_device *d = &e->dev[i];
		double moved_w = (double)(d->power_w - d->base_w);

		unseen = unseen || d->part == EDGE_UNSEEN;
		if (d->part == EDGE_OTHER)
			other_w += fabs(moved_w);
		if (d->part != EDGE_OURS)
			continue;
		vote->own_w += moved_w;
		if (fabs(moved_w) > most_w) {
			most_w = fabs(moved_w);
			vote->device = i;
		}
	}
	for (int p = 0; p < 4; p++)
		vote->meter_w[p] = (double)(now->w[p] - e->base.w[p]);
	if (fabs(most_w - fabs(vote->own_w)) > 0.1 * most_w)
		vote->device = -1;
	vote->line = e->mixed && straight(e, vote->meter_w[0] / vote->own_w);
	if ((e->mixed && !vote->line) || other_w > 0.2 * fabs(vote->own_w) + 30)
		return;
	vote->class = classify(vote->own_w, vote->meter_w[0], (double)e->noise_w);
	vote->perhaps = classify(vote->own_w, vote->meter_w[0], usual_noise(e));
	if (vote->perhaps == EDGE_SMALL && unseen)
		vote->class = vote->perhaps = EDGE_NOTHING; /* what is not seen may have undone the rest */
}

/* Orders first, while readings and samples still are those the last decision was made by. */
static bool orders_look(struct edge *e, const struct snapshot *s, struct edge_vote *vote)
{
	bool changed = false, left = false, voted = false;
	int64_t at_ms = 0;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct edge_device *m = &e->dev[i];
		float order_w = told(&d->ordered) ? (float)d->ordered.w : NAN;

		if (m->part == EDGE_OURS && !isnan(m->order_w) && isnan(order_w))
			left = true; /* it looks after itself from now on */
		else if (m->part >= EDGE_OTHER && !isnan(order_w) && !(fabsf(order_w - m->order_w) < (float)CHANGE_W))
			changed = true;
		else
			continue;
		at_ms = d->ordered_at_ms > at_ms ? d->ordered_at_ms : at_ms;
	}
	if (e->open && changed && e->arrived) {
		judge(e, s->n_devices, &e->ring[e->newest], vote);
		voted = true;
	}
	if (left) {
		e->open = false;
	} else if (changed && e->open && !e->arrived) {
		e->mixed = true;
		e->change_ms = at_ms;
	} else if (changed && e->count > 0) {
		base_take(e, s, &e->ring[e->newest]);
		e->change_ms = at_ms;
	}
	return voted;
}

static void readings_look(struct edge *e, const struct snapshot *s)
{
	e->settle_ms = 0;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		struct edge_device *m = &e->dev[i];
		enum edge_part before = m->part;
		const struct edge_sample *sample;
		double power_w = 0;
		int64_t at_ms = 0;

		m->part = part_of(s, i, &power_w, &at_ms);
		m->order_w = told(&d->ordered) ? (float)d->ordered.w : NAN;
		if (m->part < EDGE_OTHER)
			continue;
		if (m->part == EDGE_OURS && view_settle_ms(d) > e->settle_ms)
			e->settle_ms = view_settle_ms(d);
		if (before < EDGE_OTHER) {
			e->open = false; /* a new number in the sum */
		} else if (m->part == EDGE_OURS && at_ms != m->at_ms && fabs(power_w - (double)m->power_w) >= CHANGE_W) {
			sample = sample_before(e, m->at_ms);
			if (!e->open && d->ordered.kind != ORDER_BALANCE && sample)
				base_take(e, s, sample);
			if (at_ms > e->change_ms && (e->arrived || isnan(m->order_w) || d->ordered_at_ms < e->change_ms))
				e->change_ms = at_ms;
		}
		m->power_w = (float)power_w;
		m->at_ms = at_ms;
	}
}

static bool sample_keep(struct edge *e, const struct snapshot *s)
{
	struct edge_sample *r;

	if (s->grid_sample == e->grid_sample || !value_usable(&s->grid_w) || !isfinite(s->grid_w.v))
		return false;
	e->grid_sample = s->grid_sample;
	e->newest = (e->newest + 1) % EDGE_RING;
	e->count += e->count < EDGE_RING;
	r = &e->ring[e->newest];
	r->at_ms = s->grid_w.at_ms;
	r->w[0] = (float)s->grid_w.v;
	for (int p = 0; p < 3; p++)
		r->w[p + 1] = value_usable(&s->phase_w[p]) ? (float)s->phase_w[p].v : NAN;
	return true;
}

/* Have all that were told done it, as far as their readings say, and has the meter been read since? */
static bool arrived(const struct edge *e, const struct snapshot *s)
{
	if (e->ring[e->newest].at_ms < e->change_ms + e->settle_ms)
		return false;
	for (int i = 0; i < s->n_devices; i++) {
		const struct edge_device *m = &e->dev[i];
		float off_w = fabsf(m->power_w - m->order_w);

		if (m->part != EDGE_OURS || m->at_ms >= e->change_ms + view_settle_ms(&s->dev[i]))
			continue;
		if (m->at_ms <= e->change_ms || !(off_w <= fmaxf((float)CHANGE_W, 0.1F * fabsf(m->order_w))))
			return false;
	}
	return true;
}

/* A meter at rest: two samples that agree, both so late that the step must be in them. */
static bool rested(const struct edge *e)
{
	const struct edge_sample *now = &e->ring[e->newest], *before = sample_before(e, now->at_ms - APART_MS);
	double step_w = fabs((double)(now->w[0] - e->base.w[0]));

	return before && before->at_ms >= e->change_ms + e->settle_ms + LAG_MS &&
	       fabs((double)(now->w[0] - before->w[0])) <= 0.15 * step_w + 20;
}

/* What the house does by itself: how far the meter moves while none of ours does. What ours answer at once is in the step. */
static void noise_learn(struct edge *e, int64_t now_ms)
{
	const struct edge_sample *late = sample_before(e, now_ms - ANSWER_MS);
	float moved_w;

	if (e->open || !late) {
		e->quiet_ms = 0;
		return;
	}
	if (e->quiet_ms == 0) {
		e->quiet_ms = now_ms;
		e->quiet_w = late->w[0];
	}
	if (now_ms - e->quiet_ms < QUIET_MS)
		return;
	moved_w = fabsf(late->w[0] - e->quiet_w);
	e->noise_w = fmaxf(moved_w, e->noise_w * FADE);
	e->moved_w[e->moved] = moved_w;
	e->moved = (e->moved + 1) % EDGE_QUIETS;
	e->quiet_ms = 0;
}

bool edge_step(struct edge *e, const struct snapshot *s, struct edge_vote *vote)
{
	bool voted = orders_look(e, s, vote);

	readings_look(e, s);
	if (sample_keep(e, s) && e->open)
		line_add(e, s->n_devices);
	if (e->open) {
		e->arrived = arrived(e, s);
		if (!voted && e->arrived && rested(e)) {
			judge(e, s->n_devices, &e->ring[e->newest], vote);
			vote->clean = !e->mixed;
			voted = true;
			e->open = false;
		} else if (s->now_ms - e->open_ms > 3 * e->settle_ms + GIVE_UP_MS) {
			e->open = false;
		}
	}
	noise_learn(e, s->now_ms);
	return voted;
}

bool edge_sum(const struct edge *e, int n, double *sum_w, int64_t *oldest_ms)
{
	*sum_w = 0;
	*oldest_ms = INT64_MAX;
	for (int i = 0; i < n; i++) {
		if (e->dev[i].part == EDGE_UNSEEN)
			return false;
		if (e->dev[i].part == EDGE_ABSENT)
			continue;
		*sum_w += (double)e->dev[i].power_w;
		if (e->dev[i].at_ms < *oldest_ms)
			*oldest_ms = e->dev[i].at_ms;
	}
	return true;
}
