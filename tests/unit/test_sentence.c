/* The sentences: local time, who set a floor, what fits; and one for every reason there is, as the chain says it. */
#include "policies/sentence.h"
#include "policies/work.h"
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

#define HOUR_MS 3600000LL
#define DAY_MS 86400000LL

static struct snapshot s;
static int battery, car, sun;
static struct chain c;
static struct decisions d;

static void local_time(void **state)
{
	static const struct {
		const char *name;
		struct local_time local;
		int64_t in_ms;
		const char *text;
	} ROWS[] = { /* it is Thursday, 2026-01-01 11:00 UTC */
		{ "UTC", { 0, 0, 0 }, 8 * HOUR_MS, "19:00" },
		{ "an hour east", { 3600, 0, 0 }, 8 * HOUR_MS, "20:00" },
		{ "west", { -5 * 3600, 0, 0 }, 8 * HOUR_MS, "14:00" },
		{ "the last minute of today", { 0, 0, 0 }, 13 * HOUR_MS - 1, "23:59" },
		{ "tomorrow", { 0, 0, 0 }, 13 * HOUR_MS, "Fri 00:00" },
		{ "today there", { -5 * 3600, 0, 0 }, 13 * HOUR_MS, "19:00" },
		{ "tomorrow there", { 3600, 0, 0 }, 12 * HOUR_MS, "Fri 00:00" },
		{ "in six days", { 0, 0, 0 }, 6 * DAY_MS, "Wed 11:00" },
		{ "in seven", { 0, 0, 0 }, 7 * DAY_MS, "2026-01-08 11:00" },
		{ "yesterday", { 0, 0, 0 }, -DAY_MS, "2025-12-31 11:00" },
		{ "just before summer time", { 0, 3600, DESK_UTC_MS + HOUR_MS }, HOUR_MS - 1, "11:59" },
		{ "from then on", { 0, 3600, DESK_UTC_MS + HOUR_MS }, HOUR_MS, "13:00" },
		{ "summer time is over already", { 0, 3600, DESK_UTC_MS - HOUR_MS }, HOUR_MS, "13:00" },
	};
	char text[SENTENCE_TIME_MAX], until[SENTENCE_UNTIL_MAX];

	(void)state;
	desk_init(&s);
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		s.local = ROWS[r].local;
		sentence_time(&s, s.utc_ms + ROWS[r].in_ms, text);
		if (strcmp(text, ROWS[r].text) != 0)
			fail_msg("row '%s': %s", ROWS[r].name, text);
	}
	s.local = (struct local_time){ 0 };
	assert_string_equal(sentence_until(&s, s.utc_ms + 8 * HOUR_MS, until), ", until 19:00");
	assert_string_equal(sentence_until(&s, 0, until), "");
	s.clock_trusted = false;
	assert_string_equal(sentence_until(&s, s.utc_ms + 8 * HOUR_MS, until), "");
}

static void who_set_the_floor(void **state)
{
	static const struct { const char *source, *text; } ROWS[] = {
		{ "user", "set by the owner" },
		{ "hardware", "set by the hardware" },
		{ "command", "set by event 7d2a0000, until 11:59" },
		{ "event", "set by event 7d2a0000, until 11:59" },
		{ "owner_event", "set by the owner for event 7d2a0000, until 11:59" },
		{ "program", "set by the program of event 7d2a0000, until 11:59" },
	};
	struct command_view *command;
	char text[SENTENCE_FLOOR_MAX];
	int b;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 50);
	command = desk_command(&s, b, MODE_DISCHARGE, POWER_MAX, 0);
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++)
		assert_string_equal(sentence_floor(&s, &s.dev[b], &(struct floor_view){ 20, ROWS[r].source }, text), ROWS[r].text);
	command->event_id[0] = '\0';
	command->ends_utc_ms = 0;
	assert_string_equal(sentence_floor(&s, &s.dev[b], &(struct floor_view){ 20, "command" }, text), "set by event c0ffee00");
	command->ends_utc_ms = s.utc_ms + 100 * DAY_MS;
	snprintf(command->event_id, sizeof(command->event_id), "7d2a0000");
	sentence_floor(&s, &s.dev[b], &(struct floor_view){ 20, "program" }, text);
	assert_string_equal(text, "set by the program of event 7d2a0000, until 2026-04-11 11:00");
}

__attribute__((format(printf, 3, 4))) static void print(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sentence_print(out, size, fmt, ap);
	va_end(ap);
}

static void no_word_is_cut_in_two(void **state)
{
	char text[12];

	(void)state;
	print(text, sizeof(text), "%s", "import 4200");
	assert_string_equal(text, "import 4200");
	print(text, sizeof(text), "%s", "import 42001");
	assert_string_equal(text, "import");
	print(text, sizeof(text), "%s", "an import 4200");
	assert_string_equal(text, "an import");
	print(text, sizeof(text), "%s", "import_limit_w");
	assert_string_equal(text, "import_limi");
}

