/* Rank 6, the sun at negative export prices: when, how far down, how up again, and what is offered to whom. */
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

static struct snapshot s;
static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
static const struct wishes *w;

static int add_pv(double rated_w, double made_w)
{
	struct snap_device *d = &s.dev[s.n_devices];

	snprintf(d->id, sizeof(d->id), "pv%d", s.n_devices);
	d->roles = ROLE_PV;
	d->state.availability = AVAIL_ONLINE;
	d->state.caps = (struct device_caps){ .can_curtail = true, .discharge_max_w = rated_w, .guarded_by = GUARDED_DEVICE, .settle_ms = 1000 };
	d->discharge_max_w = d->charge_max_w = d->applied_w = d->ev_energy_wh = NAN;
	desk_power(&s, s.n_devices, -made_w);
	return s.n_devices++;
}

/* A site with an inverter of 6000 W that makes @made_w, prices as given. Its index is 1. */
static void site(double import, double export, double made_w)
{
	desk_init(&s);
	memset(memory, 0, sizeof(memory));
	POLICY_PV.init(memory);
	s.import_price = import;
	s.export_price = export;
	add_pv(6000, made_w);
}

/* Time goes on, the meter and all inverters are read. */
static void now(int64_t ms, double grid_w)
{
	desk_wait(&s, ms);
	for (int i = 1; i < s.n_devices; i++)
		s.dev[i].state.ac_power_w.at_ms = s.now_ms;
	desk_grid(&s, grid_w);
	w = desk_step(&POLICY_PV, &s, memory);
}

static const struct order_wish *wish(int i)
{
	const struct order_wish *o = desk_order(w, i, RANK_NONE);

	assert_non_null(o);
	return o;
}

/* The bound on inverter @i, W, positive. */
static double bound(int i)
{
	assert_int_equal(wish(i)->order.kind, ORDER_POWER);
	assert_int_equal(wish(i)->code, REASON_NEGATIVE_PRICE);
	return -wish(i)->order.w;
}

static const struct {
	const char *name;
	double import, export;
	bool trusted, guarded, allow;
	enum order_kind kind;
	double w; /* of a power order */
} WHEN[] = {
	{ "no price known", NAN, NAN, true, true, false, ORDER_RELEASE, 0 },
	{ "export pays", 0.3, 0.08, true, true, false, ORDER_RELEASE, 0 },
	{ "export for nothing", 0.3, 0, true, true, false, ORDER_RELEASE, 0 },
	{ "at the band", 0.3, -0.0005, true, true, false, ORDER_RELEASE, 0 },
	{ "beyond the band", 0.3, -0.00051, true, true, false, ORDER_POWER, -3925 },
	{ "export costs, nobody knows the time", 0.3, -0.05, false, true, false, ORDER_RELEASE, 0 },
	{ "import price unknown", NAN, -0.05, true, true, false, ORDER_POWER, -3925 },
	{ "import for nothing", 0, -0.05, true, true, false, ORDER_POWER, -3925 },
	{ "import at the band", -0.0005, -0.05, true, true, false, ORDER_POWER, -3925 },
	{ "import pays", -0.00051, -0.05, true, true, false, ORDER_POWER, 0 },
	{ "import pays, export too", -0.05, 0.01, true, true, false, ORDER_RELEASE, 0 },
	{ "nobody guards the inverter", 0.3, -0.05, true, false, false, ORDER_RELEASE, 0 },
	{ "nobody guards it, the owner knows", 0.3, -0.05, true, false, true, ORDER_POWER, -3925 },
};

/* 5000 W are made and 1000 W go out, with 6000 W x 1.5 % = 90 W of band: down by 1000 and half the band, 5000 - 1045. */
static void when(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(WHEN) / sizeof(WHEN[0]); i++) {
		site(WHEN[i].import, WHEN[i].export, 5000);
		s.clock_trusted = WHEN[i].trusted;
		s.price_until_utc_ms = s.utc_ms + 900000;
		s.dev[1].state.caps.guarded_by = WHEN[i].guarded ? GUARDED_DEVICE : GUARDED_NONE;
		s.dev[1].allow_unguarded = WHEN[i].allow;
		now(1000, -1030);
		assert_row(WHEN[i].name, wish(1)->order.kind == WHEN[i].kind);
		assert_row_near(WHEN[i].name, wish(1)->order.w, WHEN[i].w);
		assert_row(WHEN[i].name, wish(1)->rank == (WHEN[i].kind == ORDER_RELEASE ? RANK_SELF_USE : RANK_NONE));
		assert_row(WHEN[i].name, wish(1)->until_utc_ms == (WHEN[i].kind == ORDER_RELEASE ? 0 : s.price_until_utc_ms));
		assert_row(WHEN[i].name, wish(1)->code == (WHEN[i].kind == ORDER_RELEASE ? REASON_PV_FREE : REASON_NEGATIVE_PRICE));
	}
}

