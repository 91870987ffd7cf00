/* The watchman watched: every rule of what must never happen is broken once, by hand, and must be named. */
#include "support/cm.h"
#include "support/scenario.h"

#include <math.h>
#include <string.h>

enum { BATTERY, CHARGER, PV, SECOND };

static struct home home;
static struct snapshot s;
static struct chain chain;
static struct decisions d;
static struct invariants m;
static char what[400];

/* A good home: a battery and a second one, a car, sun; everybody does what is right for the moment. */
static void good(void)
{
	memset(&home, 0, sizeof(home));
	memset(&s, 0, sizeof(s));
	memset(&chain, 0, sizeof(chain));
	memset(&d, 0, sizeof(d));
	memset(&m, 0, sizeof(m));
	home.load_w = 1000;
	home.meter_phases = true;
	home.n = 4;
	home.d[BATTERY] = home.d[SECOND] = (struct home_device){ .kind = HOME_BATTERY, .soc_pct = 50, .soc_min_pct = 5, .can_power = true,
								 .guarded = true, .native = true, .mirrors_reserve = true };
	home.d[CHARGER] = (struct home_device){ .kind = HOME_CHARGER, .connected = true, .car_wh = 20000, .guarded = true, .max_a = 32,
						.switches_phases = true, .phase_dwell_s = 60 };
	home.d[PV] = (struct home_device){ .kind = HOME_PV, .peak_w = 5000, .sun_w = 2000, .can_curtail = true, .guarded = true };
	home_start(&home);
	s.clock_trusted = true;
	s.site.reserve_pct = 20;
	s.site.tick_ms = 1000;
	s.site.grid_charging = s.site.battery_export = true;
	s.external.import_w = s.external.export_w = s.import_price = s.export_price = NAN;
	for (int i = 0; i < home.n; i++)
		s.dev[i].command.owner_event_pct = s.dev[i].command.command_pct = s.dev[i].command.event_pct =
			s.dev[i].command.program_min_pct = NAN;
	home_snapshot(&home, &s);
	s.utc_ms = 1767265200000;
	d.n = s.n_devices;
	d.mode = RANK_SELF_USE;
	d.floor_pct = 20;
	snprintf(d.floor_source, sizeof(d.floor_source), "user");
	snprintf(d.why, sizeof(d.why), "self-use");
	for (int i = 0; i < home.n; i++) {
		d.d[i].order.kind = i == CHARGER ? ORDER_POWER : ORDER_RELEASE;
		d.d[i].rank = RANK_SELF_USE;
		d.d[i].code = REASON_SELF_USE;
		snprintf(d.d[i].why, sizeof(d.d[i].why), "self-use");
	}
}

static void check(void)
{
	what[0] = '\0';
	invariants_check(&m, &home, &s, &chain, &d, what, sizeof(what));
}

static void power(int i, double w)
{
	d.d[i].order = (struct order){ .kind = ORDER_POWER, .w = w };
}

static void balance(int i, double min_w, double max_w, bool native)
{
	d.d[i].order = (struct order){ .kind = ORDER_BALANCE, .min_w = min_w, .max_w = max_w, .native = native };
}

static struct command_view *command(int i)
{
	struct command_view *c = &s.dev[i].command;

	c->active = true;
	c->mode = MODE_DISCHARGE;
	c->grid_import = TRI_NO;
	c->starts_utc_ms = s.utc_ms - 1000;
	c->ends_utc_ms = s.utc_ms + 1000;
	return c;
}

static void doubt(int device, enum doubt_kind kind)
{
	d.doubts[d.n_doubts] = (struct doubt){ .device = device, .kind = kind };
	snprintf(d.doubts[d.n_doubts++].why, sizeof(d.doubts[0].why), "seen");
}

static void limit(int device, double min_w, double max_w)
{
	chain.wishes.limits[chain.wishes.n_limits++] = (struct limit_wish){ .device = device, .min_w = min_w, .max_w = max_w };
}

