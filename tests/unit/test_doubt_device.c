/* Devices that do something else than told, refuse, answer late; cars that draw more. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery, car;

/* Devices do what `power_w` says, whatever they are told. */
static void begin(double battery_told_w, double car_told_w)
{
	kit_begin(&POLICY_DOUBT_DEVICE);
	battery = desk_battery(&kit.s, 50);
	car = desk_charger(&kit.s, 0);
	kit.wilful = true;
	kit_tell(battery, order_power(battery_told_w));
	kit_tell(car, order_power(car_told_w));
	kit.power_w[battery] = battery_told_w;
	kit.power_w[car] = car_told_w;
	kit_run(10);
}

static void batteries(void **state)
{
	static const struct { const char *name; double told_w, did_w, soc; int ticks; bool named; enum doubt_kind kind; } ROWS[] = {
		{ "as told", -2000, -2000, 50, 200, false, DOUBT_DEVICE_IGNORES },
		{ "a tenth of the rating beyond", -2000, -2500, 50, 200, false, DOUBT_DEVICE_IGNORES },
		{ "more", -2000, -2501, 50, 70, true, DOUBT_DEVICE_IGNORES },
		{ "more, charging", 2000, 2501, 50, 70, true, DOUBT_DEVICE_IGNORES },
		{ "not long enough", -2000, -2501, 50, 60, false, DOUBT_DEVICE_IGNORES },
		{ "just long enough", -2000, -2501, 50, 61, true, DOUBT_DEVICE_IGNORES },
		{ "told 0, moves", 0, 501, 50, 70, true, DOUBT_DEVICE_IGNORES }, { "told 0, stands", 0, 500, 50, 70, false, DOUBT_DEVICE_IGNORES },
		{ "the other way", -2000, 600, 50, 70, true, DOUBT_DEVICE_IGNORES },
		{ "a little the other way is doing nothing", -2000, 400, 50, 70, false, DOUBT_DEVICE_CLAMPS },
		{ "less", -4000, -2499, 50, 70, true, DOUBT_DEVICE_CLAMPS }, { "nothing", -4000, 0, 50, 70, true, DOUBT_DEVICE_CLAMPS },
		{ "just so much", -4000, -2500, 50, 70, false, DOUBT_DEVICE_CLAMPS }, { "not much less", -4000, -2501, 50, 70, false, DOUBT_DEVICE_CLAMPS },
		{ "less, charging", 4000, 2000, 50, 70, true, DOUBT_DEVICE_CLAMPS },
		{ "less, near empty", -4000, -1000, 10, 70, false, DOUBT_DEVICE_CLAMPS }, { "above", -4000, -1000, 10.1, 70, true, DOUBT_DEVICE_CLAMPS },
		{ "less, near full", 4000, 1000, 90, 70, false, DOUBT_DEVICE_CLAMPS }, { "below", 4000, 1000, 89.9, 70, true, DOUBT_DEVICE_CLAMPS },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(ROWS[r].told_w, 0);
		desk_soc(&kit.s, battery, ROWS[r].soc);
		kit.power_w[battery] = ROWS[r].did_w;
		kit_run(ROWS[r].ticks);
		assert_row(ROWS[r].name, (kit_doubt(ROWS[r].kind) != NULL) == ROWS[r].named && kit.w->n_doubts == ROWS[r].named);
		assert_row(ROWS[r].name, kit.w->n_orders == 0 && kit.w->n_limits == 0);
		if (!ROWS[r].named)
			continue;
		kit.power_w[battery] = ROWS[r].told_w;
		kit_run(60);
		assert_row(ROWS[r].name, kit.w->n_doubts == 1);
		kit_run(1);
		assert_row(ROWS[r].name, kit.w->n_doubts == 0);
	}
}

static void small_devices_have_some_play(void **state)
{
	static const struct { const char *name; double did_w; bool named; } ROWS[] = { { "100 W", 100, false }, { "101 W", 101, true } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 0);
		kit.s.dev[battery].charge_max_w = kit.s.dev[battery].discharge_max_w = 800;
		kit.power_w[battery] = ROWS[r].did_w;
		kit_run(70);
		assert_row(ROWS[r].name, kit.w->n_doubts == ROWS[r].named);
	}
}

