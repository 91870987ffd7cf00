/* Orders -> commands of a charger: watts become amperes by the voltage and the phases in use, rounded toward 0, and what
 * would be below 6 A is a pause. Release leaves the charger at its fail-safe current, not at its maximum. */
#include "drivers/profile_driver.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define VOLT_MIN 180.0
#define VOLT_MAX 260.0
#define PHASE_ON_A 1.0 /* a phase carrying this much is in use */
#define SAME_A 0.15    /* chargers report in steps of 0.1 A and more */
#define IDLE_W 100.0
#define SAME_PART 0.25 /* of the power: the power factor, and currents in tenths of an ampere */

static const enum field CURRENT[] = { F_CHARGER_CURRENT_L1_A, F_CHARGER_CURRENT_L2_A, F_CHARGER_CURRENT_L3_A };

struct args {
	const struct profile_driver *d;
	const struct profile_command *c;
	double v[PROFILE_ARGS_MAX];
};

static double usable(const struct value *v)
{
	return value_usable(v) ? v->v : (double)NAN;
}

/* What changes with the installation only: a silent charger has not lost it. */
static double known(const struct value *v)
{
	return v->q >= Q_STALE ? v->v : (double)NAN;
}

/* Chargers that give one value at a time are read over seconds: of a car that begins meanwhile only the last phase is seen, and
 * its order would be written as three times the current. Together they must be the power. */
static bool of_one_moment(const struct profile_driver *d, double sum_a, double power_w)
{
	return fabs(sum_a * d->volt - power_w) <= SAME_PART * power_w;
}

/* A single-phase car on three phases takes a third: what flows while it charges is the truth, else the installation. */
static double phases_in_use(const struct profile_driver *d, const struct device_state *s)
{
	double installed = known(&s->f[F_CHARGER_PHASES]);
	double sum_a = 0;
	int on = 0;

	for (int i = 0; i < 3; i++) {
		if (!(usable(&s->f[CURRENT[i]]) >= PHASE_ON_A))
			continue;
		sum_a += s->f[CURRENT[i]].v;
		on++;
	}
	if (!(installed >= 1))
		installed = d->o.phases > 0 ? d->o.phases : 3;
	if (d->o.phases > 0 && d->o.phases < installed)
		installed = d->o.phases;
	if (!d->charging || on == 0)
		return installed;
	if (!(usable(&s->f[F_CHARGER_POWER_W]) > IDLE_W)) /* nothing to compare with: no fewer than it says */
		return fmax(on, installed);
	if (!of_one_moment(d, sum_a, s->f[F_CHARGER_POWER_W].v))
		return d->phases > 0 ? d->phases : installed;
	return on; /* more than it says: its contactor did not move */
}

void charger_learn(struct profile_driver *d, const struct device_state *state)
{
	static const enum field VOLT[] = { F_CHARGER_VOLTAGE_L1_V, F_CHARGER_VOLTAGE_L2_V, F_CHARGER_VOLTAGE_L3_V };
	const struct value *st = &state->f[F_CHARGER_STATE];
	double sum = 0;
	bool flows = usable(&state->f[F_CHARGER_POWER_W]) > IDLE_W; /* a box without a meter reads 0, or nothing */
	int n = 0;

	for (int i = 0; i < 3; i++)
		flows = flows || usable(&state->f[CURRENT[i]]) >= PHASE_ON_A;
	d->charging = value_usable(st) && (st->v == CHARGER_C || st->v == CHARGER_D) && flows;
	for (int i = 0; i < 3; i++) {
		double v = usable(&state->f[VOLT[i]]);

		if (!(v >= VOLT_MIN && v <= VOLT_MAX))
			continue;
		sum += v;
		n++;
	}
	d->volt = n > 0 ? sum / n : CHARGER_VOLT;
	d->phases = phases_in_use(d, state);
	d->limit_a = usable(&state->f[F_CHARGER_CURRENT_LIMIT_A]);
	d->max_a = known(&state->f[F_CHARGER_CURRENT_MAX_A]);
	d->timer_s = known(&state->f[F_CHARGER_FAILSAFE_TIMEOUT_S]);
	d->failsafe_a = known(&state->f[F_CHARGER_FAILSAFE_CURRENT_A]);
}

