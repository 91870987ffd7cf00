/* The SunSpec driver: finds the map, reads the models it knows in their rhythm, drives a battery or bounds the sun (control.c).
 * Absolute addresses live only as long as every read begins with the header that was discovered there: after a firmware
 * update the chain shifts, and the driver walks it again. */
#include "drivers/sunspec/sunspec.h"

#include "core/json.h"
#include "core/snapshot.h"
#include "drivers/registry.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CONTROL_FRESH_MS 2500 /* bits are changed on a read at most this old */
#define REFUSED_MAX 3
#define DISCOVERY_GAP_MS 0
#define PREPARE_MS 300000     /* a timer that did not take its time is offered it again this seldom */

static uint32_t kinds_of(uint32_t roles)
{
	return (roles & ROLE_BATTERY ? KIND_BATTERY | KIND_INVERTER : 0u) | (roles & ROLE_PV ? KIND_PV : 0u) |
	       (roles & (ROLE_GRID | ROLE_LOAD) ? KIND_METER : 0u);
}

static int sunspec_init(void *self, const struct driver_options *options, struct device_state *state, struct errbuf *err)
{
	struct sunspec *s = self;

	s->o = *options;
	s->roles = options->roles;
	if (options->profile_json) {
		AUTO_JSON *json = json_parse(options->profile_json, options->profile_json_len, PROFILE_JSON_MAX,
					     PROFILE_DEPTH_MAX, err);

		if (!json || json_get_bool(json, "native_balance", &s->native_balance, err) < 0 ||
		    reserve_init(&s->reserve, json, options->allow_unverified, err) < 0)
			return -EINVAL;
		if (!s->roles)
			s->roles = driver_profile_roles(options->profile_json, options->profile_json_len);
	}
	if (!s->roles)
		s->roles = ROLE_BATTERY | ROLE_PV | ROLE_GRID | ROLE_LOAD;
	s->fast.interval_ms = options->poll_ms > 0 ? options->poll_ms : POLL_FAST_MS;
	s->ratings.interval_ms = POLL_SLOW_MS;
	s->setpoint.settle_ms = SUNSPEC_SETTLE_MS;
	s->setpoint.verdict_w = s->held_pct = s->kept.aimed_pct = s->kept.held_pct = (double)NAN;
	state->kinds = kinds_of(s->roles);
	state->released = !(s->roles & ROLE_BATTERY); /* what is never commanded needs no release */
	state->verdict_w = (double)NAN;
	state->caps.settle_ms = SUNSPEC_SETTLE_MS;
	state->period_ms = s->fast.interval_ms;
	snprintf(state->note, sizeof(state->note), "looking for its SunSpec map");
	return 0;
}

static void slot_take(struct sunspec *s, enum sunspec_slot slot, const uint16_t *ids, int n, bool slow)
{
	for (int i = 0; i < n && !s->has[slot]; i++) {
		const struct discovery_model *m = discovery_find(&s->discovery, ids[i], 0);

		if (!m)
			continue;
		image_init(&s->image[slot], sunspec_model_find(ids[i]), m->address, m->length);
		s->has[slot] = true;
		s->slow[slot] = slow;
	}
}

