/* What runs around each tick, with the real book and owner: commands begin and end by the clock with a tick of their own, Flip is told
 * of a pause, and what is due is done when it is. Everything else is played by this file. */
#include "flow/round.c"

#include "support/cm.h"

#include <errno.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define HOUR (3600 * 1000LL)
#define NEVER INT64_MIN
#define BATTERY 0
#define CHARGER 1
#define DEVICES 2

static struct hub hub;
static struct book book;
static struct price_series prices;
static struct snapshot s;
static struct decisions d;
static struct config_device configs[DEVICES];
static struct device_state states[DEVICES];
static int64_t silence_ms[DEVICES];
static struct flip_link *const LINK = (struct flip_link *)&hub; /* only its presence counts */
static int64_t now_ms, utc_ms, next_due_utc_ms, tick_at_ms;
static int n_flip_steps, n_stores, n_finished, n_looks, n_plans, n_agents, plan_result;
static struct planning_inputs planned;
static bool prices_differ;
static double event_wh;

#include "support/round_kit.h"

int64_t loop_utc_ms(void)
{
	return utc_ms;
}

bool hub_clock(struct hub *h)
{
	n_looks++;
	h->clocks.now_ms = now_ms;
	return h->clock_trusted;
}

void hub_store_owner(struct hub *h)
{
	assert_ptr_equal(h, &hub);
	n_stores++;
}

void hub_replan(struct hub *h, const char *reason)
{
	snprintf(h->replan_why, sizeof(h->replan_why), "%s", reason);
	h->replan_due_ms = now_ms;
}

cJSON *hub_encode_agent(const struct hub *h)
{
	assert_ptr_equal(h, &hub);
	n_agents++;
	return cJSON_CreateObject();
}

int64_t flip_link_step(struct flip_link *l)
{
	assert_ptr_equal(l, hub.flip);
	n_flip_steps++;
	return next_due_utc_ms;
}

void tick_at(struct tick *t, int64_t at_ms)
{
	(void)t;
	tick_at_ms = at_ms;
}

void tick_soon(struct tick *t)
{
	(void)t;
}

const struct snapshot *tick_snapshot(const struct tick *t)
{
	(void)t;
	return &s;
}

int plant_count(const struct plant *p)
{
	(void)p;
	return DEVICES;
}

const struct config_device *plant_config(const struct plant *p, int device)
{
	(void)p;
	return &configs[device];
}

const struct device_state *plant_state(const struct plant *p, int device)
{
	(void)p;
	return &states[device];
}

uint32_t plant_roles(const struct plant *p, int device)
{
	(void)p;
	return device == BATTERY ? ROLE_BATTERY : ROLE_CHARGER;
}

int64_t plant_silence_ms(const struct plant *p, int device, int64_t at_ms)
{
	(void)p;
	(void)at_ms;
	return silence_ms[device];
}

int planning_request(struct planning *p, const struct planning_inputs *in)
{
	(void)p;
	planned = *in;
	n_plans++;
	return plan_result;
}

const char *planning_text(const struct planning *p)
{
	(void)p;
	return n_plans ? "{}" : NULL;
}

const char *planning_status(const struct planning *p)
{
	(void)p;
	return "no prices";
}

void recorder_observe(struct recorder *r, const struct snapshot *at, const struct decisions *of)
{
	(void)r;
	assert_true(at == &s && of == &d);
}

void diary_observe(struct diary *y, const struct snapshot *at, const struct decisions *of)
{
	(void)y;
	assert_true(at == &s && of == &d);
}

void publish_device(struct publish *p, int i, const struct snapshot *at)
{
	(void)p;
	assert_true(i < at->n_devices);
}

void publish_decisions(struct publish *p, const struct snapshot *at, const struct decisions *of)
{
	(void)p;
	assert_true(at == &s && of == &d);
}

void publish_site(struct publish *p, const struct snapshot *at, const struct decisions *of)
{
	(void)p;
	assert_true(at == &s && of == &d);
}

void publish_text(struct publish *p, const char *below, const cJSON *o, int64_t at_utc_ms)
{
	(void)p;
	(void)at_utc_ms;
	assert_true(below && o);
}

void publish_raw(struct publish *p, const char *below, const char *json, int64_t at_utc_ms)
{
	(void)p;
	(void)at_utc_ms;
	assert_true(below && json);
}

void publish_all_again(struct publish *p)
{
	(void)p;
}