/* What stands before the first colon. */
static void what_a_device_does(void **state)
{
	enum { BATTERY_W, CAR_W, SUN_W, CAR_ONE_W, CAR_TWO_W };
	static const struct {
		const char *name;
		int device;
		struct order order;
		const char *what;
	} ROWS[] = {
		{ "nothing", BATTERY_W, { .kind = ORDER_NONE }, "no order" },
		{ "its own control", BATTERY_W, { .kind = ORDER_RELEASE }, "released" },
		{ "hold", BATTERY_W, { .kind = ORDER_POWER }, "holding" },
		{ "hold, with a sign", BATTERY_W, { .kind = ORDER_POWER, .w = -0.0 }, "holding" },
		{ "in", BATTERY_W, { .kind = ORDER_POWER, .w = 2299.6 }, "charging 2300 W" },
		{ "out", BATTERY_W, { .kind = ORDER_POWER, .w = -1800 }, "discharging 1800 W" },
		{ "balance", BATTERY_W, { .kind = ORDER_BALANCE, .grid_w = 100, .min_w = -5000, .max_w = 5000, .w = -700 },
		  "balancing the grid at 100 W within -5000..5000 W" },
		{ "out only", BATTERY_W, { .kind = ORDER_BALANCE, .min_w = -5000 }, "balancing the grid at 0 W within -5000..0 W" },
		{ "in only", BATTERY_W, { .kind = ORDER_BALANCE, .max_w = 5000 }, "balancing the grid at 0 W within 0..5000 W" },
		{ "neither", BATTERY_W, { .kind = ORDER_BALANCE }, "holding" },
		{ "almost nothing", BATTERY_W, { .kind = ORDER_BALANCE, .min_w = -0.4, .max_w = 0.4, .grid_w = -0.4 }, "balancing the grid at 0 W within 0..0 W" },
		{ "half a watt", BATTERY_W, { .kind = ORDER_BALANCE, .min_w = -0.6, .max_w = 0.6 }, "balancing the grid at 0 W within -1..1 W" },
		{ "a car", CAR_W, { .kind = ORDER_POWER, .w = 1380 }, "charging the car with 6.0 A (1380 W)" },
		{ "a car on three phases", CAR_W, { .kind = ORDER_POWER, .w = 4140, .phases = 3 }, "charging the car with 3 x 6.0 A (4140 W)" },
		{ "a car on one", CAR_W, { .kind = ORDER_POWER, .w = 2300, .phases = 1 }, "charging the car with 10.0 A (2300 W)" },
		{ "a car of one phase on three", CAR_ONE_W, { .kind = ORDER_POWER, .w = 3680 }, "charging the car with 16.0 A (3680 W)" },
		{ "a car of two phases on three", CAR_TWO_W, { .kind = ORDER_POWER, .w = 6900 }, "charging the car with 3 x 10.0 A (6900 W)" },
		{ "a car that waits", CAR_W, { .kind = ORDER_POWER }, "not charging the car" },
		{ "the sun", SUN_W, { .kind = ORDER_POWER, .w = -1200.4 }, "producing at most 1200 W" },
		{ "no sun", SUN_W, { .kind = ORDER_POWER }, "producing at most 0 W" },
	};
	static struct work_device w;
	static struct snap_device dev[5];
	static const struct order_wish wish = { .why = "because" };
	char out[DECISION_WHY_MAX], expected[DECISION_WHY_MAX];

	(void)state;
	dev[BATTERY_W].roles = ROLE_BATTERY;
	dev[CAR_W].roles = ROLE_CHARGER;
	dev[CAR_W].phases = 1;
	for (int i = CAR_ONE_W; i <= CAR_TWO_W; i++) {
		dev[i].roles = ROLE_CHARGER;
		dev[i].phases = 3;
		value_set(&dev[i].state.f[F_CHARGER_CURRENT_L1_A], 0.2, 1, Q_GOOD);
		value_set(&dev[i].state.f[F_CHARGER_CURRENT_L2_A], 15.8, 1, Q_GOOD);
		value_set(&dev[i].state.f[F_CHARGER_CURRENT_L3_A], 9, 1, i == CAR_ONE_W ? Q_ABSENT : Q_GOOD);
	}
	dev[SUN_W].roles = ROLE_PV;
	dev[SUN_W].state.caps.can_curtail = true;
	w.wish = &wish;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		w.dev = &dev[ROWS[r].device];
		w.charger = ROWS[r].device == CAR_W || ROWS[r].device >= CAR_ONE_W;
		w.order = ROWS[r].order;
		work_sentence(&w, out, sizeof(out));
		snprintf(expected, sizeof(expected), "%s: because", ROWS[r].what);
		if (strcmp(out, expected) != 0)
			fail_msg("row '%s': %s", ROWS[r].name, out);
	}
	w.dev = &dev[BATTERY_W];
	w.charger = false;
	w.order = (struct order){ .kind = ORDER_BALANCE, .grid_w = 300, .min_w = -5000, .max_w = 5000 };
	w.looks = w.car_apart = true;
	work_sentence(&w, out, sizeof(out));
	assert_string_equal(out, "balancing the grid at 300 W within -5000..5000 W: because; buys that to see whether the sun behind its bound gives more"
			    "; the car's charge is apart from that");
}

