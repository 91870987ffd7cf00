/* The driver that reads a JSON profile: points in two rhythms, few block reads, orders for chargers. A block the device
 * refuses is split, a point it refuses alone is left out; both are forgotten hourly, for a device may refuse while it
 * starts. Batteries are driven by the SunSpec driver so far; others are only read here. */
#include "drivers/profile_driver.h"

#include "core/snapshot.h"
#include "drivers/registry.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_MS 3600000
#define BATCH_GAP_MS 20 /* longer gaps are waited for here, not on the bus: other units share it */

/* Fields that change slowly; all others are control values. */
static const enum field SLOW[] = {
	F_BATTERY_SOH_PCT,
	F_BATTERY_CAPACITY_WH,
	F_BATTERY_ENERGY_CHARGED_WH,
	F_BATTERY_ENERGY_DISCHARGED_WH,
	F_BATTERY_CHARGE_MAX_W,
	F_BATTERY_DISCHARGE_MAX_W,
	F_BATTERY_RESERVE_SOC_PCT,
	F_PV_ENERGY_WH,
	F_PV_POWER_MAX_W,
	F_METER_ENERGY_IMPORT_WH,
	F_METER_ENERGY_EXPORT_WH,
	F_CHARGER_VOLTAGE_L1_V,
	F_CHARGER_VOLTAGE_L2_V,
	F_CHARGER_VOLTAGE_L3_V,
	F_CHARGER_CURRENT_MAX_A,
	F_CHARGER_ENERGY_SESSION_WH,
	F_CHARGER_ENERGY_TOTAL_WH,
	F_CHARGER_FAILSAFE_CURRENT_A,
	F_CHARGER_FAILSAFE_TIMEOUT_S,
};

static const struct {
	uint32_t role, kind;
} KINDS[] = {
	{ ROLE_BATTERY, KIND_BATTERY },
	{ ROLE_PV, KIND_PV },
	{ ROLE_GRID | ROLE_LOAD, KIND_METER },
	{ ROLE_CHARGER, KIND_CHARGER },
};

static void reads_plan(struct profile_driver *d, struct read_set *set)
{
	struct plan_limits limits = { .max_regs = d->p.max_regs, .hole = d->p.max_hole, .single_reads = d->p.single_reads };
	int n = plan_reads(set->points, set->n_points, &limits, &d->memory, set->read, READS_MAX);

	set->n = n > 0 ? n : 0;
	memset(set->want, 0, sizeof(set->want));
}

static bool is_used(const struct profile_driver *d, int i)
{
	const struct profile_point *pt = &d->p.point[i];

	if (pt->sunspec || !pt->readable)
		return false;
	if (pt->field != F_COUNT)
		return (field_info(pt->field)->kind & d->kinds) != 0;
	if (!strcmp(pt->name, "serial") || !strcmp(pt->name, "firmware") || !strcmp(pt->name, "product"))
		return pt->format.type != REG_STRING;
	for (int k = 0; k < d->p.n_points; k++)
		if (d->p.point[k].when.point == i)
			return true;
	for (int k = 0; k < d->p.n_commands; k++)
		if (d->p.command[k].when.point == i)
			return true;
	for (int k = 0; k < d->p.n_items; k++)
		if (d->p.item[k].clamp_point[0] == i || d->p.item[k].clamp_point[1] == i ||
		    strstr(d->p.item[k].expr, pt->name))
			return true;
	return false;
}

/* Slow points that cost no request of their own ride along with the fast ones: a meter gives all in one block. */
static void sets_fill(struct profile_driver *d)
{
	int alone;

	for (int i = 0; i < d->p.n_points; i++) {
		const struct profile_point *pt = &d->p.point[i];

		d->used[i] = is_used(d, i);
		d->slow[i] = pt->field == F_COUNT;
		for (size_t k = 0; k < sizeof(SLOW) / sizeof(SLOW[0]); k++)
			d->slow[i] |= pt->field == SLOW[k];
		if (d->used[i] && !d->slow[i])
			d->fast.points[d->fast.n_points++] = pt->at;
	}
	reads_plan(d, &d->fast);
	alone = d->fast.n;
	for (int i = 0; i < d->p.n_points; i++) {
		if (!d->used[i] || !d->slow[i])
			continue;
		d->fast.points[d->fast.n_points++] = d->p.point[i].at;
		reads_plan(d, &d->fast);
		if (d->fast.n > alone) {
			d->ratings.points[d->ratings.n_points++] = d->fast.points[--d->fast.n_points];
			if (d->p.point[i].field != F_COUNT)
				d->slow_field[d->p.point[i].field] = true;
		} else {
			d->slow[i] = false;
		}
	}
	reads_plan(d, &d->fast);
	reads_plan(d, &d->ratings);
}

