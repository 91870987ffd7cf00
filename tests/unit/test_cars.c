/* Who is served first among several cars, whose turn it is, and how the sun is divided. */
#include "policies/cars.h"
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;

static void where_a_car_stands(void **state)
{
	enum { A, B, BATTERY };
	static const struct {
		const char *name;
		enum car_share share;
		int priority[3];            /* A, B, the battery */
		int ready_min[2];           /* 0 = not said */
		bool trusted;
		int must[3];
		bool a_leaves_first, equal;
	} ROWS[] = {
		{ "priority: as set", CAR_SHARE_PRIORITY, { 1, 5, 3 }, { 60, 30 }, true, { 1, 5, 3 }, false, true },
		{ "equal: all cars as the first of them", CAR_SHARE_EQUAL, { 1, 5, 3 }, { 60, 30 }, true, { 5, 5, 3 }, false, true },
		{ "equal: a lower one changes nothing", CAR_SHARE_EQUAL, { 5, 1, 7 }, { 0, 0 }, true, { 5, 5, 7 }, false, true },
		{ "departure: the earlier", CAR_SHARE_DEPARTURE, { 1, 5, 3 }, { 30, 60 }, true, { 5, 5, 3 }, true, false },
		{ "departure: who says nothing is last", CAR_SHARE_DEPARTURE, { 0, 0, 0 }, { 60, 0 }, true, { 0, 0, 0 }, true, false },
		{ "departure: nobody says", CAR_SHARE_DEPARTURE, { 0, 0, 0 }, { 0, 0 }, true, { 0, 0, 0 }, false, true },
		{ "departure: over", CAR_SHARE_DEPARTURE, { 0, 0, 0 }, { -1, 0 }, true, { 0, 0, 0 }, false, true },
		{ "departure: over, but nobody knows what time it is", CAR_SHARE_DEPARTURE, { 0, 0, 0 }, { -1, 0 }, false, { 0, 0, 0 }, true, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int i[3];

		desk_init(&s);
		i[A] = desk_charger(&s, 0);
		i[B] = desk_charger(&s, 0);
		i[BATTERY] = desk_battery(&s, 50);
		s.site.car_share = ROWS[r].share;
		s.clock_trusted = ROWS[r].trusted;
		for (int k = 0; k < 3; k++)
			s.dev[i[k]].priority = ROWS[r].priority[k];
		for (int k = 0; k < 2; k++)
			s.dev[i[k]].ev_ready_by_utc_ms = ROWS[r].ready_min[k] ? s.utc_ms + ROWS[r].ready_min[k] * 60000LL : 0;
		s.dev[i[BATTERY]].ev_ready_by_utc_ms = s.utc_ms + 1;
		for (int k = 0; k < 3; k++)
			assert_row(ROWS[r].name, cars_priority(&s, i[k]) == ROWS[r].must[k]);
		assert_row(ROWS[r].name, (cars_departure_ms(&s, i[A]) < cars_departure_ms(&s, i[B])) == ROWS[r].a_leaves_first);
		assert_row(ROWS[r].name, (cars_departure_ms(&s, i[A]) == cars_departure_ms(&s, i[B])) == ROWS[r].equal);
		assert_row(ROWS[r].name, cars_departure_ms(&s, i[BATTERY]) == INT64_MAX);
	}
	s.clock_trusted = true; /* the very moment is over */
	s.dev[1].ev_ready_by_utc_ms = s.utc_ms;
	assert_true(cars_departure_ms(&s, 1) == INT64_MAX);
	s.dev[1].ev_ready_by_utc_ms = s.utc_ms + 1;
	assert_true(cars_departure_ms(&s, 1) == s.utc_ms + 1);
}

/* Times are "how long ago", -1 = never. */
static void whose_turn_it_is(void **state)
{
	static const struct { const char *name; int64_t since[2], drew[2], waits[2]; bool a, b; } ROWS[] = {
		{ "both charge in their turn: who has longer", { 1000, 1001 }, { 0, 0 }, { -1, -1 }, false, true },
		{ "both began at once", { 1000, 1000 }, { 0, 0 }, { -1, -1 }, false, false },
		{ "who waits gives way to who charges", { -1, 1000 }, { 0, 0 }, { 5000, -1 }, true, false },
		{ "a turn ends", { CAR_TURN_MS, -1 }, { 0, 0 }, { -1, 1000 }, true, false },
		{ "not a moment earlier", { CAR_TURN_MS - 1, -1 }, { 0, 0 }, { -1, 1000 }, false, true },
		{ "it ends earlier for who takes nothing", { CAR_IDLE_MS, -1 }, { CAR_IDLE_MS, 0 }, { -1, 1000 }, true, false },
		{ "which needs its time too", { CAR_IDLE_MS, -1 }, { CAR_IDLE_MS - 1, 0 }, { -1, 1000 }, false, true },
		{ "who waits is not idle", { -1, -1 }, { CAR_IDLE_MS, 0 }, { 5000, 4000 }, false, true },
		{ "of two that wait, who waits longer", { -1, -1 }, { 0, 0 }, { 5000, 4000 }, false, true },
		{ "equally long", { -1, -1 }, { 0, 0 }, { 5000, 5000 }, false, false },
		{ "one does not wait yet", { -1, -1 }, { 0, 0 }, { -1, 1 }, true, false },
		{ "neither does", { -1, -1 }, { 0, 0 }, { -1, -1 }, false, false },
		{ "both have had their turn", { CAR_TURN_MS, CAR_TURN_MS + 1 }, { 0, 0 }, { -1, -1 }, false, true },
	};
	const int64_t now_ms = 10000000;

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct car_turn t[2];

		for (int k = 0; k < 2; k++)
			t[k] = (struct car_turn){ ROWS[r].since[k] < 0 ? 0 : now_ms - ROWS[r].since[k], now_ms - ROWS[r].drew[k],
						  ROWS[r].waits[k] < 0 ? 0 : now_ms - ROWS[r].waits[k] };
		assert_row(ROWS[r].name, car_turn_yields(&t[0], &t[1], now_ms) == ROWS[r].a);
		assert_row(ROWS[r].name, car_turn_yields(&t[1], &t[0], now_ms) == ROWS[r].b);
		assert_row(ROWS[r].name, car_turn_idle(&t[0], now_ms) == (ROWS[r].since[0] >= 0 && ROWS[r].drew[0] >= CAR_IDLE_MS));
	}
}