double charger_watts(const struct profile_driver *d, double amps)
{
	return amps * d->volt * d->phases;
}

/* Amperes of an order; 0 = pause. */
static double order_amps(const struct profile_driver *d, const struct order *o)
{
	double amps = o->kind == ORDER_RELEASE ? d->o.failsafe_a : o->w / (d->volt * d->phases);

	if (!isnan(d->max_a) && d->max_a >= CHARGER_MIN_A && amps > d->max_a)
		amps = d->max_a;
	return amps < CHARGER_MIN_A ? 0 : amps;
}

static bool lookup(void *context, const char *name, double *out)
{
	const struct args *a = context;
	int point = profile_point_find(&a->d->p, name);

	for (int i = 0; i < a->c->n_args; i++) {
		if (strcmp(a->c->args[i], name))
			continue;
		*out = a->v[i];
		return true;
	}
	if (point < 0 || !a->d->reading[point].known)
		return false;
	*out = a->d->reading[point].raw;
	return true;
}

/* Which commands this device has now: its condition holds, and a write marked C only when the owner allows it. */
static const struct profile_command *command_find(const struct profile_driver *d, const char *name)
{
	for (int i = 0; i < d->p.n_commands; i++) {
		const struct profile_command *c = &d->p.command[i];

		if (!strcmp(c->name, name) && !c->sunspec && (!c->unverified || d->o.allow_unverified) &&
		    profile_when(d, &c->when))
			return c;
	}
	return NULL;
}

bool charger_has(const struct profile_driver *d, const char *command)
{
	return command_find(d, command) != NULL;
}

/* A condition whose point was never read could still turn out either way. */
static bool commands_decided(const struct profile_driver *d)
{
	for (int i = 0; i < d->p.n_commands; i++) {
		int point = d->p.command[i].when.point;

		if (point >= 0 && !d->reading[point].seen)
			return false;
	}
	return true;
}

static int item_number(const struct args *a, const struct profile_item *item, double *out)
{
	double v = item->arg >= 0 ? a->v[item->arg] * item->sign : item->number;

	if (*item->expr && expr_eval(item->expr, lookup, (void *)a, &v))
		return -ENOENT;
	for (int i = 0; item->clamped && i < 2; i++) {
		double end = item->clamp[i];

		if (item->clamp_point[i] >= 0) {
			if (!a->d->reading[item->clamp_point[i]].known)
				return -ENOENT;
			end = a->d->reading[item->clamp_point[i]].raw;
		}
		v = i == 0 ? fmax(v, end) : fmin(v, end);
	}
	*out = v;
	return 0;
}

/* The names devices give to "how many phases". */
static double arg_value(const char *arg, double value)
{
	if (!strcmp(arg, "three_phase"))
		return value >= 2;
	return strcmp(arg, "single_phase") ? value : value < 2;
}

int charger_command(const struct profile_driver *d, const char *name, double value, struct batch *b)
{
	struct args a = { .d = d, .c = command_find(d, name) };

	if (!a.c)
		return -ENOENT;
	for (int i = 0; i < a.c->n_args; i++)
		a.v[i] = arg_value(a.c->args[i], value);
	for (int i = 0; i < a.c->n; i++) {
		const struct profile_write *w = &d->p.write[a.c->first + i];
		struct modbus_request *r = &b->r[b->n];
		int words = 0;

		if (b->n == BATCH_REQUESTS_MAX)
			return -ENOSPC;
		memset(r, 0, sizeof(*r));
		for (int k = 0; k < w->n; k++) {
			const struct profile_item *item = &d->p.item[w->first + k];
			struct reg_format f = { .type = item->type, .order = w->order, .scale = item->scale };
			double v;

			if (item_number(&a, item, &v) || reg_encode(&f, v, r->words + words, REQUEST_WORDS_MAX - words))
				return -ERANGE;
			words += reg_words(item->type);
		}
		r->fc = w->fc;
		r->address = w->address;
		r->count = (uint16_t)words;
		r->gap_ms = (uint16_t)d->p.min_gap_ms;
		b->n++;
	}
	return 0;
}

