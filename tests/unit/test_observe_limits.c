/* What share.c is told of each device, for the limits: where it stands by the best estimate, at least and at most; who is believed
 * by its readings, and what is still to come. */
#include "support/cm.h"
#include "support/desk.h"
#include "support/look_kit.h"

#include <string.h>

static struct snapshot s;
static struct chain c;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
}

/* What share.c is told of one device. */
static struct work_device look(int b)
{
	return look_at(&s, &c)->d[b];
}

/* Settle time 1 s: by the driver's word an order is there after 1.25 s; its window is 2.5 s. The load was 2000 W before. */
static void what_limits_are_told(void **state)
{
	static const struct {
		const char *name;
		enum order_kind kind;
		double told, reads;
		int64_t told_ms, read_ms; /* before the meter's sample; the reading: after the order */
		bool known, learned;
		double grid, guess_low, guess_high, low, high;
	} ROWS[] = {
		{ "not read: anything up to its order", ORDER_POWER, 2000, 0, 9000, 0, false, false, 1000, 0, 2000, 0, 2000 },
		{ "or down", ORDER_POWER, -2000, 0, 9000, 0, false, false, 1000, -2000, 0, -2000, 0 },
		{ "not told: as read", ORDER_RELEASE, 0, -700, 9000, 8000, true, false, 1000, -700, -700, -700, -700 },
		{ "just told: where the load has it", ORDER_BALANCE, -2000, 0, 100, 100, true, false, 1300, -700, -700, -2000, 0 },
		{ "almost settled", ORDER_BALANCE, -2000, -1900, 1249, 1249, true, false, 1300, -700, -700, -2000, 0 },
		{ "settled: as read", ORDER_BALANCE, -2000, -1900, 1250, 1250, true, false, 1300, -1900, -1900, -2000, 0 },
		{ "the meter was read before that", ORDER_BALANCE, -2000, -1900, 1249, 1250, true, false, 1300, -700, -700, -2000, 0 },
		{ "the device was", ORDER_BALANCE, -2000, -1900, 1250, 1249, true, false, 1300, -700, -700, -2000, 0 },
		{ "steps have taught otherwise", ORDER_BALANCE, -2000, -1900, 1250, 1250, true, true, 1300, -700, -700, -2000, 0 },
		{ "but with the load it is what the meter shows", ORDER_BALANCE, -2000, -1900, 1250, 1250, true, true, 110, -1900, -1900, -2000, 0 },
		{ "the driver's time counts then too", ORDER_BALANCE, -2000, -1900, 1249, 1249, true, true, 110, -1890, -1890, -2000, 0 },
		{ "just what it shows", ORDER_BALANCE, -2000, -1900, 1250, 1250, true, true, 115, -1900, -1900, -2000, 0 },
		{ "and just not", ORDER_BALANCE, -2000, -1900, 1250, 1250, true, true, 115.1, -1884.9, -1884.9, -2000, 0 },
		{ "an echo of the order", ORDER_BALANCE, -2000, -2000, 1250, 1250, true, true, 2000, 0, 0, -2000, 0 },
		{ "it is over for them too", ORDER_BALANCE, -2000, -1900, 2500, 2500, true, true, 100, -1900, -1900, -2000, -1700 },
		{ "does more than told: that is its way", ORDER_POWER, -2000, -2200, 9000, 9000, true, false, 0, -2000, -2000, -2200, -2200 },
		{ "the other way too", ORDER_POWER, 2000, 2200, 9000, 9000, true, false, 0, 2000, 2000, 2200, 2200 },
		{ "much more: as read", ORDER_POWER, 2000, 2500, 9000, 9000, true, false, 0, 2500, 2500, 2500, 2500 },
		{ "just not so much", ORDER_POWER, 2000, 2499, 9000, 9000, true, false, 0, 2000, 2000, 2499, 2499 },
		{ "less: as read", ORDER_POWER, 2000, 1500, 9000, 9000, true, false, 0, 1500, 1500, 1500, 1500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct work_device w;
		int64_t meter_ms;
		int b;

		fresh();
		meter_ms = s.now_ms + 100000;
		b = desk_battery(&s, 50);
		s.dev[b].ordered = order_power(0);
		s.dev[b].ordered_at_ms = 1000;
		look(b);
		s.now_ms = meter_ms;
		desk_grid(&s, ROWS[r].grid);
		s.now_ms = meter_ms + 5000;
		s.dev[b].ordered = (struct order){ .kind = ROWS[r].kind, .w = ROWS[r].told, .min_w = -5000, .max_w = 5000 };
		s.dev[b].ordered_at_ms = meter_ms - ROWS[r].told_ms;
		value_set(&s.dev[b].state.ac_power_w, ROWS[r].reads, s.dev[b].ordered_at_ms + ROWS[r].read_ms, ROWS[r].known ? Q_GOOD : Q_ABSENT);
		c.loop.load_w = 2000;
		c.device[b].response.learned = ROWS[r].learned;
		w = look(b);
		assert_row(ROWS[r].name, w.known == ROWS[r].known);
		assert_row_near(ROWS[r].name, w.guess_low_w, ROWS[r].guess_low);
		assert_row_near(ROWS[r].name, w.guess_high_w, ROWS[r].guess_high);
		assert_row_near(ROWS[r].name, w.low_w, ROWS[r].low);
		assert_row_near(ROWS[r].name, w.high_w, ROWS[r].high);
	}
}

/* Readings and load against the meter: a restless house is given more, one nobody reads is where the estimate has it. */
static void what_fits_the_meter(void **state)
{
	static const struct { const char *name; double noise, off, other; bool read, fits; } ROWS[] = {
		{ "four mean deviations", 10, 40, 0, true, true }, { "more than that", 10, 40.1, 0, true, false },
		{ "on the other side", 10, -40, 0, true, true }, { "more there", 10, -40.1, 0, true, false },
		{ "another is read too", 0, 0, -700, true, true }, { "one that is not read", 0, 0, -700, false, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct work_device w;
		int a, b;

		fresh();
		a = desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		for (int i = a; i <= b; i++) {
			s.dev[i].ordered = order_power(0);
			s.dev[i].ordered_at_ms = 1000;
		}
		s.dev[b].ordered = order_power(ROWS[r].other);
		look(a);
		desk_wait(&s, 100000);
		s.dev[a].ordered = order_balance(0, -5000, 5000);
		s.dev[a].ordered.w = -2000;
		s.dev[a].ordered_at_ms = s.now_ms - 1300;
		desk_power(&s, a, -1900);
		desk_power(&s, b, ROWS[r].other);
		s.dev[b].state.ac_power_w.q = ROWS[r].read ? Q_GOOD : Q_ABSENT;
		desk_grid(&s, 2000 - 1900 + ROWS[r].other + ROWS[r].off);
		c.loop.load_w = 2000;
		c.loop.noise_w = ROWS[r].noise;
		c.device[a].response.learned = true;
		w = look(a);
		assert_row_near(ROWS[r].name, w.guess_low_w, ROWS[r].fits ? -1900 : -1900 + ROWS[r].off);
	}
}

/* Between two readings it may have been at either. */
static void between_two_readings(void **state)
{
	(void)state;
	for (int up = 0; up < 2; up++) {
		struct work_device w;
		int b;

		fresh();
		b = desk_battery(&s, 50);
		desk_power(&s, b, up ? 1000 : 3000);
		look(b);
		desk_wait(&s, 100);
		desk_grid(&s, 0);
		desk_wait(&s, 900);
		desk_power(&s, b, up ? 3000 : 1000);
		w = look(b);
		assert_near(w.guess_low_w, up ? 1000 : 3000);
		assert_near(w.low_w, 1000);
		assert_near(w.high_w, 3000);
		assert_near(w.now_w, up ? 3000 : 1000);
	}
}

/* A device that fails stands where it reads, for limits, before the loop believes it. */
static void who_fails(void **state)
{
	struct work_device w;
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].ordered = order_balance(0, -5000, 5000);
	s.dev[b].ordered_at_ms = 1000;
	look(b);
	c.device[b].response.max_ms = 20000; /* a slow one: limits would have to wait for long */
	c.device[b].response.learned = true;
	s.dev[b].ordered.w = -2000;
	s.dev[b].ordered_at_ms = s.now_ms;
	c.loop.load_w = 2000;
	for (int t = 0; t < 22; t++) {
		desk_wait(&s, 1000);
		desk_power(&s, b, 0);
		desk_grid(&s, 1000);
		w = look(b);
		assert_near(w.guess_low_w, t < 19 ? -1000 : 0);
	}
	assert_true(response_fails(&c.device[b].response));
}

/* It failed at an older order, and has not been read since a new one: where it stands is what the load says, and 0 W of relief are
 * not what it was read to do. */
static void who_failed_at_an_older_order(void **state)
{
	static const struct { const char *name; int64_t read_ms; double guess; } ROWS[] = { { "read the moment it was told", 0, -1000 }, { "and after", 1, 0 } };

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct work_device w;
		int64_t told_ms;
		int b;

		fresh();
		b = desk_battery(&s, 50);
		s.dev[b].ordered = order_balance(0, -5000, 5000);
		s.dev[b].ordered_at_ms = 1000;
		look(b);
		c.device[b].response.max_ms = 20000;
		c.device[b].response.learned = true;
		s.dev[b].ordered.w = -2000;
		s.dev[b].ordered_at_ms = s.now_ms;
		c.loop.load_w = 2000;
		for (int t = 0; t < 22; t++) {
			desk_wait(&s, 1000);
			desk_power(&s, b, 0);
			desk_grid(&s, 1000);
			look(b);
		}
		assert_true(response_fails(&c.device[b].response));
		told_ms = s.now_ms;
		s.dev[b].ordered.w = -2500;
		s.dev[b].ordered_at_ms = told_ms;
		desk_wait(&s, 1000);
		value_set(&s.dev[b].state.ac_power_w, 0, told_ms + ROWS[r].read_ms, Q_GOOD);
		desk_grid(&s, 1000);
		w = look(b);
		assert_row(ROWS[r].name, response_fails(&c.device[b].response));
		assert_row_near(ROWS[r].name, w.guess_low_w, ROWS[r].guess);
	}
}