int mqtt_publish(struct mqtt *m, const char *to, const char *payload, size_t len, int qos, bool retain,
		 const struct mqtt_publish_extra *extra)
{
	(void)m;
	(void)payload;
	(void)len;
	(void)qos;
	(void)extra;
	assert_true(to && retain);
	return 0;
}

void outside_after(struct outside *o)
{
	(void)o;
}

void outside_publish_again(struct outside *o)
{
	(void)o;
}

void wear_step(struct wear *w)
{
	(void)w;
}

void discovery_step(struct discovery_link *l, const struct snapshot *at)
{
	(void)l;
	assert_ptr_equal(at, &s);
}

void clock_keep(struct hub *h)
{
	assert_ptr_equal(h, &hub);
}

void prices_step(struct prices *p)
{
	(void)p;
}

void prices_compose(struct prices *p, int64_t now, int64_t from, int64_t to, struct price_series *import, struct price_series *export)
{
	(void)p;
	assert_true(from <= now && now < to && import && export);
}

void outbox_stats(const struct outbox *o, int64_t at_utc_ms, struct outbox_stats *out)
{
	(void)o;
	(void)at_utc_ms;
	*out = (struct outbox_stats){ 0 };
}

void backlog_stats(const struct backlog *b, struct backlog_stats *out)
{
	(void)b;
	*out = (struct backlog_stats){ 0 };
}

static void on_finished(struct hub *h)
{
	assert_ptr_equal(h, &hub);
	n_finished++;
}

/* ---- */

static int setup(void **state)
{
	(void)state;
	memset(&hub, 0, sizeof(hub));
	memset(&s, 0, sizeof(s));
	memset(states, 0, sizeof(states));
	memset(configs, 0, sizeof(configs));
	hub.book = &book;
	hub.import_prices = hub.export_prices = &prices;
	hub.finished = on_finished;
	hub.flip = LINK;
	hub.clock_trusted = s.clock_trusted = true;
	hub.prices_due_ms = hub.agent_due_ms = INT64_MAX;
	topic_root_set(&hub.root, "hearth/1", "home");
	book_init(&book, 24);
	owner_init(&hub.owner);
	for (int i = 0; i < DEVICES; i++) {
		snprintf(configs[i].flip_device_id, sizeof(configs[i].flip_device_id), "flip-%d", i);
		configs[i].charge_max_w = configs[i].discharge_max_w = NAN;
		states[i].availability = AVAIL_ONLINE;
		silence_ms[i] = 1000;
	}
	s.n_devices = d.n = DEVICES;
	now_ms = hub.replan_last_ms = 1000000;
	utc_ms = T;
	next_due_utc_ms = plan_result = 0;
	tick_at_ms = NEVER;
	n_flip_steps = n_stores = n_finished = n_looks = n_plans = n_agents = 0;
	return 0;
}

static void after(int64_t ms)
{
	now_ms += ms;
	utc_ms += ms;
	s.now_ms = now_ms;
	s.utc_ms = utc_ms;
	tick_at_ms = NEVER;
	round_after_tick(&hub, &s, &d);
}

static struct book_entry *command(int64_t from_utc_ms, int64_t to_utc_ms)
{
	struct book_entry *e = &book.entry[0];

	*e = (struct book_entry){ .state = BOOK_ACTIVE, .ran = true, .device = BATTERY, .ack = FLIP_DEVICE_OK, .power_w = 1500,
				  .c = { .mode = MODE_DISCHARGE, .power_mode = POWER_SETPOINT, .starts_utc_ms = from_utc_ms,
					 .ends_utc_ms = to_utc_ms, .setpoint_w = 1500, .reserve_pct = NAN } };
	snprintf(e->c.id, sizeof(e->c.id), "it");
	snprintf(e->c.device_id, sizeof(e->c.device_id), "flip-%d", BATTERY);
	book.n = 1;
	return e;
}

/* ---- before ---- */

/* What is due in the book is done before the tick thinks; what is not waits for its second. */
static void test_the_book_moves_first(void **state)
{
	static const struct { const char *name; int64_t due_utc_ms; bool flip; int steps; } ROWS[] = {
		{ "due now", T, true, 1 }, { "due since", T - 5000, true, 1 }, { "at once, says the clock", 1, true, 1 },
		{ "due next", T + 1, true, 0 }, { "nothing is due", 0, true, 0 }, { "no link yet", T, false, 0 },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		setup(state);
		hub.flip = ROWS[i].flip ? LINK : NULL;
		hub.flip_due_utc_ms = ROWS[i].due_utc_ms;
		next_due_utc_ms = T + HOUR;
		round_before_tick(&hub);
		assert_row(ROWS[i].name, n_flip_steps == ROWS[i].steps && n_looks == 1);
		assert_row(ROWS[i].name, hub.flip_due_utc_ms == (ROWS[i].steps ? T + HOUR : ROWS[i].due_utc_ms));
	}
}

