/* Patience keeps what somebody cut: the cause stays that cut's, in words and in code, for as long as it is kept. Through the
 * whole chain. */
#include "support/cm.h"
#include "support/live.h"

#define LIMITED (1u << RANK_LIMIT)

static struct live l;
static int car;

/* Charging with all it can. */
static void fresh(enum ev_mode mode)
{
	live_init(&l);
	car = desk_charger(&l.s, 0);
	l.s.dev[car].ev_mode = mode;
	live_run(&l, 60);
	assert_near(live_order(&l, car), 7360);
}

static bool says(const char *words)
{
	return strstr(l.d.d[car].why, words) != NULL;
}

/* A car is stopped, whatever stopped it goes away a while later, and the minute of rest is not over: what is said of it? */
static void a_pause_remembers_what_paused_it(void **state)
{
	enum { OUTSIDE, OWN, FAILSAFE, FUSE, DEMAND, OFF };
	static const struct {
		const char *name;
		int what;
		bool clock;
		uint32_t limited_by;
		enum reason code;
		const char *words;
	} ROWS[] = {
		{ "from outside", OUTSIDE, true, LIMITED, REASON_OUTSIDE_IMPORT,
		  "not charging the car: paused by import limit from outside 1000 W, tries again at 11:03; asked: the owner wants" },
		{ "the owner's", OWN, true, LIMITED, REASON_IMPORT_LIMIT, "not charging the car: paused by import limit 1000 W, tries again at 11:03; " },
		{ "failsafe", FAILSAFE, true, LIMITED, REASON_LIMIT_FAILSAFE,
		  "paused by failsafe, nobody outside is heard: import limit 1000 W, tries again at 11:03; " },
		{ "the fuse", FUSE, true, LIMITED, REASON_FUSE, "paused by fuse 4 A on L1, tries again at 11:03; " },
		{ "the month's peak", DEMAND, true, LIMITED, REASON_DEMAND, "paused by the month's peak: import 1000 W, tries again at 11:03; " },
		{ "nobody knows the time", OWN, false, LIMITED, REASON_IMPORT_LIMIT, "paused by import limit 1000 W, tries again soon; " },
		{ "its owner", OFF, true, 0, REASON_CAR_DWELL, "not charging the car: 60 s of rest after a pause, tries again at 11:03; asked: " },
		{ "its owner, at some time", OFF, false, 0, REASON_CAR_DWELL, "not charging the car: 60 s of rest after a pause, tries again soon; " },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		const int what = ROWS[r].what;

		fresh(EV_NOW);
		live_run(&l, r % 2 ? 59 : 0); /* so that it ends with a minute, or a second after one has begun */
		l.s.clock_trusted = ROWS[r].clock;
		l.phases = true;
		l.s.site.import_limit_w = what == OWN ? 1000 : 0;
		l.s.external.import_w = what == OUTSIDE || what == FAILSAFE ? 1000 : NAN;
		l.s.external.failsafe = what == FAILSAFE;
		l.s.external.demand_w = what == DEMAND ? 1000 : 0;
		l.s.site.fuse_a = what == FUSE ? 4 : 0;
		l.s.dev[car].ev_mode = what == OFF ? EV_OFF : EV_NOW;
		live_run(&l, 1);
		assert_row_near(ROWS[r].name, live_order(&l, car), 0);
		assert_row(ROWS[r].name, says("stopping the car's charge: ")); /* it was read to charge */
		assert_row(ROWS[r].name, l.d.d[car].patience == REASON_NONE && l.d.d[car].limited_by == ROWS[r].limited_by);
		l.s.dev[car].ev_mode = EV_NOW;
		for (int t = 1; t < 60; t++) {
			if (t == 10) {
				l.s.site.import_limit_w = l.s.site.fuse_a = l.s.external.demand_w = 0;
				l.s.external.import_w = NAN;
			}
			live_run(&l, 1);
			assert_row_near(ROWS[r].name, live_order(&l, car), 0);
			if (!says(ROWS[r].words))
				fail_msg("row '%s', %d s: %s", ROWS[r].name, t, l.d.d[car].why);
			assert_row(ROWS[r].name, l.d.d[car].code == ROWS[r].code && l.d.d[car].patience == REASON_CAR_DWELL);
			assert_row(ROWS[r].name, l.d.d[car].limited_by == ROWS[r].limited_by && l.d.limited_by == ROWS[r].limited_by);
		}
		live_run(&l, 1);
		assert_row_near(ROWS[r].name, live_order(&l, car), 1380);
		assert_row(ROWS[r].name, l.d.d[car].code == REASON_CAR_RAMP && l.d.d[car].patience == REASON_CAR_RAMP && !l.d.d[car].limited_by);
	}
}

