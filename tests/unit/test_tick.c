/* The tick with the real chain, book and owner: what it freezes, what must wait for a trusted clock, what it remembers of orders over
 * a reload, and when it runs. Plant, plan, limits and clocks are played by this file. */
#include "flow/control/tick.c"

#include "support/cm.h"

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define MINUTE_MS 60000
#define BATTERY 0
#define SECOND 1
#define METER 2
#define DEVICES 3

static struct hub hub;
static struct book book;
static struct price_series prices;
static struct config_device configs[DEVICE_MAX];
static struct device_state states[DEVICE_MAX];
static uint32_t roles[DEVICE_MAX];
static struct order aimed[DEVICE_MAX];
static int n_devices, n_done;
static struct loop_clocks shown;
static bool trusted;
static void (*before)(void);

int64_t loop_now_ms(void)
{
	return shown.now_ms;
}

void loop_clocks(struct loop_clocks *out)
{
	*out = shown;
}

void loop_mark(const char *what)
{
	(void)what;
}

bool hub_clock(struct hub *h)
{
	h->clocks = shown;
	return h->clock_trusted = trusted;
}

int plant_count(const struct plant *p)
{
	(void)p;
	return n_devices;
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
	return roles[device];
}

void plant_aim(struct plant *p, int device, const struct order *order)
{
	(void)p;
	aimed[device] = *order;
}

void planning_guide(const struct planning *p, const char *id, int64_t utc_ms, struct plan_guide *out)
{
	(void)p;
	*out = (struct plan_guide){ .valid = strcmp(id, "one") == 0, .planned_w = 700, .until_utc_ms = utc_ms + MINUTE_MS };
}

void outside_freeze(struct outside *o, struct snapshot *s)
{
	(void)o;
	s->external = (struct external_limit){ .import_w = NAN, .export_w = NAN };
}

static void on_before(void *context)
{
	assert_ptr_equal(context, &hub);
	if (before)
		before();
}

static void on_done(void *context, const struct snapshot *s, const struct decisions *d)
{
	assert_ptr_equal(context, &hub);
	assert_int_equal(d->n, s->n_devices);
	n_done++;
}

/* ---- a home: two batteries and a meter, all of them well ---- */

static void device(int i, const char *id, uint32_t role)
{
	struct config_device *c = &configs[i];
	struct device_state *d = &states[i];

	memset(c, 0, sizeof(*c));
	memset(d, 0, sizeof(*d));
	snprintf(c->id, sizeof(c->id), "%s", id);
	c->capacity_wh = c->charge_max_w = c->discharge_max_w = c->soc_min_pct = c->soc_max_pct = NAN;
	c->failsafe_a = 6;
	roles[i] = role;
	d->availability = AVAIL_ONLINE;
	if (role == ROLE_GRID)
		return;
	c->capacity_wh = 10000;
	d->caps = (struct device_caps){ .charge_max_w = 5000, .discharge_max_w = 5000, .can_power = true, .can_hold = true, .settle_ms = 1000,
					.guarded_by = GUARDED_DEVICE };
}

static void read_all(double grid_w)
{
	for (int i = 0; i < n_devices; i++) {
		value_set(&states[i].ac_power_w, 0, shown.now_ms, Q_GOOD);
		value_set(&states[i].f[F_BATTERY_SOC_PCT], 50, shown.now_ms, Q_GOOD);
		if (roles[i] == ROLE_GRID)
			value_set(&states[i].f[F_METER_POWER_W], grid_w, shown.now_ms, Q_GOOD);
	}
}

static void pass(int64_t ms)
{
	shown.now_ms += ms;
	shown.utc_ms += ms;
}

/* A second passes, all is read, and the tick runs. */
static const struct snapshot *tick(double grid_w)
{
	pass(1000);
	read_all(grid_w);
	tick_now(hub.tick);
	return tick_snapshot(hub.tick);
}

