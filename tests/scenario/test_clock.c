/* Clocks that are stepped, doubted and suspended, against the gate, the book, the owner, the chain and the intervals over a
 * simulated home, put together as the agent does it. What must hold is computed here from the world's own records: nothing
 * runs outside its window or twice, nothing is answered twice, no energy is counted twice.
 * HEARTH_SEED replays a run, HEARTH_TICKS says how long. */
#include "cloud/book.h"
#include "core/interval.h"
#include "core/owner.h"
#include "policies/chain.h"
#include "support/clock_world.h"
#include "support/seed.h"

#include <stdlib.h>
#include <string.h>

#define SEQUENCE 1200  /* ticks of one world */
#define ENDLESS_H 24
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_TICKS 40000
#else
#define DEFAULT_TICKS 240000
#endif

static struct book book;
static struct owner owner;
static struct chain chain;
static struct interval interval;
static struct snapshot s;
static struct decisions d;
static int64_t beaten_ms;

/* ---- Flip ---- */

static int devices(struct book_device *out)
{
	struct clock_look l;

	look_now(&l);
	for (int i = 0; i < BATTERIES; i++) {
		const int64_t silence = home.now_ms - home.d[i].polled_ms, asked = home.now_ms - w.woke_ms;

		out[i] = (struct book_device){ .battery = true, .reachable = silence <= MIN, .not_asked = silence > asked && asked <= MIN,
					       .charge_max_w = 5000, .discharge_max_w = 5000 };
		snprintf(out[i].flip_device_id, sizeof(out[i].flip_device_id), "bat-%d", i);
	}
	return BATTERIES;
}

static void offer(const struct flip_command *c, const char *type, bool addressed)
{
	struct book_device dev[BATTERIES];
	const struct book_scene scene = { .devices = dev, .n_devices = devices(dev), .addressed = addressed,
					  .utc_ms = gate.trusted ? hub_utc() : 0 };

	book_offer(&book, c, type, &scene);
}

static void command_new(void)
{
	struct record *r = &w.r[w.n];
	const int64_t starts = true_utc() + any(-30 * SEC, 4 * MIN);

	memset(r, 0, sizeof(*r));
	r->c = (struct flip_command){ .mode = chance(700) ? MODE_DISCHARGE : MODE_CHARGE, .power_mode = POWER_SETPOINT, .setpoint_w = 2000,
				      .reserve_pct = 10, .grid_import = TRI_YES, .starts_utc_ms = starts,
				      .ends_utc_ms = chance(100) ? 0 : starts + any(20 * SEC, 8 * MIN),
				      .created_utc_ms = true_utc(), .updated_utc_ms = true_utc() };
	snprintf(r->c.id, sizeof(r->c.id), "c%d", w.n);
	snprintf(r->c.event_id, sizeof(r->c.event_id), "e%d", w.n);
	snprintf(r->c.device_id, sizeof(r->c.device_id), "bat-%u", below(BATTERIES));
	r->at_flip = FLIP_PENDING;
	r->asked = true;
	w.n++;
	offer(&r->c, "command.created", chance(500));
	w.act_at[below(4)] = starts + any(-2 * SEC, 3 * SEC);
	if (r->c.ends_utc_ms)
		w.act_at[below(4)] = chance(500) ? r->c.ends_utc_ms + any(-3 * SEC, 3 * SEC) : any(starts, r->c.ends_utc_ms);
}

/* The list of each minute: everything once more, as Flip knows it. */
static void poll(void)
{
	for (int i = 0; i < w.n; i++) {
		struct record *r = &w.r[i];
		struct flip_command c = r->c;

		if (r->c.ends_utc_ms && true_utc() > r->c.ends_utc_ms + 10 * MIN)
			continue;
		c.device_status = r->at_flip;
		r->asked |= r->at_flip == FLIP_PENDING;
		offer(&c, "", false);
	}
}

/* A newer version: ended, withdrawn, or the same once more. */
static void command_again(struct record *r)
{
	static const char *const TYPE[] = { "command.updated", "command.ended", "command.canceled" };
	const uint32_t what = chance(600) ? 0 : 1 + below(2);

	if (r->canceled)
		return;
	r->c.updated_utc_ms = true_utc() > r->c.updated_utc_ms ? true_utc() : r->c.updated_utc_ms + 1;
	r->canceled = what == 2;
	r->c.status = r->canceled ? FLIP_CANCELED : FLIP_OK;
	r->asked = true;
	r->at_flip = FLIP_PENDING;
	r->last = (struct answer){ .s = FLIP_PENDING };
	r->over |= what > 0;
	offer(&r->c, TYPE[what], true);
}

