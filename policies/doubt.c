/* Rank 1: does the grid meter tell the truth? Evidence are the steps of our own devices (edge.c) and the numbers themselves
 * (sane.c). Three steps in a row that say the same wrong thing make a suspicion; then the batteries are held for half a minute
 * and one of them moves a little, or where there is none a car is taken down: what the meter makes of that decides. A meter that
 * is not believed counts as lost; a small charge every five minutes asks again whether it is right. Single-phase devices that
 * move another phase than they should are named too, and count on each phase. */
#include "policies/policies.h"
#include "policies/sane.h"

#include <math.h>

#define SUSPECT_RUN 3            /* steps in a row that agree */
#define UNTRIED_RUN 6            /* ... where nothing can be held to try it */
#define RIGHT_RUN 2              /* right ones, until it is believed again */
#define WRONG_RUN 2              /* wrong ones of a trial, one more for each that says nothing, and none right */
#define PHASE_RUN 3
#define PROBE_W 300.0
#define PROBE_EVERY_MS 300000
#define REST_MS 6000             /* of our devices, between two steps of a trial */
#define AGAIN_RIGHT_MS 600000    /* a meter that was tried and found right is left in peace */
#define AGAIN_UNCLEAR_MS 120000
#define AGAIN_NEGATIVE_MS 86400000
#define NEGATIVE_MS 120000       /* a house that gives power for so long has sun we do not know, or a clamp the wrong way round */
#define NEGATIVE_W 500.0
#define BAD_MS 10000

enum belief { BELIEVED = 0, TRIED, DOUBTED };
enum act { ACT_NONE = 0, ACT_HOLD, ACT_PUSH, ACT_BACK };

struct doubt_memory {
	struct edge edge;
	struct sane sane;
	enum belief belief;
	enum edge_class run_class;       /* of the last wrong steps in a row */
	int run, right;
	float run_gain;
	float own_w, meter_w;            /* the largest of them, for the sentence */
	bool inverted;                   /* what it was condemned for; else its scale */
	bool jumped;                     /* the present jumps were looked into */
	enum act act;
	int64_t rest_ms;                 /* our devices last moved */
	int prober;                      /* who makes the step: a battery, without any a charger; -1 = none can */
	float probe_w, hold_w;           /* the step's power; a charger's before it */
	int n_right, n_wrong, n_vague;   /* steps of this trial: right ones, clean wrong ones that agree, and those that say nothing */
	int64_t probe_ms, trial_ms;      /* not before */
	int64_t negative_ms, bad_ms;     /* since when; 0 = it is not */
	int64_t negative_again_ms;       /* not tried for that reason before */
	struct {
		uint8_t moved;           /* 1..3: the phase it moved instead of its own */
		uint8_t run, right;
	} phase[DEVICE_MAX];
	uint32_t swapped;                /* devices whose phase is not believed */
};

static void doubt_init(void *memory)
{
	(void)memory;
}

static bool holdable(const struct snapshot *s, int i, double *soc_pct)
{
	const struct snap_device *d = &s->dev[i];

	return view_battery(d) && d->state.availability == AVAIL_ONLINE && (d->state.caps.can_power || d->state.caps.can_hold) &&
	       !view_faulty(d) && view_soc(s, i, soc_pct);
}

static double limit_w(double w)
{
	return w > 0 ? w : INFINITY;
}

/* From outside 0 W means it. */
static double outside_w(double w)
{
	return isnan(w) ? INFINITY : w;
}

/* What the meter's number means, by what the steps have shown of it. */
static double grid_gain(const struct doubt_memory *m)
{
	return m->belief == DOUBTED || m->run > 0 ? (double)(m->meter_w / m->own_w) : 1;
}

/* What of @w the device does not do yet. */
static double more_w(const struct snapshot *s, int i, double w)
{
	double power_w;

	return view_power(s, i, &power_w, NULL) ? double_clamp(fabs(w) - (w > 0 ? power_w : -power_w), 0, fabs(w)) : fabs(w);
}

/* May the site's power grow by @w at device @i? Whatever the meter shows may be on either side; and if it is thought to show too
 * little, there may be as much more. */