/* The chain is known: which model plays which part. Earlier ids in a list are preferred. */
static void slots_fill(struct sunspec *s)
{
	static const struct {
		enum sunspec_slot slot;
		bool slow;
		int n;
		uint16_t ids[8];
	} PARTS[] = {
		{ SLOT_COMMON, true, 1, { 1 } },
		{ SLOT_INVERTER, false, 7, { 701, 103, 102, 101, 113, 112, 111 } },
		{ SLOT_NAMEPLATE, true, 1, { 120 } },
		{ SLOT_SETTINGS, true, 1, { 121 } },
		{ SLOT_STATUS, false, 1, { 122 } },
		{ SLOT_IMMEDIATE, true, 1, { 123 } },
		{ SLOT_STORAGE, false, 1, { 124 } },
		{ SLOT_MPPT, false, 1, { 160 } },
		{ SLOT_METER, false, 8, { 203, 204, 202, 201, 213, 214, 212, 211 } },
		{ SLOT_CAPACITY, true, 1, { 702 } },
		{ SLOT_CONTROL, false, 1, { 704 } },
		{ SLOT_DER_STORAGE, false, 1, { 713 } },
		{ SLOT_BATTERY, false, 1, { 802 } },
	};
	bool battery = (s->roles & ROLE_BATTERY) != 0, meter = (s->roles & (ROLE_GRID | ROLE_LOAD)) != 0;
	bool inverter = battery || (s->roles & ROLE_PV);

	memset(s->has, 0, sizeof(s->has));
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		enum sunspec_slot slot = PARTS[i].slot;
		bool storage = slot == SLOT_STORAGE || slot == SLOT_DER_STORAGE || slot == SLOT_BATTERY;
		bool sun = slot == SLOT_SETTINGS || slot == SLOT_IMMEDIATE;

		if (slot == SLOT_METER ? !meter : slot == SLOT_COMMON ? false : storage ? !battery : !inverter || (sun && battery))
			continue;
		slot_take(s, slot, PARTS[i].ids, PARTS[i].n, PARTS[i].slow || (slot == SLOT_CONTROL && !battery));
	}
	if (s->has[SLOT_INVERTER] && s->image[SLOT_INVERTER].model->id == 701)
		s->has[SLOT_STATUS] = false; /* ConnSt says it already */
}

/* A role the chain does not carry is a fault in words, not a silent zero. */
static void kinds_settle(struct sunspec *s, struct device_state *state)
{
	bool storage = s->has[SLOT_STORAGE] || s->has[SLOT_DER_STORAGE] || s->has[SLOT_BATTERY];
	uint32_t wanted = kinds_of(s->roles), kinds = wanted;

	if (!storage)
		kinds &= ~(uint32_t)KIND_BATTERY;
	if (!s->has[SLOT_METER])
		kinds &= ~(uint32_t)KIND_METER;
	if (!s->has[SLOT_INVERTER])
		kinds &= ~(uint32_t)(KIND_INVERTER | KIND_PV);
	if (storage && !s->has[SLOT_MPPT]) /* the battery alone, its inverter's power is all its own */
		kinds &= ~(uint32_t)KIND_PV;
	if (!(kinds & KIND_BATTERY) && (kinds & KIND_PV))
		kinds &= ~(uint32_t)KIND_INVERTER;
	state->note[0] = '\0';
	state->availability = AVAIL_ONLINE;
	if (kinds == 0 || ((s->o.roles & ROLE_BATTERY) && !storage) ||
	    ((s->o.roles & (ROLE_GRID | ROLE_LOAD)) && !s->has[SLOT_METER])) {
		state->availability = AVAIL_FAULT;
		snprintf(state->note, sizeof(state->note), "its SunSpec chain has no %s",
			 wanted & KIND_BATTERY ? "storage model (124, 713 or 802)"
			 : wanted & KIND_METER ? "meter model (201-204, 211-214)"
					       : "inverter model (101-113, 701)");
	}
	if (kinds)
		state->kinds = kinds;
}

static void discovery_restart(struct sunspec *s, int64_t at_ms)
{
	memset(&s->discovery, 0, sizeof(s->discovery));
	s->ready = false;
	s->discover_at_ms = at_ms;
}

static void images_start(struct sunspec *s, struct device_state *state, int64_t now_ms)
{
	static const struct {
		enum sunspec_slot slot;
		enum field field;
	} SLOW_FIELDS[] = {
		{ SLOT_NAMEPLATE, F_PV_POWER_MAX_W },
	};

	slots_fill(s);
	kinds_settle(s, state);
	for (size_t i = 0; i < sizeof(SLOW_FIELDS) / sizeof(SLOW_FIELDS[0]); i++)
		s->slow_field[SLOW_FIELDS[i].field] = s->slow[SLOW_FIELDS[i].slot];
	/* Capacity comes from 713 or 802 every second, from 120 every minute. */
	s->slow_field[F_BATTERY_CAPACITY_WH] = !s->has[SLOT_DER_STORAGE] && !s->has[SLOT_BATTERY];
	memset(s->want, 0, sizeof(s->want));
	s->control = CONTROL_NO_WAY;
	s->fast.due_ms = s->ratings.due_ms = now_ms;
	s->ready = true;
}

