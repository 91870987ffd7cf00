/* Below a limit, cars that stand still: one that may charge and does not draw, and one that waits for room to start. */
#include "policies/view.h"
#include "support/cm.h"
#include "support/live.h"

static struct live l;
static int battery, car;

static void fresh(double limit_w, double load_w, enum ev_mode ev, double charge_w)
{
	live_init(&l);
	battery = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 0);
	l.s.site.import_limit_w = limit_w;
	l.s.dev[car].ev_mode = ev;
	l.load_w[0] = load_w;
	l.takes_w[car] = 0;
	if (charge_w > 0)
		l.s.dev[battery].override = (struct override_view){ OVERRIDE_CHARGE, charge_w, l.s.utc_ms + 3600000 };
}

/* It is told to charge from the first second on; what it does not take belongs to the battery after CAR_IDLE_MS, and it keeps its
 * minimum as long as that would fit without the battery. */
static void its_room_goes_to_others(void **state)
{
	static const struct { const char *name; double limit_w, load_w, charge_w; enum ev_mode ev; double before, after, car; } ROWS[] = {
		{ "the sun's battery", 3000, -6000, 0, EV_UNSET, 4500, 5000, 1380 },
		{ "the owner's, and the owner's car", 5000, 500, 4000, EV_NOW, 2250, 4000, 1380 },
		{ "all fit: the car waits at its minimum", 20000, 500, 4000, EV_NOW, 4000, 4000, 1380 },
		{ "the house leaves its minimum", 5000, 3619, 4000, EV_NOW, 690, 1381, 1380 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(ROWS[r].limit_w, ROWS[r].load_w - (r == 3 ? 1000 : 0), ROWS[r].ev, ROWS[r].charge_w);
		live_run(&l, 120);
		if (r == 3) {
			l.load_w[0] = ROWS[r].load_w;
			live_run(&l, 30);
		} else {
			assert_row(ROWS[r].name, fabs(live_order(&l, battery) - ROWS[r].before) < 60);
			assert_row(ROWS[r].name, l.c.device[car].turn.since_ms > 0 && live_order(&l, car) > 1380);
			live_run(&l, 30);
		}
		live_run(&l, 35);
		assert_row(ROWS[r].name, fabs(live_order(&l, battery) - ROWS[r].after) < 2);
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].car);
		assert_row_near(ROWS[r].name, l.d.limit_unreachable_w, 0);
		assert_row(ROWS[r].name, l.d.d[battery].rank != RANK_LIMIT);
	}
	assert_non_null(strstr(l.d.d[car].why, "import limit 5000 W"));
	l.load_w[0] = 3625; /* and no less than its minimum */
	live_run(&l, 2);
	assert_near(live_order(&l, car), 0);
}

/* Not a moment earlier; and one that nobody reads is taken to draw. */
static void when_a_car_is_idle(void **state)
{
	static const struct { const char *name; bool read; double draws_w; int64_t ago_ms; bool idle; } ROWS[] = {
		{ "not yet", true, 0, CAR_IDLE_MS - 1, false }, { "now", true, 0, CAR_IDLE_MS, true },
		{ "what is no charging", true, 100, CAR_IDLE_MS, true }, { "it draws again", true, 100.1, CAR_IDLE_MS, false },
		{ "nobody knows", false, 0, CAR_IDLE_MS, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(20000, 500, EV_NOW, 0);
		live_run(&l, 60);
		desk_wait(&l.s, 1000);
		l.c.device[car].turn.drew_ms = l.s.now_ms - ROWS[r].ago_ms;
		live_read(&l);
		desk_power(&l.s, car, ROWS[r].draws_w);
		if (!ROWS[r].read)
			l.s.dev[car].state.ac_power_w.q = Q_ABSENT;
		desk_chain(&l.c, &l.s, &l.d);
		assert_row(ROWS[r].name, (live_order(&l, car) == 1380) == ROWS[r].idle);
	}
}

/* It wakes up: that is a load that comes on, no larger than its minimum; then it rises as any other. */
static void it_begins_to_draw(void **state)
{
	(void)state;
	fresh(5000, 500, EV_NOW, 4000);
	live_run(&l, 200);
	assert_near(live_order(&l, battery), 4000);
	l.takes_w[car] = INFINITY;
	live_run(&l, 1);
	assert_true(l.s.grid_w.v < 5000 + 1380);
	for (int t = 0; t < 60; t++) {
		live_run(&l, 1);
		assert_true(t < 1 || l.s.grid_w.v < 5001);
	}
	assert_true(fabs(live_order(&l, car) - 2250) < 60 && fabs(live_order(&l, battery) - 2250) < 60);
}

/* A battery makes room for an equal's start, by what the meter shows each second; less of it each second while the load creeps up.
 * With the worst of those seconds the start must not wait for ever for what nobody leaves. */
static void a_start_is_not_kept_out_by_little(void **state)
{
	(void)state;
	fresh(3000, -1000, EV_OFF, 0);
	l.takes_w[car] = INFINITY;
	live_run(&l, 30);
	l.s.site.import_limit_w = 1000;
	live_run(&l, 30);
	assert_true(live_order(&l, battery) > 900);
	l.s.dev[car].ev_mode = EV_UNSET;
	for (int t = 0; t < 30 && live_order(&l, car) == 0; t++) {
		l.load_w[0] = -1000 + 3 * t;
		live_run(&l, 1);
		assert_true(l.s.grid_w.v < 1001);
	}
	assert_near(live_order(&l, car), 1380);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_room_goes_to_others),
		cmocka_unit_test(when_a_car_is_idle),
		cmocka_unit_test(it_begins_to_draw),
		cmocka_unit_test(a_start_is_not_kept_out_by_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