static void nothing(void) { }
static void discharges(void) { power(BATTERY, -1000); }
static void at_floor(void) { power(BATTERY, -1); s.dev[BATTERY].state.f[F_BATTERY_SOC_PCT].v = 20; }
static void above_floor(void) { power(BATTERY, -1); s.dev[BATTERY].state.f[F_BATTERY_SOC_PCT].v = 20.1; }
static void truly_below(void) { power(BATTERY, -1); home.d[BATTERY].soc_pct = 19.3; }
static void told_wrong(void) { truly_below(); home.d[BATTERY].lie.soc_offset_pct = 5; }
static void command_floor(void) { discharges(); command(BATTERY)->command_pct = 50; d.floor_pct = 50; }
static void owner_floor(void)
{
	discharges();
	command(BATTERY)->command_pct = 30;
	s.dev[BATTERY].command.owner_event_pct = 60;
	d.floor_pct = 60;
}
static void program_floor(void)
{
	owner_floor();
	s.dev[BATTERY].command.owner_event_pct = 10;
	s.dev[BATTERY].command.program_min_pct = 55;
	d.floor_pct = 55;
}
static void user_honoured(void)
{
	discharges();
	command(BATTERY)->command_pct = 10;
	s.site.honour_user_floor = true;
	s.site.reserve_pct = 50;
	d.floor_pct = 50;
}
static void command_lower(void) { discharges(); command(BATTERY)->command_pct = 10; s.site.reserve_pct = 60; d.floor_pct = 10; }
static void command_over(void) { command_lower(); s.dev[BATTERY].command.ends_utc_ms = s.utc_ms; d.floor_pct = 60; }
static void command_untrusted(void) { command_lower(); s.clock_trusted = false; d.floor_pct = 60; }
static void hardware_floor(void) { discharges(); s.site.reserve_pct = 0; s.dev[BATTERY].soc_min_pct = 50; d.floor_pct = 50; }
static void too_strong_out(void) { power(BATTERY, -5001); }
static void too_strong_in(void) { power(BATTERY, 5001); }
static void unguarded(void) { power(BATTERY, 100); home.d[BATTERY].guarded = false; }
static void unguarded_loop(void) { balance(BATTERY, -100, 100, false); d.d[BATTERY].order.w = 100; home.d[BATTERY].guarded = false; }
static void unguarded_allowed(void) { unguarded(); home.d[BATTERY].allow_unguarded = true; }
static void island(void) { power(BATTERY, 0); s.grid_lost = true; d.d[CHARGER].order.w = 0; }
static void just_back(void) { power(BATTERY, 0); s.grid_back_ms = s.now_ms - 59999; }
static void long_back(void) { power(BATTERY, 0); s.grid_back_ms = s.now_ms - 60000; }
static void paused(void) { power(BATTERY, 0); s.paused = true; d.d[CHARGER].order.kind = ORDER_RELEASE; }
static void cannot_balance(void) { balance(BATTERY, -1, 1, true); home.d[BATTERY].native = false; }
static void balances_elsewhere(void) { balance(BATTERY, -1, 1, true); d.d[BATTERY].order.grid_w = 5; }
static void soc_old(void) { power(BATTERY, 1); s.dev[BATTERY].state.f[F_BATTERY_SOC_PCT].at_ms = s.now_ms - 60001; }
static void soc_young(void) { power(BATTERY, 1); s.dev[BATTERY].state.f[F_BATTERY_SOC_PCT].at_ms = s.now_ms - 60000; }
static void soc_doubted(void) { power(BATTERY, 1); doubt(BATTERY, DOUBT_SOC_JUMPS); }
static void other_doubted(void) { power(BATTERY, 1); doubt(SECOND, DOUBT_SOC_JUMPS); m.lied_ms = 1; }
static void doubted_for_nothing(void) { doubt(SECOND, DOUBT_SOC_FROZEN); }
static void meter_doubted_for_nothing(void) { doubt(4, DOUBT_METER_SCALE); }
static void liar_doubted(void) { meter_doubted_for_nothing(); home.lie.gain = 3; }
static void loop_doubted(void) { doubt(SECOND, DOUBT_SWING); doubt(SECOND, DOUBT_DEVICE_LATE); }
static void blind_charge(void) { power(BATTERY, 1); s.grid_w.at_ms = s.now_ms - 10001; }
static void blind_discharge(void) { power(BATTERY, -1); s.grid_w.at_ms = s.now_ms - 10001; }
static void blind_native(void) { balance(BATTERY, -1000, 0, true); s.grid_w.at_ms = s.now_ms - 10001; }
static void seeing(void) { power(BATTERY, 1); s.grid_w.at_ms = s.now_ms - 10000; }
static void meter_doubted(void) { power(BATTERY, 1); doubt(4, DOUBT_METER_INVERTED); }
static void phases_doubted(void) { power(BATTERY, 1); doubt(4, DOUBT_PHASES_SWAPPED); }
static void imports(void) { power(BATTERY, 1); command(BATTERY); }
static void imports_by_owner(void) { imports(); d.mode = d.d[BATTERY].rank = RANK_OVERRIDE; }
static void event_without(void) { d.d[BATTERY].rank = RANK_EVENT; }
static void event_in_savings(void)
{
	command(BATTERY)->mode = MODE_SAVINGS;
	d.d[BATTERY].rank = RANK_EVENT;
	d.d[BATTERY].until_utc_ms = s.utc_ms + 1000;
}
static void event_too_long(void) { command(BATTERY); d.d[BATTERY].rank = RANK_EVENT; d.d[BATTERY].until_utc_ms = s.utc_ms + 1001; }
static void event_right(void) { event_too_long(); d.mode = RANK_EVENT; d.d[BATTERY].until_utc_ms--; }
static void plan_buys(void) { power(BATTERY, 1); d.d[BATTERY].rank = RANK_PLAN; s.site.grid_charging = false; }
static void plan_sells(void) { power(BATTERY, -1); d.d[BATTERY].rank = RANK_PLAN; s.site.battery_export = false; }
static void mirrored_at_0(void)
{
	home.d[BATTERY].mirror_reserve = true;
	d.d[BATTERY].order.reserve_pct = 1; /* 0 would leave there what was written before */
	s.site.reserve_pct = d.floor_pct = 0;
	s.dev[BATTERY].soc_min_pct = 0;
}
static void mirrored_unasked(void) { d.d[BATTERY].order.reserve_pct = 20; }
static void mirrored_not(void) { home.d[BATTERY].mirror_reserve = true; }
static void mirrored_high(void) { home.d[BATTERY].mirror_reserve = true; d.d[BATTERY].order.reserve_pct = 21; }
static void mirrored(void) { home.d[BATTERY].mirror_reserve = true; d.d[BATTERY].order.reserve_pct = 20; }
static void mirrored_for_ever(void)
{
	mirrored();
	command(BATTERY)->command_pct = 30;
	d.floor_pct = 30;
	s.stopping = true;
	d.d[CHARGER].order.kind = ORDER_RELEASE;
	d.d[BATTERY].order.reserve_pct = 20;
}
static void car_balances(void) { balance(CHARGER, 0, 1, false); }
static void car_too_little(void) { power(CHARGER, 1300); }
static void car_too_much(void) { power(CHARGER, 33 * 230); }
static void car_backwards(void) { power(CHARGER, -1380); }
static void car_on_island(void) { s.grid_lost = true; d.d[CHARGER].order.kind = ORDER_RELEASE; }
static void car_in_pause(void) { s.paused = true; }
static void car_blind(void) { power(CHARGER, 8 * 230); m.charger_w[CHARGER] = 8 * 230; s.grid_w.at_ms = s.now_ms - 10001; }
static void car_at_once(void) { power(CHARGER, 7 * 230); s.dev[CHARGER].ordered.kind = ORDER_POWER; }
static void car_taken_over(void) { power(CHARGER, 7 * 230); }
static void car_leaps(void) { power(CHARGER, 17 * 230); m.charger_w[CHARGER] = 6 * 230; s.dev[CHARGER].ordered.kind = ORDER_POWER; }
static void car_rises(void) { power(CHARGER, 16 * 230); m.charger_w[CHARGER] = 6 * 230; s.dev[CHARGER].ordered.kind = ORDER_POWER; }
static void car_too_soon(void) { power(CHARGER, 7 * 230); m.charger_w[CHARGER] = 6 * 230; m.charger_changed_ms[CHARGER] = s.now_ms - 4999; }
static void car_in_time(void) { car_too_soon(); m.charger_changed_ms[CHARGER]--; }
static void car_cut(void)
{
	power(CHARGER, 6 * 230);
	m.charger_w[CHARGER] = 7 * 230;
	m.charger_changed_ms[CHARGER] = s.now_ms - 1;
	d.d[CHARGER].limited_by = 1u << RANK_LIMIT;
}
static void car_again(void) { power(CHARGER, 6 * 230); m.charger_zero_ms[CHARGER] = s.now_ms - 59999; }
static void car_later(void) { car_again(); m.charger_zero_ms[CHARGER]--; }
static void phases_cannot(void) { d.d[CHARGER].order.phases = 3; home.d[CHARGER].switches_phases = false; }
static void phases_two(void) { d.d[CHARGER].order.phases = 2; }
static void phases_loaded(void) { power(CHARGER, 6 * 230); d.d[CHARGER].order.phases = 3; }
static void phases_hot(void) { home.d[CHARGER].switched_hot = 1; }
static void phases_hot_liar(void) { phases_hot(); home.d[CHARGER].lie.late_ms = 1000; }
/* The contactors have moved just now, and @ago_ms before; or nine times, an hour apart, and once more before those. */
static void switched(int times, int64_t ago_ms)
{
	struct invariant_switches *sw = &m.switched[CHARGER];

	home.d[CHARGER].switches = times + 1;
	home.d[CHARGER].switched_ms = 200000000;
	sw->seen = sw->n = times;
	for (int k = 0; k < times; k++)
		sw->at_ms[k] = k == 0 ? home.d[CHARGER].switched_ms - ago_ms : home.d[CHARGER].switched_ms - (times - k) * 3600000LL;
}
static void phases_often(void) { switched(1, 299999); }
static void phases_rested(void) { switched(1, 300000); }
static void phases_asked_rest(void) { switched(1, 300000); home.d[CHARGER].phase_dwell_s = 301; }
static void phases_ten(void) { switched(9, 80000000); }
static void phases_eleven(void) { switched(10, 86399999); }
static void phases_next_day(void) { switched(10, 86400000); }
static void phases_seen(void) { switched(1, 299999); home.d[CHARGER].switches = 1; }
static void sun_balances(void) { balance(PV, -1, 0, false); }
static void sun_fixed(void) { power(PV, -1); home.d[PV].can_curtail = false; }
static void sun_takes(void) { power(PV, 1); s.site.export_limit_w = 1; }
static void sun_beyond(void) { power(PV, -5001); }
static void sun_on_island(void) { power(PV, -1000); s.grid_lost = true; }
static void sun_for_a_limit(void) { power(PV, -1000); s.site.export_limit_w = 1; }
static void not_finite(void) { balance(BATTERY, -INFINITY, 0, true); }
static void band_without_0(void) { balance(BATTERY, 1, 2, true); }
static void beside_the_band(void) { balance(BATTERY, -1, 1, false); d.d[BATTERY].order.w = 2; }
static void silent(void) { d.d[BATTERY].why[0] = '\0'; }
static void no_code(void) { d.d[BATTERY].code = REASON_NONE; }
static void order_offline(void) { s.dev[BATTERY].state.availability = AVAIL_OFFLINE; }
static void no_order_online(void) { d.d[BATTERY].order.kind = ORDER_NONE; }
static void car_event_without(void) { d.d[CHARGER].rank = RANK_EVENT; }
static void limit_forces(void) { limit(SECOND, 1, 2); }
static void limit_broken(void) { power(BATTERY, 10); limit(BATTERY, -1, 9); }
static void limit_kept(void) { power(BATTERY, 9); limit(BATTERY, -1, 9); }
static void limit_of_power(void) { balance(BATTERY, -10, 10, true); limit(BATTERY, -1, 9); chain.wishes.limits[0].power_only = true; }
static void decisions_short(void) { d.n--; }
static void meter_ordered(void) { d.d[4].order.kind = ORDER_RELEASE; }
static void wishes_bad(void) { chain.bad_wishes = 1; }
static void two_natives(void) { balance(BATTERY, -1, 1, true); balance(SECOND, -1, 1, true); }
static void native_and_loop(void) { balance(BATTERY, -1, 1, true); balance(SECOND, 0, 1, false); }
static void native_held(void) { balance(BATTERY, -1, 1, true); balance(SECOND, 0, 0, true); }
static void two_looped(void) { balance(BATTERY, -1, 1, false); balance(SECOND, -1, 1, false); }
static void no_mode(void) { d.mode = RANK_NONE; }
static void car_leads(void) { d.mode = d.d[CHARGER].rank = RANK_PLAN; }
static void no_site_words(void) { d.why[0] = '\0'; }
static void no_source(void) { d.floor_source[0] = '\0'; }
static void wrong_floor(void) { d.floor_pct = 19; }
static void unreachable_nan(void) { d.limit_unreachable_w = NAN; }
static void doubt_without_words(void) { doubt(0, DOUBT_SWING); d.doubts[0].why[0] = '\0'; }
static void doubt_of_nobody(void) { doubt(5, DOUBT_SWING); }

