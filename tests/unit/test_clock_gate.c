/* When the wall clock may be trusted: who vouches, who refutes, what a step and a sleep do to that. */
#include "core/clock_gate.h"
#include "support/cm.h"

#define SEC 1000LL
#define MIN (60 * SEC)
#define H (60 * MIN)
#define DAY (24 * H)
#define UTC 1793500000000LL /* 2026-11-01 */
#define NOW 5000000LL

enum { END, LOOK, WORD }; /* a row is a look, or a word before the next look */

struct row {
	const char *name;
	int what;
	int64_t pass_ms;         /* both clocks go on by this before */
	int64_t step_ms;         /* and the wall clock by this besides */
	int64_t sleep_ms;        /* and the machine slept so long (both clocks go on) */
	bool kernel;
	int64_t timesyncd_ms;    /* how old its word is, by the wall clock; 0 = there is none */
	enum clock_source source;
	int64_t ahead_ms;        /* of the sender */
	bool trusted;            /* after a look */
	enum clock_source by;
	uint32_t news;
};

static struct clock_gate gate;
static struct clock_look look;

static void begin(int64_t utc_ms, int64_t earliest_utc_ms)
{
	gate = (struct clock_gate){ .earliest_utc_ms = earliest_utc_ms };
	look = (struct clock_look){ .now_ms = NOW, .utc_ms = utc_ms };
}

static void play(const struct row *rows)
{
	for (int i = 0; rows[i].what != END; i++) {
		const struct row *r = &rows[i];
		uint32_t news;

		look.now_ms += r->pass_ms + r->sleep_ms;
		look.utc_ms += r->pass_ms + r->sleep_ms + r->step_ms;
		look.slept_ms += r->sleep_ms;
		look.kernel = r->kernel;
		look.timesyncd_utc_ms = r->timesyncd_ms ? look.utc_ms - r->timesyncd_ms : 0;
		if (r->what == WORD) {
			clock_gate_word(&gate, r->source, look.utc_ms + r->ahead_ms, &look);
			continue;
		}
		news = clock_gate_look(&gate, &look);
		if (gate.trusted != r->trusted || gate.by != r->by || news != r->news)
			fail_msg("row %d, %s: trusted %d by %s, news %u", i, r->name, gate.trusted, clock_source_word(gate.by), news);
	}
}

#define CHANGED CLOCK_TRUST_CHANGED
#define STEPPED CLOCK_STEPPED

static void test_senders(void **state)
{
	static const struct row ROWS[] = {
		{ "fresh, nobody vouches", .what = LOOK },
		{ "", WORD, SEC, .source = CLOCK_MAIL, .ahead_ms = -11 * MIN },
		{ "mail 11 min behind says nothing", .what = LOOK },
		{ "", WORD, SEC, .source = CLOCK_MAIL, .ahead_ms = -10 * MIN },
		{ "mail 10 min behind vouches", LOOK, .trusted = true, .by = CLOCK_MAIL, .news = CHANGED },
		{ "", WORD, SEC, .source = CLOCK_MAIL, .ahead_ms = 10 * MIN + 1 },
		{ "further ahead it refutes", LOOK, .news = CHANGED },
		{ "even the kernel", LOOK, SEC, .kernel = true },
		{ "", WORD, SEC, .source = CLOCK_FLIP, .kernel = true },
		{ "another sender does not undo it", LOOK, .kernel = true },
		{ "", WORD, SEC, .source = CLOCK_MAIL, .ahead_ms = 10 * MIN, .kernel = true },
		{ "the same one does", LOOK, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = CHANGED },
		{ "", WORD, SEC, .source = CLOCK_FLATPEAK, .ahead_ms = -10 * MIN, .kernel = true },
		{ "an answer 10 min behind is fine", LOOK, .trusted = true, .by = CLOCK_FLATPEAK },
		{ "", WORD, SEC, .source = CLOCK_FLATPEAK, .ahead_ms = -10 * MIN - 1, .kernel = true },
		{ "further behind an answer refutes: our clock runs ahead", LOOK, .kernel = true, .news = CHANGED },
		{ "a step ends the refutation", LOOK, SEC, -11 * MIN, .kernel = true, .trusted = true, .by = CLOCK_KERNEL,
		  .news = STEPPED | CHANGED },
		{ .what = END },
	};

	(void)state;
	begin(UTC, 0);
	play(ROWS);
}

