/* Wishes and their limits, and what the chain does with wishes no honest policy leaves. The registry is this file's own: what
 * stands in it is written by nobody who means well. */
#include "support/cm.h"
#include "support/desk.h"

#include <math.h>
#include <string.h>

static struct snapshot s;
static struct chain chain;
static struct decisions out;
static struct wishes wishes;
static void (*rogue)(struct wishes *w);

static void rogue_init(void *memory)
{
	*(int *)memory = 41;
}

static void rogue_step(void *memory, const struct snapshot *snap, struct wishes *w)
{
	(void)snap;
	++*(int *)memory;
	rogue(w);
}

static void quiet_init(void *memory)
{
	(void)memory;
}

static void quiet_step(void *memory, const struct snapshot *snap, struct wishes *w)
{
	(void)memory;
	wish_order(w, 1, order_power(700), snap->utc_ms + 1, REASON_SELF_USE, "self-use");
}

static const struct policy ROGUE = { "rogue", RANK_RESERVE, sizeof(int), rogue_init, rogue_step };
static const struct policy QUIET = { "quiet", RANK_SELF_USE, 0, quiet_init, quiet_step };
const struct policy *const POLICIES[] = { &ROGUE, &QUIET, NULL };

static void table(void)
{
	memset(&wishes, 0, sizeof(wishes));
}

static void wishes_say_what_was_asked(void **state)
{
	(void)state;
	table();
	wish_limit_device(&wishes, 2, -1, 3, REASON_RATING, "rated %d..%d W", -1, 3);
	wish_limit_power(&wishes, 3, -4, 5, REASON_METER_LOST, "no meter");
	wish_limit_point(&wishes, POINT_L2, -6, 7, REASON_FUSE, "fuse");
	wish_order(&wishes, 4, order_power(8), 9, REASON_OWNER, "the owner's %d W", 8);
	wish_doubt(&wishes, 5, DOUBT_METER_SCALE, "ten times");
	assert_int_equal(wishes.n_limits, 3);
	assert_true(wishes.limits[0].device == 2 && wishes.limits[0].min_w == -1 && wishes.limits[0].max_w == 3 && !wishes.limits[0].power_only);
	assert_true(wishes.limits[0].code == REASON_RATING && !strcmp(wishes.limits[0].why, "rated -1..3 W"));
	assert_true(wishes.limits[1].device == 3 && wishes.limits[1].power_only && wishes.limits[1].min_w == -4 && wishes.limits[1].max_w == 5);
	assert_true(wishes.limits[2].device < 0 && wishes.limits[2].point == POINT_L2 && wishes.limits[2].min_w == -6 && wishes.limits[2].max_w == 7);
	assert_true(wishes.n_orders == 1 && wishes.orders[0].device == 4 && wishes.orders[0].order.w == 8 && wishes.orders[0].until_utc_ms == 9);
	assert_true(wishes.orders[0].rank == RANK_NONE && wishes.orders[0].code == REASON_OWNER && !strcmp(wishes.orders[0].why, "the owner's 8 W"));
	assert_true(wishes.n_doubts == 1 && wishes.doubts[0].device == 5 && wishes.doubts[0].kind == DOUBT_METER_SCALE);
	assert_string_equal(wishes.doubts[0].why, "ten times");
	assert_int_equal(wishes.overflow, 0);
}

