/* How a device answers: windows from steps, ranges from orders, what it cannot do, its gain. */
#include "policies/response.h"
#include "support/cm.h"

#include <string.h>

static struct response r;

/* Window 0.. 1.5 x 1000 + 1000 ms; told 0 W for ever. */
static void fresh(void)
{
	memset(&r, 0, sizeof(r));
	response_begin(&r, 1000);
	response_told(&r, 1000, 0);
}

static void a_window_begins_wide(void **state)
{
	static const struct { const char *name; int64_t settle_ms; double max_ms; } ROWS[] = {
		{ "half as much again, and a second", 2000, 4000 },
		{ "not for ever", 100000, RESPONSE_MAX_MS },
		{ "one the driver says is short", 100, 1150 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		memset(&r, 0, sizeof(r));
		response_begin(&r, ROWS[i].settle_ms);
		assert_row_near(ROWS[i].name, r.max_ms, ROWS[i].max_ms);
		assert_row_near(ROWS[i].name, r.min_ms, 0);
	}
	r.max_ms = 700; /* learned meanwhile: the same word again changes nothing, another one does */
	r.learned = true;
	response_begin(&r, 100);
	assert_near(r.max_ms, 700);
	response_begin(&r, 200);
	assert_near(r.max_ms, 1300);
	assert_false(r.learned);
}

static void what_was_in_force(void **state)
{
	static const struct { const char *name; int64_t from, to; double low, high; } ROWS[] = {
		{ "now", 30000, 30000, -500, -500 },
		{ "since the last order", 20000, 30000, -500, -500 },
		{ "a moment before it", 19999, 30000, -2000, -500 },
		{ "before it only", 15000, 19999, -2000, -2000 },
		{ "from its first moment", 10000, 19999, -2000, -2000 },
		{ "and what was before", 9999, 12000, -2000, 0 },
		{ "all", 0, 30000, -2000, 0 },
		{ "long ago: the oldest that is known", -5000, -4000, 0, 0 },
	};
	struct response_range range;

	(void)state;
	fresh();
	response_told(&r, 10000, -2000);
	response_told(&r, 15000, -2000); /* nothing new */
	response_told(&r, 20000, -500);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		range = response_orders(&r, ROWS[i].from, ROWS[i].to);
		assert_row_near(ROWS[i].name, range.low_w, ROWS[i].low);
		assert_row_near(ROWS[i].name, range.high_w, ROWS[i].high);
	}
	fresh(); /* orders a fifth of a second apart are two */
	response_told(&r, 50000, 100);
	response_told(&r, 50200, 200);
	response_told(&r, 50400, 300);
	assert_near(response_orders(&r, 50000, 50199).high_w, 100);
	response_told(&r, 50599, 400); /* closer ones are one */
	response_told(&r, 60000, 500);
	assert_near(response_orders(&r, 50400, 50500).high_w, 400);
	fresh(); /* a slow device has a coarser past */
	r.max_ms = RESPONSE_MAX_MS;
	response_told(&r, 50000, 100);
	response_told(&r, 54000, 200);
	response_told(&r, 59000, 300);
	assert_near(response_orders(&r, 50000, 50001).high_w, 200);
	memset(&r, 0, sizeof(r));
	response_told(&r, 5000, 700); /* nothing before: as if it had been for ever */
	range = response_orders(&r, 0, 1000);
	assert_near(range.low_w, 700);
}

static void many_orders_are_kept_as_ranges(void **state)
{
	struct response_range range;

	(void)state;
	fresh();
	for (int k = 1; k <= 10000; k++) /* every 100 ms another one, for longer than the ring has room */
		response_told(&r, 1000 + 100 * k, k % 2 ? 1000 : -1000);
	range = response_orders(&r, 1001000 - 2500, 1001000);
	assert_near(range.low_w, -1000);
	assert_near(range.high_w, 1000);
	for (int k = 0; k < 200; k++) /* the ring is full of older ones: still a range, never less than what was */
		response_told(&r, 1100000 + 5000 * k, k);
	assert_int_equal(r.n, RESPONSE_PAST);
	range = response_orders(&r, 0, 1100000);
	assert_true(range.low_w < range.high_w || range.low_w > 0);
	range = response_orders(&r, 1100000 + 5000 * 150, 1100000 + 5000 * 160);
	assert_near(range.low_w, 150);
	assert_near(range.high_w, 160);
}

