/* Steps of our devices and the votes they give on the meter. */
#include "support/cm.h"
#include "support/desk.h"
#include "policies/edge.h"

#include <string.h>

static struct snapshot s;
static struct edge e;
static double power_w, load_w, gain, drift_w, flutter_w;

static int votes, clean;
static struct edge_vote last;

static void begin(void)
{
	memset(&e, 0, sizeof(e));
	desk_init(&s);
	desk_battery(&s, 50);
	s.dev[1].ordered = order_power(0);
	power_w = drift_w = flutter_w = 0;
	load_w = 500;
	gain = 1;
	votes = clean = 0;
}

static void tick(void)
{
	struct edge_vote v;

	desk_wait(&s, 1000);
	if (s.dev[1].ordered.kind == ORDER_POWER || s.dev[1].ordered.kind == ORDER_BALANCE)
		power_w = s.dev[1].ordered.w;
	load_w += drift_w + flutter_w;
	flutter_w = -flutter_w;
	desk_power(&s, 1, power_w);
	desk_grid(&s, gain * (load_w + power_w));
	if (!edge_step(&e, &s, &v))
		return;
	votes++;
	clean += v.clean;
	last = v;
}

static void run(int ticks)
{
	while (ticks-- > 0)
		tick();
}

static void tell(double w)
{
	s.dev[1].ordered = order_power(w);
	s.dev[1].ordered_at_ms = s.now_ms;
}

static void classes_by_gain(void **state)
{
	static const struct { const char *name; double own_w, gain; enum edge_class must; } ROWS[] = {
		{ "right", 1000, 1, EDGE_RIGHT }, { "right, out", -1000, 1, EDGE_RIGHT },
		{ "just right", 1000, 0.61, EDGE_RIGHT }, { "too little to be right", 1000, 0.59, EDGE_NOTHING },
		{ "just right, high", 1000, 1.59, EDGE_RIGHT }, { "neither", 1000, 1.61, EDGE_NOTHING }, { "still neither", 1000, 2.19, EDGE_NOTHING },
		{ "twice and more", 1000, 2.21, EDGE_LARGE }, { "ten times", -300, 10, EDGE_LARGE },
		{ "fifteen times", 200, 15, EDGE_LARGE }, { "more is the house", 200, 15.1, EDGE_NOTHING }, { "and inverted", 200, -15.1, EDGE_NOTHING },
		{ "inverted", 1000, -1, EDGE_INVERTED }, { "inverted in half", 1000, -0.51, EDGE_INVERTED },
		{ "not quite", 1000, -0.49, EDGE_NOTHING }, { "a tenth", 3000, 0.1, EDGE_SMALL }, { "a third", 3000, 0.34, EDGE_SMALL },
		{ "more than a third", 3000, 0.36, EDGE_NOTHING }, { "just a trace", 3000, 0.041, EDGE_SMALL }, { "nothing", 3000, 0.039, EDGE_NOTHING },
		{ "the ends of right", 1000, 0.6, EDGE_RIGHT }, { "the ends of right", 1000, 1.6, EDGE_RIGHT }, { "the end of large", 1000, 2.2, EDGE_LARGE },
		{ "the end of inverted", 1000, -0.5, EDGE_INVERTED }, { "the ends of small", 3000, 0.04, EDGE_SMALL },
		{ "the ends of small", 3000, 0.35, EDGE_SMALL }, { "the smallest step", 150, 1, EDGE_RIGHT },
		{ "a step too small", 149, 1, EDGE_NOTHING }, { "just large enough", 151, 1, EDGE_RIGHT },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		gain = ROWS[r].gain;
		run(3);
		tell(ROWS[r].own_w);
		run(12);
		assert_row(ROWS[r].name, votes == 1 && clean == 1);
		assert_row(ROWS[r].name, last.class == ROWS[r].must && last.device == 1);
		assert_row_near(ROWS[r].name, last.own_w, ROWS[r].own_w);
		assert_row_near(ROWS[r].name, last.meter_w[0], ROWS[r].own_w * ROWS[r].gain);
	}
}

