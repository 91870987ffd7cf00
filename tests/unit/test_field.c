/* The table of values and the words that go out: complete, unique, and back again; error texts; value ages; nearest names. */
#include "core/command.h"
#include "core/decision.h"
#include "core/device.h"
#include "core/err.h"
#include "core/field.h"
#include "core/nearest.h"
#include "core/value.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_table(void **state)
{
	char name[64];

	(void)state;
	for (int f = 0; f < F_COUNT; f++) {
		const struct field_info *i = field_info((enum field)f);

		assert_true(i->min < i->max);
		assert_true(i->dead_band > 0);
		assert_true(i->decimals >= 0 && i->decimals <= 3);
		snprintf(name, sizeof(name), "%s.%s", kind_name(i->kind), i->name);
		assert_int_equal(field_by_name(name), f); /* also: no name twice */
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(field_by_name(""), F_COUNT);
	assert_int_equal(field_by_name("battery"), F_COUNT);
	assert_int_equal(field_by_name("battery."), F_COUNT);
	assert_int_equal(field_by_name("battery.soc"), F_COUNT);
	assert_int_equal(field_by_name("batterysoc_pct"), F_COUNT);
	assert_int_equal(field_by_name("meter.soc_pct"), F_COUNT);
	assert_int_equal(field_by_name("battery.soc_pct"), F_BATTERY_SOC_PCT);
	assert_string_equal(kind_name((enum kind)0), "unknown");
	assert_string_equal(kind_name(KIND_INVERTER), "inverter");
}

static void test_words(void **state)
{
	(void)state;
	assert_null(field_word(F_BATTERY_STATE, -1));
	assert_null(field_word(F_BATTERY_STATE, 7));
	assert_null(field_word(F_BATTERY_STATE, 255));
	assert_null(field_word(F_CHARGER_STATE, 6));
	assert_null(field_word(F_BATTERY_POWER_W, 0));
	assert_string_equal(field_word(F_BATTERY_STATE, BATTERY_FAULT), "fault");
	assert_string_equal(field_word(F_CHARGER_STATE, CHARGER_C), "C");
	assert_int_equal(field_number(F_BATTERY_STATE, "holding"), -1);
	assert_int_equal(field_number(F_BATTERY_POWER_W, "idle"), -1);
	assert_int_equal(field_number(F_CHARGER_STATE, "c"), -1);
	for (int n = 0; n < 7; n++)
		if (field_word(F_INVERTER_STATE, n))
			assert_int_equal(field_number(F_INVERTER_STATE, field_word(F_INVERTER_STATE, n)), n);
	assert_int_equal(field_number(F_BATTERY_CONTROL, "foreign"), CONTROL_FOREIGN);

	assert_string_equal(availability_word(AVAIL_FAULT), "fault");
	assert_string_equal(verdict_word(VERDICT_FOREIGN), "foreign");
	assert_string_equal(guarded_by_word(GUARDED_SAFE_STATE), "safe_state");
	assert_string_equal(quality_word(Q_GOOD), "good");
	assert_string_equal(rank_word(RANK_SELF_USE), "self_use");
	assert_string_equal(order_word(ORDER_BALANCE), "balance");
	assert_string_equal(battery_mode_word(MODE_SAVINGS), "SAVINGS");
	assert_string_equal(power_mode_word(POWER_FOLLOW_LOAD), "FOLLOW_LOAD");
}

static void test_value(void **state)
{
	struct value v = { 0 };
	double out = 7;

	(void)state;
	assert_false(value_get(&v, 0, 1000, &out)); /* a zeroed value is absent, not 0 */
	value_set(&v, 5, 1000, Q_STALE);
	assert_false(value_get(&v, 1000, 1000, &out));
	assert_float_equal(out, 7, 0);
	value_set(&v, 5, 1000, Q_UNVERIFIED);
	assert_true(value_get(&v, 2000, 1000, &out));
	assert_float_equal(out, 5, 0);
	assert_false(value_get(&v, 2001, 1000, &out));
}

static void test_err(void **state)
{
	char longer[2 * ERR_TEXT_MAX];
	struct errbuf err = { "" };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(errbuf_set(NULL, -5, "%d", 1), -5);
	assert_int_equal(errbuf_set(&err, -22, "%s", longer), -22);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void test_nearest(void **state)
{
	static const struct { const char *wanted, *want; } NAMES[] = {
		{ "", "" },	       { "zigbee", "" },	       { "sit", "site" },	    { "SITE", "site" },
		{ "stie", "site" },    { "sites", "site" },	       { "devcie", "device" },	    { "sunspec", "sunspec-storage" },
		{ "x", "" },	       { "fuse-a", "fuse_a" },	       { "edivec", "device" },
		{ "a-name-that-is-longer-than-any-name-this-program-knows-of-at-all-", "" },
	};
	static const char *const KNOWN[] = { "site", "device", "mqtt", "sunspec-storage", "fuse_a" };

	(void)state;
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		struct nearest n;

		nearest_start(&n, NAMES[i].wanted);
		for (size_t k = 0; k < sizeof(KNOWN) / sizeof(KNOWN[0]); k++)
			nearest_offer(&n, KNOWN[k]);
		if (strcmp(n.best, NAMES[i].want) != 0)
			fail_msg("'%s': '%s' instead of '%s'", NAMES[i].wanted, n.best, NAMES[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_names), cmocka_unit_test(test_words),
					    cmocka_unit_test(test_value), cmocka_unit_test(test_err),	cmocka_unit_test(test_nearest) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