static int setup(void **state)
{
	static const struct tick_hooks HOOKS = { on_before, on_done, &hub };
	struct errbuf err = { "" };

	(void)state;
	memset(&hub, 0, sizeof(hub));
	hub.loop = uv_default_loop();
	hub.book = &book;
	hub.import_prices = hub.export_prices = &prices;
	hub.cfg.site = (struct config_site){ .tick_ms = 1000, .reserve_pct = 20, .grid_charging = true, .battery_export = true,
					     .surplus_battery_first = true };
	book_init(&book, 24);
	owner_init(&hub.owner);
	shown = (struct loop_clocks){ .now_ms = 1000000, .utc_ms = T, .slept_ms = 1000 };
	trusted = true;
	before = NULL;
	n_devices = DEVICES;
	n_done = 0;
	device(BATTERY, "one", ROLE_BATTERY);
	device(SECOND, "two", ROLE_BATTERY);
	device(METER, "meter", ROLE_GRID);
	return tick_start(&hub.tick, &hub, &HOOKS, &err);
}

static int teardown(void **state)
{
	(void)state;
	tick_stop(hub.tick);
	tick_soon(hub.tick); /* behind the end nothing runs */
	tick_now(hub.tick);
	tick_at(hub.tick, 0);
	n_done = 0;
	uv_run(hub.loop, UV_RUN_DEFAULT);
	return n_done;
}

static void override(enum override_mode mode, int64_t until_utc_ms, int64_t until_ms)
{
	struct owner_override v = { .device = "one", .mode = mode, .power_w = mode == OVERRIDE_HOLD ? NAN : 2000,
				      .until_utc_ms = until_utc_ms, .until_ms = until_ms };
	struct errbuf err = { "" };

	if (mode)
		assert_int_equal(owner_override_set(&hub.owner, &v, T, &err), 0);
}

static void command(int64_t from_utc_ms, int64_t to_utc_ms)
{
	struct book_entry *e = &book.entry[0];

	*e = (struct book_entry){ .state = BOOK_ACTIVE, .device = BATTERY, .power_w = 1500,
				  .c = { .mode = MODE_DISCHARGE, .power_mode = POWER_SETPOINT, .starts_utc_ms = from_utc_ms,
					 .ends_utc_ms = to_utc_ms, .setpoint_w = 1500, .reserve_pct = NAN } };
	snprintf(e->c.id, sizeof(e->c.id), "it");
	book.n = 1;
}

/* ---- what is frozen ---- */

/* Whatever has an end by the time of day is not in force while nobody vouches for that: neither for the chain nor in what is shown. */
static void test_ends_wait_for_a_clock(void **state)
{
	static const struct { const char *name; bool trusted; enum override_mode mode; int64_t until_ms; bool event; enum rank rank; } ROWS[] = {
		{ "an override", true, OVERRIDE_CHARGE, 0, false, RANK_OVERRIDE },
		{ "an override, no clock", false, OVERRIDE_CHARGE, 0, false, RANK_SELF_USE },
		{ "for an hour", true, OVERRIDE_HOLD, 4600000, false, RANK_OVERRIDE },
		{ "for an hour, no clock", false, OVERRIDE_HOLD, 4600000, false, RANK_SELF_USE },
		{ "an event", true, OVERRIDE_NONE, 0, true, RANK_EVENT },
		{ "an event, no clock", false, OVERRIDE_NONE, 0, true, RANK_SELF_USE },
		{ "both", true, OVERRIDE_CHARGE, 0, true, RANK_EVENT },
		{ "both, no clock", false, OVERRIDE_CHARGE, 0, true, RANK_SELF_USE },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++, teardown(state), setup(state)) {
		const struct snapshot *s;

		trusted = ROWS[i].trusted;
		override(ROWS[i].mode, T + 60 * MINUTE_MS, ROWS[i].until_ms);
		if (ROWS[i].event)
			command(T, T + 60 * MINUTE_MS);
		for (int k = 0; k < 8; k++)
			s = tick(0);
		assert_row(ROWS[i].name, s->clock_trusted == trusted);
		assert_row(ROWS[i].name, s->dev[BATTERY].override.mode == (trusted ? ROWS[i].mode : OVERRIDE_NONE));
		assert_row(ROWS[i].name, s->dev[BATTERY].override.until_utc_ms == (trusted && ROWS[i].mode ? T + 60 * MINUTE_MS : 0));
		assert_row(ROWS[i].name, s->dev[BATTERY].command.active == (trusted && ROWS[i].event));
		assert_row(ROWS[i].name, s->dev[BATTERY].guide.valid == trusted); /* the plan is one by the time of day */
		assert_row(ROWS[i].name, !s->dev[SECOND].guide.valid && !s->dev[SECOND].override.mode && !s->dev[SECOND].command.active);
		assert_row(ROWS[i].name, tick_decisions(hub.tick)->d[BATTERY].rank == ROWS[i].rank);
		assert_row(ROWS[i].name, tick_decisions(hub.tick)->d[SECOND].rank == RANK_SELF_USE);
	}
}

