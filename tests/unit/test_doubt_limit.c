/* A meter is suspected where holding the batteries would break a limit, if it is right: they go on as told, one gives way a little. */
#include "support/cm.h"
#include "support/doubt_kit.h"

static int battery, other;

/* An inverted meter, three steps, and the battery at @told_w after the last of them. The meter shows @shown_w then. */
static void begin(double told_w, double shown_w)
{
	kit_begin(&POLICY_DOUBT);
	battery = desk_battery(&kit.s, 50);
	kit.gain = -1;
	kit.load_w = -shown_w - told_w;
	kit.power_w[battery] = told_w + 1000;
	kit_tell(battery, order_power(told_w + 1000));
	kit_run(23);
}

static void steps(double told_w, int n)
{
	while (n-- > 0) {
		kit_tell(battery, order_power(kit.order[battery].w > told_w ? told_w : told_w + 1000));
		kit_run(12);
	}
}

static double ordered(int i)
{
	const struct order_wish *o = desk_order(kit.w, i, RANK_NONE);

	return o ? o->order.w : NAN;
}

static bool tried(void)
{
	return !isnan(ordered(battery));
}

/* What it is told at most and at least in @ticks; NAN = nothing. */
static void span(int ticks, double *low_w, double *high_w)
{
	*low_w = *high_w = NAN;
	for (int t = 0; t < ticks; t++) {
		*low_w = fmin(*low_w, ordered(battery));
		*high_w = fmax(*high_w, ordered(battery));
		kit_tick();
	}
}

static bool is(double a, double b)
{
	return isnan(b) ? isnan(a) : fabs(a - b) < 0.01;
}

/* Held at 0 W, or as told less 180 W; either way the meter is found out. */
static void nobody_stops_at_a_limit(void **state)
{
	static const struct { const char *name; double told_w, shown_w, import_w, export_w, demand_w, fuse_a, low_w, high_w; } ROWS[] = {
		{ "no limit", 2000, -3000, 0, 0, 0, 0, 0, 300 }, { "it may go out", 2000, -3000, 0, 5000, 0, 0, 0, 300 },
		{ "may not", 2000, -3000, 0, 4999, 0, 0, 1820, 2000 }, { "it may come in", -2000, 3000, 5000, 0, 0, 0, 0, 300 },
		{ "may not", -2000, 3000, 4999, 0, 0, 0, -2000, -1820 }, { "the month's peak", -2000, 3000, 0, 0, 4999, 0, -2000, -1820 },
		{ "a fuse holds", -2000, 3000, 0, 0, 0, 21.74, 0, 300 }, { "does not", -2000, 3000, 0, 0, 0, 21.73, -2000, -1820 },
		{ "just enough to give way", 180, -3000, 0, 3179, 0, 0, 0, 180 }, { "not enough: it takes more", 179, -3000, 0, 3178, 0, 0, 179, 359 },
		{ "nor the other way", -179, 3000, 3178, 0, 0, 0, NAN, NAN },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double low_w, high_w;

		begin(ROWS[r].told_w, ROWS[r].shown_w);
		kit.s.site.import_limit_w = ROWS[r].import_w;
		kit.s.site.export_limit_w = ROWS[r].export_w;
		kit.s.external.demand_w = ROWS[r].demand_w;
		kit.s.site.fuse_a = ROWS[r].fuse_a;
		steps(ROWS[r].told_w, 3);
		span(60, &low_w, &high_w);
		assert_row(ROWS[r].name, is(low_w, ROWS[r].low_w) && is(high_w, ROWS[r].high_w));
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_METER_INVERTED) != NULL) == !isnan(ROWS[r].low_w));
	}
}

