/* Rank 1: do the devices do as told, and in time? One that does something else, takes less, refuses, answers late, a car that
 * draws more than it may: named. What they really do is counted by share.c, reading by reading; here is who keeps doing it,
 * when it is over, and that a car which endangers a limit is paused. */
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>

#define NAMED_MAX (DOUBTS_MAX - 5) /* leaves room for the meter and the loop */
#define OFF_PART 0.1            /* of the rating */
#define OFF_MIN_W 100.0
#define CAR_PART 0.1
#define CAR_W 200.0
#define SHORT_PART 0.75         /* a battery that takes less than that of its order, away from empty and full */
#define SHORT_LOW_PCT 10.0
#define SHORT_HIGH_PCT 90.0
#define EXCUSE_MS 3000          /* beyond the settle time an old order still excuses a reading */
#define CAR_NAME_MS 10000
#define NAME_MS 60000           /* wrong for so long: named; right for so long: over */
#define DANGER_W 100.0
#define DANGER_MS 5000
#define PAUSE_MS 300000
#define REFUSALS 3              /* within AGAIN_MS, or one that lasts NAME_MS */
#define AGAIN_MS 300000
#define LATE_FACTOR 3.0F
#define LATE_MIN_MS 3000
#define LATE_TIMES 3
#define OURS_TICKS 2            /* a tick that comes so late: the machine is busy, and whoever asks is late too */

enum trouble { DOES_FINE = 0, DOES_OTHER, DOES_MORE, DOES_LESS };

struct follow_memory {
	int64_t at_ms;                  /* reading judged last */
	int64_t wrong_ms, right_ms;     /* the present state began; 0 = the other one holds */
	int64_t high_ms, low_ms;        /* the bounds below were in force last */
	float high_w, low_w;            /* what it may still be doing by its orders */
	float told_w, did_w;            /* for the sentence */
	enum trouble now, named;
	bool told;
};

struct refusal_memory {
	int64_t since_ms, last_ms;      /* this one began; the last one was seen */
	enum verdict verdict;           /* the last bad one */
	uint8_t times;
	bool bad;
};

struct late_memory {
	int64_t last_ms;
	float usual_ms;
	uint8_t times;
	bool ours;                      /* since the last reading we were late ourselves */
};

/* The meter: where it is late too, it is not the device. */
struct witness {
	int64_t at_ms;
	struct late_memory late;
};

struct doubt_device_memory {
	int64_t danger_ms;              /* since when a limit is exceeded; 0 = none is */
	int64_t step_ms;                /* the last tick */
	bool three;                     /* the meter has shown three phases */
	struct follow_memory follow[DEVICE_MAX];
	struct refusal_memory refusal[DEVICE_MAX];
	struct late_memory late[DEVICE_MAX];
	struct witness meter;
	int64_t pause_ms[DEVICE_MAX];   /* paused until */
};

static void doubt_device_init(void *memory)
{
	(void)memory;
}

static bool told(const struct order *o)
{
	return o->kind == ORDER_POWER || (o->kind == ORDER_BALANCE && !o->native);
}

/* An order that has been replaced still excuses what is measured, as long as the device may be on its way. */
static void bound_keep(float *bound_w, int64_t *bound_ms, float now_w, bool wider, const struct snapshot *s, int i)
{
	if (!wider && s->now_ms - *bound_ms <= view_settle_ms(&s->dev[i]) + EXCUSE_MS)
		return;
	*bound_w = now_w;
	*bound_ms = s->now_ms;
}

static void bounds_keep(struct follow_memory *m, const struct snapshot *s, int i)
{
	float high_w = (float)double_max(0, s->dev[i].ordered.w), low_w = (float)double_min(0, s->dev[i].ordered.w);

	if (!m->told) { /* whatever it did before excuses it for a while */
		m->high_w = INFINITY;
		m->low_w = -INFINITY;
		m->high_ms = m->low_ms = s->now_ms;
		m->told = true;
	}
	bound_keep(&m->high_w, &m->high_ms, high_w, high_w >= m->high_w, s, i);
	bound_keep(&m->low_w, &m->low_ms, low_w, low_w <= m->low_w, s, i);
}

/* Far less than told, and neither empty nor full; an order on its way is none. */
static bool falls_short(const struct follow_memory *m, const struct snapshot *s, int i, double power_w, double slack_w)
{
	double told_w = (double)(m->high_w + m->low_w), soc;

	return view_battery(&s->dev[i]) && (m->high_w == 0) != (m->low_w == 0) && power_w * told_w >= 0 &&
	       fabs(power_w) < SHORT_PART * fabs(told_w) - slack_w && view_soc(s, i, &soc) && soc > SHORT_LOW_PCT && soc < SHORT_HIGH_PCT;
}

static enum trouble judge(const struct follow_memory *m, const struct snapshot *s, int i, double power_w)
{
	const struct snap_device *d = &s->dev[i];
	double slack_w = double_max(OFF_MIN_W, OFF_PART * double_max(view_charge_max(d), view_discharge_max(d)));