/* ---- after ---- */

/* What will be due by then has a tick of its own at that instant; by the monotonic clock. */
static void test_a_tick_when_it_is_due(void **state)
{
	static const struct { const char *name; int64_t due_utc_ms, in_ms; } ROWS[] = {
		{ "in 300 ms", 300, 300 }, { "in a ms", 1, 1 }, { "in an hour", HOUR, HOUR }, { "now: it is done before the next tick", 0, NEVER },
		{ "over", -1000, NEVER }, { "nothing", -T, NEVER },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		setup(state);
		hub.step_due_ms = INT64_MAX; /* so it is not asked again in this one */
		hub.flip_due_utc_ms = T + 1000 + ROWS[i].due_utc_ms;
		if (ROWS[i].due_utc_ms == -T)
			hub.flip_due_utc_ms = 0;
		after(1000);
		assert_row(ROWS[i].name, tick_at_ms == (ROWS[i].in_ms == NEVER ? NEVER : now_ms + ROWS[i].in_ms));
		assert_row(ROWS[i].name, n_flip_steps == 0 && n_finished == 1);
	}
	hub.step_due_ms = 0; /* and by what the book said in this very one */
	next_due_utc_ms = utc_ms + 1000 + 250;
	after(1000);
	assert_true(n_flip_steps == 1 && tick_at_ms == now_ms + 250);
}

/* The owner pauses everything: Flip hears that its command does not run, once, and that it does again. */
static void test_pause(void **state)
{
	struct book_entry *e = command(T, T + HOUR);

	(void)state;
	after(1000);
	assert_true(e->trouble == FLIP_PENDING && !e->ack_due);
	s.paused = true;
	after(1000);
	assert_true(e->trouble == FLIP_FAILED_FAULT && e->ack == FLIP_FAILED_FAULT && e->ack_due);
	assert_string_equal(e->ack_reason, "paused");
	e->ack_due = false;
	after(1000);
	assert_false(e->ack_due);
	s.paused = false;
	after(1000);
	assert_true(e->trouble == FLIP_PENDING && e->ack == FLIP_DEVICE_OK && e->ack_due);
	e->ack_due = false;
	after(1000);
	assert_false(e->ack_due);
}

/* A pause with nothing to run says nothing; it says so when it begins. Trouble of another kind is not taken back. */
static void test_pause_before_a_command(void **state)
{
	struct book_entry *e = command(T + 3000, T + HOUR);

	(void)state;
	s.paused = true;
	after(1000);
	assert_true(e->trouble == FLIP_PENDING && !e->ack_due);
	after(2000);
	assert_true(e->trouble == FLIP_FAILED_FAULT && e->ack_due);
	setup(state);
	e = command(T, T + HOUR);
	book_trouble(&book, BATTERY, FLIP_FAILED_FAULT, "burnt");
	after(1000);
	assert_true(e->trouble == FLIP_FAILED_FAULT);
}

/* Island: a command is suspended, and goes on behind it. */
static void test_island(void **state)
{
	struct book_entry *e = command(T, T + HOUR);

	(void)state;
	s.grid_lost = true;
	after(1000);
	assert_int_equal(e->state, BOOK_SUSPENDED);
	s.grid_lost = false;
	after(1000);
	assert_int_equal(e->state, BOOK_ACTIVE);
}

/* What the owner set ends: on disk too. By a day only when the clock is right. */
static void test_what_is_over_is_stored(void **state)
{
	static const struct { const char *name; bool trusted; int64_t until_ms; int64_t after_ms; int stores; } ROWS[] = {
		{ "at its time", true, 0, 60000, 1 }, { "not before", true, 0, 59999, 0 }, { "no clock", false, 0, 60000, 0 },
		{ "a minute is over", false, 1060000, 60000, 1 }, { "not yet", false, 1060000, 59999, 0 },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		setup(state);
		hub.clock_trusted = s.clock_trusted = ROWS[i].trusted;
		hub.owner.n_overrides = 1;
		hub.owner.override[0] = (struct owner_override){ .device = "one", .mode = OVERRIDE_HOLD, .power_w = NAN,
								 .until_utc_ms = T + 60000, .until_ms = ROWS[i].until_ms };
		after(ROWS[i].after_ms);
		assert_row(ROWS[i].name, n_stores == ROWS[i].stores && hub.owner.n_overrides == 1 - ROWS[i].stores);
	}
}