/* The longest of each kind, together. What had been asked is left out as a whole, or not at all. */
static void the_longest_fits(void **state)
{
	static struct work_device w;
	static struct snap_device dev;
	static struct order_wish wish;
	char out[DECISION_WHY_MAX], expected[DECISION_WHY_MAX + 200];

	(void)state;
	dev.state.availability = AVAIL_ONLINE;
	w.dev = &dev;
	w.wish = &wish;
	w.order = order_balance(-100000, -100000, 100000);
	memset(w.cut, 'c', sizeof(w.cut) - 1);
	memset(wish.why, 'w', sizeof(wish.why) - 1);
	work_sentence(&w, out, sizeof(out));
	snprintf(expected, sizeof(expected), "balancing the grid at -100000 W within -100000..100000 W: %s", w.cut);
	assert_true(strlen(expected) < sizeof(out) - 5);
	assert_string_equal(out, expected);
	/* exactly as much as fits */
	w.order = order_power(0);
	memset(w.cut, 0, sizeof(w.cut));
	snprintf(w.cut, sizeof(w.cut), "cut");
	work_sentence(&w, out, sizeof(out));
	snprintf(expected, sizeof(expected), "holding: cut; asked: %s", wish.why);
	assert_string_equal(out, expected);
	work_sentence(&w, out, strlen(expected) + 1);
	assert_string_equal(out, expected);
	work_sentence(&w, out, strlen(expected));
	assert_string_equal(out, "holding: cut");
}

/* --- one sentence for every reason --- */

static void override_set(enum override_mode mode, double w)
{
	s.dev[battery].override = (struct override_view){ mode, w, s.utc_ms + HOUR_MS };
}

/* A stored kWh is worth @value. */
static void guide_set(double value, double import, double export)
{
	struct plan_guide *g = &s.dev[battery].guide;

	*g = (struct plan_guide){ .valid = true, .charge_eff = 1, .discharge_eff = 1, .n_segments = 1, .until_utc_ms = s.utc_ms + HOUR_MS };
	g->upto_wh[0] = 10000;
	g->value_per_kwh[0] = (float)value;
	s.import_price = import;
	s.export_price = export;
}

static void a_car(enum ev_mode mode, double ordered_w)
{
	car = desk_charger(&s, ordered_w);
	s.dev[car].ev_mode = mode;
	s.dev[car].ordered = order_power(ordered_w);
	desk_grid(&s, ordered_w);
}