/* It charges as the limit lets it, in a house that is never still: the limit is the cause from beginning to end. */
static void a_charge_below_a_limit(void **state)
{
	bool waited = false, cut = false;

	(void)state;
	fresh(EV_UNSET);
	l.s.site.import_limit_w = 4000;
	for (int t = 0; t < 300; t++) {
		l.load_w[0] = 300 + 40 * (t * 7 % 11);
		live_run(&l, 1);
		assert_true(live_order(&l, car) > 1380 && l.d.d[car].limited_by == LIMITED);
		assert_int_equal(l.d.d[car].code, REASON_IMPORT_LIMIT);
		assert_true(says("charging the car with ") && says(": import limit 4000 W: ") && says(" W left instead of "));
		waited = waited || l.d.d[car].patience == REASON_CAR_DWELL;
		cut = cut || l.d.d[car].patience == REASON_NONE;
	}
	assert_true(waited && cut);
	l.s.site.import_limit_w = 0; /* it rises: nobody holds it any more */
	live_run(&l, 5);
	assert_true(l.d.d[car].code == REASON_CAR_RAMP || l.d.d[car].code == REASON_CAR_DWELL);
	assert_true(!l.d.d[car].limited_by);
	live_run(&l, 1);
	assert_true(says("no change within 5 s of the last") || says("rises once the car draws"));
	live_run(&l, 60);
	assert_int_equal(l.d.d[car].code, REASON_CAR_PLUGGED);
	assert_int_equal(l.d.d[car].patience, REASON_NONE);
}

/* What the limit took is forgotten when the car has what it wants: a later rest is not its doing. */
static void an_older_cut_is_forgotten(void **state)
{
	(void)state;
	fresh(EV_NOW);
	l.s.site.import_limit_w = 1000;
	live_run(&l, 1);
	l.s.site.import_limit_w = 0;
	live_run(&l, 120);
	assert_near(live_order(&l, car), 7360);
	l.s.dev[car].ev_mode = EV_OFF;
	live_run(&l, 1);
	assert_int_equal(l.d.d[car].code, REASON_CAR_OFF);
	l.s.dev[car].ev_mode = EV_NOW;
	live_run(&l, 1);
	assert_true(l.d.d[car].code == REASON_CAR_DWELL && !l.d.d[car].limited_by);
}

/* Patience keeps a charge that was just begun; a limit does not wait for it, and is its own cause. */
static void a_cut_passes_patience(void **state)
{
	struct snap_device *d;

	(void)state;
	live_init(&l);
	car = desk_charger(&l.s, 0);
	d = &l.s.dev[car];
	d->ev_mode = EV_CHEAP;
	d->guide.valid = true;
	d->guide.planned_w = 1380;
	live_run(&l, 10);
	d->guide.planned_w = 0;
	live_run(&l, 1);
	assert_near(live_order(&l, car), 1380);
	assert_true(l.d.d[car].code == REASON_CAR_DWELL && l.d.d[car].patience == REASON_CAR_DWELL && !l.d.d[car].limited_by);
	l.s.external.import_w = 0;
	live_run(&l, 1);
	assert_near(live_order(&l, car), 0);
	assert_true(l.d.d[car].code == REASON_OUTSIDE_IMPORT && l.d.d[car].patience == REASON_NONE && l.d.d[car].limited_by == LIMITED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_remembers_what_paused_it),
		cmocka_unit_test(a_charge_below_a_limit),
		cmocka_unit_test(an_older_cut_is_forgotten),
		cmocka_unit_test(a_cut_passes_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
