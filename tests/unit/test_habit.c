/* Habits of cars: too few sessions, other days of the week, clocks that change, what was left out, and the guess itself. */
#include "policies/forecast/habit.h"

#include "support/cm.h"

#include <string.h>

#define DAY_MS 86400000LL
#define HOUR_MS 3600000LL
#define MINUTE_MS 60000LL
#define MONDAY 1767571200000LL /* 2026-01-05T00:00:00Z, London */

static const struct zone london = { "Europe/London", 3, { { 0, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
static struct habit h;

static int setup(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

/* On a day after MONDAY, at minutes of that day. */
static bool session(int day, int from_min, int to_min, double wh)
{
	const struct habit_session s = { MONDAY + day * DAY_MS + from_min * MINUTE_MS, MONDAY + day * DAY_MS + to_min * MINUTE_MS, wh };

	return habit_add(&h, &s);
}

static struct habit_car car_at(int day, int plugged_min, int now_min, double taken_wh)
{
	return (struct habit_car){ MONDAY + day * DAY_MS + plugged_min * MINUTE_MS, MONDAY + day * DAY_MS + now_min * MINUTE_MS, taken_wh };
}

#define MORNING(h_, m_) (1440 + (h_) * 60 + (m_))

static void test_left_out(void **state)
{
	(void)state;
	assert_false(session(0, 600, 614, 3000));             /* parked */
	assert_true(session(0, 600, 615, 3000));
	assert_false(session(0, 600, 600 + 7 * 1440 + 1, 3000)); /* on holiday */
	assert_true(session(0, 600, 600 + 7 * 1440, 3000));
	assert_false(session(0, 700, 600, 3000));             /* the clock was set back */
	assert_false(session(0, 600, 700, -1));
	assert_false(session(0, 600, 700, 200001));
	assert_false(session(0, 600, 700, (double)NAN));
	assert_int_equal(h.n, 2);
	/* older than 60 days at the end of the newest: gone */
	assert_true(session(59, 600, 700, 3000));
	assert_int_equal(h.n, 3);
	assert_true(session(61, 600, 700, 3000));
	assert_int_equal(h.n, 3);
	memset(&h, 0, sizeof(h));
	for (int i = 0; i < HABIT_SESSIONS_MAX + 3; i++)
		assert_true(session(i / 4, i % 4 * 300, i % 4 * 300 + 60, i));
	assert_int_equal(h.n, HABIT_SESSIONS_MAX);
	assert_true(h.s[0].energy_wh == 3 && h.s[h.n - 1].energy_wh == HABIT_SESSIONS_MAX + 2);
}

/* Nine working days: leaves 07:15 to 07:55, takes 8 to 10.8 kWh. */
static void working_days(void)
{
	static const int DAYS[] = { 0, 1, 2, 3, 6, 7, 8, 9, 10 };

	for (int i = 0; i < 9; i++)
		assert_true(session(DAYS[i], 18 * 60 + 10 * i, MORNING(7, 15 + 5 * (8 - i)), 8000 + 350 * i));
}

static void test_guess(void **state)
{
	struct habit_car car = car_at(14, 18 * 60 + 30, 19 * 60, 0); /* a Monday evening */
	char words[HABIT_TEXT_MAX];
	struct habit_guess g;

	(void)state;
	working_days();
	assert_true(habit_guess(&h, &london, &car, &g));
	assert_int_equal(g.sessions, 9);
	assert_true(g.ready_by_utc_ms == MONDAY + 15 * DAY_MS + 7 * HOUR_MS + 10 * MINUTE_MS); /* 07:15, in tens */
	assert_true(g.session_wh == 11000 && g.energy_wh == 11000);
	assert_string_equal(habit_words(&g, &london, words), "by habit: leaves 07:10, needs 11 kWh; of 9 sessions");
	car.taken_wh = 4200;
	assert_true(habit_guess(&h, &london, &car, &g) && g.energy_wh == 7000 && g.session_wh == 11000);
	car.taken_wh = 11000;                              /* it has what it usually takes */
	assert_false(habit_guess(&h, &london, &car, &g));
	assert_true(g.energy_wh == 7000);                  /* untouched */
}

static void test_too_few(void **state)
{
	struct habit_car car = car_at(14, 18 * 60, 19 * 60, 0);
	struct habit_guess g;

	(void)state;
	assert_false(habit_guess(&h, &london, &car, &g));
	for (int i = 0; i < HABIT_ENOUGH; i++) {
		assert_false(habit_guess(&h, &london, &car, &g));
		session(i, 18 * 60, MORNING(7, 30), 9000);
	}
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == HABIT_ENOUGH);
	car = car_at(14, 8 * 60, 9 * 60, 0);               /* a morning is no evening */
	assert_false(habit_guess(&h, &london, &car, &g));
	car = car_at(80, 18 * 60, 19 * 60, 0);             /* nobody came for two months */
	assert_false(habit_guess(&h, &london, &car, &g));
	memset(&h, 0, sizeof(h));
	for (int i = 0; i < HABIT_ENOUGH; i++)             /* around midnight is near midnight */
		session(i, 23 * 60 + 30, MORNING(7, 30), 9000);
	car = car_at(14, 1 * 60, 2 * 60, 0);
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == HABIT_ENOUGH);
}

/* Who leaves later than all the others left: they say nothing any more. */
static void test_still_here(void **state)
{
	struct habit_car car = car_at(14, 18 * 60, MORNING(7, 36), 0);
	struct habit_guess g;

	(void)state;
	working_days(); /* 07:15 07:20 07:25 07:30 07:35 07:40 07:45 07:50 07:55 */
	assert_false(habit_guess(&h, &london, &car, &g)); /* four are left */
	car = car_at(14, 18 * 60, MORNING(7, 31), 0);
	assert_true(habit_guess(&h, &london, &car, &g) == false); /* 07:35 in tens is 07:30, and that is over */
	car = car_at(14, 18 * 60, MORNING(7, 29), 0);
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == 6);
	assert_true(g.ready_by_utc_ms == MONDAY + 15 * DAY_MS + 7 * HOUR_MS + 30 * MINUTE_MS);
}

/* Fridays and Saturdays leave late; Sundays' evenings come before a working day; one weekday of its own counts first. */
static void test_days_of_week(void **state)
{
	struct habit_car car;
	struct habit_guess g;

	(void)state;
	for (int week = 0; week < 6; week++) {
		for (int day = 0; day < 4; day++)
			session(week * 7 + day, 18 * 60, day == 2 ? MORNING(5, 0) : MORNING(7, 0), day == 2 ? 30000 : 9000);
		if (week < 3)
			session(week * 7 + 4, 18 * 60, MORNING(10, 0), 4000);
		if (week < 3)
			session(week * 7 + 5, 18 * 60, MORNING(11, 0), 5000);
	}
	car = car_at(42, 18 * 60, 18 * 60 + 30, 0);        /* Monday, of Mondays */
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == 6 && g.energy_wh == 9000);
	car = car_at(44, 18 * 60, 18 * 60 + 30, 0);        /* Wednesday: early, and much */
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == 6 && g.energy_wh == 30000);
	assert_true(g.ready_by_utc_ms == MONDAY + 45 * DAY_MS + 5 * HOUR_MS);
	car = car_at(46, 18 * 60, 18 * 60 + 30, 0);        /* Friday: three of its own are too few, six before weekends are not */
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == 6 && g.energy_wh == 5000);
	assert_true(g.ready_by_utc_ms == MONDAY + 47 * DAY_MS + 10 * HOUR_MS);
	car = car_at(48, 18 * 60, 18 * 60 + 30, 0);        /* Sunday: never seen; before a working day. A tenth of 24 leaves early */
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == 24 && g.energy_wh == 30000);
	assert_true(g.ready_by_utc_ms == MONDAY + 49 * DAY_MS + 5 * HOUR_MS);
	car = car_at(49, 11 * 60 + 50, 12 * 60, 0);        /* not near any */
	assert_false(habit_guess(&h, &london, &car, &g));
}

