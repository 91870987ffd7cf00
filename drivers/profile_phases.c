/* One phase or three: only where the profile says that this is safe, never under current, and never more often than its
 * dwell. The charger is told 0 A; when nothing has flowed for the profile's pause, the contactor moves; when the device
 * reads back the new number and the pause is over once more, the order it had goes on. A release before the contactor moves
 * ends all this at once. What a release finds it leaves: another stroke for a car nobody watches gains nothing, and the
 * fail-safe current is small either way. */
#include "drivers/profile_driver.h"

#include "core/snapshot.h"

#include <math.h>

#define STOP_MAX_MS 60000   /* current that does not end: given up, the contactor has not moved */
#define PROVE_MAX_MS 60000  /* so long for the device to read back what was asked */
#define TAKE_MS 20000       /* between two tries to become the one who switches */
#define TAKE_TRIES 3
#define READ_MS 2000
#define STILL_A 1.0
#define STILL_W 100.0

bool phases_can(const struct profile_driver *d)
{
	return d->p.phase_switch.safe && (!d->p.phase_switch.unverified || d->o.allow_unverified) && !d->phase.refused &&
	       d->o.phases != 1 && d->phase.told > 0 && (charger_has(d, "set_phases") || charger_has(d, "take_phases"));
}

const char *phases_note(const struct profile_driver *d)
{
	if (d->phase.refused)
		return "does not switch its phases: not asked again";
	if (d->phase.step == PHASES_REST)
		return "";
	return d->phase.target == 1 ? "changing to one phase" : "changing to three phases";
}

/* What was never there says nothing, what cannot be believed is as if never read; of the rest the oldest counts: a 0 that is newer
 * than it may be of a box without a meter. */
static void amps_take(struct phase_switch *ph, const struct value *v, double amps)
{
	int64_t at_ms = value_usable(v) ? v->at_ms : 0;

	if (v->q == Q_ABSENT)
		return;
	ph->amps_ms = isnan(ph->amps) || at_ms < ph->amps_ms ? at_ms : ph->amps_ms;
	ph->amps = fmax(ph->amps, amps);
}

void phases_learn(struct profile_driver *d, const struct device_state *state, int64_t now_ms)
{
	static const enum field CURRENT[] = { F_CHARGER_CURRENT_L1_A, F_CHARGER_CURRENT_L2_A, F_CHARGER_CURRENT_L3_A };
	const struct value *told = &state->f[F_CHARGER_PHASES], *power = &state->f[F_CHARGER_POWER_W];
	struct phase_switch *ph = &d->phase;
	int carrying = 0;

	if (value_usable(told)) {
		ph->told = told->v >= 2 ? 3 : 1;
		ph->told_ms = told->at_ms;
	}
	if (ph->moved_ms == 0 && ph->told > 0)
		ph->moved_ms = now_ms; /* when it moved last is not known: the dwell begins now */
	ph->amps = (double)NAN;
	amps_take(ph, power, power->v > STILL_W ? STILL_A : 0);
	for (int i = 0; i < 3; i++) {
		const struct value *v = &state->f[CURRENT[i]];

		amps_take(ph, v, v->v);
		carrying += value_usable(v) && v->v >= STILL_A;
	}
	ph->carrying = d->charging ? carrying : 0;
	/* It says one phase and draws on more: there is no contactor that moves. */
	if (ph->told == 1 && ph->carrying > 1 && ph->step == PHASES_REST && ph->tries > 0)
		ph->refused = true;
}

static void begin(struct profile_driver *d, enum phase_step step, int64_t now_ms)
{
	static const struct order PAUSE = { .kind = ORDER_POWER };

	d->phase.step = step;
	d->phase.begun_ms = now_ms;
	d->phase.still_ms = 0;
	setpoint_aim(&d->setpoint, &PAUSE, now_ms);
}

/* @moved  the contactor was, or may have been, at work: the dwell begins anew */
static void end(struct profile_driver *d, bool moved, int64_t now_ms)
{
	d->phase.step = PHASES_REST;
	if (moved)
		d->phase.moved_ms = now_ms;
	setpoint_aim(&d->setpoint, &d->phase.wished, now_ms);
}

void phases_aim(struct profile_driver *d, const struct order *order, int64_t now_ms)
{
	struct phase_switch *ph = &d->phase;

	if (order->kind == ORDER_NONE)
		return;
	ph->wished = *order;
	if (ph->step == PHASES_STOPPING && (order->kind == ORDER_RELEASE || order->phases != ph->target))
		end(d, false, now_ms);
	else if (ph->step == PHASES_REST || ph->step == PHASES_TAKING)
		setpoint_aim(&d->setpoint, order, now_ms);
}