static void a_turn_is_noted(void **state)
{
	struct car_turn t = { 0 };

	(void)state;
	car_turn_note(&t, 1000, false, false, false);
	assert_true(t.since_ms == 0 && t.waits_ms == 0);
	car_turn_note(&t, 2000, true, false, false);
	car_turn_note(&t, 3000, true, false, false);
	assert_int_equal(t.waits_ms, 2000);
	car_turn_note(&t, 4000, true, true, false);
	assert_true(t.since_ms == 4000 && t.drew_ms == 4000 && t.waits_ms == 0);
	car_turn_note(&t, 5000, true, true, true);
	car_turn_note(&t, 6000, true, true, false);
	assert_true(t.since_ms == 4000 && t.drew_ms == 5000);
	car_turn_note(&t, 7000, true, false, false);
	assert_true(t.since_ms == 0 && t.waits_ms == 7000);
	car_turn_note(&t, 8000, false, false, false);
	assert_true(t.waits_ms == 0);
	assert_false(car_turn_over(&t, 100 * CAR_TURN_MS)); /* who does not charge has no turn to be over */
}

/* One that was idle has its turn from when it draws; one that only did not draw for a while goes on with its own. */
static void a_turn_begins_with_drawing(void **state)
{
	static const struct { const char *name; int64_t since_ms, drew_ms, draws_ms, must_ms; } ROWS[] = {
		{ "not idle yet", 4000, 5000, 5000 + CAR_IDLE_MS - 1, 4000 },
		{ "it wakes", 4000, 5000, 5000 + CAR_IDLE_MS, 5000 + CAR_IDLE_MS },
		{ "it has had a turn, and draws on", 4000, CAR_TURN_MS, CAR_TURN_MS + 5000, 4000 },
		{ "it draws though it was told to pause", 0, 5000, 5000 + CAR_IDLE_MS, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct car_turn t = { .since_ms = ROWS[r].since_ms, .drew_ms = ROWS[r].drew_ms };

		car_turn_drew(&t, ROWS[r].draws_ms);
		assert_row(ROWS[r].name, t.since_ms == ROWS[r].must_ms && t.drew_ms == ROWS[r].draws_ms);
	}
}

/* Who has not drawn for a while is idle at once, and until it draws; who has only just stopped, or does not charge, is not. */
static void who_takes_nothing_is_hurried(void **state)
{
	static const struct { const char *name; int64_t since_ms, ago_ms; bool idle; } ROWS[] = {
		{ "it draws", 4000, 0, false }, { "not yet", 4000, CAR_START_MS - 1, false }, { "for long enough", 4000, CAR_START_MS, true },
		{ "idle anyway", 4000, CAR_IDLE_MS + 7, true }, { "it may not charge", 0, CAR_START_MS, false },
	};
	const int64_t now_ms = 10000000;

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const int64_t drew_ms = now_ms - ROWS[r].ago_ms;
		struct car_turn t = { .since_ms = ROWS[r].since_ms, .drew_ms = drew_ms };

		car_turn_hurry(&t, now_ms);
		assert_row(ROWS[r].name, car_turn_idle(&t, now_ms) == ROWS[r].idle && t.drew_ms == (ROWS[r].idle && ROWS[r].ago_ms < CAR_IDLE_MS ? now_ms - CAR_IDLE_MS : drew_ms));
		car_turn_drew(&t, now_ms + 1);
		assert_row(ROWS[r].name, !car_turn_idle(&t, now_ms + 1));
	}
}