/* "" = nothing is wrong. */
static void each_rule_is_named(void **state)
{
	static const struct { const char *name; void (*spoil)(void); const char *must; } ROWS[] = {
#define R(f, must) { #f, f, must }
		R(nothing, ""), R(discharges, ""), R(at_floor, "at or below the floor"), R(above_floor, ""),
		R(truly_below, "true SoC"), R(told_wrong, ""), R(command_floor, "the floor 50"), R(owner_floor, "the floor 60"),
		R(program_floor, "the floor 55"), R(user_honoured, "the floor 50"), R(command_lower, ""), R(command_over, "the floor 60"),
		R(command_untrusted, "the floor 60"), R(hardware_floor, "the floor 50"), R(too_strong_out, "outside the ratings"),
		R(too_strong_in, "outside the ratings"), R(unguarded, "nobody guards it"), R(unguarded_loop, "nobody guards it"),
		R(unguarded_allowed, ""), R(island, "battery 0: not released"), R(just_back, "battery 0: not released"), R(long_back, ""),
		R(paused, "battery 0: not released"), R(cannot_balance, "which it cannot"), R(balances_elsewhere, "which it cannot"),
		R(soc_old, "SoC unknown"), R(soc_young, ""), R(soc_doubted, "SoC that is doubted"), R(other_doubted, ""),
		R(doubted_for_nothing, "soc_frozen is doubted in a home that never lied"), R(liar_doubted, ""), R(loop_doubted, ""),
		R(meter_doubted_for_nothing, "meter_scale is doubted in a home that never lied"),
		R(blind_charge, "without a meter"), R(blind_discharge, "without a meter"), R(blind_native, ""), R(seeing, ""),
		R(meter_doubted, "without a meter"), R(phases_doubted, ""), R(imports, "forbids grid import"), R(imports_by_owner, ""),
		R(event_without, "no command in force"), R(event_in_savings, "no such command"), R(event_too_long, "the command ends"),
		R(event_right, ""), R(plan_buys, "the plan charges"), R(plan_sells, "the plan sells"), R(mirrored_unasked, "nobody asked for"),
		R(mirrored_not, "a reserve of 0"), R(mirrored_high, "a reserve of 21"), R(mirrored, ""), R(mirrored_at_0, ""), R(mirrored_for_ever, "a reserve of 20"),
		R(car_balances, "told to balance"), R(car_too_little, "neither 0 nor"), R(car_too_much, "neither 0 nor"),
		R(car_backwards, "neither 0 nor"), R(car_on_island, "charger 1: not paused"), R(car_in_pause, "charger 1: not released"),
		R(car_blind, "more than failsafe"), R(car_at_once, "in one step"), R(car_taken_over, ""), R(car_leaps, "in one step"),
		R(car_rises, ""), R(car_too_soon, "after the last change"), R(car_in_time, ""), R(car_cut, ""), R(car_again, "after a pause"),
		R(car_later, ""), R(phases_cannot, "which it cannot"), R(phases_two, "which it cannot"), R(phases_loaded, "is to change"),
		R(phases_hot, "while current flowed"), R(phases_hot_liar, ""), R(phases_often, "after the last time"), R(phases_rested, ""),
		R(phases_asked_rest, "after the last time"), R(phases_ten, ""), R(phases_eleven, "11 times within"), R(phases_next_day, ""),
		R(phases_seen, ""),
		R(sun_balances, "nothing it can be told"), R(sun_fixed, "nothing it can be told"), R(sun_takes, "at most is outside"),
		R(sun_beyond, "at most is outside"), R(sun_on_island, "pv 2: not released"), R(sun_for_a_limit, ""), R(not_finite, "balance"),
		R(band_without_0, "balance"), R(beside_the_band, "balance"), R(silent, "no reason"), R(no_code, "no reason"),
		R(order_offline, "while offline"), R(no_order_online, "while online"), R(car_event_without, "no command in force"),
		R(limit_forces, "a limit without 0"), R(limit_broken, "breaks"), R(limit_kept, ""), R(limit_of_power, ""),
		R(decisions_short, "decisions, the meter"), R(meter_ordered, "decisions, the meter"), R(wishes_bad, "bad wishes"),
		R(two_natives, "balance by themselves"), R(native_and_loop, "balance by themselves"), R(native_held, ""), R(two_looped, ""),
		R(no_mode, "the site's mode"), R(car_leads, "the site's mode"), R(no_site_words, "no reason"), R(no_source, "floor told"), R(wrong_floor, "floor told"),
		R(unreachable_nan, "unreachable"), R(doubt_without_words, "without words"), R(doubt_of_nobody, "without words"),
#undef R
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		good();
		ROWS[r].spoil();
		check();
		if (ROWS[r].must[0] ? !strstr(what, ROWS[r].must) : what[0])
			fail_msg("%s: '%s', must be '%s'", ROWS[r].name, what, ROWS[r].must);
	}
}