/* Energy that moved in the command's direction; a clock that is not trusted delivers nothing. */
static void test_delivered(void **state)
{
	struct book_entry *e = command(T, T + HOUR);

	(void)state;
	s.dev[BATTERY].state.ac_power_w = (struct value){ -3600, now_ms + 1000, Q_GOOD };
	after(1000); /* nobody looked before */
	after(1000);
	assert_near(e->delivered_wh * 1000, 1000);
	hub.clock_trusted = s.clock_trusted = false;
	after(1000);
	assert_near(e->delivered_wh * 1000, 1000);
	hub.clock_trusted = s.clock_trusted = true;
	after(9000); /* the reading is too old by now */
	assert_near(e->delivered_wh * 1000, 1000);
	assert_near(event_wh * 1000, 1000); /* the savings are told the same */
}

/* Once a second, every ten seconds, each hour, each quarter of an hour; and a plan that could not be asked for is asked for again. */
static void test_when(void **state)
{
	(void)state;
	hub.agent_due_ms = 0;
	for (int i = 0; i < 100; i++)
		after(100);
	assert_true(n_flip_steps == 10 && n_agents == 1 && n_plans == 0 && n_finished == 100);
	after(15 * 60 * 1000 + 1);
	assert_int_equal(n_plans, 1);
	assert_string_equal(planned.trigger, "the start");
	after(15 * 60 * 1000 + 1);
	assert_string_equal(planned.trigger, "a quarter of an hour");
	n_plans = 1;
	hub.prices_due_ms = 0;
	prices_differ = false; /* looked at each hour, but the same */
	after(1000);
	assert_true(n_plans == 1 && hub.prices_due_ms == now_ms + HOUR);
	hub.prices_due_ms = 0;
	prices_differ = true;
	plan_result = -ENODATA;
	after(1000);
	assert_string_equal(planned.trigger, "new prices");
	assert_true(n_plans == 2 && hub.prices_due_ms == now_ms + HOUR && hub.replan_due_ms == now_ms + REPLAN_WAIT_MS);
	plan_result = 0;
	after(REPLAN_WAIT_MS - 1);
	assert_int_equal(n_plans, 2);
	after(1);
	assert_true(n_plans == 3 && hub.replan_due_ms == 0);
	assert_string_equal(planned.trigger, "new prices"); /* what was not planned for then is now */
	assert_string_equal(hub.replan_why, "");
}

/* The house is looked at each tick, as soon as it is known what time it is. */
static void test_a_change_in_the_house(void **state)
{
	(void)state;
	after(100);
	s.site.reserve_pct = 30;
	s.clock_trusted = false;
	after(100);
	assert_int_equal(n_plans, 0);
	s.clock_trusted = true;
	after(100);
	assert_int_equal(n_plans, 1);
	assert_string_equal(planned.trigger, "the start");
	s.site.reserve_pct = 31;
	after(100);
	assert_string_equal(planned.trigger, "the reserve is 31 % now");
	after(100);
	assert_int_equal(n_plans, 2);
}

