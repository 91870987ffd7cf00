/* The balance loop's one step: how much, who gets what, how fast, what it says. Through the whole chain. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;
static struct chain c;
static struct decisions d;

static void fresh(void)
{
	chain_init(&c);
	desk_init(&s);
}

/* A second later; the meter shows the load with all devices as ordered. */
static void later(double load_w)
{
	double grid_w = load_w;

	desk_wait(&s, 1000);
	for (int i = 1; i < s.n_devices; i++) {
		double w = s.dev[i].state.ac_power_w.v;

		if (s.dev[i].ordered.kind == ORDER_POWER || s.dev[i].ordered.kind == ORDER_BALANCE)
			w = s.dev[i].ordered.w;
		desk_power(&s, i, w);
		if (s.dev[i].state.f[F_BATTERY_SOC_PCT].q == Q_GOOD)
			desk_soc(&s, i, s.dev[i].state.f[F_BATTERY_SOC_PCT].v);
		grid_w += w;
	}
	desk_grid(&s, grid_w);
	desk_chain(&c, &s, &d);
}

/* Two batteries of 10 kWh, 5 kW; the user's floor is 20 %. */
static void shares_follow_the_energy(void **state)
{
	static const struct { const char *name; double soc[2], capacity[2], out_w[2], full_pct, grid, w[2]; } ROWS[] = {
		{ "as much in both", { 50, 50 }, { 10000, 10000 }, { 5000, 5000 }, NAN, 3000, { -1500, -1500 } },
		{ "twice as much above the floor", { 60, 40 }, { 10000, 10000 }, { 5000, 5000 }, NAN, 3000, { -2000, -1000 } },
		{ "twice the size", { 50, 50 }, { 10000, 5000 }, { 5000, 5000 }, NAN, 3000, { -2000, -1000 } },
		{ "what one cannot the other does", { 50, 50 }, { 10000, 10000 }, { 1000, 5000 }, NAN, 3000, { -1000, -2000 } },
		{ "almost nothing left still helps", { 23, 50 }, { 10000, 10000 }, { 5000, 5000 }, NAN, 3300, { -300, -3000 } },
		{ "nobody knows a size: by what they can", { 50, 50 }, { 10000, NAN }, { 5000, 2500 }, NAN, 3000, { -2000, -1000 } },
		{ "as much room in both", { 40, 40 }, { 10000, 10000 }, { 5000, 5000 }, NAN, -3000, { 1500, 1500 } },
		{ "twice the room", { 40, 70 }, { 10000, 10000 }, { 5000, 5000 }, NAN, -3000, { 2000, 1000 } },
		{ "full is what the owner says", { 40, 60 }, { 10000, 10000 }, { 5000, 5000 }, 80, -3000, { 2000, 1000 } },
		{ "both as much as they can", { 50, 60 }, { 10000, 10000 }, { 5000, 2000 }, NAN, 9000, { -5000, -2000 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		for (int k = 0; k < 2; k++) {
			struct snap_device *b = &s.dev[desk_battery(&s, ROWS[r].soc[k])];

			b->capacity_wh = ROWS[r].capacity[k];
			b->state.caps.discharge_max_w = ROWS[r].out_w[k];
			b->soc_max_pct = ROWS[r].full_pct;
		}
		desk_grid(&s, ROWS[r].grid);
		desk_chain(&c, &s, &d);
		for (int k = 0; k < 2; k++)
			assert_row_near(ROWS[r].name, d.d[1 + k].order.w, ROWS[r].w[k]);
	}
}

static void a_battery_without_soc_takes_no_part(void **state)
{
	int a, b;

	(void)state;
	fresh();
	a = desk_battery(&s, 50);
	b = desk_battery(&s, 50);
	s.dev[b].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT;
	desk_grid(&s, 3000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[a].order.w, -3000);
	assert_near(d.d[b].order.w, 0);
}

/* Shares are weighed anew only when a battery's energy has changed by a twentieth. */
static void shares_do_not_chatter(void **state)
{
	static const struct { const char *name; double soc, a; } ROWS[] = {
		{ "a little less in it", 48.6, -1500 },
		{ "as little more", 51.4, -1500 },
		{ "much less", 40, -1800 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int a, b;

		fresh();
		a = desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		for (int t = 0; t < 5; t++)
			later(2000);
		desk_soc(&s, b, ROWS[r].soc);
		for (int t = 0; t < 5; t++)
			later(3000);
		assert_row_near(ROWS[r].name, d.d[a].order.w, ROWS[r].a);
		assert_row_near(ROWS[r].name, d.d[b].order.w, -3000 - ROWS[r].a);
	}
}

/* One of two does not do what it is told: the other does it, and the first is asked a little more than it did. */
static void who_cannot_is_asked_a_little_more(void **state)
{
	static const struct { const char *name; double does, a, b; } ROWS[] = {
		{ "nothing", 0, -200, -4000 },
		{ "some of it", -1000, -1350, -3000 },
	};

	(void)state;
	for (size_t k = 0; k < 2 * sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		size_t r = k / 2;
		double sign = k % 2 ? -1 : 1; /* out; in */
		int a, b;

		fresh();
		a = desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		for (int t = 0; t < 30; t++) {
			desk_wait(&s, 1000);
			desk_soc(&s, a, 50);
			desk_soc(&s, b, 50);
			desk_power(&s, a, sign * ROWS[r].does);
			desk_power(&s, b, s.dev[b].ordered.w);
			desk_grid(&s, sign * (4000 + ROWS[r].does) + s.dev[b].ordered.w);
			desk_chain(&c, &s, &d);
		}
		assert_row_near(ROWS[r].name, d.d[a].order.w, sign * ROWS[r].a);
		assert_row_near(ROWS[r].name, d.d[b].order.w, sign * ROWS[r].b);
	}
	fresh(); /* alone it is not asked more than that either; when it can again it is asked for all, and never for more than is needed */
	desk_battery(&s, 50);
	for (int t = 0; t < 60; t++) {
		double load_w = t < 50 ? 4000 : 700;

		desk_wait(&s, 1000);
		desk_soc(&s, 1, 50);
		desk_power(&s, 1, fmax(t < 40 ? -1000 : -5000, s.dev[1].ordered.w));
		desk_grid(&s, load_w + s.dev[1].state.ac_power_w.v);
		desk_chain(&c, &s, &d);
		if (t == 39)
			assert_near(d.d[1].order.w, -1350);
		if (t == 49)
			assert_near(d.d[1].order.w, -4000);
	}
	assert_near(d.d[1].order.w, -700);
}

/* What a higher rank's battery cannot take is the lower one's. */
static void who_cannot_leaves_it_to_the_next_rank(void **state)
{
	int a, b;

	(void)state;
	fresh();
	a = desk_battery(&s, 50);
	b = desk_battery(&s, 50);
	desk_command(&s, a, MODE_DISCHARGE, POWER_FOLLOW_LOAD, 0);
	for (int t = 0; t < 40; t++) {
		desk_wait(&s, 1000);
		desk_soc(&s, a, 50);
		desk_soc(&s, b, 50);
		desk_power(&s, a, fmax(-1000, s.dev[a].ordered.w));
		desk_power(&s, b, s.dev[b].ordered.w);
		desk_grid(&s, 4000 + s.dev[a].state.ac_power_w.v + s.dev[b].ordered.w);
		desk_chain(&c, &s, &d);
	}
	assert_int_equal(d.d[a].rank, RANK_EVENT);
	assert_near(d.d[a].order.w, -1350);
	assert_near(d.d[b].order.w, -3000);
}

static void small_deviations_are_left_alone(void **state)
{
	static const struct { const char *name; double off, w; } ROWS[] = {
		{ "inside the dead band", 14.9, -1000 }, { "its end", 15, -1015 }, { "below", -14.9, -1000 }, { "its other end", -15, -985 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		desk_battery(&s, 50);
		for (int t = 0; t < 20; t++)
			later(1000);
		assert_near(d.d[1].order.w, -1000);
		c.loop.noise_w = 0;
		c.loop.load_w = 1000 + ROWS[r].off; /* as if it had crept there */
		desk_wait(&s, 1000);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[1].order.w, ROWS[r].w);
	}
}

/* A restless house has a wider one. */
static void noise_widens_the_dead_band(void **state)
{
	(void)state;
	for (int beyond = 0; beyond < 2; beyond++) {
		fresh();
		desk_battery(&s, 50);
		for (int t = 0; t < 20; t++)
			later(1000);
		c.loop.noise_w = 40;
		c.loop.load_w = beyond ? 1035 : 1034.9;
		desk_wait(&s, 1000);
		desk_chain(&c, &s, &d);
		assert_near(d.d[1].order.w, beyond ? -1035 : -1000);
	}
}

static void whole_range_in_a_second(void **state)
{
	static const struct { const char *name; int level; double window_ms; int wait_ms; double w; } ROWS[] = {
		{ "a second later: all of it", 0, 2500, 1000, 5000 },
		{ "a tenth of one", 0, 2500, 100, -4000 },
		{ "after a swing: half of it in a window", 1, 2500, 500, -4000 },
		{ "a quarter", 2, 2500, 1000, -4000 },
		{ "and slower for slow devices", 1, 10000, 1000, -4500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		desk_battery(&s, 50);
		desk_grid(&s, 5000);
		desk_chain(&c, &s, &d);
		assert_near(d.d[1].order.w, -5000);
		c.loop.swing.level = ROWS[r].level;
		c.loop.swing.calm_ms = s.now_ms;
		c.device[1].response.max_ms = ROWS[r].window_ms;
		desk_wait(&s, ROWS[r].wait_ms);
		c.loop.load_w = -9000;
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[1].order.w, ROWS[r].w);
	}
}

static void a_swing_is_named(void **state)
{
	(void)state;
	fresh();
	desk_battery(&s, 50);
	desk_chain(&c, &s, &d);
	for (int i = 0; i < d.n_doubts; i++)
		assert_true(d.doubts[i].kind != DOUBT_SWING);
	c.loop.swing = (struct swing){ .level = 2, .calm_ms = s.now_ms, .said_w = 1500, .said_s = 40 };
	desk_chain(&c, &s, &d);
	assert_int_equal(d.doubts[d.n_doubts - 1].kind, DOUBT_SWING);
	assert_int_equal(d.doubts[d.n_doubts - 1].device, -1);
	assert_string_equal(d.doubts[d.n_doubts - 1].why,
			    "the balance loop swung: 5 turns of 1500 W in 40 s; it now waits longer for an effect and changes 1/4 as fast");
}

/* The response lies: the battery answers 12 s late, and its readings say at once what it was told. */
static void a_swing_widens_the_windows(void **state)
{
	double line[12] = { 0 };
	int late;

	(void)state;
	fresh();
	desk_battery(&s, 50);
	for (late = 0; late < 600 && c.loop.swing.level == 0; late++) {
		desk_wait(&s, 1000);
		desk_soc(&s, 1, 50);
		desk_power(&s, 1, s.dev[1].ordered.w);
		desk_grid(&s, (late < 60 ? 500 : 2500) + line[late % 12]);
		line[late % 12] = s.dev[1].ordered.w;
		desk_chain(&c, &s, &d);
	}
	assert_int_equal(c.loop.swing.level, 1);
	assert_true(c.device[1].response.max_ms >= 5000);
	assert_near(c.device[1].response.min_ms, 0);
}

/* A battery nobody can order holds the same meter: ours moves slowly, however long it has been still. */
static void beside_a_stranger(void **state)
{
	static const struct { const char *name; bool online, read, ordered; double w; } ROWS[] = {
		{ "a battery without orders", true, true, false, -333 },
		{ "one that is away", false, true, false, -3000 },
		{ "one that is not read", true, false, false, -3000 },
		{ "one that takes orders", true, true, true, -1500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b;

		fresh();
		desk_battery(&s, 50);
		b = desk_battery(&s, 50);
		s.dev[b].state.caps.can_power = s.dev[b].state.caps.can_hold = ROWS[r].ordered;
		s.dev[b].state.availability = ROWS[r].online ? AVAIL_ONLINE : AVAIL_OFFLINE;
		s.dev[b].state.ac_power_w.q = ROWS[r].read ? Q_GOOD : Q_ABSENT;
		desk_grid(&s, 3000);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[1].order.w, ROWS[r].w);
	}
}

static void who_may_feed_the_car(void **state)
{
	static const struct { const char *name; bool in_follow_load, to_ev; enum power_mode mode; double w; } ROWS[] = {
		{ "nobody", false, false, POWER_FOLLOW_LOAD, -1000 },
		{ "an event, where the owner lets it", true, false, POWER_FOLLOW_LOAD, -3000 },
		{ "any battery, where the owner lets it", false, true, POWER_FOLLOW_LOAD, -3000 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		int b, car;

		fresh();
		b = desk_battery(&s, 50);
		car = desk_charger(&s, 2000);
		s.dev[car].ordered = order_power(2000);
		s.dev[car].ev_mode = EV_NOW;
		s.dev[car].state.caps.charge_max_w = 2000;
		desk_command(&s, b, MODE_DISCHARGE, ROWS[r].mode, 0);
		s.site.ev_in_follow_load = ROWS[r].in_follow_load;
		s.site.battery_to_ev = ROWS[r].to_ev;
		desk_grid(&s, 3000);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[b].order.w, ROWS[r].w);
	}
	fresh(); /* self-use is no event, whatever events may */
	desk_battery(&s, 50);
	desk_charger(&s, 2000);
	s.dev[2].ev_mode = EV_NOW;
	s.dev[2].ordered = order_power(2000);
	s.site.ev_in_follow_load = true;
	desk_grid(&s, 3000);
	desk_chain(&c, &s, &d);
	assert_near(d.d[1].order.w, -1000);
}

static void a_gain_is_made_up_for(void **state)
{
	(void)state;
	fresh();
	desk_battery(&s, 50);
	c.device[1].response.gain_off = -0.1;
	desk_grid(&s, 3600);
	desk_chain(&c, &s, &d);
	assert_near(d.d[1].order.w, -4000);
	desk_wait(&s, 10000);
	desk_soc(&s, 1, 50);
	desk_power(&s, 1, -3600);
	desk_grid(&s, 9000 - 3600); /* but not beyond what it may */
	desk_chain(&c, &s, &d);
	assert_near(d.d[1].order.w, -5000);
}

/* What limits take away after the loop is no swing of the loop. */
static void what_limits_cut_is_no_error(void **state)
{
	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		fresh();
		desk_battery(&s, 50);
		for (int t = 0; t < 10; t++)
			later(1000);
		if (cut)
			c.loop.sum_w -= 15;
		else
			c.loop.sum_w -= 14.9;
		s.dev[1].state.ac_power_w.v = -1000;
		desk_wait(&s, 60000);
		desk_soc(&s, 1, 50);
		desk_power(&s, 1, -1000);
		c.loop.swing.error_w = 0;
		desk_grid(&s, 1000);
		desk_chain(&c, &s, &d);
		assert_true(cut ? c.loop.swing.error_w == 0 : c.loop.swing.error_w > 500);
	}
}

/* What the detector is shown: what was asked, and how far the meter is off. */
static void what_the_detector_sees(void **state)
{
	(void)state;
	fresh();
	desk_battery(&s, 50);
	desk_battery(&s, 50);
	desk_grid(&s, 3000);
	desk_chain(&c, &s, &d);
	assert_near(c.loop.swing.error_w, 3000);
	assert_near(c.loop.sum_w, -3000);
	for (int t = 0; t < 60; t++)
		later(3000);
	c.loop.swing.error_w = 0;
	c.loop.swing.seen_ms = 0;
	later(3500);
	assert_near(c.loop.swing.error_w, 500);
	fresh(); /* more than they may give is no error */
	desk_battery(&s, 50);
	desk_grid(&s, 9000);
	desk_chain(&c, &s, &d);
	assert_near(c.loop.swing.error_w, 5000);
}

/* Where the loop begins: with what the device was told, else with what it does. */
static void where_it_begins(void **state)
{
	static const struct { const char *name; enum order_kind kind; bool native; double told, does, w; } ROWS[] = {
		{ "an order of power", ORDER_POWER, false, -1000, -1005, -1000 },
		{ "our own balance", ORDER_BALANCE, false, -1000, -1005, -1000 },
		{ "its own", ORDER_BALANCE, true, 0, -1005, -1005 },
		{ "left to itself", ORDER_RELEASE, false, 0, -1005, -1005 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		desk_battery(&s, 50);
		s.dev[1].ordered = (struct order){ .kind = ROWS[r].kind, .native = ROWS[r].native, .w = ROWS[r].told, .min_w = -5000, .max_w = 5000 };
		s.dev[1].ordered_at_ms = 1000;
		desk_power(&s, 1, ROWS[r].does);
		desk_grid(&s, 2);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[1].order.w, ROWS[r].w);
	}
}

/* The sum is what the house needs, and still one feeds the other: after an event, or back from its own control. */
static void none_feeds_the_other(void **state)
{
	static const struct { const char *name; enum order_kind b_told; double load, a, b, a_w, b_w; } ROWS[] = {
		{ "back from its own control", ORDER_NONE, 500, 4500, -5000, -250, -250 },
		{ "the other way round", ORDER_NONE, 500, -5000, 4500, -250, -250 },
		{ "both told", ORDER_BALANCE, 500, 4500, -5000, -250, -250 },
		{ "more sun than load", ORDER_BALANCE, -1000, 4000, -3000, 500, 500 },
		{ "a little: not worth an order", ORDER_BALANCE, 500, 14.9, -514.9, 14.9, -514.9 },
		{ "just worth one", ORDER_BALANCE, 500, 15, -515, -250, -250 },
		{ "the other way round, just", ORDER_BALANCE, -500, -15, 515, 250, 250 },
		{ "both the same way, however uneven", ORDER_BALANCE, 5000, -500, -4500, -500, -4500 },
		{ "in as well", ORDER_BALANCE, -5000, 500, 4500, 500, 4500 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh();
		for (int k = 0; k < 2; k++) {
			struct snap_device *b = &s.dev[desk_battery(&s, 60)];

			b->ordered = (struct order){ .kind = k ? ROWS[r].b_told : ORDER_BALANCE, .min_w = -5000, .max_w = 5000 };
			b->ordered.w = k ? (ROWS[r].b_told == ORDER_NONE ? 0 : ROWS[r].b) : ROWS[r].a;
			b->ordered_at_ms = 1000;
			desk_power(&s, 1 + k, k ? ROWS[r].b : ROWS[r].a);
		}
		desk_grid(&s, ROWS[r].load + ROWS[r].a + ROWS[r].b);
		desk_chain(&c, &s, &d);
		assert_row_near(ROWS[r].name, d.d[1].order.w, ROWS[r].a_w);
		assert_row_near(ROWS[r].name, d.d[2].order.w, ROWS[r].b_w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_the_energy),
		cmocka_unit_test(a_battery_without_soc_takes_no_part),
		cmocka_unit_test(shares_do_not_chatter),
		cmocka_unit_test(who_cannot_is_asked_a_little_more),
		cmocka_unit_test(who_cannot_leaves_it_to_the_next_rank),
		cmocka_unit_test(small_deviations_are_left_alone),
		cmocka_unit_test(noise_widens_the_dead_band),
		cmocka_unit_test(whole_range_in_a_second),
		cmocka_unit_test(a_swing_is_named),
		cmocka_unit_test(a_swing_widens_the_windows),
		cmocka_unit_test(beside_a_stranger),
		cmocka_unit_test(who_may_feed_the_car),
		cmocka_unit_test(a_gain_is_made_up_for),
		cmocka_unit_test(what_the_detector_sees),
		cmocka_unit_test(where_it_begins),
		cmocka_unit_test(none_feeds_the_other),
		cmocka_unit_test(what_limits_cut_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