static bool fits(const struct doubt_memory *m, const struct snapshot *s, int i, double w, double limit)
{
	double shown = double_clamp(fabs(grid_gain(m)), 0.01, 1), grid_w, phase_w;

	if (!view_grid(s, &grid_w) || fabs(grid_w) / shown + w > limit)
		return false;
	for (int p = 0; p < 3 && s->site.fuse_a > 0; p++)
		if (fabs(view_phase(s, p, &phase_w) ? phase_w : grid_w) / shown + w / view_phases(&s->dev[i]) > s->site.fuse_a * view_phase_v(s, p))
			return false;
	return true;
}

/* Nobody's command may be broken by it, not even another battery's. */
static bool import_fits(const struct doubt_memory *m, const struct snapshot *s, int i, double w)
{
	for (int k = 0; k < s->n_devices; k++) {
		const struct command_view *c = &s->dev[k].command;

		if (view_command(s, &s->dev[k]) && (c->grid_import == TRI_NO || (c->grid_import == TRI_UNSET && !s->site.grid_charging)))
			return false;
	}
	return fits(m, s, i, w, double_min(double_min(limit_w(s->site.import_limit_w), outside_w(s->external.import_w)), limit_w(s->external.demand_w)));
}

/* Where nothing of a battery may go out, the house must take it, by what the steps have shown. */
static bool export_fits(const struct doubt_memory *m, const struct snapshot *s, int i, double w)
{
	return fits(m, s, i, w, double_min(limit_w(s->site.export_limit_w), outside_w(s->external.export_w))) &&
	       (s->dev[i].command.power_mode != POWER_FOLLOW_LOAD || s->grid_w.v / grid_gain(m) >= w);
}

/* The power a battery may be pushed with at most, by its ratings and, in a command, only the way and as far as that says. */
static double push_w(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	const struct command_view *c = &d->command;
	double told_w = c->power_mode == POWER_SETPOINT ? c->setpoint_w : INFINITY, in_w = double_min(PROBE_W, view_charge_max(d));

	if (!view_command(s, d))
		return in_w;
	if (c->mode == MODE_DISCHARGE)
		return -double_min(double_min(PROBE_W, view_discharge_max(d)), told_w);
	return c->mode == MODE_STANDBY || c->power_mode == POWER_FOLLOW_LOAD ? 0 : double_min(in_w, told_w);
}

/* A little power must be harmless: guarded, room in the battery, within every limit. 0 = it is not. A meter that is not believed
 * allows no discharge. */
static double probe_w(const struct doubt_memory *m, const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double soc, w = push_w(s, i), full_pct = isfinite(d->soc_max_pct) ? d->soc_max_pct : 100;

	if (!holdable(s, i, &soc) || !d->state.caps.can_power || (d->state.caps.guarded_by == GUARDED_NONE && !d->allow_unguarded))
		return 0;
	if (w > 0 ? soc >= full_pct - 2 || !import_fits(m, s, i, more_w(s, i, w)) : m->belief == DOUBTED || !export_fits(m, s, i, more_w(s, i, w)))
		return 0;
	return fabs(w) >= EDGE_MIN_W ? w : 0;
}

/* A charging car can be taken down to its minimum. */
static bool car_steps(const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double power_w;

	return view_charger(d) && d->ordered.kind == ORDER_POWER && view_power(s, i, &power_w, NULL) && power_w >= view_min_w(d) + EDGE_MIN_W;
}

static bool car_choose(struct doubt_memory *m, const struct snapshot *s)
{
	for (int i = 0; i < s->n_devices; i++) {
		if (!car_steps(s, i))
			continue;
		m->prober = i;
		m->probe_w = (float)view_min_w(&s->dev[i]);
		m->hold_w = (float)s->dev[i].ordered.w;
		return true;
	}
	return false;
}

