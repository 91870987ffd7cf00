/* Which driver serves which profile, and which roles a profile offers. Every driver in the list can be started. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "{\"schema\":\"hub-device-profile/1\","

static const struct {
	const char *name, *profile, *json, *driver;
	uint32_t roles;
} ROWS[] = {
	{ "no JSON", "x", "{", NULL, 0 },
	{ "a list", "x", "[]", NULL, 0 },
	{ "other schema", "x", "{\"schema\":\"hub-device-profile/2\",\"kind\":\"meter\"}", NULL, 0 },
	{ "schema is a number", "x", "{\"schema\":1,\"kind\":\"meter\"}", NULL, 0 },
	{ "unknown driver", "x", HEAD "\"kind\":\"meter\",\"driver\":\"acme\"}", NULL, ROLE_GRID | ROLE_LOAD },
	{ "unknown kind", "x", HEAD "\"kind\":\"toaster\",\"also\":[\"meter\"]}", "profile", 0 },
	{ "kind is a number", "x", HEAD "\"kind\":4}", "profile", 0 },
	{ "meter", "x", HEAD "\"kind\":\"meter\"}", "profile", ROLE_GRID | ROLE_LOAD },
	{ "hybrid", "x", HEAD "\"kind\":\"battery\",\"also\":[\"inverter\",\"meter\",7]}", "profile",
	  ROLE_BATTERY | ROLE_PV | ROLE_GRID | ROLE_LOAD },
	{ "sunspec by addressing", "x", HEAD "\"kind\":\"inverter\",\"transport\":{\"addressing\":\"sunspec\"}}", "sunspec",
	  ROLE_PV },
	{ "named driver", "x", HEAD "\"kind\":\"charger\",\"driver\":\"skeleton\"}", "skeleton", ROLE_CHARGER },
	{ "sunspec without a file", "sunspec", NULL, "sunspec", 0 },
	{ "skeleton without a file", "skeleton", NULL, "skeleton", 0 },
	{ "profile without a file", "profile", NULL, NULL, 0 },
	{ "unknown without a file", "acme", NULL, NULL, 0 },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		size_t len = ROWS[i].json ? strlen(ROWS[i].json) : 0;
		const struct driver *d = driver_for_profile(ROWS[i].profile, ROWS[i].json, len);

		if (!d != !ROWS[i].driver || (d && strcmp(d->name, ROWS[i].driver)))
			fail_msg("%s: driver %s", ROWS[i].name, d ? d->name : "none");
		if (ROWS[i].json && driver_profile_roles(ROWS[i].json, len) != ROWS[i].roles)
			fail_msg("%s: roles %u", ROWS[i].name, driver_profile_roles(ROWS[i].json, len));
	}
}

static void test_shipped_profiles(void **state)
{
	static const struct {
		const char *profile, *driver;
		uint32_t roles;
	} SHIPPED[] = {
		{ "sunspec-storage", "sunspec", ROLE_BATTERY | ROLE_PV },
		{ "keba-p30-p40", "profile", ROLE_CHARGER },
		{ "eastron-sdm630", "profile", ROLE_GRID | ROLE_LOAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(SHIPPED) / sizeof(SHIPPED[0]); i++) {
		size_t len;
		char *json = fake_profile(SHIPPED[i].profile, &len);
		const struct driver *d = driver_for_profile(SHIPPED[i].profile, json, len);
		struct driver_options o = fake_options(SHIPPED[i].profile, 1);
		struct fake_unit u = { .unit = 1 };
		struct fake_run run;

		assert_non_null(d);
		assert_string_equal(d->name, SHIPPED[i].driver);
		assert_int_equal(driver_profile_roles(json, len), SHIPPED[i].roles);
		o.profile_json = json;
		o.profile_json_len = len;
		if (fake_start(&run, d, &o, &u))
			fail_msg("%s: %s", SHIPPED[i].profile, run.err.text);
		fake_until(&run, run.now_ms + 70000); /* an empty unit: nothing but exceptions, and nothing invented */
		for (int f = 0; f < F_COUNT; f++)
			assert_false(value_usable(&run.state.f[f]));
		fake_stop(&run);
		free(json);
	}
}

static void test_list(void **state)
{
	(void)state;
	for (int i = 0; DRIVERS[i]; i++) {
		assert_non_null(DRIVERS[i]->init);
		assert_non_null(DRIVERS[i]->aim);
		assert_non_null(DRIVERS[i]->plan);
		assert_non_null(DRIVERS[i]->feed);
		assert_true(DRIVERS[i]->size > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_shipped_profiles),
					    cmocka_unit_test(test_list) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