static void cars(void **state)
{
	static const struct { const char *name; double told_w, did_w; int ticks; bool named; enum doubt_kind kind; } ROWS[] = {
		{ "as told", 2300, 2300, 200, false, DOUBT_CAR_OVERDRAWS }, { "less is its own matter", 3680, 1400, 200, false, DOUBT_DEVICE_CLAMPS },
		{ "a tenth and 200 W more", 2000, 2400, 200, false, DOUBT_CAR_OVERDRAWS }, { "more than that", 2000, 2401, 12, true, DOUBT_CAR_OVERDRAWS },
		{ "not yet", 2000, 2401, 10, false, DOUBT_CAR_OVERDRAWS },
		{ "paused and draws", 0, 737, 70, true, DOUBT_DEVICE_IGNORES }, { "paused and draws a little", 0, 735, 70, false, DOUBT_DEVICE_IGNORES },
		{ "paused and draws, not yet", 0, 1400, 58, false, DOUBT_DEVICE_IGNORES },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, ROWS[r].told_w);
		kit.power_w[car] = ROWS[r].did_w;
		kit_run(ROWS[r].ticks);
		assert_row(ROWS[r].name, (kit_doubt(ROWS[r].kind) != NULL) == ROWS[r].named && kit.w->n_doubts == ROWS[r].named);
		assert_row(ROWS[r].name, !kit_doubt(DOUBT_CAR_OVERDRAWS) || strstr(kit_doubt(DOUBT_CAR_OVERDRAWS)->why, "paused for 5 min"));
	}
}

/* An order that has just been replaced still excuses what is read. */
static void on_its_way(void **state)
{
	(void)state;
	begin(-3000, 0);
	for (int k = 0; k < 40; k++) { /* every five seconds another way; the device is 4 s behind, which is settle time and 3 s */
		kit_tell(battery, order_power(k % 2 ? -3000 : 3000));
		kit_run(4);
		kit.power_w[battery] = k % 2 ? -3000 : 3000;
		kit_run(1);
		assert_int_equal(kit.w->n_doubts, 0);
	}
	begin(-3000, 0);
	kit_tell(battery, order_release());
	kit.power_w[battery] = 4000;
	kit_run(300); /* left to itself it may do what it likes */
	assert_int_equal(kit.w->n_doubts, 0);
	kit_tell(battery, order_balance(0, -5000, 5000));
	kit_run(4); /* and is excused for a while once it is told again */
	kit.power_w[battery] = 0;
	kit_run(100);
	assert_int_equal(kit.w->n_doubts, 0);
	for (int way = -1; way <= 1; way += 2) {
		kit_tell(battery, order_release());
		kit.power_w[battery] = way * 4000;
		kit_run(100);
		assert_int_equal(kit.w->n_doubts, 0);
		kit_tell(battery, order_power(0));
		kit_run(64); /* excused for 4 s, then a minute */
		assert_int_equal(kit.w->n_doubts, 0);
		kit_run(4);
		assert_int_equal(kit.w->n_doubts, 1);
	}
	kit_tell(battery, order_balance(0, -5000, 5000));
	kit.power_w[battery] = 0;
	kit_run(100);
	kit.order[battery].native = true;
	kit.power_w[battery] = 4000;
	kit_run(100);
	assert_int_equal(kit.w->n_doubts, 0);
}

