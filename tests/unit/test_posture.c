/* What is done where nobody knows the grid, or does not believe it, and what PV does then. Through the whole chain. */
#include "support/cm.h"
#include "support/desk.h"

#include "policies/work.h"

#include <string.h>

static struct snapshot s;
static struct chain c;
static struct decisions d;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
	desk_grid(&s, 300);
}

static int pv_add(double made_w)
{
	int i = desk_charger(&s, 0);

	s.dev[i].roles = ROLE_PV;
	s.dev[i].state.caps = (struct device_caps){ .can_curtail = true, .discharge_max_w = 6000, .guarded_by = GUARDED_DEVICE, .settle_ms = 1000 };
	memset(s.dev[i].state.f, 0, sizeof(s.dev[i].state.f));
	desk_power(&s, i, -made_w);
	return i;
}

static void sun_without_a_meter(void **state)
{
	static const struct { const char *name; double export_w, outside_w; int n; double must_w; } ROWS[] = {
		{ "no limit: all it can", 0, NAN, 1, NAN }, { "an export limit: no more than that", 3680, NAN, 1, -3680 },
		{ "two share it", 3680, NAN, 2, -1840 }, { "the smaller of two limits", 3680, 1000, 1, -1000 },
		{ "from outside alone", 0, 1000, 1, -1000 }, { "0 from outside is 0", 0, 0, 1, 0 }, { "and so is less", 0, -5, 1, 0 },
		{ "beyond its rating: all it can", 9000, NAN, 1, NAN }, { "one that is offline takes no share", 3680, NAN, 3, -3680 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const struct wishes *w;
		double lo, hi;
		int pv;

		fresh();
		pv = pv_add(2000);
		if (ROWS[r].n > 1)
			s.dev[pv_add(2000)].state.availability = ROWS[r].n == 2 ? AVAIL_ONLINE : AVAIL_OFFLINE;
		s.site.export_limit_w = ROWS[r].export_w;
		s.external.export_w = ROWS[r].outside_w;
		s.grid_w.q = Q_ABSENT;
		w = desk_step(&POLICY_GUARD, &s, NULL);
		desk_bounds(w, pv, &lo, &hi);
		assert_row_near(ROWS[r].name, lo, isnan(ROWS[r].must_w) ? -6000 : ROWS[r].must_w);
		assert_row(ROWS[r].name, desk_order(w, pv, RANK_NONE) == NULL);
		desk_chain(&c, &s, &d);
		if (d.d[pv].order.kind == ORDER_NONE)
			continue; /* nobody orders PV here */
		assert_row(ROWS[r].name, d.d[pv].order.kind == (isnan(ROWS[r].must_w) ? ORDER_RELEASE : ORDER_POWER));
		assert_row_near(ROWS[r].name, d.d[pv].order.w, isnan(ROWS[r].must_w) ? 0 : ROWS[r].must_w);
	}
}

static void sun_and_the_guard(void **state)
{
	static const struct { const char *name; bool stop, pause, lost, fault; } ROWS[] = {
		{ "stop", true, false, false, false }, { "pause", false, true, false, false }, { "island", false, false, true, false },
		{ "a fault", false, false, false, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int pv;

		fresh();
		pv = pv_add(2000);
		s.site.export_limit_w = 1000;
		s.grid_w.q = Q_ABSENT;
		s.stopping = ROWS[r].stop;
		s.paused = ROWS[r].pause;
		s.grid_lost = ROWS[r].lost;
		if (ROWS[r].fault)
			s.dev[pv].state.availability = AVAIL_FAULT;
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, d.d[pv].order.kind == ORDER_RELEASE && d.d[pv].rank == RANK_GUARD);
	}
}

/* A battery that balances by itself is not alone beside one under orders, but sun under a bound is nothing to undo. */
static void sun_leaves_a_battery_its_own_balance(void **state)
{
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].state.caps.native_balance = true;
	pv_add(2000);
	desk_chain(&c, &s, &d);
	assert_true(d.d[b].order.native);
}

static void an_override_is_not_for_the_sun(void **state)
{
	(void)state;
	for (int mode = OVERRIDE_AUTO; mode <= OVERRIDE_DISCHARGE; mode++) {
		int pv;

		fresh();
		pv = pv_add(2000);
		s.dev[pv].override.mode = (enum override_mode)mode;
		s.dev[pv].override.power_w = 1000;
		assert_null(desk_order(desk_step(&POLICY_OVERRIDE, &s, NULL), pv, RANK_NONE));
	}
}