/* Once the batteries are held: by what the meter shows then, and a limit leaves. */
static void prober_choose(struct doubt_memory *m, const struct snapshot *s)
{
	for (int i = 0; i < s->n_devices && m->prober < 0; i++)
		if (probe_w(m, s, i) != 0) {
			m->prober = i;
			m->probe_w = (float)probe_w(m, s, i);
		}
	if (m->prober < 0)
		car_choose(m, s);
}

static bool trial_begin(struct doubt_memory *m, const struct snapshot *s)
{
	bool any = false;
	double soc;

	m->prober = -1;
	m->n_right = m->n_wrong = m->n_vague = 0;
	for (int i = 0; i < s->n_devices; i++)
		any = any || holdable(s, i, &soc);
	if (!any && !car_choose(m, s))
		return false;
	m->act = ACT_HOLD;
	m->rest_ms = s->now_ms;
	return true;
}

static void believe(struct doubt_memory *m, int64_t not_before_ms)
{
	m->belief = BELIEVED;
	m->act = ACT_NONE;
	m->run = m->right = 0;
	m->trial_ms = not_before_ms;
}

static void condemn(struct doubt_memory *m, int64_t now_ms)
{
	m->belief = DOUBTED;
	m->inverted = m->run_class == EDGE_INVERTED;
	m->act = ACT_NONE;
	m->right = 0;
	m->probe_ms = now_ms + PROBE_EVERY_MS;
}

static void verdict(struct doubt_memory *m, const struct snapshot *s)
{
	m->act = ACT_NONE;
	m->probe_ms = s->now_ms + PROBE_EVERY_MS;
	if (m->belief == DOUBTED)
		return; /* step by step, in vote_take */
	if (m->n_right == 0 && m->n_wrong > 0 && m->n_vague == 0 && m->run > SUSPECT_RUN)
		condemn(m, s->now_ms);
	else
		believe(m, s->now_ms + (m->n_right > 0 ? AGAIN_RIGHT_MS : AGAIN_UNCLEAR_MS));
}

/* Hold, a little power, hold again: each step once our devices and the meter have come to rest after the last. A car is only
 * taken down, once: up again it goes at its own pace. */
static void trial_step(struct doubt_memory *m, const struct snapshot *s)
{
	bool car = m->prober >= 0 && view_charger(&s->dev[m->prober]);

	if (!view_may_order(s) || (m->act == ACT_PUSH && !car && (float)probe_w(m, s, m->prober) != m->probe_w)) {
		m->act = ACT_NONE;
		if (m->belief == TRIED)
			believe(m, s->now_ms + AGAIN_UNCLEAR_MS);
		return;
	}
	if (m->edge.open)
		m->rest_ms = s->now_ms;
	if (s->now_ms - m->rest_ms < double_max(REST_MS, 3 * s->site.tick_ms))
		return;
	m->rest_ms = s->now_ms;
	if (m->act == ACT_HOLD)
		prober_choose(m, s);
	m->act = m->prober >= 0 ? (enum act)(m->act + 1) : ACT_NONE;
	if (m->act == ACT_NONE || m->act > (car ? ACT_PUSH : ACT_BACK))
		verdict(m, s);
}

static bool agrees(const struct doubt_memory *m, const struct edge_vote *v)
{
	float gain = (float)(v->meter_w[0] / v->own_w);

	return v->class == m->run_class && fabsf(gain - m->run_gain) <= 0.3F * fabsf(m->run_gain);
}

static void wrong_take(struct doubt_memory *m, const struct edge_vote *v)
{
	if (m->run == 0 || !agrees(m, v)) {
		m->run = m->n_wrong = 0;
		m->own_w = m->belief == DOUBTED ? m->own_w : 0; /* what it was condemned for stands */
	}
	m->run += v->line ? SUSPECT_RUN : 1;
	m->run_class = v->class;
	m->run_gain = (float)(v->meter_w[0] / v->own_w);
	m->right = 0;
	if (m->belief != DOUBTED && fabs(v->own_w) > fabs((double)m->own_w)) {
		m->own_w = (float)v->own_w;
		m->meter_w = (float)v->meter_w[0];
	}
	if (m->act != ACT_NONE && v->clean)
		m->n_wrong++;
}

