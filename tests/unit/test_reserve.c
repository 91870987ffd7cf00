/* The effective floor, who set it, and the two points of hysteresis. */
#include "support/cm.h"
#include "support/desk.h"

#include "policies/floor.h"

#include <string.h>

static struct snapshot s;

static void floor_is_the_first_non_null(void **state)
{
	static const struct {
		const char *name;
		bool active, honour;
		double hardware, user, owner, command, event, program, pct;
		const char *source;
	} ROWS[] = {
		{ "hardware minimum is never undercut", true, false, 30, 20, 10, 10, 10, 10, 30, "hardware" },
		{ "owner below the program is lifted to it", true, false, 5, 20, 5, 40, 50, 15, 15, "owner_event" },
		{ "event below the program is lifted to it", true, false, 5, 20, NAN, NAN, 8, 15, 15, "event" },
		{ "command below the program stands: Flip resolved it", true, false, 5, 20, NAN, 10, 50, 15, 10, "command" },
		{ "owner after the command wins", true, false, 5, 20, 60, 10, 50, 15, 60, "owner_event" },
		{ "command beats a higher user reserve", true, false, 5, 40, NAN, 10, NAN, NAN, 10, "command" },
		{ "unless the site honours the user", true, true, 5, 40, NAN, 10, NAN, NAN, 40, "user" },
		{ "honour does not lower", true, true, 5, 20, NAN, 30, NAN, NAN, 30, "command" },
		{ "event before program", true, false, 5, 20, NAN, NAN, 33, 15, 33, "event" },
		{ "program before user", true, false, 5, 20, NAN, NAN, NAN, 15, 15, "program" },
		{ "all null: the user's", true, false, 5, 20, NAN, NAN, NAN, NAN, 20, "user" },
		{ "no command: the user's, whatever is left over in it", false, false, 5, 20, 60, 10, 50, 15, 20, "user" },
		{ "no command, hardware", false, false, 25, 20, NAN, NAN, NAN, NAN, 25, "hardware" },
		{ "nobody knows the hardware minimum", false, false, NAN, 0, NAN, NAN, NAN, NAN, 0, "user" },
		{ "user reserve unknown: all is kept", false, false, 5, NAN, NAN, NAN, NAN, NAN, 100, "user" },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct command_view *c;
		struct floor_view f;
		int b;

		desk_init(&s);
		b = desk_battery(&s, 50);
		c = desk_command(&s, b, MODE_DISCHARGE, POWER_MAX, 0);
		c->active = ROWS[r].active;
		c->owner_event_pct = ROWS[r].owner;
		c->command_pct = ROWS[r].command;
		c->event_pct = ROWS[r].event;
		c->program_min_pct = ROWS[r].program;
		s.dev[b].soc_min_pct = ROWS[r].hardware;
		s.site.reserve_pct = ROWS[r].user;
		s.site.honour_user_floor = ROWS[r].honour;
		f = floor_effective(&s, &s.dev[b]);
		assert_row_near(ROWS[r].name, f.pct, ROWS[r].pct);
		assert_row(ROWS[r].name, !strcmp(f.source, ROWS[r].source));
		c->active = false; /* as it will be then */
		f = floor_in(&s, &s.dev[b], c);
		assert_row(ROWS[r].name, !ROWS[r].active || (fabs(f.pct - ROWS[r].pct) < 1e-9 && !strcmp(f.source, ROWS[r].source)));
	}
}

static void floor_of_a_command_ends_with_it(void **state)
{
	int b;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 50);
	desk_command(&s, b, MODE_DISCHARGE, POWER_MAX, 0)->command_pct = 10;
	assert_near(floor_effective(&s, &s.dev[b]).pct, 10);
	s.clock_trusted = false;
	assert_near(floor_effective(&s, &s.dev[b]).pct, 20);
	s.clock_trusted = true;
	s.utc_ms = s.dev[b].command.ends_utc_ms;
	assert_near(floor_effective(&s, &s.dev[b]).pct, 20);
	s.utc_ms = s.dev[b].command.starts_utc_ms - 1;
	assert_near(floor_effective(&s, &s.dev[b]).pct, 20);
	s.utc_ms++;
	assert_near(floor_effective(&s, &s.dev[b]).pct, 10);
}