/* Lost or not believed: the same posture, in other words. */
static void a_meter_that_is_not_believed(void **state)
{
	static const struct { const char *name; bool lost; enum reason code; } ROWS[] = {
		{ "lost", true, REASON_METER_LOST }, { "absurd", false, REASON_DOUBT },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, own, car;

		fresh();
		b = desk_battery(&s, 50);
		own = desk_battery(&s, 50);
		car = desk_charger(&s, 0);
		s.dev[own].override.mode = OVERRIDE_CHARGE;
		s.dev[own].override.power_w = 2000;
		s.dev[own].override.until_utc_ms = s.utc_ms + 60000;
		desk_grid(&s, ROWS[r].lost ? 300 : 1e6);
		if (ROWS[r].lost)
			s.grid_w.q = Q_ABSENT;
		desk_chain(&c, &s, &d);
		assert_row(ROWS[r].name, d.d[b].order.kind == ORDER_RELEASE && d.d[b].code == ROWS[r].code);
		assert_row(ROWS[r].name, d.d[own].order.kind == ORDER_POWER && d.d[own].order.w == 0 && d.d[own].code == ROWS[r].code);
		assert_row(ROWS[r].name, d.d[car].order.w == 6 * 230 && d.d[car].code == ROWS[r].code);
		assert_row(ROWS[r].name, strstr(d.d[car].why, ROWS[r].lost ? "lost for 10 s" : "not believed") != NULL);
	}
}

/* Two that balance by themselves would cover the load twice: the second waits. */
static void without_a_meter_one_is_enough(void **state)
{
	int first, second;

	(void)state;
	fresh();
	first = desk_battery(&s, 50);
	second = desk_battery(&s, 50);
	s.dev[first].state.caps.native_balance = s.dev[second].state.caps.native_balance = true;
	s.grid_w.q = Q_ABSENT;
	desk_chain(&c, &s, &d);
	assert_true(d.d[first].order.native);
	assert_int_equal(d.d[second].order.kind, ORDER_POWER);
	assert_near(d.d[second].order.w, 0);
	desk_soc(&s, first, 10); /* at its floor it covers nothing */
	desk_chain(&c, &s, &d);
	assert_true(d.d[second].order.native);
}