/* While a meter is tried at a limit no car rises, which would look like a limit that gets worse; who is left to itself is. */
static void no_car_rises_meanwhile(void **state)
{
	static const struct { const char *name; struct order car; double export_w, most_w; } ROWS[] = {
		{ "it stays", { .kind = ORDER_POWER, .w = 4140 }, 4000, 4140 }, { "where it was stopped too", { .kind = ORDER_POWER }, 4000, 0 },
		{ "by itself", { .kind = ORDER_RELEASE }, 4000, INFINITY }, { "no limit is at stake", { .kind = ORDER_POWER, .w = 4140 }, 20000, INFINITY },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double most_w = INFINITY;
		int car;

		begin(2000, -3000);
		car = desk_charger(&kit.s, 0);
		kit.wilful = false;
		kit_tell(car, ROWS[r].car);
		kit.load_w -= kit.power_w[car] = ROWS[r].car.w;
		kit.s.site.export_limit_w = ROWS[r].export_w;
		steps(2000, 3);
		for (int t = 0; t < 60 && !tried(); t++)
			kit_tick();
		assert_row(ROWS[r].name, tried());
		for (int i = 0; i < kit.w->n_limits; i++)
			if (kit.w->limits[i].device == car)
				most_w = fmin(most_w, kit.w->limits[i].max_w);
		assert_row(ROWS[r].name, most_w == ROWS[r].most_w);
	}
}