static void a_full_table_is_counted(void **state)
{
	(void)state;
	table();
	for (int i = 0; i < LIMITS_MAX; i++)
		wish_limit_device(&wishes, i % DEVICE_MAX, 0, 0, REASON_RATING, "%d", i);
	for (int i = 0; i < ORDERS_MAX; i++)
		wish_order(&wishes, i % DEVICE_MAX, order_power(0), 0, REASON_OWNER, "%d", i);
	for (int i = 0; i < DOUBTS_MAX; i++)
		wish_doubt(&wishes, 0, DOUBT_SWING, "%d", i);
	assert_true(wishes.overflow == 0 && wishes.n_limits == LIMITS_MAX && wishes.n_orders == ORDERS_MAX && wishes.n_doubts == DOUBTS_MAX);
	wish_limit_device(&wishes, 0, 0, 0, REASON_RATING, "one more");
	assert_true(wishes.overflow == 1 && wishes.n_limits == LIMITS_MAX);
	wish_order(&wishes, 0, order_power(0), 0, REASON_OWNER, "one more");
	assert_true(wishes.overflow == 2 && wishes.n_orders == ORDERS_MAX);
	wish_doubt(&wishes, 0, DOUBT_SWING, "one more");
	assert_true(wishes.overflow == 3 && wishes.n_doubts == DOUBTS_MAX);
}

static void a_rank_goes_to_the_last_order(void **state)
{
	static struct wishes before;

	(void)state;
	table();
	before = wishes;
	wish_rank(&wishes, RANK_OVERRIDE); /* nobody there: nothing happens, also not before the first */
	assert_memory_equal(&wishes, &before, sizeof(before));
	wish_order(&wishes, 0, order_power(0), 0, REASON_OWNER, "first");
	wish_order(&wishes, 1, order_power(0), 0, REASON_OWNER, "second");
	wish_rank(&wishes, RANK_OVERRIDE);
	assert_int_equal(wishes.orders[0].rank, RANK_NONE);
	assert_int_equal(wishes.orders[1].rank, RANK_OVERRIDE);
}

static void nothing(struct wishes *w)
{
	(void)w;
}

static void no_zero_above(struct wishes *w)
{
	wish_limit_device(w, 1, 100, 200, REASON_RATING, "would force a charge");
}

static void less_than_the_limit_forces(struct wishes *w)
{
	no_zero_above(w);
	wish_order(w, 1, order_power(50), 0, REASON_OWNER, "50 W");
}

static void no_zero_below(struct wishes *w)
{
	wish_limit_device(w, 1, -200, -100, REASON_RATING, "would force a discharge");
}

static void no_numbers(struct wishes *w)
{
	wish_limit_device(w, 1, NAN, NAN, REASON_RATING, "no numbers");
}

static void zero_at_both_ends(struct wishes *w)
{
	wish_limit_device(w, 1, 0, 0, REASON_RATING, "hold");
}

static void beyond_the_devices(struct wishes *w)
{
	wish_limit_device(w, 2, -1, 1, REASON_RATING, "nobody");
}

static void to_the_last_device(struct wishes *w)
{
	wish_limit_device(w, 1, -1000, 500, REASON_RATING, "rated");
}

static void order_beyond(struct wishes *w)
{
	wish_order(w, 2, order_power(100), 0, REASON_OWNER, "nobody");
}

static void order_before(struct wishes *w)
{
	wish_order(w, -1, order_power(100), 0, REASON_OWNER, "nobody");
}

static void order_of_nothing(struct wishes *w)
{
	wish_order(w, 1, order_power(NAN), 0, REASON_OWNER, "no number");
}

static void order_of_two(struct wishes *w)
{
	wish_order(w, 1, order_power(300), 0, REASON_OWNER, "first");
	wish_order(w, 1, order_power(400), 0, REASON_OWNER, "second");
}

static void order_with_a_lower_rank(struct wishes *w)
{
	wish_order(w, 1, order_power(300), 0, REASON_OWNER, "first");
	wish_order(w, 1, order_power(400), 0, REASON_OWNER, "the owner's");
	wish_rank(w, RANK_LIMIT);
}

static void order_to_the_meter(struct wishes *w)
{
	wish_order(w, 0, order_power(300), 0, REASON_OWNER, "a meter takes none");
}

static void too_many(struct wishes *w)
{
	for (int i = 0; i < LIMITS_MAX + 3; i++)
		wish_limit_device(w, 1, -1000, 1000, REASON_RATING, "again");
}