/* Every means and its lack, straight at the step. */
static void means(void **state)
{
	enum { P = 1, H = 2, N = 4, G = 8, A = 16 }; /* can: power, hold, balance natively; guarded; allowed unguarded */
	static const struct {
		const char *name;
		int caps;
		bool meter, beside;
		struct order order;
		enum order_kind kind;
		double w;
		bool native;
		enum reason code;
	} ROWS[] = {
		{ "our loop", P | H | G, true, false, { .kind = ORDER_BALANCE, .min_w = -5, .max_w = 5 }, ORDER_BALANCE, 0, false, REASON_NONE },
		{ "by itself", N | G, true, false, { .kind = ORDER_BALANCE, .min_w = -5, .max_w = 5 }, ORDER_BALANCE, 0, true, REASON_NONE },
		{ "by itself, but not at 0 W of grid", N | H | G, true, false, { .kind = ORDER_BALANCE, .grid_w = 9, .min_w = -5 }, ORDER_POWER, 0, false, REASON_CANNOT },
		{ "by itself, beside another", N | H | G, true, true, { .kind = ORDER_BALANCE, .min_w = -5 }, ORDER_POWER, 0, false, REASON_CANNOT },
		{ "hold only: its own control", H | G, true, false, { .kind = ORDER_BALANCE, .min_w = -5 }, ORDER_RELEASE, 0, false, REASON_CANNOT },
		{ "hold only, and nothing may go out", H | G, true, false, { .kind = ORDER_BALANCE, .max_w = 5 }, ORDER_POWER, 0, false, REASON_CANNOT },
		{ "nobody guards it: its own control", P | H, true, false, { .kind = ORDER_BALANCE, .min_w = -5 }, ORDER_RELEASE, 0, false, REASON_UNGUARDED },
		{ "nobody guards it, and nothing may go out", P | H, true, false, { .kind = ORDER_BALANCE, .max_w = 5 }, ORDER_POWER, 0, false, REASON_UNGUARDED },
		{ "nobody guards it, but allowed", P | H | A, true, false, { .kind = ORDER_BALANCE, .min_w = -5 }, ORDER_BALANCE, 0, false, REASON_NONE },
		{ "nobody guards it: forced power is softened", P | H | N, true, false, { .kind = ORDER_POWER, .w = 5 }, ORDER_BALANCE, 0, true, REASON_UNGUARDED },
		{ "takes no powers: softened too", H | N | G, true, false, { .kind = ORDER_POWER, .w = -5 }, ORDER_BALANCE, 0, true, REASON_CANNOT },
		{ "power is power", P | G, true, false, { .kind = ORDER_POWER, .w = -5 }, ORDER_POWER, -5, false, REASON_NONE },
		{ "held", H | G, true, false, { .kind = ORDER_POWER }, ORDER_POWER, 0, false, REASON_NONE },
		{ "cannot be held: a balance within 0", N | G, true, false, { .kind = ORDER_POWER }, ORDER_BALANCE, 0, true, REASON_NONE },
		{ "cannot be held at all", G, true, false, { .kind = ORDER_POWER }, ORDER_RELEASE, 0, false, REASON_CANNOT },
		{ "blind, by itself", N | G, false, false, { .kind = ORDER_BALANCE, .min_w = -5, .max_w = 5 }, ORDER_BALANCE, 0, true, REASON_NONE },
		{ "blind, by itself, not at 0 W", N | H | G, false, false, { .kind = ORDER_BALANCE, .grid_w = 9, .min_w = -5 }, ORDER_RELEASE, 0, false, REASON_METER_LOST },
		{ "blind, nothing may go out", N | H | G, false, false, { .kind = ORDER_BALANCE, .max_w = 5 }, ORDER_POWER, 0, false, REASON_METER_LOST },
		{ "blind, power stays with the limits", P | G, false, false, { .kind = ORDER_POWER }, ORDER_POWER, 0, false, REASON_NONE },
		{ "blind, beside one held within 0", N | H | G, false, true, { .kind = ORDER_BALANCE, .min_w = -5 }, ORDER_BALANCE, 0, true, REASON_NONE },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		static struct work w;
		struct device_caps *caps;
		int other, b;

		fresh();
		memset(&w, 0, sizeof(w));
		other = desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		caps = &s.dev[b].state.caps;
		caps->can_power = ROWS[r].caps & P;
		caps->can_hold = ROWS[r].caps & H;
		caps->native_balance = ROWS[r].caps & N;
		caps->guarded_by = ROWS[r].caps & G ? GUARDED_DEVICE : GUARDED_NONE;
		s.dev[b].allow_unguarded = ROWS[r].caps & A;
		w.s = &s;
		w.c = &c;
		w.n = s.n_devices;
		w.meter = ROWS[r].meter;
		for (int i = 0; i < w.n; i++) {
			w.d[i].dev = &s.dev[i];
			w.d[i].memory = &c.device[i];
			w.d[i].band = w.d[i].power_band = (struct band){ -INFINITY, INFINITY, NULL, NULL };
			w.d[i].rank = RANK_SELF_USE;
		}
		w.d[b].order = ROWS[r].order;
		w.d[b].controlled = true;
		if (ROWS[r].beside) {
			w.d[other].controlled = true;
			w.d[other].order = ROWS[r].meter ? order_balance(0, -5, 5) : order_power(0);
			s.dev[other].state.caps.can_power = ROWS[r].meter;
			s.dev[other].state.caps.can_hold = false;
			s.dev[other].state.caps.native_balance = !ROWS[r].meter;
		}
		posture_adapt(&w);
		assert_row(ROWS[r].name, w.d[b].order.kind == ROWS[r].kind && w.d[b].order.native == ROWS[r].native);
		assert_row(ROWS[r].name, w.d[b].order.w == ROWS[r].w && w.d[b].cut_code == ROWS[r].code);
		assert_row(ROWS[r].name, w.d[b].controlled == (ROWS[r].kind != ORDER_RELEASE) && !w.d[b].cut[0] == (ROWS[r].code == REASON_NONE));
	}
}

