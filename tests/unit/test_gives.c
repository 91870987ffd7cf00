/* A house that gives power: how much of it, for how long, and what must be known for that. */
#include "policies/gives.h"
#include "support/cm.h"
#include "support/desk.h"

/* Ticks until it is said; -1 = not within three minutes. @pv_w and @car_w are measured, the rest is the house. */
struct row {
	const char *name;
	double grid_w, pv_w, car_w;
	enum quality pv_q;
	uint32_t pv_roles;
	int after_s;
};

static void how_much_and_how_long(void **state)
{
	static const struct row ROWS[] = {
		{ "just not", -500, 0, 0, Q_GOOD, ROLE_PV, -1 }, { "beyond all readings", -501, 0, 0, Q_GOOD, ROLE_PV, 10 },
		{ "a fifth of what moves may be late", -900, -1000, 1000, Q_GOOD, ROLE_PV, -1 },
		{ "more", -901, -1000, 1000, Q_GOOD, ROLE_PV, 120 }, { "just all of it", -2500, -1000, 1000, Q_GOOD, ROLE_PV, 120 },
		{ "more than all of it", -2501, -1000, 1000, Q_GOOD, ROLE_PV, 10 }, { "sun that is not read", -5000, 0, 0, Q_ABSENT, ROLE_PV, -1 },
		{ "no sun is measured", -5000, 0, 0, Q_GOOD, ROLE_CHARGER, -1 }, { "what the sun gives", -1400, -1000, 0, Q_GOOD, ROLE_PV, -1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct gives g = { 0 };
		struct snapshot s;
		int t = 0, pv, car;

		desk_init(&s);
		pv = desk_charger(&s, 0);
		car = desk_charger(&s, 0);
		s.dev[pv].roles = ROWS[r].pv_roles;
		for (; t <= 180; t++) {
			desk_grid(&s, ROWS[r].grid_w);
			desk_power(&s, pv, ROWS[r].pv_w);
			desk_power(&s, car, ROWS[r].car_w);
			s.dev[pv].state.ac_power_w.q = ROWS[r].pv_q;
			if (gives_power(&g, &s))
				break;
			desk_wait(&s, 1000);
		}
		assert_row(ROWS[r].name, (t > 180 ? -1 : t) == ROWS[r].after_s);
	}
}

static void a_break_begins_anew(void **state)
{
	struct gives g = { 0 };
	struct snapshot s;

	(void)state;
	desk_init(&s);
	s.dev[desk_charger(&s, 0)].roles = ROLE_PV;
	for (int t = 0; t < 19; t++) {
		desk_grid(&s, t == 9 ? 0 : -3000);
		desk_power(&s, s.n_devices - 1, 0);
		assert_false(gives_power(&g, &s));
		desk_wait(&s, 1000);
	}
	desk_grid(&s, -3000);
	s.grid_w.q = Q_ABSENT; /* nothing is known for a moment, and nothing forgotten */
	assert_false(gives_power(&g, &s));
	desk_wait(&s, 1000);
	desk_grid(&s, -3000);
	desk_power(&s, s.n_devices - 1, 0);
	assert_true(gives_power(&g, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(how_much_and_how_long), cmocka_unit_test(a_break_begins_anew) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