static void a_restless_house_says_nothing(void **state)
{
	static const struct { const char *name; double drift_w, flutter_w; enum edge_class must; int votes; } ROWS[] = {
		{ "at rest", 0, 0, EDGE_RIGHT, 1 },
		{ "a little", 2, 0, EDGE_RIGHT, 1 },
		{ "drifts 80 W in 5 s, the step is four times that and more", 16, 0, EDGE_RIGHT, 1 },
		{ "drifts 200 W in 5 s", 40, 0, EDGE_NOTHING, 1 },
		{ "flutters by a quarter of the step", 0, 78, EDGE_RIGHT, 1 },
		{ "by more: it does not come to rest", 0, 150, EDGE_NOTHING, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		drift_w = ROWS[r].drift_w;
		flutter_w = ROWS[r].flutter_w;
		run(20);
		tell(400);
		run(30);
		assert_row(ROWS[r].name, votes == ROWS[r].votes);
		assert_row(ROWS[r].name, !votes || last.class == ROWS[r].must);
	}
	run(20); /* the last one gives up: the next step counts again */
	flutter_w = 0;
	run(100);
	tell(1400);
	run(12);
	assert_int_equal(last.class, EDGE_RIGHT);
}

/* A load that comes and goes now and then: what the step would say without it. */
static void what_it_would_say(void **state)
{
	static const struct { const char *name; double noise_w; int windows; double gain; enum edge_class must, perhaps; } ROWS[] = {
		{ "quiet", 0, 0, 1, EDGE_RIGHT, EDGE_RIGHT }, { "it moved once", 101, 1, 1, EDGE_NOTHING, EDGE_RIGHT },
		{ "three times", 101, 3, 1, EDGE_NOTHING, EDGE_RIGHT }, { "four times", 101, 4, 1, EDGE_NOTHING, EDGE_NOTHING },
		{ "always", 101, 8, 1, EDGE_NOTHING, EDGE_NOTHING }, { "always, but long ago", 100, 8, 1, EDGE_RIGHT, EDGE_RIGHT },
		{ "inverted", 101, 3, -1, EDGE_NOTHING, EDGE_INVERTED }, { "neither", 101, 3, 0.45, EDGE_NOTHING, EDGE_NOTHING },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		gain = ROWS[r].gain;
		run(3);
		e.noise_w = (float)ROWS[r].noise_w;
		for (int i = 0; i < ROWS[r].windows; i++)
			e.moved_w[(i * 3) % EDGE_QUIETS] = 101;
		tell(400);
		run(12);
		assert_row(ROWS[r].name, last.class == ROWS[r].must && last.perhaps == ROWS[r].perhaps);
	}
}

/* Learnt from a load of 300 W that comes or goes each so many seconds. */
static void how_often_a_load_comes(void **state)
{
	static const struct { const char *name; int every_s; enum edge_class perhaps; } ROWS[] = {
		{ "each 20 s", 20, EDGE_RIGHT }, { "each 10 s", 10, EDGE_NOTHING }, { "each 5 s", 5, EDGE_NOTHING },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		for (int t = 1; t <= 120; t++) {
			load_w += t % ROWS[r].every_s > 0 ? 0 : t / ROWS[r].every_s % 2 ? 300 : -300;
			tick();
		}
		run(3);
		tell(400);
		run(12);
		assert_row(ROWS[r].name, last.class == EDGE_NOTHING && last.perhaps == ROWS[r].perhaps);
	}
}

static void a_small_gain_must_stand_out(void **state)
{
	static const struct { const char *name; double drift_w; enum edge_class must; } ROWS[] = {
		{ "at rest", 0, EDGE_SMALL }, { "the meter drifts 50 W in 5 s", 100, EDGE_SMALL }, { "80 W", 160, EDGE_NOTHING },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		gain = 0.1;
		drift_w = ROWS[r].drift_w;
		run(20);
		drift_w = 0;
		tell(3000);
		run(12);
		assert_row(ROWS[r].name, votes == 1 && last.class == ROWS[r].must);
	}
}

/* The loop answers a load: what was known when it was told holds the load already. */
static void the_load_an_order_answers_is_no_evidence(void **state)
{
	(void)state;
	begin();
	run(5);
	load_w += 2000;
	tick();
	tell(-1000); /* all it can: without cause and effect this would look like a gain of -1 */
	run(12);
	assert_int_equal(last.class, EDGE_RIGHT);
}

static void orders_in_passing(void **state)
{
	(void)state;
	begin();
	gain = -1;
	run(3);
	for (int k = 1; k <= 4; k++) { /* arrived each time, never at rest for long */
		tell(500 * k);
		run(3);
	}
	assert_int_equal(votes, 3);
	assert_int_equal(clean, 0);
	assert_int_equal(last.class, EDGE_INVERTED);
	assert_false(last.line);
	run(10);
	assert_int_equal(clean, 1);
}

static void many_orders_are_a_line_or_nothing(void **state)
{
	static const struct { const char *name; double gain, kink_w, flutter_w; int orders; enum edge_class must; bool line; } ROWS[] = {
		{ "straight, right", 1, 0, 0, 6, EDGE_RIGHT, true },
		{ "straight, inverted", -1, 0, 0, 6, EDGE_INVERTED, true },
		{ "the load goes up meanwhile", 1, 400, 0, 6, EDGE_NOTHING, false },
		{ "it comes and goes", 1, 0, 800, 6, EDGE_NOTHING, false },
		{ "few", 1, 0, 0, 3, EDGE_RIGHT, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		s.dev[1].state.caps.settle_ms = 3000;
		gain = ROWS[r].gain;
		run(3);
		for (int k = 1; k <= ROWS[r].orders; k++) {
			flutter_w = k % 2 ? ROWS[r].flutter_w : -ROWS[r].flutter_w;
			tell(300 * k);
			if (k == 5)
				load_w -= 6 * ROWS[r].kink_w;
			tick();
		}
		flutter_w = 0;
		run(12);
		assert_row(ROWS[r].name, last.class == ROWS[r].must && last.line == ROWS[r].line && !last.clean);
	}
}

static void who_moves_by_itself_spoils_it(void **state)
{
	static const struct { const char *name; double other_w; bool seen; double gain; enum edge_class must; } ROWS[] = {
		{ "rests", 0, true, 1, EDGE_RIGHT }, { "moves a fifth", 220, true, 1, EDGE_RIGHT }, { "moves more", 235, true, 1, EDGE_NOTHING },
		{ "unseen, but the step shows", 0, false, 1, EDGE_RIGHT }, { "unseen, and only a tenth shows", 0, false, 0.1, EDGE_NOTHING },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		desk_battery(&s, 50); /* left to itself */
		if (!ROWS[r].seen)
			s.dev[2].state.availability = AVAIL_OFFLINE;
		gain = ROWS[r].gain;
		run(5);
		tell(1000);
		desk_power(&s, 2, ROWS[r].other_w);
		run(12);
		assert_row(ROWS[r].name, votes == 1 && last.class == ROWS[r].must && last.perhaps == ROWS[r].must);
	}
}

/* Whose step it was: the one that made nearly all of it. */
static void who_moved(void **state)
{
	static const struct { const char *name; double other_w; int must; } ROWS[] = {
		{ "alone", 0, 1 }, { "a tenth is another's", 95, 1 }, { "more", 115, -1 }, { "against it", -115, -1 }, { "the other one", 20000, 2 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		desk_battery(&s, 50);
		s.dev[2].ordered = order_power(0);
		load_w = 0;
		run(3);
		tell(1000);
		s.dev[2].ordered = order_power(ROWS[r].other_w);
		s.dev[2].ordered_at_ms = s.now_ms;
		load_w += ROWS[r].other_w;
		for (int t = 0; t < 12; t++) {
			desk_power(&s, 2, ROWS[r].other_w);
			run(1);
		}
		assert_row(ROWS[r].name, votes == 1 && last.class == EDGE_RIGHT && last.device == ROWS[r].must);
	}
}

/* Slow devices that have nothing to do with it do not delay a vote; a slow reading does, unless it shows what was told. */
static void when_it_has_arrived(void **state)
{
	static const struct { const char *name; int settle_ms, poll_s, first_s; double first_w; int at_s; double own_w, away_w; } ROWS[] = {
		{ "fast", 1000, 1, 1, 1000, 4, 1000, 0 }, { "a slow device", 5000, 1, 1, 1000, 8, 1000, 0 },
		{ "read late, as told", 5000, 20, 3, 1000, 8, 1000, 0 }, { "read late, a tenth off", 5000, 20, 3, 900, 8, 900, 0 },
		{ "read late, on its way", 5000, 20, 3, 899, 23, 1000, 0 }, { "read just when it must be there", 5000, 20, 5, 899, 8, 899, 0 },
		{ "not read yet", 1000, 20, 9, 1000, 9, 1000, 0 }, { "the meter nearly at rest", 1000, 1, 1, 1000, 4, 1000, 170 },
		{ "not nearly", 1000, 1, 1, 1000, 5, 1000, 171 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int t, at = -1;

		begin();
		desk_battery(&s, 50);
		s.dev[2].state.caps.settle_ms = 60000; /* left to itself */
		s.dev[1].state.caps.settle_ms = ROWS[r].settle_ms;
		run(3);
		tell(1000);
		for (t = 1; t < 40 && at < 0; t++) {
			struct edge_vote v;
			double read_w = t >= ROWS[r].first_s + ROWS[r].poll_s ? 1000 : ROWS[r].first_w;

			desk_wait(&s, 1000);
			desk_power(&s, 2, 0);
			if (t >= ROWS[r].first_s && (t - ROWS[r].first_s) % ROWS[r].poll_s == 0)
				desk_power(&s, 1, read_w);
			desk_grid(&s, 500 + read_w - (t == 3 ? ROWS[r].away_w : 0));
			if (edge_step(&e, &s, &v)) {
				at = t;
				last = v;
			}
		}
		assert_row(ROWS[r].name, at == ROWS[r].at_s && last.class == EDGE_RIGHT);
		assert_row_near(ROWS[r].name, last.own_w, ROWS[r].own_w);
	}
}

/* While one still moves, by its own will or slowly, the step is not over. */
static void what_still_moves_delays_it(void **state)
{
	static const struct { const char *name; bool same; int steps, least; } ROWS[] = {
		{ "nobody", false, 0, 4 }, { "another one, told long ago", false, 5, 9 }, { "the same one, after it seemed to have arrived", true, 5, 9 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double other_w = 0, own_w = 0;
		int at = -1;

		begin();
		desk_battery(&s, 50);
		s.dev[2].ordered = order_power(0);
		run(3);
		tell(1000);
		for (int t = 1; t < 40 && at < 0; t++) {
			struct edge_vote v;

			desk_wait(&s, 1000);
			own_w = 1000 + (ROWS[r].same && t > 1 ? 60 * (t < ROWS[r].steps ? t : ROWS[r].steps) : 0);
			other_w = !ROWS[r].same ? 60 * (t < ROWS[r].steps ? t : ROWS[r].steps) : 0;
			desk_power(&s, 1, own_w);
			desk_power(&s, 2, other_w);
			desk_grid(&s, 500 + own_w + other_w);
			if (edge_step(&e, &s, &v)) {
				at = t;
				last = v;
			}
		}
		assert_row(ROWS[r].name, at >= ROWS[r].least && last.clean && last.class == EDGE_RIGHT);
		assert_row_near(ROWS[r].name, last.own_w, 1000 + 60 * ROWS[r].steps);
	}
}

static void coming_and_going_ends_a_step(void **state)
{
	static const struct { const char *name; struct order order; int votes; } ROWS[] = {
		{ "stays", { .kind = ORDER_POWER, .w = 1000 }, 1 },
		{ "left to itself", { .kind = ORDER_RELEASE }, 0 },
		{ "balances by itself", { .kind = ORDER_BALANCE, .native = true, .w = 1000 }, 0 },
		{ "our loop goes on with it", { .kind = ORDER_BALANCE, .w = 1000 }, 1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		begin();
		run(3);
		tell(1000);
		run(2);
		s.dev[1].ordered = ROWS[r].order;
		run(12);
		assert_row(ROWS[r].name, votes == ROWS[r].votes);
	}
	begin();
	run(3);
	tell(1000);
	run(2);
	desk_battery(&s, 50); /* a new number in the sum */
	run(12);
	assert_int_equal(votes, 0);
}

/* A car that begins by itself: what the meter showed when it was last read without it counts as before. */
static void a_car_of_its_own_will(void **state)
{
	(void)state;
	begin();
	s.n_devices = 1;
	desk_charger(&s, 0);
	s.dev[1].ordered = order_power(3680);
	for (int t = 0; t < 30; t++) {
		struct edge_vote v;

		desk_wait(&s, 1000);
		desk_grid(&s, 500 + (t >= 12 ? 3000 : 0));
		if (t % 5 == 0)
			desk_power(&s, 1, t >= 12 ? 3000 : 0); /* read every five seconds only */
		if (edge_step(&e, &s, &v)) {
			votes++;
			last = v;
		}
	}
	assert_int_equal(votes, 1);
	assert_int_equal(last.class, EDGE_RIGHT);
	assert_near(last.own_w, 3000);
	assert_near(last.meter_w[0], 3000);
}

/* Read so seldom that nobody remembers what the meter showed before: no vote. */
static void a_car_read_too_seldom(void **state)
{
	(void)state;
	begin();
	s.n_devices = 1;
	desk_charger(&s, 0);
	desk_battery(&s, 50);
	s.dev[2].state.availability = AVAIL_UNKNOWN; /* never seen: no part of the sum */
	s.dev[1].ordered = order_power(3680);
	for (int t = 0; t < 60; t++) {
		struct edge_vote v;

		desk_wait(&s, 1000);
		desk_grid(&s, 500 + (t >= 12 ? 3000 : 0));
		if (t % 25 == 0)
			desk_power(&s, 1, t >= 12 ? 3000 : 0);
		assert_false(edge_step(&e, &s, &v));
	}
}

static void bad_numbers_are_no_samples(void **state)
{
	(void)state;
	begin();
	run(3);
	tell(1000);
	for (int t = 0; t < 12; t++) {
		struct edge_vote v;

		desk_wait(&s, 1000);
		desk_power(&s, 1, 1000);
		desk_grid(&s, t % 2 ? NAN : 1500);
		if (t % 2 == 0)
			s.grid_w.q = Q_BAD;
		assert_false(edge_step(&e, &s, &v));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_by_gain),
		cmocka_unit_test(a_restless_house_says_nothing),
		cmocka_unit_test(what_it_would_say),
		cmocka_unit_test(how_often_a_load_comes),
		cmocka_unit_test(a_small_gain_must_stand_out),
		cmocka_unit_test(the_load_an_order_answers_is_no_evidence),
		cmocka_unit_test(orders_in_passing),
		cmocka_unit_test(many_orders_are_a_line_or_nothing),
		cmocka_unit_test(who_moves_by_itself_spoils_it),
		cmocka_unit_test(who_moved),
		cmocka_unit_test(when_it_has_arrived),
		cmocka_unit_test(what_still_moves_delays_it),
		cmocka_unit_test(coming_and_going_ends_a_step),
		cmocka_unit_test(a_car_of_its_own_will),
		cmocka_unit_test(a_car_read_too_seldom),
		cmocka_unit_test(bad_numbers_are_no_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