static void test_steps(void **state)
{
	static const struct row ROWS[] = {
		{ "", WORD, .source = CLOCK_FLIP },
		{ "proven", LOOK, .trusted = true, .by = CLOCK_FLIP, .news = CHANGED },
		{ "slewing by 0.9 s is none", LOOK, SEC, 900, .trusted = true, .by = CLOCK_FLIP },
		{ "nor back", LOOK, SEC, -900, .trusted = true, .by = CLOCK_FLIP },
		{ "901 ms take it away", LOOK, SEC, 901, .news = STEPPED | CHANGED },
		{ "the kernel's word is enough", LOOK, SEC, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = CHANGED },
		{ "a leap second under a disciplined kernel", LOOK, SEC, -1000, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = STEPPED },
		{ "its flag is lost: believed on", LOOK, SEC, .trusted = true, .by = CLOCK_KERNEL },
		{ "for seven days", LOOK, 7 * DAY - SEC, .trusted = true, .by = CLOCK_KERNEL },
		{ "not longer", LOOK, 1, .by = CLOCK_KERNEL, .news = CHANGED },
		{ "a year forward by hand", LOOK, SEC, 365 * DAY, .news = STEPPED },
		{ "and back by the kernel's servers", LOOK, SEC, -365 * DAY, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = STEPPED | CHANGED },
		{ .what = END },
	};

	(void)state;
	begin(UTC, 0);
	play(ROWS);
	assert_int_equal(gate.steps, 4);
	assert_int_equal(gate.step_ms, -365 * DAY);
}

static void test_sleep(void **state)
{
	static const struct row ROWS[] = {
		{ "", WORD, .source = CLOCK_FLIP },
		{ "proven", LOOK, .trusted = true, .by = CLOCK_FLIP, .news = CHANGED },
		{ "a nap of 0.9 s is nothing", LOOK, SEC, .sleep_ms = 900, .trusted = true, .by = CLOCK_FLIP },
		{ "longer is told, and no step", LOOK, SEC, .sleep_ms = 901, .trusted = true, .by = CLOCK_FLIP, .news = CLOCK_SLEPT },
		{ "both at once", LOOK, SEC, -2000, .sleep_ms = 2 * DAY, .news = CLOCK_SLEPT | STEPPED | CHANGED },
		{ .what = END },
	};

	(void)state;
	begin(UTC, 0);
	look.slept_ms = 77 * DAY; /* its origin means nothing */
	play(ROWS);
	assert_int_equal(gate.sleeps, 2);
	assert_int_equal(gate.sleep_ms, 2 * DAY);
}

static void test_timesyncd(void **state)
{
	static const struct row ROWS[] = {
		{ "two hours old", LOOK, .timesyncd_ms = 2 * H, .trusted = true, .by = CLOCK_TIMESYNCD, .news = CHANGED },
		{ "stepped by hand: the word is of before", LOOK, SEC, 10 * MIN, .timesyncd_ms = 2 * H + SEC + 10 * MIN, .news = STEPPED | CHANGED },
		{ "a new one", LOOK, SEC, .timesyncd_ms = SEC, .trusted = true, .by = CLOCK_TIMESYNCD, .news = CHANGED },
		{ "its own step brings a new one", LOOK, SEC, -30 * SEC, .timesyncd_ms = 1, .trusted = true, .by = CLOCK_TIMESYNCD, .news = STEPPED },
		{ .what = END },
	}, OLD[] = {
		{ "too old at the start", LOOK, .timesyncd_ms = 2 * H + 1 },
		{ "of the future", LOOK, SEC, .timesyncd_ms = -900 },
		{ "just now", LOOK, SEC, .timesyncd_ms = -899, .trusted = true, .by = CLOCK_TIMESYNCD, .news = CHANGED },
		{ .what = END },
	}, STEP[] = {
		{ "an hour old", LOOK, .timesyncd_ms = H, .trusted = true, .by = CLOCK_TIMESYNCD, .news = CHANGED },
		{ "set on by hand, still young enough", LOOK, 0, 30 * MIN, .timesyncd_ms = H + 30 * MIN, .news = STEPPED | CHANGED },
		{ "it stays void", LOOK, SEC, .timesyncd_ms = H + 30 * MIN + SEC },
		{ .what = END },
	};

	(void)state;
	begin(UTC, 0);
	play(ROWS);
	begin(UTC, 0);
	play(OLD);
	begin(UTC, 0);
	play(STEP);
}