static void a_car_in_danger_is_paused(void **state)
{
	static const struct { const char *name; double import_w, outside_w, demand_w, fuse_a, grid_w, phase_w; int phases; bool paused; } ROWS[] = {
		{ "no limit", 0, NAN, 0, 0, 20000, 0, 3, false }, { "within", 9000, NAN, 0, 0, 9100, 0, 3, false },
		{ "beyond", 9000, NAN, 0, 0, 9101, 0, 3, true }, { "beyond the one from outside", 9000, 4200, 0, 0, 4301, 0, 3, true },
		{ "within that", 9000, 4200, 0, 0, 4300, 0, 3, false }, { "the month's peak", 9000, NAN, 4200, 0, 4301, 0, 3, true },
		{ "within that", 9000, NAN, 4200, 0, 4300, 0, 3, false }, { "the others are tighter", 4200, NAN, 9000, 0, 4301, 0, 3, true },
		{ "a fuse", 0, NAN, 0, 20, 0, 4701, 3, true }, { "within the fuse", 0, NAN, 0, 20, 0, 4700, 3, false },
		{ "no fuse", 0, NAN, 0, 0, 0, 9000, 3, false }, { "its phases hold, the sum does not count", 0, NAN, 0, 20, 14000, 4000, 3, false },
		{ "phases not measured", 0, NAN, 0, 20, 13901, NAN, 3, true }, { "within their sum", 0, NAN, 0, 20, 13900, NAN, 3, false },
		{ "one phase", 0, NAN, 0, 20, 4701, NAN, 1, true }, { "within it", 0, NAN, 0, 20, 4700, NAN, 0, false },
		{ "nothing to fuse", 0, NAN, 0, 0, 20000, NAN, 1, false }, { "nothing is measured", 0, NAN, 0, 20, NAN, NAN, 1, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct order_wish *o;

		begin(0, 2000);
		kit.s.site.import_limit_w = ROWS[r].import_w;
		kit.s.external.import_w = ROWS[r].outside_w;
		kit.s.external.demand_w = ROWS[r].demand_w;
		kit.s.dev[0].phases = ROWS[r].phases;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		kit.power_w[car] = 3000;
		for (int t = 0; t < 14; t++) {
			kit.blind = true;
			value_set(&kit.s.grid_w, ROWS[r].grid_w, kit.s.now_ms + KIT_TICK_MS, Q_GOOD);
			for (int p = 0; p < 3; p++)
				value_set(&kit.s.phase_w[p], p == 1 || isnan(ROWS[r].phase_w) ? ROWS[r].phase_w : 0, kit.s.now_ms + KIT_TICK_MS, Q_GOOD);
			kit_tick();
		}
		o = desk_order(kit.w, car, RANK_NONE);
		assert_row(ROWS[r].name, kit_doubt(DOUBT_CAR_OVERDRAWS) && (o != NULL) == ROWS[r].paused);
		assert_row(ROWS[r].name, !o || (o->order.kind == ORDER_POWER && o->order.w == 0 && o->code == REASON_DOUBT));
		if (!o)
			continue;
		kit.power_w[car] = 0;
		value_set(&kit.s.grid_w, 0, kit.s.now_ms, Q_GOOD);
		value_set(&kit.s.phase_w[1], 0, kit.s.now_ms, Q_GOOD);
		kit_run(299);
		assert_row(ROWS[r].name, desk_order(kit.w, car, RANK_NONE) != NULL);
		kit_run(1);
		assert_row(ROWS[r].name, desk_order(kit.w, car, RANK_NONE) == NULL && kit.w->n_doubts == 0);
	}
}

/* Fuse 20 A: 4600 W a phase, and 100 W more. What is not read is what the sum leaves. */
static void danger_on_a_phase_that_is_not_read(void **state)
{
	static const struct { const char *name; double l[3], grid_w; int phases; bool seen, paused; } ROWS[] = {
		{ "one, beyond", { 1000, NAN, 500 }, 6201, 3, false, true }, { "one, within", { 1000, NAN, 500 }, 6200, 3, false, false },
		{ "two, beyond", { 4000, NAN, NAN }, 13301, 3, false, true }, { "two, within", { 4000, NAN, NAN }, 13300, 3, false, false },
		{ "two that were shown before, beyond", { NAN, NAN, 4000 }, 13301, 0, true, true },
		{ "two that were shown before, within", { NAN, NAN, 4000 }, 13300, 0, true, false },
		{ "there are no more", { 4000, NAN, NAN }, 13301, 1, false, false },
		{ "none is, that were shown before", { NAN, NAN, NAN }, 13901, 0, true, true },
		{ "none is, within", { NAN, NAN, NAN }, 13900, 0, true, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 2000);
		kit.s.dev[0].phases = ROWS[r].phases;
		kit.s.site.fuse_a = 20;
		kit.power_w[car] = 3000;
		kit.blind = true;
		for (int t = 0; t < 30; t++) {
			value_set(&kit.s.grid_w, t < 16 ? 0 : ROWS[r].grid_w, kit.s.now_ms + KIT_TICK_MS, Q_GOOD);
			for (int p = 0; p < 3; p++)
				value_set(&kit.s.phase_w[p], t < 16 && (ROWS[r].seen || !isnan(ROWS[r].l[p])) ? 0 : ROWS[r].l[p],
					  kit.s.now_ms + KIT_TICK_MS, Q_GOOD);
			kit_tick();
		}
		assert_row(ROWS[r].name, (desk_order(kit.w, car, RANK_NONE) != NULL) == ROWS[r].paused);
	}
}

static void danger_must_last_and_be_its_doing(void **state)
{
	static const struct { const char *name; double did_w; int over, paused; bool stop; bool must; } ROWS[] = {
		{ "five seconds", 3000, 6, 0, false, true }, { "four", 3000, 4, 0, false, false }, { "the car does as told", 2000, 20, 0, false, false },
		{ "the agent stops", 3000, 20, 0, true, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 2000);
		kit.s.site.import_limit_w = 5000;
		kit.power_w[car] = ROWS[r].did_w;
		kit_run(20);
		kit.s.stopping = ROWS[r].stop;
		kit.load_w = 9000;
		kit_run(ROWS[r].over);
		kit.load_w = 0;
		kit_tick();
		assert_row(ROWS[r].name, (desk_order(kit.w, car, RANK_NONE) != NULL) == ROWS[r].must);
	}
}

static void verdicts(void **state)
{
	static const struct { const char *name; enum verdict v; int on, off, times; bool named; enum doubt_kind kind; } ROWS[] = {
		{ "applied", VERDICT_APPLIED, 100, 1, 5, false, DOUBT_DEVICE_IGNORES }, { "foreign is somebody else's word", VERDICT_FOREIGN, 100, 1, 5, false, DOUBT_DEVICE_IGNORES },
		{ "once", VERDICT_REFUSED, 5, 5, 1, false, DOUBT_DEVICE_IGNORES }, { "twice", VERDICT_REFUSED, 5, 5, 2, false, DOUBT_DEVICE_IGNORES },
		{ "three times", VERDICT_REFUSED, 5, 5, 3, true, DOUBT_DEVICE_IGNORES }, { "ignored", VERDICT_IGNORED, 5, 5, 3, true, DOUBT_DEVICE_IGNORES },
		{ "clamped", VERDICT_CLAMPED, 5, 5, 3, true, DOUBT_DEVICE_CLAMPS }, { "a minute long", VERDICT_IGNORED, 61, 1, 1, true, DOUBT_DEVICE_IGNORES },
		{ "nearly", VERDICT_IGNORED, 60, 1, 1, false, DOUBT_DEVICE_IGNORES }, { "seldom", VERDICT_REFUSED, 1, 301, 3, false, DOUBT_DEVICE_IGNORES },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 0);
		kit_run(310);
		for (int k = 0; k < ROWS[r].times; k++) {
			kit.s.dev[battery].state.verdict = ROWS[r].v;
			kit_run(ROWS[r].on);
			kit.s.dev[battery].state.verdict = VERDICT_APPLIED;
			kit_run(ROWS[r].off);
		}
		assert_row(ROWS[r].name, (kit_doubt(ROWS[r].kind) != NULL) == ROWS[r].named && kit.w->n_doubts == ROWS[r].named);
		if (ROWS[r].named) {
			kit_run(59 - ROWS[r].off);
			assert_row(ROWS[r].name, kit.w->n_doubts == 1);
		}
		kit_run(1);
		assert_row(ROWS[r].name, kit.w->n_doubts == 0);
	}
}