/* By its day an override ends at a time of day, and not before. */
static void test_an_override_ends(void **state)
{
	(void)state;
	override(OVERRIDE_CHARGE, T + 3000, 0);
	assert_true(tick(0)->dev[BATTERY].override.mode == OVERRIDE_CHARGE && tick(0)->dev[BATTERY].override.mode == OVERRIDE_CHARGE);
	assert_int_equal(tick(0)->dev[BATTERY].override.mode, OVERRIDE_NONE);
}

/* What an inverter last said of the grid counts for a minute: a silent one is not the house's end. */
static void test_island(void **state)
{
	static const struct { const char *name; double online; int64_t age_ms; enum quality q; bool lost; } ROWS[] = {
		{ "connected", 1, 0, Q_GOOD, false }, { "alone", 0, 0, Q_GOOD, true }, { "said a minute ago, nearly", 0, 59999, Q_GOOD, true },
		{ "said a minute ago", 0, 60000, Q_GOOD, false }, { "half", 0.5, 0, Q_GOOD, false }, { "less than half", 0.49, 0, Q_GOOD, true },
		{ "not to be believed", 0, 0, Q_STALE, false }, { "never said", 0, 0, Q_ABSENT, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct value *v = &states[SECOND].f[F_INVERTER_GRID_ONLINE];

		value_set(v, ROWS[i].online, shown.now_ms + 1000 - ROWS[i].age_ms, ROWS[i].q);
		assert_row(ROWS[i].name, tick(0)->grid_lost == ROWS[i].lost);
	}
}

/* When it comes back is known, once. */
static void test_the_grid_comes_back(void **state)
{
	(void)state;
	assert_true(tick(0)->grid_back_ms == 0);
	value_set(&states[BATTERY].f[F_INVERTER_GRID_ONLINE], 0, shown.now_ms, Q_GOOD);
	assert_true(tick(0)->grid_lost && tick(0)->grid_back_ms == 0);
	value_set(&states[BATTERY].f[F_INVERTER_GRID_ONLINE], 1, shown.now_ms, Q_GOOD);
	assert_true(!tick(0)->grid_lost && tick_snapshot(hub.tick)->grid_back_ms == shown.now_ms);
	assert_true(tick(0)->grid_back_ms == shown.now_ms - 1000);
}

/* A reading is counted once, by its time; one that is not believed is none. */
static void test_the_meter(void **state)
{
	const struct snapshot *s = tick(1200);

	(void)state;
	assert_true(s->grid_device == METER && s->grid_w.v == 1200 && s->grid_sample == 1);
	tick_now(hub.tick);
	assert_int_equal(s->grid_sample, 1);
	assert_int_equal(tick(1300)->grid_sample, 2);
	pass(1000);
	value_set(&states[METER].f[F_METER_POWER_W], 1300, shown.now_ms, Q_BAD);
	value_set(&states[METER].f[F_METER_POWER_L2_W], 77, shown.now_ms, Q_GOOD);
	value_set(&states[METER].f[F_METER_CURRENT_L3_A], 7, shown.now_ms, Q_GOOD);
	tick_now(hub.tick);
	assert_true(s->grid_sample == 2 && s->phase_w[1].v == 77 && s->phase_a[2].v == 7 && !value_usable(&s->phase_w[0]));
	roles[METER] = ROLE_LOAD;
	assert_true(tick(0)->grid_device == -1 && !value_usable(&s->grid_w) && !value_usable(&s->phase_w[1]));
}

/* What a later read shows in force, where it shows anything. */
static void test_applied(void **state)
{
	static const struct { enum verdict verdict; bool known; } ROWS[] = {
		{ VERDICT_NONE, false }, { VERDICT_PENDING, false }, { VERDICT_APPLIED, true }, { VERDICT_CLAMPED, true },
		{ VERDICT_REFUSED, false }, { VERDICT_IGNORED, false }, { VERDICT_FOREIGN, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		states[BATTERY].verdict = ROWS[i].verdict;
		states[BATTERY].verdict_w = 321;
		assert_row(verdict_word(ROWS[i].verdict), (tick(0)->dev[BATTERY].applied_w == 321) == ROWS[i].known);
		assert_row(verdict_word(ROWS[i].verdict), isnan(tick_snapshot(hub.tick)->dev[BATTERY].applied_w) != ROWS[i].known);
	}
}

/* What was told is what the next tick knows was told, since when it is that; and the plant hears it each time. */
static void test_what_was_told(void **state)
{
	const struct snapshot *s;
	int64_t since_ms;

	(void)state;
	override(OVERRIDE_CHARGE, T + 60 * MINUTE_MS, 0);
	for (int i = 0; i < 8; i++)
		s = tick(0);
	assert_true(s->dev[BATTERY].ordered.kind == ORDER_POWER && s->dev[BATTERY].ordered.w == 2000 && aimed[BATTERY].w == 2000);
	assert_true(aimed[METER].kind == ORDER_NONE);
	since_ms = s->dev[BATTERY].ordered_at_ms;
	assert_true(since_ms < s->now_ms - 1000 && tick(0)->dev[BATTERY].ordered_at_ms == since_ms);
	assert_true(owner_override_clear(&hub.owner, "one"));
	tick(0);
	since_ms = shown.now_ms;
	assert_int_equal(tick(0)->dev[BATTERY].ordered_at_ms, since_ms);
	assert_int_equal(s->dev[BATTERY].ordered.kind, ORDER_BALANCE);
}

/* What runs before it shows in what is frozen. */
static void begin(void)
{
	command(T, T + 60 * MINUTE_MS);
}

static void test_before(void **state)
{
	(void)state;
	before = begin;
	assert_true(tick(0)->dev[BATTERY].command.active);
	assert_int_equal(n_done, 1);
}

/* ---- a reload ---- */

/* Something that is known of each place and of the house. */
static void learn(struct tick *t)
{
	for (int i = 0; i < DEVICES; i++) {
		t->chain.device[i].peak_w = 1001 + i;
		t->last[i] = (struct order){ .kind = ORDER_POWER, .w = 101 + i };
		t->last_at_ms[i] = 11 + i;
	}
	t->chain.loop.load_w = 777;
}

static void test_rebuilt(void **state)
{
	static const struct { const char *name, *ids; int from[4]; uint32_t second; bool same; } ROWS[] = {
		{ "nothing but the beat", "12m", { 0, 1, 2 }, ROLE_BATTERY, true },
		{ "one begins anew", "12m", { 0, -1, 2 }, ROLE_BATTERY, true },
		{ "the meter begins anew", "12m", { 0, 1, -1 }, ROLE_BATTERY, true },
		{ "all begin anew", "12m", { -1, -1, -1 }, ROLE_BATTERY, true },
		{ "one is gone", "1m", { 0, 2 }, ROLE_BATTERY, false },
		{ "the first one is gone", "2m", { 1, 2 }, ROLE_GRID, false },
		{ "all are gone", "", { 0 }, ROLE_BATTERY, false },
		{ "one came", "12mn", { 0, 1, 2, -1 }, ROLE_BATTERY, false },
		{ "places", "21m", { 1, 0, 2 }, ROLE_BATTERY, false },
		{ "another name", "13m", { 0, -1, 2 }, ROLE_BATTERY, false },
		{ "another part", "12m", { 0, -1, 2 }, ROLE_CHARGER, false },
	};
	static struct chain fresh;

	chain_init(&fresh);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++, teardown(state), setup(state)) {
		struct tick *t = hub.tick;

		tick(0);
		tick(0);
		learn(t);
		n_devices = (int)strlen(ROWS[i].ids);
		for (int k = 0; k < n_devices; k++) {
			const char id = ROWS[i].ids[k];

			device(k, id == '1' ? "one" : id == '2' ? "two" : id == 'm' ? "meter" : "new", id == 'm' ? ROLE_GRID : ROLE_BATTERY);
		}
		roles[SECOND] = n_devices > SECOND ? ROWS[i].ids[1] == 'm' ? ROLE_GRID : ROWS[i].second : 0;
		tick_rebuilt(t, ROWS[i].from);
		assert_row(ROWS[i].name, (t->chain.loop.load_w == 777) == ROWS[i].same);
		assert_row(ROWS[i].name, ROWS[i].same || memcmp(&t->chain, &fresh, sizeof(fresh)) == 0);
		assert_row(ROWS[i].name, tick_snapshot(t)->grid_sample == (ROWS[i].same ? 2 : 0));
		for (int k = 0; k < n_devices; k++) {
			const int from = ROWS[i].from[k];

			assert_row(ROWS[i].name, t->chain.device[k].peak_w == (ROWS[i].same && from >= 0 ? 1001 + k : 0));
			assert_row(ROWS[i].name, t->last[k].w == (from < 0 ? 0 : 101 + from) && t->last[k].kind == (from < 0 ? ORDER_NONE : ORDER_POWER));
			assert_row(ROWS[i].name, t->last_at_ms[k] == (from < 0 ? 0 : 11 + from));
		}
		read_all(0);
		tick_now(t); /* sees what was told, wherever it stands now; the same reading is news to who knows nothing */
		for (int k = 0; k < n_devices; k++)
			assert_row(ROWS[i].name, t->s.dev[k].ordered.w == (ROWS[i].from[k] < 0 ? 0 : 101 + ROWS[i].from[k]));
		assert_row(ROWS[i].name, t->s.grid_sample == (n_devices == 0 ? 0u : ROWS[i].same ? 2u : 1u));
	}
}

/* While a reload takes one away, it is released; the other goes on with what it does. */
static void test_leaving(void **state)
{
	const struct decisions *d = tick_decisions(hub.tick);

	(void)state;
	override(OVERRIDE_CHARGE, T + 60 * MINUTE_MS, 0);
	for (int i = 0; i < 8; i++)
		tick(1500);
	assert_true(aimed[BATTERY].w == 2000 && d->d[SECOND].order.kind != ORDER_RELEASE);
	hub.leaving = 1u << SECOND;
	assert_true(tick(1500)->dev[SECOND].leaving && !tick_snapshot(hub.tick)->dev[BATTERY].leaving);
	assert_true(aimed[SECOND].kind == ORDER_RELEASE && aimed[BATTERY].kind == ORDER_POWER && aimed[BATTERY].w == 2000);
	hub.leaving = 1u << BATTERY;
	tick(1500);
	assert_true(aimed[BATTERY].kind == ORDER_RELEASE && aimed[SECOND].kind != ORDER_RELEASE);
	hub.leaving = 0;
	tick(1500);
	assert_true(aimed[BATTERY].w == 2000 && aimed[SECOND].kind != ORDER_RELEASE);
	hub.stopping = true;
	tick(1500);
	assert_true(aimed[BATTERY].kind == ORDER_RELEASE && aimed[SECOND].kind == ORDER_RELEASE);
}

/* ---- when ---- */

/* Within the call, but ten times a second at most; the eleventh waits for its time, and is one. */
static void test_now(void **state)
{
	(void)state;
	for (int i = 0; i < SOON_MAX; i++) {
		tick_now(hub.tick);
		assert_int_equal(n_done, i + 1);
		pass(50);
	}
	tick_now(hub.tick);
	tick_soon(hub.tick);
	assert_int_equal(n_done, SOON_MAX);
	assert_true(uv_is_active((uv_handle_t *)&hub.tick->soon));
	assert_in_range(uv_timer_get_due_in(&hub.tick->soon), 450, 500); /* the first was 500 ms ago */
	pass(500);
	on_soon(&hub.tick->soon);
	assert_int_equal(n_done, SOON_MAX + 1);
	pass(49); /* the second is not a second old yet */
	tick_now(hub.tick);
	assert_int_equal(n_done, SOON_MAX + 1);
}

/* What a tick does may ask for another: that is the next one. */
static void again(void)
{
	before = NULL;
	tick_now(hub.tick);
	assert_int_equal(n_done, 0);
}

static void test_now_within_one(void **state)
{
	(void)state;
	before = again;
	tick_now(hub.tick);
	assert_int_equal(n_done, 1);
	assert_true(uv_is_active((uv_handle_t *)&hub.tick->soon));
}

/* What begins by the clock has a tick of its own, unless the beat comes first. */
static void test_at(void **state)
{
	static const struct { const char *name; int64_t in_ms; bool soon, active; uint64_t due_ms; } ROWS[] = {
		{ "before the beat", 300, false, true, 300 }, { "just before it", 999, false, true, 999 }, { "with it", 1000, false, false, 0 },
		{ "behind it", 5000, false, false, 0 }, { "over", -5, false, true, 0 }, { "one comes sooner", 300, true, true, 0 },
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++, teardown(state), setup(state)) {
		struct tick *t = hub.tick;

		on_beat(&t->beat);
		if (ROWS[i].soon)
			tick_soon(t);
		tick_at(t, shown.now_ms + ROWS[i].in_ms);
		assert_row(ROWS[i].name, uv_is_active((uv_handle_t *)&t->soon) == ROWS[i].active);
		if (ROWS[i].active)
			assert_in_range(uv_timer_get_due_in(&t->soon), ROWS[i].due_ms > 50 ? ROWS[i].due_ms - 50 : 0, ROWS[i].due_ms);
	}
}

/* The beat keeps its time, catches nothing up, and a sleep of the machine is nobody's delay. */
static void test_beat(void **state)
{
	static const struct { const char *name; int64_t ms, slept_ms, late_ms, next_ms; } ROWS[] = {
		{ "the first", 0, 0, 0, 1000 }, { "on time", 1000, 0, 0, 1000 }, { "late: the next one is on time", 1300, 0, 300, 700 },
		{ "on time again", 700, 0, 0, 1000 }, { "held up for long: no burst", 5000, 0, 4000, 1000 },
		{ "suspended for an hour", 3601000, 3600000, 0, 1000 }, { "and late", 3601200, 3600000, 200, 800 },
	};
	double max_ms = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		pass(ROWS[i].ms);
		shown.slept_ms += ROWS[i].slept_ms;
		on_beat(&hub.tick->beat);
		assert_row(ROWS[i].name, hub.tick->late_ms[i] == ROWS[i].late_ms && hub.tick->beat_ms == shown.now_ms + ROWS[i].next_ms);
		max_ms = fmax(max_ms, (double)ROWS[i].late_ms);
		assert_row(ROWS[i].name, tick_late_max_ms(hub.tick) == max_ms && tick_late_p99_ms(hub.tick) == max_ms);
		assert_row(ROWS[i].name, tick_count(hub.tick) == i + 1);
	}
}

/* On the loop: the first beat comes with its next turn. */
static void test_loop(void **state)
{
	(void)state;
	assert_true(tick_late_p99_ms(hub.tick) == 0);
	uv_run(hub.loop, UV_RUN_NOWAIT);
	assert_int_equal(n_done, 1);
	tick_soon(hub.tick);
	uv_run(hub.loop, UV_RUN_NOWAIT);
	assert_int_equal(n_done, 2);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_ends_wait_for_a_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_override_ends, setup, teardown), cmocka_unit_test_setup_teardown(test_island, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_grid_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_meter, setup, teardown), cmocka_unit_test_setup_teardown(test_applied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_told, setup, teardown), cmocka_unit_test_setup_teardown(test_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebuilt, setup, teardown), cmocka_unit_test_setup_teardown(test_leaving, setup, teardown),
		cmocka_unit_test_setup_teardown(test_now, setup, teardown), cmocka_unit_test_setup_teardown(test_now_within_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at, setup, teardown), cmocka_unit_test_setup_teardown(test_beat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
