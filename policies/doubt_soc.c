/* Rank 1: is the state of charge true? One that stands still while energy moves, or jumps where none did, holds its battery
 * until it has been steady for a minute; a frozen one must have moved first. Held, an honest one cannot: so after an hour the
 * battery is used again, but only charged where the floor may be near. One that moves, only less than the energy, is no lie:
 * the capacity it is counted by is wrong, or more is lost than thought. That is named. */
#include "policies/floor.h"
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

#define STEP_PCT 1.0            /* of a SoC whose steps have not been seen yet */
#define STEP_MAX_PCT 5.0        /* a larger step is no resolution */
#define FROZEN_PART 0.1         /* of the capacity, moved unseen */
#define FROZEN_STEPS 2.0
#define RIM_PCT 5.0             /* near full a SoC may well stand still while it charges, near empty while it discharges */
#define UNKNOWN_WH 30000.0      /* a battery that nobody knows the size of is taken for a large one: doubted late, not wrongly */
#define REST_W 60.0             /* what a battery at rest is measured with is not energy */
#define JUMP_PCT 10.0
#define JUMP_MS 60000           /* an older reading may have missed anything */
#define LOSSES 1.5              /* the most that SoC may follow energy by */
#define SLOW 3.0                /* a SoC that follows by this part moves */
#define STEADY_MS 60000
#define RETRY_MS 3600000
#define SLOW_MS 86400000        /* named for so long */

enum trouble { SOC_FINE = 0, SOC_FROZEN, SOC_JUMPS };

struct soc_memory {
	int64_t at_ms;                  /* of the reading */
	int64_t since_ms, wrong_ms;     /* the trouble began; was seen last */
	float pct, step_pct;            /* step 0 = none seen yet */
	float moved_wh;                 /* since the SoC last moved, by however little */
	float from_pct, net_wh;         /* since the SoC last was where energy had brought it */
	float unseen_pct;               /* what moved unseen since the SoC last moved, as often as it was held for that; 0 = it was not */
	float seen_pct, seen_wh;        /* for the sentence */
	int64_t slow_ms;                /* the SoC was last seen to follow too little; 0 = never */
	float slow_pct, slow_wh;
	enum trouble trouble;
};

struct doubt_soc_memory {
	int64_t step_ms;
	struct soc_memory soc[DEVICE_MAX];
};

static void doubt_soc_init(void *memory)
{
	(void)memory;
}

/* Whatever is counted before the first SoC is forgotten with it. */
static void energy_count(struct soc_memory *m, const struct snapshot *s, int i, int64_t step_ms)
{
	double power_w;

	if (!view_power(s, i, &power_w, NULL) || fabs(power_w) <= REST_W)
		return;
	m->moved_wh += (float)(power_w * (double)(s->now_ms - step_ms) / 3.6e6);
	m->net_wh += (float)(power_w * (double)(s->now_ms - step_ms) / 3.6e6);
}

static void count_anew(struct soc_memory *m)
{
	m->from_pct = m->pct;
	m->net_wh = 0;
}

static void wrong(struct soc_memory *m, enum trouble trouble, int64_t now_ms)
{
	if (m->trouble == SOC_FINE)
		m->since_ms = now_ms;
	m->trouble = trouble;
	m->wrong_ms = now_ms;
}

static void reading_take(struct soc_memory *m, const struct value *v, double capacity_wh, int64_t now_ms)
{
	double moved_pct = (double)((float)v->v - m->pct), may_pct = JUMP_PCT + fabs((double)m->moved_wh) / capacity_wh * 100 * LOSSES;
	bool known = m->at_ms > 0, close = v->at_ms - m->at_ms <= JUMP_MS;

	m->at_ms = v->at_ms;
	if (known && moved_pct == 0)
		return;
	m->pct = (float)v->v;
	if (m->trouble == SOC_FROZEN)
		m->wrong_ms = now_ms; /* it moves again: from now on it must be steady */
	m->unseen_pct = 0;
	if (m->trouble != SOC_FINE || !close)
		count_anew(m);
	if (known && close && fabs(moved_pct) > may_pct) {
		m->seen_pct = (float)moved_pct;
		m->seen_wh = m->moved_wh;
		wrong(m, SOC_JUMPS, now_ms);
		count_anew(m);
	} else if (known && fabs(moved_pct) <= STEP_MAX_PCT && !(m->step_pct > 0 && (double)m->step_pct <= fabs(moved_pct))) {
		m->step_pct = (float)fabs(moved_pct);
	}
	m->moved_wh = 0;
}

static void unseen_add(struct soc_memory *m, double capacity_wh)
{
	m->unseen_pct += (float)(fabs((double)m->net_wh) / capacity_wh * 100);
	count_anew(m);
}

/* Far less than the energy; @moves: but not nothing. */
static void lagging(struct soc_memory *m, double capacity_wh, bool moves, int64_t now_ms)
{
	if (moves) {
		m->slow_ms = now_ms;
		m->slow_pct = m->pct - m->from_pct;
		m->slow_wh = m->net_wh;
		count_anew(m);
		return;
	}
	m->seen_wh = m->net_wh;
	wrong(m, SOC_FROZEN, now_ms);
	unseen_add(m, capacity_wh);
}

