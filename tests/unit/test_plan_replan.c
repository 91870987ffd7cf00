/* When it is planned anew, and that planning anew each minute does not turn the battery back and forth. */
#include "support/plan_world.h"

#include "policies/planner/replan.h"
#include "support/desk.h"

#define BATTERY 1
#define CAR 2

static struct replan r;
static struct snapshot s;
static struct replan_expected e;
static char why[REPLAN_TEXT_MAX];

static void fresh(void)
{
	memset(&r, 0, sizeof(r));
	memset(&e, 0, sizeof(e));
	desk_init(&s);
	desk_battery(&s, 50);
	desk_charger(&s, 0);
	s.utc_ms = NOW;
	s.dev[CAR].ev_energy_wh = NAN;
	s.site.reserve_pct = 20;
	s.external.import_w = s.external.export_w = NAN;
	e.valid = true;
	e.made_utc_ms = NOW;
	for (int i = 0; i < DEVICE_MAX; i++)
		e.stored_wh[i] = NAN;
}

/* @n looks, a second each, at what is expected but for these. */
static bool look(int n, double load_off_w, double pv_off_w)
{
	bool due = false;

	why[0] = '\0';
	for (int i = 0; i < n && !due; i++) {
		s.now_ms += 1000;
		s.utc_ms += 1000;
		for (int k = 0; k < s.n_devices; k++)
			s.dev[k].state.f[F_BATTERY_SOC_PCT].at_ms = s.now_ms;
		due = replan_look(&r, &s, e.load_w + load_off_w, e.pv_w + pv_off_w, &e, why);
	}
	return due;
}

static void test_news(void **context)
{
	static const struct { const char *name; int change; const char *why; } ROWS[] = {
		{ "nothing", 0, NULL },
		{ "plugged out", 1, "desk1: the car is plugged out" },
		{ "a mode", 2, "desk1: the car is to get something else" },
		{ "an energy", 3, "desk1: the car is to get something else" },
		{ "a time", 4, "desk1: the car is to get something else" },
		{ "the reserve", 5, "the reserve is 35 % now" },
		{ "a charger that leaves, with a car to charge", 6, "desk1 cannot be planned for now" },
		{ "a battery whose SoC is lost", 7, "desk0 cannot be planned for now" },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char expected[REPLAN_TEXT_MAX];
		bool due;

		fresh();
		if (ROWS[i].change == 6) {
			s.dev[CAR].ev_mode = EV_CHEAP;
			s.dev[CAR].ev_energy_wh = 5000;
		}
		assert_false(look(1, 0, 0)); /* the first look only remembers */
		switch (ROWS[i].change) {
		case 1:
			value_set(&s.dev[CAR].state.f[F_CHARGER_CONNECTED], 0, s.now_ms, Q_GOOD);
			break;
		case 2:
			s.dev[CAR].ev_mode = EV_CHEAP;
			break;
		case 3:
			s.dev[CAR].ev_energy_wh = 9000;
			break;
		case 4:
			s.dev[CAR].ev_ready_by_utc_ms = NOW + 5 * HOUR;
			break;
		case 5:
			s.site.reserve_pct = 35;
			break;
		case 6:
			s.dev[CAR].state.availability = AVAIL_OFFLINE;
			break;
		case 7:
			s.dev[BATTERY].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
			break;
		}
		due = look(1, 0, 0);
		snprintf(expected, sizeof(expected), "%s", ROWS[i].why ? ROWS[i].why : "");
		if (!strncmp(expected, "desk", 4))
			snprintf(expected, sizeof(expected), "%s%s", s.dev[expected[4] == '1' ? CAR : BATTERY].id, ROWS[i].why + 5);
		if (due != (ROWS[i].why != NULL) || strcmp(why, expected))
			fail_msg("%s: '%s', should be '%s'", ROWS[i].name, why, expected);
		assert_false(look(100, 0, 0)); /* once */
	}
}

/* What a charging car takes is no news; what it is to get besides is. */
static void test_small_steps(void **context)
{
	(void)context;
	fresh();
	s.dev[CAR].ev_energy_wh = 9000;
	assert_false(look(1, 0, 0));
	for (int i = 0; i < 100; i++) {
		s.dev[CAR].ev_energy_wh -= 20;
		assert_false(look(1, 0, 0));
	}
	s.dev[CAR].ev_energy_wh += 100;
	assert_true(look(1, 0, 0));
}

