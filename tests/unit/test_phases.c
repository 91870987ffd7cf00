/* One phase or three: what calls for a switch, what stands against it, how it goes, and how often. */
#include "policies/phases.h"
#include "support/cm.h"
#include "support/desk.h"

#include <string.h>

#define SUN (double)NAN

static struct snapshot s;
static struct phases p;
static int car;

/* A charger on @phases that rests or charges since a minute. */
static void fresh(int phases, bool charges)
{
	struct snap_device *d;

	memset(&p, 0, sizeof(p));
	desk_init(&s);
	car = desk_charger(&s, charges ? 5000 : 0);
	d = &s.dev[car];
	d->phases = 0;
	d->state.caps.switches_phases = true;
	d->ordered = order_power(charges ? 5000 : 0);
	d->ordered_at_ms = s.now_ms - 60000;
	value_set(&d->state.f[F_CHARGER_PHASES], phases, s.now_ms, Q_GOOD);
	d->state.caps.min_w = 1380 * phases;
	d->state.caps.charge_max_w = 3680 * phases;
}

static void in_use(int phases)
{
	value_set(&s.dev[car].state.f[F_CHARGER_PHASES], phases, s.now_ms, Q_GOOD);
	s.dev[car].state.caps.charge_max_w = 3680 * phases;
}

static struct phases_word step(double sun_w)
{
	value_set(&s.dev[car].state.ac_power_w, s.dev[car].state.ac_power_w.v, s.now_ms, Q_GOOD);
	return phases_step(&p, &s, car, sun_w);
}

/* Seconds until a switch is asked for; -1 = not within an hour. */
static int asked_after(double sun_w)
{
	for (int t = 0; t <= 3600; t++) {
		if (step(sun_w).pause)
			return t;
		desk_wait(&s, 1000);
	}
	return -1;
}