static void set_stopping(void) { s.stopping = true; }
static void set_island(void) { s.grid_lost = true; }
static void set_island_car(void) { s.grid_lost = true; a_car(EV_NOW, 0); }
static void set_paused(void) { s.paused = true; s.pause_until_utc_ms = s.utc_ms + 8 * HOUR_MS; }
static void set_fault(void) { s.dev[battery].state.availability = AVAIL_FAULT; }
static void set_soc_unknown(void) { s.dev[battery].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT; }
static void set_full(void) { desk_soc(&s, battery, 100); override_set(OVERRIDE_CHARGE, 1000); }
static void set_was_full(void) { set_full(); desk_chain(&c, &s, &d); desk_soc(&s, battery, 99.9); }
static void set_hardware(void) { s.site.reserve_pct = 0; desk_soc(&s, battery, 5); override_set(OVERRIDE_DISCHARGE, 1000); }
static void set_meter_lost(void) { s.grid_w.q = Q_ABSENT; }
static void set_meter_lost_car(void) { a_car(EV_UNSET, 7360); s.grid_w.q = Q_ABSENT; }
static void set_unguarded(void) { s.dev[battery].state.caps.guarded_by = GUARDED_NONE; s.dev[battery].state.caps.native_balance = true; override_set(OVERRIDE_CHARGE, 3000); }
static void set_cannot(void) { s.dev[battery].state.caps.can_power = false; override_set(OVERRIDE_CHARGE, 3000); }
static void set_import(void) { s.site.import_limit_w = 3000; override_set(OVERRIDE_CHARGE, NAN); }
static void set_export(void) { s.site.export_limit_w = 3000; override_set(OVERRIDE_DISCHARGE, NAN); }
static void set_outside_import(void) { s.external.import_w = 4200; s.external.import_until_utc_ms = s.utc_ms + 8 * HOUR_MS; override_set(OVERRIDE_CHARGE, NAN); }
static void set_outside_export(void) { s.external.export_w = 0; override_set(OVERRIDE_DISCHARGE, NAN); }
static void set_failsafe_apart(void) { set_outside_import(); s.external.failsafe = s.external.import_heard = true; }
static void set_failsafe_export(void) { set_outside_export(); s.external.failsafe = s.external.import_heard = true; s.external.import_until_utc_ms = s.utc_ms + HOUR_MS; }
static void set_failsafe(void) { s.external.import_w = 1500; s.external.failsafe = true; override_set(OVERRIDE_CHARGE, NAN); }
static void set_fuse(void) { s.site.fuse_a = 16; override_set(OVERRIDE_CHARGE, NAN); }
static void set_demand(void) { s.external.demand_w = 2600; s.external.demand_until_utc_ms = s.utc_ms + HOUR_MS / 4; override_set(OVERRIDE_CHARGE, NAN); }
static void set_support(void) { s.site.import_limit_w = 3000; desk_grid(&s, 4800); override_set(OVERRIDE_HOLD, NAN); }
static void set_floor(void) { desk_soc(&s, battery, 20); }
static void set_floor_event(void) { desk_soc(&s, battery, 19.6); desk_command(&s, battery, MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0)->command_pct = 20; }
static void set_floor_resume(void) { set_floor(); desk_chain(&c, &s, &d); desk_soc(&s, battery, 20.4); override_set(OVERRIDE_DISCHARGE, NAN); }
static void set_floor_near(void) { s.dev[battery].capacity_wh = 1000; desk_soc(&s, battery, 20.1); override_set(OVERRIDE_DISCHARGE, NAN); }
static void set_event(void) { desk_command(&s, battery, MODE_DISCHARGE, POWER_SETPOINT, 3000); }
static void set_event_max(void) { desk_command(&s, battery, MODE_STANDBY, POWER_MAX, 0)->ends_utc_ms = 0; }
static void set_event_car(void) { set_event(); a_car(EV_UNSET, 0); }
static void set_owner(void) { override_set(OVERRIDE_AUTO, NAN); }
static void set_hold(void) { override_set(OVERRIDE_HOLD, NAN); s.dev[battery].override.until_utc_ms = s.utc_ms + 20 * HOUR_MS; }
static void set_car_now(void) { a_car(EV_NOW, 7360); }
static void set_car_now_3(void) { a_car(EV_NOW, 11040); s.dev[car].phases = 3; s.dev[car].state.caps.charge_max_w = 11040; s.dev[car].state.caps.min_w = 4140; }
static void set_car_off(void) { a_car(EV_OFF, 0); }
static void set_plan_charge(void) { guide_set(0.3, 0.1, 0.05); }
static void set_plan_sell(void) { guide_set(0.1, 0.3, 0.2); }
static void set_plan_hold(void) { guide_set(0.2, 0.15, 0.21); s.site.grid_charging = s.site.battery_export = false; }
static void set_plan_store(void) { guide_set(0.2, 0.15, 0.05); s.site.grid_charging = false; }
static void set_plan_cover(void) { guide_set(0.2, 0.3, 0.25); s.site.battery_export = false; }
static void set_plan_self_use(void) { guide_set(0.2, 0.3, 0.05); }
static void set_car_plan(void) { a_car(EV_CHEAP, 2300); s.dev[car].guide = (struct plan_guide){ .valid = true, .planned_w = 2300 }; s.import_price = 0.09; }
static void set_car_deadline(void) { a_car(EV_CHEAP, 7360); s.dev[car].ev_energy_wh = 20000; s.dev[car].ev_ready_by_utc_ms = s.utc_ms + 2 * HOUR_MS; }
static void set_car_deadline_habit(void) { set_car_deadline(); strcpy(s.dev[car].ev_habit, "by habit: leaves 07:10, needs 11 kWh; of 9 sessions"); }
static void set_car_plan_habit(void) { set_car_plan(); strcpy(s.dev[car].ev_habit, "by habit: leaves 07:10, needs 11 kWh; of 9 sessions"); }
static void set_car_absent(void) { a_car(EV_UNSET, 0); value_set(&s.dev[car].state.f[F_CHARGER_CONNECTED], 0, s.now_ms, Q_GOOD); }
static void set_car_done(void) { a_car(EV_CHEAP, 0); s.dev[car].ev_energy_wh = 0; }
static void set_car_plugged(void) { a_car(EV_UNSET, 7360); }
static void set_car_solar(void) { a_car(EV_SOLAR, 0); }
static void set_car_ramp(void) { a_car(EV_NOW, 0); }
static void set_car_dwell(void) { a_car(EV_NOW, 1380); desk_chain(&c, &s, &d); desk_wait(&s, 1000); s.dev[car].ev_mode = EV_OFF; desk_chain(&c, &s, &d); desk_wait(&s, 1000); s.dev[car].ev_mode = EV_NOW; desk_power(&s, car, 0); }
static void set_doubt(void) { desk_grid(&s, 1e6); }