static void over_import(void) { s.site.import_limit_w = 1000; home.grid_w = 2500; power(CHARGER, 6 * 230); m.charger_w[CHARGER] = 6 * 230; }
static void over_outside(void) { over_import(); s.site.import_limit_w = 0; s.external.import_w = 1000; }
static void over_demand(void) { over_import(); s.site.import_limit_w = 0; s.external.demand_w = 1000; }
static void over_a_little(void) { over_import(); home.grid_w = 1200; }
static void over_just(void) { over_import(); home.grid_w = 1201; }
static void over_in_noise(void) { over_just(); home.noise_w = 1; }
static void over_thought_slow(void) { over_import(); chain.device[SECOND].response.max_ms = RESPONSE_MAX_MS; }
static void over_told_slow(void) { over_import(); home.d[SECOND].settle_ms = 4000; }
static void over_slow(void) { over_import(); home.d[SECOND].delay_ms = 3100; }
static void over_endless(void) { over_import(); home.d[SECOND].settle_ms = 100000; }
static void over_slow_sun(void) { over_import(); home.d[PV].settle_ms = 4000; }
static void over_late_meter(void) { over_import(); home.meter_delay_ms = 2000; }
static void over_rare_meter(void) { over_import(); home.meter_period_ms = 3000; }
static void over_by_car(void) { over_import(); home.d[CHARGER].car_over = 1.1; }
static void over_by_slow_car(void) { over_by_car(); home.d[CHARGER].car_ramp_a_s = 1; }
static void over_recovered(void) { over_import(); m.lied_ms = s.now_ms - 180001; }
static void over_doubted(void) { over_recovered(); doubt(4, DOUBT_METER_SCALE); }
static void over_support(void) { over_import(); power(CHARGER, 0); power(BATTERY, 0); power(SECOND, 0); }
static void trial(int i) { d.d[i].rank = RANK_GUARD; d.d[i].code = REASON_DOUBT; }
static void over_trial(void) { over_support(); trial(BATTERY); trial(SECOND); d.mode = RANK_GUARD; }
static void over_soc_old(void)
{
	over_support();
	for (int i = BATTERY; i <= SECOND; i += SECOND)
		s.dev[i].state.f[F_BATTERY_SOC_PCT].at_ms = s.now_ms - 60001;
}
static void over_soc_young(void)
{
	over_support();
	for (int i = BATTERY; i <= SECOND; i += SECOND)
		s.dev[i].state.f[F_BATTERY_SOC_PCT].at_ms = s.now_ms - 60000;
}
static void over_soc_doubted(void) { over_support(); m.lied_ms = s.now_ms - 180001; doubt(BATTERY, DOUBT_SOC_FROZEN); doubt(SECOND, DOUBT_SOC_JUMPS); }
static void over_bounded(void) { over_support(); s.site.export_limit_w = 5000; }
static void over_bound_far(void) { over_support(); s.site.export_limit_w = 7500; }
static void over_bound_near(void) { over_support(); s.site.export_limit_w = 7499; }
static void over_fuse_far(void) { over_support(); s.site.fuse_a = 50; home.phase_w[0] = home.phase_w[2] = 0; home.phase_w[1] = -1500; }
static void over_fuse_near(void) { over_fuse_far(); home.phase_w[1] = -1501; }
/* From rest: @ms ago the last order was given. */
static void rested(int64_t ms)
{
	over_import();
	for (int i = 0; i < home.n; i++) {
		m.told[i] = d.d[i].order;
		m.moved_ms[i] = s.now_ms - ms;
	}
}
static void over_from_rest(void) { rested(4701); }
static void over_from_hardly_rest(void) { rested(4700); }
static void over_from_rest_but_one(void) { over_from_rest(); m.moved_ms[SECOND] += 151; }
static void over_from_rest_blindly(void) { over_from_rest(); m.told[CHARGER].w -= 100; } /* the meter is a second late */
static void over_from_rest_seen(void) { over_from_rest_blindly(); home.meter_period_ms = 0; }
static void over_from_rest_by_car(void) { over_from_rest(); home.d[CHARGER].car_over = 1.1; }
static void over_short(void) { over_bounded(); power(BATTERY, -5000); home.grid_w = 1950; }
static void over_too_short(void) { over_short(); home.grid_w = 1951; }
static void over_unavoidable(void) { over_import(); power(CHARGER, 0); home.d[BATTERY].can_power = home.d[SECOND].can_power = false; }
static void over_phase(void) { over_import(); s.site.import_limit_w = 0; s.site.fuse_a = 10; home.phase_w[0] = 3000; }
static void over_phase_slow_beside(void) { over_phase(); home.d[SECOND].phase_told = true; home.d[SECOND].phase = 2; home.d[SECOND].settle_ms = 9000; }
static void over_phase_slow(void) { over_phase_slow_beside(); home.d[SECOND].phase_told = false; }
static void over_phase_slow_on_it(void) { over_phase_slow_beside(); home.d[SECOND].phase = 1; }
static void over_export(void) { s.site.export_limit_w = 1000; home.grid_w = -2000; power(BATTERY, -500); }
static void over_sun(void) { s.site.export_limit_w = 1000; home.grid_w = -2000; home.d[PV].power_w = -2000; }
static void over_sun_for_car(void) { over_sun(); power(CHARGER, 6 * 230); m.charger_w[CHARGER] = 6 * 230; home.d[CHARGER].power_w = 6 * 230 - 1; }
static void over_sun_in_car(void) { over_sun_for_car(); home.d[CHARGER].power_w++; }
static void over_sun_slow(void) { over_sun(); home.d[PV].settle_ms = 4000; }
static void over_sun_slow_fixed(void) { over_export(); home.d[PV].settle_ms = 4000; home.d[PV].can_curtail = false; d.d[PV].order.kind = ORDER_NONE; }
static void over_room(void) { s.site.export_limit_w = 1000; home.grid_w = -2000; home.d[PV].power_w = 0; balance(BATTERY, -5000, 251, false); }
static void over_little_room(void) { over_room(); d.d[BATTERY].order.max_w = 250; }
static void over_taken(void) { over_room(); d.d[BATTERY].order.max_w = 5000; d.d[BATTERY].order.w = 4750; }
static void over_nearly_taken(void) { over_taken(); d.d[BATTERY].order.w = 4749; }
static void over_native_room(void) { over_room(); d.d[BATTERY].order.native = true; }
static void over_held(void) { over_room(); power(BATTERY, 0); }
static void over_room_full(void) { over_room(); home.d[BATTERY].soc_pct = 95.1; }
static void over_room_nearly_full(void) { over_room(); home.d[BATTERY].soc_pct = 95; }
static void over_room_kept(void) /* the import limit leaves 300 W less than what the car may still take */
{
	over_room();
	s.site.import_limit_w = 1000;
	power(CHARGER, 12 * 230);
	m.charger_w[CHARGER] = 12 * 230;
	home.d[CHARGER].power_w = 0;
}
static void over_room_begun(void) { over_room_kept(); chain.start.begun_ms = s.now_ms + 60000; }
static void over_room_free(void) { over_room_kept(); home.d[CHARGER].power_w = 11; }
static void over_room_kept_by_more(void) { over_room_free(); home.d[CHARGER].car_over = 1.01; }
static void over_room_fuse(void) { over_room(); s.site.fuse_a = 10; home.phase_w[0] = 2050; }
static void over_room_fuse_off(void) { over_room_fuse(); home.phase_w[0] = 2049; }
static void over_held_in_trial(void) { over_held(); trial(BATTERY); m.might_w[BATTERY] = 251; d.mode = RANK_GUARD; }
static void over_phase_out(void) { home.d[PV].power_w = 0; s.site.fuse_a = 10; home.phase_w[0] = -3000; m.might_w[BATTERY] = 5000; power(BATTERY, 0); }
static void over_phase_room(void) { over_phase_out(); balance(BATTERY, 0, 5000, false); }
static void over_phase_in_trial(void) { over_phase_out(); trial(BATTERY); m.took_w[BATTERY] = 251; d.mode = RANK_GUARD; }
static void over_phase_hardly(void) { over_phase_in_trial(); m.took_w[BATTERY] = 250; }
static void over_while_lying(void) { over_import(); home.lie.gain = -1; }
static void over_while_offline(void) { over_import(); home.d[SECOND].offline = true; }
static void fed(void) { balance(BATTERY, 0, 5000, false); command(BATTERY); home.d[BATTERY].power_w = 1500; }
static void fed_by_sun(void) { fed(); home.pv_w = 2300; }
static void car_fed(void)
{
	power(SECOND, 0);
	balance(BATTERY, -5000, 0, false);
	home.d[BATTERY].power_w = -1500;
	home.d[CHARGER].power_w = 2000;
	home.d[PV].power_w = 0;
}
static void car_fed_allowed(void) { car_fed(); s.site.battery_to_ev = true; }
static void house_fed(void) { car_fed(); home.load_w = 1500; }
static void beside(void) { balance(BATTERY, -1, 1, true); power(SECOND, -500); }
static void sun_wasted(void) { power(PV, -1000); }