/* Energy and SoC, both net: one that only jitters ends up counted from its far end, and explains nothing from there on. */
static void still_look(struct soc_memory *m, double capacity_wh, int64_t now_ms)
{
	double step_pct = m->step_pct > 0 ? (double)m->step_pct : STEP_PCT, net_pct = (double)m->net_wh / capacity_wh * 100;
	double moved_pct = (double)(net_pct < 0 ? m->from_pct - m->pct : m->pct - m->from_pct);
	bool rim = net_pct < 0 ? m->pct <= (float)RIM_PCT : m->pct >= (float)(100 - RIM_PCT);

	if (rim || LOSSES * moved_pct >= fabs(net_pct))
		count_anew(m);
	else if (m->trouble != SOC_FROZEN && fabs(net_pct) - LOSSES * double_max(0, moved_pct) > 100 * FROZEN_PART + FROZEN_STEPS * step_pct)
		lagging(m, capacity_wh, SLOW * moved_pct >= fabs(net_pct), now_ms);
}

/* Steady for a minute: a frozen one only once it has moved, or was held in vain. */
static bool over(const struct soc_memory *m, int64_t now_ms)
{
	return now_ms - m->wrong_ms >= STEADY_MS &&
	       (m->trouble == SOC_JUMPS || m->wrong_ms > m->since_ms || now_ms - m->since_ms >= RETRY_MS);
}

static bool told(const struct order *o)
{
	return o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);
}

/* Batteries left to themselves beside each other swing, faster than they are read: what is counted then is no energy. */
static bool may_fight(const struct snapshot *s)
{
	int n = 0, left = 0;

	for (int i = 0; i < s->n_devices; i++)
		if (view_battery(&s->dev[i])) {
			n++;
			left += s->dev[i].ordered.kind != ORDER_POWER && s->dev[i].ordered.kind != ORDER_BALANCE;
		}
	return n > 1 && left > 0;
}

/* It stood still, was held for that, and has not moved since: more may have gone out than it says, and so much again before that
 * is found out. */
static bool may_be_low(const struct soc_memory *m, const struct snapshot *s, int i)
{
	return m->unseen_pct > 0 && (double)m->pct - LOSSES * ((double)m->unseen_pct + 100 * FROZEN_PART) < floor_effective(s, &s->dev[i]).pct;
}

static void wishes_leave(const struct soc_memory *m, const struct snapshot *s, int i, struct wishes *out)
{
	const char *id = s->dev[i].id;

	if (m->trouble == SOC_FROZEN)
		wish_doubt(out, i, DOUBT_SOC_FROZEN, "SoC of %s stands at %.1f %% although %.0f Wh moved: held until it moves and is steady for %d s, or for %d min", id,
			   (double)m->pct, (double)m->seen_wh, STEADY_MS / 1000, RETRY_MS / 60000);
	else
		wish_doubt(out, i, DOUBT_SOC_JUMPS, "SoC of %s jumped by %.1f points while %.0f Wh moved: held until steady for %d s", id,
			   (double)m->seen_pct, (double)m->seen_wh, STEADY_MS / 1000);
	if (view_may_order(s))
		wish_order(out, i, order_power(0), 0, REASON_DOUBT, "SoC %s", m->trouble == SOC_FROZEN ? "stands still although energy moved" :
			   "jumped where no energy did");
}

static void slow_name(const struct soc_memory *m, const struct snapshot *s, int i, struct wishes *out)
{
	if (m->slow_ms > 0 && s->now_ms - m->slow_ms < SLOW_MS)
		wish_doubt(out, i, DOUBT_SOC_SLOW, "SoC of %s moved by %.1f points while %.0f Wh did: less is stored than the capacity says, or that is wrong",
			   s->dev[i].id, (double)m->slow_pct, (double)m->slow_wh);
}

static void doubt_soc_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct doubt_soc_memory *m = memory;
	bool wild = may_fight(s);

	for (int i = 0; i < s->n_devices; i++) {
		struct soc_memory *soc = &m->soc[i];
		const struct value *v = &s->dev[i].state.f[F_BATTERY_SOC_PCT];
		double capacity_wh = view_capacity_wh(&s->dev[i]), pct;

		if (!view_battery(&s->dev[i]))
			continue;
		if (isnan(capacity_wh))
			capacity_wh = UNKNOWN_WH;
		energy_count(soc, s, i, m->step_ms);
		if (value_usable(v) && v->at_ms != soc->at_ms && view_soc(s, i, &pct))
			reading_take(soc, v, capacity_wh, s->now_ms);
		if (s->now_ms - soc->at_ms > JUMP_MS)
			soc->moved_wh = 0; /* unknown, which is the guard's, not frozen */
		if (s->now_ms - soc->at_ms > JUMP_MS || (wild && !told(&s->dev[i].ordered)))
			count_anew(soc);
		still_look(soc, capacity_wh, s->now_ms);
		if (soc->trouble != SOC_FINE && over(soc, s->now_ms)) {
			if (soc->unseen_pct > 0)
				unseen_add(soc, capacity_wh); /* in a pause nobody holds it */
			soc->trouble = SOC_FINE;
		}
		if (soc->trouble != SOC_FINE)
			wishes_leave(soc, s, i, out);
		else if (may_be_low(soc, s, i) && view_may_order(s))
			wish_limit_device(out, i, 0, INFINITY, REASON_DOUBT, "SoC stood still although energy moved: only charged until it moves");
		slow_name(soc, s, i, out);
	}
	m->step_ms = s->now_ms;
}

const struct policy POLICY_DOUBT_SOC = { "doubt_soc", RANK_GUARD, sizeof(struct doubt_soc_memory), doubt_soc_init, doubt_soc_step };