/* A car on three phases and a sun too weak for them, until the charger is told to rest for the switch. */
static void set_phase_dwell(void)
{
	a_car(EV_SOLAR, 5000);
	s.dev[battery].state.availability = AVAIL_OFFLINE;
	s.dev[car].phases = 0;
	s.dev[car].state.caps.switches_phases = true;
	s.dev[car].state.caps.min_w = 4140;
	s.dev[car].state.caps.charge_max_w = 11040;
	for (int t = 0; t < 3600 && (t == 0 || d.d[car].code != REASON_PHASE_DWELL); t++) {
		double told_w = s.dev[car].ordered.kind == ORDER_POWER ? s.dev[car].ordered.w : 0;

		desk_wait(&s, 1000);
		value_set(&s.dev[car].state.f[F_CHARGER_PHASES], 3, s.now_ms, Q_GOOD);
		value_set(&s.dev[car].state.f[F_CHARGER_CONNECTED], 1, s.now_ms, Q_GOOD);
		desk_power(&s, car, told_w);
		desk_grid(&s, told_w - 3000);
		desk_chain(&c, &s, &d);
	}
}

static void set_sun(void)
{
	struct snap_device *pv = &s.dev[s.n_devices];

	sun = s.n_devices++;
	snprintf(pv->id, sizeof(pv->id), "pv");
	pv->roles = ROLE_PV;
	pv->state.availability = AVAIL_ONLINE;
	pv->state.caps = (struct device_caps){ .can_curtail = true, .discharge_max_w = 6000, .guarded_by = GUARDED_DEVICE, .settle_ms = 1000 };
	pv->discharge_max_w = pv->charge_max_w = pv->applied_w = pv->ev_energy_wh = NAN;
	desk_power(&s, sun, -4000);
}

/* It gives nothing any more, and somebody else exports. */
static void set_sun_none_left(void)
{
	set_sun();
	s.dev[battery].state.availability = AVAIL_OFFLINE;
	s.site.export_limit_w = 2000;
	for (int t = 0; t < 20; t++) {
		desk_chain(&c, &s, &d);
		desk_wait(&s, 1000);
		desk_power(&s, sun, 0);
		desk_grid(&s, -3500 - t);
	}
}

static void set_negative(void)
{
	set_sun();
	s.dev[battery].state.availability = AVAIL_OFFLINE;
	s.import_price = 0.1;
	s.export_price = -0.05;
	desk_grid(&s, -3000);
}

static void set_negative_import(void) { set_negative(); s.import_price = -0.02; }
static void set_sun_unguarded(void) { set_negative(); s.dev[sun].state.caps.guarded_by = GUARDED_NONE; }
static void set_sun_limited(void) { set_sun(); s.dev[battery].state.availability = AVAIL_OFFLINE; s.site.export_limit_w = 2000; desk_grid(&s, -3500); }
static void set_car_rating(void) { a_car(EV_OFF, 0); desk_chain(&c, &s, &d); s.dev[car].ev_mode = EV_NOW; s.dev[car].state.caps.charge_max_w = NAN; }
static void set_car_plugged_rating(void) { set_car_rating(); s.dev[car].ev_mode = EV_UNSET; }
static void set_car_solar_kept(void) { a_car(EV_SOLAR, 1380); desk_wait(&s, 10000); desk_power(&s, car, 1380); desk_grid(&s, 1381); }
static void set_car_cheap_kept(void) { set_car_solar_kept(); s.dev[car].ev_mode = EV_CHEAP; }
static void set_car_beside(void) { a_car(EV_UNSET, 7360); }
static void set_car_beside_floor(void) { a_car(EV_UNSET, 7360); set_floor(); }
static void set_unread(void) { s.dev[battery].state.ac_power_w.q = Q_ABSENT; }
static void set_unknown(void) { s.dev[battery].state.availability = AVAIL_UNKNOWN; }
static void set_offline(void) { s.dev[battery].state.availability = AVAIL_OFFLINE; }
static void set_nothing(void) {}

enum who { BATTERY, CAR, SUN, METER };