/* The newest proven time was stored: UTC. */
static void test_behind(void **state)
{
	static const struct row BOOT[] = {
		{ "two weeks behind, no network", .what = LOOK, .step_ms = -14 * DAY },
		{ "a time server of the house with the same idea", LOOK, SEC, .kernel = true },
		{ "", WORD, SEC, .source = CLOCK_MAIL, .kernel = true },
		{ "yesterday's mail", LOOK, .kernel = true },
		{ "the right time comes", LOOK, SEC, 14 * DAY, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = STEPPED | CHANGED },
		{ .what = END },
	}, EDGE[] = {
		{ "10 min behind is near enough", LOOK, 0, -10 * MIN, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = CHANGED },
		{ "a second more", LOOK, 0, -SEC, .kernel = true, .news = STEPPED | CHANGED },
		{ "a server's answer says that it is right all the same", WORD, .source = CLOCK_FLIP },
		{ "then what we knew was wrong", LOOK, .trusted = true, .by = CLOCK_FLIP, .news = CHANGED },
		{ "and is forgotten", LOOK, 0, -10 * MIN, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = STEPPED },
		{ .what = END },
	}, INSIST[] = {
		{ "the kernel insists", LOOK, 0, -DAY, .kernel = true },
		{ "not yet an hour", LOOK, H - 1, .kernel = true },
		{ "with a break it begins anew", .what = LOOK, .pass_ms = 1 },
		{ "again", LOOK, 1, .kernel = true },
		{ "nearly", LOOK, H - 1, .kernel = true },
		{ "for an hour", LOOK, 1, .kernel = true, .trusted = true, .by = CLOCK_KERNEL, .news = CHANGED },
		{ .what = END },
	}, EARLY[] = {
		{ "before the first release, whoever says so", LOOK, .kernel = true },
		{ "", WORD, SEC, .source = CLOCK_FLIP, .kernel = true },
		{ "even a verified server", LOOK, .kernel = true },
		{ "for an hour", LOOK, H, .kernel = true },
		{ .what = END },
	};

	(void)state;
	begin(UTC, UTC);
	play(BOOT);
	assert_true(gate.earliest_utc_ms >= UTC);
	begin(UTC, UTC);
	play(EDGE);
	begin(UTC, UTC);
	play(INSIST);
	begin(CLOCK_BUILT_UTC_MS - 2 * H, 0);
	play(EARLY);
}

static void test_configured(void **state)
{
	(void)state;
	begin(1000, UTC); /* 1970 */
	look.always = true;
	assert_int_equal(clock_gate_look(&gate, &look), CLOCK_TRUST_CHANGED);
	assert_true(gate.trusted);
	assert_int_equal(gate.earliest_utc_ms, UTC); /* proves nothing for later */
	look.utc_ms = UTC + 2 * DAY;
	assert_int_equal(clock_gate_look(&gate, &look), CLOCK_STEPPED);
	assert_int_equal(gate.earliest_utc_ms, UTC);
	look.always = false; /* a reload */
	assert_int_equal(clock_gate_look(&gate, &look), CLOCK_TRUST_CHANGED);
	assert_false(gate.trusted);
}

/* The newest proven time grows with a proven clock only. */
static void test_earliest(void **state)
{
	(void)state;
	begin(UTC, 0);
	clock_gate_look(&gate, &look);
	assert_int_equal(gate.earliest_utc_ms, 0);
	look.kernel = true;
	clock_gate_look(&gate, &look);
	assert_int_equal(gate.earliest_utc_ms, UTC);
	look.now_ms += H;
	look.utc_ms += H;
	look.kernel = false;
	clock_gate_look(&gate, &look);
	assert_int_equal(gate.earliest_utc_ms, UTC + H);
	look.utc_ms -= 5 * MIN;
	look.kernel = true;
	clock_gate_look(&gate, &look);
	assert_int_equal(gate.earliest_utc_ms, UTC + H); /* a little back does not lower it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders), cmocka_unit_test(test_steps), cmocka_unit_test(test_sleep), cmocka_unit_test(test_timesyncd),
		cmocka_unit_test(test_behind), cmocka_unit_test(test_configured), cmocka_unit_test(test_earliest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