static void sentences(void **state)
{
	(void)state;
	site(0.3, -0.05, 5000);
	now(1000, 0);
	assert_string_equal(wish(1)->why, "export costs 0.050: no more sun than is used here");
	s.import_price = -0.02;
	now(1000, 0);
	assert_string_equal(wish(1)->why, "import pays 0.020 and export costs 0.050: no sun");
	s.dev[1].state.caps.guarded_by = GUARDED_NONE;
	now(1000, 0);
	assert_string_equal(wish(1)->why, "export costs 0.050, but nobody guards the inverter: not bounded for a price");
	s.export_price = 0.08;
	now(1000, 0);
	assert_string_equal(wish(1)->why, "the sun gives what it can");
}

/* Once negative it stays so until it is not: a price at the band does not flap. And then all begins anew. */
static void price_has_a_band(void **state)
{
	(void)state;
	site(0.3, -0.05, 5000);
	now(1000, -1030);
	assert_near(bound(1), 3925);
	s.export_price = -0.0001;
	now(2000, 0);
	assert_near(bound(1), 3925);
	s.export_price = 0;
	now(2000, 0);
	assert_int_equal(wish(1)->order.kind, ORDER_RELEASE);
	s.export_price = -0.0001;
	now(2000, 0);
	assert_int_equal(wish(1)->order.kind, ORDER_RELEASE);
	s.export_price = -0.05;
	now(2000, 0);
	assert_near(bound(1), 6000);
}

static void nobody_else(void **state)
{
	int b, c, hybrid, fixed;

	(void)state;
	site(0.3, -0.05, 5000);
	b = desk_battery(&s, 50);
	c = desk_charger(&s, 0);
	hybrid = desk_battery(&s, 50);
	s.dev[hybrid].roles |= ROLE_PV;
	fixed = add_pv(5000, 1000);
	s.dev[fixed].state.caps.can_curtail = false;
	s.dev[add_pv(5000, 1000)].state.availability = AVAIL_OFFLINE;
	now(1000, -1000);
	assert_int_equal(w->n_orders, 1);
	assert_null(desk_order(w, b, RANK_NONE));
	assert_null(desk_order(w, c, RANK_NONE));
	assert_int_equal(w->orders[0].device, 1);
}

/* The meter shows an answer only after the settle time; until then nothing is counted twice. One sample is one step. */
static void waits_for_the_meter(void **state)
{
	(void)state;
	site(0.3, -0.05, 5000);
	now(1000, -1030);
	assert_near(bound(1), 3925);
	now(999, -1030);
	assert_near(bound(1), 3925);
	desk_power(&s, 1, -3925);
	now(1, -500); /* the load fell */
	assert_near(bound(1), 3925 - 545);
	desk_wait(&s, 5000); /* no new sample */
	w = desk_step(&POLICY_PV, &s, memory);
	assert_near(bound(1), 3380);
}

/* Without the meter the bound stays where it is. */
static void meter_lost(void **state)
{
	static struct wishes lost;

	(void)state;
	site(0.3, -0.05, 5000);
	now(1000, -1030);
	desk_wait(&s, 5000);
	desk_grid(&s, -1030);
	memset(&lost, 0, sizeof(lost));
	lost.meter_lost = true;
	POLICY_PV.step(memory, &s, &lost);
	assert_near(lost.orders[0].order.w, -3925);
	s.grid_w.q = Q_ABSENT;
	s.grid_sample++;
	w = desk_step(&POLICY_PV, &s, memory);
	assert_near(bound(1), 3925);
}

static const struct {
	const char *name;
	double grid_w, bound_w; /* after one step; 3000 W are made at a bound of 3000 */
} STEPS[] = {
	{ "noise", -90, 3000 },
	{ "more than noise", -91, 3000 - 91 - 45 },
	{ "all of it", -3100, 0 },
	{ "more than all of it", -5000, 0 },
	{ "a little import", 90, 3000 },
	{ "import", 91, 3000 + 91 - 45 },
	{ "as much as it can", 5000, 6000 },
};