/* Three cars of 6..32 A; the third on three phases. */
static void the_sun_is_divided(void **state)
{
	static const struct { const char *name; double free_w; int priority[3]; int64_t departure[3]; int charges; double w[3], left_w; } ROWS[] = {
		{ "nothing", 0, { 0 }, { 0 }, -1, { 0, 0, 0 }, 0 },
		{ "less than nothing", -500, { 0 }, { 0 }, -1, { 0, 0, 0 }, -500 },
		{ "not even one", 1379, { 0 }, { 0 }, -1, { 0, 0, 0 }, 1379 },
		{ "just one", 1380, { 0 }, { 0 }, -1, { 1380, 0, 0 }, 0 },
		{ "one, and the one that charges keeps it", 1500, { 0 }, { 0 }, 1, { 0, 1500, 0 }, 0 },
		{ "two", 4000, { 0 }, { 0 }, -1, { 2000, 2000, 0 }, 0 },
		{ "three, by amperes", 11500, { 0 }, { 0 }, -1, { 2300, 2300, 6900 }, 0 },
		{ "the large one charges: small ones find room beside it", 5520, { 0 }, { 0 }, 2, { 1380, 0, 4140 }, 0 },
		{ "more than they take", 50000, { 0 }, { 0 }, -1, { 7360, 7360, 22080 }, 13200 },
		{ "priority first", 9000, { 0, 2, 0 }, { 0 }, -1, { 1640, 7360, 0 }, 0 },
		{ "whatever charges", 2000, { 0, 2, 0 }, { 0 }, 0, { 0, 2000, 0 }, 0 },
		{ "what the first cannot use goes on", 4000, { 0, 0, 2 }, { 0 }, -1, { 2000, 2000, 0 }, 0 },
		{ "who leaves first", 9000, { 0 }, { 9, 5, 9 }, -1, { 1640, 7360, 0 }, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct car_turn turn[3] = { 0 };
		struct car_slice c[3];
		double sum_w = 0;

		for (int k = 0; k < 3; k++) {
			double phases = k == 2 ? 3 : 1;

			c[k] = (struct car_slice){ .i = k, .min_w = 1380 * phases, .max_w = 7360 * phases, .amp_w = 230 * phases,
						   .priority = ROWS[r].priority[k], .departure_ms = ROWS[r].departure[k], .turn = &turn[k] };
			turn[k] = k == ROWS[r].charges ? (struct car_turn){ 900000, 1000000, 0 } : (struct car_turn){ 0 };
		}
		assert_row_near(ROWS[r].name, cars_share(c, 3, ROWS[r].free_w, 1000000), ROWS[r].left_w);
		for (int k = 0; k < 3; k++) {
			assert_row_near(ROWS[r].name, c[k].w, ROWS[r].w[c[k].i]);
			sum_w += c[k].w;
		}
		assert_row_near(ROWS[r].name, sum_w, ROWS[r].free_w - ROWS[r].left_w);
	}
	assert_near(cars_share(NULL, 0, 3000, 1000000), 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_a_car_stands),
		cmocka_unit_test(whose_turn_it_is),
		cmocka_unit_test(a_turn_is_noted),
		cmocka_unit_test(a_turn_begins_with_drawing),
		cmocka_unit_test(who_takes_nothing_is_hurried),
		cmocka_unit_test(the_sun_is_divided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
