/* Rank 1: does the grid meter tell the truth? Evidence are the steps of our own devices (edge.c) and the numbers themselves
 * (sane.c). Three steps in a row that say the same wrong thing make a suspicion; then the batteries are held for half a minute
 * and one of them moves a little, or where there is none a car is taken down: what the meter makes of that decides. A meter that
 * is not believed counts as lost; a small charge every five minutes asks again whether it is right. */
#include "policies/gives.h"
#include "policies/harmless.h"
#include "policies/policies.h"
#include "policies/sane.h"
#include "policies/swapped.h"

#include <math.h>

#define SUSPECT_RUN 3            /* steps in a row that agree */
#define UNTRIED_RUN 6            /* ... where nothing can be held to try it */
#define RIGHT_RUN 2              /* right ones, until it is believed again */
#define WRONG_RUN 2              /* wrong ones of a trial, one more for each that says nothing, and none right */
#define LEAN_WRONG 5             /* ... or so many, in several trials, of a house too restless for that, and none right in between */
#define LEAN_RIGHT 3
#define CAR_RUN_PART 0.5         /* ... or so much of a car's power, for a trial by that car */
#define PROBE_W 300.0
#define PROBE_EVERY_MS 300000
#define TIGHT_W 180.0            /* ... where a limit is at stake: within what that may be missed by */
#define SLACK_W 200.0
#define STILL_MS 60000           /* swings that last */
#define REST_MS 6000             /* of our devices, between two steps of a trial; and all is done then that can be for a limit */
#define REST_LONG_MS 11000       /* ... before it is asked again: not in the time of a heater that goes with the first two */
#define AGAIN_RIGHT_MS 600000    /* a meter that was tried and found right is left in peace */
#define AGAIN_UNCLEAR_MS INT64_C(120000) /* ... that long if it could not tell, and in the end no longer */
#define AGAIN_LEANING_MS INT64_C(15000)  /* ... or so, if what it saw was wrong; each time twice as long */
#define AGAIN_APART_MS 7000              /* ... and some more each time, not to go with a load that comes and goes */
#define UNCLEAR_MAX 10
#define AGAIN_NEGATIVE_MS 86400000
#define BAD_MS 10000

enum belief { BELIEVED = 0, TRIED, DOUBTED };
enum act { ACT_NONE = 0, ACT_HOLD, ACT_PUSH, ACT_BACK, ACT_PUSH_AGAIN, ACT_BACK_AGAIN };

struct run {
	enum edge_class class;           /* of the last wrong steps in a row */
	int n;
	float gain, w;                   /* of the last; all of ours in them */
};

struct exceeded {
	int64_t since_ms;                /* the limits of one side are exceeded by so much; 0 = they are not */
	float least_w;                   /* the least since then: W more is a new cause */
};

struct doubt_memory {
	struct edge edge;
	struct sane sane;
	enum belief belief;
	struct run run, begun;           /* begun: stands again where a trial leaves it open */
	int right;
	float own_w, meter_w;            /* the largest of them, for the sentence */
	bool inverted;                   /* what it was condemned for; else its scale */
	bool jumped;                     /* the present jumps were looked into */
	enum act act;
	bool jumpy;                      /* begun with numbers that cannot be */
	bool gentle;                     /* nothing but the house's load did: no limit and no command is worth it */
	bool tight;                      /* a limit is at stake: nobody is stopped, one gives way a little */
	struct harmless_excess begun_with; /* by so much limits were exceeded */
	float told_w[DEVICE_MAX];        /* ... where each is held then */
	struct exceeded import, export;
	int64_t wild_ms;                 /* since when the meter swings so; 0 = it does not */
	bool swung;                      /* ... for long: no limit is kept anyway */
	int64_t rest_ms;                 /* our devices last moved */
	int prober;                      /* who makes the step: a battery, without any a charger; -1 = none can */
	float probe_w, hold_w;           /* the step's power; a charger's before it */
	int lean;                        /* steps of trials in a row that are wrong as suspected (positive), or right, as far as one can tell */
	int n_unclear;                   /* trials in a row that said nothing */
	int n_right, n_wrong, n_vague;   /* steps of this trial: right ones, clean wrong ones that agree, and those that say nothing */
	int64_t probe_ms, trial_ms;      /* not before */
	struct gives gives;
	int64_t bad_ms;                  /* since when; 0 = it is not */
	int64_t negative_again_ms;       /* not tried for that reason before */
	struct swapped swapped;
};