static void steps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
		site(0.3, -0.05, 4000);
		now(1000, -955); /* down to 3000 */
		assert_near(bound(1), 3000);
		desk_power(&s, 1, -3000);
		now(1000, STEPS[i].grid_w);
		assert_row_near(STEPS[i].name, bound(1), STEPS[i].bound_w);
	}
}

/* A bound that does not bind is not raised: there is no more sun behind it. */
static void clouds(void **state)
{
	(void)state;
	site(0.3, -0.05, 4000);
	now(1000, -955);
	desk_power(&s, 1, -1000);
	now(1000, 1500); /* 1000 + 1500 is still below it */
	assert_near(bound(1), 3000);
	now(1000, 2500);
	assert_near(bound(1), 3455);
}

/* An inverter nobody can read may make all it can: it is cut as if it did, and never raised beyond that. */
static void unread(void **state)
{
	(void)state;
	site(0.3, -0.05, 4000);
	s.dev[1].state.ac_power_w.q = Q_ABSENT;
	now(1000, -3000);
	assert_near(bound(1), 6000 - 3045);
}

/* Without a rating it is as large as it was ever seen, also before the price fell; until then a kilowatt. */
static void no_rating(void **state)
{
	static const struct { const char *name; double seen_w, made_w, grid_w, bound_w; } ROWS[] = {
		{ "makes", 0, 5000, -1030, 5000 - 1030 - 37.5 }, { "made more", 8000, 5000, -1030, 5000 - 1030 - 60 },
		{ "noise", 8000, 5000, -120, 1e6 }, { "more than noise", 8000, 5000, -121, 5000 - 121 - 60 },
		{ "little", 0, 500, -100, 500 - 100 - 25 }, { "unread", 4000, NAN, -1000, 4000 - 1000 - 30 },
		{ "never read", 0, NAN, -500, 1000 - 500 - 25 }, { "never read, and more goes out", 0, NAN, -3000, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		site(0.3, 0.08, ROWS[i].seen_w);
		s.dev[1].state.caps.discharge_max_w = 0;
		now(1000, 0);
		assert_row(ROWS[i].name, wish(1)->order.kind == ORDER_RELEASE);
		s.export_price = -0.05;
		desk_power(&s, 1, -ROWS[i].made_w);
		s.dev[1].state.ac_power_w.q = isnan(ROWS[i].made_w) ? Q_ABSENT : Q_GOOD;
		now(1000, ROWS[i].grid_w);
		assert_row_near(ROWS[i].name, bound(1), ROWS[i].bound_w);
	}
	site(0.3, -0.05, 8000); /* it is remembered, and what is missing is given by it */
	s.dev[1].state.caps.discharge_max_w = 0;
	now(1000, -500);
	desk_power(&s, 1, -7440);
	now(1000, 1060);
	assert_near(bound(1), 7440 + 1000);
}

static void two_inverters(void **state)
{
	int other;

	(void)state;
	site(0.3, -0.05, 4000);
	other = add_pv(2000, 1000);
	s.dev[1].state.caps.settle_ms = 3000;
	now(1000, -2440); /* band 120 W: a half of 5000 W is too much */
	assert_near(bound(1), 2000);
	assert_near(bound(other), 500);
	desk_power(&s, 1, -2000);
	desk_power(&s, other, -500);
	now(2999, 860); /* the slower of the two decides */
	assert_near(bound(1), 2000);
	now(1, 860);
	assert_near(bound(1), 2600); /* 800 W by the ratings */
	assert_near(bound(other), 700);
}

static struct order balance(double min_w, double max_w)
{
	return order_balance(0, min_w, max_w);
}

/* What a balancing battery can still take is its own matter for ten seconds. */
static void battery_first(void **state)
{
	int b;

	(void)state;
	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = balance(-5000, 3000);
	now(1000, -3091); /* 3000 it can, the rest it cannot */
	assert_near(bound(1), 4000 - 3091 - 45);

	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = balance(-5000, 3000);
	now(1000, -3090);
	assert_near(bound(1), 6000);
	now(9999, -1000);
	assert_near(bound(1), 6000);
	now(1, -1000); /* ten seconds of export */
	assert_near(bound(1), 4000 - 1045);

	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = balance(-5000, 3000);
	now(1000, -1000);
	now(5000, -90); /* it was taken in between: the time begins anew */
	now(1000, -1000);
	now(9999, -1000);
	assert_near(bound(1), 6000);
}

/* What is not balancing takes nothing more; what nobody can read neither. */
static void no_balance_no_room(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		int b;

		site(0.3, -0.05, 4000);
		b = desk_battery(&s, 50);
		s.dev[b].ordered = i == 0 ? order_release() : i == 1 ? order_power(0) : balance(-5000, 3000);
		if (i == 2)
			s.dev[b].state.ac_power_w.q = Q_ABSENT;
		now(1000, -1000);
		assert_near(bound(1), 4000 - 1045);
	}
}