/* A car's cuts leave no more to come than its last two readings, or what it was told since the last; a battery's may. */
static void what_is_still_to_come_of_a_car(void **state)
{
	static const struct { const char *name; bool car; double before, reads, told; int64_t told_ms; double high; } ROWS[] = {
		{ "its reading", true, 6000, 7000, 5000, -9000, 7000 }, { "the one before", true, 7000, 6000, 5000, -9000, 7000 },
		{ "more than it was told until after it", true, 6000, 7000, 5000, 100, 8000 },
		{ "told more since", true, 6000, 5500, 7300, 0, 7300 }, { "a battery", false, 6000, 7000, 5000, -9000, INFINITY },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct work_device w;
		int i;

		fresh();
		i = ROWS[r].car ? desk_charger(&s, ROWS[r].before) : desk_battery(&s, 50);
		desk_power(&s, i, ROWS[r].before);
		s.dev[i].ordered = order_power(8000);
		s.dev[i].ordered_at_ms = 1000;
		look(i);
		desk_wait(&s, 20000);
		desk_power(&s, i, ROWS[r].reads);
		s.dev[i].ordered = order_power(ROWS[r].told);
		s.dev[i].ordered_at_ms = s.now_ms + ROWS[r].told_ms;
		desk_wait(&s, 400);
		desk_grid(&s, 9000);
		w = look(i);
		assert_row(ROWS[r].name, w.read_high_w == ROWS[r].high);
	}
}