static void flip(void)
{
	if (w.n < COMMANDS && chance(12))
		command_new();
	if (w.n && chance(10))
		command_again(&w.r[below((uint32_t)w.n)]);
	if (chance(20))
		poll();
}

/* What the hub owes; one in ten is lost on the way. */
static void answers(void)
{
	for (int i = 0; i < book.n; i++) {
		struct book_entry *e = &book.entry[i];
		struct record *r = &w.r[atoi(e->c.id + 1)];

		e->changed = false;
		if (!e->ack_due)
			continue;
		e->ack_due = e->ack_again = false;
		CHECK(e->ack != FLIP_PENDING, "%s: an empty answer", e->c.id);
		CHECK(e->ack != FLIP_FAILED_OFFLINE || strcmp(e->ack_reason, "device does not answer") != 0,
		      "%s: %s, and it answers", e->c.id, e->ack_reason);
		CHECK(r->last.s != e->ack || strcmp(r->last.reason, e->ack_reason) != 0 || r->asked, "%s: answered %s '%s' twice", e->c.id,
		      flip_device_status_word(e->ack), e->ack_reason);
		r->asked = false;
		r->last.s = e->ack;
		snprintf(r->last.reason, sizeof(r->last.reason), "%s", e->ack_reason);
		if (!chance(100))
			r->at_flip = e->ack;
	}
}

/* ---- the owner ---- */

static void owner_acts(void)
{
	const int i = (int)below(BATTERIES);
	const int64_t length = any(5 * SEC, 5 * MIN);
	struct owner_override v = { .mode = chance(500) ? OVERRIDE_HOLD : OVERRIDE_CHARGE, .power_w = NAN, .until_utc_ms = hub_utc() + length,
				    .until_ms = chance(500) ? home.now_ms + length : 0 };

	snprintf(v.device, sizeof(v.device), "%s", s.dev[i].id);
	if (!v.device[0] || owner_override_set(&owner, &v, hub_utc(), NULL) < 0)
		return;
	w.override[i].set = true;
	w.override[i].over = false;
	w.override[i].until_ms = v.until_ms;
	w.override[i].until_utc = v.until_utc_ms;
}

/* The agent is killed and begins again with what is on disk; of durations only the wall clock's end is there. */
static void restart(void)
{
	gate = (struct clock_gate){ .earliest_utc_ms = gate.earliest_utc_ms };
	chain_init(&chain);
	interval_init(&interval, 60);
	w.told_start = -1;
	w.woke_ms = home.now_ms; /* nobody was asked yet */
	for (int i = 0; i < owner.n_overrides; i++)
		owner.override[i].until_ms = 0;
	for (int i = 0; i < BATTERIES; i++) {
		w.override[i].until_ms = 0;
		for (int k = 0; k < owner.n_overrides; k++)
			if (!strcmp(owner.override[k].device, s.dev[i].id))
				w.override[i].until_utc = owner.override[k].until_utc_ms;
		s.dev[i].ordered = (struct order){ .kind = ORDER_NONE };
		s.dev[i].ordered_at_ms = 0;
	}
	seen.restarts++;
}

/* ---- the hub, put together as flow/control/tick.c and flow/round.c do ---- */

static void book_moves(void)
{
	struct book_device dev[BATTERIES];
	const int n = devices(dev);

	due_utc = book_step(&book, dev, n, gate.trusted ? hub_utc() : 0);
}

static void clocks(void)
{
	struct clock_look l;

	look_now(&l);
	if (due_utc && hub_utc() >= due_utc)
		book_moves();
}

/* The planner has died: its last word stands there for ever. */
static void guide(struct plan_guide *g)
{
	if (!gate.trusted) {
		g->valid = false;
		return;
	}
	if (!g->valid && !chance(20))
		return;
	if (g->valid && !chance(5))
		return;
	*g = (struct plan_guide){ .valid = true, .charge_eff = 0.95, .discharge_eff = 0.95, .n_segments = 1, .upto_wh = { 20000 },
				  .value_per_kwh = { chance(500) ? 0.9f : 0.01f }, .until_utc_ms = hub_utc() + any(SEC, 2 * MIN) };
}

