/* Devices at their end, for the limits: a car that draws no more, a battery that balances by itself and cannot. */
#include "support/cm.h"
#include "support/desk.h"
#include "support/look_kit.h"

#include <string.h>

static struct snapshot s;
static struct chain c;
static int dev;

/* What share.c is told of the device. */
static struct work_device look(void)
{
	struct work *w = look_at(&s, &c);

	w->d[dev].order = s.dev[dev].ordered;
	w->d[dev].order.w = work_power(w, dev);
	return w->d[dev];
}

static void tell(double w)
{
	s.dev[dev].ordered = order_power(w);
	s.dev[dev].ordered_at_ms = s.now_ms;
}

static void second(double reads_w, double grid_w)
{
	desk_wait(&s, 1000);
	desk_power(&s, dev, reads_w);
	desk_grid(&s, grid_w);
	look();
}

/* It is told @told for 10 s and read; then the meter shows what may be the car, or the house, and it has not been read since. */
static void a_car_at_its_end(void **state)
{
	static const struct { const char *name; double told, then, before, reads; int times; double load; } ROWS[] = {
		{ "it draws, and twice the same: the house's", 7000, 7000, 4000, 4000, 2, 3000 },
		{ "read so once: the car's", 7000, 7000, 7000, 4000, 1, 0 },
		{ "100 W of 4 kW more is the same", 7000, 7000, 3900, 4000, 1, 3000 },
		{ "not quite", 7000, 7000, 3899, 4000, 1, 0 },
		{ "it does not draw: it may begin", 7000, 7000, 100, 100, 2, 0 },
		{ "it does", 7000, 7000, 100.1, 100.1, 2, 3000 },
		{ "draws more than told: it may obey", 7000, 1000, 7000, 7000, 2, 0 },
		{ "a new order: it may go on", 7000, 4000, 4000, 4000, 2, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double up_w = ROWS[r].then < ROWS[r].reads ? -3000 : 3000;

		chain_init(&c);
		desk_init(&s);
		dev = desk_charger(&s, 0);
		tell(0);
		look();
		desk_wait(&s, 1000);
		tell(ROWS[r].told);
		for (int t = 0; t < 5; t++)
			second(ROWS[r].before, ROWS[r].before);
		if (ROWS[r].then != ROWS[r].told)
			tell(ROWS[r].then);
		for (int t = 0; t < 3 + ROWS[r].times; t++)
			second(t < 3 ? ROWS[r].before : ROWS[r].reads, t < 3 ? ROWS[r].before : ROWS[r].reads);
		if (ROWS[r].then == 4000)
			tell(7000);
		for (int t = 0; t < 2; t++) {
			desk_wait(&s, 1000);
			desk_grid(&s, ROWS[r].reads + up_w);
			look();
		}
		assert_row_near(ROWS[r].name, c.loop.load_w, ROWS[r].load);
	}
}

/* By itself it holds 0 W, unless it does nothing about it for its settle time of a second and a quarter. */
static void a_battery_that_balances_by_itself_and_cannot(void **state)
{
	static const struct {
		const char *name;
		bool native, known;
		double noise, grid, then, moves, power; /* moves: toward 0 W, in all */
		int64_t reading_ms, meter_ms;           /* at last: after it began */
	} ROWS[] = {
		{ "it stands", true, true, 0, -1000, -1000, 0, 500, 1250, 1250 },
		{ "it goes away", true, true, 0, -1000, -1000, -100, 400, 1250, 1250 },
		{ "20 W are standing", true, true, 0, -1000, -1000, 20, 520, 1250, 1250 },
		{ "more is moving", true, true, 0, -1000, -1000, 20.1, 1520.1, 1250, 1250 },
		{ "it was not read since", true, true, 0, -1000, -1000, 0, 1500, 1249, 1250 },
		{ "the meter was not", true, true, 0, -1000, -1000, 0, 1500, 1250, 1249 },
		{ "100 W are little", true, true, 0, -100, -100, 0, 600, 1250, 1250 },
		{ "more are not", true, true, 0, -100.1, -100.1, 0, 500, 1250, 1250 },
		{ "a restless house", true, true, 50, -187.5, -187.5, 0, 687.5, 1250, 1250 },
		{ "not so restless", true, true, 50, -187.6, -187.6, 0, 500, 1250, 1250 },
		{ "the other way", true, true, 0, 1000, 1000, 0, 500, 1250, 1250 },
		{ "from one side to the other it has to turn", true, true, 0, 1000, -1000, 0, 1500, 1250, 1250 },
		{ "under our order", false, true, 0, -1000, -1000, 0, 0, 1250, 1250 },
		{ "not read at all", true, false, 0, -1000, -1000, 0, 1000, 1250, 1250 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double toward = ROWS[r].then > 0 ? -1 : 1;
		struct work_device w;
		int64_t began_ms;

		chain_init(&c);
		desk_init(&s);
		dev = desk_battery(&s, 50);
		s.dev[dev].state.caps.native_balance = true;
		s.dev[dev].ordered = order_balance(0, -5000, 5000);
		s.dev[dev].ordered.native = ROWS[r].native;
		s.dev[dev].ordered_at_ms = 1000;
		desk_wait(&s, 1000);
		desk_power(&s, dev, 500);
		c.loop.noise_w = ROWS[r].noise; /* a sample later it is 46.9 W */
		if (!ROWS[r].known)
			s.dev[dev].state.ac_power_w.q = Q_ABSENT;
		desk_grid(&s, ROWS[r].grid);
		c.loop.known = true;
		c.loop.load_w = ROWS[r].grid - (ROWS[r].known ? 500 : 0);
		look();
		began_ms = s.now_ms;
		value_set(&s.dev[dev].state.ac_power_w, 500 + toward * ROWS[r].moves, began_ms + ROWS[r].reading_ms, ROWS[r].known ? Q_GOOD : Q_ABSENT);
		s.now_ms = began_ms + ROWS[r].meter_ms;
		desk_grid(&s, ROWS[r].then);
		c.loop.noise_w = ROWS[r].noise;
		c.loop.load_w = ROWS[r].then - (ROWS[r].known ? 500 + toward * ROWS[r].moves : 0);
		s.now_ms = began_ms + 2000;
		w = look();
		assert_row_near(ROWS[r].name, w.order.w, ROWS[r].power);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_car_at_its_end),
		cmocka_unit_test(a_battery_that_balances_by_itself_and_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