/* Who else is at work, that a battery which balances by itself would undo. */
static void others_at_work(void **state)
{
	enum { BATTERY, CAR };
	static const struct { const char *name; int what; struct order order; double was_w, now_w; bool controlled, to_ev, at_work; } ROWS[] = {
		{ "nobody", BATTERY, { .kind = ORDER_POWER }, 0, 0, true, false, false }, { "left to itself", BATTERY, { .kind = ORDER_RELEASE }, 0, 900, false, false, false },
		{ "it may only take", BATTERY, { .kind = ORDER_BALANCE, .max_w = 5 }, 0, 0, true, false, true },
		{ "it may only give", BATTERY, { .kind = ORDER_BALANCE, .min_w = -5 }, 0, 0, true, false, true },
		{ "it may nothing", BATTERY, { .kind = ORDER_BALANCE }, 0, 0, true, false, false },
		{ "under orders", BATTERY, { .kind = ORDER_POWER, .w = 5 }, 0, 0, true, false, true },
		{ "just held, it was under orders", BATTERY, { .kind = ORDER_POWER }, 5, 0, true, false, true },
		{ "held, still takes 100 W", BATTERY, { .kind = ORDER_POWER }, 0, 100, true, false, false }, { "more", BATTERY, { .kind = ORDER_POWER }, 0, 101, true, false, true },
		{ "held, still gives 100 W", BATTERY, { .kind = ORDER_POWER }, 0, -100, true, false, false }, { "more", BATTERY, { .kind = ORDER_POWER }, 0, -101, true, false, true },
		{ "a car charges", CAR, { .kind = ORDER_POWER, .w = 2000 }, 0, 2000, true, false, true },
		{ "a car that the battery may feed", CAR, { .kind = ORDER_POWER, .w = 2000 }, 0, 2000, true, true, false },
		{ "a car does not charge", CAR, { .kind = ORDER_POWER, .w = 2000 }, 0, 0, true, false, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		static struct work w;
		int other, b;

		fresh();
		memset(&w, 0, sizeof(w));
		other = ROWS[r].what == CAR ? desk_charger(&s, ROWS[r].now_w) : desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		s.dev[b].state.caps.native_balance = true;
		s.site.battery_to_ev = ROWS[r].to_ev;
		w.s = &s;
		w.c = &c;
		w.n = s.n_devices;
		w.meter = true;
		for (int i = 0; i < w.n; i++) {
			w.d[i].dev = &s.dev[i];
			w.d[i].memory = &c.device[i];
			w.d[i].charger = view_charger(&s.dev[i]);
			w.d[i].band = w.d[i].power_band = (struct band){ -INFINITY, INFINITY, NULL, NULL };
		}
		w.d[b].controlled = true;
		w.d[b].order = order_balance(0, -5, 5);
		w.d[other].controlled = ROWS[r].controlled;
		w.d[other].order = ROWS[r].order;
		w.d[other].ordered_w = ROWS[r].was_w;
		w.d[other].now_w = ROWS[r].now_w;
		posture_adapt(&w);
		assert_row(ROWS[r].name, w.d[b].order.native == !ROWS[r].at_work);
		assert_row(ROWS[r].name, w.d[other].order.kind == ROWS[r].order.kind && w.d[other].order.w == ROWS[r].order.w);
	}
}

/* Cars and devices nobody orders are not adapted: a car's failsafe is its guard. */
static void not_adapted(void **state)
{
	(void)state;
	for (int what = 0; what < 2; what++) {
		static struct work w;
		int i;

		fresh();
		memset(&w, 0, sizeof(w));
		i = what ? desk_charger(&s, 0) : desk_battery(&s, 50);
		s.dev[i].state.caps.guarded_by = GUARDED_NONE;
		s.dev[i].state.caps.can_power = s.dev[i].state.caps.can_hold = what;
		w.s = &s;
		w.c = &c;
		w.n = s.n_devices;
		w.meter = false;
		for (int k = 0; k < w.n; k++) {
			w.d[k].dev = &s.dev[k];
			w.d[k].memory = &c.device[k];
			w.d[k].charger = view_charger(&s.dev[k]);
		}
		w.d[i].controlled = what;
		w.d[i].order = order_power(2000);
		posture_adapt(&w);
		assert_int_equal(w.d[i].order.kind, ORDER_POWER);
		assert_near(w.d[i].order.w, 2000);
	}
}

/* The chain keeps room for every policy's memory. */
static void memories_fit(void **state)
{
	int n = 0;

	(void)state;
	for (; POLICIES[n]; n++)
		assert_true(POLICIES[n]->size <= POLICY_MEMORY_MAX);
	assert_true(n <= POLICY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sun_without_a_meter),
		cmocka_unit_test(sun_and_the_guard),
		cmocka_unit_test(sun_leaves_a_battery_its_own_balance),
		cmocka_unit_test(an_override_is_not_for_the_sun),
		cmocka_unit_test(a_meter_that_is_not_believed),
		cmocka_unit_test(without_a_meter_one_is_enough),
		cmocka_unit_test(means),
		cmocka_unit_test(others_at_work),
		cmocka_unit_test(not_adapted),
		cmocka_unit_test(memories_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