/* Meter period 1 s, tick 1 s, settle time 1.7 s; an order hides 4.55 s (the sun's 4.7): 8.25 (8.4) s, with three of those 17.8 s. */
#define REST_S 4 /* nothing was on its way: 3.7 s */
#define REACTION_S 9
#define THREE_S 18
#define IDLE_S 182 /* until a car's room is not kept any more: 3 min, and it is read each second */

static void second_later(void)
{
	s.now_ms += 1000;
	s.utc_ms += 1000;
	s.dev[BATTERY].command.ends_utc_ms += 1000;
	s.grid_w.at_ms += 1000;
	for (int i = 0; i < home.n; i++)
		s.dev[i].state.f[F_BATTERY_SOC_PCT].at_ms += 1000;
}

/* What needs time to be wrong: named at the first tick after that time. */
static void rules_with_time(void **state)
{
	static const struct { const char *name; void (*spoil)(void); const char *must; int at_s; } ROWS[] = {
#define R(f, must, at) { #f, f, must, at }
		R(over_import, "site: ", REACTION_S), R(over_outside, "site: ", REACTION_S), R(over_demand, "site: ", REACTION_S),
		R(over_a_little, "", 0), R(over_just, "site: ", REACTION_S), R(over_in_noise, "", 0), R(over_unavoidable, "", 0),
		R(over_thought_slow, "site: ", REACTION_S), R(over_told_slow, "site: ", 15), R(over_slow, "site: ", 15),
		R(over_endless, "site: ", 163), R(over_slow_sun, "site: ", REACTION_S), R(over_late_meter, "site: ", 13),
		R(over_rare_meter, "site: ", 13), R(over_by_car, "site: ", 10), R(over_recovered, "site: ", REACTION_S), R(over_doubted, "", 0),
		R(over_support, "site: ", REACTION_S), R(over_trial, "site: ", REACTION_S), R(over_soc_old, "", 0),
		R(over_soc_young, "site: ", REACTION_S), R(over_soc_doubted, "", 0), R(over_bounded, "site: ", THREE_S),
		R(over_bound_far, "site: ", REACTION_S), R(over_bound_near, "site: ", THREE_S), R(over_fuse_far, "site: ", REACTION_S),
		R(over_fuse_near, "site: ", THREE_S), R(over_from_rest, "site: ", REST_S), R(over_from_hardly_rest, "site: ", REACTION_S),
		R(over_from_rest_but_one, "site: ", REACTION_S), R(over_from_rest_by_car, "site: ", 10),
		R(over_from_rest_blindly, "site: ", REACTION_S), R(over_from_rest_seen, "site: ", REST_S - 1),
		R(over_short, "", 0), R(over_too_short, "site: ", THREE_S), R(over_phase, "phase: ", REACTION_S),
		R(over_phase_slow_beside, "phase: ", REACTION_S), R(over_phase_slow, "phase: ", 27), R(over_phase_slow_on_it, "phase: ", 27),
		R(over_export, "site: ", REACTION_S), R(over_sun, "site: ", REACTION_S), R(over_sun_slow, "site: ", 14), R(over_sun_for_car, "site: ", 14),
		R(over_sun_in_car, "site: ", REACTION_S),
		R(over_sun_slow_fixed, "site: ", REACTION_S), R(over_room, "site: ", THREE_S), R(over_little_room, "", 0),
		R(over_taken, "", 0), R(over_nearly_taken, "site: ", THREE_S), R(over_native_room, "", 0), R(over_held, "", 0),
		R(over_room_full, "", 0), R(over_room_nearly_full, "site: ", THREE_S), R(over_room_kept, "site: ", IDLE_S + THREE_S), R(over_room_begun, "site: ", 60 + IDLE_S + THREE_S),
		R(over_room_free, "site: ", THREE_S + 5), R(over_room_kept_by_more, "site: ", IDLE_S + THREE_S + 3), R(over_room_fuse, "", 0), R(over_room_fuse_off, "site: ", THREE_S), R(over_held_in_trial, "site: ", THREE_S), R(over_phase_out, "", 0),
		R(over_phase_room, "", 0), R(over_phase_in_trial, "phase: ", THREE_S), R(over_phase_hardly, "", 0),
		R(over_while_lying, "", 0), R(over_while_offline, "", 0),
		R(fed, "forbids import", THREE_S), R(fed_by_sun, "", 0), R(car_fed, "while a car charges", THREE_S), R(car_fed_allowed, "", 0),
		R(house_fed, "", 0), R(beside, "beside 1 under order", THREE_S), R(sun_wasted, "nothing asks", 120 + THREE_S),
#undef R
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int named_s = -1;

		good();
		m.cause_ms = s.now_ms;
		ROWS[r].spoil();
		for (int t = 0; t < 300 && named_s < 0; t++) {
			check();
			named_s = what[0] ? t : -1;
			second_later();
		}
		if (ROWS[r].must[0] ? named_s != ROWS[r].at_s || !strstr(what, ROWS[r].must) : named_s >= 0)
			fail_msg("%s: after %d s '%s', must be '%s' after %d s", ROWS[r].name, named_s, what, ROWS[r].must, ROWS[r].at_s);
	}
}