static int profile_init(void *self, const struct driver_options *options, struct device_state *state, struct errbuf *err)
{
	struct profile_driver *d = self;
	uint32_t roles;
	int name_len, r = profile_parse(options->profile_json, options->profile_json_len, &d->p, err);

	if (r < 0)
		return r;
	d->o = *options;
	if (isnan(d->o.failsafe_a))
		d->o.failsafe_a = CHARGER_MIN_A;
	roles = options->roles ? options->roles & d->p.roles : d->p.roles;
	for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
		d->kinds |= roles & KINDS[i].role ? KINDS[i].kind : 0u;
	for (int i = 0; i < d->p.n_points && (d->kinds & (KIND_BATTERY | KIND_PV)); i++)
		d->kinds |= d->p.point[i].field != F_COUNT && field_info(d->p.point[i].field)->kind == KIND_INVERTER
				    ? KIND_INVERTER
				    : 0u;
	if (!d->kinds)
		return errbuf_set(err, -EINVAL, "profile %s offers none of the roles asked for", d->p.id);
	d->fast.cadence.interval_ms = options->poll_ms > 0 ? options->poll_ms : POLL_FAST_MS;
	if (d->fast.cadence.interval_ms < d->p.min_poll_ms)
		d->fast.cadence.interval_ms = d->p.min_poll_ms;
	d->ratings.cadence.interval_ms = POLL_SLOW_MS > d->p.min_poll_ms ? POLL_SLOW_MS : d->p.min_poll_ms;
	sets_fill(d);
	if (d->fast.n == 0 && d->ratings.n == 0)
		return errbuf_set(err, -EINVAL, "profile %s has nothing to read", d->p.id);
	d->setpoint.settle_ms = d->p.settle_ms > CHARGER_SETTLE_MS ? d->p.settle_ms : CHARGER_SETTLE_MS;
	d->setpoint.verdict_w = d->sent_a = d->before_a = (double)NAN;
	charger_learn(d, state);
	state->kinds = d->kinds;
	state->period_ms = d->fast.cadence.interval_ms;
	state->released = !(d->kinds & KIND_CHARGER); /* what is never commanded needs no release */
	state->verdict_w = (double)NAN;
	snprintf(state->identity.manufacturer, sizeof(state->identity.manufacturer), "%s", d->p.vendor);
	name_len = (int)strcspn(d->p.name, "/,(");
	name_len -= name_len > 0 && d->p.name[name_len - 1] == ' ';
	snprintf(state->identity.model, sizeof(state->identity.model), "%.*s", name_len, d->p.name);
	return 0;
}

static void set_due(struct profile_driver *d, struct read_set *set, int64_t now_ms)
{
	if (set->n == 0 || now_ms < set->cadence.due_ms)
		return;
	if (now_ms - d->memory_since_ms > MEMORY_MS) {
		memset(&d->memory, 0, sizeof(d->memory));
		d->memory_since_ms = now_ms;
		reads_plan(d, &d->fast);
		reads_plan(d, &d->ratings);
	}
	cadence_begin(&set->cadence, now_ms);
	for (int i = 0; i < set->n; i++)
		set->want[i] = true;
}

/* A read that decides a condition comes before all others: which registers mean what hangs on it. */
static bool is_urgent(const struct profile_driver *d, const struct plan_read *read)
{
	for (int i = 0; i < d->p.n_points + d->p.n_commands; i++) {
		int when = i < d->p.n_points ? d->p.point[i].when.point : d->p.command[i - d->p.n_points].when.point;
		const struct plan_point *at = when >= 0 ? &d->p.point[when].at : NULL;

		if (at && !d->reading[when].seen && at->fc == read->fc && at->address >= read->address &&
		    at->address + at->count <= read->address + read->count)
			return true;
	}
	return false;
}