/* A kettle is no reason, an oven for an hour is; not before a plan is five minutes old, and anew only against the next plan. */
static void test_power_drift(void **context)
{
	(void)context;
	fresh();
	e.load_w = 400;
	assert_false(look(180, 2500, 0));
	assert_false(look(1000, 0, 0));
	assert_false(look(180, 2500, 0));
	assert_true(look(600, 2500, 0));
	assert_non_null(strstr(why, "the house's load has been about "));
	assert_non_null(strstr(why, " W more than forecast"));
	e.made_utc_ms = s.utc_ms; /* planned anew, but nothing else was forecast */
	assert_false(look(299, 2500, 0));
	assert_true(look(2, 2500, 0));
	fresh();
	e.pv_w = 3000;
	assert_false(look(3000, 0, -1300)); /* 500 W and 30 % */
	assert_true(look(3000, 0, -1500));
	assert_non_null(strstr(why, "the sun has been about 1"));
	assert_non_null(strstr(why, " W less than forecast"));
	fresh();
	assert_false(look(3000, NAN, NAN)); /* nobody knows */
	e.valid = false;
	assert_false(look(3000, 9000, 9000)); /* no plan to compare with */
}

static void test_soc_drift(void **context)
{
	(void)context;
	fresh();
	s.dev[BATTERY].capacity_wh = 10000;
	e.stored_wh[BATTERY] = 5490; /* it has 50 % */
	assert_false(look(1000, 0, 0));
	e.stored_wh[BATTERY] = 5600;
	assert_true(look(1, 0, 0));
	assert_non_null(strstr(why, " is at 50 %, the plan has it at 56 %"));
	e.stored_wh[BATTERY] = 4400;
	e.made_utc_ms = s.utc_ms;
	assert_false(look(299, 0, 0));
	assert_true(look(2, 0, 0));
}

/* A look after a long time knows nothing of what was between. */
static void test_gap(void **context)
{
	(void)context;
	fresh();
	assert_false(look(10, 0, 0));
	s.now_ms += 3600000;
	s.utc_ms += 3600000;
	assert_false(look(30, 5000, 0));
}

static void test_expect(void **context)
{
	struct world *w = world_make();
	struct replan_expected x;
	struct plan_instance in;
	struct home_map map;
	struct plan p;
	int64_t start;

	(void)context;
	assert_int_equal(build(w, &in, &map, NULL), 0);
	assert_int_equal(planner_solve_soft(&in, NULL, NULL, &p, NULL), 0);
	start = in.start_utc_ms;
	replan_expect(&p, &in, map.battery_device, start + 290000 + 150000, &x); /* in the middle of the second slot */
	assert_true(x.valid && x.made_utc_ms == start && fabs(x.load_w - 350) < 1e-6 && x.pv_w == 0);
	assert_true(fabs(x.stored_wh[1] - 500 * (p.soc_kwh[0][1] + p.soc_kwh[0][2])) < 1e-6);
	assert_true(isnan(x.stored_wh[0]) && isnan(x.stored_wh[2]));
	replan_expect(&p, &in, map.battery_device, start - 1, &x);
	assert_false(x.valid);
	replan_expect(&p, &in, map.battery_device, start + 60 * HOUR, &x);
	assert_false(x.valid);
	plan_deinit(&p);
	instance_deinit(&in);
	free(w);
}

/* ---- planned anew each minute ---- */

static double noise(unsigned int *seed)
{
	return 2.0 * rand_r(seed) / RAND_MAX - 1;
}

static int code_now(struct snapshot *x, void *memory)
{
	const struct order_wish *o = desk_order(desk_step(&POLICY_PLAN_FOLLOW, x, memory), 1, RANK_NONE);

	return o ? (int)o->code : -1;
}

/* Six hours in which the forecast of the load moves by a tenth and the SoC reading by 0.3 points with each minute's plan: the
 * battery's order may change where a price changes and where the store runs full or empty, but it does not swing. */