static void vote_take(struct doubt_memory *m, const struct snapshot *s, const struct edge_vote *v)
{
	if (v->class == EDGE_NOTHING) {
		m->run -= m->run > 0;
		m->n_vague += v->clean && fabs(v->own_w) >= EDGE_MIN_W;
	} else if (v->class == EDGE_RIGHT) {
		m->run = 0;
		m->right++;
		m->n_right++;
	} else {
		wrong_take(m, v);
	}
	if (m->belief == DOUBTED && m->right >= RIGHT_RUN)
		believe(m, s->now_ms);
	else if (m->belief == TRIED && m->n_wrong >= WRONG_RUN + m->n_vague && m->n_right == 0)
		condemn(m, s->now_ms);
}

/* The phase of the meter that a device's step went through, 1..3; 0 = not to be said. */
static int phase_moved(const struct edge_vote *v)
{
	int found = 0;

	for (int p = 1; p <= 3; p++) {
		double gain = v->meter_w[p] / v->own_w;

		if (gain >= 0.6 && gain <= 1.6 && found == 0)
			found = p;
		else if (!(fabs(gain) <= 0.3))
			return 0;
	}
	return found;
}

static void phase_take(struct doubt_memory *m, const struct snapshot *s, const struct edge_vote *v)
{
	const struct snap_device *d;
	int moved;

	if (v->class != EDGE_RIGHT || !v->clean || v->device < 0)
		return;
	d = &s->dev[v->device];
	moved = phase_moved(v);
	if (view_phases(d) != 1 || d->phase == 0 || moved == 0)
		return;
	if (moved == d->phase) {
		m->phase[v->device].run = 0;
		if (++m->phase[v->device].right >= RIGHT_RUN)
			m->swapped &= ~(1u << v->device);
		return;
	}
	m->phase[v->device].run = (uint8_t)(moved == m->phase[v->device].moved ? m->phase[v->device].run + 1 : 1);
	m->phase[v->device].moved = (uint8_t)moved;
	m->phase[v->device].right = 0;
	if (m->phase[v->device].run >= PHASE_RUN) {
		m->phase[v->device].run = PHASE_RUN;
		m->swapped |= 1u << v->device;
	}
}

/* Where all sun is measured, a house cannot give power: load = grid minus devices. */
static bool negative_load(struct doubt_memory *m, const struct snapshot *s)
{
	double load_w, sum_w = 0, power_w;
	bool sun = false;

	if (!view_grid(s, &load_w))
		return false;
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!(d->roles & (ROLE_PV | ROLE_BATTERY | ROLE_CHARGER)))
			continue;
		if (!view_recent(&d->state.ac_power_w, s->now_ms, READING_LOST_MS, &power_w))
			return false;
		sun = sun || (d->roles & ROLE_PV);
		load_w -= power_w;
		sum_w += fabs(power_w);
	}
	if (!sun || load_w >= -NEGATIVE_W - 0.2 * sum_w) {
		m->negative_ms = 0;
		return false;
	}
	if (m->negative_ms == 0)
		m->negative_ms = s->now_ms;
	return s->now_ms - m->negative_ms >= NEGATIVE_MS;
}

static void suspect(struct doubt_memory *m, const struct snapshot *s)
{
	bool negative = negative_load(m, s) && s->now_ms >= m->negative_again_ms;
	bool jumped = m->sane.jumps && !m->jumped; /* perhaps it only shows ten times too much */

	m->jumped = m->sane.jumps;
	if ((m->run < SUSPECT_RUN && !m->sane.wild && !negative && !jumped) || s->now_ms < m->trial_ms || !view_may_order(s))
		return;
	if (negative)
		m->negative_again_ms = s->now_ms + AGAIN_NEGATIVE_MS;
	if (trial_begin(m, s))
		m->belief = TRIED;
	else if (m->run >= UNTRIED_RUN)
		condemn(m, s->now_ms);
}