static void where_it_may_be(void **state)
{
	static const struct { const char *name; int64_t meter, hold; bool learned; double min_ms, low, high; } ROWS[] = {
		{ "before the order", 99999, INT64_MAX, false, 0, 0, 0 },
		{ "at once it may be anywhere between", 100000, INT64_MAX, false, 0, -2000, 0 },
		{ "not before its window begins", 100999, INT64_MAX, false, 1000, 0, 0 },
		{ "then", 101000, INT64_MAX, false, 1000, -2000, 0 },
		{ "until its window ends", 102499, INT64_MAX, false, 0, -2000, 0 },
		{ "then it is there", 102500, INT64_MAX, false, 0, -2000, -2000 },
		{ "unless that step is not over", 102500, 99999, false, 0, -2000, 0 },
		{ "or a tail may be left, once it is known by steps", 102500, INT64_MAX, true, 0, -2000, -1700 },
		{ "for as long again", 105000, INT64_MAX, true, 0, -2000, -2000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct response_range range;

		fresh();
		response_told(&r, 100000, -2000);
		r.learned = ROWS[i].learned;
		r.min_ms = ROWS[i].min_ms;
		range = response_power(&r, ROWS[i].meter, ROWS[i].hold);
		assert_row_near(ROWS[i].name, range.low_w, ROWS[i].low);
		assert_row_near(ROWS[i].name, range.high_w, ROWS[i].high);
	}
	fresh(); /* and a tail on the other side */
	response_told(&r, 60000, -1000);
	response_told(&r, 100000, 2000);
	r.learned = true;
	assert_near(response_power(&r, 102500, INT64_MAX).low_w, 1550);
	response_read(&r, 100100, 1939);
	assert_near(response_power(&r, 103300, INT64_MAX).low_w, 1550);
	response_read(&r, 100200, 1942); /* it reads what it was told: three seconds later nothing is missing */
	response_read(&r, 100300, 2000);
	assert_near(response_power(&r, 103200, INT64_MAX).low_w, 1550);
	assert_near(response_power(&r, 103201, INT64_MAX).low_w, 2000);
}

/* Told -3000 W at 100 s; readings once a second from then on. */
static void readings(double w, int seconds)
{
	for (int k = 0; k < seconds; k++) {
		int64_t at_ms = r.read_ms ? r.read_ms + 1000 : 100000;

		response_read(&r, at_ms, w);
		response_read(&r, at_ms, 9999); /* an old reading again is none */
	}
}

static void a_device_that_does_not_is_believed_in_time(void **state)
{
	struct response_range range;

	(void)state;
	fresh();
	response_told(&r, 100000, -3000);
	readings(0, 3); /* 0, 1, 2 s after: it may still come */
	assert_int_equal(r.odd_ms, 0);
	assert_false(response_fails(&r));
	readings(0, 1);
	assert_int_equal(r.odd_ms, 103000);
	assert_true(response_fails(&r)); /* it stands still: limits need not wait */
	assert_near(response_effect_soon(&r, -3000), 0);
	assert_near(response_effect(&r, -3000), -3000); /* the loop does */
	range = response_power(&r, 104000, INT64_MAX);
	assert_near(range.low_w, -3000);
	assert_near(range.high_w, 0);
	readings(0, 7);
	assert_false(r.bound);
	readings(0, 1); /* three windows */
	assert_true(r.bound);
	assert_near(response_effect(&r, -3000), 0);
	assert_near(response_effect(&r, 2000), 2000); /* the other way was not tried */
	range = response_power(&r, 112000, INT64_MAX);
	assert_near(range.low_w, 0);
	assert_near(range.high_w, 0);
	readings(-3000, 1); /* it can again; the meter may be behind its reading */
	assert_false(r.bound);
	assert_false(response_fails(&r));
	range = response_power(&r, r.read_ms + 1000, INT64_MAX);
	assert_near(range.high_w, 0);
	range = response_power(&r, r.read_ms + 1001, INT64_MAX);
	assert_near(range.high_w, -3000);
	readings(0, 1);
	response_blind(&r); /* it is not read any more */
	assert_near(response_power(&r, r.read_ms + 1001, INT64_MAX).high_w, -3000);
}

static void who_comes_late_is_given_more_time(void **state)
{
	static const struct { const char *name; int late; double max_ms; } ROWS[] = {
		{ "in time", 2, 2500 },
		{ "just in time", 3, 2500 },
		{ "four seconds late", 4, 5400 },
		{ "as late as is believed", 10, 12000 },
		{ "later: it was something else", 11, 2500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		fresh();
		response_told(&r, 100000, -3000);
		readings(0, ROWS[i].late);
		readings(-3000, 1);
		assert_row_near(ROWS[i].name, r.max_ms, ROWS[i].max_ms);
	}
}

static void what_it_moves_from_is_kept_while_it_moves(void **state)
{
	(void)state;
	fresh();
	response_told(&r, 100000, -3000);
	readings(0, 4);
	readings(-1500, 1); /* now it comes */
	assert_false(r.still);
	assert_false(response_fails(&r));
	assert_near(response_power(&r, 105000, INT64_MAX).high_w, 0);
	readings(-1552, 1); /* 2 % and 20 W from one to the next is moving */
	assert_false(r.still);
	readings(-1600, 2); /* and moves for a whole window */
	assert_true(response_fails(&r));
	assert_near(response_effect_soon(&r, -3000), -1600);
}

static void at_the_edges(void **state)
{
	(void)state;
	fresh();
	response_told(&r, 100000, -3000);
	r.max_ms = 2000;
	for (int k = 0; k < 5; k++) /* moves by 100 W a second; odd from 102 s on */
		response_read(&r, 100000 + 1000 * k, -100 * k);
	assert_int_equal(r.odd_ms, 102000);
	assert_true(response_fails(&r)); /* for a whole window */
	fresh();
	response_told(&r, 100000, -3000);
	r.max_ms = 2001;
	for (int k = 0; k < 6; k++)
		response_read(&r, 100000 + 1000 * k, -100 * k);
	assert_false(response_fails(&r));
	fresh();
	response_told(&r, 100000, -3000);
	response_read(&r, 101000, 20);
	response_read(&r, 102000, 0); /* 20 W are still, however little it is */
	assert_true(r.still);
	response_read(&r, 103000, 20.5);
	assert_false(r.still);
	fresh(); /* who comes just when its window ends was in time */
	response_told(&r, 100000, -3000);
	r.odd_ms = 102000;
	response_read(&r, 102500, -3000);
	assert_near(r.max_ms, 2500);
	r.bound = true; /* told just what it can: by its gain, like everything below */
	r.can = (struct response_range){ -1000, INFINITY };
	r.gain_off = -0.1;
	assert_near(response_effect(&r, -1000), -900);
	assert_near(response_effect(&r, -1001), -1000);
	for (int up = 0; up < 2; up++) { /* told to rest, it does not do less than told */
		fresh();
		r.exact = true;
		readings(up ? 500 : -500, 4);
		assert_true(r.bound);
		assert_false(r.less);
	}
}

static void readings_the_meter_knows_better(void **state)
{
	const struct response_times seen = { .begun_ms = 500, .short_ms = 500, .done_ms = 1000 };

	(void)state;
	fresh();
	response_told(&r, 100000, -3000);
	response_learn(&r, &seen); /* the meter saw it */
	readings(0, 10);
	assert_int_equal(r.odd_ms, 0);
	readings(0, 20); /* but not for ever: a battery gets full */
	assert_int_equal(r.odd_ms, 0);
	readings(0, 1);
	assert_int_equal(r.odd_ms, 130000);
}

/* What was odd before an order widens the range as long as the meter may still show it; a reading of after the order counts. */
static void what_was_odd_before_an_order(void **state)
{
	static const struct { const char *name; int64_t read_ms, meter_ms; double low, high; } ROWS[] = {
		{ "the meter may be of before the order", 0, 112500, -3000, 0 },
		{ "it is of after it", 0, 112501, -3000, -3000 },
		{ "read the moment it was ordered", 110000, 112501, -3000, -3000 },
		{ "and just after", 110001, 112501, -3000, 900 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct response_range range;

		fresh();
		response_told(&r, 100000, -2000);
		readings(0, 5); /* odd from the third second on */
		assert_row(ROWS[i].name, r.odd_ms != 0);
		response_told(&r, 110000, -3000);
		if (ROWS[i].read_ms)
			response_read(&r, ROWS[i].read_ms, 900);
		r.past[r.newest].low_w = r.past[r.newest].high_w = -3000; /* so that only what was odd widens it */
		range = response_power(&r, ROWS[i].meter_ms, INT64_MAX);
		assert_row_near(ROWS[i].name, range.low_w, ROWS[i].low);
		assert_row_near(ROWS[i].name, range.high_w, ROWS[i].high);
	}
}

/* A device that is not in the loop stands where it is read. */
static void exactly(void **state)
{
	static const struct { const char *name; double told, reads; int seconds; bool bound; double low, high, effect; } ROWS[] = {
		{ "under way", 4000, 0, 2, false, 0, 4000, 4000 },
		{ "a car that takes less", 4000, 3500, 8, true, 3500, 3500, 3500 },
		{ "a few watts are not worth a word", 4000, 3976, 5, false, 4000, 4000, 4000 },
		{ "a car that takes more", 4000, 4400, 8, true, 4400, 4400, 4000 },
		{ "a battery that gives less", -4000, -3500, 8, true, -3500, -3500, -3500 },
		{ "a battery that does the opposite", -4000, 500, 8, true, 500, 500, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct response_range range;

		fresh();
		r.exact = true;
		response_told(&r, 100000, ROWS[i].told);
		readings(ROWS[i].reads, ROWS[i].seconds);
		range = response_power(&r, r.read_ms, INT64_MAX);
		assert_row(ROWS[i].name, r.bound == ROWS[i].bound);
		assert_row_near(ROWS[i].name, range.low_w, ROWS[i].low);
		assert_row_near(ROWS[i].name, range.high_w, ROWS[i].high);
		assert_row_near(ROWS[i].name, response_effect(&r, ROWS[i].told), ROWS[i].effect);
	}
	for (int up = 0; up < 2; up++) { /* told less, or more the other way, it stays where it is: that was never its bound */
		const double sign = up ? 1 : -1;

		fresh();
		r.exact = true;
		response_told(&r, 100000, sign * 8000);
		readings(sign * 5000, 8);
		response_told(&r, 107500, sign * 7000);
		readings(sign * 5000, 1);
		assert_true(r.bound);
		assert_near(response_power(&r, 108000, INT64_MAX).low_w, sign * 5000);
		assert_near(response_power(&r, 108000, INT64_MAX).high_w, sign * 5000);
		response_told(&r, 108500, sign * 4000); /* below that it may move: from where it was */
		readings(sign * 5000, 1);
		assert_near(fabs(response_power(&r, 109000, INT64_MAX).low_w + response_power(&r, 109000, INT64_MAX).high_w), 9000);
	}
	fresh(); /* who does more than told stands still, and is told something else: it may begin to move */
	r.exact = true;
	response_told(&r, 100000, 4000);
	readings(4400, 8);
	response_told(&r, 107500, 3900);
	readings(4400, 1);
	assert_true(r.still);
	assert_false(r.bound);
	fresh(); /* who does more than told, and is told something else: anywhere between */
	r.exact = true;
	response_told(&r, 100000, 4000);
	readings(4400, 8);
	response_told(&r, 107500, 2000);
	assert_near(response_power(&r, 108000, INT64_MAX).low_w, 2000);
	assert_near(response_power(&r, 108000, INT64_MAX).high_w, 4400);
}

/* Whoever was told before he was ever read: what he reads while that is under way was told by somebody before us. */
static void the_first_reading_of_a_life(void **state)
{
	static const struct { const char *name; int64_t at_ms; bool bound; double low, high; } ROWS[] = {
		{ "of before the order", 99000, false, 0, 4000 },
		{ "just in the window", 102499, false, 0, 4000 },
		{ "at its end: that is what it does", 102500, true, 4000, 4000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct response_range range;

		memset(&r, 0, sizeof(r));
		response_begin(&r, 1000);
		r.exact = true;
		response_told(&r, 100000, 0);
		response_read(&r, ROWS[i].at_ms, 4000);
		range = response_power(&r, 102499, INT64_MAX);
		assert_row(ROWS[i].name, r.bound == ROWS[i].bound);
		assert_row_near(ROWS[i].name, range.low_w, ROWS[i].low);
		assert_row_near(ROWS[i].name, range.high_w, ROWS[i].high);
		if (ROWS[i].bound)
			continue;
		range = response_power(&r, 102500, INT64_MAX); /* all of it is done, and it was not read since */
		assert_row_near(ROWS[i].name, range.high_w, 0);
		response_read(&r, 102501, 4000); /* only the first one is forgiven */
		assert_row(ROWS[i].name, r.bound);
	}
}

static void the_gain(void **state)
{
	static const struct { const char *name; double told, part; int seconds; double gain; } ROWS[] = {
		{ "does 8 % less", -3000, 0.92, 60, 0.92 },
		{ "does 10 % more", 3000, 1.1, 60, 1.1 },
		{ "the smallest that counts", 500, 0.9, 60, 0.9 },
		{ "too small to tell", 499, 0.9, 60, 1 },
		{ "not before it has stood for two windows", -3000, 0.92, 5, 1 },
		{ "not further than can be", -3000, 0.85, 90, 0.85 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		fresh();
		response_told(&r, 100000, ROWS[i].told);
		readings(ROWS[i].told * ROWS[i].part, ROWS[i].seconds);
		assert_row(ROWS[i].name, fabs(1 + r.gain_off - ROWS[i].gain) < 0.002);
		assert_row(ROWS[i].name, fabs(response_order(&r, response_effect(&r, 1000)) - 1000) < 1e-6);
	}
	fresh(); /* what it does by its gain is what it was told */
	r.gain_off = -0.1;
	response_told(&r, 100000, -3000);
	response_read(&r, 101000, -2700);
	assert_int_equal(r.there_ms, 101000);
	response_read(&r, 102000, -2700 - 75);
	assert_int_equal(r.there_ms, 101000);
	response_read(&r, 103000, -3000);
	assert_int_equal(r.there_ms, 0);
	fresh(); /* a device may be off by more than its gain when it is told little */
	response_told(&r, 100000, 600);
	readings(500, 60);
	assert_true(fabs(r.gain_off + 0.15) < 1e-9);
}

static void steps_teach(void **state)
{
	static const struct { const char *name; double min, max; struct response_times seen; double min_after, max_after; } ROWS[] = {
		{ "narrows by half", 0, 10000, { 1000, 1500, 2000, 2500 }, 300, 6612.5 },
		{ "narrows from where it was", 400, 10000, { 1000, 1500, 2000, 2500 }, 500, 6612.5 },
		{ "widens at once", 0, 2000, { 0, 500, 2000, 4000 }, 0, 5500 },
		{ "one beside the end does not widen", 0, 2000, { 0, 500, 1999, 4000 }, 0, 2000 },
		{ "begins earlier than was known", 1500, 5000, { 0, 1499, 4000, 4900 }, 999.2, 5000 },
		{ "begins just then", 1500, 5000, { 0, 1500, 4000, 4900 }, 1500, 5000 },
		{ "at once", 1500, 5000, { 0, 100, 4000, 4900 }, 0, 5000 },
		{ "never wider than two minutes", 0, 20000, { 0, 500, 20000, 119000 }, 0, RESPONSE_MAX_MS },
		{ "never empty", 0, 260, { 1000, 1000, 200, 100 }, 0, 200 },
		{ "never narrower than 200 ms", 700, 800, { 1000, 1000, 700, 780 }, 600, 800 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		fresh();
		r.min_ms = ROWS[i].min;
		r.max_ms = ROWS[i].max;
		response_learn(&r, &ROWS[i].seen);
		assert_row(ROWS[i].name, fabs(r.min_ms - ROWS[i].min_after) < 1);
		assert_row(ROWS[i].name, fabs(r.max_ms - ROWS[i].max_after) < 1);
		assert_row(ROWS[i].name, r.learned);
	}
	r.max_ms = 3000;
	r.min_ms = 500;
	response_widen(&r);
	assert_false(r.learned);
	assert_near(r.min_ms, 0);
	assert_near(r.max_ms, 6000);
	r.max_ms = RESPONSE_MAX_MS - 1;
	response_widen(&r);
	assert_near(r.max_ms, RESPONSE_MAX_MS);
}

/* Where the meter must show it: read there for three seconds, and told so for longer than it is known to need. */
static void when_it_is_there(void **state)
{
	static const struct { const char *name; double window_ms; int64_t meter_ms; bool there; } ROWS[] = {
		{ "not yet for long enough", 2000, 104000, false }, { "now", 2000, 104001, true },
		{ "it may need longer", 6000, 106000, false }, { "that is over", 6000, 106001, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		fresh();
		response_told(&r, 100000, -3000);
		assert_row(ROWS[i].name, !response_there(&r, ROWS[i].meter_ms)); /* not read */
		response_read(&r, 100500, -1000);
		assert_row(ROWS[i].name, !response_there(&r, ROWS[i].meter_ms)); /* read elsewhere */
		response_read(&r, 101000, -3000);
		r.max_ms = ROWS[i].window_ms;
		assert_row(ROWS[i].name, response_there(&r, ROWS[i].meter_ms) == ROWS[i].there);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_begins_wide),
		cmocka_unit_test(what_was_in_force),
		cmocka_unit_test(many_orders_are_kept_as_ranges),
		cmocka_unit_test(where_it_may_be),
		cmocka_unit_test(a_device_that_does_not_is_believed_in_time),
		cmocka_unit_test(who_comes_late_is_given_more_time),
		cmocka_unit_test(what_it_moves_from_is_kept_while_it_moves),
		cmocka_unit_test(at_the_edges),
		cmocka_unit_test(readings_the_meter_knows_better),
		cmocka_unit_test(what_was_odd_before_an_order),
		cmocka_unit_test(exactly),
		cmocka_unit_test(the_first_reading_of_a_life),
		cmocka_unit_test(the_gain),
		cmocka_unit_test(steps_teach),
		cmocka_unit_test(when_it_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