int charger_writes(struct profile_driver *d, struct batch *batch)
{
	double amps = order_amps(d, &d->setpoint.order);
	int r = 0;

	batch->n = 0;
	if (!commands_decided(d))
		return 0;
	if (amps > 0) {
		r = charger_command(d, "set_current", amps, batch);
		/* The current first: a charger that resumes at its old current would overshoot. */
		if (r == 0 && !(d->sent_a > 0) && command_find(d, "resume"))
			r = charger_command(d, "resume", amps, batch);
	} else {
		r = charger_command(d, "pause", 0, batch);
	}
	if (r < 0)
		return r;
	d->before_a = d->limit_a;
	d->target_a = amps;
	return batch->n;
}

static bool failsafe_fits(const struct profile_driver *d)
{
	return d->failsafe_a <= d->o.failsafe_a + SAME_A; /* false while unknown */
}

/* A timer of ours is started only where its running out leaves what a release leaves; one that somebody set up is kept
 * running in any case, or it would cut the car off. */
static double timer_wanted_s(const struct profile_driver *d)
{
	if (d->timer_s > 0)
		return d->timer_s;
	if (d->timer_s == 0 &&
	    (fabs(d->failsafe_a - d->o.failsafe_a) <= SAME_A || (!isnan(d->failsafe_a) && command_find(d, "set_failsafe"))))
		return CHARGER_TIMER_S;
	return 0;
}

int32_t charger_keepalive_ms(const struct profile_driver *d)
{
	double s = command_find(d, "keepalive") ? timer_wanted_s(d) : 0;

	return (int32_t)(s * 1000 / 2);
}

int charger_keepalive(const struct profile_driver *d, struct batch *batch)
{
	int r = 0;

	batch->n = 0;
	if (!(fabs(d->failsafe_a - d->o.failsafe_a) <= SAME_A) && command_find(d, "set_failsafe"))
		r = charger_command(d, "set_failsafe", d->o.failsafe_a, batch);
	return r < 0 || charger_command(d, "keepalive", timer_wanted_s(d), batch) < 0 ? 0 : batch->n;
}

enum seen charger_seen(const struct profile_driver *d)
{
	double seen = d->limit_a, sent = d->sent_a;

	if (sent == 0 ? seen < CHARGER_MIN_A - SAME_A || !d->charging : fabs(seen - sent) <= SAME_A)
		return SEEN_SAME;
	if (!isnan(d->before_a) && fabs(seen - d->before_a) <= SAME_A)
		return SEEN_BEFORE;
	return seen < sent ? SEEN_LESS : SEEN_OTHER;
}

void charger_caps(const struct profile_driver *d, struct device_state *state)
{
	struct device_caps *c = &state->caps;
	double max_w = isnan(d->max_a) ? 0 : charger_watts(d, d->max_a);
	bool guarded = d->timer_s > 0 && d->timer_s <= CHARGER_TIMER_S && failsafe_fits(d);

	c->can_power = c->can_hold = command_find(d, "set_current") && command_find(d, "pause");
	if (d->o.charge_max_w > 0 && (max_w == 0 || d->o.charge_max_w < max_w))
		max_w = d->o.charge_max_w;
	c->charge_max_w = max_w;
	c->min_w = ceil(charger_watts(d, CHARGER_MIN_A));
	c->settle_ms = d->setpoint.settle_ms;
	c->guarded_by = guarded ? GUARDED_DEVICE : GUARDED_NONE;
	c->guard_timeout_s = guarded ? (int32_t)d->timer_s : 0;
	c->switches_phases = phases_can(d);
	c->phase_dwell_s = c->switches_phases ? d->p.phase_switch.dwell_s : 0;
}