/* The limit registers of a sun inverter matter only while a bound of ours may be in force. */
static bool is_slow(const struct sunspec *s, int slot)
{
	const struct sunspec_way *way = control_way(s);

	return s->slow[slot] && !(way && way->curtails && s->ours && slot == (int)way->slot);
}

static void classes_due(struct sunspec *s, int64_t now_ms)
{
	struct cadence *class[] = { &s->fast, &s->ratings };

	for (int c = 0; c < 2; c++) {
		if (now_ms < class[c] -> due_ms)
			continue;
		cadence_begin(class[c], now_ms);
		for (int i = 0; i < SLOT_COUNT; i++)
			if (s->has[i] && is_slow(s, i) == (c == 1))
				s->want[i] = true;
	}
}

static int64_t batch_begin(struct sunspec *s, struct batch *b, enum sunspec_flight flight, int64_t now_ms)
{
	b->id = ++s->batch_id;
	b->unit = s->o.unit;
	b->timeout_ms = (uint16_t)s->o.timeout_ms;
	b->command = flight == FLIGHT_WRITE || flight == FLIGHT_PREPARE || flight == FLIGHT_RESERVE;
	b->expires_ms = now_ms + (b->command ? SETPOINT_EXPIRY_MS : 2 * (int64_t)s->fast.interval_ms + SETPOINT_EXPIRY_MS);
	s->flight = flight;
	return now_ms + s->fast.interval_ms;
}

static enum sunspec_slot control_slot(const struct sunspec *s)
{
	const struct sunspec_way *way = control_way(s);

	return way ? way->slot : SLOT_STORAGE;
}

/* True when @batch now holds the writes. What cannot be written is refused in words by the verdict. */
static bool plan_write(struct sunspec *s, int64_t now_ms, struct batch *batch)
{
	enum sunspec_slot slot = control_slot(s);
	struct inforce now;

	if (s->control == CONTROL_NO_WAY || !setpoint_due(&s->setpoint, now_ms) || s->fast.missed >= POLL_SILENT)
		return false;
	if (now_ms - s->image[slot].at_ms > CONTROL_FRESH_MS) {
		s->want[slot] = true;
		return false;
	}
	now = control_inforce(s);
	if (!order_same(&s->setpoint.sent, &s->setpoint.order)) /* feeding a timer is no new question */
		s->before = now;
	if (s->setpoint.order.kind == ORDER_RELEASE && now.known && !now.active && !s->ours &&
	    s->image[slot].at_ms > s->touched_ms) {
		setpoint_sent(&s->setpoint); /* already under its own control: nothing to write */
		setpoint_done(&s->setpoint, REQUEST_OK, now_ms);
		setpoint_judge(&s->setpoint, SEEN_SAME, (double)NAN, now_ms);
		return false;
	}
	setpoint_sent(&s->setpoint);
	if (control_writes(s, batch) > 0)
		return true;
	batch->n = 0;
	setpoint_done(&s->setpoint, REQUEST_EXCEPTION_FIRST, now_ms);
	return false;
}

/* Before anything is commanded: set the reversion time, so that the next read can show who guards this device. */
static bool plan_prepare(struct sunspec *s, int64_t now_ms, struct batch *batch)
{
	if (s->control == CONTROL_NO_WAY || s->timer_ok || now_ms < s->prepare_at_ms ||
	    s->fast.missed >= POLL_SILENT || now_ms - s->image[control_slot(s)].at_ms > CONTROL_FRESH_MS)
		return false;
	s->prepare_at_ms = now_ms + PREPARE_MS;
	return control_prepare(s, batch) > 0;
}

