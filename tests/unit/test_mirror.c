/* The floor that goes into the battery's own register: whole percent, rounded up, lower only while a command lowers it. */
#include "policies/mirror.h"
#include "support/cm.h"
#include "support/desk.h"

static struct snapshot s;

static const struct {
	const char *name;
	bool battery, wanted, can, stopping, leaving;
	double user_pct, command_pct; /* NAN = no command */
	float pct;
} ROWS[] = {
	{ "not wanted", true, false, true, false, false, 20, NAN, 0 },
	{ "the device cannot", true, true, false, false, false, 20, NAN, 0 },
	{ "no battery", false, true, true, false, false, 20, NAN, 0 },
	{ "the owner's floor", true, true, true, false, false, 20, NAN, 20 },
	{ "rounded up", true, true, true, false, false, 20.2, NAN, 21 },
	{ "what is only a rounding error is not", true, true, true, false, false, 20.00001, NAN, 20 },
	{ "0 %: the hardware minimum", true, true, true, false, false, 0, NAN, 5 },
	{ "a command lowers it", true, true, true, false, false, 30, 10, 10 },
	{ "a command raises it", true, true, true, false, false, 30, 50, 50 },
	{ "stopping within a command: nobody is left to bring it back", true, true, true, true, false, 30, 10, 30 },
	{ "given up within a command", true, true, true, false, true, 30, 10, 30 },
	{ "stopping: a higher one stays", true, true, true, true, false, 30, 50, 50 },
	{ "stopping, no floor known: all of it", true, true, true, true, false, NAN, NAN, 100 },
	{ "stopping with a floor that cannot be", true, true, true, true, false, 120, 10, 100 },
};

static void rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct snap_device *d;

		desk_init(&s);
		d = &s.dev[desk_battery(&s, 50)];
		if (!ROWS[i].battery)
			d->roles = ROLE_CHARGER;
		d->mirror_reserve = ROWS[i].wanted;
		d->state.caps.mirrors_reserve = ROWS[i].can;
		s.stopping = ROWS[i].stopping;
		d->leaving = ROWS[i].leaving;
		s.site.reserve_pct = ROWS[i].user_pct;
		if (!isnan(ROWS[i].command_pct))
			desk_command(&s, 1, MODE_DISCHARGE, POWER_MAX, 0)->command_pct = ROWS[i].command_pct;
		if (mirror_reserve_pct(&s, d) != ROWS[i].pct)
			fail_msg("%s: %.3f", ROWS[i].name, (double)mirror_reserve_pct(&s, d));
	}
}

/* Where nothing else holds, a floor of 0 is 1 %: what was written before must not stay. */
static void zero(void **state)
{
	static const struct { double user_pct, hardware_pct; float pct; } ZERO[] = { { 0, NAN, 1 }, { 0, 0, 1 }, { 0.5, 0, 1 }, { 1.5, 0, 2 }, { 0, 2, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ZERO) / sizeof(ZERO[0]); i++) {
		struct snap_device *d;

		desk_init(&s);
		d = &s.dev[desk_battery(&s, 50)];
		d->mirror_reserve = d->state.caps.mirrors_reserve = true;
		d->soc_min_pct = ZERO[i].hardware_pct;
		s.site.reserve_pct = ZERO[i].user_pct;
		if (mirror_reserve_pct(&s, d) != ZERO[i].pct)
			fail_msg("row %zu: %.3f", i, (double)mirror_reserve_pct(&s, d));
	}
}

/* It goes out with every order, a release too: that is when it is needed. */
static void with_every_order(void **state)
{
	static struct chain c;
	static struct decisions d;
	int b;

	(void)state;
	desk_init(&s);
	b = desk_battery(&s, 50);
	s.dev[b].mirror_reserve = s.dev[b].state.caps.mirrors_reserve = true;
	chain_init(&c);
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_BALANCE);
	assert_true(d.d[b].order.reserve_pct == 20);
	s.dev[b].state.f[F_BATTERY_SOC_PCT].q = Q_ABSENT; /* SoC lost: the floor stays */
	desk_wait(&s, 61000);
	desk_grid(&s, 0);
	desk_chain(&c, &s, &d);
	assert_true(d.d[b].order.reserve_pct == 20);
	s.stopping = true;
	desk_chain(&c, &s, &d);
	assert_int_equal(d.d[b].order.kind, ORDER_RELEASE);
	assert_true(d.d[b].order.reserve_pct == 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(zero), cmocka_unit_test(with_every_order) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