/* The next reading after @gap_ms, ticks of @tick_ms all the while. */
static void next_reading(int64_t gap_ms, int64_t tick_ms)
{
	for (int64_t t = 0; t < gap_ms; t += tick_ms) {
		int64_t ms = gap_ms - t < tick_ms ? gap_ms - t : tick_ms;

		desk_wait(&kit.s, ms - KIT_TICK_MS);
		if (t + ms == gap_ms) {
			desk_power(&kit.s, battery, 0);
			kit.s.dev[battery].state.ac_power_w.at_ms += KIT_TICK_MS;
		}
		kit_tick();
	}
}

/* By the times of its readings, with ticks in time between them: who asks late himself is answered late. */
static void late_answers(void **state)
{
	static const struct { const char *name; int64_t usual_ms, gap_ms, tick_ms; int times; bool offline, named; int32_t period_ms; } ROWS[] = {
		{ "always so slow", 9000, 9000, 1000, 20, false, false, 0 }, { "nearly three times later", 2000, 5900, 1000, 1, false, false, 0 },
		{ "more", 2000, 7000, 1000, 3, false, true, 0 }, { "twice", 2000, 7000, 1000, 2, false, false, 0 },
		{ "3 s are nothing", 500, 3000, 1000, 5, false, false, 0 }, { "more than 3 s", 500, 3500, 1000, 5, false, true, 0 },
		{ "it was offline", 1000, 9000, 1000, 5, true, false, 0 }, { "our ticks are slow too", 2000, 7000, 2000, 3, false, true, 0 },
		{ "we were late", 2000, 7000, 2001, 3, false, false, 0 }, { "by much", 2000, 20000, 20000, 20, false, false, 0 },
		{ "read again behind orders, then seldom", 1000, 10000, 1000, 20, false, false, 10000 },
		{ "three periods", 1000, 9000, 1000, 5, false, false, 3000 }, { "more", 1000, 9500, 1000, 5, false, true, 3000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 0);
		kit.silent[battery] = true;
		kit.s.dev[car].state.availability = AVAIL_OFFLINE;
		kit.s.dev[battery].state.period_ms = ROWS[r].period_ms;
		for (int k = 0; k < 60; k++)
			next_reading(ROWS[r].usual_ms, 1000);
		for (int k = 0; k < ROWS[r].times; k++) {
			if (ROWS[r].offline) {
				kit.s.dev[battery].state.availability = AVAIL_OFFLINE;
				kit_run((int)(ROWS[r].gap_ms / KIT_TICK_MS) - 1);
				kit.s.dev[battery].state.availability = AVAIL_ONLINE;
			}
			next_reading(ROWS[r].offline ? KIT_TICK_MS : ROWS[r].gap_ms, ROWS[r].tick_ms);
		}
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_DEVICE_LATE) != NULL) == ROWS[r].named && kit.w->n_doubts == ROWS[r].named);
		kit.silent[battery] = false;
		kit_run(302);
		assert_row(ROWS[r].name, kit.w->n_doubts == 0);
	}
}