/* Devices: 0 the meter, 1 a battery that self-use asks to take 700 W. */
static void the_chain_minds_what_it_is_asked(void **state)
{
	static const struct { const char *name; void (*rogue)(struct wishes *); uint32_t bad; double w; enum rank rank; } ROWS[] = {
		{ "nothing", nothing, 0, 700, RANK_SELF_USE },
		{ "a limit above 0 is widened to 0", no_zero_above, 1, 200, RANK_SELF_USE },
		{ "and forces nothing", less_than_the_limit_forces, 1, 50, RANK_RESERVE },
		{ "a limit below 0 is widened to 0", no_zero_below, 1, 0, RANK_SELF_USE },
		{ "a limit of no numbers is 0..0", no_numbers, 1, 0, RANK_SELF_USE },
		{ "0 at both ends is a limit like any", zero_at_both_ends, 0, 0, RANK_SELF_USE },
		{ "a limit for nobody", beyond_the_devices, 1, 700, RANK_SELF_USE },
		{ "a limit for the last device", to_the_last_device, 0, 500, RANK_SELF_USE },
		{ "an order for nobody", order_beyond, 1, 700, RANK_SELF_USE },
		{ "an order for a device below 0", order_before, 1, 700, RANK_SELF_USE },
		{ "an order without a number", order_of_nothing, 1, 700, RANK_SELF_USE },
		{ "two orders of one rank: who was first", order_of_two, 0, 300, RANK_RESERVE },
		{ "a better rank, whenever it comes", order_with_a_lower_rank, 0, 400, RANK_LIMIT },
		{ "an order to a meter", order_to_the_meter, 0, 700, RANK_SELF_USE },
		{ "more than there is room for", too_many, 3, 700, RANK_SELF_USE },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		desk_init(&s);
		assert_int_equal(desk_battery(&s, 50), 1);
		desk_power(&s, 1, 0);
		rogue = ROWS[r].rogue;
		chain_init(&chain);
		chain_step(&chain, &s, &out);
		assert_row(ROWS[r].name, chain.bad_wishes == ROWS[r].bad);
		assert_row(ROWS[r].name, out.d[1].order.kind == ORDER_POWER && out.d[1].order.w == ROWS[r].w && out.d[1].rank == ROWS[r].rank);
		assert_row(ROWS[r].name, out.d[0].order.kind == ORDER_NONE);
	}
}

static void equal_limits(struct wishes *w)
{
	wish_limit_device(w, 1, -900, 500, REASON_RATING, "first");
	wish_limit_device(w, 1, -900, 500, REASON_FULL, "second");
	wish_limit_device(w, 1, -900, 501, REASON_FLOOR, "wider");
}

static void equal_limits_below(struct wishes *w)
{
	equal_limits(w);
	wish_order(w, 1, order_power(-1000), 0, REASON_OWNER, "1000 W out");
}

/* Of several that cut as far, who spoke first is named. */
static void the_first_of_equals_is_named(void **state)
{
	(void)state;
	desk_init(&s);
	desk_battery(&s, 50);
	rogue = equal_limits;
	chain_init(&chain);
	chain_step(&chain, &s, &out);
	assert_true(out.d[1].order.w == 500 && out.d[1].code == REASON_RATING && out.d[1].limited_by == 1u << RANK_RESERVE);
	rogue = equal_limits_below;
	chain_step(&chain, &s, &out);
	assert_true(out.d[1].order.w == -900 && out.d[1].code == REASON_RATING);
}