static void doubt_init(void *memory)
{
	(void)memory;
}

/* What the meter's number means, by what the steps have shown of it. */
static double grid_gain(const struct doubt_memory *m)
{
	return m->belief == DOUBTED || m->run.n > 0 ? (double)(m->meter_w / m->own_w) : 1;
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

	if (m->belief == TRIED && m->jumpy)
		return true; /* nothing is kept by what it shows */
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
	return fits(m, s, i, w, harmless_import_w(s));
}

/* Where nothing of a battery may go out, the house must take it, by what the steps have shown. */
static bool export_fits(const struct doubt_memory *m, const struct snapshot *s, int i, double w)
{
	return fits(m, s, i, w, harmless_export_w(s)) &&
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

static bool pushable(const struct snap_device *d)
{
	return d->state.caps.can_power && (d->state.caps.guarded_by != GUARDED_NONE || d->allow_unguarded);
}

static bool has_room(const struct snap_device *d, double soc)
{
	return soc < (isfinite(d->soc_max_pct) ? d->soc_max_pct : 100) - 2;
}

/* A little power must be harmless: guarded, room in the battery, within every limit. 0 = it is not. A meter that is not believed
 * allows no discharge. */
static double probe_w(const struct doubt_memory *m, const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double soc, w = push_w(s, i);

	if (!harmless_hold(s, i, &soc) || !pushable(d))
		return 0;
	if (w > 0 ? !has_room(d, soc) || !import_fits(m, s, i, more_w(s, i, w)) : m->belief == DOUBTED || !export_fits(m, s, i, more_w(s, i, w)))
		return 0;
	return fabs(w) >= EDGE_MIN_W ? w : 0;
}

/* A charging car can be taken down to its minimum; where that leaves too much to go out only if many steps ask for it, or large ones. */
static bool car_steps(const struct doubt_memory *m, const struct snapshot *s, int i)
{
	const struct snap_device *d = &s->dev[i];
	double power_w, grid_w;

	if (!view_charger(d) || d->ordered.kind != ORDER_POWER || !view_power(s, i, &power_w, NULL) || power_w < view_min_w(d) + EDGE_MIN_W)
		return false;
	return m->run.n >= UNTRIED_RUN || (double)m->run.w >= CAR_RUN_PART * view_charge_max(d) ||
	       (view_grid(s, &grid_w) && power_w - view_min_w(d) - grid_w <= harmless_export_w(s));
}

static bool car_choose(struct doubt_memory *m, const struct snapshot *s)
{
	for (int i = 0; i < s->n_devices; i++) {
		if (!car_steps(m, s, i))
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

/* Where a limit is at stake all go on as told, and one gives way by so little that the limit is kept; or, where none does anything and
 * too much goes out, takes so much. */
static bool tight_begin(struct doubt_memory *m, const struct snapshot *s)
{
	double soc, power_w;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!harmless_hold(s, i, &soc))
			continue;
		if (!pushable(d) || !view_power(s, i, &power_w, NULL))
			return false; /* it could not be held there */
		m->told_w[i] = (float)(m->edge.dev[i].part == EDGE_OURS ? d->ordered.w : power_w);
		if (m->prober < 0 && fabs((double)m->told_w[i]) >= TIGHT_W) {
			m->prober = i;
			m->probe_w = m->told_w[i] - copysignf((float)TIGHT_W, m->told_w[i]);
		}
	}
	for (int i = 0; i < s->n_devices && m->prober < 0 && s->grid_w.v < 0; i++)
		if (harmless_hold(s, i, &soc) && has_room(&s->dev[i], soc) && view_charge_max(&s->dev[i]) >= TIGHT_W) {
			m->prober = i;
			m->probe_w = m->told_w[i] + (float)TIGHT_W;
		}
	return m->prober >= 0;
}

static bool trial_begin(struct doubt_memory *m, const struct snapshot *s)
{
	m->prober = -1;
	m->n_right = m->n_wrong = m->n_vague = 0;
	m->jumpy = m->sane.jumps;
	m->begun = m->run;
	m->begun_with = m->tight ? harmless_excess(s, false) : (struct harmless_excess){ 0 };
	if (m->tight ? !tight_begin(m, s) : !harmless_hold_any(s) && !car_choose(m, s))
		return false;
	m->act = ACT_HOLD;
	m->rest_ms = s->now_ms;
	return true;
}

static void believe(struct doubt_memory *m, int64_t not_before_ms, struct run run)
{
	m->belief = BELIEVED;
	m->act = ACT_NONE;
	m->run = run;
	m->right = 0;
	m->trial_ms = not_before_ms;
}

/* The trial could not tell, or was not let. */
static void unclear(struct doubt_memory *m, int64_t now_ms, struct run run)
{
	int64_t again_ms = (m->lean > 0 ? AGAIN_LEANING_MS : AGAIN_UNCLEAR_MS) << m->n_unclear;
	int64_t apart_ms = m->n_unclear % 4 * AGAIN_APART_MS;

	believe(m, now_ms + (again_ms < AGAIN_UNCLEAR_MS ? again_ms : AGAIN_UNCLEAR_MS) + apart_ms, run);
	if (m->negative_again_ms > now_ms + again_ms)
		m->negative_again_ms = now_ms + again_ms;
	m->n_unclear += m->n_unclear < UNCLEAR_MAX;
}

static void found_right(struct doubt_memory *m, int64_t now_ms)
{
	m->n_unclear = m->lean = 0;
	believe(m, now_ms + AGAIN_RIGHT_MS, (struct run){ 0 });
}

static void condemn(struct doubt_memory *m, int64_t now_ms)
{
	m->n_unclear = m->lean = 0;
	m->belief = DOUBTED;
	m->inverted = m->run.class == EDGE_INVERTED;
	m->act = ACT_NONE;
	m->tight = m->gentle = false;
	m->right = 0;
	m->probe_ms = now_ms + PROBE_EVERY_MS;
}

static void verdict(struct doubt_memory *m, const struct snapshot *s)
{
	m->act = ACT_NONE;
	m->probe_ms = s->now_ms + PROBE_EVERY_MS;
	if (m->belief == DOUBTED)
		return; /* step by step, in vote_take */
	if (m->n_right == 0 && m->n_wrong > 0 && m->n_vague == 0 && m->run.n > SUSPECT_RUN)
		condemn(m, s->now_ms);
	else if (m->n_right > m->n_wrong)
		found_right(m, s->now_ms);
	else
		unclear(m, s->now_ms, m->tight || m->lean > 0 ? m->begun : (struct run){ 0 });
}

/* It counts as lost, whatever its sign or scale. */
static bool unusable(const struct sane *sane)
{
	return sane->frozen || sane->jumps || sane->absurd;
}

static bool pushes(const struct doubt_memory *m)
{
	return m->act == ACT_PUSH || m->act == ACT_PUSH_AGAIN;
}

/* Who goes on as told while a cloud comes, or a kettle, takes from the grid or gives to it what it was told to take or give of the
 * house: not where its owner says it may not. */
static bool against_a_word(const struct doubt_memory *m, const struct snapshot *s)
{
	double told_w = 0, grid_w, soc;

	for (int i = 0; m->tight && i < s->n_devices; i++)
		told_w += harmless_hold(s, i, &soc) ? (double)m->told_w[i] : 0;
	if (!view_grid(s, &grid_w))
		return false;
	return (told_w > 0 && grid_w > SLACK_W && !s->site.grid_charging) || (told_w < 0 && grid_w < -SLACK_W && !s->site.battery_export);
}

static bool exceeds_more(const struct doubt_memory *m, const struct snapshot *s)
{
	const struct harmless_excess x = harmless_excess(s, !m->tight);

	return x.import_w > m->begun_with.import_w + SLACK_W || x.export_w > m->begun_with.export_w + SLACK_W;
}

/* Does a word or a limit end it that it must not break? A car is only taken down, and who jumps keeps no limit anyway. */
static bool in_the_way(const struct doubt_memory *m, const struct snapshot *s)
{
	if (m->belief == DOUBTED || m->jumpy || !harmless_hold_any(s))
		return false;
	if (m->tight && unusable(&m->sane))
		return true; /* it counts as lost: nobody goes on as told */
	return against_a_word(m, s) || ((m->gentle || m->tight) && !harmless_no_word(s)) || (!m->swung && exceeds_more(m, s));
}

/* Hold, a little power, hold again: each step once our devices and the meter have come to rest after the last; and once more
 * where that was wrong, but not often enough. A car is only taken down, once: up again it goes at its own pace. */
static void trial_step(struct doubt_memory *m, const struct snapshot *s)
{
	bool car = m->prober >= 0 && view_charger(&s->dev[m->prober]);
	bool may_push = m->prober >= 0 && !car && (m->tight || (float)probe_w(m, s, m->prober) == m->probe_w);
	bool again = may_push && m->belief == TRIED && (m->n_wrong > 0 || m->lean > 0) && m->n_right == 0;

	if (!view_may_order(s) || in_the_way(m, s) || (pushes(m) && !car && !may_push)) {
		m->act = ACT_NONE;
		m->edge.open = false; /* what came in between is in it */
		if (m->belief == TRIED)
			unclear(m, s->now_ms, m->begun);
		return;
	}
	if (m->edge.open)
		m->rest_ms = s->now_ms;
	if (s->now_ms - m->rest_ms < double_max(again && m->act == ACT_BACK ? REST_LONG_MS : REST_MS, 3 * s->site.tick_ms))
		return;
	m->rest_ms = s->now_ms;
	if (m->act == ACT_HOLD && !m->tight)
		prober_choose(m, s);
	m->act = m->prober >= 0 ? (enum act)(m->act + 1) : ACT_NONE;
	if (m->act == ACT_NONE || m->act > (car ? ACT_PUSH : again ? ACT_BACK_AGAIN : ACT_BACK))
		verdict(m, s);
}

static bool agrees(const struct doubt_memory *m, const struct edge_vote *v, enum edge_class class)
{
	float gain = (float)(v->meter_w[0] / v->own_w);

	return class == m->run.class && fabsf(gain - m->run.gain) <= 0.3F * fmaxf(fabsf(gain), fabsf(m->run.gain));
}

static void wrong_take(struct doubt_memory *m, const struct edge_vote *v)
{
	if (m->belief == TRIED && m->begun.n > 0 && m->run.n > 0 && !agrees(m, v, v->class)) {
		m->n_vague++; /* a load came with it */
		return;
	}
	if (m->run.n == 0 || !agrees(m, v, v->class)) {
		m->run.n = m->n_wrong = 0;
		m->run.w = 0;
		m->own_w = m->belief == DOUBTED ? m->own_w : 0; /* what it was condemned for stands */
	}
	m->run.n += v->line ? SUSPECT_RUN : 1;
	m->run.w += fabsf((float)v->own_w);
	m->run.class = v->class;
	m->run.gain = (float)(v->meter_w[0] / v->own_w);
	m->right = 0;
	if (m->belief != DOUBTED && fabs(v->own_w) > fabs((double)m->own_w)) {
		m->own_w = (float)v->own_w;
		m->meter_w = (float)v->meter_w[0];
	}
	if (m->act != ACT_NONE && v->clean)
		m->n_wrong++;
}

/* One kettle makes two steps that agree; so they must be what was suspected all along, else a third is asked for. */
static int wrong_needed(const struct doubt_memory *m)
{
	return WRONG_RUN + m->n_vague + !(m->jumpy || m->run.n >= SUSPECT_RUN + WRONG_RUN);
}

/* Where the house moves by as much as the step now and then, it takes some of them: a load would have to come and go with each. */
static void lean_take(struct doubt_memory *m, const struct edge_vote *v)
{
	if (m->run.n > 0 && agrees(m, v, v->perhaps))
		m->lean = m->lean > 0 ? m->lean + 1 : 1;
	else if (v->perhaps == EDGE_RIGHT)
		m->lean = m->lean < 0 ? m->lean - 1 : -1;
}

static void vote_take(struct doubt_memory *m, const struct snapshot *s, const struct edge_vote *v)
{
	if (m->belief == TRIED && v->clean)
		lean_take(m, v);
	if (v->class == EDGE_RIGHT || m->lean <= -LEAN_RIGHT) {
		m->run.n = m->lean = 0;
		m->begun.n = m->n_wrong > 0 ? m->begun.n : 0;
		m->right++;
		m->n_right++;
	} else if (v->class == EDGE_NOTHING) {
		m->run.n -= m->run.n > 0 && !agrees(m, v, v->perhaps);
		m->n_vague += v->clean && fabs(v->own_w) >= EDGE_MIN_W;
	} else {
		wrong_take(m, v);
	}
	if (m->belief == DOUBTED && m->right >= RIGHT_RUN)
		believe(m, s->now_ms, (struct run){ 0 });
	else if (m->belief == TRIED && m->n_right == 0 && (m->n_wrong >= wrong_needed(m) || m->lean >= LEAN_WRONG))
		condemn(m, s->now_ms);
}

/* Until a limit that is exceeded is kept, or all has been done for it that can be. */
static bool tight_waits(const struct doubt_memory *m, const struct snapshot *s, double exceeded_w)
{
	const int64_t since_ms = m->import.since_ms > m->export.since_ms ? m->import.since_ms : m->export.since_ms;
	const int64_t done_ms = m->edge.change_ms > since_ms ? m->edge.change_ms : since_ms;

	return !harmless_no_word(s) || !isfinite(exceeded_w) || (exceeded_w > 0 && s->now_ms - done_ms < REST_MS);
}

/* A W or two beyond a limit of 0 are always there; the sun that then comes out is not what has been waited for. */
static void exceeded_watch(struct exceeded *x, double exceeded_w, int64_t now_ms)
{
	if (exceeded_w <= 0 || !isfinite(exceeded_w)) /* without a meter nobody knows */
		x->since_ms = 0;
	else if (x->since_ms == 0 || exceeded_w > (double)x->least_w + SLACK_W)
		x->since_ms = now_ms;
	x->least_w = x->since_ms == now_ms ? (float)exceeded_w : fminf(x->least_w, (float)exceeded_w);
}

static void suspect(struct doubt_memory *m, const struct snapshot *s)
{
	bool negative = gives_power(&m->gives, s) && s->now_ms >= m->negative_again_ms;
	bool jumped = m->sane.jumps && !m->jumped; /* perhaps it only shows ten times too much */
	bool odd = m->run.n >= SUSPECT_RUN || m->sane.wild || jumped;
	const struct harmless_excess x = harmless_excess(s, false), at_rest = harmless_excess(s, true);
	const bool kept = at_rest.import_w <= 0 && at_rest.export_w <= 0;

	exceeded_watch(&m->import, x.import_w, s->now_ms);
	exceeded_watch(&m->export, x.export_w, s->now_ms);
	m->jumped = m->sane.jumps;
	m->wild_ms = m->sane.wild ? m->wild_ms ? m->wild_ms : s->now_ms : 0;
	m->swung = m->wild_ms > 0 && s->now_ms - m->wild_ms >= STILL_MS;
	if ((!odd && !(negative && (kept || m->gives.beyond) && !m->edge.open && harmless_no_word(s))) || s->now_ms < m->trial_ms || !view_may_order(s))
		return;
	m->tight = !kept && !m->sane.jumps && !m->swung && harmless_hold_any(s);
	if (m->tight && (unusable(&m->sane) || tight_waits(m, s, double_max(x.import_w, x.export_w))))
		return;
	if (negative)
		m->negative_again_ms = s->now_ms + AGAIN_NEGATIVE_MS;
	if (trial_begin(m, s)) {
		m->belief = TRIED;
		m->gentle = !odd;
	} else if (m->run.n >= UNTRIED_RUN) {
		condemn(m, s->now_ms);
	}
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

static void act_wishes(const struct doubt_memory *m, const struct snapshot *s, struct wishes *out)
{
	for (int i = 0; i < s->n_devices; i++) {
		double w = pushes(m) && i == m->prober ? (double)m->probe_w : m->tight ? (double)m->told_w[i] : 0, soc;

		if (harmless_hold(s, i, &soc))
			wish_order(out, i, order_power(w), 0, REASON_DOUBT, "the grid meter is tried: %.0f W for some seconds, to see what it shows", w);
	}
	for (int i = 0; m->tight && i < s->n_devices; i++) /* nor does a car rise meanwhile: it would look like a limit that gets worse */
		if (view_charger(&s->dev[i]) && s->dev[i].ordered.kind == ORDER_POWER)
			wish_limit_device(out, i, 0, s->dev[i].ordered.w, REASON_DOUBT, "the grid meter is tried: no more than %.0f W for some seconds",
					  s->dev[i].ordered.w);
	if (m->prober >= 0 && view_charger(&s->dev[m->prober])) {
		double w = (double)(pushes(m) ? m->probe_w : m->hold_w);

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
		swapped_take(&m->swapped, s, &vote);
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
	out->meter_doubted = m->belief == DOUBTED || unusable(&m->sane);
	out->meter_lost = out->meter_doubted;
	out->phase_doubts = m->swapped.devices;
	if (m->act != ACT_NONE)
		act_wishes(m, s, out);
	name_meter(m, s, out);
	swapped_name(&m->swapped, s, out);
}

const struct policy POLICY_DOUBT = { "doubt", RANK_GUARD, sizeof(struct doubt_memory), doubt_init, doubt_step };