static void more_load(void) { home.load_w += 151; }
static void hardly_more(void) { home.load_w += 150; }
static void less_sun(void) { home.pv_w -= 151; }
static void sun_sinks(void) { home.d[PV].power_w += 151; }
static void sun_hardly_sinks(void) { home.d[PV].power_w += 150; }
static void tighter(void) { s.site.import_limit_w -= 500; }
static void within_limit(void) { over_import(); s.site.import_limit_w = 2300; }
static void tighter_and_cut(void) { tighter(); home.grid_w = 1200; }
static void tighter_and_hardly_cut(void) { tighter(); home.grid_w = 1201; }
static void tighter_by_more(void) { s.site.import_limit_w -= 1300; }
static void less_load(void) { home.load_w -= 1000; }
static void car_draws_more(void) { home.d[CHARGER].power_w += 151; }
static void half_taken(void) { power(BATTERY, -5000); power(SECOND, -100); }
static void just_half(void) { power(BATTERY, -5000); }
static void over_elsewhere(void) { over_phase(); home.d[SECOND].phase = 2; power(SECOND, 1000); }
static void over_elsewhere_told(void) { over_elsewhere(); home.d[SECOND].phase_told = true; }
static void tried(void) { power(SECOND, 749); }
static void hardly_tried(void) { power(SECOND, 750); }