/* What the sun's inverter is told is a bound, and no guess of ours. */
/* A car whose cut has had its time and which has not been read since has made room for what goes out: it does not count as still
 * to stop, whatever else the meter shows meanwhile. Settle time 1 s; the house would take 2000 W without it. */
static void a_stop_nobody_has_read_yet(void **state)
{
	static const struct { const char *name; bool car; double told; int64_t told_ms, read_ms; double low, high; } ROWS[] = {
		{ "on its way", true, 0, 1249, 0, 1500, 1500 }, { "it has had its time", true, 0, 1250, 0, 0, 1500 },
		{ "read, a moment too early", true, 0, 1250, 1249, 0, 1500 }, { "read after that", true, 0, 1250, 1250, 3000, 3000 },
		{ "told less", true, 1400, 1250, 0, 1400, 1500 }, { "told more", true, 3100, 1250, 0, 3000, 3000 },
		{ "a battery's is the loop's", false, 0, 1250, 0, 1500, 1500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct work_device w;
		int i;

		fresh();
		i = ROWS[r].car ? desk_charger(&s, 3000) : desk_battery(&s, 50);
		desk_power(&s, i, 3000);
		s.dev[i].ordered = order_power(3000);
		s.dev[i].ordered_at_ms = 1000;
		look(i);
		desk_wait(&s, 100000);
		s.dev[i].ordered = order_power(ROWS[r].told);
		s.dev[i].ordered_at_ms = s.now_ms;
		value_set(&s.dev[i].state.ac_power_w, 3000, s.now_ms + ROWS[r].read_ms, Q_GOOD);
		desk_wait(&s, ROWS[r].told_ms);
		desk_grid(&s, 3500);
		c.loop.load_w = 2000;
		w = look(i);
		assert_row_near(ROWS[r].name, w.guess_low_w, ROWS[r].low);
		assert_row_near(ROWS[r].name, w.guess_high_w, ROWS[r].high);
	}
}

static void the_sun_is_as_read(void **state)
{
	struct work_device w;
	int b;

	(void)state;
	fresh();
	b = desk_battery(&s, 50);
	s.dev[b].roles = ROLE_PV;
	s.dev[b].state.caps.can_curtail = true;
	s.dev[b].ordered = order_power(-3000);
	s.dev[b].ordered_at_ms = 1000;
	desk_power(&s, b, -1200);
	s.dev[b].roles = ROLE_PV;
	w = look(b);
	assert_near(w.guess_low_w, w.known ? -1200 : -3000);
	assert_near(c.device[b].seen_w, 0);
	assert_near(c.device[b].response.told_w, -3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_limits_are_told),
		cmocka_unit_test(what_fits_the_meter),
		cmocka_unit_test(between_two_readings),
		cmocka_unit_test(who_fails),
		cmocka_unit_test(who_failed_at_an_older_order),
		cmocka_unit_test(what_is_still_to_come_of_a_car),
		cmocka_unit_test(a_stop_nobody_has_read_yet),
		cmocka_unit_test(the_sun_is_as_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