/* A battery left to its own control covers the house; the sun takes that over, step by step. */
static void own_control(void **state)
{
	int b;

	(void)state;
	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = order_release();
	now(1000, -1000);
	desk_power(&s, 1, -2955);
	desk_power(&s, b, 400); /* charges: that says nothing of what more it would take */
	now(5000, 0);
	assert_near(bound(1), 2955);
	desk_power(&s, b, -400);
	now(5000, 0);
	assert_near(bound(1), 2955 + 400);
}

/* Export that an order to the battery makes is not the sun's. */
static void forced_export(void **state)
{
	int b;

	(void)state;
	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = order_power(-3000);
	desk_power(&s, b, -3000);
	now(1000, -3090);
	assert_near(bound(1), 6000);
	now(1000, -3191);
	assert_near(bound(1), 4000 - 191 - 45);
	desk_power(&s, b, 2000); /* charging by order takes nothing off it */
	now(1000, 0);
	assert_near(bound(1), 3764);
}

/* A calm meter: what a battery gives or could take is offered in steps, every five seconds. */
static void small_steps(void **state)
{
	int b;

	(void)state;
	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = balance(-5000, 0);
	now(1000, -1000); /* nothing to take: down to 2955 */
	desk_power(&s, 1, -2955);
	desk_power(&s, b, -700); /* gives 700 W to the house */
	now(4000, 91); /* not calm; and what is missing, the battery can give */
	assert_near(bound(1), 2955);
	now(1000, -90);
	assert_near(bound(1), 2955 + 600);
	desk_power(&s, 1, -3555);
	desk_power(&s, b, -91);
	now(4999, 0);
	assert_near(bound(1), 3555);
	now(1, 0);
	assert_near(bound(1), 3555 + 91); /* no more than there is to gain */
	desk_power(&s, 1, -3646);
	desk_power(&s, b, -90);
	now(5000, 0);
	assert_near(bound(1), 3646);
	s.dev[b].ordered = balance(-5000, 100);
	now(5000, 0);
	assert_near(bound(1), 3646 + 190);
}

/* Import beyond what the batteries could give is made up at once. */
static void import_beyond_the_batteries(void **state)
{
	int b;

	(void)state;
	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 50);
	s.dev[b].ordered = balance(-1000, 0);
	now(1000, -1000);
	desk_power(&s, 1, -2955);
	now(1000, 1090);
	assert_near(bound(1), 2955);
	now(1000, 1091);
	assert_near(bound(1), 2955 + 1091 - 45);
	s.dev[b].ordered = balance(0, 0);
	desk_power(&s, 1, -4001);
	desk_power(&s, b, -500); /* outside its band: it can give no less than nothing more */
	now(1000, 91);
	assert_near(bound(1), 4001 + 46);
}

/* A battery near full takes less than it may: steps that only lead to export come ever more seldom. */
static void steps_that_fail(void **state)
{
	static const int BLOCK_S[] = { 60, 120, 240, 480, 960, 960 };
	int b;

	(void)state;
	site(0.3, -0.05, 4000);
	b = desk_battery(&s, 99);
	s.dev[b].ordered = balance(-5000, 5000);
	now(1000, -1000);
	now(10000, -1000); /* not taken, but no step of ours: it does not count */
	assert_near(bound(1), 2955);
	desk_power(&s, 1, -2955);
	now(4999, 0);
	for (size_t i = 0; i < sizeof(BLOCK_S) / sizeof(BLOCK_S[0]); i++) {
		now(1, 0);
		assert_near(bound(1), 3555);
		desk_power(&s, 1, -3555);
		now(1000, -600);
		now(10000, -600);
		assert_near(bound(1), 2910);
		desk_power(&s, 1, -2955);
		now(1000LL * BLOCK_S[i] - 1, 0);
		assert_near(bound(1), 2910);
	}
	now(1, 0);
	now(5000, 0); /* two steps in a row that were taken: it is itself again */
	now(1000, -600);
	now(10000, -600);
	desk_power(&s, 1, -2955);
	now(59999, 0);
	assert_near(bound(1), 2310);
	now(1, 0);
	assert_near(bound(1), 3555);
}