static int reads_add(struct profile_driver *d, struct read_set *set, bool urgent, struct batch *b)
{
	int max = d->p.min_gap_ms > BATCH_GAP_MS ? 1 : BATCH_REQUESTS_MAX;

	for (int i = 0; i < set->n && b->n < max && b->n < BATCH_REQUESTS_MAX; i++) {
		if (!set->want[i] || (urgent && !is_urgent(d, &set->read[i])))
			continue;
		plan_request(&set->read[i], (uint16_t)d->p.min_gap_ms, &b->r[b->n]);
		d->flight_set[b->n] = set;
		d->flight_read[b->n++] = i;
	}
	return b->n;
}

static int64_t batch_begin(struct profile_driver *d, struct batch *b, enum profile_flight flight, int64_t now_ms)
{
	b->id = ++d->batch_id;
	b->unit = d->o.unit;
	b->timeout_ms = (uint16_t)d->o.timeout_ms;
	b->command = flight != PROFILE_READ;
	b->expires_ms =
		now_ms + (b->command ? SETPOINT_EXPIRY_MS : 2 * (int64_t)d->fast.cadence.interval_ms + SETPOINT_EXPIRY_MS);
	d->flight = flight;
	return now_ms + d->fast.cadence.interval_ms;
}

/* Orders go to chargers only; see the head of the file. */
static enum profile_flight plan_command(struct profile_driver *d, int64_t now_ms, struct batch *batch)
{
	int32_t alive_ms = charger_keepalive_ms(d);
	int n;

	if (!(d->kinds & KIND_CHARGER) || d->fast.cadence.missed >= POLL_SILENT || !d->fast.cadence.ok_ms)
		return PROFILE_IDLE;
	if (phases_plan(d, now_ms, batch) > 0)
		return PROFILE_PHASES;
	if (setpoint_due(&d->setpoint, now_ms)) {
		n = charger_writes(d, batch);
		if (n > 0) {
			setpoint_sent(&d->setpoint);
			return PROFILE_WRITE;
		}
		if (n < 0) {
			setpoint_sent(&d->setpoint);
			setpoint_done(&d->setpoint, REQUEST_EXCEPTION_FIRST, now_ms);
		}
	}
	if (alive_ms > 0 && d->setpoint.phase != SETPOINT_IDLE && now_ms >= d->keepalive_ms &&
	    charger_keepalive(d, batch) > 0) {
		d->keepalive_ms = now_ms + alive_ms;
		return PROFILE_KEEPALIVE;
	}
	batch->n = 0;
	return PROFILE_IDLE;
}

static void want_field(struct profile_driver *d, enum field f)
{
	for (int i = 0; i < d->p.n_points; i++) {
		const struct plan_point *at = &d->p.point[i].at;

		for (int k = 0; d->used[i] && d->p.point[i].field == f && k < d->fast.n; k++)
			if (d->fast.read[k].fc == at->fc && d->fast.read[k].address <= at->address &&
			    at->address + at->count <= d->fast.read[k].address + d->fast.read[k].count)
				d->fast.want[k] = true;
	}
}