/* No guard stands in this registry: what it would have forbidden is caught by the last look. */
static void the_last_look_needs_no_guard(void **state)
{
	static const struct { const char *name; double rating_w, soc_pct, w; enum reason code; bool cut; } ROWS[] = {
		{ "within the rating", 700, 50, 700, REASON_SELF_USE, false },
		{ "beyond the rating", 699, 50, 699, REASON_LAST_CHECK, true },
		{ "no SoC, no charge", 700, NAN, 0, REASON_LAST_CHECK, true },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		desk_init(&s);
		desk_battery(&s, ROWS[r].soc_pct);
		desk_power(&s, 1, 0);
		s.dev[1].charge_max_w = ROWS[r].rating_w;
		rogue = nothing;
		chain_init(&chain);
		chain_step(&chain, &s, &out);
		assert_row(ROWS[r].name, out.d[1].order.w == ROWS[r].w && out.d[1].code == ROWS[r].code);
		assert_row(ROWS[r].name, out.d[1].limited_by == (ROWS[r].cut ? 1u << RANK_GUARD : 0));
	}
}

/* Why nobody's order is in force. */
static void nobody_leads(void **state)
{
	enum { METER_ONLY, BATTERY, CHARGER, BOTH, CHARGES_TOO };
	static const struct { const char *name; int what; enum availability battery, charger; const char *why; } ROWS[] = {
		{ "a meter alone", METER_ONLY, 0, 0, "there is no device to steer" },
		{ "a battery that is away", BATTERY, AVAIL_OFFLINE, 0, "no device answers" },
		{ "a battery never heard of", BATTERY, AVAIL_UNKNOWN, 0, "no device answers" },
		{ "a battery that takes nothing", BATTERY, AVAIL_ONLINE, 0, "no device that answers takes orders" },
		{ "a battery with a fault", BATTERY, AVAIL_FAULT, 0, "no device that answers takes orders" },
		{ "a charger that is away", CHARGER, 0, AVAIL_OFFLINE, "no device answers" },
		{ "a charger that takes nothing", CHARGER, 0, AVAIL_ONLINE, "no device that answers takes orders" },
		{ "the first answers, the second does not", BOTH, AVAIL_ONLINE, AVAIL_OFFLINE, "no device that answers takes orders" },
		{ "a battery with a socket for a car", CHARGES_TOO, AVAIL_ONLINE, 0, "no device that answers takes orders" },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(ROWS) / sizeof(ROWS[0]); r++) {
		desk_init(&s);
		if (ROWS[r].what == BATTERY || ROWS[r].what == BOTH || ROWS[r].what == CHARGES_TOO) {
			struct snap_device *d = &s.dev[desk_battery(&s, 50)];

			d->state.caps = (struct device_caps){ .charge_max_w = 5000 };
			d->state.availability = ROWS[r].battery;
			d->roles |= ROWS[r].what == CHARGES_TOO ? ROLE_CHARGER : 0;
		}
		if (ROWS[r].what == CHARGER || ROWS[r].what == BOTH) {
			struct snap_device *d = &s.dev[desk_charger(&s, 0)];

			d->state.caps.can_power = false;
			d->state.availability = ROWS[r].charger;
		}
		rogue = nothing;
		chain_init(&chain);
		chain_step(&chain, &s, &out);
		assert_row(ROWS[r].name, out.mode == RANK_GUARD && out.code == REASON_NO_ORDER);
		assert_string_equal(out.why, ROWS[r].why);
	}
}

static void memory_is_kept_and_begun_once(void **state)
{
	(void)state;
	desk_init(&s);
	rogue = nothing;
	chain_init(&chain);
	for (int t = 1; t <= 3; t++) {
		chain_step(&chain, &s, &out);
		assert_int_equal(*(int *)(void *)chain.memory[0], 41 + t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes_say_what_was_asked),
		cmocka_unit_test(a_full_table_is_counted),
		cmocka_unit_test(a_rank_goes_to_the_last_order),
		cmocka_unit_test(the_chain_minds_what_it_is_asked),
		cmocka_unit_test(the_first_of_equals_is_named),
		cmocka_unit_test(the_last_look_needs_no_guard),
		cmocka_unit_test(nobody_leads),
		cmocka_unit_test(memory_is_kept_and_begun_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