	if (view_charger(d) && m->high_w > 0)
		return power_w > (1 + CAR_PART) * (double)m->high_w + CAR_W ? DOES_MORE : DOES_FINE;
	if (power_w > (double)m->high_w + slack_w || power_w < (double)m->low_w - slack_w)
		return DOES_OTHER;
	return falls_short(m, s, i, power_w, slack_w) ? DOES_LESS : DOES_FINE;
}

static void follow_step(struct follow_memory *m, const struct snapshot *s, int i, double power_w, int64_t at_ms)
{
	enum trouble now;

	if (!told(&s->dev[i].ordered)) {
		m->told = false;
		m->wrong_ms = 0;
		now = DOES_FINE;
	} else {
		bounds_keep(m, s, i);
		if (at_ms == m->at_ms)
			return;
		now = judge(m, s, i, power_w);
	}
	m->at_ms = at_ms;
	if (now != m->now)
		m->wrong_ms = m->right_ms = 0;
	m->now = now;
	if (now == DOES_FINE) {
		m->right_ms = m->right_ms ? m->right_ms : s->now_ms;
		if (s->now_ms - m->right_ms >= NAME_MS)
			m->named = DOES_FINE;
		return;
	}
	m->wrong_ms = m->wrong_ms ? m->wrong_ms : s->now_ms;
	if (m->named == now || s->now_ms - m->wrong_ms < (now == DOES_MORE ? CAR_NAME_MS : NAME_MS))
		return;
	m->named = now;
	m->told_w = (float)s->dev[i].ordered.w;
	m->did_w = (float)power_w;
}

static void refusal_step(struct refusal_memory *m, const struct snapshot *s, int i)
{
	enum verdict v = s->dev[i].state.verdict;
	bool bad = v == VERDICT_IGNORED || v == VERDICT_REFUSED || v == VERDICT_CLAMPED;

	if (s->now_ms - m->last_ms > AGAIN_MS)
		m->times = 0;
	if (bad) {
		if (!m->bad) {
			m->since_ms = s->now_ms;
			m->times = (uint8_t)(m->times + (m->times < REFUSALS));
		}
		m->last_ms = s->now_ms;
		m->verdict = v;
		if (s->now_ms - m->since_ms >= NAME_MS)
			m->times = REFUSALS;
	}
	m->bad = bad;
	if (s->now_ms - m->last_ms >= NAME_MS && m->times >= REFUSALS)
		m->times = 0;
}

static bool is_late(const struct late_memory *m, int32_t period_ms, int64_t gap_ms)
{
	return (float)gap_ms > LATE_FACTOR * fmaxf(m->usual_ms, (float)period_ms) && gap_ms > LATE_MIN_MS;
}

/* @gap_ms: between two readings. What is usual leans to the shorter ones: behind each order it is read once more, which says nothing of
 * the next read. */
static void late_step(struct late_memory *m, int32_t period_ms, int64_t gap_ms, int64_t now_ms)
{
	float gap = (float)gap_ms, part = gap < m->usual_ms ? 0.3F : 0.1F;

	if (m->usual_ms <= 0) {
		m->usual_ms = gap;
	} else if (is_late(m, period_ms, gap_ms)) {
		m->times = (uint8_t)(m->times + (m->times < LATE_TIMES));
		m->last_ms = now_ms;
		part = 0.02F;
	}
	m->usual_ms += (gap - m->usual_ms) * part;
}

static bool refuses(const struct refusal_memory *m)
{
	return m->times >= REFUSALS;
}

static void device_name(const struct doubt_device_memory *m, const struct snapshot *s, int i, struct wishes *out)
{
	const struct follow_memory *f = &m->follow[i];
	double told_w = (double)f->told_w, did_w = (double)f->did_w;
	const char *id = s->dev[i].id;

	if (out->n_doubts >= NAMED_MAX)
		return;
	if (f->named == DOES_MORE)
		wish_doubt(out, i, DOUBT_CAR_OVERDRAWS, "%s draws %.0f W where %.0f W are allowed: counted as measured, paused for %d min if it endangers a limit",
			   id, did_w, told_w, PAUSE_MS / 60000);
	if (f->named == DOES_OTHER)
		wish_doubt(out, i, DOUBT_DEVICE_IGNORES, "%s does %.0f W where it was told %.0f W: counted as measured", id, did_w, told_w);
	else if (refuses(&m->refusal[i]) && m->refusal[i].verdict != VERDICT_CLAMPED)
		wish_doubt(out, i, DOUBT_DEVICE_IGNORES, "%s does not take its orders (%s): counted as measured", id, verdict_word(m->refusal[i].verdict));
	if (f->named == DOES_LESS)
		wish_doubt(out, i, DOUBT_DEVICE_CLAMPS, "%s does %.0f W where it was told %.0f W: counted as measured", id, did_w, told_w);
	else if (refuses(&m->refusal[i]) && m->refusal[i].verdict == VERDICT_CLAMPED)
		wish_doubt(out, i, DOUBT_DEVICE_CLAMPS, "%s takes less than it is told: counted as measured", id);
	if (m->late[i].times >= LATE_TIMES)
		wish_doubt(out, i, DOUBT_DEVICE_LATE, "%s answers more than %.0f times later than usual: counted at its worst meanwhile", id,
			   (double)LATE_FACTOR);
}