static void what_calls_for_a_switch(void **state)
{
	enum { OK, CANNOT, ONE_INSTALLED, NOT_READ, STALE };
	static const struct { const char *name; int phases; double sun_w; int odd, dwell_s, after_s; } ROWS[] = {
		{ "too weak for three: once the dwell from the start is over", 3, 3000, OK, 0, 300 },
		{ "the charger asks for a longer dwell", 3, 3000, OK, 900, 900 },
		{ "a shorter one does not count", 3, 3000, OK, 60, 300 },
		{ "just enough for one", 3, 1380, OK, 0, 300 },
		{ "not enough for one", 3, 1379, OK, 0, -1 },
		{ "just too little for three", 3, 4139, OK, 0, 300 },
		{ "enough for three", 3, 4140, OK, 0, -1 },
		{ "no sun is asked for: three are right", 3, SUN, OK, 0, -1 },
		{ "one, and the sun fits it", 1, 3000, OK, 0, -1 },
		{ "one, and hardly more sun than three need", 1, 4553, OK, 0, -1 },
		{ "one, and enough for three", 1, 4554, OK, 0, 300 },
		{ "one, and no sun is asked for", 1, SUN, OK, 0, 300 },
		{ "the profile does not say that it is safe", 3, 3000, CANNOT, 0, -1 },
		{ "one phase is installed", 1, SUN, ONE_INSTALLED, 0, -1 },
		{ "the phases in use are not read", 3, 3000, NOT_READ, 0, -1 },
		{ "or are not read any more", 3, 3000, STALE, 0, -1 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct snap_device *d;
		int after_s;

		fresh(ROWS[r].phases, true);
		d = &s.dev[car];
		d->state.caps.phase_dwell_s = ROWS[r].dwell_s;
		if (ROWS[r].odd == CANNOT)
			d->state.caps.switches_phases = false;
		if (ROWS[r].odd == ONE_INSTALLED)
			d->phases = 1;
		if (ROWS[r].odd == NOT_READ)
			d->state.f[F_CHARGER_PHASES].v = 0;
		if (ROWS[r].odd == STALE)
			d->state.f[F_CHARGER_PHASES].q = Q_STALE;
		after_s = asked_after(ROWS[r].sun_w);
		if (after_s != ROWS[r].after_s)
			fail_msg("row '%s': after %d s, must be %d s", ROWS[r].name, after_s, ROWS[r].after_s);
	}
}

/* A single-phase charge at 32 A takes more than three phases' minimum. */
static void up_only_beyond_what_one_phase_takes(void **state)
{
	(void)state;
	fresh(1, true);
	s.dev[car].state.caps.charge_max_w = 7360;
	assert_int_equal(asked_after(8000), -1);
	fresh(1, true);
	s.dev[car].state.caps.charge_max_w = 7360;
	assert_int_equal(asked_after(8097), 300);
}

/* Minutes of reason, without a break. */
static void the_reason_must_last(void **state)
{
	static const struct { const char *name; int phases; double sun_w, other_w; int64_t need_ms; } ROWS[] = {
		{ "down", 3, 2000, 5000, PHASES_DOWN_MS }, { "up", 1, 6000, 3000, PHASES_UP_MS },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		fresh(ROWS[r].phases, true);
		step(ROWS[r].other_w);
		desk_wait(&s, 2 * PHASES_DWELL_MS);
		step(ROWS[r].sun_w);
		desk_wait(&s, ROWS[r].need_ms - 1);
		assert_row(ROWS[r].name, !step(ROWS[r].sun_w).pause);
		step(ROWS[r].other_w);
		desk_wait(&s, 1);
		assert_row(ROWS[r].name, !step(ROWS[r].sun_w).pause); /* from the beginning */
		desk_wait(&s, ROWS[r].need_ms - 1);
		assert_row(ROWS[r].name, !step(ROWS[r].sun_w).pause);
		desk_wait(&s, 1);
		assert_row(ROWS[r].name, step(ROWS[r].sun_w).pause);
	}
}

/* Asked only at rest: told 0 W for a while, and read to take nothing since. */
static void contactors_move_at_rest(void **state)
{
	static const struct { const char *name; enum order_kind kind; double told_w; int ago_ms, read_ago_ms; double power_w; int phases; } ROWS[] = {
		{ "still charging", ORDER_POWER, 4140, 60000, 0, 4140, 0 },
		{ "just told", ORDER_POWER, 0, 4999, 0, 0, 0 },
		{ "told for a while", ORDER_POWER, 0, 5000, 0, 0, 1 },
		{ "the reading is from before", ORDER_POWER, 0, 5000, 5001, 0, 0 },
		{ "the reading is from then", ORDER_POWER, 0, 5000, 5000, 0, 1 },
		{ "not read", ORDER_POWER, 0, 60000, 40000, 0, 0 },
		{ "still draws", ORDER_POWER, 0, 60000, 0, 100, 0 },
		{ "next to nothing", ORDER_POWER, 0, 60000, 0, 99, 1 },
		{ "left to itself", ORDER_RELEASE, 0, 60000, 0, 0, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		struct phases_word w;
		struct snap_device *d;

		fresh(3, false);
		d = &s.dev[car];
		d->ordered.w = 4140;
		asked_after(3000);
		d->ordered = (struct order){ .kind = ROWS[r].kind, .w = ROWS[r].told_w };
		d->ordered_at_ms = s.now_ms - ROWS[r].ago_ms;
		value_set(&d->state.ac_power_w, ROWS[r].power_w, s.now_ms - ROWS[r].read_ago_ms, Q_GOOD);
		w = phases_step(&p, &s, car, 3000);
		assert_row(ROWS[r].name, w.pause && w.phases == ROWS[r].phases);
	}
}

static void a_switch_from_end_to_end(void **state)
{
	(void)state;
	fresh(3, false);
	asked_after(3000);
	assert_int_equal(step(3000).phases, 1);
	s.dev[car].ordered.phases = 1; /* told, and told on until it is done: nothing is overtaken by the next order */
	s.dev[car].ordered_at_ms = s.now_ms;
	desk_wait(&s, 1000);
	assert_int_equal(step(3000).phases, 1);
	desk_power(&s, car, 100); /* but not under load */
	assert_int_equal(phases_step(&p, &s, car, 3000).phases, 0);
	desk_power(&s, car, 0);
	in_use(1);
	for (int t = 0; t < 60; t++) {
		struct phases_word w = step(3000);

		assert_true(w.pause && w.phases == 0); /* done: a minute of rest */
		desk_wait(&s, 1000);
	}
	assert_false(step(3000).pause);
	assert_int_equal(asked_after(9000), 300); /* since the sun is strong; the dwell since the last switch is shorter by then */
}

static void the_dwell_counts_from_the_last_switch(void **state)
{
	(void)state;
	fresh(3, false);
	asked_after(3000);
	desk_wait(&s, 100000); /* a slow charger */
	in_use(1);
	step(3000);
	assert_int_equal(asked_after(SUN), 0); /* still resting, that is a pause too */
	desk_wait(&s, PHASES_REST_MS);
	for (int t = 0; t < 240; t++) {
		assert_false(step(SUN).pause);
		desk_wait(&s, 1000);
	}
	assert_true(step(SUN).pause);
}

/* The charger does not do it: back to charging as it is, and asked again after the dwell. */
static void given_up_after_a_while(void **state)
{
	(void)state;
	fresh(3, false);
	asked_after(3000);
	desk_wait(&s, PHASES_ASKED_MS - 1);
	assert_true(step(3000).pause);
	desk_wait(&s, 1);
	assert_false(step(3000).pause);
	assert_int_equal(asked_after(3000), PHASES_DOWN_MS / 1000); /* the reason must last anew */

	fresh(3, false); /* no reading while it is under way: the pause has an end too */
	asked_after(3000);
	s.dev[car].state.f[F_CHARGER_PHASES].q = Q_STALE;
	assert_true(step(3000).pause && step(3000).phases == 0);
	desk_wait(&s, PHASES_ASKED_MS);
	assert_false(step(3000).pause);

	fresh(3, false); /* told only now, an event had kept it waiting: it has its time from then */
	asked_after(3000);
	desk_wait(&s, PHASES_ASKED_MS - 1);
	s.dev[car].ordered.phases = 1;
	s.dev[car].ordered_at_ms = s.now_ms;
	desk_wait(&s, PHASES_ASKED_MS - 1);
	assert_true(step(3000).pause);
	desk_wait(&s, 1);
	assert_false(step(3000).pause);

	fresh(3, false); /* somebody says that it cannot after all */
	asked_after(3000);
	s.dev[car].state.caps.switches_phases = false;
	assert_true(!step(3000).pause && step(3000).phases == 0);
}

/* Ten in any 24 hours, the last one is the way back. */
static void so_many_a_day(void **state)
{
	int64_t first_ms, n = 0;
	int phases = 3;

	(void)state;
	fresh(3, false);
	first_ms = s.now_ms + PHASES_DWELL_MS;
	for (; s.now_ms < first_ms + 86400000; desk_wait(&s, 10000)) {
		double sun_w = phases == 3 ? 3000 : 9000;

		if (step(sun_w).phases && p.target) {
			phases = p.target;
			in_use(phases);
			n++;
		}
	}
	assert_int_equal(n, PHASES_A_DAY);
	assert_int_equal(phases, 3);
	assert_true(asked_after(3000) >= 0); /* the first two are a day ago */
}

/* With one left there is no way back from one phase. */
static void the_way_back_is_kept(void **state)
{
	(void)state;
	fresh(3, false);
	for (int k = 0; k < PHASES_A_DAY - 1; k++)
		p.day_s[k] = (int32_t)(s.now_ms / 1000);
	p.next = PHASES_A_DAY - 1;
	assert_int_equal(asked_after(3000), -1);
	fresh(3, false);
	for (int k = 0; k < PHASES_A_DAY - 2; k++)
		p.day_s[k] = (int32_t)(s.now_ms / 1000);
	p.next = PHASES_A_DAY - 2;
	assert_int_equal(asked_after(3000), 300);
	fresh(1, false);
	for (int k = 0; k < PHASES_A_DAY - 1; k++)
		p.day_s[k] = (int32_t)(s.now_ms / 1000);
	p.next = PHASES_A_DAY - 1;
	assert_int_equal(asked_after(9000), 300);
	assert_int_equal(p.next, 0);
	fresh(3, false); /* ten, and all of them a day ago by then */
	for (int k = 0; k < PHASES_A_DAY; k++)
		p.day_s[k] = (int32_t)(s.now_ms / 1000 + 300 - 86400);
	assert_int_equal(asked_after(3000), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_calls_for_a_switch),
		cmocka_unit_test(up_only_beyond_what_one_phase_takes),
		cmocka_unit_test(the_reason_must_last),
		cmocka_unit_test(contactors_move_at_rest),
		cmocka_unit_test(a_switch_from_end_to_end),
		cmocka_unit_test(the_dwell_counts_from_the_last_switch),
		cmocka_unit_test(given_up_after_a_while),
		cmocka_unit_test(so_many_a_day),
		cmocka_unit_test(the_way_back_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
