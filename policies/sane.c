/* See sane.h. */
#include "policies/sane.h"

#include <math.h>

#define REACH_MIN_W 10000.0
#define REACH_W 50000.0     /* of a house that says nothing of its fuse */
#define ABSURD_W 100000.0
#define MOVED_W 500.0       /* our own power that must show */
#define STILL_MS 10000
#define STILL_SAMPLES 4
#define CAUGHT_UP_MS 3000   /* readings may be older than the meter's */
#define RANGE_MS 30000
#define TURN_W 300.0
#define TURN_PART 1.2       /* of all that ours did */
#define TURNS 4
#define WILD 2.5            /* a load that comes and goes shows twice what follows it */

/* From full import to full export, whatever blows slowly; without a fuse what no house has. Who does not say how many phases may
 * have three. */
double sane_reach_w(const struct snapshot *s)
{
	double phases = s->dev[s->grid_device].phases == 1 ? 1 : 3;

	if (s->site.fuse_a > 0)
		return double_max(REACH_MIN_W, 2 * s->site.fuse_a * NOMINAL_V * phases);
	return double_max(REACH_W, 4 * s->site.import_limit_w);
}

static void misbehaves(struct sane *m, bool *how, int64_t now_ms)
{
	*how = true;
	m->misbehaved_ms = now_ms;
}

/* Changes that no house can make. A spike within its reach may be a heater that is switched every few seconds: no meter is
 * doubted for that. */
static void jumps_look(struct sane *m, const struct snapshot *s)
{
	double jump_w = m->count > 1 ? fabs((double)(m->w[0] - m->w[1])) : 0;
	double own_w = fabs((double)(m->own_w[0] - m->own_w[1]));
	int64_t now_ms = s->now_ms;

	m->absurd = fabsf(m->w[0]) > (float)double_max(ABSURD_W, 2 * sane_reach_w(s));
	if (!m->absurd && jump_w - own_w <= sane_reach_w(s))
		return;
	if (m->jumps)
		m->misbehaved_ms = now_ms;
	m->jump_w = (float)double_max((double)m->jump_w, double_max(jump_w, fabs((double)m->w[0])));
	m->jump = (m->jump + 1) % SANE_JUMPS;
	if (m->jump_ms[m->jump] > 0 && now_ms - m->jump_ms[m->jump] <= 60000)
		misbehaves(m, &m->jumps, now_ms);
	m->jump_ms[m->jump] = now_ms;
}

/* Bit for bit the same, again and again, while what we move has moved. */
static void still_look(struct sane *m, const struct edge *e, const struct snapshot *s)
{
	int64_t now_ms = s->now_ms, oldest_ms;
	double own_w;

	if (!edge_sum(e, s->n_devices, &own_w, &oldest_ms) || m->w[0] != m->w[1]) {
		m->changed_ms = now_ms;
		m->moved_ms = 0;
		m->caught_up = false;
	}
	if (!m->caught_up) { /* some chargers are read every ten seconds: what they show then had moved the meter before */
		m->still_own_w = (float)own_w;
		m->caught_up = oldest_ms >= m->changed_ms + CAUGHT_UP_MS;
	}
	if (!(fabs(own_w - (double)m->still_own_w) >= MOVED_W)) {
		m->moved_ms = 0;
		return;
	}
	if (m->moved_ms == 0) {
		m->moved_ms = now_ms;
		m->same = 0;
	}
	m->same++;
	if (m->same <= STILL_SAMPLES || now_ms - m->moved_ms < STILL_MS + e->settle_ms)
		return;
	if (!m->frozen) {
		m->frozen_w = m->w[0];
		m->moved_w = (float)own_w - m->still_own_w;
	}
	misbehaves(m, &m->frozen, now_ms);
}

static void range_begin(struct sane *m, int64_t now_ms)
{
	m->range = (struct sane_range){ m->own_w[0], m->own_w[0], m->w[0], m->w[0], 0, 0 };
	m->range_ms = now_ms;
}

static int turned(struct sane_turn *t, float w, float least_w)
{
	if (t->rising ? w > t->w : w < t->w) {
		t->w = w;
	} else if (fabsf(w - t->w) > least_w) {
		t->w = w;
		t->rising = !t->rising;
		return 1;
	}
	return 0;
}

/* A loop on a meter that shows too much overshoots further and further, back and forth: both turn again and again, the meter
 * each time by more than all that ours can have done. */
static void swings_look(struct sane *m, int64_t now_ms)
{
	struct sane_range *r = &m->range;
	float own_w, meter_w;

	r->own_low_w = fminf(r->own_low_w, m->own_w[0]);
	r->own_high_w = fmaxf(r->own_high_w, m->own_w[0]);
	r->low_w = fminf(r->low_w, m->w[0]);
	r->high_w = fmaxf(r->high_w, m->w[0]);
	own_w = fmaxf(r->own_high_w, m->before.own_high_w) - fminf(r->own_low_w, m->before.own_low_w);
	meter_w = fmaxf(r->high_w, m->before.high_w) - fminf(r->low_w, m->before.low_w);
	r->own_turns += turned(&m->own_turn, m->own_w[0], (float)TURN_W);
	r->turns += turned(&m->turn, m->w[0], fmaxf((float)TURN_W, (float)TURN_PART * own_w));
	m->wild = r->own_turns + m->before.own_turns >= TURNS && r->turns + m->before.turns >= TURNS && meter_w > (float)WILD * own_w;
	if (now_ms - m->range_ms < RANGE_MS)
		return;
	m->before = m->range;
	range_begin(m, now_ms);
}

static void sample_take(struct sane *m, const struct edge *e, const struct snapshot *s)
{
	int64_t oldest_ms;
	double own_w;

	edge_sum(e, s->n_devices, &own_w, &oldest_ms);
	m->w[1] = m->w[0];
	m->own_w[1] = m->own_w[0];
	m->w[0] = (float)s->grid_w.v;
	m->own_w[0] = (float)own_w;
	m->count += m->count < 2;
}

void sane_step(struct sane *m, const struct edge *e, const struct snapshot *s)
{
	if (s->grid_device >= 0 && s->grid_sample != m->grid_sample && value_usable(&s->grid_w) &&
	    isfinite(s->grid_w.v)) {
		m->grid_sample = s->grid_sample;
		sample_take(m, e, s);
		jumps_look(m, s);
		if (m->count == 1) {
			range_begin(m, s->now_ms);
			m->before = m->range; /* not 0 W: that would be a range of its own */
		} else {
			still_look(m, e, s);
		}
		swings_look(m, s->now_ms);
		if (m->frozen && m->w[0] == m->frozen_w)
			m->misbehaved_ms = s->now_ms;
	}
	if (s->now_ms - m->misbehaved_ms >= SANE_AGAIN_MS) {
		m->frozen = m->jumps = false;
		m->jump_w = 0;
	}
}