static const struct {
	enum reason code;
	enum who who;
	void (*set)(void);
	const char *sentence;
} SENTENCES[] = {
	{ REASON_STOPPING, BATTERY, set_stopping,
	  "released: the agent stops" },
	{ REASON_ISLAND, BATTERY, set_island,
	  "released: the grid is away or back for less than 60 s" },
	{ REASON_ISLAND, CAR, set_island_car,
	  "not charging the car: the grid is away or back for less than 60 s" },
	{ REASON_PAUSED, BATTERY, set_paused,
	  "released: paused for service, until 19:00" },
	{ REASON_FAULT, BATTERY, set_fault,
	  "holding: the device reports a fault" },
	{ REASON_SOC_UNKNOWN, BATTERY, set_soc_unknown,
	  "holding: SoC unknown for 60 s" },
	{ REASON_FULL, BATTERY, set_full,
	  "holding: SoC 100.0 % is at the maximum 100 %; asked: the owner's charge of 1000 W, until 12:00" },
	{ REASON_FULL, BATTERY, set_was_full,
	  "holding: SoC 99.9 % was at the maximum 100 %; asked: the owner's charge of 1000 W, until 12:00" },
	{ REASON_HARDWARE_MINIMUM, BATTERY, set_hardware,
	  "holding: SoC 5.0 % is at the hardware minimum 5 %; asked: the owner's discharge of 1000 W, until 12:00" },
	{ REASON_METER_LOST, BATTERY, set_meter_lost,
	  "released: grid meter lost: nothing to balance by; asked: self-use: own sun is stored, own load covered" },
	{ REASON_METER_LOST, CAR, set_meter_lost_car,
	  "charging the car with 6.0 A (1380 W): grid meter lost for 10 s: the charger's own failsafe of 1380 W; asked: a car is plugged in, up to 7360 W" },
	{ REASON_UNGUARDED, BATTERY, set_unguarded,
	  "balancing the grid at 0 W within 0..3000 W: nobody guards the device: not beyond surplus and load; asked: the owner's charge of 3000 W, until 12:00" },
	{ REASON_CANNOT, BATTERY, set_cannot,
	  "holding: it cannot balance by orders; asked: the owner's charge of 3000 W, until 12:00" },
	{ REASON_IMPORT_LIMIT, BATTERY, set_import,
	  "charging 3000 W: import limit 3000 W: 3000 W left instead of 5000 W; asked: the owner's charge of 5000 W, until 12:00" },
	{ REASON_EXPORT_LIMIT, BATTERY, set_export,
	  "discharging 3000 W: export limit 3000 W: 3000 W left instead of 5000 W; asked: the owner's discharge of 5000 W, until 12:00" },
	{ REASON_OUTSIDE_IMPORT, BATTERY, set_outside_import,
	  "charging 4200 W: import limit from outside 4200 W, until 19:00: 4200 W left instead of 5000 W; asked: the owner's charge of 5000 W, until 12:00" },
	{ REASON_OUTSIDE_EXPORT, BATTERY, set_outside_export,
	  "holding: export limit from outside 0 W: 0 W left instead of 5000 W; asked: the owner's discharge of 5000 W, until 12:00" },
	{ REASON_OUTSIDE_IMPORT, BATTERY, set_failsafe_apart,
	  "charging 4200 W: import limit from outside 4200 W, until 19:00: 4200 W left instead of 5000 W; asked: the owner's charge of 5000 W, until 12:00" },
	{ REASON_LIMIT_FAILSAFE, BATTERY, set_failsafe_export,
	  "holding: failsafe, nobody outside is heard: export limit 0 W: 0 W left instead of 5000 W; asked: the owner's discharge of 5000 W, until 12:00" },
	{ REASON_LIMIT_FAILSAFE, BATTERY, set_failsafe,
	  "charging 1500 W: failsafe, nobody outside is heard: import limit 1500 W: 1500 W left instead of 5000 W; asked: the owner's charge of 5000 W, until 12:00" },
	{ REASON_FUSE, BATTERY, set_fuse,
	  "charging 3680 W: fuse 16 A: 3680 W left instead of 5000 W; asked: the owner's charge of 5000 W, until 12:00" },
	{ REASON_DEMAND, BATTERY, set_demand,
	  "charging 2600 W: the month's peak: import 2600 W, until 11:15: 2600 W left instead of 5000 W; asked: the owner's charge of 5000 W, until 12:00" },
	{ REASON_SUPPORT, BATTERY, set_support,
	  "discharging 1800 W: support for the import limit 3000 W; asked: the owner's hold, until 12:00" },
	{ REASON_FLOOR, BATTERY, set_floor,
	  "balancing the grid at 0 W within 0..5000 W: SoC 20.0 % is at the floor 20 % set by the owner; asked: self-use: own sun is stored, own load covered" },
	{ REASON_FLOOR, BATTERY, set_floor_event,
	  "holding: SoC 19.6 % is at the floor 20 % set by event 7d2a0000, until 11:59; asked: event 7d2a0000: DISCHARGE FOLLOW_LOAD, until 11:59" },
	{ REASON_FLOOR_RESUME, BATTERY, set_floor_resume,
	  "holding: SoC 20.4 % was at the floor 20 % set by the owner; from 22 % on it resumes; asked: the owner's discharge of 5000 W, until 12:00" },
	{ REASON_FLOOR_NEAR, BATTERY, set_floor_near,
	  "discharging 1091 W: SoC 20.1 % nears the floor 20 % set by the owner: at most 1091 W; asked: the owner's discharge of 5000 W, until 12:00" },
	{ REASON_EVENT, BATTERY, set_event,
	  "discharging 3000 W: event 7d2a0000: DISCHARGE SETPOINT 3000 W, until 11:59" },
	{ REASON_EVENT, BATTERY, set_event_max,
	  "holding: event 7d2a0000: STANDBY" },
	{ REASON_EVENT_PAUSES_CAR, CAR, set_event_car,
	  "not charging the car: event 7d2a0000 discharges the battery, until 11:59" },
	{ REASON_OWNER, BATTERY, set_owner,
	  "balancing the grid at 0 W within -5000..5000 W: the owner's auto, until 12:00" },
	{ REASON_OWNER, BATTERY, set_hold,
	  "holding: the owner's hold, until Fri 07:00" },
	{ REASON_CAR_NOW, CAR, set_car_now,
	  "charging the car with 32.0 A (7360 W): the owner wants the car charged now, up to 7360 W" },
	{ REASON_CAR_NOW, CAR, set_car_now_3,
	  "charging the car with 3 x 16.0 A (11040 W): the owner wants the car charged now, up to 11040 W" },
	{ REASON_CAR_NOW, CAR, set_car_rating,
	  "not charging the car: the owner wants the car charged now; what the charger can is not known" },
	{ REASON_CAR_PLUGGED, CAR, set_car_plugged_rating,
	  "not charging the car: a car is plugged in; what the charger can is not known" },
	{ REASON_CAR_OFF, CAR, set_car_off,
	  "not charging the car: the owner switched charging off" },
	{ REASON_PLAN_CHARGE, BATTERY, set_plan_charge,
	  "charging 5000 W: plan: charge from the grid; import 0.100, export 0.050, a stored kWh is worth 0.300" },
	{ REASON_PLAN_SELL, BATTERY, set_plan_sell,
	  "discharging 5000 W: plan: sell; import 0.300, export 0.200, a stored kWh is worth 0.100" },
	{ REASON_PLAN_HOLD, BATTERY, set_plan_hold,
	  "holding: plan: hold; import 0.150, export 0.210, a stored kWh is worth 0.200" },
	{ REASON_PLAN_STORE, BATTERY, set_plan_store,
	  "balancing the grid at 0 W within 0..5000 W: plan: store the sun, keep what is stored; import 0.150, export 0.050, a stored kWh is worth 0.200" },
	{ REASON_PLAN_COVER, BATTERY, set_plan_cover,
	  "balancing the grid at 0 W within -5000..0 W: plan: cover the load, leave the sun to the grid; import 0.300, export 0.250, a stored kWh is worth 0.200" },
	{ REASON_PLAN_SELF_USE, BATTERY, set_plan_self_use,
	  "balancing the grid at 0 W within -5000..5000 W: plan: self-use; import 0.300, export 0.050, a stored kWh is worth 0.200" },
	{ REASON_CAR_PLAN, CAR, set_car_plan,
	  "charging the car with 10.0 A (2300 W): cheap: the plan gives the car 2300 W at 0.090" },
	{ REASON_CAR_DEADLINE, CAR, set_car_deadline,
	  "charging the car with 32.0 A (7360 W): cheap: 20.0 kWh to go by 13:00" },
	{ REASON_CAR_PLAN, CAR, set_car_plan_habit,
	  "charging the car with 10.0 A (2300 W): cheap: the plan gives the car 2300 W at 0.090; by habit: leaves 07:10, needs 11 kWh; of 9 sessions" },
	{ REASON_CAR_DEADLINE, CAR, set_car_deadline_habit,
	  "charging the car with 32.0 A (7360 W): cheap: 20.0 kWh to go by 13:00; by habit: leaves 07:10, needs 11 kWh; of 9 sessions" },
	{ REASON_SELF_USE, BATTERY, set_nothing,
	  "balancing the grid at 0 W within -5000..5000 W: self-use: own sun is stored, own load covered" },
	{ REASON_SELF_USE, BATTERY, set_car_beside,
	  "balancing the grid at 0 W within -5000..5000 W: self-use: own sun is stored, own load covered; the car's charge is apart from that" },
	{ REASON_FLOOR, BATTERY, set_car_beside_floor,
	  "balancing the grid at 0 W within 0..5000 W: SoC 20.0 % is at the floor 20 % set by the owner; the car's charge is apart from that; asked: self-use: own sun is stored, own load covered" },
	{ REASON_CAR_ABSENT, CAR, set_car_absent,
	  "not charging the car: no car is plugged in" },
	{ REASON_CAR_DONE, CAR, set_car_done,
	  "not charging the car: the car has the energy it was to get" },
	{ REASON_CAR_PLUGGED, CAR, set_car_plugged,
	  "charging the car with 32.0 A (7360 W): a car is plugged in, up to 7360 W" },
	{ REASON_CAR_SOLAR, CAR, set_car_solar,
	  "not charging the car: solar: 0 W of sun left over, from 1380 W on" },
	{ REASON_CAR_SOLAR, CAR, set_car_solar_kept,
	  "charging the car with 6.0 A (1380 W): solar: 0 W of sun left over, from 1380 W on; what runs goes on for a while" },
	{ REASON_CAR_SOLAR, CAR, set_car_cheap_kept,
	  "charging the car with 6.0 A (1380 W): cheap: no plan, only what the sun leaves: 0 W; what runs goes on for a while" },
	{ REASON_CAR_RAMP, CAR, set_car_ramp,
	  "charging the car with 6.0 A (1380 W): a charge starts with 6 A, rises once the car draws, by 10 A in 5 s; asked: the owner wants the car charged now, up to 7360 W" },
	{ REASON_CAR_DWELL, CAR, set_car_dwell,
	  "not charging the car: 60 s of rest after a pause, tries again at 11:02; asked: the owner wants the car charged now, up to 7360 W" },
	{ REASON_DOUBT, BATTERY, set_doubt,
	  "released: grid meter not believed: nothing to balance by; asked: self-use: own sun is stored, own load covered" },
	{ REASON_PHASE_DWELL, CAR, set_phase_dwell,
	  "not charging the car: paused to change phases, and a minute of rest after it" },
	{ REASON_PV_FREE, SUN, set_sun,
	  "released: the sun gives what it can" },
	{ REASON_PV_FREE, SUN, set_sun_unguarded,
	  "released: export costs 0.050, but nobody guards the inverter: not bounded for a price" },
	{ REASON_NEGATIVE_PRICE, SUN, set_negative,
	  "producing at most 955 W: export costs 0.050: no more sun than is used here" },
	{ REASON_NEGATIVE_PRICE, SUN, set_negative_import,
	  "producing at most 0 W: import pays 0.020 and export costs 0.050: no sun" },
	{ REASON_EXPORT_LIMIT, SUN, set_sun_limited,
	  "producing at most 2470 W: export limit 2000 W; asked: the sun gives what it can" },
	{ REASON_EXPORT_LIMIT, SUN, set_sun_none_left,
	  "producing at most 2470 W: export limit 2000 W; asked: the sun gives what it can" },
	{ REASON_NO_ORDER, BATTERY, set_unknown,
	  "no order: the device has not answered yet" },
	{ REASON_NO_ORDER, BATTERY, set_unread,
	  "no order: not all devices have been read yet" },
	{ REASON_NO_ORDER, BATTERY, set_offline,
	  "no order: the device is offline" },
	{ REASON_NO_ORDER, METER, set_nothing,
	  "no order: nobody may order it" },
};