static void freeze(void)
{
	home_snapshot(&home, &s);
	s.utc_ms = hub_utc();
	s.clock_trusted = gate.trusted;
	s.import_price = 0.30;
	s.export_price = 0.10;
	for (int i = 0; i < BATTERIES; i++) {
		struct snap_device *v = &s.dev[i];
		const struct owner_override *o = gate.trusted ? owner_override_now(&owner, v->id, s.utc_ms, s.now_ms) : NULL;

		book_view(&book, gate.trusted ? book_in_force(&book, i, s.utc_ms) : NULL, &v->command);
		v->override = (struct override_view){ OVERRIDE_NONE, NAN, 0 };
		if (o)
			v->override = (struct override_view){ o->mode, o->power_w, o->until_utc_ms };
		guide(&v->guide);
	}
}

static void hub_orders(void)
{
	chain_step(&chain, &s, &d);
	for (int i = 0; i < home.n; i++) {
		const struct order *o = &d.d[i].order;

		if (memcmp(o, &s.dev[i].ordered, sizeof(*o)) != 0)
			s.dev[i].ordered_at_ms = s.now_ms;
		s.dev[i].ordered = *o;
		home_order(&home, i, o);
	}
}

/* ---- what must hold ---- */

static void check_gate(void)
{
	const int64_t off = w.err < 0 ? -w.err : w.err;

	seen.distrusted += !gate.trusted;
	w.calm = gate.trusted && gate.offset_ms == w.offset ? w.calm + 1 : 0;
	w.offset = gate.offset_ms;
	if (!w.lies && !w.configured)
		CHECK(!gate.trusted || off <= 10 * MIN + (gate.by == CLOCK_MAIL ? MAIL_LATE : 5 * SEC), "trusted by %s", clock_source_word(gate.by));
}

static void check_event(int i)
{
	const struct command_view *v = &s.dev[i].command;
	struct record *r = v->active ? &w.r[atoi(v->id + 1)] : NULL;
	const int64_t end = r && r->c.ends_utc_ms ? r->c.ends_utc_ms : r ? r->c.starts_utc_ms + ENDLESS_H * H : 0;

	CHECK(d.d[i].rank != RANK_EVENT || r, "battery %d: an event's order and no command", i);
	if (!r)
		return;
	r->ran = true;
	for (int k = 0; k < w.n; k++) /* what has run and was displaced, and was not just too early, does not come back */
		w.r[k].over |= &w.r[k] != r && w.r[k].ran && !strcmp(w.r[k].c.device_id, r->c.device_id) &&
			       hub_utc() >= w.r[k].c.starts_utc_ms;
	seen.event += d.d[i].rank == RANK_EVENT;
	CHECK(gate.trusted, "%s is in force by a clock nobody vouches for", v->id);
	CHECK(hub_utc() >= r->c.starts_utc_ms && hub_utc() < end, "%s is in force %lld ms before its start, %lld ms after its end", v->id,
	      (long long)(r->c.starts_utc_ms - hub_utc()), (long long)(hub_utc() - end));
	CHECK(!r->over, "%s was over and runs again", v->id);
}

/* Somebody's window is open, he was accepted, and the clock has been fine for a while: then somebody's command runs. */
static void check_alive(int i)
{
	const struct record *due = NULL;
	char id[FLIP_ID_MAX];

	snprintf(id, sizeof(id), "bat-%d", i);
	for (int k = 0; k < w.n && !s.dev[i].command.active; k++) {
		const struct record *r = &w.r[k];

		if (!r->over && !book_state_is_end(r->state) && r->last.s == FLIP_DEVICE_OK && !strcmp(r->c.device_id, id) &&
		    hub_utc() >= r->c.starts_utc_ms && (!r->c.ends_utc_ms || hub_utc() < r->c.ends_utc_ms))
			due = r;
	}
	w.missed[i] = due && w.calm ? w.missed[i] + 1 : 0;
	CHECK(w.missed[i] <= 2, "%s is %s and does not run", due->c.id, book_state_word(due->state));
}

