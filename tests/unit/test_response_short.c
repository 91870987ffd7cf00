/* What limits know of a device before the loop believes it: it stops short of its order in the driver's time, and what it had shown it
 * cannot do it has not done before the next order either. */
#include "policies/response.h"
#include "support/cm.h"

#include <math.h>
#include <string.h>

static struct response r;

/* By the driver an order is there after 1250 ms; the window is 2500 ms. Told 0 W for ever, and read so. */
static void fresh(bool exact)
{
	memset(&r, 0, sizeof(r));
	response_begin(&r, 1000);
	response_told(&r, 1000, 0);
	r.exact = exact;
	response_read(&r, 99000, 0);
}

static bool falls_short(void)
{
	return r.brief || response_fails(&r);
}

static void who_stops_short(void **state)
{
	static const struct {
		const char *name;
		bool exact;
		int64_t first_ms, second_ms; /* after the order */
		double first, second;
		bool brief;
	} ROWS[] = {
		{ "it has moved, and stands", false, 750, 1250, -1000, -1000, true },
		{ "the driver's time is not over", false, 750, 1249, -1000, -1000, false },
		{ "a tenth of what is missing is standing", false, 750, 1250, -1000, -1181.5, true },
		{ "more is not", false, 750, 1250, -1000, -1182, false },
		{ "15 % off is following", false, 750, 1250, -2550, -2550, false },
		{ "less is not", false, 750, 1250, -2549, -2549, true },
		{ "outside the loop 25 W are", true, 750, 1250, -2975, -2975, false },
		{ "and not less", true, 750, 1250, -2974, -2974, true },
		{ "it has not begun: it may be slower than told", false, 750, 1250, -20, -20, false },
		{ "it has", false, 750, 1250, -21, -21, true },
		{ "went too far", false, 750, 1250, -3500, -3500, false },
		{ "went the other way", false, 750, 1250, 500, 500, false },
	};

	(void)state;
	for (int up = 0; up < 2; up++)
		for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
			double sign = up ? -1 : 1, end_w = sign * ROWS[i].second;

			fresh(ROWS[i].exact);
			response_told(&r, 100000, sign * -3000);
			response_read(&r, 100000 + ROWS[i].first_ms, sign * ROWS[i].first);
			response_read(&r, 100000 + ROWS[i].second_ms, end_w);
			assert_row(ROWS[i].name, r.brief == ROWS[i].brief);
			if (ROWS[i].brief)
				assert_row_near(ROWS[i].name, response_effect_soon(&r, sign * -3000), end_w);
			assert_row_near(ROWS[i].name, response_effect(&r, sign * -3000), sign * -3000); /* the loop waits */
			assert_row(ROWS[i].name, !r.bound);
		}
}

static void until_it_is_read_otherwise(void **state)
{
	(void)state;
	fresh(false);
	response_told(&r, 100000, -3000);
	response_read(&r, 101000, -1000);
	response_read(&r, 102000, -1000);
	response_told(&r, 102000, -3500); /* it stays at its end: where it came from is not there */
	response_read(&r, 103300, -1000);
	assert_true(falls_short());
	response_read(&r, 104000, -2000);
	assert_false(r.brief);
	fresh(false);
	response_told(&r, 100000, -3000);
	response_read(&r, 101000, -3000);
	response_told(&r, 102000, -5000); /* it had followed: it has not begun to move */
	response_read(&r, 103300, -3000);
	assert_false(falls_short());
	response_read(&r, 103800, -3100);
	response_read(&r, 104000, -3100);
	assert_true(falls_short());
	response_blind(&r);
	assert_false(falls_short());
	response_told(&r, 110000, -1000); /* what the meter has seen happen is no doubt of the loop; it stands short all the same */
	r.proved_ms = 110000;
	response_read(&r, 114000, -2000);
	assert_false(falls_short());
	response_read(&r, 115000, -2000);
	assert_int_equal(r.odd_ms, 0);
	assert_true(falls_short());
	assert_near(response_effect_soon(&r, -1000), -1000); /* it does more, not less */
}

/* For long told 22 kW, it draws 20; then it is told less. */
static void what_it_did_before(void **state)
{
	static const struct { const char *name; double reads, then, did; bool less; } ROWS[] = {
		{ "no more than it could", 20000, 20000, 20000, true },
		{ "a little more is the same", 20000, 20025, 20000, true },
		{ "more: it can again", 20000, 20025.5, 22000, true },
		{ "it did more than told: that was no end", 23000, 23000, 22000, false },
		{ "as told", 22000, 22000, 22000, true },
	};

	(void)state;
	for (int up = 0; up < 2; up++)
		for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
			double sign = up ? 1 : -1;
			struct response_range did, power;

			fresh(true);
			response_told(&r, 100000, sign * 22000);
			for (int k = 1; k <= 5; k++)
				response_read(&r, 100000 + 1000 * k, sign * ROWS[i].reads);
			response_told(&r, 106000, sign * 15000);
			response_read(&r, 106100, sign * ROWS[i].then);
			did = response_did(&r, 105000, 106500);
			assert_row_near(ROWS[i].name, fabs(up ? did.high_w : did.low_w), ROWS[i].did);
			assert_row_near(ROWS[i].name, fabs(up ? did.low_w : did.high_w), 15000); /* what it is told now it may still come to */
			power = response_power(&r, 106100, INT64_MAX);
			if (ROWS[i].less)
				assert_row_near(ROWS[i].name, fabs(up ? power.high_w : power.low_w), ROWS[i].did);
			assert_near(fabs(response_orders(&r, 105000, 105500).high_w), 22000); /* it was told all the same */
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stops_short),
		cmocka_unit_test(until_it_is_read_otherwise),
		cmocka_unit_test(what_it_did_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