static void discharge_stops_at_the_floor_and_resumes_two_points_above(void **state)
{
	static const struct { double soc; bool stopped; } ROWS[] = {
		{ 20.1, false }, { 20.0, true }, { 20.1, true }, { 21.9, true }, { 22.0, false }, { 20.1, false }, { 0, true }, { 19.9, true },
	};
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
	int b;

	(void)state;
	memset(memory, 0, sizeof(memory));
	desk_init(&s);
	b = desk_battery(&s, 50);
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;
		char row[16];

		snprintf(row, sizeof(row), "%zu", r);
		desk_soc(&s, b, ROWS[r].soc);
		desk_bounds(desk_step(&POLICY_RESERVE, &s, memory), b, &lo, &hi);
		assert_row(row, (lo == 0) == ROWS[r].stopped && hi == INFINITY);
	}
}

static void an_old_reading_counts_less(void **state)
{
	double lo, hi;
	int b;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 20.5);
	s.dev[b].capacity_wh = 1000;
	desk_power(&s, b, -3600); /* 1 Wh a second, 0.1 point */
	desk_wait(&s, 3000);
	desk_bounds(desk_step(&POLICY_RESERVE, &s, NULL), b, &lo, &hi);
	assert_true(lo < 0);
	desk_wait(&s, 3000);
	desk_bounds(desk_step(&POLICY_RESERVE, &s, NULL), b, &lo, &hi);
	assert_true(lo == 0);
}

static void small_batteries_ease_off(void **state)
{
	/* What is above the floor must last for a tick, the settling time and a second; 1.1 covers the losses. */
	static const struct { const char *name; double capacity_wh, soc; int settle_ms; double lo; } ROWS[] = {
		{ "at the floor", 160, 20, 1000, 0 },
		{ "small, one point above", 160, 21, 1000, -1.6 / 1.1 * 3600 / 3 },
		{ "small, slower device", 160, 21, 3000, -1.6 / 1.1 * 3600 / 5 },
		{ "small, far above", 160, 60, 1000, -INFINITY },
		{ "a home's battery, 0.3 points above", 10000, 20.3, 1000, -INFINITY },
		{ "capacity unknown", NAN, 20.3, 1000, -INFINITY },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		double lo, hi;
		int b;

		desk_init(&s);
		b = desk_battery(&s, ROWS[r].soc);
		s.dev[b].capacity_wh = ROWS[r].capacity_wh;
		memset(&s.dev[b].state.f[F_BATTERY_CAPACITY_WH], 0, sizeof(struct value));
		s.dev[b].state.caps.settle_ms = ROWS[r].settle_ms;
		s.site.tick_ms = 1000;
		desk_bounds(desk_step(&POLICY_RESERVE, &s, NULL), b, &lo, &hi);
		if (isinf(ROWS[r].lo))
			assert_row(ROWS[r].name, lo == ROWS[r].lo);
		else
			assert_row_near(ROWS[r].name, lo, ROWS[r].lo);
	}
}

static void a_discharge_on_an_old_reading_is_not_forgotten(void **state)
{
	static _Alignas(16) unsigned char memory[POLICY_MEMORY_MAX];
	double lo, hi;
	int b;

	(void)state;
	memset(memory, 0, sizeof(memory));
	desk_init(&s);
	b = desk_battery(&s, 23);
	s.dev[b].capacity_wh = 1000;
	for (int t = 0; t <= 40; t++) {
		desk_power(&s, b, t < 30 ? -3600 : 0); /* 0.11 point a second: 3.3 points, to 19.7 */
		desk_bounds(desk_step(&POLICY_RESERVE, &s, memory), b, &lo, &hi);
		assert_int_equal(lo == 0, t >= 28);
		desk_wait(&s, 1000);
	}
	desk_soc(&s, b, 22); /* a new reading is believed */
	desk_bounds(desk_step(&POLICY_RESERVE, &s, memory), b, &lo, &hi);
	assert_true(lo == -INFINITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(floor_is_the_first_non_null),
		cmocka_unit_test(floor_of_a_command_ends_with_it),
		cmocka_unit_test(discharge_stops_at_the_floor_and_resumes_two_points_above),
		cmocka_unit_test(an_old_reading_counts_less),
		cmocka_unit_test(small_batteries_ease_off),
		cmocka_unit_test(a_discharge_on_an_old_reading_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