static void check_override(int i)
{
	const bool in_force = d.d[i].rank == RANK_OVERRIDE;

	if (!w.override[i].set) {
		CHECK(!in_force, "battery %d: an override nobody set", i);
		return;
	}
	if (w.override[i].until_ms ? s.now_ms >= w.override[i].until_ms : gate.trusted && s.utc_ms >= w.override[i].until_utc)
		w.override[i].over = true;
	seen.override += in_force;
	CHECK(!in_force || gate.trusted, "battery %d: an override by a clock nobody vouches for", i);
	CHECK(!in_force || !w.override[i].over, "battery %d: the override goes on after its end", i);
}

static void check_orders(void)
{
	for (int i = 0; i < BATTERIES; i++) {
		const struct order *o = &d.d[i].order;

		check_event(i);
		check_alive(i);
		check_override(i);
		seen.plan += d.d[i].rank == RANK_PLAN;
		CHECK(d.d[i].rank != RANK_PLAN || (gate.trusted && s.dev[i].guide.valid && s.utc_ms < s.dev[i].guide.until_utc_ms),
		      "battery %d: the plan is followed after its slot", i);
		CHECK(s.now_ms - s.grid_w.at_ms <= 10 * SEC || o->kind != ORDER_POWER || o->w == 0,
		      "battery %d: %.0f W by a meter read %lld s ago", i, o->w, (long long)((s.now_ms - s.grid_w.at_ms) / SEC));
	}
}

static bool for_good(enum book_state state)
{
	return state == BOOK_DONE || state == BOOK_EXPIRED || state == BOOK_SUPERSEDED;
}

/* Ends are for good; a window that was passed by a trusted clock is one. */
static void check_book(void)
{
	for (int i = 0; i < book.n; i++) {
		const struct book_entry *e = &book.entry[i];
		struct record *r = &w.r[atoi(e->c.id + 1)];
		const int64_t end = r->c.ends_utc_ms ? r->c.ends_utc_ms : r->c.starts_utc_ms + ENDLESS_H * H;

		CHECK(!for_good(r->state) || book_state_is_end(e->state), "%s was %s and is %s", e->c.id, book_state_word(r->state),
		      book_state_word(e->state));
		seen.done += e->state == BOOK_DONE && r->state != BOOK_DONE;
		r->state = e->state;
		r->over = r->over || for_good(e->state) || (gate.trusted && hub_utc() >= end);
		CHECK(e->finished_utc_ms <= (hub_utc() > e->c.updated_utc_ms ? hub_utc() : e->c.updated_utc_ms) || !gate.trusted,
		      "%s: finished in the future, it would be kept for as long", e->c.id);
		CHECK(e->delivered_wh <= r->moved_wh + 0.01, "%s: %.2f Wh delivered, its device moved %.2f", e->c.id, e->delivered_wh, r->moved_wh);
	}
}

static void deliver(int64_t ms)
{
	double power_w;

	for (int i = 0; i < BATTERIES; i++) {
		const struct command_view *v = &s.dev[i].command;

		if (v->active && ms <= 15 * SEC && value_usable(&s.dev[i].state.ac_power_w))
			w.r[atoi(v->id + 1)].moved_wh += fabs(s.dev[i].state.ac_power_w.v) * (double)ms / 3.6e6;
		if (gate.trusted && value_get(&s.dev[i].state.ac_power_w, s.now_ms, 10000, &power_w))
			book_deliver(&book, i, power_w, s.utc_ms, ms);
	}
}

/* Import as the meter showed it, without the gaps, is the most that may be told. Starts grow, but for a step of more than an
 * hour back, which says that the old times were wrong. */
static void measure(int64_t ms)
{
	const int64_t moved = hub_utc() - w.last_utc - (s.now_ms - w.last_ms);
	const bool anew = gate.trusted && (w.told_start - hub_utc() > H || moved < -H);
	struct interval_report report;

	if (ms <= 15 * SEC)
		w.seen_wh += (fmax(s.grid_w.v, 0) + fmax(w.last_grid, 0)) / 2 * (double)ms / 3.6e6;
	w.last_grid = s.grid_w.v;
	if (gate.trusted) {
		w.last_utc = hub_utc();
		w.last_ms = s.now_ms;
	}
	if (interval_step(&interval, &s, &report)) {
		w.told_wh += report.grid.in_wh;
		CHECK(report.start_utc_ms > w.told_start, "an interval told twice: %lld after %lld", (long long)report.start_utc_ms,
		      (long long)w.told_start);
		w.told_start = report.start_utc_ms;
		CHECK(w.told_wh <= w.seen_wh + 0.01, "%.2f Wh told, the meter showed %.2f", w.told_wh, w.seen_wh);
		CHECK(report.duration_s > 0 && report.grid.measured_s <= report.duration_s + 3, "%.1f s measured in an interval of %d",
		      report.grid.measured_s, (int)report.duration_s);
	}
	if (anew)
		w.told_start = -1;
}