/* One late tick excuses the reading it falls into, not those after it. */
static void only_what_we_were_late_for(void **state)
{
	(void)state;
	begin(0, 0);
	kit.silent[battery] = true;
	kit.s.dev[car].state.availability = AVAIL_OFFLINE;
	for (int k = 0; k < 60; k++)
		next_reading(2000, 1000);
	for (int k = 0; k < 3; k++) {
		next_reading(9000, 9000);
		next_reading(2000, 1000);
	}
	assert_int_equal(kit.w->n_doubts, 0);
	for (int k = 0; k < 3; k++) {
		assert_int_equal(kit.w->n_doubts, 0);
		next_reading(9000, 1000);
	}
	assert_non_null(kit_doubt(DOUBT_DEVICE_LATE));
}

/* The meter is a witness: where it came as late meanwhile, it is whoever reads them. */
static void the_meter_is_late_too(void **state)
{
	static const struct { const char *name; int tick_ms, from, blind; bool named; } ROWS[] = {
		{ "it is in time", 1000, 0, 0, true }, { "three times its usual", 1000, 0, 2, true }, { "more", 1000, 0, 3, false },
		{ "at the end", 1000, 5, 4, false }, { "all the time", 1000, 0, 99, false }, { "3 s", 500, 0, 5, true }, { "more", 500, 0, 6, false },
		{ "two of its slow ones", 1800, 0, 1, true }, { "three", 1800, 0, 2, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 0);
		kit.s.site.tick_ms = (int)ROWS[r].tick_ms;
		kit.silent[battery] = true;
		kit.s.dev[car].state.availability = AVAIL_OFFLINE;
		for (int k = 0; k < 60; k++)
			next_reading(1500, ROWS[r].tick_ms);
		for (int k = 0; k < 3; k++) {
			for (int t = 0; t * ROWS[r].tick_ms < 9000; t++) {
				kit.blind = t >= ROWS[r].from && t < ROWS[r].from + ROWS[r].blind;
				desk_wait(&kit.s, ROWS[r].tick_ms - KIT_TICK_MS);
				if ((t + 1) * ROWS[r].tick_ms >= 9000) {
					desk_power(&kit.s, battery, 0);
					kit.s.dev[battery].state.ac_power_w.at_ms += KIT_TICK_MS;
				}
				kit_tick();
			}
			kit.blind = false;
			for (int n = 0; n < 4; n++)
				next_reading(1500, ROWS[r].tick_ms);
		}
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_DEVICE_LATE) != NULL) == ROWS[r].named);
	}
}