/* Points that decide which commands there are; they stand among the slow ones. */
static void want_conditions(struct profile_driver *d)
{
	for (int i = 0; i < d->p.n_commands; i++) {
		int when = d->p.command[i].when.point;

		for (int k = 0; when >= 0 && k < d->ratings.n; k++)
			d->ratings.want[k] |= d->ratings.read[k].fc == d->p.point[when].at.fc &&
					      d->ratings.read[k].address <= d->p.point[when].at.address &&
					      d->p.point[when].at.address + d->p.point[when].at.count <=
						      d->ratings.read[k].address + d->ratings.read[k].count;
	}
}

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t profile_plan(void *self, int64_t now_ms, struct batch *batch)
{
	struct profile_driver *d = self;
	enum profile_flight command;
	int64_t next;

	batch->n = 0;
	if (d->flight != PROFILE_IDLE)
		return now_ms + d->fast.cadence.interval_ms;
	if (now_ms < d->quiet_until_ms)
		return d->quiet_until_ms;
	command = plan_command(d, now_ms, batch);
	if (command != PROFILE_IDLE)
		return batch_begin(d, batch, command, now_ms);
	if (setpoint_confirm_due(&d->setpoint, now_ms) && d->confirm_of_ms != d->setpoint.settled_ms) {
		d->confirm_of_ms = d->setpoint.settled_ms; /* once: they may take several batches */
		want_field(d, F_CHARGER_CURRENT_LIMIT_A);
		want_field(d, F_CHARGER_POWER_W);
		want_field(d, F_CHARGER_STATE);
	}
	if (phases_read_due(d, now_ms)) {
		want_field(d, F_CHARGER_PHASES);
		want_field(d, F_CHARGER_POWER_W);
		want_field(d, F_CHARGER_CURRENT_L1_A);
		want_field(d, F_CHARGER_CURRENT_L2_A);
		want_field(d, F_CHARGER_CURRENT_L3_A);
		if (d->phase.step == PHASES_TAKING)
			want_conditions(d);
	}
	set_due(d, &d->fast, now_ms);
	set_due(d, &d->ratings, now_ms);
	if (reads_add(d, &d->ratings, true, batch) > 0 || reads_add(d, &d->fast, false, batch) > 0 ||
	    reads_add(d, &d->ratings, false, batch) > 0)
		return batch_begin(d, batch, PROFILE_READ, now_ms);
	next = d->fast.n > 0 ? d->fast.cadence.due_ms : d->ratings.cadence.due_ms;
	next = d->ratings.n > 0 ? earliest(next, d->ratings.cadence.due_ms) : next;
	if (d->fast.cadence.missed < POLL_SILENT && (d->kinds & KIND_CHARGER)) {
		next = earliest(earliest(next, setpoint_next(&d->setpoint)), phases_next(d));
		if (d->setpoint.phase != SETPOINT_IDLE && charger_keepalive_ms(d) > 0)
			next = earliest(next, d->keepalive_ms);
	}
	return next > now_ms ? next : now_ms + 100; /* an order that waits for a reading is looked at again soon */
}

static void profile_aim(void *self, const struct order *order, int64_t now_ms)
{
	struct profile_driver *d = self;
	struct order o = *order;

	o.native = false;
	if (d->kinds & KIND_CHARGER)
		phases_aim(d, &o, now_ms);
}

static void points_gone(struct profile_driver *d, const struct plan_read *read, struct device_state *state)
{
	for (int i = 0; i < d->p.n_points; i++) {
		const struct profile_point *pt = &d->p.point[i];

		if (!d->used[i] || pt->at.fc != read->fc || pt->at.address < read->address ||
		    pt->at.address + pt->at.count > read->address + read->count)
			continue;
		d->reading[i].seen = true;
		d->reading[i].known = false;
		if (pt->field != F_COUNT)
			point_absent(state, pt->field);
	}
}

/* Exception 2 or 3: a hole in the block, or a point this device does not have. */
static bool read_refused(struct profile_driver *d, struct read_set *set, int index, struct device_state *state)
{
	struct plan_read read = set->read[index];

	switch (plan_refused(&d->memory, set->points, set->n_points, &read)) {
	case PLAN_SPLIT:
		return true;
	case PLAN_DEAD:
		points_gone(d, &read, state);
		return true;
	case PLAN_FULL:
		break;
	}
	return false;
}

static void feed_read(struct profile_driver *d, const struct batch_result *r, int64_t now_ms, struct device_state *state)
{
	bool answered = false, silent = false, asked = true, again = false;
	struct read_set *refused = NULL;

	for (int i = 0; i < r->n && i < BATCH_REQUESTS_MAX; i++) {
		struct read_set *set = d->flight_set[i];
		enum request_status status = r->status[i];

		if (status == REQUEST_NOT_TRIED)
			continue;
		set->want[d->flight_read[i]] = false;
		if (status == REQUEST_OK) {
			answered = true;
			profile_take(d, &r->r[i], r->done_ms);
		} else if (status <= REQUEST_EXCEPTION_LAST) {
			answered = true;
			again = (status == 2 || status == 3) && read_refused(d, set, d->flight_read[i], state);
			refused = set;
		} else {
			silent = status != REQUEST_BAD_ANSWER;
			asked = status == REQUEST_TIMEOUT || status == REQUEST_BAD_ANSWER;
		}
	}
	if (again) { /* plan anew and read the whole class: the indices have moved */
		reads_plan(d, refused);
		for (int i = 0; i < refused->n; i++)
			refused->want[i] = true;
	}
	if (answered && !silent) {
		cadence_ok(&d->fast.cadence, now_ms);
		return;
	}
	memset(d->fast.want, 0, sizeof(d->fast.want));
	memset(d->ratings.want, 0, sizeof(d->ratings.want));
	cadence_missed(&d->fast.cadence, now_ms, asked);
}