static void test_steady(void **context)
{
	static const struct { const char *name, *import, *export; enum reason begins, ends; } ROWS[] = {
		{ "flat: self-use, whatever the wear", "0.30", "0.08", REASON_PLAN_SELF_USE, REASON_PLAN_SELF_USE },
		{ "two rates", "00:00-07:00 0.09, 07:00-16:00 0.28, 16:00-19:00 0.38, 19:00-00:00 0.28", "0.15", REASON_PLAN_SELF_USE, REASON_PLAN_SELF_USE },
		{ "export pays as much", "0.30", "0.30", REASON_PLAN_COVER, REASON_PLAN_COVER },
		{ "a bonus in the evening", "0.30", "00:00-16:00 0.05, 16:00-19:00 0.45, 19:00-00:00 0.05", REASON_PLAN_STORE, REASON_PLAN_SELL },
		{ "nearly the same", "00:00-11:00 0.300, 11:00-13:00 0.271, 13:00-00:00 0.301", "0.05", REASON_PLAN_SELF_USE, REASON_PLAN_STORE },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		_Alignas(16) static unsigned char memory[POLICY_MEMORY_MAX];
		struct world *w = world_make();
		struct tariff_windows t;
		unsigned int seed = 1;
		double soc = 50;
		int before = -1, last = -1, changes = 0, back = 0;

		memset(memory, 0, sizeof(memory));
		w->s.n_devices = 2;
		assert_int_equal(tariff_parse(ROWS[i].import, &t, NULL), 0);
		tariff_expand(&t, &w->zone, NOW - 25 * HOUR, NOW + 30 * HOUR, &w->import_prices);
		assert_int_equal(tariff_parse(ROWS[i].export, &t, NULL), 0);
		tariff_expand(&t, &w->zone, NOW - 25 * HOUR, NOW + 30 * HOUR, &w->export_prices);
		for (int minute = 0; minute < 360; minute++) {
			int64_t now = NOW + minute * 60000LL;
			struct plan_instance in;
			struct home_map map;
			struct plan p;
			int code;

			w->s.now_ms += 60000;
			w->s.utc_ms = w->in.utc_ms = now;
			w->s.import_price = price_at(&w->import_prices, now, NULL);
			w->s.export_price = price_at(&w->export_prices, now, NULL);
			value_set(&w->s.dev[1].state.f[F_BATTERY_SOC_PCT], fmin(100, soc + 0.3 * noise(&seed)), w->s.now_ms, Q_GOOD);
			value_set(&w->s.dev[1].state.ac_power_w, 0, w->s.now_ms, Q_GOOD);
			w->forecast.push.load[0].w = (float)(350 * (1 + 0.1 * noise(&seed)));
			assert_int_equal(build(w, &in, &map, NULL), 0);
			assert_int_equal(planner_solve_soft(&in, NULL, NULL, &p, NULL), 0);
			plan_guide_at(&p, &in, false, 0, now, &w->s.dev[1].guide);
			code = code_now(&w->s, memory);
			if (minute == 0)
				assert_int_equal(code, ROWS[i].begins);
			back += code != last && code == before;
			changes += code != last && last >= 0;
			if (code != last) {
				before = last;
				last = code;
			}
			soc += code == (int)REASON_PLAN_CHARGE ? 4000.0 / 6000 : code == (int)REASON_PLAN_SELL ? -4000.0 / 6000 :
			       code == (int)REASON_PLAN_HOLD || code == (int)REASON_PLAN_STORE ? 0 : -350.0 / 6000;
			soc = fmin(100, fmax(20, soc));
			plan_deinit(&p);
			instance_deinit(&in);
		}
		if (last != (int)ROWS[i].ends)
			fail_msg("%s: ends with %d", ROWS[i].name, last);
		if (changes > 3 || back > 1)
			fail_msg("%s: the order changed %d times in six hours, %d times back to what it was before", ROWS[i].name, changes, back);
		free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_news), cmocka_unit_test(test_small_steps), cmocka_unit_test(test_power_drift),
		cmocka_unit_test(test_soc_drift), cmocka_unit_test(test_gap), cmocka_unit_test(test_expect), cmocka_unit_test(test_steady),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