/* Where nobody can give way it is taken at its word once six steps agree. */
static void who_cannot_give_way(void **state)
{
	static const struct { const char *name; int what; bool tried; } ROWS[] = {
		{ "it can", 0, true }, { "nobody guards it", 1, false }, { "nobody, but allowed", 2, true }, { "it can only be held", 3, false },
		{ "it is not measured", 4, false }, { "it cannot be held", 5, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;

		begin(2000, -3000);
		other = desk_battery(&kit.s, 50);
		kit_tell(other, order_power(0));
		kit.s.site.export_limit_w = 4000;
		kit.s.paused = true;
		steps(2000, 5);
		d = &kit.s.dev[other];
		d->state.caps.guarded_by = ROWS[r].what == 1 || ROWS[r].what == 2 ? GUARDED_NONE : GUARDED_DEVICE;
		d->allow_unguarded = ROWS[r].what == 2;
		d->state.caps.can_power = ROWS[r].what != 3 && ROWS[r].what != 5;
		d->state.caps.can_hold = ROWS[r].what != 5;
		kit.silent[other] = ROWS[r].what == 4;
		if (ROWS[r].what == 4)
			d->state.ac_power_w.q = Q_ABSENT;
		kit.s.paused = false;
		kit_tick();
		assert_row(ROWS[r].name, tried() == ROWS[r].tried && !kit.w->meter_lost);
		if (ROWS[r].tried)
			continue;
		d->state.ac_power_w.q = Q_GOOD;
		kit.silent[other] = false;
		d->state.caps.can_power = false;
		steps(2000, 1);
		assert_row(ROWS[r].name, kit.w->meter_lost && !tried());
	}
}

/* Who does nothing takes 180 W where too much goes out: if there is room. */
static void who_takes_more(void **state)
{
	static const struct { const char *name; double shown_w, soc, full, charge_w, high_w; } ROWS[] = {
		{ "it can", -3000, 50, NAN, 5000, 180 }, { "what comes in is no reason", 3000, 50, NAN, 5000, NAN },
		{ "just room", -3000, 97.9, NAN, 5000, 180 }, { "full", -3000, 98, NAN, 5000, NAN },
		{ "room by the owner's word", -3000, 77.9, 80, 5000, 180 }, { "full by that", -3000, 78, 80, 5000, NAN },
		{ "just strong enough", -3000, 50, NAN, 180, 180 }, { "not enough", -3000, 50, NAN, 179, NAN },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double low_w, high_w;

		begin(0, ROWS[r].shown_w);
		kit.s.site.export_limit_w = kit.s.site.import_limit_w = 2999;
		kit.s.dev[battery].soc_max_pct = ROWS[r].full;
		kit.s.dev[battery].state.f[F_BATTERY_SOC_PCT].v = ROWS[r].soc;
		kit.s.dev[battery].state.caps.charge_max_w = ROWS[r].charge_w;
		steps(0, 3);
		span(60, &low_w, &high_w);
		assert_row(ROWS[r].name, is(high_w, ROWS[r].high_w) && is(low_w, isnan(ROWS[r].high_w) ? NAN : 0));
	}
}

/* Once the meter counts as lost for another reason, nobody goes on as told. */
static void a_lost_meter_ends_it(void **state)
{
	static const struct { const char *name; int what; } ROWS[] = { { "frozen", 0 }, { "jumps", 1 }, { "absurd", 2 } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int car, t = 0;

		begin(2000, -3000);
		car = desk_charger(&kit.s, 0);
		kit_tell(car, order_power(0));
		kit.s.site.export_limit_w = 4000;
		kit_run(3);
		steps(2000, 3);
		assert_row(ROWS[r].name, tried());
		kit.frozen = ROWS[r].what == 0;
		for (; tried() && t < 60; t++) {
			kit_tell(car, order_power(t < 5 ? 0 : 6000));
			kit.jump_w = ROWS[r].what == 2 ? 200000 : ROWS[r].what == 1 && t % 2 ? 60000 : 0;
			kit_tick();
			assert_row(ROWS[r].name, !kit.w->meter_lost || !tried());
		}
		assert_row(ROWS[r].name, t < 60 && kit.w->meter_lost);
	}
}

/* Nor is it tried then: whoever went on as told would do so without a meter. */
static void a_lost_meter_is_not_tried(void **state)
{
	static const struct { const char *name; bool frozen; double jump_w; bool tried; } ROWS[] = {
		{ "frozen", true, 0, false }, { "absurd", false, 200000, false }, { "neither", false, 0, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		bool seen = false;
		int car;

		begin(2000, -3000);
		car = desk_charger(&kit.s, 0);
		kit_tell(car, order_power(0));
		kit.s.site.export_limit_w = 4000;
		kit.s.dev[battery].override.mode = OVERRIDE_CHARGE;
		kit_run(3);
		steps(2000, 6);
		kit.frozen = ROWS[r].frozen;
		kit.jump_w = ROWS[r].jump_w;
		kit_tell(car, order_power(ROWS[r].tried ? 0 : 6000));
		kit_run(30);
		assert_row(ROWS[r].name, kit.w->meter_lost != ROWS[r].tried);
		kit.s.dev[battery].override.mode = OVERRIDE_NONE;
		for (int t = 0; t < 10; t++) {
			kit_tick();
			seen = seen || tried();
		}
		assert_row(ROWS[r].name, seen == ROWS[r].tried);
	}
}

/* One gives way, the rest stays: where it was told to be, or where it is by itself. */
static void one_gives_way(void **state)
{
	static const struct { const char *name; double power_w; bool itself; } ROWS[] = {
		{ "told", 1500, false }, { "by itself", 1234, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int n = 0, pushed = 0;

		begin(2000, -3000);
		other = desk_battery(&kit.s, 50);
		kit.power_w[other] = ROWS[r].power_w;
		kit_tell(other, ROWS[r].itself ? order_release() : order_power(ROWS[r].power_w));
		kit.load_w -= ROWS[r].power_w;
		kit.s.site.export_limit_w = 4000;
		kit_run(3);
		steps(2000, 3);
		for (; tried(); n++) {
			assert_row_near(ROWS[r].name, ordered(other), ROWS[r].power_w);
			assert_row(ROWS[r].name, is(ordered(battery), 2000) || is(ordered(battery), 1820));
			pushed += is(ordered(battery), 1820);
			kit_tick();
		}
		assert_row(ROWS[r].name, n > 6 && pushed > 3 && kit_doubt(DOUBT_METER_INVERTED) != NULL);
	}
}

/* Someone's word first; and a limit that is exceeded until orders have stood for 6 s. */
static void it_waits(void **state)
{
	static const struct { const char *name; int what; int least, most; } ROWS[] = {
		{ "nothing to wait for", 0, 0, 0 }, { "a command", 1, 100, 102 }, { "the owner's word", 2, 100, 102 },
		{ "a limit just kept", 3, 0, 0 }, { "exceeded", 4, 0, 6 }, { "the meter is not read", 5, 100, 102 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t = 0;

		begin(2000, -3000);
		kit.s.site.export_limit_w = ROWS[r].what == 3 ? 3000 : ROWS[r].what == 4 ? 2999 : 4000;
		steps(2000, 2);
		kit_tell(battery, order_power(2000));
		if (ROWS[r].what == 1)
			desk_command(&kit.s, battery, MODE_STANDBY, POWER_MAX, 0);
		if (ROWS[r].what == 2)
			kit.s.dev[battery].override.mode = OVERRIDE_CHARGE;
		kit.s.paused = ROWS[r].what == 5;
		kit_run(12);
		if (ROWS[r].what == 5) {
			kit.s.paused = false;
			kit.blind = true;
			kit.s.grid_w.at_ms = kit.s.now_ms - 10000;
		}
		while (!tried() && t++ < 200) {
			if (t == 100) {
				kit.s.dev[battery].command.active = kit.blind = false;
				kit.s.dev[battery].override.mode = OVERRIDE_NONE;
			}
			kit_tick();
		}
		if (!(t >= ROWS[r].least && t <= ROWS[r].most))
			print_error("%d ticks\n", t);
		assert_row(ROWS[r].name, t >= ROWS[r].least && t <= ROWS[r].most);
	}
}

/* A limit that has long been exceeded a little, and then by more: the orders that answer that come first. */
static void more_is_a_new_cause(void **state)
{
	static const struct { const char *name; double first_w, then_w; bool waits; } ROWS[] = {
		{ "nothing more", 0, 0, false }, { "200 W", 0, 200, false }, { "more", 0, 201, true }, { "200 W, in two parts", 100, 100, false },
		{ "more, in two", 101, 101, true }, { "less, then more than it was by 101", -100, 201, true },
		{ "kept in between", -1001, 1001, true }, { "on the other side, by 100 W less", 0, -4400, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t = 0;

		begin(2000, -3000);
		kit.s.site.export_limit_w = 2000;
		kit.s.site.import_limit_w = 500;
		kit.s.dev[battery].override.mode = OVERRIDE_CHARGE;
		steps(2000, 2);
		kit_tell(battery, order_power(2000));
		kit_run(12);
		kit.load_w += ROWS[r].first_w;
		kit_tick();
		kit.s.dev[battery].override.mode = OVERRIDE_NONE;
		kit.load_w += ROWS[r].then_w;
		for (kit_tick(); !tried() && t < 20; t++)
			kit_tick();
		assert_row(ROWS[r].name, t == (ROWS[r].waits ? 6 : 0));
	}
}

/* While nobody knows the grid's power no limit is exceeded for long: the cause is new when the meter is back. */
static void blind_is_no_cause(void **state)
{
	(void)state;
	for (int blind_s = 3; blind_s <= 30; blind_s += 9) {
		int t = 0;

		begin(2000, -3000);
		kit.s.site.export_limit_w = 2000;
		kit.s.dev[battery].override.mode = OVERRIDE_CHARGE;
		steps(2000, 2);
		kit_tell(battery, order_power(2000));
		kit_run(12);
		kit.blind = true;
		kit_run(blind_s);
		kit.blind = false;
		kit.s.dev[battery].override.mode = OVERRIDE_NONE;
		kit.load_w += 1000;
		for (kit_tick(); !tried() && t < 20; t++)
			kit_tick();
		assert_row("blind", t >= 6 && t < 20);
	}
}

/* What makes it worse than it was ends it, and the same suspicion stands again after two minutes. */
static void worse_ends_it(void **state)
{
	static const struct { const char *name; double limit_w, load_w; bool command, ends; } ROWS[] = {
		{ "nothing", 4000, 0, false, false }, { "within 200 W", 4000, 1200, false, false }, { "beyond", 4000, 1201, false, true },
		{ "as it was, and 200 W", 2500, 200, false, false }, { "more", 2500, 201, false, true }, { "a command", 4000, 0, true, true },
		{ "as much on the other side, within 200 W", 2500, -3700, false, false }, { "beyond", 2500, -3701, false, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t = 0;

		begin(2000, -3000);
		kit.s.site.export_limit_w = ROWS[r].limit_w;
		kit.s.site.import_limit_w = 500;
		kit.s.site.grid_charging = true;
		steps(2000, 2);
		kit_tell(battery, order_power(2000));
		while (!tried() && t++ < 100)
			kit_tick();
		assert_row(ROWS[r].name, tried());
		kit_run(2);
		kit.load_w += ROWS[r].load_w;
		if (ROWS[r].command)
			desk_command(&kit.s, battery, MODE_STANDBY, POWER_MAX, 0);
		kit_tick();
		assert_row(ROWS[r].name, tried() == !ROWS[r].ends);
		if (!ROWS[r].ends)
			continue;
		kit.s.dev[battery].command.active = false;
		for (t = 0; !tried() && t < 300; t++)
			kit_tick();
		assert_row(ROWS[r].name, t >= 119 && t <= 121);
	}
}

/* A cloud comes, or a kettle ends, while it goes on as told: not from the grid, nor to it, where the owner says so. */
static void against_a_word_ends_it(void **state)
{
	static const struct { const char *name; double told_w, shown_w, grid_w; bool charging, export, ends; } ROWS[] = {
		{ "from the grid, which it may", 2000, -3000, 201, true, false, false }, { "which it may not", 2000, -3000, 201, false, true, true },
		{ "a little", 2000, -3000, 200, false, true, false }, { "the house's own", 2000, -3000, -201, false, false, false },
		{ "to the grid, which it may", -2000, 3000, -201, false, true, false }, { "which it may not", -2000, 3000, -201, true, false, true },
		{ "a little", -2000, 3000, -200, true, false, false }, { "for the house", -2000, 3000, 201, false, false, false },
		{ "told nothing, from the grid", 0, -3000, 500, false, false, false },
		{ "told nothing, to the grid", 0, -3000, -500, false, false, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin(ROWS[r].told_w, ROWS[r].shown_w);
		kit.s.site.import_limit_w = kit.s.site.export_limit_w = ROWS[r].told_w != 0 ? 4000 : 2999;
		kit.s.site.grid_charging = ROWS[r].charging;
		kit.s.site.battery_export = ROWS[r].export;
		steps(ROWS[r].told_w, 2);
		kit_tell(battery, order_power(ROWS[r].told_w));
		for (int t = 0; !tried() && t < 100; t++)
			kit_tick();
		assert_row(ROWS[r].name, tried());
		kit_run(2);
		kit.load_w = -ROWS[r].grid_w - ROWS[r].told_w;
		kit_tick();
		assert_row(ROWS[r].name, tried() == !ROWS[r].ends);
	}
}

/* What it shows of the little: found out, right, or nothing; then it is asked again. */
static void what_it_shows(void **state)
{
	static const struct { const char *name; double gain; bool named; int trials; } ROWS[] = {
		{ "wrong", -1, true, 1 }, { "right", 1, false, 1 }, { "nothing", 0.45, false, 2 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int trials = 1;
		bool was = true;

		begin(2000, -3000);
		kit.s.site.export_limit_w = 4000;
		steps(2000, 3);
		assert_row(ROWS[r].name, tried());
		kit.load_w = (ROWS[r].gain < 0 ? 3000 : -3000) / fabs(ROWS[r].gain) - 2000; /* it goes on to show the same */
		kit.gain = ROWS[r].gain;
		for (int t = 0; t < 240; t++) {
			kit_tick();
			trials += tried() && !was;
			was = tried();
		}
		assert_row(ROWS[r].name, (kit_doubt(DOUBT_METER_INVERTED) != NULL) == ROWS[r].named);
		assert_int_equal(trials, ROWS[r].trials);
	}
}

/* Ticks until it is tried, of a meter that shows three times what the battery does, to and fro, and is told so by @limit_w. */
static int swinging(double limit_w, bool lasts)
{
	kit_begin(&POLICY_DOUBT);
	battery = desk_battery(&kit.s, 50);
	kit.gain = 3;
	kit.load_w = 1000;
	kit.s.site.import_limit_w = limit_w;
	for (int t = 0; t < 300; t++) {
		kit_tell(battery, order_power((lasts || t < 20) && t % 6 < 3 ? 1000 : 0));
		kit_tick();
		if (tried()) {
			assert_true(is(ordered(battery), 0));
			return t;
		}
	}
	return -1;
}

/* No limit is kept by a meter that swings so for a minute: batteries are held all the same, whatever it shows then. */
static void a_swing_that_lasts_needs_no_limit(void **state)
{
	int free_t;

	(void)state;
	free_t = swinging(0, true);
	assert_in_range(free_t, 5, 60);
	assert_int_equal(swinging(100, true), free_t + 60);
	kit_run(2);
	kit.load_w += 5000;
	kit_tick();
	assert_true(tried());
	assert_int_equal(swinging(100, false), -1);
}

/* Nor by one that jumps: it is not believed meanwhile anyway. However long it does, it is tried once. */
static void jumps_need_no_limit(void **state)
{
	int trials = 0;

	(void)state;
	kit_begin(&POLICY_DOUBT);
	battery = desk_battery(&kit.s, 50);
	kit_tell(battery, order_power(0));
	kit.s.site.import_limit_w = 499;
	kit_run(5);
	for (int t = 0; t < 1000; t++) {
		bool before = tried();

		kit.jump_w = t % 4 == 3 ? 60000 : 0;
		kit_tick();
		trials += !before && tried();
		assert_true(!tried() || before || is(ordered(battery), 0));
		assert_true(t != 19 || trials == 1);
	}
	assert_int_equal(trials, 1);
}

/* A car that is taken down gives back what it took: beyond an export limit only if six steps agree, or some of half its power. */
static void a_car_at_an_export_limit(void **state)
{
	static const struct { const char *name; double limit_w; bool blind; int steps; double rated_w; bool tried; } ROWS[] = {
		{ "no limit", 0, false, 3, 30000, true }, { "it may go out", 3620, false, 3, 30000, true },
		{ "may not", 3619, false, 3, 30000, false }, { "six of them", 3619, false, 6, 30000, true }, { "five", 3619, false, 5, 30000, false },
		{ "the meter is not read", 3620, true, 3, 30000, false }, { "half of what it can", 3619, false, 3, 12000, true },
		{ "not half of it", 3619, false, 3, 12001, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double min_w, max_w;
		int car;

		kit_begin(&POLICY_DOUBT);
		car = desk_charger(&kit.s, 0);
		kit.s.dev[car].state.caps.charge_max_w = ROWS[r].rated_w;
		kit.gain = -1;
		kit.load_w = -3000; /* and 3000 W of the car: the meter shows 0 W */
		kit.s.site.export_limit_w = ROWS[r].limit_w;
		kit.s.paused = true;
		kit.power_w[car] = ROWS[r].steps % 2 ? 5000 : 3000;
		kit_tell(car, order_power(kit.power_w[car]));
		kit_run(23);
		for (int n = 0; n < ROWS[r].steps; n++) {
			kit_tell(car, order_power(kit.order[car].w > 4000 ? 3000 : 5000));
			kit_run(12);
		}
		kit.load_w = -5000; /* that takes the meter to 2000 W of export */
		kit.s.paused = false;
		kit.blind = ROWS[r].blind;
		if (ROWS[r].blind)
			kit.s.grid_w.at_ms = kit.s.now_ms - 10000;
		else
			kit.gain = 1;
		kit_tick();
		desk_bounds(kit.w, car, &min_w, &max_w);
		assert_row(ROWS[r].name, isfinite(max_w) == ROWS[r].tried);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_stops_at_a_limit),
		cmocka_unit_test(no_car_rises_meanwhile),
		cmocka_unit_test(who_cannot_give_way),
		cmocka_unit_test(who_takes_more),
		cmocka_unit_test(a_lost_meter_ends_it),
		cmocka_unit_test(a_lost_meter_is_not_tried),
		cmocka_unit_test(one_gives_way),
		cmocka_unit_test(it_waits),
		cmocka_unit_test(more_is_a_new_cause),
		cmocka_unit_test(blind_is_no_cause),
		cmocka_unit_test(worse_ends_it),
		cmocka_unit_test(against_a_word_ends_it),
		cmocka_unit_test(what_it_shows),
		cmocka_unit_test(a_swing_that_lasts_needs_no_limit),
		cmocka_unit_test(jumps_need_no_limit),
		cmocka_unit_test(a_car_at_an_export_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