/* What begins the time anew: a home that makes it worse, half of what was left taken where the other side bounds it, a cut of
 * what may sit on another phase. It happens after 5 s. */
static void what_begins_anew(void **state)
{
	static const struct { const char *name; void (*spoil)(void), (*then)(void); int at_s; } ROWS[] = {
#define R(f, then, at) { #f " " #then, f, then, at }
		R(over_import, more_load, 5 + REST_S), R(over_import, hardly_more, REACTION_S), R(over_import, less_sun, 5 + REST_S),
		R(over_import, tighter, REACTION_S), R(over_import, tighter_and_cut, 6 + REST_S), R(over_import, tighter_and_hardly_cut, REACTION_S),
		R(within_limit, tighter, 5 + REST_S), R(within_limit, tighter_by_more, 5 + REST_S),
		R(over_import, less_load, REACTION_S), R(over_export, more_load, REACTION_S), R(over_export, less_load, 5 + REST_S),
		R(over_bounded, half_taken, 5 + THREE_S), R(over_bounded, just_half, THREE_S), R(over_support, half_taken, REACTION_S),
		R(over_by_slow_car, car_draws_more, 5 + 10), R(over_by_car, car_draws_more, 10),
		R(fed, sun_sinks, 5 + THREE_S), R(fed, sun_hardly_sinks, THREE_S),
		R(over_elsewhere, tried, 5 + REACTION_S), R(over_elsewhere, hardly_tried, REACTION_S), R(over_elsewhere_told, tried, REACTION_S),
#undef R
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int named_s = -1;

		good();
		ROWS[r].spoil();
		for (int t = 0; t < 60 && named_s < 0; t++) {
			if (t == 5)
				ROWS[r].then();
			check();
			named_s = what[0] ? t : -1;
			second_later();
		}
		if (named_s != ROWS[r].at_s)
			fail_msg("%s: after %d s '%s', must be after %d s", ROWS[r].name, named_s, what, ROWS[r].at_s);
	}
}

