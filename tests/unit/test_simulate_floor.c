/* Breaches of the floor are counted by what a battery does, whoever told it to: the counter that must be 0 in every simulation does
 * count, and counts nothing that is allowed. */
#include "io/zone.h"
#include "simulate/hub.h"
#include "support/cm.h"

#include <stdlib.h>
#include <string.h>

#define START_UTC_MS 1738540800000 /* 2025-02-03 00:00 UTC */
#define TICKS 30

static struct zone london;

static int load_zone(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	return zone_load("Europe/London", &london, &err);
}

enum hook { AS_ORDERED, RELEASED, DISCHARGED, HELD, CHARGED, MISLED };

static void meddle(struct world *w, enum hook hook)
{
	struct storage *b = world_battery(w, 0);
	struct storage_order o = storage_auto(&b->o);

	if (hook == AS_ORDERED)
		return;
	o.fixed = hook != RELEASED;
	o.power_w = hook == DISCHARGED ? -2000 : hook == CHARGED ? 2000 : 0;
	storage_aim(b, &o);
}

/* Breaches of @TICKS ticks of a house of 1 kW, with a reserve of 20 % and, in its first half hour, an event down to 10 %. Who is misled
 * is not told that the reserve is 60 %, and his battery does not do what he orders. */
static int breaches(double soc_pct, double tick_s, double discharge_max_w, int64_t late_ms, enum hook hook)
{
	static struct world w;
	struct simulate_row row = { 0 };
	struct simulate_result result = { 0 };
	struct scenario s = scenario_defaults();
	struct hub_sim *hub;
	struct truth t;

	s.days = 1;
	s.tick_s = tick_s;
	s.site.reserve_pct = 20;
	s.n_batteries = 1;
	s.battery[0] = (struct scenario_battery){ 10000, 5000, discharge_max_w, 0.95, 0.95, 0, soc_pct, 5, true };
	assert_int_equal(truth_alloc(&t, START_UTC_MS, START_UTC_MS, START_UTC_MS + 86400000), 0);
	for (int i = 0; i < t.n; i++) {
		t.load_w[i] = 1000;
		t.import_price[i] = 0.3;
		t.export_price[i] = 0.05;
	}
	t.event = calloc(1, sizeof(*t.event));
	assert_non_null(t.event);
	t.event[0] = (struct truth_event){ .from_utc_ms = START_UTC_MS, .to_utc_ms = START_UTC_MS + 1800000, .known_utc_ms = START_UTC_MS, .power_w = 500,
					   .floor_pct = 10 };
	t.n_events = 1;
	world_init(&w, &s, &t, true, &row);
	w.utc_ms += late_ms;
	hub = hub_sim_make(&w, &(struct hub_sim_options){ .zone = &london }, &result);
	assert_non_null(hub);
	s.site.reserve_pct = hook == MISLED ? 60 : 20;
	for (int i = 0; i < TICKS; i++) {
		world_sense(&w);
		hub_sim_order(hub);
		meddle(&w, hook);
		world_step(&w);
	}
	hub_sim_free(hub);
	truth_deinit(&t);
	return row.floor_violations;
}

static void test_counted(void **state)
{
	static const struct {
		const char *name;
		double soc_pct, tick_s, discharge_max_w;
		int64_t late_ms;
		enum hook hook;
		int least, most;
	} ROWS[] = {
		{ "let go below the reserve, it covers the house", 15, 10, 5000, 3600000, RELEASED, TICKS, TICKS },
		{ "discharged below the reserve", 15, 10, 5000, 3600000, DISCHARGED, TICKS, TICKS },
		{ "discharged below the event's floor", 9, 10, 5000, 0, DISCHARGED, TICKS, TICKS },
		{ "let go above it, and it goes through", 20.3, 10, 5000, 3600000, RELEASED, 10, TICKS - 8 },
		{ "steps of a second", 15, 1, 5000, 3600000, DISCHARGED, TICKS - 1, TICKS - 1 }, /* the first is the time it takes to stop */
		{ "as Hearth orders", 15, 10, 5000, 3600000, AS_ORDERED, 0, 0 },
		{ "as Hearth orders, down to it", 20.3, 10, 5000, 3600000, AS_ORDERED, 0, 0 },
		{ "the event may", 15, 10, 5000, 0, AS_ORDERED, 0, 0 },
		{ "the event ends below the reserve", 15, 10, 5000, 1800000 - 100000, AS_ORDERED, 0, 0 },
		{ "the same, a strong battery in steps of a second", 15, 1, 10000, 1800000 - 10000, AS_ORDERED, 0, 0 },
		{ "held below it", 15, 10, 5000, 3600000, HELD, 0, 0 },
		{ "charged below it", 15, 10, 5000, 3600000, CHARGED, 0, 0 },
		{ "discharged above it", 60, 10, 5000, 3600000, DISCHARGED, 0, 0 },
		{ "ordered to give below it, and held", 50, 10, 5000, 3600000, MISLED, TICKS - 2, TICKS },
		{ "ordered above it, and held", 65, 10, 5000, 3600000, MISLED, 0, 0 },
		{ "just below what the reading hides", 19.94, 10, 5000, 3600000, DISCHARGED, TICKS, TICKS },
		{ "what the reading hides", 20.13, 1, 5000, 3600000, DISCHARGED, 0, 0 }, /* down to 19.955 % */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const int n = breaches(ROWS[i].soc_pct, ROWS[i].tick_s, ROWS[i].discharge_max_w, ROWS[i].late_ms, ROWS[i].hook);

		if (n < ROWS[i].least || n > ROWS[i].most)
			fail_msg("%s: %d breaches, must be %d to %d", ROWS[i].name, n, ROWS[i].least, ROWS[i].most);
	}
}

/* A tick is one breach, however many batteries and orders it has; nobody who looks is told nothing. */
static void test_world(void **state)
{
	struct scenario s = scenario_defaults();
	struct simulate_row row = { 0 };
	static struct world w;
	struct truth t;

	(void)state;
	s.n_batteries = 2;
	s.battery[0] = s.battery[1] = (struct scenario_battery){ 10000, 5000, 5000, 0.95, 0.95, 0, 15, 5, true };
	assert_int_equal(truth_alloc(&t, START_UTC_MS, START_UTC_MS, START_UTC_MS + 86400000), 0);
	world_init(&w, &s, &t, true, &row);
	for (int i = 0; i < 2; i++)
		storage_aim(world_battery(&w, i), &(struct storage_order){ .fixed = true, .power_w = -1000, .min_w = -5000, .max_w = 5000 });
	world_step(&w);
	assert_int_equal(row.floor_violations, 0);
	w.floor_wh[0] = w.floor_wh[1] = 2000;
	w.ordered_below = true;
	world_step(&w);
	assert_int_equal(row.floor_violations, 1);
	w.floor_wh[0] = w.floor_wh[1] = 0;
	w.ordered_below = true;
	world_step(&w);
	assert_int_equal(row.floor_violations, 2);
	world_step(&w);
	assert_int_equal(row.floor_violations, 2);
	truth_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_counted), cmocka_unit_test(test_world) };

	return cmocka_run_group_tests(tests, load_zone, NULL);
}