/* An event takes its window from the plan. */
static void test_events_in_the_plan(void **state)
{
	static const struct { enum battery_mode mode; enum power_mode power; enum tristate import; double w; int n; } ROWS[] = {
		{ MODE_DISCHARGE, POWER_SETPOINT, TRI_UNSET, -1500, 1 }, { MODE_CHARGE, POWER_SETPOINT, TRI_YES, 1500, 1 },
		{ MODE_CHARGE, POWER_SETPOINT, TRI_NO, NAN, 1 }, { MODE_DISCHARGE, POWER_MAX, TRI_UNSET, -INFINITY, 1 },
		{ MODE_STANDBY, POWER_MAX, TRI_UNSET, 0, 1 }, { MODE_SAVINGS, POWER_MAX, TRI_UNSET, NAN, 0 },
		{ MODE_DISCHARGE, POWER_FOLLOW_LOAD, TRI_UNSET, NAN, 1 }, { MODE_CHARGE, POWER_MAX, TRI_YES, INFINITY, 1 },
		{ MODE_CHARGE, POWER_FOLLOW_LOAD, TRI_YES, NAN, 1 }, { MODE_CHARGE, POWER_MAX, TRI_UNSET, NAN, 1 },
		{ MODE_BACKUP, POWER_MAX, TRI_YES, INFINITY, 1 }, { MODE_BACKUP, POWER_MAX, TRI_NO, NAN, 1 },
		{ MODE_SELF_CONSUMPTION, POWER_MAX, TRI_YES, NAN, 1 },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct planning_event *v = &planned.event[BATTERY][0];
		struct book_entry *e;

		setup(state);
		e = command(T + HOUR, i % 2 ? T + 2 * HOUR : 0);
		e->state = BOOK_SCHEDULED;
		e->c.mode = ROWS[i].mode;
		e->c.power_mode = ROWS[i].power;
		e->c.grid_import = ROWS[i].import;
		hub.replan_due_ms = 1;
		after(1000);
		assert_int_equal(planned.n_events[BATTERY], ROWS[i].n);
		if (ROWS[i].n == 0)
			continue;
		assert_true(v->from_utc_ms == T + HOUR && v->to_utc_ms == (i % 2 ? T + 2 * HOUR : T + 25 * HOUR)); /* endless: a day at most */
		assert_true(isnan(ROWS[i].w) ? isnan(v->power_w) : v->power_w == ROWS[i].w);
	}
}

/* ---- what Flip's link asks ---- */

static void test_devices(void **state)
{
	static const struct { const char *name; int64_t silence_ms, started_ms, woke_ms; bool not_asked, reachable; } ROWS[] = {
		{ "answers", 1000, 500000, 0, false, true }, { "a minute of silence", 60000, 500000, 0, false, true },
		{ "more", 60001, 500000, 0, false, false }, { "never answered", -1, 500000, 0, false, false },
		{ "never, and we have only just started", -1, 940000, 0, true, false }, { "a minute is enough", -1, 939999, 0, false, false },
		{ "silent since before we woke", 90000, 500000, 995000, true, false }, { "a reload is a start too", 90000, 995000, 0, true, false },
		{ "answered since", 4000, 995000, 0, false, true },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct book_device out[DEVICES];

		setup(state);
		hub.plant_started_ms = ROWS[i].started_ms;
		hub.woke_ms = ROWS[i].woke_ms;
		silence_ms[BATTERY] = ROWS[i].silence_ms;
		states[BATTERY].caps.charge_max_w = 4000;
		configs[BATTERY].discharge_max_w = 3000;
		assert_int_equal(round_book_devices(&hub, out, 1), 1);
		assert_row(ROWS[i].name, out[0].not_asked == ROWS[i].not_asked && out[0].reachable == ROWS[i].reachable);
		assert_row(ROWS[i].name, out[0].battery && !out[0].fault && !out[0].islanded);
		assert_row(ROWS[i].name, out[0].charge_max_w == 4000 && out[0].discharge_max_w == 3000);
		states[BATTERY].availability = AVAIL_FAULT;
		s.grid_lost = true;
		assert_int_equal(round_book_devices(&hub, out, 9), DEVICES);
		assert_row(ROWS[i].name, out[0].fault && out[0].islanded && !out[CHARGER].battery && !out[CHARGER].fault);
		states[BATTERY].availability = AVAIL_UNKNOWN;
		value_set(&states[CHARGER].f[F_BATTERY_STATE], BATTERY_FAULT, now_ms, Q_GOOD);
		round_book_devices(&hub, out, DEVICES);
		assert_row(ROWS[i].name, !out[0].reachable && !out[0].fault && out[CHARGER].fault);
		/* what answers and is not known yet: for a minute that says nothing either */
		assert_row(ROWS[i].name, out[0].not_asked == (ROWS[i].started_ms >= 940000 || ROWS[i].woke_ms >= 940000));
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup(test_the_book_moves_first, setup), cmocka_unit_test_setup(test_a_tick_when_it_is_due, setup),
		cmocka_unit_test_setup(test_pause, setup), cmocka_unit_test_setup(test_pause_before_a_command, setup),
		cmocka_unit_test_setup(test_island, setup), cmocka_unit_test_setup(test_what_is_over_is_stored, setup),
		cmocka_unit_test_setup(test_delivered, setup), cmocka_unit_test_setup(test_when, setup), cmocka_unit_test_setup(test_a_change_in_the_house, setup),
		cmocka_unit_test_setup(test_events_in_the_plan, setup), cmocka_unit_test_setup(test_devices, setup),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
