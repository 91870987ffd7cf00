/* What a reload finds changed, and what of the plant may go on as it is. */
#include "core/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SITE "[site]\nid = home-0042\n"
#define BUS "[bus house]\nhost = 127.0.0.1\n"
#define GRID "[device grid]\nprofile = meter\nbus = house\nunit = 10\nroles = grid\n"
#define HOME SITE BUS GRID

static struct config cfg;

static int parse(const char *base, const char *more)
{
	const struct config_file f[] = { { "a.conf", base, strlen(base) }, { "b.conf", more, strlen(more) } };
	static struct config_errors errors;

	memset(&cfg, 0, sizeof(cfg));
	return config_parse(f, 2, NULL, NULL, &cfg, &errors);
}

static void test_compare(void **state)
{
	static const struct { const char *text; uint32_t want; } CHANGES[] = {
		{ "", 0 },
		{ "[site]\nreserve_pct = 30\n", CHANGE_LIVE },
		{ "[site]\nlatitude = 50\n", CHANGE_LIVE },
		{ "[site]\ntimezone = Europe/London\n", CHANGE_TARIFF },
		{ "[mqtt]\nport = 1884\n", CHANGE_MQTT },
		{ "[bus house]\nport = 503\n", CHANGE_PLANT },
		{ "[bus b]\nhost = ::1\n", CHANGE_PLANT },
		{ "[device grid]\nunit = 11\n", CHANGE_PLANT },
		{ "[device grid]\ncapacity_wh = 5000\n", CHANGE_PLANT },
		{ "[device grid]\nflip_device_id = x\n", CHANGE_FLIP },
		{ "[device grid]\npriority = 3\n", CHANGE_LIVE },
		{ "[device grid]\nsoc_min_pct = 12\nsoc_max_pct = 90\nallow_unguarded = yes\n", CHANGE_LIVE },
		{ "[device c]\nprofile = charger\nbus = house\nunit = 3\n", CHANGE_PLANT | CHANGE_FLIP },
		{ "[flip]\nmode = queue\n", CHANGE_FLIP },
		{ "[flatpeak]\nmode = pushed\n", CHANGE_FLATPEAK },
		{ "[tariff]\n", CHANGE_TARIFF },
		{ "[tariff]\nimport = 0.2\ncurrency = EUR\n", CHANGE_TARIFF },
		{ "[plan]\nwear_cost = 0.05\n", CHANGE_LIVE },
	};
	static struct config before;

	(void)state;
	assert_int_equal(parse(HOME, ""), 0);
	before = cfg;
	for (size_t i = 0; i < sizeof(CHANGES) / sizeof(CHANGES[0]); i++) {
		assert_int_equal(parse(HOME, CHANGES[i].text), 0);
		if (config_compare(&before, &cfg) != CHANGES[i].want)
			fail_msg("%s: %u instead of %u", CHANGES[i].text, config_compare(&before, &cfg), CHANGES[i].want);
	}
}

/* What goes on as it is at a reload, by places in the old file: -1 begins anew. */
static void test_kept(void **state)
{
	static const char TWO[] = "[bus line]\nhost = ::1\n[device car]\nprofile = charger\nbus = line\nunit = 3\n";
	static const struct { const char *name, *text; int buses[3], devices[3]; } ROWS_KEPT[] = {
		{ "nothing changed", "", { 0, 1, -2 }, { 0, 1, -2 } },
		{ "what no driver takes", "[device car]\npriority = 3\nsoc_min_pct = 10\n", { 0, 1, -2 }, { 0, 1, -2 } },
		{ "another unit", "[device car]\nunit = 4\n", { 0, 1, -2 }, { 0, -1, -2 } },
		{ "another host, and who is on it", "[bus line]\nhost = ::2\n", { 0, -1, -2 }, { 0, -1, -2 } },
		{ "a line, and what is left over from a host", "[bus line]\ntype = rtu\ndevice = /dev/ttyS0\n", { 0, -1, -2 }, { 0, -1, -2 } },
		{ "to the other bus", "[device car]\nbus = house\n", { 0, 1, -2 }, { 0, -1, -2 } },
		{ "one more on a bus", "[device pv]\nprofile = charger\nbus = line\nunit = 5\n", { 0, 1, -2 }, { 0, 1, -1 } },
		{ "one less", "[device car]\nenabled = no\n", { 0, 1, -2 }, { 0, -2, -2 } },
		{ "and one bus more", "[bus third]\nhost = ::3\n", { 0, 1, -1 }, { 0, 1, -2 } },
	};
	static struct config before;
	char base[4000];

	(void)state;
	snprintf(base, sizeof(base), "%s%s", HOME, TWO);
	assert_int_equal(parse(base, ""), 0);
	before = cfg;
	for (size_t i = 0; i < sizeof(ROWS_KEPT) / sizeof(ROWS_KEPT[0]); i++) {
		struct config_kept kept;

		assert_int_equal(parse(base, ROWS_KEPT[i].text), 0);
		memset(&kept, -1, sizeof(kept));
		config_kept(&before, &cfg, &kept);
		for (int k = 0; k < cfg.n_buses; k++)
			if (kept.bus[k] != ROWS_KEPT[i].buses[k])
				fail_msg("%s: bus %d is %d", ROWS_KEPT[i].name, k, kept.bus[k]);
		for (int k = 0; k < cfg.n_devices; k++)
			if (kept.device[k] != ROWS_KEPT[i].devices[k])
				fail_msg("%s: device %d is %d", ROWS_KEPT[i].name, k, kept.device[k]);
	}
	assert_int_equal(parse(base, ""), 0); /* in another order: the bus of the second is found by its name */
	before = cfg;
	snprintf(base, sizeof(base), "%s%s%s%s", SITE, TWO, BUS, GRID);
	assert_int_equal(parse(base, ""), 0);
	{
		struct config_kept kept;

		config_kept(&before, &cfg, &kept);
		assert_true(kept.bus[0] == 1 && kept.bus[1] == 0 && kept.device[0] == 1 && kept.device[1] == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_compare), cmocka_unit_test(test_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