static void every_reason_has_a_sentence(void **state)
{
	bool found[REASON_COUNT] = { false };

	(void)state;
	for (size_t r = 0; r < sizeof(SENTENCES) / sizeof(SENTENCES[0]); r++) {
		const char *name = reason_word(SENTENCES[r].code);
		int i;

		chain_init(&c);
		desk_init(&s);
		battery = desk_battery(&s, 50);
		SENTENCES[r].set();
		desk_chain(&c, &s, &d);
		i = SENTENCES[r].who == BATTERY ? battery : SENTENCES[r].who == CAR ? car : SENTENCES[r].who == SUN ? sun : s.grid_device;
		if (strcmp(d.d[i].why, SENTENCES[r].sentence) != 0)
			fail_msg("%s: '%s'", name, d.d[i].why);
		assert_row(name, d.d[i].code == SENTENCES[r].code);
		found[d.d[i].code] = true;
	}
	/* belts over braces: what is ordered keeps to ratings and floors before they are looked at once more; a swing is a doubt */
	found[REASON_RATING] = found[REASON_LAST_CHECK] = found[REASON_SWING] = true;
	for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
		if (!found[r])
			fail_msg("no sentence for %s", reason_word((enum reason)r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_time),
		cmocka_unit_test(who_set_the_floor),
		cmocka_unit_test(no_word_is_cut_in_two),
		cmocka_unit_test(what_a_device_does),
		cmocka_unit_test(the_longest_fits),
		cmocka_unit_test(every_reason_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