/* Four of the weekend, and others: too few of a kind, so any day counts. */
static void test_any_day(void **state)
{
	struct habit_car car = car_at(19, 18 * 60, 19 * 60, 0); /* Saturday */
	struct habit_guess g;

	(void)state;
	working_days();
	assert_true(habit_guess(&h, &london, &car, &g) && g.sessions == 9);
}

/* Learned in winter, asked in the nights the clock changes: 07:10 stays 07:10 on the wall. */
static void test_clock_change(void **state)
{
	static const struct { const char *name, *plugged, *ready; } ROWS[] = {
		{ "spring, the night of 23 hours", "2026-03-28T18:00:00Z", "2026-03-29T06:10:00Z" },
		{ "autumn, the night of 25 hours", "2026-10-24T17:00:00Z", "2026-10-25T07:10:00Z" },
		{ "summer", "2026-06-10T17:00:00Z", "2026-06-11T06:10:00Z" },
	};

	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct habit_car car = { 0 };
		struct habit_guess g;
		int64_t ready;

		setup(state);
		assert_int_equal(calendar_parse(ROWS[k].plugged, &car.plugged_utc_ms), 0);
		assert_int_equal(calendar_parse(ROWS[k].ready, &ready), 0);
		car.utc_ms = car.plugged_utc_ms + HOUR_MS;
		for (int i = 10; i > 0; i--) { /* left at 07:10 local each morning before */
			const int64_t plugged = car.plugged_utc_ms - i * DAY_MS, morning = calendar_day_start(&london, plugged) + 36 * HOUR_MS;
			const struct habit_session s = { plugged, calendar_next_minute(&london, calendar_day_start(&london, morning), 7 * 60 + 10), 9000 };

			assert_true(habit_add(&h, &s));
		}
		assert_row(ROWS[k].name, habit_guess(&h, &london, &car, &g) && g.ready_by_utc_ms == ready);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_left_out, setup),	 cmocka_unit_test_setup(test_guess, setup),
		cmocka_unit_test_setup(test_too_few, setup),	 cmocka_unit_test_setup(test_still_here, setup),
		cmocka_unit_test_setup(test_days_of_week, setup), cmocka_unit_test_setup(test_any_day, setup),
		cmocka_unit_test_setup(test_clock_change, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