/* ---- the run ---- */

static void begin(void)
{
	memset(&w, 0, sizeof(w));
	memset(&home, 0, sizeof(home));
	memset(&s, 0, sizeof(s));
	memset(&d, 0, sizeof(d));
	w.lies = chance(250);
	w.configured = chance(50);
	w.kernel = chance(500);
	w.err = chance(300) ? -14 * DAY : 0; /* boot two weeks behind */
	if (w.err && !w.lies)
		w.kernel = false;
	w.told_start = -1;
	w.woke_ms = 100000;
	home.utc_ms = T0;
	home.now_ms = 100000;
	home.load_w = 800;
	home.pv_w = chance(500) ? 2500 : 0;
	home.n = BATTERIES;
	for (int i = 0; i < BATTERIES; i++)
		home.d[i] = (struct home_device){ .kind = HOME_BATTERY, .capacity_wh = 10000, .charge_max_w = 5000, .discharge_max_w = 5000,
						  .charge_eff = 0.95, .discharge_eff = 0.95, .soc_pct = 60, .soc_min_pct = 5, .soc_step_pct = 0.1,
						  .guarded = true, .can_power = true };
	home_start(&home);
	w.t = home.utc_ms - T0;
	s.site = (struct site_params){ .reserve_pct = 10, .grid_charging = true, .battery_export = true, .tick_ms = 1000 };
	s.external.import_w = s.external.export_w = NAN;
	gate = (struct clock_gate){ .earliest_utc_ms = chance(700) ? T0 : 0 };
	book_init(&book, ENDLESS_H);
	owner_init(&owner);
	chain_init(&chain);
	interval_init(&interval, 60);
	beaten_ms = 0;
	due_utc = 0;
}

static void one_tick(void)
{
	const bool before = chance(500); /* the readings are made before or after what happens */
	int64_t ms;

	if (before)
		adventures();
	home_run(&home, 1000);
	w.t += 1000;
	if (!before)
		adventures();
	flip();
	if (chance(5))
		owner_acts();
	if (chance(1))
		restart();
	clocks();
	freeze();
	hub_orders();
	ms = beaten_ms ? s.now_ms - beaten_ms : 0;
	beaten_ms = s.now_ms;
	check_gate();
	check_orders();
	deliver(ms);
	measure(ms);
	book_moves();
	if (gate.trusted)
		owner_expire_at(&owner, s.utc_ms, s.now_ms);
	else
		owner_expire_durations(&owner, s.now_ms);
	check_book();
	answers();
}

static void test_random_clocks(void **state)
{
	const char *ticks_text = getenv("HEARTH_TICKS");
	const long ticks = ticks_text ? atol(ticks_text) : DEFAULT_TICKS;

	(void)state;
	seed = seed_of("HEARTH_SEED");
	for (sequence = 0; (long)sequence * SEQUENCE < ticks; sequence++) {
		rng = (seed + (uint64_t)sequence) * 0x9e3779b97f4a7c15u | 1;
		begin();
		for (tick = 0; tick < SEQUENCE; tick++)
			one_tick();
	}
	print_message("ticks of events %ld, overrides %ld, plan %ld; %ld without trust; %ld steps, %ld sleeps, %ld restarts, %ld commands done\n",
		      seen.event, seen.override, seen.plan, seen.distrusted, seen.steps, seen.sleeps, seen.restarts, seen.done);
	if (ticks >= 40000) { /* it happened at all */
		assert_true(seen.event > ticks / 50 && seen.override > ticks / 100 && seen.plan > ticks / 100);
		assert_true(seen.steps > 100 && seen.sleeps > 50 && seen.distrusted > ticks / 50 && seen.done > 10 && seen.restarts > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_clocks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