static int plan_reads_due(struct sunspec *s, struct batch *batch)
{
	batch->n = 0;
	for (int i = 0; i < SLOT_COUNT && batch->n < BATCH_REQUESTS_MAX; i++) {
		if (!s->has[i] || !s->want[i])
			continue;
		memset(&batch->r[batch->n], 0, sizeof(batch->r[0]));
		batch->r[batch->n].fc = 3;
		batch->r[batch->n].address = s->image[i].address;
		batch->r[batch->n].count = s->image[i].count;
		s->flight_slot[batch->n++] = i;
	}
	return batch->n;
}

static int64_t sunspec_plan(void *self, int64_t now_ms, struct batch *batch)
{
	struct sunspec *s = self;
	int64_t next, at;

	batch->n = 0;
	if (s->flight != FLIGHT_NONE)
		return now_ms + s->fast.interval_ms;
	if (!s->ready) {
		if (now_ms < s->discover_at_ms)
			return s->discover_at_ms;
		if (!discovery_request(&s->discovery, &batch->r[0])) {
			discovery_restart(s, now_ms);
			discovery_request(&s->discovery, &batch->r[0]);
		}
		batch->n = 1;
		return batch_begin(s, batch, FLIGHT_DISCOVERY, now_ms);
	}
	if (plan_prepare(s, now_ms, batch))
		return batch_begin(s, batch, FLIGHT_PREPARE, now_ms);
	if (plan_write(s, now_ms, batch))
		return batch_begin(s, batch, FLIGHT_WRITE, now_ms);
	if (s->fast.missed < POLL_SILENT && reserve_plan(s, now_ms, batch) > 0)
		return batch_begin(s, batch, FLIGHT_RESERVE, now_ms);
	if (s->control != CONTROL_NO_WAY && setpoint_confirm_due(&s->setpoint, now_ms))
		s->want[control_slot(s)] = true;
	classes_due(s, now_ms);
	if (plan_reads_due(s, batch) > 0)
		return batch_begin(s, batch, FLIGHT_READ, now_ms);
	next = s->fast.due_ms < s->ratings.due_ms ? s->fast.due_ms : s->ratings.due_ms;
	at = s->control == CONTROL_NO_WAY || s->fast.missed >= POLL_SILENT ? INT64_MAX : setpoint_next(&s->setpoint);
	next = at < next ? at : next;
	return next > now_ms ? next : now_ms + 1;
}

static void sunspec_aim(void *self, const struct order *order, int64_t now_ms)
{
	struct sunspec *s = self;
	struct order o = *order;

	reserve_aim(&s->reserve, (double)o.reserve_pct);
	/* Our own balance loop gives the power of the moment; the device only has to hold it. */
	if (o.kind == ORDER_BALANCE && o.native && !(s->native_balance && s->control == CONTROL_124 && o.grid_w == 0))
		o.native = false;
	setpoint_aim(&s->setpoint, &o, now_ms);
}

static enum request_status first_failure(const struct batch_result *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->status[i] != REQUEST_OK)
			return r->status[i];
	return REQUEST_OK;
}

static void feed_discovery(struct sunspec *s, const struct batch_result *r, int64_t now_ms, struct device_state *state)
{
	enum request_status status = r->n > 0 ? r->status[0] : REQUEST_NOT_TRIED;

	if (status > REQUEST_EXCEPTION_LAST) {
		cadence_missed(&s->fast, now_ms, status != REQUEST_NO_LINK);
		s->discover_at_ms = s->fast.missed >= POLL_SILENT && status != REQUEST_NO_LINK
					    ? s->fast.due_ms
					    : now_ms + s->fast.interval_ms;
		return;
	}
	cadence_ok(&s->fast, now_ms);
	s->discover_at_ms = now_ms + DISCOVERY_GAP_MS;
	discovery_answer(&s->discovery, status, r->r[0].words);
	if (s->discovery.step == DISCOVERY_DONE) {
		images_start(s, state, now_ms);
	} else if (s->discovery.step == DISCOVERY_FAILED) {
		state->availability = AVAIL_FAULT;
		snprintf(state->note, sizeof(state->note), "%.*s", (int)sizeof(state->note) - 1, s->discovery.why.text);
		s->discover_at_ms = now_ms + SUNSPEC_REDISCOVER_MS;
	}
}

