/* Bills against sums done by hand: prices below nothing, export dearer than import, gaps, days of 23 and 25 hours. */
#include "core/bill.h"
#include "io/zone.h"
#include "support/cm.h"

#include <math.h>
#include <string.h>

#define NEAR(a, b) (fabs((a) - (b)) < 1e-9)

static void test_intervals(void **state)
{
	static const struct row {
		const char *name;
		struct bill_interval i; /* duration, measured grid home solar, import export home sun, prices, curtailed, battery, stored */
		bool counts;
		double paid, bare, measured_s;
	} ROWS[] = {
		/* ugly ones first */
		{ "nothing was measured", { 300, 0, 0, 0, 0, 0, 0, 0, 0.3, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		{ "price not known", { 300, 300, 300, 300, 100, 0, 100, 0, NAN, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		{ "house measured for less long", { 300, 300, 200, 300, 100, 0, 60, 0, 0.3, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		{ "sun measured for less long", { 300, 300, 300, 290, 100, 0, 100, 10, 0.3, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		{ "energy is no number", { 300, 300, 300, 300, 100, 0, NAN, 0, 0.3, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		{ "meter is no number", { 300, 300, 300, 300, NAN, 0, 100, 0, 0.3, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		{ "longer than it took", { 300, 400, 400, 400, 100, 0, 100, 0, 0.3, 0.1, 0, true, 0 }, false, 0, 0, 0 },
		/* half of it was measured: that half counts, the rest is not made up */
		{ "a gap", { 300, 150, 150, 150, 50, 0, 80, 10, 0.3, 0.1, 0, true, 0 }, true, 0.015, 0.021, 150 },
		{ "a second apart", { 300, 300, 297, 300, 100, 0, 100, 0, 0.3, 0.1, 0, true, 0 }, true, 0.03, 0.03, 300 },
		/* house 100, sun 0, battery gave 60: imports 40 */
		{ "battery gives", { 300, 300, 300, 300, 40, 0, 100, 0, 0.30, 0.08, 0, true, 0 }, true, 0.012, 0.03, 300 },
		/* house 50, sun 250, battery takes 150: exports 50; without it 200 */
		{ "battery takes the sun", { 300, 300, 300, 300, 0, 50, 50, 250, 0.30, 0.08, 0, true, 0 }, true, -0.004, -0.016, 300 },
		/* at -5 ct the grid pays 100 of charging and 20 of house */
		{ "import below nothing", { 300, 300, 300, 300, 120, 0, 20, 0, -0.05, 0.02, 0, true, 0 }, true, -0.006, -0.001, 300 },
		{ "export below nothing", { 300, 300, 300, 300, 0, 30, 20, 80, 0.25, -0.04, 0, true, 0 }, true, 0.0012, 0.0024, 300 },
		/* export pays more than import costs: sold 90 of the battery */
		{ "export above import", { 300, 300, 300, 300, 0, 90, 10, 0, 0.20, 0.38, 0, true, 0 }, true, -0.0342, 0.002, 300 },
		{ "export is not paid", { 300, 300, 300, 300, 0, 90, 10, 100, 0.20, NAN, 0, true, 0 }, true, 0, 0, 300 },
		/* sun and house took turns: 30 in, 20 out. Without a battery there is nothing to compare */
		{ "no battery", { 300, 300, 300, 300, 30, 20, 60, 50, 0.30, 0.10, 0, false, 0 }, true, 0.007, 0.007, 300 },
		/* a battery that did nothing saves nothing: 20 came and went on both sides */
		{ "an idle battery", { 300, 300, 300, 300, 30, 20, 60, 50, 0.30, 0.10, 0, true, 0 }, true, 0.007, 0.007, 300 },
		{ "a battery that gave 10 of 30", { 300, 300, 300, 300, 20, 20, 60, 50, 0.30, 0.10, 0, true, 0 }, true, 0.004, 0.007, 300 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct bill b = { .measured_s = 7, .paid = 1, .bare = 2 };

		assert_row(ROWS[k].name, bill_add(&b, &ROWS[k].i) == ROWS[k].counts);
		assert_row(ROWS[k].name, NEAR(b.paid, 1 + ROWS[k].paid) && NEAR(b.bare, 2 + ROWS[k].bare));
		assert_row(ROWS[k].name, NEAR(b.measured_s, 7 + ROWS[k].measured_s));
		assert_row(ROWS[k].name, NEAR(b.import_wh, ROWS[k].counts ? ROWS[k].i.import_wh : 0));
		assert_row(ROWS[k].name, NEAR(b.export_wh, ROWS[k].counts ? ROWS[k].i.export_wh : 0));
	}
}

/* What an order held back of the sun is told by its time, and never for longer than was measured. */
static void test_curtailed(void **state)
{
	struct bill_interval i = { 300, 300, 300, 300, 0, 50, 50, 100, 0.3, 0.1, 120, true, 0 };
	struct bill b = { 0 }, all = { 0 };

	(void)state;
	assert_true(bill_add(&b, &i) && NEAR(b.curtailed_s, 120));
	i.curtailed_s = 900;
	assert_true(bill_add(&b, &i) && NEAR(b.curtailed_s, 420));
	bill_sum(&all, &b);
	bill_sum(&all, &b);
	assert_true(NEAR(all.curtailed_s, 840) && NEAR(all.measured_s, 1200) && NEAR(all.import_wh, 0) && NEAR(all.export_wh, 200));
	assert_true(NEAR(all.paid, -0.02) && NEAR(all.bare, -0.02));
}

/* What is left in the battery is worth what the home pays for energy; what was sold without a price is told. */
static void test_stored_and_unpriced(void **state)
{
	struct bill_interval i = { 300, 300, 300, 300, 500, 0, 100, 0, 0.1, NAN, 0, true, 380 };
	struct bill b = { 0 }, all = { 0 };

	(void)state;
	assert_true(bill_stored_value(&b) == 0);
	assert_true(bill_add(&b, &i) && NEAR(b.stored_wh, 380) && NEAR(bill_stored_value(&b), 0.038) && b.unpriced_wh == 0);
	i = (struct bill_interval){ 100, 100, 100, 100, 0, 70, 30, 250, 0.5, NAN, 0, true, NAN }; /* the battery took 150 of 220 */
	assert_true(bill_add(&b, &i) && NEAR(b.stored_wh, 380) && NEAR(bill_stored_value(&b), 0.38 * (0.1 * 300 + 0.5 * 100) / 400));
	assert_true(NEAR(b.unpriced_wh, 220));
	i.battery = false;
	assert_true(bill_add(&b, &i) && NEAR(b.unpriced_wh, 290));
	i.export_price = 0;                                       /* nothing is a price */
	i.stored_wh = -400;
	assert_true(bill_add(&b, &i) && NEAR(b.unpriced_wh, 290) && NEAR(b.stored_wh, -20) && bill_stored_value(&b) < 0);
	i.import_price = NAN;
	assert_true(!bill_add(&b, &i) && NEAR(b.stored_wh, -20));
	bill_sum(&all, &b);
	bill_sum(&all, &b);
	assert_true(NEAR(all.stored_wh, -40) && NEAR(all.unpriced_wh, 580) && NEAR(bill_stored_value(&all), 2 * bill_stored_value(&b)));
}

static void test_prices(void **state)
{
	struct price_series p = { .n = 0 };

	(void)state;
	assert_true(isnan(bill_price(&p, 0, 300000)));
	assert_int_equal(price_push(&p, &(struct price_segment){ 100000, 200000, 0.10, 1 }), 0);
	assert_int_equal(price_push(&p, &(struct price_segment){ 200000, 400000, 0.40, 1 }), 0);
	assert_int_equal(price_push(&p, &(struct price_segment){ 500000, 600000, 0.70, 1 }), 0);
	assert_int_equal(price_push(&p, &(struct price_segment){ 600000, 700000, 0.90, PRICE_LAST_KNOWN_CONFIDENCE }), 0);
	assert_true(NEAR(bill_price(&p, 100000, 400000), 0.30)); /* by time */
	assert_true(NEAR(bill_price(&p, 250000, 300000), 0.40));
	assert_true(NEAR(bill_price(&p, 500000, 600000), 0.70));
	assert_true(isnan(bill_price(&p, 50000, 150000)));       /* begins before what is known */
	assert_true(isnan(bill_price(&p, 350000, 550000)));      /* a hole */
	assert_true(isnan(bill_price(&p, 590000, 610000)));      /* borrowed from another week */
	assert_true(isnan(bill_price(&p, 650000, 750000)));      /* ends behind it */
	assert_true(isnan(bill_price(&p, 300000, 300000)));
}

/* A house of 1200 W all day at 10 ct by night (00:00-06:00) and 30 ct else: the night of a day with 23 hours is an hour shorter. */
static void test_days(void **state)
{
	static const struct {
		const char *name, *from;
		int hours;
		double paid;
	} ROWS[] = {
		{ "23 hours", "2026-03-29T00:00:00Z", 23, 1.2 * (5 * 0.1 + 18 * 0.3) },
		{ "24 hours", "2026-01-15T00:00:00Z", 24, 1.2 * (6 * 0.1 + 18 * 0.3) },
		{ "25 hours", "2026-10-24T23:00:00Z", 25, 1.2 * (7 * 0.1 + 18 * 0.3) },
	};
	static struct price_series prices;
	struct tariff_windows windows;
	struct zone zone;

	(void)state;
	assert_int_equal(zone_load("Europe/London", &zone, NULL), 0);
	assert_int_equal(tariff_parse("00:00-06:00 0.10, 06:00-24:00 0.30", &windows, NULL), 0);
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct bill b = { 0 };
		int64_t from, end;

		assert_int_equal(calendar_parse(ROWS[k].from, &from), 0);
		end = from + ROWS[k].hours * 3600000LL;
		assert_row(ROWS[k].name, calendar_day_start(&zone, end - 1) == from && calendar_day_start(&zone, end) == end);
		tariff_expand(&windows, &zone, from, end, &prices);
		for (int64_t at = from; at < end; at += 300000) {
			const struct bill_interval i = { 300, 300, 300, 300, 100, 0, 100, 0, bill_price(&prices, at, at + 300000), NAN, 0, true, NAN };

			assert_true(bill_add(&b, &i));
		}
		assert_row(ROWS[k].name, NEAR(b.paid, ROWS[k].paid) && NEAR(b.bare, b.paid));
		assert_row(ROWS[k].name, NEAR(b.measured_s, ROWS[k].hours * 3600));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals), cmocka_unit_test(test_curtailed), cmocka_unit_test(test_stored_and_unpriced), cmocka_unit_test(test_prices), cmocka_unit_test(test_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