static const struct {
	const char *name;
	enum ev_mode mode;
	bool connected, online;
	double ordered_w; /* < 0: released */
	double offer_w;   /* 0 = none */
} CARS[] = {
	{ "waits for sun", EV_SOLAR, true, true, 0, 1380 },
	{ "left to itself", EV_SOLAR, true, true, -1, 1380 },
	{ "waits for a low price, or sun", EV_CHEAP, true, true, 0, 1380 },
	{ "charges anyway", EV_UNSET, true, true, 0, 0 },
	{ "charges now", EV_NOW, true, true, 0, 0 },
	{ "is off", EV_OFF, true, true, 0, 0 },
	{ "is not there", EV_SOLAR, false, true, 0, 0 },
	{ "cannot be told", EV_SOLAR, true, false, 0, 0 },
	{ "charges and could take more", EV_SOLAR, true, true, 2000, 600 },
	{ "could take a little more", EV_SOLAR, true, true, 7160, 200 },
	{ "takes all it can", EV_SOLAR, true, true, 7360, 0 },
};

static void cars(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CARS) / sizeof(CARS[0]); i++) {
		int c;

		site(0.3, -0.05, 4000);
		now(1000, -1000);
		desk_power(&s, 1, -2955);
		c = desk_charger(&s, 0);
		s.dev[c].ev_mode = CARS[i].mode;
		s.dev[c].state.f[F_CHARGER_CONNECTED].v = CARS[i].connected;
		s.dev[c].state.availability = CARS[i].online ? AVAIL_ONLINE : AVAIL_OFFLINE;
		s.dev[c].ordered = CARS[i].ordered_w < 0 ? order_release() : order_power(CARS[i].ordered_w);
		now(1000, 0);
		assert_row_near(CARS[i].name, bound(1), 2955 + (CARS[i].offer_w > 0 ? CARS[i].offer_w + 90 : 0));
	}
}

/* The largest of them is offered; what goes out then is tolerated for 40 s; if nobody took it, not again for ten minutes. */
static void an_offer_nobody_takes(void **state)
{
	int c;

	(void)state;
	site(0.3, -0.05, 4000);
	now(1000, -1000);
	desk_power(&s, 1, -2955);
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	s.dev[c].state.caps.min_w = 4000;
	desk_charger(&s, 0);
	now(1000, -91); /* while there is export nobody needs an offer */
	assert_near(bound(1), 2955 - 91 - 45);
	desk_power(&s, 1, -2819);
	now(1000, -90);
	assert_near(bound(1), 6000);
	desk_power(&s, 1, -6000);
	now(1000, -4090); /* tolerated */
	assert_near(bound(1), 6000);
	now(1000, -4181); /* not that much */
	assert_near(bound(1), 6000 - 91 - 45);
	now(37999, -4090);
	assert_near(bound(1), 5864);
	now(1, -4090);
	assert_near(bound(1), 6000 - 4135);
	desk_power(&s, 1, -1865);
	now(599999, 0);
	assert_near(bound(1), 1865);
	now(1, 0);
	assert_near(bound(1), 1865 + 4090);
}

/* Taken: the next one follows at once, and all the sun there is finds its way into the car. */
static void an_offer_that_is_taken(void **state)
{
	int c;

	(void)state;
	site(0.3, -0.05, 4000);
	now(1000, -1000);
	desk_power(&s, 1, -2955);
	c = desk_charger(&s, 0);
	s.dev[c].ev_mode = EV_SOLAR;
	now(1000, 0);
	assert_near(bound(1), 2955 + 1470);
	s.dev[c].ordered = order_power(1380);
	desk_power(&s, 1, -4425);
	now(20000, -90);
	assert_near(bound(1), 4425);
	now(20000, -90);
	assert_near(bound(1), 4425 + 690);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when),
		cmocka_unit_test(sentences),
		cmocka_unit_test(price_has_a_band),
		cmocka_unit_test(nobody_else),
		cmocka_unit_test(waits_for_the_meter),
		cmocka_unit_test(meter_lost),
		cmocka_unit_test(steps),
		cmocka_unit_test(clouds),
		cmocka_unit_test(unread),
		cmocka_unit_test(no_rating),
		cmocka_unit_test(two_inverters),
		cmocka_unit_test(battery_first),
		cmocka_unit_test(no_balance_no_room),
		cmocka_unit_test(own_control),
		cmocka_unit_test(forced_export),
		cmocka_unit_test(small_steps),
		cmocka_unit_test(import_beyond_the_batteries),
		cmocka_unit_test(steps_that_fail),
		cmocka_unit_test(cars),
		cmocka_unit_test(an_offer_nobody_takes),
		cmocka_unit_test(an_offer_that_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