static void image_answer(struct sunspec *s, int slot, const struct modbus_request *r, int64_t at_ms, bool *moved)
{
	struct image *img = &s->image[slot];

	if (!image_header_fits(img, r->words)) {
		*moved = true;
		return;
	}
	memcpy(img->words, r->words, img->count * sizeof(uint16_t));
	img->at_ms = at_ms > 0 ? at_ms : 1;
	img->refused = 0;
}

/* A read-back of the control model: verdict, timer, who is in charge. */
static void control_answer(struct sunspec *s, const struct batch_result *r)
{
	struct inforce now;
	enum seen seen;
	bool power;

	if (control_way(s)->curtails)
		curtail_watch(s);
	else
		storage_watch(s);
	now = control_inforce(s);
	power = now.active && now.lo_w == now.hi_w;
	if (!now.known)
		return;
	seen = control_seen(s, &now);
	if (seen == SEEN_SAME)
		control_held(s, &now);
	if (now.active && (seen == SEEN_SAME || seen == SEEN_LESS))
		s->held_pct = image_number(control_image(s), "WMaxLimPct");
	setpoint_judge(&s->setpoint, seen, power ? now.hi_w : (double)NAN, r->begun_ms);
	control_check_timer(s);
	if (now.active)
		return;
	if (s->setpoint.sent.kind == ORDER_RELEASE && s->setpoint.phase == SETPOINT_HELD) {
		s->ours = false;
		s->held_pct = (double)NAN;
	}
}

static void feed_read(struct sunspec *s, const struct batch_result *r, int64_t now_ms)
{
	bool answered = false, silent = false, moved = false, asked = true, control_read = false, confirming = false;
	enum request_status last = REQUEST_OK;

	for (int i = 0; i < r->n && i < BATCH_REQUESTS_MAX; i++) {
		int slot = s->flight_slot[i];

		if (r->status[i] == REQUEST_NOT_TRIED)
			continue; /* wanted still, unless the device is silent */
		s->want[slot] = false;
		confirming |= slot == (int)control_slot(s) && r->begun_ms >= s->setpoint.settled_ms;
		last = r->status[i];
		if (last == REQUEST_OK) {
			answered = true;
			image_answer(s, slot, &r->r[i], r->done_ms, &moved);
			control_read |= s->control != CONTROL_NO_WAY && slot == (int)control_slot(s);
		} else if (last <= REQUEST_EXCEPTION_LAST) {
			answered = true;
			moved |= ++s->image[slot].refused >= REFUSED_MAX && (last == 2 || last == 3);
		} else {
			silent = last != REQUEST_BAD_ANSWER;
			asked = last == REQUEST_TIMEOUT || last == REQUEST_BAD_ANSWER;
		}
	}
	if (answered && !silent) {
		cadence_ok(&s->fast, now_ms);
	} else {
		memset(s->want, 0, sizeof(s->want)); /* not one timeout per model */
		cadence_missed(&s->fast, now_ms, asked);
		if (s->fast.ok_ms && now_ms - s->fast.ok_ms > SUNSPEC_REDISCOVER_MS)
			discovery_restart(s, s->fast.due_ms);
	}
	if (moved)
		discovery_restart(s, now_ms + s->fast.interval_ms);
	else if (s->control == CONTROL_NO_WAY) {
		s->control = control_find(s);
		control_read = s->control != CONTROL_NO_WAY; /* this very batch holds it */
	}
	if (!moved && control_read)
		control_answer(s, r);
	if (confirming && setpoint_confirm_due(&s->setpoint, now_ms)) /* nothing to be told from that: not again at once */
		s->setpoint.settled_ms = now_ms + SUNSPEC_SETTLE_MS;
	if (!moved)
		reserve_check(s);
}

