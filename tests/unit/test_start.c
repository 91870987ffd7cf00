/* The first seconds of a life: who is waited for, for how long, and what nobody is told meanwhile. */
#include "support/cm.h"
#include "support/live.h"

static struct live l;
static int battery, car, pv;

static void fresh(void)
{
	live_init(&l);
	battery = desk_battery(&l.s, 50);
	car = desk_charger(&l.s, 3000);
	pv = live_pv(&l, 1000);
	desk_power(&l.s, pv, -1000);
}

static void think(void)
{
	desk_chain(&l.c, &l.s, &l.d);
}

static void all_read(void) { }
static void battery_unknown(void) { l.s.dev[battery].state.availability = AVAIL_UNKNOWN; }
static void car_unknown(void) { l.s.dev[car].state.availability = AVAIL_UNKNOWN; }
static void sun_unknown(void) { l.s.dev[pv].state.availability = AVAIL_UNKNOWN; }
static void meter_unknown(void) { l.s.dev[0].state.availability = AVAIL_UNKNOWN; }
static void nobody_unknown(void) { battery_unknown(), l.s.dev[battery].roles = ROLE_LOAD; }
static void battery_unread(void) { l.s.dev[battery].state.ac_power_w.q = Q_ABSENT; }
static void battery_reads_itself(void) { battery_unread(), value_set(&l.s.dev[battery].state.f[F_BATTERY_POWER_AC_W], 0, l.s.now_ms, Q_GOOD); }
static void car_unread(void) { l.s.dev[car].state.ac_power_w.q = Q_ABSENT; }
static void car_reads_itself(void) { car_unread(), value_set(&l.s.dev[car].state.f[F_CHARGER_POWER_W], 3000, l.s.now_ms, Q_GOOD); }
static void car_unrated(void) { l.s.dev[car].state.caps.charge_max_w = 0; }
static void battery_unrated(void) { l.s.dev[battery].state.caps.charge_max_w = 0; }
static void car_offline(void) { car_unread(), l.s.dev[car].state.availability = AVAIL_OFFLINE; }
static void car_broken(void) { car_unread(), l.s.dev[car].state.availability = AVAIL_FAULT; }
static void car_never_ordered(void) { car_unread(), l.s.dev[car].state.caps.can_power = false; }
static void stopping(void) { car_unread(), l.s.stopping = true; }
static void paused(void) { car_unread(), l.s.paused = true; }
static void island(void) { car_unread(), l.s.grid_lost = true; }

static void who_is_waited_for(void **state)
{
	static const struct { const char *name; void (*set)(void); bool waits; } ROWS[] = {
		{ "all read", all_read, false },
		{ "a battery that has not answered", battery_unknown, true },
		{ "a charger that has not", car_unknown, true },
		{ "an inverter that has not", sun_unknown, true },
		{ "a meter that has not", meter_unknown, true },
		{ "nobody needs it", nobody_unknown, false },
		{ "a battery not read", battery_unread, true },
		{ "its own power will do", battery_reads_itself, false },
		{ "a charger not read", car_unread, true },
		{ "its own power will do as well", car_reads_itself, false },
		{ "a charger whose rating comes later", car_unrated, true },
		{ "a battery without one", battery_unrated, false },
		{ "offline", car_offline, false },
		{ "out of order", car_broken, false },
		{ "takes no orders", car_never_ordered, false },
		{ "the agent stops", stopping, false },
		{ "paused", paused, false },
		{ "the grid is away", island, false },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		ROWS[r].set();
		think();
		if (l.s.dev[battery].state.availability == AVAIL_ONLINE && l.s.dev[battery].roles == ROLE_BATTERY)
			assert_row(ROWS[r].name, (l.d.d[battery].order.kind == ORDER_NONE) == ROWS[r].waits);
		else
			assert_row(ROWS[r].name, (l.d.d[car].order.kind == ORDER_NONE) == ROWS[r].waits);
	}
}

/* Five seconds, not one more; and what has begun does not begin again. */
static void how_long(void **state)
{
	(void)state;
	fresh();
	car_unread();
	for (int ms = 0; ms <= 5000; ms += ms == 0 ? 4999 : 1) {
		l.s.now_ms = 1000000 + ms;
		think();
		assert_true((l.d.d[battery].order.kind == ORDER_NONE) == (ms < 5000));
		assert_true((l.d.mode == RANK_GUARD && l.d.code == REASON_NO_ORDER) == (ms < 5000));
	}
	fresh();
	think();
	assert_int_equal(l.d.d[battery].order.kind, ORDER_BALANCE);
	car_unread();
	think();
	assert_int_equal(l.d.d[battery].order.kind, ORDER_BALANCE);
}

/* A pause outlasts nothing: who was not read before it is waited for behind it, if the time is not over. */
static void behind_a_pause(void **state)
{
	(void)state;
	fresh();
	paused();
	think();
	assert_int_equal(l.d.d[battery].order.kind, ORDER_RELEASE);
	l.s.paused = false;
	think();
	assert_int_equal(l.d.d[battery].order.kind, ORDER_NONE);
	l.s.now_ms += 5000;
	think();
	assert_int_equal(l.d.d[battery].order.kind, ORDER_BALANCE);
}

/* A car that charges goes on; one that a limit stops rests for its minute, also where the one before it told it to charge. */
static void a_charge_goes_on_or_is_a_pause(void **state)
{
	static const struct { const char *name; double draws_w, limit_w; enum order_kind before; int64_t wait_ms; double w, later_w; } ROWS[] = {
		{ "there is room", 3000, 0, ORDER_NONE, 59999, 3000, 3920 },
		{ "there is none, and a minute less a moment", 3000, 1000, ORDER_NONE, 59999, 0, 0 },
		{ "there is none, and a minute", 3000, 1000, ORDER_NONE, 60000, 0, 1380 },
		{ "the same, left to itself before", 3000, 1000, ORDER_RELEASE, 59999, 0, 0 },
		{ "it did not charge: no pause", 100, 1000, ORDER_NONE, 1000, 0, 1380 },
		{ "it did", 100.1, 1000, ORDER_NONE, 1000, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		live_init(&l);
		car = desk_charger(&l.s, ROWS[r].draws_w);
		l.s.dev[car].ordered.kind = ROWS[r].before;
		l.s.site.import_limit_w = ROWS[r].limit_w;
		desk_grid(&l.s, ROWS[r].draws_w);
		think();
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].w);
		l.s.dev[car].ordered_at_ms = l.s.now_ms;
		l.s.dev[car].ordered = l.d.d[car].order;
		desk_wait(&l.s, ROWS[r].wait_ms);
		l.s.site.import_limit_w = 0;
		desk_power(&l.s, car, ROWS[r].w);
		desk_grid(&l.s, ROWS[r].w);
		think();
		assert_row_near(ROWS[r].name, live_order(&l, car), ROWS[r].later_w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_waited_for),
		cmocka_unit_test(how_long),
		cmocka_unit_test(behind_a_pause),
		cmocka_unit_test(a_charge_goes_on_or_is_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