static enum request_status first_failure(const struct batch_result *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->status[i] != REQUEST_OK)
			return r->status[i];
	return REQUEST_OK;
}

static void state_charger(struct profile_driver *d, const struct batch_result *r, int64_t now_ms, struct device_state *state)
{
	charger_learn(d, state);
	phases_learn(d, state, now_ms);
	charger_caps(d, state);
	if (!isnan(d->limit_a) && !isnan(d->sent_a) && state->f[F_CHARGER_CURRENT_LIMIT_A].at_ms == r->done_ms)
		setpoint_judge(&d->setpoint, charger_seen(d), charger_watts(d, d->sent_a == 0 ? 0 : d->limit_a),
			       r->begun_ms);
	state->verdict = d->setpoint.verdict;
	state->verdict_w = d->setpoint.verdict_w;
	state->released = d->setpoint.sent.kind == ORDER_RELEASE && d->setpoint.phase == SETPOINT_HELD &&
			  (state->verdict == VERDICT_APPLIED || state->verdict == VERDICT_CLAMPED);
	snprintf(state->note, sizeof(state->note), "%s", phases_note(d));
	if (state->verdict == VERDICT_FOREIGN)
		snprintf(state->note, sizeof(state->note), "somebody else changed its current");
	else if (*state->note)
		return;
	else if (d->timer_s == 0 && !isnan(d->failsafe_a) && charger_keepalive_ms(d) == 0)
		snprintf(state->note, sizeof(state->note),
			 "no timer: its fail-safe current is %.0f A; set failsafe_a to that, or that to failsafe_a", d->failsafe_a);
}

static void profile_feed(void *self, const struct batch_result *result, int64_t now_ms, struct device_state *state)
{
	struct profile_driver *d = self;
	enum profile_flight flight = d->flight;
	enum request_status status = first_failure(result);

	if (flight == PROFILE_IDLE || result->id != d->batch_id)
		return; /* an answer to nothing we asked */
	d->flight = PROFILE_IDLE;
	if (d->p.min_gap_ms > BATCH_GAP_MS)
		d->quiet_until_ms = now_ms + d->p.min_gap_ms;
	if (flight == PROFILE_READ) {
		feed_read(d, result, now_ms, state);
	} else {
		if (status == REQUEST_TIMEOUT || status == REQUEST_NO_LINK)
			cadence_missed(&d->fast.cadence, now_ms, status == REQUEST_TIMEOUT);
		if (flight == PROFILE_PHASES)
			phases_written(d, status, now_ms);
		if (flight == PROFILE_WRITE) {
			if (status == REQUEST_OK)
				d->sent_a = d->target_a;
			else
				d->sent_a = (double)NAN; /* half a batch may have arrived */
			setpoint_done(&d->setpoint, status, now_ms);
		}
	}
	profile_values(d, state);
	points_age(state, d->slow_field, now_ms, cadence_limit_ms(&d->fast.cadence), cadence_limit_ms(&d->ratings.cadence));
	if (d->fast.cadence.ok_ms)
		state->availability = AVAIL_ONLINE;
	if (cadence_silent(&d->fast.cadence, now_ms)) {
		points_silent(state);
		state->availability = d->fast.cadence.ok_ms ? AVAIL_OFFLINE : AVAIL_UNKNOWN;
	}
	if (d->kinds & KIND_CHARGER)
		state_charger(d, result, now_ms, state);
	else
		state->caps.guarded_by = d->kinds & KIND_BATTERY ? GUARDED_NONE : GUARDED_SAFE_STATE;
	points_derive(state);
}

const struct driver DRIVER_PROFILE = {
	.name = "profile",
	.size = sizeof(struct profile_driver),
	.init = profile_init,
	.deinit = NULL,
	.aim = profile_aim,
	.plan = profile_plan,
	.feed = profile_feed,
};