static void feed_write(struct sunspec *s, const struct batch_result *r, int64_t now_ms)
{
	enum request_status status = first_failure(r);

	s->touched_ms = now_ms;

	if (status == 1 && !s->fc6) { /* illegal function: this one wants single registers by function 6 */
		s->fc6 = true;
		status = REQUEST_REPLACED;
	}
	if (status == REQUEST_TIMEOUT || status == REQUEST_NO_LINK)
		cadence_missed(&s->fast, now_ms, status == REQUEST_TIMEOUT);
	setpoint_done(&s->setpoint, status, now_ms);
	s->want[control_slot(s)] = false;
}

static void feed_reserve(struct sunspec *s, const struct batch_result *r, int64_t now_ms)
{
	enum request_status status = first_failure(r);

	if (status == 1 && !s->fc6) {
		s->fc6 = true;
		status = REQUEST_REPLACED;
	}
	reserve_written(&s->reserve, status, now_ms);
}

static void sunspec_feed(void *self, const struct batch_result *result, int64_t now_ms, struct device_state *state)
{
	struct sunspec *s = self;
	enum sunspec_flight flight = s->flight;

	if (flight == FLIGHT_NONE || result->id != s->batch_id)
		return; /* an answer to nothing we asked */
	s->flight = FLIGHT_NONE;
	if (flight == FLIGHT_DISCOVERY)
		feed_discovery(s, result, now_ms, state);
	else if (flight == FLIGHT_READ)
		feed_read(s, result, now_ms);
	else if (flight == FLIGHT_PREPARE)
		s->want[control_slot(s)] = true; /* whatever came of it: the read-back decides */
	else if (flight == FLIGHT_RESERVE)
		feed_reserve(s, result, now_ms);
	else
		feed_write(s, result, now_ms);
	if (s->ready) {
		sunspec_measure(s, state);
		sunspec_caps(s, state);
		sunspec_inforce(s, state);
	}
	points_age(state, s->slow_field, now_ms, cadence_limit_ms(&s->fast), cadence_limit_ms(&s->ratings));
	if (cadence_silent(&s->fast, now_ms)) {
		points_silent(state);
		if (state->availability == AVAIL_ONLINE)
			state->availability = AVAIL_OFFLINE;
	} else if (s->ready && state->availability == AVAIL_OFFLINE) {
		state->availability = AVAIL_ONLINE;
	}
	state->verdict = s->setpoint.verdict;
	state->verdict_w = s->setpoint.verdict_w;
	points_derive(state);
}

static int sunspec_worn(const void *self, int64_t at_ms[DRIVER_WORN_MAX])
{
	const struct sunspec *s = self;

	return reserve_worn(&s->reserve, at_ms);
}

static void sunspec_recall(void *self, const int64_t *at_ms, int n)
{
	struct sunspec *s = self;

	reserve_recall(&s->reserve, at_ms, n);
}

static int sunspec_keep(const void *self, double kept[DRIVER_KEPT_MAX])
{
	const struct sunspec *s = self;

	return (s->roles & ROLE_BATTERY) ? storage_keep(s, kept) : curtail_keep(s, kept);
}

static void sunspec_remember(void *self, const double *kept, int n)
{
	struct sunspec *s = self;

	if (s->roles & ROLE_BATTERY)
		storage_remember(s, kept, n);
	else
		curtail_remember(s, kept, n);
}

const struct driver DRIVER_SUNSPEC = {
	.name = "sunspec",
	.size = sizeof(struct sunspec),
	.init = sunspec_init,
	.deinit = NULL,
	.aim = sunspec_aim,
	.plan = sunspec_plan,
	.feed = sunspec_feed,
	.worn = sunspec_worn,
	.recall = sunspec_recall,
	.keep = sunspec_keep,
	.remember = sunspec_remember,
};