/* A limit that sinks on and on excuses nobody from the ones before: @from_w at first, @by_w less each second. One that comes back is. */
static void a_limit_that_sinks(void **state)
{
	static const struct { const char *name; double from_w, by_w, back_w; int at_s; } ROWS[] = {
		{ "from the first second on", 2200, 300, 0, REACTION_S }, { "it is kept at first", 2900, 300, 0, 3 + REACTION_S },
		{ "it comes back, and is kept then", 2200, 300, 2300, -1 }, { "it comes back halfway", 2200, 300, 2250, REACTION_S },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int named_s = -1;

		good();
		over_import();
		for (int t = 0; t < 30 && named_s < 0; t++) {
			s.site.import_limit_w = t >= 5 && ROWS[r].back_w > 0 ? ROWS[r].back_w : fmax(100, ROWS[r].from_w - ROWS[r].by_w * t);
			check();
			named_s = what[0] ? t : -1;
			second_later();
		}
		assert_row(ROWS[r].name, named_s == ROWS[r].at_s);
	}
}

/* A lie counts against nobody until it has been over for a while: then all must hold again. */
static void lies_are_forgiven_for_a_while(void **state)
{
	int named_s = -1;

	(void)state;
	good();
	over_import();
	home.lie.frozen = true;
	check();
	home.lie.frozen = false;
	for (int t = 1; t < 400 && named_s < 0; t++) {
		s.now_ms += 1000;
		s.grid_w.at_ms += 1000;
		check();
		named_s = what[0] ? t : -1;
	}
	assert_int_equal(named_s, 181 + REST_S);
	assert_non_null(strstr(what, "site: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_is_named),
		cmocka_unit_test(rules_with_time),
		cmocka_unit_test(what_begins_anew),
		cmocka_unit_test(a_limit_that_sinks),
		cmocka_unit_test(lies_are_forgiven_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