static void name_meter(const struct doubt_memory *m, const struct snapshot *s, struct wishes *out)
{
	int grid = s->grid_device;
	double own_w = (double)m->own_w, meter_w = (double)m->meter_w;

	if (m->sane.jumps)
		wish_doubt(out, grid, DOUBT_METER_JUMPS, "grid meter jumps by %.0f W, more than %.0f W again and again: not used until %d s without",
			   (double)m->sane.jump_w, sane_reach_w(s), SANE_AGAIN_MS / 1000);
	if (m->sane.frozen)
		wish_doubt(out, grid, DOUBT_METER_FROZEN, "grid meter stands at %.0f W although our devices changed by %.0f W: not used until %d s after it moves",
			   (double)m->sane.frozen_w, (double)m->sane.moved_w, SANE_AGAIN_MS / 1000);
	else if (m->bad_ms > 0 && s->now_ms - m->bad_ms >= BAD_MS)
		wish_doubt(out, grid, DOUBT_METER_FROZEN, "grid meter answers for %d s with numbers that stand still or cannot be: not used",
			   BAD_MS / 1000);
	if (m->belief == DOUBTED && m->inverted)
		wish_doubt(out, grid, DOUBT_METER_INVERTED, "grid meter is the wrong way round: %+.0f W of ours showed as %+.0f W: not used until two steps are right",
			   own_w, meter_w);
	else if (m->belief == DOUBTED)
		wish_doubt(out, grid, DOUBT_METER_SCALE, "grid meter shows %.2g times what it should: %+.0f W of ours showed as %+.0f W: not used until two steps are right",
			   meter_w / own_w, own_w, meter_w);
}

static void name_phases(const struct doubt_memory *m, const struct snapshot *s, struct wishes *out)
{
	for (int i = 0; i < s->n_devices; i++)
		if (m->swapped & (1u << i))
			wish_doubt(out, i, DOUBT_PHASES_SWAPPED, "%s moves L%d of the meter, not L%d as configured: counted on each phase", s->dev[i].id,
				   m->phase[i].moved, s->dev[i].phase);
}

static void act_wishes(const struct doubt_memory *m, const struct snapshot *s, struct wishes *out)
{
	for (int i = 0; i < s->n_devices; i++) {
		double w = m->act == ACT_PUSH && i == m->prober ? (double)m->probe_w : 0, soc;

		if (holdable(s, i, &soc))
			wish_order(out, i, order_power(w), 0, REASON_DOUBT, "the grid meter is tried: %.0f W for some seconds, to see what it shows", w);
	}
	if (m->prober >= 0 && view_charger(&s->dev[m->prober])) {
		double w = (double)(m->act == ACT_PUSH ? m->probe_w : m->hold_w);

		wish_limit_device(out, m->prober, 0, w, REASON_DOUBT, "the grid meter is tried: %.0f W for some seconds, to see what it shows", w);
	}
}

static void doubt_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct doubt_memory *m = memory;
	struct edge_vote vote;

	if (s->grid_device < 0)
		return;
	if (edge_step(&m->edge, s, &vote)) {
		vote_take(m, s, &vote);
		phase_take(m, s, &vote);
	}
	sane_step(&m->sane, &m->edge, s);
	if (s->grid_w.q != Q_BAD || s->now_ms - s->grid_w.at_ms > BAD_MS)
		m->bad_ms = 0;
	else if (m->bad_ms == 0)
		m->bad_ms = s->now_ms;
	if (m->belief == BELIEVED)
		suspect(m, s);
	else if (m->act != ACT_NONE)
		trial_step(m, s);
	else if (s->now_ms >= m->probe_ms && view_may_order(s))
		m->probe_ms = trial_begin(m, s) ? m->probe_ms : s->now_ms + PROBE_EVERY_MS;
	out->meter_doubted = m->belief == DOUBTED || m->sane.frozen || m->sane.jumps || m->sane.absurd;
	out->meter_lost = out->meter_doubted;
	out->phase_doubts = m->swapped;
	if (m->act != ACT_NONE)
		act_wishes(m, s, out);
	name_meter(m, s, out);
	name_phases(m, s, out);
}

const struct policy POLICY_DOUBT = { "doubt", RANK_GUARD, sizeof(struct doubt_memory), doubt_init, doubt_step };