static double site_limit_w(const struct snapshot *s)
{
	double limit_w = s->site.import_limit_w > 0 ? s->site.import_limit_w : INFINITY;

	if (!isnan(s->external.import_w))
		limit_w = double_min(limit_w, s->external.import_w);
	return s->external.demand_w > 0 ? double_min(limit_w, s->external.demand_w) : limit_w;
}

/* A limit of the site or of a phase is exceeded, by what the meter says; of phases that are not read, the fuses by their sum. */
static bool danger(struct doubt_device_memory *m, const struct snapshot *s)
{
	double w, sum_w = 0;
	int read = 0, all;

	if (view_grid(s, &w) && w > site_limit_w(s) + DANGER_W)
		return true;
	for (int p = 0; p < 3 && s->site.fuse_a > 0; p++) {
		if (!view_phase(s, p, &w))
			continue;
		read++;
		sum_w += w;
		if (w > s->site.fuse_a * view_phase_v(s, p) + DANGER_W)
			return true;
	}
	m->three = m->three || read == 3;
	if (!(s->site.fuse_a > 0) || !view_grid(s, &w))
		return false;
	all = m->three || s->dev[s->grid_device].phases == 3 ? 3 : 1;
	return read < all && w - sum_w > (all - read) * s->site.fuse_a * NOMINAL_V + DANGER_W;
}

static void car_pause(struct doubt_device_memory *m, const struct snapshot *s, int i, struct wishes *out)
{
	if (m->follow[i].named == DOES_MORE && m->follow[i].now == DOES_MORE && m->danger_ms > 0 && s->now_ms - m->danger_ms >= DANGER_MS)
		m->pause_ms[i] = s->now_ms + PAUSE_MS;
	if (s->now_ms < m->pause_ms[i] && view_may_order(s))
		wish_order(out, i, order_power(0), 0, REASON_DOUBT, "the car drew %.0f W where %.0f W were allowed, and a limit was exceeded",
			   (double)m->follow[i].did_w, (double)m->follow[i].told_w);
}

/* Whoever reads them has other things to do: the meter is as late, or still is. */
static bool meter_late(struct witness *m, const struct snapshot *s)
{
	bool late = m->late.usual_ms > 0 && is_late(&m->late, 0, s->now_ms - m->at_ms);

	if (m->at_ms > 0 && s->grid_w.at_ms > m->at_ms)
		late_step(&m->late, 0, s->grid_w.at_ms - m->at_ms, s->now_ms);
	m->at_ms = s->grid_w.at_ms;
	return late;
}

static void device_step(struct doubt_device_memory *m, const struct snapshot *s, int i, bool late)
{
	struct follow_memory *f = &m->follow[i];
	int64_t at_ms, gap_ms;
	double power_w;

	if (s->now_ms - m->late[i].last_ms > AGAIN_MS)
		m->late[i].times = 0;
	m->late[i].ours = m->late[i].ours || late;
	if (s->dev[i].state.availability != AVAIL_ONLINE || !view_power(s, i, &power_w, &at_ms)) {
		f->at_ms = f->wrong_ms = 0;
		f->told = false;
		return;
	}
	gap_ms = at_ms - f->at_ms;
	if (f->at_ms > 0 && gap_ms > 0 && !m->late[i].ours)
		late_step(&m->late[i], s->dev[i].state.period_ms, gap_ms, s->now_ms);
	m->late[i].ours = m->late[i].ours && gap_ms == 0;
	follow_step(f, s, i, power_w, at_ms);
	refusal_step(&m->refusal[i], s, i);
}

static void doubt_device_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct doubt_device_memory *m = memory;
	bool meter = meter_late(&m->meter, s), late = meter || s->now_ms - m->step_ms > OURS_TICKS * s->site.tick_ms;

	if (!danger(m, s))
		m->danger_ms = 0;
	else if (m->danger_ms == 0)
		m->danger_ms = s->now_ms;
	for (int i = 0; i < s->n_devices; i++) {
		if (!(s->dev[i].roles & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV)))
			continue;
		device_step(m, s, i, late);
		device_name(m, s, i, out);
		if (view_charger(&s->dev[i]))
			car_pause(m, s, i, out);
	}
	m->step_ms = s->now_ms;
}

const struct policy POLICY_DOUBT_DEVICE = { "doubt_device", RANK_GUARD, sizeof(struct doubt_device_memory), doubt_device_init,
					    doubt_device_step };