static void who_is_not_read_is_not_judged(void **state)
{
	(void)state;
	begin(0, 0);
	kit.power_w[battery] = 3000;
	kit_run(50);
	kit.s.dev[battery].state.availability = AVAIL_OFFLINE;
	kit_run(5);
	kit.s.dev[battery].state.availability = AVAIL_ONLINE;
	kit_run(50); /* it begins anew, and is excused at first */
	assert_int_equal(kit.w->n_doubts, 0);
	kit.silent[battery] = true;
	kit_run(100); /* no new reading, no new judgement */
	assert_int_equal(kit.w->n_doubts, 0);
}

/* PV under a bound: more than allowed is ignoring it, less is the weather. */
static void pv(void **state)
{
	static const struct { const char *name; double did_w; bool named; } ROWS[] = {
		{ "as told", -2000, false }, { "cloudy", -100, false }, { "more", -2700, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(0, 0);
		kit.s.dev[car].roles = ROLE_PV;
		kit.s.dev[car].state.caps.can_curtail = true;
		kit.s.dev[car].state.caps.charge_max_w = 0;
		kit.s.dev[car].discharge_max_w = 6000;
		kit_tell(car, order_power(-2000));
		kit.power_w[car] = ROWS[r].did_w;
		kit_run(80);
		assert_row(ROWS[r].name, kit.w->n_doubts == ROWS[r].named);
	}
}

static void names_leave_room_for_others(void **state)
{
	(void)state;
	kit_begin(&POLICY_DOUBT_DEVICE);
	for (int i = 0; i < 20; i++)
		kit_tell(desk_battery(&kit.s, 50), order_power(0));
	kit.wilful = true;
	kit_run(10);
	for (int i = 1; i <= 20; i++)
		kit.power_w[i] = 3000;
	kit_run(100);
	assert_int_equal(kit.w->n_doubts, DOUBTS_MAX - 5);
	assert_int_equal(kit.w->overflow, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batteries),
		cmocka_unit_test(small_devices_have_some_play),
		cmocka_unit_test(cars),
		cmocka_unit_test(on_its_way),
		cmocka_unit_test(a_car_in_danger_is_paused),
		cmocka_unit_test(danger_on_a_phase_that_is_not_read),
		cmocka_unit_test(danger_must_last_and_be_its_doing),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(late_answers),
		cmocka_unit_test(only_what_we_were_late_for),
		cmocka_unit_test(the_meter_is_late_too),
		cmocka_unit_test(who_is_not_read_is_not_judged),
		cmocka_unit_test(pv),
		cmocka_unit_test(names_leave_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