static bool wanted(const struct profile_driver *d, int64_t now_ms)
{
	const struct phase_switch *ph = &d->phase;
	int want = ph->wished.phases;

	return ph->wished.kind == ORDER_POWER && (want == 1 || want == 3) && want != ph->told && phases_can(d) &&
	       now_ms - ph->moved_ms >= 1000LL * d->p.phase_switch.dwell_s;
}

/* Nothing flows: the pause was read back, and power and currents are newer than it. */
static bool still(const struct profile_driver *d)
{
	const struct phase_switch *ph = &d->phase;

	return d->setpoint.phase == SETPOINT_HELD && d->setpoint.verdict == VERDICT_APPLIED && d->setpoint.sent.w == 0 &&
	       ph->amps < STILL_A && ph->amps_ms > d->setpoint.written_ms;
}

static int stopping(struct profile_driver *d, int64_t now_ms, struct batch *batch)
{
	struct phase_switch *ph = &d->phase;

	if (!still(d))
		ph->still_ms = 0;
	else if (ph->still_ms == 0)
		ph->still_ms = now_ms;
	if (ph->still_ms && now_ms - ph->still_ms >= 1000LL * d->p.phase_switch.pause_s) {
		ph->step = PHASES_MOVING;
		ph->tries++;
		if (charger_command(d, "set_phases", ph->target, batch) == 0)
			return batch->n;
		ph->refused = true;
		end(d, false, now_ms);
	} else if (now_ms - ph->begun_ms > STOP_MAX_MS + 1000LL * d->p.phase_switch.pause_s) {
		end(d, true, now_ms); /* it did not stop: not tried again before the dwell is over */
	}
	return 0;
}

static void proving(struct profile_driver *d, int64_t now_ms)
{
	struct phase_switch *ph = &d->phase;
	bool proven = ph->told == ph->target && ph->told_ms > ph->begun_ms, over = ph->wished.kind == ORDER_RELEASE;

	if (proven && (over || now_ms - ph->begun_ms >= 1000LL * d->p.phase_switch.pause_s)) {
		end(d, true, now_ms);
	} else if (now_ms - ph->begun_ms > PROVE_MAX_MS) {
		ph->refused |= ph->answered && ph->told_ms > ph->begun_ms; /* a silent charger has refused nothing */
		end(d, true, now_ms);
	}
}

/* Somebody must be the one who switches; where nobody is, the profile's command makes us that. */
static int rest(struct profile_driver *d, int64_t now_ms, struct batch *batch)
{
	struct phase_switch *ph = &d->phase;

	if (!wanted(d, now_ms))
		return 0;
	ph->target = ph->wished.phases;
	if (charger_has(d, "set_phases")) {
		begin(d, PHASES_STOPPING, now_ms);
		return 0;
	}
	ph->step = PHASES_TAKING;
	ph->begun_ms = now_ms;
	return charger_command(d, "take_phases", 0, batch) == 0 ? batch->n : 0;
}

static void taking(struct profile_driver *d, int64_t now_ms)
{
	struct phase_switch *ph = &d->phase;

	if (charger_has(d, "set_phases")) {
		ph->step = PHASES_REST;
	} else if (now_ms - ph->begun_ms > TAKE_MS) {
		ph->step = PHASES_REST;
		ph->refused |= ++ph->tries >= TAKE_TRIES;
	}
}

int phases_plan(struct profile_driver *d, int64_t now_ms, struct batch *batch)
{
	batch->n = 0;
	switch (d->phase.step) {
	case PHASES_TAKING:
		taking(d, now_ms);
		return 0;
	case PHASES_REST:
		return rest(d, now_ms, batch);
	case PHASES_STOPPING:
		return stopping(d, now_ms, batch);
	case PHASES_MOVING:
		return 0;
	case PHASES_PROVING:
		proving(d, now_ms);
		return 0;
	}
	return 0;
}

void phases_written(struct profile_driver *d, enum request_status status, int64_t now_ms)
{
	struct phase_switch *ph = &d->phase;
	bool exception = status > REQUEST_OK && status <= REQUEST_EXCEPTION_LAST;

	if (ph->step != PHASES_MOVING)
		return; /* who switches is read back anyway */
	ph->step = PHASES_PROVING; /* without an answer it may have arrived all the same */
	ph->begun_ms = now_ms;
	ph->answered = status == REQUEST_OK;
	if (exception) {
		ph->refused = true;
		end(d, true, now_ms);
	}
}

bool phases_read_due(struct profile_driver *d, int64_t now_ms)
{
	if (d->phase.step == PHASES_REST || now_ms - d->phase.read_ms < READ_MS)
		return false;
	d->phase.read_ms = now_ms;
	return true;
}

int64_t phases_next(const struct profile_driver *d)
{
	return d->phase.step == PHASES_REST ? INT64_MAX : d->phase.read_ms + READ_MS;
}
